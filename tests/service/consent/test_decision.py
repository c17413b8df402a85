"""`POST /consent/decision`: the answer of the consents, with reasons for those who may have them."""

import json
from typing import Any

import pytest

from carevouch.kernel.jsontext import parse
from carevouch.store.documents import StoredRevision
from tests import people
from tests.api import Answer, Who
from tests.people import Organization
from tests.service.consent.conftest import Scene


@pytest.fixture
def observation(scene: Scene) -> StoredRevision:
    return people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))


def question(scene: Scene, stored: StoredRevision, **more: Any) -> dict[str, Any]:
    return {
        "patient": scene.patient,
        "resource": {"type": stored.doc.type, "id": stored.doc.id},
        **more,
    }


def ask(scene: Scene, who: Who, body: Any, headers: dict[str, str] | None = None) -> Answer:
    return scene.api.call("POST", "/consent/decision", body, who, headers)


def test_an_organisation_gets_a_permit_with_the_consent_that_names_it(
    scene: Scene, observation: StoredRevision
) -> None:
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    answer = ask(scene, scene.payer.who, question(scene, observation))
    assert answer.status == 200, answer.body
    assert answer.json() == {
        "decision": "permit",
        "reasons": [
            {
                "rule": "consent-permits",
                "patient": f"Patient/{scene.patient}",
                "consent": str(stored.doc),
                "version": 1,
                "clause": "provision",
            }
        ],
        "at": scene.world.clock.now,
    }


def test_a_deny_has_no_reasons_whatever_its_cause(scene: Scene, observation: StoredRevision) -> None:
    people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference, effect="deny"))
    stranger = people.enrol(scene.world, scene.clinic)
    theirs = people.record(scene.world, scene.clinic, stranger, people.observation(stranger))
    absent = {"type": "Observation", "id": f"{scene.patient}.{'a' * 26}"}
    bodies = [
        question(scene, observation),
        {"patient": scene.patient, "resource": absent},
        {"patient": scene.patient, "resource": {"type": "Observation", "id": "x"}},
        {"patient": scene.patient, "resource": {"type": "Observation", "id": theirs.doc.id}},
        {"patient": "a" * 26, "resource": absent},
        {"patient": "nobody", "resource": absent},
        {"patient": scene.patient, "resource": {"type": "BoundDevice", "id": scene.device.id}},
        question(scene, observation, purpose="HOPERAT"),
    ]
    answers = [ask(scene, scene.payer.who, body) for body in bodies]
    scene.world.key_rows.close(f"P#{scene.patient}")
    scene.world.key_rows.entomb(f"P#{scene.patient}", scene.world.clock(), [])
    answers.append(ask(scene, scene.payer.who, question(scene, observation)))
    assert {(answer.status, answer.body) for answer in answers} == {
        (
            200,
            json.dumps({"decision": "deny", "reasons": [], "at": scene.world.clock.now})
            .replace(" ", "")
            .encode(),
        )
    }


def test_an_organisation_learns_nothing_of_consents_for_others(
    scene: Scene, observation: StoredRevision
) -> None:
    everybody = people.grant(scene.world, scene.device, people.consent_for(None))
    stored = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    other = people.grant(scene.world, scene.device, people.consent_for(scene.app.reference, "PATRQT"))
    answer = ask(scene, scene.payer.who, question(scene, observation))
    assert [reason["consent"] for reason in answer.json()["reasons"]] == [str(stored.doc)]
    for hidden in (everybody, other):
        assert str(hidden.doc).encode() not in answer.body


def test_the_person_gets_the_whole_trace(scene: Scene, observation: StoredRevision) -> None:
    permit = people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    other = people.grant(scene.world, scene.device, people.consent_for(scene.app.reference, "PATRQT"))
    body = question(scene, observation, actor=scene.payer.reference, purpose="HPAYMT")
    answer = ask(scene, scene.device.who, body).json()
    assert answer["decision"] == "permit"
    assert answer["reasons"][0]["consent"] == str(permit.doc)
    says = {item["consent"]: item["says"] for item in answer["consents"]}
    assert says == {str(permit.doc): "permit", str(other.doc): "silent"}
    assert answer["request"]["actors"] == [scene.payer.reference]
    refused = ask(scene, scene.device.who, {**body, "purpose": "TREAT"}).json()
    assert refused["decision"] == "deny"
    assert refused["reasons"][0]["rule"] == "tenant-default"


def test_the_person_may_ask_about_themselves(scene: Scene, observation: StoredRevision) -> None:
    answer = ask(scene, scene.device.who, question(scene, observation)).json()
    assert answer["decision"] == "permit"
    assert answer["reasons"] == [{"rule": "self"}]


def test_another_person_gets_404(scene: Scene, observation: StoredRevision) -> None:
    stranger = people.enrol(scene.world, scene.clinic)
    other = people.bind_device(scene.world, scene.clinic, stranger)
    assert ask(scene, other.who, question(scene, observation)).status == 404
    assert ask(scene, other.who, {**question(scene, observation), "patient": stranger}).status == 404


def test_exactly_one_purpose_comes_in_the_header_or_the_body(
    scene: Scene, observation: StoredRevision
) -> None:
    people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference, "HOPERAT"))
    body = question(scene, observation)
    header = {"purpose-of-use": "HOPERAT"}
    assert ask(scene, scene.payer.who, body).json()["decision"] == "deny"
    assert ask(scene, scene.payer.who, body, header).json()["decision"] == "permit"
    assert ask(scene, scene.payer.who, {**body, "purpose": "FRAUD"}).json()["decision"] == "permit"
    assert ask(scene, scene.payer.who, {**body, "purpose": "HPAYMT"}, header).status == 400
    assert ask(scene, scene.payer.who, {**body, "purpose": ["HPAYMT", "HOPERAT"]}).status == 400


def test_a_role_declares_only_its_purposes(scene: Scene, observation: StoredRevision) -> None:
    for purpose in ("TREAT", "BTG", "NOSUCH", "HPAYMT,HOPERAT"):
        answer = ask(scene, scene.payer.who, question(scene, observation, purpose=purpose))
        assert answer.status == 403


def test_an_organisation_asks_about_itself_only(scene: Scene, observation: StoredRevision) -> None:
    body = question(scene, observation, actor=scene.app.reference)
    assert ask(scene, scene.payer.who, body).status == 400


def test_a_consent_for_one_action_permits_no_other(scene: Scene, observation: StoredRevision) -> None:
    consent: Any = people.consent_for(scene.payer.reference)
    action = {"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "access"}
    consent["provision"]["action"] = [{"coding": [action]}]
    people.grant(scene.world, scene.device, consent)
    assert ask(scene, scene.payer.who, question(scene, observation)).json()["decision"] == "permit"
    for other in ("disclose", "correct", "use", "collect"):
        body = question(scene, observation, action=other)
        assert ask(scene, scene.payer.who, body).json()["decision"] == "deny"


def test_each_decision_is_audited_with_its_outcome(scene: Scene, observation: StoredRevision) -> None:
    people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    ask(scene, scene.payer.who, question(scene, observation))
    ask(scene, scene.payer.who, question(scene, observation, purpose="HOPERAT"))
    ask(scene, scene.device.who, question(scene, observation))
    audits = [parse(stored.body) for stored in scene.audits()]
    assert sorted(audit["outcomeDesc"] for audit in audits) == ["deny", "permit", "permit"]
    assert {audit["subtype"][0]["code"] for audit in audits} == {"decision"}
    denied = next(audit for audit in audits if audit["outcomeDesc"] == "deny")
    assert denied["purposeOfEvent"][0]["coding"][0]["code"] == "HOPERAT"


def test_a_question_about_an_absent_person_is_audited(scene: Scene) -> None:
    ask(scene, scene.payer.who, {"patient": "a" * 26, "resource": {"type": "Observation", "id": "x"}})
    audits = scene.world.reader.month_of_audit(None, scene.world.clock.now[:7]).latest("AuditEvent")
    assert [parse(stored.body)["outcomeDesc"] for stored in audits] == ["deny"]


def test_a_question_needs_the_scope_to_read(scene: Scene, observation: StoredRevision) -> None:
    who = Who(scene.payer.id, scope="system/Consent.cruds")
    answer = ask(scene, who, question(scene, observation))
    assert answer.status == 403
    assert "system/Observation.r" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        {},
        {"patient": "x"},
        {"patient": "x", "resource": "Observation/x"},
        {"patient": "x", "resource": {"type": "Observation"}},
        {"patient": "x", "resource": {"type": 1, "id": "x"}},
        {"patient": "x", "resource": {"type": "Observation", "id": ["x"]}},
        {"patient": ["x"], "resource": {"type": "Observation", "id": "x"}},
        {"patient": "x", "resource": {"type": "Observation", "id": "x"}, "more": 1},
        {"patient": "x", "resource": {"type": "Observation", "id": "x"}, "action": "guess"},
        {"patient": "x", "resource": {"type": "Observation", "id": "x"}, "action": ["access"]},
        {"patient": "x", "resource": {"type": "Observation", "id": "x"}, "purpose": 7},
        b"\xff",
    ],
)
def test_a_question_of_the_wrong_form_is_400(scene: Scene, body: object) -> None:
    for who in (scene.payer.who, scene.device.who):
        assert ask(scene, who, body).status == 400


@pytest.mark.parametrize("actor", [[], "", 7, ["x"] * 21, [1], {"reference": "x"}])
def test_an_actor_of_the_wrong_form_is_400(scene: Scene, observation: StoredRevision, actor: object) -> None:
    assert ask(scene, scene.device.who, question(scene, observation, actor=actor)).status == 400


def test_an_unknown_purpose_is_400_for_the_person(scene: Scene, observation: StoredRevision) -> None:
    body = question(scene, observation, actor="Organization/x", purpose="NOSUCH")
    assert ask(scene, scene.device.who, body).status == 400


def test_the_door_and_the_rule_of_reading_agree(scene: Scene, observation: StoredRevision) -> None:
    def same(organization: Organization) -> None:
        answer = ask(scene, organization.who, question(scene, observation)).json()["decision"]
        rule = type(scene.may_read(organization.who, observation)).__name__
        assert (answer, rule) in (("permit", "ReadAllowed"), ("deny", "ReadRefused"))

    for consent in (
        people.consent_for(scene.payer.reference),
        people.consent_for(scene.app.reference, "PATRQT", ["Condition"]),
        people.consent_for(scene.payer.reference, effect="deny"),
    ):
        people.grant(scene.world, scene.device, consent)
        same(scene.payer)
        same(scene.app)
