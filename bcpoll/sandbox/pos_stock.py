"""What requests do to the POS's stock besides selling: adjustments and their reasons.

Owns the rules of those two resources. Adjustments are relative and have no key of their own.
"""

from decimal import Decimal

from bcpoll.sandbox.amounts import number_in, only, text
from bcpoll.sandbox.calls import Json, Refused
from bcpoll.sandbox.pos import Pos

_NEGATIVE = frozenset({"DAMAGE", "EXPIRY", "INTERNAL_USE", "THEFT", "DONATION"})
_POSITIVE = frozenset({"STOCK_FOUND", "SAMPLE_FOR_SALE"})
_MEMBERS = frozenset({"product_id", "outlet_id", "quantity", "reason", "custom_inventory_adjustment_reason_id"})
_MOST = 1000
_LONGEST_QUANTITY = 32
_LONGEST_NAME = 30


def adjust(pos: Pos, body: Json) -> list[Json]:
    """Adjust stock, all items or none, and give the adjustments in the order of the request."""
    only(body, frozenset({"stock_adjustments"}), "the body")
    items = body.get("stock_adjustments")
    if not isinstance(items, list) or not 1 <= len(items) <= _MOST:
        raise Refused(422, f"stock_adjustments has to hold 1 to {_MOST} items")
    units = [_check(pos, item) for item in items]
    return [_carry_out(pos, item, change) for item, change in zip(items, units, strict=True)]


def add_reason(pos: Pos, body: Json) -> Json:
    """Add a custom reason; names are unique."""
    name = text(body, "name")
    kind = text(body, "type")
    if len(name) > _LONGEST_NAME or kind not in ("POSITIVE", "NEGATIVE") or not isinstance(body.get("enabled"), bool):
        raise Refused(422, "a reason needs a name of at most 30 characters, a type and enabled")
    if any(row["name"] == name for row in pos.adjustment_reasons):
        raise Refused(409, f"a reason named {name!r} exists")
    row: Json = {"id": pos.new_id("reason"), "name": name, "type": kind, "enabled": body["enabled"], "deleted_at": None}
    row["version"] = pos.adjustment_reasons.put(row["id"], row)
    return row


def _check(pos: Pos, item: object) -> Decimal:
    if not isinstance(item, dict):
        raise Refused(422, "stock_adjustments holds something that is not an object")
    only(item, _MEMBERS, "stock_adjustments")
    pos.wanted(pos.products, text(item, "product_id"), "product")
    pos.wanted(pos.outlets, text(item, "outlet_id"), "outlet")
    quantity = text(item, "quantity")
    if len(quantity) > _LONGEST_QUANTITY:
        raise Refused(422, "quantity is longer than 32 characters")
    units = number_in(quantity, "quantity")
    _check_reason(pos, item, units)
    return units


def _check_reason(pos: Pos, item: Json, units: Decimal) -> None:
    reason = text(item, "reason")
    is_custom = reason == "CUSTOM"
    if is_custom != ("custom_inventory_adjustment_reason_id" in item):
        raise Refused(422, "custom_inventory_adjustment_reason_id goes with the reason CUSTOM, and only with it")
    if is_custom:
        own = pos.wanted(pos.adjustment_reasons, item["custom_inventory_adjustment_reason_id"], "reason")
        sign = own["type"]
    elif reason in _NEGATIVE | _POSITIVE:
        sign = "NEGATIVE" if reason in _NEGATIVE else "POSITIVE"
    else:
        raise Refused(422, f"reason {reason!r} does not exist")
    if (units < 0) != (sign == "NEGATIVE") or not units:
        raise Refused(422, f"quantity {units} does not fit the reason {reason}")


def _carry_out(pos: Pos, item: Json, units: Decimal) -> Json:
    now = pos.now()
    outlet_id, product_id = str(item["outlet_id"]), str(item["product_id"])
    pos.move_stock(outlet_id, product_id, units)
    row: Json = {
        "id": pos.new_id("adjustment"),
        "user_id": next(iter(pos.users))["id"],
        "custom_inventory_adjustment_reason_id": None,
        **item,
        "created_at": now,
        "updated_at": now,
    }
    row["version"] = pos.adjustments.put(row["id"], row)
    return row
