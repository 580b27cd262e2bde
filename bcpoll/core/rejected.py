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
    PAY_BY_HAND = "add payments by hand"
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

    cause: str
    """What is the matter, in a sentence."""
    remedy: str
    """What to do about it."""
    may_pass: bool = False

    @property
    def hint(self) -> str:
        """Both in one."""
        return f"{self.cause} {self.remedy}"


REASONS: Mapping[Reason, ReasonText] = MappingProxyType(
    {
        Reason.MISSING_MEMBER: ReasonText(
            cause="BigCommerce sent the order without a member it always has.",
            remedy="Open and save the order, then retry.",
        ),
        Reason.WRONG_TYPE: ReasonText(
            cause="BigCommerce sent a value that cannot be read.",
            remedy="Correct the order in BigCommerce, then retry.",
        ),
        Reason.UNKNOWN_STATUS: ReasonText(
            cause="The status is none of the fifteen that BigCommerce documents.",
            remedy="Change the order's status, then retry.",
        ),
        Reason.LINES_INCOMPLETE: ReasonText(
            cause="BigCommerce sent other lines than the order says it has.",
            remedy="Retry; if it stays, open the order.",
            may_pass=True,
        ),
        Reason.TOTALS_DIFFER: ReasonText(
            cause="Lines, charges and discounts do not add up to the order's total.",
            remedy='Correct the order, or set [money] mismatch = "adjust" to close the gap with a visible line, then'
            " retry.",
        ),
        Reason.OVERPAID: ReasonText(
            cause="The order's transactions come to more than its total, as after an edit that lowered it.",
            remedy='Correct the order, or set [sync] transactions = "off" to go by its status alone, then retry.',
        ),
        Reason.PAYMENTS_UNREAD: ReasonText(
            cause="BigCommerce did not tell the order's transactions.",
            remedy='They are asked for again from time to time; if it stays, set [sync] transactions = "off" to go by'
            " its status alone, then retry.",
            may_pass=True,
        ),
        Reason.FOREIGN_CURRENCY: ReasonText(
            cause="The POS keeps its books in one currency.",
            remedy="Enter this sale by hand and dismiss the order.",
        ),
        Reason.AMBIGUOUS_PRODUCT: ReasonText(
            cause="Several products of the POS go by this code.",
            remedy="Give each its own code in the POS, then retry.",
            may_pass=True,
        ),
        Reason.EDITED: ReasonText(
            cause="The order was edited after its sale was written.",
            remedy='Correct the sale by hand and dismiss this, or set [sync] edits = "replace" and retry.',
        ),
        Reason.LEFT_SALE: ReasonText(
            cause="The order went back to a status that is not imported; its sale was left as it is.",
            remedy="Void the sale in the POS if it should go, then dismiss this.",
        ),
        Reason.UNPAID_AGAIN: ReasonText(
            cause="The order went back to not being paid, by its status or its transactions; the payments of its sale"
            " were left as they are.",
            remedy="Correct the sale in the POS, then dismiss this.",
        ),
        Reason.VOID_BY_HAND: ReasonText(
            cause="The POS did not void the sale that the detail names.",
            remedy="Void it by hand in the POS. The next try notices that, and writes what takes its place where the"
            " order was edited; retry to have it at once.",
            may_pass=True,
        ),
        Reason.PAY_BY_HAND: ReasonText(
            cause="The POS did not take the payments of the sale that the detail names.",
            remedy="Add them to it by hand in the POS. The next try notices that; retry to have it at once.",
            may_pass=True,
        ),
        Reason.REFUND_OF_OLDER_ORDER: ReasonText(
            cause="The order was placed before the start, so that bcpoll has no sale of it.",
            remedy="Import it with its refunds (bcpoll run-once --order and its number), or book the return by hand"
            " and dismiss this.",
        ),
        Reason.REFUND_UNCLEAR: ReasonText(
            cause="Part of the refund was declined, or its amounts contradict each other.",
            remedy="It is read again from time to time; if it stays, book the return by hand in the POS and dismiss"
            " this.",
            may_pass=True,
        ),
        Reason.REFUND_EXCEEDS: ReasonText(
            cause="The refunds come to more than was sold.",
            remedy="Compare the order's refunds in BigCommerce with its sales in the POS, book by hand what is"
            " missing, then dismiss this.",
        ),
        Reason.REFUND_CHANGED: ReasonText(
            cause="BigCommerce now tells the refund otherwise than when it was booked, as when its payment is"
            " declined later on.",
            remedy="Correct the refund's sale in the POS by hand, then dismiss this.",
        ),
        Reason.REFUND_UNKNOWN: ReasonText(
            cause="The status says Refunded, but BigCommerce has no record of what was given back.",
            remedy="Book the return by hand in the POS and dismiss this; a record that turns up later is booked by"
            " itself.",
        ),
        Reason.CANCELLED_AFTER_REFUND: ReasonText(
            cause="Refunds of the order are booked, and to void its sale would give the money back twice.",
            remedy="Return in the POS by hand what is left of the sale, then dismiss this.",
        ),
        Reason.EDITED_AFTER_REFUND: ReasonText(
            cause="The order was edited while refunds of it were booked or on their way.",
            remedy="Correct the sale in the POS by hand, then dismiss this.",
        ),
        Reason.POS_REFUSED: ReasonText(
            cause="The POS refused the write; its answer is in the detail.",
            remedy="Mend the cause, then retry.",
            may_pass=True,
        ),
        Reason.OUTCOME_UNKNOWN: ReasonText(
            cause="The POS gave no clear answer.",
            remedy="Look in the POS whether what the field names got there: a sale, its payments or its void in the"
            " sales history, under the order's number; a customer or an address by the e-mail; a product by its code;"
            " stock in the product's inventory history. It is looked up again at the start of every run.",
            may_pass=True,
        ),
        Reason.UNEXPECTED: ReasonText(
            cause="This is a bug in bcpoll.",
            remedy="Please report it with the detail and what `bcpoll review show` prints. Enter the sale by hand if"
            " it cannot wait for a newer version.",
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
