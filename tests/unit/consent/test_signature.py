"""The device's signature under a grant: every member counts, and so does every byte of the stored body."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from carevouch.consent.signature import (
    GRANT_TYP,
    body_of,
    grant_payload,
    parse_body,
    sign_grant,
    verify_grant,
)
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.jws import KeyInMemory, sign

DEVICE = KeyInMemory(ec.derive_private_key(11, ec.SECP256R1()), deterministic=True)
OTHER = KeyInMemory(ec.derive_private_key(12, ec.SECP256R1()), deterministic=True)
CONTENT = b'{"resourceType":"Consent"}'
GRANT: dict[str, Any] = {"content": CONTENT, "doc": "Consent/a.b", "version": 2, "prev": b"\x01" * 32}
SIGNED = sign_grant(grant_payload(**GRANT, request="r1"), DEVICE)


def test_the_payload_has_the_members_of_the_format() -> None:
    assert grant_payload(CONTENT, "Consent/a.b", 1, None, "r1") == {
        "v": 1,
        "content": b64u(sha256(CONTENT)),
        "doc": "Consent/a.b",
        "version": 1,
        "prev": None,
        "request": "r1",
    }
    assert GRANT_TYP == "carevouch-consent+jws"


def test_a_valid_grant_returns_the_request_that_it_answers() -> None:
    assert verify_grant(SIGNED, DEVICE.jwk, **GRANT) == "r1"
    assert verify_grant(SIGNED, DEVICE.jwk, **GRANT, request="r1") == "r1"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("content", CONTENT + b" "),
        ("doc", "Consent/a.c"),
        ("version", 3),
        ("prev", None),
        ("prev", b"\x02" * 32),
        ("request", "r2"),
    ],
)
def test_a_grant_moved_elsewhere_names_the_member_that_differs(member: str, value: Any) -> None:
    with pytest.raises(IntegrityFault, match=f"differs in {member}"):
        verify_grant(SIGNED, DEVICE.jwk, **{**GRANT, member: value})


def test_the_key_of_another_device_is_refused() -> None:
    with pytest.raises(IntegrityFault, match="another key"):
        verify_grant(SIGNED, OTHER.jwk, **GRANT)


@pytest.mark.parametrize("at", range(0, len(SIGNED), 7))
def test_no_character_of_the_signature_can_change(at: int) -> None:
    changed = SIGNED[:at] + ("A" if SIGNED[at] != "A" else "B") + SIGNED[at + 1 :]
    with pytest.raises(IntegrityFault):
        verify_grant(changed, DEVICE.jwk, **GRANT)


@pytest.mark.parametrize(
    "change", [{"v": 2}, {"extra": 1}, {"request": 5}, {"version": "2"}, {"version": True}], ids=repr
)
def test_other_members_than_version_1_has_are_refused(change: dict[str, Any]) -> None:
    payload = {**grant_payload(**GRANT, request="r1"), **change}
    with pytest.raises(IntegrityFault):
        verify_grant(sign(payload, GRANT_TYP, DEVICE), DEVICE.jwk, **GRANT)


def test_the_json_value_true_is_not_version_one() -> None:
    payload = {**grant_payload(CONTENT, "Consent/a.b", 1, None, "r1"), "version": True}
    with pytest.raises(IntegrityFault, match="version"):
        verify_grant(
            sign(payload, GRANT_TYP, DEVICE),
            DEVICE.jwk,
            content=CONTENT,
            doc="Consent/a.b",
            version=1,
            prev=None,
        )


def test_a_signature_of_another_kind_is_refused() -> None:
    other = sign(grant_payload(**GRANT, request="r1"), "carevouch-event+jws", DEVICE)
    with pytest.raises(IntegrityFault, match="carevouch-event"):
        verify_grant(other, DEVICE.jwk, **GRANT)


@pytest.mark.parametrize("sig", [None, "a.b.c"])
def test_a_body_comes_back_as_it_was_stored(sig: str | None) -> None:
    assert parse_body(body_of(CONTENT, sig)) == (CONTENT, sig)


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"content":"","sig":null} ', b'{"content":1,"sig":null}', b'{"content":"","sig":1}',
     b'{"content":"=","sig":null}', b'{"content":"","more":1,"sig":null}', b"[]", b"x"],
)  # fmt: skip
def test_any_other_body_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_body(body)
