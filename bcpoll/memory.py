"""What an intent remembers beside its request, as JSON: enough for a later run to finish the books in its place.

Owns these shapes in both directions: what one version of bcpoll wrote, the next one reads.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from bcpoll.checkpoint import BookedRefund, History, StockOwed
from bcpoll.core.order import Json
from bcpoll.core.sale import Applied, AppliedState
from bcpoll.core.times import iso


def booking_memory(booked: BookedRefund) -> Json:
    """A `BookedRefund` as JSON; `booking_from` reads it back."""
    return {
        "id": booked.refund_id,
        "sale_id": booked.sale_id,
        "total": str(booked.total),
        "units": {str(line_id): count for line_id, count in booked.units.items()},
        "outlet_id": booked.outlet_id,
        "to_take_out": dict(booked.to_take_out),
    }


def booking_from(memory: Mapping[str, Any]) -> BookedRefund:
    """Read back what `booking_memory` wrote."""
    return BookedRefund(
        refund_id=int(memory["id"]),
        sale_id=str(memory["sale_id"]),
        total=Decimal(memory["total"]),
        units={int(line_id): int(count) for line_id, count in memory["units"].items()},
        outlet_id=str(memory["outlet_id"]),
        to_take_out=dict(memory["to_take_out"]),
    )


def history_memory(history: History, owed: Iterable[StockOwed]) -> Json:
    """What a backfill records once one of its actions is written, as JSON."""
    return {
        "backfill": history.backfill_id,
        "is_neutral": history.neutral_before is not None,
        "owed": owed_memory(owed),
    }


def owed_memory(owed: Iterable[StockOwed]) -> list[list[str | int]]:
    """What is owed to the stock as JSON; `owed_from` reads it back from the member `owed`."""
    return [[one.outlet_id, one.product_id, one.units] for one in owed]


def owed_from(memory: Mapping[str, Any]) -> list[StockOwed]:
    """Read back what is owed to the stock."""
    return [
        StockOwed(outlet_id=str(outlet_id), product_id=str(product_id), units=int(units))
        for outlet_id, product_id, units in memory["owed"]
    ]


def order_memory(status_id: int, modified_at: datetime) -> Json:
    """The part of a ledger row that comes from the order."""
    return {"status_id": status_id, "modified_at": iso(modified_at)}


def applied_memory(applied: Applied) -> Json:
    """An `Applied` as JSON; `applied_from` reads it back."""
    return {
        "state": applied.state.value,
        "revision": applied.revision,
        "sale_id": applied.sale_id,
        "content": applied.content,
        "total": str(applied.total),
    }


def applied_from(order_id: int, memory: Mapping[str, Any]) -> Applied:
    """Read back what `applied_memory` wrote."""
    return Applied(
        order_id=order_id,
        state=AppliedState(memory["state"]),
        revision=int(memory["revision"]),
        sale_id=str(memory["sale_id"]),
        content=str(memory["content"]),
        total=Decimal(memory["total"]),
    )
