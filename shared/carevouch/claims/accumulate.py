"""Step 17, and the reading side of step 8: what a member and a family have used, before and after a line.

States are values: a line yields new ones and the claim's last ones are written, conditionally on the
versions that were read. Counters exist only for categories whose contract limits them. Nothing here
decides about money.
"""

from dataclasses import dataclass, replace

from carevouch.claims.contract import FULL_BP, BenefitLimit, Category, Contract, CostSharing, Limit, Share
from carevouch.claims.model import (
    UNIT,
    Accumulators,
    AuthorizationUse,
    Counter,
    FamilyUse,
    IndividualUse,
    Line,
)
from carevouch.kernel.money import round_half_up


@dataclass(frozen=True, slots=True)
class Shares:
    """What the member owes of one line, in cents."""

    copay: int = 0
    deductible: int = 0
    coinsurance: int = 0

    @property
    def total(self) -> int:
        """All that counts towards the out-of-pocket limit."""
        return self.copay + self.deductible + self.coinsurance


def allowed_cents(billed_cents: int, fee_cents: int, units_thousandths: int) -> int:
    """The fee for the units, but never more than was billed."""
    return min(billed_cents, round_half_up(fee_cents * units_thousandths, UNIT))


def remaining_cents(limit: Limit | None, own_used: int, family_used: int | None) -> int | None:
    """What is left of a limit for one member; None where the contract sets none.

    `family_used` None means the coverage is for one person. Embedded: the smaller of what the member and the
    family have left. Aggregate: what the family has left, whoever used it.
    """
    if limit is None:
        return None
    own = max(0, limit.individual_cents - own_used)
    if family_used is None or limit.family_cents is None:
        return own
    family = max(0, limit.family_cents - family_used)
    return family if limit.family_rule == "aggregate" else min(own, family)


def shares(
    amount: int, order: CostSharing, category: Category, coinsurance_bp: int, deductible_left: int
) -> Shares:
    """The member's shares of `amount` before the out-of-pocket limit.

    >>> shares(50000, "deductible_then_copay", Category(), 2000, 15000)
    Shares(copay=0, deductible=15000, coinsurance=7000)
    """
    if order == "copay_only":
        return Shares(copay=min(category.copay_cents, amount))
    left = 0 if category.deductible_waived else deductible_left
    if order == "copay_then_deductible":
        copay = min(category.copay_cents, amount)
        deductible = min(left, amount - copay)
    else:
        deductible = min(left, amount)
        copay = min(category.copay_cents, amount - deductible)
    rest = amount - copay - deductible
    return Shares(copay, deductible, round_half_up(rest * coinsurance_bp, FULL_BP))


def cap(owed: Shares, oop_left: int | None, order: tuple[Share, ...]) -> Shares:
    """`owed`, cut to what is left of the out-of-pocket limit, taking from the shares in `order`."""
    over = 0 if oop_left is None else max(0, owed.total - oop_left)
    for name in order:
        cut = min(over, getattr(owed, name))
        owed, over = replace(owed, **{name: getattr(owed, name) - cut}), over - cut
    return owed


@dataclass(frozen=True, slots=True)
class RemainingLimits:
    """What limits leave for one line; None is no limit. `visits` is None also on a date already counted."""

    deductible: int
    oop: int | None


def fresh(contract: Contract, *, family: bool = False) -> Accumulators:
    """Nothing used yet in the contract's plan year."""
    terms = contract.terms
    return Accumulators(terms.plan, terms.accumulation, IndividualUse(), FamilyUse() if family else None)


def left(contract: Contract, used: Accumulators) -> RemainingLimits:
    """What is left of the deductible and the out-of-pocket limit for this member."""
    terms, own, family = contract.terms, used.individual, used.family
    deductible = remaining_cents(
        terms.deductible, own.deductible_cents, family.deductible_cents if family else None
    )
    oop = remaining_cents(terms.out_of_pocket, own.oop_cents, family.oop_cents if family else None)
    return RemainingLimits(deductible or 0, oop)


def period_of(limit: BenefitLimit, day: str) -> str:
    """The name of the period that a service date falls in."""
    return {"plan-year": "plan-year", "month": day[:7], "day": day}[limit.period]


def counter(used: IndividualUse, category: str, period: str) -> Counter:
    """The counter of a category and period, empty if there is none yet."""
    found = (item for item in used.counters if (item.category, item.period) == (category, period))
    return next(found, Counter(category, period))


def within_limits(amount: int, name: str, category: Category, used: IndividualUse, day: str) -> int:
    """The part of `amount` that the category's benefit limits still allow on the service date `day`.

    A visit is a service date, so a further line of a date already counted uses no further visit.
    """
    for limit in category.limits:
        seen = counter(used, name, period_of(limit, day))
        if limit.visits is not None and day not in seen.dates and len(seen.dates) >= limit.visits:
            return 0
        if limit.amount_cents is not None:
            amount = min(amount, max(0, limit.amount_cents - seen.amount_cents))
    return amount


def authorization_used(used: IndividualUse, number: str) -> int:
    """Thousandths of units already used of an authorisation."""
    return sum(item.units_thousandths for item in used.authorizations if item.number == number)


def count_shares(used: Accumulators, owed: Shares) -> Accumulators:
    """The states after a member owes `owed`."""
    own = replace(
        used.individual,
        deductible_cents=used.individual.deductible_cents + owed.deductible,
        oop_cents=used.individual.oop_cents + owed.total,
    )
    family = used.family and replace(
        used.family,
        deductible_cents=used.family.deductible_cents + owed.deductible,
        oop_cents=used.family.oop_cents + owed.total,
    )
    return replace(used, individual=own, family=family)


def count_benefit(used: Accumulators, name: str, category: Category, line: Line, amount: int) -> Accumulators:
    """The states after `amount` allowed cents of a category were granted for a line."""
    own = used.individual
    for limit in category.limits:
        seen = counter(own, name, period_of(limit, line.start))
        dates = tuple(sorted({*seen.dates, line.start}))
        now = replace(seen, dates=dates, amount_cents=seen.amount_cents + amount)
        others = [item for item in own.counters if (item.category, item.period) != (now.category, now.period)]
        own = replace(own, counters=tuple(sorted([*others, now], key=lambda c: (c.category, c.period))))
    return replace(used, individual=own)


def count_authorization(used: Accumulators, number: str, units_thousandths: int) -> Accumulators:
    """The states after units of an authorisation were used."""
    total = authorization_used(used.individual, number) + units_thousandths
    others = [item for item in used.individual.authorizations if item.number != number]
    uses = sorted([*others, AuthorizationUse(number, total)], key=lambda use: use.number)
    return replace(used, individual=replace(used.individual, authorizations=tuple(uses)))


def next_versions(before: Accumulators, after: Accumulators) -> Accumulators:
    """`after` with a version one higher wherever something changed, so that only those rows are written."""
    own, family = after.individual, after.family
    if own != before.individual:
        own = replace(own, version=own.version + 1)
    if family is not None and family != before.family:
        family = replace(family, version=family.version + 1)
    return replace(after, individual=own, family=family)
