"""Registers: each order at the one that its route names, with the stock of that outlet, and what a closed one means."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from shop import ADA, BASIL, OUTLET, Shop

from bcpoll.core.status import OrderStatus
from bcpoll.errors import BcpollError, RetryLater
from bcpoll.sandbox.drafts import Parcel, Pickup
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches

CANADIAN = replace(ADA, country="Canada", country_code="CA", state="Ontario", postcode="K1A 0B1")

# One route of each kind, the first that matches decides.
ROUTES = (
    {"pickup_location": "LOC-1", "register": "Corner Web"},
    {"channel": 7, "register": "Outlet Web"},
    {"country": "CA", "register": "Canada Web"},
)
PLACES = {"Corner Web": "Corner Shop", "Outlet Web": "Factory Outlet", "Canada Web": "Toronto"}

PICKUP = {"parcels": (Pickup(code="LOC-1", name="Corner Shop"),)}


def a_shop(*, when_closed: str = "try", **more: Any) -> Shop:
    """A shop with an outlet for each route, and ten mugs at each of them."""
    shop = Shop(settings={"pos": {"when_closed": when_closed}, "routes": ROUTES, **more})
    pos = shop.world.pos
    shop.checkpoint.forget_cached()
    mug = pos.with_code("MUG")[0]["id"]
    for register, outlet in PLACES.items():
        pos.add_outlet(outlet)
        pos.add_register(register, outlet)
        pos.set_stock(mug, pos.id_of(pos.outlets, outlet), 10)
    return shop


def stock(shop: Shop) -> Mapping[str, int]:
    """The mugs at each outlet."""
    return {place: int(shop.world.pos.stock("MUG", place)) for place in (OUTLET, *PLACES.values())}


def register_of(shop: Shop, order: int) -> str:
    (sale,) = (one for one in shop.sales(order) if one["state"] != "voided")
    row = shop.world.pos.registers.get(sale["source"]["register_id"])
    assert row is not None
    assert {one["source"]["register_id"] for one in sale["payments"]} <= {row["id"]}
    return str(row["name"])


@pytest.mark.parametrize(
    ("draft", "register"),
    [
        pytest.param({}, "Online", id="none"),
        pytest.param(PICKUP, "Corner Web", id="pickup location"),
        pytest.param({"channel_id": 7}, "Outlet Web", id="channel"),
        pytest.param({"shopper": CANADIAN}, "Canada Web", id="shipping country"),
        pytest.param({"shopper": CANADIAN, "channel_id": 7}, "Outlet Web", id="the first of two that match"),
        pytest.param({"parcels": (Pickup(code="LOC-2", name="Elsewhere"),)}, "Online", id="another location"),
        pytest.param(
            {"shopper": CANADIAN, "parcels": (Parcel(cost="5.00", to=ADA),)},
            "Online",
            id="billed there, sent elsewhere",
        ),
    ],
)
def test_an_order_is_sold_at_the_register_of_its_route_and_from_the_stock_of_its_outlet(
    draft: Mapping[str, Any], register: str
) -> None:
    shop = a_shop()
    before = stock(shop)
    order = shop.order(quantity=3, **draft)

    shop.pass_()

    place = PLACES.get(register, OUTLET)
    assert register_of(shop, order) == register
    assert stock(shop) == {**before, place: before[place] - 3}
    assert [(move.outlet_id, move.units) for move in shop.checkpoint.stock_moves_of_order(order)] == [
        (shop.world.pos.id_of(shop.world.pos.outlets, place), -3)
    ]


def test_each_outlet_gets_back_what_it_sold() -> None:
    shop = a_shop()
    before = stock(shop)
    cancelled = shop.order(quantity=2, shopper=CANADIAN)
    refunded = shop.order(quantity=3, **PICKUP)
    edited = shop.order(quantity=4, channel_id=7)
    shop.pass_()
    shop.happens(shop.store.cancel, cancelled)
    shop.happens(shop.refund, refunded, Refund(lines={0: 1}))
    shop.edit(edited, shop.store.item("MUG", 1))

    shop.pass_()

    assert stock(shop) == {**before, "Corner Shop": 8, "Factory Outlet": 9}
    assert shop.review() == []


@pytest.mark.parametrize("fault", [None, Fault.RESET_AFTER, Fault.RESET_BEFORE])
def test_goods_are_taken_out_again_where_they_came_back(fault: Fault | None) -> None:
    shop = a_shop(sync={"restock_refunds": False})
    order = shop.order(quantity=3, shopper=CANADIAN)
    shop.pass_()
    shop.happens(shop.refund, order, Refund(lines={0: 2}))
    if fault:
        shop.fails(fault, "POST", "/stock_adjustments")

    shop.later(2)

    assert (stock(shop)["Toronto"], stock(shop)[OUTLET], shop.review()) == (7, 50, [])


def test_what_is_picked_up_is_fulfilled_from_its_own_outlet() -> None:
    shop = a_shop(sync={"fulfillment": "track"})
    order = shop.order(quantity=2, status=OrderStatus.AWAITING_PICKUP, **PICKUP)
    shop.pass_()
    pos = shop.world.pos
    assert shop.sales(order)[0]["fulfillment_outlet_id"] == pos.id_of(pos.outlets, "Corner Shop")

    shop.happens(shop.store.set_status, order, OrderStatus.COMPLETED)
    shop.pass_()

    assert stock(shop)["Corner Shop"] == 8


class TestAClosedRegister:
    def test_tried_all_the_same_it_is_sold_where_the_pos_takes_it(self) -> None:
        shop = a_shop()
        shop.world.switch(closed_register="accepted")
        shop.world.pos.open_register("Canada Web", is_open=False)
        orders = [shop.order(shopper=CANADIAN), shop.order(shopper=BASIL)]

        shop.pass_()

        assert [register_of(shop, order) for order in orders] == ["Canada Web", "Online"]

    def test_tried_and_refused_its_orders_wait_and_are_not_set_aside(self) -> None:
        shop = a_shop()
        shop.world.pos.open_register("Canada Web", is_open=False)
        waits, goes = shop.order(shopper=CANADIAN), shop.order(shopper=BASIL)

        for _ in range(2):
            with pytest.raises(RetryLater, match='the register "Canada Web" is closed'):
                shop.pass_()

        assert (shop.states(waits), shop.states(goes), shop.review()) == ([], ["closed"], [])
        shop.world.pos.open_register("Canada Web")
        shop.pass_()
        assert (register_of(shop, waits), stock(shop)["Toronto"]) == ("Canada Web", 9)

    def test_waited_for_nothing_is_sent(self) -> None:
        shop = a_shop(when_closed="wait")
        shop.world.pos.open_register("Canada Web", is_open=False)
        orders = [shop.order(shopper=CANADIAN), shop.order(shopper=BASIL)]

        with pytest.raises(RetryLater, match='the register "Canada Web" is closed'):
            shop.pass_()

        assert (shop.writes(), shop.review()) == ([], [])
        shop.world.pos.open_register("Canada Web")
        shop.pass_()
        assert [register_of(shop, order) for order in orders] == ["Canada Web", "Online"]

    def test_opened_each_one_that_is_needed_is_opened_and_no_other(self) -> None:
        shop = a_shop(when_closed="open")
        for register in PLACES:
            shop.world.pos.open_register(register, is_open=False)
        orders = [shop.order(shopper=CANADIAN), shop.order(**PICKUP), shop.order(shopper=BASIL)]

        shop.pass_()

        assert [register_of(shop, order) for order in orders] == ["Canada Web", "Corner Web", "Online"]
        is_open = {row["name"]: row["is_open"] for row in shop.world.pos.registers}
        assert {name: is_open[name] for name in PLACES} == {"Corner Web": True, "Outlet Web": False, "Canada Web": True}

    @pytest.mark.parametrize("fault", [Fault.SCOPE_REFUSED, Fault.ERROR_500])
    def test_that_cannot_be_opened_its_orders_wait(self, fault: Fault) -> None:
        shop = a_shop(when_closed="open")
        shop.world.pos.open_register("Canada Web", is_open=False)
        order = shop.order(shopper=CANADIAN)
        shop.fails(fault, "PUT", "/actions/open")

        with suppress(BcpollError):
            shop.pass_()

        assert (shop.states(order), shop.review()) == ([], [])
        shop.pass_()
        assert register_of(shop, order) == "Canada Web"


@pytest.mark.parametrize("position", ["allowed", "refused"])
def test_an_outlet_without_stock_sells_below_zero_or_its_order_waits(position: str) -> None:
    shop = a_shop()
    shop.world.switch(negative_stock=position)
    order = shop.order(quantity=12, shopper=CANADIAN)

    report = shop.pass_()

    assert (report.set_aside, len(shop.sales(order))) == ((1, 0) if position == "refused" else (0, 1))
    assert stock(shop)["Toronto"] == (10 if position == "refused" else -2)
    shop.world.pos.set_stock(
        shop.world.pos.with_code("MUG")[0]["id"], shop.world.pos.id_of(shop.world.pos.outlets, "Toronto"), 20
    )
    shop.later()
    assert shop.review() == []


def test_switches_leave_the_routes_alone() -> None:
    shop = a_shop()
    shop.world.store.switches = shop.world.pos.switches = Switches(consignments="array", existing_sale="conflict")
    orders = [shop.order(**PICKUP), shop.order(shopper=CANADIAN)]

    shop.pass_()

    assert [register_of(shop, order) for order in orders] == ["Corner Web", "Canada Web"]
