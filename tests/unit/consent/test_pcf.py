"""IHE PCF's example Consents: each loads, and its decisions equal the residual rights in its notes.

A residual is read as PCF defines it. `forbid` hides data, `permit` overrides it, and data that no `forbid`
covers may flow. Without any token (null) everything is denied. The effects are compared over a grid
of resources, never the texts.
"""

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from carevouch.consent.codes import purpose_token
from carevouch.consent.decide import decide
from carevouch.consent.facts import facts_of
from carevouch.consent.lint import is_refused, lint
from carevouch.consent.question import AccessRequest, ResourceFacts
from carevouch.consent.read import read_consent
from tests.oracles import SHARED, or_skip, shared_path

PCF = "cases/pcf-consents.json"
BASE = "http://example.org/fhir"
_CONF = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PRIVILEGED = "Group/ex-privilegedUsers"


def _examples() -> list[dict[str, Any]]:
    path = SHARED / PCF
    return json.loads(path.read_text()) if path.exists() else []


def _askers() -> list[Any]:
    return [
        pytest.param(
            example["consent"], example["requests"][asker], residual, id=f"{example['name']}: {asker}"
        )
        for example in _examples()
        for asker, residual in example["residual"].items()
    ]


def _resources() -> list[dict[str, Any]]:
    """Observations with every label, time, author, encounter and id that the examples distinguish."""
    labels: list[tuple[str, list[str]]] = [(code, []) for code in "ULMNRV"]
    labels += [("R", ["PSY"]), ("V", ["PSY"]), ("R", ["HIV"]), ("R", ["OPIOIDUD"])]
    dates = ["2021-12-31", "2022-01-01", "2022-12-31T23:59:59Z", "2023-01-01T00:00:00Z"]
    authors = ["ex-practitioner", "ex-other"]
    encounters = ["ex-encounter", "ex-encounter-2"]
    ids = ["ex-alcoholUse", "ex-other"]
    return [
        _observation(*combination)
        for combination in itertools.product(labels, dates, authors, encounters, ids)
    ]


def _observation(
    labels: tuple[str, list[str]], date: str, author: str, encounter: str, id_: str
) -> dict[str, Any]:
    security = [{"system": _CONF, "code": labels[0]}, *({"system": _ACT, "code": code} for code in labels[1])]
    return {
        "resourceType": "Observation",
        "id": id_,
        "meta": {"security": security},
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": "Patient/ex-patient"},
        "effectiveDateTime": date,
        "performer": [{"reference": f"{BASE}/Practitioner/{author}"}],
        "encounter": {"reference": f"Encounter/{encounter}"},
    }


def _flows(residual: list[dict[str, Any]] | None, facts: ResourceFacts) -> bool:
    if residual is None:
        return False
    hits = {rule["type"] for rule in residual if _covers(rule, facts)}
    return "permit" in hits or "forbid" not in hits


def _covers(rule: dict[str, Any], facts: ResourceFacts) -> bool:
    parts = []
    if "securityLabel" in rule:
        parts.append(any(_label(one["code"], rule["type"], facts) for one in rule["securityLabel"]))
    if "dataPeriod" in rule:
        assert facts.date is not None
        assert facts.date.low is not None
        year = str(facts.date.low.year)
        parts.append(rule["dataPeriod"]["start"][:4] <= year <= rule["dataPeriod"]["end"][:4])
    if "data" in rule:
        parts.append(any(_data(one, facts) for one in rule["data"]))
    return all(parts)


def _label(code: str, kind: str, facts: ResourceFacts) -> bool:
    if code not in "ULMNRV":
        return code in facts.sensitivities
    assert facts.confidentiality is not None
    mine, asked = "ULMNRV".index(facts.confidentiality), "ULMNRV".index(code)
    return mine <= asked if kind == "permit" else mine >= asked


def _data(one: dict[str, Any], facts: ResourceFacts) -> bool:
    reference = one["reference"]["reference"].removeprefix(f"{BASE}/")
    held = {
        "instance": {facts.reference},
        "related": {facts.reference, *facts.related},
        "authoredby": facts.authors,
    }
    return reference in held[one["meaning"]]


def _request(asked: dict[str, Any]) -> AccessRequest:
    return AccessRequest(
        purpose=purpose_token(asked["purpose"]["system"], asked["purpose"]["code"]),
        actors=frozenset(asked["actors"]),
        now=datetime.fromisoformat(asked["now"]),
        btg_ok=PRIVILEGED in asked["actors"],
    )


@pytest.mark.parametrize(("consent", "asked", "residual"), or_skip(_askers(), PCF, 3))
def test_decision_equals_the_residual_rights(
    consent: dict[str, Any], asked: dict[str, Any], residual: list[dict[str, Any]] | None
) -> None:
    read = read_consent(consent, base=BASE, zone=UTC, signed=True)
    for resource in _resources():
        facts = facts_of(resource, base=BASE, zone=UTC)
        decision = decide([read], _request(asked), facts)
        assert decision.permitted == _flows(residual, facts), (resource, decision.explain())


@pytest.mark.parametrize(
    "example", or_skip(_examples(), PCF), ids=[example["name"] for example in _examples()] or None
)
def test_example_loads_without_a_fault_and_may_be_stored(example: dict[str, Any]) -> None:
    read = read_consent(example["consent"], base=BASE, zone=UTC, signed=True)
    assert read.fault is None
    assert [clause.fault for clause in read.root.walk() if clause.fault] == []
    assert not is_refused(lint(read))


def test_every_example_is_there() -> None:
    assert len(json.loads(shared_path(PCF).read_text())) == 17


@pytest.mark.parametrize(
    ("name", "purpose"), [("basic-treat-infant", "TREAT"), ("basic-research", "CLINTRCH")]
)
def test_examples_without_a_token_note_permit_their_purpose_and_no_other(name: str, purpose: str) -> None:
    examples = json.loads(shared_path(PCF).read_text())
    consent = next(one["consent"] for one in examples if one["name"] == f"ex-consent-{name}")
    read = read_consent(consent, base=BASE, zone=UTC, signed=True)
    facts = facts_of(_resources()[0], base=BASE, zone=UTC)
    now = datetime(2024, 1, 1, tzinfo=UTC)
    assert decide([read], AccessRequest(purpose, frozenset(), now), facts).permitted
    assert not decide([read], AccessRequest("HMARKT", frozenset(), now), facts).permitted
