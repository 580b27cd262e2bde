"""A checkpoint that is behind the POS, back from a backup or one of two copies: nothing is written a second time."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from shop import ADA, BASIL, GUEST, Killed, Shop
from test_backfill import dies, with_history

from bcpoll.sandbox import pos_stock
from bcpoll.sandbox.faults import Request
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches

pytestmark = pytest.mark.slow

EXISTING = pytest.mark.parametrize("existing", ["overwrite", "conflict", "refused", "doubles"])
# A backup that was put back at once, and one of yesterday.
SINCE = pytest.mark.parametrize("hours", [0.1, 30])


def backed_up(shop: Shop, to: Path) -> None:
    """Copy the checkpoint as it is at this moment, whoever has it open."""
    assert shop._path is not None
    with closing(sqlite3.connect(shop._path)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


def backs_up_before(shop: Shop, method: str, path: str, to: Path, *, once: Callable[[], object] = lambda: True) -> None:
    """Copy the checkpoint just before the first request of this kind, `once` something is so."""

    def look(request: Request) -> None:
        if request.method == method and path in request.path and not to.exists() and once():
            backed_up(shop, to)

    shop.world.before.append(look)


class Hosts:
    """Two hosts with a copy each of one checkpoint."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop = shop
        self._copies = (folder / "first.db", folder / "second.db")
        for copy in self._copies:
            backed_up(shop, copy)

    def on(self, number: int, act: Callable[[], object]) -> None:
        """Let one of them act."""
        self.shop.put_in_place(self._copies[number])
        act()
        backed_up(self.shop, self._copies[number])


@EXISTING
class TestTwoHosts:
    def test_one_after_the_other_double_no_sale(self, tmp_path, existing):
        shop = Shop(path=tmp_path / "bcpoll.db", switches=Switches(existing_sale=existing))
        shop.order()
        shop.pass_()
        hosts = Hosts(shop, tmp_path)
        shop.order(shopper=BASIL)
        shop.order(shopper=GUEST)

        hosts.on(0, shop.pass_)
        hosts.on(1, shop.pass_)

        assert shop.lives() == []

    def test_one_after_the_other_double_no_refund(self, tmp_path, existing):
        settings = {"sync": {"restock_refunds": False}}
        shop = Shop(path=tmp_path / "bcpoll.db", switches=Switches(existing_sale=existing), settings=settings)
        order = shop.order(quantity=3)
        shop.pass_()
        hosts = Hosts(shop, tmp_path)
        shop.happens(shop.refund, order, Refund(lines={0: 1}))

        hosts.on(0, shop.pass_)
        hosts.on(1, shop.pass_)

        assert shop.lives() == []

    def test_in_turns_double_no_sale_and_no_edit(self, tmp_path, existing):
        shop = Shop(path=tmp_path / "bcpoll.db", switches=Switches(existing_sale=existing))
        first = shop.order()
        shop.pass_()
        hosts = Hosts(shop, tmp_path)
        for turn in range(4):
            shop.order(shopper=(ADA, BASIL, GUEST)[turn % 3])
            shop.edit(first, shop.store.item("MUG", turn + 2))
            hosts.on(turn % 2, shop.pass_)
            hosts.on(1 - turn % 2, shop.pass_)

        assert shop.lives() == []

    def test_bring_over_one_history_and_put_its_goods_back_once(self, tmp_path, existing):
        shop = with_history(14, path=tmp_path / "bcpoll.db", page_size=8, switches=Switches(existing_sale=existing))
        shop.pass_()
        hosts = Hosts(shop, tmp_path)

        hosts.on(0, lambda: shop.backfill(limit=8))
        hosts.on(1, shop.backfill)
        hosts.on(0, shop.backfill)

        assert shop.lives() == []


@SINCE
@EXISTING
class TestBackups:
    def test_from_before_an_adjustment_puts_no_goods_back_twice(self, tmp_path, existing, hours):
        shop = with_history(14, path=tmp_path / "bcpoll.db", page_size=8, switches=Switches(existing_sale=existing))
        backs_up_before(
            shop, "GET", "/stock_adjustments", tmp_path / "backup.db", once=lambda: shop.checkpoint.stock_owed(1)
        )
        shop.backfill()
        shop.put_in_place(tmp_path / "backup.db")
        assert shop.checkpoint.stock_owed(10) != []
        shop.time.forward(hours=hours)

        shop.pass_()
        shop.backfill()

        assert shop.lives() == []

    def test_from_amidst_an_adjustment_puts_no_goods_back_twice(self, tmp_path, existing, hours):
        shop = with_history(14, path=tmp_path / "bcpoll.db", page_size=8, switches=Switches(existing_sale=existing))
        backs_up_before(shop, "POST", "/stock_adjustments", tmp_path / "backup.db")
        shop.backfill()
        shop.put_in_place(tmp_path / "backup.db")
        shop.time.forward(hours=hours)

        shop.backfill()

        assert shop.lives() == []

    def test_from_before_the_goods_of_a_refund_were_taken_out_takes_them_out_once(self, tmp_path, existing, hours):
        settings = {"sync": {"restock_refunds": False}}
        shop = Shop(path=tmp_path / "bcpoll.db", switches=Switches(existing_sale=existing), settings=settings)
        orders = [shop.order(quantity=3) for _ in range(2)]
        shop.pass_()
        for order in orders:
            shop.happens(shop.refund, order, Refund(lines={0: 1}))
        backs_up_before(
            shop, "GET", "/stock_adjustments", tmp_path / "backup.db", once=shop.checkpoint.refunds_to_take_out
        )
        shop.pass_()
        shop.put_in_place(tmp_path / "backup.db")
        assert shop.checkpoint.refunds_to_take_out() != []
        shop.time.forward(hours=hours)

        shop.pass_()
        shop.happens(shop.refund, orders[0], Refund(lines={0: 1}))
        shop.pass_()

        assert shop.lives() == []

    @pytest.mark.parametrize("path", ["/customers", "/products", "/sales"])
    def test_from_before_any_write_repeats_none(self, tmp_path, existing, hours, path):
        shop = Shop(path=tmp_path / "bcpoll.db", switches=Switches(existing_sale=existing, search_lag_seconds=7200))
        shop.pass_()
        shop.sell("NEW", known=False)
        shop.order("NEW", 2, shopper=BASIL)
        backs_up_before(shop, "POST", path, tmp_path / "backup.db")
        shop.pass_()
        shop.put_in_place(tmp_path / "backup.db")
        shop.time.forward(hours=hours)

        shop.pass_()

        assert shop.lives() == []


@SINCE
class TestHalfWay:
    def test_from_before_an_adjustment_a_history_goes_on_and_puts_all_of_it_back(self, tmp_path, hours):
        shop = with_history(24, path=tmp_path / "bcpoll.db", page_size=8)
        backs_up_before(
            shop, "GET", "/stock_adjustments", tmp_path / "backup.db", once=lambda: shop.checkpoint.stock_owed(1)
        )
        shop.backfill(limit=16)
        shop.put_in_place(tmp_path / "backup.db")
        shop.time.forward(hours=hours)

        assert shop.backfill().is_complete

        assert shop.lives() == []

    def test_an_adjustment_that_was_never_made_is_made(self, tmp_path, hours):
        shop = with_history(10, path=tmp_path / "bcpoll.db", page_size=5)
        shop.backfill(limit=5)
        backs_up_before(shop, "POST", "/stock_adjustments", tmp_path / "backup.db")
        shop.world.before.append(lambda request: dies(request, "/stock_adjustments"))
        with pytest.raises(Killed):
            shop.backfill()
        shop.put_in_place(tmp_path / "backup.db")
        shop.time.forward(hours=hours)

        shop.backfill()

        assert shop.lives() == []

    def test_what_staff_adjusted_settles_nothing(self, tmp_path, hours):
        shop = with_history(10, path=tmp_path / "bcpoll.db", page_size=5)
        backs_up_before(
            shop, "GET", "/stock_adjustments", tmp_path / "backup.db", once=lambda: shop.checkpoint.stock_owed(1)
        )
        shop.world.before.append(lambda request: dies(request, "/stock_adjustments"))
        with pytest.raises(Killed):
            shop.backfill()
        shop.put_in_place(tmp_path / "backup.db")
        [one] = shop.checkpoint.stock_owed(10)
        for reason, units in (("STOCK_FOUND", one.units), ("INTERNAL_USE", -one.units)):
            item = {"product_id": one.product_id, "outlet_id": one.outlet_id, "quantity": str(units), "reason": reason}
            pos_stock.adjust(shop.world.pos, {"stock_adjustments": [item]})
        shop.time.forward(hours=hours)

        shop.backfill()

        assert shop.lives() == []

    def test_from_before_the_stock_of_an_undoing_was_settled_settles_it_once(self, tmp_path, hours):
        shop = with_history(20, path=tmp_path / "bcpoll.db")
        before = shop.stock()
        shop.backfill()
        backs_up_before(
            shop, "GET", "/stock_adjustments", tmp_path / "backup.db", once=lambda: shop.checkpoint.stock_owed(1)
        )
        shop.undo()
        shop.put_in_place(tmp_path / "backup.db")
        shop.time.forward(hours=hours)

        shop.undo()
        shop.pass_()

        assert shop.stock() == before


def test_adjustments_of_long_ago_are_known_as_our_own_after_a_prune(tmp_path):
    shop = with_history(20, path=tmp_path / "bcpoll.db")
    shop.backfill(limit=10)
    shop.time.forward(days=400)
    shop.checkpoint.prune(shop.time.now())

    shop.backfill()

    assert shop.lives() == []
