"""Leaves and commitments: a leaf says nothing of the body, and binds document, version and predecessor."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.events.act import NONCE_BYTES, Revision, commit, leaf
from carevouch.kernel.encoding import b64u
from carevouch.kernel.ids import Doc
from carevouch.ledger.merkle import leaf_hash

DOC = Doc("Observation", "a" * 26 + "." + "b" * 26)
NONCE = b"\x05" * NONCE_BYTES
BODIES = st.binary(max_size=80)


@given(BODIES, BODIES)
def test_different_bodies_have_different_commitments(one: bytes, two: bytes) -> None:
    assert (commit(NONCE, one) == commit(NONCE, two)) == (one == two)


@given(st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES), BODIES)
def test_a_commitment_hides_the_body_behind_its_nonce(nonce: bytes, body: bytes) -> None:
    assert (commit(nonce, body) == commit(NONCE, body)) == (nonce == NONCE)


@pytest.mark.parametrize("length", [0, NONCE_BYTES - 1, NONCE_BYTES + 1])
def test_a_nonce_of_another_length_is_refused(length: int) -> None:
    # Else nonce and body could be cut elsewhere, and one commitment open to two bodies.
    with pytest.raises(ValueError, match="32 bytes"):
        commit(bytes(length), b"body")


def test_a_leaf_is_exactly_the_members_of_its_format() -> None:
    data = leaf(DOC, 3, b"\x01" * 32, b"\x02" * 32)
    assert json.loads(data) == {
        "v": 1,
        "doc": str(DOC),
        "version": 3,
        "prev": b64u(b"\x01" * 32),
        "commit": b64u(b"\x02" * 32),
    }
    assert b"patient" not in data.lower()


@pytest.mark.parametrize(
    "other",
    [
        (Doc("Condition", DOC.id), 1, None, NONCE, b"{}"),
        (Doc("Observation", DOC.id[:-1] + "c"), 1, None, NONCE, b"{}"),
        (DOC, 2, None, NONCE, b"{}"),
        (DOC, 1, bytes(32), NONCE, b"{}"),
        (DOC, 1, None, bytes(NONCE_BYTES), b"{}"),
        (DOC, 1, None, NONCE, b"{} "),
    ],
)
def test_every_part_of_a_revision_is_in_its_leaf_hash(
    other: tuple[Doc, int, bytes | None, bytes, bytes],
) -> None:
    assert Revision(*other).leaf_hash != Revision(DOC, 1, None, NONCE, b"{}").leaf_hash


def test_the_leaf_hash_is_that_of_rfc_6962() -> None:
    expected = leaf_hash(leaf(DOC, 1, None, commit(NONCE, b"{}")))
    assert Revision(DOC, 1, None, NONCE, b"{}").leaf_hash == expected
