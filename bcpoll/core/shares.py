"""Shares: how a refund's amount and tax are spread over what it gives back, to the cent.

Products come back at what the order's line was paid per unit, charges on the products that they sell through, and
everything that is only money on the refund product. How shares become a sale is `refunds`'.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType

from bcpoll.core.money import ZERO, round_money, total
from bcpoll.core.order import Order, Refund, RefundItem, RefundKind
from bcpoll.core.parts import Part, Parts, apportion
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import ProductDraft, Sale
from bcpoll.core.shop import Charge, Policy, Shop

CHARGES: Mapping[RefundKind, Charge] = MappingProxyType(
    {
        RefundKind.SHIPPING: Charge.SHIPPING,
        RefundKind.HANDLING: Charge.HANDLING,
        RefundKind.GIFT_WRAPPING: Charge.WRAPPING,
        RefundKind.FEE: Charge.FEE,
    }
)

DIFFERENCE = "Difference to the items"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What is given back for one thing: units of an order line, a charge, or plain money (the refund product).

    `paid` is positive for what the shopper gets; below zero it is kept back.
    """

    part: Part | None = None
    charge: Charge | None = None
    quantity: int = 1
    paid: Decimal
    tax: Decimal
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The order that a refund is of, with all that its sale came from."""

    order: Order
    parts: Parts
    sale: Sale
    drafts: tuple[ProductDraft, ...]
    shop: Shop
    policy: Policy

    def reject(self, reason: Reason, refund: Refund, field: str, detail: str) -> Rejected:
        """Why a refund cannot be booked."""
        return Rejected(order_id=self.order.id, reason=reason, field=f"refunds.{refund.id}.{field}", detail=detail)

    def part_of(self, line_id: int) -> Part | None:
        """The part of an order line; None where the order has no such line."""
        return next((part for part in self.parts.parts if part.line and part.line.id == line_id), None)

    def charged(self, charge: Charge) -> list[Part]:
        """The parts of a kind of charge."""
        return [part for part in self.parts.parts if part.charge is charge]


def shares_in_cents(refund: Refund, origin: Origin) -> list[Share] | None:
    """The shares in whole cents, coming to the refund's amount and tax exactly; None where the tax fits nowhere."""
    digits = origin.shop.currency.digits
    cent = Decimal(1).scaleb(-digits)
    stated, stated_tax = round_money(refund.total, digits), round_money(refund.tax, digits)
    shares = _likeliest(refund, origin, cent)
    slack = _slack(refund, shares, cent)
    missing = stated - total(share.paid for share in shares)
    if shares and abs(missing) <= slack:
        paid = apportion([share.paid for share in shares], stated, digits)
    else:
        paid = [round_money(share.paid, digits) for share in shares]
        shares = [*shares, _difference(refund)]
        paid.append(stated - total(paid))
    taxes = _taxes(shares, paid, stated_tax, slack, digits)
    if taxes is None:
        return None
    return [replace(share, paid=p, tax=t) for share, p, t in zip(shares, paid, taxes, strict=True)]


def _slack(refund: Refund, shares: Sequence[Share], cent: Decimal) -> Decimal:
    """How far rounding alone can carry a sum: half a cent for each unit. Amounts typed in by hand are exact."""
    return ZERO if refund.is_override else max(cent, cent * sum(share.quantity for share in shares) / 2)


def _difference(refund: Refund) -> Share:
    """What a refund gives or keeps back beyond its items: money only."""
    note = "Amount set by hand" if refund.is_override else DIFFERENCE if refund.items else "Money back"
    return Share(charge=Charge.REFUND, paid=ZERO, tax=ZERO, note=note)


def _likeliest(refund: Refund, origin: Origin, cent: Decimal) -> list[Share]:
    """The shares, with amounts for charges read with tax or without (not documented): whichever comes to the total."""
    for with_tax in (True, False):
        shares = list(_shares(refund, origin, with_tax=with_tax))
        if abs(refund.total - total(share.paid for share in shares)) <= max(_slack(refund, shares, cent), cent):
            return shares
    return list(_shares(refund, origin, with_tax=True))


def _shares(refund: Refund, origin: Origin, *, with_tax: bool) -> Iterator[Share]:
    left = refund.total
    unstated: list[RefundItem] = []
    for item in refund.items:
        if item.kind in CHARGES and item.amount is None:
            unstated.append(item)
            continue
        for share in _shares_of(item, refund, origin, with_tax=with_tax):
            left -= share.paid
            yield share
    for item in unstated:
        # A charge without an amount is given back whole, as far as the total goes.
        paid = min(max(left, ZERO), total(part.paid for part in origin.charged(CHARGES[item.kind])))
        left -= paid
        yield _of_charge(item, origin, paid, with_tax=True)


def _shares_of(item: RefundItem, refund: Refund, origin: Origin, *, with_tax: bool) -> Iterator[Share]:
    part = origin.part_of(item.item_id) if item.quantity else None
    if part:
        share = _of_part(part, item)
        yield share
        yield from _children(part, item, refund, origin)
    elif item.kind in CHARGES:
        share = _of_charge(item, origin, item.amount or ZERO, with_tax=with_tax)
        yield share
    else:
        share = Share(charge=Charge.REFUND, paid=item.amount or ZERO, tax=ZERO, note=item.reason)
        yield share
    if item.adjustment:
        kept = item.adjustment
        tax = kept * share.tax / share.paid if share.paid else ZERO
        yield Share(charge=Charge.REFUND, paid=kept, tax=tax, note=f"Adjustment {item.reason}".strip())


def _of_part(part: Part, item: RefundItem) -> Share:
    # Divided last: a third of three mugs is one mug to the cent.
    paid, tax = (amount * item.quantity / part.quantity for amount in (part.paid, part.tax))
    return Share(part=part, quantity=item.quantity, paid=paid, tax=tax, note=item.reason)


def _children(part: Part, item: RefundItem, refund: Refund, origin: Origin) -> Iterator[Share]:
    """The parts of a bundle come back with it, unless the refund names them itself; they cost nothing."""
    named = {other.item_id for other in refund.items if other.kind is RefundKind.PRODUCT}
    for child in origin.parts.parts:
        line = child.line
        if line and part.line and line.parent_id == part.line.id and line.id not in named:
            count = child.quantity * item.quantity // part.quantity
            if count:
                yield _of_part(child, replace(item, quantity=count, reason=f"Part of {part.name}"))


def _of_charge(item: RefundItem, origin: Origin, amount: Decimal, *, with_tax: bool) -> Share:
    charge = CHARGES[item.kind]
    parts = origin.charged(charge)
    paid, tax = total(part.paid for part in parts), total(part.tax for part in parts)
    net = paid - tax
    if with_tax:
        share = amount * tax / paid if paid else ZERO
        return Share(charge=charge, part=next(iter(parts), None), paid=amount, tax=share, note=item.reason)
    share = amount * tax / net if net else ZERO
    return Share(charge=charge, part=next(iter(parts), None), paid=amount + share, tax=share, note=item.reason)


def _taxes(
    shares: Sequence[Share], paid: Sequence[Decimal], stated: Decimal, slack: Decimal, digits: int
) -> list[Decimal] | None:
    """The tax in each share so that they come to the stated tax; None where it fits nowhere.

    As the order had it, if that adds up; else what is missing is in the difference to the items; else it is spread over
    all shares, as where the merchant typed in a tax of zero.
    """
    taxes = [share.tax for share in shares]
    rounded = [round_money(tax, digits) for tax in taxes]
    weights = taxes if any(taxes) else list(paid)
    whole = total(weights)
    tries = [
        apportion(taxes, stated, digits) if abs(stated - total(taxes)) <= slack else None,
        [*rounded[:-1], stated - total(rounded[:-1])] if shares[-1].charge is Charge.REFUND else None,
        apportion([stated * weight / whole for weight in weights], stated, digits) if whole else None,
    ]
    return next((found for found in tries if found is not None and _fits(found, paid, stated)), None)


def _fits(taxes: Sequence[Decimal], paid: Sequence[Decimal], stated: Decimal) -> bool:
    """Whether each tax can be in its amount. Where the refund takes tax in, its taxes may run against the amounts."""
    return total(taxes) == stated and all(
        abs(tax) <= abs(amount) and (tax * amount >= ZERO or stated < ZERO)
        for tax, amount in zip(taxes, paid, strict=True)
    )
