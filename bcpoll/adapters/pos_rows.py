"""The POS's answers as records: the many shapes of its envelopes and rows, by date version.

Owns reading alone; what is asked, and in which order, is `pos`'s.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from bcpoll.core.money import total
from bcpoll.core.order import Json
from bcpoll.core.shop import PosCustomer, PosProduct, PosSale, Register, Tax, User
from bcpoll.errors import LookAgain, WrongAnswer
from bcpoll.rows import amount_of, flag_of, id_of, is_row, rows_of, text_of, whole_of

# The legacy `status` of a sale (0.9, 2.0 and the printed example of a return) by the state it stands for. All closed
# forms end in CLOSED; whatever else there is (on account, layby, awaiting something) is pending.
_STATES: Mapping[str, str] = MappingProxyType({"SAVED": "parked", "VOIDED": "voided", "": ""})

# What a database column holds; the POS counts its changes, and is far from it.
LAST_VERSION = 2**63 - 1


def newest_version(answer: object, rows: list[Json]) -> int | None:
    """The version that a page reaches to: by its envelope, else by its rows."""
    envelope = answer.get("version") if is_row(answer) else None
    told = whole_of(envelope, "max") if is_row(envelope) else None
    return told if told is not None else max((version for row in rows if (version := _version(row))), default=None)


def unwrapped(answer: object) -> object:
    """What an answer holds, without the envelope `data` where it has one."""
    return answer["data"] if is_row(answer) and "data" in answer else answer


def all_rows(answer: object, resource: str) -> list[Json]:
    """The rows of an answer: `{"data": [...]}`, a bare list, one object for one row, `null` or `[]` for none."""
    content = unwrapped(answer)
    if content is None or content == {}:
        return []
    return rows_of([content] if is_row(content) else content, resource)


def single_row(answer: object) -> Json | None:
    """The object of an answer, wrapped or bare, alone or the only one of a list; None for none."""
    content = unwrapped(answer)
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if content is None or content in ({}, []):
        return None
    if not is_row(content):
        raise WrongAnswer(f"an object was expected, not {content!r}"[:300])
    return content


def new_id(answer: object, what: str) -> str:
    """The id in the answer to a create: of an object, bare, or the first of a list, wrapped or not."""
    content = unwrapped(answer)
    if isinstance(content, list) and content:
        content = content[0]
    found = text_of(content, "id") if is_row(content) else content
    if not isinstance(found, str) or not found:
        raise LookAgain(f"Lightspeed created a {what} and did not say under which id")
    return found


def written_sale(answer: object) -> PosSale:
    """The sale in the answer to a write; only its id where that is all there is. LookAgain where it cannot be read."""
    content = unwrapped(answer)
    if isinstance(content, list) and content:
        content = content[0]
    try:
        return sale_from(content if is_row(content) and text_of(content, "id") else {"id": new_id(answer, "sale")})
    except WrongAnswer as error:
        raise LookAgain(f"Lightspeed wrote a sale and showed it in a shape that cannot be read: {error}") from error


def register_from(row: Json) -> Register:
    """A register; closed unless it says that it is open."""
    return Register(
        id=id_of(row, "registers"),
        name=text_of(row, "name"),
        outlet_id=id_of(row, "registers", "outlet_id"),
        is_open=flag_of(row, "is_open", default=False),
    )


def user_from(row: Json) -> User:
    """A user."""
    return User(id=id_of(row, "users"), username=text_of(row, "username"), name=text_of(row, "display_name", "name"))


def tax_from(row: Json) -> Tax:
    """A tax; the rate of a group is the sum of its rates."""
    rates = [amount_of(rate, "rate") for rate in rows_of(row.get("rates") or [row], "taxes rates")]
    return Tax(
        id=id_of(row, "taxes"),
        name=text_of(row, "name", "display_name"),
        rate=total(rate for rate in rates if rate is not None),
        is_default=flag_of(row, "is_default", default=False),
    )


def product_from(row: Json) -> PosProduct:
    """A product, with every code that it goes by."""
    listed = row.get("product_codes") or row.get("codes")
    others = [text_of(code, "code") for code in listed if is_row(code)] if isinstance(listed, list) else []
    codes = [text_of(row, "sku"), *others]
    return PosProduct(
        id=id_of(row, "products"),
        name=text_of(row, "name"),
        codes=tuple(dict.fromkeys(filter(None, codes))),
        is_active=flag_of(row, "is_active", "active", default=True),
        is_deleted=bool(row.get("deleted_at")),
        tracks_stock=flag_of(row, "has_inventory", "track_inventory", default=True),
        version=_version(row),
    )


def customer_from(row: Json) -> PosCustomer:
    """A customer."""
    return PosCustomer(
        id=id_of(row, "customers"),
        code=text_of(row, "customer_code"),
        email=text_of(row, "email"),
        created_at=text_of(row, "created_at"),
        is_deleted=bool(row.get("deleted_at")),
        version=_version(row),
    )


def sale_from(row: Json) -> PosSale:
    """A sale in the nested shape of the date versions or in the flat one of 2.0, which some answers still have."""
    for name in ("line_items", "payments"):
        rows_of(row.get(name) or [], f"sales {name}")
    if not isinstance(row.get("attributes") or [], list):
        raise WrongAnswer(f"sales: attributes are {row['attributes']!r}"[:300])
    source = row.get("source")
    nested: Json = source if is_row(source) else {}
    return PosSale(
        id=id_of(row, "sales"),
        state=_state(row),
        total=_sale_total(row),
        source_id=text_of(nested, "id") or text_of(row, "source_id"),
        source_type=text_of(nested, "type") or text_of(row, "source"),
        document=row,
        version=_version(row),
    )


def _state(row: Json) -> str:
    status = text_of(row, "status").upper()
    legacy = "closed" if status.endswith("CLOSED") else _STATES.get(status, "pending")
    return text_of(row, "state").lower() or legacy


def _sale_total(row: Json) -> Decimal | None:
    """The total with tax. Older shapes give it without, and the tax beside it."""
    totals = row.get("totals")
    nested: Json = totals if is_row(totals) else {}
    told = amount_of(nested, "price_incl_tax")
    if told is None:
        told = amount_of(row, "total_price_incl")
    if told is not None:
        return told
    net, tax = amount_of(nested | row, "price", "total_price"), amount_of(nested | row, "tax", "total_tax")
    return None if net is None or tax is None else net + tax


def _version(row: Json) -> int:
    metadata = row.get("_metadata")
    version = whole_of(row, "version") or (whole_of(metadata, "version") if is_row(metadata) else None) or 0
    return version if 0 <= version <= LAST_VERSION else 0
