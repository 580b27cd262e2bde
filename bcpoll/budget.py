"""Rate budgets: how much may be sent to each side, and how much side by side; waiting before it would be too much.

Owns the two ways in which the APIs count, and the clock that waiting goes by. It sends nothing itself.
"""

import logging
import math
import re
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice, repeat

log = logging.getLogger(__name__)

# No wait told by a server is taken for longer than the longest rate window of either API (five minutes): a host clock
# that runs slow would turn a date into hours.
LONGEST_TOLD = 300.0


@dataclass(frozen=True, slots=True)
class Clock:
    """The three ways in which the transport meets time; tests put their own in."""

    monotonic: Callable[[], float] = lambda: time.monotonic()
    sleep: Callable[[float], None] = lambda seconds: time.sleep(seconds)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


SYSTEM_CLOCK = Clock()


@dataclass(frozen=True, slots=True)
class BudgetView:
    """A rate budget at a moment: requests allowed per window, how many are left, and the window in seconds."""

    limit: int | None
    left: int | None
    window: float


@dataclass(slots=True)
class Sent:
    """A request on its way; its sender puts the headers of the answer in, if one comes."""

    at: float
    answered: int
    """How many requests had been answered when it left: those had reached the server before it."""
    headers: Mapping[str, str] = field(default_factory=dict)


class Budget(ABC):
    """What may be sent to one side before it refuses. Shared by all workers; waits before sending, never after."""

    # The shortest sleep: keeps the wait from spinning where two clock readings differ by less than the clock can show.
    _TICK = 0.005

    def __init__(self, *, window: float, clock: Clock) -> None:
        self._window = window
        self._clock = clock
        self._changed = threading.Condition()
        # One waits for room, and all others for that one: else every bit of room would wake them all.
        self._queue = threading.Lock()
        self._held_until = 0.0
        self._in_flight = 0
        self._answered = 0

    @contextmanager
    def request(self) -> Iterator[Sent]:
        """Room for one request, waited for; at the end of the block, its answer is learnt from."""
        sent = self._claim()
        try:
            yield sent
        finally:
            self.answered(sent)

    def try_claim(self) -> Sent | float:
        """Take room for one request; where there is none, the seconds after which to ask again.

        Infinity stands for as soon as a request that is in flight was answered.
        """
        with self._changed:
            now = self._clock.monotonic()
            pause = self._held_until - now if now < self._held_until else self._room(now)
            return self._begun(now) if pause <= 0 else pause

    def answered(self, sent: Sent) -> None:
        """Learn from the answer to a request, or from its end without one."""
        with self._changed:
            self._in_flight -= 1
            self._learn(self._clock.monotonic(), sent)
            self._answered += 1
            self._changed.notify()

    def hold(self, seconds: float) -> None:
        """Let nobody send for so long: one worker was told 429, and it goes for all of them."""
        with self._changed:
            self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def reserve(self, percent: int) -> None:  # noqa: B027 - not every side's limit is ours to share out
        """Leave this percentage of the limit to another process of ours from now on; asked of the one that can wait."""

    def room(self, within: float) -> float:
        """How many requests may be sent within this many seconds, by what is known."""
        return math.inf

    def pause(self, least: int, within: float) -> float:
        """Seconds until `least` requests, or all that the limit allows, may be sent within this many seconds."""
        return 0.0

    def await_room(self, least: int, within: float) -> None:
        """Sleep for the length of `pause`."""
        if pause := self.pause(least, within):
            log.debug("rate budget: letting others have their turn for %.1f s", pause)
            self._clock.sleep(pause + self._TICK)

    def snapshot(self) -> BudgetView:
        """The budget as it stands now, for people."""
        with self._changed:
            return self._view(self._clock.monotonic())

    def _claim(self) -> Sent:
        with self._queue:
            while True:
                with self._changed:
                    got = self.try_claim()
                    if isinstance(got, Sent):
                        return got
                    if got == math.inf:
                        self._changed.wait()
                        continue
                log.debug("rate budget: waiting %.1f s", got)
                self._clock.sleep(max(got, self._TICK))

    def _begun(self, now: float) -> Sent:
        self._in_flight += 1
        return Sent(now, self._answered)

    @abstractmethod
    def _room(self, now: float) -> float:
        """The pause before one more request, 0 for none; infinity only while something is in flight."""

    @abstractmethod
    def _learn(self, now: float, sent: Sent) -> None:
        """Take in the answer to a request; one without headers tells nothing but that it is no longer in flight."""

    @abstractmethod
    def _view(self, now: float) -> BudgetView: ...


class SharedBudget(Budget):
    """BigCommerce's budget: belongs to the store, is shared with all its other apps, and only the headers know it.

    A fifth of the quota is left to the others: when a request would cut into it, wait for the window to reset.
    """

    # BigCommerce's documented window; the headers correct it.
    _WINDOW = 30.0
    _RESERVED = 5

    # Reads side by side, of which a store has other apps' to serve as well.
    _AT_ONCE = 4

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(window=self._WINDOW, clock=clock)
        self._quota: int | None = None
        self._left = 0
        self._resets_at = 0.0

    def _room(self, now: float) -> float:
        if self._in_flight >= self._AT_ONCE:
            return math.inf
        if self._quota is None or now >= self._resets_at:
            self._quota = None
            return 0.0
        return self._resets_at - now if (self._left - 1) * self._RESERVED < self._quota else 0.0

    def _begun(self, now: float) -> Sent:
        self._left -= 1
        return super()._begun(now)

    def _learn(self, now: float, sent: Sent) -> None:
        quota, left, reset = (whole_number(sent.headers.get(f"X-Rate-Limit-{name}")) for name in _STORE_HEADERS)
        if not quota or left is None or reset is None:
            return
        resets_at = now + min(reset / 1000, LONGEST_TOLD)
        same_window = self._quota is not None and resets_at <= self._resets_at + 1
        # Answers overtake each other, and requests on their way are claimed already: within a window, the lowest holds.
        self._left = min(left, self._left) if same_window else left
        self._resets_at = max(resets_at, self._resets_at) if same_window else resets_at
        self._quota = quota
        self._window = (whole_number(sent.headers.get("X-Rate-Limit-Time-Window-Ms")) or 0) / 1000 or self._window

    def _view(self, now: float) -> BudgetView:
        left = self._left if self._quota is not None and now < self._resets_at else None
        return BudgetView(self._quota, left, self._window)


_STORE_HEADERS = ("Requests-Quota", "Requests-Left", "Time-Reset-Ms")


class WindowBudget(Budget):
    """The POS's budget: `300 x registers + 50` requests per five minutes, for this application alone.

    The server dates a request some time between its leaving and its answer. So each counts from when it leaves until a
    window after its answer, and no five minutes hold more than the limit: wherever the server begins to count, whether
    its windows slide or not, and however long the way is.

    What the server counts and we did not send is another process of ours (a backfill beside the poller) or an earlier
    one. It shows only in the answers to our own requests. So after a silence one goes ahead and asks, and where windows
    may not slide, room is believed in only once the server has told of it.
    """

    # In percent. Always left alone, so that another process's first request finds room to ask, too.
    _LEAST_RESERVED = 1

    # What the limit needs in flight is latency x limit / window (Little's law); three times as much also makes up for
    # what is done one after the other between pages. A few are always let through: after a silence, a whole window's
    # worth may leave at once.
    _AMPLE = 3.0
    _FEW = 4

    # After this many latencies without an answer, what was known of others' requests is old.
    _SILENCE = 2.0

    # How often in a window to ask whether others' share is free again, at the cost of some of what is left to them.
    _ASK_EVERY = 0.05

    # How much each answer moves the estimate of the latency.
    _WEIGHT = 0.1

    def __init__(self, *, window: float = 300.0, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(window=window, clock=clock)
        self._limit: int | None = None
        self._reserved = self._LEAST_RESERVED
        self._latency = 0.0
        self._told_at = -math.inf
        self._until: deque[float] = deque()
        """Until when each of our own requests counts, those in flight left out."""
        self._others = (0, 0)
        """How many the server counted last that are not our own: at least, and at most."""
        self._others_until = 0.0
        self._counted = 0
        """How many the server counted last in all."""
        self._counted_at = -math.inf

    def reserve(self, percent: int) -> None:
        """Leave this percentage of the limit to another process of ours from now on, and one percent at least."""
        with self._changed:
            self._reserved = max(percent, self._LEAST_RESERVED)

    def hold(self, seconds: float) -> None:
        """Let nobody send for this long. That the limit was reached is all that is known; by then it has room again."""
        super().hold(seconds)
        with self._changed:
            self._counted_at = min(self._counted_at, self._held_until - self._window)
            self._others_until = min(self._others_until, self._held_until)

    def room(self, within: float) -> float:
        """How many requests may be sent within this many seconds, by what is known of our own and of others'."""
        with self._changed:
            then = self._clock.monotonic() + within
            if self._limit is None:
                return math.inf
            if then < self._held_until:
                return 0.0
            counted = sum(until > then for until in self._counted_until(self._others_until))
            return max(self._shares(self._limit)[1] - self._in_flight - counted, 0)

    def pause(self, least: int, within: float) -> float:
        """Seconds until `least` requests, or all that the limit allows, may be sent within this many seconds."""
        with self._changed:
            now = self._clock.monotonic()
            if self._limit is None:
                return 0.0
            allowed, others_until = self._shares(self._limit)[1], self._others_until
            if self._others[1] > allowed / 2:
                # Most of it is free again before it would have to be: worth a request to ask.
                others_until = min(others_until, self._counted_at + self._window * self._ASK_EVERY + within)
            counted = sorted(self._counted_until(others_until))
            too_many = self._in_flight + len(counted) - max(allowed - least, 0)
            expires = counted[min(too_many, len(counted)) - 1] if too_many > 0 and counted else now
            return max(max(expires, self._held_until) - within - now, 0.0)

    def _counted_until(self, others_until: float) -> Iterator[float]:
        """Until when each request counts that is not in flight, those of others included."""
        yield from self._until
        yield from repeat(others_until, self._others[1])

    def _room(self, now: float) -> float:
        self._forget(now)
        if self._in_flight and (self._is_silent(now) or self._in_flight >= self._at_once()):
            return math.inf
        if self._limit is None:
            return 0.0
        spare, allowed = self._shares(self._limit)
        ours, (least, most) = self._in_flight + len(self._until), self._others
        counted = self._in_flight + self._counted
        if max(ours + most, counted) < allowed:
            return 0.0
        if self._in_flight:
            return math.inf
        expires = [*islice(self._until, 1), self._others_until, self._counted_at + self._window]
        if ours + least < allowed:
            # With nothing in flight, the answer to one more request is exact: where there may be room, it is worth it.
            ask_at = self._counted_at + self._window * self._ASK_EVERY
            if counted < max(allowed + spare - 1, self._limit - spare if now >= ask_at else 0):
                return 0.0
            expires.append(ask_at)
        return min(at for at in expires if at > now) - now

    def _is_silent(self, now: float) -> bool:
        """Whether what is known of others is old; where no answer tells of a limit, there is nothing to know."""
        if self._limit is None:
            return self._answered == 0
        return now - self._told_at > self._latency * self._SILENCE

    def _shares(self, limit: int) -> tuple[int, int]:
        """How many requests are left alone in any case, and how many may be counted before one more is too many."""
        spare, reserved = (max(limit * percent // 100, 1) for percent in (self._LEAST_RESERVED, self._reserved))
        return spare, max(limit - reserved, 1)

    def _at_once(self) -> float:
        """How many may be in flight: as many as limit and latency need."""
        return max(self._AMPLE * self._latency * (self._limit or 0) / self._window, self._FEW)

    def _learn(self, now: float, sent: Sent) -> None:
        self._until.append(now + self._window)
        self._forget(now)
        self._told_at = now
        limit = whole_number(sent.headers.get("X-RateLimit-Limit"))
        left = whole_number(sent.headers.get("X-RateLimit-Remaining"))
        if not limit or left is None:
            return
        took = now - sent.at
        self._latency = took if self._limit is None else self._latency + (took - self._latency) * self._WEIGHT
        self._limit = limit
        counted, ours = limit - left, len(self._until)
        # Answers overtake each other: a lower count is news only from a request that left once the higher was told.
        if counted >= self._counted or sent.at >= self._counted_at:
            self._counted, self._counted_at = counted, now
        # Whatever of ours was on its way together with this one may have been counted before it or after it.
        meanwhile = min(self._answered - sent.answered, ours - 1)
        least, most = counted - ours - self._in_flight, counted - ours + meanwhile
        self._others, self._others_until = (max(least, 0), max(most, 0)), now + self._window

    def _forget(self, now: float) -> None:
        while self._until and self._until[0] <= now:
            self._until.popleft()
        if now >= self._others_until:
            self._others = 0, 0
        if now >= self._counted_at + self._window:
            self._counted = 0

    def _view(self, now: float) -> BudgetView:
        self._forget(now)
        counted = len(self._until) + self._in_flight + self._others[0]
        left = None if self._limit is None else max(0, self._limit - counted)
        return BudgetView(self._limit, left, self._window)


def whole_number(text: str | None) -> int | None:
    """Read a header's whole number; None for anything else, so that a strange header is the same as none."""
    return int(text) if text is not None and re.fullmatch(r"\s*[0-9]{1,12}\s*", text) else None
