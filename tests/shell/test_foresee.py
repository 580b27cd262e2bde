"""What a dry run foresees is what the pass then does: the same requests, the same money, the same stock."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from shop import ADA, BASIL, GUEST, OUTLET, Shop

from bcpoll.core.money import ZERO
from bcpoll.core.order import Json
from bcpoll.core.sale import Move
from bcpoll.core.status import OrderStatus
from bcpoll.cycle import preview, run_pass
from bcpoll.foresee import Effect, Request, foresee
from bcpoll.http import read_json
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.faults import Request as Asked
from bcpoll.sandbox.refunds import Refund


def foreseen(shop: Shop) -> Effect:
    shop.world.log.clear()
    with shop.connected() as shell:
        effect = foresee(shell, preview(shell))
    assert shop.writes() == []
    return effect


def sent(shop: Shop) -> list[tuple[str, str, Any]]:
    """What the next pass writes to the POS, with the bodies."""
    found: list[tuple[str, str, Any]] = []

    def note(request: Asked) -> None:
        if request.side == "pos" and request.is_write:
            body = read_json(request.body) if request.body else {}
            found.append((request.method, request.path.removeprefix("/api/2026-07"), body))

    shop.world.before.append(note)
    with shop.connected() as shell:
        run_pass(shell)
    shop.world.before.clear()
    return found


@pytest.fixture
def shop() -> Shop:
    """A shop in which much waits: new and known customers and products, sales to void, to settle and to replace."""
    shop = Shop()
    shop.world.pos.add_customer("Ada", "Teacup", "ada@example.com")
    cancelled, edited = (shop.order(shopper=ADA, quantity=2) for _ in range(2))
    paid = shop.order(shopper=ADA, quantity=2, status=OrderStatus.AWAITING_PAYMENT)
    shop.pass_()
    shop.happens(shop.store.cancel, cancelled)
    shop.happens(shop.store.set_status, paid, OrderStatus.AWAITING_FULFILLMENT)
    shop.edit(edited, shop.store.item("MUG", 5))
    shop.sell("CUP", known=False, stock=20)
    shop.order("CUP", 3, shopper=BASIL)
    shop.order("CUP", 1, shopper=GUEST)
    shop.order(shopper=ADA)
    shop.order(shopper=ADA, status=OrderStatus.CANCELLED)
    return shop


def test_it_names_the_requests_that_the_pass_then_sends(shop: Shop) -> None:
    effect = foreseen(shop)

    wanted = Counter((one.method, one.path.split("(")[0]) for one in effect.requests)
    real = Counter((method, path) for method, path, _ in sent(shop))
    assert wanted == real
    assert sum(wanted.values()) == 11


def test_bodies_are_those_that_are_sent_but_for_ids_that_do_not_exist_yet(shop: Shop) -> None:
    effect = foreseen(shop)

    bodies = {one.body["source"]["id"]: one.body for one in effect.requests if one.path == "/sales"}
    real = {body["source"]["id"]: body for method, path, body in sent(shop) if path == "/sales" and body}
    assert bodies.keys() == real.keys()
    for number, body in bodies.items():
        names = [body["customer_id"], *(line["product"]["id"] for line in body["line_items"])]
        ids = [real[number]["customer_id"], *(line["product"]["id"] for line in real[number]["line_items"])]
        for name, own in zip(names, ids, strict=True):
            assert name == own or name.startswith(("(new customer BC-", "(new product "))
        assert _comparable(body) == _comparable(real[number])


def test_the_sums_are_what_the_pass_then_does(shop: Shop) -> None:
    before, stock = _worth(shop), shop.stock()

    effect = foreseen(shop)
    shop.pass_()

    assert _worth(shop) - before == effect.money
    assert shop.stock() - stock == effect.stock["MUG"] == -2
    assert effect.stock["CUP"] == -4
    assert [(one.code, one.opening) for one in effect.products if one.code == "CUP"] == [("CUP", Decimal(20))]
    assert shop.stock("CUP") == 16
    assert effect.sales == {
        "void sale": (2, Decimal("43.20")),
        "add payments": (1, Decimal("21.60")),
        "create sale, closed": (4, Decimal("108.00")),
        "create sale, voided": (1, Decimal("10.80")),
    }
    assert (len(effect.customers), effect.linked, effect.tax) == (2, 1, Decimal("4.80"))
    assert sum(effect.payments.values()) == Decimal("129.60")


def test_what_is_not_counted_in_stock_is_not_in_its_sums(shop: Shop) -> None:
    shop.sell("PDF", stock=None)
    shop.order("PDF")

    assert "PDF" not in foreseen(shop).stock


@pytest.mark.parametrize("restock", [True, False])
def test_a_refund_gives_money_back_and_goods_where_they_are_to_be_stock_again(restock: bool) -> None:  # noqa: FBT001
    shop = Shop(settings={"sync": {"restock_refunds": restock}})
    order = shop.order(quantity=3)
    shop.pass_()
    shop.happens(shop.store.refund, order, Refund(lines={0: 2}, restock=restock))
    before, stock = _worth(shop), shop.stock()

    effect = foreseen(shop)
    shop.pass_()

    assert (effect.money, effect.tax) == (Decimal("-21.60"), Decimal("-1.60"))
    assert _worth(shop) - before == effect.money
    assert shop.stock() - stock == effect.stock.get("MUG", 0) == (2 if restock else 0)
    assert effect.sales == {"refund": (1, Decimal("-21.60"))}


def test_goods_that_are_taken_out_again_are_among_the_requests() -> None:
    shop = Shop(settings={"sync": {"restock_refunds": False}})
    shop.sell("PDF", stock=None)
    orders = [shop.order(items=(shop.store.item("MUG", 3), shop.store.item("PDF"))), shop.order(quantity=2)]
    shop.pass_()
    for order in orders:
        shop.happens(shop.store.refund, order, Refund(lines={0: 1}))

    effect = foreseen(shop)

    wanted = [(one.method, one.path, one.body) for one in effect.requests if "/sales" not in one.path]
    real = [write for write in sent(shop) if "/sales" not in write[1]]
    reason = real[1][2]["stock_adjustments"][0]["custom_inventory_adjustment_reason_id"]
    assert repr(wanted).replace("(new reason)", reason) == repr(real)
    assert [*map(_call, real)] == [
        "POST /custom_inventory_adjustment_reasons",
        "POST /stock_adjustments",
        "POST /stock_adjustments",
    ]
    assert [one.order_id for one in effect.requests if one.path == "/stock_adjustments"] == orders


def test_goods_that_still_wait_to_be_taken_out_are_among_the_requests() -> None:
    shop = Shop(settings={"sync": {"restock_refunds": False}})
    order = shop.order(quantity=3)
    shop.pass_()
    shop.happens(shop.store.refund, order, Refund(lines={0: 2}))
    shop.fails(Fault.RESET_BEFORE, "POST", "/stock_adjustments")
    shop.pass_()
    shop.time.forward(minutes=10)

    (request,) = foreseen(shop).requests

    (item,) = request.body["stock_adjustments"]
    assert (request.order_id, item["quantity"], item["product_id"]) == (order, "-2", _mug(shop))


def test_a_register_that_would_be_opened_is_opened_first() -> None:
    shop = Shop(settings={"pos": {"when_closed": "open"}})
    shop.world.pos.open_register("Online", is_open=False)
    shop.order()

    effect = foreseen(shop)

    wanted = [(one.method, one.path) for one in effect.requests]
    assert wanted == [(method, path) for method, path, _ in sent(shop)]
    assert wanted[0][1].endswith("/actions/open")


def test_what_each_write_does_to_the_stock_adds_up_to_what_all_do(shop: Shop) -> None:
    split = replace(shop.store.item("MUG", 3), price="3.3333", line_total="10.00")
    order = shop.order(items=(split,))
    shop.pass_()
    shop.happens(shop.store.cancel, order)

    effect = foreseen(shop)

    assert effect.moves == {shop.row(order).applied.sale_id: {"MUG": Decimal(3)}}
    assert effect.stock == {"MUG": Decimal(3)}
    stock = shop.stock()
    shop.pass_()
    assert shop.stock() == stock + 3


def test_a_plan_states_what_it_does_to_the_stock() -> None:
    shop = Shop(settings={"sync": {"restock_refunds": False}})
    shop.order(items=(shop.store.item("MUG", 3), shop.store.item("MUG", 1)), shopper=ADA)
    shop.order(status=OrderStatus.CANCELLED)
    outlet = shop.world.pos.id_of(shop.world.pos.outlets, OUTLET)

    sold, unsold = (one.plan.moves for one in shop.preview().planned)

    assert sold == (Move(code="MUG", outlet_id=outlet, units=-4),)
    assert unsold == ()
    shop.pass_()
    shop.happens(shop.store.refund, 100, Refund(lines={0: 2}))
    assert [one.plan.moves for one in shop.preview().planned] == [()]


def _mug(shop: Shop) -> str:
    return str(shop.world.pos.with_code("MUG")[0]["id"])


def _call(write: tuple[str, str, Any]) -> str:
    return f"{write[0]} {write[1]}"


def test_where_nothing_is_to_do_nothing_is_asked(shop: Shop) -> None:
    shop.pass_()

    effect = foreseen(shop)

    assert (effect.requests, effect.money, dict(effect.stock)) == ((), ZERO, {})
    assert shop.asked("pos") == []


def test_a_delivery_names_the_address_that_is_still_to_be_added() -> None:
    shop = Shop(settings={"sync": {"fulfillment": "track"}})
    shop.order(shopper=ADA)
    shop.order(shopper=ADA)
    first = foreseen(shop)
    shop.pass_()
    shop.order(shopper=ADA)
    second = foreseen(shop)

    assert [one.path for one in first.requests if "addresses" in one.path] == [
        "/customers/(new customer BC-7)/addresses"
    ]
    assert {one.body["fulfillment_details"][0]["shipping_address_token"] for one in _sales(first)} == {
        "(token of the new address)"
    }
    assert [one.path for one in second.requests] == ["/sales"]
    (sale,) = _sales(second)
    ((address,),) = shop.world.pos.customer_addresses.values()
    assert sale.body["fulfillment_details"] == [{"type": "DISPATCH", "shipping_address_id": str(address["id"])}]


def test_a_fulfilment_is_completed_by_its_own_request() -> None:
    shop = Shop(settings={"sync": {"fulfillment": "track"}})
    order = shop.order(shopper=ADA)
    shop.pass_()
    shop.happens(shop.store.ship, order)

    (request,) = foreseen(shop).requests

    assert (request.path, request.body) == ("/fulfillments/fulfill", {"sale_id": shop.row(order).applied.sale_id})


def _sales(effect: Effect) -> list[Request]:
    return [one for one in effect.requests if one.path == "/sales"]


def _comparable(body: Json) -> str:
    lines = [line | {"product": {}} for line in body["line_items"]]
    return repr(_plain(body | {"customer_id": "", "line_items": lines}))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in sorted(value.items())}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return (
        str(Decimal(str(value)).normalize())
        if isinstance(value, int | Decimal) and not isinstance(value, bool)
        else value
    )


def _worth(shop: Shop) -> Decimal:
    live = (sale for sale in shop.world.pos.sales if sale["state"] != "voided")
    return sum((sale["totals"]["price_incl_tax"] for sale in live), ZERO).quantize(Decimal("0.01"))
