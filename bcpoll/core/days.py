"""Orders and sales by the day on which the orders were placed: counts and sums, for both sides.

A day is one of the shop's own time zone, a week begins on Monday. Refunds are not counted here: they are sales of their
own, and an order keeps its total.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal

from bcpoll.core.money import ZERO, total
from bcpoll.core.times import day_begins


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An order by when it was placed: what it comes to in the web store, and what the POS holds of it."""

    at: datetime
    ordered: Decimal | None
    """None where it demands no sale."""
    sold: Decimal | None
    """None where the POS holds no sale of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnover:
    """How many orders and sales there were, and what they come to."""

    orders: int = 0
    ordered: Decimal = ZERO
    sales: int = 0
    sold: Decimal = ZERO


def turnover(placed: Iterable[Placed]) -> Turnover:
    """Count and add up."""
    rows = list(placed)
    ordered = [row.ordered for row in rows if row.ordered is not None]
    sold = [row.sold for row in rows if row.sold is not None]
    return Turnover(orders=len(ordered), ordered=total(ordered), sales=len(sold), sold=total(sold))


def by_day(placed: Iterable[Placed], zone: tzinfo, first: date, last: date) -> Mapping[date, Turnover]:
    """The turnover of each day from first to last, days without orders included."""
    days: dict[date, list[Placed]] = {first + timedelta(days=number): [] for number in range((last - first).days + 1)}
    for row in placed:
        days.get(row.at.astimezone(zone).date(), []).append(row)
    return {day: turnover(rows) for day, rows in days.items()}


def week_begins(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def days_before(now: datetime, zone: tzinfo, days: int) -> datetime:
    """The moment at which the day that many days before today began."""
    return day_begins(now.astimezone(zone).date() - timedelta(days=days), zone)
