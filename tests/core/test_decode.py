"""Raw orders to records: the odd shapes that real payloads have, and how each thing that cannot be read is named."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from builders import (
    PERSON,
    a_discount,
    a_line,
    a_link,
    a_parcel,
    a_pickup,
    a_structure,
    an_order,
    head_of,
    numbered,
    read,
)

from bcpoll.core.decode import Head, decode_head, decode_order, order_id_of
from bcpoll.core.money import ZERO
from bcpoll.core.order import Address, Cost, Delivery, Destination, Discount, Json, LineKind
from bcpoll.core.personal import HIDDEN
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.status import OrderStatus

HUGE, TINY = Decimal("1e999999999"), Decimal("1e-999999999")
MUG = a_line("MUG")


def without(raw: Json, name: str) -> Json:
    return {member: value for member, value in raw.items() if member != name}


def refusal_of(raw: Json) -> Rejected:
    head = decode_head(raw)
    rejected = head if isinstance(head, Rejected) else decode_order(raw, head)
    assert isinstance(rejected, Rejected), rejected
    return rejected


def named(rejected: Rejected) -> tuple[Reason, str]:
    return rejected.reason, rejected.field


# --- the head --------------------------------------------------------------------------------------------------------


def test_the_head_tells_whether_an_order_concerns_us() -> None:
    head = head_of(an_order(channel_id=4, external_source="POS (Mill Lane)", is_deleted=True))
    assert head.id == 1001
    assert head.status is OrderStatus.AWAITING_FULFILLMENT
    assert head.created_at == datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
    assert head.modified_at == datetime(2026, 3, 2, 9, 16, 30, tzinfo=UTC)
    assert (head.channel_id, head.external_source, head.archived) == (4, "POS (Mill Lane)", True)


def test_an_order_that_tells_no_channel_came_by_the_first() -> None:
    assert head_of(without(an_order(), "channel_id")).channel_id == 1


@pytest.mark.parametrize("archived", [True, False])
def test_an_order_tells_whether_it_is_archived(archived: bool) -> None:  # noqa: FBT001
    assert read(an_order(is_deleted=archived)).archived is archived


def test_an_incomplete_order_needs_no_more_than_a_head() -> None:
    raw = {"id": 9, "status_id": 0, "date_created": "2026-03-02T09:15:00Z", "date_modified": "2026-03-02T09:15:00Z"}
    head = head_of(raw | {"is_deleted": True, "total_inc_tax": "garbage"})
    assert (head.id, head.status, head.archived) == (9, OrderStatus.INCOMPLETE, True)


@pytest.mark.parametrize("status", OrderStatus, ids=lambda status: status.title)
def test_every_status_is_read_by_its_id_whatever_the_merchant_calls_it(status: OrderStatus) -> None:
    assert head_of(an_order(status_id=int(status), status="Zu packen")).status is status


@pytest.mark.parametrize("status_id", [15, 99, 1000000, "15"])
def test_a_status_outside_the_table_is_set_aside_by_its_number(status_id: Any) -> None:
    rejected = refusal_of(an_order(status_id=status_id))
    assert named(rejected) == (Reason.UNKNOWN_STATUS, "status_id")
    assert rejected.detail == f"status id {status_id}"
    assert rejected.order_id == 1001


@pytest.mark.parametrize("name", ["id", "status_id", "date_created", "date_modified"])
def test_a_head_without_a_member_is_set_aside_by_its_name(name: str) -> None:
    rejected = refusal_of(without(an_order(), name))
    assert named(rejected) == (Reason.MISSING_MEMBER, name)
    assert rejected.detail == "missing"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("id", "abc", "'abc'"),
        ("id", None, "None"),
        ("id", -1, "-1"),
        ("id", 0, "0"),
        ("id", True, "True"),
        ("id", 10**400, "1000"),
        ("status_id", -1, "-1"),
        ("status_id", None, "None"),
        ("status_id", False, "False"),
        ("status_id", "", "''"),
        ("status_id", Decimal("10.5"), "Decimal('10.5')"),
        ("date_created", "", "''"),
        ("date_created", "2026-03-02", "'2026-03-02'"),
        ("date_created", 1772442900, "1772442900"),
        ("date_created", None, "None"),
        ("date_modified", "Mon, 02 Mar 2026 09:15:00", "'Mon, 02 Mar 2026 09:15:00'"),
        ("date_modified", "Mon, 02 Mar 2026 09:15:00 +0000" + " " * 60, "'Mon, 02 Mar 2026 09:15:00 +0000"),
        ("is_deleted", "perhaps", "'perhaps'"),
        ("external_source", ["POS"], "['POS']"),
        ("channel_id", "web", "'web'"),
        ("channel_id", [], "[]"),
        ("channel_id", TINY, "Decimal('1E-999999999')"),
    ],
)
def test_a_head_of_the_wrong_type_is_set_aside_with_name_and_value(name: str, value: Any, shown: str) -> None:
    rejected = refusal_of(an_order(**{name: value}))
    assert named(rejected) == (Reason.WRONG_TYPE, name)
    assert rejected.detail.startswith(shown)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"total_tax": True}, "True: not a number"),
        ({"date_created": "2026-03-02"}, "'2026-03-02': not a time with a zone"),
        ({"payment_method": ["Cash"]}, "['Cash']: not a text"),
    ],
    ids=["number", "time", "text"],
)
def test_what_a_value_is_not_is_said_after_it(changes: Json, detail: str) -> None:
    assert refusal_of(an_order(**changes)).detail == detail


@pytest.mark.parametrize(
    ("value", "order_id"),
    [(7, 7), (0, 0), (-7, 0), (True, 0), ("7", 7), (Decimal("7.0"), 7), ("x", 0), (None, 0), (10**13, 0), ([7], 0)],
)
def test_an_order_id_is_told_as_far_as_it_can_be_read(value: Any, order_id: int) -> None:
    assert order_id_of({"id": value}) == order_id
    head = decode_head(an_order(id=value))
    assert (head.id if isinstance(head, Head) else head.order_id) == order_id


def test_an_order_without_an_id_has_the_number_zero() -> None:
    assert order_id_of({}) == 0


# --- amounts and numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["12.5", "12.5000", 12.5, Decimal("12.5"), Decimal("12.5000"), " 12.5 "],
    ids=["text", "four decimals", "float", "decimal", "decimal with zeros", "blanks"],
)
def test_an_amount_may_be_a_text_or_a_number(value: Any) -> None:
    assert read(an_order(total_inc_tax=value)).total_inc_tax == Decimal("12.5")


def test_an_amount_may_have_twenty_decimals() -> None:
    assert read(an_order(total_tax=Decimal("1e-20"))).total_tax == Decimal("1e-20")


def test_an_amount_may_be_a_whole_number() -> None:
    assert read(an_order(total_inc_tax=8)).total_inc_tax == Decimal(8)


@pytest.mark.parametrize(
    "value", [None, {}, [], "", True, False, "free", "1,50", "NaN", "Infinity", "-Infinity", "\ud800", "12 USD"]
)
def test_a_total_that_is_no_amount_is_set_aside(value: Any) -> None:
    rejected = refusal_of(an_order(total_inc_tax=value))
    assert named(rejected) == (Reason.WRONG_TYPE, "total_inc_tax")
    assert repr(value) in rejected.detail


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("1000000000000.01", id="more than any order"),
        pytest.param("-1e13", id="less than any order"),
        pytest.param("1e400", id="power of ten in a text"),
        pytest.param(HUGE, id="power of ten in a number"),
        pytest.param(TINY, id="more decimals than any amount"),
        pytest.param(10**400, id="long whole number"),
        pytest.param(Decimal("NaN"), id="decimal that is no number"),
        pytest.param(Decimal("sNaN"), id="decimal that signals"),
        pytest.param(float("nan"), id="float that is no number"),
        pytest.param(float("inf"), id="infinite float"),
    ],
)
def test_an_amount_beyond_all_reason_is_set_aside(value: Any) -> None:
    assert named(refusal_of(an_order(total_inc_tax=value))) == (Reason.WRONG_TYPE, "total_inc_tax")


@pytest.mark.parametrize("name", ["discount_amount", "coupon_discount", "store_credit_amount"])
@pytest.mark.parametrize("value", [None, {}, ""], ids=["null", "empty object", "empty text"])
def test_an_amount_that_may_be_absent_is_zero_where_it_is_empty(name: str, value: Any) -> None:
    order = read(an_order(**{name: value}))
    assert (order.discount, order.coupon_discount, order.store_credit) == (ZERO, ZERO, ZERO)


@pytest.mark.parametrize("value", [True, "none", [1], "NaN"])
def test_an_amount_that_may_be_absent_is_no_garbage(value: Any) -> None:
    assert named(refusal_of(an_order(coupon_discount=value))) == (Reason.WRONG_TYPE, "coupon_discount")


AMOUNTS = [
    "subtotal_ex_tax",
    "subtotal_inc_tax",
    *(
        f"{charge}_cost_{side}"
        for charge in ("shipping", "handling", "wrapping")
        for side in ("ex_tax", "inc_tax", "tax")
    ),
    "discount_amount",
    "total_inc_tax",
    "total_tax",
]


@pytest.mark.parametrize("name", [*AMOUNTS, "default_currency_code", "billing_address"])
def test_an_order_without_a_member_it_always_has_is_set_aside_by_its_name(name: str) -> None:
    rejected = refusal_of(without(an_order(), name))
    assert named(rejected) == (Reason.MISSING_MEMBER, name)
    assert rejected.order_id == 1001


@pytest.mark.parametrize(
    "name",
    [
        "customer_id",
        "is_tax_inclusive_pricing",
        "coupon_discount",
        "store_credit_amount",
        "gift_certificate_amount",
        "payment_method",
        "payment_status",
        "customer_message",
        "is_email_opt_in",
        "is_deleted",
        "channel_id",
        "external_source",
        "fees",
        "products",
    ],
)
def test_an_order_may_lack_what_older_payloads_lack(name: str) -> None:
    assert read(without(an_order(), name)).total_inc_tax == Decimal("10.0000")


def test_unknown_members_are_none_of_our_business() -> None:
    assert read(an_order(brand_new={"__proto__": [None]})) == read(an_order())


def test_the_numbers_of_a_large_store_are_read() -> None:
    assert head_of(an_order(id=2**31 + 5)).id == 2**31 + 5


# --- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, {}, []], ids=["null", "empty object", "empty list"])
def test_an_empty_text_has_many_shapes(value: Any) -> None:
    assert read(an_order(customer_message=value)).customer_message == ""


@pytest.mark.parametrize(("value", "text"), [(90210, "90210"), (Decimal("1.50"), "1.50"), ("01 234", "01 234")])
def test_a_text_may_come_as_a_number(value: Any, text: str) -> None:
    assert read(an_order(billing_address=dict(PERSON) | {"zip": value})).billing.postcode == text


@pytest.mark.parametrize(
    ("value", "shown"), [(True, "True"), ([7], "[7]"), ({"a": 1}, "{'a': 1}"), (["Ada"], f"['{HIDDEN}']"), (1.5, "1.5")]
)
def test_a_text_is_no_structure(value: Any, shown: str) -> None:
    rejected = refusal_of(an_order(billing_address=dict(PERSON) | {"zip": value}))
    assert named(rejected) == (Reason.WRONG_TYPE, "billing_address.zip")
    assert rejected.detail == f"{shown}: not a text"


@pytest.mark.parametrize("field", ["billing_address", "customer_message"])
def test_of_what_may_be_about_a_person_the_value_is_not_told(field: str) -> None:
    wrong: Any = "Ada Teacup, 1 Kettle Lane" if field == "billing_address" else {"text": "Ada's birthday"}
    rejected = refusal_of(an_order(**{field: wrong}))
    assert named(rejected) == (Reason.WRONG_TYPE, field)
    assert "Ada" not in rejected.detail
    assert HIDDEN in rejected.detail


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("bell\x07 and null\x00", "bell  and null "),
        ("two\r\nlines\nthree", "two\nlines\nthree"),
        ("tab\tand\x1b[31m colour", "tab and [31m colour"),
        ("half an emoji \ud83d", "half an emoji  "),
        ("hidden \u202etxt", "hidden  txt"),
        ("no-break\u00a0space", "no-break space"),
        ("Grüße, 東京 🎁", "Grüße, 東京 🎁"),
    ],
)
def test_a_text_is_kept_without_what_cannot_be_shown(told: str, kept: str) -> None:
    assert read(an_order(customer_message=told)).customer_message == kept


def test_the_currency_is_compared_in_upper_case() -> None:
    assert read(an_order(default_currency_code=" usd ")).currency == "USD"


# --- addresses and destinations --------------------------------------------------------------------------------------


def test_a_billing_address_is_read_whole() -> None:
    assert read(an_order()).billing == Address(
        first_name="Robin",
        last_name="Sample",
        street_1="1 Test Street",
        city="Exampleton",
        state="Ohio",
        postcode="43004",
        country="United States",
        country_code="US",
        phone="555 0100",
        email="robin@example.com",
    )


def test_every_member_of_an_address_is_read() -> None:
    told = {name: f"some {name}" for name in (*PERSON, "street_2")}
    assert read(an_order(billing_address=told)).billing == Address(
        first_name="some first_name",
        last_name="some last_name",
        company="some company",
        street_1="some street_1",
        street_2="some street_2",
        city="some city",
        state="some state",
        postcode="some zip",
        country="some country",
        country_code="some country_iso2",
        phone="some phone",
        email="some email",
    )


@pytest.mark.parametrize("form_fields", [[], "", None, [{"name": "License", "value": "{}"}]])
def test_form_fields_of_an_address_are_left_alone(form_fields: Any) -> None:
    address = dict(PERSON) | {"form_fields": form_fields}
    assert read(an_order(billing_address=address)).billing.city == "Exampleton"


def test_an_empty_billing_address_is_an_address_without_members() -> None:
    assert read(an_order(billing_address={})).billing == Address()


@pytest.mark.parametrize("value", [None, [], "1 Test Street"])
def test_a_billing_address_is_an_object(value: Any) -> None:
    assert named(refusal_of(an_order(billing_address=value))) == (Reason.WRONG_TYPE, "billing_address")


def test_a_parcel_is_a_destination_with_its_shipping_method() -> None:
    (destination,) = read(an_order()).destinations
    assert destination.shipping_method == "Ground"
    assert destination.address.street_1 == "1 Test Street"
    assert (destination.pickup_code, destination.pickup_name) == ("", "")


def test_a_pickup_is_a_destination_with_its_location() -> None:
    pickup = a_pickup(MUG)
    pickup["location"] |= {"address_line_2": "Unit 2", "phone": "555 0199"}
    order = read(an_order(MUG, consignments=a_structure(pickups=[pickup])))
    assert order.destinations == (
        Destination(
            address=Address(
                street_1="7 Mill Lane",
                street_2="Unit 2",
                city="Exampleton",
                state="Ohio",
                postcode="43004",
                country_code="US",
                phone="555 0199",
                email="mill@example.com",
            ),
            shipping_method="Collect",
            pickup_code="MILL",
            pickup_name="Mill Lane",
        ),
    )


@pytest.mark.parametrize(
    "pickup", [without(a_pickup(MUG), "location"), *(a_pickup(MUG, location=x) for x in (None, []))]
)
def test_a_pickup_may_come_without_a_location(pickup: Json) -> None:
    (destination,) = read(an_order(MUG, consignments=a_structure(pickups=[pickup]))).destinations
    assert destination == Destination(address=Address(), shipping_method="Collect")


def test_downloads_and_certificates_go_nowhere() -> None:
    order = an_order(a_line("EBOOK", type="digital"), a_line("", type="giftcertificate", id=2))
    assert read(order).destinations == ()


def test_numbers_in_consignments_are_read_like_texts() -> None:
    line = MUG | {"total_ex_tax": 10, "total_inc_tax": Decimal("10.0"), "total_tax": 0, "quantity": "1"}
    assert read(an_order(MUG, consignments=a_structure(shipping=[a_parcel(line)]))).lines == read(an_order(MUG)).lines


# --- lines -----------------------------------------------------------------------------------------------------------


def test_a_line_is_read_whole() -> None:
    raw = a_line(
        " MUG-BLUE ",
        "20.00",
        2,
        rate="0.10",
        off="4.00",
        id=31,
        name=" Mug, blue ",
        product_options=[
            {"display_name": "Size", "display_value": "Large"},
            {"display_name": "Left empty", "display_value": ""},
        ],
        wrapping_name="Paper",
        wrapping_message="For you",
        event_name="Wedding",
        event_date="2026-05-01",
        parent_order_product_id=30,
    )
    (line,) = read(an_order(raw)).lines
    assert (line.id, line.product_id, line.variant_id, line.parent_id) == (31, 77, 770, 30)
    assert (line.sku, line.name, line.kind, line.quantity) == ("MUG-BLUE", "Mug, blue", LineKind.PHYSICAL, 2)
    assert (line.total_ex_tax, line.total_inc_tax, line.total_tax) == (40, 44, Decimal("3.60"))
    assert line.discounted_total == Decimal("39.60")
    assert line.discounts == (Discount(amount=Decimal(4), name="Spring sale", code="SPRING"),)
    assert line.options == (("Size", "Large"),)
    assert (line.wrapping, line.wrapping_message, line.event) == ("Paper", "For you", "Wedding 2026-05-01")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"parent_order_product_id": {}}, id="empty object for no parent"),
        pytest.param({"parent_order_product_id": 0}, id="zero for no parent"),
        pytest.param({"applied_discounts": None}, id="null for no discounts"),
        pytest.param({"applied_discounts": {}}, id="empty object for no discounts"),
        pytest.param({"applied_discounts": ""}, id="empty text for no discounts"),
        pytest.param({"product_options": None}, id="null for no options"),
        pytest.param({"product_options": False}, id="false for no options"),
        pytest.param({"event_date": None, "wrapping_message": None}, id="null for empty texts"),
        pytest.param({"weight": 5, "base_total": "garbage"}, id="members that are none of our business"),
    ],
)
def test_a_line_of_an_odd_shape_is_read_like_a_plain_one(changes: Json) -> None:
    assert read(an_order(MUG | changes)).lines == read(an_order(MUG)).lines


@pytest.mark.parametrize("variant_id", [None, 0, {}, ""])
def test_a_custom_product_has_no_variant(variant_id: Any) -> None:
    (line,) = read(an_order(MUG | {"product_id": 0, "variant_id": variant_id})).lines
    assert (line.product_id, line.variant_id) == (0, 0)


@pytest.mark.parametrize("value", [None, "absent"])
def test_an_old_line_states_no_discounted_total(value: Any) -> None:
    raw = MUG | {"discounted_total_inc_tax": None} if value is None else without(MUG, "discounted_total_inc_tax")
    (line,) = read(an_order(raw)).lines
    assert line.discounted_total is None


def test_a_line_may_lack_all_but_quantity_and_amounts() -> None:
    bare = {"quantity": 1, "total_ex_tax": "10", "total_inc_tax": "10", "total_tax": "0"}
    (line,) = read(an_order() | {"products": [bare]}).lines
    assert (line.id, line.product_id, line.variant_id, line.parent_id) == (0, 0, 0, None)
    assert (line.sku, line.name, line.kind, line.delivery) == ("", "", LineKind.PHYSICAL, Delivery.NONE)


@pytest.mark.parametrize(
    ("changes", "delivery"),
    [
        ({"order_address_id": 500}, Delivery.SHIPPED),
        ({"order_address_id": 0, "order_pickup_method_id": 1}, Delivery.PICKED_UP),
        ({"order_address_id": 500, "order_pickup_method_id": 1}, Delivery.PICKED_UP),
        ({"order_address_id": 0, "order_pickup_method_id": 0}, Delivery.NONE),
        ({"order_address_id": 500, "type": "digital"}, Delivery.NONE),
        ({"order_address_id": 500, "type": "giftcertificate"}, Delivery.NONE),
    ],
)
def test_a_line_tells_how_it_gets_to_the_shopper(changes: Json, delivery: Delivery) -> None:
    (line,) = read(an_order(MUG) | {"products": [MUG | changes]}).lines
    assert line.delivery is delivery


def test_a_discount_of_another_code_is_read() -> None:
    discounts = [a_discount("1.50", code=None, name=""), {"amount": Decimal("0.5"), "code": {}, "name": None}]
    (line,) = read(an_order(MUG) | {"products": [MUG | {"applied_discounts": discounts}]}).lines
    assert line.discounts == (Discount(amount=Decimal("1.5")), Discount(amount=Decimal("0.5")))


def test_lines_come_in_the_order_of_their_ids_wherever_they_were_read() -> None:
    first, second, third = numbered(a_line("A"), a_line("B"), a_line("C"))
    embedded = an_order(third, first, consignments=a_structure(shipping=[a_parcel(third, first), a_parcel(second)]))
    assert [line.sku for line in read(embedded).lines] == ["A", "B", "C"]
    assert read(embedded).lines == read(embedded | {"products": [first, second, third]}).lines


@pytest.mark.parametrize("name", ["quantity", "total_ex_tax", "total_inc_tax", "total_tax"])
def test_a_line_without_a_member_it_always_has_is_set_aside_by_place_and_name(name: str) -> None:
    raw = an_order(MUG) | {"products": [MUG, without(MUG, name)]}
    assert named(refusal_of(raw)) == (Reason.MISSING_MEMBER, f"products.1.{name}")


@pytest.mark.parametrize(
    ("changes", "field", "shown"),
    [
        ({"quantity": "two"}, "products.0.quantity", "'two'"),
        ({"quantity": Decimal("1.5")}, "products.0.quantity", "Decimal('1.5')"),
        ({"quantity": -1}, "products.0.quantity", "-1"),
        ({"quantity": True}, "products.0.quantity", "True"),
        ({"quantity": None}, "products.0.quantity", "None"),
        ({"quantity": HUGE}, "products.0.quantity", "Decimal('1E+999999999')"),
        ({"quantity": TINY}, "products.0.quantity", "Decimal('1E-999999999')"),
        ({"quantity": "9" * 5000}, "products.0.quantity", "'9999"),
        ({"quantity": "\ud800"}, "products.0.quantity", r"'\ud800'"),
        ({"type": "subscription"}, "products.0.type", "'subscription'"),
        ({"type": None}, "products.0.type", "None"),
        ({"total_tax": "none"}, "products.0.total_tax", "'none'"),
        ({"sku": ["A", "B"]}, "products.0.sku", "['A', 'B']"),
        ({"product_id": "abc"}, "products.0.product_id", "'abc'"),
        ({"discounted_total_inc_tax": "?"}, "products.0.discounted_total_inc_tax", "'?'"),
        ({"applied_discounts": [{"amount": "ten"}]}, "products.0.applied_discounts.0.amount", "'ten'"),
        ({"applied_discounts": [5]}, "products.0.applied_discounts.0", "5"),
        ({"applied_discounts": {"0": {}}}, "products.0.applied_discounts", "{'0': {}}"),
        ({"product_options": "For Ada"}, "products.0.product_options", HIDDEN),
    ],
)
def test_a_line_of_the_wrong_type_is_set_aside_with_place_and_value(changes: Json, field: str, shown: str) -> None:
    rejected = refusal_of(an_order(MUG) | {"products": [MUG | changes]})
    assert named(rejected) == (Reason.WRONG_TYPE, field)
    assert rejected.detail.startswith(shown)


def test_a_discount_without_an_amount_is_set_aside() -> None:
    rejected = refusal_of(an_order(MUG) | {"products": [MUG | {"applied_discounts": [{"code": "SPRING"}]}]})
    assert named(rejected) == (Reason.MISSING_MEMBER, "products.0.applied_discounts.0.amount")


def test_a_long_value_is_shown_only_in_part() -> None:
    rejected = refusal_of(an_order(total_inc_tax="x" * 100_000))
    assert len(rejected.detail) < 200


# --- fees ------------------------------------------------------------------------------------------------------------


def test_a_fee_is_read_with_the_name_the_shopper_saw() -> None:
    (fee,) = read(an_order(fees=[("Delivery fee", ("2.00", "0.10"))])).fees
    assert fee.name == "Delivery fee"
    assert fee.cost == Cost(ex_tax=Decimal(2), inc_tax=Decimal("2.2"), tax=Decimal("0.2"))


def test_a_fee_may_spell_its_cost_another_way() -> None:
    raw = an_order() | {"fees": [{"cost_exc_tax": Decimal("2.0"), "cost_inc_tax": Decimal("2.2"), "cost_tax": "0.2"}]}
    (fee,) = read(raw).fees
    assert fee.cost.ex_tax == Decimal(2)


@pytest.mark.parametrize("fees", [None, [], {}, a_link("/orders/1001/fees")], ids=["null", "empty", "{}", "link"])
def test_an_order_without_embedded_fees_has_none(fees: Any) -> None:
    assert read(an_order() | {"fees": fees}).fees == ()


@pytest.mark.parametrize(
    ("fee", "reason", "field"),
    [
        ({}, Reason.MISSING_MEMBER, "fees.0.cost_inc_tax"),
        ({"cost_inc_tax": "two"}, Reason.WRONG_TYPE, "fees.0.cost_inc_tax"),
        ("two", Reason.WRONG_TYPE, "fees.0"),
        (None, Reason.WRONG_TYPE, "fees.0"),
    ],
)
def test_a_fee_that_cannot_be_read_is_set_aside_by_its_place(fee: Any, reason: Reason, field: str) -> None:
    assert named(refusal_of(an_order() | {"fees": [fee]})) == (reason, field)


@pytest.mark.parametrize(
    "name", ["\U0001f468\u200d\U0001f469\u200d\U0001f467 Mug", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"]
)
def test_what_joins_letters_or_emoji_into_one_sign_is_kept(name: str) -> None:
    assert read(an_order(a_line(name=name))).lines[0].name == name


# --- pitfalls that are told by one payload ---------------------------------------------------------------------------

ODD: list[tuple[str, Callable[[], Json]]] = [
    ("payment status empty on a finished order", lambda: an_order(status_id=10, payment_status="")),
    ("renamed status", lambda: an_order(custom_status="Zu packen", status="Zu packen")),
    ("order source outside the enum", lambda: an_order(order_source="vue")),
    ("never shipped although Shipped", lambda: an_order(status_id=2, items_shipped=0)),
    ("flag missing", lambda: without(an_order(), "is_tax_inclusive_pricing")),
    ("flag null", lambda: an_order(is_tax_inclusive_pricing=None)),
    ("old spelling of a link", lambda: an_order(shippingaddresses=a_link("/orders/1001/shippingaddresses"))),
    ("payment provider as a number", lambda: an_order(payment_provider_id=123)),
    ("eBay order as a number", lambda: an_order(ebay_order_id=0)),
    ("legacy array of consignments", lambda: an_order(MUG, consignments=[a_structure(shipping=[a_parcel(MUG)])])),
]


@pytest.mark.parametrize("make", [make for _, make in ODD], ids=[name for name, _ in ODD])
def test_an_odd_but_known_shape_is_read(make: Callable[[], Json]) -> None:
    order = read(make())
    assert (len(order.lines), order.total_inc_tax) == (1, Decimal(10))
