"""Openings and ledger lines: made here, verified by what strangers run, shown under the one rule."""

from typing import Any

import pytest

from carevouch.consent.signature import parse_body, verify_grant
from carevouch.events.opening import ProvedRevision, parse_opening, verify_opening
from carevouch.identity.links import parse_device, verify_binding
from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.jws import Jwk
from carevouch.records.resource import resource_of
from tests import people
from tests.service.records.conftest import Scene, patient_of, whole_patient


@pytest.fixture
def patient(scene: Scene) -> str:
    return patient_of(scene.call(scene.hospital, "POST", "/fhir", whole_patient(1)))


def signed_by_a_bound_device(consent: ProvedRevision, device: ProvedRevision, provider: Jwk) -> None:
    """The check of a consent's opening (FORMATS.md, 8)."""
    binding = verify_binding(parse_device(device.body)[0], provider, device.event.time)
    content, signature = parse_body(consent.body)
    if binding.patient != consent.doc.subject or signature is None:
        raise IntegrityFault("the device is another person's")
    verify_grant(
        signature,
        binding.device,
        content=content,
        doc=str(consent.doc),
        version=consent.version,
        prev=consent.prev,
    )


def test_the_opening_of_every_document_proves_it(scene: Scene, patient: str) -> None:
    for stored in scene.stored(patient):
        path = f"/ledger/documents/{stored.doc}/{stored.version}/opening"
        answer = scene.get(scene.hospital, path)
        proved = verify_opening(parse_opening(answer.body), scene.world.genesis)
        assert (proved.doc, proved.version, proved.body) == (stored.doc, stored.version, stored.body)
        assert proved.service == "records"
        assert answer.headers["content-disposition"].startswith("attachment; filename=")


def test_an_opening_with_one_byte_changed_is_refused(scene: Scene, patient: str) -> None:
    file = scene.get(scene.hospital, f"/ledger/documents/Patient/{patient}/1/opening").body
    for at in range(0, len(file), 97):
        broken = file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]
        with pytest.raises((IntegrityFault, Malformed)):
            verify_opening(parse_opening(broken), scene.world.genesis)


def test_a_consents_opening_carries_what_makes_its_signature_count(scene: Scene, patient: str) -> None:
    device = scene.device(patient)
    scene.world.clock.advance(30)
    stored = people.grant(scene.world, device, people.consent_for(scene.payer.reference))
    file = scene.get(device, f"/ledger/documents/{stored.doc}/1/opening").body
    proved = verify_opening(parse_opening(file), scene.world.genesis, signed_by_a_bound_device)
    assert proved.device is not None
    assert str(proved.device.doc) == f"BoundDevice/{device.id}"
    assert parse_opening(file).provider == scene.hospital.key.jwk


def test_the_second_version_of_a_consent_opens_with_its_device_too(scene: Scene, patient: str) -> None:
    device = scene.device(patient)
    first = people.grant(scene.world, device, people.consent_for(scene.payer.reference))
    scene.world.clock.advance(30)
    again = people.grant(scene.world, device, resource_of("Consent", first.body), first)
    file = scene.get(device, f"/ledger/documents/{again.doc}/2/opening").body
    proved = verify_opening(parse_opening(file), scene.world.genesis, signed_by_a_bound_device)
    assert proved.prev == first.revision.leaf_hash


def test_a_consent_that_no_device_signed_opens_alone(scene: Scene, patient: str) -> None:
    device = scene.device(patient)
    consent = people.consent_for(scene.payer.reference, patient=patient)
    made = scene.call(
        scene.hospital,
        "POST",
        "/fhir",
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": consent, "request": {"method": "POST", "url": "Consent"}}],
        },
    ).json()["entry"][0]["response"]["location"]
    reference = made.split("/fhir/")[1].split("/_history")[0]
    opened = parse_opening(scene.get(device, f"/ledger/documents/{reference}/1/opening").body)
    assert (opened.device, opened.provider) == (None, None)
    assert verify_opening(opened, scene.world.genesis).service == "records"


def test_a_device_opens_its_own_papers_and_nobody_else_does(scene: Scene, patient: str) -> None:
    device = scene.device(patient)
    stranger = scene.device(scene.person())
    for path in (f"BoundDevice/{device.id}/1/opening", f"BoundDevice/{device.id}/history"):
        assert scene.get(device, f"/ledger/documents/{path}").status == 200
        for who in (scene.hospital, scene.payer, stranger):
            assert scene.get(who, f"/ledger/documents/{path}").status == 404
    file = scene.get(device, f"/ledger/documents/BoundDevice/{device.id}/1/opening").body
    assert verify_opening(parse_opening(file), scene.world.genesis).service == "identity"


def test_the_history_in_the_log_is_a_chain_of_leaves(scene: Scene, patient: str) -> None:
    current = scene.get(scene.hospital, f"/fhir/Patient/{patient}")
    condition = next(one.doc for one in scene.stored(patient) if one.doc.type == "Condition")
    body = scene.get(scene.hospital, f"/fhir/{condition}").json()
    put = scene.call(scene.hospital, "PUT", f"/fhir/{condition}", body, if_match='W/"1"')
    assert (current.status, put.status) == (200, 200)
    lines: list[dict[str, Any]] = scene.get(scene.hospital, f"/ledger/documents/{condition}/history").json()
    stored = [one for one in scene.stored(patient) if one.doc == condition]
    assert [line["version"] for line in lines] == [1, 2]
    assert [line["leaf"] for line in lines] == [b64u(one.revision.leaf_hash) for one in stored]
    assert [line["prev"] for line in lines] == [None, lines[0]["leaf"]]
    assert lines[1]["event"] == put.headers["carevouch-event"]
    assert [line["type"] for line in lines] == ["records.stored", "record.updated"]


@pytest.mark.parametrize(
    "path",
    ["Observation/x/history", "Observation/x/1/opening", "nonsense/x/history", "Patient/{0}/0/opening",
     "Patient/{0}/2/opening", "Patient/{0}/x/opening", "Patient/{0}/99999999999/opening",
     "Patient/{0}/\u0661/opening", "Erasure/{0}.{0}/1/opening", "BenefitContract/d.{0}/1/opening"],
)  # fmt: skip
def test_what_is_not_there_is_not_there(scene: Scene, patient: str, path: str) -> None:
    answer = scene.get(scene.hospital, f"/ledger/documents/{path.format(patient)}")
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
