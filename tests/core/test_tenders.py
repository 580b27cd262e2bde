"""What a sale shows as paid, and by what: by transactions where they were read, else by the status."""

from collections.abc import Iterable
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from builders import a_line, a_policy, a_shop, a_status, a_transaction, an_order, attempt, desired_of, numbered
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.money import ZERO, Currency, total
from bcpoll.core.order import Json
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import Desired, DesiredState, Payment, Sale, SaleState
from bcpoll.core.shop import Shop, Tenders, Unpaid
from bcpoll.core.status import OrderStatus

AUTHORIZED = {"payment_status": "authorized"}
AWAITING = a_status(OrderStatus.AWAITING_PAYMENT) | {"payment_status": "pending"}
ON_ACCOUNT = a_policy(unpaid=Unpaid.ON_ACCOUNT)
OFFLINE = {"method": "offline", "offline": {"display_name": "Cash on Delivery"}, "gateway": "cod"}


def of(order: Json, *transactions: Json, shop: Shop | None = None, policy: Any = None) -> Desired:
    return desired_of(order, shop, policy, numbered(*transactions))


def refused(order: Json, *transactions: Json) -> Rejected:
    found = attempt(order, transactions=numbered(*transactions))
    assert isinstance(found, Rejected)
    return found


def sale(desired: Desired) -> Sale:
    assert desired.sale is not None
    return desired.sale


def paid(payments: Iterable[Payment]) -> dict[str, str]:
    return {payment.type_id: str(payment.amount) for payment in payments}


def fifty(**changes: Any) -> Json:
    return an_order(a_line(price="50.00"), **changes)


# --- transactions decide ---------------------------------------------------------------------------------------------


def test_an_authorized_order_is_not_paid_until_its_money_is_captured() -> None:
    promised = a_transaction("50.00", "authorization")
    desired = of(fifty(**AUTHORIZED), promised)
    assert (desired.state, sale(desired).state, sale(desired).payments) == (DesiredState.UNPAID, SaleState.CLOSED, ())
    assert desired.notes == ("Not paid when this was written, although BigCommerce says Awaiting Fulfillment.",)
    assert desired.notes[0] in sale(desired).note

    captured = of(fifty(**AUTHORIZED), promised, a_transaction("50.00", "capture", reference_transaction_id=1))
    assert (captured.state, captured.notes) == (DesiredState.PAID, ())
    assert paid(sale(captured).payments) == {"pay-web": "50.00"}


def test_an_order_that_awaits_its_payment_is_paid_once_the_money_is_there() -> None:
    desired = of(fifty(**AWAITING), a_transaction("50.00"))
    assert desired.state is DesiredState.PAID
    assert paid(sale(desired).payments) == {"pay-web": "50.00"}


def test_an_authorized_order_that_waits_for_its_money_says_nothing_odd() -> None:
    assert of(fifty(**AWAITING), a_transaction("50.00", "authorization")).notes == ()


def test_two_ways_of_paying_are_two_payments() -> None:
    tenders = Tenders(
        default_id="pay-web",
        gift_certificate_id="pay-certificate",
        store_credit_id="pay-credit",
        by_method=MappingProxyType({"squarev2": "pay-square"}),
    )
    desired = of(
        fifty(**AWAITING),
        a_transaction("10.00", gateway="squarev2"),
        a_transaction("15.00"),
        a_transaction("5.00"),
        a_transaction("20.00", method="gift_certificate"),
        shop=a_shop(tenders=tenders),
    )
    assert paid(sale(desired).payments) == {"pay-certificate": "20.00", "pay-square": "10.00", "pay-web": "20.00"}


@pytest.mark.parametrize(
    ("known", "found"),
    [
        (["cash on delivery", "cod", "credit card"], "cash on delivery"),
        (["cod", "credit card"], "cod"),
        (["credit card"], "credit card"),
        ([], "pay-web"),
    ],
)
def test_the_payment_map_is_asked_for_the_closest_name_first(known: list[str], found: str) -> None:
    by_method = MappingProxyType({name: name for name in known})
    tenders = Tenders(default_id="pay-web", gift_certificate_id="", store_credit_id="", by_method=by_method)
    desired = of(fifty(**AWAITING), a_transaction("50.00", **OFFLINE), shop=a_shop(tenders=tenders))
    assert paid(sale(desired).payments) == {found: "50.00"}


def test_a_custom_way_of_paying_goes_by_its_own_name() -> None:
    custom = {"method": "custom", "custom": {"payment_method": "Cash on Delivery"}}
    assert paid(sale(of(fifty(**AWAITING), a_transaction("50.00", **custom))).payments) == {"pay-cash": "50.00"}


def test_amounts_are_rounded_to_the_currency() -> None:
    order = an_order(a_line(price="50"), **AWAITING, default_currency_code="JPY")
    desired = of(order, a_transaction("49.6", currency="JPY"), shop=a_shop(currency=Currency("JPY")))
    assert paid(sale(desired).payments) == {"pay-web": "50"}


# --- part of it ------------------------------------------------------------------------------------------------------


def test_an_order_paid_in_part_stands_on_account_with_what_was_paid() -> None:
    desired = of(fifty(**AWAITING), a_transaction("20.00"), policy=ON_ACCOUNT)
    assert (desired.state, sale(desired).state) == (DesiredState.UNPAID, SaleState.PENDING)
    assert sale(desired).attributes == ("onaccount",)
    assert paid(sale(desired).payments) == {"pay-web": "20.00"}


@pytest.mark.parametrize("changes", [{"policy": a_policy()}, {"policy": ON_ACCOUNT, "email": ""}])
def test_a_closed_sale_shows_all_payments_or_none(changes: Json) -> None:
    order = fifty(**AWAITING)
    order["billing_address"]["email"] = changes.get("email", "robin@example.com")
    desired = of(order, a_transaction("20.00"), policy=changes["policy"])
    assert (desired.state, sale(desired).state, sale(desired).payments) == (DesiredState.UNPAID, SaleState.CLOSED, ())
    assert "Paid when this was written: 20.00 of 50.00." in sale(desired).note


def test_a_status_that_says_paid_does_not_make_up_for_what_a_gateway_lacks() -> None:
    desired = of(fifty(payment_status="capture pending"), a_transaction("20.00"), policy=ON_ACCOUNT)
    assert desired.state is DesiredState.UNPAID
    assert paid(sale(desired).payments) == {"pay-web": "20.00"}


def test_more_than_the_total_is_set_aside_with_both_sums() -> None:
    rejected = refused(fifty(**AWAITING), a_transaction("30.00"), a_transaction("20.01"))
    assert (rejected.order_id, rejected.reason, rejected.field) == (1001, Reason.OVERPAID, "transactions")
    assert rejected.detail == "payments of 50.01 for an order of 50.00"
    assert "transactions" in rejected.hint


def test_money_of_another_currency_is_set_aside() -> None:
    rejected = refused(fifty(**AWAITING), a_transaction("50.00", currency="EUR"))
    assert (rejected.order_id, rejected.reason, rejected.field) == (1001, Reason.FOREIGN_CURRENCY, "transactions")
    assert rejected.detail == "paid in EUR, the order is in USD"


def test_money_without_a_currency_is_the_order_s() -> None:
    assert of(fifty(**AWAITING), a_transaction("50.00", currency="")).state is DesiredState.PAID


# --- the status decides ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "transactions", [(), (a_transaction("50.00", status="error"),), (a_transaction("50.00", test=True),)]
)
@pytest.mark.parametrize(
    ("changes", "state"), [(AUTHORIZED, DesiredState.PAID), (AWAITING, DesiredState.UNPAID)], ids=["paid", "unpaid"]
)
def test_without_a_transaction_that_went_well_the_status_decides(
    changes: Json, state: DesiredState, transactions: tuple[Json, ...]
) -> None:
    assert of(fifty(**changes), *transactions) == desired_of(fifty(**changes))
    assert of(fifty(**changes), *transactions).state is state


def test_cash_on_delivery_is_paid_when_the_status_says_so() -> None:
    promised = a_transaction("50.00", "pending", **OFFLINE)
    assert paid(sale(of(fifty(payment_status="pending"), promised)).payments) == {"pay-cash": "50.00"}
    assert of(fifty(**AWAITING), promised).state is DesiredState.UNPAID


def test_the_rest_beside_store_credit_is_paid_when_the_status_says_so() -> None:
    order = fifty(store_credit_amount="20.0000")
    credit = a_transaction("20.00", method="store_credit")
    assert paid(sale(of(order, credit)).payments) == {"pay-credit": "20.00", "pay-web": "30.00"}
    by_hand = a_transaction("30.00", "pending", **OFFLINE)
    assert paid(sale(of(order, credit, by_hand)).payments) == {"pay-credit": "20.00", "pay-cash": "30.00"}


def test_an_order_of_nothing_that_is_paid_has_no_payments() -> None:
    order = an_order(a_line(price="0"), **AUTHORIZED)
    desired = of(order, a_transaction("0", "authorization"))
    assert (desired.state, sale(desired).payments) == (DesiredState.PAID, ())


def test_an_order_of_nothing_that_awaits_its_payment_is_not_paid_by_a_promise() -> None:
    order = an_order(a_line(price="0"), **AWAITING)
    assert of(order, a_transaction("0", "authorization")).state is DesiredState.UNPAID


# --- certificates and credit -----------------------------------------------------------------------------------------


def test_a_certificate_that_covers_all_pays_an_order_that_awaits_its_payment() -> None:
    order = fifty(**AWAITING, gift_certificate_amount="50.0000")
    desired = of(order, a_transaction("50.00", method="gift_certificate"))
    assert desired.state is DesiredState.PAID
    assert paid(sale(desired).payments) == {"pay-certificate": "50.00"}


RECORDED = pytest.mark.parametrize("recorded", [True, False], ids=["told", "not told"])
REDEEMED = pytest.mark.parametrize(
    ("method", "type_id"), [("store_credit", "pay-credit"), ("gift_certificate", "pay-certificate")]
)


@RECORDED
@REDEEMED
def test_what_was_redeemed_counts_whether_transactions_tell_of_it_or_not(
    method: str, type_id: str, *, recorded: bool
) -> None:
    order = fifty(**{f"{method}_amount": "20.0000"})
    redeemed = [a_transaction("20.00", method=method)] if recorded else []
    desired = of(order, a_transaction("30.00"), *redeemed)
    assert (desired.state, desired.notes) == (DesiredState.PAID, ())
    assert paid(sale(desired).payments) == {type_id: "20.00", "pay-web": "30.00"}


@RECORDED
@REDEEMED
def test_what_was_redeemed_beside_an_authorization_is_a_part_of_the_payment(
    method: str, type_id: str, *, recorded: bool
) -> None:
    order = fifty(**AUTHORIZED, **{f"{method}_amount": "20.0000"})
    redeemed = [a_transaction("20.00", method=method)] if recorded else []
    desired = of(order, a_transaction("30.00", "authorization"), *redeemed, policy=ON_ACCOUNT)
    assert desired.state is DesiredState.UNPAID
    assert paid(sale(desired).payments) == {type_id: "20.00"}


@REDEEMED
def test_what_transactions_tell_was_redeemed_counts_where_they_do_not_come_to_all(method: str, type_id: str) -> None:
    order = fifty(**AUTHORIZED, **{f"{method}_amount": "20.0000"})
    told = (a_transaction("30.00", "authorization"), a_transaction("15.00", method=method))
    assert paid(sale(of(order, *told, policy=ON_ACCOUNT)).payments) == {type_id: "15.00"}


def test_where_the_order_states_other_credit_than_its_transactions_those_count_and_it_is_said() -> None:
    order = fifty(store_credit_amount="20.0000", gift_certificate_amount="5.0000")
    desired = of(order, a_transaction("15.00", method="store_credit"), a_transaction("35.00"))
    assert paid(sale(desired).payments) == {"pay-credit": "15.00", "pay-web": "35.00"}
    assert desired.notes == (
        "By gift certificates, the order says 5.00, its transactions 0.00.",
        "By store credit, the order says 20.00, its transactions 15.00.",
    )


def test_a_total_that_states_only_what_was_left_to_pay_is_paid_in_full() -> None:
    order = fifty(store_credit_amount="20.0000") | {"total_inc_tax": "30.0000", "total_ex_tax": "30.0000"}
    desired = of(order, a_transaction("20.00", method="store_credit"), a_transaction("30.00"))
    assert (desired.state, sale(desired).total) == (DesiredState.PAID, Decimal("50.00"))


def test_a_voided_order_has_no_payments_whatever_was_paid() -> None:
    order = fifty(**a_status(OrderStatus.CANCELLED), store_credit_amount="99.0000")
    desired = of(order, a_transaction("80.00"))
    assert (desired.state, sale(desired).payments) == (DesiredState.VOIDED, ())


# --- whatever was paid -----------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.sampled_from(["credit_card", "gift_certificate", "store_credit"]), st.integers(1, 3000)),
        max_size=4,
    ),
    st.sampled_from([AUTHORIZED, AWAITING]),
    st.sampled_from([a_policy(), ON_ACCOUNT]),
)
def test_payments_are_equal_to_what_was_paid(sums: list[tuple[str, int]], changes: Json, policy: Any) -> None:
    money = [a_transaction(Decimal(cents).scaleb(-2), method=method) for method, cents in sums]
    came = total(one["amount"] for one in money)
    transactions = numbered(a_transaction("50.00", "authorization"), *money)
    found = attempt(fifty(**changes), policy=policy, transactions=transactions)
    if isinstance(found, Rejected):
        assert (found.reason, came > 50) == (Reason.OVERPAID, True)
        return
    shown = total(payment.amount for payment in sale(found).payments)
    assert (found.state is DesiredState.PAID) == (came == 50)
    is_shown = came == 50 or policy is ON_ACCOUNT
    assert shown == (came if is_shown else ZERO)
