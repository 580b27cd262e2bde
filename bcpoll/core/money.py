"""Amounts of money: parsing, rounding, and the digits of each currency.

Owns the one rounding rule of the program. Amounts are `Decimal`, made from text; nothing here knows about orders.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from types import MappingProxyType

ZERO = Decimal(0)

# ISO 4217 minor units; every currency that is not listed has two digits.
# fmt: off
_WITHOUT = (
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW",
    "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF",
)
# fmt: on
_WITH_THREE = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_DIGITS: Mapping[str, int] = MappingProxyType(dict.fromkeys(_WITHOUT, 0) | dict.fromkeys(_WITH_THREE, 3))

# Room for whatever a division of the largest by the smallest amount can come to, so that rounding never fails.
_CONTEXT = Context(prec=60, rounding=ROUND_HALF_UP)

# The last digit that is kept, by the number of decimals: made once, since nothing is done as often as rounding.
_STEPS = tuple(Decimal(1).scaleb(-digits) for digits in range(16))


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency by its ISO 4217 code, in upper case."""

    code: str

    @property
    def digits(self) -> int:
        """How many decimals an amount of this currency has: 2 for USD, 0 for JPY, 3 for KWD."""
        return _DIGITS.get(self.code, 2)


def round_money(amount: Decimal, digits: int) -> Decimal:
    """Round half up, away from zero, to this many decimals: the only rounding rule in the program."""
    return amount.quantize(_STEPS[digits], context=_CONTEXT)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add amounts exactly, without rounding on the way."""
    return sum(amounts, ZERO)


def amount_text(amount: Decimal, digits: int) -> str:
    """Write an amount for people: rounded to the currency's digits, never in scientific notation."""
    return f"{round_money(amount, digits):f}"
