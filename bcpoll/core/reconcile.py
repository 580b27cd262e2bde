"""Comparing an order, the ledger and the POS: what differs, in words and in figures.

Owns what counts as a difference. What the POS should hold comes from `translate`, what is still to do from `plan`: a
plan that is not empty is a difference. Reading both sides in bulk is the shell's part.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from bcpoll.core.money import ZERO, amount_text, total
from bcpoll.core.order import code_key
from bcpoll.core.plan import LIFE_CYCLE, Step, plan, refund_sale_ids, revision_of
from bcpoll.core.rejected import Rejected
from bcpoll.core.sale import Applied, AppliedState, Desired, DesiredState, RefundSale, Sale
from bcpoll.core.shop import Policy, Refunds
from bcpoll.core.sold import Sold, units_by


class Finding(StrEnum):
    """What is said of an order; `NOTES` are no differences."""

    MISSING = "missing"
    DOUBLED = "doubled"
    UNEXPECTED = "unexpected"
    WRONG_STATE = "wrong state"
    WRONG_TOTAL = "wrong total"
    WRONG_LINES = "wrong lines"
    WRONG_TAX = "wrong tax"
    WRONG_UNITS = "wrong units"
    WRONG_PAYMENTS = "wrong payments"
    LEDGER = "not as in the ledger"
    SET_ASIDE = "set aside"
    DISMISSED = "dismissed"
    NOT_YET = "not polled yet"


NOTES: frozenset[Finding] = frozenset({Finding.DISMISSED, Finding.NOT_YET})


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How many sales there are and what they come to; sums of them are figures as well."""

    count: int = 0
    total: Decimal = ZERO
    tax: Decimal = ZERO
    units: Decimal = ZERO

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            count=self.count + other.count,
            total=self.total + other.total,
            tax=self.tax + other.tax,
            units=self.units + other.units,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An order with all that is known of it on the three sides."""

    order_id: int
    created_at: datetime | None
    """None where it cannot be read."""
    status: str
    wanted: Desired | Rejected | None
    """What the POS should hold; None for an order that BigCommerce does not have."""
    stated: Figures = Figures()
    """What the order states where it cannot be translated."""
    applied: Applied | None = None
    """What the ledger says."""
    sales: tuple[Sold, ...] = ()
    """All sales that name the order, voided ones and refunds included."""
    set_aside: str = ""
    """Why the order waits in review, if it does."""
    dismissed: str = ""
    """What a person said when dismissing it, if nothing has changed since."""
    codes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Keys of codes by the POS's id of the product, of the products on both sides that the POS has."""
    is_recent: bool = False
    """Whether the next pass may yet see to it: it changed just now, and the cursor has not got there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What became of a comparison: findings with their details, and the figures of both sides."""

    order_id: int
    created_at: datetime | None
    status: str
    findings: tuple[tuple[Finding, str], ...] = ()
    wanted: Figures = Figures()
    held: Figures = Figures()
    sale_ids: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything is wrong, notes left aside."""
        return any(finding not in NOTES for finding, _ in self.findings)


@dataclass(slots=True)
class Tally:
    """Running sums over many comparisons: by finding, and by day with the figures of both sides."""

    compared: int = 0
    differing: int = 0
    by_finding: dict[Finding, int] = field(default_factory=dict)
    days: dict[str, tuple[Figures, Figures]] = field(default_factory=dict)

    def add(self, one: Compared, day: str) -> None:
        """Count one comparison to a day."""
        self.compared += 1
        self.differing += one.differs
        for finding in dict.fromkeys(finding for finding, _ in one.findings):
            self.by_finding[finding] = self.by_finding.get(finding, 0) + 1
        wanted, held = self.days.get(day, (Figures(), Figures()))
        self.days[day] = (wanted + one.wanted, held + one.held)


def compare(case: Case, *, store_hash: str, policy: Policy, digits: int) -> Compared:
    """Compare an order with the ledger and the POS."""
    live = [sale for sale in case.sales if sale.is_live and not sale.is_refund]
    refunds = _refunds(case, store_hash)
    held = _figures_of(live) + _refund_figures(sale for _, sale in refunds if sale is not None)
    doubled = [(Finding.DOUBLED, f"{len(live)} live sales: {', '.join(sale.sale_id for sale in live)}")]
    findings = [*(doubled if len(live) > 1 else []), *_findings(case, refunds, store_hash, policy, digits)]
    named = {finding for finding, _ in findings}
    if case.is_recent and not case.dismissed and named - {Finding.DOUBLED}:
        kept = [one for one in findings if one[0] is Finding.DOUBLED]
        findings = [*kept, (Finding.NOT_YET, findings[-1][1])]
    # What a person dismissed, or the next pass is yet to see, is no difference between two days' sums either.
    is_apart = any(finding in NOTES for finding, _ in findings)
    return Compared(
        order_id=case.order_id,
        created_at=case.created_at or next((sale.at for sale in case.sales if sale.at), None),
        status=case.status,
        findings=tuple(findings),
        wanted=held if is_apart else _wanted_figures(case, refunds),
        held=held,
        sale_ids=tuple(sale.sale_id for sale in live),
    )


_Refunds: TypeAlias = Sequence[tuple[RefundSale, Sold | None]]


def _refunds(case: Case, store_hash: str) -> _Refunds:
    """The refunds that are to be sales of their own, each with its sale if the POS holds it.

    Other sales that give back are no matter of ours: goods may be brought back to the shop.
    """
    if not isinstance(case.wanted, Desired) or case.wanted.state not in _LIVE:
        return ()
    live = {sale.sale_id: sale for sale in case.sales if sale.is_live}
    wanted = [one for one in case.wanted.refunds if isinstance(one, RefundSale)]
    ids = ((one, refund_sale_ids(store_hash, one.refund_id)) for one in wanted)
    return [(one, next((live[name] for name in names if name in live), None)) for one, names in ids]


_LIVE = frozenset({DesiredState.UNPAID, DesiredState.OPEN, DesiredState.PAID})


def _findings(
    case: Case, refunds: _Refunds, store_hash: str, policy: Policy, digits: int
) -> Iterator[tuple[Finding, str]]:
    """What is to be said of an order beside its being doubled; the ledger comes last."""
    if case.wanted is None:
        if any(sale.is_live for sale in case.sales):
            yield Finding.UNEXPECTED, "BigCommerce has no such order"
        return
    if case.dismissed:
        yield Finding.DISMISSED, case.dismissed
        return
    if case.set_aside:
        yield Finding.SET_ASIDE, case.set_aside
        return
    if isinstance(case.wanted, Rejected):
        yield Finding.SET_ASIDE, f"{case.wanted.reason}: {case.wanted.detail}"
        return
    newest = _newest(case, store_hash)
    found = [*_planned(case, case.wanted, newest, store_hash, policy)]
    if newest is not None and case.wanted.sale is not None and not found:
        found = [*_wrong_sums(case.wanted.sale, newest, case.codes, digits)]
    found += _wrong_refunds(refunds, case.codes, digits)
    yield from found or _ledger(case, newest)


def _wrong_refunds(refunds: _Refunds, codes: Mapping[str, str], digits: int) -> Iterator[tuple[Finding, str]]:
    for refund, sale in refunds:
        if sale is None:
            yield Finding.MISSING, f"refund {refund.refund_id} of {refund.total}"
            continue
        pairs = ((Finding.WRONG_TOTAL, refund.sale.total, sale.total), (Finding.WRONG_TAX, refund.sale.tax, sale.tax))
        for finding, told in (*_differing(pairs, digits), *_wrong_units(refund.sale, sale, codes)):
            yield finding, f"refund {refund.refund_id} {told}"


def _newest(case: Case, store_hash: str) -> Sold | None:
    """The sale that stands for the order: of those under our own ids, the last one written."""
    ours = [(revision_of(store_hash, case.order_id, sale.sale_id), sale) for sale in case.sales]
    return max(((number, sale) for number, sale in ours if number), key=lambda one: one[0], default=(0, None))[1]


def _planned(
    case: Case, wanted: Desired, newest: Sold | None, store_hash: str, policy: Policy
) -> Iterator[tuple[Finding, str]]:
    """What a pass would still do if the ledger said what the POS shows."""
    seen = _seen(case, wanted, newest)
    # Refunds are sales of their own, compared by themselves.
    todo = plan(wanted, seen, store_hash=store_hash, policy=replace(policy, refunds=Refunds.IGNORE))
    if not todo.actions and todo.notice is None:
        foreign = [sale for sale in case.sales if sale.is_live and newest is None and not sale.is_refund]
        if foreign and wanted.state is DesiredState.NOT_IMPORTED:
            yield Finding.UNEXPECTED, f"the order is not imported, but sale {foreign[0].sale_id} names it"
    elif seen.state is AppliedState.NOTHING:
        named = "".join(f"; sale {sale.sale_id} names it, but is none of ours" for sale in case.sales if sale.is_live)
        yield Finding.MISSING, _said_by_ledger(case) + named
    elif wanted.sale is None or LIFE_CYCLE[seen.state, wanted.state] is not Step.NOTHING:
        yield Finding.WRONG_STATE, f"should be {_STATES[wanted.state]}, is {seen.state}"
    elif wanted.sale.total != seen.total:
        yield Finding.WRONG_TOTAL, f"should be {wanted.sale.total}, is {seen.total}"
    else:
        yield Finding.WRONG_LINES, "the order's lines were changed after its sale was written"


# The states as they are said of a sale.
_STATES = {state: state.value.replace("_", " ") for state in DesiredState}


def _said_by_ledger(case: Case) -> str:
    if case.applied is None or not case.applied.sale_id:
        return "never written"
    return f"the ledger says {case.applied.state} as sale {case.applied.sale_id}"


def _seen(case: Case, wanted: Desired, newest: Sold | None) -> Applied:
    """What the ledger would say of a sale, but for its id, if it were written from the POS alone.

    The content is taken from the real one.
    """
    if newest is None:
        return Applied(order_id=case.order_id)
    # A total of nothing is paid and unpaid alike.
    is_either = not newest.total and wanted.state is DesiredState.UNPAID and newest.state is AppliedState.PAID
    known = case.applied
    is_same = known is not None and known.sale_id == newest.sale_id and known.total == newest.total
    return Applied(
        order_id=case.order_id,
        state=AppliedState.UNPAID if is_either else newest.state,
        content=known.content if known is not None and is_same else "",
        total=newest.total,
    )


def _wrong_sums(wanted: Sale, newest: Sold, codes: Mapping[str, str], digits: int) -> Iterator[tuple[Finding, str]]:
    """Sums of a live sale that are not the order's, although the pass would leave it as it is."""
    if not newest.is_live:
        return
    due = total(payment.amount for payment in wanted.payments)
    if "onaccount" in wanted.attributes:
        # What comes in bit by bit is added with the last of it.
        due = min(due, newest.paid)
    sums = ((Finding.WRONG_TOTAL, wanted.total, newest.total), (Finding.WRONG_TAX, wanted.tax, newest.tax))
    yield from _differing(sums, digits)
    yield from _wrong_units(wanted, newest, codes)
    yield from _differing([(Finding.WRONG_PAYMENTS, due, newest.paid)], digits)


def _differing(pairs: Iterable[tuple[Finding, Decimal, Decimal]], digits: int) -> Iterator[tuple[Finding, str]]:
    for finding, should, is_ in pairs:
        if should != is_:
            yield finding, f"should be {amount_text(should, digits)}, is {amount_text(is_, digits)}"


def _wrong_units(wanted: Sale, sold: Sold, codes: Mapping[str, str]) -> Iterator[tuple[Finding, str]]:
    """Where the units differ, code by code; as a whole where a product was deleted or goes by another code by now."""
    should = units_by((code_key(line.code), Decimal(line.quantity)) for line in wanted.lines)
    if should.keys() <= set(codes.values()) and sold.by_product.keys() <= codes.keys():
        is_ = units_by((codes[product], count) for product, count in sold.by_product.items())
    else:
        should, is_ = {"": _units(wanted)}, {"": sold.units}
    apart = {
        key: (should.get(key, ZERO), is_.get(key, ZERO))
        for key in sorted(should.keys() | is_.keys())
        if should.get(key, ZERO) != is_.get(key, ZERO)
    }
    if apart:
        told = (f"{key} should be {_count(one)}, is {_count(other)}".strip() for key, (one, other) in apart.items())
        yield Finding.WRONG_UNITS, "; ".join(told)


def _count(units: Decimal) -> str:
    return f"{units.normalize():f}"


# Pairs of ledger and POS that go together although they are not the same: staff may complete a fulfilment in the POS.
_FITTING = frozenset({(AppliedState.OPEN, AppliedState.PAID)})


def _ledger(case: Case, newest: Sold | None) -> Iterator[tuple[Finding, str]]:
    """Where the POS is right, but the ledger says something else: the next edit or void would go wrong."""
    known = case.applied or Applied(order_id=case.order_id)
    if newest is None:
        if known.sale_id and known.state is not AppliedState.VOIDED:
            yield Finding.LEDGER, f"{_said_by_ledger(case)}, which the POS does not have"
        return
    states = (known.state, newest.state)
    is_free = not newest.total and newest.is_live
    if known.sale_id != newest.sale_id:
        yield Finding.LEDGER, f"{_said_by_ledger(case)}; the POS has sale {newest.sale_id}"
    elif known.state is not newest.state and states not in _FITTING and not is_free:
        yield Finding.LEDGER, f"the ledger says {known.state}, the sale is {newest.state}"


def _figures_of(sales: Sequence[Sold]) -> Figures:
    return Figures(
        count=len(sales),
        total=total(sale.total for sale in sales),
        tax=total(sale.tax for sale in sales),
        units=total(sale.units for sale in sales),
    )


def _refund_figures(sales: Iterable[Sold]) -> Figures:
    """What refunds take back; they are no sales of their own to be counted."""
    return replace(_figures_of(list(sales)), count=0)


def _wanted_figures(case: Case, refunds: _Refunds) -> Figures:
    """What the order brings to the POS: a sale, or nothing where it is voided, not imported or gone."""
    if case.wanted is None:
        return Figures()
    if isinstance(case.wanted, Rejected):
        return case.stated
    sale = case.wanted.sale
    if sale is None or case.wanted.state is DesiredState.VOIDED:
        return Figures()
    one = Figures(count=1, total=sale.total, tax=sale.tax, units=_units(sale))
    for refund, _ in refunds:
        one += Figures(total=refund.sale.total, tax=refund.sale.tax, units=_units(refund.sale))
    return one


def _units(sale: Sale) -> Decimal:
    return total(Decimal(line.quantity) for line in sale.lines)
