"""One pass: recover, poll, decode, translate, plan, apply, checkpoint, in this order and never back.

Owns which orders concern us, when the cursor moves, and what is set aside. Speaks to both sides and to the checkpoint
through what it is given; reads no clock of its own.
"""

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import TypeVar

from bcpoll.apply import STOPPED, Applier, Outcome, PageResult, Planned
from bcpoll.checkpoint import Checkpoint, IntentKind, LedgerRow, ReviewItem, RunOutcome
from bcpoll.config import WhenClosed
from bcpoll.core.consignments import lines_are_complete
from bcpoll.core.decode import Head, decode_head, decode_order, order_id_of
from bcpoll.core.order import Json, Order
from bcpoll.core.plan import plan
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import Action, Applied, CreateSale, Desired, FulfillSale, SettleSale, VoidSale
from bcpoll.core.shop import KnownProducts, Policy, Shop
from bcpoll.core.status import OrderStatus
from bcpoll.core.times import rfc2822
from bcpoll.core.translate import is_wanted, not_wanted, product_codes, translate
from bcpoll.errors import BcpollError, RetryLater, TooHeavy
from bcpoll.ports import OrderSource, PointOfSale
from bcpoll.recover import recover
from bcpoll.resolve import Resolver

log = logging.getLogger(__name__)

T = TypeVar("T")

# Orders that are not imported yet but may become real although they were created before the start.
_WATCHED = (OrderStatus.INCOMPLETE, OrderStatus.PENDING)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evaluated:
    """A page after all decisions: plans, and what cannot be carried out."""

    planned: tuple[Planned, ...]
    rejected: tuple[tuple[_Version, Rejected], ...]


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


class _Pass:
    """The state of one pass: what it counts, and the pieces it works with once the first order needs them."""

    def __init__(self, shell: Shell, run_id: int, pool: ThreadPoolExecutor) -> None:
        self._shell = shell
        self._run_id = run_id
        self._pool = pool
        self._resolver: Resolver | None = None
        self._start: datetime | None = None
        self.counts: Counter[str] = Counter()

    def run(self, scope: Scope) -> None:
        """Everything in order; each page ends with its own transaction."""
        shell = self._shell
        self._heed_stop()
        self.counts += recover(shell.pos, shell.checkpoint, now=shell.clock(), run_id=self._run_id)
        if scope.order_ids:
            self._page(list(self._named(scope.order_ids)), again=True)
            return
        self._start = self._begin()
        is_sweep = scope.since is None and self._is_sweep_due()
        for rows in shell.source.changed_since(self._since(scope, self._start, is_sweep=is_sweep)):
            self._page(rows, moves_cursor=scope.since is None)
        # New orders first: an old one whose retry ends the pass must not keep them waiting.
        self._retry()
        if is_sweep:
            shell.checkpoint.prune(shell.clock() - shell.keep_payloads)
            shell.checkpoint.set_mark(_SWEEP, shell.clock())

    def preview(self, scope: Scope) -> Preview:
        """Evaluate every page and write none."""
        shell = self._shell
        if scope.order_ids:
            evaluated = [self._evaluated(list(self._named(scope.order_ids)), again=True)]
        else:
            self._start = shell.checkpoint.start() or shell.start or shell.source.server_time()
            since = self._since(scope, self._start, is_sweep=scope.since is None and self._is_sweep_due())
            evaluated = [self._evaluated(rows) for rows in shell.source.changed_since(since)]
            evaluated.append(self._evaluated(list(self._named(self._due())), again=True))
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

    def _due(self) -> dict[int, ReviewItem]:
        """What was set aside and whose next try has come, by order; a payload without an id cannot be read anew."""
        return {item.order_id: item for item in self._shell.checkpoint.due(self._shell.clock()) if item.order_id}

    # --- decisions ---------------------------------------------------------------------------------------------------

    def _evaluated(self, rows: Sequence[Json], *, again: bool = False) -> _Evaluated:
        return self._evaluate(self._versions(rows, again=again), again=again)

    def _versions(self, rows: Sequence[Json], *, again: bool) -> list[_Version]:
        """The rows that concern us and were not seen in this version; with `again`, all of them."""
        heads = [(raw, decode_head(raw), fingerprint(raw)) for raw in rows]
        ids = {order_id_of(raw) for raw in rows} - {0}
        ledger = self._shell.checkpoint.ledger(ids)
        watched = self._shell.checkpoint.watched(ids - ledger.keys())
        versions: dict[int | str, _Version] = {}
        for raw, head, digest in heads:
            order_id = order_id_of(raw)
            row = ledger.get(order_id)
            is_ours = again or row is not None or order_id in watched or not _is_before(head, self._start)
            if not again and row is not None and row.fingerprint == digest:
                self.counts["unchanged"] += 1
            elif not is_ours:
                self.counts["before_start"] += 1
            else:
                applied = row.applied if row else Applied(order_id=order_id)
                # An order that changed while the page was read stands on it twice: the later version counts.
                versions[order_id or digest] = _Version(raw=raw, head=head, fingerprint=digest, applied=applied)
        return list(versions.values())

    def _evaluate(self, versions: Sequence[_Version], *, again: bool) -> _Evaluated:
        """Decide about every version: what to do, or why nothing can be done."""
        planned: list[Planned] = []
        rejected: list[tuple[_Version, Rejected]] = []
        orders: list[tuple[_Version, Head, Order]] = []
        for version in versions:
            order = _guarded(version, self._decode)
            if isinstance(order, Rejected):
                rejected.append((version, order))
            elif isinstance(order, Order) and isinstance(version.head, Head):
                orders.append((version, version.head, order))
            elif isinstance(version.head, Head):
                planned.append(self._planned(version, version.head, not_wanted(version.head.id)))
        known = self._known_products([order for _, _, order in orders], afresh=again)
        for version, head, order in orders:
            desired = _guarded(version, partial(self._translate, order, known))
            if isinstance(desired, Rejected):
                rejected.append((version, desired))
            else:
                planned.append(self._planned(version, head, desired))
        return _Evaluated(planned=tuple(planned), rejected=tuple(rejected))

    def _decode(self, version: _Version) -> Order | Rejected | None:
        """The order; None where its status or source says that it is not imported."""
        head = version.head
        if isinstance(head, Rejected):
            return head
        if not is_wanted(head, self._shell.policy):
            return None
        raw = version.raw
        if not lines_are_complete(raw):
            self.counts["lines_read"] += 1
            try:
                raw = raw | {"products": self._shell.source.order_lines(head.id)}
            except TooHeavy as error:
                # The store is there, it broke over this one order: that must not hold up the others.
                return Rejected(
                    order_id=head.id, reason=Reason.LINES_INCOMPLETE, field="products", detail=error.message
                )
        return decode_order(raw, head)

    def _translate(self, order: Order, known: KnownProducts, _version: _Version) -> Desired | Rejected:
        return translate(order, self._shell.shop(), self._shell.policy, known)

    def _known_products(self, orders: Sequence[Order], *, afresh: bool) -> KnownProducts:
        codes = {code for order in orders for code in product_codes(order, self._shell.policy)}
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
            plan=plan(desired, version.applied, store_hash=shell.store_hash, policy=shell.policy),
        )

    # --- writing -----------------------------------------------------------------------------------------------------

    def _page(self, rows: Sequence[Json], *, again: bool = False, moves_cursor: bool = False) -> None:
        """One page from decision to checkpoint."""
        self.counts["read"] += len(rows)
        evaluated = self._evaluated(rows, again=again)
        result = self._apply(evaluated.planned)
        checkpoint, now = self._shell.checkpoint, self._shell.clock()
        with checkpoint.atomic():
            checkpoint.settle_many(result.settlements, at=now)
            self._keep(result.outcomes, now)
            for version, rejected in evaluated.rejected:
                self._set_aside(rejected, version.raw, version.fingerprint, now)
            checkpoint.record([row for version, _ in evaluated.rejected for row in self._unapplied(version, now)])
            if moves_cursor and result.stopped_by is None and not self._shell.stop.is_set():
                self._move_cursor(rows)
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
        rows = list(self._named(due))
        self._page(rows, again=True)
        for order_id in due.keys() - {order_id_of(raw) for raw in rows}:
            item = due[order_id]
            gone = Rejected(order_id=order_id, reason=item.reason, field=item.field, detail=item.detail)
            self._set_aside(gone, item.payload, item.fingerprint, self._shell.clock())

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
                self._doubt_customer(planned, outcome.rejected)
            self._tell(outcome)
        well = [one.planned.order_id for one in outcomes if one.is_finished and one.rejected is None]
        self._shell.checkpoint.solve(well, now)
        self.counts["not_imported"] += sum(1 for one in outcomes if one.planned.desired.sale is None)

    def _doubt_customer(self, planned: Planned, rejected: Rejected) -> None:
        """Forget the customer of a refused sale: deleted in the POS, it would be refused again with every try.

        After anything else the link stays: a customer that a lagging search does not find would be created twice.
        """
        sale = planned.desired.sale
        was_refused = rejected.reason is Reason.POS_REFUSED and rejected.field == IntentKind.SALE
        if was_refused and sale is not None and sale.buyer is not None:
            self._shell.checkpoint.forget_customers([sale.buyer.key, f"email:{sale.buyer.email}"])

    def _tell(self, outcome: Outcome) -> None:
        """Count and log what was written for an order."""
        for action in outcome.written:
            done = _PAST[type(action)]
            self.counts[done] += 1
            log.info("order %s: sale %s %s", action.order_id, action.sale_id, done, extra={"order": action.order_id})

    def _set_aside(self, rejected: Rejected, payload: Json, digest: str, now: datetime) -> None:
        is_news = self._shell.checkpoint.set_aside(
            rejected, payload, fingerprint=digest, now=now, run_id=self._run_id or None
        )
        self.counts["set_aside"] += is_news
        level = logging.WARNING if is_news else logging.INFO
        order = rejected.order_id
        detail = f"{rejected.field}: {rejected.detail}"
        log.log(level, "order %s set aside: %s (%s)", order, rejected.reason, detail, extra={"order": order})

    def _unapplied(self, version: _Version, now: datetime) -> Iterator[LedgerRow]:
        """The row of an order that was rejected before there was a plan: seen in this version, applied as before."""
        head = version.head
        if isinstance(head, Head):
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

    def _move_cursor(self, rows: Iterable[Json]) -> None:
        """To the newest time among rows that are all applied or set aside; an unreadable time moves nothing."""
        times = [head.modified_at for head in map(decode_head, rows) if isinstance(head, Head)]
        if times:
            self._shell.checkpoint.move_cursor(max(times))

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
