"""The question to decide: a request for one resource, and the facts about that resource.

Times are intervals, because a FHIR date covers a day, a month or a year.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from carevouch.consent.codes import lineage

_FORM = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)


class Interval(NamedTuple):
    """From `low` (included) to `high` (excluded), in UTC. A side that is None has no bound."""

    low: datetime | None
    high: datetime | None

    def holds(self, moment: datetime) -> bool:
        """Whether `moment` lies in the interval."""
        return (self.low is None or self.low <= moment) and (self.high is None or moment < self.high)

    def contains(self, other: "Interval") -> bool:
        """Whether `other` lies wholly in this interval."""
        starts = self.low is None or (other.low is not None and self.low <= other.low)
        ends = self.high is None or (other.high is not None and other.high <= self.high)
        return starts and ends

    def overlaps(self, other: "Interval") -> bool:
        """Whether any instant lies in both intervals."""
        before = self.high is not None and other.low is not None and self.high <= other.low
        after = self.low is not None and other.high is not None and other.high <= self.low
        return not before and not after

    def is_empty(self) -> bool:
        """Whether it ends before it starts, so that no instant lies in it."""
        return self.low is not None and self.high is not None and self.high <= self.low


def interval_of(text: Any, zone: tzinfo) -> Interval:
    """The time that a FHIR date, dateTime or instant covers; raises `ValueError` for any other value.

    `zone` applies to a text without one. Beyond the years 1 to 9999 an interval has no bound.

    >>> interval_of("2022-12", UTC).high.isoformat()
    '2023-01-01T00:00:00+00:00'
    """
    form = _FORM.fullmatch(text) if isinstance(text, str) else None
    if form is None:
        raise ValueError("not a FHIR date or dateTime")
    year, month, day, hour, minute, second, fraction, offset = form.groups()
    if offset is not None:
        zone = UTC if offset == "Z" else datetime.strptime(offset, "%z").tzinfo or UTC
    if hour is None:
        start = datetime(int(year), int(month or 1), int(day or 1), tzinfo=zone)
        return Interval(_in_utc(start), _in_utc(_next_midnight(start, month is not None, day is not None)))
    digits = min(len(fraction) - 1, 6) if fraction else 0
    micros = int(((fraction or ".")[1:] + "000000")[:6])
    start = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micros, zone)
    try:
        end: datetime | None = start + timedelta(microseconds=10 ** (6 - digits))
    except OverflowError:
        end = None
    return Interval(_in_utc(start), _in_utc(end))


def period_of(start: Any, end: Any, zone: tzinfo) -> Interval:
    """The interval of a FHIR Period from its two texts, each None if absent; raises `ValueError`."""
    low = interval_of(start, zone).low if start is not None else None
    high = interval_of(end, zone).high if end is not None else None
    return Interval(low, high)


def _next_midnight(start: datetime, has_month: bool, has_day: bool) -> datetime | None:
    """Local midnight after the day, month or year that begins at `start`, or None after the year 9999."""
    try:
        if has_day:
            # Not 24 hours later: a local day may have 23 or 25.
            return (start.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=start.tzinfo)
        if has_month and start.month < 12:
            return start.replace(month=start.month + 1)
        return start.replace(year=start.year + 1, month=1)
    except (OverflowError, ValueError):
        return None


def _in_utc(bound: datetime | None) -> datetime | None:
    try:
        return None if bound is None else bound.astimezone(UTC)
    except OverflowError:
        return None


ACTIONS = ("access", "collect", "use", "disclose", "correct")


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One request with exactly one purpose, written as `codes.purpose_token` does.

    `actors` are comparable references of the caller: the person, their organisations and groups. It is None
    where these could not be found out. `btg_ok`: the caller may declare break-glass (purpose BTG). `now` is
    the instant to decide for, with a time zone.
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
    """The facts about one resource that the rules ask for.

    `date` is the clinical time of the data, never the time of import. `authors`, `related` (the resources it
    refers to) and `dependents` (known resources that refer to it) are comparable references. `codes` are
    `system|code`. `purposes` are purpose-of-use tags on the data. `subjects` are the patients it is about.
    `unresolved` names those of authors, related, codes and subjects that are present but indefinite.
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
    """A request for one resource; `purposes` are its purpose and all wider ones."""

    request: AccessRequest
    resource: ResourceFacts
    purposes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "purposes", lineage(self.request.purpose))
