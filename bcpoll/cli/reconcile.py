"""`bcpoll reconcile`: BigCommerce, ledger and POS compared for a window, order by order and day by day."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import Options, csv_line, pass_options, print_json
from bcpoll.cli.signals import stopping_on_signals
from bcpoll.cli.when import begins, bound, ends, refuse_empty, zone_named
from bcpoll.errors import STOPPED

if TYPE_CHECKING:
    from bcpoll.cli.wiring import Connection
    from bcpoll.core.reconcile import Compared, Figures, Finding, Tally
    from bcpoll.monitoring.reconcile import Window

_DIFFERS = 3

# How far back to look unless told: a week is read in a moment, and a nightly run still sees a day six times.
_DAYS_BACK = 7


@click.command(
    epilog="Example: bcpoll reconcile --since 2026-11-01 --until 2026-11-30",
    short_help="Compare BigCommerce, the ledger and the POS, order by order.",
)
@click.option(
    "--since",
    callback=bound,
    metavar="WHEN",
    help="Orders placed from this day or moment on; a week back unless told.",
)
@click.option(
    "--until", callback=bound, metavar="WHEN", help="Up to the end of this day, or up to this moment; now unless told."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print every order of the window as a line of CSV.")
@pass_options
def reconcile(options: Options, since: date | None, until: date | None, as_csv: bool) -> int:  # noqa: FBT001
    """Compare BigCommerce, the ledger and the POS for a window of orders; only reads.

    Days are days of the POS account's time zone, as in its reports. What is missing, doubled, in a wrong state or of a
    wrong total is listed, and so are sales without an order. Orders that are set aside count as differing; dismissed
    ones, and those that the next pass is yet to see, do not.

    Exit codes: 0 all agrees, 3 something differs, 75 stopped early, 69 the other side could not be reached.
    """
    from bcpoll.cli import wiring
    from bcpoll.core.reconcile import Tally
    from bcpoll.monitoring.reconcile import Reconciler

    if as_csv and options.as_json:
        raise click.UsageError("Say either --json or --csv.")
    settings = wiring.settings_of(options.config, options.environ)
    with (
        stopping_on_signals() as stop,
        wiring.connected(settings, command="reconcile", stop=stop, watching=True) as connection,
    ):
        window, zone = _window(connection, since, until)
        reconciler = Reconciler(connection.shell)
        tally = Tally()
        found = _counted(reconciler.compare(window, lambda: _heed(stop)), tally, zone)
        if as_csv:
            _print_csv(found, zone)
        else:
            noted = [one for one in found if one.findings]
            told = _Told(window=window, zone=zone, tally=tally, noted=noted, before_start=reconciler.before_start)
            if options.as_json:
                print_json(_as_json(told) | {"requests": dict(connection.requests)})
            else:
                _show(told)
    return _DIFFERS if tally.differing else 0


COMMANDS = (reconcile,)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What there is to tell of a comparison."""

    window: "Window"
    zone: tzinfo
    tally: "Tally"
    noted: "Sequence[Compared]"
    before_start: int


def _heed(stop: threading.Event) -> None:
    if stop.is_set():
        raise STOPPED


def _counted(found: "Iterable[Compared]", tally: "Tally", zone: tzinfo) -> "Iterator[Compared]":
    for one in found:
        tally.add(one, _day(one.created_at, zone))
        yield one


# --- the window ------------------------------------------------------------------------------------------------------


def _window(connection: "Connection", since: date | None, until: date | None) -> "tuple[Window, tzinfo]":
    from bcpoll.monitoring.reconcile import Window

    zone = zone_named(connection.shop.timezone)
    now = connection.source.server_time()
    first = begins(since or now.astimezone(zone).date() - timedelta(days=_DAYS_BACK), zone)
    last = ends(until or now, zone)
    refuse_empty(first, last)
    return Window(since=first, until=last), zone


def _day(at: datetime | None, zone: tzinfo) -> str:
    return at.astimezone(zone).date().isoformat() if at else "unknown"


# --- text ------------------------------------------------------------------------------------------------------------


def _show(told: _Told) -> None:
    from bcpoll.cli import render, words

    differing = [one for one in told.noted if one.differs]
    notes = [one for one in told.noted if not one.differs]
    columns = ("order", "day", "status", "finding", "detail")
    for title, rows in (("What differs", differing), ("No difference, but to be known", notes)):
        if rows:
            shown = [
                (one.order_id or "?", _day(one.created_at, told.zone), one.status, finding, detail)
                for one in rows
                for finding, detail in one.findings
            ]
            render.show_table(title, columns, shown, right=("order",), below="detail")
            click.echo()
    if told.tally.days:
        _show_days(told)
        click.echo()
    words.say(_summary(told))


def _show_days(told: _Told) -> None:
    from bcpoll.cli import render

    sums = ("total", "tax", "units")
    columns = ("day", "orders", *sums, "sales", *sums, "")
    days = sorted(told.tally.days.items())
    rows = [(day, *_cells(wanted), *_cells(held), "" if wanted == held else "differs") for day, (wanted, held) in days]
    title = f"By day ({told.zone}): what BigCommerce brings, and what the POS holds of it"
    render.show_table(title, columns, rows, right=columns[1:-1])


def _cells(figures: "Figures") -> tuple[object, ...]:
    return figures.count, figures.total, figures.tax, _whole(figures.units)


def _whole(units: Any) -> str:
    return f"{units.normalize():f}"


def _summary(told: _Told) -> str:
    tally = told.tally
    counts = ", ".join(f"{count} {finding}" for finding, count in tally.by_finding.items())
    before = f" {told.before_start} from before the start were left out." if told.before_start else ""
    begins, ends = (at.astimezone(told.zone) for at in (told.window.since, told.window.until))
    span = f"{begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} ({told.zone})"
    verdict = f"{tally.differing} differ" if tally.differing else "none differs"
    return f"{tally.compared} orders from {span}: {verdict}{f' ({counts})' if counts else ''}.{before}"


# --- plain values ----------------------------------------------------------------------------------------------------


def _as_json(told: _Told) -> dict[str, Any]:
    from bcpoll.core.times import iso

    tally = told.tally
    return {
        "since": iso(told.window.since),
        "until": iso(told.window.until),
        "time_zone": str(told.zone),
        "compared": tally.compared,
        "differing": tally.differing,
        "before_start": told.before_start,
        "findings": {finding.value: count for finding, count in tally.by_finding.items()},
        "orders": [_order_json(one) for one in told.noted],
        "days": [
            {
                "day": day,
                "bigcommerce": _figures_json(wanted),
                "pos": _figures_json(held),
                "differs": wanted != held,
            }
            for day, (wanted, held) in sorted(tally.days.items())
        ],
    }


def _order_json(one: "Compared") -> dict[str, Any]:
    from bcpoll.core.times import iso

    return {
        "order": one.order_id,
        "created": iso(one.created_at) if one.created_at else None,
        "status": one.status,
        "differs": one.differs,
        "findings": _findings_json(one.findings),
        "bigcommerce": _figures_json(one.wanted),
        "pos": _figures_json(one.held),
        "sales": list(one.sale_ids),
    }


def _findings_json(findings: "Iterable[tuple[Finding, str]]") -> list[Mapping[str, str]]:
    return [{"finding": finding.value, "detail": detail} for finding, detail in findings]


def _figures_json(figures: "Figures") -> dict[str, Any]:
    return {
        "count": figures.count,
        "total": str(figures.total),
        "tax": str(figures.tax),
        "units": _whole(figures.units),
    }


_COLUMNS = (
    "order",
    "created",
    "day",
    "status",
    "differs",
    "findings",
    "order_total",
    "order_tax",
    "order_units",
    "sale_total",
    "sale_tax",
    "sale_units",
    "sales",
)


def _print_csv(found: "Iterable[Compared]", zone: tzinfo) -> None:
    """Print each order as it comes: a window may hold more than is good to keep."""
    click.echo(csv_line(_COLUMNS), nl=False)
    for one in found:
        click.echo(csv_line(_csv_row(one, zone)), nl=False)


def _csv_row(one: "Compared", zone: tzinfo) -> tuple[object, ...]:
    from bcpoll.core.times import iso

    return (
        one.order_id or "",
        iso(one.created_at) if one.created_at else "",
        _day(one.created_at, zone),
        one.status,
        "yes" if one.differs else "no",
        "; ".join(f"{finding}: {detail}" for finding, detail in one.findings),
        *_cells(one.wanted)[1:],
        *_cells(one.held)[1:],
        " ".join(one.sale_ids),
    )
