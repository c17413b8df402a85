"""Blocks follow each other, and each way of not following is named."""

import pytest

from carevouch.ledger.block import Block, BlockFault, check_follows, parse_block

HASH = bytes(32)


def test_a_block_reads_back() -> None:
    for block in (Block(0, 0, 3, None), Block(1, 3, 1, HASH)):
        assert parse_block(block.data) == block


@pytest.mark.parametrize(
    "change",
    [
        {"number": -1},
        {"number": True},
        {"first": "0"},
        {"first": 1.0},
        {"count": 0},
        {"prev": "AA"},
        {"prev": 5},
        {"prev": "!" * 43},
        {"more": 1},
    ],
)
def test_what_is_not_a_block_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BlockFault):
        parse_block({**Block(1, 3, 1, HASH).data, **change})


def test_a_block_that_does_not_follow_is_named() -> None:
    block = Block(1, 3, 2, HASH)
    check_follows(block, 1, 3, HASH)
    for number, first, prev, words in ((2, 3, HASH, "block 2"), (1, 4, HASH, "begins"), (1, 3, None, "link")):
        with pytest.raises(BlockFault, match=words):
            check_follows(block, number, first, prev)
