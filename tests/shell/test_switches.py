"""One life of a shop under every answer that the two APIs' documents leave open.

Each position of each switch of the sandbox is tried alone, and some dozens of them together. Whatever the position, the
POS must end up with what the orders demand, to the cent and once, and a further pass must write nothing. Where a
position makes that impossible for an order, `EXCEPTIONS` says so, and that order must wait in review instead.
"""

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from shop import ADA, BASIL, GUEST, NOBODY, OUTLET, Shop, is_refund

from bcpoll.core.order import LineKind
from bcpoll.core.rejected import Reason
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.drafts import Coupon, CouponKind, ExtraFee, Item, Parcel, Shopper
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches, choices

CARL = Shopper(first_name="Carl", last_name="Ladle", email="carl@example.com", customer_id=9)
DORA = Shopper(first_name="Dora", last_name="Whisk", email="dora@example.com", customer_id=10)

STYLES: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "tracked": {"sync": {"fulfillment": "track", "unpaid": "on_account", "restock_refunds": False}},
}

POSITIONS: Mapping[str, tuple[Any, ...]] = {
    **choices(),
    "list_lag_seconds": (0, 90),
    "refund_lag_seconds": (0, 90),
    "search_lag_requests": (0, 5, 10_000),
    "search_lag_seconds": (0, 7200),
    "largest_page": (500, 50, 1),
}

# Where the way of doing business matters: what is not yet paid or shipped is a pending sale there.
TRACKED_SWITCHES = (
    *("void_by_put", "edit_of_closed", "left_out_on_put", "payment_sum", "account_customer", "unknown_sale"),
    *("pending_fulfillment", "pending_plain", "negative_stock", "tenders", "bundle_children", "search_lag_requests"),
)

UNCLEAR = (
    *(Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.HANG_AFTER, Fault.ERROR_500, Fault.ERROR_500_AFTER),
    *(Fault.HTML_502_AFTER, Fault.ERROR_503, Fault.CUT_CONNECTION, Fault.CUT_BODY, Fault.EMPTY_BODY, Fault.HTML_BODY),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exempt:
    """An order that these positions keep from being written, what it waits with in review, and why it has to."""

    switch: str
    positions: tuple[str, ...]
    order: str
    reason: Reason
    why: str
    styles: tuple[str, ...] = tuple(STYLES)


_NO = ("refused", "ignored")
_VOID = "a closed sale that cannot be voided stays; another one beside it would be sold twice"


def _void(order: str, *styles: str) -> Exempt:
    return Exempt(
        switch="void_by_put", positions=_NO, order=order, reason=Reason.VOID_BY_HAND, why=_VOID, styles=styles
    )


def _refused(order: str, switch: str, *positions: str, why: str, styles: tuple[str, ...] = tuple(STYLES)) -> Exempt:
    return Exempt(switch=switch, positions=positions, order=order, reason=Reason.POS_REFUSED, why=why, styles=styles)


EXCEPTIONS = (
    _void("cancelled", *STYLES),
    _void("edited", *STYLES),
    # Tracked shops book what is not paid on account: such a sale is pending and can be voided.
    _void("cancelled_unpaid", "plain"),
    Exempt(
        switch="edit_of_closed",
        positions=_NO,
        order="paid_later",
        reason=Reason.PAY_BY_HAND,
        why="the payments cannot be added to the sale that was booked as closed",
        styles=("plain",),
    ),
    _refused(
        "odd_rate",
        "tax_amount",
        "checked",
        why="the POS has no tax with this rate, and another amount would not be the order's",
    ),
    _refused("oversold", "negative_stock", "refused", why="the POS has fewer units than were sold"),
    _refused(
        "deleted_product",
        "deleted_codes",
        "taken",
        why="the code belongs to a product that was deleted in the POS and cannot be sold",
    ),
)

# One customer too many, but no order: a search that minds the case does not find whom the till wrote in capitals, and
# nothing else tells that the customer is there.
TWICE = "hazel@example.com: 2 customers"


class Life:
    """A shop, and its orders by name; each sells a product of its own, so that one that waits disturbs no other."""

    def __init__(self, switches: Switches, style: str, faults: Iterator[Fault], page_size: int) -> None:
        self.shop = Shop(settings=STYLES[style], page_size=page_size, is_new=True)
        self._opens()
        # What is older than the shop's connection is not subject to any lag.
        self.shop.world.store.switches = self.shop.world.pos.switches = switches
        self.orders: dict[str, int] = {}
        self._faults = faults

    def place(self, name: str, quantity: int = 1, *more: Item, price: str = "10.00", **draft: Any) -> None:
        """Sell a product named as the order."""
        line = draft.pop("line", {})
        known = draft.pop("known", True)
        self.shop.sell(name.upper(), known=known, price=price, stock=draft.pop("stock", 60))
        first = replace(self.shop.store.item(name.upper(), quantity), **line)
        self.orders[name] = self.shop.order(items=(first, *more), **draft)

    def happens(self, name: str, event: Any, *args: Any) -> None:
        self.shop.happens(event, self.orders[name], *args)

    def fails(self, method: str, path: str) -> None:
        """Let the next such write go without a clear answer, whether it has its effect or not."""
        self.shop.fails(next(self._faults), method, path)

    def live(self) -> None:
        self._people()
        self._baskets()
        self._prices()
        self._fates()
        self._returns()
        for method, path in (("POST", "/customers"), ("POST", "/products"), ("POST", "/sales")):
            self.fails(method, path)
        self.shop.later(2, hours=1)
        self._changes()
        self.fails("PUT", "/sales/")
        self.shop.later(2, hours=1)
        self._returns_again()
        self._closing_time()
        self._ships()
        self.shop.later(3, hours=7)

    def _opens(self) -> None:
        pos = self.shop.world.pos
        pos.add_customer("Ada", "Teacup", "ada@example.com", code="ADA-1")
        pos.add_customer("Hazel", "Spoon", "Hazel@Example.com", code="HAZEL-1")
        pos.add_customer("Somebody", "Else", "else@example.com", code="BC-9")
        pos.delete(pos.products, pos.add_product("Gone", "DELETED_PRODUCT"))
        pos.add_product("Theirs", "other_case", stock={OUTLET: "60"})

    def _people(self) -> None:
        self.place("returning", shopper=ADA)
        self.place("new", 2, shopper=BASIL)
        self.place("new_again", shopper=BASIL)
        self.place("guest", shopper=GUEST)
        self.place("walk_in", shopper=NOBODY)
        self.place("walk_in_unpaid", shopper=NOBODY, status=OrderStatus.AWAITING_PAYMENT)
        self.place("taken_code", shopper=CARL)

    def _baskets(self) -> None:
        self.place("unknown_product", 3, known=False)
        self.place("deleted_product", known=False)
        self.place("other_case", known=False)
        self.place("oversold", 3, stock=1, status=OrderStatus.SHIPPED)
        self.shop.sell("LABEL", stock=200)
        labels = (
            replace(self.shop.store.item("LABEL"), options=(("Text", f"Jar {number}"),)) for number in range(1, 53)
        )
        self.place("many_lines", 1, *labels, parcels=(Parcel(cost="6.00"),))
        self.shop.sell("PART", price="4.00")
        parts = (replace(self.shop.store.item("PART", 2), price="0"), replace(self.shop.store.item("MUG"), price="0"))
        self.place("bundle", 2, self.shop.store.item("MUG"), line={"children": parts})
        voucher = Item(name="Gift Certificate", price="25.00", kind=LineKind.GIFT_CERTIFICATE, tax_rate="0")
        self.place("voucher", 1, voucher)

    def _prices(self) -> None:
        free = (Coupon(code="SHIPFREE", kind=CouponKind.FREE_SHIPPING),)
        less = (Coupon(code="SHIP2", kind=CouponKind.SHIPPING, amount="2.00"),)
        tenth = (Coupon(code="TENTH", kind=CouponKind.PERCENTAGE, amount="10"),)
        sent = (Parcel(cost="6.55", handling="1.25"),)
        levy = (ExtraFee(name="Levy", cost="0.28"), ExtraFee(name="Service", cost="3.33", tax_rate="0.08"))
        wrapped = {"wrapping": "4.50", "wrapping_message": "Happy housewarming!"}
        self.place("wrapped", 3, price="7.77", line=wrapped)
        self.place("wrapped_inclusive", 2, price="7.77", line=wrapped, inclusive=True, fees=levy, parcels=sent)
        self.place("fee", price="3.33", fees=levy)
        self.place("free_shipping", 3, price="3.33", coupons=free, parcels=sent)
        self.place("less_shipping", 3, price="3.33", coupons=less, parcels=sent)
        self.place("less_shipping_inclusive", 3, price="3.33", coupons=less, parcels=sent, inclusive=True)
        self.place("less_of_all", 7, price="3.33", coupons=(*tenth, *less), parcels=sent, discount="1.11")
        self.place("certificate", 3, price="12.49", gift_certificate="25.00", parcels=sent)
        self.place("credit", price="33.33", store_credit="10.00", gift_certificate="5.01", fees=levy)
        self.place("all_credit", price="20.00", store_credit="21.60")
        self.place("all_at_once", 3, line=wrapped, coupons=less, parcels=sent, fees=levy, store_credit="9.99")
        self.place("odd_rate", price="19.99", tax_rate="0.06")
        self.place("three_for_ten", 3, price="3.3333", line={"line_total": "10.00"}, tax_rate="0.05")
        self.place("untaxed", 3, price="3.33", tax_rate="0")
        self.place("old", 2, price="9.99", is_old=True, discount="1.00")

    def _fates(self) -> None:
        owing = OrderStatus.AWAITING_PAYMENT
        self.place("paid_later", status=owing)
        self.place("never_paid", status=owing)
        self.place("cancelled_unpaid", status=owing)
        self.place("cancelled", status=OrderStatus.SHIPPED)
        self.place("cancelled_unseen", status=OrderStatus.CANCELLED)
        self.place("edited", status=OrderStatus.SHIPPED)
        self.place("revived", status=OrderStatus.CANCELLED)
        self.place("archived")
        self.place("pending", status=OrderStatus.PENDING)
        self.place("incomplete", status=OrderStatus.INCOMPLETE)

    def _returns(self) -> None:
        """Orders that are refunded later, at once, in part and in full, by goods, charges and money."""
        sent = (Parcel(cost="6.55", handling="1.25"),)
        for name, quantity in (("returned", 3), ("returned_twice", 7), ("returned_whole", 2)):
            self.place(name, quantity, price="7.77", parcels=sent, status=OrderStatus.SHIPPED)
        self.place("goodwill", price="20.00", gift_certificate="5.00")
        self.place("shipping_back", parcels=sent, inclusive=True)
        self.place("declined_refund")
        self.place("returned_at_once", 2, known=False)
        self._refund("returned_at_once", Refund(lines={0: 1}))

    def _refund(self, name: str, refund: Refund) -> None:
        self.happens(name, self.shop.refund, refund)

    def _changes(self) -> None:
        store = self.shop.store
        self.happens("paid_later", store.pay)
        self.happens("cancelled", store.cancel)
        self.happens("cancelled_unpaid", store.cancel)
        self.happens("revived", store.set_status, OrderStatus.AWAITING_FULFILLMENT)
        self.happens("archived", store.archive)
        self.happens("pending", store.pay)
        self._refund("returned", Refund(lines={0: 1}, handling="1.35", reason="Broken"))
        self._refund("returned_twice", Refund(lines={0: 2}, kept={0: "1.11"}))
        self._refund("returned_whole", Refund(lines={0: 2}, shipping="7.07", handling="1.35", restock=True))
        self._refund("goodwill", Refund(order_amount="2.50", provider="storecredit"))
        self._refund("shipping_back", Refund(shipping="6.55"))
        self._refund("declined_refund", Refund(lines={0: 1}, declined=True))
        self.shop.edit(self.orders["edited"], store.item("EDITED", 3))
        self.place("returning_later", shopper=ADA)
        self.place("new_later", shopper=DORA)

    def _closing_time(self) -> None:
        """Orders come in while the register is closed."""
        self.shop.world.pos.open_register("Online", is_open=False)
        self.place("at_night", shopper=DORA)
        self.place("at_night_again", 2, shopper=GUEST)
        self.shop.later(hours=1)
        self.shop.world.pos.open_register("Online")
        self.shop.later(hours=1)

    def _returns_again(self) -> None:
        """A second refund, which moves no status and perhaps no date."""
        self._refund("returned_twice", Refund(lines={0: 5}, override_total="40.00", override_tax="2.96"))
        self.fails("POST", "/stock_adjustments")

    def _ships(self) -> None:
        """All that waits for fulfilment is shipped, within one second."""
        waiting = [one.id for one in self.shop.store.orders.values() if one.status in _WAITING]
        self.shop.happens(self.shop.store.bulk_edit, waiting, OrderStatus.SHIPPED)

    def lines(self) -> dict[str, list[Any]]:
        """What each order's live sale is made of, to the cent.

        Fees are left out, which may stand outside the total, and free shipping, which may be stated or not.
        """
        sales = self.shop.world.pos.snapshot().sales
        return {
            name: [
                (code, Decimal(quantity), worth)
                for sale in sales.get(str(order_id), ())
                if sale["state"] != "voided"
                for code, quantity, worth in sale["lines"]
                if code != "BC-FEE" and (code, worth) != ("BC-SHIPPING", "0.00")
            ]
            for name, order_id in self.orders.items()
        }

    def doubled(self) -> list[str]:
        """The orders with more than one sale that is not voided, those of refunds apart."""
        sales = self.shop.world.pos.snapshot().sales
        return [
            name
            for name, order_id in self.orders.items()
            if sum(one["state"] != "voided" and not is_refund(one) for one in sales.get(str(order_id), ())) > 1
        ]

    def in_review(self) -> dict[str, Reason]:
        names = {order_id: name for name, order_id in self.orders.items()}
        return {names[item.order_id]: item.reason for item in self.shop.review()}

    def differences(self, exempt: Mapping[str, Reason]) -> list[str]:
        """Where the POS differs from what the orders demand, those left out that cannot be had."""
        passed_over = tuple(start for name in exempt for start in (f"order {self.orders[name]}:", f"{name.upper()}:"))
        return [line for line in self.shop.lives() if not line.startswith(passed_over)]


_WAITING = (OrderStatus.AWAITING_FULFILLMENT, OrderStatus.AWAITING_SHIPMENT)


def exempt_orders(switches: Switches, style: str) -> dict[str, Reason]:
    return {
        one.order: one.reason
        for one in EXCEPTIONS
        if getattr(switches, one.switch) in one.positions and style in one.styles
    }


@cache
def likeliest(style: str) -> Life:
    """The life where nothing is turned; its lines tell what a shopper paid, which hangs on no position."""
    life = Life(Switches(), style, lost_answers(), 30)
    life.live()
    return life


def check(switches: Switches, style: str, faults: Iterator[Fault], page_size: int = 30) -> None:
    life = Life(switches, style, faults, page_size)
    life.live()
    stands(life, switches, style)


def stands(life: Life, switches: Switches, style: str) -> None:
    """What the POS holds after a life is right, and a further pass writes nothing."""
    exempt = exempt_orders(switches, style)
    is_twice = switches.email_search == "exact" and switches.same_email == "allowed"

    assert life.in_review() == exempt
    assert life.differences(exempt) == [TWICE] * is_twice
    assert life.doubled() == []
    lines, usual = life.lines(), likeliest(style).lines()
    assert {name: lines[name] for name in lines.keys() - exempt} == {
        name: usual[name] for name in usual.keys() - exempt
    }
    before = life.shop.world.pos.snapshot()
    life.shop.time.forward(minutes=5)
    life.shop.pass_()
    assert (life.shop.writes(), life.shop.world.pos.snapshot()) == ([], before)


def lost_answers() -> Iterator[Fault]:
    """Every write that is to fail has its effect."""
    return itertools.repeat(Fault.RESET_AFTER)


ALONE = [(name, position) for name, positions in POSITIONS.items() for position in positions[1:]]
IN_TRACKED = [pair for pair in ALONE if pair[0] in TRACKED_SWITCHES]


def ids(pairs: list[tuple[str, Any]]) -> list[str]:
    return [f"{name}={position}" for name, position in pairs]


@pytest.mark.parametrize("style", STYLES)
def test_the_likeliest_answers(style: str) -> None:
    stands(likeliest(style), Switches(), style)


# A few positions in each hand, no two of one switch, and every position in one of them.
HANDS = [ALONE[first::6] for first in range(6)]


@pytest.mark.parametrize("hand", HANDS, ids=["-".join(dict(hand)) for hand in HANDS])
def test_every_position_among_some_others(hand: list[tuple[str, Any]]) -> None:
    turned = dict(hand)
    assert len(turned) == len(hand)

    check(Switches(**turned), "plain", lost_answers(), page_size=250)


@pytest.mark.slow
@pytest.mark.parametrize(("switch", "position"), ALONE, ids=ids(ALONE))
def test_a_position_alone(switch: str, position: Any) -> None:
    check(Switches(**{switch: position}), "plain", lost_answers())


@pytest.mark.slow
@pytest.mark.parametrize(("switch", "position"), IN_TRACKED, ids=ids(IN_TRACKED))
def test_a_position_alone_where_fulfilment_is_tracked(switch: str, position: Any) -> None:
    check(Switches(**{switch: position}), "tracked", lost_answers())


def turned(chance: random.Random) -> Switches:
    """Some switches turned, each anywhere: were all turned, what one position does would hide what another does."""
    share = chance.choice((0.1, 0.3, 0.6, 1.0))
    positions = {name: chance.choice(of) for name, of in POSITIONS.items() if chance.random() < share}
    return Switches(**positions)


# With the profile `deep`, a thousand.
COMBINATIONS = max(40, hypothesis_settings().max_examples // 5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(COMBINATIONS))
def test_positions_together(seed: int) -> None:
    chance = random.Random(seed)
    switches, style = turned(chance), chance.choice(list(STYLES))
    faults = iter(lambda: chance.choice(UNCLEAR), None)

    check(switches, style, faults, chance.choice((7, 30, 250)))
