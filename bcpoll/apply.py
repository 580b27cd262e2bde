"""Carrying out one page of plans: references first, then intents, then the sales on a small thread pool.

Owns the order in which things are written to the POS, and what is believed of the answers. Only the calling thread
touches the checkpoint; pool threads only speak HTTP (`send`). What became of the page is given back for the caller to
settle together with the cursor, in one transaction.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial

from bcpoll.checkpoint import BookedRefund, Intent, IntentKind, IntentState, Settlement, StockOwed
from bcpoll.core.order import code_key
from bcpoll.core.plan import after, taken_over
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import Action, Applied, CreateRefund, CreateSale, ProductDraft, Sale, SettleSale
from bcpoll.errors import BcpollError
from bcpoll.planned import Planned
from bcpoll.registers import closed, make_ready, waiting_for
from bcpoll.resolve import PRODUCT_FEED, Resolved, Resolver
from bcpoll.send import NOT_SENT, Result, Sent, send_in_turn, stopped_by
from bcpoll.shell import Shell
from bcpoll.writes import Ids, Write, remembered, writes_of


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
class _References:
    """The customers, products and addresses that a page needs: by buyer key, code key and sale id."""

    customers: Resolved
    products: Resolved
    addresses: Resolved

    @property
    def ids(self) -> Ids:
        """What the POS calls them."""
        return Ids(customers=self.customers.ids, products=self.products.ids, addresses=self.addresses.ids)

    def lacking(self, planned: Planned) -> Rejected | None:
        """Why an order cannot be sent: its customer, a product or an address that it needs could not be had."""
        sales = _sales(planned)
        buyers = [sale.buyer.key for sale in sales if sale.buyer and sale.buyer.key in self.customers.failures]
        codes = [line.code for sale in sales for line in sale.lines]
        lacking = [code for code in codes if code_key(code) in self.products.failures]
        sale_ids = [action.sale_id for action in planned.plan.actions if action.sale_id in self.addresses.failures]
        if sale_ids:
            return _rejected(planned, self.addresses.failures[sale_ids[0]], "address")
        if buyers:
            return _rejected(planned, self.customers.failures[buyers[0]], f"customer {buyers[0]}")
        if lacking:
            return _rejected(planned, self.products.failures[code_key(lacking[0])], f"product {lacking[0]}")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """An order with the writes that carry out its plan."""

    planned: Planned
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What became of a job."""

    job: _Job
    sent: Sent

    @property
    def planned(self) -> Planned:
        """The order."""
        return self.job.planned

    @property
    def pairs(self) -> Iterator[tuple[Write, Result]]:
        """The writes that have a result, each with it."""
        return zip(self.job.writes, self.sent.results, strict=False)

    @property
    def settlements(self) -> Iterator[Settlement]:
        """What becomes of its intents."""
        return self.sent.settlements([write.key for write in self.job.writes])


@dataclass(frozen=True, slots=True, kw_only=True)
class Applier:
    """Writes pages of plans to the POS."""

    shell: Shell
    resolver: Resolver
    pool: Executor
    run_id: int

    def apply(self, page: Sequence[Planned]) -> PageResult:
        """Carry out the plans of a page; those without actions are done as they are."""
        idle = [Outcome.idle(one) for one in page if not one.plan.actions]
        busy = [one for one in page if one.plan.actions]
        if not busy:
            return PageResult(outcomes=tuple(idle))
        make_ready(self.shell, _register_ids(busy))
        references = self._resolved(busy)
        lacking = {one.order_id: why for one in busy if (why := references.lacking(one))} | self._unclear(busy)
        ids = references.ids
        jobs = [_Job(planned=one, writes=tuple(writes_of(one, ids))) for one in busy if one.order_id not in lacking]
        self._intend(jobs)
        done = self._carried_out(jobs)
        error = stopped_by(one.sent for one in done) or self._closed_register(done)
        set_aside = [_set_aside(one, lacking[one.order_id]) for one in busy if one.order_id in lacking]
        outcomes = [*idle, *set_aside, *self._without_customer([(one, _outcome(one, error)) for one in done])]
        return PageResult(
            outcomes=tuple(outcomes),
            settlements=tuple(settlement for one in done for settlement in one.settlements),
            customers_created=references.customers.created,
            products_created=references.products.created,
            stopped_by=error,
        )

    def _resolved(self, busy: Sequence[Planned]) -> _References:
        """Find or create what the sales refer to."""
        creations = [action for one in busy for action in one.plan.actions if isinstance(action, CreateSale)]
        customers = self.resolver.customers(sale.buyer for one in busy for sale in _sales(one) if sale.buyer)
        return _References(
            customers=customers,
            products=self.resolver.products({one.order_id: one.moves for one in busy}, _drafts(busy)),
            addresses=self.resolver.addresses(creations, customers.ids),
        )

    def _unclear(self, busy: Iterable[Planned]) -> dict[int, Rejected]:
        """The orders of which an earlier write has no clear outcome yet: nothing more is written for these.

        An address does not count: the sale itself waits for it where it has to (`_References.lacking`).
        """
        unsettled = {
            intent.order_id: intent
            for intent in self.shell.checkpoint.open_intents()
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

    def _intend(self, jobs: Iterable[_Job]) -> None:
        checkpoint, now = self.shell.checkpoint, self.shell.clock()
        since = checkpoint.feed_version(PRODUCT_FEED)
        checkpoint.intend(
            Intent(
                key=write.key,
                order_id=job.planned.order_id,
                kind=write.kind,
                target=write.action.sale_id,
                body=remembered(job.planned, write),
                since=since,
                created_at=now,
                run_id=self.run_id,
            )
            for job in jobs
            for write in job.writes
        )

    def _carried_out(self, jobs: Iterable[_Job]) -> tuple[_Done, ...]:
        """Send the jobs side by side; after an error, those that have not begun are left for the next run."""
        halt = threading.Event()

        def carry_out(job: _Job) -> _Done:
            sends = [partial(write.send, self.shell.pos) for write in job.writes]
            return _Done(job=job, sent=send_in_turn(job.planned.order_id, sends, halt=halt, stop=self.shell.stop))

        return tuple(self.pool.map(carry_out, jobs))

    def _closed_register(self, done: Sequence[_Done]) -> BcpollError | None:
        """What keeps refused orders waiting, rather than set aside, where a closed register explains the refusals.

        A register that took another sale explains nothing: one bad order must not hold up all that come after it.
        """
        refusing = [one.planned for one in done if any(map(_is_refusal, one.sent.results))]
        taking = [one.planned for one in done if any(_sells(write, result) for write, result in one.pairs)]
        shut = closed(self.shell.pos, _register_ids(refusing) - _register_ids(taking))
        return next(map(waiting_for, shut), None)

    def _without_customer(self, outcomes: Sequence[tuple[_Done, Outcome]]) -> Iterator[Outcome]:
        """The outcomes, each with the customer of a refused sale where the POS does not know that customer any more."""
        gone: dict[str, bool] = {}
        for done, outcome in outcomes:
            refused = (write for write, result in done.pairs if _is_refusal(result))
            customer_id = next((str(write.body.get("customer_id") or "") for write in refused), "")
            if customer_id and outcome.rejected is not None and customer_id not in gone:
                gone[customer_id] = self._is_gone(customer_id)
            yield replace(outcome, gone_customer=customer_id) if gone.get(customer_id) else outcome

    def _is_gone(self, customer_id: str) -> bool:
        """Whether the POS does not know a customer any more; where it cannot tell, it is not."""
        try:
            customer = self.shell.pos.customer(customer_id)
        except BcpollError:
            return False
        return customer is None or customer.is_deleted


def _sales(planned: Planned) -> list[Sale]:
    """The sales that a plan creates, those of refunds among them."""
    return [action.sale for action in planned.plan.actions if isinstance(action, CreateSale | CreateRefund)]


def _drafts(page: Iterable[Planned]) -> Iterator[ProductDraft]:
    for planned in page:
        if any(isinstance(action, CreateSale) for action in planned.plan.actions):
            yield from planned.desired.products
        for action in planned.plan.actions:
            if isinstance(action, CreateRefund):
                yield from action.refund.products


def _sells(write: Write, result: Result) -> bool:
    return result.is_done and isinstance(write.action, CreateSale | SettleSale)


def _register_ids(page: Iterable[Planned]) -> set[str]:
    return {planned.desired.sale.register.id for planned in page if planned.desired.sale}


def _rejected(planned: Planned, result: Result, field: str) -> Rejected:
    return Rejected(order_id=planned.order_id, reason=result.reason, field=field, detail=result.detail)


def _set_aside(planned: Planned, rejected: Rejected) -> Outcome:
    return Outcome(planned=planned, applied=planned.applied, rejected=rejected)


def _is_refusal(result: Result) -> bool:
    return result.state is IntentState.REFUSED and result is not NOT_SENT


def _outcome(done: _Done, page_error: BcpollError | None) -> Outcome:
    """How far an order was applied, and the first thing that kept it from going further.

    An order that was cut short, or that a closed register keeps waiting, is not set aside: it is read again.
    """
    applied, planned = done.planned.applied, done.planned
    written: list[Write] = []
    is_finished = done.sent.error is None
    rejected = planned.plan.notice if is_finished else None
    for write, result in done.pairs:
        if not result.is_done:
            cut_short = done.sent.error is not None or (page_error is not None and _is_refusal(result))
            rejected = None if cut_short else _rejected(planned, result, write.kind.value)
            is_finished = not cut_short
            break
        applied = after(applied, write.action, planned.desired.content)
        written.append(write)
    return Outcome(
        planned=planned,
        applied=applied,
        written=tuple(write.action for write in written),
        booked=tuple(write.booked for write in written if write.booked),
        owed=tuple(one for write in written for one in write.owed),
        rejected=rejected,
        is_finished=is_finished,
    )
