"""Audits the super-log: each entry is a head that its strand had, and each strand only grows.

It comes before the audits of the strands, which then compute every root that the super-log lists. So an
operator cannot show one history in the super-log and another in a strand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from carevouch.events.genesis import Genesis
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.times import later
from carevouch.ledger.checkpoint import SUPER, log_origin
from carevouch.ledger.superlog import StrandHead, parse_super_entry
from carevouch.ledger.walk import Finding, Findings, KnownRoot, Progress, Read, Walk
from carevouch.verifier.strand import Report, open_older, open_published


@dataclass
class SuperReport(Findings):
    """The result of an audit of the super-log. `heads` has its checkpoints by strand, in order."""

    size: int = 0
    root: bytes = b""
    old_sizes: tuple[int, ...] = ()
    note: bytes = b""
    heads: dict[int, list[KnownRoot]] = field(default_factory=dict)


def audit_super(
    genesis: Genesis, read: Read, *, against: Sequence[bytes] = (), progress: Progress | None = None
) -> SuperReport:
    """Audit the whole super-log under the log keys of `genesis`. `against` has old checkpoints of it."""
    report = SuperReport()
    note, origin = read("checkpoint"), log_origin(genesis.origin, SUPER)
    head = open_published(report, note, genesis.keys, origin)
    if head is None:
        return report
    report.size, report.root, report.note = head.size, head.root, note or b""
    older = open_older(report, against, genesis.keys, head)
    report.old_sizes = tuple(old.size for old in older)
    for index, (entry, _) in enumerate(Walk(head, read, report, older, progress).entries()):
        try:
            _take(report, parse_super_entry(entry, genesis.origin, genesis.keys), index)
        except (IntegrityFault, Malformed) as fault:
            report.find("entry", f"entry {index}", fault.message)
    return report


def find_behind(above: SuperReport, strands: Sequence[Report]) -> list[Finding]:
    """Findings about strands that are smaller than in the super-log, and about strands that do not exist."""
    sizes = {report.strand: report.size for report in strands}
    findings = []
    for strand, heads in sorted(above.heads.items()):
        last = heads[-1]
        if strand not in sizes:
            findings.append(Finding("strand", last.finding.where, f"there is no strand {strand}"))
        elif last.size > sizes[strand]:
            message = f"it has strand {strand} with {last.size} entries, the strand shows {sizes[strand]}"
            findings.append(Finding("behind", last.finding.where, message))
    return findings


def find_omitted(above: SuperReport, strands: Sequence[Report], seal_by_seconds: int) -> list[Finding]:
    """Findings about strands that the super-log left out, while it took others for longer than `seal_by`
    allows.

    A strand is published before the super-log takes it, so a strand may be a little ahead.
    """
    now = max((report.told for report in strands), default="")
    findings = []
    for report in strands:
        if report.untold and now and later(report.untold, seal_by_seconds) < now:
            heads = above.heads.get(report.strand, [])
            size = heads[-1].size if heads else 0
            message = (
                f"the super-log says nothing of it after {size} entries, where a block of "
                f"{report.untold} follows, though it tells of blocks of {now}"
            )
            findings.append(Finding("omitted", f"strand {report.strand}", message))
    return findings


def _take(report: SuperReport, head: StrandHead, index: int) -> None:
    heads, size = report.heads.setdefault(head.strand, []), head.checkpoint.size
    if heads and size <= heads[-1].size:
        raise IntegrityFault(f"strand {head.strand} had {heads[-1].size} entries before, and has {size} here")
    message = f"the super-log says in its entry {index} that the {size} entries then had another root"
    # The finding is named in the strand, where it can be told which of the two is untrue.
    heads.append(KnownRoot(size, head.checkpoint.root, Finding("head", f"super-log entry {index}", message)))
