"""A shop on loopback for the tests of the command line, and waiting that takes no time."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from host import Chapter, Forks, whole_story
from program import LONGEST, ROOT, Desk, small_world

from bcpoll.budget import Clock
from bcpoll.sandbox.server import serve
from bcpoll.sandbox.world import World

OpenDesk = Callable[[World], Desk]


@pytest.fixture
def open_desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[OpenDesk]:
    """Serve a world and write the settings that point at it."""
    with ExitStack() as stack:

        def opened(world: World) -> Desk:
            desk = Desk(folder=tmp_path, world=world, url=stack.enter_context(serve(world)), capture=capsys)
            desk.write_config()
            return desk

        yield opened


@pytest.fixture
def desk(open_desk: OpenDesk) -> Desk:
    """A small shop with three orders."""
    return open_desk(small_world(orders=3))


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the transport's waits between its tries pass at once; gives their lengths."""
    waited: list[float] = []
    monkeypatch.setattr("bcpoll.cli.wiring._clock", lambda stop: Clock(sleep=waited.append))
    return waited


@pytest.fixture(scope="session")
def forks() -> Forks:
    """Processes that have imported the program, and what the tests bring with them that fork."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["host", "test_kill", "bcpoll.cli.wiring", "bcpoll.cli.words", "bcpoll.cycle"])
    with pytest.MonkeyPatch.context() as patch:
        # The server of forks takes its path from here, once; nothing else that tests set reaches it.
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT, ROOT / "tests", Path(__file__).parent))))
        first = context.Process(target=os.getpid)
        first.start()
        first.join(LONGEST)
    return Forks(context)


@pytest.fixture(scope="session")
def story(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Chapter]:
    """The story of a shop in which everything occurs, where nothing goes wrong."""
    return whole_story(forks, tmp_path_factory.mktemp("story"))
