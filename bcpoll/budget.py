"""Rate budgets: how much may be sent to each side, and waiting before a request that would be too many.

Owns the two ways in which the APIs count, and the clock that waiting goes by. It sends nothing itself.
"""

import logging
import re
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

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


class Budget(ABC):
    """What may be sent to one side before it refuses. Shared by all workers; waits before sending, never after."""

    # The shortest sleep: keeps the wait from spinning where two clock readings differ by less than the clock can show.
    _TICK = 0.005

    def __init__(self, *, window: float, clock: Clock) -> None:
        self._window = window
        self._clock = clock
        self._lock = threading.Lock()
        self._held_until = 0.0

    def claim(self) -> None:
        """Take one request out of the budget, and sleep until there is one to take."""
        while (pause := self._try_to_claim()) > 0:
            log.debug("rate budget: waiting %.1f s", pause)
            self._clock.sleep(max(pause, self._TICK))

    def hold(self, seconds: float) -> None:
        """Let nobody send for so long: one worker was told 429, and it goes for all of them."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def note(self, headers: Mapping[str, str]) -> None:
        """Learn from the rate headers of an answer."""
        with self._lock:
            self._learn(self._clock.monotonic(), headers)

    def snapshot(self) -> BudgetView:
        """The budget as it stands now, for people."""
        with self._lock:
            return self._view(self._clock.monotonic())

    def _try_to_claim(self) -> float:
        with self._lock:
            now = self._clock.monotonic()
            return self._held_until - now if now < self._held_until else self._room(now)

    @abstractmethod
    def _room(self, now: float) -> float:
        """Claim a request and give 0, or give the seconds after which to ask again."""

    @abstractmethod
    def _learn(self, now: float, headers: Mapping[str, str]) -> None: ...

    @abstractmethod
    def _view(self, now: float) -> BudgetView: ...


class SharedBudget(Budget):
    """BigCommerce's budget: belongs to the store, is shared with all its other apps, and only the headers know it.

    A fifth of the quota is left to the others: when a request would cut into it, wait for the window to reset.
    """

    # BigCommerce's documented window; the headers correct it.
    _WINDOW = 30.0
    _RESERVED = 5

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(window=self._WINDOW, clock=clock)
        self._quota: int | None = None
        self._left = 0
        self._resets_at = 0.0

    def _room(self, now: float) -> float:
        if self._quota is None or now >= self._resets_at:
            self._quota = None
            return 0.0
        if (self._left - 1) * self._RESERVED < self._quota:
            return self._resets_at - now
        self._left -= 1
        return 0.0

    def _learn(self, now: float, headers: Mapping[str, str]) -> None:
        quota, left, reset = (whole_number(headers.get(f"X-Rate-Limit-{name}")) for name in _STORE_HEADERS)
        if not quota or left is None or reset is None:
            return
        resets_at = now + min(reset / 1000, LONGEST_TOLD)
        same_window = self._quota is not None and resets_at <= self._resets_at + 1
        # Answers overtake each other, and requests on their way are claimed already: within a window, the lowest holds.
        self._left = min(left, self._left) if same_window else left
        self._resets_at = max(resets_at, self._resets_at) if same_window else resets_at
        self._quota = quota
        self._window = (whole_number(headers.get("X-Rate-Limit-Time-Window-Ms")) or 0) / 1000 or self._window

    def _view(self, now: float) -> BudgetView:
        left = self._left if self._quota is not None and now < self._resets_at else None
        return BudgetView(self._quota, left, self._window)


_STORE_HEADERS = ("Requests-Quota", "Requests-Left", "Time-Reset-Ms")


class WindowBudget(Budget):
    """The POS's budget: `300 x registers + 50` requests per five minutes, for this application alone.

    Every request of the last window is remembered, so that no five minutes hold more than the limit, wherever the
    server begins to count. What the server counts and we do not remember (an earlier run) is taken for sent just now.
    """

    # The server dates a request by its arrival, later than we do: a fiftieth (six seconds of five minutes) covers it.
    _MARGIN = 1.02

    def __init__(self, *, window: float = 300.0, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(window=window, clock=clock)
        self._limit: int | None = None
        self._sent: deque[float] = deque()
        self._unknown = 0
        self._unknown_until = 0.0

    def _room(self, now: float) -> float:
        self._forget(now)
        if self._limit is None or len(self._sent) + self._unknown < self._limit:
            self._sent.append(now)
            return 0.0
        return min([until - now for until in self._expiries()], default=0.0)

    def _learn(self, now: float, headers: Mapping[str, str]) -> None:
        limit, left = whole_number(headers.get("X-RateLimit-Limit")), whole_number(headers.get("X-RateLimit-Remaining"))
        if not limit or left is None:
            return
        self._forget(now)
        unknown = max(0, limit - left - len(self._sent))
        if unknown > self._unknown:
            self._unknown_until = now + self._window * self._MARGIN
        self._limit, self._unknown = limit, unknown

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0] + self._window * self._MARGIN <= now:
            self._sent.popleft()
        if now >= self._unknown_until:
            self._unknown = 0

    def _expiries(self) -> Iterator[float]:
        if self._sent:
            yield self._sent[0] + self._window * self._MARGIN
        if self._unknown:
            yield self._unknown_until

    def _view(self, now: float) -> BudgetView:
        self._forget(now)
        left = None if self._limit is None else max(0, self._limit - len(self._sent) - self._unknown)
        return BudgetView(self._limit, left, self._window)


def whole_number(text: str | None) -> int | None:
    """Read a header's whole number; None for anything else, so that a strange header is the same as none."""
    return int(text) if text is not None and re.fullmatch(r"\s*[0-9]{1,12}\s*", text) else None
