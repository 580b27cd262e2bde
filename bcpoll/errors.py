"""Every exception bcpoll raises on purpose, named by what the caller may do about it.

Bad data about a single order is not here: that is a value, `core.rejected.Rejected`. Messages and hints never hold a
token, and name the value that was wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class BcpollError(Exception):
    """Something is wrong and the program knows what: `message` says it, `hint` says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RetryLater(BcpollError):
    """The pass stops here without harm; the next run goes on. Rate limits, a closed register, a polite stop."""

    exit_code = 75


STOPPED = RetryLater("the run was stopped", hint="The next run goes on from here.")
"""What ends a run that was asked to stop: one shared object, so that it can be told from errors by identity."""


class Unreachable(RetryLater):
    """The other side could not be reached or is down: no connection, time-outs, 5xx after all retries."""

    exit_code = 69


class TooHeavy(Unreachable):
    """The server broke or timed out over this one read in all tries: asking for fewer rows may do."""


class WrongAnswer(RetryLater):
    """The other side answered something that is not what was asked: HTML, a cut body, a filter it ignored.

    Never to be read as "there is nothing".
    """

    exit_code = 69


class LookAgain(BcpollError):
    """A write may or may not have happened: look it up before doing anything else about it.

    `status` is the HTTP status where there was an answer (409, 422, 5xx), else None.
    """

    exit_code = 75

    def __init__(self, message: str, *, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class GiveUp(BcpollError):
    """The other side refused this one write for good (400, 404, ...): set the order aside and go on with the others."""

    def __init__(self, message: str, *, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class AccessRefused(BcpollError):
    """A token or a scope was refused (401, 403): nothing more will work until a person changes it.

    `status` tells which of the two it was; None where nobody was asked, for want of a token.
    """

    exit_code = 77

    def __init__(self, message: str, *, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the settings: the key, what is wrong with its value, and what would be right."""

    key: str
    message: str
    remedy: str


class SettingsError(BcpollError):
    """The settings are wrong: every problem at once."""

    exit_code = 78

    def __init__(self, problems: Sequence[Problem], *, source: str) -> None:
        self.problems = tuple(problems)
        self.source = source
        lines = [f"  {p.key}: {p.message}. {p.remedy}" for p in self.problems]
        count = f"{len(lines)} problem{'s' if len(lines) != 1 else ''}"
        super().__init__(f"{source} has {count}:\n" + "\n".join(lines))


class CheckpointError(BcpollError):
    """The checkpoint cannot be read or written, is not ours, or comes from a newer version; it is left untouched."""

    exit_code = 74


class TokenFileError(CheckpointError):
    """The file with the POS's OAuth tokens, beside the checkpoint, cannot be read or written."""


class OutputLost(BcpollError):
    """What a command had to say cannot be written, on a full disk for one; the command itself is done."""

    exit_code = 74
