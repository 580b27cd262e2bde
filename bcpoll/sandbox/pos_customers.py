"""What requests do to the POS's customers: create them, and give them addresses.

Owns the rules of the customer resource. Must not decide who is the same person; that is the caller's concern.
"""

import re
from collections.abc import Mapping

from bcpoll.sandbox.amounts import text
from bcpoll.sandbox.calls import Json, Refused
from bcpoll.sandbox.pos import Pos

_ADDRESS = ("address_1", "address_2", "suburb", "city", "postcode", "state", "country_id")

_MEMBERS = frozenset(
    {
        *("first_name", "last_name", "company_name", "email", "phone", "mobile", "fax", "customer_code"),
        *("customer_group_id", "date_of_birth", "gender", "do_not_email", "enable_loyalty"),
        *("enable_promotional_sms", "note", "on_account_limit", "tax_id", "twitter", "website"),
        *(f"custom_field_{number}" for number in range(1, 5)),
        *(f"{kind}_{member}" for kind in ("physical", "postal") for member in _ADDRESS),
    }
)

# The strict check covers forty countries; these stand for them.
_POSTCODES: Mapping[str, re.Pattern[str]] = {
    "US": re.compile(r"\d{5}(-\d{4})?"),
    "CA": re.compile(r"[A-Z]\d[A-Z] ?\d[A-Z]\d", re.IGNORECASE),
    "GB": re.compile(r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}", re.IGNORECASE),
    "AU": re.compile(r"\d{4}"),
    "NZ": re.compile(r"\d{4}"),
    "DE": re.compile(r"\d{5}"),
    "FR": re.compile(r"\d{5}"),
}

_ADDRESS_MEMBERS = frozenset(
    {
        *("type", "country_code", "postcode", "city", "suburb", "state", "state_code"),
        *("address_line_1", "address_line_2"),
    }
)

_WITH_STATES = frozenset({"US", "CA"})
_LONGEST: Mapping[str, int] = {"address_line_1": 50, "city": 28, "state": 35}

_CARD_NUMBER = re.compile(r"\b(?:\d[ -]?){15}\d\b")


def redacted(value: str) -> str:
    """What the POS stores of a text: card numbers are redacted, and no error says so."""
    return _CARD_NUMBER.sub("[REDACTED]", value)


def create(pos: Pos, body: Json) -> Json:
    """Create a customer. First and last name have to be there, though they may be null."""
    members = _members(body)
    email, code = (str(members.get(name) or "") for name in ("email", "customer_code"))
    if email and pos.switches.same_email == "refused" and pos.with_email(email):
        raise Refused(422, f"a customer with the e-mail address {email!r} exists")
    if code and pos.switches.same_customer_code == "refused" and code.lower() in pos.customer_codes:
        raise Refused(422, f"a customer with the code {code!r} exists")
    return pos.keep_customer(members)


def find(pos: Pos, customer_id: str) -> Json:
    """A customer by id, or a 404."""
    row = pos.customers.get(customer_id)
    if row is None or row["deleted_at"]:
        raise Refused(404, f"customer {customer_id} does not exist")
    return row


def add_address(pos: Pos, customer_id: str, body: Json) -> Json:
    """Add an address to a customer. Only this answer has the token by which a delivery may name it; lists have ids."""
    find(pos, customer_id)
    _check_address(body)
    members = {name: value for name, value in body.items() if name in _ADDRESS_MEMBERS}
    row = members | {"id": pos.new_number("address"), "customer_id": customer_id, "created_at": pos.now()}
    pos.customer_addresses.setdefault(customer_id, []).append(row)
    return row | {"id_token": pos.new_id("address")}


def shipping_ids(pos: Pos, customer_id: str) -> set[str]:
    """The ids of a customer's shipping addresses, as text: so a delivery names them."""
    rows = pos.customer_addresses.get(customer_id, [])
    return {str(row["id"]) for row in rows if row["type"] == "SHIPPING"}


def _members(body: Json) -> Json:
    for name in ("first_name", "last_name"):
        if name not in body:
            raise Refused(422, f"{name} is required")
    known = {name: value for name, value in body.items() if name in _MEMBERS}
    return {name: redacted(value) if isinstance(value, str) else value for name, value in known.items()}


def _check_address(body: Json) -> None:
    required = ["country_code", "postcode", "type", "address_line_1", "city"]
    if body.get("country_code") in _WITH_STATES:
        required.append("state_code")
    try:
        values = {name: text(body, name) for name in required}
    except Refused as refused:
        raise Refused(400, refused.message) from refused
    for name, longest in _LONGEST.items():
        if len(str(body.get(name) or "")) > longest:
            raise Refused(400, f"{name} is longer than {longest} characters")
    pattern = _POSTCODES.get(values["country_code"])
    if pattern and not pattern.fullmatch(values["postcode"]):
        raise Refused(400, f"postcode {values['postcode']!r} is not valid in {values['country_code']}")
    if values["type"] not in ("BILLING", "SHIPPING"):
        raise Refused(400, f"type {values['type']!r} is neither BILLING nor SHIPPING")
