// The verdict on all files together: the key, genesis and epochs first, then entries, proofs and witnesses.

const HELD = "held";
const REFUSED = "refused";
const WAITING = "waiting";
const VERIFIED = "verified";
const INCOMPLETE = "incomplete";

// Findings by file, in the order of the files, and a list of the missing files.
class Report {
  constructor() {
    this.findings = [];
    this.missing = [];
  }

  say(file, state, sentence) {
    this.findings.push({ file: file.name, at: file.at, state, sentence });
  }

  // The result of `work`, or null with its refusal on record.
  async attempt(file, work) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.say(file, REFUSED, error.message);
      return null;
    }
  }

  get verdict() {
    if (this.findings.some(({ state }) => state === REFUSED)) return REFUSED;
    if (this.missing.length || this.findings.some(({ state }) => state === WAITING)) return INCOMPLETE;
    return VERIFIED;
  }
}

// The verdict on `files` ({name, bytes, trouble}) under the key that `keyText` spells, with a finding for each
// file and an account of each proof. No clock, no network, no page: the same files give the same answer.
async function judge(files, keyText) {
  const report = new Report();
  const lacks = await browserLacks();
  if (lacks !== null) report.say({ name: "this browser", at: -2 }, REFUSED, lacks);
  const accounts = lacks === null ? await judgeAll(await readAll(files, report), keyText, report) : [];
  report.findings.sort((left, right) => left.at - right.at);
  return { verdict: report.verdict, findings: report.findings, missing: report.missing, accounts };
}

async function readAll(files, report) {
  const read = [];
  for (const [at, file] of files.entries()) {
    await report.attempt({ ...file, at }, async () => {
      demand(!file.trouble, file.trouble);
      const text = textOf(file.bytes, "the file");
      read.push({ name: file.name, at, text, kind: kindOf(text) });
    });
  }
  return read;
}

async function judgeAll(files, keyText, report) {
  const of = (...kinds) => files.filter(({ kind }) => kinds.includes(kind));
  const key = await judgeKey(keyText, report);
  const genesis = await judgeEpochs(of(EPOCHS), await judgeGenesis(of(GENESIS), key, report), report);
  const policy = await judgePolicy(of(POLICY), report);
  if (genesis === null) {
    const why = "not checked: the key and genesis come first";
    for (const file of of(PROOF, OPENING, EVENT, CERTIFICATE, SEAL, EPOCHS)) report.say(file, WAITING, why);
    askFor(of, report);
    return [];
  }
  const entries = await judgeEntries(of, genesis, report);
  const accounts = await judgeProofs(of(PROOF), genesis, entries, report);
  judgeLeftOver(entries, accounts, of(PROOF), report);
  for (const account of accounts) await witnessAccount(account, policy?.policy ?? null, report);
  if (policy !== null) await judgeQuorum(policy, key, accounts, report);
  askFor(of, report);
  return accounts;
}

function askFor(of, report) {
  if (!of(PROOF).length) report.missing.push("a proof of the event's place in the log (.tlog-proof)");
  if (!of(OPENING, EVENT, CERTIFICATE, SEAL).length) {
    report.missing.push("the opening of the event, because a proof holds hashes only (or its bare entry)");
  }
}

async function judgeKey(text, report) {
  if (text.trim() === "") {
    report.missing.push("the log's key");
    return null;
  }
  return report.attempt({ name: "the log's key", at: -1 }, () => parseVkey(text.trim(), [ED25519]));
}

async function judgeGenesis(files, key, report) {
  if (!files.length) report.missing.push("the genesis of the log");
  for (const file of files.slice(1)) report.say(file, REFUSED, "is a second genesis: take one out");
  if (key === null || !files.length) return null;
  const genesis = await report.attempt(files[0], () => openGenesis(files[0].text, key));
  if (genesis !== null) {
    report.say(files[0], HELD, `the genesis of ${genesis.origin}, signed by the key you trust`);
  }
  return genesis;
}

// Genesis with the epochs of the file. A file that does not hold adds none.
async function judgeEpochs(files, genesis, report) {
  if (genesis === null || !files.length) return genesis;
  for (const file of files.slice(1)) report.say(file, REFUSED, "is a second file of epochs: take one out");
  const grown = await report.attempt(files[0], () => readEpochs(files[0].text, genesis));
  if (grown === null) return genesis;
  const { number, strands } = grown.epochs.at(-1);
  const sentence = `the operator's orders up to epoch ${number}, which has ${countWords(strands, "strand")}`;
  report.say(files[0], HELD, sentence);
  return grown;
}

async function judgePolicy(files, report) {
  for (const file of files.slice(1)) report.say(file, REFUSED, "is a second policy: take one out");
  const policy = files.length ? await report.attempt(files[0], () => parsePolicy(files[0].text)) : null;
  return policy === null ? null : { file: files[0], policy };
}

// The entries that proofs can be about, by text: {text, kind, files, openings, certificate, optional, …}.
async function judgeEntries(of, genesis, report) {
  const entries = new Map();
  const certificates = new Map();
  for (const file of of(OPENING)) {
    await report.attempt(file, () => judgeOpening(file, genesis, entries, report));
  }
  for (const file of of(CERTIFICATE)) {
    await report.attempt(file, () => judgeCertificate(file, genesis, entries, certificates, report));
  }
  for (const file of of(EVENT)) {
    if (of(CERTIFICATE).length || entries.has(file.text) || parsesAsOperators(file.text)) {
      await report.attempt(file, () => judgeEvent(file, genesis, entries, certificates, report));
    } else {
      report.say(file, WAITING, "not checked: the certificate of its key, or its opening, is missing");
      report.missing.push("the certificate of the bare event's key, or the event's opening");
    }
  }
  for (const file of of(SEAL)) {
    await report.attempt(file, () => judgeSeal(file, genesis, entries, report));
  }
  return entries;
}

function addEntry(entries, text, file, facts) {
  const entry = entries.get(text) ?? { text, files: [], openings: [], certificate: null, optional: false };
  entries.set(text, { ...entry, ...facts, files: [...entry.files, file] });
  return entries.get(text);
}

async function judgeOpening(file, genesis, entries, report) {
  const proved = await verifyOpening(await parseOpening(file.text), genesis);
  const { event, certificate } = proved;
  addEntry(entries, event.text, file, { kind: EVENT, event, certificate }).openings.push({ file, proved });
  report.say(file, HELD, `opens ${proved.doc} version ${proved.version}, in the event ${event.id}`);
}

// A certificate is an entry too, but no proof has to show it.
async function judgeCertificate(file, genesis, entries, certificates, report) {
  const certificate = await parseCertificate(file.text);
  await verifyCertificate(certificate, genesis);
  certificates.set(certificate.kid, certificate);
  addEntry(entries, file.text, file, { kind: CERTIFICATE, certificate, optional: true });
  report.say(file, HELD, `certifies a key of the ${certificate.service} service, by its root in genesis`);
}

// The signature decides who signed a bare event, never its own word.
async function judgeEvent(file, genesis, entries, certificates, report) {
  const event = parseEvent(file.text);
  const certificate = certificates.get(event.kid) ?? entries.get(event.text)?.certificate ?? null;
  await verifyEvent(event, certificate, genesis);
  addEntry(entries, event.text, file, { kind: EVENT, event, certificate });
  report.say(file, HELD, `the event ${event.id}, signed by the key of ${event.producer}`);
}

function parsesAsOperators(text) {
  try {
    return parseEvent(text).producer === OPERATOR;
  } catch {
    return true; // and so it is refused, with its sentence
  }
}

async function judgeSeal(file, genesis, entries, report) {
  const seal = await verifySeal(file.text, genesis);
  addEntry(entries, file.text, file, { kind: SEAL, seal });
  report.say(file, HELD, `a ${seal.type}, signed by the sealer that genesis names`);
}
