"""Scenarios: an order is edited after its sale was written, in what it sells or in nothing that a sale shows."""

from dataclasses import replace

from shop import GUEST
from story import AWAITING_PAYMENT, Story, scenario

from bcpoll.core.rejected import Reason
from bcpoll.sandbox.drafts import Parcel

PAID = "closed 21.60: 2 MUG; Online - Card 21.60"
VOIDED = "voided 21.60: 2 MUG"


def an_order(shop: Story) -> int:
    """Two mugs, paid and in the POS."""
    order = shop.order(quantity=2)
    shop.poll()
    return order


@scenario("voiding", quick=True)
def test_one_more_of_it(shop: Story) -> None:
    order = an_order(shop)
    shop.edit(order, shop.store.item("MUG", 3))
    shop.poll()
    shop.ends({order: [VOIDED, "closed 32.40: 3 MUG; Online - Card 32.40"]}, stock={"MUG": 47})


@scenario("voiding")
def test_something_else_instead(shop: Story) -> None:
    shop.sell("BOWL", price="12.00", stock=20)
    order = an_order(shop)
    shop.edit(order, shop.store.item("MUG"), shop.store.item("BOWL"))
    shop.poll()
    told = "closed 23.76: 1 MUG, 1 BOWL; Online - Card 23.76"
    shop.ends({order: [VOIDED, told]}, stock={"MUG": 49, "BOWL": 19})


@scenario("voiding")
def test_something_else_for_the_same_money(shop: Story) -> None:
    shop.sell("BOWL", stock=20)
    order = an_order(shop)
    shop.edit(order, shop.store.item("BOWL", 2))
    shop.poll()
    shop.ends({order: [VOIDED, "closed 21.60: 2 BOWL; Online - Card 21.60"]}, stock={"MUG": 50, "BOWL": 18})


@scenario("voiding", "charges")
def test_shipping_is_charged_after_all(shop: Story) -> None:
    order = an_order(shop)
    shop.is_edited(order, parcels=(Parcel(cost="5.00"),))
    shop.poll()
    told = "closed 27.00: 2 MUG, 1 BC-SHIPPING; Online - Card 27.00"
    shop.ends({order: [VOIDED, told]}, stock={"MUG": 48})


@scenario("voiding")
def test_a_discount_is_granted_afterwards(shop: Story) -> None:
    order = an_order(shop)
    shop.is_edited(order, discount="2.00")
    shop.poll()
    shop.ends({order: [VOIDED, "closed 19.44: 2 MUG; Online - Card 19.44"]}, stock={"MUG": 48})


@scenario("voiding")
def test_edited_twice_between_two_looks(shop: Story) -> None:
    order = an_order(shop)
    shop.edit(order, shop.store.item("MUG", 3))
    shop.edit(order, shop.store.item("MUG", 4))
    shop.poll()
    shop.ends({order: [VOIDED, "closed 43.20: 4 MUG; Online - Card 43.20"]}, stock={"MUG": 46})


@scenario("voiding")
def test_edited_and_edited_back(shop: Story) -> None:
    order = an_order(shop)
    shop.edit(order, shop.store.item("MUG", 3))
    shop.poll()
    shop.edit(order, shop.store.item("MUG", 2))
    shop.poll()
    shop.ends({order: [VOIDED, "voided 32.40: 3 MUG", PAID]}, stock={"MUG": 48})


@scenario("voiding")
def test_edited_and_edited_back_between_two_looks(shop: Story) -> None:
    order = an_order(shop)
    shop.edit(order, shop.store.item("MUG", 3))
    shop.edit(order, shop.store.item("MUG", 2))
    shop.poll()
    assert shop.writes() == []
    shop.ends({order: PAID}, stock={"MUG": 48})


@scenario("voiding", "paying", unpaid=["closed", "on_account"])
def test_edited_before_it_was_paid(shop: Story) -> None:
    order = shop.order(quantity=2, status=AWAITING_PAYMENT)
    shop.poll()
    shop.edit(order, shop.store.item("MUG", 3))
    shop.poll()
    shop.shows(order, shop.as_voided("21.60: 2 MUG"), f"{shop.unpaid} 32.40: 3 MUG; unpaid")
    shop.is_paid(order)
    shop.poll()
    paid_off = shop.as_paid_off("32.40: 3 MUG; Online - Card 32.40")
    shop.ends({order: [shop.as_voided("21.60: 2 MUG"), paid_off]}, stock={"MUG": 47})


@scenario("voiding", "paying", unpaid=["closed", "on_account"])
def test_edited_and_paid_between_two_looks(shop: Story) -> None:
    order = shop.order(quantity=2, status=AWAITING_PAYMENT)
    shop.poll()
    shop.edit(order, shop.store.item("MUG", 3))
    shop.is_paid(order)
    shop.poll()
    shop.ends({order: [shop.as_voided("21.60: 2 MUG"), "closed 32.40: 3 MUG; Online - Card 32.40"]}, stock={"MUG": 47})


@scenario("voiding")
def test_edited_and_cancelled_between_two_looks(shop: Story) -> None:
    order = an_order(shop)
    shop.edit(order, shop.store.item("MUG", 3))
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: VOIDED}, stock={"MUG": 50})


@scenario("voiding", edits=["review"])
def test_edited_for_a_person_to_see(shop: Story) -> None:
    order = an_order(shop)
    shop.edit(order, shop.store.item("MUG", 3))
    shop.poll()
    shop.ends({order: PAID}, stock={"MUG": 48}, review={order: Reason.EDITED})


@scenario("voiding", edits=["review"])
def test_edited_for_a_person_to_see_and_edited_back(shop: Story) -> None:
    order = an_order(shop)
    shop.edit(order, shop.store.item("MUG", 3))
    shop.poll()
    shop.edit(order, shop.store.item("MUG", 2))
    shop.poll()
    shop.ends({order: PAID}, stock={"MUG": 48})


@scenario("voiding", "paying", edits=["replace", "review"])
def test_a_note_is_added(shop: Story) -> None:
    order = an_order(shop)
    shop.is_edited(order, staff_notes="Call before noon", message="Ring twice")
    shop.poll()
    assert shop.writes() == []
    shop.ends({order: PAID}, stock={"MUG": 48})


@scenario("voiding", "paying", edits=["replace", "review"])
def test_the_address_is_corrected(shop: Story) -> None:
    order = an_order(shop)
    draft = shop.store.orders[order].draft
    assert draft is not None
    shop.is_edited(order, shopper=replace(draft.shopper, street="2 Sample Street"), parcels=(Parcel(to=GUEST),))
    shop.poll()
    assert shop.writes() == []
    shop.ends({order: PAID}, stock={"MUG": 48})


@scenario("voiding", edits=["replace", "review"])
def test_a_shipment_is_added(shop: Story) -> None:
    order = an_order(shop)
    shop.is_shipped(order)
    shop.poll()
    assert shop.writes() == []
    shop.ends({order: PAID}, stock={"MUG": 48})


@scenario("voiding", "refunding")
def test_edited_then_refunded(shop: Story) -> None:
    order = an_order(shop)
    shop.edit(order, shop.store.item("MUG", 5))
    shop.poll()
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.ends(
        {order: [VOIDED, "closed 54.00: 5 MUG; Online - Card 54.00", "closed -10.80: -1 MUG; Online - Card -10.80"]},
        stock={"MUG": 46},
    )


@scenario("voiding", "refunding")
def test_edited_and_refunded_between_two_looks(shop: Story) -> None:
    order = an_order(shop)
    shop.edit(order, shop.store.item("MUG", 5))
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.ends(
        {order: [VOIDED, "closed 54.00: 5 MUG; Online - Card 54.00", "closed -10.80: -1 MUG; Online - Card -10.80"]},
        stock={"MUG": 46},
    )


@scenario("voiding", "refunding")
def test_refunded_then_edited(shop: Story) -> None:
    order = an_order(shop)
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.edit(order, shop.store.item("MUG", 4))
    shop.poll()
    shop.ends(
        {order: [PAID, "closed -10.80: -1 MUG; Online - Card -10.80"]},
        stock={"MUG": 49},
        review={order: Reason.EDITED_AFTER_REFUND},
    )


@scenario("voiding", "refunding")
def test_a_line_taken_off_and_its_money_given_back(shop: Story) -> None:
    """The edit and the refund tell of the same money: a person says which of them is meant."""
    order = an_order(shop)
    shop.edit(order, shop.store.item("MUG", 1))
    shop.is_refunded(order, order_amount="10.80")
    shop.poll()
    shop.ends({order: PAID}, stock={"MUG": 48}, review={order: Reason.EDITED_AFTER_REFUND})
