"""What things look like on a terminal: tables and lines for people, plain values for `--json`.

Owns rich. Decides nothing and reads nothing; everything to be shown is handed in.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import click
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bcpoll.checkpoint import ReviewItem, ReviewState, Run
from bcpoll.cli.words import counts_line, harmless
from bcpoll.core.order import Json
from bcpoll.core.personal import masked
from bcpoll.core.rejected import REASONS, Reason, Rejected
from bcpoll.core.times import iso


def console() -> Console:
    """Where data goes: stdout, as wide as the terminal; where there is none, wide enough that nothing is folded."""
    out = Console(highlight=False, soft_wrap=False)
    return out if out.is_terminal else Console(highlight=False, width=_UNFOLDED)


def show_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = (), below: str = ""
) -> None:
    """Print a table. Columns named in `right` are figures; the last one, if named in `below`, is a text of any length.

    A terminal that is too narrow for that text shows it under its row, for a column of a few letters is hard to read;
    one in which figures would be broken shows each row as a list of its values.
    """
    out = console()
    _print(out, _titled(out.width, title, columns, rows, right=right, below=below))


def _titled(
    room: int,
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    below: str = "",
) -> RenderableType:
    """A table under its title, for a terminal of that width."""
    cells = [[harmless(str(value)) for value in row] for row in rows]
    natural = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    left = room - sum(natural[:-1]) - len(_GAP) * (len(natural) - 1)
    is_under = bool(below) and left < min(natural[-1], _READABLE)
    shown: RenderableType | None
    if is_under:
        shown = _stacked(columns, cells, natural, right) if left >= -len(_GAP) else None
    else:
        shown = _table(columns, cells, right, natural, room)
    return Group(Text(harmless(title), style="bold"), shown or _listed(columns, cells, room, is_under=is_under))


def can_show(text: str) -> bool:
    """Whether the terminal's encoding has these signs."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def show_text(text: str, *, style: str = "") -> None:
    """Print a text, folded between words where a terminal is too narrow for it."""
    _print(console(), Text(harmless(text), style=style))


def show_finding(mark: str, colour: str, subject: str, detail: str, remedy: str) -> None:
    """Print one finding of a check: a mark, what it is about, what was found, and below it what to do."""
    row = Table.grid(padding=(0, len(_GAP)))
    row.add_column()
    row.add_column(width=_SUBJECT)
    row.add_column(overflow="fold")
    row.add_row(Text(mark, style=colour), Text(subject), Text(harmless(detail)))
    if remedy:
        row.add_row("", "", Text(harmless(remedy), style="dim"))
    _print(console(), row)


# The longest subject of a check.
_SUBJECT = 18

_GAP = "  "

# The narrowest column in which a sentence is still read rather than spelled, and that for a name or a code.
_READABLE = 40
_LEAST = 16

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


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str], natural: Sequence[int], room: int
) -> Table | None:
    """The rows in columns of which no figure is broken and no text is folded too narrowly; None without room for it."""
    least = [
        max(map(cell_len, (*cells, *name.split()))) if name in right else min(width, _LEAST)
        for name, width, cells in zip(columns, natural, [*zip(*rows, strict=True)] or [()] * len(columns), strict=True)
    ]
    for gap in (len(_GAP), 1):
        widths = _fitted(natural, least, [name in right for name in columns], room - gap * (len(columns) - 1))
        if widths is not None:
            break
    else:
        return None
    made = Table(header_style="bold", box=None, pad_edge=False, padding=(0, gap, 0, 0), show_header=any(columns))
    for name, width in zip(columns, widths, strict=True):
        made.add_column(name, justify="right" if name in right else "left", overflow="fold", width=width)
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def _fitted(natural: Sequence[int], least: Sequence[int], is_figure: Sequence[bool], room: int) -> Sequence[int] | None:
    """The widths that fit into the room: first the titles of figures give way, then the widest texts; None: none do."""
    widths = list(natural)
    while sum(widths) > room:
        can_give = [at for at, width in enumerate(widths) if width > least[at]]
        if not can_give:
            return None
        widths[max(can_give, key=lambda at: (is_figure[at], widths[at]))] -= 1
    return widths


def _stacked(
    columns: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int], right: Sequence[str]
) -> Group:
    """The same rows with the last column under each, indented."""
    lines: list[RenderableType] = [Text(_aligned(columns, columns, widths, right), "bold")]
    for row in rows:
        lines.append(Text(_aligned(row, columns, widths, right)))
        if row[-1]:
            lines.append(Padding(Text(row[-1], style="dim"), (0, 0, 0, min(widths[0] + len(_GAP), _INDENT))))
    return Group(*lines)


def _listed(columns: Sequence[str], rows: Iterable[Sequence[str]], room: int, *, is_under: bool) -> Group:
    """The same rows without columns, each value after its name; with `is_under`, the last one on lines of its own."""
    lines: list[RenderableType] = []
    for row in rows:
        cells = row[:-1] if is_under else row
        named = [f"{name}: {value}" if name else value for name, value in zip(columns, cells, strict=False) if value]
        first, *others = _packed(named, room) or [""]
        lines += [Text(first), *(_indented(Text(line)) for line in others)]
        if is_under and row[-1]:
            lines.append(_indented(Text(row[-1], style="dim")))
    return Group(*lines)


def _indented(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, len(_GAP)))


def _packed(parts: Iterable[str], room: int) -> Sequence[str]:
    """The parts on as few lines as they fit on, none of them broken, with room for all but the first to be indented."""
    lines: list[str] = []
    for part in parts:
        if lines and cell_len(lines[-1]) + len(_GAP) + cell_len(part) <= room - len(_GAP):
            lines[-1] += _GAP + part
        else:
            lines.append(part)
    return lines


def _aligned(row: Sequence[str], columns: Sequence[str], widths: Sequence[int], right: Sequence[str]) -> str:
    """All cells of a row but the last, each as wide as its column."""
    blanks = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
    cells = [
        blank + cell if name in right else cell + blank for name, cell, blank in zip(columns, row, blanks, strict=True)
    ]
    return _GAP.join(cells[:-1]).rstrip()


# --- review ----------------------------------------------------------------------------------------------------------


def by_reason(items: Iterable[ReviewItem]) -> Mapping[Reason, Sequence[ReviewItem]]:
    """Orders that were set aside by reason, in the order in which they come."""
    groups: dict[Reason, list[ReviewItem]] = {}
    for item in items:
        groups.setdefault(item.reason, []).append(item)
    return groups


def show_review(every: Sequence[ReviewItem], *, with_state: bool = False) -> None:
    """The orders that were set aside, by reason; `with_state` where some of them may be solved or dismissed."""
    if not every:
        click.echo("Nothing is set aside.")
    for number, (reason, items) in enumerate(by_reason(every).items()):
        if number:
            click.echo()
        columns = ("id", "order", *(["state"] if with_state else []), "since", "next try", "detail")
        rows = [
            (
                item.id,
                item.order_id or "?",
                *([item.state] if with_state else []),
                _when(item.first_at),
                _next_try(item),
                masked(detail(item)),
            )
            for item in items
        ]
        show_table(f"{reason} ({len(items)})", columns, rows, right=("id", "order"), below="detail")
        show_text(REASONS[reason].hint, style="dim")


def show_review_item(item: ReviewItem, detail: str) -> None:
    """One order that was set aside: what is the matter, and what to do about it."""
    rows = [
        ("order", item.order_id or "(no id)"),
        ("reason", item.reason),
        ("where", item.field),
        ("detail", detail),
        ("cause", REASONS[item.reason].cause),
        ("what to do", REASONS[item.reason].remedy),
        ("state", f"{item.state}: {item.note}" if item.note else item.state),
        ("since", _when(item.first_at)),
        ("tried again", item.tries),
        ("next try", _next_try(item)),
    ]
    show_table(f"Review {item.id}", ("", ""), rows)


def show_payload(title: str, text: str) -> None:
    """A payload under a title of its own."""
    click.echo()
    show_text(title, style="bold")
    click.echo(harmless(text))


# Reasons whose detail tells of a value, but not of which.
_ABOUT_A_MEMBER = frozenset({Reason.MISSING_MEMBER, Reason.WRONG_TYPE})


def detail(found: Rejected | ReviewItem) -> str:
    """The detail of what is wrong with an order, with the member that it is about where it does not name it."""
    return f"{found.field}: {found.detail}" if found.reason in _ABOUT_A_MEMBER else found.detail


def _next_try(item: ReviewItem) -> str:
    if item.state is not ReviewState.OPEN:
        return ""
    return _when(item.next_try) or "waits for you"


def reason_json(reason: Reason, items: Sequence[ReviewItem]) -> Json:
    """A reason with what is set aside for it, as plain values."""
    text = REASONS[reason]
    return {
        "reason": reason,
        "count": len(items),
        "oldest": _iso(min(item.first_at for item in items)),
        "cause": text.cause,
        "remedy": text.remedy,
    }


def review_json(item: ReviewItem) -> Json:
    """One set-aside order as plain values."""
    return {
        "id": item.id,
        "order": item.order_id,
        "reason": item.reason,
        "field": item.field,
        "detail": masked(item.detail),
        "hint": item.hint,
        "state": item.state,
        "since": iso(item.first_at),
        "next_try": _iso(item.next_try),
        "note": item.note,
    }


# --- status ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPage:
    """All that `bcpoll status` shows: pairs of a label and a text, what was ordered when, and the last runs."""

    pairs: Sequence[tuple[str, str]]
    orders_title: str
    orders: Sequence[Sequence[object]]
    runs: Sequence[Run]

    def within(self, width: int) -> RenderableType:
        """The page for a terminal of that width."""
        parts: list[RenderableType] = [_titled(width, "Status", ("", ""), self.pairs)]
        parts += ["", self._orders(width)]
        if self.runs:
            rows = [(_when(run.begun_at), _outcome(run), _did(run)) for run in self.runs]
            columns = ("begun", "outcome", "what it did")
            parts += ["", _titled(width, "Last runs", columns, rows, below="what it did")]
        return Group(*parts)

    def _orders(self, width: int) -> RenderableType:
        if width < _FOR_FIGURES:
            rows = [
                (name, f"{orders} orders of {ordered}, {sales} sales of {sold}")
                for name, orders, ordered, sales, sold in self.orders
            ]
            return _titled(width, self.orders_title, ("", ""), rows)
        numbers = ("orders", "in BigCommerce", "sales", "in the POS")
        return _titled(width, self.orders_title, ("", *numbers), self.orders, right=numbers)


# Where a terminal is narrower, columns of figures would be broken in the middle of a figure.
_FOR_FIGURES = 66


def show_status(page: StatusPage) -> None:
    """Print where the sync stands."""
    out = console()
    _print(out, page.within(out.width))


def watch_status(page: Callable[[], StatusPage], wait: Callable[[], bool]) -> None:
    """Show the page, and anew each time that `wait` gives False, in place of what the terminal showed meanwhile."""
    out = console()
    with Live(page().within(out.width), console=out, screen=True, auto_refresh=False) as live:
        while not wait():
            live.update(page().within(out.width), refresh=True)


_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = "_.:-=+*#"


def sparkline(counts: Sequence[int]) -> str:
    """Counts as bars of one letter each, none being the lowest and the most the highest."""
    bars = _BARS if can_show(_BARS) else _PLAIN_BARS
    most = max(counts, default=0) or 1
    return "".join(bars[-(-count * (len(bars) - 1) // most)] for count in counts)


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
