"""The demo shop adds up, covers every status, and leaves the POS as it was before the web orders."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bcpoll.core.order import LineKind
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.drafts import Coupon, CouponKind, Draft, Item, Parcel, Shopper
from bcpoll.sandbox.order_json import StoredOrder
from bcpoll.sandbox.seed import BASE, FOREIGN, WRONG_TOTAL, demo_world, fill
from bcpoll.sandbox.sums import sums_of
from bcpoll.sandbox.switches import Switches, choices
from bcpoll.sandbox.world import World, new_world

WORLD = demo_world()
TITLES = [order.shows for order in fill(new_world())]
ORDERS = dict(zip(TITLES, WORLD.store.by_id(), strict=True))


def amount(holder: Any, name: str) -> Decimal:
    return Decimal(holder.get(name, "0"))


def charged(order: StoredOrder, part: str) -> Decimal:
    names = [f"{charge}_cost_{part}" for charge in ("shipping", "handling", "wrapping")]
    fees = sum((amount(fee, f"cost_{part}") for fee in order.fees), Decimal(0))
    return sum((amount(order.fields, name) for name in names), fees)


def equations(order: StoredOrder) -> Iterable[tuple[Decimal, Decimal]]:
    """Both sides of every equation that an order obeys, in its own tax mode."""
    fields = order.fields
    off = amount(fields, "discount_amount") + amount(fields, "coupon_discount")
    inclusive = bool(fields.get("is_tax_inclusive_pricing"))
    part = "inc_tax" if inclusive else "ex_tax"
    yield amount(fields, f"total_{part}"), amount(fields, f"subtotal_{part}") + charged(order, part) - off
    yield amount(fields, "total_inc_tax"), amount(fields, "total_ex_tax") + amount(fields, "total_tax")
    for kind in ("ex_tax", "inc_tax"):
        yield amount(fields, f"subtotal_{kind}"), sum(amount(line, f"total_{kind}") for line in order.lines)
    for line in order.lines:
        taken = sum(Decimal(each["amount"]) for each in line.get("applied_discounts", []))
        tax = Decimal(0) if inclusive else amount(line, "total_tax")
        if "discounted_total_inc_tax" in line:
            yield amount(line, "discounted_total_inc_tax"), amount(line, f"total_{part}") - taken + tax
    if not any("discounted_total_inc_tax" not in line for line in order.lines):
        paid = sum(amount(line, "discounted_total_inc_tax") for line in order.lines)
        yield amount(fields, "total_inc_tax"), paid + charged(order, "inc_tax")


@pytest.mark.parametrize("title", [title for title in TITLES if title != WRONG_TOTAL])
def test_an_order_of_the_demo_adds_up(title: str) -> None:
    for left, right in equations(ORDERS[title]):
        assert left == right


def test_one_order_does_not_add_up_and_one_is_in_a_foreign_currency() -> None:
    assert any(left != right for left, right in equations(ORDERS[WRONG_TOTAL]))
    foreign = [title for title, order in ORDERS.items() if order.fields["default_currency_code"] != "USD"]
    assert foreign == [FOREIGN]


def test_every_status_occurs() -> None:
    assert {order.status for order in ORDERS.values()} == set(OrderStatus)


def test_every_special_case_occurs_once_at_least() -> None:
    lines = [line for order in ORDERS.values() for line in order.lines]
    kinds = {group.kind for order in ORDERS.values() for group in order.groups}
    assert kinds == {"pickups", "shipping", "downloads", "gift_certificates"}
    assert {line["type"] for line in lines} == {kind.value for kind in LineKind}
    assert any(line.get("is_bundled_product") for line in lines)
    assert any(line["product_id"] and not line["sku"] for line in lines)
    assert any(not line["product_id"] and line["type"] == "physical" for line in lines)
    assert any(len(order.lines) > 50 for order in ORDERS.values())
    assert len(WORLD.store.refunds) == 2


def test_orders_lie_before_the_base_and_move_with_it() -> None:
    later = demo_world(base=BASE + timedelta(days=1))
    assert max(order.modified for order in ORDERS.values()) < BASE
    assert later.store.orders[100].created - WORLD.store.orders[100].created == timedelta(days=1)


def test_both_sides_begin_with_the_same_stock() -> None:
    fresh = new_world()
    orders = fill(fresh)
    for number in range(100, 100 + len(orders)):
        fresh.store.drop(number)
    for refund in WORLD.store.refunds:
        for item in refund["items"]:
            assert item["item_type"] in ("PRODUCT", "SHIPPING")
    stock = fresh.pos.snapshot().stock
    expected = {"TOWEL-LINEN": 90, "HAMPER-1": 20, "MUG-SAND": 60, "LABEL-PANTRY": 300}
    assert {sku: fresh.store.catalogue.left(sku) for sku in expected} == expected
    assert {sku: int(stock[sku, "Main Store"]) for sku in expected} == expected


def test_products_missing_in_the_pos_have_stock_on_the_web() -> None:
    for sku in ("KETTLE-CU", "BIN-ENAMEL"):
        assert WORLD.pos.with_code(sku) == []
        assert (WORLD.store.catalogue.left(sku) or 0) > 0


def test_shoppers_are_made_up() -> None:
    emails = {order.fields["billing_address"]["email"] for order in ORDERS.values()}
    assert all(email == "" or email.endswith(("@example.com", ".example")) for email in emails)


def test_two_demo_worlds_are_alike() -> None:
    def plain(world: World) -> Any:
        return world.pos.snapshot(), [(order.fields, order.lines) for order in world.store.by_id()]

    assert plain(demo_world()) == plain(demo_world())


# The arithmetic behind it

SHOPPER = Shopper(first_name="Test", last_name="Person", email="test@example.com")


def sums(*items: Item, **changes: Any) -> Any:
    return sums_of(Draft(items=items, shopper=SHOPPER, **changes), Switches())


def test_shares_of_a_discount_add_up_to_it() -> None:
    thirds = [Item(name=name, price="10.00") for name in "abc"]
    found = sums(*thirds, discount="10.00")
    assert [line.offs[0].amount for line in found.lines] == [Decimal("3.33"), Decimal("3.33"), Decimal("3.34")]
    assert found.discount == Decimal(10)


def test_a_discount_is_no_larger_than_what_it_is_taken_from() -> None:
    assert sums(Item(name="a", price="3.00"), discount="10.00").total.inc == 0


def test_sold_gift_certificates_are_never_discounted() -> None:
    voucher = Item(name="Certificate", price="25", kind=LineKind.GIFT_CERTIFICATE, tax_rate="0")
    found = sums(voucher, Item(name="a", price="10"), discount="5.00")
    assert [line.after.ex for line in found.lines] == [Decimal(25), Decimal(5)]


@pytest.mark.parametrize(
    ("coupon", "expected"),
    [
        (Coupon(code="X", kind=CouponKind.PER_ITEM, amount="1.50"), "4.50"),
        (Coupon(code="X", kind=CouponKind.PERCENTAGE, amount="10", skus=frozenset({"A"})), "2.00"),
        (Coupon(code="X", kind=CouponKind.PER_TOTAL, amount="5.00"), "5.00"),
        (Coupon(code="X", kind=CouponKind.SHIPPING, amount="2.00"), "2.00"),
        (Coupon(code="X", kind=CouponKind.FREE_SHIPPING), "6.00"),
    ],
    ids=lambda value: value.kind.name if isinstance(value, Coupon) else value,
)
def test_each_kind_of_coupon_takes_off_its_own(coupon: Coupon, expected: str) -> None:
    items = (Item(name="a", sku="A", price="10", quantity=2), Item(name="b", sku="B", price="5"))
    found = sums(*items, coupons=(coupon,), parcels=(Parcel(cost="6.00"),), tax_rate="0")
    assert found.total.inc == Decimal("31.00") - Decimal(expected)


def test_prices_with_tax_keep_their_total() -> None:
    found = sums(Item(name="a", price="10.80"), inclusive=True)
    assert (found.total.inc, found.total.tax, found.total.ex) == (Decimal("10.80"), Decimal("0.80"), Decimal(10))


def test_every_switch_has_positions_and_begins_with_its_default() -> None:
    table = choices()
    assert {name: positions[0] for name, positions in table.items()} == {
        name: getattr(Switches(), name) for name in table
    }
    assert all(len(positions) >= 2 for positions in table.values())
