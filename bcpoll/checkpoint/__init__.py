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
review      orders that are set aside
references  the local index of the POS's products, linked customers, answers kept for a while
runs        when bcpoll ran and how it went
"""

from datetime import datetime

from bcpoll.checkpoint.intents import Intents
from bcpoll.checkpoint.ledger import Ledger
from bcpoll.checkpoint.progress import Progress
from bcpoll.checkpoint.records import (
    Intent,
    IntentKind,
    IntentState,
    LedgerRow,
    ReviewItem,
    ReviewState,
    Run,
    RunOutcome,
    Settlement,
)
from bcpoll.checkpoint.references import References
from bcpoll.checkpoint.review import Review
from bcpoll.checkpoint.runs import Runs

__all__ = [
    "Checkpoint",
    "Intent",
    "IntentKind",
    "IntentState",
    "LedgerRow",
    "ReviewItem",
    "ReviewState",
    "Run",
    "RunOutcome",
    "Settlement",
]


class Checkpoint(Progress, Ledger, Intents, Review, References, Runs):
    """An open checkpoint. To be used by the thread that opened it, and closed by `with`.

    Every method may raise CheckpointError. A method that writes is a transaction of its own, or a part of the
    `atomic` block that it stands in.
    """

    def prune(self, before: datetime) -> int:
        """Blank what was sent and set aside, where it was settled or closed before a time, and give how many rows."""
        with self.atomic():
            return self.prune_bodies(before) + self.prune_payloads(before)
