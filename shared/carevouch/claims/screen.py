"""Steps 0 to 6 of the pipeline: may this line be paid at all? The first rule that objects denies the whole
line.

Each rule is a pure function of one `LineCase` and returns what it read with its objection, if any. The order
is fixed (reference: the CMS coverage calculator's phases, with the payer's own checks before them); a
contract supplies data, never the order. A rule that lacks what it needs objects: absence denies.
"""

from collections.abc import Callable
from dataclasses import dataclass

from carevouch.claims.contract import Terms, calendar_date
from carevouch.claims.model import (
    AFTER_COVERAGE,
    AUTHORIZATION_USED,
    BAD_AUTHORIZATION,
    BEFORE_COVERAGE,
    DUPLICATE,
    EXCLUDED,
    NO_AUTHORIZATION,
    NOT_IN_PLAN,
    NOT_INSURED,
    OTHER_PAYER,
    OUT_OF_NETWORK,
    TOO_LATE,
    Authorization,
    ClaimInput,
    CoverageInput,
    Line,
    Outcome,
    Reads,
)


@dataclass(frozen=True, slots=True)
class LineCase:
    """All that the screening of one line may read; `day` is the date on which the claim came."""

    claim: ClaimInput
    coverage: CoverageInput
    terms: Terms
    line: Line
    day: str
    in_network: bool
    repeats: bool
    authorization_used: int


@dataclass(frozen=True, slots=True)
class LineScreening:
    """What one rule read and, if it denies, why."""

    rule: str
    reads: Reads
    outcome: Outcome | None


Rule = Callable[[LineCase], tuple[Reads, Outcome | None]]


def screen(case: LineCase) -> tuple[LineScreening, ...]:
    """The rules run for a line, in order, up to and including the first that denies."""
    run: list[LineScreening] = []
    for name, rule in RULES:
        run.append(LineScreening(name, *rule(case)))
        if run[-1].outcome:
            break
    return tuple(run)


def named_authorization(case: LineCase) -> Authorization | None:
    """The first authorisation named by the claim that covers the line's code and dates."""
    for known in case.coverage.authorizations:
        named = known.number in case.claim.authorizations and case.line.token in known.codes
        if named and known.dates.holds(case.line.start, case.line.end):
            return known
    return None


def _duplicate(case: LineCase) -> tuple[Reads, Outcome | None]:
    return {"line.submitted_before": case.repeats}, DUPLICATE if case.repeats else None


def _member(case: LineCase) -> tuple[Reads, Outcome | None]:
    same = case.claim.patient == case.coverage.beneficiary
    reads: Reads = {"coverage.status": case.coverage.status, "claim.patient_is_beneficiary": same}
    return reads, None if same and case.coverage.status == "active" else NOT_INSURED


def _in_force(case: LineCase) -> tuple[Reads, Outcome | None]:
    start, end = case.coverage.start or "", case.coverage.end or ""
    reads: Reads = {"coverage.start": start, "coverage.end": end, **_dates(case)}
    if start and case.line.start < start:
        return reads, BEFORE_COVERAGE
    return reads, AFTER_COVERAGE if end and case.line.end > end else None


def _first_payer(case: LineCase) -> tuple[Reads, Outcome | None]:
    reads: Reads = {"coverage.order": case.coverage.order, "claim.payer_order": case.claim.payer_order}
    return reads, OTHER_PAYER if max(case.coverage.order, case.claim.payer_order) > 1 else None


def _timely(case: LineCase) -> tuple[Reads, Outcome | None]:
    received, given = calendar_date(case.day, "at"), calendar_date(case.line.end, "line.end")
    days, limit = (received - given).days, case.terms.timely_filing_days
    reads: Reads = {"line.end": case.line.end, "received": case.day, "contract.timely_filing_days": limit}
    return reads, TOO_LATE if days > limit else None


def _network(case: LineCase) -> tuple[Reads, Outcome | None]:
    outside = case.terms.fees.out_of_network is not None
    reads: Reads = {"provider.in_network": case.in_network, "contract.pays_outside_network": outside}
    return reads, None if case.in_network or outside else OUT_OF_NETWORK


def _authorized(case: LineCase) -> tuple[Reads, Outcome | None]:
    needed = case.line.token in case.terms.auth_required
    reads: dict[str, str | int | bool] = {"contract.auth_required": needed}
    if not needed:
        return reads, None
    reads["claim.authorizations"] = len(case.claim.authorizations)
    if not case.claim.authorizations:
        return reads, NO_AUTHORIZATION
    known = named_authorization(case)
    if known is None:
        return reads, BAD_AUTHORIZATION
    reads |= {"authorization.units": known.units_thousandths, "authorization.used": case.authorization_used}
    left = known.units_thousandths - case.authorization_used
    return reads, AUTHORIZATION_USED if case.line.units_thousandths > left else None


def _covered(case: LineCase) -> tuple[Reads, Outcome | None]:
    fees = case.terms.fees.in_network if case.in_network else case.terms.fees.out_of_network
    excluded, listed = case.line.token in case.terms.excluded, case.line.token in (fees or {})
    reads: Reads = {"line.code": case.line.token, "contract.excludes": excluded, "contract.has_fee": listed}
    if excluded:
        return reads, EXCLUDED
    return reads, None if listed else NOT_IN_PLAN


def _dates(case: LineCase) -> dict[str, str]:
    return {"line.start": case.line.start, "line.end": case.line.end}


# The number is the step of the pipeline; the names are part of recorded decisions and do not change.
RULES: tuple[tuple[str, Rule], ...] = (
    ("00-duplicate", _duplicate),
    ("01-member", _member),
    ("01-in-force", _in_force),
    ("01-first-payer", _first_payer),
    ("02-timely-filing", _timely),
    ("03-network", _network),
    ("04-authorization", _authorized),
    ("06-covered", _covered),
)
