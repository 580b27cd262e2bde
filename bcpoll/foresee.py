"""What a pass would send and what that would do, for a dry run: request by request, and in sums.

Owns the order of the requests and the names that stand for ids which do not exist yet. Only reads: customers, products
and addresses are looked up as in a pass, and what is not found is named instead of created.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal

from bcpoll.core.addresses import address_body, named_by_token
from bcpoll.core.bodies import (
    adjustments_body,
    customer_body,
    open_register_body,
    product_body,
    reason_body,
    sale_body,
    settled_body,
    untracked_body,
    voided_body,
)
from bcpoll.core.money import ZERO, round_money
from bcpoll.core.opening import Opening
from bcpoll.core.order import Json, code_key
from bcpoll.core.sale import (
    Action,
    Buyer,
    CreateRefund,
    CreateSale,
    FulfillSale,
    ProductDraft,
    Sale,
    SaleState,
    SettleSale,
    VoidSale,
    moves_of,
)
from bcpoll.core.shop import PosSale, WhenClosed
from bcpoll.core.sold import sold_items
from bcpoll.cycle import Preview
from bcpoll.planned import Planned, is_neutral
from bcpoll.resolve import OpeningsOf, Resolver
from bcpoll.send import find_address
from bcpoll.shell import Shell
from bcpoll.stock import REFUND, items_taking_out, known_reason, own_reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it would be sent; `order_id` 0 where it serves several orders."""

    order_id: int
    method: str
    path: str
    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProduct:
    """A product that the POS lacks, with the stock that it would begin with; None where it is not counted."""

    code: str
    name: str
    opening: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What the writes of a pass would do, in sums."""

    sales: Mapping[str, tuple[int, Decimal]]
    """How many there are of each kind of write, and what they come to."""
    money: Decimal
    """What the POS would count more."""
    tax: Decimal
    payments: Mapping[str, Decimal]
    """By payment type, as an id."""
    stock: Mapping[str, Decimal]
    """Units by product code, of products whose stock is counted; new ones begin with `NewProduct.opening`."""
    moves: Mapping[str, Mapping[str, Decimal]]
    """The same by the sale that a write is about."""
    customers: Mapping[str, str]
    """New customers: the customer code of each, by buyer."""
    linked: int
    """How many customers are in the POS already."""
    products: tuple[NewProduct, ...]
    requests: tuple[Request, ...]


def foresee(shell: Shell, preview: Preview) -> Effect:
    """What carrying out the plans of a preview would do, as if they came in one page."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        resolver = Resolver(shell=shell, shop=shell.shop(), openings=preview.openings, pool=pool, run_id=0)
        planned = [one for one in preview.planned if one.plan.actions]
        return _Foresight(shell, resolver, planned, preview.openings).effect()


class _Foresight:
    """Plans, with all that was looked up for them."""

    def __init__(self, shell: Shell, resolver: Resolver, planned: Sequence[Planned], openings: OpeningsOf) -> None:
        self._shell = shell
        self._planned = planned
        self._actions: list[Action] = [action for one in planned for action in one.plan.actions]
        self._creations = [action for action in self._actions if isinstance(action, CreateSale)]
        self._buyers = {sale.buyer.key: sale.buyer for sale in self._written() if sale.buyer}
        self._customers = resolver.known_customers(self._buyers.values())
        self._drafts = _drafts(planned)
        self._products = resolver.known_products(self._drafts) if self._drafts else {}
        self._changed = {
            action.sale_id: shell.pos.sale(action.sale_id)
            for action in self._actions
            if isinstance(action, VoidSale | SettleSale)
        }
        missing = [draft for key, draft in self._drafts.items() if key not in self._products]
        found = openings(missing, {one.order_id: one.moves for one in planned}) if missing else {}
        self._new = [(draft, found[code_key(draft.code)]) for draft in missing]

    def effect(self) -> Effect:
        """The sums and the requests."""
        return Effect(
            sales=self._sales(),
            money=sum((self._worth(one, action) for one, action in self._pairs()), ZERO),
            tax=self._tax(),
            payments=self._payments(),
            stock=self._stock(),
            moves=self._moves(),
            customers={key: buyer.code for key, buyer in self._buyers.items() if key not in self._customers},
            linked=len(self._customers),
            products=tuple(NewProduct(code=one.code, name=one.name, opening=new.units) for one, new in self._new),
            requests=tuple(self._requests()),
        )

    def _pairs(self) -> Iterator[tuple[Planned, Action]]:
        yield from ((one, action) for one in self._planned for action in one.plan.actions)

    def _written(self) -> Iterator[Sale]:
        yield from (action.sale for action in self._actions if isinstance(action, CreateSale | CreateRefund))

    # --- sums --------------------------------------------------------------------------------------------------------

    def _sales(self) -> dict[str, tuple[int, Decimal]]:
        found: dict[str, tuple[int, Decimal]] = {}
        for one, action in self._pairs():
            count, amount = found.get(does(action), (0, ZERO))
            found[does(action)] = (count + 1, amount + _amount(one, action))
        return found

    def _worth(self, one: Planned, action: Action) -> Decimal:
        """What an action adds to what the POS counts."""
        amount = _amount(one, action)
        if isinstance(action, VoidSale):
            return -amount
        counts = isinstance(action, CreateRefund) or (isinstance(action, CreateSale) and _is_live(action.sale))
        return amount if counts else ZERO

    def _tax(self) -> Decimal:
        new = sum((sale.tax for sale in self._written() if _is_live(sale)), ZERO)
        back = sum((item.tax for _, found in self._voided() for item in sold_items(found.document, {})), ZERO)
        return round_money(new - back, self._shell.shop().currency.digits)

    def _payments(self) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        sales = [*self._written(), *(action.sale for action in self._actions if isinstance(action, SettleSale))]
        for payment in (payment for sale in sales for payment in sale.payments):
            found[payment.type_id] = found.get(payment.type_id, ZERO) + payment.amount
        return found

    def _stock(self) -> dict[str, Decimal]:
        """What all writes together do to the stock."""
        units: dict[str, Decimal] = {}
        for moved in self._moves().values():
            for code, count in moved.items():
                units[code] = units.get(code, ZERO) + count
        return {code: count for code, count in sorted(units.items()) if count}

    def _moves(self) -> dict[str, dict[str, Decimal]]:
        """What each write does to the stock, by the sale it is about: what is sold and what comes back.

        Under the codes of the orders or, of old sales, those of the POS; what is put back at once is left out.
        """
        spelled = {code_key(draft.code): draft.code for one in self._planned for draft in one.desired.products}
        tracked = self._tracked()
        found: dict[str, dict[str, Decimal]] = {}
        for one, action in self._pairs():
            moves = () if is_neutral(one, action) else moves_of(action)
            units = {code_key(move.code): Decimal(move.units) for move in moves if code_key(move.code) in tracked}
            if units:
                found[action.sale_id] = {spelled.get(key, key): count for key, count in units.items()}
        for void, sale in self._voided():
            back = found.setdefault(void.sale_id, {})
            for key, count in self._given_back(sale):
                code = spelled.get(key, key)
                back[code] = back.get(code, ZERO) + count
        return found

    def _tracked(self) -> set[str]:
        """The code keys whose stock is counted: known products by the POS's word, new ones by their opening stock."""
        known = {product_id for ids in self._products.values() for product_id in ids}
        counted = self._shell.checkpoint.stock_tracked(known)
        return {key for key, ids in self._products.items() if counted & set(ids)} | {
            code_key(draft.code) for draft, new in self._new if new.stock is not None
        }

    def _voided(self) -> Iterator[tuple[VoidSale, PosSale]]:
        for action in self._actions:
            found = self._changed.get(action.sale_id) if isinstance(action, VoidSale) else None
            if isinstance(action, VoidSale) and found is not None and found.state != SaleState.VOIDED:
                yield action, found

    def _given_back(self, found: PosSale) -> Iterator[tuple[str, Decimal]]:
        items = list(sold_items(found.document, {}))
        ids = [item.code for item in items]
        codes, counted = self._shell.checkpoint.product_codes(ids), self._shell.checkpoint.stock_tracked(ids)
        yield from ((codes[item.code][0], item.quantity) for item in items if item.code in counted)

    # --- requests ----------------------------------------------------------------------------------------------------

    def _requests(self) -> Iterator[Request]:
        """In the order in which a pass sends them: what sales refer to, then the sales of each order."""
        yield from self._register_requests()
        for key, buyer in self._buyers.items():
            if key not in self._customers:
                yield Request(order_id=0, method="POST", path="/customers", body=customer_body(buyer))
        for draft, new in self._new:
            yield from self._product_requests(draft, new)
        addresses = [request for creation in self._creations for request in self._address_requests(creation)]
        # Sales to one address of one customer share a write.
        yield from (one for at, one in enumerate(addresses) if _names_new_address(one, addresses[:at]))
        for planned, action in self._pairs():
            yield self._sale_request(planned, action)
        yield from self._stock_requests()

    def _register_requests(self) -> Iterator[Request]:
        """The registers that would be opened first, where the settings want that."""
        wanted = {one.desired.sale.register.id for one in self._planned if one.desired.sale}
        if not wanted or self._shell.when_closed is not WhenClosed.OPEN:
            return
        for register in self._shell.pos.registers():
            if register.id in wanted and not register.is_open:
                path = f"/registers/{register.id}/actions/open"
                yield Request(order_id=0, method="PUT", path=path, body=open_register_body(self._shell.clock()))

    def _stock_requests(self) -> Iterator[Request]:
        """The adjustments that take goods out again, one for each refund; those that wait already come first."""
        wanted = [*self._waiting_to_be_taken_out(), *self._to_be_taken_out()]
        reason = known_reason(self._shell.pos, self._shell.checkpoint) if wanted else {}
        if reason is None:
            path = "/custom_inventory_adjustment_reasons"
            yield Request(order_id=0, method="POST", path=path, body=reason_body(REFUND.name))
            reason = own_reason("(new reason)")
        for order_id, outlet_id, units in wanted:
            body = adjustments_body(items_taking_out(outlet_id, units, reason))
            yield Request(order_id=order_id, method="POST", path="/stock_adjustments", body=body)

    def _waiting_to_be_taken_out(self) -> Iterator[tuple[int, str, Mapping[str, int]]]:
        checkpoint = self._shell.checkpoint
        for row in checkpoint.refunds_to_take_out():
            counted = checkpoint.stock_tracked(row.to_take_out)
            units = {product_id: count for product_id, count in row.to_take_out.items() if product_id in counted}
            if units:
                yield row.order_id, row.outlet_id, units

    def _to_be_taken_out(self) -> Iterator[tuple[int, str, Mapping[str, int]]]:
        tracked = self._tracked()
        for one, action in self._pairs():
            if isinstance(action, CreateRefund) and not action.restocks and not is_neutral(one, action):
                goods = {code: count for code, count in action.refund.goods if code_key(code) in tracked}
                units = {self._product(code): count for code, count in goods.items()}
                if units:
                    yield one.order_id, action.sale.register.outlet_id, units

    def _product(self, code: str) -> str:
        return next(iter(self._products.get(code_key(code), ())), _new_product(code))

    def _product_requests(self, draft: ProductDraft, new: Opening) -> Iterator[Request]:
        body = product_body(draft, self._shell.shop(), new.stock, new.price)
        yield Request(order_id=0, method="POST", path="/products", body=body)
        if new.stock is None:
            path = f"/products/{_new_product(draft.code)}"
            yield Request(order_id=0, method="PUT", path=path, body=untracked_body())

    def _address_requests(self, action: CreateSale) -> Iterator[Request]:
        sale = action.sale
        if sale.ship_to is None or sale.buyer is None or self._ship_to(sale):
            return
        path = f"/customers/{self._customer(sale.buyer)}/addresses"
        yield Request(order_id=action.order_id, method="POST", path=path, body=address_body(sale.ship_to))

    def _sale_request(self, one: Planned, action: Action) -> Request:
        path, number = f"/sales/{action.sale_id}", one.order_id
        found = self._changed.get(action.sale_id)
        match action:
            case CreateSale() | CreateRefund():
                return Request(order_id=number, method="POST", path="/sales", body=self._sale_body(action))
            case SettleSale():
                body = settled_body(found.document, action.sale) if found else {}
                return Request(order_id=number, method="PUT", path=path, body=body)
            case VoidSale():
                body = voided_body(found.document) if found else {}
                return Request(order_id=number, method="PUT", path=path, body=body)
            case FulfillSale():
                body = {"sale_id": action.sale_id}
                return Request(order_id=number, method="POST", path="/fulfillments/fulfill", body=body)

    def _sale_body(self, action: CreateSale | CreateRefund) -> Json:
        sale = action.sale
        products = {code_key(line.code): self._product(line.code) for line in sale.lines}
        customer = self._customer(sale.buyer) if sale.buyer else None
        ship_to = (self._ship_to(sale) or named_by_token("(token of the new address)")) if sale.ship_to else ""
        return sale_body(sale, action.sale_id, customer, products, ship_to)

    def _customer(self, buyer: Buyer) -> str:
        return self._customers.get(buyer.key) or f"(new customer {buyer.code})"

    def _ship_to(self, sale: Sale) -> str:
        """What names the address that a sale is sent to, if it stands in the address book already."""
        customer = self._customers.get(sale.buyer.key) if sale.buyer else None
        if sale.ship_to is None or customer is None:
            return ""
        return find_address(self._shell.pos, customer, address_body(sale.ship_to)) or ""


def _names_new_address(one: Request, before: Iterable[Request]) -> bool:
    return all((other.path, other.body) != (one.path, one.body) for other in before)


def does(action: Action) -> str:
    """What an action does, in a few words."""
    match action:
        case CreateSale():
            return f"create sale, {action.sale.state}"
        case SettleSale():
            return "add payments"
        case FulfillSale():
            return "complete fulfilment"
        case VoidSale():
            return "void sale"
        case CreateRefund():
            return "refund"


def _amount(one: Planned, action: Action) -> Decimal:
    """What the sale of an action comes to."""
    if isinstance(action, CreateSale | SettleSale | CreateRefund):
        return action.sale.total
    return one.applied.total


def _is_live(sale: Sale) -> bool:
    return sale.state is not SaleState.VOIDED


def _new_product(code: str) -> str:
    return f"(new product {code})"


def _drafts(planned: Iterable[Planned]) -> dict[str, ProductDraft]:
    """A draft for each code that the new sales need, by code key."""
    found: dict[str, ProductDraft] = {}
    for one in planned:
        for action in one.plan.actions:
            drafts = one.desired.products if isinstance(action, CreateSale) else ()
            drafts = action.refund.products if isinstance(action, CreateRefund) else drafts
            for draft in drafts:
                found.setdefault(code_key(draft.code), draft)
    return found
