"""From what was applied to what is desired: the life-cycle table, its steps, edits, and the ids of sales."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from builders import (
    STORE,
    a_line,
    a_policy,
    a_refund,
    a_refund_payment,
    a_returned,
    a_status,
    an_order,
    desired_of,
    numbered,
    refunded_of,
)
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.plan import (
    LIFE_CYCLE,
    Step,
    after,
    plan,
    refund_sale_id,
    refund_sale_ids,
    revision_of,
    sale_id,
    taken_over,
    without_fulfillment,
)
from bcpoll.core.rejected import Reason
from bcpoll.core.sale import (
    Applied,
    AppliedState,
    CreateRefund,
    CreateSale,
    Desired,
    DesiredState,
    FulfillSale,
    Plan,
    Refunded,
    SaleState,
    SettleSale,
    VoidSale,
)
from bcpoll.core.shop import CancelledUnseen, Edits, Fulfillment, Policy, Refunds
from bcpoll.core.status import Disposition, OrderStatus
from bcpoll.core.translate import not_wanted

TRACKED = a_policy(fulfillment=Fulfillment.TRACK)

WANTED = {
    DesiredState.NOT_IMPORTED: not_wanted(1001),
    DesiredState.UNPAID: desired_of(an_order(**a_status(OrderStatus.AWAITING_PAYMENT))),
    DesiredState.OPEN: desired_of(an_order(), policy=TRACKED),
    DesiredState.PAID: desired_of(an_order(**a_status(OrderStatus.SHIPPED))),
    DesiredState.VOIDED: desired_of(an_order(**a_status(OrderStatus.CANCELLED))),
}
CONTENT = WANTED[DesiredState.PAID].content
FIRST, SECOND = sale_id(STORE, 1001, 1), sale_id(STORE, 1001, 2)


def applied(state: AppliedState, **changes: Any) -> Applied:
    if state is AppliedState.NOTHING:
        return Applied(order_id=1001)
    members = {"revision": 1, "sale_id": FIRST, "content": CONTENT, "total": Decimal("10.00")}
    return Applied(order_id=1001, state=state, **members | changes)


def planned(state: AppliedState, desired: DesiredState | Desired, **policy: Any) -> Plan:
    wanted = WANTED[desired] if isinstance(desired, DesiredState) else desired
    return plan(wanted, applied(state), store_hash=STORE, policy=a_policy(**policy))


# --- the table -------------------------------------------------------------------------------------------------------

NOTHING, UNPAID, OPEN, PAID, VOIDED = AppliedState
ROWS = [
    (NOTHING, DesiredState.NOT_IMPORTED, Step.NOTHING),
    (NOTHING, DesiredState.UNPAID, Step.CREATE),
    (NOTHING, DesiredState.OPEN, Step.CREATE),
    (NOTHING, DesiredState.PAID, Step.CREATE),
    (NOTHING, DesiredState.VOIDED, Step.CREATE_VOIDED),
    (UNPAID, DesiredState.NOT_IMPORTED, Step.LEFT),
    (UNPAID, DesiredState.UNPAID, Step.NOTHING),
    (UNPAID, DesiredState.OPEN, Step.REPLACE),
    (UNPAID, DesiredState.PAID, Step.SETTLE),
    (UNPAID, DesiredState.VOIDED, Step.VOID),
    (OPEN, DesiredState.NOT_IMPORTED, Step.LEFT),
    (OPEN, DesiredState.UNPAID, Step.UNPAID_AGAIN),
    (OPEN, DesiredState.OPEN, Step.NOTHING),
    (OPEN, DesiredState.PAID, Step.FULFILL),
    (OPEN, DesiredState.VOIDED, Step.VOID),
    (PAID, DesiredState.NOT_IMPORTED, Step.LEFT),
    (PAID, DesiredState.UNPAID, Step.UNPAID_AGAIN),
    (PAID, DesiredState.OPEN, Step.NOTHING),
    (PAID, DesiredState.PAID, Step.NOTHING),
    (PAID, DesiredState.VOIDED, Step.VOID),
    (VOIDED, DesiredState.NOT_IMPORTED, Step.NOTHING),
    (VOIDED, DesiredState.UNPAID, Step.CREATE),
    (VOIDED, DesiredState.OPEN, Step.CREATE),
    (VOIDED, DesiredState.PAID, Step.CREATE),
    (VOIDED, DesiredState.VOIDED, Step.NOTHING),
]
IDS = [f"{row[0]} to {row[1]}" for row in ROWS]


@pytest.mark.parametrize(("state", "desired", "step"), ROWS, ids=IDS)
def test_a_pair_of_applied_and_desired_has_its_step(state: AppliedState, desired: DesiredState, step: Step) -> None:
    assert LIFE_CYCLE[state, desired] is step


def test_the_table_has_a_row_for_every_pair() -> None:
    assert set(LIFE_CYCLE) == {(state, desired) for state in AppliedState for desired in DesiredState}
    assert set(LIFE_CYCLE) == {(state, desired) for state, desired, _ in ROWS}


REFUSED = {
    (UNPAID, DesiredState.NOT_IMPORTED): Reason.LEFT_SALE,
    (OPEN, DesiredState.NOT_IMPORTED): Reason.LEFT_SALE,
    (PAID, DesiredState.NOT_IMPORTED): Reason.LEFT_SALE,
    (OPEN, DesiredState.UNPAID): Reason.UNPAID_AGAIN,
    (PAID, DesiredState.UNPAID): Reason.UNPAID_AGAIN,
}


@pytest.mark.parametrize(("state", "desired", "_step"), ROWS, ids=IDS)
def test_only_these_pairs_are_refused_and_each_says_why(
    state: AppliedState, desired: DesiredState, _step: Step
) -> None:
    notice = planned(state, desired).notice
    assert (notice.reason if notice else None) is REFUSED.get((state, desired))


def test_every_step_is_taken_somewhere() -> None:
    assert set(LIFE_CYCLE.values()) == set(Step)


DONE = {
    Step.NOTHING: (),
    Step.CREATE: (CreateSale,),
    Step.CREATE_VOIDED: (CreateSale,),
    Step.SETTLE: (SettleSale,),
    Step.FULFILL: (FulfillSale,),
    Step.REPLACE: (VoidSale, CreateSale),
    Step.VOID: (VoidSale,),
    Step.LEFT: (),
    Step.UNPAID_AGAIN: (),
}


@pytest.mark.parametrize(("state", "desired", "step"), ROWS, ids=IDS)
def test_a_step_has_its_actions(state: AppliedState, desired: DesiredState, step: Step) -> None:
    told = planned(state, desired)
    assert tuple(type(action) for action in told.actions) == DONE[step]
    assert (told.notice is not None) is (step in (Step.LEFT, Step.UNPAID_AGAIN))
    assert told.order_id == 1001


@pytest.mark.parametrize(("state", "desired", "step"), ROWS, ids=IDS)
def test_after_its_actions_nothing_is_left_to_do(state: AppliedState, desired: DesiredState, step: Step) -> None:
    wanted, now = WANTED[desired], applied(state)
    for action in planned(state, desired).actions:
        now = after(now, action, wanted.content)
    assert plan(wanted, now, store_hash=STORE, policy=a_policy()).actions == ()


# --- each step -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("desired", "becomes"),
    [
        (DesiredState.UNPAID, UNPAID),
        (DesiredState.OPEN, OPEN),
        (DesiredState.PAID, PAID),
        (DesiredState.VOIDED, VOIDED),
    ],
)
def test_the_first_sale_of_an_order_is_its_first_revision(desired: DesiredState, becomes: AppliedState) -> None:
    assert planned(NOTHING, desired).actions == (
        CreateSale(order_id=1001, sale_id=FIRST, revision=1, sale=WANTED[desired].sale, becomes=becomes),  # type: ignore[arg-type]
    )


def test_a_cancelled_order_that_was_never_seen_may_be_left_out() -> None:
    told = planned(NOTHING, DesiredState.VOIDED, cancelled_unseen=CancelledUnseen.SKIP)
    assert told == Plan(order_id=1001)


def test_a_cancelled_order_that_was_seen_is_voided_all_the_same() -> None:
    told = planned(PAID, DesiredState.VOIDED, cancelled_unseen=CancelledUnseen.SKIP)
    assert told.actions == (VoidSale(order_id=1001, sale_id=FIRST),)


def test_an_order_that_was_left_out_is_written_when_it_is_revived() -> None:
    told = planned(NOTHING, DesiredState.PAID, cancelled_unseen=CancelledUnseen.SKIP)
    assert [type(action) for action in told.actions] == [CreateSale]


def test_a_revived_order_gets_the_next_revision() -> None:
    (action,) = planned(VOIDED, DesiredState.PAID).actions
    assert isinstance(action, CreateSale)
    assert (action.sale_id, action.revision) == (SECOND, 2)


def test_payments_are_added_to_the_sale_that_there_is() -> None:
    wanted = WANTED[DesiredState.PAID]
    assert planned(UNPAID, wanted).actions == (SettleSale(order_id=1001, sale_id=FIRST, sale=wanted.sale),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "status",
    [OrderStatus.DISPUTED, OrderStatus.PARTIALLY_REFUNDED],
    ids=lambda status: status.title,
)
def test_a_dispute_or_a_refund_of_a_part_does_not_say_that_the_goods_have_left(status: OrderStatus) -> None:
    desired = desired_of(an_order(**a_status(status)), policy=TRACKED)

    assert planned(OPEN, desired) == Plan(order_id=1001)


@pytest.mark.parametrize(
    ("status", "shipped"),
    [
        (OrderStatus.REFUNDED, ""),
        (OrderStatus.DISPUTED, "Fri, 02 Jan 2026 09:00:00 +0000"),
        (OrderStatus.PARTIALLY_REFUNDED, "Fri, 02 Jan 2026 09:00:00 +0000"),
    ],
    ids=["all of it refunded", "disputed after it was sent", "refunded in part after it was sent"],
)
def test_an_order_of_which_nothing_is_left_to_send_completes_its_sale(status: OrderStatus, shipped: str) -> None:
    desired = desired_of(an_order(**a_status(status), date_shipped=shipped), policy=TRACKED)

    assert planned(OPEN, desired).actions == (FulfillSale(order_id=1001, sale_id=FIRST),)


def test_an_order_that_was_sent_and_is_awaited_again_is_not_handed_over() -> None:
    sent = {"date_shipped": "Fri, 02 Jan 2026 09:00:00 +0000"}
    desired = desired_of(an_order(**a_status(OrderStatus.AWAITING_SHIPMENT), **sent))

    assert planned(OPEN, desired).actions == ()


def test_an_order_that_was_sent_completes_its_sale() -> None:
    assert planned(OPEN, DesiredState.PAID).actions == (FulfillSale(order_id=1001, sale_id=FIRST),)


@pytest.mark.parametrize("state", [UNPAID, OPEN, PAID])
def test_a_cancelled_order_voids_its_sale(state: AppliedState) -> None:
    assert planned(state, DesiredState.VOIDED).actions == (VoidSale(order_id=1001, sale_id=FIRST),)


@pytest.mark.parametrize("state", [UNPAID, OPEN, PAID])
def test_an_order_that_is_not_imported_any_more_leaves_its_sale_with_a_word(state: AppliedState) -> None:
    notice = planned(state, DesiredState.NOT_IMPORTED).notice
    assert notice is not None
    assert (notice.reason, notice.order_id, notice.field) == (Reason.LEFT_SALE, 1001, "status_id")
    assert notice.detail == f"sale {FIRST} over 10.00"


@pytest.mark.parametrize("state", [OPEN, PAID])
def test_an_order_whose_payment_is_gone_leaves_its_payments_with_a_word(state: AppliedState) -> None:
    notice = planned(state, DesiredState.UNPAID).notice
    assert notice is not None
    assert notice.reason is Reason.UNPAID_AGAIN
    assert notice.detail == f"sale {FIRST} over 10.00 has payments"


# --- edits -----------------------------------------------------------------------------------------------------------

DEARER = a_line(price="12.00")
EDITED = {
    DesiredState.UNPAID: desired_of(an_order(DEARER, **a_status(OrderStatus.AWAITING_PAYMENT))),
    DesiredState.OPEN: desired_of(an_order(DEARER), policy=TRACKED),
    DesiredState.PAID: desired_of(an_order(DEARER)),
}
LIVE = [(state, desired) for state in (UNPAID, OPEN, PAID) for desired in EDITED]


@pytest.mark.parametrize(("state", "desired"), LIVE, ids=[f"{state} to {desired}" for state, desired in LIVE])
def test_an_edited_order_replaces_its_sale(state: AppliedState, desired: DesiredState) -> None:
    void, create = planned(state, EDITED[desired]).actions
    assert void == VoidSale(order_id=1001, sale_id=FIRST)
    assert isinstance(create, CreateSale)
    assert (create.sale_id, create.revision, create.sale.total) == (SECOND, 2, 12)
    assert create.becomes.value == desired.value


@pytest.mark.parametrize(
    ("state", "desired"),
    [pair for pair in LIVE if LIFE_CYCLE[pair] is not Step.REPLACE],
    ids=lambda value: str(value),
)
def test_an_edited_order_may_wait_for_a_person_instead(state: AppliedState, desired: DesiredState) -> None:
    told = planned(state, EDITED[desired], edits=Edits.REVIEW)
    assert told.actions == ()
    assert told.notice is not None
    assert told.notice.reason is Reason.EDITED
    assert told.notice.detail == "sale 10.00, order now 12.00"


@pytest.mark.parametrize("edits", Edits)
def test_an_edit_of_a_voided_order_is_of_no_account(edits: Edits) -> None:
    raw = an_order(DEARER, **a_status(OrderStatus.CANCELLED))
    assert planned(VOIDED, desired_of(raw), edits=edits) == Plan(order_id=1001)


@pytest.mark.parametrize("edits", Edits)
def test_an_order_that_is_edited_and_cancelled_is_voided(edits: Edits) -> None:
    raw = an_order(DEARER, **a_status(OrderStatus.CANCELLED))
    assert planned(PAID, desired_of(raw), edits=edits).actions == (VoidSale(order_id=1001, sale_id=FIRST),)


def test_an_edit_that_was_applied_is_none_any_more() -> None:
    now = applied(PAID)
    for action in planned(PAID, EDITED[DesiredState.PAID]).actions:
        now = after(now, action, EDITED[DesiredState.PAID].content)
    assert now == Applied(
        order_id=1001,
        state=PAID,
        revision=2,
        sale_id=SECOND,
        content=EDITED[DesiredState.PAID].content,
        total=Decimal("12.00"),
    )


# --- what the ledger says afterwards ---------------------------------------------------------------------------------


def test_a_created_sale_stands_in_the_ledger() -> None:
    (action,) = planned(NOTHING, DesiredState.PAID).actions
    assert after(Applied(order_id=1001), action, CONTENT) == applied(PAID)


@pytest.mark.parametrize(
    ("action", "state"),
    [
        (SettleSale(order_id=1001, sale_id=FIRST, sale=WANTED[DesiredState.PAID].sale), PAID),  # type: ignore[arg-type]
        (FulfillSale(order_id=1001, sale_id=FIRST), PAID),
        (VoidSale(order_id=1001, sale_id=FIRST), VOIDED),
    ],
    ids=["settled", "fulfilled", "voided"],
)
def test_a_changed_sale_keeps_its_row_but_for_the_state(action: Any, state: AppliedState) -> None:
    assert after(applied(UNPAID), action, "another") == applied(state)


def test_a_sale_whose_address_is_refused_becomes_a_plain_closed_one() -> None:
    (action,) = planned(NOTHING, DesiredState.OPEN).actions
    assert isinstance(action, CreateSale)
    plain = without_fulfillment(action)
    assert (plain.becomes, plain.sale_id, plain.revision) == (PAID, FIRST, 1)
    assert plain.sale == replace(WANTED[DesiredState.PAID].sale)  # type: ignore[type-var]
    assert plain.sale.state is SaleState.CLOSED


# --- ids -------------------------------------------------------------------------------------------------------------


def test_the_id_of_a_sale_is_the_same_for_ever() -> None:
    assert sale_id("abc123", 1001, 1) == "a8c5df1d-6037-5018-9fe9-ea3f66c49b71"


def test_the_id_of_a_sale_is_a_uuid_of_version_five() -> None:
    assert uuid.UUID(FIRST).version == 5


@pytest.mark.parametrize(
    ("store", "order_id", "revision"),
    [("abc124", 1001, 1), ("abc123", 1002, 1), ("abc123", 1001, 2), ("abc123", 100, 11)],
)
def test_another_store_order_or_revision_has_another_id(store: str, order_id: int, revision: int) -> None:
    assert sale_id(store, order_id, revision) != sale_id("abc123", 1001, 1)


@pytest.mark.parametrize(("revision", "found"), [(1, 1), (2, 2), (50, 50), (51, 0), (0, 0)])
def test_an_id_tells_which_of_fifty_sales_of_its_order_it_is(revision: int, found: int) -> None:
    assert revision_of(STORE, 1001, sale_id(STORE, 1001, revision).upper()) == found
    assert revision_of(STORE, 1002, sale_id(STORE, 1001, revision)) == 0


def test_a_sale_that_was_read_back_is_taken_over_where_its_total_fits() -> None:
    wanted = WANTED[DesiredState.PAID]
    assert wanted.sale is not None
    read_back = applied(AppliedState.PAID, content="", total=wanted.sale.total)

    assert plan(wanted, read_back, store_hash=STORE, policy=a_policy()).actions == ()
    assert taken_over(read_back, wanted).content == CONTENT


@pytest.mark.parametrize("beside", ["0.00001", "-0.00001", "0.00499", "-0.00499"])
def test_a_total_that_the_pos_added_up_from_unit_values_fits_and_is_taken_over_in_whole_cents(beside: str) -> None:
    wanted = WANTED[DesiredState.PAID]
    assert wanted.sale is not None
    read_back = applied(AppliedState.PAID, content="", total=wanted.sale.total + Decimal(beside))

    assert plan(wanted, read_back, store_hash=STORE, policy=a_policy()).actions == ()
    assert taken_over(read_back, wanted).total == wanted.sale.total


@pytest.mark.parametrize("beside", ["0.005", "-0.005", "0.01"])
def test_a_sale_that_was_read_back_and_misses_half_a_cent_is_an_edit(beside: str) -> None:
    wanted = WANTED[DesiredState.PAID]
    assert wanted.sale is not None
    read_back = applied(AppliedState.PAID, content="", total=wanted.sale.total + Decimal(beside))

    assert len(plan(wanted, read_back, store_hash=STORE, policy=a_policy()).actions) == 2


def test_where_a_currency_has_three_digits_two_fils_are_an_edit() -> None:
    wanted = WANTED[DesiredState.PAID]
    assert wanted.sale is not None
    in_fils = replace(wanted, sale=replace(wanted.sale, total=Decimal("12.345")))
    read_back = applied(AppliedState.PAID, content="", total=Decimal("12.347"))

    assert len(plan(in_fils, read_back, store_hash=STORE, policy=a_policy()).actions) == 2


def test_a_total_that_is_known_is_compared_by_the_content_alone() -> None:
    wanted = WANTED[DesiredState.PAID]
    assert wanted.sale is not None
    known = applied(AppliedState.PAID, total=wanted.sale.total + Decimal("0.001"))

    assert taken_over(known, wanted) is known


def test_a_sale_that_was_read_back_with_another_total_is_an_edit() -> None:
    read_back = applied(AppliedState.PAID, content="", total=Decimal("0.01"))

    void, create = plan(WANTED[DesiredState.PAID], read_back, store_hash=STORE, policy=a_policy()).actions

    assert (type(void), type(create)) == (VoidSale, CreateSale)


@pytest.mark.parametrize(
    ("before", "desired"),
    [
        (AppliedState.PAID, DesiredState.PAID),
        (AppliedState.VOIDED, DesiredState.VOIDED),
        (AppliedState.NOTHING, DesiredState.NOT_IMPORTED),
    ],
    ids=["its content is known", "no sale is live", "nothing is desired"],
)
def test_otherwise_nothing_is_taken_over(before: AppliedState, desired: DesiredState) -> None:
    known = applied(before) if before is AppliedState.PAID else applied(before, content="")

    assert taken_over(known, WANTED[desired]) is known


# --- refunds ---------------------------------------------------------------------------------------------------------

THREE_MUGS = an_order(a_line(price="10.00", quantity=3), **a_status(OrderStatus.SHIPPED))


def a_return(number: int = 31, units: int = 1, **changes: Any) -> Any:
    return a_refund(a_returned(units=units), total=10 * units, id=number, **changes)


def planned_refunds(
    *told: Any, raw: Any = THREE_MUGS, state: AppliedState = PAID, refunded: Refunded | None = None, **policy: Any
) -> Plan:
    """The plan for an order over 30.00 with refunds that wait."""
    given, choices = applied(state, total=Decimal("30.00")), a_policy(**policy)
    desired = refunded_of(raw, *told, policy=choices)
    known = refunded or Refunded(is_known=bool(told))
    # What was applied had the same content as what is desired now, unless the order was edited.
    given = replace(given, content=desired_of(THREE_MUGS).content) if given.sale_id else given
    return plan(desired, given, store_hash=STORE, policy=choices, refunded=known)


def booked(total: str, **members: Any) -> Refunded:
    return Refunded(total=Decimal(total), is_booked=True, is_known=True, **members)


def test_a_refund_gets_a_sale_of_its_own_once_the_order_s_stands() -> None:
    told = planned_refunds(a_return(31), a_return(32, 2))
    assert [type(action) for action in told.actions] == [CreateRefund, CreateRefund]
    assert [action.sale_id for action in told.actions] == [refund_sale_id(STORE, 31), refund_sale_id(STORE, 32)]
    assert {action.order_id for action in told.actions} == {1001}
    assert told.notice is None
    assert all(isinstance(action, CreateRefund) and action.restocks for action in told.actions)


def test_the_id_of_a_refund_s_sale_never_changes() -> None:
    namespace = uuid.UUID("6f2d9c1e-0b5a-5c57-9a3f-2f1f6b8d4a10")
    assert refund_sale_id("abc123", 31) == str(uuid.uuid5(namespace, "bigcommerce:abc123:refund:31"))


def test_a_refund_that_was_undone_gets_a_sale_under_another_id() -> None:
    told = planned_refunds(a_return(31), refunded=Refunded(undone={31: 2}))

    assert [action.sale_id for action in told.actions] == [refund_sale_id(STORE, 31, 2)]
    assert refund_sale_ids(STORE, 31)[-3:] == tuple(refund_sale_id(STORE, 31, undone) for undone in (2, 1, 0))
    assert len(set(refund_sale_ids(STORE, 31))) == 5


def test_a_new_order_s_refund_comes_after_its_sale() -> None:
    told = planned_refunds(a_return(), state=NOTHING)
    assert [type(action) for action in told.actions] == [CreateSale, CreateRefund]


def test_goods_that_are_not_to_be_stock_again_are_taken_out() -> None:
    (action,) = planned_refunds(a_return(), restock_refunds=False).actions
    assert isinstance(action, CreateRefund)
    assert not action.restocks
    assert action.sale.total == Decimal("-10.00")


def test_a_refund_leaves_the_order_s_own_sale_as_it_was() -> None:
    (action,) = planned_refunds(a_return()).actions
    before = applied(PAID)
    assert after(before, action, CONTENT) is before


def test_a_declined_refund_is_noted_and_nothing_else() -> None:
    told = planned_refunds(a_return(payments=[a_refund_payment("10.00", declined=True)]))
    assert (told.actions, told.notice, told.declined) == ((), None, (31,))


def test_refunds_that_are_ignored_are_nobody_s() -> None:
    raw = THREE_MUGS | a_status(OrderStatus.REFUNDED)
    told = planned_refunds(raw=raw, refunded=booked("10.00"), refunds=Refunds.IGNORE)
    assert (told.actions, told.notice) == ((), None)


@pytest.mark.parametrize("mugs", [3, 2], ids=["as it was sold", "edited to what the refund leaves"])
@pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.DECLINED])
def test_the_refund_of_an_order_that_is_voided_waits(status: OrderStatus, mugs: int) -> None:
    raw = an_order(a_line(price="10.00", quantity=mugs), **a_status(status))
    told = planned_refunds(a_return(), raw=raw)
    assert [type(action) for action in told.actions] == [VoidSale]
    assert told.notice is None
    assert planned_refunds(a_return(), raw=raw, state=VOIDED).actions == ()


def test_a_sale_whose_refunds_stand_is_not_voided() -> None:
    told = planned_refunds(raw=THREE_MUGS | a_status(OrderStatus.CANCELLED), refunded=booked("10.00"))
    assert told.actions == ()
    assert told.notice is not None
    assert told.notice.reason is Reason.CANCELLED_AFTER_REFUND
    assert told.notice.detail == f"sale {FIRST} over 30.00, refunds booked 10.00, waiting 0"


FOUR_MUGS = an_order(a_line(price="10.00", quantity=4), **a_status(OrderStatus.SHIPPED))


def test_a_sale_whose_refunds_stand_is_not_written_anew() -> None:
    told = planned_refunds(a_return(32), raw=FOUR_MUGS, refunded=booked("10.00"))
    assert told.actions == ()
    assert told.notice is not None
    assert (told.notice.reason, told.notice.detail[-13:]) == (Reason.EDITED_AFTER_REFUND, "waiting 10.00")


def test_an_order_that_was_edited_and_then_refunded_gets_both() -> None:
    told = planned_refunds(a_return(), raw=FOUR_MUGS)
    assert [type(action) for action in told.actions] == [VoidSale, CreateSale, CreateRefund]


def test_an_edit_that_is_just_the_refund_is_not_taken_for_both() -> None:
    less = an_order(a_line(price="10.00", quantity=2), **a_status(OrderStatus.SHIPPED))
    told = planned_refunds(a_return(), raw=less)
    assert told.actions == ()
    assert told.notice is not None
    assert told.notice.reason is Reason.EDITED_AFTER_REFUND


def test_a_refund_that_may_be_of_the_lines_before_an_edit_is_left_to_a_person() -> None:
    dearer = an_order(a_line(price="12.00", quantity=4), **a_status(OrderStatus.SHIPPED))
    told = planned_refunds(a_return(), raw=dearer)
    assert told.actions == ()
    assert told.notice is not None
    assert told.notice.reason is Reason.EDITED_AFTER_REFUND


def test_the_refund_of_an_edit_for_review_waits() -> None:
    told = planned_refunds(a_return(), raw=FOUR_MUGS, edits=Edits.REVIEW)
    assert told.actions == ()
    assert told.notice is not None
    assert told.notice.reason is Reason.EDITED
    assert told.notice.detail.endswith("; refunds waiting 10.00")


def test_a_payment_that_is_gone_keeps_no_refund_waiting() -> None:
    told = planned_refunds(a_return(), raw=THREE_MUGS | a_status(OrderStatus.AWAITING_PAYMENT))
    assert [type(action) for action in told.actions] == [CreateRefund]
    assert told.notice is not None
    assert told.notice.reason is Reason.UNPAID_AGAIN


def test_refunds_never_exceed_what_was_sold() -> None:
    told = planned_refunds(a_return(31, 2), a_return(32, 2), a_return(33), refunded=booked("0"))
    assert [action.sale_id for action in told.actions] == [refund_sale_id(STORE, 31), refund_sale_id(STORE, 33)]
    assert told.notice is not None
    assert (told.notice.reason, told.notice.field) == (Reason.REFUND_EXCEEDS, "refunds.32")
    assert told.notice.detail == "refund of 20.00, of the sale 10.00 are left"


def test_what_was_booked_before_counts() -> None:
    told = planned_refunds(a_return(), refunded=booked("25.00"))
    assert told.actions == ()
    assert told.notice is not None
    assert told.notice.detail == "refund of 10.00, of the sale 5.00 are left"


def test_units_never_come_back_twice() -> None:
    cheap = a_return(32, 2) | {"total_amount": "1.00", "payments": [a_refund_payment("1.00")]}
    told = planned_refunds(cheap, refunded=booked("1.00", units={1: 2}))
    assert told.actions == ()
    assert told.notice is not None
    assert told.notice.detail == "4 units of line 1 returned, 3 sold"


def test_units_are_counted_over_all_refunds_of_an_order() -> None:
    lines = numbered(a_line(price="10.00", quantity=3), a_line("PEN", price="1.00"))
    returned = {31: (1, 1), 32: (1, 1), 33: (2, 1), 34: (1, 2)}
    told = [a_refund(a_returned(line, units), total="1.00", id=number) for number, (line, units) in returned.items()]
    desired = refunded_of(an_order(*lines, **a_status(OrderStatus.SHIPPED)), *told)
    given = applied(PAID, content=desired.content, total=Decimal("31.00"))
    found = plan(desired, given, store_hash=STORE, policy=a_policy(), refunded=Refunded(is_known=True))
    assert [action.sale_id for action in found.actions] == [refund_sale_id(STORE, number) for number in (31, 32, 33)]
    assert found.notice is not None
    assert (found.notice.field, found.notice.detail) == ("refunds.34", "4 units of line 1 returned, 3 sold")


def test_an_unreadable_refund_does_not_hold_up_another() -> None:
    told = planned_refunds(a_return(31, created="?"), a_return(32))
    assert [action.sale_id for action in told.actions] == [refund_sale_id(STORE, 32)]
    assert told.notice is not None
    assert told.notice.field == "refunds.31.created"


def test_a_refund_that_changed_after_booking_is_told() -> None:
    told = planned_refunds(refunded=booked("10.00", changed=(31,)))
    assert told.notice is not None
    assert (told.notice.reason, told.notice.field) == (Reason.REFUND_CHANGED, "refunds.31")
    assert told.notice.detail == "BigCommerce tells it otherwise than when it was booked"


def test_a_status_of_refunded_without_a_record_is_told() -> None:
    raw = THREE_MUGS | a_status(OrderStatus.REFUNDED)
    told = planned_refunds(raw=raw)
    assert told.actions == ()
    assert told.notice is not None
    assert (told.notice.reason, told.notice.field) == (Reason.REFUND_UNKNOWN, "status_id")
    assert told.notice.detail == "status Refunded, and no refund on record"
    assert planned_refunds(raw=raw, refunded=Refunded(is_known=True)).notice is None
    assert planned_refunds(raw=THREE_MUGS | a_status(OrderStatus.PARTIALLY_REFUNDED)).notice is None


# --- chains ----------------------------------------------------------------------------------------------------------

STATUSES = st.lists(st.sampled_from(OrderStatus), min_size=1, max_size=8)
POLICIES = st.builds(
    a_policy, fulfillment=st.sampled_from(Fulfillment), cancelled_unseen=st.sampled_from(CancelledUnseen)
)


def wanted_of(chain: Sequence[OrderStatus], policy: Policy) -> Desired:
    """What is wanted at the end of a chain of statuses: once sent, the order bears the date of it."""
    sent = any(status in (OrderStatus.SHIPPED, OrderStatus.COMPLETED) for status in chain)
    date = {"date_shipped": "Fri, 02 Jan 2026 09:00:00 +0000"} if sent else {}
    if policy.statuses.disposition(chain[-1]) is Disposition.NOT_IMPORTED:
        return WANTED[DesiredState.NOT_IMPORTED]
    return desired_of(an_order(**a_status(chain[-1]), **date), policy=policy)


def lived(chain: Sequence[OrderStatus], steps: Iterable[int], policy: Policy) -> list[Applied]:
    """What was applied after each look, the first at nothing; looks come after so many steps of the chain."""
    seen = [applied(NOTHING)]
    for step in steps:
        wanted, now = wanted_of(chain[:step], policy), seen[-1]
        for action in plan(wanted, now, store_hash=STORE, policy=policy).actions:
            now = after(now, action, wanted.content)
        seen.append(now)
    return seen


@given(chain=STATUSES, policy=POLICIES, chance=st.randoms(use_true_random=False))
def test_it_does_not_matter_how_often_a_chain_of_statuses_is_looked_at(
    chain: list[OrderStatus], policy: Policy, chance: Random
) -> None:
    looks = [step for step in range(1, len(chain)) if chance.random() < 0.7]
    *before, now = lived(chain, [*looks, len(chain)], policy)
    once = lived(chain, [len(chain)], policy)[-1]
    wanted = wanted_of(chain, policy).state

    if (before[-1].state, wanted) in REFUSED:
        assert now == before[-1]
    elif (now.state, once.state) == (PAID, OPEN):
        # What was handed over is not waited for again.
        assert PAID in {one.state for one in before}
    elif NOTHING in (now.state, once.state):
        # That an order was never seen before it was cancelled leaves no trace where the settings want none.
        assert {now.state, once.state} <= {NOTHING, VOIDED}
    else:
        assert (now.state, now.total, now.content) == (once.state, once.total, once.content)
