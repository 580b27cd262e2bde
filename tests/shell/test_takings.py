"""What was really paid, over whole passes: asked for where it may matter, never lost, and never asked for in vain."""

import logging
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from shop import ADA, NOW, Shop

from bcpoll.checkpoint import LedgerRow
from bcpoll.core.rejected import Reason
from bcpoll.core.sale import Applied, AppliedState
from bcpoll.core.status import OrderStatus
from bcpoll.errors import AccessRefused
from bcpoll.monitoring.reconcile import Reconciler, Window
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.switches import Switches
from bcpoll.sandbox.world import STORE_SCOPES
from bcpoll.transactions import outstanding

AWAITING = OrderStatus.AWAITING_PAYMENT
PENDING = OrderStatus.PENDING
TENDERS = {"payments": {"default": "Online - Card", "store_credit": "Store credit", "Cash on Delivery": "Cash"}}
ON_ACCOUNT = {"sync": {"start": NOW, "unpaid": "on_account"}}


def asked(shop: Shop) -> list[str]:
    """The transactions that the last pass asked for."""
    return [line for line in shop.asked("store") if line.endswith("/transactions")]


def payments(shop: Shop, order: int) -> dict[str, str]:
    """What the newest sale of an order was paid with."""
    names = {row["id"]: row["name"] for row in shop.world.pos.payment_types}
    rows = shop.sales(order)[-1]["payments"]
    return {names[row["type"]["config_id"]]: str(Decimal(row["amount"]).quantize(Decimal("0.01"))) for row in rows}


def an_order(shop: Shop, **draft: Any) -> int:
    return shop.order(tax_rate="0", **draft)


def an_authorized(shop: Shop) -> int:
    order = an_order(shop, status=PENDING)
    shop.store.authorize(order)
    return order


def goes_on_for_weeks(shop: Shop) -> None:
    """Let orders come in until the list of changed orders begins long after those of today."""
    for _ in range(3):
        shop.time.forward(days=7)
        shop.order()
        shop.pass_()


# --- when it is asked for --------------------------------------------------------------------------------------------


def test_a_page_of_plain_orders_costs_two_lists() -> None:
    shop = Shop()
    shop.pass_()
    for _ in range(40):
        an_order(shop)
    an_order(shop, payment_method="Cash on Delivery")
    an_order(shop, status=OrderStatus.CANCELLED)

    assert shop.pass_().counts["created"] == 42
    assert shop.asked("store") == ["GET /v3/orders/payment_actions/refunds", "GET /v2/orders"]


def test_only_orders_whose_status_leaves_it_open_are_asked_for_and_once_for_each_version() -> None:
    shop = Shop()
    an_order(shop)
    odd = [an_order(shop, status=AWAITING), an_authorized(shop), an_order(shop, store_credit="5.00")]

    shop.pass_()
    assert asked(shop) == [f"GET /v3/orders/{order}/transactions" for order in odd]

    shop.pass_()
    assert asked(shop) == []


def test_with_the_setting_off_nothing_is_asked_for_and_the_status_decides() -> None:
    shop = Shop(settings={"sync": {"start": NOW, "transactions": "off"}})
    order = an_authorized(shop)

    shop.pass_()

    assert asked(shop) == []
    assert payments(shop, order) == {"Online - Card": "10.00"}


def test_a_token_without_the_scope_is_told_once_and_the_status_decides(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop()
    shop.world.store_scopes = STORE_SCOPES - {"store_v2_transactions_read_only"}
    first, *_ = [an_authorized(shop) for _ in range(3)]

    with caplog.at_level(logging.INFO, logger="bcpoll"):
        report = shop.pass_()

    assert (report.counts["created"], report.set_aside) == (3, 0)
    assert len(asked(shop)) == 1
    [said] = [row for row in caplog.records if "store_v2_transactions_read_only" in row.message]
    assert said.levelno == logging.INFO
    assert payments(shop, first) == {"Online - Card": "10.00"}


def test_a_token_that_is_no_good_any_more_stops_the_pass() -> None:
    shop = Shop()
    an_authorized(shop)
    shop.fails(Fault.TOKEN_REFUSED, "GET", "/transactions", side="store")

    with pytest.raises(AccessRefused):
        shop.pass_()


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.HTML_BODY, Fault.EMPTY_BODY])
def test_an_order_over_which_the_store_breaks_waits_and_holds_up_no_other(fault: Fault) -> None:
    shop = Shop()
    broken, plain = an_authorized(shop), an_order(shop)
    shop.fails(fault, "GET", f"/v3/orders/{broken}/transactions", side="store", times=9)

    shop.pass_()
    assert (shop.states(plain), shop.states(broken)) == (["closed"], [])
    assert shop.review()[0].reason is Reason.PAYMENTS_UNREAD

    shop.world.faults.clear()
    shop.later()
    assert shop.row(broken).applied.state is AppliedState.UNPAID
    assert shop.review() == []


# --- what becomes of it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moves", ["move_date", "leave_date"])
def test_an_authorized_order_is_paid_once_it_is_captured_whether_that_moves_its_time_or_not(moves: str) -> None:
    shop = Shop(switches=Switches(captures=moves))
    order = an_authorized(shop)
    shop.pass_()
    assert payments(shop, order) == {}
    assert shop.lives() == []

    goes_on_for_weeks(shop)
    shop.store.capture(order)
    shop.later(hours=25)

    assert shop.row(order).applied.state is AppliedState.PAID
    assert payments(shop, order) == {"Online - Card": "10.00"}
    assert shop.states(order) == ["closed"]
    assert shop.lives() == []


def test_a_dry_run_shows_a_capture_that_the_sweep_will_find() -> None:
    shop = Shop(switches=Switches(captures="leave_date"))
    order = an_authorized(shop)
    shop.pass_()
    goes_on_for_weeks(shop)
    shop.store.capture(order)
    shop.time.forward(hours=25)

    planned = [one for one in shop.preview().planned if one.plan.actions]

    assert [one.order_id for one in planned] == [order]


def test_an_order_that_still_waits_for_its_capture_costs_no_write() -> None:
    shop = Shop()
    order = an_authorized(shop)
    shop.pass_()
    for _ in range(3):
        shop.later(hours=25)
        assert asked(shop) == [f"GET /v3/orders/{order}/transactions"]
        assert shop.writes() == []


def test_an_order_that_was_just_decided_about_is_not_tried_twice_in_a_pass() -> None:
    shop = Shop()
    order = an_authorized(shop)
    shop.pass_()
    shop.time.forward(hours=25)
    shop.store.capture(order)
    shop.world.switch(edit_of_closed="refused")

    shop.pass_()

    assert [(item.order_id, item.tries) for item in shop.review()] == [(order, 0)]
    assert len(shop.writes()) == 1


@pytest.mark.parametrize("redeemed", ["in_transactions", "left_out"])
@pytest.mark.parametrize("tenders", ["leave_total", "lower_total"])
def test_store_credit_is_a_tender_whatever_the_store_tells_of_it(redeemed: str, tenders: str) -> None:
    shop = Shop(switches=Switches(redeemed=redeemed, tenders=tenders), settings=TENDERS)
    card = an_order(shop, quantity=3, store_credit="12.00")
    cash = an_order(shop, quantity=3, store_credit="12.00", payment_method="Cash on Delivery")

    shop.pass_()

    assert payments(shop, card) == {"Store credit": "12.00", "Online - Card": "18.00"}
    assert payments(shop, cash) == {"Store credit": "12.00", "Cash": "18.00"}
    assert shop.lives() == []


def test_a_part_payment_stands_on_account_and_the_rest_is_added_to_it() -> None:
    shop = Shop(settings=ON_ACCOUNT | TENDERS)
    order = an_order(shop, quantity=5, status=AWAITING)
    shop.store.pay_part(order, "20.00", method="store_credit")
    shop.pass_()
    assert payments(shop, order) == {"Store credit": "20.00"}
    assert [(sale["state"], sale["attributes"]) for sale in shop.sales(order)] == [("pending", ["onaccount"])]

    shop.happens(shop.store.pay_part, order, "30.00")
    shop.pass_()

    assert payments(shop, order) == {"Store credit": "20.00", "Online - Card": "30.00"}
    assert shop.states(order) == ["closed"]


def test_a_part_payment_of_a_closed_sale_is_told_and_booked_together_with_the_rest() -> None:
    shop = Shop(switches=Switches(payment_sum="must_match"))
    order = an_order(shop, quantity=5, status=AWAITING)
    shop.store.pay_part(order, "20.00")
    shop.pass_()
    assert payments(shop, order) == {}
    assert "Paid when this was written: 20.00 of 50.00." in shop.sales(order)[0]["note"]

    shop.happens(shop.store.pay, order)
    shop.pass_()

    assert payments(shop, order) == {"Online - Card": "50.00"}
    assert shop.review() == []


def test_an_order_that_is_paid_too_much_is_set_aside_with_both_sums() -> None:
    shop = Shop()
    order = an_order(shop, quantity=2, status=AWAITING)
    shop.store.pay_part(order, "25.00")

    shop.pass_()

    [item] = shop.review()
    assert (item.order_id, item.reason) == (order, Reason.OVERPAID)
    assert item.detail == "payments of 25.00 for an order of 20.00"


def test_an_authorized_order_that_is_cancelled_before_its_capture_is_voided() -> None:
    shop = Shop()
    order = an_authorized(shop)
    shop.pass_()
    shop.happens(shop.store.cancel, order)

    shop.pass_()

    assert shop.states(order) == ["voided"]


# --- comparing -------------------------------------------------------------------------------------------------------


def differences(shop: Shop) -> list[Any]:
    with shop.connected() as shell:
        one = Reconciler(shell)
        window = Window(since=NOW - timedelta(days=1), until=NOW + timedelta(days=9))
        return [found for compared in one.compare(window) for found in compared.findings]


@pytest.mark.parametrize("settings", [{}, ON_ACCOUNT], ids=["closed", "on account"])
def test_both_sides_agree_about_what_is_not_paid_yet(settings: Any) -> None:
    shop = Shop(settings=settings)
    an_authorized(shop)
    part, growing = (an_order(shop, quantity=5, shopper=ADA, status=AWAITING) for _ in range(2))
    shop.store.pay_part(part, "20.00")
    shop.pass_()
    shop.happens(shop.store.pay_part, growing, "20.00")
    shop.later()

    assert differences(shop) == []


def test_an_order_whose_transactions_cannot_be_read_is_told() -> None:
    shop = Shop()
    order = an_authorized(shop)
    shop.pass_()
    shop.time.forward(hours=6)
    shop.fails(Fault.HTML_BODY, "GET", f"/v3/orders/{order}/transactions", side="store", times=9)

    [(_, said)] = differences(shop)

    assert said.startswith("payments not read")


# --- which orders the sweep looks at ---------------------------------------------------------------------------------


@pytest.fixture
def rows() -> Callable[..., LedgerRow]:
    def row(order_id: int, days: int, state: AppliedState, status: OrderStatus) -> LedgerRow:
        applied = Applied(order_id=order_id, state=state, revision=1, sale_id=f"sale-{order_id}")
        at = NOW - timedelta(days=days)
        return LedgerRow(
            order_id=order_id,
            status_id=status,
            modified_at=at,
            fingerprint="",
            applied=applied,
            disposition=state.value,
            written_at=at,
        )

    return row


def test_the_sweep_looks_at_what_may_be_paid_by_now_and_at_the_oldest_by_turns(rows: Callable[..., LedgerRow]) -> None:
    shop = Shop()
    unpaid, shipped = AppliedState.UNPAID, OrderStatus.SHIPPED
    shop.checkpoint.record(
        [
            rows(1, 1, unpaid, shipped),
            rows(2, 44, unpaid, OrderStatus.MANUAL_VERIFICATION_REQUIRED),
            rows(3, 1, unpaid, AWAITING),
            rows(4, 1, AppliedState.PAID, shipped),
            *(rows(order_id, 46, unpaid, shipped) for order_id in range(100, 130)),
        ]
    )
    with shop.connected() as shell:
        found = [outstanding(shop.checkpoint, shell.policy, NOW + timedelta(hours=24 * day)) for day in range(30)]

    assert found[0][:2] == [1, 2]
    assert [len(each) for each in found[:1]] == [3]
    assert {order_id for each in found for order_id in each} == {1, 2, *range(100, 130)}
