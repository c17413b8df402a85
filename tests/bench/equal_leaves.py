"""A log of equal leaves: of any size and stored nowhere, for all its subtrees of one height are the same.

So what a log of ten million entries costs can be measured without making one. Its hashes are true RFC 6962.
"""

import re
from dataclasses import dataclass

from carevouch.ledger.merkle import Edge, leaf_hash, node_hash
from carevouch.ledger.tiles import BITS, ENTRIES, Tile, join_bundle, parse_path
from carevouch.store.log.ports import StoredObject
from tests.fakes import Faults
from tests.service.sealer.fakes import MemoryObjects

ENTRY = b"an entry like every other"
_TILE = re.compile(r"[0-9]+/(tile/.*)")


def subtree(height: int) -> bytes:
    """The hash of a complete tree of 2^height equal leaves."""
    found = leaf_hash(ENTRY)
    for _ in range(height):
        found = node_hash(found, found)
    return found


def edge(size: int) -> Edge:
    """The edge of the log of `size` entries."""
    heights = [height for height in range(size.bit_length() - 1, -1, -1) if size >> height & 1]
    return Edge(size, tuple(map(subtree, heights)))


def tile(wanted: Tile) -> bytes:
    """A tile or bundle of the log."""
    if wanted.level == ENTRIES:
        return join_bundle([ENTRY] * wanted.width)
    return subtree(wanted.level * BITS) * wanted.width


@dataclass
class EqualObjects(MemoryObjects):
    """A bucket in which such a log lies; what is written later lies beside it."""

    size: int

    def __post_init__(self) -> None:
        super().__init__(Faults())

    def get(self, name: str) -> StoredObject | None:
        """The bytes that were written, or else a tile of the log."""
        found = super().get(name)
        path = _TILE.fullmatch(name)
        if found is not None or path is None:
            return found
        wanted = parse_path(path[1])
        last = wanted.index * 256 + wanted.width
        covered = self.size >> (BITS * max(wanted.level, 0))
        return StoredObject(tile(wanted), "equal") if last <= covered else None
