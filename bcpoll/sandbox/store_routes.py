"""The paths of BigCommerce that bcpoll reads: what each answers, and how lists are filtered, sorted and paged.

Owns the query rules of V2 orders and of the few V3 resources. Must not change anything: bcpoll only reads the store,
and so do these routes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from itertools import islice
from re import compile as regex
from types import MappingProxyType
from typing import Any, TypeAlias

from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.calls import Answer, Call, Json, Refused, rfc3339
from bcpoll.sandbox.catalogue import product_json
from bcpoll.sandbox.order_json import Included, StoredOrder, document, lines_of
from bcpoll.sandbox.routes import Handler, Route
from bcpoll.sandbox.store import Span, Store
from bcpoll.sandbox.world import World

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 250

Filter: TypeAlias = Callable[[StoredOrder], bool]

_PAGING = frozenset({"page", "limit"})
_SHAPING = frozenset({"include", "consignment_structure"})
_DATES = frozenset({"min_date_created", "max_date_created", "min_date_modified", "max_date_modified"})
_INCLUDES = frozenset({"consignments", "consignments.line_items", "fees"})

# The two forms that the documents name, each with an offset in digits, and plain dates. Anything else makes the filter
# silently ineffective, as reported for values that were encoded twice or whose plus sign became a blank.
_RFC2822 = regex(r"(\w{3}, ?)?\d{1,2} \w{3} \d{4} \d\d:\d\d(:\d\d)? [+-]\d{4}")
_ISO8601 = regex(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?[+-]\d\d:?\d\d)?")


def read_date(text: str) -> datetime | None:
    """The time that a filter names; None where it cannot be read."""
    try:
        if _RFC2822.fullmatch(text):
            return parsedate_to_datetime(text)
        moment = datetime.fromisoformat(text) if _ISO8601.fullmatch(text) else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


# Orders


def _text(order: StoredOrder, name: str) -> str:
    return str(order.fields.get(name) or "")


def _by_number(name: str) -> Callable[[str], Filter]:
    return lambda value: lambda order: int(order.fields.get(name) or 0) == int(value)


def _by_text(name: str) -> Callable[[str], Filter]:
    return lambda value: lambda order: _text(order, name) == value


def _by_email(value: str) -> Filter:
    return lambda order: str(order.fields["billing_address"].get("email", "")).lower() == value.lower()


def _total(order: StoredOrder) -> Decimal:
    return Decimal(str(order.fields["total_inc_tax"]))


_FILTERS: Mapping[str, Callable[[str], Filter]] = MappingProxyType(
    {
        "min_id": lambda value: lambda order: order.id >= int(value),
        "max_id": lambda value: lambda order: order.id <= int(value),
        "min_total": lambda value: lambda order: _total(order) >= Decimal(value),
        "max_total": lambda value: lambda order: _total(order) <= Decimal(value),
        "customer_id": _by_number("customer_id"),
        "status_id": _by_number("status_id"),
        "channel_id": _by_number("channel_id"),
        "email": _by_email,
        "cart_id": _by_text("cart_id"),
        "payment_method": _by_text("payment_method"),
        "external_order_id": _by_text("external_order_id"),
    }
)

_NUMERIC = frozenset({"min_id", "max_id", "customer_id", "status_id", "channel_id"})
_AMOUNTS = regex(r"\d+(\.\d+)?")

_SORT_KEYS: Mapping[str, Callable[[StoredOrder], Any]] = MappingProxyType(
    {
        "id": lambda order: order.id,
        "customer_id": lambda order: order.fields.get("customer_id") or 0,
        "date_created": lambda order: order.created,
        "date_modified": lambda order: order.modified,
        "status_id": lambda order: order.status,
        "channel_id": lambda order: order.fields.get("channel_id") or 0,
        "external_id": lambda order: _text(order, "external_id"),
    }
)


@dataclass(frozen=True, slots=True)
class _Selection:
    """Which orders a request asks for."""

    span: Span
    filters: tuple[Filter, ...]
    least_id: int = 0

    @property
    def is_bounded(self) -> bool:
        """Whether the modification time narrows it down."""
        return self.span.least is not None or self.span.most is not None

    def of(self, store: Store, *, by_time: bool = False) -> Iterator[StoredOrder]:
        """The orders by modification time, where that is asked for or narrows the search down; else by number."""
        candidates = store.modified_within(self.span) if by_time or self.is_bounded else store.by_id(self.least_id)
        return (order for order in candidates if all(keep(order) for keep in self.filters))


def _selection(world: World, params: Mapping[str, str], allowed: frozenset[str]) -> _Selection:
    unknown = sorted(set(params) - allowed - _DATES - set(_FILTERS))
    if unknown:
        raise Refused(400, f"The field '{unknown[0]}' is not valid for this resource.")
    dates = {name: read_date(params[name]) for name in _DATES if name in params}
    span = Span(least=dates.get("min_date_modified"), most=dates.get("max_date_modified"))
    filters = [_filter(name, value) for name, value in params.items() if name in _FILTERS]
    created = Span(least=dates.get("min_date_created"), most=dates.get("max_date_created"))
    least_id = int(params.get("min_id", 0))
    within = (*_created_within(world, created), *_behind(world, least_id))
    return _Selection(span, (*filters, *within, *_visible(world)), least_id)


def _filter(name: str, value: str) -> Filter:
    is_fine = value.isdecimal() if name in _NUMERIC else _AMOUNTS.fullmatch(value) if "total" in name else True
    if not is_fine:
        raise Refused(400, f"The field '{name}' is invalid: {value!r}.")
    return _FILTERS[name](value)


def _created_within(world: World, span: Span) -> Iterator[Filter]:
    inclusive = world.switches.least_modified == "inclusive"
    if least := span.least:
        yield lambda order: order.created > least or (inclusive and order.created == least)
    if most := span.most:
        yield lambda order: order.created < most or (inclusive and order.created == most)


def _behind(world: World, least_id: int) -> Iterator[Filter]:
    if world.switches.least_id == "exclusive":
        yield lambda order: order.id > least_id


def _visible(world: World) -> Iterator[Filter]:
    if world.switches.archived_orders == "left_out":
        yield lambda order: not order.fields.get("is_deleted") or order.status == OrderStatus.INCOMPLETE
    if lag := world.switches.list_lag_seconds:
        now = world.clock()
        yield lambda order: (now - order.modified).total_seconds() >= lag


def _sorted(world: World, selection: _Selection, sort: str) -> Iterable[StoredOrder]:
    name, _, direction = sort.partition(":")
    if name not in _SORT_KEYS or direction not in ("", "asc", "desc"):
        raise Refused(400, f"The field 'sort' is invalid: {sort!r}.")
    ascending_ties = world.switches.same_second == "ascending"
    found = selection.of(world.store, by_time=name == "date_modified")
    is_sorted = name == "date_modified" or (name == "id" and not selection.is_bounded)
    if is_sorted and direction != "desc" and ascending_ties:
        return found
    by_id = sorted(found, key=lambda order: order.id, reverse=not ascending_ties)
    return sorted(by_id, key=_SORT_KEYS[name], reverse=direction == "desc")


def _limit(world: World, call: Call) -> int:
    limit = call.whole("limit", DEFAULT_LIMIT, least=1)
    if limit > LARGEST_LIMIT and world.switches.limit_above_maximum == "refused":
        raise Refused(413, f"The limit of {limit} is above the maximum of {LARGEST_LIMIT}.")
    return min(limit, LARGEST_LIMIT)


def _paged(world: World, call: Call, rows: Iterable[Any]) -> list[Any]:
    limit = _limit(world, call)
    first = (call.whole("page", 1, least=1) - 1) * limit
    return list(islice(rows, first, first + limit))


def _included(call: Call) -> Included:
    asked = {name for name in call.params.get("include", "").split(",") if name}
    structure = call.params.get("consignment_structure", "")
    if asked - _INCLUDES or structure not in ("", "object"):
        raise Refused(400, "The field 'include' or 'consignment_structure' is invalid.")
    lines = "consignments.line_items" in asked
    return Included(
        consignments=lines or "consignments" in asked,
        lines=lines,
        fees="fees" in asked,
        as_object=structure == "object",
    )


def _list(world: World, rows: list[Any]) -> Answer:
    """A V2 list: empty ones have no body at all."""
    if not rows and world.switches.empty_list == "204":
        return Answer(204)
    return Answer(200, rows)


def _orders(world: World, call: Call) -> Answer:
    selection = _selection(world, call.params, _PAGING | _SHAPING | {"sort"})
    included = _included(call)
    found = _paged(world, call, _sorted(world, selection, call.params.get("sort", "id:asc")))
    base = world.store.base_url
    return _list(world, [document(order, base, included, world.switches) for order in found])


def _count(world: World, call: Call) -> Answer:
    selection = _selection(world, call.params, frozenset())
    counts = Counter(order.status for order in selection.of(world.store))
    rows = [
        {
            "id": int(status),
            **dict.fromkeys(("name", "system_label", "custom_label"), status.title),
            "count": counts[status],
            "sort_order": int(status),
        }
        for status in OrderStatus
    ]
    return Answer(200, {"statuses": rows, "count": counts.total()})


def _found(world: World, call: Call) -> StoredOrder:
    number = call.values["order_id"]
    order = world.store.order(int(number)) if number.isdecimal() else None
    if order is None:
        raise Refused(404, "The requested resource was not found.")
    return order


def _order(world: World, call: Call) -> Answer:
    return Answer(200, document(_found(world, call), world.store.base_url, _included(call), world.switches))


def _lines(world: World, call: Call) -> Answer:
    return _list(world, _paged(world, call, lines_of(_found(world, call))))


# The store itself


def _time(world: World, call: Call) -> Answer:
    return Answer(200, {"time": int(world.clock().timestamp())})


def _store(world: World, call: Call) -> Answer:
    store = world.store
    return Answer(
        200,
        {
            "id": store.store_hash,
            "name": store.name,
            "domain": f"store-{store.store_hash}.example.com",
            "secure_url": f"https://store-{store.store_hash}.example.com",
            "status": "live",
            "language": "en",
            "currency": store.currency,
            "currency_symbol": "$",
            "decimal_places": 2,
            "is_price_entered_with_tax": False,
            "plan_level": "Standard",
            "default_channel_id": 1,
            "timezone": {"name": "America/Chicago", "raw_offset": -21600, "dst_offset": -18000, "dst_correction": True},
            "features": {"multi_storefront_enabled": False},
        },
    )


# V3


def _only(call: Call, *names: str) -> None:
    unknown = sorted(set(call.params) - set(names) - _PAGING)
    if unknown:
        raise Refused(422, f"{unknown[0]} is not a valid filter parameter.")


def _numbers(call: Call, name: str) -> frozenset[int] | None:
    text = call.params.get(name)
    if text is None:
        return None
    if not all(each.strip().isdecimal() for each in text.split(",")):
        raise Refused(422, f"{name} must be a list of numbers.")
    return frozenset(int(each) for each in text.split(","))


def _v3_page(call: Call, rows: list[Json]) -> Answer:
    limit = min(call.whole("limit", DEFAULT_LIMIT, least=1), LARGEST_LIMIT)
    page = call.whole("page", 1, least=1)
    shown = rows[(page - 1) * limit : page * limit]
    pagination = {
        "total": len(rows),
        "count": len(shown),
        "per_page": limit,
        "current_page": page,
        "total_pages": max(1, -(-len(rows) // limit)),
        "links": {"current": f"?page={page}&limit={limit}"},
    }
    return Answer(200, {"data": shown, "meta": {"pagination": pagination}})


def _transactions(world: World, call: Call) -> Answer:
    rows = _found(world, call).transactions
    return Answer(200, {"data": rows, "meta": {}}) if rows else Answer(204)


def _refunds(world: World, call: Call) -> Answer:
    _only(call, "order_id:in", "id:in", "created:min", "created:max")
    order_ids, ids = _numbers(call, "order_id:in"), _numbers(call, "id:in")
    least, most = (_v3_date(call, name) for name in ("created:min", "created:max"))
    rows = [
        row
        for row in world.store.refunds
        if (order_ids is None or row["order_id"] in order_ids)
        and (ids is None or row["id"] in ids)
        and (not least or row["created"] >= least)
        and (not most or row["created"] <= most)
        and _is_listed(world, row)
    ]
    # Refund lists declare an empty `meta`: the end is a short page.
    return Answer(200, {"data": _paged(world, call, rows), "meta": {}})


def _is_listed(world: World, refund: Json) -> bool:
    """Whether the list of refunds has caught up with one."""
    lag = world.switches.refund_lag_seconds
    return not lag or (world.clock() - datetime.fromisoformat(refund["created"])).total_seconds() >= lag


def _v3_date(call: Call, name: str) -> str:
    text = call.params.get(name, "")
    if not text:
        return ""
    moment = read_date(text)
    if moment is None:
        raise Refused(422, f"{name} is not a date: {text!r}")
    return rfc3339(moment)


def _products(world: World, call: Call) -> Answer:
    _only(call, "id:in", "sku", "sku:in", "include", "include_fields", "exclude_fields", "sort")
    ids = _numbers(call, "id:in")
    skus = {sku for name in ("sku", "sku:in") for sku in call.params.get(name, "").split(",") if sku}
    with_variants = "variants" in call.params.get("include", "").split(",")
    found = [
        product_json(product, with_variants=with_variants)
        for product in world.store.catalogue
        if (ids is None or product.id in ids) and (not skus or product.sku in skus)
    ]
    return _v3_page(call, found)


def _route(path: str, handler: Handler, scope: str) -> Route:
    return Route("store", "GET", f"/stores/<store_hash>{path}", handler, frozenset({f"store_v2_{scope}_read_only"}))


ROUTES: tuple[Route, ...] = (
    _route("/v2/time", _time, "information"),
    _route("/v2/store", _store, "information"),
    _route("/v2/orders", _orders, "orders"),
    _route("/v2/orders/count", _count, "orders"),
    _route("/v2/orders/<order_id>", _order, "orders"),
    _route("/v2/orders/<order_id>/products", _lines, "orders"),
    _route("/v3/orders/<order_id>/transactions", _transactions, "transactions"),
    _route("/v3/orders/payment_actions/refunds", _refunds, "orders"),
    _route("/v3/catalog/products", _products, "products"),
)
