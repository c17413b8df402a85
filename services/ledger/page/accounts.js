// Accounts: where each proved entry stands, in its strand and in the super-log, and who witnessed that.

// The account of each proof in a strand, with the proofs of its strand's head in the super-log.
async function judgeProofs(files, genesis, entries, report) {
  const superName = `${genesis.origin}/super`;
  const proofs = [];
  for (const file of files) {
    await report.attempt(file, async () => proofs.push({ file, proof: parseProof(file.text) }));
  }
  const isSuper = ({ proof }) => proof.origin === superName;
  const accounts = [];
  const waiting = [];
  for (const { file, proof } of proofs.filter((item) => !isSuper(item))) {
    await report.attempt(file, async () => {
      const account = await placeInStrand(proof, genesis, entries);
      if (account.lacks) {
        waiting.push(account);
        report.say(file, WAITING, `not checked: ${account.lacks}`);
        if (account.missing) report.missing.push(account.missing);
        return;
      }
      accounts.push({ file, ...account });
      const { origin, size } = account.head;
      report.say(file, HELD, `shows entry ${proof.index} of the ${size} in ${origin}`);
    });
  }
  for (const { file, proof } of proofs.filter(isSuper)) {
    if (!accounts.length) {
      report.say(file, WAITING, "not checked: the proof of the event in its strand comes first");
      if (proofs.every(isSuper)) report.missing.push("the proof of the event in its strand");
      continue;
    }
    await report.attempt(file, async () => {
      const head = await openCheckpoint(proof.note, superName, genesis);
      const about = await strandHeadsIn(proof, head, [...accounts, ...waiting]);
      for (const account of about) account.supers.push({ file, proof, head });
      report.say(file, HELD, `shows that strand in entry ${proof.index} of the ${head.size} of ${superName}`);
    });
  }
  return accounts;
}

// The verified place of a proof's entry. `lacks` is a sentence about what is not there to check it with, and
// `missing` names the file to give: a later order of the operator may have opened an unknown strand or epoch.
async function placeInStrand(proof, genesis, entries) {
  const [name, digits] = splitOrigin(proof.origin);
  const own = name === genesis.origin && NUMBER.test(digits);
  demand(own, `the checkpoint is of another log than a strand of ${genesis.origin}`);
  const strand = BigInt(digits);
  // A head with its Ed25519 line alone is as the super-log holds it; any other is as the strand shows it.
  const isWhole = parseNote(proof.note).lines.length > 1;
  const head = await openCheckpoint(proof.note, proof.origin, genesis, isWhole);
  const missing = genesis.epochs.length === 1
    ? "the epochs file of the log, which tells of strands added since genesis"
    : "a newer epochs file of the log";
  const unknown = (lacks) => ({ head, supers: [], lacks, missing });
  const { strands } = genesis.epochs.at(-1);
  if (strand >= BigInt(strands)) return unknown(`it is of strand ${strand}, and no more than ${strands} are known`);
  if (!entries.size) return { head, supers: [], lacks: "it holds hashes only, and what it is about is missing" };
  const entry = await entryOf(proof, head, [...entries.values()]);
  if (entry.kind !== EVENT) return { proof, head, strand, entry, epoch: null, supers: [] };
  const epoch = genesis.epochs[entry.event.epoch - 1];
  if (!epoch) return unknown(`its event is of epoch ${entry.event.epoch}, which is not known`);
  const right = await strandOf(entry.event.id, epoch.strands);
  demand(right === strand, "the event belongs into another strand than the proof's");
  return { proof, head, strand, entry, epoch, supers: [] };
}

function splitOrigin(origin) {
  const at = origin.lastIndexOf("/strand/");
  return at < 0 ? ["", ""] : [origin.slice(0, at), origin.slice(at + "/strand/".length)];
}

async function entryOf(proof, head, entries) {
  let fault = null;
  for (const entry of entries) {
    try {
      await stands(proof, head, bytesOf(entry.text));
      return entry;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      fault = error;
    }
  }
  if (entries.length === 1) throw fault;
  return refuse("none of the events given is the one this proof is about");
}

// The super-log's entry for a strand's head: its text, an empty line, and the strand's one Ed25519 line.
function superEntry(head) {
  return bytesOf(`${head.text}\n${head.line.text}`);
}

async function strandHeadsIn(proof, head, accounts) {
  const found = [];
  for (const account of accounts) {
    try {
      await stands(proof, head, superEntry(account.head));
      found.push(account);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
  demand(found.length > 0, "it is about another checkpoint than those of the proofs given");
  return found;
}

function judgeLeftOver(entries, accounts, proofs, report) {
  const proved = new Set(accounts.map(({ entry }) => entry.text));
  for (const { text, files, optional } of entries.values()) {
    if (optional || proved.has(text) || !proofs.length) continue;
    // A proof that does not hold may be the one that would show this event.
    const held = proofs.every(({ at }) => report.findings.some((one) => one.at === at && one.state === HELD));
    const sentence = "none of the proofs given shows its event in the log";
    if (held) report.say(files[0], REFUSED, sentence);
    else report.say(files[0], WAITING, `${sentence}, as long as one does not hold`);
  }
}

// Adds to an account the witnesses of its heads, and the signature lines that could not be checked here.
async function witnessAccount(account, policy, report) {
  for (const place of [account, ...account.supers]) {
    place.seen = (await report.attempt(place.file, () => cosignatures(place.head, policy))) ?? new Map();
    const known = policy ? witnessesOf(policy).filter(({ type }) => type === COSIGNATURE) : [];
    place.unchecked = place.head.others.filter((line) => !known.some((witness) => isBy(line, witness)));
    const post = policy ? witnessesOf(policy).filter(({ type }) => type === ML_DSA_44) : [];
    const claims = post.filter((witness) => place.unchecked.some((line) => isBy(line, witness)));
    place.claims = claims.map(({ label }) => label);
  }
}

// An unmet quorum refuses: the policy says what it takes for an entry to be final. A quorum that lacks only
// ML-DSA-44 lines is neither met nor unmet.
async function judgeQuorum({ file, policy }, key, accounts, report) {
  const held = await report.attempt(file, async () => {
    if (key !== null) checkLogOf(policy, key);
    return accounts.map((account) => quorumOf(account, policy));
  });
  if (held === null) return;
  const met = `its quorum ${policy.quorum} is met`;
  if (held.every((one) => one)) {
    report.say(file, HELD, accounts.length ? met : "a policy, with nothing yet to hold it against");
    return;
  }
  report.say(file, WAITING, `whether its quorum ${policy.quorum} is met hangs on ML-DSA-44 lines`);
  report.missing.push(
    "a check of the ML-DSA-44 cosignatures that your policy asks for, which this page cannot make: " +
      "the command carevouch verify can",
  );
}

// Whether an account's quorum is met; false if only unchecked ML-DSA-44 lines could meet it.
function quorumOf(account, policy) {
  const places = [account, ...account.supers];
  account.final = places.find(({ seen }) => hasWitnessed(policy, policy.quorum, seen)) ?? null;
  if (account.final) return true;
  const claimed = ({ seen, claims }) => hasWitnessed(policy, policy.quorum, new Set([...seen.keys(), ...claims]));
  const unmet = `the quorum ${policy.quorum} is not met for ${account.file.name}`;
  demand(places.some(claimed), `${unmet}: ${whoSaw(policy, places)}`);
  return false;
}

function whoSaw(policy, places) {
  const saw = [...new Set(places.flatMap(({ seen }) => [...seen.keys()]))];
  const words = saw.length ? `only ${saw.join(", ")} saw it` : "none of its witnesses saw it";
  const other = witnessesOf(policy).some(({ type }) => type === ML_DSA_44);
  return other ? `${words} (ML-DSA-44 witnesses were not checked: this page cannot)` : words;
}
