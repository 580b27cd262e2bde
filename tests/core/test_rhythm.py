"""What is usual for a shop: the pace of its passes, and its silences."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.rhythm import Silence, next_run, pace, unusual_silence

# A Friday.
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def passes(*minutes_ago: int) -> list[datetime]:
    return [NOW - minutes * MINUTE for minutes in minutes_ago]


# --- passes ----------------------------------------------------------------------------------------------------------


def test_the_pace_is_the_usual_distance_whatever_a_single_one_took() -> None:
    assert pace(passes(0, 5, 10, 70, 75)) == 5 * MINUTE


def test_a_pace_lies_in_the_middle_of_the_distances() -> None:
    assert pace(passes(0, 1, 2, 7, 12)) == 5 * MINUTE


def test_too_few_passes_show_no_pace() -> None:
    assert pace(passes(0, 5, 10)) is None


def test_the_next_pass_follows_from_the_pace() -> None:
    found = next_run(passes(2, 7, 12, 17), None, NOW)

    assert found is not None
    assert (found.at, found.is_told, found.is_late) == (NOW + 3 * MINUTE, False, False)
    assert found.pace == 5 * MINUTE


def test_what_was_told_counts_for_more_than_the_pace() -> None:
    found = next_run(passes(2, 7, 12, 17), NOW + MINUTE, NOW)

    assert found is not None
    assert (found.at, found.is_told) == (NOW + MINUTE, True)


def test_what_was_told_before_the_last_pass_counts_no_more() -> None:
    found = next_run(passes(2, 7, 12, 17), NOW - 4 * MINUTE, NOW)

    assert found is not None
    assert (found.at, found.is_told) == (NOW + 3 * MINUTE, False)


def test_what_was_told_for_the_moment_at_which_a_pass_began_has_come_about() -> None:
    found = next_run(passes(2, 7, 12, 17), NOW - 2 * MINUTE, NOW)

    assert found is not None
    assert found.is_told is False


@pytest.mark.parametrize(("seconds_ago", "is_late"), [(60, False), (61, True)])
def test_before_there_is_a_pace_a_pass_that_was_told_is_late_after_a_minute(
    seconds_ago: int,
    is_late: bool,  # noqa: FBT001
) -> None:
    found = next_run([], NOW - timedelta(seconds=seconds_ago), NOW)

    assert found is not None
    assert (found.pace, found.is_late) == (None, is_late)


@pytest.mark.parametrize(("minutes_ago", "is_late"), [(6, False), (10, False), (11, True), (600, True)])
def test_a_pass_is_late_after_twice_the_pace(minutes_ago: int, is_late: bool) -> None:  # noqa: FBT001
    found = next_run(passes(*(minutes_ago + 5 * number for number in range(4))), None, NOW)

    assert found is not None
    assert found.is_late is is_late


def test_without_passes_nothing_is_expected() -> None:
    assert next_run([], None, NOW) is None
    assert next_run(passes(1), None, NOW) is None


# --- orders ----------------------------------------------------------------------------------------------------------

WEEK = timedelta(weeks=1)


def shop(*, weeks: int = 4, by_hour: Iterable[int] = range(8, 20), each: int = 2, until: datetime = NOW) -> Counter:
    """A shop that sells so much in each of these hours of the day, and nothing after a moment."""
    wanted = set(by_hour)
    hours = (NOW - number * HOUR for number in range(1, weeks * 7 * 24 + 1))
    return Counter({hour: each for hour in hours if hour.hour in wanted and hour < until})


def unusual(hours: Mapping[datetime, int], now: datetime = NOW, zone: tzinfo = UTC) -> Silence | None:
    return unusual_silence(hours, now, zone)


def test_a_shop_that_sells_as_always_is_not_told_on() -> None:
    assert unusual(shop()) is None


def test_a_night_is_nothing_unusual() -> None:
    morning = NOW.replace(hour=8)

    assert unusual(shop(until=morning - 12 * HOUR), morning) is None


def test_a_day_without_orders_is_told_with_what_was_expected() -> None:
    found = unusual(shop(until=NOW - 20 * HOUR))

    assert found is not None
    # From 16 to 20 on Thursday and from 8 to 12 on Friday, two orders each.
    assert (found.since, found.expected, found.longest) == (NOW - 20 * HOUR, 16, 12 * HOUR)


def test_a_silence_is_told_only_once_it_is_half_as_long_again_as_any_before() -> None:
    hours = shop(until=NOW - 18 * HOUR)

    assert unusual(hours) is None
    assert unusual(hours, NOW + HOUR) is not None


def test_a_holiday_within_the_weeks_makes_the_shop_more_patient() -> None:
    hours = shop(until=NOW - 30 * HOUR)
    day = (NOW - timedelta(days=10)).date()
    with_holiday = {hour: count for hour, count in hours.items() if hour.date() != day}

    assert unusual(hours) is not None
    assert unusual(with_holiday) is None


def test_a_holiday_before_the_weeks_does_not() -> None:
    hours = shop(weeks=6, until=NOW - 30 * HOUR)
    day = (NOW - timedelta(days=31)).date()

    assert unusual({hour: count for hour, count in hours.items() if hour.date() != day}) is not None


@pytest.mark.parametrize(("missing", "is_told"), [(9, False), (10, True)])
def test_ten_missing_orders_are_enough(missing: int, is_told: bool) -> None:  # noqa: FBT001
    hours = shop(by_hour=range(24), each=1, until=NOW - missing * HOUR)

    assert (unusual(hours) is not None) is is_told


def test_an_order_in_this_very_hour_ends_the_silence() -> None:
    hours = shop(until=NOW - 30 * HOUR)

    assert unusual(hours) is not None
    assert unusual({**hours, NOW: 1}) is None


def test_an_hour_that_is_listed_without_an_order_is_one_of_silence() -> None:
    hours = shop(until=NOW - 30 * HOUR)

    assert unusual({**hours, NOW - 5 * HOUR: 0}) == unusual(hours)


def test_a_shop_that_sells_little_is_never_told_on() -> None:
    rare = {NOW - timedelta(days=3 * number): 1 for number in range(2, 10)}

    assert unusual(rare) is None


@pytest.mark.parametrize(("hours_sold", "is_told"), [(2 * 7 * 24, False), (2 * 7 * 24 + 1, True)])
def test_a_shop_that_sold_for_less_than_two_weeks_has_no_rhythm_yet(
    hours_sold: int,
    is_told: bool,  # noqa: FBT001
) -> None:
    last = NOW - 48 * HOUR
    hours = {last - number * HOUR: 2 for number in range(hours_sold)}

    assert (unusual(hours) is not None) is is_told


def test_a_few_days_of_sales_are_no_rhythm_however_long_ago() -> None:
    hours = {NOW - 20 * 24 * HOUR + number * HOUR: 9 for number in range(72)}

    assert unusual(hours) is None


def test_a_weekend_shop_is_quiet_on_weekdays() -> None:
    weekends = {hour: 3 for hour in shop(each=1) if hour.weekday() >= 5}

    assert unusual(weekends) is None


def test_without_any_order_there_is_nothing_to_go_by() -> None:
    assert unusual({}) is None


@pytest.mark.parametrize(
    ("by_weeks_ago", "expected"),
    [((40, 40, 40, 40), 41), ((36, 0, 0, 0), 10), ((0, 20, 20, 0), 11), ((0, 0, 0, 36), 10), ((0, 0, 0, 35), 0)],
)
def test_what_would_have_come_is_the_mean_of_the_four_weeks_before_rounded_down(
    by_weeks_ago: tuple[int, ...], expected: int
) -> None:
    """An order at eleven each day, and so many on Fridays at noon: one noon and one morning are missing."""
    mornings = {NOW - HOUR - timedelta(days=number): 1 for number in range(29)}
    noons = {NOW - week * WEEK: count for week, count in enumerate(by_weeks_ago, 1)}

    found = unusual(mornings | noons, NOW + 36 * HOUR)

    assert (found.expected if found else 0) == expected


def test_the_very_first_hour_of_the_weeks_counts() -> None:
    mornings = {NOW - HOUR - timedelta(days=number): 1 for number in range(28)}

    found = unusual(mornings | {NOW - 4 * WEEK: 40}, NOW + 36 * HOUR)

    assert found is not None
    assert found.expected == 11


def test_an_hour_that_nothing_can_be_compared_with_counts_for_nothing() -> None:
    """Where clocks are set forward in the silence, its last hour looks an hour ahead of all that was sold."""
    last = datetime(2026, 3, 20, tzinfo=UTC)
    hours = {last - number * HOUR: 2 for number in range(2 * 7 * 24 + 1)}

    found = unusual(hours, last + HOUR + 4 * WEEK, ZoneInfo("Europe/London"))

    assert found is not None
    assert found.expected == 2 * (4 * 7 * 24 - 1)


def test_hours_in_which_the_shop_was_silent_already_do_not_lower_the_mean() -> None:
    last = NOW - HOUR
    hours = {last - number * HOUR: 2 for number in range(2 * 7 * 24 + 1)}

    found = unusual(hours, NOW + 10 * WEEK)

    assert found is not None
    # Two in each hour for four weeks; what is further ahead is compared with nothing.
    assert found.expected == 2 * 4 * 7 * 24


@given(st.integers(10, 2000))
def test_what_is_unusual_stays_so_until_an_order_comes(hours_later: int) -> None:
    hours = shop(until=NOW - 30 * HOUR)

    found = unusual(hours, NOW + hours_later * HOUR)

    assert found is not None
    assert found.since == NOW - 40 * HOUR
    assert unusual({**hours, NOW + hours_later * HOUR: 1}, NOW + hours_later * HOUR) is None


@given(st.dictionaries(st.integers(0, 40 * 24), st.integers(0, 30)))
def test_whoever_just_sold_is_never_told_on_and_what_is_told_is_long(counts: dict[int, int]) -> None:
    hours = {NOW - number * HOUR: count for number, count in counts.items()}

    assert unusual(hours | {NOW - HOUR: 1}) is None
    found = unusual(hours)
    if found is not None:
        assert found.expected >= 10
        assert (NOW - found.since) * 2 > found.longest * 3


# --- clocks that are set ---------------------------------------------------------------------------------------------

# Far from UTC, on its date line, by halves and quarters of an hour, and set by an hour, by half of one, or not at all.
ZONES = tuple(
    map(
        ZoneInfo,
        (
            *("UTC", "America/New_York", "America/St_Johns", "America/Santiago", "Europe/London", "Asia/Kathmandu"),
            *("Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Africa/Casablanca"),
        ),
    )
)


def by_the_clock(zone: tzinfo, open_at: Iterable[int], now: datetime, each: int) -> Counter[datetime]:
    """What a shop sells that goes by its own clock: so much on each half of these hours, for the last six weeks."""
    wanted = set(open_at)
    halves = (now - number * 30 * MINUTE for number in range(1, 6 * 7 * 48))
    sold: Counter[datetime] = Counter()
    for half in halves:
        if half.astimezone(zone).hour in wanted:
            sold[half.replace(minute=0)] += each
    return sold


moments = st.integers(0, 366 * 24).map(lambda hour: datetime(2026, 1, 1, tzinfo=UTC) + hour * HOUR)


@given(zone=st.sampled_from(ZONES), closed=st.integers(0, 23), length=st.integers(1, 16), now=moments)
def test_a_shop_that_keeps_its_hours_is_never_told_on_whenever_its_clock_is_set(
    zone: ZoneInfo, closed: int, length: int, now: datetime
) -> None:
    shut = {(closed + number) % 24 for number in range(length)}
    hours = by_the_clock(zone, set(range(24)) - shut, now, each=10)

    assert unusual(hours, now, zone) is None


@given(zone=st.sampled_from(ZONES), closed=st.integers(0, 23), length=st.integers(1, 16), now=moments)
def test_a_shop_that_falls_silent_is_told_on_within_a_day_and_a_half(
    zone: ZoneInfo, closed: int, length: int, now: datetime
) -> None:
    shut = {(closed + number) % 24 for number in range(length)}
    hours = by_the_clock(zone, set(range(24)) - shut, now, each=10)

    found = unusual(hours, now + 40 * HOUR, zone)

    assert found is not None
    assert found.since <= now


def test_the_hour_that_comes_twice_in_autumn_is_no_longer_silence_than_usual() -> None:
    """A shop that is closed from one to two at night: on that day for two hours, in the second of which UTC sold."""
    london, now = ZoneInfo("Europe/London"), datetime(2026, 10, 25, 2, tzinfo=UTC)
    hours = by_the_clock(london, set(range(24)) - {1}, now, each=10)

    assert unusual(hours, now, london) is None
    assert unusual(hours, now, UTC) is not None
