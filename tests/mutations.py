"""Documents as no API should send them: JSON with some members made wrong by chance.

Owns the ways in which a member can be wrong, those included that are no JSON any more. Knows nothing of orders: which
members are touched is the caller's choice.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from decimal import Decimal, InvalidOperation
from random import Random
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
Wrong: TypeAlias = Callable[[Random, Any, Any], None]

# Begins a text that is written without quotes: a number with a point, with all its digits, or what is no JSON.
_BARE = "@!"

# Begins the name of a member that is written under the rest of its name.
_TWICE = "@?"

_NO_NUMBERS = ("NaN", "Infinity", "-Infinity", "9" * 5000, "1e99999999999999999999", "-1e-99999999999999999999")

_NUMBERS = (0, -1, 1, 7, 2**31, 10**13, -(10**30), 10**300, True, f"{_BARE}1.5", f"{_BARE}1e30", f"{_BARE}1E-400")
_TEXTS = (
    *("", " ", "none", "12,50", "1.2.3", "1e5", "-0.01", "NaN", "Infinity", "0x10", "1_000", "\u0661\u0662", "$5.00"),
    *("\ud800", "x\udfff", "\x00", "a\x07\x1b[31mb", "\u202egnp.exe", "e\u0301\u0327", "\U0001f9f8", "\u2028"),
    *("'; DROP TABLE ledger; --", "<b>", "{{7*7}}", "../../etc", "True", "null"),
)
_SHAPES: tuple[Any, ...] = (None, {}, [], [None], [[]], {"": 0}, {"url": "x", "resource": "/y"}, ["a", 1, {}], False)

# None of them is another time: what is read must satisfy the filter that was asked for.
NO_TIMES = (
    *(None, 0, 1764000000, "", "yesterday", "0000-00-00 00:00:00", "2026-11-20T09:00:00", "20/11/2026"),
    *("Fri, 31 Feb 2026 09:00:00 +0000", "Fri, 20 Nov 2026 09:00:00", "\ud800", "9" * 90, [], {}, True),
)
TIMES = (
    *NO_TIMES,
    *("Thu, 01 Jan 1970 00:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 -1200", "0001-01-01T00:00:00+23:59"),
    "2026-11-20T09:00:00+00:00",
)


def _missing(_chance: Random, holder: Any, name: Any) -> None:
    del holder[name]


def _number(chance: Random, holder: Any, name: Any) -> None:
    holder[name] = chance.choice(_NUMBERS)


def _text(chance: Random, holder: Any, name: Any) -> None:
    holder[name] = chance.choice(_TEXTS)


def _shape(chance: Random, holder: Any, name: Any) -> None:
    holder[name] = deepcopy(chance.choice(_SHAPES))


def _retyped(_chance: Random, holder: Any, name: Any) -> None:
    """Write a number as text and a text that is one as a number; anything else as text."""
    value = holder[name]
    number = number_of(value)
    is_text = isinstance(value, str) and not value.startswith(_BARE)
    holder[name] = f"{_BARE}{number:f}" if is_text and number is not None else str(value).removeprefix(_BARE)


def _negated(chance: Random, holder: Any, name: Any) -> None:
    number = number_of(holder[name])
    holder[name] = chance.choice(_NUMBERS) if number is None else _as_before(holder[name], -number)


def _a_bit_off(chance: Random, holder: Any, name: Any) -> None:
    number = number_of(holder[name])
    step = Decimal(chance.choice(["0.01", "-0.01", "0.001", "1", "-1"]))
    holder[name] = chance.choice(_NUMBERS) if number is None else _as_before(holder[name], number + step)


def _as_before(value: Any, number: Decimal) -> Any:
    is_text = isinstance(value, str) and not value.startswith(_BARE)
    return f"{number:f}" if is_text else f"{_BARE}{number:f}"


def _endless(chance: Random, holder: Any, name: Any) -> None:
    holder[name] = chance.choice("x9\u00e9\u4e2d\x0b ") * chance.choice([300, 3_000, 30_000])


def _beyond_json(chance: Random, holder: Any, name: Any) -> None:
    holder[name] = f"{_BARE}{chance.choice(_NO_NUMBERS)}"


def _deep(chance: Random, holder: Any, name: Any) -> None:
    depth = chance.choice([20, 200, 900, 5_000]) + chance.randrange(60)
    holder[name] = f"{_BARE}{chance.choice('[{')}{depth}"


def _doubled(_chance: Random, holder: Any, name: Any) -> None:
    """Have an item of a list twice; a member of an object under its name twice, with the right value at last."""
    value = holder[name]
    if isinstance(holder, list):
        holder.append(deepcopy(value))
    else:
        del holder[name]
        holder[f"{_TWICE}{name}"] = [value]
        holder[name] = value


def _swapped(chance: Random, holder: Any, name: Any) -> None:
    other = chance.choice(range(len(holder)) if isinstance(holder, list) else [*holder])
    holder[name], holder[other] = holder[other], holder[name]


def _no_time(chance: Random, holder: Any, name: Any) -> None:
    holder[name] = chance.choice(NO_TIMES)


def _time(chance: Random, holder: Any, name: Any) -> None:
    holder[name] = chance.choice(TIMES)


WRONGS: Mapping[str, Wrong] = {
    "missing": _missing,
    "a number": _number,
    "a text": _text,
    "another shape": _shape,
    "retyped": _retyped,
    "negated": _negated,
    "a bit off": _a_bit_off,
    "endless": _endless,
    "beyond JSON": _beyond_json,
    "deep": _deep,
    "doubled": _doubled,
    "swapped": _swapped,
    "a time": _time,
}

# For members that must not get another value that can be read.
UNREADABLE: Mapping[str, Wrong] = {"missing": _missing, "no time": _no_time, "beyond JSON": _beyond_json}


def members(document: Any, path: Path = ()) -> Iterator[Path]:
    """The way to every member of a document, however deep."""
    below: Any = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in below:
        yield (*path, name)
        if isinstance(value, dict | list):
            yield from members(value, (*path, name))


def put_wrong(chance: Random, document: Any, path: Sequence[str | int], wrong: Wrong) -> bool:
    """Make the member at the end of a path wrong, in place; gives whether it is still there."""
    holder = document
    for name in path[:-1]:
        if not _holds(holder, name):
            return False
        holder = holder[name]
    if not _holds(holder, path[-1]):
        return False
    wrong(chance, holder, path[-1])
    return True


def read(text: str) -> Any:
    """A document to make wrong, from JSON that is right."""
    return json.loads(text, parse_float=lambda number: _BARE + number)


def written(document: Any) -> str:
    """The document as text, what is no JSON included."""
    text = json.dumps(document, separators=(",", ":"))
    return re.sub(f'"{re.escape(_BARE)}([^"]*)"', _bare, text).replace(f'"{_TWICE}', '"')


def number_of(value: Any) -> Decimal | None:
    """The finite number that a member of a document is, as a number or as text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        number = Decimal(str(value).removeprefix(_BARE))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _bare(found: re.Match[str]) -> str:
    told = found[1]
    if told[0] == "[":
        return "[" * int(told[1:]) + "]" * int(told[1:])
    if told[0] == "{":
        return '{"a":' * int(told[1:]) + "0" + "}" * int(told[1:])
    return told


def _holds(holder: Any, name: Any) -> bool:
    if isinstance(holder, dict):
        return name in holder
    return isinstance(holder, list) and isinstance(name, int) and name < len(holder)
