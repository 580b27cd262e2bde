"""How benchmarks print: plain tables, numbers that can be compared by eye, and what was judged on the way."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class Judged(str):
    """How a value stands to its target, in words that go into a table."""

    __slots__ = ("target", "value")

    value: float
    target: float

    @property
    def is_met(self) -> bool:
        """Whether the value reaches its target."""
        return self.startswith("met")


@dataclass(frozen=True)
class Figure:
    """A value with a target, as it stood in a table."""

    table: str
    row: str
    judged: Judged


FIGURES: list[Figure] = []
"""Every value with a target that was printed so far."""


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, the first column to the left and all others to the right."""
    rows = list(rows)
    FIGURES.extend(Figure(title, _named(row), cell) for row in rows for cell in row if isinstance(cell, Judged))
    cells = [list(columns), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for row in cells:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *others]).rstrip(), flush=True)


def _named(row: Sequence[object]) -> str:
    return str(row[0])


def verdict(value: float, target: float, *, more_is_better: bool) -> Judged:
    """How a value stands to its target."""
    # A target of none is met by none alone.
    ratio = (value / target if more_is_better else target / value) if value and target else float(value == target)
    judged = Judged(f"{'met' if ratio >= 1 else 'MISSED'} ({ratio:.2f}x)")
    judged.value, judged.target = value, target
    return judged
