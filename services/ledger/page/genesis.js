// Genesis and epochs (FORMATS.md, 6).

// Genesis is the root of all trust: the keys, the origin and the number of strands, under the pinned key.
// `epochs` are the known ones, of which genesis opens the first. `mldsa` is the log's ML-DSA-44 key, or null.
async function openGenesis(note, key) {
  const { text, others } = await openNote(note, key);
  const lines = text.split("\n");
  const known = Object.hasOwn(GENESIS_VERSIONS, lines[0]) && lines.length === 3 && lines[2] === "";
  demand(known, "genesis is not two lines, the first of them its format's name");
  const version = GENESIS_VERSIONS[lines[0]];
  const body = parseCanonical(lines[1], "genesis");
  const names = version === 1 ? GENESIS_MEMBERS : [...GENESIS_MEMBERS, "mldsa"];
  const members = hasExactly(body, names) && body.v === version && isObject(body.roots);
  demand(members, `genesis does not have exactly the members of version ${version}`);
  for (const jwk of [body.operator, body.seal, ...Object.values(body.roots)]) await publicKey(jwk);
  const most = { strands: MAX_STRANDS, seal_by_seconds: MAX_WHOLE };
  for (const name of Object.keys(most)) {
    demand(isWhole(body[name], 1, most[name]), `${name} of genesis is not a number from 1 to ${most[name]}`);
  }
  for (const name of ["deployment", "origin"]) demand(isText(body[name]), `${name} of genesis is not text`);
  const log = unb64u(body.log, "the log key of genesis", KEY_LENGTHS[ED25519]);
  const what = "the ML-DSA-44 key of genesis";
  const mldsa = version === 1 ? null : unb64u(body.mldsa, what, KEY_LENGTHS[ML_DSA_44]);
  checkInstant(body.time, "the time of genesis");
  const own = body.origin === key.name && same(log, key.key);
  demand(own, "genesis names another origin or log key than the one it is signed with");
  const first = { number: 1, strands: body.strands, start: body.time, order: null };
  return { ...body, key, mldsa, epochs: [first], others };
}

// An order to open an epoch, not verified. `order` is the hash by which the next one names it.
async function parseOrder(text) {
  const signed = takeApart(text);
  const body = signed.payload;
  const form = signed.typ === ORDER_TYP && hasExactly(body, ORDER_MEMBERS) && body.v === 1;
  demand(form, "not an order to open an epoch, with exactly the members of version 1");
  const numbers = isWhole(body.epoch, 2) && isWhole(body.strands, 1, MAX_STRANDS);
  demand(numbers, `an epoch is numbered from 2 and has 1 to ${MAX_STRANDS} strands`);
  demand(isText(body.origin), "the order's origin is not text");
  checkInstant(body.from, "the epoch's from");
  if (body.prev !== null) unb64u(body.prev, "the order's prev", HASH_LENGTH);
  const order = b64u(await sha256(bytesOf(text)));
  return { body, signed, number: body.epoch, strands: body.strands, start: body.from, order };
}

// Refuses an order that is not by the operator, or is for another deployment.
async function checkOrdered({ body, signed }, genesis) {
  await verifyJws(signed, genesis.operator, ORDER_TYP, "the epoch is not ordered by the operator");
  demand(body.origin === genesis.origin, "the order to open an epoch is for another deployment");
}

// Genesis with the epochs of the file. Each line is the order of the next epoch, and follows the one before.
async function readEpochs(text, genesis) {
  const lines = text.split("\n");
  demand(lines.pop() === "", "the file of epochs does not end with a whole line");
  const epochs = [...genesis.epochs];
  for (const line of lines) {
    const order = await parseOrder(line);
    await checkOrdered(order, genesis);
    const last = epochs.at(-1);
    const next = `epoch ${last.number} is open; the next is ${last.number + 1}`;
    demand(order.number === last.number + 1, next);
    const grows = order.strands >= last.strands;
    demand(grows, `the number of strands never shrinks: there are ${last.strands}`);
    demand(order.body.prev === last.order, "the order does not follow the one before it");
    demand(order.start >= last.start, "an epoch does not begin before the one before it");
    epochs.push(order);
  }
  return { ...genesis, epochs };
}
