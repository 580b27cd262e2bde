"""Orders that cannot be carried out: the reasons, and what a person can do about each."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Reason(StrEnum):
    """Why an order is set aside. `REASONS` says what to do about each."""

    MISSING_MEMBER = "missing member"
    WRONG_TYPE = "wrong type"
    UNKNOWN_STATUS = "unknown status"
    LINES_INCOMPLETE = "lines incomplete"
    TOTALS_DIFFER = "totals differ"
    OVERPAID = "paid more than the total"
    PAYMENTS_UNREAD = "payments not read"
    FOREIGN_CURRENCY = "foreign currency"
    AMBIGUOUS_PRODUCT = "ambiguous product"
    EDITED = "edited after import"
    LEFT_SALE = "sale left in place"
    UNPAID_AGAIN = "payment gone"
    VOID_BY_HAND = "void by hand"
    REFUND_OF_OLDER_ORDER = "refund of an older order"
    REFUND_UNCLEAR = "refund does not add up"
    REFUND_EXCEEDS = "refund beyond the sale"
    REFUND_CHANGED = "refund changed after booking"
    REFUND_UNKNOWN = "refunded without a record"
    CANCELLED_AFTER_REFUND = "cancelled after a refund"
    EDITED_AFTER_REFUND = "edited after a refund"
    POS_REFUSED = "refused by the POS"
    OUTCOME_UNKNOWN = "outcome unknown"
    UNEXPECTED = "unexpected error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonText:
    """What a reason means for the person who mends it, and whether a later try can pass without that person."""

    hint: str
    may_pass: bool = False


REASONS: Mapping[Reason, ReasonText] = MappingProxyType(
    {
        Reason.MISSING_MEMBER: ReasonText(
            hint="BigCommerce sent the order without a member it always has. Open and save the order, then retry."
        ),
        Reason.WRONG_TYPE: ReasonText(
            hint="BigCommerce sent a value that cannot be read. Correct the order in BigCommerce, then retry."
        ),
        Reason.UNKNOWN_STATUS: ReasonText(
            hint="The status is none of the fifteen that BigCommerce documents. Change the order's status, then retry."
        ),
        Reason.LINES_INCOMPLETE: ReasonText(
            hint="BigCommerce sent other lines than the order says it has. Retry; if it stays, open the order.",
            may_pass=True,
        ),
        Reason.TOTALS_DIFFER: ReasonText(
            hint="Lines, charges and discounts do not add up to the order's total. Correct the order, or set"
            ' [money] mismatch = "adjust" to close the gap with a visible line, then retry.'
        ),
        Reason.OVERPAID: ReasonText(
            hint="The order's transactions come to more than its total, as after an edit that lowered it. Correct the"
            ' order, or set [sync] transactions = "off" to go by its status alone, then retry.'
        ),
        Reason.PAYMENTS_UNREAD: ReasonText(
            hint="BigCommerce did not tell the order's transactions. They are asked for again from time to time; if it"
            ' stays, set [sync] transactions = "off" to go by its status alone, then retry.',
            may_pass=True,
        ),
        Reason.FOREIGN_CURRENCY: ReasonText(
            hint="The POS keeps its books in one currency. Enter this sale by hand and dismiss the order."
        ),
        Reason.AMBIGUOUS_PRODUCT: ReasonText(
            hint="Several products of the POS go by this code. Give each its own code in the POS, then retry.",
            may_pass=True,
        ),
        Reason.EDITED: ReasonText(
            hint="The order was edited after its sale was written. Correct the sale by hand and dismiss this, or set"
            ' [sync] edits = "replace" and retry.'
        ),
        Reason.LEFT_SALE: ReasonText(
            hint="The order went back to a status that is not imported; its sale was left as it is. Void the sale in"
            " the POS if it should go, then dismiss this."
        ),
        Reason.UNPAID_AGAIN: ReasonText(
            hint="The order went back to not being paid, by its status or its transactions; the payments of its sale"
            " were left as they are. Correct the sale in the POS, then dismiss this."
        ),
        Reason.VOID_BY_HAND: ReasonText(
            hint="The POS did not void the sale. Void it by hand in the POS, then retry.", may_pass=True
        ),
        Reason.REFUND_OF_OLDER_ORDER: ReasonText(
            hint="The order was placed before the start, so that bcpoll has no sale of it. Import it with its refunds"
            " (bcpoll run-once --order and its number), or book the return by hand and dismiss this."
        ),
        Reason.REFUND_UNCLEAR: ReasonText(
            hint="Part of the refund was declined, or its amounts contradict each other. It is read again from time to"
            " time; if it stays, book the return by hand in the POS and dismiss this.",
            may_pass=True,
        ),
        Reason.REFUND_EXCEEDS: ReasonText(
            hint="The refunds come to more than was sold. Compare the order's refunds in BigCommerce with its sales in"
            " the POS, book by hand what is missing, then dismiss this."
        ),
        Reason.REFUND_CHANGED: ReasonText(
            hint="BigCommerce now tells the refund otherwise than when it was booked, as when its payment is declined"
            " later on. Correct the refund's sale in the POS by hand, then dismiss this."
        ),
        Reason.REFUND_UNKNOWN: ReasonText(
            hint="The status says Refunded, but BigCommerce has no record of what was given back. Book the return by"
            " hand in the POS and dismiss this; a record that turns up later is booked by itself."
        ),
        Reason.CANCELLED_AFTER_REFUND: ReasonText(
            hint="Refunds of the order are booked, and to void its sale would give the money back twice. Return in the"
            " POS by hand what is left of the sale, then dismiss this."
        ),
        Reason.EDITED_AFTER_REFUND: ReasonText(
            hint="The order was edited while refunds of it were booked or on their way. Correct the sale in the POS by"
            " hand, then dismiss this."
        ),
        Reason.POS_REFUSED: ReasonText(
            hint="The POS refused the write; its answer is in the detail. Mend the cause, then retry.", may_pass=True
        ),
        Reason.OUTCOME_UNKNOWN: ReasonText(
            hint="The POS gave no clear answer. Look whether the sale is in its sales history; it is looked up again"
            " at the start of every run.",
            may_pass=True,
        ),
        Reason.UNEXPECTED: ReasonText(
            hint="This is a bug in bcpoll: please report it with the detail and the order's payload. Enter the sale by"
            " hand if it cannot wait for a newer version.",
            may_pass=True,
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """An order that cannot be carried out, and why. `field` names the member, `detail` the value or both sums."""

    order_id: int
    """0 where not even the id could be read."""
    reason: Reason
    field: str
    detail: str

    @property
    def hint(self) -> str:
        """What a person can do about it."""
        return REASONS[self.reason].hint
