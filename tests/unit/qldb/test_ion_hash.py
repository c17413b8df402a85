"""Ion Hash against known answers of amazon-ion/ion-hash-test (`ion_hash_tests.ion`), which all of Amazon's
implementations pass. Their digest is the identity there, so that the bytes themselves show."""

import hashlib

import pytest
from amazon.ion import simpleion  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import Malformed
from carevouch.qldb.ion import only_value
from carevouch.qldb.ion_hash import ion_hash, serialized
from tests.unit.qldb.ion_texts import ions

# A value, and the bytes that stand for it (identity digest).
KNOWN = [
    ("null", "0b0f0e"),
    ("null.bool", "0b1f0e"),
    ("null.int", "0b2f0e"),
    ("null.float", "0b4f0e"),
    ("null.decimal", "0b5f0e"),
    ("null.timestamp", "0b6f0e"),
    ("null.symbol", "0b7f0e"),
    ("null.string", "0b8f0e"),
    ("null.clob", "0b9f0e"),
    ("null.blob", "0baf0e"),
    ("null.list", "0bbf0e"),
    ("null.sexp", "0bcf0e"),
    ("null.struct", "0bdf0e"),
    ("false", "0b100e"),
    ("true", "0b110e"),
    ("0", "0b200e"),
    ("5", "0b20050e"),
    ("-6", "0b30060e"),
    ("0.0e0", "0b400e"),
    ("-0.0e0", "0b4080000000000000000e"),
    ("+inf", "0b407ff00000000000000e"),
    ("-inf", "0b40fff00000000000000e"),
    ("nan", "0b407ff80000000000000e"),
    ("-1.0e0", "0b40bff00000000000000e"),
    ("1.0e0", "0b403ff00000000000000e"),
    ("1.0000000000000002e0", "0b403ff00000000000010e"),
    ("5e-324", "0b4000000000000000010e"),
    ("2.2250738585072014e-308", "0b4000100000000000000e"),
    ("1.7976931348623157e+308", "0b407fefffffffffffff0e"),
    ("0d0", "0b500e"),
    ("0d+1", "0b50810e"),
    ("0.0", "0b50c10e"),
    ("0.00000", "0b50c50e"),
    ("-0d0", "0b5080800e"),
    ("-0.0", "0b50c1800e"),
    ("-0.00000", "0b50c5800e"),
    ("0.012345", "0b50c630390e"),
    ("1.2345", "0b50c430390e"),
    ("12345d0", "0b508030390e"),
    ("123450d0", "0b508001e23a0e"),
    ("1234500d0", "0b508012d6440e"),
    ("1234.50", "0b50c201e23a0e"),
    ("1234.500", "0b50c312d6440e"),
    ("500d0", "0b508001f40e"),
    ("5d+2", "0b5082050e"),
    ("5d+300", "0b5002ac050e"),
    ("5.00d+302", "0b5002ac01f40e"),
    ("-5.00d-298", "0b5042ac81f40e"),
    ("2017T", "0b60c00fe10e"),
    ("2017-01T", "0b60c00fe1810e"),
    ("2017-01-01T", "0b60c00fe181810e"),
    ("2017-01-01T00:00Z", "0b60800fe1818180800e"),
    ("2017-01-01T00:00:00Z", "0b60800fe181818080800e"),
    ("2017-01-01T00:00:00-00:00", "0b60c00fe181818080800e"),
    ("2001-02-03T04:05:06-00:00", "0b60c00fd182838485860e"),
    ("2001-02-03T04:05:06-12:34", "0b6045f20fd1828390a7860e"),
    ("2001-02-03T04:05:06.123456789-12:34", "0b6045f20fd1828390a786c9075bcd150e"),
    ("$0", "0b710e"),
    ("$ion", "0b7024696f6e0e"),
    ("name", "0b706e616d650e"),
    ("$ion_shared_symbol_table", "0b7024696f6e5f7368617265645f73796d626f6c5f7461626c650e"),
    (r"''", "0b700e"),
    (r"' '", "0b70200e"),
    ("hellohellohel", "0b7068656c6c6f68656c6c6f68656c0e"),
    (r"'\x0b\x0c\x0e'", "0b700c0b0c0c0c0e0e"),
    ('""', "0b800e"),
    ('"hello"', "0b8068656c6c6f0e"),
    ('"hellohellohell"', "0b8068656c6c6f68656c6c6f68656c6c0e"),
    ('{{""}}', "0b900e"),
    ('{{"hello"}}', "0b9068656c6c6f0e"),
    ('{{"hellohellohell"}}', "0b9068656c6c6f68656c6c6f68656c6c0e"),
    ("{{}}", "0ba00e"),
    ("{{aGVsbG8=}}", "0ba068656c6c6f0e"),
    ("{{aGVsbG9oZWxsb2hlbGw=}}", "0ba068656c6c6f68656c6c6f68656c6c0e"),
    ("[]", "0bb00e"),
    ("[1,2,3]", "0bb00b20010e0b20020e0b20030e0e"),
    ("()", "0bc00e"),
    ("(1 2 3)", "0bc00b20010e0b20020e0b20030e0e"),
    ("{}", "0bd00e"),
    ("{$0:1}", "0bd00c0b710c0e0c0b20010c0e0e"),
    (r"{'':1}", "0bd00c0b700c0e0c0b20010c0e0e"),
    ("{hellohellohel:1}", "0bd00c0b7068656c6c6f68656c6c6f68656c0c0e0c0b20010c0e0e"),
    ("{hellohellohell:1}", "0bd00c0b7068656c6c6f68656c6c6f68656c6c0c0e0c0b20010c0e0e"),
    (r"{'\x0b\x0c\x0e':1}", "0bd00c0b700c0c0c0b0c0c0c0c0c0c0c0e0c0e0c0b20010c0e0e"),
    ("{c:3,a:1,b:2}", "0bd00c0b70610c0e0c0b20010c0e0c0b70620c0e0c0b20020c0e0c0b70630c0e0c0b20030c0e0e"),
    ("{a:3,a:1,a:2}", "0bd00c0b70610c0e0c0b20010c0e0c0b70610c0e0c0b20020c0e0c0b70610c0e0c0b20030c0e0e"),
    ("{float_zero:0.0e0}", "0bd00c0b70666c6f61745f7a65726f0c0e0c0b400c0e0e"),
    ("hello::null", "0be00b7068656c6c6f0e0b0f0e0e"),
    ("hello::7", "0be00b7068656c6c6f0e0b20070e0e"),
    ("hello::[]", "0be00b7068656c6c6f0e0bb00e0e"),
    ("hello::()", "0be00b7068656c6c6f0e0bc00e0e"),
    ("hello::{}", "0be00b7068656c6c6f0e0bd00e0e"),
    ("hellohellohel::null", "0be00b7068656c6c6f68656c6c6f68656c0e0b0f0e0e"),
    ("hellohellohell::null", "0be00b7068656c6c6f68656c6c6f68656c6c0e0b0f0e0e"),
    ("$0::{}", "0be00b710e0bd00e0e"),
    (r"''::{}", "0be00b700e0bd00e0e"),
    (r"'\x0b\x0c\x0e'::{}", "0be00b700c0b0c0c0c0e0e0bd00e0e"),
    ("a::b::c::null.int", "0be00b70610e0b70620e0b70630e0b2f0e0e"),
    ("{a:z::5}", "0bd00c0b70610c0e0c0be00c0b707a0c0e0c0b20050c0e0c0e0e"),
]
# A value in binary, whose fraction has no digits: exponents of 0 and more say nothing, negative ones do.
KNOWN_BINARY = [
    ("68800fd08181808080", "60800fd08181808080"),
    ("6a800fd081818080808000", "60800fd08181808080"),
    ("69800fd08181808080c0", "60800fd08181808080"),
    ("69800fd0818180808081", "60800fd08181808080"),
    ("69800fd08181808080c1", "60800fd08181808080c1"),
    ("69800fd08181808080c2", "60800fd08181808080c2"),
]
VERSION = bytes.fromhex("e00100ea")


def plain(data: bytes) -> bytes:
    return data


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


@pytest.mark.parametrize("exact", [False, True], ids=["fast", "exact"])
@pytest.mark.parametrize(("text", "known"), KNOWN)
def test_the_bytes_of_a_value_are_the_known_ones(text: str, known: str, exact: bool) -> None:
    assert serialized(only_value(text.encode(), "it", exact=exact), plain).hex() == known


@pytest.mark.parametrize(("binary", "known"), KNOWN_BINARY)
def test_the_bytes_of_a_binary_value_are_the_known_ones(binary: str, known: str) -> None:
    value = only_value(VERSION + bytes.fromhex(binary), "it")
    assert serialized(value, plain).hex() == f"0b{known}0e"


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("null", "0f50c5e5e877b4451aa9fe77c376cde4"),
        ("false", "c169d7f53c7009c66eff7c6e0930627c"),
        ("true", "a7510a8e9a56d02329272eb49666de12"),
        (
            "{Metrics:{'Event.Catchup':[{Value:0,Unit:ms}],'FanoutCache.Time':[{Value:1,Unit:ms}]}}",
            "684e4428cebbb8b164d22ba2b13b4b11",
        ),
    ],
)
def test_with_md5_it_is_the_known_hash(text: str, known: str) -> None:
    assert md5(serialized(only_value(text.encode(), "it"), md5)).hex() == known


def test_the_statement_of_a_published_block_has_its_published_digest() -> None:
    """`statementDigest` in the example of `aws qldb get-block` (aws-cli)."""
    statement = (
        r"FROM VehicleRegistration AS r \nWHERE r.VIN = '1N4AL11D75C109151'\nINSERT INTO"
        r" r.Owners.SecondaryOwners\n    VALUE { 'PersonId' : 'CMVdR77XP8zAglmmFDGTvt' }"
    )
    hash_ = ion_hash(only_value(f'"{statement}"'.encode(), "it"))
    assert hash_ == only_value(b"{{jcgPX2vsOJ0waum4qmDYtn1pCAT9xKNIzA+2k4R+mxA=}}", "it")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1."),
        ("1.0", "1.00"),
        ("0.", "-0."),
        ("0e0", "-0e0"),
        ('"a"', "a"),
        ("a", "b::a"),
        ("a::b::c", "b::a::c"),
        ("null", "null.int"),
        ("[]", "()"),
        ("[[1],2]", "[[1,2]]"),
        ("{a:1}", "{a:1,a:1}"),
        ("{{}}", '{{""}}'),
        ("2020T", "2020-01T"),
        ("2020-01-01", "2020-01-01T00:00Z"),
        ("2020-01-01T00:00Z", "2020-01-01T00:00-00:00"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.0Z"),
    ],
)
def test_values_that_differ_in_ion_differ_in_their_hash(one: str, other: str) -> None:
    assert ion_hash(only_value(one.encode(), "it")) != ion_hash(only_value(other.encode(), "it"))


@given(ions())
def test_text_binary_and_both_parsers_have_one_hash(text: str) -> None:
    value = only_value(text.encode(), "it", exact=True)
    binary = simpleion.dumps(value, binary=True)
    hashes = {ion_hash(only_value(source, "it")) for source in (text.encode(), binary)}
    assert hashes == {ion_hash(value)} == {sha256(serialized(value))}


@given(st.permutations(["a:1", "b:2", "a:1", "'':{c:3,d:4}", "e:x::5"]))
def test_the_order_of_fields_does_not_matter(fields: list[str]) -> None:
    expected = ion_hash(only_value(b"{a:1,a:1,b:2,'':{d:4,c:3},e:x::5}", "it"))
    assert ion_hash(only_value(f"{{{','.join(fields)}}}".encode(), "it")) == expected


def test_a_symbol_whose_text_is_elsewhere_is_refused() -> None:
    imported = b'$ion_symbol_table::{imports:[{name:"elsewhere",version:1,max_id:9}]} $10'
    with pytest.raises(Malformed, match="symbol table"):
        ion_hash(only_value(imported, "it", exact=True))


def test_a_value_that_nests_too_deep_is_refused_and_no_crash() -> None:
    value = only_value(b"[]", "it")
    for _ in range(5_000):
        outer = only_value(b"[]", "it")
        outer.append(value)
        value = outer
    with pytest.raises(Malformed, match="deep"):
        ion_hash(value)
