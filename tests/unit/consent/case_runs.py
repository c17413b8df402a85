"""Shared by the consent tests: a case through the model, and the same case through real FHIR R4."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from carevouch.consent.decide import Decision, decide
from carevouch.consent.facts import facts_of
from carevouch.consent.model import Consent
from carevouch.consent.question import AccessRequest, ResourceFacts
from carevouch.consent.read import read_consent
from carevouch.consent.render import render_consents, render_resource
from carevouch.consent.shorthand import DecisionCase, read_case, read_cases
from carevouch.kernel.jsontext import parse, render

BASE = "https://fhir.example.org/r4"
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
OWN_CASES = Path(__file__).with_name("cases.jsonl")


def own_cases() -> tuple[DecisionCase, ...]:
    return read_cases(OWN_CASES.read_bytes())


def case_of(raw: dict[str, Any]) -> DecisionCase:
    return read_case(json.dumps(raw).encode(), 1)


def through_model(case: DecisionCase) -> Decision:
    return decide(case.consents, case.request, case.resource, case.default)


def through_fhir(case: DecisionCase) -> Decision:
    """The decision over the case as bytes of FHIR, which the strict JSON reader parses."""
    resource = parse(render(render_resource(case)))
    consents = [read(parse(render(consent))) for consent in render_consents(case)]
    return decide(consents, case.request, facts(resource), case.default)


def read(resource: Any, *, signed: bool = True, **known: Any) -> Consent:
    return read_consent(resource, base=BASE, zone=UTC, signed=signed, **known)


def facts(resource: dict[str, Any], **known: Any) -> ResourceFacts:
    return facts_of(resource, base=BASE, zone=UTC, **known)


def request(purpose: str = "TREAT", *actors: str, **more: Any) -> AccessRequest:
    return AccessRequest(purpose, frozenset(actors or ("Practitioner/other",)), more.pop("now", NOW), **more)


def consent(provision: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A FHIR Consent of Patient/1 with this root provision."""
    resource = {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "patient": {"reference": "Patient/1"},
        **more,
    }
    return resource if provision is None else {**resource, "provision": provision}


OBSERVATION = {
    "resourceType": "Observation",
    "id": "1",
    "meta": {
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]
    },
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
    "subject": {"reference": "Patient/1"},
    "effectiveDateTime": "2021-05-01",
}
