"""The refunds of a pass: read from the store, kept before anything is done about them, and joined to their orders.

Owns how far refunds are read and which of them wait. What a refund means is `core.refunds`'; whether it can be booked
is the plan's; this only says, order by order, what there is. Once kept, a refund is not lost, whatever becomes of the
pass.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from bcpoll.checkpoint import RefundRow, RefundState, told_again
from bcpoll.core.decode import decode_refund, refund_ids_of
from bcpoll.core.money import ZERO, total
from bcpoll.core.order import Json, Refund
from bcpoll.core.plan import refund_sale_id
from bcpoll.core.refunds import refund_content, units_by_line
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import Refunded, SaleState
from bcpoll.core.shop import PosSale
from bcpoll.core.times import parse_time
from bcpoll.logs import about_order
from bcpoll.shell import Shell

# Before any store there is.
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefunds:
    """What there is of refunds of one order."""

    waiting: tuple[Refund | Rejected, ...] = ()
    refunded: Refunded = field(default_factory=Refunded)
    is_due: bool = False
    """Whether the order is to be looked at because of them."""

    is_untold: bool = False
    """Whether one that waits is known by its number alone, so that the store is to be asked for it."""

    @property
    def booked(self) -> "OrderRefunds":
        """The same without what is still to be done."""
        return OrderRefunds(refunded=self.refunded)


NO_REFUNDS = OrderRefunds()


class RefundBook:
    """Reads refunds and keeps them; in a preview, `run_id` 0, it remembers them without keeping any."""

    def __init__(
        self, shell: Shell, *, run_id: int, set_aside: Callable[[Rejected, Json, str, datetime], None]
    ) -> None:
        """`set_aside` is called for a refund that tells neither its number nor its order's."""
        self._source = shell.source
        self._pos = shell.pos
        self._store_hash = shell.store_hash
        self._checkpoint = shell.checkpoint
        self._clock = shell.clock
        self._run_id = run_id
        self._keeps = bool(run_id)
        self._set_aside = set_aside
        self._told: dict[int, RefundRow] = {}

    def read(self, since: datetime | None, back: timedelta, *, first: datetime | None) -> None:
        """Read the refunds made since a moment or, where none is given, from `back` before the newest one known.

        Where refunds were ignored so far, those made until now are left alone: they were booked by hand. `first` is the
        start that a first run would have, for a preview of it.
        """
        begun = self._checkpoint.refunds_start()
        if begun is None:
            is_first = first is not None and self._checkpoint.start() is None
            begun = first if first and is_first else self._source.server_time()
            if self._keeps:
                self._checkpoint.begin_refunds(begun)
        cursor = self._checkpoint.refunds_cursor() or begun
        for rows in self._source.refunds_since(max(since or cursor - back, begun)):
            self._keep(rows, moves_cursor=since is None)

    def read_past(self, since: datetime | None, before: datetime) -> None:
        """Read the refunds made between two moments, from the first one on for `since` None, for a backfill to book.

        No order is to be looked at because of them: those that no backfill comes to are nobody's business.
        """
        for rows in self._source.refunds_since(since or _BEGINNING):
            made = [(row, row_made_at(row)) for row in rows]
            self._keep([row for row, at in made if at is None or at < before], moves_cursor=False, is_due=False)
            if all(at is not None and at >= before for _, at in made):
                return

    def ask(self, order_ids: Collection[int]) -> None:
        """Read all refunds of these orders, as they are now."""
        if order_ids:
            self._keep(self._source.refunds_of(order_ids), moves_cursor=False)

    def of(self, order_ids: Collection[int]) -> Mapping[int, OrderRefunds]:
        """The refunds of these orders, by order; an order without any is absent."""
        by_order: dict[int, list[RefundRow]] = {}
        for row in self._rows_of(order_ids):
            by_order.setdefault(row.order_id, []).append(row)
        return {order_id: _joined(found) for order_id, found in by_order.items()}

    def _rows_of(self, order_ids: Collection[int]) -> list[RefundRow]:
        rows = {row.refund_id: row for row in self._checkpoint.refunds_of(order_ids)}
        rows |= {row.refund_id: row for row in self._told.values() if row.order_id in order_ids}
        return [row for _, row in sorted(rows.items())]

    def catch_up(self, order_ids: Collection[int]) -> set[int]:
        """Mark waiting refunds as booked where the POS holds their sales already: the checkpoint may be behind it.

        Gives the orders of those.
        """
        caught_up: set[int] = set()
        for row in self._rows_of(order_ids):
            sale_id = refund_sale_id(self._store_hash, row.refund_id, row.undone)
            with about_order(row.order_id):
                sale = self._pos.sale(sale_id) if row.state is RefundState.WAITING else None
            if sale is not None:
                booked = found_booked(row, sale)
                caught_up.add(row.order_id)
                self._told[row.refund_id] = booked
                if self._keeps:
                    self._checkpoint.keep_found_refunds([booked])
        return caught_up

    def due_orders(self) -> list[int]:
        """The orders that are to be looked at because of a refund."""
        told = {row.order_id for row in self._told.values() if row.is_due}
        return sorted(told.union(self._checkpoint.orders_with_due_refunds()))

    def _keep(self, raws: Sequence[Json], *, moves_cursor: bool, is_due: bool = True) -> None:
        """Keep what is new and move the cursor, in one transaction: from then on nothing of it can be lost."""
        told = told_rows(raws, self._clock(), self._run_id or None)
        rows = {row.refund_id: row for row in told}
        news = [replace(row, is_due=row.is_due and is_due) for row in self._news(rows)]
        if not self._keeps:
            self._told |= {row.refund_id: row for row in news}
            return
        times = [row.created_at for row in rows.values() if row.created_at is not None]
        with self._checkpoint.atomic():
            self._checkpoint.keep_refunds(news)
            for raw in raws:
                self._set_aside_unreadable(raw)
            if moves_cursor and times:
                self._checkpoint.move_refunds_cursor(max(times))

    def _news(self, told: Mapping[int, RefundRow]) -> Iterator[RefundRow]:
        known = self._checkpoint.refunds(told.keys())
        for refund_id, row in told.items():
            news = told_again(known.get(refund_id), row)
            if news is not None:
                yield news

    def _set_aside_unreadable(self, raw: Json) -> None:
        refund_id, order_id = refund_ids_of(raw)
        if refund_id and order_id:
            return
        field_name, value = ("order_id", raw.get("order_id")) if refund_id else ("id", raw.get("id"))
        rejected = Rejected(
            order_id=0,
            reason=Reason.WRONG_TYPE,
            field=f"refunds.{refund_id or '?'}.{field_name}",
            detail=repr(value)[:80],
        )
        digest = blake2b(repr(raw).encode("utf-8", "replace"), digest_size=12).hexdigest()
        self._set_aside(rejected, raw, digest, self._clock())


def row_made_at(raw: Json) -> datetime | None:
    """When a raw refund was made; None where that cannot be read."""
    return parse_time(str(raw.get("created") or ""))


def told_rows(raws: Iterable[Json], now: datetime, run_id: int | None = None) -> Iterator[RefundRow]:
    """The rows of raw refunds that tell their own number and their order's."""
    for raw in raws:
        refund_id, order_id = refund_ids_of(raw)
        if not refund_id or not order_id:
            continue
        refund = decode_refund(raw)
        yield RefundRow(
            refund_id=refund_id,
            order_id=order_id,
            created_at=refund.created_at if isinstance(refund, Refund) else None,
            content=refund_content(refund),
            payload=raw,
            written_at=now,
            run_id=run_id,
        )


def found_booked(row: RefundRow, sale: PosSale) -> RefundRow:
    """A refund whose sale was found in the POS; one that somebody voided there is left to people.

    Whether its goods were taken out of stock again, nothing tells: to do so twice would be worse than not at all.
    """
    if sale.state == SaleState.VOIDED:
        return replace(row, state=RefundState.LEFT)
    refund = decode_refund(row.payload)
    units = units_by_line(refund) if isinstance(refund, Refund) else {}
    return replace(row, state=RefundState.BOOKED, sale_id=sale.id.lower(), total=-(sale.total or ZERO), units=units)


def _joined(rows: Sequence[RefundRow]) -> OrderRefunds:
    standing = [row for row in rows if row.state.is_standing]
    told = [row for row in rows if row.payload]
    units: dict[int, int] = {}
    for row in standing:
        for line_id, count in row.units.items():
            units[line_id] = units.get(line_id, 0) + count
    return OrderRefunds(
        waiting=tuple(decode_refund(row.payload) for row in told if row.state is RefundState.WAITING),
        refunded=Refunded(
            total=total(row.total or ZERO for row in standing),
            units=units,
            is_booked=bool(standing),
            changed=tuple(row.refund_id for row in rows if row.state is RefundState.CHANGED),
            is_known=True,
            undone={row.refund_id: row.undone for row in rows if row.undone},
        ),
        is_due=any(row.is_due for row in rows),
        is_untold=any(row.state is RefundState.WAITING and not row.payload for row in rows),
    )
