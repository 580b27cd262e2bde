"""Intents that an earlier run left unsettled: each is looked up before anything else is written.

Owns what is believed of a look-up. What is found is taken as written, whoever wrote it, because ids come from the
order; what is not found was not written, and the order is planned anew.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from bcpoll.checkpoint import (
    UNDONE,
    BackfilledOrder,
    Checkpoint,
    Intent,
    IntentKind,
    IntentState,
    LedgerRow,
    ReviewState,
)
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.times import parse_time
from bcpoll.errors import TooHeavy, Unreachable, WrongAnswer
from bcpoll.logs import about_order
from bcpoll.memory import applied_from, booking_from, owed_from
from bcpoll.ports import PointOfSale
from bcpoll.putback import put_back
from bcpoll.send import find_address, find_customer, find_product, find_sale, is_closed, is_settled, is_voided
from bcpoll.shell import Shell
from bcpoll.stock import missing, rest_text

log = logging.getLogger(__name__)

# How many runs a look-up may fail in before its order is set aside: a POS that is down comes back sooner than that.
_MOST_LOOK_UPS = 3


def recover(shell: Shell, *, run_id: int) -> Counter[str]:
    """Look up every unsettled intent and finish its books; counts them, and the orders that were newly set aside.

    An intent whose look-up fails stays unsettled, so that nothing is written over it, and the error ends the run. But
    where the POS breaks over one look-up run after run, its order is set aside and the others go on.
    """
    counts = Counter[str]()
    recovery = _Recovery(checkpoint=shell.checkpoint, now=shell.clock(), run_id=run_id)
    for intent in shell.checkpoint.open_intents():
        counts["recovered"] += 1
        try:
            with about_order(intent.order_id):
                found = _LOOK_UPS[intent.kind](shell.pos, intent)
        except (Unreachable, WrongAnswer) as error:
            if shell.checkpoint.tried(intent.key) < _MOST_LOOK_UPS:
                raise
            if not isinstance(error, (TooHeavy, WrongAnswer)):
                # Is it this one look-up, or is all of the POS down? Then this says so.
                shell.pos.retailer()
            counts["set_aside"] += recovery.set_aside(intent, error.message)
            continue
        recovery.settle(intent, found)
    return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recovery:
    """Finishes the books of intents, as the run that left them unsettled would have."""

    checkpoint: Checkpoint
    now: datetime
    run_id: int

    def set_aside(self, intent: Intent, said: str) -> bool:
        """Have a person look at an intent that cannot be looked up, and give whether that is news.

        A customer or a product is told with the orders that need it (`resolve`), and an address costs no order. But an
        adjustment that belongs to no order keeps all others waiting, and is told for itself.
        """
        log.warning("%s cannot be looked up: %s", intent.key, said, extra={"order": intent.order_id})
        is_for_itself = bool(intent.order_id) or intent.kind is IntentKind.STOCK
        if not is_for_itself or intent.kind is IntentKind.ADDRESS:
            return False
        rejected = Rejected(
            order_id=intent.order_id, reason=Reason.OUTCOME_UNKNOWN, field=intent.kind.value, detail=said
        )
        digest = "" if intent.order_id else intent.key
        return self.checkpoint.set_aside(rejected, {}, fingerprint=digest, now=self.now, run_id=self.run_id)

    def settle(self, intent: Intent, found: str | None) -> None:
        """Settle an intent by what its look-up found, None for nothing, and write down what follows from that."""
        key, checkpoint = intent.key, self.checkpoint
        with checkpoint.atomic():
            if found is None:
                checkpoint.settle(key, IntentState.REFUSED, at=self.now, detail="looked up: not in the POS")
            else:
                checkpoint.settle(key, IntentState.DONE, at=self.now, detail="looked up: in the POS", result=found)
                self._write_down(intent, found)
            self._make_due(intent, is_there=found is not None)
            checkpoint.solve_unnumbered(key, self.now)

    def _write_down(self, intent: Intent, found: str) -> None:
        """Write down a write that is in the POS."""
        checkpoint = self.checkpoint
        match intent.kind:
            case IntentKind.CUSTOMER:
                links = {intent.target: found}
                email = str(intent.body.get("email") or "")
                checkpoint.link_customers(links | ({f"email:{email}": found} if email else {}), self.now)
            case IntentKind.PRODUCT:
                key = intent.key.removeprefix("product:")
                name = str(intent.body.get("request", {}).get("name", ""))
                checkpoint.link_product(key, found, name, tracks_stock=bool(intent.body.get("tracked")))
            case IntentKind.REFUND:
                checkpoint.book_refunds([booking_from(intent.body["refund"])], self.now, self.run_id)
            case IntentKind.STOCK:
                self._adjusted(intent, json.loads(found))
            case IntentKind.ADDRESS:
                # Nothing refers to it but the sale that was to follow, and that finds it in the address book.
                pass
            case IntentKind.VOID_SALE if "undo" in intent.body:
                self._undone(intent)
            case _:
                checkpoint.record([self._ledger_row(intent)])
        if "history" in intent.body:
            self._go_on_as_backfill(intent)

    def _adjusted(self, intent: Intent, rest: Mapping[str, int]) -> None:
        """Note what is left of an adjustment, for a refund or for what a backfill sold."""
        if "refund_id" in intent.body:
            self.checkpoint.take_out(int(intent.body["refund_id"]), rest)
        else:
            self.checkpoint.owe_stock(put_back(intent.body["items"], rest))

    def _undone(self, intent: Intent) -> None:
        """Note that a sale was voided to undo a backfill; that its order is done is noted by the next undoing."""
        memory = intent.body["undo"]
        self.checkpoint.owe_stock(owed_from(memory))
        if memory["refund_id"]:
            self.checkpoint.undo_refunds([int(memory["refund_id"])])
            self.checkpoint.reopen_backfilled([intent.order_id])
        else:
            self.checkpoint.record([replace(self._ledger_row(intent), disposition=UNDONE)])

    def _go_on_as_backfill(self, intent: Intent) -> None:
        """Note what is owed to the stock for a sale of a backfill, and that its order may not be finished."""
        memory = intent.body["history"]
        self.checkpoint.owe_stock(owed_from(memory))
        row = self.checkpoint.ledger([intent.order_id]).get(intent.order_id)
        pending = BackfilledOrder(
            order_id=intent.order_id,
            backfill_id=int(memory["backfill"]),
            revision=row.applied.revision if row else 0,
            is_neutral=bool(memory["is_neutral"]),
            is_pending=True,
        )
        self.checkpoint.keep_backfilled([pending])

    def _make_due(self, intent: Intent, *, is_there: bool) -> None:
        """Have an order that was set aside for this intent tried again in this run: now its outcome is known.

        What did not get there more than once waits for its next try: else a write that the POS always breaks over would
        be sent with every run.
        """
        item = self.checkpoint.review_item_of(intent.order_id)
        is_ours = item is not None and item.state is ReviewState.OPEN and item.reason is Reason.OUTCOME_UNKNOWN
        if item is not None and is_ours and (is_there or not item.tries):
            self.checkpoint.retry([item.id], self.now)

    def _ledger_row(self, intent: Intent) -> LedgerRow:
        """The row of the interrupted run's write, without a fingerprint: so the order is read once more."""
        order = intent.body["order"]
        return LedgerRow(
            order_id=intent.order_id,
            status_id=int(order["status_id"]),
            modified_at=parse_time(order["modified_at"]) or self.now,
            fingerprint="",
            applied=applied_from(intent.order_id, intent.body["applied"]),
            disposition="recovered",
            written_at=self.now,
            run_id=self.run_id,
        )


def _find_settled(pos: PointOfSale, intent: Intent) -> str | None:
    sale = pos.sale(intent.target)
    return sale.id if sale is not None and is_settled(sale, paid=True) else None


def _find_fulfilled(pos: PointOfSale, intent: Intent) -> str | None:
    sale = pos.sale(intent.target)
    return sale.id if sale is not None and is_closed(sale) else None


def _find_voided(pos: PointOfSale, intent: Intent) -> str | None:
    sale = pos.sale(intent.target)
    return sale.id if sale is not None and is_voided(sale) else None


def _find_adjusted(pos: PointOfSale, intent: Intent) -> str | None:
    """What is left to be taken out of stock (`rest_text`); None where nothing of the adjustment is there."""
    items = intent.body["items"]
    rest = missing(pos, items, intent.since)
    return rest_text(rest) if len(rest) < len(items) else None


_LOOK_UPS: Mapping[IntentKind, Callable[[PointOfSale, Intent], str | None]] = MappingProxyType(
    {
        IntentKind.SALE: lambda pos, intent: find_sale(pos, intent.target),
        IntentKind.REFUND: lambda pos, intent: find_sale(pos, intent.target),
        IntentKind.STOCK: _find_adjusted,
        IntentKind.SETTLE_SALE: _find_settled,
        IntentKind.FULFILLMENT: _find_fulfilled,
        IntentKind.VOID_SALE: _find_voided,
        IntentKind.ADDRESS: lambda pos, intent: find_address(pos, intent.target, intent.body["request"]),
        IntentKind.CUSTOMER: lambda pos, intent: find_customer(
            pos, str(intent.body["code"]), str(intent.body["email"]), intent.since
        ),
        IntentKind.PRODUCT: lambda pos, intent: find_product(
            pos, intent.target, tracked=bool(intent.body["tracked"]), since=intent.since
        ),
    }
)
