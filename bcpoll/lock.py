"""Locks between processes: one run at a time per checkpoint, and one process at a time that renews the POS's tokens.

Kernel locks on files beside what they guard, so that each ends with the process that holds it, however that ends. The
files themselves stay: deleting one would let two processes hold locks on two files of the same name.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from bcpoll.budget import Clock
from bcpoll.errors import BcpollError, CheckpointError, RetryLater

# It names the command and the host: for the owner of the checkpoint alone, like the checkpoint.
_MODE = 0o600

# More than any holder's line; a longer one would not be ours.
_LONGEST_LINE = 1000

# How often a lock that another process holds is tried again.
_POLL = 0.05


_HINTS: Mapping[type[OSError], str] = MappingProxyType(
    {
        FileNotFoundError: "Create the folder, or correct [checkpoint] path in the settings.",
        NotADirectoryError: "Correct [checkpoint] path in the settings.",
        IsADirectoryError: "Move the folder of that name away.",
    }
)


class LockHeld(BcpollError):
    """Another run is under way; `holder` says which. No harm: it does what this one would have done."""

    exit_code = 0

    def __init__(self, holder: str) -> None:
        super().__init__(f"Another run is under way: {holder}", hint="Wait until it has ended, or stop it.")
        self.holder = holder


def lock_path(checkpoint: Path) -> Path:
    """The lock file of a checkpoint or another file: one, by whatever symbolic link the file is named."""
    real = Path(os.path.realpath(checkpoint))
    return real.with_name(real.name + ".lock")


@contextmanager
def run_lock(checkpoint: Path, *, command: str, now: datetime) -> Iterator[None]:
    """Hold the lock of a checkpoint for the length of the block.

    Raises LockHeld at once if another process has it, CheckpointError if the lock file cannot be used.
    """
    path = lock_path(checkpoint)
    with _opened(path) as handle:
        if not _taken(handle, path):
            holder = os.pread(handle, _LONGEST_LINE, 0).decode("utf-8", "replace").strip()
            raise LockHeld(holder or "it has not said which yet")
        _say(handle, _holder(command, now))
        try:
            yield
        finally:
            _say(handle, "")


@contextmanager
def turn(file: Path, *, clock: Clock, patience: float) -> Iterator[None]:
    """Hold the lock of a file for the length of the block, after whoever holds it now.

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
        handle = os.open(path, os.O_RDWR | os.O_CREAT, _MODE)
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
    if not isinstance(error, PermissionError):
        return _HINTS.get(type(error), "Look at the disk, or correct [checkpoint] path in the settings.")
    # Mostly left by a run that somebody started as root.
    return f"Let the user that runs bcpoll write to {path if os.path.exists(path) else 'the folder of the checkpoint'}."


def _taken(handle: int, path: Path) -> bool:
    """Whether the lock is ours now; False where another process holds it."""
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
    """Write the line for people. The lock holds without it, on a full disk for one."""
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, line.encode("utf-8", "replace"), 0)


def _holder(command: str, now: datetime) -> str:
    since = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"process {os.getpid()} on {os.uname().nodename}, since {since}: {command}\n"
