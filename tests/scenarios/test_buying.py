"""Scenarios: who bought, and what: customers and products that the POS knows, half knows, or does not know yet."""

from dataclasses import replace

from shop import ADA, BASIL, GUEST, NOBODY, OUTLET
from story import CANCELLED, SHIPPED, Story, scenario

from bcpoll.core.order import LineKind
from bcpoll.core.rejected import Reason
from bcpoll.sandbox.drafts import Item

HAZEL_WITH_ACCOUNT = replace(GUEST, customer_id=12)
ONE = "closed 10.80: 1 MUG; Online - Card 10.80"
TWO = "closed 21.60: 2 MUG; Online - Card 21.60"


def who(shop: Story, order_id: int) -> str:
    """The POS customer of an order's newest sale."""
    return str(shop.sales(order_id)[-1]["customer_id"])


# --- customers -------------------------------------------------------------------------------------------------------


@scenario("customers", quick=True)
def test_guest_gets_an_account(shop: Story) -> None:
    before = shop.order(shopper=GUEST)
    shop.poll()
    shop.happens(shop.store.attach_customer, before, 12)
    shop.poll()
    assert shop.writes() == []
    after = shop.order(shopper=HAZEL_WITH_ACCOUNT)
    shop.poll()
    assert who(shop, before) == who(shop, after)
    shop.ends({before: ONE, after: ONE}, stock={"MUG": 48}, customers=[GUEST.email])


@scenario("customers")
def test_a_customer_orders_as_a_guest(shop: Story) -> None:
    first = shop.order(shopper=HAZEL_WITH_ACCOUNT)
    shop.poll()
    second = shop.order(shopper=replace(GUEST, email="HAZEL@example.com"))
    shop.poll()
    assert who(shop, first) == who(shop, second)
    shop.ends({first: ONE, second: ONE}, stock={"MUG": 48}, customers=[GUEST.email])


@scenario("customers")
def test_email_changed(shop: Story) -> None:
    """The number of the account says who it is; the customer in the POS is left as it is."""
    before = shop.order(shopper=ADA)
    shop.poll()
    moved = shop.order(shopper=replace(ADA, email="ada@new.example.com"))
    shop.poll()
    assert who(shop, before) == who(shop, moved)
    shop.goes_by(moved, ADA.email)
    shop.ends({before: ONE, moved: ONE}, stock={"MUG": 48}, customers=[ADA.email])


@scenario("customers")
def test_two_new_orders_of_a_new_customer(shop: Story) -> None:
    first, second = shop.order(shopper=BASIL), shop.order(shopper=BASIL, quantity=2)
    shop.poll()
    assert who(shop, first) == who(shop, second)
    shop.ends({first: ONE, second: TWO}, stock={"MUG": 47}, customers=[BASIL.email])


@scenario("customers")
def test_two_people_of_one_name(shop: Story) -> None:
    other = replace(ADA, email="other@example.com", customer_id=70)
    first, second = shop.order(shopper=ADA), shop.order(shopper=other)
    shop.poll()
    assert who(shop, first) != who(shop, second)
    shop.ends({first: ONE, second: ONE}, stock={"MUG": 48}, customers=[ADA.email, other.email])


@scenario("customers")
def test_two_accounts_under_one_email(shop: Story) -> None:
    first, second = shop.order(shopper=ADA), shop.order(shopper=replace(ADA, customer_id=70))
    shop.poll()
    assert who(shop, first) == who(shop, second)
    shop.ends({first: ONE, second: ONE}, stock={"MUG": 48}, customers=[ADA.email])


@scenario("customers")
def test_known_from_the_till_and_left_as_known(shop: Story) -> None:
    known = shop.knows("ada@example.com", "A.")
    before = dict(shop.world.pos.customers.get(known))
    order = shop.order(shopper=ADA, email_opt_in=True)
    shop.poll()
    assert who(shop, order) == known
    assert shop.world.pos.customers.get(known) == before
    shop.ends({order: ONE}, stock={"MUG": 49})


@scenario()
def test_known_from_the_till_in_capitals(shop: Story) -> None:
    """Where the search minds the case, nothing tells that there is such a customer: that way is not told here."""
    known = shop.knows("ADA@Example.COM")
    order = shop.order(shopper=ADA)
    shop.poll()
    assert who(shop, order) == known
    shop.ends({order: ONE}, stock={"MUG": 49})


@scenario("voiding")
def test_known_twice_and_taken_for_the_older_one(shop: Story) -> None:
    gone, oldest, newer = (shop.knows(ADA.email) for _ in range(3))
    shop.world.pos.delete(shop.world.pos.customers, gone)
    order = shop.order(shopper=ADA)
    shop.poll()
    assert who(shop, order) == oldest
    shop.world.pos.delete(shop.world.pos.customers, newer)
    shop.ends({order: ONE}, stock={"MUG": 49})


@scenario("customers")
def test_nobody_in_particular(shop: Story) -> None:
    order = shop.order(shopper=NOBODY)
    shop.poll()
    assert shop.sales(order)[0]["customer_id"] is None
    shop.ends({order: ONE}, stock={"MUG": 49}, customers=[])


@scenario("customers")
def test_wants_the_newsletter_or_not(shop: Story) -> None:
    orders = [shop.order(shopper=ADA, email_opt_in=True), shop.order(shopper=BASIL)]
    shop.poll()
    refuses = {row["email"].lower(): row["do_not_email"] for row in shop.world.pos.customers}
    assert refuses == {ADA.email: False, BASIL.email.lower(): True}
    shop.ends(dict.fromkeys(orders, ONE), stock={"MUG": 48})


@scenario("customers")
def test_a_company_by_the_number_of_a_card(shop: Story) -> None:
    """The POS blots out what looks like the number of a card: that is no difference, and nothing to write again."""
    shopper = replace(ADA, company="4111 1111 1111 1111")
    order = shop.order(shopper=shopper, message="Card 4111 1111 1111 1111, please")
    shop.poll()
    [row] = shop.world.pos.customers
    assert (row["company_name"], "[REDACTED]" in shop.sales(order)[0]["note"]) == ("[REDACTED]", True)
    shop.ends({order: ONE}, stock={"MUG": 49})


@scenario("customers")
def test_moves_house_between_two_orders(shop: Story) -> None:
    first = shop.order(shopper=ADA)
    shop.poll()
    second = shop.order(shopper=replace(ADA, street="9 Other Street"))
    shop.poll()
    [row] = shop.world.pos.customers
    assert row["physical_address_1"] == ADA.street
    shop.ends({first: ONE, second: ONE}, stock={"MUG": 48})


@scenario("customers", "voiding")
def test_a_customer_of_nothing_but_a_cancelled_order(shop: Story) -> None:
    order = shop.order(shopper=ADA, status=CANCELLED)
    shop.poll()
    shop.ends({order: "voided 10.80: 1 MUG"}, stock={"MUG": 50})


@scenario("customers")
def test_deleted_in_the_pos_between_two_orders(shop: Story) -> None:
    first = shop.order(shopper=ADA)
    shop.poll()
    shop.time.forward(days=3)
    shop.world.pos.delete(shop.world.pos.customers, who(shop, first))
    second = shop.order(shopper=ADA)
    shop.poll()
    shop.poll(days=1)
    # The POS may keep the code for whom it deleted.
    assert who(shop, first) != who(shop, second)
    shop.ends({first: ONE, second: ONE}, stock={"MUG": 48})


# --- products --------------------------------------------------------------------------------------------------------


@scenario("products")
def test_a_product_that_the_pos_has_never_heard_of(shop: Story) -> None:
    shop.sell("VASE", known=False, price="20.00", stock=9)
    order = shop.order("VASE", 2)
    shop.poll()
    [row] = shop.world.pos.with_code("VASE")
    assert (row["name"], row["price_excluding_tax"], row["has_inventory"]) == ("Product VASE", 20, True)
    shop.ends({order: "closed 43.20: 2 VASE; Online - Card 43.20"}, stock={"MUG": 50, "VASE": 7})


@scenario("products")
def test_three_orders_of_a_new_product(shop: Story) -> None:
    shop.sell("VASE", known=False, price="20.00", stock=9)
    first, second = shop.order("VASE"), shop.order("VASE", 2)
    shop.poll()
    third = shop.order("VASE", 3)
    shop.poll()
    shop.ends(
        {
            first: "closed 21.60: 1 VASE; Online - Card 21.60",
            second: "closed 43.20: 2 VASE; Online - Card 43.20",
            third: "closed 64.80: 3 VASE; Online - Card 64.80",
        },
        stock={"MUG": 50, "VASE": 3},
    )


@scenario("products", "voiding")
def test_a_new_product_of_a_cancelled_order(shop: Story) -> None:
    shop.sell("VASE", known=False, price="20.00", stock=9)
    order = shop.order("VASE", 2)
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: "voided 43.20: 2 VASE"}, stock={"MUG": 50, "VASE": 9})


@scenario("products", "voiding")
def test_a_new_product_is_sold_and_then_cancelled(shop: Story) -> None:
    shop.sell("VASE", known=False, price="20.00", stock=9)
    order = shop.order("VASE", 2)
    shop.poll()
    shop.is_cancelled(order)
    shop.poll()
    shop.ends({order: "voided 43.20: 2 VASE"}, stock={"MUG": 50, "VASE": 9})


@scenario("products", "refunding")
def test_a_new_product_is_sold_and_comes_back_before_the_first_look(shop: Story) -> None:
    shop.sell("VASE", known=False, price="20.00", stock=9)
    order = shop.order("VASE", 2)
    shop.is_refunded(order, lines={0: 1}, restock=True)
    shop.poll()
    told = ["closed 43.20: 2 VASE; Online - Card 43.20", "closed -21.60: -1 VASE; Online - Card -21.60"]
    shop.ends({order: told}, stock={"MUG": 50, "VASE": 8})


@scenario("products", "tracking", fulfillment=["track"])
def test_a_new_product_waits_for_its_parcel(shop: Story) -> None:
    shop.sell("VASE", known=False, price="20.00", stock=9)
    order = shop.order("VASE", 2)
    shop.poll()
    shop.turns(order, SHIPPED)
    shop.poll()
    shop.ends({order: "closed delivery 43.20: 2 VASE; Online - Card 43.20"}, stock={"MUG": 50, "VASE": 7})


@scenario("products")
def test_what_is_not_counted_on_the_web(shop: Story) -> None:
    shop.sell("COURSE", known=False, price="80.00", stock=None)
    order = shop.order("COURSE", 2)
    shop.poll()
    [row] = shop.world.pos.with_code("COURSE")
    assert not row["has_inventory"]
    shop.ends({order: "closed 172.80: 2 COURSE; Online - Card 172.80"}, stock={"MUG": 50})


@scenario("products", quick=True)
def test_sku_case_differs(shop: Story) -> None:
    shop.sell("Tall-Vase", known=False, stock=9)
    shop.world.pos.add_product("Tall vase", "TALL-VASE", stock={OUTLET: "9"})
    first = shop.order("Tall-Vase", 2)
    shop.poll()
    second = shop.order("Tall-Vase")
    shop.poll()
    shop.ends(
        {
            first: "closed 21.60: 2 TALL-VASE; Online - Card 21.60",
            second: "closed 10.80: 1 TALL-VASE; Online - Card 10.80",
        },
        stock={"MUG": 50, "TALL-VASE": 6},
    )


@scenario("products")
def test_product_appears_in_between(shop: Story) -> None:
    """Staff enter it between look-up and creation: what they entered is sold, with the stock that they counted."""
    shop.sell("VASE", known=False, price="20.00", stock=9)
    shop.watch("GET", "/products", lambda: shop.world.pos.add_product("Vase", "VASE", stock={OUTLET: "9"}))
    order = shop.order("VASE", 2)
    shop.poll()
    shop.poll(days=1)
    assert len(shop.world.pos.with_code("VASE")) == 1
    shop.ends({order: "closed 43.20: 2 VASE; Online - Card 43.20"}, stock={"MUG": 50, "VASE": 7})


@scenario("products")
def test_a_product_that_was_deleted_in_the_pos(shop: Story) -> None:
    shop.sell("VASE", price="20.00", stock=9)
    [old] = shop.world.pos.with_code("VASE")
    shop.poll()
    shop.world.pos.set_stock(old["id"], shop.world.pos.id_of(shop.world.pos.outlets, OUTLET), 0)
    shop.world.pos.delete(shop.world.pos.products, old["id"])
    order = shop.order("VASE", 2)
    shop.poll()
    shop.poll(days=1)
    if shop.world.switches.deleted_codes == "taken":
        shop.ends({order: []}, stock={"MUG": 50}, customers=[ADA.email], review={order: Reason.POS_REFUSED})
    else:
        shop.ends({order: "closed 43.20: 2 VASE; Online - Card 43.20"}, stock={"MUG": 50, "VASE": 7})


@scenario("products")
def test_a_product_that_is_not_sold_at_the_till_any_more(shop: Story) -> None:
    shop.sell("VASE", price="20.00", stock=9)
    [row] = shop.world.pos.with_code("VASE")
    row["is_active"] = row["active"] = False
    shop.world.pos.keep_product(row)
    order = shop.order("VASE", 2)
    shop.poll()
    if shop.world.switches.inactive_product == "refused":
        left = {"MUG": 50, "VASE": 9}
        shop.ends({order: []}, stock=left, customers=[ADA.email], review={order: Reason.POS_REFUSED})
    else:
        shop.ends({order: "closed 43.20: 2 VASE; Online - Card 43.20"}, stock={"MUG": 50, "VASE": 7})


@scenario("products")
def test_two_products_under_one_code(shop: Story) -> None:
    shop.sell("VASE", price="20.00", stock=9)
    second = shop.world.pos.add_product("Vase, entered twice", "VASE")
    order = shop.order("VASE", 2)
    shop.poll()
    assert shop.asked_of_people() == {order: Reason.AMBIGUOUS_PRODUCT}
    shop.world.pos.delete(shop.world.pos.products, second)
    shop.poll(days=1)
    shop.ends({order: "closed 43.20: 2 VASE; Online - Card 43.20"}, stock={"MUG": 50, "VASE": 7})


@scenario("products")
def test_gone_from_the_web_before_it_is_looked_up(shop: Story) -> None:
    product = shop.sell("VASE", known=False, price="20.00", stock=9)
    order = shop.order("VASE", 2)
    shop.store.catalogue.remove(product.id)
    shop.poll()
    shop.ends({order: "closed 43.20: 2 VASE; Online - Card 43.20"}, stock={"MUG": 50})


@scenario("overselling")
def test_sold_at_the_till_and_on_the_web(shop: Story) -> None:
    shop.sell("VASE", price="20.00", stock=2)
    order = shop.order("VASE", 2)
    shop.sell_at_till("VASE")
    shop.poll()
    if shop.world.switches.negative_stock == "refused":
        left = {"MUG": 50, "VASE": 1}
        shop.ends({order: []}, stock=left, customers=[ADA.email], review={order: Reason.POS_REFUSED})
    else:
        shop.ends({order: "closed 43.20: 2 VASE; Online - Card 43.20"}, stock={"MUG": 50, "VASE": -1})


@scenario("products", "bundles")
def test_a_product_made_for_one_order(shop: Story) -> None:
    """Staff sell on the web what no catalogue knows."""
    item = replace(shop.store.item("MUG"), name="Engraving", sku="", product_id=0, variant_id=0, price="5.00")
    first = shop.order(items=(shop.store.item("MUG"), item))
    shop.poll()
    second = shop.order(items=(replace(item, quantity=2),))
    shop.poll()
    [code] = [row["sku"] for row in shop.world.pos.products if row["name"] == "Engraving"]
    told = {first: f"closed 16.20: 1 MUG, 1 {code}; Online - Card 16.20"}
    shop.ends({**told, second: f"closed 10.80: 2 {code}; Online - Card 10.80"}, stock={"MUG": 49})


@scenario("certificates")
def test_a_gift_certificate_is_sold(shop: Story) -> None:
    mug = shop.store.item("MUG")
    certificate = Item(name="Gift Certificate", price="25.00", kind=LineKind.GIFT_CERTIFICATE, tax_rate="0")
    order = shop.order(items=(mug, certificate))
    shop.poll()
    told = "closed 35.80: 1 MUG, 1 BC-GIFT-CERTIFICATE; Online - Card 35.80"
    shop.ends({order: told}, stock={"MUG": 49})
