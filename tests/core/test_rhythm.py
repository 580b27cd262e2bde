"""What is usual for a shop: the pace of its passes, and its silences."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.rhythm import next_run, pace, unusual_silence

# A Friday.
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def passes(*minutes_ago: int) -> list[datetime]:
    return [NOW - minutes * MINUTE for minutes in minutes_ago]


# --- passes ----------------------------------------------------------------------------------------------------------


def test_the_pace_is_the_usual_distance_whatever_a_single_one_took() -> None:
    assert pace(passes(0, 5, 10, 70, 75)) == 5 * MINUTE


def test_too_few_passes_show_no_pace() -> None:
    assert pace(passes(0, 5, 10)) is None


def test_the_next_pass_follows_from_the_pace() -> None:
    found = next_run(passes(2, 7, 12, 17), None, NOW)

    assert found is not None
    assert (found.at, found.is_told, found.is_late) == (NOW + 3 * MINUTE, False, False)


def test_what_was_told_counts_for_more_than_the_pace() -> None:
    found = next_run(passes(2, 7, 12, 17), NOW + MINUTE, NOW)

    assert found is not None
    assert (found.at, found.is_told) == (NOW + MINUTE, True)


def test_what_was_told_before_the_last_pass_counts_no_more() -> None:
    found = next_run(passes(2, 7, 12, 17), NOW - 4 * MINUTE, NOW)

    assert found is not None
    assert (found.at, found.is_told) == (NOW + 3 * MINUTE, False)


@pytest.mark.parametrize(("minutes_ago", "is_late"), [(6, False), (10, False), (11, True), (600, True)])
def test_a_pass_is_late_after_twice_the_pace(minutes_ago: int, is_late: bool) -> None:  # noqa: FBT001
    found = next_run(passes(*(minutes_ago + 5 * number for number in range(4))), None, NOW)

    assert found is not None
    assert found.is_late is is_late


def test_without_passes_nothing_is_expected() -> None:
    assert next_run([], None, NOW) is None
    assert next_run(passes(1), None, NOW) is None


# --- orders ----------------------------------------------------------------------------------------------------------


def shop(*, weeks: int = 4, by_hour: Iterable[int] = range(8, 20), each: int = 2, until: datetime = NOW) -> Counter:
    """A shop that sells so much in each of these hours of the day, and nothing after a moment."""
    wanted = set(by_hour)
    hours = (NOW - number * HOUR for number in range(1, weeks * 7 * 24 + 1))
    return Counter({hour: each for hour in hours if hour.hour in wanted and hour < until})


def test_a_shop_that_sells_as_always_is_not_told_on() -> None:
    assert unusual_silence(shop(), NOW) is None


def test_a_night_is_nothing_unusual() -> None:
    morning = NOW.replace(hour=8)

    assert unusual_silence(shop(until=morning - 12 * HOUR), morning) is None


def test_a_day_without_orders_is_told_with_what_was_expected() -> None:
    found = unusual_silence(shop(until=NOW - 20 * HOUR), NOW)

    assert found is not None
    # From 16 to 20 on Thursday and from 8 to 12 on Friday, two orders each.
    assert (found.since, found.expected, found.longest) == (NOW - 20 * HOUR, 16, 12 * HOUR)


def test_a_silence_is_told_only_once_it_is_half_as_long_again_as_any_before() -> None:
    hours = shop(until=NOW - 18 * HOUR)

    assert unusual_silence(hours, NOW) is None
    assert unusual_silence(hours, NOW + HOUR) is not None


def test_a_holiday_within_the_weeks_makes_the_shop_more_patient() -> None:
    hours = shop(until=NOW - 30 * HOUR)
    day = (NOW - timedelta(days=10)).date()
    with_holiday = {hour: count for hour, count in hours.items() if hour.date() != day}

    assert unusual_silence(hours, NOW) is not None
    assert unusual_silence(with_holiday, NOW) is None


def test_a_shop_that_sells_little_is_never_told_on() -> None:
    rare = {NOW - timedelta(days=3 * number): 1 for number in range(2, 10)}

    assert unusual_silence(rare, NOW) is None


def test_a_shop_of_less_than_two_weeks_has_no_rhythm_yet() -> None:
    assert unusual_silence(shop(weeks=1, until=NOW - 48 * HOUR), NOW) is None


def test_a_weekend_shop_is_quiet_on_weekdays() -> None:
    weekends = {hour: 3 for hour in shop(each=1) if hour.weekday() >= 5}

    assert unusual_silence(weekends, NOW) is None


def test_without_any_order_there_is_nothing_to_go_by() -> None:
    assert unusual_silence({}, NOW) is None


@given(st.dictionaries(st.integers(0, 40 * 24), st.integers(0, 30)))
def test_whoever_just_sold_is_never_told_on_and_what_is_told_is_long(counts: dict[int, int]) -> None:
    hours = {NOW - number * HOUR: count for number, count in counts.items()}

    assert unusual_silence(hours | {NOW - HOUR: 1}, NOW) is None
    found = unusual_silence(hours, NOW)
    if found is not None:
        assert found.expected >= 10
        assert (NOW - found.since) * 2 > found.longest * 3
