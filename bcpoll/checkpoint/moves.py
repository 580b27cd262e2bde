"""Moves of stock: what each write did to the stock of the POS, so that every unit can be accounted for.

Owns which write moved what, from the moment it is settled as done; kept for ever, unlike the bodies it is taken from.
Knows nothing of what others move: sales at the till, deliveries and counts are the POS's own.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from bcpoll.checkpoint.columns import any_of, json_of, plain, time_of, time_text
from bcpoll.checkpoint.file import CheckpointFile, Row
from bcpoll.checkpoint.records import IntentKind, StockMove, StockOwed
from bcpoll.core.order import Json, code_key

_ITEM = "INSERT OR IGNORE INTO stock_items (code, code_key, product_id, outlet_id) VALUES (?, ?, ?, ?)"

# Of a product that is known as not counted the POS moves nothing.
_NOTE = """
    INSERT INTO stock_moves (at, kind, order_id, target, item_id, units, run_id)
    SELECT ?, ?, ?, ?, id, ?, ? FROM stock_items WHERE code = ? AND product_id = ? AND outlet_id = ?
        AND NOT EXISTS (SELECT 1 FROM products WHERE products.id = stock_items.product_id AND NOT tracks_stock)
"""

# What a void gives back is what its sale took, whatever product it went by then.
_GIVE_BACK = """
    INSERT INTO stock_moves (at, kind, order_id, target, item_id, units, run_id)
    SELECT ?, ?, order_id, target, item_id, -sum(units), ? FROM stock_moves
    WHERE target = ? AND kind <> 'stock' GROUP BY item_id HAVING sum(units) <> 0 ORDER BY min(id)
"""


class StockMoves(CheckpointFile):
    """The part of the checkpoint that accounts for the stock."""

    def stock_moves_of_order(self, order_id: int) -> list[StockMove]:
        """What was moved for an order, oldest first."""
        return self._read(_move, "SELECT * FROM stock_account WHERE order_id = ? ORDER BY at, id", order_id)

    def stock_moves_of_code(self, code: str, product_ids: Collection[str] = ()) -> list[StockMove]:
        """What was moved of a product, oldest first: under a code, or under any that these products went by."""
        return self._read(
            _move,
            "SELECT * FROM stock_account WHERE code_key = ? OR product_id IN (SELECT value FROM json_each(?))"
            " ORDER BY at, id",
            plain(code_key(code)),
            any_of(product_ids),
        )

    def moved_by_sales(self, sale_ids: Collection[str]) -> dict[str, list[StockOwed]]:
        """What each of these sales has moved by now, its void taken in; one that moved nothing is absent."""
        rows = self._rows(
            "SELECT target, outlet_id, product_id, sum(units) AS units FROM stock_account"
            " WHERE kind <> ? AND target IN (SELECT value FROM json_each(?))"
            " GROUP BY target, outlet_id, product_id HAVING sum(units) <> 0",
            IntentKind.STOCK,
            any_of(sale_ids),
        )
        moved: dict[str, list[StockOwed]] = {}
        for row in rows:
            units = StockOwed(outlet_id=row["outlet_id"], product_id=row["product_id"], units=row["units"])
            moved.setdefault(row["target"], []).append(units)
        return moved

    def _note_moves(self, row: Row, result: str, at: datetime) -> None:
        """Note what a write did that is done now."""
        if row["kind"] == IntentKind.VOID_SALE:
            self._write(_GIVE_BACK, time_text(at), row["kind"], row["run_id"], row["target"])
            return
        read = _READERS.get(row["kind"])
        moves = list(read(json_of(row["body"] or "{}"), result)) if read else []
        codes = self._codes_of({str(move["product_id"]) for move in moves if not move["code"]})
        items = [
            (
                plain(str(move["code"] or codes.get(str(move["product_id"]), ""))),
                str(move["product_id"]),
                str(move["outlet_id"]),
            )
            for move in moves
        ]
        self._write_many(
            _ITEM, ((code, code_key(code), product_id, outlet_id) for code, product_id, outlet_id in items)
        )
        written = (time_text(at), row["kind"], row["order_id"], row["target"])
        self._write_many(
            _NOTE,
            ((*written, int(move["units"]), row["run_id"], *item) for move, item in zip(moves, items, strict=True)),
        )

    def _codes_of(self, product_ids: Collection[str]) -> dict[str, str]:
        """The code that each of these products was last sold under; one that never was is absent."""
        if not product_ids:
            return {}
        rows = self._rows(
            "SELECT product_id, code, max(id) FROM stock_account WHERE product_id IN (SELECT value FROM json_each(?))"
            " GROUP BY product_id",
            any_of(product_ids),
        )
        return {row["product_id"]: row["code"] for row in rows}


def _of_sale(body: Json, _result: str) -> Iterator[Json]:
    yield from body.get("moves", ())


def _of_product(body: Json, result: str) -> Iterator[Json]:
    """The stock that a product was created with; the write's result is its id."""
    for level in body.get("request", {}).get("inventory", ()):
        units = {"outlet_id": level["outlet_id"], "units": int(level["current_amount"])}
        yield {"code": str(body["request"]["sku"]), "product_id": result, **units}


def _of_adjustment(body: Json, result: str) -> Iterator[Json]:
    """The items of an adjustment, less what its result says is still to be sent, by product."""
    rest = _rest(result)
    for item in body.get("items", ()):
        product_id = str(item["product_id"])
        units = int(item["quantity"]) + int(rest.get(product_id, 0))
        if units:
            yield {"code": "", "product_id": product_id, "outlet_id": item["outlet_id"], "units": units}


def _rest(result: str) -> Mapping[str, Any]:
    told = json_of(result) if result.startswith("{") else {}
    return told if isinstance(told, dict) else {}


_READERS = {
    IntentKind.SALE: _of_sale,
    IntentKind.REFUND: _of_sale,
    IntentKind.PRODUCT: _of_product,
    IntentKind.STOCK: _of_adjustment,
}


def _move(row: Row) -> StockMove:
    return StockMove(
        at=time_of(row["at"]),
        kind=IntentKind(row["kind"]),
        order_id=row["order_id"],
        target=row["target"],
        code=row["code"],
        product_id=row["product_id"],
        outlet_id=row["outlet_id"],
        units=row["units"],
        run_id=row["run_id"],
    )
