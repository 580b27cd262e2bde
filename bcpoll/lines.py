"""Orders whose lines were not all embedded: the missing ones are read from the store before the order is decoded.

Owns that the store failing over one order is that order's trouble alone.
"""

from bcpoll.core.consignments import lines_are_complete
from bcpoll.core.decode import Head, decode_order
from bcpoll.core.order import Json, Order
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.errors import TooHeavy, WrongAnswer
from bcpoll.logs import about_order
from bcpoll.ports import OrderSource


def whole_order(source: OrderSource, raw: Json, head: Head) -> Order | Rejected:
    """Decode an order with all its lines, read from the store where not all of them were embedded."""
    if lines_are_complete(raw):
        return decode_order(raw, head)
    whole = with_lines(source, raw, head.id)
    return whole if isinstance(whole, Rejected) else decode_order(whole, head)


def with_lines(source: OrderSource, raw: Json, order_id: int) -> Json | Rejected:
    """A raw order with all its lines in place of those that were embedded."""
    try:
        with about_order(order_id):
            return raw | {"products": source.order_lines(order_id)}
    except (TooHeavy, WrongAnswer) as error:
        # The store is there, it broke over this one order: that must not hold up the others.
        return Rejected(order_id=order_id, reason=Reason.LINES_INCOMPLETE, field="products", detail=error.message)
