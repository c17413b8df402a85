"""Ids and keys: a document's row is known from its id alone, and no other text is an id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.kernel.errors import Malformed, NotFound
from carevouch.kernel.ids import (
    Doc,
    Key,
    about,
    audit,
    directory,
    parse_doc,
    parse_key,
    parse_reference,
    part,
)

A, B = part(bytes(16)), part(b"\xff" * 16)
TIME = "2026-11-22T10:00:00.000Z"


def test_a_part_is_26_characters_of_lower_base32() -> None:
    assert A == "a" * 26
    assert B == "7" * 25 + "4"
    with pytest.raises(ValueError, match="16 bytes"):
        part(bytes(15))


def test_each_kind_of_document_lies_in_its_own_partition() -> None:
    assert Doc("Patient", A).key(1) == Key(f"P#{A}", f"Patient#{A}#v#0000000001")
    assert Doc("Observation", about(A, B)).key(12) == Key(f"P#{A}", f"Observation#{A}.{B}#v#0000000012")
    assert Doc("Organization", directory(B)).key(1) == Key(
        "D#Organization", f"Organization#d.{B}#v#0000000001"
    )
    assert Doc("AuditEvent", audit(A, B, TIME)).pk() == f"A#{A}#2026-11"
    assert Doc("AuditEvent", audit(None, B, TIME)).pk() == "A#none#2026-11"


def test_the_subject_is_read_from_the_id() -> None:
    assert Doc("Patient", A).subject == A
    assert Doc("Observation", about(A, B)).subject == A
    assert Doc("AuditEvent", audit(A, B, TIME)).subject == A
    assert Doc("AuditEvent", audit(None, B, TIME)).subject is None
    assert Doc("Organization", directory(B)).subject is None


@pytest.mark.parametrize(
    ("type_", "id_"),
    [
        ("Patient", A[:-1]),
        ("Patient", A + "a"),
        ("Patient", A.upper()),
        ("Patient", "0" * 26),
        ("Patient", f"{A}.{B}"),
        ("Observation", A),
        ("Observation", f"{A}.{B}.{B}"),
        ("Observation", f"{A}#{B}"),
        ("Observation", f"D.{B}"),
        ("AuditEvent", f"{A}.202613-{B}"),
        ("AuditEvent", f"{A}.202600-{B}"),
        ("AuditEvent", f"{A}.{B}"),
        ("AuditEvent", f"{A}.\u0662\u0660\u0662\u066611-{B}"),
        ("observation", f"{A}.{B}"),
        ("Obs#v", f"{A}.{B}"),
        ("", A),
        ("Patient", f"{A}\n"),
    ],
)
def test_what_cannot_be_an_id_of_ours_is_not_found(type_: str, id_: str) -> None:
    with pytest.raises(NotFound):
        parse_doc(type_, id_)
    with pytest.raises(Malformed):
        parse_reference(f"{type_}/{id_}")


def test_a_reference_is_a_type_and_an_id() -> None:
    assert parse_reference(f"Patient/{A}") == Doc("Patient", A)
    for text in (f"Patient{A}", f"http://x/Patient/{A}", f"Patient/{A}/_history/1", f"/Patient/{A}"):
        with pytest.raises(Malformed):
            parse_reference(text)


@pytest.mark.parametrize(
    "sk",
    [
        "cert",
        f"act#{A}",
        f"Patient#{A}#v#0000000001#rejected",
        f"Patient#{A}#v#1",
        f"Patient#{A}#v#-000000001",
        f"Patient#{A}#w#0000000001",
        f"Patient#{A}#v#\u0660000000001",
        f"Patient#{A}#v#",
    ],
)
def test_other_rows_are_not_taken_for_revisions(sk: str) -> None:
    with pytest.raises(ValueError, match="not a revision row"):
        parse_key(Key(f"P#{A}", sk))


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), st.integers(1, 10**10 - 1))
def test_a_key_leads_back_to_its_document(person: bytes, own: bytes, version: int) -> None:
    doc = Doc("Observation", about(part(person), part(own)))
    assert parse_key(doc.key(version)) == (doc, version)
    assert parse_doc(doc.type, doc.id) == doc


@given(st.integers(1, 10**10 - 1), st.integers(1, 10**10 - 1))
def test_versions_sort_as_text(one: int, two: int) -> None:
    doc = Doc("Patient", A)
    assert (doc.key(one) < doc.key(two)) == (one < two)
