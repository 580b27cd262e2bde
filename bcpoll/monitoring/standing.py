"""Where the sync stands: all that the checkpoint tells of it, gathered for people, alerts and measurements.

Reads the checkpoint alone, so that it works without network and beside a pass that is under way. Decides nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bcpoll.budget import BudgetView
from bcpoll.checkpoint import Checkpoint, LedgerRow, ReviewItem, Run
from bcpoll.core.days import Placed, Turnover, by_day, days_before, turnover, week_begins
from bcpoll.core.money import ZERO
from bcpoll.core.rejected import Reason
from bcpoll.core.rhythm import NextRun, next_run
from bcpoll.core.sale import AppliedState, DesiredState
from bcpoll.core.times import iso
from bcpoll.references import known_retailer
from bcpoll.rows import amount_of

NEXT_RUN = "next run"
"""The mark under which `bcpoll run` says when its next pass comes."""

DAYS = 14
"""How many days are shown one by one, today included."""

_BUDGETS = "rate budgets"

# As many passes as show a pace, and as are worth reading.
_PASSES = 12
_RUNS = 10

_SET_ASIDE = "set_aside"
_NO_SALE_WANTED = frozenset({DesiredState.NOT_IMPORTED.value, DesiredState.VOIDED.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What was left of a side's rate budget when a pass that asked it something last ended."""

    at: datetime
    view: BudgetView


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the checkpoint says about the sync as a whole."""

    checkpoint: Path
    size_bytes: int
    start: datetime | None
    cursor: datetime | None
    last_success: Run | None
    orders: Mapping[AppliedState, int]
    refunds: Mapping[str, int]
    set_aside: Mapping[Reason, int]
    oldest_set_aside: datetime | None
    unsettled: int
    runs: Sequence[Run]
    next_run: NextRun | None
    budgets: Mapping[str, Budget]
    """By side; a side that never told its limit is absent."""
    zone: tzinfo
    currency: str
    """Empty where the POS has not told it yet."""
    days: Mapping[date, Turnover]
    """The last days by date, today last."""
    week: Turnover
    fortnight: Turnover

    @property
    def up_to(self) -> datetime | None:
        """The moment up to which all that happened in the web store was looked at."""
        return self.last_success.begun_at if self.last_success else None

    @property
    def today(self) -> Turnover:
        """What was ordered today."""
        return self.days[max(self.days)]


def standing(checkpoint: Checkpoint, now: datetime) -> Standing:
    """Gather the standing from the checkpoint."""
    retailer = known_retailer(checkpoint)
    zone = zone_of(retailer.timezone if retailer else "")
    placed = list(_placed(checkpoint, days_before(now, zone, DAYS - 1)))
    today = now.astimezone(zone).date()
    monday = week_begins(today)
    passes = checkpoint.last_passes(_PASSES)
    items = checkpoint.review_items()
    return Standing(
        checkpoint=checkpoint.path,
        size_bytes=checkpoint.size(),
        start=checkpoint.start(),
        cursor=checkpoint.cursor(),
        last_success=checkpoint.last_success(),
        orders=checkpoint.ledger_counts(),
        refunds={state.value: count for state, count in checkpoint.refund_counts().items()},
        set_aside=checkpoint.review_counts(),
        oldest_set_aside=items[0].first_at if items else None,
        unsettled=len(checkpoint.open_intents()),
        runs=checkpoint.last_runs(_RUNS),
        next_run=next_run([run.begun_at for run in passes], checkpoint.mark(NEXT_RUN), now),
        budgets=_budgets(checkpoint),
        zone=zone,
        currency=retailer.currency if retailer else "",
        days=by_day(placed, zone, today - timedelta(days=DAYS - 1), today),
        fortnight=turnover(placed),
        week=turnover(row for row in placed if row.at.astimezone(zone).date() >= monday),
    )


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name; UTC where there is none, or this host does not know it."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def keep_budgets(checkpoint: Checkpoint, views: Mapping[str, BudgetView], now: datetime) -> None:
    """Keep what is left of the rate budgets, for whoever asks later; what a side told before stays until it tells."""
    told = {side: _budget_row(Budget(at=now, view=one)) for side, one in views.items() if one.left is not None}
    if told:
        kept = {side: _budget_row(one) for side, one in _budgets(checkpoint).items()}
        checkpoint.cache(_BUDGETS, kept | told, now)


def _budget_row(one: Budget) -> dict[str, Any]:
    return {"at": iso(one.at), "limit": one.view.limit, "left": one.view.left, "seconds": int(one.view.window)}


def _budgets(checkpoint: Checkpoint) -> dict[str, Budget]:
    cached = checkpoint.cached(_BUDGETS)
    rows = cached[0] if cached else {}
    return {
        side: Budget(at=datetime.fromisoformat(row["at"]), view=BudgetView(row["limit"], row["left"], row["seconds"]))
        for side, row in rows.items()
    }


def _placed(checkpoint: Checkpoint, since: datetime) -> Iterator[Placed]:
    rows = checkpoint.placed_since(since)
    aside = checkpoint.review_items_of([row.order_id for row in rows if row.disposition == _SET_ASIDE])
    for row in rows:
        sold = row.applied.total if row.applied.state.is_live else None
        if row.placed_at is not None:
            yield Placed(at=row.placed_at, ordered=_ordered(row, sold, aside.get(row.order_id)), sold=sold)


def _ordered(row: LedgerRow, sold: Decimal | None, item: ReviewItem | None) -> Decimal | None:
    """What an order comes to in the web store; None where it demands no sale."""
    if row.disposition in _NO_SALE_WANTED:
        return None
    if row.disposition == _SET_ASIDE:
        # An amount of another currency cannot be added to the others.
        is_ours = item is not None and item.reason is not Reason.FOREIGN_CURRENCY
        return (amount_of(item.payload, "total_inc_tax") if item and is_ours else None) or row.order_total or ZERO
    return sold if row.order_total is None else row.order_total
