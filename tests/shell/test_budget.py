"""Rate budgets: who waits, for how long, and how much of a limit is used in the end without a single refusal."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import repeat
from random import Random
from types import MappingProxyType

import pytest
from loopback import StillClock
from pacing import WINDOW, Clockwork, Line, Program, Till

from bcpoll.budget import Budget, BudgetView, Sent, SharedBudget, WindowBudget


@pytest.fixture
def still() -> StillClock:
    return StillClock()


def shop_headers(quota: int, left: int, reset: int, window: int = 30_000) -> dict[str, str]:
    return {
        "X-Rate-Limit-Requests-Quota": str(quota),
        "X-Rate-Limit-Requests-Left": str(left),
        "X-Rate-Limit-Time-Reset-Ms": str(reset),
        "X-Rate-Limit-Time-Window-Ms": str(window),
    }


def ask(budget: Budget, headers: Mapping[str, str] = MappingProxyType({})) -> None:
    """A request, and the headers of its answer."""
    with budget.request() as sent:
        sent.headers = headers


class TestSharedBudget:
    @pytest.fixture
    def budget(self, still: StillClock) -> SharedBudget:
        return SharedBudget(clock=still.clock)

    def test_nothing_is_waited_for_before_anything_is_known(self, budget: SharedBudget, still: StillClock) -> None:
        for _ in range(1000):
            ask(budget)

        assert still.slept == []
        assert budget.snapshot() == BudgetView(None, None, 30.0)

    def test_a_fifth_is_left_to_the_other_apps(self, budget: SharedBudget, still: StillClock) -> None:
        ask(budget, shop_headers(quota=150, left=32, reset=4000))

        ask(budget)
        ask(budget)
        assert still.slept == []
        ask(budget)
        assert still.slept == [4.0]

    def test_the_snapshot_tells_what_is_left_until_the_window_resets(
        self, budget: SharedBudget, still: StillClock
    ) -> None:
        ask(budget, shop_headers(quota=450, left=440, reset=9000, window=20_000))
        ask(budget)

        assert budget.snapshot() == BudgetView(450, 439, 20.0)
        still.pass_by(10)
        assert budget.snapshot().left is None

    def test_an_answer_that_was_overtaken_does_not_raise_what_is_left(
        self, budget: SharedBudget, still: StillClock
    ) -> None:
        ask(budget, shop_headers(150, 31, 5000))
        ask(budget, shop_headers(150, 90, 5000))

        ask(budget)
        ask(budget)

        assert still.slept == [5.0]

    def test_a_new_window_raises_it(self, budget: SharedBudget, still: StillClock) -> None:
        ask(budget, shop_headers(150, 0, 5000))
        still.pass_by(5)
        ask(budget, shop_headers(150, 149, 30_000))

        ask(budget)

        assert still.slept == []

    @pytest.mark.parametrize("name", ["Requests-Quota", "Requests-Left", "Time-Reset-Ms"])
    def test_headers_that_are_strange_are_no_headers(self, budget: SharedBudget, still: StillClock, name: str) -> None:
        ask(budget, shop_headers(150, 0, 5000) | {f"X-Rate-Limit-{name}": "unlimited"})

        ask(budget)

        assert still.slept == []

    def test_no_reset_is_believed_to_be_hours_away(self, budget: SharedBudget, still: StillClock) -> None:
        ask(budget, shop_headers(150, 0, 86_400_000))

        ask(budget)

        assert still.slept == [300.0]


class Counter:
    """A server that counts like the POS, in every window that ends now, and remembers what it saw."""

    def __init__(self, still: StillClock, limit: int, window: float) -> None:
        self.still, self.limit, self.window = still, limit, window
        self.at: list[float] = []

    def ask(self, budget: Budget) -> None:
        with budget.request() as sent:
            self.at.append(self.still.at)
            recent = [at for at in self.at if at > self.still.at - self.window]
            assert len(recent) <= self.limit
            sent.headers = told(self.limit, self.limit - len(recent))


def told(limit: int, left: int) -> dict[str, str]:
    return {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(left)}


class TestWindowBudget:
    @pytest.fixture
    def budget(self, still: StillClock) -> WindowBudget:
        return WindowBudget(window=10.0, clock=still.clock)

    def test_no_window_ever_holds_more_than_the_limit(self, budget: WindowBudget, still: StillClock) -> None:
        counter = Counter(still, limit=7, window=10.0)

        for number in range(200):
            counter.ask(budget)
            still.pass_by(number % 5 * 0.3)

        assert 10 < still.at - 1000 < 200 / 6 * 10 * 1.3

    def test_requests_of_an_earlier_run_are_counted(self, budget: WindowBudget, still: StillClock) -> None:
        counter = Counter(still, limit=7, window=10.0)
        counter.at = [still.at - 3] * 5

        for _ in range(20):
            counter.ask(budget)

    def test_the_snapshot_tells_the_limit_and_what_is_left(self, budget: WindowBudget, still: StillClock) -> None:
        assert budget.snapshot() == BudgetView(None, None, 10.0)
        Counter(still, limit=350, window=10.0).ask(budget)

        assert budget.snapshot() == BudgetView(350, 349, 10.0)
        still.pass_by(11)
        assert budget.snapshot().left == 350

    def test_what_the_server_has_forgotten_is_forgotten(self, budget: WindowBudget) -> None:
        ask(budget, told(350, 100))
        assert budget.snapshot().left == 100

        ask(budget, told(350, 348))

        assert budget.snapshot().left == 348

    def test_a_window_filled_by_others_is_waited_for(self, budget: WindowBudget, still: StillClock) -> None:
        ask(budget, told(5, 0))

        ask(budget)

        assert still.slept == [10.0]

    @pytest.mark.parametrize("headers", [{}, {"X-RateLimit-Limit": "0"}, {"X-RateLimit-Limit": "5"}])
    def test_an_answer_that_tells_nothing_changes_nothing(
        self, budget: WindowBudget, still: StillClock, headers: Mapping[str, str]
    ) -> None:
        ask(budget, headers)
        still.pass_by(1)

        assert budget.snapshot().limit is None
        assert all(isinstance(budget.try_claim(), Sent) for _ in range(4))
        assert budget.try_claim() == math.inf

    def test_a_request_counts_until_a_window_after_its_answer(self, budget: WindowBudget, still: StillClock) -> None:
        with budget.request() as sent:
            still.pass_by(2)
            sent.headers = told(1, 0)

        ask(budget)

        assert still.slept == [10.0]

    def test_after_a_silence_one_request_goes_ahead_and_asks(self, budget: WindowBudget) -> None:
        alone = budget.try_claim()

        assert isinstance(alone, Sent)
        assert budget.try_claim() == math.inf
        alone.headers = told(350, 349)
        budget.answered(alone)
        assert all(isinstance(budget.try_claim(), Sent) for _ in range(4))
        assert budget.try_claim() == math.inf

    def test_what_is_reserved_is_left_to_others(self, budget: WindowBudget, still: StillClock) -> None:
        budget.reserve(30)

        for _ in range(7):
            ask(budget, told(10, 9))
        assert still.slept == []
        assert budget.try_claim() == 10.0
        budget.reserve(0)
        assert isinstance(budget.try_claim(), Sent)

    def test_a_hundredth_is_always_left_for_another_process_to_ask(self, budget: WindowBudget) -> None:
        for left in (5, 4):
            ask(budget, told(350, left))
        ask(budget, told(350, 3))

        assert isinstance(budget.try_claim(), float)

    def test_a_reserve_of_all_there_is_leaves_one(self, budget: WindowBudget) -> None:
        budget.reserve(100)
        ask(budget, told(10, 10))

        assert budget.try_claim() == 10.0

    def test_what_there_is_room_for_soon_is_known(self, budget: WindowBudget, still: StillClock) -> None:
        assert (budget.room(5), budget.pause(3, 5)) == (math.inf, 0.0)
        for number in range(1, 6):
            ask(budget, told(10, 10 - number))
            still.pass_by(1)

        # Five of ours count until ten seconds after their answers; one of the ten is always left alone.
        assert [budget.room(within) for within in (0, 5, 6, 9)] == [4, 5, 6, 9]
        assert [budget.pause(least, 0) for least in (4, 5, 9, 100)] == [0.0, 5.0, 9.0, 9.0]
        assert budget.pause(5, 2) == 3.0

    def test_while_the_limit_is_held_back_there_is_no_room(self, budget: WindowBudget) -> None:
        ask(budget, told(10, 9))
        budget.hold(7)

        assert (budget.room(6), budget.room(7), budget.pause(1, 5)) == (0.0, 8, 2.0)

    def test_room_that_others_take_may_be_asked_for_before_it_has_to_be_free(
        self, budget: WindowBudget, still: StillClock
    ) -> None:
        ask(budget, told(10, 1))

        assert (budget.room(5), budget.pause(2, 5), budget.pause(2, 0)) == (0, 0.5, 0.5)
        budget.await_room(2, 5)
        assert still.slept == [pytest.approx(0.5, abs=0.01)]

    def test_what_few_others_take_is_not_worth_asking_for(self, budget: WindowBudget) -> None:
        for left in (6, 5, 4, 3, 2):
            ask(budget, told(10, left))

        assert budget.pause(2, 0) == 10.0

    def test_workers_share_the_budget(self, budget: WindowBudget, still: StillClock) -> None:
        ask(budget, told(10, 10))

        def work() -> None:
            for _ in range(10):
                ask(budget, told(10, 10))

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

        assert still.at - 1000 >= 30.0

    def test_a_wait_that_is_broken_off_keeps_nobody_waiting(self, still: StillClock) -> None:
        def sleep(seconds: float) -> None:
            raise InterruptedError

        budget = WindowBudget(window=10.0, clock=replace(still.clock, sleep=sleep))
        ask(budget, told(1, 0))
        with pytest.raises(InterruptedError):
            ask(budget)
        still.pass_by(10)

        ask(budget)


def history(pause: float) -> Iterator[tuple[float, int]]:
    """Pages without end, as a backfill has them."""
    return repeat((pause, 250))


def polls(seed: int, most: int) -> Iterator[tuple[float, int]]:
    """What comes in between two polls, mostly little and now and then a flood."""
    chance = Random(seed)
    while True:
        yield chance.uniform(20, 300), chance.choice([1, 3, 10, most])


OTHERS: Mapping[str, Callable[[], Iterator[tuple[float, int]]]] = {
    "as much again": lambda: history(pause=5.0),
    "a little": lambda: polls(1, 60),
    "floods": lambda: polls(2, 500),
}


@pytest.mark.parametrize("counts", ["fixed", "sliding"])
@pytest.mark.parametrize("registers", [1, 3, 10])
class TestPace:
    @pytest.mark.parametrize("latency", [0.02, 0.2, 1.0])
    def test_a_backfill_uses_the_limit_and_is_never_refused(self, latency: float, registers: int, counts: str) -> None:
        clockwork = Clockwork()
        till = Till(clockwork, registers=registers, slides=counts == "sliding")
        program = Program(clockwork, till, Line(latency), history(pause=2 * latency + 0.5))
        clockwork.run(4 * WINDOW)

        assert till.refused == 0
        assert till.share_used(4) >= 0.97
        assert program.most_in_flight <= max(4, 3 * 2 * latency * till.limit / WINDOW) + 1

    @pytest.mark.parametrize("others", OTHERS)
    def test_two_processes_of_one_token_are_never_refused(self, others: str, registers: int, counts: str) -> None:
        clockwork = Clockwork()
        till = Till(clockwork, registers=registers, slides=counts == "sliding")
        backfill = Program(clockwork, till, Line(0.3), history(pause=1.0))
        poller = Program(clockwork, till, Line(0.3, Random(2)), OTHERS[others]())
        backfill.budget.reserve(10)
        clockwork.run(4 * WINDOW)

        assert till.refused == 0
        assert min(backfill.done, poller.done) > 30
        assert till.share_used(4) >= 0.75

    def test_limit_and_latency_may_change_on_the_way(self, registers: int, counts: str) -> None:
        clockwork = Clockwork()
        till, line = Till(clockwork, registers=registers, slides=counts == "sliding"), Line(0.02)
        program = Program(clockwork, till, line, history(pause=2.5))
        clockwork.run(WINDOW)
        line.latency, till.limit = 1.0, till.limit + 300
        clockwork.run(3 * WINDOW)
        late = len(till.at)
        line.latency = 0.02
        clockwork.run(4 * WINDOW)

        assert till.refused == 0
        assert late >= 0.97 * (3 * till.limit - 300)
        assert len(till.at) - late >= 0.97 * till.limit
        assert program.most_in_flight > 4 or registers == 1


# Registers and latency, before and after.
CHANGES: Mapping[str, tuple[tuple[int, float], tuple[int, float]]] = {
    "a register added": ((1, 0.2), (2, 0.2)),
    "a register closed": ((3, 0.2), (2, 0.2)),
    "all but one closed": ((10, 1.0), (1, 1.0)),
    "ten times as slow": ((3, 0.1), (3, 1.0)),
    "ten times as fast": ((3, 1.0), (3, 0.1)),
}


@pytest.mark.parametrize("counts", ["fixed", "sliding"])
@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_the_limit_is_used_and_only_what_was_on_its_way_is_refused(change: str, counts: str) -> None:
    (registers, latency), (later, slower) = CHANGES[change]
    clockwork = Clockwork()
    till, line = Till(clockwork, registers=registers, slides=counts == "sliding"), Line(latency)
    program = Program(clockwork, till, line, history(pause=2 * max(latency, slower) + 0.5))
    clockwork.run(1.5 * WINDOW)
    on_their_way, fewer = program.in_flight, later < registers
    till.limit, line.latency = 300 * later + 50, slower
    # Before the window is over, there is no room but for what was added.
    clockwork.run(2 * WINDOW)
    came = len(till.at)
    clockwork.run(4 * WINDOW)

    # What was on its way there, and what left in place of what was on its way back; or the one that is first to ask.
    assert till.refused <= (max(2 * on_their_way, 1) if fewer else 0)
    assert len(till.at) - came >= 0.97 * 2 * till.limit


def test_a_limit_that_was_reached_has_room_again_when_the_server_said_so(still: StillClock) -> None:
    budget = WindowBudget(window=10.0, clock=still.clock)
    ask(budget, told(10, 0))
    budget.hold(4)

    ask(budget, told(10, 5))

    assert still.slept == [4.0]
