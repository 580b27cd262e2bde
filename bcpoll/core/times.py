"""Times: reading them from both APIs and writing them back. The only module that parses a time.

Every result is an aware UTC `datetime`. Texts without a zone are refused rather than completed from the host's zone.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

from dateutil import parser as dateutil_parser

STORE_CLOCKS_APART = timedelta(days=1)
"""How far the clocks of the web store's own machines may be apart."""

# dateutil completes a text that lacks a part from this date; two of them unmask such a text (`parse_time`).
_FILLS = (datetime(2000, 1, 1), datetime(2001, 2, 2, 1, 1, 1))  # noqa: DTZ001 - naive on purpose: see there


# A page of orders is looked at several times over on its way, and its times are read with it.
@lru_cache(maxsize=4096)
def parse_time(text: str) -> datetime | None:
    """Read an RFC 2822 or ISO 8601 time with its zone; None for anything else, a time without a zone included."""
    return _rfc2822(text) or _iso(text) or _guarded_loose(text)


def parse_day(text: str) -> date | None:
    """Read a day written as 2026-11-30; None for anything else, days that some would read the other way round first."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text.strip()):
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def day_begins(day: date, zone: tzinfo) -> datetime:
    """The moment at which a day begins in a time zone; where clocks skip midnight, the first moment after it."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def rfc2822(at: datetime) -> str:
    """Write a time the way BigCommerce's filters take it: `Thu, 20 Apr 2017 15:32:00 +0000`."""
    return format_datetime(at.astimezone(UTC))


def iso(at: datetime) -> str:
    """Write a time as RFC 3339 in UTC with whole seconds: `2017-04-20T15:32:00Z`."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def span_text(length: timedelta) -> str:
    """Write a length of time as people say it, in its two largest units: `3 h 5 min`."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _rfc2822(text: str) -> datetime | None:
    try:
        return _utc(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None


def _iso(text: str) -> datetime | None:
    try:
        return _utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def _guarded_loose(text: str) -> datetime | None:
    """Leave sloppy but complete texts (`Wed,04 Apr 2018 10:00:00 +0000`) to dateutil, and refuse its guesses.

    Parsed twice over different dates to fill in from: where the results differ, something was missing in the text.
    """
    try:
        first, second = (_utc(dateutil_parser.parse(text, default=fill, tzinfos=_zone)) for fill in _FILLS)
    except (ValueError, ArithmeticError):
        return None
    return first if first == second else None


def _zone(_name: str | None, seconds: int | None) -> timezone | None:
    """A zone by its offset alone; dateutil would take a name that it happens to share with this host for the host's."""
    return None if seconds is None else timezone(timedelta(seconds=seconds))


def _utc(at: datetime) -> datetime | None:
    return None if at.tzinfo is None else at.astimezone(UTC)
