"""Unit values: bringing what was paid for a quantity to a net price and a tax per unit, without losing a cent.

The POS wants both per unit, with five decimals (`pricing.price`, `tax.amount` of POST /sales), and reckons a line as
(price + tax) x quantity. Where that misses the cents of a line, the line is split.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from bcpoll.core.money import round_money

# As many as real sales of the POS carry.
UNIT_DIGITS = 5
_UNIT = Decimal(1).scaleb(-UNIT_DIGITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """So many units at one net price and one tax each."""

    quantity: int
    price: Decimal
    tax: Decimal

    @property
    def paid(self) -> Decimal:
        """What the units come to, tax included, unrounded."""
        return (self.price + self.tax) * self.quantity


def units(paid: Decimal, tax: Decimal, quantity: int, digits: int) -> tuple[Units, ...]:
    """Divide what was paid (tax included) over a quantity: one row where its cents come out right, else up to three.

    >>> [(u.quantity, str(u.price)) for u in units(Decimal("0.01"), Decimal(0), 2_000, 2)]
    [(1000, '0.00001'), (1000, '0.00000')]
    """
    net = paid - tax
    one = Units(
        quantity=quantity,
        price=round_money(net / quantity, UNIT_DIGITS),
        tax=round_money(tax / quantity, UNIT_DIGITS),
    )
    if round_money(one.paid, digits) == paid and round_money(one.tax * quantity, digits) == tax:
        return (one,)
    return tuple(_split(net, tax, quantity))


def exact_units(paid: Decimal, tax: Decimal, quantity: int) -> tuple[Units, ...]:
    """Divide so that the rows come to what was paid without any rounding."""
    return tuple(_split(paid - tax, tax, quantity))


def _split(net: Decimal, tax: Decimal, quantity: int) -> Iterator[Units]:
    """Spread the hundred-thousandths that do not divide over the first units, one each, for net and tax apart."""
    price, dear = divmod(int(net / _UNIT), quantity)
    levy, taxed = divmod(int(tax / _UNIT), quantity)
    done = 0
    for upto in sorted({dear, taxed, quantity} - {0}):
        yield Units(quantity=upto - done, price=(price + (done < dear)) * _UNIT, tax=(levy + (done < taxed)) * _UNIT)
        done = upto
