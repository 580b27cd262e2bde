"""A history of 5,000 orders brought over by a program that is killed a hundred times while requests keep failing.

One seed decides the orders, the moments of death and the faults. What POS, stock and ledger hold in the end is what
they hold after a run that nothing disturbed; and the same for a program that is killed while it takes all of it back,
for one that works beside a poller on a living shop or after months of its passes, and for windows that overlap.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from everything import copied
from shop import ADA, BASIL, GUEST, NOBODY, NOW, OUTLET, Killed, Misfortune, Shop

from bcpoll.core.status import OrderStatus
from bcpoll.errors import BcpollError
from bcpoll.sandbox.drafts import Draft, Parcel
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.world import World

pytestmark = pytest.mark.slow

ORDERS, KILLS = 5_000, 100

# What passes by itself, be it that the outcome has to be looked up.
FAULTS = (
    Fault.RESET_BEFORE,
    Fault.RESET_AFTER,
    Fault.HANG_AFTER,
    Fault.ERROR_500_AFTER,
    Fault.HTML_502,
    Fault.BUSY_SECONDS,
    Fault.EMPTY_BODY,
    Fault.CUT_BODY,
)
FAULTY = 0.002

# A life may end while the program still looks up what the one before left open, or some pages later.
SHORTEST, LONGEST = 10, 180

# No POS would write a second sale under an id that is there; one that does shows every sale that is sent twice.
HARSH = {"existing_sale": "doubles", "search_lag_requests": 0}

SKUS = ("MUG", "POT", "PAN", "BOWL", "SONG")
STATUSES = (
    *[OrderStatus.COMPLETED] * 8,
    OrderStatus.SHIPPED,
    OrderStatus.AWAITING_PAYMENT,
    OrderStatus.CANCELLED,
    OrderStatus.INCOMPLETE,
    OrderStatus.AWAITING_FULFILLMENT,
)


def history(count: int, random: Random) -> World:
    """A shop with a year of orders behind it, refunds among them, counted at the moment it is connected."""
    shop = Shop(switches=None)
    shop.world.switch(**HARSH)
    for sku in SKUS[1:]:
        shop.sell(sku, stock=None if sku == "SONG" else 100_000, known=sku != "BOWL")
    store = shop.store
    for number in range(count):
        at = NOW - timedelta(days=365) + timedelta(minutes=90 * number)
        items = tuple(store.item(sku, random.randint(1, 3)) for sku in random.sample(SKUS, random.randint(1, 2)))
        parcels = (Parcel(cost=random.choice(("0.00", "6.00"))),)
        shopper = random.choice((ADA, BASIL, GUEST, NOBODY))
        draft = Draft(items=items, shopper=shopper, status=random.choice(STATUSES), parcels=parcels)
        order_id = store.place(draft, at=at)
        if draft.status is OrderStatus.COMPLETED and random.random() < 0.05:
            shop.refund(order_id, Refund(lines={0: 1}, status=random.choice((None, OrderStatus.COMPLETED))))
            store.refunds[-1]["created"] = (at + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    shop.count_stock()
    return shop.world


@dataclass(frozen=True)
class End:
    """What there is in the end, without what tells when and by which run it was written."""

    pos: Any
    ledger: Mapping[int, Any]
    refunds: tuple[Any, ...]
    review: tuple[Any, ...]
    owed: tuple[Any, ...]


def end_of(shop: Shop) -> End:
    assert shop.checkpoint.open_intents() == []
    orders = list(shop.store.orders)
    at_no_time = {"written_at": NOW, "run_id": None}
    return End(
        pos=shop.world.pos.snapshot(),
        ledger={order: replace(row, **at_no_time, note="") for order, row in shop.checkpoint.ledger(orders).items()},
        refunds=tuple(replace(row, **at_no_time) for row in shop.checkpoint.refunds_of(orders)),
        review=tuple((item.order_id, item.reason) for item in shop.review()),
        owed=tuple(shop.checkpoint.stock_owed(10)),
    )


def lives(shop: Shop, random: Random, step: Callable[[], bool]) -> int:
    """Let the program try until one life says that all is done, each killed in its time; gives the deaths."""
    deaths = 0
    while True:
        end = Misfortune(random.randint(SHORTEST, LONGEST), only_writes=False, after=random.random() < 0.5)
        shop.world.before.append(end.before)
        shop.world.after.append(end.at_end)
        for fault in FAULTS:
            shop.world.faults.on(fault, lambda _: random.random() < FAULTY / len(FAULTS), times=10**6)
        try:
            with suppress(BcpollError):
                if step():
                    shop.restart()
                    return deaths
        except Killed:
            deaths += 1
        shop.restart()
        shop.time.forward(minutes=1)


def stock(shop: Shop) -> dict[str, int]:
    return {sku: int(shop.world.pos.stock(sku, OUTLET)) for sku in SKUS}


@pytest.fixture(scope="module")
def past() -> World:
    return history(ORDERS, Random(6))


def settled(shop: Shop) -> Shop:
    """Some passes later, when all that was set aside for the faults was tried again."""
    shop.later(3)
    return shop


def test_killed_a_hundred_times_it_leaves_what_an_undisturbed_run_leaves(past: World) -> None:
    random = Random(66)
    calm = Shop(world=copied(past), workers=4)
    before = stock(calm)
    calm.backfill()
    assert stock(calm) | {"BOWL": 0} == before | {"BOWL": 0}

    shop = Shop(world=copied(past), workers=4)
    deaths = lives(shop, random, lambda: shop.backfill().is_complete)

    assert deaths >= KILLS
    assert_same(settled(shop), settled(calm))


def test_killed_while_it_takes_all_of_it_back_it_voids_every_sale_and_leaves_the_stock(past: World) -> None:
    random = Random(666)
    shop = Shop(world=copied(past), workers=4)
    before = stock(shop)
    shop.backfill(limit=1_000)

    deaths = lives(shop, random, lambda: shop.undo().orders == 0)

    assert deaths >= KILLS // 10
    assert {sale["state"] for sale in shop.world.pos.sales} == {"voided"}
    assert shop.checkpoint.stock_owed(10) == []
    assert stock(shop) | {"BOWL": 0} == before | {"BOWL": 0}


Step = Callable[[Shop], object]


def test_beside_a_poller_on_a_living_shop_it_leaves_what_it_leaves_before_all_of_that() -> None:
    random = Random(6666)
    before = history(1_000, random)
    shop = Shop(world=copied(before), workers=4, page_size=50)
    steps: list[Step] = []
    recent: list[int] = []

    def does(step: Step) -> object:
        steps.append(step)
        return step(shop)

    def between() -> None:
        """Some minutes of the shop's life, and the pass at their end."""
        sku, count = random.choice(("MUG", "POT", "PAN")), random.randint(1, 3)
        does(lambda shop: shop.time.forward(minutes=1))
        recent.append(does(lambda shop: shop.order(sku, count, shopper=ADA)))
        one = random.choice(recent)
        if shop.store.orders[one].status == OrderStatus.AWAITING_FULFILLMENT:
            does(happening(random, one, EVENTS))
        brought = [
            row.order_id for row in shop.checkpoint.backfilled_after(0, 1_000) if shop.row(row.order_id).applied.total
        ]
        order_id = random.choice(brought) if brought else 0
        if order_id and is_done(shop, order_id):
            does(happening(random, order_id, ("cancel", "give back")))
        does(lambda shop: shop.time.forward(minutes=5))
        does(lambda shop: shop.pass_())

    does(lambda shop: shop.pass_())
    report = shop.backfill(between=between)

    assert report.is_complete
    assert len(recent) > 20
    calm = Shop(world=copied(before), workers=4, page_size=50)
    steps[0](calm)
    calm.backfill()
    for step in steps[1:]:
        step(calm)
    assert_same(settled(shop), settled(calm))


def test_after_months_of_passes_it_leaves_what_it_would_have_left_before_them() -> None:
    before = history(500, Random(7))
    calm, shop = (Shop(world=copied(before), workers=4) for _ in range(2))
    calm.pass_()
    calm.backfill()

    for one in (calm, shop):
        live(one, Random(77), days=75)
    written = sum(sale["state"] == "closed" for sale in shop.world.pos.sales)
    report = shop.backfill()

    assert written > 100
    assert report.counts["created"] > 400
    assert_same(settled(shop), settled(calm))


def test_windows_that_overlap_and_come_twice_leave_what_one_over_all_leaves() -> None:
    before = history(500, Random(8))
    calm, shop = (Shop(world=copied(before), workers=4) for _ in range(2))
    first, late, early = (NOW - timedelta(days=days) for days in (365, 345, 350))
    calm.backfill()

    for window in ({"until": late}, {"since": early}, {"until": late}, {"since": first, "until": late}, {}):
        report = shop.backfill(**window)

    assert (report.counts["created"], shop.writes()) == (0, [])
    assert_same(settled(shop), settled(calm))


EVENTS = ("ship", "cancel", "give back")


def live(shop: Shop, random: Random, *, days: int) -> None:
    """Days on which some order, and something happens to what they ordered; each with a pass at its end."""
    recent: list[int] = []
    for _ in range(days):
        shop.time.forward(hours=23)
        for _ in range(random.randint(1, 4)):
            recent.append(
                shop.order(random.choice(SKUS[:3]), random.randint(1, 3), shopper=random.choice((ADA, GUEST)))
            )
        one = random.choice(recent)
        if shop.store.orders[one].status == OrderStatus.AWAITING_FULFILLMENT:
            happening(random, one, EVENTS)(shop)
        shop.pass_()


def happening(random: Random, order_id: int, events: tuple[str, ...]) -> Step:
    """Something that happens to an order."""
    match random.choice(events):
        case "ship":
            return lambda shop: shop.happens(shop.store.ship, order_id)
        case "cancel":
            return lambda shop: shop.happens(shop.store.cancel, order_id)
        case _:
            return lambda shop: shop.refund(order_id, Refund(lines={0: 1}))


def is_done(shop: Shop, order_id: int) -> bool:
    """Whether an order is through and nothing of it was given back."""
    is_refunded = any(row["order_id"] == order_id for row in shop.store.refunds)
    return shop.store.orders[order_id].status == OrderStatus.COMPLETED and not is_refunded


def assert_same(shop: Shop, calm: Shop) -> None:
    """The POS with its stock, the ledger, the refunds and the review are the same, and what the store demands."""
    ours, theirs = end_of(shop), end_of(calm)
    assert ours.pos.stock == theirs.pos.stock
    assert ours.pos == theirs.pos
    assert ours.ledger == theirs.ledger
    assert (ours.refunds, ours.review, ours.owed) == (theirs.refunds, theirs.review, ())
    assert shop.review() == []
    # Bowls began with what the store had left, which knows nothing of those that came back.
    assert [found for found in shop.lives() if not found.startswith("BOWL")] == []
