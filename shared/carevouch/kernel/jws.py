"""Compact JWS (RFC 7515) with ES256 only, and JWK thumbprints (RFC 7638).

There is one algorithm, one serialisation and one header: `{"alg":"ES256","kid":…,"typ":…}` in canonical
bytes. So no algorithm is negotiated, and none can be confused with another. The caller hands in the signer: a
key in memory, KMS or a phone. A check that fails raises. Other people's clients send tokens and assertions in
other forms; the identity service reads these with a full JOSE library.
"""

from functools import lru_cache
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256

from carevouch.kernel.canonical import JsonObject, jcs, parse_jcs
from carevouch.kernel.encoding import b64u, sha256, unb64u, unb64u_ascii
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.record import record

Jwk = dict[str, str]
_ES256 = ec.ECDSA(SHA256())
# To verify a ready digest is a microsecond faster than to let the library compute it.
_ES256_OF_DIGEST = ec.ECDSA(Prehashed(SHA256()))
# An entry of the log has at most 65,535 bytes (tlog-tiles), so no longer text needs to be parsed.
MAX_LENGTH = 65_535
# All JWS of a key have the same header. So parsed headers are cached, for as many keys as sign in a day.
# A header that is longer than any of ours is not cached.
KEPT, KEPT_LENGTH = 1_024, 256
# The order of P-256's base point (FIPS 186-5, SP 800-186 section 3.2.1.3).
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Signer(Protocol):
    """A holder of a P-256 key. `kid` is the RFC 7638 thumbprint of its public key."""

    @property
    def kid(self) -> str:
        """The thumbprint."""

    @property
    def jwk(self) -> Jwk:
        """The public key."""

    def sign(self, message: bytes) -> bytes:
        """The ES256 signature: 64 bytes, r and s big-endian (RFC 7518 section 3.4)."""


@record
class Jws:
    """A compact JWS, taken apart and not verified."""

    text: str
    typ: str
    kid: str
    payload: JsonObject
    signing_input: bytes
    signature: bytes


def thumbprint(jwk: Jwk) -> str:
    """RFC 7638 thumbprint of a P-256 public key."""
    return b64u(sha256(jcs({name: jwk[name] for name in ("crv", "kty", "x", "y")})))


def public_jwk(key: ec.EllipticCurvePublicKey) -> Jwk:
    """The four members of a P-256 public JWK (RFC 7518 section 6.2.1)."""
    numbers = key.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": b64u(numbers.x.to_bytes(32, "big")),
        "y": b64u(numbers.y.to_bytes(32, "big")),
    }


def public_key(jwk: Any) -> ec.EllipticCurvePublicKey:
    """The P-256 key of a public JWK; raises `Malformed` for other curves, private members or bad points."""
    if not isinstance(jwk, dict) or jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or "d" in jwk:
        raise Malformed("the key is not a public P-256 JWK")
    x, y = unb64u(str(jwk.get("x")), "jwk.x"), unb64u(str(jwk.get("y")), "jwk.y")
    if len(x) != 32 or len(y) != 32:
        raise Malformed("jwk.x and jwk.y are 32 bytes each")
    return _point(x, y)


# To make the key, with the check that the point is on the curve, takes half as long as a verification.
@lru_cache(maxsize=KEPT)
def _point(x: bytes, y: bytes) -> ec.EllipticCurvePublicKey:
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()
    )
    try:
        return numbers.public_key()
    except ValueError as error:
        raise Malformed("the key is not a point of P-256") from error


def sign(payload: JsonObject, typ: str, signer: Signer) -> str:
    """The compact JWS of the canonical bytes of `payload`."""
    header = jcs({"alg": "ES256", "kid": signer.kid, "typ": typ})
    message = f"{b64u(header)}.{b64u(jcs(payload))}"
    return f"{message}.{b64u(signer.sign(message.encode('ascii')))}"


def take_apart(text: str) -> Jws:
    """Parse without verifying, to learn whose key to fetch; raises `Malformed` for any other form."""
    typ, kid, data, message, signature = split(text)
    return Jws(text, typ, kid, parse_jcs(data, "the JWS payload"), message, signature)


def split(text: str) -> tuple[str, str, bytes, bytes, bytes]:
    """Typ, kid, payload, signing input and signature of a compact JWS; raises `Malformed`.

    The payload stays bytes, for a caller that parses it itself.
    """
    if len(text) > MAX_LENGTH or not text.isascii():
        raise Malformed("not a compact JWS")
    message, _, mark = text.encode("ascii").rpartition(b".")
    head, dot, body = message.partition(b".")
    if not dot:
        raise Malformed("not a compact JWS")
    typ, kid = _kept_header(head) if len(head) <= KEPT_LENGTH else _header(head)
    return (
        typ,
        kid,
        unb64u_ascii(body, "the JWS payload"),
        message,
        unb64u_ascii(mark, "the JWS signature"),
    )


def _header(head: bytes) -> tuple[str, str]:
    header = parse_jcs(unb64u_ascii(head, "the JWS header"), "the JWS header")
    if set(header) != {"alg", "kid", "typ"} or header["alg"] != "ES256":
        raise Malformed("the JWS header is not exactly alg ES256, kid and typ")
    if not isinstance(header["kid"], str) or not isinstance(header["typ"], str):
        raise Malformed("kid and typ of the JWS header are text")
    return header["typ"], header["kid"]


_kept_header = lru_cache(maxsize=KEPT)(_header)


def verify(signed: Jws, jwk: Jwk, typ: str) -> JsonObject:
    """The payload, if `jwk` signed it as `typ`; raises `IntegrityFault` saying what does not match."""
    if signed.typ != typ:
        raise IntegrityFault(f"the signed object is a {signed.typ}, not a {typ}")
    if signed.kid != thumbprint(jwk):
        raise IntegrityFault("the signature names another key")
    check_signature(public_key(jwk), signed.signing_input, signed.signature)
    return signed.payload


def check_signature(key: ec.EllipticCurvePublicKey, message: bytes, signature: bytes) -> None:
    """Raise `IntegrityFault` unless `signature` (r and s, 64 bytes) over `message` is by `key`."""
    if len(signature) != 64:
        raise IntegrityFault("an ES256 signature has 64 bytes")
    try:
        key.verify(der_signature(signature), sha256(message), _ES256_OF_DIGEST)
    except (InvalidSignature, ValueError) as error:
        raise IntegrityFault("the signature does not match") from error


def der_signature(signature: bytes) -> bytes:
    """The DER form of r and s (64 bytes), as `cryptography` takes it: SEQUENCE of two INTEGER (X.690, 8.3).

    An INTEGER is signed, so a number whose first bit is one gets a zero byte before it. DER omits leading
    zero bytes; the library encodes the few numbers that begin with one.
    """
    r, s = signature[:32], signature[32:]
    if not r[0] or not s[0]:
        return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    r = b"\x02\x21\x00" + r if r[0] > 0x7F else b"\x02\x20" + r
    s = b"\x02\x21\x00" + s if s[0] > 0x7F else b"\x02\x20" + s
    return b"\x30%c%b%b" % (len(r) + len(s), r, s)


def other_spelling(text: str) -> str | None:
    """The same JWS with the signature (r, n - s) instead of (r, s), which verifies too.

    Anybody can compute it. None if the signature has no second form. Raises `Malformed` if the signature
    is not base64url.
    """
    message, _, mark = text.rpartition(".")
    signature = unb64u(mark, "the JWS signature")
    s = int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or not 0 < s < _ORDER:
        return None
    return f"{message}.{b64u(signature[:32] + (_ORDER - s).to_bytes(32, 'big'))}"


def raw_signature(der: bytes) -> bytes:
    """r and s (64 bytes) of a DER signature, as KMS and `cryptography` return it."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class KeyInMemory:
    """A P-256 key in this process's memory: a session key, or the key of a device in a test."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, *, deterministic: bool = False) -> None:
        """With `deterministic` it signs by RFC 6979, so that vectors can be made again, byte for byte."""
        self._key = key
        self._algorithm = ec.ECDSA(SHA256(), deterministic_signing=True) if deterministic else _ES256
        self._jwk = public_jwk(key.public_key())
        self._kid = thumbprint(self._jwk)

    @property
    def jwk(self) -> Jwk:
        """The public key."""
        return dict(self._jwk)

    @property
    def kid(self) -> str:
        """The thumbprint."""
        return self._kid

    def sign(self, message: bytes) -> bytes:
        """The ES256 signature: 64 bytes, r and s."""
        return raw_signature(self._key.sign(message, self._algorithm))


def private_jwk(key: ec.EllipticCurvePrivateKey) -> Jwk:
    """The private JWK of a P-256 key, for a file of its owner and never for a server."""
    scalar = key.private_numbers().private_value
    return {**public_jwk(key.public_key()), "d": b64u(scalar.to_bytes(32, "big"))}


def private_key(jwk: Any) -> ec.EllipticCurvePrivateKey:
    """The P-256 key of a private JWK; raises `Malformed` for any other value."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("d"), str):
        raise Malformed("the key is not a private P-256 JWK")
    scalar = int.from_bytes(unb64u(jwk["d"], "jwk.d"), "big")
    try:
        key = ec.derive_private_key(scalar, ec.SECP256R1())
    except ValueError as error:
        raise Malformed("jwk.d is not a P-256 private key") from error
    if public_jwk(key.public_key()) != {name: jwk.get(name) for name in ("kty", "crv", "x", "y")}:
        raise Malformed("the private and the public part of the JWK belong to different keys")
    return key


def key_from_seed(seed: bytes, purpose: str) -> ec.EllipticCurvePrivateKey:
    """The P-256 key that both holders of `seed` derive (FIPS 186-5 A.2.1: 40 bytes mod n - 1)."""
    wide = sha256(purpose.encode() + b"\x00" + seed) + sha256(purpose.encode() + b"\x01" + seed)[:8]
    return ec.derive_private_key(int.from_bytes(wide, "big") % (_ORDER - 1) + 1, ec.SECP256R1())
