"""Transactions: which of them are money that came in for an order, and for which orders they can tell anything new.

Owns what the events of a payment mean: an authorization is a promise, a capture of it is money, and a settlement of the
capture is the same money once more. What a sale shows of it is `tenders`'; refunds have records of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from bcpoll.core.money import ZERO, total
from bcpoll.core.order import Order, Transaction
from bcpoll.core.shop import Policy, Transactions
from bcpoll.core.status import Disposition

# The stages at which an amount is money, all of one payment telling of the same.
_STAGES = ("purchase", "capture", "settled")
_VOID = "void"
_PENDING = "pending"
_REFUND = "refund"

GIFT_CERTIFICATE = "gift_certificate"
STORE_CREDIT = "store_credit"
_OWN = frozenset({GIFT_CERTIFICATE, STORE_CREDIT})

# Ways of paying that no gateway watches: that the money is there, only the merchant can say, by the order's status.
_BY_HAND = frozenset({"offline", "custom"})

# What `payment_status` says of an order where it agrees with a status that says paid, or says nothing.
_AGREES = frozenset({"", "captured", "paid", "refunded", "partially refunded"})


def may_tell_more(order: Order, policy: Policy) -> bool:
    """Whether an order's transactions could change what is made of it: to read them takes a request for each order."""
    if policy.transactions is Transactions.OFF or policy.statuses.disposition(order.status) is not Disposition.CLOSED:
        return False
    is_plain = (
        policy.statuses.is_paid(order.status, order.payment_status)
        and order.payment_status.strip().lower() in _AGREES
        and not order.gift_certificate
        and not order.store_credit
    )
    return not is_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Money that came in, by one payment."""

    method: str
    names: tuple[str, ...]
    """What the payment map may know the way of paying by, the closest first."""
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What an order's transactions say: the money that came in, and whether there is more to come."""

    methods: frozenset[str]
    """All ways of paying that had to do with it, whatever came of that."""
    receipts: tuple[Receipt, ...]
    promise: tuple[str, ...] | None
    """The names of a way of paying by hand that was agreed on and brought nothing yet; None where there is none."""
    leaves_rest_to_status: bool
    """Whether it takes the merchant's word, the order's status, to tell if the rest is paid."""

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to go by: no transaction at all, or none that went well."""
        return not self.methods

    def by_method(self, method: str) -> Decimal | None:
        """What came in by one of BigCommerce's own means; None where no transaction tells of any."""
        if method not in self.methods:
            return None
        return total(receipt.amount for receipt in self.receipts if receipt.method == method)

    @property
    def others(self) -> tuple[Receipt, ...]:
        """What came in by all other ways of paying."""
        return tuple(receipt for receipt in self.receipts if receipt.method not in _OWN)


def received(transactions: Iterable[Transaction]) -> Received:
    """Read what came in from all transactions of an order. Tests, and what went wrong, count for nothing."""
    by_id = {one.id: one for one in transactions}
    fine = [one for one in by_id.values() if one.is_ok and one.event != _REFUND]
    payments = _payments(fine, by_id)
    promised = [one for one in fine if one.event == _PENDING and one.method in _BY_HAND]
    open_promises = [one for one in promised if _payment_key(one, by_id) not in payments]
    others = [one for one in fine if one.method not in _OWN and one not in promised]
    return Received(
        methods=frozenset(one.method for one in fine),
        receipts=tuple(
            Receipt(method=first.method, names=_names(first), amount=amount, currency=first.currency)
            for payment in payments.values()
            for first, amount in [(payment[0], _amount(payment))]
            if amount > ZERO
        ),
        promise=_names(open_promises[-1]) if open_promises else None,
        leaves_rest_to_status=bool(open_promises) or not others,
    )


_Key: TypeAlias = int | tuple[str, str]


def _payments(fine: Sequence[Transaction], by_id: Mapping[int, Transaction]) -> Mapping[_Key, list[Transaction]]:
    """The transactions that are money, those of one payment together."""
    voided = {one.reference for one in fine if one.event == _VOID and one.reference}
    # A void that names nothing takes away whatever goes by the same number of the gateway.
    wholly = {_payment_key(one, by_id) for one in fine if one.event == _VOID and not one.reference}
    found: dict[_Key, list[Transaction]] = {}
    for one in fine:
        key = _payment_key(one, by_id)
        if one.event in _STAGES and key not in wholly and not _is_voided(one, by_id, voided):
            found.setdefault(key, []).append(one)
    return found


def _payment_key(one: Transaction, by_id: Mapping[int, Transaction]) -> _Key:
    """What tells a payment from others: the transaction that it began with, or the gateway's own number of that."""
    first = _ancestry(one, by_id)[-1]
    if first.reference and first.reference not in by_id:
        return first.reference
    return (first.gateway, first.gateway_id) if first.gateway_id else first.id


def _ancestry(one: Transaction, by_id: Mapping[int, Transaction]) -> list[Transaction]:
    """A transaction, what it follows up, and so on; one that follows itself up is the end of it."""
    found = [one]
    while (before := by_id.get(found[-1].reference)) is not None and before not in found:
        found.append(before)
    return found


def _is_voided(one: Transaction, by_id: Mapping[int, Transaction], voided: set[int]) -> bool:
    """Whether the money was given up: to void what is left of an authorization takes nothing from its captures."""
    return any(each.id in voided for each in _ancestry(one, by_id) if each.event in _STAGES)


def _amount(payment: Iterable[Transaction]) -> Decimal:
    """What a payment brought in: captures add up, but each stage tells of the same money as the one before."""
    amounts = dict.fromkeys(_STAGES, ZERO)
    for one in payment:
        amounts[one.event] += one.amount
    return max(amounts.values())


def _names(one: Transaction) -> tuple[str, ...]:
    return tuple(filter(None, (one.name, one.gateway)))
