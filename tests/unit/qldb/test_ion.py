"""Ion in text and binary: values of amazon-ion are read back, and damage is an error, never a hang."""

import subprocess
import sys

import pytest
from amazon.ion import simpleion  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from carevouch.kernel.errors import Malformed
from carevouch.qldb.ion import hash_of, items, member, number, only_value, struct, text, values
from carevouch.qldb.ion_hash import ion_hash
from tests.oracles import ROOT
from tests.unit.qldb.ion_texts import ions

VERSION = bytes.fromhex("e00100ea")


def one(source: bytes) -> object:
    return only_value(source, "it")


@given(st.lists(ions(), max_size=4))
def test_binary_of_amazon_ion_is_read_as_it_reads_the_text(texts: list[str]) -> None:
    meant = list(values(" ".join(texts).encode(), exact=True))
    written = simpleion.dumps(meant, binary=True, sequence_as_stream=True)
    assert [ion_hash(value) for value in values(written)] == [ion_hash(value) for value in meant]


@given(ions(), st.data())
def test_damaged_binary_is_read_or_refused_and_never_a_crash(text_: str, data: st.DataObject) -> None:
    written = bytearray(simpleion.dumps(one(text_.encode()), binary=True))
    at = data.draw(st.integers(4, len(written) - 1))
    written[at] ^= data.draw(st.integers(1, 255))
    try:
        for value in values(bytes(written)):
            ion_hash(value)
    except Malformed:
        pass


@given(ions(), st.data())
def test_binary_that_is_cut_off_never_ends_in_another_value(text_: str, data: st.DataObject) -> None:
    written = simpleion.dumps(one(text_.encode()), binary=True)
    cut = written[: data.draw(st.integers(5, len(written)))]
    try:
        read = [ion_hash(value) for value in values(cut)]
    except Malformed:
        return
    assert read in ([], [ion_hash(one(written))])


@pytest.mark.parametrize(
    "hexes",
    [
        "21",  # an integer without its byte
        "2e8201",  # of two bytes, with one
        "2e" + "7f" * 30,  # a length without an end
        "30",  # minus zero
        "12",  # neither true nor false
        "43000000",  # a float of three bytes
        "82c328",  # no UTF-8
        "710a",  # a symbol in no table
        "d1",  # an ordered struct of nothing
        "d28481",  # a field whose value is cut off
        "e481840f0f",  # an annotation around two values
        "e3818421",  # around half a value
        "e5818be3818b0f",  # an annotation around an annotation
        "f0",  # no type
        "62c00f",  # a time whose year does not end
        "67800fe1818180",  # an hour without its minute
        "68800fe18d81808080",  # the thirteenth month
        "6a800fe181818080800a",  # ten seconds of fraction
    ],
)
def test_binary_that_is_none_is_refused(hexes: str) -> None:
    with pytest.raises(Malformed):
        list(values(VERSION + bytes.fromhex(hexes)))


def test_binary_that_nests_too_deep_is_refused() -> None:
    source = b""
    for _ in range(3_000):
        length = len(source)
        size = bytes([length >> 14 & 0x7F, length >> 7 & 0x7F, length & 0x7F | 0x80])
        source = b"\xbe" + size + source
    with pytest.raises(Malformed, match="deep"):
        list(values(VERSION + source))


def test_symbols_are_those_of_the_last_table() -> None:
    tables = b'$ion_symbol_table::{symbols:["a"]} $10 $ion_symbol_table::{symbols:["b"]} $10'
    assert [str(value.text) for value in values(tables, exact=True)] == ["a", "b"]
    first = bytes.fromhex("e7818 3d487b2816 1710a".replace(" ", ""))
    second = first.replace(b"\x81a", b"\x81b")
    assert [str(value.text) for value in values(VERSION + first + second)] == ["a", "b"]


def test_the_exact_parser_keeps_the_zeros_that_the_fast_one_drops() -> None:
    text_ = b"1234567890123456789012345678901234.50"
    assert str(only_value(text_, "it", exact=True)) == text_.decode()


@pytest.mark.parametrize("source", [b"", b"1 2", b"{", b"{{not base64}}", b"\xff", b"2020-13-01"])
def test_a_source_without_exactly_one_value_is_refused_under_its_name(source: bytes) -> None:
    for exact in (False, True):
        with pytest.raises(Malformed, match="the thing"):
            only_value(source, "the thing", exact=exact)


def test_members_are_of_their_types() -> None:
    value = struct(one(b'{a:"x",n:3,l:[1],e:null,m:-1,s:y}'), "it")
    assert (text(value, "a", "it"), number(value, "n", "it"), items(value, "l", "it")) == ("x", 3, [1])
    assert member(value, "e") is member(value, "absent") is None
    assert items(value, "e", "it") == items(value, "absent", "it") == []
    for wrong in (
        lambda: text(value, "n", "it"),
        lambda: text(value, "s", "it"),
        lambda: items(value, "a", "it"),
    ):
        with pytest.raises(Malformed):
            wrong()
    for name in ("a", "m", "absent"):
        with pytest.raises(Malformed, match="no number"):
            number(value, name, "it")
    for source in (b"[]", b"{a:1,a:2}", b"null.struct"):
        with pytest.raises(Malformed):
            struct(one(source), "it")
    for source in (b"{{}}", b"{{AAAA}}", b'"' + b"a" * 32 + b'"'):
        with pytest.raises(Malformed, match="32 bytes"):
            hash_of(one(source), "it")


LONG = "1" * 36
TEXTS = (
    "$ion_symbol_table::{symbols:[_,(Z)]} {a:[$10]}",
    "{a:[b,(0 c),null.int,{{aGk=}},2019-10-25T17:20:00.009Z],d:e::'f'}",
    f"{{n:{LONG},r:[x,(y)]}} $ion_symbol_table::{{symbols:[a_]}} z",
)
# Read in a process of its own: a parser that never stops must fail the test, not hold it up.
READ_EACH_PREFIX = """
import sys
from carevouch.kernel.errors import Malformed
from carevouch.qldb.ion import values
for at in range(1, len(sys.argv[1]) + 1):
    try:
        list(values(sys.argv[1][:at].encode(), exact=sys.argv[2] == "exact"))
    except Malformed:
        pass
print(at)
"""


@pytest.mark.parametrize("parser", ["exact", "fast"])
@pytest.mark.parametrize("whole", TEXTS, ids=["symbol table", "struct", "long number"])
def test_a_text_that_breaks_off_anywhere_is_read_or_refused_and_never_a_hang(whole: str, parser: str) -> None:
    command = [sys.executable, "-c", READ_EACH_PREFIX, whole, parser]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT / "shared"
    )
    assert (done.stdout.strip(), done.stderr) == (str(len(whole)), "")


def test_a_text_that_breaks_off_after_a_word_is_malformed_for_both_parsers() -> None:
    for cut in (b"(0", b"[_", b"{a:[b"):
        for exact in (False, True):
            with pytest.raises(Malformed):
                list(values(cut, exact=exact))
