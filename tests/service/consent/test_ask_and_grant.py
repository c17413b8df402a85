"""An organisation asks, the patient's device grants with its own signature or refuses."""

from typing import Any

import pytest

from shared.consent.signature import GRANT_TYP, parse_body, sign_grant, verify_grant
from shared.events.envelope import parse_event
from shared.events.opening import verified_event
from shared.kernel.encoding import b64u, sha256, unb64u
from shared.kernel.jws import sign
from shared.records.access import Allowed, Refused
from tests import people
from tests.api import Who
from tests.service.consent.conftest import Scene
from tests.world import new_key


def granted(scene: Scene, request: dict[str, Any], signature: str | None = None, **headers: str) -> Any:
    text = signature or sign_grant(request["to_sign"], scene.device.key)
    path = f"/consent/requests/{request['id']}/grant"
    return scene.api.call("POST", path, {"signature": text}, scene.device.who, headers)


def test_asked_granted_and_read(scene: Scene) -> None:
    observation = people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))
    assert isinstance(scene.may_read(scene.payer.who, observation), Refused)
    asked = scene.ask(classes=["Observation"])
    assert asked.status == 201
    assert asked.json()["status"] == "asked"
    assert isinstance(scene.may_read(scene.payer.who, observation), Refused)
    [request] = scene.inbox()
    answer = granted(scene, request)
    assert answer.status == 200, answer.body
    allowed = scene.may_read(scene.payer.who, observation)
    assert isinstance(allowed, Allowed)
    assert allowed.rule == "consent"
    assert allowed.consents == (f"{request['document']}/_history/1",)
    assert scene.inbox() == []


def test_what_is_stored_is_exactly_what_was_signed(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    granted(scene, request)
    [stored] = scene.consents()
    content, signature = parse_body(stored.body)
    assert content == unb64u(str(request["content"]))
    assert signature is not None
    answered = verify_grant(
        signature, scene.device.key.jwk, content=content, doc=str(stored.doc), version=1, prev=None
    )
    assert answered == request["id"]


def test_the_device_is_handed_what_to_sign(scene: Scene) -> None:
    asked = scene.ask().json()
    [request] = scene.inbox()
    assert request["id"] == asked["id"]
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
    asked = scene.ask()
    [request] = scene.inbox()
    for answer, kind in ((asked, "consent.requested"), (granted(scene, request), "consent.granted")):
        event, certificate = answer.headers["carevouch-receipt"].split(" ")
        assert verified_event(event, certificate, scene.world.genesis).type == kind
        assert answer.headers["carevouch-event"] == parse_event(event).id
        assert answer.json()["receipt"] == {"event": event, "certificate": certificate}


def test_a_grant_is_one_act_of_request_and_consent(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    granted(scene, request)
    [consent] = scene.consents()
    asking = scene.find("ConsentRequest", str(request["id"]))
    assert consent.event.id == asking.event.id
    assert (asking.version, asking.event.count) == (2, 2)


def test_granting_twice_conflicts_and_makes_one_consent(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    assert granted(scene, request).status == 200
    assert granted(scene, request).status == 409
    assert len(scene.consents()) == 1


def test_an_expired_request_cannot_be_granted(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    scene.world.clock.now = str(request["expires"])
    scene.world.clock.advance(0.001)
    assert scene.inbox() == []
    answer = granted(scene, request)
    assert answer.status == 422
    assert "expired" in answer.json()["detail"]
    assert scene.consents() == []


def test_a_request_can_be_granted_at_the_last_instant(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    scene.world.clock.now = str(request["expires"])
    assert granted(scene, request).status == 200


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
def test_a_signature_over_anything_else_is_refused_naming_it(
    scene: Scene, member: str, value: object
) -> None:
    scene.ask()
    [request] = scene.inbox()
    to_sign: Any = request["to_sign"]
    answer = granted(scene, request, sign_grant({**to_sign, member: value}, scene.device.key))
    assert answer.status == 422
    assert f"differs in {member}" in answer.json()["detail"]
    assert scene.consents() == []


def test_a_signature_by_another_key_is_refused(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    to_sign: Any = request["to_sign"]
    answer = granted(scene, request, sign_grant(to_sign, new_key()))
    assert answer.status == 422
    assert "another key" in answer.json()["detail"]


def test_the_signer_is_the_calling_device_not_another_one_of_the_person(scene: Scene) -> None:
    second = people.bind_device(scene.world, scene.clinic, scene.patient)
    scene.ask()
    [request] = scene.inbox()
    to_sign: Any = request["to_sign"]
    assert granted(scene, request, sign_grant(to_sign, second.key)).status == 422
    path = f"/consent/requests/{request['id']}/grant"
    body = {"signature": sign_grant(to_sign, second.key)}
    assert scene.api.call("POST", path, body, second.who).status == 200


def test_a_signature_of_another_kind_is_refused(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    to_sign: Any = request["to_sign"]
    answer = granted(scene, request, sign(to_sign, "carevouch-offer+jws", scene.device.key))
    assert answer.status == 422


@pytest.mark.parametrize("body", [{}, {"signature": 1}, {"signature": "x", "more": 1}, [], "{", None, "\xff"])
def test_a_grant_of_the_wrong_form_is_refused_with_nothing_stored(scene: Scene, body: object) -> None:
    scene.ask()
    [request] = scene.inbox()
    before = dict(scene.world.rows.rows)  # type: ignore[attr-defined]
    path = f"/consent/requests/{request['id']}/grant"
    assert scene.api.call("POST", path, body, scene.device.who).status == 400
    assert scene.world.rows.rows == before  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["x", "a.b.c", "e30.e30.e30", "." * 70_000])
def test_what_is_no_signature_is_422(scene: Scene, text: str) -> None:
    scene.ask()
    [request] = scene.inbox()
    assert granted(scene, request, text).status == 422


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


def test_the_asker_cannot_tell_refused_from_unanswered(scene: Scene) -> None:
    first, second = scene.ask().json(), scene.ask().json()
    refused = scene.api.call("POST", f"/consent/requests/{first['id']}/refuse", None, scene.device.who)
    assert refused.status == 200
    assert refused.json()["status"] == "refused"
    views = [
        scene.api.call("GET", f"/consent/requests/{asked['id']}", None, scene.payer.who).json()
        for asked in (first, second)
    ]
    for view in views:
        for own in ("id", "document", "consent"):
            del view[own]
    assert views[0] == views[1]
    assert views[0]["status"] == "asked"
    listed = scene.api.call("GET", f"/consent/requests?patient={scene.patient}", None, scene.payer.who)
    assert {item["status"] for item in listed.json()["requests"]} == {"asked"}
    assert listed.json()["total"] == 2


def test_the_asker_learns_of_a_grant(scene: Scene) -> None:
    asked = scene.ask().json()
    granted(scene, scene.inbox()[0])
    view = scene.api.call("GET", f"/consent/requests/{asked['id']}", None, scene.payer.who)
    assert view.json()["status"] == "granted"


def test_a_refused_request_is_over(scene: Scene) -> None:
    scene.ask()
    [request] = scene.inbox()
    path = f"/consent/requests/{request['id']}/refuse"
    answer = scene.api.call("POST", path, {}, scene.device.who)
    assert parse_event(answer.json()["receipt"]["event"]).type == "consent.refused"
    assert scene.inbox() == []
    assert granted(scene, request).status == 409
    assert scene.api.call("POST", path, None, scene.device.who).status == 409
    assert scene.consents() == []


def test_another_organisation_sees_nothing_of_a_request(scene: Scene) -> None:
    asked = scene.ask().json()
    assert scene.api.call("GET", f"/consent/requests/{asked['id']}", None, scene.app.who).status == 404
    listed = scene.api.call("GET", f"/consent/requests?patient={scene.patient}", None, scene.app.who)
    assert listed.json()["requests"] == []


def test_an_organisation_says_whose_requests_it_lists(scene: Scene) -> None:
    assert scene.api.call("GET", "/consent/requests", None, scene.payer.who).status == 400
    assert scene.api.call("GET", "/consent/requests?who=x", None, scene.payer.who).status == 400


def test_nobody_asks_for_others(scene: Scene) -> None:
    body = {"patient": scene.patient, "consent": people.consent_for(scene.app.reference)}
    for consent in (
        people.consent_for(scene.app.reference),
        people.consent_for(None),
        {**people.consent_for(scene.payer.reference), "provision": {"type": "permit"}},
    ):
        answer = scene.api.call("POST", "/consent/requests", {**body, "consent": consent}, scene.payer.who)
        assert answer.status == 422
        assert "provision.actor" in answer.json()["detail"]
    both: Any = people.consent_for(scene.payer.reference)
    both["provision"]["actor"] += people.consent_for(scene.app.reference)["provision"]["actor"]
    answer = scene.api.call("POST", "/consent/requests", {**body, "consent": both}, scene.payer.who)
    assert answer.status == 422
    assert scene.inbox() == []


def test_the_patient_starts_a_grant_for_whomever_they_like(scene: Scene) -> None:
    observation = people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))
    body = {"patient": scene.patient, "consent": people.consent_for(scene.app.reference, "PATRQT")}
    asked = scene.api.call("POST", "/consent/requests", body, scene.device.who)
    assert asked.status == 201
    assert granted(scene, asked.json()).status == 200
    assert isinstance(scene.may_read(scene.app.who, observation), Allowed)


@pytest.mark.parametrize("role", ["auditor"])
def test_a_role_that_has_no_business_asking_is_forbidden(scene: Scene, role: str) -> None:
    auditor = people.admit(scene.world, "Lantern Audit", [role])
    assert scene.ask(auditor).status == 403


def test_asking_needs_the_scope_and_names_it(scene: Scene) -> None:
    who = Who(scene.payer.id, scope="system/Consent.rs")
    body = {"patient": scene.patient, "consent": people.consent_for(scene.payer.reference)}
    answer = scene.api.call("POST", "/consent/requests", body, who)
    assert answer.status == 403
    assert "system/Consent.c" in answer.json()["detail"]


def test_absent_and_erased_people_look_alike_to_an_asker(scene: Scene) -> None:
    scene.world.key_rows.close(f"P#{scene.patient}")
    scene.world.key_rows.entomb(f"P#{scene.patient}", scene.world.clock(), [])
    consent = people.consent_for(scene.payer.reference)
    answers = [
        scene.api.call("POST", "/consent/requests", {"patient": name, "consent": consent}, scene.payer.who)
        for name in (scene.patient, "a" * 26, "nobody", f"Patient/{'b' * 26}")
    ]
    assert {answer.status for answer in answers} == {404}
    assert len({answer.body for answer in answers}) == 1
    refusals = scene.world.reader.month_of_audit(None, scene.world.clock.now[:7]).latest("AuditEvent")
    assert len(refusals) == 4


def test_a_stranger_s_patient_in_the_consent_is_refused(scene: Scene) -> None:
    consent = people.consent_for(scene.payer.reference, patient="a" * 26)
    body = {"patient": scene.patient, "consent": consent}
    assert scene.api.call("POST", "/consent/requests", body, scene.payer.who).status == 422


def test_an_asker_who_keeps_asking_is_stopped_and_refusing_does_not_free_a_place(scene: Scene) -> None:
    for _ in range(10):
        assert scene.ask().status == 201
    [first, *_] = scene.inbox()
    scene.api.call("POST", f"/consent/requests/{first['id']}/refuse", None, scene.device.who)
    assert scene.ask().status == 409
    assert scene.ask(scene.app, purpose="PATRQT").status == 201


def test_lint_findings_come_as_warnings(scene: Scene) -> None:
    answer = scene.ask(purpose="NOSUCH")
    warnings = {warning["details"]["text"]: warning for warning in answer.json()["warnings"]}
    assert warnings["unknown-code"]["severity"] == "warning"
    assert warnings["unknown-code"]["expression"] == ["Consent.provision.purpose"]
    assert scene.ask().json()["warnings"] == []


def test_an_unknown_actor_is_warned_about(scene: Scene) -> None:
    consent = people.consent_for("Organization/d." + "a" * 26)
    answer = scene.api.call(
        "POST", "/consent/requests", {"patient": scene.patient, "consent": consent}, scene.device.who
    )
    assert [warning["details"]["text"] for warning in answer.json()["warnings"]] == ["unknown-actor"]


@pytest.mark.parametrize("where", ["consent", "provision", "actor"])
def test_a_modifier_extension_is_refused(scene: Scene, where: str) -> None:
    consent: Any = people.consent_for(scene.payer.reference)
    place = {
        "consent": consent,
        "provision": consent["provision"],
        "actor": consent["provision"]["actor"][0],
    }[where]
    place["modifierExtension"] = [{"url": "urn:x", "valueBoolean": True}]
    body = {"patient": scene.patient, "consent": consent}
    answer = scene.api.call("POST", "/consent/requests", body, scene.payer.who)
    assert answer.status == 422
    assert scene.inbox() == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": "sleeping"},
        {"resourceType": "Patient"},
        {"scope": None},
        {"unheard": 1},
        {"dateTime": "2026-02-31"},
        {"provision": {"type": "perhaps"}},
        {"provision": []},
        {"patient": 7},
        {"patient": {"reference": 7}},
        {"category": []},
    ],
)
def test_a_consent_that_is_not_r4_is_refused_and_nothing_is_stored(
    scene: Scene, change: dict[str, Any]
) -> None:
    consent = {**people.consent_for(scene.payer.reference), **change}
    for who in (scene.payer.who, scene.device.who):
        body = {"patient": scene.patient, "consent": consent}
        answer = scene.api.call("POST", "/consent/requests", body, who)
        assert answer.status == 400, answer.body
    assert scene.inbox() == []


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        "null",
        '"text"',
        b"\xff\xfe",
        {},
        {"patient": "x"},
        {"patient": 1, "consent": {}},
        {"patient": "x", "consent": {}, "more": 1},
        {"patient": "x", "consent": None},
        {"patient": "x", "consent": [], "replaces": "Consent/x"},
        {"patient": "x", "consent": {}, "replaces": 1},
        {"patient": "x", "consent": {}, "replaces": "Patient/" + "a" * 26},
        '{"patient": "x", "patient": "y", "consent": {}}',
    ],
)
def test_a_request_of_the_wrong_form_is_400(scene: Scene, body: object) -> None:
    answer = scene.api.call("POST", "/consent/requests", body, scene.payer.who)
    assert answer.status == 400
    assert answer.json()["title"] in ("malformed", "invalid")


def test_a_string_of_three_megabytes_is_refused(scene: Scene) -> None:
    consent = {**people.consent_for(scene.payer.reference), "language": "x" * 3_000_000}
    body = {"patient": scene.patient, "consent": consent}
    assert scene.api.call("POST", "/consent/requests", body, scene.payer.who).status in (400, 413)
    consent = {**people.consent_for(scene.payer.reference), "implicitRules": "urn:x"}
    text = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{"x" * 70_000}</div>'}
    body = {"patient": scene.patient, "consent": {**people.consent_for(scene.payer.reference), "text": text}}
    assert scene.api.call("POST", "/consent/requests", body, scene.payer.who).status == 413
    huge = "x" * 4_000_001
    assert scene.api.call("POST", "/consent/requests", huge, scene.payer.who).status == 413
    assert scene.inbox() == []


def test_a_new_ask_replaces_a_consent_and_says_so_in_what_is_signed(scene: Scene) -> None:
    scene.ask(classes=["Observation"])
    first = scene.inbox()[0]
    granted(scene, first)
    wider = people.consent_for(scene.payer.reference)
    body = {"patient": scene.patient, "consent": wider, "replaces": first["document"]}
    assert scene.api.call("POST", "/consent/requests", body, scene.payer.who).status == 201
    [second] = scene.inbox()
    to_sign: Any = second["to_sign"]
    [before] = scene.consents()
    assert to_sign["doc"] == first["document"]
    assert to_sign["version"] == 2
    assert to_sign["prev"] == b64u(before.revision.leaf_hash)
    assert granted(scene, second).status == 200
    [after] = scene.consents()
    assert after.version == 2
    condition = people.record(
        scene.world, scene.clinic, scene.patient, people.observation(scene.patient, status="amended")
    )
    assert isinstance(scene.may_read(scene.payer.who, condition), Allowed)


def test_a_consent_that_changed_meanwhile_is_not_replaced(scene: Scene) -> None:
    scene.ask()
    first = scene.inbox()[0]
    granted(scene, first)
    body = {
        "patient": scene.patient,
        "consent": people.consent_for(scene.payer.reference),
        "replaces": first["document"],
    }
    for _ in range(2):
        scene.api.call("POST", "/consent/requests", body, scene.payer.who)
    one, other = scene.inbox()
    assert granted(scene, one).status == 200
    answer = granted(scene, other)
    assert answer.status == 409
    assert scene.consents()[0].version == 2


def test_only_a_party_may_ask_to_replace_a_consent(scene: Scene) -> None:
    scene.ask()
    first = scene.inbox()[0]
    granted(scene, first)
    body = {"patient": scene.patient, "consent": people.consent_for(scene.app.reference)}
    for replaces in (first["document"], f"Consent/{scene.patient}.{'a' * 26}"):
        asked = {**body, "replaces": replaces}
        assert scene.api.call("POST", "/consent/requests", asked, scene.app.who).status == 404


def test_a_retry_with_the_same_key_gets_the_same_answer_and_asks_once(scene: Scene) -> None:
    body = {"patient": scene.patient, "consent": people.consent_for(scene.payer.reference)}
    key = {"Idempotency-Key": "k-1"}
    answers = [scene.api.call("POST", "/consent/requests", body, scene.payer.who, key) for _ in range(2)]
    assert answers[0].status == answers[1].status == 201
    assert answers[0].json() == answers[1].json()
    [request] = scene.inbox()
    other = {**body, "consent": people.consent_for(scene.payer.reference, "HOPERAT")}
    assert scene.api.call("POST", "/consent/requests", other, scene.payer.who, key).status == 422
    signature = sign_grant(request["to_sign"], scene.device.key)  # type: ignore[arg-type]
    grants = [granted(scene, request, signature, **key) for _ in range(2)]
    assert [answer.status for answer in grants] == [200, 200]
    assert grants[0].json() == grants[1].json()
    assert len(scene.consents()) == 1


def test_one_key_used_for_two_requests_names_two_events(scene: Scene) -> None:
    scene.ask()
    scene.ask()
    events = set()
    for request in scene.inbox():
        answer = granted(scene, request, None, **{"Idempotency-Key": "same"})
        assert answer.status == 200
        events.add(answer.headers["carevouch-event"])
    assert len(events) == 2


def test_a_suspended_organisation_and_an_unknown_device_do_not_get_in(scene: Scene) -> None:
    people.readmit(scene.world, scene.payer, status="suspended")
    assert scene.ask().status == 403
    unbound = Who(scene.patient, "device", "patient/*.cruds", f"{scene.patient}.{'a' * 26}")
    assert scene.api.call("GET", "/consent/requests", None, unbound).status == 401
    assert scene.api.call("GET", "/consent/requests", None, None).status == 401


def test_reads_and_refusals_are_audited_and_writes_are_their_own_audit(scene: Scene) -> None:
    scene.ask()
    assert scene.audits() == []
    [request] = scene.inbox()
    assert len(scene.audits()) == 1
    granted(scene, request)
    assert len(scene.audits()) == 1
    granted(scene, request)
    assert len(scene.audits()) == 2


@pytest.mark.parametrize("id_", ["x", "a" * 26, f"{'a' * 26}.{'b' * 26}", "a.b", "%23", "..", "$x"])
def test_an_unknown_request_is_404(scene: Scene, id_: str) -> None:
    for who in (scene.payer.who, scene.device.who):
        assert scene.api.call("GET", f"/consent/requests/{id_}", None, who).status == 404
    for verb, body in (("grant", {"signature": "x"}), ("refuse", None)):
        path = f"/consent/requests/{id_}/{verb}"
        assert scene.api.call("POST", path, body, scene.device.who).status == 404
