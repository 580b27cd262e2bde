"""What requests do to the POS's sales: create, replace, void, fulfil, and the stock that each step moves.

Owns the validation of the sale body, the totals and the states. A sale's effect on stock is a function of the sale
alone; a change applies the difference, so that nothing moves twice.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bcpoll.core.money import ZERO, round_money, total
from bcpoll.sandbox.amounts import amount, part, parts, text
from bcpoll.sandbox.calls import Json, Refused
from bcpoll.sandbox.pos import Pos
from bcpoll.sandbox.pos_customers import redacted, shipping_ids

_STATES = ("parked", "pending", "voided", "closed")
_ATTRIBUTES = ("onaccount", "layby", "delivery", "pickup", "service")
_EXCLUDE = (frozenset({"onaccount", "layby"}), frozenset({"delivery", "pickup"}))
_HANDED_OVER = frozenset({"delivery", "pickup"})


def create(pos: Pos, body: Json) -> Json:
    """Write a sale that the caller names, or that gets an id."""
    sale_id = _given_id(body)
    existing = pos.sales.get(sale_id) if sale_id else None
    if existing is None:
        return _keep(pos, _document(pos, body, sale_id or pos.new_id("sale"), None), None)
    if pos.switches.existing_sale == "conflict":
        raise Refused(409, f"sale {sale_id} exists")
    if pos.switches.existing_sale == "refused":
        raise Refused(422, f"sale {sale_id} exists")
    if pos.switches.existing_sale == "doubles":
        return _keep(pos, _document(pos, body, pos.new_id("sale"), None), None)
    return replace(pos, existing["id"], body)


def replace(pos: Pos, sale_id: str, body: Json) -> Json:
    """Replace a sale's whole document; what the body leaves out is gone, or stays where the switch says so."""
    old = pos.sales.get(sale_id)
    if old is None:
        raise Refused(404, f"sale {sale_id} does not exist")
    new = _document(pos, body, sale_id, old)
    _check_step(old["state"], new["state"])
    if old["state"] == "closed":
        switch = pos.switches.void_by_put if new["state"] == "voided" else pos.switches.edit_of_closed
        if switch == "refused":
            raise Refused(422, f"sale {sale_id} is closed and cannot be changed")
        if switch == "ignored":
            return old
    return _keep(pos, new, old)


def fulfill(pos: Pos, sale_id: str) -> list[Json]:
    """Hand over everything of a sale; doing it again changes nothing."""
    sale = pos.sales.get(sale_id)
    if sale is None:
        raise Refused(404, f"sale {sale_id} does not exist")
    if sale["state"] == "voided":
        raise Refused(409, f"sale {sale_id} is voided")
    if sale["state"] == "pending":
        _keep(pos, sale | {"state": "closed"}, sale)
    done = [row for row in pos.fulfillments.values() if row["sale_id"] == sale_id]
    for row in done:
        row["state"] = "FULFILLED"
    return done


# The document


def _given_id(body: Json) -> str:
    given = body.get("id")
    if given is None:
        return ""
    try:
        return str(UUID(str(given)))
    except ValueError as error:
        raise Refused(422, f"id {given!r} is not a UUID") from error


def _document(pos: Pos, body: Json, sale_id: str, old: Json | None) -> Json:
    source = part(body, "source")
    state = body.get("state")
    if not isinstance(state, str) or state not in _STATES:
        raise Refused(422, f"state {state!r} is none of {', '.join(_STATES)}")
    register = _register(pos, source)
    named = [_line(pos, line, place, old) for place, line in enumerate(parts(body, "line_items"))]
    lines = _with_left_out(pos, named, old["line_items"] if old else [])
    now = pos.now()
    sale: Json = {
        "id": sale_id,
        "state": state,
        "attributes": _attributes(body),
        "customer_id": _customer(pos, body),
        "date": _date(body, now),
        "invoice_number": body.get("invoice_number") or (old or {}).get("invoice_number") or _invoice(register),
        "note": redacted(str(body.get("note") or "")),
        "short_code": body.get("short_code") or sale_id[:6],
        "source": _source(pos, source, register),
        "line_items": lines,
        "payments": [] if state == "voided" else _payments(pos, body, register, old),
        "totals": _totals(lines),
        "taxes": _taxes(lines),
        "adjustments": [],
        "fulfillment_outlet_id": body.get("fulfillment_outlet_id"),
        "fulfillment_details": parts(body, "fulfillment_details"),
        "return": {"is_return": any(line["quantity"] < 0 for line in lines), "original_sale_id": None},
        "created_at": old["created_at"] if old else now,
        "updated_at": now,
        "deleted_at": None,
    }
    sale["receipt_number"] = sale["invoice_number"]
    _check_document(pos, sale)
    return sale


def _register(pos: Pos, source: Json) -> Json:
    pos.wanted(pos.users, text(source, "author_id", "source."), "user")
    if source.get("register_id") is None:
        return next(iter(pos.registers))
    return pos.wanted(pos.registers, source["register_id"], "register")


def _source(pos: Pos, source: Json, register: Json) -> Json:
    return {
        "id": source.get("id"),
        "type": source.get("type"),
        "outlet_id": register["outlet_id"],
        "register_id": register["id"],
        "author": {"id": source["author_id"]},
    }


def _customer(pos: Pos, body: Json) -> str | None:
    if body.get("customer_id") is None:
        return None
    return str(pos.wanted(pos.customers, body["customer_id"], "customer")["id"])


def _attributes(body: Json) -> list[str]:
    attributes = body.get("attributes") or []
    unknown = [each for each in attributes if each not in _ATTRIBUTES]
    if unknown or any(pair <= set(attributes) for pair in _EXCLUDE):
        raise Refused(422, f"attributes {attributes!r} do not go together")
    return list(attributes)


def _date(body: Json, now: str) -> str:
    given = body.get("date")
    if given is None:
        return now
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError as error:
        raise Refused(422, f"date {given!r} is not a time") from error
    if moment.tzinfo is None:
        raise Refused(422, f"date {given!r} has no offset")
    return str(given)


def _invoice(register: Json) -> str:
    register["invoice_sequence"] += 1
    return f"{register['invoice_prefix']}{register['invoice_sequence']}{register['invoice_suffix']}"


def _line(pos: Pos, line: Json, place: int, old: Json | None) -> Json:
    where = f"line_items[{place}]."
    from_text = pos.switches.number_text == "accepted"
    product = pos.wanted(pos.products, text(part(line, "product", where), "id", f"{where}product."), "product")
    if pos.switches.inactive_product == "refused" and not product["is_active"]:
        raise Refused(422, f"product {product['sku']!r} is not active")
    quantity = amount(line, "quantity", where, from_text=from_text)
    pricing = _pricing(pos, line, product, quantity, where)
    tax = part(line, "tax", where)
    unit_tax = amount(tax, "amount", f"{where}tax.", from_text=from_text)
    group = pos.wanted(pos.taxes, text(tax, "id", f"{where}tax."), "tax")
    _check_tax(pos, group, pricing["price"], unit_tax, where)
    known = {each["id"] for each in old["line_items"]} if old else set()
    return {
        "id": line["id"] if str(line.get("id")) in known else pos.new_id("line"),
        "product": {"id": product["id"]},
        "quantity": quantity,
        "pricing": pricing,
        "tax": {"id": group["id"], "amount": unit_tax, "total": unit_tax * quantity},
        "note": _line_note(line),
        "status": line.get("status", "CONFIRMED"),
        "_metadata": {"is_price_override": False, "sequence": place, **(line.get("_metadata") or {})},
    }


def _pricing(pos: Pos, line: Json, product: Json, quantity: Decimal, where: str) -> Json:
    """The money of a line: at the price that it names if it says `is_price_override`, else at the product's own."""
    sent, where = part(line, "pricing", where), f"{where}pricing."
    from_text = pos.switches.number_text == "accepted"
    price = amount(sent, "price", where, from_text=from_text)
    if not (line.get("_metadata") or {}).get("is_price_override"):
        price = product["price_excluding_tax"]
    discount = ZERO if sent.get("discount") is None else amount(sent, "discount", where, from_text=from_text)
    return {
        "price": price,
        "total": price * quantity,
        "cost": ZERO,
        "cost_total": ZERO,
        "discount": discount,
        "discount_total": discount * quantity,
        "loyalty_amount": ZERO,
        "loyalty_amount_total": ZERO,
    }


def _check_tax(pos: Pos, group: Json, price: Decimal, unit_tax: Decimal, where: str) -> None:
    expected = price * total(rate["rate"] for rate in group["rates"])
    if pos.switches.tax_amount == "checked" and abs(expected - unit_tax) > Decimal("0.01"):
        raise Refused(422, f"{where}tax.amount {unit_tax} is not the tax of {price}")


def _line_note(line: Json) -> str:
    notes = [str(each.get("value", "")) for each in parts(line, "attributes") if each.get("name") == "line_note"]
    return redacted(" ".join(notes))


def _payments(pos: Pos, body: Json, register: Json, old: Json | None) -> list[Json]:
    before = {each["id"]: each for each in old["payments"]} if old else {}
    named = [_payment(pos, each, place, register, before) for place, each in enumerate(parts(body, "payments"))]
    return _with_left_out(pos, named, list(before.values()))


def _with_left_out(pos: Pos, named: list[Json], before: list[Json]) -> list[Json]:
    """The lines or payments that a PUT names and, where the switch says so, those that it does not."""
    if pos.switches.left_out_on_put == "dropped":
        return named
    ids = {each["id"] for each in named}
    return [each for each in before if each["id"] not in ids] + named


def _payment(pos: Pos, payment: Json, place: int, register: Json, before: Mapping[str, Json]) -> Json:
    where = f"payments[{place}]."
    config_id = text(part(payment, "type", where), "config_id", f"{where}type.")
    kind = pos.wanted(pos.payment_types, config_id, "payment type")
    paid = amount(payment, "amount", where, from_text=pos.switches.number_text == "accepted")
    return {
        "id": payment["id"] if str(payment.get("id")) in before else pos.new_id("payment"),
        "amount": paid,
        "date": payment.get("date") or pos.now(),
        "deleted_at": None,
        "type": {"config_id": kind["id"], "id": str(kind["type_id"]), "name": kind["name"]},
        "source": {"id": None, "outlet_id": register["outlet_id"], "register_id": register["id"]},
        "external_attributes": [],
    }


def _totals(lines: list[Json]) -> Json:
    price = total(line["pricing"]["total"] for line in lines)
    tax = total(line["tax"]["total"] for line in lines)
    return {"price": price, "price_incl_tax": price + tax, "tax": tax, "loyalty": ZERO, "surcharge": ZERO}


def _taxes(lines: list[Json]) -> list[Json]:
    sums: dict[str, Decimal] = {}
    for line in lines:
        sums[line["tax"]["id"]] = sums.get(line["tax"]["id"], ZERO) + line["tax"]["total"]
    return [{"id": tax_id, "tax": tax} for tax_id, tax in sums.items()]


# What is refused

_TOO_MUCH = Decimal(10) ** 15


def _check_step(old: str, new: str) -> None:
    if old == "voided":
        raise Refused(422, "a voided sale is final")
    if old == "closed" and new not in ("closed", "voided"):
        raise Refused(422, f"a closed sale cannot become {new}")


def _check_document(pos: Pos, sale: Json) -> None:
    register = pos.registers.get(sale["source"]["register_id"])
    if pos.switches.closed_register == "refused" and register and not register["is_open"]:
        raise Refused(409, f"register {register['name']!r} is closed")
    if abs(sale["totals"]["price_incl_tax"]) >= _TOO_MUCH:
        raise Refused(422, "a sale may not come to as much as that")
    paid = total(each["amount"] for each in sale["payments"])
    due = round_money(sale["totals"]["price_incl_tax"], 2)
    wants_match = pos.switches.payment_sum == "must_match" and sale["state"] == "closed" and sale["payments"]
    if wants_match and paid != due:
        raise Refused(422, f"payments of {paid} do not add up to {due}")
    on_account = "onaccount" in sale["attributes"]
    if on_account and pos.switches.account_customer == "required" and not sale["customer_id"]:
        raise Refused(422, "a sale on account needs a customer")
    _check_delivery(pos, sale)


def _check_delivery(pos: Pos, sale: Json) -> None:
    marks = {line["_metadata"].get("fulfillment_method") for line in sale["line_items"]} - {None}
    if len(marks) > 1:
        raise Refused(422, "the lines of one sale are fulfilled in one way")
    details = {each.get("type"): each for each in sale["fulfillment_details"]}
    if "DISPATCH" in marks and sale["state"] == "pending":
        address = details.get("DISPATCH", {})
        number = address.get("shipping_address_id")
        if not number and not address.get("shipping_address_token"):
            raise Refused(422, "a delivery needs a shipping address")
        if number and number not in shipping_ids(pos, sale["customer_id"]):
            raise Refused(422, f"the customer has no shipping address {number!r}")


# Keeping it


def _keep(pos: Pos, sale: Json, old: Json | None) -> Json:
    _move_stock(pos, sale, old)
    kept = sale | {"_metadata": {"version": 0, "has_unsynced_on_account_payments": False}}
    kept["_metadata"]["version"] = pos.sales.put(sale["id"], kept)
    if old is None:
        pos.remember_birth(sale["id"])
        _await_fulfillment(pos, kept)
    return kept


def _move_stock(pos: Pos, sale: Json, old: Json | None) -> None:
    """Apply the difference between what the old and the new document hold of the stock."""
    held, waiting = _Units(), _Units()
    for document, sign in ((old, 1), (sale, -1)):
        if document is not None and _holds_stock(pos, document):
            held.add(document["line_items"], _outlet(document), sign)
        elif document is not None and _awaits_handover(document):
            waiting.add(document["line_items"], _outlet(document), -sign)
    if pos.switches.negative_stock == "refused":
        _refuse_below_zero(pos, held)
    for (outlet_id, product_id), units in held.items():
        pos.move_stock(outlet_id, product_id, units)
    for (outlet_id, product_id), units in waiting.items():
        pos.move_procurement(outlet_id, product_id, units)


class _Units(dict[tuple[str, str], Decimal]):
    """Units by outlet and product id."""

    def add(self, lines: list[Json], outlet_id: str, sign: int) -> None:
        for line in lines:
            key = (outlet_id, line["product"]["id"])
            self[key] = self.get(key, ZERO) + sign * line["quantity"]


def _awaits_handover(sale: Json) -> bool:
    return sale["state"] == "pending" and bool(_HANDED_OVER & set(sale["attributes"]))


def _holds_stock(pos: Pos, sale: Json) -> bool:
    """Whether a sale's units are out of the stock."""
    if sale["state"] != "pending":
        return bool(sale["state"] == "closed")
    if _awaits_handover(sale):
        return pos.switches.pending_fulfillment == "moves_stock"
    return "onaccount" in sale["attributes"] or pos.switches.pending_plain == "moves_stock"


def _outlet(sale: Json) -> str:
    return str(sale["fulfillment_outlet_id"] or sale["source"]["outlet_id"])


def _refuse_below_zero(pos: Pos, held: _Units) -> None:
    for (outlet_id, product_id), units in held.items():
        product = pos.products.get(product_id)
        left = pos.units(product_id, outlet_id) + units
        if units < 0 and left < 0 and product and product["has_inventory"]:
            raise Refused(422, f"there is not enough stock of {product['sku']!r}")


def _await_fulfillment(pos: Pos, sale: Json) -> None:
    marked = [line for line in sale["line_items"] if line["_metadata"].get("fulfillment_method")]
    if not marked or not _awaits_handover(sale):
        return
    number = str(pos.new_number("fulfillment"))
    lines = [{"sale_line_item_id": line["id"], "quantity": line["quantity"]} for line in marked]
    pos.fulfillments[number] = {
        "id": number,
        "sale_id": sale["id"],
        "outlet_id": _outlet(sale),
        "type": marked[0]["_metadata"]["fulfillment_method"],
        "state": "OPEN",
        "version": pos.versions.next(),
        "line_items": lines,
    }
