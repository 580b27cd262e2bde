"""What a demo showed, rule by rule: each sentence is computed from the sandbox after the passes, not written by hand.

Owns the list of rules that a shop expects of such a link, and how each can be seen in a store and a POS.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from bcpoll.core.order import Json
from bcpoll.core.status import STATUS_TABLE, Disposition, OrderStatus
from bcpoll.sandbox.pos import Pos
from bcpoll.sandbox.world import World

CHARGE_MARK = " (BigCommerce)"
"""The end of the name of every product that stands for a charge."""

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Before:
    """The POS as it was before the first pass."""

    products: Mapping[str, tuple[str, str]]
    """Name and price by product id."""
    customers: frozenset[str]
    stock: Mapping[tuple[str, str], Decimal]


def before(pos: Pos) -> Before:
    """Take down what the rules compare with later."""
    return Before(products=_products(pos), customers=frozenset(row["id"] for row in pos.customers), stock=_stock(pos))


def seen(world: World, was: Before) -> Iterator[tuple[str, str]]:
    """Each rule with what was seen of it; a rule that this shop had no occasion to show is left out."""
    for rule, look in _RULES.items():
        found = look(world, was)
        if found:
            yield rule, found


def _kept(world: World, was: Before) -> str:
    now = _products(world.pos)
    same = sum(1 for product_id, product in was.products.items() if now.get(product_id) == product)
    return f"{same} of {len(was.products)} products that were there kept name and price" if was.products else ""


def _fed_back(world: World, was: Before) -> str:
    return f"{len(_sales(world))} sales, {len(_new_customers(world, was))} new customers, stock as in the table above"


def _in_history(world: World, _was: Before) -> str:
    sources = [int(sale["source"]["id"]) for sale in _sales(world)]
    return f"sales with source BigCommerce for orders {_range(sources)}" if sources else ""


def tracked(world: World) -> Iterator[tuple[str, str]]:
    """What a pass with `[sync] fulfillment = "track"` put on the POS's Fulfillments page."""
    orders = {sale["id"]: sale["source"]["id"] for sale in _sales(world)}
    rows = world.pos.fulfillments.values()
    shown = [f"order {orders[row['sale_id']]}: {row['type'].lower()}, {row['state'].lower()}" for row in rows]
    if shown:
        yield "Tracked ones also on its Fulfillments page", "; ".join(shown)


def _created(world: World, was: Before) -> str:
    names = [row["name"] for row in _new_products(world, was) if not _is_charge(row)]
    return _named(sorted(names))


def _paid_and_unpaid(world: World, _was: Before) -> str:
    closed = [sale for sale in _sales(world) if sale["state"] == "closed"]
    paid = sum(1 for sale in closed if sale["payments"])
    return f"{paid} closed sales with payments, {len(closed) - paid} without" if closed else ""


def _register(world: World, _was: Before) -> str:
    pos = world.pos
    registers = {row["id"]: row for row in pos.registers}
    outlets = {row["id"]: row["name"] for row in pos.outlets}
    used = {sale["source"]["register_id"] for sale in _sales(world)}
    return "; ".join(f"{registers[one]['name']} at {outlets[registers[one]['outlet_id']]}" for one in sorted(used))


def _stock_lowered(world: World, was: Before) -> str:
    now = _stock(world.pos)
    sold = sum(level - now.get(key, Decimal(0)) for key, level in was.stock.items())
    return f"{sold + _units_back(world, was):f} units of products that were there before" if sold else ""


def _units_back(world: World, was: Before) -> Decimal:
    """Units of products that were there before and that came back with refunds."""
    known = {product_id for product_id, _ in was.stock}
    lines = [line for sale in world.pos.sales if _gives_back(sale) for line in sale["line_items"]]
    return sum((-line["quantity"] for line in lines if line["product"]["id"] in known), Decimal(0))


def _returns(world: World, _was: Before) -> str:
    back = [sale for sale in world.pos.sales if _gives_back(sale)]
    totals = [f"{sale['totals']['price_incl_tax']:.2f} for order {sale['source']['id']}" for sale in back]
    return f"{len(back)} sales with lines and payments below zero: {', '.join(totals)}" if back else ""


def _only_read(world: World, _was: Before) -> str:
    requests = list(world.log.matching(side="store"))
    writes = sum(1 for request in requests if request.method != "GET")
    return f"{len(requests)} requests to BigCommerce, {writes or 'none'} of them a write"


def _charges(world: World, was: Before) -> str:
    return _named(sorted(row["sku"] for row in _new_products(world, was) if _is_charge(row)))


def _left_out(world: World, _was: Before) -> str:
    held = {int(sale["source"]["id"]) for sale in _sales(world)}
    orders = [order.id for order in world.store.by_id() if _disposition(order.status) is Disposition.NOT_IMPORTED]
    return f"{_orders(orders)}: {'no sale' if not held & set(orders) else 'a sale'}" if orders else ""


def _closed(world: World, _was: Before) -> str:
    return _states(world, Disposition.CLOSED)


def _voided(world: World, _was: Before) -> str:
    return _states(world, Disposition.VOIDED)


def _matched(world: World, was: Before) -> str:
    buyers = {sale["customer_id"] for sale in _sales(world)} - {None}
    linked, made = buyers & was.customers, _new_customers(world, was)
    return f"{len(linked)} linked to customers that were there, {len(made)} created" if buyers else ""


_RULES: Mapping[str, Callable[[World, Before], str]] = MappingProxyType(
    {
        "The POS stays the system of record": _kept,
        "BigCommerce feeds back sales, customers, stock": _fed_back,
        "Web orders stand in the POS's sales history": _in_history,
        "A product that the POS lacks is created": _created,
        "Paid and unpaid orders are both imported": _paid_and_unpaid,
        "Booked on the register of the settings": _register,
        "What is sold lowers the stock of its outlet": _stock_lowered,
        "Nothing is written to BigCommerce": _only_read,
        "Charges are products, made when first needed": _charges,
        "Incomplete and Pending are not imported": _left_out,
        "Eleven statuses become closed sales": _closed,
        "Cancelled and Declined become voided sales": _voided,
        "Customers match by e-mail, or are created": _matched,
        "A refund in the web store is a return in the POS": _returns,
    }
)


def _states(world: World, disposition: Disposition) -> str:
    """How the sales of all statuses with a disposition stand, statuses and states counted."""
    status_of = {str(order.id): order.status for order in world.store.by_id()}
    held = [(status_of[sale["source"]["id"]], sale["state"]) for sale in _sales(world)]
    ours = [(status, state) for status, state in held if _disposition(status) is disposition]
    states = sorted({state for _, state in ours})
    return f"{len({status for status, _ in ours})} statuses, {len(ours)} sales: {', '.join(states)}" if ours else ""


def _disposition(status: int) -> Disposition | None:
    return STATUS_TABLE[OrderStatus(status)].disposition if status in set(OrderStatus) else None


def _sales(world: World) -> list[Json]:
    """The sales of orders; those of refunds stand apart."""
    return [sale for sale in world.pos.sales if not _gives_back(sale)]


def _gives_back(sale: Json) -> bool:
    return any(line["quantity"] < 0 for line in sale["line_items"])


def _products(pos: Pos) -> dict[str, tuple[str, str]]:
    return {row["id"]: (row["name"], str(row["price_excluding_tax"])) for row in pos.products}


def _stock(pos: Pos) -> dict[tuple[str, str], Decimal]:
    return {
        (row["id"], outlet["id"]): pos.units(row["id"], outlet["id"])
        for row in pos.products
        if row["has_inventory"]
        for outlet in pos.outlets
    }


def _new_products(world: World, was: Before) -> list[Json]:
    return [row for row in world.pos.products if row["id"] not in was.products]


def _is_charge(product: Json) -> bool:
    return str(product["name"]).endswith(CHARGE_MARK)


def _new_customers(world: World, was: Before) -> list[str]:
    return [row["id"] for row in world.pos.customers if row["id"] not in was.customers]


def _named(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def _range(order_ids: list[int]) -> str:
    return f"{min(order_ids)} to {max(order_ids)}"


def _orders(order_ids: list[int]) -> str:
    return ("order " if len(order_ids) == 1 else "orders ") + ", ".join(map(str, order_ids))
