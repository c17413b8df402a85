"""History between two times and as-of, beside a model that tries every instant."""

from hypothesis import given
from hypothesis import strategies as st

from carevouch.kernel.times import later
from carevouch.records.timeline import NEVER, current_at, current_between
from tests.unit.sealing.acts import START

# Few instants, so that equal times, unsealed versions and versions sealed out of order are common.
TIMES = st.lists(st.none() | st.integers(0, 6), max_size=6)


def text(second: int) -> str:
    return later(START, second)


def naive(times: list[int | None], at: int) -> int | None:
    """The current version at second `at`, by replaying the seals one by one."""
    current = None
    for now in range(at + 1):
        for index, time in enumerate(times):
            if time == now and (current is None or index > current):
                current = index
    return current


@given(TIMES, st.integers(-1, 8))
def test_as_of_agrees_with_replaying_the_seals(times: list[int | None], at: int) -> None:
    known = [None if time is None else text(time) for time in times]
    assert current_at(known, text(at)) == naive(times, at)


@given(TIMES, st.integers(-1, 8), st.integers(-1, 8))
def test_history_is_all_that_was_current_at_some_instant(
    times: list[int | None], start: int, end: int
) -> None:
    known = [None if time is None else text(time) for time in times]
    expected = {naive(times, at) for at in range(start, end)} - {None}
    assert current_between(known, text(start), text(end)) == sorted(expected)  # type: ignore[type-var]


@given(TIMES)
def test_without_an_end_the_current_version_is_always_there(times: list[int | None]) -> None:
    known = [None if time is None else text(time) for time in times]
    current = naive(times, 10)
    assert current_between(known, text(10), NEVER) == ([] if current is None else [current])


def test_a_version_sealed_after_its_successor_was_never_current() -> None:
    assert current_between([text(5), text(3)], "", NEVER) == [1]
    assert current_at([text(5), text(3)], text(5)) == 1
