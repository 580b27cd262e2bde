"""The words in which scenarios from the life of a shop are told, and what has to be true at the end of each.

`scenario` runs a story under the likeliest answers of both APIs and under every other answer that touches its topics.
In a story, staff do by hand what the POS leaves to people, going by nothing but what the review tells them. `ends`
states what the POS holds then, and `closes` checks what is true of every story: a further pass writes nothing, both
sides agree, and the stock is what there was, less what was sold, plus what came back.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from shop import NOW, OUTLET, Shop, is_refund

from bcpoll.checkpoint import ReviewItem
from bcpoll.core.reconcile import Compared
from bcpoll.core.rejected import Reason
from bcpoll.core.shop import Unpaid
from bcpoll.core.status import OrderStatus
from bcpoll.errors import RetryLater
from bcpoll.monitoring.reconcile import Reconciler, Window
from bcpoll.sandbox import pos_sales
from bcpoll.sandbox.catalogue import Product
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches, choices

AWAITING_PAYMENT = OrderStatus.AWAITING_PAYMENT
CANCELLED = OrderStatus.CANCELLED
COMPLETED = OrderStatus.COMPLETED
SHIPPED = OrderStatus.SHIPPED

# --- which answers touch what ----------------------------------------------------------------------------------------

ORDERS = (
    *("least_modified", "least_id", "same_second", "limit_above_maximum", "empty_list", "consignments"),
    *("embedded_lines", "without_accept", "existing_sale", "unknown_sale", "created_sale", "tax_amount"),
    *("number_text", "amounts", "user_agent", "sku_lookup"),
)
"""How lists, numbers and ids are told touches every story, though none in particular: these are turned all at once."""

TOPICS: Mapping[str, tuple[str, ...]] = {
    "paying": ("edit_of_closed", "left_out_on_put", "payment_sum"),
    "tenders": ("tenders", "redeemed"),
    "account": ("account_customer", "pending_plain", "left_out_on_put"),
    "capturing": ("captures",),
    "voiding": ("void_by_put",),
    "archiving": ("archiving", "archived_orders"),
    "refunding": ("refunds", "refund_amounts", "payment_sum"),
    "charges": ("fees", "shipping_coupons", "wrapping_cost"),
    "bundles": ("bundle_children",),
    "certificates": ("sold_certificates",),
    "tracking": ("pending_fulfillment",),
    "customers": ("same_email", "same_customer_code", "email_search"),
    "products": ("sku_case", "deleted_codes", "inactive_product"),
    "overselling": ("negative_stock",),
    "registers": ("closed_register",),
}
"""The switches that touch a kind of story."""

NO_ORDER = ("refreshed_access", "refused_grant", "denial", "rate_window")
"""Switches of logging in and of how fast one may ask, which no story about orders comes to."""

LAGS: Mapping[str, Mapping[str, Any]] = {
    "refunding": {"refund_lag_seconds": 90},
    "customers": {"search_lag_requests": 10_000},
    "products": {"search_lag_requests": 10_000},
}
_ALL_AT_ONCE: Mapping[str, Any] = {
    **{name: choices()[name][-1] for name in ORDERS},
    "existing_sale": "conflict",
    "list_lag_seconds": 90,
    "largest_page": 2,
}


def ways(*topics: str) -> Mapping[str, Switches]:
    """The answers under which a story about these topics is told: the likeliest, then each that touches it alone."""
    positions = choices()
    turned = [(name, other) for topic in topics for name in TOPICS[topic] for other in positions[name][1:]]
    lags = [lag for topic in topics for lag in LAGS.get(topic, {}).items()]
    alone = {f"{name}={position}": Switches(**{name: position}) for name, position in [*turned, *lags]}
    return {"likeliest": Switches(), "all-at-once": Switches(**_ALL_AT_ONCE), **alone}


def scenario(
    *topics: str, quick: bool = False, settings: Mapping[str, Any] | None = None, **sync: Sequence[Any]
) -> Callable[[Callable[..., None]], Any]:
    """Make a story a test under each of its `ways`, and under each of the given choices of `[sync]`.

    They are slow tests, but for the first choice of a `quick` one in its likeliest way. Other sections of the settings
    are given whole.
    """

    def told(story: Callable[..., None]) -> Any:
        def test(switches: Switches, choice: Mapping[str, Any]) -> None:
            shop = Story(switches=switches, settings={"sync": {"start": NOW, **choice}, **(settings or {})})
            story(shop)
            shop.closes()

        test.__name__, test.__doc__ = story.__name__, story.__doc__
        test.__module__, test.__qualname__ = story.__module__, story.__qualname__
        cases = [
            pytest.param(
                switches,
                choice,
                id="-".join([way, *map(str, choice.values())]),
                marks=() if quick and way == "likeliest" and not number else pytest.mark.slow,
            )
            for number, choice in enumerate(_choices(sync))
            for way, switches in ways(*topics).items()
        ]
        return pytest.mark.parametrize(("switches", "choice"), cases)(test)

    return told


def _choices(sync: Mapping[str, Sequence[Any]]) -> Iterator[Mapping[str, Any]]:
    """Each choice of each key beside the first of the others: not the product of all."""
    usual = {key: values[0] for key, values in sync.items()}
    yield usual
    yield from (usual | {key: value} for key, values in sync.items() for value in values[1:])


# --- the story -------------------------------------------------------------------------------------------------------


class Story(Shop):
    """A shop with staff, which keeps account of what it put on its shelves."""

    def __init__(self, *, settings: Mapping[str, Any], switches: Switches | None = None) -> None:
        self.opening: Counter[str] = Counter()
        self._at_till: Counter[str] = Counter()
        self._is_over = False
        self._known_as: dict[int, str] = {}
        self.staff_voids = True
        """Whether somebody voids by hand what the POS did not void."""
        super().__init__(settings=settings, switches=switches)
        # What is older than the shop's connection is not subject to any lag.
        self.world.pos.requests += self.world.switches.search_lag_requests

    def sell(
        self, sku: str, *, known: bool = True, price: str = "10.00", stock: int | None = 50, **product: Any
    ) -> Product:
        self.opening[sku] += stock or 0
        return super().sell(sku, known=known, price=price, stock=stock, **product)

    def sell_at_till(self, sku: str, quantity: int = 1) -> None:
        self._at_till[sku] += quantity
        super().sell_at_till(sku, quantity)

    @property
    def books_on_account(self) -> bool:
        return self.settings.sync.unpaid is Unpaid.ON_ACCOUNT

    @property
    def unpaid(self) -> str:
        """The state of a sale that is not paid, as the settings want it."""
        return "pending onaccount" if self.books_on_account else "closed"

    def as_voided(self, told: str) -> str:
        """A sale that was not paid, in words, after it was voided."""
        return f"voided onaccount {told}" if self.books_on_account else f"voided {told}"

    def as_paid_off(self, told: str) -> str:
        """A sale that was not paid, in words, once it is: what was on account stays so."""
        return f"closed onaccount {told}" if self.books_on_account else f"closed {told}"

    def poll(self, **later: float) -> None:
        """Let bcpoll run some time later (half an hour unless told), and staff see to what is left to them."""
        self.time.forward(**(later or {"minutes": 30}))
        self.pass_()
        if self._staff_acts():
            # Nobody says that it was done: a later try has to notice.
            self.time.forward(days=1, hours=1)
            self.pass_()

    def turns(self, order_id: int, status: OrderStatus) -> None:
        self.happens(self.store.set_status, order_id, status)

    def is_paid(self, order_id: int) -> None:
        self.happens(self.store.pay, order_id)

    def is_shipped(self, order_id: int) -> None:
        self.happens(self.store.ship, order_id)

    def is_cancelled(self, order_id: int) -> None:
        self.happens(self.store.cancel, order_id)

    def is_refunded(self, order_id: int, **refund: Any) -> int:
        self.time.forward(minutes=1)
        return self.refund(order_id, Refund(**refund))

    def is_edited(self, order_id: int, **changes: Any) -> None:
        """Change anything about how an order was placed but its number and status."""
        self.happens(self.store.edit, order_id, lambda draft: replace(draft, **changes))

    def is_voided_by_hand(self, order_id: int) -> None:
        """Somebody voids the newest sale of an order in the POS itself."""
        sale = self.sales(order_id)[-1]
        pos_sales._keep(self.world.pos, {**sale, "state": "voided", "payments": []}, sale)

    def payments_are_taken_off_by_hand(self, order_id: int) -> None:
        sale = self.sales(order_id)[-1]
        pos_sales._keep(self.world.pos, {**sale, "payments": []}, sale)

    def dismisses(self, order_id: int, reason: Reason) -> None:
        """Somebody says that what waited for a reason is seen to."""
        [item] = [item for item in self.review() if item.order_id == order_id]
        assert item.reason is reason
        assert self.checkpoint.dismiss(item.id, "seen to by hand", self.time.now())

    def knows(self, email: str, first_name: str = "Ada") -> str:
        """Somebody has long been a customer of the shop: no search lags behind."""
        customer = self.world.pos.add_customer(first_name, "Teacup", email)
        self.world.pos.requests += self.world.switches.search_lag_requests + 1
        return customer

    def goes_by(self, order_id: int, email: str) -> None:
        """The POS knows who placed an order by another address than the order's."""
        self._known_as[order_id] = email

    # --- staff -------------------------------------------------------------------------------------------------------

    def _staff_acts(self) -> bool:
        """Do what the review says of sales that the POS would not let be changed, where it is a POS of that kind."""
        switches, done = self.world.switches, False
        for item in self.review():
            if item.reason is Reason.VOID_BY_HAND and switches.void_by_put != "works" and self.staff_voids:
                assert "Void it by hand in the POS" in item.hint
                self._change_by_hand(item, {"state": "voided", "payments": []})
                done = True
            elif item.reason is Reason.PAY_BY_HAND and switches.edit_of_closed != "works":
                assert "Add them to it by hand" in item.hint
                sale = self._sale_named_by(item)
                self._change_by_hand(item, {"payments": [*sale["payments"], self._card(sale)]})
                done = True
        return done

    def _sale_named_by(self, item: ReviewItem) -> dict[str, Any]:
        """The sale that an item is about, as staff find it: by the receipt number that the item names."""
        return next(sale for sale in self.world.pos.sales if f"sale {sale['invoice_number']} " in item.detail)

    def _change_by_hand(self, item: ReviewItem, change: Mapping[str, Any]) -> None:
        sale = self._sale_named_by(item)
        pos_sales._keep(self.world.pos, {**sale, **change}, sale)

    def _card(self, sale: Mapping[str, Any]) -> dict[str, Any]:
        pos = self.world.pos
        paid = {"type": {"config_id": pos.id_of(pos.payment_types, "Online - Card")}}
        paid["amount"] = Decimal(sale["totals"]["price_incl_tax"]).quantize(Decimal("0.01"))
        return pos_sales._payment(pos, paid, 0, pos.registers.get(sale["source"]["register_id"]), {})

    # --- what there is -----------------------------------------------------------------------------------------------

    def told(self, order_id: int) -> list[str]:
        """The sales of an order in words, oldest first: `closed 21.60: 2 MUG; Online - Card 21.60`."""
        return [self._in_words(sale) for sale in self.sales(order_id)]

    def _in_words(self, sale: Mapping[str, Any]) -> str:
        state = " ".join([sale["state"], *sale["attributes"]])
        units = Counter[str]()
        for line in sale["line_items"]:
            units[self.world.pos.products.get(line["product"]["id"])["sku"]] += int(line["quantity"])
        sold = ", ".join(f"{count} {sku}" for sku, count in units.items())
        paid = [f"{one['type']['name']} {Decimal(one['amount']):.2f}" for one in sale["payments"]]
        by = "" if sale["state"] == "voided" else f"; {', '.join(paid) or 'unpaid'}"
        return f"{state} {Decimal(sale['totals']['price_incl_tax']):.2f}: {sold}{by}"

    def levels(self) -> dict[str, int]:
        """What the POS shows in stock of each product that it counts, at the outlet where web orders are sold.

        Another outlet is named: `MUG at Warehouse`.
        """
        stock = self.world.pos.snapshot().stock
        return {sku if outlet == OUTLET else f"{sku} at {outlet}": int(left) for (sku, outlet), left in stock.items()}

    def asked_of_people(self) -> dict[int, Reason]:
        return {item.order_id: item.reason for item in self.review()}

    def shows(self, order_id: int, *sales: str) -> None:
        """What the POS holds of an order by now."""
        assert self.told(order_id) == list(sales)

    def ends(
        self,
        sales: Mapping[int, str | Sequence[str]],
        *,
        stock: Mapping[str, int],
        customers: Collection[str] | None = None,
        review: Mapping[int, Reason] | None = None,
    ) -> None:
        """State all that the POS holds at the end: every sale, the stock, the customers, and what is left to people.

        Unless told otherwise, the customers are those who ordered, each once.
        """
        expected = {order_id: [told] if isinstance(told, str) else list(told) for order_id, told in sales.items()}
        assert {order_id: self.told(order_id) for order_id in self.store.orders} == expected
        assert self.asked_of_people() == (review or {})
        assert self.levels() == stock
        buyers = {self._buyer(order_id) for order_id, told in expected.items() if told} - {""}
        wanted = buyers if customers is None else {email.lower() for email in customers}
        assert self.customers() == dict.fromkeys(wanted, 1)
        self._is_over = True

    def _buyer(self, order_id: int) -> str:
        stated = str(self.store.orders[order_id].fields["billing_address"]["email"])
        return self._known_as.get(order_id, stated).lower()

    # --- what is true at the end of every story ----------------------------------------------------------------------

    def closes(self) -> None:
        assert self._is_over, "this story does not say how it ends"
        left_to_people = self.asked_of_people()
        if not left_to_people:
            known_as = tuple(f"order {order_id}:" for order_id in self._known_as)
            assert [one for one in self.lives() if not one.startswith(known_as or ("nobody",))] == []
        assert list(self._wrong_stock(left_to_people)) == []
        assert list(self._wrong_taxes(left_to_people)) == []
        for item in self.review():
            self.checkpoint.dismiss(item.id, "seen to by hand", self.time.now())
        self._has_nothing_more_to_do()
        assert [one for one in self._compared() if one.differs] == []

    def _has_nothing_more_to_do(self) -> None:
        """Neither the next pass nor that of the next day, with its sweep, writes anything."""
        before = self.world.pos.snapshot()
        for hours in (0.1, 25):
            self.time.forward(hours=hours)
            self.pass_()
            assert self.writes() == []
        assert self.world.pos.snapshot() == before
        assert (self.review(), self.checkpoint.open_intents()) == ([], [])

    def _compared(self) -> list[Compared]:
        """Both sides of the whole life of the shop, compared as `bcpoll reconcile` does."""
        window = Window(since=NOW - timedelta(days=400), until=self.time.now() + timedelta(days=1))
        with self.connected() as shell:
            one = Reconciler(shell)
            return list(one.compare(window))

    def _wrong_stock(self, left_to_people: Collection[int]) -> Iterator[str]:
        """Opening stock less units sold plus units returned, for each SKU over all outlets.

        By the store's orders and refunds; of orders that are left to people, by the sales that stand for them.
        """
        sold = Counter[str]()
        for order_id in self.store.orders:
            sold.update(self._standing(order_id) if order_id in left_to_people else self._ordered(order_id))
        on_shelf, codes = self._waiting_on_the_shelf(), {sku.lower() for sku in self.opening}
        for sku, opening in self.opening.items():
            rows = self.world.pos.with_code(sku)
            if not rows or not rows[0]["has_inventory"]:
                continue
            expected = opening - sold[sku.lower()] - self._at_till[sku] + on_shelf[sku.lower()]
            held = sum(int(self.world.pos.units(row["id"], outlet["id"])) for row in rows for outlet in self._outlets())
            if held != expected:
                yield f"{sku}: {held}, not {expected}"
        yield from (f"{sku}: nothing of it was ever put on the shelf" for sku in sold.keys() - codes)

    def _stock_differences(self, _demanding: Collection[int]) -> Iterator[str]:
        """What `lives` says of stock knows one outlet alone; `_wrong_stock` knows them all."""
        yield from ()

    def _outlets(self) -> list[dict[str, Any]]:
        return list(self.world.pos.outlets)

    def _ordered(self, order_id: int) -> Counter[str]:
        """Units by SKU that an order takes for good, those that came back taken off."""
        order, units = self.store.orders[order_id], Counter[str]()
        is_ours = order.created >= NOW or self.sales(order_id)
        if OrderStatus(order.status) in _NO_SALE or not is_ours:
            return units
        for line in order.lines:
            # What stands in no catalogue is on no shelf.
            if line["sku"]:
                units[line["sku"].lower()] += line["quantity"]
        if self.settings.sync.restock_refunds:
            lines = {line["id"]: line for line in order.lines}
            for row in self.refunds_to_book(order):
                for item in row["items"]:
                    if item["item_type"] == "PRODUCT":
                        units.subtract(self._with_parts(lines, lines[item["item_id"]], item["quantity"]))
        return units

    @staticmethod
    def _with_parts(lines: Mapping[int, Any], line: Mapping[str, Any], quantity: int) -> Counter[str]:
        """Units of a line, and those of the parts that belong to it where it is a bundle."""
        units = Counter({line["sku"].lower(): quantity})
        for other in lines.values():
            if other.get("parent_order_product_id") == line["id"]:
                units[other["sku"].lower()] += other["quantity"] * quantity // line["quantity"]
        return units

    def _standing(self, order_id: int) -> Counter[str]:
        units = Counter[str]()
        for sale in self.sales(order_id):
            for line in sale["line_items"] if sale["state"] != "voided" else ():
                sku = self.world.pos.products.get(line["product"]["id"])["sku"]
                if not sku.startswith("BC-"):
                    units[sku.lower()] += int(line["quantity"])
        return units

    def _wrong_taxes(self, left_to_people: Collection[int]) -> Iterator[str]:
        """The tax of each order's sale is the order's, that of its refunds is that of the records."""
        for order_id, sales in self.world.pos.snapshot().sales.items():
            if not order_id or int(order_id) in left_to_people:
                continue
            order = self.store.orders[int(order_id)]
            live = [sale for sale in sales if sale["state"] != "voided"]
            given = sum((Decimal(str(sale["tax"])) for sale in live if is_refund(sale)), Decimal(0))
            recorded = -sum((Decimal(str(row["total_tax"])) for row in self.refunds_to_book(order)), Decimal(0))
            taken = sum((Decimal(str(sale["tax"])) for sale in live if not is_refund(sale)), Decimal(0))
            stated = Decimal(str(order.fields["total_tax"])) if live else Decimal(0)
            if (taken, given) != (stated.quantize(Decimal("0.01")), recorded):
                yield f"order {order_id}: tax {taken} and {given}, not {stated} and {recorded}"


_NO_SALE = frozenset({OrderStatus.INCOMPLETE, OrderStatus.PENDING, OrderStatus.CANCELLED, OrderStatus.DECLINED})


def is_kept_waiting(shop: Story) -> bool:
    """Whether a poll has to wait for a register."""
    try:
        shop.poll()
    except RetryLater:
        return True
    return False
