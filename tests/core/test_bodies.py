"""The JSON that is sent to the POS."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeAlias

import pytest
from builders import (
    NO_TAX,
    PERSON,
    REGISTER,
    TAX_10,
    a_line,
    a_pickup,
    a_policy,
    a_shop,
    a_status,
    a_structure,
    an_order,
    desired_of,
    numbered,
    sale_of,
)

from bcpoll.core.addresses import named_by_token
from bcpoll.core.bodies import customer_body, product_body, sale_body, settled_body, untracked_body, voided_body
from bcpoll.core.money import Currency
from bcpoll.core.order import Json
from bcpoll.core.sale import ProductDraft, Sale
from bcpoll.core.shop import Fulfillment, Shop, Unpaid
from bcpoll.core.status import OrderStatus

PRODUCTS = {"mug-blue": "product-mug", "pen": "product-pen", "bc-shipping": "product-shipping"}
MUG = a_line(price="10.00", quantity=3, rate="0.10", off="1.00")


def body_of(sale: Sale, customer: str | None = "customer-1", **named: Any) -> Json:
    return sale_body(sale, "sale-1", customer, PRODUCTS, **named)


# --- POST /sales -----------------------------------------------------------------------------------------------------


def test_a_sale_is_sent_whole() -> None:
    assert body_of(sale_of(an_order(MUG, shipping="5.00"))) == {
        "id": "sale-1",
        "source": {"type": "BigCommerce", "id": "1001", "register_id": "register-web", "author_id": "user-web"},
        "state": "closed",
        "attributes": [],
        "customer_id": "customer-1",
        "date": "2026-03-02T09:15:00Z",
        "note": "BigCommerce order 1001\n"
        "Ship by Ground to Robin Sample, 1 Test Street, Exampleton Ohio 43004, United States, 555 0100",
        "line_items": [
            {
                "product": {"id": "product-mug"},
                "quantity": 3,
                "pricing": {"price": Decimal("9.66667"), "discount": 0},
                "tax": {"id": "tax-10", "amount": Decimal("0.96667")},
                "attributes": [{"name": "line_note", "value": "Discount 1.00 (SPRING)"}],
                "_metadata": {"is_price_override": True, "sequence": 0},
            },
            {
                "product": {"id": "product-shipping"},
                "quantity": 1,
                "pricing": {"price": Decimal("5.00000"), "discount": 0},
                "tax": {"id": "tax-none", "amount": Decimal("0.00000")},
                "_metadata": {"is_price_override": True, "sequence": 1},
            },
        ],
        "payments": [
            {
                "amount": Decimal("36.90"),
                "type": {"config_id": "pay-web"},
                "date": "2026-03-02T09:15:00Z",
                "source": {"register_id": "register-web"},
            }
        ],
    }


def test_amounts_are_sent_as_decimals() -> None:
    body = body_of(sale_of(an_order(MUG)))
    (line,), (payment,) = body["line_items"], body["payments"]
    amounts = (line["pricing"]["price"], line["tax"]["amount"], payment["amount"])
    assert all(isinstance(amount, Decimal) for amount in amounts)


@pytest.mark.parametrize("customer", [None, ""])
def test_a_sale_to_nobody_names_no_customer(customer: str | None) -> None:
    assert "customer_id" not in body_of(sale_of(an_order()), customer)


def test_products_are_found_by_their_code_in_any_case() -> None:
    assert body_of(sale_of(an_order(a_line("Pen"))))["line_items"][0]["product"] == {"id": "product-pen"}


def test_a_voided_sale_is_sent_without_payments() -> None:
    body = body_of(sale_of(an_order(**a_status(OrderStatus.CANCELLED))))
    assert (body["state"], body["payments"]) == ("voided", [])


def test_a_sale_on_account_is_sent_pending() -> None:
    sale = sale_of(an_order(**a_status(OrderStatus.AWAITING_PAYMENT)), policy=a_policy(unpaid=Unpaid.ON_ACCOUNT))
    body = body_of(sale)
    assert (body["state"], body["attributes"], body["payments"]) == ("pending", ["onaccount"], [])


def test_a_plain_sale_says_nothing_of_fulfilment() -> None:
    assert not {"fulfillment_outlet_id", "fulfillment_details"} & body_of(sale_of(an_order())).keys()


TRACKED = a_policy(fulfillment=Fulfillment.TRACK)


def test_a_delivery_is_sent_with_its_address_and_marked_lines() -> None:
    lines = numbered(a_line(), a_line("PEN", type="digital"))
    body = body_of(sale_of(an_order(*lines, shipping="5.00"), policy=TRACKED), ship_to=named_by_token("token-1"))
    assert (body["state"], body["attributes"]) == ("pending", ["delivery"])
    assert body["fulfillment_outlet_id"] == REGISTER.outlet_id
    assert body["fulfillment_details"] == [{"type": "DISPATCH", "shipping_address_token": "token-1"}]
    assert [line["_metadata"].get("fulfillment_method") for line in body["line_items"]] == ["DISPATCH", None, None]


def test_a_pickup_is_sent_without_an_address() -> None:
    line = a_line(order_address_id=0, order_pickup_method_id=1)
    raw = an_order(line, consignments=a_structure(pickups=[a_pickup(line)]))
    body = body_of(sale_of(raw, policy=TRACKED))
    assert (body["attributes"], body["fulfillment_details"]) == (["pickup"], [{"type": "PICKUP"}])


# --- PUT /sales/{id} -------------------------------------------------------------------------------------------------


def a_document(**changes: Any) -> Json:
    """A sale as the POS answers it, with more members than are sent back."""
    document = {
        "id": "sale-1",
        "version": 812,
        "source": {
            "type": "BigCommerce",
            "id": "1001",
            "register_id": "register-web",
            "author": {"id": "user-web", "name": "Web"},
        },
        "state": "pending",
        "status": "ONACCOUNT",
        "attributes": ["onaccount"],
        "customer_id": "customer-1",
        "date": "2026-03-02T09:15:00Z",
        "note": "BigCommerce order 1001",
        "invoice_number": "WEB-77",
        "short_code": "abc",
        "totals": {"price": "10.00", "tax": "0.00"},
        "line_items": [
            {
                "id": "line-1",
                "product": {"id": "product-mug", "name": "Mug"},
                "quantity": 3,
                "pricing": {"price": Decimal("9.66667"), "discount": None, "total": Decimal("29.00")},
                "tax": {"id": "tax-10", "amount": Decimal("0.96667"), "total": Decimal("2.90")},
                "note": "Discount 1.00 (SPRING)",
                "_metadata": {"sequence": 0, "is_return": False},
            }
        ],
        "payments": [],
    }
    return document | changes


def a_paid(payment_id: str | None, **changes: Any) -> Json:
    return {
        "id": payment_id,
        "amount": Decimal("31.90"),
        "type": {"config_id": "pay-web", "name": "Web payment"},
        "date": "2026-03-02T09:15:00Z",
        "source": {"register_id": "register-web"},
        "deleted_at": None,
    } | changes


SALE = sale_of(an_order(MUG))


def test_a_sale_is_voided_by_its_whole_document_in_another_state() -> None:
    assert voided_body(a_document(payments=[a_paid("payment-1")])) == {
        "source": {"type": "BigCommerce", "id": "1001", "register_id": "register-web", "author_id": "user-web"},
        "state": "voided",
        "attributes": ["onaccount"],
        "customer_id": "customer-1",
        "date": "2026-03-02T09:15:00Z",
        "note": "BigCommerce order 1001",
        "invoice_number": "WEB-77",
        "short_code": "abc",
        "line_items": [
            {
                "id": "line-1",
                "product": {"id": "product-mug"},
                "quantity": 3,
                "pricing": {"price": Decimal("9.66667"), "discount": 0},
                "tax": {"id": "tax-10", "amount": Decimal("0.96667")},
                "attributes": [{"name": "line_note", "value": "Discount 1.00 (SPRING)"}],
                "_metadata": {"is_price_override": True, "sequence": 0},
            }
        ],
        "payments": [
            {
                "id": "payment-1",
                "amount": Decimal("31.90"),
                "type": {"config_id": "pay-web"},
                "date": "2026-03-02T09:15:00Z",
                "source": {"register_id": "register-web"},
            }
        ],
    }


def test_amounts_that_were_answered_as_text_are_sent_as_numbers() -> None:
    [line] = a_document()["line_items"]
    told = {"quantity": "3", "pricing": {"price": "9.66667", "discount": "0"}, "tax": {"amount": "0.96667"}}
    body = voided_body(a_document(line_items=[line | told], payments=[a_paid("payment-1", amount="31.90")]))
    [line] = body["line_items"]
    assert [line["quantity"], *line["pricing"].values(), line["tax"]["amount"], body["payments"][0]["amount"]] == [
        Decimal(3),
        Decimal("9.66667"),
        0,
        Decimal("0.96667"),
        Decimal("31.90"),
    ]


@pytest.mark.parametrize("text", ["many", "NaN"])
def test_text_that_is_no_amount_is_left_to_the_pos_to_refuse(text: str) -> None:
    assert voided_body(a_document(line_items=[{"quantity": text}]))["line_items"][0]["quantity"] == text


def test_a_sale_is_settled_with_its_payments() -> None:
    body = settled_body(a_document(), SALE)
    assert body["state"] == "closed"
    assert [payment["amount"] for payment in body["payments"]] == [Decimal("31.90")]
    assert body["line_items"][0]["id"] == "line-1"


@pytest.mark.parametrize(
    ("taken", "added"),
    [("10.00", ["12.00", "9.90"]), ("12.00", ["12.00", "7.90"]), ("25.00", ["6.90"]), ("40.00", []), (None, [])],
)
def test_what_was_paid_at_the_till_is_not_paid_again(taken: str | None, added: list[str]) -> None:
    mixed = sale_of(an_order(MUG, gift_certificate_amount="12.0000"))
    body = settled_body(a_document(payments=[a_paid("payment-1", amount=taken or "31.90")]), mixed)
    assert [payment["amount"] for payment in body["payments"] if "id" not in payment] == [Decimal(x) for x in added]


Tendered: TypeAlias = list[tuple[str, str]]


def added_to(kept: Tendered, sale: Sale) -> Tendered:
    """The payments that a sale is settled with beside those that it has."""
    had = [a_paid(f"{name} {amount}", amount=amount, type={"config_id": name}) for name, amount in kept]
    new = [one for one in settled_body(a_document(payments=had), sale)["payments"] if "id" not in one]
    return [(one["type"]["config_id"], str(one["amount"])) for one in new]


@pytest.mark.parametrize(
    ("kept", "added"),
    [
        ([("pay-certificate", "12.00")], [("pay-web", "19.90")]),
        ([("pay-web", "5.00")], [("pay-certificate", "12.00"), ("pay-web", "14.90")]),
        ([("pay-web", "5.00"), ("pay-web", "4.00")], [("pay-certificate", "12.00"), ("pay-web", "10.90")]),
        ([("pay-till", "5.00")], [("pay-certificate", "12.00"), ("pay-web", "14.90")]),
        ([("pay-till", "5.00"), ("pay-certificate", "12.00")], [("pay-web", "14.90")]),
    ],
)
def test_a_tender_that_a_sale_has_already_is_not_asked_for_once_more(kept: Tendered, added: Tendered) -> None:
    assert added_to(kept, sale_of(an_order(MUG, gift_certificate_amount="12.0000"))) == added


@pytest.mark.parametrize(
    ("kept", "added"),
    [
        ([], [("pay-credit", "12.00"), ("pay-credit", "4.90"), ("pay-web", "15.00")]),
        ([("pay-credit", "12.00")], [("pay-credit", "4.90"), ("pay-web", "15.00")]),
        ([("pay-credit", "14.00")], [("pay-credit", "2.90"), ("pay-web", "15.00")]),
        ([("pay-credit", "12.00"), ("pay-credit", "4.90")], [("pay-web", "15.00")]),
    ],
)
def test_two_tenders_of_one_type_are_told_apart_by_what_they_come_to(kept: Tendered, added: Tendered) -> None:
    tenders = replace(a_shop().tenders, gift_certificate_id="pay-credit")
    order = an_order(MUG, gift_certificate_amount="12.0000", store_credit_amount="4.9000")
    assert added_to(kept, sale_of(order, a_shop(tenders=tenders))) == added


@pytest.mark.parametrize("amount", [None, "many"])
def test_a_payment_of_no_amount_pays_nothing(amount: str | None) -> None:
    body = settled_body(a_document(payments=[a_paid("payment-1", amount=amount)]), SALE)
    assert body["payments"][1]["amount"] == Decimal("31.90")


def test_payments_that_a_sale_has_are_kept_instead_of_doubled() -> None:
    body = settled_body(a_document(payments=[a_paid("payment-1")]), SALE)
    assert [payment["id"] for payment in body["payments"]] == ["payment-1"]


@pytest.mark.parametrize(
    "payment",
    [a_paid("payment-1", deleted_at="2026-03-03T00:00:00Z"), a_paid(None)],
    ids=["deleted", "without an id"],
)
def test_payments_that_do_not_count_are_not_kept(payment: Json) -> None:
    body = settled_body(a_document(payments=[payment]), SALE)
    assert [payment.get("id") for payment in body["payments"]] == [None]
    assert len(body["payments"]) == 1


def test_a_settled_sale_stays_one_on_account() -> None:
    body = settled_body(a_document(attributes=["onaccount", "service"]), SALE)
    assert (body["state"], body["attributes"]) == ("closed", ["onaccount", "service"])


@pytest.mark.parametrize(
    ("source", "author"),
    [
        ({"author": {"id": "user-1"}}, {"author_id": "user-1"}),
        ({"author_id": "user-1"}, {"author_id": "user-1"}),
        ({"author": None, "author_id": "user-1"}, {"author_id": "user-1"}),
        ({}, {}),
        (None, {}),
        ("BigCommerce", {}),
    ],
)
def test_the_author_is_found_in_either_place(source: Any, author: Json) -> None:
    assert voided_body(a_document(source=source))["source"] == author


def test_a_document_that_is_nearly_empty_gives_a_body_all_the_same() -> None:
    assert voided_body({"id": "sale-1"}) == {
        "source": {},
        "state": "voided",
        "attributes": [],
        "line_items": [],
        "payments": [],
    }


def test_lists_that_are_null_are_empty() -> None:
    body = voided_body(a_document(attributes=None, line_items=None, payments=None))
    assert (body["attributes"], body["line_items"], body["payments"]) == ([], [], [])


def test_lines_and_payments_that_are_nearly_empty_stay_in_place() -> None:
    body = voided_body(a_document(line_items=[{"id": "line-1"}], payments=[{"id": "payment-1"}]))
    assert body["line_items"] == [
        {
            "id": "line-1",
            "product": {"id": None},
            "pricing": {"price": None, "discount": 0},
            "tax": {"id": None, "amount": None},
            "_metadata": {"is_price_override": True},
        }
    ]
    assert body["payments"] == [{"id": "payment-1", "type": {"config_id": None}}]


def test_a_line_note_may_be_read_as_an_attribute() -> None:
    attributes = [{"name": "line_note", "value": "Large"}]
    line = a_document()["line_items"][0] | {"note": None, "attributes": attributes}
    assert voided_body(a_document(line_items=[line]))["line_items"][0]["attributes"] == attributes


def test_what_the_pos_filled_in_is_sent_back_for_it_would_be_gone_otherwise() -> None:
    pricing = {"price": "9.00", "cost": "4.10000", "loyalty_amount": Decimal("0.09"), "discount_total": 0}
    document = a_document(line_items=[{"pricing": pricing}], _metadata={"version": 3, "xero_reference": "INV-7"})
    body = voided_body(document)
    kept = {"price": Decimal("9.00"), "discount": 0, "cost": Decimal("4.10000"), "loyalty_amount": Decimal("0.09")}
    assert body["line_items"][0]["pricing"] == kept
    assert body["accounts_transaction_id"] == "INV-7"


def test_a_discount_that_a_line_has_is_kept() -> None:
    line = a_document()["line_items"][0] | {"pricing": {"price": 9, "discount": 1}}
    assert voided_body(a_document(line_items=[line]))["line_items"][0]["pricing"] == {"price": 9, "discount": 1}


# --- POST /customers -------------------------------------------------------------------------------------------------


def test_a_customer_is_made_from_the_billing_address() -> None:
    buyer = sale_of(an_order(customer_id=42, is_email_opt_in=True)).buyer
    assert buyer is not None
    assert customer_body(buyer) == {
        "customer_code": "BC-42",
        "first_name": "Robin",
        "last_name": "Sample",
        "company_name": None,
        "email": "robin@example.com",
        "phone": "555 0100",
        "do_not_email": False,
        "physical_address_1": "1 Test Street",
        "physical_address_2": None,
        "physical_city": "Exampleton",
        "physical_state": "Ohio",
        "physical_postcode": "43004",
        "physical_country_id": "US",
    }


def test_a_customer_who_did_not_ask_gets_no_e_mail() -> None:
    buyer = sale_of(an_order()).buyer
    assert buyer is not None
    assert customer_body(buyer)["do_not_email"] is True


def test_a_customer_of_whom_nothing_is_known_has_a_code() -> None:
    buyer = sale_of(an_order(customer_id=42, billing_address={})).buyer
    assert buyer is not None
    body = customer_body(buyer)
    assert {name for name, value in body.items() if value is not None} == {"customer_code", "do_not_email"}


def test_a_company_is_named() -> None:
    buyer = sale_of(an_order(billing_address=dict(PERSON) | {"company": "Sample Ltd"})).buyer
    assert buyer is not None
    assert customer_body(buyer)["company_name"] == "Sample Ltd"


# --- POST /products --------------------------------------------------------------------------------------------------

DRAFT = ProductDraft(
    code="MUG-BLUE",
    name="Mug, blue",
    unit_price=Decimal("9.995"),
    tax_id=TAX_10.id,
    is_charge=False,
    product_id=77,
    variant_id=770,
)
INCLUSIVE, EXCLUSIVE = a_shop(prices_exclude_tax=False), a_shop(prices_exclude_tax=True)


def test_a_product_is_sent_whole() -> None:
    assert product_body(DRAFT, EXCLUSIVE, {"outlet-main": Decimal(12)}) == {
        "name": "Mug, blue",
        "sku": "MUG-BLUE",
        "price_excluding_tax": Decimal("10.00"),
        "is_active": True,
        "source": "USER",
        "source_id": "bigcommerce:77-770",
        "inventory": [{"outlet_id": "outlet-main", "current_amount": Decimal(12)}],
        "outlet_taxes": [{"outlet_id": "outlet-main", "tax_id": "tax-10"}],
    }


def test_a_product_of_prices_with_tax_names_its_tax_for_all_outlets() -> None:
    body = product_body(DRAFT, INCLUSIVE, None)
    assert body["all_outlets_tax"] == {"tax_id": "tax-10", "is_default": False}
    assert "outlet_taxes" not in body


@pytest.mark.parametrize("shop", [INCLUSIVE, EXCLUSIVE], ids=["tax included", "tax excluded"])
@pytest.mark.parametrize("changes", [{"tax_id": NO_TAX.id}, {"is_charge": True}], ids=["untaxed", "charge"])
def test_an_untaxed_sale_or_a_charge_says_nothing_of_a_products_tax(shop: Shop, changes: Json) -> None:
    body = product_body(replace(DRAFT, **changes), shop, None)
    assert not {"outlet_taxes", "all_outlets_tax"} & body.keys()


def test_a_product_whose_stock_is_not_counted_starts_without_any() -> None:
    assert "inventory" not in product_body(DRAFT, EXCLUSIVE, None)


def test_a_product_that_is_sold_out_starts_at_zero() -> None:
    stock = product_body(DRAFT, EXCLUSIVE, {"outlet-main": Decimal(0)})["inventory"]
    assert stock == [{"outlet_id": "outlet-main", "current_amount": 0}]


def test_a_product_without_ids_is_found_again_by_its_code() -> None:
    draft = replace(DRAFT, code="BC-SHIPPING", product_id=0, variant_id=0)
    assert product_body(draft, EXCLUSIVE, None)["source_id"] == "bigcommerce:BC-SHIPPING"


def test_stock_tracking_is_switched_off_by_a_change() -> None:
    assert untracked_body() == {"common": {"track_inventory": False}}


@pytest.mark.parametrize(("currency", "price"), [("USD", "12.35"), ("KWD", "12.346"), ("JPY", "12")])
def test_a_list_price_has_the_digits_of_its_currency(currency: str, price: str) -> None:
    draft = replace(DRAFT, unit_price=Decimal("12.34567"))
    body = product_body(draft, replace(EXCLUSIVE, currency=Currency(currency)), None)
    assert str(body["price_excluding_tax"]) == price


@pytest.mark.parametrize(
    ("shop", "order_has", "price"),
    [
        (INCLUSIVE, {"inclusive": True}, {"price_including_tax": Decimal("9.95")}),
        (INCLUSIVE, {"inclusive": False}, {"price_excluding_tax": Decimal("9.95")}),
        (EXCLUSIVE, {"inclusive": True}, {"price_excluding_tax": Decimal("9.05")}),
    ],
    ids=["with tax on both sides", "without tax in the store", "without tax in the POS"],
)
def test_where_both_sides_enter_prices_with_tax_the_till_asks_what_the_store_does(
    shop: Shop, order_has: Json, price: Json
) -> None:
    """9.05 and a tenth of it is 9.955, which the till would round to 9.96."""
    (draft,) = desired_of(an_order(a_line(price="9.95", quantity=2, rate="0.10", **order_has), **order_has)).products
    body = product_body(draft, shop, None, Decimal("12.34"))
    assert {name: value for name, value in body.items() if name.startswith("price_")} == price


def test_a_line_without_tax_tells_no_price_with_it() -> None:
    """Its buyer may have been exempt: what the POS adds by default then belongs on top."""
    (draft,) = desired_of(an_order(a_line(price="9.95", inclusive=True), inclusive=True)).products
    assert product_body(draft, INCLUSIVE, None)["price_excluding_tax"] == Decimal("9.95")


@pytest.mark.parametrize(
    ("unit", "catalogue", "with_tax", "member", "price"),
    [
        ("0", "9.99", False, "price_excluding_tax", "9.99"),
        ("0", "9.99", True, "price_including_tax", "9.99"),
        ("4.00", "9.99", True, "price_excluding_tax", "4.00"),
        ("0", "0", True, "price_excluding_tax", "0.00"),
    ],
)
def test_what_came_for_nothing_has_the_catalogue_s_price(
    unit: str, catalogue: str, *, with_tax: bool, member: str, price: str
) -> None:
    draft = replace(DRAFT, unit_price=Decimal(unit), prices_include_tax=with_tax)
    body = product_body(draft, EXCLUSIVE, None, Decimal(catalogue))
    assert {name: str(value) for name, value in body.items() if name.startswith("price_")} == {member: price}
