"""What is to be done about the orders of a page: found in ledger and refunds, then decoded, translated and planned.

Owns which versions of orders concern us, and that a bug over one order is that order's trouble alone. Reads from both
sides what the decisions need; writes to neither, nor to the ledger.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TypeVar

from bcpoll.checkpoint import UNDONE, BackfilledOrder, History, LedgerRow, ReviewState
from bcpoll.core.consignments import lines_are_complete
from bcpoll.core.decode import Head, decode_head, order_id_of
from bcpoll.core.money import Currency, amount_text
from bcpoll.core.order import Json, Order, Refund, Transaction, fingerprint
from bcpoll.core.parts import Gap, Parts
from bcpoll.core.plan import plan
from bcpoll.core.refunds import gives_nothing, refund_codes, with_refunds
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import Applied, AppliedState, Desired, DesiredState
from bcpoll.core.shop import Fulfillment, KnownProducts, Policy, Refunds
from bcpoll.core.sold import applied_state
from bcpoll.core.status import OrderStatus
from bcpoll.core.times import rfc2822
from bcpoll.core.translate import checked_parts, is_wanted, not_wanted, product_codes, translate
from bcpoll.errors import BcpollError
from bcpoll.lines import whole_order
from bcpoll.logs import about_order
from bcpoll.planned import Planned
from bcpoll.rebuild import caught_up
from bcpoll.refunds import NO_REFUNDS, OrderRefunds, RefundBook
from bcpoll.resolve import Resolver
from bcpoll.shell import Shell
from bcpoll.transactions import TransactionReader

log = logging.getLogger(__name__)

T = TypeVar("T")

# What asks a person to void a sale, or to take its payments off.
_TAKEN_BACK_BY_HAND = frozenset({Reason.VOID_BY_HAND, Reason.LEFT_SALE, Reason.UNPAID_AGAIN})

# A checkpoint whose last run is longer ago may come from a backup: looking every sale up first costs no run that comes
# in time anything.
_BACKED_UP_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of an order as it came, with what the ledger says about the order."""

    raw: Json
    head: Head | Rejected
    applied: Applied
    refunds: OrderRefunds = NO_REFUNDS
    is_ours: bool = True
    """False for an order from before the start that is looked at only because it was refunded."""
    history: History | None = None
    """Set where a backfill writes the order, or left it to be finished."""

    @property
    def fingerprint(self) -> str:
        """The digest of this version; reckoned anew whenever it is asked for."""
        return fingerprint(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A page after all decisions: plans, and what cannot be carried out."""

    planned: tuple[Planned, ...]
    rejected: tuple[tuple[Version, Rejected], ...]
    left_alone: tuple[int, ...] = ()
    """Orders from before the start of which nothing was refunded after all."""


class Decider:
    """Decides about pages of orders, for the length of a pass."""

    def __init__(
        self,
        shell: Shell,
        *,
        run_id: int,
        pool: Executor,
        refunds: RefundBook,
        resolver: Callable[[], Resolver],
        counts: Counter[str],
        refunds_waiting: set[int],
    ) -> None:
        """The `resolver` is asked for when the first order needs a product; `refunds_waiting` is added to."""
        self._shell = shell
        self._run_id = run_id
        self._refunds = refunds
        self._resolver = resolver
        self._counts = counts
        self._refunds_waiting = refunds_waiting
        self._transactions = TransactionReader(shell.source, shell.policy, pool)
        self.start: datetime | None = None
        """Orders placed before are left alone, unless the ledger knows them; None where all are looked at."""
        self.older: set[int] = set()
        """Orders from before the start, which stay left alone when they are tried again for a refund of theirs."""
        self.history: History | None = None
        """Set where a backfill writes the orders."""
        self.trusts_ledger = False
        """Set where the ledger knows every sale that the POS holds, whatever became of the checkpoint."""
        self.looked_at: set[int] = set()
        """The orders that stood on a page so far, of those that were to be looked at because of a refund."""
        self.unpaid: set[int] = set()
        """The orders that were decided about so far, of those that are booked as not paid."""

    def evaluate(self, rows: Sequence[Json], *, again: bool = False) -> Evaluated:
        """Decide about the rows that concern us and were not seen in this version; with `again`, about all of them."""
        evaluated = self._evaluate(self._versions(rows, again=again), again=again)
        unpaid = AppliedState.UNPAID
        self.unpaid.update(
            one.order_id
            for one in evaluated.planned
            if one.applied.state is unpaid or one.desired.state is DesiredState.UNPAID
        )
        self.unpaid.update(why.order_id for one, why in evaluated.rejected if one.applied.state is unpaid)
        return evaluated

    def ask_refunds(self, order_ids: Collection[int]) -> None:
        """Have the store say again what was refunded of these orders."""
        if self._shell.policy.refunds is Refunds.IMPORT:
            self._refunds.ask(order_ids)

    def refunds_of(self, order_ids: Collection[int]) -> Mapping[int, OrderRefunds]:
        """What there is of refunds of these orders."""
        if self._shell.policy.refunds is Refunds.IGNORE or not order_ids:
            return {}
        if self.may_be_behind:
            self._refunds.catch_up(order_ids)
        return self._refunds.of(order_ids)

    def _versions(self, rows: Sequence[Json], *, again: bool) -> list[Version]:
        """The rows that concern us and were not seen in this version; with `again`, all of them."""
        heads = [(raw, decode_head(raw)) for raw in rows]
        ids = {order_id_of(raw) for raw in rows} - {0}
        ledger = self._shell.checkpoint.ledger(ids)
        watched = self._shell.checkpoint.watched(ids - ledger.keys())
        refunds = self.refunds_of(ids)
        left_to_people = self._left_to_people(ids)
        self.looked_at.update(order_id for order_id, found in refunds.items() if found.is_due)
        backfilled = self._shell.checkpoint.pending_backfilled(ids)
        versions: dict[int | str, Version] = {}
        for raw, head in heads:
            order_id = order_id_of(raw)
            row = ledger.get(order_id)
            of_order = refunds.get(order_id, NO_REFUNDS)
            is_in_ledger = row is not None and row.disposition != UNDONE
            is_known = (again and order_id not in self.older) or is_in_ledger or order_id in watched
            is_ours = is_known or not is_before(head, self.start)
            if not again and not of_order.is_due and row is not None and row.fingerprint == fingerprint(raw):
                self._counts["unchanged"] += 1
                # What stands before it on the page is an older version.
                versions.pop(order_id, None)
            elif not is_ours and not of_order.is_due and not again:
                self._counts["before_start"] += 1
            else:
                applied = self._applied(order_id, row)
                if order_id in left_to_people:
                    applied = self._as_left_by_people(applied)
                # An order that changed while the page was read stands on it twice: the later version counts.
                versions[order_id or fingerprint(raw)] = Version(
                    raw=raw,
                    head=head,
                    applied=applied,
                    refunds=of_order,
                    is_ours=is_ours,
                    history=self.history or self._as_begun(backfilled.get(order_id)),
                )
        return list(self._with_asked_refunds(versions.values()))

    def _with_asked_refunds(self, versions: Iterable[Version]) -> Iterator[Version]:
        """Where the status says Refunded and no refund is known, the store is asked before anything is made of it."""
        every = list(versions)
        without = (one for one in every if one.refunds is NO_REFUNDS and _is_refunded(one.head, self._shell.policy))
        unknown = {order_id_of(one.raw) for one in without}
        self.looked_at |= unknown
        self.ask_refunds(unknown)
        asked = self.refunds_of(unknown)
        for one in every:
            order_id = order_id_of(one.raw)
            found = replace(one, refunds=asked[order_id]) if order_id in asked else one
            if found.refunds.waiting:
                self._refunds_waiting.add(order_id)
            yield found

    def _as_begun(self, backfilled: BackfilledOrder | None) -> History | None:
        """How an order is to be finished that a backfill could not."""
        if backfilled is None:
            return None
        before = self._shell.checkpoint.start() if backfilled.is_neutral else None
        return History(backfill_id=backfilled.backfill_id, neutral_before=before)

    def _applied(self, order_id: int, row: LedgerRow | None) -> Applied:
        """What was written for an order: by the ledger, or by the POS where the ledger may be behind it."""
        applied = row.applied if row else Applied(order_id=order_id)
        if not order_id or self.trusts_ledger or not self.may_be_behind:
            return applied
        with about_order(order_id):
            return caught_up(self._shell.pos, self._shell.store_hash, applied)

    def _left_to_people(self, order_ids: Collection[int]) -> set[int]:
        """The orders whose sale a person was asked to take back, and perhaps did without having it tried again."""
        items = self._shell.checkpoint.review_items_of(order_ids)
        return {
            order_id
            for order_id, item in items.items()
            if item.state is not ReviewState.SOLVED and item.reason in _TAKEN_BACK_BY_HAND
        }

    def _as_left_by_people(self, applied: Applied) -> Applied:
        """What was applied, less what the POS says was taken back since: a new sale or new payments may follow."""
        with about_order(applied.order_id):
            sale = self._shell.pos.sale(applied.sale_id) if applied.sale_id else None
        found = applied_state(sale) if sale is not None else applied.state
        is_unpaid = applied.state is AppliedState.PAID and found is AppliedState.UNPAID
        return replace(applied, state=found) if is_unpaid or found is AppliedState.VOIDED else applied

    @cached_property
    def may_be_behind(self) -> bool:
        """Whether the POS may hold sales that the ledger does not know: after a crash, or back from a backup."""
        checkpoint = self._shell.checkpoint
        before = next((run for run in checkpoint.last_runs(2) if run.id != self._run_id), None)
        is_old = before is not None and not timedelta(0) <= self._shell.clock() - before.begun_at < _BACKED_UP_AFTER
        return is_old or checkpoint.was_left_open

    def _evaluate(self, versions: Sequence[Version], *, again: bool) -> Evaluated:
        """Decide about every version: what to do, or why nothing can be done."""
        planned: list[Planned] = []
        rejected: list[tuple[Version, Rejected]] = []
        readable: list[tuple[Version, Head, _Readable]] = []
        left_alone: list[int] = []
        for version in versions:
            found = _guarded(version, self._readable)
            if isinstance(found, Rejected):
                rejected.append((version, found))
            elif isinstance(found, _Readable) and isinstance(version.head, Head):
                readable.append((version, version.head, found))
            elif isinstance(version.head, Head) and version.is_ours:
                planned.append(self._planned(version, version.head, not_wanted(version.head.id)))
            else:
                left_alone.append(order_id_of(version.raw))
        known = self._known_products([found for _, _, found in readable], afresh=again)
        told = self._transactions.of([found.order for _, _, found in readable])
        for version, head, found in readable:
            desired = _guarded(version, partial(self._translate, found, known, told.get(found.order.id)))
            if isinstance(desired, Rejected):
                rejected.append((version, desired))
            else:
                planned.append(self._planned(version, head, desired))
        return Evaluated(planned=tuple(planned), rejected=tuple(rejected), left_alone=tuple(left_alone))

    def _readable(self, version: Version) -> "_Readable | Rejected | None":
        """The order with what is known of it before its products are looked up; None where it is not imported."""
        order, policy = self._decode(version), self._shell.policy
        if not isinstance(order, Order):
            return order
        parts = checked_parts(order, policy)
        codes = product_codes(parts, policy) | refund_codes(version.refunds.waiting, policy)
        return _Readable(order=order, parts=parts, codes=frozenset(codes))

    def _decode(self, version: Version) -> Order | Rejected | None:
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
            self._counts["lines_read"] += 1
        return whole_order(self._shell.source, raw, head)

    def _translate(
        self,
        found: "_Readable",
        known: KnownProducts,
        transactions: tuple[Transaction, ...] | Rejected | None,
        version: Version,
    ) -> Desired | Rejected:
        if isinstance(transactions, Rejected):
            return transactions
        shop, policy = self._shell.shop(), _policy_for(version.history, self._shell.policy)
        order = found.order
        desired = translate(order, shop, policy, known, transactions=transactions, parts=found.parts)
        if isinstance(desired, Rejected):
            return desired
        return with_refunds(desired, order, version.refunds.waiting, shop=shop, policy=policy, known=known)

    def _known_products(self, orders: Iterable["_Readable"], *, afresh: bool) -> KnownProducts:
        codes = {code for one in orders for code in one.codes}
        return self._resolver().known_products(codes, afresh=afresh) if codes else {}

    def _planned(self, version: Version, head: Head, desired: Desired) -> Planned:
        shell = self._shell
        return Planned(
            order_id=head.id,
            status_id=head.status,
            modified_at=head.modified_at,
            placed_at=head.created_at,
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
            history=version.history,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Readable:
    """An order that could be read, its money check, and the keys of all product codes that it will need."""

    order: Order
    parts: Parts | Gap
    codes: frozenset[str]


def _guarded(version: Version, decide: Callable[[Version], T]) -> T | Rejected:
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


def _policy_for(history: History | None, policy: Policy) -> Policy:
    """The merchant's choices, for an order of the past: an open sale might take its stock at another time or at once,
    so that nobody could say when to put it back."""
    is_neutral = history is not None and history.neutral_before is not None
    is_tracked = policy.fulfillment is not Fulfillment.OFF
    return replace(policy, fulfillment=Fulfillment.OFF) if is_neutral and is_tracked else policy


def _is_refunded(head: Head | Rejected, policy: Policy) -> bool:
    return isinstance(head, Head) and head.status is OrderStatus.REFUNDED and is_wanted(head, policy)


def _of_older_order(head: Head, version: Version) -> Rejected | None:
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


def is_before(head: Head | Rejected, start: datetime | None) -> bool:
    """Whether an order was placed before the start."""
    return isinstance(head, Head) and start is not None and head.created_at < start
