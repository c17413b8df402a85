"""The current version of a document at a time, by block time: QLDB's `history()` and as-of reads.

A version counts from the time of the block that holds its event. A producer's time is a claim and decides
nothing. With several strands a later version may be sealed before an earlier one. The highest sealed version
is the current one, so the earlier version never was. Times are instants, whose text order is time order. An
unsealed version has no time (None).
"""

from collections.abc import Sequence

Times = Sequence[str | None]
# Earlier and later than every instant.
FIRST, NEVER = "", "~"


def current_at(times: Times, at: str) -> int | None:
    """The index of the version current at the instant `at`; None before the first."""
    sealed = [index for index, time in enumerate(times) if time is not None and time <= at]
    return max(sealed, default=None)


def current_between(times: Times, start: str, end: str) -> list[int]:
    """The indices of the versions that were current at some instant of [`start`, `end`)."""
    current, until = [], NEVER
    for index in range(len(times) - 1, -1, -1):
        # `until` is the first time at which a version that follows this one was sealed.
        time = times[index]
        if time is not None and max(time, start) < min(until, end):
            current.append(index)
        until = min(until, time or NEVER)
    return current[::-1]
