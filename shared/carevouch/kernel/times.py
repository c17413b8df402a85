"""Instants: RFC 3339, UTC, milliseconds. Each has 24 characters, so that text order is time order."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from carevouch.kernel.errors import Malformed

# Only ASCII digits. With other digits one instant could have two texts, and their order would be wrong.
FORM = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"
_FORM = re.compile(FORM)
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)


def instant(moment: datetime) -> str:
    """`moment` (aware) as `2026-11-22T10:00:00.000Z`. Digits beyond milliseconds are cut, not rounded."""
    if moment.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str, what: str = "time") -> datetime:
    """The aware datetime of an instant in exactly our form; raises `Malformed` for any other text."""
    if not isinstance(text, str) or not _FORM.fullmatch(text):
        raise Malformed(f"{what} is not an instant like 2026-11-22T10:00:00.000Z")
    try:
        return moment_of_form(text)
    except ValueError as error:
        raise Malformed(f"{what} is not a time that exists") from error


def moment_of_form(text: str) -> datetime:
    """The datetime of a text that has our form; raises `ValueError` if there is no such time."""
    if text[11:13] == "24":  # ISO 8601, and newer Pythons with it, read this as the next midnight.
        raise ValueError("there is no hour 24")
    return datetime.fromisoformat(text)


def seconds_between(start: str, end: str) -> float:
    """The seconds from one instant to another, both in our form; raises `ValueError` if one does not exist.

    Events of one second share one `seal_by` second. So the difference of whole seconds is cached.
    """
    if start[19:] == end[19:]:
        return _seconds_between(start[:19], end[:19])
    return (moment_of_form(end) - moment_of_form(start)).total_seconds()


@lru_cache(maxsize=1_024)
def _seconds_between(start: str, end: str) -> float:
    return (moment_of_form(end) - moment_of_form(start)).total_seconds()


def later(text: str, seconds: float) -> str:
    """The instant `seconds` after the instant `text`."""
    return instant(moment(text) + timedelta(seconds=seconds))


def rfc3339(text: str, what: str = "time") -> str:
    """The instant of an RFC 3339 time in any zone, to the millisecond; raises `Malformed`."""
    try:
        if _RFC_3339.fullmatch(text):
            return instant(moment_of_form(text.upper()))
    except (ValueError, OverflowError):
        pass  # A day or hour that no calendar has, or one before the first year.
    raise Malformed(
        f"{what} is not an RFC 3339 time such as 2026-11-22T10:00:00Z or 2026-11-22T11:00:00.000%2B01:00 "
        "(in an address a plus is written %2B)"
    )
