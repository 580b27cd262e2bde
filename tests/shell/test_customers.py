"""Who a sale is booked for: found, linked or created once, and found anew where the POS has lost a customer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from shop import ADA, BASIL, GUEST, NOBODY, Shop

from bcpoll.core.rejected import Reason
from bcpoll.core.status import OrderStatus
from bcpoll.errors import WrongAnswer
from bcpoll.sandbox.drafts import Shopper
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches

CARD = "4111 1111 1111 1111"


def linked(shop: Shop, shopper: Shopper = ADA) -> str:
    """A customer that an order of an hour ago is linked to."""
    shop.order(shopper=shopper)
    shop.pass_()
    shop.time.forward(hours=1)
    (customer,) = shop.world.pos.customers
    return str(customer["id"])


def delete(shop: Shop, customer_id: str) -> None:
    shop.world.pos.delete(shop.world.pos.customers, customer_id)


def customer_of(shop: Shop, order_id: int) -> Mapping[str, Any]:
    found = shop.world.pos.customers.get(shop.sales(order_id)[-1]["customer_id"])
    assert found is not None
    return found


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.HTML_BODY], ids=lambda fault: fault.name)
def test_a_search_that_breaks_the_pos_over_and_over_holds_up_no_other_order(fault: Fault) -> None:
    shop = Shop()
    shop.world.faults.on(fault, lambda request: request.params.get("email") == BASIL.email.lower(), times=10**6)
    bad, same, good = shop.order(shopper=BASIL), shop.order(shopper=replace(BASIL, customer_id=0)), shop.order()

    shop.pass_()

    assert (shop.states(good), shop.states(bad), shop.states(same)) == (["closed"], [], [])
    assert {(item.order_id, item.reason) for item in shop.review()} == {
        (bad, Reason.POS_REFUSED),
        (same, Reason.POS_REFUSED),
    }
    assert all(item.field.startswith("customer ") for item in shop.review())
    shop.world.faults.clear()
    shop.later()
    assert (shop.lives(), shop.review()) == ([], [])


def test_a_pos_that_is_down_sets_no_order_aside_for_its_customer() -> None:
    shop = Shop()
    shop.order(shopper=BASIL)
    shop.fails(Fault.HTML_BODY, "GET", "/search")
    shop.fails(Fault.HTML_BODY, "GET", "/retailer")

    with pytest.raises(WrongAnswer):
        shop.pass_()

    assert shop.review() == []


class TestACustomerDeletedInThePos:
    @pytest.mark.parametrize("workers", [1, 8])
    def test_it_is_created_anew_in_the_same_pass_and_nobody_has_to_look(self, workers: int) -> None:
        shop = Shop(workers=workers)
        gone = linked(shop)
        delete(shop, gone)
        orders = [shop.order(shopper=ADA), shop.order(shopper=replace(ADA, customer_id=0)), shop.order(shopper=BASIL)]

        report = shop.pass_()

        assert (report.set_aside, report.waiting, shop.lives()) == (0, 0, [])
        assert gone not in {customer_of(shop, order)["id"] for order in orders}
        assert shop.customers() == {"ada@example.com": 1, "basil@example.com": 1}

    def test_another_with_the_address_is_taken_instead(self) -> None:
        shop = Shop()
        delete(shop, linked(shop))
        other = shop.world.pos.add_customer("Ada", "Teacup", "Ada@Example.com")
        order = shop.order(shopper=ADA)

        report = shop.pass_()

        assert (customer_of(shop, order)["id"], report.set_aside) == (other, 0)
        assert report.counts["customers_created"] == 0

    def test_a_refund_of_an_earlier_order_is_booked_for_the_new_one(self) -> None:
        shop = Shop()
        delete(shop, linked(shop))
        shop.happens(shop.refund, 100, Refund(lines={0: 1}))

        report = shop.pass_()

        assert (report.set_aside, [sale["state"] for sale in shop.sales(100)]) == (0, ["closed", "closed"])
        assert shop.review() == []

    def test_one_that_was_only_just_linked_is_believed_in_for_a_while(self) -> None:
        shop = Shop()
        shop.order(shopper=ADA)
        shop.pass_()
        delete(shop, next(iter(shop.world.pos.customers))["id"])
        shop.order(shopper=ADA)

        report = shop.pass_()
        assert (report.set_aside, [item.reason for item in shop.review()]) == (1, [Reason.POS_REFUSED])
        shop.later(2, minutes=30)

        assert (shop.lives(), shop.review()) == ([], [])

    @pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.EMPTY_BODY, Fault.HTML_BODY])
    def test_a_pos_that_cannot_tell_whether_it_is_gone_loses_nothing(self, fault: Fault) -> None:
        shop = Shop()
        delete(shop, linked(shop))
        shop.order(shopper=ADA)
        shop.fails(fault, "GET", "/customers/", times=2)

        shop.pass_()
        shop.later(2)

        assert (shop.lives(), shop.review()) == ([], [])

    def test_a_refusal_for_another_reason_leaves_the_link_as_it_is(self) -> None:
        shop = Shop(switches=Switches(negative_stock="refused", search_lag_requests=10_000))
        known = linked(shop)
        order = shop.order("MUG", 60, shopper=ADA)
        shop.pass_()
        shop.world.switch(negative_stock="allowed")

        shop.later()

        assert (customer_of(shop, order)["id"], shop.customers()) == (known, {"ada@example.com": 1})
        assert shop.review() == []


def test_a_guest_who_is_attached_to_an_account_later_writes_nothing_and_is_nobody_new() -> None:
    shop = Shop()
    order = shop.order(shopper=GUEST)
    shop.pass_()
    shop.happens(shop.store.attach_customer, order, 44)

    shop.pass_()
    assert shop.writes() == []
    shop.order(shopper=replace(GUEST, customer_id=44))
    report = shop.pass_()

    assert (report.counts["customers_created"], shop.customers()) == (0, {"hazel@example.com": 1})
    assert shop.lives() == []


def test_an_e_mail_address_that_changes_neither_changes_nor_doubles_the_customer() -> None:
    shop = Shop()
    known = linked(shop)
    before = dict(customer_of(shop, 100))
    order = shop.order(shopper=replace(ADA, email="ada@new.example.com"))

    shop.pass_()

    assert customer_of(shop, order)["id"] == known
    assert dict(customer_of(shop, order)) == before
    assert len(shop.world.pos.customers) == 1


@pytest.mark.parametrize("opts_in", [True, False])
def test_a_new_customer_is_mailed_only_after_opting_in(*, opts_in: bool) -> None:
    shop = Shop()
    order = shop.order(shopper=ADA, email_opt_in=opts_in)

    shop.pass_()

    assert customer_of(shop, order)["do_not_email"] is not opts_in


def test_an_existing_customer_is_not_changed_by_any_order() -> None:
    shop = Shop()
    shop.world.pos.add_customer("A.", "Old", "ada@example.com", code="KEEP")
    (before,) = [dict(row) for row in shop.world.pos.customers]
    for shopper in (ADA, replace(ADA, company="New Ltd", street="2 Other Street"), replace(ADA, customer_id=0)):
        shop.order(shopper=shopper, email_opt_in=True)
        shop.pass_()
        assert not [line for line in shop.writes() if "/customers" in line]

    assert [dict(row) for row in shop.world.pos.customers] == [before]


@pytest.mark.parametrize("lag", [{"search_lag_requests": 10_000}, {"search_lag_seconds": 7200}])
def test_a_new_customer_s_orders_on_one_page_and_the_next_make_one_customer(lag: Mapping[str, int]) -> None:
    shop = Shop(switches=Switches(**lag), page_size=2)
    for shopper in (ADA, ADA, replace(ADA, customer_id=0), replace(ADA, email="ADA@EXAMPLE.COM"), GUEST, GUEST, NOBODY):
        shop.order(shopper=shopper)

    report = shop.pass_()

    assert report.counts["customers_created"] == 2
    assert shop.customers() == {"ada@example.com": 1, "hazel@example.com": 1}


def test_text_that_the_pos_takes_for_a_card_number_makes_no_difference() -> None:
    shop = Shop(settings={"sync": {"unpaid": "on_account"}})
    shopper = replace(ADA, company=CARD, street=f"{CARD} Street")
    order = shop.order(shopper=shopper, message=f"My card is {CARD}", status=OrderStatus.AWAITING_PAYMENT)
    shop.pass_()
    assert "[REDACTED]" in shop.sales(order)[0]["note"]
    assert customer_of(shop, order)["company_name"] == "[REDACTED]"
    shop.time.forward(minutes=5)
    shop.pass_()
    assert shop.writes() == []

    shop.happens(shop.store.pay, order)
    shop.pass_()
    shop.order(shopper=shopper)
    report = shop.pass_()

    assert (report.counts["customers_created"], shop.lives(), shop.review()) == (0, [], [])
