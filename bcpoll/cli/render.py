"""What things look like on a terminal: tables and lines for people, plain values for `--json`.

Owns rich. Decides nothing and reads nothing; everything to be shown is handed in.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import click
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bcpoll.checkpoint import ReviewItem, ReviewState, Run
from bcpoll.cli.words import counts_line
from bcpoll.core.order import Json
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.times import iso


def console() -> Console:
    """Where data goes: stdout, as wide as the terminal; where there is none, wide enough that nothing is folded."""
    out = Console(highlight=False, soft_wrap=False)
    return out if out.is_terminal else Console(highlight=False, width=_UNFOLDED)


def show_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = (), below: str = ""
) -> None:
    """Print a table. Columns named in `right` are numbers; the last one, if named in `below`, is a text of any length.

    A terminal that is too narrow for that text shows it under its row, for a column of a few letters is hard to read.
    """
    out = console()
    cells = [[_harmless(str(value)) for value in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    room = out.width - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)
    if below and room < min(widths[-1], _READABLE):
        _print(out, _stacked(title, columns, cells, widths, right))
    else:
        _print(out, Group(Text(title, style="bold"), _table(columns, cells, right)))


def show_text(text: str, *, style: str = "") -> None:
    """Print a text, folded between words where a terminal is too narrow for it."""
    _print(console(), Text(_harmless(text), style=style))


def show_finding(mark: str, colour: str, subject: str, detail: str, remedy: str) -> None:
    """Print one finding of a check: a mark, what it is about, what was found, and below it what to do."""
    row = Table.grid(padding=(0, len(_GAP)))
    row.add_column()
    row.add_column(width=_SUBJECT)
    row.add_column(overflow="fold")
    row.add_row(Text(mark, style=colour), Text(subject), Text(_harmless(detail)))
    if remedy:
        row.add_row("", "", Text(_harmless(remedy), style="dim"))
    _print(console(), row)


# The longest subject of a check.
_SUBJECT = 18

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def _harmless(text: str) -> str:
    """A text that cannot steer the terminal: part of what is shown was typed by shoppers."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


_GAP = "  "

# The narrowest column in which a sentence is still read rather than spelled.
_READABLE = 40

# How far such a sentence is indented at most, where it stands under its row.
_INDENT = 7

# More than the longest text in any table: where output goes into a file or a pipe, a row is a line.
_UNFOLDED = 10_000


def _print(out: Console, shown: RenderableType) -> None:
    """Print; into a file or a pipe without the blanks that fill a table's last column."""
    if out.is_terminal:
        out.print(shown)
        return
    with out.capture() as captured:
        out.print(shown)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str]) -> Table:
    made = Table(header_style="bold", box=None, pad_edge=False, show_header=any(columns))
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def _stacked(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int], right: Sequence[str]
) -> Group:
    """The same table with the last column under each row, indented."""
    lines: list[RenderableType] = [Text(title, "bold"), Text(_aligned(columns, columns, widths, right), "bold")]
    for row in rows:
        lines.append(Text(_aligned(row, columns, widths, right)))
        if row[-1]:
            lines.append(Padding(Text(row[-1], style="dim"), (0, 0, 0, min(widths[0] + len(_GAP), _INDENT))))
    return Group(*lines)


def _aligned(row: Sequence[str], columns: Sequence[str], widths: Sequence[int], right: Sequence[str]) -> str:
    """All cells of a row but the last, each as wide as its column."""
    blanks = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
    cells = [
        blank + cell if name in right else cell + blank for name, cell, blank in zip(columns, row, blanks, strict=True)
    ]
    return _GAP.join(cells[:-1]).rstrip()


# --- review ----------------------------------------------------------------------------------------------------------


def show_review(items: Sequence[ReviewItem], *, with_state: bool = False) -> None:
    """The orders that were set aside, oldest first; `with_state` where some of them may be solved or dismissed."""
    if not items:
        click.echo("Nothing is set aside.")
        return
    columns = ("id", "order", *(["state"] if with_state else []), "reason", "since", "next try", "detail")
    rows = [
        (
            item.id,
            item.order_id or "?",
            *([item.state] if with_state else []),
            item.reason,
            _when(item.first_at),
            _next_try(item),
            detail(item),
        )
        for item in items
    ]
    show_table("Set aside", columns, rows, right=("id", "order"), below="detail")
    click.echo()
    for hint in dict.fromkeys(f"{item.reason}: {item.hint}" for item in items if item.state is ReviewState.OPEN):
        show_text(hint, style="dim")


def show_review_item(item: ReviewItem, payload: str) -> None:
    """One order that was set aside, with the payload it came with."""
    rows = [
        ("order", item.order_id or "(no id)"),
        ("reason", item.reason),
        ("where", item.field),
        ("detail", item.detail),
        ("what to do", item.hint),
        ("state", f"{item.state}: {item.note}" if item.note else item.state),
        ("since", _when(item.first_at)),
        ("tried again", item.tries),
        ("next try", _next_try(item)),
    ]
    show_table(f"Review {item.id}", ("", ""), rows)
    click.echo(_harmless(payload))


# Reasons whose detail tells of a value, but not of which.
_ABOUT_A_MEMBER = frozenset({Reason.MISSING_MEMBER, Reason.WRONG_TYPE})


def detail(found: Rejected | ReviewItem) -> str:
    """The detail of what is wrong with an order, with the member that it is about where it does not name it."""
    return f"{found.field}: {found.detail}" if found.reason in _ABOUT_A_MEMBER else found.detail


def _next_try(item: ReviewItem) -> str:
    if item.state is not ReviewState.OPEN:
        return ""
    return _when(item.next_try) or "waits for you"


def review_json(item: ReviewItem) -> Json:
    """One set-aside order as plain values."""
    return {
        "id": item.id,
        "order": item.order_id,
        "reason": item.reason,
        "field": item.field,
        "detail": item.detail,
        "hint": item.hint,
        "state": item.state,
        "since": iso(item.first_at),
        "next_try": _iso(item.next_try),
        "note": item.note,
    }


# --- status ----------------------------------------------------------------------------------------------------------


def show_status(values: Mapping[str, object], runs: Sequence[Run]) -> None:
    """Where the sync stands as pairs, then the last runs."""
    show_table("Status", ("", ""), values.items())
    if runs:
        click.echo()
        rows = [(_when(run.begun_at), _outcome(run), _did(run)) for run in runs]
        show_table("Last runs", ("begun", "outcome", "what it did"), rows, below="what it did")


def run_json(run: Run) -> Json:
    """One run as plain values."""
    return {
        "id": run.id,
        "kind": run.kind,
        "begun": iso(run.begun_at),
        "ended": _iso(run.ended_at),
        "outcome": run.outcome,
        "counts": dict(run.counts),
        "message": run.message,
    }


def _outcome(run: Run) -> str:
    return run.outcome.value.replace("_", " ") if run.outcome else "under way, or killed"


def _did(run: Run) -> str:
    return "; ".join(filter(None, (counts_line(run.counts), run.message)))


def _when(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""


def _iso(at: datetime | None) -> str | None:
    return iso(at) if at else None
