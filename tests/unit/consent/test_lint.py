"""Lint: warnings for the author before a consent is stored, and errors that refuse it."""

from typing import Any

import pytest

from carevouch.consent.lint import is_refused, lint
from tests.unit.consent.case_runs import consent, read
from tests.unit.consent.test_read import CUSTODIAN, RECIPIENT

_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_CLASS = "http://hl7.org/fhir/resource-types"


OPT_OUT = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}]}
OF_PATIENT_2 = {"meaning": "instance", "reference": {"reference": "Patient/2"}}


def codes(resource: dict[str, Any], directory: dict[str, tuple[str, ...]] | None = None) -> list[str]:
    return [finding.code for finding in lint(read(resource), directory)]


def purpose(code: str) -> list[dict[str, str]]:
    return [{"system": _REASON, "code": code}]


def actor(reference: str, role: dict[str, Any] = RECIPIENT) -> list[dict[str, Any]]:
    return [{"role": role, "reference": {"reference": reference}}]


def classes(*types: str) -> list[dict[str, str]]:
    return [{"system": _CLASS, "code": type_} for type_ in types]


def under(root: dict[str, Any], *nested: dict[str, Any]) -> dict[str, Any]:
    return consent({**root, "provision": list(nested)})


def _apart(element: str, outer: Any, inner: Any) -> dict[str, Any]:
    return under({"type": "permit", element: outer}, {"type": "deny", element: inner})


def test_a_plain_consent_has_nothing_to_mend() -> None:
    nested = {"type": "deny", "purpose": purpose("BTG")}
    assert codes(under({"type": "permit", "purpose": purpose("TREAT")}, nested)) == []


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        (_apart("purpose", purpose("TREAT"), purpose("HRESCH")), "never-matches"),
        (_apart("period", {"end": "2020"}, {"start": "2021"}), "never-matches"),
        (_apart("class", classes("Observation"), classes("Claim")), "never-matches"),
        (consent({}), "untyped"),
        (under({"type": "permit"}, {"class": classes("Claim")}), "untyped"),
        (consent({"type": "permit", "period": {"start": "2022", "end": "2021"}}), "end-before-start"),
        (consent({"type": "permit", "dataPeriod": {"start": "2022", "end": "2021"}}), "end-before-start"),
        (consent({"type": "permit", "purpose": purpose("TREET")}), "unknown-code"),
        (consent({"type": "permit", "securityLabel": [{"system": "urn:x", "code": "N"}]}), "unknown-code"),
        (consent({"type": "permit", "actor": actor("Practitioner/x", CUSTODIAN)}), "not-understood"),
        (consent({"type": "permit", "purposes": purpose("TREAT")}), "unreadable"),
        (consent({"type": "permit"}, implicitRules="urn:x"), "unreadable"),
        (consent({"type": "permit"}, status="draft"), "not-active"),
        (consent({"type": "permit"}, policyRule=OPT_OUT), "wider-than-policy"),
        (consent({"type": "permit", "data": [OF_PATIENT_2]}), "another-patient"),
        (
            under(
                {"type": "permit"},
                {"type": "permit", "class": classes("Claim")},
                {"type": "deny", "class": classes("Claim", "Coverage")},
            ),
            "permit-and-deny",
        ),
    ],
)
def test_each_mistake_is_found_alone(resource: dict[str, Any], code: str) -> None:
    assert codes(resource) == [code]


def test_siblings_that_cannot_meet_get_no_finding() -> None:
    resource = under(
        {"type": "permit"},
        {"type": "permit", "class": classes("Claim")},
        {"type": "deny", "class": classes("Coverage")},
    )
    assert codes(resource) == []


def test_actors_are_looked_up_where_a_directory_is_given() -> None:
    directory = {"Group/empty": (), "Group/full": ("Practitioner/x",), "Practitioner/x": ()}
    for reference, found in [
        ("Group/empty", ["empty-group"]),
        ("Group/full", []),
        ("Practitioner/x", []),
        ("Practitioner/y", ["unknown-actor"]),
    ]:
        assert codes(consent({"type": "permit", "actor": actor(reference)}), directory) == found


def test_a_document_of_another_patient_is_recognised_by_its_id() -> None:
    mine, other = "a" * 26, "b" * 26
    for owner, found in [(mine, []), (other, ["another-patient"])]:
        data = [{"meaning": "instance", "reference": {"reference": f"Observation/{owner}.{'c' * 26}"}}]
        resource = consent({"type": "permit", "data": data}, patient={"reference": f"Patient/{mine}"})
        assert codes(resource) == found


@pytest.mark.parametrize(
    "resource",
    [
        consent({"type": "permit"}, modifierExtension=[{"url": "urn:x"}]),
        consent({"type": "permit", "modifierExtension": [{"url": "urn:x"}]}),
        under({"type": "permit"}, {"type": "deny", "modifierExtension": [{"url": "urn:x"}]}),
    ],
)
def test_a_modifier_extension_is_refused(resource: dict[str, Any]) -> None:
    findings = lint(read(resource))
    assert [finding.code for finding in findings] == ["modifier-extension"]
    assert is_refused(findings)


def test_a_warning_refuses_nothing() -> None:
    assert not is_refused(lint(read(consent({}))))


def test_findings_are_json_with_a_place() -> None:
    finding = lint(read(consent({"type": "permit", "period": {"start": "2022", "end": "2021"}})))[0]
    assert finding.json()["where"] == "provision.period"
    assert set(finding.json()) == {"severity", "code", "where", "message"}
