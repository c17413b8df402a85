"""Which months a search of audit looks through."""

from datetime import UTC, datetime

import pytest

from carevouch.fhir.search import parse_query
from carevouch.kernel.errors import Invalid
from carevouch.records.months import MAX_MONTHS, months_of

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def months(*dates: str) -> list[str]:
    return months_of(parse_query("AuditEvent", {"date": dates} if dates else {}), NOW)


def test_without_dates_it_is_the_year_up_to_now() -> None:
    assert months()[:2] == ["2026-11", "2026-10"]
    assert (len(months()), months()[-1]) == (12, "2025-12")


@pytest.mark.parametrize(
    ("dates", "first", "last"),
    [
        (("2026-03",), "2026-03", "2026-03"),
        (("2026",), "2026-11", "2026-01"),
        (("ge2026-02-28", "le2026-04-01"), "2026-04", "2026-02"),
        (("gt2026-01-31", "lt2026-02-01"), "2026-02", "2026-01"),
        (("ge2026-10-31T23:30:00-01:00",), "2026-11", "2026-11"),
        (("2026-03,2026-05",), "2026-05", "2026-03"),
        (("le2025-06",), "2025-06", "2024-07"),
    ],
)
def test_dates_name_their_months(dates: tuple[str, ...], first: str, last: str) -> None:
    listed = months(*dates)
    assert (listed[0], listed[-1]) == (first, last)


def test_the_future_has_no_audit() -> None:
    assert months("ge2027-01-01") == []


@pytest.mark.parametrize("dates", [("ge2001",), ("ge0001-01-01",), ("ge2020", "le2026"), ("2020,2026",)])
def test_more_than_two_years_are_asked_for_in_parts(dates: tuple[str, ...]) -> None:
    with pytest.raises(Invalid, match=f"{MAX_MONTHS} months"):
        months(*dates)
