"""Where the sync stands, by what the checkpoint keeps."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from shop import Shop

from bcpoll.budget import BudgetView
from bcpoll.checkpoint import POLL, RunOutcome
from bcpoll.core.days import Turnover
from bcpoll.core.rejected import Reason
from bcpoll.core.status import OrderStatus
from bcpoll.errors import Unreachable
from bcpoll.monitoring.standing import NEXT_RUN, Standing, keep_budgets, standing, zone_of
from bcpoll.sandbox.faults import Fault


@pytest.fixture
def shop() -> Shop:
    return Shop()


def look(shop: Shop) -> Standing:
    return standing(shop.checkpoint, shop.time.now())


def test_before_the_first_pass_there_is_nothing_to_tell(shop: Shop) -> None:
    found = look(shop)

    assert (found.cursor, found.last_success, found.up_to, found.next_run) == (None, None, None, None)
    assert (found.today, found.week, len(found.days)) == (Turnover(), Turnover(), 14)


def test_orders_count_on_both_sides(shop: Shop) -> None:
    shop.order(quantity=2)
    shop.order()
    shop.pass_()

    found = look(shop)

    assert found.today == found.week == Turnover(orders=2, ordered=Decimal("32.40"), sales=2, sold=Decimal("32.40"))
    assert (str(found.zone), found.currency) == ("America/Chicago", "USD")


def test_an_order_that_is_set_aside_counts_for_the_store_alone_with_its_total(shop: Shop) -> None:
    order = shop.order()
    shop.store.overwrite(order, {"total_inc_tax": "12.3400"})
    shop.pass_()

    found = look(shop)

    assert found.today == Turnover(orders=1, ordered=Decimal("12.3400"), sales=0, sold=Decimal(0))
    assert found.set_aside == {Reason.TOTALS_DIFFER: 1}
    assert found.oldest_set_aside is not None


@pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.INCOMPLETE])
def test_an_order_that_demands_no_sale_counts_on_neither_side(shop: Shop, status: OrderStatus) -> None:
    shop.order(status=status)
    shop.pass_()

    assert look(shop).today == Turnover()


def test_an_order_stays_on_the_day_that_it_was_placed_on_however_late_it_changes(shop: Shop) -> None:
    order = shop.order(status=OrderStatus.AWAITING_PAYMENT)
    shop.pass_()
    placed = shop.time.now()
    shop.time.forward(days=2)
    shop.happens(shop.store.set_status, order, OrderStatus.SHIPPED)
    shop.pass_()

    found = look(shop)

    assert found.today == Turnover()
    assert found.days[placed.astimezone(found.zone).date()].sales == 1


def test_a_row_that_does_not_know_its_day_keeps_the_one_that_was_known(shop: Shop) -> None:
    order = shop.order()
    shop.pass_()
    row = shop.row(order)

    shop.checkpoint.record([replace(row, placed_at=None)])

    assert row.placed_at is not None
    assert shop.row(order).placed_at == row.placed_at


def test_the_lag_goes_by_the_last_pass_that_looked_at_everything(shop: Shop) -> None:
    shop.order()
    shop.pass_()
    began = look(shop).up_to
    shop.time.forward(minutes=5)
    shop.pass_(100)
    shop.fails(Fault.RESET_BEFORE, "GET", "/orders", side="store", times=20)
    with pytest.raises(Unreachable):
        shop.pass_()

    found = look(shop)

    assert found.up_to == began
    assert [run.outcome for run in found.runs] == [RunOutcome.STOPPED, RunOutcome.DONE, RunOutcome.DONE]
    assert [run.kind for run in found.runs] == [POLL, "orders", POLL]


def test_the_next_run_is_the_one_that_was_told(shop: Shop) -> None:
    shop.pass_()
    at = shop.time.now() + timedelta(minutes=5)
    shop.checkpoint.set_mark(NEXT_RUN, at)

    coming = look(shop).next_run

    assert coming is not None
    assert (coming.at, coming.is_told) == (at, True)


def test_rate_budgets_are_kept_as_each_side_told_last(shop: Shop) -> None:
    first, unknown = BudgetView(150, 140, 30), BudgetView(None, None, 300)
    keep_budgets(shop.checkpoint, {"bigcommerce": first, "pos": unknown}, shop.time.now())
    at = shop.time.now()
    shop.time.forward(hours=1)
    later = BudgetView(650, 600, 300)
    keep_budgets(shop.checkpoint, {"bigcommerce": BudgetView(150, None, 30), "pos": later}, shop.time.now())

    budgets = look(shop).budgets

    assert {side: (one.at, one.view) for side, one in budgets.items()} == {
        "bigcommerce": (at, first),
        "pos": (shop.time.now(), later),
    }


def test_an_order_of_another_currency_counts_without_its_amount(shop: Shop) -> None:
    shop.order(currency="EUR")
    shop.pass_()

    assert look(shop).today == Turnover(orders=1)


def test_a_time_zone_that_is_not_known_here_is_utc() -> None:
    assert str(zone_of("Moon/Tycho")) == str(zone_of("")) == "UTC"
    assert str(zone_of("Pacific/Auckland")) == "Pacific/Auckland"
