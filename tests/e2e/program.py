"""The program as its user meets it: a small shop on loopback, settings on disk, and command lines run against it.

`Desk.run` runs a command line in this process, `start` and `finish` run one as a process of its own.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bcpoll.checkpoint import Checkpoint, LedgerRow
from bcpoll.cli import run
from bcpoll.cli.playground import settings_text
from bcpoll.cli.wiring import now
from bcpoll.sandbox.catalogue import Product
from bcpoll.sandbox.drafts import Draft, Parcel, Shopper
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.pos import Snapshot
from bcpoll.sandbox.world import World, furnish, new_world

ROOT = Path(__file__).parents[2]

# What the settings of every test hold: no output may ever show them.
TOKENS = ("store-token", "pos-token")

# More than any step takes on a slow machine; what takes longer hangs.
LONGEST = 60

FIRST = datetime(2025, 6, 1, 9, 0, tzinfo=UTC)

ADA = Shopper(first_name="Ada", last_name="Teacup", email="ada@example.com", customer_id=7)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command line gave back."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Desk:
    """A merchant's folder with settings in it, and the two sides that these point at."""

    folder: Path
    world: World
    url: str
    capture: pytest.CaptureFixture[str]

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "bcpoll.db"

    def write_config(self, *changes: tuple[str, str]) -> None:
        """Write the settings, with each first text replaced by the second."""
        text = settings_text(self.url, self.world)
        for before, after in changes:
            assert text.count(before) >= 1, f"{before!r} is not in the settings"
            text = text.replace(before, after)
        self.config.touch(mode=0o600)
        self.config.write_text(text)

    def order(self, sku: str = "MUG", quantity: int = 1, **draft: Any) -> int:
        """Let somebody order."""
        return place(self.world, sku, quantity, **draft)

    def run(self, *arguments: str) -> Said:
        """Run a command line on this shop; no output may hold a token or a traceback."""
        self.capture.readouterr()
        code = run(["--config", str(self.config), *arguments])
        heard = self.capture.readouterr()
        return checked(Said(code=code, out=heard.out, err=heard.err))

    def ledger(self) -> Mapping[int, LedgerRow]:
        """What the checkpoint says about every order of the store."""
        with Checkpoint.open(self.checkpoint, now=now(), create=False) as checkpoint:
            return checkpoint.ledger(list(self.world.store.orders))

    def pos(self) -> Snapshot:
        """What the POS holds."""
        return self.world.pos.snapshot()

    def writes(self) -> int:
        """How many requests so far may have changed something."""
        return self.world.log.count(when=lambda request: request.is_write)


def checked(said: Said) -> Said:
    """Whatever goes wrong, a token is nobody's business and a traceback nobody's language."""
    for text in (said.out, said.err):
        assert not [token for token in TOKENS if token in text]
        assert "Traceback" not in text
    return said


def small_world(orders: int = 0) -> World:
    """A shop that sells mugs, with a customer that both sides know."""
    world = new_world(limits=Limits.off())
    furnish(world.pos)
    world.store.add_product(Product(id=11, name="Mug", sku="MUG", price="12.50", stock=100))
    world.pos.add_product("Mug", "MUG", price="12.50", stock={"Main Store": "100"})
    world.pos.add_customer("Ada", "Teacup", "ada@example.com")
    for number in range(orders):
        place(world, "MUG", 1 + number % 3)
    return world


def place(world: World, sku: str, quantity: int, **draft: Any) -> int:
    """Let somebody order, a minute after the order before and long before today."""
    at = FIRST + timedelta(minutes=len(world.store.orders))
    items = (world.store.item(sku, quantity),)
    return world.store.place(
        Draft(**{"items": items, "shopper": ADA, "parcels": (Parcel(cost="6.00"),)} | draft), at=at
    )


def command(*arguments: str) -> list[str]:
    """A command line as a process of its own takes it."""
    return [sys.executable, "-m", "bcpoll", *arguments]


def environment(**more: str) -> dict[str, str]:
    """What a process of its own finds around it: the tree to import from, and no settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BCPOLL_", "PYTHON"))}
    return kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"} | more


def finish(*arguments: str, folder: Path) -> Said:
    """Run a command line as a process of its own, to its end."""
    done = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    return checked(Said(code=done.returncode, out=done.stdout, err=done.stderr))


class Running:
    """A command line under way; its lines are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: dict[str, list[str]] = {"out": [], "err": []}
        self._news: queue.Queue[tuple[str, str]] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", process.stdout), ("err", process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, stream: Any) -> None:
        for line in stream:
            self.lines[name].append(line)
            self._news.put((name, line))

    def says(self, text: str) -> str:
        """Wait for a line with these words, on stdout or stderr."""
        while True:
            try:
                _, line = self._news.get(timeout=LONGEST)
            except queue.Empty:
                raise AssertionError(f"never said {text!r}, but {self.lines}") from None
            if text in line:
                return line

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ends(self) -> Said:
        """Wait for the end."""
        code = self.process.wait(timeout=LONGEST)
        for reader in self._readers:
            reader.join(timeout=LONGEST)
        return checked(Said(code=code, out="".join(self.lines["out"]), err="".join(self.lines["err"])))


@contextmanager
def start(*arguments: str, folder: Path) -> Iterator[Running]:
    """Run a command line as a process of its own, for the length of the block."""
    with subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=environment(PYTHONUNBUFFERED="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()
