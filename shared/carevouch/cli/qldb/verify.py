"""`carevouch qldb`: journals that Amazon QLDB exported to S3, verified offline.

A door: it finds the files and leaves the hashes to `carevouch.qldb`. That package and `amazon-ion`, which it
reads Ion by, are imported when the verb runs: everybody else's command starts without them.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carevouch.cli.files import read_bytes
from carevouch.cli.progress import progress
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64
from carevouch.kernel.errors import IntegrityFault, Invalid, NotFound
from carevouch.kernel.jsontext import render
from carevouch.ledger.walk import MAX_FINDINGS, Finding

if TYPE_CHECKING:
    from carevouch.qldb.journal import Journal
    from carevouch.qldb.proof import Digest, Proof

SOUND, FAULTY, BAD_INPUT = 0, 1, 2
_EXTRA = "reading Amazon Ion takes one library more: pip install 'carevouch[qldb]'"

_DESCRIPTION = """\
Amazon QLDB ended in July 2025, and with it the service that verified its journals. Whoever kept
an export of one can still have it checked, here and by nobody's leave."""

_EPILOG = """\
examples:
  carevouch qldb verify ./export
  carevouch qldb verify ./export --digest digest.ion.txt --revision revision.json

exit status: 0 nothing is wrong, 1 there are findings, 2 bad input
`carevouch qldb verify --help` says what is checked, and what cannot be."""

_VERIFY = """\
Check an exported journal: each revision's hash, each block's list of entries, entriesHash and
blockHash, that every block follows the one before it without a gap, and that every object is
there which the export's manifest lists."""

_VERIFY_EPILOG = """\
DIR is a copy of the export (aws s3 sync), in any depth of folders: *.ion in Ion text or binary, and
its manifests. An export as JSON has lost Ion's types, and its hashes with them.

--digest is what GetDigest answered, or the file that the console saved. The journal must hold every
block from number 0 to the digest's tip, and have this digest. --revision is what GetRevision or
GetBlock answered, with its proof: it must lead to the digest, and the journal must hold the thing
where it says it was. Repeat it for several.

what no check can tell, for QLDB did not bind it:
  * nobody signed a journal or a digest: a digest is worth what the place is worth where you kept it
  * the order inside a pair of hashes; a block's time; its number, but for the order of the chain;
    the id of its transaction, where it has no revisions
  * what an entry said that is here by its hash alone: QLDB's own, redacted, or taken out by somebody
  * blocks cut off at either end, without a digest or a manifest that names them

exit status:
  0  nothing is wrong
  1  there are findings; each is a line that says what and where
  2  the export cannot be read, or is JSON

examples:
  carevouch qldb verify ./export
  carevouch qldb verify ./export --digest digest.ion.txt --revision revision.json --json"""


def add_parser(verbs: Any) -> None:
    """Register the verb and its action; `args.run` is then the action's."""
    parser = verbs.add_parser(
        "qldb",
        help="verify a journal that Amazon QLDB exported",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=lambda _: _teach(parser))
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    verify = actions.add_parser(
        "verify",
        help="check an export, and what was proved of it",
        description=_VERIFY,
        epilog=_VERIFY_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("folder", metavar="DIR", help="the export")
    verify.add_argument("--digest", metavar="FILE", help="a digest that you kept")
    verify.add_argument(
        "--revision", action="append", default=[], metavar="FILE", help="a revision or block with its proof"
    )
    verify.add_argument("--json", action="store_true", help="the report as JSON")
    verify.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify as asked; the exit status."""
    try:
        import amazon.ion.simpleion  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        raise NotFound(_EXTRA) from None
    if args.revision and not args.digest:
        raise Invalid("a proof leads to a digest: give the one it was asked for, with --digest")
    report = _examine(args)
    print(render(_json(report)).decode() if args.json else "\n".join(_words(report)))
    return FAULTY if report.findings else SOUND


@dataclass(frozen=True, slots=True)
class _Report:
    """What was seen; `proofs` are those that were compared."""

    journal: "Journal"
    digest: "Digest | None"
    proofs: int
    findings: tuple[Finding, ...]


def _examine(args: argparse.Namespace) -> _Report:
    from carevouch.qldb.journal import Source, verify_journal
    from carevouch.qldb.manifest import OBJECT, findings_in_manifests, refuse_json
    from carevouch.qldb.proof import findings_in_digest, findings_in_proof, read_digest

    folder = Path(args.folder)
    names = _names(folder)
    manifests = {name: (folder / name).read_bytes() for name in names if name.endswith(".manifest")}
    refuse_json(names, manifests)
    objects = [name for name in names if name.endswith(OBJECT)]
    if not objects:
        raise NotFound(f"{args.folder} holds no object of an export (*{OBJECT})")
    digest = read_digest(read_bytes(args.digest)) if args.digest else None
    proofs, findings = _proofs(args.revision)
    findings += findings_in_manifests(objects, manifests)
    journal = verify_journal(
        [Source(name, (folder / name).read_bytes) for name in objects],
        watch={proof.address for proof in proofs.values()},
        progress=progress("journal", "objects"),
    )
    findings += journal.findings
    if digest is not None:
        findings += findings_in_digest(digest, journal)
        for name, proof in proofs.items():
            findings += findings_in_proof(name, proof, digest, journal)
    return _Report(journal, digest, len(proofs), tuple(findings[:MAX_FINDINGS]))


def _names(folder: Path) -> list[str]:
    """The files below the folder, by their paths there."""
    if not folder.is_dir():
        raise NotFound(f"{folder} is no folder")
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _proofs(names: Sequence[str]) -> tuple[Mapping[str, "Proof"], list[Finding]]:
    """The proofs by their files, and what was wrong with the rest."""
    from carevouch.qldb.proof import read_proof

    proofs, findings = {}, []
    for name in names:
        try:
            proofs[name] = read_proof(read_bytes(name))
        except IntegrityFault as fault:
            findings.append(Finding("proof", name, fault.message))
    return proofs, findings


def _words(report: _Report) -> list[str]:
    """The report for people."""
    journal, counts = report.journal, report.journal.counts
    lines = [
        f"strand {strand.name}: blocks {strand.first} to {strand.tip}"
        + ("" if strand.first == 0 else f"; what was before {strand.first} is not in the export")
        for strand in journal.strands.values()
    ]
    lines.append(
        f"{counts.blocks} blocks, {counts.revisions} revisions, {counts.redacted} of them redacted; "
        f"{counts.opaque} entries are here by their hash alone"
    )
    if report.digest is None:
        lines.append("no digest: that the journal is the one that QLDB had rests on nothing but itself")
    else:
        lines.append(f"compared with the digest of {report.digest.tip} and {report.proofs} proofs")
    lines += [f"{item.code}: {item.where}: {item.message}" for item in report.findings]
    return [*lines, f"{len(report.findings)} findings" if report.findings else "nothing is wrong"]


def _json(report: _Report) -> JsonObject:
    """The report for programs."""
    journal, counts, digest = report.journal, report.journal.counts, report.digest
    return {
        "strands": [
            {
                "strand": strand.name,
                "first": strand.first,
                "tip": strand.tip,
                "blockHash": b64(strand.links[strand.tip].hash),
            }
            for strand in journal.strands.values()
        ],
        "blocks": counts.blocks,
        "revisions": counts.revisions,
        "redacted": counts.redacted,
        "opaque": counts.opaque,
        "digest": None if digest is None else {"strand": digest.tip.strand, "tip": digest.tip.number},
        "proofs": report.proofs,
        "findings": [
            {"code": item.code, "where": item.where, "message": item.message} for item in report.findings
        ],
    }


def _teach(parser: argparse.ArgumentParser) -> int:
    parser.print_help(sys.stderr)
    return BAD_INPUT
