"""FHIR R4 JSON to vary, with the same member, provider and codes as `cases.py`."""

from typing import Any

from carevouch.kernel.jsontext import Number
from tests.unit.claims.cases import PATIENT, PAYER, PROVIDER, SYSTEM


def usd(text: str) -> dict[str, Any]:
    return {"value": Number(text), "currency": "USD"}


def concept(code: str, system: str = SYSTEM) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def item(sequence: int, code: str, net: str, /, **changes: Any) -> dict[str, Any]:
    base = {"sequence": sequence, "productOrService": concept(code), "net": usd(net)}
    return _without_none({**base, "servicedDate": "2026-03-15", **changes})


def fhir_claim(*items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    base = {
        "resourceType": "Claim",
        "id": "c1",
        "status": "active",
        "type": concept("professional", "http://terminology.hl7.org/CodeSystem/claim-type"),
        "use": "claim",
        "patient": {"reference": PATIENT},
        "created": "2026-04-01",
        "provider": {"reference": PROVIDER},
        "priority": concept("normal"),
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": "Coverage/v1"}}],
        "item": list(items),
    }
    return _without_none({**base, **changes})


def fhir_coverage(**changes: Any) -> dict[str, Any]:
    base = {
        "resourceType": "Coverage",
        "status": "active",
        "beneficiary": {"reference": PATIENT},
        "payor": [{"reference": PAYER}],
        "period": {"start": "2026-01-01", "end": "2026-12-31"},
        "class": [{"type": concept("group"), "value": "G"}, {"type": concept("plan"), "value": "SILVER"}],
    }
    return _without_none({**base, **changes})


def worked_claim() -> dict[str, Any]:
    """The worked example of the reference as FHIR: 615.00 billed."""
    return fhir_claim(
        item(1, "VISIT", "180.00"),
        item(2, "LAB", "95.00"),
        item(3, "XRAY", "310.00"),
        item(4, "CREAM", "30.00"),
        total=usd("615.00"),
    )


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in value.items() if one is not None}
