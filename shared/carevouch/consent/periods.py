"""Partial dates and periods (FHIR R4 date, dateTime, instant, Period) as half-open intervals of UTC instants.

"2022-12-31" is a whole day, "2022" a whole year, "10:00:00" a whole second: an end covers all that it
names. A date without a zone is read in the tenant's declared zone, never in the machine's. What cannot be
read raises; nothing is guessed.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

_FORM = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)


class Interval(NamedTuple):
    """From `low` (included) to `high` (excluded), aware UTC datetimes; None has no bound on that side."""

    low: datetime | None
    high: datetime | None

    def holds(self, moment: datetime) -> bool:
        """Whether `moment` lies in it."""
        return (self.low is None or self.low <= moment) and (self.high is None or moment < self.high)

    def contains(self, other: "Interval") -> bool:
        """Whether `other` lies wholly in it."""
        starts = self.low is None or (other.low is not None and self.low <= other.low)
        ends = self.high is None or (other.high is not None and other.high <= self.high)
        return starts and ends

    def overlaps(self, other: "Interval") -> bool:
        """Whether any instant lies in both."""
        before = self.high is not None and other.low is not None and self.high <= other.low
        after = self.low is not None and other.high is not None and other.high <= self.low
        return not before and not after

    def is_empty(self) -> bool:
        """Whether it ends before it starts, so that nothing ever lies in it."""
        return self.low is not None and self.high is not None and self.high <= self.low


def interval_of(text: Any, zone: tzinfo) -> Interval:
    """What a FHIR date, dateTime or instant covers; raises `ValueError` for any other value.

    >>> interval_of("2022-12", UTC).high.isoformat()
    '2023-01-01T00:00:00+00:00'
    """
    form = _FORM.fullmatch(text) if isinstance(text, str) else None
    if form is None:
        raise ValueError("not a FHIR date or dateTime")
    year, month, day, hour, minute, second, fraction, offset = form.groups()
    where = _zone(offset, zone)
    if hour is not None:
        micros = int(((fraction or ".")[1:] + "000000")[:6])
        start = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micros, where)
        return _from(start, start + _resolution(fraction))
    start = datetime(int(year), int(month or 1), int(day or 1), tzinfo=where)
    return _from(start, _next(start, month is not None, day is not None))


def period_of(start: Any, end: Any, zone: tzinfo) -> Interval:
    """A FHIR Period from its two texts, None where there is none; raises `ValueError`."""
    low = interval_of(start, zone).low if start is not None else None
    high = interval_of(end, zone).high if end is not None else None
    return Interval(low, high)


def instant_of(text: Any, zone: tzinfo) -> datetime:
    """The first instant of a date or dateTime; raises `ValueError` for any other value."""
    low = interval_of(text, zone).low
    if low is None:
        raise ValueError("not a time in the years 1 to 9999")
    return low


def _zone(offset: str | None, zone: tzinfo) -> tzinfo:
    if offset is None:
        return zone
    return UTC if offset == "Z" else datetime.strptime(offset, "%z").tzinfo or UTC


def _resolution(fraction: str | None) -> timedelta:
    digits = min(len(fraction) - 1, 6) if fraction else 0
    return timedelta(microseconds=10 ** (6 - digits))


def _next(start: datetime, has_month: bool, has_day: bool) -> datetime | None:
    # Local midnight of the next day, month or year: a local day may have 23 or 25 hours.
    try:
        if has_day:
            return (start.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=start.tzinfo)
        if has_month and start.month < 12:
            return start.replace(month=start.month + 1)
        return start.replace(year=start.year + 1, month=1)
    except (OverflowError, ValueError):
        return None  # the end of year 9999: no end that matters


def _from(start: datetime, end: datetime | None) -> Interval:
    try:
        low: datetime | None = start.astimezone(UTC)
    except OverflowError:
        low = None
    try:
        high = end.astimezone(UTC) if end is not None else None
    except OverflowError:
        high = None
    return Interval(low, high)
