"""Orders that a run left half written although no list will show them again: the next pass finishes them."""

from contextlib import suppress

import pytest
from shop import Killed, Shop

from bcpoll.checkpoint import POLL, UNDONE
from bcpoll.checkpoint.ledger import _CUT_SHORT
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.status import OrderStatus
from bcpoll.errors import RetryLater
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.switches import Switches


def goes_on_for_weeks(shop: Shop) -> None:
    """Let orders come in until the list of changed orders begins long after those of today."""
    for _ in range(3):
        shop.time.forward(days=7)
        shop.order()
        shop.pass_()


@pytest.mark.parametrize("how", ["killed", "unreachable", "busy"])
def test_an_order_whose_capture_the_sweep_found_gets_its_sale_though_the_one_before_is_voided(how: str) -> None:
    shop = Shop(settings={"sync": {"fulfillment": "track"}}, switches=Switches(captures="leave_date"))
    order = shop.order(tax_rate="0", status=OrderStatus.PENDING)
    shop.store.authorize(order)
    shop.pass_()
    goes_on_for_weeks(shop)
    shop.store.capture(order)
    shop.time.forward(hours=25)
    if how == "killed":
        shop.dies_at_write(2, after=False)
    else:
        shop.fails(Fault.REFUSED if how == "unreachable" else Fault.BUSY_SECONDS, "POST", "/sales", times=50)
    with suppress(Killed, RetryLater):
        shop.pass_()
    assert shop.states(order) == ["voided"]
    shop.restart()

    shop.later()

    assert (shop.states(order), shop.review()) == (["voided", "pending"], [])
    shop.later()
    assert shop.writes() == []


@pytest.fixture
def half_written() -> tuple[Shop, int]:
    """A shop with an order that was edited long ago, whose sale a run by its number could void and no more."""
    shop = Shop()
    order = shop.order()
    shop.pass_()
    shop.edit(order, shop.store.item("MUG", 4))
    shop.fails(Fault.REFUSED, "POST", "/sales", times=50)
    with pytest.raises(RetryLater):
        shop.pass_(order)
    shop.restart()
    assert shop.states(order) == ["voided"]
    shop.checkpoint.move_cursor(shop.time.forward(days=9))
    return shop, order


def test_a_named_order_that_was_cut_short_is_finished_by_the_next_pass(half_written: tuple[Shop, int]) -> None:
    shop, order = half_written
    assert [planned.order_id for planned in shop.preview().planned] == [order]

    shop.pass_()

    assert (shop.states(order), shop.lives()) == (["voided", "closed"], [])
    assert shop.preview().planned == ()


def test_it_is_left_as_it_is_once_a_person_dismissed_it(half_written: tuple[Shop, int]) -> None:
    shop, order = half_written
    by_hand = Rejected(order_id=order, reason=Reason.OUTCOME_UNKNOWN, field="", detail="")
    shop.checkpoint.set_aside(by_hand, {}, fingerprint="", now=shop.time.now())
    shop.checkpoint.dismiss(shop.review()[0].id, "entered by hand", shop.time.now())

    shop.pass_()

    assert shop.states(order) == ["voided"]


def test_they_are_found_by_an_index() -> None:
    """In a shop of a million orders, to look at each of them would take longer than all else in an empty pass."""
    shop = Shop()
    steps = [row["detail"] for row in shop.checkpoint._rows(f"EXPLAIN QUERY PLAN {_CUT_SHORT}", UNDONE, POLL)]

    assert any("ledger USING INDEX ledger_by_run" in step for step in steps), steps
    assert not any(step.startswith("SCAN ledger") for step in steps), steps


def test_a_retry_that_is_cut_short_is_made_once_more_and_no_remark_takes_its_place() -> None:
    shop = Shop()
    order = shop.order(status=OrderStatus.REFUNDED)
    shop.fails(Fault.RESET_BEFORE, "POST", "/customers")
    shop.pass_()
    assert [item.reason for item in shop.review()] == [Reason.OUTCOME_UNKNOWN]
    shop.time.forward(minutes=10)
    shop.fails(Fault.BUSY_SECONDS, "POST", "/sales", times=50)
    with pytest.raises(RetryLater):
        shop.pass_()
    assert [item.reason for item in shop.review()] == [Reason.OUTCOME_UNKNOWN]
    shop.restart()

    shop.later()

    assert shop.states(order) == ["closed"]
    assert [item.reason for item in shop.review()] == [Reason.REFUND_UNKNOWN]
