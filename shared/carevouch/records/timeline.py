"""Which version of a document was current when, by block time: QLDB's `history()` and as-of reads.

A version counts from the time of the block that holds its event; a producer's time is a claim and decides
nothing. With several strands a later version may be sealed before an earlier one: the highest version that
is sealed is the current one, so the earlier never was. Times are instants, whose text order is time order;
None is a version that is not sealed.
"""

from collections.abc import Sequence

Times = Sequence[str | None]


def current_at(times: Times, at: str) -> int | None:
    """The index of the version current at the instant `at`; None before the first."""
    sealed = [index for index, time in enumerate(times) if time is not None and time <= at]
    return max(sealed, default=None)


def current_between(times: Times, start: str, end: str) -> list[int]:
    """The indices of the versions that were current at some instant from `start` on and before `end`."""
    return [
        index
        for index, (time, until) in enumerate(zip(times, _ends(times), strict=True))
        if time is not None and max(time, start) < min(until, end)
    ]


# Earlier and later than every instant.
FIRST, NEVER = "", "~"


def _ends(times: Times) -> list[str]:
    """For each version when one that follows it was sealed first."""
    ends, end = [], NEVER
    for time in reversed(times):
        ends.append(end)
        end = min(end, time or NEVER)
    return ends[::-1]
