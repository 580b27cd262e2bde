"""The plan: the actions that turn what was applied for an order into what is desired.

Owns the life-cycle table and the ids of sales. Knows nothing of how an action is carried out.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from types import MappingProxyType

from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import (
    Action,
    Applied,
    AppliedState,
    CreateSale,
    Desired,
    DesiredState,
    FulfillSale,
    Plan,
    Sale,
    SaleState,
    SettleSale,
    VoidSale,
)
from bcpoll.core.shop import CancelledUnseen, Edits, Policy

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
_LIVE = frozenset({AppliedState.UNPAID, AppliedState.OPEN, AppliedState.PAID})

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


def plan(desired: Desired, applied: Applied, *, store_hash: str, policy: Policy) -> Plan:
    """Derive the actions for one order from the life-cycle table; a plan without actions changes nothing."""
    step = LIFE_CYCLE[applied.state, desired.state]
    if _is_edit(desired, applied, step):
        return _edited(desired, applied, store_hash, policy)
    return _STEPS[step](desired, applied, store_hash, policy)


def _is_edit(desired: Desired, applied: Applied, step: Step) -> bool:
    return (
        step in _KEEPS_SALE
        and applied.state in _LIVE
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
    """Complete the sale once the goods have left; a dispute or a refund is no reason to say that they have."""
    if not desired.is_handed_over:
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
    notice = Rejected(order_id=desired.order_id, reason=reason, field="status_id", detail=detail)
    return Plan(order_id=desired.order_id, notice=notice)


def taken_over(applied: Applied, desired: Desired) -> Applied:
    """What was applied, with the content of an order whose sale was read back from the POS and found to fit."""
    is_known = bool(applied.content) or desired.sale is None or applied.state not in _LIVE
    return applied if is_known else replace(applied, content=desired.content)


def without_fulfillment(action: CreateSale) -> CreateSale:
    """The same sale as a plain closed one, for an order whose address the POS does not take."""
    sale = action.sale
    lines = tuple(replace(line, way=None) for line in sale.lines)
    plain = replace(sale, state=SaleState.CLOSED, attributes=(), lines=lines, way=None, ship_to=None)
    return replace(action, sale=plain, becomes=AppliedState.PAID)


# In which state an action leaves the sale that there is.
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
    return replace(applied, state=_LEAVES[type(action)])
