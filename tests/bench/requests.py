"""What a pass costs: requests to each side, and the time of one that finds nothing: `python -m tests.bench.requests`.

Every pass is a `bcpoll run-once` of its own, interpreter included, against a sandbox on loopback.
"""

import json
import re
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from bcpoll.cli.playground import settings_text
from bcpoll.sandbox.server import serve
from tests.bench.flood import Flood, flood
from tests.bench.tables import table, verdict

TARGET = 0.7
_RUNS = 15

# Enough orders for every customer, product and charge of the mix to have occurred once.
_KNOWN = 100


class Shop:
    """A sandbox, settings that point at it, and passes over it."""

    def __init__(self, config: Path, store: Flood) -> None:
        self.config = config
        self.store = store

    def ignoring_refunds(self) -> "Shop":
        """The same shop with the bare status table."""
        text = self.config.read_text().replace("[sync]\n", '[sync]\nrefunds = "ignore"\n')
        (other := self.config.with_name("ignoring.toml")).touch(mode=0o600)
        other.write_text(text)
        return Shop(other, self.store)

    def passes(self, *, python: Iterable[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run one pass."""
        command = [sys.executable, *python, "-m", "bcpoll", "--config", str(self.config), "--json", "run-once"]
        return subprocess.run(command, capture_output=True, text=True, check=True)

    def counted(self, new: int) -> tuple[str, int, int, str]:
        """Let so many orders come in and count what the pass over them asks for."""
        self.store.count += new
        told = json.loads(self.passes().stdout)
        asked, counts = told["requests"], told["counts"]
        per_order = f"{asked['pos'] / new:.3f}" if new else "-"
        return (f"{counts.get('created', 0):,}", asked["bigcommerce"], asked["pos"], per_order)

    def timed(self) -> tuple[float, float]:
        """Seconds of a pass that finds nothing, by the wall clock and of the processor."""
        begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        self.passes()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.monotonic() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(runs: int = _RUNS) -> None:
    """Count requests, then take times."""
    world = flood(_KNOWN)
    assert isinstance(world.store, Flood)
    with TemporaryDirectory() as folder, serve(world) as url:
        (config := Path(folder) / "config.toml").touch(mode=0o600)
        config.write_text(settings_text(url, world))
        shop = Shop(config, world.store)
        rows = [
            ("the first pass of a shop", *shop.counted(0)),
            ("nothing new", *shop.counted(0)),
            ("250 new orders, all known", *shop.counted(250)),
            ("1,000 new orders, all known", *shop.counted(1_000)),
            ("nothing new", *shop.counted(0)),
            ("nothing new, refunds ignored", *shop.ignoring_refunds().counted(0)),
        ]
        table("Requests of a pass", ("pass", "sales", "BigCommerce", "POS", "POS per order"), rows)
        wall, busy = (sorted(column) for column in zip(*(shop.timed() for _ in range(runs)), strict=True))
        judged = verdict(statistics.median(wall), TARGET, more_is_better=False)
        table(
            f"Seconds of a pass that finds nothing, interpreter included, {runs} runs",
            ("", "fastest", "median", "slowest", "target", ""),
            [("wall clock", *_spread(wall), f"{TARGET}", judged), ("processor", *_spread(busy), "", "")],
        )
        bare = sorted(_bare() for _ in range(5))[0]
        _importing(shop.passes(python=["-X", "importtime"]).stderr, bare)


def _spread(times: list[float]) -> tuple[str, str, str]:
    return (f"{times[0]:.2f}", f"{statistics.median(times):.2f}", f"{times[-1]:.2f}")


def _bare() -> float:
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.monotonic() - begun


_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


def _importing(text: str, bare: float) -> None:
    """Where the time of importing goes, by package; the measurement itself makes it about half as much again."""
    spent: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for micros, module in _LINE.findall(text):
        package = module.split(".")[0].lstrip("_")
        package = (
            "standard library" if package in sys.stdlib_module_names or module in sys.stdlib_module_names else package
        )
        spent[package] += int(micros)
        modules[package] += 1
    rows = [(name, modules[name], f"{micros / 1000:.0f}") for name, micros in spent.most_common(14)]
    total = (f"all, of {len(modules)} packages", modules.total(), f"{spent.total() / 1000:.0f}")
    title = f"Importing, own time by package, in ms (an empty interpreter takes {bare * 1000:.0f} ms of wall time)"
    table(title, ("package", "modules", "ms"), [*rows, total])


if __name__ == "__main__":
    main()
