"""Days and moments as they are typed, and the window between two of them.

The only place where a bound of a window is read: what could be meant in more than one way is refused.
"""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

import click

from bcpoll.cli.options import is_in_our_time


def bound(_ctx: click.Context, _param: click.Parameter, text: str | None) -> date | datetime | None:
    """Read a day as 2026-11-30 or a moment with its zone; everything else could be meant in more than one way."""
    from bcpoll.core.times import parse_day, parse_time

    read = (parse_day(text) or parse_time(text)) if text else None
    if text and read is None:
        what = _unclear(text) or f"{text!r} is neither a day nor a moment."
        raise click.BadParameter(f"{what} Write 2026-11-30, or date, time and zone: 2026-11-30T12:00:00Z.")
    if read and not is_in_our_time(read):
        raise click.BadParameter(f"{text!r}: there were no orders in the year {read.year}. See whether it is a slip.")
    return read


def moment(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    """Read the value of an option as a moment with its zone."""
    from bcpoll.core.times import parse_day, parse_time

    at = parse_time(text) if text else None
    if text and at is None:
        is_day = parse_day(text) is not None
        what = f"{text!r} is a day, and begins at another moment in each zone." if is_day else _unclear(text)
        raise click.BadParameter(
            f"{what or f'{text!r} is not a moment.'} Write date, time and zone: 2026-11-01T00:00:00Z."
        )
    if at and not is_in_our_time(at):
        raise click.BadParameter(f"{text!r}: there were no orders in the year {at.year}. See whether it is a slip.")
    return at


def past_moment(ctx: click.Context, param: click.Parameter, text: str | None) -> datetime | None:
    """Read the value of an option as a moment that has been; one to come is a slip, and would look like no news."""
    from bcpoll.cli import wiring

    at = moment(ctx, param, text)
    if at is not None and at > wiring.now():
        raise click.BadParameter(f"{text!r} is yet to come. Name a moment that has been.")
    return at


def _unclear(text: str) -> str:
    """What is wrong with a day that reads otherwise in another country; empty where that is not it."""
    if re.fullmatch(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b.*", text.strip()):
        return f"{text!r}: in some countries the day stands first, in others the month."
    return ""


def begins(at: date | datetime, zone: tzinfo) -> datetime:
    """The moment at which a window begins: itself, or that day's first in a time zone."""
    from bcpoll.core.times import day_begins

    return at if isinstance(at, datetime) else day_begins(at, zone)


def ends(at: date | datetime, zone: tzinfo) -> datetime:
    """The moment before which a window ends: itself, or the end of that day."""
    return begins(at if isinstance(at, datetime) else at + timedelta(days=1), zone)


def refuse_empty(since: datetime, until: datetime) -> None:
    """Raise UsageError for a window that holds nothing."""
    if since >= until:
        raise click.UsageError(f"The window is empty: it begins at {since:%Y-%m-%d %H:%M} UTC and ends before.")


def zone_named(name: str) -> tzinfo:
    """The POS account's time zone; UTC where it does not say, or this host does not know it."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        click.echo(f"The POS account's time zone {name!r} is not known on this host: days are UTC days.", err=True)
        return UTC
