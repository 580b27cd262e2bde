"""What is told when: once when something begins, once a day while it goes on, and once when it is over."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.alerts import Kind, Matter, Message, Seen, Told, Trouble, aside, judge, messages, remedy
from bcpoll.core.rejected import REASONS, Reason
from bcpoll.core.rhythm import Silence

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TROUBLE = Trouble(since=NOW, line="It rains.", remedy="Take an umbrella.")


def tell(judged: Mapping[str, Trouble | None], told: Mapping[str, Told], now: datetime) -> list[tuple[str, Kind]]:
    return [(message.matter, message.kind) for message in messages(judged, told, now)]


def after(told: Mapping[str, Told], sent: tuple[Message, ...], now: datetime) -> dict[str, Told]:
    """What was told once these messages went out."""
    kept = {**told}
    for message in sent:
        if message.kind is Kind.OVER:
            del kept[message.matter]
        else:
            kept[message.matter] = Told(since=message.since, told_at=now)
    return kept


def test_a_matter_is_told_once_reminded_of_daily_and_told_to_be_over() -> None:
    told: dict[str, Told] = {}
    seen = []
    for hours in range(60):
        now = NOW + hours * HOUR
        sent = messages({"rain": TROUBLE if hours < 50 else None}, told, now)
        told = after(told, sent, now)
        seen += [(hours, message.kind) for message in sent]

    assert seen == [(0, Kind.BEGAN), (24, Kind.GOES_ON), (48, Kind.GOES_ON), (50, Kind.OVER)]
    assert told == {}


def test_what_cannot_be_judged_is_neither_told_nor_forgotten() -> None:
    assert tell({}, {"rain": Told(since=NOW, told_at=NOW - 9 * DAY)}, NOW) == []


def test_a_matter_that_never_was_is_not_told_to_be_over() -> None:
    assert tell({"rain": None}, {}, NOW) == []


def test_a_message_from_the_future_does_not_silence_the_reminders() -> None:
    assert tell({"rain": TROUBLE}, {"rain": Told(since=NOW, told_at=NOW + 400 * DAY)}, NOW) == [("rain", Kind.GOES_ON)]


def test_a_reminder_tells_since_when_it_was_told_first() -> None:
    first = NOW - 3 * DAY
    (message,) = messages({"rain": TROUBLE}, {"rain": Told(since=first, told_at=NOW - DAY)}, NOW)

    assert (message.since, message.line, message.remedy) == (first, "It rains.", "Take an umbrella.")


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans() | st.none()), max_size=60))
def test_messages_about_a_matter_begin_and_end_in_turns_and_never_crowd(steps: list[tuple[int, bool | None]]) -> None:
    told: dict[str, Told] = {}
    heard: list[tuple[datetime, Kind]] = []
    now = NOW
    for minutes, is_wet in steps:
        now += timedelta(minutes=minutes)
        judged = {} if is_wet is None else {"rain": TROUBLE if is_wet else None}
        sent = messages(judged, told, now)
        told = after(told, sent, now)
        heard += [(now, message.kind) for message in sent]

    turns = [kind for _, kind in heard if kind is not Kind.GOES_ON]
    assert turns == [Kind.BEGAN, Kind.OVER] * (len(turns) // 2) + [Kind.BEGAN] * (len(turns) % 2)
    for (earlier, _), (later, kind) in pairwise(heard):
        assert kind is not Kind.GOES_ON or later - earlier >= DAY


# --- what is the matter ----------------------------------------------------------------------------------------------


def seen(**changes: Any) -> Seen:
    usual: dict[str, Any] = {
        "got_through": True,
        "last_success": NOW,
        "first": NOW - 30 * DAY,
        "set_aside": {},
    }
    return Seen(**(usual | changes))


def found(**changes: Any) -> Mapping[str, Trouble | None]:
    return judge(seen(**changes), no_success=HOUR, now=NOW)


def test_where_all_is_well_every_matter_is_judged_to_be_so() -> None:
    judged = found()

    assert set(judged) == {*Matter, *map(aside, Reason)}
    assert set(judged.values()) == {None}


def test_orders_are_told_by_reason_with_their_numbers_the_cause_and_the_remedy() -> None:
    orders = [(number, NOW - number * HOUR) for number in range(1, 13)]
    judged = found(set_aside={Reason.TOTALS_DIFFER: orders, Reason.WRONG_TYPE: [(0, NOW)]})

    several, one = judged[aside(Reason.TOTALS_DIFFER)], judged[aside(Reason.WRONG_TYPE)]
    assert several is not None
    assert one is not None
    assert several.since == NOW - 12 * HOUR
    assert several.line.startswith(
        "12 orders are set aside: totals differ (1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and more). Lines, charges"
    )
    assert several.remedy == f"{REASONS[Reason.TOTALS_DIFFER].remedy} See bcpoll review list."
    assert one.line.startswith("1 order is set aside: wrong type. ")
    assert judged[aside(Reason.EDITED)] is None


@pytest.mark.parametrize(("ago", "is_told"), [(HOUR, False), (HOUR + timedelta(seconds=1), True)])
def test_no_success_is_told_after_the_time_that_the_owner_chose(ago: timedelta, *, is_told: bool) -> None:
    trouble = found(got_through=False, failure="The wire is cut.", last_success=NOW - ago)[Matter.NO_SUCCESS]

    assert (trouble is not None) is is_told
    if trouble is not None:
        assert trouble.line == "No pass got through for 1 h 0 min. The last pass said: The wire is cut."
        assert trouble.since == NOW - ago


def test_a_shop_that_never_got_through_counts_from_its_beginning() -> None:
    trouble = found(got_through=False, last_success=None, first=NOW - 3 * DAY)[Matter.NO_SUCCESS]

    assert trouble is not None
    assert trouble.line == "No pass got through for 3 days."


def test_a_pass_that_gets_through_ends_what_is_told_of_passes_and_tokens() -> None:
    judged = found(last_success=NOW - 9 * DAY)

    assert (judged[Matter.NO_SUCCESS], judged[Matter.ACCESS]) == (None, None)


def test_a_refused_token_is_told_at_once() -> None:
    trouble = found(got_through=False, refused="BigCommerce refused the token (401)")[Matter.ACCESS]

    assert trouble is not None
    assert trouble.line == "A token or a right was refused: BigCommerce refused the token (401)"


def test_after_a_pass_that_stopped_early_nobody_knows_of_tokens_and_orders() -> None:
    judged = found(got_through=False, failure="The wire is cut.")

    assert {Matter.ACCESS, Matter.NO_ORDERS} & set(judged) == set()


def test_an_unusual_silence_is_told_with_what_would_be_usual() -> None:
    silence = Silence(since=NOW - 20 * HOUR, expected=16, longest=12 * HOUR)
    trouble = found(silence=silence)[Matter.NO_ORDERS]

    assert trouble is not None
    assert trouble.line == (
        "No order came for 20 h 0 min; by the weeks before, 16 would have come, and no other silence was longer than"
        " 12 h 0 min."
    )


ENDS = {
    Matter.ACCESS: "BigCommerce and the POS let bcpoll in again.",
    Matter.NO_SUCCESS: "Passes get through again.",
    Matter.NO_ORDERS: "Orders come in again.",
    **{aside(reason): "No order is set aside for this reason any more." for reason in Reason},
}


@pytest.mark.parametrize(("matter", "line"), ENDS.items())
def test_of_every_matter_there_is_a_word_for_its_end(matter: str, line: str) -> None:
    (message,) = messages({matter: None}, {matter: Told(since=NOW - DAY, told_at=NOW)}, NOW)

    assert (message.line, message.since, message.remedy) == (line, NOW - DAY, "")


def test_every_trouble_says_since_when_and_what_to_do() -> None:
    silence = Silence(since=NOW - 20 * HOUR, expected=16, longest=12 * HOUR)
    troubles = {
        Matter.ACCESS: found(got_through=False, refused="no")[Matter.ACCESS],
        Matter.NO_SUCCESS: found(got_through=False, last_success=NOW - DAY)[Matter.NO_SUCCESS],
        Matter.NO_ORDERS: found(silence=silence)[Matter.NO_ORDERS],
    }

    assert {matter: trouble.since for matter, trouble in troubles.items() if trouble} == {
        Matter.ACCESS: NOW,
        Matter.NO_SUCCESS: NOW - DAY,
        Matter.NO_ORDERS: NOW - 20 * HOUR,
    }
    for matter, trouble in troubles.items():
        assert trouble is not None
        assert trouble.remedy == remedy(matter)
    assert len({remedy(matter) for matter in Matter} - {""}) == 3


def test_for_a_matter_that_is_not_known_any_more_there_is_no_remedy() -> None:
    assert remedy("set aside: something of an older version") == ""


def test_ten_orders_are_all_named() -> None:
    trouble = found(set_aside={Reason.EDITED: [(number, NOW) for number in range(1, 11)]})[aside(Reason.EDITED)]

    assert trouble is not None
    assert "(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)." in trouble.line


def test_what_was_told_this_very_moment_is_not_told_again() -> None:
    assert tell({"rain": TROUBLE}, {"rain": Told(since=NOW, told_at=NOW)}, NOW) == []
