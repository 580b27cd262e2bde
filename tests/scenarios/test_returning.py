"""Scenarios: goods and money are given back, whole or in part, at once or bit by bit."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from shop import NOW
from story import AWAITING_PAYMENT, COMPLETED, Story, scenario

from bcpoll.core.rejected import Reason
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.drafts import ExtraFee, Parcel

PAID = "closed 43.20: 4 MUG; Online - Card 43.20"
SENT = (Parcel(cost="6.00", handling="2.00"),)


def an_order(shop: Story, **draft: object) -> int:
    """Four mugs, paid and in the POS."""
    order = shop.order(quantity=4, **draft)
    shop.poll()
    return order


@scenario("refunding")
def test_all_of_it_comes_back(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 4})
    shop.poll()
    shop.ends({order: [PAID, "closed -43.20: -4 MUG; Online - Card -43.20"]}, stock={"MUG": 50})


@scenario("refunding")
def test_one_of_them_comes_back(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.ends({order: [PAID, "closed -10.80: -1 MUG; Online - Card -10.80"]}, stock={"MUG": 47})


@scenario("refunding", quick=True)
def test_second_partial_refund(shop: Story) -> None:
    """It moves no status, and perhaps not even the time of change."""
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.is_refunded(order, lines={0: 2})
    shop.poll(days=9)
    one, two = "closed -10.80: -1 MUG; Online - Card -10.80", "closed -21.60: -2 MUG; Online - Card -21.60"
    shop.ends({order: [PAID, one, two]}, stock={"MUG": 49})


@scenario("refunding")
def test_two_partial_refunds_between_two_looks(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 1})
    shop.is_refunded(order, lines={0: 2})
    shop.poll()
    one, two = "closed -10.80: -1 MUG; Online - Card -10.80", "closed -21.60: -2 MUG; Online - Card -21.60"
    shop.ends({order: [PAID, one, two]}, stock={"MUG": 49})


@scenario("refunding")
def test_refunded_before_the_first_look(shop: Story) -> None:
    order = shop.order(quantity=4)
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.ends({order: [PAID, "closed -10.80: -1 MUG; Online - Card -10.80"]}, stock={"MUG": 47})


@scenario("refunding", "charges", quick=True)
def test_shipping_refund_only(shop: Story) -> None:
    order = an_order(shop, parcels=(Parcel(cost="6.00"),))
    shop.is_refunded(order, shipping="6.48")
    shop.poll()
    told = "closed -6.48: -1 BC-SHIPPING; Online - Card -6.48"
    shop.ends({order: ["closed 49.68: 4 MUG, 1 BC-SHIPPING; Online - Card 49.68", told]}, stock={"MUG": 46})


@scenario("refunding", "charges")
def test_handling_refund_only(shop: Story) -> None:
    order = an_order(shop, parcels=SENT)
    shop.is_refunded(order, handling="2.16")
    shop.poll()
    sold = "closed 51.84: 4 MUG, 1 BC-SHIPPING, 1 BC-HANDLING; Online - Card 51.84"
    shop.ends({order: [sold, "closed -2.16: -1 BC-HANDLING; Online - Card -2.16"]}, stock={"MUG": 46})


@scenario("refunding", "charges")
def test_wrapping_and_fee_refunded(shop: Story) -> None:
    fee = ExtraFee(name="Service", cost="2.00", tax_rate="0.08")
    order = an_order(shop, items=(replace(shop.store.item("MUG", 4), wrapping="3.00"),), parcels=SENT, fees=(fee,))
    charges = "4 MUG, 1 BC-SHIPPING, 1 BC-HANDLING, 1 BC-WRAPPING"
    sold = f"closed 57.24: {charges}, 1 BC-FEE; Online - Card 57.24"
    if shop.world.switches.fees == "outside_total":
        sold = f"closed 55.08: {charges}; Online - Card 55.08"
    shop.is_refunded(order, wrapping={0: "3.24"}, fees={0: "2.16"})
    shop.poll()
    back = "closed -5.40: -1 BC-WRAPPING, -1 BC-FEE; Online - Card -5.40"
    shop.ends({order: [sold, back]}, stock={"MUG": 46})


@scenario("refunding")
def test_money_back_for_good_will(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, order_amount="5.00")
    shop.poll()
    shop.ends({order: [PAID, "closed -5.00: -1 BC-REFUND; Online - Card -5.00"]}, stock={"MUG": 46})


@scenario("refunding")
def test_the_tax_alone_comes_back(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, tax_only="3.20")
    shop.poll()
    if shop.world.switches.tax_amount == "checked":
        # A POS that reckons the tax itself takes none without a price.
        shop.ends({order: PAID}, stock={"MUG": 46}, review={order: Reason.POS_REFUSED})
    else:
        shop.ends({order: [PAID, "closed -3.20: -1 BC-REFUND; Online - Card -3.20"]}, stock={"MUG": 46})


@scenario("refunding")
def test_the_amount_is_set_by_hand(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 2}, override_total="15.00", override_tax="1.11")
    shop.poll()
    told = "closed -15.00: -2 MUG, 1 BC-REFUND; Online - Card -15.00"
    shop.ends({order: [PAID, told]}, stock={"MUG": 48})


@scenario("refunding")
def test_a_fee_for_restocking_is_kept_back(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 1}, kept={0: "1.50"})
    shop.poll()
    told = "closed -9.30: -1 MUG, 1 BC-REFUND; Online - Card -9.30"
    shop.ends({order: [PAID, told]}, stock={"MUG": 47})


@scenario("refunding")
def test_refund_declined(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 1}, declined=True)
    shop.poll()
    shop.ends({order: PAID}, stock={"MUG": 46})


@scenario("refunding")
def test_refund_declined_and_made_anew(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 1}, declined=True)
    shop.poll()
    shop.is_refunded(order, lines={0: 1}, provider="storecredit")
    shop.poll()
    shop.ends({order: [PAID, "closed -10.80: -1 MUG; Online - Card -10.80"]}, stock={"MUG": 47})


@scenario("refunding")
def test_refund_declined_after_it_was_booked(shop: Story) -> None:
    order = an_order(shop)
    refund = shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.store.decline_refund(refund)
    shop.happens(shop.store.touch, order)
    shop.poll(days=1, hours=1)
    shop.ends(
        {order: [PAID, "closed -10.80: -1 MUG; Online - Card -10.80"]},
        stock={"MUG": 47},
        review={order: Reason.REFUND_CHANGED},
    )


@scenario("refunding", settings={"payments": {"store_credit": "Store credit", "gift_certificate": "Gift certificate"}})
def test_refunded_to_store_credit(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 1}, provider="storecredit")
    shop.poll()
    shop.ends({order: [PAID, "closed -10.80: -1 MUG; Store credit -10.80"]}, stock={"MUG": 47})


@scenario("refunding", settings={"payments": {"store_credit": "Store credit", "gift_certificate": "Gift certificate"}})
def test_refunded_to_two_tenders(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 1})
    [record] = shop.store.refunds
    to_card, to_credit = dict(record["payments"][0]), dict(record["payments"][0])
    to_card["amount"], to_credit["amount"] = Decimal("4.00"), Decimal("6.80")
    record["payments"] = [to_card, to_credit | {"id": 99, "provider_id": "storecredit"}]
    shop.poll()
    told = "closed -10.80: -1 MUG; Online - Card -4.00, Store credit -6.80"
    shop.ends({order: [PAID, told]}, stock={"MUG": 47})


@scenario("refunding", restock_refunds=[False, True])
def test_damaged_goods_are_thrown_away(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    left = 47 if shop.settings.sync.restock_refunds else 46
    shop.ends({order: [PAID, "closed -10.80: -1 MUG; Online - Card -10.80"]}, stock={"MUG": left})


@scenario("refunding", "bundles", restock_refunds=[True, False])
def test_a_bundle_comes_back(shop: Story) -> None:
    shop.sell("SET", price="30.00", stock=20)
    shop.sell("BOWL", price="12.00", stock=20)
    parts = (replace(shop.store.item("BOWL", 4), price="0"), replace(shop.store.item("MUG", 2), price="0"))
    order = shop.order(items=(replace(shop.store.item("SET", 2), children=parts),))
    shop.poll()
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    sold = "closed 64.80: 2 SET, 4 BOWL, 2 MUG; Online - Card 64.80"
    back = "closed -32.40: -1 SET, -2 BOWL, -1 MUG; Online - Card -32.40"
    comes_back = shop.settings.sync.restock_refunds
    stock = {"SET": 19, "BOWL": 18, "MUG": 49} if comes_back else {"SET": 18, "BOWL": 16, "MUG": 48}
    shop.ends({order: [sold, back]}, stock=stock)


@scenario("refunding", quick=True)
def test_refund_of_an_order_from_before_the_start(shop: Story) -> None:
    order = shop.order(quantity=4, at=NOW - timedelta(days=30))
    shop.poll()
    shop.shows(order)
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.ends({order: []}, stock={"MUG": 50}, review={order: Reason.REFUND_OF_OLDER_ORDER})


@scenario("refunding")
def test_refund_of_an_order_from_before_the_start_that_is_imported_then(shop: Story) -> None:
    order = shop.order(quantity=4, at=NOW - timedelta(days=30))
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    assert shop.asked_of_people() == {order: Reason.REFUND_OF_OLDER_ORDER}
    shop.pass_(order)
    shop.ends({order: [PAID, "closed -10.80: -1 MUG; Online - Card -10.80"]}, stock={"MUG": 47})


@scenario("refunding")
def test_refunded_without_a_record(shop: Story) -> None:
    order = an_order(shop)
    shop.turns(order, OrderStatus.REFUNDED)
    shop.poll()
    shop.ends({order: PAID}, stock={"MUG": 46}, review={order: Reason.REFUND_UNKNOWN})


@scenario("refunding")
def test_refunded_with_a_record_that_turns_up_later(shop: Story) -> None:
    order = an_order(shop)
    shop.turns(order, OrderStatus.REFUNDED)
    shop.poll()
    shop.is_refunded(order, lines={0: 4})
    shop.poll()
    shop.ends({order: [PAID, "closed -43.20: -4 MUG; Online - Card -43.20"]}, stock={"MUG": 50})


@scenario("refunding")
def test_more_is_given_back_than_was_paid(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 4})
    shop.poll()
    shop.is_refunded(order, order_amount="1.00")
    shop.poll()
    shop.ends(
        {order: [PAID, "closed -43.20: -4 MUG; Online - Card -43.20"]},
        stock={"MUG": 50},
        review={order: Reason.REFUND_EXCEEDS},
    )


@scenario("refunding")
def test_the_same_unit_comes_back_twice(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 3}, override_total="3.00", override_tax="0.22")
    shop.poll()
    shop.is_refunded(order, lines={0: 2}, override_total="3.00", override_tax="0.22")
    shop.poll()
    shop.ends(
        {order: [PAID, "closed -3.00: -3 MUG, 1 BC-REFUND; Online - Card -3.00"]},
        stock={"MUG": 49},
        review={order: Reason.REFUND_EXCEEDS},
    )


@scenario("refunding", "paying", unpaid=["closed", "on_account"])
def test_refunded_before_it_was_paid(shop: Story) -> None:
    order = shop.order(quantity=4, status=AWAITING_PAYMENT)
    shop.poll()
    shop.is_refunded(order, lines={0: 1}, status=AWAITING_PAYMENT)
    shop.poll()
    shop.is_paid(order)
    shop.poll()
    paid_off = shop.as_paid_off("43.20: 4 MUG; Online - Card 43.20")
    shop.ends({order: [paid_off, "closed -10.80: -1 MUG; Online - Card -10.80"]}, stock={"MUG": 47})


@scenario("refunding", refunds=["ignore"])
def test_refunds_are_left_to_people(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.ends({order: PAID}, stock={"MUG": 46})


@scenario("refunding", "archiving")
def test_refunded_and_archived(shop: Story) -> None:
    order = an_order(shop, status=COMPLETED)
    shop.is_refunded(order, lines={0: 4})
    shop.happens(shop.store.archive, order)
    shop.poll()
    shop.ends({order: [PAID, "closed -43.20: -4 MUG; Online - Card -43.20"]}, stock={"MUG": 50})


@scenario("refunding")
def test_a_refund_a_year_later(shop: Story) -> None:
    order = an_order(shop)
    shop.time.forward(days=365)
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.ends({order: [PAID, "closed -10.80: -1 MUG; Online - Card -10.80"]}, stock={"MUG": 47})
