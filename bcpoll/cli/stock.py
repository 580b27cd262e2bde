"""`bcpoll stock`: every unit that a write of ours moved, for an order or for a product."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import Options, csv_line, pass_options, print_json

if TYPE_CHECKING:
    from bcpoll.checkpoint import Checkpoint, StockMove

_KINDS = {
    "product": "opening stock",
    "sale": "sale",
    "void_sale": "void",
    "refund": "refund",
    "stock": "adjustment",
}

_OTHERS = "What the till sells, and what is delivered or counted, is the POS's own and not in here."


@click.command(epilog="Example: bcpoll stock MUG-BLUE", short_help="Explain every unit of stock that bcpoll moved.")
@click.argument("what", metavar="ORDER|SKU")
@click.option("--sku", "is_sku", is_flag=True, help="Take a number for a SKU too.")
@click.option("--csv", "as_csv", is_flag=True, help="Print every move as a line of CSV.")
@pass_options
def stock(options: Options, what: str, is_sku: bool, as_csv: bool) -> None:  # noqa: FBT001
    """Explain every unit of stock that bcpoll moved, for an order or for a product.

    A number is an order, anything else a SKU. Needs no network: sales, voids, refunds, adjustments and the stock that a
    product was created with are told from the checkpoint. What others did to the stock is not in here.
    """
    from bcpoll.cli import wiring
    from bcpoll.references import outlet_names

    if as_csv and options.as_json:
        raise click.UsageError("Say either --json or --csv.")
    settings = wiring.settings_of(options.config, options.environ)
    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        is_order = what.isascii() and what.isdigit() and not is_sku
        found = _of_order(checkpoint, int(what)) if is_order else _of_product(checkpoint, what.strip())
        outlets = outlet_names(checkpoint)
    if options.as_json:
        print_json(_as_json(found, outlets))
    elif as_csv:
        click.echo(csv_line(_CSV), nl=False)
        for row in _rows(found, outlets):
            click.echo(csv_line(row[name] for name in _CSV), nl=False)
    else:
        _show(found, outlets)


COMMANDS = (stock,)

_CSV = ("at", "what", "order", "code", "outlet", "units", "together", "target", "run")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The moves of an order (0 for none) or of a product."""

    order_id: int
    code: str
    name: str
    moves: "Sequence[StockMove]"
    remarks: Sequence[str] = ()


def _of_order(checkpoint: "Checkpoint", order_id: int) -> _Found:
    row = checkpoint.ledger([order_id]).get(order_id)
    if row is None and checkpoint.review_item_of(order_id) is None and not checkpoint.history(order_id):
        raise click.UsageError(f"The checkpoint has no order {order_id}; --sku takes the number for a SKU.")
    moves = checkpoint.stock_moves_of_order(order_id)
    return _Found(
        order_id=order_id, code="", name="", moves=moves, remarks=tuple(_remarks(checkpoint, order_id, moves))
    )


def _remarks(checkpoint: "Checkpoint", order_id: int, moves: "Sequence[StockMove]") -> Iterator[str]:
    """What the moves alone would leave unexplained."""
    from bcpoll.core.sale import AppliedState

    row, item = checkpoint.ledger([order_id]).get(order_id), checkpoint.review_item_of(order_id)
    if item is not None and item.state == "open":
        yield f"The order is set aside ({item.reason}): what is still to be written of it has moved nothing yet."
    if row is not None and row.applied.state is AppliedState.OPEN:
        yield "The sale is still to be handed over: at the latest then, the POS takes its units out of stock."
    taken = sum(move.units for move in moves if row is not None and move.target == row.applied.sale_id)
    if row is not None and row.applied.state is AppliedState.VOIDED and taken:
        yield f"Sale {row.applied.sale_id} was voided in the POS by hand, which gave back what it had taken."


def _of_product(checkpoint: "Checkpoint", code: str) -> _Found:
    from bcpoll.core.order import code_key

    product_ids = checkpoint.product_ids([code_key(code)]).get(code_key(code), ())
    moves = checkpoint.stock_moves_of_code(code, product_ids)
    if not moves and not product_ids:
        raise click.UsageError(f"The checkpoint knows no product {code!r}. Write its SKU as it stands in the POS.")
    names = checkpoint.product_codes([*product_ids, *(move.product_id for move in moves)])
    name = next((name for _, name in names.values()), "")
    remarks: tuple[str, ...] = ()
    if product_ids and not checkpoint.stock_tracked(product_ids):
        remarks = ("The POS does not count the stock of this product.",)
    return _Found(order_id=0, code=code, name=name, moves=moves, remarks=remarks)


# --- text ------------------------------------------------------------------------------------------------------------


def _show(found: _Found, outlets: Mapping[str, str]) -> None:
    from bcpoll.cli import render

    subject = f"order {found.order_id}" if found.order_id else found.code + (f" ({found.name})" if found.name else "")
    if found.moves:
        own = "code" if found.order_id else "order"
        columns = ("when", "what", own, "outlet", "units", "together", "sale")
        rows = [
            (
                row["when"],
                row["what"],
                row[own] or "",
                row["outlet"],
                f"{row['units']:+d}",
                row["together"],
                row["sale"],
            )
            for row in _rows(found, outlets)
        ]
        right = ("units", "together", *(["order"] if own == "order" else []))
        render.show_table(f"Stock moved for {subject}", columns, rows, right=right)
    else:
        render.show_text(f"bcpoll moved no stock for {subject}.")
    if found.remarks or not found.order_id:
        click.echo()
    for remark in found.remarks:
        render.show_text(remark)
    if not found.order_id:
        render.show_text(_OTHERS)


def _rows(found: _Found, outlets: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The moves, each with what all up to it come to for its product at its outlet."""
    from bcpoll.core.times import iso

    together: dict[tuple[str, str], int] = {}
    for move in found.moves:
        place = (move.product_id, move.outlet_id)
        together[place] = together.get(place, 0) + move.units
        is_opening = move.kind == "product"
        yield {
            "at": iso(move.at),
            "when": f"{move.at:%Y-%m-%d %H:%M:%S} UTC",
            "what": _KINDS.get(move.kind, move.kind) if move.order_id or is_opening else "history put back",
            "order": move.order_id or None,
            "code": move.code,
            "outlet": outlets.get(move.outlet_id, move.outlet_id),
            "units": move.units,
            "together": together[place],
            "target": move.target,
            "sale": move.target if move.order_id else "",
            "run": move.run_id,
        }


# --- plain values ----------------------------------------------------------------------------------------------------


def _as_json(found: _Found, outlets: Mapping[str, str]) -> dict[str, Any]:
    return {
        "order": found.order_id or None,
        "code": found.code or None,
        "name": found.name or None,
        "moves": [{name: row[name] for name in _CSV} for row in _rows(found, outlets)],
        "units": sum(move.units for move in found.moves),
        "notes": list(found.remarks),
    }
