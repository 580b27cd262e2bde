"""After a backlog is through, the POS shows of each new product what the store has left, whatever the backlog holds."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shop import ADA, BASIL, NOBODY, OUTLET, Killed, Shop

from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches

ROUTED: Mapping[str, Any] = {"routes": [{"country": "CA", "register": "Warehouse Web"}]}


def a_shop(**more: Any) -> Shop:
    """A shop that sells fifty NEW, which the POS does not know, with one order to a page."""
    shop = Shop(**{"page_size": 1} | more)
    shop.sell("NEW", known=False, stock=50)
    return shop


def routed() -> Shop:
    shop = a_shop(settings=ROUTED)
    shop.checkpoint.forget_cached()
    shop.world.pos.add_register("Warehouse Web", "Warehouse")
    return shop


def stands(shop: Shop) -> None:
    """The POS holds what the orders demand, and has of everything what the store has left."""
    assert (shop.lives(), shop.stock("NEW")) == ([], shop.store.catalogue.left("NEW"))


def test_a_product_sold_on_several_pages_ends_with_what_the_store_has_left() -> None:
    shop = a_shop()
    for quantity in (1, 2, 3, 4):
        shop.order("NEW", quantity)

    shop.pass_()

    assert shop.stock("NEW") == 40
    stands(shop)


def test_what_is_set_aside_is_still_to_be_booked() -> None:
    shop = a_shop()
    waiting = shop.order("NEW", 5)
    shop.store.overwrite(waiting, {"total_inc_tax": "1.00"})
    shop.order("NEW", 2)

    shop.pass_()

    assert shop.stock("NEW") == 48
    shop.store.overwrite(waiting, {"total_inc_tax": shop.store.orders[waiting].fields["subtotal_inc_tax"]})
    shop.later()
    assert shop.review() == []
    stands(shop)


def test_what_was_set_aside_long_ago_is_still_to_be_booked() -> None:
    shop = a_shop()
    waiting = shop.order("NEW", 5)
    right = shop.store.orders[waiting].fields["total_inc_tax"]
    shop.store.overwrite(waiting, {"total_inc_tax": "1.00"})
    shop.pass_()
    shop.later(4)
    shop.order("NEW", 2)

    shop.pass_()

    assert shop.stock("NEW") == 48
    shop.store.overwrite(waiting, {"total_inc_tax": right})
    shop.later()
    assert shop.review() == []
    stands(shop)


def test_what_was_set_aside_and_is_cancelled_since_takes_nothing() -> None:
    shop = a_shop()
    waiting = shop.order("NEW", 5)
    shop.store.overwrite(waiting, {"total_inc_tax": "1.00"})
    shop.pass_()
    shop.happens(shop.store.cancel, waiting)
    shop.order("NEW", 2)

    shop.pass_()

    assert shop.stock("NEW") == 48


@pytest.mark.parametrize("days", [0, 5])
def test_what_is_pending_is_still_to_be_booked(days: int) -> None:
    shop = a_shop()
    pending = shop.order("NEW", 5, status=OrderStatus.PENDING)
    shop.pass_()
    shop.time.forward(days=days)
    shop.order("NEW", 2)

    shop.pass_()

    assert shop.stock("NEW") == 48
    shop.happens(shop.store.pay, pending)
    shop.later()
    stands(shop)


def test_what_a_shopper_has_not_ordered_yet_takes_nothing() -> None:
    shop = a_shop()
    shop.order("NEW", 5, status=OrderStatus.INCOMPLETE)
    shop.order("NEW", 2)

    shop.pass_()

    stands(shop)


@pytest.mark.parametrize("restocks", [True, False])
@pytest.mark.parametrize("returned", [True, False])
def test_what_was_refunded_before_the_product_is_there_is_in_what_is_left(*, restocks: bool, returned: bool) -> None:
    shop = a_shop(settings={"sync": {"restock_refunds": restocks}})
    orders = [shop.order("NEW", 3), shop.order("NEW", 4)]
    for order in orders:
        shop.happens(shop.refund, order, Refund(lines={0: 2}, restock=returned))

    shop.pass_()

    assert len(shop.checkpoint.refunds_of(orders)) == 2
    assert shop.store.catalogue.left("NEW") == (47 if returned else 43)
    stands(shop)


def test_a_refund_of_an_order_that_is_set_aside_is_in_what_is_left() -> None:
    shop = a_shop()
    waiting = shop.order("NEW", 5)
    right = shop.store.orders[waiting].fields["total_inc_tax"]
    shop.store.overwrite(waiting, {"total_inc_tax": "1.00"})
    shop.happens(shop.refund, waiting, Refund(lines={0: 2}, restock=True))
    shop.order("NEW", 1)

    shop.pass_()

    assert shop.stock("NEW") == 46 + 3
    shop.store.overwrite(waiting, {"total_inc_tax": right})
    shop.later()
    assert shop.review() == []
    stands(shop)


@pytest.mark.parametrize("event", ["cancel", "edit"])
def test_what_changes_while_the_backlog_is_looked_through_is_counted_once(event: str) -> None:
    shop = a_shop()
    orders = [shop.order("NEW", quantity) for quantity in (1, 2, 3)]
    changes: Mapping[str, Callable[[], object]] = {
        "cancel": lambda: shop.happens(shop.store.cancel, orders[1]),
        "edit": lambda: shop.edit(orders[1], shop.store.item("NEW", 7)),
    }
    shop.watch("GET", "/catalog/products", changes[event])

    shop.pass_()
    shop.later()

    stands(shop)


def test_what_is_ordered_while_the_backlog_is_looked_through_is_counted_once() -> None:
    shop = a_shop()
    shop.order("NEW", 3)
    shop.watch("GET", "/catalog/products", lambda: shop.order("NEW", 4))

    shop.pass_()
    shop.later()

    assert shop.stock("NEW") == 43
    stands(shop)


def test_in_a_shop_where_nothing_ever_stands_still_it_is_not_looked_for_ever() -> None:
    shop = a_shop()
    shop.order("NEW", 3)
    shop.world.after.append(
        lambda request: shop.order("NEW", shopper=NOBODY) and None if "/catalog/products" in request.path else None
    )

    shop.pass_()

    assert shop.asked("store").count("GET /v3/catalog/products") == 6


def test_the_whole_backlog_is_looked_through_for_all_products_at_once() -> None:
    shop = Shop(page_size=1)
    for number in range(12):
        shop.sell(f"NEW-{number}", known=False)
        shop.order(f"NEW-{number}", 2)
        shop.order(f"NEW-{(number + 5) % 12}" if number > 6 else "MUG")

    report = shop.pass_()

    assert (report.counts["products_created"], shop.lives()) == (12, [])
    # Once for the pages themselves, and twice to look ahead: the second time all codes are known.
    assert len([line for line in shop.asked("store") if line.endswith("/catalog/products")]) == 4


def test_an_order_brought_over_by_its_number_leaves_the_others_their_stock() -> None:
    shop = a_shop()
    orders = [shop.order("NEW", quantity) for quantity in (1, 2, 3)]
    shop.checkpoint.set_start(shop.settings.sync.start)

    shop.pass_(orders[1])

    assert shop.stock("NEW") == 44 + 4
    shop.pass_()
    stands(shop)


def test_an_older_order_brought_over_by_its_number_ends_with_what_is_left() -> None:
    shop = a_shop()
    older = shop.order("NEW", 4, at=shop.time.at.replace(day=1))
    shop.pass_()
    shop.order("NEW", 3)

    shop.pass_(older)

    assert shop.stock("NEW") == 43 + 3
    shop.pass_()
    assert shop.stock("NEW") == shop.store.catalogue.left("NEW") == 43


def test_a_product_whose_creation_failed_begins_right_when_it_is_tried_again() -> None:
    shop = a_shop()
    for quantity in (1, 2):
        shop.order("NEW", quantity)
    shop.fails(Fault.ERROR_500, "POST", "/products")
    shop.pass_()
    shop.order("NEW", 4)
    shop.later(2)

    assert shop.review() == []
    stands(shop)


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("number", range(1, 8))
def test_a_pass_that_is_killed_at_any_write_leaves_the_opening_stock_right(
    number: int, tmp_path: Path, *, after: bool
) -> None:
    shop = a_shop(path=tmp_path / "bcpoll.db")
    shop.sell("ALSO", known=False)
    for quantity in (1, 2, 3):
        shop.order("NEW", quantity)
        shop.order("ALSO", quantity, shopper=NOBODY)
    shop.dies_at_request(number, only_writes=True, after=after)
    with pytest.raises(Killed):
        shop.pass_()
    shop.restart()
    shop.order("NEW", 4)

    shop.pass_()

    assert shop.stock("ALSO") == shop.store.catalogue.left("ALSO")
    stands(shop)


class TestOutlets:
    def test_what_is_sold_elsewhere_alone_is_elsewhere(self) -> None:
        shop = routed()
        shop.order("NEW", 3, shopper=replace(ADA, country="Canada", country_code="CA"))

        shop.pass_()

        pos = shop.world.pos
        assert (pos.stock("NEW", "Warehouse"), pos.stock("NEW", OUTLET)) == (47, 0)

    def test_each_outlet_gets_what_it_sells_and_the_main_one_what_is_left(self) -> None:
        shop = routed()
        shop.order("NEW", 3, shopper=replace(ADA, country="Canada", country_code="CA"))
        shop.order("NEW", 2, shopper=BASIL)
        shop.order("NEW", 1, shopper=replace(ADA, country="Canada", country_code="CA"))

        shop.pass_()

        pos = shop.world.pos
        assert (pos.stock("NEW", "Warehouse"), pos.stock("NEW", OUTLET)) == (0, 44)

    def test_a_product_has_its_tax_at_every_outlet_that_sells_on_the_web(self) -> None:
        shop = routed()
        shop.order("NEW", 3, shopper=BASIL)
        bodies: list[bytes] = []
        shop.world.before.append(
            lambda request: bodies.append(request.body) if request.path.endswith("/products") and request.body else None
        )

        shop.pass_()

        pos = shop.world.pos
        assert all(pos.id_of(pos.outlets, name).encode() in bodies[0] for name in (OUTLET, "Warehouse"))


def lived(seed: int) -> Shop:
    """A shop with some products that the POS lacks, some orders of them, and what became of those before a pass."""
    chance = random.Random(seed)
    moves = chance.choice(("move_date", "leave_date"))
    shop = Shop(page_size=chance.choice((1, 3, 250)), switches=Switches(refunds=moves))
    codes = ["NEW", "ALSO", "THIRD"]
    for code in codes:
        shop.sell(code, known=False, stock=200)
    orders: list[int] = []
    edited: set[int] = set()
    for _ in range(chance.randint(2, 9)):
        items = tuple(shop.store.item(chance.choice([*codes, "MUG"]), chance.randint(1, 5)) for _ in range(2))
        status = chance.choice((OrderStatus.AWAITING_FULFILLMENT, OrderStatus.AWAITING_PAYMENT, OrderStatus.PENDING))
        orders.append(shop.order(items=items, status=status, shopper=NOBODY))
        happens(shop, chance, chance.choice(orders), edited)
        if chance.random() < 0.3:
            shop.pass_()
    return shop


def happens(shop: Shop, chance: random.Random, order: int, edited: set[int]) -> None:
    """Something becomes of an order, or nothing; none is edited and refunded, for that is left to a person."""
    if any(row["order_id"] == order for row in shop.store.refunds):
        return
    fate, is_paid = chance.random(), shop.store.orders[order].status == OrderStatus.AWAITING_FULFILLMENT
    if fate < 0.2:
        shop.happens(shop.store.cancel, order)
    elif fate < 0.4:
        edited.add(order)
        shop.edit(order, shop.store.item(chance.choice(("NEW", "ALSO", "THIRD")), chance.randint(1, 9)))
    elif fate < 0.7 and is_paid and order not in edited:
        shop.happens(shop.refund, order, Refund(lines={0: 1}, restock=chance.random() < 0.5))
    elif fate < 0.7:
        shop.happens(shop.store.set_status, order, OrderStatus.AWAITING_FULFILLMENT)


@pytest.mark.parametrize("seeds", [range(3), range(3, 6), pytest.param(range(6, 106), marks=pytest.mark.slow)], ids=str)
def test_shops_at_random_end_with_what_their_stores_have_left(seeds: range) -> None:
    for seed in seeds:
        shop = lived(seed)

        shop.later()

        assert (seed, shop.lives(), shop.review()) == (seed, [], [])
