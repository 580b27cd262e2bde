"""How benchmarks print: plain tables, and numbers that can be compared by eye."""

from collections.abc import Iterable, Sequence


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, the first column to the left and all others to the right."""
    cells = [list(columns), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for row in cells:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *others]).rstrip())


def verdict(value: float, target: float, *, more_is_better: bool) -> str:
    """How a value stands to its target."""
    ratio = value / target if more_is_better else target / value
    return f"{'met' if ratio >= 1 else 'MISSED'} ({ratio:.2f}x)"
