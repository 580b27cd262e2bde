"""The rate limits of both APIs: windows, fixed or sliding, and the headers in which they are told.

Owns the counting. Must not sleep, and reads the time only from the clock that it is given.
"""

import math
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from bcpoll.sandbox.calls import Clock, http_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Quotas and windows of both sides; a quota of None switches the limit off."""

    store_quota: int | None = 150
    store_window: timedelta = timedelta(seconds=30)
    pos_quota: int | None = -1
    """-1 stands for the documented rule: 300 for each register, and 50."""
    pos_window: timedelta = timedelta(minutes=5)
    token_quota: int | None = 10
    """The POS's token endpoint counts apart; this is the limit that the documents' example shows."""
    token_window: timedelta = timedelta(minutes=1)

    @classmethod
    def off(cls) -> "Limits":
        """No limit on either side."""
        return cls(store_quota=None, pos_quota=None, token_quota=None)

    def pos_quota_for(self, registers: int) -> int | None:
        """The quota of a POS with this many registers."""
        return 300 * registers + 50 if self.pos_quota == -1 else self.pos_quota


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a window stands after a request was counted."""

    quota: int
    left: int
    """Below zero when the request is over the limit."""
    window: timedelta
    resets_at: datetime
    resets_in: timedelta


class Window:
    """Counts requests: in windows that begin with the first request after the last one ended, or in one that slides."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends_at: datetime | None = None
        self._used = 0
        self._counted: deque[datetime] = deque()
        self._lock = threading.Lock()

    def count(self, quota: int | None, length: timedelta, *, slides: bool = False) -> Standing | None:
        """Count one request; None where there is no limit."""
        if quota is None:
            return None
        with self._lock:
            used, ends_at = (self._slid if slides else self._fixed)(self._clock(), quota, length)
            return Standing(quota, quota - used, length, ends_at, ends_at - self._clock())

    def _fixed(self, now: datetime, _: int, length: timedelta) -> tuple[int, datetime]:
        if self._ends_at is None or now >= self._ends_at:
            self._ends_at, self._used = now + length, 0
        self._used += 1
        return self._used, self._ends_at

    def _slid(self, now: datetime, quota: int, length: timedelta) -> tuple[int, datetime]:
        """What is refused takes no room, and there is room again once the oldest is a window old."""
        while self._counted and self._counted[0] + length <= now:
            self._counted.popleft()
        used = len(self._counted) + 1
        if used <= quota:
            self._counted.append(now)
        return used, next(iter(self._counted), now) + length


_NONE: Mapping[str, str] = MappingProxyType({})


def store_headers(standing: Standing | None) -> Mapping[str, str]:
    """BigCommerce's rate headers."""
    if standing is None:
        return _NONE
    return {
        "X-Rate-Limit-Requests-Quota": str(standing.quota),
        "X-Rate-Limit-Requests-Left": str(max(standing.left, 0)),
        "X-Rate-Limit-Time-Window-Ms": str(_milliseconds(standing.window)),
        "X-Rate-Limit-Time-Reset-Ms": str(_milliseconds(standing.resets_in)),
    }


def pos_headers(standing: Standing | None) -> Mapping[str, str]:
    """The POS's rate headers, with `Retry-After` as a date where the limit is reached."""
    if standing is None:
        return _NONE
    headers = {"X-RateLimit-Limit": str(standing.quota), "X-RateLimit-Remaining": str(max(standing.left, 0))}
    if standing.left < 0:
        # The header has whole seconds only: the next one, so that waiting until then is always enough.
        headers["Retry-After"] = http_date(standing.resets_at + timedelta(seconds=1))
    return headers


def token_headers(standing: Standing | None) -> Mapping[str, str]:
    """The rate headers of the POS's token endpoint, which names the end of the window instead of a wait."""
    if standing is None:
        return _NONE
    reset = str(math.ceil(standing.resets_at.timestamp()))
    left = str(max(standing.left, 0))
    return {"X-RateLimit-Limit": str(standing.quota), "X-RateLimit-Remaining": left, "X-RateLimit-Reset": reset}


def _milliseconds(span: timedelta) -> int:
    return math.ceil(span / timedelta(milliseconds=1))
