"""`bcpoll run-once` and `bcpoll run`: passes by hand, by cron, or on an interval in the foreground."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import ORDER_ID, Options, pass_options, print_json
from bcpoll.cli.signals import stopping_on_signals
from bcpoll.cli.when import past, past_bound, zone_named

if TYPE_CHECKING:
    from bcpoll.cli.wiring import Connection
    from bcpoll.config import Settings
    from bcpoll.cycle import Report, Scope

_SET_ASIDE = 3


@click.command("run-once", epilog="Example: bcpoll run-once --dry-run --order 1042")
@click.option("--dry-run", is_flag=True, help="Show what would be written and what that would do; write nothing.")
@click.option(
    "--bodies", is_flag=True, help="With --dry-run: print every request as well, names and addresses included."
)
@click.option(
    "--order", "orders", callback=ORDER_ID, multiple=True, metavar="ID", help="Only this order; may be repeated."
)
@click.option(
    "--since",
    callback=past_bound,
    metavar="WHEN",
    help="Read again what changed since this day, 2026-11-01, or moment, 2026-11-01T00:00:00Z.",
)
@pass_options
def run_once(
    options: Options,
    *,
    dry_run: bool,
    bodies: bool,
    orders: tuple[int, ...],
    since: date | None,
) -> int:
    """Bring what changed since the last pass into the POS, once.

    Exit codes: 0 done, 3 done but orders were set aside, 75 stopped early and safe to run again, 69 the other side
    could not be reached, 77 a token was refused, 78 the settings are wrong, 74 the checkpoint cannot be used.

    Days are days of the POS account's time zone.
    """
    from bcpoll.cli import wiring
    from bcpoll.cycle import Scope

    if bodies and not dry_run:
        raise click.UsageError("--bodies goes with --dry-run.")
    if orders and since:
        raise click.UsageError("Say either --order or --since: an order that is named is read whenever it changed.")
    settings = wiring.settings_of(options.config, options.environ)
    scope = Scope(order_ids=orders)
    if dry_run:
        # There is nothing in flight that would have to be finished: Ctrl-C ends it at once.
        return _preview(options, settings, scope, since, threading.Event(), bodies=bodies)
    with stopping_on_signals() as stop:
        report, requests = _pass(settings, scope, "run-once", stop, since=since)
    unknown = _unknown(scope, report.counts)
    _tell(options, report, requests, unknown)
    return _refused(unknown, options) or (_SET_ASIDE if report.set_aside else 0)


@click.command(
    epilog="Example: bcpoll -v run", short_help="Run a pass at once and then one every interval, in the foreground."
)
@pass_options
def run(options: Options) -> int:
    """Run a pass at once and then one every [sync] interval, in the foreground, until SIGTERM or Ctrl-C.

    A pass that fails is logged and the next one comes; a token that is refused ends the program with 77.
    """
    from bcpoll.cli import telling, wiring
    from bcpoll.cycle import Scope
    from bcpoll.scheduler import Loop

    settings = wiring.settings_of(options.config, options.environ)
    stop = threading.Event()

    def tick() -> None:
        report, requests = _pass(settings, Scope(), "run", stop, again_in=settings.sync.interval)
        _tell(options, report, requests, one_line=True)

    loop = Loop(tick, interval=settings.sync.interval)
    try:
        with telling.answering(settings), stopping_on_signals(stop, then=loop.stop):
            loop.run()
    finally:
        wiring.expect_no_run(settings)
    return 0


COMMANDS = (run_once, run)


def _pass(
    settings: "Settings",
    scope: "Scope",
    command: str,
    stop: threading.Event,
    *,
    since: date | None = None,
    again_in: timedelta | None = None,
) -> "tuple[Report, Mapping[str, int]]":
    from bcpoll.cli import telling, wiring, words
    from bcpoll.cycle import run_pass

    with (
        telling.telling(settings, is_whole=not scope.order_ids) as teller,
        wiring.connected(settings, command=command, stop=stop) as connection,
    ):
        if again_in is not None:
            connection.expect_run(again_in)
        scope = _reading(scope, since, connection)
        teller.begun()
        try:
            report = run_pass(connection.shell, scope)
        finally:
            connection.keep_budgets()
        teller.did(words.report_line(report, connection.requests))
        connection.warn_of_skew()
        connection.warn_of_old_version()
        return report, connection.requests


def _reading(scope: "Scope", since: date | None, connection: "Connection") -> "Scope":
    """The scope from a day or a moment on; when a day begins, the POS account's time zone says."""
    if since is None:
        return scope
    zone = UTC if isinstance(since, datetime) else zone_named(connection.shop.timezone)
    return replace(scope, since=past(since, zone))


def _preview(
    options: Options,
    settings: "Settings",
    scope: "Scope",
    since: date | None,
    stop: threading.Event,
    *,
    bodies: bool,
) -> int:
    """What a pass would do. The POS is asked for its names also where no order needs them, to try the settings out."""
    from bcpoll.cli import dry_run, wiring, words
    from bcpoll.cycle import preview
    from bcpoll.foresee import foresee
    from bcpoll.http import write_json
    from bcpoll.references import payment_names

    with wiring.connected(settings, command="dry run", stop=stop, create=False) as connection:
        _ = connection.shop
        found = preview(connection.shell, _reading(scope, since, connection))
        effect = foresee(connection.shell, found)
        names = payment_names(connection.checkpoint)
        is_before_start = connection.checkpoint.start() is None and settings.sync.start is None
    unknown = _unknown(scope, found.counts)
    if options.as_json:
        told = dry_run.as_json(found, effect, connection.shell.policy, names, bodies=bodies)
        click.echo(write_json(told | _error_json(unknown), indent=2))
    else:
        dry_run.show(found, effect, names, bodies=bodies)
    if is_before_start and not scope.order_ids:
        words.say(_NOT_STARTED, err=True)
    return _refused(unknown, options) or (_SET_ASIDE if dry_run.is_set_aside(found) else 0)


_NOT_STARTED = (
    "The first run fixes the start: orders placed before it are left alone. To see what an older order would become,"
    " name it with --order."
)


def _unknown(scope: "Scope", counts: Mapping[str, int]) -> click.BadParameter | None:
    """What is wrong where an order was named that there is not; which one is in the log, and the others are done."""
    unknown = counts["not_found"] if scope.order_ids else 0
    if not unknown:
        return None
    count = len(scope.order_ids)
    what = "This order is" if count == 1 else f"{unknown} of these {count} orders {'is' if unknown == 1 else 'are'}"
    remedy = "Take the number from BigCommerce's list of orders; one that was deleted there cannot be read."
    return click.BadParameter(f"{what} not in BigCommerce. {remedy}", param_hint="--order")


def _refused(error: click.BadParameter | None, options: Options) -> int:
    """Raise the error or, where the one object of --json holds it already, say it; the exit code, 0 without one."""
    from bcpoll.cli import words

    if error is None:
        return 0
    if not options.as_json:
        raise error
    words.say(f"Error: {error.format_message()}", err=True)
    return error.exit_code


def _error_json(error: click.BadParameter | None) -> dict[str, Any]:
    return {} if error is None else {"error": error.format_message(), "hint": "", "exit_code": error.exit_code}


def _tell(
    options: Options,
    report: "Report",
    requests: Mapping[str, int],
    error: click.BadParameter | None = None,
    *,
    one_line: bool = False,
) -> None:
    from bcpoll.cli import words

    if options.as_json:
        body: dict[str, Any] = {"counts": dict(report.counts), "waiting": report.waiting, "requests": dict(requests)}
        print_json(body | _error_json(error), one_line=one_line)
    else:
        words.say(words.report_line(report, requests))
