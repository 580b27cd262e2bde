"""What a product begins with: what is left, and what each outlet is still to sell of it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from builders import (
    a_certificate,
    a_line,
    a_policy,
    a_refund,
    a_refund_payment,
    a_returned,
    a_shop,
    a_status,
    an_order,
    desired_of,
    numbered,
    read,
)

from bcpoll.core.decode import decode_refund
from bcpoll.core.opening import catalogue_price, drafts_of, moves_to_come, opening, opening_stock
from bcpoll.core.order import Json
from bcpoll.core.plan import plan
from bcpoll.core.sale import Applied, AppliedState, Move, ProductDraft, Refunded, net
from bcpoll.core.shop import Edits, Register, Route, StockLevel
from bcpoll.core.status import OrderStatus

LEVELS = {
    (5, 0): StockLevel(tracked=True, level=Decimal(7), price=Decimal("4.00")),
    (5, 51): StockLevel(tracked=True, level=Decimal(3), price=Decimal("4.50")),
    (6, 0): StockLevel(tracked=False),
}
CUP = ProductDraft(code="Cup", name="", unit_price=Decimal(1), tax_id="", is_charge=False, product_id=5, variant_id=51)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, {"main": 5}, id="the variant's"),
        pytest.param({"variant_id": 99}, {"main": 9}, id="the product's for an unknown variant"),
        pytest.param({"product_id": 6}, None, id="not counted in the store"),
        pytest.param({"product_id": 404}, None, id="gone from the store"),
        pytest.param({"product_id": 0}, None, id="custom"),
        pytest.param({"is_charge": True}, None, id="a charge"),
    ],
)
def test_it_is_what_is_left_and_what_is_still_to_be_sold(
    changes: dict[str, int], expected: dict[str, int] | None
) -> None:
    assert opening_stock(replace(CUP, **changes), LEVELS, {"main": -2}, "main") == expected


@pytest.mark.parametrize(
    ("to_come", "expected"),
    [
        pytest.param({}, {"main": 3}, id="nothing is sold"),
        pytest.param({"main": -2, "other": -4}, {"main": 5, "other": 4}, id="sold at both"),
        pytest.param({"other": -4}, {"other": 7}, id="sold at the other one alone"),
        pytest.param({"a": -1, "b": -4}, {"b": 7, "a": 1}, id="more at one of two others"),
        pytest.param({"b": -2, "a": -2}, {"a": 5, "b": 2}, id="as much at each of two others"),
        pytest.param({"main": 2}, {"main": 1}, id="only comes back"),
        pytest.param({"main": 5}, {"main": -2}, id="more comes back than is left"),
        pytest.param({"main": -2, "other": 1}, {"main": 5, "other": -1}, id="comes back to another"),
    ],
)
def test_each_outlet_begins_with_what_it_sells_and_what_is_left_is_where_it_is_sold(
    to_come: dict[str, int], expected: dict[str, int]
) -> None:
    assert opening_stock(CUP, LEVELS, to_come, "main") == expected


def test_the_price_is_the_variant_s_and_a_charge_has_none() -> None:
    assert catalogue_price(CUP, LEVELS) == Decimal("4.50")
    assert catalogue_price(replace(CUP, is_charge=True), LEVELS) == 0
    assert catalogue_price(replace(CUP, product_id=404), LEVELS) == 0


def test_moves_of_one_code_are_added_up_whatever_its_case_and_what_cancels_out_is_left_out() -> None:
    moves = [Move(code=code, outlet_id=outlet, units=units) for code, outlet, units in (
        ("Cup", "a", -2), ("CUP", "a", -1), ("Cup", "b", 1), ("Mug", "a", 2), ("mug", "a", -2)
    )]  # fmt: skip

    assert net(moves) == (Move(code="Cup", outlet_id="a", units=-3), Move(code="Cup", outlet_id="b", units=1))


# --- what is still to be booked of an order --------------------------------------------------------------------------

NOTHING = Applied(order_id=100)
SOLD = Applied(order_id=100, state=AppliedState.PAID, revision=1, sale_id="sale-1", total=Decimal("1.00"))
WRONG = {"total_inc_tax": "1.0000"}


def to_come(
    raw: Json, *refunds: Json, applied: Applied = NOTHING, refunded: Refunded | None = None, **policy: Any
) -> dict[str, int]:
    moves = moves_to_come(
        read(raw),
        applied,
        tuple(map(decode_refund, refunds)),
        refunded or Refunded(),
        shop=a_shop(),
        policy=a_policy(**policy),
    )
    assert {move.outlet_id for move in moves} <= {a_shop().register.outlet_id}
    return {move.code: move.units for move in moves}


def an_order_of_three(**changes: Any) -> Json:
    return an_order(*numbered(a_line("CUP", quantity=3), a_certificate("5.00")), **changes)


@pytest.mark.parametrize(
    ("status", "units"),
    [
        (OrderStatus.INCOMPLETE, 0),
        (OrderStatus.PENDING, -3),
        (OrderStatus.AWAITING_PAYMENT, -3),
        (OrderStatus.AWAITING_FULFILLMENT, -3),
        (OrderStatus.CANCELLED, 0),
    ],
    ids=lambda value: getattr(value, "title", value),
)
@pytest.mark.parametrize("changes", [{}, WRONG], ids=["fine", "does not add up"])
def test_an_order_takes_what_it_sells_as_long_as_the_store_holds_it(
    status: OrderStatus, units: int, changes: Json
) -> None:
    assert to_come(an_order_of_three(**a_status(status), **changes)).get("CUP", 0) == units


@pytest.mark.parametrize("restocks", [True, False])
@pytest.mark.parametrize("changes", [{}, WRONG], ids=["fine", "does not add up"])
def test_what_comes_back_with_its_refunds_is_taken_off(changes: Json, *, restocks: bool) -> None:
    returned = a_refund(a_returned(1, 2), total="20.00", tax="0")
    declined = a_refund(a_returned(1, 1), total="10.00", payments=[a_refund_payment("10.00", declined=True)])
    raw = an_order_of_three(**changes)

    found = to_come(raw, returned, declined, {"id": 9, "order_id": 100}, restock_refunds=restocks)

    assert found["CUP"] == (-1 if restocks else -3)


def test_a_refund_of_a_line_that_the_order_has_not_brings_nothing_back() -> None:
    stray = a_refund(a_returned(77, 2), total="20.00")

    assert to_come(an_order_of_three(**WRONG), stray)["CUP"] == -3


@pytest.mark.parametrize("changes", [{}, WRONG], ids=["fine", "does not add up"])
def test_an_order_whose_sale_stands_takes_nothing_more(changes: Json) -> None:
    raw = an_order_of_three(**changes)
    content = desired_of(an_order_of_three()).content

    assert to_come(raw, applied=replace(SOLD, content=content)) == {}


def test_an_order_that_was_edited_takes_what_it_is_now_once_its_sale_is_replaced() -> None:
    assert to_come(an_order_of_three(), applied=replace(SOLD, content="before"))["CUP"] == -3
    assert to_come(an_order_of_three(), applied=replace(SOLD, content="before"), edits=Edits.REVIEW) == {}


def test_a_draft_is_made_of_each_product_and_of_no_gift_certificate() -> None:
    found = drafts_of(read(an_order_of_three()), a_policy())

    assert [(key, draft.code, bool(draft.product_id)) for key, draft in found.items()] == [("cup", "CUP", True)]


def test_a_plan_moves_what_its_sales_do_and_a_void_is_left_to_the_pos() -> None:
    desired = desired_of(an_order_of_three())
    policy = a_policy()

    created = plan(desired, NOTHING, store_hash="store", policy=policy)
    replaced = plan(desired, replace(SOLD, content="before"), store_hash="store", policy=policy)

    assert {move.code: move.units for move in created.moves}["CUP"] == -3
    assert replaced.moves == created.moves


def test_outlets_of_routes_are_named_once_behind_the_main_one() -> None:
    other = Register(id="r", name="", outlet_id="other", is_open=True)
    main = a_shop().register
    routes = tuple(Route(register=one, channel=number) for number, one in enumerate((other, main, other), 2))

    assert a_shop(routes=routes).outlet_ids == (main.outlet_id, "other")


@pytest.mark.parametrize(("level", "units"), [("7", 9), ("-3", -1)])
def test_an_opening_tells_its_units_at_all_outlets_together(level: str, units: int) -> None:
    stock = {(5, 51): StockLevel(tracked=True, level=Decimal(level), price=Decimal("4.50"))}

    begun = opening(CUP, stock, {"main": -1, "other": -1}, "main")

    assert (begun.units, begun.price) == (units, Decimal("4.50"))
    assert opening(CUP, {}, {}, "main").units is None
