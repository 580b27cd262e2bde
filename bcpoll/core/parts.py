"""The parts of an order's total: what the shopper paid for each line and charge, and whether they add up.

Owns the money check. BigCommerce leaves open how some orders are to be read (is a fee inside the total, where did a
shipping coupon go, is the tax-inclusive flag right). So an order is read in every way that makes sense, the likeliest
first, and the first reading whose sums hold to the cent is taken. If none does, a `Gap` gives both sums.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from itertools import combinations, product
from typing import TypeAlias

from bcpoll.core.money import ZERO, amount_text, round_money, total
from bcpoll.core.order import Order, OrderLine
from bcpoll.core.shop import Charge


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One line or charge: what was paid for it, tax included, and how much of that is tax."""

    line: OrderLine | None = None
    charge: Charge | None = None
    name: str
    quantity: int
    paid: Decimal
    tax: Decimal

    def at(self, paid: Decimal, tax: Decimal) -> "Part":
        """The same line or charge at another amount; `replace` would take three times as long, and parts are many."""
        return Part(line=self.line, charge=self.charge, name=self.name, quantity=self.quantity, paid=paid, tax=tax)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All parts of an order in whole cents; they add up to exactly `total`, which is the order's own, and to `tax`."""

    parts: tuple[Part, ...]
    total: Decimal
    tax: Decimal
    remarks: tuple[str, ...] = ()
    """What a person should know about how the order was read."""

    @property
    def check(self) -> "MoneyCheck":
        """The money check that these parts passed."""
        digits = max(0, -int(self.total.as_tuple().exponent))
        return MoneyCheck(
            stated_total=self.total, parts_total=self.total, stated_tax=self.tax, parts_tax=self.tax, digits=digits
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyCheck:
    """The money check in figures: both sums, their difference, and where it comes from if that can be told."""

    stated_total: Decimal
    parts_total: Decimal
    stated_tax: Decimal
    parts_tax: Decimal
    digits: int
    source: str = ""
    """Where the difference shows: `lines`, `tax` or `total`; empty where the sums agree."""
    suspects: tuple[str, ...] = ()
    """What on the order comes to exactly the difference, in words; empty where nothing does, or the sums agree."""

    @property
    def holds(self) -> bool:
        """Whether the sums agree to the cent."""
        return not self.source

    @property
    def difference(self) -> Decimal:
        """Stated total less that of the parts, or stated tax less theirs where only the tax is off."""
        if self.source == "tax":
            return self.stated_tax - self.parts_tax
        return self.stated_total - self.parts_total

    def __str__(self) -> str:
        stated, reckoned, off, stated_tax, parts_tax = (
            amount_text(amount, self.digits)
            for amount in (self.stated_total, self.parts_total, self.difference, self.stated_tax, self.parts_tax)
        )
        if self.holds:
            return f"order total {stated} (tax {stated_tax}), and its parts add up to that"
        look_at = f": look at {' or '.join(self.suspects)}" if self.suspects else ""
        return (
            f"order total {stated} (tax {stated_tax}), parts add up to {reckoned} (tax {parts_tax}),"
            f" difference {off} in {self.source}{look_at}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(MoneyCheck):
    """A money check that failed, with the parts that do not add up."""

    parts: tuple[Part, ...] = ()
    """The parts by the likeliest reading, for people to look at."""

    def __str__(self) -> str:
        return MoneyCheck.__str__(self)


class _Rest(Enum):
    """What the discounts that no line shows were taken off."""

    NOWHERE = "nowhere"
    SHIPPING = "off the shipping"
    UNTAXED_SHIPPING = "off the shipping, whose tax was computed after it"
    LINES = "over the lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One way to read an order's amounts."""

    tax_inclusive: bool
    trust_line_totals: bool
    """Whether `discounted_total_inc_tax` is used where it is given, or computed regardless."""
    left_out: frozenset[Charge]
    """Charges that are not part of the total, or are included in the lines already."""
    rest: _Rest
    tax_before_discount: bool
    """Whether line taxes were computed before discounts, as in BigCommerce's oldest orders."""
    tenders_taken_off: bool
    """Whether gift certificates and store credit were subtracted from the stated total."""


def reckon(order: Order, digits: int) -> Parts | Gap:
    """Find the reading of an order whose parts add up to its total and tax, or say how far the likeliest is off.

    The slack allowed for rounding grows with the parts, and may exceed the whole tax on shipping: with it a wrong
    reading may fit too, so one whose tax is exact without it is preferred.
    """
    fits = []
    for reading in _readings(order):
        parts = tuple(_parts(order, reading))
        if _adds_up(order, parts, reading, digits):
            fits.append((parts, reading))
            if _tax_is_exact(order, parts, digits):
                return _in_cents(order, parts, reading, digits)
    return _in_cents(order, *fits[0], digits) if fits else _gap(order, digits)


def with_adjustment(order: Order, gap: Gap) -> Parts | Gap:
    """Close the gap with one visible line (`[money] mismatch = "adjust"`); a gap in the tax alone stays a gap.

    The line carries what total and tax lack, so that the sale comes to the order's own figures.
    """
    digits = gap.digits
    parts = tuple(_floored(part, digits) for part in _parts(order, next(_readings(order))))
    missing = round_money(order.total_inc_tax, digits) - total(round_money(part.paid, digits) for part in parts)
    adjustment = Part(
        charge=Charge.ADJUSTMENT,
        name="Adjustment to the order's total",
        # The POS documents a discount on a whole sale as a unit that is taken back, and no price below nothing.
        quantity=1 if missing > ZERO else -1,
        paid=missing,
        tax=round_money(order.total_tax, digits) - total(round_money(part.tax, digits) for part in parts),
    )
    if adjustment.paid == ZERO or not all(_is_sane(part, digits) for part in parts):
        return gap
    rounded = tuple(
        part.at(round_money(part.paid, digits), round_money(part.tax, digits)) for part in parts if part.quantity
    )
    return Parts(
        parts=(*rounded, adjustment),
        total=round_money(order.total_inc_tax, digits),
        tax=round_money(order.total_tax, digits),
        remarks=(f"Adjusted by {amount_text(adjustment.paid, digits)} to meet the order's total.",),
    )


def _readings(order: Order) -> Iterator[_Reading]:
    """The ways to read this order, the likeliest first; only questions that this order raises add to them."""
    inclusive = bool(order.prices_include_tax)
    doubtful = [Charge.FEE] * bool(order.fees) + [Charge.WRAPPING] * bool(order.wrapping.inc_tax)
    left_out = [frozenset(out) for count in range(len(doubtful) + 1) for out in combinations(doubtful, count)]
    stated = any(line.discounted_total is not None for line in order.lines)
    discounted = bool(order.discount + order.coupon_discount)
    tendered = bool(order.gift_certificate + order.store_credit)
    ways = product(
        (False, True) if tendered else (False,),
        (True, False) if stated else (True,),
        left_out,
        tuple(_Rest) if _rest_of_discount(order) > ZERO else (_Rest.NOWHERE,),
        (False, True) if discounted else (False,),
        (inclusive, not inclusive),
    )
    for taken_off, trust, out, rest, early, mode in ways:
        yield _Reading(
            tax_inclusive=mode,
            trust_line_totals=trust,
            left_out=out,
            rest=rest,
            tax_before_discount=early,
            tenders_taken_off=taken_off,
        )


def _stated_total(order: Order, reading: _Reading) -> Decimal:
    """What lines and charges should come to, by the order's own total."""
    tenders = order.gift_certificate + order.store_credit if reading.tenders_taken_off else ZERO
    return order.total_inc_tax + tenders


def _rest_of_discount(order: Order) -> Decimal:
    """The part of the order's discounts that no line shows."""
    on_lines = total(discount.amount for line in order.lines for discount in line.discounts)
    return order.discount + order.coupon_discount - on_lines


def _parts(order: Order, reading: _Reading) -> Iterator[Part]:
    """What was paid for each line and charge, by one reading, to the last digit."""
    rest = _rest_of_discount(order)
    subtotal = total(_price(line, reading) for line in order.lines) or Decimal(1)
    for line in order.lines:
        share = rest * _price(line, reading) / subtotal if reading.rest is _Rest.LINES else ZERO
        yield _sold(line, share, reading)
    for part in _charges(order, tax_inclusive=reading.tax_inclusive):
        if part.charge is Charge.SHIPPING:
            yield _less_rest(part, rest, reading)
        elif part.charge not in reading.left_out:
            yield part


def _sold(line: OrderLine, share: Decimal, reading: _Reading) -> Part:
    """A line, less its share of the discounts that no line shows."""
    price = _price(line, reading)
    left = price - share - total(discount.amount for discount in line.discounts)
    tax = line.total_tax * left / (price or Decimal(1)) if reading.tax_before_discount else line.total_tax
    # The equations of the orders API for what was paid for a line.
    paid = left if reading.tax_inclusive else left + tax
    if line.discounted_total is not None and reading.trust_line_totals:
        paid = line.discounted_total - share
    return Part(line=line, name=line.name, quantity=line.quantity, paid=paid, tax=tax)


def _less_rest(shipping: Part, rest: Decimal, reading: _Reading) -> Part:
    """The shipping, less the discounts that no line shows if they were taken off it."""
    if reading.rest is _Rest.SHIPPING:
        return _reduced(shipping, rest, reading)
    return shipping.at(shipping.paid - rest, shipping.tax) if reading.rest is _Rest.UNTAXED_SHIPPING else shipping


def _price(line: OrderLine, reading: _Reading) -> Decimal:
    """The line's total before discounts, with or without tax as the discounts are stated."""
    return line.total_inc_tax if reading.tax_inclusive else line.total_ex_tax


def _reduced(part: Part, discount: Decimal, reading: _Reading) -> Part:
    """Take a discount off a part whose tax was computed without it, and reduce the tax in proportion."""
    price = part.paid if reading.tax_inclusive else part.paid - part.tax
    tax = part.tax * (price - discount) / (price or Decimal(1))
    return part.at(price - discount if reading.tax_inclusive else price - discount + tax, tax)


def _charges(order: Order, *, tax_inclusive: bool) -> Iterator[Part]:
    costs = [
        (Charge.SHIPPING, "Shipping", order.shipping),
        (Charge.HANDLING, "Handling", order.handling),
        (Charge.WRAPPING, "Gift wrapping", order.wrapping),
        *((Charge.FEE, fee.name or "Fee", fee.cost) for fee in order.fees),
    ]
    for charge, name, cost in costs:
        if paid := cost.inc_tax if tax_inclusive else cost.ex_tax + cost.tax:
            yield Part(charge=charge, name=name, quantity=1, paid=paid, tax=cost.tax)


def _adds_up(order: Order, parts: Sequence[Part], reading: _Reading, digits: int) -> bool:
    return (
        all(_is_sane(part, digits) for part in parts)
        and (_paid_holds(order, parts, reading, digits) or _net_holds(order, parts, reading, digits))
        and _tax_adds_up(order, parts, digits)
    )


def _paid_holds(order: Order, parts: Sequence[Part], reading: _Reading, digits: int) -> bool:
    return round_money(_paid(parts), digits) == round_money(_stated_total(order, reading), digits)


def _net_holds(order: Order, parts: Sequence[Part], reading: _Reading, digits: int) -> bool:
    """Whether the sums without tax agree: where prices exclude tax, only these are exact, and tax comes on top."""
    net, stated = _paid(parts) - _tax(parts), _stated_total(order, reading) - order.total_tax
    return not reading.tax_inclusive and round_money(net, digits) == round_money(stated, digits)


def _tax_adds_up(order: Order, parts: Sequence[Part], digits: int) -> bool:
    """Whether taxes agree within half a cent for each part: the store may round per rate, line or order."""
    cent = Decimal(1).scaleb(-digits)
    taxes = [tax for tax in _taxes(order, parts) if tax]
    slack = max(cent, cent * len(taxes) / 2) if taxes else ZERO
    return round_money(abs(total(taxes) - order.total_tax), digits) <= slack


def _tax_is_exact(order: Order, parts: Sequence[Part], digits: int) -> bool:
    return round_money(total(_taxes(order, parts)), digits) == round_money(order.total_tax, digits)


def _taxes(order: Order, parts: Iterable[Part]) -> list[Decimal]:
    """The tax in each part; of an order that states none, as where staff typed over the total, going by its prices."""
    return [part.tax if order.total_tax else max(part.tax, _tax_by_prices(part)) for part in parts]


def _tax_by_prices(part: Part) -> Decimal:
    if part.line is None or not part.line.total_inc_tax:
        return ZERO
    return part.paid * (part.line.total_inc_tax - part.line.total_ex_tax) / part.line.total_inc_tax


def _is_sane(part: Part, digits: int) -> bool:
    """Whether a part can be a line of a sale: its tax is within what was paid, and nothing was paid for no goods."""
    part = _floored(part, digits)
    return ZERO <= part.tax <= part.paid and (part.quantity > 0 or part.paid == ZERO)


def _floored(part: Part, digits: int) -> Part:
    """The part with negative amounts below half a cent set to zero: rounding leaves them on fully discounted lines."""
    least = min(part.paid, part.tax, part.paid - part.tax)
    if least >= ZERO or least <= -Decimal(5).scaleb(-digits - 1):
        return part
    paid = max(part.paid, ZERO)
    return part.at(paid, min(max(part.tax, ZERO), paid))


def _in_cents(order: Order, exact: Sequence[Part], reading: _Reading, digits: int) -> Parts:
    """Round every part to whole cents, so that the sums are still those of the order."""
    parts = [_floored(part, digits) for part in exact]
    whole = round_money(_stated_total(order, reading), digits)
    whole_tax = round_money(order.total_tax, digits)
    tax = apportion([part.tax for part in parts], whole_tax, digits)
    if reading.tax_inclusive:
        paid = apportion([part.paid for part in parts], whole, digits)
    else:
        net = apportion([part.paid - part.tax for part in parts], whole - whole_tax, digits)
        paid = [part_net + part_tax for part_net, part_tax in zip(net, tax, strict=True)]
    rounded = tuple(
        # Rounding may give a part more tax than was paid for it: that is cut off. Adding zero turns -0.00 into 0.00.
        part.at(part_paid + ZERO, min(part_tax, part_paid) + ZERO)
        for part, part_paid, part_tax in zip(parts, paid, tax, strict=True)
        if part.quantity
    )
    return Parts(parts=rounded, total=whole, tax=_tax(rounded), remarks=tuple(_remarks(order, reading, digits)))


def apportion(amounts: Sequence[Decimal], whole: Decimal, digits: int) -> list[Decimal]:
    """Round amounts to cents so that they add up to `whole`: the cents left over go to the largest remainders.

    Amounts of zero stay zero, unless all of them are zero.
    """
    cent = Decimal(1).scaleb(-digits)
    shares = [round_money(amount, digits) for amount in amounts]
    left = int((whole - total(shares)) / cent)
    if not left:
        return shares
    step = cent if left > 0 else -cent
    able = [i for i, amount in enumerate(amounts) if amount] or range(len(amounts))
    # Those that rounding moved furthest the wrong way come first, and of equals the largest.
    turn = sorted(able, key=lambda i: ((shares[i] - amounts[i]) * step, -amounts[i]))
    for i in range(abs(left)):
        shares[turn[i % len(turn)]] += step
    return shares


def _remarks(order: Order, reading: _Reading, digits: int) -> Iterator[str]:
    costs: Iterable[tuple[Charge, Decimal]] = (
        (Charge.FEE, total(fee.cost.inc_tax for fee in order.fees)),
        (Charge.WRAPPING, order.wrapping.inc_tax),
    )
    for charge, amount in costs:
        if charge in reading.left_out:
            yield f"{charge.capitalize()} of {amount_text(amount, digits)} is not part of the order's total."


def _gap(order: Order, digits: int) -> Gap:
    likeliest = next(_readings(order))
    parts = tuple(_parts(order, likeliest))
    paid, tax = _paid(parts), total(_taxes(order, parts))
    lines_inc = total(line.total_inc_tax for line in order.lines)
    lines_ex = total(line.total_ex_tax for line in order.lines)
    if _paid_holds(order, parts, likeliest, digits) or _net_holds(order, parts, likeliest, digits):
        source = "tax"
    elif lines_inc != order.subtotal.inc_tax and lines_ex != order.subtotal.ex_tax:
        source = "lines"
    else:
        source = "total"
    gap = Gap(
        stated_total=order.total_inc_tax,
        parts_total=paid,
        stated_tax=order.total_tax,
        parts_tax=tax,
        source=source,
        digits=digits,
        parts=parts,
    )
    return replace(gap, suspects=tuple(_suspects(order, gap)))


# Naming more than this helps nobody: ten lines of one price, for example.
_MOST_SUSPECTS = 3

_Named: TypeAlias = list[tuple[str, Decimal]]


def _suspects(order: Order, gap: Gap) -> tuple[str, ...]:
    """What a person should look at first: parts that cannot be sold as they are, else what equals the difference."""
    insane = [_in_words(part) for part in gap.parts if not _is_sane(part, gap.digits)]
    off = abs(round_money(gap.difference, gap.digits))
    kinds = (_taxes_in_words(order, gap),) if gap.source == "tax" else _amounts_in_words(order, gap)
    equal = ([words for words, amount in named if abs(round_money(amount, gap.digits)) == off] for named in kinds)
    found = tuple(dict.fromkeys(insane or (next(filter(None, equal), []) if off else [])))
    return found if len(found) <= _MOST_SUSPECTS else ()


def _amounts_in_words(order: Order, gap: Gap) -> Iterator[_Named]:
    """What may equal a difference, kind by kind, beginning with what totals most often leave out."""
    yield [(_in_words(part), part.paid) for part in gap.parts if part.charge]
    yield [("the redeemed gift certificate", order.gift_certificate), ("the store credit", order.store_credit)]
    yield _discounts_in_words(order)
    yield [("the coupons", order.coupon_discount), ("the discount", order.discount)]
    yield [("the tax", order.total_tax)]
    yield [(_in_words(part), part.paid) for part in gap.parts if not part.charge]
    yield _taxes_in_words(order, gap)


def _taxes_in_words(order: Order, gap: Gap) -> _Named:
    return [
        (f"the tax on {_in_words(part)}", tax) for part, tax in zip(gap.parts, _taxes(order, gap.parts), strict=True)
    ]


def _discounts_in_words(order: Order) -> _Named:
    """Each coupon and discount with what it took off all lines."""
    taken: dict[str, Decimal] = {}
    for discount in (one for line in order.lines for one in line.discounts):
        words = f"the coupon {discount.code}" if discount.code else f'the discount "{discount.name}"'
        taken[words] = taken.get(words, ZERO) + discount.amount
    return list(taken.items())


def _in_words(part: Part) -> str:
    if part.line is None:
        return f'the fee "{part.name}"' if part.charge is Charge.FEE else f"the {part.name.lower()}"
    return f'the line "{part.name}"' + (f" ({part.line.sku})" if part.line.sku else "")


def _paid(parts: Iterable[Part]) -> Decimal:
    return total(part.paid for part in parts)


def _tax(parts: Iterable[Part]) -> Decimal:
    return total(part.tax for part in parts)
