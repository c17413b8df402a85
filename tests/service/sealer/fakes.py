"""Honest fakes of the ledger's ports: atomic where they promise it, lagging where they may, faulty on demand.

Every write goes through one `Faults`, so that a test can crash before or after each of them.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from carevouch.events.certificate import parse_certificate
from carevouch.kernel.ids import Key
from carevouch.kernel.jws import take_apart
from carevouch.kernel.times import moment
from carevouch.ledger.checkpoint import LogName
from carevouch.sealing.marks import Head, Mark
from carevouch.store.log.library import Library
from carevouch.store.log.ports import (
    EventRow,
    HeadMoved,
    IndexRow,
    ObjectDiffers,
    ObjectMoved,
    Retry,
    StoredHead,
    StoredObject,
)
from services.sealer.epochs import Epochs
from services.sealer.log import Cosign, LogStores
from services.sealer.strand import Sealer
from services.sealer.super_log import SuperLog
from services.sealer.sweep import Sweep
from tests.fakes import Faults
from tests.unit.sealing.acts import START, House, Producer
from tests.world import StandingClock


class MemoryHeads:
    def __init__(self, faults: Faults) -> None:
        self.rows: dict[LogName, StoredHead] = {}
        self.lock = threading.Lock()
        self.faults = faults

    def read(self, log: LogName) -> StoredHead:
        with self.lock:
            return self.rows.get(log, StoredHead(Head(log)))

    def swap(self, before: StoredHead, after: StoredHead) -> None:
        def write() -> None:
            with self.lock:
                if self.rows.get(before.head.log, StoredHead(Head(before.head.log))) != before:
                    raise HeadMoved
                self.rows[before.head.log] = after

        self.faults.around(write)


class MemoryMarks:
    def __init__(self, faults: Faults) -> None:
        self.rows: dict[tuple[LogName, str], Mark] = {}
        self.faults = faults

    def get(self, log: LogName, keys: Sequence[str]) -> Mapping[str, Mark]:
        return {key: self.rows[log, key] for key in keys if (log, key) in self.rows}

    def put(self, log: LogName, marks: Sequence[Mark]) -> None:
        if not self.faults.plan:
            self.faults.writes += len(marks)
            for mark in marks:
                self._put(log, mark)
            return
        for mark in marks:  # not one write: a crash may leave some of them
            self.faults.around(lambda mark=mark: self._put(log, mark))  # type: ignore[misc]

    def _put(self, log: LogName, mark: Mark) -> None:
        kept = self.rows.setdefault((log, mark.key), mark)
        assert kept is mark or kept == mark, "a mark was rewritten with other values"


class MemoryObjects:
    def __init__(self, faults: Faults) -> None:
        self.files: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.faults = faults

    def get(self, name: str) -> StoredObject | None:
        with self.lock:
            data = self.files.get(name)
        return None if data is None else StoredObject(data, str(hash(data)))

    def create(self, name: str, data: bytes) -> None:
        def write() -> None:
            with self.lock:
                if self.files.setdefault(name, data) != data:
                    raise ObjectDiffers(name)

        self.faults.around(write)

    def swap(self, name: str, before: StoredObject | None, data: bytes) -> None:
        def write() -> None:
            with self.lock:
                if self.files.get(name) != (None if before is None else before.data):
                    raise ObjectMoved(name)
                self.files[name] = data

        self.faults.around(write)


class MemoryEvents:
    """Event rows in memory.

    `hidden` rows are not in the lagging index yet, and `lies` are false rows in it.
    """

    def __init__(self, faults: Faults) -> None:
        self.rows: dict[Key, EventRow] = {}
        self.certified: dict[str, str] = {}
        self.answers: dict[Key, str] = {}
        self.homes: dict[Key, Key] = {}
        self.hidden: set[Key] = set()
        self.lies: list[tuple[str, IndexRow]] = []
        self.faults = faults

    def fetch(self, keys: Sequence[Key]) -> list[EventRow]:
        return [row for key in keys if (row := self.rows.get(key)) is not None]

    def certificates(self, kids: Iterable[str]) -> Mapping[str, str]:
        return {kid: self.certified[kid] for kid in kids if kid in self.certified}

    def after(self, kid: str, n: int) -> Iterable[IndexRow]:
        found = [IndexRow(row.key, row.n) for row in self.rows.values() if row.kid == kid]
        if kid.startswith("certs#"):
            found = [
                IndexRow(Key(f"K#{name}", "cert"), _made(text)[1])
                for name, text in self.certified.items()
                if _made(text)[0] == kid.removeprefix("certs#")
            ]
        found += [item for name, item in self.lies if name == kid]
        shown = [item for item in found if item.n > n and item.key not in self.hidden]
        return sorted(shown, key=lambda item: item.n)

    def own_rows(self, row: EventRow) -> list[Key]:
        return sorted(key for key in row.rows if self.homes.get(key) == row.key)

    def answer(self, key: Key, seal: str) -> None:
        def write() -> None:
            self.answers.setdefault(key, seal)

        self.faults.around(write)


class MemoryNotes:
    def __init__(self, faults: Faults) -> None:
        self.cursors: dict[str, int] = {}
        self.waiting: dict[Key, Retry] = {}
        self.last = ""
        self.faults = faults

    def cursor(self, name: str) -> int:
        return self.cursors.get(name, 0)

    def advance(self, name: str, low: int, high: int) -> None:
        def write() -> None:
            if low - 1 <= self.cursors.get(name, 0) < high:
                self.cursors[name] = high

        self.faults.around(write)

    def retries(self) -> Iterable[Retry]:
        return list(self.waiting.values())

    def remember(self, retry: Retry) -> None:
        self.waiting[retry.key] = retry

    def forget(self, key: Key) -> None:
        self.waiting.pop(key, None)

    def stopped(self) -> str:
        return self.last

    def stop(self, kid: str) -> None:
        self.last = kid


@dataclass
class Cloud:
    """One deployment: its keys, its stores, and as many sealers as a test wants."""

    house: House = field(default_factory=House)
    faults: Faults = field(default_factory=Faults)
    clock: StandingClock = field(default_factory=lambda: StandingClock(START))

    def __post_init__(self) -> None:
        self.heads, self.marks = MemoryHeads(self.faults), MemoryMarks(self.faults)
        self.objects, self.events = MemoryObjects(self.faults), MemoryEvents(self.faults)
        self.notes = MemoryNotes(self.faults)

    def world(self) -> LogStores:
        return LogStores(self.heads, self.marks, self.objects, self.events, self.notes, self.clock)

    def sealer(self, strand: int = 0) -> Sealer:
        genesis = self.epochs().known()
        return Sealer(strand, genesis, self.world(), seal=self.house.seal, log=self.house.logs)

    def epochs(self) -> Epochs:
        return Epochs(self.house.genesis, self.world(), seal=self.house.seal, log=self.house.logs)

    def above(self, cosign: Cosign | None = None) -> SuperLog:
        return SuperLog(self.house.genesis.origin, self.world(), self.house.logs, cosign)

    def library(self) -> Library:
        return Library(self.objects, self.marks, lambda: self.epochs().known())

    def sweep(self) -> Sweep:
        genesis = self.epochs().known()
        sealers = [self.sealer(strand) for strand in range(genesis.strand_count)]
        return Sweep(genesis, self.world(), sealers)

    def put(self, text: str, certificate: str | None, name: str = "") -> Key:
        """Store an event's row and its certificate's, as the document store does."""
        signed = take_apart(text)
        key = Key("P#someone", f"Observation#{name or signed.payload['id']}#v#0000000001")
        self.events.rows[key] = EventRow(key, text, signed.kid, signed.payload["n"], (key,))
        self.events.homes[key] = key
        if certificate is not None:
            self.events.certified[signed.kid] = certificate
        return key

    def act(self, producer: Producer, number: int, **changes: str) -> Key:
        """Store a new event of a producer, after the row of its certificate."""
        certificate = None if producer.service == "operator" else producer.certificate
        return self.put(producer.event(number, **changes), certificate)  # type: ignore[arg-type]

    def read(self, strand: int = 0) -> "Reader":
        """The strand's public files, by path."""
        return Reader(self.objects, strand)


@dataclass
class Reader:
    objects: MemoryObjects
    strand: int

    def __call__(self, path: str) -> bytes | None:
        found = self.objects.get(f"{self.strand}/{path}")
        return None if found is None else found.data


@cache
def _made(text: str) -> tuple[str, int]:
    """The service of a certificate, and the number under which the index lists it."""
    certificate = parse_certificate(text)
    return certificate.service, int(moment(certificate.nbf).timestamp() * 1000) + 60_000
