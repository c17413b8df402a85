"""A witness with an honest store in memory, and the requests of the log that it knows."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from carevouch.ledger.checkpoint import Checkpoint
from carevouch.witness.request import CheckpointRequest, State, WitnessSigner, origin_hash, render_request
from carevouch.witness.watch import proof_between
from carevouch.witness.witness import Audit, Progress, StateMoved, WatchedLog, Witness, WitnessAnswer
from tests.fakes import Faults
from tests.service.sealer.memory_sealer import TellRecorder
from tests.unit.ledger.witnesses import TIME, ed25519, key_name, mldsa
from tests.unit.verifier.deployments import SIGNER, SUPER_KEY, SUPER_ORIGIN, Deployed

NAME = "w1"


class MemoryWitness:
    """`witness.WitnessStore`: atomic, and faulty on demand; `meanwhile` happens just before the next swap."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.states: dict[str, State] = {}
        self.notes: dict[str, tuple[int, bytes]] = {}
        self.audits: dict[str, Progress] = {}
        self.lock = threading.Lock()
        self.faults = faults or Faults()
        self.meanwhile: Callable[[], object] | None = None

    def read(self, origin: str) -> State:
        return self.states.get(origin, State())

    def swap(self, origin: str, before: State, after: State) -> None:
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()

        def write() -> None:
            with self.lock:
                if self.read(origin) != before:
                    raise StateMoved
                self.states[origin] = after

        self.faults.around(write)

    def keep(self, origin: str, size: int, note: bytes) -> None:
        def write() -> None:
            with self.lock:
                if size >= self.notes.get(origin_hash(origin), (0, b""))[0]:
                    self.notes[origin_hash(origin)] = (size, note)

        self.faults.around(write)

    def kept(self, name: str) -> bytes | None:
        return self.notes[name][1] if name in self.notes else None

    def audited(self, origin: str) -> Progress:
        return self.audits.get(origin, Progress())

    def advance(self, origin: str, before: Progress, data: bytes) -> None:
        def write() -> None:
            with self.lock:
                if self.audited(origin) != before:
                    raise StateMoved
                self.audits[origin] = Progress(data, before.version + 1)

        self.faults.around(write)


def watched(*, audit: bool = False) -> WatchedLog:
    """The super-log of `deployments`, known by its key."""
    return WatchedLog(SUPER_ORIGIN, (SUPER_KEY,), "https://log.example/ledger", audit)


def signer(name: str = NAME) -> WitnessSigner:
    return WitnessSigner(key_name(name), ed25519(name), mldsa(name))


@dataclass
class Stand:
    """One witness and the log that asks it."""

    made: Deployed = field(default_factory=Deployed)
    store: MemoryWitness = field(default_factory=MemoryWitness)
    told: TellRecorder = field(default_factory=TellRecorder)
    time: int = TIME

    def witness(self, audit: Audit | None = None) -> Witness:
        log = replace(watched(), audit=audit is not None)
        more = () if audit is None else (audit,)
        return Witness([log], self.store, signer(), lambda: self.time, self.told, *more)

    def request(self, old: int, checkpoint: Checkpoint | None = None) -> bytes:
        """A signed checkpoint (the log's newest by default) with the proof from `old`."""
        new = checkpoint or self.made.checkpoint
        proof = proof_between(self.made.deployment, old, new.size)
        return render_request(CheckpointRequest(old, tuple(proof), SIGNER.sign(new)))

    def ask(self, old: int, checkpoint: Checkpoint | None = None) -> WitnessAnswer:
        return self.witness().add_checkpoint(self.request(old, checkpoint))

    @property
    def state(self) -> State:
        return self.store.read(SUPER_ORIGIN)


def grown(stand: Stand, size: int) -> Checkpoint:
    """The super-log's checkpoint once it has that many entries."""
    while stand.made.above.edge.size < size:
        stand.made.grow(0, 1)
    return stand.made.checkpoint
