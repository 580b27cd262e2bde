"""The table of which answers touch which stories: none of the open questions is left out of it."""

from story import NO_ORDER, ORDERS, TOPICS, ways

from bcpoll.sandbox.switches import Switches, choices


def test_every_switch_touches_some_story_or_none_that_is_about_orders() -> None:
    told = {*ORDERS, *NO_ORDER, *(name for names in TOPICS.values() for name in names)}
    assert told == choices().keys()


def test_a_story_is_told_under_every_position_of_what_touches_it() -> None:
    told = ways("voiding", "account")
    for name in (*TOPICS["voiding"], *TOPICS["account"]):
        assert {getattr(switches, name) for switches in told.values()} == {*choices()[name]}


def test_one_way_turns_all_that_touches_every_story() -> None:
    turned, usual = ways()["all-at-once"], Switches()
    assert [name for name in ORDERS if getattr(turned, name) == getattr(usual, name)] == []
