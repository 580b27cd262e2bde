"""The writes that carry out a plan: each action with its request, its intent, and what that intent remembers.

Owns how an action becomes a request once all ids are known. Touches no checkpoint: writes are sent from pool threads.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bcpoll.checkpoint import BookedRefund, IntentKind, StockOwed
from bcpoll.core.bodies import sale_body
from bcpoll.core.order import Json, code_key
from bcpoll.core.plan import after, without_fulfillment
from bcpoll.core.sale import Action, CreateRefund, CreateSale, Desired, FulfillSale, Sale, SettleSale, VoidSale, Way
from bcpoll.core.sides import items_memory
from bcpoll.memory import applied_memory, booking_memory, history_memory, order_memory
from bcpoll.planned import Planned, is_neutral
from bcpoll.ports import PointOfSale
from bcpoll.send import Result, create_sale, fulfill_sale, settle_sale, void_sale


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """What the POS calls the customers, products and addresses of a page: by buyer key, code key and sale id."""

    customers: Mapping[str, str]
    products: Mapping[str, str]
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One action as it is sent: its request, and what the checkpoint learns once it is done."""

    action: Action
    body: Json = field(default_factory=dict)
    """The request; empty for changes of a sale, which are made from the sale as it is read then."""
    booked: BookedRefund | None = None
    """The refund whose sale it creates."""
    owed: tuple[StockOwed, ...] = ()
    """The stock that it moves and that is to be put back."""

    @property
    def kind(self) -> IntentKind:
        """The kind of its intent."""
        return _KINDS[type(self.action)]

    @property
    def key(self) -> str:
        """The key of its intent."""
        return f"{self.kind.value}:{self.action.sale_id}"

    def send(self, pos: PointOfSale) -> Result:
        """Carry it out. Runs on the pool."""
        match self.action:
            case CreateSale() | CreateRefund():
                return create_sale(pos, self.body)
            case SettleSale():
                return settle_sale(pos, self.action)
            case FulfillSale():
                return fulfill_sale(pos, self.action.sale_id)
            case VoidSale():
                return void_sale(pos, self.action.sale_id)


_KINDS: Mapping[type[Action], IntentKind] = {
    CreateSale: IntentKind.SALE,
    CreateRefund: IntentKind.REFUND,
    SettleSale: IntentKind.SETTLE_SALE,
    FulfillSale: IntentKind.FULFILLMENT,
    VoidSale: IntentKind.VOID_SALE,
}


def writes_of(planned: Planned, ids: Ids) -> Iterator[Write]:
    """The writes that carry out a plan, in order."""
    for action in planned.plan.actions:
        neutral = is_neutral(planned, action)
        if isinstance(action, CreateSale):
            ready = _deliverable(action, ids)
            yield Write(action=ready, body=_request(ready, ids), owed=_owed(ready.sale, ids) if neutral else ())
        elif isinstance(action, CreateRefund):
            booked = _booked(action, ids, stay=action.restocks or neutral)
            owed = _owed(action.sale, ids) if neutral else ()
            yield Write(action=action, body=_request(action, ids), booked=booked, owed=owed)
        else:
            yield Write(action=action)


def _owed(sale: Sale, ids: Ids) -> tuple[StockOwed, ...]:
    """What puts back the stock that a sale moves, by the POS's products."""
    return tuple(
        StockOwed(outlet_id=move.outlet_id, product_id=ids.products[code_key(move.code)], units=-move.units)
        for move in sale.moves
    )


def _deliverable(action: CreateSale, ids: Ids) -> CreateSale:
    """The sale, made a plain closed one if it was to be delivered and the POS did not take its address."""
    needs_address = action.sale.way is Way.DISPATCH and action.sale_id not in ids.addresses
    return without_fulfillment(action) if needs_address else action


def _booked(action: CreateRefund, ids: Ids, *, stay: bool) -> BookedRefund:
    """The refund as the checkpoint keeps it; its goods are to be taken out of stock again unless they are to `stay`."""
    refund = action.refund
    goods = () if stay else refund.goods
    to_take_out: dict[str, int] = {}
    for code, count in goods:
        product_id = ids.products[code_key(code)]
        to_take_out[product_id] = to_take_out.get(product_id, 0) + count
    return BookedRefund(
        refund_id=refund.refund_id,
        sale_id=action.sale_id,
        total=refund.total,
        units={line.line_id: line.units for line in refund.returned},
        outlet_id=action.sale.register.outlet_id,
        to_take_out=to_take_out,
    )


def _request(action: CreateSale | CreateRefund, ids: Ids) -> Json:
    buyer = action.sale.buyer
    customer_id = ids.customers[buyer.key] if buyer else None
    ship_to = ids.addresses.get(action.sale_id, "")
    return sale_body(action.sale, action.sale_id, customer_id, ids.products, ship_to)


def remembered(planned: Planned, write: Write) -> Json:
    """What its intent remembers: what a later run needs to finish the books, and what `bcpoll show` prints."""
    memory: Json = {
        "request": write.body,
        "order": order_memory(planned.status_id, planned.modified_at),
        "applied": applied_memory(after(planned.applied, write.action, planned.desired.content)),
    }
    if isinstance(write.action, CreateSale | SettleSale):
        memory |= _sale_memory(write.action.sale, planned.desired)
    if isinstance(write.action, CreateSale | CreateRefund):
        memory["moves"] = _moves_memory(write.action.sale, write.body)
    if write.booked:
        memory["refund"] = booking_memory(write.booked)
    if planned.history:
        memory["history"] = history_memory(planned.history, write.owed)
    return memory


def _moves_memory(sale: Sale, body: Json) -> list[Json]:
    """What a sale does to the stock, by the POS's products, to be noted once it is written."""
    sold = zip(sale.lines, body["line_items"], strict=True)
    products = {code_key(line.code): row["product"]["id"] for line, row in sold}
    return [
        {
            "code": move.code,
            "product_id": products[code_key(move.code)],
            "outlet_id": move.outlet_id,
            "units": move.units,
        }
        for move in sale.moves
    ]


def _sale_memory(sale: Sale, desired: Desired) -> Json:
    """What was ordered and how it was paid, for `bcpoll show`: pruned with the request beside it."""
    return {
        "ordered": items_memory(desired.ordered),
        "payments": [{"type_id": payment.type_id, "amount": payment.amount} for payment in sale.payments],
    }
