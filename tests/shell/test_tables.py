"""Tables on terminals of any width: nothing is wider, nothing is lost, and no figure is broken into two."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from bcpoll.cli import render


@dataclass(frozen=True)
class Table:
    """What `show_table` is handed."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[str, ...] = ()
    below: str = ""

    def at(self, width: int) -> list[str]:
        """Its lines on a terminal of that width."""
        out = Console(file=io.StringIO(), width=width, highlight=False, force_terminal=True, color_system=None)
        out.print(render._titled(width, "Title", self.columns, self.rows, right=self.right, below=self.below))
        return [line.rstrip() for line in out.file.getvalue().splitlines()]  # type: ignore[attr-defined]


TAKINGS = Table(
    columns=("day", "orders", "total", "tax", "sales", "total", "tax", ""),
    rows=(
        ("2026-11-17", "8", "28,900.01", "2,100.41", "8", "28,900.01", "2,100.41", ""),
        ("2026-11-18", "14", "71,000.61", "5,000.92", "13", "70,000.61", "4,900.92", "differs"),
    ),
    right=("orders", "total", "tax", "sales"),
)

LINES = Table(
    columns=("ordered", "code", "units", "paid", "sold units", "sold paid"),
    rows=(("Hand-thrown Breakfast Bowl", "BOWL-2026", "3", "3999.97", "3", "3999.97"),),
    right=("units", "paid", "sold units", "sold paid"),
)

ASIDE = Table(
    columns=("id", "order", "since", "next try", "detail"),
    rows=(("1", "142", "2026-11-23 22:31 UTC", "waits for you", "its parts add up to 20.30, not to 12.34"),),
    right=("id", "order"),
    below="detail",
)


def test_what_fits_stands_in_columns() -> None:
    assert TAKINGS.at(100) == [
        "Title",
        "day         orders      total       tax  sales      total       tax",
        "2026-11-17       8  28,900.01  2,100.41      8  28,900.01  2,100.41",
        "2026-11-18      14  71,000.61  5,000.92     13  70,000.61  4,900.92  differs",
    ]


def test_columns_move_together_before_anything_is_folded() -> None:
    assert TAKINGS.at(70)[2:] == [
        "2026-11-17      8 28,900.01 2,100.41     8 28,900.01 2,100.41",
        "2026-11-18     14 71,000.61 5,000.92    13 70,000.61 4,900.92 differs",
    ]


def test_titles_of_figures_are_folded_before_texts() -> None:
    assert LINES.at(69) == [
        "Title",
        "                                                        sold     sold",
        "ordered                     code       units     paid  units     paid",
        "Hand-thrown Breakfast Bowl  BOWL-2026      3  3999.97      3  3999.97",
    ]


def test_a_text_is_folded_between_its_words() -> None:
    assert [line.split("  ")[0] for line in LINES.at(62)[-2:]] == ["Hand-thrown", "Breakfast Bowl"]


def test_where_figures_would_be_broken_each_value_is_named() -> None:
    assert TAKINGS.at(40)[:4] == [
        "Title",
        "day: 2026-11-17  orders: 8",
        "  total: 28,900.01  tax: 2,100.41",
        "  sales: 8  total: 28,900.01",
    ]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (
            100,
            [
                "id  order  since                 next try       detail",
                " 1    142  2026-11-23 22:31 UTC  waits for you  its parts add up to 20.30, not to 12.34",
            ],
        ),
        (
            60,
            [
                "id  order  since                 next try",
                " 1    142  2026-11-23 22:31 UTC  waits for you",
                "    its parts add up to 20.30, not to 12.34",
            ],
        ),
        (
            40,
            [
                "id: 1  order: 142",
                "  since: 2026-11-23 22:31 UTC",
                "  next try: waits for you",
                "  its parts add up to 20.30, not to",
                "  12.34",
            ],
        ),
    ],
)
def test_a_sentence_stands_beside_its_row_or_under_it(width: int, shown: list[str]) -> None:
    assert ASIDE.at(width)[1:] == shown


# --- of any content --------------------------------------------------------------------------------------------------

FIGURES = st.from_regex(r"-?[0-9]{1,7}\.[0-9]{2}", fullmatch=True)
TEXTS = st.text(alphabet="abc XYZ-漢é", max_size=60).map(lambda text: " ".join(text.split()))


@st.composite
def tables(draw: st.DrawFn) -> Table:
    kinds = draw(st.lists(st.booleans(), min_size=1, max_size=7))
    columns = tuple(f"{'figure' if kind else 'text'} {number}" for number, kind in enumerate(kinds))
    cells = [FIGURES if kind else TEXTS for kind in kinds]
    rows = draw(st.lists(st.tuples(*cells), max_size=4))
    right = tuple(name for name, kind in zip(columns, kinds, strict=True) if kind)
    below = draw(st.sampled_from([columns[-1], ""])) if not kinds[-1] else ""
    return Table(columns=columns, rows=tuple(rows), right=right, below=below)


def letters(text: str | Sequence[str]) -> list[str]:
    return sorted(re.sub(r"\s", "", "".join(text)))


@given(table=tables(), width=st.integers(min_value=24, max_value=160))
def test_nothing_is_wider_than_the_terminal_no_figure_broken_and_nothing_lost(table: Table, width: int) -> None:
    lines = table.at(width)

    assert [line for line in lines if cell_len(line) > width] == []
    words = [word for line in lines for word in line.split()]
    for at, name in enumerate(table.columns):
        if name in table.right:
            assert [row[at] for row in table.rows if row[at] not in words] == []
    told, needed = letters(lines), letters([cell for row in table.rows for cell in row])
    assert all(told.count(letter) >= needed.count(letter) for letter in set(needed))


def test_neither_title_nor_cell_of_a_table_can_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    render.show_table("Stock moved for MUG (Mug\x1b[2J)", ("what",), [("\x9b31m",)])

    assert capsys.readouterr().out == "Stock moved for MUG (Mug\\x1b[2J)\nwhat\n\\x9b31m\n"
