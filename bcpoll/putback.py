"""Putting back what sales of the past took out of the POS's stock, and taking out what their refunds put in.

Owns when that happens and what is still owed. The checkpoint notes units as owed in the transaction that notes their
sales, and as settled in the one that notes their adjustment; if a run dies in between, the next one, of whatever kind,
goes on from there. That each adjustment is made only once is `stock`'s business.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bcpoll.checkpoint import StockOwed
from bcpoll.core.order import Json
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.resolve import read_product_feed
from bcpoll.shell import Shell
from bcpoll.stock import Adjuster, StockReason

log = logging.getLogger(__name__)

INTO_STOCK = StockReason(name="BigCommerce history, in", adds=True)
"""Where the POS has this reason, a backfill was run at some time."""
OUT_OF_STOCK = StockReason(name="BigCommerce history, out", adds=False)

# By whether units are added.
_REASONS = {True: INTO_STOCK, False: OUT_OF_STOCK}

# How many products one request adjusts at most.
_AT_ONCE = 1000

# One target for all, since there is never more than one such adjustment under way.
_TARGET = "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack:
    """How many units were put back or taken out, and what the POS refused."""

    units: int = 0
    rejected: tuple[Rejected, ...] = ()


class StockReturner:
    """Settles what is owed to the stock."""

    def __init__(self, shell: Shell, *, run_id: int) -> None:
        self._pos = shell.pos
        self._checkpoint = shell.checkpoint
        self._adjuster = Adjuster(shell, run_id=run_id)
        self._units = 0
        self._rejected: list[Rejected] = []
        self._uncounted: Sequence[StockOwed] = ()

    def settle(self) -> PutBack:
        """Adjust the stock by all that is owed; after an unclear outcome the rest is left to the next run."""
        if self._checkpoint.stock_owed(1) and not self._adjuster.is_unclear:
            # Products may have been set to be counted, or not to be, since they were last read.
            read_product_feed(self._pos, self._checkpoint)
            while (owed := self._next()) and self._adjust(owed):
                pass
        return PutBack(units=self._units, rejected=tuple(self._rejected))

    def _next(self) -> Sequence[StockOwed]:
        """What to adjust next: one outlet's products whose stock is counted; what is owed of others is dropped."""
        while owed := self._checkpoint.stock_owed(_AT_ONCE):
            at_outlet = [one for one in owed if one.outlet_id == owed[0].outlet_id]
            counted = self._checkpoint.stock_tracked({one.product_id for one in at_outlet})
            self._uncounted = [one for one in at_outlet if one.product_id not in counted]
            if wanted := [one for one in at_outlet if one.product_id in counted]:
                return wanted
            self._forget_uncounted()
        return ()

    def _forget_uncounted(self) -> None:
        """Drop what is owed of products that are not counted; with an adjustment, in the transaction that begins it."""
        self._checkpoint.owe_stock(_cancelled(self._uncounted))
        self._uncounted = ()

    def _adjust(self, owed: Sequence[StockOwed], *, again: bool = False) -> bool:
        """Adjust the stock by what is owed; False where an outcome is unclear, so that nothing more may be tried.

        The POS may refuse a whole request because of one item, so a refused request is halved down to that item, which
        is tried once more and then left to people.
        """
        items = self._items(owed)
        if items is None:
            return False
        result, left = self._adjuster.adjust(
            items,
            target=_TARGET,
            begun=self._forget_uncounted,
            settled=lambda left: self._checkpoint.owe_stock(put_back(items, left)),
        )
        if result.is_done:
            self._units += sum(abs(one.units) for one in put_back(items, left))
            return True
        if result.is_unknown:
            return False
        if len(owed) > 1:
            middle = len(owed) // 2
            return self._adjust(owed[:middle]) and self._adjust(owed[middle:])
        if not again:
            return self._adjust(owed, again=True)
        self._give_up(owed[0], result.detail)
        return True

    def _items(self, owed: Sequence[StockOwed]) -> list[Json] | None:
        """The items of an adjustment; None where it is unclear whether the reasons they need were created."""
        reasons = {adds: self._adjuster.reason(_REASONS[adds]) for adds in {one.units > 0 for one in owed}}
        if None in reasons.values():
            return None
        return [
            {
                "product_id": one.product_id,
                "outlet_id": one.outlet_id,
                "quantity": str(one.units),
                **(reasons[one.units > 0] or {}),
            }
            for one in owed
        ]

    def _give_up(self, owed: StockOwed, said: str) -> None:
        """Leave to people an adjustment that the POS refuses."""
        self._checkpoint.owe_stock(_cancelled([owed]))
        detail = f"product {owed.product_id}: {owed.units:+} units are to be adjusted by hand; the POS said: {said}"
        log.warning("%s", detail)
        self._rejected.append(Rejected(order_id=0, reason=Reason.POS_REFUSED, field="stock", detail=detail))


def put_back(items: Iterable[Json], left: Mapping[str, int]) -> list[StockOwed]:
    """What an adjustment settles, as amounts that cancel what is owed; `left` names products not adjusted yet."""
    return [
        StockOwed(outlet_id=str(item["outlet_id"]), product_id=product_id, units=-int(item["quantity"]))
        for item in items
        for product_id in [str(item["product_id"])]
        if product_id not in left
    ]


def _cancelled(owed: Iterable[StockOwed]) -> list[StockOwed]:
    return [StockOwed(outlet_id=one.outlet_id, product_id=one.product_id, units=-one.units) for one in owed]
