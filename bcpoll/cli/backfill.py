"""`bcpoll backfill`: the shop's history, counted and shown first, then brought over once somebody has said yes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import Options, pass_options, print_json
from bcpoll.cli.when import begins, bound, ends, refuse_empty, zone_named

if TYPE_CHECKING:
    from bcpoll.backfill import Effect, Forecast, Report, Scope
    from bcpoll.cli.wiring import Relay
    from bcpoll.undo import ToUndo, Undone

_SET_ASIDE = 3

_EXPLAINED = """\
bcpoll backfill brings the orders from before the first run into the POS. Nothing was done: say which orders.

  bcpoll backfill --all-orders --dry-run        what all of them would do; writes nothing
  bcpoll backfill --since 2026-01-01            those of this year, after a look at them and a yes
  bcpoll backfill --all-orders --limit 20       the first twenty, for a try
  bcpoll backfill --undo                        void again what was brought over

Today's stock stays as it is unless you say --move-stock. The passes of bcpoll run may go on meanwhile."""

_GO_ON = "What is done is done. To go on where it was, give the same command again."


# Where it is kept that nobody wants to know how far it has got.
_QUIET = f"{__name__}.quiet"


def _hush(context: click.Context, _: click.Parameter, is_asked: bool) -> None:  # noqa: FBT001
    context.meta[_QUIET] = is_asked


@click.command(
    epilog="Example: bcpoll backfill --since 2025-01-01 --until 2025-12-31 --dry-run",
    short_help="Bring over the orders from before the first run.",
)
@click.option("--all-orders", is_flag=True, help="Bring over all of them.")
@click.option("--since", callback=bound, metavar="WHEN", help="Only orders placed from this day or moment on.")
@click.option("--until", callback=bound, metavar="WHEN", help="Only up to the end of this day, or up to this moment.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many orders; the next go goes on.")
@click.option("--move-stock", is_flag=True, help="Let sales of the past take their goods out of today's stock.")
@click.option("--undo", is_flag=True, help="Void again what was brought over.")
@click.option("--dry-run", is_flag=True, help="Show what would be written and what that would do; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask, for scripts.")
@click.option("--no-progress", is_flag=True, expose_value=False, callback=_hush, help="Do not tell how far it has got.")
@pass_options
def backfill(
    options: Options,
    *,
    all_orders: bool,
    since: date | None,
    until: date | None,
    limit: int | None,
    move_stock: bool,
    undo: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    """Bring over the orders from before the first run, with their own dates and without moving today's stock.

    It counts them first, shows what will happen and asks. Stopped at any point it goes on where it was; a second time
    it writes nothing. It takes turns with a running bcpoll run, and leaves it a part of the POS's rate limit ([sync]
    reserve). Days are days of the POS account's time zone.

    Exit codes: 0 done, 3 done but orders were set aside, 75 stopped early and safe to run again, 69 the other side
    could not be reached, 77 a token or right was refused.
    """
    from bcpoll.cli import wiring

    has_window = all_orders or since is not None or until is not None
    if not has_window and not undo:
        click.echo(_EXPLAINED)
        return 0
    if undo and (has_window or move_stock):
        raise click.UsageError("--undo takes back all that was brought over: leave the window and --move-stock out.")
    if options.as_json and not (yes or dry_run):
        raise click.UsageError("--json cannot ask: say --yes or --dry-run with it.")
    settings = wiring.settings_of(options.config, options.environ)
    with (
        wiring.stopping_on_signals() as stop,
        wiring.taking_turns(settings, command="backfill", stop=stop, create=not dry_run) as relay,
    ):
        if undo:
            return _undo(options, relay, limit, dry_run=dry_run, yes=yes)
        scope = _scope(relay, since, until, limit, move_stock=move_stock)
        return _backfill(options, relay, scope, dry_run=dry_run, yes=yes)


COMMANDS = (backfill,)


def _scope(relay: "Relay", since: date | None, until: date | None, limit: int | None, *, move_stock: bool) -> "Scope":
    from bcpoll.backfill import Scope

    if since is None and until is None:
        return Scope(moves_stock=move_stock, limit=limit)
    with relay.turn() as shell:
        zone = zone_named(shell.shop().timezone)
    first = None if since is None else begins(since, zone)
    last = None if until is None else ends(until, zone)
    if first and last:
        refuse_empty(first, last)
    return Scope(since=first, until=last, moves_stock=move_stock, limit=limit)


# --- bringing over ---------------------------------------------------------------------------------------------------


def _backfill(options: Options, relay: "Relay", scope: "Scope", *, dry_run: bool, yes: bool) -> int:
    from bcpoll.backfill import forecast, run_backfill
    from bcpoll.errors import RetryLater

    with relay.turn() as shell:
        expected = forecast(shell, scope)
    if not options.as_json:
        _show_forecast(expected, scope)
    if dry_run or not yes:
        effect = _foreseen(relay, scope, expected.orders)
        if dry_run and options.as_json:
            print_json(_forecast_json(expected) | _effect_json(effect) | {"requests": dict(relay.requests)})
        else:
            _show_effect(effect, scope)
        if dry_run:
            return _SET_ASIDE if effect.set_aside else 0
        _confirm("Bring them over?")
    try:
        with _progress(relay, expected.orders) as tell:
            report = run_backfill(relay.turn, scope, tell)
    except RetryLater:
        click.echo(_GO_ON, err=True)
        raise
    if options.as_json:
        counts = {name: count for name, count in report.counts.items() if count}
        print_json({"complete": report.is_complete, "counts": counts, "requests": dict(relay.requests)})
    else:
        click.echo(_summary(report, relay))
        if not report.is_complete:
            click.echo("The limit is reached. To go on behind it, give the same command again.")
    return _SET_ASIDE if report.set_aside else 0


def _foreseen(relay: "Relay", scope: "Scope", orders: int) -> "Effect":
    from bcpoll.backfill import foresee

    with _counting("Looking through the orders", orders) as tell:
        return foresee(relay.turn, scope, tell)


def _confirm(question: str) -> None:
    try:
        said_yes = click.confirm(question, err=True)
    except click.Abort as error:
        raise click.UsageError("Nothing was done, for there is nobody to ask. For scripts: --yes.") from error
    if not said_yes:
        click.echo("Nothing was done.", err=True)
        raise click.exceptions.Exit(0)


def _show_forecast(expected: "Forecast", scope: "Scope") -> None:
    from bcpoll.cli import render
    from bcpoll.core.status import OrderStatus

    window = f"before {min(scope.until or expected.start, expected.start):%Y-%m-%d %H:%M} UTC"
    since = f" from {scope.since:%Y-%m-%d %H:%M} UTC on" if scope.since else ""
    titles = {int(status): status.title for status in OrderStatus}
    counted = ((status, count) for status, count in expected.by_status.items() if count)
    rows = [(titles.get(status, f"status {status}"), f"{count:,}") for status, count in counted]
    rows.append(("all", f"{expected.orders:,}"))
    render.show_table(f"Orders{since} {window}, by BigCommerce's count", ("status", "orders"), rows, right=("orders",))
    click.echo()
    limit, orders = limit_of(expected.registers), min(expected.orders, scope.limit or expected.orders)
    click.echo(
        f"With {expected.registers} registers the POS takes {limit:,} requests in five minutes: {orders:,} orders take"
        f" about {duration(seconds_for(orders, expected.registers))}."
    )


def _show_effect(effect: "Effect", scope: "Scope") -> None:
    from bcpoll.cli import render

    click.echo()
    years = sorted({*effect.sales, *effect.money})
    if years:
        rows = [(str(year), f"{effect.sales[year]:,}", f"{effect.money.get(year, 0):,}") for year in years]
        columns = ("year", "sales", "money, less refunds")
        render.show_table("What would be written", columns, rows, right=columns[1:])
    else:
        click.echo("No sale would be written.")
    click.echo()
    render.show_table("Besides", ("", ""), _besides(effect, scope))
    if effect.set_aside:
        click.echo()
        reasons = [(reason, f"{count:,}") for reason, count in effect.set_aside.most_common()]
        render.show_table("Would be set aside", ("reason", "orders"), reasons, right=("orders",))
    if scope.moves_stock and effect.units:
        click.echo()
        moved = [(code, f"{-count:+,}") for code, count in effect.units.most_common()]
        render.show_table("What it would do to the stock", ("code", "units"), moved, right=("units",))


def _besides(effect: "Effect", scope: "Scope") -> Iterator[tuple[str, str]]:
    yield "in the POS already", f"{effect.known:,} orders"
    yield "not to import", f"{effect.not_imported:,} orders"
    yield "cancelled", f"{effect.voided:,} voided sales"
    yield "refunds", f"{effect.refunds:,} of orders that say so"
    yield "new products", f"{len(effect.new_codes):,}"
    products = f"{len(effect.units):,} product{'' if len(effect.units) == 1 else 's'}"
    units = f"{sum(effect.units.values()):,} units of {products} are sold"
    yield "stock", units if scope.moves_stock else f"stays as it is: {units} and put back"


def _forecast_json(expected: "Forecast") -> dict[str, Any]:
    return {
        "orders": expected.orders,
        "by_status": {str(status): count for status, count in expected.by_status.items() if count},
        "seconds": seconds_for(expected.orders, expected.registers),
    }


def _effect_json(effect: "Effect") -> dict[str, Any]:
    return {
        "sales": {str(year): count for year, count in sorted(effect.sales.items())},
        "money": {str(year): str(amount) for year, amount in sorted(effect.money.items())},
        "voided": effect.voided,
        "refunds": effect.refunds,
        "known": effect.known,
        "not_imported": effect.not_imported,
        "set_aside": dict(effect.set_aside),
        "new_products": sorted(effect.new_codes),
        "units": dict(effect.units),
    }


def _summary(report: "Report", relay: "Relay") -> str:
    from bcpoll.cli.words import counts_line

    asked = relay.requests
    known = f", {report.counts['known']:,} were there already" if report.counts["known"] else ""
    return (
        f"{report.counts['looked_at']:,} of {report.total:,} orders looked at{known}: {counts_line(report.counts)}"
        f" ({asked['bigcommerce']:,} + {asked['pos']:,} requests to BigCommerce and the POS)"
    )


# --- how long --------------------------------------------------------------------------------------------------------

# Requests to the POS for each order, in a history in which customers come again: the sale, and its share of the rest.
_REQUESTS_EACH = 1.05

_WINDOW = 300


def limit_of(registers: int) -> int:
    """How many requests the POS takes within five minutes."""
    return 300 * registers + 50


def seconds_for(orders: int, registers: int) -> int:
    """How long so many orders take at the POS's limit."""
    return round(orders * _REQUESTS_EACH / limit_of(registers) * _WINDOW)


def duration(seconds: float) -> str:
    """A length of time, as exactly as anybody wants to know."""
    minutes, hours = max(round(seconds / 60), 1), round(seconds / 3600)
    if minutes < 100:
        return "a minute" if minutes == 1 else f"{minutes} minutes"
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"


# --- progress --------------------------------------------------------------------------------------------------------

# How often a line is printed where there is no terminal.
_EVERY = 30.0


@contextmanager
def _progress(relay: "Relay", orders: int) -> "Iterator[Callable[[Report], None]]":
    """Tell how far it has got: a bar on a terminal, else a line now and then, on stderr."""
    begun_at, sent_before = _monotonic(), relay.requests["pos"]

    def said(report: "Report") -> str:
        passed = max(_monotonic() - begun_at, 1e-9)
        per_minute = (relay.requests["pos"] - sent_before) / passed * 60
        limit = relay.pos_client.budget.limit
        allowed = f" of {limit / _WINDOW * 60:,.0f}" if limit else ""
        return (
            f"{report.counts['created']:,} sales, {report.set_aside:,} set aside,"
            f" {per_minute:,.0f}{allowed} requests a minute"
        )

    with _counting("Bringing over", orders) as count:
        yield lambda report: count(report.counts["looked_at"], said(report))


@contextmanager
def _counting(title: str, total: int) -> Iterator[Callable[..., None]]:
    """A bar on a terminal, else a line now and then; called with how many are done, and with words beside that."""
    if click.get_current_context().meta.get(_QUIET):
        yield lambda _done, _said="": None
        return
    if sys.stderr.isatty():
        with _bar(title, total) as tell:
            yield tell
        return
    last = _monotonic()

    def tell_in_lines(done: int, said: str = "") -> None:
        nonlocal last
        if _monotonic() - last >= _EVERY:
            last = _monotonic()
            click.echo(f"{title}: {done:,} of {total:,} orders{', ' if said else ''}{said}", err=True)

    yield tell_in_lines


@contextmanager
def _bar(title: str, total: int) -> Iterator[Callable[..., None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from bcpoll.logs import written_to

    columns = (
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
    )
    # While the bar is there it stands in for sys.stderr, so that lines of the log come to stand above it.
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress, written_to(sys.stderr):
        task = progress.add_task(title, total=total, said="")
        yield lambda done, said="": progress.update(task, completed=done, said=said)


def _monotonic() -> float:
    from bcpoll.budget import SYSTEM_CLOCK

    return SYSTEM_CLOCK.monotonic()


# --- undoing ---------------------------------------------------------------------------------------------------------


def _undo(options: Options, relay: "Relay", limit: int | None, *, dry_run: bool, yes: bool) -> int:
    from bcpoll.errors import RetryLater
    from bcpoll.undo import run_undo, to_undo

    with relay.turn() as shell:
        found = to_undo(shell)
        registers = len(shell.pos.registers())
    if not options.as_json:
        _show_undo(found, registers)
    elif dry_run:
        print_json({"orders": found.orders, "sales": found.sales, "refunds": found.refunds, "money": str(found.money)})
    if dry_run or not found.orders:
        return 0
    if not yes:
        _confirm("Void them?")
    try:
        with _counting("Voiding", found.orders) as tell:
            undone = run_undo(relay.turn, limit, lambda so_far: tell(so_far.orders))
    except RetryLater:
        click.echo(_GO_ON, err=True)
        raise
    return _tell_undone(options, relay, undone)


def _show_undo(found: "ToUndo", registers: int) -> None:
    if not found.orders:
        click.echo("No order was brought over by a backfill.")
        return
    seconds = seconds_for(_REQUESTS_EACH_UNDO * (found.sales + found.refunds), registers)
    click.echo(
        f"{found.orders:,} orders were brought over. {found.sales:,} sales and {found.refunds:,} refunds of theirs"
        f" stand in the POS, over {found.money:,}: all of them would be voided, which takes about {duration(seconds)}."
        " The stock stays as it is, but for what was brought over with --move-stock."
    )


# Read, voided, and read again.
_REQUESTS_EACH_UNDO = 3


def _tell_undone(options: Options, relay: "Relay", undone: "Undone") -> int:
    if options.as_json:
        print_json(
            {
                "orders": undone.orders,
                "voided": undone.voided,
                "refused": [dict(zip(("order", "sale", "detail"), one, strict=True)) for one in undone.refused],
                "requests": dict(relay.requests),
            }
        )
    else:
        click.echo(f"{undone.orders:,} orders undone, {undone.voided:,} sales voided.")
        for order_id, sale_id, detail in undone.refused:
            click.echo(f"Void by hand: order {order_id}, sale {sale_id} ({detail})")
    return _SET_ASIDE if undone.refused else 0
