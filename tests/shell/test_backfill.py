"""The historical pass: the orders from before the start, each once, and the stock as it was."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from shop import ADA, BASIL, GUEST, NOW, Killed, Shop

from bcpoll import backfill as history
from bcpoll.core.rejected import Reason
from bcpoll.core.status import OrderStatus
from bcpoll.errors import AccessRefused, CheckpointError, RetryLater, Unreachable
from bcpoll.rebuild import Rebuild
from bcpoll.sandbox import pos_stock
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches
from bcpoll.send import void_sale
from bcpoll.undo import to_undo

ADJUST = "POST /stock_adjustments"
YEAR = timedelta(days=365)


def with_history(orders: int = 6, **shop: object) -> Shop:
    """A shop with orders from the year before it was connected, and its stock counted at that moment."""
    found = Shop(**shop)
    buyers, quantities = (ADA, BASIL, GUEST), count(1)
    for number in range(orders):
        at = NOW - YEAR + timedelta(hours=number)
        found.order("MUG", next(quantities) % 3 + 1, at=at, shopper=buyers[number % 3])
    found.count_stock()
    found.time.at = NOW
    return found


def adjusted(shop: Shop) -> list[tuple[str, str]]:
    """The adjustments that the POS holds, by the name of their reason."""
    names = {row["id"]: row["name"] for row in shop.world.pos.adjustment_reasons}
    return [
        (names.get(row["custom_inventory_adjustment_reason_id"], row["reason"]), row["quantity"])
        for row in shop.world.pos.adjustments
    ]


def sold(shop: Shop) -> int:
    closed = [sale for sale in shop.world.pos.sales if sale["state"] == "closed"]
    return sum(int(line["quantity"]) for sale in closed for line in sale["line_items"])


class TestWhatItBringsOver:
    def test_every_order_from_before_the_start_once(self):
        shop = with_history()

        report = shop.backfill()

        assert report.is_complete
        assert (report.counts["created"], report.total, report.set_aside) == (6, 6, 0)
        assert shop.lives() == []

    def test_sales_bear_the_dates_of_their_orders(self):
        shop = with_history(2)

        shop.backfill()

        dates = [sale["date"] for sale in shop.world.pos.sales]
        assert dates == sorted(dates)
        assert dates[0] == "2025-11-20T09:00:00Z"

    def test_a_second_time_writes_nothing(self):
        shop = with_history()
        shop.backfill()

        report = shop.backfill()

        assert shop.writes() == []
        assert report.counts["known"] == 6

    def test_orders_since_the_start_are_left_to_the_passes(self):
        shop = with_history(2)
        new = shop.order()

        shop.backfill()

        assert shop.states(new) == []
        shop.pass_()
        assert shop.states(new) == ["closed"]
        assert shop.lives() == []

    def test_an_order_that_was_pending_at_the_start_is_left_to_the_passes_and_moves_stock(self):
        shop = Shop()
        pending = shop.order(status=OrderStatus.PENDING, at=NOW - YEAR)
        shop.pass_()
        shop.happens(shop.store.set_status, pending, OrderStatus.COMPLETED)

        shop.backfill()
        assert shop.states(pending) == []
        shop.pass_()

        assert (shop.states(pending), shop.stock()) == (["closed"], 49)

    def test_what_the_ledger_knows_is_skipped(self):
        shop = with_history(3)
        shop.pass_(100)
        shop.count_stock()

        report = shop.backfill()

        assert (report.counts["known"], report.counts["created"]) == (1, 2)
        assert len(shop.sales(100)) == 1

    def test_a_window_takes_what_was_ordered_in_it(self):
        shop = with_history(6)
        first = NOW - YEAR

        shop.backfill(since=first + timedelta(hours=2), until=first + timedelta(hours=4))

        assert [sale["source"]["id"] for sale in shop.world.pos.sales] == ["102", "103"]

    def test_windows_that_overlap_write_nothing_twice(self):
        shop = with_history(6)
        first = NOW - YEAR
        shop.backfill(since=first, until=first + timedelta(hours=4))

        report = shop.backfill(since=first + timedelta(hours=2))

        assert (report.counts["known"], report.counts["created"]) == (2, 2)
        assert shop.lives() == []

    def test_a_limit_stops_after_so_many_orders_and_the_next_go_goes_on_behind_them(self):
        shop = with_history(6, page_size=50)

        first = shop.backfill(limit=4)
        second = shop.backfill(limit=4)

        assert (first.is_complete, first.counts["created"]) == (False, 4)
        assert (second.is_complete, second.counts["created"], second.counts["known"]) == (True, 2, 0)
        assert shop.lives() == []

    def test_an_order_that_cannot_be_written_is_set_aside_and_holds_up_no_other(self):
        shop = with_history(3)
        shop.store.overwrite(101, {"total_inc_tax": "1.0000"})

        report = shop.backfill()

        assert (report.counts["created"], report.set_aside, report.is_complete) == (2, 1, True)
        assert [(item.order_id, item.reason) for item in shop.review()] == [(101, Reason.TOTALS_DIFFER)]

    def test_a_product_that_is_gone_from_the_catalogue_is_made_without_stock(self):
        shop = Shop()
        gone = shop.sell("GONE", known=False)
        old = shop.order("GONE", at=NOW - YEAR)
        shop.store.catalogue.remove(gone.id)

        shop.backfill()

        (row,) = shop.world.pos.with_code("GONE")
        assert shop.states(old) == ["closed"]
        assert not row["has_inventory"]

    def test_cancelled_orders_leave_a_trace_and_move_nothing(self):
        shop = with_history(1)
        old = shop.order(status=OrderStatus.CANCELLED, at=NOW - YEAR)

        shop.backfill()

        assert shop.states(old) == ["voided"]
        assert shop.lives() == []


class TestStock:
    def test_what_history_sold_is_put_back_in_one_request_a_page(self):
        shop = with_history(6)

        report = shop.backfill()

        assert shop.writes().count(ADJUST) == 1
        assert report.counts["put_back"] == sold(shop) == 12
        assert adjusted(shop) == [("BigCommerce history, in", "12")]
        assert shop.checkpoint.stock_owed(10) == []

    def test_with_move_stock_it_stays_out(self):
        shop = with_history(6)
        before = shop.stock()

        shop.backfill(moves_stock=True)

        assert shop.stock() == before - 12
        assert adjusted(shop) == []

    def test_products_without_stock_are_not_adjusted(self):
        shop = Shop()
        shop.sell("SONG", stock=None)
        shop.order("SONG", at=NOW - YEAR)

        shop.backfill()

        assert adjusted(shop) == []
        assert shop.checkpoint.stock_owed(10) == []

    def test_a_product_that_the_pos_lacks_begins_with_what_the_store_has_left(self):
        shop = Shop()
        shop.sell("NEW", known=False, stock=20)
        shop.order("NEW", 3, at=NOW - YEAR)

        shop.backfill()

        assert shop.stock("NEW") == 17
        assert shop.lives() == []

    def test_what_came_back_before_the_start_is_taken_out_again(self):
        shop = Shop()
        old = shop.order("MUG", 3, at=NOW - YEAR)
        shop.refund(old, Refund(lines={0: 2}))
        shop.store.refunds[-1]["created"] = "2025-12-01T09:00:00Z"
        shop.count_stock()

        report = shop.backfill()

        assert (report.counts["created"], report.counts["refunded"]) == (1, 1)
        assert adjusted(shop) == [("BigCommerce history, in", "1")]
        assert shop.lives() == []

    @pytest.mark.parametrize("restock", ["true", "false"])
    def test_a_refund_made_since_the_start_of_an_older_order_moves_the_stock(self, restock):
        shop = Shop(settings={"sync": {"restock_refunds": restock}})
        old = shop.order("MUG", 3, at=NOW - YEAR)
        shop.count_stock()
        shop.pass_()
        shop.refund(old, Refund(lines={0: 2}))
        shop.later()
        assert [item.reason for item in shop.review()] == [Reason.REFUND_OF_OLDER_ORDER]

        shop.backfill()
        shop.pass_()

        assert shop.lives() == []
        assert shop.review() == []

    def test_without_restocking_the_returns_of_the_past_are_settled_once(self):
        shop = Shop(settings={"sync": {"restock_refunds": "false"}})
        old = shop.order("MUG", 3, at=NOW - YEAR)
        shop.refund(old, Refund(lines={0: 2}))
        shop.store.refunds[-1]["created"] = "2025-12-01T09:00:00Z"
        shop.count_stock()

        shop.backfill()
        shop.pass_()

        assert adjusted(shop) == [("BigCommerce history, in", "1")]
        assert shop.lives() == []

    def test_an_open_order_of_the_past_is_written_closed_so_that_its_stock_is_sure(self):
        shop = with_history(0, settings={"sync": {"fulfillment": "track"}})
        old = shop.order(status=OrderStatus.AWAITING_FULFILLMENT, at=NOW - YEAR)
        shop.count_stock()

        shop.backfill()

        assert shop.states(old) == ["closed"]
        assert shop.lives() == []

    def test_a_cancellation_after_it_was_brought_over_gives_the_stock_back(self):
        shop = with_history(2)
        shop.backfill()
        before = shop.stock()

        shop.happens(shop.store.cancel, 101)
        shop.pass_()

        assert (shop.states(101), shop.stock()) == (["voided"], before + 3)
        assert shop.lives() == []

    def test_a_cancellation_before_it_was_brought_over_is_past_as_well_though_it_came_after_the_start(self):
        shop = with_history(2)
        shop.pass_()
        shop.happens(shop.store.cancel, 101)
        shop.pass_()
        before = shop.stock()

        shop.backfill()
        shop.pass_()

        # Nothing tells when it was cancelled, or whether somebody has put its goods back on the shelf by hand.
        assert (shop.states(101), shop.stock()) == (["voided"], before)
        shop.undo()
        assert shop.stock() == before

    def test_an_order_that_was_set_aside_moves_no_stock_when_a_pass_writes_it_later(self):
        shop = with_history(2)
        shop.store.overwrite(101, {"total_inc_tax": "1.0000"})
        shop.backfill()
        assert len(shop.review()) == 1
        shop.store.overwrite(101, {"total_inc_tax": "32.4000"})

        shop.later()

        assert shop.review() == []
        assert shop.lives() == []

    @pytest.mark.parametrize("trouble", ["killed", "unreachable", "voided by hand"])
    def test_an_edit_of_an_unfinished_order_moves_the_stock_however_long_the_new_sale_takes(self, trouble):
        shop = Shop()
        old = shop.order("MUG", 3, at=NOW - YEAR, status=OrderStatus.REFUNDED)
        shop.count_stock()
        shop.time.at = NOW
        shop.backfill()
        assert [item.reason for item in shop.review()] == [Reason.REFUND_UNKNOWN]
        shop.edit(old, shop.store.item("MUG", 2))
        if trouble == "killed":
            shop.dies_at_write(2, after=False)
        elif trouble == "unreachable":
            shop.fails(Fault.REFUSED, "POST", "/sales", times=50)
        else:
            shop.world.switch(void_by_put="refused")
        with suppress(RetryLater, Killed):
            shop.pass_()
        shop.restart()
        if trouble == "voided by hand":
            shop.world.switch(void_by_put="works")
            with shop.connected() as shell:
                assert void_sale(shell.pos, shop.row(old).applied.sale_id).is_done

        shop.later(2)

        assert (shop.states(old), shop.lives()) == (["voided", "closed"], [])

    def test_an_undone_order_that_a_new_backfill_could_not_write_moves_no_stock_when_a_pass_writes_it(self):
        shop = with_history(1)
        shop.backfill()
        shop.undo()
        shop.store.overwrite(100, {"total_inc_tax": "1.0000"})
        shop.backfill()
        assert len(shop.review()) == 1
        shop.store.overwrite(100, {"total_inc_tax": "21.6000"})

        shop.later()

        assert (shop.states(100), shop.review(), shop.lives()) == (["voided", "closed"], [], [])

    def test_an_order_of_the_past_that_was_set_aside_is_no_part_of_what_a_new_product_begins_with(self):
        shop = Shop()
        shop.sell("NEW", known=False, stock=20)
        old = shop.order("NEW", 3, at=NOW - YEAR)
        shop.store.overwrite(old, {"total_inc_tax": "1.0000"})
        shop.backfill()
        shop.order("NEW", 2)
        shop.pass_()
        assert shop.stock("NEW") == 15

        shop.store.overwrite(old, {"total_inc_tax": "32.4000"})
        shop.later()

        assert shop.review() == []
        assert shop.stock("NEW") == 15

    def test_a_reason_that_the_account_does_not_let_us_make_is_done_without(self):
        shop = with_history(2)
        taken = {"name": "BigCommerce history, in", "type": "NEGATIVE", "enabled": True}
        pos_stock.add_reason(shop.world.pos, taken)

        shop.backfill()

        assert [reason for reason, _ in adjusted(shop)] == ["STOCK_FOUND"]
        assert shop.lives() == []

    def test_one_item_that_the_pos_refuses_is_left_to_people_and_the_others_are_put_back(self):
        shop = Shop()
        for sku in ("A", "B", "C"):
            shop.sell(sku)
            shop.order(sku, at=NOW - YEAR)
        shop.count_stock()
        point = shop.world.pos
        bad = point.with_code("B")[0]["id"]
        shop.watch("GET", "/custom_inventory_adjustment_reasons", lambda: point.delete(point.products, bad))

        shop.backfill()

        assert sorted(quantity for _, quantity in adjusted(shop)) == ["1", "1"]
        (item,) = shop.review()
        assert bad in item.detail
        assert "+1 units" in item.detail
        assert shop.checkpoint.stock_owed(10) == []


class TestWhenSomethingGoesWrong:
    @pytest.mark.parametrize("fault", [Fault.HANG_AFTER, Fault.RESET_BEFORE])
    def test_an_adjustment_with_an_unclear_answer_is_looked_up(self, fault):
        shop = with_history(3)
        shop.fails(fault, "POST", "/stock_adjustments")

        shop.backfill()
        shop.pass_()

        assert len(adjusted(shop)) == 1
        assert shop.lives() == []

    def test_what_a_dead_backfill_owes_is_put_back_by_the_next_pass(self):
        shop = with_history(3)
        shop.world.before.append(lambda request: dies(request, "/stock_adjustments"))
        with pytest.raises(Killed):
            shop.backfill()
        assert shop.checkpoint.stock_owed(10) != []

        shop.restart()
        shop.pass_()

        assert shop.lives() == []

    def test_a_stop_settles_what_is_in_flight_puts_it_back_and_goes_on_later(self):
        shop = with_history(60, page_size=50)
        shop.watch("POST", "/sales", shop.stop.set)

        with pytest.raises(RetryLater, match="stopped"):
            shop.backfill()

        assert shop.checkpoint.open_intents() == []
        assert shop.checkpoint.stock_owed(10) == []
        shop.stop.clear()
        assert shop.backfill().is_complete
        assert shop.lives() == []

    def test_a_pos_that_is_down_ends_it_and_it_goes_on_where_it_was(self):
        shop = with_history(60, page_size=50)
        shop.backfill(limit=50)
        shop.fails(Fault.ERROR_503, "POST", "/sales", times=1000)
        shop.fails(Fault.ERROR_503, "GET", "/sales", times=1000)
        with pytest.raises(Unreachable):
            shop.backfill()
        shop.restart()

        report = shop.backfill()

        assert report.is_complete
        assert report.counts["looked_at"] == 10
        assert shop.lives() == []

    def test_a_refused_right_to_adjust_ends_it_and_nothing_is_forgotten(self):
        shop = with_history(3)
        shop.fails(Fault.SCOPE_REFUSED, "POST", "/stock_adjustments")
        with pytest.raises(AccessRefused):
            shop.backfill()

        shop.backfill()

        assert len(adjusted(shop)) == 1
        assert shop.lives() == []

    @pytest.mark.slow
    @pytest.mark.parametrize("after", [False, True])
    def test_killed_at_any_write_nothing_is_lost_or_doubled(self, after):
        for number in count(1):
            shop = with_history(4, switches=Switches(existing_sale="doubles"))
            shop.dies_at_request(number, only_writes=True, after=after)
            with suppress(Killed):
                shop.backfill()
                break
            shop.restart()

            shop.backfill()

            assert shop.lives() == [], number
            assert sum(int(quantity) for _, quantity in adjusted(shop)) == sold(shop), number
        assert number == 4 + 3 + 2 + 1


class TestBesideAPoller:
    def test_passes_come_in_between_the_pages(self):
        shop = with_history(120, page_size=50)
        shop.pass_()
        placed: list[int] = []

        def between() -> None:
            shop.time.forward(minutes=6)
            placed.append(shop.order())
            shop.pass_()

        report = shop.backfill(between=between)

        assert report.is_complete
        assert len(placed) > 3
        assert shop.lives() == []

    def test_an_order_of_the_past_that_changes_meanwhile_ends_up_as_it_is(self):
        shop = with_history(120, page_size=50)
        shop.pass_()
        numbers = iter([100, 160, 219])

        def between() -> None:
            shop.time.forward(minutes=6)
            order_id = next(numbers, None)
            if order_id is not None:
                shop.happens(shop.store.cancel, order_id)
            shop.pass_()

        shop.backfill(between=between)
        shop.later()

        assert [live(shop, order_id) for order_id in (100, 160, 219)] == [0, 0, 0]
        assert [found for found in shop.lives() if "MUG" not in found] == []

    def test_after_months_without_a_run_it_costs_no_look_up_for_each_order(self):
        shop = with_history(50)
        shop.pass_()
        shop.time.forward(days=90)

        shop.backfill()

        assert len([line for line in shop.asked("pos") if line.startswith("GET /sales/")]) == 0
        assert [line for line in shop.asked("pos") if line == "GET /sales"] == ["GET /sales"]

    def test_with_a_checkpoint_from_a_backup_no_sale_is_written_twice(self, tmp_path):
        shop = with_history(10, switches=Switches(existing_sale="doubles"), path=tmp_path / "bcpoll.db")
        shop.pass_()
        shop.checkpoint.close()
        backup = (tmp_path / "bcpoll.db").read_bytes()
        shop.checkpoint = shop._opened()
        shop.backfill()
        shop.checkpoint.close()
        (tmp_path / "bcpoll.db").write_bytes(backup)
        shop.checkpoint = shop._opened()
        shop.time.forward(days=1)

        report = shop.backfill()

        assert report.counts["taken_over"] == 10
        assert shop.lives() == []


class TestRefunds:
    def test_refunds_of_the_past_come_with_their_orders_whatever_the_status_says(self):
        shop = Shop()
        old = shop.order("MUG", 3, at=NOW - YEAR)
        shop.refund(old, Refund(lines={0: 1}, status=OrderStatus.COMPLETED))
        shop.store.refunds[-1]["created"] = "2025-12-01T09:00:00Z"
        shop.count_stock()

        report = shop.backfill()

        assert report.counts["refunded"] == 1
        assert shop.lives() == []

    def test_refunds_of_orders_that_no_window_holds_are_nobodys_business(self):
        shop = with_history(1)
        shop.refund(100, Refund(lines={0: 1}))
        shop.store.refunds[-1]["created"] = "2025-12-01T09:00:00Z"

        shop.backfill(since=NOW - timedelta(days=1))
        shop.pass_()

        assert (shop.sales(100), shop.review()) == ([], [])

    def test_where_refunds_are_ignored_they_are_not_even_read(self):
        shop = with_history(1, settings={"sync": {"refunds": "ignore"}})

        shop.backfill()

        assert [line for line in shop.asked("store") if "refunds" in line] == []


class TestWhatItCosts:
    def test_one_request_to_the_store_a_page_and_the_count(self):
        shop = with_history(120, page_size=50)
        shop.pass_()

        shop.backfill()

        asked = Counter(line.split("?")[0] for line in shop.asked("store"))
        assert asked == {
            "GET /v2/orders/count": 1,
            "GET /v2/orders": 3,
            "GET /v3/orders/payment_actions/refunds": 1,
        }

    def test_a_page_more_is_six_transactions_more_for_its_sales_for_their_stock_and_for_what_the_pos_has_new(self):
        def commits(orders: int) -> int:
            shop = with_history(orders, page_size=50)
            shop.pass_()
            statements: list[str] = []
            shop.checkpoint._db.conn.set_trace_callback(statements.append)
            shop.backfill()
            return statements.count("COMMIT")

        assert commits(110) - commits(60) == 6

    def test_the_preview_counts_and_adds_up_and_writes_nothing(self):
        shop = with_history(6)
        shop.pass_()
        shop.order(status=OrderStatus.CANCELLED, at=NOW - 2 * YEAR)

        forecast, survey = shop.forecast(), shop.survey_backfill()

        assert (forecast.orders, forecast.by_status[OrderStatus.CANCELLED]) == (7, 1)
        assert shop.writes() == []
        assert (survey.sales, survey.voided) == ({2025: 6}, 1)
        assert survey.money == {2025: Decimal("129.60")}
        assert survey.units == {"MUG": 12}
        assert shop.checkpoint.ledger([100]) == {}

    def test_a_preview_of_so_many_orders_looks_at_no_more(self):
        shop = with_history(6)
        shop.pass_()

        assert shop.survey_backfill(limit=4).sales == {2025: 4}

    def test_of_the_pages_one_is_read_ahead_and_no_more(self):
        read: list[int] = []

        def pages() -> Iterator[list[dict[str, int]]]:
            for number in range(1, 5):
                read.append(number)
                yield [{"id": number}]

        with ThreadPoolExecutor(max_workers=1) as reader:
            coming = history._read_ahead(pages(), reader)
            at_hand, waiting = [], []
            for page in coming:
                reader.submit(int).result()
                at_hand.append(page[0]["id"])
                waiting.append(len(read) - len(at_hand))

        assert at_hand == read == [1, 2, 3, 4]
        assert waiting == [1, 1, 1, 0]

    def test_what_breaks_while_a_page_is_read_ahead_ends_the_preview(self):
        shop = with_history(60, page_size=50)
        shop.pass_()
        pages = count(1)
        shop.world.faults.on(Fault.ERROR_503, lambda one: one.path.endswith("/v2/orders") and next(pages) > 1, times=50)

        with pytest.raises(Unreachable):
            shop.survey_backfill()


class TestUndo:
    def test_it_voids_what_was_brought_over_and_leaves_the_stock_as_it_is(self):
        shop = with_history(4)
        before = shop.stock()
        shop.backfill()

        undone = shop.undo()

        assert (undone.orders, undone.voided, undone.refused) == (4, 4, [])
        assert [shop.states(order_id) for order_id in range(100, 104)] == [["voided"]] * 4
        assert shop.stock() == before
        assert shop.checkpoint.stock_owed(10) == []

    def test_a_second_time_there_is_nothing_to_undo(self):
        shop = with_history(2)
        shop.backfill()
        shop.undo()

        assert shop.undo().orders == 0
        assert shop.writes() == []

    def test_what_was_brought_over_with_its_stock_gives_it_back(self):
        shop = with_history(4)
        before = shop.stock()
        shop.backfill(moves_stock=True)

        shop.undo()

        assert shop.stock() == before
        assert adjusted(shop) == []

    @pytest.mark.parametrize("restock", ["true", "false"])
    @pytest.mark.parametrize("moves_stock", [False, True])
    def test_refunds_go_with_their_orders(self, restock, moves_stock):
        shop = Shop(settings={"sync": {"restock_refunds": restock}})
        old = shop.order("MUG", 3, at=NOW - YEAR)
        shop.refund(old, Refund(lines={0: 2}))
        shop.store.refunds[-1]["created"] = "2025-12-01T09:00:00Z"
        shop.count_stock()
        before = shop.stock()
        shop.backfill(moves_stock=moves_stock)

        undone = shop.undo()

        assert undone.voided == 2
        assert shop.states(old) == ["voided", "voided"]
        assert shop.stock() == before

    def test_what_moved_since_stays_moved(self):
        shop = with_history(2)
        shop.backfill()
        shop.happens(shop.store.cancel, 100)
        shop.pass_()
        before = shop.stock()

        shop.undo()

        assert shop.stock() == before

    def test_the_passes_leave_an_undone_order_alone(self):
        shop = with_history(2)
        shop.pass_()
        shop.backfill()
        shop.undo()

        shop.happens(shop.store.ship, 100)
        report = shop.pass_()

        assert report.counts["before_start"] == 1
        assert shop.states(100) == ["voided"]

    def test_a_new_backfill_writes_it_anew_with_its_refunds(self):
        shop = Shop(switches=Switches(existing_sale="doubles"))
        old = shop.order("MUG", 3, at=NOW - YEAR)
        shop.refund(old, Refund(lines={0: 2}))
        shop.store.refunds[-1]["created"] = "2025-12-01T09:00:00Z"
        shop.count_stock()
        for _ in range(2):
            shop.backfill()
            shop.undo()

        shop.backfill()

        assert sorted(shop.states(old)) == ["closed"] * 2 + ["voided"] * 4
        assert shop.lives() == []
        assert shop.review() == []

    def test_a_new_backfill_books_a_refund_from_after_the_start_however_long_ago_it_was(self):
        shop = with_history(1)
        shop.backfill()
        shop.happens(shop.refund, 100, Refund(lines={0: 1}))
        shop.pass_()
        for _ in range(2):
            shop.time.forward(days=9)
            shop.happens(shop.refund, shop.order(quantity=2), Refund(lines={0: 1}))
            shop.pass_()
        shop.undo()

        shop.backfill()

        assert (shop.lives(), shop.review()) == ([], [])

    @pytest.mark.parametrize("is_killed", [False, True])
    def test_a_backfill_that_was_cut_short_and_undone_begins_anew(self, is_killed):
        shop = with_history(6)
        shop.backfill(limit=3)
        if is_killed:
            shop.dies_at_write(2, after=True)
        with suppress(Killed):
            shop.undo()
        shop.restart()

        shop.backfill()

        assert shop.lives() == []

    @pytest.mark.parametrize("how", ["killed", "busy"])
    def test_an_order_that_was_half_undone_is_whole_again_after_a_new_backfill(self, how):
        shop = Shop()
        old = shop.order("MUG", 3, at=NOW - YEAR)
        shop.refund(old, Refund(lines={0: 2}))
        shop.store.refunds[-1]["created"] = "2025-12-01T09:00:00Z"
        shop.count_stock()
        shop.backfill()
        if how == "killed":
            shop.dies_at_write(2, after=False)
        else:
            shop.watch("PUT", "/sales", lambda: shop.fails(Fault.BUSY_SECONDS, "PUT", "/sales", times=99))
        with suppress(Killed, RetryLater):
            shop.undo()
        assert shop.states(old) == ["closed", "voided"]
        shop.restart()
        shop.later()

        shop.backfill()

        assert sorted(shop.states(old)) == ["closed", "closed", "voided"]
        assert (shop.lives(), shop.review()) == ([], [])

    def test_after_move_stock_no_goods_of_a_refund_are_put_back_that_were_never_taken_out(self):
        shop = with_history(1, settings={"sync": {"restock_refunds": False}})
        before = shop.stock()
        shop.backfill(moves_stock=True)
        shop.happens(shop.refund, 100, Refund(lines={0: 1}))
        shop.fails(Fault.ERROR_500, "POST", "/stock_adjustments", times=99)
        shop.later()
        shop.restart()
        [item] = shop.review()
        shop.checkpoint.dismiss(item.id, "counted by hand", shop.time.now())

        shop.undo()

        assert (shop.stock(), adjusted(shop)) == (before, [])

    def test_an_order_of_which_nothing_could_be_read_is_forgotten_too(self):
        shop = with_history(2)
        shop.store.overwrite(100, {"status_id": 77})
        shop.backfill()

        shop.undo()

        with shop.connected() as shell:
            assert to_undo(shell).orders == 0
        assert shop.review() == []

    def test_an_order_that_was_set_aside_is_forgotten(self):
        shop = with_history(2)
        shop.store.overwrite(100, {"total_inc_tax": "1.0000"})
        shop.backfill()

        shop.undo()
        shop.store.overwrite(100, {"total_inc_tax": "21.6000"})
        shop.later()

        assert shop.review() == []
        assert shop.sales(100) == []

    def test_orders_of_the_passes_are_none_of_its_business(self):
        shop = with_history(2)
        new = shop.order()
        shop.pass_()
        shop.backfill()

        shop.undo()

        assert shop.states(new) == ["closed"]

    def test_a_sale_that_the_pos_does_not_void_is_told(self):
        shop = with_history(2, switches=Switches(void_by_put="refused"))
        before = shop.stock()
        shop.backfill()

        undone = shop.undo()

        assert [order_id for order_id, _, _ in undone.refused] == [100, 101]
        shop.world.switch(void_by_put="works")
        assert shop.undo().voided == 2
        assert (shop.states(100), shop.states(101), shop.stock()) == (["voided"], ["voided"], before)

    @pytest.mark.slow
    @pytest.mark.parametrize("after", [False, True])
    def test_killed_at_any_write_it_voids_all_once(self, after):
        for number in count(1):
            shop = Shop(switches=Switches(existing_sale="doubles"))
            for quantity in (1, 2, 3):
                order_id = shop.order("MUG", quantity, at=NOW - YEAR)
            shop.refund(order_id, Refund(lines={0: 1}))
            shop.store.refunds[-1]["created"] = "2025-12-01T09:00:00Z"
            shop.count_stock()
            before = shop.stock()
            shop.backfill()
            shop.world.log.clear()
            shop.dies_at_request(number, only_writes=True, after=after)
            with suppress(Killed):
                shop.undo()
                break
            shop.restart()

            shop.undo()

            assert {state for sale in shop.world.pos.sales for state in [sale["state"]]} == {"voided"}, number
            assert shop.stock() == before, number
            assert shop.checkpoint.stock_owed(10) == []
        assert number == 4 + 1 + 1 + 1

    def test_it_is_added_up_first(self):
        shop = with_history(3)
        shop.backfill()

        with shop.connected() as shell:
            found = to_undo(shell)

        assert (found.orders, found.sales, found.refunds, found.money) == (3, 3, 0, Decimal("64.80"))

    def test_a_limit_leaves_the_rest_for_the_next_time(self):
        shop = with_history(3)
        shop.backfill()

        assert shop.undo(limit=2).orders == 2
        assert shop.undo(limit=2).orders == 1


class TestALostCheckpoint:
    def test_it_is_not_made_anew_without_the_moment_of_the_start(self):
        shop = with_history(3)
        shop.backfill()
        shop.forget()

        with pytest.raises(CheckpointError, match="backfill"):
            rebuild(shop, None)

    def test_made_anew_from_the_start_on_it_leaves_the_past_to_a_backfill(self):
        shop = with_history(5)
        shop.backfill(limit=3)
        shop.forget()

        rebuild(shop, NOW)
        assert shop.pass_().counts["created"] == 0
        report = shop.backfill()

        assert (report.counts["created"], report.is_complete) == (2, True)
        assert shop.lives() == []


def rebuild(shop: Shop, start: datetime | None) -> None:
    with shop.connected() as shell:
        Rebuild(
            source=shell.source,
            pos=shell.pos,
            checkpoint=shell.checkpoint,
            store_hash=shell.store_hash,
            clock=shell.clock,
        ).run(start)


def dies(request: object, path: str) -> None:
    if path in request.path and request.method == "POST":
        raise Killed


def live(shop: Shop, order_id: int) -> int:
    return sum(state != "voided" for state in shop.states(order_id))


def test_the_moment_of_the_start_belongs_to_the_passes() -> None:
    shop = Shop()
    at: datetime = NOW
    order_id = shop.order(at=at)

    shop.backfill()

    assert shop.states(order_id) == []
