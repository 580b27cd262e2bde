"""Scenarios without a story: whatever an order goes through between two looks, only its end counts.

Each chain of statuses is lived through twice, by orders of two shops: in the one bcpoll looks after every step, in the
other at the end alone. What stands in the POS then is the same, but for what `parts_ways` names.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import NOW, Shop, is_refund

from bcpoll.core.rejected import Reason
from bcpoll.core.status import OrderStatus

Chain = tuple[OrderStatus, ...]

STYLES: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "on account": {"unpaid": "on_account"},
    "tracked": {"fulfillment": "track"},
    "tracked, on account": {"fulfillment": "track", "unpaid": "on_account", "cancelled_unseen": "skip"},
}
PAIRS: list[Chain] = list(product(OrderStatus, repeat=2))

UNLIKE = (
    *(OrderStatus.PENDING, OrderStatus.AWAITING_PAYMENT, OrderStatus.AWAITING_FULFILLMENT, OrderStatus.SHIPPED),
    *(OrderStatus.MANUAL_VERIFICATION_REQUIRED, OrderStatus.CANCELLED, OrderStatus.DISPUTED, OrderStatus.REFUNDED),
)
"""One status of each kind: the others are treated as one of these."""
TRIPLES: list[Chain] = list(product(UNLIKE, repeat=3))

NOT_REAL = (OrderStatus.INCOMPLETE, OrderStatus.PENDING)


class Life:
    """A shop in which an order lives through each chain, beside all others."""

    def __init__(self, chains: Sequence[Chain], style: str, *, looks_each_time: bool) -> None:
        self.shop = Shop(settings={"sync": {"start": NOW, **STYLES[style]}})
        self.shop.sell("BOWL", stock=100_000)
        self.orders = [self.shop.order("BOWL", status=chain[0]) for chain in chains]
        for step in range(1, max(map(len, chains))):
            if looks_each_time:
                self.look()
            for order_id, chain in zip(self.orders, chains, strict=True):
                if step < len(chain):
                    self.shop.time.forward(seconds=1)
                    self.shop.store.set_status(order_id, chain[step])
        self.look()
        self._sales = self.shop.world.pos.snapshot().sales
        self.review = {item.order_id: item.reason for item in self.shop.review()}

    def look(self) -> None:
        self.shop.time.forward(minutes=1)
        self.shop.pass_()

    def stands(self, order_id: int) -> list[tuple[Any, ...]]:
        """What counts of an order: its sales but voided ones; how a sale was fulfilled is no matter any more."""
        live = [sale for sale in self._sales.get(str(order_id), ()) if sale["state"] != "voided"]
        assert not any(map(is_refund, live))
        return [
            (sale["state"], units(sale["lines"]), *(sale[name] for name in ("total", "tax", "payments")))
            for sale in live
        ]

    @property
    def in_stock(self) -> int:
        """What is left, what waits in open sales to be handed over taken off."""
        return self.shop.stock("BOWL") - self.shop._waiting_on_the_shelf()["bowl"]


def units(lines: Sequence[tuple[str, str, str]]) -> list[tuple[str, Decimal]]:
    return [(code, Decimal(count)) for code, count, _ in lines]


def parts_ways(chain: Chain, looking: Life, at: int, *, waits: bool) -> str:
    """Why what stands may depend on when bcpoll looked, as far as it may."""
    if chain[-1] in NOT_REAL and looking.review.get(at) is Reason.LEFT_SALE:
        return "a sale that was booked stays when its order is not real any more, and a person is told"
    if waits:
        return "what was handed over is not waited for again"
    return ""


def check(chains: Sequence[Chain], style: str) -> None:
    often, once = (Life(chains, style, looks_each_time=each) for each in (True, False))
    assert often.orders == once.orders
    apart = {}
    for order_id, chain in zip(often.orders, chains, strict=True):
        one, other = often.stands(order_id), once.stands(order_id)
        waits = [sale[0] for sale in one] == ["closed"] and [sale[0] for sale in other] == ["pending"]
        same_money = [sale[1:] for sale in one] == [sale[1:] for sale in other]
        if one != other and not parts_ways(chain, often, order_id, waits=waits and same_money and "tracked" in style):
            apart[tuple(status.title for status in chain)] = (one, other)
    assert apart == {}
    left = sum(
        chain[-1] in NOT_REAL and order in often.review for order, chain in zip(often.orders, chains, strict=True)
    )
    assert often.in_stock + left == once.in_stock
    assert set(once.review.values()) <= {Reason.REFUND_UNKNOWN}
    assert set(often.review.values()) <= {Reason.REFUND_UNKNOWN, Reason.LEFT_SALE}


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_every_pair_of_statuses_ends_alike_however_often_bcpoll_looks(style: str) -> None:
    check(PAIRS, style)


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_every_triple_of_statuses_ends_alike_however_often_bcpoll_looks(style: str) -> None:
    check(TRIPLES, style)


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=10)
@given(
    chains=st.lists(st.lists(st.sampled_from(OrderStatus), min_size=4, max_size=8).map(tuple), min_size=5, max_size=30)
)
def test_chains_of_any_length_end_alike_however_often_bcpoll_looks(style: str, chains: list[Chain]) -> None:
    check(chains, style)
