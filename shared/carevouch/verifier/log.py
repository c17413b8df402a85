"""A whole log, checked by anyone: its super-log, each strand, what witnesses say, and what must fit together.

Everything is read once, through one function, and believed as far as the keys of genesis reach. The
super-log is read before the strands, so that a strand that grows meanwhile does no harm. The policy says
which witnesses count. Without one, time is the time of the blocks of every strand.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from carevouch.events.epoch import read_epochs
from carevouch.events.genesis import Epoch, Genesis
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.times import instant
from carevouch.ledger.checkpoint import SUPER, LogName, log_origin
from carevouch.ledger.policy import Policy, QuorumFault, QuorumReport, satisfied
from carevouch.ledger.walk import Finding, Progress, Read
from carevouch.verifier.strand import Report, WatchedEntry, audit_strand, find_gaps, time_of
from carevouch.verifier.super_log import SuperReport, audit_super, find_behind, find_omitted

# Makes what shows the progress of one of the logs.
Progresses = Callable[[LogName], Progress | None]


@dataclass
class Audit:
    """The result of auditing a whole log; `findings` are those that concern more than one of its logs.

    `time` is the log's own: that of its witnesses where a policy is met, else that of the strands' blocks.
    It is empty, and nothing is due, where a strand has no block or is not whole.
    """

    genesis: Genesis
    strands: list[Report] = field(default_factory=list)
    above: SuperReport | None = None
    witnessed: QuorumReport | None = None
    time: str = ""
    findings: list[Finding] = field(default_factory=list)

    @property
    def all_findings(self) -> list[tuple[LogName | None, Finding]]:
        """Every finding, with the log it is in, the whole log's last."""
        found: list[tuple[LogName | None, Finding]] = []
        if self.above is not None:
            found += [(SUPER, finding) for finding in self.above.findings]
        for report in self.strands:
            found += [(report.strand, finding) for finding in report.findings]
        return found + [(None, finding) for finding in self.findings]

    def seen(self, event_id: str) -> list[WatchedEntry]:
        """All entries about an event that was watched for; of strands whose entries the log signed, alone."""
        whole = [report for report in self.strands if report.whole]
        return [seen for report in whole for seen in report.seen.get(event_id, ())]


def audit_log(
    genesis: Genesis,
    read: Read,
    *,
    against: Mapping[LogName, Sequence[bytes]] | None = None,
    policy: Policy | None = None,
    watch: Collection[str] = (),
    super_log: bool = True,
    progress: Progresses = lambda _: None,
) -> Audit:
    """Check the log whose files `read` reads by their path below `/ledger`.

    `genesis` is verified; `against` are old checkpoints by log, `watch` event ids to look out for. Without
    `super_log` it may be a log that has none: one from before there were super-logs, or a strand alone.
    """
    audit, older = Audit(replace(genesis, epochs=())), against or {}
    if read(f"{SUPER}/checkpoint") is not None or SUPER in older:
        above = _below(read, SUPER)
        audit.above = audit_super(genesis, above, against=older.get(SUPER, ()), progress=progress(SUPER))
    epochs = read("epochs")
    heads = {} if audit.above is None else audit.above.heads
    # Strand 0 first: it says which epochs were opened, and so how many strands there are.
    while len(audit.strands) < audit.genesis.strand_count:
        strand = len(audit.strands)
        report = audit_strand(
            audit.genesis,
            strand,
            _below(read, strand),
            against=older.get(strand, ()),
            known=heads.get(strand, ()),
            watch=watch,
            progress=progress(strand),
        )
        audit.strands.append(report)
        audit.genesis = replace(genesis, epochs=_opened_epochs(audit.strands[0], genesis, epochs or b""))
    audit.findings += [
        Finding("shrunk", f"strand {log}", "there is no such strand any more")
        for log in older
        if isinstance(log, int) and log >= len(audit.strands)
    ]
    if super_log and audit.above is None and any(report.size for report in audit.strands):
        message = "there is no super-log, in which witnesses see what each strand was"
        audit.findings.append(Finding("missing", "super-log checkpoint", message))
    _find_between(audit, epochs, policy)
    return audit


def _opened_epochs(first: Report, genesis: Genesis, orders: bytes) -> tuple[Epoch, ...]:
    """The epochs that strand 0 opened; as far as it cannot be read, those that the operator's orders tell of.

    Else one broken byte in strand 0 would have the strands of later epochs pass for strands of nobody.
    """
    if not first.whole:
        with suppress(IntegrityFault, Malformed):
            told = read_epochs(orders, replace(genesis, epochs=())).epochs
            if told[: len(first.epochs)] == first.epochs:
                return told
    return first.epochs


def _find_between(audit: Audit, epochs: bytes | None, policy: Policy | None) -> None:
    """Find what one log alone does not show."""
    _find_epochs(audit, epochs or b"")
    if audit.above is not None:
        audit.findings += find_behind(audit.above, audit.strands)
        audit.findings += find_omitted(audit.above, audit.strands, audit.genesis.seal_by_seconds)
    if policy is not None:
        _witness(audit, policy)
    audit.time = _time(audit)
    audit.findings += find_twice(audit.strands)
    audit.findings += find_gaps(audit.strands, audit.time)


def _time(audit: Audit) -> str:
    witnessed = audit.witnessed
    if not all(report.whole for report in audit.strands):
        return ""
    if witnessed is None or not witnessed.met or witnessed.as_of is None or not _covers(audit):
        return time_of(audit.strands)
    try:
        return instant(datetime.fromtimestamp(witnessed.as_of, UTC))
    except (ValueError, OverflowError, OSError):
        return ""  # A witness that claims a year beyond 9999 makes nothing due.


def _covers(audit: Audit) -> bool:
    """Whether every strand is in the witnessed super-log, and is here at least as far as it is there.

    Else what witnesses saw in time may lie in the part that is not here.
    """
    heads = {} if audit.above is None else audit.above.heads
    return all(
        report.strand in heads and heads[report.strand][-1].size <= report.size for report in audit.strands
    )


def find_twice(reports: Sequence[Report]) -> list[Finding]:
    """Events that stand in more than one strand."""
    first: dict[str, Report] = {}
    findings = []
    for report in reports:
        for event_id, index in report.ids.items():
            other = first.setdefault(event_id, report)
            if other is not report:
                where = f"strand {report.strand}, entry {index}"
                message = f"the event {event_id} is also entry {other.ids[event_id]} of strand {other.strand}"
                findings.append(Finding("twice", where, message))
    return findings


def _find_epochs(audit: Audit, orders: bytes) -> None:
    """The file of epochs tells what strand 0 says; either may be one publication ahead."""
    try:
        told = read_epochs(orders, replace(audit.genesis, epochs=())).epochs
    except (IntegrityFault, Malformed) as fault:
        audit.findings.append(Finding("epochs", "epochs", fault.message))
        return
    if any(one != other for one, other in zip(told, audit.genesis.epochs, strict=False)):
        message = "the file tells of other epochs than strand 0 opened"
        audit.findings.append(Finding("epochs", "epochs", message))


def _witness(audit: Audit, policy: Policy) -> None:
    """Hold the super-log's checkpoint against the policy."""
    where = "super-log checkpoint"
    if audit.above is None or not audit.above.size:
        message = "there is no super-log that witnesses could have cosigned"
        audit.findings.append(Finding("quorum", where, message))
        return
    verifier = audit.genesis.keys.verifier(log_origin(audit.genesis.origin, SUPER))
    try:
        audit.witnessed = satisfied(policy, audit.above.note, logs=[verifier])
    except QuorumFault as fault:
        audit.witnessed = fault.witnessed
        audit.findings.append(Finding("quorum", where, fault.message))
    except IntegrityFault as fault:
        audit.findings.append(Finding("cosignature", where, fault.message))


def _below(read: Read, log: LogName) -> Read:
    return lambda path: read(f"{log}/{path}")
