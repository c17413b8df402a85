"""The watcher of checkpoint sizes, on cases that a person can follow."""

import pytest

from tests.bench.publication import Sightings, quantile, waits


def seen() -> Sightings:
    """Strand 0 grew to 2 at second 1 and to 5 at second 4; strand 1 to 1 at second 2."""
    found = Sightings()
    for strand, size, now in [(0, 0, 0.0), (0, 2, 1.0), (1, 1, 2.0), (0, 2, 3.0), (0, 5, 4.0)]:
        found.see(strand, size, now)
    return found


@pytest.mark.parametrize(
    ("strand", "index", "time"),
    [
        (0, 0, 1.0),
        (0, 1, 1.0),
        (0, 2, 4.0),
        (0, 4, 4.0),
        (0, 5, None),
        (1, 0, 2.0),
        (1, 1, None),
        (2, 0, None),
    ],
)
def test_an_entry_is_covered_when_a_size_above_its_index_is_first_seen(
    strand: int, index: int, time: float | None
) -> None:
    assert seen().covered(strand, index) == time


def test_an_event_waits_from_accepted_to_covered_and_one_not_covered_is_left_out() -> None:
    places = {"a": (0, 1), "b": (0, 2), "c": (0, 5)}
    assert waits(seen(), {"a": 0.5, "b": 0.5, "c": 0.5}, places) == {"a": 0.5, "b": 3.5}


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100), (0.0, 1)])
def test_a_quantile_is_one_of_the_values(share: float, value: int) -> None:
    assert quantile(list(range(100, 0, -1)), share) == value
