"""Stock adjustments of ours that the checkpoint does not know: made after its backup was taken, or by another host.

Owns what they count for: each settles what is still owed to the stock, or still to be taken out of it, up to its own
units. Adjustments have no ids of our choosing, so they are told from those of staff by our own reasons; where the
account lets us create none, they cannot be told apart. Adjusts nothing itself.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator

from bcpoll.checkpoint import Checkpoint, IntentKind, StockOwed
from bcpoll.core.order import Json
from bcpoll.ports import PointOfSale
from bcpoll.putback import INTO_STOCK, OUT_OF_STOCK
from bcpoll.resolve import PRODUCT_FEED
from bcpoll.rows import amount_of, text_of
from bcpoll.stock import ADJUSTMENT_FEED, REFUND, StockReason, known_reason, left_of, without

log = logging.getLogger(__name__)

_REASON = "custom_inventory_adjustment_reason_id"

# More products than any shop has.
_ALL = 1_000_000


def settle_unnoted(pos: PointOfSale, checkpoint: Checkpoint) -> None:
    """Count as settled what is owed to the stock wherever the POS's feed shows it adjusted already."""
    if any(intent.kind is IntentKind.STOCK for intent in checkpoint.open_intents()):
        return
    # Before our first adjustment, read on from where the products were last read: older ones do not concern us.
    begun = reached = checkpoint.feed_version(ADJUSTMENT_FEED) or checkpoint.feed_version(PRODUCT_FEED)
    rows: list[Json] = []
    for page in pos.adjustments_after(begun):
        rows += [row for row in page.rows if text_of(row, _REASON)]
        reached = page.version
    noted = [item for intent in checkpoint.adjusted_since(begun) for item in left_of(intent)]
    unnoted = _Units(without(rows, noted))
    if reached == begun == checkpoint.feed_version(ADJUSTMENT_FEED):
        return
    with checkpoint.atomic():
        if unnoted:
            log.warning("stock was adjusted by a run that this checkpoint does not know: it is not done again")
            _put_back(pos, checkpoint, unnoted)
            _taken_out(pos, checkpoint, unnoted)
        checkpoint.set_feed_version(ADJUSTMENT_FEED, reached)


class _Units(Counter[tuple[str, str, str]]):
    """Units by reason, outlet and product."""

    def __init__(self, rows: Iterable[Json]) -> None:
        super().__init__()
        for row in rows:
            self[text_of(row, _REASON), text_of(row, "outlet_id"), text_of(row, "product_id")] += int(
                amount_of(row, "quantity") or 0
            )

    def take(self, reason_id: str, outlet_id: str, product_id: str, wanted: int) -> int:
        """Use up at most the units wanted, and give how many there were; both are negative for units taken out."""
        key = (reason_id, outlet_id, product_id)
        there = self[key]
        found = min(wanted, there) if wanted > 0 < there else max(wanted, there) if wanted < 0 > there else 0
        self[key] -= found
        return found


def _put_back(pos: PointOfSale, checkpoint: Checkpoint, unnoted: _Units) -> None:
    ids = {adds: _id_of(pos, checkpoint, INTO_STOCK if adds else OUT_OF_STOCK) for adds in (True, False)}
    checkpoint.owe_stock(list(_settled(checkpoint.stock_owed(_ALL), ids, unnoted)))


def _settled(owed: Iterable[StockOwed], ids: dict[bool, str], unnoted: _Units) -> Iterator[StockOwed]:
    for one in owed:
        units = unnoted.take(ids[one.units > 0], one.outlet_id, one.product_id, one.units)
        yield StockOwed(outlet_id=one.outlet_id, product_id=one.product_id, units=-units)


def _taken_out(pos: PointOfSale, checkpoint: Checkpoint, unnoted: _Units) -> None:
    reason_id = _id_of(pos, checkpoint, REFUND)
    for row in checkpoint.refunds_to_take_out():
        rest = {
            product_id: left
            for product_id, count in row.to_take_out.items()
            if (left := count + unnoted.take(reason_id, row.outlet_id, product_id, -count))
        }
        checkpoint.take_out(row.refund_id, rest)


def _id_of(pos: PointOfSale, checkpoint: Checkpoint, reason: StockReason) -> str:
    """The id of one of our reasons; empty, which matches no row, where the POS does not have it."""
    return str((known_reason(pos, checkpoint, reason) or {}).get(_REASON) or "")
