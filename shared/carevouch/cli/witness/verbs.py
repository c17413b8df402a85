"""The verb `witness` and its actions, as data for the parser."""

from carevouch.cli.verb import Option, Verb

# The port of litewitness too.
PORT = 7380
_LOG = Option("log", metavar="DIR|URL", help="the files served under /ledger")
_STATE = Option("--state", required=True, metavar="DIR", help="the witness's memory")

_SERVE = Verb(
    "serve",
    "carevouch.cli.witness.serve",
    """\
Run a witness. Put a TLS proxy before it where the logs are elsewhere. A deployment lists the vkeys of
its super-log in /ledger/digest. The URL is that of /ledger; with the word audit, every strand's growth
is checked before the super-log is cosigned.""",
    summary="serve add-checkpoint on 127.0.0.1",
    options=(
        Option("--key", required=True, metavar="FILE", help="from `witness key`"),
        Option("--logs", required=True, metavar="FILE", help="a line per key of a log: VKEY [URL] [audit]"),
        _STATE,
        Option("--port", type=int, default=PORT, metavar="N", help=f"default: {PORT}; 0: a free one"),
    ),
)
_KEY = Verb(
    "key",
    "carevouch.cli.witness.key",
    """\
Make an Ed25519 and an ML-DSA-44 key in a file that you alone can read, and print their public halves
as lines of a policy.""",
    summary="make a witness's keys",
    options=(
        Option("--out", required=True, metavar="FILE", help="a file that does not exist yet"),
        Option("--name", required=True, help="such as witness.example/w1, never to be changed"),
        Option("--url", metavar="URL", help="where logs will reach it (/add-checkpoint is appended)"),
    ),
)
_CHECK = Verb(
    "check",
    "carevouch.cli.witness.check",
    "List who cosigned the current super-log checkpoint, and say whether that meets the quorum.",
    summary="check a log's checkpoint against a policy",
    options=(
        _LOG,
        Option("--policy", required=True, metavar="FILE", help="a C2SP tlog-policy"),
        Option("--key", metavar="VKEY", help="the log's key, where the policy names no log"),
    ),
)
_AUDIT = Verb(
    "audit",
    "carevouch.cli.witness.audit",
    """\
Follow every strand from its state in the folder to the current super-log checkpoint: signatures, sizes
that never shrink, one root for each size, every entry present. Then cosign.""",
    summary="follow a log once, and cosign it",
    options=(
        _LOG,
        Option("--key", required=True, metavar="VKEY", help="the log's key, or a file that holds it"),
        _STATE,
        Option("--witness-key", metavar="FILE", help="cosign, and print the lines"),
    ),
)
WITNESS = Verb(
    "witness",
    "",
    """\
A witness cosigns the checkpoints of a log that it knows, and only those that continue the one it
cosigned before (C2SP tlog-witness). So a log cannot show two histories to people who ask for
its witnesses' signatures. An auditing witness reads the log as well: every strand's growth.""",
    """\
run one (its operator makes the key, knows the log's vkey, and keeps the folder):
  carevouch witness key --out w.key --name witness.example/w1 --url https://witness.example
  echo 'log.example/super+33d7b496+AeHT… https://api.example/ledger audit' > logs
  carevouch witness serve --key w.key --logs logs --state ./witness

or cosign from a schedule, without a server:
  carevouch witness audit https://api.example/ledger --key 'log.example+33d7b496+AeHT…' \\
      --state ./witness --witness-key w.key

ask whether the witnesses of your policy cosigned a log's checkpoint (C2SP tlog-policy):
  carevouch witness check https://api.example/ledger --policy policy

The folder is the witness's memory: never restore an older one, never run two from copies.

exit status: 0 good, 1 a finding or a quorum that is not met, 2 bad input
`carevouch witness ACTION --help` explains each action.""",
    actions=(_SERVE, _KEY, _CHECK, _AUDIT),
)
