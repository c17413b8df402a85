"""Step 16: every cent accounted for, asserted before an answer leaves (X12 005010X221 balancing, per line
and claim).

A failure here is our bug, never the caller's: it must crash the request, because a wrong answer would be
signed.
"""

from itertools import pairwise

from carevouch.claims.accumulate import left
from carevouch.claims.contract import Contract
from carevouch.claims.model import Adjudication, FamilyUse, IndividualUse, LineResult

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
