"""Money: integer cents, and the one rounding function of the project.

No floats. Amounts arrive as decimals with at most two fraction digits and leave the same way.
"""

import re
from decimal import Decimal

from carevouch.kernel.errors import Invalid

# A hundred billion in cents: above every real claim, far below 2^53.
MAX_CENTS = 10**13
# `Decimal` also accepts white space, underscores, other scripts' digits and words such as Infinity.
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def round_half_up(numerator: int, denominator: int) -> int:
    """numerator / denominator, rounded half up, for a non-negative numerator and a positive denominator.

    >>> round_half_up(3333 * 2000, 10000)  # 20 % of 33.33 is 6.67
    667
    """
    if numerator < 0 or denominator <= 0:
        raise ValueError("round_half_up is defined for a non-negative numerator and a positive denominator")
    return (2 * numerator + denominator) // (2 * denominator)


def cents(amount: Decimal | int | str, what: str = "amount") -> int:
    """The cents of a decimal amount; raises `Invalid` for a fraction of a cent, NaN or a huge amount."""
    if isinstance(amount, str) and not _DECIMAL.fullmatch(amount):
        raise Invalid(f"{what} is not an amount of money such as 123.45")
    exact = Decimal(amount)
    if not exact.is_finite():
        raise Invalid(f"{what} is not an amount of money such as 123.45")
    if exact.copy_abs() > MAX_CENTS // 100:
        raise Invalid(f"{what} is larger than {MAX_CENTS // 100}")
    return _whole_cents(exact, what)


def _whole_cents(exact: Decimal, what: str) -> int:
    # By digits and exponent, not by arithmetic: a decimal context would round away a 29th digit.
    negative, digits, exponent = exact.as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    places = int(exponent) + len(digits) - len(text) + 2
    if text and places < 0:
        raise Invalid(f"{what} has a fraction of a cent; money is given with at most two decimals")
    whole = int(text) * 10**places if text else 0
    return -whole if negative else whole


def decimal_text(amount_cents: int) -> str:
    """`12345` as `123.45`, and `-5` as `-0.05`, as FHIR and X12 write money."""
    sign = "-" if amount_cents < 0 else ""
    return f"{sign}{abs(amount_cents) // 100}.{abs(amount_cents) % 100:02d}"
