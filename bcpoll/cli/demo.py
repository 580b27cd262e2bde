"""What `bcpoll demo` shows: a first pass, what became of each order, stock before and after, and a second pass.

Works on the sandbox through the same adapters, settings and checkpoint as a real shop; nothing here is made up.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from bcpoll.checkpoint import LedgerRow, ReviewItem
from bcpoll.cli import render, rules, wiring, words
from bcpoll.cli.options import print_json
from bcpoll.config import Settings
from bcpoll.core.money import round_money
from bcpoll.core.order import Json, code_key
from bcpoll.core.sale import SaleState
from bcpoll.core.shop import Fulfillment, PosProduct, PosSale
from bcpoll.core.status import OrderStatus
from bcpoll.cycle import Report, run_pass
from bcpoll.ports import PointOfSale
from bcpoll.sandbox.seed import place_late_order
from bcpoll.sandbox.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Remarks:
    """What there is to say about a world: notices on how it was made, and what each order of it shows, by id."""

    notices: tuple[str, ...] = ()
    titles: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of one order."""

    order_id: int
    status: str
    state: str
    order_total: str
    sale_total: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StockMove:
    """What the passes did to the stock of one product."""

    code: str
    name: str
    before: str
    after: str
    left_in_store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Passed:
    """A pass with what it took."""

    report: Report
    requests: Mapping[str, int]
    writes: int


def show(world: World, config: Path, remarks: Remarks, *, as_json: bool) -> None:
    """Run two passes over a sandbox, and a third that tracks fulfilment, and print what they did."""
    settings = wiring.settings_of(config, {})
    with _without_warnings():
        was = rules.before(world.pos)
        before = _stock(settings)
        first = _pass(world, settings)
        fates, moves, items = _results(world, settings, before, remarks.titles)
        second = _pass(world, settings)
        showed = list(rules.seen(world, was))
        late = place_late_order(world.store)
        third = _pass(world, _tracking(settings)) if late else None
        showed += rules.tracked(world)
    if as_json:
        print_json(_as_json(first, second, fates, moves, items, remarks.notices) | {"showed": dict(showed)})
        return
    for notice in remarks.notices:
        render.show_text(notice, style="dim")
    words.say(f"First pass: {words.report_line(first.report, first.requests)}")
    click.echo()
    right = ("order", "order total", "sale total")
    columns = ("order", "status", "sale", "order total", "sale total", "note")
    rows = [(f.order_id, f.status, f.state, f.order_total, f.sale_total, f.note) for f in fates]
    render.show_table("What became of each order", columns, rows, right=right, below="note")
    if moves:
        click.echo()
        _show_stock(moves)
    click.echo()
    render.show_review(items)
    click.echo()
    words.say(f"Second pass: {words.report_line(second.report, second.requests)}")
    click.echo(f"It wrote {second.writes or 'nothing'} to the POS.")
    if third is not None:
        told = words.report_line(third.report, third.requests)
        words.say(f'Third pass, over the new order {late} and with fulfillment = "track": {told}')
    click.echo()
    render.show_table("What this showed", ("rule", "seen"), showed, below="seen")


def _tracking(settings: Settings) -> Settings:
    """The same settings, but with orders that are not yet shipped shown on the POS's Fulfillments page."""
    sync = settings.sync.model_copy(update={"fulfillment": Fulfillment.TRACK})
    return settings.model_copy(update={"sync": sync})


@contextmanager
def _without_warnings() -> Iterator[None]:
    """What is set aside is shown in a table of its own; the warnings about it would only stand in front of it."""
    ours = logging.getLogger("bcpoll")
    level = ours.level
    if level == logging.WARNING:
        ours.setLevel(logging.ERROR)
    try:
        yield
    finally:
        ours.setLevel(level)


def _pass(world: World, settings: Settings) -> _Passed:
    before = len(world.log)
    with wiring.connected(settings, command="demo", stop=threading.Event()) as connection:
        report = run_pass(connection.shell)
        writes = sum(1 for request in list(world.log)[before:] if request.is_write)
        return _Passed(report=report, requests=connection.requests, writes=writes)


def _stock(settings: Settings) -> Mapping[tuple[str, str], str]:
    """The POS's stock by product and outlet."""
    with wiring.connected(settings, command="demo", stop=threading.Event()) as connection:
        return connection.pos.stock_levels()


# --- what became of the orders ---------------------------------------------------------------------------------------


def _results(
    world: World, settings: Settings, before: Mapping[tuple[str, str], str], titles: Mapping[int, str]
) -> tuple[list[Fate], list[StockMove], list[ReviewItem]]:
    orders = [order.fields for order in world.store.by_id()]
    with wiring.connected(settings, command="demo", stop=threading.Event()) as connection:
        ledger = connection.checkpoint.ledger([int(order["id"]) for order in orders])
        items = connection.checkpoint.review_items()
        written = [row for row in ledger.values() if row.applied.sale_id]
        sales = {row.order_id: connection.pos.sale(row.applied.sale_id) for row in written}
        products = {product.id: product for page in connection.pos.products_after(0) for product in page.rows}
        moves = sorted(_moves(connection.pos, products, before, _left(world)), key=lambda move: code_key(move.code))
    set_aside = {item.order_id: item for item in items}

    def fate(order: Json) -> Fate:
        number = order["id"]
        sale, title = sales.get(number), titles.get(number, "")
        notes = _notes(title, _title(order["status_id"]), ledger.get(number), sale, products)
        return _fate(order, sale=sale, item=set_aside.get(number), notes=notes)

    return [fate(order) for order in orders], moves, items


def _fate(order: Json, *, sale: PosSale | None, item: ReviewItem | None, notes: Iterable[str]) -> Fate:
    return Fate(
        order_id=order["id"],
        status=_title(order["status_id"]),
        state=sale.state if sale else "set aside" if item else "not imported",
        order_total=_stated(order["total_inc_tax"]),
        sale_total=_amount(sale.total) if sale and sale.total is not None else "",
        note="; ".join([*notes, *([str(item.reason)] if item else [])]),
    )


def _title(status_id: int) -> str:
    return OrderStatus(status_id).title if status_id in set(OrderStatus) else f"status {status_id}"


def _stated(total: object) -> str:
    """An order's own total; order files may hold something that is no amount, which is shown as it stands."""
    try:
        return _amount(Decimal(str(total)))
    except InvalidOperation:
        return str(total)


def _amount(amount: Decimal) -> str:
    return f"{round_money(amount, 2):f}"


def _notes(
    title: str, status: str, row: LedgerRow | None, sale: PosSale | None, products: Mapping[str, PosProduct]
) -> Iterator[str]:
    """What is worth telling of an order: what it shows, how it was paid, who bought, and how it was read."""
    if title and title.casefold() != status.casefold():
        yield title
    if row is None or sale is None:
        return
    payments = [str(payment.get("type", {}).get("name") or "paid") for payment in sale.document.get("payments", [])]
    if sale.state == SaleState.CLOSED:
        yield f"paid by {' + '.join(payments)}" if payments else "unpaid"
    if not row.customer_key:
        yield "walk-in"
    charges = [name for line in sale.document.get("line_items", []) for name in _charge(line, products)]
    if charges:
        yield f"with {', '.join(dict.fromkeys(charges))}"
    yield from row.note.splitlines()


def _charge(line: Json, products: Mapping[str, PosProduct]) -> Iterator[str]:
    """The name of the charge that a line stands for, if it stands for one."""
    product = products.get(line.get("product", {}).get("id", ""))
    if product and product.name.endswith(rules.CHARGE_MARK):
        yield product.name.removesuffix(rules.CHARGE_MARK).lower()


# --- stock -----------------------------------------------------------------------------------------------------------


def _moves(
    pos: PointOfSale,
    products: Mapping[str, PosProduct],
    before: Mapping[tuple[str, str], str],
    left: Mapping[str, str],
) -> Iterator[StockMove]:
    """Every product whose stock at an outlet is not what it was, or that is new."""
    after = pos.stock_levels()
    for (product_id, outlet_id), level in after.items():
        product = products.get(product_id)
        was = before.get((product_id, outlet_id))
        if product is None or not product.tracks_stock or was == level:
            continue
        code = product.codes[0] if product.codes else ""
        yield StockMove(
            code=code,
            name=product.name,
            before="(new)" if was is None else was,
            after=level,
            left_in_store=left.get(code_key(code), ""),
        )


def _left(world: World) -> Mapping[str, str]:
    """What the store has left, by code key."""
    catalogue = world.store.catalogue
    codes = {product.sku for product in catalogue} | {one.sku for product in catalogue for one in product.variants}
    left = {code: catalogue.left(code) for code in codes - {""}}
    return {code_key(code): str(count) for code, count in left.items() if count is not None}


def _show_stock(moves: Sequence[StockMove]) -> None:
    rows = [(move.code, move.name, move.before, move.after, move.left_in_store) for move in moves]
    columns = ("code", "product", "before", "after", "left in BigCommerce")
    render.show_table("Stock in the POS", columns, rows, right=("before", "after", "left in BigCommerce"))
    if any(move.left_in_store not in ("", move.after) for move in moves):
        render.show_text(_WHY_STOCK_DIFFERS, style="dim")


_WHY_STOCK_DIFFERS = "The two differ by the units of orders that are pending or set aside."


def _as_json(
    first: _Passed,
    second: _Passed,
    fates: Iterable[Fate],
    moves: Iterable[StockMove],
    items: Iterable[ReviewItem],
    notices: Sequence[str],
) -> dict[str, Any]:
    return {
        "notices": list(notices),
        "first_pass": dict(first.report.counts),
        "orders": [{name: getattr(fate, name) for name in Fate.__slots__} for fate in fates],
        "stock": [{name: getattr(move, name) for name in StockMove.__slots__} for move in moves],
        "set_aside": [render.review_json(item) for item in items],
        "second_pass": dict(second.report.counts),
        "second_pass_writes": second.writes,
    }
