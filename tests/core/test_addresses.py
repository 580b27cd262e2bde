"""Addresses as the POS's address book takes them."""

from dataclasses import replace

import pytest

from bcpoll.core.addresses import address_body, is_postable, is_same, state_code
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
        "first_name": "Robin",
        "last_name": "Sample",
        "state": "Ohio",
        "state_code": "OH",
    }


def test_an_address_is_added_with_all_that_is_known_of_it() -> None:
    whole = replace(HOME, company="Sample Ltd", street_2="Unit 2", phone="555 0100", email="robin@example.com")
    assert address_body(whole) == address_body(HOME) | {
        "company_name": "Sample Ltd",
        "address_line_2": "Unit 2",
        "phone": "555 0100",
    }


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"id": "address-1", "city": " EXAMPLETON "}, True),
        ({"phone": "555 0100", "state": None, "type": "BILLING"}, True),
        ({"city": "Otherton"}, False),
        ({"postcode": None}, False),
    ],
)
def test_an_address_is_found_again_whatever_the_pos_makes_of_it(changes: Json, same: bool) -> None:  # noqa: FBT001
    assert is_same(address_body(HOME) | changes, address_body(HOME)) is same
