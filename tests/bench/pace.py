"""How much of the POS's rate limit a backfill uses, and that it is never refused: `python -m tests.bench.pace`.

A backfill of more orders than the limit lets through, against a sandbox whose limit has the documented shape over a
shorter window, sliding or beginning anew. Then limit or latency change on the way, and then passes run beside it. What
is measured side by side shares the machine.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bcpoll import portion
from bcpoll.adapters import pos
from bcpoll.cli import run
from bcpoll.cli.playground import settings_text
from bcpoll.sandbox.faults import Request
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.server import serve
from tests.bench.flood import FIRST, Flood, flood
from tests.bench.tables import table, verdict

TARGET = 0.97

# What the limit counts by in truth: turns are as much shorter as the window is.
_REAL_WINDOW = 300.0

# Enough orders for every customer, product and charge of the mix to have occurred once.
_KNOWN = 100

# How often a poller comes, in parts of a window, and what it finds.
_POLLS = 15
_NEW = 2


@dataclass(frozen=True)
class Cell:
    """What is measured at once: a backfill under one limit."""

    latency: float
    registers: int
    window: float
    slides: bool = True
    windows: int = 2

    @property
    def quota(self) -> int:
        """How many requests a window takes."""
        return 300 * self.registers + 50

    @property
    def kind(self) -> str:
        """How its windows come and go."""
        return "sliding" if self.slides else "fixed"


@dataclass
class Tally:
    """What reached the POS, by the time of its arrival."""

    at: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    in_flight: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def came(self, request: Request) -> None:
        """Count a request that arrives."""
        if request.side == "pos":
            with self.lock:
                self.in_flight += 1
                self.most = max(self.most, self.in_flight)

    def went(self, request: Request) -> None:
        """Count its answer."""
        if request.side == "pos":
            with self.lock:
                self.in_flight -= 1
                (self.refused if request.status == 429 else self.at).append(time.monotonic())

    def share(self, begins: float, ends: float, allowed: float) -> float:
        """How much of what was allowed came within a time."""
        return sum(begins <= at < ends for at in self.at) / allowed


class Pos:
    """A store with a past and a POS with a limit, and commands that run against them."""

    def __init__(self, cell: Cell, config: Path, store: Flood, set_limit: Callable[[int, float], None]) -> None:
        self.cell, self.config, self.store, self.set = cell, config, store, set_limit
        self.tally = Tally()

    def runs(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """A command that takes the POS's window for as short as it is: no header tells how long."""
        command = [sys.executable, "-m", "tests.bench.pace", "run", str(self.config), str(self.cell.window), *arguments]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def backfill(self) -> "subprocess.Popen[bytes]":
        """Everything that there is."""
        return self.runs("backfill", "--all-orders", "--yes", "--no-progress")

    def first_request(self, process: "subprocess.Popen[bytes]") -> float:
        """Wait for the first request of a command, and give its time."""
        while not self.tally.at and process.poll() is None:
            time.sleep(0.01)
        return self.tally.at[0]


@contextmanager
def served(cell: Cell, history: int) -> Iterator[Pos]:
    """A store with so long a history; a POS that has met all its customers and products, and now has a limit."""
    world = flood(_KNOWN)
    store = world.store
    assert isinstance(store, Flood)

    def set_limit(quota: int, latency: float) -> None:
        world.limits = Limits(
            store_quota=None, pos_quota=quota, pos_window=timedelta(seconds=cell.window), token_quota=None
        )
        world.faults.latency["pos"] = latency

    with TemporaryDirectory() as folder, serve(world) as url:
        (config := Path(folder) / "config.toml").touch(mode=0o600)
        start = FIRST + timedelta(minutes=_KNOWN + history)
        text = settings_text(url, world).replace('"2000-01-01T00:00:00Z"', f'"{start:%Y-%m-%dT%H:%M:%SZ}"')
        config.write_text(text.replace("[sync]\n", "[sync]\nworkers = 64\n"))
        point = Pos(cell, config, store, set_limit)
        point.backfill().wait()
        store.count += history
        world.switch(rate_window=cell.kind)
        set_limit(cell.quota, cell.latency)
        world.before.append(point.tally.came)
        world.after.append(point.tally.went)
        yield point


def _run(config: str, window: str, *arguments: str) -> int:
    """A command line in a world of shorter windows, and of turns that are as much shorter."""
    assert pos.connect.__kwdefaults__ is not None
    pos.connect.__kwdefaults__["window"] = float(window)
    portion._TURN *= float(window) / _REAL_WINDOW
    return run(["--config", config, *arguments])


def _await(moment: float) -> None:
    time.sleep(max(moment - time.monotonic(), 0))


def steady(cell: Cell) -> tuple[object, ...]:
    """Run a backfill over some windows, and give a row of the table."""
    with served(cell, (cell.windows + 1) * cell.quota) as point, point.backfill() as process:
        begun = point.first_request(process)
        ends = begun + cell.windows * cell.window
        _await(ends)
        process.send_signal(signal.SIGTERM)
    used = point.tally.share(begun, ends, cell.windows * cell.quota)
    name = f"{cell.latency * 1000:,.0f} ms, {cell.registers} registers, {cell.kind}"
    refused = len(point.tally.refused)
    return (
        name,
        f"{cell.quota:,} in {cell.window:.0f} s",
        f"{used:.1%}",
        f"{TARGET:.0%}",
        verdict(used, TARGET, more_is_better=True),
        point.tally.most,
        refused,
        verdict(refused, 0, more_is_better=False),
    )


@dataclass(frozen=True)
class Change:
    """What changes in the middle of a window."""

    name: str
    before: Cell
    registers: int
    latency: float


def changed(change: Change) -> tuple[object, ...]:
    """Change limit or latency in the middle of the second window; what is used of the two windows after it."""
    cell, quota = change.before, 300 * change.registers + 50
    with served(cell, 3 * cell.quota + 3 * quota) as point, point.backfill() as process:
        begun = point.first_request(process)
        at = begun + 1.5 * cell.window
        _await(at)
        in_flight = point.tally.in_flight
        point.set(quota, change.latency)
        ends = at + 2 * cell.window
        _await(ends)
        process.send_signal(signal.SIGTERM)
    used = point.tally.share(at, ends, 2 * quota)
    refused, unavoidable = len(point.tally.refused), max(in_flight, 1) if quota < cell.quota else 0
    return (
        f"{change.name}, {cell.kind}",
        f"{cell.quota:,} to {quota:,}",
        f"{used:.1%}",
        f"{TARGET:.0%}",
        verdict(used, TARGET, more_is_better=True),
        refused,
        unavoidable,
        verdict(max(refused - unavoidable, 0), 0, more_is_better=False),
    )


def shared(cell: Cell) -> tuple[object, ...]:
    """Let passes run beside a backfill, with orders that come in meanwhile; what both use, and how long passes take."""
    waits: list[float] = []
    with served(cell, (cell.windows + 1) * cell.quota) as point:
        point.runs("run-once").wait()
        point.tally.at.clear()
        with point.backfill() as process:
            begun = point.first_request(process)
            ends = begun + cell.windows * cell.window
            while time.monotonic() < ends:
                came = time.monotonic()
                point.store.count += _NEW
                point.runs("run-once").wait()
                waits.append(time.monotonic() - came)
                _await(min(came + cell.window / _POLLS, ends))
            process.send_signal(signal.SIGTERM)
    used = point.tally.share(begun, ends, cell.windows * cell.quota)
    refused, longest = len(point.tally.refused), (max(waits) - min(waits)) / cell.window * _REAL_WINDOW
    return (
        f"{cell.registers} registers, {cell.kind}",
        f"{cell.quota:,} in {cell.window:.0f} s",
        f"{used:.1%}",
        len(waits),
        f"{longest:.0f} s",
        refused,
        verdict(refused, 0, more_is_better=False),
    )


def _cells(latencies: Sequence[float], registers: Sequence[int], window: float, *, slides: bool) -> list[Cell]:
    return [
        Cell(latency, count, max(window, latency * 100), slides=slides) for latency in latencies for count in registers
    ]


def main(*, is_quick: bool = False) -> None:
    """Measure what is steady, then what changes, then what is shared; as much side by side as the machine bears."""
    window, registers = (15.0, (1, 3)) if is_quick else (30.0, (1, 3, 10))
    both = (True, False)
    slow = [] if is_quick else [cell for slides in both for cell in _cells((1.0,), registers, window, slides=slides)]
    quick = [_cells((latency,), registers, window, slides=slides) for latency in (0.02, 0.2) for slides in both]
    with ThreadPoolExecutor(len(slow) + len(registers)) as pool:
        slowly = [pool.submit(steady, cell) for cell in slow]
        rows = [row for group in quick for row in list(pool.map(steady, group))]
        rows += [one.result() for one in slowly]
        table(
            "Share of the POS's limit that a backfill uses",
            ("", "limit", "used", "target", "", "most in flight", "429", ""),
            rows,
        )
        few, many = Cell(0.02, 1, 20.0), Cell(0.02, 3, 20.0)
        changes = [
            Change("a register added", few, 2, 0.02),
            Change("a register closed", many, 2, 0.02),
            Change("latency from 20 to 200 ms", many, 3, 0.2),
            Change("latency from 200 to 20 ms", Cell(0.2, 3, 20.0), 3, 0.02),
        ]
        fixed = [Change(one.name, _fixed(one.before), one.registers, one.latency) for one in changes]
        table(
            "Share that it uses in the two windows after a change",
            ("", "limit", "used", "target", "", "429", "on their way", ""),
            [row for group in (changes, fixed) for row in list(pool.map(changed, group))],
        )
        beside = [Cell(0.1, count, 30.0, slides=slides, windows=3) for slides in both for count in registers[:2]]
        table(
            "A backfill with passes beside it, [sync] reserve as it is by itself",
            ("", "limit", "both used", "passes", "longest wait, at 300 s", "429", ""),
            list(pool.map(shared, beside)),
        )


def _fixed(cell: Cell) -> Cell:
    return Cell(cell.latency, cell.registers, cell.window, slides=False)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", config, window, *arguments]:
            sys.exit(_run(config, window, *arguments))
        case arguments:
            main(is_quick="--quick" in arguments)
