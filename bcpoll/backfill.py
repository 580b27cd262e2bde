"""The historical pass: brings over the orders from before the start, page by page in order of their ids, each once.

Owns which orders belong to the past, how far a backfill has got, and that the stock their sales take is put back. What
is done about each order is the same as in a pass (`page`). A page is carried out in several turns where the POS's rate
limit leaves no room for all of it at once (`portion`). Between turns a backfill holds no lock and keeps no file open,
so that the passes of a running poller can come in between; it remembers only counts, its position and the rest of the
page.
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
from bcpoll.decide import Basis
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
"""Opens both sides and the checkpoint for one turn; between two turns, other runs may have theirs."""

KIND = "backfill"
"""The kind under which backfills, and undoing them, are noted among the runs."""

# More orders than any store has.
_NO_LIMIT = 10**12

# A survey asks only for the refunds of orders whose status speaks of one.
_REFUNDED = frozenset({OrderStatus.REFUNDED, OrderStatus.PARTIALLY_REFUNDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which orders of the past to bring over, and how."""

    since: datetime | None = None
    """Created from this moment on; None from the first order on."""
    until: datetime | None = None
    """Created before this moment; always before the start as well."""
    moves_stock: bool = False
    """Whether sales of the past reduce today's stock."""
    limit: int | None = None
    """How many orders to bring over at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillReport:
    """What a backfill has done so far."""

    counts: Counter[str]
    total: int
    """How many orders BigCommerce has in the window, by its own count."""
    before: int = 0
    """How many of them earlier runs of the same backfill have dealt with."""
    is_complete: bool = False
    """Whether the end of the window was reached."""

    @property
    def set_aside(self) -> int:
        """How many orders were set aside."""
        return self.counts["set_aside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How many orders a backfill will meet, by BigCommerce's own count."""

    start: datetime
    by_status: Mapping[int, int]
    """Orders of the window by status id, including those that are in the POS already."""
    registers: int

    @property
    def orders(self) -> int:
        """How many orders there are in the window."""
        return sum(self.by_status.values())


@dataclass(slots=True)
class Survey:
    """What a backfill would do, in sums: their size depends on years and products, not on the number of orders."""

    sales: Counter[int] = field(default_factory=Counter)
    """By the year in which the orders were placed."""
    money: dict[int, Decimal] = field(default_factory=dict)
    """By the year of the sale or refund, refunds subtracted."""
    voided: int = 0
    refunds: int = 0
    known: int = 0
    """Orders that were dealt with before: they are in the POS, set aside, or not to import."""
    not_imported: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)
    """By reason."""
    units: Counter[str] = field(default_factory=Counter)
    """Units sold less units returned, by product code; only of products whose stock is counted."""
    new_codes: set[str] = field(default_factory=set)
    """Codes of products that the POS lacks."""

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


def forecast(shell: Shell, selection: Selection) -> Forecast:
    """Count the selected orders, with one request to BigCommerce and one to the POS."""
    start = shell.checkpoint.start() or shell.start or shell.source.server_time()
    counts = shell.source.order_counts(selection.since, _until(selection, start))
    return Forecast(start=start, by_status=counts, registers=len(shell.pos.registers()))


def survey_orders(turns: Turns, selection: Selection, tell: Callable[[int], None] = lambda looked_at: None) -> Survey:
    """Go through the selected orders and write none; `tell` is called with how many were looked at so far."""
    survey, looked_at = Survey(), 0
    with turns() as shell:
        workers = shell.workers
    # Only one thread reads pages, since every thread that does keeps the memory of one; the others ask for payments.
    with (
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="pages") as reader,
        ThreadPoolExecutor(max_workers=max(1, workers - 1), thread_name_prefix="store") as pool,
    ):
        # Nothing is written, so pages may be read between turns too. With a limit, the first page may be enough.
        walk = _Walk(selection, ahead=reader if workers > 1 and selection.limit is None else None)
        while walk.has_room:
            with turns() as shell:
                if shell.stop.is_set():
                    raise STOPPED
                found = walk.next_orders(shell)
                if found is None:
                    break
                _add_page(survey, shell, pool, found)
            looked_at += found.looked_at
            tell(looked_at)
    return survey


def _add_page(survey: Survey, shell: Shell, pool: Executor, found: "_Found") -> None:
    pages = Pages(shell, run_id=0, pool=pool, counts=Counter())
    pages.decider.ask_refunds([order_id_of(raw) for raw in found.orders if raw.get("status_id") in _REFUNDED])
    basis = Basis(history=History(backfill_id=0, neutral_before=None), trusts_ledger=True)
    evaluated = pages.evaluate(found.orders, basis)
    survey.known += found.known
    for planned in evaluated.planned:
        survey.add(planned)
    survey.set_aside.update(why.reason for _, why in evaluated.rejected)
    moves = [move for planned in evaluated.planned for move in planned.plan.moves]
    ids = shell.checkpoint.product_ids({code_key(move.code) for move in moves})
    counted = shell.checkpoint.stock_tracked({one for found_ids in ids.values() for one in found_ids})
    for move in moves:
        found_ids = ids.get(code_key(move.code))
        if found_ids is None:
            survey.new_codes.add(move.code)
        elif counted & set(found_ids):
            survey.units[move.code] -= move.units


def run_backfill(
    turns: Turns, selection: Selection, tell: Callable[[BackfillReport], None] = lambda report: None
) -> BackfillReport:
    """Bring over the selected orders, from where the last run left off; `tell` is called first and after each turn.

    Raises what stopped it. Orders brought over until then stay, and stock that is still owed is put back by the next
    run.
    """
    return _Run(turns, selection, tell).run()


class _Run:
    """One run of a backfill."""

    def __init__(self, turns: Turns, selection: Selection, tell: Callable[[BackfillReport], None]) -> None:
        self._turns = turns
        self._selection = selection
        self._tell = tell
        self._counts: Counter[str] = Counter()
        self._total = 0
        self._before = 0

    def run(self) -> BackfillReport:
        """Carry out all pages and note in the checkpoint how it ended."""
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
        checkpoint, selection = shell.checkpoint, self._selection
        start = begin(shell)
        backfill = checkpoint.begin_backfill(
            selection.since, selection.until, moves_stock=selection.moves_stock, now=shell.clock()
        )
        self._before = checkpoint.brought_over_up_to(backfill)
        self._total = sum(shell.source.order_counts(selection.since, _until(selection, start)).values())
        run_id = checkpoint.begin_run(KIND, shell.clock())
        if shell.policy.refunds is Refunds.IMPORT:
            with ThreadPoolExecutor(max_workers=1) as pool:
                Pages(shell, run_id=run_id, pool=pool, counts=self._counts).refunds.read_past(selection.since, start)
        return backfill, run_id

    def _all_pages(self, backfill: Backfill, run_id: int, pool: Executor) -> bool:
        """Carry out pages up to the end of the window or the limit; True where it was the end."""
        walk, portion = _Walk(self._selection, after=backfill.position), Portion()
        try:
            while walk.has_room:
                with self._turns() as shell:
                    pages = Pages(shell, run_id=run_id, pool=pool, counts=self._counts)
                    pages.heed_stop()
                    # A pass in between, or the run before this one, may have left intents unsettled.
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
        """After an orderly stop, put back what is owed to the stock; if that fails, the next run does it."""
        with suppress(BcpollError), self._turns() as shell:
            Pages(shell, run_id=run_id, pool=pool, counts=self._counts).settle_stock()

    def _carry_out(self, shell: Shell, pages: Pages, backfill: Backfill, found: "_Found") -> None:
        """Carry out some orders and move the position over them; at the end of a page, put back the stock they took."""
        checkpoint = shell.checkpoint
        before = None if backfill.moves_stock else checkpoint.start()
        history = History(backfill_id=backfill.id, neutral_before=before)
        if found.begins_page:
            self._counts["taken_over"] += len(pages.catch_up())
        self._counts["known"] += found.known
        self._counts["looked_at"] += found.looked_at
        # What the POS holds beyond the ledger was taken over when the page was begun.
        basis = Basis(history=history, trusts_ledger=True)
        pages.carry_out(found.orders, basis, also=lambda: checkpoint.move_backfill(backfill.id, found.position))
        if found.ends_page:
            pages.adjust_stock()

    def _so_far(self, *, is_complete: bool = False) -> BackfillReport:
        return BackfillReport(counts=self._counts, total=self._total, before=self._before, is_complete=is_complete)


def outcome_of(error: BcpollError) -> RunOutcome:
    """The outcome to note for a run that was stopped by an error."""
    return RunOutcome.STOPPED if isinstance(error, RetryLater) else RunOutcome.FAILED


def end_run(turns: Turns, run_id: int, outcome: RunOutcome, counts: Counter[str], message: str = "") -> None:
    """Note how a run ended; nothing is noted by one that was asked to stop while it would have to wait for a turn."""
    try:
        with turns() as shell:
            shell.checkpoint.end_run(run_id, shell.clock(), outcome, dict(counts), message)
    except RetryLater:
        log.debug("run %s ended without a note", run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Part of a page of the list: the orders to bring over, and how many others were passed."""

    orders: Sequence[Json]
    position: int
    """The id of the last order that was looked at."""
    looked_at: int
    known: int
    """Orders that the ledger has already."""
    begins_page: bool
    ends_page: bool


class _Walk:
    """Walks the list of orders by id from a position on, and picks the orders to bring over from each page."""

    def __init__(self, selection: Selection, *, after: int = 0, ahead: Executor | None = None) -> None:
        """With a pool `ahead`, the next page is read there while one is worked on, between turns too."""
        self._selection = selection
        self._ahead = ahead
        self._position = after
        self._left = _NO_LIMIT if selection.limit is None else selection.limit
        self._pages: Iterator[list[Json]] | None = None
        self._rest: Sequence[Json] = ()
        """What is left of the page."""
        self._as_of: int | None = None
        """The newest run of all at the time the page was read."""

    @property
    def has_room(self) -> bool:
        """Whether the limit leaves room for another order."""
        return self._left > 0

    def next_orders(self, shell: Shell, most: int = _NO_LIMIT) -> _Found | None:
        """The next orders of this page, or else of the next one, at most `most`; None at the end.

        An order that changes after its page was read is brought up to date by the next pass. But a pass that ran since
        the page was read did not know the order yet and left it to the backfill: then the rest of the page is read
        again.
        """
        start = shell.checkpoint.start() or shell.start or shell.source.server_time()
        last = next((run.id for run in shell.checkpoint.last_runs(1)), None)
        begins_page = not self._rest or last != self._as_of
        if self._pages is None or (self._rest and begins_page):
            pages = _pages_of(shell.source, self._selection, start, self._position)
            self._pages = _read_ahead(pages, self._ahead) if self._ahead else pages
        if begins_page:
            self._rest, self._as_of = next(self._pages, []), last
        return self._chosen(shell, start, most, begins_page=begins_page) if self._rest else None

    def _chosen(self, shell: Shell, start: datetime, most: int, *, begins_page: bool) -> _Found:
        """Leave out orders that the ledger has (unless they were undone), and those that belong to the passes."""
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


def _pages_of(source: OrderSource, selection: Selection, start: datetime, after: int) -> Iterator[list[Json]]:
    return source.created_between(selection.since, _until(selection, start), after=after)


def _read_ahead(pages: Iterator[list[Json]], pool: Executor) -> Iterator[list[Json]]:
    """The pages, each read while the one before it is worked on; never more than one waits."""
    coming = pool.submit(next, pages, None)
    while rows := coming.result():
        coming = pool.submit(next, pages, None)
        yield rows


def _until(selection: Selection, start: datetime) -> datetime:
    return min(selection.until or start, start)


def _is_before(head: object, start: datetime) -> bool:
    """Whether an order is of the past; one that cannot be read counts as such, and ends up set aside."""
    return not isinstance(head, Head) or head.created_at < start
