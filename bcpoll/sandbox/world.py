"""A store, a POS, and everything that surrounds them: tokens, scopes, limits, faults, switches and the request log.

Owns the joining of the pieces; `app` answers requests with them. Must not hold shop content of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from bcpoll.sandbox.calls import Clock, utc_now
from bcpoll.sandbox.faults import Faults, Request, RequestLog
from bcpoll.sandbox.limits import Limits, Window
from bcpoll.sandbox.pos import Pos
from bcpoll.sandbox.store import Store
from bcpoll.sandbox.switches import Switches

STORE_SCOPES = frozenset(
    {
        "store_v2_orders_read_only",
        "store_v2_transactions_read_only",
        "store_v2_products_read_only",
        "store_v2_information_read_only",
    }
)

POS_SCOPES = frozenset(
    {
        *("sales:read", "sales:write", "customers:read", "customers:write", "products:read", "products:write"),
        *("inventory:read", "inventory:write", "outlets:read", "registers:read", "register:open"),
        *("payment_types:read", "taxes:read", "users:read", "retailer:read", "fulfillments:read"),
    }
)


@dataclass(slots=True)
class Tokens:
    """What the two sides accept as credentials. The POS's is a personal token until somebody logs in by OAuth."""

    store: str = "store-token"
    pos: str = "pos-token"
    client_id: str = "client"
    client_secret: str = "client-secret"  # noqa: S105 - made up
    denies: bool = False
    """Whether whoever is asked at the login page says no."""
    code: str = ""
    """The code of the last login, until it is used."""
    redirect_url: str = ""
    granted: frozenset[str] | None = None
    """The scopes of the last login; None for a personal token, which has all."""
    refresh: str = "refresh-token"
    life: timedelta = timedelta(days=1)
    """How long an access token of the token endpoint lives."""
    ends: dict[str, datetime] = field(default_factory=dict)
    """When each access token ends that the token endpoint gave out and that is still accepted."""
    codes: int = 0
    issued: int = 0
    """How many codes and pairs were given out."""

    def rotate(self, now: datetime, *, old_lives: bool) -> None:
        """Put a new pair in place of the one before."""
        if not old_lives:
            self.ends.clear()
        self.issued += 1
        self.pos, self.refresh = f"access-{self.issued}-of-the-sandbox", f"refresh-{self.issued}-of-the-sandbox"
        self.ends[self.pos] = now + self.life

    def let_in(self, authorization: str, now: datetime) -> bool:
        """Whether the POS takes this `Authorization` header."""
        token = authorization.removeprefix("Bearer ")
        is_known = authorization.startswith("Bearer ") and (token == self.pos or token in self.ends)
        return is_known and (token not in self.ends or now < self.ends[token])


@dataclass
class World:
    """Everything one sandbox consists of."""

    store: Store
    pos: Pos
    limits: Limits = field(default_factory=Limits)
    faults: Faults = field(default_factory=Faults)
    log: RequestLog = field(default_factory=RequestLog)
    tokens: Tokens = field(default_factory=Tokens)
    store_scopes: frozenset[str] = STORE_SCOPES
    pos_scopes: frozenset[str] = POS_SCOPES
    before: list[Callable[[Request], None]] = field(default_factory=list)
    """Called when a request has arrived, before it has any effect: the place to kill the client."""
    after: list[Callable[[Request], None]] = field(default_factory=list)
    """Called when a request had its effect, before the answer leaves: the place to change the shop between pages."""

    def __post_init__(self) -> None:
        self.store_window = Window(lambda: self.clock())
        self.pos_window = Window(lambda: self.clock())
        self.token_window = Window(lambda: self.clock())

    @property
    def clock(self) -> Clock:
        """The clock of both sides."""
        return self.store.clock

    def set_clock(self, clock: Clock) -> None:
        """Give both sides another clock."""
        self.store.clock = self.pos.clock = clock

    @property
    def switches(self) -> Switches:
        """How the open questions are answered."""
        return self.store.switches

    def switch(self, **positions: Any) -> None:
        """Turn some switches; the others stay."""
        self.store.switches = self.pos.switches = replace(self.switches, **positions)


def new_world(
    *,
    switches: Switches | None = None,
    clock: Clock = utc_now,
    limits: Limits | None = None,
    store_hash: str = "sandbox",
    currency: str = "USD",
    name: str = "Sandbox Shop",
    tax_exclusive: bool = True,
    seed: str = "sandbox",
) -> World:
    """Build an empty world; worlds of one seed that go the same way have the same ids."""
    chosen = switches or Switches()
    return World(
        store=Store(store_hash=store_hash, name=name, currency=currency, clock=clock, switches=chosen),
        pos=Pos(name=name, currency=currency, tax_exclusive=tax_exclusive, seed=seed, clock=clock, switches=chosen),
        limits=limits or Limits(),
    )


def furnish(pos: Pos) -> Pos:
    """Give a POS two outlets, two registers, taxes, cashiers and ways to pay, but no products and no customers."""
    pos.add_tax("Sales Tax", "0.08", is_default=True)
    pos.add_tax("Reduced Tax", "0.05")
    for outlet in ("Main Store", "Warehouse"):
        pos.add_outlet(outlet)
    pos.add_register("Main Register", "Main Store")
    pos.add_register("Online", "Main Store")
    pos.add_user("counter", "Shop Counter")
    pos.add_user("online", "Online Orders")
    pos.add_payment_type("Cash", 1)
    for way in ("Online - Card", "Gift certificate", "Store credit", "Bank transfer"):
        pos.add_payment_type(way)
    return pos
