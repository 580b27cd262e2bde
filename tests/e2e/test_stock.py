"""`bcpoll stock`: every unit that was moved for an order or of a product, from the checkpoint alone."""

import csv
import io
from collections.abc import Callable

import pytest
from program import Desk, small_world

from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.catalogue import Product
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.world import World

pytestmark = pytest.mark.slow


@pytest.fixture
def told(open_desk: Callable[[World], Desk]) -> Desk:
    """After some passes: 100 was refunded in part, 101 cancelled, 102 brought a product that the POS lacked."""
    world = small_world(orders=2)
    world.store.add_product(Product(id=12, name="Copper Kettle", sku="KETTLE", price="80.00", stock=12))
    world.store.add_product(Product(id=13, name="Plain Number", sku="4711", price="8.00", stock=5))
    desk = open_desk(world)
    desk.order("KETTLE", 3)
    desk.order("4711", 2)
    assert desk.run("run-once").code == 0
    world.store.refund(100, Refund(lines={0: 1}))
    world.store.cancel(101)
    assert desk.run("run-once").code == 0
    world.log.clear()
    world.before.append(asked_for_nothing)
    return desk


def asked_for_nothing(request: object) -> None:
    raise AssertionError(f"{request} was asked for")


def rows(text: str) -> list[list[str]]:
    """The rows of the table, without the time in front and the sale's id at the end."""
    lines = [line for line in text.splitlines() if " UTC  " in line]
    return [line.partition(" UTC  ")[2].split() for line in lines]


def test_an_order_s_moves_are_told_one_by_one(told: Desk) -> None:
    said = told.run("stock", "101")

    assert said.out.startswith("Stock moved for order 101\n")
    assert [row[:6] for row in rows(said.out)] == [
        ["sale", "MUG", "Main", "Store", "-2", "-2"],
        ["void", "MUG", "Main", "Store", "+2", "0"],
    ]


def test_a_product_s_moves_are_told_from_its_opening_stock_on(told: Desk) -> None:
    said = told.run("stock", "kettle")

    assert said.out.startswith("Stock moved for kettle (Copper Kettle)\n")
    assert [row[:6] for row in rows(said.out)] == [
        ["opening", "stock", "Main", "Store", "+12", "12"],
        ["sale", "102", "Main", "Store", "-3", "9"],
    ]
    assert "the POS's own and not in here" in said.out
    assert told.world.pos.stock("KETTLE", "Main Store") == 9


def test_json_holds_the_same(told: Desk) -> None:
    found = told.run("--json", "stock", "MUG").json

    moves = [(move["what"], move["order"], move["units"]) for move in found["moves"]]
    assert moves[:2] == [("sale", 100, -1), ("sale", 101, -2)]
    assert sorted(moves[2:]) == [("refund", 100, 1), ("void", 101, 2)]
    assert found["moves"][-1]["together"] == 0
    assert (found["code"], found["name"], found["units"], found["order"]) == ("MUG", "Mug", 0, None)


def test_csv_is_a_line_for_each_move(told: Desk) -> None:
    found = list(csv.DictReader(io.StringIO(told.run("stock", "KETTLE", "--csv").out)))

    assert [(row["what"], row["order"], row["units"], row["outlet"]) for row in found] == [
        ("opening stock", "", "12", "Main Store"),
        ("sale", "102", "-3", "Main Store"),
    ]


def test_a_number_is_an_order_unless_it_is_said_to_be_a_sku(told: Desk) -> None:
    said = told.run("stock", "4711")

    assert said.code == 2
    assert "has no order 4711; --sku takes the number for a SKU" in said.err
    assert [row[:2] for row in rows(told.run("stock", "4711", "--sku").out)] == [["opening", "stock"], ["sale", "103"]]


def test_a_product_that_nobody_knows_is_said_to_be_unknown(told: Desk) -> None:
    said = told.run("stock", "NOTHING")

    assert (said.code, "knows no product 'NOTHING'" in said.err) == (2, True)


def test_one_can_have_json_or_csv(told: Desk) -> None:
    assert told.run("--json", "stock", "MUG", "--csv").code == 2


def test_an_order_that_moved_nothing_says_why(told: Desk) -> None:
    told.world.before.clear()
    aside = told.order(fields={"total_inc_tax": "1.0000"})
    cancelled = told.order(status=OrderStatus.CANCELLED)
    told.run("run-once", "--order", str(aside), "--order", str(cancelled))

    said = told.run("stock", str(aside))

    assert said.out.splitlines() == [
        f"bcpoll moved no stock for order {aside}.",
        "",
        "The order is set aside (totals differ): what is still to be written of it has moved nothing yet.",
    ]
    assert told.run("stock", str(cancelled)).out == f"bcpoll moved no stock for order {cancelled}.\n"


def test_what_the_pos_does_not_count_is_said_not_to_be_counted(told: Desk) -> None:
    said = told.run("stock", "BC-SHIPPING")

    assert "The POS does not count the stock of this product." in said.out


def test_a_sale_that_was_voided_by_hand_is_explained(told: Desk) -> None:
    told.world.before.clear()
    told.world.switch(void_by_put="refused")
    told.world.store.cancel(100)
    told.world.store.cancel(102)
    assert told.run("run-once").code == 3
    sale = next(one for one in told.world.pos.sales if one["source"]["id"] == "102")
    sale["state"] = "voided"
    told.run("review", "retry", "--all")
    told.run("run-once")

    said = told.run("stock", "102")

    assert f"Sale {sale['id']} was voided in the POS by hand, which gave back what it had taken." in said.out
