"""Scenarios: an order is paid, in whole or in part, at once, much later, or not at all."""

from shop import NOBODY
from story import AWAITING_PAYMENT, CANCELLED, Story, scenario

from bcpoll.core.rejected import Reason
from bcpoll.core.status import OrderStatus

WAYS_OF_BOOKING = ("closed", "on_account")
TENDERS = {"payments": {"store_credit": "Store credit", "gift_certificate": "Gift certificate"}}


@scenario("paying", "account", "voiding", quick=True, unpaid=WAYS_OF_BOOKING)
def test_paid_two_days_later(shop: Story) -> None:
    order = shop.order(quantity=2, status=AWAITING_PAYMENT)
    shop.poll()
    shop.shows(order, f"{shop.unpaid} 21.60: 2 MUG; unpaid")
    assert shop.stock() == 48
    shop.time.forward(days=2)
    shop.is_paid(order)
    shop.poll()
    shop.ends({order: shop.as_paid_off("21.60: 2 MUG; Online - Card 21.60")}, stock={"MUG": 48})


@scenario("paying", unpaid=WAYS_OF_BOOKING)
def test_paid_before_the_first_look(shop: Story) -> None:
    order = shop.order(quantity=2, status=AWAITING_PAYMENT)
    shop.is_paid(order)
    shop.poll()
    shop.ends({order: "closed 21.60: 2 MUG; Online - Card 21.60"}, stock={"MUG": 48})


@scenario("paying", "account", unpaid=WAYS_OF_BOOKING)
def test_paid_and_shipped_between_two_looks(shop: Story) -> None:
    order = shop.order(quantity=2, status=AWAITING_PAYMENT)
    shop.poll()
    shop.is_paid(order)
    shop.is_shipped(order)
    shop.poll()
    shop.ends({order: shop.as_paid_off("21.60: 2 MUG; Online - Card 21.60")}, stock={"MUG": 48})


@scenario("voiding", "account", unpaid=WAYS_OF_BOOKING)
def test_never_paid_and_cancelled(shop: Story) -> None:
    order = shop.order(quantity=2, status=AWAITING_PAYMENT)
    shop.poll()
    shop.time.forward(days=14)
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: shop.as_voided("21.60: 2 MUG")}, stock={"MUG": 50})


@scenario("paying", "tenders", unpaid=["closed"])
def test_partly_paid_twice(shop: Story) -> None:
    order = shop.order(quantity=3, status=AWAITING_PAYMENT, tax_rate="0")
    shop.poll()
    for amount in ("10.00", "5.00"):
        shop.happens(shop.store.pay_part, order, amount)
        shop.poll()
        shop.shows(order, "closed 30.00: 3 MUG; unpaid")
    shop.is_paid(order)
    shop.poll()
    shop.ends({order: "closed 30.00: 3 MUG; Online - Card 30.00"}, stock={"MUG": 47})


@scenario("account", "tenders", unpaid=["on_account"])
def test_partly_paid_before_the_first_look_and_the_rest_later(shop: Story) -> None:
    order = shop.order(quantity=3, status=AWAITING_PAYMENT, tax_rate="0")
    shop.happens(shop.store.pay_part, order, "10.00")
    shop.poll()
    shop.shows(order, "pending onaccount 30.00: 3 MUG; Online - Card 10.00")
    shop.is_paid(order)
    shop.poll()
    shop.ends({order: shop.as_paid_off("30.00: 3 MUG; Online - Card 10.00, Online - Card 20.00")}, stock={"MUG": 47})


@scenario("account", "tenders", unpaid=["on_account"])
def test_partly_paid_twice_on_account(shop: Story) -> None:
    order = shop.order(quantity=3, status=AWAITING_PAYMENT, tax_rate="0")
    shop.poll()
    shop.happens(shop.store.pay_part, order, "10.00")
    shop.poll()
    shop.happens(shop.store.pay_part, order, "5.00")
    shop.poll()
    shop.shows(order, "pending onaccount 30.00: 3 MUG; unpaid")
    shop.is_paid(order)
    shop.poll()
    shop.ends({order: shop.as_paid_off("30.00: 3 MUG; Online - Card 30.00")}, stock={"MUG": 47})


@scenario("account", "paying", "voiding", unpaid=WAYS_OF_BOOKING)
def test_partly_paid_and_then_cancelled(shop: Story) -> None:
    order = shop.order(quantity=3, status=AWAITING_PAYMENT, tax_rate="0")
    shop.happens(shop.store.pay_part, order, "10.00")
    shop.poll()
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: shop.as_voided("30.00: 3 MUG")}, stock={"MUG": 50})


@scenario("paying", "capturing", unpaid=WAYS_OF_BOOKING)
def test_payment_disappears_again(shop: Story) -> None:
    order = shop.order()
    shop.poll()
    shop.happens(shop.store.void_payments, order)
    shop.poll()
    shop.ends(
        {order: "closed 10.80: 1 MUG; Online - Card 10.80"}, stock={"MUG": 49}, review={order: Reason.UNPAID_AGAIN}
    )


@scenario("paying", unpaid=WAYS_OF_BOOKING)
def test_payment_disappears_and_comes_back(shop: Story) -> None:
    order = shop.order()
    shop.poll()
    shop.happens(shop.store.void_payments, order)
    shop.poll()
    assert shop.asked_of_people() == {order: Reason.UNPAID_AGAIN}
    shop.is_paid(order)
    shop.poll()
    shop.ends({order: "closed 10.80: 1 MUG; Online - Card 10.80"}, stock={"MUG": 49})


@scenario("paying")
def test_payment_disappears_is_taken_off_by_hand_and_comes_back(shop: Story) -> None:
    order = shop.order()
    shop.poll()
    shop.happens(shop.store.void_payments, order)
    shop.poll()
    shop.payments_are_taken_off_by_hand(order)
    shop.dismisses(order, Reason.UNPAID_AGAIN)
    shop.is_paid(order)
    shop.poll()
    shop.ends({order: "closed 10.80: 1 MUG; Online - Card 10.80"}, stock={"MUG": 49})


@scenario("paying")
def test_payment_disappears_and_is_taken_off_by_hand(shop: Story) -> None:
    """Once that was done, the order's next change finds nothing wrong any more."""
    order = shop.order()
    shop.poll()
    shop.happens(shop.store.void_payments, order)
    shop.poll()
    shop.payments_are_taken_off_by_hand(order)
    shop.happens(shop.store.touch, order)
    shop.poll()
    shop.ends({order: "closed 10.80: 1 MUG; unpaid"}, stock={"MUG": 49})


@scenario("paying", "voiding", unpaid=WAYS_OF_BOOKING)
def test_payment_disappears_and_the_order_is_cancelled(shop: Story) -> None:
    order = shop.order()
    shop.poll()
    shop.happens(shop.store.void_payments, order)
    shop.poll()
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: "voided 10.80: 1 MUG"}, stock={"MUG": 50})


@scenario("paying", "account", "capturing", unpaid=WAYS_OF_BOOKING)
def test_authorized_and_captured_when_it_is_sent(shop: Story) -> None:
    order = shop.order(status=OrderStatus.PENDING, tax_rate="0")
    shop.store.authorize(order)
    shop.poll()
    shop.shows(order, f"{shop.unpaid} 10.00: 1 MUG; unpaid")
    shop.happens(shop.store.capture, order)
    # That a capture moves the order's time is not documented: the nightly sweep looks at those that wait for one.
    shop.poll(days=1, hours=1)
    shop.ends({order: shop.as_paid_off("10.00: 1 MUG; Online - Card 10.00")}, stock={"MUG": 49})


@scenario("voiding", "account", unpaid=WAYS_OF_BOOKING)
def test_authorized_and_never_captured(shop: Story) -> None:
    order = shop.order(status=OrderStatus.PENDING)
    shop.store.authorize(order)
    shop.poll()
    shop.time.forward(days=7)
    shop.happens(shop.store.void_payments, order)
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: shop.as_voided("10.80: 1 MUG")}, stock={"MUG": 50})


@scenario("paying", "tenders", settings=TENDERS)
def test_paid_by_certificate_credit_and_card(shop: Story) -> None:
    order = shop.order(quantity=5, tax_rate="0", gift_certificate="20.00", store_credit="5.50")
    shop.poll()
    told = "closed 50.00: 5 MUG; Gift certificate 20.00, Store credit 5.50, Online - Card 24.50"
    shop.ends({order: told}, stock={"MUG": 45})


@scenario("paying", "account", unpaid=WAYS_OF_BOOKING)
def test_paid_in_cash_at_the_door(shop: Story) -> None:
    order = shop.order(status=AWAITING_PAYMENT, payment_method="Cash on Delivery")
    shop.poll()
    shop.shows(order, f"{shop.unpaid} 10.80: 1 MUG; unpaid")
    shop.turns(order, OrderStatus.COMPLETED)
    shop.poll()
    shop.ends({order: shop.as_paid_off("10.80: 1 MUG; Online - Card 10.80")}, stock={"MUG": 49})


@scenario("paying")
def test_paid_twice_by_mistake(shop: Story) -> None:
    order = shop.order(status=AWAITING_PAYMENT, tax_rate="0")
    shop.poll()
    shop.happens(shop.store.pay_part, order, "10.00")
    shop.happens(shop.store.pay_part, order, "10.00")
    shop.poll()
    shop.ends({order: "closed 10.00: 1 MUG; unpaid"}, stock={"MUG": 49}, review={order: Reason.OVERPAID})


@scenario("paying", unpaid=WAYS_OF_BOOKING)
def test_held_for_a_check_and_released(shop: Story) -> None:
    order = shop.order(status=OrderStatus.MANUAL_VERIFICATION_REQUIRED)
    shop.poll()
    shop.shows(order, f"{shop.unpaid} 10.80: 1 MUG; unpaid")
    shop.is_paid(order)
    shop.poll()
    shop.ends({order: shop.as_paid_off("10.80: 1 MUG; Online - Card 10.80")}, stock={"MUG": 49})


@scenario("voiding", unpaid=WAYS_OF_BOOKING)
def test_held_for_a_check_and_found_to_be_a_fraud(shop: Story) -> None:
    order = shop.order(status=OrderStatus.MANUAL_VERIFICATION_REQUIRED)
    shop.poll()
    shop.turns(order, OrderStatus.DECLINED)
    shop.poll()
    shop.ends({order: shop.as_voided("10.80: 1 MUG")}, stock={"MUG": 50})


@scenario("paying")
def test_disputed_and_won(shop: Story) -> None:
    order = shop.order()
    shop.poll()
    shop.turns(order, OrderStatus.DISPUTED)
    shop.poll()
    assert shop.writes() == []
    shop.turns(order, OrderStatus.COMPLETED)
    shop.poll()
    shop.ends({order: "closed 10.80: 1 MUG; Online - Card 10.80"}, stock={"MUG": 49})


@scenario("paying", "account", unpaid=["on_account"])
def test_on_account_without_anybody_s_account(shop: Story) -> None:
    """A guest without an address has no account: the sale is closed and unpaid instead."""
    order = shop.order(shopper=NOBODY, status=AWAITING_PAYMENT)
    shop.poll()
    shop.shows(order, "closed 10.80: 1 MUG; unpaid")
    shop.is_paid(order)
    shop.poll()
    shop.ends({order: "closed 10.80: 1 MUG; Online - Card 10.80"}, stock={"MUG": 49})


@scenario("paying")
def test_free_of_charge(shop: Story) -> None:
    order = shop.order(discount="10.00", status=AWAITING_PAYMENT)
    shop.poll()
    shop.turns(order, OrderStatus.AWAITING_FULFILLMENT)
    shop.poll()
    shop.turns(order, CANCELLED)
    shop.turns(order, OrderStatus.COMPLETED)
    shop.poll()
    shop.ends({order: "closed 0.00: 1 MUG; unpaid"}, stock={"MUG": 49})
