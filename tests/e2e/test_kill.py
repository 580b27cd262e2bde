"""The program killed with SIGKILL at every write to the POS and at every commit, over a shop in which all kinds occur.

After each kill, passes run until one writes nothing; POS and checkpoint must then hold what they hold where nothing
went wrong. Every pass is a process of its own, forked from one that has imported the program already.
"""

import itertools
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import pytest
from everything import CHAPTERS, HARSH, WAY_OF_WORKING, End, copied, kind, what_there_is
from program import LONGEST, ROOT

from bcpoll.checkpoint import Checkpoint
from bcpoll.cli import run
from bcpoll.cli.playground import settings_text
from bcpoll.cli.wiring import now
from bcpoll.sandbox.faults import ConnectionDropped, Request
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.server import serve
from bcpoll.sandbox.world import World, new_world

Moment: TypeAlias = Literal["before", "after"]
MOMENTS: tuple[Moment, ...] = ("before", "after")

DEAD = -signal.SIGKILL

# Exit codes of a pass that got through everything: done, and done with orders set aside.
WELL = (0, 3)

# After a kill: one pass finishes, the next has nothing left to write.
MOST_PASSES = 2


# --- the program, mortal ---------------------------------------------------------------------------------------------


def mortal_pass(folder: Path, number: int, moment: Moment | None) -> None:
    """Run one pass as a process of its own, which kills itself at the commit with this number."""
    said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(said, stream)
    commits = itertools.count(1)

    class Mortal(sqlite3.Connection):
        """A connection that the process does not survive."""

        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if sql.startswith("PRAGMA synchronous"):
                # What a process has written outlives it without waiting for the disk, which takes half of the time.
                sql = "PRAGMA synchronous = OFF"
            is_last = sql.upper().startswith("COMMIT") and next(commits) == number
            if is_last and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            cursor = super().execute(sql, *parameters)
            if is_last and moment == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return cursor

    sqlite3.connect = partial(sqlite3.connect, factory=Mortal)  # type: ignore[assignment]
    sys.exit(run(["--config", str(folder / "config.toml"), "run-once"]))


@pytest.fixture(scope="module")
def forks() -> ForkServerContext:
    """Processes that have imported the program, this file and all that a pass imports only when it runs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["test_kill", "bcpoll.cli.wiring", "bcpoll.cli.words", "bcpoll.cycle"])
    with pytest.MonkeyPatch.context() as patch:
        # The server of forks takes its path from here, once; nothing else that tests set reaches it.
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT, ROOT / "tests", Path(__file__).parent))))
        first = context.Process(target=os.getpid)
        first.start()
        first.join(LONGEST)
    return context


class Life:
    """One shop from its opening, and the processes that run over it."""

    def __init__(self, folder: Path, world: World, forks: ForkServerContext) -> None:
        self.world = world
        self.writes: list[Request] = []
        self._folder = folder
        self._forks = forks
        self._running: ForkServerProcess | None = None
        self._started = threading.Event()
        self._deadly: tuple[int, Moment] | None = None
        self._seen: dict[Moment, Iterator[int]] = {}
        world.before.append(partial(self._write_comes, "before"))
        world.after.append(partial(self._write_comes, "after"))

    def pass_(
        self, *, dies_at_write: tuple[int, Moment] | None = None, dies_at_commit: tuple[int, Moment] | None = None
    ) -> int:
        """Run a pass, to its end or to its death; gives its exit code."""
        self.writes.clear()
        self._deadly = dies_at_write
        self._seen = {moment: itertools.count(1) for moment in MOMENTS}
        self._started.clear()
        self._running = self._forks.Process(target=mortal_pass, args=(self._folder, *(dies_at_commit or (0, None))))
        self._running.start()
        self._started.set()
        self._running.join(LONGEST)
        code = self._running.exitcode
        self._running.kill()
        # What the dead had sent already may still have its effect.
        while serving := [one for one in threading.enumerate() if "process_request_thread" in one.name]:
            for thread in serving:
                # One that is being started right now cannot be joined yet: the next round does.
                with suppress(RuntimeError):
                    thread.join(LONGEST)
                    assert not thread.is_alive()
        assert code in (*WELL, DEAD), (code, (self._folder / "said").read_text())
        return code

    def _write_comes(self, moment: Moment, request: Request) -> None:
        if request.side != "pos" or not request.is_write:
            return
        if moment == "before":
            self.writes.append(request)
        if (next(self._seen[moment]), moment) == self._deadly:
            assert self._started.wait(LONGEST)
            self._kill()
            raise ConnectionDropped

    def _kill(self) -> None:
        running = cast(ForkServerProcess, self._running)
        os.kill(cast(int, running.pid), signal.SIGKILL)
        assert wait([running.sentinel], LONGEST)

    def ends(self, passes: int = MOST_PASSES) -> End:
        """Run passes until one writes nothing, and see what there is."""
        for _ in range(passes):
            assert self.pass_() in WELL
            if not self.writes:
                return self.looked_at()
        raise AssertionError(f"pass {passes} still writes: {self.writes}")

    def looked_at(self) -> End:
        """What POS and checkpoint hold."""
        with Checkpoint.open(self._folder / "bcpoll.db", now=now(), create=False) as checkpoint:
            checkpoint.verify()
            return what_there_is(self.world, checkpoint)


@dataclass(frozen=True, kw_only=True)
class Start:
    """A shop at the start of a chapter: both sides, and a folder with what earlier chapters left of the checkpoint."""

    world: World
    folder: Path

    @contextmanager
    def lived(self, folder: Path, forks: ForkServerContext, *, workers: int = 1, **switches: Any) -> Iterator[Life]:
        """Go on from here in a copy."""
        world = copied(self.world)
        world.switch(**switches)
        shutil.copytree(self.folder, folder)
        with serve(world) as url:
            text = settings_text(url, world)
            for section, keys in WAY_OF_WORKING.items():
                more = "".join(f'{key} = "{value}"\n' for key, value in keys.items())
                text = text.replace(f"[{section}]\n", f"[{section}]\n{more}")
            text = text.replace("[sync]\n", f"[sync]\nworkers = {workers}\n")
            (folder / "config.toml").touch(mode=0o600)
            (folder / "config.toml").write_text(text)
            yield Life(folder, world, forks)


# --- the tests -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """How a chapter starts, what an undisturbed pass writes in it, and what there is in the end."""

    start: Start
    writes: tuple[str, ...]
    end: End


@pytest.fixture(scope="module")
def chapters(tmp_path_factory: pytest.TempPathFactory, forks: ForkServerContext) -> Mapping[str, Chapter]:
    """The whole story where nothing goes wrong."""
    found: dict[str, Chapter] = {}
    world, folder = new_world(limits=Limits.off()), tmp_path_factory.mktemp("before")
    for happens in CHAPTERS:
        happens(world)
        start, folder = Start(world=world, folder=folder), tmp_path_factory.mktemp("undisturbed") / "life"
        with start.lived(folder, forks) as life:
            life.pass_()
            writes = tuple(map(kind, life.writes))
            found[happens.__name__] = Chapter(start=start, writes=writes, end=life.ends(passes=1))
            world = copied(life.world)
    return found


TALLIED = "killed at"

CHAPTER = pytest.mark.parametrize("chapter", [one.__name__ for one in CHAPTERS])
MOMENT = pytest.mark.parametrize("moment", MOMENTS)


@pytest.mark.slow
def test_every_kind_of_write_occurs(chapters: Mapping[str, Chapter]) -> None:
    assert {one for chapter in chapters.values() for one in chapter.writes} == {
        "PUT /registers/{id}/actions/open",
        "POST /customers",
        "POST /customers/{id}/addresses",
        "POST /products",
        "PUT /products/{id}",
        "POST /sales",
        "PUT /sales/{id}",
        "POST /fulfillments/fulfill",
        "POST /custom_inventory_adjustment_reasons",
        "POST /stock_adjustments",
    }
    assert [item[0] for item in chapters["opening"].end.review] == [109, 115]
    assert {row.applied.state.value for row in chapters["opening"].end.ledger.values()} == {
        "nothing",
        "unpaid",
        "open",
        "paid",
        "voided",
    }


@pytest.mark.slow
@CHAPTER
@MOMENT
def test_killed_at_any_write_to_the_pos_it_ends_as_if_nothing_had_happened(
    tmp_path: Path,
    forks: ForkServerContext,
    chapters: Mapping[str, Chapter],
    tally: Counter[str],
    chapter: str,
    moment: Moment,
) -> None:
    start, writes, end = chapters[chapter].start, chapters[chapter].writes, chapters[chapter].end
    for number, write in enumerate(writes, start=1):
        with start.lived(tmp_path / str(number), forks, **HARSH) as life:
            assert life.pass_(dies_at_write=(number, moment)) == DEAD
            assert tuple(map(kind, life.writes)) == writes[:number]
            assert life.ends() == end, f"killed {moment} write {number}, {write}"
        tally[f"{moment} a write"] += 1


@pytest.mark.slow
@CHAPTER
@MOMENT
def test_killed_at_any_commit_it_ends_as_if_nothing_had_happened(
    tmp_path: Path,
    forks: ForkServerContext,
    chapters: Mapping[str, Chapter],
    tally: Counter[str],
    chapter: str,
    moment: Moment,
) -> None:
    start, end = chapters[chapter].start, chapters[chapter].end
    for number in itertools.count(1):
        with start.lived(tmp_path / str(number), forks, **HARSH) as life:
            code = life.pass_(dies_at_commit=(number, moment))
            assert life.ends() == end, f"killed {moment} commit {number}"
        if code != DEAD:
            break
        tally[f"{moment} a commit"] += 1
    # Both ends of a run, the references, the intents and the page.
    assert number > 8


@pytest.mark.slow
@CHAPTER
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_killed_again_and_again_it_ends_as_if_nothing_had_happened(
    tmp_path: Path,
    forks: ForkServerContext,
    chapters: Mapping[str, Chapter],
    tally: Counter[str],
    chapter: str,
    workers: int,
    seed: int,
) -> None:
    dice = random.Random(f"{chapter} {workers} {seed}")
    switches = {
        "search_lag_requests": dice.choice([0, 10_000]),
        "existing_sale": dice.choice(["overwrite", "conflict", "refused", "doubles"]),
    }
    with chapters[chapter].start.lived(tmp_path / "life", forks, workers=workers, **switches) as life:
        for most in (25, 12, 6):
            point = (dice.randint(1, most), dice.choice(MOMENTS))
            code = life.pass_(**{dice.choice(["dies_at_write", "dies_at_commit"]): point})
            tally["again and again"] += code == DEAD
        assert life.ends() == chapters[chapter].end
