"""A shop in which everything occurs that the program does, told in chapters, and what there is to compare at the end.

Shared by the tests that break the program at every point of the story. Owns the story alone: who runs the passes over
it, and how they are broken, is for those tests.
"""

import itertools
import re
import threading
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bcpoll.checkpoint import Checkpoint, LedgerRow, RefundRow
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.catalogue import Product
from bcpoll.sandbox.drafts import Draft, Item, Parcel, Pickup, Shopper
from bcpoll.sandbox.faults import Request
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.pos import Snapshot
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.store import FIRST_ORDER
from bcpoll.sandbox.world import World, furnish

# When the first order is placed; the chapters are a day apart.
FIRST = datetime(2025, 6, 1, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)

# A POS that forgives nothing: what is new is in no search yet, and a sale that is sent again is a second sale.
HARSH: Mapping[str, Any] = {"search_lag_requests": 10_000, "existing_sale": "doubles"}

# What the settings of this shop say beyond the usual.
WAY_OF_WORKING: Mapping[str, Mapping[str, str]] = {
    "sync": {"fulfillment": "track", "restock_refunds": "false"},
    "pos": {"when_closed": "open"},
}

ADA = Shopper(first_name="Ada", last_name="Teacup", email="ada@example.com", customer_id=7)
BASIL = Shopper(first_name="Basil", last_name="Saucepan", email="Basil@Example.com", customer_id=8)
GUEST = Shopper(first_name="Hazel", last_name="Spoon", email="hazel@example.com")
STRANGER = Shopper(first_name="Olive", last_name="Ladle", email="olive@example.com", postcode="not a postcode")
LATECOMER = Shopper(first_name="Sage", last_name="Whisk", email="sage@example.com")
NOBODY = Shopper(first_name="Walk", last_name="Past")

# More lines than BigCommerce embeds in an order.
MANY = 52


def opening(world: World) -> None:
    """The first orders: every way in which a sale, a customer, a product or an address comes about."""
    furnish(world.pos)
    world.pos.add_customer("Ada", "Teacup", "ada@example.com")
    for number, (sku, stock) in enumerate({"MUG": 190, "POT": 40, "PAN": 30, "WISH": None, "JAR": 20}.items()):
        world.store.add_product(Product(id=11 + number, name=sku.title(), sku=sku, price="12.50", stock=stock))
    world.pos.add_product("Mug", "MUG", price="12.50", stock={"Main Store": "190"})
    # Two products under one SKU: nobody can say which of them is meant.
    world.pos.add_product("Jar", "JAR", price="12.50", stock={"Main Store": "20"})
    world.pos.add_product("Jar, entered twice", "JAR", price="12.50")
    mug, pot, pan, wish, jar = (world.store.item(sku) for sku in ("MUG", "POT", "PAN", "WISH", "JAR"))
    paid, waiting = OrderStatus.COMPLETED, OrderStatus.AWAITING_SHIPMENT
    for shopper, status, items, more in (
        (ADA, paid, (mug,), {"parcels": (Parcel(cost="6.00"),)}),
        (BASIL, paid, (pot, mug), {}),
        (BASIL, paid, (pot,), {"parcels": (Parcel(cost="3.00", handling="1.00"),)}),
        (GUEST, waiting, (wish, mug), {}),
        (ADA, OrderStatus.AWAITING_PAYMENT, (mug,), {}),
        (ADA, OrderStatus.AWAITING_PAYMENT, (pot,), {}),
        (BASIL, paid, (mug,), {}),
        (GUEST, paid, (mug,), {"gift_certificate": "5.00"}),
        (STRANGER, waiting, (mug,), {}),
        (ADA, paid, (mug,), {"currency": "EUR"}),
        (ADA, OrderStatus.CANCELLED, (mug,), {}),
        (ADA, OrderStatus.AWAITING_PICKUP, (mug, pan), {"parcels": (Pickup(code="LOC-1", name="Corner"),)}),
        (ADA, OrderStatus.PENDING, (mug,), {}),
        (NOBODY, paid, (mug,), {}),
        (ADA, paid, (mug,) * MANY, {}),
        (ADA, paid, (jar,), {}),
    ):
        place(world, shopper, status, items, **more)
    world.pos.open_register("Online", is_open=False)


def sequel(world: World) -> None:
    """What then happens to them: every way in which a sale changes, and more that is new."""
    store, moments = world.store, (FIRST + DAY + timedelta(minutes=number) for number in itertools.count())
    mug = store.item("MUG", 5)
    store.ship(103, at=next(moments))
    store.ship(104, at=next(moments))
    store.pay(105, at=next(moments))
    store.cancel(106, at=next(moments))
    store.edit(107, lambda draft: replace(draft, items=(mug, store.item("PAN"))), at=next(moments))
    store.set_status(110, OrderStatus.COMPLETED, at=next(moments))
    store.ship(111, at=next(moments))
    store.set_status(112, OrderStatus.AWAITING_SHIPMENT, at=next(moments))
    in_dollars = {"currency_code": "USD", "default_currency_code": "USD"}
    store.overwrite(109, in_dollars, at=next(moments))
    store.add_product(Product(id=21, name="Fork", sku="FORK", price="4.00", stock=12))
    place(world, LATECOMER, OrderStatus.COMPLETED, (store.item("FORK", 2),), at=next(moments))
    place(world, LATECOMER, OrderStatus.COMPLETED, (store.item("FORK"), mug), at=next(moments))
    world.pos.open_register("Online", is_open=False)


def returns(world: World) -> None:
    """What is given back: goods, charges and money, of an order that nothing else moves, and what cannot be booked."""
    store, moments = world.store, (FIRST + 2 * DAY + timedelta(minutes=number) for number in itertools.count())
    world.switch(refunds="leave_date")
    store.refund(100, Refund(lines={0: 1}, shipping="6.48", reason="Arrived broken"), at=next(moments))
    store.refund(101, Refund(lines={0: 1, 1: 1}, kept={0: "1.50"}), at=next(moments))
    store.refund(103, Refund(lines={0: 1}), at=next(moments))
    store.refund(107, Refund(lines={0: 2}), at=next(moments))
    store.refund(107, Refund(lines={0: 2}, restock=True), at=next(moments))
    store.refund(113, Refund(lines={0: 1}, declined=True), at=next(moments))
    store.refund(114, Refund(order_amount="20.00", provider="storecredit"), at=next(moments))
    store.refund(106, Refund(order_amount="5.00", status=OrderStatus.CANCELLED), at=next(moments))
    late = place(world, LATECOMER, OrderStatus.COMPLETED, (store.item("FORK", 3),), at=next(moments))
    store.refund(late, Refund(lines={0: 2}), at=next(moments))
    store.refund(late, Refund(order_amount="90.00"), at=next(moments))
    world.pos.open_register("Online", is_open=False)


CHAPTERS: tuple[Callable[[World], None], ...] = (opening, sequel, returns)


def place(
    world: World,
    shopper: Shopper,
    status: OrderStatus,
    items: tuple[Item, ...],
    *,
    at: datetime | None = None,
    **more: Any,
) -> int:
    """Let somebody order, a minute after the order before; numbers go on from the shop's first one."""
    number = sum(order >= FIRST_ORDER for order in world.store.orders)
    draft = Draft(items=items, shopper=shopper, status=status, **more)
    return world.store.place(draft, at=at or FIRST + timedelta(minutes=number), order_id=FIRST_ORDER + number)


def copied(world: World) -> World:
    """Another world with the same content, by the same clock; locks, hooks and the log are its own."""
    sides = (world.store, world.pos)
    memo: dict[int, Any] = {id(side.lock): threading.RLock() for side in sides}
    memo |= {id(side.clock): side.clock for side in sides}
    # Drafts never change, and cannot be copied.
    memo |= {id(order.draft): order.draft for order in world.store.orders.values()}
    return World(store=deepcopy(world.store, memo), pos=deepcopy(world.pos, memo), limits=Limits.off())


def kind(request: Request) -> str:
    """What a request does, such as `PUT /sales/{id}`, whichever record it does it to."""
    path = re.sub(r"^(/api/2026-07|/stores/[^/]+)", "", request.path)
    return f"{request.method} {re.sub(r'/([0-9a-f-]{36}|[0-9]+)(?=/|$)', '/{id}', path)}"


@dataclass(frozen=True, kw_only=True)
class End:
    """What POS and checkpoint hold, without what tells when and by which run it was written."""

    pos: Snapshot
    details: Mapping[str, object]
    """What a snapshot leaves out: what is counted, open deliveries, address books."""
    ledger: Mapping[int, LedgerRow]
    refunds: tuple[RefundRow, ...]
    review: tuple[tuple[object, ...], ...]
    watched: frozenset[int]
    cursor: datetime | None


def what_there_is(world: World, checkpoint: Checkpoint) -> End:
    """Look at POS and checkpoint; no write may have been left without a clear outcome."""
    assert checkpoint.open_intents() == []
    pos, orders = world.pos, list(world.store.orders)
    return End(
        pos=pos.snapshot(),
        details={
            "counted": {row["sku"]: row["has_inventory"] for row in pos.products},
            "deliveries": sorted((row["type"], row["state"]) for row in pos.fulfillments.values()),
            "addresses": sorted(map(len, pos.customer_addresses.values())),
            "adjusted": sorted((row["product_id"], row["quantity"], row["reason"]) for row in pos.adjustments),
            "notes": sorted((row["source"]["id"], row["state"], row["note"]) for row in pos.sales),
        },
        ledger={order: replace(row, written_at=FIRST, run_id=0) for order, row in checkpoint.ledger(orders).items()},
        refunds=tuple(replace(row, written_at=FIRST, run_id=0) for row in checkpoint.refunds_of(orders)),
        review=tuple(sorted((one.order_id, one.reason, one.field, one.state) for one in checkpoint.review_items())),
        watched=frozenset(checkpoint.watched(orders)),
        cursor=checkpoint.cursor(),
    )
