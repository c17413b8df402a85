"""Content that the FHIR reader does not understand never becomes silence: no permit, no lost refusal."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.consent.decide import decide
from carevouch.consent.model import may_permit
from carevouch.consent.read import unreadable
from tests.unit.consent.case_runs import BASE, OBSERVATION, consent, facts, read, request

RECIPIENT = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]
}
CUSTODIAN = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "CST"}]
}
ELEMENTS = (
    *("type", "period", "start", "end", "actor", "role", "reference", "action", "securityLabel", "purpose"),
    *("class", "code", "coding", "system", "dataPeriod", "data", "meaning", "provision", "modifierExtension"),
    "security",
)
TREAT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}


def permitted(resource: Any, default: str = "deny", actor: str = "Practitioner/other") -> bool:
    decision = decide(
        [read(resource)],
        request("TREAT", actor),
        facts(OBSERVATION),
        "permit" if default == "permit" else "deny",
    )
    return decision.permitted


ODD_ROOTS: list[Any] = [
    {"type": "allow"},
    {"type": 1},
    {"type": ["permit"]},
    {"type": "permit", "purposes": [TREAT]},
    {"type": "permit", "_type": {"extension": []}},
    {"type": "permit", "purpose": []},
    {"type": "permit", "purpose": TREAT},
    {"type": "permit", "purpose": None},
    {"type": "permit", "period": "2022"},
    {"type": "permit", "period": {"start": "2022-02-30"}},
    {"type": "permit", "period": {"start": "yesterday"}},
    {"type": "permit", "period": {"until": "2030"}},
    {"type": "permit", "dataPeriod": {"end": 2022}},
    {"type": "permit", "actor": [{"role": RECIPIENT, "reference": {}, "modifierExtension": []}]},
    {"type": "permit", "actor": ["Practitioner/other"]},
    {"type": "permit", "modifierExtension": [{"url": "urn:x"}]},
    {"type": "permit", "provision": {"type": "deny"}},
    {"type": "permit", "provision": [{"type": "permit", "modifierExtension": [{"url": "urn:x"}]}]},
    {"type": "permit", "provision": [{"securityLabel": [{"code": "R"}]}]},
    {"type": "permit", "provision": [None]},
    [],
    None,
    "permit",
]


@pytest.mark.parametrize("provision", ODD_ROOTS, ids=repr)
def test_malformed_content_denies_even_against_a_permissive_default(provision: Any) -> None:
    resource = {**consent(), "provision": provision}
    assert not permitted(resource, default="permit")


def test_a_well_formed_permit_permits() -> None:
    assert permitted(consent({"type": "permit", "purpose": [TREAT]}))


@pytest.mark.parametrize(
    "change",
    [
        {"resourceType": "Contract"},
        {"modifierExtension": [{"url": "urn:x"}]},
        {"implicitRules": "urn:x"},
        {"status": None},
        {"status": "Active"},
        {"patient": None},
        {"patient": {"display": "somebody"}},
        {"patient": {"reference": "Patient?identifier=1"}},
    ],
    ids=repr,
)
def test_a_consent_that_cannot_be_read_as_a_whole_denies(change: dict[str, Any]) -> None:
    assert not permitted({**consent({"type": "permit"}), **change}, default="permit")


@pytest.mark.parametrize("resource", [None, [], "Consent", 7, {}])
def test_json_that_is_no_consent_denies_and_does_not_raise(resource: Any) -> None:
    assert not permitted(resource, default="permit")


def test_a_revision_that_could_not_be_parsed_denies() -> None:
    broken = unreadable("Consent/x", 3, "Patient/1")
    decision = decide([broken], request(), facts(OBSERVATION), "permit")
    assert decision.explain()["reasons"][0]["element"] == "content"


def test_content_that_names_another_patient_than_its_row_denies() -> None:
    read_one = read(consent({"type": "permit"}), patient="Patient/2")
    other = facts({**OBSERVATION, "subject": {"reference": "Patient/2"}})
    assert not decide([read_one], request(), other, "permit").permitted


# Elements with a value that is not understood. Their match is unknown: it stops a permit and triggers a deny.
DOUBTFUL: list[dict[str, Any]] = [
    {"actor": [{"role": CUSTODIAN, "reference": {"reference": "Practitioner/other"}}]},
    {"actor": [{"reference": {"reference": "Practitioner/other"}}]},
    {"actor": [{"role": RECIPIENT, "reference": {"display": "the doctor"}}]},
    {"actor": [{"role": RECIPIENT, "reference": {"reference": "#inside"}}]},
    {"purpose": [{"code": "TREAT"}]},
    {"action": [{"coding": [{"system": "urn:x", "code": "access"}]}]},
    {"action": [{"text": "look at it"}]},
    {"securityLabel": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "X"}]},
    {"class": [{"system": "urn:ietf:bcp:13", "code": "application/hl7-cda+xml"}]},
    {"code": [{"text": "blood"}]},
    {"data": [{"meaning": "somehow", "reference": {"reference": "Observation/1"}}]},
    {"data": [{"meaning": "instance", "reference": {"identifier": {"value": "1"}}}]},
]


@pytest.mark.parametrize("element", DOUBTFUL, ids=repr)
def test_a_doubtful_element_stops_a_permit(element: dict[str, Any]) -> None:
    assert not permitted(consent({"type": "permit", **element}))


@pytest.mark.parametrize("element", DOUBTFUL, ids=repr)
def test_a_doubtful_element_triggers_a_deny(element: dict[str, Any]) -> None:
    nested = {"type": "permit", "provision": [{"type": "deny", **element}]}
    assert not permitted(consent(nested), default="permit")


@pytest.mark.parametrize(
    "spelling", ["Practitioner/x", f"{BASE}/Practitioner/x", "Practitioner/x/_history/3"]
)
def test_a_denied_actor_is_recognised_in_every_spelling(spelling: str) -> None:
    refused = {"type": "deny", "actor": [{"role": RECIPIENT, "reference": {"reference": spelling}}]}
    resource = consent({"type": "permit", "provision": [refused]})
    assert not permitted(resource, actor="Practitioner/x")
    assert permitted(resource, actor="Practitioner/y")


def test_an_actor_of_another_server_is_a_different_actor() -> None:
    actor = {"role": RECIPIENT, "reference": {"reference": "https://elsewhere.test/fhir/Practitioner/x"}}
    assert not permitted(consent({"type": "permit", "actor": [actor]}), actor="Practitioner/x")


@pytest.mark.parametrize(
    ("scope", "answer"), [("adr", True), ("treatment", True), ("patient-privacy", False)]
)
def test_an_advance_directive_says_nothing_about_data(scope: str, answer: bool) -> None:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": scope}
    resource = consent({"type": "deny"}, scope={"coding": [coding]})
    assert permitted(resource, default="permit") is answer


def test_version_and_reference_of_the_row_replace_those_of_the_content() -> None:
    read_one = read(consent({"type": "permit"}, meta={"versionId": "2"}), reference="Consent/row", version=5)
    assert (read_one.reference, read_one.version) == ("Consent/row", 5)
    assert read(consent(meta={"versionId": "2"})).version == 2


@pytest.mark.parametrize(
    ("resource", "answer"),
    [
        (consent({"type": "permit"}), True),
        (consent({"type": "deny"}), False),
        (consent({"type": "deny", "provision": [{"type": "permit"}]}), True),
        (consent(policyRule={"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                                         "code": "OPTIN"}]}), True),
        (consent(), False),
        (consent({"type": "permit"}, status="inactive"), False),
        (consent({"type": "deny", "provision": [{"typ": "permit"}]}), True),
        (consent({"type": "deny"}, implicitRules="urn:x"), True),
    ],
)  # fmt: skip
def test_a_consent_that_could_permit_needs_a_signature(resource: dict[str, Any], answer: bool) -> None:
    assert may_permit(read(resource)) is answer


def test_an_unsigned_consent_still_denies_and_never_permits() -> None:
    permits = read(consent({"type": "permit"}), signed=False)
    denies = read(consent({"type": "deny"}), signed=False)
    unsigned = decide([permits], request(), facts(OBSERVATION))
    assert not unsigned.permitted
    assert unsigned.explain()["consents"][0]["because"] == "signature"
    assert decide([permits], request(), facts(OBSERVATION), "permit").reasons[0].rule == "tenant-default"
    assert not decide([denies], request(), facts(OBSERVATION), "permit").permitted


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.sampled_from(["permit", "deny"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(sorted(ELEMENTS)), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, database=None)
@given(st.dictionaries(st.sampled_from(sorted(ELEMENTS)), JSON, max_size=5))
def test_no_content_makes_the_reader_or_the_rules_fail(provision: dict[str, Any]) -> None:
    decision = decide([read({**consent(), "provision": provision})], request(), facts(OBSERVATION))
    assert decision.explain()["reasons"]
    assert decision.permitted is False or provision.get("type") == "permit"


@settings(max_examples=300, deadline=None, database=None)
@given(st.dictionaries(st.sampled_from(["id", "meta", "subject", "code", "performer", "encounter"]), JSON))
def test_no_content_of_a_resource_makes_reading_its_facts_fail(content: dict[str, Any]) -> None:
    assert facts({**content, "resourceType": "Observation"}).type == "Observation"
