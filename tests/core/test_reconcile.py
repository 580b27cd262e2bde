"""Comparing an order, the ledger and the POS: what is a difference, what is only to be known, and in which figures."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from builders import STORE, a_line, a_policy, a_status, a_transaction, an_order, desired_of, rejected_of

from bcpoll.core.money import ZERO
from bcpoll.core.order import Json
from bcpoll.core.plan import refund_sale_id, sale_id
from bcpoll.core.reconcile import Case, Compared, Figures, Finding, Tally, compare
from bcpoll.core.sale import Applied, AppliedState, DeclinedRefund, Desired, Item, RefundSale
from bcpoll.core.shop import CancelledUnseen, Edits, PosSale, Unpaid
from bcpoll.core.sold import Sold, applied_state, named_order, payments, sold, sold_items
from bcpoll.core.status import OrderStatus
from bcpoll.core.translate import not_wanted

AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
FIRST, SECOND, FOREIGN = sale_id(STORE, 1001, 1), sale_id(STORE, 1001, 2), "0" * 8
PAID = desired_of(an_order(a_line(price="10.00", quantity=2, rate="0.10"), shipping="3.00"))
UNPAID = desired_of(an_order(a_line(price="10.00"), **a_status(OrderStatus.AWAITING_PAYMENT)))
VOIDED = desired_of(an_order(a_line(price="10.00"), **a_status(OrderStatus.CANCELLED)))
assert PAID.sale is not None
FREE = desired_of(an_order(a_line(price="0"), **a_status(OrderStatus.AWAITING_PAYMENT)))


def a_sold(desired: Desired = PAID, **changes: Any) -> Sold:
    """The sale that the order should be."""
    sale = desired.sale
    assert sale is not None
    members: dict[str, Any] = {
        "sale_id": FIRST,
        "order_id": 1001,
        "state": AppliedState(desired.state.value),
        "total": sale.total,
        "tax": sale.tax,
        "units": Decimal(sum(line.quantity for line in sale.lines)),
        "paid": sum((payment.amount for payment in sale.payments), ZERO),
        "at": AT,
    }
    return Sold(**members | changes)


def as_applied(desired: Desired = PAID, **changes: Any) -> Applied:
    """What the ledger says after the order was written."""
    sale = desired.sale
    assert sale is not None
    members: dict[str, Any] = {
        "order_id": 1001,
        "state": AppliedState(desired.state.value),
        "revision": 1,
        "sale_id": FIRST,
        "content": desired.content,
        "total": sale.total,
    }
    return Applied(**members | changes)


def a_case(*sales: Sold, wanted: Any = PAID, **changes: Any) -> Case:
    members: dict[str, Any] = {"order_id": 1001, "created_at": AT, "status": "Awaiting Fulfillment", "wanted": wanted}
    applied = as_applied(wanted) if isinstance(wanted, Desired) and wanted.sale else None
    return Case(**members | {"applied": applied, "sales": sales} | changes)


def compared(case: Case, **policy: Any) -> Compared:
    return compare(case, store_hash=STORE, policy=a_policy(**policy), digits=2)


def findings(case: Case, **policy: Any) -> list[Finding]:
    return [finding for finding, _ in compared(case, **policy).findings]


def detail(case: Case, **policy: Any) -> str:
    [(_, text)] = compared(case, **policy).findings
    return text


@pytest.mark.parametrize("desired", [PAID, UNPAID, VOIDED, FREE], ids=["paid", "unpaid", "voided", "free"])
def test_what_stands_as_it_should_is_no_difference(desired: Desired) -> None:
    found = compared(a_case(a_sold(desired), wanted=desired))

    assert (found.findings, found.differs) == ((), False)
    assert found.wanted == found.held


def test_an_order_that_is_not_imported_and_has_no_sale_is_no_difference() -> None:
    assert compared(a_case(wanted=not_wanted(1001))) == Compared(
        order_id=1001, created_at=AT, status="Awaiting Fulfillment"
    )


@pytest.mark.parametrize(("paid", "found"), [("4.00", []), ("0.00", []), ("5.00", [Finding.WRONG_PAYMENTS])])
def test_on_account_less_may_be_paid_so_far_than_came_in_and_not_more(paid: str, found: list[Finding]) -> None:
    order = an_order(a_line(price="10.00"), **a_status(OrderStatus.AWAITING_PAYMENT))
    part = desired_of(order, policy=a_policy(unpaid=Unpaid.ON_ACCOUNT), transactions=[a_transaction("4.00")])
    assert findings(a_case(a_sold(part, paid=Decimal(paid)), wanted=part)) == found


@pytest.mark.parametrize(
    ("changes", "finding", "told"),
    [
        pytest.param({"total": Decimal("24.99")}, Finding.WRONG_TOTAL, "should be 25.00, is 24.99", id="total"),
        pytest.param({"tax": Decimal("1.99")}, Finding.WRONG_TAX, "should be 2.00, is 1.99", id="tax"),
        pytest.param({"units": Decimal(4)}, Finding.WRONG_UNITS, "should be 3, is 4", id="units"),
        pytest.param({"paid": Decimal(5)}, Finding.WRONG_PAYMENTS, "should be 25.00, is 5.00", id="payments"),
        pytest.param({"state": AppliedState.UNPAID}, Finding.WRONG_STATE, "should be paid, is unpaid", id="unpaid"),
        pytest.param({"state": AppliedState.VOIDED}, Finding.WRONG_STATE, "should be paid, is voided", id="voided"),
    ],
)
def test_a_sale_that_is_not_as_it_should_be_is_told_with_both_values(
    changes: dict[str, Any], finding: Finding, told: str
) -> None:
    case = a_case(a_sold(**changes))
    assert (findings(case), detail(case)) == ([finding], told)


MUGS, SENT, BOWLS = "id of the mug", "id of shipping", "id of the bowl"
CODES = {MUGS: "mug-blue", SENT: "bc-shipping", BOWLS: "bowl"}


@pytest.mark.parametrize(
    ("units", "codes", "told"),
    [
        pytest.param({MUGS: 2, SENT: 1}, CODES, [], id="the same"),
        pytest.param({MUGS: 2, SENT: 1, BOWLS: 0}, CODES, [], id="another that was sold and returned"),
        pytest.param(
            {MUGS: 1, BOWLS: 1, SENT: 1},
            CODES,
            ["bowl should be 0, is 1; mug-blue should be 2, is 1"],
            id="one of another product",
        ),
        pytest.param({BOWLS: 2, SENT: 1}, CODES, ["bowl should be 0, is 2; mug-blue should be 2, is 0"], id="another"),
        pytest.param(
            {MUGS: 1, SENT: 2},
            {MUGS: "mug-blue", SENT: "bc-shipping"},
            ["bc-shipping should be 1, is 2; mug-blue should be 2, is 1"],
            id="as many in all",
        ),
        pytest.param({"id of what is gone": 2, SENT: 1}, CODES, [], id="a product that was deleted"),
        pytest.param({BOWLS: 2, SENT: 1}, {BOWLS: "bowl", SENT: "bc-shipping"}, [], id="another code by now"),
    ],
)
def test_units_are_compared_product_by_product_as_far_as_the_products_are_known(
    units: dict[str, int], codes: dict[str, str], told: list[str]
) -> None:
    by_product = {product: Decimal(count) for product, count in units.items()}
    found = compared(a_case(a_sold(by_product=by_product), codes=codes)).findings
    assert list(found) == [(Finding.WRONG_UNITS, text) for text in told]


def test_a_total_that_the_ledger_knows_no_content_for_is_compared_all_the_same() -> None:
    case = a_case(a_sold(total=Decimal("1.00")), applied=as_applied(content="", total=Decimal(1)))
    assert detail(case) == "should be 25.00, is 1.00"


def test_a_ledger_of_another_sale_says_nothing_of_the_content_of_this_one() -> None:
    behind = as_applied(content="as it was before an edit")
    sales = (a_sold(state=AppliedState.VOIDED), a_sold(sale_id=SECOND))
    assert findings(a_case(*sales, applied=behind)) == [Finding.LEDGER]


def test_an_edit_that_the_pass_has_not_seen_is_a_wrong_total_whatever_the_setting() -> None:
    other = desired_of(an_order(a_line(price="12.00", quantity=2)))
    assert other.sale is not None
    for edits in Edits:
        assert findings(a_case(a_sold(), wanted=other, applied=as_applied()), edits=edits) == [Finding.WRONG_TOTAL]


@pytest.mark.parametrize(
    ("applied", "told"),
    [
        (None, "never written"),
        (Applied(order_id=1001), "never written"),
        (as_applied(), f"the ledger says paid as sale {FIRST}"),
    ],
    ids=["no row", "a row of nothing", "a row"],
)
def test_a_missing_sale_is_told_with_what_the_ledger_says(applied: Applied | None, told: str) -> None:
    case = a_case(applied=applied)
    assert (findings(case), detail(case)) == ([Finding.MISSING], told)
    assert compared(case).wanted == Figures(count=1, total=Decimal(25), tax=Decimal(2), units=Decimal(3))
    assert compared(case).held == Figures()


def test_an_edit_that_leaves_the_total_is_told_of_the_lines_and_not_of_two_equal_totals() -> None:
    other = desired_of(an_order(a_line(price="10.00", quantity=2, rate="0.10", sku="OTHER"), shipping="3.00"))

    [told] = compared(a_case(a_sold(), wanted=other, applied=as_applied())).findings

    assert told == (Finding.WRONG_LINES, "the order's lines were changed after its sale was written")


def test_a_cancelled_order_without_its_voided_sale_is_missing_unless_the_setting_leaves_it_out() -> None:
    case = a_case(wanted=VOIDED, applied=None)
    assert findings(case) == [Finding.MISSING]
    assert findings(case, cancelled_unseen=CancelledUnseen.SKIP) == []


def test_a_sale_that_somebody_else_wrote_under_our_name_is_not_the_order_s() -> None:
    case = a_case(a_sold(sale_id=FOREIGN), applied=None)
    assert (findings(case), detail(case)) == (
        [Finding.MISSING],
        f"never written; sale {FOREIGN} names it, but is none of ours",
    )


def test_every_sale_under_an_order_s_name_that_is_none_of_ours_is_told() -> None:
    (_, doubled), (finding, told) = compared(
        a_case(a_sold(sale_id=FOREIGN), a_sold(sale_id="theirs"), applied=None)
    ).findings
    assert (doubled, finding) == (f"2 live sales: {FOREIGN}, theirs", Finding.MISSING)
    assert told == "never written" + "".join(
        f"; sale {sale} names it, but is none of ours" for sale in (FOREIGN, "theirs")
    )


@pytest.mark.parametrize(
    "sale",
    [
        a_sold(sale_id=FOREIGN, state=AppliedState.VOIDED),
        a_sold(sale_id=FOREIGN, total=Decimal(-10), units=Decimal(-1)),
        a_sold(state=AppliedState.VOIDED),
    ],
    ids=["voided by somebody else", "a return of somebody else", "voided by us"],
)
def test_a_sale_that_does_not_count_is_not_unexpected(sale: Sold) -> None:
    voided = as_applied(state=AppliedState.VOIDED) if sale.sale_id == FIRST else None
    assert findings(a_case(sale, wanted=not_wanted(1001), applied=voided)) == []


def test_a_sale_for_an_order_that_is_not_imported_is_unexpected() -> None:
    assert findings(a_case(a_sold(sale_id=FOREIGN), wanted=not_wanted(1001), applied=None)) == [Finding.UNEXPECTED]
    assert findings(a_case(a_sold(), wanted=not_wanted(1001), applied=as_applied())) == [Finding.WRONG_STATE]


def test_a_sale_without_an_order_is_unexpected_while_it_counts() -> None:
    case = a_case(a_sold(), wanted=None, created_at=None)
    assert (findings(case), detail(case), compared(case).created_at) == (
        [Finding.UNEXPECTED],
        "BigCommerce has no such order",
        AT,
    )
    assert compared(case).held.count == 1
    assert findings(a_case(a_sold(state=AppliedState.VOIDED), wanted=None)) == []
    assert compared(a_case(a_sold(at=None), wanted=None, created_at=None)).created_at is None


@pytest.mark.parametrize("other", [SECOND, FOREIGN], ids=["of ours", "under an id of its own"])
def test_two_live_sales_of_one_order_are_doubled(other: str) -> None:
    applied = as_applied(revision=2, sale_id=SECOND) if other == SECOND else as_applied()
    case = a_case(a_sold(), a_sold(sale_id=other), applied=applied)
    assert findings(case) == [Finding.DOUBLED]
    assert detail(case) == f"2 live sales: {FIRST}, {other}"
    assert (compared(case).wanted.count, compared(case).held.count) == (1, 2)
    assert compared(case).sale_ids == (FIRST, other)


def test_a_revision_that_was_voided_beside_the_next_one_is_as_it_should_be() -> None:
    sales = (a_sold(state=AppliedState.VOIDED), a_sold(sale_id=SECOND))
    assert findings(a_case(*sales, applied=as_applied(revision=2, sale_id=SECOND))) == []


def test_a_refund_is_no_double() -> None:
    refund = a_sold(sale_id=FOREIGN, total=Decimal(-10), units=Decimal(-1))
    assert findings(a_case(a_sold(), refund)) == []


@pytest.mark.parametrize(
    ("state", "seen", "expected"),
    [
        (AppliedState.PAID, AppliedState.PAID, []),
        # Staff completed it in the POS.
        (AppliedState.OPEN, AppliedState.PAID, []),
        (AppliedState.UNPAID, AppliedState.PAID, [Finding.LEDGER]),
        (AppliedState.VOIDED, AppliedState.PAID, [Finding.LEDGER]),
    ],
)
def test_a_ledger_that_says_something_else_than_the_pos_is_told(
    state: AppliedState, seen: AppliedState, expected: list[Finding]
) -> None:
    assert findings(a_case(a_sold(state=seen), applied=as_applied(state=state))) == expected


@pytest.mark.parametrize(
    "applied", [None, Applied(order_id=1001), as_applied(revision=2, sale_id=SECOND)], ids=["none", "nothing", "other"]
)
def test_a_ledger_that_does_not_know_the_sale_is_told(applied: Applied | None) -> None:
    assert findings(a_case(a_sold(), applied=applied)) == [Finding.LEDGER]


def test_a_ledger_with_a_sale_that_is_gone_is_told_though_the_order_wants_none() -> None:
    assert findings(a_case(wanted=not_wanted(1001), applied=as_applied())) == [Finding.LEDGER]
    assert findings(a_case(wanted=not_wanted(1001), applied=as_applied(state=AppliedState.VOIDED))) == []


def test_a_total_of_nothing_is_paid_and_unpaid_alike() -> None:
    assert findings(a_case(a_sold(FREE, state=AppliedState.PAID), wanted=FREE)) == []


def test_an_order_that_the_pos_took_money_for_in_the_shop_is_told() -> None:
    case = a_case(a_sold(UNPAID, state=AppliedState.PAID), wanted=UNPAID)
    assert (findings(case), detail(case)) == ([Finding.WRONG_STATE], "should be unpaid, is paid")


def test_a_sale_on_account_is_one_that_is_not_paid() -> None:
    assert findings(a_case(a_sold(UNPAID), wanted=UNPAID), unpaid=Unpaid.ON_ACCOUNT) == []


# --- refunds ---------------------------------------------------------------------------------------------------------

BACK = RefundSale(
    refund_id=7,
    sale=replace(PAID.sale, total=Decimal(-11), tax=Decimal(-1), lines=(replace(PAID.sale.lines[0], quantity=-1),)),
    returned=(),
    goods=(),
    products=(),
)
GIVEN_BACK = refund_sale_id(STORE, 7)
REFUNDED = replace(PAID, refunds=(BACK, DeclinedRefund(refund_id=8)))


def a_refund(**changes: Any) -> Sold:
    return a_sold(**{"sale_id": GIVEN_BACK, "total": Decimal(-11), "tax": Decimal(-1), "units": Decimal(-1)} | changes)


def test_a_refund_with_its_sale_is_in_both_sums() -> None:
    found = compared(a_case(a_sold(), a_refund(), wanted=REFUNDED))
    assert found.findings == ()
    assert found.wanted == found.held == Figures(count=1, total=Decimal(14), tax=Decimal(1), units=Decimal(2))


@pytest.mark.parametrize(
    ("sales", "finding", "told"),
    [
        pytest.param((), Finding.MISSING, "refund 7 of 11", id="none"),
        pytest.param((a_refund(state=AppliedState.VOIDED),), Finding.MISSING, "refund 7 of 11", id="voided"),
        pytest.param(
            (a_refund(total=Decimal(-10)),),
            Finding.WRONG_TOTAL,
            "refund 7 should be -11.00, is -10.00",
            id="another sum",
        ),
        pytest.param(
            (a_refund(tax=Decimal(0)),), Finding.WRONG_TAX, "refund 7 should be -1.00, is 0.00", id="another tax"
        ),
        pytest.param(
            (a_refund(units=Decimal(-2)),), Finding.WRONG_UNITS, "refund 7 should be -1, is -2", id="more units"
        ),
    ],
)
def test_a_refund_whose_sale_is_not_as_it_should_be_is_told(
    sales: tuple[Sold, ...], finding: Finding, told: str
) -> None:
    case = a_case(a_sold(), *sales, wanted=REFUNDED)
    assert (findings(case), detail(case)) == ([finding], told)


def test_each_refund_is_compared_by_itself() -> None:
    other = replace(BACK, refund_id=9)
    wrong = a_refund(sale_id=refund_sale_id(STORE, 9), total=Decimal(-10))
    found = compared(a_case(a_sold(), wrong, wanted=replace(PAID, refunds=(BACK, other)))).findings
    assert found == (
        (Finding.MISSING, "refund 7 of 11"),
        (Finding.WRONG_TOTAL, "refund 9 should be -11.00, is -10.00"),
    )


def test_an_order_that_is_voided_has_no_refunds_to_compare() -> None:
    assert findings(a_case(a_sold(VOIDED), wanted=replace(VOIDED, refunds=(BACK,)))) == []


# --- apart -----------------------------------------------------------------------------------------------------------


def test_an_order_that_waits_in_review_differs_whatever_else_is_wrong_with_it() -> None:
    case = a_case(set_aside="refused by the POS: no", applied=None)
    assert (findings(case), detail(case), compared(case).differs) == (
        [Finding.SET_ASIDE],
        "refused by the POS: no",
        True,
    )


def test_an_order_that_cannot_be_translated_differs_and_counts_with_what_it_states() -> None:
    stated = Figures(count=1, total=Decimal(12), tax=Decimal(0), units=Decimal(1))
    rejected = rejected_of(an_order(shipping="5.00") | {"total_inc_tax": "12.0000"})
    found = compared(a_case(wanted=rejected, stated=stated))
    assert found.findings == ((Finding.SET_ASIDE, f"totals differ: {rejected.detail}"),)
    assert (found.wanted, found.differs) == (stated, True)


@pytest.mark.parametrize("sales", [(), (a_sold(total=Decimal(1)),)], ids=["no sale", "another sale"])
def test_an_order_that_a_person_dismissed_is_no_difference_in_any_sum(sales: tuple[Sold, ...]) -> None:
    found = compared(a_case(*sales, dismissed="totals differ: entered by hand", applied=None))
    assert found.findings == ((Finding.DISMISSED, "totals differ: entered by hand"),)
    assert (found.differs, found.wanted) == (False, found.held)


@pytest.mark.parametrize("sales", [(), (a_sold(total=Decimal(1)),)], ids=["no sale", "another sale"])
def test_an_order_that_the_next_pass_may_see_to_is_no_difference_yet(sales: tuple[Sold, ...]) -> None:
    found = compared(a_case(*sales, is_recent=True, applied=None))
    assert [finding for finding, _ in found.findings] == [Finding.NOT_YET]
    assert (found.differs, found.wanted) == (False, found.held)


def test_a_recent_order_that_agrees_is_said_nothing_of() -> None:
    assert findings(a_case(a_sold(), is_recent=True)) == []


def test_no_coming_pass_explains_a_double() -> None:
    case = a_case(a_sold(), a_sold(sale_id=FOREIGN), is_recent=True)
    assert findings(case) == [Finding.DOUBLED]
    assert findings(replace(case, dismissed="edited: fine")) == [Finding.DOUBLED, Finding.DISMISSED]
    assert findings(replace(case, applied=None)) == [Finding.DOUBLED, Finding.NOT_YET]


# --- sums ------------------------------------------------------------------------------------------------------------


def test_a_tally_adds_up_by_day_and_by_finding() -> None:
    tally = Tally()
    missing = a_case(applied=None)
    for case, day in [(a_case(a_sold()), "1"), (missing, "1"), (missing, "1"), (replace(missing, dismissed="x"), "2")]:
        tally.add(compared(case), day)

    one = Figures(count=1, total=Decimal(25), tax=Decimal(2), units=Decimal(3))
    assert (tally.compared, tally.differing) == (4, 2)
    assert tally.by_finding == {Finding.MISSING: 2, Finding.DISMISSED: 1}
    assert tally.days == {"1": (one + one + one, one), "2": (Figures(), Figures())}


# --- reading a sale --------------------------------------------------------------------------------------------------

NESTED: Json = {
    "id": FIRST.upper(),
    "date": "2026-03-02T09:15:00Z",
    "totals": {"price": Decimal("20.00004"), "tax": "2.000002", "price_incl_tax": "22.00004"},
    "line_items": [
        {"product": {"id": "p"}, "quantity": 2, "pricing": {"price": "10.00002"}, "tax": {"id": "t", "amount": "1.0"}}
    ],
    "payments": [
        {"amount": "22.00", "type": {"config_id": "card"}},
        {"amount": "5", "type": {"config_id": "card"}, "deleted_at": "2026-03-03T00:00:00Z"},
    ],
}
FLAT: Json = {
    "id": FIRST,
    "sale_date": "2026-03-02T09:15:00+00:00",
    "register_sale_products": [{"product_id": "p", "quantity": "2", "price": "10.00002", "tax": "1.0"}],
    "register_sale_payments": [{"retailer_payment_type_id": "card", "amount": 22}],
}


def a_pos_sale(document: Json, **changes: Any) -> PosSale:
    members = {
        "id": document["id"],
        "state": "closed",
        "total": None,
        "source_id": "1001",
        "source_type": "BigCommerce",
    }
    return PosSale(**members | {"document": document} | changes)


@pytest.mark.parametrize("document", [NESTED, FLAT], ids=["nested", "flat"])
def test_a_sale_is_read_in_both_shapes(document: Json) -> None:
    assert sold(a_pos_sale(document), 2) == Sold(
        sale_id=FIRST,
        order_id=1001,
        state=AppliedState.PAID,
        total=Decimal("22.00"),
        tax=Decimal("2.00"),
        units=Decimal(2),
        paid=Decimal(22),
        at=AT,
        by_product={"p": Decimal(2)},
    )
    (item,), (payment,) = sold_items(document, {"p": "MUG"}), payments(document)
    assert item == Item(code="MUG", name="", quantity=Decimal(2), paid=Decimal("22.00004"), tax=Decimal("2.0"))
    assert payment.type_id == "card"


@pytest.mark.parametrize(
    ("stated", "tax"),
    [
        ({"totals": {"tax": "1.99"}}, "1.99"),
        ({"totals": {"tax": "1.99"}, "total_tax": "1.50"}, "1.99"),
        ({"totals": {}, "total_tax": "1.99"}, "1.99"),
        ({"totals": None, "total_tax": Decimal("1.99")}, "1.99"),
        ({"totals": {}}, "2.00"),
    ],
    ids=["nested", "in both places", "flat", "as a number", "not at all"],
)
def test_the_tax_of_a_sale_is_what_the_pos_states_or_else_that_of_its_lines(stated: Json, tax: str) -> None:
    assert str(sold(a_pos_sale(NESTED | stated), 2).tax) == tax


def test_the_total_of_a_sale_is_what_the_pos_states_or_else_that_of_its_lines() -> None:
    assert [str(sold(a_pos_sale(NESTED, total=told), 2).total) for told in (Decimal("21.494"), Decimal(0), None)] == [
        "21.49",
        "0.00",
        "22.00",
    ]


def test_units_of_a_product_on_several_lines_are_counted_together() -> None:
    lines = [{"product": {"id": product}, "quantity": count} for product, count in (("p", 2), ("q", "5"), ("p", 1))]
    assert sold(a_pos_sale(NESTED | {"line_items": lines}), 2).by_product == {"p": 3, "q": 5}


def test_a_payment_of_no_known_type_has_none() -> None:
    (payment,) = payments({"payments": [{"amount": 5}]})
    assert (payment.type_id, payment.amount) == ("", 5)


@pytest.mark.parametrize("value", [None, "", "ten", True, "9" * 60, "NaN", "1e99", []])
def test_an_amount_that_is_none_counts_as_nothing(value: object) -> None:
    document = {"id": FIRST, "line_items": [{"quantity": 1, "pricing": {"price": value}, "tax": None}, "odd"]}
    (item,) = sold_items(document, {})
    assert (item.paid, item.code) == (0, "")


def test_a_sale_without_a_date_that_can_be_read_has_none() -> None:
    assert sold(a_pos_sale({"id": FIRST, "date": "yesterday"}), 2).at is None


@pytest.mark.parametrize(
    ("state", "changes", "total", "expected"),
    [
        ("voided", {}, 22, AppliedState.VOIDED),
        ("closed", {}, 22, AppliedState.PAID),
        ("closed", {"payments": []}, 22, AppliedState.UNPAID),
        ("closed", {"payments": []}, 0, AppliedState.PAID),
        ("closed", {"payments": [{"amount": 22, "deleted_at": "x"}]}, 22, AppliedState.UNPAID),
        ("pending", {"attributes": ["delivery"]}, 22, AppliedState.OPEN),
        ("pending", {"attributes": ["onaccount"]}, 22, AppliedState.UNPAID),
        ("parked", {}, 22, AppliedState.UNPAID),
    ],
)
def test_the_state_of_a_sale_in_our_words(state: str, changes: Json, total: int, expected: AppliedState) -> None:
    assert applied_state(a_pos_sale(NESTED | changes, state=state, total=Decimal(total))) is expected


@pytest.mark.parametrize(
    ("kind", "number", "order"), [("BigCommerce", "1001", 1001), ("Shopify", "1001", 0), ("BigCommerce", "R-1", 0)]
)
def test_the_order_that_a_sale_names(kind: str, number: str, order: int) -> None:
    assert named_order(a_pos_sale(NESTED, source_type=kind, source_id=number)) == order
