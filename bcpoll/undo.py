"""Undoing backfills: voids the sales that they wrote, page by page and each once, and leaves the stock right.

Owns what is voided and how the books are kept. Voiding a sale returns its goods to stock. For a stock-neutral sale they
had been put back already, so the same units are noted as owed with the opposite sign: settled, they leave the stock as
it was before the void. An undone order is left alone by passes, like every order from before the start, until a new
backfill writes it again.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from bcpoll.backfill import KIND, Turns, end_run, outcome_of
from bcpoll.checkpoint import (
    UNDONE,
    BackfilledOrder,
    Checkpoint,
    Intent,
    IntentKind,
    LedgerRow,
    RefundRow,
    RunOutcome,
    StockOwed,
)
from bcpoll.core.money import ZERO
from bcpoll.core.order import Json
from bcpoll.core.sale import AppliedState
from bcpoll.errors import STOPPED, BcpollError, RetryLater, Unreachable
from bcpoll.logs import of_run
from bcpoll.memory import applied_memory, order_memory, owed_memory
from bcpoll.portion import Portion
from bcpoll.putback import StockReturner
from bcpoll.recover import recover
from bcpoll.resolve import PRODUCT_FEED
from bcpoll.send import NOT_SENT, Sent, send_in_turn, stopped_by, void_sale
from bcpoll.shell import Shell
from bcpoll.unnoted import settle_unnoted

# How many orders are read at a time to add them up.
_PAGE = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class ToUndo:
    """What there is to undo."""

    orders: int = 0
    sales: int = 0
    refunds: int = 0
    money: Decimal = ZERO
    """The total of the sales less their refunds."""


@dataclass(slots=True, kw_only=True)
class Undone:
    """What was undone so far."""

    orders: int = 0
    voided: int = 0
    refused: list[tuple[int, str, str]]
    """Order id, sale id and the POS's answer, for each sale that is left to be voided by hand."""

    @property
    def counts(self) -> Counter[str]:
        """The counts that are noted with the run."""
        return Counter(orders=self.orders, voided=self.voided)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Void:
    """A sale to void."""

    sale_id: str
    refund_id: int
    """0 for the order's own sale."""
    owed: tuple[StockOwed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What to void for one order: refunds first, so that no refund is ever left without its sale."""

    row: LedgerRow
    voids: tuple[_Void, ...]


def to_undo(shell: Shell) -> ToUndo:
    """Add up what there is to undo, from the checkpoint alone."""
    found = ToUndo()
    for rows in _pages(shell.checkpoint):
        ids = [row.order_id for row in rows]
        sales = [row.applied.total for row in shell.checkpoint.ledger(ids).values() if row.applied.state.is_live]
        refunds = [row.total or ZERO for row in shell.checkpoint.refunds_of(ids) if row.state.is_standing]
        found = ToUndo(
            orders=found.orders + len(rows),
            sales=found.sales + len(sales),
            refunds=found.refunds + len(refunds),
            money=found.money + sum(sales, ZERO) - sum(refunds, ZERO),
        )
    return found


def run_undo(turns: Turns, limit: int | None = None, tell: Callable[[Undone], None] = lambda undone: None) -> Undone:
    """Undo what backfills brought over, at most `limit` orders; `tell` is called first and after each turn.

    Raises what stopped it. What was undone until then stays so, and the next run goes on from there.
    """
    undone = Undone(refused=[])
    with turns() as shell:
        run_id, workers = shell.checkpoint.begin_run(KIND, shell.clock()), shell.workers
        shell.checkpoint.end_backfills(shell.clock())
    tell(undone)
    try:
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="pos") as pool, of_run(str(run_id)):
            for _ in _all_pages(turns, run_id, pool, limit, undone):
                tell(undone)
    except BcpollError as error:
        if isinstance(error, RetryLater) and not isinstance(error, Unreachable):
            _leave_in_order(turns, run_id)
        end_run(turns, run_id, outcome_of(error), undone.counts, error.message)
        raise
    end_run(turns, run_id, RunOutcome.DONE, undone.counts)
    return undone


def _all_pages(turns: Turns, run_id: int, pool: Executor, limit: int | None, undone: Undone) -> Iterator[None]:
    last, portion = 0, Portion()
    while limit is None or undone.orders < limit:
        with turns() as shell:
            count = portion.orders(shell)
            most = count if limit is None else min(count, limit - undone.orders)
            page = _Page(shell, run_id, pool, undone)
            found = page.next_orders(last, most)
            if count:
                with portion.learning(shell, len(found)):
                    page.undo(found)
        last = max([last, *(row.order_id for row in found)])
        yield
        if count and len(found) < most:
            return
        portion.await_room(shell)


def _leave_in_order(turns: Turns, run_id: int) -> None:
    """After an orderly stop, settle what is owed to the stock; if that fails, the next run does it."""
    with suppress(BcpollError), turns() as shell:
        StockReturner(shell, run_id=run_id).settle()


class _Page:
    """Undoes one page of orders."""

    def __init__(self, shell: Shell, run_id: int, pool: Executor, undone: Undone) -> None:
        self._shell = shell
        self._checkpoint = shell.checkpoint
        self._run_id = run_id
        self._pool = pool
        self._undone = undone

    def next_orders(self, after: int, count: int) -> Sequence[BackfilledOrder]:
        """The next orders to undo, at most `count`; none where no more are left, or `count` is 0."""
        if self._shell.stop.is_set():
            raise STOPPED
        recover(self._shell, run_id=self._run_id)
        return self._checkpoint.backfilled_after(after, count)

    def undo(self, rows: Sequence[BackfilledOrder]) -> None:
        """Undo these orders, and settle what that leaves owed to the stock."""
        shell = self._shell
        if rows:
            jobs = list(self._jobs(rows))
            self._intend(jobs)
            halt = threading.Event()

            def carry_out(job: _Job) -> Sent:
                sends = [partial(void_sale, shell.pos, void.sale_id) for void in job.voids]
                return send_in_turn(job.row.order_id, sends, halt=halt, stop=shell.stop)

            self._close(rows, list(zip(jobs, self._pool.map(carry_out, jobs), strict=True)))
        if self._checkpoint.stock_owed(1):
            settle_unnoted(shell.pos, self._checkpoint)
        StockReturner(shell, run_id=self._run_id).settle()

    def _jobs(self, rows: Sequence[BackfilledOrder]) -> Iterator[_Job]:
        ids = [row.order_id for row in rows]
        ledger, refunds = self._checkpoint.ledger(ids), self._checkpoint.refunds_of(ids)
        unclear = {intent.order_id for intent in self._checkpoint.open_intents()}
        live = [row.applied.sale_id for row in ledger.values() if row.applied.state.is_live]
        standing = [row for row in refunds if row.state.is_standing]
        moved = self._checkpoint.moved_by_sales([*live, *(row.sale_id for row in standing)])
        for row in rows:
            of_order = ledger.get(row.order_id)
            if of_order is not None and row.order_id not in unclear:
                mine = [refund for refund in standing if refund.order_id == row.order_id]
                yield _Job(row=of_order, voids=tuple(self._voids(row, of_order, mine, moved)))

    def _voids(
        self,
        row: BackfilledOrder,
        of_order: LedgerRow,
        refunds: Sequence[RefundRow],
        moved: Mapping[str, Sequence[StockOwed]],
    ) -> Iterator[_Void]:
        for refund in refunds:
            owed = moved.get(refund.sale_id, ()) if row.is_neutral else self._taken_out(refund)
            yield _Void(sale_id=refund.sale_id, refund_id=refund.refund_id, owed=tuple(owed))
        if of_order.applied.state.is_live:
            owed = moved.get(of_order.applied.sale_id, ()) if row.is_neutral else ()
            yield _Void(sale_id=of_order.applied.sale_id, refund_id=0, owed=tuple(owed))

    def _taken_out(self, refund: RefundRow) -> Sequence[StockOwed]:
        """What an adjustment took out of stock after a refund: the void takes it out again, so it must be put back."""
        return [
            StockOwed(outlet_id=move.outlet_id, product_id=move.product_id, units=-move.units)
            for move in self._checkpoint.stock_moves_of_order(refund.order_id)
            if move.kind is IntentKind.STOCK and move.target == refund.sale_id
        ]

    def _intend(self, jobs: Sequence[_Job]) -> None:
        now, since = self._shell.clock(), self._checkpoint.feed_version(PRODUCT_FEED)
        self._checkpoint.intend(
            Intent(
                key=_key(void),
                order_id=job.row.order_id,
                kind=IntentKind.VOID_SALE,
                target=void.sale_id,
                body=_memory(job.row, void),
                since=since,
                created_at=now,
                run_id=self._run_id,
            )
            for job in jobs
            for void in job.voids
        )

    def _close(self, rows: Sequence[BackfilledOrder], done: Sequence[tuple[_Job, Sent]]) -> None:
        """Note what became of a page in one transaction, then raise what stopped it, if anything did."""
        checkpoint, now = self._checkpoint, self._shell.clock()
        finished = {job.row.order_id for job, sent in done if sent.is_done}
        finished |= self._unwritten(rows)
        with checkpoint.atomic():
            for job, sent in done:
                checkpoint.settle_many(sent.settlements([_key(void) for void in job.voids]), at=now)
                voided = [void for void, result in zip(job.voids, sent.results, strict=False) if result.is_done]
                checkpoint.owe_stock(owed for void in voided for owed in void.owed)
                checkpoint.undo_refunds([void.refund_id for void in voided if void.refund_id])
                is_void = any(not void.refund_id for void in voided)
                if is_void or job.row.order_id in finished:
                    row = _undone_row(job.row, is_void=is_void)
                    checkpoint.record([replace(row, written_at=now, run_id=self._run_id)])
                elif voided:
                    checkpoint.reopen_backfilled([job.row.order_id])
                self._count(job, sent, voided)
            checkpoint.solve(finished, now)
            checkpoint.forget_backfilled(finished)
        self._undone.orders += len(rows)
        error = stopped_by(sent for _, sent in done)
        if error is not None:
            raise error

    def _unwritten(self, rows: Sequence[BackfilledOrder]) -> set[int]:
        """Orders of which nothing was ever written, and nothing is under way."""
        ids = {row.order_id for row in rows}
        under_way = {intent.order_id for intent in self._checkpoint.open_intents()}
        return ids - self._checkpoint.ledger(ids).keys() - under_way

    def _count(self, job: _Job, sent: Sent, voided: Sequence[_Void]) -> None:
        self._undone.voided += len(voided)
        for void, result in zip(job.voids, sent.results, strict=False):
            if not result.is_done and result is not NOT_SENT:
                self._undone.refused.append((job.row.order_id, void.sale_id, result.detail))


def _key(void: _Void) -> str:
    return f"{IntentKind.VOID_SALE.value}:{void.sale_id}"


def _memory(row: LedgerRow, void: _Void) -> Json:
    """What a later run needs to note the void if this run dies before it can (`recover`)."""
    return {
        "order": order_memory(row.status_id, row.modified_at),
        "applied": applied_memory(replace(row.applied, state=AppliedState.VOIDED)),
        "undo": {"refund_id": void.refund_id, "owed": owed_memory(void.owed)},
    }


def _undone_row(row: LedgerRow, *, is_void: bool) -> LedgerRow:
    """The ledger row of an undone order: it has no fingerprint, so that a new backfill does not skip it."""
    applied = replace(row.applied, state=AppliedState.VOIDED) if is_void else row.applied
    return replace(row, disposition=UNDONE, fingerprint="", applied=applied)


def _pages(checkpoint: Checkpoint) -> Iterator[Sequence[BackfilledOrder]]:
    after = 0
    while rows := checkpoint.backfilled_after(after, _PAGE):
        yield rows
        after = rows[-1].order_id
