"""The two accounts and the merchant's choices: what a translation goes by besides the order itself.

The first half is reference data as the POS and the store told it; the second half, `Shop` and `Policy`, is what the
settings make of it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from bcpoll.core.money import ZERO, Currency
from bcpoll.core.order import Json
from bcpoll.core.status import StatusPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Retailer:
    """The POS account (GET /retailer)."""

    id: str
    name: str
    currency: str
    no_tax_id: str
    prices_exclude_tax: bool
    timezone: str = ""
    """Its IANA name; empty where the POS does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """A tax of the POS; `rate` is a fraction (0.15), the sum of the group's rates."""

    id: str
    name: str
    rate: Decimal
    is_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """A place of the POS that holds stock."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A till; its outlet is where a sale's stock is taken from."""

    id: str
    name: str
    outlet_id: str
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may stand as the cashier of a sale."""

    id: str
    username: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentType:
    """A way to pay, as set up in the POS; `id` is what a payment's `type.config_id` wants."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A web store that the POS is linked to by itself (GET /channels)."""

    kind: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PosProduct:
    """A product of the POS with every code it goes by."""

    id: str
    name: str
    codes: tuple[str, ...]
    is_active: bool
    is_deleted: bool
    tracks_stock: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PosCustomer:
    """A customer of the POS, as far as needed to tell whether it is the one looked for."""

    id: str
    code: str
    email: str
    created_at: str
    is_deleted: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PosSale:
    """A sale as the POS holds it: what is compared, and the whole document for changing it."""

    id: str
    state: str
    total: Decimal | None
    """Tax included; None where the answer held only an id."""
    source_id: str
    source_type: str
    document: Json = field(repr=False)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """The web store (GET /v2/store)."""

    name: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StockLevel:
    """What BigCommerce has left of a product or variant; `tracked` is False where the store does not count it."""

    tracked: bool
    level: Decimal = ZERO
    price: Decimal = ZERO
    """What the catalogue asks for it, with tax or without as the store enters its prices; zero where untold."""


class Charge(StrEnum):
    """The kinds of line that are no goods; each sells through a product of its own."""

    SHIPPING = "shipping"
    HANDLING = "handling"
    WRAPPING = "wrapping"
    FEE = "fee"
    GIFT_CERTIFICATE = "gift_certificate"
    REFUND = "refund"
    ADJUSTMENT = "adjustment"


class WhenClosed(StrEnum):
    """What is done about sales for a register that is closed."""

    TRY = "try"
    OPEN = "open"
    WAIT = "wait"


class Unpaid(StrEnum):
    """How an order that is not paid yet is booked."""

    CLOSED = "closed"
    ON_ACCOUNT = "on_account"


class CancelledUnseen(StrEnum):
    """What becomes of an order that was cancelled before bcpoll first saw it."""

    VOIDED = "voided"
    SKIP = "skip"


class Edits(StrEnum):
    """What is done when an order's lines or totals change after its sale was written."""

    REPLACE = "replace"
    REVIEW = "review"


class Refunds(StrEnum):
    """Whether refunds made in BigCommerce become refund sales."""

    IMPORT = "import"
    IGNORE = "ignore"


class Fulfillment(StrEnum):
    """Whether orders that are not yet shipped show on the POS's Fulfillments page."""

    OFF = "off"
    TRACK = "track"


class Transactions(StrEnum):
    """Whether the store is asked what was really paid for an order, where its status leaves that open."""

    AUTO = "auto"
    OFF = "off"


class Mismatch(StrEnum):
    """What is done about an order whose parts do not add up to its total."""

    REVIEW = "review"
    ADJUST = "adjust"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Orders that match go to a register of their own; the member that is not empty decides."""

    register: Register
    pickup_location: str = ""
    channel: int = 0
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenders:
    """Which payment type of the POS stands for which way of paying in the web store, as ids."""

    default_id: str
    gift_certificate_id: str
    store_credit_id: str
    by_method: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By BigCommerce's `payment_method`, in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The reference data of both accounts that every translation needs."""

    store_hash: str
    currency: Currency
    no_tax_id: str
    default_tax_id: str
    taxes: tuple[Tax, ...]
    prices_exclude_tax: bool
    register: Register
    author_id: str
    tenders: Tenders
    routes: tuple[Route, ...] = ()
    timezone: str = ""
    """The POS account's own, by its IANA name: what its reports call a day. Empty where it does not tell."""

    @property
    def outlet_ids(self) -> tuple[str, ...]:
        """The outlets that web orders are sold at, that of the main register first."""
        routed = (route.register.outlet_id for route in self.routes)
        return tuple(dict.fromkeys((self.register.outlet_id, *routed)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The merchant's choices, from the settings."""

    statuses: StatusPolicy
    charges: Mapping[Charge, str]
    """The product code that each kind of charge sells through."""
    unpaid: Unpaid = Unpaid.CLOSED
    cancelled_unseen: CancelledUnseen = CancelledUnseen.VOIDED
    edits: Edits = Edits.REPLACE
    fulfillment: Fulfillment = Fulfillment.OFF
    mismatch: Mismatch = Mismatch.REVIEW
    refunds: Refunds = Refunds.IMPORT
    restock_refunds: bool = True
    transactions: Transactions = Transactions.AUTO
    ignore_sources: frozenset[str] = frozenset()
    ignore_channels: frozenset[int] = frozenset()


KnownProducts: TypeAlias = Mapping[str, Collection[str]]
"""The POS products under each code key that an order needs: none is to be created, several are ambiguous."""
