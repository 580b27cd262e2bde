"""A world from order files: orders in BigCommerce's own JSON, served as they are.

Owns the reading of a folder and the stand-ins for what its files leave out; says in notices what it made up. Must not
correct an order: whatever contradicts itself in a file does so in the answers too.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from re import compile as regex
from typing import Any

from bcpoll.core.money import ZERO, total
from bcpoll.sandbox.calls import Clock, Json, from_json, utc_now
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.order_json import PLAIN_LINE, Group, GroupKind, money
from bcpoll.sandbox.store import Store
from bcpoll.sandbox.switches import Switches
from bcpoll.sandbox.world import World, furnish, new_world

_LINE_FOLDERS = ("products", "order_products")
_ORDER_LINK = regex(r"/orders/(\d+)/")
_FIRST_STAND_IN = 900000
_CHARGES = ("shipping_cost", "handling_cost", "wrapping_cost")
_GROUP_OF: Mapping[str, GroupKind] = {"digital": "downloads", "giftcertificate": "gift_certificates"}


def load_world(
    folder: Path, *, clock: Clock = utc_now, switches: Switches | None = None, limits: Limits | None = None
) -> tuple[World, list[str]]:
    """A world that serves the order files of a folder, and notices of what had to be made up for it.

    The files lie in the folder itself or in `orders/`; line items may lie in `products/` or `order_products/`, and
    consignments in `consignments/`, beside them. The POS begins without products and customers.
    """
    world = new_world(clock=clock, switches=switches, limits=limits, name="Order files")
    furnish(world.pos)
    return world, list(load(world.store, folder))


def load(store: Store, folder: Path) -> Iterator[str]:
    """Put the order files of a folder into a store; gives the notices as it goes."""
    shelf = _Shelf()
    orders = folder / "orders" if (folder / "orders").is_dir() else folder
    yield from shelf.read_orders(orders)
    yield from shelf.read_lines(folder)
    yield from shelf.read_consignments(folder)
    ids = {int(order["id"]) for _, order in shelf.orders}
    free = max(ids, default=0)
    used: set[int] = set()
    for name, order in shelf.orders:
        number = int(order["id"])
        if number in used:
            free += 1
            yield f"{name}: order {number} was there already; this one is served as order {free}"
            number = free
        used.add(number)
        yield from _serve(store, shelf, name, order, number)


@dataclass
class _Shelf:
    """The files of a folder, read and sorted by the order that they belong to."""

    orders: list[tuple[str, Json]] = field(default_factory=list)
    lines: dict[int, list[Json]] = field(default_factory=dict)
    consignments: dict[int, Any] = field(default_factory=dict)

    def read_orders(self, folder: Path) -> Iterator[str]:
        for name, order in _objects(folder):
            if isinstance(order, str):
                yield order
            elif not _is_order(order):
                yield f"{name}: is no order, which has an id, a status_id and a total_inc_tax; left out"
            else:
                self.orders.append((name, order))

    def read_lines(self, folder: Path) -> Iterator[str]:
        served = self._numbers()
        strangers = 0
        for _, line in (pair for sub in _LINE_FOLDERS for pair in _objects(folder / sub)):
            if isinstance(line, str):
                yield line
            elif "quantity" in line and line.get("order_id") in served:
                self.lines.setdefault(int(line["order_id"]), []).append(line)
            else:
                strangers += 1
        if strangers:
            yield f"{_count(strangers, 'line')} of the line files belong to none of the orders; left out"

    def read_consignments(self, folder: Path) -> Iterator[str]:
        served = self._numbers()
        strangers = 0
        for _, consignment in _objects(folder / "consignments"):
            if isinstance(consignment, str):
                yield consignment
            elif (number := _order_of(consignment)) in served and number not in self.consignments:
                self.consignments[number] = _as_structure(consignment)
            else:
                strangers += 1
        if strangers:
            yield f"{_count(strangers, 'consignment')} of the files belong to none of the orders; left out"

    def _numbers(self) -> frozenset[int]:
        return frozenset(int(order["id"]) for _, order in self.orders)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _objects(folder: Path) -> Iterator[tuple[str, Json | str]]:
    """Every object of a folder's files with the file's name; a notice in place of one that cannot be read."""
    for path in sorted(folder.glob("*.json")):
        try:
            content = from_json(path.read_bytes())
        except ValueError as error:
            yield path.name, f"{path.name}: is not JSON ({error}); left out"
            continue
        if isinstance(content, dict) and isinstance(content.get("data"), list):
            content = content["data"]
        for each in content if isinstance(content, list) else [content]:
            yield path.name, each if isinstance(each, dict) else f"{path.name}: holds {each!r}; left out"


def _is_order(candidate: Json) -> bool:
    has_ids = isinstance(candidate.get("id"), int) and isinstance(candidate.get("status_id"), int)
    return has_ids and "total_inc_tax" in candidate


def _order_of(consignment: Json) -> int:
    if isinstance(consignment.get("order_id"), int):
        return int(consignment["order_id"])
    named = _ORDER_LINK.search(str(consignment))
    return int(named[1]) if named else 0


def _as_structure(consignment: Json) -> Json:
    if "pickup_method_id" in consignment:
        return {"pickups": [consignment], "shipping": [], "downloads": [], "email": {"gift_certificates": []}}
    return consignment


# One order


def _serve(store: Store, shelf: _Shelf, name: str, order: Json, number: int) -> Iterator[str]:
    is_renumbered = number != order["id"]
    fields = order | {"id": number}
    own = _own_consignments(order)
    if own is None and not is_renumbered:
        own = shelf.consignments.get(number)
    lines = _embedded_lines(order, own) or ([] if is_renumbered else shelf.lines.get(number, []))
    lines = [line | {"order_id": number} for line in lines]
    served, notice = _completed(fields, lines)
    if notice:
        yield f"{name}: order {number}: {notice}"
    fees = order["fees"] if isinstance(order.get("fees"), list) else []
    kept = store.add_order(fields, served, list(_groups(fields, served)), fees=fees)
    kept.consignments = own


def _own_consignments(order: Json) -> Any:
    own = order.get("consignments")
    return None if own is None or (isinstance(own, dict) and "resource" in own) else own


def _embedded_lines(order: Json, consignments: Any) -> list[Json]:
    """Full lines that came inside the order: under `products`, or anywhere in its consignments."""
    products = order.get("products")
    if isinstance(products, list) and products:
        return [line for line in products if isinstance(line, dict)]
    return list(_lines_within(consignments))


def _lines_within(part: Any) -> Iterator[Json]:
    if isinstance(part, dict) and "total_inc_tax" in part and "quantity" in part:
        yield part
    elif isinstance(part, dict | list):
        for each in part.values() if isinstance(part, dict) else part:
            yield from _lines_within(each)


# Stand-ins


@dataclass(frozen=True, slots=True)
class _Rest:
    """What the lines leave of an order's goods."""

    units: int
    ex: Decimal
    inc: Decimal
    tax: Decimal
    discount: Decimal
    coupons: Decimal

    @property
    def is_nothing(self) -> bool:
        """Whether the lines are the whole order, going by the subtotals."""
        return not self.ex and not self.inc

    @property
    def is_possible(self) -> bool:
        """Whether one more line can stand for it."""
        return self.units > 0 and self.ex >= 0 and self.inc >= 0 and not self.is_nothing


def _completed(order: Json, lines: list[Json]) -> tuple[list[Json], str]:
    """The lines to serve, and a notice where they had to be completed; it is empty otherwise."""
    rest = _rest(order, lines)
    units = _count(rest.units, "unit")
    if rest.is_nothing and lines:
        return lines, f"its line files miss {units} of items_total; served as they are" if rest.units else ""
    if not lines and rest.units <= 0:
        return [], ""
    if not lines:
        return [_stand_in(order, rest, alone=True)], f"no line files; {units} in one stand-in line"
    if rest.is_possible:
        return [*lines, _stand_in(order, rest, alone=False)], f"line files for a part only; {units} in a stand-in line"
    whole = _stand_in(order, _rest(order, []), alone=True)
    return [whole], "its line files contradict its subtotals; one stand-in line for all"


def _rest(order: Json, lines: Iterable[Json]) -> _Rest:
    known = list(lines)
    offs = [off for line in known for off in line.get("applied_discounts") or []]
    coupons = total(_amount(off, "amount") for off in offs if off.get("id") in ("coupon", "total-coupon"))
    discounts = total(_amount(off, "amount") for off in offs) - coupons
    charged = total(_amount(order, f"{charge}_tax") for charge in _CHARGES)
    return _Rest(
        units=int(_amount(order, "items_total") - total(_amount(line, "quantity") for line in known)),
        ex=_amount(order, "subtotal_ex_tax") - total(_amount(line, "total_ex_tax") for line in known),
        inc=_amount(order, "subtotal_inc_tax") - total(_amount(line, "total_inc_tax") for line in known),
        tax=_amount(order, "total_tax") - charged - total(_amount(line, "total_tax") for line in known),
        discount=_amount(order, "discount_amount") - discounts,
        coupons=_amount(order, "coupon_discount") - coupons,
    )


def _amount(holder: Json, name: str) -> Decimal:
    """A number of an order or a line; one that cannot be read counts as nothing, since it only shapes a stand-in."""
    try:
        number = Decimal(str(holder.get(name) or "0"))
    except InvalidOperation:
        return ZERO
    return number if number.is_finite() else ZERO


def _stand_in(order: Json, rest: _Rest, *, alone: bool) -> Json:
    off = rest.discount + rest.coupons
    line: Json = {
        **PLAIN_LINE,
        "id": _FIRST_STAND_IN + int(order["id"]),
        "order_id": order["id"],
        "product_id": 0,
        "variant_id": None,
        "name": "Goods without line files",
        "sku": "STAND-IN",
        "quantity": rest.units,
        "price_ex_tax": money(rest.ex / rest.units),
        "price_inc_tax": money(rest.inc / rest.units),
        "price_tax": money((rest.inc - rest.ex) / rest.units),
        "base_price": money(rest.ex / rest.units),
        "base_total": money(rest.ex),
        "total_ex_tax": money(rest.ex),
        "total_inc_tax": money(rest.inc),
        "total_tax": money(rest.tax),
        "applied_discounts": list(_applied(rest)),
    }
    paid = _amount(order, "total_inc_tax") - total(_amount(order, f"{charge}_inc_tax") for charge in _CHARGES)
    if alone and paid in (rest.inc - off, rest.ex - off + rest.tax):
        line["discounted_total_inc_tax"] = money(paid)
    return line


def _applied(rest: _Rest) -> Iterator[Json]:
    for kind, amount in {"manual-discount": rest.discount, "coupon": rest.coupons}.items():
        if amount > ZERO:
            yield {"id": kind, "amount": money(amount), "name": kind, "code": None, "target": "order"}


# Consignments for orders that came without


def _groups(order: Json, lines: list[Json]) -> Iterator[Group]:
    places: dict[GroupKind, list[int]] = {}
    for place, line in enumerate(lines):
        places.setdefault(_GROUP_OF.get(str(line.get("type")), "shipping"), []).append(place)
    for kind, inside in places.items():
        address = dict(order.get("billing_address") or {})
        if kind == "shipping":
            yield Group(kind, {"id": order["id"], **address, "shipping_method": "", **_costs(order)}, inside)
        else:
            yield Group(kind, {"recipient_email": address.get("email", "")}, inside)


def _costs(order: Json) -> Json:
    """The order's shipping and handling, as numbers under the names that consignments use."""
    names = {"shipping_cost": "cost", "handling_cost": "handling_cost"}
    parts = ("ex_tax", "inc_tax", "tax")
    return {f"{mine}_{part}": _amount(order, f"{theirs}_{part}") for theirs, mine in names.items() for part in parts}
