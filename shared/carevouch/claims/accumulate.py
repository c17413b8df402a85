"""The amounts of one line, and the use by a member and a family: steps 8 to 12 and 17 of the pipeline.

`shares` splits the allowed amount into copay, deductible and coinsurance, in the contract's order. `cap` cuts
these shares to the out-of-pocket limit, again in the contract's order. The coinsurance is rounded half up.

Accumulators are values. Each line yields new ones. The claim's last ones are written only if the versions
read are still the newest. A counter exists only where the contract limits its category. This file must never
decide whether a line is paid; `line.py` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from carevouch.claims.contract import (
    FULL_BP,
    BenefitLimit,
    Category,
    Contract,
    CostSharing,
    Limit,
    Share,
    Terms,
)
from carevouch.claims.model import (
    Accumulators,
    Authorization,
    AuthorizationUse,
    Counter,
    FamilyUse,
    IndividualUse,
    Line,
)
from carevouch.kernel.money import round_half_up


@dataclass(frozen=True, slots=True)
class Shares:
    """The member's shares of one line, in cents. Its field names stand in stored traces and never change."""

    copay: int = 0
    deductible: int = 0
    coinsurance: int = 0

    @property
    def total(self) -> int:
        """The cents that count towards the out-of-pocket limit."""
        return self.copay + self.deductible + self.coinsurance


@dataclass(frozen=True, slots=True)
class RemainingLimits:
    """The cents that are left of a member's limits. `oop` is None if the contract sets no such limit."""

    deductible: int
    oop: int | None


def shares(
    amount_cents: int, order: CostSharing, category: Category, coinsurance_bp: int, deductible_left: int
) -> Shares:
    """The member's shares of an amount, before the out-of-pocket limit.

    >>> shares(50000, "deductible_then_copay", Category(), 2000, 15000)
    Shares(copay=0, deductible=15000, coinsurance=7000)
    """
    if order == "copay_only":
        return Shares(copay=min(category.copay_cents, amount_cents))
    deductible_left = 0 if category.deductible_waived else deductible_left
    if order == "copay_then_deductible":
        copay = min(category.copay_cents, amount_cents)
        deductible = min(deductible_left, amount_cents - copay)
    else:
        deductible = min(deductible_left, amount_cents)
        copay = min(category.copay_cents, amount_cents - deductible)
    rest = amount_cents - copay - deductible
    return Shares(copay, deductible, round_half_up(rest * coinsurance_bp, FULL_BP))


def cap(owed: Shares, oop_left: int | None, order: tuple[Share, ...]) -> Shares:
    """The shares, cut in `order` to what is left of the out-of-pocket limit, if there is one."""
    over = 0 if oop_left is None else max(0, owed.total - oop_left)
    for name in order:
        cut = min(over, getattr(owed, name))
        owed, over = replace(owed, **{name: getattr(owed, name) - cut}), over - cut
    return owed


def within_limits(
    amount_cents: int, category: str, limits: Sequence[BenefitLimit], used: IndividualUse, day: str
) -> int:
    """The cents that a category's benefit limits still allow on the service date `day`.

    A visit is a service date, so a further line on a counted date uses no further visit.
    """
    for limit in limits:
        count = counter(used, category, limit, day)
        if limit.visits is not None and day not in count.dates and len(count.dates) >= limit.visits:
            return 0
        if limit.amount_cents is not None:
            amount_cents = min(amount_cents, max(0, limit.amount_cents - count.amount_cents))
    return amount_cents


def remaining_limits(contract: Contract, used: Accumulators) -> RemainingLimits:
    """The cents that are left of the member's deductible and out-of-pocket limit."""
    terms, own, family = contract.terms, used.individual, used.family
    deductible = _remaining_cents(
        terms.deductible, own.deductible_cents, family.deductible_cents if family else None
    )
    oop = _remaining_cents(terms.out_of_pocket, own.oop_cents, family.oop_cents if family else None)
    return RemainingLimits(deductible or 0, oop)


def _remaining_cents(limit: Limit | None, own_used: int, family_used: int | None) -> int | None:
    """The cents that are left of a limit for one member; None where the contract sets no limit.

    An embedded limit leaves the smaller of the member's remainder and the family's. An aggregate limit leaves
    the family's remainder, whichever member used the limit. A coverage of one person has no `family_used`.
    """
    if limit is None:
        return None
    own = max(0, limit.individual_cents - own_used)
    if family_used is None or limit.family_cents is None:
        return own
    family = max(0, limit.family_cents - family_used)
    return family if limit.family_rule == "aggregate" else min(own, family)


def fresh(contract: Contract, *, family: bool = False) -> Accumulators:
    """Accumulators of the contract's plan year before its first use."""
    terms = contract.terms
    return Accumulators(terms.plan, terms.accumulation, IndividualUse(), FamilyUse() if family else None)


def counter(used: IndividualUse, category: str, limit: BenefitLimit, day: str) -> Counter:
    """The counter of a category for the limit's period around `day`; a new one if there is none."""
    period = {"plan-year": "plan-year", "month": day[:7], "day": day}[limit.period]
    same = (item for item in used.counters if (item.category, item.period) == (category, period))
    return next(same, Counter(category, period))


def authorization_used(used: IndividualUse, number: str) -> int:
    """The thousandths of units that are already used of an authorisation."""
    return sum(item.units_thousandths for item in used.authorizations if item.number == number)


def count_line(
    used: Accumulators,
    line: Line,
    terms: Terms,
    owed: Shares,
    granted_cents: int,
    authorization: Authorization | None,
) -> Accumulators:
    """The accumulators after a line: its shares, its category's counters and its authorised units.

    `granted_cents` is what the category's limits allow. `authorization` is the one that the line needs.
    """
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
    category = terms.category_name(line.token)
    if category is not None and granted_cents > 0:
        for limit in terms.category(line.token).limits:
            old = counter(own, category, limit, line.start)
            new = Counter(
                category,
                old.period,
                tuple(sorted({*old.dates, line.start})),
                old.amount_cents + granted_cents,
            )
            others = [item for item in own.counters if (item.category, item.period) != (category, old.period)]
            counters = sorted([*others, new], key=lambda item: (item.category, item.period))
            own = replace(own, counters=tuple(counters))
    if authorization is not None:
        units = authorization_used(own, authorization.number) + line.units_thousandths
        uses = [item for item in own.authorizations if item.number != authorization.number]
        uses.append(AuthorizationUse(authorization.number, units))
        own = replace(own, authorizations=tuple(sorted(uses, key=lambda use: use.number)))
    return replace(used, individual=own, family=family)


def next_versions(before: Accumulators, after: Accumulators) -> Accumulators:
    """`after` with the next version of each part that changed, so that only those parts are written."""
    own, family = after.individual, after.family
    if own != before.individual:
        own = replace(own, version=own.version + 1)
    if family is not None and family != before.family:
        family = replace(family, version=family.version + 1)
    return replace(after, individual=own, family=family)
