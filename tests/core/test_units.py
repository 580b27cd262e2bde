"""Unit values: five decimals per unit that come to the cents of the whole."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.money import ZERO, round_money, total
from bcpoll.core.units import UNIT_DIGITS, Units, exact_units, units


def rows(split: Sequence[Units]) -> list[tuple[int, str, str]]:
    return [(each.quantity, f"{each.price:f}", f"{each.tax:f}") for each in split]


@pytest.mark.parametrize(
    ("paid", "tax", "quantity", "digits", "expected"),
    [
        pytest.param("10.00", "0", 1, 2, [(1, "10.00000", "0.00000")], id="one for 10.00"),
        pytest.param("10.00", "0", 3, 2, [(3, "3.33333", "0.00000")], id="three for 10.00"),
        pytest.param("0.01", "0", 7, 2, [(7, "0.00143", "0.00000")], id="seven for a cent"),
        pytest.param("5.00", "0.65", 1, 2, [(1, "4.35000", "0.65000")], id="price and tax apart"),
        pytest.param("10.00", "0.91", 3, 2, [(3, "3.03000", "0.30333")], id="three with tax"),
        pytest.param("0.00", "0", 4, 2, [(4, "0.00000", "0.00000")], id="four for nothing"),
        pytest.param("-2.00", "0", 1, 2, [(1, "-2.00000", "0.00000")], id="money back"),
        pytest.param("1000", "91", 3, 0, [(3, "303.00000", "30.33333")], id="yen"),
        pytest.param("1.000", "0", 3, 3, [(3, "0.33333", "0.00000")], id="Kuwaiti dinars"),
        pytest.param("33.30", "0", 10_000, 2, [(10_000, "0.00333", "0.00000")], id="ten thousand that divide"),
        pytest.param(
            "0.01",
            "0",
            2_000,
            2,
            [(1_000, "0.00001", "0.00000"), (1_000, "0.00000", "0.00000")],
            id="too many for a cent",
        ),
        pytest.param(
            "100.01",
            "0",
            10_000,
            2,
            [(1_000, "0.01001", "0.00000"), (9_000, "0.01000", "0.00000")],
            id="ten thousand that do not divide",
        ),
        pytest.param(
            "1.010",
            "0.005",
            700,
            3,
            [(400, "0.00144", "0.00001"), (100, "0.00143", "0.00001"), (200, "0.00143", "0.00000")],
            id="price and tax that break at different units",
        ),
    ],
)
def test_what_was_paid_is_divided_over_the_units(
    paid: str, tax: str, quantity: int, digits: int, expected: list[tuple[int, str, str]]
) -> None:
    assert rows(units(Decimal(paid), Decimal(tax), quantity, digits)) == expected


DIGITS = st.sampled_from([0, 2, 3])
QUANTITIES = st.integers(1, 20_000)


@st.composite
def paid_with_tax(draw: st.DrawFn) -> tuple[Decimal, Decimal, int]:
    digits = draw(DIGITS)
    paid = draw(st.integers(0, 10**9))
    tax = draw(st.integers(0, paid))
    return Decimal(paid).scaleb(-digits), Decimal(tax).scaleb(-digits), digits


@given(paid_with_tax(), QUANTITIES)
def test_units_come_to_what_was_paid_in_cents(amounts: tuple[Decimal, Decimal, int], quantity: int) -> None:
    paid, tax, digits = amounts
    split = units(paid, tax, quantity, digits)
    assert round_money(total(each.paid for each in split), digits) == paid
    assert round_money(total(each.tax * each.quantity for each in split), digits) == tax


@given(paid_with_tax(), QUANTITIES)
def test_exact_units_come_to_what_was_paid_without_rounding(
    amounts: tuple[Decimal, Decimal, int], quantity: int
) -> None:
    paid, tax, _ = amounts
    split = exact_units(paid, tax, quantity)
    assert total(each.paid for each in split) == paid
    assert total(each.tax * each.quantity for each in split) == tax


@given(paid_with_tax(), QUANTITIES)
def test_no_unit_is_lost_or_added(amounts: tuple[Decimal, Decimal, int], quantity: int) -> None:
    paid, tax, digits = amounts
    for split in (units(paid, tax, quantity, digits), exact_units(paid, tax, quantity)):
        assert sum(each.quantity for each in split) == quantity
        assert all(each.quantity > 0 for each in split)


@given(paid_with_tax(), QUANTITIES)
def test_a_line_is_split_in_three_at_most(amounts: tuple[Decimal, Decimal, int], quantity: int) -> None:
    paid, tax, digits = amounts
    assert len(units(paid, tax, quantity, digits)) <= 3


@given(paid_with_tax(), QUANTITIES)
def test_unit_values_are_not_negative_and_have_five_decimals(
    amounts: tuple[Decimal, Decimal, int], quantity: int
) -> None:
    paid, tax, digits = amounts
    values = [value for each in units(paid, tax, quantity, digits) for value in (each.price, each.tax)]
    assert all(value >= ZERO and value == round_money(value, UNIT_DIGITS) for value in values)


@given(st.integers(1, 400), st.integers(0, 10**9))
def test_up_to_four_hundred_units_stay_one_line(quantity: int, cents: int) -> None:
    assert len(units(Decimal(cents).scaleb(-2), ZERO, quantity, 2)) == 1


@given(paid_with_tax(), QUANTITIES)
def test_money_back_is_divided_exactly_too(amounts: tuple[Decimal, Decimal, int], quantity: int) -> None:
    paid, tax, _ = amounts
    assert total(each.paid for each in exact_units(-paid, -tax, quantity)) == -paid
