"""Which transactions are money, and which orders they can tell anything new about."""

from decimal import Decimal
from typing import Any

import pytest
from builders import a_policy, a_status, a_transaction, an_order, numbered, read, told_of
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.decode import decode_transactions
from bcpoll.core.money import ZERO, total
from bcpoll.core.order import Json
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.shop import Transactions
from bcpoll.core.status import Disposition, OrderStatus, StatusPolicy
from bcpoll.core.transactions import Received, may_tell_more, received


def amounts(*transactions: Json) -> list[str]:
    return [str(receipt.amount) for receipt in received_of(*transactions).receipts]


def received_of(*transactions: Json) -> Received:
    return received(told_of(*numbered(*transactions)))


# --- decoding --------------------------------------------------------------------------------------------------------


def test_a_transaction_is_read_with_the_name_of_its_way_of_paying() -> None:
    [cash, cheque] = told_of(
        a_transaction(" 12.50 ".strip(), "Pending", "Offline", offline={"display_name": " Pay in Store "}),
        a_transaction(method="custom", custom={"payment_method": "Cheque"}, currency="usd", gateway=None),
    )
    assert (cash.event, cash.method, cash.amount, cash.name) == ("pending", "offline", Decimal("12.50"), "Pay in Store")
    assert (cheque.name, cheque.currency, cheque.gateway) == ("Cheque", "USD", "")


@pytest.mark.parametrize("nothing", [None, {}, ""])
def test_what_is_not_given_is_empty_in_any_form(nothing: Any) -> None:
    names = ("gateway_transaction_id", "reference_transaction_id", "offline", "custom", "gateway", "currency")
    [one] = told_of(a_transaction(**dict.fromkeys(names, nothing)))
    assert (one.gateway_id, one.reference, one.name, one.gateway, one.currency) == ("", 0, "", "", "")


@pytest.mark.parametrize(
    ("changes", "is_ok"),
    [
        ({}, True),
        ({"status": "OK"}, True),
        ({"status": "error"}, False),
        ({"test": True}, False),
        ({"test": None}, True),
    ],
)
def test_only_what_went_well_and_is_no_test_counts(changes: Json, *, is_ok: bool) -> None:
    assert told_of(a_transaction(**changes))[0].is_ok is is_ok


def test_one_that_cannot_be_read_is_named_by_its_place() -> None:
    told = decode_transactions([a_transaction(), a_transaction(amount="1", id=2) | {"amount": "much"}], 1001)
    assert isinstance(told, Rejected)
    assert (told.reason, told.field, told.order_id) == (Reason.WRONG_TYPE, "transactions.1.amount", 1001)
    assert "'much'" in told.detail


def test_one_without_a_status_is_not_taken_for_money() -> None:
    told = decode_transactions([{"id": 1, "event": "purchase", "amount": 5}], 1001)
    assert isinstance(told, Rejected)
    assert (told.reason, told.field) == (Reason.MISSING_MEMBER, "transactions.0.status")


# --- which orders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["captured", "Paid", "", "refunded", "partially refunded"])
def test_a_plain_paid_order_is_not_asked_for(said: str) -> None:
    assert not may_tell_more(read(an_order(payment_status=said)), a_policy())


@pytest.mark.parametrize(
    "changes",
    [
        {"payment_status": "authorized"},
        {"payment_status": "pending"},
        {"payment_status": "capture pending"},
        {"payment_status": "declined"},
        {"payment_status": "held for review"},
        {"payment_status": "void"},
        {"payment_status": "something new"},
        {"store_credit_amount": "1.0000"},
        {"gift_certificate_amount": "1.0000"},
        a_status(OrderStatus.AWAITING_PAYMENT),
        a_status(OrderStatus.MANUAL_VERIFICATION_REQUIRED) | {"payment_status": "held for review"},
    ],
    ids=str,
)
def test_an_order_whose_status_leaves_it_open_is_asked_for(changes: Json) -> None:
    order = read(an_order(**changes))
    assert may_tell_more(order, a_policy())
    assert not may_tell_more(order, a_policy(transactions=Transactions.OFF))


@pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.DECLINED])
def test_an_order_that_is_no_sale_is_not_asked_for(status: OrderStatus) -> None:
    order = read(an_order(**a_status(status), payment_status="void"))
    assert not may_tell_more(order, a_policy())


def test_the_merchant_s_own_table_counts() -> None:
    statuses = StatusPolicy.with_overrides({OrderStatus.AWAITING_PAYMENT: Disposition.NOT_IMPORTED})
    order = read(an_order(**a_status(OrderStatus.AWAITING_PAYMENT)))
    assert not may_tell_more(order, a_policy(statuses=statuses))


# --- what is money ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["purchase", "capture", "settled"])
def test_money_comes_in_by_purchase_capture_or_settlement(event: str) -> None:
    assert amounts(a_transaction("12.50", event)) == ["12.50"]


@pytest.mark.parametrize("event", ["authorization", "pending", "void", "refund", "something new"])
def test_nothing_else_is_money(event: str) -> None:
    assert amounts(a_transaction("12.50", event)) == []


@pytest.mark.parametrize("changes", [{"status": "error"}, {"test": True}])
def test_failures_and_tests_count_for_nothing(changes: Json) -> None:
    found = received_of(a_transaction(**changes))
    assert found.is_silent
    assert found.receipts == ()


def test_captures_of_one_authorization_add_up() -> None:
    found = amounts(
        a_transaction("30.00", "authorization"),
        a_transaction("10.00", "capture", reference_transaction_id=1),
        a_transaction("20.00", "capture", reference_transaction_id=1),
    )
    assert found == ["30.00"]


@pytest.mark.parametrize("reference", [1, 2])
def test_a_settlement_is_the_captured_money_once_more(reference: int) -> None:
    found = amounts(
        a_transaction("30.00", "authorization"),
        a_transaction("30.00", "capture", reference_transaction_id=1),
        a_transaction("30.00", "settled", reference_transaction_id=reference),
    )
    assert found == ["30.00"]


def test_a_capture_that_follows_a_purchase_is_the_same_money() -> None:
    assert amounts(a_transaction(), a_transaction(event="capture", reference_transaction_id=1)) == ["10.00"]


def test_what_goes_by_one_number_of_the_gateway_is_one_payment() -> None:
    same = {"gateway_transaction_id": "pN5K"}
    assert amounts(a_transaction(**same), a_transaction(event="settled", **same)) == ["10.00"]


def test_one_number_at_two_gateways_is_two_payments() -> None:
    same = {"gateway_transaction_id": "7"}
    assert amounts(a_transaction(**same), a_transaction("5.00", gateway="squarev2", **same)) == ["10.00", "5.00"]


def test_two_purchases_are_two_payments() -> None:
    assert amounts(a_transaction(), a_transaction("2.00")) == ["10.00", "2.00"]


def test_captures_of_an_authorization_that_is_not_listed_are_one_payment() -> None:
    found = amounts(
        a_transaction("10.00", "capture", reference_transaction_id=90),
        a_transaction("10.00", "settled", reference_transaction_id=90),
    )
    assert found == ["10.00"]


def test_one_that_is_listed_twice_counts_once() -> None:
    assert [str(one.amount) for one in received(told_of(a_transaction(), a_transaction())).receipts] == ["10.00"]


def test_transactions_that_follow_each_other_in_a_circle_come_to_an_end() -> None:
    found = amounts(
        a_transaction("10.00", reference_transaction_id=2),
        a_transaction("10.00", "settled", reference_transaction_id=1),
    )
    assert found == ["10.00", "10.00"]


def test_an_amount_of_nothing_or_less_is_no_money() -> None:
    assert amounts(a_transaction("0"), a_transaction("-5.00")) == []


# --- voids -----------------------------------------------------------------------------------------------------------


def test_a_void_takes_away_the_money_that_it_names_and_what_came_of_it() -> None:
    found = amounts(
        a_transaction(),
        a_transaction("5.00"),
        a_transaction(event="settled", reference_transaction_id=1),
        a_transaction(event="void", reference_transaction_id=1),
    )
    assert found == ["5.00"]


def test_to_void_the_rest_of_an_authorization_leaves_its_capture() -> None:
    found = amounts(
        a_transaction("30.00", "authorization"),
        a_transaction("10.00", "capture", reference_transaction_id=1),
        a_transaction("20.00", "void", reference_transaction_id=1),
    )
    assert found == ["10.00"]


def test_a_void_that_names_nothing_goes_by_the_number_of_the_gateway() -> None:
    same = {"gateway_transaction_id": "pN5K"}
    assert amounts(a_transaction(**same), a_transaction("5.00"), a_transaction(event="void", **same)) == ["5.00"]


def test_a_void_that_failed_takes_nothing_away() -> None:
    found = amounts(a_transaction(), a_transaction(event="void", status="error", reference_transaction_id=1))
    assert found == ["10.00"]


# --- whose word counts for the rest ----------------------------------------------------------------------------------

OFFLINE = {"method": "offline", "offline": {"display_name": "Pay in Store"}, "gateway": "instore"}


def test_an_agreement_to_pay_by_hand_is_a_promise_that_the_status_keeps() -> None:
    found = received_of(a_transaction("25.00", "pending", **OFFLINE))
    assert (found.promise, found.leaves_rest_to_status) == (("Pay in Store", "instore"), True)


def test_a_promise_to_pay_by_hand_what_a_gateway_left_open_is_kept_by_the_status() -> None:
    found = received_of(a_transaction("5.00"), a_transaction("20.00", "pending", **OFFLINE))
    assert (found.promise, found.leaves_rest_to_status) == (("Pay in Store", "instore"), True)


def test_a_promise_that_brought_money_is_one_no_more() -> None:
    found = received_of(
        a_transaction("25.00", "pending", **OFFLINE),
        a_transaction("20.00", "capture", **OFFLINE, reference_transaction_id=1),
    )
    assert (found.promise, found.leaves_rest_to_status) == (None, False)
    assert [receipt.names for receipt in found.receipts] == [("Pay in Store", "instore")]


@pytest.mark.parametrize("event", ["purchase", "authorization", "pending", "void"])
def test_what_a_gateway_tells_leaves_nothing_to_the_status(event: str) -> None:
    found = received_of(a_transaction(event=event))
    assert not found.is_silent
    assert not found.leaves_rest_to_status


def test_store_credit_alone_leaves_the_rest_to_the_status() -> None:
    found = received_of(a_transaction("4.00", method="store_credit"))
    assert found.leaves_rest_to_status
    assert (found.by_method("store_credit"), found.by_method("gift_certificate")) == (Decimal("4.00"), None)
    assert found.others == ()


def test_store_credit_that_was_given_up_is_none() -> None:
    credit = {"method": "store_credit"}
    found = received_of(a_transaction(**credit), a_transaction(event="void", reference_transaction_id=1, **credit))
    assert found.by_method("store_credit") == ZERO


def test_a_refund_says_nothing_of_what_came_in() -> None:
    assert received_of(a_transaction(event="refund", method="credit_card")).is_silent


# --- whatever is told ------------------------------------------------------------------------------------------------

EVENTS = st.sampled_from(["purchase", "authorization", "capture", "settled", "pending", "void", "refund"])


@st.composite
def told(draw: st.DrawFn) -> list[Json]:
    count = draw(st.integers(0, 7))
    return numbered(
        *(
            a_transaction(
                Decimal(draw(st.integers(0, 5000))).scaleb(-2),
                draw(EVENTS),
                draw(st.sampled_from(["credit_card", "store_credit", "offline"])),
                status=draw(st.sampled_from(["ok", "ok", "ok", "error"])),
                reference_transaction_id=draw(st.none() | st.integers(1, count + 1)),
                gateway_transaction_id=draw(st.sampled_from([None, None, "A", "B"])),
            )
            for _ in range(count)
        )
    )


@given(told())
def test_no_more_comes_in_than_the_transactions_that_are_money_add_up_to(transactions: list[Json]) -> None:
    money = [
        one for one in transactions if one["event"] in ("purchase", "capture", "settled") and one["status"] == "ok"
    ]
    came = total(receipt.amount for receipt in received(told_of(*transactions)).receipts)
    assert ZERO <= came <= total(one["amount"] for one in money)


@given(told(), st.randoms(use_true_random=False))
def test_the_order_in_which_they_are_told_is_of_no_account(transactions: list[Json], random: Any) -> None:
    shuffled = random.sample(transactions, len(transactions))
    one, other = received(told_of(*transactions)), received(told_of(*shuffled))
    assert total(r.amount for r in one.receipts) == total(r.amount for r in other.receipts)
    assert one.leaves_rest_to_status == other.leaves_rest_to_status
