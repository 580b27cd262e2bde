"""The transactions of orders, read from the store where they may tell more than the order's status does.

Owns when the store is asked: once for each such order and version, and not again in a run once it has refused. What a
transaction means is for `core.transactions`. Touches no checkpoint but to read which orders wait to be paid: pool
threads only speak HTTP.
"""

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from datetime import datetime, timedelta

from bcpoll.checkpoint import Checkpoint
from bcpoll.core.decode import decode_transactions
from bcpoll.core.order import Order, Transaction
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.shop import Policy
from bcpoll.core.status import OrderStatus, Paid
from bcpoll.core.transactions import may_tell_more
from bcpoll.errors import AccessRefused, GiveUp, TooHeavy, WrongAnswer
from bcpoll.logs import about_order
from bcpoll.ports import OrderSource

log = logging.getLogger(__name__)

_FORBIDDEN = 403

# Longer than any card network or wallet lets an authorization stand.
_OUTSTANDING = timedelta(days=45)
_TURNS = 30


class TransactionReader:
    """Reads the transactions of orders for the length of a run."""

    def __init__(self, source: OrderSource, policy: Policy, pool: Executor | None = None) -> None:
        """With a `pool`, orders are asked for side by side."""
        self._source = source
        self._policy = policy
        self._pool = pool
        self._is_refused = False

    def of(self, orders: Iterable[Order]) -> Mapping[int, tuple[Transaction, ...] | Rejected]:
        """The transactions by order, of those that have anything to tell; without the right to read them, of none."""
        asked = [order.id for order in orders if may_tell_more(order, self._policy)]
        was_refused = self._is_refused
        answers = self._pool.map(self._read, asked) if self._pool else map(self._read, asked)
        told = {order_id: answer for order_id, answer in zip(asked, answers, strict=True) if answer is not None}
        if self._is_refused and not was_refused:
            log.info(
                "the BigCommerce token may not read transactions (store_v2_transactions_read_only):"
                " what is paid goes by the orders' status alone"
            )
        return told

    def _read(self, order_id: int) -> tuple[Transaction, ...] | Rejected | None:
        if self._is_refused:
            return None
        try:
            with about_order(order_id):
                raw = self._source.transactions(order_id)
            return decode_transactions(raw, order_id)
        except AccessRefused as error:
            if error.status != _FORBIDDEN:
                raise
            self._is_refused = True
            return None
        except (TooHeavy, WrongAnswer, GiveUp) as error:
            # The store is there, it broke over this one order: that must not hold up the others.
            return Rejected(
                order_id=order_id, reason=Reason.PAYMENTS_UNREAD, field="transactions", detail=error.message
            )


def outstanding(checkpoint: Checkpoint, policy: Policy, now: datetime) -> list[int]:
    """Orders that are booked as not paid although their status may say paid, as those that are only authorized.

    A capture may not change an order's modification time (not documented), so the nightly sweep looks at each of them.
    Those that have waited longer than any authorization stands are looked at by turns, each about once a month.
    """
    turn = now.toordinal() % _TURNS
    return [
        row.order_id
        for row in checkpoint.unpaid()
        if _may_be_paid(row.status_id, policy)
        and (now - row.modified_at < _OUTSTANDING or row.order_id % _TURNS == turn)
    ]


def _may_be_paid(status_id: int, policy: Policy) -> bool:
    return policy.statuses.rules[OrderStatus(status_id)].paid is not Paid.NO
