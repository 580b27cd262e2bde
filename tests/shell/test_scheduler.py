"""The loop of `bcpoll run`: when a pass comes, what it survives, and what ends it. Nothing here sleeps."""

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, tzinfo
from itertools import chain, repeat

import pytest

from bcpoll.errors import (
    AccessRefused,
    BcpollError,
    CheckpointError,
    GiveUp,
    Problem,
    RetryLater,
    SettingsError,
    Unreachable,
)
from bcpoll.lock import LockHeld
from bcpoll.scheduler import Loop

SOON = timedelta(milliseconds=5)
NEVER = timedelta(days=1)
PATIENCE = 20.0


class Passes:
    """Passes that end as told, one after the other; the last one stops the loop."""

    def __init__(self, *ends: BaseException | None) -> None:
        self.ends = list(ends)
        self.count = 0
        self.loop: Loop | None = None

    def __call__(self) -> None:
        end = self.ends[self.count]
        self.count += 1
        if self.count == len(self.ends) and self.loop is not None:
            self.loop.stop()
        if end is not None:
            raise end


def run(passes: Passes, *, interval: timedelta = SOON) -> None:
    """Run a loop until it ends by itself."""
    passes.loop = Loop(passes, interval=interval)
    passes.loop.run()


def wait_for(event: threading.Event) -> None:
    assert event.wait(PATIENCE)


def test_the_first_pass_comes_at_once() -> None:
    passes = Passes(None)

    run(passes, interval=NEVER)

    assert passes.count == 1


def test_a_clock_that_is_set_back_a_day_does_not_keep_the_next_pass_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    back = timedelta(0)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) - back

    class Passing(Passes):
        def __call__(self) -> None:
            nonlocal back
            back = timedelta(days=self.count + 1)
            super().__call__()

    for module in ("bcpoll.scheduler", "apscheduler.schedulers.base"):
        monkeypatch.setattr(f"{module}.datetime", Clock)
    passes = Passing(None, None, None)
    # Ends the loop where it would wait for a day.
    guard = threading.Timer(PATIENCE, lambda: passes.loop and passes.loop.stop())
    guard.start()

    run(passes)
    guard.cancel()

    assert passes.count == 3


def test_passes_come_on_the_interval_until_the_loop_is_stopped() -> None:
    passes = Passes(None, None, None)

    run(passes)

    assert passes.count == 3


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RetryLater("the register is closed", hint="Open it."), "the register is closed Open it."),
        (Unreachable("no answer"), "no answer"),
        (GiveUp("a stray refusal"), "a stray refusal"),
        (LockHeld("another process"), "Another run is under way: another process"),
        (ValueError("a bug"), "the pass failed"),
        (AssertionError("another bug"), "the pass failed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_time_may_mend_is_logged_and_the_next_pass_comes(
    error: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bcpoll.scheduler")
    passes = Passes(error, None)

    run(passes)

    assert passes.count == 2
    [record] = [record for record in caplog.records if record.name == "bcpoll.scheduler"]
    assert told in record.getMessage()


@pytest.mark.parametrize(
    "error",
    [
        AccessRefused("the token was refused"),
        SettingsError([Problem("[pos] user", "is unknown", "Name another.")], source="the settings"),
        CheckpointError("the disk is full"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_no_later_pass_can_mend_ends_the_loop_and_is_raised(error: BcpollError) -> None:
    passes = Passes(error, None)

    with pytest.raises(type(error)) as raised:
        run(passes)

    assert raised.value is error
    assert passes.count == 1


class Running:
    """A loop in a thread of its own, whose passes wait for leave to end."""

    def __init__(self, interval: timedelta = SOON, ends: Iterable[Callable[[], None]] = ()) -> None:
        self.begun = threading.Semaphore(0)
        self.leave = threading.Semaphore(0)
        self.at_once = 0
        self.most_at_once = 0
        self.ended = 0
        self._ends = chain(ends, repeat(lambda: None))
        self.loop = Loop(self._pass, interval=interval)
        self.thread = threading.Thread(target=self.loop.run, daemon=True)

    def _pass(self) -> None:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        self.begun.release()
        assert self.leave.acquire(timeout=PATIENCE)
        self.at_once -= 1
        self.ended += 1
        next(self._ends)()


def test_stopping_lets_the_pass_in_flight_end() -> None:
    running = Running()
    running.thread.start()
    assert running.begun.acquire(timeout=PATIENCE)

    running.loop.stop()
    assert running.thread.is_alive()
    running.leave.release()
    running.thread.join(PATIENCE)

    assert not running.thread.is_alive()
    assert running.ended == 1


def test_a_pass_that_takes_longer_than_the_interval_is_never_joined_by_another() -> None:
    running = Running(interval=timedelta(milliseconds=1))
    running.thread.start()

    for _ in range(5):
        assert running.begun.acquire(timeout=PATIENCE)
        running.leave.release()
    assert running.begun.acquire(timeout=PATIENCE)
    running.loop.stop()
    running.leave.release()
    running.thread.join(PATIENCE)

    assert running.most_at_once == 1
    assert running.ended == 6


def test_a_loop_that_is_stopped_before_it_begins_runs_no_pass() -> None:
    passes = Passes(None)
    loop = Loop(passes, interval=NEVER)

    loop.stop()
    loop.run()

    assert passes.count == 0


def test_stopping_twice_does_no_harm() -> None:
    passes = Passes(None)

    run(passes)
    passes.loop.stop()

    assert passes.count == 1
