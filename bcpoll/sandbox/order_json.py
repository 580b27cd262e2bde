"""Orders as the store keeps them, and BigCommerce's V2 JSON in which they are served.

Owns the wire shapes: money as text with four decimals, numbers inside consignments, RFC 2822 dates, links for what is
not embedded. What nearly every order has in common is kept once, in the `PLAIN_*` tables, and laid under the rest when
an order is served. Must not decide which orders are served, or when; `order_writing` makes them from drafts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from bcpoll.core.money import ZERO, round_money
from bcpoll.sandbox.calls import Json
from bcpoll.sandbox.drafts import Draft
from bcpoll.sandbox.switches import Switches

EMBEDDED_AT_MOST = 50
"""How many lines of a consignment the API embeds (bigcommerce/docs issue 960)."""

_ZERO4 = "0.0000"

# fmt: off
PLAIN_ORDER: Mapping[str, Any] = MappingProxyType({
    "customer_id": 0, "date_shipped": "",
    "base_shipping_cost": _ZERO4, "shipping_cost_ex_tax": _ZERO4, "shipping_cost_inc_tax": _ZERO4,
    "shipping_cost_tax": _ZERO4, "shipping_cost_tax_class_id": 2,
    "base_handling_cost": _ZERO4, "handling_cost_ex_tax": _ZERO4, "handling_cost_inc_tax": _ZERO4,
    "handling_cost_tax": _ZERO4, "handling_cost_tax_class_id": 2,
    "base_wrapping_cost": _ZERO4, "wrapping_cost_ex_tax": _ZERO4, "wrapping_cost_inc_tax": _ZERO4,
    "wrapping_cost_tax": _ZERO4, "wrapping_cost_tax_class_id": 3,
    "items_shipped": 0, "payment_provider_id": None, "payment_status": "", "refunded_amount": _ZERO4,
    "order_is_digital": False, "store_credit_amount": _ZERO4, "gift_certificate_amount": _ZERO4,
    "ip_address": "192.0.2.10", "ip_address_v6": "", "geoip_country": "United States", "geoip_country_iso2": "US",
    "currency_id": 1, "currency_code": "USD", "currency_exchange_rate": "1.0000000000",
    "default_currency_id": 1, "default_currency_code": "USD", "staff_notes": "", "customer_message": "",
    "discount_amount": _ZERO4, "coupon_discount": _ZERO4, "is_deleted": False, "ebay_order_id": "0",
    "is_email_opt_in": False, "credit_card_type": None, "order_source": "www", "channel_id": 1,
    "external_source": None, "external_id": None, "external_merchant_id": None, "external_order_id": "",
    "tax_provider_id": "BasicTaxProvider", "customer_locale": "en", "store_default_currency_code": "USD",
    "store_default_to_transactional_exchange_rate": "1.0000000000",
})

PLAIN_LINE: Mapping[str, Any] = MappingProxyType({
    "variant_id": 0, "order_address_id": 0, "order_pickup_method_id": 0, "sku": "", "upc": "", "type": "physical",
    "weight": "1.0000", "width": _ZERO4, "height": _ZERO4, "depth": _ZERO4,
    "cost_price_inc_tax": _ZERO4, "cost_price_ex_tax": _ZERO4, "cost_price_tax": _ZERO4, "base_cost_price": _ZERO4,
    "quantity": 1, "quantity_shipped": 0, "quantity_refunded": 0, "is_refunded": False, "refund_amount": _ZERO4,
    "return_id": 0, "wrapping_id": 0, "wrapping_name": None, "wrapping_message": "", "base_wrapping_cost": _ZERO4,
    "wrapping_cost_ex_tax": _ZERO4, "wrapping_cost_inc_tax": _ZERO4, "wrapping_cost_tax": _ZERO4,
    "event_name": None, "event_date": "", "fixed_shipping_cost": _ZERO4, "ebay_item_id": "",
    "ebay_transaction_id": "", "option_set_id": None, "parent_order_product_id": None, "is_bundled_product": False,
    "bin_picking_number": "", "external_id": None, "fulfillment_source": "", "brand": "", "gift_certificate_id": None,
    "applied_discounts": [], "product_options": [], "configurable_fields": [],
})
# fmt: on

GroupKind: TypeAlias = Literal["pickups", "shipping", "downloads", "gift_certificates"]


@dataclass(slots=True)
class Group:
    """One consignment: what is said of it, and the places of its lines."""

    kind: GroupKind
    fields: Json
    places: list[int]


@dataclass(slots=True, kw_only=True)
class StoredOrder:
    """An order as the store keeps it; `document` serves it."""

    id: int
    created: datetime
    modified: datetime
    fields: Json
    lines: list[Json]
    groups: list[Group]
    fees: list[Json] = field(default_factory=list)
    transactions: list[Json] = field(default_factory=list)
    draft: Draft | None = None
    """None for an order that came as JSON; such a one is served as it came."""
    consignments: Any = None
    """Consignments that came as JSON, whatever their shape."""
    holds_stock: bool = False
    """Whether the units of its lines are taken out of the catalogue."""

    @property
    def status(self) -> int:
        """The status id."""
        status = self.fields["status_id"]
        return int(status)


@dataclass(slots=True)
class Numbers:
    """The store's running numbers for everything but orders."""

    line: int = 1000
    address: int = 500
    refund: int = 0
    transaction: int = 70000
    fee: int = 300

    def next(self, name: str) -> int:
        """The next number of a sequence."""
        number = int(getattr(self, name)) + 1
        setattr(self, name, number)
        return number


def money(amount: Decimal) -> str:
    """Write an amount as orders do: "2369.6667"."""
    return f"{round_money(amount, 4):f}"


def order_date(moment: datetime) -> str:
    """Write a time as orders do: "Fri, 20 Nov 2026 09:00:00 +0000"."""
    return format_datetime(moment.astimezone(UTC))


def link(base: str, path: str) -> Json:
    """A link to what is not embedded."""
    return {"url": f"{base}/v2{path}", "resource": path}


@dataclass(frozen=True, slots=True)
class Included:
    """What a request asked to be embedded."""

    consignments: bool = False
    lines: bool = False
    fees: bool = False
    as_object: bool = False


def document(order: StoredOrder, base: str, included: Included, switches: Switches) -> Json:
    """An order as the API answers it."""
    fields = order.fields if order.draft is None else {**PLAIN_ORDER, **order.fields}
    path = f"/orders/{order.id}"
    dates = {"date_created": order_date(order.created), "date_modified": order_date(order.modified)}
    served = {**dates, **fields, "id": order.id}
    for name in ("products", "shipping_addresses", "coupons", "consignments", "fees"):
        if name not in fields:
            served[name] = link(base, f"{path}/{name}")
    if included.consignments:
        served["consignments"] = consignments(order, base, included, switches)
    if included.fees:
        served["fees"] = order.fees
    return served


def lines_of(order: StoredOrder) -> list[Json]:
    """The lines of an order as the API answers them; those that came as JSON are not completed."""
    return order.lines if order.draft is None else [{**PLAIN_LINE, **line} for line in order.lines]


def consignments(order: StoredOrder, base: str, included: Included, switches: Switches) -> Any:
    """The consignments of an order, in the shape that was asked for or that the switch insists on."""
    if order.consignments is not None:
        return order.consignments
    grouped: dict[str, list[Json]] = {"pickups": [], "shipping": [], "downloads": [], "gift_certificates": []}
    for group in order.groups:
        grouped[group.kind].append(_consignment(order, group, base, included, switches))
    certificates = grouped.pop("gift_certificates")
    structure = {**grouped, "email": {"gift_certificates": certificates}}
    wants_object = included.as_object if switches.consignments == "as_asked" else switches.consignments == "object"
    return structure if wants_object else [structure]


def _consignment(order: StoredOrder, group: Group, base: str, included: Included, switches: Switches) -> Json:
    path = f"/orders/{order.id}"
    served = dict(group.fields)
    if group.kind == "shipping":
        quotes = f"{path}/consignments/shipping/{group.fields.get('id', 0)}/shipping_quotes"
        served["shipping_quotes"] = link(base, quotes)
    if not included.lines:
        ids = [order.lines[place]["id"] for place in group.places]
        return served | {"line_items": [link(base, f"{path}/products/{line_id}") for line_id in ids]}
    lines = lines_of(order)
    return served | _embedded([lines[place] for place in group.places], order.id, switches)


def _embedded(lines: list[Json], order_id: int, switches: Switches) -> Json:
    """The lines of a consignment, cut where the API cuts them."""
    if switches.embedded_lines == "empty":
        return {"line_items": []}
    if len(lines) <= EMBEDDED_AT_MOST or switches.embedded_lines == "complete":
        return {"line_items": lines}
    cut = lines[:EMBEDDED_AT_MOST]
    warning = {"message": f"Only {EMBEDDED_AT_MOST} line items are included; see /v2/orders/{order_id}/products."}
    if switches.embedded_lines == "warning_in_list":
        return {"line_items": [*cut, {"__warning__": warning}]}
    if switches.embedded_lines == "warning_as_object":
        numbered: Json = {str(place): line for place, line in enumerate(cut)}
        return {"line_items": {**numbered, "__warning__": warning}}
    if switches.embedded_lines == "cut_silently":
        return {"line_items": cut}
    return {"line_items": cut, "__warning__": warning}


def paid_amounts(order: StoredOrder, switches: Switches) -> dict[str, Decimal]:
    """What the shopper pays with: gift certificate, store credit, and the rest by the payment method."""
    fields = order.fields
    certificate = Decimal(fields.get("gift_certificate_amount", ZERO))
    credit = Decimal(fields.get("store_credit_amount", ZERO))
    stated = Decimal(fields["total_inc_tax"])
    rest = stated if switches.tenders == "lower_total" else stated - certificate - credit
    return {"gift_certificate": certificate, "store_credit": credit, "": rest}
