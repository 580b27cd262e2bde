"""A lost checkpoint: noticing that it is lost, and making it anew from what the POS holds.

Owns what can be read back. Our sales are known by their ids, which follow from the order; what the POS cannot tell (the
order's own version, its content) is left open, and the next pass takes it over from the store without writing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bcpoll.checkpoint import Checkpoint, LedgerRow
from bcpoll.core.bodies import SOURCE
from bcpoll.core.order import Json
from bcpoll.core.plan import sale_id
from bcpoll.core.sale import Applied, AppliedState, SaleState
from bcpoll.core.shop import PosCustomer, PosSale
from bcpoll.core.status import OrderStatus
from bcpoll.core.times import parse_time
from bcpoll.errors import CheckpointError
from bcpoll.ports import OrderSource, PointOfSale

# How many of the store's newest orders are looked for among our sales. Where bcpoll ran before, one of so many was
# written; where it did not, a first run costs so many requests more, once.
_PROBED = 20

# How often the sale of one order may have been written anew before it is taken for somebody else's.
_MOST_REVISIONS = 50

_OPEN_ATTRIBUTES = frozenset({"delivery", "pickup"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What was read back."""

    orders: int
    customers: int
    products: int
    start: datetime | None
    """The creation time of the oldest order among our sales; None where there are none."""


def refuse_if_lost(source: OrderSource, pos: PointOfSale, checkpoint: Checkpoint, store_hash: str) -> None:
    """Before a first run: raise CheckpointError if the POS holds sales of ours, so that none is written twice."""
    # Orders in the ledger without a start were written one by one (`run-once --order`).
    if checkpoint.start() is not None or checkpoint.ledger_count():
        return
    for order_id in source.newest_order_ids(_PROBED):
        if pos.sale(sale_id(store_hash, order_id, 1)) is not None:
            raise CheckpointError(
                f"The checkpoint {checkpoint.path} is new, but the POS holds a sale that bcpoll wrote ({order_id})",
                hint="Put the checkpoint back from a backup, or make it anew from the POS: bcpoll rebuild.",
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

    def run(self, start: datetime | None) -> Rebuilt:
        """Fill the checkpoint; `start` None takes the oldest order among our sales. Cut short, it is simply run again.

        Raises CheckpointError where the checkpoint has a start already: then it is not lost.
        """
        if self._checkpoint.start() is not None:
            raise CheckpointError(
                f"The checkpoint {self._checkpoint.path} is in use: there is nothing to make anew",
                hint="Move the file away first if it is the wrong one.",
            )
        for page in self._pos.sales_after(0):
            self._keep_sales(page.rows)
        customers = self._keep_customers()
        products = self._keep_products()
        if self._oldest is not None:
            self._begin(start or self._oldest)
        return Rebuilt(
            orders=self._checkpoint.ledger_count(),
            customers=customers,
            products=products,
            start=self._checkpoint.start(),
        )

    def _keep_sales(self, rows: Iterable[PosSale]) -> None:
        """Write a ledger row for each of our sales, the newest revision of an order over older ones."""
        ours = {sale.id: (sale, order_id) for sale in rows for order_id in [_order_id(sale)] if order_id}
        known = self._checkpoint.ledger({order_id for _, order_id in ours.values()})
        newest = {order_id: row.applied.revision for order_id, row in known.items()}
        found: dict[int, LedgerRow] = {}
        for sale, order_id in ours.values():
            revision = self._revision(sale, order_id)
            if revision > newest.get(order_id, 0):
                newest[order_id] = revision
                found[order_id] = self._row(sale, order_id, revision)
        self._checkpoint.record(list(found.values()))

    def _revision(self, sale: PosSale, order_id: int) -> int:
        """Which sale of its order this is; 0 for one that somebody else wrote under our name."""
        revisions = range(1, _MOST_REVISIONS + 1)
        ids = (revision for revision in revisions if sale_id(self._store_hash, order_id, revision) == sale.id.lower())
        return next(ids, 0)

    def _row(self, sale: PosSale, order_id: int, revision: int) -> LedgerRow:
        now = self._clock()
        placed = parse_time(str(sale.document.get("date") or "")) or now
        self._oldest = min(self._oldest or placed, placed)
        total = sale.total or Decimal(0)
        return LedgerRow(
            order_id=order_id,
            status_id=OrderStatus.INCOMPLETE,
            modified_at=placed,
            fingerprint="",
            applied=Applied(
                order_id=order_id, state=_state(sale), revision=revision, sale_id=sale.id.lower(), total=total
            ),
            disposition="rebuilt",
            order_total=total,
            written_at=now,
        )

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
        watched = [
            order_id
            for status in (OrderStatus.INCOMPLETE, OrderStatus.PENDING)
            for order_id in self._source.order_ids_with_status(status)
        ]
        with self._checkpoint.atomic():
            self._checkpoint.watch(watched)
            self._checkpoint.set_start(start)
            self._checkpoint.move_cursor(start)
            self._checkpoint.set_mark("sweep", self._clock())


def _order_id(sale: PosSale) -> int:
    """The order that a sale says it is of, if it names BigCommerce as its source."""
    is_ours = sale.source_type == SOURCE and sale.source_id.isascii() and sale.source_id.isdigit()
    return int(sale.source_id) if is_ours else 0


def _state(sale: PosSale) -> AppliedState:
    document: Json = sale.document
    if sale.state == SaleState.VOIDED:
        return AppliedState.VOIDED
    if sale.state == SaleState.PENDING and _OPEN_ATTRIBUTES & set(document.get("attributes") or ()):
        return AppliedState.OPEN
    is_paid = sale.state == SaleState.CLOSED and (bool(document.get("payments")) or not sale.total)
    return AppliedState.PAID if is_paid else AppliedState.UNPAID


def _links(customer: PosCustomer) -> Iterator[tuple[str, str]]:
    number = customer.code.removeprefix("BC-")
    if customer.code.startswith("BC-") and number.isascii() and number.isdigit():
        yield f"customer:{number}", customer.id
