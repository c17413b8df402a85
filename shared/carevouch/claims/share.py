"""Steps 7 and 9 to 13: split the allowed amount between member and plan, in integer cents.

The member's share is copay, deductible and coinsurance in the contract's order; the out-of-pocket limit
then cuts those shares, again in the contract's order. There is one rounding, half up, in the coinsurance
(and in a fee for a fraction of a unit). This file must never look at a date, a code or a person: only at
amounts.
"""

from dataclasses import dataclass, replace

from carevouch.claims.contract import FULL_BP, Category, CostSharing, Limit, Share
from carevouch.claims.model import UNIT
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
