"""The write matrix: who may sign what, and what each event may hold."""

import pytest

from carevouch.events.catalogue import (
    CATALOGUE,
    DIRECTORY_TYPES,
    OPERATOR,
    OWN_TYPES,
    OWNED,
    SERVICES,
    may_write,
    types_of,
)


def test_every_type_has_a_producer_and_writes_something() -> None:
    for name, kind in CATALOGUE.items():
        assert kind.name == name
        assert kind.producers <= {OPERATOR, *SERVICES}
        assert kind.producers
        assert kind.writes


def test_only_audits_are_signed_by_more_than_one_service() -> None:
    shared = [name for name, kind in CATALOGUE.items() if len(kind.producers) > 1]
    assert shared == ["access.audited"]
    assert CATALOGUE["access.audited"].writes == {"AuditEvent"}


def test_no_service_signs_what_the_operator_signs() -> None:
    assert types_of(OPERATOR) == ("organization.admitted", "organization.changed")
    for service in SERVICES:
        assert not set(types_of(service)) & set(types_of(OPERATOR))
        assert list(types_of(service)) == sorted(types_of(service))


@pytest.mark.parametrize("type_", sorted(set(OWNED) - {"Patient"}))
def test_an_owned_type_is_created_in_a_bundle_and_changed_by_its_owner_alone(type_: str) -> None:
    assert may_write("records.stored", type_, 1)
    assert not may_write("records.stored", type_, 2)
    assert not may_write("record.updated", type_, 2)
    changers = {p for name, kind in CATALOGUE.items() for p in kind.producers if may_write(name, type_, 2)}
    assert changers <= {OWNED[type_], OPERATOR}


@pytest.mark.parametrize("type_", sorted(OWN_TYPES | {"AuditEvent"}))
def test_types_of_our_own_do_not_come_in_through_a_bundle(type_: str) -> None:
    assert not may_write("record.updated", type_, 1)
    assert may_write("records.stored", type_, 1) == (type_ == "Enrolment")


@pytest.mark.parametrize("version", [1, 2, 10**9])
def test_clinical_types_are_created_and_changed_by_records_only(version: int) -> None:
    writers = {name for name in CATALOGUE if may_write(name, "Observation", version)}
    assert writers == {"records.stored", "record.updated"}


def test_a_permitting_consent_comes_by_the_consent_service_or_a_first_version() -> None:
    assert {name for name in CATALOGUE if may_write(name, "Consent", 2)} == {
        "consent.granted",
        "consent.recorded",
        "consent.revoked",
    }


def test_an_unknown_event_type_writes_nothing() -> None:
    assert not may_write("records.forged", "Observation", 1)
    assert not may_write("", "Observation", 1)
    assert not may_write("*", "*", 1)


def test_directory_types_are_not_types_of_our_own() -> None:
    assert not DIRECTORY_TYPES & OWN_TYPES


def test_a_patient_is_registered_by_identity_and_kept_up_to_date_by_records() -> None:
    assert may_write("patient.registered", "Patient", 1)
    assert may_write("record.updated", "Patient", 2)
    assert not may_write("records.stored", "Patient", 2)
