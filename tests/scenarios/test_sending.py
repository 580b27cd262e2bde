"""Scenarios: what is to be sent or picked up shows on the POS's Fulfillments page until BigCommerce says it is gone."""

from dataclasses import replace

import pytest
from shop import ADA, BASIL, GUEST, NOBODY
from story import AWAITING_PAYMENT, COMPLETED, SHIPPED, Story, scenario

from bcpoll.core.order import LineKind
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox import pos_sales
from bcpoll.sandbox.drafts import Parcel, Pickup, Shopper

TRACK = {"fulfillment": ["track"]}
AWAITING_PICKUP = OrderStatus.AWAITING_PICKUP
AT_THE_CORNER = (Pickup(code="LOC-1", name="Corner Shop"),)

TO_SEND = "pending delivery 21.60: 2 MUG; Online - Card 21.60"
SENT = "closed delivery 21.60: 2 MUG; Online - Card 21.60"
PLAIN = "closed 21.60: 2 MUG; Online - Card 21.60"

PARIS = {"city": "Paris", "state": "", "country": "France", "country_code": "FR"}
LONDON = {"city": "London", "state": "", "country": "United Kingdom", "country_code": "GB"}
ROME = {"city": "Rome", "state": "", "country": "Italy", "country_code": "IT"}


def fulfillments(shop: Story) -> list[tuple[str, str]]:
    return [(row["type"], row["state"]) for row in shop.world.pos.fulfillments.values()]


def on_the_shelf(shop: Story, left: int) -> int:
    """What is in stock, where a sale that waits for its parcel may or may not have taken two mugs already."""
    return left if shop.world.switches.pending_fulfillment == "moves_stock" else left + 2


@scenario("tracking", "voiding", quick=True, **TRACK)
def test_waits_for_its_parcel_and_is_sent(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.shows(order, TO_SEND)
    assert (fulfillments(shop), shop.stock()) == ([("DISPATCH", "OPEN")], on_the_shelf(shop, 48))
    shop.is_shipped(order)
    shop.poll()
    assert fulfillments(shop) == [("DISPATCH", "FULFILLED")]
    shop.ends({order: SENT}, stock={"MUG": 48})


@scenario("tracking", **TRACK)
def test_waits_for_its_parcel_still(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.ends({order: TO_SEND}, stock={"MUG": on_the_shelf(shop, 48)})


@scenario("tracking", **TRACK)
def test_picked_up(shop: Story) -> None:
    order = shop.order(quantity=2, status=AWAITING_PICKUP, parcels=AT_THE_CORNER)
    shop.poll()
    shop.shows(order, "pending pickup 21.60: 2 MUG; Online - Card 21.60")
    shop.turns(order, COMPLETED)
    shop.poll()
    assert fulfillments(shop) == [("PICKUP", "FULFILLED")]
    shop.ends({order: "closed pickup 21.60: 2 MUG; Online - Card 21.60"}, stock={"MUG": 48})


@scenario("tracking", **TRACK)
def test_picked_up_by_somebody_without_an_address(shop: Story) -> None:
    order = shop.order(quantity=2, status=AWAITING_PICKUP, parcels=AT_THE_CORNER, shopper=NOBODY)
    shop.poll()
    shop.turns(order, COMPLETED)
    shop.poll()
    shop.ends({order: "closed pickup 21.60: 2 MUG; Online - Card 21.60"}, stock={"MUG": 48})


@scenario("tracking", **TRACK)
def test_sent_before_the_first_look(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.is_shipped(order)
    shop.poll()
    assert fulfillments(shop) == []
    shop.ends({order: PLAIN}, stock={"MUG": 48})


@scenario("tracking", **TRACK)
def test_sent_in_two_parcels(shop: Story) -> None:
    """One parcel is gone: the order still waits, as BigCommerce says, for the other."""
    order = shop.order(quantity=2)
    shop.poll()
    shop.turns(order, OrderStatus.PARTIALLY_SHIPPED)
    shop.poll()
    shop.shows(order, TO_SEND)
    shop.is_shipped(order)
    shop.poll()
    shop.ends({order: SENT}, stock={"MUG": 48})


@scenario("tracking", "voiding", "paying", unpaid=["closed", "on_account"], **TRACK)
def test_paid_later_and_sent(shop: Story) -> None:
    order = shop.order(quantity=2, status=AWAITING_PAYMENT)
    shop.poll()
    shop.is_paid(order)
    shop.poll()
    shop.shows(order, shop.as_voided("21.60: 2 MUG"), TO_SEND)
    shop.is_shipped(order)
    shop.poll()
    shop.ends({order: [shop.as_voided("21.60: 2 MUG"), SENT]}, stock={"MUG": 48})


@scenario("tracking", "voiding", **TRACK)
def test_cancelled_before_it_was_sent(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: "voided delivery 21.60: 2 MUG"}, stock={"MUG": 50})


@scenario("tracking", "voiding", **TRACK)
def test_cancelled_after_it_was_sent(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_shipped(order)
    shop.poll()
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: "voided delivery 21.60: 2 MUG"}, stock={"MUG": 50})


@scenario("tracking", "voiding", **TRACK)
def test_revived_and_to_be_sent_again(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_cancelled(order)
    shop.poll()
    shop.turns(order, OrderStatus.AWAITING_SHIPMENT)
    shop.poll()
    shop.is_shipped(order)
    shop.poll()
    shop.ends({order: ["voided delivery 21.60: 2 MUG", SENT]}, stock={"MUG": 48})


@scenario("tracking", "voiding", **TRACK)
def test_edited_before_it_was_sent(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.edit(order, shop.store.item("MUG", 3))
    shop.poll()
    shop.is_shipped(order)
    shop.poll()
    told = "closed delivery 32.40: 3 MUG; Online - Card 32.40"
    shop.ends({order: ["voided delivery 21.60: 2 MUG", told]}, stock={"MUG": 47})


@scenario("tracking", "voiding", **TRACK)
def test_edited_and_sent_between_two_looks(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.edit(order, shop.store.item("MUG", 3))
    shop.is_shipped(order)
    shop.poll()
    told = "closed 32.40: 3 MUG; Online - Card 32.40"
    shop.ends({order: ["voided delivery 21.60: 2 MUG", told]}, stock={"MUG": 47})


@scenario("tracking", "refunding", **TRACK)
def test_refunded_in_part_before_it_was_sent(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    back = "closed -10.80: -1 MUG; Online - Card -10.80"
    shop.shows(order, TO_SEND, back)
    shop.is_shipped(order)
    shop.poll()
    shop.ends({order: [SENT, back]}, stock={"MUG": 49})


@scenario("tracking", "refunding", **TRACK)
def test_refunded_after_it_was_sent(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_shipped(order)
    shop.poll()
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.ends({order: [SENT, "closed -10.80: -1 MUG; Online - Card -10.80"]}, stock={"MUG": 49})


@scenario("tracking", "refunding", **TRACK)
def test_sent_and_refunded_between_two_looks(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_shipped(order)
    shop.is_refunded(order, lines={0: 1})
    shop.poll()
    shop.ends({order: [SENT, "closed -10.80: -1 MUG; Online - Card -10.80"]}, stock={"MUG": 49})


@scenario("tracking", "refunding", **TRACK)
def test_all_of_it_refunded_before_it_was_sent(shop: Story) -> None:
    """There is nothing left to send: it must not wait on the Fulfillments page for ever."""
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_refunded(order, lines={0: 2})
    shop.poll()
    assert fulfillments(shop) == [("DISPATCH", "FULFILLED")]
    shop.ends({order: [SENT, "closed -21.60: -2 MUG; Online - Card -21.60"]}, stock={"MUG": 50})


@scenario("tracking", "refunding", **TRACK)
def test_disputed_after_it_was_sent(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_shipped(order)
    shop.turns(order, OrderStatus.DISPUTED)
    shop.poll()
    shop.ends({order: SENT}, stock={"MUG": 48})


@scenario("tracking", **TRACK)
def test_disputed_before_it_was_sent(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.turns(order, OrderStatus.DISPUTED)
    shop.poll()
    shop.ends({order: TO_SEND}, stock={"MUG": on_the_shelf(shop, 48)})


@scenario("tracking", **TRACK)
def test_handed_over_at_the_till_before_bigcommerce_knows(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    pos_sales.fulfill(shop.world.pos, shop.sales(order)[0]["id"])
    shop.happens(shop.store.touch, order)
    shop.poll()
    assert shop.writes() == []
    shop.is_shipped(order)
    shop.poll()
    shop.ends({order: SENT}, stock={"MUG": 48})


@scenario("tracking", **TRACK)
def test_put_back_to_awaiting_shipment_after_it_was_sent(shop: Story) -> None:
    order = shop.order(quantity=2)
    shop.poll()
    shop.is_shipped(order)
    shop.poll()
    shop.turns(order, OrderStatus.AWAITING_SHIPMENT)
    shop.poll()
    shop.ends({order: SENT}, stock={"MUG": 48})


@scenario("tracking", **TRACK)
def test_a_present_for_somebody_else(shop: Story) -> None:
    order = shop.order(quantity=2, parcels=(Parcel(to=replace(BASIL, street="9 Other Street"), cost="5.00"),))
    shop.poll()
    [[address]] = shop.world.pos.customer_addresses.values()
    assert address["address_line_1"] == "9 Other Street"
    assert "to Basil" in shop.sales(order)[0]["note"]
    shop.is_shipped(order)
    shop.poll()
    told = "closed delivery 27.00: 2 MUG, 1 BC-SHIPPING; Online - Card 27.00"
    shop.ends({order: told}, stock={"MUG": 48})


@scenario("tracking", **TRACK)
def test_a_download_beside_a_parcel(shop: Story) -> None:
    """What is downloaded is nothing to send: its line bears no mark, and it is handed over with the others."""
    shop.sell("SONG", price="5.00", stock=None, kind=LineKind.DIGITAL)
    order = shop.order(items=(shop.store.item("MUG", 2), shop.store.item("SONG")), parcels=(Parcel(cost="5.00"),))
    shop.poll()
    [sale] = shop.sales(order)
    marks = [line["_metadata"].get("fulfillment_method") for line in sale["line_items"]]
    assert (sale["state"], marks) == ("pending", ["DISPATCH", None, None])
    shop.is_shipped(order)
    shop.poll()
    told = "closed delivery 32.40: 2 MUG, 1 SONG, 1 BC-SHIPPING; Online - Card 32.40"
    shop.ends({order: told}, stock={"MUG": 48})


@scenario("tracking", **TRACK)
def test_nothing_but_a_download(shop: Story) -> None:
    shop.sell("SONG", price="5.00", stock=None, kind=LineKind.DIGITAL)
    order = shop.order("SONG")
    shop.poll()
    shop.ends({order: "closed 5.40: 1 SONG; Online - Card 5.40"}, stock={"MUG": 50})


@scenario("tracking", **TRACK)
def test_one_parcel_and_one_thing_to_pick_up(shop: Story) -> None:
    """A sale goes one way: what is picked up stays unmarked beside the parcel."""
    items = (shop.store.item("MUG", 2), replace(shop.store.item("MUG"), parcel=1))
    order = shop.order(items=items, parcels=(Parcel(), *AT_THE_CORNER))
    shop.poll()
    [sale] = shop.sales(order)
    assert [line["_metadata"].get("fulfillment_method") for line in sale["line_items"]] == ["DISPATCH", None]
    shop.is_shipped(order)
    shop.poll()
    shop.ends({order: "closed delivery 32.40: 3 MUG; Online - Card 32.40"}, stock={"MUG": 47})


# --- addresses that the POS does not take ----------------------------------------------------------------------------

REFUSED: dict[str, Shopper] = {
    "letters-for-a-zip-code": replace(ADA, postcode="ABCDE"),
    "a-zip-code-too-short": replace(ADA, postcode="6270"),
    "a-french-postcode-too-long": replace(ADA, postcode="750011", **PARIS),
    "a-british-postcode-in-digits": replace(ADA, postcode="12345", **LONDON),
    "no-postcode": replace(ADA, postcode=""),
    "no-street": replace(ADA, street=""),
    "a-street-too-long": replace(ADA, street="The Old House behind the Mill by the Long Water 1234"),
    "a-city-too-long": replace(ADA, city="Llanfairpwllgwyngyllgogerychwyrndrobwll"),
    "a-state-that-is-none": replace(ADA, state="Atlantis"),
    "no-state": replace(ADA, state=""),
    "no-country": replace(ADA, country="", country_code=""),
}
TAKEN: dict[str, Shopper] = {
    "a-zip-code-of-nine-digits": replace(ADA, postcode="62701-1234"),
    "a-state-by-its-code": replace(ADA, state="IL"),
    "france": replace(ADA, postcode="75001", **PARIS),
    "britain": replace(ADA, postcode="SW1A 1AA", **LONDON),
    "a-country-without-a-check": replace(ADA, postcode="00184", **ROME),
}


def sent_to(shop: Story, shopper: Shopper, *told: str) -> None:
    order = shop.order(quantity=2, shopper=shopper)
    shop.poll()
    shop.shows(order, told[0])
    assert shopper.street in shop.sales(order)[0]["note"]
    shop.is_shipped(order)
    shop.poll()
    shop.ends({order: told[-1]}, stock={"MUG": 48})


@pytest.mark.slow
@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_the_pos_refuses_costs_no_order(address: str) -> None:
    """The order is a plain closed sale, with the address in its note."""
    shop = Story(settings={"sync": {"fulfillment": "track"}})
    sent_to(shop, REFUSED[address], PLAIN)
    shop.closes()


@pytest.mark.slow
@pytest.mark.parametrize("address", TAKEN)
def test_an_address_that_the_pos_takes_is_that_of_the_delivery(address: str) -> None:
    shop = Story(settings={"sync": {"fulfillment": "track"}})
    sent_to(shop, TAKEN[address], TO_SEND, SENT)
    shop.closes()


@scenario("tracking", "customers", **TRACK)
def test_one_refused_address_keeps_no_other_parcel(shop: Story) -> None:
    refused = shop.order(quantity=2, shopper=replace(GUEST, postcode="?"))
    taken = shop.order(quantity=2, shopper=BASIL)
    shop.poll()
    shop.shows(taken, TO_SEND)
    shop.happens(shop.store.bulk_edit, [refused, taken], SHIPPED)
    shop.poll()
    shop.ends({refused: PLAIN, taken: SENT}, stock={"MUG": 46})
