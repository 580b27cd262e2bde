"""Shapes: the JSON of BigCommerce's orders API, member by member, odd forms included.

Owns which members are read and what counts as a value of each: money as text or number, `{}` for null, lists that may
be null. What becomes of them is for `decode`.
"""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, WrapValidator

from bcpoll.core.money import ZERO
from bcpoll.core.order import LineKind, RefundKind
from bcpoll.core.times import parse_time

# No time is written with more characters.
_LONGEST_TIME = 80

# Beyond these an amount or a number is a slip, not an order; they keep sums well inside the decimal context.
_LARGEST = 10**12
_DECIMALS = 20

# Digits that keep to both.
_PLAIN_AMOUNT = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,20})?")


def _text(value: Any) -> str:
    """Text without control characters and lone surrogates; null, `{}` and `[]` stand for empty in old payloads."""
    if isinstance(value, str):
        return value if value.isprintable() else _printable(value)
    if value is None or value == {} or value == []:
        return ""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    raise ValueError("not a text")


# Line ends, and what joins letters or emoji into one sign: without it, a name falls apart.
_KEPT = frozenset("\n\u200c\u200d")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c in _KEPT else " " for c in text.replace("\r\n", "\n"))


def _number(value: Any) -> Any:
    # A power of ten is looked at first: 1e999999999 and 1e-999999999 take for ever to be made a whole number.
    if isinstance(value, bool) or (isinstance(value, Decimal) and abs(value.adjusted()) > _DECIMALS):
        raise ValueError("not a number")  # pydantic takes only ValueError for a refusal
    return value


def _number_or_zero(value: Any) -> Any:
    return 0 if value is None or value in ({}, "") else _number(value)


def _amount(value: Any, judge: Callable[[Any], Any]) -> Any:
    """Let through what is plainly an amount; to have the others judged takes longer than all else about an order."""
    plain = _plain_amount(value) if type(value) is str else None
    return judge(value) if plain is None else plain


# Most amounts of a page are the same few: zero, the prices of the catalogue and of shipping.
@lru_cache(maxsize=4096)
def _plain_amount(text: str) -> Decimal | None:
    return Decimal(text) if _PLAIN_AMOUNT.fullmatch(text) else None


def _list(value: Any) -> Any:
    """A list; null and anything empty or false stands for an empty one."""
    return value or []


def _object(value: Any) -> Any:
    """An object; null and anything empty or false stands for an empty one."""
    return value or {}


def _time(value: Any) -> datetime:
    at = parse_time(value) if isinstance(value, str) and len(value) <= _LONGEST_TIME else None
    if at is None:
        raise ValueError("not a time with a zone")
    return at


_Text = Annotated[str, BeforeValidator(_text)]
_Decimal = Annotated[Decimal, Field(ge=-_LARGEST, le=_LARGEST, decimal_places=_DECIMALS)]
_Amount = Annotated[_Decimal, BeforeValidator(_number), WrapValidator(_amount)]
_AmountOrZero = Annotated[_Decimal, BeforeValidator(_number_or_zero), WrapValidator(_amount)]
_Number = Annotated[int, BeforeValidator(_number), Field(ge=0, le=_LARGEST)]
_Id = Annotated[int, BeforeValidator(_number), Field(gt=0, le=_LARGEST)]
_NumberOrZero = Annotated[int, BeforeValidator(_number_or_zero), Field(ge=0, le=_LARGEST)]
_Time = Annotated[datetime, BeforeValidator(_time)]

ID = TypeAdapter(_Id)
"""Reads an id by the same rule as the shapes."""


class _Shape(BaseModel):
    """A JSON object of the API; members that are not listed are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class HeadShape(_Shape):
    """What every order has, however incomplete it is."""

    id: _Id
    status_id: _Number
    date_created: _Time
    date_modified: _Time
    is_deleted: bool | None = None
    external_source: _Text = ""
    channel_id: _NumberOrZero = 1


class AddressShape(_Shape):
    """A billing address, or the address part of a consignment."""

    first_name: _Text = ""
    last_name: _Text = ""
    company: _Text = ""
    street_1: _Text = ""
    street_2: _Text = ""
    city: _Text = ""
    state: _Text = ""
    zip: _Text = ""
    country: _Text = ""
    country_iso2: _Text = ""
    phone: _Text = ""
    email: _Text = ""


class ShippingShape(AddressShape):
    """A consignment that is shipped."""

    shipping_method: _Text = ""


class _Location(_Shape):
    name: _Text = ""
    code: _Text = ""
    address_line_1: _Text = ""
    address_line_2: _Text = ""
    city: _Text = ""
    state: _Text = ""
    postal_code: _Text = ""
    country_alpha2: _Text = ""
    email: _Text = ""
    phone: _Text = ""


class PickupShape(_Shape):
    """A consignment that is picked up."""

    pickup_method_display_name: _Text = ""
    location: Annotated[_Location, BeforeValidator(_object)] = _Location()


class _Discount(_Shape):
    amount: _Amount
    name: _Text = ""
    code: _Text = ""


class _Option(_Shape):
    display_name: _Text = ""
    display_value: _Text = ""


class LineShape(_Shape):
    """A line of an order."""

    id: _NumberOrZero = 0
    product_id: _NumberOrZero = 0
    variant_id: _NumberOrZero = 0
    sku: _Text = ""
    name: _Text = ""
    type: LineKind = LineKind.PHYSICAL
    quantity: _Number
    total_ex_tax: _Amount
    total_inc_tax: _Amount
    total_tax: _Amount
    discounted_total_inc_tax: _Amount | None = None
    applied_discounts: Annotated[list[_Discount], BeforeValidator(_list)] = Field(default_factory=list)
    product_options: Annotated[list[_Option], BeforeValidator(_list)] = Field(default_factory=list)
    parent_order_product_id: _NumberOrZero = 0
    order_address_id: _NumberOrZero = 0
    order_pickup_method_id: _NumberOrZero = 0
    wrapping_name: _Text = ""
    wrapping_message: _Text = ""
    event_name: _Text = ""
    event_date: _Text = ""


class FeeShape(_Shape):
    """A fee of an order."""

    display_name_customer: _Text = ""
    cost_ex_tax: _AmountOrZero = ZERO
    cost_exc_tax: _AmountOrZero = ZERO
    """The same, as some payloads spell it."""
    cost_inc_tax: _Amount
    cost_tax: _AmountOrZero = ZERO


class ContentsShape(_Shape):
    """Lines and fees, put together so that an error tells which of them it is in: `products.2.quantity`."""

    products: list[LineShape]
    fees: list[FeeShape]


class OrderShape(_Shape):
    """An order without its lines, fees and consignments."""

    customer_id: _NumberOrZero = 0
    default_currency_code: _Text
    is_tax_inclusive_pricing: bool | None = None
    subtotal_ex_tax: _Amount
    subtotal_inc_tax: _Amount
    shipping_cost_ex_tax: _Amount
    shipping_cost_inc_tax: _Amount
    shipping_cost_tax: _Amount
    handling_cost_ex_tax: _Amount
    handling_cost_inc_tax: _Amount
    handling_cost_tax: _Amount
    wrapping_cost_ex_tax: _Amount
    wrapping_cost_inc_tax: _Amount
    wrapping_cost_tax: _Amount
    discount_amount: _AmountOrZero
    coupon_discount: _AmountOrZero = ZERO
    total_inc_tax: _Amount
    total_tax: _Amount
    store_credit_amount: _AmountOrZero = ZERO
    gift_certificate_amount: _AmountOrZero = ZERO
    date_shipped: _Text = ""
    payment_method: _Text = ""
    payment_status: _Text = ""
    billing_address: AddressShape
    customer_message: _Text = ""
    is_email_opt_in: bool | None = None


class _Adjustment(_Shape):
    amount: _AmountOrZero = ZERO


class RefundItemShape(_Shape):
    """One thing that a refund gives back for."""

    item_type: RefundKind
    item_id: _NumberOrZero = 0
    quantity: _NumberOrZero = 0
    requested_amount: _Amount | None = None
    adjustments: Annotated[list[_Adjustment], BeforeValidator(_list)] = Field(default_factory=list)
    reason: _Text = ""


class _RefundPayment(_Shape):
    provider_id: _Text = ""
    amount: Annotated[_Amount, Field(ge=0)]
    is_declined: bool | None = None


class RefundShape(_Shape):
    """A refund, without its id and that of its order."""

    created: _Time
    reason: _Text = ""
    total_amount: Annotated[_Amount, Field(ge=0)]
    total_tax: _AmountOrZero = ZERO
    uses_merchant_override_values: bool | None = None
    items: Annotated[list[RefundItemShape], BeforeValidator(_list)] = Field(default_factory=list)
    payments: Annotated[list[_RefundPayment], BeforeValidator(_list)] = Field(default_factory=list)


class _Offline(_Shape):
    display_name: _Text = ""


class _Custom(_Shape):
    payment_method: _Text = ""


class TransactionShape(_Shape):
    """A transaction of an order."""

    id: _Id
    event: _Text
    method: _Text = ""
    amount: _AmountOrZero = ZERO
    currency: _Text = ""
    status: _Text
    test: bool | None = None
    gateway: _Text = ""
    gateway_transaction_id: _Text = ""
    reference_transaction_id: _NumberOrZero = 0
    offline: Annotated[_Offline, BeforeValidator(_object)] = _Offline()
    custom: Annotated[_Custom, BeforeValidator(_object)] = _Custom()


class TransactionsShape(_Shape):
    """A list of them, so that an error tells which one it is in: `transactions.2.amount`."""

    transactions: list[TransactionShape]
