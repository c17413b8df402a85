// The page itself. Text enters the document as text only. Invisible characters, and those that reverse the order
// of their neighbours, are shown as escapes, so that no file can dress up as another.

const MAX_FILES = 100;
const UNSEEN =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const TITLES = { [VERIFIED]: "✓ Verified", [REFUSED]: "✕ Refused", [INCOMPLETE]: "Not checked yet" };
const state = { files: [], turn: 0, fromLink: false };

function byId(id) {
  return document.getElementById(id);
}

function visible(text) {
  return String(text).replace(UNSEEN, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// An element with a class and children. A child that is no element becomes text.
function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children.map((child) => (child instanceof Node ? child : visible(child))));
  return element;
}

// Judges the files and the key that are given now. Of two runs that overlap, only the later one is shown.
async function check() {
  state.turn += 1;
  const turn = state.turn;
  byId("result").setAttribute("aria-busy", "true");
  let result = null;
  try {
    result = await judge(state.files, byId("key").value);
  } catch (error) {
    const sentence = `this page failed and calls nothing good (${error?.message})`;
    const finding = { file: "this page", at: -2, state: REFUSED, sentence };
    result = { verdict: REFUSED, findings: [finding], missing: [], accounts: [] };
  }
  if (turn !== state.turn) return;
  showKey(result);
  showFiles(result);
  showVerdict(result);
  showAccounts(result);
  byId("result").setAttribute("aria-busy", "false");
}

function showKey({ findings }) {
  const fault = findings.find(({ at }) => at === -1);
  const link = state.fromLink ? "It came with the link to this page: is that from somebody you trust?" : "";
  const said = byId("key-said");
  said.hidden = !fault && !link;
  said.textContent = visible(fault ? fault.sentence : link);
  byId("key").setAttribute("aria-invalid", fault ? "true" : "false");
}

function showFiles({ findings }) {
  byId("files").replaceChildren(...state.files.map((file, at) => fileLine(file, at, findings)));
  byId("files").hidden = byId("clear").hidden = state.files.length === 0;
}

function fileLine(file, at, findings) {
  const own = findings.filter((one) => one.at === at);
  const refused = own.filter((one) => one.state === REFUSED);
  const said = (refused.length ? refused : own).map(({ sentence }) => sentence).join("; ");
  const words = make("span", "what", make("span", "mono", file.name), make("span", "said", said));
  const out = make("button", "", "Take out");
  out.type = "button";
  out.setAttribute("aria-label", `Take out ${visible(file.name)}`);
  out.addEventListener("click", () => setFiles(state.files.filter((other) => other !== file)));
  return make("li", refused.length ? "refused" : "", words, out);
}

function showVerdict({ verdict, findings, missing, accounts }) {
  const box = byId("verdict");
  box.className = `card verdict ${verdict}`;
  box.replaceChildren(make("h2", "", TITLES[verdict]), ...verdictWords(verdict, findings, missing, accounts));
}

function verdictWords(verdict, findings, missing, accounts) {
  const list = (items) => make("ul", "", ...items.map((item) => make("li", "", item)));
  if (verdict === VERIFIED) {
    const what = countWords(accounts.length, "entry", "entries");
    return [make("p", "", `Everything you gave holds under the key you trust, and shows ${what} of the log.`)];
  }
  if (verdict === INCOMPLETE) {
    return [make("p", "", "Nothing was proved so far. Still missing:"), list([...new Set(missing)])];
  }
  const of = (wanted) => findings.filter((one) => one.state === wanted);
  const sentences = (found) => list(found.map(({ file, sentence }) => `${file}: ${sentence}`));
  const held = of(HELD);
  return [
    make("p", "", "Something does not match, so nothing is called proved:"),
    sentences(of(REFUSED)),
    ...(held.length ? [make("p", "", "By itself, this much did match:"), sentences(held)] : []),
  ];
}

function showAccounts({ verdict, accounts }) {
  const shown = verdict === VERIFIED ? accounts : [];
  byId("accounts").replaceChildren(...shown.map(accountCard));
  const rest = byId("not-shown");
  rest.hidden = shown.length === 0;
  const items = notShownWords(shown).map((item) => make("li", "", item));
  rest.replaceChildren(make("h2", "", "What this does not show"), make("ul", "", ...items));
}

function accountCard(account) {
  const list = make("dl", "");
  for (const [term, lines] of accountWords(account, splitOrigin(account.head.origin)[0])) {
    list.append(make("dt", "", term), make("dd", "", ...lines.map(lineElement)));
  }
  return make("article", "card", make("h3", "", headline(account.entry)), list);
}

function lineElement(line) {
  if (isText(line)) return make("p", "", line);
  const block = make("pre", "", line.body);
  block.tabIndex = 0; // so that a long one scrolls by keyboard
  return make("details", "", make("summary", "", line.title), block);
}

function setFiles(files) {
  state.files = files;
  check();
}

async function addFiles(list) {
  const files = [...list];
  const room = Math.max(0, MAX_FILES - state.files.length);
  const read = await Promise.all(files.slice(0, room).map(readFile));
  const left = files.length - read.length;
  const more = { name: countWords(left, "more file"), trouble: `not read: at most ${MAX_FILES} at once` };
  setFiles([...state.files, ...read, ...(left ? [more] : [])]);
}

async function readFile(file) {
  const { name } = file;
  if (file.size > MAX_FILE) return { name, trouble: `is larger than any file of a log (${MAX_FILE} bytes)` };
  try {
    return { name, bytes: new Uint8Array(await file.arrayBuffer()) };
  } catch {
    return { name, trouble: "could not be read; is it a folder?" };
  }
}

// A key in the address (#key=…) fills the field. A browser never sends the fragment to anybody.
function readLink() {
  const found = /^#key=(.+)$/.exec(location.hash);
  if (found === null) return;
  try {
    byId("key").value = decodeURIComponent(found[1]);
    state.fromLink = true;
  } catch {
    // The fragment is no encoded text, and the field stays as it is.
  }
}

function start() {
  readLink();
  addEventListener("hashchange", () => { readLink(); check(); });
  byId("key").addEventListener("input", () => { state.fromLink = false; check(); });
  byId("picker").addEventListener("change", async (event) => {
    await addFiles(event.target.files);
    event.target.value = ""; // so that the same file can be chosen again
  });
  byId("clear").addEventListener("click", () => setFiles([]));
  // Take files that are dropped anywhere. Otherwise the browser would leave this page to show them.
  addEventListener("dragover", (event) => { event.preventDefault(); byId("drop").classList.add("over"); });
  addEventListener("dragleave", () => byId("drop").classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    byId("drop").classList.remove("over");
    addFiles(event.dataTransfer.files);
  });
  check();
}

start();
