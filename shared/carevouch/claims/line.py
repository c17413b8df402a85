"""One line's way through the pipeline: screened, priced, limited, shared, counted.

Returns the answer with the accumulators it leaves behind and the trace of every rule run. Each adjustment
carries the rule that made it and what that rule read: a person who appeals a cent sees both.
"""

from dataclasses import dataclass, replace

from carevouch.claims import accumulate
from carevouch.claims.accumulate import Shares, allowed_cents, cap, shares
from carevouch.claims.contract import Contract
from carevouch.claims.model import (
    BENEFIT_USED,
    COINSURANCE,
    COPAY,
    DEDUCTIBLE,
    OVER_FEE,
    OVER_FEE_OUTSIDE,
    Accumulators,
    Adjustment,
    Line,
    LineResult,
    Outcome,
    Reads,
    RuleStep,
)
from carevouch.claims.screen import LineCase, LineScreening, named_authorization, screen


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """A line's answer, the accumulators after it, and how it came about."""

    result: LineResult
    used: Accumulators
    trace: tuple[RuleStep, ...]


@dataclass(frozen=True, slots=True)
class _Sum:
    """The money of one line so far: what is still allowed, what was taken off, and the trace."""

    line: Line
    allowed: int
    adjustments: tuple[Adjustment, ...] = ()
    trace: tuple[RuleStep, ...] = ()

    def ran(self, rule: str, reads: Reads, result: Reads) -> "_Sum":
        return replace(self, trace=(*self.trace, RuleStep(self.line.sequence, rule, reads, result)))

    def less(self, outcome: Outcome, cents: int, rule: str, reads: Reads) -> "_Sum":
        if cents == 0:
            return self
        item = Adjustment(outcome.group, outcome.carc, cents, rule, reads, outcome.rarc)
        return replace(self, adjustments=(*self.adjustments, item))


def answer_line(case: LineCase, contract: Contract, used: Accumulators) -> LineAnswer:
    """The answer for one line, given what the member and family have used before it."""
    checks = screen(case)
    trace = tuple(_screened(case.line, check) for check in checks)
    last = checks[-1]
    if last.outcome:
        start = _Sum(case.line, 0, trace=trace)
        denied = start.less(last.outcome, case.line.billed_cents, last.rule, last.reads)
        return LineAnswer(_result(denied, Shares(), denied=True), used, trace)
    return _share(case, contract, used, _limit(case, used, _price(case, trace)))


def _screened(line: Line, check: LineScreening) -> RuleStep:
    result: Reads = {"denies": check.outcome.code} if check.outcome else {"passes": True}
    return RuleStep(line.sequence, check.rule, check.reads, result)


def _price(case: LineCase, trace: tuple[RuleStep, ...]) -> _Sum:
    """Step 7: never more than was billed; what lies above the fee is written off (in network)."""
    line, fees = case.line, case.terms.fees
    schedule = fees.in_network if case.in_network else (fees.out_of_network or {})
    fee = schedule[line.token]
    allowed = allowed_cents(line.billed_cents, fee, line.units_thousandths)
    reads: Reads = {"line.billed": line.billed_cents, "fee": fee, "line.units": line.units_thousandths}
    outcome = OVER_FEE if case.in_network else OVER_FEE_OUTSIDE
    priced = _Sum(line, allowed, trace=trace).ran("07-allowed", reads, {"allowed": allowed})
    return priced.less(outcome, line.billed_cents - allowed, "07-allowed", reads)


def _limit(case: LineCase, used: Accumulators, so_far: _Sum) -> _Sum:
    """Step 8: what the category's limits no longer allow is the patient's, and counts to no limit."""
    name, category = case.terms.category_of(case.line.token), case.terms.category(case.line.token)
    if name is None or not category.limits:
        return so_far
    granted = accumulate.within_limits(so_far.allowed, name, category, used.individual, case.line.start)
    reads: Reads = {"category": name, "allowed": so_far.allowed, "line.start": case.line.start}
    limited = so_far.ran("08-benefit-limit", reads, {"granted": granted})
    limited = limited.less(BENEFIT_USED, so_far.allowed - granted, "08-benefit-limit", reads)
    return replace(limited, allowed=granted)


def _share(case: LineCase, contract: Contract, used: Accumulators, so_far: _Sum) -> LineAnswer:
    """Steps 9 to 13 and the line's part of 17."""
    terms, category = case.terms, case.terms.category(case.line.token)
    left = accumulate.left(contract, used)
    bp = terms.coinsurance_bp if category.coinsurance_bp is None else category.coinsurance_bp
    full = shares(so_far.allowed, terms.cost_sharing, category, bp, left.deductible)
    owed = cap(full, left.oop, terms.oop_cut_order)
    reads: Reads = {
        "allowed": so_far.allowed,
        "copay": category.copay_cents,
        "coinsurance_bp": bp,
        "deductible.waived": category.deductible_waived,
        "deductible.left": left.deductible,
        **({} if left.oop is None else {"oop.left": left.oop}),
    }
    shared = _trace_shares(so_far, reads, full, owed)
    paid = so_far.allowed - owed.total
    shared = shared.ran("13-paid", {"allowed": so_far.allowed, "member": owed.total}, {"paid": paid})
    exhausted = so_far.allowed == 0 and any(item.carc == BENEFIT_USED.carc for item in so_far.adjustments)
    counted = used if exhausted else _count(case, used, so_far.allowed, owed)
    return LineAnswer(_result(shared, owed, denied=exhausted), counted, shared.trace)


def _trace_shares(so_far: _Sum, reads: Reads, full: Shares, owed: Shares) -> _Sum:
    steps = (
        ("09-copay", COPAY, full.copay, owed.copay),
        ("10-deductible", DEDUCTIBLE, full.deductible, owed.deductible),
        ("11-coinsurance", COINSURANCE, full.coinsurance, owed.coinsurance),
    )
    before = {"copay": full.copay, "deductible": full.deductible, "coinsurance": full.coinsurance}
    after = {"copay": owed.copay, "deductible": owed.deductible, "coinsurance": owed.coinsurance}
    shared = so_far.ran("09-11-shares", reads, before)
    if owed != full:
        shared = shared.ran("12-out-of-pocket", {"oop.left": reads["oop.left"], **before}, after)
    for rule, outcome, uncut, cents in steps:
        cut: Reads = {} if uncut == cents else {"before_out_of_pocket_limit": uncut}
        shared = shared.less(outcome, cents, rule, {**reads, **cut})
    return shared


def _count(case: LineCase, used: Accumulators, granted: int, owed: Shares) -> Accumulators:
    counted = accumulate.count_shares(used, owed)
    name, category = case.terms.category_of(case.line.token), case.terms.category(case.line.token)
    if name is not None and granted > 0:
        counted = accumulate.count_benefit(counted, name, category, case.line, granted)
    known = named_authorization(case)
    if known is not None and case.line.token in case.terms.auth_required:
        counted = accumulate.count_authorization(counted, known.number, case.line.units_thousandths)
    return counted


def _result(so_far: _Sum, owed: Shares, *, denied: bool) -> LineResult:
    return LineResult(
        sequence=so_far.line.sequence,
        billed_cents=so_far.line.billed_cents,
        allowed_cents=so_far.allowed,
        copay_cents=owed.copay,
        deductible_cents=owed.deductible,
        coinsurance_cents=owed.coinsurance,
        paid_cents=so_far.allowed - owed.total,
        denied=denied,
        adjustments=so_far.adjustments,
    )
