"""What a door may know of the log: where the events of documents stand, and how far it is published.

Marks are in the ledger's own table, which the sealer alone writes, and are believed. Checkpoints and entries
are in a bucket that nobody believes: they count by their signatures. Only reads; a door that writes here
would be another sealer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Protocol

import boto3
from pynamodb.models import Model

from carevouch.events.blocks import block_at
from carevouch.events.envelope import Event
from carevouch.events.epoch import read_epochs
from carevouch.events.genesis import Genesis, strand_for
from carevouch.events.seal import verify_seal
from carevouch.ledger.checkpoint import strand_origin
from carevouch.ledger.tiles import ENTRIES, TileFault, split_bundle, tile_at
from carevouch.records.views import SealPlace
from carevouch.sealing.marks import Mark, event_mark, is_entry
from carevouch.store.dynamo import mark_model
from carevouch.store.settings import CONFIG

# A strand and the key of a mark in it.
Wanted = tuple[int, str]
# The public file of this name in the ledger's bucket; None if there is none.
Read = Callable[[str], bytes | None]


class Marks(Protocol):
    """What the sealer remembers about entries."""

    def find(self, wanted: Sequence[Wanted]) -> Mapping[Wanted, Mark]:
        """Those that exist, strongly consistent."""


class SealedFacts:
    """Answers from the marks, the checkpoints and, for marks of before they named a block, the entries."""

    def __init__(self, marks: Marks, read: Read, genesis: Callable[[], Genesis]) -> None:
        self._marks = marks
        self._read = read
        self._genesis = genesis

    def published(self, strands: Iterable[int] | None = None) -> dict[int, int]:
        """The published size of these strands (None: of all); 0 before a strand's first checkpoint."""
        wanted = range(self._known().strand_count) if strands is None else sorted(set(strands))
        return {strand: self._size(strand) for strand in wanted}

    def places(
        self, events: Iterable[Event], published: Mapping[int, int] | None = None
    ) -> dict[str, SealPlace]:
        """Where those of the events stand that are sealed, by id.

        With `published` (sizes read before the events were) only those that it covers. All of these are
        marked by now, so whoever goes on from there misses none.
        """
        asked = list(events)
        genesis = self._knowing(asked)
        wanted = {(strand_for(event, genesis), event_mark(event.id)): event for event in asked}
        marks = {
            key: mark
            for key, mark in self._marks.find(sorted(wanted)).items()
            # Another event may have taken the id first: then the log has that one, and answered this one.
            if is_entry(mark, wanted[key].text)
        }
        sizes = self.published(strand for strand, _ in marks) if published is None else published
        found = {}
        for key, mark in marks.items():
            strand, is_published = key[0], mark.index < sizes[key[0]]
            block = self._block(strand, mark, sizes[strand])
            if block is not None and (is_published or published is None):
                found[wanted[key].id] = SealPlace(strand, mark.index, *block, is_published)
        return found

    def _known(self) -> Genesis:
        """Genesis with the epochs that are open by now: an environment may be older than the last of them."""
        epochs, genesis = self._read("epochs"), replace(self._genesis(), epochs=())
        return genesis if epochs is None else read_epochs(epochs, genesis)

    def _knowing(self, events: Sequence[Event]) -> Genesis:
        """Genesis with the epochs of all these events; the file is read only for one that is new."""
        genesis = self._genesis()
        new = any(genesis.epoch_of(event.epoch) is None for event in events)
        return self._known() if new else genesis

    def _block(self, strand: int, mark: Mark, size: int) -> tuple[int, str] | None:
        """Number and time of the mark's block; None if only the entries tell and they are not published."""
        if mark.block is not None and mark.time is not None:
            return mark.block, mark.time
        if mark.index >= size:
            return None
        found = block_at(mark.index, size, cache(lambda number: self._bundle(strand, number, size)))
        verify_seal(found.seal, self._genesis())
        return found.block.number, found.time

    def _bundle(self, strand: int, number: int, size: int) -> list[bytes]:
        tile = tile_at(ENTRIES, number, size)
        data = self._read(f"{strand}/{tile.path}")
        entries = [] if data is None else split_bundle(data, tile.path)
        if len(entries) != tile.width:
            raise TileFault(f"{tile.path} of strand {strand} does not hold its {tile.width} entries")
        return entries

    def _size(self, strand: int) -> int:
        note, genesis = self._read(f"{strand}/checkpoint"), self._genesis()
        if note is None:
            return 0
        return genesis.keys.open(note, strand_origin(genesis.origin, strand)).size


class DynamoMarks:
    """`Marks` in the ledger's table."""

    def __init__(self, model: type[Model]) -> None:
        self._model = model

    def find(self, wanted: Sequence[Wanted]) -> Mapping[Wanted, Mark]:
        """Those that exist."""
        keys = [(f"M#{strand}#{key}", "mark") for strand, key in dict.fromkeys(wanted)]
        found = {}
        for item in self._model.batch_get(keys, consistent_read=True) if keys else ():
            row: Mapping[str, object] = item.attribute_values
            _, strand, key = str(row["pk"]).split("#", 2)
            found[int(strand), key] = _mark(key, row)
        return found


def build_sealed(genesis: Callable[[], Genesis], table: str, bucket: str, region: str) -> SealedFacts:
    """The facts of a deployment; no client is made before the first question."""
    return SealedFacts(DynamoMarks(mark_model(table, region)), _bucket(bucket, region), genesis)


def _bucket(bucket: str, region: str) -> Read:
    client = cache(lambda: boto3.client("s3", region_name=region, config=CONFIG))

    def read(name: str) -> bytes | None:
        s3 = client()
        try:
            return s3.get_object(Bucket=bucket, Key=name)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None

    return read


def _mark(key: str, row: Mapping[str, object]) -> Mark:
    block, time, leaf = row.get("block"), row.get("time"), row["leaf"]
    return Mark(
        key,
        int(str(row["index"])),
        leaf if isinstance(leaf, bytes) else b"",
        None if block is None else int(str(block)),
        None if time is None else str(time),
    )
