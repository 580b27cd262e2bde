"""Goods that came back with a refund and are not to be stock again: taken out by an adjustment after its sale.

Owns that each is taken out once. An adjustment is relative and has no key of its own, so it goes through an intent with
the version of the POS's feed just before it, and is looked up there before any second try. Never is one begun while
another is unclear: then a look-up can only ever find the one that it looks for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bcpoll.checkpoint import Checkpoint, Intent, IntentKind, IntentState, RefundRow, ReviewState
from bcpoll.core.order import Json
from bcpoll.core.rejected import Rejected
from bcpoll.errors import AccessRefused, GiveUp, LookAgain
from bcpoll.ports import PointOfSale
from bcpoll.resolve import PRODUCT_FEED, read_product_feed
from bcpoll.rows import amount_of, text_of
from bcpoll.send import Result, done, not_found, refused, send

ADJUSTMENT_FEED = "stock adjustments"

# The account's own reason, by which the POS's reports and every look-up tell our adjustments from others.
REASON_NAME = "BigCommerce refund"
_CACHED_REASON = "stock adjustment reason"

# Where the account lets us make no reason of its own: the plainest of the POS's own for taking goods out.
_PLAIN: Json = {"reason": "INTERNAL_USE"}

FOUND = "in the POS"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOut:
    """What became of taking out the goods of a refund; `rejected` where it did not go through."""

    refund: RefundRow
    units: int
    rejected: Rejected | None = None


class StockTaker:
    """Takes out of stock what refunds put there."""

    def __init__(self, *, pos: PointOfSale, checkpoint: Checkpoint, clock: Callable[[], datetime], run_id: int) -> None:
        self._pos = pos
        self._checkpoint = checkpoint
        self._clock = clock
        self._run_id = run_id

    def take_out(self, heed_stop: Callable[[], None]) -> Iterator[TakenOut]:
        """Take out what is due, one refund after the other, up to the first whose outcome is unclear."""
        rows = [row for row in self._checkpoint.refunds_to_take_out() if not self._rests(row)]
        if not rows:
            return
        # Whether a product is counted may have changed since it was last heard of.
        read_product_feed(self._pos, self._checkpoint)
        for row in rows:
            heed_stop()
            taken = None if self._is_unclear() else self._taken_out(row)
            if taken is None:
                return
            yield taken

    def _is_unclear(self) -> bool:
        return any(intent.kind is IntentKind.STOCK for intent in self._checkpoint.open_intents())

    def _rests(self, row: RefundRow) -> bool:
        """Whether its order is set aside for its stock, and the next try has not come."""
        item = self._checkpoint.review_item_of(row.order_id)
        is_ours = item is not None and item.state is ReviewState.OPEN and item.field == IntentKind.STOCK
        return item is not None and is_ours and (item.next_try is None or item.next_try > self._clock())

    def _taken_out(self, row: RefundRow) -> TakenOut | None:
        """Take out the goods of a refund as far as the POS counts them; None where our reason is not clear yet."""
        counted = self._checkpoint.stock_tracked(row.to_take_out.keys())
        wanted = {product: count for product, count in row.to_take_out.items() if product in counted}
        if not wanted:
            self._checkpoint.take_out(row.refund_id, {})
            return TakenOut(refund=row, units=0)
        reason = self._reason()
        return None if reason is None else self._sent(row, list(_items(row, wanted, reason)))

    def _sent(self, row: RefundRow, items: Sequence[Json]) -> TakenOut:
        intent = Intent(
            key=f"{IntentKind.STOCK}:{row.sale_id}",
            order_id=row.order_id,
            kind=IntentKind.STOCK,
            target=row.sale_id,
            body={"refund_id": row.refund_id, "items": items},
            since=self._newest_version(),
            created_at=self._clock(),
            run_id=self._run_id,
        )
        self._checkpoint.intend([intent])
        result, rest = self._adjusted(intent, items)
        with self._checkpoint.atomic():
            self._settle(intent, result)
            if result.is_done:
                self._checkpoint.take_out(row.refund_id, units_in(rest))
        if result.is_done:
            return TakenOut(refund=row, units=sum(units_in(items).values()) - sum(units_in(rest).values()))
        field, detail = IntentKind.STOCK.value, result.detail
        rejected = Rejected(order_id=row.order_id, reason=result.reason, field=field, detail=detail)
        return TakenOut(refund=row, units=0, rejected=rejected)

    def _adjusted(self, intent: Intent, items: Sequence[Json]) -> tuple[Result, Sequence[Json]]:
        """Send an adjustment; gives what became of it, and the items of it that are still to be sent."""
        try:
            self._pos.adjust_stock(items)
        except GiveUp as error:
            # The reason may have been deleted since it was made.
            self._checkpoint.forget_cached()
            return refused(error.message), items
        except LookAgain as error:
            rest = missing(self._pos, items, intent.since)
            return (done(FOUND), rest) if len(rest) < len(items) else (not_found(error), items)
        except AccessRefused as error:
            # For certain not written: left open, it would be looked up at every start, which needs the same right.
            self._settle(intent, refused(error.message))
            raise
        return done(FOUND), ()

    def _settle(self, intent: Intent, result: Result) -> None:
        at = self._clock()
        self._checkpoint.settle(intent.key, result.state, at=at, detail=result.detail, result=result.result)

    def _newest_version(self) -> int:
        """The version that the feed of adjustments has reached: what is written from now on is newer."""
        known = self._checkpoint
        version = max(known.feed_version(ADJUSTMENT_FEED), known.feed_version(PRODUCT_FEED))
        for page in self._pos.adjustments_after(version):
            version = page.version
        known.set_feed_version(ADJUSTMENT_FEED, version)
        return version

    def _reason(self) -> Json | None:
        """Our own reason, made when it is first needed, or the plain one where the account lets us make none.

        None where it is not clear whether it was made: the next pass sees.
        """
        cached = self._checkpoint.cached(_CACHED_REASON)
        if cached is not None:
            return dict(cached[0])
        reason_id = self._pos.adjustment_reasons().get(REASON_NAME)
        made = done(reason_id) if reason_id else self._made_reason()
        if not made.is_done:
            return _PLAIN if made.state is IntentState.REFUSED else None
        reason = {"reason": "CUSTOM", "custom_inventory_adjustment_reason_id": made.result}
        self._checkpoint.cache(_CACHED_REASON, reason, self._clock())
        return reason

    def _made_reason(self) -> Result:
        """Make our reason. Its name is unique, so that no second try can make a second one."""
        return send(
            lambda: self._pos.create_adjustment_reason(REASON_NAME),
            lambda: self._pos.adjustment_reasons().get(REASON_NAME),
        )


def missing(pos: PointOfSale, items: Iterable[Json], since: int) -> list[Json]:
    """The items of an adjustment that the POS's feed does not show after a version."""
    found = [_identity(row) for page in pos.adjustments_after(since) for row in page.rows]
    rest: list[Json] = []
    for item in items:
        wanted = _identity(item)
        if wanted in found:
            found.remove(wanted)
        else:
            rest.append(item)
    return rest


def units_in(items: Iterable[Json]) -> dict[str, int]:
    """Units by product that items of an adjustment take out."""
    return {str(item["product_id"]): -int(item["quantity"]) for item in items}


def _items(row: RefundRow, units: Mapping[str, int], reason: Json) -> Iterator[Json]:
    for product_id, count in units.items():
        yield {"product_id": product_id, "outlet_id": row.outlet_id, "quantity": f"-{count}", **reason}


def _identity(row: Json) -> tuple[object, ...]:
    """What tells one adjustment from another; of several that are the same, it counts how many there are."""
    names = ("product_id", "outlet_id", "reason", "custom_inventory_adjustment_reason_id")
    return (amount_of(row, "quantity"), *(text_of(row, name) for name in names))
