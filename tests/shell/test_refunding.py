"""Refunds through the whole flow: read, kept, booked once, and taken out of stock again where that is wanted."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from shop import ADA, BASIL, NOW, Killed, Shop

from bcpoll.checkpoint import IntentKind, RefundState
from bcpoll.core.plan import refund_sale_id
from bcpoll.core.rejected import Reason
from bcpoll.core.sale import CreateRefund
from bcpoll.core.status import OrderStatus
from bcpoll.errors import AccessRefused, RetryLater, Unreachable, WrongAnswer
from bcpoll.rebuild import Rebuild
from bcpoll.sandbox import pos_stock
from bcpoll.sandbox.drafts import ExtraFee, Parcel
from bcpoll.sandbox.faults import Fault, Request
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches

LIST = "GET /v3/orders/payment_actions/refunds"
ADJUST = "POST /stock_adjustments"
REASON = "POST /custom_inventory_adjustment_reasons"

ONE_MUG = Refund(lines={0: 1}, reason="Arrived broken")


def a_shop(*, restock: bool = True, path: Path | None = None, switches: Switches | None = None, **sync: Any) -> Shop:
    return Shop(path=path, switches=switches, settings={"sync": {"restock_refunds": restock, **sync}})


def booked(shop: Shop, order_id: int) -> list[str]:
    """What the sales of an order's refunds come to."""
    sales = shop.world.pos.snapshot().sales[str(order_id)]
    return [str(sale["total"]) for sale in sales if str(sale["total"]).startswith("-") and sale["state"] != "voided"]


def adjusted(shop: Shop) -> list[str]:
    """What was adjusted in the POS, oldest first."""
    return [str(row["quantity"]) for row in shop.world.pos.adjustments]


def states(shop: Shop, order_id: int) -> list[RefundState]:
    return [row.state for row in shop.checkpoint.refunds_of([order_id])]


def reasons(shop: Shop) -> list[Reason]:
    return [item.reason for item in shop.review()]


def is_quiet(shop: Shop) -> bool:
    """Whether one more pass writes nothing and the POS is as the orders demand."""
    shop.time.forward(minutes=5)
    shop.pass_()
    assert shop.lives() == []
    return shop.writes() == [] and shop.checkpoint.open_intents() == []


def sold(shop: Shop, quantity: int = 3, **draft: Any) -> int:
    """An order whose sale is in the POS."""
    order_id = shop.order(quantity=quantity, **draft)
    shop.pass_()
    return order_id


@pytest.fixture(params=[True, False], ids=["restocked", "not restocked"])
def shop(request: pytest.FixtureRequest) -> Shop:
    return a_shop(restock=request.param)


def members(record: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(record, name)) for name in record.__dataclass_fields__]


# --- what is booked --------------------------------------------------------------------------------------------------


def test_a_refund_becomes_a_sale_of_its_own(shop: Shop) -> None:
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)

    report = shop.pass_()

    assert booked(shop, order_id) == ["-10.80"]
    assert report.counts["refunded"] == 1
    assert [sale["note"] for sale in shop.sales(order_id)][
        1
    ] == f"Refund 1 of BigCommerce order {order_id}\nReason: Arrived broken"
    assert [sale["source"]["id"] for sale in shop.sales(order_id)] == [str(order_id)] * 2
    assert states(shop, order_id) == [RefundState.BOOKED]
    assert shop.stock() == (48 if shop.settings.sync.restock_refunds else 47)
    assert is_quiet(shop)


@pytest.mark.parametrize(
    "refund",
    [
        Refund(lines={0: 2, 1: 1}),
        Refund(lines={1: 1}, restock=True),
        Refund(shipping="5.00"),
        Refund(handling="1.00"),
        Refund(wrapping={0: "2.00"}),
        Refund(fees={0: "1.00"}),
        Refund(order_amount="3.21"),
        Refund(lines={0: 1}, kept={0: "2.50"}),
        Refund(tax_only="1.11"),
        Refund(lines={0: 1}, override_total="7.77", override_tax="0.50"),
        Refund(lines={0: 3, 1: 2}, shipping="5.40", handling="1.08", wrapping={0: "4.32"}, fees={0: "1.08"}),
        Refund(lines={0: 1}, provider="storecredit"),
    ],
    ids=lambda refund: ",".join(name for name, value in members(refund) if value != getattr(Refund(), name)),
)
@pytest.mark.parametrize("stated", ["with_tax", "without_tax"])
def test_every_kind_of_refund_comes_to_the_cent(refund: Refund, stated: str) -> None:
    shop = a_shop(switches=Switches(refund_amounts=stated))  # type: ignore[arg-type]
    shop.sell("POT", price="3.33")
    mug = shop.store.item("MUG", 3)
    items = (replace(mug, wrapping="4.00"), shop.store.item("POT", 2))
    parcel = Parcel(cost="5.00", handling="1.00")
    order_id = sold(shop, items=items, parcels=(parcel,), fees=(ExtraFee(name="Levy", cost="1.00", tax_rate="0.08"),))
    shop.happens(shop.refund, order_id, refund)

    shop.pass_()

    record = shop.store.refunds[0]
    (sale,) = [one for one in shop.sales(order_id) if any(line["quantity"] < 0 for line in one["line_items"])]
    assert sale["totals"]["price_incl_tax"].quantize(Decimal("0.01")) == -record["total_amount"]
    assert sale["totals"]["tax"].quantize(Decimal("0.01")) == -record["total_tax"]
    assert is_quiet(shop)


def test_a_second_partial_refund_is_booked_although_nothing_moves_the_order(shop: Shop) -> None:
    shop.world.switch(refunds="leave_date")
    order_id = sold(shop)
    for total in (["-10.80"], ["-10.80", "-10.80"], ["-10.80"] * 3):
        shop.happens(shop.refund, order_id, ONE_MUG)
        shop.pass_()
        assert booked(shop, order_id) == total
    assert is_quiet(shop)


def test_an_order_and_its_refund_may_come_in_one_pass(shop: Shop) -> None:
    shop.sell("NEW", known=False)
    order_id = shop.order("NEW", 2)
    shop.happens(shop.refund, order_id, ONE_MUG)

    report = shop.pass_()

    assert (report.counts["created"], report.counts["refunded"]) == (1, 1)
    assert booked(shop, order_id) == ["-10.80"]
    assert is_quiet(shop)


def test_the_parts_of_a_bundle_come_back_with_it(shop: Shop) -> None:
    shop.sell("CUP", price="0")
    children = (replace(shop.store.item("CUP", 4), price="0"),)
    bundle = replace(shop.store.item("MUG", 2), children=children)
    order_id = sold(shop, items=(bundle,))
    shop.happens(shop.refund, order_id, ONE_MUG)

    shop.pass_()

    assert shop.stock("CUP") == (48 if shop.settings.sync.restock_refunds else 46)
    assert is_quiet(shop)


def test_an_open_order_keeps_its_refund_until_it_is_imported(shop: Shop) -> None:
    order_id = shop.order(status=OrderStatus.PENDING, quantity=2)
    shop.refund(order_id, Refund(order_amount="1.00", status=OrderStatus.PENDING))
    shop.pass_()
    assert states(shop, order_id) == [RefundState.WAITING]
    assert shop.review() == []

    shop.happens(shop.store.pay, order_id)
    shop.pass_()

    assert booked(shop, order_id) == ["-1.00"]
    assert is_quiet(shop)


def test_an_order_that_is_set_aside_keeps_its_refunds(shop: Shop) -> None:
    order_id = shop.order(currency="EUR", quantity=2)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    assert reasons(shop) == [Reason.FOREIGN_CURRENCY]

    in_dollars = {"currency_code": "USD", "default_currency_code": "USD"}
    shop.happens(shop.store.overwrite, order_id, in_dollars)
    shop.pass_()

    assert booked(shop, order_id) == ["-10.80"]
    assert shop.review() == []
    assert is_quiet(shop)


def test_an_unpaid_order_may_be_refunded_and_paid_later(shop: Shop) -> None:
    order_id = sold(shop, status=OrderStatus.AWAITING_PAYMENT)
    shop.happens(shop.refund, order_id, Refund(order_amount="2.00", status=OrderStatus.AWAITING_PAYMENT))
    shop.pass_()
    shop.happens(shop.store.pay, order_id)
    shop.pass_()

    assert booked(shop, order_id) == ["-2.00"]
    assert is_quiet(shop)


def test_a_cancelled_order_is_voided_and_its_refund_waits_without_a_word(shop: Shop) -> None:
    order_id = sold(shop)
    shop.happens(shop.store.cancel, order_id)
    shop.refund(order_id, Refund(lines={0: 3}, status=OrderStatus.CANCELLED))

    shop.pass_()

    assert shop.states(order_id) == ["voided"]
    assert (shop.review(), states(shop, order_id)) == ([], [RefundState.WAITING])
    assert is_quiet(shop)


def test_where_refunds_are_ignored_the_status_alone_counts() -> None:
    shop = a_shop(refunds="ignore")
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)

    shop.pass_()

    assert (booked(shop, order_id), states(shop, order_id), shop.review()) == ([], [], [])
    assert is_quiet(shop)


def test_refunds_from_the_time_of_ignoring_are_left_alone_later() -> None:
    shop = a_shop(refunds="ignore")
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    shop.settings = a_shop().settings
    shop.time.forward(minutes=1)
    shop.pass_()
    assert booked(shop, order_id) == []

    shop.happens(shop.refund, order_id, Refund(order_amount="1.00"))
    shop.pass_()

    assert booked(shop, order_id) == ["-1.00"]


# --- what is read ----------------------------------------------------------------------------------------------------


def test_a_refund_that_shows_late_is_found_by_the_overlap(shop: Shop) -> None:
    shop.world.switch(refund_lag_seconds=120, refunds="leave_date")
    order_id, other = sold(shop), sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    assert booked(shop, order_id) == []
    shop.happens(shop.refund, other, ONE_MUG)

    shop.later(2, minutes=3)

    assert booked(shop, order_id) == booked(shop, other) == ["-10.80"]
    assert is_quiet(shop)


@pytest.mark.slow
def test_many_refunds_are_read_page_by_page() -> None:
    shop = a_shop(refunds="import")
    order_id = sold(shop, quantity=1, parcels=(Parcel(cost="900.00"),))
    for _ in range(260):
        shop.refund(order_id, Refund(shipping="1.00"))

    shop.pass_()

    assert shop.asked("store").count(LIST) == 2
    assert len(booked(shop, order_id)) == 260


def test_a_list_that_ignores_its_filter_is_not_believed() -> None:
    shop = a_shop()
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.time.forward(hours=3)
    shop.checkpoint.move_refunds_cursor(shop.time.now())

    def ignore(request: Request) -> None:
        request.params.pop("created:min", None)

    shop.world.before.append(ignore)
    new = shop.order()
    with pytest.raises(WrongAnswer, match="a filter was ignored"):
        shop.pass_()
    assert shop.states(new) == ["closed"]
    assert states(shop, order_id) == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.ERROR_500, Unreachable), (Fault.HTML_BODY, RetryLater), (Fault.EMPTY_BODY, RetryLater)],
)
def test_a_list_of_refunds_that_fails_keeps_no_new_order_waiting(fault: Fault, error: type[Exception]) -> None:
    shop = a_shop()
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    new = shop.order()
    shop.fails(fault, "GET", "payment_actions", side="store", times=50)

    with pytest.raises(error):
        shop.pass_()

    assert shop.states(new) == ["closed"]
    shop.restart()
    assert is_quiet_after(shop)


def is_quiet_after(shop: Shop) -> bool:
    shop.later(minutes=5)
    return is_quiet(shop)


def test_a_refund_without_a_number_is_set_aside_and_the_others_go_on() -> None:
    shop = a_shop()
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.store.refunds.append(shop.store.refunds[0] | {"id": None})
    shop.store.refunds.append(shop.store.refunds[0] | {"id": 77, "order_id": "?"})

    shop.pass_()

    assert booked(shop, order_id) == ["-10.80"]
    assert sorted(item.field for item in shop.review()) == ["refunds.77.order_id", "refunds.?.id"]
    shop.time.forward(minutes=5)
    assert shop.pass_().set_aside == 0


def test_an_unreadable_refund_is_set_aside_with_its_order_until_it_can_be_read() -> None:
    shop = a_shop()
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    record = shop.store.refunds[0]
    shop.store.refunds[0] = record | {"items": [{"item_type": "VOUCHER"}]}
    shop.pass_()
    assert [(item.order_id, item.field) for item in shop.review()] == [(order_id, "refunds.1.items.0.item_type")]

    shop.store.refunds[0] = record
    shop.time.forward(minutes=5)
    shop.pass_()

    assert booked(shop, order_id) == ["-10.80"]
    assert shop.review() == []


def test_an_order_that_is_gone_leaves_its_refund_to_a_person() -> None:
    shop = a_shop()
    shop.world.switch(refunds="leave_date")
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.store.drop(order_id)

    shop.pass_()

    assert [(item.order_id, item.reason) for item in shop.review()] == [(order_id, Reason.REFUND_UNCLEAR)]
    shop.time.forward(minutes=1)
    assert shop.pass_().counts["not_found"] == 0


# --- orders from before the start ------------------------------------------------------------------------------------


@pytest.fixture
def older() -> tuple[Shop, int]:
    """A shop that was connected after an order, which is refunded then."""
    shop = a_shop()
    order_id = shop.order(quantity=2, at=NOW - timedelta(days=3))
    shop.pass_()
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    return shop, order_id


def test_the_refund_of_an_order_from_before_the_start_is_set_aside_with_a_choice(older: tuple[Shop, int]) -> None:
    shop, order_id = older
    assert [(item.order_id, item.reason) for item in shop.review()] == [(order_id, Reason.REFUND_OF_OLDER_ORDER)]
    assert "refund 1 of 10.80" in shop.review()[0].detail
    assert "run-once --order" in shop.review()[0].hint
    assert (shop.writes(), shop.checkpoint.ledger([order_id])) == ([], {})


def test_it_can_be_imported_with_its_refunds(older: tuple[Shop, int]) -> None:
    shop, order_id = older
    shop.pass_(order_id)
    assert booked(shop, order_id) == ["-10.80"]
    assert shop.review() == []


def test_it_stays_left_alone_when_it_changes_or_is_tried_again(older: tuple[Shop, int]) -> None:
    shop, order_id = older
    shop.happens(shop.store.touch, order_id)
    shop.pass_()
    shop.checkpoint.retry(None, shop.time.now())
    shop.pass_()
    assert shop.sales(order_id) == []
    assert reasons(shop) == [Reason.REFUND_OF_OLDER_ORDER]
    shop.pass_()
    assert f"GET /v2/orders/{order_id}" not in shop.asked("store")


def test_it_stays_left_alone_when_the_store_could_not_find_it_for_a_while() -> None:
    shop = a_shop(switches=Switches(refunds="leave_date"))
    order_id = shop.order(quantity=2, at=NOW - timedelta(days=3))
    shop.pass_()
    shop.happens(shop.refund, order_id, ONE_MUG)
    gone = shop.store.orders.pop(order_id)
    shop.pass_()
    assert reasons(shop) == [Reason.REFUND_UNCLEAR]
    shop.store.orders[order_id] = gone

    shop.later()

    assert (reasons(shop), shop.states(order_id)) == ([Reason.REFUND_OF_OLDER_ORDER], [])


def test_dismissing_it_lets_the_refund_go_and_a_later_one_comes_back(older: tuple[Shop, int]) -> None:
    shop, order_id = older
    shop.checkpoint.dismiss(shop.review()[0].id, "booked by hand", shop.time.now())
    shop.time.forward(minutes=5)
    shop.pass_()
    assert (shop.review(), states(shop, order_id)) == ([], [RefundState.LEFT])

    shop.world.switch(refunds="leave_date")
    shop.happens(shop.refund, order_id, Refund(order_amount="1.00"))
    shop.pass_()

    assert [item.detail.split(";")[0] for item in shop.review()] == ["refund 2 of 1.00"]


def test_a_declined_refund_of_it_is_nobody_s_business() -> None:
    shop = a_shop()
    order_id = shop.order(at=NOW - timedelta(days=3))
    shop.pass_()
    shop.happens(shop.refund, order_id, Refund(lines={0: 1}, declined=True))
    shop.pass_()
    assert (shop.review(), shop.checkpoint.orders_with_due_refunds()) == ([], [])


# --- declined, changed, without a record -----------------------------------------------------------------------------


def test_a_declined_refund_is_not_booked_and_not_mentioned(shop: Shop) -> None:
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, Refund(lines={0: 1}, declined=True))

    report = shop.pass_()

    assert (report.counts["declined"], booked(shop, order_id), shop.review()) == (1, [], [])
    assert states(shop, order_id) == [RefundState.DECLINED]
    assert is_quiet(shop)


def test_a_refund_that_is_declined_after_it_was_booked_is_told(shop: Shop) -> None:
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    shop.store.decline_refund(1)

    shop.later(minutes=5)

    assert reasons(shop) == [Reason.REFUND_CHANGED]
    assert states(shop, order_id) == [RefundState.CHANGED]
    assert len(booked(shop, order_id)) == 1
    shop.checkpoint.dismiss(shop.review()[0].id, "voided by hand", shop.time.now())
    shop.later(minutes=5)
    assert (shop.review(), states(shop, order_id)) == ([], [RefundState.BOOKED])


def test_a_declined_refund_that_is_accepted_later_is_booked(shop: Shop) -> None:
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, Refund(lines={0: 1}, declined=True))
    shop.pass_()
    shop.store.refunds[0]["payments"][0]["is_declined"] = False

    shop.later(minutes=5)

    assert booked(shop, order_id) == ["-10.80"]
    assert is_quiet(shop)


def test_a_status_of_refunded_without_a_record_is_a_notice_until_one_turns_up(shop: Shop) -> None:
    order_id = sold(shop)
    shop.happens(shop.store.set_status, order_id, OrderStatus.REFUNDED)
    shop.pass_()
    assert reasons(shop) == [Reason.REFUND_UNKNOWN]
    assert shop.asked("store").count(LIST) == 2
    shop.time.forward(minutes=5)
    shop.pass_()
    assert shop.asked("store").count(LIST) == 1

    shop.world.switch(refunds="leave_date")
    shop.happens(shop.refund, order_id, Refund(lines={0: 3}))
    shop.pass_()

    assert shop.review() == []
    assert is_quiet(shop)


def test_the_store_is_asked_for_a_record_before_a_status_of_refunded_is_told() -> None:
    shop = a_shop(switches=Switches(refund_lag_seconds=3_600))
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, Refund(lines={0: 3}))
    shop.world.switch(refund_lag_seconds=0)
    before = shop.checkpoint.refunds_cursor()
    shop.checkpoint.move_refunds_cursor(shop.time.forward(hours=4))
    shop.pass_()
    assert before is not None
    assert booked(shop, order_id) == ["-32.40"]
    assert shop.review() == []


def test_refunds_beyond_the_sale_are_set_aside(shop: Shop) -> None:
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, Refund(lines={0: 3}))
    shop.happens(shop.refund, order_id, Refund(order_amount="0.01"))
    shop.pass_()
    assert (booked(shop, order_id), reasons(shop)) == (["-32.40"], [Reason.REFUND_EXCEEDS])
    shop.time.forward(minutes=5)
    assert shop.pass_().set_aside == 0
    assert shop.writes() == []


def test_a_sale_whose_refunds_stand_is_neither_voided_nor_replaced(shop: Shop) -> None:
    cancelled, edited = sold(shop), sold(shop)
    for order_id in (cancelled, edited):
        shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    shop.happens(shop.store.cancel, cancelled)
    shop.edit(edited, shop.store.item("MUG", 5))

    shop.pass_()

    assert {item.order_id: item.reason for item in shop.review()} == {
        cancelled: Reason.CANCELLED_AFTER_REFUND,
        edited: Reason.EDITED_AFTER_REFUND,
    }
    assert shop.writes() == []
    assert shop.states(cancelled) == shop.states(edited) == ["closed", "closed"]


def test_a_dismissed_refund_waits_again_when_its_item_is_retried(shop: Shop) -> None:
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.store.refunds[0]["payments"][0]["amount"] = Decimal("1.00")
    shop.pass_()
    (item,) = shop.review()
    assert item.reason is Reason.REFUND_UNCLEAR
    shop.checkpoint.dismiss(item.id, "for now", shop.time.now())
    shop.store.refunds[0]["payments"][0]["amount"] = Decimal("10.80")

    shop.checkpoint.retry([item.id], shop.time.now())
    shop.pass_()

    assert booked(shop, order_id) == ["-10.80"]
    assert is_quiet(shop)


def test_what_did_not_add_up_is_asked_for_again(shop: Shop) -> None:
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    paid, shop.store.refunds[0]["payments"] = shop.store.refunds[0]["payments"], []
    shop.pass_()
    assert reasons(shop) == [Reason.REFUND_UNCLEAR]
    shop.store.refunds[0]["payments"] = paid
    # Beyond what any look-back reads.
    shop.checkpoint.move_refunds_cursor(shop.time.now() + timedelta(days=9))

    shop.later()

    assert booked(shop, order_id) == ["-10.80"]
    assert shop.review() == []


# --- accidents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.RESET_BEFORE, Fault.ERROR_500_AFTER, Fault.HTML_502])
@pytest.mark.parametrize("existing", [pytest.param("overwrite", marks=pytest.mark.slow), "conflict", "doubles"])
def test_a_refund_whose_answer_is_lost_is_booked_once(shop: Shop, fault: Fault, existing: str) -> None:
    shop.world.switch(existing_sale=existing)
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.fails(fault, "POST", "/sales")

    shop.later(2, minutes=6)

    assert booked(shop, order_id) == ["-10.80"]
    assert shop.review() == []
    assert is_quiet(shop)


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.RESET_BEFORE, Fault.ERROR_500_AFTER, Fault.EMPTY_BODY])
@pytest.mark.parametrize("path", ["/stock_adjustments", "/custom_inventory_adjustment_reasons"])
@pytest.mark.parametrize("times", [1, *(pytest.param(more, marks=pytest.mark.slow) for more in (2, 3))])
def test_goods_are_taken_out_once_whatever_answer_is_lost(fault: Fault, path: str, times: int) -> None:
    shop = a_shop(restock=False)
    first, second = sold(shop), sold(shop)
    for order_id in (first, second, first):
        shop.happens(shop.refund, order_id, ONE_MUG)
    shop.fails(fault, "POST", path, times=times)

    shop.later(4 if times < 3 else 10, hours=1)

    assert adjusted(shop) == ["-1", "-1", "-1"]
    assert shop.stock() == 44
    assert shop.review() == []
    assert is_quiet(shop)


def test_the_same_adjustment_of_somebody_else_is_not_taken_for_ours() -> None:
    shop = a_shop(restock=False)
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    point = shop.world.pos
    mine = {"product_id": point.with_code("MUG")[0]["id"], "outlet_id": next(iter(point.outlets))["id"]}
    by_hand = mine | {"quantity": "-1", "reason": "DAMAGE"}
    shop.watch("GET", "/stock_adjustments", lambda: _adjust(shop, by_hand))
    shop.fails(Fault.RESET_BEFORE, "POST", "/stock_adjustments")

    shop.later(3, hours=1)

    assert adjusted(shop) == ["-1", "-1"]
    assert shop.stock() == 46


def _adjust(shop: Shop, item: dict[str, Any]) -> None:
    pos_stock.adjust(shop.world.pos, {"stock_adjustments": [item]})


def writes_of(shop: Shop) -> Iterator[tuple[int, bool]]:
    for number in range(1, len(shop.writes()) + 1):
        yield from ((number, False), (number, True))


@pytest.mark.slow
@pytest.mark.parametrize("restock", [True, False])
def test_killed_at_any_write_a_refund_is_booked_once(tmp_path: Path, restock: bool) -> None:  # noqa: FBT001
    def story(path: Path) -> Shop:
        shop = a_shop(restock=restock, path=path, switches=Switches(existing_sale="doubles"))
        first, second = sold(shop), sold(shop)
        for order_id in (first, second):
            shop.happens(shop.refund, order_id, ONE_MUG)
        shop.order()
        return shop

    undisturbed = story(tmp_path / "whole.db")
    undisturbed.pass_()
    end = undisturbed.world.pos.snapshot()
    points = list(writes_of(undisturbed))
    assert len(points) == 2 * (6 if not restock else 3)
    for number, after in points:
        shop = story(tmp_path / f"{number}{after}.db")
        shop.dies_at_write(number, after=after)
        with pytest.raises(Killed):
            shop.pass_()
        shop.restart()
        shop.later(2, minutes=5)
        assert shop.world.pos.snapshot() == end, (number, after)
        assert (shop.writes(), shop.review(), shop.checkpoint.open_intents()) == ([], [], [])
        assert shop.lives() == []
        shop.checkpoint.close()


def test_a_refund_that_was_kept_is_booked_by_the_next_pass_whatever_became_of_this_one(tmp_path: Path) -> None:
    shop = a_shop(path=tmp_path / "kept.db")
    shop.world.switch(refunds="leave_date")
    order_id = sold(shop)
    shop.time.forward(hours=1)
    sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.fails(Fault.ERROR_503, "GET", f"/v2/orders/{order_id}", side="store", times=50)
    with pytest.raises(Unreachable):
        shop.pass_()
    assert states(shop, order_id) == [RefundState.WAITING]
    shop.restart()
    shop.time.forward(days=30)

    shop.pass_()

    assert booked(shop, order_id) == ["-10.80"]


@pytest.mark.parametrize("kind", ["closed register", "refused"])
def test_a_refund_waits_for_what_keeps_it_from_the_pos(shop: Shop, kind: str) -> None:
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    if kind == "closed register":
        shop.world.pos.open_register("Online", is_open=False)
        with pytest.raises(RetryLater):
            shop.pass_()
        assert shop.review() == []
        shop.world.pos.open_register("Online")
    else:
        card = shop.world.pos.wanted(*one_of(shop.world.pos.payment_types, "Online - Card"))
        card["deleted_at"] = "2026-11-20T09:00:00Z"
        shop.pass_()
        assert reasons(shop) == [Reason.POS_REFUSED]
        card["deleted_at"] = None

    shop.later()

    assert booked(shop, order_id) == ["-10.80"]
    assert shop.review() == []
    assert is_quiet(shop)


def one_of(feed: Any, name: str) -> tuple[Any, str, str]:
    return feed, next(row["id"] for row in feed if row["name"] == name), name


def outlet_gone(shop: Shop, *, is_gone: bool = True) -> None:
    """An outlet that is deleted in the POS: no stock of it can be adjusted."""
    for row in shop.world.pos.outlets:
        row["deleted_at"] = "2026-11-20T09:00:00Z" if is_gone else None


def test_a_refused_adjustment_is_set_aside_and_tried_again_with_growing_distance() -> None:
    shop = a_shop(restock=False)
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    outlet_gone(shop)

    shop.pass_()

    assert [(item.reason, item.field) for item in shop.review()] == [(Reason.POS_REFUSED, "stock")]
    shop.time.forward(minutes=1)
    shop.pass_()
    assert ADJUST not in shop.writes()
    assert reasons(shop) == [Reason.POS_REFUSED]
    shop.time.forward(minutes=5)
    assert shop.pass_().set_aside == 0
    assert shop.review()[0].tries == 1
    outlet_gone(shop, is_gone=False)
    shop.later()
    assert (adjusted(shop), shop.review()) == (["-1"], [])
    assert is_quiet(shop)


def test_dismissing_a_refused_adjustment_ends_the_tries() -> None:
    shop = a_shop(restock=False)
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    outlet_gone(shop)
    shop.pass_()
    outlet_gone(shop, is_gone=False)
    shop.checkpoint.dismiss(shop.review()[0].id, "counted by hand", shop.time.now())

    shop.later()

    assert (adjusted(shop), shop.review(), states(shop, order_id)) == ([], [], [RefundState.BOOKED])


def test_without_the_right_to_adjust_it_says_so_and_books_all_else() -> None:
    shop = a_shop(restock=False)
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.world.pos_scopes = shop.world.pos_scopes - {"inventory:write"}
    with pytest.raises(AccessRefused):
        shop.pass_()
    assert booked(shop, order_id) == ["-10.80"]
    assert shop.checkpoint.open_intents() == []

    shop.world.pos_scopes = shop.world.pos_scopes | {"inventory:write"}
    shop.pass_()

    assert adjusted(shop) == ["-1"]
    assert is_quiet(shop)


def test_an_adjustment_that_is_forbidden_leaves_nothing_open() -> None:
    shop = a_shop(restock=False)
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.fails(Fault.SCOPE_REFUSED, "POST", "/stock_adjustments")
    with pytest.raises(AccessRefused):
        shop.pass_()
    assert (booked(shop, order_id), shop.checkpoint.open_intents()) == (["-10.80"], [])
    assert is_quiet_after(shop)


def test_to_forget_a_buyer_forgets_no_adjustment() -> None:
    shop = a_shop(restock=False)
    one, two = sold(shop), sold(shop, shopper=BASIL)
    shop.happens(shop.refund, one, ONE_MUG)
    shop.pass_()
    shop.checkpoint.forget_person(ADA.email)
    shop.happens(shop.refund, two, ONE_MUG)
    # So that what was adjusted is first looked at when there is something to adjust.
    shop.fails(Fault.ERROR_500, "GET", "/stock_adjustments", times=5)

    shop.pass_()

    assert adjusted(shop) == ["-1", "-1"]
    assert not shop.checkpoint.traces(ADA.email).is_known


def test_products_that_are_not_counted_are_not_adjusted() -> None:
    shop = a_shop(restock=False)
    shop.sell("WISH", stock=None)
    order_id = sold(shop, items=(shop.store.item("WISH", 2),))
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    assert (booked(shop, order_id), adjusted(shop)) == (["-10.80"], [])
    assert is_quiet(shop)


def test_a_reason_that_cannot_be_made_gives_way_to_a_plain_one() -> None:
    shop = a_shop(restock=False)
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    taken = {"name": "BigCommerce refund", "type": "POSITIVE", "enabled": True}
    pos_stock.add_reason(shop.world.pos, taken)
    shop.pass_()
    assert [row["reason"] for row in shop.world.pos.adjustments] == ["INTERNAL_USE"]
    assert is_quiet(shop)


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.EMPTY_INSTEAD])
def test_a_reason_that_was_perhaps_made_is_waited_for(fault: Fault) -> None:
    shop = a_shop(restock=False)
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.fails(fault, "POST", "/custom_inventory_adjustment_reasons")
    shop.later(2, minutes=1)
    assert [row["reason"] for row in shop.world.pos.adjustments] == ["CUSTOM"]
    assert is_quiet(shop)


@pytest.mark.parametrize("is_recovered", [False, True])
def test_of_an_adjustment_that_got_there_in_part_the_rest_follows(is_recovered: bool) -> None:  # noqa: FBT001
    shop = a_shop(restock=False)
    shop.sell("POT")
    order_id = sold(shop, items=(shop.store.item("MUG", 2), shop.store.item("POT", 2)))
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    shop.happens(shop.refund, order_id, Refund(lines={0: 1, 1: 2}))

    def in_part(request: Request) -> None:
        if request.method == "POST" and request.path.endswith("/stock_adjustments"):
            shop.world.before.clear()
            body = next(one for one in shop.checkpoint.open_intents() if one.kind is IntentKind.STOCK).body
            pos_stock.adjust(shop.world.pos, {"stock_adjustments": body["items"][:1]})
            if is_recovered:
                raise Killed

    shop.world.before.append(in_part)
    if is_recovered:
        with pytest.raises(Killed):
            shop.pass_()
        shop.restart()
    else:
        shop.fails(Fault.RESET_BEFORE, "POST", "/stock_adjustments")
    shop.later(2, minutes=5)

    assert adjusted(shop) == ["-1", "-1", "-2"]
    assert shop.review() == []
    assert is_quiet(shop)


def test_our_reason_is_made_once() -> None:
    shop = a_shop(restock=False)
    for _ in range(2):
        shop.happens(shop.refund, sold(shop), ONE_MUG)
        shop.pass_()
    shop.checkpoint.forget_cached()
    shop.happens(shop.refund, sold(shop), ONE_MUG)
    shop.pass_()
    assert [(row["name"], row["type"]) for row in shop.world.pos.adjustment_reasons] == [
        ("BigCommerce refund", "NEGATIVE")
    ]
    assert adjusted(shop) == ["-1"] * 3


# --- a lost or old checkpoint ----------------------------------------------------------------------------------------


def rebuilt(shop: Shop) -> Any:
    with shop.connected() as shell:
        made = Rebuild(
            source=shell.source,
            pos=shell.pos,
            checkpoint=shop.checkpoint,
            store_hash=shell.store_hash,
            clock=shop.time.now,
        )
        return made.run(None)


def test_a_checkpoint_made_anew_books_no_refund_twice(shop: Shop) -> None:
    shop.world.switch(existing_sale="doubles")
    order_id = sold(shop)
    for _ in range(2):
        shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    shop.forget()

    told = rebuilt(shop)

    assert (told.orders, told.refunds) == (1, 2)
    assert [(row.total, dict(row.units)) for row in shop.checkpoint.refunds_of([order_id])] == [
        (Decimal("10.80"), {line_of(shop, order_id): 1})
    ] * 2
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    assert booked(shop, order_id) == ["-10.80"] * 3
    assert is_quiet(shop)


def line_of(shop: Shop, order_id: int) -> int:
    return int(shop.store.orders[order_id].lines[0]["id"])


def test_a_refund_sale_that_was_voided_by_hand_is_left_alone() -> None:
    shop = a_shop()
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    sale = shop.world.pos.sales.get(refund_sale_id("sandbox", 1))
    assert sale is not None
    sale["state"] = "voided"
    shop.forget()
    rebuilt(shop)
    shop.pass_()
    assert (booked(shop, order_id), states(shop, order_id)) == ([], [RefundState.LEFT])


def test_a_checkpoint_back_from_a_backup_books_no_refund_twice(tmp_path: Path) -> None:
    path = tmp_path / "bcpoll.db"
    shop = a_shop(path=path, switches=Switches(existing_sale="doubles"))
    order_id = sold(shop)
    shop.checkpoint.close()
    backup = path.read_bytes()
    shop.checkpoint = shop._opened()
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    shop.checkpoint.close()
    path.write_bytes(backup)
    shop.checkpoint = shop._opened()
    shop.time.forward(days=2)

    assert [one.plan.actions for one in shop.preview().planned] in ([], [()])
    shop.pass_()

    assert booked(shop, order_id) == ["-10.80"]
    assert states(shop, order_id) == [RefundState.BOOKED]


# --- looking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["all", "named"])
def test_a_preview_shows_refunds_and_keeps_nothing(shop: Shop, how: str) -> None:
    order_id = sold(shop)
    shop.world.switch(refunds="leave_date")
    shop.happens(shop.refund, order_id, ONE_MUG)

    found = shop.preview(*([order_id] if how == "named" else []))

    (action,) = [action for one in found.planned for action in one.plan.actions]
    assert isinstance(action, CreateRefund)
    assert (action.sale.total, action.restocks) == (Decimal("-10.80"), shop.settings.sync.restock_refunds)
    assert (states(shop, order_id), shop.writes()) == ([], [])


def test_the_preview_of_a_first_run_shows_refunds_from_the_start_on() -> None:
    shop = a_shop()
    order_id = shop.order(quantity=2)
    shop.happens(shop.refund, order_id, ONE_MUG)
    (one,) = shop.preview().planned
    assert [type(action).__name__ for action in one.plan.actions] == ["CreateSale", "CreateRefund"]


def test_a_preview_says_what_keeps_it_from_reading_refunds() -> None:
    shop = a_shop()
    shop.fails(Fault.HTML_BODY, "GET", "payment_actions", side="store", times=50)
    with pytest.raises(RetryLater):
        shop.preview()


def test_reading_further_back_reads_refunds_too(shop: Shop) -> None:
    order_id = sold(shop)
    shop.world.switch(refunds="leave_date")
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.checkpoint.move_refunds_cursor(shop.time.forward(days=20))
    shop.pass_()
    assert booked(shop, order_id) == []

    shop.pass_(since=NOW)

    assert booked(shop, order_id) == ["-10.80"]


def test_old_payloads_of_refunds_are_blanked() -> None:
    shop = a_shop()
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    shop.later(days=100)
    (row,) = shop.checkpoint.refunds_of([order_id])
    assert (row.payload, row.state) == ({}, RefundState.BOOKED)
    assert shop.checkpoint.refund_counts() == {RefundState.BOOKED: 1}


def test_the_history_of_an_order_shows_its_refunds() -> None:
    shop = a_shop(restock=False)
    order_id = sold(shop)
    shop.happens(shop.refund, order_id, ONE_MUG)
    shop.pass_()
    assert [intent.kind for intent in shop.checkpoint.history(order_id)] == [
        IntentKind.SALE,
        IntentKind.REFUND,
        IntentKind.STOCK,
    ]
