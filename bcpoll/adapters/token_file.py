"""The file with the POS's OAuth tokens: beside the checkpoint, for its owner alone, and never half written.

Owns the file's form, the lock under which it is changed, and what a process that was killed in the middle left behind.
Must not speak to the POS, and must not read a clock; what the tokens are for is the business of `oauth`.
"""

import json
import logging
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from bcpoll.budget import Clock
from bcpoll.core.times import iso, parse_time
from bcpoll.errors import AccessRefused, TokenFileError
from bcpoll.lock import turn

log = logging.getLogger(__name__)

LOG_IN = "Connect the POS: bcpoll login"

_MODE = 0o600
_OTHERS = 0o077

# Room made on the disk before a pair is asked for; several times what a pair takes.
_ROOM = 16_384

# Longer than any refresh takes, its repeats included.
_PATIENCE = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """An access token and the refresh token that gets the next pair, for one application at one POS account."""

    domain_prefix: str
    client_id: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    """Empty where none was given: then this pair cannot be renewed."""
    issued_at: datetime
    """By this host's clock, before the pair was asked for."""
    expires_at: datetime | None
    """By this host's clock; None where the POS did not say."""
    scope: str = ""


class TokenFile:
    """The pair of one checkpoint, on disk."""

    def __init__(self, checkpoint: Path, *, clock: Clock) -> None:
        """`checkpoint` names the file: the tokens lie beside it, under its name and an ending."""
        real = Path(os.path.realpath(checkpoint))
        self.path = real.with_name(f"{real.name}.oauth.json")
        # A pair on its way: room on the disk at first, then the pair, and then renamed to `path`.
        self._coming = self.path.with_name(f"{self.path.name}.new")
        self._clock = clock

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the lock of the file, after whoever else changes it; RetryLater where that takes minutes."""
        with turn(self.path, clock=self._clock, patience=_PATIENCE):
            yield

    def read(self) -> TokenPair:
        """The newest pair. AccessRefused where there is none, TokenFileError where the file cannot be read."""
        if self._content(self._coming) is not None:
            # Somebody gets a new pair right now, or was killed over it.
            with self.turn():
                return self.read_in_turn()
        return self._read()

    def read_in_turn(self) -> TokenPair:
        """The same for whoever holds the lock: a pair that a killed process had written, but not renamed, counts."""
        if _pair(self._content(self._coming) or b"") is not None:
            with self._told("written"):
                self._rename()
        return self._read()

    @contextmanager
    def replacing(self) -> Iterator[Callable[[TokenPair], None]]:
        """Make sure that a new pair can be written, before it is asked for; what the block is given writes it.

        The pair is on the disk for good when that returns. Only for whoever holds the lock.
        """
        with self._told("written"):
            handle = os.open(self._coming, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _MODE)
        is_written = False

        def write(pair: TokenPair) -> None:
            nonlocal is_written
            is_written = True
            with self._told("written"):
                _fill(handle, _text(pair))
                self._rename()

        try:
            with self._told("written"):
                os.fchmod(handle, _MODE)
                _fill(handle, b"\0" * _ROOM)
                self._sync_folder()
            yield write
        finally:
            os.close(handle)
            if not is_written:
                with suppress(OSError):
                    self._coming.unlink()

    def _read(self) -> TokenPair:
        content = self._content(self.path)
        if content is None:
            raise AccessRefused(f"The POS is not connected yet: there is no {self.path}", hint=LOG_IN)
        pair = _pair(content)
        if pair is None:
            raise AccessRefused(f"The token file {self.path} is damaged", hint=LOG_IN)
        return pair

    def _content(self, path: Path) -> bytes | None:
        """What a file holds; None where there is none."""
        try:
            if path == self.path and path.stat().st_mode & _OTHERS:
                log.warning("%s can be read by others; run: chmod 600 %s", path, shlex.quote(str(path)))
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._trouble("read", error) from error

    def _rename(self) -> None:
        os.replace(self._coming, self.path)
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._trouble(what, error) from error

    def _trouble(self, what: str, error: OSError) -> TokenFileError:
        hint = (
            "Run bcpoll login, and everything else, as the user that runs bcpoll."
            if isinstance(error, PermissionError)
            else "Make room on the disk, and see to it that the folder of the checkpoint is there and can be written."
        )
        return TokenFileError(f"The token file {self.path} cannot be {what}: {error.strerror}", hint=hint)


def _fill(handle: int, content: bytes) -> None:
    """Let a file hold this and nothing else, on the disk."""
    written = 0
    while written < len(content):
        written += os.pwrite(handle, content[written:], written)
    os.ftruncate(handle, len(content))
    os.fsync(handle)


def _text(pair: TokenPair) -> bytes:
    times = {"issued_at": iso(pair.issued_at), "expires_at": iso(pair.expires_at) if pair.expires_at else None}
    return json.dumps(asdict(pair) | times, indent=2).encode()


_TEXTS = ("domain_prefix", "client_id", "access_token", "refresh_token", "scope")


def _pair(content: bytes) -> TokenPair | None:
    """The pair that a file holds; None where it holds none, or not all of it."""
    try:
        # A process that was killed between writing and cutting leaves the room it had made behind the pair.
        row = json.loads(content.rstrip(b"\0"))
    except ValueError:
        return None
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in (*_TEXTS, "issued_at")):
        return None
    issued_at, expires_at = (parse_time(str(row.get(name) or "")) for name in ("issued_at", "expires_at"))
    if issued_at is None or not row["access_token"]:
        return None
    return TokenPair(**{name: row[name] for name in _TEXTS}, issued_at=issued_at, expires_at=expires_at)
