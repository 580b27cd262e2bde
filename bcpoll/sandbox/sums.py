"""The money of an order: discounts spread over lines, tax per line and charge, and the totals that follow.

Owns the arithmetic that BigCommerce does at checkout, to the equations that its orders obey. Rounds every tax amount
to the currency, as the store's default rounding does. Must not know the JSON of an order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bcpoll.core.money import ZERO, Currency, round_money, total
from bcpoll.core.order import LineKind
from bcpoll.sandbox.drafts import Coupon, CouponKind, Draft, Item, Parcel
from bcpoll.sandbox.switches import Switches


@dataclass(frozen=True, slots=True)
class Split:
    """An amount without tax, with tax, and the tax."""

    ex: Decimal
    inc: Decimal
    tax: Decimal

    def __add__(self, other: "Split") -> "Split":
        return Split(self.ex + other.ex, self.inc + other.inc, self.tax + other.tax)


NOTHING = Split(ZERO, ZERO, ZERO)


@dataclass(frozen=True, slots=True)
class Off:
    """Money off one line, as `applied_discounts` holds it."""

    id: str
    amount: Decimal
    name: str
    code: str | None = None
    target: str = "product"


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line with its money before and after discounts; `parent` is the place of a bundle child's parent."""

    item: Item
    parent: int | None
    before: Split
    after: Split
    wrapping: Split
    offs: tuple[Off, ...]


@dataclass(frozen=True, slots=True)
class PricedParcel:
    """What shipping and handling of one parcel cost; nothing for pickups."""

    shipping: Split
    handling: Split


@dataclass(frozen=True, slots=True)
class Sums:
    """Everything of an order that is money."""

    lines: tuple[PricedLine, ...]
    parcels: tuple[PricedParcel, ...]
    fees: tuple[Split, ...]
    subtotal: Split
    """Before discounts, but with the tax after them, as newer orders state it."""
    shipping: Split
    handling: Split
    wrapping: Split
    total: Split
    discount: Decimal
    coupon_discount: Decimal


@dataclass(slots=True)
class _Row:
    """A line while its discounts are being worked out."""

    item: Item
    parent: int | None
    entered: Decimal
    left: Decimal
    offs: list[Off]

    def take(self, amount: Decimal, off: Off) -> None:
        if amount:
            self.left -= amount
            self.offs.append(off)


@dataclass(frozen=True, slots=True)
class _Basis:
    """How a draft's prices turn into amounts with and without tax."""

    inclusive: bool
    rate: Decimal
    digits: int

    def split(self, entered: Decimal, rate: Decimal | None = None) -> Split:
        rate = self.rate if rate is None else rate
        if self.inclusive:
            tax = round_money(entered * rate / (1 + rate), self.digits)
            return Split(entered - tax, entered, tax)
        tax = round_money(entered * rate, self.digits)
        return Split(entered, entered + tax, tax)

    def rounded(self, amount: Decimal) -> Decimal:
        return round_money(amount, self.digits)


def sums_of(draft: Draft, switches: Switches) -> Sums:
    """Work out the money of an order."""
    basis = _Basis(draft.inclusive, Decimal(draft.tax_rate), Currency(draft.currency).digits)
    rows = list(_rows(draft.items))
    # One after the other: each discount is taken off what those before it have left.
    promotions = _take_promotions(rows)
    coupon_discount = total([_take_coupon(rows, coupon, basis) for coupon in draft.coupons])
    discount = promotions + _take_manual(rows, Decimal(draft.discount), basis)
    shipping_off = _shipping_off(draft)
    if switches.shipping_coupons == "in_discount":
        coupon_discount += shipping_off
    lines = tuple(_priced(row, basis) for row in rows)
    parcels = tuple(_priced_parcels(draft, basis, shipping_off, switches))
    fees = tuple(basis.split(Decimal(fee.cost), Decimal(fee.tax_rate)) for fee in draft.fees)
    return _added_up(draft, switches, lines, parcels, fees, discount, coupon_discount)


def _rows(items: Iterable[Item]) -> Iterable[_Row]:
    place = 0
    for item in items:
        entered = Decimal(item.line_total) if item.line_total is not None else Decimal(item.price) * item.quantity
        yield _Row(item, None, entered, entered, [])
        for child in item.children:
            yield _Row(child, place, ZERO, ZERO, [])
        place += 1 + len(item.children)


def _take_promotions(rows: Sequence[_Row]) -> Decimal:
    for number, row in enumerate(rows, start=1):
        amount = Decimal(row.item.discount)
        row.take(amount, Off(str(number), amount, "Automatic promotion"))
    return total(Decimal(row.item.discount) for row in rows)


def _take_coupon(rows: Sequence[_Row], coupon: Coupon, basis: _Basis) -> Decimal:
    eligible = [row for row in rows if _can_be_lowered(row) and (not coupon.skus or row.item.sku in coupon.skus)]
    amounts = _coupon_amounts(eligible, coupon, basis)
    for row, amount in zip(eligible, amounts, strict=True):
        target = "order" if coupon.kind is CouponKind.PER_TOTAL else "product"
        row.take(amount, Off("coupon", amount, coupon.code, coupon.code, target))
    return total(amounts)


def _coupon_amounts(rows: Sequence[_Row], coupon: Coupon, basis: _Basis) -> list[Decimal]:
    amount = Decimal(coupon.amount)
    if coupon.kind is CouponKind.PER_ITEM:
        return [min(row.left, amount * row.item.quantity) for row in rows]
    if coupon.kind is CouponKind.PERCENTAGE:
        return [basis.rounded(row.left * amount / 100) for row in rows]
    if coupon.kind is CouponKind.PER_TOTAL:
        return _shares(rows, amount, basis)
    return [ZERO for _ in rows]


def _take_manual(rows: Sequence[_Row], amount: Decimal, basis: _Basis) -> Decimal:
    eligible = [row for row in rows if _can_be_lowered(row)]
    shares = _shares(eligible, amount, basis)
    for row, share in zip(eligible, shares, strict=True):
        row.take(share, Off("manual-discount", share, "Manual Discount", None, "order"))
    return total(shares)


def _can_be_lowered(row: _Row) -> bool:
    return row.left > 0 and row.item.kind is not LineKind.GIFT_CERTIFICATE


def _shares(rows: Sequence[_Row], amount: Decimal, basis: _Basis) -> list[Decimal]:
    """Spread an amount over lines by their value; what rounding leaves over goes to the last one."""
    value = total(row.left for row in rows)
    if not value or not amount:
        return [ZERO for _ in rows]
    amount = min(amount, value)
    shares = [basis.rounded(amount * row.left / value) for row in rows]
    shares[-1] += amount - total(shares)
    return shares


def _priced(row: _Row, basis: _Basis) -> PricedLine:
    rate = basis.rate if row.item.tax_rate is None else Decimal(row.item.tax_rate)
    return PricedLine(
        item=row.item,
        parent=row.parent,
        before=basis.split(row.entered, rate),
        after=basis.split(row.left, rate),
        wrapping=basis.split(Decimal(row.item.wrapping)),
        offs=tuple(row.offs),
    )


def _shipping_off(draft: Draft) -> Decimal:
    cost = total(Decimal(parcel.cost) for parcel in draft.parcels if isinstance(parcel, Parcel))
    wanted = total(
        cost if coupon.kind is CouponKind.FREE_SHIPPING else Decimal(coupon.amount)
        for coupon in draft.coupons
        if coupon.kind in (CouponKind.SHIPPING, CouponKind.FREE_SHIPPING)
    )
    return min(cost, wanted)


def _priced_parcels(draft: Draft, basis: _Basis, off: Decimal, switches: Switches) -> Iterable[PricedParcel]:
    for parcel in draft.parcels:
        if not isinstance(parcel, Parcel):
            yield PricedParcel(NOTHING, NOTHING)
            continue
        cost = Decimal(parcel.cost)
        taken = min(cost, off)
        off -= taken
        charged = basis.split(cost - taken)
        if switches.shipping_coupons == "in_discount":
            # The cost is stated in full, yet taxed as charged: only the order's discount tells of the coupon.
            charged = Split(charged.ex + taken, charged.inc + taken, charged.tax)
        yield PricedParcel(charged, basis.split(Decimal(parcel.handling)))


def _added_up(
    draft: Draft,
    switches: Switches,
    lines: tuple[PricedLine, ...],
    parcels: tuple[PricedParcel, ...],
    fees: tuple[Split, ...],
    discount: Decimal,
    coupon_discount: Decimal,
) -> Sums:
    shipping = _all(parcel.shipping for parcel in parcels)
    handling = _all(parcel.handling for parcel in parcels)
    wrapping = _all(line.wrapping for line in lines)
    before = _all(line.before for line in lines)
    after = _all(line.after for line in lines)
    charges = shipping + handling + wrapping
    if switches.fees == "in_total":
        charges += _all(fees)
    off = discount + coupon_discount
    grand = _grand_total(before + charges, after.tax + charges.tax, off, inclusive=draft.inclusive)
    if switches.tenders == "lower_total":
        paid = Decimal(draft.gift_certificate) + Decimal(draft.store_credit)
        grand = Split(grand.ex - paid, grand.inc - paid, grand.tax)
    return Sums(
        lines=lines,
        parcels=parcels,
        fees=fees,
        subtotal=Split(before.ex, before.inc, after.tax),
        shipping=shipping,
        handling=handling,
        wrapping=wrapping,
        total=grand,
        discount=discount,
        coupon_discount=coupon_discount,
    )


def _grand_total(before: Split, tax: Decimal, off: Decimal, *, inclusive: bool) -> Split:
    """Discounts come off the side in which the shop enters its prices; the tax makes the other one."""
    if inclusive:
        return Split(before.inc - off - tax, before.inc - off, tax)
    return Split(before.ex - off, before.ex - off + tax, tax)


def _all(splits: Iterable[Split]) -> Split:
    return sum(splits, NOTHING)
