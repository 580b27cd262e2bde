"""What history costs, and how that grows: `python -m tests.bench.backfill [ORDERS ...]`.

Each row is a `bcpoll backfill --all-orders` of its own with a fresh checkpoint, interpreter included, without limits
and latency; store and POS are in another process. A dry run over the same orders comes first, and last the checkpoint
is pruned.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.flood import served_elsewhere
from tests.bench.tables import table, verdict

_WRITTEN, _DRY, _POS_REQUESTS, _BYTES, _MEMORY = 400, 1_500, 1.05, 1_000, 150

# After the last order that there is in the largest of these stores.
_START = 'start = "2027-01-01T00:00:00Z"'


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    seconds: float
    busy: float
    """Seconds of the processor."""
    peak: float
    """In MB."""
    said: str

    @property
    def told(self) -> Any:
        return json.loads(self.said)


def ran(config: Path, *arguments: str) -> Ran:
    """Run a command line as a process of its own."""
    command = [sys.executable, "-m", "bcpoll", "--config", str(config), "--json", *arguments]
    begun = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    peak = used.ru_maxrss / 1024 / (1024 if sys.platform == "darwin" else 1)
    return Ran(time.monotonic() - begun, used.ru_utime + used.ru_stime, peak, said)


@dataclass(frozen=True)
class Measured:
    """What a history of so many orders costs."""

    orders: int
    dry: Ran
    written: Ran
    size: int
    pruned: int

    @property
    def requests(self) -> tuple[int, int]:
        """To BigCommerce and to the POS."""
        asked = self.written.told["requests"]
        return asked["bigcommerce"], asked["pos"]


def measured(count: int) -> Measured:
    """Bring a history over."""
    with TemporaryDirectory() as folder:
        config, file = Path(folder, "config.toml"), Path(folder, "bcpoll.db")
        with served_elsewhere(count, config):
            text = config.read_text().replace('start = "2000-01-01T00:00:00Z"', _START)
            assert _START in text
            config.write_text(text)
            dry = ran(config, "backfill", "--all-orders", "--dry-run")
            written = ran(config, "backfill", "--all-orders", "--yes")
            assert written.told["counts"]["looked_at"] == count
            size = file.stat().st_size
            ran(config, "prune", "--older-than", "1s")
            return Measured(count, dry, written, size, file.stat().st_size)


def main(counts: list[int]) -> None:
    """Measure histories of several lengths."""
    found = [measured(count) for count in counts]
    rows = [
        (
            f"{one.orders:,}",
            f"{one.written.seconds:.1f} s",
            f"{one.written.busy:.1f} s",
            f"{one.orders / one.written.seconds:,.0f}",
            f"{one.orders / one.dry.seconds:,.0f}",
            f"{one.requests[0]:,}",
            f"{one.requests[1]:,}",
            f"{one.requests[1] / one.orders:.3f}",
            f"{one.written.peak:.0f} MB",
            f"{one.dry.peak:.0f} MB",
            f"{one.size / 1_000_000:.1f} MB",
            f"{one.pruned / 1_000_000:.1f} MB",
        )
        for one in found
    ]
    columns = (
        "orders",
        "time",
        "processor",
        "orders/s",
        "dry, orders/s",
        "BigCommerce",
        "POS",
        "POS per order",
        "peak",
        "dry, peak",
        "checkpoint",
        "pruned",
    )
    table("How the cost of history grows", columns, rows)
    _judge(found)


def _judge(found: list[Measured]) -> None:
    """Hold the longest history against what is wanted, and the growth from the shortest to it."""
    first, last = found[0], found[-1]
    written, dry = (last.orders / one.seconds for one in (last.written, last.dry))
    asked = last.requests[1] / last.orders
    more = {"more_is_better": True}
    rows = [
        (
            "orders written a second",
            f"{written:,.0f}",
            f"{_WRITTEN:,}",
            verdict(written, _WRITTEN, **more),
        ),
        ("orders a second, dry", f"{dry:,.0f}", f"{_DRY:,}", verdict(dry, _DRY, **more)),
        ("POS requests per order", f"{asked:.3f}", _POS_REQUESTS, _judged(asked, _POS_REQUESTS)),
        ("peak memory in MB", f"{last.written.peak:.0f}", _MEMORY, _judged(last.written.peak, _MEMORY)),
    ]
    if first is not last:
        each = (last.pruned - first.pruned) / (last.orders - first.orders)
        rows.append(("bytes per order, pruned", f"{each:,.0f}", f"{_BYTES:,}", _judged(each, _BYTES)))
    table(f"A history of {last.orders:,} orders", ("", "", "target", ""), rows)


def _judged(value: float, target: float) -> str:
    return verdict(value, target, more_is_better=False)


if __name__ == "__main__":
    main([int(one) for one in sys.argv[1:]] or [1_000, 10_000])
