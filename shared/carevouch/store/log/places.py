"""Where the events of documents stand in the log, and how far it is published; for the records door.

The sealer alone writes the marks, in the ledger's own table, so the door believes them. Checkpoints and
entries come from a bucket that is not trusted, and count by their signatures. This module only reads: a door
that wrote here would be another sealer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import boto3

from carevouch.events.blocks import block_at
from carevouch.events.envelope import Event
from carevouch.events.epoch import read_epochs
from carevouch.events.genesis import Genesis, strand_for
from carevouch.events.seal import verify_seal
from carevouch.ledger.checkpoint import strand_origin
from carevouch.ledger.tiles import ENTRIES, TileFault, split_bundle, tile_at
from carevouch.records.views import SealPlace
from carevouch.sealing.marks import Mark, event_mark, is_entry
from carevouch.store.log.marks import DynamoMarks
from carevouch.store.log.names import CHECKPOINT, EPOCHS
from carevouch.store.log.ports import StrandMark
from carevouch.store.settings import CONFIG

# Reads the marks that exist of these, strongly consistent.
Find = Callable[[Sequence[StrandMark]], Mapping[StrandMark, Mark]]
# Reads the public file of this name in the ledger's bucket; None if there is none.
Read = Callable[[str], bytes | None]


class SealedFacts:
    """Answers from the marks and the checkpoints.

    Marks were once written without their block. For these it reads the block from the published entries.
    """

    def __init__(self, find: Find, read: Read, genesis: Callable[[], Genesis]) -> None:
        self._find = find
        self._read = read
        self._genesis = genesis

    def published(self, strands: Iterable[int] | None = None) -> dict[int, int]:
        """The published size of these strands, or of all for None; 0 before a strand's first checkpoint."""
        wanted = range(self._known().strand_count) if strands is None else sorted(set(strands))
        sizes, genesis = dict.fromkeys(wanted, 0), self._genesis()
        for strand in wanted:
            note = self._read(f"{strand}/{CHECKPOINT}")
            if note is not None:
                sizes[strand] = genesis.keys.open(note, strand_origin(genesis.origin, strand)).size
        return sizes

    def places(
        self, events: Iterable[Event], published: Mapping[int, int] | None = None
    ) -> dict[str, SealPlace]:
        """The places of the events that are sealed, by event id.

        `published` are sizes that were read before the events were. With them only the events that they
        cover have a place. All of these are marked by now, so a reader who goes on from there misses none.
        """
        events = list(events)
        genesis = self._genesis()
        if any(genesis.epoch_of(event.epoch) is None for event in events):
            genesis = self._known()
        wanted: dict[StrandMark, Event] = {
            (strand_for(event, genesis), event_mark(event.id)): event for event in events
        }
        marks = {
            key: mark
            for key, mark in self._find(sorted(wanted)).items()
            # Another event may have taken the id first. The log then holds that one, and rejected this one.
            if is_entry(mark, wanted[key].text)
        }
        sizes = self.published(strand for strand, _ in marks) if published is None else published
        places = {}
        for key, mark in marks.items():
            strand, is_published = key[0], mark.index < sizes[key[0]]
            block = self._block(strand, mark, sizes[strand])
            if block is not None and (is_published or published is None):
                places[wanted[key].id] = SealPlace(strand, mark.index, *block, is_published)
        return places

    def _known(self) -> Genesis:
        """Genesis with the epochs that are open now: the environment may be older than the last of them."""
        epochs, genesis = self._read(EPOCHS), replace(self._genesis(), epochs=())
        return genesis if epochs is None else read_epochs(epochs, genesis)

    def _block(self, strand: int, mark: Mark, size: int) -> tuple[int, str] | None:
        """Number and time of the mark's block; None if only unpublished entries tell."""
        if mark.block is not None and mark.time is not None:
            return mark.block, mark.time
        if mark.index >= size:
            return None

        @cache
        def bundle(number: int) -> list[bytes]:
            tile = tile_at(ENTRIES, number, size)
            data = self._read(f"{strand}/{tile.path}")
            entries = [] if data is None else split_bundle(data, tile.path)
            if len(entries) != tile.width:
                raise TileFault(f"{tile.path} of strand {strand} does not hold its {tile.width} entries")
            return entries

        sealed = block_at(mark.index, size, bundle)
        verify_seal(sealed.seal, self._genesis())
        return sealed.block.number, sealed.time


def build_sealed(genesis: Callable[[], Genesis], table: str, bucket: str, region: str) -> SealedFacts:
    """The facts of a deployment. Its two clients are made when the first question needs them."""

    @cache
    def client(service: Any) -> Any:
        return boto3.client(service, region_name=region, config=CONFIG)

    def find(wanted: Sequence[StrandMark]) -> Mapping[StrandMark, Mark]:
        return DynamoMarks(client("dynamodb"), table).find(wanted)

    def read(name: str) -> bytes | None:
        try:
            data: bytes = client("s3").get_object(Bucket=bucket, Key=name)["Body"].read()
        except client("s3").exceptions.NoSuchKey:
            return None
        return data

    return SealedFacts(find, read, genesis)
