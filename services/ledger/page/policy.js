// Witnesses: policies (C2SP tlog-policy) and cosignatures (C2SP tlog-cosignature).

const COSIGNATURE_BYTES = TIME_LENGTH + ED25519_SIGNATURE_LENGTH;

// A policy of lines `log`, `witness`, `group`, `quorum`. A name is defined before its use, and a member only once.
async function parsePolicy(text) {
  demand(bytesOf(text).length <= MAX_POLICY, `a policy is at most ${MAX_POLICY} bytes long`);
  demand(!/[\x00-\x08\x0b-\x1f\x7f]/.test(text), "the policy holds control characters");
  const policy = { logs: [], names: new Map(), used: new Set(), quorum: null };
  for (const [number, line] of text.split("\n").entries()) {
    const words = line.split(/[ \t]+/).filter((word) => word !== "");
    if (words.length === 0 || words[0].startsWith("#")) continue;
    try {
      await readPolicyLine(policy, words);
    } catch (error) {
      if (error instanceof Refusal) refuse(`line ${number + 1} of the policy: ${error.message}`);
      throw error;
    }
  }
  demand(policy.quorum !== null, "the policy has no quorum line");
  return policy;
}

async function readPolicyLine(policy, [word, ...rest]) {
  if (word === "log") await readLog(policy, rest);
  else if (word === "witness") await readWitness(policy, rest);
  else if (word === "group") readGroup(policy, rest);
  else if (word === "quorum") readQuorum(policy, rest);
  else refuse(`no line begins with the word ${word}`);
}

async function readLog(policy, words) {
  demand(words.length === 1 || words.length === 2, "a log has a vkey and perhaps an address");
  const log = await parseVkey(words[0], [ED25519, ML_DSA_44]);
  checkKeyIsNew(policy, log);
  policy.logs.push(log);
}

async function readWitness(policy, words) {
  demand(words.length === 2 || words.length === 3, "a witness has a name, a vkey and perhaps an address");
  const witness = await parseVkey(words[1], [COSIGNATURE, ML_DSA_44]);
  checkKeyIsNew(policy, witness);
  define(policy, words[0], { witness });
}

// A log that could witness itself would have no witness.
function checkKeyIsNew(policy, { key }) {
  const isTaken = (other) => same(other.key, key);
  demand(!policy.logs.some(isTaken), "another log has this key");
  demand(!witnessesOf(policy).some(isTaken), "another witness has this key");
}

function readGroup(policy, [name, rule, ...members]) {
  demand(members.length >= 1, "a group has a name, all, any or a number, and members");
  const needed = rule === "all" ? members.length : rule === "any" ? 1 : Number(rule);
  const number = ["all", "any"].includes(rule) || /^[1-9][0-9]{0,3}$/.test(rule);
  demand(number && needed <= members.length, "a group needs all, any, or a number of its members");
  for (const member of members) {
    demand(policy.names.has(member), `the member ${member} is not defined before it`);
    demand(!policy.used.has(member), `${member} is a member already, and may be only once`);
    policy.used.add(member);
  }
  define(policy, name, { needed, members });
}

function readQuorum(policy, words) {
  demand(words.length === 1 && policy.quorum === null, "a policy has exactly one quorum, and it is one name");
  demand(words[0] === "none" || policy.names.has(words[0]), `the quorum ${words[0]} is not defined before it`);
  policy.quorum = words[0];
}

function define(policy, name, meaning) {
  demand(name !== "none" && !policy.names.has(name), `the name ${name} is taken`);
  policy.names.set(name, meaning);
}

function witnessesOf(policy) {
  const found = [...policy.names].filter(([, { witness }]) => witness);
  return found.map(([label, { witness }]) => ({ ...witness, label }));
}

// Whether the witness or group `name` has witnessed, given the labels of the witnesses that did.
function hasWitnessed(policy, name, seen) {
  if (name === "none") return true;
  const { witness, needed, members } = policy.names.get(name);
  if (witness) return seen.has(name);
  return members.filter((member) => hasWitnessed(policy, member, seen)).length >= needed;
}

// The witnesses of the policy that saw this checkpoint, by label: {name, time}, in seconds since 1970 as a BigInt.
// A bad line of a known witness refuses the note. ML-DSA-44 is not checked here, so such a witness never counts.
async function cosignatures(head, policy) {
  const seen = new Map();
  for (const witness of policy ? witnessesOf(policy) : []) {
    for (const line of head.others.filter((other) => isBy(other, witness) && witness.type === COSIGNATURE)) {
      const time = await cosignedAt(line, witness, head.text);
      if (!(seen.get(witness.label)?.time > time)) seen.set(witness.label, { name: witness.name, time });
    }
  }
  return seen;
}

async function cosignedAt(line, witness, text) {
  const blob = line.signature;
  const what = `the cosignature of ${witness.name}`;
  demand(blob.length === COSIGNATURE_BYTES, `${what} is not ${COSIGNATURE_BYTES} bytes`);
  const time = BigInt(`0x${hex(blob.subarray(0, 8))}`);
  demand(time < 1n << 63n, `${what} states no time`);
  const message = bytesOf(`cosignature/v1\ntime ${time}\n${text}`);
  demand(await ed25519Holds(witness.key, message, blob.subarray(8)), `${what} does not match the checkpoint`);
  return time;
}

// A policy that names logs is about these alone. The strands and the super-log share one key, and a policy may
// name a key only once. The pinned key therefore counts under any name of this deployment.
function checkLogOf(policy, key) {
  const names = (log) => log.name === key.name || log.name.startsWith(`${key.name}/`);
  const listed = policy.logs.some((log) => log.type === ED25519 && same(log.key, key.key) && names(log));
  demand(policy.logs.length === 0 || listed, "the policy is about other logs than yours");
}
