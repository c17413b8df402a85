"""Consents that a device stores by itself, proposals in FHIR, and revocations."""

from typing import Any

import pytest

from carevouch.consent.signature import parse_body, sign_grant
from carevouch.events.envelope import parse_event
from carevouch.fhir.validate import check
from carevouch.kernel.jsontext import parse
from carevouch.records.access import ReadAllowed, ReadRefused
from carevouch.records.resource import resource_of
from carevouch.store.documents import StoredRevision
from tests import people
from tests.api import Answer
from tests.service.consent.conftest import Scene


@pytest.fixture
def observation(scene: Scene) -> StoredRevision:
    return people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))


def parameters(consent: str, patient: str, *more: dict[str, Any]) -> dict[str, Any]:
    references = [
        {"name": "consent", "valueReference": {"reference": consent}},
        {"name": "patient", "valueReference": {"reference": patient}},
    ]
    return {"resourceType": "Parameters", "parameter": [*references, *more]}


def revoke(scene: Scene, consent: StoredRevision, *more: dict[str, Any], **headers: str) -> Answer:
    body = parameters(str(consent.doc), f"Patient/{scene.patient}", *more)
    return scene.api.call("POST", "/fhir/Consent/$revokeConsent", body, scene.device.who, headers)


def test_an_organisation_proposes_in_fhir(scene: Scene) -> None:
    proposed = people.consent_for(scene.payer.reference, status="proposed", patient=scene.patient)
    answer = scene.api.call("POST", "/fhir/Consent", proposed, scene.payer.who)
    assert answer.status == 201, answer.body
    [request] = scene.inbox()
    assert answer.json()["status"] == "proposed"
    assert f"Consent/{answer.json()['id']}" == request["document"]
    assert answer.headers["location"] == f"https://carevouch.test/fhir/{request['document']}"
    assert answer.headers["link"] == (
        f'<https://carevouch.test/consent/requests/{request["id"]}>; rel="related"'
    )
    assert parse_event(answer.headers["carevouch-receipt"].split()[0]).type == "consent.requested"
    assert scene.consents() == []


def test_an_organisation_makes_nothing_active(scene: Scene) -> None:
    for status in ("active", "draft", "inactive"):
        consent = people.consent_for(scene.payer.reference, status=status, patient=scene.patient)
        answer = scene.api.call("POST", "/fhir/Consent", consent, scene.payer.who)
        assert answer.status == 422
        assert answer.json()["resourceType"] == "OperationOutcome"
    assert scene.inbox() == []
    assert scene.consents() == []


def test_a_refusal_is_stored_at_once_and_denies(scene: Scene, observation: StoredRevision) -> None:
    people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadAllowed)
    refusal = people.consent_for(scene.payer.reference, effect="deny")
    answer = scene.api.call("POST", "/fhir/Consent", refusal, scene.device.who)
    assert answer.status == 201, answer.body
    assert parse_event(answer.headers["carevouch-receipt"].split()[0]).type == "consent.recorded"
    assert answer.headers["etag"] == 'W/"1"'
    stored = scene.find("Consent", answer.json()["id"])
    assert parse_body(stored.body)[1] is None
    assert answer.json()["meta"]["source"] == scene.device.reference
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadRefused)


@pytest.mark.parametrize("status", ["draft", "proposed", "rejected", "inactive", "entered-in-error"])
def test_a_consent_that_is_not_active_is_stored_and_permits_nothing(
    scene: Scene, observation: StoredRevision, status: str
) -> None:
    consent = people.consent_for(scene.payer.reference, status=status)
    assert scene.api.call("POST", "/fhir/Consent", consent, scene.device.who).status == 201
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadRefused)


def test_a_consent_that_could_permit_must_be_signed(scene: Scene) -> None:
    hidden = people.consent_for(
        scene.payer.reference,
        effect="deny",
        provisions=[people.consent_for(scene.payer.reference)["provision"]],
    )
    for consent in (people.consent_for(scene.payer.reference), hidden):
        answer = scene.api.call("POST", "/fhir/Consent", consent, scene.device.who)
        assert answer.status == 422
        assert "/consent/requests" in answer.json()["issue"][0]["diagnostics"]
    assert scene.consents() == []


def test_a_device_writes_about_its_own_person_only(scene: Scene) -> None:
    stranger = people.enrol(scene.world, scene.clinic)
    refusal = people.consent_for(scene.payer.reference, effect="deny", patient=stranger)
    assert scene.api.call("POST", "/fhir/Consent", refusal, scene.device.who).status == 404
    assert scene.world.reader.person(stranger).latest("Consent") == []


def test_put_ends_a_consent(scene: Scene, observation: StoredRevision) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    ended = {**resource_of("Consent", stored.body), "status": "inactive"}
    path = f"/fhir/Consent/{stored.doc.id}"
    answer = scene.api.call("PUT", path, ended, scene.device.who, {"If-Match": 'W/"1"'})
    assert answer.status == 200, answer.body
    assert answer.headers["etag"] == 'W/"2"'
    assert answer.json()["meta"]["versionId"] == "2"
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadRefused)
    stale = scene.api.call("PUT", path, ended, scene.device.who, {"If-Match": 'W/"1"'})
    assert stale.status == 412
    assert scene.find("Consent", stored.doc.id).version == 2


def test_put_cannot_make_a_consent_permit(scene: Scene) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    wider = {**resource_of("Consent", stored.body), "provision": {"type": "permit"}}
    path = f"/fhir/Consent/{stored.doc.id}"
    answer = scene.api.call("PUT", path, wider, scene.device.who, {"If-Match": 'W/"1"'})
    assert answer.status == 422
    assert scene.find("Consent", stored.doc.id).version == 1


@pytest.mark.parametrize(
    ("header", "status"),
    [(None, 400), ("1", 400), ('W/"0"', 400), ('W/"x"', 400), ('W/"2"', 412), ('"1"', 200), ("*", 400)],
)
def test_put_needs_the_current_version_in_if_match(scene: Scene, header: str | None, status: int) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    ended = {**resource_of("Consent", stored.body), "status": "inactive"}
    headers = {} if header is None else {"If-Match": header}
    path = f"/fhir/Consent/{stored.doc.id}"
    assert scene.api.call("PUT", path, ended, scene.device.who, headers).status == status


def test_put_of_an_absent_or_foreign_consent_is_404(scene: Scene) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    stranger = people.enrol(scene.world, scene.clinic)
    other = people.bind_device(scene.world, scene.clinic, stranger)
    ended = {**resource_of("Consent", stored.body), "status": "inactive"}
    match = {"If-Match": 'W/"1"'}
    assert scene.api.call("PUT", f"/fhir/Consent/{stored.doc.id}", ended, other.who, match).status == 404
    for id_ in ("x", f"{scene.patient}.{'a' * 26}"):
        body = {**ended, "id": id_}
        assert scene.api.call("PUT", f"/fhir/Consent/{id_}", body, scene.device.who, match).status == 404
    mismatch = {**ended, "id": "other"}
    answer = scene.api.call("PUT", f"/fhir/Consent/{stored.doc.id}", mismatch, scene.device.who, match)
    assert answer.status == 400
    assert (
        scene.api.call("PUT", f"/fhir/Consent/{stored.doc.id}", ended, scene.payer.who, match).status == 403
    )


def test_revoked_grant_denies_the_very_next_read(scene: Scene, observation: StoredRevision) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadAllowed)
    answer = revoke(scene, stored)
    assert answer.status == 200, answer.body
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadRefused)


def test_a_revoked_consent_is_the_same_but_inactive(scene: Scene) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    answer = revoke(scene, stored)
    before, after = resource_of("Consent", stored.body), answer.json()
    assert (before.pop("status"), after.pop("status")) == ("active", "inactive")
    assert (before.pop("meta")["versionId"], after.pop("meta")["versionId"]) == ("1", "2")
    assert before == after


def test_a_revocation_is_one_act_with_its_provenance(scene: Scene) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    paper = {"name": "document", "valueReference": {"reference": f"DocumentReference/{scene.patient}.x"}}
    answer = revoke(scene, stored, paper)
    event = parse_event(answer.headers["carevouch-receipt"].split()[0])
    assert (event.type, event.count) == ("consent.revoked", 2)
    [provenance] = scene.world.reader.person(scene.patient).latest("Provenance")
    resource = parse(provenance.body)
    assert provenance.event.id == event.id
    assert check(resource) == []
    assert resource["target"] == [{"reference": f"{stored.doc}/_history/2"}]
    assert resource["agent"][0]["who"] == {"reference": f"Patient/{scene.patient}"}
    assert resource["entity"][0]["what"] == paper["valueReference"]


def test_revoking_twice_answers_the_same_and_stores_nothing(scene: Scene) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    first, second = revoke(scene, stored), revoke(scene, stored)
    assert (first.status, second.status) == (200, 200)
    assert first.json() == second.json()
    assert "carevouch-event" not in second.headers
    assert scene.find("Consent", stored.doc.id).version == 2


def test_revoking_again_with_the_same_key_gets_the_same_receipt(scene: Scene) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    key = {"Idempotency-Key": "end"}
    first, second = revoke(scene, stored, **key), revoke(scene, stored, **key)
    assert first.headers["carevouch-receipt"] == second.headers["carevouch-receipt"]
    assert first.json() == second.json()


def test_a_revoked_consent_can_be_requested_and_granted_again(
    scene: Scene, observation: StoredRevision
) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    revoke(scene, stored)
    body = {
        "patient": scene.patient,
        "consent": people.consent_for(scene.payer.reference),
        "replaces": str(stored.doc),
    }
    assert scene.api.call("POST", "/consent/requests", body, scene.payer.who).status == 201
    [request] = scene.inbox()
    signature = sign_grant(request["to_sign"], scene.device.key)  # type: ignore[arg-type]
    path = f"/consent/requests/{request['id']}/grant"
    assert scene.api.call("POST", path, {"signature": signature}, scene.device.who).status == 200
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadAllowed)


def test_the_old_signature_does_not_revive_a_revoked_consent(
    scene: Scene, observation: StoredRevision
) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    revoke(scene, stored)
    latest = scene.find("Consent", stored.doc.id)
    people.store_consent(scene.world, stored.doc, stored.body, latest)
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadRefused)


def test_only_the_patient_revokes(scene: Scene, observation: StoredRevision) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    body = parameters(str(stored.doc), f"Patient/{scene.patient}")
    path = "/fhir/Consent/$revokeConsent"
    assert scene.api.call("POST", path, body, scene.payer.who).status == 403
    stranger = people.enrol(scene.world, scene.clinic)
    other = people.bind_device(scene.world, scene.clinic, stranger)
    assert scene.api.call("POST", path, body, other.who).status == 404
    own = parameters(str(stored.doc), f"Patient/{stranger}")
    assert scene.api.call("POST", path, own, other.who).status == 404
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadAllowed)


def test_an_encoded_dollar_and_an_absolute_reference_are_understood(scene: Scene) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    base = "https://carevouch.test/fhir"
    body = parameters(f"{base}/{stored.doc}/_history/1", f"{base}/Patient/{scene.patient}")
    path = "/fhir/Consent/%24revokeConsent"
    assert scene.api.call("POST", path, body, scene.device.who).status == 200


@pytest.mark.parametrize("operation", ["$revoke", "x", "%24", "$revokeConsent2"])
def test_another_operation_is_404(scene: Scene, operation: str) -> None:
    assert scene.api.call("POST", f"/fhir/Consent/{operation}", {}, scene.device.who).status == 404


@pytest.mark.parametrize(
    "body",
    [
        "{",
        {},
        {"resourceType": "Consent"},
        {"resourceType": "Parameters"},
        {"resourceType": "Parameters", "parameter": [{"name": "consent"}]},
        parameters("Consent/x", "Patient/x", {"name": "consent", "valueString": "x"}),
        parameters("Consent/x", "Patient/x", {"name": "more", "valueString": "x"}),
        parameters("Patient/x", "Patient/x"),
        parameters("#x", "Patient/x"),
        {"resourceType": "Parameters", "parameter": [{"name": "consent", "valueString": "Consent/x"}]},
    ],
)
def test_parameters_of_the_wrong_form_are_400(scene: Scene, body: object) -> None:
    answer = scene.api.call("POST", "/fhir/Consent/$revokeConsent", body, scene.device.who)
    assert answer.status == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "body", ["{", "[]", {}, {"resourceType": "Patient"}, {"resourceType": "Consent", "unheard": 1}, b"\xff"]
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/fhir/Consent"), ("PUT", "/fhir/Consent/x")])
def test_a_malformed_consent_is_refused_and_nothing_is_stored(
    scene: Scene, method: str, path: str, body: object
) -> None:
    for who in (scene.device.who, scene.payer.who):
        answer = scene.api.call(method, path, body, who, {"If-Match": 'W/"1"'})
        assert answer.status in (400, 403, 404, 422), answer.body
        assert answer.json()["resourceType"] == "OperationOutcome"
    assert scene.consents() == []
    assert scene.inbox() == []


def test_a_retried_refusal_is_stored_once(scene: Scene) -> None:
    refusal = people.consent_for(scene.payer.reference, effect="deny")
    key = {"Idempotency-Key": "once"}
    first, second = (
        scene.api.call("POST", "/fhir/Consent", refusal, scene.device.who, key) for _ in range(2)
    )
    assert (first.status, second.status) == (201, 201)
    assert first.json() == second.json()
    assert len(scene.consents()) == 1


def test_warnings_come_in_a_header_beside_the_resource(scene: Scene) -> None:
    refusal = people.consent_for(scene.payer.reference, "NOSUCH", effect="deny")
    answer = scene.api.call("POST", "/fhir/Consent", refusal, scene.device.who)
    assert answer.status == 201
    assert answer.headers["carevouch-warnings"] == "unknown-code Consent.provision.purpose"
