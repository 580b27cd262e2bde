"""One pass: which orders concern us, when the cursor moves, and each step of an order's life through the whole flow."""

import itertools
import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from shop import ADA, BASIL, GUEST, NOW, Shop

from bcpoll.checkpoint import ReviewState, RunOutcome
from bcpoll.core.order import LineKind, fingerprint
from bcpoll.core.rejected import Reason
from bcpoll.core.sale import AppliedState
from bcpoll.core.status import OrderStatus
from bcpoll.errors import AccessRefused, RetryLater, SettingsError, Unreachable, WrongAnswer
from bcpoll.sandbox.drafts import Item
from bcpoll.sandbox.faults import Fault, Request
from bcpoll.sandbox.switches import Switches

# What every pass asks the store first: what was refunded.
REFUNDS = "GET /v3/orders/payment_actions/refunds"

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def shop() -> Shop:
    """A shop that both sides know: its customers and products are linked, so a pass writes sales and nothing else."""
    shop = Shop()
    for shopper in (ADA, GUEST):
        shop.world.pos.add_customer(shopper.first_name, shopper.last_name, shopper.email)
        shop.order(shopper=shopper)
    shop.pass_()
    return shop


class TestWhatAPassCosts:
    def test_a_first_pass_brings_the_orders_into_the_pos(self) -> None:
        shop = Shop()
        for shopper in (ADA, GUEST, ADA):
            shop.order(shopper=shopper, quantity=2)

        report = shop.pass_()

        assert shop.lives() == []
        assert (report.counts["created"], report.counts["customers_created"]) == (3, 2)
        assert (report.set_aside, report.waiting) == (0, 0)
        assert shop.stock() == 44

    def test_a_second_pass_asks_the_store_twice_and_the_pos_nothing(self, shop: Shop) -> None:
        report = shop.pass_()

        assert shop.asked("store") == [REFUNDS, "GET /v2/orders"]
        assert shop.asked("pos") == []
        assert (report.counts["read"], report.counts["unchanged"], report.counts["created"]) == (2, 2, 0)

    def test_where_refunds_are_ignored_the_store_is_asked_once(self) -> None:
        shop = Shop(settings={"sync": {"refunds": "ignore"}})
        shop.pass_()

        shop.pass_()

        assert (shop.asked("store"), shop.asked("pos")) == (["GET /v2/orders"], [])

    def test_a_new_order_of_a_known_customer_costs_one_request_and_a_look_at_the_feed(self, shop: Shop) -> None:
        for _ in range(3):
            shop.order()

        shop.pass_()

        assert shop.asked("store") == [REFUNDS, "GET /v2/orders"]
        assert shop.asked("pos") == ["GET /sales"] * 2 + ["POST /sales"] * 3
        assert shop.lives() == []

    def test_two_hundred_and_fifty_orders_are_one_request(self, shop: Shop) -> None:
        for _ in range(260):
            shop.order()

        shop.pass_()

        # The second page begins at the last second of the first one, and is short enough to be known as the last.
        assert shop.asked("store") == [REFUNDS, *["GET /v2/orders"] * 2]
        assert Counter(shop.asked("pos")) == {"POST /sales": 260, "GET /sales": 5}
        assert shop.lives() == []

    def test_several_workers_write_the_same(self) -> None:
        alone, together = (Shop(workers=workers) for workers in (1, 8))
        for shop in (alone, together):
            shop.sell("NEW", known=False)
            for number in range(40):
                shop.order("NEW" if number % 3 else "MUG", shopper=(ADA, BASIL, GUEST)[number % 3])
            shop.pass_()

        assert together.lives() == []
        assert together.world.pos.snapshot() == alone.world.pos.snapshot()

    def test_the_run_is_kept_with_what_it_counted(self, shop: Shop) -> None:
        report = shop.pass_()

        run = shop.checkpoint.last_runs(1)[0]
        assert (run.kind, run.outcome, run.message) == ("pass", RunOutcome.DONE, "")
        assert run.counts == report.counts


class TestWhichOrders:
    def test_the_first_pass_begins_at_the_time_of_the_store(self) -> None:
        shop = Shop(start="now")
        before = shop.order()
        shop.time.forward(seconds=1)

        first = shop.pass_()
        after = shop.order()
        shop.pass_()

        assert first.counts["created"] == 0
        assert shop.states(before) == []
        assert shop.states(after) == ["closed"]
        assert shop.checkpoint.start() == NOW + timedelta(seconds=6)

    def test_an_order_from_before_the_start_is_left_out_whatever_happens_to_it(self) -> None:
        shop = Shop()
        old = shop.order(at=NOW - MINUTE)
        shop.pass_()

        shop.happens(shop.store.ship, old)
        report = shop.pass_()

        assert report.counts["before_start"] == 1
        assert shop.lives(without=[old]) == []
        assert shop.checkpoint.ledger_count() == 0

    @pytest.mark.parametrize("status", [OrderStatus.INCOMPLETE, OrderStatus.PENDING])
    def test_an_order_that_is_not_real_yet_at_the_start_is_imported_when_it_is(self, status: OrderStatus) -> None:
        shop = Shop()
        watched = shop.order(at=NOW - DAY, status=status)
        assert shop.pass_().counts["created"] == 0

        shop.happens(shop.store.pay, watched)

        assert shop.pass_().counts["created"] == 1
        assert shop.lives() == []

    def test_an_order_in_the_ledger_is_followed_whatever_its_age(self) -> None:
        shop = Shop()
        old = shop.order(at=NOW - DAY)
        shop.pass_(old)
        shop.pass_()
        assert shop.states(old) == ["closed"]

        shop.happens(shop.store.cancel, old)
        shop.pass_()

        assert shop.lives() == []

    @pytest.mark.parametrize("status", [OrderStatus.INCOMPLETE, OrderStatus.PENDING])
    def test_an_order_that_is_not_real_yet_waits_until_it_is(self, shop: Shop, status: OrderStatus) -> None:
        waiting = shop.order(status=status)
        report = shop.pass_()
        assert report.counts["not_imported"] == 1
        assert shop.row(waiting).applied.state is AppliedState.NOTHING

        shop.happens(shop.store.pay, waiting)
        shop.pass_()

        assert shop.lives() == []

    def test_an_order_that_the_pos_itself_made_is_left_alone(self) -> None:
        shop = Shop(settings={"sync": {"start": NOW, "ignore_sources": ["Lightspeed"], "ignore_channels": [9]}})
        ours = [shop.order(external_source="Lightspeed"), shop.order(channel_id=9)]

        report = shop.pass_()

        assert report.counts["not_imported"] == 2
        assert shop.lives(without=ours) == []

    def test_an_order_that_appears_late_in_the_overlap_is_found(self, shop: Shop) -> None:
        shop.time.forward(hours=1)
        shop.order()
        shop.pass_()
        late = shop.order(at=shop.time.now() - 9 * MINUTE)

        shop.pass_()

        assert shop.states(late) == ["closed"]

    def test_an_order_that_appears_behind_the_overlap_is_found_by_the_daily_sweep(self) -> None:
        shop = Shop()
        shop.time.forward(days=2)
        shop.order()
        shop.pass_()
        late = shop.order(at=shop.time.now() - DAY)

        shop.later(hours=1)
        assert shop.states(late) == []
        shop.later(hours=24)

        assert shop.states(late) == ["closed"]
        assert shop.lives() == []

    @pytest.mark.parametrize(
        ("start", "swept"), [(NOW - 9 * DAY, "17 Nov 2026 09:29:59"), (NOW, "20 Nov 2026 08:59:59")]
    )
    def test_the_sweep_comes_once_a_day_and_never_reaches_behind_the_start(self, start: datetime, swept: str) -> None:
        shop = Shop(start=start)
        shop.order()
        shop.order(at=NOW + timedelta(minutes=30))
        shop.pass_()

        asked = []
        for _ in range(4):
            shop.later(hours=12)
            lists = [one for one in shop.world.log.matching(side="store") if "min_date_modified" in one.params]
            asked.append(lists[0].params["min_date_modified"][5:-6])

        overlap = "20 Nov 2026 09:19:59"
        assert asked == [overlap, swept, overlap, swept]

    def test_a_sweep_that_fails_comes_again(self) -> None:
        shop = Shop()
        shop.order()
        shop.pass_()
        swept = shop.checkpoint.mark("sweep")
        shop.time.forward(hours=25)
        shop.fails(Fault.ERROR_503, "GET", "/v2/orders", side="store", times=2)

        with pytest.raises(Unreachable):
            shop.pass_()
        assert shop.checkpoint.mark("sweep") == swept
        shop.pass_()

        assert shop.checkpoint.mark("sweep") == shop.time.now()

    @pytest.mark.parametrize(
        ("newest", "hours"),
        [
            pytest.param({"at": NOW - DAY}, 1, id="from before the start"),
            pytest.param({"status": OrderStatus.INCOMPLETE}, 1, id="not real yet"),
            pytest.param({}, 0, id="just placed"),
        ],
    )
    def test_a_sweep_minds_no_newest_order_that_the_list_need_not_show(
        self, shop: Shop, newest: dict[str, Any], hours: int
    ) -> None:
        def hide(request: Request) -> None:
            if "min_date_modified" in request.params:
                request.params.update(max_date_modified="Fri, 20 Nov 2026 09:30:00 +0000")

        shop.world.before.append(hide)
        shop.time.forward(hours=25)
        shop.order(**newest)
        shop.time.forward(hours=hours)

        shop.pass_()

        assert "GET /v2/orders" in shop.asked("store")[1:]
        assert shop.checkpoint.mark("sweep") == shop.time.now()

    def test_reading_since_a_moment_is_no_sweep(self) -> None:
        shop = Shop()
        shop.pass_()
        swept = shop.checkpoint.mark("sweep")
        shop.time.forward(hours=25)

        shop.pass_(since=shop.time.now())

        assert shop.checkpoint.mark("sweep") == swept

    def test_a_clock_that_was_set_back_sweeps_rather_than_never_again(self) -> None:
        shop = Shop()
        shop.pass_()
        shop.checkpoint.set_mark("sweep", NOW + 400 * DAY)

        shop.pass_()

        assert shop.checkpoint.mark("sweep") == shop.time.now()


class TestTheCursor:
    def test_it_moves_to_the_newest_order_and_never_past_it(self, shop: Shop) -> None:
        newest = shop.order()
        shop.time.forward(hours=1)

        shop.pass_()

        assert shop.checkpoint.cursor() == shop.store.orders[newest].modified

    def test_it_moves_page_by_page(self) -> None:
        shop = Shop(page_size=25)
        orders = [shop.order() for _ in range(60)]
        cursors: list[object] = []
        shop.world.after.append(
            lambda request: cursors.append(shop.checkpoint.cursor()) if "min_date_modified" in request.params else None
        )

        shop.pass_()

        assert shop.lives() == []
        assert [cursors[0], *dict.fromkeys(cursors)] == [NOW, *sorted(set(cursors))]
        assert len(set(cursors)) > 2
        assert shop.checkpoint.cursor() == shop.store.orders[orders[-1]].modified

    def test_it_stays_where_a_read_failed_in_the_middle_and_nothing_is_lost(self) -> None:
        shop = Shop(page_size=25)
        orders = [shop.order() for _ in range(60)]
        lists = itertools.count()
        shop.world.faults.on(
            Fault.ERROR_503,
            lambda request: "min_date_modified" in request.params and next(lists) >= 2,
            times=5,
        )

        with pytest.raises(Unreachable):
            shop.pass_()

        assert 0 < shop.checkpoint.ledger_count() < 60
        assert shop.checkpoint.cursor() < shop.store.orders[orders[-1]].modified
        assert shop.checkpoint.last_runs(1)[0].outcome is RunOutcome.STOPPED
        shop.pass_()
        assert shop.lives() == []

    def test_named_orders_and_those_since_a_moment_leave_it_alone(self, shop: Shop) -> None:
        cursor = shop.checkpoint.cursor()
        first, second = shop.order(), shop.order()

        shop.pass_(first)
        assert (shop.states(first), shop.states(second)) == (["closed"], [])
        shop.pass_(since=NOW)

        assert shop.lives() == []
        assert shop.checkpoint.cursor() == cursor

    def test_an_order_whose_time_cannot_be_read_does_not_move_it(self, shop: Shop) -> None:
        cursor = shop.checkpoint.cursor()
        broken = shop.order()
        shop.store.overwrite(broken, {"date_created": "yesterday"})

        shop.pass_()

        assert shop.checkpoint.cursor() == cursor
        assert [item.reason for item in shop.review()] == [Reason.WRONG_TYPE]

    def test_a_list_that_ignores_the_filter_is_believed_nothing(self, shop: Shop) -> None:
        old = shop.order(at=NOW - DAY)
        shop.order()
        shop.world.before.append(lambda request: request.params.pop("min_date_modified", None))

        with pytest.raises(WrongAnswer, match="filter was ignored"):
            shop.pass_()

        assert shop.checkpoint.ledger_count() == 2
        shop.restart()
        shop.pass_()
        assert shop.lives(without=[old]) == []


class TestNamedOrders:
    def test_an_order_that_the_store_does_not_have_is_told(self, shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
        report = shop.pass_(99_999)

        assert report.counts["not_found"] == 1
        assert "BigCommerce has no order 99999" in caplog.text

    def test_a_named_order_is_read_again_even_unchanged(self, shop: Shop) -> None:
        known = next(iter(shop.store.orders))

        report = shop.pass_(known)

        assert shop.asked("store") == [REFUNDS, f"GET /v2/orders/{known}"]
        assert (report.counts["read"], report.counts["unchanged"], shop.writes()) == (1, 0, [])

    def test_lines_beyond_those_embedded_are_read_from_their_own_resource(self, shop: Shop) -> None:
        items = tuple(Item(name=f"Label {number}", price="1.00") for number in range(60))
        long = shop.order(items=items)

        report = shop.pass_()

        assert f"GET /v2/orders/{long}/products" in shop.asked("store")
        assert report.counts["lines_read"] == 1
        assert len(shop.sales(long)[0]["line_items"]) == 60
        assert shop.lives() == []

    def test_lines_that_break_the_store_hold_up_that_order_alone(self, shop: Shop) -> None:
        items = tuple(Item(name=f"Label {number}", price="1.00") for number in range(60))
        long, _ = shop.order(items=items), shop.order()
        shop.fails(Fault.ERROR_500, "GET", f"/orders/{long}/products", side="store", times=5)

        report = shop.pass_()

        assert shop.lives(without=[long]) == []
        assert ([item.reason for item in shop.review()], report.set_aside) == ([Reason.LINES_INCOMPLETE], 1)
        shop.later()
        assert (shop.lives(), shop.review()) == ([], [])


class TestPreview:
    def test_it_shows_the_plans_and_writes_nothing(self, shop: Shop) -> None:
        shop.sell("NEW", known=False)
        new, foreign = shop.order("NEW", shopper=BASIL), shop.order(currency="EUR")
        before, runs = shop.world.pos.snapshot(), shop.checkpoint.last_runs(9)

        found = shop.preview()

        assert [one.order_id for one in found.planned] == [new]
        assert [(rejected.order_id, rejected.reason) for rejected, _ in found.rejected] == [
            (foreign, Reason.FOREIGN_CURRENCY)
        ]
        assert shop.writes() == []
        assert shop.world.pos.snapshot() == before
        assert (shop.checkpoint.ledger_count(), shop.review(), shop.checkpoint.last_runs(9)) == (2, [], runs)

    def test_before_the_first_pass_it_leaves_out_what_that_will_leave_out(self) -> None:
        shop = Shop()
        old = shop.order(at=NOW - DAY)
        new = shop.order()
        shop.happens(shop.store.ship, old)

        found = shop.preview()

        assert [one.order_id for one in found.planned] == [new]
        assert (shop.checkpoint.start(), shop.checkpoint.cursor()) == (None, None)

    def test_without_a_start_it_begins_now(self) -> None:
        shop = Shop(start="now")
        shop.order(at=NOW - MINUTE)

        assert shop.preview().planned == ()

    def test_it_shows_named_orders_whatever_their_age(self, shop: Shop) -> None:
        old = shop.order(at=NOW - DAY)

        assert [one.order_id for one in shop.preview(old).planned] == [old]
        assert [one.order_id for one in shop.preview(since=NOW - 2 * DAY).planned] == []

    def test_it_shows_what_is_due_for_another_try(self, shop: Shop) -> None:
        twin = shop.world.pos.add_product("Twin", "mug")
        shop.sell("CUP", known=False)
        ambiguous = shop.order(items=(shop.store.item("MUG"), shop.store.item("CUP")))
        shop.pass_()
        assert [item.reason for item in shop.review()] == [Reason.AMBIGUOUS_PRODUCT]
        shop.world.pos.delete(shop.world.pos.products, twin)

        assert shop.preview().planned == ()
        shop.time.forward(hours=1)

        assert [one.order_id for one in shop.preview().planned] == [ambiguous]


Events = tuple[Callable[[Shop, int], None], ...]


def pays(shop: Shop, order_id: int) -> None:
    shop.happens(shop.store.pay, order_id)


def cancels(shop: Shop, order_id: int) -> None:
    shop.happens(shop.store.cancel, order_id)


def ships(shop: Shop, order_id: int) -> None:
    shop.happens(shop.store.ship, order_id)


def is_edited(shop: Shop, order_id: int) -> None:
    shop.edit(order_id, shop.store.item("MUG", 1 + len(shop.sales(order_id)) * 5))


def is_touched(shop: Shop, order_id: int) -> None:
    shop.happens(shop.store.touch, order_id)


UNPAID = OrderStatus.AWAITING_PAYMENT


class TestTheLifeOfAnOrder:
    @pytest.mark.parametrize("unpaid", ["closed", "on_account"])
    @pytest.mark.parametrize(
        ("begins", "events", "states"),
        [
            pytest.param(UNPAID, (pays,), ["closed"], id="paid"),
            pytest.param(UNPAID, (pays, ships), ["closed"], id="paid and shipped"),
            pytest.param(UNPAID, (cancels,), ["voided"], id="never paid"),
            pytest.param(UNPAID, (is_edited, pays), ["voided", "closed"], id="edited before it was paid"),
            pytest.param(OrderStatus.AWAITING_FULFILLMENT, (ships, is_touched), ["closed"], id="shipped"),
            pytest.param(OrderStatus.AWAITING_FULFILLMENT, (cancels,), ["voided"], id="cancelled"),
            pytest.param(OrderStatus.AWAITING_FULFILLMENT, (cancels, pays), ["voided", "closed"], id="revived"),
            pytest.param(
                OrderStatus.AWAITING_FULFILLMENT,
                (is_edited, is_edited),
                ["voided", "voided", "closed"],
                id="edited twice",
            ),
            pytest.param(
                OrderStatus.AWAITING_FULFILLMENT,
                (is_edited, cancels, pays),
                ["voided", "voided", "closed"],
                id="all of it",
            ),
            pytest.param(OrderStatus.CANCELLED, (), ["voided"], id="cancelled before it was seen"),
            pytest.param(OrderStatus.CANCELLED, (pays,), ["voided", "closed"], id="cancelled unseen and revived"),
            pytest.param(OrderStatus.DECLINED, (is_touched,), ["voided"], id="declined"),
        ],
    )
    def test_the_pos_follows_step_by_step(
        self, begins: OrderStatus, events: Events, states: list[str], unpaid: str
    ) -> None:
        shop = Shop(settings={"sync": {"start": NOW, "unpaid": unpaid}})
        order = shop.order(quantity=3, status=begins)
        shop.pass_()

        for event in events:
            event(shop, order)
            shop.pass_()
            assert shop.lives() == []

        assert shop.states(order) == states
        assert shop.review() == []
        assert shop.pass_().counts["created"] == 0
        assert shop.asked("pos") == []

    def test_an_unpaid_order_is_a_closed_sale_without_payments(self) -> None:
        shop = Shop()
        order = shop.order(status=UNPAID)

        shop.pass_()

        assert [(sale["state"], sale["attributes"], sale["payments"]) for sale in shop.sales(order)] == [
            ("closed", [], [])
        ]
        assert shop.row(order).applied.state is AppliedState.UNPAID

    def test_an_unpaid_order_may_be_booked_on_account(self) -> None:
        shop = Shop(settings={"sync": {"start": NOW, "unpaid": "on_account"}})
        order = shop.order(status=UNPAID)
        shop.pass_()
        assert [(sale["state"], sale["attributes"]) for sale in shop.sales(order)] == [("pending", ["onaccount"])]

        pays(shop, order)
        report = shop.pass_()

        assert [(sale["state"], sale["attributes"]) for sale in shop.sales(order)] == [("closed", ["onaccount"])]
        assert report.counts["settled"] == 1

    def test_an_order_cancelled_before_it_was_seen_may_be_left_out(self) -> None:
        shop = Shop(settings={"sync": {"start": NOW, "cancelled_unseen": "skip"}})
        order = shop.order(status=OrderStatus.CANCELLED)

        shop.pass_()

        assert shop.states(order) == []
        assert shop.lives() == []

    def test_an_edit_may_be_left_to_a_person(self) -> None:
        shop = Shop(settings={"sync": {"start": NOW, "edits": "review"}})
        order = shop.order()
        shop.pass_()
        shop.edit(order, shop.store.item("MUG", 2))

        report = shop.pass_()

        [item] = shop.review()
        assert (item.reason, item.detail) == (Reason.EDITED, "sale 10.80, order now 21.60")
        assert (shop.states(order), report.set_aside, report.waiting) == (["closed"], 1, 1)

    def test_an_order_that_goes_back_to_pending_keeps_its_sale_and_is_told(self) -> None:
        shop = Shop()
        order = shop.order()
        shop.pass_()
        shop.happens(shop.store.set_status, order, OrderStatus.PENDING)
        assert shop.pass_().set_aside == 1
        assert (shop.states(order), shop.review()[0].reason) == (["closed"], Reason.LEFT_SALE)

        pays(shop, order)
        shop.pass_()

        assert shop.review() == []
        assert shop.lives() == []

    def test_an_order_that_is_unpaid_again_keeps_its_payments_and_is_told(self) -> None:
        shop = Shop()
        order = shop.order()
        shop.pass_()
        shop.happens(shop.store.void_payments, order)

        shop.pass_()

        assert shop.review()[0].reason is Reason.UNPAID_AGAIN
        assert len(shop.sales(order)[0]["payments"]) == 1

    @pytest.mark.parametrize("answer", ["refused", "ignored"])
    def test_a_void_that_does_not_come_about_is_left_to_a_person_and_done_once_that_did_it(self, answer: str) -> None:
        shop = Shop(switches=Switches(void_by_put=answer))
        order = shop.order()
        shop.pass_()
        cancels(shop, order)

        report = shop.pass_()

        [item] = shop.review()
        assert (item.reason, item.field, report.set_aside) == (Reason.VOID_BY_HAND, "void_sale", 1)
        assert "by hand" in item.hint
        assert shop.row(order).applied.state is AppliedState.PAID
        shop.later()
        assert [item.reason for item in shop.review()] == [Reason.VOID_BY_HAND]

        shop.world.switch(void_by_put="works")
        shop.world.pos.sales.get(shop.row(order).applied.sale_id)["state"] = "voided"
        shop.world.switch(void_by_put=answer)
        shop.later(hours=24)

        assert shop.review() == []
        assert shop.row(order).applied.state is AppliedState.VOIDED

    @pytest.mark.parametrize("answer", ["refused", "ignored"])
    def test_payments_that_do_not_come_about_are_not_taken_for_granted(self, answer: str) -> None:
        shop = Shop(switches=Switches(edit_of_closed=answer))
        order = shop.order(status=UNPAID)
        shop.pass_()
        pays(shop, order)

        shop.pass_()

        assert [item.reason for item in shop.review()] == [Reason.PAY_BY_HAND]
        assert shop.row(order).applied.state is AppliedState.UNPAID
        shop.world.switch(edit_of_closed="works")
        shop.later()
        assert (shop.lives(), shop.review()) == ([], [])

    def test_an_edit_whose_void_is_refused_writes_no_second_sale(self) -> None:
        shop = Shop(switches=Switches(void_by_put="refused"))
        order = shop.order()
        shop.pass_()
        shop.edit(order, shop.store.item("MUG", 2))

        report = shop.pass_()

        assert (report.counts["created"], report.counts["voided"]) == (0, 0)
        assert shop.states(order) == ["closed"]
        shop.world.switch(void_by_put="works")
        shop.later()
        assert shop.states(order) == ["voided", "closed"]
        assert (shop.lives(), shop.review()) == ([], [])

    def test_an_edit_whose_new_sale_is_refused_is_counted_as_a_void_and_finished_later(self) -> None:
        shop = Shop()
        order = shop.order()
        shop.pass_()
        shop.edit(order, shop.store.item("MUG", 2))
        mug = shop.world.pos.with_code("MUG")[0]["id"]
        shop.watch("PUT", "/sales/", lambda: shop.world.pos.delete(shop.world.pos.products, mug))

        report = shop.pass_()

        assert (report.counts["voided"], report.counts["created"], report.set_aside) == (1, 0, 1)
        assert shop.row(order).applied.state is AppliedState.VOIDED
        shop.later()
        assert (shop.states(order), shop.review()) == (["voided", "closed"], [])

    def test_a_digital_order_is_a_sale_as_well(self, shop: Shop) -> None:
        shop.sell("PDF", kind=LineKind.DIGITAL, stock=None)
        shop.order("PDF")

        shop.pass_()

        assert shop.lives() == []


class TestWhatIsSetAside:
    def test_one_bad_order_keeps_none_of_the_others(self, shop: Shop) -> None:
        bad = [
            shop.order(currency="EUR"),
            shop.order(fields={"total_inc_tax": "99.0000"}),
            shop.order(fields={"status_id": 77}),
            shop.order(fields={"billing_address": "nowhere"}),
        ]
        shop.order()

        report = shop.pass_()

        assert shop.lives(without=bad) == []
        assert (report.set_aside, report.waiting) == (4, 4)
        assert shop.checkpoint.last_runs(1)[0].outcome is RunOutcome.SET_ASIDE
        found = {item.order_id: item for item in shop.review()}
        assert [found[number].reason for number in bad] == [
            Reason.FOREIGN_CURRENCY,
            Reason.TOTALS_DIFFER,
            Reason.UNKNOWN_STATUS,
            Reason.WRONG_TYPE,
        ]
        assert all(item.hint and item.detail and item.payload["id"] == number for number, item in found.items())

    def test_it_is_news_once(self, shop: Shop) -> None:
        shop.order(fields={"status_id": 77})
        shop.order(currency="EUR")

        assert [shop.pass_().set_aside for _ in range(3)] == [2, 0, 0]
        assert shop.pass_().waiting == 2

    def test_an_order_without_a_number_is_kept_by_its_content(self, shop: Shop) -> None:
        broken = shop.order()
        shop.store.orders[broken].fields["channel_id"] = True
        shop.store.orders[broken].id = 0

        shop.pass_()

        [item] = shop.review()
        assert (item.order_id, item.reason) == (0, Reason.WRONG_TYPE)

    def test_a_mended_order_is_imported_and_solved(self, shop: Shop) -> None:
        bad = shop.order(fields={"total_inc_tax": "99.0000"})
        shop.pass_()

        shop.happens(shop.store.overwrite, bad, {"total_inc_tax": "10.8000"})
        report = shop.pass_()

        assert (report.counts["created"], report.waiting) == (1, 0)
        assert shop.checkpoint.review_item_of(bad).state is ReviewState.SOLVED

    def test_what_was_dismissed_comes_back_when_the_order_changes(self, shop: Shop) -> None:
        bad = shop.order(currency="EUR")
        shop.pass_()
        shop.checkpoint.dismiss(shop.review()[0].id, "entered by hand", shop.time.now())
        shop.later(2)
        assert shop.review() == []

        shop.happens(shop.store.touch, bad)
        report = shop.pass_()

        assert (report.set_aside, [item.order_id for item in shop.review()]) == (1, [bad])

    def test_a_person_may_have_it_tried_at_once(self, shop: Shop) -> None:
        bad = shop.order(fields={"total_inc_tax": "99.0000"})
        shop.pass_()
        shop.store.orders[bad].fields["total_inc_tax"] = "10.8000"

        shop.checkpoint.retry(None, shop.time.now())
        report = shop.pass_()

        assert (report.counts["created"], report.waiting) == (1, 0)
        assert shop.lives() == []

    def test_an_order_that_is_gone_from_the_store_is_asked_for_less_and_less_often(self, shop: Shop) -> None:
        shop.world.pos.add_product("Twin", "MUG")
        bad = shop.order(items=(shop.store.item("MUG"), Item(name="Extra", price="1.00")))
        shop.pass_()
        assert [item.reason for item in shop.review()] == [Reason.AMBIGUOUS_PRODUCT]
        shop.store.drop(bad)

        report = shop.later(hours=1)
        assert report.counts["not_found"] == 1
        report = shop.later(minutes=1)

        assert report.counts["not_found"] == 0
        assert [item.tries for item in shop.review()] == [1]

    def test_a_retry_that_cannot_be_read_keeps_no_new_order_waiting(self, shop: Shop) -> None:
        shop.world.pos.add_product("Twin", "MUG")
        bad = shop.order(items=(shop.store.item("MUG"), Item(name="Extra", price="1.00")))
        shop.pass_()
        shop.sell("CUP")
        shop.order("CUP")
        shop.time.forward(hours=1)
        shop.fails(Fault.ERROR_503, "GET", f"/orders/{bad}", side="store", times=5)

        with pytest.raises(Unreachable):
            shop.pass_()

        assert shop.lives(without=[bad]) == []


class TestStopping:
    def test_a_stop_before_a_pass_sends_nothing(self, shop: Shop) -> None:
        shop.order()
        shop.stop.set()

        with pytest.raises(RetryLater, match="stopped"):
            shop.pass_()

        assert (shop.asked("store"), shop.asked("pos")) == ([], [])
        assert shop.checkpoint.last_runs(1)[0].outcome is RunOutcome.STOPPED

    def test_a_stop_ends_the_pass_after_what_is_in_flight(self, shop: Shop) -> None:
        cursor = shop.checkpoint.cursor()
        orders = [shop.order() for _ in range(5)]
        shop.watch("POST", "/sales", shop.stop.set)

        with pytest.raises(RetryLater, match="stopped"):
            shop.pass_()

        assert [len(shop.sales(number)) for number in orders] == [1, 0, 0, 0, 0]
        assert shop.checkpoint.cursor() == cursor
        assert shop.checkpoint.open_intents() == []
        shop.restart()
        assert shop.pass_().counts["created"] == 4
        assert shop.lives() == []

    def test_a_stop_while_a_page_is_read_leaves_it_for_the_next_pass(self, shop: Shop) -> None:
        shop.order()
        shop.watch("GET", "/v2/orders", shop.stop.set)

        with pytest.raises(RetryLater, match="stopped"):
            shop.pass_()

        assert shop.review() == []
        shop.restart()
        shop.pass_()
        assert shop.lives() == []

    def test_a_stop_after_the_last_write_loses_nothing(self, shop: Shop) -> None:
        shop.order()
        shop.watch("POST", "/sales", shop.stop.set)

        with pytest.raises(RetryLater):
            shop.pass_()
        shop.restart()
        report = shop.pass_()

        assert report.counts["created"] == 0
        assert shop.lives() == []


class TestFailures:
    @pytest.mark.parametrize("side", ["store", "pos"])
    @pytest.mark.parametrize("fault", [Fault.TOKEN_REFUSED, Fault.SCOPE_REFUSED])
    def test_a_refused_token_stops_everything_and_sets_nothing_aside(self, shop: Shop, side: str, fault: Fault) -> None:
        for _ in range(3):
            shop.order()
        shop.world.faults.on(fault, lambda request: request.side == side)

        with pytest.raises(AccessRefused):
            shop.pass_()

        assert shop.review() == []
        assert shop.checkpoint.last_runs(1)[0].outcome is RunOutcome.FAILED
        shop.pass_()
        assert (shop.lives(), shop.review()) == ([], [])

    def test_settings_that_do_not_fit_the_pos_stop_the_pass(self) -> None:
        shop = Shop(settings={"pos": {"register": "Nowhere"}})
        shop.order()

        with pytest.raises(SettingsError):
            shop.pass_()

        assert shop.checkpoint.last_runs(1)[0].outcome is RunOutcome.FAILED
        assert shop.checkpoint.ledger_count() == 0

    def test_the_order_of_members_makes_no_other_fingerprint(self) -> None:
        assert fingerprint({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint({"b": {"d": 3, "c": 2}, "a": 1})
        assert fingerprint({"a": 1}) != fingerprint({"a": 2})

    def test_what_was_written_is_logged(self, shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "bcpoll.books")
        new, foreign = shop.order(), shop.order(currency="EUR")

        shop.pass_()

        assert f"order {new}: sale {shop.row(new).applied.sale_id} created" in caplog.text
        assert f"order {foreign} set aside: foreign currency" in caplog.text

    def test_a_checkpoint_on_disk_goes_on_after_a_restart(self, tmp_path: Path) -> None:
        shop = Shop(path=tmp_path / "bcpoll.db")
        shop.order()
        shop.pass_()

        shop.restart()
        shop.order()
        report = shop.pass_()

        assert (report.counts["created"], report.counts["unchanged"]) == (1, 1)
        assert shop.lives() == []
