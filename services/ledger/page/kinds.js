// The kind of a file, by its content alone.

const MAX_FILE = 4_000_000;
const PROOF = "proof";
const OPENING = "opening";
const GENESIS = "genesis";
const POLICY = "policy";
const EVENT = "event";
const CERTIFICATE = "certificate";
const SEAL = "seal";
const EPOCHS = "epochs";
const KINDS_BY_TYP = { [EVENT_TYP]: EVENT, [CERT_TYP]: CERTIFICATE, [SEAL_TYP]: SEAL };

function kindOf(text) {
  demand(text.trim() !== "", "is empty");
  if (text.startsWith("c2sp.org/tlog-proof@")) return PROOF;
  if (text.startsWith("carevouch.org/genesis/")) return GENESIS;
  if (text.startsWith("{")) return OPENING;
  if (/^(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*(?:log|witness|group|quorum)[ \t]/.test(text)) return POLICY;
  const isKey = /^\S+\+[0-9a-f]{8}\+\S+\s*$/.test(text);
  demand(!isKey, "is a key: if it is from somebody you trust, put it in the field above");
  const [first] = text.split("\n", 1);
  demand(/^[^\s.]+\.[^\s.]+\.[^\s.]+\s*$/.test(first), "is none of the kinds of file that this page knows");
  if (takeApart(first).typ === ORDER_TYP) return EPOCHS;
  const { typ } = takeApart(text);
  demand(Object.hasOwn(KINDS_BY_TYP, typ), `is signed as ${typ}, which is no entry of a log`);
  return KINDS_BY_TYP[typ];
}
