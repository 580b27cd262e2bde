"""`bcpoll status`: where the sync stands, from the checkpoint alone; works without network."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import Options, pass_options, print_json
from bcpoll.cli.signals import stopping_on_signals

if TYPE_CHECKING:
    from bcpoll.cli.render import StatusPage
    from bcpoll.config import Settings
    from bcpoll.core.days import Turnover
    from bcpoll.monitoring.standing import Standing

# How often `--watch` looks again: a pass takes about that long.
_WATCHED_EVERY = 2.0


@click.command(epilog="Example: bcpoll status --watch", short_help="Show where the sync stands.")
@click.option("--watch", is_flag=True, help="Keep showing it, until Ctrl-C.")
@pass_options
def status(options: Options, watch: bool) -> None:  # noqa: FBT001
    """Show how far behind BigCommerce the POS is, what was ordered, and the last runs.

    Reads the checkpoint alone: it needs no network, and may be used beside a pass that is under way.
    """
    from bcpoll.cli import render, wiring

    settings = wiring.settings_of(options.config, options.environ)
    if watch:
        if options.as_json or not sys.stdout.isatty():
            raise click.UsageError("--watch shows a page on a terminal; leave it out, and ask as often as you need.")
        with stopping_on_signals(quietly=True) as stop:
            render.watch_status(lambda: _page(_standing(settings), wiring.now()), lambda: stop.wait(_WATCHED_EVERY))
    elif options.as_json:
        print_json(_as_json(_standing(settings), wiring.now()))
    else:
        render.show_status(_page(_standing(settings), wiring.now()))


COMMANDS = (status,)


def _standing(settings: "Settings") -> "Standing":
    from bcpoll.cli import wiring
    from bcpoll.monitoring.standing import standing

    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        return standing(checkpoint, wiring.now())


# --- plain values ----------------------------------------------------------------------------------------------------


def _as_json(found: "Standing", now: datetime) -> dict[str, Any]:
    from bcpoll.cli import render
    from bcpoll.core.times import iso

    success, coming = found.last_success, found.next_run
    ended = success.ended_at if success else None
    times = {"start": found.start, "cursor": found.cursor, "last_success": ended, "up_to": found.up_to}
    return {
        "checkpoint": str(found.checkpoint),
        "size_bytes": found.size_bytes,
        **{name: iso(at) if at else None for name, at in times.items()},
        "lag_seconds": int((now - found.up_to).total_seconds()) if found.up_to else None,
        "next_run": None
        if coming is None
        else {"at": iso(coming.at), "told_by": "bcpoll run" if coming.is_told else "pace", "is_late": coming.is_late},
        "orders": {state.value: count for state, count in found.orders.items()},
        "refunds": found.refunds,
        "set_aside": {reason.value: count for reason, count in found.set_aside.items()},
        "unsettled_intents": found.unsettled,
        "time_zone": str(found.zone),
        "currency": found.currency,
        "today": _turnover_json(found.today, found.currency),
        "this_week": _turnover_json(found.week, found.currency),
        "days": [{"day": str(day)} | _turnover_json(one, found.currency) for day, one in found.days.items()],
        "last_14_days": _turnover_json(found.fortnight, found.currency),
        "rate_budgets": {
            side: {"at": iso(one.at), "limit": one.view.limit, "left": one.view.left, "seconds": one.view.window}
            for side, one in found.budgets.items()
        },
        "runs": [render.run_json(run) for run in found.runs],
    }


def _turnover_json(one: "Turnover", currency: str) -> dict[str, Any]:
    ordered, sold = _amounts(one, currency)
    return {"orders": one.orders, "ordered": ordered, "sales": one.sales, "sold": sold}


def _amounts(one: "Turnover", currency: str) -> tuple[str, str]:
    from bcpoll.core.money import Currency, amount_text

    digits = Currency(currency).digits
    return amount_text(one.ordered, digits), amount_text(one.sold, digits)


# --- words -----------------------------------------------------------------------------------------------------------


def _page(found: "Standing", now: datetime) -> "StatusPage":
    from bcpoll.cli import render

    where = ", ".join(filter(None, (str(found.zone), found.currency)))
    return render.StatusPage(
        pairs=list(_pairs(found, now)),
        orders_title=f"Orders by when they were placed ({where})",
        orders=[
            (name, one.orders, ordered, one.sales, sold)
            for name, one in (("today", found.today), ("this week", found.week), ("14 days", found.fortnight))
            for ordered, sold in [_amounts(one, found.currency)]
        ],
        runs=found.runs,
    )


def _pairs(found: "Standing", now: datetime) -> Iterator[tuple[str, str]]:
    from bcpoll.cli import render

    ended = found.last_success.ended_at if found.last_success else None
    counts = [one.orders for one in found.days.values()]
    waiting = sum(found.set_aside.values())
    yield "checkpoint", f"{found.checkpoint} ({found.size_bytes // 1024} KiB)"
    yield "start", f"{_moment(found.start)}; older orders are left alone" if found.start else "fixed by the first pass"
    yield "cursor", _moment(found.cursor, now)
    yield "last success", _moment(ended, now)
    yield "lag", _lag(found, now)
    yield "next run", _next_run(found, now)
    yield "orders", _listed((state.value, count) for state, count in found.orders.items()) or "none yet"
    if found.refunds:
        yield "refunds", _listed(found.refunds.items())
    yield "last 14 days", f"{render.sparkline(counts)} {min(counts)} to {max(counts)} orders a day"
    yield "set aside", f"{_listed(found.set_aside.items())} (bcpoll review list)" if waiting else "none"
    yield "unclear writes", f"{found.unsettled}, looked up by the next run" if found.unsettled else "none"
    yield "requests left", _budgets(found, now)


def _lag(found: "Standing", now: datetime) -> str:
    """How far the POS may be behind: what happened in the web store after the last pass that got through began."""
    if found.up_to is None:
        return "nothing was looked at yet"
    behind = f"{_span(now - found.up_to)} behind BigCommerce"
    return f"{behind}, but for what is set aside" if found.set_aside else behind


def _next_run(found: "Standing", now: datetime) -> str:
    coming = found.next_run
    if coming is None:
        return "not known yet"
    said = "by bcpoll run" if coming.is_told else f"about every {_span(coming.pace or timedelta(0))}"
    if coming.is_late:
        remedy = "see whether bcpoll run, cron or the timer still runs"
        return f"late: expected {_moment(coming.at, now)}, {said}; {remedy}"
    return f"{coming.at:%Y-%m-%d %H:%M:%S} UTC, {said}"


_SIDE_NAMES: Mapping[str, str] = {"bigcommerce": "BigCommerce", "pos": "POS"}


def _budgets(found: "Standing", now: datetime) -> str:
    told = [
        f"{_SIDE_NAMES[side]} {one.view.left} of {one.view.limit} in {_span(timedelta(seconds=one.view.window))}"
        f" ({_ago(now - one.at)})"
        for side, one in found.budgets.items()
    ]
    return ", ".join(told) or "not known yet"


# The states of orders and refunds, where a person would say them otherwise.
_WORDS = {
    "nothing": "without a sale",
    "open": "to be fulfilled",
    "waiting": "waiting for their orders",
    "changed": "changed after booking",
    "left": "left to people",
}


def _listed(counts: "Iterable[tuple[str, int]]") -> str:
    return ", ".join(f"{count} {_WORDS.get(name, name)}" for name, count in counts if count)


def _moment(at: datetime | None, now: datetime | None = None) -> str:
    if at is None:
        return "never"
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" + (f" ({_ago(now - at)})" if now else "")


def _ago(span: timedelta) -> str:
    return f"{_span(span)} ago" if span >= timedelta(minutes=1) else "just now"


def _span(length: timedelta) -> str:
    from bcpoll.core.times import span_text

    return span_text(length)
