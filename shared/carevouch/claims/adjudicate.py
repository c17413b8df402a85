"""The fixed pipeline from a claim to a balanced answer: steps 0 to 13 and 15 to 17.

Step 14, second payers, is refused. A line's own steps are in `line.py`. Instant, history and accumulators
are arguments. Recorded inputs thus give the same bytes on any machine on any day. Lines are taken in the
claim's order, and each sees the accumulators that the one before it left.

This file must never take a claim that it does not understand for an original claim to a first payer. It
refuses replacements, voids and foreign contracts by name.

Step 16 accounts for every cent before an answer leaves (X12 005010X221 balancing, per line and claim). A
failure there is our bug and never the caller's. It must crash the request, or a wrong answer would be signed.
"""

from collections.abc import Collection
from itertools import pairwise

from carevouch.claims.accumulate import next_versions, remaining_limits
from carevouch.claims.contract import Contract
from carevouch.claims.line import LineCase, answer_line
from carevouch.claims.model import (
    COINSURANCE,
    COPAY,
    DEDUCTIBLE,
    Accumulators,
    Adjudication,
    ClaimInput,
    CoverageInput,
    FamilyUse,
    IndividualUse,
    Line,
    LineResult,
    RuleStep,
    Totals,
)
from carevouch.kernel.canonical import jcs
from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import Invalid, Unprocessable
from carevouch.kernel.times import later, moment

# Each decision states the name and version. The version grows when the same inputs may answer otherwise.
ENGINE = {"name": "carevouch-claims", "version": "1"}
# X12 837P holds 50 lines. A decision records about 3 KB a line and must fit one 400 KB row of the store.
MAX_LINES = 100
# A service date is local: east of Greenwich it may be tomorrow already.
AHEAD_SECONDS = 86_400


class BalanceBroken(AssertionError):
    """Cents were lost or invented, or a limit was passed: a bug of ours."""


def adjudicate(
    claim: ClaimInput,
    coverage: CoverageInput,
    contract: Contract,
    accumulators: Accumulators,
    history_keys: Collection[str],
    now_instant: str,
) -> Adjudication:
    """The answer to `claim`, with its reasons, balanced to the cent.

    `history_keys` are the `Adjudication.keys` of the patient's earlier claims, paid or pending.
    `now_instant` is when the claim was received. Raises `Unprocessable` for what this engine does not
    adjudicate, and `Invalid` for a claim without sense. `BalanceBroken` is a bug of ours.
    """
    _refuse_unsupported(claim, coverage, contract, accumulators, now_instant)
    history, claim_keys = frozenset(history_keys), set[str]()
    used = accumulators
    lines: list[LineResult] = []
    keys: list[str] = []
    trace: list[RuleStep] = []
    for line in claim.lines:
        key = duplicate_key(claim, line)
        is_repeat = key in claim_keys or key in history
        answer = answer_line(LineCase(line, claim, coverage, contract, now_instant[:10], is_repeat, used))
        used = answer.used
        claim_keys.add(key)
        lines.append(answer.result)
        keys += [] if answer.result.denied else [key]
        trace += answer.trace
    result = Adjudication(
        contract=contract.hash,
        at=now_instant,
        currency=contract.terms.currency,
        network="in" if claim.provider in contract.terms.network else "out",
        lines=tuple(lines),
        totals=_totals(lines),
        before=accumulators,
        after=next_versions(accumulators, used),
        keys=tuple(keys),
        matched=tuple(sorted(history & claim_keys)),
        trace=tuple(trace),
    )
    assert_balanced(result, contract)
    return result


def duplicate_key(claim: ClaimInput, line: Line) -> str:
    """The key that two lines share if they bill the same service.

    Member, provider, dates, code, modifiers, units, charge and place make the service. The key is the SHA-256
    in hex of their canonical array. It stands only in the patient's own encrypted documents.
    """
    parts = [claim.patient, claim.provider, line.start, line.end, line.token, sorted(line.modifiers)]
    return sha256(jcs([*parts, line.units_thousandths, line.billed_cents, line.place or ""])).hex()


def assert_balanced(result: Adjudication, contract: Contract) -> None:
    """Raise `BalanceBroken` unless lines, claim and accumulators agree to the cent."""
    shares = {("PR", outcome.carc) for outcome in (DEDUCTIBLE, COINSURANCE, COPAY)}
    for line in result.lines:
        amounts = [item.cents for item in line.adjustments]
        owed = line.copay_cents + line.deductible_cents + line.coinsurance_cents
        shared = sum(item.cents for item in line.adjustments if (item.group, item.carc) in shares)
        _require_equal("a line's charge", line.billed_cents, line.paid_cents + sum(amounts))
        _require_ordered("a line's amounts", 0, line.paid_cents, line.allowed_cents, line.billed_cents)
        _require_ordered("a line's adjustments", 0, *sorted(amounts))
        _require_equal("a line's shares", owed, shared)
        if line.denied:
            _require_equal("a denied line's payment", 0, line.paid_cents + line.allowed_cents + owed)

    totals = result.totals
    reduced = totals.contractual_cents + totals.patient_cents + totals.other_cents
    of_patient = (item.cents for line in result.lines for item in line.adjustments if item.group == "PR")
    _require_equal("the claim's charge", totals.billed_cents, totals.paid_cents + reduced)
    billed, paid = (line.billed_cents for line in result.lines), (line.paid_cents for line in result.lines)
    _require_equal("the claim's billed total", totals.billed_cents, sum(billed))
    _require_equal("the claim's paid total", totals.paid_cents, sum(paid))
    _require_equal("the patient's total", totals.patient_cents, sum(of_patient))

    before, after = result.before, result.after
    owed = totals.copay_cents + totals.deductible_cents + totals.coinsurance_cents
    states: list[tuple[IndividualUse | FamilyUse, IndividualUse | FamilyUse]]
    states = [(before.individual, after.individual)]
    if before.family is not None and after.family is not None:
        states.append((before.family, after.family))
    for old, new in states:
        deductible = old.deductible_cents + totals.deductible_cents
        _require_equal("the deductible used", new.deductible_cents, deductible)
        _require_equal("the out-of-pocket used", new.oop_cents, old.oop_cents + owed)
    limits = remaining_limits(contract, before)
    _require_ordered("the deductible", totals.deductible_cents, limits.deductible)
    _require_ordered("the out-of-pocket limit", owed, owed if limits.oop is None else limits.oop)


def _require_equal(what: str, one: int, other: int) -> None:
    if one != other:
        raise BalanceBroken(f"{what} does not balance: off by {one - other} cents")


def _require_ordered(what: str, *amounts: int) -> None:
    if any(low > high for low, high in pairwise(amounts)):
        raise BalanceBroken(f"{what} is out of bounds")


def _refuse_unsupported(
    claim: ClaimInput, coverage: CoverageInput, contract: Contract, used: Accumulators, now_instant: str
) -> None:
    terms = contract.terms
    if claim.frequency != "1":
        raise Unprocessable("replacing or voiding a claim is not supported yet; submit an original claim")
    if coverage.payer != terms.payer or coverage.plan not in (None, terms.plan):
        raise Unprocessable("the contract is of another payer or plan than the coverage")
    if claim.currency not in (None, terms.currency):
        raise Unprocessable(f"the claim's amounts must be in the contract's currency, {terms.currency}")
    if (used.plan, used.period) != (terms.plan, terms.accumulation):
        raise Unprocessable("the accumulators are of another plan or plan year than the contract")
    if not 0 < len(claim.lines) <= MAX_LINES:
        raise Invalid(f"a claim must have 1 to {MAX_LINES} items; split a longer one")
    if len({line.sequence for line in claim.lines}) != len(claim.lines):
        raise Invalid("two items of the claim have the same sequence")
    moment(now_instant, "the instant of adjudication")
    for line in claim.lines:
        if line.billed_cents < 0 or line.units_thousandths <= 0 or line.end < line.start:
            raise Invalid(f"item {line.sequence} has a negative amount, no units, or ends before it starts")
        if line.end > later(now_instant, AHEAD_SECONDS)[:10]:
            raise Invalid(f"item {line.sequence} is dated after the claim was received")
        if coverage.covers(line.start, line.end) and not terms.effective.holds(line.start, line.end):
            raise Unprocessable(f"item {line.sequence} is outside the contract's dates; submit it apart")


def _totals(lines: Collection[LineResult]) -> Totals:
    cents = {"CO": 0, "PR": 0, "OA": 0, "PI": 0}
    for line in lines:
        for adjustment in line.adjustments:
            cents[adjustment.group] += adjustment.cents
    return Totals(
        billed_cents=sum(line.billed_cents for line in lines),
        allowed_cents=sum(line.allowed_cents for line in lines),
        copay_cents=sum(line.copay_cents for line in lines),
        deductible_cents=sum(line.deductible_cents for line in lines),
        coinsurance_cents=sum(line.coinsurance_cents for line in lines),
        paid_cents=sum(line.paid_cents for line in lines),
        contractual_cents=cents["CO"],
        patient_cents=cents["PR"],
        other_cents=cents["OA"] + cents["PI"],
    )
