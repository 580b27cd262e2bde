"""Times as both APIs write them, in and out."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.times import day_begins, iso, parse_day, parse_time, rfc2822, span_text

MOMENT = datetime(2017, 4, 20, 15, 32, tzinfo=UTC)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001 - bounds are naive


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Thu, 20 Apr 2017 15:32:00 +0000", id="rfc 2822 in UTC, as orders have it"),
        pytest.param("Thu, 20 Apr 2017 11:32:00 -0400", id="rfc 2822 with an offset"),
        pytest.param("20 Apr 2017 15:32:00 GMT", id="rfc 2822 without a weekday"),
        pytest.param("Thu, 20 Apr 2017 10:32:00 EST", id="rfc 2822 with a zone by its old name"),
        pytest.param("Thu, 20 Apr 2017 15:32:00 -0000", id="rfc 2822 of an unknown place"),
        pytest.param("2017-04-20T11:32:00.000-04:00", id="iso 8601 with an offset"),
        pytest.param("2017-04-20T15:32:00Z", id="iso 8601 with Z"),
        pytest.param("2017-04-20T15:32:00+00:00", id="iso 8601 as refunds have it"),
        pytest.param("2017-04-20T15:32:00+0000", id="iso 8601 without a colon"),
        pytest.param("Thu,20 Apr 2017 15:32:00 +0000", id="without a blank after the weekday"),
        pytest.param("20 April 2017, 15:32:00 UTC", id="with the month written out"),
    ],
)
def test_a_time_with_a_zone_is_read_as_utc(text: str) -> None:
    assert parse_time(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("  ", id="blank"),
        pytest.param("None", id="none"),
        pytest.param("yesterday", id="word"),
        pytest.param("0", id="zero"),
        pytest.param("10", id="number"),
        pytest.param("1492702320", id="unix seconds"),
        pytest.param("2017-04-20T15:32:00", id="iso 8601 without a zone"),
        pytest.param("Thu, 20 Apr 2017 15:32:00", id="rfc 2822 without a zone"),
        pytest.param("2017-04-20", id="date only"),
        pytest.param("11/10/2017 15:32 +0000", id="without seconds"),
        pytest.param("20 Apr 2017 +0000", id="date with a zone"),
        pytest.param("15:32:00 +0000", id="time of day with a zone"),
        pytest.param("Thu, 31 Feb 2017 15:32:00 +0000", id="day that the month has not"),
        pytest.param("Thu, 20 Apr 2017 25:32:00 +0000", id="hour that the day has not"),
        pytest.param("Thu, 20 Apr 2017 15:32:00 +9900", id="offset beyond a day"),
        pytest.param("Thu, 20 Apr 2017 15:32:00 Atlantis", id="zone that is none"),
        pytest.param("0001-01-01T00:00:00+10:00", id="before the first year in UTC"),
        pytest.param("9999-12-31T23:59:59-10:00", id="after the last year in UTC"),
        pytest.param("2017-04-20T15:32:00\ud800", id="lone surrogate"),
        pytest.param("10:99999999999999999999999999999999999999999999", id="more seconds than a decimal holds"),
    ],
)
def test_what_is_not_a_whole_time_with_a_zone_is_refused(text: str) -> None:
    assert parse_time(text) is None


@pytest.fixture
def in_auckland(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_auckland")
def test_the_zone_of_the_host_completes_no_time() -> None:
    assert parse_time("Thu,20 Apr 2017 15:32:00 NZST") is None


@pytest.mark.usefixtures("in_auckland")
def test_the_zone_of_the_host_is_in_no_time_that_is_read_or_written() -> None:
    read = parse_time("Fri, 21 Apr 2017 15:32:00 +0000")
    assert read is not None
    assert read.utcoffset() == timedelta(0)
    assert (iso(MOMENT), rfc2822(MOMENT)) == ("2017-04-20T15:32:00Z", "Thu, 20 Apr 2017 15:32:00 +0000")
    assert day_begins(date(2026, 11, 30), ZoneInfo("America/Chicago")).utcoffset() == timedelta(0)


PIECES = ["Wed,", "04", "Apr", "2018", "10:00:00", "+0000", "-04", "T", "Z", "EST", ",", ":", ".", "-", "W", "9" * 40]


@given(st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join))
def test_any_text_gives_a_time_in_utc_or_nothing(text: str) -> None:
    at = parse_time(text)
    assert at is None or at.utcoffset() == timedelta(0)


@given(MOMENTS)
def test_a_time_written_for_the_pos_is_read_back_to_the_second(moment: datetime) -> None:
    assert parse_time(iso(moment)) == moment.astimezone(UTC).replace(microsecond=0)


@given(MOMENTS.filter(lambda moment: moment.year > 1000))
def test_a_time_written_for_a_filter_is_read_back_to_the_second(moment: datetime) -> None:
    assert parse_time(rfc2822(moment)) == moment.astimezone(UTC).replace(microsecond=0)


def test_the_pos_gets_a_time_in_utc_with_whole_seconds() -> None:
    there = datetime(2017, 4, 20, 11, 32, 0, 999999, timezone(timedelta(hours=-4)))
    assert iso(there) == "2017-04-20T15:32:00Z"


def test_a_filter_gets_a_time_in_utc_with_whole_seconds() -> None:
    there = datetime(2017, 4, 20, 11, 32, 0, 999999, timezone(timedelta(hours=-4)))
    assert rfc2822(there) == "Thu, 20 Apr 2017 15:32:00 +0000"


@pytest.mark.parametrize("text", ["2026-11-30", " 2026-11-30 "])
def test_a_day_is_written_with_the_year_first(text: str) -> None:
    assert parse_day(text) == date(2026, 11, 30)


@pytest.mark.parametrize("text", ["", "30", "11/30/2026", "30.11.2026", "20261130", "2026-13-01", "2026-02-30", "now"])
def test_what_could_be_another_day_or_is_none_is_refused(text: str) -> None:
    assert parse_day(text) is None


@pytest.mark.parametrize(
    ("day", "begins"),
    [
        (date(2026, 11, 30), "2026-11-30T06:00:00Z"),
        (date(2026, 7, 1), "2026-07-01T05:00:00Z"),
    ],
)
def test_a_day_begins_at_midnight_of_its_zone(day: date, begins: str) -> None:
    assert iso(day_begins(day, ZoneInfo("America/Chicago"))) == begins


def test_a_day_whose_midnight_the_clocks_skip_begins_with_its_first_moment() -> None:
    assert iso(day_begins(date(2024, 3, 31), ZoneInfo("Asia/Beirut"))) == "2024-03-30T22:00:00Z"


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(0), "0 s"),
        (timedelta(seconds=1), "1 s"),
        (timedelta(seconds=59, milliseconds=999), "59 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=1), "1 h 0 min"),
        (timedelta(hours=3, minutes=5, seconds=59), "3 h 5 min"),
        (timedelta(hours=47, minutes=59), "47 h 59 min"),
        (timedelta(hours=48), "2 days"),
        (timedelta(days=9, hours=23), "9 days"),
    ],
    ids=str,
)
def test_a_length_of_time_is_written_in_its_largest_units(length: timedelta, text: str) -> None:
    assert span_text(length) == text
