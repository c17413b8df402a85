"""Receipts of accepted acts, held against a log: there, rejected, not due, or proof against the operator.

The log is audited as `carevouch audit` does it: that an event is nowhere can only be said of a log of which
every entry was read and is one of the signed tree, and that it is somewhere, only of a strand that is so.
What is wrong with the log convicts nobody by itself, and clears nobody where it touches the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from carevouch.cli.log.audit import AuditInput, examine, opened_log
from carevouch.cli.log.evidence import event_words
from carevouch.cli.log.holdings import Holdings, standing_json, standing_words
from carevouch.cli.log.report import where_of
from carevouch.events.envelope import Event
from carevouch.kernel.canonical import JsonObject
from carevouch.ledger.checkpoint import SUPER, LogName
from carevouch.ledger.note import Verifier
from carevouch.ledger.policy import Policy
from carevouch.ledger.walk import Finding
from carevouch.verifier.log import Audit
from carevouch.verifier.mismatch import naming
from carevouch.verifier.receipt import (
    EventRejected,
    EventReplaced,
    EventSealed,
    PromiseBroken,
    Standing,
    parse_receipt,
    verify_receipt,
)

# Codes of what is wrong with the numbers of one key, whose name says where.
OF_KEYS = frozenset(["gap", "repeated"])


@dataclass(frozen=True, slots=True)
class ReceiptVerdict:
    """A receipt that is one, and what the log says of its event."""

    file: str
    event: Event
    standing: Standing
    log: str
    audit: Audit

    @property
    def against_the_operator(self) -> bool:
        """Whether receipt and log together are evidence against the operator."""
        return isinstance(self.standing, PromiseBroken | EventReplaced)

    @property
    def touching(self) -> list[tuple[LogName | None, Finding]]:
        """What is wrong with the log and bears on the answer: while there is any, it clears nobody.

        An entry is not touched by another strand, or by another key's numbers. An event that was not met may
        lie in whatever is wrong.
        """
        said, key = self.standing, f"key {self.event.kid}"
        if not isinstance(said, EventSealed | EventReplaced | EventRejected):
            return self.audit.all_findings
        return [
            (log, finding)
            for log, finding in self.audit.all_findings
            if log in (None, SUPER, said.strand) and (finding.where == key or finding.code not in OF_KEYS)
        ]

    def json(self) -> JsonObject:
        """For programs."""
        faults = {"findings": len(self.audit.all_findings), "touching": len(self.touching)}
        return {**standing_json(self.file, self.event, self.standing), **faults}

    def words(self) -> list[str]:
        """For people."""
        lines = [
            f"{self.file}: a true receipt",
            *event_words(self.event.text),
            f"            accepted, and promised to be in the log by {self.event.seal_by}",
            f"  log       {standing_words(self.event, self.standing)}",
        ]
        if self.touching:
            lines.append(
                f"            this clears nobody: what is wrong with the log touches it ({self._first()})"
            )
        if self.audit.all_findings:
            found = len(self.audit.all_findings)
            lines.append(f"            (the log has {found} findings of its own: carevouch audit lists them)")
        return lines + (self._evidence() if self.against_the_operator else [])

    def _first(self) -> str:
        log, finding = self.touching[0]
        return f"{finding.code}: {where_of(log, finding)}: {finding.message}"

    def _evidence(self) -> list[str]:
        """What the person holds, and whom it convinces."""
        sizes = ", ".join(f"{report.size} of strand {report.strand}" for report in self.audit.strands)
        return [
            "  evidence  this is proof against the operator: a key that genesis vouches for signed the",
            f"            promise, and the log, in all its entries ({sizes}), does not keep it.",
            f"  show      {self.file}, and the log as it is in {self.log} with its signed checkpoints",
            "            (carevouch mirror keeps a copy), to the service that acted for you, the log's",
            "            witnesses and auditors, a regulator or a court. Whoever pins the same key repeats",
            "            this command and sees the same.",
        ]


def judge(
    receipts: Mapping[str, bytes],
    log: str,
    key: Verifier,
    policy: Policy | None,
    genesis: bytes | None,
    *,
    super_log: bool = True,
) -> list[ReceiptVerdict]:
    """What the log says of each receipt; raises `Mismatch` for one that does not verify.

    `genesis` is one that the caller kept; without it the log's own is used, verified under the key.
    Without `super_log` it may be a log that has none.
    """
    read, known, findings = opened_log(log, key, genesis)
    events = []
    for file, data in receipts.items():
        with naming(file):
            events.append((file, verify_receipt(parse_receipt(data), known)))
    held = Holdings(receipts=tuple(events))
    audit = examine(AuditInput(read, known, policy, {}, held, (), super_log))
    audit.findings += findings
    return [ReceiptVerdict(file, event, said, log, audit) for file, event, said in held.judged(audit)]
