"""Lightspeed Retail X-Series as the POS: addresses, paging and the many shapes of its answers, by date version.

Reads rows into the records of `core.shop`, and writes bodies that others made. Decides nothing about orders or sales.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import quote

from bcpoll.adapters.pos_rows import (
    LAST_VERSION,
    all_rows,
    customer_from,
    new_id,
    newest_version,
    product_from,
    register_from,
    sale_from,
    single_row,
    tax_from,
    unwrapped,
    user_from,
    written_sale,
)
from bcpoll.budget import SYSTEM_CLOCK, Clock, WindowBudget
from bcpoll.core.bodies import adjustments_body, open_register_body, reason_body
from bcpoll.core.order import Json, code_key, email_key
from bcpoll.core.shop import Link, Outlet, PaymentType, PosCustomer, PosProduct, PosSale, Register, Retailer, Tax, User
from bcpoll.core.times import iso
from bcpoll.errors import AccessRefused, GiveUp, LookAgain, WrongAnswer
from bcpoll.http import Client, Patience, Side, TokenSource
from bcpoll.ports import Changes
from bcpoll.rows import amount_of, flag_of, id_of, is_row, plain_number, text_of, whole_of

DEFAULT_VERSION = "2026-07"

# No maximum is documented for lists; two hundred is below every limit that integrators report.
_PAGE = 200

# Documented maximum of a page of POST /inventory is 5,000; a thousand is its default.
_STOCK_PAGE = 1000

# Up to this many products are asked for one by one; beyond, reading the whole stock list takes fewer requests.
_FEW_PRODUCTS = 20

# The rate window (rate limiting page); tests scale it.
WINDOW = 300.0

SIDE = Side(
    name="Lightspeed",
    token_key="[pos] access_token",  # noqa: S106 - the name of a setting
    url_key="[pos] domain_prefix",
    scope_remedy="A personal token has the rights of its user: make one as an administrator of the POS.",
)

OAUTH_SIDE = replace(
    SIDE,
    token_key="the token of the POS",  # noqa: S106 - words for people
    token_remedy="Connect the POS again: bcpoll login",  # noqa: S106 - words for people
    scope_remedy="Let an administrator of the POS connect it again: bcpoll login",
)

# What bcpoll asks for at login; one more is asked for where it may open registers (scopes page).
SCOPES = (
    *("sales:read", "sales:write", "customers:read", "customers:write", "products:read", "products:write"),
    *("inventory:read", "inventory:write", "outlets:read", "registers:read", "payment_types:read", "taxes:read"),
    *("users:read", "retailer:read", "fulfillments:read"),
)
OPENING_SCOPE = "register:open"

# Lightspeed's own client begins at five seconds after a server error, and waits thirty after a 429 without a header.
PATIENCE = Patience(first_by_status=MappingProxyType({429: 30.0, 500: 5.0, 502: 5.0, 503: 5.0, 504: 5.0}))

_SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "retailer": "retailer:read payment_types:read",
        "registers": "registers:read",
        "outlets": "outlets:read",
        "users": "users:read",
        "payment_types": "payment_types:read",
        "taxes": "taxes:read",
        "products": "products:read",
        "customers": "customers:read",
        "sales": "sales:read",
        "stock_adjustments": "inventory:write",
        "custom_inventory_adjustment_reasons": "inventory:write",
    }
)

_REASONS = "custom_inventory_adjustment_reasons"

# The one list whose documented maximum is below our page.
_PAGES: Mapping[str, int] = MappingProxyType({_REASONS: 100})

T = TypeVar("T")


def connect(
    api_url: str,
    token: str | TokenSource,
    *,
    workers: int = 4,
    window: float = WINDOW,
    patience: Patience = PATIENCE,
    clock: Clock = SYSTEM_CLOCK,
) -> Client:
    """A client for the POS's API, with a personal token or with a source of tokens that change (OAuth).

    SettingsError for an address without TLS or a token that cannot be one.
    """
    is_personal = isinstance(token, str)
    return Client(
        api_url,
        side=SIDE if is_personal else OAUTH_SIDE,
        headers={"Authorization": f"Bearer {token}"} if is_personal else {},
        tokens=None if isinstance(token, str) else token,
        budget=WindowBudget(window=window, clock=clock),
        workers=workers,
        patience=patience,
        clock=clock,
    )


class LightspeedPos:
    """The POS; carries out `ports.PointOfSale`."""

    def __init__(self, client: Client, *, version: str = DEFAULT_VERSION) -> None:
        """`version` is the date version of the API: it is part of every address."""
        self._client = client
        self._base = f"/api/{quote(version, safe='')}"

    def retailer(self) -> Retailer:
        """The account (GET /retailer)."""
        row = single_row(self._client.get(f"{self._base}/retailer", scope=_SCOPES["retailer"]))
        if row is None:
            raise WrongAnswer("retailer: no object")
        currency = row.get("currency")
        # The older schema has the currency as an object {code, symbol}.
        code = id_of(currency, "retailer currency", "code") if is_row(currency) else id_of(row, "retailer", "currency")
        return Retailer(
            id=text_of(row, "id"),
            name=text_of(row, "name", "domain_prefix"),
            currency=code.upper(),
            no_tax_id=id_of(row, "retailer", "no_tax_group_id"),
            prices_exclude_tax=flag_of(row, "tax_exclusive", default=False),
            timezone=text_of(row, "timezone", "time_zone"),
        )

    def registers(self) -> tuple[Register, ...]:
        """All registers, deleted ones left out, as in the four lists below."""
        return self._living("registers", register_from)

    def outlets(self) -> tuple[Outlet, ...]:
        """All outlets."""
        return self._living("outlets", lambda row: Outlet(id=id_of(row, "outlets"), name=text_of(row, "name")))

    def users(self) -> tuple[User, ...]:
        """Everybody who may stand as a cashier."""
        return self._living("users", user_from)

    def payment_types(self) -> tuple[PaymentType, ...]:
        """All ways to pay; "on account" is not among them."""
        return self._living(
            "payment_types", lambda row: PaymentType(id=id_of(row, "payment_types"), name=text_of(row, "name"))
        )

    def taxes(self) -> tuple[Tax, ...]:
        """All taxes; the rate of a group is the sum of its rates, as a fraction."""
        return self._living("taxes", tax_from)

    def links(self) -> tuple[Link, ...] | None:
        """The web stores that the POS is linked to by itself; None where it does not tell.

        The list is documented for version 2.0 alone, and no scope is named for it: 403 and 404 say nothing.
        """
        try:
            answer = self._client.get(f"{self._base}/channels", missing_ok=True)
        except AccessRefused:
            return None
        if answer is None:
            return None
        rows = [row for row in all_rows(answer, "channels") if not row.get("deleted_at")]
        return tuple(Link(kind=text_of(row, "channel_type"), address=text_of(row, "store_url")) for row in rows)

    def open_register(self, register_id: str, at: datetime) -> None:
        """Open a register."""
        path = f"{self._base}/registers/{quote(register_id, safe='')}/actions/open"
        self._client.put(path, open_register_body(at), scope="register:open", empty_ok=True)

    def products_after(self, version: int) -> Iterator[Changes[PosProduct]]:
        """The version feed of products, deleted ones included."""
        return self._feed("products", version, product_from, deleted=True)

    def products_with_code(self, code: str) -> tuple[PosProduct, ...]:
        """Products that go by a code, compared through `code_key`; deleted ones are left out."""
        answer = self._client.get(f"{self._base}/products", {"sku": code}, scope=_SCOPES["products"])
        products = [product_from(row) for row in all_rows(answer, "products")]
        return tuple(
            product for product in products if not product.is_deleted and code_key(code) in map(code_key, product.codes)
        )

    def create_product(self, body: Json) -> str:
        """Create a product and give its id. LookAgain where the answer holds none."""
        answer = self._client.post(f"{self._base}/products", body, scope="products:write")
        return new_id(answer, "product")

    def update_product(self, product_id: str, body: Json) -> None:
        """Change a product, in the two blocks `common` and `details`."""
        path = f"{self._base}/products/{quote(product_id, safe='')}"
        self._client.put(path, body, scope="products:write", empty_ok=True)

    def customers_after(self, version: int) -> Iterator[Changes[PosCustomer]]:
        """The version feed of customers, deleted ones included."""
        return self._feed("customers", version, customer_from, deleted=True)

    def customer(self, customer_id: str) -> PosCustomer | None:
        """A customer by its id: None for 404, `null` and an empty answer alike."""
        path = f"{self._base}/customers/{quote(customer_id, safe='')}"
        row = single_row(self._what_there_is(path, scope=_SCOPES["customers"]))
        return None if row is None else customer_from(row)

    def customers_with_email(self, email: str) -> tuple[PosCustomer, ...]:
        """Customers found by e-mail address, compared through `email_key`; deleted ones are left out.

        The search may lag behind writes: a customer that was just created may not be found.
        """
        found: dict[str, PosCustomer] = {}
        offset = 0
        while True:
            params: dict[str, str | int] = {"type": "customers", "email": email, "page_size": _PAGE, "offset": offset}
            answer = self._client.get(f"{self._base}/search", params, scope=_SCOPES["customers"])
            customers = [customer_from(row) for row in all_rows(answer, "search")]
            known = len(found)
            found |= {customer.id: customer for customer in customers}
            if len(customers) < _PAGE or len(found) == known:
                break
            offset += len(customers)
        wanted = email_key(email)
        return tuple(one for one in found.values() if not one.is_deleted and email_key(one.email) == wanted)

    def create_customer(self, body: Json) -> str:
        """Create a customer and give its id. LookAgain where the answer holds none."""
        answer = self._client.post(f"{self._base}/customers", body, scope="customers:write")
        return new_id(answer, "customer")

    def addresses(self, customer_id: str) -> tuple[Json, ...]:
        """The address book of a customer; empty where the POS does not know one."""
        path = f"{self._base}/customers/{quote(customer_id, safe='')}/addresses"
        return tuple(all_rows(self._what_there_is(path, scope="customers:read"), "addresses"))

    def create_address(self, customer_id: str, body: Json) -> str:
        """Add an address to a customer and give its token (`id_token`). LookAgain where the answer holds none."""
        path = f"{self._base}/customers/{quote(customer_id, safe='')}/addresses"
        content = unwrapped(self._client.post(path, body, scope="customers:write"))
        token = text_of(content, "id_token") if is_row(content) else ""
        if not token:
            raise LookAgain(f"{SIDE.name} added an address and gave no token for it")
        return token

    def sale(self, sale_id: str) -> PosSale | None:
        """A sale by its id: None for 404, `null` and an empty answer alike."""
        path = f"{self._base}/sales/{quote(sale_id, safe='')}"
        row = single_row(self._what_there_is(path, scope=_SCOPES["sales"]))
        if row is None:
            return None
        found = id_of(row, "sales")
        if found.lower() != sale_id.lower():
            raise WrongAnswer(f"sales: asked for {sale_id}, got {found}")
        return sale_from(row)

    def sales_after(self, version: int) -> Iterator[Changes[PosSale]]:
        """The version feed of sales. It knows no filter but the version: dates would be ignored without an error."""
        return self._feed("sales", version, sale_from, deleted=False)

    def some_sales_since(self, at: datetime) -> tuple[PosSale, ...]:
        """Some sales dated at or after a moment, as many as one page of the search holds. Nothing to rely on.

        The search may lag behind writes, and tells no order; whoever needs all sales reads the feed.
        """
        params: dict[str, str | int] = {"type": "sales", "date_from": iso(at), "page_size": _PAGE}
        answer = self._client.get(f"{self._base}/search", params, scope=_SCOPES["sales"])
        return tuple(sale_from(row) for row in all_rows(answer, "search"))

    def create_sale(self, body: Json) -> PosSale:
        """Create a sale; `total` is None where the answer held only an id."""
        return written_sale(self._client.post(f"{self._base}/sales", body, scope="sales:write"))

    def replace_sale(self, sale_id: str, body: Json) -> PosSale:
        """Replace a sale's whole document; GiveUp for one that was read in part and would lose the rest."""
        source = body.get("source")
        if not body.get("line_items") or not is_row(source) or not text_of(source, "id").isdecimal():
            raise GiveUp(f"sale {sale_id} was read without its lines or its source, and is not written back like that")
        path = f"{self._base}/sales/{quote(sale_id, safe='')}"
        return written_sale(self._client.put(path, body, scope="sales:write"))

    def fulfill_sale(self, sale_id: str) -> None:
        """Fulfil all that is open on a sale (POST /fulfillments/fulfill, documented as idempotent)."""
        self._client.post(
            f"{self._base}/fulfillments/fulfill", {"sale_id": sale_id}, scope="sales:write", empty_ok=True
        )

    def stock_levels(self, product_ids: Collection[str] = ()) -> Mapping[tuple[str, str], str]:
        """Current stock by (product id, outlet id), as text; of all products when none are named."""
        wanted = frozenset(product_ids)
        few = 0 < len(wanted) <= _FEW_PRODUCTS
        filters: list[Json] = [{"product_id": one} for one in sorted(wanted)] if few else [{}]
        rows = (row for chosen in filters for row in self._stock_rows(chosen))
        levels = {(id_of(row, "inventory", "product_id"), id_of(row, "inventory", "outlet_id")): row for row in rows}
        return {
            key: plain_number(amount_of(row, "current_inventory_level", "inventory_level") or Decimal(0))
            for key, row in levels.items()
            if not wanted or key[0] in wanted
        }

    def adjust_stock(self, adjustments: Sequence[Json]) -> None:
        """Adjust stock, at most 1,000 items a call. Relative and without a key: never to be repeated blindly.

        LookAgain where the answer does not show every adjustment.
        """
        path = f"{self._base}/stock_adjustments"
        answer = self._client.post(path, adjustments_body(adjustments), scope="inventory:write")
        content = unwrapped(answer)
        if not isinstance(content, list) or len(content) < len(adjustments):
            raise LookAgain(f"{SIDE.name} adjusted stock and did not show what became of it")

    def adjustments_after(self, version: int) -> Iterator[Changes[Json]]:
        """The version feed of stock adjustments, raw: where to look after an unclear `adjust_stock`."""
        return self._feed("stock_adjustments", version, lambda row: row, deleted=False)

    def adjustment_reasons(self, *, adds: bool = False) -> Mapping[str, str]:
        """The ids of the account's own reasons for taking stock out, or for putting it in where it `adds`, by name.

        Those that are switched off are left out.
        """
        kind = "POSITIVE" if adds else "NEGATIVE"
        pages = self._pages(_REASONS, 0, deleted=False)
        rows = [row for page, _ in pages for row in page if text_of(row, "type") == kind]
        living = [row for row in rows if not row.get("deleted_at") and flag_of(row, "enabled", default=True)]
        return {text_of(row, "name"): id_of(row, _REASONS) for row in living}

    def create_adjustment_reason(self, name: str, *, adds: bool = False) -> str:
        """Create a reason for taking stock out, or in, and give its id. LookAgain where the answer holds none."""
        answer = self._client.post(f"{self._base}/{_REASONS}", reason_body(name, adds=adds), scope="inventory:write")
        return new_id(answer, "reason")

    def _stock_rows(self, chosen: Json) -> Iterator[Json]:
        """The stock list (POST /inventory), which is a read carried by POST; it sorts downwards unless told."""
        after = 0
        while True:
            body = chosen | {"after": after, "size": _STOCK_PAGE, "sort_direction": "asc"}
            rows = all_rows(self._client.query(f"{self._base}/inventory", body, scope="inventory:read"), "inventory")
            yield from (row for row in rows if not row.get("deleted_at"))
            newest = max((whole_of(row, "version") or 0 for row in rows), default=0)
            if len(rows) < _STOCK_PAGE and newest <= after:
                return
            if newest <= after:
                raise WrongAnswer(f"inventory: after={after} was ignored")
            after = newest

    def _what_there_is(self, path: str, *, scope: str) -> object:
        """An answer that is None or empty where there is nothing.

        An empty body may say so too, but also that something on the way is out of order. It is believed only once the
        POS has answered another question properly and then says the same again.
        """
        try:
            return self._client.get(path, scope=scope, missing_ok=True)
        except WrongAnswer:
            self.retailer()
        return self._client.get(path, scope=scope, missing_ok=True, empty_ok=True)

    def _living(self, resource: str, read: Callable[[Json], T]) -> tuple[T, ...]:
        pages = self._pages(resource, 0, deleted=False)
        return tuple(read(row) for rows, _ in pages for row in rows if not row.get("deleted_at"))

    def _feed(self, resource: str, version: int, read: Callable[[Json], T], *, deleted: bool) -> Iterator[Changes[T]]:
        for rows, reached in self._pages(resource, version, deleted=deleted):
            yield Changes(tuple(map(read, rows)), reached)

    def _pages(self, resource: str, version: int, *, deleted: bool) -> Iterator[tuple[list[Json], int]]:
        """Pages of a list, by version, until an empty one (pagination page). A list without versions is one page."""
        path, scope = f"{self._base}/{resource}", _SCOPES[resource]
        while True:
            size = _PAGES.get(resource, _PAGE)
            params: dict[str, str | int] = {"after": version, "page_size": size} | (
                {"deleted": "true"} if deleted else {}
            )
            answer = self._client.get(path, params, scope=scope)
            rows = all_rows(answer, resource)
            if not rows:
                return
            reached = newest_version(answer, rows)
            if reached is not None and not version < reached <= LAST_VERSION:
                raise WrongAnswer(f"{resource}: after={version} was ignored, the page reaches to {reached}")
            yield rows, version if reached is None else reached
            if reached is None:
                return
            version = reached
