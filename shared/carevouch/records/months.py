"""The months that a search of AuditEvents reads. Each month has a partition of its own."""

from datetime import UTC, date, datetime

from carevouch.fhir.dates import interval
from carevouch.fhir.matching import bounds
from carevouch.fhir.search import Query
from carevouch.kernel.errors import Invalid

# Each month is one query. For earlier years a caller searches again.
MAX_MONTHS = 24
DEFAULT_MONTHS = 12
_DAY = interval("2000-01-02")[0] - interval("2000-01-01")[0]


def months_of(query: Query, now: datetime) -> list[str]:
    """The months (`yyyy-mm`) in the dates of the search, newest first. The default is the last year.

    Raises `Invalid` for more than two years.
    """
    last = _month(now.astimezone(UTC))
    low, high = last - DEFAULT_MONTHS + 1, last
    dates = [bounds(text) for one in query.conditions if one.name == "date" for text in one.values]
    starts = [_month_of(start) for prefix, (start, _) in dates if prefix in ("eq", "ge", "gt", "sa")]
    ends = [_month_of(end - 1) for prefix, (_, end) in dates if prefix in ("eq", "le", "lt", "eb")]
    if ends:
        high = min(high, max(ends))
        low = high - DEFAULT_MONTHS + 1
    if starts:
        low = min(starts)
    if high - low >= MAX_MONTHS:
        raise Invalid(
            f"a search of AuditEvents covers at most {MAX_MONTHS} months; narrow it with date=ge and date=le"
        )
    return [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in range(high, low - 1, -1)]


def _month(when: date) -> int:
    """The number of a month, counted from year 0."""
    return when.year * 12 + when.month - 1


def _month_of(microseconds: int) -> int:
    """The number of the month that an instant of `carevouch.fhir.dates` lies in."""
    days = max(1, min(microseconds // _DAY, date.max.toordinal()))
    return _month(date.fromordinal(days))
