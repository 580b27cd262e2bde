"""Times: reading them from both APIs and writing them back. The only module that parses a time.

Every result is an aware UTC `datetime`. Texts without a zone are refused rather than completed from the host's zone.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from email.utils import format_datetime, parsedate_to_datetime

from dateutil import parser as dateutil_parser

STORE_CLOCKS_APART = timedelta(days=1)
"""How far the clocks of the web store's own machines may be apart."""

# dateutil completes a text that lacks a part from this date; two of them unmask such a text (`parse_time`).
_FILLS = (datetime(2000, 1, 1), datetime(2001, 2, 2, 1, 1, 1))  # noqa: DTZ001 - naive on purpose: see there


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
    return format_datetime(at.astimezone(UTC).replace(microsecond=0))


def iso(at: datetime) -> str:
    """Write a time as RFC 3339 in UTC with whole seconds: `2017-04-20T15:32:00Z`."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


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
