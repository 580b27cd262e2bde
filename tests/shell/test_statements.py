"""What a run asks of the checkpoint does not grow with the orders in it: no statement goes through a whole table."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from shop import BASIL, GUEST, NOBODY, NOW, Shop

from bcpoll.checkpoint import Checkpoint
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.refunds import Refund

# Tables with a row for each order, write or move that there ever was, and the plans that look at all their rows. SQLite
# says SEARCH where the first row that will do is enough, which may be the last; a bound number of rows needs no more.
_WHOLE = re.compile(
    r"(?:SCAN|SEARCH) (?:ledger|intents|stock_moves|refunds|review|backfilled|customers)"
    r"(?: USING (?:COVERING )?INDEX (\w+))?$"
)
_FEW = {
    "adjustments",
    "backfilled_pending",
    "ledger_unpaid",
    "one_unsettled_intent",
    "refunds_due",
    "refunds_to_take_out",
    "review_due",
}
"""Indexes over what is under way, which is never much."""

_BOUND = re.compile(r"\bLIMIT [0-9]+$")

# What the pruning blanks is looked for once a day, when the file is read through anyway.
_DAILY = re.compile(r"\bpruned\b|SET payload = ''")


@contextmanager
def heard(checkpoint: Checkpoint) -> Iterator[list[str]]:
    """Every statement that the checkpoint carries out meanwhile, with its values."""
    said: list[str] = []
    checkpoint._db.conn.set_trace_callback(said.append)
    yield said
    checkpoint._db.conn.set_trace_callback(None)


def reading_all(checkpoint: Checkpoint, said: list[str]) -> list[str]:
    """The plans by which statements go through a whole table."""
    asked = {sql for sql in said if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)\b", sql)}
    return [
        f"{row['detail']}: {sql}"
        for sql in sorted(asked)
        if not _BOUND.search(sql) and not _DAILY.search(sql) and " VALUES " not in sql
        for row in checkpoint._rows(f"EXPLAIN QUERY PLAN {sql}")
        if (whole := _WHOLE.match(row["detail"])) and whole[1] not in _FEW
    ]


def of_every_kind(shop: Shop) -> None:
    """Orders that call for every kind of write, some of which fail at first."""
    first = shop.order()
    shop.order("PLATE", shopper=GUEST)
    shop.order(shopper=NOBODY)
    unpaid, open_ = shop.order(status=OrderStatus.AWAITING_PAYMENT), shop.order(shopper=BASIL)
    shop.fails(Fault.RESET_BEFORE, "POST", "/customers")
    shop.fails(Fault.RESET_AFTER, "POST", "/sales")
    shop.later(2)
    shop.happens(shop.store.cancel, open_)
    shop.happens(shop.store.pay, unpaid)
    shop.refund(first, Refund(lines={0: 1}, restock=False))
    shop.later(2)


@pytest.mark.parametrize("more", [{}, {"restock_refunds": False}, {"fulfillment": "track"}, {"unpaid": "on_account"}])
def test_no_pass_goes_through_a_whole_table(more: dict[str, object]) -> None:
    shop = Shop(settings={"sync": more})
    shop.sell("PLATE", known=False)
    shop.pass_()

    with heard(shop.checkpoint) as said:
        of_every_kind(shop)
        shop.later(1, days=2)

    assert len(set(said)) > 100
    assert reading_all(shop.checkpoint, said) == []


def test_no_backfill_goes_through_a_whole_table() -> None:
    shop = Shop()
    for days in range(9, 0, -1):
        shop.order(at=NOW - timedelta(days=days))
    shop.refund(100, Refund(lines={0: 1}))
    shop.time.at = NOW
    shop.page_size = 4

    with heard(shop.checkpoint) as said:
        shop.backfill()
        shop.undo()

    assert len(set(said)) > 100
    assert reading_all(shop.checkpoint, said) == []


def test_a_statement_that_does_is_found() -> None:
    shop = Shop()

    with heard(shop.checkpoint) as said:
        shop.checkpoint._rows("SELECT max(since) FROM intents WHERE created_at < ?", "2026")
        shop.checkpoint._rows("SELECT count(*) FROM ledger")

    assert [found.partition(":")[0] for found in reading_all(shop.checkpoint, said)] == [
        "SCAN ledger USING COVERING INDEX ledger_by_time",
        "SEARCH intents",
    ]
