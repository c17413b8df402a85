"""The insurer's contract and the hospital's claim: invented prices on the codes of a patient's own visits."""

from datetime import date
from decimal import Decimal
from typing import Any

from carevouch.claims.contract import contract_payload
from carevouch.kernel.canonical import JsonObject, jcs
from carevouch.kernel.jws import Signer, sign

PLAN = "STORY-PLAN"
CONTRACT_TYP = "carevouch-contract+jws"
_CLASS = "http://terminology.hl7.org/CodeSystem/coverage-class"
_CLAIM_TYPE = "http://terminology.hl7.org/CodeSystem/claim-type"
_CENT = Decimal("0.01")
_PRIORITY = "http://terminology.hl7.org/CodeSystem/processpriority"
# The visit costs more than the insurer allows, so the answer has a write-off, a copay and a payment.
VISIT_CENTS, ALLOWED_CENTS, COPAY_CENTS, DEDUCTIBLE_CENTS = 18_000, 12_000, 2_500, 5_000
EXTRA_CENTS, EXTRA_ALLOWED_CENTS = 31_000, 20_000


def visit_codes(bundle: dict[str, Any]) -> list[tuple[str, str]]:
    """The (system, code) of the first visit in a patient's claims, and of one more service if any."""
    found: dict[tuple[str, str], None] = {}
    for entry in bundle.get("entry", []):
        resource = entry.get("resource", {})
        if resource.get("resourceType") != "Claim":
            continue
        for item in resource.get("item", []):
            coding = (item.get("productOrService", {}).get("coding") or [{}])[0]
            if coding.get("system") and coding.get("code"):
                found[coding["system"], coding["code"]] = None
    return list(found)[:2] or [("https://clinic.example/services", "visit")]


def contract(payer: str, network: list[str], codes: list[tuple[str, str]], signer: Signer) -> JsonObject:
    """The body of POST /claims/contracts: a plan of this year, signed by the insurer that it names."""
    year = date.today().year  # noqa: DTZ011 - a contract year is a calendar's, not an instant's
    names = [f"{system}|{code}" for system, code in codes]
    terms: JsonObject = {
        "v": 1,
        "payer": payer,
        "plan": PLAN,
        "effective": {"start": f"{year}-01-01", "end": f"{year}-12-31"},
        "currency": "USD",
        "rounding": "half-up",
        "cost_sharing": "copay_then_deductible",
        "oop_cut_order": ["coinsurance", "copay", "deductible"],
        "coinsurance_bp": 2000,
        "timely_filing_days": 365,
        "deductible": {"individual_cents": DEDUCTIBLE_CENTS},
        "out_of_pocket": {"individual_cents": 200_000},
        "fees": {
            "in_network": {
                name: ALLOWED_CENTS if at == 0 else EXTRA_ALLOWED_CENTS for at, name in enumerate(names)
            }
        },
        "categories": {"visit": {"copay_cents": COPAY_CENTS, "deductible_waived": True}},
        "codes": {names[0]: "visit"},
        "network": network,
    }
    return {"contract": terms, "signature": sign(contract_payload(jcs(terms)), CONTRACT_TYP, signer)}


def coverage(patient: str, payer: str) -> JsonObject:
    """The patient's coverage under that plan, this year."""
    year = date.today().year  # noqa: DTZ011
    return {
        "resourceType": "Coverage",
        "status": "active",
        "beneficiary": {"reference": f"Patient/{patient}"},
        "payor": [{"reference": payer}],
        "period": {"start": f"{year}-01-01", "end": f"{year}-12-31"},
        "class": [{"type": {"coding": [{"system": _CLASS, "code": "plan"}]}, "value": PLAN}],
    }


def claim(
    patient: str, provider: str, payer: str, coverage_reference: str, codes: list[tuple[str, str]]
) -> JsonObject:
    """A claim for a visit today, with the services of the patient's own records."""
    today = date.today().isoformat()  # noqa: DTZ011
    cents = [VISIT_CENTS, EXTRA_CENTS][: len(codes)]
    items = [
        {
            "sequence": at + 1,
            "productOrService": {"coding": [{"system": system, "code": code}]},
            "servicedDate": today,
            "net": {"value": _dollars(amount), "currency": "USD"},
        }
        for at, ((system, code), amount) in enumerate(zip(codes, cents, strict=True))
    ]
    return {
        "resourceType": "Claim",
        "status": "active",
        "type": {"coding": [{"system": _CLAIM_TYPE, "code": "professional"}]},
        "use": "claim",
        "patient": {"reference": f"Patient/{patient}"},
        "created": today,
        "insurer": {"reference": payer},
        "provider": {"reference": provider},
        "priority": {"coding": [{"system": _PRIORITY, "code": "normal"}]},
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": coverage_reference}}],
        "item": items,
        "total": {"value": _dollars(sum(cents)), "currency": "USD"},
    }


def totals(response: dict[str, Any]) -> dict[str, Decimal]:
    """The totals of a ClaimResponse, by category code, to the cent."""
    return {
        total["category"]["coding"][0]["code"]: Decimal(str(total["amount"]["value"])).quantize(_CENT)
        for total in response.get("total", [])
    }


def _dollars(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
