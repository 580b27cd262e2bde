"""Adjustments of the POS's stock: each is made once, however often it has to be tried.

An adjustment is relative and has no key, so its intent remembers which version the POS's feed of adjustments had
reached before it, and any second try first looks through the feed from there. No adjustment is begun while another is
unclear, so that such a look-up cannot find the wrong one. Owns that, and taking out returned goods again that are not
to be restocked; what a backfill puts back is `putback`'s business.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bcpoll.checkpoint import Checkpoint, Intent, IntentKind, IntentState, RefundRow, ReviewState
from bcpoll.core.order import Json
from bcpoll.core.rejected import Rejected
from bcpoll.errors import AccessRefused, GiveUp, LookAgain
from bcpoll.logs import about_order
from bcpoll.ports import PointOfSale
from bcpoll.resolve import PRODUCT_FEED, read_product_feed
from bcpoll.rows import amount_of, text_of
from bcpoll.send import Result, done, not_found, refused, send
from bcpoll.shell import Shell

ADJUSTMENT_FEED = "stock adjustments"

_CACHED_REASON = "stock adjustment reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class StockReason:
    """A reason created in the POS account, which tells our adjustments from others in its reports and in look-ups."""

    name: str
    """At most 30 characters; unique in the account."""
    adds: bool
    """True where it adds goods to the stock, False where it takes them out."""

    @property
    def plain(self) -> Json:
        """The built-in reason to use instead where the account lets us create none."""
        return {"reason": "STOCK_FOUND" if self.adds else "INTERNAL_USE"}

    @property
    def cached_as(self) -> str:
        """The name under which the checkpoint caches it."""
        return f"{_CACHED_REASON}: {self.name}"


REFUND = StockReason(name="BigCommerce refund", adds=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOut:
    """What became of taking a refund's goods out of stock; `rejected` is set where it did not go through."""

    refund: RefundRow
    units: int
    rejected: Rejected | None = None


class Adjuster:
    """Adjusts stock, one adjustment at a time."""

    def __init__(self, shell: Shell, *, run_id: int) -> None:
        self._pos = shell.pos
        self._checkpoint = shell.checkpoint
        self._clock = shell.clock
        self._run_id = run_id

    @property
    def is_unclear(self) -> bool:
        """Whether an earlier adjustment has no clear outcome yet: then none may be begun."""
        return any(intent.kind is IntentKind.STOCK for intent in self._checkpoint.open_intents())

    def adjust(
        self,
        items: Sequence[Json],
        *,
        target: str,
        order_id: int = 0,
        memory: Mapping[str, Any] = MappingProxyType({}),
        begun: Callable[[], None] = lambda: None,
        settled: Callable[[Mapping[str, int]], None],
    ) -> tuple[Result, Mapping[str, int]]:
        """Adjust stock by these items, one per product; gives the result and the units left to adjust, by product.

        It takes two transactions: `begun` is called in the one that writes the intent, and, if the adjustment was made,
        `settled` with the units left in the one that settles it.
        """
        since = self._newest_version()
        intent = Intent(
            key=f"{IntentKind.STOCK}:{target}",
            order_id=order_id,
            kind=IntentKind.STOCK,
            target=target,
            body={**memory, "items": items},
            since=since,
            created_at=self._clock(),
            run_id=self._run_id,
        )
        with self._checkpoint.atomic():
            self._checkpoint.set_feed_version(ADJUSTMENT_FEED, since)
            self._checkpoint.intend([intent])
            begun()
        result, rest = self._sent(intent, items)
        left = units_in(rest)
        with self._checkpoint.atomic():
            self._settle(intent, result)
            if result.is_done:
                settled(left)
        return result, left

    def _sent(self, intent: Intent, items: Sequence[Json]) -> tuple[Result, Sequence[Json]]:
        """Send an adjustment; gives the result and the items that are still to be sent."""
        try:
            with about_order(intent.order_id):
                self._pos.adjust_stock(items)
        except GiveUp as error:
            # It may have been refused because our reason was deleted since it was cached.
            self._checkpoint.forget_cached()
            return refused(error.message), items
        except LookAgain as error:
            rest = missing(self._pos, items, intent.since)
            return (done(rest_text(rest)), rest) if len(rest) < len(items) else (not_found(error), items)
        except AccessRefused as error:
            # Certainly not written. Left open, every run would begin with a look-up that needs the same missing right.
            self._settle(intent, refused(error.message))
            raise
        return done(rest_text(())), ()

    def _settle(self, intent: Intent, result: Result) -> None:
        at = self._clock()
        self._checkpoint.settle(intent.key, result.state, at=at, detail=result.detail, result=result.result)

    def _newest_version(self) -> int:
        """The version that the feed of adjustments has reached: anything written from now on has a newer one."""
        known = self._checkpoint
        version = max(known.feed_version(ADJUSTMENT_FEED), known.feed_version(PRODUCT_FEED))
        for page in self._pos.adjustments_after(version):
            version = page.version
        return version

    def reason(self, wanted: StockReason) -> Json | None:
        """Our own reason, created when first needed, or the built-in one where the account lets us create none.

        None where it is unclear whether it was created: the next pass finds out.
        """
        cached = self._checkpoint.cached(wanted.cached_as)
        if cached is not None:
            return dict(cached[0])
        known = known_reason(self._pos, self._checkpoint, wanted)
        made = done("") if known else self._made(wanted)
        if not made.is_done:
            return wanted.plain if made.state is IntentState.REFUSED else None
        reason = known or own_reason(made.result)
        self._checkpoint.cache(wanted.cached_as, reason, self._clock())
        return reason

    def _made(self, wanted: StockReason) -> Result:
        """Create our reason. Its name is unique, so that a second try cannot create another."""
        return send(
            lambda: self._pos.create_adjustment_reason(wanted.name, adds=wanted.adds),
            lambda: self._pos.adjustment_reasons(adds=wanted.adds).get(wanted.name),
        )


class StockTaker:
    """Takes out of stock the goods that refunds put there."""

    def __init__(self, shell: Shell, *, run_id: int) -> None:
        self._pos = shell.pos
        self._checkpoint = shell.checkpoint
        self._clock = shell.clock
        self._adjuster = Adjuster(shell, run_id=run_id)

    def take_out(self, heed_stop: Callable[[], None]) -> Iterator[TakenOut]:
        """Take out what is due, one refund after the other, up to the first whose outcome is unclear."""
        rows = [row for row in self._checkpoint.refunds_to_take_out() if not self._rests(row)]
        if not rows:
            return
        # Products may have been set to be counted, or not to be, since they were last read.
        read_product_feed(self._pos, self._checkpoint)
        for row in rows:
            heed_stop()
            taken = None if self._adjuster.is_unclear else self._taken_out(row)
            if taken is None:
                return
            yield taken

    def _rests(self, row: RefundRow) -> bool:
        """Whether its order is set aside because of this stock, and its next try is not due yet."""
        item = self._checkpoint.review_item_of(row.order_id)
        is_ours = item is not None and item.state is ReviewState.OPEN and item.field == IntentKind.STOCK
        return is_ours and row.order_id not in {one.order_id for one in self._checkpoint.due(self._clock())}

    def _taken_out(self, row: RefundRow) -> TakenOut | None:
        """Take out a refund's goods as far as the POS counts them; None where it is unclear if our reason exists."""
        counted = self._checkpoint.stock_tracked(row.to_take_out.keys())
        wanted = {product: count for product, count in row.to_take_out.items() if product in counted}
        if not wanted:
            self._checkpoint.take_out(row.refund_id, {})
            return TakenOut(refund=row, units=0)
        reason = self._adjuster.reason(REFUND)
        return None if reason is None else self._sent(row, list(items_taking_out(row.outlet_id, wanted, reason)))

    def _sent(self, row: RefundRow, items: Sequence[Json]) -> TakenOut:
        result, left = self._adjuster.adjust(
            items,
            target=row.sale_id,
            order_id=row.order_id,
            memory={"refund_id": row.refund_id},
            settled=lambda left: self._checkpoint.take_out(row.refund_id, left),
        )
        if result.is_done:
            return TakenOut(refund=row, units=sum(units_in(items).values()) - sum(left.values()))
        field, detail = IntentKind.STOCK.value, result.detail
        rejected = Rejected(order_id=row.order_id, reason=result.reason, field=field, detail=detail)
        return TakenOut(refund=row, units=0, rejected=rejected)


def known_reason(pos: PointOfSale, checkpoint: Checkpoint, wanted: StockReason = REFUND) -> Json | None:
    """Our own reason in the form that an adjustment's items need; None where it is still to be created."""
    cached = checkpoint.cached(wanted.cached_as)
    if cached is not None:
        return dict(cached[0])
    reason_id = pos.adjustment_reasons(adds=wanted.adds).get(wanted.name)
    return own_reason(reason_id) if reason_id else None


def own_reason(reason_id: str) -> Json:
    """A reason created in the account, in the form that an adjustment's items need."""
    return {"reason": "CUSTOM", "custom_inventory_adjustment_reason_id": reason_id}


def missing(pos: PointOfSale, items: Iterable[Json], since: int) -> list[Json]:
    """The items of an adjustment that the POS's feed after this version does not show."""
    return without(items, (row for page in pos.adjustments_after(since) for row in page.rows))


def without(items: Iterable[Json], others: Iterable[Json]) -> list[Json]:
    """The items without a counterpart among the others; each of the others can be the counterpart of one item only."""
    found = Counter(map(_identity, others))
    rest: list[Json] = []
    for item in items:
        wanted = _identity(item)
        if found[wanted]:
            found[wanted] -= 1
        else:
            rest.append(item)
    return rest


def left_of(intent: Intent) -> list[Json]:
    """The items that a settled adjustment did adjust: all but those that its result lists as still to be sent."""
    rest = json.loads(intent.result or "{}")
    return [item for item in intent.body.get("items", ()) if str(item["product_id"]) not in rest]


def rest_text(rest: Iterable[Json]) -> str:
    """The result that is noted for an adjustment: the units by product that are still to be taken out, as JSON."""
    return json.dumps(units_in(rest))


def units_in(items: Iterable[Json]) -> dict[str, int]:
    """The units that an adjustment's items take out, by product; negative where they add."""
    return {str(item["product_id"]): -int(item["quantity"]) for item in items}


def items_taking_out(outlet_id: str, units: Mapping[str, int], reason: Json) -> Iterator[Json]:
    """The items of an adjustment that takes these units, by product, out of an outlet's stock."""
    for product_id, count in units.items():
        yield {"product_id": product_id, "outlet_id": outlet_id, "quantity": f"-{count}", **reason}


def _identity(row: Json) -> tuple[object, ...]:
    """What adjustments are compared by; equal ones can only be counted, not told apart."""
    names = ("product_id", "outlet_id", "reason", "custom_inventory_adjustment_reason_id")
    return (amount_of(row, "quantity"), *(text_of(row, name) for name in names))
