// Entries: events, certificates, seals (FORMATS.md, 4), and the rules of the catalogue of events.

const PART = new RegExp(PART_FORM);

function maySign(producer, type) {
  return Object.hasOwn(CATALOGUE, type) && CATALOGUE[type].producers.includes(producer);
}

function mayWrite(type, documentType, version) {
  const writes = Object.hasOwn(CATALOGUE, type) ? CATALOGUE[type].writes : [];
  if (documentType !== ANY_FHIR && writes.includes(documentType)) return true;
  if (!writes.includes(ANY_FHIR) || [...OWN_TYPES, "AuditEvent"].includes(documentType)) return false;
  return version === 1 || !OWNED.includes(documentType);
}

// An event with exactly the members of version 1, each of its kind. Its signature is not verified yet.
function parseEvent(text) {
  const signed = takeApart(text);
  demand(signed.typ === EVENT_TYP, "not an event: typ is another one");
  const body = signed.payload;
  const members = "contract" in body ? [...EVENT_MEMBERS, "contract"] : EVENT_MEMBERS;
  const form = hasExactly(body, members) && body.v === 1;
  demand(form, "the event does not have exactly the members of version 1");
  const contract = !("contract" in body) || (isText(body.contract) && /^[0-9a-f]{64}$/.test(body.contract));
  const checks = {
    id: isText(body.id) && PART.test(body.id),
    producer: isText(body.producer),
    n: isWhole(body.n, 1),
    epoch: isWhole(body.epoch, 1),
    count: isWhole(body.count, 1, MAX_COUNT),
    tags: Array.isArray(body.tags) && body.tags.length >= 1 && body.tags.length <= MAX_TAGS,
    contract,
  };
  for (const [member, good] of Object.entries(checks)) {
    demand(good, `the event's ${member} is not of its form`);
  }
  const known = isText(body.type) && Object.hasOwn(CATALOGUE, body.type);
  demand(known, `the event's type ${body.type} is none that this page knows; a newer page may`);
  for (const tag of body.tags) unb64u(tag, "the event's tag", TAG_LENGTH);
  checkInstant(body.time, "the event's time");
  checkInstant(body.seal_by, "the event's seal_by");
  return { ...body, root: unb64u(body.root, "the event's root", HASH_LENGTH), kid: signed.kid, text, signed };
}

async function parseCertificate(text) {
  const signed = takeApart(text);
  const body = signed.payload;
  const form = signed.typ === CERT_TYP && hasExactly(body, CERT_MEMBERS) && body.v === 1;
  demand(form, "not a certificate with exactly the members of version 1");
  await publicKey(body.jwk);
  const named = body.kid === (await thumbprint(body.jwk)) && SERVICES.includes(body.service);
  demand(named, "the certificate's kid or service is not of its form");
  const types = Array.isArray(body.types) && body.types.every(isText);
  demand(types, "the certificate's types are not a list of event types");
  demand(isWhole(body.epoch, 1), "the certificate's epoch is not a number");
  checkInstant(body.nbf, "the certificate's nbf");
  checkInstant(body.exp, "the certificate's exp");
  return { ...body, text, signed };
}

async function verifyCertificate(certificate, genesis) {
  const service = certificate.service;
  demand(Object.hasOwn(genesis.roots, service), `genesis names no root key for the service ${service}`);
  const who = `the certificate is not by the ${service} root`;
  await verifyJws(certificate.signed, genesis.roots[service], CERT_TYP, who);
  const allowed = certificate.types.every((type) => maySign(service, type));
  demand(allowed, `the certificate lists event types that ${service} may not sign`);
}

// Refuses an event that is neither by a key certified for it nor by the operator. `certificate` is verified.
async function verifyEvent(event, certificate, genesis) {
  if (event.producer === OPERATOR) {
    await verifyJws(event.signed, genesis.operator, EVENT_TYP, "the event is not by the operator");
    demand(maySign(OPERATOR, event.type), `the operator may not sign ${event.type}`);
    return;
  }
  const certified = certificate !== null && certificate.kid === event.kid;
  demand(certified, "the event comes without the certificate of the key that signed it");
  await verifyJws(event.signed, certificate.jwk, EVENT_TYP, "the event is not by the certified key");
  const service = certificate.service;
  demand(event.producer === service, `the event says ${event.producer}, its key is certified for ${service}`);
  demand(certificate.types.includes(event.type), `the key is not certified for ${event.type}`);
  const timely = certificate.nbf <= event.time && event.time <= certificate.exp;
  demand(timely, "the event's time is outside its certificate's");
  demand(event.epoch === certificate.epoch, "the event's epoch is not its certificate's");
}

async function verifySeal(text, genesis) {
  const signed = takeApart(text);
  const body = signed.payload;
  const form = signed.typ === SEAL_TYP && hasExactly(body, SEAL_MEMBERS) && body.v === 1;
  demand(form, "not a seal with exactly the members of version 1");
  const known = [BLOCK_SEALED, EVENT_REJECTED, EPOCH_OPENED].includes(body.type);
  demand(known, "the seal is of no known type");
  checkInstant(body.time, "the seal's time");
  if (body.type === EVENT_REJECTED) checkRejection(body.data);
  const order = body.type === EPOCH_OPENED ? await parseEpochData(body.data) : null;
  await verifyJws(signed, genesis.seal, SEAL_TYP, "the seal is not by the sealer's key");
  if (order !== null) await checkOrdered(order, genesis);
  return body;
}

// The order in an `epoch` entry, whose other members must say the same as the order.
async function parseEpochData(data) {
  const carried = isObject(data) && isText(data.order);
  demand(carried, "the epoch entry carries no order of the operator");
  const order = await parseOrder(data.order);
  const { epoch, strands, prev, from } = order.body;
  const says = canonical(data) === canonical({ epoch, strands, prev, from, order: data.order });
  demand(says, "the epoch entry says another thing than the operator's order in it");
  return order;
}

function checkRejection(data) {
  const members = isObject(data) && "id" in data ? ["hash", "reason", "id"] : ["hash", "reason"];
  const form = isObject(data) && hasExactly(data, members);
  demand(form, "event.rejected does not have exactly hash, reason and perhaps id");
  demand(Object.values(data).every(isText), "the members of event.rejected are text");
  unb64u(data.hash, "the rejection's hash", HASH_LENGTH);
}

// The strand an event belongs to: the first 8 bytes of Hash(id), modulo the number of strands.
async function strandOf(eventId, strands) {
  const first = hex((await sha256(bytesOf(eventId))).subarray(0, 8));
  return BigInt(`0x${first}`) % BigInt(strands);
}
