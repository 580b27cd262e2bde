"""Carrying out one page of plans: references first, then intents, then the sales on a small thread pool.

Owns the order in which things are written to the POS, and what is believed of the answers. Only the calling thread
touches the checkpoint; pool threads only speak HTTP (`send`). What became of the page is given back for the caller to
settle together with the cursor, in one transaction.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from bcpoll.checkpoint import (
    BookedRefund,
    Checkpoint,
    History,
    Intent,
    IntentKind,
    IntentState,
    Settlement,
    StockOwed,
)
from bcpoll.config import WhenClosed
from bcpoll.core.bodies import sale_body
from bcpoll.core.order import Json, code_key
from bcpoll.core.plan import after, taken_over, without_fulfillment
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import (
    Action,
    Applied,
    AppliedState,
    CreateRefund,
    CreateSale,
    Desired,
    FulfillSale,
    Move,
    Plan,
    Sale,
    SettleSale,
    VoidSale,
    Way,
    moves_of,
    net,
)
from bcpoll.core.shop import Register
from bcpoll.core.sides import items_memory
from bcpoll.core.times import iso
from bcpoll.errors import BcpollError, GiveUp, LookAgain, RetryLater
from bcpoll.ports import PointOfSale
from bcpoll.resolve import PRODUCT_FEED, Resolver
from bcpoll.send import NOT_SENT, Result, create_sale, fulfill_sale, settle_sale, void_sale

STOPPED = RetryLater("the run was stopped", hint="The next run goes on from here.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An order with its plan, and what the ledger and the review need to know of it."""

    order_id: int
    status_id: int
    modified_at: datetime
    fingerprint: str
    payload: Json
    desired: Desired
    applied: Applied
    plan: Plan
    placed_at: datetime | None = None
    history: History | None = None
    """Set where a backfill writes the order."""

    @property
    def moves(self) -> tuple[Move, ...]:
        """What carrying out the plan leaves of its moves of stock, once what is owed for them is put back."""
        lasting = (action for action in self.plan.actions if not is_neutral(self, action))
        return net(move for action in lasting for move in moves_of(action))


def is_neutral(planned: Planned, action: Action) -> bool:
    """Whether what an action moves in the stock is put back: it tells of a time when the stock was counted without it.

    A sale that takes another one's place is an edit made since: the void gives back what its stock was.
    """
    before = planned.history.neutral_before if planned.history else None
    if before is None or not isinstance(action, CreateSale | CreateRefund) or action.sale.date >= before:
        return False
    return isinstance(action, CreateRefund) or not any(isinstance(one, VoidSale) for one in planned.plan.actions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an order: how far it was applied, and why it was set aside if it was."""

    planned: Planned
    applied: Applied
    written: tuple[Action, ...] = ()
    """The actions that are in the POS now."""
    booked: tuple[BookedRefund, ...] = ()
    """The refunds among them."""
    owed: tuple[StockOwed, ...] = ()
    """What they moved in the stock and is to be put back."""
    rejected: Rejected | None = None
    is_finished: bool = True
    """False where the order was cut short and has to be read again."""
    gone_customer: str = ""
    """The customer of its sale, where the POS refused the sale and does not know that customer any more."""

    @classmethod
    def idle(cls, planned: Planned) -> "Outcome":
        """The outcome of a plan without actions."""
        notice = planned.plan.notice
        applied = planned.applied if notice else taken_over(planned.applied, planned.desired)
        return cls(planned=planned, applied=applied, rejected=notice)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageResult:
    """What became of a page; `stopped_by` says why it was cut short."""

    outcomes: tuple[Outcome, ...] = ()
    settlements: tuple[Settlement, ...] = ()
    customers_created: int = 0
    products_created: int = 0
    stopped_by: BcpollError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ids:
    """What the POS calls the customers, products and addresses of a page: by buyer key, code key and sale id."""

    customers: Mapping[str, str]
    products: Mapping[str, str]
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One action, ready to be sent, with the key of its intent."""

    key: str
    action: Action
    body: Json
    books: BookedRefund | None = None
    """What the checkpoint learns of a refund once its sale is written."""
    owed: tuple[StockOwed, ...] = ()
    """What it moves in the stock and is to be put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What became of the steps of one order; `error` ended it, and an unlisted step stays open to be looked up."""

    planned: Planned
    steps: tuple[_Step, ...]
    results: tuple[Result, ...]
    error: BcpollError | None = None


class Applier:
    """Writes pages of plans to the POS."""

    def __init__(
        self,
        *,
        pos: PointOfSale,
        checkpoint: Checkpoint,
        resolver: Resolver,
        pool: Executor,
        clock: Callable[[], datetime],
        run_id: int,
        when_closed: WhenClosed,
        stop: threading.Event,
    ) -> None:
        self._pos = pos
        self._checkpoint = checkpoint
        self._resolver = resolver
        self._pool = pool
        self._clock = clock
        self._run_id = run_id
        self._when_closed = when_closed
        self._stop = stop

    def apply(self, page: Sequence[Planned]) -> PageResult:
        """Carry out the plans of a page; those without actions are done as they are."""
        idle = [Outcome.idle(one) for one in page if _is_idle(one)]
        busy = [one for one in page if not _is_idle(one)]
        if not busy:
            return PageResult(outcomes=tuple(idle))
        self._ready_registers(busy)
        creations = [action for one in busy for action in one.plan.actions if isinstance(action, CreateSale)]
        sales = [sale for one in busy for sale in _sales(one)]
        customers = self._resolver.customers(sale.buyer for sale in sales if sale.buyer)
        products = self._resolver.products({one.order_id: one.moves for one in busy}, _drafts(busy))
        addresses = self._resolver.addresses(creations, customers.ids)
        failures = (customers.failures, products.failures, addresses.failures)
        lacking = {one.order_id: lack for one in busy for lack in _lacks(one, *failures)}
        lacking |= self._unclear(busy)
        ids = _Ids(customers=customers.ids, products=products.ids, addresses=addresses.ids)
        jobs = [(one, tuple(_steps(one, ids))) for one in busy if one.order_id not in lacking]
        self._intend(jobs)
        halt = threading.Event()
        done = tuple(self._pool.map(lambda job: self._carry_out(job[0], job[1], halt), jobs))
        stopped_by = self._stopped_by(done)
        outcomes = [
            *idle,
            *(_set_aside(one, lacking[one.order_id]) for one in busy if one.order_id in lacking),
            *self._without_customer([(one, _outcome(one, stopped_by)) for one in done]),
        ]
        return PageResult(
            outcomes=tuple(outcomes),
            settlements=tuple(_settlements(done)),
            customers_created=customers.created,
            products_created=products.created,
            stopped_by=stopped_by,
        )

    def _unclear(self, busy: Iterable[Planned]) -> dict[int, Rejected]:
        """Orders of which an earlier write has no clear outcome yet: nothing is written over it.

        But for an address: what is lacking there is said with it, and it costs no order.
        """
        unsettled = {
            intent.order_id: intent
            for intent in self._checkpoint.open_intents()
            if intent.kind is not IntentKind.ADDRESS
        }
        return {
            one.order_id: Rejected(
                order_id=one.order_id,
                reason=Reason.OUTCOME_UNKNOWN,
                field=unsettled[one.order_id].kind.value,
                detail=unsettled[one.order_id].detail,
            )
            for one in busy
            if one.order_id in unsettled
        }

    def _intend(self, jobs: Iterable[tuple[Planned, tuple[_Step, ...]]]) -> None:
        now, since = self._clock(), self._checkpoint.feed_version(PRODUCT_FEED)
        self._checkpoint.intend(
            Intent(
                key=step.key,
                order_id=planned.order_id,
                kind=_KINDS[type(step.action)],
                target=step.action.sale_id,
                body=_remembered(planned, step),
                since=since,
                created_at=now,
                run_id=self._run_id,
            )
            for planned, steps in jobs
            for step in steps
        )

    def _carry_out(self, planned: Planned, steps: tuple[_Step, ...], halt: threading.Event) -> _Done:
        """Send the steps of one order, one after the other, up to the first that is not done. Runs on the pool."""
        results: list[Result] = []
        for step in steps:
            if (results and not results[-1].is_done) or (not results and (halt.is_set() or self._stop.is_set())):
                results.append(NOT_SENT)
                continue
            try:
                results.append(_send(self._pos, step))
            except BcpollError as error:
                halt.set()
                return _Done(planned=planned, steps=steps, results=tuple(results), error=error)
        stopped = STOPPED if results[0] is NOT_SENT else None
        return _Done(planned=planned, steps=steps, results=tuple(results), error=stopped)

    def _ready_registers(self, page: Iterable[Planned]) -> None:
        """See to it that the registers are open, where the settings want that seen to (`when_closed`)."""
        if self._when_closed is WhenClosed.TRY:
            return
        for register in self._closed(_registers(page)):
            if self._when_closed is WhenClosed.WAIT:
                raise _register_closed(register)
            try:
                self._pos.open_register(register.id, self._clock())
            except (GiveUp, LookAgain) as error:
                raise _register_closed(register, error.message) from error

    def _stopped_by(self, done: Sequence[_Done]) -> BcpollError | None:
        """What cut the page short, if anything: an error before the mere stop that it brought on the others."""
        errors = [one.error for one in done if one.error]
        own = [error for error in errors if error is not STOPPED]
        return next(iter([*own, *errors]), None) or self._closed_register(done)

    def _closed_register(self, done: Sequence[_Done]) -> BcpollError | None:
        """After a refusal: whether a closed register explains it; its orders wait instead of being set aside.

        It explains nothing where it took another sale: then one bad order must not hold up all that come after it.
        """
        refusing = _registers(one.planned for one in done if any(map(_is_refusal, one.results)))
        taking = _registers(
            one.planned for one in done if any(_sells(*pair) for pair in zip(one.steps, one.results, strict=False))
        )
        return next(map(_register_closed, self._closed(refusing - taking)), None)

    def _without_customer(self, outcomes: Sequence[tuple[_Done, Outcome]]) -> Iterator[Outcome]:
        """The outcomes; those of sales that were refused with the customer, if that one is gone from the POS."""
        gone: dict[str, bool] = {}
        for done, outcome in outcomes:
            refused = (step for step, result in zip(done.steps, done.results, strict=False) if _is_refusal(result))
            customer_id = next((str(step.body.get("customer_id") or "") for step in refused), "")
            if customer_id and outcome.rejected is not None and customer_id not in gone:
                gone[customer_id] = self._is_gone(customer_id)
            yield replace(outcome, gone_customer=customer_id) if gone.get(customer_id) else outcome

    def _is_gone(self, customer_id: str) -> bool:
        """Whether the POS does not know a customer any more; where it cannot tell, it is not."""
        try:
            customer = self._pos.customer(customer_id)
        except BcpollError:
            return False
        return customer is None or customer.is_deleted

    def _closed(self, register_ids: set[str]) -> list[Register]:
        if not register_ids:
            return []
        return [one for one in self._pos.registers() if one.id in register_ids and not one.is_open]


_KINDS: Mapping[type[Any], IntentKind] = {
    CreateSale: IntentKind.SALE,
    CreateRefund: IntentKind.REFUND,
    SettleSale: IntentKind.SETTLE_SALE,
    FulfillSale: IntentKind.FULFILLMENT,
    VoidSale: IntentKind.VOID_SALE,
}


def _is_idle(planned: Planned) -> bool:
    return not planned.plan.actions


def _sales(planned: Planned) -> list[Sale]:
    """The sales that a plan creates, those of refunds among them."""
    return [action.sale for action in planned.plan.actions if isinstance(action, CreateSale | CreateRefund)]


def _drafts(page: Iterable[Planned]) -> Iterator[Any]:
    for planned in page:
        if any(isinstance(action, CreateSale) for action in planned.plan.actions):
            yield from planned.desired.products
        for action in planned.plan.actions:
            if isinstance(action, CreateRefund):
                yield from action.refund.products


def _sells(step: _Step, result: Result) -> bool:
    return result.is_done and isinstance(step.action, CreateSale | SettleSale)


def _registers(page: Iterable[Planned]) -> set[str]:
    return {planned.desired.sale.register.id for planned in page if planned.desired.sale}


def _register_closed(register: Register, said: str = "") -> RetryLater:
    return RetryLater(
        f'the register "{register.name}" is closed' + (f" and could not be opened: {said}" if said else ""),
        hint='Open it in the POS, or set [pos] when_closed = "open". The orders wait until then.',
    )


def _lacks(planned: Planned, *failures: Mapping[str, Result]) -> Iterator[Rejected]:
    """Why an order cannot be sent: the customer, a product or an address that it needs could not be had."""
    customers, products, addresses = failures
    sales = _sales(planned)
    buyers = [sale.buyer.key for sale in sales if sale.buyer and sale.buyer.key in customers]
    codes = [line.code for sale in sales for line in sale.lines if code_key(line.code) in products]
    if buyers:
        yield _rejected(planned, customers[buyers[0]], f"customer {buyers[0]}")
    elif codes:
        yield _rejected(planned, products[code_key(codes[0])], f"product {codes[0]}")
    for action in planned.plan.actions:
        if action.sale_id in addresses:
            yield _rejected(planned, addresses[action.sale_id], "address")


def _rejected(planned: Planned, result: Result, field: str) -> Rejected:
    return Rejected(order_id=planned.order_id, reason=result.reason, field=field, detail=result.detail)


def _set_aside(planned: Planned, rejected: Rejected) -> Outcome:
    return Outcome(planned=planned, applied=planned.applied, rejected=rejected)


def _steps(planned: Planned, ids: _Ids) -> Iterator[_Step]:
    for action in planned.plan.actions:
        key = f"{_KINDS[type(action)].value}:{action.sale_id}"
        neutral = is_neutral(planned, action)
        if isinstance(action, CreateSale):
            ready = _deliverable(action, ids)
            yield _Step(key=key, action=ready, body=_body(ready, ids), owed=_owed(ready.sale, ids) if neutral else ())
        elif isinstance(action, CreateRefund):
            books = _booking(action, ids, stays=action.restocks or neutral)
            owed = _owed(action.sale, ids) if neutral else ()
            yield _Step(key=key, action=action, body=_body(action, ids), books=books, owed=owed)
        else:
            yield _Step(key=key, action=action, body={})


def _owed(sale: Sale, ids: _Ids) -> tuple[StockOwed, ...]:
    """The moves of a sale by the POS's products, with their signs turned."""
    return tuple(
        StockOwed(outlet_id=move.outlet_id, product_id=ids.products[code_key(move.code)], units=-move.units)
        for move in sale.moves
    )


def _deliverable(action: CreateSale, ids: _Ids) -> CreateSale:
    """The sale, but a plain closed one where it was to be delivered and the POS did not take its address."""
    needs_address = action.sale.way is Way.DISPATCH and action.sale_id not in ids.addresses
    return without_fulfillment(action) if needs_address else action


def _booking(action: CreateRefund, ids: _Ids, *, stays: bool) -> BookedRefund:
    """What is to be remembered of a refund; goods of which nothing `stays` in stock by their POS products."""
    refund = action.refund
    goods = () if stays else refund.goods
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


def _body(action: CreateSale | CreateRefund, ids: _Ids) -> Json:
    buyer = action.sale.buyer
    customer_id = ids.customers[buyer.key] if buyer else None
    token = ids.addresses.get(action.sale_id, "")
    return sale_body(action.sale, action.sale_id, customer_id, ids.products, token)


def _send(pos: PointOfSale, step: _Step) -> Result:
    match step.action:
        case CreateSale() | CreateRefund():
            return create_sale(pos, step.body)
        case SettleSale():
            return settle_sale(pos, step.action)
        case FulfillSale():
            return fulfill_sale(pos, step.action.sale_id)
        case _:
            return void_sale(pos, step.action.sale_id)


def _remembered(planned: Planned, step: _Step) -> Json:
    """What a later run needs to finish the books if this one does not come back from the write, and what is shown."""
    then = after(planned.applied, step.action, planned.desired.content)
    return {
        "request": step.body,
        "order": order_memory(planned),
        "applied": applied_memory(then),
        **(_sale_memory(step.action.sale, planned.desired) if isinstance(step.action, _WITH_SALE) else {}),
        **(
            {"moves": _moves_memory(step.action.sale, step.body)}
            if isinstance(step.action, CreateSale | CreateRefund)
            else {}
        ),
        **({"refund": booking_memory(step.books)} if step.books else {}),
        **({"history": history_memory(planned.history, step.owed)} if planned.history else {}),
    }


_WITH_SALE = (CreateSale, SettleSale)


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


def booking_memory(booked: BookedRefund) -> Json:
    """A `BookedRefund` as JSON; `booking_from` reads it back."""
    return {
        "id": booked.refund_id,
        "sale_id": booked.sale_id,
        "total": str(booked.total),
        "units": {str(line_id): count for line_id, count in booked.units.items()},
        "outlet_id": booked.outlet_id,
        "to_take_out": dict(booked.to_take_out),
    }


def booking_from(memory: Mapping[str, Any]) -> BookedRefund:
    """Read back what `booking_memory` wrote."""
    return BookedRefund(
        refund_id=int(memory["id"]),
        sale_id=str(memory["sale_id"]),
        total=Decimal(memory["total"]),
        units={int(line_id): int(count) for line_id, count in memory["units"].items()},
        outlet_id=str(memory["outlet_id"]),
        to_take_out=dict(memory["to_take_out"]),
    )


def history_memory(history: History, owed: Iterable[StockOwed]) -> Json:
    """What a backfill notes once an action of its own is written, as JSON."""
    return {
        "backfill": history.backfill_id,
        "is_neutral": history.neutral_before is not None,
        "owed": owed_memory(owed),
    }


def owed_memory(owed: Iterable[StockOwed]) -> list[list[str | int]]:
    """What is owed to the stock as JSON; `owed_from` reads it back from the member `owed`."""
    return [[one.outlet_id, one.product_id, one.units] for one in owed]


def owed_from(memory: Mapping[str, Any]) -> list[StockOwed]:
    """Read back what is owed to the stock."""
    return [
        StockOwed(outlet_id=str(outlet_id), product_id=str(product_id), units=int(units))
        for outlet_id, product_id, units in memory["owed"]
    ]


def order_memory(planned: Planned) -> Json:
    """The part of a ledger row that comes from the order."""
    return {"status_id": planned.status_id, "modified_at": iso(planned.modified_at)}


def applied_memory(applied: Applied) -> Json:
    """An `Applied` as JSON; `applied_from` reads it back."""
    return {
        "state": applied.state.value,
        "revision": applied.revision,
        "sale_id": applied.sale_id,
        "content": applied.content,
        "total": str(applied.total),
    }


def applied_from(order_id: int, memory: Mapping[str, Any]) -> Applied:
    """Read back what `applied_memory` wrote."""
    return Applied(
        order_id=order_id,
        state=AppliedState(memory["state"]),
        revision=int(memory["revision"]),
        sale_id=str(memory["sale_id"]),
        content=str(memory["content"]),
        total=Decimal(memory["total"]),
    )


def _is_refusal(result: Result) -> bool:
    return result.state is IntentState.REFUSED and result is not NOT_SENT


def _outcome(done: _Done, stopped_by: BcpollError | None) -> Outcome:
    """How far an order was applied, and the first thing that kept it from going further.

    An order that was cut short, or that a closed register keeps waiting, is not set aside: it is read again.
    """
    applied, planned = done.planned.applied, done.planned
    written: list[_Step] = []
    rejected, is_finished = planned.plan.notice, done.error is None
    for step, result in zip(done.steps, done.results, strict=False):
        if not result.is_done:
            cut_short = done.error is not None or (stopped_by is not None and _is_refusal(result))
            rejected = None if cut_short else _rejected(planned, result, _KINDS[type(step.action)].value)
            is_finished = not cut_short
            break
        applied = after(applied, step.action, planned.desired.content)
        written.append(step)
    return Outcome(
        planned=planned,
        applied=applied,
        written=tuple(step.action for step in written),
        booked=tuple(step.books for step in written if step.books),
        owed=tuple(one for step in written for one in step.owed),
        rejected=rejected,
        is_finished=is_finished,
    )


def _settlements(done: Iterable[_Done]) -> Iterator[Settlement]:
    """What became of each intent; steps after one that was cut short were never sent, that one itself stays open."""
    for one in done:
        for step, result in zip(one.steps, one.results, strict=False):
            yield Settlement(key=step.key, state=result.state, detail=result.detail, result=result.result)
        if one.error is not None:
            for step in one.steps[len(one.results) + 1 :]:
                yield Settlement(key=step.key, state=NOT_SENT.state, detail=NOT_SENT.detail)
