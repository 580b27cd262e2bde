"""Every benchmark in turn, and in the end one table of what was wanted: `python -m tests.bench [--quick]`.

Times and speeds mean something only while the machine does nothing else. `--quick` takes small sizes, to see that all
of it works.
"""

import sys
import time
from collections.abc import Callable, Mapping

from tests.bench import backfill, core, ledger, memory, pace, requests
from tests.bench.tables import FIGURES, table

# By name, with the sizes that the figures are wanted for, and with small ones. Memory comes first: for the system, the
# peak of a command begins with that of the process that started it, and this one grows.
BENCHMARKS: Mapping[str, tuple[Callable[[], None], Callable[[], None]]] = {
    "backfill": (lambda: backfill.main([1_000, 10_000, 100_000, 1_000_000]), lambda: backfill.main([500, 1_000])),
    "memory": (lambda: memory.main([1_000, 100_000]), lambda: memory.main([200, 1_000])),
    "ledger": (lambda: ledger.main(1_000_000), lambda: ledger.main(10_000, runs=3)),
    "core": (lambda: core.main(2_000), lambda: core.main(200)),
    "requests": (requests.main, lambda: requests.main(runs=3)),
    "pace": (pace.main, lambda: pace.main(is_quick=True)),
}


def main(*, is_quick: bool) -> None:
    """Run them all, and hold every figure against its target."""
    begun = time.monotonic()
    for name, sizes in BENCHMARKS.items():
        print(f"\n{f' {name} ':=^100}", flush=True)
        sizes[is_quick]()
    table(
        f"All figures, after {(time.monotonic() - begun) / 60:.0f} minutes",
        ("figure", "measured", "target", ""),
        [
            (f"{one.table}: {one.row}", _shown(one.judged.value), _shown(one.judged.target), str(one.judged))
            for one in FIGURES
        ],
    )


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


if __name__ == "__main__":
    main(is_quick="--quick" in sys.argv[1:])
