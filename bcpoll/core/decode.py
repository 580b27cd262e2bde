"""Decoding: BigCommerce's JSON to an `Order`, `Refund` or `Transaction`, or to a `Rejected` that names what is wrong.

Owns the shapes of the orders API (GET /v2/orders, GET /v3/orders/payment_actions/refunds and /transactions), odd ones
included: money as text or number, `{}` for null, lists that may be null. Decides nothing about what any of them means.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, WrapValidator

from bcpoll.core.consignments import consignments, raw_lines
from bcpoll.core.money import ZERO, total
from bcpoll.core.order import (
    Address,
    Cost,
    Delivery,
    Destination,
    Discount,
    Fee,
    Json,
    LineKind,
    Order,
    OrderLine,
    Refund,
    RefundItem,
    RefundKind,
    RefundPayment,
    Transaction,
)
from bcpoll.core.personal import HIDDEN, without_personal
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.status import OrderStatus
from bcpoll.core.times import parse_time

_STATUSES = frozenset(OrderStatus)

# How much of a value that cannot be read is shown to the person who mends it.
_SHOWN = 80

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
    """The amount: what is plainly one is not judged, for that takes longer than all else about an order."""
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
    at = parse_time(value) if isinstance(value, str) and len(value) <= _SHOWN else None
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


class _Shape(BaseModel):
    """A JSON object of the API; members that are not listed are none of our business."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Head(_Shape):
    id: _Id
    status_id: _Number
    date_created: _Time
    date_modified: _Time
    is_deleted: bool | None = None
    external_source: _Text = ""
    channel_id: _NumberOrZero = 1


class _Address(_Shape):
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


class _Shipping(_Address):
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


class _Pickup(_Shape):
    pickup_method_display_name: _Text = ""
    location: Annotated[_Location, BeforeValidator(_object)] = _Location()


class _Discount(_Shape):
    amount: _Amount
    name: _Text = ""
    code: _Text = ""


class _Option(_Shape):
    display_name: _Text = ""
    display_value: _Text = ""


class _Line(_Shape):
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


class _Fee(_Shape):
    display_name_customer: _Text = ""
    cost_ex_tax: _AmountOrZero = ZERO
    cost_exc_tax: _AmountOrZero = ZERO
    """The same, as some payloads spell it."""
    cost_inc_tax: _Amount
    cost_tax: _AmountOrZero = ZERO


class _Contents(_Shape):
    """Lines and fees, put together so that an error tells which of them it is in: `products.2.quantity`."""

    products: list[_Line]
    fees: list[_Fee]


class _Order(_Shape):
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
    billing_address: _Address
    customer_message: _Text = ""
    is_email_opt_in: bool | None = None


class _Adjustment(_Shape):
    amount: _AmountOrZero = ZERO


class _RefundItem(_Shape):
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


class _RefundShape(_Shape):
    created: _Time
    reason: _Text = ""
    total_amount: Annotated[_Amount, Field(ge=0)]
    total_tax: _AmountOrZero = ZERO
    uses_merchant_override_values: bool | None = None
    items: Annotated[list[_RefundItem], BeforeValidator(_list)] = Field(default_factory=list)
    payments: Annotated[list[_RefundPayment], BeforeValidator(_list)] = Field(default_factory=list)


class _Offline(_Shape):
    display_name: _Text = ""


class _Custom(_Shape):
    payment_method: _Text = ""


class _TransactionShape(_Shape):
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


class _Transactions(_Shape):
    """A list of them, so that an error tells which one it is in: `transactions.2.amount`."""

    transactions: list[_TransactionShape]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """As much of an order as tells whether it concerns us at all."""

    id: int
    status: OrderStatus
    created_at: datetime
    modified_at: datetime
    channel_id: int
    external_source: str
    archived: bool


def order_id_of(raw: Mapping[str, Any]) -> int:
    """The order's id as far as it can be read, by the rule for a whole head, else 0."""
    try:
        return _ORDER_ID.validate_python(raw.get("id"))
    except ValidationError:
        return 0


_ORDER_ID = TypeAdapter(_Id)


def decode_head(raw: Json) -> Head | Rejected:
    """Decode what every order has, however incomplete: an Incomplete order need not be readable beyond this."""
    try:
        head = _Head.model_validate(raw)
    except ValidationError as error:
        return _rejected(order_id_of(raw), error)
    if head.status_id not in _STATUSES:
        return Rejected(
            order_id=head.id, reason=Reason.UNKNOWN_STATUS, field="status_id", detail=f"status id {head.status_id}"
        )
    return Head(
        id=head.id,
        status=OrderStatus(head.status_id),
        created_at=head.date_created,
        modified_at=head.date_modified,
        channel_id=head.channel_id,
        external_source=head.external_source,
        archived=bool(head.is_deleted),
    )


def decode_order(raw: Json, head: Head) -> Order | Rejected:
    """Decode a whole order whose lines are embedded in its consignments or stand under `products`."""
    try:
        shape = _Order.model_validate(raw)
        contents = _Contents.model_validate({"products": raw_lines(raw), "fees": _embedded_fees(raw)})
        destinations = tuple(_destinations(raw))
    except ValidationError as error:
        return _rejected(order_id_of(raw), error)
    return Order(
        id=head.id,
        status=head.status,
        created_at=head.created_at,
        customer_id=shape.customer_id,
        currency=shape.default_currency_code.strip().upper(),
        prices_include_tax=shape.is_tax_inclusive_pricing,
        subtotal=Cost(ex_tax=shape.subtotal_ex_tax, inc_tax=shape.subtotal_inc_tax),
        shipping=_cost(shape.shipping_cost_ex_tax, shape.shipping_cost_inc_tax, shape.shipping_cost_tax),
        handling=_cost(shape.handling_cost_ex_tax, shape.handling_cost_inc_tax, shape.handling_cost_tax),
        wrapping=_cost(shape.wrapping_cost_ex_tax, shape.wrapping_cost_inc_tax, shape.wrapping_cost_tax),
        fees=tuple(map(_fee, contents.fees)),
        discount=shape.discount_amount,
        coupon_discount=shape.coupon_discount,
        total_inc_tax=shape.total_inc_tax,
        total_tax=shape.total_tax,
        store_credit=shape.store_credit_amount,
        gift_certificate=shape.gift_certificate_amount,
        # Embedded and on their own, lines come in different orders; the same order has to give the same sale.
        lines=tuple(map(_line, sorted(contents.products, key=lambda line: line.id))),
        payment_method=shape.payment_method,
        payment_status=shape.payment_status,
        billing=_address(shape.billing_address),
        destinations=destinations,
        customer_message=shape.customer_message,
        email_opt_in=bool(shape.is_email_opt_in),
        channel_id=head.channel_id,
        archived=head.archived,
        shipped=bool(shape.date_shipped.strip()),
    )


def refund_ids_of(raw: Mapping[str, Any]) -> tuple[int, int]:
    """The id of a raw refund and that of its order, each 0 where it cannot be read."""
    return order_id_of(raw), order_id_of({"id": raw.get("order_id")})


def decode_refund(raw: Json) -> Refund | Rejected:
    """Decode a refund whose two ids can be read."""
    refund_id, order_id = refund_ids_of(raw)
    try:
        shape = _RefundShape.model_validate(raw)
    except ValidationError as error:
        return _rejected(order_id, error, within=f"refunds.{refund_id}.")
    return Refund(
        id=refund_id,
        order_id=order_id,
        created_at=shape.created,
        reason=shape.reason.strip(),
        total=shape.total_amount,
        tax=shape.total_tax,
        is_override=bool(shape.uses_merchant_override_values),
        items=tuple(map(_refund_item, shape.items)),
        payments=tuple(
            RefundPayment(provider=each.provider_id, amount=each.amount, is_declined=bool(each.is_declined))
            for each in shape.payments
        ),
    )


def _refund_item(shape: _RefundItem) -> RefundItem:
    is_product = shape.item_type is RefundKind.PRODUCT
    return RefundItem(
        kind=shape.item_type,
        item_id=shape.item_id,
        quantity=shape.quantity if is_product else 0,
        amount=shape.requested_amount,
        adjustment=total(each.amount for each in shape.adjustments),
        reason=shape.reason.strip(),
    )


def decode_transactions(raws: Iterable[Json], order_id: int) -> tuple[Transaction, ...] | Rejected:
    """Decode all transactions of an order: with one of them unreadable, nobody can say what was paid."""
    try:
        shape = _Transactions.model_validate({"transactions": list(raws)})
    except ValidationError as error:
        return _rejected(order_id, error)
    return tuple(map(_transaction, shape.transactions))


def _transaction(shape: _TransactionShape) -> Transaction:
    return Transaction(
        id=shape.id,
        event=shape.event.strip().lower(),
        method=shape.method.strip().lower(),
        amount=shape.amount,
        currency=shape.currency.strip().upper(),
        is_ok=shape.status.strip().lower() == "ok" and not shape.test,
        gateway=shape.gateway.strip(),
        gateway_id=shape.gateway_transaction_id.strip(),
        name=shape.offline.display_name.strip() or shape.custom.payment_method.strip(),
        reference=shape.reference_transaction_id,
    )


def _rejected(order_id: int, error: ValidationError, *, within: str = "") -> Rejected:
    """Tell the first thing that is wrong; the order is read again whole once that is mended."""
    first = error.errors()[0]
    field = within + ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return Rejected(order_id=order_id, reason=Reason.MISSING_MEMBER, field=field, detail="missing")
    message = first["msg"].removeprefix("Value error, ")
    # It goes into the log, and into lists of what is set aside: who it is about, they need not tell.
    name = str(first["loc"][-1])
    value = without_personal({name: first["input"]})[name]
    shown = (value if value == HIDDEN else repr(value))[:_SHOWN]
    return Rejected(order_id=order_id, reason=Reason.WRONG_TYPE, field=field, detail=f"{shown}: {message}")


def _embedded_fees(raw: Json) -> list[Any]:
    """Embedded fees; a link to them, or nothing, means that the order has none that were asked for."""
    fees = raw.get("fees")
    return fees if isinstance(fees, list) else []


def _cost(ex_tax: Decimal, inc_tax: Decimal, tax: Decimal) -> Cost:
    return Cost(ex_tax=ex_tax, inc_tax=inc_tax, tax=tax)


def _fee(shape: _Fee) -> Fee:
    ex_tax = shape.cost_ex_tax or shape.cost_exc_tax
    return Fee(name=shape.display_name_customer, cost=_cost(ex_tax, shape.cost_inc_tax, shape.cost_tax))


def _line(shape: _Line) -> OrderLine:
    return OrderLine(
        id=shape.id,
        product_id=shape.product_id,
        variant_id=shape.variant_id,
        sku=shape.sku.strip(),
        name=shape.name.strip(),
        kind=shape.type,
        quantity=shape.quantity,
        total_ex_tax=shape.total_ex_tax,
        total_inc_tax=shape.total_inc_tax,
        total_tax=shape.total_tax,
        discounted_total=shape.discounted_total_inc_tax,
        discounts=tuple(Discount(amount=d.amount, name=d.name, code=d.code) for d in shape.applied_discounts),
        options=tuple((o.display_name, o.display_value) for o in shape.product_options if o.display_value),
        parent_id=shape.parent_order_product_id or None,
        delivery=_delivery(shape),
        wrapping=shape.wrapping_name,
        wrapping_message=shape.wrapping_message,
        event=" ".join(filter(None, (shape.event_name, shape.event_date))),
    )


def _delivery(shape: _Line) -> Delivery:
    if shape.type is not LineKind.PHYSICAL:
        return Delivery.NONE
    if shape.order_pickup_method_id:
        return Delivery.PICKED_UP
    return Delivery.SHIPPED if shape.order_address_id else Delivery.NONE


def _address(shape: _Address) -> Address:
    return Address(
        first_name=shape.first_name,
        last_name=shape.last_name,
        company=shape.company,
        street_1=shape.street_1,
        street_2=shape.street_2,
        city=shape.city,
        state=shape.state,
        postcode=shape.zip,
        country=shape.country,
        country_code=shape.country_iso2,
        phone=shape.phone,
        email=shape.email,
    )


def _destinations(raw: Json) -> list[Destination]:
    """Shipping addresses and pickup locations, in the order in which they are embedded."""
    found: list[Destination] = []
    for group, consignment in consignments(raw):
        if group == "shipping":
            shipping = _Shipping.model_validate(consignment)
            found.append(Destination(address=_address(shipping), shipping_method=shipping.shipping_method))
        elif group == "pickups":
            found.append(_pickup(_Pickup.model_validate(consignment)))
    return found


def _pickup(shape: _Pickup) -> Destination:
    location = shape.location
    address = Address(
        street_1=location.address_line_1,
        street_2=location.address_line_2,
        city=location.city,
        state=location.state,
        postcode=location.postal_code,
        country_code=location.country_alpha2,
        phone=location.phone,
        email=location.email,
    )
    return Destination(
        address=address,
        shipping_method=shape.pickup_method_display_name,
        pickup_code=location.code,
        pickup_name=location.name,
    )
