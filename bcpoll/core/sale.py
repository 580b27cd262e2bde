"""What the POS should hold for an order, what it was given so far, and the actions between the two.

Records only: `translate` makes `Desired`, the ledger keeps `Applied`, `plan` makes `Plan`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from bcpoll.core.money import ZERO
from bcpoll.core.order import Address, code_key
from bcpoll.core.rejected import Rejected
from bcpoll.core.shop import Register


class SaleState(StrEnum):
    """The states of a sale that bcpoll writes."""

    PENDING = "pending"
    CLOSED = "closed"
    VOIDED = "voided"


class Way(StrEnum):
    """How the POS fulfils a line, in its own words (`_metadata.fulfillment_method`)."""

    DISPATCH = "DISPATCH"
    PICKUP = "PICKUP"


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleLine:
    """One line of a sale: net unit price and unit tax with five decimals, product by code."""

    code: str
    quantity: int
    unit_price: Decimal
    unit_tax: Decimal
    tax_id: str
    note: str = ""
    way: Way | None = None
    """Set where the line is to be fulfilled from the POS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One tender of a sale."""

    type_id: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """Who bought: the keys to find the customer by, and what to create it from."""

    key: str
    """`customer:<BigCommerce id>` or, for a guest, `email:<address>`."""
    code: str
    """The customer code that a created customer gets."""
    email: str
    address: Address
    opt_in: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDraft:
    """A product to create because the POS has none under this code."""

    code: str
    name: str
    unit_price: Decimal
    tax_id: str
    is_charge: bool
    product_id: int = 0
    """BigCommerce's ids, to read what is left in stock; 0 for a charge or a custom product."""
    variant_id: int = 0
    prices_include_tax: bool = False
    """Whether the store enters its prices with tax, going by the order."""
    price_with_tax: Decimal = ZERO
    """What a unit costs with tax, where the store enters its prices so and there was tax on it; else zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Units that come into an outlet's stock or, below zero, leave it; of a product that is counted."""

    code: str
    outlet_id: str
    units: int


def net(moves: Iterable[Move]) -> tuple[Move, ...]:
    """Add up moves by code and outlet; those that cancel out are left out."""
    found: dict[tuple[str, str], Move] = {}
    for move in moves:
        place = (code_key(move.code), move.outlet_id)
        before = found.get(place)
        found[place] = replace(before, units=before.units + move.units) if before else move
    return tuple(move for move in found.values() if move.units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """A sale as it should stand in the POS, but for its id, which the plan gives it."""

    order_id: int
    state: SaleState
    attributes: tuple[str, ...]
    register: Register
    author_id: str
    date: datetime
    note: str
    lines: tuple[SaleLine, ...]
    payments: tuple[Payment, ...]
    buyer: Buyer | None
    total: Decimal
    tax: Decimal
    way: Way | None = None
    """How the POS is to fulfil the sale; all marked lines of a sale go the same way."""
    ship_to: Address | None = None

    @property
    def moves(self) -> tuple[Move, ...]:
        """What the sale does to the stock, at the latest once it is handed over; a voided one does nothing."""
        if self.state is SaleState.VOIDED:
            return ()
        outlet_id = self.register.outlet_id
        return net(Move(code=line.code, outlet_id=outlet_id, units=-line.quantity) for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A line or charge of an order, or a line of a sale, in whole cents: what the two are compared by."""

    code: str
    name: str
    quantity: Decimal
    paid: Decimal
    """For all units, tax included."""
    tax: Decimal


class DesiredState(StrEnum):
    """What is wanted of the POS for an order, in one word; an open sale is paid and waits to be fulfilled."""

    NOT_IMPORTED = "not_imported"
    UNPAID = "unpaid"
    OPEN = "open"
    PAID = "paid"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What the POS should hold for an order. `sale` is None only where nothing is imported."""

    order_id: int
    state: DesiredState
    sale: Sale | None = None
    products: tuple[ProductDraft, ...] = ()
    """A draft for every code on the sale, in case the POS has no product under it."""
    content: str = ""
    """Digest of lines and total: a change of it is an edit of the order."""
    is_handed_over: bool = False
    """Whether BigCommerce says that the goods are on their way or with the shopper."""
    notes: tuple[str, ...] = ()
    """Remarks for people on how the order was read (`fees outside the total`)."""
    ordered: tuple[Item, ...] = ()
    """What was ordered, to show it beside the sale."""
    is_refunded: bool = False
    """Whether the status says that all was given back, with or without a record of it."""
    refunds: "tuple[RefundSale | DeclinedRefund | Rejected, ...]" = ()
    """Refunds of the order that are not booked yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedLine:
    """Units of an order line that a refund gives back, out of those ordered."""

    line_id: int
    units: int
    ordered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSale:
    """A refund as the POS should hold it: a closed sale with quantities and payments below zero."""

    refund_id: int
    sale: Sale
    returned: tuple[ReturnedLine, ...]
    goods: tuple[tuple[str, int], ...]
    """Units by product code that come back with it, parts of bundles included."""
    products: tuple[ProductDraft, ...]
    is_plain: bool = True
    """Whether its items come to its amount, or the merchant set the amount by hand."""

    @property
    def total(self) -> Decimal:
        """What the shopper gets back, as a positive amount."""
        return -self.sale.total


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclinedRefund:
    """A refund that gave nothing back, since all of its payments were declined or there was nothing to give."""

    refund_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """What the checkpoint says of an order's refunds: how much was booked, and what the store told of them at all."""

    total: Decimal = ZERO
    units: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    """Units that were given back, by order line."""
    is_booked: bool = False
    """Whether a refund sale stands in the POS."""
    changed: tuple[int, ...] = ()
    """Ids of refunds that the store told otherwise after they were booked."""
    is_known: bool = False
    """Whether the store ever told of a refund, whatever became of it."""
    undone: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    """How often the sale of a refund was undone, by the refund's id."""


class AppliedState(StrEnum):
    """What the ledger says that the POS holds for an order, in one word."""

    NOTHING = "nothing"
    UNPAID = "unpaid"
    OPEN = "open"
    PAID = "paid"
    VOIDED = "voided"

    @property
    def is_live(self) -> bool:
        """Whether the POS holds a sale that is not voided."""
        return self in (AppliedState.UNPAID, AppliedState.OPEN, AppliedState.PAID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The ledger's row for an order; `sale_id` and the rest belong to the newest revision."""

    order_id: int
    state: AppliedState = AppliedState.NOTHING
    revision: int = 0
    """How many sales were created for the order so far."""
    sale_id: str = ""
    content: str = ""
    total: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSale:
    """Write a sale that the POS does not hold yet."""

    order_id: int
    sale_id: str
    revision: int
    sale: Sale
    becomes: AppliedState


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleSale:
    """Add the payments to a sale that was booked unpaid, and close it where it was pending."""

    order_id: int
    sale_id: str
    sale: Sale


@dataclass(frozen=True, slots=True, kw_only=True)
class FulfillSale:
    """Complete a sale that was open for fulfilment."""

    order_id: int
    sale_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidSale:
    """Void a sale and read back that it is voided."""

    order_id: int
    sale_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRefund:
    """Write the sale of a refund; where returned goods are not to be stock again, they are taken out afterwards."""

    order_id: int
    sale_id: str
    refund: RefundSale
    restocks: bool
    was_undone: bool = False
    """Whether it was booked before, by a backfill that was undone."""

    @property
    def sale(self) -> Sale:
        """The sale to write."""
        return self.refund.sale

    @property
    def moves(self) -> tuple[Move, ...]:
        """What the sale does to the stock, and the adjustment that takes goods out again."""
        outlet_id = self.sale.register.outlet_id
        goods = () if self.restocks else self.refund.goods
        taken_out = (Move(code=code, outlet_id=outlet_id, units=-count) for code, count in goods)
        return net((*self.sale.moves, *taken_out))


Action: TypeAlias = CreateSale | SettleSale | FulfillSale | VoidSale | CreateRefund


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The actions for one order, in order; empty when nothing is to do."""

    order_id: int
    actions: tuple[Action, ...] = ()
    notice: Rejected | None = None
    """Something a person should know although, or because, nothing was written."""
    declined: tuple[int, ...] = ()
    """Ids of refunds of which there is nothing to book."""

    @property
    def moves(self) -> tuple[Move, ...]:
        """How the plan changes the stock, without voids: they give back whatever the POS took for the sale."""
        return net(move for action in self.actions for move in moves_of(action))


def moves_of(action: Action) -> tuple[Move, ...]:
    """What an action does to the stock, as far as that follows from the action alone."""
    match action:
        case CreateSale():
            return action.sale.moves
        case CreateRefund():
            return action.moves
        case _:
            return ()
