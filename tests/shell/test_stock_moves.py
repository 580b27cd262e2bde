"""Every unit that a write of ours moved is accounted for: what the checkpoint says adds up to what the POS has."""

from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from shop import ADA, NOBODY, OUTLET, Killed, Shop

from bcpoll.checkpoint import StockMove, schema
from bcpoll.core.status import OrderStatus
from bcpoll.errors import RetryLater
from bcpoll.sandbox.catalogue import Variant
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches


def moves(shop: Shop, sku: str = "MUG") -> list[StockMove]:
    return shop.checkpoint.stock_moves_of_code(sku)


def told(found: list[StockMove]) -> list[tuple[str, int]]:
    return [(move.kind.value, move.units) for move in found]


def adds_up(shop: Shop, **begun: int) -> None:
    """What was there before us and what we moved is what is there now."""
    for sku, units in begun.items():
        assert units + sum(move.units for move in moves(shop, sku)) == shop.stock(sku), sku


def test_a_sale_a_refund_and_a_void_are_accounted_for() -> None:
    shop = Shop()
    sold, voided = shop.order(quantity=3), shop.order(quantity=2)
    shop.pass_()
    shop.happens(shop.refund, sold, Refund(lines={0: 1}))
    shop.happens(shop.store.cancel, voided)
    shop.pass_()

    assert told(shop.checkpoint.stock_moves_of_order(sold)) == [("sale", -3), ("refund", 1)]
    assert told(shop.checkpoint.stock_moves_of_order(voided)) == [("sale", -2), ("void_sale", 2)]
    assert {move.code for move in moves(shop)} == {"MUG"}
    assert {move.outlet_id for move in moves(shop)} == {shop.world.pos.id_of(shop.world.pos.outlets, OUTLET)}
    adds_up(shop, MUG=50)


def test_an_edited_order_gives_back_what_it_took_and_takes_what_it_is_now() -> None:
    shop = Shop()
    shop.sell("CUP")
    order = shop.order(quantity=3)
    shop.pass_()
    shop.edit(order, shop.store.item("CUP", 2), shop.store.item("MUG", 1))
    shop.pass_()

    assert told(moves(shop)) == [("sale", -3), ("void_sale", 3), ("sale", -1)]
    assert told(moves(shop, "CUP")) == [("sale", -2)]
    adds_up(shop, MUG=50, CUP=50)


def test_goods_that_are_taken_out_again_are_accounted_for() -> None:
    shop = Shop(settings={"sync": {"restock_refunds": False}})
    order = shop.order(quantity=3)
    shop.pass_()
    shop.happens(shop.refund, order, Refund(lines={0: 2}))
    shop.pass_()

    assert told(shop.checkpoint.stock_moves_of_order(order)) == [("sale", -3), ("refund", 2), ("stock", -2)]
    adds_up(shop, MUG=50)


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.ERROR_500_AFTER])
@pytest.mark.parametrize("path", ["/sales", "/stock_adjustments", "/products"])
def test_a_write_whose_answer_is_lost_is_accounted_for_once(path: str, fault: Fault) -> None:
    shop = Shop(settings={"sync": {"restock_refunds": False}})
    shop.sell("NEW", known=False)
    order = shop.order(items=(shop.store.item("NEW", 3), shop.store.item("MUG", 2)))
    shop.fails(fault, "POST", path)
    shop.later(3)
    shop.happens(shop.refund, order, Refund(lines={0: 2}))
    shop.later(3)

    assert shop.review() == []
    assert told(moves(shop, "NEW")) == [("product", 50), ("sale", -3), ("refund", 2), ("stock", -2)]
    adds_up(shop, NEW=0, MUG=50)


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("number", range(1, 7))
def test_a_pass_killed_at_any_write_leaves_every_unit_accounted_for_once(
    number: int, tmp_path: Path, *, after: bool
) -> None:
    shop = Shop(path=tmp_path / "bcpoll.db", settings={"sync": {"restock_refunds": False}})
    shop.sell("NEW", known=False)
    cancelled, refunded = shop.order(quantity=2), shop.order(quantity=3)
    shop.pass_()
    shop.happens(shop.store.cancel, cancelled)
    shop.happens(shop.refund, refunded, Refund(lines={0: 1}))
    shop.order("NEW", 4, shopper=NOBODY)
    shop.dies_at_request(number, only_writes=True, after=after)
    with suppress(Killed):
        shop.pass_()
    shop.restart()

    shop.later(2)

    assert shop.review() == []
    adds_up(shop, NEW=0, MUG=50)


def test_what_the_pos_does_not_count_moves_nothing() -> None:
    shop = Shop()
    shop.sell("PDF", stock=None)
    shop.order("PDF", 4)

    shop.pass_()

    assert moves(shop, "PDF") == moves(shop, "BC-SHIPPING") == []


def test_a_cancelled_order_that_was_never_sold_moves_nothing() -> None:
    shop = Shop()
    order = shop.order(status=OrderStatus.CANCELLED)

    shop.pass_()

    assert (shop.states(order), shop.checkpoint.stock_moves_of_order(order)) == (["voided"], [])


def test_a_product_that_somebody_else_made_first_has_no_opening_stock_of_ours() -> None:
    shop = Shop(switches=Switches(sku_case="any_case"))
    shop.sell("NEW", known=False)
    shop.order("NEW", 2)
    shop.watch("GET", "/catalog/products", lambda: shop.world.pos.add_product("Theirs", "NEW", stock={OUTLET: "50"}))

    shop.pass_()

    assert told(moves(shop, "NEW")) == [("sale", -2)]
    adds_up(shop, NEW=50)


def test_a_sale_that_a_closed_register_refuses_moves_nothing_until_it_is_taken() -> None:
    shop = Shop()
    shop.world.pos.open_register("Online", is_open=False)
    shop.order(quantity=2)
    for _ in range(3):
        with pytest.raises(RetryLater):
            shop.pass_()
    assert moves(shop) == []
    shop.world.pos.open_register("Online")
    shop.pass_()

    assert told(moves(shop)) == [("sale", -2)]


def test_moves_outlive_what_was_sent_and_the_runs() -> None:
    shop = Shop(settings={"checkpoint": {"keep_payloads": "1d"}})
    order = shop.order(quantity=2)
    shop.pass_()
    shop.time.forward(days=3)
    shop.pass_()
    shop.time.forward(days=3)
    shop.pass_()

    assert all(not intent.body for intent in shop.checkpoint.history(order))
    assert told(moves(shop)) == [("sale", -2)]


def test_a_product_is_found_by_any_code_that_it_goes_by() -> None:
    shop = Shop()
    shop.sell("", variants=[Variant(id=61, sku="TEE-S", stock=5)], known=False)
    shop.world.pos.add_product("Tee", "TEE-S", "4006381333931", stock={OUTLET: "5"})
    shop.order(items=(shop.store.item("TEE-S", 2),), shopper=ADA)
    shop.pass_()

    (product,) = shop.checkpoint.product_ids(["4006381333931"])["4006381333931"]

    assert told(shop.checkpoint.stock_moves_of_code("4006381333931", [product])) == [("sale", -2)]


class TestACheckpointFromBefore:
    def test_what_is_still_kept_of_its_writes_is_accounted_for(self, tmp_path: Path) -> None:
        path = tmp_path / "bcpoll.db"
        shop = Shop(path=path, settings={"sync": {"restock_refunds": False}})
        shop.sell("NEW", known=False)
        shop.sell("PDF", stock=None)
        cancelled = shop.order(quantity=2)
        refunded = shop.order(items=(shop.store.item("MUG", 3), shop.store.item("NEW", 4), shop.store.item("PDF")))
        unseen = shop.order(status=OrderStatus.CANCELLED)
        shop.pass_()
        shop.happens(shop.store.cancel, cancelled)
        shop.happens(shop.refund, refunded, Refund(lines={0: 1}))
        shop.pass_()
        orders = (cancelled, refunded, unseen, 0)
        orders = (cancelled, refunded, unseen, 0)
        every = [kept(shop.checkpoint.stock_moves_of_order(order)) for order in orders]

        for made in ("VIEW stock_account", "TABLE stock_moves", "TABLE stock_items", "INDEX adjustments"):
            shop.checkpoint._write(f"DROP {made}")
        shop.checkpoint._write(f"PRAGMA user_version = {schema.STEPS.index(schema._STOCK_MOVES)}")
        shop.restart()

        assert [kept(shop.checkpoint.stock_moves_of_order(order)) for order in orders] == every
        assert len(every[1]) == 4
        adds_up(shop, MUG=50, NEW=0)


def kept(found: list[StockMove]) -> Counter[tuple[object, ...]]:
    """What an older checkpoint can tell of moves: all but how the order spelled the code."""
    return Counter((move.at, move.kind, move.target, move.product_id, move.outlet_id, move.units) for move in found)
