"""The POS's paths under a date version: feeds, look-ups, search and writes.

Owns which request answers in which shape; what a write does stands in the `pos_*` modules.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from types import MappingProxyType

from bcpoll.sandbox import pos_customers, pos_products, pos_sales, pos_stock, pos_tokens
from bcpoll.sandbox.calls import Answer, Call, Json, Refused
from bcpoll.sandbox.feed import Feed
from bcpoll.sandbox.pos import Pos
from bcpoll.sandbox.routes import Handler, Route
from bcpoll.sandbox.world import World

_DEFAULT_PAGE = 100
_LARGEST_SEARCH = 1000
_LARGEST_INVENTORY = 5000

Match = Callable[[Json, str], bool]


# Feeds


def _feed(name: str, *, most: int | None = None) -> Handler:
    """A list; one that documents a maximum for its pages refuses longer ones."""

    def answer(world: World, call: Call) -> Answer:
        if most is not None and call.whole("page_size", most, least=1) > most:
            raise Refused(400, f"page_size is at most {most}")
        return _page(world, call, getattr(world.pos, name))

    return answer


def _page(world: World, call: Call, feed: Feed) -> Answer:
    size = min(call.whole("page_size", _DEFAULT_PAGE, least=1), world.switches.largest_page)
    before = call.whole("before", 0) or None
    wants_deleted = call.params.get("deleted") == "true"
    changes = (
        change
        for change in feed.after(call.whole("after", 0), before)
        if wants_deleted or not change[1].get("deleted_at")
    )
    shown = list(islice(changes, size))
    versions = [version for version, _ in shown]
    bounds = {"min": min(versions, default=None), "max": max(versions, default=None)}
    return Answer(200, {"data": [row for _, row in shown], "version": bounds})


# Reference records


def _retailer(world: World, call: Call) -> Answer:
    return Answer(200, {"data": world.pos.retailer})


def _channels(world: World, call: Call) -> Answer:
    if world.pos.channels is None:
        raise Refused(404, "service not found")
    return Answer(200, {"data": world.pos.channels})


def _open_register(world: World, call: Call) -> Answer:
    row = world.pos.registers.get(call.values["register_id"])
    if row is None:
        raise Refused(404, "register does not exist")
    if not row["is_open"]:
        world.pos.turn_register(row, is_open=True)
    return Answer(200, {"data": row})


# Products


def _products(world: World, call: Call) -> Answer:
    if "sku" not in call.params:
        return _page(world, call, world.pos.products)
    found = [row for row in pos_products.with_sku(world.pos, call.params["sku"]) if world.pos.is_searchable(row["id"])]
    if found and world.switches.sku_lookup == "object":
        return Answer(200, {"data": found[0]})
    return Answer(200, {"data": found})


def _create_product(world: World, call: Call) -> Answer:
    return Answer(200, {"data": [pos_products.create(world.pos, call.document)]})


def _update_product(world: World, call: Call) -> Answer:
    return Answer(200, {"data": pos_products.update(world.pos, call.values["product_id"], call.document)})


# Customers


def _customer(world: World, call: Call) -> Answer:
    return Answer(200, {"data": pos_customers.find(world.pos, call.values["customer_id"])})


def _create_customer(world: World, call: Call) -> Answer:
    return Answer(201, {"data": pos_customers.create(world.pos, call.document)})


def _add_address(world: World, call: Call) -> Answer:
    return Answer(201, {"data": pos_customers.add_address(world.pos, call.values["customer_id"], call.document)})


def _addresses(world: World, call: Call) -> Answer:
    return Answer(200, {"data": world.pos.customer_addresses.get(call.values["customer_id"], [])})


# Sales


_UNKNOWN_SALE: Mapping[str, Answer] = MappingProxyType(
    {
        "null": Answer(200, {"data": None}),
        "empty_list": Answer(200, {"data": []}),
        "empty_body": Answer(200),
    }
)


def _sale(world: World, call: Call) -> Answer:
    row = world.pos.sales.get(call.values["sale_id"])
    if row is not None:
        return Answer(200, {"data": row})
    if world.switches.unknown_sale == "404":
        raise Refused(404, "sale does not exist")
    return _UNKNOWN_SALE[world.switches.unknown_sale]


def _create_sale(world: World, call: Call) -> Answer:
    sale = pos_sales.create(world.pos, call.document)
    answers: Mapping[str, object] = {"full": sale, "id_object": {"id": sale["id"]}, "bare_id": sale["id"]}
    return Answer(200, {"data": answers[world.switches.created_sale]})


def _replace_sale(world: World, call: Call) -> Answer:
    return Answer(200, {"data": pos_sales.replace(world.pos, call.values["sale_id"], call.document)})


# Search


def _equals(name: str) -> Match:
    return lambda row, value: str(row.get(name) or "").lower() == value.lower()


def _in_source(name: str) -> Match:
    return lambda row, value: row["source"][name] == value


def _sells(row: Json, value: str) -> bool:
    return any(line["product"]["id"] == value for line in row["line_items"])


def _has_code(row: Json, value: str) -> bool:
    # Reported live: values in upper case find nothing, the index is in lower case.
    return any(each["code"].lower() == value for each in row["product_codes"])


_SEARCHES: Mapping[str, Mapping[str, Match]] = MappingProxyType(
    {
        "customers": {
            name: _equals(name)
            for name in ("email", "customer_code", "first_name", "last_name", "company_name", "mobile", "phone")
        },
        "products": {"sku": _has_code},
        "sales": {
            "invoice_number": _equals("invoice_number"),
            "customer_id": _equals("customer_id"),
            "state": _equals("state"),
            "register_id": _in_source("register_id"),
            "outlet_id": _in_source("outlet_id"),
            "product_id": _sells,
            "date_from": lambda row, value: row["date"] >= value,
            "date_to": lambda row, value: row["date"] <= value,
        },
    }
)


def _search(world: World, call: Call) -> Answer:
    kind = call.params.get("type", "")
    if kind not in _SEARCHES:
        raise Refused(400, f"type {kind!r} is none of {', '.join(_SEARCHES)}")
    tests = dict(_SEARCHES[kind]) | {"_id": _equals("id")}
    wanted = {name: value for name, value in call.params.items() if name in tests}
    found = [
        row
        for row in _candidates(world.pos, kind, wanted)
        if world.pos.is_searchable(row["id"])
        and (call.params.get("deleted") == "true" or not row.get("deleted_at"))
        and all(tests[name](row, value) for name, value in wanted.items())
    ]
    size = min(call.whole("page_size", _DEFAULT_PAGE, least=1), _LARGEST_SEARCH)
    first = call.whole("offset", 0)
    return Answer(200, {"data": found[first : first + size]})


def _candidates(pos: Pos, kind: str, wanted: Mapping[str, str]) -> list[Json]:
    """The records a search has to look at: by index where there is one."""
    if kind == "customers" and "email" in wanted:
        rows = pos.with_email(wanted["email"])
        if pos.switches.email_search == "exact":
            return [row for row in rows if row["email"] == wanted["email"]]
        return rows
    if kind == "products" and "sku" in wanted:
        return pos.with_code(wanted["sku"], deleted=True)
    feeds = {"customers": pos.customers, "products": pos.products, "sales": pos.sales}
    return list(feeds[kind])


# Stock


def _inventory(world: World, call: Call) -> Answer:
    body = call.document
    size = min(int(body.get("size", 1000)), _LARGEST_INVENTORY)
    rows = _levels(world.pos, int(body.get("after", 0)), body.get("before"), body.get("product_id"))
    if body.get("sort_direction", "desc") == "desc":
        rows.reverse()
    return Answer(200, rows[:size])


def _levels(pos: Pos, after: int, before: int | None, product_id: str | None) -> list[Json]:
    rows = (row for _, row in pos.inventory.after(after, before))
    return [row for row in rows if product_id is None or row["product_id"] == product_id]


def _adjust(world: World, call: Call) -> Answer:
    return Answer(201, {"data": pos_stock.adjust(world.pos, call.document)})


def _add_reason(world: World, call: Call) -> Answer:
    return Answer(200, {"data": pos_stock.add_reason(world.pos, call.document)})


# Fulfilments


def _fulfill(world: World, call: Call) -> Answer:
    return Answer(200, {"data": pos_sales.fulfill(world.pos, str(call.document.get("sale_id")))})


def _route(method: str, path: str, handler: Handler, *scopes: str) -> Route:
    return Route("pos", method, f"/api/<version>{path}", handler, frozenset(scopes))


ROUTES: tuple[Route, ...] = (
    Route("pos", "GET", "/connect", pos_tokens.connect, needs_token=False),
    Route("pos", "POST", "/api/1.0/token", pos_tokens.give, needs_token=False),
    _route("GET", "/retailer", _retailer, "retailer:read", "payment_types:read"),
    _route("GET", "/channels", _channels),
    _route("GET", "/outlets", _feed("outlets"), "outlets:read"),
    _route("GET", "/registers", _feed("registers"), "registers:read"),
    _route("PUT", "/registers/<register_id>/actions/open", _open_register, "register:open"),
    _route("GET", "/users", _feed("users"), "users:read"),
    _route("GET", "/payment_types", _feed("payment_types"), "payment_types:read"),
    _route("GET", "/taxes", _feed("taxes"), "taxes:read"),
    _route("GET", "/products", _products, "products:read"),
    _route("POST", "/products", _create_product, "products:write"),
    _route("PUT", "/products/<product_id>", _update_product, "products:write"),
    _route("GET", "/customers", _feed("customers"), "customers:read"),
    _route("POST", "/customers", _create_customer, "customers:write"),
    _route("GET", "/customers/<customer_id>", _customer, "customers:read"),
    _route("GET", "/customers/<customer_id>/addresses", _addresses, "customers:read"),
    _route("POST", "/customers/<customer_id>/addresses", _add_address, "customers:write"),
    _route("GET", "/sales", _feed("sales"), "sales:read"),
    _route("POST", "/sales", _create_sale, "sales:write"),
    _route("GET", "/sales/<sale_id>", _sale, "sales:read"),
    _route("PUT", "/sales/<sale_id>", _replace_sale, "sales:write"),
    _route("GET", "/search", _search),
    _route("POST", "/inventory", _inventory, "inventory:read"),
    _route("GET", "/stock_adjustments", _feed("adjustments", most=1000), "inventory:write"),
    _route("POST", "/stock_adjustments", _adjust, "inventory:write"),
    _route("GET", "/custom_inventory_adjustment_reasons", _feed("adjustment_reasons", most=100), "inventory:write"),
    _route("POST", "/custom_inventory_adjustment_reasons", _add_reason, "inventory:write"),
    _route("POST", "/fulfillments/fulfill", _fulfill, "sales:write"),
)
