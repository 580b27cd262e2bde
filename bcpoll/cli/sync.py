"""`bcpoll run-once` and `bcpoll run`: passes by hand, by cron, or on an interval in the foreground."""

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import Options, pass_options, print_json

if TYPE_CHECKING:
    from bcpoll.config import Settings
    from bcpoll.cycle import Report, Scope

_SET_ASIDE = 3


def _moment(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    from bcpoll.core.times import parse_time

    at = parse_time(text) if text else None
    if text and at is None:
        raise click.BadParameter(f"{text!r} is not a moment. Write date, time and zone: 2026-11-01T00:00:00Z.")
    return at


@click.command("run-once", epilog="Example: bcpoll run-once --dry-run --order 1042")
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("--order", "orders", type=click.IntRange(min=1), multiple=True, metavar="ID", help="Only these orders.")
@click.option("--since", callback=_moment, metavar="WHEN", help="Read orders changed since then once more.")
@pass_options
def run_once(options: Options, dry_run: bool, orders: tuple[int, ...], since: datetime | None) -> int:  # noqa: FBT001
    """Bring what changed since the last pass into the POS, once.

    Exit codes: 0 done, 3 done but orders were set aside, 75 stopped early and safe to run again, 69 the other side
    could not be reached, 77 a token was refused, 78 the settings are wrong, 74 the checkpoint cannot be used.
    """
    from bcpoll.cli import render, wiring
    from bcpoll.cycle import Scope, preview

    settings = wiring.settings_of(options.config, options.environ)
    scope = Scope(order_ids=orders, since=since)
    if not dry_run:
        with wiring.stopping_on_signals() as stop:
            report, requests = _pass(settings, scope, "run-once", stop)
        _say(options, report, requests)
        return _SET_ASIDE if report.set_aside else 0
    with wiring.stopping_on_signals() as stop, wiring.connected(settings, command="dry run", stop=stop) as connection:
        found = preview(connection.shell, scope)
    if options.as_json:
        print_json(render.preview_json(found))
    else:
        render.show_preview(found)
    return _SET_ASIDE if found.rejected else 0


@click.command(epilog="Example: bcpoll -v run")
@pass_options
def run(options: Options) -> int:
    """Run a pass at once and then each interval, in the foreground, until SIGTERM or Ctrl-C.

    A pass that fails is logged and the next one comes; a token that is refused ends the program with 77.
    """
    import signal
    from types import FrameType

    from bcpoll.cli import wiring
    from bcpoll.cycle import Scope
    from bcpoll.scheduler import Loop

    settings = wiring.settings_of(options.config, options.environ)
    stop = threading.Event()

    def tick() -> None:
        report, requests = _pass(settings, Scope(), "run", stop)
        _say(options, report, requests)

    loop = Loop(tick, interval=settings.sync.interval)

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        loop.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    loop.run()
    return 0


COMMANDS = (run_once, run)


def _pass(
    settings: "Settings", scope: "Scope", command: str, stop: threading.Event
) -> "tuple[Report, Mapping[str, int]]":
    from bcpoll.cli import wiring
    from bcpoll.cycle import run_pass

    with wiring.connected(settings, command=command, stop=stop) as connection:
        return run_pass(connection.shell, scope), connection.requests


def _say(options: Options, report: "Report", requests: Mapping[str, int]) -> None:
    from bcpoll.cli import render

    if options.as_json:
        body: dict[str, Any] = {"counts": dict(report.counts), "waiting": report.waiting, "requests": dict(requests)}
        print_json(body)
    else:
        click.echo(render.report_line(report, requests))
