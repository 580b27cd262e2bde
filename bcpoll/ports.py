"""What the flow needs from the two other sides, as Protocols.

The adapters (`adapters.bigcommerce`, `adapters.pos`) carry them out over HTTP; tests may stand in for them. Every
method may raise `RetryLater` or `AccessRefused`; those that write may also raise `LookAgain` or `GiveUp` (see
`errors.py`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from bcpoll.core.order import Json
from bcpoll.core.shop import (
    Link,
    Outlet,
    PaymentType,
    PosCustomer,
    PosProduct,
    PosSale,
    Register,
    Retailer,
    StockLevel,
    StoreFacts,
    Tax,
    User,
)

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Changes(Generic[Row]):
    """A page of a version feed: rows, and the version to go on from."""

    rows: tuple[Row, ...]
    version: int


class OrderSource(Protocol):
    """The web store. It is only ever read."""

    def store(self) -> StoreFacts:
        """Name and currency of the store."""
        ...

    def server_time(self) -> datetime:
        """The store's clock, in whole seconds."""
        ...

    def changed_since(self, since: datetime) -> Iterator[list[Json]]:
        """Pages of raw orders modified at or after `since`, ascending by that time, each version of an order once."""
        ...

    def order_counts(self, since: datetime | None, until: datetime) -> Mapping[int, int]:
        """How many orders were created within these bounds, by status id; as many as there were for `since` None."""
        ...

    def created_between(self, since: datetime | None, until: datetime, *, after: int = 0) -> Iterator[list[Json]]:
        """Pages of raw orders created at or after `since` and before `until`, ascending by id, each order once.

        They begin behind the id `after`, and with the first order of all for `since` None.
        """
        ...

    def order(self, order_id: int) -> Json | None:
        """One raw order with its embedded lines; None where the store has no such order."""
        ...

    def order_lines(self, order_id: int) -> list[Json]:
        """All raw lines of an order, read page by page from its own resource."""
        ...

    def refunds_since(self, since: datetime) -> Iterator[list[Json]]:
        """Pages of raw refunds made at or after `since`, ascending by id, each once."""
        ...

    def refunds_of(self, order_ids: Collection[int]) -> list[Json]:
        """All raw refunds of these orders."""
        ...

    def transactions(self, order_id: int) -> list[Json]:
        """All raw transactions of an order; none where it is gone or has none."""
        ...

    def order_ids_with_status(self, status_id: int) -> Iterator[int]:
        """The ids of all orders in a status."""
        ...

    def orders_with_status(self, status_id: int) -> Iterator[list[Json]]:
        """Pages of raw orders in a status, ascending by id."""
        ...

    def newest_order_ids(self, count: int) -> tuple[int, ...]:
        """The ids of the newest orders, at most `count`, newest first."""
        ...

    def newest_orders(self, count: int) -> list[Json]:
        """The newest orders, at most `count` and no more than a page, newest first, raw with what belongs to them."""
        ...

    def stock(self, product_ids: Collection[int]) -> Mapping[tuple[int, int], StockLevel]:
        """What is left of products, by (product id, variant id); products that are gone are absent."""
        ...


class Pace(Protocol):
    """The POS's rate limit, for those who share it out."""

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        ...

    def room(self, within: float) -> float:
        """How many more may be sent within this many seconds; infinity where no limit is known."""
        ...

    def await_room(self, least: int, within: float) -> None:
        """Sleep until `least` may be sent within this many seconds, or until it is worth asking whether they may."""
        ...


class PointOfSale(Protocol):
    """The POS."""

    def retailer(self) -> Retailer:
        """The account."""
        ...

    def registers(self) -> tuple[Register, ...]:
        """All registers, deleted ones left out, as in the four lists below."""
        ...

    def outlets(self) -> tuple[Outlet, ...]:
        """All outlets."""
        ...

    def users(self) -> tuple[User, ...]:
        """Everybody who may stand as a cashier."""
        ...

    def payment_types(self) -> tuple[PaymentType, ...]:
        """All ways to pay."""
        ...

    def taxes(self) -> tuple[Tax, ...]:
        """All taxes."""
        ...

    def links(self) -> tuple[Link, ...] | None:
        """The web stores that the POS is linked to by itself; None where it does not tell."""
        ...

    def open_register(self, register_id: str, at: datetime) -> None:
        """Open a register."""
        ...

    def products_after(self, version: int) -> Iterator[Changes[PosProduct]]:
        """The version feed of products, deleted ones included."""
        ...

    def products_with_code(self, code: str) -> tuple[PosProduct, ...]:
        """Products that go by a code, compared through `code_key`."""
        ...

    def create_product(self, body: Json) -> str:
        """Create a product and give its id."""
        ...

    def update_product(self, product_id: str, body: Json) -> None:
        """Change a product, in the two blocks `common` and `details`."""
        ...

    def customers_after(self, version: int) -> Iterator[Changes[PosCustomer]]:
        """The version feed of customers, deleted ones included."""
        ...

    def customer(self, customer_id: str) -> PosCustomer | None:
        """A customer by its id; None where the POS does not know it."""
        ...

    def customers_with_email(self, email: str) -> tuple[PosCustomer, ...]:
        """Customers found by e-mail address, compared through `email_key`."""
        ...

    def create_customer(self, body: Json) -> str:
        """Create a customer and give its id."""
        ...

    def addresses(self, customer_id: str) -> tuple[Json, ...]:
        """The address book of a customer, raw."""
        ...

    def create_address(self, customer_id: str, body: Json) -> str:
        """Add an address to a customer and give the token by which a delivery may name it."""
        ...

    def sale(self, sale_id: str) -> PosSale | None:
        """A sale by its id: None for 404, `null` and an empty answer alike."""
        ...

    def sales_after(self, version: int) -> Iterator[Changes[PosSale]]:
        """The version feed of sales."""
        ...

    def some_sales_since(self, at: datetime) -> tuple[PosSale, ...]:
        """Some sales dated at or after a moment, as many as one page of the search holds. Nothing to rely on."""
        ...

    def create_sale(self, body: Json) -> PosSale:
        """Create a sale; `total` is None where the answer held only an id."""
        ...

    def replace_sale(self, sale_id: str, body: Json) -> PosSale:
        """Replace a sale's whole document."""
        ...

    def fulfill_sale(self, sale_id: str) -> None:
        """Fulfil all that is open on a sale; saying it twice does no harm."""
        ...

    def stock_levels(self, product_ids: Collection[str] = ()) -> Mapping[tuple[str, str], str]:
        """Current stock by (product id, outlet id), as text; of all products when none are named."""
        ...

    def adjust_stock(self, adjustments: Sequence[Json]) -> None:
        """Adjust stock, at most 1,000 items a call. Relative and without a key: never to be repeated blindly."""
        ...

    def adjustments_after(self, version: int) -> Iterator[Changes[Json]]:
        """The version feed of stock adjustments, raw."""
        ...

    def adjustment_reasons(self, *, adds: bool = False) -> Mapping[str, str]:
        """The ids of the account's own reasons for taking stock out, or for putting it in where it `adds`, by name."""
        ...

    def create_adjustment_reason(self, name: str, *, adds: bool = False) -> str:
        """Create a reason for taking stock out, or for putting it in, and give its id."""
        ...
