"""Vectors of the tree and of its files: roots, proofs, proofs that are none, tiles, bundles and their paths.

The entries are `entry 0`, `entry 1` and so on in ASCII: another implementation can make every tree itself.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from carevouch.kernel.encoding import b64u, sha256
from carevouch.ledger.merkle import (
    Edge,
    consistency_proof,
    inclusion_path,
    leaf_hashes,
    root,
)
from carevouch.ledger.tiles import ENTRIES, Tile, TileReader, all_tiles, grow, join_bundle, partials
from tests.vectors.frozen import flipped
from tests.vectors.seed import Rows

# All proofs of the small trees; around a full tile, those on both sides of each border.
SMALL, BORDER = range(21), (255, 256, 257)
AROUND = (0, 1, 127, 128, 254, 255, 256)
# Sizes on both sides of a full tile, and one whose tiles reach level 2, of which only the ends are listed.
TILED, TALL = (1, 2, 255, 256, 257, 300, 512, 513), 65_793
INCLUDED = ((0, 1), (1, 2), (2, 3), (3, 7), (0, 8), (12, 13), (255, 256), (256, 257))
CONTINUED = ((1, 2), (2, 3), (4, 7), (6, 8), (8, 13), (255, 257), (256, 257))
PLACES = ((0, 0), (1, 999), (2, 1_000), (5, 67), (63, 0), (0, 1_234_067), (0, 10**9), (ENTRIES, 256_000))


def entries(size: int) -> list[bytes]:
    """The first entries of the log."""
    return [b"entry %d" % index for index in range(size)]


@cache
def leaves(size: int) -> list[bytes]:
    """Their leaf hashes."""
    return leaf_hashes(entries(size))


def inclusion(index: int, size: int) -> list[bytes]:
    """The path of an entry."""
    return inclusion_path(leaves(size), index)


def consistency(old: int, new: int) -> list[bytes]:
    """The proof between two sizes, out of the tiles of the larger."""
    files = grow(Edge(), {}, entries(new))
    reader = TileReader(new, lambda tiles: [files[tile] for tile in tiles])
    return consistency_proof(reader, old, new)


def trees() -> Rows:
    """For each size the root, paths of entries, and proofs from earlier sizes with their roots."""
    rows: Rows = []
    for size in (*SMALL, *BORDER):
        places = range(size + 1) if size in SMALL else [place for place in (*AROUND, 257) if place <= size]
        paths = [{"index": each, "path": _text(inclusion(each, size))} for each in places if each < size]
        growth = [
            {"old": old, "old_root": b64u(root(leaves(old))), "proof": _text(consistency(old, size))}
            for old in places
        ]
        rows.append(
            {"size": size, "root": b64u(root(leaves(size))), "inclusion": paths, "consistency": growth}
        )
    return rows


def refusals() -> Rows:
    """The nearest neighbours of true proofs; each must be refused."""
    rows = [_included(*each) for index, size in INCLUDED for each in _changed_paths(index, size)]
    return rows + [_continued(*each) for old, new in CONTINUED for each in _changed_growth(old, new)]


def _changed_paths(index: int, size: int) -> Iterator[tuple[str, int, int, bytes, list[bytes], bytes]]:
    leaf, path, head = leaves(size)[index], inclusion(index, size), root(leaves(size))
    yield "another leaf", index, size, flipped(leaf), path, head
    yield "another root", index, size, leaf, path, flipped(head)
    yield "one hash more", index, size, leaf, [*path, head], head
    yield "outside the tree", size, size, leaf, path, head
    for other in {(index + 1) % size, (index - 1) % size} - {index}:
        yield f"index {other}", other, size, leaf, path, head
    for why, changed in _changed_hashes(path):
        yield why, index, size, leaf, changed, head


def _changed_growth(old: int, new: int) -> Iterator[tuple[str, int, bytes, int, bytes, list[bytes]]]:
    roots, proof = (root(leaves(old)), root(leaves(new))), consistency(old, new)
    yield "another old root", old, flipped(roots[0]), new, roots[1], proof
    yield "another new root", old, roots[0], new, flipped(roots[1]), proof
    yield "the roots swapped", old, roots[1], new, roots[0], proof
    yield "the sizes swapped", new, roots[1], old, roots[0], proof
    yield "one hash more", old, roots[0], new, roots[1], [*proof, roots[1]]
    yield "a tree and itself", old, roots[0], old, roots[0], proof
    for why, changed in _changed_hashes(proof):
        yield why, old, roots[0], new, roots[1], changed


def _changed_hashes(proof: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    for at in sorted({0, len(proof) - 1} if proof else ()):
        yield f"hash {at} changed", [*proof[:at], flipped(proof[at]), *proof[at + 1 :]]
    if proof:
        yield "one hash less", proof[:-1]
        yield "a hash of 31 bytes", [proof[0][:31], *proof[1:]]
    if len(proof) > 1:
        yield "two hashes swapped", [proof[1], proof[0], *proof[2:]]


def _included(why: str, index: int, size: int, leaf: bytes, path: list[bytes], head: bytes) -> dict[str, Any]:
    return {
        "kind": "inclusion",
        "why": why,
        "index": index,
        "size": size,
        "leaf": b64u(leaf),
        "proof": _text(path),
        "root": b64u(head),
    }


def _continued(
    why: str, old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]
) -> dict[str, Any]:
    return {
        "kind": "consistency",
        "why": why,
        "old": old,
        "old_root": b64u(old_root),
        "new": new,
        "new_root": b64u(new_root),
        "proof": _text(proof),
    }


def tiles() -> Rows:
    """For each size the SHA-256 of every file of the log; of a tall one of those at its end."""
    rows: Rows = []
    for size in (*TILED, TALL):
        files = grow(Edge(), {}, entries(size))
        shown = partials(size) if size == TALL else all_tiles(size)
        sums = {tile.path: b64u(sha256(files[tile])) for tile in shown}
        rows.append({"size": size, "root": b64u(root(leaves(size))), "files": sums})
    return rows


def bundles() -> Rows:
    """Entries, and the bundle that holds them."""
    batches: Sequence[list[bytes]] = (
        [b"one", b"two", b"three"],
        [b""],
        [b"", b"a", b""],
        [bytes(range(256))],
    )
    return [
        {"entries": [b64u(entry) for entry in batch], "bundle": b64u(join_bundle(batch))} for batch in batches
    ]


def tile_paths() -> Rows:
    """Paths of full and partial tiles, each with its place; without a place, what is no path."""
    places = [Tile(level, index, width) for level, index in PLACES for width in (256, 255, 1)]
    rows: Rows = [
        {"level": each.level, "index": each.index, "width": each.width, "path": each.path} for each in places
    ]
    wrong = ("tile/00/000", "tile/64/000", "tile/0/0", "tile/0/x000/000", "tile/0/1000", "tile/data/000")
    parts = (
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/001/x000",
    )
    return rows + [{"path": path, "level": None} for path in (*wrong, *parts)]


def _text(hashes: Sequence[bytes]) -> list[str]:
    return [b64u(hash_) for hash_ in hashes]


FILES = {
    "trees": trees,
    "refusals": refusals,
    "tiles": tiles,
    "bundles": bundles,
    "tile_paths": tile_paths,
}
