"""The demo shop: Thistle & Pine, home and kitchen, with one web order for everything that can be special about one.

Owns the content only: products, shoppers and orders as tables. Every shopper is made up. All times are relative to the
base that the caller names, and two orders are meant to be set aside: `WRONG_TOTAL` and `FOREIGN`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bcpoll.core.order import LineKind
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.calls import Clock, utc_now
from bcpoll.sandbox.catalogue import Product, Variant
from bcpoll.sandbox.drafts import Coupon, CouponKind, Draft, ExtraFee, Item, Parcel, Pickup, Shopper
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.pos import Pos
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.store import Store
from bcpoll.sandbox.switches import Switches
from bcpoll.sandbox.world import World, furnish, new_world

BASE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
"""The moment just after the last order, where the caller names no other."""

SHOP = "Thistle & Pine"
_EVERY = timedelta(minutes=90)
_REDUCED = "0.05"


# Products. Stock is what there was before the web orders, in both places.


def _products() -> Iterator[Product]:
    mugs = [Variant(id=201, sku="MUG-MOSS", stock=60, options=(("Glaze", "Moss"),))]
    mugs += [Variant(id=202, sku="MUG-SAND", stock=60, options=(("Glaze", "Sand"),))]
    jars = [Variant(id=203, sku="JAR-05", stock=80, options=(("Size", "0.5 l"),))]
    jars += [Variant(id=204, sku="JAR-10", stock=80, options=(("Size", "1 l"),))]
    yield Product(id=101, name="Stoneware Mug", price="12.50", variants=mugs)
    yield Product(id=102, name="Linen Tea Towel", sku="TOWEL-LINEN", price="9.80", stock=90)
    yield Product(id=103, name="Cast Iron Skillet 24 cm", sku="SKILLET-24", price="48.00", stock=25)
    yield Product(id=104, name="Oak Chopping Board", sku="BOARD-OAK", price="34.90", stock=30)
    yield Product(id=105, name="Beeswax Candle", sku="CANDLE-WAX", price="3.75", stock=200)
    yield Product(id=106, name="Glass Storage Jar", price="6.40", variants=jars)
    yield Product(id=107, name="Wool Throw", sku="THROW-WOOL", price="79.00", stock=15)
    yield Product(id=108, name="Breakfast Hamper", sku="HAMPER-1", price="42.00", stock=20)
    yield Product(id=109, name="Wildflower Honey 250 g", sku="HONEY-250", price="7.20", stock=70, tax_rate=_REDUCED)
    yield Product(id=110, name="Earl Grey Tea 100 g", sku="TEA-EARL", price="8.40", stock=70, tax_rate=_REDUCED)
    yield Product(
        id=111, name="Winter Recipes (PDF)", sku="RECIPES-PDF", price="6.00", stock=None, kind=LineKind.DIGITAL
    )
    yield Product(id=112, name="Beech Rolling Pin", sku="PIN-BEECH", price="14.20", stock=35)
    yield Product(id=113, name="Pantry Label", sku="LABEL-PANTRY", price="0.90", stock=300)
    # The next three are on sale on the web only: the POS does not know them yet.
    yield Product(id=114, name="Copper Kettle", sku="KETTLE-CU", price="129.00", stock=12)
    yield Product(id=115, name="Enamel Bread Bin", sku="BIN-ENAMEL", price="39.00", stock=9)
    yield Product(id=116, name="Ceramic Salt Pig", price="18.00", stock=14)


_WEB_ONLY = frozenset({114, 115, 116})


def _stock_pos(pos: Pos, products: list[Product]) -> None:
    for product in products:
        if product.id in _WEB_ONLY:
            continue
        # The POS keeps this one code in lower case: codes are the same product whatever their case.
        sku = product.sku.lower() if product.sku == "CANDLE-WAX" else product.sku
        sold = product.variants or [Variant(id=0, sku=sku, stock=product.stock or 0)]
        for variant in sold:
            chosen = "".join(f" {value}" for _, value in variant.options)
            pos.add_product(
                f"{product.name}{chosen}",
                variant.sku,
                price=str(product.price),
                stock={"Main Store": str(variant.stock), "Warehouse": "100"} if product.stock is not None else {},
                tracked=product.stock is not None,
            )


# Shoppers

ADA = Shopper(first_name="Ada", last_name="Teacup", email="ada.teacup@example.com", customer_id=1, phone="555-0101")
BASIL = Shopper(first_name="Basil", last_name="Saucepan", email="basil@saucepan.example", customer_id=2)
CLEMENTINE = Shopper(
    first_name="Clementine", last_name="Whisk", email="c.whisk@example.com", customer_id=3, company="Whisk Catering"
)
DILL = Shopper(first_name="Dill", last_name="Ladle", email="dill@example.com", customer_id=4, city="Shelbyville")
HAZEL = Shopper(first_name="Hazel", last_name="Spoon", email="hazel@spoon.example", postcode="62704")
JUNIPER = Shopper(first_name="Juniper", last_name="Colander", email="juniper@example.com", street="7 Sieve Lane")
QUINCE = Shopper(first_name="Quince", last_name="Tureen", email="quince@example.com", postcode="62702")
NOBODY = Shopper(first_name="Walk", last_name="Past", email="")


# Orders


@dataclass(frozen=True, slots=True)
class SeedOrder:
    """One order of the demo: what it shows, its draft, and what happens to it later."""

    shows: str
    draft: Draft
    refund: Refund | None = None


class _Desk:
    """Writes drafts for a store in a line each."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, shows: str, shopper: Shopper, *items: Item, **changes: Any) -> SeedOrder:
        refund = changes.pop("refund", None)
        parcels = changes.pop("parcels", (Parcel(cost="6.00"),))
        return SeedOrder(shows, Draft(items=items, shopper=shopper, parcels=parcels, **changes), refund)

    def item(self, sku: str, quantity: int = 1, **changes: Any) -> Item:
        return replace(self._store.item(sku, quantity), **changes)


WRONG_TOTAL = "totals overridden: set aside"
FOREIGN = "paid in a foreign currency: set aside"


def seed_orders(store: Store) -> list[SeedOrder]:
    """All orders of the demo, oldest first; the products have to be in the store."""
    desk = _Desk(store)
    parts = (_plain, _statuses, _reductions, _charges, _lines, _deliveries, _payments, _taxes, _strange)
    return [order for part in parts for order in part(desk)]


def _plain(desk: _Desk) -> Iterator[SeedOrder]:
    item = desk.item
    yield desk("known customer, e-mail in another case", ADA, item("MUG-MOSS", 2), item("TOWEL-LINEN"))
    yield desk("new customer", BASIL, item("SKILLET-24"), email_opt_in=True)
    yield desk("guest", HAZEL, item("CANDLE-WAX", 6))
    yield desk("the same guest again", HAZEL, item("JAR-05", 3), item("JAR-10", 2))
    yield desk("guest without an e-mail", NOBODY, item("PIN-BEECH"))


def _statuses(desk: _Desk) -> Iterator[SeedOrder]:
    item = desk.item
    status = OrderStatus
    yield desk("incomplete", JUNIPER, item("THROW-WOOL"), status=status.INCOMPLETE)
    yield desk("pending", QUINCE, item("MUG-SAND", 4), status=status.PENDING)
    yield desk("shipped", ADA, item("BOARD-OAK"), status=status.SHIPPED)
    yield desk("partially shipped", DILL, item("MUG-SAND", 2), item("PIN-BEECH"), status=status.PARTIALLY_SHIPPED)
    back = Refund(lines={0: 1}, shipping="6.00", restock=True, reason="Arrived broken")
    yield desk("refunded", CLEMENTINE, item("JAR-10"), tax_rate="0", refund=back)
    yield desk("cancelled", JUNIPER, item("SKILLET-24"), status=status.CANCELLED)
    yield desk("declined", QUINCE, item("THROW-WOOL"), status=status.DECLINED)
    yield desk("awaiting payment", BASIL, item("BOARD-OAK", 2), status=status.AWAITING_PAYMENT)
    yield desk("awaiting shipment", HAZEL, item("TEA-EARL", 2), status=status.AWAITING_SHIPMENT)
    yield desk("completed", ADA, item("HONEY-250", 3), status=status.COMPLETED)
    verify = {"payment_status": "captured"}
    held = status.MANUAL_VERIFICATION_REQUIRED
    yield desk("verification, money captured", DILL, item("THROW-WOOL"), status=held, fields=verify)
    yield desk("disputed", QUINCE, item("SKILLET-24"), status=status.DISPUTED)
    one = Refund(lines={0: 1}, restock=True, reason="Ordered one too many")
    yield desk("partially refunded", BASIL, item("MUG-MOSS", 3), item("TEA-EARL"), refund=one)


def _reductions(desk: _Desk) -> Iterator[SeedOrder]:
    item = desk.item
    yield desk("promotion on one line", ADA, item("CANDLE-WAX", 4, discount="3.75"), item("MUG-SAND"))
    yield desk("discount on the whole order", JUNIPER, item("BOARD-OAK"), item("JAR-05", 3), discount="7.00")
    tenth = Coupon(code="PINE10", kind=CouponKind.PERCENTAGE, amount="10")
    yield desk("10 % coupon", CLEMENTINE, item("TOWEL-LINEN", 3), item("HONEY-250"), coupons=(tenth,))
    five = Coupon(code="TAKE5", kind=CouponKind.PER_TOTAL, amount="5.00")
    yield desk("coupon and discount", DILL, item("SKILLET-24"), item("JAR-10"), coupons=(five,), discount="2.50")
    free = Coupon(code="SHIPFREE", kind=CouponKind.FREE_SHIPPING)
    yield desk("free shipping by coupon", HAZEL, item("MUG-MOSS"), coupons=(free,))
    yield desk("three for ten", QUINCE, item("CANDLE-WAX", 3, price="3.3333", line_total="10.00"))


def _charges(desk: _Desk) -> Iterator[SeedOrder]:
    item = desk.item
    paper = item("MUG-SAND", 2, wrapping="4.50", wrapping_message="Happy housewarming!")
    yield desk("gift wrapping", BASIL, paper, item("TEA-EARL"))
    heavy = (Parcel(cost="9.00", handling="3.00", method="Heavy goods"),)
    yield desk("shipping and handling", ADA, item("SKILLET-24", 2), parcels=heavy)
    yield desk("a fee", JUNIPER, item("PIN-BEECH"), fees=(ExtraFee(name="Delivery levy", cost="0.28"),))


def _lines(desk: _Desk) -> Iterator[SeedOrder]:
    item = desk.item
    basket = (item("MUG-MOSS", price="0"), item("HONEY-250", price="0"), item("TEA-EARL", price="0"))
    yield desk("bundle", CLEMENTINE, item("HAMPER-1", children=basket), message="Please leave with the neighbour.")
    yield desk("digital goods only", DILL, item("RECIPES-PDF"), parcels=())
    voucher = Item(name="Gift Certificate", price="25.00", kind=LineKind.GIFT_CERTIFICATE, tax_rate="0")
    yield desk("gift certificate sold", HAZEL, voucher, parcels=())
    yield desk("a product that the POS lacks", ADA, item("KETTLE-CU"), item("TOWEL-LINEN"))
    salt = Item(name="Ceramic Salt Pig", product_id=116, variant_id=5116, price="18.00")
    engraving = Item(name="Engraving on request", price="15.00")
    yield desk("no product known: web only, blank SKU, custom", QUINCE, item("BIN-ENAMEL", 2), salt, engraving)
    labels = [item("LABEL-PANTRY", options=(("Text", f"Jar {number}"),)) for number in range(1, 53)]
    yield desk("more than fifty lines", BASIL, *labels)


def _deliveries(desk: _Desk) -> Iterator[SeedOrder]:
    item = desk.item
    collect = (Pickup(code="MAIN", name="Main Store"),)
    pickup = OrderStatus.AWAITING_PICKUP
    yield desk("pickup at the shop", DILL, item("BOARD-OAK"), parcels=collect, status=pickup)
    two = (Parcel(cost="6.00"), Parcel(to=JUNIPER, cost="8.00", method="Express"))
    yield desk("two addresses", ADA, item("THROW-WOOL"), item("CANDLE-WAX", 2, parcel=1), parcels=two)


def _payments(desk: _Desk) -> Iterator[SeedOrder]:
    item = desk.item
    yield desk("gift certificate redeemed", CLEMENTINE, item("SKILLET-24"), gift_certificate="25.00")
    yield desk("store credit and card", BASIL, item("MUG-MOSS", 2), store_credit="10.00")
    yield desk("cash on delivery", HAZEL, item("JAR-05", 6), payment_method="Cash on Delivery")


def _taxes(desk: _Desk) -> Iterator[SeedOrder]:
    item = desk.item
    yield desk("two tax rates", ADA, item("TOWEL-LINEN", 2), item("HONEY-250", 2), item("TEA-EARL"))
    exempt = (item("BOARD-OAK"), item("TEA-EARL", tax_rate="0"))
    yield desk("tax-exempt", CLEMENTINE, *exempt, tax_rate="0")
    yield desk("prices with tax", DILL, item("MUG-SAND", 3), item("HONEY-250"), inclusive=True, discount="3.00")


def _strange(desk: _Desk) -> Iterator[SeedOrder]:
    item = desk.item
    yield desk("written before September 2023", JUNIPER, item("TOWEL-LINEN", 2), is_old=True, discount="1.00")
    yield desk(WRONG_TOTAL, QUINCE, item("JAR-10", 2), fields={"total_inc_tax": "12.3400"})
    yield desk(FOREIGN, HAZEL, item("PIN-BEECH", 2), currency="EUR")


# Filling a world


def fill(world: World, *, base: datetime = BASE) -> list[SeedOrder]:
    """Put the demo shop into a world that is still empty; gives the orders, the first has number 100."""
    products = list(_products())
    furnish(world.pos)
    _stock_pos(world.pos, products)
    world.pos.add_customer("Ada", "Teacup", "Ada.Teacup@Example.com", code="ADA-1")
    world.pos.add_customer("Olive", "Grater", "olive@example.com", code="OLIVE-1")
    for product in products:
        world.store.add_product(product)
    orders = seed_orders(world.store)
    _place(world.store, orders, base)
    return orders


def _place(store: Store, orders: list[SeedOrder], base: datetime) -> None:
    first = base - _EVERY * len(orders)
    for place, order in enumerate(orders):
        placed = first + _EVERY * place
        number = store.place(order.draft, at=placed)
        if order.refund:
            store.refund(number, order.refund, at=placed + _EVERY / 2)
        if order.draft.status is OrderStatus.SHIPPED:
            store.ship(number, at=placed + _EVERY / 2)


def place_late_order(store: Store) -> int:
    """Place an order that is to be delivered, after all the others; gives its number, 0 in a shop without products."""
    product = next((one for one in store.catalogue if one.sku and not one.variants), None)
    if product is None:
        return 0
    return store.place(Draft(items=(store.item(product.sku),), shopper=ADA, parcels=(Parcel(cost="5.00"),)))


def demo_world(
    *,
    base: datetime = BASE,
    clock: Clock = utc_now,
    switches: Switches | None = None,
    limits: Limits | None = None,
    store_hash: str = "sandbox",
) -> World:
    """A world with the demo shop in it."""
    world = new_world(switches=switches, clock=clock, limits=limits, store_hash=store_hash, name=SHOP)
    fill(world, base=base)
    return world
