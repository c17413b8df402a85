"""What the door can say about the published log: where an event stands, with its proof; blocks; the digest.

Only what the published checkpoint covers is said, but for the super-log's tiles, which its witnesses read
before they cosign. Every proof is verified here before it is handed out, so a damaged tile becomes an alarm
of ours and never a proof that fails at somebody else's.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
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
    """Reads the published log."""

    def __init__(self, objects: Objects, marks: MarkReader, genesis: Callable[[], Genesis | None]) -> None:
        self._objects = objects
        self._marks = marks
        self._genesis = genesis
        # Published sizes that were seen: they only grow, so what one of them has stays published.
        self._seen: dict[LogName, int] = {}

    def genesis(self) -> Genesis:
        """Genesis; raises `NotFound` before it is made."""
        genesis = self._genesis()
        if genesis is None:
            raise NotFound("there is no genesis yet; the sealer makes it within a minute of the deployment")
        return genesis

    def epochs(self) -> bytes:
        """The file of epochs; empty before the first is opened."""
        self.genesis()
        found = self._objects.get(EPOCHS)
        return b"" if found is None else found.data

    def file(self, name: str) -> bytes:
        """A stored file; raises `NotFound`."""
        found = self._objects.get(name)
        if found is None:
            raise NotFound("there is no such file in the log; see the checkpoint for its size")
        return found.data

    def strand(self, number: int) -> int:
        """`number`, if there is such a strand."""
        if not 0 <= number < self.genesis().strand_count:
            raise NotFound("there is no such strand; genesis and epochs say how many there are")
        return number

    def log(self, name: LogName) -> LogName:
        """`name`, if there is such a log: a strand, or the super-log."""
        return self.strand(name) if isinstance(name, int) else SUPER

    def published(self, log: LogName) -> PublishedCheckpoint:
        """The log's checkpoint; raises `NotFound` before the first."""
        note = self.file(f"{self.log(log)}/checkpoint")
        return PublishedCheckpoint(log, self.keys.open(note, self.origin(log)), note)

    def tile(self, log: LogName, tile: Tile) -> tuple[bytes, bool]:
        """A tile or a bundle, and whether it is of the published tree, whose bytes never change.

        The beginning of a wider one there is of it too: who reads under an older checkpoint asks for it. Of a
        strand nothing else is told; of the super-log it is, for its witnesses read what they are asked to
        cosign, which is before it is published. Raises `NotFound`.
        """
        published = self._has_published(log, tile)
        if not published and log != SUPER:
            raise NotFound(
                "there is no such tile in the published log (yet); see the checkpoint for its size"
            )
        return self.file(f"{log}/{tile.path}"), published

    def _has_published(self, log: LogName, tile: Tile) -> bool:
        if not is_within(tile, self._seen.get(log, 0)):
            with suppress(NotFound):
                self._seen[log] = self.published(log).checkpoint.size
        return is_within(tile, self._seen.get(log, 0))

    @property
    def keys(self) -> LogKeys:
        """The keys of every log's checkpoints."""
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
        """Where an event stands; raises `NotFound` if it is not in the published log (yet).

        Under a checkpoint that is in the super-log, if one covers it already; else under the newest.
        """
        missing, key = "no such event in the published log (yet)", event_mark(event_id)
        # Its epoch is not known before it is found: as many places as there are numbers of strands.
        strands = dict.fromkeys(strand_of(event_id, epoch.strands) for epoch in self.genesis().known[::-1])
        for strand in strands:
            if key in self._marks.get(strand, [key]):
                return self._placed(strand, key, missing)
        raise NotFound(missing)

    def receipt(self, event_id: str) -> bytes:
        """The COSE receipt of an event, under the newest signed head of its strand; raises `NotFound`."""
        placed = self.event(event_id)
        strand, index = int(placed.published.log), placed.proof.index
        head = parse_head(self.file(f"{strand}/{SIGNED_HEAD}"))
        size = statement_of(head).size
        reader = self._reader(strand, size)
        receipt = inclusion_receipt(head, index, inclusion_proof(reader, index, size))
        verify_inclusion_receipt(receipt, leaf_hash(placed.entry), self.genesis().seal)
        return receipt

    def checkpoint(self, strand: int, size: int) -> EntryWithProof:
        """Where the checkpoint of this strand and size stands in the super-log; raises `NotFound`."""
        missing = "no such checkpoint in the published super-log (yet)"
        return self._found(self.published(SUPER), head_mark(self.strand(strand), size), missing)

    def block(self, strand: int, number: int) -> tuple[Block, EntryWithProof]:
        """A block and its seal; raises `NotFound` if it is not in the published log (yet)."""
        missing = "no such block in the published log (yet)"
        placed = self._placed(self.strand(strand), block_mark(number), missing)
        return parse_block(parse_seal(placed.entry.decode("ascii")).data), placed

    def place(self, published: PublishedCheckpoint, index: int) -> EntryWithProof:
        """The entry at `index` with its proof."""
        size = published.checkpoint.size
        bundle = tile_at(ENTRIES, index // WIDTH, size)
        entry = split_bundle(self._tile(published.log, bundle), bundle.path)[index % WIDTH]
        proof = TlogProof(index, tuple(inclusion_proof(self.reader(published), index, size)), published.note)
        verify(proof, leaf_hash(entry), self.keys.verifier(self.origin(published.log)))
        return EntryWithProof(entry, proof, published)

    def reader(self, published: PublishedCheckpoint) -> TileReader:
        """The hashes of the published tree; what is computed from them is verified by whoever asks."""
        return self._reader(published.log, published.checkpoint.size)

    def bundle(self, published: PublishedCheckpoint, number: int) -> list[bytes]:
        """All entries of a bundle, each of them shown to stand under the published root.

        One path does it: that of the last entry, whose lower hashes are made here, out of all the others.
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
        """Where in the strand the certificates of these keys stand; the operator's key has none."""
        marks = {certificate_mark(kid): kid for kid in kids}
        found = self._marks.get(strand, sorted(marks))
        return {marks[key]: mark.index for key, mark in found.items()}

    def _placed(self, strand: int, key: str, missing: str) -> EntryWithProof:
        # The checkpoint first: a mark read after it may be newer than it, never the other way round.
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

        An idle strand's newest checkpoint is found by its mark; a busy one's is among the latest entries.
        """
        if self._objects.get(f"{SUPER}/checkpoint") is None:
            return None
        upper, strand = self.published(SUPER), int(published.log)
        key = head_mark(strand, published.checkpoint.size)
        mark = self._marks.get(SUPER, [key]).get(key)
        if mark is not None and mark.index < upper.checkpoint.size:
            return self.place(upper, mark.index)
        for at, entry in self._latest(upper):
            head = parse_super_entry(entry, self.genesis().origin, self.keys)
            if head.strand == strand and head.checkpoint.size > index:
                return self.place(upper, at)
        return None

    def _latest(self, upper: PublishedCheckpoint) -> Iterator[tuple[int, bytes]]:
        """The super-log's last entries with their indices, newest first: those of its last two bundles."""
        size = upper.checkpoint.size
        for number in sorted({max(size - 1, 0) // WIDTH, max(size - 1 - WIDTH, 0) // WIDTH}, reverse=True):
            if size:
                bundle = tile_at(ENTRIES, number, size)
                entries = split_bundle(self._tile(SUPER, bundle), bundle.path)
                yield from reversed(list(enumerate(entries, number * WIDTH)))

    def _found(self, published: PublishedCheckpoint, key: str, missing: str) -> EntryWithProof:
        mark = self._marks.get(published.log, [key]).get(key)
        if mark is None or mark.index >= published.checkpoint.size:
            raise NotFound(missing)
        placed = self.place(published, mark.index)
        if leaf_hash(placed.entry) != mark.leaf:
            raise TileFault(f"the mark {key} does not name the entry at its index")
        return placed

    def _reader(self, log: LogName, size: int) -> TileReader:
        # The edge saves reading the tiles at the end of the tree; what is read without it is the same.
        found = self._objects.get(f"{log}/{edge_name(size)}")
        edge = None if found is None else edge_of(size, found.data)
        return TileReader(size, lambda tiles: [self._tile(log, tile) for tile in tiles], edge)

    def _tile(self, log: LogName, tile: Tile) -> bytes:
        found = self._objects.get(f"{log}/{tile.path}")
        if found is None:
            raise TileFault(f"{tile.path} of log {log} is missing")
        return found.data
