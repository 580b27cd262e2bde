"""Tenders: what was paid for an order and by what, as its sale shows it.

Owns who is believed: the transactions where they were read and say something, else the order's status. One payment per
tender; gift certificates and store credit leave the total as it is and pay a part of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bcpoll.core.money import ZERO, amount_text, round_money, total
from bcpoll.core.order import Order, Transaction
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import Payment
from bcpoll.core.shop import Policy, Shop, Tenders
from bcpoll.core.status import Disposition
from bcpoll.core.transactions import GIFT_CERTIFICATE, STORE_CREDIT, Received, received


@dataclass(frozen=True, slots=True, kw_only=True)
class Takings:
    """What was taken for an order: whether it is all, and the payments by which it came."""

    is_whole: bool = False
    payments: tuple[Payment, ...] = ()
    remarks: tuple[str, ...] = ()
    """What a person should know of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Purse:
    """What was paid by each kind of tender, in whole cents; `others` by payment type."""

    certificate: Decimal = ZERO
    credit: Decimal = ZERO
    others: tuple[Payment, ...] = ()

    @property
    def sum(self) -> Decimal:
        return self.certificate + self.credit + total(payment.amount for payment in self.others)


def takings(
    order: Order, due: Decimal, transactions: Sequence[Transaction] | None, shop: Shop, policy: Policy
) -> Takings | Rejected:
    """What was taken for an order over `due`; `transactions` None where they were not read."""
    if policy.statuses.disposition(order.status) is Disposition.VOIDED:
        return Takings()
    says_paid = policy.statuses.is_paid(order.status, order.payment_status)
    told = received(transactions or ())
    if not told.is_silent:
        return _by_transactions(order, due, told, shop, says_paid=says_paid)
    return _by_status(order, due, shop) if says_paid else Takings()


def _by_status(order: Order, due: Decimal, shop: Shop) -> Takings | Rejected:
    """All is paid: what certificates and credit did not pay came by the order's payment method."""
    purse = _redeemed(order, shop)
    if purse.sum > due:
        detail = f"credit of {order.gift_certificate + order.store_credit} exceeds the total {due}"
        return Rejected(order_id=order.id, reason=Reason.TOTALS_DIFFER, field="store_credit_amount", detail=detail)
    rest = Payment(type_id=_type_id((order.payment_method,), shop.tenders), amount=due - purse.sum)
    return Takings(is_whole=True, payments=_in_order(replace(purse, others=(rest,)), shop.tenders))


def _redeemed(order: Order, shop: Shop) -> _Purse:
    """What the order itself states of certificates and credit."""
    digits = shop.currency.digits
    return _Purse(
        certificate=round_money(order.gift_certificate, digits), credit=round_money(order.store_credit, digits)
    )


def _by_transactions(order: Order, due: Decimal, told: Received, shop: Shop, *, says_paid: bool) -> Takings | Rejected:
    """What transactions tell; only the rest of what is paid by hand, or without any trace, is left to the status."""
    foreign = {receipt.currency for receipt in told.receipts} - {"", order.currency}
    if foreign:
        detail = f"paid in {min(foreign)}, the order is in {order.currency}"
        return Rejected(order_id=order.id, reason=Reason.FOREIGN_CURRENCY, field="transactions", detail=detail)
    purse = _told_purse(order, due, told, shop)
    digits = shop.currency.digits
    paid = amount_text(purse.sum, digits)
    if purse.sum > due:
        detail = f"payments of {paid} for an order of {amount_text(due, digits)}"
        return Rejected(order_id=order.id, reason=Reason.OVERPAID, field="transactions", detail=detail)
    rest = due - purse.sum
    if rest and says_paid and told.leaves_rest_to_status:
        names = (*(told.promise or ()), order.payment_method)
        by_hand = Payment(type_id=_type_id(names, shop.tenders), amount=rest)
        purse, rest = replace(purse, others=(*purse.others, by_hand)), ZERO
    remarks = [*_differing_credit(order, purse, digits)]
    if rest and purse.sum:
        remarks.append(f"Paid when this was written: {paid} of {amount_text(due, digits)}.")
    elif rest and says_paid:
        remarks.append(f"Not paid when this was written, although BigCommerce says {order.status.title}.")
    return Takings(
        is_whole=not rest and (says_paid or purse.sum > ZERO),
        payments=_in_order(purse, shop.tenders),
        remarks=tuple(remarks),
    )


def _told_purse(order: Order, due: Decimal, told: Received, shop: Shop) -> _Purse:
    """What came in by transactions.

    It is not documented that redeemed certificates and credit are among them. Where none is, and the others do not come
    to all that is due, the order's own statement of them counts.
    """
    digits = shop.currency.digits
    others = tuple(
        Payment(
            type_id=_type_id((*receipt.names, order.payment_method), shop.tenders),
            amount=round_money(receipt.amount, digits),
        )
        for receipt in told.others
    )
    certificate, credit = told.by_method(GIFT_CERTIFICATE), told.by_method(STORE_CREDIT)
    alone = _Purse(
        certificate=round_money(certificate or ZERO, digits), credit=round_money(credit or ZERO, digits), others=others
    )
    if alone.sum == due:
        return alone
    stated = _redeemed(order, shop)
    return replace(
        alone,
        certificate=stated.certificate if certificate is None else alone.certificate,
        credit=stated.credit if credit is None else alone.credit,
    )


def _differing_credit(order: Order, purse: _Purse, digits: int) -> Iterator[str]:
    """Where transactions tell otherwise of redeemed certificates and credit than the order."""
    pairs = (
        ("gift certificates", order.gift_certificate, purse.certificate),
        ("store credit", order.store_credit, purse.credit),
    )
    for name, stated, paid in pairs:
        if round_money(stated, digits) != paid:
            amounts = f"{amount_text(stated, digits)}, its transactions {amount_text(paid, digits)}"
            yield f"By {name}, the order says {amounts}."


def _type_id(names: Iterable[str], tenders: Tenders) -> str:
    """The payment type of the first name that the payment map knows, else the default one."""
    keys = (name.strip().lower() for name in names)
    return next((tenders.by_method[key] for key in keys if key in tenders.by_method), tenders.default_id)


def _in_order(purse: _Purse, tenders: Tenders) -> tuple[Payment, ...]:
    """One payment per tender: certificates, credit, then each other payment type."""
    by_type: dict[str, Decimal] = {}
    for payment in purse.others:
        by_type[payment.type_id] = by_type.get(payment.type_id, ZERO) + payment.amount
    every = (
        (tenders.gift_certificate_id, purse.certificate),
        (tenders.store_credit_id, purse.credit),
        *by_type.items(),
    )
    return tuple(Payment(type_id=type_id, amount=amount) for type_id, amount in every if amount)
