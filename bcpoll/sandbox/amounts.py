"""Reading the members of a request body: what has to be there, and of which kind.

Owns the wording of refusals for missing and malformed members. Must not look anything up.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from bcpoll.sandbox.calls import Json, Refused


def part(body: Mapping[str, object], name: str, where: str = "") -> Json:
    """A member that is an object, or a refusal."""
    value = body.get(name)
    if not isinstance(value, dict):
        raise Refused(422, f"{where}{name} is required")
    return value


def parts(body: Mapping[str, object], name: str, where: str = "") -> list[Json]:
    """A member that is a list of objects; absent is empty."""
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Refused(422, f"{where}{name} is not a list of objects")
    return value


def text(body: Mapping[str, object], name: str, where: str = "") -> str:
    """A member that is text and not empty, or a refusal."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(422, f"{where}{name} is required")
    return value


def amount(body: Mapping[str, object], name: str, where: str = "", *, from_text: bool = True) -> Decimal:
    """A member that is a number, or text that holds one where that is accepted; else a refusal."""
    value = body.get(name)
    if isinstance(value, bool) or value is None:
        raise Refused(422, f"{where}{name} is required")
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if not isinstance(value, str) or not from_text:
        raise Refused(422, f"{where}{name} is not a number: {value!r}")
    return number_in(value, f"{where}{name}")


def number_in(value: str, name: str) -> Decimal:
    """The number that a text holds, or a refusal."""
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise Refused(422, f"{name} is not a number: {value!r}") from error
    if not number.is_finite():
        raise Refused(422, f"{name} is not a number: {value!r}")
    return number


def only(body: Mapping[str, object], allowed: frozenset[str], where: str) -> None:
    """Refuse members that are not allowed."""
    unknown = sorted(set(body) - allowed)
    if unknown:
        raise Refused(422, f"{where} has unknown members: {', '.join(unknown)}")
