"""Decoding: BigCommerce's JSON to an `Order`, `Refund` or `Transaction`, or to a `Rejected` that names what is wrong.

Owns how the members of the orders API (GET /v2/orders, GET /v3/orders/payment_actions/refunds and /transactions) become
records; their forms are `shapes`'. Decides nothing about what any of them means.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from bcpoll.core.consignments import consignments, raw_lines
from bcpoll.core.money import total
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
from bcpoll.core.shapes import (
    ID,
    AddressShape,
    ContentsShape,
    FeeShape,
    HeadShape,
    LineShape,
    OrderShape,
    PickupShape,
    RefundItemShape,
    RefundShape,
    ShippingShape,
    TransactionShape,
    TransactionsShape,
)
from bcpoll.core.status import OrderStatus

_STATUSES = frozenset(OrderStatus)

# How much of a value that cannot be read is shown to the person who mends it.
_SHOWN = 80


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
        return ID.validate_python(raw.get("id"))
    except ValidationError:
        return 0


def decode_head(raw: Json) -> Head | Rejected:
    """Decode what every order has, however incomplete: an Incomplete order need not be readable beyond this."""
    try:
        head = HeadShape.model_validate(raw)
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
        shape = OrderShape.model_validate(raw)
        contents = ContentsShape.model_validate({"products": raw_lines(raw), "fees": _embedded_fees(raw)})
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
        shape = RefundShape.model_validate(raw)
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


def _refund_item(shape: RefundItemShape) -> RefundItem:
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
        shape = TransactionsShape.model_validate({"transactions": list(raws)})
    except ValidationError as error:
        return _rejected(order_id, error)
    return tuple(map(_transaction, shape.transactions))


def _transaction(shape: TransactionShape) -> Transaction:
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


def _fee(shape: FeeShape) -> Fee:
    ex_tax = shape.cost_ex_tax or shape.cost_exc_tax
    return Fee(name=shape.display_name_customer, cost=_cost(ex_tax, shape.cost_inc_tax, shape.cost_tax))


def _line(shape: LineShape) -> OrderLine:
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


def _delivery(shape: LineShape) -> Delivery:
    if shape.type is not LineKind.PHYSICAL:
        return Delivery.NONE
    if shape.order_pickup_method_id:
        return Delivery.PICKED_UP
    return Delivery.SHIPPED if shape.order_address_id else Delivery.NONE


def _address(shape: AddressShape) -> Address:
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
            shipping = ShippingShape.model_validate(consignment)
            found.append(Destination(address=_address(shipping), shipping_method=shipping.shipping_method))
        elif group == "pickups":
            found.append(_pickup(PickupShape.model_validate(consignment)))
    return found


def _pickup(shape: PickupShape) -> Destination:
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
