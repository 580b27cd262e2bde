"""What a payload tells of a person, and the same payload without it.

Goes by a list of what may be shown, not of what must be hidden: a member that nobody has thought of stays hidden.
"""

import re

from bcpoll.core.order import Json

HIDDEN = "(hidden; --personal shows it)"

# Only tried where a word begins: tried at each of its letters, a value of a million letters takes hours.
_EMAIL = re.compile(r"(?<![^\s@,;:<>\"'])[^\s@,;:<>\"']++@[^\s@,;<>\"']+")

# Members whose text is about goods, money, dates or the order itself, whatever they stand in.
_ABOUT_NO_PERSON = re.compile(
    r"id|ids|.*_ids?|sku|upc|code|.*_code|type|.*_type|state|status|.*_status|name|sequence|version|attributes|is_.*"
    r"|date|.*_date|date_(?!of_birth).*|.*_at|url|resource|country_iso2|country_alpha2|physical_country_id"
    r"|(?:.*_)?(?:tax|amount|discount|price|cost|total|subtotal|quantity|weight|rate|fee|currency|units)(?:_.*)?"
    r"|.*_method|.*_provider|.*_source|source|reason|target|sale_id|handle|supply_price|product_category|event_name"
    r"|display_name_customer|pickup_method_display_name|wrapping_name"
)

# Where a member with such a name tells of a person after all.
_ADDRESSES = frozenset({"billing_address", "shipping", "shipping_addresses", "address", "location", "customer"})
_OF_AN_ADDRESS = frozenset({"state", "name", "code"})


def masked(text: str, mark: str = HIDDEN) -> str:
    """A text with the mark in place of every e-mail address."""
    return _EMAIL.sub(mark, text)


def without_personal(payload: Json) -> Json:
    """A payload with every text hidden that might tell who somebody is, where they live or what they wrote."""
    return {key: _shown(key, value, in_address=False) for key, value in payload.items()}


def _shown(key: str, value: object, *, in_address: bool) -> object:
    if isinstance(value, dict):
        # Goods stand beside the address that they are shipped to.
        return {name: _shown(name, one, in_address=key in _ADDRESSES) for name, one in value.items()}
    if isinstance(value, list):
        return [_shown(key, one, in_address=in_address) for one in value]
    if not isinstance(value, str) or not value:
        return value
    is_shown = _ABOUT_NO_PERSON.fullmatch(key) and not (in_address and key in _OF_AN_ADDRESS)
    return masked(value) if is_shown else HIDDEN
