"""Orders and sales by day and week."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.days import Placed, Turnover, by_day, days_before, turnover, week_begins

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
AUCKLAND = ZoneInfo("Pacific/Auckland")


def placed(at: datetime = NOON, ordered: str | None = "10.00", sold: str | None = "10.00") -> Placed:
    return Placed(at=at, ordered=Decimal(ordered) if ordered else None, sold=Decimal(sold) if sold else None)


def test_both_sides_are_counted_and_added_up_by_themselves() -> None:
    rows = [
        placed(),
        placed(ordered="2.35", sold=None),
        placed(ordered=None, sold="0.10"),
        placed(ordered=None, sold=None),
    ]

    assert turnover(rows) == Turnover(orders=2, ordered=Decimal("12.35"), sales=2, sold=Decimal("10.10"))


def test_an_order_counts_to_the_day_of_the_shops_own_time_zone() -> None:
    found = by_day([placed()], AUCKLAND, date(2026, 11, 20), date(2026, 11, 21))

    assert [(day.day, one.orders) for day, one in found.items()] == [(20, 0), (21, 1)]


def test_what_was_placed_on_no_day_that_is_asked_for_is_left_out() -> None:
    found = by_day([placed(NOON - timedelta(days=9))], UTC, date(2026, 11, 20), date(2026, 11, 20))

    assert found == {date(2026, 11, 20): Turnover()}


@pytest.mark.parametrize(("day", "monday"), [(16, 16), (20, 16), (22, 16), (23, 23)])
def test_a_week_begins_on_monday(day: int, monday: int) -> None:
    assert week_begins(date(2026, 11, day)) == date(2026, 11, monday)


def test_days_before_begin_at_the_shops_midnight_whatever_its_clocks_did_meanwhile() -> None:
    now = datetime(2026, 9, 28, 0, 30, tzinfo=UTC)

    # Clocks went forward in Auckland on 27 September.
    assert days_before(now, AUCKLAND, 0) == datetime(2026, 9, 27, 11, 0, tzinfo=UTC)
    assert days_before(now, AUCKLAND, 2) == datetime(2026, 9, 25, 12, 0, tzinfo=UTC)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 10**6)), max_size=20))
def test_the_days_add_up_to_the_whole(orders: list[tuple[int, int]]) -> None:
    rows = [
        Placed(at=NOON - timedelta(hours=hours), ordered=Decimal(cents) / 100, sold=None) for hours, cents in orders
    ]
    days = by_day(rows, UTC, (NOON - timedelta(hours=401)).date(), NOON.date())

    assert sum(one.orders for one in days.values()) == len(orders)
    assert sum((one.ordered for one in days.values()), Decimal(0)) == turnover(rows).ordered
