"""Acts: each revision stands under the root by its own path; the payload says only what the matrix allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.events.act import (
    Act,
    EventFacts,
    Revision,
    assemble,
    check_matrix,
    inclusion_paths,
    payload_of,
)
from carevouch.events.envelope import MAX_COUNT
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.errors import IntegrityFault, TooLarge
from carevouch.kernel.ids import Doc
from carevouch.ledger.merkle import inclusion_path, verify_inclusion

PERSON = "a" * 26


def revision(number: int, type_: str = "Observation", version: int = 1) -> Revision:
    own = f"{number:026d}".translate(str.maketrans("0189", "abcd"))
    return Revision(Doc(type_, f"{PERSON}.{own}"), version, None, bytes(32), b"%d" % number)


FACTS = EventFacts(
    "b" * 26,
    "records.stored",
    "records",
    1,
    1,
    "2026-11-22T10:00:00.000Z",
    "2026-11-22T10:10:00.000Z",
    (bytes(32),),
)


@given(st.integers(1, 70))
def test_every_revision_stands_under_the_root_at_its_index(count: int) -> None:
    act = assemble([revision(number) for number in range(count)])
    for index, (hash_, path) in enumerate(zip(act.leaf_hashes, act.paths, strict=True)):
        verify_inclusion(index, count, hash_, path, act.root)


@given(st.integers(1, 130))
def test_all_paths_at_once_are_the_paths_one_by_one(count: int) -> None:
    hashes = [sha256(bytes([number])) for number in range(count)]
    assert inclusion_paths(hashes) == tuple(tuple(inclusion_path(hashes, n)) for n in range(count))


def test_an_act_has_at_least_one_document_and_a_limit() -> None:
    with pytest.raises(TooLarge):
        assemble([])
    with pytest.raises(TooLarge, match=str(MAX_COUNT)):
        assemble([revision(0)] * (MAX_COUNT + 1))
    assert len(assemble([revision(0)] * MAX_COUNT).paths) == MAX_COUNT


def test_the_order_of_revisions_is_in_the_root() -> None:
    one, two = revision(1), revision(2)
    assert assemble([one, two]).root != assemble([two, one]).root


def test_the_payload_counts_and_roots_the_act() -> None:
    act = assemble([revision(number) for number in range(3)])
    payload = payload_of(act, FACTS)
    assert (payload["count"], payload["root"], payload["tags"]) == (3, b64u(act.root), [b64u(bytes(32))])
    assert "contract" not in payload


def refused(act: Act, type_: str, producer: str) -> None:
    with pytest.raises(IntegrityFault, match="may not"):
        check_matrix(act.revisions, type_, producer)


def test_a_payload_is_only_made_of_what_the_matrix_allows() -> None:
    allowed = assemble([revision(1), revision(2, "Patient"), revision(3, "Enrolment")])
    check_matrix(allowed.revisions, "records.stored", "records")
    refused(allowed, "records.stored", "claims")
    refused(allowed, "records.stored", "operator")
    refused(allowed, "patient.registered", "identity")
    refused(allowed, "no.such.type", "records")
    refused(assemble([revision(1), revision(2, "Coverage", 2)]), "record.updated", "records")
    with pytest.raises(IntegrityFault):
        payload_of(assemble([revision(1, "BoundDevice")]), FACTS)
