"""What is to be done about the orders of a page: each is looked up in ledger and refunds, decoded, translated, planned.

Owns which versions of orders concern us, and that a bug that shows over one order affects that order alone. Reads from
both sides what the decisions need; writes to neither of them, nor to the ledger.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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

# Reasons that ask a person to void a sale, or to remove its payments.
_TAKEN_BACK_BY_HAND = frozenset({Reason.VOID_BY_HAND, Reason.LEFT_SALE, Reason.UNPAID_AGAIN})

# A checkpoint whose last run is longer ago may be a restored backup: then every sale is looked up in the POS first.
# Runs that come on time are spared that.
_BACKED_UP_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What the orders of a page are decided by, besides what is known of each."""

    again: bool = False
    """Whether all orders are decided about, also those that were seen in this version before."""
    start: datetime | None = None
    """Orders placed before this moment are left alone, unless the ledger knows them; with None, no order is."""
    older: Collection[int] = frozenset()
    """Orders from before the start that are tried again for a refund: apart from it, they are still left alone."""
    history: History | None = None
    """Set where a backfill writes the orders."""
    trusts_ledger: bool = False
    """Whether the ledger is sure to know every sale that the POS holds, whatever became of the checkpoint."""


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
    """Set where a backfill writes the order, or began to and left it unfinished."""

    @property
    def fingerprint(self) -> str:
        """The digest of this version; computed anew on every access."""
        return fingerprint(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A page after all decisions: the plans, and the orders for which there can be none."""

    planned: tuple[Planned, ...]
    rejected: tuple[tuple[Version, Rejected], ...]
    left_alone: tuple[int, ...] = ()
    """Orders from before the start that were looked at for a refund, of which nothing was refunded after all."""
    looked_at: frozenset[int] = frozenset()
    """Orders that were to be looked at because of a refund, and now have been."""
    refunds_waiting: frozenset[int] = frozenset()
    """Orders with refunds that are not booked yet."""

    @property
    def unpaid(self) -> set[int]:
        """Orders that are booked as not paid, or will be."""
        unpaid = AppliedState.UNPAID
        rejected = {why.order_id for one, why in self.rejected if one.applied.state is unpaid}
        return rejected | {
            one.order_id
            for one in self.planned
            if one.applied.state is unpaid or one.desired.state is DesiredState.UNPAID
        }


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
    ) -> None:
        """The `resolver` is asked for when the first order needs a product."""
        self._shell = shell
        self._run_id = run_id
        self._refunds = refunds
        self._resolver = resolver
        self._counts = counts
        self._transactions = TransactionReader(shell.source, shell.policy, pool)

    def evaluate(self, rows: Sequence[Json], basis: Basis) -> Evaluated:
        """Decide about the rows that concern us and were not seen in this version; `again`, about all of them."""
        versions = self._versions(rows, basis)
        due = {order_id_of(one.raw) for one in versions if one.refunds.is_due}
        unknown = {order_id_of(one.raw) for one in versions if _lacks_refunds(one, self._shell.policy)}
        versions = self._with_asked_refunds(versions, unknown)
        evaluated = self._decided(versions, afresh=basis.again)
        waiting = frozenset(order_id_of(one.raw) for one in versions if one.refunds.waiting)
        return replace(evaluated, looked_at=frozenset(due | unknown), refunds_waiting=waiting)

    def ask_refunds(self, order_ids: Collection[int]) -> None:
        """Have the store say again what was refunded of these orders."""
        if self._shell.policy.refunds is Refunds.IMPORT:
            self._refunds.ask(order_ids)

    def refunds_of(self, order_ids: Collection[int]) -> Mapping[int, OrderRefunds]:
        """What is known of refunds of these orders; where refunds are ignored, only what was booked before."""
        if not order_ids:
            return {}
        if self._shell.policy.refunds is Refunds.IGNORE:
            return {order_id: found.booked for order_id, found in self._refunds.of(order_ids).items()}
        if self.may_be_behind:
            self._refunds.catch_up(order_ids)
        return self._refunds.of(order_ids)

    # --- which versions --------------------------------------------------------------------------------------------

    def _versions(self, rows: Sequence[Json], basis: Basis) -> list[Version]:
        """The rows that concern us and were not seen in this version; `again`, all of them."""
        known = self._known({order_id_of(raw) for raw in rows} - {0})
        versions: dict[int | str, Version] = {}
        for raw in rows:
            order_id, head = order_id_of(raw), decode_head(raw)
            is_wanted_anyway = basis.again or known.refunds_of(order_id).is_due
            is_ours = known.is_ours(order_id, head, basis)
            if not is_wanted_anyway and known.is_unchanged(order_id, raw):
                self._counts["unchanged"] += 1
                # If the page holds it twice, the one before was an older version.
                versions.pop(order_id, None)
            elif not is_wanted_anyway and not is_ours:
                self._counts["before_start"] += 1
            else:
                # An order that changed while the page was read stands on it twice: the later version counts.
                versions[order_id or fingerprint(raw)] = Version(
                    raw=raw,
                    head=head,
                    applied=self._applied(order_id, known, basis),
                    refunds=known.refunds_of(order_id),
                    is_ours=is_ours,
                    history=basis.history or self._as_begun(known.backfilled.get(order_id)),
                )
        return list(versions.values())

    def _known(self, order_ids: Collection[int]) -> "_Known":
        checkpoint = self._shell.checkpoint
        ledger = checkpoint.ledger(order_ids)
        return _Known(
            ledger=ledger,
            watched=checkpoint.watched(order_ids - ledger.keys()),
            refunds=self.refunds_of(order_ids),
            left_to_people=self._left_to_people(order_ids),
            backfilled=checkpoint.pending_backfilled(order_ids),
        )

    def _with_asked_refunds(self, versions: Sequence[Version], unknown: Collection[int]) -> list[Version]:
        """The versions, with what the store says when asked for the refunds of those of which none is known."""
        self.ask_refunds(unknown)
        asked = self.refunds_of(unknown)
        return [
            replace(one, refunds=asked[order_id]) if (order_id := order_id_of(one.raw)) in asked else one
            for one in versions
        ]

    def _as_begun(self, backfilled: BackfilledOrder | None) -> History | None:
        """How to finish an order that a backfill began to write and left unfinished."""
        if backfilled is None:
            return None
        before = self._shell.checkpoint.start() if backfilled.is_neutral else None
        return History(backfill_id=backfilled.backfill_id, neutral_before=before, revision=backfilled.revision)

    def _applied(self, order_id: int, known: "_Known", basis: Basis) -> Applied:
        """What was written for an order, by the ledger; by the POS where the ledger may be behind it, or by people."""
        row = known.ledger.get(order_id)
        applied = row.applied if row else Applied(order_id=order_id)
        if order_id and not basis.trusts_ledger and self.may_be_behind:
            with about_order(order_id):
                applied = caught_up(self._shell.pos, self._shell.store_hash, applied)
        return self._as_left_by_people(applied) if order_id in known.left_to_people else applied

    def _left_to_people(self, order_ids: Collection[int]) -> set[int]:
        """Orders whose sale a person was asked to take back: they may have done so and not had it tried again."""
        items = self._shell.checkpoint.review_items_of(order_ids)
        return {
            order_id
            for order_id, item in items.items()
            if item.state is not ReviewState.SOLVED and item.reason in _TAKEN_BACK_BY_HAND
        }

    def _as_left_by_people(self, applied: Applied) -> Applied:
        """What was applied, less what was taken back in the POS since: a new sale or new payments may follow."""
        with about_order(applied.order_id):
            sale = self._shell.pos.sale(applied.sale_id) if applied.sale_id else None
        found = applied_state(sale) if sale is not None else applied.state
        is_unpaid = applied.state is AppliedState.PAID and found is AppliedState.UNPAID
        return replace(applied, state=found) if is_unpaid or found is AppliedState.VOIDED else applied

    @cached_property
    def may_be_behind(self) -> bool:
        """Whether the POS may hold sales that the ledger does not know: after a crash, or after restoring a backup."""
        checkpoint = self._shell.checkpoint
        before = next((run for run in checkpoint.last_runs(2) if run.id != self._run_id), None)
        is_old = before is not None and not timedelta(0) <= self._shell.clock() - before.begun_at < _BACKED_UP_AFTER
        return is_old or checkpoint.was_left_open

    # --- what to do about them -------------------------------------------------------------------------------------

    def _decided(self, versions: Iterable[Version], *, afresh: bool) -> Evaluated:
        """Decide about every version: what to do, or why nothing can be done."""
        planned: list[Planned] = []
        rejected: list[tuple[Version, Rejected]] = []
        left_alone: list[int] = []
        readable: list[_Readable] = []
        for version in versions:
            found = _guarded(version, partial(self._readable, version))
            if isinstance(found, Rejected):
                rejected.append((version, found))
            elif isinstance(found, _Readable):
                readable.append(found)
            elif isinstance(version.head, Head) and version.is_ours:
                planned.append(self._planned(version, version.head, not_wanted(version.head.id)))
            else:
                left_alone.append(order_id_of(version.raw))
        known = self._known_products(readable, afresh=afresh)
        told = self._transactions.of([found.order for found in readable])
        for found in readable:
            version = found.version
            desired = _guarded(version, partial(self._translate, found, known, told.get(found.order.id)))
            if isinstance(desired, Rejected):
                rejected.append((version, desired))
            else:
                planned.append(self._planned(version, found.head, desired))
        return Evaluated(planned=tuple(planned), rejected=tuple(rejected), left_alone=tuple(left_alone))

    def _readable(self, version: Version) -> "_Readable | Rejected | None":
        """The order with what is known of it before its products are looked up; None where it is not imported."""
        head, policy = version.head, self._shell.policy
        if isinstance(head, Rejected):
            return head
        order = self._decode(version, head)
        if not isinstance(order, Order):
            return order
        parts = checked_parts(order, policy)
        codes = product_codes(parts, policy) | refund_codes(version.refunds.waiting, policy)
        return _Readable(version=version, head=head, order=order, parts=parts, codes=frozenset(codes))

    def _decode(self, version: Version, head: Head) -> Order | Rejected | None:
        """The order; None where its status or source says that it is not imported."""
        if not is_wanted(head, self._shell.policy):
            return None
        if not version.is_ours:
            return _of_older_order(head, version)
        if not lines_are_complete(version.raw):
            self._counts["lines_read"] += 1
        return whole_order(self._shell.source, version.raw, head)

    def _translate(
        self,
        found: "_Readable",
        known: KnownProducts,
        transactions: tuple[Transaction, ...] | Rejected | None,
    ) -> Desired | Rejected:
        if isinstance(transactions, Rejected):
            return transactions
        order, version = found.order, found.version
        shop, policy = self._shell.shop(), _policy_for(version.history, self._shell.policy)
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
class _Known:
    """What is known of the orders of a page before any of them is decided about."""

    ledger: Mapping[int, LedgerRow]
    watched: Collection[int]
    refunds: Mapping[int, OrderRefunds]
    left_to_people: Collection[int]
    backfilled: Mapping[int, BackfilledOrder]

    def refunds_of(self, order_id: int) -> OrderRefunds:
        """What there is of refunds of an order."""
        return self.refunds.get(order_id, NO_REFUNDS)

    def is_unchanged(self, order_id: int, raw: Json) -> bool:
        """Whether the ledger has seen an order in this version."""
        row = self.ledger.get(order_id)
        return row is not None and row.fingerprint == fingerprint(raw)

    def is_ours(self, order_id: int, head: Head | Rejected, basis: Basis) -> bool:
        """Whether an order is to be imported as far as its age goes."""
        row = self.ledger.get(order_id)
        is_in_ledger = row is not None and row.disposition != UNDONE
        is_named = basis.again and order_id not in basis.older
        return is_named or is_in_ledger or order_id in self.watched or not is_before(head, basis.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Readable:
    """An order that could be read, its money check, and the keys of all product codes that it will need."""

    version: Version
    head: Head
    order: Order
    parts: Parts | Gap
    codes: frozenset[str]


def _guarded(version: Version, decide: Callable[[], T]) -> T | Rejected:
    """Take a decision about an order; a bug that shows over it sets that order aside and leaves the others alone."""
    try:
        return decide()
    except BcpollError:
        raise
    except Exception as error:
        order_id = order_id_of(version.raw)
        log.exception("order %s: unexpected error", order_id, extra={"order": order_id})
        return Rejected(
            order_id=order_id, reason=Reason.UNEXPECTED, field=type(error).__name__, detail=str(error) or repr(error)
        )


def _policy_for(history: History | None, policy: Policy) -> Policy:
    """The merchant's choices; for a stock-neutral order of the past, without fulfillment.

    It is not documented when an open sale takes its stock, so nobody could say when to put it back.
    """
    is_neutral = history is not None and history.neutral_before is not None
    is_tracked = policy.fulfillment is not Fulfillment.OFF
    return replace(policy, fulfillment=Fulfillment.OFF) if is_neutral and is_tracked else policy


def _lacks_refunds(version: Version, policy: Policy) -> bool:
    """Whether the store is asked before anything is decided: the status says Refunded, but no refund is known.

    So it is where one is known by its number alone, as after it was undone.
    """
    head = version.head
    is_refunded = isinstance(head, Head) and head.status is OrderStatus.REFUNDED and is_wanted(head, policy)
    return version.refunds.is_untold or (is_refunded and version.refunds is NO_REFUNDS)


def _of_older_order(head: Head, version: Version) -> Rejected | None:
    """Why an order from before the start is set aside: what was refunded of it; None where nothing was after all."""
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
