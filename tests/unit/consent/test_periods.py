"""Partial dates cover their whole period in the tenant's zone, and unreadable ones raise."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.consent.codes import COVERS, LINEAGE, comparable, covers, effective, lineage
from carevouch.consent.question import Interval, interval_of, period_of


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2022", "2022-01-01T00:00:00", "2023-01-01T00:00:00"),
        ("2022-12", "2022-12-01T00:00:00", "2023-01-01T00:00:00"),
        ("2024-02", "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
        ("2022-12-31", "2022-12-31T00:00:00", "2023-01-01T00:00:00"),
        ("2022-12-31T23:59:59Z", "2022-12-31T23:59:59", "2023-01-01T00:00:00"),
        ("2022-12-31T23:59:59.5Z", "2022-12-31T23:59:59.500000", "2022-12-31T23:59:59.600000"),
        ("2023-01-01T01:00:00+01:00", "2023-01-01T00:00:00", "2023-01-01T00:00:01"),
        ("2022-12-31T10:00:00", "2022-12-31T10:00:00", "2022-12-31T10:00:01"),
    ],
)
def test_a_partial_date_covers_its_whole_period(text: str, low: str, high: str) -> None:
    bounds = (datetime.fromisoformat(low + "+00:00"), datetime.fromisoformat(high + "+00:00"))
    assert interval_of(text, UTC) == bounds


@pytest.mark.parametrize(
    "text",
    [
        "", "22", "2022-13", "2022-02-30", "2022-1-1", "2022-01-01T10:00Z", "2022-01-01T24:00:00Z", "0000",
        None, 2022, "2022-01-01 10:00:00Z", "2022-01-01T10:00:00+25:00", "٢٠٢٢",
    ],
)  # fmt: skip
def test_a_value_that_is_no_fhir_date_raises(text: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # datetime words some of these itself
        interval_of(text, UTC)


def test_a_local_day_may_have_23_hours() -> None:
    day = interval_of("2024-03-31", ZoneInfo("Europe/Berlin"))
    assert day.low is not None
    assert day.high is not None
    assert day.high - day.low == timedelta(hours=23)


def test_the_edges_of_the_calendar_have_no_bound() -> None:
    assert interval_of("9999-12-31", UTC).high is None
    assert interval_of("9999-12", UTC).high is None
    assert interval_of("9999-12-31T23:59:59Z", UTC).high is None
    assert period_of("2022", "9999-12-31T23:59:59Z", UTC).high is None
    assert interval_of("0001-01-01", timezone(timedelta(hours=14))).low is None


def test_the_first_instant_counts_and_the_one_before_does_not() -> None:
    year = interval_of("2022", UTC)
    assert year.holds(datetime(2022, 1, 1, tzinfo=UTC))
    assert not year.holds(datetime(2021, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))


def test_an_open_interval_has_no_limit_on_its_open_side() -> None:
    since = period_of("2022", None, UTC)
    assert since.holds(datetime(3000, 1, 1, tzinfo=UTC))
    assert not since.holds(datetime(2021, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert Interval(None, None).contains(since)
    assert not since.contains(Interval(None, None))


MOMENTS = st.one_of(
    st.none(),
    st.datetimes(datetime(2020, 1, 1), datetime(2020, 1, 9), timezones=st.just(UTC)),  # noqa: DTZ001
)


@given(MOMENTS, MOMENTS, MOMENTS, MOMENTS)
def test_an_interval_overlaps_each_interval_that_it_contains(
    a: datetime, b: datetime, c: datetime, d: datetime
) -> None:
    one, other = Interval(a, b), Interval(c, d)
    if not one.is_empty() and not other.is_empty():
        assert one.overlaps(other) == other.overlaps(one)
        assert one.overlaps(other) or not one.contains(other)


def test_break_glass_is_emergency_treatment_is_treatment() -> None:
    assert lineage("BTG") == {"BTG", "ETREAT", "TREAT"}


def test_trial_treatment_is_no_research_and_trial_research_no_treatment() -> None:
    assert "HRESCH" not in lineage("CLINTRL")
    assert "TREAT" not in lineage("CLINTRCHPC")
    assert not comparable("CLINTRL", "HRESCH")


def test_the_purpose_tree_has_every_code_once() -> None:
    assert len(LINEAGE) == 59
    assert all(code in line for code, line in LINEAGE.items())


def test_a_local_purpose_has_no_wider_purpose() -> None:
    assert lineage("urn:x|FooBar") == {"urn:x|FooBar"}


def test_substance_abuse_covers_the_newer_codes() -> None:
    assert covers("ETH") == {"ETH", "SUD", "ETHUD", "OPIOIDUD"}
    assert covers("SPI") >= {"PSY", "COGN", "OPIOIDUD"}
    assert "ETH" not in COVERS["SUD"]


def test_sensitive_data_count_as_restricted_at_least() -> None:
    assert effective("N", frozenset({"HIV"})) == "R"
    assert effective("N", frozenset()) == "N"
    assert effective(None, frozenset({"HIV"})) is None
