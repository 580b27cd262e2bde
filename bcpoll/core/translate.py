"""Translation: from an order, the shop and the policy to what the POS should hold for the order, or a `Rejected`.

Owns what a sale looks like (codes, notes, taxes, register). Whether an order's parts add up is decided in `parts`, what
was paid and how in `tenders`, and what to do about the result in `plan`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bcpoll.core.addresses import is_postable
from bcpoll.core.decode import Head
from bcpoll.core.money import ZERO, Currency, amount_text, round_money, total
from bcpoll.core.order import (
    Address,
    Delivery,
    Destination,
    LineKind,
    Order,
    OrderLine,
    Transaction,
    code_key,
    email_key,
)
from bcpoll.core.parts import Gap, Part, Parts, reckon, with_adjustment
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import Buyer, Desired, DesiredState, Item, ProductDraft, Sale, SaleLine, SaleState, Way
from bcpoll.core.shop import Charge, Fulfillment, KnownProducts, Mismatch, Policy, Register, Shop, Tax, Unpaid
from bcpoll.core.status import AWAITING, HANDED_OVER, SILENT_ON_GOODS, Disposition, OrderStatus
from bcpoll.core.tenders import Takings, takings
from bcpoll.core.units import UNIT_DIGITS, Units, exact_units, units

# The POS documents no limit for notes; these lengths keep them readable on a screen and a receipt.
_NOTE_LENGTH = 2000
_LINE_NOTE_LENGTH = 500


def is_wanted(head: Head, policy: Policy) -> bool:
    """Whether an order is imported at all, by its status and where it came from.

    Orders that the POS itself put into the store are among the ignored: they would come back to it as a second sale.
    """
    return (
        policy.statuses.disposition(head.status) is not Disposition.NOT_IMPORTED
        and head.external_source not in policy.ignore_sources
        and head.channel_id not in policy.ignore_channels
    )


def not_wanted(order_id: int) -> Desired:
    """What the POS should hold for an order that is not imported: nothing."""
    return Desired(order_id=order_id, state=DesiredState.NOT_IMPORTED)


def product_codes(parts: Parts | Gap, policy: Policy) -> set[str]:
    """The keys of all product codes that an order's sale will need, to be looked up before translating."""
    return set() if isinstance(parts, Gap) else {code_key(_code(part, policy)) for part in parts.parts}


def translate(
    order: Order,
    shop: Shop,
    policy: Policy,
    known: KnownProducts,
    *,
    transactions: Sequence[Transaction] | None = None,
    parts: Parts | Gap | None = None,
) -> Desired | Rejected:
    """Work out what the POS should hold for an order that is wanted (`is_wanted`).

    `transactions` are given where they were read, `parts` where the money check (`checked_parts`) was made already. An
    order that is paid only in part counts as not paid yet.
    """
    if not order.lines and order.subtotal.inc_tax:
        return _reject(order, Reason.LINES_INCOMPLETE, "products", f"no lines for {order.subtotal.inc_tax} of goods")
    parts = parts or checked_parts(order, policy)
    if isinstance(parts, Gap):
        return _reject(order, Reason.TOTALS_DIFFER, "total_inc_tax", str(parts))
    if order.currency != shop.currency.code:
        return _reject(
            order,
            Reason.FOREIGN_CURRENCY,
            "default_currency_code",
            f"order total {parts.total} {order.currency or '(none)'}, the POS keeps {shop.currency.code}",
        )
    taken = takings(order, parts.total, transactions, shop, policy)
    if isinstance(taken, Rejected):
        return taken
    standing = _standing(order, taken, policy)
    lines = _lines(order, parts, shop, policy, standing.way)
    ambiguous = [line.code for line in lines if len(known.get(code_key(line.code), ())) > 1]
    if ambiguous:
        return _reject(order, Reason.AMBIGUOUS_PRODUCT, "sku", f"several products go by {ambiguous[0]!r}")
    return Desired(
        order_id=order.id,
        state=standing.state,
        sale=_sale(order, parts, lines, standing, shop, policy),
        products=tuple(_drafts(order, parts, lines, policy)),
        content=_content(parts, policy),
        is_handed_over=order.status in HANDED_OVER or (order.shipped and order.status in SILENT_ON_GOODS),
        notes=(*parts.remarks, *taken.remarks),
        ordered=ordered_items(parts.parts, policy),
        is_refunded=order.status is OrderStatus.REFUNDED,
    )


def ordered_items(parts: Iterable[Part], policy: Policy) -> tuple[Item, ...]:
    """The parts of an order as items, each with the code that it sells under."""
    return tuple(
        Item(code=_code(part, policy), name=part.name, quantity=Decimal(part.quantity), paid=part.paid, tax=part.tax)
        for part in parts
    )


def _reject(order: Order, reason: Reason, field: str, detail: str) -> Rejected:
    return Rejected(order_id=order.id, reason=reason, field=field, detail=detail)


def checked_parts(order: Order, policy: Policy) -> Parts | Gap:
    """Make the money check, in the order's own currency: even of a foreign order, people want to see both sums."""
    parts = reckon(order, Currency(order.currency).digits)
    if isinstance(parts, Gap) and policy.mismatch is Mismatch.ADJUST:
        return with_adjustment(order, parts)
    return parts


# --- state and register ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """How an order stands: what was paid of it, the state that its sale should have, and how it is to be fulfilled."""

    taken: Takings
    state: DesiredState
    way: Way | None = None


def _standing(order: Order, taken: Takings, policy: Policy) -> _Standing:
    if policy.statuses.disposition(order.status) is Disposition.VOIDED:
        return _Standing(taken=taken, state=DesiredState.VOIDED)
    if not taken.is_whole:
        return _Standing(taken=taken, state=DesiredState.UNPAID)
    way = _way(order, policy)
    return _Standing(taken=taken, state=DesiredState.OPEN if way else DesiredState.PAID, way=way)


def _way(order: Order, policy: Policy) -> Way | None:
    """How staff are to fulfil an order from the POS, None where they are not; all lines of a sale go the same way.

    A delivery needs a customer, and an address that the POS accepts; without them the address is only in the note.
    """
    if policy.fulfillment is Fulfillment.OFF or not _is_awaited(order):
        return None
    deliveries = {line.delivery for line in order.lines}
    if Delivery.SHIPPED in deliveries and _ship_to(order) is not None and _buyer(order) is not None:
        return Way.DISPATCH
    return Way.PICKUP if Delivery.PICKED_UP in deliveries else None


def _is_awaited(order: Order) -> bool:
    return order.status in AWAITING or (order.status in SILENT_ON_GOODS and not order.shipped)


def _ship_to(order: Order) -> Address | None:
    """The address of all deliveries, if the POS's address book would accept it; pickups have none.

    A sale has one address. Of several, all would be sent to the first: such an order is for people, who have the note.
    """
    shipped = {one.address for one in order.destinations if not (one.pickup_code or one.pickup_name)} - {Address()}
    address = shipped.pop() if len(shipped) == 1 else None
    return address if address is not None and is_postable(address) else None


def _sale(
    order: Order, parts: Parts, lines: tuple[SaleLine, ...], standing: _Standing, shop: Shop, policy: Policy
) -> Sale:
    """The sale. A closed one has all payments or none, since the POS may refuse a sale that is paid only in part."""
    buyer, taken, way = _buyer(order), standing.taken, standing.way
    # A sale on account needs a customer whose account it goes on.
    on_account = standing.state is DesiredState.UNPAID and policy.unpaid is Unpaid.ON_ACCOUNT and buyer is not None
    closed = SaleState.VOIDED if standing.state is DesiredState.VOIDED else SaleState.CLOSED
    return Sale(
        order_id=order.id,
        state=SaleState.PENDING if on_account or way else closed,
        attributes=("onaccount",) if on_account else (_ATTRIBUTES[way],) if way else (),
        register=register_of(order, shop),
        author_id=shop.author_id,
        date=order.created_at,
        note=_note(order, (*parts.remarks, *taken.remarks)),
        lines=lines,
        payments=taken.payments if taken.is_whole or on_account else (),
        buyer=buyer,
        total=parts.total,
        tax=parts.tax,
        way=way,
        ship_to=_ship_to(order) if way is Way.DISPATCH else None,
    )


_ATTRIBUTES = {Way.DISPATCH: "delivery", Way.PICKUP: "pickup"}


def register_of(order: Order, shop: Shop) -> Register:
    """The first route that matches, else the shop's register."""
    pickups = {destination.pickup_code for destination in order.destinations} - {""}
    countries = {destination.address.country_code for destination in order.destinations} - {""}
    channels = {order.channel_id} - {0}
    for route in shop.routes:
        if route.pickup_location in pickups or route.channel in channels or route.country in countries:
            return route.register
    return shop.register


# --- lines -----------------------------------------------------------------------------------------------------------


def line_code(line: OrderLine, policy: Policy) -> str:
    """The code that a line sells under: its SKU, or one made up that is the same in every order."""
    if line.kind is LineKind.GIFT_CERTIFICATE:
        return policy.charges[Charge.GIFT_CERTIFICATE]
    if line.sku:
        return line.sku
    if line.product_id:
        return f"BC-{line.product_id}-{line.variant_id}" if line.variant_id else f"BC-{line.product_id}"
    return f"BC-CUSTOM-{_short_hash(line.name.casefold())}"


def _code(part: Part, policy: Policy) -> str:
    return policy.charges[part.charge] if part.charge else line_code(_line_of(part), policy)


def _line_of(part: Part) -> OrderLine:
    """The order line of a part that is no charge."""
    assert part.line is not None  # noqa: S101 - a part is either a charge or a line
    return part.line


def _lines(order: Order, parts: Parts, shop: Shop, policy: Policy, way: Way | None) -> tuple[SaleLine, ...]:
    """The sale's lines; unit values are rounded, unless the small errors of many parts would add up to a cent."""
    digits = shop.currency.digits
    rows = [units(part.paid, part.tax, part.quantity, digits) for part in parts.parts]
    if not _comes_to(rows, parts, digits):
        rows = [exact_units(part.paid, part.tax, part.quantity) for part in parts.parts]
    names: Mapping[int | None, str] = {line.id: line.name for line in order.lines}
    return tuple(
        SaleLine(
            code=_code(part, policy),
            quantity=row.quantity,
            unit_price=row.price,
            unit_tax=row.tax,
            tax_id=tax_id(part, shop),
            note=_line_note(part, names.get(part.line.parent_id, "") if part.line else "", digits),
            way=way if part.line and part.line.delivery is _DELIVERIES.get(way) else None,
        )
        for part, split in zip(parts.parts, rows, strict=True)
        for row in split
    )


_DELIVERIES: dict[Way | None, Delivery] = {Way.DISPATCH: Delivery.SHIPPED, Way.PICKUP: Delivery.PICKED_UP}


def _comes_to(rows: Iterable[Sequence[Units]], parts: Parts, digits: int) -> bool:
    every = [row for split in rows for row in split]
    return (
        round_money(total(row.paid for row in every), digits) == parts.total
        and round_money(total(row.tax * row.quantity for row in every), digits) == parts.tax
    )


def tax_id(part: Part, shop: Shop) -> str:
    """The POS tax whose rate comes nearest to the part's own tax and within a cent of it; else the default."""
    if part.tax == ZERO:
        return shop.no_tax_id
    net = part.paid - part.tax
    fits = [
        (abs(net * tax.rate - part.tax), tax.id != shop.default_tax_id, tax.id)
        for tax in fitting_taxes(part, shop.taxes, shop.no_tax_id, shop.currency.digits)
    ]
    return min(fits)[2] if fits else shop.default_tax_id


def fitting_taxes(part: Part, taxes: Iterable[Tax], no_tax_id: str, digits: int) -> list[Tax]:
    """The POS taxes whose rate comes within a cent of a part's own tax."""
    cent = Decimal(1).scaleb(-digits)
    net = part.paid - part.tax
    return [tax for tax in taxes if tax.id != no_tax_id and abs(net * tax.rate - part.tax) <= cent]


def _drafts(order: Order, parts: Parts, lines: Iterable[SaleLine], policy: Policy) -> Iterator[ProductDraft]:
    """A draft per code, from the first part that sells under it."""
    tax_ids = {line.code: line.tax_id for line in reversed(tuple(lines))}
    seen: set[str] = set()
    for part in parts.parts:
        code = _code(part, policy)
        if code_key(code) in seen:
            continue
        seen.add(code_key(code))
        line = part.line if part.line and part.line.kind is not LineKind.GIFT_CERTIFICATE else None
        yield ProductDraft(
            code=code,
            name=line.name or code if line else CHARGE_NAMES[part.charge or Charge.GIFT_CERTIFICATE],
            unit_price=round_money(line.total_ex_tax / line.quantity, UNIT_DIGITS) if line else ZERO,
            tax_id=tax_ids[code],
            is_charge=line is None,
            product_id=line.product_id if line else 0,
            variant_id=line.variant_id if line else 0,
            prices_include_tax=bool(order.prices_include_tax),
            price_with_tax=_price_with_tax(order, line) if line else ZERO,
        )


def _price_with_tax(order: Order, line: OrderLine) -> Decimal:
    if not order.prices_include_tax or line.total_inc_tax == line.total_ex_tax:
        return ZERO
    return round_money(line.total_inc_tax / line.quantity, UNIT_DIGITS)


CHARGE_NAMES = {
    Charge.SHIPPING: "Shipping (BigCommerce)",
    Charge.HANDLING: "Handling (BigCommerce)",
    Charge.WRAPPING: "Gift wrapping (BigCommerce)",
    Charge.FEE: "Fee (BigCommerce)",
    Charge.GIFT_CERTIFICATE: "Gift certificate sold (BigCommerce)",
    Charge.REFUND: "Refund (BigCommerce)",
    Charge.ADJUSTMENT: "Adjustment (BigCommerce)",
}


def _content(parts: Parts, policy: Policy) -> str:
    """Digest of what an edit of the order would change; settings of the POS have no part in it."""
    rows = sorted((_told_by(part, policy), part.quantity, f"{part.paid:f}", f"{part.tax:f}") for part in parts.parts)
    return _short_hash(repr((rows, f"{parts.total:f}")), size=16)


def _told_by(part: Part, policy: Policy) -> str:
    """What a part is told from others by, whatever code the settings have it sell under."""
    is_certificate = part.line is not None and part.line.kind is LineKind.GIFT_CERTIFICATE
    return Charge.GIFT_CERTIFICATE if is_certificate else part.charge or code_key(_code(part, policy))


def _short_hash(text: str, size: int = 5) -> str:
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


# --- buyer and notes -------------------------------------------------------------------------------------------------


def _buyer(order: Order) -> Buyer | None:
    """Who bought; None for a guest who left no e-mail address."""
    email = email_key(order.billing.email)
    if order.customer_id:
        key, code = f"customer:{order.customer_id}", f"BC-{order.customer_id}"
    elif email:
        key, code = f"email:{email}", f"BC-G-{_short_hash(email)}"
    else:
        return None
    address = order.billing if order.billing.email == email else replace(order.billing, email=email)
    return Buyer(key=key, code=code, email=email, address=address, opt_in=order.email_opt_in)


def _note(order: Order, remarks: Iterable[str]) -> str:
    paragraphs = [
        f"BigCommerce order {order.id}",
        *(_where_to(destination) for destination in order.destinations),
        *([f"Message: {order.customer_message.strip()}"] if order.customer_message.strip() else []),
        *remarks,
    ]
    return clipped("\n".join(paragraphs), _NOTE_LENGTH)


def _where_to(destination: Destination) -> str:
    if destination.pickup_code or destination.pickup_name:
        return f"Pick up at {destination.pickup_name or destination.pickup_code}"
    # Orders made by hand have the text "None" for no method.
    by = f" by {destination.shipping_method}" if destination.shipping_method not in ("", "None") else ""
    return f"Ship{by} to {_one_line(destination.address)}"


def _one_line(address: Address) -> str:
    name = f"{address.first_name} {address.last_name}".strip()
    place = f"{address.city} {address.state} {address.postcode}".strip()
    members = (name, address.company, address.street_1, address.street_2, place, address.country, address.phone)
    return ", ".join(" ".join(member.split()) for member in members if member.strip())


def _line_note(part: Part, parent: str, digits: int) -> str:
    if part.line is None:
        return part.name if part.charge is Charge.FEE else ""
    line = part.line
    remarks = [
        *([f"Part of {parent}"] if parent else []),
        *([line.name] if line.kind is LineKind.GIFT_CERTIFICATE and line.name else []),
        *(f"{asked}: {chosen}" for asked, chosen in line.options),
        *([line.event] if line.event else []),
        *(
            f"Gift wrapping: {text}"
            for text in [": ".join(filter(None, (line.wrapping, line.wrapping_message)))]
            if text
        ),
        *(_discount_note(amount_text(taken.amount, digits), taken.code or taken.name) for taken in line.discounts),
    ]
    return clipped("; ".join(" ".join(remark.split()) for remark in remarks), _LINE_NOTE_LENGTH)


def _discount_note(amount: str, name: str) -> str:
    return f"Discount {amount} ({name})" if name else f"Discount {amount}"


def clipped(text: str, length: int) -> str:
    """A text of at most `length` characters, with a mark where it was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"
