"""Facts of FHIR resources: clinical time, labels, authors, references, codes, patients, unresolved values."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from carevouch.consent.facts import facts_of
from carevouch.kernel.errors import Invalid
from tests.unit.consent.case_runs import BASE, OBSERVATION, facts

_CONF = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def utc(*parts: int) -> datetime:
    year, month, day, hour, minute, second = (*parts, 0, 0, 0)[:6]
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("type_", "elements", "low"),
    [
        ("Observation", {"effectiveDateTime": "2020-01-02"}, utc(2020, 1, 2)),
        ("Observation", {"effectiveInstant": "2020-01-02T03:04:05Z"}, utc(2020, 1, 2, 3, 4, 5)),
        ("Observation", {"effectivePeriod": {"start": "2020", "end": "2021"}}, utc(2020, 1, 1)),
        ("Encounter", {"period": {"start": "2020-01-02T00:00:00+02:00"}}, utc(2020, 1, 1, 22)),
        ("Condition", {"onsetDateTime": "2019", "recordedDate": "2020"}, utc(2019, 1, 1)),
        ("Condition", {"onsetAge": {"value": 4}, "recordedDate": "2020"}, utc(2020, 1, 1)),
        ("Procedure", {"performedPeriod": {"start": "2020-05"}}, utc(2020, 5, 1)),
        ("DiagnosticReport", {"effectiveDateTime": "2020"}, utc(2020, 1, 1)),
        ("MedicationRequest", {"authoredOn": "2020-02-29"}, utc(2020, 2, 29)),
        ("Immunization", {"occurrenceDateTime": "2020"}, utc(2020, 1, 1)),
        ("DocumentReference", {"date": "2020-01-01T00:00:00Z"}, utc(2020, 1, 1)),
        ("Claim", {"billablePeriod": {"start": "2020"}}, utc(2020, 1, 1)),
        ("ExplanationOfBenefit", {"billablePeriod": {"start": "2020"}}, utc(2020, 1, 1)),
    ],
)
def test_clinical_time_of_each_type(type_: str, elements: dict[str, Any], low: datetime) -> None:
    date = facts({"resourceType": type_, "id": "1", **elements}).date
    assert date is not None
    assert date.low == low


@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"effectiveDateTime": "2020-02-30"},
        {"effectiveDateTime": "someday"},
        {"effectivePeriod": {}},
        {"effectivePeriod": {"start": "2021", "end": "2020"}},
        {"effectiveTiming": {"event": ["2020"]}},
        {"meta": {"lastUpdated": "2020-01-01T00:00:00Z"}},
    ],
)
def test_without_a_readable_clinical_time_data_are_undated(elements: dict[str, Any]) -> None:
    assert facts({"resourceType": "Observation", "id": "1", **elements}).date is None


def test_a_date_is_read_in_the_tenants_zone() -> None:
    date = facts_of(OBSERVATION, base=BASE, zone=ZoneInfo("America/New_York")).date
    assert date == (utc(2021, 5, 1, 4), utc(2021, 5, 2, 4))


@pytest.mark.parametrize(
    ("security", "confidentiality", "sensitivities"),
    [
        ([], None, frozenset()),
        ([(_CONF, "L")], "L", frozenset()),
        ([(_CONF, "L"), (_CONF, "V")], "V", frozenset()),
        ([(_CONF, "X")], None, frozenset()),
        ([(_ACT, "PSY")], None, frozenset({"PSY"})),
        ([(_CONF, "N"), (_ACT, "PSY")], "R", frozenset({"PSY"})),
        ([(_CONF, "V"), (_ACT, "PSY")], "V", frozenset({"PSY"})),
        ([(_CONF, "N"), ("urn:x", "PSY")], "N", frozenset({"urn:x|PSY"})),
        ([(_ACT, "R")], None, frozenset({f"{_ACT}|R"})),
    ],
)
def test_labels_give_confidentiality_and_sensitivities(
    security: list[tuple[str, str]], confidentiality: str | None, sensitivities: frozenset[str]
) -> None:
    labels = [{"system": system, "code": code} for system, code in security]
    found = facts({**OBSERVATION, "meta": {"security": labels}})
    assert (found.confidentiality, found.sensitivities) == (confidentiality, sensitivities)


def test_authors_references_and_codes_are_found_at_any_depth() -> None:
    found = facts(
        {
            **OBSERVATION,
            "performer": [{"reference": f"{BASE}/Practitioner/p"}],
            "encounter": {"reference": "Encounter/e/_history/1"},
            "component": [{"code": {"coding": [{"system": "urn:s", "code": "c"}]}}],
            "valueQuantity": {"value": 1, "system": "http://unitsofmeasure.org", "code": "mg"},
        }
    )
    assert found.authors == {"Practitioner/p"}
    assert found.related == {"Patient/1", "Practitioner/p", "Encounter/e"}
    assert found.codes == {"http://loinc.org|718-7", "urn:s|c"}
    assert found.unresolved == set()


@pytest.mark.parametrize(
    ("change", "unresolved"),
    [
        ({"performer": [{"display": "the doctor"}]}, "authors"),
        ({"encounter": {"identifier": {"value": "e"}}}, "related"),
        ({"encounter": {"display": "the visit"}}, "related"),
        ({"focus": [{"reference": "Observation?identifier=1"}]}, "related"),
        ({"code": {"text": "blood"}}, "codes"),
        ({"subject": {"display": "somebody"}}, "subjects"),
        ({"subject": {"reference": "Group/g"}}, "subjects"),
    ],
)
def test_an_indefinite_value_is_reported_as_unresolved(change: dict[str, Any], unresolved: str) -> None:
    assert facts({**OBSERVATION, **change}).unresolved == {unresolved}


def test_the_partition_names_the_patient_of_a_vague_subject() -> None:
    found = facts({**OBSERVATION, "subject": {"display": "somebody"}}, subject="Patient/9")
    assert (found.subjects, found.unresolved) == (("Patient/9",), frozenset())


@pytest.mark.parametrize(
    ("resource", "subjects"),
    [
        ({"resourceType": "Patient", "id": "1"}, ("Patient/1",)),
        ({"resourceType": "Claim", "id": "1", "patient": {"reference": f"{BASE}/Patient/2"}}, ("Patient/2",)),
        ({"resourceType": "Coverage", "id": "1", "beneficiary": {"reference": "Patient/2"}}, ("Patient/2",)),
        (
            {
                "resourceType": "Group",
                "id": "g",
                "member": [{"entity": {"reference": f"Patient/{n}"}} for n in "12"],
            },
            ("Patient/1", "Patient/2"),
        ),
        ({"resourceType": "Goal", "id": "1", "target": [{"measure": {}}]}, ()),
        ({"resourceType": "Observation", "id": "1", "subject": {"reference": "Location/x"}}, ()),
    ],
)
def test_the_patients_a_resource_is_about(resource: dict[str, Any], subjects: tuple[str, ...]) -> None:
    found = facts(resource)
    assert (found.subjects, "subjects" in found.unresolved) == (subjects, False)


def test_json_without_a_resource_type_is_refused() -> None:
    with pytest.raises(Invalid):
        facts({"id": "1"})
