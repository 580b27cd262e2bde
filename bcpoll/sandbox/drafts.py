"""The compact description of a web order: what was bought, what was taken off, where it goes and who pays.

Owns the words in which tests and the seed describe orders. Must not compute anything; `sums` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from types import MappingProxyType
from typing import Any, TypeAlias

from bcpoll.core.order import LineKind
from bcpoll.core.status import OrderStatus

Amount: TypeAlias = Decimal | str
"""An amount of money or a rate, as text where it is written by hand; never a float."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shopper:
    """Somebody who orders or receives; `customer_id` 0 stands for a guest."""

    first_name: str
    last_name: str
    email: str = ""
    customer_id: int = 0
    company: str = ""
    street: str = "1 Sample Street"
    city: str = "Springfield"
    state: str = "Illinois"
    postcode: str = "62701"
    country: str = "United States"
    country_code: str = "US"
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A line of an order. Prices are as the shop enters them: with tax where the order says `inclusive`."""

    name: str
    sku: str = ""
    product_id: int = 0
    """0 for a custom product, which is not in the catalogue."""
    variant_id: int = 0
    price: Amount = "0"
    quantity: int = 1
    line_total: Amount | None = None
    """The price of the whole line where it is not price times quantity: 3 for 10.00."""
    tax_rate: Amount | None = None
    """None for the order's rate."""
    kind: LineKind = LineKind.PHYSICAL
    options: tuple[tuple[str, str], ...] = ()
    discount: Amount = "0"
    """What an automatic promotion takes off the whole line."""
    wrapping: Amount = "0"
    """What gift wrapping costs for the whole line."""
    wrapping_message: str = ""
    children: tuple["Item", ...] = ()
    """The parts of a bundle; they cost nothing and have stock of their own."""
    parcel: int = 0
    """Which of the order's `parcels` it goes with."""


class CouponKind(IntEnum):
    """BigCommerce's coupon types."""

    PER_ITEM = 0
    PERCENTAGE = 1
    PER_TOTAL = 2
    SHIPPING = 3
    FREE_SHIPPING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """A coupon code used on the order; `skus` limits it to some lines."""

    code: str
    kind: CouponKind
    amount: Amount = "0"
    skus: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraFee:
    """A fee of the order."""

    name: str
    cost: Amount
    tax_rate: Amount = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A part of the order that is shipped; to the billing address where no other is given."""

    to: Shopper | None = None
    method: str = "Flat Rate"
    cost: Amount = "0"
    handling: Amount = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pickup:
    """A part of the order that is collected at a location of the shop."""

    code: str
    name: str
    method: str = "In-store pickup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A web order in short. `fields` are laid over the finished JSON, for orders that contradict themselves."""

    items: tuple[Item, ...]
    shopper: Shopper
    status: OrderStatus = OrderStatus.AWAITING_FULFILLMENT
    inclusive: bool = False
    tax_rate: Amount = "0.08"
    discount: Amount = "0"
    """A manual discount on the whole order."""
    coupons: tuple[Coupon, ...] = ()
    parcels: tuple[Parcel | Pickup, ...] = (Parcel(),)
    fees: tuple[ExtraFee, ...] = ()
    gift_certificate: Amount = "0"
    store_credit: Amount = "0"
    payment_method: str = "Credit Card"
    currency: str = "USD"
    channel_id: int = 1
    source: str = "www"
    external_source: str | None = None
    message: str = ""
    staff_notes: str = ""
    email_opt_in: bool = False
    is_old: bool = False
    """Written as before September 2023: without the lines' discounted totals and without the tax flag."""
    fields: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
