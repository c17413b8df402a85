"""Tile layout: the specification's figures, another implementation's files, growth, and damage."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.kernel.errors import Malformed
from carevouch.ledger import merkle, tiles
from carevouch.ledger.tiles import ENTRIES, Tile, TileFault, parse_path
from tests.bench import equal_leaves
from tests.unit.ledger.logs import MemoryLog, numbered, tessera_log


def test_paths_are_those_of_the_specification() -> None:
    assert Tile(0, 1_234_067).path == "tile/0/x001/x234/067"
    assert Tile(2, 0, 1).path == "tile/2/000.p/1"
    assert Tile(ENTRIES, 5).path == "tile/entries/005"


@given(st.integers(-1, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_a_path_names_its_tile_and_no_other(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert parse_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000",
        "tile/64/000",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/0/1000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/../000",
        "tile/0/000/",
        "tile/data/000",
        "tile/0/x001/x234/x067",
        "tile/0/\u0660\u0660\u0660",
    ],
)
def test_every_other_spelling_of_a_path_is_refused(path: str) -> None:
    with pytest.raises(Malformed):
        parse_path(path)


def test_widths_at_size_70000_are_those_of_the_specification() -> None:
    every = tiles.all_tiles(70_000)
    by_level = {level: [t.width for t in every if t.level == level] for level in (ENTRIES, 0, 1, 2)}
    assert by_level[0] == by_level[ENTRIES] == [256] * 273 + [112]
    assert by_level[1] == [256, 17]
    assert by_level[2] == [1]
    assert len(every) == 274 * 2 + 3


def test_first_bundle_is_that_of_another_implementation() -> None:
    bundle = tiles.join_bundle([b"one", b"two", b"three"])
    assert bundle.hex() == "00036f6e65000374776f00057468726565"
    assert tiles.split_bundle(bundle) == [b"one", b"two", b"three"]


def test_growing_entry_by_entry_writes_exactly_the_files_of_another_implementation() -> None:
    theirs = tessera_log()
    entries = tiles.split_bundle(theirs["tile/entries/000.p/15"])
    log = MemoryLog()
    for entry in entries:
        log.append([entry])
    expected = {path: data for path, data in theirs.items() if path.startswith("tile/")}
    assert log.files == expected
    assert len(expected) == 30


def test_every_tile_of_another_implementation_holds_the_hashes_of_its_entries() -> None:
    files = tessera_log()
    entries = tiles.split_bundle(files["tile/entries/000.p/15"])
    for size in range(1, 16):
        bundle, row = tiles.all_tiles(size)
        hashes = tiles.split_tile(files[row.path], row)
        assert hashes == merkle.leaf_hashes(entries[:size])
        assert tiles.check_bundle(files[bundle.path], hashes, bundle) == entries[:size]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=6))
def test_however_a_log_grew_its_tiles_are_those_of_its_size(batches: list[int]) -> None:
    log, size = MemoryLog(), 0
    for count in batches:
        log.append(numbered(size, count))
        size += count
    fresh = MemoryLog()
    fresh.append(numbered(0, size))
    for tile in tiles.all_tiles(size):
        assert log.files[tile.path] == fresh.files[tile.path]
    assert log.edge == fresh.edge


def test_a_log_of_seventy_thousand_proves_out_of_four_tiles() -> None:
    log = MemoryLog()
    log.append(numbered(0, 70_000))
    asked: list[Tile] = []

    def fetch(wanted: object) -> list[bytes]:
        assert isinstance(wanted, list)
        asked.extend(wanted)
        return log.fetch(wanted)

    path = merkle.inclusion_proof(tiles.TileReader(70_000, fetch), 65_500, 70_000)
    merkle.verify_inclusion(65_500, 70_000, merkle.leaf_hash(b"entry 65500"), path, log.edge.root())
    # The leaf's own tile and, where the tree is ragged, the last one, on each level that has two.
    assert sorted(asked) == [Tile(0, 255), Tile(0, 273, 112), Tile(1, 0), Tile(1, 1, 17)]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 140_000), st.randoms(use_true_random=False))
def test_with_the_edge_at_hand_a_proof_reads_at_most_one_tile_a_level(size: int, random: Random) -> None:
    """Of a log of equal leaves, which has every size; and it is the same proof as without."""
    index, edge = random.randrange(size), equal_leaves.edge(size)
    asked: list[Tile] = []

    def fetch(wanted: Sequence[Tile]) -> list[bytes]:
        asked.extend(wanted)
        return [equal_leaves.tile(tile) for tile in wanted]

    path = merkle.inclusion_proof(tiles.TileReader(size, fetch, edge), index, size)
    levels = [tile.level for tile in asked]
    assert len(levels) == len(set(levels))
    assert path == merkle.inclusion_proof(tiles.TileReader(size, fetch), index, size)
    merkle.verify_inclusion(index, size, merkle.leaf_hash(equal_leaves.ENTRY), path, edge.root())


def test_an_edge_is_read_back_and_no_other_length_is_one() -> None:
    edge = equal_leaves.edge(70_000)
    data = b"".join(edge.hashes)
    assert tiles.edge_of(70_000, data) == edge
    assert edge.nodes()[merkle.Node(16, 0)] == edge.hashes[0]
    for wrong in (data[:-1], data + bytes(32), b""):
        with pytest.raises(TileFault):
            tiles.edge_of(70_000, wrong)


def test_proofs_between_sizes_come_out_of_the_tiles_of_the_larger() -> None:
    log, edges = MemoryLog(), []
    for count in (1, 254, 1, 1, 300, 213):
        log.append(numbered(log.edge.size, count))
        edges.append(log.edge)
    for new in edges:
        for old in edges:
            if old.size <= new.size:
                proof = merkle.consistency_proof(log.reader(new.size), old.size, new.size)
                merkle.verify_consistency(old.size, old.root(), new.size, new.root(), proof)
        assert merkle.edge_at(log.reader(new.size), new.size) == new


def test_a_log_is_not_continued_from_partial_tiles_of_another_tree() -> None:
    log = MemoryLog()
    log.append(numbered(0, 300))
    for tile in tiles.partials(300):
        broken = bytearray(log.files[tile.path])
        broken[-1] ^= 1
        old = {t: log.files[t.path] for t in tiles.partials(300)} | {tile: bytes(broken)}
        with pytest.raises(TileFault):
            tiles.grow(log.edge, old, [b"more"])


def test_a_missing_partial_tile_is_named() -> None:
    log = MemoryLog()
    log.append(numbered(0, 3))
    with pytest.raises(TileFault, match=r"tile/entries/000.p/3 is missing"):
        tiles.grow(log.edge, {}, [b"more"])


def test_a_bundle_that_ends_within_an_entry_is_refused() -> None:
    for cut in (1, 2, 4):
        with pytest.raises(TileFault, match="middle"):
            tiles.split_bundle(tiles.join_bundle([b"one"])[:cut])


def test_an_entry_above_the_formats_limit_is_refused() -> None:
    with pytest.raises(TileFault, match="65535"):
        tiles.join_bundle([b"x" * 65_536])


def test_an_entry_that_is_not_its_leaf_is_named() -> None:
    hashes = [merkle.leaf_hash(entry) for entry in (b"one", b"two")]
    with pytest.raises(TileFault, match="entry 257"):
        tiles.check_bundle(tiles.join_bundle([b"one", b"too"]), hashes, Tile(ENTRIES, 1, 2))


@given(
    st.integers(-1, 2), st.integers(0, 3), st.integers(1, 256), st.integers(0, 200_000) | st.integers(0, 800)
)
def test_a_tile_is_within_the_trees_that_have_it_at_least_as_wide(
    level: int, index: int, width: int, size: int
) -> None:
    widths = {(tile.level, tile.index): tile.width for tile in tiles.all_tiles(size)}
    assert tiles.is_within(Tile(level, index, width), size) == (widths.get((level, index), 0) >= width)
