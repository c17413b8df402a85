// Checkpoints (C2SP tlog-checkpoint), Merkle trees (RFC 6962), proofs (C2SP tlog-proof).

const NUMBER = /^(?:0|[1-9][0-9]{0,18})$/; // may pass 2^53, so it is read as a BigInt

function parseCheckpoint(text) {
  const lines = text.split("\n");
  const form = lines.length >= 4 && lines.at(-1) === "" && lines.slice(0, -1).every((line) => line !== "");
  demand(form, "a checkpoint is three lines: origin, size and root");
  demand(NUMBER.test(lines[1]), "the checkpoint's size is not a plain number");
  const root = unb64(lines[2], "the checkpoint's root");
  demand(root.length === HASH_LENGTH, "the checkpoint's root is not 32 bytes");
  return { origin: lines[0], size: BigInt(lines[1]), root };
}

// The head of the log `origin`, under the keys of genesis. Size and root come from here and from nowhere else.
// The Ed25519 line decides. A log that has an ML-DSA-44 key also signs its heads with that, so a missing line
// was taken off. `post` are these lines: of the right form, and not checked here.
async function openCheckpoint(note, origin, { key, mldsa }, isWhole = true) {
  const { text, line, others } = await openNote(note, await verifier(origin, ED25519, key.key));
  const head = parseCheckpoint(text);
  demand(head.origin === origin, `the checkpoint is of ${head.origin}, not of ${origin}`);
  const second = mldsa === null ? null : await verifier(origin, ML_DSA_44, mldsa);
  const post = others.filter((other) => second !== null && isBy(other, second));
  for (const other of post) checkPostForm(other);
  const lacks = isWhole && second !== null && !post.length;
  demand(!lacks, `the checkpoint has no line by the ML-DSA-44 key of ${origin}`);
  return { ...head, text, line, post, others: others.filter((other) => !post.includes(other)) };
}

// Without the algorithm only two facts of an ML-DSA-44 line can be checked: its length, and that it states a time.
function checkPostForm({ name, signature }) {
  const form = signature.length === ML_DSA_44_BYTES && signature[0] < 0x80;
  demand(form, `the ML-DSA-44 line of ${name} is not ${ML_DSA_44_BYTES} bytes that begin with a time`);
}

function leafHash(data) {
  return sha256(join(Uint8Array.of(0), data));
}

function nodeHash(left, right) {
  return sha256(join(Uint8Array.of(1), left, right));
}

// The root that `path` leads to from a leaf (RFC 9162, section 2.1.3.2); `index` and `size` are BigInts.
async function rootFromInclusion(index, size, leaf, path) {
  demand(index >= 0n && index < size, `a tree of ${size} leaves has no leaf ${index}`);
  let [hash, here, last] = [leaf, index, size - 1n];
  for (const sibling of path) {
    demand(last !== 0n, `the path of leaf ${index} of ${size} is too long`);
    if (here & 1n || here === last) {
      hash = await nodeHash(sibling, hash);
      while (!(here & 1n) && here) [here, last] = [here >> 1n, last >> 1n];
    } else {
      hash = await nodeHash(hash, sibling);
    }
    [here, last] = [here >> 1n, last >> 1n];
  }
  demand(last === 0n, `the path of leaf ${index} of ${size} is too short`);
  return hash;
}

// A proof file in its only canonical form, with its checkpoint's text, not verified.
function parseProof(text) {
  demand(bytesOf(text).length <= MAX_NOTE, `a proof is at most ${MAX_NOTE} bytes long`);
  const end = text.indexOf("\n\n");
  demand(end >= 0, "not a tlog-proof: a head, an empty line and a checkpoint");
  const [first, ...rest] = text.slice(0, end).split("\n");
  demand(first === PROOF_LINE, `the proof's first line is not ${PROOF_LINE}`);
  if (rest[0]?.startsWith("extra ")) unb64(rest.shift().slice(6), "the proof's extra line");
  const index = rest.shift() ?? "";
  const form = index.startsWith("index ") && NUMBER.test(index.slice(6));
  demand(form, "the proof's index line is not of its form");
  demand(rest.length <= MAX_PATH, `the proof's path is longer than ${MAX_PATH} hashes`);
  const path = rest.map((line) => unb64(line, "the proof's path"));
  const hashes = path.every((hash) => hash.length === HASH_LENGTH);
  demand(hashes, "the proof's path is not a list of 32-byte hashes");
  const note = text.slice(end + 2);
  return { index: BigInt(index.slice(6)), path, note, origin: parseCheckpoint(parseNote(note).text).origin };
}

async function stands(proof, head, entry) {
  const root = await rootFromInclusion(proof.index, head.size, await leafHash(entry), proof.path);
  const place = `leaf ${proof.index} of the tree of ${head.size} leaves with that root`;
  demand(same(root, head.root), `the entry is not ${place}`);
}
