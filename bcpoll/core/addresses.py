"""Addresses as the POS's address book takes them: its limits, and the codes that it wants for states.

Owns what decides whether an address can be posted at all (`POST /customers/{id}/addresses`). One that cannot be never
costs the order: it stands in the sale's note.
"""

from collections.abc import Mapping
from types import MappingProxyType

from bcpoll.core.order import Address, Json

_STREET_LENGTH = 50
_CITY_LENGTH = 28
_STATE_LENGTH = 35

# fmt: off
_US = {
    "alabama": "AL", "alaska": "AK", "arizona": "AZ", "arkansas": "AR", "california": "CA", "colorado": "CO",
    "connecticut": "CT", "delaware": "DE", "district of columbia": "DC", "florida": "FL", "georgia": "GA",
    "hawaii": "HI", "idaho": "ID", "illinois": "IL", "indiana": "IN", "iowa": "IA", "kansas": "KS", "kentucky": "KY",
    "louisiana": "LA", "maine": "ME", "maryland": "MD", "massachusetts": "MA", "michigan": "MI", "minnesota": "MN",
    "mississippi": "MS", "missouri": "MO", "montana": "MT", "nebraska": "NE", "nevada": "NV", "new hampshire": "NH",
    "new jersey": "NJ", "new mexico": "NM", "new york": "NY", "north carolina": "NC", "north dakota": "ND",
    "ohio": "OH", "oklahoma": "OK", "oregon": "OR", "pennsylvania": "PA", "rhode island": "RI",
    "south carolina": "SC", "south dakota": "SD", "tennessee": "TN", "texas": "TX", "utah": "UT", "vermont": "VT",
    "virginia": "VA", "washington": "WA", "west virginia": "WV", "wisconsin": "WI", "wyoming": "WY",
    "american samoa": "AS", "guam": "GU", "northern mariana islands": "MP", "puerto rico": "PR",
    "virgin islands": "VI", "armed forces americas": "AA", "armed forces europe": "AE", "armed forces pacific": "AP",
}
_CA = {
    "alberta": "AB", "british columbia": "BC", "manitoba": "MB", "new brunswick": "NB",
    "newfoundland and labrador": "NL", "northwest territories": "NT", "nova scotia": "NS", "nunavut": "NU",
    "ontario": "ON", "prince edward island": "PE", "quebec": "QC", "saskatchewan": "SK", "yukon": "YT",
}
# fmt: on
# Countries in which the POS requires a state code, with the codes by the state's name, which is what BigCommerce gives.
_STATE_CODES: Mapping[str, Mapping[str, str]] = MappingProxyType({"US": _US, "CA": _CA})


def is_postable(address: Address) -> bool:
    """Whether an address keeps to the limits of the POS's address book, as far as they are known beforehand."""
    return (
        len(address.country_code) == 2
        and 0 < len(address.street_1) <= _STREET_LENGTH
        and len(address.street_2) <= _STREET_LENGTH
        and 0 < len(address.city) <= _CITY_LENGTH
        and len(address.state) <= _STATE_LENGTH
        and bool(address.postcode)
        and (address.country_code.upper() not in _STATE_CODES or bool(state_code(address)))
    )


def state_code(address: Address) -> str:
    """The code of the address's state where the POS requires one, else nothing."""
    codes = _STATE_CODES.get(address.country_code.upper(), {})
    state = address.state.strip()
    return state.upper() if state.upper() in codes.values() else codes.get(state.casefold(), "")


def is_same(row: Json, body: Json) -> bool:
    """Whether a row of an address book is the address that a body would add."""
    compared = (*_TELLING, "state_code") if "state_code" in body else _TELLING
    return all(_plain(row.get(name)) == _plain(body.get(name)) for name in compared)


# What tells addresses apart, where it is missing too. The state is not among them: the POS may fill it in by itself.
_TELLING = ("type", "address_line_1", "address_line_2", "suburb", "city", "postcode", "country_code")


def named_by_id(row: Json) -> str | None:
    """What a delivery names a row of an address book by: its id, for only the answer to its creation had a token."""
    return f"{_BY_ID}={row['id']}" if row.get("id") else None


def named_by_token(token: str) -> str:
    """What a delivery names an address by that was just added."""
    return f"{_BY_TOKEN}={token}"


def shipping_address(named: str) -> Json:
    """The member of a delivery's details that names its address, from `named_by_id` or `named_by_token`."""
    member, _, value = named.partition("=")
    return {member: value}


_BY_ID, _BY_TOKEN = "shipping_address_id", "shipping_address_token"


def _plain(value: object) -> str:
    return " ".join(str(value or "").split()).casefold()


def address_body(address: Address) -> Json:
    """The body of POST /customers/{id}/addresses, which knows no names: those are in the sale's note."""
    optional = {"address_line_2": address.street_2, "state": address.state, "state_code": state_code(address)}
    return {
        "type": "SHIPPING",
        "country_code": address.country_code.upper(),
        "address_line_1": address.street_1,
        "city": address.city,
        "postcode": address.postcode,
        **{name: value for name, value in optional.items() if value},
    }
