"""Partial dates as intervals (http://hl7.org/fhir/R4/search.html#date): `2024-02` is the whole of February.

An interval is two integers: microseconds since year 1 in UTC, the second excluded. Integers, because a date
with a zone near the ends of the calendar has no `datetime`. A date without a zone is read as UTC.
"""

import re
from datetime import date

from carevouch.kernel.errors import Malformed

_FORM = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?",
    re.ASCII,
)
_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_DAY = 24 * 60 * _MINUTE

Interval = tuple[int, int]


def interval(text: str, what: str = "the date") -> Interval:
    """The first instant of `text`, and the first instant after it.

    Raises `Malformed`, which calls the text `what`, for a date that no calendar has.
    """
    match = _FORM.fullmatch(text)
    if not match:
        raise Malformed(f"{what} is not a date such as 2024, 2024-02, 2024-02-29 or 2024-02-29T10:00:00Z")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        first = date(int(year), int(month or 1), int(day or 1)).toordinal() * _DAY
    except ValueError:
        raise Malformed(f"{what} is not a day of the calendar") from None
    if day is None:
        # The day after 31 December is counted, since year 9999 has no next year here.
        if month is None or month == "12":
            return first, (date(int(year), 12, 31).toordinal() + 1) * _DAY
        return first, date(int(year), int(month) + 1, 1).toordinal() * _DAY
    if hour is None:
        return first, first + _DAY
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 60:
        raise Malformed(f"{what} is not a time of day")
    start = first + (int(hour) * 60 + int(minute)) * _MINUTE
    if zone is not None and zone != "Z":
        offset = (int(zone[1:3]) * 60 + int(zone[4:6])) * _MINUTE
        start -= offset if zone[0] == "+" else -offset
    if second is None:
        return start, start + _MINUTE
    start += min(int(second), 59) * _SECOND
    if not fraction:
        return start, start + _SECOND
    unit = 10 ** max(0, 6 - len(fraction))
    start += int(fraction[:6]) * unit
    return start, start + unit


def precedes(start: str, end: str) -> bool:
    """Whether a period may run from `start` to `end`, at the precision of both (per-1)."""
    if "T" in start and "T" in end:
        return interval(start)[0] <= interval(end)[0]
    shared = min(len(start), len(end), 10)
    return start[:shared] <= end[:shared]
