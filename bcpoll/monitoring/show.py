"""All that is known of one order: what was ordered, what the sale holds, who bought, and what was written when.

Owns where each of these is looked for: in the checkpoint alone, or on both sides as they are now. Decides nothing, and
writes nothing; what a person may see of it is the command line's question.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from bcpoll.checkpoint import (
    Checkpoint,
    Intent,
    IntentKind,
    IntentState,
    LedgerRow,
    RefundRow,
    ReviewItem,
    Run,
    RunOutcome,
)
from bcpoll.core.consignments import lines_are_complete
from bcpoll.core.decode import Head, decode_head, decode_order
from bcpoll.core.money import Currency, round_money, total
from bcpoll.core.order import Json, Order, code_key
from bcpoll.core.parts import Gap, MoneyCheck
from bcpoll.core.reconcile import Compared
from bcpoll.core.rejected import Rejected
from bcpoll.core.sale import Applied, Item, Payment
from bcpoll.core.shop import Policy
from bcpoll.core.sides import check_items, items_from
from bcpoll.core.sold import payments, sold_items
from bcpoll.core.status import OrderStatus
from bcpoll.core.translate import checked_parts, ordered_items
from bcpoll.lines import whole_order
from bcpoll.monitoring.reconcile import Reconciler
from bcpoll.ports import OrderSource
from bcpoll.shell import Shell

_PRUNED = "What was sent is no longer kept ([checkpoint] keep_payloads); --live reads both sides."
_NEVER_SENT = "The sale was not written by way of this checkpoint, so only its total is known; --live reads both sides."

# Of most currencies, for an order whose own is not known.
_DIGITS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """The order's side."""

    items: tuple[Item, ...] = ()
    check: MoneyCheck | None = None
    """None where the order cannot be read, or nothing of it was kept."""
    problem: str = ""
    """Why it cannot be read."""
    order: Order | None = None
    """The whole order, personal data included, where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InPos:
    """The sale's side."""

    sale_id: str
    state: str
    revision: int
    items: tuple[Item, ...] | None
    """None where no line of it was kept."""
    total: Decimal
    tax: Decimal | None
    payments: tuple[Payment, ...] = ()
    customer_id: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was done about the order, or tried, or noticed."""

    at: datetime
    what: str
    target: str = ""
    """What was written to: the id of the sale, mostly."""
    outcome: str = ""
    detail: str = ""
    run_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """All that is known of one order."""

    order_id: int
    status: str
    modified_at: datetime | None
    digits: int
    ordered: Ordered
    sale: InPos | None
    customer_key: str
    review: ReviewItem | None
    history: tuple[Event, ...]
    refunds: tuple[RefundRow, ...] = ()
    remarks: tuple[str, ...] = ()
    compared: Compared | None = None
    """How the two sides compare, where both were read anew."""


def remembered(checkpoint: Checkpoint, policy: Policy, order_id: int) -> Shown | None:
    """What the checkpoint alone knows of an order; None where it knows nothing."""
    row = checkpoint.ledger([order_id]).get(order_id)
    item = checkpoint.review_item_of(order_id)
    intents = checkpoint.history(order_id)
    if row is None and item is None and not intents:
        return None
    written = _last_written(intents, row)
    sale = _remembered_sale(checkpoint, row, written)
    ordered = _remembered_order(row, item, written, policy)
    status = row.status_id if row else (item.payload.get("status_id") if item else None)
    return Shown(
        order_id=order_id,
        status=_title(status),
        modified_at=row.modified_at if row else None,
        digits=_digits(row, ordered),
        ordered=ordered,
        sale=sale,
        customer_key=row.customer_key if row else "",
        review=item,
        history=tuple(_history(checkpoint, intents, item)),
        refunds=tuple(checkpoint.refunds_of([order_id])),
        remarks=tuple(_remarks(row, intents, written)),
    )


def live(shell: Shell, order_id: int) -> Shown | None:
    """What both sides hold of an order now, with the history that the checkpoint knows; None where nobody knows it."""
    known = remembered(shell.checkpoint, shell.policy, order_id)
    found = Reconciler(shell).look_at(order_id)
    if found is None:
        return known
    compared, raw = found
    base = known or _unknown(order_id)
    head = decode_head(raw) if raw else None
    ordered = read_order(raw, shell.policy, shell.source) if raw else Ordered(problem="BigCommerce has no such order")
    order = ordered.order
    digits = Currency(order.currency).digits if order else base.digits
    sale_id = next(iter(compared.sale_ids), base.sale.sale_id if base.sale else "")
    return replace(
        base,
        status=compared.status or base.status,
        modified_at=head.modified_at if isinstance(head, Head) else base.modified_at,
        digits=digits,
        ordered=ordered,
        sale=_live_sale(shell, sale_id, base.sale, ordered.items, digits),
        remarks=("The order is archived in BigCommerce.",) if order and order.archived else (),
        compared=compared,
    )


def _unknown(order_id: int) -> Shown:
    """What is shown of an order that the checkpoint knows nothing of."""
    return Shown(
        order_id=order_id,
        status="",
        modified_at=None,
        digits=_DIGITS,
        ordered=Ordered(),
        sale=None,
        customer_key="",
        review=None,
        history=(),
    )


def read_order(raw: Json, policy: Policy, source: OrderSource | None = None) -> Ordered:
    """A raw order as it is shown; lines that were not embedded are read from `source`, where there is one."""
    head = decode_head(raw)
    if isinstance(head, Rejected):
        return Ordered(problem=f"{head.field}: {head.detail}")
    if source is None and not lines_are_complete(raw):
        return Ordered(problem="not all of its lines were embedded; --live reads them")
    order = decode_order(raw, head) if source is None else whole_order(source, raw, head)
    if isinstance(order, Rejected):
        return Ordered(problem=f"{order.field}: {order.detail}")
    parts = checked_parts(order, policy)
    check = parts if isinstance(parts, Gap) else parts.check
    return Ordered(items=ordered_items(parts.parts, policy), check=check, order=order)


# --- from the checkpoint ---------------------------------------------------------------------------------------------


_SALE_KINDS = (IntentKind.SALE, IntentKind.SETTLE_SALE)


def _last_written(intents: Sequence[Intent], row: LedgerRow | None) -> list[Intent]:
    """The writes that made the order's sale what it is, newest first; without a ledger row, those that were tried."""
    sale_id = row.applied.sale_id if row else ""
    states = (IntentState.DONE,) if sale_id else tuple(IntentState)
    return [
        intent
        for intent in reversed(intents)
        if intent.kind in _SALE_KINDS and intent.state in states and sale_id in ("", intent.target)
    ]


def _remembered_sale(checkpoint: Checkpoint, row: LedgerRow | None, written: Sequence[Intent]) -> InPos | None:
    if row is None or not row.applied.sale_id:
        return None
    applied: Applied = row.applied
    requests = (one.body.get("request") for one in written if one.kind is IntentKind.SALE)
    request: Json = next((one for one in requests if one), {})
    paid = next((one.body["payments"] for one in written if "payments" in one.body), ())
    items = tuple(_named(checkpoint, sold_items(request, {}), _ordered_memory(written))) if request else None
    digits = _exponent(applied.total)
    return InPos(
        sale_id=applied.sale_id,
        state=applied.state,
        revision=applied.revision,
        items=items,
        total=applied.total,
        tax=None if items is None else round_money(total(one.tax for one in items), digits),
        payments=tuple(Payment(type_id=one["type_id"], amount=Decimal(one["amount"])) for one in paid),
        customer_id=str(request.get("customer_id") or ""),
        note=str(request.get("note") or ""),
    )


def _remembered_order(
    row: LedgerRow | None, item: ReviewItem | None, written: Sequence[Intent], policy: Policy
) -> Ordered:
    """The payload of an order that was set aside is the newest there is; else what was remembered with the sale."""
    if item is not None and item.payload and item.fingerprint == (row.fingerprint if row else item.fingerprint):
        return read_order(item.payload, policy)
    items = _ordered_memory(written)
    if not items or row is None or row.order_total is None or row.tax is None:
        return Ordered(items=items)
    return Ordered(items=items, check=check_items(items, row.order_total, row.tax, _exponent(row.order_total)))


def _ordered_memory(written: Sequence[Intent]) -> tuple[Item, ...]:
    return next((items_from(one.body["ordered"]) for one in written if one.body.get("ordered")), ())


def _named(checkpoint: Checkpoint, items: Iterable[Item], ordered: Sequence[Item]) -> Iterator[Item]:
    """Lines of a sale, whose codes are the POS's ids, under the codes of the order where they are the same product."""
    rows = list(items)
    keys = {code_key(item.code): item.code for item in ordered}
    known = checkpoint.product_ids(keys)
    codes = {product_id: keys[key] for key, ids in known.items() for product_id in ids}
    names = checkpoint.product_codes([row.code for row in rows])
    for row in rows:
        code, name = names.get(row.code, (row.code, ""))
        yield replace(row, code=codes.get(row.code, code), name=name)


def _remarks(row: LedgerRow | None, intents: Sequence[Intent], written: Sequence[Intent]) -> Iterator[str]:
    if row is None:
        return
    if row.applied.sale_id and not written:
        yield _PRUNED if any(one.kind in _SALE_KINDS for one in intents) else _NEVER_SENT
    elif row.applied.sale_id and not any(one.body for one in written):
        yield _PRUNED
    yield from filter(None, row.note.splitlines())


def _history(checkpoint: Checkpoint, intents: Sequence[Intent], item: ReviewItem | None) -> Iterator[Event]:
    """Everything by time, the runs that it was done in included."""
    events = [*(_event(intent) for intent in intents), *_review_events(item)]
    runs = checkpoint.runs({event.run_id for event in events if event.run_id})
    for run in runs.values():
        events.append(Event(at=run.begun_at, what=f"run {run.id} began", outcome=_ended(run), run_id=run.id))
    yield from sorted(events, key=lambda event: event.at)


def _ended(run: Run) -> str:
    """How a run ended; which orders it set aside is told of those orders alone."""
    if run.outcome is None:
        return "under way, or killed"
    return (RunOutcome.DONE if run.outcome is RunOutcome.SET_ASIDE else run.outcome).value


_DID: Mapping[IntentKind, str] = {
    IntentKind.SALE: "create sale",
    IntentKind.SETTLE_SALE: "add payments",
    IntentKind.VOID_SALE: "void sale",
    IntentKind.FULFILLMENT: "complete fulfilment",
}


def _event(intent: Intent) -> Event:
    what = _DID.get(intent.kind, intent.kind.value.replace("_", " "))
    return Event(
        at=intent.created_at,
        what=what,
        target=intent.target,
        outcome=intent.state.value,
        detail=intent.detail,
        run_id=intent.run_id,
    )


def _review_events(item: ReviewItem | None) -> Iterator[Event]:
    if item is not None:
        yield Event(at=item.first_at, what="set aside", outcome=item.reason, detail=item.detail, run_id=item.run_id)
        if item.last_at != item.first_at:
            yield Event(at=item.last_at, what="in review", outcome=item.state, detail=item.note)


def _digits(row: LedgerRow | None, ordered: Ordered) -> int:
    if ordered.order is not None:
        return Currency(ordered.order.currency).digits
    return _exponent(row.order_total) if row and row.order_total is not None else _DIGITS


def _exponent(amount: Decimal) -> int:
    """How many decimals an amount was kept with: those of its currency."""
    return max(0, -int(amount.as_tuple().exponent))


def _title(status_id: int | None) -> str:
    return OrderStatus(status_id).title if status_id in set(OrderStatus) else f"status {status_id}"


# --- live ------------------------------------------------------------------------------------------------------------


def _live_sale(shell: Shell, sale_id: str, known: InPos | None, ordered: Sequence[Item], digits: int) -> InPos | None:
    found = shell.pos.sale(sale_id) if sale_id else None
    if found is None:
        return None
    document = found.document
    items = tuple(_named(shell.checkpoint, sold_items(document, {}), ordered))
    by_lines = total(item.paid for item in items)
    return InPos(
        sale_id=found.id,
        state=found.state,
        revision=known.revision if known and known.sale_id == found.id.lower() else 0,
        items=items,
        total=round_money(by_lines if found.total is None else found.total, digits),
        tax=round_money(total(item.tax for item in items), digits),
        payments=tuple(payments(document)),
        customer_id=str(document.get("customer_id") or ""),
        note=str(document.get("note") or ""),
    )
