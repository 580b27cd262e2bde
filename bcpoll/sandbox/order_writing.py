"""Writing a draft down as an order: every member that differs from what nearly all orders have in common.

Owns which member of the V2 JSON holds which sum. Must not compute money; `sums` does.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from bcpoll.core.order import LineKind
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.calls import Json
from bcpoll.sandbox.drafts import Draft, Parcel, Pickup, Shopper
from bcpoll.sandbox.order_json import Group, GroupKind, Numbers, StoredOrder, money
from bcpoll.sandbox.sums import PricedLine, PricedParcel, Split, Sums, sums_of
from bcpoll.sandbox.switches import Switches


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
        "billing_address": _person(draft.shopper),
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
    children, certificates = switches.bundle_children == "counted", switches.sold_certificates == "counted"
    return sum(
        line.item.quantity
        for line in sums.lines
        if (children or line.parent is None) and (certificates or line.item.kind is not LineKind.GIFT_CERTIFICATE)
    )


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
            "id": numbers.next("fee"),
            "type": "custom_fee",
            "display_name_customer": fee.name,
            "display_name_merchant": fee.name,
            "source": "checkout",
            "base_cost": money(cost.ex),
            **_split_fields("cost", cost),
            "tax_class_id": 0,
        }
