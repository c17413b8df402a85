// Signatures: Ed25519 of signed notes, and compact JWS by P-256 keys (RFC 7515, ES256).

// RFC 8032, section 7.1, TEST 1: the signature of the empty message.
const KNOWN_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const KNOWN_SIGNATURE =
  "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+bRr0lv18FlbviRlUUFDjnoQCw==";

// A sentence about what this browser lacks, or null. A browser that cannot check must refuse, never skip.
async function browserLacks() {
  if (!globalThis.crypto?.subtle) {
    return "this browser gives no cryptography to a page from plain http: save the page and open the file";
  }
  const key = unb64(KNOWN_KEY, "the known key");
  const signature = unb64(KNOWN_SIGNATURE, "the known signature");
  const accepts = await ed25519Holds(key, bytesOf(""), signature);
  const rejects = !(await ed25519Holds(key, bytesOf("x"), signature));
  if (accepts && rejects && "isWellFormed" in String.prototype) return null;
  return (
    "this browser cannot check Ed25519 signatures, so nothing was checked; " +
    "Chrome and Edge from 137, Firefox from 129 and Safari from 17 can"
  );
}

async function ed25519Holds(publicKey, message, signature) {
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, key, signature, message);
  } catch {
    return false; // not a point of the curve, or a browser without it
  }
}

// The key of a public P-256 JWK of exactly the right form. It says nothing about who holds the key.
async function publicKey(jwk) {
  const form = isObject(jwk) && jwk.kty === "EC" && jwk.crv === "P-256" && !Object.hasOwn(jwk, "d");
  demand(form, "the key is not a public P-256 JWK");
  const point = join(Uint8Array.of(4), unb64u(jwk.x, "jwk.x", 32), unb64u(jwk.y, "jwk.y", 32));
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  try {
    return await crypto.subtle.importKey("raw", point, algorithm, false, ["verify"]);
  } catch {
    return refuse("the key is not a point of P-256");
  }
}

// The thumbprint of a key (RFC 7638).
async function thumbprint(jwk) {
  return b64u(await sha256(bytesOf(canonical({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }))));
}

// The parts of a compact JWS, not verified. There is one algorithm and one header, and so no choice to confuse.
function takeApart(text) {
  demand(text.length <= MAX_JWS && text.split(".").length === 3, "not a compact JWS");
  const [head, body, mark] = text.split(".");
  const header = readPart(head, "the JWS header");
  const form = hasExactly(header, ["alg", "kid", "typ"]) && header.alg === "ES256";
  demand(form, "the JWS header is not exactly alg ES256, kid and typ");
  demand(isText(header.kid) && isText(header.typ), "kid and typ of the JWS header are text");
  const payload = readPart(body, "the JWS payload");
  const signature = unb64u(mark, "the JWS signature");
  return { text, typ: header.typ, kid: header.kid, payload, message: bytesOf(`${head}.${body}`), signature };
}

function readPart(text, what) {
  return parseCanonical(textOf(unb64u(text, what), what), what);
}

// The payload, if `jwk` signed it as `typ`. `who` begins the sentence of a refusal.
async function verifyJws(signed, jwk, typ, who) {
  const key = await publicKey(jwk);
  demand(signed.typ === typ, `${who}: the signed object is a ${signed.typ}, not a ${typ}`);
  demand(signed.kid === (await thumbprint(jwk)), `${who}: the signature names another key`);
  demand(signed.signature.length === 64, `${who}: an ES256 signature has 64 bytes`);
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const holds = await crypto.subtle.verify(algorithm, key, signed.signature, signed.message);
  demand(holds, `${who}: the signature does not match`);
  return signed.payload;
}
