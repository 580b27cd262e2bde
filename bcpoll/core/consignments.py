"""Consignments: finding an order's lines and destinations in the shapes that BigCommerce embeds them in.

Works on raw JSON, because the question whether the embedded lines are complete comes before decoding: if they are not,
the caller reads them from `/orders/{id}/products` and puts them in place of the link under `products`.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from bcpoll.core.order import Json, LineKind

# Added by BigCommerce where it embeds no more than fifty lines; seen beside, inside and in place of the list of lines.
_CUT = "__warning__"

_NESTED = (dict, list)

_GROUPS = ("shipping", "pickups", "downloads")

# Of a number with a power of ten beyond this (1e999999999) the whole would not fit into memory.
_DIGITS = 12


def raw_lines(order: Json) -> list[Json]:
    """The raw lines of an order: those read from its own resource if they were, else those that are embedded."""
    own = order.get("products")
    if isinstance(own, list):
        return [line for line in own if isinstance(line, dict)]
    return [line for _, consignment in consignments(order) for line in _lines(consignment.get("line_items"))]


def lines_are_complete(order: Json) -> bool:
    """Whether an order's lines are all there: nothing was cut, and the quantities add up to `items_total`.

    Whether `items_total` counts bundle children and gift certificates is not documented, so either way will do.
    """
    lines = raw_lines(order)
    if not lines or (not isinstance(order.get("products"), list) and _is_cut(order.get("consignments"))):
        return False
    children = sum(_quantity(line) for line in lines if line.get("is_bundled_product") is True)
    certificates = sum(_quantity(line) for line in lines if line.get("type") == LineKind.GIFT_CERTIFICATE)
    every = sum(map(_quantity, lines))
    wanted = _integer(order.get("items_total"))
    return wanted in {every, every - children, every - certificates, every - children - certificates}


def consignments(order: Json) -> Iterator[tuple[str, Json]]:
    """Each consignment with its group (`shipping`, `pickups`, `downloads`, `email`), in every documented shape."""
    for structure in _as_list(order.get("consignments")):
        for group in _GROUPS:
            yield from ((group, consignment) for consignment in _as_list(structure.get(group)))
        for email in _as_list(structure.get("email")):
            yield from (("email", consignment) for consignment in _as_list(email.get("gift_certificates")))


def _lines(embedded: Any) -> Iterator[Json]:
    """Full lines among what stands under `line_items`: a list, an object with numbers as keys, or a single line."""
    if isinstance(embedded, dict) and "quantity" not in embedded:
        embedded = list(embedded.values())
    # A link to a line has `url` and `resource` only; what tells a line is its quantity.
    yield from (line for line in _as_list(embedded) if "quantity" in line)


def _as_list(value: Any) -> list[Json]:
    """Take a list of objects, a single object or nothing for a list of objects."""
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _is_cut(value: Any, depth: int = 8) -> bool:
    """Search for the warning at every level, down to where no known shape goes any deeper."""
    if not isinstance(value, _NESTED) or depth == 0:
        return False
    if _CUT in value:
        return True
    # A plain loop over what can hold it: every order is searched to the end.
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, _NESTED) and _is_cut(one, depth - 1):
            return True
    return False


def _quantity(line: Json) -> int:
    return _integer(line.get("quantity"))


def _integer(value: Any) -> int:
    """Read a whole number as far as it is one; what cannot be read fails to add up, which is what matters here."""
    if isinstance(value, Decimal) and value.adjusted() > _DIGITS:
        return -1
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return -1
