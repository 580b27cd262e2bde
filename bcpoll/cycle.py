"""One pass: recover, poll, decode, translate, plan, apply, checkpoint, in this order and never back.

Owns which orders are looked at, in which order, and when the cursor moves. What to do about each is
up to `decide`, how to record it up to `books`. Reads no clock of its own.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from bcpoll.checkpoint import POLL, ReviewItem, RunOutcome
from bcpoll.core.decode import Head, decode_head, order_id_of
from bcpoll.core.order import Json
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.shop import Refunds
from bcpoll.core.times import STORE_CLOCKS_APART, rfc2822
from bcpoll.core.translate import is_wanted
from bcpoll.decide import Basis, Evaluated, is_before
from bcpoll.errors import AccessRefused, BcpollError, GiveUp, RetryLater, TooHeavy, WrongAnswer
from bcpoll.logs import about_order, of_run
from bcpoll.page import Pages
from bcpoll.planned import Planned
from bcpoll.recover import recover
from bcpoll.resolve import PRODUCT_FEED, OpeningsOf, read_product_feed
from bcpoll.shell import Shell
from bcpoll.start import SWEEP, begin
from bcpoll.transactions import outstanding

log = logging.getLogger(__name__)

# Orders that no page of the list held are read one by one, and carried out in pages of this many.
_AT_ONCE = 50

_SWEEP_EVERY = timedelta(days=1)

# Why an order from before the start may be set aside: for a refund of it, or because the store did not find it then.
_FOR_A_REFUND = frozenset({Reason.REFUND_OF_OLDER_ORDER, Reason.REFUND_UNCLEAR})

# The kind of a run that looks only at named orders, or at those that are set aside and due.
_NAMED = "orders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which orders a pass looks at: all that changed, those since a moment, or named ones whatever their age."""

    order_ids: tuple[int, ...] = ()
    since: datetime | None = None
    only_due: bool = False
    """Only what was set aside and whose next try has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a pass did. `counts` is 0 for what did not happen; `waiting` counts all that waits in review by now."""

    counts: Counter[str]
    waiting: int

    @property
    def set_aside(self) -> int:
        """How many orders this pass set aside."""
        return self.counts["set_aside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a pass would do: the plans, and what it would set aside."""

    planned: tuple[Planned, ...]
    rejected: tuple[tuple[Rejected, Json], ...]
    openings: OpeningsOf
    """The stock and price with which the pass would create products."""
    counts: Counter[str]


def run_pass(shell: Shell, scope: Scope = Scope()) -> Report:
    """Run one pass and keep its outcome in the checkpoint; raises what stopped it."""
    run_id = shell.checkpoint.begin_run(_NAMED if scope.order_ids or scope.only_due else POLL, shell.clock())
    with ThreadPoolExecutor(max_workers=shell.workers, thread_name_prefix="pos") as pool, of_run(str(run_id)):
        this = _Pass(shell, run_id, pool)
        try:
            this.run(scope)
        except BcpollError as error:
            outcome = RunOutcome.STOPPED if isinstance(error, RetryLater) else RunOutcome.FAILED
            shell.checkpoint.end_run(run_id, shell.clock(), outcome, dict(this.counts), error.message)
            raise
    report = Report(counts=this.counts, waiting=sum(shell.checkpoint.review_counts().values()))
    outcome = RunOutcome.SET_ASIDE if report.set_aside else RunOutcome.DONE
    shell.checkpoint.end_run(run_id, shell.clock(), outcome, report.counts)
    return report


def preview(shell: Shell, scope: Scope = Scope()) -> Preview:
    """The same flow stopped after the plan: nothing is written, neither to the POS nor to the checkpoint's ledger."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return _Pass(shell, 0, pool).preview(scope)


class _Pass:
    """The state of one pass: what it counts, and the pieces it works with once the first order needs them."""

    def __init__(self, shell: Shell, run_id: int, pool: ThreadPoolExecutor) -> None:
        self._shell = shell
        self._run_id = run_id
        self.counts: Counter[str] = Counter()
        self._start: datetime | None = None
        """Orders placed before it are left alone; None where named orders are looked at, whatever their age."""
        self._older: Collection[int] = ()
        """Orders from before the start that are tried again for a refund."""
        self._looked_at: set[int] = set()
        """Orders that were looked at so far because of a refund."""
        self._unpaid: set[int] = set()
        """Orders decided about so far that are booked as not paid."""
        self._unreadable: set[int] = set()
        """Orders that are in the store and could not be read."""
        self._pages = Pages(shell, run_id=run_id, pool=pool, counts=self.counts, start=lambda: self._start)
        self._books, self._refunds, self._decider = self._pages.books, self._pages.refunds, self._pages.decider

    def run(self, scope: Scope) -> None:
        """Run the whole pass; each page ends with its own transaction."""
        shell = self._shell
        self._pages.heed_stop()
        self.counts += recover(shell, run_id=self._run_id)
        if scope.order_ids:
            self._run_named(scope.order_ids)
        elif scope.only_due:
            self._start = shell.checkpoint.start()
            self._retry()
            self._pages.settle_stock()
        else:
            self._run_all(scope)

    def _run_named(self, order_ids: tuple[int, ...]) -> None:
        """Carry out named orders, whatever their age and whether or not they changed."""
        if self._shell.checkpoint.start() is None:
            self._shell.before_first()
        self._decider.ask_refunds(order_ids)
        self._page(list(self._raw_orders(order_ids, is_named=True)), again=True)
        self._pages.settle_stock()

    def _run_all(self, scope: Scope) -> None:
        """Carry out what changed: orders, then refunds, then what is to be tried again; once a day, the sweep."""
        shell = self._shell
        self._start = start = begin(shell)
        is_sweep = scope.since is None and self._is_sweep_due()
        if is_sweep:
            # A damaged page is met when it is read, which may be never, or too late: once a day all of them are.
            shell.checkpoint.verify()
        trouble = self._read_refunds(scope, is_sweep=is_sweep)
        for rows in shell.source.changed_since(self._since(scope, start, is_sweep=is_sweep)):
            self._page(rows, moves_cursor=scope.since is None)
        self._follow_refunds()
        for group in self._cut_short():
            self._page(list(self._raw_orders(group)))
        # New orders first: an old one whose retry ends the pass must not keep them waiting.
        self._retry()
        self._pages.settle_stock()
        if trouble is not None:
            raise trouble
        if is_sweep:
            self._finish_sweep()

    def _finish_sweep(self) -> None:
        """What is done once a day, when all that changed is carried out."""
        checkpoint, now = self._shell.checkpoint, self._shell.clock
        for group in self._outstanding():
            self._page(list(self._raw_orders(group)), again=True)
        if checkpoint.feed_version(PRODUCT_FEED):
            # A code may have gone over to another product, of which no order tells.
            read_product_feed(self._shell.pos, checkpoint)
        self._check_newest()
        checkpoint.prune(now() - self._shell.keep_payloads)
        checkpoint.set_mark(SWEEP, now())

    def _check_newest(self) -> None:
        """Raise WrongAnswer where the list of changed orders has never shown the store's newest order.

        A list that leaves orders out looks like a shop without any: every run would go well and do nothing.
        """
        shell = self._shell
        for order_id in shell.source.newest_order_ids(1):
            if shell.checkpoint.ledger([order_id]) or shell.checkpoint.review_item_of(order_id):
                continue
            raw = shell.source.order(order_id)
            head = decode_head(raw) if raw else None
            if not isinstance(head, Head) or is_before(head, self._start) or not is_wanted(head, shell.policy):
                continue
            # One that has only just been placed may have come after the list was read, or may show in it late.
            if head.modified_at < shell.source.server_time() - shell.overlap:
                raise WrongAnswer(
                    f"/v2/orders: the newest order {order_id}, modified {rfc2822(head.modified_at)}, is not in the list"
                    " of changed orders",
                    hint=f"Import it with bcpoll run-once --order {order_id}, and see whether orders after it arrive.",
                )

    def preview(self, scope: Scope) -> Preview:
        """Evaluate every page and write none."""
        shell = self._shell
        if scope.order_ids:
            self._decider.ask_refunds(scope.order_ids)
            evaluated = [self._evaluated(list(self._raw_orders(scope.order_ids, is_named=True)), again=True)]
        else:
            self._start = start = shell.checkpoint.start() or shell.start or shell.source.server_time()
            is_sweep = scope.since is None and self._is_sweep_due()
            trouble = self._read_refunds(scope, is_sweep=is_sweep)
            if trouble is not None:
                raise trouble
            since = self._since(scope, start, is_sweep=is_sweep)
            evaluated = [self._evaluated(rows) for rows in shell.source.changed_since(since)]
            evaluated += [self._evaluated(list(self._raw_orders(group))) for group in self._refunded_orders()]
            seen = {one.order_id for page in evaluated for one in page.planned}
            evaluated += [self._evaluated(list(self._raw_orders(group))) for group in self._cut_short(seen)]
            evaluated.append(self._evaluated(list(self._raw_orders(self._due())), again=True))
            late = self._outstanding() if is_sweep else ()
            evaluated += [self._evaluated(list(self._raw_orders(group)), again=True) for group in late]
        return Preview(
            planned=tuple(planned for page in evaluated for planned in page.planned),
            rejected=tuple((rejected, version.raw) for page in evaluated for version, rejected in page.rejected),
            openings=self._pages.openings.of,
            counts=self.counts,
        )

    def _evaluated(self, rows: Sequence[Json], *, again: bool = False) -> Evaluated:
        """Decide about one page and write nothing."""
        return self._remembered(self._pages.evaluate(rows, self._basis(again=again)))

    def _basis(self, *, again: bool) -> Basis:
        return Basis(again=again, start=self._start, older=self._older)

    def _remembered(self, evaluated: Evaluated) -> Evaluated:
        """Remember of the decisions what keeps an order from being looked at twice in one pass."""
        self._looked_at |= evaluated.looked_at
        self._unpaid |= evaluated.unpaid
        return evaluated

    # --- which orders ------------------------------------------------------------------------------------------------

    def _since(self, scope: Scope, start: datetime, *, is_sweep: bool) -> datetime:
        """The moment to read from: the cursor less the overlap, once a day less the sweep; never before the start."""
        shell = self._shell
        cursor = shell.checkpoint.cursor() or start
        return max(scope.since or cursor - (shell.sweep if is_sweep else shell.overlap), start)

    def _is_sweep_due(self) -> bool:
        last = self._shell.checkpoint.mark(SWEEP)
        # A mark from the future is a clock that was set back: sweep rather than never again.
        return last is not None and not timedelta(0) <= self._shell.clock() - last < _SWEEP_EVERY

    def _raw_orders(self, order_ids: Iterable[int], *, is_named: bool = False) -> Iterator[Json]:
        """The orders as they are by now, read one by one; one that is gone is left out.

        So is one that cannot be read, unless a person named it.
        """
        for order_id in order_ids:
            with about_order(order_id):
                raw = self._raw_order(order_id, is_named=is_named)
            if raw is not None:
                yield raw

    def _raw_order(self, order_id: int, *, is_named: bool) -> Json | None:
        try:
            raw = self._shell.source.order(order_id)
        except (TooHeavy, WrongAnswer) as error:
            if is_named:
                raise
            # One order that the store breaks over must not keep all others waiting. If all of it is down, this says so.
            self._shell.source.server_time()
            log.warning("order %s cannot be read: %s", order_id, error.message, extra={"order": order_id})
            self._unreadable.add(order_id)
            self.counts["unreadable"] += 1
            return None
        if raw is None:
            log.warning("BigCommerce has no order %s", order_id, extra={"order": order_id})
            self.counts["not_found"] += 1
        return raw

    def _read_refunds(self, scope: Scope, *, is_sweep: bool) -> BcpollError | None:
        """Read and keep refunds; gives the error where that list alone fails, so that orders need not wait for it."""
        shell = self._shell
        if shell.policy.refunds is Refunds.IGNORE:
            if self._run_id:
                shell.checkpoint.end_refunds()
            return None
        try:
            self._refunds.read(scope.since, shell.sweep if is_sweep else shell.overlap, first=self._start)
        except (TooHeavy, WrongAnswer, GiveUp, AccessRefused) as error:
            log.warning("refunds cannot be read: %s", error.message)
            return error
        return None

    def _refunded_orders(self) -> Iterator[list[int]]:
        """Refunded orders that stood on no page, in groups: a refund may not change an order's modification time."""
        if self._shell.policy.refunds is Refunds.IGNORE:
            return
        order_ids = [order_id for order_id in self._refunds.due_orders() if order_id not in self._looked_at]
        yield from _in_groups(order_ids)

    def _cut_short(self, seen: Collection[int] = ()) -> Iterator[list[int]]:
        """Orders that an earlier run left half written and that stood on no page, in groups.

        A sale that was voided so that another takes its place is gone, and the order may never change again.
        """
        return _in_groups([order_id for order_id in self._shell.checkpoint.cut_short() if order_id not in seen])

    def _outstanding(self) -> Iterator[list[int]]:
        """Orders that may have been paid without a change of modification time, but for those just decided about."""
        found = outstanding(self._shell.checkpoint, self._shell.policy, self._shell.clock())
        return _in_groups([order_id for order_id in found if order_id not in self._unpaid])

    def _due(self) -> dict[int, ReviewItem]:
        """Review items whose next try has come, by order; one without an order id cannot be read again."""
        due = {item.order_id: item for item in self._shell.checkpoint.due(self._shell.clock()) if item.order_id}
        self._older = {one.order_id for one in due.values() if one.reason in _FOR_A_REFUND}
        return due

    # --- writing -----------------------------------------------------------------------------------------------------

    def _page(self, rows: Sequence[Json], *, again: bool = False, moves_cursor: bool = False) -> None:
        """Carry out one page and, with `moves_cursor`, move the cursor in the same transaction."""
        reached = self._reached(rows) if moves_cursor else None

        def move_cursor() -> None:
            if reached is not None:
                self._shell.checkpoint.move_cursor(reached)

        self._remembered(self._pages.carry_out(rows, self._basis(again=again), also=move_cursor))

    def _retry(self) -> None:
        """Try what is due once more; an order that the store does not give is asked for less and less often."""
        due = self._due()
        self._decider.ask_refunds(
            [order_id for order_id, found in self._decider.refunds_of(due.keys()).items() if found.waiting]
        )
        rows = list(self._raw_orders(due))
        self._page(rows, again=True)
        for order_id in due.keys() - {order_id_of(raw) for raw in rows}:
            item = due[order_id]
            gone = Rejected(order_id=order_id, reason=item.reason, field=item.field, detail=item.detail)
            self._books.set_aside(gone, item.payload, item.fingerprint, self._shell.clock())

    def _follow_refunds(self) -> None:
        """Look at orders because they were refunded; one that is gone from the store is left to a person."""
        for group in self._refunded_orders():
            rows = list(self._raw_orders(group))
            self._page(rows)
            for order_id in set(group) - {order_id_of(raw) for raw in rows} - self._unreadable:
                gone = Rejected(
                    order_id=order_id,
                    reason=Reason.REFUND_UNCLEAR,
                    field="order_id",
                    detail=f"BigCommerce has no order {order_id} any more",
                )
                with self._shell.checkpoint.atomic():
                    self._books.set_aside(gone, {}, "", self._shell.clock())
                    self._shell.checkpoint.looked_at_refunds([order_id])

    def _reached(self, rows: Iterable[Json]) -> datetime | None:
        """The newest modification time among rows: where the cursor is to stand once all are applied or set aside.

        A time that cannot be read moves nothing, and neither does one ahead of the store's own clock: all orders up to
        then would be passed over.
        """
        times = [head.modified_at for head in map(decode_head, rows) if isinstance(head, Head)]
        if times and max(times) > self._shell.clock() + STORE_CLOCKS_APART:
            now = self._shell.source.server_time()
            times = [at for at in times if at <= now + STORE_CLOCKS_APART]
        return max(times, default=None)


def _in_groups(order_ids: Sequence[int]) -> Iterator[list[int]]:
    for first in range(0, len(order_ids), _AT_ONCE):
        yield list(order_ids[first : first + _AT_ONCE])
