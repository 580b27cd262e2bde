"""Customers and products that sales need: found, linked or created once, and what becomes of orders that lack one."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from shop import ADA, BASIL, GUEST, NOBODY, NOW, OUTLET, Killed, Shop

from bcpoll.checkpoint import IntentState
from bcpoll.core.order import Json
from bcpoll.core.rejected import Reason
from bcpoll.errors import RetryLater, Unreachable
from bcpoll.sandbox import pos_customers
from bcpoll.sandbox.calls import Refused
from bcpoll.sandbox.catalogue import Variant
from bcpoll.sandbox.drafts import ExtraFee, Item, Parcel, Shopper
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.pos import Pos
from bcpoll.sandbox.switches import Switches


class TestCustomers:
    def test_a_customer_is_created_once_and_linked_by_number(self) -> None:
        shop = Shop()
        shop.order(shopper=ADA)
        shop.pass_()
        shop.order(shopper=replace(ADA, email="ada.new@example.com"))

        shop.pass_()

        assert shop.writes() == ["POST /sales"]
        assert shop.customers() == {"ada@example.com": 1}

    def test_a_customer_is_made_of_the_billing_address(self) -> None:
        shop = Shop()
        shop.order(shopper=replace(BASIL, company="Pans"), email_opt_in=True)

        shop.pass_()

        [made] = shop.world.pos.customers
        assert made["customer_code"] == "BC-8"
        assert (made["first_name"], made["last_name"], made["company_name"]) == ("Basil", "Saucepan", "Pans")
        assert (made["email"], made["do_not_email"]) == ("basil@example.com", False)

    def test_a_customer_of_the_pos_is_found_by_an_address_in_other_case_and_left_as_it_is(self) -> None:
        shop = Shop()
        shop.world.pos.add_customer("A.", "Teacup-Old", "ADA@Example.COM", code="KEEP")
        before = dict(next(iter(shop.world.pos.customers)))

        order = shop.order(shopper=ADA)
        report = shop.pass_()

        assert [dict(row) for row in shop.world.pos.customers] == [before]
        assert shop.sales(order)[0]["customer_id"] == before["id"]
        assert report.counts["customers_created"] == 0

    def test_the_oldest_of_several_is_taken(self) -> None:
        shop = Shop()
        ids = []
        for day in (3, 1, 2):
            shop.time.at = NOW.replace(day=day)
            ids.append(shop.world.pos.add_customer("Ada", f"No. {day}", "ada@example.com"))
        shop.time.at = NOW

        order = shop.order(shopper=ADA)
        shop.pass_()

        assert shop.sales(order)[0]["customer_id"] == ids[1]

    @pytest.mark.parametrize("workers", [1, 8])
    def test_several_orders_of_one_new_customer_on_a_page_create_one(self, workers: int) -> None:
        shop = Shop(workers=workers)
        for shopper in (ADA, ADA, GUEST, replace(GUEST, email="HAZEL@example.com"), replace(ADA, customer_id=9)):
            shop.order(shopper=shopper)

        report = shop.pass_()

        assert report.counts["customers_created"] == 2
        assert shop.customers() == {"ada@example.com": 1, "hazel@example.com": 1}
        assert shop.lives() == []

    def test_a_guest_is_found_again_by_address_and_as_a_customer_too(self) -> None:
        shop = Shop()
        shop.order(shopper=GUEST)
        shop.pass_()
        shop.order(shopper=replace(GUEST, customer_id=12))
        shop.order(shopper=replace(GUEST, email=" Hazel@example.com "))

        shop.pass_()

        assert shop.writes() == ["POST /sales", "POST /sales"]
        assert shop.customers() == {"hazel@example.com": 1}

    def test_a_guest_without_an_address_is_nobodys_sale(self) -> None:
        shop = Shop()
        order = shop.order(shopper=NOBODY)

        shop.pass_()

        assert shop.sales(order)[0]["customer_id"] is None
        assert len(shop.world.pos.customers) == 0

    def test_a_customer_without_an_address_is_known_by_number(self) -> None:
        shop = Shop()
        nameless = replace(NOBODY, customer_id=33)
        orders = [shop.order(shopper=nameless)]
        shop.pass_()
        orders.append(shop.order(shopper=nameless))

        shop.pass_()

        [made] = shop.world.pos.customers
        assert [shop.sales(number)[0]["customer_id"] for number in orders] == [made["id"]] * 2
        assert "GET /search" not in shop.asked("pos")

    def test_a_search_that_lags_makes_no_second_customer(self) -> None:
        shop = Shop(switches=Switches(search_lag_requests=10_000), page_size=1)
        for _ in range(3):
            shop.order(shopper=ADA)
            shop.pass_()

        assert shop.customers() == {"ada@example.com": 1}
        assert shop.lives() == []

    def test_a_search_that_is_exact_finds_what_was_written_in_lower_case(self) -> None:
        shop = Shop(switches=Switches(email_search="exact"))
        shop.order(shopper=BASIL)
        shop.pass_()
        shop.forget()
        shop.time.forward(hours=1)

        shop.pass_()

        assert shop.customers() == {"basil@example.com": 1}

    def test_one_whom_no_search_finds_is_taken_where_a_second_with_the_address_is_refused(self) -> None:
        shop = Shop(switches=Switches(email_search="exact", same_email="refused"))
        known = shop.world.pos.add_customer("Basil", "Saucepan", "Basil@Example.com")
        order = shop.order(shopper=BASIL)
        shop.order("MUG")

        shop.pass_()

        assert shop.sales(order)[0]["customer_id"] == known
        assert (shop.lives(), shop.review()) == ([], [])

    def test_a_customer_that_is_refused_keeps_none_of_the_other_orders(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def create(pos: Pos, body: Json) -> Json:
            if body["first_name"] == "Ada":
                raise Refused(422, "the name is not allowed")
            return made(pos, body)

        shop, made = Shop(), pos_customers.create
        monkeypatch.setattr(pos_customers, "create", create)
        shop.sell("CUP")
        refused = [shop.order(shopper=ADA), shop.order(shopper=ADA)]
        shop.order(shopper=BASIL)

        report = shop.pass_()

        assert shop.lives(without=refused) == []
        assert report.set_aside == 2
        item = shop.review()[0]
        assert (item.reason, item.field) == (Reason.POS_REFUSED, "customer customer:7")
        assert "the name is not allowed" in item.detail
        monkeypatch.undo()
        shop.later()
        assert (shop.lives(), shop.review()) == ([], [])

    def test_a_customer_whose_outcome_is_unclear_is_not_created_over_it(self) -> None:
        shop = Shop(page_size=25)
        orders = [shop.order(shopper=ADA) for _ in range(30)]
        shop.fails(Fault.ERROR_500, "POST", "/customers")

        report = shop.pass_()

        # Orders of both pages wait for the one customer; nothing is tried over the unclear first try.
        assert shop.writes() == ["POST /customers"]
        assert report.set_aside == 30
        assert {item.reason for item in shop.review()} == {Reason.OUTCOME_UNKNOWN}
        shop.later()
        assert (shop.lives(), shop.review()) == ([], [])
        assert len(orders) == len(shop.world.pos.sales)


class TestProducts:
    @pytest.mark.parametrize("price_tax", [True, False])
    def test_a_product_that_the_pos_lacks_ends_with_what_the_store_has_left(
        self,
        price_tax: bool,  # noqa: FBT001
    ) -> None:
        shop = Shop()
        shop.world.pos.retailer["tax_exclusive"] = price_tax
        shop.sell("NEW", known=False, price="12.50", stock=20)
        shop.order("NEW", 3)
        shop.order("NEW", 2)

        report = shop.pass_()

        assert report.counts["products_created"] == 1
        assert shop.store.catalogue.left("NEW") == 15
        assert shop.lives() == []
        [made] = shop.world.pos.with_code("NEW")
        assert (made["name"], made["price_excluding_tax"], made["has_inventory"]) == (
            "Product NEW",
            Decimal("12.50"),
            True,
        )

    def test_a_cancelled_order_takes_no_stock_of_a_new_product(self) -> None:
        shop = Shop()
        shop.sell("NEW", known=False, stock=20)
        shop.order("NEW", 3)
        cancelled = shop.order("NEW", 2)
        shop.store.cancel(cancelled)

        shop.pass_()

        assert shop.stock("NEW") == 17
        assert shop.lives() == []

    def test_each_variant_has_a_stock_of_its_own(self) -> None:
        shop = Shop()
        shop.sell(
            "", known=False, variants=[Variant(id=61, sku="TEE-S", stock=5), Variant(id=62, sku="TEE-M", stock=9)]
        )
        shop.order(items=(shop.store.item("TEE-S", 2), shop.store.item("TEE-M", 3)))

        shop.pass_()

        assert (shop.stock("TEE-S"), shop.stock("TEE-M")) == (3, 6)

    @pytest.mark.parametrize("known", [True, False])
    def test_what_the_store_does_not_count_the_pos_does_not_count(self, known: bool) -> None:  # noqa: FBT001
        shop = Shop()
        shop.sell("PDF", known=known, stock=None)
        shop.order("PDF", 4)

        shop.pass_()

        assert shop.world.pos.with_code("PDF")[0]["has_inventory"] is False
        assert shop.stock("PDF") == 0

    def test_custom_and_nameless_products_get_codes_that_stay_the_same(self) -> None:
        shop = Shop()
        shop.sell("", known=False, stock=7)
        blank = Item(name="Salt Pig", product_id=502, variant_id=5502, price="18.00")
        custom = Item(name="Engraving", price="15.00")
        shop.order(items=(blank, custom))
        shop.pass_()
        shop.order(items=(blank, custom), shopper=ADA)

        report = shop.pass_()

        assert report.counts["products_created"] == 0
        codes = set(shop.world.pos.snapshot().products)
        assert {"BC-502-5502", "MUG"} < codes
        assert len(codes) == 3
        assert shop.lives() == []

    def test_charges_sell_through_products_of_their_own_created_once(self) -> None:
        shop = Shop()
        for _ in range(2):
            shop.order(
                items=(replace(shop.store.item("MUG"), wrapping="2.00"),),
                parcels=(Parcel(cost="5.00", handling="1.00"),),
                fees=(ExtraFee(name="Levy", cost="0.30"),),
            )

        report = shop.pass_()

        charges = {"BC-SHIPPING", "BC-HANDLING", "BC-WRAPPING", "BC-FEE"}
        assert set(shop.world.pos.snapshot().products) == charges | {"MUG"}
        assert report.counts["products_created"] == 4
        assert all(not shop.world.pos.with_code(code)[0]["has_inventory"] for code in charges)
        assert shop.lives() == []

    def test_charge_products_of_an_earlier_checkpoint_are_found_again(self) -> None:
        shop = Shop()
        shop.order(parcels=(Parcel(cost="5.00"),))
        shop.pass_()
        shop.forget()
        shop.order(parcels=(Parcel(cost="5.00"),))

        report = shop.pass_()

        assert report.counts["products_created"] == 0
        assert shop.lives() == []

    @pytest.mark.parametrize("sku", ["mug", "Mug ", "MUG"])
    def test_a_code_in_other_case_is_the_same_product(self, sku: str) -> None:
        shop = Shop()
        shop.order(items=(replace(shop.store.item("MUG"), sku=sku),))

        report = shop.pass_()

        assert report.counts["products_created"] == 0
        assert shop.stock() == 49

    def test_two_products_under_one_code_are_never_guessed_and_retried_once_they_differ(self) -> None:
        shop = Shop()
        twin = shop.world.pos.add_product("Twin", "mug")
        ambiguous = shop.order()
        shop.sell("CUP")
        shop.order("CUP")

        report = shop.pass_()

        assert shop.lives(without=[ambiguous]) == []
        [item] = shop.review()
        assert (item.reason, item.detail, report.set_aside) == (
            Reason.AMBIGUOUS_PRODUCT,
            "several products go by 'MUG'",
            1,
        )
        shop.world.pos.delete(shop.world.pos.products, twin)
        shop.later()
        assert (shop.lives(), shop.review()) == ([], [])

    @pytest.mark.parametrize("case", ["exact", "any_case"])
    def test_a_product_that_appears_between_look_up_and_creation_is_taken(self, case: str) -> None:
        shop = Shop(switches=Switches(sku_case=case))
        shop.sell("NEW", known=False)
        shop.order("NEW")
        shop.watch(
            "GET", "/catalog/products", lambda: shop.world.pos.add_product("Theirs", "NEW", stock={OUTLET: "50"})
        )

        report = shop.pass_()

        assert (shop.lives(), shop.review()) == ([], [])
        assert shop.world.pos.snapshot().products["NEW"] == "Theirs"
        assert report.set_aside == 0

    def test_one_that_appears_in_other_case_is_taken_too(self) -> None:
        shop = Shop()
        shop.sell("NEW", known=False)
        order = shop.order("NEW")
        shop.watch(
            "GET", "/catalog/products", lambda: shop.world.pos.add_product("Theirs", "new", stock={OUTLET: "50"})
        )

        shop.pass_()

        assert (shop.states(order), shop.review()) == (["closed"], [])
        assert shop.stock("new") == 49

    def test_a_product_that_is_refused_keeps_none_of_the_other_orders(self) -> None:
        shop = Shop(switches=Switches(deleted_codes="taken"))
        shop.sell("NEW", known=False)
        gone = shop.world.pos.add_product("Gone", "NEW")
        shop.world.pos.delete(shop.world.pos.products, gone)
        refused = shop.order("NEW")
        shop.order()

        report = shop.pass_()

        assert shop.lives(without=[refused]) == []
        [item] = shop.review()
        assert (item.reason, item.field, report.set_aside) == (Reason.POS_REFUSED, "product NEW", 1)
        assert "product code 'NEW' is already in use" in item.detail
        shop.world.switch(deleted_codes="free")
        shop.later()
        assert (shop.lives(), shop.review()) == ([], [])

    def test_a_product_deleted_in_the_pos_is_created_again_by_the_next_try(self) -> None:
        shop = Shop()
        shop.order()
        shop.pass_()
        mug = shop.world.pos.with_code("MUG")[0]["id"]
        shop.world.pos.delete(shop.world.pos.products, mug)
        order = shop.order()

        report = shop.pass_()
        assert (report.set_aside, [item.reason for item in shop.review()]) == (1, [Reason.POS_REFUSED])
        shop.later()

        assert (shop.states(order), shop.review()) == (["closed"], [])
        assert shop.stock() == shop.store.catalogue.left("MUG")

    def test_a_code_that_went_over_to_another_product_is_noticed_within_a_day(self) -> None:
        shop = Shop()
        shop.order()
        shop.pass_()
        point = shop.world.pos
        [old] = point.with_code("MUG")
        point.forget_codes(old)
        point.keep_product(old | {"sku": "MUG-OLD", "product_codes": [{"type": "CUSTOM", "code": "MUG-OLD"}]})
        point.add_product("The right mug", "MUG", price="10.00", stock={OUTLET: "7"})

        shop.later(hours=25)
        shop.order()
        shop.pass_()

        assert (shop.stock("MUG"), shop.stock("MUG-OLD")) == (6, 49)

    def test_a_product_whose_outcome_is_unclear_is_not_created_over_it(self) -> None:
        shop = Shop(page_size=25)
        shop.sell("NEW", known=False)
        for _ in range(30):
            shop.order("NEW", shopper=NOBODY)
        shop.fails(Fault.ERROR_500, "POST", "/products")

        report = shop.pass_()

        assert shop.writes() == ["POST /products"]
        assert (report.set_aside, {item.reason for item in shop.review()}) == (30, {Reason.OUTCOME_UNKNOWN})
        shop.later()
        assert (shop.lives(), shop.review()) == ([], [])

    @pytest.mark.parametrize("fault", [Fault.ERROR_500_AFTER, Fault.RESET_AFTER, Fault.EMPTY_BODY])
    def test_a_look_up_that_lags_makes_no_second_product(self, fault: Fault) -> None:
        shop = Shop(switches=Switches(search_lag_requests=10_000))
        shop.sell("NEW", known=False)
        shop.order("NEW", shopper=NOBODY)
        shop.fails(fault, "POST", "/products")

        report = shop.pass_()
        assert (report.set_aside, len(shop.world.pos.with_code("NEW"))) == (0, 1)
        shop.order("NEW", shopper=NOBODY)
        shop.later(2)

        assert (shop.lives(), shop.review(), len(shop.world.pos.with_code("NEW"))) == ([], [], 1)

    def test_a_look_up_that_lags_hides_no_product_from_the_run_after_a_crash(self, tmp_path: Path) -> None:
        shop = Shop(switches=Switches(search_lag_requests=10_000), path=tmp_path / "bcpoll.db")
        shop.sell("NEW", known=False)
        shop.order("NEW", shopper=NOBODY)
        shop.dies_at_write(1, after=True)
        with pytest.raises(Killed):
            shop.pass_()
        shop.restart()

        shop.pass_()

        assert (shop.lives(), shop.review(), len(shop.world.pos.with_code("NEW"))) == ([], [], 1)

    @pytest.mark.parametrize("position", ["sold", "refused"])
    def test_a_product_that_is_not_active_is_sold_if_the_pos_does(self, position: str) -> None:
        shop = Shop(switches=Switches(inactive_product=position))
        mug = shop.world.pos.with_code("MUG")[0]
        mug |= {"active": False, "is_active": False}
        shop.world.pos.keep_product(mug)
        order = shop.order()

        report = shop.pass_()

        assert report.counts["products_created"] == 0
        assert [item.reason for item in shop.review()] == ([Reason.POS_REFUSED] if position == "refused" else [])
        mug |= {"active": True, "is_active": True}
        shop.world.pos.keep_product(mug)
        shop.later()
        assert (shop.states(order), shop.lives(), shop.review()) == (["closed"], [], [])

    def test_of_two_products_under_one_code_the_active_one_is_sold(self) -> None:
        shop = Shop()
        old = shop.world.pos.add_product("Old mug", "MUG", stock={OUTLET: "0"})
        row = shop.world.pos.products.get(old)
        assert row is not None
        row |= {"active": False, "is_active": False}
        shop.world.pos.keep_product(row)
        order = shop.order()

        shop.pass_()

        (line,) = shop.sales(order)[0]["line_items"]
        assert line["product"]["id"] != old
        assert shop.review() == []

    def test_stock_that_cannot_be_read_stops_before_anything_is_created(self) -> None:
        shop = Shop()
        shop.sell("NEW", known=False)
        shop.order("NEW", shopper=NOBODY)
        shop.fails(Fault.ERROR_503, "GET", "/catalog/products", side="store", times=5)

        with pytest.raises(Unreachable):
            shop.pass_()

        assert shop.writes() == []
        shop.pass_()
        assert (shop.lives(), shop.review()) == ([], [])

    def test_a_product_gone_from_the_store_is_created_without_stock(self) -> None:
        shop = Shop()
        gone = shop.sell("NEW", known=False)
        shop.order("NEW")
        shop.store.catalogue.remove(gone.id)

        shop.pass_()

        assert shop.world.pos.with_code("NEW")[0]["has_inventory"] is False

    def test_the_index_of_products_is_read_on_from_where_it_was(self) -> None:
        shop = Shop()
        shop.order()
        shop.pass_()
        version = shop.checkpoint.feed_version("products")
        shop.sell("CUP")
        shop.order("CUP")

        shop.pass_()

        assert shop.world.log.matching(path="/products", method="GET")[0].params["after"] == str(version)
        assert shop.checkpoint.feed_version("products") > version


class TestAnInterruption:
    def test_a_worker_that_is_told_off_leaves_what_it_sent_to_be_looked_up(self) -> None:
        shop = Shop()
        for number in range(4):
            shop.order(shopper=Shopper(first_name="A", last_name="B", email=f"{number}@example.com"))
        seen = iter(range(100))
        shop.world.faults.on(
            Fault.BUSY_BARE,
            lambda one: one.path.endswith("/customers") and one.method == "POST" and next(seen) > 0,
            times=99,
        )

        with pytest.raises(RetryLater):
            shop.pass_()

        assert {intent.state for intent in shop.checkpoint.open_intents()} == {IntentState.OPEN}
        shop.restart()
        shop.pass_()
        assert (shop.lives(), shop.checkpoint.open_intents()) == ([], [])


def test_a_part_of_a_bundle_that_the_pos_lacks_gets_its_price_from_the_catalogue() -> None:
    shop = Shop()
    shop.sell("STRAP", known=False, price="7.50")
    strap = replace(shop.store.item("STRAP"), price="0")
    shop.order(items=(replace(shop.store.item("MUG"), children=(strap,)),))

    shop.pass_()

    [made] = shop.world.pos.with_code("STRAP")
    assert Decimal(made["price_excluding_tax"]) == Decimal("7.50")
