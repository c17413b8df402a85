"""A deployment in memory that signs whatever a test wants: strands, and a super-log of their heads."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from carevouch.kernel.encoding import sha256
from carevouch.ledger.checkpoint import SUPER, Checkpoint, log_origin, strand_origin
from carevouch.ledger.logkeys import LogSigner
from carevouch.ledger.merkle import Edge
from carevouch.ledger.note import Ed25519InMemory, Verifier
from carevouch.ledger.superlog import super_entry
from carevouch.witness.watch import Deployment
from tests.unit.ledger.logs import MemoryLog, numbered

ORIGIN = "log.example"
SUPER_ORIGIN = log_origin(ORIGIN, SUPER)
SIGNER = LogSigner(Ed25519InMemory(sha256(b"a deployment's log key")))
SUPER_KEY = Verifier(SUPER_ORIGIN, SIGNER.ed25519.public)


@dataclass
class Deployed:
    """Honest as long as a test calls `grow` and `name` alone; `asked` are the files that were read."""

    strands: dict[int, MemoryLog] = field(default_factory=dict)
    above: MemoryLog = field(default_factory=MemoryLog)
    hidden: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def grow(self, strand: int, count: int) -> None:
        """Entries into a strand, which the super-log then names."""
        log = self.strands.setdefault(strand, MemoryLog())
        log.append([b"%d: %b" % (strand, entry) for entry in numbered(log.edge.size, count)])
        self.name(strand, log.edge)

    def name(self, strand: int, edge: Edge) -> None:
        """An entry in the super-log that states this tree of the strand."""
        self.state(Checkpoint(strand_origin(ORIGIN, strand), edge.size, edge.root()))

    def state(self, checkpoint: Checkpoint) -> None:
        """An entry in the super-log: this checkpoint, signed."""
        key = SIGNER.keys.verifier(checkpoint.origin)
        self.above.append([super_entry(SIGNER.sign(checkpoint), key)])

    @property
    def checkpoint(self) -> Checkpoint:
        """The super-log's."""
        return Checkpoint(SUPER_ORIGIN, self.above.edge.size, self.above.edge.root())

    @property
    def note(self) -> bytes:
        """The super-log's checkpoint, signed."""
        return SIGNER.sign(self.checkpoint)

    @property
    def files(self) -> dict[str, bytes]:
        """All public files by path, but for those that are hidden."""
        logs = {f"{number}": log for number, log in self.strands.items()} | {SUPER: self.above}
        found = {f"{name}/{path}": data for name, log in logs.items() for path, data in log.files.items()}
        found[f"{SUPER}/checkpoint"] = self.note
        return {path: data for path, data in found.items() if path not in self.hidden}

    def read(self, paths: Sequence[str]) -> list[bytes | None]:
        """Reads as `watch.Read` does."""
        self.asked += paths
        files = self.files
        return [files.get(path) for path in paths]

    @property
    def deployment(self) -> Deployment:
        """The deployment that a watch follows."""
        return Deployment(ORIGIN, SIGNER.keys, self.read)


def deployed(strands: int = 3, rounds: int = 4, count: int = 150) -> Deployed:
    """A deployment whose strands grew in turns, by another number each time."""
    made = Deployed()
    for at in range(rounds):
        for strand in range(strands):
            made.grow(strand, count + 37 * at + strand)
    return made
