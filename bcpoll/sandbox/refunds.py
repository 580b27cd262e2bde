"""Refunds of web orders: what is given back, and the V3 JSON of the record.

Owns the refund's amounts. Must not move an order's status or date; the store does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from bcpoll.core.money import ZERO, round_money
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.calls import Json
from bcpoll.sandbox.drafts import Amount
from bcpoll.sandbox.order_json import StoredOrder
from bcpoll.sandbox.switches import Switches


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """What is refunded: units of lines by their place, charges, or plain money on the order."""

    lines: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    shipping: Amount = "0"
    handling: Amount = "0"
    wrapping: Mapping[int, Amount] = field(default_factory=lambda: MappingProxyType({}))
    fees: Mapping[int, Amount] = field(default_factory=lambda: MappingProxyType({}))
    order_amount: Amount = "0"
    kept: Mapping[int, Amount] = field(default_factory=lambda: MappingProxyType({}))
    """What is kept back of the refunded lines, by their place, such as a restocking fee."""
    tax_only: Amount = "0"
    """Tax alone, for instance once an exemption is proved; such a record has no items."""
    reason: str = ""
    restock: bool = False
    declined: bool = False
    provider: str = "bigcommerce_payments"
    status: OrderStatus | None = None
    """None for the status that the refunded sum calls for."""
    override_total: Amount | None = None
    """What the merchant typed in instead of the computed sum."""
    override_tax: Amount = "0"


@dataclass(frozen=True, slots=True)
class _Part:
    """One item of a refund, and what it is worth."""

    item_type: str
    item_id: int
    amount: Decimal
    tax: Decimal = ZERO
    quantity: int | None = None
    kept: Decimal = ZERO


def refund_json(number: int, order: StoredOrder, refund: Refund, created: str, switches: Switches) -> Json:
    """Write a refund down, and mark the lines as refunded."""
    parts = [*_products(order, refund), *_charges(order, refund)]
    tax = sum((part.tax for part in parts), Decimal(refund.tax_only))
    amount = sum((part.amount - part.kept for part in parts), Decimal(refund.tax_only))
    if refund.override_total is not None:
        amount, tax = Decimal(refund.override_total), Decimal(refund.override_tax)
    return {
        "id": number,
        "order_id": order.id,
        "user_id": 0,
        "created": created,
        "reason": refund.reason,
        "total_amount": amount,
        "total_tax": tax,
        "uses_merchant_override_values": refund.override_total is not None,
        "payments": [_payment(number, amount, refund)],
        "items": [_item(part, refund.reason, switches) for part in parts],
    }


def _products(order: StoredOrder, refund: Refund) -> Iterator[_Part]:
    for place, units in refund.lines.items():
        line = order.lines[place]
        quantity = int(line["quantity"])
        value = Decimal(line.get("discounted_total_inc_tax") or line["total_inc_tax"])
        amount = round_money(value * units / quantity, 2)
        tax = round_money(Decimal(line["total_tax"]) * units / quantity, 2)
        line["quantity_refunded"] = int(line.get("quantity_refunded", 0)) + units
        line["is_refunded"] = line["quantity_refunded"] >= quantity
        yield _Part("PRODUCT", line["id"], amount, tax, units, Decimal(refund.kept.get(place, "0")))


def _charges(order: StoredOrder, refund: Refund) -> Iterator[_Part]:
    address = next((group.fields["id"] for group in order.groups if group.kind == "shipping"), 0)
    plain: dict[tuple[str, int], Amount] = {
        ("SHIPPING", address): refund.shipping,
        ("HANDLING", address): refund.handling,
        ("ORDER", order.id): refund.order_amount,
    }
    plain |= {("GIFT_WRAPPING", order.lines[place]["id"]): amount for place, amount in refund.wrapping.items()}
    plain |= {("FEE", order.fees[place]["id"]): amount for place, amount in refund.fees.items()}
    for (kind, item_id), amount in plain.items():
        if Decimal(amount):
            yield _Part(kind, item_id, Decimal(amount), _tax_in(order, kind, Decimal(amount)))


_COSTS = MappingProxyType({"SHIPPING": "shipping_cost", "HANDLING": "handling_cost", "GIFT_WRAPPING": "wrapping_cost"})


def _tax_in(order: StoredOrder, kind: str, amount: Decimal) -> Decimal:
    """The tax in an amount that is given back for a charge, at the rate that it was charged with."""
    rows = order.fees if kind == "FEE" else [order.fields]
    name = "cost" if kind == "FEE" else _COSTS.get(kind, "")
    paid = sum((Decimal(str(row.get(f"{name}_inc_tax", 0))) for row in rows), ZERO)
    tax = sum((Decimal(str(row.get(f"{name}_tax", 0))) for row in rows), ZERO)
    return round_money(amount * tax / paid, 2) if paid else ZERO


def _item(part: _Part, reason: str, switches: Switches) -> Json:
    adjustments = [{"amount": -part.kept, "description": "Kept back"}] if part.kept else []
    item: dict[str, Any] = {"item_type": part.item_type, "item_id": part.item_id, "reason": reason}
    item["adjustments"] = adjustments
    if part.quantity is not None:
        return item | {"quantity": part.quantity, "requested_amount": None}
    with_tax = switches.refund_amounts == "with_tax"
    return item | {"requested_amount": part.amount if with_tax else part.amount - part.tax}


def _payment(number: int, amount: Decimal, refund: Refund) -> Json:
    return {
        "id": number,
        "provider_id": refund.provider,
        "amount": amount,
        "offline": False,
        "is_declined": refund.declined,
        "declined_message": "Declined by the gateway" if refund.declined else "",
        "transaction_id": None,
    }
