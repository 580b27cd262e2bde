"""Writing down what became of orders: ledger, refunds, review, counts and log, within the caller's transaction.

Owns what the ledger says of an order and how an order is set aside. Decides nothing and speaks to neither side.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bcpoll.apply import Outcome
from bcpoll.checkpoint import BackfilledOrder, History, IntentKind, LedgerRow, ReviewState
from bcpoll.core.decode import Head
from bcpoll.core.order import Json
from bcpoll.core.rejected import Rejected
from bcpoll.core.sale import Action, Applied, CreateRefund, CreateSale, FulfillSale, SettleSale, VoidSale
from bcpoll.decide import Version
from bcpoll.shell import Shell
from bcpoll.stock import TakenOut

log = logging.getLogger(__name__)

# A customer that was only just created may not be readable yet, were the POS to lag behind its own writes: forgotten,
# it would be created twice.
_READABLE = timedelta(minutes=15)


class Books:
    """Keeps the books of one pass."""

    def __init__(self, shell: Shell, *, run_id: int, counts: Counter[str]) -> None:
        self._shell = shell
        self._run_id = run_id
        self._counts = counts
        self._refunds_waiting: set[int] = set()
        """Orders with refunds that are not booked yet."""
        self._but_for_stock: set[int] = set()
        """Orders that are done, except that their returned goods are still to be taken out of stock."""
        self._forgotten: set[str] = set()
        """Customers that turned out to be gone from the POS."""
        self._tried_again: set[int] = set()
        """Orders that were set aside in this pass and are tried once more before it ends."""

    def expect_refunds(self, order_ids: Collection[int]) -> None:
        """Remember orders with refunds that are not booked yet, in case one of them is set aside."""
        self._refunds_waiting.update(order_ids)

    def keep(self, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Write down what became of the orders: ledger, review, refunds, stock owed, counts."""
        checkpoint = self._shell.checkpoint
        checkpoint.record([_ledger_row(one, now, self._run_id) for one in outcomes if _is_news(one)])
        for outcome in outcomes:
            planned = outcome.planned
            if outcome.rejected is not None:
                self.set_aside(outcome.rejected, planned.payload, planned.fingerprint, now)
                self._forget_customer(outcome, now)
            self._tell(outcome)
        declined = [refund_id for one in outcomes for refund_id in one.planned.plan.declined]
        checkpoint.book_refunds([booked for one in outcomes for booked in one.booked], now, self._run_id)
        checkpoint.decline_refunds(declined)
        checkpoint.owe_stock(owed for one in outcomes for owed in one.owed)
        checkpoint.keep_backfilled(row for one in outcomes for row in _backfilled(one))
        self._counts["declined"] += len(declined)
        self._counts["not_imported"] += sum(1 for one in outcomes if one.planned.desired.sale is None)
        self._solve({one.planned.order_id for one in outcomes if one.is_finished and one.rejected is None}, now)

    def _solve(self, order_ids: set[int], now: datetime) -> None:
        """Close the review items of orders that went well; where returned goods are still to be taken out, not yet."""
        checkpoint = self._shell.checkpoint
        self._but_for_stock |= order_ids & {row.order_id for row in checkpoint.refunds_to_take_out()}
        checkpoint.solve(order_ids - self._but_for_stock, now)
        # Nobody has to look at what the same pass put right.
        self._counts["set_aside"] -= len(order_ids & self._tried_again)
        self._tried_again -= order_ids

    def keep_rejected(self, rejected: Sequence[tuple[Version, Rejected]], now: datetime) -> None:
        """Write down the orders that were rejected before there was a plan."""
        for version, why in rejected:
            self.set_aside(why, version.raw, version.fingerprint, now)
        self._shell.checkpoint.record([row for version, _ in rejected for row in self._unapplied(version, now)])
        self._shell.checkpoint.keep_backfilled(
            _backfilled_order(version.history, version.applied, is_pending=True)
            for version, _ in rejected
            if version.history and version.applied.order_id
        )

    def set_aside(self, rejected: Rejected, payload: Json, digest: str, now: datetime) -> None:
        """Set an order aside and log it, as a warning where that is news."""
        is_news = self._shell.checkpoint.set_aside(
            rejected,
            payload,
            fingerprint=digest,
            now=now,
            run_id=self._run_id or None,
            # To dismiss an order drops its waiting refunds, so that these have come since.
            is_more=rejected.order_id in self._refunds_waiting,
        )
        self._counts["set_aside"] += is_news
        level = logging.WARNING if is_news else logging.INFO
        order = rejected.order_id
        detail = f"{rejected.field}: {rejected.detail}"
        log.log(level, "order %s set aside: %s (%s)", order, rejected.reason, detail, extra={"order": order})

    def tell_taken(self, taken: TakenOut) -> None:
        """Write down what became of goods that were to be taken out of stock again."""
        row, now = taken.refund, self._shell.clock()
        if taken.rejected is not None:
            self.set_aside(taken.rejected, row.payload, f"{IntentKind.STOCK}:{row.refund_id}", now)
            return
        self._counts["taken_out"] += taken.units
        said = "order %s: %s units of refund %s taken out of stock"
        log.info(said, row.order_id, taken.units, row.refund_id, extra={"order": row.order_id})
        item = self._shell.checkpoint.review_item_of(row.order_id)
        is_for_stock = item is not None and item.field == IntentKind.STOCK
        if is_for_stock or row.order_id in self._but_for_stock:
            self._shell.checkpoint.solve([row.order_id], now)

    def _forget_customer(self, outcome: Outcome, now: datetime) -> None:
        """Forget a customer that is gone from the POS, and try the order once more in this pass with another.

        A link to one that is there stays, whatever the POS refused: a search that lags would not find that customer,
        who would be created twice.
        """
        checkpoint, order_id, gone = self._shell.checkpoint, outcome.planned.order_id, outcome.gone_customer
        if gone and checkpoint.forget_customer(gone, linked_before=now - _READABLE):
            self._forgotten.add(gone)
        item = checkpoint.review_item_of(order_id) if gone in self._forgotten else None
        if item is not None and item.state is ReviewState.OPEN:
            checkpoint.retry([item.id], now)
            self._tried_again.add(order_id)

    def _tell(self, outcome: Outcome) -> None:
        """Count and log what was written for an order."""
        for action in outcome.written:
            done = _PAST[type(action)]
            self._counts[done] += 1
            log.info("order %s: sale %s %s", action.order_id, action.sale_id, done, extra={"order": action.order_id})

    def _unapplied(self, version: Version, now: datetime) -> Iterator[LedgerRow]:
        """The row of an order that was rejected before there was a plan: seen in this version, applied as before."""
        head = version.head
        # An order from before the start stays one that the ledger does not know.
        if isinstance(head, Head) and version.is_ours:
            yield LedgerRow(
                order_id=head.id,
                status_id=head.status,
                modified_at=head.modified_at,
                fingerprint=version.fingerprint,
                applied=version.applied,
                disposition="set_aside",
                placed_at=head.created_at,
                written_at=now,
                run_id=self._run_id,
            )


_PAST: Mapping[type[Action], str] = {
    CreateSale: "created",
    SettleSale: "settled",
    FulfillSale: "fulfilled",
    VoidSale: "voided",
    CreateRefund: "refunded",
}


def _is_news(outcome: Outcome) -> bool:
    """Whether an outcome changes the ledger; that of an order cut short does only if something of it was written."""
    return outcome.is_finished or outcome.applied != outcome.planned.applied


def _backfilled(outcome: Outcome) -> Iterator[BackfilledOrder]:
    """What is remembered of an order that a backfill wrote or could not finish; nothing where nothing is imported."""
    history, is_well = outcome.planned.history, outcome.is_finished and outcome.rejected is None
    if history is not None and (outcome.applied.revision or not is_well):
        begun = replace(history, revision=outcome.applied.revision) if outcome.written else history
        yield _backfilled_order(begun, outcome.applied, is_pending=not is_well)


def _backfilled_order(history: History, applied: Applied, *, is_pending: bool) -> BackfilledOrder:
    return BackfilledOrder(
        order_id=applied.order_id,
        backfill_id=history.backfill_id,
        revision=applied.revision if applied.state.is_live else history.revision,
        is_neutral=history.neutral_before is not None,
        is_pending=is_pending,
    )


def _ledger_row(outcome: Outcome, now: datetime, run_id: int) -> LedgerRow:
    planned, sale = outcome.planned, outcome.planned.desired.sale
    return LedgerRow(
        order_id=planned.order_id,
        status_id=planned.status_id,
        modified_at=planned.modified_at,
        # Without a fingerprint the order counts as not seen: it is read again.
        fingerprint=planned.fingerprint if outcome.is_finished else "",
        applied=outcome.applied,
        disposition=planned.desired.state.value,
        order_total=sale.total if sale else None,
        tax=sale.tax if sale else None,
        customer_key=sale.buyer.key if sale and sale.buyer else "",
        note="\n".join(planned.desired.notes),
        placed_at=planned.placed_at,
        written_at=now,
        run_id=run_id,
    )
