"""The log: what the program says while it works, for a terminal, a file, the journal, or as JSON.

Owns the set-up of the standard `logging` package, and the promise that no record contains a secret, nor, above debug
level, anybody's e-mail address. Every module logs by `logging.getLogger(__name__)` and names the order in
`extra={"order": id}`; around code that knows nothing of orders, such as the transport, `about_order` names it. Results
go to standard output and do not come through here.
"""

import json
import logging
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TextIO
from urllib.parse import quote

from bcpoll.core.personal import masked

MASK = "***"


class LogFormat(StrEnum):
    """How log lines look; `AUTO` chooses by where they go."""

    AUTO = "auto"
    TERMINAL = "terminal"
    PLAIN = "plain"
    JOURNAL = "journal"
    JSON = "json"


class Redactor(logging.Filter):
    """Takes every secret out of a record: message, arguments, extras and the text of an exception."""

    def __init__(self) -> None:
        super().__init__()
        self._pattern: re.Pattern[str] | None = None
        self._forms: set[str] = set()

    def protect(self, secrets: Iterable[str]) -> None:
        """Mask these from now on, also in the forms that they take in a URL, in JSON and in a repr."""
        for secret in filter(None, secrets):
            self._forms |= {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def forget(self) -> None:
        """Mask nothing any more."""
        self._forms.clear()
        self._pattern = None

    def redacted(self, value: Any) -> Any:
        """The value without secrets; what is not text, number or a plain container becomes text."""
        if isinstance(value, str):
            return value if self._pattern is None else self._pattern.sub(MASK, value)
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, Mapping):
            return {self.redacted(str(key)): self.redacted(member) for key, member in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.redacted(member) for member in value]
        return self.redacted(str(value))

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place, so that no other handler gets to see a secret either."""
        record.msg, record.args = self.redacted(_message(record)), None
        if record.exc_info and not record.exc_text:
            record.exc_text = _PLAIN_FORMATTER.formatException(record.exc_info)
        record.exc_info = None
        record.exc_text = self.redacted(record.exc_text)
        record.stack_info = self.redacted(record.stack_info)
        for name in _extras(record):
            setattr(record, name, self.redacted(getattr(record, name)))
        return True


_PLAIN_FORMATTER = logging.Formatter()
_OWN_NAMES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _extras(record: logging.LogRecord) -> list[str]:
    return [name for name in vars(record) if name not in _OWN_NAMES]


def _message(record: logging.LogRecord) -> str:
    """The record's text; where its arguments do not fit, both are given as they are."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args}"


# The order that this thread is working on; 0 for none, or for several.
_order: ContextVar[int] = ContextVar("order", default=0)


def _add_order(record: logging.LogRecord) -> bool:
    """Add the order that a record is about, unless it names one itself."""
    if getattr(record, "order", None) is None and (order := _order.get()):
        record.order = order
    return True


def _mask_people(record: logging.LogRecord) -> bool:
    """Mask e-mail addresses in a record above debug level, which has been through the redactor by then."""
    if record.levelno > logging.DEBUG:
        record.msg = masked(str(record.msg), MASK)
        for name in ("exc_text", "stack_info", *_extras(record)):
            setattr(record, name, _without_people(getattr(record, name)))
    return True


def _without_people(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value, MASK)
    if isinstance(value, dict):
        return {_without_people(key): _without_people(member) for key, member in value.items()}
    return [_without_people(member) for member in value] if isinstance(value, list) else value


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _text(record: logging.LogRecord) -> str:
    """The message for people: it names its order, cannot control a terminal, and cannot look like a second record."""
    text = record.getMessage()
    order = getattr(record, "order", None)
    if order is not None and not re.search(rf"\border {order}\b", text):
        text = f"order {order}: {text}"
    text = "\n".join(filter(None, (text, record.exc_text, record.stack_info)))
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text).replace("\n", "\n    ")


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


class _Terminal(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{_time(record).astimezone():%H:%M:%S} {record.levelname.lower()}: {_text(record)}"


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        run = f" [{_stamp.run}]" if _stamp.run else ""
        return f"{_time(record):%Y-%m-%dT%H:%M:%SZ}{run} {record.levelname.lower()}: {_text(record)}"


# The priorities of syslog, by which `journalctl -p warning` selects. The journal adds the time itself.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class _Journal(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
        run = f"[{_stamp.run}] " if _stamp.run else ""
        return "\n".join(f"<{priority}>{line}" for line in (run + _text(record)).split("\n"))


def as_json(value: object, *, indent: int | None = None) -> str:
    """JSON as people can read it, and without what JSON lets through and a terminal takes for orders."""
    text = json.dumps(value, indent=indent, default=str, ensure_ascii=False)
    return _BEYOND_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_BEYOND_JSON = re.compile(r"[\x7f-\x9f]")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "run": _stamp.run or None,
            "order": getattr(record, "order", None),
            "message": record.getMessage(),
        }
        if record.exc_text:
            line["exception"] = record.exc_text
        extras = {name: getattr(record, name) for name in _extras(record) if name not in line}
        return as_json(line | extras)


_FORMATTERS: Mapping[LogFormat, Callable[[], logging.Formatter]] = {
    LogFormat.TERMINAL: _Terminal,
    LogFormat.PLAIN: _Plain,
    LogFormat.JOURNAL: _Journal,
    LogFormat.JSON: _Json,
}


class _Stamp:
    """The run under way, by its id. A process has one at a time, on several threads, so it is no context variable."""

    run = ""
    last = ""
    """The run that was under way last, for what is logged after its end."""
    is_for_people = True
    """Whether people read the lines as they come, rather than the journal or a program that reads JSON."""


class _Handler(logging.StreamHandler[TextIO]):
    """Marks our own handler, so that a second `configure` replaces this one and no other."""


_stamp = _Stamp()
_redactor = Redactor()


def configure(
    *,
    level: int,
    stream: TextIO,
    environ: Mapping[str, str],
    fmt: LogFormat = LogFormat.AUTO,
    secrets: Iterable[str] = (),
    run: str = "",
) -> None:
    """Send bcpoll's own records from this level on to the stream, and the warnings of other packages."""
    _redactor.forget()
    _redactor.protect(secrets)
    _stamp.run = run
    handler = _Handler(stream)
    _guard(handler)
    fitting = _fitting(stream, environ) if fmt is LogFormat.AUTO else fmt
    handler.setFormatter(_FORMATTERS[fitting]())
    _stamp.last, _stamp.is_for_people = "", fitting in (LogFormat.TERMINAL, LogFormat.PLAIN)
    root = logging.getLogger()
    # Ours comes first, so that whatever other handlers see has been through the redactor.
    root.handlers = [handler, *(other for other in root.handlers if not isinstance(other, _Handler))]
    root.setLevel(logging.WARNING)
    logging.getLogger("bcpoll").setLevel(level)
    logging.captureWarnings(capture=True)


def _guard(handler: logging.Handler) -> None:
    """Have a handler mask, in every record, what must not be seen."""
    for each in (_add_order, _redactor, _mask_people):
        handler.addFilter(each)


@contextmanager
def of_run(run: str) -> Iterator[None]:
    """Name the run that records of this block belong to, on every thread."""
    before, _stamp.run = _stamp.run, run
    _stamp.last = run
    try:
        yield
    finally:
        _stamp.run = before


def log_end(text: str, *, level: int) -> bool:
    """Log what ended the program, as part of its last run, and give True; False where people read the log.

    The caller then tells them on the screen, in plain words and whatever the level of the log.
    """
    if _stamp.is_for_people:
        return False
    with of_run(_stamp.last):
        logging.getLogger("bcpoll").log(level, "%s", text)
    return True


@contextmanager
def about_order(order_id: int) -> Iterator[None]:
    """Name the order that records of this block are about, on this thread; 0 where there is none to name."""
    before = _order.set(order_id)
    try:
        yield
    finally:
        _order.reset(before)


@contextmanager
def written_to(stream: TextIO) -> Iterator[None]:
    """Send the records of this block to another stream, such as one that keeps clear of a progress bar."""
    ours = [handler for handler in logging.getLogger().handlers if isinstance(handler, _Handler)]
    before = [(handler, handler.setStream(stream)) for handler in ours]
    try:
        yield
    finally:
        for handler, own in before:
            if own is not None:
                handler.setStream(own)


class _Keeper(logging.Handler):
    """Keeps the latest lines as they would stand in a file, masked alike."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=most)
        _guard(self)
        self.setFormatter(_Plain())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def kept(most: int) -> Iterator[deque[str]]:
    """Keep the latest lines that are logged within the block, for a report of how it went."""
    keeper = _Keeper(most)
    root = logging.getLogger()
    root.addHandler(keeper)
    try:
        yield keeper.lines
    finally:
        root.removeHandler(keeper)


def redacted(text: str) -> str:
    """A text without secrets."""
    return str(_redactor.redacted(text))


def protect(secrets: Iterable[str]) -> None:
    """Mask further secrets, such as a token that was renewed while running."""
    _redactor.protect(secrets)


def _fitting(stream: TextIO, environ: Mapping[str, str]) -> LogFormat:
    if stream.isatty():
        return LogFormat.TERMINAL
    return LogFormat.JOURNAL if _leads_to_journal(stream, environ) else LogFormat.PLAIN


def _leads_to_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the stream is the journal's own: its device and inode are those that JOURNAL_STREAM names."""
    named = environ.get("JOURNAL_STREAM")
    if not named:
        return False
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return False
    return named == f"{status.st_dev}:{status.st_ino}"
