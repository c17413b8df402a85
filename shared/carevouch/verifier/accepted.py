"""Judges receipts of accepted acts by a log: sealed, rejected, not due, or evidence against the operator.

The log is audited as in `carevouch audit`. Only an audit of every entry can say that an event is missing,
and only a fully read strand can say that it is there. A fault of the log alone is no evidence. But if a
fault touches the answer, the receipt is not settled either.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from carevouch.events.envelope import Event
from carevouch.ledger.checkpoint import SUPER, LogName
from carevouch.ledger.policy import Policy
from carevouch.ledger.walk import Finding
from carevouch.verifier.holdings import Holdings
from carevouch.verifier.log import Audit, Progresses, audit_log
from carevouch.verifier.mismatch import naming
from carevouch.verifier.opened import OpenedLog
from carevouch.verifier.receipt import (
    EventRejected,
    EventReplaced,
    EventSealed,
    PromiseBroken,
    Standing,
    parse_receipt,
    verify_receipt,
)

# Codes of faults in the numbers of one key. Their place names the key.
OF_KEYS = frozenset(["gap", "repeated"])


@dataclass(frozen=True, slots=True)
class ReceiptVerdict:
    """A receipt that verifies, and the log's answer about its event."""

    file: str
    event: Event
    standing: Standing
    audit: Audit

    @property
    def is_evidence(self) -> bool:
        """Whether receipt and log together are evidence against the operator."""
        return isinstance(self.standing, PromiseBroken | EventReplaced)

    @property
    def touching(self) -> list[tuple[LogName | None, Finding]]:
        """The faults of the log that touch the answer. As long as there is one, the answer is not settled.

        Faults of another strand, or in another key's numbers, do not touch an entry. A missing event may lie
        in any faulty part.
        """
        place, key = self.standing, f"key {self.event.kid}"
        if not isinstance(place, EventSealed | EventReplaced | EventRejected):
            return self.audit.all_findings
        return [
            (log, finding)
            for log, finding in self.audit.all_findings
            if log in (None, SUPER, place.strand) and (finding.where == key or finding.code not in OF_KEYS)
        ]


def judge_receipts(
    receipts: Mapping[str, bytes],
    log: OpenedLog,
    policy: Policy | None,
    *,
    super_log: bool = True,
    progress: Progresses = lambda _: None,
) -> list[ReceiptVerdict]:
    """The log's answer about each receipt; raises `Mismatch` for one that does not verify.

    If `super_log` is false, the log may have no super-log.
    """
    events = []
    for file, data in receipts.items():
        with naming(file):
            events.append((file, verify_receipt(parse_receipt(data), log.genesis)))
    holdings = Holdings(receipts=tuple(events))
    audit = audit_log(
        log.genesis,
        log.read,
        policy=policy,
        watch=holdings.event_ids,
        super_log=super_log,
        progress=progress,
    )
    audit.findings += log.findings
    return [ReceiptVerdict(file, event, place, audit) for file, event, place in holdings.standings(audit)]
