"""Scenarios: an order is cancelled, declined, archived or put back, early or late, and perhaps revived."""

from story import AWAITING_PAYMENT, CANCELLED, Story, scenario

from bcpoll.core.rejected import Reason
from bcpoll.core.status import OrderStatus

AWAITING_FULFILLMENT = OrderStatus.AWAITING_FULFILLMENT
DECLINED = OrderStatus.DECLINED

PAID = "closed 21.60: 2 MUG; Online - Card 21.60"
VOIDED = "voided 21.60: 2 MUG"


@scenario("voiding")
def test_cancelled_before_import(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: VOIDED}, stock={"MUG": 50})


@scenario("voiding", cancelled_unseen=["skip"])
def test_cancelled_before_import_and_left_out(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: []}, stock={"MUG": 50})


@scenario("voiding", "refunding", quick=True)
def test_cancelled_after_shipping(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_shipped(order)
    shop.poll()
    shop.time.forward(days=3)
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: VOIDED}, stock={"MUG": 50})


@scenario("voiding")
def test_cancelled_and_nobody_voids_it_by_hand(shop: Story) -> None:
    shop.staff_voids = shop.world.switches.void_by_put == "works"
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_cancelled(order)
    for _ in range(3):
        shop.poll(days=2)
    if shop.staff_voids:
        shop.ends({order: VOIDED}, stock={"MUG": 50})
    else:
        shop.ends({order: PAID}, stock={"MUG": 48}, review={order: Reason.VOID_BY_HAND})


@scenario("voiding")
def test_voided_by_hand_before_anybody_asked_for_it(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_voided_by_hand(order)
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: VOIDED}, stock={"MUG": 50})


@scenario("voiding", cancelled_unseen=["voided", "skip"])
def test_declined_by_the_gateway(shop: Story) -> None:
    order = shop.order(quantity=2, status=AWAITING_PAYMENT)
    shop.poll()
    shop.turns(order, DECLINED)
    shop.poll()
    shop.ends({order: VOIDED}, stock={"MUG": 50})


@scenario("voiding", quick=True, cancelled_unseen=["voided", "skip"])
def test_revived_after_cancel(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_cancelled(order)
    shop.poll()
    shop.turns(order, AWAITING_FULFILLMENT)
    shop.poll()
    shop.ends({order: [VOIDED, PAID]}, stock={"MUG": 48})


@scenario("voiding")
def test_revived_before_anybody_voided_it_by_hand(shop: Story) -> None:
    """Where the POS voids nothing, the sale still stands, and is the order's again."""
    shop.staff_voids = False
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_cancelled(order)
    shop.poll()
    shop.turns(order, AWAITING_FULFILLMENT)
    shop.poll()
    is_voided = shop.world.switches.void_by_put == "works"
    shop.ends({order: [VOIDED, PAID] if is_voided else PAID}, stock={"MUG": 48})


@scenario("voiding")
def test_voided_by_hand_and_dismissed_and_then_revived(shop: Story) -> None:
    shop.staff_voids = False
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_cancelled(order)
    shop.poll()
    if shop.asked_of_people():
        shop.is_voided_by_hand(order)
        shop.dismisses(order, Reason.VOID_BY_HAND)
    shop.turns(order, AWAITING_FULFILLMENT)
    shop.poll()
    shop.ends({order: [VOIDED, PAID]}, stock={"MUG": 48})


@scenario("voiding", cancelled_unseen=["voided", "skip"])
def test_revived_after_it_was_cancelled_unseen(shop: Story) -> None:
    order = shop.order(quantity=2, status=CANCELLED)
    shop.poll()
    shop.turns(order, AWAITING_FULFILLMENT)
    shop.poll()
    was_left_out = shop.settings.sync.cancelled_unseen == "skip"
    shop.ends({order: PAID if was_left_out else [VOIDED, PAID]}, stock={"MUG": 48})


@scenario("voiding")
def test_cancelled_revived_and_cancelled_for_good(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    for status in (CANCELLED, AWAITING_FULFILLMENT, CANCELLED):
        shop.turns(order, status)
        shop.poll()
    shop.ends({order: [VOIDED, VOIDED]}, stock={"MUG": 50})


@scenario("voiding", "paying")
def test_declined_and_paid_by_another_card(shop: Story) -> None:
    order = shop.order(quantity=2, status=AWAITING_PAYMENT)
    shop.poll()
    shop.turns(order, DECLINED)
    shop.poll()
    shop.is_paid(order)
    shop.poll()
    shop.ends({order: [VOIDED, PAID]}, stock={"MUG": 48})


@scenario("voiding", "refunding")
def test_cancelled_after_a_refund(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.is_cancelled(order)
    shop.poll()
    shop.ends(
        {order: [PAID, "closed -10.80: -1 MUG; Online - Card -10.80"]},
        stock={"MUG": 49},
        review={order: Reason.CANCELLED_AFTER_REFUND},
    )


@scenario("voiding", "refunding")
def test_cancelled_with_the_money_given_back_by_a_refund(shop: Story) -> None:
    """Cancelled and refunded between two looks: the void takes the payment back, no return is booked beside it."""
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_refunded(order, lines={0: 2}, status=CANCELLED)
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: VOIDED}, stock={"MUG": 50})


@scenario("voiding", "refunding")
def test_a_refund_of_a_cancelled_order_that_is_revived(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_refunded(order, lines={0: 1}, status=CANCELLED)
    shop.is_cancelled(order)
    shop.poll()
    shop.turns(order, AWAITING_FULFILLMENT)
    shop.poll()
    shop.ends({order: [VOIDED, PAID, "closed -10.80: -1 MUG; Online - Card -10.80"]}, stock={"MUG": 49})


@scenario("voiding", "paying")
def test_put_back_to_pending(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.turns(order, OrderStatus.PENDING)
    shop.poll()
    shop.ends({order: PAID}, stock={"MUG": 48}, review={order: Reason.LEFT_SALE})


@scenario("voiding", "paying")
def test_put_back_to_pending_and_back_again(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    for status in (OrderStatus.PENDING, AWAITING_FULFILLMENT):
        shop.turns(order, status)
        shop.poll()
    shop.ends({order: PAID}, stock={"MUG": 48})


@scenario("voiding", "paying")
def test_put_back_to_pending_and_back_after_its_sale_was_voided_by_hand(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.turns(order, OrderStatus.PENDING)
    shop.poll()
    shop.is_voided_by_hand(order)
    shop.dismisses(order, Reason.LEFT_SALE)
    shop.turns(order, AWAITING_FULFILLMENT)
    shop.poll()
    shop.ends({order: [VOIDED, PAID]}, stock={"MUG": 48})


@scenario("voiding", "paying")
def test_put_back_to_pending_and_cancelled(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.turns(order, OrderStatus.PENDING)
    shop.poll()
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: VOIDED}, stock={"MUG": 50})


@scenario("voiding", "archiving")
def test_archived_with_its_sale_kept(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.happens(shop.store.archive, order)
    shop.poll()
    assert shop.writes() == []
    shop.ends({order: PAID}, stock={"MUG": 48})


@scenario("voiding")
def test_cancelled_and_archived(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_cancelled(order)
    shop.happens(shop.store.archive, order)
    shop.poll()
    shop.ends({order: VOIDED}, stock={"MUG": 50})


@scenario("voiding", "overselling")
def test_the_last_one_is_cancelled_and_sold_again(shop: Story) -> None:
    shop.sell("LAST", stock=1)
    first = shop.order("LAST")
    shop.poll()
    shop.is_cancelled(first)
    shop.poll()
    second = shop.order("LAST")
    shop.poll()
    shop.ends({first: "voided 10.80: 1 LAST", second: "closed 10.80: 1 LAST; Online - Card 10.80"}, stock={"MUG": 50})


@scenario("voiding")
def test_many_cancelled_at_once(shop: Story) -> None:
    orders = [shop.order(quantity=count) for count in (1, 2, 3)]
    shop.poll()
    shop.happens(shop.store.bulk_edit, orders, CANCELLED)
    shop.poll()
    told = [f"voided {worth}: {count} MUG" for count, worth in ((1, "10.80"), (2, "21.60"), (3, "32.40"))]
    shop.ends(dict(zip(orders, told, strict=True)), stock={"MUG": 50})
