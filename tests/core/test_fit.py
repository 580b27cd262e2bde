"""How accounts, settings and host fit one another, by values alone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from builders import NO_TAX, TAX_5, TAX_10, a_line, a_policy, an_order, read

from bcpoll.core.fit import (
    foreign_sales,
    is_old_version,
    linked,
    proposed_default,
    proposed_name,
    proposed_type,
    skew,
    tendered,
    unknown_rates,
)
from bcpoll.core.order import Order
from bcpoll.core.plan import refund_sale_id, sale_id
from bcpoll.core.shop import Link, PosSale

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TAXES = (NO_TAX, TAX_5, TAX_10)


# --- this host and the POS's API -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "now", "old"),
    [
        ("2026-10", NOW, False),
        ("2026-01", NOW, False),
        ("2025-12", NOW, True),
        ("2025-11", NOW, True),
        ("2021-04", NOW, True),
        ("2027-01", NOW, False),
        ("2026-04", datetime(2027, 2, 28, tzinfo=UTC), False),
        ("2026-04", datetime(2027, 3, 1, tzinfo=UTC), True),
    ],
)
def test_a_version_is_old_a_month_before_its_year_is_over(version: str, now: datetime, old: bool) -> None:  # noqa: FBT001
    assert is_old_version(version, now) is old


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (NOW, ""),
        (NOW - timedelta(minutes=5), ""),
        (NOW + timedelta(minutes=5), ""),
        (NOW - timedelta(minutes=5, seconds=1), "5 minutes ahead of"),
        (NOW + timedelta(hours=2), "120 minutes behind"),
    ],
)
def test_a_clock_is_off_by_more_than_five_minutes(told: datetime, said: str) -> None:
    assert skew(told, NOW) == said


# --- ways to pay -----------------------------------------------------------------------------------------------------


def paid_by(method: str, **changes: Any) -> Order:
    return read(an_order(a_line(), payment_method=method, **changes))


def test_methods_are_counted_the_most_frequent_first() -> None:
    found = tendered([paid_by("Cash"), paid_by("Card"), paid_by(" Card ")])

    assert list(found.methods.items()) == [("Card", 2), ("Cash", 1)]
    assert (found.gift_certificates, found.store_credit) == (0, 0)


def test_an_order_without_a_method_has_none() -> None:
    assert tendered([paid_by("")]).methods == {}


def test_what_a_certificate_covers_in_full_is_no_method() -> None:
    found = tendered([paid_by("Gift Certificate", gift_certificate_amount="10.0000")])

    assert found.methods == {}
    assert found.gift_certificates == 1


def test_what_store_credit_leaves_to_pay_has_a_method() -> None:
    found = tendered([paid_by("Card", store_credit_amount="4.0000")])

    assert found.methods == {"Card": 1}
    assert found.store_credit == 1


def test_what_certificate_and_credit_cover_together_is_no_method() -> None:
    found = tendered([paid_by("Card", gift_certificate_amount="6.0000", store_credit_amount="4.0000"), paid_by("")])

    assert found.methods == {}
    assert (found.gift_certificates, found.store_credit) == (1, 1)


TYPES = ("Cash", "Card machine", "Card (web)", "PayPal", "Bank transfer", "Gift card", "Store credit", "Loyalty")


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("Credit Card", "Card (web)"),
        ("Braintree", "Card (web)"),
        ("loyalty ", "Loyalty"),
        ("PayPal Commerce Platform", "PayPal"),
        ("Bank Deposit", "Bank transfer"),
        ("Cash on Delivery", "Cash"),
        ("gift certificates", "Gift card"),
        ("store credit", "Store credit"),
        ("Cheque", ""),
        ("Barter", ""),
        ("Discard", ""),
    ],
)
def test_a_type_is_proposed_for_a_method_by_its_kind(method: str, name: str) -> None:
    assert proposed_type(method, TYPES) == name


@pytest.mark.parametrize(
    ("types", "name"),
    [
        (("Till card", "Card machine", "Web card"), "Web card"),
        (("Till card", "Card machine"), "Till card"),
    ],
)
def test_of_several_types_of_a_kind_one_for_the_web_is_proposed_or_else_the_first(
    types: Sequence[str], name: str
) -> None:
    assert proposed_type("Visa", types) == name


@pytest.mark.parametrize(
    ("types", "name"),
    [
        (TYPES, "Card (web)"),
        (("Cash", "Card machine"), "Card machine"),
        (("Cash", "Card machine", "Web shop"), "Web shop"),
        (("Cash",), "Cash"),
        ((), ""),
    ],
)
def test_the_default_is_a_card_and_rather_one_for_the_web(types: Sequence[str], name: str) -> None:
    assert proposed_default(types) == name


def test_a_register_for_the_web_is_known_by_its_name() -> None:
    assert proposed_name(["Main Register", "ONLINE sales"]) == "ONLINE sales"
    assert proposed_name(["Main Register", "Cobweb"]) == ""


# --- taxes -----------------------------------------------------------------------------------------------------------


def test_rates_that_the_pos_has_are_not_told() -> None:
    order = read(an_order(a_line(rate="0.1"), a_line(rate="0.05"), a_line()))

    assert unknown_rates([order], TAXES, NO_TAX.id, a_policy()) == ()


def test_a_rate_that_the_pos_lacks_is_told_once_with_its_first_order() -> None:
    first = read(an_order(a_line(price="80.00", rate="0.0825"), a_line(price="200.00", rate="0.13"), id=7))
    second = read(an_order(a_line(price="40.00", rate="0.0825"), id=8))

    found = unknown_rates([first, second], TAXES, NO_TAX.id, a_policy())

    assert [(rate.percent, rate.order_id) for rate in found] == [("8.3", 7), ("13", 7)]


def test_a_rate_is_met_to_the_smallest_unit_of_the_order_s_currency() -> None:
    order = read(an_order(a_line(price="105", rate="0.1", tax_digits=0), default_currency_code="JPY"))

    assert unknown_rates([order], TAXES, NO_TAX.id, a_policy()) == ()


def test_no_tax_is_no_rate_however_small_the_tax() -> None:
    order = read(an_order(a_line(price="0.10", rate="0.1")))

    assert [rate.percent for rate in unknown_rates([order], (NO_TAX,), NO_TAX.id, a_policy())] == ["10"]


def test_the_rates_of_an_order_that_does_not_add_up_are_left_out() -> None:
    order = read(an_order(a_line(price="80.00", rate="0.0825"), total_inc_tax="999.0000"))

    assert unknown_rates([order], TAXES, NO_TAX.id, a_policy()) == ()


def test_a_line_that_is_nothing_but_tax_has_no_rate() -> None:
    line = a_line(total_ex_tax="0.0000", total_inc_tax="1.0000", total_tax="1.0000", discounted_total_inc_tax="1.0000")
    order = read(an_order(line, total_ex_tax="0.0000", total_inc_tax="1.0000", total_tax="1.0000"))

    assert unknown_rates([order], TAXES, NO_TAX.id, a_policy()) == ()


# --- another link between the two ------------------------------------------------------------------------------------


def test_a_link_is_known_by_its_kind_or_its_address() -> None:
    by_kind = Link(kind="bigcommerce", address="https://shop.example.com")
    by_address = Link(kind="", address="https://store-abc.mybigcommerce.com")
    other = Link(kind="woocommerce", address="https://shop.example.com")

    assert linked([other, by_kind, by_address]) == (by_kind, by_address)


THEIRS = "06bf537b-c7d7-11e7-ff13-0c5b8d1d6a59"


def a_sale(**changes: Any) -> PosSale:
    members: dict[str, Any] = {
        "id": THEIRS,
        "state": "closed",
        "total": Decimal("10.00"),
        "source_id": "",
        "source_type": "USER",
        "document": {},
    }
    return PosSale(**members | changes)


ORDER = read(an_order(a_line(), id=1042))


@pytest.mark.parametrize(
    "changes",
    [
        {"source_type": "BIGCOMMERCE", "source_id": "7"},
        {"source_id": "1042"},
        {"document": {"note": "Web order #1042, leave at the door"}},
        {"source_id": "1042", "id": "not a UUID"},
    ],
)
def test_a_sale_of_a_web_order_that_is_none_of_ours_is_found(changes: dict[str, Any]) -> None:
    sale = a_sale(**changes)

    assert foreign_sales([sale], [ORDER]) == (sale,)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"source_type": "BigCommerce", "source_id": "1042", "id": sale_id("abc123", 1042, 1)},
        {"source_type": "BigCommerce", "source_id": "1042", "id": sale_id("another", 1042, 3).upper()},
        {"source_type": "BigCommerce", "source_id": "1042", "id": refund_sale_id("abc123", 4)},
        {"source_type": "BigCommerce", "total": Decimal("-10.00")},
        {"source_type": "BigCommerce", "total": None},
        {"source_type": "BigCommerce", "state": "voided"},
        {"source_id": "1042", "total": Decimal("10.01")},
        {"document": {"note": "Invoice 110427"}},
        {"document": {"note": None}},
    ],
)
def test_a_sale_of_ours_or_of_the_till_is_not(changes: dict[str, Any]) -> None:
    assert foreign_sales([a_sale(**changes)], [ORDER]) == ()
