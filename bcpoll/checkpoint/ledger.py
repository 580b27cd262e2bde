"""The ledger: one row per order, saying what was done about which version of it.

The hot path of the checkpoint: a page of orders is one statement to read and one to write.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

from bcpoll.checkpoint.columns import (
    amount_of,
    any_of,
    optional_time_of,
    optional_time_text,
    plain,
    time_of,
    time_text,
)
from bcpoll.checkpoint.file import CheckpointFile, Row
from bcpoll.checkpoint.records import UNDONE, LedgerRow
from bcpoll.checkpoint.runs import POLL
from bcpoll.core.sale import Applied, AppliedState

_RECORD = """
    INSERT INTO ledger (
        order_id, status_id, modified_at, fingerprint, disposition, state, revision, sale_id, content, total,
        order_total, tax, customer_key, note, placed_at, written_at, run_id
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (order_id) DO UPDATE SET
        status_id = excluded.status_id,
        modified_at = excluded.modified_at,
        fingerprint = excluded.fingerprint,
        disposition = excluded.disposition,
        state = excluded.state,
        revision = excluded.revision,
        sale_id = excluded.sale_id,
        content = excluded.content,
        total = excluded.total,
        order_total = excluded.order_total,
        tax = excluded.tax,
        customer_key = excluded.customer_key,
        note = excluded.note,
        placed_at = coalesce(excluded.placed_at, placed_at),
        written_at = excluded.written_at,
        run_id = excluded.run_id
"""


# Rows without a fingerprint that belong to runs since the last pass that got through. What a person dismissed stays as
# it is, and what was undone is left alone.
_CUT_SHORT = """
    SELECT order_id FROM ledger WHERE fingerprint = '' AND disposition <> ?
        AND run_id > coalesce((
            SELECT id FROM runs WHERE kind = ? AND outcome IN ('done', 'set_aside') ORDER BY id DESC LIMIT 1
        ), 0)
        AND NOT EXISTS (SELECT 1 FROM review WHERE review.order_id = ledger.order_id AND state = 'dismissed')
"""


class Ledger(CheckpointFile):
    """The part of the checkpoint that knows every order."""

    def ledger(self, order_ids: Collection[int]) -> dict[int, LedgerRow]:
        """The rows of these orders; an order that was never seen is absent."""
        rows = self._read(
            _ledger_row,
            "SELECT * FROM ledger WHERE order_id IN (SELECT value FROM json_each(?))",
            any_of(order_ids),
        )
        return {row.order_id: row for row in rows}

    def record(self, rows: Sequence[LedgerRow]) -> None:
        """Write the rows of orders, in place of what was recorded for them before."""
        self._write_many(_RECORD, (_columns(row) for row in rows))

    def recent(self, limit: int) -> list[LedgerRow]:
        """The rows that were written last, newest first."""
        return self._read(_ledger_row, "SELECT * FROM ledger ORDER BY written_at DESC, order_id DESC LIMIT ?", limit)

    def cut_short(self) -> list[int]:
        """The orders that were written in part since the last pass that got through, and not looked at since."""
        return sorted(row["order_id"] for row in self._rows(_CUT_SHORT, UNDONE, POLL))

    def unpaid(self) -> list[LedgerRow]:
        """The rows of orders that are booked as not paid, by order."""
        return self._read(_ledger_row, "SELECT * FROM ledger WHERE state = 'unpaid' ORDER BY order_id")

    def placed_since(self, at: datetime) -> list[LedgerRow]:
        """The rows of orders that were placed since a moment, oldest first."""
        return self._read(
            _ledger_row, "SELECT * FROM ledger WHERE placed_at >= ? ORDER BY placed_at, order_id", time_text(at)
        )

    def last_placed(self, until: datetime) -> datetime | None:
        """When the last order was placed, up to a moment; None where there is none."""
        ((last,),) = self._rows("SELECT max(placed_at) FROM ledger WHERE placed_at <= ?", time_text(until))
        return time_of(last) if last else None

    def orders_by_hour(self, since: datetime) -> dict[datetime, int]:
        """How many orders were placed in each hour since a moment; hours without any are absent."""
        return dict(
            self._read(
                lambda row: (time_of(f"{row['hour']}:00:00Z"), row["orders"]),
                "SELECT substr(placed_at, 1, 13) AS hour, count(*) AS orders FROM ledger WHERE placed_at >= ?"
                " GROUP BY hour",
                time_text(since),
            )
        )

    def ledger_count(self) -> int:
        """How many orders the ledger knows."""
        return sum(self.ledger_counts().values())

    def ledger_counts(self) -> dict[AppliedState, int]:
        """How many orders are in each state, states without orders included."""
        return dict(self._read(lambda row: (AppliedState(row["state"]), row["orders"]), "SELECT * FROM tally"))


def _columns(row: LedgerRow) -> tuple[object, ...]:
    return (
        row.order_id,
        row.status_id,
        time_text(row.modified_at),
        row.fingerprint,
        row.disposition,
        row.applied.state,
        row.applied.revision,
        row.applied.sale_id,
        row.applied.content,
        str(row.applied.total),
        None if row.order_total is None else str(row.order_total),
        None if row.tax is None else str(row.tax),
        plain(row.customer_key),
        plain(row.note),
        optional_time_text(row.placed_at),
        time_text(row.written_at),
        row.run_id,
    )


def _ledger_row(row: Row) -> LedgerRow:
    return LedgerRow(
        order_id=row["order_id"],
        status_id=row["status_id"],
        modified_at=time_of(row["modified_at"]),
        fingerprint=row["fingerprint"],
        disposition=row["disposition"],
        applied=Applied(
            order_id=row["order_id"],
            state=AppliedState(row["state"]),
            revision=row["revision"],
            sale_id=row["sale_id"],
            content=row["content"],
            total=Decimal(row["total"]),
        ),
        order_total=amount_of(row["order_total"]),
        tax=amount_of(row["tax"]),
        customer_key=row["customer_key"],
        note=row["note"],
        placed_at=optional_time_of(row["placed_at"]),
        written_at=time_of(row["written_at"]),
        run_id=row["run_id"],
    )
