"""Bugs that chance (`test_model`) and faults at every request (`test_faults`) found, each in its shortest story."""

from collections.abc import Callable

import pytest
from shop import ADA, BASIL, Shop

from bcpoll.core.status import OrderStatus
from bcpoll.errors import RetryLater
from bcpoll.sandbox.drafts import Parcel
from bcpoll.sandbox.faults import Fault, Request
from bcpoll.sandbox.switches import Switches


@pytest.mark.parametrize("fault", [Fault.HTML_502, Fault.ERROR_500, Fault.RESET_BEFORE], ids=lambda fault: fault.name)
def test_an_unclear_sale_does_not_cost_the_link_to_a_customer_that_the_search_does_not_show_yet(fault: Fault) -> None:
    shop = Shop(switches=Switches(search_lag_requests=50))
    shop.order(shopper=ADA)
    shop.fails(fault, "POST", "/sales")

    shop.pass_()
    shop.order(shopper=ADA)
    shop.later(2)

    assert (shop.lives(), shop.review()) == ([], [])
    assert shop.customers()[ADA.email] == 1


def test_a_refused_sale_does_not_cost_the_link_to_a_customer_that_the_search_does_not_show_yet() -> None:
    shop = Shop(switches=Switches(search_lag_requests=50, negative_stock="refused"))
    shop.order("MUG", 60, shopper=BASIL)
    shop.pass_()
    shop.world.switch(negative_stock="allowed")

    shop.later(2)

    assert (shop.lives(), shop.review()) == ([], [])


def test_a_completed_delivery_does_not_hide_that_the_register_is_closed() -> None:
    shop = Shop(settings={"sync": {"fulfillment": "track"}})
    order = shop.order(status=OrderStatus.AWAITING_SHIPMENT)
    shop.pass_()
    shop.happens(shop.store.ship, order)
    shop.order()
    shop.world.pos.open_register("Online", is_open=False)

    with pytest.raises(RetryLater, match='the register "Online" is closed'):
        shop.pass_()

    assert shop.review() == []


def test_a_product_that_is_said_to_be_untracked_and_is_not_is_told_once_more() -> None:
    shop = Shop()
    shop.order(parcels=(Parcel(cost="5.00"),))
    shop.fails(Fault.EMPTY_INSTEAD, "PUT", "/products")

    shop.pass_()

    assert shop.world.pos.with_code("BC-SHIPPING")[0]["has_inventory"] is False


@pytest.mark.parametrize("times", [2, 3, 4])
def test_a_product_that_could_not_be_untracked_for_a_while_is_by_the_next_pass(times: int) -> None:
    shop = Shop(switches=Switches(negative_stock="refused"))
    shop.order(parcels=(Parcel(cost="5.00"),))
    shop.fails(Fault.RESET_BEFORE, "PUT", "/products", times=times)

    shop.later(3)

    assert shop.world.pos.with_code("BC-SHIPPING")[0]["has_inventory"] is False
    assert (shop.lives(), shop.review()) == ([], [])


@pytest.mark.parametrize("times", [1, 100], ids=["once", "for good"])
@pytest.mark.parametrize("fault", [Fault.EMPTY_BODY, Fault.EMPTY_INSTEAD], ids=lambda fault: fault.name)
def test_an_empty_answer_to_a_look_up_does_not_mean_that_the_sale_is_not_there(fault: Fault, times: int) -> None:
    shop = Shop(switches=Switches(existing_sale="doubles"))
    shop.order()
    shop.world.faults.on(Fault.RESET_AFTER, _from_the_sale_on(), times=100)
    with pytest.raises(RetryLater):
        shop.pass_()
    shop.restart()
    shop.world.faults.on(fault, lambda request: request.side == "pos", times=times)

    shop.later()
    shop.restart()
    shop.later()

    assert (shop.lives(), shop.review()) == ([], [])


def _from_the_sale_on() -> Callable[[Request], bool]:
    seen: list[str] = []

    def hits(request: Request) -> bool:
        seen.append(f"{request.method} {request.path}")
        return any(line.startswith("POST") and line.endswith("/sales") for line in seen)

    return hits
