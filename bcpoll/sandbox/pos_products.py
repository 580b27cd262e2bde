"""What requests do to the POS's products: create, change, look up by code.

Owns the rules of the product resource up to version 2026-07. Must not move stock by sales; `pos_sales` does.
"""

from collections.abc import Iterator
from decimal import Decimal

from bcpoll.core.money import ZERO
from bcpoll.sandbox.amounts import amount, parts, text
from bcpoll.sandbox.calls import Json, Refused
from bcpoll.sandbox.pos import Pos, product_row

_PRICES = ("price_excluding_tax", "price_including_tax")


def create(pos: Pos, body: Json) -> str:
    """Create a standard product and give its id."""
    name = text(body, "name")
    codes = list(_codes(body)) or [_next_sku(pos)]
    for code in codes:
        _refuse_taken(pos, code)
    _check_prices(body)
    _check_taxes(pos, body)
    levels = _levels(pos, body)
    row = product_row(pos, pos.new_id("product"), name, codes, ZERO)
    known = ("source", "source_id", "source_variant_id", "description", "is_active")
    row |= {member: body[member] for member in known if member in body}
    row["active"] = row["is_active"]
    _set_prices(row, body)
    pos.keep_product(row)
    pos.remember_birth(row["id"])
    for outlet_id, units in levels.items():
        pos.set_stock(row["id"], outlet_id, units)
    return str(row["id"])


def update(pos: Pos, product_id: str, body: Json) -> Json:
    """Change a product, in the two blocks `common` and `details`."""
    row = pos.products.get(product_id)
    if row is None or row["deleted_at"]:
        raise Refused(404, f"product {product_id} does not exist")
    common, details = (body.get(block) or {} for block in ("common", "details"))
    _check_prices(details)
    levels = _levels(pos, details)
    if parts(details, "product_codes"):
        _set_codes(pos, row, details)
    if "track_inventory" in common:
        row["has_inventory"] = bool(common["track_inventory"])
    row |= {member: common[member] for member in ("name", "description") if member in common}
    if "is_active" in details:
        row["active"] = row["is_active"] = bool(details["is_active"])
    _set_prices(row, details)
    pos.keep_product(row)
    for outlet_id, units in levels.items():
        pos.set_stock(product_id, outlet_id, units)
    return row


def with_sku(pos: Pos, sku: str) -> list[Json]:
    """What `GET /products?sku=` finds, by any code."""
    rows = pos.with_code(sku)
    if pos.switches.sku_case == "any_case":
        return rows
    return [row for row in rows if any(each["code"] == sku for each in row["product_codes"])]


def _codes(body: Json) -> Iterator[str]:
    if body.get("sku"):
        yield text(body, "sku")
    for each in parts(body, "product_codes"):
        code = text(each, "code", "product_codes.")
        if code != body.get("sku"):
            yield code


def _next_sku(pos: Pos) -> str:
    sequence = pos.retailer["sku_sequence"]
    sequence["value"] += 1
    return str(sequence["value"])


def _refuse_taken(pos: Pos, code: str, *, but: str = "") -> None:
    taken = pos.with_code(code, deleted=pos.switches.deleted_codes == "taken")
    if any(row["id"] != but for row in taken):
        raise Refused(422, f"product code {code!r} is already in use")


def _set_codes(pos: Pos, row: Json, details: Json) -> None:
    codes = list(_codes({"product_codes": details["product_codes"]}))
    for code in codes:
        _refuse_taken(pos, code, but=row["id"])
    pos.forget_codes(row)
    row["product_codes"] = [{"type": "CUSTOM", "code": code} for code in codes]
    row["sku"] = codes[0]


def _check_prices(body: Json) -> None:
    if all(price in body for price in _PRICES):
        raise Refused(422, "price_excluding_tax and price_including_tax exclude each other")
    for price in _PRICES:
        if price in body:
            amount(body, price)


def _set_prices(row: Json, body: Json) -> None:
    for price in _PRICES:
        if price in body:
            row |= dict.fromkeys(_PRICES, amount(body, price))
    if "supply_price" in body:
        row["supply_price"] = amount(body, "supply_price")


def _check_taxes(pos: Pos, body: Json) -> None:
    for each in parts(body, "outlet_taxes"):
        pos.wanted(pos.outlets, each.get("outlet_id"), "outlet")
        pos.wanted(pos.taxes, each.get("tax_id"), "tax")
    everywhere = body.get("all_outlets_tax")
    if everywhere:
        pos.wanted(pos.taxes, everywhere.get("tax_id"), "tax")


def _levels(pos: Pos, body: Json) -> dict[str, Decimal]:
    levels: dict[str, Decimal] = {}
    for each in parts(body, "inventory"):
        outlet = pos.wanted(pos.outlets, each.get("outlet_id"), "outlet")
        levels[outlet["id"]] = amount(each, "current_amount", "inventory.")
    return levels
