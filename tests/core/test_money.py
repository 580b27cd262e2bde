"""Rounding, digits of currencies, and amounts as text."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.money import ZERO, Currency, amount_text, round_money, total

AMOUNTS = st.decimals(-(10**12), 10**12, places=6)


@pytest.mark.parametrize(
    ("amount", "digits", "rounded"),
    [
        ("1.005", 2, "1.01"),
        ("-1.005", 2, "-1.01"),
        ("1.0049999", 2, "1.00"),
        ("2.5", 0, "3"),
        ("3.5", 0, "4"),
        ("1.0005", 3, "1.001"),
        ("7", 2, "7.00"),
        ("0", 2, "0.00"),
        ("0.000005", 5, "0.00001"),
        ("1e-30", 2, "0.00"),
    ],
)
def test_an_amount_is_rounded_half_up_away_from_zero(amount: str, digits: int, rounded: str) -> None:
    assert str(round_money(Decimal(amount), digits)) == rounded


def test_an_amount_with_more_digits_than_the_decimal_context_has_is_rounded() -> None:
    assert round_money(Decimal("123456789012345678901234567890.125"), 2) == Decimal("123456789012345678901234567890.13")


def test_the_largest_quotient_that_amounts_can_give_is_rounded() -> None:
    largest, smallest = Decimal(10**12), Decimal("1e-20")
    assert round_money(largest * largest / smallest, 3) == Decimal("1e44")


@given(AMOUNTS, st.integers(0, 5))
def test_rounding_moves_an_amount_by_half_a_unit_at_most(amount: Decimal, digits: int) -> None:
    assert abs(round_money(amount, digits) - amount) <= Decimal(5).scaleb(-digits - 1)


@given(AMOUNTS, st.integers(0, 5))
def test_rounding_twice_is_rounding_once(amount: Decimal, digits: int) -> None:
    once = round_money(amount, digits)
    assert round_money(once, digits) == once


@given(AMOUNTS, st.integers(0, 5))
def test_rounding_treats_both_signs_alike(amount: Decimal, digits: int) -> None:
    assert round_money(-amount, digits) == -round_money(amount, digits)


@pytest.mark.parametrize(
    ("code", "digits"),
    [("USD", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0), ("ISK", 0), ("KWD", 3), ("TND", 3), ("XYZ", 2), ("", 2)],
)
def test_a_currency_has_the_digits_of_its_minor_unit(code: str, digits: int) -> None:
    assert Currency(code).digits == digits


@given(st.lists(AMOUNTS, max_size=30))
def test_amounts_add_up_to_the_same_in_any_order(amounts: list[Decimal]) -> None:
    assert total(reversed(amounts)) == total(sorted(amounts))


def test_no_amounts_add_up_to_zero() -> None:
    assert total([]) == ZERO


@pytest.mark.parametrize(
    ("amount", "digits", "text"),
    [("1E+3", 2, "1000.00"), ("1E-7", 2, "0.00"), ("12.345", 2, "12.35"), ("980", 0, "980"), ("-0.5", 3, "-0.500")],
)
def test_an_amount_is_written_for_people_without_an_exponent(amount: str, digits: int, text: str) -> None:
    assert amount_text(Decimal(amount), digits) == text
