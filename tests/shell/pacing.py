"""Programs under one rate limit in simulated time: requests that take their time on the way, and nobody who sleeps.

The counting server is the sandbox's. What a program does is what a pass does: pages of requests side by side, each page
up to its last answer, and a pause in which the page is written down and the next one read.
"""

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from bcpoll.budget import Clock, Sent, WindowBudget
from bcpoll.sandbox.limits import Window, pos_headers

WINDOW = 300.0
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Clockwork:
    """Simulated time, and what is to happen in it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), do))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] < until:
            self.now, _, do = heapq.heappop(self._events)
            do()


class Till:
    """The POS as far as it counts: `300 x registers + 50` in every window, fixed or sliding."""

    def __init__(self, clockwork: Clockwork, *, registers: int, slides: bool) -> None:
        self._clockwork = clockwork
        self.limit = 300 * registers + 50
        self._slides = slides
        self._window = Window(lambda: _EPOCH + timedelta(seconds=clockwork.now))
        self.at: list[float] = []
        self.refused = 0

    def count(self, sent: Sent) -> float:
        """Answer a request; gives for how long to hold back where it is refused, else 0."""
        standing = self._window.count(self.limit, timedelta(seconds=WINDOW), slides=self._slides)
        assert standing is not None
        sent.headers = pos_headers(standing)
        if standing.left < 0:
            self.refused += 1
            return standing.resets_in.total_seconds() + 1
        self.at.append(self._clockwork.now)
        return 0.0

    def share_used(self, windows: int) -> float:
        """How much of what was allowed in the first windows came."""
        return sum(at < windows * WINDOW for at in self.at) / (windows * self.limit)


@dataclass
class Line:
    """The way to the server and back, in seconds, each one at random up to twice as long."""

    latency: float
    chance: Random = field(default_factory=lambda: Random(1))

    def both_ways(self) -> tuple[float, float]:
        whole = self.latency * (1 + self.chance.random())
        there = whole * self.chance.random()
        return there, whole - there


class Program:
    """A process that sends pages of requests, each as far side by side as its budget lets it."""

    def __init__(self, clockwork: Clockwork, till: Till, line: Line, pages: Iterator[tuple[float, int]]) -> None:
        """`pages` are pauses in seconds, each with the number of requests after it."""
        self._clockwork, self._till, self._line, self._pages = clockwork, till, line, pages
        self.budget = WindowBudget(window=WINDOW, clock=Clock(monotonic=lambda: clockwork.now))
        self._to_send = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.done = 0
        self._sleeps = False
        self._turn_page()

    def _turn_page(self) -> None:
        pause, requests = next(self._pages, (0.0, 0))

        def begin() -> None:
            self._to_send = requests
            self._send()

        if requests:
            self._clockwork.after(pause, begin)

    def _send(self) -> None:
        while self._to_send and not self._sleeps:
            got = self.budget.try_claim()
            if not isinstance(got, Sent):
                if got != math.inf:
                    self._sleeps = True
                    self._clockwork.after(max(got, 0.005), self._wake)
                return
            self._to_send -= 1
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self._carry(got)

    def _wake(self) -> None:
        self._sleeps = False
        self._send()

    def _carry(self, sent: Sent) -> None:
        there, back = self._line.both_ways()

        def arrive() -> None:
            held = self._till.count(sent)
            self._clockwork.after(back, lambda: answer(held))

        def answer(held: float) -> None:
            self.in_flight -= 1
            self.budget.answered(sent)
            if held:
                self._to_send += 1
                self.budget.hold(held)
            else:
                self.done += 1
            self._send()
            if not self._to_send and not self.in_flight:
                self._turn_page()

        self._clockwork.after(there, arrive)
