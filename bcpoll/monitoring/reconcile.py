"""Reading both sides of a window in bulk and comparing them, order by order; writes to neither.

The POS comes first, through the version feed: `GET /sales` ignores date filters without an error, and the search may
lag behind writes. Its sales are laid aside on disk; then BigCommerce's orders are walked by id, each page compared as
it comes. What seems to differ is read once more, order by order, so that a pass that runs meanwhile is no difference.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from bcpoll.checkpoint import LedgerRow, RefundState, ReviewItem, ReviewState
from bcpoll.core.decode import Head, decode_head, decode_refund, order_id_of, refund_ids_of
from bcpoll.core.money import ZERO, round_money
from bcpoll.core.order import Json, Order, Refund, fingerprint
from bcpoll.core.plan import sale_id
from bcpoll.core.reconcile import Case, Compared, Figures, compare
from bcpoll.core.refunds import with_refunds
from bcpoll.core.rejected import Rejected
from bcpoll.core.sale import Desired
from bcpoll.core.shop import PosSale, Refunds
from bcpoll.core.sold import Sold, named_order, sold
from bcpoll.core.translate import checked_parts, is_wanted, not_wanted, product_codes, translate
from bcpoll.lines import whole_order
from bcpoll.monitoring.spool import Spool
from bcpoll.shell import Shell
from bcpoll.transactions import TransactionReader

# How long an order may wait for a pass before that is a difference.
_GRACE = timedelta(hours=1)

# By how much this host's clock, which dates intents, may differ from the store's, which dates orders.
_MARGIN = timedelta(days=1)

# How many orders are read again one by one; where more differ, a pass in between cannot be the cause.
_LOOKED_AT_AGAIN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Orders created at or after `since` and before `until`."""

    since: datetime
    until: datetime

    def holds(self, at: datetime | None) -> bool:
        """Whether a time is within; one that cannot be read is, for it must not go unseen."""
        return at is None or self.since <= at < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A raw order as far as it was read: its head if it has one, and what the POS should hold for it."""

    order_id: int
    raw: Json
    head: Head | None
    wanted: Desired | Rejected
    stated: Figures
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The POS's products under the codes that are wanted."""


class Reconciler:
    """Compares a window of orders, or a single one."""

    def __init__(self, shell: Shell) -> None:
        self._source = shell.source
        self._pos = shell.pos
        self._checkpoint = shell.checkpoint
        self._shop = shell.shop()
        self._policy = shell.policy
        self._transactions = TransactionReader(shell.source, shell.policy)
        self._looks_left = _LOOKED_AT_AGAIN
        self._refunds: dict[int, dict[int, Refund]] = {}
        self.before_start = 0
        """How many orders of the window were left out because they were placed before the start."""

    def compare(self, window: Window, heed_stop: Callable[[], None] = lambda: None) -> Iterator[Compared]:
        """Every order of the window, then the sales that name an order of the window which is not there."""
        self._read_refunds(window.since)
        with Spool() as spool:
            for changes in self._pos.sales_after(self._checkpoint.version_before(window.since - _MARGIN)):
                spool.keep(self._sold(sale) for sale in changes.rows if named_order(sale))
                heed_stop()
            for rows in self._source.created_between(window.since, window.until):
                yield from self._compared(rows, spool.take([order_id_of(row) for row in rows]))
                heed_stop()
            yield from self._left(spool, window)

    def look_at(self, order_id: int) -> tuple[Compared, Json | None] | None:
        """One order, read from both sides now, with its raw form; None where neither side knows it."""
        raw = self._source.order(order_id)
        row = self._checkpoint.ledger([order_id]).get(order_id)
        sales = self._sales_of(order_id, row, ())
        if raw is None and not sales:
            return None
        return self._judged(order_id, raw, sales), raw

    @cached_property
    def _now(self) -> datetime:
        return self._source.server_time()

    @cached_property
    def _cursor(self) -> datetime | None:
        return self._checkpoint.cursor()

    # --- comparing ---------------------------------------------------------------------------------------------------

    def _compared(self, rows: Sequence[Json], sales: dict[int, tuple[Sold, ...]]) -> Iterator[Compared]:
        read = [self._read(raw) for raw in rows]
        cases = self._cases(read, sales)
        for one in read:
            case = cases.get(one.order_id)
            if case is None:
                self.before_start += 1
                continue
            found = self._compare(case)
            yield self._again(found, case.sales) if found.differs else found

    def _left(self, spool: Spool, window: Window) -> Iterator[Compared]:
        """Sales without an order in the list. An archived order may be left out of it, and be there all the same."""
        for order_id, sales in spool.left():
            if not any(sale.is_live and window.holds(sale.at) for sale in sales):
                continue
            found = self._judged(order_id, self._source.order(order_id), sales)
            if found.differs or window.holds(found.created_at):
                yield found

    def _again(self, found: Compared, sales: tuple[Sold, ...]) -> Compared:
        """Look once more at an order that differs, on both sides and in the ledger as they are now."""
        if self._looks_left == 0:
            return found
        self._looks_left -= 1
        row = self._checkpoint.ledger([found.order_id]).get(found.order_id)
        fresh = self._sales_of(found.order_id, row, sales)
        return self._judged(found.order_id, self._source.order(found.order_id), fresh)

    def _judged(self, order_id: int, raw: Json | None, sales: tuple[Sold, ...]) -> Compared:
        if raw is not None and self._books_refunds():
            self._keep_refunds(self._source.refunds_of([order_id]))
        if raw is None:
            return self._compare(Case(order_id=order_id, created_at=None, status="", wanted=None, sales=sales))
        read = self._read(raw)
        case = self._cases([read], {order_id: sales}, every=True)[order_id]
        return self._compare(case)

    def _compare(self, case: Case) -> Compared:
        digits = self._shop.currency.digits
        return compare(case, store_hash=self._shop.store_hash, policy=self._policy, digits=digits)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _read(self, raw: Json) -> _Read:
        head = decode_head(raw)
        if isinstance(head, Rejected):
            return _Read(order_id=order_id_of(raw), raw=raw, head=None, wanted=head, stated=Figures())
        wanted, stated, known = self._wanted(raw, head)
        return _Read(order_id=head.id, raw=raw, head=head, wanted=wanted, stated=stated, known=known)

    def _read_refunds(self, since: datetime) -> None:
        """Refunds of the window's orders, by order: made no earlier than the oldest of these, they are few."""
        if self._books_refunds():
            for raws in self._source.refunds_since(since):
                self._keep_refunds(raws)

    def _books_refunds(self) -> bool:
        return self._policy.refunds is Refunds.IMPORT and self._checkpoint.refunds_start() is not None

    def _keep_refunds(self, raws: Sequence[Json]) -> None:
        """Keep the refunds that should be in the POS by now; not what is left to people, or was made just now."""
        known = self._checkpoint.refunds([refund_ids_of(raw)[0] for raw in raws])
        begun = self._checkpoint.refunds_start() or self._now
        for refund in map(decode_refund, raws):
            if isinstance(refund, Rejected):
                continue
            row = known.get(refund.id)
            state = row.state if row else None
            is_due = refund.created_at >= begun and self._now - refund.created_at >= _GRACE
            if state is not RefundState.LEFT and (is_due or state in (RefundState.BOOKED, RefundState.CHANGED)):
                self._refunds.setdefault(refund.order_id, {})[refund.id] = refund

    def _wanted(self, raw: Json, head: Head) -> tuple[Desired | Rejected, Figures, Mapping[str, Sequence[str]]]:
        """What the POS should hold, by the same functions as in a pass; what the order states, and the products."""
        if not is_wanted(head, self._policy):
            return not_wanted(head.id), Figures(), {}
        order = whole_order(self._source, raw, head)
        if isinstance(order, Rejected):
            return order, Figures(count=1), {}
        parts = checked_parts(order, self._policy)
        known = self._checkpoint.product_ids(product_codes(parts, self._policy))
        transactions = self._transactions.of([order]).get(order.id)
        if isinstance(transactions, Rejected):
            return transactions, self._stated(order), known
        wanted = translate(order, self._shop, self._policy, known, transactions=transactions, parts=parts)
        refunds = tuple(self._refunds.get(head.id, {}).values())
        if isinstance(wanted, Desired) and refunds:
            wanted = with_refunds(wanted, order, refunds, shop=self._shop, policy=self._policy, known=known)
        return wanted, self._stated(order), known

    def _stated(self, order: Order) -> Figures:
        """What an order states, for one that cannot be translated; amounts of another currency are in no sum."""
        digits = self._shop.currency.digits
        is_foreign = order.currency != self._shop.currency.code
        return Figures(
            count=1,
            total=ZERO if is_foreign else round_money(order.total_inc_tax, digits),
            tax=ZERO if is_foreign else round_money(order.total_tax, digits),
            units=Decimal(sum(line.quantity for line in order.lines)),
        )

    def _cases(
        self, read: Sequence[_Read], sales: dict[int, tuple[Sold, ...]], *, every: bool = False
    ) -> dict[int, Case]:
        """What is known of these orders; without those that are not ours to import, unless `every` one is asked for."""
        ids = [one.order_id for one in read]
        ledger, items = self._checkpoint.ledger(ids), self._checkpoint.review_items_of(ids)
        watched = self._checkpoint.watched(ids)
        start = self._checkpoint.start()
        cases = {}
        for one in read:
            known = one.order_id in ledger or one.order_id in watched or bool(sales.get(one.order_id))
            is_before = _is_before(one.head, start)
            if known or every or not is_before:
                row, item = ledger.get(one.order_id), items.get(one.order_id)
                cases[one.order_id] = self._case(one, row, item, sales.get(one.order_id, ()))
        return cases

    def _case(self, read: _Read, row: LedgerRow | None, item: ReviewItem | None, sales: tuple[Sold, ...]) -> Case:
        is_open = item is not None and item.state is ReviewState.OPEN
        is_dismissed = (
            item is not None and item.state is ReviewState.DISMISSED and item.fingerprint == fingerprint(read.raw)
        )
        return Case(
            order_id=read.order_id,
            created_at=read.head.created_at if read.head else None,
            status=read.head.status.title if read.head else "",
            wanted=read.wanted,
            stated=read.stated,
            applied=row.applied if row else None,
            sales=sales,
            set_aside=f"{item.reason}: {item.detail}" if item is not None and is_open else "",
            dismissed=f"{item.reason}: {item.note}" if item is not None and is_dismissed else "",
            codes=self._codes(read.known, sales),
            is_recent=read.head is not None and self._is_recent(read.head.modified_at),
        )

    def _codes(self, known: Mapping[str, Sequence[str]], sales: Iterable[Sold]) -> dict[str, str]:
        """The codes of products by id: of several, the one that was ordered; any other product's is looked up."""
        ordered = {product: key for key, products in known.items() for product in products}
        others = {product for sale in sales for product in sale.by_product} - ordered.keys()
        looked_up = self._checkpoint.product_codes(others) if others else {}
        return {product: key for product, (key, _) in looked_up.items()} | ordered

    def _is_recent(self, modified_at: datetime) -> bool:
        is_behind = self._cursor is None or modified_at > self._cursor
        return is_behind and self._now - modified_at < _GRACE

    def _sales_of(self, order_id: int, row: LedgerRow | None, seen: Iterable[Sold]) -> tuple[Sold, ...]:
        """The sales of an order as they are now: those seen, that of the ledger, the first and the next one."""
        revision = row.applied.revision if row else 0
        own = [sale_id(self._shop.store_hash, order_id, number) for number in (1, revision, revision + 1) if number]
        ledger = [row.applied.sale_id] if row and row.applied.sale_id else []
        refunds = [row.sale_id for row in self._checkpoint.refunds_of([order_id]) if row.sale_id]
        wanted = dict.fromkeys([*(one.sale_id for one in seen), *ledger, *own, *refunds])
        found = (self._pos.sale(one) for one in wanted)
        return tuple(self._sold(sale) for sale in found if sale is not None)

    def _sold(self, sale: PosSale) -> Sold:
        return sold(sale, self._shop.currency.digits)


def _is_before(head: Head | None, start: datetime | None) -> bool:
    return head is not None and start is not None and head.created_at < start
