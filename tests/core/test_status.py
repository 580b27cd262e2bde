"""The status table, row by row, and what a merchant may change about it."""

import pytest

from bcpoll.core.status import STATUS_TABLE, Disposition, OrderStatus, Paid, StatusPolicy

NOT_IMPORTED, CLOSED, VOIDED = Disposition.NOT_IMPORTED, Disposition.CLOSED, Disposition.VOIDED

ROWS = [
    (0, "Incomplete", NOT_IMPORTED, Paid.NO),
    (1, "Pending", NOT_IMPORTED, Paid.NO),
    (2, "Shipped", CLOSED, Paid.YES),
    (3, "Partially Shipped", CLOSED, Paid.YES),
    (4, "Refunded", CLOSED, Paid.YES),
    (5, "Cancelled", VOIDED, Paid.NO),
    (6, "Declined", VOIDED, Paid.NO),
    (7, "Awaiting Payment", CLOSED, Paid.NO),
    (8, "Awaiting Pickup", CLOSED, Paid.YES),
    (9, "Awaiting Shipment", CLOSED, Paid.YES),
    (10, "Completed", CLOSED, Paid.YES),
    (11, "Awaiting Fulfillment", CLOSED, Paid.YES),
    (12, "Manual Verification Required", CLOSED, Paid.IF_CAPTURED),
    (13, "Disputed", CLOSED, Paid.YES),
    (14, "Partially Refunded", CLOSED, Paid.YES),
]
# fmt: off
PAYMENT_STATUSES = [
    "authorized", "captured", "capture pending", "declined", "held for review", "paid", "partially refunded",
    "pending", "refunded", "void", "void pending", "",
]
# fmt: on
PLAIN = StatusPolicy.with_overrides({})


@pytest.mark.parametrize(("number", "title", "disposition", "paid"), ROWS, ids=[row[1] for row in ROWS])
def test_a_status_has_its_row(number: int, title: str, disposition: Disposition, paid: Paid) -> None:
    status = OrderStatus(number)
    assert status.title == title
    assert STATUS_TABLE[status].disposition is disposition
    assert STATUS_TABLE[status].paid is paid


def test_the_table_is_total() -> None:
    assert set(STATUS_TABLE) == set(OrderStatus) == {OrderStatus(number) for number, *_ in ROWS}


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        STATUS_TABLE[OrderStatus.PENDING] = STATUS_TABLE[OrderStatus.SHIPPED]  # type: ignore[index]


@pytest.mark.parametrize("disposition", Disposition)
@pytest.mark.parametrize("status", OrderStatus, ids=lambda status: status.title)
def test_any_row_may_be_overridden(status: OrderStatus, disposition: Disposition) -> None:
    policy = StatusPolicy.with_overrides({status: disposition})
    others = set(OrderStatus) - {status}
    assert policy.disposition(status) is disposition
    assert {other: policy.rules[other] for other in others} == {other: STATUS_TABLE[other] for other in others}


def test_an_overridden_row_keeps_what_it_says_about_payment() -> None:
    policy = StatusPolicy.with_overrides({OrderStatus.DISPUTED: CLOSED, OrderStatus.PENDING: CLOSED})
    assert policy.is_paid(OrderStatus.DISPUTED, "")
    assert not policy.is_paid(OrderStatus.PENDING, "captured")


@pytest.mark.parametrize("payment_status", PAYMENT_STATUSES)
def test_a_status_of_money_in_is_paid_whatever_its_payment_status(payment_status: str) -> None:
    assert PLAIN.is_paid(OrderStatus.COMPLETED, payment_status)


@pytest.mark.parametrize("payment_status", PAYMENT_STATUSES)
def test_awaiting_payment_is_never_paid(payment_status: str) -> None:
    assert not PLAIN.is_paid(OrderStatus.AWAITING_PAYMENT, payment_status)


@pytest.mark.parametrize("payment_status", PAYMENT_STATUSES)
def test_manual_verification_is_paid_only_once_the_money_is_taken(payment_status: str) -> None:
    paid = PLAIN.is_paid(OrderStatus.MANUAL_VERIFICATION_REQUIRED, payment_status)
    assert paid is (payment_status in ("captured", "paid"))


def test_a_payment_status_counts_in_any_case_and_with_blanks_around_it() -> None:
    assert PLAIN.is_paid(OrderStatus.MANUAL_VERIFICATION_REQUIRED, " Captured ")
