"""A shop for tests of the flow: store and POS in process, a checkpoint, and a clock that moves when told.

`Shop.pass_` runs one pass the way the command line does, with connections of its own; `Shop.lives` compares what the
POS holds with what the store's orders demand, by a reckoning of its own.
"""

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from wsgi import BASE_URL, WsgiAdapter

from bcpoll import backfill as history
from bcpoll import references
from bcpoll.adapters import bigcommerce, pos
from bcpoll.adapters.bigcommerce import BigCommerce
from bcpoll.adapters.pos import LightspeedPos
from bcpoll.budget import Clock
from bcpoll.checkpoint import Checkpoint, LedgerRow, ReviewItem
from bcpoll.config import Settings, policy
from bcpoll.core.money import round_money, total
from bcpoll.core.shop import Refunds
from bcpoll.core.status import OrderStatus
from bcpoll.cycle import Preview, Report, Scope, preview, run_pass
from bcpoll.errors import RetryLater
from bcpoll.http import Client
from bcpoll.references import load_shop
from bcpoll.sandbox import pos_sales
from bcpoll.sandbox.catalogue import Product
from bcpoll.sandbox.drafts import Draft, Item, Shopper
from bcpoll.sandbox.faults import Fault, Request, Side
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.store import Store
from bcpoll.sandbox.switches import Switches
from bcpoll.sandbox.world import World, furnish, new_world
from bcpoll.shell import Shell
from bcpoll.undo import Undone, run_undo

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
OUTLET = "Main Store"

ADA = Shopper(first_name="Ada", last_name="Teacup", email="ada@example.com", customer_id=7)
BASIL = Shopper(first_name="Basil", last_name="Saucepan", email="Basil@Example.com", customer_id=8)
GUEST = Shopper(first_name="Hazel", last_name="Spoon", email="hazel@example.com")
NOBODY = Shopper(first_name="Walk", last_name="Past", email="")

_UNWANTED = frozenset({OrderStatus.INCOMPLETE, OrderStatus.PENDING})
_VOID = frozenset({OrderStatus.CANCELLED, OrderStatus.DECLINED})
_PLAIN = ("captured", "paid", "refunded", "partially refunded", "")
_OWING = frozenset({OrderStatus.AWAITING_PAYMENT, OrderStatus.MANUAL_VERIFICATION_REQUIRED})


class Killed(BaseException):
    """Stands for `kill -9`: nothing may catch it and go on."""


@dataclass
class Misfortune:
    """Kills the program at one request, and lets nothing through from there on: a dead program says no more."""

    number: int
    only_writes: bool
    after: bool
    is_dead: bool = False
    _seen: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _mine: Request | None = None

    def before(self, request: Request) -> None:
        if self.is_dead:
            raise Killed
        counts = request.side == "pos" and request.is_write if self.only_writes else True
        if counts and next(self._seen) == self.number:
            self._mine, self.is_dead = request, True
            if not self.after:
                raise Killed

    def at_end(self, request: Request) -> None:
        if request is self._mine and self.after:
            raise Killed


@dataclass
class Time:
    """A clock for both sides and for the program. Sleeping moves it, and nothing else does by itself."""

    at: datetime = NOW
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> datetime:
        with self._lock:
            self.at += timedelta(**span)
            return self.at

    @property
    def clock(self) -> Clock:
        return Clock(
            monotonic=lambda: self.at.timestamp(),
            sleep=lambda seconds: self.forward(seconds=seconds) and None,
            now=self.now,
        )


class Shop:
    """One merchant: a world, settings, a checkpoint, and what a test asks of them."""

    def __init__(
        self,
        *,
        path: Path | None = None,
        switches: Switches | None = None,
        workers: int = 1,
        page_size: int = 250,
        start: datetime | str = NOW,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        world: World | None = None,
        at: datetime = NOW,
        is_new: bool = False,
    ) -> None:
        """`settings` are laid over the usual ones, section by section. One worker makes the order of requests sure.

        A `world` that is given is taken as it is; without one there is a small shop that sells mugs. Only where it
        `is_new` is the POS asked for what it says of itself: to ask takes longer than all else in most tests.
        """
        self.time = Time(at)
        self.world = world or new_world(clock=self.time.now, switches=switches, limits=Limits.off())
        self.world.set_clock(self.time.now)
        self.stop = threading.Event()
        self.skew = timedelta(0)
        """How far the clock of the program's host is ahead."""
        self.page_size = page_size
        self.settings = _settings(settings or {}, workers=workers, start=start)
        self._path = path
        self._line = WsgiAdapter(self.world)
        self._till_sales = 0
        self._gone_elsewhere: Counter[int] = Counter()
        """Units by product of the store that the POS has fewer of, for reasons other than web orders."""
        self._begun_without: dict[int, set[int]] = {}
        """The products of a refunded order, by refund, that the POS lacked when it was refunded."""
        self.checkpoint = self._opened()
        if world is None:
            furnish(self.world.pos)
            self.sell("MUG")
            if not is_new:
                self.checkpoint.cache(references._CACHE, _acquaintance(), self.time.now())

    # --- the merchant's side -----------------------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        return self.world.store

    def sell(
        self, sku: str, *, known: bool = True, price: str = "10.00", stock: int | None = 50, **product: Any
    ) -> Product:
        """Put a product on sale on the web and, where it is `known`, have as many of it in the POS."""
        number = 500 + len(list(self.store.catalogue))
        sold = self.store.add_product(
            Product(id=number, name=f"Product {sku}", sku=sku, price=price, stock=stock, **product)
        )
        if known:
            levels = {} if stock is None else {OUTLET: str(stock)}
            self.world.pos.add_product(sold.name, sku, price=price, stock=levels, tracked=stock is not None)
        return sold

    def order(self, sku: str = "MUG", quantity: int = 1, *, at: datetime | None = None, **draft: Any) -> int:
        """Let somebody order, some seconds after whatever happened before."""
        items = draft.pop("items", None) or (self.store.item(sku, quantity),)
        shopper = draft.pop("shopper", ADA)
        self.time.forward(seconds=5)
        return self.store.place(Draft(items=items, shopper=shopper, **draft), at=at)

    def happens(self, event: Callable[..., None], *args: Any, **more: Any) -> None:
        """Let something happen to an order, a minute after whatever happened before."""
        self.time.forward(minutes=1)
        event(*args, **more)

    def edit(self, order_id: int, *items: Item) -> None:
        """Edit an order: other lines in place of its own."""
        self.happens(self.store.edit, order_id, lambda draft: replace(draft, items=items))

    def refund(self, order_id: int, refund: Refund) -> int:
        """Refund an order; units that the web store itself puts back are counted, for the POS hears nothing of it.

        Where the POS lacks the product, it will begin with what the store has left once the refund is booked too.
        """
        lines = self.store.orders[order_id].lines
        back = {lines[place]["product_id"]: units for place, units in refund.lines.items()}
        lacking = {line["product_id"] for line in lines if not self.world.pos.with_code(line["sku"])}
        if refund.restock:
            self._gone_elsewhere.update({number: units for number, units in back.items() if number not in lacking})
        refund_id = self.store.refund(order_id, refund)
        self._begun_without[refund_id] = lacking
        return refund_id

    def sell_at_till(self, sku: str, quantity: int = 1) -> None:
        """Let somebody buy in the shop itself, of which the store hears nothing."""
        point = self.world.pos
        product = point.with_code(sku)[0]
        line = {
            "product": {"id": product["id"]},
            "quantity": quantity,
            "pricing": {"price": product["price_excluding_tax"]},
            "tax": {"id": point.retailer["no_tax_group_id"], "amount": 0},
        }
        register = {"register_id": point.id_of(point.registers, "Main Register")}
        source = register | {"author_id": next(iter(point.users))["id"]}
        pos_sales.create(point, {"state": "closed", "source": source, "line_items": [line]})
        self._till_sales += 1
        self._gone_elsewhere[self.store.item(sku).product_id] += quantity

    # --- passes ------------------------------------------------------------------------------------------------------

    @contextmanager
    def connected(self) -> Iterator[Shell]:
        """What a pass works with, over connections of its own."""
        with ExitStack() as stack:
            workers = self.settings.sync.workers
            tokens = self.world.tokens
            clients = [
                stack.enter_context(
                    bigcommerce.connect(BASE_URL, "store-token", workers=workers, clock=self.time.clock)
                ),
                stack.enter_context(pos.connect(BASE_URL, tokens.pos, workers=workers, clock=self.time.clock)),
            ]
            for client in clients:
                client._session.mount(BASE_URL, self._line)
            yield self._shell(*clients)

    def _shell(self, store_client: Client, pos_client: Client) -> Shell:
        settings, sync = self.settings, self.settings.sync
        point = LightspeedPos(pos_client, version=settings.pos.api_version)
        return Shell(
            source=BigCommerce(store_client, settings.bigcommerce.store_hash, page_size=self.page_size),
            pos=point,
            pace=pos_client,
            checkpoint=self.checkpoint,
            shop=cache(lambda: load_shop(settings, point, self.checkpoint, self.time.now())),
            store_hash=settings.bigcommerce.store_hash,
            policy=policy(settings),
            clock=lambda: self.time.now() + self.skew,
            start=sync.start,
            overlap=sync.overlap,
            sweep=sync.sweep,
            keep_payloads=settings.checkpoint.keep_payloads,
            workers=sync.workers,
            when_closed=settings.pos.when_closed,
            stop=self.stop,
        )

    def pass_(self, *order_ids: int, since: datetime | None = None) -> Report:
        """Run one pass; the request log holds this pass alone."""
        self.world.log.clear()
        with self.connected() as shell:
            return run_pass(shell, Scope(order_ids=order_ids, since=since))

    def preview(self, *order_ids: int, since: datetime | None = None) -> Preview:
        """Show what a pass would do."""
        self.world.log.clear()
        with self.connected() as shell:
            return preview(shell, Scope(order_ids=order_ids, since=since))

    def backfill(
        self,
        *,
        between: Callable[[], Any] = lambda: None,
        tell: Callable[[Any], None] = lambda report: None,
        **selection: Any,
    ) -> history.BackfillReport:
        """Bring over what was ordered before the start; `between` its pages others have their turn."""
        self.world.log.clear()
        with self.connected() as shell:
            return history.run_backfill(_turns(shell, between), history.Selection(**selection), tell)

    def forecast(self, **selection: Any) -> history.Forecast:
        """What a backfill is about to meet."""
        with self.connected() as shell:
            return history.forecast(shell, history.Selection(**selection))

    def survey_backfill(self, **selection: Any) -> history.Survey:
        """What a backfill would do."""
        self.world.log.clear()
        with self.connected() as shell:
            return history.survey_orders(_turns(shell), history.Selection(**selection))

    def undo(self, limit: int | None = None) -> Undone:
        """Take back what backfills brought over."""
        self.world.log.clear()
        with self.connected() as shell:
            return run_undo(_turns(shell), limit)

    def count_stock(self) -> None:
        """Let somebody count what is on the shelf, and enter it into the POS."""
        returned = self._returned(self.store.orders.keys())
        point = self.world.pos
        for product in self.store.catalogue:
            rows = point.with_code(product.sku) if product.sku and product.stock is not None else []
            for row in rows:
                point.set_stock(row["id"], point.id_of(point.outlets, OUTLET), product.stock + returned[product.id])

    def later(self, passes: int = 1, **span: float) -> Report | None:
        """Passes some hours later, past the next try of whatever is set aside; one may stop early."""
        report = None
        for _ in range(passes):
            self.time.forward(**(span or {"hours": 6}))
            with suppress(RetryLater):
                report = self.pass_()
        return report

    # --- accidents ---------------------------------------------------------------------------------------------------

    def fails(self, fault: Fault, method: str, path: str, *, times: int = 1, side: Side = "pos") -> None:
        """Let the next requests with a method, and a path that holds these words, fail."""
        self.world.faults.on(
            fault, lambda one: one.side == side and one.method == method and path in one.path, times=times
        )

    def dies_at_write(self, number: int, *, after: bool) -> None:
        """Let the program be killed at the write to the POS with this number, before or after its effect."""
        self.dies_at_request(number, only_writes=True, after=after)

    def dies_at_request(self, number: int, *, only_writes: bool, after: bool) -> None:
        """Let the program be killed at a request, counted over all or over the writes to the POS, and stay dead."""
        end = Misfortune(number, only_writes, after)
        self.world.before.append(end.before)
        self.world.after.append(end.at_end)

    def watch(self, method: str, path: str, then: Callable[[], Any]) -> None:
        """Do something after the first request of this kind, before its answer arrives."""
        left = iter([then])

        def hook(request: Request) -> None:
            if request.method == method and path in request.path:
                next(left, lambda: None)()

        self.world.after.append(hook)

    def restart(self) -> None:
        """Forget the faults and open the checkpoint anew, as another process would."""
        self.world.faults.clear()
        self.world.before.clear()
        self.world.after.clear()
        self.stop.clear()
        if self._path is not None:
            self.checkpoint.close()
            self.checkpoint = self._opened()

    def forget(self) -> None:
        """Lose the checkpoint."""
        self.checkpoint.close()
        if self._path is not None:
            self._path.unlink()
        self.checkpoint = self._opened()

    def put_in_place(self, backup: Path) -> None:
        """Go on with a copy in place of the checkpoint, as another process would."""
        assert self._path is not None
        self.checkpoint.close()
        self._path.write_bytes(backup.read_bytes())
        self.checkpoint = self._opened()
        self.restart()

    def _opened(self) -> Checkpoint:
        if self._path is None:
            return Checkpoint.in_memory(self.time.now())
        return Checkpoint.open(self._path, now=self.time.now())

    # --- looking -----------------------------------------------------------------------------------------------------

    def asked(self, side: Side, method: str = "") -> list[str]:
        """The requests of the last pass to a side, as `GET /sales`, without what all paths begin with."""
        prefix = f"/stores/{self.store.store_hash}" if side == "store" else "/api/2026-07"
        return [
            f"{request.method} {request.path.removeprefix(prefix)}"
            for request in self.world.log.matching(side=side, method=method)
        ]

    def writes(self) -> list[str]:
        """The writes of the last pass to the POS."""
        return [line for line in self.asked("pos") if not line.startswith("GET ")]

    def row(self, order_id: int) -> LedgerRow:
        return self.checkpoint.ledger([order_id])[order_id]

    def review(self) -> list[ReviewItem]:
        return self.checkpoint.review_items()

    def sales(self, order_id: int) -> list[dict[str, Any]]:
        """The sales of an order as they stand in the POS, oldest first."""
        return [sale for sale in self.world.pos.sales if sale["source"]["id"] == str(order_id)]

    def states(self, order_id: int) -> list[str]:
        return [sale["state"] for sale in self.sales(order_id)]

    def stock(self, sku: str = "MUG") -> int:
        return int(self.world.pos.stock(sku, OUTLET))

    def customers(self) -> Mapping[str, int]:
        return self.world.pos.snapshot().customers

    def lives(self, *, without: Collection[int] = ()) -> list[str]:
        """Where the POS differs from what the orders demand, those left out by `without` demanding nothing."""
        snapshot = self.world.pos.snapshot()
        demanding = {order_id: order for order_id, order in self.store.orders.items() if order_id not in without}
        found = [f"{email}: {count} customers" for email, count in snapshot.customers.items() if email and count > 1]
        sources = snapshot.sales.keys() - {""}
        found += [f"order {source}: a sale without need" for source in sources if int(source) not in demanding]
        if len(snapshot.sales.get("", ())) != self._till_sales:
            found.append(f"{len(snapshot.sales[''])} sales of nobody's, not {self._till_sales}")
        for order_id, order in demanding.items():
            sales = snapshot.sales.get(str(order_id), ())
            found += _differences(order, self._worth(order), [sale for sale in sales if not is_refund(sale)])
            found += self._refund_differences(order, [sale for sale in sales if is_refund(sale)])
        return found + list(self._stock_differences(demanding))

    def refunds_to_book(self, order: Any) -> list[Mapping[str, Any]]:
        """The refunds of an order that demand a sale of their own."""
        stands = OrderStatus(order.status) not in _UNWANTED | _VOID
        is_wanted = stands and self.settings.sync.refunds is Refunds.IMPORT
        records = [row for row in self.store.refunds if row["order_id"] == order.id] if is_wanted else []
        return [row for row in records if not all(payment["is_declined"] for payment in row["payments"])]

    def _refund_differences(self, order: Any, sales: Collection[Mapping[str, Any]]) -> Iterator[str]:
        due = sorted(-Decimal(row["total_amount"]) for row in self.refunds_to_book(order))
        live = [sale for sale in sales if sale["state"] != "voided"]
        booked = sorted(Decimal(sale["total"]) for sale in live)
        paid = sorted(sum((Decimal(amount) for _, amount in sale["payments"]), Decimal(0)) for sale in live)
        if not due == booked == paid:
            yield f"order {order.id}: refunds of {booked}, paid {paid}, not {due}"

    def _returned(self, demanding: Collection[int]) -> Counter[int]:
        """Units by product of the store that came back with refunds and are stock again, bundles with their parts."""
        units = Counter[int]()
        if not self.settings.sync.restock_refunds:
            return units
        for order_id in demanding:
            order = self.store.orders[order_id]
            lines = {line["id"]: line for line in order.lines}
            for row in self.refunds_to_book(order):
                back = {item["item_id"]: item["quantity"] for item in row["items"] if item["item_type"] == "PRODUCT"}
                begun_without = self._begun_without.get(row["id"], ())
                for line in (one for one in order.lines if one["product_id"] not in begun_without):
                    parent = line.get("parent_order_product_id")
                    if parent in back and line["id"] not in back:
                        units[line["product_id"]] += line["quantity"] * back[parent] // lines[parent]["quantity"]
                    units[line["product_id"]] += back.get(line["id"], 0)
        return units

    def _worth(self, order: Any) -> Decimal:
        """What an order's lines and charges come to; its total may be stated less what it was paid with."""
        tenders = ("gift_certificate_amount", "store_credit_amount")
        taken_off = tenders if self.world.switches.tenders == "lower_total" else ()
        return round_money(total(Decimal(order.fields[name]) for name in ("total_inc_tax", *taken_off)), 2)

    def _stock_differences(self, demanding: Collection[int]) -> Iterator[str]:
        """The POS has what the store has left and, besides, what the store keeps for orders that are not sales."""
        kept = Counter[int]()
        for order in self.store.orders.values():
            if order.holds_stock and (order.id not in demanding or OrderStatus(order.status) in _UNWANTED):
                for line in order.lines:
                    kept[line["product_id"]] += line["quantity"]
        on_shelf, returned = self._waiting_on_the_shelf(), self._returned(demanding)
        for product in self.store.catalogue:
            if product.stock is None or not product.sku or not self.world.pos.with_code(product.sku):
                continue
            gone = self._gone_elsewhere[product.id]
            expected = product.stock + kept[product.id] + on_shelf[product.sku.lower()] + returned[product.id] - gone
            if expected != self.stock(product.sku):
                yield f"{product.sku}: {self.stock(product.sku)} in the POS, not {expected}"

    def _waiting_on_the_shelf(self) -> Counter[str]:
        """Units by code in sales that staff have yet to hand over, where such sales leave the stock as it is."""
        units = Counter[str]()
        if self.world.switches.pending_fulfillment == "leaves_stock":
            for sale in self.world.pos.sales:
                if sale["state"] == "pending" and {"delivery", "pickup"} & {*sale["attributes"]}:
                    for line in sale["line_items"]:
                        row = self.world.pos.products.get(line["product"]["id"])
                        units[row["sku"].lower() if row else ""] += int(line["quantity"])
        return units


def _turns(shell: Shell, between: Callable[[], Any] = lambda: None) -> history.Turns:
    def turn() -> AbstractContextManager[Shell]:
        between()
        return nullcontext(shell)

    return turn


def is_refund(sale: Mapping[str, Any]) -> bool:
    """Whether a sale of a snapshot gives something back."""
    return any(quantity.startswith("-") for _, quantity, _ in sale["lines"])


def _differences(order: Any, due: Decimal, sales: Collection[Mapping[str, Any]]) -> Iterator[str]:
    status = OrderStatus(order.status)
    is_paid = _is_paid(order, due)
    live = [sale for sale in sales if sale["state"] != "voided"]
    if len(live) != (status not in _UNWANTED | _VOID):
        yield f"order {order.id}: {len(live)} live sales for {status.title}"
        return
    for sale in live:
        paid = sum((Decimal(amount) for _, amount in sale["payments"]), Decimal(0))
        buyer = order.fields["billing_address"]["email"].lower()
        expected = (str(due), due if is_paid else Decimal(0), buyer)
        if (sale["total"], paid, sale["customer"]) != expected:
            yield f"order {order.id}: {sale['total']}, paid {paid}, by {sale['customer']}, not {expected}"


def _is_paid(order: Any, due: Decimal) -> bool:
    """Whether the money for an order is there: by its transactions where it has any that the store is asked for."""
    says_paid, fields, rows = OrderStatus(order.status) not in _OWING, order.fields, order.transactions
    own = {name: Decimal(fields.get(f"{name}_amount", 0)) for name in ("gift_certificate", "store_credit")}
    is_plain = fields.get("payment_status") in _PLAIN and not any(own.values())
    is_by_hand = any(row["event"] == "pending" for row in rows)
    if not rows or (says_paid and (is_plain or is_by_hand)):
        return says_paid
    voided = {row["reference_transaction_id"] for row in rows if row["event"] == "void"}
    came = sum(row["amount"] for row in rows if row["event"] in ("purchase", "capture") and row["id"] not in voided)
    redeemed = sum(amount for name, amount in own.items() if all(row["method"] != name for row in rows))
    return bool(due in (came, came + redeemed))


@cache
def _acquaintance() -> Any:
    """The reference data of a small shop; all of them go by the same ids."""
    shop = Shop(is_new=True)
    with shop.connected() as shell:
        shell.shop()
    kept = shop.checkpoint.cached(references._CACHE)
    assert kept is not None
    return kept[0]


def _settings(changes: Mapping[str, Any], *, workers: int, start: datetime | str) -> Settings:
    usual: dict[str, Any] = {
        "bigcommerce": {"store_hash": "sandbox", "access_token": "store-token", "api_url": BASE_URL},
        "pos": {
            "domain_prefix": "sandbox",
            "access_token": "pos-token",
            "api_url": BASE_URL,
            "register": "Online",
            "user": "online",
        },
        "sync": {"start": start, "workers": workers},
        "payments": {"default": "Online - Card"},
    }
    sections = {name: {**usual.get(name, {}), **keys} for name, keys in changes.items() if isinstance(keys, Mapping)}
    listed = {name: keys for name, keys in changes.items() if not isinstance(keys, Mapping)}
    return Settings(**(usual | sections | listed))
