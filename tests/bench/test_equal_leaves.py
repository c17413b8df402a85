"""The log of equal leaves is the log that the product makes of them."""

import pytest

from carevouch.ledger.merkle import Edge, leaf_hash
from carevouch.ledger.tiles import all_tiles, grow
from tests.bench import equal_leaves


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 1_000, 66_000])
def test_edge_and_tiles_are_those_of_the_product(size: int) -> None:
    written = grow(Edge(), {}, [equal_leaves.ENTRY] * size)
    assert equal_leaves.edge(size) == Edge().extended([leaf_hash(equal_leaves.ENTRY)] * size)
    for tile in all_tiles(size):
        assert equal_leaves.tile(tile) == written[tile]


def test_beyond_its_size_it_has_nothing_and_what_is_written_is_kept() -> None:
    objects = equal_leaves.EqualObjects(300)
    assert objects.get("0/tile/0/000") is not None
    assert objects.get("0/tile/0/001.p/44") is not None
    assert objects.get("0/tile/0/001.p/45") is None
    assert objects.get("0/checkpoint") is None
    objects.create("0/tile/0/001.p/45", b"written")
    found = objects.get("0/tile/0/001.p/45")
    assert found is not None
    assert found.data == b"written"
