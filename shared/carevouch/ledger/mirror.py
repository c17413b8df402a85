"""Copies a log: finds the tiles that a copy lacks, and proves each before it is kept (C2SP tlog-tiles).

A copy is trusted only as far as the log's signature reaches. So tiles are checked from the top of the tree
down. The partial tiles at the right edge together give the signed root. A full tile must have the hash in the
tile above it, and an entry bundle the hashes of its tile. A tile that fails is refused. This file decides
which tiles to fetch; its callers know how to fetch and store them.
"""

from collections import OrderedDict
from collections.abc import Iterator

from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.merkle import Edge, edge_at, root
from carevouch.ledger.tiles import (
    BITS,
    ENTRIES,
    MAX_LEVEL,
    WIDTH,
    Fetch,
    Tile,
    TileFault,
    TileReader,
    check_bundle,
    join_bundle,
    split_bundle,
    split_tile,
    tile_at,
)

# Rows of hashes that are cached. Tiles come in order, so the tile above is nearly always the last one.
_KEPT = 64


class SignedTree:
    """The tree of a verified checkpoint. It checks whether a tile belongs to this tree."""

    def __init__(self, head: Checkpoint, fetch: Fetch) -> None:
        """`fetch` gets hash tiles from any source. Each is checked before it is used."""
        self.head = head
        self._fetch = fetch
        self._rows: OrderedDict[Tile, list[bytes]] = OrderedDict()

    def check(self, tile: Tile, data: bytes) -> None:
        """Raise `TileFault` unless `data` is this tile or entry bundle of the signed tree."""
        if tile.level == ENTRIES:
            check_bundle(data, self._row(tile_at(0, tile.index, self.head.size)), tile)
        else:
            row = split_tile(data, tile)
            self._check_row(tile, row)
            self._remember(tile, row)

    def root_at(self, size: int) -> bytes:
        """The root of the tree at an earlier size."""
        reader = TileReader(self.head.size, lambda tiles: [b"".join(self._row(tile)) for tile in tiles])
        return edge_at(reader, size).root()

    def _row(self, tile: Tile) -> list[bytes]:
        """The tile's hashes, checked."""
        row = self._rows.get(tile)
        if row is None:
            (data,) = self._fetch([tile])
            row = split_tile(data, tile)
            self._check_row(tile, row)
            self._remember(tile, row)
        self._rows.move_to_end(tile)
        return row

    def _check_row(self, tile: Tile, row: list[bytes]) -> None:
        if tile != tile_at(tile.level, tile.index, self.head.size):
            raise TileFault(f"a tree of {self.head.size} entries has no {tile.path}")
        if tile.width < WIDTH:
            good = row == self._edge()[tile]
        else:
            above = self._row(tile_at(tile.level + 1, tile.index // WIDTH, self.head.size))
            good = root(row) == above[tile.index % WIDTH]
        if not good:
            raise TileFault(f"{tile.path} does not belong to the tree whose root the log signed")

    def _edge(self) -> dict[Tile, list[bytes]]:
        """The partial tiles. Together they must give the signed root, or all of them are refused."""
        tiles = edge_tiles(self.head.size)
        if not all(tile in self._rows for tile in tiles):
            rows = dict(zip(tiles, map(split_tile, self._fetch(tiles), tiles), strict=True))
            hashes = [hash_ for tile in reversed(tiles) for hash_ in Edge().extended(rows[tile]).hashes]
            if Edge(self.head.size, tuple(hashes)).root() != self.head.root:
                paths = ", ".join(tile.path for tile in tiles)
                raise TileFault(f"{paths}: together these tiles do not have the root that the log signed")
            for tile, row in rows.items():
                self._remember(tile, row)
        return {tile: self._rows[tile] for tile in tiles}

    def _remember(self, tile: Tile, row: list[bytes]) -> None:
        self._rows[tile] = row
        while len(self._rows) > _KEPT:
            self._rows.popitem(last=False)


def edge_tiles(size: int) -> list[Tile]:
    """The partial hash tiles of a tree of `size` entries, the lowest first."""
    tiles = []
    for level in range(MAX_LEVEL + 1):
        count = size >> (BITS * level)
        if count % WIDTH:
            tiles.append(Tile(level, count // WIDTH, count % WIDTH))
    return tiles


def lacking(old_size: int, size: int) -> Iterator[Tile]:
    """The tiles of a tree of `size` entries that its copy at `old_size` lacks, from the top down.

    Entry bundles come last. In this order each can be checked by what came before it.
    """
    for level in range(MAX_LEVEL, ENTRIES - 1, -1):
        for index in _lacking(level, old_size, size):
            yield tile_at(level, index, size)


def count_lacking(old_size: int, size: int) -> int:
    """The number of tiles that `lacking` gives."""
    return sum(len(_lacking(level, old_size, size)) for level in range(ENTRIES, MAX_LEVEL + 1))


def narrowed(data: bytes, full: Tile, tile: Tile) -> bytes:
    """The partial `tile`, cut from the full tile that it became, for a log that removed the partial one."""
    if tile.level == ENTRIES:
        return join_bundle(split_bundle(data, full.path)[: tile.width])
    return b"".join(split_tile(data, full)[: tile.width])


def _lacking(level: int, old_size: int, size: int) -> range:
    old, count = (number >> (BITS * max(level, 0)) for number in (old_size, size))
    return range(old // WIDTH, -(-count // WIDTH)) if count > old else range(0)
