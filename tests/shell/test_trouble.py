"""One order in trouble: it is set aside with its reason, and all others go through."""

from typing import Any

import pytest
from shop import Shop

from bcpoll import decide
from bcpoll.core.rejected import Reason
from bcpoll.core.status import OrderStatus
from bcpoll.errors import TooHeavy, Unreachable, WrongAnswer
from bcpoll.sandbox import pos_sales
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches
from bcpoll.start import SWEEP


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.HTML_BODY])
def test_an_order_whose_lines_break_the_store_over_and_over_holds_up_no_other(fault: Fault) -> None:
    shop = Shop()
    heavy = shop.order(items=tuple(shop.store.item("MUG") for _ in range(60)))
    light = shop.order()
    shop.fails(fault, "GET", f"/orders/{heavy}/products", times=50, side="store")

    shop.pass_()

    assert [(item.order_id, item.reason) for item in shop.review()] == [(heavy, Reason.LINES_INCOMPLETE)]
    assert shop.states(light) == ["closed"]
    shop.restart()
    shop.later()
    assert shop.states(heavy) == ["closed"]
    assert shop.review() == []


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.HTML_BODY])
class TestAnOrderThatCannotBeReadByItself:
    """No list shows it again, and the store breaks over the order alone."""

    def test_of_those_set_aside_it_waits_longer_and_holds_up_no_other(self, fault: Fault) -> None:
        shop = Shop()
        shop.fails(Fault.ERROR_500, "POST", "/sales", times=50)
        odd, plain = shop.order(), shop.order()
        shop.later()
        shop.restart()
        shop.fails(fault, "GET", f"/orders/{odd}", times=50, side="store")

        shop.time.forward(hours=30)
        report = shop.pass_()

        assert report.counts["unreadable"] == 1
        assert (shop.states(odd), shop.states(plain)) == ([], ["closed"])
        assert [item.order_id for item in shop.review()] == [odd]
        shop.restart()
        shop.later(2, days=2)
        assert shop.states(odd) == ["closed"]
        assert shop.lives() == []

    def test_of_those_refunded_it_is_asked_for_again_and_left_to_nobody(self, fault: Fault) -> None:
        shop = Shop(settings={"sync": {"overlap": "1m"}})
        odd, plain = shop.order(), shop.order()
        shop.pass_()
        shop.time.forward(hours=2)
        for order_id in (odd, plain):
            shop.refund(order_id, Refund(lines={0: 1}))
        shop.fails(fault, "GET", f"/orders/{odd}", times=50, side="store")

        shop.pass_()

        assert len(shop.sales(plain)) == 2
        assert shop.review() == []
        shop.restart()
        shop.pass_()
        assert len(shop.sales(odd)) == 2
        assert shop.lives() == []

    def test_of_those_unpaid_it_is_asked_for_again_the_next_night(self, fault: Fault) -> None:
        shop = Shop()
        odd, plain = (shop.order(status=OrderStatus.MANUAL_VERIFICATION_REQUIRED) for _ in range(2))
        shop.pass_()
        shop.fails(fault, "GET", f"/orders/{odd}", times=50, side="store")

        shop.time.forward(days=30)
        report = shop.pass_()

        assert report.counts["unreadable"] == 1
        assert shop.checkpoint.mark(SWEEP) == shop.time.now()
        assert shop.states(odd) == shop.states(plain) == ["closed"]

    def test_a_person_who_named_it_is_told(self, fault: Fault) -> None:
        shop = Shop()
        odd = shop.order()
        shop.fails(fault, "GET", f"/orders/{odd}", times=50, side="store")

        with pytest.raises((TooHeavy, WrongAnswer)):
            shop.pass_(odd)

    def test_a_store_that_is_down_altogether_ends_the_pass(self, fault: Fault) -> None:
        shop = Shop()
        odd = shop.order(status=OrderStatus.MANUAL_VERIFICATION_REQUIRED)
        shop.pass_()
        shop.fails(fault, "GET", f"/orders/{odd}", times=50, side="store")
        shop.fails(Fault.ERROR_503, "GET", "/time", times=50, side="store")

        shop.time.forward(days=30)
        with pytest.raises(Unreachable):
            shop.pass_()


@pytest.mark.parametrize("step", ["checked_parts", "translate"])
def test_a_bug_that_shows_over_one_order_holds_up_no_other(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()
    odd, plain = shop.order(), shop.order()
    whole = getattr(decide, step)

    def breaks(order: Any, *more: Any, **named: Any) -> Any:
        return 1 // 0 if order.id == odd else whole(order, *more, **named)

    monkeypatch.setattr(decide, step, breaks)

    shop.pass_()

    (item,) = shop.review()
    assert (item.order_id, item.reason, item.field) == (odd, Reason.UNEXPECTED, "ZeroDivisionError")
    assert shop.states(plain) == ["closed"]
    monkeypatch.undo()
    shop.later()
    assert shop.states(odd) == ["closed"]


def test_payloads_of_finished_orders_are_blanked_after_their_time_and_those_of_open_ones_kept() -> None:
    shop = Shop(settings={"checkpoint": {"keep_payloads": "2d"}})
    fine = shop.order()
    bad = shop.order(fields={"total_inc_tax": "1.0000"})
    shop.pass_()

    shop.later(days=3)

    assert [intent.body for intent in shop.checkpoint.history(fine)] == [{}]
    assert [item.payload["id"] for item in shop.review()] == [bad]


def test_a_pass_that_an_error_cuts_short_leaves_the_cursor_where_it_was() -> None:
    shop = Shop()
    shop.pass_()
    cursor = shop.checkpoint.cursor()
    orders = [shop.order() for _ in range(3)]
    shop.fails(Fault.RESET_BEFORE, "POST", "/sales")
    shop.fails(Fault.ERROR_503, "GET", "/sales/", times=50)

    with pytest.raises(Unreachable):
        shop.pass_()

    assert shop.checkpoint.cursor() == cursor
    shop.restart()
    shop.later(2)
    assert [shop.states(order) for order in orders] == [["closed"]] * 3
    assert shop.lives() == []


def test_a_sale_that_was_voided_by_hand_makes_room_for_the_next_one_whatever_the_order_is_by_then() -> None:
    shop = Shop(switches=Switches(void_by_put="refused"), settings={"sync": {"fulfillment": "track"}})
    order = shop.order(status=OrderStatus.AWAITING_PAYMENT)
    shop.pass_()
    shop.happens(shop.store.pay, order)
    shop.pass_()
    assert [item.reason for item in shop.review()] == [Reason.VOID_BY_HAND]

    # A person may do what the API refuses.
    [sale] = shop.sales(order)
    pos_sales._keep(shop.world.pos, sale | {"state": "voided", "payments": []}, sale)
    shop.happens(shop.store.ship, order)
    shop.later(hours=1)

    assert (shop.review(), shop.states(order), shop.lives()) == ([], ["voided", "closed"], [])
