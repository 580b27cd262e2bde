"""The run lock: one holder at a time, and none after its process is gone."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bcpoll.budget import SYSTEM_CLOCK, Clock
from bcpoll.errors import CheckpointError
from bcpoll.lock import LockHeld, backfill_lock, backfill_turn, lock_path, run_lock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

HOLDER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from bcpoll.lock import run_lock
with run_lock(Path(sys.argv[1]), command="bcpoll backfill", now=datetime(2026, 3, 1, 11, tzinfo=UTC)):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tmp_path / "bcpoll.db"


def test_a_second_run_is_told_who_holds_the_lock(checkpoint):
    with (
        run_lock(checkpoint, command="bcpoll run", now=NOW),
        pytest.raises(LockHeld) as caught,
        run_lock(checkpoint, command="bcpoll run-once", now=NOW),
    ):
        pass

    assert caught.value.holder == (
        f"process {os.getpid()} on {os.uname().nodename}, since 2026-03-01T12:00:00Z: bcpoll run"
    )
    assert caught.value.exit_code == 0


@pytest.mark.parametrize("error", [None, RuntimeError], ids=["done", "failed"])
def test_the_lock_is_free_after_the_block_and_its_file_stays(checkpoint, error):
    def hold() -> None:
        with run_lock(checkpoint, command="bcpoll run", now=NOW):
            if error:
                raise error

    if error:
        with pytest.raises(error):
            hold()
    else:
        hold()

    assert lock_path(checkpoint).read_bytes() == b""
    hold_again = run_lock(checkpoint, command="bcpoll run", now=NOW)
    with hold_again:
        pass


def test_the_lock_file_is_for_its_owner_alone(checkpoint):
    with run_lock(checkpoint, command="bcpoll run", now=NOW):
        assert stat.S_IMODE(lock_path(checkpoint).stat().st_mode) == 0o600


def test_the_lock_dies_with_its_process(checkpoint):
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(checkpoint)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"

    with (
        pytest.raises(LockHeld, match=f"process {child.pid} .* bcpoll backfill"),
        run_lock(checkpoint, command="bcpoll run", now=NOW),
    ):
        pass
    child.send_signal(signal.SIGKILL)
    child.communicate()

    with run_lock(checkpoint, command="bcpoll run", now=NOW):
        assert b"bcpoll run" in lock_path(checkpoint).read_bytes()


def test_two_names_of_one_checkpoint_share_the_lock(checkpoint, tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(checkpoint)

    with run_lock(checkpoint, command="a", now=NOW), pytest.raises(LockHeld), run_lock(link, command="b", now=NOW):
        pass


def test_a_link_in_place_of_the_lock_file_empties_nobodys_file(checkpoint, tmp_path):
    other = tmp_path / "letters.txt"
    other.write_text("Dear Ada")
    lock_path(checkpoint).symlink_to(other)

    with pytest.raises(CheckpointError, match="cannot be opened") as caught, run_lock(checkpoint, command="a", now=NOW):
        pass

    assert other.read_text() == "Dear Ada"
    assert "Take the symbolic link away" in caught.value.hint


def test_a_holder_that_has_not_written_its_line_yet_still_holds(checkpoint):
    handle = os.open(lock_path(checkpoint), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)

    with pytest.raises(LockHeld, match="not said which"), run_lock(checkpoint, command="a", now=NOW):
        pass

    os.close(handle)


def test_a_full_disk_does_not_keep_the_lock_from_holding(checkpoint, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)

    with (
        run_lock(checkpoint, command="a", now=NOW),
        pytest.raises(LockHeld),
        run_lock(checkpoint, command="b", now=NOW),
    ):
        pass


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with (
        pytest.raises(CheckpointError, match="No such file or directory"),
        run_lock(tmp_path / "nowhere" / "bcpoll.db", command="a", now=NOW),
    ):
        pass


def test_a_file_system_without_locks_is_said(checkpoint, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)

    with (
        pytest.raises(CheckpointError, match="No locks available") as caught,
        run_lock(checkpoint, command="a", now=NOW),
    ):
        pass
    assert "local disk" in caught.value.hint


# --- beside a backfill ------------------------------------------------------------------------------------------------


class StillWaiting(Exception):
    """Somebody sleeps although nothing happens any more."""


class Slept:
    """A clock whose every sleep lets something happen."""

    def __init__(self, *then: Callable[[], object]) -> None:
        self._then = iter(then)
        self.sleeps = 0

    @property
    def clock(self) -> Clock:
        return Clock(sleep=self._sleep)

    def _sleep(self, _seconds: float) -> None:
        self.sleeps += 1
        then = next(self._then, None)
        if then is None:
            raise StillWaiting
        then()


def turn_of(checkpoint: Path, clock: Clock = SYSTEM_CLOCK) -> ExitStack:
    stack = ExitStack()
    stack.enter_context(backfill_turn(checkpoint, command="bcpoll backfill", now=NOW, clock=clock))
    return stack


def test_a_run_waits_for_the_page_of_a_backfill_and_then_has_its_turn(checkpoint):
    with backfill_lock(checkpoint, command="bcpoll backfill", now=NOW):
        page = turn_of(checkpoint)
        slept = Slept(lambda: None, page.close)

        with run_lock(checkpoint, command="bcpoll run", now=NOW, clock=slept.clock):
            assert slept.sleeps == 2


def test_a_backfill_lets_a_run_that_waits_go_first(checkpoint):
    had_turn = []

    def next_page() -> None:
        page.close()
        # As the backfill would, in a thread of its own: the run still waits here.
        with pytest.raises(StillWaiting):
            turn_of(checkpoint, Slept().clock)
        had_turn.append("waited")

    with backfill_lock(checkpoint, command="bcpoll backfill", now=NOW):
        page = turn_of(checkpoint)
        with run_lock(checkpoint, command="bcpoll run", now=NOW, clock=Slept(next_page).clock):
            had_turn.append("run")

    assert had_turn == ["waited", "run"]


def test_a_second_run_does_not_wait_behind_the_first(checkpoint):
    def second_run() -> None:
        clock = Slept(*[lambda: None] * 10).clock
        with pytest.raises(LockHeld), run_lock(checkpoint, command="bcpoll run-once", now=NOW, clock=clock):
            pass
        page.close()

    with backfill_lock(checkpoint, command="bcpoll backfill", now=NOW):
        page = turn_of(checkpoint)
        with run_lock(checkpoint, command="bcpoll run", now=NOW, clock=Slept(second_run).clock):
            pass


def test_behind_another_run_nobody_waits_although_there_is_a_dead_backfill(checkpoint):
    with backfill_lock(checkpoint, command="bcpoll backfill", now=NOW):
        pass

    with (
        run_lock(checkpoint, command="bcpoll run", now=NOW),
        pytest.raises(LockHeld),
        run_lock(checkpoint, command="bcpoll run-once", now=NOW, clock=Slept().clock),
    ):
        pass


def test_a_run_that_waits_leaves_off_where_the_backfill_has_ended_and_another_run_was_quicker(checkpoint):
    ended = ExitStack()
    ended.enter_context(backfill_lock(checkpoint, command="bcpoll backfill", now=NOW))

    with (
        run_lock(checkpoint, command="bcpoll run", now=NOW),
        pytest.raises(LockHeld, match="bcpoll run"),
        run_lock(checkpoint, command="bcpoll run-once", now=NOW, clock=Slept(ended.close).clock),
    ):
        pass


def test_there_is_one_backfill_at_a_time(checkpoint):
    with (
        backfill_lock(checkpoint, command="bcpoll backfill", now=NOW),
        pytest.raises(LockHeld, match="bcpoll backfill"),
        backfill_lock(checkpoint, command="bcpoll backfill", now=NOW),
    ):
        pass
