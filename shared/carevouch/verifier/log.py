"""Audits a whole log: its super-log, each strand, the cosignatures of witnesses, and the agreement of all.

Each file is read once, through one function, and checked under the keys of genesis. The super-log is read
before the strands, so that a strand may grow meanwhile. The policy says which witnesses count. Without a
policy, the log's time is that of the blocks of every strand.
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

# Makes the function that shows the progress of one log.
Progresses = Callable[[LogName], Progress | None]


@dataclass
class Audit:
    """The result of an audit of a whole log. `findings` concern more than one of its logs.

    `time` is the log's own time: that of its witnesses if a policy is met, else that of the strands' blocks.
    It is empty if a strand has no block or is not whole. Then no event is due.
    """

    genesis: Genesis
    strands: list[Report] = field(default_factory=list)
    above: SuperReport | None = None
    witnessed: QuorumReport | None = None
    time: str = ""
    findings: list[Finding] = field(default_factory=list)

    @property
    def all_findings(self) -> list[tuple[LogName | None, Finding]]:
        """Every finding with its log; those of the whole log come last."""
        found: list[tuple[LogName | None, Finding]] = []
        if self.above is not None:
            found += [(SUPER, finding) for finding in self.above.findings]
        for report in self.strands:
            found += [(report.strand, finding) for finding in report.findings]
        return found + [(None, finding) for finding in self.findings]

    def seen(self, event_id: str) -> list[WatchedEntry]:
        """All entries about a watched event, from strands whose entries the log signed."""
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
    """Audit the log whose files `read` reads, by their paths below `/ledger`.

    `genesis` is verified. `against` has old checkpoints by log, and `watch` event ids to look for. If
    `super_log` is false, the log may have no super-log, as old logs and single strands do.
    """
    audit, older = Audit(replace(genesis, epochs=())), against or {}
    if read(f"{SUPER}/checkpoint") is not None or SUPER in older:
        above = _below(read, SUPER)
        audit.above = audit_super(genesis, above, against=older.get(SUPER, ()), progress=progress(SUPER))
    epochs = read("epochs")
    heads = {} if audit.above is None else audit.above.heads
    # Strand 0 comes first, because it says which epochs were opened, and so how many strands there are.
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
    """The epochs that strand 0 opened; if it cannot be read, the epochs of the operator's orders.

    Otherwise one broken byte in strand 0 would make the strands of later epochs seem foreign.
    """
    if not first.whole:
        with suppress(IntegrityFault, Malformed):
            told = read_epochs(orders, replace(genesis, epochs=())).epochs
            if told[: len(first.epochs)] == first.epochs:
                return told
    return first.epochs


def _find_between(audit: Audit, epochs: bytes | None, policy: Policy | None) -> None:
    """Find the faults that one log alone does not show."""
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
    """Whether every strand is in the witnessed super-log, and was read at least to the size listed there.

    Otherwise an entry that witnesses saw in time may lie in the part that was not read.
    """
    heads = {} if audit.above is None else audit.above.heads
    return all(
        report.strand in heads and heads[report.strand][-1].size <= report.size for report in audit.strands
    )


def find_twice(reports: Sequence[Report]) -> list[Finding]:
    """The events that are in more than one strand."""
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
    """Compare the file of epochs with strand 0; either may be one publication ahead."""
    try:
        told = read_epochs(orders, replace(audit.genesis, epochs=())).epochs
    except (IntegrityFault, Malformed) as fault:
        audit.findings.append(Finding("epochs", "epochs", fault.message))
        return
    if any(one != other for one, other in zip(told, audit.genesis.epochs, strict=False)):
        message = "the file tells of other epochs than strand 0 opened"
        audit.findings.append(Finding("epochs", "epochs", message))


def _witness(audit: Audit, policy: Policy) -> None:
    """Judge the super-log's checkpoint by the policy."""
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
