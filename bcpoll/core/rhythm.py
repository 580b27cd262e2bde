"""What is usual for a shop: at which pace passes come, and how long the web store is silent between two orders.

Judges from times and counts alone; what is done about something unusual is the business of `core.alerts`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from itertools import pairwise

HOUR = timedelta(hours=1)
WEEK = timedelta(weeks=1)

# Fewer gaps between passes show no pace: somebody may have started each by hand.
_GAPS = 3

# A pass is late when it should have begun this many of its own intervals ago, but never sooner than a minute.
_LATE = 2
_SOONEST_LATE = timedelta(minutes=1)


def pace(begun: Sequence[datetime]) -> timedelta | None:
    """The usual distance between passes that began at these times; None where they are too few to tell."""
    times = sorted(begun)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return sorted(gaps)[len(gaps) // 2] if len(gaps) >= _GAPS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRun:
    """When the next pass is expected, by whom that is said, and whether it is late."""

    at: datetime
    is_told: bool
    """Whether `bcpoll run` said so; else it follows from the pace of earlier passes."""
    pace: timedelta | None
    is_late: bool


def next_run(begun: Sequence[datetime], told: datetime | None, now: datetime) -> NextRun | None:
    """When the next pass is expected after those that began at these times; None where nothing tells.

    What `bcpoll run` told counts until another pass has begun after it.
    """
    usual = pace(begun)
    last = max(begun, default=None)
    is_told = told is not None and (last is None or told > last)
    at = told if is_told else (last + usual if last and usual else None)
    if at is None:
        return None
    slack = max((usual or timedelta(0)) * (_LATE - 1), _SOONEST_LATE)
    return NextRun(at=at, is_told=is_told, pace=usual, is_late=now - at > slack)


# --- orders ----------------------------------------------------------------------------------------------------------

WEEKS = 4
"""How many weeks of orders show what is usual."""

# A silence is told once this many orders would have come in it, going by the same hours of the weeks before on the
# shop's own clocks: if orders come independently of one another, that happens by chance less than once in 20,000
# times.
_MISSED = 10

# And only when it is longer, by half, than any other of those weeks: holidays and nights are the shop's own.
_LONGER_NUMERATOR, _LONGER_DENOMINATOR = 3, 2

# Before the shop has sold for this long, nothing is usual yet.
_SEEN_FOR = 2 * WEEK


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """How long no order has come, how many should have, and the longest silence of the weeks before."""

    since: datetime
    expected: int
    longest: timedelta


def unusual_silence(hours: Mapping[datetime, int], now: datetime, zone: tzinfo) -> Silence | None:
    """The silence since the last order, where it is unusual; `hours` counts the orders of each UTC hour.

    Unusual is what lasts half as long again as the longest silence of the four weeks before it, and in which at least
    ten orders would have come by the same hours of those weeks. A shop that sold for less than two weeks, or that sells
    less than that, is never told on. What is unusual stays so until an order comes.
    """
    busy = sorted(hour for hour, count in hours.items() if count and hour <= now)
    busy = [hour for hour in busy if hour >= busy[-1] - WEEKS * WEEK]
    if not busy or busy[-1] - busy[0] < _SEEN_FOR:
        return None
    # Whoever ordered in the last busy hour may have done so at its end.
    since = busy[-1] + HOUR
    longest = max(later - earlier - HOUR for earlier, later in pairwise(busy))
    is_longer = (now - since) * _LONGER_DENOMINATOR > max(longest, HOUR) * _LONGER_NUMERATOR
    expected = int(_expected(hours, busy[0], since, now, zone)) if is_longer else 0
    return Silence(since=since, expected=expected, longest=longest) if expected >= _MISSED else None


def _expected(hours: Mapping[datetime, int], first: datetime, since: datetime, now: datetime, zone: tzinfo) -> Fraction:
    """How many orders would have come in the silence: for each of its hours, the mean of the same hour of the weeks."""
    expected = Fraction(0)
    # What lies further ahead than the weeks reach has nothing to be compared with.
    for number in range(min(now - since, WEEKS * WEEK) // HOUR):
        same = [_weeks_before(since + number * HOUR, week, zone) for week in range(1, WEEKS + 1)]
        counts = [hours.get(hour, 0) for hour in same if first <= hour < since]
        expected += Fraction(sum(counts), len(counts)) if counts else 0
    return expected


def _weeks_before(hour: datetime, weeks: int, zone: tzinfo) -> datetime:
    """The same hour of an earlier week by the clock of a zone, which may have been set since, as an hour of UTC."""
    by_the_clock = hour.astimezone(zone).replace(tzinfo=None) - weeks * WEEK
    return by_the_clock.replace(tzinfo=zone).astimezone(UTC).replace(minute=0)
