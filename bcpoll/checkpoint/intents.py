"""Intents: every write to the POS, recorded before it leaves and settled once its outcome is known.

An intent that is neither done nor refused blocks a second one under its key, in the schema itself: what may have
happened is looked up, never repeated.
"""

from collections.abc import Iterable
from datetime import datetime

from bcpoll.checkpoint.columns import (
    json_of,
    json_text,
    optional_time_of,
    optional_time_text,
    plain,
    time_of,
    time_text,
)
from bcpoll.checkpoint.file import Row
from bcpoll.checkpoint.moves import StockMoves
from bcpoll.checkpoint.records import THERE_ALREADY, Intent, IntentKind, IntentState, Settlement

_INTEND = """
    INSERT INTO intents (
        key, order_id, kind, target, body, since, created_at, tries, state, detail, result, settled_at, run_id
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)
"""

# Blank rather than delete: that the write happened, and how it ended, stays part of the order's history. Yet taken out
# and put in again: a row that only shrinks keeps its page to itself, and SQLite would never use the room again.
_OLD = """
    CREATE TEMP TABLE pruned AS
    SELECT id, key, order_id, kind, target, since, created_at, tries, state, detail, result, settled_at, run_id
    FROM intents WHERE settled_at IS NOT NULL AND body <> '' AND settled_at < ?
        AND NOT (kind = 'stock' AND since >= (SELECT version FROM feeds WHERE name = 'stock adjustments'))
"""
_PRUNE = (
    "DELETE FROM intents WHERE id IN (SELECT id FROM pruned)",
    """
    INSERT INTO intents (
        id, key, order_id, kind, target, since, created_at, tries, state, detail, result, settled_at, run_id, body
    ) SELECT *, '' FROM pruned
    """,
    "DROP TABLE pruned",
)

# Told to use the index: for the sake of the order SQLite would read all intents there ever were, with every run.
_UNSETTLED = "SELECT * FROM intents INDEXED BY one_unsettled_intent WHERE settled_at IS NULL ORDER BY id"
_ADJUSTED = """
    SELECT * FROM intents INDEXED BY adjustments WHERE kind = 'stock' AND since >= ? AND state = 'done' ORDER BY id
"""

# The same refusal of the same write of an order tells nothing new, yet an order that waits for a closed register brings
# one with every run, and with it the address that it is to be sent to, which is found once more. Customers and products
# belong to no order, and how often they were begun counts (`resolve`).
_FORGET_REPEATED = """
    DELETE FROM intents WHERE id IN (
        SELECT older.id FROM intents AS latest JOIN intents AS older USING (order_id, key, state, detail)
        WHERE latest.id = ? AND older.id < latest.id AND order_id > 0
    )
"""


class Intents(StockMoves):
    """The part of the checkpoint that knows what may be under way, and notes what was moved once it is done."""

    def intend(self, intents: Iterable[Intent]) -> None:
        """Record writes that are about to leave.

        Raises sqlite3.IntegrityError, and records none, if one of the keys has an unsettled intent already: a bug.
        """
        self._write_many(_INTEND, (_columns(intent) for intent in intents))

    def tried(self, key: str) -> int:
        """Count one more try of the unsettled intent under a key and give their number. Raises LookupError if none."""
        with self.atomic():
            rows = self._rows(
                "UPDATE intents SET tries = tries + 1 WHERE key = ? AND settled_at IS NULL RETURNING tries", key
            )
        if not rows:
            raise LookupError(f"no unsettled intent {key!r}")
        return int(rows[0]["tries"])

    def settle(self, key: str, state: IntentState, *, at: datetime, detail: str = "", result: str = "") -> None:
        """Note what became of the unsettled intent under a key. Raises LookupError if there is none."""
        self.settle_many([Settlement(key=key, state=state, detail=detail, result=result)], at=at)

    def settle_many(self, settlements: Iterable[Settlement], *, at: datetime) -> None:
        """Note what became of many intents, of all or of none. Raises LookupError for a key without an unsettled one.

        An outcome that stays unknown is not settled: it is given again by `open_intents` and may be settled later.
        """
        with self.atomic():
            for settlement in settlements:
                self._settle(settlement, at)

    def _settle(self, settlement: Settlement, at: datetime) -> None:
        if settlement.state is IntentState.OPEN:
            raise ValueError(f"intent {settlement.key!r} cannot be settled as open")
        is_settled = settlement.state is not IntentState.UNKNOWN
        settled = self._rows(
            "UPDATE intents SET state = ?, detail = ?, result = ?, settled_at = ?"
            " WHERE key = ? AND settled_at IS NULL RETURNING id, kind, order_id, target, body, run_id",
            settlement.state,
            plain(settlement.detail),
            plain(settlement.result),
            optional_time_text(at if is_settled else None),
            settlement.key,
        )
        if not settled:
            raise LookupError(f"no unsettled intent {settlement.key!r}")
        if settlement.state is IntentState.REFUSED or settled[0]["kind"] == IntentKind.ADDRESS:
            self._write(_FORGET_REPEATED, settled[0]["id"])
        # A product that was there already has a stock of its own.
        is_theirs = settled[0]["kind"] == IntentKind.PRODUCT and settlement.detail == THERE_ALREADY
        if settlement.state is IntentState.DONE and not is_theirs:
            self._note_moves(settled[0], settlement.result, at)

    def open_intents(self) -> list[Intent]:
        """All unsettled intents, open or unknown, oldest first: what the next run looks up before anything else."""
        return self._read(_intent, _UNSETTLED)

    def times_intended(self, key: str, order_id: int) -> int:
        """How many intents of an order there were under a key."""
        rows = self._rows("SELECT count(*) AS times FROM intents WHERE order_id = ? AND key = ?", order_id, key)
        return int(rows[0]["times"])

    def history(self, order_id: int) -> list[Intent]:
        """All intents of an order, oldest first."""
        return self._read(_intent, "SELECT * FROM intents WHERE order_id = ? ORDER BY id", order_id)

    def adjusted_since(self, version: int) -> list[Intent]:
        """The adjustments of stock that are done and were begun at a version of the POS's feed or after it."""
        return self._read(_intent, _ADJUSTED, version)

    def version_before(self, at: datetime) -> int:
        """A version of the POS's feed that was reached before a time: whatever was written since is newer; 0 for none.

        The POS counts one version for all that it holds, so that of any intent will do.
        """
        # From the newest on: the first that is old enough ends the search.
        rows = self._rows(
            "SELECT since FROM intents WHERE created_at < ? AND since > 0 ORDER BY id DESC LIMIT 1", time_text(at)
        )
        return int(rows[0]["since"]) if rows else 0

    def prune_bodies(self, before: datetime) -> int:
        """Blank the bodies of intents that were settled before a time, and give how many."""
        with self.atomic():
            self._write(_OLD, time_text(before))
            count, *_ = [self._write(statement) for statement in _PRUNE]
            return count


def _columns(intent: Intent) -> tuple[object, ...]:
    if intent.state is not IntentState.OPEN:
        raise ValueError(f"intent {intent.key!r} is {intent.state} before it was begun")
    return (
        intent.key,
        intent.order_id,
        intent.kind,
        plain(intent.target),
        json_text(intent.body),
        intent.since,
        time_text(intent.created_at),
        intent.tries,
        intent.state,
        plain(intent.detail),
        plain(intent.result),
        intent.run_id,
    )


def _intent(row: Row) -> Intent:
    return Intent(
        key=row["key"],
        order_id=row["order_id"],
        kind=IntentKind(row["kind"]),
        target=row["target"],
        body=json_of(row["body"] or "{}"),
        since=row["since"],
        created_at=time_of(row["created_at"]),
        tries=row["tries"],
        state=IntentState(row["state"]),
        detail=row["detail"],
        result=row["result"],
        settled_at=optional_time_of(row["settled_at"]),
        run_id=row["run_id"],
    )
