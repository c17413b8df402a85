"""Money: integer cents in one currency, and the one rounding function of the project.

No floats. Amounts arrive as decimals with at most two fraction digits and leave the same way.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from shared.kernel.errors import Invalid

# A hundred billion in cents: above every real claim, far below 2^53.
MAX_CENTS = 10**13


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in cents of `currency` (ISO 4217)."""

    cents: int
    currency: str = "USD"


def round_half_up(numerator: int, denominator: int) -> int:
    """numerator / denominator, rounded half up, for a non-negative numerator and a positive denominator.

    >>> round_half_up(3333 * 2000, 10000)  # 20 % of 33.33 is 6.67
    667
    """
    if numerator < 0 or denominator <= 0:
        raise ValueError("round_half_up is defined for a non-negative numerator and a positive denominator")
    return (2 * numerator + denominator) // (2 * denominator)


def cents(amount: Decimal | int | str, what: str = "amount") -> int:
    """Whole cents of a decimal amount; raises `Invalid` for fractions of a cent, NaN or absurd sizes."""
    try:
        exact = Decimal(amount) * 100
        whole = int(exact)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise Invalid(f"{what} is not an amount of money") from error
    if exact != whole:
        raise Invalid(f"{what} has a fraction of a cent; money is given with at most two decimals")
    if abs(whole) > MAX_CENTS:
        raise Invalid(f"{what} is larger than {MAX_CENTS // 100}")
    return whole


def decimal_text(amount_cents: int) -> str:
    """`12345` as `123.45`, `-5` as `-0.05`: how FHIR and X12 write it."""
    sign = "-" if amount_cents < 0 else ""
    return f"{sign}{abs(amount_cents) // 100}.{abs(amount_cents) % 100:02d}"
