"""The opening stock of a product that the POS lacks: what BigCommerce has left, and what is still to be booked of it.

Owns the calculation for one product and for one order. Which orders those are, and that the stock and the orders are
of one moment, is the caller's concern.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bcpoll.core.money import ZERO, total
from bcpoll.core.order import LineKind, Order, Refund, code_key
from bcpoll.core.plan import plan
from bcpoll.core.refunds import gives_nothing, units_by_line, with_refunds
from bcpoll.core.rejected import Rejected
from bcpoll.core.sale import Applied, AppliedState, Move, ProductDraft, Refunded, net
from bcpoll.core.shop import Policy, Shop, StockLevel
from bcpoll.core.status import Disposition, OrderStatus
from bcpoll.core.translate import line_code, register_of, translate

_WITHOUT_SALE = frozenset({AppliedState.NOTHING, AppliedState.VOIDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a new product begins with."""

    stock: Mapping[str, Decimal] | None
    """By outlet; None where it is not counted."""
    price: Decimal
    """What BigCommerce's catalogue asks for it; zero where that is not known."""

    @property
    def units(self) -> Decimal | None:
        """What it begins with at all outlets together; None where it is not counted."""
        return None if self.stock is None else total(self.stock.values())


def opening(
    draft: ProductDraft, stock: Mapping[tuple[int, int], StockLevel], to_come: Mapping[str, int], home: str
) -> Opening:
    """What a new product begins with, stock and price."""
    return Opening(stock=opening_stock(draft, stock, to_come, home), price=catalogue_price(draft, stock))


def opening_stock(
    draft: ProductDraft, stock: Mapping[tuple[int, int], StockLevel], to_come: Mapping[str, int], home: str
) -> dict[str, Decimal] | None:
    """The stock a new product starts with, by outlet, so that the POS shows what is left once all that comes is booked.

    `to_come` are the units that are still to be booked, by outlet, below zero for what is sold. Each outlet begins with
    what it sells; what is left is at the outlet `home` or, where nothing is sold there, at the one that sells most.
    None where stock is not counted: charges, custom products, products gone from the catalogue or untracked there.
    """
    level = level_of(draft, stock)
    if draft.is_charge or not draft.product_id or level is None or not level.tracked:
        return None
    sold = {outlet: -units for outlet, units in to_come.items() if units < 0}
    rest = home if home in sold or not sold else max(sorted(sold), key=sold.__getitem__)
    units = {rest: level.level}
    for outlet, count in to_come.items():
        units[outlet] = units.get(outlet, ZERO) - count
    return {outlet: count for outlet, count in units.items() if count or outlet == rest}


def catalogue_price(draft: ProductDraft, stock: Mapping[tuple[int, int], StockLevel]) -> Decimal:
    """What BigCommerce's catalogue asks for a product; zero for charges and for what is not in it."""
    level = level_of(draft, stock)
    return level.price if level is not None and not draft.is_charge else ZERO


def level_of(draft: ProductDraft, stock: Mapping[tuple[int, int], StockLevel]) -> StockLevel | None:
    """What is left of a draft's variant, else of its product as a whole; None for what is not in the catalogue."""
    return stock.get((draft.product_id, draft.variant_id)) or stock.get((draft.product_id, 0))


def moves_to_come(
    order: Order,
    applied: Applied,
    refunds: Sequence[Refund | Rejected],
    refunded: Refunded,
    *,
    shop: Shop,
    policy: Policy,
) -> tuple[Move, ...]:
    """What an order that holds stock in BigCommerce will still do to the stock of the POS, refunds included.

    One that waits, be it in review or because its status is not imported yet, is taken to be booked one day.
    """
    if order.status is OrderStatus.INCOMPLETE:
        return ()
    has_sale = applied.state not in _WITHOUT_SALE
    desired = translate(order, shop, policy, {})
    if isinstance(desired, Rejected):
        is_void = policy.statuses.disposition(order.status) is Disposition.VOIDED
        return () if has_sale or is_void else net(_by_lines(order, refunds, shop, policy))
    whole = with_refunds(desired, order, refunds, shop=shop, policy=policy, known={})
    return plan(whole, applied, store_hash=shop.store_hash, policy=policy, refunded=refunded).moves


def drafts_of(order: Order, policy: Policy) -> dict[str, ProductDraft]:
    """A draft for each product on an order, by code key: enough of one to read what is left of it."""
    found: dict[str, ProductDraft] = {}
    for line in order.lines:
        if line.kind is not LineKind.GIFT_CERTIFICATE:
            code = line_code(line, policy)
            draft = ProductDraft(
                code=code,
                name=line.name,
                unit_price=ZERO,
                tax_id="",
                is_charge=False,
                product_id=line.product_id,
                variant_id=line.variant_id,
            )
            found.setdefault(code_key(code), draft)
    return found


def _by_lines(order: Order, refunds: Iterable[Refund | Rejected], shop: Shop, policy: Policy) -> Iterator[Move]:
    """What an order does to the stock that cannot be translated: its units, less what comes back of them."""
    outlet_id = register_of(order, shop).outlet_id
    for line in order.lines:
        if line.kind is not LineKind.GIFT_CERTIFICATE:
            yield Move(code=line_code(line, policy), outlet_id=outlet_id, units=-line.quantity)
    codes = {line.id: line_code(line, policy) for line in order.lines}
    given = (refund for refund in refunds if isinstance(refund, Refund) and not gives_nothing(refund))
    for refund in given if policy.restock_refunds else ():
        for line_id, count in units_by_line(refund).items():
            if line_id in codes:
                yield Move(code=codes[line_id], outlet_id=outlet_id, units=count)
