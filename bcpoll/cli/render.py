"""What things look like on a terminal: tables and lines for people, plain values for `--json`.

Owns rich. Decides nothing and reads nothing; everything to be shown is handed in.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bcpoll.apply import Planned
from bcpoll.checkpoint import ReviewItem, Run
from bcpoll.core.bodies import sale_body
from bcpoll.core.order import Json, code_key
from bcpoll.core.rejected import Rejected
from bcpoll.core.sale import Action, CreateSale, SettleSale, VoidSale
from bcpoll.cycle import Preview, Report
from bcpoll.resolve import sold_units

# What a pass counts, in the order and the words in which it is told; what is not listed is for --json.
_COUNTED = (
    ("created", "sales written"),
    ("settled", "sales paid"),
    ("voided", "sales voided"),
    ("customers_created", "customers created"),
    ("products_created", "products created"),
    ("not_imported", "not to import"),
    ("unchanged", "unchanged"),
    ("set_aside", "set aside"),
)


def console() -> Console:
    """Where data goes: stdout, as wide as the terminal, or wide enough not to cut where there is none."""
    out = Console(highlight=False, soft_wrap=False)
    return out if out.is_terminal else Console(highlight=False, width=160)


def report_line(report: Report, requests: Mapping[str, int]) -> str:
    """One line on what a pass did."""
    done = [f"{report.counts[name]} {words}" for name, words in _COUNTED if report.counts.get(name)]
    asked = f"{requests['bigcommerce']} + {requests['pos']} requests to BigCommerce and the POS"
    waiting = f"; {report.waiting} waiting in review (bcpoll review list)" if report.waiting else ""
    return f"{', '.join(done) or 'nothing to do'} ({asked}){waiting}"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> Table:
    """A table; columns named in `right` are numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(value if isinstance(value, Text) else Text(str(value)) for value in row))
    return made


# --- dry run ---------------------------------------------------------------------------------------------------------


def show_preview(preview: Preview) -> None:
    """What a pass would write, order by order, and its effect on money and stock."""
    out = console()
    busy = [one for one in preview.planned if one.plan.actions]
    if busy:
        rows = [(one.order_id, _does(action), *_sums(action)) for one in busy for action in one.plan.actions]
        out.print(table("Would be written", ("order", "action", "total", "tax"), rows, right=("order", "total", "tax")))
        units = sold_units(_creations(busy))
        stock = sorted((code, f"-{count}") for code, count in units.items())
        out.print(table("Stock that sales would take out", ("code", "units"), stock, right=("units",)))
    else:
        out.print("Nothing would be written.")
    if preview.rejected:
        rejected = [(one.order_id, one.reason, one.detail) for one, _ in preview.rejected]
        out.print(table("Would be set aside", ("order", "reason", "detail"), rejected, right=("order",)))


def preview_json(preview: Preview) -> Json:
    """The same as plain values, with the bodies that would be sent; ids that do not exist yet are named, not given."""
    return {
        "writes": [
            {"order": one.order_id, "action": _does(action), "sale_id": action.sale_id, "body": _body(action)}
            for one in preview.planned
            for action in one.plan.actions
        ],
        "stock": {code: -count for code, count in sold_units(_creations(preview.planned)).items()},
        "set_aside": [_rejected_json(rejected) for rejected, _ in preview.rejected],
    }


def _creations(planned: Iterable[Planned]) -> list[CreateSale]:
    return [action for one in planned for action in one.plan.actions if isinstance(action, CreateSale)]


def _does(action: Action) -> str:
    match action:
        case CreateSale():
            return f"create sale, {action.sale.state}"
        case SettleSale():
            return "add payments"
        case VoidSale():
            return "void sale"


def _sums(action: Action) -> tuple[object, object]:
    return ("", "") if isinstance(action, VoidSale) else (action.sale.total, action.sale.tax)


def _body(action: Action) -> Json | None:
    """The body with codes and keys in place of the POS's ids for products and customers."""
    if not isinstance(action, CreateSale):
        return None
    sale = action.sale
    codes = {code_key(line.code): f"product {line.code}" for line in sale.lines}
    return sale_body(sale, action.sale_id, sale.buyer.key if sale.buyer else None, codes)


def _rejected_json(rejected: Rejected) -> Json:
    return {
        "order": rejected.order_id,
        "reason": rejected.reason,
        "field": rejected.field,
        "detail": rejected.detail,
        "hint": rejected.hint,
    }


# --- review ----------------------------------------------------------------------------------------------------------


def show_review(items: Sequence[ReviewItem]) -> None:
    """The orders that were set aside, oldest first."""
    out = console()
    if not items:
        out.print("Nothing is set aside.")
        return
    rows = [
        (item.id, item.order_id or "?", item.reason, item.detail, _when(item.first_at), _when(item.next_try))
        for item in items
    ]
    columns = ("id", "order", "reason", "detail", "since", "next try")
    out.print(table("Set aside", columns, rows, right=("id", "order")))
    for hint in dict.fromkeys(f"{item.reason}: {item.hint}" for item in items):
        out.print(Text(hint), style="dim")


def show_review_item(item: ReviewItem, payload: str) -> None:
    """One order that was set aside, with the payload it came with."""
    out = console()
    rows = [
        ("order", item.order_id or "(no id)"),
        ("reason", item.reason),
        ("where", item.field),
        ("detail", item.detail),
        ("what to do", item.hint),
        ("state", f"{item.state} {item.note}".strip()),
        ("since", _when(item.first_at)),
        ("tried again", item.tries),
        ("next try", _when(item.next_try) or "when you say so: bcpoll review retry"),
    ]
    out.print(table(f"Review {item.id}", ("", ""), rows))
    out.print(payload, markup=False)


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
        "since": _when(item.first_at),
        "next_try": _when(item.next_try),
        "note": item.note,
    }


# --- status ----------------------------------------------------------------------------------------------------------


def show_status(values: Mapping[str, object], runs: Sequence[Run]) -> None:
    """Cursor, lag and counts as pairs, then the last runs."""
    out = console()
    out.print(table("Status", ("", ""), values.items()))
    if runs:
        rows = [(_when(run.begun_at), run.kind, _outcome(run), _counts(run.counts), run.message) for run in runs]
        out.print(table("Last runs", ("begun", "kind", "outcome", "counts", "message"), rows))


def run_json(run: Run) -> Json:
    """One run as plain values."""
    return {
        "id": run.id,
        "kind": run.kind,
        "begun": _when(run.begun_at),
        "ended": _when(run.ended_at),
        "outcome": run.outcome,
        "counts": dict(run.counts),
        "message": run.message,
    }


def _outcome(run: Run) -> str:
    return run.outcome.value.replace("_", " ") if run.outcome else "under way, or killed"


def _counts(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{counts[name]} {words}" for name, words in _COUNTED if counts.get(name)) or "nothing to do"


def _when(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""
