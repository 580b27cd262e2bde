"""`bcpoll show`: one order and its sale side by side, with the money check and what was written when."""

import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import ORDER_ID, Options, pass_options, print_json

if TYPE_CHECKING:
    from bcpoll.checkpoint import RefundRow, ReviewItem
    from bcpoll.core.parts import MoneyCheck
    from bcpoll.core.reconcile import Compared
    from bcpoll.core.sale import Item
    from bcpoll.monitoring.show import Event, InPos, Shown


@click.command(epilog="Example: bcpoll show 1042 --live", short_help="Show an order and its sale side by side.")
@click.argument("order_id", callback=ORDER_ID, metavar="ORDER")
@click.option("--live", is_flag=True, help="Read BigCommerce and the POS again, instead of the checkpoint alone.")
@click.option("--personal", is_flag=True, help="Show names, addresses and messages too.")
@pass_options
def show(options: Options, order_id: int, live: bool, personal: bool) -> None:  # noqa: FBT001
    """Show an order and its sale side by side, line by line, with the money check and the history.

    Needs no network: it tells what was ordered and sent when the sale was written. Names, e-mail addresses, postal
    addresses and messages are left out unless --personal asks for them.
    """
    from bcpoll.cli import wiring
    from bcpoll.config import policy
    from bcpoll.monitoring import show as monitoring
    from bcpoll.references import payment_names

    settings = wiring.settings_of(options.config, options.environ)
    if live:
        with wiring.connected(settings, command="show", stop=threading.Event(), watching=True) as connection:
            shown, names = monitoring.live(connection.shell, order_id), payment_names(connection.checkpoint)
    else:
        with wiring.open_checkpoint(settings, create=False) as checkpoint:
            shown, names = monitoring.remembered(checkpoint, policy(settings), order_id), payment_names(checkpoint)
    if shown is None:
        where = "Neither BigCommerce nor the POS has an" if live else "The checkpoint has no"
        hint = "" if live else "; --live asks BigCommerce for it"
        raise click.UsageError(f"{where} order {order_id}{hint}.")
    if options.as_json:
        print_json(_as_json(shown, names, personal=personal))
    else:
        _show(shown, names, personal=personal)


COMMANDS = (show,)


# --- text ------------------------------------------------------------------------------------------------------------


def _show(shown: "Shown", names: Mapping[str, str], *, personal: bool) -> None:
    from bcpoll.cli import render

    rows = list(_about(shown, names, personal=personal))
    render.show_table(f"Order {shown.order_id}", ("", ""), rows)
    if shown.ordered.items or (shown.sale and shown.sale.items):
        click.echo()
        _show_lines(shown)
    if shown.history:
        click.echo()
        columns = ("when", "what", "outcome", "run", "detail")
        events = [
            (
                f"{event.at:%Y-%m-%d %H:%M:%S} UTC",
                event.what,
                event.outcome,
                event.run_id or "",
                _masked(_told(event, shown.sale), personal=personal),
            )
            for event in shown.history
        ]
        render.show_table("History", columns, events, right=("run",), below="detail")


def _told(event: "Event", sale: "InPos | None") -> str:
    """What there is to tell of an event; what it wrote to only where that is not the sale that is shown."""
    is_shown = sale is not None and event.target == sale.sale_id
    return ": ".join(filter(None, ("" if is_shown else event.target, event.detail)))


def _about(shown: "Shown", names: Mapping[str, str], *, personal: bool) -> Iterator[tuple[str, str]]:
    yield "status", shown.status + (f", changed {shown.modified_at:%Y-%m-%d %H:%M} UTC" if shown.modified_at else "")
    yield "sale", _sale_line(shown.sale)
    yield "customer", _customer(shown, personal=personal)
    if shown.sale and shown.sale.payments:
        amounts = ((one.type_id, _amount(one.amount, shown.digits)) for one in shown.sale.payments)
        paid = (f"{names.get(type_id, type_id)} {amount}" for type_id, amount in amounts)
        yield "paid by", ", ".join(paid)
    yield "money", _money(shown)
    for refund in shown.refunds:
        sold = f": {refund.total} as sale {refund.sale_id}" if refund.sale_id else ""
        yield "refund", f"{refund.refund_id}, {refund.state}{sold}"
    if shown.review:
        standing = f"{shown.review.state}, {shown.review.reason}: {shown.review.detail}"
        yield "review", _masked(standing, personal=personal)
        if shown.review.state == "open":
            yield "what to do", shown.review.hint
        elif shown.review.note:
            yield "because", shown.review.note
    if shown.compared:
        found = [f"{finding}: {detail}" for finding, detail in shown.compared.findings]
        yield "both sides", _masked("; ".join(found), personal=personal) or "agree"
    if personal:
        yield from _person(shown)
    yield from (("note", remark) for remark in shown.remarks)


def _sale_line(sale: "InPos | None") -> str:
    if sale is None:
        return "none"
    revision = f", written anew {sale.revision - 1} times" if sale.revision > 1 else ""
    return f"{sale.sale_id}, {sale.state}{revision}"


def _customer(shown: "Shown", *, personal: bool) -> str:
    key = shown.customer_key
    order = shown.ordered.order
    if not key and order is not None:
        key = f"customer:{order.customer_id}" if order.customer_id else f"email:{order.billing.email}".rstrip(":")
    kind, _, value = key.partition(":")
    who = {"customer": f"BigCommerce customer {value}", "email": f"guest {value}" if personal else "guest"}.get(kind)
    in_pos = f", POS customer {shown.sale.customer_id}" if shown.sale and shown.sale.customer_id else ""
    return (who or "none") + in_pos


def _money(shown: "Shown") -> str:
    check, sale = shown.ordered.check, shown.sale
    said = shown.ordered.problem or (str(check) if check else "the order's lines are not known")
    if sale is None:
        return said
    if check and check.holds and (sale.total, sale.tax) == (check.stated_total, check.stated_tax):
        return f"{said}; so does the sale"
    tax = "" if sale.tax is None else f" (tax {sale.tax})"
    return f"{said}; the sale comes to {sale.total}{tax}"


def _person(shown: "Shown") -> Iterator[tuple[str, str]]:
    order = shown.ordered.order
    if order is not None:
        billing = order.billing
        name = f"{billing.first_name} {billing.last_name}".strip()
        members = (name, billing.company, billing.street_1, billing.street_2, billing.postcode, billing.city)
        yield "billed to", ", ".join(filter(None, (*members, billing.country, billing.email, billing.phone)))
        if order.customer_message:
            yield "message", order.customer_message
    if shown.sale and shown.sale.note:
        yield "sale note", " / ".join(shown.sale.note.splitlines())


def _show_lines(shown: "Shown") -> None:
    from bcpoll.cli import render
    from bcpoll.core.sides import side_by_side

    sold = shown.sale.items if shown.sale else None
    pairs = side_by_side(shown.ordered.items, sold or (), shown.digits)
    is_known = bool(shown.ordered.items) and sold is not None
    sums = ("units", "paid", "tax")
    columns = ("ordered", "code", *sums, *(f"sold {name}" for name in sums), "")
    rows = []
    for pair in pairs:
        item = pair.ordered or pair.sold
        name, code = (item.name, item.code) if item else ("", "")
        mark = "" if pair.agrees or not is_known else "differs"
        rows.append((name, code, *_cells(pair.ordered, shown.digits), *_cells(pair.sold, shown.digits), mark))
    render.show_table("Line by line", columns, rows, right=columns[2:-1])


def _cells(item: "Item | None", digits: int) -> tuple[str, str, str]:
    if item is None:
        return ("", "", "")
    return (_whole(item.quantity), _amount(item.paid, digits), _amount(item.tax, digits))


def _amount(amount: Decimal, digits: int) -> str:
    from bcpoll.core.money import amount_text

    return amount_text(amount, digits)


def _whole(units: Decimal) -> str:
    return f"{units.normalize():f}"


def _masked(text: str, *, personal: bool) -> str:
    from bcpoll.core.personal import masked

    return text if personal else masked(text)


# --- plain values ----------------------------------------------------------------------------------------------------


def _as_json(shown: "Shown", names: Mapping[str, str], *, personal: bool) -> dict[str, Any]:
    from bcpoll.core.times import iso

    check = shown.ordered.check
    told = {
        "order": shown.order_id,
        "status": shown.status,
        "changed": iso(shown.modified_at) if shown.modified_at else None,
        "customer": _customer(shown, personal=personal),
        "money": None if check is None else check_json(check),
        "problem": shown.ordered.problem,
        "sale": None if shown.sale is None else _sale_json(shown.sale, names),
        "lines": _lines_json(shown),
        "refunds": [_refund_json(refund) for refund in shown.refunds],
        "review": None if shown.review is None else _review_json(shown.review, personal=personal),
        "both_sides": None if shown.compared is None else _findings_json(shown.compared, personal=personal),
        "history": [_event_json(event, personal=personal) for event in shown.history],
        "notes": list(shown.remarks),
    }
    return told | ({"personal": dict(_person(shown))} if personal else {})


def check_json(check: "MoneyCheck") -> dict[str, Any]:
    """The money check as plain values."""
    return {
        "adds_up": check.holds,
        "order_total": _amount(check.stated_total, check.digits),
        "order_tax": _amount(check.stated_tax, check.digits),
        "parts_total": _amount(check.parts_total, check.digits),
        "parts_tax": _amount(check.parts_tax, check.digits),
        "difference": _amount(check.difference, check.digits),
        "in": check.source,
        "look_at": list(check.suspects),
    }


def _sale_json(sale: "InPos", names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": sale.sale_id,
        "state": sale.state,
        "revision": sale.revision,
        "total": str(sale.total),
        "tax": None if sale.tax is None else str(sale.tax),
        "customer_id": sale.customer_id,
        "payments": [{"type": names.get(one.type_id, one.type_id), "amount": str(one.amount)} for one in sale.payments],
    }


def _item_json(item: "Item | None", digits: int) -> dict[str, Any] | None:
    if item is None:
        return None
    units, paid, tax = _cells(item, digits)
    return {"name": item.name, "code": item.code, "units": units, "paid": paid, "tax": tax}


def _lines_json(shown: "Shown") -> list[dict[str, Any]]:
    from bcpoll.core.sides import side_by_side

    sold = shown.sale.items if shown.sale else None
    is_known = sold is not None and bool(shown.ordered.items)
    return [
        {
            "ordered": _item_json(pair.ordered, shown.digits),
            "sold": _item_json(pair.sold, shown.digits),
            "agrees": pair.agrees if is_known else None,
        }
        for pair in side_by_side(shown.ordered.items, sold or (), shown.digits)
    ]


def _refund_json(refund: "RefundRow") -> dict[str, Any]:
    return {
        "id": refund.refund_id,
        "state": refund.state,
        "total": None if refund.total is None else str(refund.total),
        "sale": refund.sale_id,
    }


def _review_json(item: "ReviewItem", *, personal: bool) -> dict[str, Any]:
    return {
        "id": item.id,
        "state": item.state,
        "reason": item.reason,
        "detail": _masked(item.detail, personal=personal),
        "hint": item.hint,
        "note": item.note,
    }


def _findings_json(compared: "Compared", *, personal: bool) -> list[dict[str, Any]]:
    return [{"finding": finding, "detail": _masked(detail, personal=personal)} for finding, detail in compared.findings]


def _event_json(event: "Event", *, personal: bool) -> dict[str, Any]:
    from bcpoll.core.times import iso

    return {
        "at": iso(event.at),
        "what": event.what,
        "target": _masked(event.target, personal=personal),
        "outcome": event.outcome,
        "detail": _masked(event.detail, personal=personal),
        "run": event.run_id,
    }
