"""One pass: recover, poll, decode, translate, plan, apply, checkpoint, in this order and never back.

Owns which orders concern us, when the cursor moves, and what is set aside. Speaks to both sides and to the checkpoint
through what it is given; reads no clock of its own.
"""

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from hashlib import blake2b
from typing import TypeVar

from bcpoll.apply import STOPPED, Applier, Outcome, PageResult, Planned
from bcpoll.checkpoint import Checkpoint, IntentKind, LedgerRow, ReviewItem, RunOutcome
from bcpoll.config import WhenClosed
from bcpoll.core.consignments import lines_are_complete
from bcpoll.core.decode import Head, decode_head, decode_order, order_id_of
from bcpoll.core.money import Currency, amount_text
from bcpoll.core.order import Json, Order, Refund, Transaction
from bcpoll.core.plan import plan
from bcpoll.core.refunds import gives_nothing, refund_codes, with_refunds
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import Action, Applied, CreateRefund, CreateSale, Desired, FulfillSale, SettleSale, VoidSale
from bcpoll.core.shop import KnownProducts, Policy, Refunds, Shop
from bcpoll.core.status import OrderStatus
from bcpoll.core.times import rfc2822
from bcpoll.core.translate import is_wanted, not_wanted, product_codes, translate
from bcpoll.errors import AccessRefused, BcpollError, GiveUp, RetryLater, TooHeavy, WrongAnswer
from bcpoll.ports import OrderSource, PointOfSale
from bcpoll.rebuild import caught_up
from bcpoll.recover import recover
from bcpoll.refunds import NONE, OrderRefunds, RefundBook
from bcpoll.resolve import Resolver
from bcpoll.stock import StockTaker, TakenOut
from bcpoll.transactions import TransactionReader, outstanding

log = logging.getLogger(__name__)

T = TypeVar("T")

# Orders that are not imported yet but may become real although they were created before the start.
_WATCHED = (OrderStatus.INCOMPLETE, OrderStatus.PENDING)

# No search of the POS lags behind for longer; how long it does is not documented.
_SEARCH_CAUGHT_UP = timedelta(days=1)

# A checkpoint whose last run is longer ago may come from a backup: looking every sale up first costs no run that comes
# in time anything.
_BACKED_UP_AFTER = timedelta(hours=1)

# How many orders are looked at together that stood on no page: each is a request of its own.
_AT_ONCE = 50

# How far the clocks of the store's own machines may be apart.
_AHEAD = timedelta(days=1)

_SWEEP = "sweep"
_SWEEP_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """What a pass works with: both sides, the checkpoint, the shop and the merchant's choices."""

    source: OrderSource
    pos: PointOfSale
    checkpoint: Checkpoint
    shop: Callable[[], Shop]
    """Asked for when the first order needs it: a pass without orders asks the POS nothing."""
    store_hash: str
    policy: Policy
    clock: Callable[[], datetime]
    start: datetime | None
    overlap: timedelta
    sweep: timedelta
    keep_payloads: timedelta
    workers: int
    when_closed: WhenClosed
    stop: threading.Event = field(default_factory=threading.Event)
    before_first: Callable[[], None] = lambda: None
    """Called before the first run of a checkpoint; may raise to keep it from happening."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which orders a pass looks at: all that changed, those since a moment, or named ones whatever their age."""

    order_ids: tuple[int, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a pass did. `counts` of what did not happen are 0; `waiting` is all that waits for a person."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """A version of an order as it came, with what the ledger says about the order."""

    raw: Json
    head: Head | Rejected
    fingerprint: str
    applied: Applied
    refunds: OrderRefunds = NONE
    is_ours: bool = True
    """False for an order from before the start that is looked at only because it was refunded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evaluated:
    """A page after all decisions: plans, and what cannot be carried out."""

    planned: tuple[Planned, ...]
    rejected: tuple[tuple[_Version, Rejected], ...]
    left_alone: tuple[int, ...] = ()
    """Orders from before the start of which nothing was refunded after all."""


def run_pass(shell: Shell, scope: Scope = Scope()) -> Report:
    """Run one pass and keep its outcome in the checkpoint; raises what stopped it."""
    run_id = shell.checkpoint.begin_run("pass", shell.clock())
    with ThreadPoolExecutor(max_workers=shell.workers, thread_name_prefix="pos") as pool:
        one = _Pass(shell, run_id, pool)
        try:
            one.run(scope)
        except BcpollError as error:
            outcome = RunOutcome.STOPPED if isinstance(error, RetryLater) else RunOutcome.FAILED
            shell.checkpoint.end_run(run_id, shell.clock(), outcome, dict(one.counts), error.message)
            raise
    report = Report(counts=one.counts, waiting=sum(shell.checkpoint.review_counts().values()))
    outcome = RunOutcome.SET_ASIDE if report.set_aside else RunOutcome.DONE
    shell.checkpoint.end_run(run_id, shell.clock(), outcome, report.counts)
    return report


def preview(shell: Shell, scope: Scope = Scope()) -> Preview:
    """The same flow stopped after the plan: nothing is written, neither to the POS nor to the checkpoint's ledger."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return _Pass(shell, 0, pool).preview(scope)


def fingerprint(raw: Json) -> str:
    """Digest of a raw order: the same content gives the same digest, in whatever order its members came."""
    text = json.dumps(raw, sort_keys=True, default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def with_lines(source: OrderSource, raw: Json, order_id: int) -> Json | Rejected:
    """A raw order with all its lines in place of those that were embedded."""
    try:
        return raw | {"products": source.order_lines(order_id)}
    except TooHeavy as error:
        # The store is there, it broke over this one order: that must not hold up the others.
        return Rejected(order_id=order_id, reason=Reason.LINES_INCOMPLETE, field="products", detail=error.message)


class _Pass:
    """The state of one pass: what it counts, and the pieces it works with once the first order needs them."""

    def __init__(self, shell: Shell, run_id: int, pool: ThreadPoolExecutor) -> None:
        self._shell = shell
        self._run_id = run_id
        self._pool = pool
        self._resolver: Resolver | None = None
        self._start: datetime | None = None
        self._refunds = RefundBook(
            source=shell.source,
            checkpoint=shell.checkpoint,
            clock=shell.clock,
            run_id=run_id,
            set_aside=lambda rejected, raw, digest: self._set_aside(rejected, raw, digest, shell.clock()),
            # A preview is no run.
            keeps=bool(run_id),
        )
        self._transactions = TransactionReader(shell.source, shell.policy, pool)
        self._looked_at: set[int] = set()
        self._are_refunds_waiting: set[int] = set()
        self._older: set[int] = set()
        """Orders from before the start, which stay left alone when they are tried again for a refund of theirs."""
        self._but_for_stock: set[int] = set()
        """Orders that went well, if only their returned goods are taken out of stock."""
        self.counts: Counter[str] = Counter()

    def run(self, scope: Scope) -> None:
        """Everything in order; each page ends with its own transaction."""
        shell = self._shell
        self._heed_stop()
        self.counts += recover(shell.pos, shell.checkpoint, now=shell.clock(), run_id=self._run_id)
        if scope.order_ids:
            if shell.checkpoint.start() is None:
                shell.before_first()
            self._ask_refunds(scope.order_ids)
            self._page(list(self._named(scope.order_ids)), again=True)
            self._take_out()
            return
        self._start = self._begin()
        is_sweep = scope.since is None and self._is_sweep_due()
        if is_sweep:
            # A damaged page is met when it is read, which may be never, or too late: once a day all of them are.
            shell.checkpoint.verify()
        trouble = self._read_refunds(scope, is_sweep=is_sweep)
        for rows in shell.source.changed_since(self._since(scope, self._start, is_sweep=is_sweep)):
            self._page(rows, moves_cursor=scope.since is None)
        self._refunded()
        # New orders first: an old one whose retry ends the pass must not keep them waiting.
        self._retry()
        self._take_out()
        if trouble is not None:
            raise trouble
        if is_sweep:
            for group in self._outstanding():
                self._page(list(self._named(group)), again=True)
            self._check_newest()
            shell.checkpoint.prune(shell.clock() - shell.keep_payloads)
            shell.checkpoint.set_mark(_SWEEP, shell.clock())

    def _check_newest(self) -> None:
        """Raise WrongAnswer where the store's newest order is none that the list of changed orders has shown.

        A list that leaves orders out looks like a shop without any: every run would go well and do nothing.
        """
        shell = self._shell
        for order_id in shell.source.newest_order_ids(1):
            if shell.checkpoint.ledger([order_id]) or shell.checkpoint.review_item_of(order_id):
                continue
            raw = shell.source.order(order_id)
            head = decode_head(raw) if raw else None
            if not isinstance(head, Head) or _is_before(head, self._start) or not is_wanted(head, shell.policy):
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
            self._ask_refunds(scope.order_ids)
            evaluated = [self._evaluated(list(self._named(scope.order_ids)), again=True)]
        else:
            self._start = shell.checkpoint.start() or shell.start or shell.source.server_time()
            is_sweep = scope.since is None and self._is_sweep_due()
            trouble = self._read_refunds(scope, is_sweep=is_sweep)
            if trouble is not None:
                raise trouble
            since = self._since(scope, self._start, is_sweep=is_sweep)
            evaluated = [self._evaluated(rows) for rows in shell.source.changed_since(since)]
            evaluated += [self._evaluated(list(self._named(group))) for group in self._refunded_orders()]
            evaluated.append(self._evaluated(list(self._named(self._due())), again=True))
            late = self._outstanding() if is_sweep else ()
            evaluated += [self._evaluated(list(self._named(group)), again=True) for group in late]
        return Preview(
            planned=tuple(planned for page in evaluated for planned in page.planned),
            rejected=tuple((rejected, version.raw) for page in evaluated for version, rejected in page.rejected),
        )

    # --- which orders ------------------------------------------------------------------------------------------------

    def _begin(self) -> datetime:
        """The start; on the first run it is fixed, and orders that may still become real are noted."""
        shell = self._shell
        start = shell.checkpoint.start()
        if start is not None:
            return start
        shell.before_first()
        start = shell.start or shell.source.server_time()
        watched = [order_id for status in _WATCHED for order_id in shell.source.order_ids_with_status(status)]
        with shell.checkpoint.atomic():
            shell.checkpoint.watch(watched)
            shell.checkpoint.set_start(start)
            shell.checkpoint.move_cursor(start)
            shell.checkpoint.set_mark(_SWEEP, shell.clock())
            if shell.policy.refunds is Refunds.IMPORT:
                shell.checkpoint.begin_refunds(start)
        log.info("first run: orders placed from %s on are imported", rfc2822(start))
        return start

    def _since(self, scope: Scope, start: datetime, *, is_sweep: bool) -> datetime:
        """From when on to read: the overlap, or once a day the sweep, before the cursor, but never before the start."""
        shell = self._shell
        cursor = shell.checkpoint.cursor() or start
        return max(scope.since or cursor - (shell.sweep if is_sweep else shell.overlap), start)

    def _is_sweep_due(self) -> bool:
        last = self._shell.checkpoint.mark(_SWEEP)
        # A mark from the future is a clock that was set back: sweep rather than never again.
        return last is not None and not timedelta(0) <= self._shell.clock() - last < _SWEEP_EVERY

    def _named(self, order_ids: Iterable[int]) -> Iterator[Json]:
        for order_id in order_ids:
            raw = self._shell.source.order(order_id)
            if raw is None:
                log.warning("BigCommerce has no order %s", order_id, extra={"order": order_id})
                self.counts["not_found"] += 1
            else:
                yield raw

    def _read_refunds(self, scope: Scope, *, is_sweep: bool) -> BcpollError | None:
        """Keep what was refunded; gives what is wrong where that list alone fails: new orders need not wait for it."""
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

    def _ask_refunds(self, order_ids: Collection[int]) -> None:
        if self._shell.policy.refunds is Refunds.IMPORT:
            self._refunds.ask(order_ids)

    def _refunds_of(self, order_ids: Collection[int]) -> Mapping[int, OrderRefunds]:
        if self._shell.policy.refunds is Refunds.IGNORE or not order_ids:
            return {}
        if self._may_be_behind:
            self._refunds.catch_up(self._shell.pos, self._shell.store_hash, order_ids)
        return self._refunds.of(order_ids)

    def _refunded_orders(self) -> Iterator[list[int]]:
        """Orders that were refunded and stood on no page, in groups: nothing tells that a refund moves their time."""
        if self._shell.policy.refunds is Refunds.IGNORE:
            return
        order_ids = [order_id for order_id in self._refunds.due_orders() if order_id not in self._looked_at]
        yield from _in_groups(order_ids)

    def _outstanding(self) -> Iterator[list[int]]:
        """Orders whose money may have come in without moving their time, in groups."""
        return _in_groups(outstanding(self._shell.checkpoint, self._shell.policy, self._shell.clock()))

    def _due(self) -> dict[int, ReviewItem]:
        """What was set aside and whose next try has come, by order; a payload without an id cannot be read anew."""
        due = {item.order_id: item for item in self._shell.checkpoint.due(self._shell.clock()) if item.order_id}
        self._older = {one.order_id for one in due.values() if one.reason is Reason.REFUND_OF_OLDER_ORDER}
        return due

    # --- decisions ---------------------------------------------------------------------------------------------------

    def _evaluated(self, rows: Sequence[Json], *, again: bool = False) -> _Evaluated:
        return self._evaluate(self._versions(rows, again=again), again=again)

    def _versions(self, rows: Sequence[Json], *, again: bool) -> list[_Version]:
        """The rows that concern us and were not seen in this version; with `again`, all of them."""
        heads = [(raw, decode_head(raw), fingerprint(raw)) for raw in rows]
        ids = {order_id_of(raw) for raw in rows} - {0}
        ledger = self._shell.checkpoint.ledger(ids)
        watched = self._shell.checkpoint.watched(ids - ledger.keys())
        refunds = self._refunds_of(ids)
        self._looked_at |= ids
        versions: dict[int | str, _Version] = {}
        for raw, head, digest in heads:
            order_id = order_id_of(raw)
            row = ledger.get(order_id)
            of_order = refunds.get(order_id, NONE)
            is_known = (again and order_id not in self._older) or row is not None or order_id in watched
            is_ours = is_known or not _is_before(head, self._start)
            if not again and row is not None and row.fingerprint == digest and not of_order.is_due:
                self.counts["unchanged"] += 1
                # What stands before it on the page is an older version.
                versions.pop(order_id, None)
            elif not is_ours and not of_order.is_due and not again:
                self.counts["before_start"] += 1
            else:
                applied = self._applied(order_id, row)
                # An order that changed while the page was read stands on it twice: the later version counts.
                versions[order_id or digest] = _Version(
                    raw=raw, head=head, fingerprint=digest, applied=applied, refunds=of_order, is_ours=is_ours
                )
        return list(self._with_asked_refunds(versions.values()))

    def _with_asked_refunds(self, versions: Iterable[_Version]) -> Iterator[_Version]:
        """Where the status says Refunded and no refund is known, the store is asked before anything is made of it."""
        every = list(versions)
        without = (one for one in every if one.refunds is NONE and _is_refunded(one.head, self._shell.policy))
        unknown = {order_id_of(one.raw) for one in without}
        self._ask_refunds(unknown)
        asked = self._refunds_of(unknown)
        for one in every:
            found = replace(one, refunds=asked.get(order_id_of(one.raw), one.refunds))
            if found.refunds.waiting:
                self._are_refunds_waiting.add(order_id_of(one.raw))
            yield found

    def _applied(self, order_id: int, row: LedgerRow | None) -> Applied:
        """What was written for an order: by the ledger, or by the POS where the ledger may be behind it."""
        applied = row.applied if row else Applied(order_id=order_id)
        if not order_id or not self._may_be_behind:
            return applied
        return caught_up(self._shell.pos, self._shell.store_hash, applied)

    @cached_property
    def _may_be_behind(self) -> bool:
        """Whether the POS may hold sales that the ledger does not know: after a crash, or back from a backup."""
        checkpoint = self._shell.checkpoint
        before = next((run for run in checkpoint.last_runs(2) if run.id != self._run_id), None)
        is_old = before is not None and not timedelta(0) <= self._shell.clock() - before.begun_at < _BACKED_UP_AFTER
        return is_old or checkpoint.was_left_open

    def _evaluate(self, versions: Sequence[_Version], *, again: bool) -> _Evaluated:
        """Decide about every version: what to do, or why nothing can be done."""
        planned: list[Planned] = []
        rejected: list[tuple[_Version, Rejected]] = []
        orders: list[tuple[_Version, Head, Order]] = []
        left_alone: list[int] = []
        for version in versions:
            order = _guarded(version, self._decode)
            if isinstance(order, Rejected):
                rejected.append((version, order))
            elif isinstance(order, Order) and isinstance(version.head, Head):
                orders.append((version, version.head, order))
            elif isinstance(version.head, Head) and version.is_ours:
                planned.append(self._planned(version, version.head, not_wanted(version.head.id)))
            else:
                left_alone.append(order_id_of(version.raw))
        known = self._known_products([(order, version.refunds) for version, _, order in orders], afresh=again)
        told = self._transactions.of([order for _, _, order in orders])
        for version, head, order in orders:
            desired = _guarded(version, partial(self._translate, order, known, told.get(order.id)))
            if isinstance(desired, Rejected):
                rejected.append((version, desired))
            else:
                planned.append(self._planned(version, head, desired))
        return _Evaluated(planned=tuple(planned), rejected=tuple(rejected), left_alone=tuple(left_alone))

    def _decode(self, version: _Version) -> Order | Rejected | None:
        """The order; None where its status or source says that it is not imported."""
        head = version.head
        if isinstance(head, Rejected):
            return head
        if not is_wanted(head, self._shell.policy):
            return None
        if not version.is_ours:
            return _of_older_order(head, version)
        raw = version.raw
        if not lines_are_complete(raw):
            self.counts["lines_read"] += 1
            whole = with_lines(self._shell.source, raw, head.id)
            return whole if isinstance(whole, Rejected) else decode_order(whole, head)
        return decode_order(raw, head)

    def _translate(
        self,
        order: Order,
        known: KnownProducts,
        transactions: tuple[Transaction, ...] | Rejected | None,
        version: _Version,
    ) -> Desired | Rejected:
        if isinstance(transactions, Rejected):
            return transactions
        shop, policy = self._shell.shop(), self._shell.policy
        desired = translate(order, shop, policy, known, transactions=transactions)
        if isinstance(desired, Rejected):
            return desired
        return with_refunds(desired, order, version.refunds.waiting, shop=shop, policy=policy, known=known)

    def _known_products(self, orders: Sequence[tuple[Order, OrderRefunds]], *, afresh: bool) -> KnownProducts:
        policy = self._shell.policy
        codes = {
            code
            for order, refunds in orders
            for code in product_codes(order, policy) | refund_codes(refunds.waiting, policy)
        }
        return self._resolved().known_products(codes, afresh=afresh) if codes else {}

    def _planned(self, version: _Version, head: Head, desired: Desired) -> Planned:
        shell = self._shell
        return Planned(
            order_id=head.id,
            status_id=head.status,
            modified_at=head.modified_at,
            fingerprint=version.fingerprint,
            payload=version.raw,
            desired=desired,
            applied=version.applied,
            plan=plan(
                desired,
                version.applied,
                store_hash=shell.store_hash,
                policy=shell.policy,
                refunded=version.refunds.refunded,
            ),
        )

    # --- writing -----------------------------------------------------------------------------------------------------

    def _page(self, rows: Sequence[Json], *, again: bool = False, moves_cursor: bool = False) -> None:
        """One page from decision to checkpoint."""
        self.counts["read"] += len(rows)
        reached = self._reached(rows) if moves_cursor else None
        evaluated = self._evaluated(rows, again=again)
        result = self._apply(evaluated.planned)
        checkpoint, now = self._shell.checkpoint, self._shell.clock()
        with checkpoint.atomic():
            checkpoint.settle_many(result.settlements, at=now)
            self._keep(result.outcomes, now)
            for version, rejected in evaluated.rejected:
                self._set_aside(rejected, version.raw, version.fingerprint, now)
            checkpoint.record([row for version, _ in evaluated.rejected for row in self._unapplied(version, now)])
            checkpoint.solve(evaluated.left_alone, now)
            cut_short = {one.planned.order_id for one in result.outcomes if not one.is_finished}
            checkpoint.looked_at_refunds({order_id_of(raw) for raw in rows} - cut_short)
            if reached is not None and result.stopped_by is None and not self._shell.stop.is_set():
                checkpoint.move_cursor(reached)
        self.counts["customers_created"] += result.customers_created
        self.counts["products_created"] += result.products_created
        if result.stopped_by is not None:
            raise result.stopped_by
        self._heed_stop()

    def _heed_stop(self) -> None:
        if self._shell.stop.is_set():
            raise STOPPED

    def _retry(self) -> None:
        """Try what is due once more; an order that is gone from the store is asked for less and less often."""
        due = self._due()
        self._ask_refunds([order_id for order_id, found in self._refunds_of(due.keys()).items() if found.waiting])
        rows = list(self._named(due))
        self._page(rows, again=True)
        for order_id in due.keys() - {order_id_of(raw) for raw in rows}:
            item = due[order_id]
            gone = Rejected(order_id=order_id, reason=item.reason, field=item.field, detail=item.detail)
            self._set_aside(gone, item.payload, item.fingerprint, self._shell.clock())

    def _refunded(self) -> None:
        """Look at orders because they were refunded; one that is gone from the store is left to a person."""
        for group in self._refunded_orders():
            rows = list(self._named(group))
            self._page(rows)
            for order_id in set(group) - {order_id_of(raw) for raw in rows}:
                gone = Rejected(
                    order_id=order_id,
                    reason=Reason.REFUND_UNCLEAR,
                    field="order_id",
                    detail=f"BigCommerce has no order {order_id} any more",
                )
                with self._shell.checkpoint.atomic():
                    self._set_aside(gone, {}, "", self._shell.clock())
                    self._shell.checkpoint.looked_at_refunds([order_id])

    def _take_out(self) -> None:
        """Take goods out of stock again that came back with refunds, where the settings want that."""
        shell = self._shell
        taker = StockTaker(pos=shell.pos, checkpoint=shell.checkpoint, clock=shell.clock, run_id=self._run_id)
        for taken in taker.take_out(self._heed_stop):
            self._tell_taken(taken)

    def _tell_taken(self, taken: TakenOut) -> None:
        row, now = taken.refund, self._shell.clock()
        if taken.rejected is not None:
            self._set_aside(taken.rejected, row.payload, f"{IntentKind.STOCK}:{row.refund_id}", now)
            return
        self.counts["taken_out"] += taken.units
        log.info("order %s: %s units of refund %s taken out of stock", row.order_id, taken.units, row.refund_id)
        item = self._shell.checkpoint.review_item_of(row.order_id)
        is_for_stock = item is not None and item.field == IntentKind.STOCK
        if is_for_stock or row.order_id in self._but_for_stock:
            self._shell.checkpoint.solve([row.order_id], now)

    def _apply(self, planned: Sequence[Planned]) -> PageResult:
        if all(not one.plan.actions for one in planned):
            return PageResult(outcomes=tuple(Outcome.idle(one) for one in planned))
        shell = self._shell
        applier = Applier(
            pos=shell.pos,
            checkpoint=shell.checkpoint,
            resolver=self._resolved(),
            pool=self._pool,
            clock=shell.clock,
            run_id=self._run_id,
            when_closed=shell.when_closed,
            stop=shell.stop,
        )
        return applier.apply(planned)

    def _keep(self, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Write down what became of the orders: ledger, review, counts."""
        self._shell.checkpoint.record([_ledger_row(one, now, self._run_id) for one in outcomes if _is_news(one)])
        for outcome in outcomes:
            planned = outcome.planned
            if outcome.rejected is not None:
                self._set_aside(outcome.rejected, planned.payload, planned.fingerprint, now)
                self._doubt_customer(planned, outcome.rejected, now)
            self._tell(outcome)
        checkpoint = self._shell.checkpoint
        checkpoint.book_refunds([booked for one in outcomes for booked in one.booked], now, self._run_id)
        declined = [refund_id for one in outcomes for refund_id in one.planned.plan.declined]
        checkpoint.decline_refunds(declined)
        self.counts["declined"] += len(declined)
        well = {one.planned.order_id for one in outcomes if one.is_finished and one.rejected is None}
        self._but_for_stock |= well & {row.order_id for row in checkpoint.refunds_to_take_out()}
        checkpoint.solve(well - self._but_for_stock, now)
        self.counts["not_imported"] += sum(1 for one in outcomes if one.planned.desired.sale is None)

    def _doubt_customer(self, planned: Planned, rejected: Rejected, now: datetime) -> None:
        """Forget the customer of a refused sale: deleted in the POS, it would be refused again with every try.

        A new link stays, and so does any after anything else: a customer that a lagging search does not find would be
        created twice.
        """
        sale = planned.desired.sale
        is_new_sale = rejected.field in (IntentKind.SALE, IntentKind.REFUND)
        was_refused = rejected.reason is Reason.POS_REFUSED and is_new_sale
        if was_refused and sale is not None and sale.buyer is not None:
            keys = [sale.buyer.key, f"email:{sale.buyer.email}"]
            self._shell.checkpoint.forget_customers(keys, linked_before=now - _SEARCH_CAUGHT_UP)

    def _tell(self, outcome: Outcome) -> None:
        """Count and log what was written for an order."""
        for action in outcome.written:
            done = _PAST[type(action)]
            self.counts[done] += 1
            log.info("order %s: sale %s %s", action.order_id, action.sale_id, done, extra={"order": action.order_id})

    def _set_aside(self, rejected: Rejected, payload: Json, digest: str, now: datetime) -> None:
        is_news = self._shell.checkpoint.set_aside(
            rejected,
            payload,
            fingerprint=digest,
            now=now,
            run_id=self._run_id or None,
            # Dismissing it would have let them go: these have come since.
            is_more=rejected.order_id in self._are_refunds_waiting,
        )
        self.counts["set_aside"] += is_news
        level = logging.WARNING if is_news else logging.INFO
        order = rejected.order_id
        detail = f"{rejected.field}: {rejected.detail}"
        log.log(level, "order %s set aside: %s (%s)", order, rejected.reason, detail, extra={"order": order})

    def _unapplied(self, version: _Version, now: datetime) -> Iterator[LedgerRow]:
        """The row of an order that was rejected before there was a plan: seen in this version, applied as before."""
        head = version.head
        # An order from before the start stays one that the ledger does not know.
        if isinstance(head, Head) and version.is_ours:
            yield LedgerRow(
                order_id=head.id,
                status_id=head.status,
                modified_at=head.modified_at,
                fingerprint=version.fingerprint,
                applied=version.applied,
                disposition="set_aside",
                written_at=now,
                run_id=self._run_id,
            )

    def _reached(self, rows: Iterable[Json]) -> datetime | None:
        """The newest time of change among rows, for the cursor once they are all applied or set aside.

        A time that cannot be read moves nothing, and neither does one ahead of the store's own clock: all orders up to
        then would be passed over.
        """
        times = [head.modified_at for head in map(decode_head, rows) if isinstance(head, Head)]
        if times and max(times) > self._shell.clock() + _AHEAD:
            now = self._shell.source.server_time()
            times = [at for at in times if at <= now + _AHEAD]
        return max(times, default=None)

    def _resolved(self) -> Resolver:
        shell = self._shell
        if self._resolver is None:
            self._resolver = Resolver(
                pos=shell.pos,
                source=shell.source,
                checkpoint=shell.checkpoint,
                shop=shell.shop(),
                pool=self._pool,
                clock=shell.clock,
                run_id=self._run_id,
            )
        return self._resolver


_PAST: Mapping[type[Action], str] = {
    CreateSale: "created",
    SettleSale: "settled",
    FulfillSale: "fulfilled",
    VoidSale: "voided",
    CreateRefund: "refunded",
}


def _guarded(version: _Version, decide: Callable[[_Version], T]) -> T | Rejected:
    """Decide about an order; a bug that shows over one order sets that one aside and leaves the others alone."""
    try:
        return decide(version)
    except BcpollError:
        raise
    except Exception as error:
        order_id = order_id_of(version.raw)
        log.exception("order %s: unexpected error", order_id, extra={"order": order_id})
        return Rejected(
            order_id=order_id, reason=Reason.UNEXPECTED, field=type(error).__name__, detail=str(error) or repr(error)
        )


def _in_groups(order_ids: Sequence[int]) -> Iterator[list[int]]:
    for first in range(0, len(order_ids), _AT_ONCE):
        yield list(order_ids[first : first + _AT_ONCE])


def _is_refunded(head: Head | Rejected, policy: Policy) -> bool:
    return isinstance(head, Head) and head.status is OrderStatus.REFUNDED and is_wanted(head, policy)


def _of_older_order(head: Head, version: _Version) -> Rejected | None:
    """What was refunded of an order from before the start; None where nothing was after all."""
    digits = Currency(str(version.raw.get("default_currency_code") or "").upper()).digits
    refunds = version.refunds.waiting
    given = [one for one in refunds if isinstance(one, Refund) and not gives_nothing(one)]
    told = [f"{one.id} of {amount_text(one.total, digits)}" for one in given]
    told += [one.field for one in refunds if isinstance(one, Rejected)]
    if not told:
        return None
    detail = f"refund {', '.join(told)}; the order was placed {rfc2822(head.created_at)}"
    return Rejected(order_id=head.id, reason=Reason.REFUND_OF_OLDER_ORDER, field="date_created", detail=detail)


def _is_before(head: Head | Rejected, start: datetime | None) -> bool:
    return isinstance(head, Head) and start is not None and head.created_at < start


def _is_news(outcome: Outcome) -> bool:
    """Whether the ledger has to learn of an outcome; an order that was cut short only where it got somewhere."""
    return outcome.is_finished or outcome.applied != outcome.planned.applied


def _ledger_row(outcome: Outcome, now: datetime, run_id: int) -> LedgerRow:
    planned, sale = outcome.planned, outcome.planned.desired.sale
    return LedgerRow(
        order_id=planned.order_id,
        status_id=planned.status_id,
        modified_at=planned.modified_at,
        # Without a fingerprint the order counts as not seen: it is read again.
        fingerprint=planned.fingerprint if outcome.is_finished else "",
        applied=outcome.applied,
        disposition=planned.desired.state.value,
        order_total=sale.total if sale else None,
        tax=sale.tax if sale else None,
        customer_key=sale.buyer.key if sale and sale.buyer else "",
        note="\n".join(planned.desired.notes),
        written_at=now,
        run_id=run_id,
    )
