"""The web store: its orders, refunds and products, and everything that happens to them.

Owns the shop's life for tests and the demo: orders are placed, paid, edited, shipped, cancelled, refunded; each step
moves the modification time by the store's clock. Orders are indexed by that time, so that long lists stay fast. Knows
nothing of HTTP.
"""

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime

from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.calls import Clock, Json, rfc3339, utc_now
from bcpoll.sandbox.catalogue import Catalogue, Product
from bcpoll.sandbox.drafts import Draft, Item
from bcpoll.sandbox.order_json import Group, Numbers, StoredOrder, order_date
from bcpoll.sandbox.order_writing import build, status_fields
from bcpoll.sandbox.payments import OFFLINE, Payments
from bcpoll.sandbox.refunds import Refund, refund_json
from bcpoll.sandbox.switches import Switches

FIRST_ORDER = 100
"""BigCommerce's own first order number."""

_PAYMENT_STATUS: Mapping[OrderStatus, str] = {
    OrderStatus.INCOMPLETE: "",
    OrderStatus.PENDING: "",
    OrderStatus.AWAITING_PAYMENT: "pending",
    OrderStatus.DECLINED: "declined",
    OrderStatus.CANCELLED: "void",
    OrderStatus.MANUAL_VERIFICATION_REQUIRED: "held for review",
    OrderStatus.REFUNDED: "refunded",
    OrderStatus.PARTIALLY_REFUNDED: "partially refunded",
}

_UNPAID = frozenset(
    {
        OrderStatus.INCOMPLETE,
        OrderStatus.PENDING,
        OrderStatus.AWAITING_PAYMENT,
        OrderStatus.DECLINED,
        OrderStatus.CANCELLED,
        OrderStatus.MANUAL_VERIFICATION_REQUIRED,
    }
)

_SENT = frozenset({OrderStatus.SHIPPED, OrderStatus.COMPLETED})

_WITHOUT_STOCK = frozenset({OrderStatus.INCOMPLETE, OrderStatus.CANCELLED, OrderStatus.DECLINED})
"""Statuses in which an order's units are on the shelf."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A range of modification times; None is open."""

    least: datetime | None = None
    most: datetime | None = None


class Store:
    """A BigCommerce store in memory. Every method may be called from any thread."""

    def __init__(
        self,
        *,
        store_hash: str = "sandbox",
        name: str = "Sandbox Store",
        currency: str = "USD",
        clock: Clock = utc_now,
        switches: Switches | None = None,
    ) -> None:
        self.store_hash = store_hash
        self.name = name
        self.currency = currency
        self.clock = clock
        self.switches = switches or Switches()
        self.catalogue = Catalogue()
        self.orders: dict[int, StoredOrder] = {}
        self.refunds: list[Json] = []
        self._numbers = Numbers()
        self._newest = FIRST_ORDER - 1
        """The highest order number so far: numbers are never used again, not even those of orders that vanished."""
        self._ids: list[int] = []
        self._by_time: list[tuple[float, int]] = []
        self._lock = threading.RLock()

    @property
    def lock(self) -> AbstractContextManager[bool]:
        """Held while a request is answered or the shop changes."""
        return self._lock

    @property
    def base_url(self) -> str:
        """The address that links in answers begin with."""
        return f"https://api.bigcommerce.com/stores/{self.store_hash}"

    # Products

    def add_product(self, product: Product) -> Product:
        """Put a product on sale."""
        with self._lock:
            return self.catalogue.add(product)

    def item(self, sku: str, quantity: int = 1) -> Item:
        """An order line for what is sold under a SKU."""
        return self.catalogue.item(sku, quantity)

    # The life of an order

    def place(self, draft: Draft, *, at: datetime | None = None, order_id: int | None = None) -> int:
        """Place an order and give its number."""
        with self._lock:
            moment = self._moment(at)
            number = order_id or self._newest + 1
            order = build(number, draft, moment, self._numbers, self.switches)
            order.fields.setdefault("payment_status", _payment_status(draft.status, draft.payment_method))
            self._put(order)
            self._settle(order, draft.status)
            return number

    def pay(self, order_id: int, *, at: datetime | None = None) -> None:
        """Let what is left to pay for an order come in: it becomes Awaiting Fulfillment and captured."""
        with self._lock:
            self._take(self.orders[order_id], "purchase")
            Payments(self.orders[order_id], self._numbers, self.switches).capture()
            order = self._change_status(order_id, OrderStatus.AWAITING_FULFILLMENT, at)
            order.fields["payment_status"] = "captured"

    def pay_part(self, order_id: int, amount: Decimal | str, *, method: str = "credit_card") -> None:
        """Let a part of the money for an order come in; its status stays."""
        with self._lock:
            order = self.orders[order_id]
            Payments(order, self._numbers, self.switches).add("purchase", Decimal(amount), method)
            self._restamp(order, None)

    def authorize(self, order_id: int) -> None:
        """Let the money for an order be authorized, to be captured later: it becomes Awaiting Fulfillment."""
        with self._lock:
            self._take(self.orders[order_id], "authorization")
            order = self._change_status(order_id, OrderStatus.AWAITING_FULFILLMENT, None)
            order.fields["payment_status"] = "authorized"

    def capture(self, order_id: int) -> None:
        """Take the money that was authorized for an order."""
        with self._lock:
            order = self.orders[order_id]
            Payments(order, self._numbers, self.switches).capture()
            order.fields["payment_status"] = "captured"
            if self.switches.captures == "move_date":
                self._restamp(order, None)

    def void_payments(self, order_id: int) -> None:
        """Give up the money for an order: it is Awaiting Payment again."""
        with self._lock:
            order = self._change_status(order_id, OrderStatus.AWAITING_PAYMENT, None)
            Payments(order, self._numbers, self.switches).void()
            order.fields["payment_status"] = "void"

    def set_status(self, order_id: int, status: OrderStatus, *, at: datetime | None = None) -> None:
        """Put an order into a status by hand."""
        with self._lock:
            self._change_status(order_id, status, at)

    def cancel(self, order_id: int, *, at: datetime | None = None) -> None:
        """Cancel an order; its units go back on the shelf."""
        self.set_status(order_id, OrderStatus.CANCELLED, at=at)

    def ship(self, order_id: int, *, at: datetime | None = None) -> None:
        """Ship an order."""
        with self._lock:
            order = self._change_status(order_id, OrderStatus.SHIPPED, at)
            order.fields["items_shipped"] = order.fields.get("items_total", 0)

    def edit(self, order_id: int, change: Callable[[Draft], Draft], *, at: datetime | None = None) -> None:
        """Edit an order that was placed as a draft; its number, status and creation time stay."""
        with self._lock:
            order = self.orders[order_id]
            if order.draft is None:
                raise ValueError(f"order {order_id} came as JSON and cannot be edited as a draft")
            draft = replace(change(order.draft), status=OrderStatus(order.status))
            edited = build(order_id, draft, order.created, self._numbers, self.switches, order)
            kept = ("payment_status", "date_shipped", "items_shipped", "is_deleted")
            edited.fields |= {name: order.fields[name] for name in kept if name in order.fields}
            edited.transactions = order.transactions
            self._release(order)
            self._forget_time(order)
            self.orders[order_id] = edited
            self._stamp(edited, self._moment(at))
            self._settle(edited, draft.status)

    def refund(self, order_id: int, refund: Refund, *, at: datetime | None = None) -> int:
        """Refund (part of) an order and give the refund's number."""
        with self._lock:
            order = self.orders[order_id]
            moment = self._moment(at)
            number = self._numbers.next("refund")
            self.refunds.append(refund_json(number, order, refund, rfc3339(moment), self.switches))
            if refund.restock:
                self.catalogue.move(_returned(order, refund), 1)
            self._after_refund(order, moment, refund.status or self._refunded_status(order))
            return number

    def decline_refund(self, refund_id: int) -> None:
        """Let the payment of a refund be declined after all; the record says so, and nothing else does."""
        with self._lock:
            for payment in next(row for row in self.refunds if row["id"] == refund_id)["payments"]:
                payment |= {"is_declined": True, "declined_message": "Declined by the gateway"}

    def archive(self, order_id: int, *, at: datetime | None = None) -> None:
        """Archive (delete) an order."""
        with self._lock:
            order = self.orders[order_id]
            order.fields["is_deleted"] = True
            if self.switches.archiving == "moves_date":
                self._restamp(order, at)

    def attach_customer(self, order_id: int, customer_id: int, *, at: datetime | None = None) -> None:
        """Attach a guest's order to a customer account."""
        with self._lock:
            order = self.orders[order_id]
            order.fields["customer_id"] = customer_id
            self._restamp(order, at)

    def bulk_edit(self, order_ids: Iterable[int], status: OrderStatus, *, at: datetime | None = None) -> None:
        """Put many orders into a status within one second."""
        with self._lock:
            moment = self._moment(at)
            for order_id in order_ids:
                self._change_status(order_id, status, moment)

    def touch(self, order_id: int, *, at: datetime | None = None) -> None:
        """Move nothing but the modification time, as a staff note might."""
        with self._lock:
            self._restamp(self.orders[order_id], at)

    def overwrite(self, order_id: int, fields: Mapping[str, object], *, at: datetime | None = None) -> None:
        """Lay raw members over an order's JSON, for orders that contradict themselves."""
        with self._lock:
            order = self.orders[order_id]
            order.fields |= fields
            self._restamp(order, at)

    def drop(self, order_id: int) -> None:
        """Let an order vanish without a trace, as incomplete ones do when a checkout is started anew."""
        with self._lock:
            order = self.orders.pop(order_id)
            self._release(order)
            self._forget_time(order)
            self._ids.remove(order_id)

    def add_order(self, fields: Json, lines: list[Json], groups: list[Group], *, fees: list[Json]) -> StoredOrder:
        """Take over an order in BigCommerce's own JSON, to be served as it is."""
        created = _time_of(fields.get("date_created"), self._moment(None))
        order = StoredOrder(
            id=int(fields["id"]),
            created=created,
            modified=_time_of(fields.get("date_modified"), created),
            fields=dict(fields),
            lines=lines,
            groups=groups,
            fees=fees,
        )
        with self._lock:
            self._put(order)
        return order

    # Reading

    def order(self, order_id: int) -> StoredOrder | None:
        """An order by its number."""
        return self.orders.get(order_id)

    def modified_within(self, span: Span) -> Iterator[StoredOrder]:
        """Orders by modification time, ascending; within one second by id."""
        before, after = (bisect_left, bisect_right)
        if self.switches.least_modified == "exclusive":
            before, after = (bisect_right, bisect_left)
        stamps = self._by_time
        start = before(stamps, span.least.timestamp(), key=_stamp_of) if span.least else 0
        end = after(stamps, span.most.timestamp(), key=_stamp_of) if span.most else len(stamps)
        return (self.orders[order_id] for _, order_id in stamps[start:end])

    def by_id(self, least: int = 0) -> Iterator[StoredOrder]:
        """Orders by number from one on, ascending."""
        return (self.orders[order_id] for order_id in self._ids[bisect_left(self._ids, least) :])

    # Bookkeeping

    def _moment(self, at: datetime | None) -> datetime:
        return (at or self.clock()).astimezone(UTC).replace(microsecond=0)

    def _put(self, order: StoredOrder) -> None:
        if order.id in self.orders:
            raise ValueError(f"there is an order {order.id} already")
        self.orders[order.id] = order
        self._newest = max(self._newest, order.id)
        insort(self._ids, order.id)
        insort(self._by_time, (order.modified.timestamp(), order.id))

    def _forget_time(self, order: StoredOrder) -> None:
        place = bisect_left(self._by_time, (order.modified.timestamp(), order.id))
        del self._by_time[place]

    def _stamp(self, order: StoredOrder, moment: datetime) -> None:
        order.modified = moment
        order.fields.pop("date_modified", None)
        insort(self._by_time, (moment.timestamp(), order.id))

    def _restamp(self, order: StoredOrder, at: datetime | None) -> None:
        self._forget_time(order)
        self._stamp(order, self._moment(at))

    def _change_status(self, order_id: int, status: OrderStatus, at: datetime | None) -> StoredOrder:
        order = self.orders[order_id]
        fields = order.fields
        fields |= status_fields(status, str(fields.get("order_source", "www")))
        fields["payment_status"] = _payment_status(status, str(fields.get("payment_method", "")))
        self._restamp(order, at)
        if status in _SENT:
            fields["date_shipped"] = order_date(order.modified)
        self._settle(order, status)
        return order

    def _settle(self, order: StoredOrder, status: OrderStatus) -> None:
        """Bring stock and transactions into line with the status."""
        if status in _WITHOUT_STOCK:
            self._release(order)
        elif not order.holds_stock:
            self.catalogue.move(order.lines, -1)
            order.holds_stock = True
        if status not in _UNPAID and not order.transactions:
            self._take(order, "purchase")

    def _take(self, order: StoredOrder, event: str) -> None:
        """Let all that is due for an order be paid, or promised, by the way of paying that it names."""
        owed = Payments(order, self._numbers, self.switches)
        owed.redeem()
        owed.add(event, owed.rest)

    def _release(self, order: StoredOrder) -> None:
        if order.holds_stock:
            self.catalogue.move(order.lines, 1)
            order.holds_stock = False

    def _refunded_status(self, order: StoredOrder) -> OrderStatus:
        refunded = sum(Decimal(each["total_amount"]) for each in self.refunds if each["order_id"] == order.id)
        whole = refunded >= Decimal(order.fields["total_inc_tax"])
        return OrderStatus.REFUNDED if whole else OrderStatus.PARTIALLY_REFUNDED

    def _after_refund(self, order: StoredOrder, moment: datetime, status: OrderStatus) -> None:
        order.fields |= status_fields(status) | {"payment_status": _PAYMENT_STATUS.get(status, "captured")}
        if self.switches.refunds == "move_date":
            self._restamp(order, moment)


def _stamp_of(entry: tuple[float, int]) -> float:
    return entry[0]


def _payment_status(status: OrderStatus, method: str) -> str:
    if method.strip().lower() in OFFLINE:
        return ""
    return _PAYMENT_STATUS.get(status, "captured")


def _returned(order: StoredOrder, refund: Refund) -> Iterator[Json]:
    for place, units in refund.lines.items():
        yield order.lines[place] | {"quantity": units}


def _time_of(text: object, otherwise: datetime) -> datetime:
    try:
        moment = parsedate_to_datetime(str(text))
    except ValueError:
        return otherwise
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
