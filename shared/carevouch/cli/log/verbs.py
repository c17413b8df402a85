"""The verbs about logs, as the parser needs them."""

from carevouch.cli.verb import Option, Verb

_KEY_HELP = "the log's key, or a file that holds it"
_POLICY = Option("--policy", metavar="FILE", help="the cosignatures to ask for (C2SP tlog-policy)")
_NO_SUPER = Option(
    "--no-super",
    action="store_true",
    help="the log may have no super-log: it is from before there were any, or one strand",
)

VERIFY = Verb(
    "verify",
    "carevouch.cli.log.verify",
    """\
Verify, with no network, where an event stands in the log (its .tlog-proof), and which version of
which document is in it (its opening), and say in plain words what was proved and by whom.

A proof holds hashes only. So each proof needs the event it is about: inside an opening, or as the
entry itself in a file of its own (--entry). The files of one event find each other by hash.""",
    """\
files:
  PROOF      GET /ledger/events/{id}/proof, and of the checkpoint in it, that of the super-log:
             GET /ledger/checkpoints/{strand}/{size}/proof. Or the event's COSE receipt:
             GET /ledger/events/{id}/receipt, verified under the sealer's key of genesis.
  --opening  GET /ledger/documents/{type}/{id}/{version}/opening
  --genesis  GET /ledger/genesis; it is verified under --key, so it may come from anywhere
  --epochs   GET /ledger/epochs, if strands were added since genesis
  --entry    the "entry" of GET /ledger/events/{id}, exactly, without a line end; for an event
             with the --certificate of its key, as a receipt holds it
  --policy   the witnesses that you ask for (C2SP tlog-policy): one of the checkpoints, of the strand
             or of the super-log, must have their cosignatures
  --receipt  the header Carevouch-Receipt of an act that was accepted. It is checked against the --log,
             a mirror or the URL of /ledger, which is read in full. Either the event is there, or
             rejected, or not due yet, or you hold proof against the operator. An event is due once
             its time has passed by the log's own time: that of its witnesses with a policy,
             otherwise that of the blocks of every strand.

  --key is the one thing to get from somebody you trust: the log's vkey (name+hash+key), or a
  file that holds it. The log line of a --policy pins it as well; its name may be `<origin>`, or that
  of the super-log, `<origin>/super`, or of a strand.

exit status:
  0  everything given was verified
  1  something does not match, or a receipt is proof against the operator, or a fault of the log
     touches its answer about the receipt; the sentence says which
  2  a file is missing, is empty or is no text, or the key is not one

examples:
  carevouch verify consent.tlog-proof --opening consent.opening.json \\
      --genesis genesis --key 'carevouch.example+33d7b496+AeHTu4Q3hEIM…'
  carevouch verify consent.tlog-proof super.tlog-proof --opening consent.opening.json \\
      --genesis genesis --policy witnesses.policy
  carevouch verify --receipt receipt.txt --log ./mirror --key key.txt""",
    options=(
        Option("proofs", nargs="*", metavar="PROOF", help="a .tlog-proof file, or a COSE receipt"),
        Option("--key", metavar="VKEY", help=_KEY_HELP),
        _POLICY,
        Option("--genesis", metavar="FILE", help="the deployment's signed genesis (or the --log's)"),
        Option("--epochs", metavar="FILE", help="the orders that opened epochs after it"),
        Option("--opening", action="append", default=[], metavar="FILE", help="opens one revision"),
        Option("--entry", action="append", default=[], metavar="FILE", help="a bare entry of the log"),
        Option(
            "--certificate",
            action="append",
            default=[],
            metavar="FILE",
            help="the certificate of the key of a bare event",
        ),
        Option(
            "--receipt",
            action="append",
            default=[],
            metavar="FILE",
            help="the receipt of an accepted act; with the --log",
        ),
        Option("--log", metavar="DIR|URL", help="the log that receipts are checked against"),
        _NO_SUPER,
        Option("--json", action="store_true", help="the result as JSON"),
    ),
)
AUDIT = Verb(
    "audit",
    "carevouch.cli.log.audit",
    """\
Check a whole log: every tile against every entry, every block link, every certificate and
signature, that no number of any signing key is missing and no event is there twice, that the
super-log gives of each strand the roots that the strand really had, and that the log continues each
older checkpoint which you kept.""",
    """\
DIR holds the files as they are served under /ledger: genesis, epochs, 0/checkpoint, 0/tile/...,
super/checkpoint, ... URL is the address of /ledger. A large log is checked faster in a mirror of
it (carevouch mirror). A missing super-log is a finding once a strand has entries. With --no-super it
may be missing: for a log from before there were super-logs, or for one strand that lies in DIR itself.

With a policy, the super-log's checkpoint must have the cosignatures that it asks for, and their
time is the log's time; without one it is the time of the blocks of every strand. By that time a
missing number counts as a gap, and a receipt that the log ignores as evidence. A log line of the
policy (the vkey of `<origin>/super`, of a strand or of `<origin>`) pins the key as --key does.

--receipts and --opening take folders in which each file is one. The log must answer each receipt.
The event of each opening must be in the log, and each document's versions without gap or repeat.

exit status:
  0  there are no findings
  1  there are findings; each is a line that says what is wrong and where
  2  the log or a file cannot be read, or the key is not one

examples:
  carevouch audit https://api.example/ledger --key 'carevouch.example+33d7b496+AeHT…'
  carevouch audit ./mirror --key key.txt --genesis genesis --against checkpoint.last-month
  carevouch audit ./mirror --policy witnesses.policy --receipts ./receipts --opening ./openings""",
    options=(
        Option("log", metavar="DIR|URL", help="where the log's files are"),
        Option("--key", metavar="VKEY", help=_KEY_HELP),
        _POLICY,
        Option("--genesis", metavar="FILE", help="a signed genesis that you kept (default: the log's)"),
        Option(
            "--against",
            action="append",
            default=[],
            metavar="OLD",
            help="an older checkpoint, of any of its logs, that the log must continue",
        ),
        Option(
            "--receipts",
            action="append",
            default=[],
            metavar="DIR",
            help="receipts that the log must have answered",
        ),
        Option(
            "--opening",
            action="append",
            default=[],
            metavar="DIR",
            help="openings, whose events must be in the log",
        ),
        _NO_SUPER,
        Option("--json", action="store_true", help="the report as JSON"),
    ),
)
MIRROR = Verb(
    "mirror",
    "carevouch.cli.log.mirror",
    """\
Copy a log into a folder, in the layout of C2SP tlog-tiles, and keep it up to date. Every tile and
every bundle of entries is proved against the signed root before it is kept; files copied before are
not read again. A log that forks or shrinks is refused: the copy stays as it was, and the checkpoint
that contradicts it is kept beside it, as proof.""",
    """\
URL is the address of /ledger, or a folder with the same files. The copy holds genesis, epochs, each
strand and the super-log, and may be audited, scanned and served as it is.

A log of somebody else (any C2SP tlog-tiles log) is copied too: then the URL is the prefix of its
checkpoint and tile/..., and the name of the key is the log's origin.

The next run finishes one that was cut off. Run it every hour: a copy binds the log to the history
that it showed you, and to nothing else.

exit status:
  0  the copy is the log as it is shown now
  1  the log contradicts its copy or its own signature; the sentence says how
  2  the log cannot be read, or the key is not one

examples:
  carevouch mirror https://api.example/ledger ./mirror --key 'carevouch.example+33d7b496+AeHT…'
  carevouch audit ./mirror --key key.txt""",
    options=(
        Option("log", metavar="URL|DIR", help="where the log's files are"),
        Option("folder", metavar="DIR", help="where the copy is kept"),
        Option("--key", required=True, metavar="VKEY", help=_KEY_HELP),
        Option("--again", action="store_true", help="prove the earlier files as well, and mend them"),
        Option("--json", action="store_true", help="the result as JSON"),
    ),
)
SCAN = Verb(
    "scan",
    "carevouch.cli.log.scan",
    """\
Find the events about yourself in a mirror of the log, with your subject secret: also those that
nobody told you of. Nobody else can, and nobody learns that you looked: the mirror is on your own
machine, and the secret stays there.""",
    """\
DIR is a folder that `carevouch mirror` made (a URL works too, but shows its operator that you read it all).

--secret is the file that holds your 32-byte secret: raw, or in base64url, or as the answer of
GET /identity/subjects/{id}/secret, which only your device's private key (--device-key, a JWK) opens.

--openings is a folder of openings that you hold. Then each event says whether you hold its content.
An opening of a document about you whose event lacks your tag is a fault of its signer, and the
opening shows it to anybody. With the --key everything is verified; openings need it.

A scan does not show an event that was tagged with other bytes on purpose, unless you hold an opening
of it.

exit status:
  0  the log was searched; the events are on standard output
  1  an opening, or the mirror, shows a fault
  2  the log or a file cannot be read

examples:
  carevouch scan ./mirror --secret secret.bin
  carevouch scan ./mirror --secret secret.json --device-key device.jwk.json \\
      --openings ./openings --key key.txt""",
    options=(
        Option("log", metavar="DIR", help="a mirror of the log"),
        Option("--secret", required=True, metavar="FILE", help="your subject secret"),
        Option("--device-key", metavar="FILE", help="your device's private JWK, for a JWE"),
        Option("--openings", action="append", default=[], metavar="DIR", help="openings that you hold"),
        Option("--key", metavar="VKEY", help=_KEY_HELP),
        Option("--json", action="store_true", help="the result as JSON"),
    ),
)
EXPORT = Verb(
    "export",
    "carevouch.cli.log.export",
    """\
Check an export of blocks (the exporter function's, out of the exports bucket): that its objects
hold exactly the blocks of each strand that the log sealed in the span, entry for entry as the
log's own signed checkpoints have them, and that none was left out at either end.""",
    """\
DIR is a copy of the export (aws s3 sync), in any depth of folders: NAME.completed.manifest and,
beside it, the folder NAME. An export that was begun and not completed has no such manifest; ask
the operator to run it again with the same words, and it goes on where it stopped.

Whether each event in it is true is a question for `carevouch audit`, which reads a whole log.

exit status:
  0  every export in DIR is whole, and holds the blocks that the log sealed
  1  a fault; the sentence names the file, and the line where that is known
  2  there is no export in DIR, or the key is not one

example:
  carevouch export ./export --key 'carevouch.example+33d7b496+AeHT…'""",
    options=(
        Option("folder", metavar="DIR", help="where the export's files are"),
        Option("--key", metavar="VKEY", required=True, help=_KEY_HELP),
        Option("--json", action="store_true", help="the result as JSON"),
    ),
)
