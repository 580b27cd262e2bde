"""The example orders of BigCommerce's own documentation: each is a sale true to the cent, or set aside for its reason.

They are not part of this repository; without them there is nothing to test. Most come without lines, so that one line
over all the goods stands in for them.
"""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from builders import NOTHING_KNOWN, a_line, a_policy, a_shop, reckoned, told_of

from bcpoll.core.consignments import lines_are_complete
from bcpoll.core.decode import Head, decode_head, decode_order, decode_refund
from bcpoll.core.money import Currency
from bcpoll.core.order import Json, Refund
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import Desired
from bcpoll.core.transactions import received
from bcpoll.core.translate import is_wanted, not_wanted, translate

SHARED = Path(os.environ.get("BCPOLL_SHARED", Path(__file__).parents[2].parent / "shared"))
SAMPLES = SHARED / "samples" / "bigcommerce"

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no example payloads under {SAMPLES}")

NOT_IMPORTED = "not imported"

# What becomes of each: total and tax of the sale, or why there is none.
OUTCOMES: dict[str, tuple[str, str] | Reason | str] = {
    "order-100_128.25_62f": ("128.25", "8.25"),
    # Totals that were typed over: prices with tax, a total without.
    "order-100_361.95_74f": Reason.TOTALS_DIFFER,
    "order-100_361.95_consignments-oddshape": Reason.TOTALS_DIFFER,
    "order-100_361.95_with-consignments-object": Reason.TOTALS_DIFFER,
    "order-104_49.00_68f": ("49.00", "0.00"),
    "order-105_225.00_68f": ("225.00", "0.00"),
    "order-107_19.99_68f": ("19.99", "0.00"),
    "order-110_26.99_68f": ("26.99", "0.00"),
    "order-113_138.95_65f": ("138.95", "0.00"),
    # Its currency is two back ticks.
    "order-118_225.00_62f": Reason.FOREIGN_CURRENCY,
    "order-193_10.98_64f": NOT_IMPORTED,
    "order-218_69.84_72f": ("69.84", "5.31"),
    "order-218_69.84_with-fees": ("69.84", "5.31"),
    "order-247_1008.74_70f": ("1008.74", "76.88"),
    "order-636_91.90_80f": ("91.90", "0.00"),
}


def load(path: Path) -> Any:
    return json.loads(path.read_text(), parse_float=Decimal)


def lines_of(raw: Json) -> list[Json]:
    """The lines of an order among the samples, else one line over all its goods."""
    samples = map(load, (SAMPLES / "order_products").glob("*.json"))
    own = sorted((line for line in samples if line.get("order_id") == raw["id"]), key=lambda line: line["id"])
    if own and lines_are_complete(raw | {"products": own}):
        return own
    charges = sum(Decimal(raw[f"{name}_cost_tax"]) for name in ("shipping", "handling", "wrapping"))
    goods = {
        "total_ex_tax": raw["subtotal_ex_tax"],
        "total_inc_tax": raw["subtotal_inc_tax"],
        "total_tax": Decimal(raw["total_tax"]) - charges,
        "discounted_total_inc_tax": None,
    }
    return [a_line(quantity=raw["items_total"] or 1, **goods)]


def fate(raw: Json) -> Desired | Rejected:
    head = decode_head(raw)
    assert isinstance(head, Head), head
    if not is_wanted(head, a_policy()):
        return not_wanted(head.id)
    order = decode_order(raw | {"products": lines_of(raw)}, head)
    if isinstance(order, Rejected):
        return order
    currency = Currency(order.currency if order.currency.isalpha() else "USD")
    return translate(order, a_shop(currency=currency), a_policy(), NOTHING_KNOWN)


def told(desired: Desired | Rejected) -> tuple[str, str] | Reason | str:
    if isinstance(desired, Rejected):
        return desired.reason
    if desired.sale is None:
        return NOT_IMPORTED
    assert reckoned(desired.sale) == desired.sale.total
    return str(desired.sale.total), str(desired.sale.tax)


def test_every_example_order_is_in_the_list() -> None:
    assert {path.stem for path in (SAMPLES / "orders").glob("*.json")} == OUTCOMES.keys()


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_example_order_comes_out_to_the_cent_or_is_set_aside_for_its_reason(name: str) -> None:
    assert told(fate(load(SAMPLES / "orders" / f"{name}.json"))) == OUTCOMES[name]


def test_an_example_order_without_its_lines_is_set_aside_for_that() -> None:
    raw = load(SAMPLES / "orders" / "order-104_49.00_68f.json")
    head = decode_head(raw)
    assert isinstance(head, Head)
    order = decode_order(raw, head)
    assert not isinstance(order, Rejected)
    assert told(translate(order, a_shop(), a_policy(), NOTHING_KNOWN)) is Reason.LINES_INCOMPLETE


def test_example_refunds_are_read_but_for_those_without_a_time() -> None:
    raws = [load(path) for path in (SAMPLES / "refunds").glob("*.json")]
    refunds = list(map(decode_refund, raws))
    assert [isinstance(refund, Refund) for refund in refunds] == [bool(raw["created"]) for raw in raws]


def test_example_transactions_are_money_and_a_promise() -> None:
    paths = sorted((SAMPLES / "transactions").glob("*.json"))
    card, in_store = (received(told_of(load(path))) for path in paths)
    assert [(receipt.names, receipt.amount) for receipt in card.receipts] == [(("squarev2",), Decimal(1))]
    assert (in_store.receipts, in_store.promise) == ((), ("Pay in Store", "instore"))
