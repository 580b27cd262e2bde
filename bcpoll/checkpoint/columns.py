"""How values become columns of the checkpoint and come back: times, amounts and JSON, all of them text.

Every reader raises ValueError or ArithmeticError for text that the writer beside it cannot have written.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


def time_text(at: datetime) -> str:
    """Write an instant as UTC with microseconds and `Z`: always 27 characters, so that text order is time order.

    Raises ValueError for a time without a zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def optional_time_text(at: datetime | None) -> str | None:
    """Write an instant, or NULL where there is none."""
    return None if at is None else time_text(at)


def time_of(text: str) -> datetime:
    """Read an instant."""
    return datetime.fromisoformat(text)


def optional_time_of(text: str | None) -> datetime | None:
    """Read an instant, or None where there is none."""
    return None if text is None else time_of(text)


def amount_of(text: str | None) -> Decimal | None:
    """Read an amount, or None where there is none, digit by digit as it was written."""
    return None if text is None else Decimal(text)


def plain(text: str) -> str:
    """Make any text one that SQLite can hold: half a surrogate pair, legal in JSON, becomes its escape."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def json_text(value: object) -> str:
    """Write a JSON value, amounts as strings with all their digits."""
    return plain(json.dumps(value, default=_amount_text, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def json_of(text: str) -> Any:
    """Read a JSON value; amounts stay strings."""
    return json.loads(text)


def any_of(values: Iterable[int | str]) -> str:
    """Write values for `IN (SELECT value FROM json_each(?))`: one statement and one parameter for any number."""
    return json.dumps(list(values))


def _amount_text(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
