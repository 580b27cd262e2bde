"""Days and moments as they are typed, and the window between two of them.

The only place where a bound of a window is read: what could be meant in more than one way is refused.
"""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

import click

from bcpoll.cli.options import is_in_our_time
from bcpoll.cli.words import say


def bound(_ctx: click.Context, _param: click.Parameter, text: str | None) -> date | datetime | None:
    """Read a day as 2026-11-30 or a moment with its zone; everything else could be meant in more than one way."""
    from bcpoll.core.times import parse_day, parse_time

    if not text:
        return None
    remedy = "Write 2026-11-30, or date, time and zone: 2026-11-30T12:00:00Z."
    _refuse_unclear(text, remedy)
    read = parse_day(text) or parse_time(text)
    if read is None:
        raise click.BadParameter(f"{text!r} is neither a day nor a moment. {remedy}")
    _refuse_slip(text, read)
    return read


def past_bound(ctx: click.Context, param: click.Parameter, text: str | None) -> date | datetime | None:
    """Read a day or a moment that has been; one to come is a slip, and would look like no news."""
    at = bound(ctx, param, text)
    if at is not None:
        # In which zone a day begins, only the POS can tell; until then it gets the zone in which it begins first.
        past(at, _FIRST_ZONE)
    return at


_FIRST_ZONE = timezone(timedelta(hours=14))


def past_moment(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    """Read a moment that has been, with its zone; not a day, for where a few hours matter."""
    from bcpoll.core.times import parse_day, parse_time

    if not text:
        return None
    remedy = "Write date, time and zone: 2026-11-01T00:00:00Z."
    _refuse_unclear(text, remedy)
    if parse_day(text):
        raise click.BadParameter(f"{text!r} is a day, and begins at another moment in each zone. {remedy}")
    at = parse_time(text)
    if at is None:
        raise click.BadParameter(f"{text!r} is not a moment. {remedy}")
    _refuse_slip(text, at)
    return past(at, UTC)


def past(at: date | datetime, zone: tzinfo) -> datetime:
    """The moment at which a window begins; BadParameter where that is yet to come."""
    from bcpoll.cli import wiring
    from bcpoll.core.times import iso

    begun = begins(at, zone)
    if begun > wiring.now():
        typed = iso(at) if isinstance(at, datetime) else at
        raise click.BadParameter(f"{typed} is yet to come. Name a day or a moment that has been.")
    return begun


# Three short numbers, the first of which does not end a year.
_DAY_OR_MONTH_FIRST = re.compile(r"(?<![\d./-])\d{1,2}[./\s-]\d{1,2}[./\s-]\d{2,4}(?!\d)")


def _refuse_unclear(text: str, remedy: str) -> None:
    """Refuse what reads otherwise in another country, or in another zone, before anything guesses at it."""
    if _DAY_OR_MONTH_FIRST.search(text):
        message = f"{text!r}: in some countries the day stands first, in others the month."
        raise click.BadParameter(f"{message} {remedy}")
    with suppress(ValueError):
        if len(text.strip()) > len("2026-11-30") and datetime.fromisoformat(text.strip()).tzinfo is None:
            raise click.BadParameter(f"{text!r} has no time zone. {remedy}")


def _refuse_slip(text: str, at: date) -> None:
    if not is_in_our_time(at):
        raise click.BadParameter(f"{text!r}: there were no orders in the year {at.year}. See whether it is a slip.")


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
        say(f"The POS account's time zone {name!r} is not known on this host: days are UTC days.", err=True)
        return UTC
