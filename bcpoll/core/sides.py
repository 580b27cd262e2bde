"""An order and its sale side by side, line by line, and the memory of what was ordered.

Owns which line of the one stands beside which line of the other. Decides nothing: what differs is marked, no more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from bcpoll.core.money import round_money, total
from bcpoll.core.order import Json, code_key
from bcpoll.core.parts import MoneyCheck
from bcpoll.core.sale import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A line of the order beside one of the sale; None where there is nothing beside it."""

    ordered: Item | None
    sold: Item | None
    agrees: bool
    """Whether all lines under this code come to the same units, sum and tax on both sides."""


def side_by_side(ordered: Sequence[Item], sold: Sequence[Item], digits: int) -> tuple[Pair, ...]:
    """Pair the lines under each code in the order they stand in, codes of the order first.

    A quantity whose unit price does not divide is several lines of the sale: only together they come to the order's.
    """
    keys = dict.fromkeys(code_key(item.code) for item in (*ordered, *sold))
    return tuple(pair for key in keys for pair in _pairs(_under(key, ordered), _under(key, sold), digits))


def _under(key: str, items: Iterable[Item]) -> list[Item]:
    return [item for item in items if code_key(item.code) == key]


def _pairs(ordered: list[Item], sold: list[Item], digits: int) -> Iterator[Pair]:
    agrees = _sums(ordered, digits) == _sums(sold, digits)
    for one, other in zip_longest(ordered, sold):
        yield Pair(ordered=one, sold=other, agrees=agrees)


def _sums(items: Iterable[Item], digits: int) -> tuple[Decimal, Decimal, Decimal]:
    every = list(items)
    paid, tax = (round_money(total(amounts), digits) for amounts in ([i.paid for i in every], [i.tax for i in every]))
    return total(item.quantity for item in every), paid, tax


def check_items(items: Sequence[Item], stated_total: Decimal, stated_tax: Decimal, digits: int) -> MoneyCheck:
    """The money check over items that were remembered: whether they come to the order's total and tax."""
    parts_total, parts_tax = total(item.paid for item in items), total(item.tax for item in items)
    off_total, off_tax = parts_total != stated_total, parts_tax != stated_tax
    return MoneyCheck(
        stated_total=stated_total,
        parts_total=parts_total,
        stated_tax=stated_tax,
        parts_tax=parts_tax,
        digits=digits,
        source="total" if off_total else "tax" if off_tax else "",
    )


def items_memory(items: Iterable[Item]) -> list[Json]:
    """Items as JSON; `items_from` reads them back."""
    return [
        {
            "code": item.code,
            "name": item.name,
            "quantity": str(item.quantity),
            "paid": str(item.paid),
            "tax": str(item.tax),
        }
        for item in items
    ]


def items_from(memory: Iterable[Mapping[str, Any]]) -> tuple[Item, ...]:
    """Read back what `items_memory` wrote."""
    return tuple(
        Item(
            code=str(row["code"]),
            name=str(row["name"]),
            quantity=Decimal(row["quantity"]),
            paid=Decimal(row["paid"]),
            tax=Decimal(row["tax"]),
        )
        for row in memory
    )
