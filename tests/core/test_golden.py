"""Golden cases: for each order under tests/golden, the sale and the plan as text for a reader.

A case is a folder with `order.json`, as BigCommerce sends it, and `expected.txt`. Where the POS already holds something
for the order, `before.json` is the order as it was when that was written; `refunds.json` holds what the store tells of
refunds of it, of which those in `booked.json`, by id, are booked already; `transactions.json` holds what it tells of
how the order was paid; `settings.json` names settings that differ
from the defaults. `pytest --update-golden` rewrites the expected texts: review the difference.
"""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from builders import NOTHING_KNOWN, STORE, a_policy, a_shop

from bcpoll.core.decode import Head, decode_head, decode_order, decode_refund, decode_transactions
from bcpoll.core.money import amount_text, total
from bcpoll.core.order import Json, Refund
from bcpoll.core.plan import after, plan
from bcpoll.core.refunds import with_refunds
from bcpoll.core.rejected import Rejected
from bcpoll.core.sale import (
    Applied,
    CreateRefund,
    CreateSale,
    DeclinedRefund,
    Desired,
    DesiredState,
    Plan,
    ProductDraft,
    Refunded,
    RefundSale,
    Sale,
    SaleLine,
)
from bcpoll.core.shop import CancelledUnseen, Edits, Fulfillment, Mismatch, Policy, Refunds, Unpaid
from bcpoll.core.status import OrderStatus
from bcpoll.core.translate import is_wanted, not_wanted, translate

CASES = sorted(path.parent for path in Path(__file__).parents[1].glob("golden/*/order.json"))
SHOP = a_shop()
TAX_NAMES = {tax.id: tax.name for tax in SHOP.taxes}
_NONE = Refunded()
CHOICES: dict[str, Any] = {
    "cancelled_unseen": CancelledUnseen,
    "edits": Edits,
    "fulfillment": Fulfillment,
    "mismatch": Mismatch,
    "refunds": Refunds,
    "restock_refunds": bool,
    "unpaid": Unpaid,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_order_becomes_what_is_expected(case: Path, *, update_golden: bool) -> None:
    told = "\n".join(_told(case)) + "\n"
    expected = case / "expected.txt"
    if update_golden:
        expected.write_text(told)
    assert expected.read_text() == told


def test_every_status_is_among_the_cases() -> None:
    assert {_load(case, "order.json")["status_id"] for case in CASES} >= set(OrderStatus)


def test_cases_have_no_files_but_their_own() -> None:
    told = {"refunds.json", "booked.json", "transactions.json"}
    known = {"order.json", "before.json", "settings.json", "expected.txt"} | told
    assert {path.name for case in CASES for path in case.iterdir()} <= known
    assert {path.parent for path in CASES[0].parent.glob("*/*")} == set(CASES)


# --- what happens ----------------------------------------------------------------------------------------------------


def _load(case: Path, name: str) -> Any:
    file = case / name
    return json.loads(file.read_text(), parse_float=Decimal) if file.exists() else {}


def _policy(case: Path) -> Policy:
    settings = _load(case, "settings.json")
    return a_policy(**{name: CHOICES[name](value) for name, value in settings.items()})


def _fate(
    raw: Json, policy: Policy, refunds: Sequence[Refund | Rejected] = (), transactions: Sequence[Json] | None = None
) -> tuple[Head | None, Desired | Rejected]:
    head = decode_head(raw)
    if isinstance(head, Rejected):
        return None, head
    if not is_wanted(head, policy):
        return head, not_wanted(head.id)
    order = decode_order(raw, head)
    told = None if transactions is None else decode_transactions(transactions, head.id)
    if isinstance(order, Rejected) or isinstance(told, Rejected):
        return head, order if isinstance(order, Rejected) else told
    desired = translate(order, SHOP, policy, NOTHING_KNOWN, transactions=told)
    if isinstance(desired, Rejected):
        return head, desired
    return head, with_refunds(desired, order, refunds, shop=SHOP, policy=policy, known=NOTHING_KNOWN)


def _applied(case: Path, policy: Policy) -> Applied | None:
    """What the ledger says of the order as it was before."""
    before = _load(case, "before.json")
    if not before:
        return None
    _, desired = _fate(before, policy)
    assert isinstance(desired, Desired)
    applied = Applied(order_id=desired.order_id)
    for action in _plan(desired, applied, policy).actions:
        applied = after(applied, action, desired.content)
    return applied


def _plan(desired: Desired, applied: Applied, policy: Policy, refunded: Refunded = _NONE) -> Plan:
    return plan(desired, applied, store_hash=STORE, policy=policy, refunded=refunded)


def _refunds(case: Path, *, booked: bool) -> list[Refund | Rejected]:
    """The refunds of the order, decoded: those that are booked, or those that wait."""
    ids = _load(case, "booked.json") or []
    return [decode_refund(raw) for raw in _load(case, "refunds.json") or [] if (raw["id"] in ids) is booked]


def _refunded(case: Path, raw: Json, policy: Policy) -> Refunded:
    """What the ledger says of the refunds that are booked."""
    _, desired = _fate(raw, policy, _refunds(case, booked=True))
    sales = [one for one in desired.refunds if isinstance(one, RefundSale)] if isinstance(desired, Desired) else []
    units = {line.line_id: 0 for one in sales for line in one.returned}
    for line in (line for one in sales for line in one.returned):
        units[line.line_id] += line.units
    return Refunded(
        total=total(one.total for one in sales),
        units=units,
        is_booked=bool(sales),
        is_known=bool(_load(case, "refunds.json")),
    )


# --- how it is told --------------------------------------------------------------------------------------------------


def _told(case: Path) -> Iterator[str]:
    raw, policy = _load(case, "order.json"), _policy(case)
    transactions = _load(case, "transactions.json") or None
    head, desired = _fate(raw, policy, _refunds(case, booked=False), transactions)
    applied, refunded = _applied(case, policy), _refunded(case, raw, policy)
    yield f"order {raw['id']}, {head.status.title if head else raw['status']}"
    if head:
        yield f"created {head.created_at:%Y-%m-%d %H:%M} UTC"
    for name, value in _load(case, "settings.json").items():
        yield f'setting {name} = "{value}"'
    if applied:
        yield f"before: {applied.state}, {applied.total} as sale {applied.sale_id}"
    if refunded.is_booked:
        yield f"refunds booked before: {refunded.total}"
    yield ""
    if isinstance(desired, Rejected):
        yield from _told_rejected(desired)
        return
    if desired.sale is None:
        yield "not imported"
    else:
        yield from _told_sale(desired.sale, desired)
    for refund in desired.refunds:
        yield from _told_refund(refund)
    todo = _plan(desired, applied or Applied(order_id=desired.order_id), policy, refunded)
    if any(isinstance(action, CreateSale) for action in todo.actions):
        yield from _told_products(desired.products)
    yield from _told_plan(todo)


def _told_rejected(rejected: Rejected) -> Iterator[str]:
    yield f"set aside: {rejected.reason}"
    yield f"  where  {rejected.field}"
    yield f"  what   {rejected.detail}"
    yield f"  hint   {rejected.hint}"


def _told_sale(sale: Sale, desired: Desired) -> Iterator[str]:
    digits = SHOP.currency.digits
    amount, tax = amount_text(sale.total, digits), amount_text(sale.tax, digits)
    yield f"{_STATES[desired.state]}: total {amount} {SHOP.currency.code}, tax {tax}"
    attributes = f" ({', '.join(sale.attributes)})" if sale.attributes else ""
    yield f"sale {sale.state}{attributes} at register {sale.register.name}"
    yield from _section(
        "lines", _table([_line(line) for line in sale.lines], titles=_LINE_TITLES, numbers=frozenset({1, 2, 3}))
    )
    yield from _section(
        "payments", _table([(pay.type_id, str(pay.amount)) for pay in sale.payments], numbers=frozenset({1}))
    )
    buyer = sale.buyer
    yield from _section("buyer", [f"{buyer.key}, customer code {buyer.code}"] if buyer else ["nobody"])
    if sale.ship_to:
        yield from _section("ship to", [f"{sale.ship_to.street_1}, {sale.ship_to.city}"])
    yield from _section("note", sale.note.splitlines())


def _told_refund(refund: RefundSale | DeclinedRefund | Rejected) -> Iterator[str]:
    yield ""
    if isinstance(refund, Rejected):
        yield "refund"
        yield from _told_rejected(refund)
        return
    if isinstance(refund, DeclinedRefund):
        yield f"refund {refund.refund_id}: nothing to book"
        return
    sale, digits = refund.sale, SHOP.currency.digits
    amount, tax = amount_text(sale.total, digits), amount_text(sale.tax, digits)
    yield f"refund {refund.refund_id} of {sale.date:%Y-%m-%d}: total {amount} {SHOP.currency.code}, tax {tax}"
    rows = [_line(line) for line in sale.lines]
    yield from _section("lines given back", _table(rows, titles=_LINE_TITLES, numbers=frozenset({1, 2, 3})))
    paid = [(pay.type_id, str(pay.amount)) for pay in sale.payments]
    yield from _section("payments given back", _table(paid, numbers=frozenset({1})))
    yield from _section("goods that come back", [f"{count} {code}" for code, count in refund.goods])
    yield from _section("note", sale.note.splitlines())


def _told_products(products: Sequence[ProductDraft]) -> Iterator[str]:
    rows = [_draft(draft) for draft in products]
    yield from _section("products, where the POS has none", _table(rows, numbers=frozenset({2})))


_STATES = {
    DesiredState.UNPAID: "not paid",
    DesiredState.OPEN: "paid and open",
    DesiredState.PAID: "paid",
    DesiredState.VOIDED: "voided",
}
_LINE_TITLES = ("code", "qty", "unit price", "unit tax", "tax", "fulfil", "note")


def _line(line: SaleLine) -> tuple[str, ...]:
    amounts = (f"{line.unit_price:f}", f"{line.unit_tax:f}")
    return line.code, str(line.quantity), *amounts, TAX_NAMES[line.tax_id], line.way or "", line.note


def _draft(draft: ProductDraft) -> tuple[str, ...]:
    if draft.is_charge:
        return draft.code, draft.name, "", "charge"
    ids = f"BigCommerce {draft.product_id}-{draft.variant_id}" if draft.product_id else "not in the catalogue"
    return draft.code, draft.name, f"{draft.unit_price:f}", TAX_NAMES[draft.tax_id], ids


def _told_plan(todo: Plan) -> Iterator[str]:
    lines = [f"{type(action).__name__} {action.sale_id}{_revision(action)}" for action in todo.actions]
    if todo.notice:
        lines += [f"notice: {todo.notice.reason}, {todo.notice.detail}"]
    yield from _section("plan", lines or ["nothing to do"])


def _revision(action: object) -> str:
    if isinstance(action, CreateRefund):
        return f", refund {action.refund.refund_id}" + ("" if action.restocks else ", goods taken out of stock again")
    return f", revision {action.revision}, becomes {action.becomes}" if isinstance(action, CreateSale) else ""


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    yield ""
    yield title
    yield from (f"  {line}".rstrip() for line in lines or ["none"])


def _table(
    rows: Sequence[Sequence[str]], *, titles: Sequence[str] = (), numbers: frozenset[int] = frozenset()
) -> list[str]:
    """Rows in columns, numbers to the right; columns that are empty are left out."""
    width = max(map(len, rows), default=0)
    columns = list(zip(*((*row, *[""] * (width - len(row))) for row in rows), strict=True))
    shown = [at for at, column in enumerate(columns) if any(column)]
    told = [[titles[at], *columns[at]] if titles else list(columns[at]) for at in shown]
    cells = [_padded(column, right=at in numbers) for at, column in zip(shown, told, strict=True)]
    return ["  ".join(row) for row in zip(*cells, strict=True)]


def _padded(cells: Sequence[str], *, right: bool) -> list[str]:
    size = max(map(len, cells))
    return [cell.rjust(size) if right else cell.ljust(size) for cell in cells]
