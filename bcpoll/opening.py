"""The opening stock of products that the POS lacks: the store's stock, and all that is still to be booked of them.

Owns that both are of one moment. BigCommerce takes an order's units out of stock when it is placed, the POS when its
sale is written; in between lie the rest of the backlog, what waits in review, and what is pending. So before a product
is created, the backlog is looked through once for all codes that the POS lacks, and the store's stock of them is read
before and after: only where it did not change do the two belong together. No order is booked before its products
exist, so what was found holds for the rest of the pass. Nothing is corrected afterwards, and nothing has to be
remembered: a pass that dies begins anew.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice

from bcpoll.checkpoint import LedgerRow
from bcpoll.core.decode import Head, decode_head, order_id_of
from bcpoll.core.opening import Opening, drafts_of, level_of, moves_to_come, opening
from bcpoll.core.order import Json, Order, code_key, fingerprint
from bcpoll.core.sale import Applied, Move, ProductDraft
from bcpoll.core.shop import StockLevel
from bcpoll.core.status import AWAITING, Disposition, OrderStatus
from bcpoll.decide import is_before
from bcpoll.errors import BcpollError
from bcpoll.lines import whole_order
from bcpoll.refunds import NO_REFUNDS, OrderRefunds
from bcpoll.shell import Shell

log = logging.getLogger(__name__)

# The backlog is looked through until the stock has stayed the same meanwhile, but at most this often. In a shop that
# sells every second it never does: then the last look has to do.
_LOOKS = 3

# Statuses that may not be imported yet but take stock in BigCommerce. Where thousands of orders are in one of them, it
# is not looked through to the end: most of those are abandoned.
_NOT_YET = (OrderStatus.PENDING, OrderStatus.AWAITING_PAYMENT, *sorted(AWAITING))
_MOST_PAGES = 4


@dataclass(slots=True)
class _ToCome:
    """What is still to be booked of codes that the POS lacks."""

    units: dict[str, dict[str, int]] = field(default_factory=dict)
    """By code key and outlet, below zero for what is sold."""
    drafts: dict[str, ProductDraft] = field(default_factory=dict)
    """By code key."""
    met: set[int] = field(default_factory=set)
    """Orders that are in here, and those of the page and in review that were met."""

    def add(self, moves: Iterable[Move], drafts: Mapping[str, ProductDraft]) -> None:
        """Add the moves of codes that there are drafts for."""
        for move in moves:
            key = code_key(move.code)
            if key in drafts:
                self.drafts.setdefault(key, drafts[key])
                units = self.units.setdefault(key, {})
                units[move.outlet_id] = units.get(move.outlet_id, 0) + move.units


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """An order of which something may still be booked."""

    order: Order
    applied: Applied
    refunds: OrderRefunds


class OpeningStock:
    """Finds the opening stock of new products, for the length of a pass."""

    def __init__(
        self,
        shell: Shell,
        *,
        start: Callable[[], datetime | None],
        refunds_of: Callable[[Collection[int]], Mapping[int, OrderRefunds]],
    ) -> None:
        """Before the `start` there is nothing to book; None as long as there is no start."""
        self._shell = shell
        self._start = start
        self._refunds_of = refunds_of
        self._found: dict[str, Opening] = {}

    def of(self, drafts: Collection[ProductDraft], page: Mapping[int, Sequence[Move]]) -> Mapping[str, Opening]:
        """What these products begin with, by code key; `page` holds what the orders at hand are about to move."""
        by_key = {code_key(draft.code): draft for draft in drafts}
        if any(draft.product_id and key not in self._found for key, draft in by_key.items()):
            self._look(by_key, page)
        return {key: self._found.get(key) or opening(draft, {}, {}, "") for key, draft in by_key.items()}

    def _look(self, drafts: Mapping[str, ProductDraft], page: Mapping[int, Sequence[Move]]) -> None:
        """Look through the backlog until what is left of every code was the same before and after."""
        home = self._shell.shop().register.outlet_id
        wanted = {key: draft for key, draft in drafts.items() if draft.product_id and key not in self._found}
        for look in range(1, _LOOKS + 1):
            before = self._stock(wanted)
            to_come = self._looked_through(wanted, page)
            wanted |= {key: draft for key, draft in to_come.drafts.items() if key not in self._found}
            after = self._stock(wanted)
            for key, draft in [*wanted.items()]:
                is_of_one_moment = level_of(draft, before) == level_of(draft, after)
                if is_of_one_moment or look == _LOOKS:
                    self._found[key] = opening(draft, after, to_come.units.get(key, {}), home)
                    del wanted[key]
            if not wanted:
                return

    def _stock(self, drafts: Mapping[str, ProductDraft]) -> Mapping[tuple[int, int], StockLevel]:
        return self._shell.source.stock({draft.product_id for draft in drafts.values()})

    def _looked_through(self, drafts: Mapping[str, ProductDraft], page: Mapping[int, Sequence[Move]]) -> _ToCome:
        """Everything that is still to be booked: the newest version of each order that is known of it."""
        to_come = _ToCome()
        in_review = self._shell.checkpoint.open_review_orders()
        elsewhere = in_review | page.keys()
        for rows in self._backlog():
            self._add(rows, to_come, elsewhere)
        for order_id, moves in page.items():
            if order_id not in to_come.met:
                to_come.met.add(order_id)
                to_come.add(moves, drafts)
        for raws in self._shell.checkpoint.open_review_payloads():
            self._add([raw for raw in raws if order_id_of(raw) not in to_come.met], to_come, elsewhere)
        return to_come

    def _backlog(self) -> Iterator[list[Json]]:
        """Orders that changed and were not booked since, and those whose status is still to become one to book."""
        start, source = self._start(), self._shell.source
        if start is None:
            return iter(())
        cursor = self._shell.checkpoint.cursor() or start
        statuses = self._shell.policy.statuses
        not_imported = [one for one in _NOT_YET if statuses.disposition(one) is Disposition.NOT_IMPORTED]
        waiting = (islice(source.orders_with_status(status), _MOST_PAGES) for status in not_imported)
        return chain(source.changed_since(max(cursor - self._shell.overlap, start)), *waiting)

    def _add(self, rows: Sequence[Json], to_come: _ToCome, elsewhere: Collection[int]) -> None:
        """Add what is still to be booked of some orders, as far as it is of codes that the POS lacks."""
        waiting = [one for one in self._waiting(rows) if one.order.id not in to_come.met]
        to_come.met.update(order_id for raw in rows if (order_id := order_id_of(raw)) in elsewhere)
        drafts = [drafts_of(one.order, self._shell.policy) for one in waiting]
        known = self._shell.checkpoint.product_ids({key for of_order in drafts for key in of_order})
        for one, of_order in zip(waiting, drafts, strict=True):
            lacking = {key: draft for key, draft in of_order.items() if key not in known and draft.product_id}
            # Most orders are of nothing but what the POS has: these are not translated.
            moves = self._moves_of(one) if lacking else ()
            if any(code_key(move.code) in lacking for move in moves):
                to_come.met.add(one.order.id)
                to_come.add(moves, lacking)

    def _waiting(self, rows: Sequence[Json]) -> Iterator["_Waiting"]:
        """The orders that are ours and of which something may still be booked."""
        checkpoint = self._shell.checkpoint
        ids = {order_id_of(raw) for raw in rows} - {0}
        ledger = checkpoint.ledger(ids)
        watched = checkpoint.watched(ids - ledger.keys())
        refunds = self._refunds_of(ids)
        # What a backfill could not write yet is put back into stock once it is written.
        neutral = {order_id for order_id, row in checkpoint.pending_backfilled(ids).items() if row.is_neutral}
        for raw in rows:
            order_id = order_id_of(raw)
            if order_id in neutral:
                continue
            row, of_order = ledger.get(order_id), refunds.get(order_id, NO_REFUNDS)
            order = self._order(raw, is_known=order_id in ledger or order_id in watched)
            if order is None or (_is_done(row, raw) and not of_order.waiting):
                continue
            applied = row.applied if row else Applied(order_id=order_id)
            yield _Waiting(order=order, applied=applied, refunds=of_order)

    def _moves_of(self, waiting: "_Waiting") -> Sequence[Move]:
        """What is still to be booked of an order; a bug that shows over it is told when the order's turn has come."""
        shop, policy, order, refunds = self._shell.shop(), self._shell.policy, waiting.order, waiting.refunds
        try:
            return moves_to_come(order, waiting.applied, refunds.waiting, refunds.refunded, shop=shop, policy=policy)
        except BcpollError:
            raise
        except Exception:
            log.exception("order %s: what it takes of the stock is not known", order.id, extra={"order": order.id})
            return ()

    def _order(self, raw: Json, *, is_known: bool) -> Order | None:
        """The order, if it is one to be booked some day and can be read."""
        head, policy = decode_head(raw), self._shell.policy
        if not isinstance(head, Head) or (not is_known and is_before(head, self._start())):
            return None
        if head.external_source in policy.ignore_sources or head.channel_id in policy.ignore_channels:
            return None
        order = whole_order(self._shell.source, raw, head)
        return order if isinstance(order, Order) else None


def _is_done(row: LedgerRow | None, raw: Json) -> bool:
    """Whether an order's sale stands, and the order is still as it was then."""
    return row is not None and row.applied.state.is_live and row.fingerprint == fingerprint(raw)
