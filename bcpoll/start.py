"""The start of a shop: the moment from which its orders are imported, and older orders that may still become real.

Owns what a checkpoint holds to begin with, whether it is new or was made anew from the POS.
"""

import logging
from datetime import datetime

from bcpoll.checkpoint import Checkpoint
from bcpoll.core.shop import Refunds
from bcpoll.core.status import OrderStatus
from bcpoll.core.times import rfc2822
from bcpoll.ports import OrderSource
from bcpoll.shell import Shell

log = logging.getLogger(__name__)

SWEEP = "sweep"
"""The mark of the last sweep."""

# Orders that are not imported yet but may become real although they were created before the start.
_WATCHED = (OrderStatus.INCOMPLETE, OrderStatus.PENDING)


def begin(shell: Shell) -> datetime:
    """The start; on the first run it is fixed, and orders that may still become real are noted."""
    start = shell.checkpoint.start()
    if start is not None:
        return start
    shell.before_first()
    start = shell.start or shell.source.server_time()
    with_refunds = shell.policy.refunds is Refunds.IMPORT
    fix_start(shell.source, shell.checkpoint, start, now=shell.clock(), refunds=with_refunds)
    log.info("first run: orders placed from %s on are imported", rfc2822(start))
    return start


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
