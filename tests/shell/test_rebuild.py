"""A lost checkpoint: it is noticed, made anew from the POS, and doubles nothing."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from shop import ADA, GUEST, Shop

from bcpoll.core.sale import AppliedState
from bcpoll.core.status import OrderStatus
from bcpoll.errors import CheckpointError
from bcpoll.rebuild import Rebuild, Rebuilt, refuse_if_lost
from bcpoll.sandbox.faults import Fault


def rebuild(shop: Shop) -> Rebuilt:
    with shop.connected() as shell:
        return Rebuild(
            source=shell.source,
            pos=shell.pos,
            checkpoint=shell.checkpoint,
            store_hash=shell.store_hash,
            clock=shell.clock,
        ).run(None)


def probe(shop: Shop) -> None:
    with shop.connected() as shell:
        refuse_if_lost(shell.source, shell.pos, shell.checkpoint, shell.store_hash)


def a_busy_shop(**settings: str) -> Shop:
    """A shop after some days of everything: paid, unpaid, cancelled, edited, revived, open."""
    shop = Shop(settings={"sync": settings})
    shop.order(shopper=ADA)
    shop.order(shopper=GUEST, status=OrderStatus.AWAITING_PAYMENT)
    cancelled, edited, revived = shop.order(), shop.order(), shop.order()
    shop.pass_()
    shop.happens(shop.store.cancel, cancelled)
    shop.edit(edited, shop.store.item("MUG", 3))
    shop.happens(shop.store.cancel, revived)
    shop.pass_()
    shop.happens(shop.store.set_status, revived, OrderStatus.AWAITING_FULFILLMENT)
    shop.pass_()
    return shop


@pytest.mark.parametrize("fulfillment", ["off", "track"])
@pytest.mark.parametrize("unpaid", ["closed", "on_account"])
def test_after_a_rebuild_the_next_pass_writes_nothing_that_is_there(unpaid: str, fulfillment: str) -> None:
    shop = a_busy_shop(unpaid=unpaid, fulfillment=fulfillment)
    before = shop.world.pos.snapshot()
    ledger = {row.order_id: (row.applied.state, row.applied.revision) for row in shop.checkpoint.recent(100)}
    shop.forget()

    rebuilt = rebuild(shop)
    shop.pass_()

    assert rebuilt.orders == 5
    assert shop.writes() == []
    assert shop.world.pos.snapshot() == before
    assert {row.order_id: (row.applied.state, row.applied.revision) for row in shop.checkpoint.recent(100)} == ledger
    shop.pass_()
    assert shop.writes() == []


def test_life_goes_on_after_a_rebuild() -> None:
    shop = a_busy_shop()
    first = min(shop.store.orders)
    shop.forget()
    rebuild(shop)
    shop.pass_()

    new = shop.order(shopper=ADA)
    shop.happens(shop.store.cancel, first)
    shop.pass_()

    assert shop.states(new) == ["closed"]
    assert shop.states(first) == ["voided"]
    assert shop.lives() == []


def test_an_order_that_was_edited_while_the_checkpoint_was_lost_is_written_anew() -> None:
    shop = Shop()
    order = shop.order()
    shop.pass_()
    shop.forget()
    shop.edit(order, shop.store.item("MUG", 2))

    rebuild(shop)
    shop.pass_()

    assert shop.states(order) == ["voided", "closed"]
    assert shop.lives() == []


def test_an_edit_after_a_rebuild_is_noticed_although_the_total_stays() -> None:
    shop = Shop()
    shop.sell("CUP")
    order = shop.order("MUG")
    shop.pass_()
    shop.forget()
    rebuild(shop)
    shop.pass_()

    shop.edit(order, shop.store.item("CUP"))
    shop.pass_()

    assert shop.states(order) == ["voided", "closed"]
    assert shop.lives() == []


def test_orders_that_did_not_arrive_before_the_loss_arrive_after_the_rebuild() -> None:
    shop = Shop()
    shop.order()
    shop.pass_()
    late = shop.order()
    shop.forget()

    rebuild(shop)
    shop.pass_()

    assert shop.states(late) == ["closed"]
    assert shop.lives() == []


def test_sales_that_only_bear_our_name_are_not_taken_for_ours() -> None:
    shop = Shop()
    order = shop.order()
    shop.pass_()
    (sale,) = shop.sales(order)
    shop.world.pos.sales.put(
        "11111111-1111-4111-8111-111111111111", sale | {"id": "11111111-1111-4111-8111-111111111111"}
    )
    shop.forget()

    rebuild(shop)

    assert shop.row(order).applied.sale_id == sale["id"]
    assert shop.checkpoint.ledger_count() == 1


def test_the_start_is_the_oldest_order_among_our_sales_unless_it_is_named() -> None:
    shop = Shop()
    first = shop.order()
    shop.order()
    shop.pass_()
    shop.forget()

    assert rebuild(shop).start == shop.row(first).modified_at
    assert shop.row(first).applied.state is AppliedState.PAID


def test_a_pos_without_our_sales_gives_an_empty_checkpoint_without_a_start() -> None:
    shop = Shop()

    rebuilt = rebuild(shop)

    assert (rebuilt.orders, rebuilt.start) == (0, None)


def test_a_checkpoint_in_use_is_not_overwritten() -> None:
    shop = Shop()
    shop.order()
    shop.pass_()

    with pytest.raises(CheckpointError, match="in use"):
        rebuild(shop)


def test_a_rebuild_that_was_cut_short_is_simply_run_again() -> None:
    shop = a_busy_shop()
    shop.forget()
    shop.fails(Fault.TOKEN_REFUSED, "GET", "/customers")
    with suppress(Exception):
        rebuild(shop)
    shop.world.faults.clear()

    assert rebuild(shop).orders == 5
    shop.pass_()
    assert shop.writes() == []


def test_a_new_checkpoint_beside_a_pos_that_holds_our_sales_is_refused() -> None:
    shop = Shop()
    shop.order()
    shop.pass_()
    shop.forget()

    with pytest.raises(CheckpointError, match="is new, but the POS holds a sale that bcpoll wrote") as raised:
        probe(shop)

    assert "bcpoll rebuild" in raised.value.hint


@pytest.mark.parametrize("prepare", [lambda shop: None, lambda shop: shop.order()], ids=["no orders", "orders"])
def test_a_new_checkpoint_beside_a_pos_without_our_sales_is_welcome(prepare: Callable[[Shop], object]) -> None:
    shop = Shop()
    prepare(shop)

    probe(shop)

    assert len(shop.asked("pos")) == len(shop.store.orders)


def test_a_first_run_after_single_orders_were_written_by_name_is_welcome() -> None:
    shop = Shop()
    order = shop.order()
    shop.pass_(order)

    probe(shop)
    shop.pass_()

    assert shop.writes() == []


def test_a_checkpoint_that_has_begun_is_not_probed() -> None:
    shop = Shop()
    shop.order()
    shop.pass_()
    shop.world.log.clear()

    probe(shop)

    assert len(shop.world.log) == 0
