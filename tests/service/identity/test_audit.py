"""A person's audit holds every request about them at the identity door, with its outcome."""

from dataclasses import replace
from typing import Any

import pytest

from carevouch.kernel.jsontext import parse
from tests.api import Api, Who
from tests.people import Device, Organization, admit, bind_device, synthetic_patient
from tests.service.identity.conftest import correct, register, with_identifier
from tests.world import World

DOORS = [("GET", ""), ("GET", "/secret"), ("DELETE", "")]


def audits(world: World, patient: str | None) -> list[tuple[str, str, str, str]]:
    """Agent, interaction, outcome and its description of each AuditEvent of this month."""
    stored = world.reader.month_of_audit(patient, world.clock.now[:7]).latest("AuditEvent")
    return sorted(fact(parse(each.body)) for each in stored)


def fact(event: Any) -> tuple[str, str, str, str]:
    who = event["agent"][0]["who"]["reference"]
    return who, event["subtype"][0]["code"], event["outcome"], event["outcomeDesc"]


@pytest.fixture
def device(world: World, api: Api, hospital: Organization) -> Device:
    return bind_device(world, hospital, register(api, hospital, synthetic_patient(1)))


@pytest.mark.parametrize(("tail", "why"), [("", "self"), ("/secret", "self: the subject secret")])
def test_reads_by_the_persons_own_device_are_audited(
    world: World, api: Api, device: Device, tail: str, why: str
) -> None:
    path = f"/identity/subjects/{device.patient}{tail}"
    assert api.call("GET", path, who=device.who).status == 200
    assert audits(world, device.patient) == [(device.reference, "read", "0", why)]


@pytest.mark.parametrize(("method", "tail"), DOORS)
def test_every_other_caller_is_refused_and_the_person_can_see_it(
    world: World, api: Api, hospital: Organization, device: Device, method: str, tail: str
) -> None:
    other = bind_device(world, hospital, register(api, hospital, synthetic_patient(2)))
    path = f"/identity/subjects/{device.patient}{tail}"
    interaction = "delete" if method == "DELETE" else "read"
    answers = [api.call(method, path, who=who) for who in (hospital.who, other.who)]
    assert {answer.status for answer in answers} == {404}
    assert audits(world, device.patient) == sorted(
        (who, interaction, "4", "not-found") for who in (hospital.reference, other.reference)
    )
    narrow = replace(device.who, scope="patient/Observation.rs")
    assert api.call(method, path, who=narrow).status == 403
    assert (device.reference, interaction, "4", "forbidden") in audits(world, device.patient)


@pytest.mark.parametrize(("method", "tail"), DOORS)
def test_an_absent_person_gets_the_same_answer_and_audit(
    world: World, api: Api, hospital: Organization, device: Device, method: str, tail: str
) -> None:
    refused = api.call(method, f"/identity/subjects/{device.patient}{tail}", who=hospital.who)
    for nobody in ("a" * 26, "no-id"):
        answer = api.call(method, f"/identity/subjects/{nobody}{tail}", who=hospital.who)
        assert (answer.status, answer.body) == (refused.status, refused.body)
    assert len(audits(world, None)) == 2


def test_an_erasure_is_its_own_audit_and_gives_its_receipt(world: World, api: Api, device: Device) -> None:
    path = f"/identity/subjects/{device.patient}"
    answer = api.call("DELETE", path, who=device.who)
    assert answer.status == 204
    event, certificate = answer.headers["carevouch-receipt"].split(" ")
    assert world.reader.event(event).type == "subject.erased"
    assert certificate
    assert audits(world, None) == []
    assert api.call("DELETE", path, who=device.who).status == 401


def test_finding_a_person_by_an_identifier_is_audited(
    world: World, api: Api, hospital: Organization, device: Device
) -> None:
    clinic = admit(world, "clinic", ["provider"])
    first = api.call("POST", "/fhir/Patient", synthetic_patient(1), clinic.who)
    assert "carevouch-event" in first.headers
    assert audits(world, device.patient) == []
    again = api.call("POST", "/fhir/Patient", synthetic_patient(1), clinic.who)
    assert (again.status, again.body) == (200, first.body)
    assert audits(world, device.patient) == [(clinic.reference, "create", "0", "linked already")]


def test_finding_a_person_by_an_earlier_identifier_is_audited(
    world: World, api: Api, hospital: Organization
) -> None:
    clinic = admit(world, "clinic", ["provider"])
    patient = register(api, hospital, with_identifier(1))
    correct(world, patient, with_identifier(2))
    assert api.call("POST", "/fhir/Patient", with_identifier(1), clinic.who).status == 409
    assert audits(world, patient) == [(clinic.reference, "create", "4", "conflict")]


def test_a_request_without_a_token_reveals_and_stores_nothing(world: World, api: Api, device: Device) -> None:
    unbound = Who(device.patient, "device", "patient/*.cruds", f"{device.patient}.{'a' * 26}")
    for who in (None, unbound):
        assert api.call("GET", f"/identity/subjects/{device.patient}", who=who).status == 401
    assert audits(world, device.patient) == audits(world, None) == []
