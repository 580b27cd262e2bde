"""Readers for members of rows as the two APIs send them: numbers as text, text as numbers, null, or left out.

Shared by the two adapters. Orders themselves are not read here but in `core.decode`, by the members in `core.shapes`.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import TypeGuard

from bcpoll.core.order import Json
from bcpoll.errors import WrongAnswer

# Digits beyond which a number is no id, version or amount but an attempt to keep the machine busy.
_LONGEST_NUMBER = 40


def is_row(value: object) -> TypeGuard[Json]:
    """Whether a value is a JSON object."""
    return isinstance(value, dict)


def rows_of(value: object, resource: str) -> list[Json]:
    """The rows of a list; WrongAnswer where it is no list, or holds something that is no object."""
    if not isinstance(value, list) or not all(is_row(row) for row in value):
        raise WrongAnswer(f"{resource}: a list of objects was expected, not {_shape(value)}")
    return value


def text_of(row: Json, *names: str) -> str:
    """The first of these members that holds text or a whole number, as text; empty where none does.

    Half a surrogate pair, legal in JSON, becomes a question mark: no file and no address can hold it.
    """
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value:
            return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""


def id_of(row: Json, resource: str, name: str = "id") -> str:
    """A member that every row has, as text; WrongAnswer naming resource and member where it is missing."""
    text = text_of(row, name)
    if not text:
        raise WrongAnswer(f"{resource}: a row without {name!r}")
    return text


def whole_of(row: Json, *names: str) -> int | None:
    """The first of these members that holds a whole number, or text that is one."""
    for name in names:
        amount = amount_of(row, name)
        if amount is not None and amount == amount.to_integral_value():
            return int(amount)
    return None


def whole_id_of(row: Json, resource: str, name: str = "id") -> int:
    """Like `id_of`, for ids that are whole numbers."""
    number = whole_of(row, name)
    if number is None:
        raise WrongAnswer(f"{resource}: a row whose {name!r} is {row.get(name)!r}"[:300])
    return number


def amount_of(row: Json, *names: str) -> Decimal | None:
    """The first of these members that holds a finite number, or text that is one."""
    for name in names:
        value = row.get(name)
        if isinstance(value, Decimal | int | str) and not isinstance(value, bool):
            amount = _decimal(str(value))
            if amount is not None:
                return amount
    return None


def flag_of(row: Json, *names: str, default: bool) -> bool:
    """The first of these members that says yes or no, as a boolean, as 0 or 1, or as text."""
    for name in names:
        told = _FLAGS.get(str(row.get(name)).lower())
        if told is not None:
            return told
    return default


_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def plain_number(amount: Decimal) -> str:
    """An amount as text without superfluous zeros and without an exponent: 12.0 is `12`."""
    return f"{amount.normalize():f}"


def _decimal(text: str) -> Decimal | None:
    text = text.strip()
    if len(text) > _LONGEST_NUMBER or not re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]{1,2})?", text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _shape(value: object) -> str:
    return {dict: "an object", list: "a list of something else", str: "text", type(None): "nothing"}.get(
        type(value), repr(value)[:60]
    )
