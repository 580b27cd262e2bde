"""What was paid for each line and charge, however an order states it, and what is said where it does not add up."""

from decimal import Decimal
from typing import Any

import pytest
from builders import a_discount, a_line, an_order, numbered, read
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.money import ZERO, round_money, total
from bcpoll.core.order import Json
from bcpoll.core.parts import Gap, Parts, apportion, reckon, with_adjustment
from bcpoll.core.shop import Charge

MODES = pytest.mark.parametrize("inclusive", [False, True], ids=["tax excluded", "tax included"])


def parts_of(raw: Json, digits: int = 2) -> Parts:
    parts = reckon(read(raw), digits)
    assert isinstance(parts, Parts), str(parts)
    return parts


def gap_of(raw: Json, digits: int = 2) -> Gap:
    gap = reckon(read(raw), digits)
    assert isinstance(gap, Gap), gap
    return gap


def adjusted(raw: Json, digits: int = 2) -> Parts | Gap:
    return with_adjustment(read(raw), gap_of(raw, digits))


def rows(parts: Parts) -> list[tuple[str, str, str]]:
    return [(part.name, f"{part.paid:f}", f"{part.tax:f}") for part in parts.parts]


def old(raw: Json) -> Json:
    """The order as payloads from before September 2023 have it: no line says what was paid for it."""
    lines = [{k: v for k, v in line.items() if k != "discounted_total_inc_tax"} for line in _lines(raw)]
    return raw | {"products": lines}


def taxed_before_discount(raw: Json) -> Json:
    """The order as payloads of the first years have it: line taxes are those before discounts."""
    lines = [
        line | {"total_tax": str(Decimal(line["total_inc_tax"]) - Decimal(line["total_ex_tax"]))}
        for line in _lines(raw)
    ]
    return old(raw | {"products": lines})


def _lines(raw: Json) -> list[Json]:
    own = raw["products"]
    return own if isinstance(own, list) else raw["consignments"]["shipping"][0]["line_items"]


# --- the plain order, in both modes ----------------------------------------------------------------------------------


def test_prices_without_tax_are_paid_with_it() -> None:
    raw = an_order(a_line(price="10.00", quantity=2, rate="0.10"), shipping=("5.00", "0.10"))
    assert rows(parts_of(raw)) == [("Mug", "22.00", "2.00"), ("Shipping", "5.50", "0.50")]


def test_prices_with_tax_are_paid_as_they_are() -> None:
    raw = an_order(
        a_line(price="11.00", quantity=2, rate="0.10", inclusive=True), shipping=("5.50", "0.10"), inclusive=True
    )
    assert rows(parts_of(raw)) == [("Mug", "22.00", "2.00"), ("Shipping", "5.50", "0.50")]


@MODES
def test_parts_come_to_the_total_and_the_tax_of_the_order(inclusive: bool) -> None:  # noqa: FBT001
    line = a_line(price="19.99", quantity=3, rate="0.20", off="7.77", inclusive=inclusive)
    raw = an_order(line, inclusive=inclusive, shipping=("4.95", "0.20"), handling="1.00", wrapping=("2.50", "0.20"))
    parts = parts_of(raw)
    assert parts.total == total(part.paid for part in parts.parts) == Decimal(raw["total_inc_tax"])
    assert parts.tax == total(part.tax for part in parts.parts) == Decimal(raw["total_tax"])


@MODES
@pytest.mark.parametrize("flag", [True, False, None])
@pytest.mark.parametrize("age", [lambda raw: raw, old], ids=["new", "old"])
def test_the_tax_flag_is_not_trusted(inclusive: bool, flag: bool | None, age: Any) -> None:  # noqa: FBT001
    line = a_line(price="20.00", quantity=2, rate="0.10", off="4.00", inclusive=inclusive)
    raw = age(an_order(line, inclusive=inclusive, shipping=("5.00", "0.10")))
    assert rows(parts_of(raw | {"is_tax_inclusive_pricing": flag})) == rows(parts_of(raw))


@MODES
def test_an_old_order_is_reckoned_from_line_totals_discounts_and_tax(inclusive: bool) -> None:  # noqa: FBT001
    lines = numbered(
        a_line(price="30.00", rate="0.10", off="3.00", inclusive=inclusive),
        a_line(price="12.00", quantity=2, rate="0.20", inclusive=inclusive),
    )
    raw = an_order(*lines, inclusive=inclusive, shipping="6.00")
    assert rows(parts_of(old(raw))) == rows(parts_of(raw))


@MODES
def test_line_taxes_from_before_the_discount_are_brought_down(inclusive: bool) -> None:  # noqa: FBT001
    line = a_line(price="110.00", rate="0.10", off="11.00", inclusive=inclusive)
    raw = an_order(line, inclusive=inclusive)
    assert rows(parts_of(taxed_before_discount(raw))) == rows(parts_of(raw))


@MODES
def test_line_taxes_from_before_the_discount_are_brought_down_line_by_line(inclusive: bool) -> None:  # noqa: FBT001
    lines = numbered(
        a_line(price="36.00", rate="0.10", off="3.60", inclusive=inclusive),
        a_line(price="38.00", rate="0.20", inclusive=inclusive),
    )
    raw = an_order(*lines, inclusive=inclusive)
    assert rows(parts_of(taxed_before_discount(raw))) == rows(parts_of(raw))


@MODES
def test_line_taxes_from_before_a_discount_that_no_line_shows_are_brought_down(inclusive: bool) -> None:  # noqa: FBT001
    price, coupon = ("22.00", "11.00") if inclusive else ("20.00", "10.00")
    lines = numbered(*(a_line(price=price, rate="0.10", inclusive=inclusive) for _ in range(2)))
    raw = an_order(*lines, inclusive=inclusive, coupon_rest=coupon, rest_tax="1.00")
    assert rows(parts_of(taxed_before_discount(raw))) == [("Mug", "16.50", "1.50"), ("Mug", "16.50", "1.50")]


@pytest.mark.parametrize(
    ("inclusive", "expected"),
    [
        (False, [("Mug", "1.04", "0.05"), ("Mug", "1.05", "0.05")]),
        (True, [("Mug", "1.05", "0.05"), ("Mug", "1.04", "0.05")]),
    ],
    ids=["tax excluded", "tax included"],
)
def test_of_readings_that_need_rounding_to_hold_the_one_of_the_order_s_own_tax_mode_counts(
    inclusive: bool,  # noqa: FBT001
    expected: list[tuple[str, str, str]],
) -> None:
    amounts = {
        "total_tax": "0.0449",
        "discounted_total_inc_tax": "1.0449",
        "total_ex_tax": "1",
        "total_inc_tax": "1.0449",
    }
    lines = numbered(*(a_line() | amounts for _ in range(2)))
    raw = an_order(*lines, inclusive=inclusive) | {"total_tax": "0.1000", "total_inc_tax": "2.0900"}
    assert rows(parts_of(raw)) == expected


def test_prices_without_tax_may_be_all_that_holds_of_an_old_order() -> None:
    lines = numbered(*(a_line(price="1.00", rate="0.0449", tax_digits=4, total_inc_tax="1.0500") for _ in range(3)))
    raw = old(an_order(*lines)) | {"total_tax": "0.1400", "total_inc_tax": "3.1400"}
    assert rows(parts_of(raw)) == [("Mug", "1.05", "0.05"), ("Mug", "1.05", "0.05"), ("Mug", "1.04", "0.04")]


def test_a_line_may_be_free_of_the_tax_in_its_prices_beside_one_that_is_not() -> None:
    exempt = a_line(name="Exempt", price="10.00", rate="0.10", total_tax="0", discounted_total_inc_tax="10.0000")
    raw = an_order(*numbered(a_line(price="10.00", rate="0.10"), exempt))
    assert rows(parts_of(raw)) == [("Mug", "11.00", "1.00"), ("Exempt", "10.00", "0.00")]


TAX_ALONE = a_line(
    name="Tax", total_ex_tax="0.0000", total_inc_tax="1.0000", total_tax="1.0000", discounted_total_inc_tax="1.0000"
)


def test_a_line_may_be_nothing_but_tax() -> None:
    assert rows(parts_of(an_order(TAX_ALONE) | {"total_inc_tax": "1.0000"})) == [("Tax", "1.00", "1.00")]


def test_a_line_of_nothing_but_tax_is_not_read_without_it() -> None:
    raw = an_order(*numbered(a_line(price="10.00", rate="0.10"), TAX_ALONE))
    assert gap_of(raw | {"total_tax": "1.0000", "total_inc_tax": "12.0000"}).source == "tax"


def test_a_discounted_total_that_does_not_hold_gives_way_to_the_computed_one() -> None:
    line = a_line(price="20.00", rate="0.10", off="5.00")
    raw = an_order(line) | {"products": [line | {"discounted_total_inc_tax": "22.0000"}]}
    assert rows(parts_of(raw)) == [("Mug", "16.50", "1.50")]


def test_what_a_line_says_was_paid_counts_more_than_what_is_computed() -> None:
    dear, cheap = numbered(a_line(name="Dear", price="30.00"), a_line(name="Cheap", price="10.00"))
    raw = an_order(dear, cheap, coupon_rest="4.00")
    told = raw | {"products": [dear, cheap | {"discounted_total_inc_tax": "6.0000"}]}
    assert rows(parts_of(told)) == [("Dear", "30.00", "0.00"), ("Cheap", "6.00", "0.00")]


def test_prices_without_tax_count_although_the_taxed_ones_are_estimated() -> None:
    raw = an_order(shipping=("5.00", "0.10")) | {"shipping_cost_inc_tax": "5.4900"}
    assert rows(parts_of(raw))[1] == ("Shipping", "5.50", "0.50")


def test_prices_with_tax_count_although_the_untaxed_ones_are_estimated() -> None:
    raw = an_order(a_line(inclusive=True), shipping=("5.50", "0.10"), inclusive=True)
    assert rows(parts_of(raw | {"shipping_cost_ex_tax": "4.9900"}))[1] == ("Shipping", "5.50", "0.50")


def test_a_free_order_has_free_parts() -> None:
    parts = parts_of(an_order(a_line(price="0")))
    assert rows(parts) == [("Mug", "0.00", "0.00")]
    assert (parts.total, parts.tax) == (ZERO, ZERO)


def test_a_line_of_no_units_is_left_out() -> None:
    lines = numbered(a_line(), a_line(name="Gone", quantity=0))
    assert rows(parts_of(an_order(*lines))) == [("Mug", "10.00", "0.00")]


def test_an_order_of_nothing_adds_up() -> None:
    parts = parts_of(an_order(a_line(quantity=0)))
    assert (parts.parts, parts.total, parts.tax) == ((), ZERO, ZERO)


def test_each_charge_is_a_part_of_its_own() -> None:
    fees = [("Delivery fee", "1.00"), ("", "2.00")]
    parts = parts_of(an_order(shipping="5.00", handling="3.00", wrapping="4.00", fees=fees))
    assert [(part.charge, part.name, part.paid) for part in parts.parts[1:]] == [
        (Charge.SHIPPING, "Shipping", 5),
        (Charge.HANDLING, "Handling", 3),
        (Charge.WRAPPING, "Gift wrapping", 4),
        (Charge.FEE, "Delivery fee", 1),
        (Charge.FEE, "Fee", 2),
    ]


def test_a_charge_of_nothing_is_no_part() -> None:
    assert [part.charge for part in parts_of(an_order(fees=[("Waived", "0")])).parts] == [None]


# --- charges inside and outside the total ----------------------------------------------------------------------------


@MODES
def test_a_fee_inside_the_total_is_a_part(inclusive: bool) -> None:  # noqa: FBT001
    raw = an_order(a_line(inclusive=inclusive), fees=[("Delivery fee", ("2.20", "0.10"))], inclusive=inclusive)
    parts = parts_of(raw)
    assert parts.parts[-1].name == "Delivery fee"
    assert parts.remarks == ()


def test_a_fee_outside_the_total_is_left_out_with_a_remark() -> None:
    parts = parts_of(an_order(fees=[("Delivery fee", "1.50"), ("Packing", "0.50")], fees_count=False))
    assert rows(parts) == [("Mug", "10.00", "0.00")]
    assert parts.remarks == ("Fee of 2.00 is not part of the order's total.",)


def test_wrapping_inside_the_lines_is_left_out_with_a_remark() -> None:
    line = a_line(price="13.00")
    raw = an_order(line, wrapping="3.00") | {"total_ex_tax": "13.0000", "total_inc_tax": "13.0000"}
    parts = parts_of(raw)
    assert rows(parts) == [("Mug", "13.00", "0.00")]
    assert parts.remarks == ("Wrapping of 3.00 is not part of the order's total.",)


def test_fee_and_wrapping_may_both_be_outside() -> None:
    raw = an_order(wrapping="3.00", fees=[("Delivery fee", "2.00")])
    parts = parts_of(raw | {"total_ex_tax": "10.0000", "total_inc_tax": "10.0000"})
    assert rows(parts) == [("Mug", "10.00", "0.00")]
    assert len(parts.remarks) == 2


def test_only_the_fee_may_be_outside() -> None:
    raw = an_order(wrapping="3.00", fees=[("Delivery fee", "2.00")], fees_count=False)
    assert rows(parts_of(raw)) == [("Mug", "10.00", "0.00"), ("Gift wrapping", "3.00", "0.00")]


def test_handling_is_never_left_out() -> None:
    raw = an_order(handling="3.00") | {"total_ex_tax": "10.0000", "total_inc_tax": "10.0000"}
    assert gap_of(raw).difference == Decimal(-3)


# --- discounts that no line shows ------------------------------------------------------------------------------------


def test_a_shipping_coupon_is_taken_off_the_shipping() -> None:
    assert rows(parts_of(an_order(shipping="5.00", coupon_rest="2.00"))) == [
        ("Mug", "10.00", "0.00"),
        ("Shipping", "3.00", "0.00"),
    ]


def test_free_shipping_by_coupon_costs_nothing() -> None:
    assert rows(parts_of(an_order(shipping="5.00", coupon_rest="5.00")))[1] == ("Shipping", "0.00", "0.00")


@MODES
def test_a_coupon_on_taxed_shipping_takes_its_tax_off_too(inclusive: bool) -> None:  # noqa: FBT001
    amounts = {True: ("11.00", "2.20"), False: ("10.00", "2.00")}
    cost, coupon = amounts[inclusive]
    raw = an_order(
        a_line(price="22.00", rate="0.10", inclusive=inclusive),
        shipping=(cost, "0.10"),
        coupon_rest=coupon,
        rest_tax="0.20",
        inclusive=inclusive,
    )
    assert rows(parts_of(raw))[1] == ("Shipping", "8.80", "0.80")


@MODES
def test_free_taxed_shipping_by_coupon_costs_nothing(inclusive: bool) -> None:  # noqa: FBT001
    cost, tax = ("11.00", "1.00") if inclusive else ("10.00", "1.00")
    raw = an_order(
        a_line(inclusive=inclusive), shipping=(cost, "0.10"), coupon_rest=cost, rest_tax=tax, inclusive=inclusive
    )
    assert rows(parts_of(raw))[1] == ("Shipping", "0.00", "0.00")


@MODES
def test_shipping_may_be_stated_with_the_tax_that_its_coupon_left(inclusive: bool) -> None:  # noqa: FBT001
    cost, coupon = ("11.00", "5.50") if inclusive else ("10.00", "5.00")
    stated = {"shipping_cost_tax": "0.5000", "shipping_cost_inc_tax": "11.0000" if inclusive else "10.5000"}
    raw = an_order(
        a_line(price="22.00", rate="0.10", inclusive=inclusive),
        shipping=(cost, "0.10"),
        coupon_rest=coupon,
        rest_tax="0.50",
        inclusive=inclusive,
    )
    lines = rows(parts_of(raw))[:1]
    assert rows(parts_of(raw | stated)) == [*lines, ("Shipping", "5.50", "0.50")]


@MODES
def test_many_lines_do_not_hide_which_tax_shipping_is_stated_with(inclusive: bool) -> None:  # noqa: FBT001
    """What rounding may cost grows with the lines, but a reading that needs none of that comes first."""
    cost, coupon = ("11.00", "5.50") if inclusive else ("10.00", "5.00")
    stated = {"shipping_cost_tax": "0.5000", "shipping_cost_inc_tax": "11.0000" if inclusive else "10.5000"}
    lines = numbered(*(a_line(price="22.00", rate="0.10", inclusive=inclusive) for _ in range(52)))
    raw = an_order(
        *lines, shipping=(cost, "0.10"), coupon_rest=coupon, rest_tax="0.50", inclusive=inclusive, items_total=52
    )
    sold = rows(parts_of(raw | stated))
    assert sold[-1] == ("Shipping", "5.50", "0.50")
    assert len({*sold[:-1]}) == 1


def test_shipping_that_already_is_net_of_its_coupon_is_left_alone() -> None:
    raw = an_order(shipping="3.00") | {"coupon_discount": "2.0000"}
    assert rows(parts_of(raw))[1] == ("Shipping", "3.00", "0.00")


def test_shipping_that_is_nothing_but_tax_is_no_obstacle() -> None:
    raw = an_order(a_line(), a_line(id=2), coupon_rest="4.00")
    taxed = {"shipping_cost_tax": "1.0000", "total_tax": "1.0000", "total_inc_tax": "17.0000"}
    assert rows(parts_of(raw | taxed)) == [
        ("Mug", "8.00", "0.00"),
        ("Mug", "8.00", "0.00"),
        ("Shipping", "1.00", "1.00"),
    ]


def test_a_discount_that_no_line_shows_is_spread_over_the_lines() -> None:
    lines = numbered(a_line(name="Dear", price="30.00"), a_line(name="Cheap", price="10.00"))
    assert rows(parts_of(old(an_order(*lines, coupon_rest="4.00")))) == [
        ("Dear", "27.00", "0.00"),
        ("Cheap", "9.00", "0.00"),
    ]


def test_a_discount_is_spread_over_what_lines_say_was_paid() -> None:
    lines = numbered(a_line(name="Dear", price="30.00"), a_line(name="Cheap", price="10.00"))
    lines[0] |= {"discounted_total_inc_tax": "27.0000"}
    raw = an_order(*lines) | {"coupon_discount": "4.0000", "total_inc_tax": "33.0000", "total_ex_tax": "33.0000"}
    assert rows(parts_of(raw)) == [("Dear", "24.00", "0.00"), ("Cheap", "9.00", "0.00")]


def test_a_discount_that_only_lines_show_is_added_to_nothing() -> None:
    raw = an_order(a_line(price="20.00", off="5.00"), shipping="5.00") | {"coupon_discount": "0.0000"}
    assert gap_of(raw | {"total_inc_tax": "25.0000", "total_ex_tax": "25.0000"}).difference == Decimal(5)


def test_a_discount_is_spread_by_net_prices_where_prices_exclude_tax() -> None:
    lines = numbered(a_line(name="Free of tax", price="100.00"), a_line(name="Taxed", price="100.00", rate="0.20"))
    lines[1] |= {"total_tax": "10.0000"}
    raw = old(an_order(*lines, coupon_rest="100.00"))
    assert rows(parts_of(raw)) == [("Free of tax", "50.00", "0.00"), ("Taxed", "60.00", "10.00")]


def test_a_discount_that_lines_show_is_not_taken_twice() -> None:
    line = a_line(price="20.00", off=[a_discount("2.00"), a_discount("1.00", code=None)])
    assert rows(parts_of(old(an_order(line)))) == [("Mug", "17.00", "0.00")]


def test_coupons_and_manual_discounts_are_taken_together() -> None:
    line = a_line(price="110.00", rate="0.10", off=[a_discount("11.00"), a_discount("11.00", code=None)])
    raw = an_order(line)
    assert rows(parts_of(taxed_before_discount(raw))) == [("Mug", "96.80", "8.80")]


def test_a_manual_discount_that_no_line_shows_is_found_beside_a_coupon_that_a_line_shows() -> None:
    line = a_line(price="20.00", off="2.00")
    raw = an_order(line) | {"discount_amount": "3.0000", "total_ex_tax": "15.0000", "total_inc_tax": "15.0000"}
    assert rows(parts_of(old(raw))) == [("Mug", "15.00", "0.00")]


# --- tenders that were taken off the total ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("certificate", "credit"), [("6.0000", "0.0000"), ("0.0000", "6.0000"), ("3.0000", "3.0000"), ("5.0000", "1.0000")]
)
def test_a_total_may_be_what_was_left_to_pay(certificate: str, credit: str) -> None:
    tenders = {"gift_certificate_amount": certificate, "store_credit_amount": credit}
    parts = parts_of(
        an_order(a_line(price="20.00")) | tenders | {"total_ex_tax": "14.0000", "total_inc_tax": "14.0000"}
    )
    assert (parts.total, rows(parts)) == (20, [("Mug", "20.00", "0.00")])


def test_a_total_that_tenders_left_as_it_is_stays_so() -> None:
    assert parts_of(an_order(a_line(price="20.00"), gift_certificate_amount="6.0000")).total == 20


# --- cents -----------------------------------------------------------------------------------------------------------


def test_fractions_of_a_cent_come_to_the_total_of_the_order() -> None:
    lines = numbered(*(a_line(name=name, price="3.3333") for name in "ABC"))
    parts = parts_of(an_order(*lines))
    assert [part.paid for part in parts.parts] == [Decimal("3.34"), Decimal("3.33"), Decimal("3.33")]
    assert parts.total == Decimal("10.00")


def test_fractions_of_a_cent_of_tax_come_to_the_tax_of_the_order() -> None:
    lines = numbered(*(a_line(name=name, price="9.99", rate="0.0825", tax_digits=4) for name in "ABC"))
    parts = parts_of(an_order(*lines))
    assert [part.tax for part in parts.parts] == [Decimal("0.83"), Decimal("0.82"), Decimal("0.82")]
    assert parts.tax == Decimal("2.47")


def test_tax_that_was_rounded_per_order_is_near_enough() -> None:
    lines = numbered(*(a_line(price="1.00", rate="0.0449", tax_digits=4) for _ in range(3)))
    raw = an_order(*lines) | {"total_tax": "0.1400", "total_inc_tax": "3.1400"}
    assert parts_of(raw).tax == Decimal("0.14")


@pytest.mark.parametrize(
    ("lines", "off", "near"),
    [
        (1, "0.01", True),
        (1, "0.02", False),
        (2, "0.01", True),
        (4, "0.02", True),
        (4, "0.03", False),
        (0, "0.01", False),
    ],
)
def test_tax_may_be_off_by_a_cent_or_half_a_cent_for_each_part(lines: int, off: str, near: bool) -> None:  # noqa: FBT001
    sold = [a_line(price="10.00", rate="0.10", inclusive=True) for _ in range(lines)]
    raw = an_order(*numbered(*sold, a_line(inclusive=True)), inclusive=True)
    told = raw | {"total_tax": str(Decimal(raw["total_tax"]) + Decimal(off))}
    assert isinstance(reckon(read(told), 2), Parts) is near


def test_tax_that_is_further_off_than_rounding_goes_is_a_gap() -> None:
    raw = an_order(a_line(price="100.00", rate="0.10")) | {"total_tax": "9.9800"}
    assert gap_of(raw).source == "tax"


def test_tax_of_less_than_a_cent_is_none() -> None:
    lines = numbered(a_line(name="Free", price="0.004", rate="0"), a_line(name="Taxed", price="1.00", rate="0.10"))
    assert rows(parts_of(an_order(*lines))) == [("Free", "0.00", "0.00"), ("Taxed", "1.10", "0.10")]


def test_a_part_has_no_more_tax_than_was_paid_for_it() -> None:
    lines = numbered(*(a_line(price="0.0006", rate="4", tax_digits=4) for _ in range(2)))
    raw = an_order(*lines) | {"total_tax": "0.0100"}
    parts = parts_of(raw)
    assert all(part.tax <= part.paid for part in parts.parts)
    assert parts.tax == total(part.tax for part in parts.parts)


@pytest.mark.parametrize(
    ("digits", "price", "paid"), [(0, "1234", "1234"), (3, "1.2345", "1.235"), (2, "1.2345", "1.23")]
)
def test_parts_have_the_digits_of_the_currency(digits: int, price: str, paid: str) -> None:
    assert f"{parts_of(an_order(a_line(price=price)), digits).parts[0].paid:f}" == paid


AMOUNTS = st.lists(st.decimals(0, 1000, places=4), min_size=1, max_size=20)


@given(AMOUNTS)
def test_cents_add_up_to_the_rounded_sum(amounts: list[Decimal]) -> None:
    whole = round_money(total(amounts), 2)
    assert total(apportion(amounts, whole, 2)) == whole


@given(AMOUNTS)
def test_no_amount_moves_by_a_cent_or_more(amounts: list[Decimal]) -> None:
    shares = apportion(amounts, round_money(total(amounts), 2), 2)
    assert all(abs(share - amount) < Decimal("0.01") for share, amount in zip(shares, amounts, strict=True))


@given(AMOUNTS)
def test_nothing_stays_nothing(amounts: list[Decimal]) -> None:
    shares = apportion([*amounts, ZERO], round_money(total(amounts), 2), 2)
    assert shares[-1] == ZERO


@given(AMOUNTS)
def test_cents_are_shared_out_alike_in_any_order(amounts: list[Decimal]) -> None:
    whole = round_money(total(amounts), 2)
    assert sorted(apportion(amounts, whole, 2)) == sorted(apportion(amounts[::-1], whole, 2))


@pytest.mark.parametrize(
    ("amounts", "whole", "shares"),
    [
        pytest.param(["0.333", "0.333", "0.334"], "1.00", ["0.33", "0.33", "0.34"], id="a cent to the largest rest"),
        pytest.param(["0.005", "0.005"], "0.01", ["0.00", "0.01"], id="a cent taken back"),
        pytest.param(["1.00", "2.00"], "3.00", ["1.00", "2.00"], id="nothing to share out"),
        pytest.param(["0", "0.004", "0.004"], "0.01", ["0.00", "0.01", "0.00"], id="a zero stays a zero"),
        pytest.param(["0", "1.00"], "1.01", ["0.00", "1.01"], id="a zero stays a zero where nothing was rounded"),
        pytest.param(["1.00", "2.00"], "3.01", ["1.00", "2.01"], id="among equals the largest"),
        pytest.param(["0", "0"], "0.01", ["0.01", "0.00"], id="nothing but zeros"),
        pytest.param([], "0", [], id="nobody to share it"),
    ],
)
def test_cents_left_over_go_where_rounding_took_most(amounts: list[str], whole: str, shares: list[str]) -> None:
    shared = apportion([Decimal(amount) for amount in amounts], Decimal(whole), 2)
    assert [f"{share:f}" for share in shared] == shares


# --- lines that are discounted in full -------------------------------------------------------------------------------


LEFT_OVER = pytest.mark.parametrize(
    ("paid", "tax"),
    [
        ("-0.0040", "0.0000"),
        ("-0.0040", "0.0004"),
        ("0.0000", "-0.0010"),
        ("0.0010", "0.0040"),
        ("-0.0049", "-0.0049"),
        ("-0.0000", "-0.0000"),
    ],
)


@LEFT_OVER
def test_less_than_half_a_cent_below_nothing_is_nothing(paid: str, tax: str) -> None:
    free = a_line("PEN", "10.00", off="10.00", discounted_total_inc_tax=paid, total_tax=tax)
    raw = an_order(*numbered(a_line(price="20.00"), free)) | {"total_tax": "0.0000", "total_inc_tax": "20.0000"}
    assert rows(parts_of(raw)) == [("Mug", "20.00", "0.00"), ("Mug", "0.00", "0.00")]


@LEFT_OVER
def test_less_than_half_a_cent_below_nothing_is_nothing_where_only_prices_with_tax_hold(paid: str, tax: str) -> None:
    mug = a_line(price="20.00", rate="0.10", inclusive=True, total_ex_tax="18.0000")
    gift = a_line("PEN", "0", discounted_total_inc_tax=paid, total_tax=tax)
    raw = an_order(*numbered(mug, gift), inclusive=True) | {"total_tax": mug["total_tax"], "total_inc_tax": "20.0000"}
    assert rows(parts_of(raw)) == [("Mug", "20.00", "1.82"), ("Mug", "0.00", "0.00")]


@pytest.mark.parametrize(
    ("paid", "tax"), [("-0.0050", "0"), ("-0.0055", "0"), ("-0.0080", "-0.0040"), ("-0.0100", "0")]
)
def test_half_a_cent_below_nothing_is_no_line_of_a_sale(paid: str, tax: str) -> None:
    free = a_line("PEN", "0", total_ex_tax=paid, total_inc_tax=paid, discounted_total_inc_tax=paid, total_tax=tax)
    raw = an_order(*numbered(a_line(price="20.0050"), free)) | {"total_tax": "0.0000"}
    total_of = str(Decimal("20.0050") + Decimal(paid))
    assert gap_of(raw | {"total_inc_tax": total_of, "total_ex_tax": total_of}).suspects == ('the line "Mug" (PEN)',)


def test_a_cent_that_is_left_over_is_not_taken_from_what_is_nothing() -> None:
    free = a_line("PEN", "10.00", off="10.00", discounted_total_inc_tax="-0.0040")
    raw = an_order(*numbered(a_line(price="20.0049", discounted_total_inc_tax="19.9960"), free))
    parts = parts_of(raw | {"total_inc_tax": "19.9900", "total_ex_tax": "19.9900", "is_tax_inclusive_pricing": True})
    assert rows(parts) == [("Mug", "19.99", "0.00"), ("Mug", "0.00", "0.00")]


def test_an_adjusted_order_shows_no_amount_below_nothing() -> None:
    free = a_line("PEN", "10.00", off="10.00", discounted_total_inc_tax="-0.0040")
    raw = an_order(*numbered(a_line(price="20.00"), free)) | {"total_inc_tax": "25.0000", "total_ex_tax": "25.0000"}
    parts = adjusted(raw)
    assert isinstance(parts, Parts)
    assert [str(part.paid) for part in parts.parts] == ["20.00", "0.00", "5.00"]


# --- orders that do not add up ---------------------------------------------------------------------------------------


def test_a_gap_names_both_sums() -> None:
    raw = an_order(a_line(price="100.00", rate="0.10")) | {"total_ex_tax": "90.0000", "total_inc_tax": "100.0000"}
    assert str(gap_of(raw)) == (
        "order total 100.00 (tax 10.00), parts add up to 110.00 (tax 10.00), difference -10.00 in total:"
        " look at the tax"
    )


def test_a_gap_is_written_in_the_digits_of_the_currency() -> None:
    raw = an_order(a_line(price="1000")) | {"total_inc_tax": "1250.0000"}
    assert "order total 1250 (tax 0), parts add up to 1000 (tax 0), difference 250 in" in str(gap_of(raw, 0))


def test_a_gap_in_the_tax_alone_says_so() -> None:
    raw = an_order(a_line(price="100.00", rate="0.10")) | {"total_tax": "5.0000"}
    assert (gap_of(raw).source, gap_of(raw).difference) == ("tax", Decimal(-5))


def test_a_gap_of_lines_that_do_not_come_to_the_subtotal_says_so() -> None:
    lines = numbered(a_line(price="10.00"), a_line(price="20.00"))
    raw = an_order(*lines) | {"products": lines[:1]}
    assert (gap_of(raw).source, gap_of(raw).difference) == ("lines", Decimal(20))


@pytest.mark.parametrize("estimated", [{"subtotal_inc_tax": "10.9900"}, {"subtotal_ex_tax": "9.9900"}], ids=str)
def test_a_gap_beside_lines_whose_estimated_side_is_off_is_one_of_the_total(estimated: Json) -> None:
    raw = an_order(a_line(price="10.00", rate="0.10")) | estimated
    assert gap_of(raw | {"total_inc_tax": "15.0000"}).source == "total"


def test_totals_that_were_overridden_are_a_gap() -> None:
    raw = an_order(a_line(price="100.00", rate="0.0762")) | {"total_ex_tax": "107.6200", "total_tax": "0.0000"}
    assert gap_of(raw).source == "tax"


def test_an_order_without_tax_has_none_in_what_was_paid_for_its_lines() -> None:
    raw = an_order(a_line(price="361.95")) | {"total_tax": "0.0000"}
    line = a_line(price="361.95") | {"total_ex_tax": "336.3200"}
    assert str(gap_of(raw | {"products": [line]})) == (
        "order total 361.95 (tax 0.00), parts add up to 361.95 (tax 25.63), difference -25.63 in tax:"
        ' look at the tax on the line "Mug" (MUG-BLUE)'
    )


def test_an_order_without_tax_may_have_had_some_in_what_was_given_away() -> None:
    lines = numbered(a_line(price="5.00"), a_line(name="Gift", price="10.00", rate="0.10", off="10.00"))
    assert rows(parts_of(an_order(*lines))) == [("Mug", "5.00", "0.00"), ("Gift", "0.00", "0.00")]


def test_an_order_without_tax_may_have_too_little_in_each_line_to_show() -> None:
    lines = numbered(*(a_line(price="0.09", rate="0.05") for _ in range(3)))
    assert parts_of(an_order(*lines)).tax == ZERO


def test_a_discount_that_is_in_no_total_is_a_gap() -> None:
    raw = an_order(a_line(price="20.00", off="5.00")) | {"total_ex_tax": "20.0000", "total_inc_tax": "20.0000"}
    assert gap_of(raw).difference == Decimal(5)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"total_tax": "30.0000", "discounted_total_inc_tax": "10.0000"}, id="more tax than was paid"),
        pytest.param({"total_tax": "-1.0000"}, id="negative tax"),
        pytest.param(
            {"discounted_total_inc_tax": "-10.0000", "total_ex_tax": "-10", "total_inc_tax": "-10"}, id="negative"
        ),
        pytest.param({"quantity": 0}, id="paid for no units"),
    ],
)
def test_a_line_that_cannot_be_one_of_a_sale_is_a_gap(changes: Json) -> None:
    line = a_line() | changes
    sums = {"total_inc_tax": line["discounted_total_inc_tax"], "total_tax": line["total_tax"]}
    assert isinstance(gap_of(an_order(line) | sums), Gap)


MUG_AND_CUP = numbered(
    a_line("MUG", "10.00", name="Mug", rate="0.10", off=[a_discount("1.50", "SPRING")]),
    a_line("CUP", "7.00", name="Cup", off=[a_discount("0.75", None, "Bulk")]),
)


@pytest.mark.parametrize(
    ("changes", "off", "suspects"),
    [
        pytest.param({"shipping": "4.40"}, "-4.40", ("the shipping",), id="a charge that the total leaves out"),
        pytest.param({"shipping": ("4.00", "0.10")}, "4.40", ("the shipping",), id="a charge that is in it twice"),
        pytest.param({"fees": [("Levy", "0.28")]}, "0.28", ('the fee "Levy"',), id="a fee"),
        pytest.param({}, "1.50", ("the coupon SPRING",), id="a coupon that is in no total"),
        pytest.param({}, "0.75", ('the discount "Bulk"',), id="a discount that is in no total"),
        pytest.param({}, "-0.85", ("the tax",), id="the tax"),
        pytest.param({}, "6.25", ('the line "Cup" (CUP)',), id="a line"),
        pytest.param({"gift_certificate_amount": "3.30"}, "3.30", ("the redeemed gift certificate",), id="certificate"),
        pytest.param({"store_credit_amount": "3.30"}, "3.30", ("the store credit",), id="store credit"),
        pytest.param({"coupon_discount": "3.30"}, "3.30", ("the coupons",), id="more coupons than lines show"),
        pytest.param({"discount_amount": "3.30"}, "3.30", ("the discount",), id="another discount than lines show"),
        pytest.param({"store_credit_amount": "3.00"}, "3.30", (), id="nothing"),
        pytest.param({"shipping": "2.00", "handling": "2.00"}, "2.00", ("the shipping", "the handling"), id="either"),
    ],
)
def test_a_gap_names_the_part_that_comes_to_the_difference(changes: Json, off: str, suspects: tuple[str, ...]) -> None:
    raw = an_order(*MUG_AND_CUP, **changes)
    changed = raw | {name: str(Decimal(raw[name]) + Decimal(off)) for name in ("total_inc_tax", "total_ex_tax")}
    assert gap_of(changed).suspects == suspects


def test_a_gap_names_whichever_of_two_parts_it_may_be() -> None:
    raw = an_order(*MUG_AND_CUP, shipping="2.00", handling="2.00") | {"total_inc_tax": "21.6000"}
    assert str(gap_of(raw)) == (
        "order total 21.60 (tax 0.85), parts add up to 19.60 (tax 0.85), difference 2.00 in total:"
        " look at the shipping or the handling"
    )


def test_a_coupon_on_several_lines_counts_as_a_whole() -> None:
    lines = numbered(a_line(off="1.50"), a_line("CUP", off="0.70"))
    raw = an_order(*lines)
    changed = raw | {"total_inc_tax": "20.0000", "total_ex_tax": "20.0000", "coupon_discount": "0.0000"}
    assert gap_of(changed).suspects == ("the coupon SPRING",)


def test_a_line_without_a_code_is_named_by_its_name_alone() -> None:
    raw = an_order(a_line("", price="5.00"), shipping="1.00")
    assert gap_of(raw | {"total_inc_tax": "11.0000", "total_ex_tax": "11.0000"}).suspects == ('the line "Mug"',)


def test_a_gap_in_the_tax_is_looked_for_in_taxes_alone() -> None:
    raw = an_order(a_line(price="100.00", rate="0.10"), shipping="5.00") | {"total_tax": "5.0000"}
    assert gap_of(raw).suspects == ()


def test_a_difference_of_less_than_a_cent_is_looked_for_nowhere() -> None:
    gap = gap_of(an_order(a_line(price="10.0040")) | {"total_inc_tax": "10.0060", "total_ex_tax": "10.0060"})
    assert (gap.difference, gap.suspects) == (Decimal("0.002"), ())


@pytest.mark.parametrize(("count", "suspects"), [(3, 3), (4, 0)])
def test_a_gap_that_many_parts_could_explain_names_none(count: int, suspects: int) -> None:
    raw = an_order(*numbered(*(a_line(price="5.00", name=f"Mug {number}") for number in range(count))))
    changed = raw | {name: str(Decimal(raw[name]) - 5) for name in ("total_inc_tax", "total_ex_tax")}
    assert len(gap_of(changed).suspects) == suspects


def test_a_gap_over_a_line_that_cannot_be_sold_names_that_line() -> None:
    gap = gap_of(an_order(a_line() | {"quantity": 0}))
    assert gap.suspects == ('the line "Mug" (MUG-BLUE)',)


def test_parts_that_add_up_say_so_in_figures() -> None:
    check = parts_of(an_order(a_line(price="100.00", rate="0.10"))).check
    assert (check.holds, check.difference) == (True, 0)
    assert str(check) == "order total 110.00 (tax 10.00), and its parts add up to that"


# --- closing the gap -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stated", "paid"), [("12.5000", "2.50"), ("8.0000", "-2.00")], ids=["too little", "too much"])
def test_an_adjustment_closes_the_gap(stated: str, paid: str) -> None:
    parts = adjusted(an_order() | {"total_ex_tax": stated, "total_inc_tax": stated})
    assert isinstance(parts, Parts)
    assert rows(parts) == [("Mug", "10.00", "0.00"), ("Adjustment to the order's total", paid, "0.00")]
    assert parts.total == Decimal(stated)
    assert parts.remarks == (f"Adjusted by {paid} to meet the order's total.",)


def test_an_adjustment_carries_the_missing_tax() -> None:
    raw = an_order(a_line(price="100.00", rate="0.10")) | {"total_inc_tax": "108.0000", "total_tax": "8.0000"}
    parts = adjusted(raw)
    assert isinstance(parts, Parts)
    assert (parts.parts[-1].charge, parts.parts[-1].paid, parts.parts[-1].tax) == (Charge.ADJUSTMENT, -2, -2)
    assert (parts.total, parts.tax) == (108, 8)


def test_an_adjusted_order_of_fractions_comes_to_its_total_in_cents() -> None:
    lines = numbered(*(a_line(price="3.3333") for _ in range(3)))
    parts = adjusted(an_order(*lines) | {"total_inc_tax": "10.5049"})
    assert isinstance(parts, Parts)
    assert total(part.paid for part in parts.parts) == parts.total == Decimal("10.50")


def test_an_adjusted_order_leaves_out_lines_of_no_units() -> None:
    lines = numbered(a_line(), a_line(quantity=0))
    parts = adjusted(an_order(*lines) | {"total_inc_tax": "11.0000"})
    assert isinstance(parts, Parts)
    assert [part.quantity for part in parts.parts] == [1, 1]


def test_a_gap_in_the_tax_alone_cannot_be_closed() -> None:
    raw = an_order(a_line(price="100.00", rate="0.10")) | {"total_tax": "5.0000"}
    assert adjusted(raw) == gap_of(raw)


def test_a_gap_over_a_line_that_cannot_be_sold_cannot_be_closed() -> None:
    raw = an_order(a_line(quantity=0) | {"total_ex_tax": "5", "discounted_total_inc_tax": "5"})
    assert adjusted(raw) == gap_of(raw)
