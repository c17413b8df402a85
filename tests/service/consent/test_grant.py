"""The patient's device grants a request under its signature, or refuses it."""

from typing import Any

import pytest

from carevouch.consent.signature import GRANT_TYP, parse_body, sign_grant, verify_grant
from carevouch.events.envelope import parse_event
from carevouch.events.opening import verified_event
from carevouch.kernel.encoding import b64u, sha256, unb64u
from carevouch.kernel.jws import sign
from carevouch.records.access import ReadAllowed, ReadRefused
from tests import people
from tests.service.consent.conftest import Scene
from tests.world import new_key


def test_a_granted_request_lets_its_asker_read(scene: Scene) -> None:
    observation = people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadRefused)
    answer = scene.ask(classes=["Observation"])
    assert answer.status == 201
    assert answer.json()["status"] == "asked"
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadRefused)
    [request] = scene.inbox()
    answer = scene.grant(request)
    assert answer.status == 200, answer.body
    allowed = scene.may_read(scene.payer.who, observation)
    assert isinstance(allowed, ReadAllowed)
    assert allowed.rule == "consent"
    assert allowed.consents == (f"{request['document']}/_history/1",)
    assert scene.inbox() == []


def test_the_stored_bytes_are_exactly_the_signed_bytes(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    scene.grant(request)
    [stored] = scene.consents()
    content, signature = parse_body(stored.body)
    assert content == unb64u(str(request["content"]))
    assert signature is not None
    answered = verify_grant(
        signature, scene.device.key.jwk, content=content, doc=str(stored.doc), version=1, prev=None
    )
    assert answered == request["id"]


def test_the_device_gets_the_payload_to_sign(scene: Scene) -> None:
    answer = scene.ask().json()
    [request] = scene.inbox()
    assert request["id"] == answer["id"]
    assert request["asker"] == scene.payer.reference
    assert request["typ"] == GRANT_TYP
    assert request["to_sign"] == {
        "v": 1,
        "content": b64u(sha256(unb64u(str(request["content"])))),
        "doc": request["document"],
        "version": 1,
        "prev": None,
        "request": request["id"],
    }
    consent: Any = request["consent"]
    assert consent["status"] == "active"
    assert consent["patient"] == {"reference": f"Patient/{scene.patient}"}
    assert consent["meta"]["source"] == scene.payer.reference
    assert f"Consent/{consent['id']}" == request["document"]


def test_every_write_answers_with_a_receipt_that_verifies(scene: Scene) -> None:
    first = scene.ask()
    [request] = scene.inbox()
    for answer, kind in ((first, "consent.requested"), (scene.grant(request), "consent.granted")):
        event, certificate = answer.headers["carevouch-receipt"].split(" ")
        assert verified_event(event, certificate, scene.world.genesis).type == kind
        assert answer.headers["carevouch-event"] == parse_event(event).id
        assert answer.json()["receipt"] == {"event": event, "certificate": certificate}


def test_a_grant_is_one_act_of_request_and_consent(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    scene.grant(request)
    [consent] = scene.consents()
    asking = scene.find("ConsentRequest", str(request["id"]))
    assert consent.event.id == asking.event.id
    assert (asking.version, asking.event.count) == (2, 2)


def test_granting_twice_conflicts_and_makes_one_consent(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    assert scene.grant(request).status == 200
    assert scene.grant(request).status == 409
    assert len(scene.consents()) == 1


def test_an_expired_request_cannot_be_granted(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    scene.world.clock.now = str(request["expires"])
    scene.world.clock.advance(0.001)
    assert scene.inbox() == []
    answer = scene.grant(request)
    assert answer.status == 422
    assert "expired" in answer.json()["detail"]
    assert scene.consents() == []


def test_a_request_can_be_granted_at_the_last_instant(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    scene.world.clock.now = str(request["expires"])
    assert scene.grant(request).status == 200


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("content", b64u(bytes(32))),
        ("doc", "Consent/another"),
        ("version", 2),
        ("prev", b64u(bytes(32))),
        ("request", "another"),
        ("v", 2),
    ],
)
def test_a_signature_over_another_value_is_refused_and_names_the_member(
    scene: Scene, member: str, value: object
) -> None:
    scene.ask()
    [request] = scene.inbox()
    to_sign: Any = request["to_sign"]
    answer = scene.grant(request, sign_grant({**to_sign, member: value}, scene.device.key))
    assert answer.status == 422
    assert f"differs in {member}" in answer.json()["detail"]
    assert scene.consents() == []


def test_a_signature_by_another_key_is_refused(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    to_sign: Any = request["to_sign"]
    answer = scene.grant(request, sign_grant(to_sign, new_key()))
    assert answer.status == 422
    assert "another key" in answer.json()["detail"]


def test_another_device_of_the_person_cannot_sign_for_the_calling_one(scene: Scene) -> None:
    second = people.bind_device(scene.world, scene.clinic, scene.patient)
    scene.ask()
    [request] = scene.inbox()
    to_sign: Any = request["to_sign"]
    assert scene.grant(request, sign_grant(to_sign, second.key)).status == 422
    path = f"/consent/requests/{request['id']}/grant"
    body = {"signature": sign_grant(to_sign, second.key)}
    assert scene.api.call("POST", path, body, second.who).status == 200


def test_a_signature_of_another_kind_is_refused(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    to_sign: Any = request["to_sign"]
    answer = scene.grant(request, sign(to_sign, "carevouch-offer+jws", scene.device.key))
    assert answer.status == 422


@pytest.mark.parametrize("body", [{}, {"signature": 1}, {"signature": "x", "more": 1}, [], "{", None, "\xff"])
def test_a_grant_of_the_wrong_form_is_refused_with_nothing_stored(scene: Scene, body: object) -> None:
    scene.ask()
    [request] = scene.inbox()
    before = scene.content()
    path = f"/consent/requests/{request['id']}/grant"
    assert scene.api.call("POST", path, body, scene.device.who).status == 400
    assert scene.content() == before


@pytest.mark.parametrize("text", ["x", "a.b.c", "e30.e30.e30", "." * 70_000])
def test_a_malformed_signature_is_422(scene: Scene, text: str) -> None:
    scene.ask()
    [request] = scene.inbox()
    assert scene.grant(request, text).status == 422


def test_another_person_s_device_neither_sees_nor_grants(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    stranger = people.enrol(scene.world, scene.clinic)
    device = people.bind_device(scene.world, scene.clinic, stranger)
    to_sign: Any = request["to_sign"]
    body = {"signature": sign_grant(to_sign, device.key)}
    path = f"/consent/requests/{request['id']}"
    assert scene.api.call("GET", path, None, device.who).status == 404
    assert scene.api.call("POST", f"{path}/grant", body, device.who).status == 404
    assert scene.api.call("POST", f"{path}/refuse", None, device.who).status == 404
    listed = scene.api.call("GET", f"/consent/requests?patient={scene.patient}", None, device.who)
    assert listed.status == 404


def test_an_organisation_cannot_grant_or_refuse(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    path = f"/consent/requests/{request['id']}"
    assert scene.api.call("POST", f"{path}/grant", {"signature": "x"}, scene.payer.who).status == 403
    assert scene.api.call("POST", f"{path}/refuse", None, scene.payer.who).status == 403


def test_a_refused_request_cannot_be_granted(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    path = f"/consent/requests/{request['id']}/refuse"
    answer = scene.api.call("POST", path, {}, scene.device.who)
    assert parse_event(answer.json()["receipt"]["event"]).type == "consent.refused"
    assert scene.inbox() == []
    assert scene.grant(request).status == 409
    assert scene.api.call("POST", path, None, scene.device.who).status == 409
    assert scene.consents() == []


def test_a_request_can_replace_a_consent_and_its_payload_names_the_version(scene: Scene) -> None:
    scene.ask(classes=["Observation"])
    first = scene.inbox()[0]
    scene.grant(first)
    wider = people.consent_for(scene.payer.reference)
    body = {"patient": scene.patient, "consent": wider, "replaces": first["document"]}
    assert scene.api.call("POST", "/consent/requests", body, scene.payer.who).status == 201
    [second] = scene.inbox()
    to_sign: Any = second["to_sign"]
    [before] = scene.consents()
    assert to_sign["doc"] == first["document"]
    assert to_sign["version"] == 2
    assert to_sign["prev"] == b64u(before.revision.leaf_hash)
    assert scene.grant(second).status == 200
    [after] = scene.consents()
    assert after.version == 2
    condition = people.record(
        scene.world, scene.clinic, scene.patient, people.observation(scene.patient, status="amended")
    )
    assert isinstance(scene.may_read(scene.payer.who, condition), ReadAllowed)


def test_a_consent_that_changed_since_the_request_is_not_replaced(scene: Scene) -> None:
    scene.ask()
    first = scene.inbox()[0]
    scene.grant(first)
    body = {
        "patient": scene.patient,
        "consent": people.consent_for(scene.payer.reference),
        "replaces": first["document"],
    }
    for _ in range(2):
        scene.api.call("POST", "/consent/requests", body, scene.payer.who)
    one, other = scene.inbox()
    assert scene.grant(one).status == 200
    answer = scene.grant(other)
    assert answer.status == 409
    assert scene.consents()[0].version == 2


def test_one_idempotency_key_for_two_requests_makes_two_events(scene: Scene) -> None:
    scene.ask()
    scene.ask()
    events = set()
    for request in scene.inbox():
        answer = scene.grant(request, None, **{"Idempotency-Key": "same"})
        assert answer.status == 200
        events.add(answer.headers["carevouch-event"])
    assert len(events) == 2
