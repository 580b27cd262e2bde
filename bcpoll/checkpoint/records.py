"""The rows of the checkpoint as callers see them. Plain values: nothing here knows about SQLite."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as member
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from bcpoll.core.order import Json
from bcpoll.core.rejected import REASONS, Reason
from bcpoll.core.sale import Applied

UNDONE = "undone"
"""The disposition of an order that a backfill brought over and that was taken back: the passes leave it alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """What was done about an order, by the version of the order it was done for."""

    order_id: int
    status_id: int
    modified_at: datetime
    fingerprint: str
    """Digest of the order as it was when this row was written."""
    applied: Applied
    disposition: str
    order_total: Decimal | None = None
    """The order's own total, tax included; None where it could not be read."""
    tax: Decimal | None = None
    customer_key: str = ""
    note: str = ""
    placed_at: datetime | None = None
    """When the order was placed; None where that is not known, which leaves what was known before."""
    written_at: datetime
    run_id: int | None = None

    def __post_init__(self) -> None:
        if self.applied.order_id != self.order_id:
            raise ValueError(f"the row of order {self.order_id} holds what order {self.applied.order_id} was given")


class IntentKind(StrEnum):
    """What an intent is about to do in the POS."""

    SALE = "sale"
    REFUND = "refund"
    SETTLE_SALE = "settle_sale"
    VOID_SALE = "void_sale"
    CUSTOMER = "customer"
    PRODUCT = "product"
    STOCK = "stock"
    ADDRESS = "address"
    FULFILLMENT = "fulfillment"


class IntentState(StrEnum):
    """What became of an intent. The first and the last are unsettled: they are looked up by every later run."""

    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One write to the POS, recorded before it leaves. At most one per key is unsettled."""

    key: str
    order_id: int
    """0 where the write belongs to no single order."""
    kind: IntentKind
    target: str
    """What is written to: the id of the sale, the code of the product, ..."""
    body: Json = member(default_factory=dict, repr=False)
    """What was sent, amounts as text: to compare and to show. Empty once pruned."""
    since: int = 0
    """The version of the POS's feed before the write: a look-up reads on from there."""
    created_at: datetime
    tries: int = 0
    state: IntentState = IntentState.OPEN
    detail: str = ""
    result: str = ""
    """What the POS gave back, such as the id of what was created."""
    settled_at: datetime | None = None
    run_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What became of the intent under a key."""

    key: str
    state: IntentState
    detail: str = ""
    result: str = ""


THERE_ALREADY = "it was there already"
"""The detail of a write that was refused because somebody else had done it before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StockMove:
    """Units that a write of ours brought into an outlet's stock or, below zero, took out of it."""

    at: datetime
    """When it was known to be done."""
    kind: IntentKind
    order_id: int
    """0 for the stock that a product was created with."""
    target: str
    """The sale that moved it or was voided, or of the refund whose goods were taken out; the code of a new product."""
    code: str
    """As the order spells it; empty where that is not known."""
    product_id: str
    outlet_id: str
    """Empty where that is not known."""
    units: int
    run_id: int | None = None


class RefundState(StrEnum):
    """What became of a refund: only one that waits is ever booked."""

    WAITING = "waiting"
    BOOKED = "booked"
    CHANGED = "changed"
    """Booked, and told otherwise by the store since."""
    DECLINED = "declined"
    """There is nothing to book."""
    LEFT = "left"
    """A person said that nothing is to be done."""

    @property
    def is_standing(self) -> bool:
        """Whether the POS holds a sale of the refund."""
        return self in (RefundState.BOOKED, RefundState.CHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedRefund:
    """A refund whose sale is in the POS."""

    refund_id: int
    sale_id: str
    total: Decimal
    """What was given back, as a positive amount."""
    units: Mapping[int, int] = member(default_factory=dict)
    """Units that came back, by order line."""
    outlet_id: str = ""
    to_take_out: Mapping[str, int] = member(default_factory=dict)
    """Units by POS product that the sale put into stock and that are to be taken out again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRow:
    """A refund as the store told it last, and what became of it."""

    refund_id: int
    order_id: int
    created_at: datetime | None
    """None where it could not be read."""
    content: str
    """Digest of what it gives back."""
    payload: Json = member(repr=False)
    """The raw refund, amounts as text. Empty once pruned."""
    state: RefundState = RefundState.WAITING
    is_due: bool = True
    """Whether its order is to be looked at because of it."""
    sale_id: str = ""
    undone: int = 0
    """How often its sale was voided because a backfill was undone."""
    total: Decimal | None = None
    """What was booked."""
    units: Mapping[int, int] = member(default_factory=dict)
    outlet_id: str = ""
    to_take_out: Mapping[str, int] = member(default_factory=dict)
    written_at: datetime
    run_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A historical pass over the orders created within a window, and how far it has got."""

    id: int
    since: datetime | None
    """None: from the first order on."""
    until: datetime | None
    """None: up to the start."""
    moves_stock: bool
    position: int
    """The id of the last order that was looked at."""
    begun_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What it means for an order that a backfill writes it: what happened before `neutral_before` moves no stock."""

    backfill_id: int
    neutral_before: datetime | None
    """None where its sales move the stock like any others."""
    revision: int = 0
    """Which sale of the order the backfill wrote last; 0 for none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfilledOrder:
    """An order that a backfill wrote, or is still to write."""

    order_id: int
    backfill_id: int
    revision: int
    """Which sale of the order the backfill wrote last; 0 for none yet."""
    is_neutral: bool
    is_pending: bool
    """Whether something is left to write: whoever does so goes on as the backfill would have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StockOwed:
    """Units of a product that are to be put back into stock at an outlet, below zero to be taken out."""

    outlet_id: str
    product_id: str
    units: int


class ReviewState(StrEnum):
    """Where an order that was set aside stands."""

    OPEN = "open"
    DISMISSED = "dismissed"
    SOLVED = "solved"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """An order that was set aside. There is one item per order; it opens again when the order fails again."""

    id: int
    order_id: int
    """0 where not even the id could be read."""
    reason: Reason
    field: str
    detail: str
    payload: Json = member(repr=False)
    """The raw order, amounts as text. Empty once pruned."""
    first_at: datetime
    last_at: datetime
    tries: int
    """How often it failed again for the same reason and in the same version."""
    next_try: datetime | None
    """None where a person has to act first."""
    state: ReviewState
    fingerprint: str
    note: str
    run_id: int | None

    @property
    def hint(self) -> str:
        """What a person can do about it."""
        return REASONS[self.reason].hint


class RunOutcome(StrEnum):
    """How a run ended. The first two got through everything there was."""

    DONE = "done"
    SET_ASIDE = "set_aside"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of bcpoll. Without `ended_at` it is under way, or was killed."""

    id: int
    kind: str
    begun_at: datetime
    ended_at: datetime | None
    outcome: RunOutcome | None
    counts: Mapping[str, int]
    message: str
