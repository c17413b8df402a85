"""A log as static files: C2SP tlog-tiles. Paths, widths, what a growth writes, and hashes read back out.

A hash tile holds up to 256 hashes of one level; level L counts complete subtrees of 256^L entries. Entries
lie in bundles of up to 256. Only the last tile of a level may be partial, and its width is part of its path,
so that no file ever changes. Files are not trusted: what is read to continue a log is checked against the
edge of the committed head, and what is read for a proof is checked by the proof.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.merkle import HASH_LENGTH, Edge, Growth, Node, leaf_hash, leaf_hashes, root

WIDTH = 256
BITS = 8
# The level of entry bundles, as golang.org/x/mod/sumdb/tlog numbers data tiles.
ENTRIES = -1
MAX_LEVEL = 63
# An entry's length is written in two bytes.
MAX_ENTRY = 65_535
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class TileFault(IntegrityFault):
    """A tile or entry bundle is missing, has the wrong length, or is not of its tree."""


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Tile `index` of `level` (or of the entries) holding `width` hashes (or entries), 1 to 256."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """`tile/<L>/<N>[.p/<W>]`: N in groups of three digits, all but the last marked by x."""
        groups = [f"{self.index % 1000:03d}"]
        rest = self.index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(groups)}{partial}"


Fetch = Callable[[Sequence[Tile]], Sequence[bytes]]


def parse_path(path: str) -> Tile:
    """The tile that `path` names; raises `Malformed` for every other spelling of it."""
    match = _PATH.fullmatch(path)
    if match:
        level = ENTRIES if match[1] == "entries" else int(match[1])
        tile = Tile(level, int(match[2].replace("x", "").replace("/", "")), int(match[3] or WIDTH))
        if level <= MAX_LEVEL and tile.path == path:
            return tile
    raise Malformed("not a tile path like tile/0/x001/234.p/56 (C2SP tlog-tiles)")


def tile_at(level: int, index: int, size: int) -> Tile:
    """Tile `index` of `level` as it is in a tree of `size` entries; raises `TileFault` if it is not in it."""
    count = (size >> (BITS * max(level, 0))) - index * WIDTH
    if count < 1:
        raise TileFault(f"a tree of {size} entries has no tile {index} at level {level}")
    return Tile(level, index, min(count, WIDTH))


def is_within(tile: Tile, size: int) -> bool:
    """Whether a tree of `size` entries has all that the tile holds; there it may be wider."""
    return tile.index * WIDTH + tile.width <= size >> (BITS * max(tile.level, 0))


def partials(size: int) -> list[Tile]:
    """The partial tiles of a tree of `size` entries, the entry bundle first: all that growth has to read."""
    tiles = []
    for level in range(ENTRIES, MAX_LEVEL + 1):
        count = size >> (BITS * max(level, 0))
        if not count:
            break
        if count % WIDTH:
            tiles.append(Tile(level, count // WIDTH, count % WIDTH))
    return tiles


def all_tiles(size: int) -> list[Tile]:
    """Every tile and bundle of a tree of `size` entries, partial ones only where the tree ends."""
    tiles = []
    for level in range(ENTRIES, MAX_LEVEL + 1):
        count = size >> (BITS * max(level, 0))
        if not count:
            break
        tiles += [tile_at(level, index, size) for index in range(-(-count // WIDTH))]
    return tiles


def grow(
    edge: Edge, old: Mapping[Tile, bytes], entries: Sequence[bytes], growth: Growth | None = None
) -> dict[Tile, bytes]:
    """The tiles and bundles that appending `entries` writes.

    `old` holds the contents of `partials(edge.size)`; raises `TileFault` if they are not those of `edge`.
    `growth` is that of `edge` by the leaves of `entries`, for whoever has computed it already.
    """
    check_partials(edge, old)
    grown = growth or edge.grown(leaf_hashes(entries))
    written = _grown_bundles(edge.size, old, entries)
    for level, added in enumerate(grown.levels[::BITS]):
        if added:
            written.update(_grown_row(level, edge.size >> (BITS * level), old, b"".join(added)))
    return written


def _grown_bundles(size: int, old: Mapping[Tile, bytes], entries: Sequence[bytes]) -> dict[Tile, bytes]:
    last = Tile(ENTRIES, size // WIDTH, size % WIDTH)
    head = min(WIDTH - last.width, len(entries))
    first = join_bundle(entries[:head])
    written = {Tile(ENTRIES, last.index, last.width + head): old[last] + first if last.width else first}
    for number, at in enumerate(range(head, len(entries), WIDTH), last.index + 1):
        chunk = entries[at : at + WIDTH]
        written[Tile(ENTRIES, number, len(chunk))] = join_bundle(chunk)
    return written if entries else {}


def _grown_row(level: int, count: int, old: Mapping[Tile, bytes], added: bytes) -> dict[Tile, bytes]:
    """The tiles of a level of `count` hashes that get `added` ones."""
    last = Tile(level, count // WIDTH, count % WIDTH)
    data, full = (old[last] if last.width else b"") + added, WIDTH * HASH_LENGTH
    return {
        Tile(level, last.index + at // full, min(full, len(data) - at) // HASH_LENGTH): data[at : at + full]
        for at in range(0, len(data), full)
    }


def check_partials(edge: Edge, old: Mapping[Tile, bytes]) -> None:
    """Raise `TileFault` unless the partial tiles in `old` are those of the tree with this edge."""
    found: tuple[bytes, ...] = ()
    for tile in partials(edge.size):
        if tile not in old:
            raise TileFault(f"{tile.path} is missing")
        if tile.level == ENTRIES:
            continue
        found = Edge().extended(_row(old, tile)).hashes + found
    if found != edge.hashes:
        raise TileFault(f"the partial tiles at size {edge.size} are not those of the committed tree")
    bundle = Tile(ENTRIES, edge.size // WIDTH, edge.size % WIDTH)
    if bundle.width:
        check_bundle(old[bundle], _row(old, Tile(0, bundle.index, bundle.width)), bundle)


def check_bundle(data: bytes, hashes: Sequence[bytes], bundle: Tile) -> list[bytes]:
    """The entries of a bundle with these leaf hashes; else raises `TileFault` naming the first odd one."""
    entries = split_bundle(data, bundle.path)
    if len(entries) != len(hashes):
        raise TileFault(f"{bundle.path} holds {len(entries)} entries, its tree {len(hashes)}")
    if leaf_hashes(entries) != list(hashes):
        odd = next(at for at, entry in enumerate(entries) if leaf_hash(entry) != hashes[at])
        raise TileFault(f"entry {bundle.index * WIDTH + odd} does not match its leaf in the tree")
    return entries


def split_tile(data: bytes, tile: Tile) -> list[bytes]:
    """The hashes of a tile; raises `TileFault` unless there are exactly `width` of them."""
    if len(data) != tile.width * HASH_LENGTH:
        raise TileFault(f"{tile.path} has {len(data)} bytes instead of {tile.width * HASH_LENGTH}")
    return [data[at : at + HASH_LENGTH] for at in range(0, len(data), HASH_LENGTH)]


def edge_of(size: int, data: bytes) -> Edge:
    """The edge of a tree of `size` entries, of its hashes; raises `TileFault` if they are too many or few."""
    if len(data) != size.bit_count() * HASH_LENGTH:
        raise TileFault(f"the edge of {size} entries does not have {len(data)} bytes")
    return Edge(size, tuple(data[at : at + HASH_LENGTH] for at in range(0, len(data), HASH_LENGTH)))


def join_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries as a bundle: for each its length in two bytes, big-endian, and itself."""
    if max(map(len, entries), default=0) > MAX_ENTRY:
        raise TileFault(f"an entry is longer than {MAX_ENTRY} bytes")
    parts = [b""] * (2 * len(entries))
    parts[::2] = [len(entry).to_bytes(2, "big") for entry in entries]
    parts[1::2] = entries
    return b"".join(parts)


def split_bundle(data: bytes, path: str = "the entry bundle") -> list[bytes]:
    """The entries of a bundle; raises `TileFault` if it ends within one."""
    entries, at, end = [], 0, len(data)
    while at < end:
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    if at > end:
        raise TileFault(f"{path} ends in the middle of an entry")
    return entries


@dataclass(frozen=True, slots=True)
class TileReader:
    """A `HashReader` over the tiles of a tree of `size` entries.

    For one proof it reads at most one tile per level on the way of the leaf, and one where the tree ends.
    With the tree's `edge` at hand the latter are not needed.
    """

    size: int
    fetch: Fetch
    edge: Edge | None = None

    def read(self, nodes: Sequence[Node]) -> list[bytes]:
        """The hashes of `nodes`, computed from as few tiles as hold them, each fetched once."""
        known = self.edge.nodes() if self.edge else {}
        tiles = list(dict.fromkeys(self._tile(node) for node in nodes if node not in known))
        rows = {tile: split_tile(data, tile) for tile, data in zip(tiles, self.fetch(tiles), strict=True)}
        return [known.get(node) or self._hash(node, rows[self._tile(node)]) for node in nodes]

    def _tile(self, node: Node) -> Tile:
        level, below = divmod(node.level, BITS)
        return tile_at(level, (node.index << below) // WIDTH, self.size)

    @staticmethod
    def _hash(node: Node, row: Sequence[bytes]) -> bytes:
        below = node.level % BITS
        start = (node.index << below) % WIDTH
        return root(row[start : start + (1 << below)])


def _row(old: Mapping[Tile, bytes], tile: Tile) -> list[bytes]:
    return split_tile(old[tile], tile) if tile.width else []
