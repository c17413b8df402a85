"""Copies: exactly the tiles that are lacking, each proved by the signed root before it is believed."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.merkle import Edge, leaf_hashes
from carevouch.ledger.mirror import SignedTree, count_lacking, edge_tiles, lacking, narrowed
from carevouch.ledger.tiles import ENTRIES, Tile, TileFault, all_tiles, partials
from tests.unit.ledger.logs import ORIGIN, MemoryLog, numbered

SIZES = st.one_of(st.integers(0, 70_000), st.integers(0, 2**40))
LOG = MemoryLog()
LOG.append(numbered(0, 66_000))
HEAD = Checkpoint(ORIGIN, LOG.edge.size, LOG.edge.root())


@given(SIZES, st.integers(0, 1_000))
def test_what_a_copy_lacks_is_what_the_larger_tree_has_and_the_smaller_had_not(old: int, more: int) -> None:
    tiles = list(lacking(old, old + more))
    assert len(tiles) == len(set(tiles)) == count_lacking(old, old + more)
    if old < 70_000:
        assert set(tiles) == set(all_tiles(old + more)) - set(all_tiles(old))


@given(st.integers(0, 70_000), st.integers(0, 2_000))
def test_each_tile_comes_after_the_one_that_proves_it(old: int, more: int) -> None:
    levels = [tile.level for tile in lacking(old, old + more)]
    assert levels == sorted(levels, reverse=True)
    assert edge_tiles(old) == [tile for tile in partials(old) if tile.level != ENTRIES]


def test_every_tile_of_the_tree_is_proved() -> None:
    tree = SignedTree(HEAD, LOG.fetch)
    for tile in lacking(0, HEAD.size):
        tree.check(tile, LOG.files[tile.path])


@given(st.data())
@settings(max_examples=60)
def test_a_flipped_byte_of_any_tile_is_refused(data: st.DataObject) -> None:
    tile = data.draw(st.sampled_from(all_tiles(HEAD.size)))
    content = LOG.files[tile.path]
    at = data.draw(st.integers(0, len(content) - 1))
    broken = content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :]
    with pytest.raises(TileFault):
        SignedTree(HEAD, LOG.fetch).check(tile, broken)


@given(st.data())
@settings(max_examples=40)
def test_a_tile_is_not_proved_by_hashes_that_are_not_of_the_tree(data: st.DataObject) -> None:
    """The server of the tiles serves the tiles above them too, so these are not trusted either."""
    lie = data.draw(st.sampled_from([tile for tile in all_tiles(HEAD.size) if tile.level > 0]))
    content = bytes([LOG.files[lie.path][0] ^ 1]) + LOG.files[lie.path][1:]

    def fetch(tiles: Sequence[Tile]) -> list[bytes]:
        return [content if tile == lie else LOG.files[tile.path] for tile in tiles]

    below = Tile(0, lie.index << 8 * lie.level)
    with pytest.raises(TileFault):
        SignedTree(HEAD, fetch).check(below, LOG.files[below.path])


@pytest.mark.parametrize("tile", [Tile(0, 5, 3), Tile(0, 1_000), Tile(3, 0), Tile(0, 257, 255)])
def test_a_tile_that_the_tree_has_not_is_refused(tile: Tile) -> None:
    with pytest.raises(TileFault, match="has no tile"):
        SignedTree(HEAD, LOG.fetch).check(tile, bytes(32 * tile.width))


@given(st.integers(0, HEAD.size))
@settings(max_examples=40)
def test_the_root_of_any_earlier_size_is_that_of_its_entries(size: int) -> None:
    expected = Edge().extended(leaf_hashes(numbered(0, size))).root()
    assert SignedTree(HEAD, LOG.fetch).root_at(size) == expected


@pytest.mark.parametrize("level", [ENTRIES, 0])
def test_a_partial_tile_is_the_beginning_of_the_full_one(level: int) -> None:
    log = MemoryLog()
    log.append(numbered(0, 100))
    log.append(numbered(100, 200))
    partial, full = Tile(level, 0, 100), Tile(level, 0)
    assert narrowed(log.files[full.path], full, partial) == log.files[partial.path]
