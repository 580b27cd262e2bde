"""How well both accounts, the settings and this host fit one another: the questions behind `check` and `init`.

Owns what to make of the store's recent orders and of the POS's lists beside them. Writes no sentence longer than a name
and asks nobody: whatever is judged here is handed in.
"""

import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from bcpoll.core.bodies import SOURCE
from bcpoll.core.money import ZERO, Currency, round_money
from bcpoll.core.order import Order
from bcpoll.core.parts import Parts
from bcpoll.core.shop import Link, Policy, PosSale, Tax
from bcpoll.core.translate import checked_parts, fitting_taxes

# --- this host and the POS's API -------------------------------------------------------------------------------------

# Each dated version of the POS's API is supported for at least a year; the warning comes a month before that is over.
_MONTHS_SUPPORTED = 11

# More than any latency or the whole seconds of a `Date` header explain.
_SKEW = timedelta(minutes=5)


def is_old_version(version: str, today: datetime) -> bool:
    """Whether a dated version of the POS's API may be past its end: an older one then answers without saying so."""
    year, month = map(int, version.split("-"))
    return (today.year - year) * 12 + today.month - month >= _MONTHS_SUPPORTED


def skew(told: datetime, now: datetime) -> str:
    """How far this host's clock is from a server's: `7 minutes ahead of`; empty where that does not matter."""
    off = now - told
    if abs(off) <= _SKEW:
        return ""
    minutes = int(abs(off).total_seconds()) // 60
    return f"{minutes} minutes {'ahead of' if off > timedelta(0) else 'behind'}"


# --- ways to pay -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Tendered:
    """How recent orders were paid."""

    methods: Mapping[str, int]
    """The payment methods as BigCommerce writes them, each with the number of its orders, the most frequent first."""
    gift_certificates: int = 0
    store_credit: int = 0


def tendered(orders: Iterable[Order]) -> Tendered:
    """Count the ways in which orders were paid; what certificates and credit covered in full has no other method."""
    methods: Counter[str] = Counter()
    certificates = credit = 0
    for order in orders:
        certificates += order.gift_certificate > ZERO
        credit += order.store_credit > ZERO
        name = order.payment_method.strip()
        is_covered = order.gift_certificate + order.store_credit >= order.total_inc_tax
        if name and not is_covered:
            methods[name] += 1
    return Tendered(methods=dict(methods.most_common()), gift_certificates=certificates, store_credit=credit)


# Words by which a way to pay is known on either side. The first row that has a word in a name decides: a gift card is
# no card, and store credit no credit card.
_KINDS: tuple[tuple[str, ...], ...] = (
    ("gift",),
    ("store credit", "credit note"),
    ("paypal",),
    ("afterpay", "klarna", "laybuy", "affirm", "zip", "sezzle", "clearpay"),
    ("bank", "transfer", "deposit", "wire", "eft"),
    ("check", "cheque", "money order"),
    ("cash", "pay in store", "cod"),
    ("card", "visa", "mastercard", "stripe", "square", "braintree", "authorize", "adyen", "checkout.com", "pay"),
)

# What tells a way to pay of the web store from one of the till.
_ONLINE = ("online", "web", "bigcommerce", "internet")


def proposed_type(method: str, types: Sequence[str]) -> str:
    """The POS's payment type that a method most likely stands for, by their names; empty where none comes near."""
    same = next((name for name in types if name.strip().casefold() == method.strip().casefold()), "")
    kind = _kind(method)
    alike = [name for name in types if kind is not None and _kind(name) == kind]
    return same or min(alike, key=lambda name: (not _is_online(name), types.index(name)), default="")


def proposed_default(types: Sequence[str]) -> str:
    """The payment type that web orders are paid with most likely: a card, rather one for the web than the till's."""
    cards = [name for name in types if _kind(name) == _kind("card")]
    others = [name for name in types if _is_online(name)]
    return next(iter([*filter(_is_online, cards), *others, *cards, *types]), "")


def proposed_name(names: Sequence[str]) -> str:
    """The register, or the user, that was made for web sales by its name; empty where none says so."""
    return next(filter(_is_online, names), "")


def _kind(name: str) -> int | None:
    return next((row for row, words in enumerate(_KINDS) if _holds(name, words)), None)


def _is_online(name: str) -> bool:
    return _holds(name, _ONLINE)


def _holds(name: str, words: Iterable[str]) -> bool:
    return any(re.search(rf"(?<![a-z]){re.escape(word)}", name.casefold()) for word in words)


# --- taxes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownRate:
    """A tax rate on recent orders that no tax of the POS has."""

    percent: str
    order_id: int
    """The first order that it was seen on."""


def unknown_rates(
    orders: Iterable[Order], taxes: Sequence[Tax], no_tax_id: str, policy: Policy
) -> tuple[UnknownRate, ...]:
    """The rates on orders' lines and charges that no tax of the POS comes within a cent of, the lowest first.

    Orders that do not add up are left out: what their lines' taxes are is anybody's guess.
    """
    found: dict[Decimal, int] = {}
    for order in orders:
        parts = checked_parts(order, policy)
        for part in parts.parts if isinstance(parts, Parts) else ():
            net, digits = part.paid - part.tax, Currency(order.currency).digits
            if part.tax and net and not fitting_taxes(part, taxes, no_tax_id, digits):
                found.setdefault(round_money(part.tax / net * 100, 1), order.id)
    return tuple(UnknownRate(percent=f"{rate.normalize():f}", order_id=found[rate]) for rate in sorted(found))


# --- another link between the two ------------------------------------------------------------------------------------


def linked(links: Iterable[Link]) -> tuple[Link, ...]:
    """The POS's own links to a BigCommerce store."""
    return tuple(link for link in links if _names_source(link.kind) or _names_source(link.address))


def foreign_sales(sales: Iterable[PosSale], orders: Sequence[Order]) -> tuple[PosSale, ...]:
    """Sales of web orders that bcpoll did not write: they say so, or name one of these orders and come to its total.

    Whatever bcpoll writes, for whichever store, has an id that is computed from the order (a UUID of version 5), which
    the POS's own ids are not. Refunds are left out.
    """
    return tuple(
        sale
        for sale in sales
        if (sale.total or ZERO) > ZERO
        and sale.state != "voided"
        and not _is_computed(sale.id)
        and (_names_source(sale.source_type) or any(_stands_for(sale, order) for order in orders))
    )


def _names_source(text: str) -> bool:
    return SOURCE.casefold() in text.casefold()


def _is_computed(sale_id: str) -> bool:
    try:
        return uuid.UUID(sale_id).version == 5
    except ValueError:
        return False


def _stands_for(sale: PosSale, order: Order) -> bool:
    said = f"{sale.source_id} {sale.document.get('note') or ''}"
    return sale.total == order.total_inc_tax and re.search(rf"(?<!\d){order.id}(?!\d)", said) is not None
