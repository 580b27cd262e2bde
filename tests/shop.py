"""A shop for tests of the flow: store and POS in process, a checkpoint, and a clock that moves when told.

`Shop.pass_` runs one pass the way the command line does, with connections of its own; `Shop.lives` compares what the
POS holds with what the store's orders demand, by a reckoning of its own.
"""

import itertools
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, cast

import requests
from wsgi import BASE_URL, WsgiAdapter

from bcpoll import bigcommerce, pos
from bcpoll.bigcommerce import BigCommerce
from bcpoll.budget import Clock
from bcpoll.checkpoint import Checkpoint, LedgerRow, ReviewItem
from bcpoll.config import Settings, policy
from bcpoll.core.status import OrderStatus
from bcpoll.cycle import Preview, Report, Scope, Shell, preview, run_pass
from bcpoll.errors import RetryLater
from bcpoll.http import Client
from bcpoll.pos import LightspeedPos
from bcpoll.references import load_shop
from bcpoll.sandbox.app import create_app
from bcpoll.sandbox.catalogue import Product
from bcpoll.sandbox.drafts import Draft, Item, Shopper
from bcpoll.sandbox.faults import Fault, Request, Side
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.store import Store
from bcpoll.sandbox.switches import Switches
from bcpoll.sandbox.world import World, furnish, new_world

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
OUTLET = "Main Store"

ADA = Shopper(first_name="Ada", last_name="Teacup", email="ada@example.com", customer_id=7)
BASIL = Shopper(first_name="Basil", last_name="Saucepan", email="Basil@Example.com", customer_id=8)
GUEST = Shopper(first_name="Hazel", last_name="Spoon", email="hazel@example.com")
NOBODY = Shopper(first_name="Walk", last_name="Past", email="")

_UNWANTED = frozenset({OrderStatus.INCOMPLETE, OrderStatus.PENDING})
_VOID = frozenset({OrderStatus.CANCELLED, OrderStatus.DECLINED})
_OWING = frozenset({OrderStatus.AWAITING_PAYMENT})


class Killed(BaseException):
    """Stands for `kill -9`: nothing may catch it and go on."""


class _Present(threading.local):
    """The world that the thread at hand speaks to."""

    world: World


class _Switchboard:
    """Stands for that world, so that one application serves all shops: to build it is what takes longest in a test."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_present.world, name)


_present = _Present()
_app = create_app(cast(World, _Switchboard()))


class _Line(WsgiAdapter):
    """A connection to one world."""

    def __init__(self, world: World) -> None:
        super().__init__(_app)
        self._world = world

    def send(self, *args: Any, **more: Any) -> requests.Response:
        _present.world = self._world
        return super().send(*args, **more)


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
    ) -> None:
        """`settings` are laid over the usual ones, section by section. One worker makes the order of requests sure."""
        self.time = Time()
        self.world = new_world(clock=self.time.now, switches=switches, limits=Limits.off())
        furnish(self.world.pos)
        self.stop = threading.Event()
        self.page_size = page_size
        self.settings = _settings(settings or {}, workers=workers, start=start)
        self._path = path
        self._line = _Line(self.world)
        self.checkpoint = self._opened()
        self.sell("MUG")

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
            checkpoint=self.checkpoint,
            shop=cache(lambda: load_shop(settings, point, self.checkpoint, self.time.now())),
            store_hash=settings.bigcommerce.store_hash,
            policy=policy(settings),
            clock=self.time.now,
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
        seen = itertools.count(1)

        def deadly(request: Request) -> None:
            if request.side == "pos" and request.is_write and next(seen) == number:
                raise Killed

        (self.world.after if after else self.world.before).append(deadly)

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
        found += [f"order {source}: a sale without need" for source in snapshot.sales if int(source) not in demanding]
        for order_id, order in demanding.items():
            found += _differences(order, self._worth(order), snapshot.sales.get(str(order_id), ()))
        return found + list(self._stock_differences(demanding))

    def _worth(self, order: Any) -> Decimal:
        """What an order's lines and charges come to; its total may be stated less what it was paid with."""
        tenders = ("gift_certificate_amount", "store_credit_amount")
        taken_off = tenders if self.world.switches.tenders == "lower_total" else ()
        return sum((Decimal(order.fields[name]) for name in ("total_inc_tax", *taken_off)), Decimal(0)).quantize(
            Decimal("0.01")
        )

    def _stock_differences(self, demanding: Collection[int]) -> Iterator[str]:
        """The POS has what the store has left and, besides, what the store keeps for orders that are not sales."""
        for product in self.store.catalogue:
            if product.stock is None or not product.sku or not self.world.pos.with_code(product.sku):
                continue
            kept = sum(
                line["quantity"]
                for order in self.store.orders.values()
                if order.holds_stock and (order.id not in demanding or OrderStatus(order.status) in _UNWANTED)
                for line in order.lines
                if line["product_id"] == product.id
            )
            if (expected := product.stock + kept) != self.stock(product.sku):
                yield f"{product.sku}: {self.stock(product.sku)} in the POS, not {expected}"


def _differences(order: Any, due: Decimal, sales: Collection[Mapping[str, Any]]) -> Iterator[str]:
    status = OrderStatus(order.status)
    live = [sale for sale in sales if sale["state"] != "voided"]
    if len(live) != (status not in _UNWANTED | _VOID):
        yield f"order {order.id}: {len(live)} live sales for {status.title}"
        return
    for sale in live:
        paid = sum((Decimal(amount) for _, amount in sale["payments"]), Decimal(0))
        buyer = order.fields["billing_address"]["email"].lower()
        expected = (str(due), Decimal(0) if status in _OWING else due, buyer)
        if (sale["total"], paid, sale["customer"]) != expected:
            yield f"order {order.id}: {sale['total']}, paid {paid}, by {sale['customer']}, not {expected}"


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
