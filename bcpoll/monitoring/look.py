"""What the two sides tell for `check` and `init`, each thing asked for once, with a failure told once.

Owns which harmless read stands for which right. Judges nothing: that is `check`'s business, and `core.fit`'s.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Generic, TypeVar

from bcpoll.config import Loaded, Settings
from bcpoll.core.consignments import lines_are_complete
from bcpoll.core.decode import decode_head, decode_order, order_id_of
from bcpoll.core.order import Json, Order
from bcpoll.core.rejected import Rejected
from bcpoll.core.shop import Outlet, PaymentType, Register, Retailer, StoreFacts, Tax, User
from bcpoll.errors import AccessRefused, BcpollError, Problem, SettingsError, TooHeavy, Unreachable
from bcpoll.ports import OrderSource, PointOfSale
from bcpoll.references import References, join

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is checked: settings, both sides, and how to tell the time here and there."""

    loaded: Loaded
    source: OrderSource
    pos: PointOfSale
    now: Callable[[], datetime]
    store_date: Callable[[], datetime | None]
    """The store's clock by its last answer, and the POS's."""
    pos_date: Callable[[], datetime | None]
    granted: Callable[[], frozenset[str]] | None = None
    """The scopes that a login to the POS gave, none where it did not say; None for a personal token."""
    needed: tuple[str, ...] = ()
    """The scopes that bcpoll asks for at a login."""

    @property
    def settings(self) -> Settings:
        """The settings alone."""
        return self.loaded.settings


# How many orders show what a shop's orders are like, and what one request can hold.
_RECENT = 100

# How far back sales of another link are looked for, and orders that these may be of.
_LOOK_BACK = timedelta(days=7)

# An address and a code that nobody has: asked for only to see whether asking is allowed.
_NOBODY = "nobody@bcpoll.invalid"
_NOTHING = "bcpoll-check"


class NotRead(BcpollError):
    """What a check needs could not be read, and that was said before."""


@dataclass(slots=True)
class _Side:
    """One of the two sides, and whether it is pointless to ask it for more."""

    name: str
    is_lost: bool = False


class Once(Generic[T]):
    """Something to read: asked for once, and a failure is told once."""

    def __init__(self, side: _Side, ask: Callable[[], T]) -> None:
        self._side, self._ask = side, ask
        self._outcome: list[T | BcpollError] = []
        self._is_told = False

    def __call__(self) -> T:
        """What was read; what kept it from being read is raised once, and NotRead from then on."""
        outcome = self.outcome()
        if not isinstance(outcome, BcpollError):
            return outcome
        if self._is_told:
            raise NotRead(f"{self._side.name} did not let it be read, see above")
        self._is_told = True
        raise outcome

    def outcome(self) -> T | BcpollError:
        """What was read, or why it could not be; a side that is lost is not asked."""
        if not self._outcome and self._side.is_lost:
            self._is_told = True
            return NotRead("")
        if not self._outcome:
            self._outcome.append(self._asked())
        return self._outcome[0]

    def _asked(self) -> T | BcpollError:
        try:
            return self._ask()
        except BcpollError as error:
            is_refused = isinstance(error, AccessRefused) and error.status != 403
            is_away = isinstance(error, Unreachable) and not isinstance(error, TooHeavy)
            self._side.is_lost = is_refused or is_away
            return error


class Look:
    """What the checks read of both sides."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.settings = setup, setup.settings
        store, pos = _Side("BigCommerce"), _Side("the POS")
        source, point = setup.source, setup.pos
        self.time: Once[datetime] = Once(store, source.server_time)
        self.store: Once[StoreFacts] = Once(store, source.store)
        self.raw_orders: Once[list[Json]] = Once(store, lambda: source.newest_orders(_RECENT))
        self.transactions: Once[object] = Once(store, lambda: source.transactions(self._newest()))
        self.some_stock: Once[object] = Once(store, lambda: source.stock([1]))
        self.retailer: Once[Retailer] = Once(pos, point.retailer)
        self.registers: Once[tuple[Register, ...]] = Once(pos, point.registers)
        self.outlets: Once[tuple[Outlet, ...]] = Once(pos, point.outlets)
        self.users: Once[tuple[User, ...]] = Once(pos, point.users)
        self.payment_types: Once[tuple[PaymentType, ...]] = Once(pos, point.payment_types)
        self.taxes: Once[tuple[Tax, ...]] = Once(pos, point.taxes)
        self.some_products: Once[object] = Once(pos, lambda: point.products_with_code(_NOTHING))
        self.some_customers: Once[object] = Once(pos, lambda: point.customers_with_email(_NOBODY))
        self.reasons: Once[object] = Once(pos, point.adjustment_reasons)
        self.links = Once(pos, point.links)
        self.sales = Once(pos, lambda: point.some_sales_since(setup.now() - _LOOK_BACK))

    def _newest(self) -> int:
        """The newest order or, where there is none, an id that does not exist: only the right to ask is tried."""
        rows: list[Json] = otherwise(self.raw_orders, [])
        return next(filter(None, map(order_id_of, rows)), 1)

    @cached_property
    def orders(self) -> list[Order]:
        """The store's recent orders, those left out that cannot be read in one piece."""
        return list(_orders(self.raw_orders()))

    @cached_property
    def unknown_names(self) -> tuple[Problem, ...]:
        """Every name in the settings that the POS does not know. Lists that could not be read count as empty."""
        references = References(
            retailer=otherwise(
                self.retailer, Retailer(id="", name="", currency="", no_tax_id="", prices_exclude_tax=False)
            ),
            registers=otherwise(self.registers, ()),
            outlets=otherwise(self.outlets, ()),
            users=otherwise(self.users, ()),
            payment_types=otherwise(self.payment_types, ()),
            taxes=otherwise(self.taxes, ()),
        )
        try:
            join(self.settings, references)
        except SettingsError as error:
            return error.problems
        return ()


def otherwise(read: Once[T], default: T) -> T:
    """What was read, or the default where it could not be."""
    outcome = read.outcome()
    return default if isinstance(outcome, BcpollError) else outcome


def _orders(rows: Iterable[Json]) -> Iterator[Order]:
    for raw in rows:
        head = decode_head(raw)
        if isinstance(head, Rejected) or not lines_are_complete(raw):
            continue
        order = decode_order(raw, head)
        if isinstance(order, Order):
            yield order
