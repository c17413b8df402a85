"""The ledger's ports over the fakes, each operation a step of the schedule.

They keep every promise that the fakes keep, and no promise that the real stores do not give: answers are
lost, writes land late, marks are written in parts, and the index lags. A `Table` is the ledger's table as an
operator restores it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from botocore.exceptions import ClientError, ReadTimeoutError

from carevouch.kernel.errors import OutcomeUnknown
from carevouch.kernel.ids import Key
from carevouch.ledger.checkpoint import LogName
from carevouch.sealing.marks import Mark
from carevouch.store.log.ports import EventRow, IndexRow, Retry, StoredHead, StoredObject
from tests.fakes import Faults
from tests.service.sealer.fakes import MemoryEvents, MemoryHeads, MemoryMarks, MemoryNotes, MemoryObjects
from tests.simulator.schedule import Schedule, Write
from tests.simulator.step_rules import Watch

# What BatchWriteItem takes at once; each is a write of its own.
BATCH_WRITE = 25


class Client:
    """The errors of botocore, which `carevouch.store.log.rows` and `objects` let through."""

    def refused(self) -> Exception:
        return ClientError({"Error": {"Code": "ThrottlingException"}}, "simulated")

    def unknown(self) -> Exception:
        return ReadTimeoutError(endpoint_url="simulated")


class HeadClient(Client):
    """The errors that `carevouch.store.log.rows` raises when a head's swap failed."""

    def refused(self) -> Exception:
        return OutcomeUnknown("throttled")

    def unknown(self) -> Exception:
        return OutcomeUnknown("timed out")


CLIENT, HEAD_CLIENT = Client(), HeadClient()


@dataclass
class Table:
    """The ledger's table: heads, marks and notes."""

    name: str = "table 1"
    heads: MemoryHeads = field(default_factory=lambda: MemoryHeads(Faults()))
    marks: MemoryMarks = field(default_factory=lambda: MemoryMarks(Faults()))
    notes: MemoryNotes = field(default_factory=lambda: MemoryNotes(Faults()))

    def copy(self, name: str) -> "Table":
        """A backup of the table, or the table restored from one."""
        copied = Table(name)
        copied.heads.rows = dict(self.heads.rows)
        copied.marks.rows = dict(self.marks.rows)
        copied.notes.cursors = dict(self.notes.cursors)
        copied.notes.waiting = dict(self.notes.waiting)
        copied.notes.last = self.notes.last
        return copied


class SteppedHeads:
    def __init__(self, schedule: Schedule, watch: Watch, table: Table) -> None:
        self._schedule, self._watch, self._table = schedule, watch, table

    def read(self, log: LogName) -> StoredHead:
        return self._schedule.read(f"heads.read {log}", lambda: self._table.heads.read(log), CLIENT)

    def swap(self, before: StoredHead, after: StoredHead) -> None:
        def effect() -> None:
            self._table.heads.swap(before, after)
            self._watch.swapped(after)

        state = "committed" if after.pending else "applied"
        what = (
            f"heads.swap {after.head.log} v{before.version}->v{after.version} {state} {after.head.edge.size}"
        )
        self._schedule.write(Write(what, effect, HEAD_CLIENT))


class SteppedMarks:
    def __init__(self, schedule: Schedule, watch: Watch, table: Table) -> None:
        self._schedule, self._watch, self._table = schedule, watch, table

    def get(self, log: LogName, keys: Sequence[str]) -> Mapping[str, Mark]:
        what = f"marks.get {log} {len(keys)} keys"
        return self._schedule.read(what, lambda: self._table.marks.get(log, keys), CLIENT)

    def put(self, log: LogName, marks: Sequence[Mark]) -> None:
        for at in range(0, len(marks), BATCH_WRITE):
            self._put(log, marks[at : at + BATCH_WRITE])

    def _put(self, log: LogName, marks: Sequence[Mark]) -> None:
        def effect() -> None:
            self._watch.marked(log, marks, self._table.marks.rows)
            self._table.marks.put(log, marks)

        def part() -> None:
            some = self._schedule.chance.some(marks)
            self._watch.marked(log, some, self._table.marks.rows)
            self._table.marks.put(log, some)

        what = f"marks.put {log} {marks[0].index}-{marks[-1].index}"
        self._schedule.write(Write(what, effect, CLIENT, part))


class SteppedObjects:
    def __init__(self, schedule: Schedule, watch: Watch, objects: MemoryObjects) -> None:
        self._schedule, self._watch, self._objects = schedule, watch, objects

    def get(self, name: str) -> StoredObject | None:
        return self._schedule.read(f"objects.get {_short(name)}", lambda: self._objects.get(name), CLIENT)

    def create(self, name: str, data: bytes) -> None:
        what = f"objects.create {_short(name)}"
        self._schedule.write(Write(what, lambda: self._objects.create(name, data), CLIENT))

    def swap(self, name: str, before: StoredObject | None, data: bytes) -> None:
        def effect() -> None:
            self._objects.swap(name, before, data)
            if name.endswith("/checkpoint"):
                self._watch.published(name, data)

        size = data.split(b"\n")[1].decode() if name.endswith("/checkpoint") else ""
        self._schedule.write(Write(f"objects.swap {name} {size}".rstrip(), effect, CLIENT))


class SteppedEvents:
    """An `Events` port; rows in `MemoryEvents.hidden` are not in the index yet."""

    def __init__(self, schedule: Schedule, events: MemoryEvents) -> None:
        self._schedule, self._events = schedule, events

    def fetch(self, keys: Sequence[Key]) -> list[EventRow]:
        return self._schedule.read(f"events.fetch {len(keys)} keys", lambda: self._events.fetch(keys), CLIENT)

    def certificates(self, kids: Iterable[str]) -> Mapping[str, str]:
        asked = list(kids)
        what = f"events.certificates {' '.join(kid[:8] for kid in asked)}"
        return self._schedule.read(what, lambda: self._events.certificates(asked), CLIENT)

    def after(self, kid: str, n: int) -> Iterable[IndexRow]:
        what = f"events.after {kid[:13]} {n}"
        return self._schedule.read(what, lambda: self._events.after(kid, n), CLIENT)

    def own_rows(self, row: EventRow) -> list[Key]:
        return self._schedule.read("events.own_rows", lambda: self._events.own_rows(row), CLIENT)

    def answer(self, key: Key, seal: str) -> None:
        what = f"events.answer {key.sk[:20]}"
        self._schedule.write(Write(what, lambda: self._events.answer(key, seal), CLIENT))


class SteppedNotes:
    def __init__(self, schedule: Schedule, watch: Watch, table: Table) -> None:
        self._schedule, self._watch, self._table = schedule, watch, table

    def cursor(self, name: str) -> int:
        what = f"notes.cursor {name[:13]}"
        return self._schedule.read(what, lambda: self._table.notes.cursor(name), CLIENT)

    def advance(self, name: str, low: int, high: int) -> None:
        def effect() -> None:
            self._table.notes.advance(name, low, high)
            self._watch.advanced(name, self._table.notes.cursor(name))

        self._schedule.write(Write(f"notes.advance {name[:13]} {low}-{high}", effect, CLIENT))

    def retries(self) -> Iterable[Retry]:
        return self._schedule.read("notes.retries", self._table.notes.retries, CLIENT)

    def remember(self, retry: Retry) -> None:
        what = f"notes.remember {retry.key.sk[:20]}"
        self._schedule.write(Write(what, lambda: self._table.notes.remember(retry), CLIENT))

    def forget(self, key: Key) -> None:
        what = f"notes.forget {key.sk[:20]}"
        self._schedule.write(Write(what, lambda: self._table.notes.forget(key), CLIENT))

    def stopped(self) -> str:
        return self._schedule.read("notes.stopped", self._table.notes.stopped, CLIENT)

    def stop(self, kid: str) -> None:
        what = f"notes.stop {kid[:13]}"
        self._schedule.write(Write(what, lambda: self._table.notes.stop(kid), CLIENT))


def _short(name: str) -> str:
    """The name of a staged batch without its hashes but for the start of the last, which tells enough."""
    head, dash, hash_ = name.rpartition("-")
    return f"{head.partition('-')[0]}-{hash_[:6]}" if dash else name
