"""Orders that are set aside: kept with their payload until they pass, or until a person dismisses them.

Owns when an order is tried again. What is wrong with it and what a person can do are `core.rejected`'s.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from bcpoll.checkpoint.columns import (
    any_of,
    json_of,
    json_text,
    optional_time_of,
    optional_time_text,
    plain,
    time_of,
    time_text,
)
from bcpoll.checkpoint.file import CheckpointFile, Row
from bcpoll.checkpoint.records import ReviewItem, ReviewState
from bcpoll.core.order import Json
from bcpoll.core.rejected import REASONS, Reason, Rejected

# The first later try comes with the next run of the default interval; each further one is four times as far away, up
# to once a day: whatever passes by itself mostly does so within the hour, and the rest must not crowd every run.
_FIRST_DISTANCE = timedelta(minutes=5)
_GROWTH = 4
_LONGEST_DISTANCE = timedelta(days=1)

_INSERT = """
    INSERT INTO review (
        order_id, reason, field, detail, payload, first_at, last_at, tries, next_try, state, fingerprint, note, run_id
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, '', ?)
"""

_REPLACE = """
    UPDATE review SET
        reason = ?, field = ?, detail = ?, payload = ?, first_at = ?, last_at = ?, tries = ?, next_try = ?,
        state = 'open', fingerprint = ?, note = '', run_id = ?
    WHERE id = ?
"""

# In the terms of the two unique indexes: otherwise every item would be looked at for each that is set aside.
_FIND = """
    SELECT * FROM review
    WHERE (order_id = :order_id AND order_id > 0) OR (order_id = 0 AND :order_id = 0 AND fingerprint = :fingerprint)
"""


def next_try(reason: Reason, tries: int, now: datetime) -> datetime | None:
    """When to try again after this many tries, or None where the reason cannot pass without a person."""
    if not REASONS[reason].may_pass:
        return None
    distance = _FIRST_DISTANCE
    for _ in range(tries):
        if distance >= _LONGEST_DISTANCE:
            break
        distance *= _GROWTH
    return now + min(distance, _LONGEST_DISTANCE)


class Review(CheckpointFile):
    """The part of the checkpoint that waits for a person or a later try."""

    def set_aside(
        self,
        rejected: Rejected,
        payload: Json,
        *,
        fingerprint: str,
        now: datetime,
        run_id: int | None = None,
        is_more: bool = False,
    ) -> bool:
        """Set an order aside, and give whether that is news: not set aside before, or for another reason.

        What a person dismissed stays dismissed until the order changes, or there is more than that person knew of.
        Without an order id, the fingerprint tells one unreadable payload from another.
        """
        with self.atomic():
            before = next(iter(self._read(_item, _FIND, order_id=rejected.order_id, fingerprint=fingerprint)), None)
            is_same_version = before is not None and before.fingerprint == fingerprint
            if before and before.state is ReviewState.DISMISSED and is_same_version and not is_more:
                return False
            still_open = before if before and before.state is ReviewState.OPEN else None
            is_news = still_open is None or still_open.reason is not rejected.reason
            tries = 0 if still_open is None or is_news or not is_same_version else still_open.tries + 1
            columns = (
                rejected.reason,
                plain(rejected.field),
                plain(rejected.detail),
                json_text(payload),
                time_text(still_open.first_at if still_open else now),
                time_text(now),
                tries,
                optional_time_text(next_try(rejected.reason, tries, now)),
                fingerprint,
                run_id,
            )
            if before:
                self._write(_REPLACE, *columns, before.id)
            else:
                self._write(_INSERT, rejected.order_id, *columns)
            return is_news

    def solve(self, order_ids: Collection[int], now: datetime) -> int:
        """Close the items of orders that went through after all, and give how many there were."""
        return self._write(
            "UPDATE review SET state = 'solved', last_at = ?, next_try = NULL"
            " WHERE state = 'open' AND order_id > 0 AND order_id IN (SELECT value FROM json_each(?))",
            time_text(now),
            any_of(order_ids),
        )

    def solve_unnumbered(self, fingerprint: str, now: datetime) -> int:
        """Close the item of what belongs to no order, by its fingerprint, and give how many there were."""
        return self._write(
            "UPDATE review SET state = 'solved', last_at = ?, next_try = NULL"
            " WHERE state = 'open' AND order_id = 0 AND fingerprint = ?",
            time_text(now),
            fingerprint,
        )

    def dismiss(self, item_id: int, note: str, now: datetime) -> bool:
        """Close an open item because a person says so, and give whether there was such an item."""
        changed = self._write(
            "UPDATE review SET state = 'dismissed', note = ?, last_at = ?, next_try = NULL"
            " WHERE id = ? AND state = 'open'",
            plain(note),
            time_text(now),
            item_id,
        )
        return changed == 1

    def retry(self, item_ids: Collection[int] | None, now: datetime) -> int:
        """Make items due, and give how many: all open ones for None; named ones also when they were dismissed."""
        if item_ids is None:
            return self._write("UPDATE review SET next_try = ? WHERE state = 'open'", time_text(now))
        return self._write(
            "UPDATE review SET state = 'open', note = '', next_try = ?"
            " WHERE state <> 'solved' AND id IN (SELECT value FROM json_each(?))",
            time_text(now),
            any_of(item_ids),
        )

    def due(self, now: datetime) -> list[ReviewItem]:
        """Open items whose next try has come, longest overdue first.

        One that is further off than any is put was noted by a clock that ran ahead: it would never come.
        """
        return self._read(
            _item,
            "SELECT * FROM review WHERE next_try IS NOT NULL AND (next_try <= ? OR next_try > ?) ORDER BY next_try, id",
            time_text(now),
            time_text(now + _LONGEST_DISTANCE),
        )

    def review_items(self, states: Collection[str] = (ReviewState.OPEN,)) -> list[ReviewItem]:
        """Items in these states, oldest first."""
        return self._read(
            _item,
            "SELECT * FROM review WHERE state IN (SELECT value FROM json_each(?)) ORDER BY first_at, id",
            any_of(states),
        )

    def review_item(self, item_id: int) -> ReviewItem | None:
        """One item, or None where there is none under this number."""
        found = self._read(_item, "SELECT * FROM review WHERE id = ?", item_id)
        return found[0] if found else None

    def review_item_of(self, order_id: int) -> ReviewItem | None:
        """The item of an order in whatever state, or None where the order was never set aside."""
        found = self._read(_item, "SELECT * FROM review WHERE order_id = ? AND order_id > 0", order_id)
        return found[0] if found else None

    def review_items_of(self, order_ids: Collection[int]) -> dict[int, ReviewItem]:
        """The items of these orders in whatever state, by order; an order that was never set aside is absent."""
        found = self._read(
            _item,
            "SELECT * FROM review WHERE order_id > 0 AND order_id IN (SELECT value FROM json_each(?))",
            any_of(order_ids),
        )
        return {item.order_id: item for item in found}

    def open_review_orders(self) -> set[int]:
        """The orders that are set aside now."""
        return {row["order_id"] for row in self._rows("SELECT order_id FROM review WHERE state = 'open'")} - {0}

    def open_review_payloads(self, page: int = 100) -> Iterator[list[Json]]:
        """The raw orders that are set aside now, as they were when they were read last; some at a time."""
        last = 0
        while items := self._read(
            _item,
            "SELECT * FROM review WHERE state = 'open' AND order_id > 0 AND payload <> '' AND id > ?"
            " ORDER BY id LIMIT ?",
            last,
            page,
        ):
            yield [item.payload for item in items]
            last = items[-1].id

    def prune_payloads(self, before: datetime) -> int:
        """Blank the payloads of items that were closed before a time, and give how many."""
        return self._write(
            "UPDATE review SET payload = '' WHERE state <> 'open' AND payload <> '' AND last_at < ?", time_text(before)
        )

    def review_counts(self) -> dict[Reason, int]:
        """How many items are open for each reason, reasons without any left out."""
        return dict(
            self._read(
                lambda row: (Reason(row["reason"]), row["items"]),
                "SELECT reason, count(*) AS items FROM review WHERE state = 'open' GROUP BY reason ORDER BY reason",
            )
        )


def _item(row: Row) -> ReviewItem:
    return ReviewItem(
        id=row["id"],
        order_id=row["order_id"],
        reason=Reason(row["reason"]),
        field=row["field"],
        detail=row["detail"],
        payload=json_of(row["payload"] or "{}"),
        first_at=time_of(row["first_at"]),
        last_at=time_of(row["last_at"]),
        tries=row["tries"],
        next_try=optional_time_of(row["next_try"]),
        state=ReviewState(row["state"]),
        fingerprint=row["fingerprint"],
        note=row["note"],
        run_id=row["run_id"],
    )
