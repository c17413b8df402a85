"""A plan, a member and a claim to vary: invented codes, amounts in cents, 2026 as the plan year."""

from dataclasses import replace
from typing import Any

from carevouch.claims.accumulate import fresh
from carevouch.claims.adjudicate import adjudicate
from carevouch.claims.contract import Contract, parse_contract
from carevouch.claims.model import (
    Accumulators,
    Adjudication,
    ClaimInput,
    CoverageInput,
    FamilyUse,
    IndividualUse,
    Line,
)
from carevouch.kernel.canonical import jcs

SYSTEM = "https://example.org/codes"
NOW = "2026-04-01T10:00:00.000Z"
PROVIDER = "Organization/clinic"
PAYER = "Organization/insurer"
PATIENT = "Patient/p1"


def token(code: str) -> str:
    return f"{SYSTEM}|{code}"


def terms(**changes: Any) -> dict[str, Any]:
    """The JSON of a contract; a change of None leaves the field out."""
    base: dict[str, Any] = {
        "v": 1,
        "payer": PAYER,
        "plan": "SILVER",
        "effective": {"start": "2026-01-01", "end": "2026-12-31"},
        "currency": "USD",
        "rounding": "half-up",
        "cost_sharing": "copay_then_deductible",
        "oop_cut_order": ["coinsurance", "copay", "deductible"],
        "coinsurance_bp": 2000,
        "timely_filing_days": 365,
        "fees": {"in_network": {token("VISIT"): 12000, token("LAB"): 4000, token("XRAY"): 20000}},
        "network": [PROVIDER],
        "deductible": {"individual_cents": 15000},
        "out_of_pocket": {"individual_cents": 12000},
        "categories": {
            "visit": {"copay_cents": 2500, "coinsurance_bp": 0, "deductible_waived": True},
        },
        "codes": {token("VISIT"): "visit"},
        "excluded": [token("CREAM")],
    }
    return {name: item for name, item in {**base, **changes}.items() if item is not None}


def contract(**changes: Any) -> Contract:
    return parse_contract(jcs(terms(**changes)))


def one_code(allowed: int, deductible: int | dict[str, Any], bp: int, **changes: Any) -> Contract:
    """A plan with one priced code, as the published single-line examples need it."""
    plain: dict[str, Any] = {
        "fees": {"in_network": {token("ALL"): allowed}},
        "deductible": {"individual_cents": deductible} if isinstance(deductible, int) else deductible,
        "coinsurance_bp": bp,
        "out_of_pocket": None,
        "categories": {},
        "codes": {},
        "excluded": [],
    }
    return contract(**{**plain, **changes})


def line(sequence: int, code: str, billed: int, **changes: Any) -> Line:
    return replace(Line(sequence, SYSTEM, code, billed, "2026-03-15", "2026-03-15"), **changes)


def claim(*lines: Line, **changes: Any) -> ClaimInput:
    return replace(ClaimInput(PATIENT, PROVIDER, lines), **changes)


def coverage(**changes: Any) -> CoverageInput:
    base = CoverageInput("active", PATIENT, PAYER, "SILVER", "2026-01-01", "2026-12-31")
    return replace(base, **changes)


def used(
    plan: Contract, own: tuple[int, int] = (0, 0), family: tuple[int, int] | None = None
) -> Accumulators:
    """Accumulators with (deductible, out-of-pocket) cents used."""
    return replace(
        fresh(plan),
        individual=IndividualUse(3, *own),
        family=FamilyUse(7, *family) if family else None,
    )


def decide(
    submission: ClaimInput,
    plan: Contract | None = None,
    cover: CoverageInput | None = None,
    before: Accumulators | None = None,
    history: tuple[str, ...] = (),
    now: str = NOW,
) -> Adjudication:
    plan = plan or contract()
    return adjudicate(submission, cover or coverage(), plan, before or fresh(plan), history, now)


def reasons(result: Adjudication, at: int = 0) -> dict[str, int]:
    """CO-45 -> cents, for one line."""
    return {f"{item.group}-{item.carc}": item.cents for item in result.lines[at].adjustments}
