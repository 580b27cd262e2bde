"""Telling the owner how passes go: each matter once, and once more when it is over; no failure to tell fails a pass."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from shop import Shop

from bcpoll.checkpoint import Checkpoint
from bcpoll.config import AlertChoices
from bcpoll.errors import STOPPED, CheckpointError, RetryLater, Unreachable
from bcpoll.lock import LockHeld
from bcpoll.logs import MASK, protect
from bcpoll.monitoring.alerts import Alerts, channels_of, ping_of
from bcpoll.monitoring.channels import Letter, NotSent, Ping, Unheard

DOWN = Unreachable("The store is down.")
FULL = CheckpointError("The checkpoint cannot grow: the disk is full", hint="Free some space.")


@dataclass
class Kept:
    """A channel that keeps what is sent over it."""

    name: str = "kept"
    fails: bool = False
    letters: list[Letter] = field(default_factory=list)

    def send(self, letter: Letter) -> None:
        if self.fails:
            raise NotSent("nobody is there")
        self.letters.append(letter)

    @property
    def subjects(self) -> list[str]:
        """What was told since this was asked last, without what all subjects begin with."""
        told = [letter.subject.removeprefix("bcpoll (sandbox): ") for letter in self.letters]
        self.letters.clear()
        return told


@dataclass
class Pinged:
    """A check that keeps what it was told."""

    name: str = "ping"
    told: list[tuple[str, str]] = field(default_factory=list)

    def begun(self) -> None:
        self.told.append(("start", ""))

    def got_through(self, log: str) -> None:
        self.told.append(("success", log))

    def stopped(self, log: str) -> None:
        self.told.append(("log", log))

    def failed(self, log: str) -> None:
        self.told.append(("fail", log))


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def kept() -> Kept:
    return Kept()


def alerts_for(shop: Shop, *channels: Any, place: Path = Path("nowhere"), **changes: Any) -> Alerts:
    usual: dict[str, Any] = {
        "shop": "sandbox",
        "place": place,
        "opened": lambda: nullcontext(shop.checkpoint),
        "turn": nullcontext,
        "channels": channels,
        "ping": None,
        "no_success": timedelta(hours=1),
        "no_orders": True,
        "clock": shop.time.now,
    }
    return Alerts(**(usual | changes))


def a_pass(shop: Shop, alerts: Alerts) -> None:
    """A pass that gets through, and what is told of it."""
    shop.time.forward(minutes=5)
    shop.pass_()
    alerts.ended(None, ())


# --- each matter -----------------------------------------------------------------------------------------------------


def test_orders_that_are_set_aside_are_told_once_reminded_of_and_told_to_be_mended(shop: Shop, kept: Kept) -> None:
    alerts = alerts_for(shop, kept)
    order = shop.order()
    shop.store.overwrite(order, {"total_inc_tax": "1.0000"})

    a_pass(shop, alerts)
    assert (
        (letter := kept.letters[0]).text.splitlines()[0].startswith(f"1 order is set aside: totals differ ({order}).")
    )
    assert "ada@example.com" not in letter.text
    assert kept.subjects == ["set aside: totals differ"]
    a_pass(shop, alerts)
    assert kept.subjects == []
    shop.time.forward(days=1)
    a_pass(shop, alerts)
    assert kept.subjects == ["still: set aside: totals differ"]
    shop.store.overwrite(order, {"total_inc_tax": "10.8000"})
    shop.checkpoint.retry(None, shop.time.now())
    a_pass(shop, alerts)
    assert kept.subjects == ["over: set aside: totals differ"]
    a_pass(shop, alerts)
    assert kept.subjects == []


def test_another_reason_is_another_matter(shop: Shop, kept: Kept) -> None:
    alerts = alerts_for(shop, kept)
    shop.store.overwrite(shop.order(), {"total_inc_tax": "1.0000"})
    a_pass(shop, alerts)
    shop.order(currency="EUR")
    a_pass(shop, alerts)

    assert kept.subjects == ["set aside: totals differ", "set aside: foreign currency"]


def test_no_success_for_a_while_is_told_once_and_told_to_be_over(shop: Shop, kept: Kept) -> None:
    alerts = alerts_for(shop, kept)
    a_pass(shop, alerts)
    told = []
    for minutes in range(0, 180, 10):
        shop.time.forward(minutes=10)
        alerts.ended(DOWN, ())
        told += [(minutes + 10, subject) for subject in kept.subjects]
    a_pass(shop, alerts)

    assert told == [(70, "no success")]
    assert kept.subjects == ["over: no success"]


def test_a_run_that_another_one_keeps_waiting_is_told_as_no_success(shop: Shop, kept: Kept) -> None:
    alerts = alerts_for(shop, kept)
    a_pass(shop, alerts)
    shop.time.forward(hours=2)
    alerts.ended(LockHeld("process 7, since yesterday"), ())

    assert "Another run is under way: process 7, since yesterday" in kept.letters[0].text
    assert kept.subjects == ["no success"]


def test_a_refused_token_is_told_at_once_and_told_to_be_over(shop: Shop, kept: Kept) -> None:
    alerts = alerts_for(shop, kept)
    shop.world.tokens.store = "another"
    for _ in range(3):
        with pytest.raises(Exception, match="refused the token") as refused:
            shop.pass_()
        alerts.ended(refused.value, ())
    assert "BigCommerce refused the token (401)" in kept.letters[0].text
    assert kept.subjects == ["access refused"]

    alerts.ended(DOWN, ())
    assert kept.subjects == []
    shop.world.tokens.store = "store-token"
    a_pass(shop, alerts)
    assert kept.subjects == ["over: access refused"]


def sell_for_weeks(shop: Shop, alerts: Alerts, weeks: int) -> None:
    """Let an order come each hour, and put them into the ledger all at once."""
    shop.order()
    a_pass(shop, alerts)
    row = shop.row(100)
    now = shop.time.now()
    hours = range(weeks * 7 * 24)
    shop.checkpoint.record([_placed(row, 1000 + hour, now - timedelta(hours=hour)) for hour in hours])


def _placed(row: Any, number: int, at: datetime) -> Any:
    from dataclasses import replace

    applied = replace(row.applied, order_id=number, sale_id=f"sale-{number}")
    return replace(row, order_id=number, applied=applied, placed_at=at)


def test_no_order_for_unusually_long_is_told_once_and_told_to_be_over(shop: Shop, kept: Kept) -> None:
    alerts = alerts_for(shop, kept)
    sell_for_weeks(shop, alerts, 4)
    told = []
    for hour in range(1, 24):
        shop.time.forward(hours=1)
        alerts.ended(None, ())
        told += [(hour, subject) for subject in kept.subjects]
    shop.order()
    a_pass(shop, alerts)

    # The first ten orders that are missing, and the hour of the last one, which may have come at its end.
    assert told == [(11, "no orders")]
    assert kept.subjects == ["over: no orders"]


def test_who_does_not_want_to_hear_of_silences_does_not(shop: Shop, kept: Kept) -> None:
    alerts = alerts_for(shop, kept, no_orders=False)
    sell_for_weeks(shop, alerts, 4)
    shop.time.forward(days=3)
    alerts.ended(None, ())

    assert kept.subjects == []


def test_a_checkpoint_that_cannot_be_used_is_told_once_a_day_and_told_to_be_over(
    shop: Shop, kept: Kept, tmp_path: Path
) -> None:
    alerts = alerts_for(shop, kept, place=tmp_path / "bcpoll.db")
    told = []
    for hours in range(30):
        alerts.ended(FULL, ())
        told += [(hours, subject) for subject in kept.subjects]
        shop.time.forward(hours=1)
    a_pass(shop, alerts)

    assert told == [(0, "checkpoint unusable"), (24, "still: checkpoint unusable")]
    assert kept.subjects == ["over: checkpoint unusable"]
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_cannot_be_used_is_told_over_each_channel_until_it_gets_through(
    shop: Shop, kept: Kept, tmp_path: Path
) -> None:
    deaf = Kept("deaf", fails=True)
    alerts = alerts_for(shop, deaf, kept, place=tmp_path / "bcpoll.db")
    alerts.ended(FULL, ())
    alerts.ended(FULL, ())
    assert kept.subjects == ["checkpoint unusable"]

    deaf.fails = False
    alerts.ended(FULL, ())
    assert (deaf.subjects, kept.subjects) == (["checkpoint unusable"], [])

    deaf.fails = True
    a_pass(shop, alerts)
    a_pass(shop, alerts)
    deaf.fails = False
    a_pass(shop, alerts)
    assert (deaf.subjects, kept.subjects) == (["over: checkpoint unusable"], ["over: checkpoint unusable"])
    assert list(tmp_path.iterdir()) == []


def test_a_silence_is_measured_by_the_clock_of_the_shop(
    shop: Shop, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = []
    monkeypatch.setattr("bcpoll.monitoring.alerts.unusual_silence", lambda hours, now, zone: zones.append(str(zone)))
    alerts = alerts_for(shop, kept)
    a_pass(shop, alerts)
    shop.order()
    a_pass(shop, alerts)

    assert zones == ["America/Chicago"]


# --- telling itself --------------------------------------------------------------------------------------------------


def test_what_does_not_get_through_is_tried_again_with_the_next_pass(
    shop: Shop, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    deaf = Kept("deaf", fails=True)
    alerts = alerts_for(shop, deaf, kept)
    shop.order(currency="EUR")
    a_pass(shop, alerts)
    a_pass(shop, alerts)

    assert kept.subjects == ["set aside: foreign currency"]
    assert "alert by deaf not sent: nobody is there" in caplog.text
    deaf.fails = False
    a_pass(shop, alerts)
    assert (deaf.subjects, kept.subjects) == (["set aside: foreign currency"], [])


@pytest.mark.parametrize(("error", "tries"), [(Unheard("timed out"), 1), (NotSent("it answered 400"), 2)])
def test_a_channel_that_nobody_hears_is_waited_for_once_in_a_pass(shop: Shop, error: NotSent, tries: int) -> None:
    class Deaf(Kept):
        def send(self, letter: Letter) -> None:
            super().send(letter)
            raise error

    deaf = Deaf()
    alerts = alerts_for(shop, deaf)
    shop.order(currency="EUR")
    shop.store.overwrite(shop.order(), {"total_inc_tax": "1.0000"})

    a_pass(shop, alerts)

    assert len(deaf.letters) == tries


def test_a_bug_in_one_channel_silences_no_other(shop: Shop, kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Kept):
        def send(self, letter: Letter) -> None:
            raise UnicodeError("a bug")

    alerts = alerts_for(shop, Broken("broken"), kept)
    shop.order(currency="EUR")

    a_pass(shop, alerts)

    assert kept.subjects == ["set aside: foreign currency"]
    assert "alert by broken not sent" in caplog.text


def test_whatever_goes_wrong_while_telling_is_logged_and_no_more(
    shop: Shop, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    @contextmanager
    def broken() -> Iterator[Checkpoint]:
        raise RuntimeError("a bug")
        yield shop.checkpoint

    alerts_for(shop, kept, opened=broken).ended(None, ())

    assert "nobody could be told of how the pass went" in caplog.text


def test_while_another_process_tells_the_owner_nothing_is_told_twice(shop: Shop, kept: Kept) -> None:
    @contextmanager
    def taken() -> Iterator[None]:
        raise RetryLater("another process has it")
        yield

    shop.order(currency="EUR")
    a_pass(shop, alerts_for(shop, kept, turn=taken))

    assert kept.subjects == []


def test_who_stops_a_run_is_not_told_that_it_stopped(shop: Shop, kept: Kept) -> None:
    ping = Pinged()
    alerts_for(shop, kept, ping=ping).ended(STOPPED, ())

    assert (kept.subjects, ping.told) == ([], [])


@pytest.mark.parametrize(
    ("error", "told"),
    [(None, "success"), (DOWN, "log"), (FULL, "fail"), (ValueError("a bug"), "fail")],
    ids=["well", "the store is down", "the disk is full", "a bug"],
)
def test_a_check_is_pinged_with_the_log(shop: Shop, error: Exception | None, told: str) -> None:
    ping = Pinged()
    alerts = alerts_for(shop, ping=ping)

    alerts.begun()
    alerts.ended(error, ["one", "two"])

    assert ping.told == [("start", ""), (told, "one\ntwo")]


def test_a_run_that_finds_another_one_pings_nothing(shop: Shop) -> None:
    ping = Pinged()
    alerts_for(shop, ping=ping).ended(LockHeld("process 7"), ())

    assert ping.told == []


def test_a_check_that_is_not_there_is_logged(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    alerts = alerts_for(shop, ping=Ping("http://127.0.0.1:1/secret"))

    alerts.begun()
    alerts.ended(None, ())

    assert caplog.text.count("nobody could be told of the") == 2
    assert "secret" not in caplog.text


def test_people_and_secrets_stay_out_of_messages(shop: Shop, kept: Kept) -> None:
    shop.pass_()
    shop.time.forward(hours=2)
    alerts_for(shop, kept).ended(Unreachable("no answer about ada@example.com"), ())

    assert "ada@example.com" not in kept.letters[0].text


def test_people_and_secrets_stay_out_of_what_a_check_is_told(shop: Shop) -> None:
    protect(["sesame-of-the-shop"])
    ping = Pinged()

    alerts_for(shop, ping=ping).ended(ValueError("a bug"), ["no answer about ada@example.com", "sesame-of-the-shop"])

    assert ping.told == [("fail", f"no answer about {MASK}\n{MASK}")]


def test_settings_name_who_is_told() -> None:
    nobody = AlertChoices()
    everybody = AlertChoices(
        webhook="https://hooks.example/1",
        ping="https://ping.example/1",
        email_to="ada@example.com, basil@example.com",
        smtp_host="mail.example",
        smtp_user="ada",
        smtp_password="secret",
    )

    assert (channels_of(nobody), ping_of(nobody)) == ((), None)
    assert [one.name for one in channels_of(everybody)] == ["webhook", "email"]
    assert ping_of(everybody) is not None
    assert "secret" not in repr(everybody)
