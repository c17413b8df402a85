"""The verbs of the command: the table that describes each, and one line for the list of verbs."""

_LOG, _KEYS = "carevouch.cli.log.verbs", "carevouch.cli.keys.verbs"
_DECISIONS = "carevouch.cli.decisions.verbs"

# The table of the verb `name` has its `Verb` under the name in capitals. It is imported only for that verb.
VERBS = {
    "verify": (_LOG, "verify proofs, openings and receipts, and explain them"),
    "audit": (_LOG, "check a whole log, from a folder or a URL"),
    "mirror": (_LOG, "copy a log, proving it, and refuse a fork"),
    "scan": (_LOG, "find the events about yourself in a mirror"),
    "witness": ("carevouch.cli.witness.verbs", "cosign other people's logs, or check who cosigned one"),
    "export": (_LOG, "verify an export of blocks"),
    "qldb": ("carevouch.cli.qldb.verbs", "verify a journal that Amazon QLDB exported"),
    "decide": (_DECISIONS, "decide a request under a patient's consents, or run a file of decision cases"),
    "adjudicate": (_DECISIONS, "adjudicate a FHIR Claim under a benefit contract, with every reason"),
    "key": (_KEYS, "make a P-256 key pair of your own"),
    "admit": (_KEYS, "operator: sign the admission of an organisation, its change or its suspension"),
    "epoch": (_KEYS, "operator: order that the log goes on in more strands"),
    "assertion": (_KEYS, "sign the assertion that gets you a token"),
    "sign": (_KEYS, "patient's device: sign a consent request"),
}
