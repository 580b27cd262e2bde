"""The historical pass: the orders from before the start, page by page and by id, each brought over once.

Owns which orders are of the past, how far it has got, and that what they sold is put back into stock. What is done
about an order is what a pass does (`page`). A page is carried out in as many turns as the POS's limit asks for
(`portion`). Between two turns it holds nothing, neither lock nor file, so that the passes of a running poller come in
between; and nothing is remembered but counts, the position and the rest of the page.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from bcpoll.checkpoint import Backfill, History, RunOutcome
from bcpoll.core.decode import Head, decode_head, order_id_of
from bcpoll.core.money import ZERO
from bcpoll.core.order import Json, code_key
from bcpoll.core.sale import CreateRefund, CreateSale, SaleState
from bcpoll.core.shop import Refunds
from bcpoll.core.status import OrderStatus
from bcpoll.errors import STOPPED, BcpollError, RetryLater, Unreachable
from bcpoll.logs import of_run
from bcpoll.page import Pages
from bcpoll.planned import Planned
from bcpoll.portion import Portion
from bcpoll.ports import OrderSource
from bcpoll.recover import recover
from bcpoll.shell import Shell
from bcpoll.start import begin

log = logging.getLogger(__name__)

Turns: TypeAlias = Callable[[], AbstractContextManager[Shell]]
"""Gives what to work with for the length of a turn; in between, others may have theirs."""

KIND = "backfill"
"""The kind of a run that deals with the past."""

# More orders than any store has.
_NO_LIMIT = 10**12

# To foresee what comes back, asking for the refunds of these will do.
_REFUNDED = frozenset({OrderStatus.REFUNDED, OrderStatus.PARTIALLY_REFUNDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which orders of the past are brought over, and how."""

    since: datetime | None = None
    """Created from this moment on; None from the first order on."""
    until: datetime | None = None
    """Created before this moment, and before the start in any case."""
    moves_stock: bool = False
    """Whether sales of the past take their goods out of today's stock."""
    limit: int | None = None
    """At most so many orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a backfill did so far."""

    counts: Counter[str]
    total: int
    """How many orders BigCommerce has in the window, by its own count."""
    before: int = 0
    """How many of them an earlier go has brought over."""
    is_complete: bool = False
    """Whether all of the window was seen."""

    @property
    def set_aside(self) -> int:
        """How many orders were set aside."""
        return self.counts["set_aside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a backfill is about to meet, by BigCommerce's own count."""

    start: datetime
    by_status: Mapping[int, int]
    """Orders of the window by status id, those that are in the POS already among them."""
    registers: int

    @property
    def orders(self) -> int:
        """How many orders there are in the window."""
        return sum(self.by_status.values())


@dataclass(slots=True)
class Effect:
    """What a backfill would do, in sums; they grow with the years and the products, not with the orders."""

    sales: Counter[int] = field(default_factory=Counter)
    """By the year in which the orders were placed."""
    money: dict[int, Decimal] = field(default_factory=dict)
    """By the year in which the sale or the refund was made, what was given back taken off."""
    voided: int = 0
    refunds: int = 0
    known: int = 0
    """Orders that are in the POS already."""
    not_imported: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)
    """By reason."""
    units: Counter[str] = field(default_factory=Counter)
    """What is sold, by the code of products whose stock is counted; less what came back."""
    new_codes: set[str] = field(default_factory=set)
    """Products that the POS lacks."""

    @property
    def is_nothing(self) -> bool:
        """Whether nothing would be written, and nothing set aside."""
        return not (self.sales or self.voided or self.refunds or self.set_aside)

    def add(self, planned: Planned) -> None:
        """Add what is planned for an order."""
        if not planned.plan.actions and planned.plan.notice is None:
            self.not_imported += 1
        if planned.plan.notice is not None:
            self.set_aside[planned.plan.notice.reason] += 1
        for action in planned.plan.actions:
            if isinstance(action, CreateSale) and action.sale.state is SaleState.VOIDED:
                self.voided += 1
            elif isinstance(action, CreateSale):
                self.sales[action.sale.date.year] += 1
                self._add_money(action.sale.date.year, action.sale.total)
            elif isinstance(action, CreateRefund):
                self.refunds += 1
                self._add_money(action.sale.date.year, action.sale.total)

    def _add_money(self, year: int, amount: Decimal) -> None:
        self.money[year] = self.money.get(year, ZERO) + amount


def forecast(shell: Shell, scope: Scope) -> Forecast:
    """Count the orders of a window: a request to BigCommerce and one to the POS."""
    start = shell.checkpoint.start() or shell.start or shell.source.server_time()
    counts = shell.source.order_counts(scope.since, _until(scope, start))
    return Forecast(start=start, by_status=counts, registers=len(shell.pos.registers()))


def foresee(turns: Turns, scope: Scope, tell: Callable[[int], None] = lambda looked_at: None) -> Effect:
    """Go through all orders of a window and write none; `tell` is called with how many were looked at."""
    effect, looked_at = Effect(), 0
    with turns() as shell:
        workers = shell.workers
    # One thread reads the pages, for each that did would keep the room that a page takes; the others ask for payments.
    with (
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="pages") as reader,
        ThreadPoolExecutor(max_workers=max(1, workers - 1), thread_name_prefix="store") as pool,
    ):
        # What is only looked at need not be read within the turn. Where a few will do, one page will.
        walk = _Walk(scope, ahead=reader if workers > 1 and scope.limit is None else None)
        while walk.has_room:
            with turns() as shell:
                if shell.stop.is_set():
                    raise STOPPED
                found = walk.next_orders(shell)
                if found is None:
                    break
                _add_page(effect, shell, pool, found)
            looked_at += found.looked_at
            tell(looked_at)
    return effect


def _add_page(effect: Effect, shell: Shell, pool: Executor, found: "_Found") -> None:
    pages = Pages(shell, run_id=0, pool=pool, counts=Counter())
    pages.decider.trusts_ledger = True
    pages.decider.history = History(backfill_id=0, neutral_before=None)
    pages.decider.ask_refunds([order_id_of(raw) for raw in found.orders if raw.get("status_id") in _REFUNDED])
    evaluated = pages.evaluate(found.orders)
    effect.known += found.known
    for planned in evaluated.planned:
        effect.add(planned)
    effect.set_aside.update(why.reason for _, why in evaluated.rejected)
    moves = [move for planned in evaluated.planned for move in planned.plan.moves]
    ids = shell.checkpoint.product_ids({code_key(move.code) for move in moves})
    counted = shell.checkpoint.stock_tracked({one for found_ids in ids.values() for one in found_ids})
    for move in moves:
        found_ids = ids.get(code_key(move.code))
        if found_ids is None:
            effect.new_codes.add(move.code)
        elif counted & set(found_ids):
            effect.units[move.code] -= move.units


def run_backfill(turns: Turns, scope: Scope, tell: Callable[[Report], None] = lambda report: None) -> Report:
    """Bring over the orders of a window from where it was left; `tell` is called at first and after each turn.

    Raises what stopped it; what was done until then is done, and what is left to put back is put back by the next run.
    """
    return _Run(turns, scope, tell).report()


class _Run:
    """One run of a backfill."""

    def __init__(self, turns: Turns, scope: Scope, tell: Callable[[Report], None]) -> None:
        self._turns = turns
        self._scope = scope
        self._tell = tell
        self._counts: Counter[str] = Counter()
        self._total = 0
        self._before = 0

    def report(self) -> Report:
        """All pages, then what there is to report."""
        with self._turns() as shell:
            backfill, run_id = self._begun(shell)
            workers = shell.workers
        self._tell(self._so_far())
        is_complete = False
        try:
            with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="pos") as pool, of_run(str(run_id)):
                is_complete = self._all_pages(backfill, run_id, pool)
        except BcpollError as error:
            end_run(self._turns, run_id, outcome_of(error), self._counts, error.message)
            raise
        report = self._so_far(is_complete=is_complete)
        outcome = RunOutcome.SET_ASIDE if report.set_aside else RunOutcome.DONE
        end_run(self._turns, run_id, outcome, self._counts)
        return report

    def _begun(self, shell: Shell) -> tuple[Backfill, int]:
        checkpoint, scope = shell.checkpoint, self._scope
        start = begin(shell)
        backfill = checkpoint.begin_backfill(scope.since, scope.until, moves_stock=scope.moves_stock, now=shell.clock())
        self._before = checkpoint.brought_over_up_to(backfill)
        self._total = sum(shell.source.order_counts(scope.since, _until(scope, start)).values())
        run_id = checkpoint.begin_run(KIND, shell.clock())
        if shell.policy.refunds is Refunds.IMPORT:
            with ThreadPoolExecutor(max_workers=1) as pool:
                Pages(shell, run_id=run_id, pool=pool, counts=self._counts).refunds.read_past(scope.since, start)
        return backfill, run_id

    def _all_pages(self, backfill: Backfill, run_id: int, pool: Executor) -> bool:
        """Carry out pages up to the end or the limit, and give whether it was the end."""
        walk, portion = _Walk(self._scope, after=backfill.position), Portion()
        try:
            while walk.has_room:
                with self._turns() as shell:
                    pages = Pages(shell, run_id=run_id, pool=pool, counts=self._counts)
                    pages.heed_stop()
                    # What a pass in between may have left, or the run before this one.
                    self._counts.update(recover(shell, run_id=run_id))
                    found = walk.next_orders(shell, portion.orders(shell))
                    if found is None:
                        pages.settle_stock()
                        shell.checkpoint.end_backfill(backfill.id, shell.clock())
                        return True
                    with portion.learning(shell, len(found.orders)):
                        self._carry_out(shell, pages, backfill, found)
                self._tell(self._so_far())
                if not found.ends_page:
                    portion.await_room(shell)
        except RetryLater as error:
            if not isinstance(error, Unreachable):
                self._leave_in_order(run_id, pool)
            raise
        return False

    def _leave_in_order(self, run_id: int, pool: Executor) -> None:
        """After a polite stop, put back what is owed to the stock; where that fails, the next run sees to it."""
        with suppress(BcpollError), self._turns() as shell:
            Pages(shell, run_id=run_id, pool=pool, counts=self._counts).settle_stock()

    def _carry_out(self, shell: Shell, pages: Pages, backfill: Backfill, found: "_Found") -> None:
        """Some orders, the position with them, and at the end of their page what it took out of stock put back."""
        decider, checkpoint = pages.decider, shell.checkpoint
        before = None if backfill.moves_stock else checkpoint.start()
        decider.history = History(backfill_id=backfill.id, neutral_before=before)
        if found.begins_page:
            self._counts["taken_over"] += len(pages.catch_up())
        decider.trusts_ledger = True
        self._counts["known"] += found.known
        self._counts["looked_at"] += found.looked_at
        pages.carry_out(found.orders, also=lambda: checkpoint.move_backfill(backfill.id, found.position))
        if found.ends_page:
            pages.adjust_stock()

    def _so_far(self, *, is_complete: bool = False) -> Report:
        return Report(counts=self._counts, total=self._total, before=self._before, is_complete=is_complete)


def outcome_of(error: BcpollError) -> RunOutcome:
    """How a run ended that was stopped by an error."""
    return RunOutcome.STOPPED if isinstance(error, RetryLater) else RunOutcome.FAILED


def end_run(turns: Turns, run_id: int, outcome: RunOutcome, counts: Counter[str], message: str = "") -> None:
    """Note how a run ended. Where it was asked to stop and would have to wait for its turn, it goes without."""
    try:
        with turns() as shell:
            shell.checkpoint.end_run(run_id, shell.clock(), outcome, dict(counts), message)
    except RetryLater:
        log.debug("run %s ended without a note", run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A part of a page of the list: the orders to bring over, and how many others stood on it."""

    orders: Sequence[Json]
    position: int
    """The id of the last order that was looked at."""
    looked_at: int
    known: int
    """Orders that were seen before."""
    begins_page: bool
    ends_page: bool


class _Walk:
    """The list of orders by id, from a position on, and of each page those that are to be brought over."""

    def __init__(self, scope: Scope, *, after: int = 0, ahead: Executor | None = None) -> None:
        """With `ahead`, each page is read on there while the one before it is worked on, turn or not."""
        self._scope = scope
        self._ahead = ahead
        self._position = after
        self._left = _NO_LIMIT if scope.limit is None else scope.limit
        self._pages: Iterator[list[Json]] | None = None
        self._rest: Sequence[Json] = ()
        """What is left of the page."""
        self._as_of: int | None = None
        """The last run when the page was read."""

    @property
    def has_room(self) -> bool:
        """Whether the limit is not reached."""
        return self._left > 0

    def next_orders(self, shell: Shell, most: int = _NO_LIMIT) -> _Found | None:
        """The next orders of the page, at most so many, or of the next page; None at the end.

        What changes after a page was read is left to the next pass. One that ran meanwhile has left it to us: then what
        is left of the page is read again.
        """
        start = shell.checkpoint.start() or shell.start or shell.source.server_time()
        last = next((run.id for run in shell.checkpoint.last_runs(1)), None)
        begins_page = not self._rest or last != self._as_of
        if self._pages is None or (self._rest and begins_page):
            pages = _pages_of(shell.source, self._scope, start, self._position)
            self._pages = _read_ahead(pages, self._ahead) if self._ahead else pages
        if begins_page:
            self._rest, self._as_of = next(self._pages, []), last
        return self._chosen(shell, start, most, begins_page=begins_page) if self._rest else None

    def _chosen(self, shell: Shell, start: datetime, most: int, *, begins_page: bool) -> _Found:
        """Leave out what is in the ledger as it was seen last, and what belongs to the passes."""
        rows, most = self._rest, min(most, self._left)
        ids = {order_id_of(raw) for raw in rows} - {0}
        seen = {order_id for order_id, row in shell.checkpoint.ledger(ids).items() if row.fingerprint}
        left_out = seen | shell.checkpoint.watched(ids)
        wanted = [
            place
            for place, raw in enumerate(rows)
            if order_id_of(raw) not in left_out and _is_before(decode_head(raw), start)
        ]
        end = wanted[most] if most < len(wanted) else len(rows)
        passed = {order_id_of(raw) for raw in rows[:end]}
        self._left -= len(wanted[:most])
        self._rest = rows[end:]
        self._position = max(passed | {self._position})
        return _Found(
            orders=[rows[place] for place in wanted[:most]],
            position=self._position,
            looked_at=end,
            known=len(seen & passed),
            begins_page=begins_page,
            ends_page=not (self._rest and self.has_room),
        )


def _pages_of(source: OrderSource, scope: Scope, start: datetime, after: int) -> Iterator[list[Json]]:
    return source.created_between(scope.since, _until(scope, start), after=after)


def _read_ahead(pages: Iterator[list[Json]], pool: Executor) -> Iterator[list[Json]]:
    """The pages, of which never more than one waits to be taken."""
    coming = pool.submit(next, pages, None)
    while rows := coming.result():
        coming = pool.submit(next, pages, None)
        yield rows


def _until(scope: Scope, start: datetime) -> datetime:
    return min(scope.until or start, start)


def _is_before(head: object, start: datetime) -> bool:
    """Whether an order is of the past; one that cannot be read is taken for it, and set aside."""
    return not isinstance(head, Head) or head.created_at < start
