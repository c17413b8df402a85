"""Instants: one text for one millisecond, so that text order is time order."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.kernel.errors import Malformed
from carevouch.kernel.times import instant, later, moment, rfc3339


def test_an_instant_is_utc_with_milliseconds_cut_not_rounded() -> None:
    east = timezone(timedelta(hours=2))
    assert instant(datetime(2026, 11, 22, 12, 0, 0, 999_999, tzinfo=east)) == "2026-11-22T10:00:00.999Z"


def test_a_time_without_a_zone_is_our_own_bug() -> None:
    with pytest.raises(ValueError, match="time zone"):
        instant(datetime(2026, 11, 22))  # noqa: DTZ001 - what is being refused


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00.00Z",
        "2026-11-22T10:00:00.000",
        "2026-11-22T10:00:00.000+00:00",
        "2026-11-22 10:00:00.000Z",
        "2026-11-22t10:00:00.000z",
        "2026-02-29T00:00:00.000Z",
        "2026-13-01T00:00:00.000Z",
        "2026-11-22T24:00:00.000Z",
        "2026-12-31T23:59:60.000Z",
        "0000-01-01T00:00:00.000Z",
        "2026-11-22T10:00:00.000Z\n",
        "\u0662\u0660\u0662\u0666-11-22T10:00:00.000Z",
        "",
    ],
)
def test_another_form_or_a_time_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="nbf"):
        moment(text, "nbf")


def test_what_is_not_text_is_refused() -> None:
    with pytest.raises(Malformed):
        moment(20261122)  # type: ignore[arg-type]


MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds it


@given(MOMENTS, MOMENTS)
def test_text_order_is_time_order(first: datetime, second: datetime) -> None:
    one, two = instant(first), instant(second)
    assert (one < two) == (moment(one) < moment(two))
    assert instant(moment(one)) == one


@given(
    st.builds(
        "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}.{:03d}Z".format,
        st.integers(0, 9999),
        *(st.integers(0, most) for most in (13, 32, 25, 61, 62, 999)),
    )
)
def test_the_times_that_exist_are_those_of_a_second_parser(text: str) -> None:
    try:
        expected = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        with pytest.raises(Malformed, match="not a time that exists"):
            moment(text)
    else:
        assert moment(text) == expected
        assert moment(text).tzinfo is UTC


def test_later_adds_seconds_across_a_year() -> None:
    assert later("2026-12-31T23:59:59.500Z", 0.5) == "2027-01-01T00:00:00.000Z"
    assert later("2027-01-01T00:00:00.000Z", -1) == "2026-12-31T23:59:59.000Z"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22T10:00:00.5Z", "2026-11-22T10:00:00.500Z"),
        ("2026-11-22T10:00:00.123Z", "2026-11-22T10:00:00.123Z"),
        ("2026-11-22t10:00:00z", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22T00:30:00+01:00", "2026-11-21T23:30:00.000Z"),
        ("2026-11-21T23:30:00-01:15", "2026-11-22T00:45:00.000Z"),
        ("2026-11-22T10:00:00-00:00", "2026-11-22T10:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_an_rfc_3339_time_of_any_zone_is_an_instant(text: str, same: str) -> None:
    assert rfc3339(text) == same
    assert moment(rfc3339(text)) == datetime.fromisoformat(text.upper())


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-22", "2026-11-22T10:00:00", "2026-11-22T10:00Z", "2026-11-22 10:00:00Z", "now",
     "2026-02-29T10:00:00Z", "2026-11-22T24:00:00Z", "2026-12-31T23:59:60Z", "2026-11-22T10:00:00.1234Z",
     "2026-11-22T10:00:00+25:00", "2026-11-22T10:00:00 01:00", "20261122T100000Z", "2026-W47-7T10:00:00Z",
     "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "\u0662026-11-22T10:00:00Z",
     "2026-11-22T10:00:00Z\n"],
)  # fmt: skip
def test_what_is_no_rfc_3339_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Malformed, match="such as 2026-11-22T10:00:00Z"):
        rfc3339(text)
