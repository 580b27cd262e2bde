"""A shop on loopback for the tests of the command line, and waiting that takes no time."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from program import Desk, small_world

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
