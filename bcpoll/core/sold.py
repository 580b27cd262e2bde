"""A sale as the POS shows it, read for comparing: its state in our words, its sums, its lines, what was paid.

Owns reading a sale's document, nested as in the date versions or flat as in 2.0. Decides nothing about it: that is
`reconcile` and `sides`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from bcpoll.core.bodies import SOURCE
from bcpoll.core.money import ZERO, round_money, total
from bcpoll.core.order import Json
from bcpoll.core.sale import AppliedState, Item, Payment, SaleState
from bcpoll.core.shop import PosSale
from bcpoll.core.times import parse_time

_OPEN_ATTRIBUTES = frozenset({"delivery", "pickup"})

# More digits than any amount has: a longer text is not taken for a number.
_LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """A sale that names an order of ours, as far as the two are compared."""

    sale_id: str
    order_id: int
    state: AppliedState
    """Never `nothing`."""
    total: Decimal
    tax: Decimal
    units: Decimal
    """Of goods and charges alike."""
    paid: Decimal
    at: datetime | None
    """The sale's date, which is the order's creation time; None where it cannot be read."""
    by_product: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    """Units by the POS's id of the product."""

    @property
    def is_live(self) -> bool:
        """Whether the sale counts."""
        return self.state is not AppliedState.VOIDED

    @property
    def is_refund(self) -> bool:
        """Whether the sale gives back what another one sold."""
        return self.units < ZERO or self.total < ZERO


def named_order(sale: PosSale) -> int:
    """The order that a sale says it is of, if it names BigCommerce as its source; else 0."""
    is_named = sale.source_type == SOURCE and sale.source_id.isascii() and sale.source_id.isdigit()
    return int(sale.source_id) if is_named else 0


def applied_state(sale: PosSale) -> AppliedState:
    """What was applied for an order, going by the sale that stands for it."""
    if sale.state == SaleState.VOIDED:
        return AppliedState.VOIDED
    if sale.state == SaleState.PENDING and _OPEN_ATTRIBUTES & set(sale.document.get("attributes") or ()):
        return AppliedState.OPEN
    is_paid = sale.state == SaleState.CLOSED and (any(payments(sale.document)) or not sale.total)
    return AppliedState.PAID if is_paid else AppliedState.UNPAID


def sold(sale: PosSale, digits: int) -> Sold:
    """Read a sale that names an order; sums in whole cents."""
    items = tuple(sold_items(sale.document, {}))
    by_lines = total(item.paid for item in items)
    return Sold(
        sale_id=sale.id.lower(),
        order_id=named_order(sale),
        state=applied_state(sale),
        total=round_money(by_lines if sale.total is None else sale.total, digits),
        tax=round_money(_stated_tax(sale.document, items), digits),
        units=total(item.quantity for item in items),
        paid=total(payment.amount for payment in payments(sale.document)),
        at=parse_time(str(sale.document.get("date") or sale.document.get("sale_date") or "")),
        by_product=units_by((item.code, item.quantity) for item in items),
    )


def units_by(counts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Units added up by what they are of."""
    units: dict[str, Decimal] = {}
    for name, count in counts:
        units[name] = units.get(name, ZERO) + count
    return units


def sold_items(document: Json, codes: Mapping[str, str]) -> Iterator[Item]:
    """The lines of a sale, under the codes of their products.

    Unrounded: a quantity that was split over several lines comes to the cent only together.
    """
    for line in _rows(document, "line_items", "register_sale_products"):
        product = str(_inner(line, "product").get("id") or line.get("product_id") or "")
        quantity = _number(line.get("quantity"))
        price = _number(_inner(line, "pricing").get("price", line.get("price")))
        tax = line.get("tax")
        unit_tax = _number(tax.get("amount") if isinstance(tax, dict) else tax)
        yield Item(
            code=codes.get(product, product),
            name="",
            quantity=quantity,
            paid=(price + unit_tax) * quantity,
            tax=unit_tax * quantity,
        )


def payments(document: Json) -> Iterator[Payment]:
    """The payments of a sale that were not taken back."""
    for payment in _rows(document, "payments", "register_sale_payments"):
        if not payment.get("deleted_at"):
            type_id = _inner(payment, "type").get("config_id") or payment.get("retailer_payment_type_id") or ""
            yield Payment(type_id=str(type_id), amount=_number(payment.get("amount")))


def _stated_tax(document: Json, items: tuple[Item, ...]) -> Decimal:
    stated = _inner(document, "totals").get("tax", document.get("total_tax"))
    return total(item.tax for item in items) if stated is None else _number(stated)


def _rows(document: Json, *names: str) -> list[Json]:
    found = next((value for name in names if isinstance(value := document.get(name), list)), [])
    return [row for row in found if isinstance(row, dict)]


def _inner(row: Json, name: str) -> Json:
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> Decimal:
    """An amount, as a number or as text; zero for what is none."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str) or len(str(value)) > _LONGEST_NUMBER:
        return ZERO
    try:
        number = Decimal(value)
    except InvalidOperation:
        return ZERO
    return number if number.is_finite() and abs(number.adjusted()) < _LONGEST_NUMBER else ZERO
