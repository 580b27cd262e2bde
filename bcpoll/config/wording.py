"""What is wrong with settings, in our words: each of pydantic's errors as the user should read it.

Never repeats the value of a secret, nor that of a key that is not known: it may be a token in the wrong place.
"""

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bcpoll.config.sections import RouteRule, Settings
from bcpoll.config.values import shown
from bcpoll.errors import Problem

# What pydantic finds by itself, in our words: what is wrong, and what would be right.
_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "string_type": ("{value} is not text", "Put it in quotes."),
        "int_type": ("{value} is not a whole number", "Write a whole number without quotes."),
        "int_parsing": ("{value} is not a whole number", "Write a whole number without quotes."),
        "int_from_float": ("{value} is not a whole number", "Write a whole number without quotes."),
        "bool_type": ("{value} is neither true nor false", "Write true or false, without quotes."),
        "bool_parsing": ("{value} is neither true nor false", "Write true or false, without quotes."),
        "enum": ("{value} is not one of the choices", "Write {expected}."),
        "greater_than_equal": ("{value} is too small", "Write {ge} or more."),
        "less_than_equal": ("{value} is too large", "Write {le} or less."),
        "tuple_type": ("{value} is not a list", 'Write a list: ["one", "two"].'),
        "path_type": ("{value} is not the path of a file", "Put the path in quotes."),
        "model_type": ("{value} is not a section", "Write {key} on a line of its own and the keys below it."),
        "mapping_type": ("{value} is not a section", "Write {key} on a line of its own and the keys below it."),
        "dict_type": ("{value} is not a section", "Write {key} on a line of its own and the keys below it."),
    }
)
_ROUTES_WORDS = ("{value} is not a list of routes", "Begin each route with a line [[routes]], in double brackets.")
_FALLBACK_WORDS = ("{value} is not accepted: {msg}", "See config.example.toml.")


def problem_of(error: ErrorDetails, names: Mapping[tuple[str, str], str]) -> Problem:
    """One of pydantic's errors as the user should read it."""
    loc = tuple(part for part in error["loc"] if part != "[key]")
    context = error.get("ctx", {})
    if error["type"] == "bcpoll":
        culprit = context["key"]
        if culprit is not None:
            loc = (*loc[:-1], culprit) if culprit else loc[:-1]
        return Problem(_key(loc, names), context["message"], context["remedy"])
    if error["type"] == "missing":
        return Problem(_key(loc, names), "is missing", _keys(str(loc[0]))[str(loc[-1])].description or "")
    if error["type"] == "extra_forbidden":
        return Problem(_key(loc, names), "is not a key of this section", _nearest_key(loc))
    words = _ROUTES_WORDS if loc == ("routes",) else _WORDS.get(error["type"], _FALLBACK_WORDS)
    value = "the value" if is_secret(loc) else shown(error["input"])
    known = context | {"value": value, "key": _key(loc, names), "msg": error["msg"]}
    known["expected"] = str(context.get("expected", "")).replace("'", '"')
    message, remedy = (text.format(**known) for text in words)
    return Problem(_key(loc, names), message, remedy)


def _key(loc: tuple[int | str, ...], names: Mapping[tuple[str, str], str]) -> str:
    """A place in the settings the way the user writes it: `[sync] interval`, or the name of its variable."""
    section, *rest = map(str, loc)
    if section == "routes":
        number = f" {int(rest[0]) + 1}" if rest else ""
        return " ".join([f"[[routes]]{number}", *rest[1:]])
    if not rest:
        return f"[{section}]"
    bare = re.fullmatch(r"[a-z_]+", rest[0])
    return names.get((section, rest[0])) or f"[{section}] {rest[0] if bare else shown(rest[0])}"


def _section(name: object) -> type[BaseModel] | None:
    """The model behind a section; None for one whose keys are free."""
    kind = RouteRule if name == "routes" else Settings.model_fields[str(name)].annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _keys(section: str) -> dict[str, FieldInfo]:
    """The fields of a section by the key that the user writes."""
    model = _section(section)
    fields: dict[str, FieldInfo] = {} if model is None else model.model_fields
    return {one.alias or name: one for name, one in fields.items()}


def is_secret(loc: tuple[int | str, ...]) -> bool:
    """Whether the value at a place must never be shown."""
    one = _keys(str(loc[0])).get(str(loc[-1]))
    return one is not None and "SecretStr" in str(one.annotation)


def _nearest_key(loc: tuple[int | str, ...]) -> str:
    """Which key was meant; the value of an unknown key is never shown, for it may be a token."""
    section, key = str(loc[0]), str(loc[-1])
    for near in difflib.get_close_matches(key, _keys(section), n=1):
        return f"Did you mean {near}?"
    elsewhere = next((other for other in Settings.model_fields if other != "routes" and key in _keys(other)), None)
    if elsewhere is not None:
        return f"It belongs under [{elsewhere}]."
    return f"The keys are: {', '.join(_keys(section))}."


def unknown_section(name: str, value: object) -> Problem:
    """What is wrong with a section that does not exist, or with a key that stands before the first one."""
    if isinstance(value, (dict, list)):
        near = difflib.get_close_matches(name, Settings.model_fields, n=1)
        listed = ", ".join(Settings.model_fields)
        remedy = f"Did you mean [{near[0]}]?" if near else f"The sections are: {listed}."
        return Problem(f"[{name}]", "is not a section", remedy)
    home = next((section for section in Settings.model_fields if section != "routes" and name in _keys(section)), None)
    remedy = f"It belongs under [{home}]." if home else "Every key belongs to a section; see config.example.toml."
    return Problem(name, "stands before the first section", remedy)
