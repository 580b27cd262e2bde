"""The run lock: one run at a time per checkpoint.

A kernel lock on a file beside the checkpoint, so that it ends with the process that holds it, however that ends. The
file itself stays: deleting it would let two runs hold locks on two files of the same name.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from bcpoll.errors import BcpollError, CheckpointError

# It names the command and the host: for the owner of the checkpoint alone, like the checkpoint.
_MODE = 0o600

# More than any holder's line; a longer one would not be ours.
_LONGEST_LINE = 1000


class LockHeld(BcpollError):
    """Another run is under way; `holder` says which. No harm: it does what this one would have done."""

    exit_code = 0

    def __init__(self, holder: str) -> None:
        super().__init__(f"Another run is under way: {holder}", hint="Wait until it has ended, or stop it.")
        self.holder = holder


def lock_path(checkpoint: Path) -> Path:
    """The lock file of a checkpoint: one, by whatever symbolic link the checkpoint is named."""
    real = Path(os.path.realpath(checkpoint))
    return real.with_name(real.name + ".lock")


@contextmanager
def run_lock(checkpoint: Path, *, command: str, now: datetime) -> Iterator[None]:
    """Hold the lock of a checkpoint for the length of the block.

    Raises LockHeld at once if another process has it, CheckpointError if the lock file cannot be used.
    """
    path = lock_path(checkpoint)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, _MODE)
    except OSError as error:
        raise CheckpointError(
            f"The lock file {path} cannot be opened: {error.strerror}",
            hint="Create the folder, or correct [checkpoint] path in the settings."
            if isinstance(error, FileNotFoundError)
            else "Let the user that runs bcpoll write to the folder of the checkpoint.",
        ) from error
    try:
        _take(handle, path)
        _say(handle, _holder(command, now))
        try:
            yield
        finally:
            _say(handle, "")
    finally:
        os.close(handle)


def _take(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, _LONGEST_LINE, 0).decode("utf-8", "replace").strip()
        raise LockHeld(holder or "it has not said which yet") from None
    except OSError as error:
        raise CheckpointError(
            f"The lock file {path} cannot be locked: {error.strerror}",
            hint="Keep the checkpoint on a local disk.",
        ) from error


def _say(handle: int, line: str) -> None:
    """Write the line for people. The lock holds without it, on a full disk for one."""
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, line.encode("utf-8", "replace"), 0)


def _holder(command: str, now: datetime) -> str:
    since = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"process {os.getpid()} on {os.uname().nodename}, since {since}: {command}\n"
