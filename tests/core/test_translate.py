"""What a sale looks like: codes, notes, taxes, tenders, register, buyer, drafts, and what is refused."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from builders import (
    CHARGES,
    NO_TAX,
    PERSON,
    REGISTER,
    SECOND_REGISTER,
    TAX_5,
    TAX_10,
    TAX_20,
    a_certificate,
    a_child,
    a_discount,
    a_line,
    a_parcel,
    a_pickup,
    a_policy,
    a_shop,
    a_status,
    a_structure,
    an_order,
    desired_of,
    head_of,
    numbered,
    read,
    reckoned,
    rejected_of,
    sale_of,
)

from bcpoll.core.money import ZERO, Currency, total
from bcpoll.core.order import Json, code_key, email_key
from bcpoll.core.rejected import REASONS, Reason, Rejected
from bcpoll.core.sale import DesiredState, Payment, ProductDraft, SaleLine, SaleState, Way
from bcpoll.core.shop import Fulfillment, KnownProducts, Mismatch, Route, Shop, Tax, Unpaid
from bcpoll.core.status import Disposition, OrderStatus, StatusPolicy
from bcpoll.core.translate import checked_parts, is_wanted, not_wanted, product_codes, translate

PICKED_UP: Json = {"order_address_id": 0, "order_pickup_method_id": 1}


def codes(raw: Json, **policy: Any) -> list[str]:
    return [line.code for line in sale_of(raw, policy=a_policy(**policy)).lines]


def line_of(raw: Json, shop: Shop | None = None) -> SaleLine:
    return sale_of(raw, shop).lines[0]


def tax_ids(raw: Json, **shop: Any) -> list[str]:
    return [line.tax_id for line in sale_of(raw, a_shop(**shop)).lines]


def drafts(raw: Json) -> tuple[ProductDraft, ...]:
    return desired_of(raw).products


# --- which orders are wanted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", OrderStatus, ids=lambda status: status.title)
def test_an_order_is_wanted_unless_its_status_is_not_imported(status: OrderStatus) -> None:
    wanted = is_wanted(head_of(an_order(**a_status(status))), a_policy())
    assert wanted is (status not in (OrderStatus.INCOMPLETE, OrderStatus.PENDING))


def test_a_status_that_the_merchant_leaves_out_is_not_wanted() -> None:
    policy = a_policy(statuses=StatusPolicy.with_overrides({OrderStatus.DISPUTED: Disposition.NOT_IMPORTED}))
    assert not is_wanted(head_of(an_order(**a_status(OrderStatus.DISPUTED))), policy)


@pytest.mark.parametrize(
    ("source", "wanted"), [("POS (Mill Lane)", False), ("M-MIG", True), (None, True), ("pos", True)]
)
def test_an_order_from_an_ignored_source_is_not_wanted(source: str | None, wanted: bool) -> None:  # noqa: FBT001
    policy = a_policy(ignore_sources=frozenset({"POS (Mill Lane)"}))
    assert is_wanted(head_of(an_order(external_source=source)), policy) is wanted


@pytest.mark.parametrize(("channel", "wanted"), [(7, False), (1, True)])
def test_an_order_from_an_ignored_channel_is_not_wanted(channel: int, wanted: bool) -> None:  # noqa: FBT001
    policy = a_policy(ignore_channels=frozenset({7}))
    assert is_wanted(head_of(an_order(channel_id=channel)), policy) is wanted


def test_an_archived_order_keeps_its_sale() -> None:
    assert is_wanted(head_of(an_order(is_deleted=True)), a_policy())


def test_of_an_order_that_is_not_wanted_the_pos_holds_nothing() -> None:
    desired = not_wanted(1001)
    assert desired.order_id == 1001
    assert (desired.state, desired.sale, desired.products) == (DesiredState.NOT_IMPORTED, None, ())


# --- the state of the sale -------------------------------------------------------------------------------------------

STATES = [
    (OrderStatus.SHIPPED, "", DesiredState.PAID, SaleState.CLOSED),
    (OrderStatus.PARTIALLY_SHIPPED, "pending", DesiredState.PAID, SaleState.CLOSED),
    (OrderStatus.REFUNDED, "refunded", DesiredState.PAID, SaleState.CLOSED),
    (OrderStatus.CANCELLED, "void", DesiredState.VOIDED, SaleState.VOIDED),
    (OrderStatus.DECLINED, "declined", DesiredState.VOIDED, SaleState.VOIDED),
    (OrderStatus.AWAITING_PAYMENT, "captured", DesiredState.UNPAID, SaleState.CLOSED),
    (OrderStatus.AWAITING_PICKUP, "", DesiredState.PAID, SaleState.CLOSED),
    (OrderStatus.AWAITING_SHIPMENT, "", DesiredState.PAID, SaleState.CLOSED),
    (OrderStatus.COMPLETED, "pending", DesiredState.PAID, SaleState.CLOSED),
    (OrderStatus.AWAITING_FULFILLMENT, "", DesiredState.PAID, SaleState.CLOSED),
    (OrderStatus.MANUAL_VERIFICATION_REQUIRED, "authorized", DesiredState.UNPAID, SaleState.CLOSED),
    (OrderStatus.MANUAL_VERIFICATION_REQUIRED, "captured", DesiredState.PAID, SaleState.CLOSED),
    (OrderStatus.DISPUTED, "", DesiredState.PAID, SaleState.CLOSED),
    (OrderStatus.PARTIALLY_REFUNDED, "", DesiredState.PAID, SaleState.CLOSED),
]


@pytest.mark.parametrize(
    ("status", "payment_status", "desired", "state"), STATES, ids=[f"{row[0].title}, {row[1]!r}" for row in STATES]
)
def test_the_status_decides_about_the_sale(
    status: OrderStatus, payment_status: str, desired: DesiredState, state: SaleState
) -> None:
    told = desired_of(an_order(**a_status(status), payment_status=payment_status))
    assert told.state is desired
    assert told.sale is not None
    assert told.sale.state is state
    assert bool(told.sale.payments) is (desired is DesiredState.PAID)
    assert told.sale.attributes == ()


def test_the_sale_is_dated_by_the_creation_of_the_order() -> None:
    assert sale_of(an_order()).date == read(an_order()).created_at


def test_the_sale_has_the_cashier_of_the_settings() -> None:
    assert sale_of(an_order()).author_id == "user-web"


def test_the_sale_has_total_and_tax_of_the_order() -> None:
    sale = sale_of(an_order(a_line(price="20.00", quantity=2, rate="0.10"), shipping="5.00"))
    assert (sale.total, sale.tax, reckoned(sale)) == (Decimal("49.00"), Decimal("4.00"), Decimal("49.00"))


# --- codes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"sku": "MUG-BLUE"}, "MUG-BLUE", id="SKU"),
        pytest.param({"sku": " mug "}, "mug", id="SKU with blanks"),
        pytest.param({"sku": ""}, "BC-77-770", id="blank SKU of a variant"),
        pytest.param({"sku": "  ", "variant_id": 0}, "BC-77", id="blank SKU of a product"),
        pytest.param({"sku": None, "variant_id": None}, "BC-77", id="no SKU at all"),
        pytest.param({"sku": "X", "product_id": 0}, "X", id="custom product with SKU"),
        pytest.param({"sku": "SET", "type": "digital"}, "SET", id="download"),
        pytest.param({"sku": "CERT", "type": "giftcertificate"}, "BC-GIFT-CERTIFICATE", id="gift certificate"),
    ],
)
def test_a_line_sells_under_its_code(changes: Json, code: str) -> None:
    assert codes(an_order(a_line(**changes))) == [code]


def test_a_custom_product_sells_under_a_code_of_its_name() -> None:
    engraved, plain, shouted = numbered(
        *(a_line("", name=name, product_id=0, variant_id=None) for name in ("Engraving", "Repair", "ENGRAVING "))
    )
    first, second, third = codes(an_order(engraved, plain, shouted))
    assert first.startswith("BC-CUSTOM-")
    assert first == third != second


def test_charges_sell_under_the_codes_of_the_settings() -> None:
    raw = an_order(shipping="5.00", handling="1.00", wrapping="2.00", fees=[("Delivery fee", "3.00")])
    assert codes(raw) == ["MUG-BLUE", "BC-SHIPPING", "BC-HANDLING", "BC-WRAPPING", "BC-FEE"]


def test_the_adjustment_sells_under_the_code_of_the_settings() -> None:
    raw = an_order() | {"total_inc_tax": "11.0000"}
    assert codes(raw, mismatch=Mismatch.ADJUST) == ["MUG-BLUE", "BC-ADJUSTMENT"]


@pytest.mark.parametrize(("one", "other"), [("Mug", "mug"), (" MUG", "mug "), ("STRASSE", "straße")])
def test_codes_are_compared_without_regard_to_case_and_blanks(one: str, other: str) -> None:
    assert code_key(one) == code_key(other)


def test_e_mail_addresses_are_compared_in_lower_case() -> None:
    assert email_key(" Robin@Example.COM ") == "robin@example.com"


LOOKED_UP = [
    ("goods", an_order(a_line("Mug"), a_line("PEN ", id=2))),
    ("every charge", an_order(shipping="5", handling="1", wrapping="2", fees=[("Fee", "3")])),
    ("a fee outside the total", an_order(fees=[("Fee", "3.00")], fees_count=False)),
    ("a line of no units", an_order(a_line(), a_line("GONE", quantity=0, id=2))),
    ("a gift certificate", an_order(a_certificate("25.00"))),
    ("an adjustment", an_order() | {"total_inc_tax": "11.0000"}),
    ("shipping without a gross amount", an_order(shipping="5.00") | {"shipping_cost_inc_tax": "0.0000"}),
]


@pytest.mark.parametrize("raw", [raw for _, raw in LOOKED_UP], ids=[name for name, _ in LOOKED_UP])
def test_exactly_the_codes_that_the_sale_needs_are_looked_up(raw: Json) -> None:
    policy = a_policy(mismatch=Mismatch.ADJUST)
    needed = {code_key(line.code) for line in sale_of(raw, policy=policy).lines}
    assert product_codes(checked_parts(read(raw), policy), policy) == needed


def test_nothing_is_looked_up_for_an_order_that_does_not_add_up() -> None:
    order = read(an_order() | {"total_inc_tax": "11.0000"})
    assert product_codes(checked_parts(order, a_policy()), a_policy()) == set()


# --- products to create ----------------------------------------------------------------------------------------------


def test_a_draft_has_the_undiscounted_net_price_of_the_order() -> None:
    line = a_line(" MUG ", "11.00", 3, rate="0.10", off="9.00", inclusive=True, name=" Mug, blue ")
    assert drafts(an_order(line, inclusive=True)) == (
        ProductDraft(
            code="MUG",
            name="Mug, blue",
            unit_price=Decimal("10.00000"),
            tax_id=TAX_10.id,
            is_charge=False,
            product_id=77,
            variant_id=770,
            prices_include_tax=True,
            price_with_tax=Decimal("11.00000"),
        ),
    )


def test_a_draft_without_a_name_is_named_by_its_code() -> None:
    assert drafts(an_order(a_line("MUG", name="")))[0].name == "MUG"


def test_each_charge_has_a_draft_with_a_name_and_no_price() -> None:
    fees = [("Delivery fee", "3.00"), ("Packing", "1.00")]
    raw = an_order(a_certificate("25"), shipping="5", handling="1", wrapping="2", fees=fees)
    assert {(draft.product_id, draft.variant_id) for draft in drafts(raw)} == {(0, 0)}
    assert [(draft.code, draft.name, draft.unit_price, draft.is_charge) for draft in drafts(raw)] == [
        ("BC-GIFT-CERTIFICATE", "Gift certificate sold (BigCommerce)", 0, True),
        ("BC-SHIPPING", "Shipping (BigCommerce)", 0, True),
        ("BC-HANDLING", "Handling (BigCommerce)", 0, True),
        ("BC-WRAPPING", "Gift wrapping (BigCommerce)", 0, True),
        ("BC-FEE", "Fee (BigCommerce)", 0, True),
    ]


def test_lines_of_one_code_share_a_draft_whatever_its_case() -> None:
    lines = numbered(a_line("Mug", "10.00", rate="0.10"), a_line("MUG", "8.00"))
    (draft,) = drafts(an_order(*lines))
    assert (draft.code, draft.unit_price, draft.tax_id) == ("Mug", 10, TAX_10.id)


def test_the_first_line_of_a_code_decides_about_its_draft() -> None:
    lines = numbered(a_line("MUG", "10.00", rate="0.20"), a_line("MUG", "10.00", rate="0.05"))
    assert drafts(an_order(*lines))[0].tax_id == TAX_20.id


def test_a_custom_product_has_no_ids_of_the_catalogue() -> None:
    draft = drafts(an_order(a_line("", product_id=0, variant_id=None)))[0]
    assert (draft.product_id, draft.variant_id, draft.is_charge) == (0, 0, False)


# --- unit values -----------------------------------------------------------------------------------------------------


def test_an_adjustment_downwards_takes_one_unit_back() -> None:
    """As the POS documents a discount on a whole sale: nowhere does it say that a price may be below nothing."""
    raw = an_order(a_line(price="100.00", rate="0.10")) | {"total_inc_tax": "108.9000", "total_tax": "9.9000"}
    sale = sale_of(raw, policy=a_policy(mismatch=Mismatch.ADJUST))
    adjustment = sale.lines[-1]
    assert (adjustment.quantity, adjustment.unit_price, adjustment.unit_tax) == (-1, Decimal(1), Decimal("0.1"))
    assert total((line.unit_price + line.unit_tax) * line.quantity for line in sale.lines) == sale.total


def test_three_for_ten_stay_one_line() -> None:
    line = line_of(an_order(a_line(price="3.3333", quantity=3)) | {"total_inc_tax": "10.00", "total_ex_tax": "10.00"})
    assert (line.quantity, line.unit_price, line.unit_tax) == (3, Decimal("3.33333"), ZERO)


def test_a_line_whose_cents_are_missed_is_split() -> None:
    lines = sale_of(an_order(a_line(price="0.010001", quantity=10_000))).lines
    assert [(line.quantity, line.unit_price) for line in lines] == [
        (1_000, Decimal("0.01001")),
        (9_000, Decimal("0.01000")),
    ]
    assert {line.code for line in lines} == {"MUG-BLUE"}


def test_lines_whose_small_errors_add_up_to_a_cent_are_divided_exactly() -> None:
    sale = sale_of(an_order(*numbered(*(a_line(f"SKU-{n}", Decimal(10) / 3, 3) for n in range(600)))))
    assert (sale.total, reckoned(sale)) == (Decimal(6000), Decimal(6000))
    assert len(sale.lines) == 1200


@pytest.mark.parametrize(
    ("currency", "price", "unit_price"), [("JPY", "1000", "333.33333"), ("KWD", "1.000", "0.33333")]
)
def test_unit_values_go_by_the_digits_of_the_currency(currency: str, price: str, unit_price: str) -> None:
    raw = an_order(a_line(price=Decimal(price) / 3, quantity=3), default_currency_code=currency)
    raw |= {"total_inc_tax": price, "total_ex_tax": price}
    sale = sale_of(raw, a_shop(currency=Currency(currency)))
    assert (sale.lines[0].unit_price, sale.total) == (Decimal(unit_price), Decimal(price))


# --- taxes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "tax_id"),
    [("0.05", TAX_5.id), ("0.10", TAX_10.id), ("0.20", TAX_20.id), ("0", NO_TAX.id), ("0.13", TAX_10.id)],
    ids=["5%", "10%", "20%", "none", "no tax of that rate, so the default"],
)
def test_a_line_has_the_tax_of_its_rate(rate: str, tax_id: str) -> None:
    assert tax_ids(an_order(a_line(price="100.00", rate=rate))) == [tax_id]


def test_an_unknown_rate_keeps_the_amounts_of_the_order() -> None:
    assert line_of(an_order(a_line(price="100.00", rate="0.13"))).unit_tax == Decimal(13)


def test_each_charge_has_the_tax_of_its_own_rate() -> None:
    raw = an_order(a_line(price="50.00", rate="0.20"), shipping=("10.00", "0.05"), handling="10.00")
    assert tax_ids(raw) == [TAX_20.id, TAX_5.id, NO_TAX.id]


def test_among_rates_within_a_cent_the_nearest_counts() -> None:
    assert tax_ids(an_order(a_line(price="0.10", rate="0.20"))) == [TAX_20.id]


def test_among_equal_rates_the_default_counts() -> None:
    twin = Tax(id="a-twin", name="Twin 10%", rate=Decimal("0.1"))
    assert tax_ids(an_order(a_line(price="100.00", rate="0.10")), taxes=(NO_TAX, twin, TAX_10)) == [TAX_10.id]


def test_among_equal_rates_without_the_default_the_first_id_counts() -> None:
    twins = [Tax(id=name, name="Twin", rate=Decimal("0.2")) for name in ("twin-b", "twin-a")]
    assert tax_ids(an_order(a_line(price="100.00", rate="0.20")), taxes=(NO_TAX, *twins)) == ["twin-a"]


def test_a_taxed_line_never_has_the_tax_that_is_none() -> None:
    assert tax_ids(an_order(a_line(price="0.10", rate="0.10")), taxes=(NO_TAX,), default_tax_id="tax-10") == ["tax-10"]


@pytest.mark.parametrize(
    ("currency", "price", "rate", "tax_id"),
    [
        ("USD", "100.00", "0.1001", TAX_10.id),
        ("USD", "100.00", "0.0999", TAX_10.id),
        ("USD", "100.00", "0.1002", TAX_20.id),
        ("USD", "100.00", "0.0998", TAX_20.id),
        ("JPY", "100", "0.11", TAX_10.id),
        ("JPY", "100", "0.12", TAX_20.id),
    ],
)
def test_a_rate_is_met_to_the_smallest_unit_of_the_currency(currency: str, price: str, rate: str, tax_id: str) -> None:
    raw = an_order(a_line(price=price, rate=rate), default_currency_code=currency)
    assert tax_ids(raw, currency=Currency(currency), default_tax_id=TAX_20.id) == [tax_id]


# --- tenders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "payments"),
    [
        pytest.param({}, [("pay-web", "10.00")], id="default"),
        pytest.param({"payment_method": "Cash on Delivery"}, [("pay-cash", "10.00")], id="by method"),
        pytest.param({"payment_method": " CASH on delivery "}, [("pay-cash", "10.00")], id="in any case"),
        pytest.param({"payment_method": None}, [("pay-web", "10.00")], id="no method"),
        pytest.param({"gift_certificate_amount": "10.0000"}, [("pay-certificate", "10.00")], id="all by certificate"),
        pytest.param({"store_credit_amount": "10.0000"}, [("pay-credit", "10.00")], id="all by store credit"),
        pytest.param(
            {"gift_certificate_amount": "4.0000", "store_credit_amount": "2.5000"},
            [("pay-certificate", "4.00"), ("pay-credit", "2.50"), ("pay-web", "3.50")],
            id="a part of each",
        ),
    ],
)
def test_each_tender_is_a_payment(changes: Json, payments: list[tuple[str, str]]) -> None:
    sale = sale_of(an_order(**changes))
    assert sale.payments == tuple(Payment(type_id=type_id, amount=Decimal(amount)) for type_id, amount in payments)


def test_a_free_order_has_no_payment() -> None:
    assert sale_of(an_order(a_line(price="0"))).payments == ()


def test_a_total_that_is_what_was_left_to_pay_is_read_so() -> None:
    raw = an_order(a_line(price="30.00"), gift_certificate_amount="10.0000") | {"total_inc_tax": "20.0000"}
    sale = sale_of(raw | {"total_ex_tax": "20.0000"})
    assert sale.total == Decimal("30.00")
    assert [payment.amount for payment in sale.payments] == [10, 20]


def test_credit_beyond_the_total_is_refused() -> None:
    rejected = rejected_of(an_order(gift_certificate_amount="6.0000", store_credit_amount="5.0000"))
    assert (rejected.order_id, rejected.reason, rejected.field) == (1001, Reason.TOTALS_DIFFER, "store_credit_amount")
    assert rejected.detail == "credit of 11.0000 exceeds the total 10.00"


def test_credit_beyond_the_total_is_of_no_account_for_an_order_that_takes_no_money() -> None:
    raw = an_order(store_credit_amount="11.0000", **a_status(OrderStatus.CANCELLED))
    assert sale_of(raw).payments == ()


# --- unpaid orders ---------------------------------------------------------------------------------------------------

OWING = an_order(**a_status(OrderStatus.AWAITING_PAYMENT))


def test_an_unpaid_order_is_closed_without_payments() -> None:
    sale = sale_of(OWING)
    assert (sale.state, sale.attributes, sale.payments) == (SaleState.CLOSED, (), ())


def test_an_unpaid_order_may_go_on_account() -> None:
    sale = sale_of(OWING, policy=a_policy(unpaid=Unpaid.ON_ACCOUNT))
    assert (sale.state, sale.attributes, sale.payments) == (SaleState.PENDING, ("onaccount",), ())


def test_an_unpaid_order_of_nobody_has_no_account_to_go_on() -> None:
    sale = sale_of(OWING | {"billing_address": {}}, policy=a_policy(unpaid=Unpaid.ON_ACCOUNT))
    assert (sale.state, sale.attributes) == (SaleState.CLOSED, ())


def test_a_paid_order_does_not_go_on_account() -> None:
    assert sale_of(an_order(), policy=a_policy(unpaid=Unpaid.ON_ACCOUNT)).state is SaleState.CLOSED


def test_a_cancelled_order_does_not_go_on_account() -> None:
    raw = an_order(**a_status(OrderStatus.CANCELLED))
    assert sale_of(raw, policy=a_policy(unpaid=Unpaid.ON_ACCOUNT)).state is SaleState.VOIDED


# --- registers -------------------------------------------------------------------------------------------------------


def register_of(raw: Json, *routes: Route) -> str:
    return sale_of(raw, a_shop(routes=routes)).register.id


HERE, THERE = REGISTER.id, SECOND_REGISTER.id
BY_PICKUP = Route(register=SECOND_REGISTER, pickup_location="MILL")
BY_CHANNEL = Route(register=SECOND_REGISTER, channel=7)
BY_COUNTRY = Route(register=SECOND_REGISTER, country="NZ")
COLLECTED = a_line(**PICKED_UP)


@pytest.mark.parametrize(
    ("raw", "route", "register"),
    [
        pytest.param(an_order(channel_id=7), BY_CHANNEL, THERE, id="channel"),
        pytest.param(an_order(channel_id=1), BY_CHANNEL, HERE, id="other channel"),
        pytest.param(
            an_order(consignments=a_structure(shipping=[a_parcel(a_line(), country_iso2="NZ")])),
            BY_COUNTRY,
            THERE,
            id="country",
        ),
        pytest.param(an_order(), BY_COUNTRY, HERE, id="other country"),
        pytest.param(
            an_order(COLLECTED, consignments=a_structure(pickups=[a_pickup(COLLECTED)])), BY_PICKUP, THERE, id="pickup"
        ),
        pytest.param(an_order(), BY_PICKUP, HERE, id="shipped"),
        pytest.param(an_order(a_line(type="digital"), channel_id=None), BY_COUNTRY, HERE, id="going nowhere"),
        pytest.param(an_order(channel_id=None), BY_COUNTRY, HERE, id="no channel told"),
        pytest.param(
            an_order(consignments=a_structure(shipping=[a_parcel(a_line(), country_iso2="")])),
            BY_CHANNEL,
            HERE,
            id="no country told",
        ),
    ],
)
def test_an_order_goes_to_the_register_of_its_route(raw: Json, route: Route, register: str) -> None:
    assert register_of(raw, route) == register


def test_the_first_route_that_matches_counts() -> None:
    third = replace(REGISTER, id="register-third")
    assert register_of(an_order(channel_id=7), replace(BY_CHANNEL, register=third), BY_CHANNEL) == third.id


def test_without_a_route_the_register_of_the_settings_counts() -> None:
    assert register_of(an_order()) == HERE


# --- buyers ----------------------------------------------------------------------------------------------------------


def test_a_customer_goes_by_its_number() -> None:
    buyer = sale_of(an_order(customer_id=42)).buyer
    assert buyer is not None
    assert (buyer.key, buyer.code, buyer.email) == ("customer:42", "BC-42", "robin@example.com")
    assert buyer.address == read(an_order()).billing


def test_a_guest_goes_by_the_e_mail_address_in_lower_case() -> None:
    buyers = [
        sale_of(an_order(billing_address=dict(PERSON) | {"email": email})).buyer
        for email in ("robin@example.com", " Robin@EXAMPLE.com")
    ]
    assert buyers[0] == buyers[1]
    assert buyers[0] is not None
    assert buyers[0].key == "email:robin@example.com"
    assert buyers[0].code.startswith("BC-G-")


def test_guests_with_other_addresses_have_other_codes() -> None:
    one, other = (
        sale_of(an_order(billing_address=dict(PERSON) | {"email": email})).buyer
        for email in ("robin@example.com", "kim@example.com")
    )
    assert one is not None
    assert other is not None
    assert one.code != other.code


@pytest.mark.parametrize("email", ["", "  ", None])
def test_a_guest_without_an_e_mail_address_is_nobody(email: str | None) -> None:
    assert sale_of(an_order(billing_address=dict(PERSON) | {"email": email})).buyer is None


def test_a_customer_without_an_e_mail_address_is_still_a_customer() -> None:
    buyer = sale_of(an_order(customer_id=42, billing_address={})).buyer
    assert buyer is not None
    assert (buyer.key, buyer.email) == ("customer:42", "")


@pytest.mark.parametrize(("told", "opt_in"), [(True, True), (False, False), (None, False)])
def test_a_buyer_is_written_to_only_who_asked_for_it(told: bool | None, opt_in: bool) -> None:  # noqa: FBT001
    buyer = sale_of(an_order(is_email_opt_in=told)).buyer
    assert buyer is not None
    assert buyer.opt_in is opt_in


# --- notes -----------------------------------------------------------------------------------------------------------


def note_of(raw: Json) -> list[str]:
    return sale_of(raw).note.splitlines()


def test_the_note_names_the_order_and_where_it_goes() -> None:
    assert note_of(an_order()) == [
        "BigCommerce order 1001",
        "Ship by Ground to Robin Sample, 1 Test Street, Exampleton Ohio 43004, United States, 555 0100",
    ]


def test_the_note_has_every_address() -> None:
    one, two = numbered(a_line(), a_line())
    parcels = [a_parcel(one), a_parcel(two, first_name="Kim", shipping_method="")]
    note = note_of(an_order(one, two, consignments=a_structure(shipping=parcels)))
    assert len(note) == 3
    assert note[2].startswith("Ship to Kim Sample, 1 Test Street")


@pytest.mark.parametrize("method", ["", "None", None])
def test_the_note_names_no_method_where_there_is_none(method: str | None) -> None:
    parcel = a_parcel(a_line(), shipping_method=method)
    assert note_of(an_order(consignments=a_structure(shipping=[parcel])))[1].startswith("Ship to Robin Sample")


@pytest.mark.parametrize(
    ("location", "line"),
    [
        ({"name": "Mill Lane", "code": "MILL"}, "Pick up at Mill Lane"),
        ({"name": "", "code": "MILL"}, "Pick up at MILL"),
    ],
)
def test_the_note_says_where_an_order_is_picked_up(location: Json, line: str) -> None:
    consignments = a_structure(pickups=[a_pickup(COLLECTED, location=location)])
    assert note_of(an_order(COLLECTED, consignments=consignments)) == ["BigCommerce order 1001", line]


def test_an_order_that_goes_nowhere_is_noted_by_its_number_alone() -> None:
    assert note_of(an_order(a_line(type="digital"))) == ["BigCommerce order 1001"]


def test_the_note_ends_with_the_message_of_the_shopper() -> None:
    assert note_of(an_order(customer_message=" Ring twice,\nplease "))[-2:] == ["Message: Ring twice,", "please"]


def test_a_blank_message_is_none() -> None:
    assert len(note_of(an_order(customer_message="  \n"))) == 2


def test_the_note_says_what_is_not_part_of_the_total() -> None:
    desired = desired_of(an_order(fees=[("Fee", "3.00")], fees_count=False))
    assert desired.sale is not None
    assert desired.sale.note.splitlines()[-1] == "Fee of 3.00 is not part of the order's total."
    assert desired.notes == ("Fee of 3.00 is not part of the order's total.",)


def test_an_address_stays_on_one_line() -> None:
    parcel = a_parcel(a_line(), street_1="1 Test\nStreet", company="  ", city=" Exampleton  ", state="")
    assert note_of(an_order(consignments=a_structure(shipping=[parcel])))[1:] == [
        "Ship by Ground to Robin Sample, 1 Test Street, Exampleton 43004, United States, 555 0100"
    ]


def test_a_note_of_just_the_length_that_fits_is_left_alone() -> None:
    rest = 2000 - len(sale_of(an_order(customer_message="x")).note) + 1
    assert sale_of(an_order(customer_message="x" * rest)).note.endswith("xx")
    assert sale_of(an_order(customer_message="x" * (rest + 1))).note.endswith("x…")


def test_a_long_note_is_cut_with_an_ellipsis() -> None:
    note = sale_of(an_order(customer_message="x" * 5000)).note
    assert (len(note), note[-2:]) == (2000, "x…")


# --- line notes ------------------------------------------------------------------------------------------------------

SIZE: Json = {"display_name": "Size", "display_value": "Large"}
ENGRAVING: Json = {"display_name": "Engraving", "display_value": "For\n Kim"}


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        pytest.param({}, "", id="plain"),
        pytest.param({"product_options": [SIZE, ENGRAVING]}, "Size: Large; Engraving: For Kim", id="options"),
        pytest.param({"off": "1.50"}, "Discount 1.50 (SPRING)", id="coupon"),
        pytest.param(
            {"off": [a_discount("1.00", code=None, name="Staff")]}, "Discount 1.00 (Staff)", id="manual discount"
        ),
        pytest.param({"off": [a_discount("1.00", code="", name="")]}, "Discount 1.00", id="discount without a name"),
        pytest.param(
            {"off": [a_discount("1.00"), a_discount("0.505", code="TWO")]},
            "Discount 1.00 (SPRING); Discount 0.51 (TWO)",
            id="two discounts",
        ),
        pytest.param({"event_name": "Wedding", "event_date": "2026-05-01"}, "Wedding 2026-05-01", id="event"),
        pytest.param({"event_name": None, "event_date": "2026-05-01"}, "2026-05-01", id="date of an event"),
        pytest.param(
            {"wrapping_name": "Paper", "wrapping_message": "To Kim"}, "Gift wrapping: Paper: To Kim", id="wrapping"
        ),
        pytest.param({"wrapping_name": "Paper"}, "Gift wrapping: Paper", id="wrapping without a message"),
        pytest.param({"wrapping_message": "To Kim"}, "Gift wrapping: To Kim", id="message without a wrapping"),
        pytest.param(
            {"type": "giftcertificate", "name": "25.00 Gift Certificate"},
            "25.00 Gift Certificate",
            id="gift certificate",
        ),
        pytest.param({"type": "giftcertificate", "name": ""}, "", id="gift certificate without a name"),
        pytest.param(
            {"product_options": [SIZE], "off": "1.00", "wrapping_name": "Paper"},
            "Size: Large; Gift wrapping: Paper; Discount 1.00 (SPRING)",
            id="all at once",
        ),
    ],
)
def test_a_line_note_says_what_the_line_does_not(changes: Json, note: str) -> None:
    assert line_of(an_order(a_line(**changes))).note == note


def test_a_bundle_child_is_noted_as_part_of_its_bundle() -> None:
    bundle = a_line("SET", id=5, name="Tea set")
    sale = sale_of(an_order(bundle, a_child(bundle, "CUP", quantity=4, id=6)))
    assert [(line.code, line.quantity, line.unit_price, line.note) for line in sale.lines] == [
        ("SET", 1, 10, ""),
        ("CUP", 4, 0, "Part of Tea set"),
    ]


def test_a_child_without_its_bundle_is_noted_as_nothing() -> None:
    child = a_child({"id": 99}, "CUP", id=6)
    assert [line.note for line in sale_of(an_order(a_line(), child)).lines] == ["", ""]


def test_lines_without_ids_are_no_parts_of_each_other() -> None:
    lines = [{k: v for k, v in line.items() if k != "id"} for line in (a_line(), a_line("PEN"))]
    assert [line.note for line in sale_of(an_order(*lines)).lines] == ["", ""]


def test_a_fee_is_noted_by_its_name_and_other_charges_by_nothing() -> None:
    sale = sale_of(an_order(shipping="5.00", wrapping="2.00", fees=[("Delivery fee", "3.00")]))
    assert [line.note for line in sale.lines] == ["", "", "", "Delivery fee"]


def test_a_long_line_note_is_cut_with_an_ellipsis() -> None:
    note = line_of(an_order(a_line(wrapping_message="x" * 900))).note
    assert (len(note), note[-2:]) == (500, "x…")


# --- fulfilment from the POS -----------------------------------------------------------------------------------------

TRACKED = a_policy(fulfillment=Fulfillment.TRACK)
AWAITING = [
    OrderStatus.PARTIALLY_SHIPPED,
    OrderStatus.AWAITING_PICKUP,
    OrderStatus.AWAITING_SHIPMENT,
    OrderStatus.AWAITING_FULFILLMENT,
    OrderStatus.MANUAL_VERIFICATION_REQUIRED,
]
SILENT = [OrderStatus.DISPUTED, OrderStatus.PARTIALLY_REFUNDED]
PICKUP = an_order(COLLECTED, consignments=a_structure(pickups=[a_pickup(COLLECTED)]))


def ways(raw: Json) -> list[Way | None]:
    return [line.way for line in sale_of(raw, policy=TRACKED).lines]


def test_a_delivery_is_open_until_it_is_sent() -> None:
    desired = desired_of(an_order(shipping="5.00"), policy=TRACKED)
    sale = desired.sale
    assert desired.state is DesiredState.OPEN
    assert sale is not None
    assert (sale.state, sale.attributes, sale.way) == (SaleState.PENDING, ("delivery",), Way.DISPATCH)
    assert sale.ship_to == read(an_order()).destinations[0].address
    assert sale.payments == (Payment(type_id="pay-web", amount=Decimal("15.00")),)


def test_a_pickup_is_open_until_it_is_handed_out() -> None:
    desired = desired_of(PICKUP, policy=TRACKED)
    sale = desired.sale
    assert desired.state is DesiredState.OPEN
    assert sale is not None
    assert (sale.state, sale.attributes, sale.way, sale.ship_to) == (SaleState.PENDING, ("pickup",), Way.PICKUP, None)


def test_charges_and_downloads_are_not_fulfilled() -> None:
    lines = numbered(a_line(), a_line("EBOOK", type="digital"))
    assert ways(an_order(*lines, shipping="5.00")) == [Way.DISPATCH, None, None]


def test_all_that_is_fulfilled_of_an_order_goes_the_same_way() -> None:
    sent, collected = numbered(a_line(), a_line("PEN", **PICKED_UP))
    consignments = a_structure(shipping=[a_parcel(sent)], pickups=[a_pickup(collected)])
    assert ways(an_order(sent, collected, consignments=consignments)) == [Way.DISPATCH, None]


@pytest.mark.parametrize(("street", "way"), [("1 Test Street", Way.DISPATCH), ("9 Other Street", None)])
def test_what_goes_to_several_addresses_is_not_fulfilled_as_if_it_went_to_one(street: str, way: Way | None) -> None:
    """A sale has one address: staff would send all of it there."""
    mug, pen = numbered(a_line(), a_line("PEN"))
    parcels = [a_parcel(mug), a_parcel(pen, id=501, street_1=street)]
    sale = sale_of(an_order(mug, pen, consignments=a_structure(shipping=parcels)), policy=TRACKED)
    assert {line.way for line in sale.lines} == {way}
    assert (sale.state is SaleState.PENDING) is (way is not None)
    assert f"to Robin Sample, {street}" in sale.note


@pytest.mark.parametrize("status", OrderStatus, ids=lambda status: status.title)
def test_only_what_waits_to_be_sent_is_open(status: OrderStatus) -> None:
    desired = desired_of(an_order(**a_status(status)), policy=TRACKED)
    assert (desired.state is DesiredState.OPEN) is (status in [*AWAITING, *SILENT])


@pytest.mark.parametrize("status", SILENT, ids=lambda status: status.title)
def test_where_the_status_does_not_say_so_the_date_tells_that_all_was_sent(status: OrderStatus) -> None:
    sent = {"date_shipped": "Fri, 02 Jan 2026 09:00:00 +0000"}
    desired = desired_of(an_order(**a_status(status), **sent), policy=TRACKED)
    assert (desired.state, desired.is_handed_over) == (DesiredState.PAID, True)


@pytest.mark.parametrize(
    "told", [{"code": "MILL", "name": ""}, {"code": "", "name": "Mill Lane"}], ids=["code", "name"]
)
def test_a_delivery_goes_to_the_shopper_and_not_to_the_shop_of_a_pickup(told: Json) -> None:
    sent, collected = numbered(a_line(), a_line("PEN", **PICKED_UP))
    location = a_pickup()["location"] | told
    pickup = a_structure(pickups=[a_pickup(collected, location=location)])
    raw = an_order(sent, collected, consignments=[pickup, a_structure(shipping=[a_parcel(sent)])])
    ship_to = sale_of(raw, policy=TRACKED).ship_to
    assert ship_to is not None
    assert ship_to.street_1 == "1 Test Street"


def test_an_unpaid_order_is_not_open() -> None:
    raw = an_order(**a_status(OrderStatus.MANUAL_VERIFICATION_REQUIRED), payment_status="pending")
    desired = desired_of(raw, policy=TRACKED)
    assert desired.state is DesiredState.UNPAID
    assert ways(raw) == [None]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(an_order(a_line(type="digital")), id="downloads"),
        pytest.param(an_order(a_line(order_address_id=0)), id="goods that go nowhere"),
        pytest.param(
            an_order(consignments=a_structure(shipping=[a_parcel(a_line(), street_1="x" * 51)])),
            id="address that the POS does not take",
        ),
        pytest.param(an_order(billing_address={}), id="delivery to nobody"),
    ],
)
def test_what_the_pos_cannot_fulfil_is_a_plain_closed_sale(raw: Json) -> None:
    desired = desired_of(raw, policy=TRACKED)
    assert desired.state is DesiredState.PAID
    assert desired.sale is not None
    assert (desired.sale.state, desired.sale.way, desired.sale.ship_to) == (SaleState.CLOSED, None, None)


def test_a_pickup_needs_no_customer() -> None:
    assert desired_of(PICKUP | {"billing_address": {}}, policy=TRACKED).state is DesiredState.OPEN


def test_without_tracking_nothing_is_open() -> None:
    assert desired_of(an_order()).state is DesiredState.PAID


# --- what is refused -------------------------------------------------------------------------------------------------


def test_an_order_without_its_lines_is_refused() -> None:
    rejected = rejected_of(an_order() | {"products": []})
    assert (rejected.reason, rejected.field) == (Reason.LINES_INCOMPLETE, "products")
    assert rejected.detail == "no lines for 10.0000 of goods"


def test_an_order_of_charges_only_is_a_sale() -> None:
    raw = an_order(a_line(price="0"), handling="5.00") | {"products": []}
    assert codes(raw) == ["BC-HANDLING"]


def test_totals_that_differ_are_refused_with_both_sums() -> None:
    rejected = rejected_of(an_order(shipping="5.00") | {"total_inc_tax": "12.0000"})
    assert (rejected.reason, rejected.field, rejected.order_id) == (Reason.TOTALS_DIFFER, "total_inc_tax", 1001)
    assert (
        rejected.detail == "order total 12.00 (tax 0.00), parts add up to 15.00 (tax 0.00), difference -3.00 in total"
    )


def test_totals_that_differ_may_be_adjusted() -> None:
    sale = sale_of(an_order(shipping="5.00") | {"total_inc_tax": "12.0000"}, policy=a_policy(mismatch=Mismatch.ADJUST))
    assert (sale.total, reckoned(sale)) == (12, 12)
    assert sale.note.splitlines()[-1] == "Adjusted by -3.00 to meet the order's total."


@pytest.mark.parametrize(
    ("currency", "detail"),
    [
        ("EUR", "order total 10.00 EUR, the POS keeps USD"),
        ("JPY", "order total 10 JPY, the POS keeps USD"),
        ("", "order total 10.00 (none), the POS keeps USD"),
    ],
)
def test_a_foreign_currency_is_refused_with_the_amount(currency: str, detail: str) -> None:
    rejected = rejected_of(an_order(default_currency_code=currency))
    assert (rejected.reason, rejected.field) == (Reason.FOREIGN_CURRENCY, "default_currency_code")
    assert rejected.detail == detail


def test_the_display_currency_is_of_no_account() -> None:
    assert sale_of(an_order(currency_code="EUR", currency_exchange_rate="0.9000000000")).total == 10


def translated(raw: Json, known: KnownProducts) -> Any:
    return translate(read(raw), a_shop(), a_policy(), known)


def test_a_code_of_several_products_is_refused() -> None:
    rejected = translated(an_order(a_line("Mug")), {"mug": ("product-1", "product-2")})
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.field) == (Reason.AMBIGUOUS_PRODUCT, "sku")
    assert rejected.detail == "several products go by 'Mug'"


def test_a_charge_of_several_products_is_refused_too() -> None:
    rejected = translated(an_order(shipping="5.00"), {"bc-shipping": ("product-1", "product-2")})
    assert isinstance(rejected, Rejected)
    assert rejected.detail == "several products go by 'BC-SHIPPING'"


@pytest.mark.parametrize("found", [(), ("product-1",)], ids=["none", "one"])
def test_a_code_of_one_product_or_none_is_fine(found: tuple[str, ...]) -> None:
    assert not isinstance(translated(an_order(a_line("Mug")), {"mug": found}), Rejected)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_says_what_to_do(reason: Reason) -> None:
    rejected = Rejected(order_id=1, reason=reason, field="", detail="")
    assert rejected.hint == REASONS[reason].hint
    assert rejected.hint.endswith(".")


# --- content: what counts as an edit ---------------------------------------------------------------------------------

PLAIN = numbered(a_line("MUG", "10.00", 2, rate="0.10"), a_line("PEN", "3.00", rate="0.10"))
PLAIN_CONTENT = desired_of(an_order(*PLAIN, shipping="5.00")).content


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(an_order(*PLAIN, shipping="5.00"), id="the same order"),
        pytest.param(an_order(*PLAIN, shipping="5.00", customer_message="Ring twice", staff_notes="VIP"), id="notes"),
        pytest.param(
            an_order(*PLAIN, shipping="5.00", billing_address=dict(PERSON) | {"city": "Otherton"}), id="address"
        ),
        pytest.param(an_order(*PLAIN, shipping="5.00", customer_id=42), id="customer"),
        pytest.param(an_order(*PLAIN, shipping="5.00", **a_status(OrderStatus.SHIPPED)), id="status"),
        pytest.param(an_order(*PLAIN, shipping="5.00", payment_method="Cash on Delivery"), id="payment method"),
        pytest.param(an_order(*PLAIN, shipping="5.00", store_credit_amount="5.0000"), id="tenders"),
        pytest.param(an_order(*PLAIN, shipping="5.00", date_modified="2026-03-09T00:00:00Z"), id="modification"),
        pytest.param(an_order(*(line | {"name": "New"} for line in PLAIN), shipping="5.00"), id="names"),
        pytest.param(an_order(*reversed(PLAIN), shipping="5.00"), id="order of lines"),
        pytest.param(an_order(*PLAIN, shipping="5.00") | {"products": PLAIN}, id="where lines were read"),
        pytest.param(
            an_order(*(line | {"sku": line["sku"].lower()} for line in PLAIN), shipping="5.00"), id="case of SKUs"
        ),
        pytest.param(
            an_order(
                *({k: v for k, v in line.items() if k != "discounted_total_inc_tax"} for line in PLAIN), shipping="5"
            ),
            id="age of the payload",
        ),
    ],
)
def test_what_does_not_change_goods_or_money_is_no_edit(raw: Json) -> None:
    assert desired_of(raw).content == PLAIN_CONTENT


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(an_order(PLAIN[0], a_line("PEN", "3.00", 2, rate="0.10", id=2), shipping="5.00"), id="quantity"),
        pytest.param(
            an_order(PLAIN[0], a_line("PEN", "1.50", 2, rate="0.10", id=2), shipping="5.00"), id="only quantity"
        ),
        pytest.param(an_order(PLAIN[0], a_line("CUP", "3.00", rate="0.10", id=2), shipping="5.00"), id="SKU"),
        pytest.param(an_order(PLAIN[0], a_line("PEN", "4.00", rate="0.10", id=2), shipping="5.00"), id="price"),
        pytest.param(an_order(PLAIN[0], a_line("PEN", "3.00", id=2), shipping="5.30"), id="tax"),
        pytest.param(an_order(PLAIN[0], shipping="5.00"), id="a line less"),
        pytest.param(an_order(*PLAIN, shipping="6.00"), id="shipping"),
        pytest.param(an_order(*PLAIN, handling="5.00"), id="kind of charge"),
    ],
)
def test_what_changes_goods_or_money_is_an_edit(raw: Json) -> None:
    assert desired_of(raw).content != PLAIN_CONTENT


def test_settings_of_the_pos_do_not_make_an_edit() -> None:
    raw = an_order(*PLAIN, shipping="5.00")
    others = {charge: f"OTHER-{code}" for charge, code in CHARGES.items()}
    shop = a_shop(register=SECOND_REGISTER, taxes=(NO_TAX,), default_tax_id="another")
    assert desired_of(raw, shop, a_policy(charges=others)).content == PLAIN_CONTENT


def test_cents_of_equal_claim_do_not_make_an_edit_when_lines_are_read_in_another_order() -> None:
    lines = numbered(a_line("MUG", "3.335"), a_line("PEN", "3.335"))
    assert desired_of(an_order(*lines)).content == desired_of(an_order(*reversed(lines))).content
