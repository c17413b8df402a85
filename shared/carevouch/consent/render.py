"""A shorthand case as real FHIR R4 (4.0.1): one Consent resource per consent, and the resource asked for.

So that the same case runs through the FHIR reader and every door that enforces consent, not only through the
rules. It renders exactly what the case says, in elements R4 has for it, and raises where R4 has none.
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
# Where R4 puts the author of each type; a list where several may be named.
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
# What R4 requires of each type beside its subject, for the types that cases use.
_REQUIRED: dict[str, JsonObject] = {
    "Observation": {"status": "final"},
    "DiagnosticReport": {"status": "final"},
    "Encounter": {
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    },
    "Procedure": {"status": "completed"},
}
_CODE: JsonObject = {"coding": [{"system": _LOINC, "code": "718-7"}]}
_PATIENT = ("AllergyIntolerance", "Claim", "ExplanationOfBenefit", "Immunization")
_PERIODS = ("period", "billablePeriod")


def render_consents(case: DecisionCase) -> tuple[JsonObject, ...]:
    """The case's consents as FHIR R4 Consents about `Patient/1`, in order, ids 1, 2, 3 …"""
    return tuple(_consent(raw, number) for number, raw in enumerate(case.raw["consents"], start=1))


def render_resource(case: DecisionCase) -> JsonObject:
    """The case's resource as FHIR R4; raises `Invalid` where R4 has no element for what it says."""
    raw = case.raw["rs"]
    type_ = raw.get("type", DEFAULT_TYPE)
    resource: JsonObject = {
        "resourceType": type_,
        "id": raw.get("id", DEFAULT_ID).rpartition("/")[2],
        "meta": {"security": _security(raw)},
        **_REQUIRED.get(type_, {}),
        **_subject(type_),
    }
    if not resource["meta"]["security"]:
        del resource["meta"]
    if type_ in ("Observation", "DiagnosticReport", "Condition"):
        resource["code"] = _rendered_codes(raw)
    return resource | _time(raw, type_) | _authors(raw, type_) | _related(raw)


def _subject(type_: str) -> JsonObject:
    if type_ == "Patient":
        return {}
    return {"patient" if type_ in _PATIENT else "subject": _reference(PATIENT)}


def _consent(raw: JsonObject, number: int) -> JsonObject:
    policy = raw.get("policyRule")
    stated: JsonObject = (
        {"policyRule": _concept(ACT_CODE, policy)}
        if policy
        else {"policy": [{"uri": "urn:carevouch:case:policy"}]}
    )
    return {
        "resourceType": "Consent",
        "id": str(number),
        "status": raw["status"],
        "scope": _concept(CONSENT_SCOPE, "patient-privacy"),
        "category": [_concept(_LOINC, "59284-0")],
        "patient": _reference(PATIENT),
        **stated,
        **({"provision": _provision(raw["provision"])} if raw.get("provision") else {}),
    }


def _provision(raw: JsonObject) -> JsonObject:
    rendered = {name: raw[name] for name in _PASSED_ON if name in raw}
    if raw.get("unknown"):
        rendered["modifierExtension"] = [{"url": MODIFIER, "valueBoolean": True}]
    elements: dict[str, tuple[str, Callable[[Any], JsonObject]]] = {
        "actor": ("actor", _actor),
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


def _actor(reference: str) -> JsonObject:
    return {"role": _concept(PARTICIPATION, "IRCP"), "reference": _reference(reference)}


def _purpose(value: Any) -> JsonObject:
    if isinstance(value, dict):
        return value
    if "|" in value:
        return _token(value)
    return {"system": ACT_REASON if is_known_purpose(value) else LOCAL_PURPOSES, "code": value}


def _label(code: str) -> JsonObject:
    return {"system": CONFIDENTIALITY if code in RANK else ACT_CODE, "code": code}


def _security(raw: JsonObject) -> list[JsonObject]:
    confidentiality = raw.get("conf", DEFAULT_CONFIDENTIALITY)
    codes = [confidentiality] if confidentiality is not None else []
    return [_label(code) for code in (*codes, *raw.get("sens", []))]


def _rendered_codes(raw: JsonObject) -> JsonObject:
    return {"coding": [_token(token) for token in raw["codes"]]} if raw.get("codes") else _CODE


def _time(raw: JsonObject, type_: str) -> JsonObject:
    date = raw.get("date", DEFAULT_DATE)
    if date is None:
        return {}
    if type_ not in CLINICAL_TIME:
        if "date" in raw:
            raise Invalid(f"rs.date: no clinical time is known for {type_} in FHIR R4")
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
        raise Invalid(f"rs.authors: {type_} of FHIR R4 has no element for as many authors")
    return {name: references if several else references[0]}


def _related(raw: JsonObject) -> JsonObject:
    """References from the resource, as an extension, which every type has."""
    related = raw.get("related", [])
    return (
        {"extension": [{"url": RELATED, "valueReference": _reference(ref)} for ref in related]}
        if related
        else {}
    )


def _concept(system: str, code: str) -> JsonObject:
    return {"coding": [{"system": system, "code": code}]}


def _token(token: str) -> JsonObject:
    system, _, code = token.rpartition("|")
    return {"system": system, "code": code}


def _reference(reference: str) -> JsonObject:
    return {"reference": reference}
