"""What is asked: a request for a resource, and what is known of it when it is decided."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from carevouch.consent.codes import lineage

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


ACTIONS = ("access", "collect", "use", "disclose", "correct")


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One request with exactly one purpose (a `purposes.token`).

    `actors`: everything the caller is, as comparable references: the person, their organisations and
    groups; None where that could not be found out. `btg_ok`: the caller is entitled to declare
    break-glass (purpose BTG). `now` is the instant to decide for, aware.
    """

    purpose: str
    actors: frozenset[str] | None
    now: datetime
    action: str = "access"
    btg_ok: bool = False

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("the instant of a request needs a time zone")


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """What the rules need to know about one resource.

    `date`: the time the data are about (never the import time). `authors`, `related` (what it refers to) and
    `dependents` (what refers to it, as far as the caller knows) are comparable references, `codes` are
    `system|code`. `purposes`: purpose-of-use tags on the data. `subjects`: the patients it is about.
    `unresolved` names those of authors, related, codes, subjects that are there but say nothing definite.
    """

    type: str
    reference: str
    subjects: tuple[str, ...] = ()
    confidentiality: str | None = None
    sensitivities: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    date: Interval | None = None
    authors: frozenset[str] = frozenset()
    related: frozenset[str] = frozenset()
    dependents: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    unresolved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Question:
    """A request for one resource, with what is worth computing once."""

    request: AccessRequest
    resource: ResourceFacts
    purposes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "purposes", lineage(self.request.purpose))


Directory = Mapping[str, tuple[str, ...]]
