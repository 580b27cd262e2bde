"""Intents that an earlier run left unsettled: each is looked up before anything else is written.

Owns what is believed of a look-up. What is found is taken as written, whoever wrote it, because ids come from the
order; what is not found was not written, and the order is planned anew.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from bcpoll.apply import applied_from, booking_from, owed_from
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
from bcpoll.errors import TooHeavy, WrongAnswer
from bcpoll.ports import PointOfSale
from bcpoll.putback import put_back
from bcpoll.send import find_address, find_customer, find_product, find_sale, is_closed, is_settled, is_voided
from bcpoll.stock import missing, rest_text

log = logging.getLogger(__name__)

# In so many runs a look-up may fail before its order is set aside: a POS that is down comes back within them.
_MOST_LOOK_UPS = 3


def recover(pos: PointOfSale, checkpoint: Checkpoint, *, now: datetime, run_id: int) -> Counter[str]:
    """Look up every unsettled intent and finish the books; counts them, and the orders that were newly set aside.

    An intent whose look-up fails stays unsettled: nothing is written over it. The error ends the run, but where the POS
    breaks over this one look-up run after run, its order is set aside and the others go on.
    """
    counts = Counter[str]()
    for intent in checkpoint.open_intents():
        counts["recovered"] += 1
        try:
            found = _LOOK_UPS[intent.kind](pos, intent)
        except (TooHeavy, WrongAnswer) as error:
            if checkpoint.tried(intent.key) < _MOST_LOOK_UPS:
                raise
            counts["set_aside"] += _still_unclear(checkpoint, intent, error.message, now=now, run_id=run_id)
            continue
        with checkpoint.atomic():
            if found is None:
                _was_not_written(checkpoint, intent, now)
            else:
                _was_written(checkpoint, intent, found, now=now, run_id=run_id)
            _make_due(checkpoint, intent, now)
    return counts


def _still_unclear(checkpoint: Checkpoint, intent: Intent, said: str, *, now: datetime, run_id: int) -> bool:
    """Have a person look, and give whether that is news.

    What belongs to no single order, such as a product, is told with the orders that need it (`resolve`), and an address
    costs no order.
    """
    log.warning("%s cannot be looked up: %s", intent.key, said, extra={"order": intent.order_id})
    if not intent.order_id or intent.kind is IntentKind.ADDRESS:
        return False
    unknown = Rejected(order_id=intent.order_id, reason=Reason.OUTCOME_UNKNOWN, field=intent.kind.value, detail=said)
    return checkpoint.set_aside(unknown, {}, fingerprint="", now=now, run_id=run_id)


def _was_not_written(checkpoint: Checkpoint, intent: Intent, now: datetime) -> None:
    checkpoint.settle(intent.key, IntentState.REFUSED, at=now, detail="looked up: not in the POS")


def _was_written(checkpoint: Checkpoint, intent: Intent, found: str, *, now: datetime, run_id: int) -> None:
    checkpoint.settle(intent.key, IntentState.DONE, at=now, detail="looked up: in the POS", result=found)
    match intent.kind:
        case IntentKind.CUSTOMER:
            links = {intent.target: found}
            email = str(intent.body.get("email") or "")
            checkpoint.link_customers(links | ({f"email:{email}": found} if email else {}), now)
        case IntentKind.PRODUCT:
            key = intent.key.removeprefix("product:")
            name = str(intent.body.get("request", {}).get("name", ""))
            checkpoint.link_product(key, found, name, tracks_stock=bool(intent.body.get("tracked")))
        case IntentKind.REFUND:
            checkpoint.book_refunds([booking_from(intent.body["refund"])], now, run_id)
        case IntentKind.STOCK:
            _was_adjusted(checkpoint, intent, json.loads(found))
        case IntentKind.ADDRESS:
            # Nothing refers to it but the sale that was to follow, and that finds it in the address book.
            pass
        case IntentKind.VOID_SALE if "undo" in intent.body:
            _was_undone(checkpoint, intent, now=now, run_id=run_id)
        case _:
            checkpoint.record([_ledger_row(checkpoint, intent, now=now, run_id=run_id)])
    if "history" in intent.body:
        _go_on_as_backfill(checkpoint, intent)


def _was_adjusted(checkpoint: Checkpoint, intent: Intent, rest: Mapping[str, int]) -> None:
    """Note what is left of an adjustment: one for a refund, or else one that puts back what a backfill sold."""
    if "refund_id" in intent.body:
        checkpoint.take_out(int(intent.body["refund_id"]), rest)
    else:
        checkpoint.owe_stock(put_back(intent.body["items"], rest))


def _was_undone(checkpoint: Checkpoint, intent: Intent, *, now: datetime, run_id: int) -> None:
    """Note what the interrupted undoing of a backfill would have; that the order is done, the next one sees."""
    memory = intent.body["undo"]
    checkpoint.owe_stock(owed_from(memory))
    if memory["refund_id"]:
        checkpoint.undo_refunds([int(memory["refund_id"])])
    else:
        row = _ledger_row(checkpoint, intent, now=now, run_id=run_id)
        checkpoint.record([replace(row, disposition=UNDONE)])


def _go_on_as_backfill(checkpoint: Checkpoint, intent: Intent) -> None:
    """Note what the interrupted backfill would have: what is owed to the stock, and that the order may not be done."""
    memory = intent.body["history"]
    checkpoint.owe_stock(owed_from(memory))
    pending = BackfilledOrder(
        order_id=intent.order_id,
        backfill_id=int(memory["backfill"]),
        revision=int(intent.body["applied"]["revision"]),
        is_neutral=bool(memory["is_neutral"]),
        is_pending=True,
    )
    checkpoint.keep_backfilled([pending])


def _make_due(checkpoint: Checkpoint, intent: Intent, now: datetime) -> None:
    """Have an order that was set aside for this intent read again in this run: now it is known what is left to do."""
    item = checkpoint.review_item_of(intent.order_id)
    if item is not None and item.state is ReviewState.OPEN and item.reason is Reason.OUTCOME_UNKNOWN:
        checkpoint.retry([item.id], now)


def _ledger_row(checkpoint: Checkpoint, intent: Intent, *, now: datetime, run_id: int) -> LedgerRow:
    """The row that the interrupted run would have written, without a fingerprint: the order is read once more."""
    order = intent.body["order"]
    return LedgerRow(
        order_id=intent.order_id,
        status_id=int(order["status_id"]),
        modified_at=parse_time(order["modified_at"]) or now,
        fingerprint="",
        applied=applied_from(intent.order_id, intent.body["applied"]),
        disposition="recovered",
        written_at=now,
        run_id=run_id,
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
