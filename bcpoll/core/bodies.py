"""Request bodies: what is sent to the POS, made from our records once all ids are known.

Owns the shapes of the date-versioned POS API (`POST /sales`, `PUT /sales/{id}`, `POST /customers`, `POST /products`).
Amounts stay `Decimal`; writing them as JSON numbers is the transport's business.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from bcpoll.core.addresses import shipping_address
from bcpoll.core.money import ZERO, round_money, total
from bcpoll.core.order import Json, code_key
from bcpoll.core.sale import Buyer, Payment, ProductDraft, Sale, SaleLine, Way
from bcpoll.core.shop import Shop
from bcpoll.core.times import iso

# The name by which our sales are found again in the POS (`source.type`).
SOURCE = "BigCommerce"


def sale_body(
    sale: Sale, sale_id: str, customer_id: str | None, product_ids: Mapping[str, str], ship_to: str = ""
) -> Json:
    """The body of POST /sales; `product_ids` by code key, `ship_to` names an address of the customer's."""
    return {
        "id": sale_id,
        "source": {
            "type": SOURCE,
            "id": str(sale.order_id),
            "register_id": sale.register.id,
            "author_id": sale.author_id,
        },
        "state": sale.state.value,
        "attributes": list(sale.attributes),
        **({"customer_id": customer_id} if customer_id else {}),
        "date": iso(sale.date),
        "note": sale.note,
        "line_items": [_line(line, position, product_ids) for position, line in enumerate(sale.lines)],
        "payments": [_payment(payment, sale) for payment in sale.payments],
        **(_fulfillment(sale, sale.way, ship_to) if sale.way else {}),
    }


def _fulfillment(sale: Sale, way: Way, ship_to: str) -> Json:
    detail = {"type": way.value, **(shipping_address(ship_to) if ship_to else {})}
    return {"fulfillment_outlet_id": sale.register.outlet_id, "fulfillment_details": [detail]}


def settled_body(document: Json, sale: Sale) -> Json:
    """The body of PUT /sales/{id} that closes a sale with its payments.

    Payments that it has are kept, such as one that was taken at the till; only what is left to pay is added. So are its
    attributes: what was on account and is paid off stays a sale on account, as the POS wants it (sales statuses page).
    """
    body = _request_from(document)
    kept = [payment for payment in body["payments"] if payment.get("id")]
    paid = [(_object(payment, "type").get("config_id"), _amount_of(payment)) for payment in kept]
    return body | {
        "state": sale.state.value,
        "payments": [*kept, *(_payment(payment, sale) for payment in _due(sale, paid))],
    }


def _due(sale: Sale, paid: Iterable[tuple[Any, Decimal]]) -> Iterator[Payment]:
    """What is left to pay, tender by tender: a tender that the sale has already is not asked for once more."""
    had: dict[Any, Decimal] = {}
    for type_id, amount in paid:
        had[type_id] = had.get(type_id, ZERO) + amount
    rest = sale.total - total(had.values())
    for payment in sale.payments:
        same = min(payment.amount, had.get(payment.type_id, ZERO))
        had[payment.type_id] = had.get(payment.type_id, ZERO) - same
        amount = min(payment.amount - same, rest)
        if amount > ZERO:
            yield replace(payment, amount=amount)
            rest -= amount


def _amount_of(payment: Json) -> Decimal:
    amount = payment.get("amount")
    return Decimal(amount) if isinstance(amount, Decimal | int) else ZERO


def voided_body(document: Json) -> Json:
    """The body of PUT /sales/{id} that voids a sale: the whole document with another state."""
    return _request_from(document) | {"state": "voided"}


def customer_body(buyer: Buyer) -> Json:
    """The body of POST /customers, from the billing address."""
    address = buyer.address
    return {
        "customer_code": buyer.code,
        "first_name": address.first_name or None,
        "last_name": address.last_name or None,
        "company_name": address.company or None,
        "email": buyer.email or None,
        "phone": address.phone or None,
        "do_not_email": not buyer.opt_in,
        "physical_address_1": address.street_1 or None,
        "physical_address_2": address.street_2 or None,
        "physical_city": address.city or None,
        "physical_state": address.state or None,
        "physical_postcode": address.postcode or None,
        "physical_country_id": address.country_code or None,
    }


def product_body(
    draft: ProductDraft, shop: Shop, opening: Mapping[str, Decimal] | None, catalogue_price: Decimal = ZERO
) -> Json:
    """The body of POST /products up to 2026-07; `opening` stock by outlet, None where stock is not counted.

    What came for nothing, as a part of a bundle does, is not to be had for nothing at the till: the catalogue's price
    stands in.
    """
    source_id = f"{draft.product_id}-{draft.variant_id}" if draft.product_id else draft.code
    stock = [{"outlet_id": outlet, "current_amount": units} for outlet, units in (opening or {}).items()]
    # A sale without tax may be the buyer's exemption as well as the product's: then the POS's default stands.
    taxed = draft.tax_id != shop.no_tax_id and not draft.is_charge
    price_name, price = _product_price(draft, shop, catalogue_price)
    return {
        "name": draft.name,
        "sku": draft.code,
        price_name: round_money(price, shop.currency.digits),
        "is_active": True,
        "source": "USER",
        "source_id": f"bigcommerce:{source_id}",
        **({"inventory": stock} if stock else {}),
        **(_product_tax(draft, shop) if taxed else {}),
    }


def _product_price(draft: ProductDraft, shop: Shop, catalogue_price: Decimal) -> tuple[str, Decimal]:
    """The member that tells a product's price, and the price: with tax where both sides enter prices so.

    What the POS made of one without tax could be a cent beside it at the till.
    """
    if draft.price_with_tax and not shop.prices_exclude_tax:
        return "price_including_tax", draft.price_with_tax
    is_with_tax = draft.prices_include_tax and not draft.unit_price and catalogue_price > ZERO
    return "price_including_tax" if is_with_tax else "price_excluding_tax", draft.unit_price or catalogue_price


def _product_tax(draft: ProductDraft, shop: Shop) -> Json:
    """How a product names its tax depends on whether the retailer's prices include it; by outlet, for all of ours."""
    if shop.prices_exclude_tax:
        return {"outlet_taxes": [{"outlet_id": outlet_id, "tax_id": draft.tax_id} for outlet_id in shop.outlet_ids]}
    return {"all_outlets_tax": {"tax_id": draft.tax_id, "is_default": False}}


def reason_body(name: str, *, adds: bool = False) -> Json:
    """The body of POST /custom_inventory_adjustment_reasons: a reason of the account's own for taking stock out."""
    return {"name": name, "enabled": True, "type": "POSITIVE" if adds else "NEGATIVE"}


def adjustments_body(items: Iterable[Json]) -> Json:
    """The body of POST /stock_adjustments."""
    return {"stock_adjustments": list(items)}


def open_register_body(at: datetime) -> Json:
    """The body of PUT /registers/{id}/actions/open."""
    return {"register_open_time": iso(at)}


def untracked_body() -> Json:
    """The body of PUT /products/{id} that switches stock tracking off, which the create body cannot say."""
    return {"common": {"track_inventory": False}}


def _line(line: SaleLine, position: int, product_ids: Mapping[str, str]) -> Json:
    return {
        "product": {"id": product_ids[code_key(line.code)]},
        "quantity": line.quantity,
        # The price is net of discounts already; a discount of 0 gives the right total under either reading of it.
        "pricing": {"price": line.unit_price, "discount": 0},
        "tax": {"id": line.tax_id, "amount": line.unit_tax},
        **({"attributes": [{"name": "line_note", "value": line.note}]} if line.note else {}),
        "_metadata": {
            "is_price_override": True,
            "sequence": position,
            **({"fulfillment_method": line.way.value} if line.way else {}),
        },
    }


def _payment(payment: Payment, sale: Sale) -> Json:
    return {
        "amount": payment.amount,
        "type": {"config_id": payment.type_id},
        "date": iso(sale.date),
        "source": {"register_id": sale.register.id},
    }


def _request_from(document: Json) -> Json:
    """Turn a sale as it is read into the shape in which it is written, but for its state, which is what changes.

    Ids of lines and payments keep them in place. What the POS filled in by itself goes back as well, since a change
    replaces the whole: costs, loyalty, and the number that its link to the books knows a sale on account by.
    """
    source = _object(document, "source")
    body: Json = {
        "source": _present(
            type=source.get("type"),
            id=source.get("id"),
            register_id=source.get("register_id"),
            author_id=_object(source, "author").get("id") or source.get("author_id"),
        ),
        "attributes": list(document.get("attributes") or []),
        "line_items": [_line_from(line) for line in document.get("line_items") or []],
        "payments": [_payment_from(payment) for payment in document.get("payments") or [] if _is_live(payment)],
    }
    kept = ("customer_id", "date", "note", "invoice_number", "short_code")
    reference = _object(document, "_metadata").get("xero_reference")
    return body | _present(**{name: document.get(name) for name in kept}, accounts_transaction_id=reference or None)


def _line_from(line: Json) -> Json:
    pricing, tax, metadata = _object(line, "pricing"), _object(line, "tax"), _object(line, "_metadata")
    note = line.get("note")
    return _present(
        id=line.get("id"),
        product={"id": _object(line, "product").get("id")},
        quantity=_number(line.get("quantity")),
        pricing={
            "price": _number(pricing.get("price")),
            "discount": _number(pricing.get("discount")) or 0,
            **_present(**{name: _number(pricing.get(name)) for name in ("cost", "loyalty_amount")}),
        },
        tax={"id": tax.get("id"), "amount": _number(tax.get("amount"))},
        attributes=[{"name": "line_note", "value": note}] if note else line.get("attributes"),
        _metadata={"is_price_override": True, **_present(sequence=metadata.get("sequence"))},
    )


def _payment_from(payment: Json) -> Json:
    return _present(
        id=payment.get("id"),
        amount=_number(payment.get("amount")),
        type={"config_id": _object(payment, "type").get("config_id")},
        date=payment.get("date"),
        source=_present(register_id=_object(payment, "source").get("register_id")) or None,
    )


def _is_live(payment: Json) -> bool:
    return not payment.get("deleted_at")


def _number(value: Any) -> Any:
    """An amount as the number it is: answers may hold text where a request may not."""
    if not isinstance(value, str):
        return value
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    return number if number.is_finite() else value


def _object(document: Json, name: str) -> Json:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _present(**members: Any) -> Json:
    return {name: value for name, value in members.items() if value is not None}
