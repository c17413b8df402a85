"""A deployment to export from, and its bucket as the exporter's role sees it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from carevouch.events.export import parse_completed
from carevouch.events.genesis import genesis_text
from carevouch.events.seal import BLOCK_SEALED, SEAL_TYP, parse_seal
from carevouch.kernel.ids import Key
from carevouch.kernel.jws import take_apart
from carevouch.kernel.times import later
from carevouch.ledger.checkpoint import open_checkpoint
from carevouch.ledger.note import Verifier, sign_note
from carevouch.ledger.tiles import ENTRIES, split_bundle, tile_at
from carevouch.store.log.library import Library
from carevouch.store.log.ports import StoredObject
from carevouch.verifier.export import ExportReport, verify_export
from services.exporter.export import Exporter, NoMarks, parse_request
from tests.fakes import Faults
from tests.service.sealer.fakes import Cloud, MemoryObjects
from tests.unit.sealing.acts import ORIGIN, START, House, Producer, event_id

Json = dict[str, Any]
PREFIX = "auditor/2026/"


class PublicObjects(MemoryObjects):
    """The ledger's bucket as the exporter's role sees it: public files, and no writing."""

    def __init__(self, whole: MemoryObjects) -> None:
        self.whole = whole

    def get(self, name: str) -> StoredObject | None:
        assert (
            name in ("genesis", "epochs")
            or name.endswith("/checkpoint")
            or "/tile/" in name
            or "/edge/" in name
        ), name
        return self.whole.get(name)

    def create(self, name: str, data: bytes) -> None:
        raise AssertionError("the exporter writes into the ledger's bucket")

    def swap(self, name: str, before: StoredObject | None, data: bytes) -> None:
        raise AssertionError("the exporter writes into the ledger's bucket")


@dataclass
class Place:
    """A deployment with a bucket for exports."""

    strands: int = 1
    number: int = 0
    house: House = field(init=False)

    def __post_init__(self) -> None:
        self.house = House(self.strands)
        self.cloud = Cloud(self.house)
        self.faults = Faults()
        self.exports = MemoryObjects(self.faults)
        self.producer = Producer(self.house)
        genesis = self.house.genesis
        note = sign_note(genesis_text(genesis), genesis.origin, self.house.log)
        self.cloud.objects.files["genesis"] = note
        self.verifier = Verifier(genesis.origin, self.house.log.public)
        for strand in range(self.strands):
            self.cloud.sealer(strand).publish()

    def block(self, strand: int = 0, events: int = 2, seconds: float = 1, *, publish: bool = True) -> None:
        """Seal a block, so many seconds after the one before."""
        self.cloud.clock.advance(seconds)
        keys: list[Key] = []
        for _ in range(events):
            self.number += 1
            keys.append(
                self.cloud.act(self.producer, self.number, id=event_id(self.number, strand, self.strands))
            )
        self.cloud.sealer(strand).seal(keys)
        if publish:
            self.cloud.sealer(strand).publish()

    def export(self, start: float, end: float, has_time: Callable[[], bool] = lambda: True) -> Json:
        """Export the span between these seconds after the start."""
        said = {"from": later(START, start), "to": later(START, end), "prefix": PREFIX}
        request = parse_request(said, later(START, 1_000_000))
        library = Library(PublicObjects(self.cloud.objects), NoMarks(), lambda: self.cloud.epochs().known())
        return Exporter(library, self.exports, has_time).run(request)

    def verified(self, answer: Json) -> ExportReport:
        """The export, checked by a person who holds only its files and the key."""
        assert answer["status"] == "completed"
        return verify_export(self.exports.files[answer["manifest"]], self.read, self.verifier)

    def read(self, name: str) -> bytes | None:
        return self.exports.files.get(PREFIX + name)

    def lines(self, answer: Json) -> dict[int, list[Json]]:
        """The blocks of each strand."""
        _, strands = parse_completed(self.exports.files[answer["manifest"]])
        return {
            one.scope.strand: [
                json.loads(line)
                for item in one.objects
                for line in (self.read(item.name) or b"").splitlines()
            ]
            for one in strands
        }

    def mirror(self, strand: int) -> list[str]:
        """The published entries, read as a mirror reads them."""
        verifier = Verifier(f"{ORIGIN}/strand/{strand}", self.house.log.public)
        size = open_checkpoint(self.cloud.objects.files[f"{strand}/checkpoint"], verifier).size
        names = [tile_at(ENTRIES, at, size).path for at in range(-(-size // 256))]
        found = [entry for name in names for entry in split_bundle(self.cloud.read(strand)(name) or b"")]
        return [entry.decode() for entry in found]

    def expected(self, strand: int, start: float, end: float) -> list[list[str]]:
        """The blocks of the span, found by walking the mirror entry by entry."""
        blocks: list[list[str]] = []
        pending: list[str] = []
        for text in self.mirror(strand):
            pending.append(text)
            if take_apart(text).typ == SEAL_TYP and parse_seal(text).type == BLOCK_SEALED:
                if later(START, start) <= parse_seal(text).time < later(START, end):
                    blocks.append(pending)
                pending = []
        return blocks
