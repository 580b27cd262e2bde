"""Fulfilment tracked in the POS: which orders show there as open, and how they are completed."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shop import ADA, NOBODY, Killed, Shop

from bcpoll.core.status import OrderStatus
from bcpoll.errors import RetryLater
from bcpoll.sandbox.drafts import Parcel, Pickup
from bcpoll.sandbox.faults import Fault

_PICKUP = {"parcels": (Pickup(code="LOC-1", name="Corner Shop"),)}


def tracking(**more: Any) -> Shop:
    return Shop(settings={"sync": {"fulfillment": "track"}}, **more)


def open_fulfillments(shop: Shop) -> list[tuple[str, str]]:
    return [(row["type"], row["state"]) for row in shop.world.pos.fulfillments.values()]


def test_a_paid_order_that_waits_for_shipment_shows_as_an_open_delivery() -> None:
    shop = tracking()
    order = shop.order(quantity=2, parcels=(Parcel(cost="5.00"),))

    shop.pass_()

    (sale,) = shop.sales(order)
    assert (sale["state"], sale["attributes"]) == ("pending", ["delivery"])
    assert open_fulfillments(shop) == [("DISPATCH", "OPEN")]
    assert [line["_metadata"].get("fulfillment_method") for line in sale["line_items"]] == ["DISPATCH", None]
    assert sale["payments"]


def test_a_pickup_shows_as_an_open_pickup_without_an_address() -> None:
    shop = tracking()
    order = shop.order(status=OrderStatus.AWAITING_PICKUP, **_PICKUP)

    shop.pass_()

    assert [sale["attributes"] for sale in shop.sales(order)] == [["pickup"]]
    assert open_fulfillments(shop) == [("PICKUP", "OPEN")]
    assert not any("addresses" in line for line in shop.asked("pos"))


def test_shipping_in_bigcommerce_completes_the_sale_and_a_further_pass_writes_nothing() -> None:
    shop = tracking()
    order = shop.order()
    shop.pass_()
    shop.happens(shop.store.ship, order)

    report = shop.pass_()

    assert report.counts["fulfilled"] == 1
    assert shop.states(order) == ["closed"]
    assert open_fulfillments(shop) == [("DISPATCH", "FULFILLED")]
    assert shop.lives() == []
    shop.pass_()
    assert shop.writes() == []


def test_a_cancelled_delivery_is_voided() -> None:
    shop = tracking()
    order = shop.order()
    shop.pass_()
    shop.happens(shop.store.cancel, order)

    shop.pass_()

    assert shop.states(order) == ["voided"]


def test_an_order_that_is_paid_later_is_written_anew_so_that_staff_see_it() -> None:
    shop = tracking()
    order = shop.order(status=OrderStatus.AWAITING_PAYMENT)
    shop.pass_()
    shop.happens(shop.store.pay, order)

    shop.pass_()

    assert shop.states(order) == ["voided", "pending"]


@pytest.mark.parametrize(
    "status", [OrderStatus.SHIPPED, OrderStatus.COMPLETED, OrderStatus.REFUNDED], ids=lambda status: status.title
)
def test_what_is_shipped_already_is_a_plain_closed_sale(status: OrderStatus) -> None:
    shop = tracking()
    order = shop.order(status=status)

    shop.pass_()

    assert shop.states(order) == ["closed"]
    assert open_fulfillments(shop) == []


@pytest.mark.parametrize(
    "shopper",
    [
        pytest.param(NOBODY, id="nobody to deliver to"),
        pytest.param(replace(ADA, postcode=""), id="no postcode"),
        pytest.param(replace(ADA, state="Atlantis"), id="unknown state"),
    ],
)
def test_an_address_that_cannot_be_posted_stays_in_the_note_of_a_closed_sale(shopper: Any) -> None:
    shop = tracking()
    order = shop.order(shopper=shopper)

    shop.pass_()

    (sale,) = shop.sales(order)
    assert sale["state"] == "closed"
    assert "1 Sample Street" in sale["note"]


UNCLEAR = pytest.mark.parametrize(
    "fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.ERROR_500], ids=lambda fault: fault.name.lower()
)


@UNCLEAR
def test_an_address_without_a_clear_answer_does_not_cost_the_delivery(fault: Fault) -> None:
    shop = tracking()
    order = shop.order()
    shop.fails(fault, "POST", "/addresses")

    shop.pass_()
    shop.later()

    assert shop.states(order) == ["pending"]
    assert [len(book) for book in shop.world.pos.customer_addresses.values()] == [1]
    assert (shop.review(), shop.checkpoint.open_intents()) == ([], [])


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.ERROR_500], ids=lambda fault: fault.name.lower())
def test_an_address_that_never_has_a_clear_answer_does_not_cost_the_order(fault: Fault) -> None:
    shop = tracking()
    orders = [shop.order(), shop.order()]
    shop.fails(fault, "POST", "/addresses", times=100)

    shop.pass_()
    assert [shop.states(order) for order in orders] == [[], []]
    shop.later()

    assert [shop.states(order) for order in orders] == [["closed"], ["closed"]]
    assert shop.row(orders[0]).applied.state == "paid"
    assert shop.review() == []


def test_an_address_that_the_pos_refuses_does_not_cost_the_order() -> None:
    shop = tracking()
    order = shop.order(shopper=replace(ADA, postcode="not a postcode"))

    shop.pass_()

    assert shop.states(order) == ["closed"]


def test_the_address_of_a_returning_customer_is_added_once() -> None:
    shop = tracking()
    shop.order()
    shop.pass_()
    shop.order()

    shop.pass_()

    assert [len(book) for book in shop.world.pos.customer_addresses.values()] == [1]


def test_an_address_is_noted_once_however_long_its_order_waits_for_a_closed_register() -> None:
    shop = tracking()
    shop.world.pos.open_register("Online", is_open=False)
    order = shop.order()
    for _ in range(4):
        with suppress(RetryLater):
            shop.pass_()
    assert shop.review() == []
    shop.world.pos.open_register("Online")

    shop.pass_()

    assert shop.states(order) == ["pending"]
    assert [intent.kind.value for intent in shop.checkpoint.history(order)].count("address") == 1
    assert len(next(iter(shop.world.pos.customer_addresses.values()))) == 1


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.ERROR_500], ids=lambda fault: fault.name.lower())
def test_an_order_waits_for_an_unclear_address_no_longer_than_to_the_next_pass(fault: Fault) -> None:
    shop = tracking()
    order = shop.order()
    shop.fails(fault, "POST", "/addresses")
    shop.pass_()
    assert [item.field for item in shop.review()] == ["address"]
    shop.time.forward(minutes=1)

    shop.pass_()

    assert (shop.states(order), shop.review()) == (["pending"], [])
    assert shop.sales(order)[0]["attributes"] == ["delivery"]


def test_two_orders_of_a_page_to_one_address_share_its_look_up_and_its_writing() -> None:
    # Looked up twice, side by side, neither finds what the other is about to add.
    shop = tracking()
    orders = [shop.order(), shop.order()]

    shop.pass_()

    assert [line.split()[0] for line in shop.asked("pos") if line.endswith("/addresses")] == ["GET", "POST"]
    assert [shop.states(order) for order in orders] == [["pending"], ["pending"]]
    assert open_fulfillments(shop) == [("DISPATCH", "OPEN")] * 2


@pytest.mark.parametrize(
    "fault", [Fault.RESET_AFTER, Fault.RESET_BEFORE, Fault.ERROR_500_AFTER], ids=lambda f: f.name.lower()
)
def test_a_completion_without_a_clear_answer_is_looked_up_and_done_once(fault: Fault) -> None:
    shop = tracking()
    order = shop.order()
    shop.pass_()
    shop.happens(shop.store.ship, order)
    shop.fails(fault, "POST", "/fulfillments/fulfill")

    shop.later(3)

    assert shop.states(order) == ["closed"]
    assert shop.review() == []
    assert shop.lives() == []


@pytest.mark.parametrize("moment", ["before the effect", "after the effect"])
@pytest.mark.parametrize("number", range(1, 7))
def test_killed_at_any_write_the_next_passes_end_where_an_undisturbed_run_does(
    number: int, moment: str, tmp_path: Path
) -> None:
    shop = tracking(path=tmp_path / "bcpoll.db")
    order = shop.order(parcels=(Parcel(cost="5.00"),))
    shop.dies_at_write(number, after=moment == "after the effect")
    with suppress(Killed):
        shop.pass_()
        shop.happens(shop.store.ship, order)
        shop.pass_()
    shop.restart()
    shop.store.ship(order)

    shop.later(3)

    assert shop.states(order) == ["closed"]
    assert shop.lives() == []
    assert len(shop.customers()) == 1
