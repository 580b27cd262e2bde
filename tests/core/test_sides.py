"""An order and its sale side by side: what stands beside what, and what is marked as different."""

from decimal import Decimal

import pytest
from builders import a_line, a_policy, an_order, desired_of, numbered, read
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.parts import Parts, reckon
from bcpoll.core.sale import Item
from bcpoll.core.sides import Pair, check_items, items_from, items_memory, side_by_side
from bcpoll.core.translate import ordered_items


def an_item(code: str = "MUG", quantity: int = 1, paid: str = "10.80", tax: str = "0.80") -> Item:
    return Item(code=code, name=code.title(), quantity=Decimal(quantity), paid=Decimal(paid), tax=Decimal(tax))


def shown(pairs: tuple[Pair, ...]) -> list[tuple[str, str, bool]]:
    """Units and sum on each side, and whether they agree."""
    return [(_side(pair.ordered), _side(pair.sold), pair.agrees) for pair in pairs]


def _side(item: Item | None) -> str:
    return f"{item.quantity} {item.code} {item.paid}" if item else ""


def test_the_same_lines_stand_beside_each_other_whatever_their_order() -> None:
    ordered, sold = (an_item(), an_item("CUP")), (an_item("cup"), an_item("mug"))
    assert shown(side_by_side(ordered, sold, 2)) == [
        ("1 MUG 10.80", "1 mug 10.80", True),
        ("1 CUP 10.80", "1 cup 10.80", True),
    ]


def test_a_quantity_that_was_split_agrees_as_a_whole() -> None:
    split = (an_item(quantity=1, paid="3.33334", tax="0"), an_item(quantity=2, paid="6.66666", tax="0"))
    assert shown(side_by_side((an_item(quantity=3, paid="10.00", tax="0"),), split, 2)) == [
        ("3 MUG 10.00", "1 MUG 3.33334", True),
        ("", "2 MUG 6.66666", True),
    ]


@pytest.mark.parametrize(
    "sold",
    [an_item(quantity=2), an_item(paid="10.79"), an_item(tax="0.79")],
    ids=["units", "paid", "tax"],
)
def test_a_line_that_differs_is_marked(sold: Item) -> None:
    (pair,) = side_by_side((an_item(),), (sold,), 2)
    assert not pair.agrees


def test_a_line_without_another_beside_it_is_marked() -> None:
    assert shown(side_by_side((an_item(),), (an_item("CUP"),), 2)) == [
        ("1 MUG 10.80", "", False),
        ("", "1 CUP 10.80", False),
    ]


def test_two_lines_of_one_code_stand_in_their_order() -> None:
    ordered = (an_item(paid="10.80"), an_item(quantity=2, paid="20.00"))
    assert shown(side_by_side(ordered, ordered, 2)) == [
        ("1 MUG 10.80", "1 MUG 10.80", True),
        ("2 MUG 20.00", "2 MUG 20.00", True),
    ]


items = st.builds(
    Item,
    code=st.sampled_from(["A", "B", "a"]),
    name=st.text(max_size=5),
    quantity=st.integers(-5, 5).map(Decimal),
    paid=st.integers(-500, 500).map(lambda cents: Decimal(cents) / 100),
    tax=st.integers(-50, 50).map(lambda cents: Decimal(cents) / 100),
)


@given(st.lists(items), st.lists(items))
def test_every_line_stands_somewhere_once(ordered: list[Item], sold: list[Item]) -> None:
    pairs = side_by_side(ordered, sold, 2)
    assert sorted(map(repr, filter(None, (pair.ordered for pair in pairs)))) == sorted(map(repr, ordered))
    assert sorted(map(repr, filter(None, (pair.sold for pair in pairs)))) == sorted(map(repr, sold))


@given(st.lists(items))
def test_items_come_back_as_they_were_remembered(remembered: list[Item]) -> None:
    assert items_from(items_memory(remembered)) == tuple(remembered)


def test_what_an_order_is_remembered_by_comes_to_its_total() -> None:
    order = read(an_order(*numbered(a_line(quantity=3, price="3.33", rate="0.10"), a_line("CUP")), shipping="5.00"))
    parts = reckon(order, 2)
    assert isinstance(parts, Parts)
    ordered = ordered_items(parts.parts, a_policy())

    assert [(item.code, item.name) for item in ordered] == [
        ("MUG-BLUE", "Mug"),
        ("CUP", "Mug"),
        ("BC-SHIPPING", "Shipping"),
    ]
    assert check_items(ordered, parts.total, parts.tax, 2).holds


def test_the_sale_that_is_desired_has_what_was_ordered_beside_it() -> None:
    desired = desired_of(an_order(a_line(quantity=7, price="0.99", rate="0.10"), shipping="5.00"))
    assert desired.sale is not None
    sold = [
        Item(
            code=line.code,
            name="",
            quantity=Decimal(line.quantity),
            paid=(line.unit_price + line.unit_tax) * line.quantity,
            tax=line.unit_tax * line.quantity,
        )
        for line in desired.sale.lines
    ]
    assert all(pair.agrees for pair in side_by_side(desired.ordered, sold, 2))


@pytest.mark.parametrize(
    ("stated_total", "stated_tax", "source"), [("10.80", "0.80", ""), ("10.81", "0.80", "total"), ("10.80", "1", "tax")]
)
def test_remembered_items_are_checked_like_an_order(stated_total: str, stated_tax: str, source: str) -> None:
    check = check_items((an_item(),), Decimal(stated_total), Decimal(stated_tax), 2)
    assert (check.source, check.holds) == (source, not source)


@pytest.mark.parametrize(
    ("digits", "told"),
    [
        (2, "order total 12.00 (tax 1.00), parts add up to 10.80 (tax 0.80), difference 1.20 in total"),
        (3, "order total 12.000 (tax 1.000), parts add up to 10.800 (tax 0.800), difference 1.200 in total"),
    ],
)
def test_remembered_items_that_do_not_add_up_are_told_with_both_sums(digits: int, told: str) -> None:
    assert str(check_items((an_item(),), Decimal(12), Decimal(1), digits)) == told
