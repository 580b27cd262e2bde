"""The host as bcpoll may find it: full disks, places that cannot be written, and the processes that meet them.

A pass under such trouble is a process of its own, forked from one that has imported the program already: as real as one
that was started, and over in a fraction of the time.
"""

import ctypes
import io
import itertools
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from everything import CHAPTERS, HARSH, WAY_OF_WORKING, End, copied, what_there_is
from program import LONGEST, Desk, Said, checked, environment

from bcpoll.checkpoint import Checkpoint
from bcpoll.cli import run, wiring
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.server import serve
from bcpoll.sandbox.world import World, new_world

# Exit codes of a pass that got through everything: done, and done with orders set aside.
WELL = (0, 3)


# --- trouble ---------------------------------------------------------------------------------------------------------

Trouble: TypeAlias = Callable[[], None]
"""What befalls a process before it begins. It travels there, so it has to be a plain value or a function's name."""


def no_trouble() -> None:
    """A host on which all is well."""


@dataclass(frozen=True, kw_only=True)
class NoFileBeyond:
    """No file can grow beyond so many bytes: to whoever writes it, a disk that is full from there on."""

    size: int

    def __call__(self) -> None:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, most))


@dataclass(frozen=True)
class Unprivileged:
    """A user whom the modes of files and folders bind, also where the tests run as root."""

    def __call__(self) -> None:
        if os.geteuid() == 0:
            # The third version of the header, the process at hand; then two words for each of three sets, all empty.
            header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
            assert ctypes.CDLL(None, use_errno=True).capset(header, nothing) == 0, os.strerror(ctypes.get_errno())


@dataclass(frozen=True)
class ClockOff:
    """A clock that is so far ahead, or behind."""

    by: timedelta

    def __call__(self) -> None:
        wiring.now = lambda: datetime.now(UTC) + self.by


class Hasty(sqlite3.Connection):
    """A connection that does not wait for the disk: what a process has written outlives it without."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        return super().execute("PRAGMA synchronous = OFF" if sql.startswith("PRAGMA synchronous") else sql, *parameters)


def _connect_by(factory: type[sqlite3.Connection]) -> None:
    sqlite3.connect = partial(sqlite3.connect, factory=factory)  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True)
class MovedOften:
    """What is in the log moves to the file at every commit, where no file can grow beyond so many bytes."""

    size: int

    def __call__(self) -> None:
        class Moving(Hasty):
            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                if sql.startswith("PRAGMA synchronous"):
                    super().execute("PRAGMA wal_autocheckpoint = 1")
                return super().execute(sql, *parameters)

        _connect_by(Moving)
        NoFileBeyond(size=self.size)()


Moment: TypeAlias = Literal["begins", "commits"]

_STATEMENTS: Mapping[Moment, str] = {"begins": "BEGIN IMMEDIATE", "commits": "COMMIT"}


@dataclass(frozen=True, kw_only=True)
class FullWhen:
    """From a moment on, as the transaction with this number begins or commits, not one byte can be written."""

    transaction: int
    moment: Moment

    def __call__(self) -> None:
        statement, number, counted = _STATEMENTS[self.moment], self.transaction, itertools.count(1)

        class Filling(Hasty):
            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                if sql.startswith(statement) and next(counted) == number:
                    NoFileBeyond(size=0)()
                return super().execute(sql, *parameters)

        _connect_by(Filling)


def full_in_the_end() -> None:
    """Not one byte can be written once all is committed: what is in the log cannot move to the file."""

    class Closing(Hasty):
        def close(self) -> None:
            NoFileBeyond(size=0)()
            super().close()

    _connect_by(Closing)


# --- processes -------------------------------------------------------------------------------------------------------


def _live(answer: Connection, trouble: Trouble, arguments: tuple[str, ...]) -> None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        _connect_by(Hasty)
        trouble()
        code = run([*arguments])
    answer.send((code, out.getvalue(), err.getvalue()))


@dataclass(frozen=True)
class Forks:
    """Runs command lines in processes of their own."""

    context: ForkServerContext

    def run(self, desk: Desk, *arguments: str, trouble: Trouble = no_trouble) -> Said:
        """Run a command line to its end; no output may hold a token or a traceback."""
        here, there = self.context.Pipe(duplex=False)
        process = self.context.Process(target=_live, args=(there, trouble, ("--config", str(desk.config), *arguments)))
        process.start()
        there.close()
        try:
            assert here.poll(LONGEST), "it hangs"
            code, out, err = here.recv()
        finally:
            process.kill()
            process.join()
            here.close()
        return checked(Said(code=code, out=out, err=err))


# --- a disk of our own making ----------------------------------------------------------------------------------------


class NoSmallDisk(Exception):
    """This machine does not let its users mount anything, not even in a namespace of their own."""


@dataclass(frozen=True)
class SmallDisk:
    """A disk in memory that only processes started through it can see."""

    folder: Path
    _pid: int

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command line that sees the disk."""
        enter = ("nsenter", "--preserve-credentials", "--user", "--mount", "--target", str(self._pid))
        return subprocess.run(
            (*enter, *arguments), env=environment(), capture_output=True, text=True, timeout=LONGEST, check=False
        )

    def resize(self, kib: int) -> None:
        """Make it larger or smaller."""
        done = self.run("mount", "-o", f"remount,size={kib}k", str(self.folder))
        assert done.returncode == 0, done.stderr

    def make_read_only(self) -> None:
        """Let nobody write to it any more."""
        done = self.run("mount", "-o", "remount,ro", str(self.folder))
        assert done.returncode == 0, done.stderr


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[SmallDisk]:
    """A disk of so many KiB; raises NoSmallDisk where the machine has none to give."""
    folder.mkdir()
    mount = f'mount -t tmpfs -o size={kib}k,mode=700 small "$0" && echo ready && exec cat'
    try:
        process = subprocess.Popen(
            ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(folder)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except FileNotFoundError as error:
        raise NoSmallDisk(str(error)) from error
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            if process.stdout.readline() != "ready\n":
                raise NoSmallDisk(process.stderr.read().strip())
            yield SmallDisk(folder, process.pid)
        finally:
            process.kill()


# --- a shop in which everything occurs -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A part of that shop's story: how it starts, with what earlier parts left of the checkpoint, and how it ends."""

    world: World
    folder: Path
    end: End

    @contextmanager
    def lived(self, folder: Path, **switches: Any) -> Iterator[Desk]:
        """Go through it in a copy, beside a POS that forgives nothing but what the switches say."""
        world = copied(self.world)
        world.switch(**HARSH | switches)
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        with desk_of(world, folder) as desk:
            yield desk


@contextmanager
def desk_of(world: World, folder: Path) -> Iterator[Desk]:
    """Serve a world, and write the settings of the shop in which everything occurs."""
    with serve(world) as url:
        desk = Desk(folder=folder, world=world, url=url, capture=cast(Any, None))
        keys = {section: "".join(f'{key} = "{value}"\n' for key, value in pairs.items()) for section, pairs in _WAYS}
        desk.write_config(*((f"[{section}]\n", f"[{section}]\n{text}") for section, text in keys.items()))
        yield desk


_WAYS = tuple(WAY_OF_WORKING.items())


def whole_story(forks: Forks, folder: Path) -> dict[str, Chapter]:
    """Live through all of it where nothing goes wrong."""
    found: dict[str, Chapter] = {}
    world, before = new_world(limits=Limits.off()), folder / "before"
    before.mkdir()
    for happens in CHAPTERS:
        happens(world)
        start, after = copied(world), folder / happens.__name__
        shutil.copytree(before, after)
        with desk_of(world, after) as desk:
            end = finished(desk, forks)
        found[happens.__name__] = Chapter(world=start, folder=before, end=end)
        world, before = copied(world), after
    return found


def finished(desk: Desk, forks: Forks, passes: int = 2) -> End:
    """Run passes until one writes nothing, and see what there is."""
    for _ in range(passes):
        before = desk.writes()
        said = forks.run(desk, "run-once")
        assert said.code in WELL, said
        if desk.writes() == before:
            with Checkpoint.open(desk.checkpoint, now=wiring.now(), create=False) as checkpoint:
                return what_there_is(desk.world, checkpoint)
    raise AssertionError(f"pass {passes} still writes")
