"""One page of orders from decision to checkpoint: what a pass and a backfill have in common.

Owns the order of these steps, and that a page is closed by one transaction. Which orders stand on a page, and what is
noted once it is done, is the caller's business.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress

from bcpoll.apply import Applier, Outcome, PageResult
from bcpoll.books import Books
from bcpoll.core.decode import order_id_of
from bcpoll.core.order import Json
from bcpoll.core.sale import CreateRefund
from bcpoll.decide import Decider, Evaluated
from bcpoll.errors import STOPPED, AccessRefused, BcpollError
from bcpoll.opening import OpeningStock
from bcpoll.planned import Planned
from bcpoll.putback import StockReturner
from bcpoll.rebuild import take_over
from bcpoll.refunds import RefundBook
from bcpoll.resolve import Resolver
from bcpoll.shell import Shell
from bcpoll.stock import StockTaker
from bcpoll.unnoted import settle_unnoted


class Pages:
    """Carries out pages, with the pieces that this takes; `run_id` 0 is a preview, which writes nothing."""

    def __init__(self, shell: Shell, *, run_id: int, pool: Executor, counts: Counter[str]) -> None:
        self._shell = shell
        self._run_id = run_id
        self._pool = pool
        self._counts = counts
        self._made_resolver: Resolver | None = None
        refunds_waiting: set[int] = set()
        self.books = Books(shell, run_id=run_id, counts=counts, refunds_waiting=refunds_waiting)
        self.refunds = RefundBook(shell, run_id=run_id, set_aside=self.books.set_aside)
        self.decider = Decider(
            shell,
            run_id=run_id,
            pool=pool,
            refunds=self.refunds,
            resolver=self._resolver,
            counts=counts,
            refunds_waiting=refunds_waiting,
        )
        self.openings = OpeningStock(
            shell,
            start=lambda: shell.checkpoint.start() or self.decider.start,
            refunds_of=self.decider.refunds_of,
        )

    def evaluate(self, rows: Sequence[Json], *, again: bool = False) -> Evaluated:
        """Decide about a page and write nothing."""
        return self.decider.evaluate(rows, again=again)

    def carry_out(self, rows: Sequence[Json], *, again: bool = False, also: Callable[[], None] = lambda: None) -> None:
        """One page from decision to checkpoint; raises what stopped it once the checkpoint is written.

        `also` is done in the closing transaction of a page that was carried out to its end.
        """
        self._counts["read"] += len(rows)
        evaluated = self._up_to_date(self.evaluate(rows, again=again), rows, again=again)
        result = self._applied(evaluated.planned)
        checkpoint, now = self._shell.checkpoint, self._shell.clock()
        with checkpoint.atomic():
            checkpoint.settle_many(result.settlements, at=now)
            self.books.keep(result.outcomes, now)
            self.books.keep_rejected(evaluated.rejected, now)
            checkpoint.solve(evaluated.left_alone, now)
            cut_short = {one.planned.order_id for one in result.outcomes if not one.is_finished}
            checkpoint.looked_at_refunds({order_id_of(raw) for raw in rows} - cut_short)
            if result.stopped_by is None and not self._shell.stop.is_set():
                also()
        self._counts["customers_created"] += result.customers_created
        self._counts["products_created"] += result.products_created
        if result.stopped_by is not None:
            raise result.stopped_by
        self.heed_stop()

    def take_over(self) -> set[int]:
        """Take over the sales that the POS holds and the checkpoint does not know; gives their orders."""
        shell = self._shell
        found = take_over(shell.pos, shell.checkpoint, shell.store_hash, shell.clock())
        return {*found.orders, *self.refunds.catch_up(found.others)}

    def catch_up(self) -> set[int]:
        """Take over the sales and adjustments that the POS holds and the checkpoint does not know; gives the orders.

        Adjustments that were made before this settle what is owed by now, and nothing of what is written from here on.
        """
        overtaken = self.take_over()
        # Without the right to see adjustments, none was made.
        with suppress(AccessRefused):
            settle_unnoted(self._shell.pos, self._shell.checkpoint)
        return overtaken

    def settle_stock(self) -> None:
        """Adjust the stock by all that is owed, less what the POS shows to have been adjusted by an unknown run."""
        checkpoint = self._shell.checkpoint
        if checkpoint.stock_owed(1) or checkpoint.refunds_to_take_out():
            settle_unnoted(self._shell.pos, checkpoint)
        self.adjust_stock()

    def adjust_stock(self) -> None:
        """Put back the stock that backfilled sales took; then take out returned goods that are not to be restocked."""
        shell = self._shell
        returner = StockReturner(shell, run_id=self._run_id)
        back = returner.settle()
        self._counts["put_back"] += back.units
        for rejected in back.rejected:
            self.books.set_aside(rejected, {}, rejected.detail, shell.clock())
        taker = StockTaker(shell, run_id=self._run_id)
        for taken in taker.take_out(self.heed_stop):
            self.books.tell_taken(taken)

    def heed_stop(self) -> None:
        """Raise what ends a run that was asked to stop."""
        if self._shell.stop.is_set():
            raise STOPPED

    def _up_to_date(self, evaluated: Evaluated, rows: Sequence[Json], *, again: bool) -> Evaluated:
        """The decisions about a page, anew for orders that a run unknown to this checkpoint has written meanwhile.

        A request for all that is to be written: a copy of the checkpoint on another host, or a backup that was put
        back, would write its sales a second time otherwise, and a POS may take them for others.
        """
        busy = {one.order_id for one in evaluated.planned if one.plan.actions}
        # Before its first write a checkpoint is behind nothing: another's sales would have kept it from its first run.
        is_first = not self._shell.checkpoint.version_before(self._shell.clock())
        if not busy or is_first or self.decider.trusts_ledger:
            return evaluated
        overtaken = self.take_over() & busy
        if not overtaken:
            return evaluated
        anew = self.evaluate([raw for raw in rows if order_id_of(raw) in overtaken], again=again)
        return Evaluated(
            planned=(*(one for one in evaluated.planned if one.order_id not in overtaken), *anew.planned),
            rejected=(*evaluated.rejected, *anew.rejected),
            left_alone=(*evaluated.left_alone, *anew.left_alone),
        )

    def _applied(self, planned: Sequence[Planned]) -> PageResult:
        if all(not one.plan.actions for one in planned):
            return PageResult(outcomes=tuple(Outcome.idle(one) for one in planned))
        if not self.decider.history and any(map(_takes_out, planned)):
            # No trouble with the adjustments is to keep a sale waiting: they are looked at once more afterwards.
            with suppress(BcpollError):
                settle_unnoted(self._shell.pos, self._shell.checkpoint)
        applier = Applier(shell=self._shell, resolver=self._resolver(), pool=self._pool, run_id=self._run_id)
        return applier.apply(planned)

    def _resolver(self) -> Resolver:
        shell = self._shell
        if self._made_resolver is None:
            self._made_resolver = Resolver(
                shell=shell,
                shop=shell.shop(),
                openings=self.openings.of,
                pool=self._pool,
                run_id=self._run_id,
            )
        return self._made_resolver


def _takes_out(planned: Planned) -> bool:
    """Whether returned goods are to be taken out of the stock once a plan is carried out."""
    return any(isinstance(action, CreateRefund) and not action.restocks for action in planned.plan.actions)
