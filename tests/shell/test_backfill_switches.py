"""A history brought over under every answer that the two APIs' documents leave open: once, and the stock as it was."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from shop import ADA, BASIL, GUEST, NOW, Shop
from test_switches import ALONE, ids

from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches

pytestmark = pytest.mark.slow

YEAR = timedelta(days=365)
STATUSES = (OrderStatus.COMPLETED, OrderStatus.SHIPPED, OrderStatus.AWAITING_PAYMENT, OrderStatus.CANCELLED)
RESTOCK = pytest.mark.parametrize("restock", [True, False])


@RESTOCK
@pytest.mark.parametrize(("switch", "position"), ALONE, ids=ids(ALONE))
def test_a_history_is_brought_over_once_and_leaves_the_stock(switch: str, position: Any, restock: bool) -> None:  # noqa: FBT001
    shop = Shop(page_size=5, settings={"sync": {"restock_refunds": restock}}, is_new=True)
    for number in range(12):
        buyer = (ADA, BASIL, GUEST)[number % 3]
        at, status = NOW - YEAR + timedelta(hours=number), STATUSES[number % 4]
        order = shop.order("MUG", number % 3 + 1, at=at, shopper=buyer, status=status)
        if number % 4 == 0:
            shop.refund(order, Refund(lines={0: 1}, status=OrderStatus.COMPLETED))
            shop.store.refunds[-1]["created"] = "2025-12-01T09:00:00Z"
    shop.count_stock()
    # Long enough ago for all of them to show in the lists.
    shop.time.at = NOW + timedelta(minutes=10)
    before = shop.stock()
    switches = replace(Switches(), **{switch: position})
    shop.store.switches = shop.world.pos.switches = switches

    shop.backfill()
    shop.later(2)

    assert (shop.stock(), shop.review(), shop.checkpoint.open_intents()) == (before, [], [])
    live = [sale for sale in shop.world.pos.sales if sale["state"] != "voided"]
    assert len(live) == 9 + 3
    assert shop.customers() == {one.email.lower(): 1 for one in (ADA, BASIL, GUEST)}
    sold = shop.world.pos.snapshot()
    assert shop.backfill().counts["created"] == 0
    assert shop.world.pos.snapshot() == sold
