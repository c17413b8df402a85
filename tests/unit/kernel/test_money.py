"""Money: integer cents, nothing rounded away unseen."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.kernel.errors import Invalid
from carevouch.kernel.jsontext import Number
from carevouch.kernel.money import MAX_CENTS, cents, decimal_text, round_half_up


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("0", 0),
        ("1.5", 150),
        ("1.50", 150),
        ("-0.05", -5),
        ("1e2", 10_000),
        ("1E-2", 1),
        (".5", 50),
        ("12.", 1200),
        ("1.500000", 150),
        ("0e999999", 0),
        ("-0", 0),
        (7, 700),
        (Decimal("19.99"), 1999),
        (Number("100000000000.00"), MAX_CENTS),
    ],
)
def test_whole_cents_are_taken_exactly(amount: Decimal | int | str, expected: int) -> None:
    assert cents(amount) == expected


@pytest.mark.parametrize(
    "amount",
    [
        "0.001",
        "1.005",
        "1e-3",
        "1e-999999",
        "1.0000000000000000000000000000000000001",
        "100000000000.01",
        "1e12",
        "1e999999",
        "-100000000001",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        "",
        " 1",
        "1 ",
        "1_000",
        "1,5",
        "\u0661",
        "0x10",
        "ten",
        "--1",
    ],
)
def test_what_is_no_amount_in_cents_is_refused(amount: str) -> None:
    with pytest.raises(Invalid, match=r"^Claim\.total"):
        cents(amount, "Claim.total")


@pytest.mark.parametrize(
    "amount", [Decimal("NaN"), Decimal("Infinity"), Decimal("1E+999999"), Number("9e999999")]
)
def test_a_decimal_that_is_no_amount_is_refused_and_does_not_crash(amount: Decimal) -> None:
    with pytest.raises(Invalid):
        cents(amount)


@given(st.integers(-MAX_CENTS, MAX_CENTS))
def test_cents_survive_being_written_and_read(amount_cents: int) -> None:
    assert cents(decimal_text(amount_cents)) == amount_cents


@pytest.mark.parametrize(
    ("amount_cents", "text"), [(12345, "123.45"), (-5, "-0.05"), (0, "0.00"), (100, "1.00")]
)
def test_amounts_are_written_with_two_decimals(amount_cents: int, text: str) -> None:
    assert decimal_text(amount_cents) == text


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"), [(1, 2, 1), (3, 2, 2), (49, 100, 0), (50, 100, 1), (0, 7, 0)]
)
def test_a_half_is_rounded_up(numerator: int, denominator: int, rounded: int) -> None:
    assert round_half_up(numerator, denominator) == rounded


@given(st.integers(0, 10**18), st.integers(1, 10**9))
def test_rounding_is_never_off_by_more_than_a_half(numerator: int, denominator: int) -> None:
    error = round_half_up(numerator, denominator) - Fraction(numerator, denominator)
    assert Fraction(-1, 2) < error <= Fraction(1, 2)


@pytest.mark.parametrize(("numerator", "denominator"), [(-1, 2), (1, 0), (1, -2)])
def test_rounding_outside_its_domain_is_our_own_bug(numerator: int, denominator: int) -> None:
    with pytest.raises(ValueError, match="non-negative"):
        round_half_up(numerator, denominator)
