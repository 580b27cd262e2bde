"""The memory of a pass over many new orders: `python -m tests.bench.memory [ORDERS ...]`.

Each pass is a `bcpoll run-once` of its own with a fresh checkpoint file; store and POS are in another process.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.flood import served_elsewhere
from tests.bench.tables import table, verdict

TARGET = 150


def measured(count: int) -> tuple[float, float, float, str]:
    """Run a first pass over so many orders: peak memory in MB, seconds, seconds of the processor, what it said."""
    with TemporaryDirectory() as folder:
        config = Path(folder, "config.toml")
        with served_elsewhere(count, config):
            command = [sys.executable, "-m", "bcpoll", "--config", str(config), "run-once"]
            begun = time.monotonic()
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                said = process.stdout.read()
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            spent = time.monotonic() - begun
    peak = used.ru_maxrss / 1024 / (1024 if sys.platform == "darwin" else 1)
    return peak, spent, used.ru_utime + used.ru_stime, f"exit {process.returncode}: {said.strip()}"


def main(counts: list[int]) -> None:
    """Measure passes of several sizes."""
    rows, notes = [], []
    for count in counts:
        peak, spent, busy, said = measured(count)
        judged = verdict(peak, TARGET, more_is_better=False)
        speed = (f"{spent:.1f} s", f"{busy:.1f} s", f"{count / spent:,.0f}")
        rows.append((f"{count:,}", f"{peak:.0f} MB", f"{TARGET} MB", judged, *speed))
        notes.append(f"{count:,}: {said}")
    table("Peak memory of one pass", ("orders", "peak", "target", "", "time", "processor", "orders/s"), rows)
    print("\n" + "\n".join(notes))


if __name__ == "__main__":
    main([int(one) for one in sys.argv[1:]] or [1_000, 100_000])
