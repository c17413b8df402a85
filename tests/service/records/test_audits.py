"""Reads and refusals leave one AuditEvent per request and person, which only some may read."""

from base64 import b64decode
from typing import Any

import pytest

from carevouch.fhir.validate import check
from tests import people
from tests.people import Organization
from tests.service.records.conftest import Scene, patient_of, resources, whole_patient
from tests.service.records.test_reads import ABSENT, one


@pytest.fixture
def patient(scene: Scene) -> str:
    return patient_of(scene.call(scene.hospital, "POST", "/fhir", whole_patient(1)))


def test_every_read_and_refusal_leaves_one_audit(scene: Scene, patient: str) -> None:
    condition = one(scene, patient, "Condition")
    requests: list[tuple[Organization, str, str, str]] = [
        (scene.hospital, f"/fhir/{condition}", "read", "0"),
        (scene.payer, f"/fhir/{condition}", "read", "4"),
        (scene.hospital, f"/fhir/Observation?patient={patient}", "search-type", "0"),
        (scene.payer, f"/fhir/Observation?patient={patient}", "search-type", "4"),
        (scene.hospital, f"/fhir/{condition}/_history/1", "vread", "0"),
        (scene.payer, f"/fhir/{condition}/_history", "history-instance", "4"),
        (scene.payer, f"/fhir/Patient/{patient}/$everything", "everything", "4"),
        (scene.hospital, f"/ledger/documents/{condition}/history", "ledger-history", "0"),
        (scene.payer, f"/ledger/documents/{condition}/1/opening", "ledger-opening", "4"),
    ]
    for at, (who, path, interaction, outcome) in enumerate(requests, 1):
        scene.world.clock.advance(1)
        scene.get(who, path)
        audits = scene.audits(patient)
        newest = max(audits, key=lambda audit: str(audit["recorded"]))
        assert len(audits) == at
        assert newest["agent"][0]["who"] == {"reference": who.reference}
        assert (newest["subtype"][0]["code"], newest["outcome"]) == (interaction, outcome)
        assert check(newest) == []


def test_a_successful_write_is_its_own_audit_and_a_refused_one_is_not(scene: Scene, patient: str) -> None:
    sent = people.observation(patient)
    assert scene.call(scene.hospital, "POST", "/fhir/Observation", sent).status == 201
    assert scene.audits(patient) == []
    assert scene.call(scene.payer, "POST", "/fhir/Observation", sent).status == 403
    assert scene.call(scene.clinic, "POST", "/fhir/Observation", sent).status == 404
    assert sorted((one_["action"], one_["outcomeDesc"]) for one_ in scene.audits(patient)) == [
        ("C", "forbidden"),
        ("C", "not-found"),
    ]


def test_a_purpose_that_the_role_may_not_declare_is_refused_and_audited(scene: Scene, patient: str) -> None:
    answer = scene.get(scene.payer, f"/fhir/Patient/{patient}", purpose_of_use="TREAT")
    assert answer.status == 403
    (audit,) = scene.audits(patient)
    assert (audit["outcome"], audit["outcomeDesc"]) == ("4", "forbidden: purpose")
    assert audit["purposeOfEvent"][0]["coding"][0]["code"] == "HPAYMT"


def test_requests_about_nobody_known_are_audited_apart(scene: Scene) -> None:
    scene.get(scene.payer, f"/fhir/Patient/{ABSENT}")
    scene.get(scene.payer, "/fhir/Patient/not-an-id")
    assert len(scene.audits(None)) == 2


def test_what_a_caller_typed_about_somebody_is_in_no_audit(scene: Scene, patient: str) -> None:
    for query in (
        f"Observation?patient={patient}&code=718-7",
        "Patient?identifier=https://clinic.example|T-4711",
        f"Patient?_id={patient}&family=Quillfeather&birthdate=1970-01-01",
        "Observation?patient=Patient/Aldora",
    ):
        scene.get(scene.payer, f"/fhir/{query}")
    audits = [*scene.audits(patient), *scene.audits(None)]
    asked = [
        b64decode(entity["query"]).decode()
        for one_ in audits
        for entity in one_["entity"]
        if "query" in entity
    ]
    assert sorted(asked) == [
        f"_id={patient}&birthdate=…&family=…",
        f"code=…&patient={patient}",
        "identifier=…",
        "patient=…",
    ]


def test_the_person_and_an_auditor_read_who_looked_and_nobody_else(scene: Scene, patient: str) -> None:
    device = scene.device(patient)
    scene.get(scene.payer, f"/fhir/Patient/{patient}")
    query = f"/fhir/AuditEvent?patient={patient}&_sort=-date"
    found = scene.get(device, query).json()
    assert resources(found)[0]["agent"][0]["who"] == {"reference": scene.payer.reference}
    assert scene.get(scene.auditor, query).json()["total"] == 2
    for who in (scene.hospital, scene.payer):
        assert scene.get(who, query).json()["total"] == 0
    event = resources(found)[0]["id"]
    assert scene.get(device, f"/fhir/AuditEvent/{event}").status == 200
    assert scene.get(scene.payer, f"/fhir/AuditEvent/{event}").status == 404


def test_audit_is_found_in_the_months_that_the_dates_name(scene: Scene, patient: str) -> None:
    device = scene.device(patient)
    scene.get(scene.payer, f"/fhir/Patient/{patient}")
    scene.world.clock.advance(40 * 24 * 3600)
    scene.get(scene.payer, f"/fhir/Patient/{patient}")
    query = f"/fhir/AuditEvent?patient={patient}"
    assert scene.get(device, f"{query}&date=2026-11").json()["total"] == 1
    assert scene.get(device, f"{query}&date=ge2027-01-01").json()["total"] >= 1
    assert scene.get(device, f"{query}&date=le2026-10-31").json()["total"] == 0
    assert scene.get(device, f"{query}&agent={scene.payer.reference}").json()["total"] == 2


def test_nothing_is_answered_when_the_audit_cannot_be_stored(scene: Scene, patient: str) -> None:
    rows: Any = scene.world.rows
    rows.faults.plan = {rows.faults.writes + at: "dropped" for at in range(1, 20)}
    answer = scene.get(scene.hospital, f"/fhir/Patient/{patient}")
    assert answer.status == 503
    assert "birthDate" not in answer.body.decode()
