"""The checkpoint: the one SQLite file in which bcpoll keeps what it has done and what is left to do.

`Checkpoint` is the only door to that file. Nothing here speaks HTTP, reads the clock or decides what to do about an
order; every time is an argument. The parts, each a module of its own, share one connection and one transaction:

file        opening, checking and creating the file; transactions; errors in words
schema      the tables, as numbered steps
columns     how values become columns and come back
records     the rows as callers see them
progress    whose checkpoint it is, the cursor and other marks, watched orders
ledger      one row per order
intents     what was about to be written to the POS, and what became of it
moves       what each write did to the stock
refunds     what the store gave back, and what became of it
backfills   the historical passes, what they wrote, and the stock that is to be put back
review      orders that are set aside
references  the local index of the POS's products, linked customers, answers kept for a while
runs        when bcpoll ran and how it went
alerts      what was told to whom
person      what is known of one person, to forget it
"""

from collections.abc import Collection
from datetime import datetime

from bcpoll.checkpoint.alerts import Alerts
from bcpoll.checkpoint.backfills import Backfills
from bcpoll.checkpoint.intents import Intents
from bcpoll.checkpoint.ledger import Ledger
from bcpoll.checkpoint.person import Person, Traces
from bcpoll.checkpoint.progress import Progress
from bcpoll.checkpoint.records import (
    THERE_ALREADY,
    UNDONE,
    Backfill,
    BackfilledOrder,
    BookedRefund,
    History,
    Intent,
    IntentKind,
    IntentState,
    LedgerRow,
    RefundRow,
    RefundState,
    ReviewItem,
    ReviewState,
    Run,
    RunOutcome,
    Settlement,
    StockMove,
    StockOwed,
)
from bcpoll.checkpoint.references import References
from bcpoll.checkpoint.refunds import RefundLedger, told_again
from bcpoll.checkpoint.review import Review
from bcpoll.checkpoint.runs import POLL, Runs

__all__ = [
    "POLL",
    "THERE_ALREADY",
    "UNDONE",
    "Backfill",
    "BackfilledOrder",
    "BookedRefund",
    "Checkpoint",
    "History",
    "Intent",
    "IntentKind",
    "IntentState",
    "LedgerRow",
    "RefundRow",
    "RefundState",
    "ReviewItem",
    "ReviewState",
    "Run",
    "RunOutcome",
    "Settlement",
    "StockMove",
    "StockOwed",
    "Traces",
    "told_again",
]


class Checkpoint(Progress, Ledger, Intents, RefundLedger, Backfills, Review, References, Runs, Alerts, Person):
    """An open checkpoint. To be used by the thread that opened it, and closed by `with`.

    Every method may raise CheckpointError. A method that writes is a transaction of its own, or a part of the
    `atomic` block that it stands in.
    """

    def dismiss(self, item_id: int, note: str, now: datetime) -> bool:
        """Close an open item because a person says so, with the refunds that wait with it; gives whether there was one.

        A refund that is told later on counts anew.
        """
        with self.atomic():
            is_open = super().dismiss(item_id, note, now)
            item = self.review_item(item_id)
            if is_open and item is not None and item.order_id:
                self.let_refunds_go(item.order_id)
            return is_open

    def retry(self, item_ids: Collection[int] | None, now: datetime) -> int:
        """Make items due, and give how many; of a dismissed one that is named, the refunds wait again."""
        with self.atomic():
            items = [self.review_item(item_id) for item_id in item_ids or ()]
            dismissed = {item.order_id for item in items if item and item.state is ReviewState.DISMISSED}
            self.take_refunds_back(dismissed)
            return super().retry(item_ids, now)

    def end_refunds(self) -> None:
        """Forget how far refunds were read, and leave to people those that wait.

        Who has refunds ignored for a while books those of that time by hand.
        """
        if self.refunds_start() is not None:
            with self.atomic():
                super().end_refunds()
                self.let_waiting_refunds_go()

    def prune(self, before: datetime) -> int:
        """Blank what was sent and set aside, where it was settled or closed before a time, and give how many rows.

        Runs before that time that wrote nothing are forgotten too.
        """
        with self.atomic():
            self.prune_runs(before)
            return self.prune_bodies(before) + self.prune_payloads(before) + self.prune_refunds(before)
