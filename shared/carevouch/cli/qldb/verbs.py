"""The verb about journals of Amazon QLDB, as data for the parser."""

from carevouch.cli.verb import Option, Verb

QLDB = Verb(
    "qldb",
    "",
    """\
Amazon QLDB ended in July 2025, and with it the service that verified its journals. If you kept an
export of one, you can still check it here, and need nobody's permission.""",
    """\
examples:
  carevouch qldb verify ./export
  carevouch qldb verify ./export --digest digest.ion.txt --revision revision.json

exit status: 0 no findings, 1 there are findings, 2 bad input
`carevouch qldb verify --help` says which things are checked, and which cannot be.""",
    actions=(
        Verb(
            "verify",
            "carevouch.cli.qldb.verify",
            """\
Check an exported journal: each revision's hash, each block's list of entries, entriesHash and
blockHash, that every block follows the one before it without a gap, and that every object which
the export's manifest lists is there.""",
            """\
DIR is a copy of the export (aws s3 sync), in any depth of folders: *.ion in Ion text or binary, and
its manifests. An export as JSON has lost Ion's types, and its hashes with them.

--digest is the answer of GetDigest, or the file that the console saved. The journal must hold every
block from number 0 to the digest's tip, and have this digest. --revision is the answer of GetRevision
or GetBlock, with its proof: it must lead to the digest, and the journal must hold the revision or
block where the proof says it was. Repeat it for several.

no check can tell the following, for QLDB did not bind it:
  * nobody signed a journal or a digest: trust a digest as much as the place where you kept it
  * the order inside a pair of hashes; a block's time; its number, but for the order of the chain;
    the id of its transaction, where it has no revisions
  * the content of an entry that is here by its hash alone: QLDB's own, redacted, or removed by somebody
  * blocks cut off at either end, without a digest or a manifest that names them

exit status:
  0  there are no findings
  1  there are findings; each is a line that says what is wrong and where
  2  the export cannot be read, or is JSON

examples:
  carevouch qldb verify ./export
  carevouch qldb verify ./export --digest digest.ion.txt --revision revision.json --json""",
            summary="check an export, and proofs of it",
            options=(
                Option("folder", metavar="DIR", help="the export"),
                Option("--digest", metavar="FILE", help="a digest that you kept"),
                Option(
                    "--revision",
                    action="append",
                    default=[],
                    metavar="FILE",
                    help="a revision or block with its proof",
                ),
                Option("--json", action="store_true", help="the report as JSON"),
            ),
        ),
    ),
)
