"""Small valid resources with no more than their rules need. A test changes one thing."""

import copy
import gzip
import json
from collections.abc import Iterator
from typing import Any

from carevouch.kernel.jsontext import parse
from tests.oracles import shared_path

Resource = dict[str, Any]

DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>x</p></div>'
CONCEPT = {"coding": [{"system": "http://example.org/codes", "code": "c1"}]}
SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"

VALID: dict[str, Resource] = {
    "Patient": {
        "id": "p1",
        "text": {"status": "generated", "div": DIV},
        "identifier": [{"system": "http://example.org/mrn", "value": "1"}],
        "name": [{"family": "Example", "given": ["One", "Two"]}],
        "gender": "female",
        "birthDate": "1980-02-28",
        "telecom": [{"system": "phone", "value": "555"}],
        "contact": [{"name": {"text": "x"}}],
    },
    "Observation": {
        "status": "final",
        "code": CONCEPT,
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2020-05-01T10:00:00+02:00",
        "valueQuantity": {"value": 1, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    },
    "Consent": {
        "status": "active",
        "scope": {"coding": [{"system": SCOPE, "code": "research"}]},
        "category": [CONCEPT],
        "patient": {"reference": "Patient/p1"},
        "policyRule": CONCEPT,
        "provision": {"period": {"start": "2020-01-01", "end": "2020-12-31"}},
    },
    "Condition": {
        "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "resolved"}]},
        "subject": {"reference": "Patient/p1"},
        "abatementDateTime": "2020",
    },
    "AllergyIntolerance": {
        "clinicalStatus": CONCEPT,
        "patient": {"reference": "Patient/p1"},
    },
    "Organization": {"name": "x", "address": [{"use": "work", "city": "x"}]},
    "Immunization": {
        "status": "completed",
        "vaccineCode": CONCEPT,
        "patient": {"reference": "Patient/p1"},
        "occurrenceDateTime": "2020-01-01",
        "education": [{"documentType": "x"}],
    },
    "Encounter": {
        "status": "finished",
        "class": {"code": "AMB"},
        "period": {"start": "2020-01-01T10:00:00Z", "end": "2020-01-01T11:00:00Z"},
    },
    "MedicationRequest": {
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": CONCEPT,
        "subject": {"reference": "#p"},
        "contained": [{"resourceType": "Patient", "id": "p"}],
        "dosageInstruction": [{"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}],
    },
    "Bundle": {
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
                "resource": {"resourceType": "Patient", "gender": "male"},
                "request": {"method": "POST", "url": "Patient"},
            }
        ],
    },
    "Parameters": {"parameter": [{"name": "x", "resource": {"resourceType": "Basic", "code": CONCEPT}}]},
}  # fmt: skip


def valid(type_: str) -> Resource:
    """A fresh copy of the sample of a type."""
    return {"resourceType": type_, **copy.deepcopy(VALID[type_])}


def changed(type_: str, path: str, value: Any) -> Resource:
    """The sample with the element at a dotted path set, or removed for None."""
    resource: Any = valid(type_)
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    target = resource
    for step in way:
        target = target[step]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return resource  # type: ignore[no-any-return]


def real_bundles() -> Iterator[tuple[str, Resource]]:
    """Every Bundle of real-shaped patients that this clone has; skips without one."""
    for path in sorted(shared_path("data/synthea").glob("*.json.gz")):
        yield path.name, parse(gzip.decompress(path.read_bytes()))


def as_text(value: Any) -> str:
    """The whole text of a list of issues, to search it for forbidden words."""
    return json.dumps([[issue.message, issue.where] for issue in value])
