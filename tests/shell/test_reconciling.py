"""Comparing both sides in bulk: every difference is found, none is made up, and few requests are asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from shop import ADA, BASIL, GUEST, NOW, Shop

from bcpoll.core.reconcile import Compared, Finding
from bcpoll.core.sale import AppliedState
from bcpoll.core.sold import Sold
from bcpoll.core.status import OrderStatus
from bcpoll.cycle import run_pass
from bcpoll.errors import Unreachable, WrongAnswer
from bcpoll.monitoring.reconcile import Reconciler, Window
from bcpoll.monitoring.spool import Spool
from bcpoll.sandbox.drafts import ExtraFee
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches, choices

DAY = timedelta(days=1)
ALL = Window(since=NOW - 400 * DAY, until=NOW + DAY)


@contextmanager
def reconciler(shop: Shop) -> Iterator[Reconciler]:
    shop.world.log.clear()
    with shop.connected() as shell:
        yield Reconciler(shell)


def reconciled(shop: Shop, window: Window = ALL) -> dict[int, Compared]:
    """Every order of a window, compared; no order comes twice."""
    with reconciler(shop) as one:
        found = list(one.compare(window))
    assert shop.writes() == []
    assert len({each.order_id for each in found}) == len(found)
    return {each.order_id: each for each in found}


def findings(shop: Shop, window: Window = ALL) -> dict[int, list[Finding]]:
    """What was found, by order; orders that agree are left out."""
    return {
        order_id: [finding for finding, _ in one.findings]
        for order_id, one in reconciled(shop, window).items()
        if one.findings
    }


@pytest.fixture
def shop() -> Shop:
    """Three orders in the POS, an hour ago."""
    shop = Shop()
    for shopper in (ADA, GUEST, BASIL):
        shop.order(shopper=shopper, quantity=2)
    shop.pass_()
    shop.time.forward(hours=2)
    return shop


def tamper(shop: Shop, order_id: int, **changes: Any) -> None:
    """Change the sale of an order in the POS behind bcpoll's back."""
    (sale,) = shop.sales(order_id)
    shop.world.pos.sales.put(sale["id"], sale | changes)


def lose(shop: Shop, order_id: int) -> None:
    """Let the sale of an order be gone from the POS."""
    (sale,) = shop.sales(order_id)
    feed = shop.world.pos.sales
    del feed._rows[sale["id"]]
    feed._current[sale["id"]] = -1


class TestFinding:
    @pytest.mark.parametrize(("unpaid", "fulfillment"), [("closed", "off"), ("on_account", "track")])
    def test_a_shop_after_some_days_of_everything_agrees(self, unpaid: str, fulfillment: str) -> None:
        shop = Shop(settings={"sync": {"unpaid": unpaid, "fulfillment": fulfillment}})
        shop.order(shopper=ADA)
        shop.order(status=OrderStatus.AWAITING_PAYMENT)
        shop.order(status=OrderStatus.PENDING)
        cancelled, edited, revived = shop.order(), shop.order(), shop.order()
        shop.pass_()
        shop.happens(shop.store.cancel, cancelled)
        shop.edit(edited, shop.store.item("MUG", 3))
        shop.happens(shop.store.cancel, revived)
        shop.pass_()
        shop.happens(shop.store.set_status, revived, OrderStatus.AWAITING_FULFILLMENT)
        shop.pass_()

        found = reconciled(shop)

        assert [one for one in found.values() if one.findings] == []
        assert {one.wanted == one.held for one in found.values()} == {True}
        assert len(found) == 6

    def test_a_sale_that_is_gone_is_missing(self, shop: Shop) -> None:
        first = min(shop.store.orders)
        lose(shop, first)

        assert findings(shop) == {first: [Finding.MISSING]}

    def test_an_order_that_never_arrived_is_missing(self, shop: Shop) -> None:
        late = shop.order()
        shop.time.forward(hours=2)

        assert findings(shop) == {late: [Finding.MISSING]}

    def test_a_sale_under_another_id_doubles(self, shop: Shop) -> None:
        first = min(shop.store.orders)
        (sale,) = shop.sales(first)
        shop.world.pos.sales.put("1" * 8, sale | {"id": "1" * 8})

        assert findings(shop) == {first: [Finding.DOUBLED]}

    @pytest.mark.parametrize(
        ("changes", "finding"),
        [
            ({"state": "voided"}, Finding.WRONG_STATE),
            ({"payments": []}, Finding.WRONG_STATE),
            ({"totals": {"price": Decimal(19), "price_incl_tax": Decimal(19), "tax": Decimal(0)}}, Finding.WRONG_TOTAL),
        ],
    )
    def test_a_sale_that_was_changed_in_the_pos_is_told(
        self, shop: Shop, changes: dict[str, Any], finding: Finding
    ) -> None:
        first = min(shop.store.orders)
        tamper(shop, first, **changes)

        assert findings(shop) == {first: [finding]}

    def test_a_sale_of_another_product_is_told_though_the_sums_agree(self, shop: Shop) -> None:
        shop.sell("BOWL")
        shop.order("BOWL")
        shop.pass_()
        shop.time.forward(hours=2)
        first = min(shop.store.orders)
        [sale] = shop.sales(first)
        bowl = shop.world.pos.with_code("BOWL")[0]["id"]
        tamper(shop, first, line_items=[line | {"product": {"id": bowl}} for line in sale["line_items"]])

        found = reconciled(shop)

        assert [one.findings for one in found.values() if one.findings] == [
            ((Finding.WRONG_UNITS, "bowl should be 0, is 2; mug should be 2, is 0"),)
        ]

    def test_a_product_that_goes_by_several_codes_or_by_another_one_by_now_is_no_difference(self, shop: Shop) -> None:
        shop.sell("BOWL", known=False)
        shop.world.pos.add_product("Bowl", "A-BOWL", "BOWL", stock={"Main Store": "5"})
        shop.order("BOWL")
        shop.pass_()
        [mug] = shop.world.pos.with_code("MUG")
        shop.world.pos.forget_codes(mug)
        mug |= {"sku": "CUP", "product_codes": [{"type": "CUSTOM", "code": "CUP"}]}
        shop.world.pos.keep_product(mug)
        shop.order("BOWL")
        shop.time.forward(hours=2)
        shop.pass_()

        assert findings(shop) == {}

    def test_a_sale_without_an_order_is_unexpected(self, shop: Shop) -> None:
        first = min(shop.store.orders)
        shop.store.drop(first)

        assert findings(shop) == {first: [Finding.UNEXPECTED]}

    def test_a_ledger_that_lost_an_order_is_told(self, shop: Shop) -> None:
        first = min(shop.store.orders)
        shop.checkpoint._write("DELETE FROM ledger WHERE order_id = ?", first)

        assert findings(shop) == {first: [Finding.LEDGER]}

    def test_what_waits_in_review_differs_and_what_was_dismissed_does_not(self, shop: Shop) -> None:
        waits, done = shop.order(currency="EUR"), shop.order(fields={"total_inc_tax": "1.0000"})
        shop.pass_()
        (item,) = (item for item in shop.review() if item.order_id == done)
        shop.checkpoint.dismiss(item.id, "entered by hand", shop.time.now())
        shop.time.forward(hours=2)

        found = reconciled(shop)

        assert [one.order_id for one in found.values() if one.differs] == [waits]
        assert found[waits].findings[0][0] is Finding.SET_ASIDE
        assert found[done].findings == ((Finding.DISMISSED, "totals differ: entered by hand"),)
        assert (found[waits].wanted.count, found[waits].wanted.total) == (1, 0)

    def test_what_was_dismissed_is_looked_at_again_once_the_order_changes(self, shop: Shop) -> None:
        done = shop.order(fields={"total_inc_tax": "1.0000"})
        shop.pass_()
        shop.checkpoint.dismiss(shop.review()[0].id, "entered by hand", shop.time.now())
        shop.happens(shop.store.overwrite, done, {"staff_notes": "looked at"})
        shop.time.forward(hours=2)

        assert findings(shop) == {done: [Finding.SET_ASIDE]}

    def test_an_order_of_the_last_minutes_waits_for_its_pass(self, shop: Shop) -> None:
        late = shop.order()

        assert findings(shop) == {late: [Finding.NOT_YET]}
        shop.pass_()
        assert findings(shop) == {}

    def test_orders_from_before_the_start_are_counted_and_left_out(self, shop: Shop) -> None:
        old = shop.order(at=NOW - DAY)

        with reconciler(shop) as one:
            found = [each.order_id for each in one.compare(ALL)]

        assert old not in found
        assert one.before_start == 1

    def test_an_order_that_cannot_be_read_is_told(self, shop: Shop) -> None:
        odd = shop.order(fields={"status_id": 99})
        shop.time.forward(hours=2)

        assert findings(shop) == {odd: [Finding.SET_ASIDE]}

    def test_more_than_fifty_lines_are_read_as_in_a_pass(self, shop: Shop) -> None:
        long = shop.order(items=tuple(shop.store.item("MUG") for _ in range(60)))
        shop.pass_()

        assert findings(shop) == {}
        assert f"GET /v2/orders/{long}/products" in shop.asked("store")


class TestWindow:
    def test_only_orders_of_the_window_are_compared(self, shop: Shop) -> None:
        first, second, _ = sorted(shop.store.orders)
        begins = shop.store.orders[second].created

        assert list(reconciled(shop, Window(since=begins, until=begins + timedelta(seconds=1)))) == [second]
        assert list(reconciled(shop, Window(since=NOW - DAY, until=begins))) == [first]

    @pytest.mark.parametrize("least", ["inclusive", "exclusive"])
    def test_it_does_not_matter_whether_the_bounds_include_their_second(self, least: Any) -> None:
        shop = Shop(switches=Switches(least_modified=least))
        orders = [shop.order() for _ in range(4)]
        shop.pass_()
        first, last = (shop.store.orders[order_id].created for order_id in (orders[1], orders[2]))

        assert list(reconciled(shop, Window(since=first, until=last + timedelta(seconds=1)))) == orders[1:3]

    def test_archived_orders_are_no_difference_though_the_list_leaves_them_out(self) -> None:
        shop = Shop(switches=Switches(archived_orders="left_out"))
        orders = [shop.order(), shop.order()]
        shop.pass_()
        shop.happens(shop.store.archive, orders[0])
        shop.time.forward(hours=2)

        found = reconciled(shop)

        assert (sorted(found), {one.differs for one in found.values()}) == (orders, {False})


class TestCost:
    @pytest.mark.slow
    def test_it_asks_in_bulk(self) -> None:
        shop = Shop()
        for _ in range(260):
            shop.order()
        shop.pass_()
        shop.time.forward(hours=2)

        assert findings(shop) == {}
        assert shop.asked("store").count("GET /v2/orders") == 2
        # Two hundred sales a page, and an empty page at the end.
        assert shop.asked("pos").count("GET /sales") == 3
        assert len(shop.asked("store")) + len(shop.asked("pos")) <= 8

    def test_the_feed_is_read_from_where_it_stood_before_the_window(self, shop: Shop) -> None:
        shop.time.forward(days=5)
        shop.sell("CUP", known=False)
        late = shop.order("CUP", shopper=ADA)
        shop.pass_()
        shop.time.forward(days=2)
        last = shop.order(shopper=ADA)
        shop.pass_()

        begins = shop.store.orders[last].created
        found = reconciled(shop, Window(since=begins, until=begins + DAY))

        reads = [one for one in shop.world.log.matching(side="pos") if one.path.endswith("/sales")]
        version = int(reads[0].params["after"])
        assert version > 1000
        assert (list(found), found[last].findings) == ([last], ())
        assert late not in found

    def test_what_differs_is_read_once_more_one_by_one(self, shop: Shop) -> None:
        first = min(shop.store.orders)
        tamper(shop, first, state="voided")

        assert findings(shop) == {first: [Finding.WRONG_STATE]}
        assert shop.asked("store").count(f"GET /v2/orders/{first}") == 1

    def test_a_pass_that_runs_meanwhile_is_no_difference(self, shop: Shop) -> None:
        late = shop.order()
        shop.time.forward(hours=2)

        def runs() -> None:
            with shop.connected() as shell:
                run_pass(shell)

        # After the POS was read and before the order is: the sale is not among those that were read.
        shop.watch("GET", "/sales", runs)

        with reconciler(shop) as one:
            found = {each.order_id: each.findings for each in one.compare(ALL)}

        assert found[late] == ()

    def test_where_everything_differs_not_everything_is_read_again(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bcpoll.monitoring.reconcile._LOOKED_AT_AGAIN", 1)
        for order_id in shop.store.orders:
            tamper(shop, order_id, state="voided")

        assert set(map(tuple, findings(shop).values())) == {(Finding.WRONG_STATE,)}
        assert len([line for line in shop.asked("store") if line.startswith("GET /v2/orders/")]) == 1


class TestTrouble:
    @pytest.mark.parametrize(
        ("fault", "side", "path", "error"),
        [
            (Fault.ERROR_500, "store", "/v2/orders", Unreachable),
            (Fault.ERROR_500, "pos", "/sales", Unreachable),
            (Fault.HTML_BODY, "store", "/v2/orders", WrongAnswer),
        ],
    )
    def test_a_side_that_is_out_of_order_ends_it(
        self, shop: Shop, fault: Fault, side: Any, path: str, error: type[Exception]
    ) -> None:
        shop.fails(fault, "GET", path, times=50, side=side)

        with pytest.raises(error):
            reconciled(shop)

    def test_a_page_that_is_too_heavy_is_read_in_smaller_ones(self, shop: Shop) -> None:
        shop.fails(Fault.ERROR_500, "GET", "/v2/orders", times=2, side="store")

        assert findings(shop) == {}


class TestSpool:
    SALE = Sold(
        sale_id="a",
        order_id=7,
        state=AppliedState.PAID,
        total=Decimal("10.00"),
        tax=Decimal("0.80"),
        units=Decimal(2),
        paid=Decimal("10.00"),
        at=NOW,
        by_product={"p": Decimal(2)},
    )

    def test_what_is_laid_aside_comes_back_once_by_order(self) -> None:
        other, third = replace(self.SALE, sale_id="b", at=None), replace(self.SALE, sale_id="c", order_id=8)
        with Spool() as spool:
            spool.keep([self.SALE, other, third])
            assert spool.take([7, 9]) == {7: (self.SALE, other)}
            assert spool.take([7]) == {}
            assert list(spool.left()) == [(8, (third,))]

    def test_a_newer_version_of_a_sale_takes_the_place_of_the_older_one(self) -> None:
        voided = replace(self.SALE, state=AppliedState.VOIDED)
        with Spool() as spool:
            spool.keep([self.SALE])
            spool.keep([voided])
            assert spool.take([7]) == {7: (voided,)}


class TestRefunds:
    @pytest.fixture
    def refunded(self, shop: Shop) -> Shop:
        """One of two units was given back; the refund is in the POS."""
        shop.happens(shop.store.refund, min(shop.store.orders), Refund(lines={0: 1}, restock=True))
        shop.pass_()
        shop.time.forward(hours=2)
        return shop

    def test_a_refund_that_was_booked_is_in_both_sums_and_no_double(self, refunded: Shop) -> None:
        first = min(refunded.store.orders)

        found = reconciled(refunded)[first]

        assert len(refunded.sales(first)) == 2
        assert (found.findings, found.wanted) == ((), found.held)
        assert (found.held.count, found.held.total, found.held.units) == (1, Decimal("10.80"), Decimal(1))

    def test_a_refund_that_is_gone_from_the_pos_is_missing(self, refunded: Shop) -> None:
        first = min(refunded.store.orders)
        (refund,) = [sale for sale in refunded.sales(first) if sale["totals"]["price_incl_tax"] < 0]
        refunded.world.pos.sales.put(refund["id"], refund | {"state": "voided"})

        found = reconciled(refunded)[first]

        assert found.findings == ((Finding.MISSING, "refund 1 of 10.80"),)
        assert (found.wanted.total, found.held.total) == (Decimal("10.80"), Decimal("21.60"))

    def test_a_refund_of_the_last_minutes_waits_for_its_pass(self, refunded: Shop) -> None:
        second = sorted(refunded.store.orders)[1]
        refunded.happens(refunded.store.refund, second, Refund(lines={0: 1}, restock=True))

        assert {each for found in findings(refunded).values() for each in found} <= {Finding.NOT_YET}

    def test_goods_that_were_brought_back_to_the_shop_are_no_matter_of_ours(self, shop: Shop) -> None:
        first = min(shop.store.orders)
        (sale,) = shop.sales(first)
        lines = [line | {"quantity": -1} for line in sale["line_items"]]
        totals = {"price": Decimal(-10), "price_incl_tax": Decimal("-10.80"), "tax": Decimal("-0.80")}
        shop.world.pos.sales.put("2" * 8, sale | {"id": "2" * 8, "line_items": lines, "totals": totals})

        assert findings(shop) == {}

    def test_a_refund_of_a_month_later_is_found_with_its_order(self, shop: Shop) -> None:
        first = min(shop.store.orders)
        shop.time.forward(days=30)
        shop.happens(shop.store.refund, first, Refund(lines={0: 2}, restock=True))
        shop.pass_()
        shop.time.forward(hours=2)

        found = reconciled(shop)[first]

        assert (found.findings, found.held.total, found.held.units) == ((), 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("switch", "position"),
    [(switch, position) for switch, positions in choices().items() for position in positions[1:]],
)
def test_no_answer_that_the_documents_leave_open_makes_up_a_difference(switch: str, position: str) -> None:
    shop = Shop(switches=replace(Switches(), **{switch: position}))
    items = tuple(shop.store.item("MUG") for _ in range(60))
    shop.order(shopper=ADA, items=items)
    shop.order(shopper=GUEST, status=OrderStatus.AWAITING_PAYMENT)
    shop.order(shopper=BASIL, gift_certificate="5.00", fees=(ExtraFee(name="Levy", cost="0.28"),))
    cancelled, edited, archived, refunded = (shop.order(shopper=ADA, quantity=2) for _ in range(4))
    shop.pass_()
    shop.happens(shop.store.cancel, cancelled)
    shop.edit(edited, shop.store.item("MUG", 3))
    shop.happens(shop.store.archive, archived)
    shop.happens(shop.store.refund, refunded, Refund(lines={0: 1}, restock=True))
    shop.later(2)
    set_aside = {item.order_id for item in shop.review()}

    found = reconciled(shop)

    assert {order_id for order_id, one in found.items() if one.differs} == set_aside
    assert {one.findings[0][0] for one in found.values() if one.differs} <= {Finding.SET_ASIDE, Finding.DOUBLED}
    assert set(found) == set(shop.store.orders)
