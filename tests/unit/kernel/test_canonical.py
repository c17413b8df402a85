"""Canonical JSON (RFC 8785): examples of our own making against each of its rules, and what is refused."""

import json
from decimal import Decimal
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from carevouch.kernel.canonical import is_whole, jcs, parse_jcs
from carevouch.kernel.errors import Malformed
from carevouch.kernel.jsontext import Number

EXAMPLES: list[tuple[Any, str]] = [
    ({}, "{}"),
    ([], "[]"),
    ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
    ({"10": 0, "9": 0, "": 0}, '{"":0,"10":0,"9":0}'),
    # Keys sort by UTF-16 code units: a character beyond the basic plane (D83D…) comes before U+FB33.
    ({"\ufb33": 1, "\U0001f600": 2, "\u20ac": 3}, '{"\u20ac":3,"\U0001f600":2,"\ufb33":1}'),
    ({"a": [3, 2, {"z": None, "y": True}]}, '{"a":[3,2,{"y":true,"z":null}]}'),
    ("\u20ac/ü\u2028", '"\u20ac/ü\u2028"'),
    ('"\\\b\f\n\r\t\x00\x1f\x7f', '"\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\x7f"'),
    (2**53 - 1, "9007199254740991"),
    (-(2**53) + 1, "-9007199254740991"),
    (0, "0"),
]


@pytest.mark.parametrize(("value", "text"), EXAMPLES)
def test_canonical_form_follows_rfc_8785(value: Any, text: str) -> None:
    assert jcs(value) == text.encode("utf-8")


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        {"a": [0.5]},
        float("nan"),
        2**53,
        -(2**53),
        "\ud800",
        {"\udc00": 1},
        {1: 2},
        {1, 2},
        b"bytes",
        Decimal("1"),
        Number("1.50"),
        {"a": object()},
    ],
    ids=lambda value: str(value).partition(" at 0x")[0],
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        jcs(value)


def test_a_refusal_never_quotes_the_value() -> None:
    with pytest.raises(Malformed) as refusal:
        jcs({"phone": 15551234567891234567})
    assert "1555" not in refusal.value.message


@pytest.mark.parametrize(
    "data",
    [
        b'{ "a":1}',
        b'{"a":1}\n',
        b'{"b":1,"a":2}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":-0}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b"[1]",
        b"1",
        b"null",
        b"",
        b'{"a":1,"a":1}',
        b'{"a":9007199254740992}',
        b'\xef\xbb\xbf{"a":1}',
    ],
)
def test_only_the_canonical_bytes_of_an_object_parse(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_jcs(data, "the file")


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXT, JSON_VALUES, max_size=5))
def test_canonical_bytes_parse_back_to_the_value(value: dict[str, Any]) -> None:
    data = jcs(value)
    assert parse_jcs(data, "it") == value
    assert json.loads(data) == value


@pytest.mark.parametrize("plane", range(0x11))
def test_every_character_is_written_as_the_library_writes_it(plane: int) -> None:
    characters = [chr(plane * 0x10000 + low) for low in range(0x10000) if plane or not 0xD800 <= low < 0xE000]
    for start in range(0, len(characters), 0x100):
        row = characters[start : start + 0x100]
        # As values behind names in ASCII, which Python's encoder writes, and as a name, which it may not.
        values: list[Any] = [{"a": "".join(row), "b": row}, {"a": 1, row[0]: row[-1]}]
        assert [jcs(value) for value in values] == [rfc8785.dumps(value) for value in values]


class Name(str):
    """A text of a kind of its own."""


NAMES = st.text(st.characters(max_codepoint=0x7F), max_size=3)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.builds(Name, NAMES),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.tuples(inner, inner)
            | st.dictionaries(NAMES | TEXT | st.integers() | st.builds(Name, NAMES), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_any_value_is_written_as_the_library_writes_it_or_refused_as_it_refuses(value: Any) -> None:
    """Floats apart, which the library writes and we do not."""
    if _has_float(value):
        expected = None
    else:
        try:
            expected = rfc8785.dumps(value)
        except (rfc8785.CanonicalizationError, UnicodeEncodeError):
            expected = None
    assert _written(value) == expected


def _written(value: Any) -> bytes | None:
    try:
        return jcs(value)
    except Malformed:
        return None


def _has_float(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return isinstance(value, float) or any(map(_has_float, inner))


@given(st.dictionaries(TEXT, JSON_VALUES, min_size=2, max_size=5))
def test_the_order_of_members_makes_no_difference(value: dict[str, Any]) -> None:
    assert jcs(dict(reversed(value.items()))) == jcs(value)


@pytest.mark.parametrize("value", [True, False, None, "1", 0, 3, 1.0, Number("1")])
def test_only_a_whole_number_in_range_is_one(value: Any) -> None:
    assert not is_whole(value, 1, 2)
    assert is_whole(2, 1, 2)
