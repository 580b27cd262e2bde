"""How much of the POS's rate limit a pass uses, and that it is never refused: `python -m tests.bench.pace [fixed]`.

A pass over more orders than the limit lets through, against a sandbox whose limit has the documented shape over a
shorter window, sliding unless `fixed` is asked for. The passes over 1, 3 and 10 registers run side by side.
"""

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bcpoll import pos
from bcpoll.cli import run
from bcpoll.cli.playground import settings_text
from bcpoll.sandbox.faults import Request
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.server import serve
from tests.bench.flood import Flood, flood
from tests.bench.tables import table

TARGET = 0.97
_LATENCIES = (0.02, 0.2, 1.0)
_REGISTERS = (1, 3, 10)
_WINDOWS = 3

# A window against which the latency is as long as three seconds are against the real one, and none too short for the
# machine to keep up with.
_LATENCIES_PER_WINDOW = 100
_SHORTEST_WINDOW = 30.0

# Enough orders for every customer, product and charge of the mix to have occurred once.
_KNOWN = 100


@dataclass
class _Tally:
    """What reached the POS, by the time of its arrival."""

    at: list[float] = field(default_factory=list)
    refused: int = 0
    in_flight: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def came(self, request: Request) -> None:
        if request.side == "pos":
            with self.lock:
                self.in_flight += 1
                self.most = max(self.most, self.in_flight)

    def went(self, request: Request) -> None:
        if request.side == "pos":
            with self.lock:
                self.in_flight -= 1
                self.at.append(time.monotonic())
                self.refused += request.status == 429


def _pass(config: Path, window: float) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.bench.pace", "pass", str(config), str(window)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _run_pass(config: str, window: str) -> int:
    """A `bcpoll run-once` that takes the POS's window for shorter than five minutes: no header tells how long it is."""
    assert pos.connect.__kwdefaults__ is not None
    pos.connect.__kwdefaults__["window"] = float(window)
    return run(["--config", config, "run-once"])


def measured(latency: float, registers: int, *, slides: bool) -> tuple[object, ...]:
    """Run a pass over some windows, and give a row of the table."""
    quota, window = 300 * registers + 50, max(_SHORTEST_WINDOW, latency * _LATENCIES_PER_WINDOW)
    world = flood(_KNOWN)
    store = world.store
    assert isinstance(store, Flood)
    with TemporaryDirectory() as folder, serve(world) as url:
        (config := Path(folder) / "config.toml").touch(mode=0o600)
        config.write_text(settings_text(url, world).replace("[sync]\n", "[sync]\nworkers = 64\n"))
        _pass(config, window).wait()
        world.switch(rate_window="sliding" if slides else "fixed")
        world.limits = Limits(store_quota=None, pos_quota=quota, pos_window=timedelta(seconds=window), token_quota=None)
        world.faults.latency["pos"] = latency
        store.count += (_WINDOWS + 1) * quota
        tally = _Tally()
        world.before.append(tally.came)
        world.after.append(tally.went)
        ends = _watched(_pass(config, window), tally, _WINDOWS * window)
    used = sum(at < ends for at in tally.at) / (_WINDOWS * quota)
    judged = "met" if used >= TARGET and not tally.refused else "MISSED"
    shown = (f"{window:.0f} s", f"{used:.1%}", f"{TARGET:.0%}", tally.refused, tally.most)
    return (f"{latency * 1000:,.0f} ms", registers, quota, *shown, judged)


def _watched(process: "subprocess.Popen[bytes]", tally: _Tally, seconds: float) -> float:
    """Let a pass run for so long from its first request on, and stop it; when that was over."""
    with process:
        while not tally.at and process.poll() is None:
            time.sleep(0.01)
        ends = tally.at[0] + seconds
        time.sleep(max(ends - time.monotonic(), 0))
        process.send_signal(signal.SIGTERM)
    return ends


def main(*, slides: bool) -> None:
    """Measure every latency, the registers side by side."""
    rows: list[tuple[object, ...]] = []
    for latency in _LATENCIES:
        with ThreadPoolExecutor(len(_REGISTERS)) as pool:
            rows += pool.map(lambda registers, latency=latency: measured(latency, registers, slides=slides), _REGISTERS)
    columns = ("latency", "registers", "limit", "in", "used", "target", "429", "most in flight", "")
    kind = "that slide" if slides else "that begin anew"
    table(f"Share of the POS's limit that a pass uses over {_WINDOWS} windows {kind}", columns, rows)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["pass", config, window]:
            sys.exit(_run_pass(config, window))
        case arguments:
            main(slides="fixed" not in arguments)
