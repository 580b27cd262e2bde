"""Backfills: the historical passes with their positions, the orders that they wrote, and the stock that is owed.

Owns how far each has got. What an order of the past moves in the POS's stock is reckoned by `apply`, and put back by
`putback`; here it is only kept until that is done.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from bcpoll.checkpoint.columns import any_of, optional_time_of, optional_time_text, time_of, time_text
from bcpoll.checkpoint.file import CheckpointFile, Row
from bcpoll.checkpoint.records import Backfill, BackfilledOrder, StockOwed

_KEEP = """
    INSERT INTO backfilled (order_id, backfill_id, revision, is_neutral, is_pending) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (order_id) DO UPDATE SET
        backfill_id = excluded.backfill_id,
        revision = excluded.revision,
        is_neutral = excluded.is_neutral,
        is_pending = excluded.is_pending
"""

_OWE = """
    INSERT INTO stock_owed (outlet_id, product_id, units) VALUES (?, ?, ?)
    ON CONFLICT (product_id, outlet_id) DO UPDATE SET units = units + excluded.units
"""


class Backfills(CheckpointFile):
    """The part of the checkpoint that knows what was brought over from before the start."""

    def begin_backfill(
        self, since: datetime | None, until: datetime | None, *, moves_stock: bool, now: datetime
    ) -> Backfill:
        """The backfill of this window that has not ended, to go on with; else a new one."""
        with self.atomic():
            window = (optional_time_text(since), optional_time_text(until), moves_stock)
            found = self._read(
                _backfill,
                "SELECT * FROM backfills WHERE since IS ? AND until IS ? AND moves_stock = ? AND ended_at IS NULL",
                *window,
            )
            made = found or self._read(
                _backfill,
                "INSERT INTO backfills (since, until, moves_stock, position, begun_at) VALUES (?, ?, ?, 0, ?)"
                " RETURNING *",
                *window,
                time_text(now),
            )
        return made[0]

    def move_backfill(self, backfill_id: int, position: int) -> None:
        """Move the position of a backfill forward. One further back leaves it where it is."""
        self._write("UPDATE backfills SET position = ? WHERE id = ? AND position < ?", position, backfill_id, position)

    def brought_over_up_to(self, backfill: Backfill) -> int:
        """How many orders of a backfill's window the ledger holds up to its position."""
        counted = self._read(
            lambda row: int(row["orders"]),
            "SELECT count(*) AS orders FROM ledger WHERE order_id <= ? AND (? IS NULL OR placed_at >= ?)",
            backfill.position,
            *[optional_time_text(backfill.since)] * 2,
        )
        return counted[0]

    def end_backfill(self, backfill_id: int, now: datetime) -> None:
        """Note that a backfill has seen all of its window: one of the same window then begins anew."""
        self._write("UPDATE backfills SET ended_at = ? WHERE id = ?", time_text(now), backfill_id)

    def end_backfills(self, now: datetime) -> None:
        """Have the next backfill of any window begin anew: what those so far have seen is about to be undone."""
        self._write("UPDATE backfills SET ended_at = ? WHERE ended_at IS NULL", time_text(now))

    def backfills(self) -> list[Backfill]:
        """All backfills, oldest first."""
        return self._read(_backfill, "SELECT * FROM backfills ORDER BY id")

    def keep_backfilled(self, rows: Iterable[BackfilledOrder]) -> None:
        """Note orders that a backfill wrote, or is still to write."""
        self._write_many(
            _KEEP, ((row.order_id, row.backfill_id, row.revision, row.is_neutral, row.is_pending) for row in rows)
        )

    def pending_backfilled(self, order_ids: Collection[int]) -> dict[int, BackfilledOrder]:
        """Those of these orders of which something is left to write as the backfill would have, by order."""
        found = self._read(
            _backfilled,
            "SELECT * FROM backfilled WHERE is_pending AND order_id IN (SELECT value FROM json_each(?))",
            any_of(order_ids),
        )
        return {row.order_id: row for row in found}

    def backfilled_after(self, order_id: int, limit: int) -> list[BackfilledOrder]:
        """The next orders that a backfill wrote, at most `limit`, by id."""
        return self._read(
            _backfilled, "SELECT * FROM backfilled WHERE order_id > ? ORDER BY order_id LIMIT ?", order_id, limit
        )

    def reopen_backfilled(self, order_ids: Collection[int]) -> None:
        """Have the next backfill look at these orders once more, for of their sales only those of refunds are undone.

        No pass does so before an order changes: whoever undoes a backfill is likely to go on with that.
        """
        ids = any_of(order_ids)
        with self.atomic():
            self._write("UPDATE backfilled SET is_pending = 1 WHERE order_id IN (SELECT value FROM json_each(?))", ids)
            self._write(
                "UPDATE ledger SET fingerprint = '', run_id = NULL WHERE order_id IN (SELECT value FROM json_each(?))",
                ids,
            )

    def forget_backfilled(self, order_ids: Collection[int]) -> None:
        """Forget that these orders were brought over."""
        self._write("DELETE FROM backfilled WHERE order_id IN (SELECT value FROM json_each(?))", any_of(order_ids))

    def owe_stock(self, owed: Iterable[StockOwed]) -> None:
        """Add to what is to be put back into stock; what was put back or taken out is added with its sign turned."""
        with self.atomic():
            self._write_many(_OWE, ((one.outlet_id, one.product_id, one.units) for one in owed if one.units))
            self._write("DELETE FROM stock_owed WHERE units = 0")

    def stock_owed(self, limit: int) -> list[StockOwed]:
        """What is to be put back into stock, of at most `limit` products."""
        return self._read(
            lambda row: StockOwed(outlet_id=row["outlet_id"], product_id=row["product_id"], units=row["units"]),
            "SELECT * FROM stock_owed ORDER BY outlet_id, product_id LIMIT ?",
            limit,
        )


def _backfill(row: Row) -> Backfill:
    return Backfill(
        id=row["id"],
        since=optional_time_of(row["since"]),
        until=optional_time_of(row["until"]),
        moves_stock=bool(row["moves_stock"]),
        position=row["position"],
        begun_at=time_of(row["begun_at"]),
        ended_at=optional_time_of(row["ended_at"]),
    )


def _backfilled(row: Row) -> BackfilledOrder:
    return BackfilledOrder(
        order_id=row["order_id"],
        backfill_id=row["backfill_id"],
        revision=row["revision"],
        is_neutral=bool(row["is_neutral"]),
        is_pending=bool(row["is_pending"]),
    )
