"""The known ways in which order syncs fail, one story each. `table` says which guard each of them is held off by.

A story asserts the harm that is not done, and lets no error of the program end it before that.
"""

import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from builders import (
    STORE,
    a_line,
    a_policy,
    a_status,
    an_order,
    desired_of,
    numbered,
    reckoned,
    rejected_of,
    sale_of,
)
from shop import ADA, GUEST, NOW, OUTLET, Killed, Shop, Time
from wsgi import BASE_URL

from bcpoll import decide, logs
from bcpoll.adapters import pos
from bcpoll.adapters.oauth import Application, RotatingTokens, TokenEndpoint
from bcpoll.adapters.token_file import TokenFile, TokenPair
from bcpoll.budget import Clock, WindowBudget
from bcpoll.checkpoint import Checkpoint, Intent, IntentKind, RunOutcome
from bcpoll.cli import wiring
from bcpoll.core.order import Json
from bcpoll.core.plan import plan, refund_sale_id, sale_id
from bcpoll.core.rejected import Reason
from bcpoll.core.sale import Applied, AppliedState, CreateRefund, Desired, Plan, Refunded, RefundSale, ReturnedLine
from bcpoll.core.shop import PosSale
from bcpoll.core.status import OrderStatus
from bcpoll.core.times import parse_time
from bcpoll.cycle import Report, run_pass
from bcpoll.errors import AccessRefused, GiveUp, RetryLater, WrongAnswer
from bcpoll.http import Client
from bcpoll.lock import LockHeld
from bcpoll.ports import PointOfSale
from bcpoll.sandbox.drafts import Item
from bcpoll.sandbox.faults import Fault, Request
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches
from bcpoll.scheduler import Loop

DAY, MINUTE, SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)
UNPAID = OrderStatus.AWAITING_PAYMENT


def a_pass(shop: Shop) -> Report | None:
    """One pass, whatever ends it: what counts is what it leaves behind."""
    with suppress(Exception):
        return shop.pass_()
    return None


def opened(**more: Any) -> Shop:
    """A shop whose first pass is over, with a customer whom both sides know: a new order is one write to the POS."""
    shop = Shop(**more)
    shop.world.pos.add_customer(ADA.first_name, ADA.last_name, ADA.email)
    shop.order()
    shop.pass_()
    return shop


# --- 1 to 6: nothing lost, nothing twice -----------------------------------------------------------------------------


def test_01_a_sale_twice_after_a_lost_answer() -> None:
    shop = opened(switches=Switches(existing_sale="doubles"))
    order = shop.order()
    shop.fails(Fault.RESET_AFTER, "POST", "/sales")

    a_pass(shop)

    assert shop.states(order) == ["closed"]
    assert (shop.lives(), shop.review()) == ([], [])


def test_01_a_sale_twice_after_a_killed_run() -> None:
    shop = opened(switches=Switches(existing_sale="doubles"))
    order = shop.order()
    shop.dies_at_write(1, after=True)

    with pytest.raises(Killed):
        shop.pass_()
    assert [intent.order_id for intent in shop.checkpoint.open_intents()] == [order]
    shop.restart()
    a_pass(shop)

    assert shop.states(order) == ["closed"]
    assert shop.lives() == []


def test_01_a_sale_twice_by_two_hosts(tmp_path: Path) -> None:
    shop = opened(path=tmp_path / "bcpoll.db", switches=Switches(existing_sale="doubles"))
    shop.restart()
    shop.checkpoint.close()
    other = tmp_path / "other.db"
    other.write_bytes((tmp_path / "bcpoll.db").read_bytes())
    shop.put_in_place(other)
    order = shop.order()
    a_pass(shop)

    shop.put_in_place(other)
    a_pass(shop)

    assert shop.states(order) == ["closed"]
    assert shop.lives() == []


def test_01_a_sale_twice_after_a_lost_checkpoint() -> None:
    shop = Shop()
    order = shop.order()
    shop.pass_()

    shop.forget()
    shop.pass_()

    assert shop.states(order) == ["closed"]
    assert shop.lives() == []


def test_02_an_order_lost_in_the_second_of_the_cursor() -> None:
    shop = opened(switches=Switches(least_modified="exclusive"), settings={"sync": {"start": NOW, "overlap": "1m"}})
    shop.time.forward(hours=1)
    shop.order()
    shop.pass_()
    first_second = shop.checkpoint.cursor() - MINUTE

    late = shop.order(at=first_second)
    shop.pass_()

    assert shop.states(late) == ["closed"]


def test_02_an_order_lost_in_the_second_of_a_page_end() -> None:
    shop = opened(switches=Switches(least_modified="exclusive"), page_size=2)
    second = shop.time.forward(hours=1)
    for _ in range(2):
        shop.order(at=second)

    shop.pass_()

    assert shop.lives() == []


def test_03_an_order_that_shows_minutes_late() -> None:
    shop = opened()
    shop.time.forward(hours=1)
    shop.order()
    shop.pass_()

    late = shop.order(at=shop.time.now() - 9 * MINUTE)
    shop.pass_()

    assert shop.states(late) == ["closed"]


def test_03_an_order_that_shows_a_day_late() -> None:
    shop = opened()
    shop.time.forward(days=2)
    shop.order()
    shop.pass_()

    late = shop.order(at=shop.time.now() - DAY)
    shop.later(hours=25)

    assert shop.states(late) == ["closed"]


def test_04_pages_that_shift_while_they_are_read() -> None:
    shop = opened(page_size=2)
    shop.time.forward(hours=1)
    orders = [shop.order(at=shop.time.forward(minutes=1)) for _ in range(4)]
    shop.watch("GET", "/v2/orders", lambda: shop.happens(shop.store.touch, orders[0]))

    shop.pass_()

    assert shop.lives() == []


def test_04_a_crowded_second_that_shifts_while_it_is_read() -> None:
    shop = Shop(page_size=2)
    second = shop.time.forward(hours=1)
    crowd = [shop.order(at=second) for _ in range(3)]
    reads = itertools.count(1)

    def shifts(request: Request) -> None:
        # The first page of the crowd is read again from its own second on before the next one is asked for by number.
        if "min_date_modified" in request.params and next(reads) == 2:
            shop.happens(shop.store.touch, crowd[0])

    shop.world.after.append(shifts)

    shop.pass_()

    assert shop.lives() == []


def test_05_a_cursor_that_moves_over_an_error() -> None:
    shop = opened()
    cursor = shop.checkpoint.cursor()
    shop.order()
    shop.fails(Fault.RESET_BEFORE, "POST", "/sales")
    shop.fails(Fault.ERROR_503, "GET", "/sales/", times=50)

    a_pass(shop)

    assert shop.checkpoint.cursor() == cursor
    shop.restart()
    shop.pass_()
    assert shop.lives() == []


def test_05_an_order_that_is_dropped_without_a_word() -> None:
    shop = opened()
    unreadable = shop.order(fields={"billing_address": "nowhere"})

    report = a_pass(shop)

    assert [(item.order_id, item.reason, item.payload["id"]) for item in shop.review()] == [
        (unreadable, Reason.WRONG_TYPE, unreadable)
    ]
    assert report is not None
    assert report.set_aside == 1


def test_06_a_bug_over_one_order_that_blocks_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = opened()
    odd, plain = shop.order(), shop.order()
    translate = decide.translate

    def breaks(order: Any, *more: Any, **named: Any) -> Any:
        return 1 // 0 if order.id == odd else translate(order, *more, **named)

    monkeypatch.setattr(decide, "translate", breaks)

    a_pass(shop)

    assert shop.states(plain) == ["closed"]
    assert [(item.order_id, item.reason) for item in shop.review()] == [(odd, Reason.UNEXPECTED)]


class Picky:
    """A POS that refuses the sale of one order for good."""

    def __init__(self, point: PointOfSale, order_id: int) -> None:
        self._point = point
        self._order_id = order_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._point, name)

    def create_sale(self, body: Json) -> PosSale:
        if body["source"]["id"] == str(self._order_id):
            raise GiveUp("Lightspeed refused POST /sales (400): no", status=400)
        return self._point.create_sale(body)


def test_06_a_refused_order_that_blocks_all_others() -> None:
    shop = opened()
    bad, good = shop.order(), shop.order()

    with shop.connected() as shell, suppress(GiveUp):
        run_pass(replace(shell, pos=cast(PointOfSale, Picky(shell.pos, bad))))

    assert shop.states(good) == ["closed"]
    assert [(item.order_id, item.reason) for item in shop.review()] == [(bad, Reason.POS_REFUSED)]
    assert shop.checkpoint.last_runs(1)[0].outcome is RunOutcome.SET_ASIDE


# --- 7 to 10: the past, stock and money back -------------------------------------------------------------------------


def test_07_a_first_run_that_books_the_past() -> None:
    shop = Shop(start="now")
    past = [shop.order(at=NOW - days * DAY) for days in (1, 30)]
    shop.time.forward(minutes=1)
    shop.pass_()

    for order in past:
        shop.happens(shop.store.ship, order)
    shop.order()
    shop.pass_()

    assert [shop.states(order) for order in past] == [[], []]
    assert shop.stock() == 49


def a_shop_with_a_past() -> Shop:
    shop = Shop(start=NOW)
    shop.order("MUG", 3, at=NOW - 30 * DAY)
    shop.count_stock()
    return shop


def test_07_a_history_that_takes_its_goods_out_of_todays_stock() -> None:
    shop = a_shop_with_a_past()

    shop.backfill()

    assert shop.lives() == []


def test_07_a_history_that_dies_before_it_has_put_its_goods_back() -> None:
    shop = a_shop_with_a_past()
    # The customer, the sale, and the reason of the adjustment that never came.
    shop.dies_at_request(3, only_writes=True, after=True)
    with pytest.raises(Killed):
        shop.backfill()
    shop.restart()

    shop.pass_()

    assert shop.lives() == []


def test_07_a_history_that_puts_its_goods_back_twice() -> None:
    shop = a_shop_with_a_past()

    # What is never settled would be put back for ever.
    shop.dies_at_request(8, only_writes=True, after=False)
    with suppress(Killed):
        shop.backfill()

    assert shop.lives() == []


def test_08_stock_taken_out_twice() -> None:
    shop = opened()
    shop.sell("CUP", known=False, stock=10)
    shop.order("CUP", 3)
    shop.order("MUG", 2)

    shop.pass_()

    assert (shop.stock("CUP"), shop.store.catalogue.left("CUP")) == (7, 7)
    assert shop.lives() == []
    assert not [line for line in shop.writes() if "stock_adjustments" in line]


def test_08_stock_taken_out_by_a_sale_that_takes_none() -> None:
    shop = opened()
    shop.sell("CUP", known=False, stock=10)
    shop.order("CUP", 3, status=OrderStatus.CANCELLED)

    shop.pass_()

    assert shop.stock("CUP") == 10


def test_08_returned_stock_taken_out_twice() -> None:
    shop = opened(settings={"sync": {"start": NOW, "restock_refunds": False}})
    order = shop.order(quantity=3)
    shop.pass_()
    shop.happens(shop.refund, order, Refund(lines={0: 2}))
    # The refund's sale and the reason for the adjustment are written before it.
    shop.dies_at_write(3, after=True)

    with pytest.raises(Killed):
        shop.pass_()
    shop.restart()
    a_pass(shop)

    assert (shop.stock(), shop.store.catalogue.left("MUG")) == (46, 46)
    assert len(list(shop.world.pos.adjustments)) == 1


NO_REFUNDS = Refunded()
SOLD = desired_of(an_order(a_line(price="30.00", quantity=3)))
BOOKED = Applied(
    order_id=SOLD.order_id,
    state=AppliedState.PAID,
    revision=1,
    sale_id=sale_id(STORE, SOLD.order_id, 1),
    content=SOLD.content,
    total=Decimal("90.00"),
)


def a_refund(number: int, amount: str, units: int) -> RefundSale:
    """A refund of so many units of the order's one line."""
    assert SOLD.sale is not None
    sale = replace(SOLD.sale, total=-Decimal(amount), lines=(), payments=())
    back = ReturnedLine(line_id=1, units=units, ordered=3)
    return RefundSale(refund_id=number, sale=sale, returned=(back,), goods=(), products=())


def planned(desired: Desired, refunded: Refunded = NO_REFUNDS) -> Plan:
    return plan(desired, BOOKED, store_hash=STORE, policy=a_policy(), refunded=refunded)


def refunds_booked(*refunds: RefundSale, refunded: Refunded = NO_REFUNDS) -> list[int]:
    """Which of these refunds are booked."""
    actions = planned(replace(SOLD, refunds=refunds), refunded).actions
    return [action.refund.refund_id for action in actions if isinstance(action, CreateRefund)]


def refunds_in_the_pos(shop: Shop) -> list[Decimal]:
    """The totals of the refund sales that the POS holds."""
    return [total for sale in shop.world.pos.sales if (total := Decimal(sale["totals"]["price_incl_tax"])) < 0]


def time_goes_by(shop: Shop) -> None:
    """Let the cursor leave all orders behind that were placed so far."""
    shop.pass_()
    shop.time.forward(hours=2)
    shop.order()
    shop.pass_()


def test_09_a_refund_that_is_ignored() -> None:
    shop = opened(switches=Switches(refunds="leave_date"))
    order = shop.order(quantity=3)
    time_goes_by(shop)

    shop.happens(shop.refund, order, Refund(lines={0: 1}, restock=True, status=OrderStatus.AWAITING_FULFILLMENT))
    shop.pass_()

    assert refunds_in_the_pos(shop) == [Decimal("-10.80")]
    assert (shop.stock(), shop.review()) == (46, [])


def test_09_a_refund_that_shows_late() -> None:
    shop = opened(switches=Switches(refunds="leave_date"))
    first, other = shop.order(), shop.order()
    time_goes_by(shop)
    shop.store.refund(first, Refund(lines={0: 1}))
    shop.pass_()

    shop.store.refund(other, Refund(lines={0: 1}), at=shop.time.now() - 9 * MINUTE)
    shop.pass_()

    assert len(refunds_in_the_pos(shop)) == 2


def test_09_a_status_trusted_without_money() -> None:
    refunded = planned(desired_of(an_order(a_line(price="30.00", quantity=3), **a_status(OrderStatus.REFUNDED))))

    assert refunded.actions == ()
    assert refunded.notice is not None
    assert refunded.notice.reason is Reason.REFUND_UNKNOWN


def test_10_a_refund_booked_twice_after_a_killed_run() -> None:
    shop = opened(switches=Switches(existing_sale="doubles"))
    order = shop.order(quantity=3)
    shop.pass_()
    shop.happens(shop.refund, order, Refund(lines={0: 1}, restock=True))
    shop.dies_at_write(1, after=True)

    with pytest.raises(Killed):
        shop.pass_()
    shop.restart()
    a_pass(shop)

    assert refunds_in_the_pos(shop) == [Decimal("-10.80")]
    assert (shop.stock(), shop.review()) == (47, [])


def test_10_a_refund_booked_twice_after_a_lost_checkpoint() -> None:
    assert len({refund_sale_id(STORE, 7) for _ in range(2)}) == 1


def test_10_a_refund_booked_twice_as_time_goes_by() -> None:
    shop = opened(switches=Switches(existing_sale="doubles"))
    order = shop.order(quantity=3)
    shop.pass_()
    shop.happens(shop.refund, order, Refund(lines={0: 1}, restock=True))
    shop.pass_()

    shop.happens(shop.store.touch, order)
    a_pass(shop)

    assert refunds_in_the_pos(shop) == [Decimal("-10.80")]


def test_10_refunds_beyond_what_was_paid() -> None:
    before = Refunded(total=Decimal("60.00"), is_booked=True, is_known=True)

    assert refunds_booked(a_refund(1, "40.00", 1), refunded=before) == []
    assert refunds_booked(a_refund(1, "20.00", 1), a_refund(2, "20.00", 1), refunded=before) == [1]


def test_10_more_units_back_than_were_sold() -> None:
    before = Refunded(total=Decimal("1.00"), units={1: 2}, is_booked=True, is_known=True)

    assert refunds_booked(a_refund(1, "1.00", 2), refunded=before) == []
    assert refunds_booked(a_refund(1, "1.00", 1), a_refund(2, "1.00", 1), refunded=before) == [1]


# --- 11 to 13: money -------------------------------------------------------------------------------------------------


def test_11_off_by_a_cent_in_rounding() -> None:
    assert sale_of(an_order(a_line(price="1.125"))).total == Decimal("1.13")


def test_11_off_by_a_cent_over_the_lines() -> None:
    sale = sale_of(an_order(*numbered(*(a_line(f"SKU-{n}", "3.3333") for n in range(3)))))

    assert (sale.total, reckoned(sale)) == (Decimal("10.00"), Decimal("10.00"))


def test_11_off_by_a_cent_within_a_line() -> None:
    cent = Decimal("0.01")
    lines = (a_line("UP", cent / 2000, 2000), a_line("DOWN", cent / 3000, 3000))

    sale = sale_of(an_order(*numbered(*lines)))

    by_code = {
        code: sum(each.unit_price * each.quantity for each in sale.lines if each.code == code)
        for code in ("UP", "DOWN")
    }
    assert by_code == {"UP": cent, "DOWN": cent}


def test_11_off_by_a_cent_by_small_errors() -> None:
    sale = sale_of(an_order(*numbered(*(a_line(f"SKU-{n}", Decimal(10) / 700, 700) for n in range(2)))))

    assert (sale.total, reckoned(sale)) == (Decimal("20.00"), Decimal("20.00"))


def test_12_a_discount_that_no_line_shows() -> None:
    raw = an_order(a_line(price="10.00")) | {"total_inc_tax": "7.0000", "total_ex_tax": "7.0000"}

    rejected = rejected_of(raw)

    assert (rejected.reason, "10.00" in rejected.detail, "7.00" in rejected.detail) == (
        Reason.TOTALS_DIFFER,
        True,
        True,
    )


def test_12_a_discount_lost_in_an_old_order() -> None:
    sale = sale_of(an_order(a_line(price="10.00", off="2.00", discounted_total_inc_tax=None)))

    assert (sale.total, [line.unit_price for line in sale.lines]) == (Decimal("8.00"), [Decimal("8.00000")])


@pytest.mark.parametrize("unpaid", ["closed", "on_account"])
def test_13_paid_later_and_never_updated(unpaid: str) -> None:
    shop = opened(settings={"sync": {"start": NOW, "unpaid": unpaid}})
    order = shop.order(status=UNPAID)
    shop.pass_()

    shop.happens(shop.store.pay, order)
    shop.fails(Fault.RESET_AFTER, "PUT", "/sales/")
    shop.pass_()

    assert shop.lives() == []
    assert [len(sale["payments"]) for sale in shop.sales(order)] == [1]


def test_13_unpaid_and_counted_as_paid() -> None:
    shop = opened()
    order = shop.order(status=UNPAID)

    shop.pass_()

    assert [sale["payments"] for sale in shop.sales(order)] == [[]]
    assert shop.lives() == []


# --- 14 to 17: lines, customers, products ----------------------------------------------------------------------------


def labels(count: int) -> tuple[Item, ...]:
    return tuple(Item(name="Label", price="1.00", tax_rate="0") for _ in range(count))


def test_14_lines_cut_off_after_fifty() -> None:
    shop = opened(switches=Switches(embedded_lines="cut_silently"))
    order = shop.order(items=labels(60))

    shop.pass_()

    assert [len(sale["line_items"]) for sale in shop.sales(order)] == [60]
    assert shop.lives() == []


def test_14_lines_cut_off_after_a_page() -> None:
    shop = opened()
    order = shop.order(items=labels(251))

    shop.pass_()

    assert [len(sale["line_items"]) for sale in shop.sales(order)] == [251]


def test_15_a_guest_twice_by_the_case_of_an_address() -> None:
    shop = opened()
    for email in (GUEST.email, GUEST.email.upper()):
        shop.order(shopper=replace(GUEST, email=email))
        shop.pass_()

    assert shop.customers()[GUEST.email] == 1


def test_15_a_customer_twice_by_a_search_that_lags() -> None:
    shop = opened(switches=Switches(search_lag_requests=50))
    for _ in range(2):
        shop.order(shopper=GUEST)
        shop.pass_()

    assert shop.customers()[GUEST.email] == 1


def test_15_twins_taken_by_turns() -> None:
    shop = Shop()
    twins = []
    for _ in range(2):
        shop.time.forward(hours=1)
        twins.append(shop.world.pos.add_customer("Hazel", "Spoon", GUEST.email))
    order = shop.order(shopper=GUEST)

    shop.pass_()

    assert [sale["customer_id"] for sale in shop.world.pos.sales if sale["source"]["id"] == str(order)] == twins[:1]


def test_16_a_sku_of_two_products() -> None:
    shop = opened()
    shop.world.pos.add_product("Twin", "Mug")
    shop.order(items=(shop.store.item("MUG"), Item(name="Label", price="1.00")))

    shop.pass_()

    assert [item.reason for item in shop.review()] == [Reason.AMBIGUOUS_PRODUCT]


def test_16_a_sku_in_another_case() -> None:
    shop = opened()
    shop.sell("Cup", known=False)
    known = shop.world.pos.add_product("Cup", "CUP", stock={OUTLET: "50"})
    shop.order("Cup")

    shop.pass_()

    assert [row["id"] for row in shop.world.pos.with_code("cup")] == [known]
    assert (shop.lives(), shop.review()) == ([], [])


def test_16_products_without_a_sku() -> None:
    shop = opened()
    order = shop.order(
        items=(Item(name="Vase", product_id=901, price="5"), Item(name="Bowl", product_id=902, price="7"))
    )

    a_pass(shop)

    assert [len({line["product"]["id"] for line in sale["line_items"]}) for sale in shop.sales(order)] == [2]


def test_17_a_product_gone_from_the_store() -> None:
    shop = opened()
    order = shop.order(items=(Item(name="Vase", sku="VASE", product_id=901, price="5"),))

    a_pass(shop)

    assert shop.states(order) == ["closed"]
    assert shop.lives() == []


def test_17_a_product_gone_from_the_pos() -> None:
    shop = opened()
    [mug] = shop.world.pos.with_code("MUG")
    shop.world.pos.delete(shop.world.pos.products, mug["id"])
    order = shop.order()

    shop.pass_()
    shop.later()

    assert shop.states(order) == ["closed"]
    assert shop.review() == []


# --- 18 to 22: runs, tokens, rate limits, clocks ---------------------------------------------------------------------


def test_18_two_runs_at_once(tmp_path: Path) -> None:
    settings = Shop(settings={"checkpoint": {"path": str(tmp_path / "bcpoll.db")}}).settings

    with (
        wiring.connected(settings, command="bcpoll run", stop=threading.Event()),
        pytest.raises(LockHeld, match="bcpoll run"),
        wiring.connected(settings, command="bcpoll run-once", stop=threading.Event()),
    ):
        pass


def test_18_two_writes_at_once() -> None:
    checkpoint = Checkpoint.in_memory(NOW)
    intent = Intent(key="sale:1", order_id=1, kind=IntentKind.SALE, target="1", body={}, created_at=NOW, run_id=None)
    checkpoint.intend([intent])

    with pytest.raises(sqlite3.IntegrityError):
        checkpoint.intend([intent])


def test_19_a_token_that_is_refused() -> None:
    shop = opened()
    shop.order()
    shop.fails(Fault.TOKEN_REFUSED, "POST", "/sales")

    with pytest.raises(AccessRefused):
        shop.pass_()

    assert shop.review() == []
    shop.pass_()
    assert shop.lives() == []


class Once:
    """A token endpoint that takes each refresh token once."""

    application = Application(domain_prefix="sandbox", client_id="client", client_secret="secret", redirect_url="")

    def __init__(self) -> None:
        self.taken: list[str] = []

    def refresh(self, pair: TokenPair) -> TokenPair:
        assert pair.refresh_token not in self.taken, "a refresh token was used twice"
        self.taken.append(pair.refresh_token)
        number = len(self.taken) + 1
        return replace(pair, access_token=f"access-{number}", refresh_token=f"refresh-{number}")


@pytest.fixture
def endpoint() -> Iterator[Once]:
    yield Once()
    logs._redactor.forget()


@pytest.fixture
def tokens(tmp_path: Path, endpoint: Once) -> Callable[[], RotatingTokens]:
    """The tokens of a checkpoint that has been connected, as each new process reads them."""
    time = Time()
    file = TokenFile(tmp_path / "bcpoll.db", clock=time.clock)
    first = TokenPair(
        domain_prefix="sandbox",
        client_id="client",
        access_token="access-1",
        refresh_token="refresh-1",
        issued_at=time.at,
        expires_at=None,
    )
    with file.turn(), file.replacing() as write:
        write(first)
    return lambda: RotatingTokens(cast(TokenEndpoint, endpoint), file, clock=time.clock)


def test_19_a_token_that_is_renewed_twice(tokens: Callable[[], RotatingTokens], endpoint: Once) -> None:
    one, other = tokens(), tokens()

    renewed = [process.renewed("access-1") for process in (one, other, one)]

    assert (renewed, endpoint.taken) == (["access-2"] * 3, ["refresh-1"])


def test_19_a_pair_that_is_used_and_not_kept(tokens: Callable[[], RotatingTokens]) -> None:
    used = tokens().renewed("access-1")

    assert tokens().current() == used


def waited(shop: Shop) -> timedelta:
    """How long a pass waits."""
    before = shop.time.now()
    shop.pass_()
    return shop.time.now() - before


def test_20_a_429_without_a_header() -> None:
    shop = opened()
    shop.order()
    shop.fails(Fault.BUSY_BARE, "POST", "/sales")

    assert waited(shop) >= timedelta(seconds=30)
    assert shop.lives() == []


def test_20_a_429_with_a_date() -> None:
    shop = opened()
    shop.world.faults.retry_after = 200
    shop.order()
    shop.fails(Fault.BUSY_DATE, "POST", "/sales")

    assert waited(shop) >= timedelta(seconds=200)


def test_20_a_429_that_only_one_worker_heeds() -> None:
    shop = opened()
    shop.order()
    shop.fails(Fault.BUSY_SECONDS, "POST", "/sales")
    client: list[Client] = []
    others: list[object] = []

    def sleep(seconds: float) -> None:
        others.append(client[0]._budget.try_claim())
        shop.time.forward(seconds=seconds)

    clock = replace(shop.time.clock, sleep=sleep)
    with pos.connect(BASE_URL, "pos-token", clock=clock) as one:
        client.append(one)
        one._session.mount(BASE_URL, shop._line)
        with suppress(Exception):
            one.post("/api/2026-07/sales", {})

    assert others == [shop.world.faults.retry_after]


def test_20_a_429_that_does_not_lift() -> None:
    shop = opened()
    shop.order()
    shop.fails(Fault.BUSY_BARE, "POST", "/sales", times=99)

    with pytest.raises(RetryLater):
        shop.pass_()

    assert shop.review() == []
    shop.restart()
    shop.pass_()
    assert shop.lives() == []


def test_20_a_budget_that_is_overdrawn() -> None:
    slept: list[float] = []
    at = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        at[0] += seconds

    budget = WindowBudget(window=300, clock=Clock(monotonic=lambda: at[0], sleep=sleep))

    for _ in range(4):
        with budget.request() as sent:
            sent.headers = {"X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "2"}

    assert sum(slept) >= 300


def test_21_an_hour_that_comes_twice() -> None:
    first, second = (parse_time(f"Sun, 01 Nov 2026 01:30:00 {zone}") for zone in ("-0400", "-0500"))

    assert first == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert second == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


def test_21_a_time_without_a_zone() -> None:
    shop = opened()
    order = shop.order(fields={"date_created": "Fri, 20 Nov 2026 09:30:00"})

    shop.pass_()

    assert shop.states(order) == []
    assert [item.reason for item in shop.review()] == [Reason.WRONG_TYPE]


def test_21_a_schedule_by_the_host_s_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Australia/Lord_Howe")

    loop = Loop(lambda: None, interval=timedelta(minutes=5))

    assert str(loop._scheduler.timezone) == "UTC"


def test_22_a_cursor_by_a_clock_that_is_ahead() -> None:
    shop = Shop()
    shop.skew = timedelta(hours=5)
    shop.order()
    shop.pass_()

    order = shop.order()
    shop.pass_()

    assert shop.states(order) == ["closed"]


def test_22_a_start_by_a_clock_that_is_ahead() -> None:
    shop = Shop(start="now")
    shop.skew = timedelta(hours=5)
    shop.pass_()

    order = shop.order()
    shop.pass_()

    assert shop.states(order) == ["closed"]


def test_22_a_clock_that_nobody_minds(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop()
    store = SimpleNamespace(server_date=wiring.now() - timedelta(minutes=90))

    wiring.Connection(shop.settings, shop.checkpoint, cast(Client, store), cast(Client, store)).warn_of_skew()

    assert "clock is 90 minutes ahead of BigCommerce's" in caplog.text


# --- 23 to 25: other money, other stock, and silence -----------------------------------------------------------------


def test_23_a_foreign_currency_booked_one_for_one() -> None:
    shop = opened()
    order = shop.order(currency="EUR")

    shop.pass_()

    assert shop.states(order) == []
    assert [item.reason for item in shop.review()] == [Reason.FOREIGN_CURRENCY]


def test_24_oversold_stock_that_is_corrected() -> None:
    shop = opened()
    shop.sell("CUP", known=False, stock=1)
    shop.sell("POT", known=True, stock=1)
    shop.order("CUP", 3)
    shop.order("POT", 3)

    shop.pass_()

    assert (shop.stock("CUP"), shop.stock("POT")) == (-2, -2)
    assert shop.lives() == []


def test_24_oversold_stock_that_the_pos_refuses() -> None:
    shop = opened(switches=Switches(negative_stock="refused"))
    shop.sell("POT", known=True, stock=1)
    order = shop.order("POT", 3)

    shop.pass_()

    [item] = shop.review()
    assert (item.order_id, item.reason, "not enough stock" in item.detail) == (order, Reason.POS_REFUSED, True)
    assert (shop.states(order), shop.stock("POT")) == ([], 1)


def test_24_a_customer_that_no_search_shows_yet() -> None:
    shop = opened(switches=Switches(search_lag_requests=50))
    order = shop.order(shopper=GUEST)
    shop.fails(Fault.RESET_AFTER, "POST", "/customers")

    shop.pass_()

    assert shop.states(order) == ["closed"]
    assert shop.customers()[GUEST.email] == 1


def test_25_a_filter_that_was_ignored() -> None:
    shop = opened()
    shop.order(at=NOW - DAY)
    shop.world.before.append(lambda request: request.params.pop("min_date_modified", None))

    with pytest.raises(WrongAnswer, match="filter was ignored"):
        shop.pass_()


def test_25_a_page_of_html_for_no_orders() -> None:
    shop = opened()
    shop.order()
    shop.fails(Fault.HTML_BODY, "GET", "/v2/orders", side="store", times=9)

    with pytest.raises(WrongAnswer):
        shop.pass_()


def test_25_runs_that_leave_no_trace() -> None:
    shop = opened()

    shop.pass_()

    [run] = shop.checkpoint.last_runs(1)
    assert (run.outcome, run.ended_at, run.counts.get("unchanged")) == (RunOutcome.DONE, shop.time.now(), 1)


def test_25_a_failure_that_counts_as_a_success() -> None:
    shop = opened()
    succeeded = shop.time.now()
    shop.time.forward(hours=1)
    shop.fails(Fault.ERROR_503, "GET", "/v2/orders", side="store", times=9)

    with pytest.raises(RetryLater):
        shop.pass_()

    success = shop.checkpoint.last_success()
    assert success is not None
    assert success.ended_at == succeeded


def test_25_a_list_that_hides_orders() -> None:
    shop = opened()

    def hide(request: Request) -> None:
        if "min_date_modified" in request.params:
            request.params.update(max_date_modified="Fri, 20 Nov 2026 09:00:30 +0000")

    shop.world.before.append(hide)
    shop.time.forward(hours=1)
    order = shop.order()
    shop.time.forward(hours=24)

    with pytest.raises(WrongAnswer, match=f"the newest order {order}, modified Fri, 20 Nov 2026 10:00:10"):
        shop.pass_()

    assert shop.checkpoint.last_runs(1)[0].outcome is RunOutcome.STOPPED


@pytest.mark.parametrize(("months", "told"), [(10, False), (11, True), (30, True)])
def test_25_an_api_version_past_its_end(months: int, told: bool, caplog: pytest.LogCaptureFixture) -> None:  # noqa: FBT001
    year, month = divmod(wiring.now().year * 12 + wiring.now().month - 1 - months, 12)
    shop = Shop(settings={"pos": {"api_url": "", "api_version": f"{year}-{month + 1:02}"}})
    client = cast(Client, SimpleNamespace())

    wiring.Connection(shop.settings, shop.checkpoint, client, client).warn_of_old_version()

    assert ("is no longer sure to be supported" in caplog.text) is told
