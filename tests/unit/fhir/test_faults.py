"""Each kind of fault is found at its place, and its nearest valid neighbour passes."""

from typing import Any

import pytest

from carevouch.fhir.validate import MAX_ISSUES, check, check_shell, require_valid
from carevouch.kernel.errors import Invalid
from carevouch.kernel.jsontext import Number, parse
from tests.unit.fhir.samples import VALID, as_text, changed, valid


@pytest.mark.parametrize("type_", sorted(VALID))
def test_the_samples_are_valid(type_: str) -> None:
    assert check(valid(type_)) == []


# (type, path, value or None to remove, where, code)
FAULTS: list[tuple[str, str, Any, str, str]] = [
    # what one kind of validator or another lets pass
    ("Patient", "gender", "xx", "Patient.gender", "code-invalid"),
    ("Consent", "status", "bogus", "Consent.status", "code-invalid"),
    ("Patient", "unheardOf", "x", "Patient.unheardOf", "structure"),
    ("Patient", "birthDate", "1980-2-1", "Patient.birthDate", "value"),
    ("Patient", "birthDate", "1980-02-31", "Patient.birthDate", "value"),
    ("Consent", "status", None, "Consent.status", "required"),
    ("Consent", "policyRule", None, "Consent", "invariant"),
    # structure
    ("Patient", "resourceType", "Patent", "Resource.resourceType", "structure"),
    ("Patient", "name.0.unheardOf", "x", "Patient.name[0].unheardOf", "structure"),
    ("Patient", "name", {"family": "x"}, "Patient.name", "structure"),
    ("Patient", "name.0", "x", "Patient.name[0]", "structure"),
    ("Patient", "gender", ["male"], "Patient.gender", "code-invalid"),
    ("Patient", "name.0.given", [], "Patient.name[0].given", "structure"),
    ("Patient", "name.0.given", ["x", ""], "Patient.name[0].given[1]", "value"),
    ("Patient", "name.0.given", [None], "Patient.name[0].given[0]", "structure"),
    ("Patient", "name.0", {}, "Patient.name[0]", "structure"),
    ("Patient", "name.0.family", "", "Patient.name[0].family", "value"),
    ("Patient", "name.0.family", "a\x00b", "Patient.name[0].family", "value"),
    ("Patient", "name.0.family", 1, "Patient.name[0].family", "structure"),
    ("Patient", "_name", [{"id": "x"}], "Patient._name", "structure"),
    ("Patient", "_gender", {"value": "x"}, "Patient._gender.value", "structure"),
    ("Patient", "active", "true", "Patient.active", "structure"),
    ("Patient", "multipleBirthInteger", Number("1.0"), "Patient.multipleBirthInteger", "structure"),
    ("Patient", "multipleBirthInteger", 2**31, "Patient.multipleBirthInteger", "value"),
    ("Patient", "multipleBirthInteger", True, "Patient.multipleBirthInteger", "structure"),
    ("Patient", "id", "a_b", "Patient.id", "value"),
    ("Patient", "id", "a" * 65, "Patient.id", "value"),
    ("Patient", "meta", {"lastUpdated": "2020-01-01"}, "Patient.meta.lastUpdated", "value"),
    ("Patient", "name.0.family", "x" * (1024 * 1024 + 1), "Patient.name[0].family", "too-long"),
    ("Patient", "extension", [{"valueString": "x"}], "Patient.extension[0].url", "required"),
    ("Encounter", "class", None, "Encounter.class", "required"),
    ("Consent", "category", None, "Consent.category", "required"),
    ("MedicationRequest", "medicationCodeableConcept", None, "MedicationRequest.medication[x]", "required"),
    ("MedicationRequest", "medicationReference", {"display": "x"}, "MedicationRequest.medication[x]",
     "structure"),
    ("Observation", "valueString", "x", "Observation.value[x]", "structure"),
    ("Observation", "valueHumanName", {"text": "x"}, "Observation.valueHumanName", "structure"),
    ("Observation", "subject.reference", "Organization/1", "Observation.subject.reference", "value"),
    ("Observation", "subject.reference", "Organization?identifier=a|b", "Observation.subject.reference",
     "value"),
    ("Observation", "subject.reference", "", "Observation.subject.reference", "value"),
    ("Observation", "valueQuantity.value", "1", "Observation.valueQuantity.value", "structure"),
    ("MedicationRequest", "contained.0.gender", "xx", "MedicationRequest.contained[0].gender",
     "code-invalid"),
    ("MedicationRequest", "contained.0.resourceType", "X", "MedicationRequest.contained[0].resourceType",
     "structure"),
    ("Bundle", "entry.0.resource.gender", "xx", "Bundle.entry[0].resource.gender", "code-invalid"),
    ("Bundle", "entry.0.resource", 1, "Bundle.entry[0].resource", "structure"),
    ("Bundle", "entry.0.resource", {"a": 1}, "Bundle.entry[0].resource.resourceType", "required"),
    ("Bundle", "entry.0.resource.resourceType", "X", "Bundle.entry[0].resource.resourceType", "structure"),
    ("Bundle", "entry.0.resource.resourceType", 1, "Bundle.entry[0].resource.resourceType", "structure"),
    ("Bundle", "entry.0.request.method", "GIT", "Bundle.entry[0].request.method", "code-invalid"),
    ("Parameters", "parameter.0.resource.code", None, "Parameters.parameter[0].resource.code", "required"),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "path", "value", "where", "code"), FAULTS)
def test_a_fault_is_found_at_its_place(type_: str, path: str, value: Any, where: str, code: str) -> None:
    issues = check(changed(type_, path, value))
    assert (where, code) in [(issue.where, issue.code) for issue in issues]
    assert {issue.where for issue in issues} == {where}


NEIGHBOURS: list[tuple[str, str, Any]] = [
    ("Patient", "birthDate", "1980-02-29"),
    ("Patient", "birthDate", "1980"),
    ("Patient", "_birthDate", {"extension": [{"url": "http://example.org/time", "valueDateTime": "1980"}]}),
    ("Patient", "name.0._given", [None, {"id": "x"}]),
    ("Patient", "deceasedBoolean", False),
    ("Patient", "name.0.family", "x" * 1024 * 1024),
    ("Patient", "id", "a" * 64),
    ("Observation", "valueQuantity.value", Number("112.41600000000001")),
    ("Observation", "valueQuantity.value", Number("1e400")),
    ("Observation", "subject.reference", "Patient?identifier=a|b"),
    ("Observation", "subject.reference", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
    ("Observation", "subject.reference", "https://example.org/fhir/Patient/1"),
    ("MedicationRequest", "contained.0.gender", "other"),
]


@pytest.mark.parametrize(("type_", "path", "value"), NEIGHBOURS)
def test_the_nearest_valid_neighbour_is_accepted(type_: str, path: str, value: Any) -> None:
    assert check(changed(type_, path, value)) == []


def test_a_required_primitive_may_have_only_an_extension() -> None:
    resource = changed("Consent", "status", None)
    resource["_status"] = {"extension": [{"url": "http://example.org/absent", "valueCode": "unknown"}]}
    assert check(resource) == []


def test_null_beside_an_extension_holds_its_place_and_alone_does_not() -> None:
    name = {"given": ["x", None], "_given": [None, {"id": "y"}]}
    assert check(changed("Patient", "name.0", name)) == []
    alone = check(changed("Patient", "name.0", {"given": ["x", None], "_given": [{"id": "y"}, None]}))
    assert [issue.where for issue in alone] == ["Patient.name[0].given[1]", "Patient.name[0]._given[1]"]


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, True, [{}], {"resourceType": ["Patient"]}])
def test_a_value_that_is_no_resource_is_a_fault_of_structure(value: Any) -> None:
    assert [issue.code for issue in check(value)] == ["structure"]


def test_issues_are_limited() -> None:
    assert len(check(valid("Patient") | {f"unheardOf{n}": 1 for n in range(100)})) == MAX_ISSUES


def test_findings_do_not_repeat_what_the_resource_says() -> None:
    secret = "Sekret1980"
    resource = {
        "resourceType": "Patient",
        "gender": secret,
        "birthDate": secret,
        "active": secret,
        "name": [{"use": secret, "given": [1], "family": [secret]}],
        "telecom": [{"value": secret}, {"system": secret}],
        "managingOrganization": {"reference": f"Patient/{secret}"},
        "contact": [{"period": {"start": secret}}],
        "text": {"status": "generated", "div": f"<div>{secret}</div>"},
        "link": [{"other": {"reference": f"#{secret}"}, "type": secret}],
        secret + " with spaces": 1,
    }
    issues = check(resource)
    assert len(issues) >= 10
    assert secret not in as_text(issues)


def test_a_place_given_by_the_caller_begins_every_finding() -> None:
    issues = check(changed("Patient", "name.0.use", "x"), "Bundle.entry[7].resource")
    assert [issue.where for issue in issues] == ["Bundle.entry[7].resource.name[0].use"]


def test_the_shell_of_a_bundle_is_judged_without_its_resources() -> None:
    assert check_shell(changed("Bundle", "entry.0.resource.gender", "xx")) == []
    assert check_shell(changed("Bundle", "entry.0.unheardOf", 1)) != []


def test_require_valid_gives_the_resource_or_raises_with_all_issues() -> None:
    patient = valid("Patient")
    assert require_valid(patient, "Patient") is patient
    with pytest.raises(Invalid) as caught:
        require_valid(patient | {"gender": "xx", "active": 1}, "Patient")
    assert [issue.where for issue in caught.value.issues] == ["Patient.gender", "Patient.active"]
    with pytest.raises(Invalid, match="Consent") as caught:
        require_valid(patient, "Consent")
    assert caught.value.issues[0].where == "Consent.resourceType"


def test_a_fault_beside_decimals_as_they_are_parsed_is_found() -> None:
    head = b'{"resourceType":"Observation","status":"final","code":{"text":"x"}'
    assert check(parse(head + b',"valueQuantity":{"value":1.50}}')) == []
    issues = check(parse(head + b',"valueQuantity":{"value":1.50,"x":1}}'))
    assert [issue.where for issue in issues] == ["Observation.valueQuantity.x"]
