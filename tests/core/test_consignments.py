"""Lines found in every documented shape of the embedded consignments, and the question whether they are all there."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from builders import a_certificate, a_child, a_line, a_link, a_parcel, a_pickup, a_structure, an_order, numbered

from bcpoll.core.consignments import consignments, lines_are_complete, raw_lines
from bcpoll.core.order import Json

MUG, PEN = numbered(a_line("MUG", quantity=2), a_line("PEN", quantity=3))
WARNING = {"message": "Only 50 line items are included. Use /v2/orders/1001/products for the rest."}


def holding(structure: Any, items_total: Any = 5) -> Json:
    return an_order(MUG, PEN, consignments=structure, items_total=items_total)


def skus(order: Json) -> list[str]:
    return [line["sku"] for line in raw_lines(order)]


# --- where lines are -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "structure",
    [
        pytest.param(a_structure(shipping=[a_parcel(MUG, PEN)]), id="object"),
        pytest.param([a_structure(shipping=[a_parcel(MUG, PEN)])], id="array of one object"),
        pytest.param([a_structure(shipping=[a_parcel(MUG)]), a_structure(shipping=[a_parcel(PEN)])], id="array of two"),
        pytest.param(a_structure(shipping=[a_parcel(MUG), a_parcel(PEN)]), id="two parcels"),
        pytest.param(a_structure(shipping=a_parcel(MUG, PEN)), id="single parcel without a list"),
        pytest.param(a_structure(shipping=[a_parcel(line_items={"0": MUG, "1": PEN})]), id="lines keyed by number"),
        pytest.param(a_structure(shipping=[a_parcel(line_items=MUG), a_parcel(line_items=PEN)]), id="single lines"),
        pytest.param(a_structure(pickups=[a_pickup(MUG, PEN)]), id="pickups"),
        pytest.param(a_structure(downloads=[{"line_items": [MUG, PEN]}]), id="downloads"),
        pytest.param(a_structure(certificates=[{"line_items": [MUG, PEN]}]), id="gift certificates"),
        pytest.param(a_structure(shipping=[a_parcel(MUG)], pickups=[a_pickup(PEN)]), id="shipped and picked up"),
        pytest.param({"email": {"gift_certificates": {"line_items": [MUG, PEN]}}}, id="certificates without a list"),
        pytest.param({"email": [{"gift_certificates": [{"line_items": [MUG, PEN]}]}]}, id="list of e-mails"),
        pytest.param({"shipping": [a_parcel(MUG, PEN)], "email": []}, id="groups left out or empty"),
        pytest.param({"shipping": [a_parcel(MUG, PEN)], "pickups": None, "email": None}, id="groups that are null"),
    ],
)
def test_lines_are_found_in_every_shape(structure: Any) -> None:
    order = holding(structure)
    assert skus(order) == ["MUG", "PEN"]
    assert lines_are_complete(order)


@pytest.mark.parametrize(
    "structure",
    [
        pytest.param(a_link("/orders/1001/consignments"), id="link to the consignments"),
        pytest.param(a_structure(shipping=[a_parcel(line_items=[a_link("/orders/1001/products/1")])]), id="links"),
        pytest.param(a_structure(shipping=[a_parcel(line_items=a_link("/orders/1001/products/1"))]), id="single link"),
        pytest.param(a_structure(shipping=[a_parcel()]), id="empty list"),
        pytest.param(a_structure(shipping=[a_parcel(line_items=None)]), id="null"),
        pytest.param(a_structure(shipping=[a_parcel(line_items={})]), id="empty object"),
        pytest.param(a_structure(), id="empty groups"),
        pytest.param([], id="empty array"),
        pytest.param({}, id="empty structure"),
        pytest.param(None, id="null consignments"),
        pytest.param("none", id="text"),
        pytest.param([[a_parcel(MUG)], "garbage", 5], id="array of something else"),
    ],
)
def test_without_full_lines_there_is_nothing_to_go_by(structure: Any) -> None:
    order = holding(structure)
    assert skus(order) == []
    assert not lines_are_complete(order)


def test_an_order_without_consignments_has_no_lines() -> None:
    assert raw_lines({"id": 1}) == []


def test_lines_read_on_their_own_stand_for_the_embedded_ones() -> None:
    order = holding(a_structure(shipping=[a_parcel(MUG)])) | {"products": [MUG, PEN, "garbage"]}
    assert skus(order) == ["MUG", "PEN"]


def test_each_consignment_comes_with_its_group() -> None:
    structure = a_structure(
        shipping=[a_parcel(id=1)], pickups=[a_pickup(id=2)], downloads=[{"id": 3}], certificates=[{"id": 4}]
    )
    assert [(group, each["id"]) for group, each in consignments(holding(structure))] == [
        ("shipping", 1),
        ("pickups", 2),
        ("downloads", 3),
        ("email", 4),
    ]


# --- whether they are complete ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "structure",
    [
        pytest.param(a_structure(shipping=[a_parcel(MUG, PEN, __warning__=WARNING)]), id="key of the consignment"),
        pytest.param(a_structure(shipping=[a_parcel(MUG, PEN, {"__warning__": WARNING})]), id="entry of the list"),
        pytest.param(
            [a_structure(shipping=[a_parcel(MUG, PEN, {"__warning__": WARNING})])], id="entry of the list in the array"
        ),
        pytest.param(a_structure(shipping=[a_parcel(line_items=[MUG, PEN, "__warning__"])]), id="text in the list"),
        pytest.param(
            a_structure(shipping=[a_parcel(line_items={"0": MUG, "1": PEN, "__warning__": WARNING})]),
            id="key among numbered lines",
        ),
        pytest.param(a_structure(shipping=[a_parcel(MUG, PEN)]) | {"__warning__": WARNING}, id="key of the structure"),
        pytest.param([a_structure(shipping=[a_parcel(MUG, PEN)]), {"__warning__": WARNING}], id="entry of the array"),
        pytest.param(
            [a_structure(shipping=[a_parcel(line_items={"0": MUG, "1": PEN, "__warning__": WARNING})])],
            id="key among numbered lines in the array",
        ),
        pytest.param(a_structure(certificates=[{"line_items": [MUG, PEN], "__warning__": WARNING}]), id="in an e-mail"),
    ],
)
def test_lines_with_the_warning_are_incomplete_even_if_they_add_up(structure: Any) -> None:
    assert not lines_are_complete(holding(structure))


def test_the_warning_is_no_line() -> None:
    lines = {"0": MUG, "1": PEN, "__warning__": WARNING}
    assert skus(holding(a_structure(shipping=[a_parcel(line_items=lines)]))) == ["MUG", "PEN"]


def test_the_warning_is_of_no_account_for_lines_read_on_their_own() -> None:
    order = holding(a_structure(shipping=[a_parcel(MUG, __warning__=WARNING)])) | {"products": [MUG, PEN]}
    assert lines_are_complete(order)


@pytest.mark.parametrize("within", [lambda inner: {"deeper": inner}, lambda inner: [inner]], ids=["objects", "lists"])
def test_a_warning_deeper_than_any_known_shape_is_not_looked_for(within: Callable[[Any], Any]) -> None:
    nested: Any = {"__warning__": WARNING}
    for _ in range(100):
        nested = within(nested)
    assert lines_are_complete(holding(a_structure(shipping=[a_parcel(MUG, PEN, extra=nested)])))


@pytest.mark.parametrize("items_total", [4, 6, 0, 50, -5, None, "", "five", "5.0.0", [], {}, Decimal("1e999999999")])
def test_lines_that_do_not_add_up_to_the_items_total_are_incomplete(items_total: Any) -> None:
    assert not lines_are_complete(holding(a_structure(shipping=[a_parcel(MUG, PEN)]), items_total))


@pytest.mark.parametrize("items_total", [5, "5", Decimal("5.0")])
def test_the_items_total_may_be_a_number_or_a_text(items_total: Any) -> None:
    assert lines_are_complete(holding(a_structure(shipping=[a_parcel(MUG, PEN)]), items_total))


UNREADABLE = pytest.mark.parametrize(
    "value", ["many", None, {}, Decimal("NaN"), Decimal("1e999999999"), "9" * 5000], ids=lambda value: repr(value)[:20]
)


@UNREADABLE
@pytest.mark.parametrize("items_total", [3, 4, 5])
def test_a_line_of_unreadable_quantity_does_not_add_up(value: Any, items_total: int) -> None:
    odd = MUG | {"quantity": value}
    assert not lines_are_complete(holding(a_structure(shipping=[a_parcel(odd, PEN)]), items_total))


@UNREADABLE
@pytest.mark.parametrize("quantity", [0, 1])
def test_no_quantity_adds_up_to_an_unreadable_total(value: Any, quantity: int) -> None:
    line = MUG | {"quantity": quantity}
    assert not lines_are_complete(holding(a_structure(shipping=[a_parcel(line)]), value))


@pytest.mark.parametrize(
    ("items_total", "complete"), [(2 + 3 + 8, True), (2 + 3, True), (2 + 8, False), (3 + 8, False)]
)
def test_bundle_children_may_count_into_the_items_total_or_not(items_total: int, complete: bool) -> None:  # noqa: FBT001
    lines = [MUG, PEN, a_child(MUG, "LID", quantity=8, id=3)]
    assert lines_are_complete(holding(a_structure(shipping=[a_parcel(*lines)]), items_total)) is complete


@pytest.mark.parametrize(
    ("items_total", "complete"), [(2 + 3 + 1, True), (2 + 3, True), (2 + 1, False), (3 + 1, False)]
)
def test_gift_certificates_may_count_into_the_items_total_or_not(items_total: int, complete: bool) -> None:  # noqa: FBT001
    structure = a_structure(shipping=[a_parcel(MUG, PEN)], certificates=[{"line_items": [a_certificate("25", id=3)]}])
    assert lines_are_complete(holding(structure, items_total)) is complete


@pytest.mark.parametrize(
    ("items_total", "complete"),
    [(2 + 3, True), (2 + 3 + 8, True), (2 + 3 + 1, True), (2 + 3 + 8 + 1, True), (8 + 1, False)],
)
def test_children_and_certificates_count_each_for_themselves(items_total: int, complete: bool) -> None:  # noqa: FBT001
    lines = [MUG, PEN, a_child(MUG, "LID", quantity=8, id=3)]
    structure = a_structure(shipping=[a_parcel(*lines)], certificates=[{"line_items": [a_certificate("25", id=4)]}])
    assert lines_are_complete(holding(structure, items_total)) is complete
