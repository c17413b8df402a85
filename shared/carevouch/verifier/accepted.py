"""Receipts of accepted acts against a log: there, rejected, not due, or proof against the operator.

The log is audited as `carevouch audit` does it. Only an audit that read every entry of the signed tree can
say that an event is nowhere. Only a strand that was read so can say that it is somewhere. A fault of the
log convicts nobody by itself; where it touches the answer, it clears nobody.
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

# Codes of faults in the numbers of one key, whose name says where.
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
        """The faults of the log that bear on the answer; while there is any, it clears nobody.

        Faults of another strand, or of another key's numbers, do not touch an entry. An event that was not
        met may lie in any part with a fault.
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

    Without `super_log` it may be a log that has none.
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
