"""Guards around every test, Hypothesis profiles, and the options of single tests.

The guards: no network but loopback, no sleeping, no settings from the environment, no real home folder, no token in a
log line or an error, nobody who bought in a line above debug level, and logging as it was before. A guard that trips
raises what no `except OSError` swallows.
"""

import gc
import ipaddress
import logging
import os
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

from bcpoll.errors import BcpollError

settings.register_profile("dev", max_examples=30, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("deep", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "dev")

pytest_plugins = ["pytester"]

KEPT_VARIABLES = frozenset({"BCPOLL_SHARED"})


class ReachedOutside(AssertionError):
    """A test tried to leave this machine."""


class ToldTooMuch(AssertionError):
    """A log line or an error of the program holds a token, or a line above debug level tells who bought."""


class SleptInTest(AssertionError):
    """A test slept instead of moving a clock of its own or waiting for an event."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected files under tests/golden")
    parser.addoption("--month-seed", type=int, default=229, help="the seed of the month in tests/test_month.py")
    parser.addoption("--every-fault", action="store_true", help="leave out no point of those in tests/test_faults.py")
    parser.addoption("--months", type=int, default=1, help="how many months to live through, each of the next seed")


def pytest_collection_finish() -> None:
    """Keep the collector of garbage from going through all that was imported and collected, again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


_SAID = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def say_at_end(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Says a line below the dots: what an experiment counted, whichever process it ran in."""
    return pytestconfig.stash.setdefault(_SAID, []).append


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what was said in a process of xdist over to the one that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["said"] = session.config.stash.get(_SAID, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what was said there; a process that died has said nothing."""
    node.config.stash.setdefault(_SAID, []).extend(getattr(node, "workeroutput", {}).get("said", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was said."""
    for line in sorted(config.stash.get(_SAID, [])):
        terminalreporter.write_line(line)


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest, say_at_end: Callable[[str], None]) -> Iterator[Counter[str]]:
    """Counts the points at which a module lets something go wrong; says in the end how many, after its `TALLIED`."""
    points: Counter[str] = Counter()
    yield points
    say_at_end(f"{request.module.TALLIED} {points.total()} points: {dict(points)}")


def _stays_here(family: int, address: Any) -> bool:
    if family == socket.AF_UNIX:
        return True
    host = address[0] if isinstance(address, tuple) else address
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


def _refuse(address: Any) -> NoReturn:
    raise ReachedOutside(f"tests may only speak to this machine, not to {address!r}: use the sandbox or a fake")


@pytest.fixture(scope="session", autouse=True)
def no_network_but_loopback() -> Iterator[None]:
    real = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")}
    real_lookup = socket.getaddrinfo

    def guarded(name: str) -> Callable[[socket.socket, Any], Any]:
        def call(self: socket.socket, address: Any) -> Any:
            return real[name](self, address) if _stays_here(self.family, address) else _refuse(address)

        return call

    def lookup(host: Any, *args: Any, **named: Any) -> Any:
        return real_lookup(host, *args, **named) if _stays_here(socket.AF_INET, host) else _refuse(host)

    with pytest.MonkeyPatch.context() as patch:
        for name in real:
            patch.setattr(socket.socket, name, guarded(name))
        patch.setattr(socket, "getaddrinfo", lookup)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_sleep() -> Iterator[None]:
    real = time.sleep

    def refuse(seconds: float) -> None:
        if sys._getframe(1).f_globals.get("__name__") == "subprocess":
            # How the standard library waits for a child process when there is a time limit.
            return real(seconds)
        raise SleptInTest(f"time.sleep({seconds}): pass in a clock, or wait for an event")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", refuse)
        yield


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, empty_home: str) -> None:
    for name in [*os.environ]:
        ours = name.startswith("BCPOLL_") and name not in KEPT_VARIABLES
        if ours or name in ("CREDENTIALS_DIRECTORY", "JOURNAL_STREAM"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", empty_home)


# Every secret of the sandbox: the tokens of both sides, those that a login or a renewal gives, and what these need.
SECRETS = re.compile(r"store-token|pos-token|client-secret|refresh-token|(code|access|refresh)-\d+-of-the-sandbox")

# The family names and addresses of those who buy in the shops of these tests.
PEOPLE = re.compile(r"Teacup|Saucepan|@example\.", re.IGNORECASE)


def tells_of_people(handler: logging.Handler, record: logging.LogRecord, line: str) -> bool:
    """Whether a line of the program's own handlers tells more of a person than it may."""
    is_ours = type(handler).__module__ == "bcpoll.logs"
    return is_ours and record.levelno > logging.DEBUG and PEOPLE.search(line) is not None


@pytest.fixture(scope="session")
def told_tokens() -> Iterator[list[str]]:
    """Look through every line that any handler of the log formats, and every error of ours that is made."""
    told: list[str] = []
    formatted, made = logging.Handler.format, BcpollError.__init__

    def look(text: str) -> str:
        if SECRETS.search(text):
            told.append(text)
        return text

    def form(self: logging.Handler, record: logging.LogRecord) -> str:
        line = look(formatted(self, record))
        if tells_of_people(self, record, line):
            told.append(line)
        return line

    def make(self: BcpollError, message: str, *, hint: str = "") -> None:
        look(f"{type(self).__name__}: {message} {hint}")
        made(self, message, hint=hint)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.Handler, "format", form)
        patch.setattr(BcpollError, "__init__", make)
        yield told


@pytest.fixture(autouse=True)
def no_token_is_told(told_tokens: list[str]) -> Iterator[None]:
    """Fail the test during which a token came out; raised at once, the error would go where the program's own go."""
    yield
    told, told_tokens[:] = [*told_tokens], []
    if told:
        raise ToldTooMuch("\n".join(told))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Each test ends without handlers and levels of the program's, those set by fixtures of a wider scope included."""
    yield
    root = logging.getLogger()
    root.handlers[:] = [one for one in root.handlers if type(one).__module__.startswith("_pytest")]
    root.setLevel(logging.WARNING)
    logging.getLogger("bcpoll").setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)
