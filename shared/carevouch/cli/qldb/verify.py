"""`carevouch qldb verify`: verifies journals that Amazon QLDB exported to S3, offline.

It finds the files and leaves the hashes to `carevouch.qldb`, which reads Ion with the library `amazon-ion`.
"""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from carevouch.cli.files import read_bytes
from carevouch.cli.frame import NEGATIVE, OK
from carevouch.cli.progress import progress
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64
from carevouch.kernel.errors import IntegrityFault, Invalid, NotFound
from carevouch.kernel.jsontext import render
from carevouch.ledger.walk import MAX_FINDINGS, Finding
from carevouch.qldb.journal import Journal, Source, verify_journal
from carevouch.qldb.manifest import OBJECT, findings_in_manifests, refuse_json
from carevouch.qldb.proof import Digest, Proof, findings_in_digest, findings_in_proof, read_digest, read_proof


@dataclass(frozen=True, slots=True)
class QldbReport:
    """A journal that was read. `proofs` counts the proofs that were compared with it."""

    journal: Journal
    digest: Digest | None
    proofs: int
    findings: tuple[Finding, ...]


def run(args: Namespace) -> int:
    """Verify the journal, and return the exit status."""
    if args.revision and not args.digest:
        raise Invalid("a proof leads to a digest: give the digest of the proof's request with --digest")
    report = _examine(args)
    print(render(_json(report)).decode() if args.json else "\n".join(_words(report)))
    return NEGATIVE if report.findings else OK


def _examine(args: Namespace) -> QldbReport:
    folder = Path(args.folder)
    if not folder.is_dir():
        raise NotFound(f"{folder} is not a folder")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    manifests = {name: (folder / name).read_bytes() for name in names if name.endswith(".manifest")}
    refuse_json(names, manifests)
    objects = [name for name in names if name.endswith(OBJECT)]
    if not objects:
        raise NotFound(f"{args.folder} has no object of an export (*{OBJECT})")
    digest = read_digest(read_bytes(args.digest)) if args.digest else None
    proofs: dict[str, Proof] = {}
    findings = []
    for name in args.revision:
        try:
            proofs[name] = read_proof(read_bytes(name))
        except IntegrityFault as fault:
            findings.append(Finding("proof", name, fault.message))
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
    return QldbReport(journal, digest, len(proofs), tuple(findings[:MAX_FINDINGS]))


def _words(report: QldbReport) -> list[str]:
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


def _json(report: QldbReport) -> JsonObject:
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
