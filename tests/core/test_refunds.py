"""Refunds: what comes back and for how much, to the cent, and what cannot be booked."""

from decimal import Decimal
from typing import Any

import pytest
from builders import (
    CHARGES,
    NO_TAX,
    NOTHING_KNOWN,
    TAX_5,
    TAX_10,
    a_certificate,
    a_child,
    a_discount,
    a_line,
    a_money_back,
    a_policy,
    a_refund,
    a_refund_payment,
    a_returned,
    a_shop,
    an_order,
    desired_of,
    numbered,
    read,
    reckoned,
    refund_of,
    refunded_of,
)
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.decode import decode_refund, refund_ids_of
from bcpoll.core.money import ZERO, round_money, total
from bcpoll.core.order import Refund, code_key
from bcpoll.core.refunds import gives_nothing, refund_codes, refund_content, with_refunds
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import DeclinedRefund, ProductDraft, RefundSale, ReturnedLine, SaleState
from bcpoll.core.shop import Charge, Tenders
from bcpoll.core.translate import not_wanted

MUGS = an_order(a_line(price="10.00", quantity=3, rate="0.1"), shipping=("5.00", "0.1"), handling="2.00")


def lines_of(refund: RefundSale) -> list[tuple[str, int, str, str]]:
    return [(line.code, line.quantity, f"{line.unit_price:.2f}", f"{line.unit_tax:.2f}") for line in refund.sale.lines]


def rejected(raw: Any, refund: Any, **more: Any) -> Rejected:
    (found,) = refunded_of(raw, refund, **more).refunds
    assert isinstance(found, Rejected), found
    return found


def tax_of(refund: RefundSale) -> Decimal:
    return total(line.unit_tax * line.quantity for line in refund.sale.lines)


# --- goods -----------------------------------------------------------------------------------------------------------


def test_a_product_comes_back_at_what_it_was_paid() -> None:
    refund = refund_of(MUGS, a_refund(a_returned(units=2), total="22.00", tax="2.00"))
    assert lines_of(refund) == [("MUG-BLUE", -2, "10.00", "1.00")]
    assert (refund.sale.total, refund.sale.tax, refund.total) == (Decimal("-22.00"), Decimal("-2.00"), Decimal("22.00"))
    assert refund.returned == (ReturnedLine(line_id=1, units=2, ordered=3),)
    assert refund.goods == (("MUG-BLUE", 2),)
    assert refund.sale.lines[0].tax_id == TAX_10.id


def test_the_sale_is_closed_and_stands_where_the_order_s_sale_does() -> None:
    sold = desired_of(MUGS).sale
    sale = refund_of(MUGS, a_refund(a_returned(), total="11.00", tax="1.00", reason=" Too\nblue ")).sale
    assert sold is not None
    assert (sale.state, sale.attributes, sale.register, sale.author_id) == (
        SaleState.CLOSED,
        (),
        sold.register,
        "user-web",
    )
    assert (sale.order_id, sale.buyer) == (1001, sold.buyer)
    assert f"{sale.date:%Y-%m-%d %H:%M}" == "2026-03-05 14:00"
    assert sale.note == "Refund 31 of BigCommerce order 1001\nReason: Too\nblue"


def test_a_discount_is_not_given_back() -> None:
    raw = an_order(a_line(price="10.00", quantity=2, off=(a_discount("5.00"),)))
    assert lines_of(refund_of(raw, a_refund(a_returned(), total="7.50"))) == [("MUG-BLUE", -1, "7.50", "0.00")]


@pytest.mark.parametrize("amount", ["3.33", "3.34"])
def test_a_third_of_ten_comes_back_as_the_refund_says(amount: str) -> None:
    raw = an_order(a_line(price="3.3333", quantity=3, total_ex_tax="10.0000", total_inc_tax="10.0000",
                          discounted_total_inc_tax="10.0000"))  # fmt: skip
    assert lines_of(refund_of(raw, a_refund(a_returned(), total=amount))) == [("MUG-BLUE", -1, amount, "0.00")]


def test_units_that_come_to_their_cents_stay_one_line() -> None:
    raw = an_order(a_line(price="3.3333", quantity=3, rate="0.1"))
    refund = refund_of(raw, a_refund(a_returned(units=3), total="11.00", tax="1.00"))
    assert lines_of(refund) == [("MUG-BLUE", -3, "3.33", "0.33")]
    assert round_money(reckoned(refund.sale), 2) == Decimal("-11.00")


@pytest.mark.parametrize(
    ("sold", "units", "amount", "lines"),
    [
        (10, 1, "1.01", 1),
        (3, 1, "1.01", 1),
        (10, 1, "1.02", 2),
        (10, 4, "4.02", 1),
        (10, 4, "4.03", 2),
        (9, 4, "3.97", 2),
    ],
)
def test_rounding_explains_half_a_cent_for_each_unit_and_no_more(
    sold: int, units: int, amount: str, lines: int
) -> None:
    raw = an_order(a_line("BEAD", price="1.00", quantity=sold))
    refund = refund_of(raw, a_refund(a_returned(units=units), total=amount))
    assert (len(refund.sale.lines), refund.is_plain) == (lines, lines == 1)
    assert reckoned(refund.sale) == -Decimal(amount)


def test_what_does_not_divide_is_split() -> None:
    raw = an_order(a_line(price="0.01", quantity=7, total_ex_tax="0.0500", total_inc_tax="0.0500",
                          discounted_total_inc_tax="0.0500"))  # fmt: skip
    refund = refund_of(raw, a_refund(a_returned(units=7), total="0.05"))
    assert sum(line.quantity for line in refund.sale.lines) == -7
    assert reckoned(refund.sale) == Decimal("-0.05")


def test_the_small_errors_of_many_units_do_not_add_up() -> None:
    whole = {"total_ex_tax": "1.0000", "total_inc_tax": "1.0000", "discounted_total_inc_tax": "1.0000"}
    lines = numbered(*(a_line(f"BEAD-{number}", "0.0014", 700, **whole) for number in range(9)))
    items = [a_returned(number, 700) for number in range(1, 10)]
    refund = refund_of(an_order(*lines), a_refund(*items, total="9.00"))
    assert reckoned(refund.sale) == Decimal("-9.00")
    assert len(refund.sale.lines) == 18


def test_the_parts_of_a_bundle_come_back_with_it() -> None:
    parent = a_line("SET", "30.00", 2, id=1)
    raw = an_order(*numbered(parent, a_child(parent, "CUP", 4), a_child(parent, "LID", 1)))
    refund = refund_of(raw, a_refund(a_returned(), total="30.00"))
    assert lines_of(refund) == [("SET", -1, "30.00", "0.00"), ("CUP", -2, "0.00", "0.00")]
    assert refund.sale.lines[1].note == "Part of Mug"
    assert refund.goods == (("SET", 1), ("CUP", 2))


def test_parts_of_a_bundle_that_the_refund_names_come_back_once() -> None:
    parent = a_line("SET", "30.00", 1, id=1)
    raw = an_order(*numbered(parent, a_child(parent, "CUP", 2)))
    refund = refund_of(raw, a_refund(a_returned(), a_returned(2, 1), total="30.00"))
    assert lines_of(refund) == [("SET", -1, "30.00", "0.00"), ("CUP", -1, "0.00", "0.00")]


def test_one_line_may_stand_on_a_refund_twice() -> None:
    refund = refund_of(MUGS, a_refund(a_returned(), a_returned(units=2), total="33.00", tax="3.00"))
    assert refund.returned == (ReturnedLine(line_id=1, units=3, ordered=3),)
    assert refund.goods == (("MUG-BLUE", 3),)


def test_a_gift_certificate_is_no_goods() -> None:
    refund = refund_of(an_order(a_certificate("25.00")), a_refund(a_returned(), total="25.00"))
    assert lines_of(refund) == [(CHARGES[Charge.GIFT_CERTIFICATE], -1, "25.00", "0.00")]
    assert refund.goods == ()


def test_goods_that_cost_nothing_come_back_for_nothing() -> None:
    raw = an_order(a_line(off="10.00"), shipping="5.00")
    refund = refund_of(raw, a_refund(a_returned(), total="0", payments=[]))
    assert lines_of(refund) == [("MUG-BLUE", -1, "0.00", "0.00")]
    assert refund.sale.payments == ()


# --- charges and money -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "total_amount"), [("5.50", "5.50"), ("5.00", "5.50")], ids=["with tax", "without"])
def test_shipping_comes_back_whether_its_amount_is_stated_with_tax_or_without(amount: str, total_amount: str) -> None:
    refund = refund_of(MUGS, a_refund(a_money_back("SHIPPING", amount), total=total_amount, tax="0.50"))
    assert lines_of(refund) == [("BC-SHIPPING", -1, "5.00", "0.50")]
    assert refund.sale.lines[0].tax_id == TAX_10.id
    assert (refund.returned, refund.goods) == ((), ())


@pytest.mark.parametrize(
    ("kind", "charge"),
    [("HANDLING", Charge.HANDLING), ("GIFT_WRAPPING", Charge.WRAPPING), ("FEE", Charge.FEE), ("ORDER", Charge.REFUND)],
)
def test_each_kind_of_money_has_a_product(kind: str, charge: Charge) -> None:
    raw = an_order(a_line(price="20.00"), handling="2.00", wrapping="2.00", fees=[("Levy", "2.00")])
    refund = refund_of(raw, a_refund(a_money_back(kind, "1.50", reason="For the wait"), total="1.50"))
    assert lines_of(refund) == [(CHARGES[charge], -1, "1.50", "0.00")]
    assert (refund.sale.lines[0].note, refund.sale.lines[0].tax_id) == ("For the wait", NO_TAX.id)
    assert [draft.code for draft in refund.products] == [CHARGES[charge]]
    assert refund.products[0].is_charge


def test_a_charge_that_comes_to_the_total_neither_way_is_taken_to_be_stated_with_tax() -> None:
    refund = refund_of(MUGS, a_refund(a_money_back("SHIPPING", "3.00"), total="4.00", tax="0.27"))
    assert lines_of(refund) == [("BC-SHIPPING", -1, "2.73", "0.27"), ("BC-REFUND", -1, "1.00", "0.00")]


@pytest.mark.parametrize("amount", ["0.45", "0.40"], ids=["with tax", "without"])
def test_a_part_of_a_charge_has_the_tax_of_the_whole(amount: str) -> None:
    raw = an_order(a_line(price="20.00"), shipping=("10.00", "0.13"))
    told = a_refund(a_money_back("SHIPPING", amount), total="0.45", tax="0.05")
    refund = refund_of(raw, told, a_shop(default_tax_id=TAX_5.id))
    assert [line.tax_id for line in refund.sale.lines] == [TAX_5.id]


def test_a_charge_that_the_order_had_not_gets_a_product() -> None:
    refund = refund_of(an_order(), a_refund(a_money_back("FEE", "1.10"), total="1.10", tax="0.10"))
    assert refund.products == (
        ProductDraft(code="BC-FEE", name="Fee (BigCommerce)", unit_price=ZERO, tax_id=TAX_10.id, is_charge=True),
    )


def test_a_charge_that_the_order_had_not_is_money_without_tax() -> None:
    for with_tax in ("1.00", "2.00"):
        refund = refund_of(MUGS, a_refund(a_money_back("FEE", with_tax), total="1.00"))
        assert refund.total == Decimal("1.00")


def test_a_charge_without_an_amount_takes_what_is_left() -> None:
    items = (a_returned(), a_money_back("SHIPPING", None), a_money_back("HANDLING", None))
    refund = refund_of(MUGS, a_refund(*items, total="17.50", tax="1.50"))
    assert lines_of(refund) == [
        ("MUG-BLUE", -1, "10.00", "1.00"),
        ("BC-SHIPPING", -1, "5.00", "0.50"),
        ("BC-HANDLING", -1, "1.00", "0.00"),
    ]


def test_a_product_without_units_is_money() -> None:
    refund = refund_of(MUGS, a_refund(a_returned(units=0, requested_amount=Decimal("3.00")), total="3.00"))
    assert lines_of(refund) == [("BC-REFUND", -1, "3.00", "0.00")]
    assert refund.goods == ()


def test_what_is_kept_back_is_a_line_of_its_own() -> None:
    refund = refund_of(MUGS, a_refund(a_returned(kept="2.20", reason="Opened"), total="8.80", tax="0.80"))
    assert lines_of(refund) == [("MUG-BLUE", -1, "10.00", "1.00"), ("BC-REFUND", 1, "2.00", "0.20")]
    assert refund.sale.lines[1].note == "Adjustment Opened"
    assert reckoned(refund.sale) == Decimal("-8.80")


def test_what_is_kept_back_has_its_share_of_the_tax_wherever_it_stands() -> None:
    items = (a_returned(units=2, kept="2.20"), a_money_back("HANDLING", "2.00"))
    refund = refund_of(MUGS, a_refund(*items, total="21.80", tax="1.80"))
    assert lines_of(refund) == [
        ("MUG-BLUE", -2, "10.00", "1.00"),
        ("BC-REFUND", 1, "2.00", "0.20"),
        ("BC-HANDLING", -1, "2.00", "0.00"),
    ]


def test_an_adjustment_of_nothing_has_no_tax() -> None:
    raw = an_order(a_line(off="10.00"), a_line("POT", "9.00", id=2))
    refund = refund_of(raw, a_refund(a_returned(kept="1.00"), a_returned(2), total="8.00"))
    assert lines_of(refund) == [
        ("MUG-BLUE", -1, "0.00", "0.00"),
        ("BC-REFUND", 1, "1.00", "0.00"),
        ("POT", -1, "9.00", "0.00"),
    ]


@pytest.mark.parametrize(
    ("amount", "tax", "line"),
    [
        ("15.00", "1.36", ("BC-REFUND", 1, "6.36", "0.64")),
        ("25.00", "2.27", ("BC-REFUND", -1, "2.73", "0.27")),
    ],
    ids=["less", "more"],
)
def test_an_amount_set_by_hand_shows_beside_the_goods(amount: str, tax: str, line: tuple[object, ...]) -> None:
    told = a_refund(a_returned(units=2), total=amount, tax=tax, uses_merchant_override_values=True)
    refund = refund_of(MUGS, told)
    assert lines_of(refund) == [("MUG-BLUE", -2, "10.00", "1.00"), line]
    assert refund.sale.lines[1].note == "Amount set by hand"
    assert (reckoned(refund.sale), tax_of(refund)) == (-Decimal(amount), -Decimal(tax))


def test_an_amount_set_by_hand_is_meant_to_the_cent() -> None:
    told = a_refund(a_returned(), total="10.99", tax="1.00", uses_merchant_override_values=True)
    assert lines_of(refund_of(MUGS, told))[1:] == [("BC-REFUND", 1, "0.01", "0.00")]


def test_a_difference_that_nobody_explains_shows_too() -> None:
    refund = refund_of(MUGS, a_refund(a_returned(), total="9.00", tax="1.00"))
    assert refund.sale.lines[1].note == "Difference to the items"
    assert reckoned(refund.sale) == Decimal("-9.00")


@pytest.mark.parametrize("amount", ["0.01", "0.02", "3.00"])
def test_money_without_items_comes_back_on_the_refund_product_however_little_it_is(amount: str) -> None:
    refund = refund_of(MUGS, a_refund(total=amount))
    assert lines_of(refund) == [("BC-REFUND", -1, amount, "0.00")]


def test_tax_alone_comes_back_on_the_refund_product() -> None:
    refund = refund_of(MUGS, a_refund(total="3.50", tax="3.50"))
    assert lines_of(refund) == [("BC-REFUND", -1, "0.00", "3.50")]
    assert refund.sale.lines[0].note == "Money back"


def test_a_tax_set_to_zero_is_no_tax_on_any_line() -> None:
    refund = refund_of(MUGS, a_refund(a_returned(), total="11.00", tax="0"))
    assert lines_of(refund) == [("MUG-BLUE", -1, "11.00", "0.00")]
    assert refund.sale.lines[0].tax_id == NO_TAX.id


def test_a_tax_set_otherwise_is_spread_over_what_had_tax() -> None:
    items = (a_returned(units=2), a_money_back("HANDLING", "2.00"))
    refund = refund_of(MUGS, a_refund(*items, total="24.00", tax="3.00"))
    assert [line[3] for line in lines_of(refund)] == ["1.50", "0.00"]
    assert tax_of(refund) == Decimal("-3.00")


def test_a_tax_set_otherwise_is_spread_by_the_tax_that_each_had() -> None:
    items = (a_returned(units=2), a_money_back("SHIPPING", "5.50"))
    refund = refund_of(MUGS, a_refund(*items, total="27.50", tax="5.00"))
    assert [line[2:] for line in lines_of(refund)] == [("9.00", "2.00"), ("4.50", "1.00")]


def test_a_tax_set_on_what_had_none_is_spread_by_the_amounts() -> None:
    refund = refund_of(MUGS, a_refund(a_money_back("HANDLING", "2.00"), total="2.00", tax="0.20"))
    assert lines_of(refund) == [("BC-HANDLING", -1, "1.80", "0.20")]


@pytest.mark.parametrize(
    ("items", "amount", "tax", "taxes"),
    [
        pytest.param([a_returned()], "16.00", "1.40", ["1.00", "0.40"], id="what is more than the goods have"),
        pytest.param([a_returned()], "16.00", "1.01", ["1.01", "0.00"], id="a cent of rounding is the goods'"),
        pytest.param([a_returned()], "16.00", "0.00", ["0.00", "0.00"], id="no tax is none on either"),
        pytest.param(
            [a_returned(), a_money_back("SHIPPING", "5.50")],
            "21.50",
            "2.00",
            ["1.00", "0.50", "0.50"],
            id="what is more than goods and charges have",
        ),
    ],
)
def test_tax_that_goods_do_not_explain_is_in_the_money_beside_them(
    items: list[Any], amount: str, tax: str, taxes: list[str]
) -> None:
    refund = refund_of(MUGS, a_refund(*items, a_money_back("ORDER", "5.00"), total=amount, tax=tax))
    assert [line[3] for line in lines_of(refund)] == taxes


@pytest.mark.parametrize(
    ("kept", "amount", "tax", "taxes"),
    [
        pytest.param("2.20", "8.80", "0.60", ["1.00", "0.40"], id="more than its share"),
        pytest.param("1.10", "9.90", "0.89", ["0.99", "0.10"], id="but for a cent of rounding"),
    ],
)
def test_tax_that_goods_do_not_explain_may_be_in_what_was_kept_back(
    kept: str, amount: str, tax: str, taxes: list[str]
) -> None:
    refund = refund_of(MUGS, a_refund(a_returned(kept=kept), total=amount, tax=tax))
    assert [line[3] for line in lines_of(refund)] == taxes


def test_tax_that_the_store_takes_in_with_a_refund_is_kept_as_it_is() -> None:
    refund = refund_of(MUGS, a_refund(a_money_back("ORDER", "5.00"), total="5.00", tax="-1.00"))
    assert lines_of(refund) == [("BC-REFUND", -1, "6.00", "-1.00")]
    assert refund.sale.tax == Decimal("1.00")


def test_more_tax_than_money_is_set_aside() -> None:
    problem = rejected(MUGS, a_refund(total="0.05", tax="1.00"))
    assert (problem.reason, problem.field) == (Reason.REFUND_UNCLEAR, "refunds.31.total_tax")
    assert problem.detail == "tax 1.00 cannot be in a refund of 0.05"


def test_tax_without_any_money_is_set_aside() -> None:
    told = a_refund(a_returned(), total="0", tax="1.00", payments=[])
    assert rejected(an_order(a_line(off="10.00")), told).field == "refunds.31.total_tax"


# --- tenders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "method", "type_id"),
    [
        ("storecredit", "Credit Card", "pay-credit"),
        ("Store_Credit", "Credit Card", "pay-credit"),
        ("giftcertificate", "Credit Card", "pay-certificate"),
        ("bigcommerce_payments", "Credit Card", "pay-web"),
        ("cod", "Cash on Delivery", "pay-cash"),
        ("custom", "Cash on Delivery", "pay-till"),
    ],
)
def test_the_money_goes_back_by_the_refund_s_own_way(provider: str, method: str, type_id: str) -> None:
    tenders = Tenders(
        default_id="pay-web",
        gift_certificate_id="pay-certificate",
        store_credit_id="pay-credit",
        by_method={"cash on delivery": "pay-cash", "custom": "pay-till"},
    )
    told = a_refund(a_money_back("ORDER", "4.00"), total="4.00", payments=[a_refund_payment("4.00", provider)])
    sale = refund_of(MUGS | {"payment_method": method}, told, a_shop(tenders=tenders)).sale
    assert [(payment.type_id, payment.amount) for payment in sale.payments] == [(type_id, Decimal("-4.00"))]


def test_several_payments_stay_several() -> None:
    payments = [a_refund_payment("1.00", "storecredit"), a_refund_payment("3.00"), a_refund_payment("0")]
    sale = refund_of(MUGS, a_refund(a_money_back("ORDER", "4.00"), total="4.00", payments=payments)).sale
    assert [payment.amount for payment in sale.payments] == [Decimal("-1.00"), Decimal("-3.00")]


def test_a_declined_refund_gives_nothing_back() -> None:
    told = a_refund(a_returned(), total="11.00", payments=[a_refund_payment("11.00", declined=True)])
    assert refunded_of(MUGS, told).refunds == (DeclinedRefund(refund_id=31),)


@pytest.mark.parametrize("payments", [[], [a_refund_payment("0")]], ids=["no payment", "a payment of nothing"])
def test_a_refund_of_nothing_at_all_gives_nothing_back(payments: list[Any]) -> None:
    assert refunded_of(MUGS, a_refund(total="0", payments=payments)).refunds == (DeclinedRefund(refund_id=31),)


def test_a_refund_of_nothing_but_tax_is_not_nothing() -> None:
    assert rejected(MUGS, a_refund(total="0", tax="1.00", payments=[])).field == "refunds.31.total_tax"


def test_a_second_try_after_a_declined_one_counts() -> None:
    payments = [a_refund_payment("11.00", declined=True), a_refund_payment("11.00", "storecredit")]
    sale = refund_of(MUGS, a_refund(a_returned(), total="11.00", tax="1.00", payments=payments)).sale
    assert [payment.type_id for payment in sale.payments] == ["pay-credit"]


def test_of_plain_money_what_was_accepted_is_booked() -> None:
    payments = [a_refund_payment("3.00", declined=True), a_refund_payment("2.00", "storecredit")]
    for item in (a_money_back("ORDER", "5.00"), a_money_back("ORDER", "6.00", adjustments=[{"amount": "-1.00"}])):
        refund = refund_of(MUGS, a_refund(item, total="5.00", payments=payments))
        assert lines_of(refund) == [("BC-REFUND", -1, "2.00", "0.00")]
        assert [payment.amount for payment in refund.sale.payments] == [Decimal("-2.00")]
        assert refund.total == Decimal("2.00")


IN_PART = [a_refund_payment("3.00", declined=True), a_refund_payment("8.00")]


@pytest.mark.parametrize(
    ("item", "tax", "payments"),
    [
        pytest.param(a_returned(), "1.00", IN_PART, id="goods, partly declined"),
        pytest.param(a_returned(), "0", IN_PART, id="goods without tax, partly declined"),
        pytest.param(a_money_back("ORDER", "11.00"), "1.00", IN_PART, id="money with tax, partly declined"),
        pytest.param(a_money_back("ORDER", "11.00"), "0", [a_refund_payment("8.00")], id="money, too little"),
        pytest.param(a_returned(), "1.00", [a_refund_payment("8.00")], id="goods, too little"),
        pytest.param(a_returned(), "1.00", [], id="goods, none yet"),
    ],
)
def test_what_was_paid_back_in_part_is_set_aside(item: Any, tax: str, payments: list[Any]) -> None:
    problem = rejected(MUGS, a_refund(item, total="11.00", tax=tax, payments=payments))
    assert (problem.order_id, problem.reason, problem.field) == (1001, Reason.REFUND_UNCLEAR, "refunds.31.payments")
    assert problem.detail.endswith("for a refund of 11.00")


# --- what cannot be booked -------------------------------------------------------------------------------------------


def test_a_line_that_the_order_has_not_is_set_aside() -> None:
    problem = rejected(MUGS, a_refund(a_returned(9), total="11.00"))
    assert (problem.reason, problem.field) == (Reason.REFUND_UNCLEAR, "refunds.31.items")
    assert problem.detail == "the order has no line 9"


def test_more_units_than_were_sold_are_set_aside() -> None:
    problem = rejected(MUGS, a_refund(a_returned(units=2), a_returned(units=2), total="44.00"))
    assert (problem.reason, problem.field) == (Reason.REFUND_EXCEEDS, "refunds.31.items")
    assert problem.detail == "4 units of line 1 (Mug), of which 3 were sold"


def test_an_unreadable_refund_is_set_aside_by_its_member() -> None:
    assert rejected(MUGS, a_refund(a_returned(), total="1.00", total_amount="much")).field == "refunds.31.total_amount"


def test_a_code_of_several_products_is_set_aside_and_one_of_one_is_not() -> None:
    order, told = read(MUGS), decode_refund(a_refund(a_money_back("ORDER", "1.00"), total="1.00"))
    several, one = (
        with_refunds(
            desired_of(MUGS), order, [told], shop=a_shop(), policy=a_policy(), known={"bc-refund": ids}
        ).refunds
        for ids in (("one", "two"), ("one",))
    )
    assert several == (
        Rejected(
            order_id=1001,
            reason=Reason.AMBIGUOUS_PRODUCT,
            field="refunds.31.sku",
            detail="several products go by 'BC-REFUND'",
        ),
    )
    assert [type(found) for found in one] == [RefundSale]


def test_an_order_that_is_not_imported_has_no_refunds() -> None:
    told, desired = decode_refund(a_refund(a_returned(), total="11.00")), not_wanted(1001)
    found = with_refunds(desired, read(MUGS), [told], shop=a_shop(), policy=a_policy(), known=NOTHING_KNOWN)
    assert found is desired


def test_an_order_whose_parts_do_not_add_up_has_no_refunds() -> None:
    raw = MUGS | {"total_inc_tax": "99.0000", "total_ex_tax": "99.0000"}
    told = decode_refund(a_refund(a_returned(), total="11.00"))
    desired = desired_of(MUGS)
    assert with_refunds(desired, read(raw), [told], shop=a_shop(), policy=a_policy(), known=NOTHING_KNOWN) is desired


def test_without_refunds_nothing_is_added() -> None:
    assert refunded_of(MUGS) == desired_of(MUGS)


# --- codes and contents ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "charges"),
    [
        (a_refund(a_returned(), total="11.00"), set()),
        (a_refund(a_money_back("SHIPPING", "1.00"), total="1.00"), {Charge.SHIPPING}),
        (a_refund(a_money_back("ORDER", "1.00"), total="1.00"), {Charge.REFUND}),
        (a_refund(a_returned(kept="1.00"), total="10.00"), {Charge.REFUND}),
        (a_refund(a_returned(), total="10.00", uses_merchant_override_values=True), {Charge.REFUND}),
        (a_refund(total="1.00", tax="1.00"), {Charge.REFUND}),
        (a_refund(total="1.00", items="?"), set()),
    ],
)
def test_the_codes_to_look_up_are_those_of_charges(told: Any, charges: set[Charge]) -> None:
    assert refund_codes([decode_refund(told)], a_policy()) == {code_key(CHARGES[charge]) for charge in charges}


def test_the_content_of_a_refund_is_the_same_for_ever() -> None:
    """Else every refund that was booked would count as changed after an update."""
    told = a_refund(a_returned(), a_money_back("SHIPPING", "5.50"), total="16.50", tax="1.50")
    assert refund_content(decode_refund(told)) == "bcbc185d63bf42042198ae37"


def test_the_same_refund_has_the_same_content_however_it_is_written() -> None:
    one = a_refund(a_returned(), a_money_back("SHIPPING", "5.50"), total="16.50", tax="1.50")
    other = one | {"total_amount": "16.5000", "total_tax": "1.5", "user_id": 9, "reason": "Said later"}
    assert refund_content(decode_refund(one)) == refund_content(decode_refund(other))


@pytest.mark.parametrize(
    "change",
    [
        {"total_amount": 17},
        {"total_tax": 1},
        {"items": [a_returned(units=2)]},
        {"payments": [a_refund_payment("11.00", declined=True)]},
        {"total_amount": "much"},
    ],
)
def test_another_refund_has_another_content(change: Any) -> None:
    told = a_refund(a_returned(), total="11.00", tax="1.50")
    assert refund_content(decode_refund(told)) != refund_content(decode_refund(told | change))


# --- decoding --------------------------------------------------------------------------------------------------------


def test_members_of_a_refund_may_be_text_or_missing() -> None:
    told = {
        "created": "2026-03-05T14:00:00Z",
        "id": 31,
        "order_id": 1001,
        "total_amount": "5.00",
        "items": None,
        "payments": [{"amount": "5.00"}],
    }
    refund = decode_refund(told)
    assert isinstance(refund, Refund)
    assert (refund.id, refund.order_id) == (31, 1001)
    assert (refund.total, refund.tax, refund.items, refund.is_override) == (Decimal("5.00"), ZERO, (), False)
    assert not gives_nothing(refund)


def test_only_products_come_back_in_units() -> None:
    refund = decode_refund(a_refund(a_returned(), a_money_back("FEE", "1.00", quantity=1), total="12.00"))
    assert isinstance(refund, Refund)
    assert [item.quantity for item in refund.items] == [1, 0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"created": ""}, "created"),
        ({"total_amount": -1}, "total_amount"),
        ({"items": [{"item_type": "VOUCHER"}]}, "items.0.item_type"),
        ({"payments": [{"amount": -1}]}, "payments.0.amount"),
    ],
)
def test_what_cannot_be_read_of_a_refund_is_named(change: Any, field: str) -> None:
    problem = decode_refund(a_refund(total="1.00") | change)
    assert isinstance(problem, Rejected)
    assert (problem.order_id, problem.field) == (1001, f"refunds.31.{field}")


@pytest.mark.parametrize(("raw", "ids"), [({"id": 3, "order_id": 4}, (3, 4)), ({"id": "?"}, (0, 0))])
def test_a_refund_is_known_by_two_ids(raw: Any, ids: tuple[int, int]) -> None:
    assert refund_ids_of(raw) == ids


# --- any refund ------------------------------------------------------------------------------------------------------

CENTS = st.integers(0, 5_000).map(lambda cents: Decimal(cents).scaleb(-2))


@st.composite
def refunds(draw: st.DrawFn) -> Any:
    items = [
        *([a_returned(1, draw(st.integers(0, 7)), kept=draw(CENTS))] if draw(st.booleans()) else []),
        *([a_returned(2, draw(st.integers(0, 3)))] if draw(st.booleans()) else []),
        *(
            a_money_back(kind, draw(st.none() | CENTS))
            for kind in ("SHIPPING", "HANDLING", "GIFT_WRAPPING", "FEE", "ORDER")
            if draw(st.booleans())
        ),
    ]
    amount, tax = draw(CENTS), draw(CENTS | CENTS.map(lambda each: -each))
    return a_refund(*items, total=amount, tax=tax, uses_merchant_override_values=draw(st.booleans()))


@given(told=refunds(), inclusive=st.booleans())
def test_a_refund_comes_to_the_cent_in_money_and_tax_or_is_set_aside(told: Any, inclusive: bool) -> None:  # noqa: FBT001
    lines = numbered(
        a_line(price="3.33", quantity=7, rate="0.1", inclusive=inclusive),
        a_line("POT", "0.07", 3, rate="0.05", inclusive=inclusive),
    )
    raw = an_order(*lines, inclusive=inclusive, shipping=("5.00", "0.2"), handling="1.99", wrapping=("2.50", "0.1"))
    (found,) = refunded_of(raw, told).refunds
    if isinstance(found, RefundSale):
        assert reckoned(found.sale) == found.sale.total == -told["total_amount"]
        assert round_money(tax_of(found), 2) == found.sale.tax == -told["total_tax"]
        assert total(payment.amount for payment in found.sale.payments) == found.sale.total
        assert sum(line.units for line in found.returned) == sum(count for _, count in found.goods)
    else:
        assert isinstance(found, DeclinedRefund) or abs(told["total_tax"]) > told["total_amount"] or told["items"]
