"""Order statuses and what is done about each: the heart of the program, as one table.

Keyed by BigCommerce's status id, because merchants may rename statuses. Nothing here knows about a single order
beyond its status and payment status.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType


class OrderStatus(IntEnum):
    """BigCommerce's fixed order status ids (GET /v2/order_statuses)."""

    INCOMPLETE = 0
    PENDING = 1
    SHIPPED = 2
    PARTIALLY_SHIPPED = 3
    REFUNDED = 4
    CANCELLED = 5
    DECLINED = 6
    AWAITING_PAYMENT = 7
    AWAITING_PICKUP = 8
    AWAITING_SHIPMENT = 9
    COMPLETED = 10
    AWAITING_FULFILLMENT = 11
    MANUAL_VERIFICATION_REQUIRED = 12
    DISPUTED = 13
    PARTIALLY_REFUNDED = 14

    @property
    def title(self) -> str:
        """BigCommerce's own name of the status, as shop staff know it: `Awaiting Payment`."""
        return self.name.replace("_", " ").title()


class Disposition(StrEnum):
    """What the POS should hold for an order in a status."""

    NOT_IMPORTED = "not_imported"
    CLOSED = "closed"
    VOIDED = "voided"


class Paid(Enum):
    """Whether a status says that the money came in; `IF_CAPTURED` asks the order's payment status."""

    YES = "yes"
    NO = "no"
    IF_CAPTURED = "if captured"


@dataclass(frozen=True, slots=True)
class StatusRule:
    """One row of the status table."""

    disposition: Disposition
    paid: Paid = Paid.NO


NOT_IMPORTED = StatusRule(Disposition.NOT_IMPORTED)
VOIDED = StatusRule(Disposition.VOIDED)
CLOSED_PAID = StatusRule(Disposition.CLOSED, Paid.YES)
CLOSED_UNPAID = StatusRule(Disposition.CLOSED, Paid.NO)
CLOSED_IF_CAPTURED = StatusRule(Disposition.CLOSED, Paid.IF_CAPTURED)

STATUS_TABLE: Mapping[OrderStatus, StatusRule] = MappingProxyType(
    {
        OrderStatus.INCOMPLETE: NOT_IMPORTED,
        OrderStatus.PENDING: NOT_IMPORTED,
        OrderStatus.SHIPPED: CLOSED_PAID,
        OrderStatus.PARTIALLY_SHIPPED: CLOSED_PAID,
        OrderStatus.REFUNDED: CLOSED_PAID,
        OrderStatus.CANCELLED: VOIDED,
        OrderStatus.DECLINED: VOIDED,
        OrderStatus.AWAITING_PAYMENT: CLOSED_UNPAID,
        OrderStatus.AWAITING_PICKUP: CLOSED_PAID,
        OrderStatus.AWAITING_SHIPMENT: CLOSED_PAID,
        OrderStatus.COMPLETED: CLOSED_PAID,
        OrderStatus.AWAITING_FULFILLMENT: CLOSED_PAID,
        OrderStatus.MANUAL_VERIFICATION_REQUIRED: CLOSED_IF_CAPTURED,
        OrderStatus.DISPUTED: CLOSED_PAID,
        OrderStatus.PARTIALLY_REFUNDED: CLOSED_PAID,
    }
)

# Statuses of orders that staff have still to send or hand out.
AWAITING: frozenset[OrderStatus] = frozenset(
    {
        OrderStatus.PARTIALLY_SHIPPED,
        OrderStatus.AWAITING_PICKUP,
        OrderStatus.AWAITING_SHIPMENT,
        OrderStatus.AWAITING_FULFILLMENT,
        OrderStatus.MANUAL_VERIFICATION_REQUIRED,
    }
)

# Statuses that say nothing of the goods: whether they have left tells the order's date of shipping.
SILENT_ON_GOODS: frozenset[OrderStatus] = frozenset(
    {OrderStatus.AWAITING_PAYMENT, OrderStatus.DISPUTED, OrderStatus.PARTIALLY_REFUNDED}
)

# Statuses that say that the goods have left.
HANDED_OVER: frozenset[OrderStatus] = frozenset({OrderStatus.SHIPPED, OrderStatus.COMPLETED})

# `payment_status` values that prove the money was taken. An empty or pending one proves nothing either way.
_CAPTURED = frozenset({"captured", "paid"})


@dataclass(frozen=True, slots=True)
class StatusPolicy:
    """The status table with the merchant's overrides: total over all fifteen statuses."""

    rules: Mapping[OrderStatus, StatusRule]

    @classmethod
    def with_overrides(cls, overrides: Mapping[OrderStatus, Disposition]) -> "StatusPolicy":
        """Lay the merchant's `[status_map]` over the table; an overridden row keeps what it says about payment."""
        changed = {status: StatusRule(to, STATUS_TABLE[status].paid) for status, to in overrides.items()}
        return cls(MappingProxyType(dict(STATUS_TABLE) | changed))

    def disposition(self, status: OrderStatus) -> Disposition:
        """What the POS should hold for an order in this status."""
        return self.rules[status].disposition

    def is_paid(self, status: OrderStatus, payment_status: str) -> bool:
        """Whether an order in this status counts as paid, going by its `payment_status` where the table says so."""
        paid = self.rules[status].paid
        return paid is Paid.YES or (paid is Paid.IF_CAPTURED and payment_status.strip().lower() in _CAPTURED)
