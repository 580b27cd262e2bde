"""What history costs, and how that grows: `python -m tests.bench.backfill [ORDERS ...]`.

Each row is a `bcpoll backfill --all-orders` of its own with a fresh checkpoint, interpreter included, without limits
and latency; store and POS are in another process. A dry run over the same orders comes first, and last the checkpoint
is pruned. Transactions committed are counted apart, over two short histories, since that takes time itself.
"""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bcpoll.checkpoint import file as checkpoint_file
from bcpoll.cli import run
from tests.bench.flood import served_elsewhere
from tests.bench.tables import table, verdict

_WRITTEN, _DRY, _POS_REQUESTS, _BYTES, _MEMORY = 400, 1_500, 1.05, 1_000, 150

# Sales and stock are two writes to the POS, and each of them has its intent before it and its settlement after it. How
# far the two feeds were read, of sales and of adjustments, is noted once a page.
_COMMITS = 6

# How many orders stand on a page, and how many lists so many more take: each page begins with the last order of the one
# before, since it is not documented whether a bound belongs to what it bounds.
_PAGE = 250
_LISTS = _PAGE / (_PAGE - 1)

# How much more memory ten times the orders may take, and from how many on that is of interest.
_GROWTH, _LONG = 1.1, 100_000

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
    asked: Counter[str]
    """What the run that wrote asked for."""
    size: int
    pruned: int

    @property
    def requests(self) -> tuple[int, int]:
        """To BigCommerce and to the POS."""
        asked = self.written.told["requests"]
        return asked["bigcommerce"], asked["pos"]

    @property
    def transactions(self) -> int:
        """Requests for what was paid, one at a time, for orders whose status leaves that open."""
        return self.asked["store GET orders/*/transactions"]

    @property
    def lists(self) -> int:
        """Requests for lists of orders."""
        return self.asked["store GET orders"]


def _with_start(config: Path) -> None:
    text = config.read_text().replace('start = "2000-01-01T00:00:00Z"', _START)
    assert _START in text
    config.write_text(text)


def measured(count: int) -> Measured:
    """Bring a history over."""
    with TemporaryDirectory() as folder:
        config, file = Path(folder, "config.toml"), Path(folder, "bcpoll.db")
        with served_elsewhere(count, config) as elsewhere:
            _with_start(config)
            dry = ran(config, "backfill", "--all-orders", "--dry-run")
            elsewhere.asked()
            written = ran(config, "backfill", "--all-orders", "--yes")
            assert written.told["counts"]["looked_at"] == count
            asked, size = elsewhere.asked(), file.stat().st_size
            ran(config, "prune", "--older-than", "1s")
            return Measured(count, dry, written, asked, size, file.stat().st_size)


def commits_per_page() -> float:
    """Transactions that each page more of a history takes, in a process of their own."""
    short, longer = (_commits(pages * _PAGE) for pages in (2, 6))
    return (longer - short) / 4


def _commits(count: int) -> int:
    with TemporaryDirectory() as folder:
        config = Path(folder, "config.toml")
        with served_elsewhere(count, config):
            _with_start(config)
            command = [sys.executable, "-m", "tests.bench.backfill", "commits", str(config)]
            return int(subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()[-1])


def _run_counting(config: str) -> int:
    """A `bcpoll backfill` that tells last how many transactions it has committed."""
    commits, prepared = [], checkpoint_file._prepared

    def traced(connection: sqlite3.Connection) -> Any:
        connection.set_trace_callback(lambda sql: commits.append(1) if sql == "COMMIT" else None)
        return prepared(connection)

    checkpoint_file._prepared = traced
    code = run(["--config", config, "--json", "backfill", "--all-orders", "--yes"])
    print(len(commits), file=sys.stderr)
    return code


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
            f"{one.requests[0] - one.transactions:,}",
            f"{one.transactions:,}",
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
        "transactions",
        "POS",
        "POS per order",
        "peak",
        "dry, peak",
        "checkpoint",
        "pruned",
    )
    table("How the cost of history grows", columns, rows)
    _judge(found)
    last = found[-1]
    open_orders, asked = last.asked["paid"], last.transactions
    print(
        f"\nBigCommerce was asked {last.requests[0] - asked:,} times for lists and counts, and {asked:,} times\n"
        f"for the transactions of orders whose status leaves open what was paid: {open_orders:,}"
        f" ({open_orders / last.orders:.1%} of all), {asked / open_orders:.3f} requests each."
    )


def _judge(found: list[Measured]) -> None:
    """Hold the longest history against what is wanted, and the growth from the shortest to it."""
    first, last = found[0], found[-1]
    written, dry = (last.orders / one.seconds for one in (last.written, last.dry))
    asked = last.requests[1] / last.orders
    commits = commits_per_page()
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
        ("commits per page", f"{commits:g}", _COMMITS, _judged(commits, _COMMITS)),
        ("peak memory in MB", f"{last.written.peak:.0f}", _MEMORY, _judged(last.written.peak, _MEMORY)),
    ]
    if first is not last:
        further = last.orders - first.orders
        each = (last.pruned - first.pruned) / further
        lists = (last.lists - first.lists) / further * _PAGE
        rows.append(("bytes per order, pruned", f"{each:,.0f}", f"{_BYTES:,}", _judged(each, _BYTES)))
        judged = _judged(round(lists, 3), round(_LISTS, 3))
        rows.append((f"BigCommerce lists per {_PAGE} orders more", f"{lists:.3f}", f"{_LISTS:.3f}", judged))
    long = next((one for one in found if one.orders >= _LONG), last)
    if long is not last:
        for name, one, other in (("", long.written, last.written), (", dry", long.dry, last.dry)):
            rows.append(
                (
                    f"peak memory to that of {long.orders:,}{name}",
                    f"{other.peak / one.peak:.2f}",
                    _GROWTH,
                    _judged(other.peak / one.peak, _GROWTH),
                )
            )
    table(f"A history of {last.orders:,} orders", ("", "", "target", ""), rows)


def _judged(value: float, target: float) -> str:
    return verdict(value, target, more_is_better=False)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["commits", config]:
            sys.exit(_run_counting(config))
        case counts:
            main([int(one) for one in counts] or [1_000, 10_000])
