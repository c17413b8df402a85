"""The auditing cosigner: it checks the growth of every strand before a super-log's checkpoint is cosigned.

It is the `Audit` of a witness, and `carevouch.witness.watch` reads the logs for it. Each request does a
bounded step: an audit that is behind answers 503, and catches up a little each time. Its progress is stored
by compare-and-swap. A finding becomes a refusal, a log line and a metric that an alarm watches.

Progress stops before a finding, so that the next request meets it again. Only a missing file can come back.
A log cannot take back a signed checkpoint.
"""

from collections.abc import Callable
from typing import Protocol

from carevouch.kernel.errors import OutcomeUnknown, Unreachable
from carevouch.kernel.telemetry import Telemetry
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.logkeys import LogKeys
from carevouch.witness.logs import audited_origin
from carevouch.witness.request import Refusal
from carevouch.witness.watch import (
    AuditFault,
    Deployment,
    Enough,
    Read,
    Watch,
    follow,
    parse_watch,
    render_watch,
)
from carevouch.witness.witness import Progress, StateMoved, WatchedLog

# The metric of a finding.
FAULTS = "AuditFaults"
# The number of entries by which an audit is behind the checkpoint to cosign.
BEHIND = "AuditBehind"


class Audits(Protocol):
    """The part of a `WitnessStore` that the cosigner needs."""

    def audited(self, origin: str) -> Progress:
        """The progress of the audit, read consistently."""

    def advance(self, origin: str, before: Progress, data: bytes) -> None:
        """Replace the progress `before`; raises `StateMoved`, `OutcomeUnknown`."""


class Cosigner:
    """An `Audit` that follows the audited logs, a bounded step at a time."""

    def __init__(
        self,
        store: Audits,
        telemetry: Telemetry,
        spell: Callable[[], Enough],
        open_: Callable[[str], Read],
    ) -> None:
        """`spell` begins a step and returns a function that says when to end it. `open_` reads files below a
        URL."""
        self._store = store
        self._telemetry = telemetry
        self._spell = spell
        self._open = open_

    def __call__(self, log: WatchedLog, checkpoint: Checkpoint) -> Refusal | None:
        """A refusal, unless every entry up to the checkpoint was followed without a finding."""
        if not log.audit:
            return None
        before = self._store.audited(log.origin)
        watch = Watch() if before.data is None else parse_watch(before.data)
        try:
            origin, verifier = audited_origin(log)
            deployment = Deployment(origin, LogKeys(verifier.public), self._open(log.url or ""))
            after = follow(watch, checkpoint, deployment, self._spell())
        except AuditFault as fault:
            return self._refused(log, checkpoint, fault)
        except Unreachable as fault:
            return Refusal(503, f"the log's files cannot be read: {fault.message}\n")
        self._keep(log.origin, before, after)
        left = checkpoint.size - after.above.size
        self._telemetry.count(BEHIND, max(left, 0))
        if left > 0:
            return Refusal(503, f"the audit has {left} entries of the super-log to go; come again\n")
        return None

    def _keep(self, origin: str, before: Progress, after: Watch) -> None:
        data = render_watch(after)
        if data == before.data:
            return
        try:
            self._store.advance(origin, before, data)
        except (StateMoved, OutcomeUnknown):
            # Another request may store the same progress. At worst some entries are verified again.
            self._telemetry.count("AuditsRepeated", 1)

    def _refused(self, log: WatchedLog, checkpoint: Checkpoint, fault: AuditFault) -> Refusal:
        self._telemetry.count(FAULTS, 1)
        self._telemetry.error(
            "the audit of a log found a fault",
            origin=log.origin,
            size=str(checkpoint.size),
            finding=fault.code,
            because=fault.message,
        )
        return Refusal(422, f"{fault.code}: {fault.message}\n")
