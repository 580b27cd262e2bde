"""One page of orders, from decision to checkpoint: what a pass and a backfill have in common.

Owns the order of these steps, and that one transaction closes a page. Which orders stand on a page, and what else is
noted once it is done, is the caller's business.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from datetime import datetime

from bcpoll.apply import Applier, Outcome, PageResult
from bcpoll.books import Books
from bcpoll.core.decode import order_id_of
from bcpoll.core.order import Json
from bcpoll.core.sale import CreateRefund
from bcpoll.decide import Basis, Decider, Evaluated
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

    def __init__(
        self,
        shell: Shell,
        *,
        run_id: int,
        pool: Executor,
        counts: Counter[str],
        start: Callable[[], datetime | None] = lambda: None,
    ) -> None:
        """`start` is asked for where the checkpoint has no start yet, as in the preview of a first pass."""
        self._shell = shell
        self._run_id = run_id
        self._pool = pool
        self._counts = counts
        self._made_resolver: Resolver | None = None
        self.books = Books(shell, run_id=run_id, counts=counts)
        self.refunds = RefundBook(shell, run_id=run_id, set_aside=self.books.set_aside)
        self.decider = Decider(
            shell,
            run_id=run_id,
            pool=pool,
            refunds=self.refunds,
            resolver=self._resolver,
            counts=counts,
        )
        self.openings = OpeningStock(
            shell,
            start=lambda: shell.checkpoint.start() or start(),
            refunds_of=self.decider.refunds_of,
        )

    def evaluate(self, rows: Sequence[Json], basis: Basis) -> Evaluated:
        """Decide about a page and write nothing."""
        evaluated = self.decider.evaluate(rows, basis)
        self.books.expect_refunds(evaluated.refunds_waiting)
        return evaluated

    def carry_out(self, rows: Sequence[Json], basis: Basis, *, also: Callable[[], None] = lambda: None) -> Evaluated:
        """Take one page from decision to checkpoint and give the decisions; once all is written, raise what stopped it.

        `also` is called in the transaction that closes the page, unless the page was cut short.
        """
        self._counts["read"] += len(rows)
        evaluated = self._up_to_date(self.evaluate(rows, basis), rows, basis)
        result = self._applied(evaluated.planned, basis)
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
        return evaluated

    def take_over(self) -> set[int]:
        """Take over the sales that the POS holds and the checkpoint does not know, and give their orders."""
        shell = self._shell
        found = take_over(shell.pos, shell.checkpoint, shell.store_hash, shell.clock())
        return {*found.orders, *self.refunds.catch_up(found.others)}

    def catch_up(self) -> set[int]:
        """Take over the sales and adjustments that the POS holds and the checkpoint does not know; gives the orders.

        The adjustments made so far settle what is owed so far, but nothing of what is written from here on.
        """
        overtaken = self.take_over()
        # A token without the right to see adjustments has made none.
        with suppress(AccessRefused):
            settle_unnoted(self._shell.pos, self._shell.checkpoint)
        return overtaken

    def settle_stock(self) -> None:
        """Adjust the stock by all that is owed, less what an unknown run has adjusted already, as the POS shows."""
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

    def _up_to_date(self, evaluated: Evaluated, rows: Sequence[Json], basis: Basis) -> Evaluated:
        """The decisions about a page, taken anew for orders that a run unknown to this checkpoint has written.

        It costs one request for a page that writes anything. Without it, a copy of the checkpoint on another host or a
        restored backup would write sales a second time, and the POS might take them for others.
        """
        busy = {one.order_id for one in evaluated.planned if one.plan.actions}
        if not busy or basis.trusts_ledger:
            return evaluated
        # A checkpoint cannot be behind before its first write: sales of another would have kept it from its first run.
        if not self._shell.checkpoint.version_before(self._shell.clock()):
            return evaluated
        overtaken = self.take_over() & busy
        if not overtaken:
            return evaluated
        anew = self.evaluate([raw for raw in rows if order_id_of(raw) in overtaken], basis)
        return Evaluated(
            planned=(*(one for one in evaluated.planned if one.order_id not in overtaken), *anew.planned),
            rejected=(*evaluated.rejected, *anew.rejected),
            left_alone=(*evaluated.left_alone, *anew.left_alone),
            looked_at=evaluated.looked_at | anew.looked_at,
            refunds_waiting=evaluated.refunds_waiting | anew.refunds_waiting,
        )

    def _applied(self, planned: Sequence[Planned], basis: Basis) -> PageResult:
        if all(not one.plan.actions for one in planned):
            return PageResult(outcomes=tuple(Outcome.idle(one) for one in planned))
        if not basis.history and any(map(_takes_out, planned)):
            # Trouble with adjustments must not keep a sale waiting: they are looked at once more afterwards.
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
    """Whether a plan leaves returned goods that are to be taken out of stock again."""
    return any(isinstance(action, CreateRefund) and not action.restocks for action in planned.plan.actions)
