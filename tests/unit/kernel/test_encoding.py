"""Bytes as text: the vectors of RFC 4648, and that no two texts stand for the same bytes."""

import base64
import binascii

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.kernel.encoding import b64, b64u, base32, sha256, unb64, unb64u
from carevouch.kernel.errors import Malformed

# RFC 4648 section 10, without the padding that base64url and base32 leave out here.
RFC_4648 = [
    (b"", "", ""),
    (b"f", "Zg==", "my"),
    (b"fo", "Zm8=", "mzxq"),
    (b"foo", "Zm9v", "mzxw6"),
    (b"foob", "Zm9vYg==", "mzxw6yq"),
    (b"fooba", "Zm9vYmE=", "mzxw6ytb"),
    (b"foobar", "Zm9vYmFy", "mzxw6ytboi"),
]


@pytest.mark.parametrize(("data", "base64", "lower32"), RFC_4648)
def test_encodings_agree_with_rfc_4648(data: bytes, base64: str, lower32: str) -> None:
    assert b64(data) == base64
    assert b64u(data) == base64.rstrip("=")
    assert base32(data) == lower32
    assert unb64(base64) == data
    assert unb64u(base64.rstrip("=")) == data


def test_base64url_uses_the_alphabet_of_section_5() -> None:
    assert b64u(b"\xfb\xff\xfe") == "-__-"
    assert b64(b"\xfb\xff\xfe") == "+//+"


def test_sha256_of_abc_is_the_example_of_fips_180() -> None:
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    "text",
    [
        "Zg==",
        "Zg=",
        "Z",
        "Zh",
        "Zm9v\n",
        " Zm9v",
        "Zm9vYg\x00",
        "+/+/",
        "Zm9é",
        "Zm 9v",
        "Zm9v=",
        "=",
        "Zm9vYh",
    ],
)
def test_what_is_not_exactly_base64url_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="the nonce is not base64url"):
        unb64u(text, "the nonce")


@pytest.mark.parametrize("text", ["Zg", "Zh==", "-__-", "Zm9v\n", "Zg===", "Zm9v="])
def test_what_is_not_exactly_base64_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        unb64(text)


@given(st.binary(max_size=200))
def test_every_byte_string_survives_both_encodings(data: bytes) -> None:
    assert unb64u(b64u(data)) == data
    assert unb64(b64(data)) == data


def decoded_leniently(text: str) -> bytes | None:
    """By the standard library, which takes several texts for the same bytes: only its own one counts."""
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return data if base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text else None


@settings(max_examples=500)
@given(st.text(alphabet="ABCQZabcgwz019-_+/=\n \0é", max_size=12))
def test_the_texts_that_decode_are_those_of_a_second_decoder(text: str) -> None:
    expected = decoded_leniently(text)
    if expected is None:
        with pytest.raises(Malformed):
            unb64u(text)
    else:
        assert unb64u(text) == expected


@given(st.text(alphabet="ABCZabcz019-_+/=\n ", max_size=12))
def test_a_text_that_decodes_is_the_one_text_of_its_bytes(text: str) -> None:
    try:
        data = unb64u(text)
    except Malformed:
        return
    assert b64u(data) == text
