"""The log of a test's world: the real sealer over the same rows that the doors write.

`log_of(world)` is what seals, publishes and answers for it; a door that looks at the log takes `.sealed`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from carevouch.kernel.ids import Key
from carevouch.ledger.logkeys import LogSigner
from carevouch.ledger.note import Ed25519InMemory
from carevouch.sealing.marks import Mark
from carevouch.store.documents.model import REJECTED_SUFFIX, home_of, unpack_keys
from carevouch.store.log.places import SealedFacts
from carevouch.store.log.ports import EventRow, IndexRow, StrandMark
from carevouch.store.log.rows import may_carry_event
from carevouch.store.rows import Row, Rows
from services.sealer.log import LogStores as LedgerWorld
from services.sealer.strand import Sealer
from services.sealer.super_log import SuperLog
from tests.fakes import Faults, MemoryRows
from tests.service.sealer.fakes import MemoryHeads, MemoryMarks, MemoryNotes, MemoryObjects
from tests.world import World


@dataclass
class WorldLog:
    """Heads, marks and files of a world's log."""

    world: World
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self.heads, self.marks = MemoryHeads(self.faults), MemoryMarks(self.faults)
        self.objects, self.notes = MemoryObjects(self.faults), MemoryNotes(self.faults)
        self.sealed = SealedFacts(self.find, self._read, lambda: self.world.genesis)

    def seal(self, *strands: int, publish: bool = True) -> None:
        """Seal whatever has been written for these strands; for all, if none is named."""
        events = RowEvents(self.world.rows)
        outside = LedgerWorld(self.heads, self.marks, self.objects, events, self.notes, self.world.clock)
        signer = LogSigner(Ed25519InMemory(self.world.log.private_bytes_raw()))
        genesis = self.world.genesis
        for strand in strands or range(genesis.strand_count):
            sealer = Sealer(strand, genesis, outside, seal=self.world.seal, log=signer)
            sealer.seal(events.keys())
            if publish:
                sealer.publish()
        if publish:
            above = SuperLog(genesis.origin, outside, signer)
            above.append(range(genesis.strand_count))
            above.publish()

    def find(self, wanted: Sequence[StrandMark]) -> Mapping[StrandMark, Mark]:
        """The marks that exist, as `places.Find` asks for them."""
        return {key: self.marks.rows[key] for key in wanted if key in self.marks.rows}

    def _read(self, name: str) -> bytes | None:
        return self.objects.files.get(name)


def log_of(world: World) -> WorldLog:
    """A log for this world, empty at first."""
    return WorldLog(world)


@dataclass
class RowEvents:
    """`ports.Events` over the doors' rows in memory."""

    rows: Rows

    def keys(self) -> list[Key]:
        """The rows that may carry an event."""
        assert isinstance(self.rows, MemoryRows)
        return [key for key in self.rows.rows if may_carry_event(key)]

    def fetch(self, keys: Sequence[Key]) -> list[EventRow]:
        found = self.rows.get_many(list(keys)).values()
        return [_event_row(row) for row in found if row.text("event") is not None]

    def certificates(self, kids: Iterable[str]) -> Mapping[str, str]:
        found = self.rows.get_many([Key(f"K#{kid}", "cert") for kid in kids])
        return {key.pk.removeprefix("K#"): row.text("event") or "" for key, row in found.items()}

    def after(self, kid: str, n: int) -> list[IndexRow]:
        rows = self.fetch(self.keys())
        found = [IndexRow(row.key, row.n) for row in rows if row.kid == kid and row.n > n]
        return sorted(found, key=lambda item: item.n)

    def own_rows(self, row: EventRow) -> list[Key]:
        found = self.rows.get_many(list(row.rows)).values()
        return sorted(item.key for item in found if home_of(item) == row.key)

    def answer(self, key: Key, seal: str) -> None:
        assert key.sk.endswith(REJECTED_SUFFIX)
        self.rows.put_new(Row(key, {"event": seal}))


def _event_row(row: Row) -> EventRow:
    return EventRow(
        row.key,
        row.text("event") or "",
        row.text("kid") or "",
        row.number("n") or 0,
        tuple(unpack_keys(row)),
    )
