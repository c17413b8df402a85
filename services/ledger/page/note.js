// Signed notes (C2SP signed-note).

// A name has no space of Unicode and no plus. \s of JavaScript is not the same set.
const KEY_NAME = /^[^ \t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000+]+$/;
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f]/;
const KEY_LENGTHS = {
  [ED25519]: ED25519_KEY_LENGTH, [COSIGNATURE]: ED25519_KEY_LENGTH, [ML_DSA_44]: ML_DSA_44_KEY_LENGTH,
};
const TIME_LENGTH = 8; // of the time in a cosignature
const ML_DSA_44_BYTES = TIME_LENGTH + ML_DSA_44_SIGNATURE_LENGTH; // of a signature line

// A key under a name, with the id by which signature lines name it.
async function verifier(name, type, key) {
  const id = await sha256(join(bytesOf(`${name}\n`), Uint8Array.of(type), key));
  return { name, type, key, id: hex(id.subarray(0, 4)) };
}

// The key that a vkey (name+hash+key) spells, of one of `types`.
async function parseVkey(text, types) {
  const [name, id, ...rest] = text.split("+");
  const key = unb64(rest.join("+"), "the vkey's key");
  const type = key[0];
  const form = KEY_NAME.test(name) && types.includes(type) && key.length === 1 + KEY_LENGTHS[type];
  const kinds = types.length === 1 ? "with an Ed25519 key" : "of a type that may stand here";
  demand(form, `the key is not a C2SP vkey (name+hash+key) ${kinds}`);
  const found = await verifier(name, type, key.subarray(1));
  demand(found.id === id, "the vkey's hash does not match its name and key; was it copied whole?");
  return found;
}

// The text and the signature lines of a note, not verified.
function parseNote(text) {
  demand(bytesOf(text).length <= MAX_NOTE, `a note is at most ${MAX_NOTE} bytes long`);
  demand(!CONTROL.test(text), "the note holds control characters");
  const end = text.lastIndexOf("\n\n");
  const form = end >= 0 && text.endsWith("\n") && text.length > end + 2;
  demand(form, "not a signed note: a text, an empty line and signature lines");
  const lines = text.slice(end + 2, -1).split("\n");
  demand(lines.length <= MAX_SIGNATURES, `a note has at most ${MAX_SIGNATURES} signature lines`);
  return { text: text.slice(0, end + 1), lines: lines.map(parseLine) };
}

function parseLine(line) {
  const [dash, name, ...rest] = line.split(" ");
  const blob = unb64(rest.join(" "), "a signature line of the note");
  const form = dash === "\u2014" && KEY_NAME.test(name ?? "") && blob.length >= 5;
  demand(form, "a signature line of the note is not of its form");
  return { text: `${line}\n`, name, id: hex(blob.subarray(0, 4)), signature: blob.subarray(4) };
}

function isBy(line, known) {
  return line.name === known.name && line.id === known.id;
}

// The note, if `known` signed it and each of its lines holds. `others` are lines of unknown keys: they neither
// help nor harm, and the page says how many there are.
async function openNote(text, known) {
  const note = parseNote(text);
  const own = note.lines.filter((line) => isBy(line, known));
  for (const line of own) {
    const holds = await ed25519Holds(known.key, bytesOf(note.text), line.signature);
    demand(holds, `the signature of ${known.name} does not match the note's text`);
  }
  demand(own.length > 0, `the note carries no signature by the key of ${known.name}`);
  return { text: note.text, line: own[0], others: note.lines.filter((line) => !isBy(line, known)) };
}
