"""Invariants: a resource that keeps one is valid, and its nearest neighbour breaks only that one."""

import re
from typing import Any

import pytest

from carevouch.fhir.definitions import elements
from carevouch.fhir.invariants import INVARIANTS
from carevouch.fhir.validate import check
from carevouch.kernel.errors import Issue
from tests.unit.fhir.samples import CONCEPT, changed, valid

ERROR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/x", "code": "entered-in-error"}]}
QUANTITY = {"value": 1, "system": "http://unitsofmeasure.org", "code": "a"}

# (type, path, value or None to remove, where, key)
BROKEN: list[tuple[str, str, Any, str, str]] = [
    ("Consent", "policyRule", None, "Consent", "ppc-1"),
    ("Consent", "patient", None, "Consent.patient", "ppc-3"),
    ("Consent", "provision.period.end", "2019-12-31", "Consent.provision.period", "per-1"),
    ("Encounter", "period.end", "2020-01-01T09:59:59.999Z", "Encounter.period", "per-1"),
    ("Encounter", "period.end", "2020-01-01T11:00:00+01:01", "Encounter.period", "per-1"),
    ("Observation", "valueQuantity.system", None, "Observation.valueQuantity", "qty-3"),
    ("Observation", "dataAbsentReason", CONCEPT, "Observation", "obs-6"),
    ("Observation", "component", [{"code": CONCEPT}], "Observation", "obs-7"),
    ("Observation", "referenceRange", [{"type": CONCEPT}], "Observation.referenceRange[0]", "obs-3"),
    ("Observation", "referenceRange", [{"text": "x", "age": {"low": {"value": 2}, "high": {"value": 1}}}],
     "Observation.referenceRange[0].age", "rng-2"),
    ("Patient", "contact", [{"gender": "male"}], "Patient.contact[0]", "pat-1"),
    ("Patient", "telecom.0.system", None, "Patient.telecom[0]", "cpt-2"),
    ("Patient", "photo", [{"data": "YQ=="}], "Patient.photo[0]", "att-1"),
    ("Patient", "extension", [{"url": "x"}], "Patient.extension[0]", "ext-1"),
    ("Patient", "extension", [{"url": "x", "valueCode": "a", "extension": [{"url": "y", "valueCode": "b"}]}],
     "Patient.extension[0]", "ext-1"),
    ("Patient", "generalPractitioner", [{"reference": "#nobody"}], "Patient.generalPractitioner[0]", "ref-1"),
    ("MedicationRequest", "subject.reference", "Patient/1", "MedicationRequest.contained[0]", "dom-3"),
    ("MedicationRequest", "contained.0.contained", [{"resourceType": "Patient", "id": "q",
      "link": [{"other": {"reference": "#p"}, "type": "refer"}]}], "MedicationRequest.contained[0]", "dom-2"),
    ("MedicationRequest", "contained.0.meta", {"versionId": "1"}, "MedicationRequest.contained[0]", "dom-4"),
    ("MedicationRequest", "contained.0.meta", {"security": [{"code": "R"}]}, "MedicationRequest.contained[0]",
     "dom-5"),
    ("MedicationRequest", "dosageInstruction.0.timing.repeat.periodUnit", None,
     "MedicationRequest.dosageInstruction[0].timing.repeat", "tim-2"),
    ("MedicationRequest", "dosageInstruction.0.timing.repeat.durationMax", 1,
     "MedicationRequest.dosageInstruction[0].timing.repeat", "tim-7"),
    ("MedicationRequest", "dosageInstruction.0.timing.repeat.offset", 1,
     "MedicationRequest.dosageInstruction[0].timing.repeat", "tim-9"),
    ("Condition", "clinicalStatus.coding.0.code", "active", "Condition.clinicalStatus", "con-4"),
    ("Condition", "verificationStatus", ERROR, "Condition.clinicalStatus", "con-5"),
    ("Condition", "abatementAge", {"value": 1}, "Condition", "age-1"),
    ("AllergyIntolerance", "clinicalStatus", None, "AllergyIntolerance.clinicalStatus", "ait-1"),
    ("AllergyIntolerance", "verificationStatus", ERROR, "AllergyIntolerance.clinicalStatus", "ait-2"),
    ("Organization", "name", None, "Organization", "org-1"),
    ("Organization", "address.0.use", "home", "Organization.address[0].use", "org-2"),
    ("Organization", "telecom", [{"use": "home"}], "Organization.telecom[0].use", "org-3"),
    ("Immunization", "education.0", {"publicationDate": "2020"}, "Immunization.education[0]", "imm-1"),
    ("Parameters", "parameter.0.part", [{"name": "y"}], "Parameters.parameter[0]", "inv-1"),
    ("Bundle", "total", 1, "Bundle.total", "bdl-1"),
    ("Bundle", "entry.0.search", {"mode": "match"}, "Bundle.entry[0].search", "bdl-2"),
    ("Bundle", "entry.0.request", None, "Bundle.entry[0].request", "bdl-3"),
    ("Bundle", "type", "collection", "Bundle.entry[0].request", "bdl-3"),
    ("Bundle", "entry.0.response", {"status": "200"}, "Bundle.entry[0].response", "bdl-4"),
    ("Bundle", "entry.0.fullUrl", "http://example.org/Patient/1/_history/1",
     "Bundle.entry[0].fullUrl", "bdl-8"),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "path", "value", "where", "key"), BROKEN)
def test_a_broken_invariant_is_named_at_its_place(
    type_: str, path: str, value: Any, where: str, key: str
) -> None:
    resource = changed(type_, path, value)
    if key == "age-1":
        where = "Condition.abatementAge"
        del resource["abatementDateTime"]
    findings = [(issue.where, issue.code) for issue in check(resource) if f"({key})" in issue.message]
    assert findings == [(where, "invariant")]
    assert len(check(resource)) == 1


KEPT: list[tuple[str, str, Any]] = [
    ("Consent", "provision.period.end", "2020"),
    ("Encounter", "period.end", "2020-01-01T10:00:00Z"),
    ("Encounter", "period.end", "2020-01-01T11:00:00+01:00"),
    ("Observation", "component", [{"code": {"text": "another"}}]),
    ("Observation", "referenceRange", [{"text": "x", "age": {"low": {"value": 1}, "high": {"value": 1}}}]),
    ("Patient", "extension", [{"url": "x", "extension": [{"url": "y", "valueString": "b"}]}]),
    ("Patient", "link", [{"other": {"reference": "#"}, "type": "refer"}]),
    ("Organization", "name", "y"),
]


@pytest.mark.parametrize(("type_", "path", "value"), KEPT)
def test_the_neighbour_that_keeps_the_invariant_is_valid(type_: str, path: str, value: Any) -> None:
    assert check(changed(type_, path, value)) == []


def keys(issue: Issue) -> list[str]:
    return re.findall(r"\(([a-z]+-[0-9]+)\)", issue.message)


def test_consents_of_other_scopes_need_no_patient() -> None:
    resource = changed("Consent", "scope", CONCEPT)
    del resource["patient"]
    assert check(resource) == []


def test_the_same_full_url_twice_breaks_bdl_7_unless_versions_differ() -> None:
    bundle = changed("Bundle", "type", "collection")
    del bundle["entry"][0]["request"]
    versions = [{"resourceType": "Basic", "code": CONCEPT, "meta": {"versionId": str(n)}} for n in (1, 2, 2)]
    bundle["entry"] = [{"fullUrl": "http://example.org/Basic/1", "resource": one} for one in versions]
    assert [(issue.where, "bdl-7" in issue.message) for issue in check(bundle)] == [
        ("Bundle.entry[2].fullUrl", True)
    ]


def test_a_document_begins_with_its_composition_and_is_identified_and_dated() -> None:
    bundle = {"resourceType": "Bundle", "type": "document", "entry": [{"resource": valid("Patient")}]}
    assert [keys(issue) for issue in check(bundle)] == [["bdl-11"], ["bdl-9"], ["bdl-10"]]
    composition: dict[str, Any] = {
        "resourceType": "Composition",
        "status": "final",
        "type": CONCEPT,
        "date": "2020",
    }
    composition |= {"title": "x", "author": [{"display": "x"}]}
    more = {"identifier": {"system": "urn:x", "value": "1"}, "timestamp": "2020-01-01T00:00:00Z"}
    assert check({**bundle, **more, "entry": [{"resource": composition}]}) == []


def test_every_element_that_an_invariant_names_exists() -> None:
    def named(schema: Any) -> set[str]:
        if isinstance(schema, dict):
            here = set(schema.get("required", [])) | set(schema.get("properties", {}))
            return here | {name for value in schema.values() for name in named(value)}
        return {name for item in schema for name in named(item)} if isinstance(schema, list) else set()

    for type_, rules in INVARIANTS.items():
        known = {name for element in elements(type_) for name in element.names()}
        for key, _, schema in rules:
            assert {name.lstrip("_") for name in named(schema)} <= known, key


def test_the_rules_of_a_type_hold_for_contained_resources_too() -> None:
    inner = {"resourceType": "Organization", "id": "o", "address": [{"use": "home"}], "name": "x"}
    patient = {"resourceType": "Patient", "contained": [inner], "managingOrganization": {"reference": "#o"}}
    assert [issue.where for issue in check(patient)] == ["Patient.contained[0].address[0].use"]
    unknown = {"name": "x", "resource": {"resourceType": "X"}}
    parameters = {"resourceType": "Parameters", "id": "o", "parameter": [unknown]}
    basic = {
        "resourceType": "Basic",
        "code": CONCEPT,
        "contained": [parameters],
        "subject": {"reference": "#o"},
    }
    assert [issue.where for issue in check(basic)] == [
        "Basic.contained[0].parameter[0].resource.resourceType"
    ]
