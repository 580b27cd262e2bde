"""JSON in which no number loses a digit: what has a point is a `Decimal` on the way in and on the way out.

The only module that imports simplejson. It knows nothing of what the JSON says.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import simplejson


def read_json(text: bytes | str) -> object:
    """Read JSON, numbers with a point as `Decimal`; ValueError for all else, NaN and bottomless nesting included."""
    try:
        value: object = simplejson.loads(text.decode() if isinstance(text, bytes) else text, use_decimal=True)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except ArithmeticError as error:
        raise ValueError("a number with too large a power of ten") from error
    if _is_too_deep(value):
        raise ValueError("nested too deep")
    return value


def read_loosely(text: bytes | str) -> object:
    """Like `read_json`, but one bad value does not cost the others: a number that is none becomes text.

    So NaN, too many digits, too large a power of ten; what is nested deeper than anything known becomes null.
    """
    try:
        return read_json(text)
    except ValueError:
        decoded = text.decode() if isinstance(text, bytes) else text
    try:
        value = _loose(decoded)
    except RecursionError:
        return _loose(_flattened(decoded))
    return _loose(_flattened(decoded)) if _is_too_deep(value) else value


def _loose(text: str) -> object:
    decoder = simplejson.JSONDecoder(
        strict=False, parse_float=_number_or_text(Decimal), parse_int=_number_or_text(int), parse_constant=str
    )
    value: object = decoder.decode(text)
    return value


def _number_or_text(read: Callable[[str], object]) -> Callable[[str], object]:
    def number(text: str) -> object:
        try:
            return read(text)
        except (ValueError, ArithmeticError):
            return text

    return number


# Ten times as deep as an order goes. How deep simplejson itself can go is another matter with each version of Python,
# and whoever walks through its values may come to an end sooner.
_DEEPEST = 100
_CONTAINERS = frozenset({dict, list})
_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]', re.DOTALL)


def _is_too_deep(value: object) -> bool:
    """Whether anything stands deeper than known; level by level, since no stack is deep enough for all there is."""
    level: list[Any] = [value] if type(value) in _CONTAINERS else []
    for _ in range(_DEEPEST - 1):
        if not level:
            return False
        level = [
            inner
            for one in level
            for inner in (one.values() if type(one) is dict else one)
            if type(inner) in _CONTAINERS
        ]
    return bool(level)


def _flattened(text: str) -> str:
    """JSON with null in place of whatever is nested too deep."""
    depth, start, kept = 0, 0, []
    for found in _BRACKETS.finditer(text):
        if found[0] in ("[", "{"):
            depth += 1
            if depth == _DEEPEST:
                kept.append(text[start : found.start()])
        elif found[0] in ("]", "}"):
            if depth == _DEEPEST:
                kept.append("null")
                start = found.end()
            depth -= 1
    return "".join([*kept, text[start:] if depth < _DEEPEST else ""])


def write_json(value: object, *, indent: int | None = None) -> str:
    """Write JSON, `Decimal` as a number with all its digits; ValueError for NaN and Infinity."""
    separators = (",", ":") if indent is None else (",", ": ")
    return simplejson.dumps(value, use_decimal=True, allow_nan=False, separators=separators, indent=indent)
