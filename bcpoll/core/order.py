"""The order and its refunds as BigCommerce told them: records of plain values, and the keys by which they are compared.

Nothing here was computed beyond types and defaults; `decode` makes these records, `translate` reads them.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b
from typing import Any, TypeAlias

from bcpoll.core.money import ZERO
from bcpoll.core.status import OrderStatus

Json: TypeAlias = dict[str, Any]
"""A JSON object as it came off the wire, numbers with a point as `Decimal`."""


def code_key(code: str) -> str:
    """The form in which product codes are compared: without outer blanks and without regard to case."""
    return code.strip().casefold()


def email_key(email: str) -> str:
    """The form in which e-mail addresses are compared: without outer blanks, in lower case."""
    return email.strip().lower()


# What came off the wire holds no circles to look out for.
_IN_ORDER = json.JSONEncoder(sort_keys=True, default=str, check_circular=False)


def fingerprint(raw: Json) -> str:
    """Digest of a raw order: the same content gives the same digest, in whatever order its members came.

    It takes as long as to decode the order, so it is only reckoned where it is compared or kept.
    """
    return blake2b(_IN_ORDER.encode(raw).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A billing or shipping address; members that were not given are empty."""

    first_name: str = ""
    last_name: str = ""
    company: str = ""
    street_1: str = ""
    street_2: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""
    country_code: str = ""
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """A charge as BigCommerce states it. Which two of the three are exact depends on the order's tax mode."""

    ex_tax: Decimal = ZERO
    inc_tax: Decimal = ZERO
    tax: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """A fee of the order, under the name that the shopper saw."""

    name: str
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """What was taken off a whole line, and by which coupon code if any."""

    amount: Decimal
    name: str = ""
    code: str = ""


class LineKind(StrEnum):
    """What an order line is, by BigCommerce's `type`."""

    PHYSICAL = "physical"
    DIGITAL = "digital"
    GIFT_CERTIFICATE = "giftcertificate"


class Delivery(StrEnum):
    """How a line gets to the shopper: shipped to an address, picked up in a shop, or neither."""

    SHIPPED = "shipped"
    PICKED_UP = "picked up"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One line of an order. `total_*` are before discounts, `total_tax` after them (facts of the orders API)."""

    id: int
    product_id: int
    variant_id: int
    sku: str
    name: str
    kind: LineKind
    quantity: int
    total_ex_tax: Decimal
    total_inc_tax: Decimal
    total_tax: Decimal
    discounted_total: Decimal | None
    """What the shopper paid for the line, tax included; None in payloads from before September 2023."""
    discounts: tuple[Discount, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    """Pairs of what was asked and what was chosen: ("Size", "Small")."""
    parent_id: int | None = None
    """The line that this one is a bundle child of."""
    delivery: Delivery = Delivery.NONE
    wrapping: str = ""
    wrapping_message: str = ""
    event: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a part of the order goes: shipped to an address, or picked up at a location."""

    address: Address
    shipping_method: str = ""
    pickup_code: str = ""
    """The location's code where the part is picked up, else empty."""
    pickup_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as decoded; nothing in it was computed beyond types and defaults."""

    id: int
    status: OrderStatus
    created_at: datetime
    customer_id: int
    """0 for a guest."""
    currency: str
    prices_include_tax: bool | None
    """`is_tax_inclusive_pricing`; None where the payload is older than the flag. Not to be trusted alone."""
    subtotal: Cost
    shipping: Cost
    handling: Cost
    wrapping: Cost
    fees: tuple[Fee, ...]
    discount: Decimal
    coupon_discount: Decimal
    total_inc_tax: Decimal
    total_tax: Decimal
    store_credit: Decimal
    gift_certificate: Decimal
    lines: tuple[OrderLine, ...]
    payment_method: str
    payment_status: str
    billing: Address
    destinations: tuple[Destination, ...]
    customer_message: str
    email_opt_in: bool
    channel_id: int
    archived: bool
    shipped: bool
    """Whether all of it was sent at some time, whatever became of the order since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One event in the payment of an order, as the store tells it; `transactions` says which of them are money."""

    id: int
    event: str
    """`purchase`, `authorization`, `capture`, `settled`, `pending`, `void` or `refund`, in lower case."""
    method: str
    """How it was paid (`credit_card`, `gift_certificate`, `offline`, ...), in lower case."""
    amount: Decimal
    currency: str
    is_ok: bool
    """Whether it went well, and was no test."""
    gateway: str = ""
    gateway_id: str = ""
    """The gateway's own number; empty where there is none."""
    name: str = ""
    """What the shop calls an offline or custom way of paying."""
    reference: int = 0
    """The transaction that this one follows up; 0 where it follows none."""


class RefundKind(StrEnum):
    """What an item of a refund gives back, by BigCommerce's `item_type`."""

    PRODUCT = "PRODUCT"
    GIFT_WRAPPING = "GIFT_WRAPPING"
    SHIPPING = "SHIPPING"
    HANDLING = "HANDLING"
    FEE = "FEE"
    ORDER = "ORDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundItem:
    """One thing that is given back for."""

    kind: RefundKind
    item_id: int
    """The order line's id for a product; what it is for the others does not matter."""
    quantity: int
    """0 for all but products."""
    amount: Decimal | None
    """What was asked for, with tax or without (not documented); products mostly have none."""
    adjustment: Decimal
    """What the merchant kept back of it, below zero."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPayment:
    """Money on its way back to the shopper, by one provider."""

    provider: str
    amount: Decimal
    is_declined: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A refund: `total` is what the shopper gets, tax included, `tax` the tax in it, which may be negative."""

    id: int
    order_id: int
    created_at: datetime
    reason: str
    total: Decimal
    tax: Decimal
    is_override: bool
    """Whether the merchant typed in the amounts in place of those that BigCommerce computed."""
    items: tuple[RefundItem, ...]
    payments: tuple[RefundPayment, ...]
