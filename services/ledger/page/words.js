// Words for people. They state facts only: the page knows which service signed, and not who meant what.

const MONTHS = [
  "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
  "December",
];
const MAX_SHOWN = 200_000;
const LAST_SECOND = 253_402_300_799n; // of the year 9999

function dateWords(text) {
  const [date, time] = text.slice(0, -1).split("T");
  const [year, month, day] = date.split("-");
  return `${Number(day)} ${MONTHS[Number(month) - 1]} ${year}, ${time.replace(".000", "")} UTC`;
}

function secondsWords(seconds) {
  if (seconds > LAST_SECOND) return `second ${seconds} of its own clock`;
  return dateWords(new Date(Number(seconds) * 1000).toISOString());
}

function countWords(count, one, many = `${one}s`) {
  return `${count} ${Number(count) === 1 ? one : many}`;
}

// What each type of event means to a person.
const EVENT_WORDS = {
  "organization.admitted": "An organisation was admitted, with its roles and keys",
  "organization.changed": "An organisation's admission was changed",
  "patient.registered": "A person was registered as a patient",
  "patient.enrolled": "A person was linked with an organisation that treats them",
  "device.bound": "A device was bound to a person, to speak for them",
  "device.removed": "A person's device was removed",
  "subject.erased": "A person's data was erased",
  "consent.requested": "A person was asked for their consent",
  "consent.refused": "A request for consent was refused",
  "consent.granted": "A consent was given",
  "consent.recorded": "A consent was put on record",
  "consent.revoked": "A consent was revoked",
  "records.stored": "Health records were stored",
  "record.updated": "A health record was updated",
  "contract.registered": "A benefit contract or plan was registered",
  "coverage.registered": "An insurance coverage was registered",
  "eligibility.answered": "A question about insurance cover was answered",
  "claim.adjudicated": "An insurance claim was decided",
  "access.audited": "An access to data, or a refusal of it, was recorded",
};
const SEAL_WORDS = {
  [BLOCK_SEALED]: "The log closed a batch of entries",
  [EVENT_REJECTED]: "The log turned an event down",
  [EPOCH_OPENED]: "The log opened an epoch, on the operator's order",
};

// A sentence about the entry, for the head of an account.
function headline({ kind, event, seal, certificate }) {
  if (kind === EVENT) return EVENT_WORDS[event.type] ?? event.type;
  if (kind === CERTIFICATE) return `A signing key of the ${certificate.service} service was certified`;
  return SEAL_WORDS[seal.type];
}

// Pairs of a term and its lines. A line is a text, or {body, title} to be shown as a block of text.
function accountWords(account, origin) {
  const { entry } = account;
  return [
    ["Who", whoWords(entry, origin)],
    ["When", whenWords(entry)],
    ...entry.openings.map(({ file, proved }) => ["Document", documentWords(file, proved)]),
    ...(entry.kind === EVENT && !entry.openings.length
      ? [["Document", ["Not shown: no opening of this event was given."]]] : []),
    ["Place", placeWords(account, origin)],
    ["Signatures", signatureWords(account)],
    ["Witnesses", witnessWords(account)],
    ["Exactly", [{ title: "Figures to compare", body: exactWords(account) }]],
  ];
}

function whoWords({ kind, event, seal, certificate }, origin) {
  if (kind === SEAL) {
    const order = "The operator ordered it, with the key that genesis names for that.";
    return [
      `The sealer of ${origin}, with the key that genesis names for it.`, ...(seal.type === EPOCH_OPENED ? [order] : []),
    ];
  }
  if (kind === EVENT && event.producer === OPERATOR) {
    return [`The operator of ${origin}, with the key that genesis names for it.`];
  }
  if (kind === CERTIFICATE) return [`The root key of the ${certificate.service} service of ${origin}.`];
  return [
    `The ${event.producer} service of ${origin} signed it.`,
    "Genesis names the root key of that service; the root certified the signing key for this kind of event, " +
      `from ${dateWords(certificate.nbf)} until ${dateWords(certificate.exp)}.`,
  ];
}

function whenWords({ kind, event, seal, certificate }) {
  if (kind === CERTIFICATE) {
    return [`Good from ${dateWords(certificate.nbf)} until ${dateWords(certificate.exp)}.`];
  }
  const time = dateWords(kind === EVENT ? event.time : seal.time);
  const producer = kind === SEAL ? "log" : event.producer;
  const whose = SERVICES.includes(producer) ? `${producer} service` : producer;
  return [`${time}. This is the ${whose}'s own claim.`];
}

function documentWords(file, proved) {
  const version = proved.prev === null ? "the first" : "it names the version before it by hash";
  const lines = [
    `${proved.doc}, version ${proved.version} (${version}), ${countWords(proved.body.length, "byte")}, ` +
      `exactly as in ${file.name}.`,
  ];
  if (proved.type === "Consent") lines.push(consentWords(proved));
  return [...lines, bodyWords(proved)];
}

function consentWords(proved) {
  if (proved.device === null) {
    return "Whether the patient gave it is not shown: the opening carries no device that signed it.";
  }
  const { doc, event, binding } = proved.device;
  return (
    `Given by the patient's own device, ${doc}: it signed exactly this content. It was bound to the patient ` +
    `at ${dateWords(event.time)} (the identity service's word), on an offer in the name of ${binding.provider}.`
  );
}

// The document's text. Numbers stay as they were written, and a consent is shown by its content.
function bodyWords(proved) {
  const title = "What the document says";
  try {
    const bytes = proved.type === "Consent" ? readConsent(proved.body).content : proved.body;
    return { title, body: pretty(textOf(bytes, "the body")) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { title, body: `(${error.message})` };
  }
}

// JSON with a member on each line and every token as it was written; any other text as it is.
function pretty(text) {
  const cut = text.length > MAX_SHOWN ? `\n… and ${text.length - MAX_SHOWN} more characters` : "";
  const shown = text.slice(0, MAX_SHOWN);
  if (cut || !isJson(shown)) return shown + cut;
  const tokens = shown.match(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g);
  let [out, depth] = ["", 0];
  const line = () => `\n${"  ".repeat(Math.min(depth, MAX_DEPTH))}`;
  tokens.forEach((token, at) => {
    const [opens, closes] = ["{[".includes(token), "}]".includes(token)];
    if (closes) depth -= 1;
    if (closes && !"{[".includes(tokens[at - 1])) out += line();
    out += token === ":" ? ": " : token;
    if (opens) depth += 1;
    if ((opens && !"}]".includes(tokens[at + 1])) || token === ",") out += line();
  });
  return out;
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function placeWords({ proof, head, strand, epoch, supers }, origin) {
  const entries = countWords(head.size, "entry", "entries");
  const lines = [`Number ${proof.index}, counted from 0, of ${entries} in strand ${strand} of ${origin}.`];
  if (epoch && epoch.number > 1) {
    const strands = countWords(epoch.strands, "strand");
    const from = dateWords(epoch.start);
    lines.push(`It is of epoch ${epoch.number}, which the operator opened from ${from}, with ${strands}.`);
  }
  for (const above of supers) {
    const heads = countWords(above.head.size, "entry", "entries");
    const place = `number ${above.proof.index} of ${heads} in the super-log`;
    lines.push(`That strand's head is itself ${place}, which holds the heads of all strands.`);
  }
  if (!supers.length) lines.push("No proof in the super-log was given.");
  return lines;
}

// The log's own signatures, as far as they were checked.
function signatureWords({ head, supers }) {
  const heads = [head, ...supers.map((above) => above.head)];
  const signed = "The log's own Ed25519 signature was checked and holds. It decides.";
  const post = heads.flatMap((one) => one.post);
  if (!post.length) return [signed];
  const lines = countWords(post.length, "line");
  return [
    signed,
    `Not checked, and counted for nothing: ${lines} by the ML-DSA-44 key that genesis names (against quantum ` +
      "computers). This page cannot check such lines; the command carevouch verify does.",
  ];
}

function witnessWords(account) {
  const lines = [];
  for (const place of [account, ...account.supers]) {
    const what = place === account ? "the strand" : "the super-log";
    for (const [label, { name, time }] of place.seen) {
      const who = label === name ? label : `${label} (${name})`;
      lines.push(`${who} saw the head of ${what} at ${secondsWords(time)}, by its own clock.`);
    }
  }
  if (!lines.length) lines.push("None was checked: nobody but the log vouches for this head.");
  if (account.final) lines.push("The quorum that your policy asks for is met.");
  return [...lines, ...uncheckedWords([account, ...account.supers].flatMap(({ unchecked }) => unchecked))];
}

// A line of an unknown key neither helps nor harms (signed-note), but no reader may think that it was checked.
function uncheckedWords(lines) {
  if (!lines.length) return [];
  const post = lines.filter(({ signature }) => signature.length === ML_DSA_44_BYTES).length;
  const kinds = [
    ...(post ? [`${post} by ML-DSA-44, which this page does not know`] : []),
    ...(lines.length - post ? [`${lines.length - post} by a key that was not given`] : []),
  ];
  const names = [...new Set(lines.map(({ name }) => name))].join(", ");
  const count = countWords(lines.length, "signature line");
  return [`${count} could not be checked here (${kinds.join(", ")}): ${names}.`];
}

function exactWords({ file, proof, head, entry, supers }) {
  const { event, certificate, seal } = entry;
  const facts = [
    ["proof", file.name], ["log", head.origin], ["index", proof.index], ["size", head.size],
    ["root", b64(head.root)],
    ...supers.flatMap((above) => [
      ["super-log proof", above.file.name], ["index", above.proof.index], ["size", above.head.size],
      ["root", b64(above.head.root)],
    ]),
    ...(event ? [
      ["event", event.id], ["type", event.type], ["time", event.time], ["signing key", event.kid],
      ["number of that key", event.n], ["epoch", event.epoch], ["revisions", event.count],
      ["root of the revisions", b64u(event.root)],
      ...(event.contract ? [["contract", event.contract]] : []),
    ] : []),
    ...(seal?.type === EPOCH_OPENED ? [
      ["epoch", seal.data.epoch], ["strands", seal.data.strands], ["from", seal.data.from],
    ] : []),
    ...(certificate ? [
      ["certified key", certificate.kid], ["from", certificate.nbf], ["until", certificate.exp],
    ] : []),
    ...entry.openings.map(({ proved }) => ["commitment", b64u(proved.commit)]),
  ];
  return facts.map(([name, value]) => `${name}: ${value}`).join("\n");
}

// The limits of every proof. `accounts` decide what is said of witnesses and devices.
function notShownWords(accounts) {
  const seen = accounts.some((account) => [account, ...account.supers].some((place) => place.seen.size));
  const device = accounts.some(({ entry }) => entry.openings.some(({ proved }) => proved.device));
  return [
    seen
      ? "That the witnesses named above are independent of the log. They are those of the policy you gave."
      : "That everybody is shown this same log. Only witnesses could say so, and none was checked.",
    "That what a document says is true. Shown is who signed it, and that nothing changed since.",
    "That a version is the latest. A consent may have been revoked, a record corrected, after this one.",
    "Who gave you these files, or who else holds them.",
    ...(device ? [
      "Whose key introduced the patient's device. The opening brings that key along; ask the provider.",
    ] : []),
  ];
}
