"""Addresses as the POS's address book takes them."""

from dataclasses import replace

import pytest

from bcpoll.core.addresses import (
    address_body,
    is_postable,
    is_same,
    named_by_id,
    named_by_token,
    shipping_address,
    state_code,
)
from bcpoll.core.order import Address, Json

HOME = Address(
    first_name="Robin",
    last_name="Sample",
    street_1="1 Test Street",
    city="Exampleton",
    state="Ohio",
    postcode="43004",
    country="United States",
    country_code="us",
)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="whole"),
        pytest.param({"street_1": "x" * 50, "street_2": "x" * 50, "city": "x" * 28}, id="as long as may be"),
        pytest.param({"street_1": "x", "city": "y", "postcode": "1"}, id="as short as may be"),
        pytest.param({"country_code": "NZ", "state": "x" * 35}, id="state as long as may be"),
        pytest.param({"state": " oh "}, id="state by its code"),
        pytest.param({"country_code": "NZ", "state": ""}, id="country without states"),
        pytest.param({"country_code": "CA", "state": "Quebec"}, id="Canadian province"),
        pytest.param({"first_name": "", "last_name": ""}, id="without a name"),
    ],
)
def test_an_address_within_the_limits_is_taken(changes: dict[str, str]) -> None:
    assert is_postable(replace(HOME, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"street_1": ""},
        {"street_1": "x" * 51},
        {"street_2": "x" * 51},
        {"city": ""},
        {"city": "x" * 29},
        {"state": "x" * 36, "country_code": "NZ"},
        {"postcode": ""},
        {"country_code": ""},
        {"country_code": "USA"},
        {"state": ""},
        {"state": "Ruritania"},
        {"state": "Ohio", "country_code": "CA"},
    ],
    ids=lambda changes: ", ".join(f"{name} {value[:9]!r}" for name, value in changes.items()),
)
def test_an_address_beyond_the_limits_is_not_taken(changes: dict[str, str]) -> None:
    assert not is_postable(replace(HOME, **changes))


@pytest.mark.parametrize(
    ("country", "state", "code"),
    [
        ("US", "Ohio", "OH"),
        ("US", " new york ", "NY"),
        ("us", "tx", "TX"),
        ("CA", "British Columbia", "BC"),
        ("US", "Ruritania", ""),
        ("NZ", "Otago", ""),
        ("", "", ""),
    ],
)
def test_a_state_has_its_code_where_the_pos_wants_one(country: str, state: str, code: str) -> None:
    assert state_code(replace(HOME, country_code=country, state=state)) == code


def test_an_address_is_added_without_members_that_are_empty() -> None:
    assert address_body(HOME) == {
        "type": "SHIPPING",
        "country_code": "US",
        "address_line_1": "1 Test Street",
        "city": "Exampleton",
        "postcode": "43004",
        "state": "Ohio",
        "state_code": "OH",
    }


def test_an_address_is_added_with_what_the_address_book_has_room_for() -> None:
    whole = replace(HOME, company="Sample Ltd", street_2="Unit 2", phone="555 0100", email="robin@example.com")
    assert address_body(whole) == address_body(HOME) | {"address_line_2": "Unit 2"}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"id": "address-1", "city": " EXAMPLETON "}, True),
        ({"country_name": "United States", "state": None, "suburb": None, "address_line_2": ""}, True),
        ({"type": "BILLING"}, False),
        ({"address_line_2": "Unit 2"}, False),
        ({"suburb": "Old Town"}, False),
        ({"state_code": "TX"}, False),
        ({"city": "Otherton"}, False),
        ({"postcode": None}, False),
    ],
)
def test_an_address_is_found_again_whatever_the_pos_makes_of_it(changes: Json, same: bool) -> None:  # noqa: FBT001
    assert is_same(address_body(HOME) | changes, address_body(HOME)) is same


def test_outside_of_north_america_the_pos_may_add_a_code_for_the_state() -> None:
    abroad = address_body(replace(HOME, country_code="NZ", state="Auckland"))
    assert is_same(abroad | {"state_code": "AUK"}, abroad)


def test_a_delivery_names_an_address_of_the_book_by_its_id_as_text() -> None:
    assert shipping_address(named_by_id({"id": 123456789}) or "") == {"shipping_address_id": "123456789"}


def test_a_delivery_names_a_new_address_by_its_token_whatever_that_holds() -> None:
    assert shipping_address(named_by_token("abc=123=")) == {"shipping_address_token": "abc=123="}


def test_an_address_without_an_id_cannot_be_named() -> None:
    assert named_by_id({"address_line_1": "1 Test Street"}) is None
