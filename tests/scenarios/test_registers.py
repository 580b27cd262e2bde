"""Scenarios: at which register and outlet an order is booked, and what becomes of it while that is closed."""

from typing import Any

import pytest
from shop import NOW
from story import Story, is_kept_waiting, scenario

from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.drafts import Parcel, Pickup, Shopper

ONE = "closed 10.80: 1 MUG; Online - Card 10.80"
ABROAD = Shopper(
    first_name="Odette", last_name="Marmite", email="odette@example.com", postcode="75001", city="Paris", state="",
    country="France", country_code="FR",
)  # fmt: skip
AT_THE_WAREHOUSE = {"parcels": (Pickup(code="WH-1", name="Warehouse"),), "status": OrderStatus.AWAITING_PICKUP}
ROUTES = [
    {"pickup_location": "WH-1", "register": "Dispatch"},
    {"channel": 7, "register": "Dispatch"},
    {"country": "FR", "register": "Dispatch"},
]


def two_outlets(shop: Story) -> None:
    """A second register, in the warehouse, where there are twenty mugs more."""
    pos = shop.world.pos
    pos.add_register("Dispatch", "Warehouse")
    pos.set_stock(pos.with_code("MUG")[0]["id"], pos.id_of(pos.outlets, "Warehouse"), 20)
    shop.opening["MUG"] += 20
    shop.checkpoint.forget_cached()


def registers(shop: Story, order_id: int) -> list[str]:
    names = {row["id"]: row["name"] for row in shop.world.pos.registers}
    return [names[sale["source"]["register_id"]] for sale in shop.sales(order_id)]


def routed(shop: Story, *, elsewhere: dict[str, Any]) -> None:
    """One order goes the usual way, and one to the register of the warehouse."""
    two_outlets(shop)
    usual, other = shop.order(), shop.order(**elsewhere)
    shop.poll()
    assert (registers(shop, usual), registers(shop, other)) == (["Online"], ["Dispatch"])
    shop.ends({usual: ONE, other: ONE}, stock={"MUG": 49, "MUG at Warehouse": 19})


@scenario("registers", quick=True, settings={"routes": ROUTES})
def test_routed_by_pickup_location(shop: Story) -> None:
    routed(shop, elsewhere=AT_THE_WAREHOUSE)


@scenario("registers", settings={"routes": ROUTES})
def test_routed_by_channel(shop: Story) -> None:
    routed(shop, elsewhere={"channel_id": 7})


@scenario("registers", settings={"routes": ROUTES})
def test_routed_by_country(shop: Story) -> None:
    routed(shop, elsewhere={"shopper": ABROAD, "parcels": (Parcel(to=ABROAD),)})


@scenario("registers", "voiding", settings={"routes": ROUTES})
def test_cancelled_where_it_was_routed_to(shop: Story) -> None:
    two_outlets(shop)
    order = shop.order(channel_id=7)
    shop.poll()
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: "voided 10.80: 1 MUG"}, stock={"MUG": 50, "MUG at Warehouse": 20})


@scenario("registers", "refunding", settings={"routes": ROUTES}, restock_refunds=[True, False])
def test_comes_back_where_it_was_routed_to(shop: Story) -> None:
    two_outlets(shop)
    order = shop.order(channel_id=7)
    shop.poll()
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    assert registers(shop, order) == ["Dispatch", "Dispatch"]
    left = 20 if shop.settings.sync.restock_refunds else 19
    told = [ONE, "closed -10.80: -1 MUG; Online - Card -10.80"]
    shop.ends({order: told}, stock={"MUG": 50, "MUG at Warehouse": left})


@scenario("registers", "tracking", settings={"routes": ROUTES}, fulfillment=["track"])
def test_waits_to_be_picked_up_where_it_was_routed_to(shop: Story) -> None:
    two_outlets(shop)
    order = shop.order(**AT_THE_WAREHOUSE)
    shop.poll()
    shop.turns(order, OrderStatus.COMPLETED)
    shop.poll()
    told = "closed pickup 10.80: 1 MUG; Online - Card 10.80"
    shop.ends({order: told}, stock={"MUG": 50, "MUG at Warehouse": 19})


@scenario("registers", "products", settings={"routes": ROUTES})
def test_a_new_product_begins_where_it_was_routed_to(shop: Story) -> None:
    two_outlets(shop)
    shop.sell("VASE", known=False, price="20.00", stock=9)
    order = shop.order("VASE", 2, channel_id=7)
    shop.poll()
    told = "closed 43.20: 2 VASE; Online - Card 43.20"
    shop.ends({order: told}, stock={"MUG": 50, "MUG at Warehouse": 20, "VASE at Warehouse": 7})


# --- closed registers ------------------------------------------------------------------------------------------------


@scenario("registers")
def test_register_closed_and_opened(shop: Story) -> None:
    """Where the POS takes no sale for a closed register, orders wait for it and none is set aside."""
    shop.world.pos.open_register("Online", is_open=False)
    orders = [shop.order(), shop.order()]
    assert is_kept_waiting(shop) == (shop.world.switches.closed_register == "refused")
    assert shop.asked_of_people() == {}
    shop.world.pos.open_register("Online")
    shop.poll()
    shop.ends(dict.fromkeys(orders, ONE), stock={"MUG": 48})


@scenario("registers", settings={"pos": {"when_closed": "open"}})
def test_register_closed_and_opened_by_bcpoll(shop: Story) -> None:
    shop.world.pos.open_register("Online", is_open=False)
    order = shop.order()
    shop.poll()
    assert [row["is_open"] for row in shop.world.pos.registers if row["name"] == "Online"] == [True]
    shop.ends({order: ONE}, stock={"MUG": 49})


@scenario("registers", settings={"pos": {"when_closed": "wait"}})
def test_register_closed_and_waited_for(shop: Story) -> None:
    shop.world.pos.open_register("Online", is_open=False)
    order = shop.order()
    assert is_kept_waiting(shop)
    assert shop.writes() == []
    shop.world.pos.open_register("Online")
    shop.poll()
    shop.ends({order: ONE}, stock={"MUG": 49})


@scenario("registers", "voiding", "refunding")
def test_register_closed_over_a_whole_life(shop: Story) -> None:
    """Paid, cancelled, revived and refunded while nothing could be booked: only the end of it counts."""
    shop.poll()
    shop.world.pos.open_register("Online", is_open=False)
    kept, gone = shop.order(quantity=2), shop.order()
    waits = shop.world.switches.closed_register == "refused"
    assert is_kept_waiting(shop) == waits
    shop.is_cancelled(gone)
    shop.is_refunded(kept, lines={0: 1})
    is_kept_waiting(shop)
    shop.world.pos.open_register("Online")
    shop.poll()
    told = ["closed 21.60: 2 MUG; Online - Card 21.60", "closed -10.80: -1 MUG; Online - Card -10.80"]
    shop.ends({kept: told, gone: "voided 10.80: 1 MUG"}, stock={"MUG": 49})


@pytest.mark.slow
@pytest.mark.parametrize("when_closed", ["try", "open", "wait"])
def test_a_closed_register_of_one_outlet_keeps_no_other_outlet_s_orders_for_good(when_closed: str) -> None:
    shop = Story(settings={"sync": {"start": NOW}, "routes": ROUTES, "pos": {"when_closed": when_closed}})
    two_outlets(shop)
    shop.world.pos.open_register("Dispatch", is_open=False)
    usual, other = shop.order(), shop.order(channel_id=7)
    assert is_kept_waiting(shop) == (when_closed != "open")
    shop.world.pos.open_register("Dispatch")
    shop.poll()
    shop.ends({usual: ONE, other: ONE}, stock={"MUG": 49, "MUG at Warehouse": 19})
    shop.closes()
