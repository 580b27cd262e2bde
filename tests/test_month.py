"""A virtual month: 8,640 polls, five minutes apart, over a shop that goes on living while everything breaks at times.

One seed decides all of it: how the account answers what the documents leave open, the settings, what becomes of each
order, what the till sells, and which requests fail. At noon, after an hour without events and faults, the POS must
hold what the orders demand, and the checkpoint must not have grown faster than the orders. Run another month by
`pytest tests/test_month.py --month-seed 7`, and ten from there on by `--months 10` besides.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from shop import NOW, OUTLET, Killed, Shop

from bcpoll.checkpoint import ReviewItem
from bcpoll.checkpoint.columns import time_text
from bcpoll.core.order import LineKind
from bcpoll.core.rejected import REASONS, Reason
from bcpoll.core.status import OrderStatus
from bcpoll.errors import AccessRefused, RetryLater
from bcpoll.http import repeats
from bcpoll.sandbox import pos_sales
from bcpoll.sandbox.drafts import Coupon, CouponKind, Draft, ExtraFee, Item, Parcel, Pickup, Shopper
from bcpoll.sandbox.faults import Fault, Request, Side
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.store import FIRST_ORDER
from bcpoll.sandbox.switches import Switches, choices

pytestmark = pytest.mark.slow

INTERVAL = timedelta(minutes=5)
A_DAY = timedelta(days=1) // INTERVAL
DAYS = 30

# From eleven to noon nothing happens and nothing fails.
CALM_HOUR = 11
HALF_PAST, LAST_CALM_MINUTE = 30, 55

# The register of the web orders is closed at night, where the merchant closes it at all.
CLOSES, OPENS = 22, 6

# What was sent is kept for so long, and is gone some nights later even if passes fail and the host's clock is wrong.
KEEP_PAYLOADS = timedelta(days=7)
SOME_NIGHTS = timedelta(days=2)

# What an order may take in the checkpoint, its share of the runs included, and how much more a later one may take.
BYTES_PER_ORDER = 12_000
TOLERANCE = 1.1
LAST_DAYS = 10

MINUTE, HOUR, DAY = 1, 60, 24 * 60


# --- the account -----------------------------------------------------------------------------------------------------

# Positions that cost what no program can give: a sale under the id of another, or orders that no list ever shows.
IMPOSSIBLE = {"existing_sale": {"doubles"}, "archived_orders": {"left_out"}}

# Where the POS changes no closed sale, staff do it by hand every other day; most accounts are spared that.
BY_HAND = ("void_by_put", "edit_of_closed")


@dataclass(frozen=True, kw_only=True)
class Account:
    """What stays as it is for the whole month: how both sides answer, and what the merchant chose."""

    switches: Switches
    sync: Mapping[str, Any]
    when_closed: str
    closes_at_night: bool
    page_size: int

    @property
    def leaves_voids_to_staff(self) -> bool:
        """Whether some closed sales can be changed at the till only."""
        return not self.switches.void_by_put == self.switches.edit_of_closed == "works"


def account(seed: int) -> Account:
    """An account by chance. Each switch has a chance of its own, so that one more leaves the others where they are."""
    turned = {
        name: Random(f"{seed} {name}").choice([one for one in positions if one not in IMPOSSIBLE.get(name, ())])
        for name, positions in choices().items()
    }
    chance = Random(seed)
    turned |= {name: chance.choice(["works"] * 8 + ["refused", "ignored"]) for name in BY_HAND}
    switches = Switches(
        **turned,
        list_lag_seconds=chance.choice([0, 0, 30, 300]),
        search_lag_requests=chance.choice([0, 0, 5, 50, 10_000]),
        search_lag_seconds=chance.choice([0, 0, 7200]),
        largest_page=chance.choice([500, 500, 100, 3]),
    )
    sync = {
        "start": NOW,
        "workers": 1,
        "overlap": "10m",
        # The shortest hides no fault of the cursor.
        "sweep": chance.choice(["1h", "3d"]),
        "unpaid": chance.choice(["closed", "on_account"]),
        "cancelled_unseen": chance.choice(["voided", "skip"]),
        "fulfillment": chance.choice(["off", "track"]),
        "refunds": chance.choice(["import", "import", "ignore"]),
        "restock_refunds": chance.random() < 0.7,
    }
    return Account(
        switches=switches,
        sync=sync,
        when_closed=chance.choice(["try", "open", "wait"]),
        closes_at_night=chance.random() < 0.7,
        page_size=chance.choice([5, 50, 250, 250]),
    )


# --- what becomes of an order ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """How an order begins, and what happens to it after so many minutes at least and at most, one after the other."""

    weight: int
    first: OrderStatus
    then: tuple[tuple[str, int, int], ...] = ()


_SHIPPED = (("ship", 2 * HOUR, 2 * DAY),)
_PAID = (("pay", 10 * MINUTE, 2 * DAY), *_SHIPPED)

STORIES = (
    Story(50, OrderStatus.AWAITING_FULFILLMENT, _SHIPPED),
    Story(6, OrderStatus.AWAITING_FULFILLMENT),
    Story(3, OrderStatus.AWAITING_SHIPMENT, (("ship_a_part", HOUR, DAY), *_SHIPPED)),
    Story(3, OrderStatus.AWAITING_PICKUP, (("complete", HOUR, 3 * DAY),)),
    Story(6, OrderStatus.AWAITING_PAYMENT, _PAID),
    Story(3, OrderStatus.AWAITING_PAYMENT, (("edit", 0, DAY), *_PAID)),
    Story(3, OrderStatus.AWAITING_PAYMENT, (("cancel", HOUR, 4 * DAY),)),
    Story(2, OrderStatus.AWAITING_PAYMENT),
    Story(3, OrderStatus.PENDING, (("pay", 0, HOUR), *_SHIPPED)),
    Story(2, OrderStatus.PENDING, (("touch", 0, DAY),)),
    Story(2, OrderStatus.INCOMPLETE, (("pay", 0, 3 * HOUR),)),
    Story(2, OrderStatus.INCOMPLETE, (("vanish", HOUR, DAY),)),
    Story(2, OrderStatus.MANUAL_VERIFICATION_REQUIRED, (("accept", HOUR, DAY), *_SHIPPED)),
    Story(1, OrderStatus.MANUAL_VERIFICATION_REQUIRED, (("decline", HOUR, DAY),)),
    Story(1, OrderStatus.DECLINED),
    Story(2, OrderStatus.AWAITING_FULFILLMENT, (("cancel", 0, 4 * MINUTE),)),
    Story(3, OrderStatus.AWAITING_FULFILLMENT, (("cancel", HOUR, 2 * DAY),)),
    Story(2, OrderStatus.AWAITING_FULFILLMENT, (("cancel", 0, HOUR), ("revive", 0, DAY), *_SHIPPED)),
    Story(4, OrderStatus.AWAITING_FULFILLMENT, (("edit", 0, DAY), *_SHIPPED)),
    Story(1, OrderStatus.AWAITING_FULFILLMENT, (("edit", 0, 9 * MINUTE), ("edit", 0, 9 * MINUTE), *_SHIPPED)),
    Story(1, OrderStatus.AWAITING_FULFILLMENT, (("edit", HOUR, DAY), ("cancel", 0, DAY), ("revive", 0, DAY))),
    Story(2, OrderStatus.AWAITING_FULFILLMENT, (*_SHIPPED, ("archive", DAY, 9 * DAY))),
    Story(1, OrderStatus.AWAITING_FULFILLMENT, (("cancel", HOUR, DAY), ("archive", DAY, 2 * DAY))),
    Story(4, OrderStatus.AWAITING_FULFILLMENT, (*_SHIPPED, ("refund", DAY, 5 * DAY))),
    Story(1, OrderStatus.AWAITING_FULFILLMENT, (("refund", HOUR, DAY), ("refund", HOUR, DAY), ("archive", DAY, DAY))),
    Story(1, OrderStatus.AWAITING_FULFILLMENT, (*_SHIPPED, ("dispute", DAY, 5 * DAY))),
    Story(2, OrderStatus.AWAITING_FULFILLMENT, (("touch", 0, HOUR), ("touch", 0, DAY), *_SHIPPED)),
)

TURNS = {
    "ship_a_part": OrderStatus.PARTIALLY_SHIPPED,
    "complete": OrderStatus.COMPLETED,
    "cancel": OrderStatus.CANCELLED,
    "decline": OrderStatus.DECLINED,
    "accept": OrderStatus.AWAITING_FULFILLMENT,
    "revive": OrderStatus.AWAITING_FULFILLMENT,
    "dispute": OrderStatus.DISPUTED,
}

# How many orders come in within each hour of an ordinary day; some days are busier, and one is Black Friday.
BY_THE_HOUR = (1, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 3, 3, 2, 2, 3, 3, 4, 4, 3, 2, 1)
BLACK_FRIDAY = 7
RUSH = 4


# --- baskets ---------------------------------------------------------------------------------------------------------

VOUCHER = Item(name="Gift Certificate", price="25.00", kind=LineKind.GIFT_CERTIFICATE, tax_rate="0")
ENGRAVING = Item(name="Engraving on request", price="15.00")


@dataclass
class Goods:
    """What is on sale: known to the POS, on the web only, and sold by one order alone."""

    shop: Shop
    chance: Random
    skus: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def add(self) -> None:
        """Put something on sale in both places, at times under another case."""
        sku = f"Dish-{next(self._numbers)}"
        self.shop.sell(sku, known=False, price=self._price(), stock=50_000)
        code = self.chance.choice([sku, sku, sku.upper()])
        self.shop.world.pos.add_product(f"Product {sku}", code, stock={OUTLET: "50000"})
        self.skus.append(sku)

    def add_web_only(self) -> None:
        """Put something on sale on the web alone, which nobody counts."""
        sku = f"Recipe-{next(self._numbers)}"
        self.shop.sell(sku, known=False, price=self._price(), stock=None, kind=LineKind.DIGITAL)
        self.skus.append(sku)

    def only_one(self) -> Item:
        """Something that is counted and that the POS does not know, for one order alone.

        Its opening stock goes by what the store has left, and what other orders hold of it is not to be seen there.
        """
        sku = f"Rare-{next(self._numbers)}"
        self.shop.sell(sku, known=False, price=self._price(), stock=9)
        return self.shop.store.item(sku, self.chance.randint(1, 3))

    def entered_twice(self) -> tuple[Item, str]:
        """Something that the POS has twice under one code, and the second of the two."""
        sku = f"Twin-{next(self._numbers)}"
        self.shop.sell(sku, price=self._price())
        return self.shop.store.item(sku), self.shop.world.pos.add_product(f"{sku}, entered twice", sku)

    def line(self) -> Item:
        """One line of an order, with nothing special or one thing."""
        plain = self.shop.store.item(self.chance.choice(self.skus), self.chance.choice((1, 1, 1, 2, 3, 7)))
        return self.chance.choice((_plain,) * 6 + (_wrapped, _engraved, _reduced, _bundled, _three_for_ten))(plain)

    def lines(self) -> tuple[Item, ...]:
        """What somebody orders: mostly a line or two, seldom more than the store embeds."""
        if self.chance.random() < 0.01:
            label = self.shop.store.item(self.skus[0])
            return tuple(replace(label, options=(("Text", f"Jar {number}"),)) for number in range(52))
        some = tuple(self.line() for _ in range(self.chance.choice((1, 1, 1, 2, 2, 3, 5))))
        extra = self.chance.random()
        return (*some, VOUCHER) if extra < 0.02 else (*some, ENGRAVING) if extra < 0.05 else some

    def _price(self) -> str:
        return str(Decimal(self.chance.randint(1_050, 19_999)) / 100)


def _plain(line: Item) -> Item:
    return line


def _wrapped(line: Item) -> Item:
    return replace(line, wrapping="4.50", wrapping_message="Happy housewarming!")


def _engraved(line: Item) -> Item:
    return replace(line, options=(("Engraving", "Ms Teapot"),))


def _reduced(line: Item) -> Item:
    return replace(line, tax_rate="0.05", discount="1.11")


def _bundled(line: Item) -> Item:
    return replace(line, children=(replace(line, price="0", name="Lid"),))


def _three_for_ten(line: Item) -> Item:
    return replace(line, quantity=3, price="3.3333", line_total="10.00")


SENT = (Parcel(cost="6.55", handling="1.25"),)
FEES = (ExtraFee(name="Levy", cost="0.28"), ExtraFee(name="Service", cost="3.33", tax_rate="0.08"))
TENTH = (Coupon(code="TENTH", kind=CouponKind.PERCENTAGE, amount="10"),)
SHIPPED_FOR_LESS = (Coupon(code="SHIP2", kind=CouponKind.SHIPPING, amount="2.00"),)
SHIPPED_FREE = (Coupon(code="SHIPFREE", kind=CouponKind.FREE_SHIPPING),)

# An order that is paid with these and edited afterwards is paid too much or too little, which is left to people.
TENDERS = frozenset({"gift_certificate", "store_credit"})

# What is special about an order as a whole: nothing, mostly.
TERMS: tuple[Mapping[str, Any], ...] = (
    *({"parcels": (Parcel(cost="4.95"),)},) * 8,
    *({},) * 3,
    {"parcels": SENT, "inclusive": True},
    {"parcels": SENT, "fees": FEES},
    {"parcels": SENT, "coupons": TENTH, "discount": "1.11"},
    {"parcels": SENT, "coupons": SHIPPED_FOR_LESS},
    {"parcels": SENT, "coupons": SHIPPED_FREE},
    {"gift_certificate": "5.01"},
    {"parcels": SENT, "store_credit": "3.33", "fees": FEES},
    {"tax_rate": "0"},
    {"tax_rate": "0.05", "message": "Please leave with the neighbour."},
    {"is_old": True, "discount": "1.00"},
    {"payment_method": "Cash on Delivery"},
)


# --- accidents -------------------------------------------------------------------------------------------------------


def _counted(first: int, count: int, *, side: Side | None, only_writes: bool) -> Callable[[Request], bool]:
    """Whether a request is among so many in a row from the first on, counted over a side or over its writes alone."""
    seen = itertools.count(1)

    def hits(request: Request) -> bool:
        counts = side in (None, request.side) and (request.is_write or not only_writes)
        return counts and first <= next(seen) < first + count

    return hits


class Accidents:
    """What goes wrong in a pass, by chance; each kind of fault has its turn before one comes twice."""

    def __init__(self, shop: Shop, chance: Random) -> None:
        self._shop = shop
        self._chance = chance
        self._deck: list[Fault] = []
        self._outage: tuple[Side, Fault, float] | None = None
        self._outage_left = 0
        self._by_weight: Mapping[Callable[[], None], int] = {
            self._single: 6,
            self._on_a_write: 6,
            self._death: 4,
            self._death_at_a_write: 4,
            self._polite_stop: 2,
            self._slow_side: 1,
            self._outage_begins: 1,
        }

    def strike(self, likelihood: float) -> None:
        """Prepare the next pass's accident, if it is to have one."""
        if self._outage_left:
            self._outage_left -= 1
            self._outage_goes_on()
        elif self._chance.random() < likelihood:
            self._chance.choices([*self._by_weight], [*self._by_weight.values()])[0]()

    def end(self) -> None:
        """No more of it."""
        self._outage_left = 0

    def _fault(self) -> Fault:
        if not self._deck:
            self._deck = self._chance.sample([*Fault], len(Fault))
        return self._deck.pop()

    def _number(self) -> int:
        return self._chance.choice((1, 1, 1, 2, 2, 3, 4, 5, 8))

    def _single(self) -> None:
        side: Side | None = self._chance.choice((None, None, "store", "pos"))
        count = self._chance.choice((1, 1, 2, 8))
        self._shop.world.faults.on(
            self._fault(), _counted(self._number(), count, side=side, only_writes=False), times=count
        )

    def _on_a_write(self) -> None:
        count = self._chance.choice((1, 1, 1, 3))
        self._shop.world.faults.on(
            self._fault(), _counted(self._number(), count, side="pos", only_writes=True), times=count
        )

    def _death(self) -> None:
        self._shop.dies_at_request(self._number(), only_writes=False, after=self._chance.random() < 0.5)

    def _death_at_a_write(self) -> None:
        self._shop.dies_at_request(self._number(), only_writes=True, after=self._chance.random() < 0.5)

    def _polite_stop(self) -> None:
        number = self._number()
        self._shop.world.after.append(lambda request: request.number == number and self._shop.stop.set())

    def _slow_side(self) -> None:
        faults = self._shop.world.faults
        faults.pause = lambda seconds: self._shop.time.forward(seconds=seconds)
        faults.latency[self._chance.choice(("store", "pos"))] = self._chance.choice((0.5, 5, 40))

    def _outage_begins(self) -> None:
        side: Side = self._chance.choice(("store", "pos"))
        self._outage = (side, self._fault(), self._chance.choice((0.3, 0.7, 1.0)))
        self._outage_left = self._chance.randint(1, 12)
        self._outage_goes_on()

    def _outage_goes_on(self) -> None:
        assert self._outage is not None
        side, fault, share = self._outage
        self._shop.world.faults.on(
            fault, lambda request: request.side == side and self._chance.random() < share, times=1_000_000
        )


# --- the month -------------------------------------------------------------------------------------------------------


class Month:
    """One shop from its first poll to its last, with what the test has to know besides."""

    def __init__(self, seed: int, path: Path, days: int = DAYS) -> None:
        self.days = days
        self.chance = Random(seed)
        self.account = account(seed)
        self.shop = Shop(
            path=path,
            switches=self.account.switches,
            page_size=self.account.page_size,
            settings={
                "sync": self.account.sync,
                "pos": {"when_closed": self.account.when_closed},
                "checkpoint": {"keep_payloads": f"{KEEP_PAYLOADS.days}d"},
            },
        )
        self.goods = Goods(self.shop, self.chance)
        self.accidents = Accidents(self.shop, self.chance)
        self.counts: Counter[str] = Counter()
        self.faults: Counter[tuple[Side, Fault]] = Counter()
        self.sizes: list[tuple[int, int]] = []
        """How many orders there were each noon, and how many bytes the checkpoint took."""
        self.flawed: dict[int, Reason] = {}
        """Orders that have to wait for somebody, and with what reason."""
        self.dismissed: set[int] = set()
        """Orders that staff took off the list without a sale."""
        self._coming: list[tuple[datetime, int, Callable[[], None]]] = []
        self._turn = itertools.count()
        self._shoppers: list[Shopper] = []
        self._order_ids = itertools.count(FIRST_ORDER)
        self._is_stirred = True
        self._looked_on: date | None = None
        self._version = 0
        self._live: dict[tuple[str, bool], set[str]] = {}
        for _ in range(40):
            self.goods.add()
        self.goods.add_web_only()
        self._unsynced()

    # --- time --------------------------------------------------------------------------------------------------------

    def live(self) -> None:
        """Poll for a month; one that is due while another is at work is left out, as the lock would have it."""
        for day in range(self.days):
            for poll in range(A_DAY):
                due = NOW + (day * A_DAY + poll) * INTERVAL
                self._until(due)
                if poll == 0:
                    self._plans_the_day(day)
                if self.shop.time.now() > due:
                    self.counts["left out by the lock"] += 1
                elif due.hour == CALM_HOUR:
                    self._calm(due)
                else:
                    self._poll()
        self._days_of_rest()

    def _until(self, due: datetime) -> None:
        """Let happen what is to happen by then."""
        while self._coming and self._coming[0][0] <= due:
            at, _, event = heapq.heappop(self._coming)
            self.shop.time.at = max(self.shop.time.at, at)
            event()
            self._is_stirred = True
        self.shop.time.at = max(self.shop.time.at, due)

    def _plans_the_day(self, day: int) -> None:
        """Fix what comes by itself within the next 24 hours; what orders bring on is added as they are placed."""
        rush = RUSH if day == BLACK_FRIDAY else self.chance.choice((0.7, 1, 1, 1.3))
        for hour, usual in enumerate(BY_THE_HOUR):
            since = ((hour - NOW.hour) % 24) * HOUR
            for _ in range(round(usual * rush + self.chance.random() - 0.5)):
                self._comes(since, since + HOUR, self._orders)
        for event, times in (
            (self._burst, 1 if day == BLACK_FRIDAY else self.chance.random() < 0.3),
            (self._tills, self.chance.randint(5, 20)),
            (self.goods.add, self.chance.random() < 0.3),
            (self.goods.add_web_only, self.chance.random() < 0.1),
            (self._enters_customer, self.chance.random() < 0.5),
            (self._closes_orders, 1),
            (self._sets_clock, self.chance.random() < 0.5),
        ):
            for _ in range(times):
                self._comes(0, DAY, event)
        if self.account.closes_at_night:
            for hour, is_open in ((CLOSES, False), (OPENS, True)):
                since = ((hour - NOW.hour) % 24) * HOUR
                self._comes(since, since, partial(self.shop.world.pos.open_register, "Online", is_open=is_open))

    def _comes(self, least: int, most: int, event: Callable[[], Any]) -> None:
        """Let something happen so many minutes from now, but not in the calm hour."""
        at = self.shop.time.now() + timedelta(seconds=self.chance.randint(least * 60, most * 60))
        if at.hour == CALM_HOUR:
            at += timedelta(hours=1)
        heapq.heappush(self._coming, (at, next(self._turn), event))

    # --- passes ------------------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        """A pass in the thick of it: faults, and events between its requests. More goes wrong where more goes on."""
        self.accidents.strike(0.35 if self._is_stirred else 0.05)
        if self.chance.random() < 0.05:
            number, event = self.chance.choice((1, 1, 2, 3, 5)), self.chance.choice((self._orders, self._touches))
            self.shop.world.after.append(lambda request: request.number == number and event())
        self._pass()
        self._forget_accidents()
        assert self._doubled() == []

    def _pass(self) -> None:
        """A pass; one that stops early says so and nothing worse."""
        self.counts["passes"] += 1
        try:
            self.shop.pass_()
            self._is_stirred = False
        except (RetryLater, AccessRefused) as error:
            self.counts[f"stopped by {type(error).__name__}"] += 1
        except Killed:
            self.counts["killed"] += 1
        self.counts["requests"] += len(self.shop.world.log)
        self.faults.update((request.side, request.fault) for request in self.shop.world.log if request.fault)

    def _forget_accidents(self) -> None:
        world = self.shop.world
        if world.before or world.after or self.shop.stop.is_set() or world.faults._traps or world.faults.latency:
            self.shop.restart()
            self._unsynced()

    def _unsynced(self) -> None:
        """Spare the disk: a program is killed here, but no power cut."""
        self.shop.checkpoint._db.execute("PRAGMA synchronous = OFF")

    def _doubled(self) -> list[str]:
        """The orders with more than one live sale, or more refunds than were made, whose sales changed since."""
        changed = list(self.shop.world.pos.sales.after(self._version))
        for version, sale in changed:
            self._version = version
            live = self._live.setdefault((sale["source"]["id"] or sale["id"], sale["return"]["is_return"]), set())
            (live.discard if sale["state"] == "voided" else live.add)(sale["id"])
        made = Counter(str(row["order_id"]) for row in self.shop.store.refunds)
        sources = {sale["source"]["id"] for _, sale in changed} - {None}
        return [
            source
            for source in sources
            for is_return in (False, True)
            if len(self._live.get((source, is_return), ())) > (made[source] if is_return else 1)
        ]

    # --- noon --------------------------------------------------------------------------------------------------------

    def _calm(self, due: datetime) -> None:
        """No faults and no events; every other day staff look through what is still set aside after half an hour."""
        staff_look = due.toordinal() % 2 == 0
        self._becomes_calm()
        if staff_look and due.minute >= HALF_PAST and self._looked_on != due.date():
            self._looked_on = due.date()
            self._works_off_review()
        self._pass()
        if due.minute == LAST_CALM_MINUTE:
            self._check(may_wait=not staff_look)
            assert self._kept_too_long(due) == 0
            self.shop.restart()
            self._unsynced()
            self.sizes.append((len(self.shop.store.orders), self.shop.checkpoint.size()))

    def _kept_too_long(self, now: datetime) -> int:
        """How many bodies the nightly pruning should have blanked by now."""
        ((count,),) = self.shop.checkpoint._rows(
            "SELECT count(*) FROM intents WHERE body <> '' AND settled_at < ?",
            time_text(now - KEEP_PAYLOADS - SOME_NIGHTS),
        )
        return int(count)

    def _becomes_calm(self) -> None:
        self.accidents.end()
        self.shop.skew = timedelta(0)
        self.shop.world.pos.open_register("Online")

    def _days_of_rest(self) -> None:
        """Two days without an event, a fault or a person: whatever may pass passes by itself."""
        self._becomes_calm()
        for hours in (49, 25):
            self.shop.time.forward(hours=hours)
            self._pass()
        if self.account.leaves_voids_to_staff:
            self._works_off_review()
        for _ in range(2):
            self.shop.time.forward(hours=1)
            self._pass()
        self._check(may_wait=False)
        assert self.shop.writes() == []

    def _check(self, *, may_wait: bool) -> None:
        """The POS holds what the orders demand; what is set aside is explained, and nothing is left unsettled."""
        now = self.shop.time.now()
        waiting = {item.order_id: item for item in self.shop.review()}
        passing = {
            order_id
            for order_id, item in waiting.items()
            if may_wait and REASONS[item.reason].may_pass and item.next_try and item.next_try > now
        }
        unexplained = [
            (item.order_id, item.reason, item.field, item.detail)
            for order_id, item in waiting.items()
            if order_id not in passing and item.reason is not self.flawed.get(order_id)
        ]
        assert unexplained == []
        assert self.flawed.keys() - self.dismissed <= waiting.keys()
        assert passing or self.shop.checkpoint.open_intents() == []
        found = self.shop.lives(without=self.flawed)
        if passing:
            found = [one for one in found if one.startswith("order ") and _order_of(one) not in passing]
        assert found == []

    # --- staff -------------------------------------------------------------------------------------------------------

    def _works_off_review(self) -> None:
        """Do by hand what the POS leaves to people, dismiss what can be no sale, and try the rest once more."""
        self._works_by_hand()
        for item in self.shop.review():
            if item.reason is Reason.FOREIGN_CURRENCY:
                self.shop.checkpoint.dismiss(item.id, "entered by hand", self.shop.time.now())
                self.dismissed.add(item.order_id)
        self.shop.checkpoint.retry(None, self.shop.time.now())

    def _works_by_hand(self) -> None:
        for item in self.shop.review():
            if item.reason is Reason.VOID_BY_HAND:
                self._by_hand(item, lambda sale: {"state": "voided", "payments": []})
            elif item.reason is Reason.PAY_BY_HAND:
                self._by_hand(item, self._paid)

    def _by_hand(self, item: ReviewItem, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        """Change a sale at the till, which can do more than the API."""
        pos = self.shop.world.pos
        sale = pos.sales.get(self.shop.row(item.order_id).applied.sale_id)
        assert sale is not None
        pos_sales._keep(pos, {**sale, **change(sale)}, sale)
        self.counts["by hand"] += 1

    def _paid(self, sale: Mapping[str, Any]) -> Mapping[str, Any]:
        pos = self.shop.world.pos
        card = {"type": {"config_id": pos.id_of(pos.payment_types, "Online - Card")}}
        card["amount"] = sale["totals"]["price_incl_tax"].quantize(Decimal("0.01"))
        return {"payments": [pos_sales._payment(pos, card, 0, pos.registers.get(sale["source"]["register_id"]), {})]}

    # --- events ------------------------------------------------------------------------------------------------------

    def _orders(self) -> int:
        """Somebody orders something, and fate takes its course."""
        story = self.chance.choices(STORIES, [one.weight for one in STORIES])[0]
        terms = dict(self.chance.choice(TERMS))
        if any(event == "edit" for event, _, _ in story.then):
            terms = {name: term for name, term in terms.items() if name not in TENDERS}
        if story.first is OrderStatus.AWAITING_PICKUP:
            terms["parcels"] = (Pickup(code="MAIN", name="Main Store"),)
        draft = Draft(items=self.goods.lines(), shopper=self._shopper(), status=story.first, **terms)
        if (special := self.chance.random()) < 0.07:
            return self._special(draft, special)
        return self._place(draft, story.then)

    def _place(self, draft: Draft, then: tuple[tuple[str, int, int], ...], late: int = 0) -> int:
        now = self.shop.time.now()
        at = max(now - timedelta(minutes=late), NOW)
        order_id = self.shop.store.place(draft, at=at, order_id=next(self._order_ids))
        self.counts["orders"] += 1
        self._goes_on(order_id, then)
        return order_id

    def _goes_on(self, order_id: int, then: tuple[tuple[str, int, int], ...]) -> None:
        if then:
            (event, least, most), *rest = then

            def step() -> None:
                self._happens(event, order_id)
                self._goes_on(order_id, tuple(rest))

            self._comes(least, most, step)

    def _special(self, draft: Draft, kind: float) -> int:
        """An order of something that the POS lacks, one that shows late, or one that cannot be written as it is."""
        if kind < 0.02:
            return self._place(replace(draft, items=(self.goods.only_one(), *draft.items)), STORIES[0].then)
        if kind < 0.05:
            return self._place(draft, (), late=4)
        plain = replace(draft, status=OrderStatus.AWAITING_FULFILLMENT, **dict.fromkeys(TENDERS, "0"))
        if kind < 0.055:
            order_id = self._place(replace(plain, currency="EUR"), ())
            self.flawed[order_id] = Reason.FOREIGN_CURRENCY
        elif kind < 0.063:
            order_id = self._place(replace(plain, fields={"total_inc_tax": "1.2300"}), (("correct", HOUR, 2 * DAY),))
            self.flawed[order_id] = Reason.TOTALS_DIFFER
        else:
            item, second = self.goods.entered_twice()
            order_id = self._place(replace(plain, items=(item,)), ())
            self.flawed[order_id] = Reason.AMBIGUOUS_PRODUCT
            self._comes(HOUR, 2 * DAY, lambda: self._mends_product(order_id, second))
        return order_id

    def _mends_product(self, order_id: int, second: str) -> None:
        self.shop.world.pos.delete(self.shop.world.pos.products, second)
        del self.flawed[order_id]

    def _burst(self) -> None:
        """Several orders within one second."""
        for _ in range(self.chance.randint(3, 12)):
            self._orders()

    def _happens(self, event: str, order_id: int) -> None:
        self.counts[event] += 1
        store = self.shop.store
        plain: Mapping[str, Callable[[int], Any]] = {
            "pay": store.pay,
            "ship": store.ship,
            "archive": store.archive,
            "touch": store.touch,
            "vanish": store.drop,
            "edit": self._edits,
            "correct": self._corrects,
            "refund": self._refunds,
        }
        if event in plain:
            plain[event](order_id)
        else:
            store.set_status(order_id, TURNS[event])

    def _edits(self, order_id: int) -> None:
        """More of what was ordered, or something besides; never less than was paid by certificate."""
        more = self.chance.choice((lambda items: tuple(_more(item) for item in items), self._with_another))
        self.shop.store.edit(order_id, lambda draft: replace(draft, items=more(draft.items)))

    def _with_another(self, items: tuple[Item, ...]) -> tuple[Item, ...]:
        return (*items[:-1], self.goods.line(), self.goods.line())

    def _corrects(self, order_id: int) -> None:
        self.shop.store.edit(order_id, lambda draft: replace(draft, fields={}))
        del self.flawed[order_id]

    def _refunds(self, order_id: int) -> None:
        """A unit of the first line, with or without its way back to the shelf, or plain money, while any is left."""
        order = self.shop.store.orders[order_id]
        unit = Refund(lines={0: 1}, restock=self.chance.random() < 0.5, reason="Arrived broken")
        money = Refund(order_amount="0.50", reason="For the wait")
        given = sum(Decimal(row["total_amount"]) for row in self.shop.store.refunds if row["order_id"] == order_id)
        first = order.lines[0]
        left = Decimal(order.fields["total_inc_tax"]) - given
        # A discount on the whole order may leave less than a unit costs.
        chosen = self.chance.choice((unit, unit, money))
        if not given and Decimal(first["total_inc_tax"]) / first["quantity"] <= left:
            self.shop.refund(order_id, chosen)
        elif Decimal(money.order_amount) <= left:
            self.shop.refund(order_id, money)

    def _touches(self) -> None:
        latest = [*self.shop.store.orders][-20:]
        for order_id in self.chance.sample(latest, k=min(3, len(latest))):
            self.shop.store.touch(order_id)

    def _closes_orders(self) -> None:
        """What was shipped before yesterday is completed, all within one second."""
        before = self.shop.time.now() - timedelta(days=1)
        shipped = [
            order.id
            for order in self.shop.store.orders.values()
            if order.status == OrderStatus.SHIPPED and order.modified < before and self.chance.random() < 0.5
        ]
        self.shop.store.bulk_edit(shipped, OrderStatus.COMPLETED)
        self.counts["completed in bulk"] += len(shipped)

    def _tills(self) -> None:
        counted = [sku for sku in self.goods.skus if sku.startswith("Dish")]
        self.shop.sell_at_till(self.chance.choice(counted), self.chance.randint(1, 3))
        self.counts["sold at the till"] += 1

    def _enters_customer(self) -> None:
        """The till enters somebody who is going to order on the web later on."""
        shopper = self._new_shopper()
        email = shopper.email if self.account.switches.email_search == "exact" else shopper.email.title()
        pos = self.shop.world.pos
        pos.add_customer(shopper.first_name, shopper.last_name, email)
        # No search lags behind somebody who has been there for days.
        self._comes(DAY, 2 * DAY, lambda: self._shoppers.append(shopper))
        pos.requests += self.account.switches.search_lag_requests + 1

    def _sets_clock(self) -> None:
        """The host's clock goes wrong, mostly by little."""
        self.shop.skew = timedelta(minutes=self.chance.choice((0, 0, 1, -1, 7, -7, 60, -60, DAY, -DAY)))

    def _shopper(self) -> Shopper:
        """Somebody new or somebody known, who may write the address in another way or forgo the account."""
        if self.chance.random() < 0.02:
            return Shopper(first_name="Walk", last_name="Past")
        if not self._shoppers or self.chance.random() < 0.4:
            self._shoppers.append(self._new_shopper())
        # Who was here a moment ago may be in no search yet.
        shopper = self.chance.choice(self._shoppers if self.chance.random() < 0.7 else self._shoppers[-3:])
        as_guest = self.chance.random() < 0.1
        spelled = shopper.email.upper() if self.chance.random() < 0.1 else shopper.email
        return replace(shopper, email=spelled, customer_id=0 if as_guest else shopper.customer_id)

    def _new_shopper(self) -> Shopper:
        number = next(self._turn)
        return Shopper(
            first_name="Shopper",
            last_name=f"No {number}",
            email=f"shopper-{number}@example.com",
            customer_id=number + 1 if self.chance.random() < 0.6 else 0,
        )


def _more(item: Item) -> Item:
    return item if item.line_total else replace(item, quantity=item.quantity + 1)


def _order_of(difference: str) -> int:
    return int(difference.removeprefix("order ").split(":")[0])


# --- the tests -------------------------------------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One month, or as many as are asked for, each from a seed of its own."""
    if "seed" in metafunc.fixturenames:
        first, count = (metafunc.config.getoption(name) for name in ("--month-seed", "--months"))
        seeds = range(first, first + count)
        metafunc.parametrize("seed", seeds, ids=[f"seed {seed}" for seed in seeds])


def month_of(seed: int, path: Path, monkeypatch: pytest.MonkeyPatch, days: int = DAYS) -> Month:
    """A month that a seed decides, down to how long the program waits before it tries again."""
    monkeypatch.setattr(repeats, "_RANDOM", Random(seed))
    print(f"to see it again: pytest tests/test_month.py --month-seed {seed}")
    return Month(seed, path, days)


def test_nothing_is_lost_or_doubled_in_a_month(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say_at_end: Callable[[str], None]
) -> None:
    month = month_of(seed, tmp_path / "bcpoll.db", monkeypatch)
    print(month.account)

    month.live()

    say_at_end(f"a month from seed {seed}: {dict(month.counts)}")
    print({f"{fault.name} at the {side}": times for (side, fault), times in month.faults.items()})
    print("orders and bytes at noon:", month.sizes)
    assert month.counts["orders"] >= 1_000
    assert month.counts["killed"] >= 50
    assert {fault for _, fault in month.faults} == {*Fault}
    (before, size_before), (orders, size) = month.sizes[-1 - LAST_DAYS], month.sizes[-1]
    assert size / orders <= BYTES_PER_ORDER
    assert (size - size_before) / (orders - before) <= TOLERANCE * size_before / before


def test_a_seed_tells_the_same_day_again(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [month_of(seed, tmp_path / f"{name}.db", monkeypatch, days=1) for name in ("one", "other")]
    for day in days:
        monkeypatch.setattr(repeats, "_RANDOM", Random(seed))
        day.live()

    one, other = days
    assert one.counts["orders"] > 0
    assert (one.counts, one.faults, one.sizes) == (other.counts, other.faults, other.sizes)
    assert one.shop.world.pos.snapshot() == other.shop.world.pos.snapshot()
