"""Locks between processes: one run at a time per checkpoint, and one process at a time that renews the POS's tokens.

A backfill takes hours, so it takes the run lock for one turn at a time, and another run waits for the end of that turn
instead of giving up. A waiting run holds a second lock, the turnstile, which the backfill has to pass before its next
turn: so the waiting run comes first.

They are kernel locks on files beside what they guard, so each is released when its process ends, however it ends. The
files themselves stay: if one were deleted, two processes could hold locks on two files of the same name.
"""

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from bcpoll.budget import SYSTEM_CLOCK, Clock
from bcpoll.errors import BcpollError, CheckpointError, RetryLater

log = logging.getLogger(__name__)

# The file names the command and the host, so it is the owner's alone, like the checkpoint.
_MODE = 0o600

# How much is read of the line that a holder has written about itself.
_LONGEST_LINE = 1000

# Seconds until a lock that another process holds is tried again.
_POLL = 0.05

# The other locks beside a checkpoint. The turnstile is tried a few times: a backfill holds it only for a moment.
_BACKFILL = "backfill"
_TURNSTILE = "turn"
_TRIES_AT_TURNSTILE = 3


_HINTS: Mapping[type[OSError], str] = MappingProxyType(
    {
        FileNotFoundError: "Create the folder, or correct [checkpoint] path in the settings.",
        NotADirectoryError: "Correct [checkpoint] path in the settings.",
        IsADirectoryError: "Move the folder of that name away.",
    }
)


class LockHeld(BcpollError):
    """Another run is under way; `holder` says which. No failure: that run does what this one would have done."""

    exit_code = 0

    def __init__(self, holder: str) -> None:
        super().__init__(f"Another run is under way: {holder}", hint="Wait until it has ended, or stop it.")
        self.holder = holder


def lock_path(checkpoint: Path) -> Path:
    """The lock file of a checkpoint or another file: the same one by whichever symbolic link the file is named."""
    real = Path(os.path.realpath(checkpoint))
    return real.with_name(real.name + ".lock")


@contextmanager
def run_lock(checkpoint: Path, *, command: str, now: datetime, clock: Clock = SYSTEM_CLOCK) -> Iterator[None]:
    """Hold the lock of a checkpoint for the length of the block, once a backfill's turn, if it has one, is over.

    Raises LockHeld if another run has it or waits for it, CheckpointError if the lock file cannot be used.
    """
    path = lock_path(checkpoint)
    with _opened(path) as handle:
        if not _taken(handle, path) and not _taken_after_turn(handle, path, checkpoint, clock):
            raise LockHeld(_said(handle))
        with _signed(handle, command, now):
            yield


@contextmanager
def backfill_lock(checkpoint: Path, *, command: str, now: datetime) -> Iterator[None]:
    """Hold the lock that shows that a backfill is under way; raises LockHeld if another one is."""
    path = lock_path(_beside(checkpoint, _BACKFILL))
    with _opened(path) as handle:
        if not _taken(handle, path):
            raise LockHeld(_said(handle))
        with _signed(handle, command, now):
            yield


@contextmanager
def backfill_turn(checkpoint: Path, *, command: str, now: datetime, clock: Clock) -> Iterator[None]:
    """Hold the lock of a checkpoint for one turn of a backfill, once no run has it and none waits for it."""
    path, turnstile = lock_path(checkpoint), lock_path(_beside(checkpoint, _TURNSTILE))
    with _opened(path) as handle:
        while not _taken_if_none_waits(handle, path, turnstile):
            clock.sleep(_POLL)
        with _signed(handle, command, now):
            yield


def _taken_if_none_waits(handle: int, path: Path, turnstile: Path) -> bool:
    """Try to take the lock while no run waits at the turnstile; False where it is not ours now."""
    with _opened(turnstile) as gate:
        return _taken(gate, turnstile) and _taken(handle, path)


def _taken_after_turn(handle: int, path: Path, checkpoint: Path, clock: Clock) -> bool:
    """Wait for the end of a backfill's turn and take the lock; False where a run holds it or waits already.

    Only one run waits at a time: the first does all that a second one would do.
    """
    backfill, turnstile = (lock_path(_beside(checkpoint, name)) for name in (_BACKFILL, _TURNSTILE))
    with _opened(turnstile) as gate:
        for _ in range(_TRIES_AT_TURNSTILE):
            if _taken(gate, turnstile):
                break
            # Either the backfill is just passing, which takes a moment, or another run waits.
            clock.sleep(_POLL)
        else:
            return False
        if _is_held(backfill):
            log.info("a backfill has its turn: waiting for its end")
        while _is_held(backfill):
            if _taken(handle, path):
                return True
            clock.sleep(_POLL)
        return _taken(handle, path)


def _is_held(path: Path) -> bool:
    with _opened(path) as handle:
        return not _taken(handle, path)


def _beside(checkpoint: Path, name: str) -> Path:
    real = Path(os.path.realpath(checkpoint))
    return real.with_name(f"{real.name}.{name}")


def _said(handle: int) -> str:
    """What the holder of a lock has written about itself."""
    holder = os.pread(handle, _LONGEST_LINE, 0).decode("utf-8", "replace").strip()
    return holder or "it has not said which yet"


@contextmanager
def _signed(handle: int, command: str, now: datetime) -> Iterator[None]:
    _say(handle, _holder(command, now))
    try:
        yield
    finally:
        _say(handle, "")


@contextmanager
def turn(file: Path, *, clock: Clock, patience: float) -> Iterator[None]:
    """Hold the lock of a file for the length of the block, once whoever holds it now is done.

    Raises RetryLater where that takes longer than `patience` seconds, CheckpointError if the lock file cannot be used.
    """
    path = lock_path(file)
    until = clock.monotonic() + patience
    with _opened(path) as handle:
        while not _taken(handle, path):
            if clock.monotonic() >= until:
                raise RetryLater(f"Another process has held {path} for {patience:.0f} seconds", hint="Try again later.")
            clock.sleep(_POLL)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        # What the line of the holder is written over must be ours, also in a folder that others can write to.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _MODE)
    except OSError as error:
        raise CheckpointError(
            f"The lock file {path} cannot be opened: {error.strerror}",
            hint=_hint(error, path),
        ) from error
    try:
        yield handle
    finally:
        os.close(handle)


def _hint(error: OSError, path: Path) -> str:
    if os.path.islink(path):
        return "Take the symbolic link away: the lock has to be a file of its own."
    if not isinstance(error, PermissionError):
        return _HINTS.get(type(error), "Look at the disk, or correct [checkpoint] path in the settings.")
    # Mostly a file left by a run that was started as root.
    return f"Let the user that runs bcpoll write to {path if os.path.exists(path) else 'the folder of the checkpoint'}."


def _taken(handle: int, path: Path) -> bool:
    """Try to take the lock; False where another process holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise CheckpointError(
            f"The lock file {path} cannot be locked: {error.strerror}",
            hint="Keep the checkpoint on a local disk.",
        ) from error
    return True


def _say(handle: int, line: str) -> None:
    """Write the line for people; the lock holds without it, for example on a full disk."""
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, line.encode("utf-8", "replace"), 0)


def _holder(command: str, now: datetime) -> str:
    since = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"process {os.getpid()} on {os.uname().nodename}, since {since}: {command}\n"
