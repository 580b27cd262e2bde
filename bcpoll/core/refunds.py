"""Refunds: BigCommerce's record of what was given back becomes a refund sale, with quantities and payments below zero.

Owns which refunds can be booked, and what their sales look like. The sale comes to the refund's own amount and tax to
the cent (`shares`), or there is a `Rejected`. When it is booked is `plan`'s to say.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from bcpoll.core.money import ZERO, amount_text, round_money, total
from bcpoll.core.order import LineKind, Order, Refund, RefundKind, RefundPayment, code_key
from bcpoll.core.parts import Gap, Part
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import (
    DeclinedRefund,
    Desired,
    Payment,
    ProductDraft,
    RefundSale,
    ReturnedLine,
    Sale,
    SaleLine,
    SaleState,
)
from bcpoll.core.shares import CHARGES, DIFFERENCE, Origin, Share, shares_in_cents
from bcpoll.core.shop import Charge, KnownProducts, Policy, Shop
from bcpoll.core.translate import CHARGE_NAMES, checked_parts, clipped, line_code, tax_id
from bcpoll.core.units import Units, exact_units, units

_STORE_CREDIT = "storecredit"
_GIFT_CERTIFICATE = "giftcertificate"

_NOTE_LENGTH = 2000
_LINE_NOTE_LENGTH = 500


def refund_content(refund: Refund | Rejected) -> str:
    """Digest of what a refund gives back: the same record gives the same digest however its amounts are written."""
    return hashlib.blake2b(repr(_plain(refund)).encode(), digest_size=12).hexdigest()


def gives_nothing(refund: Refund) -> bool:
    """Whether there is nothing to book: all payments were declined, or there was nothing to give back."""
    if refund.payments and all(payment.is_declined for payment in refund.payments):
        return True
    return not (refund.total or refund.tax or refund.items)


def with_refunds(
    desired: Desired,
    order: Order,
    refunds: Sequence[Refund | Rejected],
    *,
    shop: Shop,
    policy: Policy,
    known: KnownProducts,
) -> Desired:
    """Add to what the POS should hold for an order what it should hold for refunds of it."""
    parts = checked_parts(order, policy) if refunds else None
    if desired.sale is None or parts is None or isinstance(parts, Gap):
        return desired
    origin = Origin(order=order, parts=parts, sale=desired.sale, drafts=desired.products, shop=shop, policy=policy)
    return replace(desired, refunds=tuple(_unambiguous(_translated(refund, origin), known) for refund in refunds))


def refund_codes(refunds: Iterable[Refund | Rejected], policy: Policy) -> set[str]:
    """The keys of the codes that refunds may need besides those of the order's sale, to look them up beforehand."""
    kinds = {item.kind for refund in refunds if isinstance(refund, Refund) for item in refund.items}
    charges = {CHARGES[kind] for kind in kinds & CHARGES.keys()}
    is_more = any(isinstance(refund, Refund) and _is_more_than_items(refund) for refund in refunds)
    return {code_key(policy.charges[charge]) for charge in charges | ({Charge.REFUND} if is_more else set())}


def _is_more_than_items(refund: Refund) -> bool:
    """Whether plain money is likely among what a refund gives back."""
    is_money = any(item.kind is RefundKind.ORDER or item.adjustment for item in refund.items)
    return is_money or refund.is_override or not refund.items


def _translated(refund: Refund | Rejected, origin: Origin) -> RefundSale | DeclinedRefund | Rejected:
    if isinstance(refund, Rejected):
        return refund
    if gives_nothing(refund):
        return DeclinedRefund(refund_id=refund.id)
    accepted = _accepted(refund, origin)
    if isinstance(accepted, Rejected):
        return accepted
    problem = _problem_of_items(accepted, origin)
    if problem:
        return problem
    shares = shares_in_cents(accepted, origin)
    if shares is None:
        digits = origin.shop.currency.digits
        detail = f"tax {amount_text(refund.tax, digits)} cannot be in a refund of {amount_text(refund.total, digits)}"
        return origin.reject(Reason.REFUND_UNCLEAR, refund, "total_tax", detail)
    return _refund_sale(accepted, shares, origin)


def _accepted(refund: Refund, origin: Origin) -> Refund | Rejected:
    """The refund without its declined payments, if what was accepted can be said to the cent."""
    digits = origin.shop.currency.digits
    payments = tuple(payment for payment in refund.payments if not payment.is_declined)
    given = round_money(total(payment.amount for payment in payments), digits)
    stated = round_money(refund.total, digits)
    # A second try after a declined one leaves both on record.
    if given == stated:
        return replace(refund, payments=payments)
    is_plain_money = all(item.kind is RefundKind.ORDER for item in refund.items) and not refund.tax
    if is_plain_money and refund.items and given < stated and len(payments) < len(refund.payments):
        share = (replace(refund.items[0], amount=given, adjustment=ZERO),)
        return replace(refund, payments=payments, total=given, items=share)
    detail = f"payments of {amount_text(given, digits)} for a refund of {amount_text(stated, digits)}"
    return origin.reject(Reason.REFUND_UNCLEAR, refund, "payments", detail)


def _problem_of_items(refund: Refund, origin: Origin) -> Rejected | None:
    """What keeps the products of a refund from being returned: a line that the order has not, or too many units."""
    for line_id, count in units_by_line(refund).items():
        part = origin.part_of(line_id)
        if part is None:
            return origin.reject(Reason.REFUND_UNCLEAR, refund, "items", f"the order has no line {line_id}")
        if count > part.quantity:
            detail = f"{count} units of line {line_id} ({part.name}), of which {part.quantity} were sold"
            return origin.reject(Reason.REFUND_EXCEEDS, refund, "items", detail)
    return None


def units_by_line(refund: Refund) -> dict[int, int]:
    """The units that a refund names, by order line."""
    counts: dict[int, int] = {}
    for item in refund.items:
        if item.quantity:
            counts[item.item_id] = counts.get(item.item_id, 0) + item.quantity
    return counts


# --- the sale --------------------------------------------------------------------------------------------------------


def _refund_sale(refund: Refund, shares: Sequence[Share], origin: Origin) -> RefundSale:
    digits, sale = origin.shop.currency.digits, origin.sale
    lines = _lines(shares, origin)
    return RefundSale(
        refund_id=refund.id,
        sale=Sale(
            order_id=origin.order.id,
            state=SaleState.CLOSED,
            attributes=(),
            register=sale.register,
            author_id=sale.author_id,
            date=refund.created_at,
            note=_note(refund, origin.order),
            lines=lines,
            payments=tuple(_payments(refund, origin)),
            buyer=sale.buyer,
            total=-round_money(refund.total, digits),
            tax=-round_money(refund.tax, digits),
        ),
        returned=tuple(_returned(shares)),
        goods=tuple(_goods(shares, origin.policy)),
        products=tuple(_drafts(lines, origin)),
        is_plain=all(share.note != DIFFERENCE for share in shares),
    )


def _lines(shares: Sequence[Share], origin: Origin) -> tuple[SaleLine, ...]:
    """Unit values per share; divided exactly where the small errors of many would add up to a cent."""
    digits = origin.shop.currency.digits
    rows = [units(abs(share.paid), _tax_in(share), share.quantity, digits) for share in shares]
    if not _comes_to(shares, rows, digits):
        rows = [exact_units(abs(share.paid), _tax_in(share), share.quantity) for share in shares]
    return tuple(
        SaleLine(
            code=_code(share, origin.policy),
            quantity=_sign(share) * row.quantity,
            unit_price=row.price,
            unit_tax=row.tax,
            tax_id=_tax_of(share, origin.shop),
            note=clipped(" ".join(share.note.split()), _LINE_NOTE_LENGTH),
        )
        for share, split in zip(shares, rows, strict=True)
        for row in split
    )


def _sign(share: Share) -> int:
    """Returned goods and money back count below zero; what is kept back is sold, as it were."""
    return 1 if share.paid < ZERO else -1


def _tax_in(share: Share) -> Decimal:
    return -share.tax if share.paid < ZERO else share.tax


def _comes_to(shares: Sequence[Share], rows: Sequence[Sequence[Units]], digits: int) -> bool:
    every = [(_sign(share), row) for share, split in zip(shares, rows, strict=True) for row in split]
    paid = total(-sign * row.paid for sign, row in every)
    tax = total(-sign * row.tax * row.quantity for sign, row in every)
    return round_money(paid, digits) == total(share.paid for share in shares) and round_money(tax, digits) == total(
        share.tax for share in shares
    )


def _code(share: Share, policy: Policy) -> str:
    line = share.part.line if share.part else None
    return line_code(line, policy) if line else policy.charges[share.charge or Charge.REFUND]


def _tax_of(share: Share, shop: Shop) -> str:
    """The POS tax that the order's own part was sold with, where both have tax; else the nearest by rate."""
    if share.tax and share.part and share.part.tax:
        return tax_id(share.part, shop)
    return tax_id(Part(name="", quantity=1, paid=abs(share.paid), tax=abs(share.tax)), shop)


def _returned(shares: Iterable[Share]) -> Iterator[ReturnedLine]:
    counts: dict[int, tuple[int, int]] = {}
    for share in shares:
        if share.part and share.part.line:
            before, _ = counts.get(share.part.line.id, (0, 0))
            counts[share.part.line.id] = (before + share.quantity, share.part.quantity)
    for line_id, (count, ordered) in counts.items():
        yield ReturnedLine(line_id=line_id, units=count, ordered=ordered)


def _goods(shares: Iterable[Share], policy: Policy) -> Iterator[tuple[str, int]]:
    """Units by code of what can lie on a shelf."""
    counts: dict[str, int] = {}
    for share in shares:
        line = share.part.line if share.part else None
        if line and line.kind is not LineKind.GIFT_CERTIFICATE:
            code = line_code(line, policy)
            counts[code] = counts.get(code, 0) + share.quantity
    yield from counts.items()


def _drafts(lines: Iterable[SaleLine], origin: Origin) -> Iterator[ProductDraft]:
    """A draft per code: that of the order's sale, or one for a charge that the order did not have."""
    drafts = {code_key(draft.code): draft for draft in origin.drafts}
    names = {code_key(code): CHARGE_NAMES[charge] for charge, code in origin.policy.charges.items()}
    for line in {code_key(line.code): line for line in lines}.values():
        key = code_key(line.code)
        yield drafts.get(key) or ProductDraft(
            code=line.code, name=names[key], unit_price=ZERO, tax_id=line.tax_id, is_charge=True
        )


def _payments(refund: Refund, origin: Origin) -> Iterator[Payment]:
    """One payment per payment of the refund, below zero, by the tender that it went back to."""
    for payment in refund.payments:
        amount = round_money(payment.amount, origin.shop.currency.digits)
        if amount:
            yield Payment(type_id=_tender(payment, origin), amount=-amount)


def _tender(payment: RefundPayment, origin: Origin) -> str:
    """The payment type: of store credit or gift certificates, else by the provider's name or the order's method."""
    tenders = origin.shop.tenders
    provider = "".join(filter(str.isalnum, payment.provider.lower()))
    own = {_STORE_CREDIT: tenders.store_credit_id, _GIFT_CERTIFICATE: tenders.gift_certificate_id}
    names = (payment.provider.strip().lower(), origin.order.payment_method.strip().lower())
    mapped = next((tenders.by_method[name] for name in names if name in tenders.by_method), tenders.default_id)
    return own.get(provider, mapped)


def _note(refund: Refund, order: Order) -> str:
    paragraphs = [f"Refund {refund.id} of BigCommerce order {order.id}"]
    if refund.reason:
        paragraphs.append(f"Reason: {refund.reason}")
    return clipped("\n".join(paragraphs), _NOTE_LENGTH)


def _unambiguous(
    found: RefundSale | DeclinedRefund | Rejected, known: KnownProducts
) -> RefundSale | DeclinedRefund | Rejected:
    if not isinstance(found, RefundSale):
        return found
    codes = [line.code for line in found.sale.lines if len(known.get(code_key(line.code), ())) > 1]
    if not codes:
        return found
    return Rejected(
        order_id=found.sale.order_id,
        reason=Reason.AMBIGUOUS_PRODUCT,
        field=f"refunds.{found.refund_id}.sku",
        detail=f"several products go by {codes[0]!r}",
    )


def _plain(refund: Refund | Rejected) -> object:
    """A refund as plain values, amounts without superfluous zeros; payments count by what they gave back."""
    if isinstance(refund, Rejected):
        return (refund.reason.value, refund.field, refund.detail)
    items = [
        (item.kind.value, item.item_id, item.quantity, item.amount and _bare(item.amount), _bare(item.adjustment))
        for item in refund.items
    ]
    payments = [(payment.provider, _bare(payment.amount), payment.is_declined) for payment in refund.payments]
    return (refund.id, refund.order_id, _bare(refund.total), _bare(refund.tax), items, payments)


def _bare(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
