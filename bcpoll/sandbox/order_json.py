"""BigCommerce's V2 JSON of an order: how a draft and its sums are written down, and how they are served.

Owns the wire shapes: money as text with four decimals, numbers inside consignments, RFC 2822 dates, links for what is
not embedded. What nearly every order has in common is kept once, in the `PLAIN_*` tables, and laid under the rest when
an order is served. Must not decide which orders are served, or when.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from bcpoll.core.money import ZERO, round_money
from bcpoll.core.order import LineKind
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.calls import Json
from bcpoll.sandbox.drafts import Draft, Parcel, Pickup, Shopper
from bcpoll.sandbox.sums import PricedLine, PricedParcel, Split, Sums, sums_of
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
    coupons: list[Json] = field(default_factory=list)
    taxes: list[Json] = field(default_factory=list)
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
    other: int = 300

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


# Building an order


def build(
    order_id: int, draft: Draft, created: datetime, numbers: Numbers, switches: Switches, old: StoredOrder | None = None
) -> StoredOrder:
    """Write an order down; the lines of an edited one keep their ids by their places."""
    sums = sums_of(draft, switches)
    line_ids = [line["id"] for line in old.lines] if old else []
    line_ids += [numbers.next("line") for _ in range(len(sums.lines) - len(line_ids))]
    groups = list(_groups(draft, sums, numbers))
    lines = [_line(order_id, line_ids, place, sums, draft, switches) for place in range(len(sums.lines))]
    for group in groups:
        for place in group.places:
            lines[place] |= _group_keys(group)
    return StoredOrder(
        id=order_id,
        created=created,
        modified=created,
        fields=_order_fields(order_id, draft, sums, groups, switches) | dict(draft.fields),
        lines=lines,
        groups=groups,
        fees=list(_fees(draft, sums, numbers)),
        coupons=list(_coupons(order_id, draft, sums, numbers)),
        taxes=list(_taxes(order_id, sums, lines, numbers)),
        draft=draft,
    )


def _order_fields(order_id: int, draft: Draft, sums: Sums, groups: list[Group], switches: Switches) -> Json:
    kinds = {line.item.kind for line in sums.lines}
    fields: Json = {
        "id": order_id,
        "customer_id": draft.shopper.customer_id,
        **status_fields(draft.status, draft.source),
        **_totals(sums),
        "items_total": _units(sums, switches),
        "payment_method": draft.payment_method,
        "order_is_digital": kinds == {LineKind.DIGITAL},
        "store_credit_amount": money(Decimal(draft.store_credit)),
        "gift_certificate_amount": money(Decimal(draft.gift_certificate)),
        "currency_code": draft.currency,
        "default_currency_code": draft.currency,
        "staff_notes": draft.staff_notes,
        "customer_message": draft.message,
        "shipping_address_count": sum(group.kind == "shipping" for group in groups),
        "cart_id": f"00000000-0000-4000-8000-{order_id:012d}",
        "billing_address": _billing(draft.shopper),
        "is_email_opt_in": draft.email_opt_in,
        "order_source": draft.source,
        "channel_id": draft.channel_id,
        "external_source": draft.external_source,
    }
    if not draft.is_old:
        fields["is_tax_inclusive_pricing"] = draft.inclusive
    return fields


def status_fields(status: OrderStatus, source: str = "www") -> Json:
    """What an order says about its status. A storefront's incomplete orders count as deleted."""
    return {
        "status_id": int(status),
        "status": status.title,
        "custom_status": status.title,
        "is_deleted": status is OrderStatus.INCOMPLETE and source == "www",
    }


def _totals(sums: Sums) -> Json:
    fields: Json = {}
    charges = {"shipping_cost": sums.shipping, "handling_cost": sums.handling, "wrapping_cost": sums.wrapping}
    for name, split in {"subtotal": sums.subtotal, "total": sums.total, **charges}.items():
        if split.inc or name in ("subtotal", "total"):
            fields |= _split_fields(name, split)
    for name, split in charges.items():
        if split.inc:
            fields[f"base_{name}"] = money(split.ex)
    if sums.discount:
        fields["discount_amount"] = money(sums.discount)
    if sums.coupon_discount:
        fields["coupon_discount"] = money(sums.coupon_discount)
    return fields


def _split_fields(name: str, split: Split) -> Json:
    return {f"{name}_ex_tax": money(split.ex), f"{name}_inc_tax": money(split.inc), f"{name}_tax": money(split.tax)}


def _units(sums: Sums, switches: Switches) -> int:
    children = switches.bundle_children == "counted"
    return sum(line.item.quantity for line in sums.lines if children or line.parent is None)


def _person(shopper: Shopper) -> Json:
    return {
        "first_name": shopper.first_name,
        "last_name": shopper.last_name,
        "company": shopper.company,
        "street_1": shopper.street,
        "street_2": "",
        "city": shopper.city,
        "state": shopper.state,
        "zip": shopper.postcode,
        "country": shopper.country,
        "country_iso2": shopper.country_code,
        "phone": shopper.phone,
        "email": shopper.email,
        "form_fields": [],
    }


def _billing(shopper: Shopper) -> Json:
    return _person(shopper)


def _line(order_id: int, ids: list[int], place: int, sums: Sums, draft: Draft, switches: Switches) -> Json:
    line = sums.lines[place]
    item = line.item
    unit = _unit_prices(line)
    fields: Json = {
        "id": ids[place],
        "order_id": order_id,
        "product_id": item.product_id,
        "variant_id": item.variant_id or None,
        "name": item.name,
        "name_customer": item.name,
        "name_merchant": item.name,
        "sku": item.sku,
        "type": item.kind.value,
        "quantity": item.quantity,
        "base_price": money(unit.inc if draft.inclusive else unit.ex),
        **_split_fields("price", unit),
        "base_total": money(line.before.inc if draft.inclusive else line.before.ex),
        "total_ex_tax": money(line.before.ex),
        "total_inc_tax": money(line.before.inc),
        "total_tax": money(line.after.tax),
    }
    if not draft.is_old:
        fields["discounted_total_inc_tax"] = money(line.after.inc)
    if line.parent is not None:
        fields |= {"parent_order_product_id": ids[line.parent], "is_bundled_product": True}
    if line.offs:
        fields["applied_discounts"] = _applied(line)
    if item.options:
        fields["product_options"] = [_option(ids[place], number, *pair) for number, pair in enumerate(item.options, 1)]
    return fields | _wrapping(line, switches)


def _unit_prices(line: PricedLine) -> Split:
    quantity = line.item.quantity
    return Split(line.before.ex / quantity, line.before.inc / quantity, line.before.tax / quantity)


def _applied(line: PricedLine) -> list[Json]:
    return [
        {"id": off.id, "amount": money(off.amount), "name": off.name, "code": off.code, "target": off.target}
        for off in line.offs
    ]


def _option(line_id: int, number: int, name: str, value: str) -> Json:
    names = {f"display_name{who}": name for who in ("", "_customer", "_merchant")}
    values = {f"display_value{who}": value for who in ("", "_customer", "_merchant")}
    ids = {"id": line_id * 10 + number, "option_id": number, "order_product_id": line_id, "product_option_id": number}
    kind = {"value": str(number), "type": "Multiple choice", "name": name, "display_style": "Rectangle"}
    return {**ids, **names, **values, **kind}


def _wrapping(line: PricedLine, switches: Switches) -> Json:
    if not line.wrapping.inc:
        return {}
    cost = line.wrapping
    if switches.wrapping_cost == "unit":
        quantity = line.item.quantity
        cost = Split(cost.ex / quantity, cost.inc / quantity, cost.tax / quantity)
    message = line.item.wrapping_message
    named = {"wrapping_id": 1, "wrapping_name": "Gift paper", "wrapping_message": message}
    return {**named, "base_wrapping_cost": money(cost.ex), **_split_fields("wrapping_cost", cost)}


def _groups(draft: Draft, sums: Sums, numbers: Numbers) -> Iterator[Group]:
    places: dict[tuple[GroupKind, int], list[int]] = {}
    for place, line in enumerate(sums.lines):
        places.setdefault(_where(draft, line), []).append(place)
    for (kind, parcel), inside in places.items():
        if kind == "downloads" or kind == "gift_certificates":
            yield Group(kind, {"recipient_email": draft.shopper.email}, inside)
            continue
        way = draft.parcels[parcel]
        units = sum(sums.lines[place].item.quantity for place in inside)
        fields = (
            _pickup(way, numbers)
            if isinstance(way, Pickup)
            else _shipped(way.to or draft.shopper, way, sums.parcels[parcel], units, numbers)
        )
        yield Group(kind, fields, inside)


def _where(draft: Draft, line: PricedLine) -> tuple[GroupKind, int]:
    if line.item.kind is LineKind.DIGITAL:
        return "downloads", 0
    if line.item.kind is LineKind.GIFT_CERTIFICATE:
        return "gift_certificates", 0
    parcel = line.item.parcel
    return ("pickups" if isinstance(draft.parcels[parcel], Pickup) else "shipping"), parcel


def _pickup(way: Pickup, numbers: Numbers) -> Json:
    return {
        "id": numbers.next("address"),
        "pickup_method_id": 1,
        "pickup_method_display_name": way.method,
        "collection_instructions": "Please bring your order number",
        "collection_time_description": "9 am to 6 pm",
        "location": {
            "id": 1,
            "name": way.name,
            "code": way.code,
            "address_line_1": "1 Sample Street",
            "address_line_2": "",
            "city": "Springfield",
            "state": "Illinois",
            "postal_code": "62701",
            "country_alpha2": "US",
            "email": "shop@example.com",
            "phone": "",
        },
    }


def _shipped(to: Shopper, way: Parcel, priced: PricedParcel, units: int, numbers: Numbers) -> Json:
    return {
        "id": numbers.next("address"),
        **_person(to),
        "shipping_method": way.method,
        "items_total": units,
        "items_shipped": 0,
        **_cost_numbers("", priced.shipping),
        **_cost_numbers("handling_", priced.handling),
        "shipping_zone_id": 1,
        "shipping_zone_name": "United States",
    }


def _cost_numbers(name: str, cost: Split) -> Json:
    return {
        f"base_{name}cost": cost.ex,
        f"{name}cost_ex_tax": cost.ex,
        f"{name}cost_inc_tax": cost.inc,
        f"{name}cost_tax": cost.tax,
        f"{name}cost_tax_class_id": 2,
    }


def _group_keys(group: Group) -> Json:
    if group.kind == "shipping":
        return {"order_address_id": group.fields["id"]}
    if group.kind == "pickups":
        return {"order_pickup_method_id": group.fields["pickup_method_id"]}
    return {}


def _fees(draft: Draft, sums: Sums, numbers: Numbers) -> Iterator[Json]:
    for fee, cost in zip(draft.fees, sums.fees, strict=True):
        yield {
            "id": numbers.next("other"),
            "type": "custom_fee",
            "display_name_customer": fee.name,
            "display_name_merchant": fee.name,
            "source": "checkout",
            "base_cost": money(cost.ex),
            **_split_fields("cost", cost),
            "tax_class_id": 0,
        }


def _coupons(order_id: int, draft: Draft, sums: Sums, numbers: Numbers) -> Iterator[Json]:
    for number, (coupon, amount) in enumerate(zip(draft.coupons, sums.coupon_amounts, strict=True), start=1):
        yield {
            "id": numbers.next("other"),
            "coupon_id": number,
            "order_id": order_id,
            "code": coupon.code,
            "amount": Decimal(coupon.amount),
            "type": int(coupon.kind),
            "discount": amount,
        }


def _taxes(order_id: int, sums: Sums, lines: list[Json], numbers: Numbers) -> Iterator[Json]:
    for line, fields in zip(sums.lines, lines, strict=True):
        if line.after.tax:
            yield {
                "id": numbers.next("other"),
                "order_id": order_id,
                "order_address_id": fields.get("order_address_id", 0),
                "tax_rate_id": 1,
                "sales_tax_id": "",
                "tax_class_id": 0,
                "name": f"Sales tax {line.rate * 100:f}%",
                "class": "Default Tax Class",
                "rate": money(line.rate * 100),
                "priority": 0,
                "priority_amount": money(line.after.tax),
                "line_amount": money(line.after.tax),
                "order_pickup_method_id": fields.get("order_pickup_method_id", 0),
                "order_product_id": fields["id"],
                "line_item_type": "item",
            }


# Serving an order


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


def addresses(order: StoredOrder) -> list[Json]:
    """The order's shipping addresses, with their costs as text."""
    return [
        {
            "order_id": order.id,
            **{name: money(value) if isinstance(value, Decimal) else value for name, value in group.fields.items()},
        }
        for group in order.groups
        if group.kind == "shipping"
    ]


def paid_amounts(order: StoredOrder) -> dict[str, Decimal]:
    """What the shopper pays with: gift certificate, store credit, and the rest by the payment method."""
    fields = order.fields
    certificate = Decimal(fields.get("gift_certificate_amount", ZERO))
    credit = Decimal(fields.get("store_credit_amount", ZERO))
    rest = Decimal(fields["total_inc_tax"]) - certificate - credit
    return {"gift_certificate": certificate, "store_credit": credit, "credit_card": rest}
