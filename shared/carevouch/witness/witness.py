"""A witness for other people's logs: C2SP tlog-witness, the use case behind `add-checkpoint`.

It reads its last state of the log and judges the request (`carevouch.witness.request`). It audits the log,
if the operator asks for that. It moves its state by one compare-and-swap, and only then signs. So the state
that forbids a contradiction is stored before the cosignature leaves. One of two simultaneous requests gets a
conflict. A witness never signs for a log that its operator did not name, and holds no personal data.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from carevouch.kernel.encoding import b64
from carevouch.kernel.errors import OutcomeUnknown
from carevouch.kernel.telemetry import Telemetry
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.note import Note, NoteKey, render_note
from carevouch.witness.request import (
    SIZE,
    TEXT,
    Cosign,
    KnownRequest,
    Refusal,
    State,
    WitnessSigner,
    admit,
    judge,
    origin_hash,
)

# The seconds after which a client is asked to try again.
RETRY_AFTER = "2"


class StateMoved(Exception):
    """Another request moved the state first, and nothing was written."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a log's audit, as bytes, and the number of times that it was stored."""

    data: bytes | None = None
    version: int = 0


class WitnessStore(Protocol):
    """The trusted store of a witness, by origin. An older state in it would let a fork be cosigned."""

    def read(self, origin: str) -> State:
        """The state, read consistently; it is empty for a log that was never cosigned."""

    def swap(self, origin: str, before: State, after: State) -> None:
        """Replace exactly `before`; raises `StateMoved`, or `OutcomeUnknown` if no answer came."""

    def keep(self, origin: str, size: int, note: bytes) -> None:
        """Store the cosigned checkpoint for readers, unless a larger one is there."""

    def kept(self, name: str) -> bytes | None:
        """The cosigned checkpoint of the log whose origin hashes to `name` (hex)."""

    def audited(self, origin: str) -> Progress:
        """The progress of the audit, read consistently."""

    def advance(self, origin: str, before: Progress, data: bytes) -> None:
        """Replace exactly `before`; raises `StateMoved`, `OutcomeUnknown`."""


@dataclass(frozen=True, slots=True)
class WatchedLog:
    """A log that the witness knows: its keys, the URL of its files, and whether it is audited."""

    origin: str
    keys: tuple[NoteKey, ...]
    url: str | None = None
    audit: bool = False


# Checks a log before its checkpoint is cosigned; None if it found no fault.
Audit = Callable[[WatchedLog, Checkpoint], Refusal | None]


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """The HTTP answer of a witness."""

    status: int
    body: str
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


class Witness:
    """A witness: the logs that it knows, its store, its keys, and a clock in whole seconds."""

    def __init__(
        self,
        logs: Sequence[WatchedLog],
        store: WitnessStore,
        signer: WitnessSigner,
        clock: Callable[[], int],
        telemetry: Telemetry,
        audit: Audit = lambda _log, _checkpoint: None,
    ) -> None:
        self._logs = {log.origin: log for log in logs}
        self._store = store
        self._signer = signer
        self._clock = clock
        self._telemetry = telemetry
        self._audit = audit

    @property
    def name(self) -> str:
        """The name under which the witness signs."""
        return self._signer.name

    @property
    def vkeys(self) -> list[str]:
        """The witness's public keys, in the form of policies."""
        return [key.vkey for key in self._signer.keys]

    @property
    def origins(self) -> list[str]:
        """The logs that it knows."""
        return sorted(self._logs)

    def add_checkpoint(self, body: bytes) -> WitnessAnswer:
        """The answer to one request: signature lines (200), or why there are none."""
        answer = self._answer(body)
        if isinstance(answer, Refusal):
            headers = {"Retry-After": RETRY_AFTER} if answer.status == 503 else {}
            return WitnessAnswer(answer.status, answer.body, answer.content_type, headers)
        self._telemetry.count("Cosigned", 1)
        return answer

    def checkpoint(self, name: str) -> bytes | None:
        """The largest cosigned checkpoint of the log whose origin hashes to `name`, with all signatures."""
        return self._store.kept(name) if name in map(origin_hash, self._logs) else None

    def _answer(self, body: bytes) -> WitnessAnswer | Refusal:
        admitted = admit(body, {origin: log.keys for origin, log in self._logs.items()})
        if isinstance(admitted, Refusal):
            return admitted
        origin = admitted.checkpoint.origin
        state = self._store.read(origin)
        # The time is taken after the read and before the swap. So every later cosignature is of a larger
        # tree and has no earlier time.
        time = self._clock()
        decision = judge(admitted, state)
        if isinstance(decision, Refusal):
            self._report_conflict(admitted, state)
            return decision
        refusal = self._audit(self._logs[origin], decision.checkpoint) or self._move(origin, decision)
        return refusal or self._cosign(admitted, time)

    def _move(self, origin: str, decision: Cosign) -> Refusal | None:
        """Store the decision; None if it is stored, by this request or another."""
        try:
            self._store.swap(origin, decision.before, decision.after)
        except (StateMoved, OutcomeUnknown) as fault:
            # A lost answer looks like a lost race, also if the client library repeated the call. So read
            # again.
            now = self._store.read(origin)
            if now == decision.after:
                return None
            if now == decision.before and isinstance(fault, OutcomeUnknown):
                return Refusal(503, "the state could not be stored; come again\n")
            return Refusal(409, f"{now.size}\n", SIZE)
        return None

    def _cosign(self, admitted: KnownRequest, time: int) -> WitnessAnswer:
        lines = self._signer.cosign(admitted.checkpoint, time)
        note = Note(admitted.note.text, admitted.note.lines + lines)
        self._store.keep(admitted.checkpoint.origin, admitted.checkpoint.size, render_note(note))
        return WitnessAnswer(200, "".join(line.text for line in lines))

    def _report_conflict(self, admitted: KnownRequest, state: State) -> None:
        """Report two trees of one size that the log signed. Witnesses exist to find this. Both roots are
        evidence."""
        new = admitted.checkpoint
        if new.size == state.size and new.root != state.root:
            self._telemetry.count("TwoTrees", 1)
            self._telemetry.error(
                "a log signed two trees of one size",
                origin=new.origin,
                size=str(new.size),
                cosigned=b64(state.root),
                refused=b64(new.root),
            )
