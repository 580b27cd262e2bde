"""Refunds: one row per refund that the store told, kept from the moment it was read until its sale is in the POS.

Owns what was told and what became of it. What a refund means, and when it is booked, are `core`'s.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bcpoll.checkpoint.columns import (
    amount_of,
    any_of,
    json_of,
    json_text,
    optional_time_of,
    optional_time_text,
    time_of,
    time_text,
)
from bcpoll.checkpoint.file import CheckpointFile, Row
from bcpoll.checkpoint.records import BookedRefund, RefundRow, RefundState

_KEEP = """
    INSERT INTO refunds (
        id, order_id, created_at, content, payload, state, is_due, sale_id, undone, total, units, outlet_id,
        to_take_out, written_at, run_id
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        order_id = excluded.order_id,
        created_at = excluded.created_at,
        content = excluded.content,
        payload = excluded.payload,
        state = excluded.state,
        is_due = excluded.is_due,
        written_at = excluded.written_at,
        run_id = excluded.run_id
"""

_BOOK = """
    UPDATE refunds SET
        state = 'booked', sale_id = ?, total = ?, units = ?, outlet_id = ?, to_take_out = ?, written_at = ?, run_id = ?
    WHERE id = ?
"""


def told_again(known: RefundRow | None, told: RefundRow) -> RefundRow | None:
    """What the store's word makes of what is known of a refund; None where it is nothing new.

    A booked refund that changed stays booked, and is something to tell a person; any other waits once more.
    """
    if known is None:
        return told
    if known.content == told.content:
        return None
    is_booked = known.state in (RefundState.BOOKED, RefundState.CHANGED)
    return replace(
        known,
        content=told.content,
        payload=told.payload,
        created_at=told.created_at,
        state=RefundState.CHANGED if is_booked else RefundState.WAITING,
        is_due=True,
        written_at=told.written_at,
        run_id=told.run_id,
    )


class RefundLedger(CheckpointFile):
    """The part of the checkpoint that knows every refund."""

    def refunds(self, refund_ids: Collection[int]) -> dict[int, RefundRow]:
        """These refunds; one that the store never told is absent."""
        rows = self._read(
            _refund_row, "SELECT * FROM refunds WHERE id IN (SELECT value FROM json_each(?))", any_of(refund_ids)
        )
        return {row.refund_id: row for row in rows}

    def refunds_of(self, order_ids: Collection[int]) -> list[RefundRow]:
        """All refunds of these orders, by id."""
        return self._read(
            _refund_row,
            "SELECT * FROM refunds WHERE order_id IN (SELECT value FROM json_each(?)) ORDER BY id",
            any_of(order_ids),
        )

    def keep_refunds(self, rows: Sequence[RefundRow]) -> None:
        """Keep refunds as `told_again` made them."""
        self._write_many(_KEEP, (_columns(row) for row in rows))

    def keep_found_refunds(self, rows: Sequence[RefundRow]) -> None:
        """Keep refunds whose sales were found in the POS, in place of what was known of them."""
        with self.atomic():
            self._write_many("DELETE FROM refunds WHERE id = ?", ((row.refund_id,) for row in rows))
            self.keep_refunds(rows)

    def orders_with_due_refunds(self) -> list[int]:
        """The orders that are to be looked at because of a refund, whether they changed or not."""
        return [row["order_id"] for row in self._rows("SELECT DISTINCT order_id FROM refunds WHERE is_due ORDER BY 1")]

    def looked_at_refunds(self, order_ids: Collection[int]) -> None:
        """Note that these orders were looked at with their refunds: what waits still, waits for the order."""
        self._write(
            "UPDATE refunds SET is_due = 0 WHERE is_due AND order_id IN (SELECT value FROM json_each(?))",
            any_of(order_ids),
        )

    def book_refunds(self, booked: Iterable[BookedRefund], now: datetime, run_id: int | None = None) -> None:
        """Note that the sales of refunds are in the POS, and what of their goods is to be taken out of stock again."""
        at = time_text(now)
        self._write_many(
            _BOOK,
            (
                (
                    one.sale_id,
                    str(one.total),
                    json_text({str(line): count for line, count in one.units.items()}),
                    one.outlet_id,
                    _take_out_text(one.to_take_out),
                    at,
                    run_id,
                    one.refund_id,
                )
                for one in booked
            ),
        )

    def decline_refunds(self, refund_ids: Collection[int]) -> None:
        """Note that there is nothing to book for these."""
        self._write(
            "UPDATE refunds SET state = 'declined', is_due = 0"
            " WHERE state = 'waiting' AND id IN (SELECT value FROM json_each(?))",
            any_of(refund_ids),
        )

    def refunds_to_take_out(self) -> list[RefundRow]:
        """Booked refunds whose goods are still to be taken out of stock, by id."""
        return self._read(_refund_row, "SELECT * FROM refunds WHERE to_take_out <> '' ORDER BY id")

    def take_out(self, refund_id: int, rest: Mapping[str, int]) -> None:
        """Note what is left to be taken out of stock for a refund; nothing, mostly."""
        self._write("UPDATE refunds SET to_take_out = ? WHERE id = ?", _take_out_text(rest), refund_id)

    def let_refunds_go(self, order_id: int) -> None:
        """Leave to people what waits of an order's refunds now; what is told later counts anew."""
        with self.atomic():
            self._write(
                "UPDATE refunds SET is_due = 0, to_take_out = '',"
                " state = CASE state WHEN 'waiting' THEN 'left' WHEN 'changed' THEN 'booked' ELSE state END"
                " WHERE order_id = ?",
                order_id,
            )

    def let_waiting_refunds_go(self) -> None:
        """Leave to people all refunds that wait now; what is told later counts anew."""
        self._write("UPDATE refunds SET is_due = 0, state = 'left' WHERE state = 'waiting'")

    def take_refunds_back(self, order_ids: Collection[int]) -> None:
        """Have refunds wait again that were left to people."""
        self._write(
            "UPDATE refunds SET state = 'waiting' WHERE state = 'left'"
            " AND order_id IN (SELECT value FROM json_each(?))",
            any_of(order_ids),
        )

    def undo_refunds(self, refund_ids: Collection[int]) -> None:
        """Note that the sales of these were voided because a backfill was undone; the next one hears of them anew."""
        self._write(
            "UPDATE refunds SET state = 'waiting', is_due = 0, content = '', payload = '', sale_id = '', total = NULL,"
            " units = '{}', to_take_out = '', undone = undone + 1"
            " WHERE sale_id <> '' AND id IN (SELECT value FROM json_each(?))",
            any_of(refund_ids),
        )

    def refund_counts(self) -> dict[RefundState, int]:
        """How many refunds are in each state, states without any left out."""
        return dict(
            self._read(
                lambda row: (RefundState(row["state"]), row["refunds"]),
                "SELECT state, count(*) AS refunds FROM refunds GROUP BY state ORDER BY state",
            )
        )

    def prune_refunds(self, before: datetime) -> int:
        """Blank the payloads of refunds about which nothing is left to do since a time, and give how many."""
        return self._write(
            "UPDATE refunds SET payload = '' WHERE state IN ('booked', 'declined') AND to_take_out = ''"
            " AND payload <> '' AND written_at < ?",
            time_text(before),
        )


def _take_out_text(units: Mapping[str, int]) -> str:
    return json_text(dict(units)) if units else ""


def _columns(row: RefundRow) -> tuple[object, ...]:
    return (
        row.refund_id,
        row.order_id,
        optional_time_text(row.created_at),
        row.content,
        json_text(row.payload),
        row.state,
        row.is_due,
        row.sale_id,
        row.undone,
        None if row.total is None else str(row.total),
        json_text({str(line): count for line, count in row.units.items()}),
        row.outlet_id,
        _take_out_text(row.to_take_out),
        time_text(row.written_at),
        row.run_id,
    )


def _refund_row(row: Row) -> RefundRow:
    return RefundRow(
        refund_id=row["id"],
        order_id=row["order_id"],
        created_at=optional_time_of(row["created_at"]),
        content=row["content"],
        payload=json_of(row["payload"] or "{}"),
        state=RefundState(row["state"]),
        is_due=bool(row["is_due"]),
        sale_id=row["sale_id"],
        undone=row["undone"],
        total=amount_of(row["total"]),
        units={int(line): int(count) for line, count in json_of(row["units"]).items()},
        outlet_id=row["outlet_id"],
        to_take_out=json_of(row["to_take_out"] or "{}"),
        written_at=time_of(row["written_at"]),
        run_id=row["run_id"],
    )
