"""The start of a shop: from when on its orders are imported, and which older ones may still become real.

Owns what a checkpoint holds from its first moment on, whether it is new or was made anew from the POS.
"""

from datetime import datetime

from bcpoll.checkpoint import Checkpoint
from bcpoll.core.status import OrderStatus
from bcpoll.ports import OrderSource

SWEEP = "sweep"
"""The mark of the last sweep."""

# Orders that are not imported yet but may become real although they were created before the start.
_WATCHED = (OrderStatus.INCOMPLETE, OrderStatus.PENDING)


def fix_start(source: OrderSource, checkpoint: Checkpoint, start: datetime, *, now: datetime, refunds: bool) -> None:
    """Fix the start, of orders and where wanted of refunds, and note the orders that may still become real."""
    watched = [order_id for status in _WATCHED for order_id in source.order_ids_with_status(status)]
    with checkpoint.atomic():
        checkpoint.watch(watched)
        checkpoint.set_start(start)
        checkpoint.move_cursor(start)
        checkpoint.set_mark(SWEEP, now)
        if refunds:
            checkpoint.begin_refunds(start)
