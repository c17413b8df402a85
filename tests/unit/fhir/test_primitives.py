"""The lexical forms of the primitive types: valid ones, and their nearest invalid neighbours."""

import calendar
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.fhir.primitives import FORMS, SCHEMAS
from carevouch.fhir.validate import check

FORM: dict[str, tuple[list[Any], list[Any]]] = {
    "date": (["1980", "1980-02", "1980-02-29", "2000-02-29", "9999-12-31", "0001-01-01"],
             ["80", "1980-13", "1980-00", "1980-02-30", "1900-02-29", "1980-04-31", "1980-2-1", "1980-02-29Z",
              "0000-01-01", "1980-02-29T10:00:00Z", " 1980", "1980\n", "١٩٨٠", "-1980"]),
    "dateTime": (["1980", "1980-02", "1980-02-29", "1980-02-29T10:00:00Z", "1980-02-29T23:59:60.123456-13:59",
                  "1980-02-29T00:00:00+14:00"],
                 ["1980-02-29T10:00Z", "1980-02-29T10:00:00", "1980-02-29T24:00:00Z", "1980-02-29 10:00:00Z",
                  "1980-02-29T10:00:00+14:01", "1981-02-29T10:00:00Z", "1980-02T10:00:00Z"]),
    "instant": (["1980-02-29T10:00:00.000Z", "1980-02-29T10:00:00+01:00"],
                ["1980-02-29", "1980-02-29T10:00:00", "1981-02-29T10:00:00Z"]),
    "time": (["10:00:00", "23:59:60", "10:00:00.5"], ["24:00:00", "10:00", "10:00:00Z", "1:00:00"]),
    "id": (["a", "A-1.b", "a" * 64], ["", "a" * 65, "a_b", "a b", "a\n"]),
    "code": (["a", "a b", "a-b_c"], ["", " a", "a ", "a  b", "a\tb c "]),
    "uri": (["urn:x", "http://example.org/a?b#c", "x"], ["", "a b", "a\n"]),
    "url": (["http://example.org"], ["a b"]),
    "canonical": (["http://example.org|1.0"], ["a b"]),
    "oid": (["urn:oid:1.2.840.0"], ["1.2.3", "urn:oid:3.1", "urn:oid:1", "urn:oid:1.02", "urn:oid:1.2."]),
    "uuid": (["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
             ["c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
              "urn:uuid:c757873d-ec9a-4326-a141-556f4323952"]),
    "base64Binary": (["YQ==", "YWI=", "YWJj", "YWJj\nYWJj"], ["", "YQ", "YQ=", "Y===", "YWJj!", "YQ==YQ=="]),
    "string": (["x", " x ", "a\tb\r\nc", "é", "\U0001f600"], ["", "\x00", "a\x08", "a\x1f"]),
    "markdown": (["# x\n"], ["", "\x00"]),
    "integer": ([0, -(2**31), 2**31 - 1], [2**31, -(2**31) - 1, 1.5, "1", True, 10**40]),
    "unsignedInt": ([0, 2**31 - 1], [-1, 2**31]),
    "positiveInt": ([1, 2**31 - 1], [0, -1, 2**31]),
    "decimal": ([0, 1.5, -1, 10**30], ["1.5", True, float("nan"), float("inf")]),
    "boolean": ([True, False], [0, 1, "true"]),
}  # fmt: skip


def extension(type_: str, value: Any) -> dict[str, Any]:
    name = "value" + type_[0].upper() + type_[1:]
    return {"resourceType": "Basic", "code": {"text": "x"}, "extension": [{"url": "x", name: value}]}


@pytest.mark.parametrize(("type_", "value"), [(t, v) for t, (good, _) in FORM.items() for v in good])
def test_valid_forms_are_accepted(type_: str, value: Any) -> None:
    assert check(extension(type_, value)) == []


@pytest.mark.parametrize(("type_", "value"), [(t, v) for t, (_, bad) in FORM.items() for v in bad])
def test_invalid_forms_are_refused_at_their_place(type_: str, value: Any) -> None:
    place = f"Basic.extension[0].value{type_[0].upper()}{type_[1:]}"
    assert [issue.where for issue in check(extension(type_, value))] == [place]


def test_every_primitive_has_a_form_and_a_test() -> None:
    assert set(SCHEMAS) == set(FORMS) == set(FORM) | {"xhtml"}


@given(st.integers(1, 9999), st.integers(1, 12), st.integers(1, 31))
def test_a_date_is_valid_when_the_calendar_has_it(year: int, month: int, day: int) -> None:
    text = f"{year:04}-{month:02}-{day:02}"
    exists = day <= calendar.monthrange(year, month)[1]
    for type_, value in (("date", text), ("dateTime", text), ("instant", f"{text}T00:00:00Z")):
        assert (check(extension(type_, value)) == []) is exists


@given(st.dates())
def test_the_day_before_march_is_known_in_every_year(day: date) -> None:
    last = date(day.year, 3, 1) - timedelta(days=1)
    assert check(extension("date", last.isoformat())) == []
    assert check(extension("date", f"{day.year:04}-02-{last.day + 1:02}")) != []
