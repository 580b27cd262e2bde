"""BigCommerce as a source of orders: addresses, filters and paging of its REST Management API, V2 and V3.

Only ever reads. Gives orders and lines as they came off the wire; what they mean is for `core.decode`. How the list of
orders is walked while it moves is `order_list`'s.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from urllib.parse import quote

from bcpoll.adapters.order_list import DEFAULT_PAGE, Params, changed_since, created_between, digest
from bcpoll.budget import SYSTEM_CLOCK, Clock, SharedBudget
from bcpoll.core.decode import order_id_of
from bcpoll.core.money import ZERO, total
from bcpoll.core.order import Json
from bcpoll.core.shop import StockLevel, StoreFacts
from bcpoll.core.times import STORE_CLOCKS_APART, iso, parse_time, rfc2822
from bcpoll.errors import WrongAnswer
from bcpoll.http import Client, Patience, Side
from bcpoll.rows import amount_of, id_of, is_row, rows_of, text_of, whole_id_of, whole_of

# The documented maximum.
_PAGE = 250

# One page of orders with all that belongs to them, in one request instead of one per order.
_ORDER_PARTS: Mapping[str, str | int] = MappingProxyType(
    {"include": "consignments.line_items,fees", "consignment_structure": "object"}
)

# `id:in` has no documented maximum; fifty ids keep the address far below any limit on its length.
_IDS_PER_REQUEST = 50

_REFUNDS = "/orders/payment_actions/refunds"

SIDE = Side(
    name="BigCommerce",
    token_key="[bigcommerce] access_token",  # noqa: S106 - the name of a setting
    url_key="[bigcommerce] api_url",
    scope_remedy="Make a new API account with it: the scopes of an existing one cannot be changed.",
)

# BigCommerce asks for a minute and more after a 500, and for growing delays (status codes page).
PATIENCE = Patience(first_by_status=MappingProxyType({429: 5.0, 500: 60.0}))

_ORDERS = "store_v2_orders_read_only"
_TRANSACTIONS = "store_v2_transactions_read_only"
_PRODUCTS = "store_v2_products_read_only"
_STORE = "store_v2_information_read_only"


def connect(
    api_url: str, access_token: str, *, workers: int = 4, patience: Patience = PATIENCE, clock: Clock = SYSTEM_CLOCK
) -> Client:
    """A client for the store's API; SettingsError for an address without TLS or a token that cannot be one."""
    headers = {"X-Auth-Token": access_token}
    budget = SharedBudget(clock=clock)
    return Client(api_url, side=SIDE, headers=headers, budget=budget, workers=workers, patience=patience, clock=clock)


class BigCommerce:
    """The web store; carries out `ports.OrderSource`."""

    def __init__(self, client: Client, store_hash: str, *, page_size: int = _PAGE) -> None:
        """`page_size` is how many orders are asked for at once; smaller ones are for tests."""
        self._client = client
        self._page_size = page_size
        base = f"/stores/{quote(store_hash, safe='')}"
        self._v2, self._v3 = f"{base}/v2", f"{base}/v3"

    def store(self) -> StoreFacts:
        """Name and currency of the store (GET /v2/store)."""
        row = self._object("/store", scope=_STORE)
        return StoreFacts(name=text_of(row, "name"), currency=id_of(row, "/v2/store", "currency").upper())

    def server_time(self) -> datetime:
        """The store's clock, in whole seconds (GET /v2/time)."""
        seconds = whole_id_of(self._object("/time", scope=_STORE), "/v2/time", "time")
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (OverflowError, OSError, ValueError) as error:
            raise WrongAnswer(f"/v2/time: {seconds} is no time") from error

    def changed_since(self, since: datetime) -> Iterator[list[Json]]:
        """Pages of raw orders modified at or after `since`, ascending by that time, each version of an order once.

        WrongAnswer where the list does not keep to the filter or the order asked for: BigCommerce answers a filter that
        it cannot read with all orders. Pages get smaller where the server breaks down over one.
        """
        return changed_since(since, read=self._order_page, size=self._page_size, past=self._past)

    def order_counts(self, since: datetime | None, until: datetime) -> Mapping[int, int]:
        """How many orders were created within these bounds, by status id (GET /v2/orders/count)."""
        least = {"min_date_created": rfc2822(since)} if since else {}
        asked = least | {"max_date_created": rfc2822(until)}
        path = f"{self._v2}/orders/count"
        answer = self._client.get(path, asked, scope=_ORDERS)
        if not is_row(answer):
            raise WrongAnswer("/v2/orders/count: no object")
        rows = rows_of(answer.get("statuses"), "/v2/orders/count")
        return {whole_id_of(row, "/v2/orders/count"): whole_of(row, "count") or 0 for row in rows}

    def created_between(self, since: datetime | None, until: datetime, *, after: int = 0) -> Iterator[list[Json]]:
        """Pages of raw orders created at or after `since` and before `until`, ascending by id, each order once.

        Begins behind the id `after`. An order whose id cannot be read may come twice.
        """
        return created_between(since, until, after=after, read=self._order_page, size=self._page_size)

    def order(self, order_id: int) -> Json | None:
        """One raw order with its embedded lines; None where the store has no such order."""
        path = f"{self._v2}/orders/{order_id}"
        row = self._client.get(path, _ORDER_PARTS, scope=_ORDERS, missing_ok=True, loosely=True)
        if row is not None and not is_row(row):
            raise WrongAnswer(f"/v2/orders/{order_id}: no object")
        return row

    def order_lines(self, order_id: int) -> list[Json]:
        """All raw lines of an order, from its own resource; none where the order is gone."""
        path = f"{self._v2}/orders/{order_id}/products"
        lines: dict[str, Json] = {}
        page = 1
        while True:
            params: Params = {"limit": _PAGE, "page": page}
            answer = self._client.get(path, params, scope=_ORDERS, missing_ok=True, loosely=True, nothing=[])
            rows = rows_of(answer, path)
            known = len(lines)
            lines |= {id_of(row, path): row for row in rows}
            if len(rows) < DEFAULT_PAGE or len(lines) == known:
                return list(lines.values())
            page += 1

    def refunds_since(self, since: datetime) -> Iterator[list[Json]]:
        """Pages of raw refunds made at or after `since`, ascending by id, each once.

        Page numbers do no harm here: ids never change, and what is new comes last. WrongAnswer where the list does not
        keep to the filter.
        """
        asked = since.replace(microsecond=0)
        for rows in self._refunds({"created:min": iso(asked).replace("Z", "+00:00")}):
            early = next((at for at in map(_made_at, rows) if at is not None and at < asked), None)
            if early is not None:
                message = f"{_REFUNDS}: a filter was ignored: asked since {iso(asked)}, got {iso(early)}"
                raise WrongAnswer(message, hint="Nothing was taken over from this answer.")
            yield rows

    def refunds_of(self, order_ids: Collection[int]) -> list[Json]:
        """All raw refunds of these orders. WrongAnswer where the list holds others."""
        found: list[Json] = []
        for group in _groups(order_ids):
            for rows in self._refunds({"order_id:in": ",".join(map(str, group))}):
                stray = next((row for row in rows if whole_of(row, "order_id") not in group), None)
                if stray is not None:
                    raise WrongAnswer(f"{_REFUNDS}: order_id:in was ignored, got order {stray.get('order_id')!r}"[:300])
                found += rows
        return found

    def _refunds(self, filters: Params) -> Iterator[list[Json]]:
        """Pages of refunds until a short one: the list tells neither its length nor a next page."""
        seen: set[bytes] = set()
        page = 1
        while True:
            params = {**filters, "limit": _PAGE, "page": page}
            answer = self._client.get(self._v3 + _REFUNDS, params, scope=_ORDERS, loosely=True, nothing={"data": []})
            if not is_row(answer):
                raise WrongAnswer(f"{_REFUNDS}: no object")
            rows = {digest(row): row for row in rows_of(answer.get("data"), _REFUNDS)}
            fresh = [row for key, row in rows.items() if key not in seen]
            seen |= rows.keys()
            if fresh:
                yield fresh
            if len(rows) < DEFAULT_PAGE or not fresh:
                return
            page += 1

    def transactions(self, order_id: int) -> list[Json]:
        """All raw transactions of an order; none where it is gone or has none (GET /v3/orders/{id}/transactions).

        Only there order by order, and without pages. Tried twice: one order that breaks the server is not worth more.
        """
        path = f"{self._v3}/orders/{order_id}/transactions"
        nothing: Json = {"data": []}
        answer = self._client.get(path, scope=_TRANSACTIONS, missing_ok=True, nothing=nothing, tries=2)
        if not is_row(answer):
            raise WrongAnswer(f"/v3/orders/{order_id}/transactions: no object")
        rows = rows_of(answer.get("data") or [], path)
        if any(whole_of(row, "order_id") not in (order_id, None) for row in rows):
            raise WrongAnswer(f"/v3/orders/{order_id}/transactions: they are another order's")
        return rows

    def order_ids_with_status(self, status_id: int) -> Iterator[int]:
        """The ids of all orders in a status, ascending."""
        for rows in self._with_status(status_id, {}):
            if any(whole_of(row, "status_id") not in (status_id, None) for row in rows):
                raise WrongAnswer(f"{self._v2}/orders: status_id={status_id} was ignored")
            yield from map(order_id_of, rows)

    def orders_with_status(self, status_id: int) -> Iterator[list[Json]]:
        """Pages of raw orders in a status, ascending by id, with what belongs to them."""
        for rows in self._with_status(status_id, _ORDER_PARTS):
            # An order may be on its way to another status; one that says so must not hold up the others.
            if fitting := [row for row in rows if whole_of(row, "status_id") in (status_id, None)]:
                yield fitting

    def _with_status(self, status_id: int, parts: Params) -> Iterator[list[Json]]:
        """Pages of orders in a status. Goes on from the last id, so that nothing is skipped."""
        last = 0
        while True:
            after = {"min_id": last} if last else {}
            rows = self._list({"status_id": status_id, "sort": "id:asc", "limit": self._page_size, **after, **parts})
            # `min_id` may include the id it names or not: it is asked for again and left out here, as is an order
            # without a number that can be read.
            fresh = [row for row in rows if order_id_of(row) > last]
            if fresh:
                yield fresh
            if not fresh or len(rows) < min(self._page_size, DEFAULT_PAGE):
                return
            last = max(map(order_id_of, fresh))

    def newest_order_ids(self, count: int) -> tuple[int, ...]:
        """The ids of the newest orders, at most `count`, newest first."""
        rows = self._list({"sort": "id:desc", "limit": count})
        return tuple(whole_id_of(row, "/v2/orders") for row in rows[:count])

    def newest_orders(self, count: int) -> list[Json]:
        """The newest orders, at most `count` and no more than a page, newest first, raw with what belongs to them."""
        return self._order_page({"sort": "id:desc", "limit": count})[:count]

    def stock(self, product_ids: Collection[int]) -> Mapping[tuple[int, int], StockLevel]:
        """What is left of products, by (product id, variant id); variant 0 stands for the product as a whole."""
        levels: dict[tuple[int, int], StockLevel] = {}
        for group in _groups(product_ids):
            for product in self._products(group):
                levels |= _stock_of(product)
        return levels

    def _products(self, ids: list[int]) -> Iterator[Json]:
        path = f"{self._v3}/catalog/products"
        page = pages = 1
        while page <= pages:
            params: Params = {"id:in": ",".join(map(str, ids)), "include": "variants", "limit": _PAGE, "page": page}
            answer = self._client.get(path, params, scope=_PRODUCTS)
            if not is_row(answer):
                raise WrongAnswer(f"{path}: no object")
            yield from rows_of(answer.get("data"), path)
            meta = answer.get("meta")
            pagination = meta.get("pagination") if is_row(meta) else None
            pages = whole_of(pagination, "total_pages") or 1 if is_row(pagination) else 1
            page += 1

    def _object(self, path: str, *, scope: str = "") -> Json:
        answer = self._client.get(self._v2 + path, scope=scope)
        if not is_row(answer):
            raise WrongAnswer(f"/v2{path}: no object")
        return answer

    def _order_page(self, params: Params, tries: int | None = None) -> list[Json]:
        """A page of the list of orders, raw with what belongs to them."""
        return self._list({**params, **_ORDER_PARTS}, tries)

    def _list(self, params: Params, tries: int | None = None) -> list[Json]:
        """A page of the list of orders, raw. Read loosely: one bad value must not cost the other orders."""
        path = f"{self._v2}/orders"
        return rows_of(self._client.get(path, params, scope=_ORDERS, loosely=True, nothing=[], tries=tries), path)

    def _past(self, at: datetime | None) -> datetime | None:
        """The time, unless it lies ahead of the store's own clock: to go on from there would skip what comes before."""
        now = self._client.server_date
        return at if at is None or now is None or at <= now + STORE_CLOCKS_APART else None


def _groups(ids: Collection[int]) -> list[list[int]]:
    """Ids in groups that one request can name."""
    every = sorted(set(ids))
    return [every[start : start + _IDS_PER_REQUEST] for start in range(0, len(every), _IDS_PER_REQUEST)]


def _made_at(refund: Json) -> datetime | None:
    return parse_time(text_of(refund, "created"))


def _stock_of(product: Json) -> dict[tuple[int, int], StockLevel]:
    """Stock by the product's `inventory_tracking`: `product` counts all variants together, `variant` each alone.

    Anything else is `none`: a product that the store does not count is not counted in the POS either. A variant has a
    price of its own or the product's.
    """
    number = whole_id_of(product, "/v3/catalog/products")
    variants = rows_of(product.get("variants") or [], "/v3/catalog/products variants")
    each = {whole_id_of(row, "/v3/catalog/products variants"): row for row in variants}
    price = amount_of(product, "price") or ZERO
    prices = {0: price} | {variant: amount_of(row, "price") or price for variant, row in each.items()}
    tracking = text_of(product, "inventory_tracking")
    if tracking == "variant":
        levels = {variant: amount_of(row, "inventory_level") or ZERO for variant, row in each.items()}
        levels[0] = total(levels.values())
    else:
        shared = (amount_of(product, "inventory_level") or ZERO) if tracking == "product" else ZERO
        levels = dict.fromkeys((0, *each), shared)
    is_tracked = tracking in ("variant", "product")
    return {
        (number, variant): StockLevel(tracked=is_tracked, level=level, price=prices[variant])
        for variant, level in levels.items()
    }
