"""Settings that change between passes over one ledger: what the old ones wrote is neither lost nor doubled."""

from contextlib import suppress
from typing import Any

import pytest
from shop import Shop

from bcpoll.checkpoint import RefundState
from bcpoll.core.order import LineKind
from bcpoll.core.rejected import Reason
from bcpoll.errors import RetryLater
from bcpoll.sandbox.drafts import Item
from bcpoll.sandbox.refunds import Refund

ONE_MUG = Refund(lines={0: 1})


def change(shop: Shop, **sections: Any) -> None:
    """Go on with other settings than the usual ones."""
    shop.settings = Shop(settings=sections).settings


def states(shop: Shop, order: int) -> list[RefundState]:
    return [row.state for row in shop.checkpoint.refunds_of([order])]


# --- refunds that are ignored from now on ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "reason"), [("cancelled", Reason.CANCELLED_AFTER_REFUND), ("edited", Reason.EDITED_AFTER_REFUND)]
)
def test_a_sale_whose_refund_was_booked_before_is_not_voided(event: str, reason: Reason) -> None:
    shop = Shop()
    order = shop.order(quantity=3)
    shop.pass_()
    shop.happens(shop.refund, order, ONE_MUG)
    shop.pass_()
    change(shop, sync={"refunds": "ignore"})

    if event == "cancelled":
        shop.happens(shop.store.cancel, order)
    else:
        shop.edit(order, shop.store.item("MUG", 2))
    shop.pass_()

    assert (shop.states(order), [item.reason for item in shop.review()]) == (["closed", "closed"], [reason])


def test_a_refund_that_waits_when_they_are_left_to_people_is_never_booked_later() -> None:
    shop = Shop()
    order = shop.order(quantity=3)
    shop.pass_()
    shop.happens(shop.refund, order, ONE_MUG)
    shop.world.pos.open_register("Online", is_open=False)
    with suppress(RetryLater):
        shop.pass_()
    shop.world.pos.open_register("Online")
    change(shop, sync={"refunds": "ignore"})
    shop.pass_()
    change(shop)
    shop.time.forward(minutes=1)

    shop.pass_()
    shop.happens(shop.store.ship, order)
    shop.pass_()

    assert (shop.states(order), states(shop, order)) == (["closed"], [RefundState.LEFT])


def test_a_refund_that_is_booked_already_stays_so() -> None:
    shop = Shop()
    order = shop.order(quantity=3)
    shop.pass_()
    shop.happens(shop.refund, order, ONE_MUG)
    shop.pass_()
    change(shop, sync={"refunds": "ignore"})
    shop.pass_()

    assert states(shop, order) == [RefundState.BOOKED]


# --- other names -----------------------------------------------------------------------------------------------------


def test_another_code_for_gift_certificates_is_no_edit_of_the_orders_that_sold_some() -> None:
    shop = Shop()
    certificate = Item(name="Gift Certificate", price="25.00", kind=LineKind.GIFT_CERTIFICATE, tax_rate="0")
    order = shop.order(items=(shop.store.item("MUG"), certificate))
    shop.pass_()
    change(shop, charges={"gift_certificate": "GIFT"})

    shop.happens(shop.store.ship, order)
    shop.pass_()

    assert (shop.states(order), shop.lives()) == (["closed"], [])
