"""Whole decisions: several patients or none, break-glass, purpose tags, and the reasons of each."""

import json
from typing import Any

import pytest

from carevouch.consent.decide import decide
from carevouch.consent.model import Consent
from tests.unit.consent.case_runs import NOW, OBSERVATION, consent, facts, read, request

PSY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}
R = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


def of(patient: str, type_: str = "permit", **more: Any) -> Consent:
    resource = {
        **consent({"type": type_}, id=patient),
        "patient": {"reference": f"Patient/{patient}"},
        **more,
    }
    return read(resource)


APPOINTMENT = {
    "resourceType": "Appointment",
    "id": "a",
    "participant": [{"actor": {"reference": "Patient/1"}}, {"actor": {"reference": "Patient/2"}}],
}


def test_every_patient_of_a_shared_resource_must_permit() -> None:
    shared = facts(APPOINTMENT)
    assert decide([of("1"), of("2")], request(), shared).permitted
    assert not decide([of("1")], request(), shared).permitted
    assert not decide([of("1"), of("2", "deny")], request(), shared, "permit").permitted


def test_each_permitting_patient_is_named_in_the_reasons() -> None:
    reasons = decide([of("1"), of("2")], request(), facts(APPOINTMENT)).reasons
    assert [reason.patient for reason in reasons] == ["Patient/1", "Patient/2"]


def test_a_consent_of_another_patient_neither_permits_nor_appears() -> None:
    decision = decide([of("2")], request(), facts(OBSERVATION))
    assert not decision.permitted
    assert decision.explain()["consents"] == []


def test_a_resource_about_no_patient_follows_the_tenants_default() -> None:
    location = facts({"resourceType": "Location", "id": "l"})
    assert decide([of("1", "deny")], request(), location, "permit").reasons[0].rule == "no-patient"
    assert not decide([of("1")], request(), location, "deny").permitted


def test_an_unresolved_subject_denies_against_every_default() -> None:
    vague = facts({**OBSERVATION, "subject": {"display": "somebody"}})
    decision = decide([of("1")], request(), vague, "permit")
    assert [reason.rule for reason in decision.reasons] == ["subject-unresolved"]


def test_break_glass_needs_the_right_to_declare_it() -> None:
    refused = decide([of("1")], request("BTG"), facts(OBSERVATION), "permit")
    assert [reason.rule for reason in refused.reasons] == ["break-glass-not-entitled"]
    assert decide([of("1")], request("BTG", btg_ok=True), facts(OBSERVATION)).permitted


@pytest.mark.parametrize(("tag", "answer"), [("TREAT", True), ("HRESCH", False), ("HTEST", True)])
def test_data_tagged_for_another_purpose_are_refused(tag: str, answer: bool) -> None:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": tag}
    tagged = facts({**OBSERVATION, "meta": {"security": [coding]}})
    assert decide([of("1")], request("ETREAT", "Practitioner/x", btg_ok=True), tagged).permitted is answer


def test_a_request_without_a_time_zone_raises() -> None:
    with pytest.raises(ValueError, match="time zone"):
        request(now=NOW.replace(tzinfo=None))


def test_the_reason_names_consent_version_clause_and_element() -> None:
    provision = {"type": "permit", "provision": [{"type": "deny", "class": [_class("Condition")]},
                                                 {"type": "deny", "securityLabel": [R]}]}  # fmt: skip
    unlabelled = {name: value for name, value in OBSERVATION.items() if name != "meta"}
    decision = decide([read(consent(provision), version=7)], request(), facts(unlabelled))
    assert decision.explain()["reasons"] == [
        {
            "rule": "consent-denies",
            "patient": "Patient/1",
            "consent": "Consent/c",
            "version": 7,
            "clause": "provision.provision[1]",
            "element": "securityLabel",
        }
    ]


def test_outside_names_the_root_and_the_element_that_excludes_the_data() -> None:
    root = {
        "type": "permit",
        "class": [_class("Condition")],
        "provision": [{"type": "permit", "securityLabel": [PSY]}],
    }
    reason = decide([read(consent(root))], request(), facts(OBSERVATION)).reasons[0]
    assert (reason.rule, reason.clause, reason.element) == ("outside-consent", "provision", "class")


def test_a_deny_with_an_exception_is_not_the_reason_of_a_deny() -> None:
    lifted = {"type": "deny", "provision": [{"type": "permit"}]}
    root = {"type": "permit", "provision": [lifted, {"type": "deny", "class": [_class("Observation")]}]}
    reason = decide([read(consent(root))], request(), facts(OBSERVATION)).reasons[0]
    assert (reason.clause, reason.element) == ("provision.provision[1]", None)


def test_every_evaluated_clause_is_in_the_explanation() -> None:
    root = {"type": "permit", "provision": [{"type": "deny", "period": {"end": "2020"}}]}
    explained = decide([read(consent(root))], request(), facts(OBSERVATION)).explain()
    assert json.loads(json.dumps(explained))["consents"][0]["clauses"] == [
        {
            "clause": "provision.provision[0]",
            "type": "deny",
            "effect": None,
            "element": "period",
            "match": "false",
            "from": None,
            "before": "2021-01-01T00:00:00.000Z",
        },
        {"clause": "provision", "type": "permit", "effect": "permit"},
    ]
    assert explained["request"]["now"] == "2026-11-22T10:00:00.000Z"


def _class(type_: str) -> dict[str, str]:
    return {"system": "http://hl7.org/fhir/resource-types", "code": type_}
