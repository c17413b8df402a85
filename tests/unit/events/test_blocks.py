"""Every entry's block is found from the entries alone, and so is the place where a time begins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.events.blocks import Bundle, block_at, blocks_from, closed_by, first_since
from carevouch.events.seal import SEAL_TYP
from carevouch.kernel.jws import sign
from carevouch.kernel.times import later
from carevouch.ledger.block import Block, BlockFault
from tests.unit.sealing.acts import START, House

SEAL = House().seal
FILLING = sign({"v": 1}, "carevouch-other+jws", SEAL).encode()
SHAPES = st.lists(
    st.tuples(st.one_of(st.integers(1, 4), st.integers(200, 600)), st.integers(0, 2)), max_size=8
)


def log(shapes: list[tuple[int, int]]) -> tuple[list[bytes], list[tuple[Block, str]]]:
    """Entries of blocks with so many entries, each so many seconds after the one before."""
    entries: list[bytes] = []
    blocks: list[tuple[Block, str]] = []
    time = START
    for number, (count, seconds) in enumerate(shapes):
        time = later(time, seconds)
        block = Block(number, len(entries), count, None)
        seal = sign({"v": 1, "type": "block.sealed", "time": time, "data": block.data}, SEAL_TYP, SEAL)
        entries += [*[FILLING] * (count - 1), seal.encode()]
        blocks.append((block, time))
    return entries, blocks


def bundles(entries: list[bytes], read: list[int] | None = None) -> Bundle:
    def bundle(number: int) -> list[bytes]:
        if read is not None:
            read.append(number)
        return entries[number * 256 : (number + 1) * 256]

    return bundle


@settings(max_examples=25, deadline=None)
@given(SHAPES, st.data())
def test_the_block_of_an_entry_is_that_whose_range_holds_it(
    shapes: list[tuple[int, int]], data: st.DataObject
) -> None:
    entries, blocks = log(shapes)
    found = list(blocks_from(0, len(entries), bundles(entries)))
    assert [(one.block, one.time) for one in found] == blocks
    for _ in range(3 if entries else 0):
        index = data.draw(st.integers(0, len(entries) - 1))
        one = block_at(index, len(entries), bundles(entries))
        assert one.block.first <= index < one.block.end


@settings(max_examples=25, deadline=None)
@given(SHAPES, st.integers(-1, 17))
def test_a_time_begins_with_the_first_block_that_is_not_before_it(
    shapes: list[tuple[int, int]], seconds: int
) -> None:
    entries, blocks = log(shapes)
    time = later(START, seconds)
    expected = next((block.first for block, sealed in blocks if sealed >= time), len(entries))
    assert first_since(time, len(entries), bundles(entries)) == expected


def test_a_time_is_found_by_reading_few_bundles() -> None:
    entries, _ = log([(64, 1)] * 4 * 100)
    read: list[int] = []
    first_since(later(START, 200), len(entries), bundles(entries, read))
    assert len(set(read)) <= 9


def test_a_seal_that_counts_otherwise_is_no_end_of_a_block() -> None:
    entries, _ = log([(3, 0), (2, 0)])
    for broken in ([*entries[:1], *entries], entries[:2], entries[1:]):
        with pytest.raises(BlockFault):
            list(blocks_from(0, len(broken), bundles(broken)))


def test_only_a_block_sealed_closes_a_block() -> None:
    entries, _ = log([(2, 0)])
    assert closed_by(entries[0]) is None
    rejected = {"hash": "A" * 43, "reason": "?"}
    seal = sign({"v": 1, "type": "event.rejected", "time": START, "data": rejected}, SEAL_TYP, SEAL)
    assert closed_by(seal.encode()) is None
    closing = closed_by(entries[1])
    assert closing is not None
    assert (closing.text.encode(), closing.block.count) == (entries[1], 2)
