"""Turns: how much is done in one, so that a run that waits for its own soon has it, and the limit is used all the same.

Time is simulated: what waits for the rate limit moves it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from shop import ADA, BASIL, GUEST, NOW, Shop

from bcpoll import backfill as history
from bcpoll.errors import RetryLater
from bcpoll.sandbox.faults import Request
from bcpoll.sandbox.limits import Limits
from bcpoll.shell import Shell
from bcpoll.undo import run_undo

YEAR = timedelta(days=365)
LIMIT = 350

# Half a minute is what is promised; a turn is reckoned to take twenty seconds and what comes on top.
LONGEST = 30.0


def limited(orders: int, *, latency: float = 0.0, slides: bool = True, settings: object = None) -> Shop:
    """A shop with a past and a POS with one register, whose answers take their time."""
    shop = Shop(settings=settings)
    for number in range(orders):
        shop.order(at=NOW - YEAR + timedelta(minutes=number), shopper=(ADA, BASIL, GUEST)[number % 3])
    shop.count_stock()
    shop.time.at = NOW
    shop.pass_()
    shop.world.limits = Limits(store_quota=None, pos_quota=LIMIT, token_quota=None)
    shop.world.switch(rate_window="sliding" if slides else "fixed")

    def slowly(request: Request) -> None:
        if request.side == "pos":
            shop.time.forward(seconds=latency)

    shop.world.after.append(slowly)
    return shop


class Turns:
    """Turns over one connection, and how long each was held."""

    def __init__(self, shop: Shop, shell: Shell, between: Callable[[], object] = lambda: None) -> None:
        self.shop, self.shell, self.between = shop, shell, between
        self.held: list[float] = []

    @contextmanager
    def __call__(self) -> Iterator[Shell]:
        self.between()
        begun = self.shop.time.at
        yield self.shell
        self.held.append((self.shop.time.at - begun).total_seconds())


def refused(shop: Shop) -> int:
    return sum(request.status == 429 for request in shop.world.log.matching(side="pos"))


@pytest.mark.slow
@pytest.mark.parametrize("slides", [True, False], ids=["sliding", "fixed"])
@pytest.mark.parametrize("latency", [0.0, 0.3])
def test_with_one_register_a_run_waits_half_a_minute_at_most_and_the_limit_is_used(latency, slides):
    shop = limited(1_100, latency=latency, slides=slides)
    shop.world.log.clear()
    begun = shop.time.at
    with shop.connected() as shell:
        turns = Turns(shop, shell)
        # As the command does for its forecast: the answer tells the limit, and what is left of it.
        shell.pos.registers()
        report = history.run_backfill(turns, history.Selection())

    seconds = (shop.time.at - begun).total_seconds()
    assert report.is_complete
    assert max(turns.held) <= LONGEST
    assert refused(shop) == 0
    # What is asked for besides the sales is asked for by the page, not by the turn.
    assert shop.world.log.count(side="pos") <= 1.05 * 1_100
    # Three windows are full before what is left of the orders can go.
    assert seconds <= 3 * 300 * 1.03 + 110 * latency
    assert shop.lives() == []


def test_where_no_limit_is_known_a_page_takes_a_turn_or_two():
    shop = limited(60)
    shop.world.limits = Limits.off()
    with shop.connected() as shell:
        turns = Turns(shop, shell)
        history.run_backfill(turns, history.Selection())

    # The beginning, two turns for the page, the one that finds the end, and the last note.
    assert len(turns.held) == 5


def test_a_page_is_put_back_by_one_adjustment_however_many_turns_it_takes():
    shop = limited(60, latency=1.0)
    held: list[object] = []

    shop.backfill(between=lambda: held.append(None))

    assert len(held) > 5
    assert shop.writes().count("POST /stock_adjustments") == 1
    # The page, and that there is none behind it.
    assert shop.asked("store").count("GET /v2/orders") == 2


def test_what_changed_while_others_had_their_turn_is_read_again():
    shop = limited(60, latency=1.0)
    changed: list[int] = []

    def between() -> None:
        if shop.states(100) and not changed:
            changed.append(159)
            shop.happens(shop.store.cancel, 159)
            shop.pass_()
            shop.world.log.clear()

    with shop.connected() as shell:
        history.run_backfill(Turns(shop, shell, between), history.Selection())

    assert changed
    assert shop.states(159) == ["voided"]
    # What was left of the page, and that there is none behind it.
    assert shop.asked("store").count("GET /v2/orders") == 2
    assert [found for found in shop.lives() if "MUG" not in found] == []


def test_a_stop_between_two_turns_leaves_the_stock_as_it_should_be():
    shop = limited(60, latency=1.0)

    def between() -> None:
        if len(list(shop.world.pos.sales)) > 20:
            shop.stop.set()

    before = shop.stock()
    with shop.connected() as shell, pytest.raises(RetryLater, match="stopped"):
        history.run_backfill(Turns(shop, shell, between), history.Selection())

    assert 20 < len(list(shop.world.pos.sales)) < 60
    assert shop.checkpoint.stock_owed(10) == []
    assert shop.stock() == before


@pytest.mark.slow
def test_undoing_takes_turns_as_short():
    shop = limited(300, latency=0.1)
    shop.backfill()
    shop.world.log.clear()
    with shop.connected() as shell:
        turns = Turns(shop, shell)
        shell.pos.registers()
        undone = run_undo(turns)

    assert undone.voided == 300
    assert max(turns.held) <= LONGEST
    assert refused(shop) == 0
    assert shop.checkpoint.stock_owed(10) == []


def test_a_stop_while_it_undoes_leaves_the_stock_as_it_should_be():
    shop = limited(30)
    before = shop.stock()
    shop.backfill()

    def between() -> None:
        if "voided" in shop.states(100):
            shop.stop.set()

    shop.watch("PUT", "/sales", shop.stop.set)
    with shop.connected() as shell, pytest.raises(RetryLater, match="stopped"):
        run_undo(Turns(shop, shell, between))

    assert {sale["state"] for sale in shop.world.pos.sales} == {"voided", "closed"}
    assert shop.checkpoint.stock_owed(10) == []
    assert shop.stock() == before


def test_after_a_process_that_used_the_limit_up_no_turn_is_held_while_there_is_no_room():
    shop = limited(60)
    with shop.connected() as shell:
        for _ in range(LIMIT - 15):
            shell.pos.retailer()
    shop.time.forward(minutes=4)
    with shop.connected() as shell:
        turns = Turns(shop, shell)
        shell.pos.retailer()
        history.run_backfill(turns, history.Selection())

    assert max(turns.held) <= LONGEST
    assert refused(shop) == 0
    # When the other's requests are five minutes old, and not only when ours are.
    assert (shop.time.at - NOW).total_seconds() < 5.5 * 60
