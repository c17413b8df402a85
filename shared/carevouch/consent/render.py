"""A shorthand case as real FHIR R4 (4.0.1): one Consent for each consent, and the requested resource.

So the same case also tests the FHIR reader and every door that enforces consent, not only the rules. The
result says exactly what the case says. If R4 has no element for something in the case, rendering raises.
"""

from collections.abc import Callable
from typing import Any

from carevouch.consent.codes import ACT_CODE, ACT_REASON, CONFIDENTIALITY, RANK, is_known_purpose
from carevouch.consent.facts import CLINICAL_TIME
from carevouch.consent.read import CONSENT_ACTION, CONSENT_SCOPE, PARTICIPATION, RESOURCE_TYPES
from carevouch.consent.shorthand import (
    DEFAULT_CONFIDENTIALITY,
    DEFAULT_DATE,
    DEFAULT_ID,
    DEFAULT_TYPE,
    LOCAL_PURPOSES,
    PATIENT,
    DecisionCase,
)
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid

MODIFIER = "urn:carevouch:case:unknown-modifier"
RELATED = "urn:carevouch:case:related"
_LOINC = "http://loinc.org"
_PASSED_ON = ("type", "period", "dataPeriod")
# The element of each type that names its author in R4, and whether it is a list.
_AUTHOR: dict[str, tuple[str, bool]] = {
    "Observation": ("performer", True),
    "DiagnosticReport": ("performer", True),
    "DocumentReference": ("author", True),
    "Condition": ("recorder", False),
    "AllergyIntolerance": ("recorder", False),
    "MedicationRequest": ("requester", False),
    "Claim": ("provider", False),
    "ExplanationOfBenefit": ("provider", False),
}
# The elements that R4 requires of each type beside its subject, for the types that cases use.
_REQUIRED: dict[str, JsonObject] = {
    "Observation": {"status": "final"},
    "DiagnosticReport": {"status": "final"},
    "Encounter": {
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    },
    "Procedure": {"status": "completed"},
}
_DEFAULT_CODE = f"{_LOINC}|718-7"
_PATIENT = ("AllergyIntolerance", "Claim", "ExplanationOfBenefit", "Immunization")
_PERIODS = ("period", "billablePeriod")


def render_consents(case: DecisionCase) -> tuple[JsonObject, ...]:
    """The case's consents as FHIR R4 Consents about `Patient/1`, in order, with the ids 1, 2, 3 …"""
    consents = []
    for number, raw in enumerate(case.raw["consents"], start=1):
        consent: JsonObject = {
            "resourceType": "Consent",
            "id": str(number),
            "status": raw["status"],
            "scope": _concept(CONSENT_SCOPE, "patient-privacy"),
            "category": [_concept(_LOINC, "59284-0")],
            "patient": _reference(PATIENT),
        }
        if raw.get("policyRule"):
            consent["policyRule"] = _concept(ACT_CODE, raw["policyRule"])
        else:
            consent["policy"] = [{"uri": "urn:carevouch:case:policy"}]
        if raw.get("provision"):
            consent["provision"] = _provision(raw["provision"])
        consents.append(consent)
    return tuple(consents)


def render_resource(case: DecisionCase) -> JsonObject:
    """The case's resource as FHIR R4; raises `Invalid` if R4 has no element for something in it."""
    raw = case.raw["rs"]
    type_ = raw.get("type", DEFAULT_TYPE)
    resource: JsonObject = {
        "resourceType": type_,
        "id": raw.get("id", DEFAULT_ID).rpartition("/")[2],
    }
    confidentiality = raw.get("conf", DEFAULT_CONFIDENTIALITY)
    labels = [confidentiality] if confidentiality is not None else []
    labels += raw.get("sens", [])
    if labels:
        resource["meta"] = {"security": [_label(code) for code in labels]}
    resource |= _REQUIRED.get(type_, {})
    if type_ != "Patient":
        resource["patient" if type_ in _PATIENT else "subject"] = _reference(PATIENT)
    if type_ in ("Observation", "DiagnosticReport", "Condition"):
        resource["code"] = {"coding": [_token(token) for token in raw.get("codes") or (_DEFAULT_CODE,)]}
    resource |= _time(raw, type_) | _authors(raw, type_)
    if raw.get("related"):
        # References are extensions, because every type may have these.
        related = [{"url": RELATED, "valueReference": _reference(one)} for one in raw["related"]]
        resource["extension"] = related
    return resource


def _provision(raw: JsonObject) -> JsonObject:
    rendered = {name: raw[name] for name in _PASSED_ON if name in raw}
    if raw.get("unknown"):
        rendered["modifierExtension"] = [{"url": MODIFIER, "valueBoolean": True}]
    elements: dict[str, tuple[str, Callable[[Any], JsonObject]]] = {
        "actor": (
            "actor",
            lambda reference: {"role": _concept(PARTICIPATION, "IRCP"), "reference": _reference(reference)},
        ),
        "action": ("action", lambda code: _concept(CONSENT_ACTION, code)),
        "label": ("securityLabel", _label),
        "purpose": ("purpose", _purpose),
        "class": ("class", lambda code: {"system": RESOURCE_TYPES, "code": code}),
        "code": ("code", lambda token: {"coding": [_token(token)]}),
        "data": ("data", lambda pair: {"meaning": pair[0], "reference": _reference(pair[1])}),
        "provision": ("provision", _provision),
    }
    for name, (element, render) in elements.items():
        if raw.get(name):
            rendered[element] = [render(item) for item in raw[name]]
    return rendered


def _purpose(value: Any) -> JsonObject:
    if isinstance(value, dict):
        return value
    if "|" in value:
        return _token(value)
    return {"system": ACT_REASON if is_known_purpose(value) else LOCAL_PURPOSES, "code": value}


def _label(code: str) -> JsonObject:
    return {"system": CONFIDENTIALITY if code in RANK else ACT_CODE, "code": code}


def _time(raw: JsonObject, type_: str) -> JsonObject:
    date = raw.get("date", DEFAULT_DATE)
    if date is None:
        return {}
    if type_ not in CLINICAL_TIME:
        if "date" in raw:
            raise Invalid(f"rs.date: no clinical time is known for {type_} in FHIR R4; leave it out")
        return {}
    name = CLINICAL_TIME[type_][0]
    if name in _PERIODS:
        return {name: {"start": date, "end": date}}
    return {name if name in ("authoredOn", "date", "started") else f"{name}DateTime": date}


def _authors(raw: JsonObject, type_: str) -> JsonObject:
    references = [_reference(author) for author in raw.get("authors", [])]
    if not references:
        return {}
    name, several = _AUTHOR.get(type_, ("", False))
    if not name or (len(references) > 1 and not several):
        raise Invalid(f"rs.authors: {type_} of FHIR R4 cannot name so many authors; name fewer")
    return {name: references if several else references[0]}


def _concept(system: str, code: str) -> JsonObject:
    return {"coding": [{"system": system, "code": code}]}


def _token(token: str) -> JsonObject:
    system, _, code = token.rpartition("|")
    return {"system": system, "code": code}


def _reference(reference: str) -> JsonObject:
    return {"reference": reference}
