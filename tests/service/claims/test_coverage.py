"""Coverage through the door: on whose word, about whom, and what is no payer's word."""

from typing import Any

import pytest

from carevouch.kernel.jsontext import parse, render
from tests.api import Who
from tests.people import admit, bind_device, enrol, record
from tests.service.claims.member import Member, coverage_of, post
from tests.unit.claims.resources import concept, item
from tests.world import World


def test_a_payer_registers_a_member_without_an_enrolment(member: Member) -> None:
    stored = member.find(member.coverage)
    resource = parse(stored.body)
    assert stored.event.type == "coverage.registered"
    assert resource["meta"]["source"] == member.payer.reference
    assert resource["beneficiary"] == {"reference": member.reference}


def test_a_coverage_is_answered_with_its_place_and_a_receipt(member: Member) -> None:
    told = post(member.api, "/fhir/Coverage", coverage_of(member.payer, member.patient), member.payer)
    assert told.status == 201
    assert told.headers["location"].endswith(f"/fhir/Coverage/{told.json()['id']}/_history/1")
    assert told.headers["etag"] == 'W/"1"'
    assert len(told.headers["carevouch-receipt"].split(" ")) == 2


def test_a_retry_with_its_key_makes_one_coverage(member: Member) -> None:
    body = coverage_of(member.payer, member.patient)
    first = post(member.api, "/fhir/Coverage", body, member.payer, idempotency_key="k")
    again = post(member.api, "/fhir/Coverage", body, member.payer, idempotency_key="k")
    assert first.body == again.body
    assert len(member.stored("Coverage")) == 2  # with the one that the fixture registered


def test_nobody_registers_a_coverage_for_another_payer(member: Member) -> None:
    other = admit(member.world, "other", ["payer"])
    told = post(member.api, "/fhir/Coverage", coverage_of(member.payer, member.patient), other)
    assert told.status == 403
    told = post(member.api, "/fhir/Coverage", coverage_of(member.clinic, member.patient), member.clinic)
    assert told.status == 403
    assert len(member.stored("Coverage")) == 1


def test_absent_and_erased_people_are_told_alike_and_audited(world: World, member: Member) -> None:
    gone = enrol(world, member.clinic)
    world.key_rows.entomb(f"P#{gone}", world.clock(), ())
    bodies = []
    for patient in (gone, "a" * 26, "not-an-id", f"{member.patient}/_history/1"):
        told = post(member.api, "/fhir/Coverage", coverage_of(member.payer, patient), member.payer)
        assert told.status == 404, patient
        bodies.append(told.body)
    assert len(set(bodies)) == 1
    audits = world.reader.month_of_audit(None, "2026-11").latest("AuditEvent")
    assert len(audits) == 4
    assert {parse(audit.body)["outcome"] for audit in audits} == {"4"}


def test_a_key_without_a_patient_is_nobody(world: World, member: Member) -> None:
    world.reader.keys.create("b" * 26)
    told = post(member.api, "/fhir/Coverage", coverage_of(member.payer, "b" * 26), member.payer)
    assert told.status == 404


def test_a_coverage_in_a_bundle_is_no_payers_word(member: Member) -> None:
    forged = coverage_of(member.payer, member.patient)
    # Even the payer's own name as author would not make it so: what counts is whose event holds it.
    stored = record(member.world, member.payer, member.patient, forged)
    insurance = [{"sequence": 1, "focal": True, "coverage": {"reference": str(stored.doc)}}]
    told = member.submit(member.claim(item(1, "LAB", "95.00"), insurance=insurance))
    assert told.status == 422
    request = member.request(insurance=[{"coverage": {"reference": str(stored.doc)}}])
    assert member.ask(request).status == 422
    assert member.stored("Claim") == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"class": None}, 400),
        ({"class": [{"type": concept("group"), "value": "G"}]}, 400),
        ({"class": [{"type": concept("plan"), "value": "x" * 3_000_000}]}, 400),
        ({"status": "maybe"}, 400),
        ({"status": None}, 400),
        ({"period": {"start": "2026-02-30"}}, 400),
        ({"surprise": True}, 400),
        ({"payor": []}, 400),
        ({"payor": None}, 400),
        ({"beneficiary": {"display": "somebody"}}, 400),
        ({"beneficiary": {"reference": "Group/g"}}, 400),
        ({"beneficiary": {"reference": 7}}, 400),
        ({"order": 0}, 400),
        ({"resourceType": "Observation"}, 400),
        ({"text": {"status": "generated", "div": "x" * 3_000_000}}, 400),
        ({"network": "x" * 3_000_000}, 400),
        ({"network": "x" * 500_000}, 413),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_coverages_are_told_what_to_mend_and_leave_nothing(
    member: Member, changes: dict[str, Any], status: int
) -> None:
    rows = revisions(member)
    body = coverage_of(member.payer, member.patient, **changes)
    told = post(member.api, "/fhir/Coverage", body, member.payer)
    assert told.status == status, told.body
    assert revisions(member) == rows


def test_several_payors_are_asked_to_be_stated_apart(member: Member) -> None:
    body = coverage_of(member.payer, member.patient, payor=[{"reference": member.payer.reference}] * 2)
    assert post(member.api, "/fhir/Coverage", body, member.payer).status == 422


def test_a_device_and_a_narrow_scope_register_nothing(member: Member) -> None:
    device = bind_device(member.world, member.clinic, member.patient)
    body = coverage_of(member.payer, member.patient)
    assert member.api.call("POST", "/fhir/Coverage", render(body), device.who).status == 403
    narrow = Who(member.payer.id, scope="system/Coverage.rs")
    assert member.api.call("POST", "/fhir/Coverage", render(body), narrow).status == 403


def revisions(member: Member) -> set[Any]:
    """The keys of everything about the person and the directory, audits left out."""
    rows = member.world.rows.rows  # type: ignore[attr-defined]
    return {key for key in rows if not key.pk.startswith(("A#", "K#"))}
