"""JSON text: what counts comes out byte for byte as received, and the strict half of RFC 8259."""

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.kernel.errors import Malformed
from carevouch.kernel.jsontext import MAX_DEPTH, MAX_DIGITS, Number, parse, render


@pytest.mark.parametrize("text", ["1.50", "1.5", "0.0", "-0.00", "1e5", "1E+5", "2.50E-3", "-0", "100", "0"])
def test_a_number_leaves_as_it_was_written(text: str) -> None:
    value = parse(f'{{"value":{text}}}'.encode())
    assert render(value) == f'{{"value":{text}}}'.encode()
    assert value["value"] == Decimal(text)
    assert render(copy.deepcopy(value)) == render(value)


def test_members_keep_their_order_and_text_its_characters() -> None:
    data = '{"z":"Ünï\U0001f600","a":["\\"\\\\\\n",true,false,null,{}],"":[]}'.encode()
    assert render(parse(data)) == data


def test_escapes_and_white_space_are_read_but_not_kept() -> None:
    assert render(parse(b' { "a" : "\\u00e9\\/\\ud83d\\ude00" } ')) == '{"a":"é/\U0001f600"}'.encode()


REFUSED = [
    b"",
    b"{",
    b"[1,]",
    b'{"a":1,}',
    b"{'a':1}",
    b"// no\n1",
    b"01",
    b"+1",
    b".5",
    b"1.",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b'{"a":1,"b":2,"a":1}',
    b'{"a":1,"\\u0061":1}',
    b'"\\ud800"',
    b'"\\uDC00\\ud800"',
    b'{"\\udfff":1}',
    b'["\\ud83d\\ude00","\\ud83d"]',
    b'"\xed\xa0\x80"',
    b'"\xff"',
    b'"\xc0\x80"',
    b'\xef\xbb\xbf"a"',
    '"a"'.encode("utf-16"),
    b'"tab\there"',
    b'"\x00"',
    b'"\\x41"',
    b"1 2",
    b"9" * (MAX_DIGITS + 1),
    b"0." + b"1" * MAX_DIGITS,
]


@pytest.mark.parametrize("data", REFUSED, ids=repr)
def test_what_is_not_strict_json_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse(data)


def test_a_refusal_says_where_but_never_quotes() -> None:
    with pytest.raises(Malformed) as refusal:
        parse(b'{"name":"Rosalind",\n"name":"Franklin" oops}', "the request")
    assert "line 2" in refusal.value.message
    assert "the request" in refusal.value.message
    with pytest.raises(Malformed) as twice:
        parse(b'{"Rosalind":1,"Rosalind":2}')
    assert "Rosalind" not in refusal.value.message + twice.value.message


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_bounded_before_the_parser_runs(opening: bytes, closing: bytes) -> None:
    def nested(depth: int) -> bytes:
        return opening * depth + b"1" + closing * depth

    assert parse(nested(MAX_DEPTH)) is not None
    with pytest.raises(Malformed, match="deeper"):
        parse(nested(MAX_DEPTH + 1))
    with pytest.raises(Malformed, match="deeper"):
        parse(nested(100_000))


def test_brackets_inside_texts_do_not_count_as_depth() -> None:
    flat = json.dumps(["[" * 200, '\\"[{' * 50, {"{{{": "]"}]).encode()
    assert parse(flat) == json.loads(flat)


def test_siblings_do_not_add_up_to_depth() -> None:
    assert len(parse(b"[" + b"[],{}," * 200 + b"[]]")) == 401


def test_only_values_with_a_json_form_are_rendered() -> None:
    for value in (1.5, b"x", object(), {1, 2}):
        with pytest.raises(Malformed):
            render(value)
    with pytest.raises(Malformed, match="surrogate"):
        render("\ud800")


def test_a_decimal_of_our_own_is_written_in_full() -> None:
    assert render([Decimal("1E+2"), Decimal("0.10")]) == b"[100,0.10]"


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(10**30), 10**30) | st.from_regex(
    r"-?(0|[1-9][0-9]{0,9})\.[0-9]{1,9}([eE][+-]?[0-9]{1,3})?", fullmatch=True
).map(Number)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_every_value_survives_rendering_and_parsing(value: Any) -> None:
    data = render(value)
    assert parse(data) == value
    assert render(parse(data)) == data


@given(st.binary(max_size=60))
def test_no_bytes_crash_the_parser(data: bytes) -> None:
    try:
        value = parse(data)
    except Malformed:
        return
    assert parse(render(value)) == value


def test_a_string_that_never_ends_is_refused_in_one_pass() -> None:
    # A backtracking pattern takes minutes for this; the suite's own patience is the only clock here.
    brackets = b"[" * (MAX_DEPTH - 4) + b"{},{},{},{},{},{}"
    endless = b'{"a":' + brackets + b',"' + b'\\"' * 1_000_000
    with pytest.raises(Malformed):
        parse(endless)
