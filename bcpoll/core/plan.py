"""The plan: the actions that turn what was applied for an order into what is desired, its refunds included.

Owns the life-cycle table, when a refund is booked, and the ids of sales. Knows nothing of how an action is carried out.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from types import MappingProxyType

from bcpoll.core.money import total
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import (
    Action,
    Applied,
    AppliedState,
    CreateRefund,
    CreateSale,
    DeclinedRefund,
    Desired,
    DesiredState,
    FulfillSale,
    Plan,
    Refunded,
    RefundSale,
    Sale,
    SaleState,
    SettleSale,
    VoidSale,
)
from bcpoll.core.shop import CancelledUnseen, Edits, Policy, Refunds

# Fixed for ever: every sale id that any bcpoll wrote comes from it, so another value would double every sale.
_NAMESPACE = uuid.UUID("6f2d9c1e-0b5a-5c57-9a3f-2f1f6b8d4a10")


class Step(Enum):
    """What is done about a pair of applied and desired."""

    NOTHING = "nothing"
    CREATE = "create the sale"
    CREATE_VOIDED = "create it as voided"
    SETTLE = "add the payments"
    FULFILL = "complete the fulfilment"
    REPLACE = "void the sale and write another"
    VOID = "void the sale"
    LEFT = "leave the sale and say so"
    UNPAID_AGAIN = "leave the payments and say so"


LIFE_CYCLE: Mapping[tuple[AppliedState, DesiredState], Step] = MappingProxyType(
    {
        (AppliedState.NOTHING, DesiredState.NOT_IMPORTED): Step.NOTHING,
        (AppliedState.NOTHING, DesiredState.UNPAID): Step.CREATE,
        (AppliedState.NOTHING, DesiredState.OPEN): Step.CREATE,
        (AppliedState.NOTHING, DesiredState.PAID): Step.CREATE,
        (AppliedState.NOTHING, DesiredState.VOIDED): Step.CREATE_VOIDED,
        (AppliedState.UNPAID, DesiredState.NOT_IMPORTED): Step.LEFT,
        (AppliedState.UNPAID, DesiredState.UNPAID): Step.NOTHING,
        # A closed sale cannot be opened again: staff would not see it among what is to be fulfilled.
        (AppliedState.UNPAID, DesiredState.OPEN): Step.REPLACE,
        (AppliedState.UNPAID, DesiredState.PAID): Step.SETTLE,
        (AppliedState.UNPAID, DesiredState.VOIDED): Step.VOID,
        (AppliedState.OPEN, DesiredState.NOT_IMPORTED): Step.LEFT,
        (AppliedState.OPEN, DesiredState.UNPAID): Step.UNPAID_AGAIN,
        (AppliedState.OPEN, DesiredState.OPEN): Step.NOTHING,
        (AppliedState.OPEN, DesiredState.PAID): Step.FULFILL,
        (AppliedState.OPEN, DesiredState.VOIDED): Step.VOID,
        (AppliedState.PAID, DesiredState.NOT_IMPORTED): Step.LEFT,
        (AppliedState.PAID, DesiredState.UNPAID): Step.UNPAID_AGAIN,
        # Fulfilled is fulfilled, and so is what was booked before fulfilment was tracked.
        (AppliedState.PAID, DesiredState.OPEN): Step.NOTHING,
        (AppliedState.PAID, DesiredState.PAID): Step.NOTHING,
        (AppliedState.PAID, DesiredState.VOIDED): Step.VOID,
        (AppliedState.VOIDED, DesiredState.NOT_IMPORTED): Step.NOTHING,
        (AppliedState.VOIDED, DesiredState.UNPAID): Step.CREATE,
        (AppliedState.VOIDED, DesiredState.OPEN): Step.CREATE,
        (AppliedState.VOIDED, DesiredState.PAID): Step.CREATE,
        (AppliedState.VOIDED, DesiredState.VOIDED): Step.NOTHING,
    }
)

# Steps after which a live sale stands in the POS, so that an edit of the order's content shows there.
_KEEPS_SALE = frozenset({Step.NOTHING, Step.SETTLE, Step.FULFILL, Step.UNPAID_AGAIN})

_BECOMES: Mapping[DesiredState, AppliedState] = MappingProxyType(
    {
        DesiredState.NOT_IMPORTED: AppliedState.NOTHING,
        DesiredState.UNPAID: AppliedState.UNPAID,
        DesiredState.OPEN: AppliedState.OPEN,
        DesiredState.PAID: AppliedState.PAID,
        DesiredState.VOIDED: AppliedState.VOIDED,
    }
)


def sale_id(store_hash: str, order_id: int, revision: int) -> str:
    """The id of an order's sale: the same on every host and after every loss of the checkpoint."""
    return str(uuid.uuid5(_NAMESPACE, f"bigcommerce:{store_hash}:order:{order_id}:{revision}"))


# How many sales of one order are looked for by id; what is none of these is taken for somebody else's.
_MOST_REVISIONS = 50

# How often the past of one shop may have been undone.
_MOST_UNDONE = 5


def revision_of(store_hash: str, order_id: int, found: str) -> int:
    """Which revision of its order's sale has this id; 0 for a sale that is not ours."""
    revisions = range(1, _MOST_REVISIONS + 1)
    return next((number for number in revisions if sale_id(store_hash, order_id, number) == found.lower()), 0)


def refund_sale_id(store_hash: str, refund_id: int, undone: int = 0) -> str:
    """The id of a refund's sale; another one each time that it was undone, since a voided sale stays voided."""
    again = f":{undone + 1}" if undone else ""
    return str(uuid.uuid5(_NAMESPACE, f"bigcommerce:{store_hash}:refund:{refund_id}{again}"))


def refund_sale_ids(store_hash: str, refund_id: int) -> tuple[str, ...]:
    """The ids that a refund's sale may have, the latest first."""
    return tuple(refund_sale_id(store_hash, refund_id, undone) for undone in reversed(range(_MOST_UNDONE)))


_NOT_REFUNDED = Refunded()


def plan(
    desired: Desired, applied: Applied, *, store_hash: str, policy: Policy, refunded: Refunded = _NOT_REFUNDED
) -> Plan:
    """Derive the actions for one order from the life-cycle table, and those for its refunds where its sale stands.

    A plan without actions changes nothing.
    """
    applied = _with_own_total(desired, applied)
    found = _life_cycle(desired, applied, store_hash, policy)
    reason = _clash(found, desired, applied, refunded)
    if reason is not None:
        given, waiting = refunded.total, _waiting(desired)
        detail = f"sale {applied.sale_id} over {applied.total}, refunds booked {given}, waiting {waiting}"
        return _notice(desired, reason, detail)
    if policy.refunds is Refunds.IGNORE:
        return found
    return _with_refunds(found, desired, applied, store_hash=store_hash, policy=policy, refunded=refunded)


def _with_own_total(desired: Desired, applied: Applied) -> Applied:
    """What was read back from the POS, with the total that its sale was written with where that is the order's.

    The POS adds up unit values of five decimals: it misses that by less than half a cent.
    """
    if applied.content or desired.sale is None:
        return applied
    due = desired.sale.total
    cent = Decimal(1).scaleb(int(due.as_tuple().exponent))
    return applied if abs(due - applied.total) * 2 >= cent else replace(applied, total=due)


def _clash(found: Plan, desired: Desired, applied: Applied, refunded: Refunded) -> Reason | None:
    """Why the life cycle cannot go on, if it cannot: no sale is voided while refunds of it stand.

    An edit that lowers the total by exactly what waits to be refunded may be that refund, told in two ways. And a
    refund that does not come to what its items cost now may be of the lines as they were before the edit.
    """
    if not any(isinstance(action, VoidSale) for action in found.actions):
        return None
    if refunded.is_booked:
        is_void = desired.state is DesiredState.VOIDED
        return Reason.CANCELLED_AFTER_REFUND if is_void else Reason.EDITED_AFTER_REFUND
    waiting, sale = _waiting(desired), desired.sale
    if sale is None or desired.state is DesiredState.VOIDED:
        return None
    is_same = bool(waiting) and sale.total == applied.total - waiting
    is_other = any(isinstance(refund, RefundSale) and not refund.is_plain for refund in desired.refunds)
    return Reason.EDITED_AFTER_REFUND if is_same or is_other else None


def _waiting(desired: Desired) -> Decimal:
    return total(refund.total for refund in desired.refunds if isinstance(refund, RefundSale))


def _with_refunds(
    found: Plan, desired: Desired, applied: Applied, *, store_hash: str, policy: Policy, refunded: Refunded
) -> Plan:
    """Add the refunds to a plan after which the sale of the order stands; otherwise they wait."""
    if not (desired.refunds or desired.is_refunded or refunded.changed):
        return found
    found = replace(found, declined=tuple(one.refund_id for one in desired.refunds if isinstance(one, DeclinedRefund)))
    for action in found.actions:
        applied = after(applied, action, desired.content)
    keeps_waiting = found.notice is not None and found.notice.reason is not Reason.UNPAID_AGAIN
    if not applied.state.is_live or keeps_waiting:
        return _with_waiting(found, desired)
    bookable, problems = _bookable(desired, applied.total, refunded)
    creations = tuple(
        CreateRefund(
            order_id=desired.order_id,
            sale_id=refund_sale_id(store_hash, refund.refund_id, refunded.undone.get(refund.refund_id, 0)),
            refund=refund,
            restocks=policy.restock_refunds,
            was_undone=refund.refund_id in refunded.undone,
        )
        for refund in bookable
    )
    notices = [*filter(None, [found.notice]), *problems, *_remarks(desired, refunded)]
    return replace(found, actions=(*found.actions, *creations), notice=next(iter(notices), None))


def _with_waiting(found: Plan, desired: Desired) -> Plan:
    """Add the waiting refunds to a notice: whoever dismisses the order drops them too."""
    waiting = _waiting(desired)
    if found.notice is None or not waiting:
        return found
    return replace(found, notice=replace(found.notice, detail=f"{found.notice.detail}; refunds waiting {waiting}"))


def _bookable(desired: Desired, sold: Decimal, refunded: Refunded) -> tuple[list[RefundSale], list[Rejected]]:
    """The refunds that fit into what was sold, in money and in units, and what is wrong with the others."""
    left, units = sold - refunded.total, dict(refunded.units)
    fine: list[RefundSale] = []
    problems: list[Rejected] = []
    for refund in desired.refunds:
        if isinstance(refund, Rejected):
            problems.append(refund)
        elif isinstance(refund, RefundSale) and (beyond := _beyond(refund, left, units)):
            problems.append(_rejected(desired, Reason.REFUND_EXCEEDS, f"refunds.{refund.refund_id}", beyond))
        elif isinstance(refund, RefundSale):
            left -= refund.total
            units |= {line.line_id: units.get(line.line_id, 0) + line.units for line in refund.returned}
            fine.append(refund)
    return fine, problems


def _beyond(refund: RefundSale, left: Decimal, units: Mapping[int, int]) -> str:
    """How a refund goes beyond what was sold; empty where it does not."""
    if refund.total > left:
        return f"refund of {refund.total}, of the sale {left} are left"
    for line in refund.returned:
        count = units.get(line.line_id, 0) + line.units
        if count > line.ordered:
            return f"{count} units of line {line.line_id} returned, {line.ordered} sold"
    return ""


def _remarks(desired: Desired, refunded: Refunded) -> Iterator[Rejected]:
    """What a person should know of an order's refunds although there is nothing to book."""
    if refunded.changed:
        detail = "BigCommerce tells it otherwise than when it was booked"
        yield _rejected(desired, Reason.REFUND_CHANGED, f"refunds.{refunded.changed[0]}", detail)
    if desired.is_refunded and not refunded.is_known:
        yield _rejected(desired, Reason.REFUND_UNKNOWN, "status_id", "status Refunded, and no refund on record")


def _life_cycle(desired: Desired, applied: Applied, store_hash: str, policy: Policy) -> Plan:
    step = LIFE_CYCLE[applied.state, desired.state]
    if _is_edit(desired, applied, step):
        return _edited(desired, applied, store_hash, policy)
    return _STEPS[step](desired, applied, store_hash, policy)


def _is_edit(desired: Desired, applied: Applied, step: Step) -> bool:
    return (
        step in _KEEPS_SALE
        and applied.state.is_live
        and desired.sale is not None
        and _differs(desired.content, desired.sale, applied)
    )


def _differs(content: str, sale: Sale, applied: Applied) -> bool:
    """Whether lines or totals differ; of a sale that was read back from the POS only the total is known."""
    return content != applied.content if applied.content else sale.total != applied.total


def _edited(desired: Desired, applied: Applied, store_hash: str, policy: Policy) -> Plan:
    """Lines or totals changed: a new sale in place of the old one, or a word to a person."""
    if policy.edits is Edits.REVIEW:
        total = _sale(desired).total
        return _notice(desired, Reason.EDITED, f"sale {applied.total}, order now {total}")
    return _replace(desired, applied, store_hash, policy)


def _replace(desired: Desired, applied: Applied, store_hash: str, _policy: Policy) -> Plan:
    void = VoidSale(order_id=desired.order_id, sale_id=applied.sale_id)
    return _plan(desired, void, _creation(desired, applied, store_hash))


def _nothing(desired: Desired, _applied: Applied, _store_hash: str, _policy: Policy) -> Plan:
    return Plan(order_id=desired.order_id)


def _create(desired: Desired, applied: Applied, store_hash: str, _policy: Policy) -> Plan:
    return _plan(desired, _creation(desired, applied, store_hash))


def _create_voided(desired: Desired, applied: Applied, store_hash: str, policy: Policy) -> Plan:
    if policy.cancelled_unseen is CancelledUnseen.SKIP:
        return Plan(order_id=desired.order_id)
    return _create(desired, applied, store_hash, policy)


def _settle(desired: Desired, applied: Applied, _store_hash: str, _policy: Policy) -> Plan:
    return _plan(desired, SettleSale(order_id=desired.order_id, sale_id=applied.sale_id, sale=_sale(desired)))


def _fulfill(desired: Desired, applied: Applied, _store_hash: str, _policy: Policy) -> Plan:
    """Complete the sale once the goods have left, or all was given back and there is nothing left to send.

    A dispute or a refund of a part is no reason to say that.
    """
    if not (desired.is_handed_over or desired.is_refunded):
        return Plan(order_id=desired.order_id)
    return _plan(desired, FulfillSale(order_id=desired.order_id, sale_id=applied.sale_id))


def _void(desired: Desired, applied: Applied, _store_hash: str, _policy: Policy) -> Plan:
    return _plan(desired, VoidSale(order_id=desired.order_id, sale_id=applied.sale_id))


def _left(desired: Desired, applied: Applied, _store_hash: str, _policy: Policy) -> Plan:
    return _notice(desired, Reason.LEFT_SALE, f"sale {applied.sale_id} over {applied.total}")


def _unpaid_again(desired: Desired, applied: Applied, _store_hash: str, _policy: Policy) -> Plan:
    return _notice(desired, Reason.UNPAID_AGAIN, f"sale {applied.sale_id} over {applied.total} has payments")


_STEPS: Mapping[Step, Callable[[Desired, Applied, str, Policy], Plan]] = MappingProxyType(
    {
        Step.NOTHING: _nothing,
        Step.CREATE: _create,
        Step.CREATE_VOIDED: _create_voided,
        Step.SETTLE: _settle,
        Step.FULFILL: _fulfill,
        Step.REPLACE: _replace,
        Step.VOID: _void,
        Step.LEFT: _left,
        Step.UNPAID_AGAIN: _unpaid_again,
    }
)


def _sale(desired: Desired) -> Sale:
    assert desired.sale is not None  # noqa: S101 - only NOT_IMPORTED is without, and no step of its gets here
    return desired.sale


def _creation(desired: Desired, applied: Applied, store_hash: str) -> CreateSale:
    revision = applied.revision + 1
    return CreateSale(
        order_id=desired.order_id,
        sale_id=sale_id(store_hash, desired.order_id, revision),
        revision=revision,
        sale=_sale(desired),
        becomes=_BECOMES[desired.state],
    )


def _plan(desired: Desired, *actions: Action) -> Plan:
    return Plan(order_id=desired.order_id, actions=actions)


def _notice(desired: Desired, reason: Reason, detail: str) -> Plan:
    return Plan(order_id=desired.order_id, notice=_rejected(desired, reason, "status_id", detail))


def _rejected(desired: Desired, reason: Reason, field: str, detail: str) -> Rejected:
    return Rejected(order_id=desired.order_id, reason=reason, field=field, detail=detail)


def taken_over(applied: Applied, desired: Desired) -> Applied:
    """What was applied, with the content of an order whose sale was read back from the POS and found to fit."""
    is_known = bool(applied.content) or desired.sale is None or not applied.state.is_live
    return applied if is_known else replace(_with_own_total(desired, applied), content=desired.content)


def without_fulfillment(action: CreateSale) -> CreateSale:
    """The same sale as a plain closed one, for an order whose address the POS does not take."""
    sale = action.sale
    lines = tuple(replace(line, way=None) for line in sale.lines)
    plain = replace(sale, state=SaleState.CLOSED, attributes=(), lines=lines, way=None, ship_to=None)
    return replace(action, sale=plain, becomes=AppliedState.PAID)


# In which state an action leaves the sale that there is; a refund leaves it as it was.
_LEAVES: Mapping[type[Action], AppliedState] = MappingProxyType(
    {SettleSale: AppliedState.PAID, FulfillSale: AppliedState.PAID, VoidSale: AppliedState.VOIDED}
)


def after(applied: Applied, action: Action, content: str) -> Applied:
    """What the ledger says once an action is done, for a desired state with this content."""
    if isinstance(action, CreateSale):
        return Applied(
            order_id=action.order_id,
            state=action.becomes,
            revision=action.revision,
            sale_id=action.sale_id,
            content=content,
            total=action.sale.total,
        )
    if isinstance(action, CreateRefund):
        return applied
    return replace(applied, state=_LEAVES[type(action)])
