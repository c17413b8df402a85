"""ES256 and thumbprints against second implementations: joserfc and PyJWT accept what we sign, and back."""

import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from joserfc.jwk import ECKey

from carevouch.kernel.canonical import jcs
from carevouch.kernel.encoding import b64u, unb64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.jws import (
    MAX_LENGTH,
    KeyInMemory,
    check_signature,
    key_from_seed,
    other_spelling,
    public_key,
    sign,
    take_apart,
    thumbprint,
    verify,
)

KEY = KeyInMemory(key_from_seed(bytes(16), "test"), deterministic=True)
OTHER = KeyInMemory(key_from_seed(b"\x01" * 16, "test"), deterministic=True)
TYP = "carevouch-test+jws"
PAYLOAD = {"v": 1, "text": "Ünï", "list": [1, 2]}
TEXT = sign(PAYLOAD, TYP, KEY)


def forged(header: Any, payload: Any = PAYLOAD, key: KeyInMemory = KEY) -> str:
    head = header if isinstance(header, bytes) else jcs(header)
    body = payload if isinstance(payload, bytes) else jcs(payload)
    message = f"{b64u(head)}.{b64u(body)}"
    return f"{message}.{b64u(key.sign(message.encode()))}"


def test_the_thumbprint_agrees_with_a_second_implementation() -> None:
    assert thumbprint(KEY.jwk) == ECKey.import_key({**KEY.jwk}).thumbprint() == KEY.kid
    assert len(unb64u(KEY.kid)) == 32


def test_the_thumbprint_ignores_all_but_the_required_members() -> None:
    assert thumbprint({**KEY.jwk, "use": "sig", "alg": "ES256", "kid": "another"}) == KEY.kid


def test_a_second_implementation_accepts_our_signature() -> None:
    registry = joserfc_jws.JWSRegistry(algorithms=["ES256"])
    theirs = joserfc_jws.deserialize_compact(TEXT, ECKey.import_key({**KEY.jwk}), registry=registry)
    assert json.loads(theirs.payload or b"") == PAYLOAD
    assert theirs.headers() == {"alg": "ES256", "kid": KEY.kid, "typ": TYP}
    third = jwt.PyJWS().decode_complete(TEXT, jwt.PyJWK(KEY.jwk).key, algorithms=["ES256"])
    assert json.loads(third["payload"]) == PAYLOAD


def test_we_accept_the_signature_of_a_second_implementation() -> None:
    theirs = jwt.PyJWS().encode(
        jcs(PAYLOAD), KEY._key, algorithm="ES256", headers={"typ": TYP, "kid": KEY.kid}, sort_headers=True
    )
    assert verify(take_apart(theirs), KEY.jwk, TYP) == PAYLOAD


def test_a_deterministic_key_signs_the_same_bytes_twice_and_a_common_one_does_not() -> None:
    assert KEY.sign(b"m") == KEY.sign(b"m")
    common = KeyInMemory(key_from_seed(bytes(16), "test"))
    assert common.jwk == KEY.jwk
    assert common.sign(b"m") != common.sign(b"m")


def test_rfc_6979_signature_of_the_published_example() -> None:
    # RFC 6979 A.2.5, P-256 with SHA-256, message "sample".
    from cryptography.hazmat.primitives.asymmetric import ec

    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    key = KeyInMemory(ec.derive_private_key(secret, ec.SECP256R1()), deterministic=True)
    assert key.sign(b"sample").hex() == (
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    )


def test_both_holders_of_a_seed_derive_the_same_key_for_one_purpose_only() -> None:
    seed = b"0123456789abcdef"
    one = KeyInMemory(key_from_seed(seed, "enrolment"))
    assert KeyInMemory(key_from_seed(seed, "enrolment")).kid == one.kid
    assert KeyInMemory(key_from_seed(seed, "another")).kid != one.kid
    assert KeyInMemory(key_from_seed(b"1" + seed[1:], "enrolment")).kid != one.kid


def test_verifying_names_what_does_not_match() -> None:
    signed = take_apart(TEXT)
    assert verify(signed, KEY.jwk, TYP) == PAYLOAD
    with pytest.raises(IntegrityFault, match=f"is a {TYP.replace('+', '.')}"):
        verify(signed, KEY.jwk, "carevouch-event+jws")
    with pytest.raises(IntegrityFault, match="names another key"):
        verify(signed, OTHER.jwk, TYP)
    with pytest.raises(IntegrityFault, match="signature does not match"):
        verify(take_apart(forged({"alg": "ES256", "kid": KEY.kid, "typ": TYP}, key=OTHER)), KEY.jwk, TYP)
    with pytest.raises(IntegrityFault, match="64 bytes"):
        verify(replace(signed, signature=signed.signature[:-1]), KEY.jwk, TYP)


@pytest.mark.parametrize(
    "signature", [bytes(64), b"\xff" * 64, bytes(32) + b"\x01" * 32, b"\x01" * 32 + bytes(32)]
)
def test_degenerate_signatures_are_refused(signature: bytes) -> None:
    with pytest.raises(IntegrityFault, match="does not match"):
        check_signature(public_key(KEY.jwk), b"message", signature)


def test_a_signature_has_a_second_spelling_whose_second_spelling_is_the_first() -> None:
    text = sign({"a": 1}, TYP, KEY)
    other = other_spelling(text)
    assert other is not None
    assert other != text
    assert other_spelling(other) == text
    assert verify(take_apart(other), KEY.jwk, TYP) == {"a": 1}


@pytest.mark.parametrize("signature", [bytes(64), b"\xff" * 64, b"\x01" * 63, b"\x01" * 65])
def test_what_is_no_signature_has_no_second_spelling(signature: bytes) -> None:
    assert other_spelling(f"e30.e30.{b64u(signature)}") is None


HEADER = {"alg": "ES256", "kid": KEY.kid, "typ": TYP}


@pytest.mark.parametrize(
    "text",
    [
        forged({**HEADER, "alg": "none"}),
        forged({**HEADER, "alg": "HS256"}),
        forged({**HEADER, "alg": "ES384"}),
        forged({**HEADER, "crit": ["b64"]}),
        forged({**HEADER, "jwk": OTHER.jwk}),
        forged({"alg": "ES256", "kid": KEY.kid}),
        forged({**HEADER, "kid": 1}),
        forged({**HEADER, "typ": None}),
        forged(json.dumps(HEADER).encode()),
        forged(HEADER, b'{"b":1,"a":2}'),
        forged(HEADER, b"[]"),
        forged(HEADER, b'{"v":1.0}'),
        TEXT + ".",
        TEXT.rpartition(".")[0],
        TEXT.rpartition(".")[0] + ".=",
        TEXT + "=",
        TEXT + "\n",
        " " + TEXT,
        "..",
        "",
        "é.é.é",
    ],
)
def test_a_jws_of_any_other_form_does_not_parse(text: str) -> None:
    with pytest.raises(Malformed):
        take_apart(text)


def test_nothing_longer_than_an_entry_is_parsed() -> None:
    head = b64u(jcs({"alg": "ES256", "kid": KEY.kid, "typ": "t"}))
    lengths = {}
    for size in range(3 * MAX_LENGTH // 4 - 200, 3 * MAX_LENGTH // 4):
        text = f"{head}.{b64u(jcs({'a': 'a' * size}))}.{'A' * 86}"
        lengths[len(text)] = text
    longest = max(length for length in lengths if length <= MAX_LENGTH)
    assert take_apart(lengths[longest]).payload["a"]
    with pytest.raises(Malformed, match="not a compact JWS"):
        take_apart(lengths[min(length for length in lengths if length > MAX_LENGTH)])


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 7))
@settings(max_examples=150)
def test_a_flipped_bit_anywhere_is_refused(place: int, bit: int) -> None:
    data = bytearray(TEXT.encode())
    data[place] ^= 1 << bit
    with pytest.raises((Malformed, IntegrityFault)):
        verify(take_apart(data.decode("latin-1")), KEY.jwk, TYP)


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        [],
        {},
        {**KEY.jwk, "kty": "RSA"},
        {**KEY.jwk, "crv": "P-384"},
        {**KEY.jwk, "d": KEY.jwk["x"]},
        {**KEY.jwk, "x": OTHER.jwk["x"]},
        {**KEY.jwk, "x": b64u(bytes(32)), "y": b64u(bytes(32))},
        {**KEY.jwk, "x": b64u(b"\xff" * 32)},
        {**KEY.jwk, "x": KEY.jwk["x"] + "="},
        {**KEY.jwk, "x": b64u(bytes(1) + unb64u(KEY.jwk["x"]))},
        {**KEY.jwk, "y": None},
        {"kty": "EC", "crv": "P-256", "x": KEY.jwk["x"]},
    ],
)
def test_what_is_no_public_p256_key_is_refused(jwk: Any) -> None:
    with pytest.raises(Malformed):
        public_key(jwk)
