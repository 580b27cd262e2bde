"""A shop's life by chance: whatever happens, and whatever breaks on the way, the POS ends as the orders demand.

Hypothesis tells the story: orders, edits and cancellations, passes that are killed or meet faults, a host whose clock
is wrong, and every answer to what the two APIs leave open. What the POS should hold follows from the store alone
(`Shop.lives`); how the story went must not matter.
"""

import itertools
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule
from shop import ADA, BASIL, GUEST, NOBODY, NOW, Killed, Shop, is_refund

from bcpoll.core.rejected import Reason
from bcpoll.core.status import OrderStatus
from bcpoll.cycle import Report
from bcpoll.errors import RetryLater
from bcpoll.http import Client
from bcpoll.sandbox.drafts import Item, Parcel, Shopper
from bcpoll.sandbox.faults import Fault, Request
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.switches import Switches, choices
from bcpoll.shell import Shell

pytestmark = pytest.mark.slow

EXAMPLES = {"dev": 60, "ci": 1_000, "deep": 10_000}
STEPS = 15

# The same person as ADA, without an account and with another spelling of the address.
ADA_AS_GUEST = Shopper(first_name="Ada", last_name="Teacup", email="ADA@Example.COM")

SHOPPERS = st.sampled_from([ADA, BASIL, GUEST, ADA_AS_GUEST, NOBODY])

KINDS_OF_FAULTS = [
    Fault.RESET_BEFORE,
    Fault.RESET_AFTER,
    Fault.ERROR_500,
    Fault.ERROR_500_AFTER,
    Fault.HTML_502,
    Fault.HTML_502_AFTER,
    Fault.ERROR_503,
    Fault.BUSY_DATE,
    Fault.BUSY_BARE,
    Fault.CUT_CONNECTION,
    Fault.CUT_BODY,
    Fault.EMPTY_BODY,
    Fault.HTML_BODY,
]

# Positions that cost what no program can give: a sale under the id of another, or orders that no list ever shows.
IMPOSSIBLE = {"existing_sale": {"doubles"}, "archived_orders": {"left_out"}}

# What orders of this kind have nothing to do with; the tests of each switch alone see to these.
UNCONCERNED = frozenset(
    {
        "fees",
        "shipping_coupons",
        "wrapping_cost",
        "tenders",
        "bundle_children",
        "sold_certificates",
        "limit_above_maximum",
    }
    | {"closed_register", "pending_fulfillment", "deleted_codes", "user_agent", "without_accept"}
)

# Statuses of orders that are refunded: paid ones that stand.
STANDING = frozenset(OrderStatus) - {
    *(OrderStatus.INCOMPLETE, OrderStatus.PENDING, OrderStatus.CANCELLED, OrderStatus.DECLINED),
    *(OrderStatus.AWAITING_PAYMENT, OrderStatus.MANUAL_VERIFICATION_REQUIRED),
}

TURNS = {
    "cancel": OrderStatus.CANCELLED,
    "decline": OrderStatus.DECLINED,
    "revive": OrderStatus.AWAITING_SHIPMENT,
    "owe": OrderStatus.AWAITING_PAYMENT,
}

# What waits for a person of an order that was refunded and then cancelled, edited or refunded once more.
ENTANGLED = frozenset(
    {Reason.CANCELLED_AFTER_REFUND, Reason.EDITED_AFTER_REFUND, Reason.REFUND_EXCEEDS, Reason.REFUND_UNCLEAR}
)

# Where the POS changes no closed sale, whoever has to be voided or paid waits for a person.
BY_HAND = ("void_by_put", "edit_of_closed")
LEFT_TO_PEOPLE = frozenset({Reason.VOID_BY_HAND, Reason.PAY_BY_HAND})


def all_switches() -> st.SearchStrategy[Switches]:
    """Every combination that a program can be right under; the changing of closed sales works more often than not."""
    free = {
        name: st.sampled_from([one for one in positions if one not in IMPOSSIBLE.get(name, ())])
        for name, positions in choices().items()
        if name not in {*BY_HAND, *UNCONCERNED}
    }
    by_hand = {name: st.sampled_from(["works"] * 8 + ["refused", "ignored"]) for name in BY_HAND}
    return st.builds(
        Switches,
        **free,
        **by_hand,
        list_lag_seconds=st.sampled_from([0, 0, 30, 300]),
        refund_lag_seconds=st.sampled_from([0, 0, 30, 300]),
        search_lag_requests=st.sampled_from([0, 0, 3, 50]),
        largest_page=st.sampled_from([500, 500, 100, 2]),
    )


class UnsweptShop(Shop):
    """A shop without the nightly sweep: what the overlap misses must not be found by it."""

    def _shell(self, store_client: Client, pos_client: Client) -> Shell:
        shell = super()._shell(store_client, pos_client)
        return replace(shell, sweep=shell.overlap)


class ShopLife(RuleBasedStateMachine):
    """The story. Orders are numbered in the order in which they were placed, whatever their age."""

    orders: Bundle[int] = Bundle("orders")
    some = st.lists(orders, min_size=1, max_size=4, unique=True)

    def __init__(self) -> None:
        super().__init__()
        self.shop = UnsweptShop()
        self.ever_paid: set[int] = set()
        self.edited: set[int] = set()
        self.entangled: set[int] = set()
        self.is_stirred = False
        self.may_be_late = False

    @initialize(
        target=orders,
        switches=all_switches(),
        page_size=st.sampled_from([1, 2, 3, 5, 250]),
        overlap=st.sampled_from(["1m", "10m"]),
        unpaid=st.sampled_from(["closed", "on_account"]),
        unseen=st.sampled_from(["voided", "skip"]),
        known=st.booleans(),
        restock=st.booleans(),
    )
    def opens(
        self, *, switches: Switches, page_size: int, overlap: str, unpaid: str, unseen: str, known: bool, restock: bool
    ) -> Any:
        """A short overlap hides no fault in the cursor, but then nothing may show late in the list."""
        self.may_be_late = overlap != "1m"
        if not self.may_be_late:
            switches = replace(switches, list_lag_seconds=0, refund_lag_seconds=0)
        sync = {"start": NOW, "workers": 1, "unpaid": unpaid, "cancelled_unseen": unseen, "overlap": overlap}
        sync["restock_refunds"] = restock
        self.shop = UnsweptShop(switches=switches, page_size=page_size, settings={"sync": sync}, is_new=True)
        self.shop.sell("PEN", price="3.33", stock=None, known=False)
        self.shop.sell("BOWL", stock=5_000)
        self.shop.sell("cup", price="7.77", stock=5_000)
        if known:
            self.shop.world.pos.add_customer("Ada", "Teacup", ADA.email)
            # She has long been there: no search lags behind her.
            self.shop.world.pos.requests += switches.search_lag_requests
        return self.burst(count=2)

    # --- the shop ----------------------------------------------------------------------------------------------------

    @rule(
        target=orders,
        shopper=SHOPPERS,
        sku=st.sampled_from(["BOWL", "PEN", "cup", "rare", "many"]),
        quantity=st.integers(1, 3),
        status=st.sampled_from(
            [
                OrderStatus.AWAITING_FULFILLMENT,
                OrderStatus.AWAITING_FULFILLMENT,
                OrderStatus.AWAITING_PAYMENT,
                OrderStatus.PENDING,
                OrderStatus.INCOMPLETE,
                OrderStatus.CANCELLED,
            ]
        ),
        shipping=st.sampled_from(["0", "4.95"]),
        minutes_late=st.sampled_from([0, 0, 4]),
    )
    def place(
        self, *, shopper: Shopper, sku: str, quantity: int, status: OrderStatus, shipping: str, minutes_late: int
    ) -> int:
        is_late = minutes_late and self.may_be_late
        at = max(self.shop.time.now() - timedelta(minutes=minutes_late), NOW) if is_late else None
        parcels = (Parcel(cost=shipping),)
        order_id = self.shop.order(
            items=self._items(sku, quantity), shopper=shopper, status=status, parcels=parcels, at=at
        )
        self._note(order_id)
        return order_id

    @rule(target=orders, count=st.integers(2, 4))
    def burst(self, *, count: int) -> Any:
        at = self.shop.time.now()
        placed = [self.shop.order("BOWL", number + 1, at=at) for number in range(count)]
        for order_id in placed:
            self._note(order_id)
        return multiple(*placed)

    @rule(order_id=orders, sku=st.sampled_from(["BOWL", "PEN", "cup", ""]), quantity=st.integers(1, 4))
    def edit(self, *, order_id: int, sku: str, quantity: int) -> None:
        """Another quantity of what was ordered, or something else in its place."""
        draft = self.shop.store.orders[order_id].draft
        assert draft is not None
        if self._refunds_of(order_id):
            # What a refund gave back of a line that sells something else now, no record tells.
            self.entangled.add(order_id)
            sku = ""
        self.edited.add(order_id)
        items = self._items(sku, quantity) if sku else tuple(replace(item, quantity=quantity) for item in draft.items)
        self.shop.edit(order_id, *items)

    @rule(order_id=orders, turn=st.sampled_from(["pay", "ship", "cancel", "decline", "revive", "owe"]))
    def turn(self, *, order_id: int, turn: str) -> None:
        """Another status. An order that was ever paid stays so: taking a payment back is left to people."""
        store = self.shop.store
        if self._refunds_of(order_id):
            self.entangled.add(order_id)
        if turn == "pay":
            self.shop.happens(store.pay, order_id)
        elif turn == "ship":
            self.shop.happens(store.ship, order_id)
        elif turn == "owe" and order_id in self.ever_paid:
            self.shop.happens(store.touch, order_id)
        else:
            self.shop.happens(store.set_status, order_id, TURNS[turn])
        self._note(order_id)

    @rule(order_ids=some, status=st.sampled_from([OrderStatus.COMPLETED, OrderStatus.CANCELLED]))
    def bulk_edit(self, *, order_ids: list[int], status: OrderStatus) -> None:
        self.entangled.update(order_id for order_id in order_ids if self._refunds_of(order_id))
        self.shop.happens(self.shop.store.bulk_edit, order_ids, status)
        for order_id in order_ids:
            self._note(order_id)

    @rule(
        order_id=orders,
        what=st.sampled_from(["unit", "unit", "all", "money", "set by hand", "tax"]),
        restock=st.booleans(),
        declined=st.sampled_from([False, False, False, True]),
        in_two=st.booleans(),
    )
    def refund(self, *, order_id: int, what: str, restock: bool, declined: bool, in_two: bool) -> None:
        """Give back for an order that was paid and stands; what it was sold for is never exceeded."""
        order = self.shop.store.orders[order_id]
        given = sum(Decimal(row["total_amount"]) for row in self._refunds_of(order_id))
        left, line = Decimal(order.fields["total_inc_tax"]) - given, order.lines[0]
        units = line["quantity"] - line.get("quantity_refunded", 0)
        unit = Decimal(line["discounted_total_inc_tax"]) / line["quantity"]
        is_money = what in ("money", "tax") or not units
        if (
            order_id not in self.ever_paid
            or OrderStatus(order.status) not in STANDING
            or left < unit * units + 2 * is_money
        ):
            return
        if order_id in self.edited:
            # An edit that lowers the total by just the refund may be the refund.
            self.entangled.add(order_id)
        # Of what the POS does not know yet, the store has to tell how much is left.
        is_known = line["sku"] in ("BOWL", "cup", "PEN")
        number = units if what == "all" else 1
        by_hand = {"override_total": "1.23", "override_tax": "0.09"} if what == "set by hand" else {}
        goods = Refund(lines={0: number}, restock=restock and is_known and not declined, declined=declined, **by_hand)
        # A POS that checks taxes takes none without a price.
        is_tax = what == "tax" and self.shop.world.switches.tax_amount == "taken"
        money = Refund(tax_only="0.25") if is_tax else Refund(order_amount="0.50", declined=declined)
        self.shop.happens(self.shop.refund, order_id, money if is_money else goods)
        if in_two and left > unit * units + 2:
            self.shop.refund(order_id, Refund(shipping="0.75"))

    @rule(order_id=orders)
    def archive(self, *, order_id: int) -> None:
        self.shop.happens(self.shop.store.archive, order_id)

    @rule(order_ids=some)
    def touch(self, *, order_ids: list[int]) -> None:
        self.shop.time.forward(seconds=1)
        for order_id in order_ids:
            self.shop.store.touch(order_id)

    @rule(hours=st.sampled_from([-24, -1, 0, 1, 24]))
    def set_host_clock(self, *, hours: int) -> None:
        self.shop.skew = timedelta(hours=hours)

    # --- the program -------------------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([0, 5, 60]))
    def poll(self, *, minutes: int) -> None:
        self.shop.time.forward(minutes=minutes)
        self._pass()

    @rule(
        target=orders,
        shopper=SHOPPERS,
        fault=st.sampled_from(KINDS_OF_FAULTS),
        first=st.sampled_from([1, 1, 2, 2, 3, 4, 5, 7, 10, 15]),
        count=st.sampled_from([1, 1, 2, 3, 8, 30]),
        only_writes=st.booleans(),
    )
    def poll_with_faults(self, *, shopper: Shopper, fault: Fault, first: int, count: int, only_writes: bool) -> int:
        """With a new order on its way, some requests in a row fail, counted over all or over the writes to the POS."""
        placed = self._ordered(shopper)
        seen = itertools.count(1)

        def hits(request: Request) -> bool:
            counts = request.side == "pos" and request.is_write if only_writes else True
            return counts and first <= next(seen) < first + count

        self.shop.world.faults.on(fault, hits, times=count)
        self._pass()
        self.shop.restart()
        return placed

    @rule(
        target=orders,
        shopper=SHOPPERS,
        number=st.sampled_from([1, 1, 2, 2, 3, 4, 5, 7, 10, 15]),
        only_writes=st.booleans(),
        after=st.booleans(),
    )
    def poll_and_die(self, *, shopper: Shopper, number: int, only_writes: bool, after: bool) -> int:
        """With a new order on its way, the program is killed at a request, before or after its effect."""
        placed = self._ordered(shopper)
        self.shop.dies_at_request(number, only_writes=only_writes, after=after)
        with suppress(Killed):
            self._pass()
        self.shop.restart()
        return placed

    @rule(order_ids=some, page=st.integers(1, 3), status=st.sampled_from([None, OrderStatus.COMPLETED]))
    def poll_while_pages_shift(self, *, order_ids: list[int], page: int, status: OrderStatus | None) -> None:
        """While a page is on its way, orders that were on it or after it move to the end."""
        seen = itertools.count(1)

        def shift(request: Request) -> None:
            if request.path.endswith("/orders") and next(seen) == page:
                self.shop.time.forward(seconds=1)
                for order_id in order_ids:
                    if status is None:
                        self.shop.store.touch(order_id)
                    else:
                        self.shop.store.set_status(order_id, status)
                        self._note(order_id)

        self.shop.world.after.append(shift)
        self._pass()
        self.shop.restart()

    @precondition(lambda self: self.is_stirred)
    @rule()
    def quiet(self) -> None:
        """Some days without an event or a fault: what is set aside passes, and there is nothing more to do."""
        self.is_stirred = False
        self.shop.skew = timedelta(0)
        for hours in (49, 25):
            self._works(hours)
        before = self.shop.world.pos.snapshot()
        self._works(1)
        waiting = {item.order_id: item.reason for item in self.shop.review()}
        if {reason for order, reason in waiting.items() if reason not in self._left_to_people(order)}:
            raise AssertionError([(item.order_id, item.reason, item.detail) for item in self.shop.review()])
        assert self.shop.checkpoint.open_intents() == []
        assert self.shop.world.pos.snapshot() == before
        found = self.shop.lives()
        if waiting:
            found = [one for one in found if one.startswith("order ") and _order_of(one) not in waiting]
        else:
            assert self.shop.writes() == []
        assert not found, found

    @invariant()
    def nothing_is_there_twice(self) -> None:
        """At no time, however far a pass got."""
        snapshot = self.shop.world.pos.snapshot()
        live = {
            source: [sale for sale in sales if sale["state"] != "voided"] for source, sales in snapshot.sales.items()
        }
        refunds = {source: sum(map(is_refund, sales)) for source, sales in live.items()}
        doubled = [
            source
            for source, sales in live.items()
            if len(sales) - refunds[source] > 1 or refunds[source] > len(self._refunds_of(int(source)))
        ]
        assert doubled == []
        assert [email for email, count in snapshot.customers.items() if email and count > 1] == []

    def teardown(self) -> None:
        try:
            self.quiet()
        finally:
            self.shop.checkpoint.close()

    def _items(self, sku: str, quantity: int) -> tuple[Item, ...]:
        """Lines of an order; what is rare is on sale for this order alone, and the POS does not know it yet."""
        if sku == "many":
            return tuple(self.shop.store.item("BOWL") for _ in range(52))
        if sku == "rare":
            sku = f"RARE-{len(self.shop.store.orders)}"
            self.shop.sell(sku, known=False, price="12.34", stock=9)
        return (self.shop.store.item(sku, quantity),)

    def _ordered(self, shopper: Shopper) -> int:
        placed = self.shop.order("PEN", shopper=shopper)
        self._note(placed)
        return placed

    def _note(self, order_id: int) -> None:
        """Remember what the store's present does not tell."""
        order = self.shop.store.orders[order_id]
        if order.transactions:
            self.ever_paid.add(order_id)

    def _pass(self) -> None:
        """A pass; one that stops early says so and nothing worse."""
        self.is_stirred = True
        with suppress(RetryLater):
            self.shop.pass_()

    def _works(self, hours: float) -> Report:
        self.shop.time.forward(hours=hours)
        return self.shop.pass_()

    def _refunds_of(self, order_id: int) -> list[Any]:
        return [row for row in self.shop.store.refunds if row["order_id"] == order_id]

    def _left_to_people(self, order_id: int) -> frozenset[Reason]:
        switches = self.shop.world.switches
        can_change = switches.void_by_put == switches.edit_of_closed == "works"
        entangled = ENTANGLED if order_id in self.entangled else frozenset()
        return entangled if can_change else entangled | LEFT_TO_PEOPLE


def _order_of(difference: str) -> int:
    return int(difference.removeprefix("order ").split(":")[0])


TestShopLife = ShopLife.TestCase
TestShopLife.settings = settings(
    max_examples=EXAMPLES.get(settings.get_current_profile_name(), EXAMPLES["dev"]),
    stateful_step_count=STEPS,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
