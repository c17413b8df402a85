"""The fixed pipeline from a claim to a balanced answer (steps 0 to 13 and 15 to 17; 14, second payers, is
refused).

A pure function: the instant, the history and the accumulators are arguments, so the recorded inputs give
the same bytes on any machine on any day. Lines are taken in the claim's order, and each sees the
accumulators that the one before it left. What this must never do is adjudicate something it does not
understand as if it were an original claim of a first payer: replacements, voids and foreign contracts are
refused by name.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import pairwise

from carevouch.claims import accumulate
from carevouch.claims.accumulate import left
from carevouch.claims.contract import Contract
from carevouch.claims.line import answer_line
from carevouch.claims.model import (
    Accumulators,
    Adjudication,
    Adjustment,
    ClaimInput,
    CoverageInput,
    FamilyUse,
    IndividualUse,
    Line,
    LineResult,
    RuleStep,
    Totals,
)
from carevouch.claims.screen import LineCase, named_authorization
from carevouch.kernel.canonical import jcs
from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import Invalid, Unprocessable
from carevouch.kernel.times import later, moment

# The name and version stand in each decision; the version grows when the same inputs may answer otherwise.
ENGINE = {"name": "carevouch-claims", "version": "1"}
# X12 837P holds 50 lines. A decision records about 3 KB a line and must fit one 400 KB row of the store.
MAX_LINES = 100
# A service date is local: east of Greenwich it may be tomorrow already.
AHEAD_SECONDS = 86_400


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
    adjudicate, `Invalid` for a claim without sense, `Unbalanced` for a bug of ours.
    """
    _refuse_strangers(claim, coverage, contract, accumulators, now_instant)
    run = _Run(claim, coverage, contract, now_instant[:10], frozenset(history_keys), accumulators)
    for line in claim.lines:
        run = _one(run, line)
    result = Adjudication(
        contract=contract.hash,
        at=now_instant,
        currency=contract.terms.currency,
        network="in" if run.in_network else "out",
        lines=run.lines,
        totals=_totals(run.lines),
        before=accumulators,
        after=accumulate.next_versions(accumulators, run.used),
        keys=run.keys,
        matched=tuple(sorted(run.history.intersection(run.seen))),
        trace=run.trace,
    )
    assert_balanced(result, contract)
    return result


def duplicate_key(claim: ClaimInput, line: Line) -> str:
    """What makes two lines the same service: member, provider, dates, code, modifiers, units, charge, place.

    SHA-256 in base 16 over the canonical array. It stands in the patient's own encrypted documents only.
    """
    parts = [claim.patient, claim.provider, line.start, line.end, line.token, sorted(line.modifiers)]
    return sha256(jcs([*parts, line.units_thousandths, line.billed_cents, line.place or ""])).hex()


@dataclass(frozen=True, slots=True)
class _Run:
    """The fold over the lines: what is given, and what the lines so far have left behind."""

    claim: ClaimInput
    coverage: CoverageInput
    contract: Contract
    day: str
    history: frozenset[str]
    used: Accumulators
    seen: frozenset[str] = frozenset()
    lines: tuple[LineResult, ...] = ()
    keys: tuple[str, ...] = ()
    trace: tuple[RuleStep, ...] = ()

    @property
    def in_network(self) -> bool:
        return self.claim.provider in self.contract.terms.network


def _refuse_strangers(
    claim: ClaimInput, coverage: CoverageInput, contract: Contract, used: Accumulators, now: str
) -> None:
    terms = contract.terms
    if claim.frequency != "1":
        raise Unprocessable("replacing or voiding a claim is not supported yet; submit an original claim")
    if coverage.payer != terms.payer or coverage.plan not in (None, terms.plan):
        raise Unprocessable("the contract is of another payer or plan than the coverage")
    if claim.currency not in (None, terms.currency):
        raise Unprocessable(f"the claim's currency is not the contract's, {terms.currency}")
    if (used.plan, used.period) != (terms.plan, terms.accumulation):
        raise Unprocessable("the accumulators are of another plan or plan year than the contract")
    _refuse_lines(claim, coverage, contract, now)


def _refuse_lines(claim: ClaimInput, coverage: CoverageInput, contract: Contract, now: str) -> None:
    if not 0 < len(claim.lines) <= MAX_LINES:
        raise Invalid(f"a claim has 1 to {MAX_LINES} items; split a longer one")
    if len({line.sequence for line in claim.lines}) != len(claim.lines):
        raise Invalid("two items of the claim have the same sequence")
    moment(now, "the instant of adjudication")
    for line in claim.lines:
        if line.billed_cents < 0 or line.units_thousandths <= 0 or line.end < line.start:
            raise Invalid(f"item {line.sequence} has a negative amount, no units, or ends before it starts")
        if line.end > later(now, AHEAD_SECONDS)[:10]:
            raise Invalid(f"item {line.sequence} is dated after the claim was received")
        if _covered(coverage, line) and not contract.terms.effective.holds(line.start, line.end):
            raise Unprocessable(f"item {line.sequence} is outside the contract's dates; submit it apart")


def _covered(coverage: CoverageInput, line: Line) -> bool:
    return (coverage.start or "") <= line.start and (not coverage.end or line.end <= coverage.end)


def _one(run: _Run, line: Line) -> _Run:
    key = duplicate_key(run.claim, line)
    case = _case(run, line, repeats=key in run.seen or key in run.history)
    answered = answer_line(case, run.contract, run.used)
    return replace(
        run,
        used=answered.used,
        seen=run.seen | {key},
        lines=(*run.lines, answered.result),
        keys=run.keys if answered.result.denied else (*run.keys, key),
        trace=(*run.trace, *answered.trace),
    )


def _case(run: _Run, line: Line, *, repeats: bool) -> LineCase:
    case = LineCase(run.claim, run.coverage, run.contract.terms, line, run.day, run.in_network, repeats, 0)
    known = named_authorization(case)
    used = accumulate.authorization_used(run.used.individual, known.number) if known else 0
    return replace(case, authorization_used=used)


def _totals(lines: tuple[LineResult, ...]) -> Totals:
    reduced = [item for line in lines for item in line.adjustments]
    return Totals(
        billed_cents=sum(line.billed_cents for line in lines),
        allowed_cents=sum(line.allowed_cents for line in lines),
        copay_cents=sum(line.copay_cents for line in lines),
        deductible_cents=sum(line.deductible_cents for line in lines),
        coinsurance_cents=sum(line.coinsurance_cents for line in lines),
        paid_cents=sum(line.paid_cents for line in lines),
        contractual_cents=_in_groups(reduced, "CO"),
        patient_cents=_in_groups(reduced, "PR"),
        other_cents=_in_groups(reduced, "OA", "PI"),
    )


def _in_groups(adjustments: list[Adjustment], *groups: str) -> int:
    return sum(item.cents for item in adjustments if item.group in groups)


Use = IndividualUse | FamilyUse


class BalanceBroken(AssertionError):
    """Cents were lost or invented, or a limit was passed: a bug of ours."""


def assert_balanced(result: Adjudication, contract: Contract) -> None:
    """Raise `BalanceBroken` unless lines, claim and accumulators agree to the cent."""
    for line in result.lines:
        _line(line)
    _claim(result)
    _accumulators(result, contract)


def _line(line: LineResult) -> None:
    reduced = sum(item.cents for item in line.adjustments)
    owed = line.copay_cents + line.deductible_cents + line.coinsurance_cents
    _equal("a line's charge", line.billed_cents, line.paid_cents + reduced)
    _ordered("a line's amounts", 0, line.paid_cents, line.allowed_cents, line.billed_cents)
    _ordered("a line's adjustments", 0, *sorted(item.cents for item in line.adjustments))
    _equal("a line's shares", owed, _sum(line, "1") + _sum(line, "2") + _sum(line, "3"))
    if line.denied:
        _equal("a denied line's payment", 0, line.paid_cents + line.allowed_cents + owed)


def _sum(line: LineResult, carc: str) -> int:
    return sum(item.cents for item in line.adjustments if (item.group, item.carc) == ("PR", carc))


def _claim(result: Adjudication) -> None:
    totals = result.totals
    reduced = totals.contractual_cents + totals.patient_cents + totals.other_cents
    _equal("the claim's charge", totals.billed_cents, totals.paid_cents + reduced)
    _equal("the claim's billed total", totals.billed_cents, sum(line.billed_cents for line in result.lines))
    _equal("the claim's paid total", totals.paid_cents, sum(line.paid_cents for line in result.lines))
    owed = (item.cents for line in result.lines for item in line.adjustments if item.group == "PR")
    _equal("the patient's total", totals.patient_cents, sum(owed))


def _accumulators(result: Adjudication, contract: Contract) -> None:
    before, after, totals = result.before, result.after, result.totals
    owed = totals.copay_cents + totals.deductible_cents + totals.coinsurance_cents
    pairs: list[tuple[Use, Use]] = [(before.individual, after.individual)]
    if before.family is not None and after.family is not None:
        pairs.append((before.family, after.family))
    for was, now in pairs:
        _equal("the deductible used", now.deductible_cents, was.deductible_cents + totals.deductible_cents)
        _equal("the out-of-pocket used", now.oop_cents, was.oop_cents + owed)
    was_left = left(contract, before)
    _ordered("the deductible", totals.deductible_cents, was_left.deductible)
    _ordered("the out-of-pocket limit", owed, owed if was_left.oop is None else was_left.oop)


def _equal(what: str, one: int, other: int) -> None:
    if one != other:
        raise BalanceBroken(f"{what} does not balance: off by {one - other} cents")


def _ordered(what: str, *amounts: int) -> None:
    if any(low > high for low, high in pairwise(amounts)):
        raise BalanceBroken(f"{what} is out of bounds")
