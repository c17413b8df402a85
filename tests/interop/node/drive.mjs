// Drives @sigstore/verify and @transmute/cose. Prints what was verified, or says what was refused and exits with
// status 1. Checks nothing itself.
//
//   node drive.mjs MODULES log DIR VKEY     a folder in C2SP tlog-tiles layout with proofs.json
//   node drive.mjs MODULES receipts FILE    COSE receipts, with the key and what they are about
//   node drive.mjs MODULES issue FILE       makes COSE receipts of the same tree, for our verifier
//
// MODULES is the folder that holds node_modules. Bytes in files are base64.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [modules, verb, ...rest] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), 'package.json'));
const bytes = (text) => new Uint8Array(Buffer.from(text, 'base64'));
const json = (file) => JSON.parse(readFileSync(file, 'utf8'));
const text = (data) => Buffer.from(data).toString('base64');

// Rekor's checkpoints and inclusion proofs; its clients have no proofs of consistency.
function log(folder, vkey) {
  const { verifyCheckpoint } = require('@sigstore/verify/dist/tlog/checkpoint.js');
  const { verifyMerkleInclusion } = require('@sigstore/verify/dist/tlog/merkle.js');
  const proofs = json(join(folder, 'proofs.json'));
  const trusted = [rekor(vkey)];
  const entries = readEntries(folder, proofs.sizes.at(-1));
  const counts = { checkpoints: 0, inclusions: 0 };
  for (const size of proofs.sizes) {
    const envelope = readFileSync(join(folder, `checkpoint.${size}`), 'utf8');
    const checkpoint = verifyCheckpoint({ inclusionProof: { checkpoint: { envelope } } }, trusted);
    counts.checkpoints += 1;
    for (const [index, path] of proofs.inclusion[size].entries()) {
      const inclusionProof = { logIndex: String(index), hashes: path.map((hash) => Buffer.from(hash, 'base64')) };
      verifyMerkleInclusion({ inclusionProof, canonicalizedBody: entries[index] }, checkpoint);
      counts.inclusions += 1;
    }
  }
  return counts;
}

// A log as sigstore's trusted root has it: the whole hash whose beginning is the note's key id, the key as
// SubjectPublicKeyInfo, and a URL in which the key's name occurs.
function rekor(vkey) {
  const { crypto } = require('@sigstore/core');
  const [name, id] = vkey.split('+'); // the third part is base64, which has pluses of its own
  const key = Buffer.from(vkey.slice(`${name}+${id}+`.length), 'base64');
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key.subarray(1)]);
  const logID = createHash('sha256').update(`${name}\n`).update(key).digest();
  return { logID, publicKey: crypto.createPublicKey(spki), baseURL: `https://${name}` };
}

function readEntries(folder, size) {
  const entries = [];
  for (let bundle = 0; bundle * 256 < size; bundle += 1) {
    const width = Math.min(256, size - bundle * 256);
    const name = String(bundle).padStart(3, '0') + (width < 256 ? `.p/${width}` : '');
    const data = readFileSync(join(folder, 'tile', 'entries', name));
    for (let at = 0; at < data.length; ) {
      const end = at + 2 + data.readUInt16BE(at);
      entries.push(data.subarray(at + 2, end));
      at = end;
    }
  }
  return entries;
}

async function receipts(file) {
  const cose = require('@transmute/cose');
  const shown = json(file);
  const verifier = cose.detached.verifier({ resolver: { resolve: async () => shown.jwk } });
  const counts = { inclusions: 0, consistencies: 0 };
  for (const { leaf, root, receipt } of shown.inclusion) {
    const found = await cose.receipt.inclusion.verify({ entry: bytes(leaf), receipt: bytes(receipt), verifier });
    if (text(found) !== root) throw new Error('the receipt is of another tree');
    counts.inclusions += 1;
  }
  for (const { old, root, receipt } of shown.consistency) {
    const asked = { oldRoot: bytes(old), newRoot: bytes(root), receipt: bytes(receipt), verifier };
    if ((await cose.receipt.consistency.verify(asked)) !== true) throw new Error('not consistent');
    counts.consistencies += 1;
  }
  return counts;
}

async function issue(file) {
  const cose = require('@transmute/cose');
  const { jwk, kid, origin, leaves } = json(file);
  const signer = cose.detached.signer({ remote: cose.crypto.signer({ privateKeyJwk: jwk }) });
  const entries = leaves.map(bytes);
  const claims = new Map([[1, origin], [2, String(entries.length)]]);
  const kidBytes = cose.cbor.toArrayBuffer(new TextEncoder().encode(kid));
  const protectedHeader = new Map([[1, -7], [4, kidBytes], [15, claims], [395, 1]]);
  const made = [];
  for (let entry = 0; entry < entries.length; entry += 1) {
    made.push(text(await cose.receipt.inclusion.issue({ protectedHeader, entry, entries, signer })));
  }
  return made;
}

try {
  const verbs = { log, receipts, issue };
  console.log(JSON.stringify(await verbs[verb](...rest)));
} catch (error) {
  console.error(`refused: ${error.message}`);
  process.exitCode = 1;
}
