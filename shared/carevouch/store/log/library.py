"""Reads the published log for the door: where an event stands, with its proof; blocks; checkpoints.

It serves only entries that the published checkpoint covers. The super-log's tiles are the exception, because
witnesses read them before they cosign. Every proof is verified here first. A damaged tile so becomes an
alarm of ours, and never a proof that fails at a client.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from carevouch.events.envelope import strand_of
from carevouch.events.genesis import Genesis
from carevouch.events.seal import parse_seal
from carevouch.kernel.errors import NotFound
from carevouch.ledger.block import Block, parse_block
from carevouch.ledger.checkpoint import SUPER, Checkpoint, LogName, log_origin
from carevouch.ledger.cose import inclusion_receipt, parse_head, statement_of, verify_inclusion_receipt
from carevouch.ledger.logkeys import LogKeys
from carevouch.ledger.merkle import inclusion_proof, leaf_hash, verify_inclusion
from carevouch.ledger.proof import TlogProof, verify
from carevouch.ledger.superlog import head_mark, parse_super_entry
from carevouch.ledger.tiles import (
    ENTRIES,
    WIDTH,
    Tile,
    TileFault,
    TileReader,
    edge_of,
    is_within,
    split_bundle,
    tile_at,
)
from carevouch.sealing.marks import block_mark, certificate_mark, event_mark
from carevouch.store.log.names import EPOCHS, SIGNED_HEAD, edge_name
from carevouch.store.log.ports import MarkReader, Objects


@dataclass(frozen=True, slots=True)
class PublishedCheckpoint:
    """A log's checkpoint, parsed and verbatim."""

    log: LogName
    checkpoint: Checkpoint
    note: bytes


@dataclass(frozen=True, slots=True)
class EntryWithProof:
    """An entry and its proof under a checkpoint; `above` proves that checkpoint in the super-log."""

    entry: bytes
    proof: TlogProof
    published: PublishedCheckpoint
    above: "EntryWithProof | None" = None


class Library:
    """Reads files, entries and proofs of the published log, and verifies each before it hands it out."""

    def __init__(self, objects: Objects, marks: MarkReader, genesis: Callable[[], Genesis | None]) -> None:
        self._objects = objects
        self._marks = marks
        self._genesis = genesis
        # Published sizes only grow, so a tile that one of these sizes covers stays published.
        self._published_sizes: dict[LogName, int] = {}

    def genesis(self) -> Genesis:
        """Genesis with its epochs. Raises `NotFound` before it is made."""
        genesis = self._genesis()
        if genesis is None:
            raise NotFound("there is no genesis yet; the sealer makes it within a minute of the deployment")
        return genesis

    def epochs(self) -> bytes:
        """The file of epochs; empty before the first one is opened."""
        self.genesis()
        found = self._objects.get(EPOCHS)
        return b"" if found is None else found.data

    def file(self, name: str) -> bytes:
        """The bytes of a public file. Raises `NotFound`."""
        found = self._objects.get(name)
        if found is None:
            raise NotFound("there is no such file in the log; see the checkpoint for its size")
        return found.data

    def strand(self, number: int) -> int:
        """`number`, if there is such a strand. Raises `NotFound`."""
        if not 0 <= number < self.genesis().strand_count:
            raise NotFound("there is no such strand; genesis and epochs say how many there are")
        return number

    def log(self, name: LogName) -> LogName:
        """`name`, if there is such a log: a strand, or the super-log. Raises `NotFound`."""
        return self.strand(name) if isinstance(name, int) else SUPER

    def published(self, log: LogName) -> PublishedCheckpoint:
        """The log's checkpoint. Raises `NotFound` before the first."""
        note = self.file(f"{self.log(log)}/checkpoint")
        return PublishedCheckpoint(log, self.keys.open(note, self.origin(log)), note)

    def tile(self, log: LogName, tile: Tile) -> tuple[bytes, bool]:
        """A tile or a bundle, and whether it is of the published tree, whose bytes never change.

        A partial tile whose wider one is published counts as published: readers under an older checkpoint
        ask for it. A strand serves no other tile. The super-log does, because its witnesses read what they
        are about to cosign, before it is published. Raises `NotFound`.
        """
        if not is_within(tile, self._published_sizes.get(log, 0)):
            with suppress(NotFound):
                self._published_sizes[log] = self.published(log).checkpoint.size
        published = is_within(tile, self._published_sizes.get(log, 0))
        if not published and log != SUPER:
            raise NotFound(
                "there is no such tile in the published log (yet); see the checkpoint for its size"
            )
        return self.file(f"{log}/{tile.path}"), published

    @property
    def keys(self) -> LogKeys:
        """The keys that sign the checkpoints of every log."""
        return self.genesis().keys

    def origin(self, log: LogName) -> str:
        """The origin of a log, and the name of its keys."""
        return log_origin(self.genesis().origin, log)

    def all_published(self) -> dict[int, PublishedCheckpoint]:
        """The checkpoint of every strand that has one."""
        found = {}
        for strand in range(self.genesis().strand_count):
            with suppress(NotFound):
                found[strand] = self.published(strand)
        return found

    def event(self, event_id: str) -> EntryWithProof:
        """The entry of an event with its proof. Raises `NotFound` if it is not in the published log (yet).

        The proof is under a checkpoint that is in the super-log, if one covers the entry; else under the
        newest.
        """
        missing, key = "no such event in the published log (yet)", event_mark(event_id)
        # An id does not tell its epoch, so look in one strand for each number of strands there ever was.
        strands = dict.fromkeys(strand_of(event_id, epoch.strands) for epoch in self.genesis().known[::-1])
        for strand in strands:
            if key in self._marks.get(strand, [key]):
                return self._placed(strand, key, missing)
        raise NotFound(missing)

    def receipt(self, event_id: str) -> bytes:
        """The COSE receipt of an event, under the newest signed head of its strand. Raises `NotFound`."""
        placed = self.event(event_id)
        strand, index = int(placed.published.log), placed.proof.index
        head = parse_head(self.file(f"{strand}/{SIGNED_HEAD}"))
        size = statement_of(head).size
        reader = self._reader(strand, size)
        receipt = inclusion_receipt(head, index, inclusion_proof(reader, index, size))
        verify_inclusion_receipt(receipt, leaf_hash(placed.entry), self.genesis().seal)
        return receipt

    def checkpoint(self, strand: int, size: int) -> EntryWithProof:
        """The super-log's entry for the checkpoint of this strand and size. Raises `NotFound`."""
        missing = "no such checkpoint in the published super-log (yet)"
        return self._found(self.published(SUPER), head_mark(self.strand(strand), size), missing)

    def block(self, strand: int, number: int) -> tuple[Block, EntryWithProof]:
        """A block and its seal. Raises `NotFound` if it is not in the published log (yet)."""
        missing = "no such block in the published log (yet)"
        placed = self._placed(self.strand(strand), block_mark(number), missing)
        return parse_block(parse_seal(placed.entry.decode("ascii")).data), placed

    def place(self, published: PublishedCheckpoint, index: int) -> EntryWithProof:
        """The entry at `index` with its proof under this checkpoint."""
        size = published.checkpoint.size
        bundle = tile_at(ENTRIES, index // WIDTH, size)
        entry = split_bundle(self._tile(published.log, bundle), bundle.path)[index % WIDTH]
        proof = TlogProof(index, tuple(inclusion_proof(self.reader(published), index, size)), published.note)
        verify(proof, leaf_hash(entry), self.keys.verifier(self.origin(published.log)))
        return EntryWithProof(entry, proof, published)

    def reader(self, published: PublishedCheckpoint) -> TileReader:
        """The hashes of the published tree, not verified: callers verify what they compute from them."""
        return self._reader(published.log, published.checkpoint.size)

    def bundle(self, published: PublishedCheckpoint, number: int) -> list[bytes]:
        """All entries of a bundle, verified under the published root.

        One path proves them all: that of the last entry, whose lower hashes are computed from the others.
        """
        size, root = published.checkpoint.size, published.checkpoint.root
        tile = tile_at(ENTRIES, number, size)
        entries = split_bundle(self._tile(published.log, tile), tile.path)
        if len(entries) != tile.width:
            raise TileFault(f"{tile.path} holds {len(entries)} entries, its tree {tile.width}")
        leaves = [leaf_hash(entry) for entry in entries]
        made = {tile_at(0, number, size): b"".join(leaves)}

        def fetch(tiles: Sequence[Tile]) -> list[bytes]:
            return [made.get(wanted) or self._tile(published.log, wanted) for wanted in tiles]

        last = number * WIDTH + len(entries) - 1
        path = inclusion_proof(TileReader(size, fetch), last, size)
        verify_inclusion(last, size, leaves[-1], path, root)
        return entries

    def certificates(self, strand: int, kids: Iterable[str]) -> dict[str, int]:
        """The indices of these keys' certificates in the strand, by kid. The operator's key has none."""
        kid_of = {certificate_mark(kid): kid for kid in kids}
        marks = self._marks.get(strand, sorted(kid_of))
        return {kid_of[key]: mark.index for key, mark in marks.items()}

    def _placed(self, strand: int, key: str, missing: str) -> EntryWithProof:
        # Read the checkpoint first. A mark read later may be newer than it, and never the other way round.
        published = self.published(strand)
        placed = self._found(published, key, missing)
        above = self._above(published, placed.proof.index)
        if above is None:
            return placed
        head = parse_super_entry(above.entry, self.genesis().origin, self.keys)
        under = PublishedCheckpoint(strand, head.checkpoint, head.entry)
        return replace(self.place(under, placed.proof.index), above=above)

    def _above(self, published: PublishedCheckpoint, index: int) -> EntryWithProof | None:
        """A published entry of the super-log that is a checkpoint of this strand over entry `index`.

        The mark finds the newest checkpoint of an idle strand. A busy strand has one among the super-log's
        latest entries: those of its last two bundles are searched, newest first.
        """
        if self._objects.get(f"{SUPER}/checkpoint") is None:
            return None
        upper, strand = self.published(SUPER), int(published.log)
        key = head_mark(strand, published.checkpoint.size)
        mark = self._marks.get(SUPER, [key]).get(key)
        if mark is not None and mark.index < upper.checkpoint.size:
            return self.place(upper, mark.index)
        size = upper.checkpoint.size
        last = (size - 1) // WIDTH  # -1 of an empty log, which has no bundle.
        for number in range(last, max(last - 2, -1), -1):
            bundle = tile_at(ENTRIES, number, size)
            entries = split_bundle(self._tile(SUPER, bundle), bundle.path)
            for at, entry in reversed(list(enumerate(entries, number * WIDTH))):
                head = parse_super_entry(entry, self.genesis().origin, self.keys)
                if head.strand == strand and head.checkpoint.size > index:
                    return self.place(upper, at)
        return None

    def _found(self, published: PublishedCheckpoint, key: str, missing: str) -> EntryWithProof:
        mark = self._marks.get(published.log, [key]).get(key)
        if mark is None or mark.index >= published.checkpoint.size:
            raise NotFound(missing)
        placed = self.place(published, mark.index)
        if leaf_hash(placed.entry) != mark.leaf:
            raise TileFault(f"the mark {key} does not name the entry at its index")
        return placed

    def _reader(self, log: LogName, size: int) -> TileReader:
        # The edge saves reading the tiles at the end of the tree. Without it the hashes are the same.
        found = self._objects.get(f"{log}/{edge_name(size)}")
        edge = None if found is None else edge_of(size, found.data)
        return TileReader(size, lambda tiles: [self._tile(log, tile) for tile in tiles], edge)

    def _tile(self, log: LogName, tile: Tile) -> bytes:
        found = self._objects.get(f"{log}/{tile.path}")
        if found is None:
            raise TileFault(f"{tile.path} of log {log} is missing")
        return found.data
