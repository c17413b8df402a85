// Openings (FORMATS.md, 7).

// The opening that a text spells, not verified. Only a consent's opening holds another one, its device's.
async function parseOpening(text) {
  demand(bytesOf(text).length <= MAX_OPENING, `an opening is at most ${MAX_OPENING} bytes long`);
  return readOpening(parseCanonical(text, "the opening"), ["device", "provider"]);
}

async function readOpening(members, extra) {
  const names = [...OPENING_MEMBERS, ...extra.filter((name) => Object.hasOwn(members, name))];
  demand(hasExactly(members, names), "the opening does not have exactly its members");
  const { event, certificate, index, path, device = null, provider = null } = members;
  const signed = isText(event) && (certificate === null || isText(certificate));
  demand(signed, "the opening's event and certificate are signed texts");
  const place = isWhole(index, -MAX_WHOLE) && Array.isArray(path) && path.length <= MAX_PATH;
  demand(place, "the opening's index is a number and its path a short list");
  const together = (device === null) === (provider === null) && (device === null || isObject(device));
  demand(together, "a consent's opening carries its device's opening and the provider's key together");
  if (provider !== null) await checkProvider(provider);
  return {
    event, certificate, index: BigInt(index), provider,
    path: path.map((hash) => unb64u(hash, "the opening's path", HASH_LENGTH)),
    leaf: unb64u(members.leaf, "the opening's leaf"),
    nonce: unb64u(members.nonce, "the opening's nonce", NONCE_LENGTH),
    body: unb64u(members.body, "the opening's body"),
    device: device === null ? null : await readOpening(device, []),
  };
}

async function checkProvider(jwk) {
  await publicKey(jwk);
  // Any other member would be a byte of the file that nothing checks.
  demand(hasExactly(jwk, ["kty", "crv", "x", "y"]), "the provider's key has exactly kty, crv, x and y");
}

function parseLeaf(bytes) {
  const members = parseCanonical(textOf(bytes, "the leaf"), "the leaf");
  const form = hasExactly(members, LEAF_MEMBERS) && members.v === 1;
  demand(form, "the leaf does not have exactly the members of version 1");
  const slash = isText(members.doc) ? members.doc.indexOf("/") : -1;
  const named = slash >= 0 && isWhole(members.version, 1);
  demand(named, "the leaf's doc is not Type/id, or its version not a number from 1");
  if (members.prev !== null) unb64u(members.prev, "the leaf's prev", HASH_LENGTH);
  const [type, id] = [members.doc.slice(0, slash), members.doc.slice(slash + 1)];
  const commit = unb64u(members.commit, "the leaf's commit", HASH_LENGTH);
  return { doc: members.doc, type, id, version: members.version, prev: members.prev, commit };
}

// The person a document is about: the part of its id before the first dot; null for a directory document.
function subjectOf(revision) {
  const head = revision.id.split(".")[0];
  return PART.test(head) ? head : null;
}

// The revision that an opening proves: these bytes are this version of this document, in this event.
async function verifyOpening(opening, genesis) {
  const event = parseEvent(opening.event);
  const paired = (event.producer === OPERATOR) === (opening.certificate === null);
  demand(paired, "an event comes with its key's certificate, one of the operator with none");
  const certificate = opening.certificate === null ? null : await parseCertificate(opening.certificate);
  if (certificate !== null) await verifyCertificate(certificate, genesis);
  await verifyEvent(event, certificate, genesis);
  const revision = { ...(await verifyRevision(opening, event)), body: opening.body, event, certificate };
  if (opening.device === null) return { ...revision, device: null };
  const device = await verifyOpening(opening.device, genesis);
  const kinds = revision.type === "Consent" && device.type === "BoundDevice";
  demand(kinds, "only a consent's opening carries another one, that of its device's binding");
  const binding = await checkConsent(revision, device, opening.provider);
  return { ...revision, device: { ...device, binding } };
}

async function verifyRevision(opening, event) {
  const leaf = parseLeaf(opening.leaf);
  const commit = await sha256(join(bytesOf(COMMIT_TAG), opening.nonce, opening.body));
  demand(same(commit, leaf.commit), "the body and nonce do not match the commitment in the leaf");
  const hash = await leafHash(opening.leaf);
  const root = await rootFromInclusion(opening.index, BigInt(event.count), hash, opening.path);
  demand(same(root, event.root), "the leaf and its path do not lead to the root in the event");
  const allowed = mayWrite(event.type, leaf.type, leaf.version);
  demand(allowed, `an event ${event.type} may not hold this version of a ${leaf.type}`);
  return leaf;
}
