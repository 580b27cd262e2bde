"""A hundred thousand orders at random, in both tax modes: not a cent between an order and its sale."""

import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest
from builders import a_discount, a_line, a_shop, a_status, an_order, attempt, numbered, reckoned

from bcpoll.core.money import ZERO, round_money, total
from bcpoll.core.order import Json
from bcpoll.core.sale import Desired, Sale
from bcpoll.core.status import OrderStatus

COUNT, SEED = 100_000, 20_261_123
RATES = ("0", "0.05", "0.10", "0.15", "0.20", "0.0762", "0.0825", "0.25")
MODES = {True: "with tax", False: "without tax", None: "of either kind"}
SHARES = (0, 0, 0, 0, 5, 10, 15, 33, 50, 100)


@pytest.mark.slow
def test_not_a_cent_is_lost_or_made_over_a_hundred_thousand_orders(say_at_end: Callable[[str], None]) -> None:
    chance = random.Random(SEED)
    shop = a_shop()
    told, cents = Counter[str](), ZERO
    for _ in range(COUNT):
        order = an_order_at_random(chance)
        desired = attempt(order, shop)
        assert isinstance(desired, Desired), (desired, order)
        assert desired.sale is not None
        cents += off(order, desired.sale)
        told[MODES[order["is_tax_inclusive_pricing"]]] += 1
        told["lines"] += len(desired.sale.lines)
    lines = told.pop("lines")
    modes = ", ".join(f"{count} priced {mode}" for mode, count in sorted(told.items()))
    say_at_end(f"{COUNT} orders from seed {SEED} ({modes}), {lines} lines: {cents} of difference")
    assert cents == ZERO


def off(order: Json, sale: Sale) -> Decimal:
    """How far a sale is from its order: in its total, in its tax, and in what was paid for it."""
    tax = round_money(total(line.unit_tax * line.quantity for line in sale.lines), 2)
    paid = total(payment.amount for payment in sale.payments)
    return total(
        abs(ours - round_money(Decimal(stated), 2))
        for ours, stated in (
            (reckoned(sale), order["total_inc_tax"]),
            (sale.total, order["total_inc_tax"]),
            (tax, order["total_tax"]),
            (paid, order["total_inc_tax"]),
        )
    )


def an_order_at_random(chance: random.Random) -> Json:
    """An order that was paid, of any size and age, with any charges and tenders."""
    inclusive = chance.random() < 0.5
    sold = numbered(*(_a_line(chance, inclusive=inclusive) for _ in range(chance.randint(1, 8))))
    if chance.random() < 0.3:
        sold = [{name: value for name, value in line.items() if name != "discounted_total_inc_tax"} for line in sold]
    order = an_order(
        *sold,
        inclusive=inclusive,
        shipping=_priced(chance, 0.7),
        handling=_priced(chance, 0.2),
        wrapping=_priced(chance, 0.1),
        fees=[("Fee", _priced(chance, 1)) for _ in range(chance.choice((0, 0, 0, 1, 2)))],
        fees_count=chance.random() < 0.8,
        **a_status(chance.choice((OrderStatus.AWAITING_FULFILLMENT, OrderStatus.COMPLETED, OrderStatus.SHIPPED))),
    )
    if chance.random() < 0.2:
        order["is_tax_inclusive_pricing"] = None
    return order | _tendered(chance, round_money(Decimal(order["total_inc_tax"]), 2))


def _a_line(chance: random.Random, *, inclusive: bool) -> Json:
    price, quantity = _amount(chance), chance.choice((1, 1, 1, 2, 3, 7, 12, 144))
    off_line = min(round_money(price * quantity * chance.choice(SHARES) / 100, 2), price * quantity)
    return a_line(
        chance.choice(("MUG", "PEN", "POT", "")),
        price,
        quantity,
        rate=chance.choice(RATES),
        off=[a_discount(off_line, chance.choice(("SPRING", None)))] if off_line else (),
        inclusive=inclusive,
        tax_digits=chance.choice((2, 4)),
        variant_id=chance.randint(0, 3),
    )


def _amount(chance: random.Random) -> Decimal:
    """Mostly what a shelf says, at times with fractions of a cent."""
    digits = chance.choice((2, 2, 2, 4))
    return Decimal(chance.randint(0, chance.choice((999, 99_999, 9_999_999)))).scaleb(-digits)


def _priced(chance: random.Random, likelihood: float) -> tuple[Decimal, str]:
    charged = chance.random() < likelihood
    return (Decimal(chance.randint(0, 5_000)).scaleb(-2) if charged else ZERO, chance.choice(RATES))


def _tendered(chance: random.Random, owed: Decimal) -> Json:
    """Store credit and gift certificates that pay for a part, or for all of it."""
    certificate = round_money(owed * chance.choice((0, 0, 0, 20, 100)) / 100, 2)
    credit = round_money((owed - certificate) * chance.choice((0, 0, 0, 50, 100)) / 100, 2)
    return {"gift_certificate_amount": str(certificate), "store_credit_amount": str(credit)}
