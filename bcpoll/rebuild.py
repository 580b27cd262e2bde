"""A lost checkpoint: noticing that it is lost or behind, and rebuilding it from what the POS holds.

Owns what can be read back. Our sales are known by their ids, which follow from the order. What the POS cannot tell (the
version of the order, its content) is left open: the next pass fills it in from the store without writing to the POS.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from bcpoll.checkpoint import Checkpoint, LedgerRow
from bcpoll.core.plan import refund_sale_ids, revision_of, sale_id
from bcpoll.core.sale import Applied
from bcpoll.core.shop import PosCustomer, PosSale
from bcpoll.core.sold import applied_state, named_order
from bcpoll.core.status import OrderStatus
from bcpoll.core.times import parse_time
from bcpoll.errors import AccessRefused, CheckpointError
from bcpoll.ports import OrderSource, PointOfSale
from bcpoll.putback import INTO_STOCK
from bcpoll.refunds import found_booked, told_rows
from bcpoll.resolve import PRODUCT_FEED
from bcpoll.start import fix_start

# How many of the store's newest orders are looked for among our sales. Where bcpoll ran before, at least one of them
# was written; where it did not, the first run costs this many requests more, once.
_PROBED = 20

# What the ledger says was done about an order that was read back.
_REBUILT = "rebuilt"

_SALES_FEED = "sales"

# How many orders in a row are looked for further back: one alone may be one that was never to be imported.
_NEIGHBOURS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What was read back."""

    orders: int
    refunds: int
    customers: int
    products: int
    start: datetime | None
    """The creation time of the oldest order among our sales; None where there are none."""


def refuse_if_lost(source: OrderSource, pos: PointOfSale, checkpoint: Checkpoint, store_hash: str) -> None:
    """Before a first run: raise CheckpointError if the POS holds sales of ours, so that none is written twice."""
    if checkpoint.start() is not None:
        return
    newest = source.newest_order_ids(_PROBED)
    probed = [*newest, *_further_back(newest)]
    # Orders in the ledger without a start were written one by one (`run-once --order`), or read back by a rebuild that
    # was cut short.
    known = {order_id for order_id, row in checkpoint.ledger(probed).items() if row.disposition != _REBUILT}
    for order_id in probed:
        if order_id not in known and pos.sale(sale_id(store_hash, order_id, 1)) is not None:
            raise CheckpointError(
                f"The checkpoint {checkpoint.path} is new, but the POS holds a sale that bcpoll wrote"
                f" (order {order_id})",
                hint="Put the checkpoint back from a backup, or make it anew from the POS: bcpoll rebuild.",
            )


def _further_back(newest: Sequence[int]) -> Iterator[int]:
    """Ids below the newest ones, a quarter further each time: what was written before a long absence is among them."""
    distance = _PROBED
    while len(newest) == _PROBED and distance < newest[0]:
        yield from range(newest[0] - distance, max(0, newest[0] - distance - _NEIGHBOURS), -1)
        distance += distance // 4


def caught_up(pos: PointOfSale, store_hash: str, applied: Applied) -> Applied:
    """What was applied for an order, going by the POS, where the checkpoint may be behind it."""
    while (sale := pos.sale(sale_id(store_hash, applied.order_id, applied.revision + 1))) is not None:
        applied = Applied(
            order_id=applied.order_id,
            state=applied_state(sale),
            revision=applied.revision + 1,
            sale_id=sale.id.lower(),
            total=sale.total or Decimal(0),
        )
    return applied


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """What the version feed of sales showed."""

    orders: frozenset[int]
    """The orders of which it showed a newer sale than the ledger knew."""
    others: frozenset[int]
    """The orders that other sales name: those of refunds are among them."""


def take_over(pos: PointOfSale, checkpoint: Checkpoint, store_hash: str, now: datetime) -> TakenOver:
    """Bring the ledger up to what the POS holds of our sales by now, whoever wrote them.

    The same as `caught_up` for every order at once, through the version feed: a request for each page of sales. Done
    before anything is written, so that no sale can be newer than where the feed was left and still be passed over.
    """
    orders, others = set[int](), set[int]()
    noted = reached = checkpoint.feed_version(_SALES_FEED)
    for page in pos.sales_after(noted or checkpoint.version_before(now) or checkpoint.feed_version(PRODUCT_FEED)):
        reached = page.version
        newer = list(_newer(page.rows, checkpoint, store_hash, now))
        if newer:
            with checkpoint.atomic():
                checkpoint.record(newer)
                checkpoint.set_feed_version(_SALES_FEED, reached)
            noted = reached
        orders |= {row.order_id for row in newer}
        named = ((sale, named_order(sale)) for sale in page.rows)
        others |= {order_id for sale, order_id in named if order_id and not revision_of(store_hash, order_id, sale.id)}
    if reached != noted:
        checkpoint.set_feed_version(_SALES_FEED, reached)
    return TakenOver(orders=frozenset(orders), others=frozenset(others))


def _newer(rows: Iterable[PosSale], checkpoint: Checkpoint, store_hash: str, now: datetime) -> Iterator[LedgerRow]:
    """A row for each order of which a newer sale was found than the ledger knows, to be read once more.

    Of one with an unsettled write, its own look-up tells what came of it.
    """
    unsettled = {intent.order_id for intent in checkpoint.open_intents()}
    ours = [(sale, order_id) for sale in rows if (order_id := named_order(sale)) and order_id not in unsettled]
    known = checkpoint.ledger({order_id for _, order_id in ours})
    newest = {order_id: row.applied.revision for order_id, row in known.items()}
    for sale, order_id in ours:
        revision = revision_of(store_hash, order_id, sale.id)
        if revision > newest.get(order_id, 0):
            newest[order_id] = revision
            yield found_row(sale, order_id, revision, "recovered", now)


def found_row(sale: PosSale, order_id: int, revision: int, disposition: str, now: datetime) -> LedgerRow:
    """The ledger's row for a sale that was found in the POS, without a fingerprint: its order is read once more."""
    placed = parse_time(str(sale.document.get("date") or "")) or now
    total = sale.total or Decimal(0)
    return LedgerRow(
        order_id=order_id,
        status_id=OrderStatus.INCOMPLETE,
        modified_at=placed,
        fingerprint="",
        applied=Applied(
            order_id=order_id, state=applied_state(sale), revision=revision, sale_id=sale.id.lower(), total=total
        ),
        disposition=disposition,
        order_total=total,
        placed_at=placed,
        written_at=now,
    )


class Rebuild:
    """Reads our sales, customers and products back into an empty checkpoint, page by page."""

    def __init__(
        self,
        *,
        source: OrderSource,
        pos: PointOfSale,
        checkpoint: Checkpoint,
        store_hash: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._source = source
        self._pos = pos
        self._checkpoint = checkpoint
        self._store_hash = store_hash
        self._clock = clock
        self._oldest: datetime | None = None
        self._others: dict[str, PosSale] = {}
        """Sales that name an order and are not the order's own: those of refunds are among them, by id."""

    def run(self, start: datetime | None) -> Rebuilt:
        """Fill the checkpoint; `start` None takes the oldest order among our sales. Cut short, it is simply run again.

        Raises CheckpointError where the checkpoint has a start already: then it is not lost; and, for `start` None,
        where a backfill was run: then the oldest order does not tell the start.
        """
        if self._checkpoint.start() is not None:
            raise CheckpointError(
                f"The checkpoint {self._checkpoint.path} is in use: there is nothing to make anew",
                hint="Move the file away first if it is the wrong one.",
            )
        if start is None and self._was_backfilled():
            raise CheckpointError(
                "The POS holds orders from before the first run, which a backfill brought over",
                hint="Say when the first run was, as a new start: bcpoll rebuild --start WHEN. Orders from then on that"
                " are missing in the POS are written by the next pass, and move the stock.",
            )
        for page in self._pos.sales_after(0):
            self._keep_sales(page.rows)
        refunds = self._keep_refunds()
        customers = self._keep_customers()
        products = self._keep_products()
        if self._oldest is not None:
            self._begin(start or self._oldest)
        return Rebuilt(
            orders=self._checkpoint.ledger_count(),
            refunds=refunds,
            customers=customers,
            products=products,
            start=self._checkpoint.start(),
        )

    def _was_backfilled(self) -> bool:
        """Whether a backfill left its reason for adjustments; without the right to see, there is no such reason."""
        with suppress(AccessRefused):
            return INTO_STOCK.name in self._pos.adjustment_reasons(adds=INTO_STOCK.adds)
        return False

    def _keep_sales(self, rows: Iterable[PosSale]) -> None:
        """Write a ledger row for each of our sales, the newest revision of an order over older ones."""
        ours = {sale.id: (sale, order_id) for sale in rows for order_id in [named_order(sale)] if order_id}
        known = self._checkpoint.ledger({order_id for _, order_id in ours.values()})
        newest = {order_id: row.applied.revision for order_id, row in known.items()}
        found: dict[int, LedgerRow] = {}
        for sale, order_id in ours.values():
            # 0 for a sale that names BigCommerce but is not ours.
            revision = revision_of(self._store_hash, order_id, sale.id)
            if not revision:
                self._others[sale.id.lower()] = sale
            # Those of the same revision too: after a rebuild that was cut short they are there already.
            if revision and revision >= newest.get(order_id, 0):
                newest[order_id] = revision
                found[order_id] = self._row(sale, order_id, revision)
        self._checkpoint.record(list(found.values()))

    def _row(self, sale: PosSale, order_id: int, revision: int) -> LedgerRow:
        row = found_row(sale, order_id, revision, _REBUILT, self._clock())
        self._oldest = min(self._oldest or row.modified_at, row.modified_at)
        return row

    def _keep_refunds(self) -> int:
        """Note the refunds whose sales were found as booked; which those are, only the store's own list tells."""
        raws = self._source.refunds_of({named_order(sale) for sale in self._others.values()})
        found = [
            replace(found_booked(row, sale), is_due=False)
            for row in told_rows(raws, self._clock())
            for sale in list(self._sales_of(row.refund_id))[:1]
        ]
        self._checkpoint.keep_found_refunds(found)
        return len(found)

    def _sales_of(self, refund_id: int) -> Iterator[PosSale]:
        """The sales of a refund, the latest first."""
        ids = refund_sale_ids(self._store_hash, refund_id)
        return (self._others[sale_id] for sale_id in ids if sale_id in self._others)

    def _keep_customers(self) -> int:
        """Link the customers that bear our codes; all others are found by their e-mail address when needed."""
        count = 0
        for page in self._pos.customers_after(0):
            links = dict(link for row in page.rows if not row.is_deleted for link in _links(row))
            self._checkpoint.link_customers(links, self._clock())
            count += len(links)
        return count

    def _keep_products(self) -> int:
        count = 0
        for page in self._pos.products_after(0):
            self._checkpoint.save_products(page.rows, page.version)
            count += len(page.rows)
        return count

    def _begin(self, start: datetime) -> None:
        """Let the next pass read from the start on: it finds every order written, and writes what is not."""
        fix_start(self._source, self._checkpoint, start, now=self._clock(), refunds=True)


def _links(customer: PosCustomer) -> Iterator[tuple[str, str]]:
    number = customer.code.removeprefix("BC-")
    if customer.code.startswith("BC-") and number.isascii() and number.isdigit():
        yield f"customer:{number}", customer.id
