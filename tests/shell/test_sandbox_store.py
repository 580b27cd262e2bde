"""The sandbox's store answers as the orders API is documented to."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from wsgi import BASE_URL, Client

from bcpoll.core.order import LineKind
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.catalogue import Product, Variant
from bcpoll.sandbox.drafts import Coupon, CouponKind, Draft, ExtraFee, Item, Parcel, Pickup, Shopper
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.order_json import order_date
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches
from bcpoll.sandbox.world import World, new_world

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
GUEST = Shopper(first_name="Test", last_name="Guest", email="Guest@Example.com")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: int = 1) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> World:
    world = new_world(clock=clock, limits=Limits.off())
    world.store.add_product(Product(id=1, name="Mug", sku="MUG", price="12.50", stock=50))
    sizes = [Variant(id=21, sku="JAR-S", stock=10, options=(("Size", "S"),)), Variant(id=22, sku="JAR-L", stock=10)]
    world.store.add_product(Product(id=2, name="Jar", price="6.40", variants=sizes))
    return world


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


def draft(world: World, *items: Item, **changes: Any) -> Draft:
    return Draft(items=items or (world.store.item("MUG"),), shopper=GUEST, **changes)


def place(world: World, count: int, clock: Clock, every: int = 1) -> list[int]:
    def each() -> Iterator[int]:
        for _ in range(count):
            clock.tick(every)
            yield world.store.place(draft(world))

    return list(each())


def ids(answer: requests.Response) -> list[int]:
    return [order["id"] for order in answer.json()] if answer.status_code == 200 else []


def test_an_empty_list_is_204_without_a_body(client: Client) -> None:
    answer = client.store("/v2/orders")
    assert (answer.status_code, answer.content) == (204, b"")


def test_orders_come_by_fifty_unless_asked_otherwise(world: World, client: Client, clock: Clock) -> None:
    placed = place(world, 60, clock)
    assert ids(client.store("/v2/orders")) == placed[:50]
    assert ids(client.store("/v2/orders", page=2)) == placed[50:]
    assert ids(client.store("/v2/orders", limit=7, page=3)) == placed[14:21]
    assert ids(client.store("/v2/orders", page=9)) == []


def test_a_limit_above_250_is_413(client: Client) -> None:
    assert client.store("/v2/orders", limit=250).status_code == 204
    assert client.store("/v2/orders", limit=251).status_code == 413


def test_an_unknown_filter_is_named(client: Client) -> None:
    answer = client.store("/v2/orders", date_created="x")
    assert answer.status_code == 400
    assert "'date_created' is not valid for this resource" in answer.json()[0]["message"]


@pytest.mark.parametrize("params", [{"status_id": "eleven"}, {"sort": "colour:asc"}, {"page": 0}, {"include": "all"}])
def test_a_malformed_parameter_is_400(client: Client, params: dict[str, Any]) -> None:
    assert client.store("/v2/orders", **params).status_code == 400


def test_orders_are_sorted_by_modification_time(world: World, client: Client, clock: Clock) -> None:
    first, second, third = place(world, 3, clock)
    world.store.touch(first, at=clock.tick())
    assert ids(client.store("/v2/orders", sort="date_modified:asc")) == [second, third, first]
    assert ids(client.store("/v2/orders", sort="date_modified:desc")) == [first, third, second]
    assert ids(client.store("/v2/orders")) == [first, second, third]


FORMS = {
    "RFC 2822": order_date,
    "ISO 8601": datetime.isoformat,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_dates_filter_in_both_forms(world: World, client: Client, clock: Clock, form: Any) -> None:
    first, second, third = place(world, 3, clock)
    moment = world.store.orders[second].modified
    assert ids(client.store("/v2/orders", min_date_modified=form(moment))) == [second, third]
    assert ids(client.store("/v2/orders", max_date_modified=form(moment))) == [first, second]
    assert ids(client.store("/v2/orders", min_date_created=form(moment))) == [second, third]
    assert ids(client.store("/v2/orders", max_date_created=form(moment), min_id=second)) == [second]


UNREADABLE = {
    "encoded twice": "Fri%2C%2020%20Nov%202026",
    "plus sign lost": "Fri, 20 Nov 2026 12:00:02  0000",
    "no offset": "2026-11-20T12:00:02",
    "offset not in digits": "2026-11-20T12:00:02Z",
    "no such day": "2026-11-31",
    "no such time": "Fri, 20 Nov 2026 25:00:02 +0000",
    "no date": "soon",
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_a_date_that_cannot_be_read_filters_nothing(world: World, client: Client, clock: Clock, text: str) -> None:
    placed = place(world, 2, clock)
    assert ids(client.store("/v2/orders", min_date_modified=text)) == placed


def test_filters_narrow_the_list_and_the_count(world: World, client: Client, clock: Clock) -> None:
    first, second = place(world, 2, clock)
    world.store.cancel(second, at=clock.tick())
    assert ids(client.store("/v2/orders", status_id=5)) == [second]
    assert ids(client.store("/v2/orders", email="guest@example.com", max_id=first)) == [first]
    assert client.store("/v2/orders/count", status_id=5).json()["count"] == 1
    assert client.store("/v2/orders/count").json()["count"] == 2


def test_money_is_text_in_orders_and_a_number_in_consignments(world: World, client: Client) -> None:
    number = world.store.place(draft(world, parcels=(Parcel(cost="5.00"),)))
    order = client.store(f"/v2/orders/{number}", include="consignments", consignment_structure="object").json()
    assert (order["total_inc_tax"], order["shipping_cost_ex_tax"]) == ("18.9000", "5.0000")
    assert order["consignments"]["shipping"][0]["cost_inc_tax"] == 5.4
    assert order["date_modified"] == "Fri, 20 Nov 2026 12:00:00 +0000"


def test_what_is_not_included_is_a_link(world: World, client: Client) -> None:
    number = world.store.place(draft(world))
    order = client.store(f"/v2/orders/{number}").json()
    for name in ("products", "shipping_addresses", "coupons", "consignments", "fees"):
        assert order[name]["resource"] == f"/orders/{number}/{name}"


def test_lines_are_embedded_in_all_four_groups(world: World, client: Client) -> None:
    world.store.add_product(Product(id=3, name="Book", sku="PDF", price="6", stock=None, kind=LineKind.DIGITAL))
    voucher = Item(name="Certificate", price="25", kind=LineKind.GIFT_CERTIFICATE)
    ways = (Parcel(), Pickup(code="MAIN", name="Main Store"))
    items = (world.store.item("MUG"), replace(world.store.item("JAR-S"), parcel=1), world.store.item("PDF"), voucher)
    world.store.place(draft(world, *items, parcels=ways))
    answer = client.store("/v2/orders", include="consignments.line_items,fees", consignment_structure="object")
    groups = answer.json()[0]["consignments"]
    names = [each["line_items"][0]["name"] for kind in ("shipping", "pickups", "downloads") for each in groups[kind]]
    assert names == ["Mug", "Jar", "Book"]
    assert groups["pickups"][0]["location"]["code"] == "MAIN"
    assert groups["email"]["gift_certificates"][0]["line_items"][0]["type"] == "giftcertificate"


def test_lines_are_paged(world: World, client: Client) -> None:
    number = world.store.place(draft(world, *[world.store.item("MUG")] * 60))
    assert len(client.store(f"/v2/orders/{number}/products").json()) == 50
    assert len(client.store(f"/v2/orders/{number}/products", page=2).json()) == 10
    assert len(client.store(f"/v2/orders/{number}/products", limit=250).json()) == 60


def test_transactions_are_read_order_by_order(world: World, client: Client) -> None:
    number = world.store.place(draft(world))
    (row,) = client.store(f"/v3/orders/{number}/transactions").json()["data"]
    assert (row["order_id"], row["event"], row["amount"]) == (str(number), "purchase", 13.5)
    pending = world.store.place(draft(world, status=OrderStatus.PENDING))
    assert client.store(f"/v3/orders/{pending}/transactions").status_code == 204


def test_what_is_not_there_is_404_in_the_words_of_each_version(client: Client) -> None:
    assert client.store("/v2/orders/7").json() == [{"status": 404, "message": "The requested resource was not found."}]
    assert client.store("/v3/orders/7/transactions").json()["status"] == 404
    assert client.store("/v2/banners").json() == client.store("/v2/orders/7").json()


def test_a_bad_token_is_401_and_a_missing_scope_403(world: World, client: Client) -> None:
    world.store_scopes = frozenset({"store_v2_orders_read_only"})
    assert client.store("/v2/store").status_code == 403
    assert client.store("/v2/orders").status_code == 204
    world.tokens.store = "another"
    headers = {"X-Auth-Token": "store-token"}
    assert client.session.get(f"{BASE_URL}/stores/sandbox/v2/orders", headers=headers, timeout=5).status_code == 401


def test_the_store_tells_its_time_and_currency(client: Client) -> None:
    assert client.store("/v2/time").json() == {"time": int(NOON.timestamp())}
    assert client.store("/v2/store").json()["currency"] == "USD"


def test_the_rate_limit_is_told_and_enforced(world: World, client: Client, clock: Clock) -> None:
    world.limits = Limits(store_quota=2, store_window=timedelta(seconds=30))
    assert client.store("/v2/time").headers["X-Rate-Limit-Requests-Left"] == "1"
    clock.tick(10)
    client.store("/v2/time")
    over = client.store("/v2/time")
    assert (over.status_code, over.headers["X-Rate-Limit-Time-Reset-Ms"]) == (429, "20000")
    clock.tick(20)
    assert client.store("/v2/time").status_code == 200


def test_products_hold_what_is_left(world: World, client: Client) -> None:
    world.store.place(draft(world, world.store.item("MUG", 3), world.store.item("JAR-L", 2)))
    found = client.store("/v3/catalog/products", id__in="1,2", include="variants").json()
    assert [product["inventory_level"] for product in found["data"]] == [47, 18]
    assert [each["inventory_level"] for each in found["data"][1]["variants"]] == [10, 8]
    assert found["meta"]["pagination"]["total"] == 2


def test_a_deleted_product_is_gone_while_orders_go_on_naming_it(world: World, client: Client) -> None:
    number = world.store.place(draft(world))
    world.store.catalogue.remove(1)
    assert client.store("/v3/catalog/products", id__in=1).json()["data"] == []
    assert client.store(f"/v2/orders/{number}/products").json()[0]["product_id"] == 1
    world.store.cancel(number)


def test_refunds_have_a_list_of_their_own(world: World, client: Client, clock: Clock) -> None:
    first, second = place(world, 2, clock)
    world.store.refund(first, Refund(lines={0: 1}), at=NOON)
    world.store.refund(second, Refund(order_amount="2.00"), at=NOON + timedelta(hours=1))
    path = "/v3/orders/payment_actions/refunds"
    assert [each["order_id"] for each in client.store(path).json()["data"]] == [first, second]
    later = (NOON + timedelta(minutes=1)).isoformat()
    assert [each["id"] for each in client.store(path, created__min=later).json()["data"]] == [2]
    assert [each["id"] for each in client.store(path, created__max=NOON.isoformat()).json()["data"]] == [1]
    assert [each["id"] for each in client.store(path, order_id__in=first).json()["data"]] == [1]
    assert client.store(path, order_id__in=second).json()["data"][0]["total_amount"] == 2.0
    assert len(client.store(path, limit=1, page=2).json()["data"]) == 1
    assert client.store(path, order="1").status_code == 422


def test_a_refund_names_what_was_given_back(world: World) -> None:
    way = (Parcel(cost="5.00"),)
    number = world.store.place(draft(world, replace(world.store.item("MUG", 2), discount="1.00"), parcels=way))
    world.store.refund(number, Refund(lines={0: 1}, shipping="5.00", restock=True))
    record = world.store.refunds[0]
    assert record["total_amount"] == Decimal("17.96")
    assert [item["item_type"] for item in record["items"]] == ["PRODUCT", "SHIPPING"]
    assert world.store.orders[number].lines[0]["quantity_refunded"] == 1
    assert world.store.orders[number].status == OrderStatus.PARTIALLY_REFUNDED
    assert world.store.catalogue.left("MUG") == 49


def test_a_refund_may_keep_something_back_or_give_tax_alone(world: World) -> None:
    number = world.store.place(draft(world))
    world.store.refund(number, Refund(lines={0: 1}, kept={0: "2.00"}))
    world.store.refund(number, Refund(tax_only="0.50"))
    kept, tax_only = world.store.refunds
    assert kept["items"][0]["adjustments"] == [{"amount": Decimal("-2.00"), "description": "Kept back"}]
    assert (kept["total_amount"], tax_only["total_amount"], tax_only["total_tax"]) == (
        Decimal("11.50"),
        Decimal("0.50"),
        Decimal("0.50"),
    )
    assert tax_only["items"] == []


def test_the_payment_of_a_refund_may_be_declined_later_on(world: World) -> None:
    number = world.store.place(draft(world))
    world.store.decline_refund(world.store.refund(number, Refund(order_amount="1.00")))
    assert [payment["is_declined"] for payment in world.store.refunds[0]["payments"]] == [True]


LIFE = {
    "pay": lambda world, number: world.store.pay(number),
    "status": lambda world, number: world.store.set_status(number, OrderStatus.DISPUTED),
    "ship": lambda world, number: world.store.ship(number),
    "edit": lambda world, number: world.store.edit(number, lambda old: replace(old, discount="1.00")),
    "attach": lambda world, number: world.store.attach_customer(number, 7),
    "touch": lambda world, number: world.store.touch(number),
    "overwrite": lambda world, number: world.store.overwrite(number, {"total_tax": "9.0000"}),
    "archive": lambda world, number: world.store.archive(number),
    "refund": lambda world, number: world.store.refund(number, Refund(order_amount="1.00")),
}


@pytest.mark.parametrize("step", LIFE.values(), ids=LIFE)
def test_every_step_of_an_order_moves_its_date(world: World, client: Client, clock: Clock, step: Any) -> None:
    number = world.store.place(draft(world))
    clock.tick(60)
    step(world, number)
    assert world.store.orders[number].modified == NOON + timedelta(seconds=60)
    assert world.store.orders[number].created == NOON
    assert ids(client.store("/v2/orders", min_date_modified=order_date(clock.now))) == [number]


def test_a_bulk_edit_puts_orders_into_one_second(world: World, clock: Clock) -> None:
    placed = place(world, 5, clock)
    world.store.bulk_edit(placed, OrderStatus.COMPLETED)
    assert {order.modified for order in world.store.orders.values()} == {clock.now}


def test_an_incomplete_storefront_order_counts_as_deleted_until_it_is_paid(world: World, client: Client) -> None:
    number = world.store.place(draft(world, status=OrderStatus.INCOMPLETE))
    assert client.store(f"/v2/orders/{number}").json()["is_deleted"] is True
    assert world.store.catalogue.left("MUG") == 50
    world.store.pay(number)
    order = client.store(f"/v2/orders/{number}").json()
    assert (order["is_deleted"], order["status_id"], order["payment_status"]) == (False, 11, "captured")
    assert world.store.catalogue.left("MUG") == 49


def test_cancelling_puts_the_units_back_and_reviving_takes_them_again(world: World) -> None:
    number = world.store.place(draft(world))
    world.store.cancel(number)
    assert world.store.catalogue.left("MUG") == 50
    world.store.pay(number)
    assert world.store.catalogue.left("MUG") == 49


def test_an_edit_keeps_number_status_and_line_ids(world: World) -> None:
    number = world.store.place(draft(world, status=OrderStatus.SHIPPED))
    line = world.store.orders[number].lines[0]["id"]
    world.store.edit(number, lambda old: replace(old, items=(world.store.item("MUG", 4), world.store.item("JAR-S"))))
    order = world.store.orders[number]
    assert (order.status, order.lines[0]["id"], len(order.lines)) == (OrderStatus.SHIPPED, line, 2)
    assert (world.store.catalogue.left("MUG"), world.store.catalogue.left("JAR-S")) == (46, 9)


def test_a_dropped_order_is_gone(world: World, client: Client, clock: Clock) -> None:
    first, second = place(world, 2, clock)
    world.store.drop(first)
    assert ids(client.store("/v2/orders", sort="date_modified:asc")) == [second]
    assert client.store(f"/v2/orders/{first}").status_code == 404


def test_the_number_of_a_dropped_order_is_not_given_again(world: World, clock: Clock) -> None:
    _, second = place(world, 2, clock)
    world.store.drop(second)
    assert place(world, 1, clock) == [second + 1]


# Switches


@pytest.mark.parametrize(("position", "expected"), [("inclusive", 2), ("exclusive", 1)])
def test_switch_least_modified(world: World, client: Client, clock: Clock, position: Any, expected: int) -> None:
    world.switch(least_modified=position)
    first, _ = place(world, 2, clock)
    bound = order_date(world.store.orders[first].modified)
    assert len(ids(client.store("/v2/orders", min_date_modified=bound))) == expected
    assert len(ids(client.store("/v2/orders", min_date_created=bound))) == expected


@pytest.mark.parametrize(("position", "shown"), [("inclusive", 2), ("exclusive", 1)])
def test_switch_least_id(world: World, client: Client, clock: Clock, position: Any, shown: int) -> None:
    world.switch(least_id=position)
    first, second = place(world, 2, clock)
    found = ids(client.store("/v2/orders", min_id=first))
    assert (len(found), found[-1]) == (shown, second)


@pytest.mark.parametrize("direction", ["ascending", "descending"])
def test_switch_same_second(world: World, client: Client, direction: Any) -> None:
    world.switch(same_second=direction)
    placed = [world.store.place(draft(world)) for _ in range(3)]
    expected = placed if direction == "ascending" else placed[::-1]
    assert ids(client.store("/v2/orders", sort="date_modified:asc")) == expected


def test_switch_limit_above_maximum(world: World, client: Client) -> None:
    world.switch(limit_above_maximum="clamped")
    assert client.store("/v2/orders", limit=900).status_code == 204


def test_switch_empty_list(world: World, client: Client) -> None:
    world.switch(empty_list="[]")
    answer = client.store("/v2/orders")
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize(("position", "shown"), [("listed", 1), ("left_out", 0)])
def test_switch_archived_orders(world: World, client: Client, position: Any, shown: int) -> None:
    world.switch(archived_orders=position)
    number = world.store.place(draft(world))
    world.store.archive(number)
    assert len(ids(client.store("/v2/orders"))) == shown
    assert client.store(f"/v2/orders/{number}").json()["is_deleted"] is True


def test_switch_list_lag(world: World, client: Client, clock: Clock) -> None:
    world.switch(list_lag_seconds=30)
    number = world.store.place(draft(world))
    assert ids(client.store("/v2/orders")) == []
    clock.tick(30)
    assert ids(client.store("/v2/orders")) == [number]


def test_switch_without_accept(world: World, client: Client) -> None:
    world.switch(without_accept="xml")
    headers = {"X-Auth-Token": "store-token"}
    answer = client.session.get(f"{BASE_URL}/stores/sandbox/v2/orders", headers=headers, timeout=5)
    assert answer.headers["Content-Type"] == "application/xml"
    assert client.store("/v2/time").json()


@pytest.mark.parametrize(
    ("position", "asked", "shape"),
    [
        ("as_asked", "object", dict),
        ("as_asked", None, list),
        ("object", None, dict),
        ("array", "object", list),
    ],
)
def test_switch_consignments(world: World, client: Client, position: Any, asked: str | None, shape: type) -> None:
    world.switch(consignments=position)
    world.store.place(draft(world))
    order = client.store("/v2/orders", include="consignments", consignment_structure=asked).json()[0]
    assert isinstance(order["consignments"], shape)


def embedded(world: World, client: Client, position: str) -> dict[str, Any]:
    world.switch(embedded_lines=position)
    world.store.place(draft(world, *[world.store.item("MUG")] * 51))
    order = client.store("/v2/orders", include="consignments.line_items", consignment_structure="object").json()[0]
    consignment: dict[str, Any] = order["consignments"]["shipping"][0]
    return consignment


def test_switch_embedded_lines_complete_empty_and_silent(world: World, client: Client) -> None:
    assert len(embedded(world, client, "complete")["line_items"]) == 51
    assert embedded(world, client, "empty")["line_items"] == []
    silent = embedded(world, client, "cut_silently")
    assert (len(silent["line_items"]), "__warning__" in silent) == (50, False)


def test_switch_embedded_lines_warn_in_three_places(world: World, client: Client) -> None:
    beside = embedded(world, client, "warning_in_consignment")
    assert (len(beside["line_items"]), "__warning__" in beside) == (50, True)
    entry = embedded(world, client, "warning_in_list")
    assert (len(entry["line_items"]), list(entry["line_items"][-1])) == (51, ["__warning__"])
    members = embedded(world, client, "warning_as_object")["line_items"]
    assert {"0", "49", "__warning__"} <= set(members)
    assert len(members) == 51


@pytest.mark.parametrize(("position", "expected"), [("counted", 3), ("left_out", 1)])
def test_switch_bundle_children(world: World, position: Any, expected: int) -> None:
    world.switch(bundle_children=position)
    bundle = replace(world.store.item("MUG"), children=(world.store.item("JAR-S", 2),))
    order = world.store.orders[world.store.place(draft(world, bundle))]
    assert order.fields["items_total"] == expected
    assert order.lines[1]["parent_order_product_id"] == order.lines[0]["id"]
    assert world.store.catalogue.left("JAR-S") == 8


@pytest.mark.parametrize(("position", "expected"), [("counted", 2), ("left_out", 1)])
def test_switch_sold_certificates(world: World, position: Any, expected: int) -> None:
    world.switch(sold_certificates=position)
    certificate = Item(name="Gift Certificate", price="25.00", kind=LineKind.GIFT_CERTIFICATE)
    order = world.store.orders[world.store.place(draft(world, world.store.item("MUG"), certificate))]
    assert order.fields["items_total"] == expected


@pytest.mark.parametrize(("position", "expected"), [("in_total", "14.5000"), ("outside_total", "13.5000")])
def test_switch_fees(world: World, position: Any, expected: str) -> None:
    world.switch(fees=position)
    number = world.store.place(draft(world, fees=(ExtraFee(name="Levy", cost="1.00"),)))
    assert world.store.orders[number].fields["total_inc_tax"] == expected


@pytest.mark.parametrize(
    ("position", "cost", "coupons"), [("lower_cost", None, None), ("in_discount", "5.0000", "5.0000")]
)
def test_switch_shipping_coupons(world: World, position: Any, cost: str | None, coupons: str | None) -> None:
    world.switch(shipping_coupons=position)
    free = Coupon(code="FREE", kind=CouponKind.FREE_SHIPPING)
    number = world.store.place(draft(world, coupons=(free,), parcels=(Parcel(cost="5.00"),)))
    fields = world.store.orders[number].fields
    assert (fields.get("shipping_cost_ex_tax"), fields.get("coupon_discount")) == (cost, coupons)
    assert fields["total_inc_tax"] == "13.5000"


@pytest.mark.parametrize(("position", "expected"), [("line", "4.0000"), ("unit", "2.0000")])
def test_switch_wrapping_cost(world: World, position: Any, expected: str) -> None:
    world.switch(wrapping_cost=position)
    number = world.store.place(draft(world, replace(world.store.item("MUG", 2), wrapping="4.00")))
    order = world.store.orders[number]
    assert (order.lines[0]["wrapping_cost_ex_tax"], order.fields["wrapping_cost_ex_tax"]) == (expected, "4.0000")


@pytest.mark.parametrize(("position", "expected"), [("leave_total", "13.5000"), ("lower_total", "3.5000")])
def test_switch_tenders(world: World, position: Any, expected: str) -> None:
    world.switch(tenders=position)
    number = world.store.place(draft(world, store_credit="10.00"))
    assert world.store.orders[number].fields["total_inc_tax"] == expected


@pytest.mark.parametrize(("position", "moves"), [("move_date", True), ("leave_date", False)])
def test_switch_refunds(world: World, clock: Clock, position: Any, *, moves: bool) -> None:
    world.switch(refunds=position)
    number = world.store.place(draft(world))
    clock.tick()
    world.store.refund(number, Refund(order_amount="1.00"))
    assert (world.store.orders[number].modified == clock.now) is moves


@pytest.mark.parametrize(("position", "expected"), [("with_tax", "5.40"), ("without_tax", "5.00")])
def test_switch_refund_amounts(world: World, position: Any, expected: str) -> None:
    world.switch(refund_amounts=position)
    number = world.store.place(draft(world, parcels=(Parcel(cost="5.00"),), tax_rate="0.08"))
    world.store.refund(number, Refund(shipping="5.40"))
    assert world.store.refunds[0]["items"][0]["requested_amount"] == Decimal(expected)
    assert world.store.refunds[0]["total_tax"] == Decimal("0.40")


def test_switch_refund_lag_seconds(world: World, client: Client, clock: Clock) -> None:
    world.switch(refund_lag_seconds=90)
    world.store.refund(world.store.place(draft(world)), Refund(order_amount="1.00"))
    path = "/v3/orders/payment_actions/refunds"
    assert client.store(path).json()["data"] == []
    clock.tick(90)
    assert len(client.store(path).json()["data"]) == 1


@pytest.mark.parametrize(("position", "moves"), [("moves_date", True), ("leaves_date", False)])
def test_switch_archiving(world: World, clock: Clock, position: Any, *, moves: bool) -> None:
    world.switch(archiving=position)
    number = world.store.place(draft(world))
    clock.tick()
    world.store.archive(number)
    assert (world.store.orders[number].modified == clock.now) is moves


def test_a_world_can_be_built_with_other_switches() -> None:
    assert new_world(switches=Switches(empty_list="[]")).switches.empty_list == "[]"


@pytest.mark.slow
def test_a_long_list_is_read_quickly_by_time(world: World, client: Client, clock: Clock) -> None:
    plain = draft(world)
    for number in range(3000):
        world.store.place(plain, at=NOON - timedelta(seconds=number))
    answer = client.store("/v2/orders", min_date_modified=order_date(NOON - timedelta(seconds=9)), limit=250)
    assert len(answer.json()) == 10
