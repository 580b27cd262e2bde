"""Payloads without what they tell of a person."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bcpoll.core.personal import HIDDEN, masked, without_personal

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*/order.json"))

# What the golden orders say of people, wherever it stands.
ABOUT_PEOPLE = {"first_name", "last_name", "company", "street_1", "street_2", "city", "zip", "phone", "email"}
SAID_BY_PEOPLE = {"customer_message", "staff_notes", "wrapping_message", "recipient_email", "ip_address"}


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one, key)
    else:
        yield key, value


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.parent.name)
def test_nothing_of_a_person_is_left_in_an_order(file: Path) -> None:
    order = json.loads(file.read_text())
    shown = without_personal(order)

    told = {key for key, value in leaves(shown) if isinstance(value, str) and value not in ("", HIDDEN)}
    assert told & (ABOUT_PEOPLE | SAID_BY_PEOPLE) == set()
    assert "@" not in json.dumps(shown)


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.parent.name)
def test_money_goods_and_times_are_left_in_an_order(file: Path) -> None:
    order = json.loads(file.read_text())
    before, after = list(leaves(order)), list(leaves(without_personal(order)))

    assert [key for key, _ in before] == [key for key, _ in after]
    wanted = ("total_inc_tax", "date_created", "status", "sku", "discounted_total_inc_tax", "currency_code", "quantity")
    assert [one for one in before if one[0] in wanted] == [one for one in after if one[0] in wanted]


@pytest.mark.parametrize(
    "member",
    [
        {"billing_address": {"state": "Ohio", "name": "Ada"}},
        {
            "consignments": {
                "shipping": [{"state": "Ohio", "line_items": [{"product_options": [{"value": "For Ada"}]}]}]
            }
        },
        {"form_fields": [{"name": "Birthday", "value": "10 December"}]},
        {"something_new": "Ada"},
        {"note": "Ring twice, Ada"},
        {"date_of_birth": "1815-12-10"},
    ],
    ids=str,
)
def test_text_that_may_be_about_somebody_is_hidden(member: dict[str, Any]) -> None:
    texts = {value for _, value in leaves(without_personal(member))} - {HIDDEN}

    assert texts <= {"Birthday"}


def test_goods_keep_their_names_beside_an_address() -> None:
    order = {"consignments": {"shipping": [{"city": "York", "line_items": [{"name": "Mug", "sku": "MUG"}]}]}}

    (shipping,) = without_personal(order)["consignments"]["shipping"]

    assert shipping == {"city": HIDDEN, "line_items": [{"name": "Mug", "sku": "MUG"}]}


def test_numbers_say_nothing_of_a_person() -> None:
    assert without_personal({"id": 7, "is_deleted": False, "customer_id": None}) == {
        "id": 7,
        "is_deleted": False,
        "customer_id": None,
    }


def test_an_address_within_a_text_is_masked_alone() -> None:
    assert masked("customer ada@example.com exists, <b@example.org>") == f"customer {HIDDEN} exists, <{HIDDEN}>"


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "x@" * 300_000, "x:" * 300_000 + "@"], ids=["one word", "ats", "words"]
)
def test_a_text_of_a_million_letters_is_masked_while_one_waits(text: str) -> None:
    assert "x@x" not in masked(text)
