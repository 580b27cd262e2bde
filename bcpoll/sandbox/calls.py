"""What travels between the web layer and the two models: a call, an answer, and a refusal.

Owns the JSON of the sandbox: amounts come in as `Decimal` and leave as JSON numbers. Must not know any resource.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
Clock: TypeAlias = Callable[[], datetime]
"""Gives the time as an aware UTC `datetime`."""


class Refused(Exception):
    """A request that the other side turns down: an HTTP status, the words for its error body, and headers."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


@dataclass(frozen=True)
class Call:
    """A request as the handlers see it; `values` are the variable parts of the path."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @cached_property
    def document(self) -> Json:
        """The JSON object of the body, or a refusal."""
        try:
            document = json.loads(self.body, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise Refused(400, f"the body is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise Refused(400, "the body is not a JSON object")
        return document

    def whole(self, name: str, default: int, *, least: int = 0) -> int:
        """A whole number among the parameters, or a refusal."""
        text = self.params.get(name, "")
        if not text:
            return default
        if not text.isdecimal() or int(text) < least:
            raise Refused(400, f"The field '{name}' is invalid: {text!r}.")
        return int(text)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers; a body of None is an empty one."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


def number(amount: object) -> float:
    """Write an amount as both APIs do: as a JSON number, a double of at most fifteen digits."""
    if isinstance(amount, Decimal):
        return float(amount)
    raise TypeError(f"not JSON: {amount!r}")


def number_text(amount: object) -> str:
    """Write an amount as text instead, as some answers of the POS are reported to hold it."""
    if isinstance(amount, Decimal):
        return f"{amount:f}"
    raise TypeError(f"not JSON: {amount!r}")


def to_json(body: object, *, amounts: Callable[[object], float | str] = number) -> bytes:
    """Serialise an answer; `amounts` says how a `Decimal` is written."""
    return json.dumps(body, default=amounts, separators=(",", ":")).encode()


def from_json(text: str | bytes) -> Any:
    """Parse JSON with every number that has a point as `Decimal`."""
    return json.loads(text, parse_float=Decimal)


def utc_now() -> datetime:
    """The real time, for worlds that are given no other clock."""
    return datetime.now(UTC)


def http_date(moment: datetime) -> str:
    """The form of `Date` and `Retry-After`: Mon, 23 Nov 2026 09:20:00 GMT."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def rfc3339(moment: datetime) -> str:
    """The form of times in the POS and in BigCommerce's V3: 2026-11-23T09:20:00+00:00."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()
