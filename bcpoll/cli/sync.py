"""`bcpoll run-once` and `bcpoll run`: passes by hand, by cron, or on an interval in the foreground."""

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import ORDER_ID, Options, pass_options, print_json
from bcpoll.cli.when import past_moment

if TYPE_CHECKING:
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
    callback=past_moment,
    metavar="WHEN",
    help="Read what changed since then once more: 2026-11-01T00:00:00Z.",
)
@pass_options
def run_once(
    options: Options,
    *,
    dry_run: bool,
    bodies: bool,
    orders: tuple[int, ...],
    since: datetime | None,
) -> int:
    """Bring what changed since the last pass into the POS, once.

    Exit codes: 0 done, 3 done but orders were set aside, 75 stopped early and safe to run again, 69 the other side
    could not be reached, 77 a token was refused, 78 the settings are wrong, 74 the checkpoint cannot be used.
    """
    from bcpoll.cli import wiring
    from bcpoll.cycle import Scope

    if bodies and not dry_run:
        raise click.UsageError("--bodies goes with --dry-run.")
    settings = wiring.settings_of(options.config, options.environ)
    scope = Scope(order_ids=orders, since=since)
    if dry_run:
        # There is nothing in flight that would have to be finished: Ctrl-C ends it at once.
        return _preview(options, settings, scope, threading.Event(), bodies=bodies)
    with wiring.stopping_on_signals() as stop:
        report, requests = _pass(settings, scope, "run-once", stop)
    _tell(options, report, requests)
    _refuse_unknown(scope, report.counts)
    return _SET_ASIDE if report.set_aside else 0


@click.command(
    epilog="Example: bcpoll -v run", short_help="Run a pass at once and then each interval, in the foreground."
)
@pass_options
def run(options: Options) -> int:
    """Run a pass at once and then each interval, in the foreground, until SIGTERM or Ctrl-C.

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
        with telling.answering(settings), wiring.stopping_on_signals(stop, then=loop.stop):
            loop.run()
    finally:
        wiring.expect_no_run(settings)
    return 0


COMMANDS = (run_once, run)


def _pass(
    settings: "Settings", scope: "Scope", command: str, stop: threading.Event, again_in: timedelta | None = None
) -> "tuple[Report, Mapping[str, int]]":
    from bcpoll.cli import telling, wiring, words
    from bcpoll.cycle import run_pass

    with (
        telling.telling(settings, is_whole=not scope.order_ids) as teller,
        wiring.connected(settings, command=command, stop=stop) as connection,
    ):
        if again_in is not None:
            connection.expect_run(again_in)
        teller.begun()
        try:
            report = run_pass(connection.shell, scope)
        finally:
            connection.keep_budgets()
        teller.did(words.report_line(report, connection.requests))
        connection.warn_of_skew()
        connection.warn_of_old_version()
        return report, connection.requests


def _preview(options: Options, settings: "Settings", scope: "Scope", stop: threading.Event, *, bodies: bool) -> int:
    """What a pass would do. The POS is asked for its names also where no order needs them, to try the settings out."""
    from bcpoll.cli import dry_run, wiring, words
    from bcpoll.cycle import preview
    from bcpoll.foresee import foresee
    from bcpoll.references import payment_names

    with wiring.connected(settings, command="dry run", stop=stop, create=False) as connection:
        _ = connection.shop
        found = preview(connection.shell, scope)
        effect = foresee(connection.shell, found)
        names = payment_names(connection.checkpoint)
        is_before_start = connection.checkpoint.start() is None and settings.sync.start is None
    if options.as_json:
        dry_run.print_as_json(found, effect, connection.shell.policy, names, bodies=bodies)
    else:
        dry_run.show(found, effect, names, bodies=bodies)
    if is_before_start and not scope.order_ids:
        words.say(_NOT_STARTED, err=True)
    _refuse_unknown(scope, found.counts)
    return _SET_ASIDE if dry_run.is_set_aside(found) else 0


_NOT_STARTED = (
    "The first run fixes the start: orders placed before it are left alone. To see what an older order would become,"
    " name it with --order."
)


def _refuse_unknown(scope: "Scope", counts: Mapping[str, int]) -> None:
    """Raise UsageError where an order was named that there is not; which one is in the log, and the others are done."""
    unknown = counts["not_found"] if scope.order_ids else 0
    if unknown:
        count = len(scope.order_ids)
        what = "This order is" if count == 1 else f"{unknown} of these {count} orders {'is' if unknown == 1 else 'are'}"
        remedy = "Take the number from BigCommerce's list of orders; one that was deleted there cannot be read."
        raise click.BadParameter(f"{what} not in BigCommerce. {remedy}", param_hint="--order")


def _tell(options: Options, report: "Report", requests: Mapping[str, int], *, one_line: bool = False) -> None:
    from bcpoll.cli import words

    if options.as_json:
        body: dict[str, Any] = {"counts": dict(report.counts), "waiting": report.waiting, "requests": dict(requests)}
        print_json(body, one_line=one_line)
    else:
        words.say(words.report_line(report, requests))
