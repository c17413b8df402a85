"""A position has one spelling, and none but those that a feed hands out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.events.position import Place, check_within, parse_position, render_position
from carevouch.kernel.errors import Invalid
from carevouch.ledger.checkpoint import MAX_STRANDS

PLACES = st.builds(Place, st.integers(0, 10**9), st.integers(0, 4_999))


@given(st.dictionaries(st.integers(0, 63), PLACES, max_size=64))
def test_a_position_reads_back_as_it_was_written(position: dict[int, Place]) -> None:
    text = render_position(position)
    assert parse_position(text) == {strand: place for strand, place in position.items() if place != Place()}
    assert render_position(parse_position(text)) == text


@pytest.mark.parametrize(
    "text",
    [",", "0", "0:", ":1", "0:1;1:2", "0:1,", " 0:1", "0:1 ", "00:1", "0:01", "0:1.0", "0:1.01", "0:1.",
     "-1:2", "0:-2", "1:1,0:1", "0:1,0:2", "0:0", "0:1,1:0", "0:+1", "0:\u0661", "0:1.10000", "0:1\n",
     "9" * 16 + ":1",
     ",".join(f"{at}:1" for at in range(2_000))],
)  # fmt: skip
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="position"):
        parse_position(text)


def test_the_largest_place_in_each_of_the_most_strands_reads_back() -> None:
    most = {strand: Place(10**15 - 1, 9_999) for strand in range(MAX_STRANDS)}
    assert parse_position(render_position(most)) == most


def test_no_text_is_longer_than_that() -> None:
    with pytest.raises(Invalid, match="position"):
        parse_position(
            render_position({strand: Place(10**15 - 1, 9_999) for strand in range(MAX_STRANDS + 1)})
        )


@given(st.text(max_size=30))
def test_no_text_but_a_positions_spelling_is_taken(text: str) -> None:
    try:
        position = parse_position(text)
    except Invalid:
        return
    assert render_position(position) == text


def test_a_position_lies_within_what_is_published() -> None:
    sizes = {0: 5, 1: 0}
    for good in ({}, {0: Place(5)}, {0: Place(4, 7)}, {1: Place(0)}):
        check_within(good, sizes)
    for bad in ({0: Place(6)}, {0: Place(5, 1)}, {1: Place(0, 1)}, {2: Place(0)}):
        with pytest.raises(Invalid):
            check_within(bad, sizes)
