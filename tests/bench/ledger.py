"""What a million orders in the ledger cost a pass that finds nothing: `python -m tests.bench.ledger [ORDERS]`.

The ledger is filled through the checkpoint's own methods, with what passes would have left of those orders after their
payloads were pruned. Every command is a process of its own, interpreter included, against a sandbox on loopback.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import NAMESPACE_URL, uuid5

from bcpoll.checkpoint import Checkpoint, Intent, IntentKind, IntentState, LedgerRow, Settlement
from bcpoll.cli.playground import settings_text
from bcpoll.core.sale import Applied, AppliedState
from bcpoll.sandbox.server import serve
from tests.bench.flood import flood
from tests.bench.tables import table, verdict

TARGET = 1.2
_SIZE_TARGET = 1_000
_RUNS = 9
_AT_ONCE = 1_000

# Far above the demo shop's own orders, and placed long before the start.
_FIRST_ORDER = 10_000_000
_FIRST = datetime(2020, 1, 1, tzinfo=UTC)


def fill(path: Path, count: int) -> None:
    """Have so many orders in a checkpoint, each with its sale and two products sold."""
    with Checkpoint.open(path, now=_FIRST) as checkpoint:
        for first in range(0, count, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, count))
            at = _FIRST + timedelta(minutes=first)
            with checkpoint.atomic():
                checkpoint.intend(_intent(number, at) for number in numbers)
                checkpoint.settle_many((_settlement(number) for number in numbers), at=at)
                checkpoint.record([_row(number, at) for number in numbers])
                checkpoint.prune(at + timedelta(days=1))


def _sale_id(number: int) -> str:
    return str(uuid5(NAMESPACE_URL, f"sale {number}"))


def _intent(number: int, at: datetime) -> Intent:
    moves = [
        {
            "code": f"SKU-{code}",
            "product_id": str(uuid5(NAMESPACE_URL, f"product {code}")),
            "outlet_id": "main",
            "units": -1,
        }
        for code in (number % 500, number % 499 + 500)
    ]
    sale_id, order_id = _sale_id(number), _FIRST_ORDER + number
    body = {"moves": moves}
    return Intent(
        key=f"sale:{sale_id}", order_id=order_id, kind=IntentKind.SALE, target=sale_id, body=body, created_at=at
    )


def _settlement(number: int) -> Settlement:
    return Settlement(key=f"sale:{_sale_id(number)}", state=IntentState.DONE, result=_sale_id(number))


def _row(number: int, at: datetime) -> LedgerRow:
    order_id, amount = _FIRST_ORDER + number, Decimal("56.38")
    digest = blake2b(str(number).encode(), digest_size=12).hexdigest()
    applied = Applied(
        order_id=order_id,
        state=AppliedState.PAID,
        revision=1,
        sale_id=_sale_id(number),
        content=digest,
        total=amount,
    )
    return LedgerRow(
        order_id=order_id,
        status_id=10,
        modified_at=at,
        fingerprint=digest,
        applied=applied,
        disposition="closed",
        order_total=amount,
        tax=Decimal("4.18"),
        customer_key=f"bigcommerce:{number % 100_000}",
        placed_at=at,
        written_at=at,
    )


def _measured(command: list[str], runs: int) -> tuple[float, float]:
    """Seconds of a command by the wall clock and of the processor, both the median of several runs."""
    wall, busy = [], []
    for _ in range(runs):
        begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall.append(time.monotonic() - begun)
        busy.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(wall), statistics.median(busy)


_COMMANDS = ("run-once", "status", "review list")


def _command(folder: Path, words: str) -> list[str]:
    return [sys.executable, "-m", "bcpoll", "--config", str(folder / "config.toml"), "--json", *words.split()]


def _timed(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def _read_through(path: Path) -> float:
    with Checkpoint.open(path, now=_FIRST) as checkpoint:
        return _timed(checkpoint.verify)


def _folders(root: Path, text: str) -> Iterator[Path]:
    """A shop's settings twice, each with a checkpoint of its own that has seen the first pass."""
    for name in ("empty", "full"):
        (folder := root / name).mkdir()
        (folder / "config.toml").touch(mode=0o600)
        (folder / "config.toml").write_text(text)
        told = subprocess.run(_command(folder, "run-once"), stdout=subprocess.PIPE, check=True)
        json.loads(told.stdout)
        yield folder


def main(count: int, runs: int = _RUNS) -> None:
    """Compare commands over an empty ledger and over a full one."""
    world = flood(0)
    with TemporaryDirectory() as root, serve(world) as url:
        empty, full = _folders(Path(root), settings_text(url, world))
        before = (full / "bcpoll.db").stat().st_size
        filling = _timed(lambda: fill(full / "bcpoll.db", count))
        grown = ((full / "bcpoll.db").stat().st_size - before) / count
        rows = []
        for words in _COMMANDS:
            (wall, busy), (wall_full, busy_full) = (_measured(_command(one, words), runs) for one in (empty, full))
            judged = verdict(busy_full / busy, TARGET, more_is_better=False) if words == "run-once" else ""
            shown = (f"{wall:.2f}", f"{wall_full:.2f}", f"{busy:.2f}", f"{busy_full:.2f}", f"{busy_full / busy:.2f}")
            rows.append((words, *shown, judged))
        columns = ("command", "empty", "full", "processor, empty", "full", "ratio", "")
        table(f"Seconds over a ledger of {count:,} orders, median of {runs} runs", columns, rows)
        judged = verdict(grown, _SIZE_TARGET, more_is_better=False)
        table("Size", ("", "bytes", "target", ""), [("an order in the ledger", f"{grown:,.0f}", _SIZE_TARGET, judged)])
        print(f"\n{filling:.0f} s to fill it, {_read_through(full / 'bcpoll.db'):.1f} s to read it through once a day")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
