"""What `run-once --dry-run` shows: the writes order by order, their effect in sums, and on request the exact bodies."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import click

from bcpoll.cli import render
from bcpoll.cli.show import check_json
from bcpoll.core.order import Json
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import Action, CreateRefund, CreateSale, SettleSale
from bcpoll.core.shop import Policy
from bcpoll.cycle import Preview
from bcpoll.foresee import Effect, does
from bcpoll.http import write_json
from bcpoll.monitoring.show import read_order


def show(preview: Preview, effect: Effect, payment_types: Mapping[str, str], *, bodies: bool) -> None:
    """Print what a pass would write, order by order, and what that would do."""
    busy = [one for one in preview.planned if one.plan.actions]
    if busy:
        rows = [(one.order_id, does(action), *_sums(action)) for one in busy for action in one.plan.actions]
        render.show_table(
            "Would be written", ("order", "action", "total", "tax"), rows, right=("order", "total", "tax")
        )
        click.echo()
        _show_effect(effect, payment_types)
    else:
        click.echo("Nothing would be written.")
    _show_rejected(preview)
    if bodies and effect.requests:
        click.echo()
        click.echo("\n\n".join(_request_text(effect)))


def _sums(action: Action) -> tuple[object, object]:
    if isinstance(action, CreateSale | SettleSale | CreateRefund):
        return action.sale.total, action.sale.tax
    return "", ""


def _show_effect(effect: Effect, payment_types: Mapping[str, str]) -> None:
    render.show_table("What it would do", ("", ""), _effect_rows(effect, payment_types))
    stock = [(code, _signed(units.normalize())) for code, units in effect.stock.items()]
    if stock:
        click.echo()
        render.show_table("What it would do to the stock", ("code", "units"), stock, right=("units",))
    if effect.products:
        click.echo()
        rows = [(one.code, one.name, _opening(one.opening)) for one in effect.products]
        columns = ("code", "new product", "begins with")
        render.show_table("Products that would be created", columns, rows, right=("begins with",))


def _effect_rows(effect: Effect, payment_types: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "sales", ", ".join(f"{count} x {what} ({amount})" for what, (count, amount) in effect.sales.items())
    yield "money", f"{_signed(effect.money)}, of which tax {_signed(effect.tax)}"
    if effect.payments:
        named = (f"{payment_types.get(type_id, type_id)} {amount}" for type_id, amount in effect.payments.items())
        yield "payments", ", ".join(named)
    new = f" ({', '.join(effect.customers.values())})" if effect.customers else ""
    yield "customers", f"{len(effect.customers)} created{new}, {effect.linked} found in the POS"
    yield "products", f"{len(effect.products)} created"


def _signed(amount: Decimal) -> str:
    return f"{amount:+f}"


def _opening(stock: Decimal | None) -> str:
    return "not counted" if stock is None else f"{stock.normalize():f}"


def _show_rejected(preview: Preview) -> None:
    rejected = [(one.order_id, one.reason, render.detail(one)) for one in _set_aside(preview)]
    if rejected:
        click.echo()
        columns = ("order", "reason", "detail")
        render.show_table("Would be set aside", columns, rejected, right=("order",), below="detail")


def _set_aside(preview: Preview) -> Sequence[Rejected]:
    """What could not be translated, and the notices that plans leave for a person."""
    notices = [one.plan.notice for one in preview.planned if one.plan.notice]
    return [*(rejected for rejected, _ in preview.rejected), *notices]


def is_set_aside(preview: Preview) -> bool:
    """Whether a pass would set anything aside."""
    return bool(_set_aside(preview))


def _request_text(effect: Effect) -> Iterator[str]:
    for one in effect.requests:
        order = f"  (order {one.order_id})" if one.order_id else ""
        yield f"{one.method} {one.path}{order}\n{write_json(one.body, indent=2)}"


def as_json(
    preview: Preview, effect: Effect, policy: Policy, payment_types: Mapping[str, str], *, bodies: bool
) -> Json:
    """The same as plain values; amounts as text, but in bodies as they are sent."""
    told: Json = {
        "writes": [
            {
                "order": one.order_id,
                "action": does(action),
                "sale_id": action.sale_id,
                "stock": {code: int(units) for code, units in effect.moves.get(action.sale_id, {}).items()},
            }
            for one in preview.planned
            for action in one.plan.actions
        ],
        "sales": {what: {"count": count, "total": str(amount)} for what, (count, amount) in effect.sales.items()},
        "money": str(effect.money),
        "tax": str(effect.tax),
        "payments": {payment_types.get(type_id, type_id): str(amount) for type_id, amount in effect.payments.items()},
        "stock": {code: int(units) for code, units in effect.stock.items()},
        "customers": {"created": list(effect.customers.values()), "found": effect.linked},
        "products": [
            {"code": one.code, "name": one.name, "opening_stock": None if one.opening is None else int(one.opening)}
            for one in effect.products
        ],
        "set_aside": [_rejected_json(one, preview, policy) for one in _set_aside(preview)],
    }
    if bodies:
        told["requests"] = [
            {"order": one.order_id or None, "method": one.method, "path": one.path, "body": one.body}
            for one in effect.requests
        ]
    return told


def _rejected_json(rejected: Rejected, preview: Preview, policy: Policy) -> Json:
    raw = next((raw for one, raw in preview.rejected if one is rejected), None)
    is_money = rejected.reason is Reason.TOTALS_DIFFER and raw is not None
    check = read_order(raw, policy).check if is_money and raw is not None else None
    return {
        "order": rejected.order_id,
        "reason": rejected.reason,
        "field": rejected.field,
        "detail": rejected.detail,
        "hint": rejected.hint,
        **({"money": check_json(check)} if check else {}),
    }
