"""Sales of the POS laid aside by the order they name, while the other side is read: on disk, in constant memory.

Owns a nameless temporary file that is gone when it is closed. Not the checkpoint: nothing in here outlives a command.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from types import TracebackType
from typing import Any, Self

from bcpoll.core.sale import AppliedState
from bcpoll.core.sold import Sold


class Spool:
    """Sales by order; to be closed by `with`."""

    def __init__(self) -> None:
        # No name: SQLite keeps small ones in memory, and spills larger ones into a file that nobody else can open.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE sold (sale_id TEXT PRIMARY KEY, order_id INTEGER, row TEXT) WITHOUT ROWID")
        self._db.execute("CREATE INDEX by_order ON sold (order_id)")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def keep(self, sales: Iterable[Sold]) -> None:
        """Lay sales aside; one that was kept before, in an older version, is replaced."""
        self._db.executemany(
            "INSERT OR REPLACE INTO sold VALUES (?, ?, ?)", ((one.sale_id, one.order_id, _text(one)) for one in sales)
        )

    def take(self, order_ids: Collection[int]) -> dict[int, tuple[Sold, ...]]:
        """The sales that name these orders, oldest id first, and forget them."""
        wanted = json.dumps(list(order_ids))
        chosen = "order_id IN (SELECT value FROM json_each(?))"
        rows = self._db.execute(f"SELECT row FROM sold WHERE {chosen} ORDER BY order_id, sale_id", (wanted,)).fetchall()  # noqa: S608
        self._db.execute(f"DELETE FROM sold WHERE {chosen}", (wanted,))  # noqa: S608 - two constants
        grouped = groupby(map(_sold, rows), key=lambda one: one.order_id)
        return {order_id: tuple(sales) for order_id, sales in grouped}

    def left(self) -> Iterator[tuple[int, tuple[Sold, ...]]]:
        """Every order that was not asked for, with the sales that name it."""
        rows = self._db.execute("SELECT row FROM sold ORDER BY order_id, sale_id")
        for order_id, sales in groupby(map(_sold, rows), key=lambda one: one.order_id):
            yield order_id, tuple(sales)


def _text(one: Sold) -> str:
    at = one.at.isoformat() if one.at else None
    sums = [str(amount) for amount in (one.total, one.tax, one.units, one.paid)]
    by_product = {product: str(units) for product, units in one.by_product.items()}
    return json.dumps([one.sale_id, one.order_id, one.state, *sums, at, by_product])


def _sold(row: tuple[Any, ...]) -> Sold:
    sale_id, order_id, state, total, tax, units, paid, at, by_product = json.loads(row[0])
    return Sold(
        sale_id=sale_id,
        order_id=order_id,
        state=AppliedState(state),
        total=Decimal(total),
        tax=Decimal(tax),
        units=Decimal(units),
        paid=Decimal(paid),
        at=datetime.fromisoformat(at) if at else None,
        by_product={product: Decimal(count) for product, count in by_product.items()},
    )
