"""One line's way through the pipeline: screened (steps 0 to 6), then priced, limited, shared and counted.

The order of the rules is fixed. It follows the phases of the CMS coverage calculator, with the payer's own
checks before them. A contract supplies data and never the order. The first rule that objects denies the
whole line, and a rule that lacks what it needs objects: absence denies.

Each adjustment carries its rule and what that rule read, so a person who appeals a cent sees both. The rule
names and the members of `reads` and `result` are stored in decisions and must never change.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from carevouch.claims.accumulate import (
    Shares,
    authorization_used,
    cap,
    count_line,
    remaining_limits,
    shares,
    within_limits,
)
from carevouch.claims.contract import Contract, calendar_date
from carevouch.claims.model import (
    AFTER_COVERAGE,
    AUTHORIZATION_USED,
    BAD_AUTHORIZATION,
    BEFORE_COVERAGE,
    BENEFIT_USED,
    COINSURANCE,
    COPAY,
    DEDUCTIBLE,
    DUPLICATE,
    EXCLUDED,
    NO_AUTHORIZATION,
    NOT_IN_PLAN,
    NOT_INSURED,
    OTHER_PAYER,
    OUT_OF_NETWORK,
    OVER_FEE,
    OVER_FEE_OUTSIDE,
    TOO_LATE,
    UNIT,
    Accumulators,
    Adjustment,
    Authorization,
    ClaimInput,
    CoverageInput,
    Line,
    LineResult,
    Outcome,
    Reads,
    RuleStep,
)
from carevouch.kernel.money import round_half_up

_SHARE_RULES = (
    ("09-copay", COPAY, "copay"),
    ("10-deductible", DEDUCTIBLE, "deductible"),
    ("11-coinsurance", COINSURANCE, "coinsurance"),
)


@dataclass(frozen=True, slots=True)
class LineCase:
    """One line and all that its rules may read.

    `received` is the day on which the claim came. `is_repeat` is true if an earlier line, of this claim or of
    another, has the same duplicate key. `used` is the use by the member and the family before this line.
    """

    line: Line
    claim: ClaimInput
    coverage: CoverageInput
    contract: Contract
    received: str
    is_repeat: bool
    used: Accumulators

    @property
    def in_network(self) -> bool:
        """Whether the contract lists the claim's provider."""
        return self.claim.provider in self.contract.terms.network

    @property
    def authorization(self) -> Authorization | None:
        """The first authorisation named by the claim that covers the line's code and dates."""
        for authorization in self.coverage.authorizations:
            is_named = authorization.number in self.claim.authorizations
            if (
                is_named
                and self.line.token in authorization.codes
                and authorization.dates.holds(self.line.start, self.line.end)
            ):
                return authorization
        return None


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """A line's answer, the accumulators after it, and the trace of every rule run."""

    result: LineResult
    used: Accumulators
    trace: tuple[RuleStep, ...]


def answer_line(case: LineCase) -> LineAnswer:
    """The answer for one line, given what the member and family have used before it."""
    line, terms = case.line, case.contract.terms
    trace: list[RuleStep] = []
    for rule, reads, objection in _screening(case):
        verdict: Reads = {"denies": objection.code} if objection else {"passes": True}
        trace.append(RuleStep(line.sequence, rule, reads, verdict))
        if objection:
            denial = _adjustment(objection, line.billed_cents, rule, reads)
            return LineAnswer(_result(line, 0, Shares(), [denial], denied=True), case.used, tuple(trace))

    # Step 7. Never more than was billed. A fraction of a unit rounds half up.
    fee = terms.fees.schedule(in_network=case.in_network)[line.token]
    allowed = min(line.billed_cents, round_half_up(fee * line.units_thousandths, UNIT))
    reads = {"line.billed": line.billed_cents, "fee": fee, "line.units": line.units_thousandths}
    trace.append(RuleStep(line.sequence, "07-allowed", reads, {"allowed": allowed}))
    over_fee = OVER_FEE if case.in_network else OVER_FEE_OUTSIDE
    adjustments = [_adjustment(over_fee, line.billed_cents - allowed, "07-allowed", reads)]

    # Step 8. The patient owes what the category's limits no longer allow, and it counts to no other limit.
    name, limits = terms.category_name(line.token), terms.category(line.token).limits
    is_exhausted = False
    if name is not None and limits:
        granted = within_limits(allowed, name, limits, case.used.individual, line.start)
        reads = {"category": name, "allowed": allowed, "line.start": line.start}
        trace.append(RuleStep(line.sequence, "08-benefit-limit", reads, {"granted": granted}))
        adjustments.append(_adjustment(BENEFIT_USED, allowed - granted, "08-benefit-limit", reads))
        is_exhausted = granted == 0 < allowed
        allowed = granted

    owed, steps, reductions = _share(case, allowed)
    result = _result(line, allowed, owed, [*adjustments, *reductions], denied=is_exhausted)
    used = case.used
    if not is_exhausted:
        authorization = case.authorization if line.token in terms.auth_required else None
        used = count_line(used, line, terms, owed, allowed, authorization)
    return LineAnswer(result, used, (*trace, *steps))


def _screening(case: LineCase) -> Iterator[tuple[str, Reads, Outcome | None]]:
    """Steps 0 to 6, in order: each rule with what it read and its objection, if any."""
    line, claim, coverage, terms = case.line, case.claim, case.coverage, case.contract.terms
    yield "00-duplicate", {"line.submitted_before": case.is_repeat}, DUPLICATE if case.is_repeat else None

    is_member = claim.patient == coverage.beneficiary
    reads: dict[str, str | int | bool]
    reads = {"coverage.status": coverage.status, "claim.patient_is_beneficiary": is_member}
    yield "01-member", reads, None if is_member and coverage.status == "active" else NOT_INSURED

    start, end = coverage.start or "", coverage.end or ""
    reads = {"coverage.start": start, "coverage.end": end, "line.start": line.start, "line.end": line.end}
    is_after = end != "" and line.end > end
    yield (
        "01-in-force",
        reads,
        BEFORE_COVERAGE if line.start < start else AFTER_COVERAGE if is_after else None,
    )

    reads = {"coverage.order": coverage.order, "claim.payer_order": claim.payer_order}
    yield "01-first-payer", reads, OTHER_PAYER if max(coverage.order, claim.payer_order) > 1 else None

    limit = terms.timely_filing_days
    days = (calendar_date(case.received, "at") - calendar_date(line.end, "line.end")).days
    reads = {"line.end": line.end, "received": case.received, "contract.timely_filing_days": limit}
    yield "02-timely-filing", reads, TOO_LATE if days > limit else None

    pays_outside = terms.fees.out_of_network is not None
    reads = {"provider.in_network": case.in_network, "contract.pays_outside_network": pays_outside}
    yield "03-network", reads, None if case.in_network or pays_outside else OUT_OF_NETWORK

    is_needed, authorization, objection = line.token in terms.auth_required, case.authorization, None
    reads = {"contract.auth_required": is_needed}
    if is_needed:
        reads["claim.authorizations"] = len(claim.authorizations)
        if not claim.authorizations:
            objection = NO_AUTHORIZATION
        elif authorization is None:
            objection = BAD_AUTHORIZATION
        else:
            units = authorization.units_thousandths
            used_units = authorization_used(case.used.individual, authorization.number)
            reads |= {"authorization.units": units, "authorization.used": used_units}
            objection = AUTHORIZATION_USED if line.units_thousandths > units - used_units else None
    yield "04-authorization", reads, objection

    is_excluded = line.token in terms.excluded
    has_fee = line.token in terms.fees.schedule(in_network=case.in_network)
    reads = {"line.code": line.token, "contract.excludes": is_excluded, "contract.has_fee": has_fee}
    yield "06-covered", reads, EXCLUDED if is_excluded else None if has_fee else NOT_IN_PLAN


def _share(case: LineCase, allowed_cents: int) -> tuple[Shares, list[RuleStep], list[Adjustment]]:
    """Steps 9 to 13: the member's shares, with their steps and adjustments."""
    terms, sequence = case.contract.terms, case.line.sequence
    category = terms.category(case.line.token)
    bp = terms.coinsurance_of(category)
    limits = remaining_limits(case.contract, case.used)
    full = shares(allowed_cents, terms.cost_sharing, category, bp, limits.deductible)
    owed = cap(full, limits.oop, terms.oop_cut_order)
    reads: Reads = {
        "allowed": allowed_cents,
        "copay": category.copay_cents,
        "coinsurance_bp": bp,
        "deductible.waived": category.deductible_waived,
        "deductible.left": limits.deductible,
        **({} if limits.oop is None else {"oop.left": limits.oop}),
    }
    before, after = asdict(full), asdict(owed)
    trace = [RuleStep(sequence, "09-11-shares", reads, before)]
    if limits.oop is not None and owed != full:
        trace.append(RuleStep(sequence, "12-out-of-pocket", {"oop.left": limits.oop, **before}, after))
    paid = {"paid": allowed_cents - owed.total}
    trace.append(RuleStep(sequence, "13-paid", {"allowed": allowed_cents, "member": owed.total}, paid))
    adjustments = []
    for rule, outcome, share in _SHARE_RULES:
        uncut, cents = before[share], after[share]
        cut: Reads = {} if uncut == cents else {"before_out_of_pocket_limit": uncut}
        adjustments.append(_adjustment(outcome, cents, rule, {**reads, **cut}))
    return owed, trace, adjustments


def _adjustment(outcome: Outcome, cents: int, rule: str, reads: Reads) -> Adjustment:
    return Adjustment(outcome.group, outcome.carc, cents, rule, reads, outcome.rarc)


def _result(
    line: Line, allowed_cents: int, owed: Shares, adjustments: list[Adjustment], *, denied: bool
) -> LineResult:
    return LineResult(
        sequence=line.sequence,
        billed_cents=line.billed_cents,
        allowed_cents=allowed_cents,
        copay_cents=owed.copay,
        deductible_cents=owed.deductible,
        coinsurance_cents=owed.coinsurance,
        paid_cents=allowed_cents - owed.total,
        denied=denied,
        adjustments=tuple(item for item in adjustments if item.cents),
    )
