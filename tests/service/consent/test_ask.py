"""An organisation asks for itself and a person's device for any recipient; each sees only its own part."""

from typing import Any

import pytest

from carevouch.consent.signature import sign_grant
from carevouch.records.access import ReadAllowed
from tests import people
from tests.api import Who
from tests.service.consent.conftest import Scene


def test_the_asker_cannot_tell_refused_from_unanswered(scene: Scene) -> None:
    first, second = scene.ask().json(), scene.ask().json()
    refused = scene.api.call("POST", f"/consent/requests/{first['id']}/refuse", None, scene.device.who)
    assert refused.status == 200
    assert refused.json()["status"] == "refused"
    views = [
        scene.api.call("GET", f"/consent/requests/{request['id']}", None, scene.payer.who).json()
        for request in (first, second)
    ]
    for view in views:
        for own in ("id", "document", "consent"):
            del view[own]
    assert views[0] == views[1]
    assert views[0]["status"] == "asked"
    page = scene.api.call("GET", f"/consent/requests?patient={scene.patient}", None, scene.payer.who)
    assert {item["status"] for item in page.json()["requests"]} == {"asked"}
    assert page.json()["total"] == 2


def test_the_asker_learns_of_a_grant(scene: Scene) -> None:
    request = scene.ask().json()
    scene.grant(scene.inbox()[0])
    view = scene.api.call("GET", f"/consent/requests/{request['id']}", None, scene.payer.who)
    assert view.json()["status"] == "granted"


def test_another_organisation_sees_nothing_of_a_request(scene: Scene) -> None:
    request = scene.ask().json()
    assert scene.api.call("GET", f"/consent/requests/{request['id']}", None, scene.app.who).status == 404
    page = scene.api.call("GET", f"/consent/requests?patient={scene.patient}", None, scene.app.who)
    assert page.json()["requests"] == []


def test_an_organisation_must_name_the_person_to_list_requests(scene: Scene) -> None:
    assert scene.api.call("GET", "/consent/requests", None, scene.payer.who).status == 400
    assert scene.api.call("GET", "/consent/requests?who=x", None, scene.payer.who).status == 400


def test_an_organisation_cannot_ask_for_another_recipient(scene: Scene) -> None:
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


def test_the_patient_may_ask_for_any_recipient(scene: Scene) -> None:
    observation = people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))
    body = {"patient": scene.patient, "consent": people.consent_for(scene.app.reference, "PATRQT")}
    answer = scene.api.call("POST", "/consent/requests", body, scene.device.who)
    assert answer.status == 201
    assert scene.grant(answer.json()).status == 200
    assert isinstance(scene.may_read(scene.app.who, observation), ReadAllowed)


@pytest.mark.parametrize("role", ["auditor"])
def test_a_role_that_may_not_ask_is_forbidden(scene: Scene, role: str) -> None:
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


def test_a_list_does_not_reveal_whether_a_person_exists(scene: Scene) -> None:
    paths = [f"/consent/requests?patient={name}" for name in (scene.patient, "a" * 26, "nobody")]
    answers = [scene.api.call("GET", path, None, scene.payer.who) for path in paths]
    assert {(answer.status, answer.body) for answer in answers} == {(200, b'{"requests":[],"total":0}')}


def test_another_patient_in_the_consent_is_refused(scene: Scene) -> None:
    consent = people.consent_for(scene.payer.reference, patient="a" * 26)
    body = {"patient": scene.patient, "consent": consent}
    assert scene.api.call("POST", "/consent/requests", body, scene.payer.who).status == 422


def test_open_requests_are_limited_and_a_refusal_frees_no_place(scene: Scene) -> None:
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


def test_only_a_party_may_ask_to_replace_a_consent(scene: Scene) -> None:
    scene.ask()
    first = scene.inbox()[0]
    scene.grant(first)
    body = {"patient": scene.patient, "consent": people.consent_for(scene.app.reference)}
    for replaces in (first["document"], f"Consent/{scene.patient}.{'a' * 26}"):
        answer = scene.api.call("POST", "/consent/requests", {**body, "replaces": replaces}, scene.app.who)
        assert answer.status == 404


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
    grants = [scene.grant(request, signature, **key) for _ in range(2)]
    assert [answer.status for answer in grants] == [200, 200]
    assert grants[0].json() == grants[1].json()
    assert len(scene.consents()) == 1


def test_a_suspended_organisation_and_an_unknown_device_are_refused(scene: Scene) -> None:
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
    scene.grant(request)
    assert len(scene.audits()) == 1
    scene.grant(request)
    assert len(scene.audits()) == 2


@pytest.mark.parametrize("id_", ["x", "a" * 26, f"{'a' * 26}.{'b' * 26}", "a.b", "%23", "..", "$x"])
def test_an_unknown_request_is_404(scene: Scene, id_: str) -> None:
    for who in (scene.payer.who, scene.device.who):
        assert scene.api.call("GET", f"/consent/requests/{id_}", None, who).status == 404
    for verb, body in (("grant", {"signature": "x"}), ("refuse", None)):
        path = f"/consent/requests/{id_}/{verb}"
        assert scene.api.call("POST", path, body, scene.device.who).status == 404
