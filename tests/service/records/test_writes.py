"""Creating and updating one document: whose it must be, which version it follows, and who else takes it."""

from typing import Any

import pytest

from carevouch.records.resource import WRITTEN_BY, resource_of
from tests import people
from tests.service.records.conftest import Json, Scene

PRACTITIONER: Json = {"resourceType": "Practitioner", "identifier": [{"system": "s", "value": "1"}]}


@pytest.fixture
def patient(scene: Scene) -> str:
    return scene.person()


@pytest.fixture
def made(scene: Scene, patient: str) -> Json:
    """An Observation that the hospital created."""
    answer = scene.call(scene.hospital, "POST", "/fhir/Observation", people.observation(patient))
    assert answer.status == 201, answer.body
    found: Json = answer.json()
    return found


def test_a_created_document_is_answered_with_its_place_and_receipt(scene: Scene, patient: str) -> None:
    answer = scene.call(scene.hospital, "POST", "/fhir/Observation", people.observation(patient))
    body = answer.json()
    assert answer.status == 201
    assert answer.headers["location"].endswith(f"/fhir/Observation/{body['id']}/_history/1")
    assert (answer.headers["etag"], body["meta"]["versionId"]) == ('W/"1"', "1")
    assert body["meta"]["lastUpdated"] == scene.world.clock()
    assert answer.headers["carevouch-receipt"].count(" ") == 1
    assert scene.get(scene.hospital, f"/fhir/Observation/{body['id']}").json() == body


def test_an_update_follows_the_version_it_names(scene: Scene, made: Json) -> None:
    path = f"/fhir/Observation/{made['id']}"
    scene.world.clock.advance(5)
    answer = scene.call(scene.hospital, "PUT", path, {**made, "status": "amended"}, if_match='W/"1"')
    assert (answer.status, answer.headers["etag"]) == (200, 'W/"2"')
    assert answer.json()["status"] == "amended"
    assert scene.get(scene.hospital, f"{path}/_history/1").json() == made
    for stale in ('W/"1"', 'W/"3"', '"1"'):
        assert scene.call(scene.hospital, "PUT", path, made, if_match=stale).status == 412
    for missing in ("", "*", "1", 'W/"0"', 'W/"x"'):
        refused = scene.call(scene.hospital, "PUT", path, made, if_match=missing)
        assert refused.status == 400
        assert "If-Match" in refused.json()["issue"][0]["diagnostics"]
    assert scene.call(scene.hospital, "PUT", path, made).status == 400


def test_an_update_tried_again_under_its_key_is_the_same_version(scene: Scene, made: Json) -> None:
    path = f"/fhir/Observation/{made['id']}"
    sent = {**made, "status": "amended"}
    first = scene.call(scene.hospital, "PUT", path, sent, if_match='W/"1"', idempotency_key="u")
    again = scene.call(scene.hospital, "PUT", path, sent, if_match='W/"1"', idempotency_key="u")
    assert (again.status, again.json()) == (200, first.json())
    assert again.headers["carevouch-event"] == first.headers["carevouch-event"]
    other = scene.call(scene.hospital, "PUT", path, made, if_match='W/"1"', idempotency_key="u")
    assert other.status == 422


def test_another_condition_under_the_same_key_is_another_request(scene: Scene, made: Json) -> None:
    path = f"/fhir/Observation/{made['id']}"
    sent = {**made, "status": "amended"}
    first = scene.call(scene.hospital, "PUT", path, sent, if_match='W/"1"', idempotency_key="u")
    other = scene.call(scene.hospital, "PUT", path, sent, if_match='W/"2"', idempotency_key="u")
    assert (first.status, other.status) == (200, 422)
    assert "Idempotency-Key" in other.json()["issue"][0]["diagnostics"]
    made_one = scene.call(scene.hospital, "POST", "/fhir/Practitioner", PRACTITIONER, idempotency_key="c")
    asked = {"if_none_exist": "identifier=s|1", "idempotency_key": "c"}
    condition = scene.call(scene.hospital, "POST", "/fhir/Practitioner", PRACTITIONER, **asked)
    assert (made_one.status, condition.status) == (201, 422)


def test_a_create_tried_again_under_its_key_is_the_same_document(scene: Scene, patient: str) -> None:
    sent = people.observation(patient)
    first = scene.call(scene.hospital, "POST", "/fhir/Observation", sent, idempotency_key="c")
    again = scene.call(scene.hospital, "POST", "/fhir/Observation", sent, idempotency_key="c")
    other = scene.call(
        scene.hospital,
        "POST",
        "/fhir/Observation",
        {**sent, "status": "final", "note": [{"text": "x"}]},
        idempotency_key="c",
    )
    foreign = scene.call(scene.clinic, "POST", "/fhir/Observation", sent, idempotency_key="c")
    assert (first.status, again.status, again.json()) == (201, 201, first.json())
    assert (other.status, foreign.status) == (422, 404)


def test_an_update_needs_a_link_and_a_consent_to_correct(scene: Scene, patient: str, made: Json) -> None:
    path = f"/fhir/Observation/{made['id']}"
    for who in (scene.clinic, scene.payer):
        assert scene.call(who, "PUT", path, made, if_match='W/"1"').status in (403, 404)
    people.link(scene.world, scene.clinic, patient)
    assert scene.call(scene.clinic, "PUT", path, made, if_match='W/"1"').status == 404
    consent, device = people.consent_for(scene.clinic.reference, "TREAT"), scene.device(patient)
    people.grant(scene.world, device, consent)
    # R4 reads an absent action as all of them; nobody who grants reading means rewriting by that.
    assert scene.call(scene.clinic, "PUT", path, made, if_match='W/"1"').status == 404
    people.grant(scene.world, device, actions(consent, "correct"))
    assert scene.call(scene.clinic, "PUT", path, made, if_match='W/"1"').status == 200


def test_only_who_registered_a_person_changes_their_identifiers(scene: Scene, patient: str) -> None:
    people.link(scene.world, scene.clinic, patient)
    consent = actions(people.consent_for(scene.clinic.reference, "TREAT"), "access", "correct")
    people.grant(scene.world, scene.device(patient), consent)
    path = f"/fhir/Patient/{patient}"
    current = scene.get(scene.clinic, path).json()
    stolen = {**current, "identifier": [{"system": "urn:other", "value": "1"}]}
    assert scene.call(scene.clinic, "PUT", path, stolen, if_match='W/"1"').status == 403
    assert scene.call(scene.clinic, "PUT", path, {**current, "active": True}, if_match='W/"1"').status == 200


def actions(consent: Json, *codes: str) -> Json:
    """The consent for these actions only."""
    system = "http://terminology.hl7.org/CodeSystem/consentaction"
    coded = [{"coding": [{"system": system, "code": code}]} for code in codes]
    return {**consent, "provision": {**consent["provision"], "action": coded}}


def test_a_consent_to_read_is_none_to_correct(scene: Scene, patient: str, made: Json) -> None:
    path = f"/fhir/Observation/{made['id']}"
    people.link(scene.world, scene.clinic, patient)
    consent = people.consent_for(scene.clinic.reference, "TREAT")
    device = scene.device(patient)
    people.grant(scene.world, device, actions(consent, "access"))
    assert scene.get(scene.clinic, path).status == 200
    assert scene.call(scene.clinic, "PUT", path, made, if_match='W/"1"').status == 404
    people.grant(scene.world, device, actions(consent, "correct"))
    assert scene.call(scene.clinic, "PUT", path, made, if_match='W/"1"').status == 200


def test_a_corrector_does_not_become_the_author(scene: Scene, patient: str, made: Json) -> None:
    path, device = f"/fhir/Observation/{made['id']}", scene.device(patient)
    people.link(scene.world, scene.clinic, patient)
    consent = actions(people.consent_for(scene.clinic.reference, "TREAT"), "access", "correct")
    granted = people.grant(scene.world, device, consent)
    sent = {**made, "status": "corrected"}
    corrected = scene.call(scene.clinic, "PUT", path, sent, if_match='W/"1"').json()
    written_by = {"url": WRITTEN_BY, "valueReference": {"reference": scene.clinic.reference}}
    assert corrected["meta"]["source"] == scene.hospital.reference
    assert corrected["meta"]["extension"] == [written_by]
    people.grant(scene.world, device, {**consent, "status": "inactive"}, granted)

    versions = [path, *(f"{path}/_history/{version}" for version in (1, 2))]
    assert [scene.get(scene.clinic, one).status for one in versions] == [404, 404, 404]
    assert [scene.get(scene.hospital, one).status for one in versions] == [200, 200, 200]
    assert scene.call(scene.clinic, "PUT", path, corrected, if_match='W/"2"').status == 404
    # The author goes on, and is the writer of version 3: what a client says of writers is not kept.
    forged = {**corrected, "meta": {"source": scene.clinic.reference, "extension": [written_by]}}
    third = scene.call(scene.hospital, "PUT", path, forged, if_match='W/"2"').json()
    assert third["meta"]["source"] == scene.hospital.reference
    assert [one["valueReference"]["reference"] for one in third["meta"]["extension"]] == [
        scene.hospital.reference
    ]


def test_an_update_cannot_move_a_document_to_another_person(scene: Scene, made: Json) -> None:
    other = scene.person()
    moved = {**made, "subject": {"reference": f"Patient/{other}"}}
    refused = scene.call(scene.hospital, "PUT", f"/fhir/Observation/{made['id']}", moved, if_match='W/"1"')
    assert refused.status == 422


def test_the_id_in_the_body_is_the_one_in_the_path(scene: Scene, made: Json) -> None:
    for wrong in ({**made, "id": "other"}, {key: item for key, item in made.items() if key != "id"}):
        answer = scene.call(scene.hospital, "PUT", f"/fhir/Observation/{made['id']}", wrong, if_match='W/"1"')
        assert answer.status == 400


def test_nothing_is_created_by_an_update(scene: Scene, patient: str) -> None:
    id_ = f"{patient}.{'b' * 26}"
    sent = {**people.observation(patient), "id": id_}
    assert scene.call(scene.hospital, "PUT", f"/fhir/Observation/{id_}", sent, if_match='W/"1"').status == 404
    assert (
        scene.call(
            scene.hospital, "PUT", "/fhir/Observation/mine", {**sent, "id": "mine"}, if_match='W/"1"'
        ).status
        == 404
    )


@pytest.mark.parametrize("type_", ["ClaimResponse", "CoverageEligibilityResponse", "AuditEvent"])
def test_types_of_other_services_name_their_door(scene: Scene, type_: str) -> None:
    for method, path in (("POST", f"/fhir/{type_}"), ("PUT", f"/fhir/{type_}/{'a' * 26}.{'b' * 26}")):
        answer = scene.call(scene.hospital, method, path, {"resourceType": type_})
        assert answer.status in (403, 404)
        if answer.status == 403:
            said = answer.json()["issue"][0]["diagnostics"]
            assert "POST /fhir" in said or "this server alone" in said


@pytest.mark.parametrize("type_", ["BoundDevice", "Enrolment", "Nonsense", "ValueSet"])
def test_types_without_a_door_are_not_written(scene: Scene, type_: str) -> None:
    assert scene.call(scene.hospital, "POST", f"/fhir/{type_}", {"resourceType": type_}).status == 404


def test_a_directory_document_is_changed_by_its_author_only(scene: Scene) -> None:
    made = scene.call(scene.hospital, "POST", "/fhir/Practitioner", PRACTITIONER).json()
    path = f"/fhir/Practitioner/{made['id']}"
    refused = scene.call(scene.clinic, "PUT", path, made, if_match='W/"1"')
    assert (refused.status, "author" in refused.json()["issue"][0]["diagnostics"]) == (403, True)
    more = {**made, "identifier": [*made["identifier"], {"system": "s", "value": "2"}]}
    assert scene.call(scene.hospital, "PUT", path, more, if_match='W/"1"').status == 200
    # An identifier that an update adds leads to the document from then on.
    taken = {**PRACTITIONER, "identifier": [{"system": "s", "value": "2"}]}
    assert scene.call(scene.clinic, "POST", "/fhir/Practitioner", taken).status == 409
    there = scene.call(scene.clinic, "POST", "/fhir/Practitioner", taken, if_none_exist="identifier=s|2")
    assert (there.status, there.json()["id"]) == (200, made["id"])


@pytest.mark.parametrize("condition", ["identifier=s", "name=x", "identifier=s|9", "nonsense"])
def test_a_condition_of_another_form_is_refused(scene: Scene, condition: str) -> None:
    answer = scene.call(scene.hospital, "POST", "/fhir/Practitioner", PRACTITIONER, if_none_exist=condition)
    assert answer.status in (400, 422)


def test_a_patient_is_changed_and_found_by_the_new_identifier(scene: Scene, patient: str) -> None:
    current = scene.get(scene.hospital, f"/fhir/Patient/{patient}").json()
    changed = {
        **current,
        "active": True,
        "identifier": [*current["identifier"], {"system": "n", "value": "1"}],
    }
    answer = scene.call(scene.hospital, "PUT", f"/fhir/Patient/{patient}", changed, if_match='W/"1"')
    assert (answer.status, answer.headers["etag"]) == (200, 'W/"2"')
    found = scene.get(scene.hospital, "/fhir/Patient?identifier=n|1").json()
    assert found["total"] == 1
    other = scene.person()
    theirs = scene.get(scene.hospital, f"/fhir/Patient/{other}").json()
    taken = {**theirs, "identifier": [*theirs["identifier"], {"system": "n", "value": "1"}]}
    refused = scene.call(scene.hospital, "PUT", f"/fhir/Patient/{other}", taken, if_match='W/"1"')
    assert refused.status == 409


def test_two_updates_of_one_version_are_one_update(scene: Scene, patient: str, made: Json) -> None:
    path = f"/fhir/Observation/{made['id']}"
    answers = [
        scene.call(scene.hospital, "PUT", path, {**made, "status": status}, if_match='W/"1"')
        for status in ("amended", "corrected")
    ]
    assert [answer.status for answer in answers] == [200, 412]
    stored: Any = [one for one in scene.stored(patient) if one.doc.id == made["id"]]
    assert [resource_of("Observation", one.body)["status"] for one in stored] == ["final", "amended"]
