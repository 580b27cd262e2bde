"""How much of the POS's rate limit a backfill uses, and that it is never refused: `python -m tests.bench.pace`.

A backfill of more orders than the limit lets through, against a sandbox whose limit has the documented shape and speed
over a shorter window, sliding or beginning anew; then limit or latency change on the way; then passes run beside it.
All of it side by side: at these speeds most of the time is waiting.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bcpoll.adapters import pos
from bcpoll.cli import run
from bcpoll.cli.playground import settings_text
from bcpoll.sandbox.faults import Request
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.server import serve
from tests.bench.flood import FIRST, Flood, flood
from tests.bench.tables import table, verdict

TARGET = 0.97

# The window that there is in truth.
_REAL_WINDOW = 300.0

# Enough orders for every customer, product and charge of the mix to have occurred once.
_KNOWN = 100

# How often a poller comes, in seconds, and what it finds.
_POLLS_EVERY = 50.0
_NEW = 2

# Of the processor there is enough for so many at once.
_AT_ONCE = 40


def quota(registers: int, window: float) -> int:
    """How many requests a window takes that is shorter than the real one; no POS takes fewer than with one register."""
    return max(round((300 * registers + 50) * window / _REAL_WINDOW), 350)


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
        return quota(self.registers, self.window)

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
        config.write_text(text)
        point = Pos(cell, config, store, set_limit)
        point.backfill().wait()
        store.count += history
        world.switch(rate_window=cell.kind)
        set_limit(cell.quota, cell.latency)
        world.before.append(point.tally.came)
        world.after.append(point.tally.went)
        yield point


def _run(config: str, window: str, *arguments: str) -> int:
    """A command line in a world of shorter windows."""
    assert pos.connect.__kwdefaults__ is not None
    pos.connect.__kwdefaults__["window"] = float(window)
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
    """Change limit or latency in the middle of the second window; what is used of the two windows after that one."""
    cell, later = change.before, quota(change.registers, change.before.window)
    with served(cell, 3 * cell.quota + 3 * later) as point, point.backfill() as process:
        begun = point.first_request(process)
        _await(begun + 1.5 * cell.window)
        on_their_way = point.tally.in_flight
        point.set(later, change.latency)
        # Before its end there is no room but for what was added.
        after, ends = begun + 2 * cell.window, begun + 4 * cell.window
        _await(ends)
        process.send_signal(signal.SIGTERM)
    used = point.tally.share(after, ends, 2 * later)
    # What was on its way there, and what left in place of what was on its way back; or the one that is first to ask.
    refused, unavoidable = len(point.tally.refused), max(2 * on_their_way, 1) if later < cell.quota else 0
    return (
        f"{change.name}, {cell.kind}",
        f"{cell.quota:,} to {later:,} in {cell.window:.0f} s",
        f"{used:.1%}",
        f"{TARGET:.0%}",
        verdict(used, TARGET, more_is_better=True),
        refused,
        unavoidable,
        verdict(max(refused - unavoidable, 0), 0, more_is_better=False),
    )


def shared(cell: Cell) -> tuple[object, ...]:
    """Let passes over new orders run beside a backfill; what both use, and how much longer some passes take."""
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
                _await(min(came + _POLLS_EVERY, ends))
            process.send_signal(signal.SIGTERM)
    used = point.tally.share(begun, ends, cell.windows * cell.quota)
    refused, longest = len(point.tally.refused), max(waits) - min(waits)
    return (
        f"{cell.registers} registers, {cell.kind}",
        f"{cell.quota:,} in {cell.window:.0f} s",
        f"{used:.1%}",
        len(waits),
        f"{longest:.0f} s",
        refused,
        verdict(refused, 0, more_is_better=False),
    )


def main(*, is_quick: bool = False) -> None:
    """Measure what is steady, what changes and what is shared."""
    kinds = (True,) if is_quick else (True, False)
    latencies, registers = ((0.02, 0.2), (1, 10)) if is_quick else ((0.02, 0.2, 1.0), (1, 5, 10))
    long, short = (60.0, 50.0) if is_quick else (100.0, 75.0)
    cells = [
        Cell(latency, count, long, slides=slides) for latency in latencies for count in registers for slides in kinds
    ]
    changes = [
        Change(name, Cell(before, one, short, slides=slides), other, after)
        for name, one, other, before, after in _CHANGES[is_quick * 2 :]
        for slides in kinds
    ]
    beside = [Cell(0.2, count, long, slides=slides) for count in registers[:2] for slides in kinds]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        all_steady, all_changed, all_shared = (
            [pool.submit(measure, one) for one in ones]  # type: ignore[operator]
            for measure, ones in ((steady, cells), (changed, changes), (shared, beside))
        )
    table(
        "Share of the POS's limit that a backfill uses",
        ("", "limit", "used", "target", "", "most in flight", "429", ""),
        [one.result() for one in all_steady],
    )
    table(
        "Share that it uses in the two windows after a change",
        ("", "limit", "used", "target", "", "429", "unavoidable", ""),
        [one.result() for one in all_changed],
    )
    table(
        "A backfill with passes beside it, a tenth of the limit being left to them ([sync] reserve)",
        ("", "limit", "both used", "passes", "longest, over the shortest", "429", ""),
        [one.result() for one in all_shared],
    )


# With registers and latency before and after.
_CHANGES = (
    ("five registers added", 5, 10, 0.2, 0.2),
    ("from 200 to 20 ms", 10, 10, 0.2, 0.02),
    ("five registers closed", 10, 5, 0.2, 0.2),
    ("from 20 to 1,000 ms", 10, 10, 0.02, 1.0),
)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", config, window, *arguments]:
            sys.exit(_run(config, window, *arguments))
        case arguments:
            main(is_quick="--quick" in arguments)
