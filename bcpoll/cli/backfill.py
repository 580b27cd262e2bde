"""`bcpoll backfill`: the shop's history, counted and shown first, then brought over once somebody has said yes."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import Options, pass_options, print_json
from bcpoll.cli.progress import counting, duration, limit_of, no_progress, progress, seconds_for
from bcpoll.cli.signals import stopping_at_once, stopping_on_signals
from bcpoll.cli.when import begins, bound, ends, refuse_empty, zone_named
from bcpoll.cli.words import say

if TYPE_CHECKING:
    from bcpoll.backfill import BackfillReport, Forecast, Selection, Survey
    from bcpoll.cli.wiring import Relay
    from bcpoll.errors import RetryLater
    from bcpoll.undo import ToUndo, Undone

_SET_ASIDE = 3

_EXPLAINED = """\
bcpoll backfill brings the orders from before the first run into the POS. Nothing was done: say which orders.

  bcpoll backfill --all-orders --dry-run        what all of them would do; writes nothing
  bcpoll backfill --since 2026-01-01            those of this year, after a look at them and a yes
  bcpoll backfill --all-orders --limit 20       the first twenty, to look at them in the POS
  bcpoll backfill --undo                        void again what was brought over

Today's stock stays as it is unless you say --move-stock. Passes may run meanwhile."""

_GO_ON = "What is done stays done. To continue from there, give the same command again."
_NOTHING_DONE = "Nothing was done."


@click.command(
    epilog="Example: bcpoll backfill --since 2025-01-01 --until 2025-12-31 --dry-run",
    short_help="Bring over the orders from before the first run.",
)
@click.option("--all-orders", is_flag=True, help="Bring over all of them.")
@click.option("--since", callback=bound, metavar="WHEN", help="Only orders placed from this day or moment on.")
@click.option("--until", callback=bound, metavar="WHEN", help="Only up to the end of this day, or up to this moment.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="At most this many orders; the same command again continues.",
)
@click.option("--move-stock", is_flag=True, help="Let sales of the past take their goods out of today's stock.")
@click.option("--undo", is_flag=True, help="Void again what was brought over.")
@click.option("--dry-run", is_flag=True, help="Show what would be written and what that would do; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask, for scripts.")
@no_progress
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

    It counts them first, shows what will happen and asks. Stopped at any point, the same command continues where it
    was; nothing is written a second time. It takes turns with the passes that run beside it, and leaves them a part of
    the POS's rate limit ([sync] reserve). Days are days of the POS account's time zone.

    Exit codes: 0 done, 3 done but orders were set aside, 75 stopped early and safe to run again, 69 the other side
    could not be reached, 77 a token or right was refused.
    """
    from bcpoll.cli import wiring

    has_window = all_orders or since is not None or until is not None
    if not has_window and not undo:
        if options.as_json:
            raise click.UsageError("Say which orders: --all-orders, or --since and --until, or --undo.")
        say(_EXPLAINED)
        return 0
    if undo and (has_window or move_stock):
        raise click.UsageError("--undo takes back all that was brought over: leave the window and --move-stock out.")
    if options.as_json and not (yes or dry_run):
        raise click.UsageError("--json cannot ask: say --yes or --dry-run with it.")
    settings = wiring.settings_of(options.config, options.environ)
    with (
        stopping_on_signals() as stop,
        wiring.taking_turns(settings, command="backfill", stop=stop, create=not dry_run) as relay,
    ):
        if undo:
            return _undo(options, relay, limit, dry_run=dry_run, yes=yes)
        selection = _selection(relay, since, until, limit, move_stock=move_stock)
        return _backfill(options, relay, selection, dry_run=dry_run, yes=yes)


COMMANDS = (backfill,)


def _selection(
    relay: "Relay", since: date | None, until: date | None, limit: int | None, *, move_stock: bool
) -> "Selection":
    from bcpoll.backfill import Selection

    if since is None and until is None:
        return Selection(moves_stock=move_stock, limit=limit)
    with relay.turn() as shell:
        zone = zone_named(shell.shop().timezone)
    first = None if since is None else begins(since, zone)
    last = None if until is None else ends(until, zone)
    if first and last:
        refuse_empty(first, last)
    return Selection(since=first, until=last, moves_stock=move_stock, limit=limit)


# --- bringing over ---------------------------------------------------------------------------------------------------


def _backfill(options: Options, relay: "Relay", selection: "Selection", *, dry_run: bool, yes: bool) -> int:
    from bcpoll.backfill import forecast

    with relay.turn() as shell:
        expected = forecast(shell, selection)
    if not options.as_json:
        _show_forecast(expected, selection)
    if dry_run or not yes:
        survey = _surveyed(relay, selection, expected.orders)
        if dry_run and options.as_json:
            print_json(_forecast_json(expected) | _survey_json(survey) | {"requests": dict(relay.requests)})
        else:
            _show_survey(survey, selection)
        if dry_run:
            return _SET_ASIDE if survey.set_aside else 0
        if survey.is_nothing:
            say("There is nothing to bring over.")
            return 0
        _confirm("Bring them over?", relay)
    return _brought_over(options, relay, selection, expected.orders)


def _brought_over(options: Options, relay: "Relay", selection: "Selection", orders: int) -> int:
    from bcpoll.backfill import BackfillReport, run_backfill
    from bcpoll.errors import RetryLater

    report = BackfillReport(counts=Counter(), total=orders)
    try:
        with progress(relay, "Bringing over", orders) as count:

            def tell(so_far: BackfillReport) -> None:
                nonlocal report
                report = so_far
                words = f"{so_far.counts['created']:,} sales, {so_far.set_aside:,} set aside"
                count(so_far.counts["looked_at"], so_far.before, words)

            report = run_backfill(relay.turn, selection, tell)
    except RetryLater as error:
        return _tell_stopped(options, error, _report_json(report, relay))
    if options.as_json:
        print_json(_report_json(report, relay))
    else:
        say(_summary(report, relay))
        if not report.is_complete:
            say("The limit is reached. To continue from there, give the same command again.")
    return _SET_ASIDE if report.set_aside else 0


def _surveyed(relay: "Relay", selection: "Selection", orders: int) -> "Survey":
    from bcpoll.backfill import survey_orders
    from bcpoll.errors import RetryLater

    try:
        with counting("Looking through the orders", orders) as tell:
            return survey_orders(relay.turn, selection, tell)
    except RetryLater:
        click.echo(_NOTHING_DONE, err=True)
        raise


def _confirm(question: str, relay: "Relay") -> None:
    from bcpoll.errors import RetryLater

    try:
        with stopping_at_once(relay.stop) as await_line:
            said_yes = _says_yes(question, await_line)
    except click.Abort as error:
        raise click.UsageError("Nothing was done, for there is nobody to ask. For scripts: --yes.") from error
    except RetryLater as error:
        click.echo(f"\n{_NOTHING_DONE}", err=True)
        raise click.exceptions.Exit(error.exit_code) from error
    if not said_yes:
        click.echo(_NOTHING_DONE, err=True)
        raise click.exceptions.Exit(0)


def _says_yes(question: str, await_line: Callable[[], None]) -> bool:
    while True:
        click.echo(f"{question} [y/N]: ", nl=False, err=True)
        await_line()
        line = sys.stdin.readline()
        if not line:
            raise click.Abort
        if (word := line.strip().lower()) in _ANSWERS:
            return _ANSWERS[word]
        click.echo("Say y or n.", err=True)


_ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}


def _tell_stopped(options: Options, error: "RetryLater", done: dict[str, Any]) -> int:
    """Say what stopped it and how to go on, with --json beside what was done; the exit code."""
    say(f"bcpoll: {error.message}", err=True)
    say(f"{_remedy(error)}{_GO_ON}", err=True)
    if options.as_json:
        print_json(done | {"error": error.message, "hint": error.hint, "exit_code": error.exit_code})
    return error.exit_code


def _remedy(error: "RetryLater") -> str:
    from bcpoll.errors import STOPPED

    return f"{error.hint}\n" if error.hint and error is not STOPPED else ""


def _report_json(report: "BackfillReport", relay: "Relay") -> dict[str, Any]:
    counts = {name: count for name, count in report.counts.items() if count}
    return {"complete": report.is_complete, "counts": counts, "requests": dict(relay.requests)}


def _show_forecast(expected: "Forecast", selection: "Selection") -> None:
    from bcpoll.cli import render
    from bcpoll.core.status import OrderStatus

    until = f"{min(selection.until or expected.start, expected.start):%Y-%m-%d %H:%M} UTC"
    window = f"from {selection.since:%Y-%m-%d %H:%M} to {until}" if selection.since else f"before {until}"
    titles = {int(status): status.title for status in OrderStatus}
    counted = ((status, count) for status, count in expected.by_status.items() if count)
    rows = [(titles.get(status, f"status {status}"), f"{count:,}") for status, count in counted]
    rows.append(("all", f"{expected.orders:,}"))
    render.show_table(f"Orders {window}, by BigCommerce's count", ("status", "orders"), rows, right=("orders",))
    click.echo()
    limit, orders = limit_of(expected.registers), min(expected.orders, selection.limit or expected.orders)
    if orders:
        say(
            f"With {_registers(expected.registers)} the POS takes {limit:,} requests in five minutes: {orders:,} orders"
            f" take about {duration(seconds_for(orders, expected.registers))}."
        )


def _registers(count: int) -> str:
    return "1 register" if count == 1 else f"{count} registers"


def _show_survey(survey: "Survey", selection: "Selection") -> None:
    from bcpoll.cli import render

    click.echo()
    years = sorted({*survey.sales, *survey.money})
    if years:
        rows = [(str(year), f"{survey.sales[year]:,}", f"{survey.money.get(year, 0):,}") for year in years]
        columns = ("year", "sales", "money, less refunds")
        render.show_table("What would be written", columns, rows, right=columns[1:])
    else:
        say("No sale would be written.")
    click.echo()
    render.show_table("Besides", ("", ""), _besides(survey, selection))
    if survey.set_aside:
        click.echo()
        reasons = [(reason, f"{count:,}") for reason, count in survey.set_aside.most_common()]
        render.show_table("Would be set aside", ("reason", "orders"), reasons, right=("orders",))
    if selection.moves_stock and survey.units:
        click.echo()
        moved = [(code, f"{-count:+,}") for code, count in survey.units.most_common()]
        render.show_table("What it would do to the stock", ("code", "units"), moved, right=("units",))


def _besides(survey: "Survey", selection: "Selection") -> Iterator[tuple[str, str]]:
    yield "dealt with before", f"{survey.known:,} orders"
    yield "nothing to write", f"{survey.not_imported:,} orders"
    yield "cancelled", f"{survey.voided:,} voided sales"
    yield "refunds", f"{survey.refunds:,} of orders that say so"
    yield "new products", f"{len(survey.new_codes):,}"
    products = f"{len(survey.units):,} product{'' if len(survey.units) == 1 else 's'}"
    units = f"{sum(survey.units.values()):,} units of {products} are sold"
    yield "stock", units if selection.moves_stock else f"stays as it is: {units} and put back"


def _forecast_json(expected: "Forecast") -> dict[str, Any]:
    return {
        "orders": expected.orders,
        "by_status": {str(status): count for status, count in expected.by_status.items() if count},
        "seconds": seconds_for(expected.orders, expected.registers),
    }


def _survey_json(survey: "Survey") -> dict[str, Any]:
    return {
        "sales": {str(year): count for year, count in sorted(survey.sales.items())},
        "money": {str(year): str(amount) for year, amount in sorted(survey.money.items())},
        "voided": survey.voided,
        "refunds": survey.refunds,
        "known": survey.known,
        "not_imported": survey.not_imported,
        "set_aside": dict(survey.set_aside),
        "new_products": sorted(survey.new_codes),
        "units": dict(survey.units),
    }


def _summary(report: "BackfillReport", relay: "Relay") -> str:
    from bcpoll.cli.words import counts_line

    asked = relay.requests
    known = f", {report.counts['known']:,} were there already" if report.counts["known"] else ""
    before = f", {report.before:,} in earlier goes" if report.before else ""
    return (
        f"{report.counts['looked_at']:,} of {report.total:,} orders looked at{before}{known}:"
        f" {counts_line(report.counts)}"
        f" ({asked['bigcommerce']:,} + {asked['pos']:,} requests to BigCommerce and the POS)"
    )


# --- undoing ---------------------------------------------------------------------------------------------------------


def _undo(options: Options, relay: "Relay", limit: int | None, *, dry_run: bool, yes: bool) -> int:
    from bcpoll.errors import RetryLater
    from bcpoll.undo import Undone, run_undo, to_undo

    with relay.turn() as shell:
        found = to_undo(shell)
        registers = len(shell.pos.registers())
    if not options.as_json:
        _show_undo(found, registers, limit)
    elif dry_run:
        print_json({"orders": found.orders, "sales": found.sales, "refunds": found.refunds, "money": str(found.money)})
    undone = Undone(refused=[])
    if dry_run:
        return 0
    if not found.orders:
        return _tell_undone(options, relay, undone)
    if not yes:
        _confirm("Void them?", relay)
    try:
        with progress(relay, "Voiding", min(found.orders, limit or found.orders)) as count:

            def tell(so_far: Undone) -> None:
                nonlocal undone
                undone = so_far
                count(so_far.orders, 0, f"{so_far.voided:,} sales voided")

            undone = run_undo(relay.turn, limit, tell)
    except RetryLater as error:
        return _tell_stopped(options, error, _undone_json(undone, relay))
    return _tell_undone(options, relay, undone)


def _show_undo(found: "ToUndo", registers: int, limit: int | None) -> None:
    if not found.orders:
        return
    count = found.sales + found.refunds
    seconds = seconds_for(_REQUESTS_EACH_UNDO * count, registers)
    which = "All of them" if limit is None or limit >= found.orders else f"Those of {limit:,} of these orders"
    say(
        f"{found.orders:,} orders were brought over. Their {found.sales:,} sales and {found.refunds:,} refunds in the"
        f" POS come to {found.money:,}. {which} would be voided; to void all takes about {duration(seconds)}. The"
        " stock stays as it is, except for what was brought over with --move-stock."
    )


# Read, voided, and read again.
_REQUESTS_EACH_UNDO = 3


def _tell_undone(options: Options, relay: "Relay", undone: "Undone") -> int:
    if options.as_json:
        print_json(_undone_json(undone, relay))
    elif not undone.orders:
        say("No order was brought over by a backfill.")
    else:
        say(f"{undone.orders:,} orders undone, {undone.voided:,} sales voided.")
        for order_id, sale_id, detail in undone.refused:
            say(f"Void by hand: order {order_id}, sale {sale_id} ({detail})")
    return _SET_ASIDE if undone.refused else 0


def _undone_json(undone: "Undone", relay: "Relay") -> dict[str, Any]:
    return {
        "orders": undone.orders,
        "voided": undone.voided,
        "refused": [dict(zip(("order", "sale", "detail"), one, strict=True)) for one in undone.refused],
        "requests": dict(relay.requests),
    }
