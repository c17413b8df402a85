"""What the door can say about the published log: where an event stands, with its proof; blocks; the digest.

Only what the published checkpoint covers is said. Every proof is verified here before it is handed out, so a
damaged tile becomes an alarm of ours and never a proof that fails at somebody else's.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from services.ledger.ports import Marks, Objects
from shared.events.envelope import strand_of
from shared.events.genesis import Genesis
from shared.events.sealing import block_mark, certificate_mark, event_mark, parse_seal
from shared.kernel.errors import NotFound
from shared.ledger.block import Block, parse_block
from shared.ledger.checkpoint import Checkpoint, open_checkpoint, strand_origin
from shared.ledger.merkle import inclusion_proof, leaf_hash, verify_inclusion
from shared.ledger.note import Verifier
from shared.ledger.proof import TlogProof, verify
from shared.ledger.tiles import ENTRIES, WIDTH, Tile, TileFault, TileReader, split_bundle, tile_at


@dataclass(frozen=True, slots=True)
class Published:
    """A strand's published checkpoint, parsed and verbatim."""

    strand: int
    checkpoint: Checkpoint
    note: bytes


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry and its proof under a published checkpoint."""

    entry: bytes
    proof: TlogProof
    published: Published


class Library:
    """Reads the published log."""

    def __init__(self, objects: Objects, marks: Marks, genesis: Callable[[], Genesis | None]) -> None:
        self._objects = objects
        self._marks = marks
        self._genesis = genesis

    def genesis(self) -> Genesis:
        """Genesis; raises `NotFound` before it is made."""
        genesis = self._genesis()
        if genesis is None:
            raise NotFound("there is no genesis yet; the sealer makes it within a minute of the deployment")
        return genesis

    def file(self, name: str) -> bytes:
        """A stored file; raises `NotFound`."""
        found = self._objects.get(name)
        if found is None:
            raise NotFound("there is no such file in the log; see the checkpoint for its size")
        return found.data

    def strand(self, number: int) -> int:
        """`number`, if there is such a strand."""
        if not 0 <= number < self.genesis().strands:
            raise NotFound("there is no such strand; genesis says how many there are")
        return number

    def published(self, strand: int) -> Published:
        """The strand's checkpoint; raises `NotFound` before the first."""
        note = self.file(f"{self.strand(strand)}/checkpoint")
        return Published(strand, open_checkpoint(note, self.verifier(strand)), note)

    def all_published(self) -> dict[int, Published]:
        """The checkpoint of every strand that has one."""
        found = {}
        for strand in range(self.genesis().strands):
            with suppress(NotFound):
                found[strand] = self.published(strand)
        return found

    def verifier(self, strand: int) -> Verifier:
        """The key of a strand's checkpoints, under the strand's name."""
        genesis = self.genesis()
        return Verifier(strand_origin(genesis.origin, strand), genesis.log)

    def event(self, event_id: str) -> Placed:
        """Where an event stands; raises `NotFound` if it is not in the published log (yet)."""
        strand = strand_of(event_id, self.genesis().strands)
        return self._placed(strand, event_mark(event_id), "no such event in the published log (yet)")

    def block(self, strand: int, number: int) -> tuple[Block, Placed]:
        """A block and its seal; raises `NotFound` if it is not in the published log (yet)."""
        missing = "no such block in the published log (yet)"
        placed = self._placed(self.strand(strand), block_mark(number), missing)
        return parse_block(parse_seal(placed.entry.decode("ascii")).data), placed

    def place(self, published: Published, index: int) -> Placed:
        """The entry at `index` with its proof."""
        size = published.checkpoint.size
        bundle = tile_at(ENTRIES, index // WIDTH, size)
        entry = split_bundle(self._tile(published.strand, bundle), bundle.path)[index % WIDTH]
        reader = TileReader(size, lambda tiles: [self._tile(published.strand, tile) for tile in tiles])
        proof = TlogProof(index, tuple(inclusion_proof(reader, index, size)), published.note)
        verify(proof, leaf_hash(entry), self.verifier(published.strand))
        return Placed(entry, proof, published)

    def bundle(self, published: Published, number: int) -> list[bytes]:
        """All entries of a bundle, each of them shown to stand under the published root.

        One path does it: that of the last entry, whose lower hashes are made here, out of all the others.
        """
        size, root = published.checkpoint.size, published.checkpoint.root
        tile = tile_at(ENTRIES, number, size)
        entries = split_bundle(self._tile(published.strand, tile), tile.path)
        if len(entries) != tile.width:
            raise TileFault(f"{tile.path} holds {len(entries)} entries, its tree {tile.width}")
        leaves = [leaf_hash(entry) for entry in entries]
        made = {tile_at(0, number, size): b"".join(leaves)}

        def fetch(tiles: Sequence[Tile]) -> list[bytes]:
            return [made.get(wanted) or self._tile(published.strand, wanted) for wanted in tiles]

        last = number * WIDTH + len(entries) - 1
        path = inclusion_proof(TileReader(size, fetch), last, size)
        verify_inclusion(last, size, leaves[-1], path, root)
        return entries

    def certificates(self, strand: int, kids: Iterable[str]) -> dict[str, int]:
        """Where in the strand the certificates of these keys stand; the operator's key has none."""
        marks = {certificate_mark(kid): kid for kid in kids}
        found = self._marks.get(strand, sorted(marks))
        return {marks[key]: mark.index for key, mark in found.items()}

    def _placed(self, strand: int, key: str, missing: str) -> Placed:
        # The checkpoint first: a mark read after it may be newer than it, never the other way round.
        published = self.published(strand)
        mark = self._marks.get(strand, [key]).get(key)
        if mark is None or mark.index >= published.checkpoint.size:
            raise NotFound(missing)
        placed = self.place(published, mark.index)
        if leaf_hash(placed.entry) != mark.leaf:
            raise TileFault(f"the mark {key} does not name the entry at its index")
        return placed

    def _tile(self, strand: int, tile: Tile) -> bytes:
        found = self._objects.get(f"{strand}/{tile.path}")
        if found is None:
            raise TileFault(f"{tile.path} of strand {strand} is missing")
        return found.data
