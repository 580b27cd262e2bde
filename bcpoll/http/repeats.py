"""What is tried again, and after how long.

Owns the patience of both sides' clients. It takes no step itself: urllib3, whose count of tries this is, sees neither a
cut body nor the rate budget.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from urllib3.exceptions import MaxRetryError, ResponseError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from bcpoll.budget import LONGEST_TOLD, Clock, whole_number
from bcpoll.core.times import parse_time
from bcpoll.http.exchange import Call, Outcome

# A told wait is never shorter than this: a host clock that runs fast would turn a date into nothing.
_SHORTEST_TOLD = 1.0

# Spread over what would otherwise be one instant for all workers; upwards only, because a told wait is a minimum.
_JITTER = 1.25
_RANDOM = random.SystemRandom()

# Statuses that say that a read may work later, and the one that says that a write was not carried out.
_READ_AGAIN = frozenset({429, 500, 502, 503, 504})
_WRITE_AGAIN = frozenset({429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long a read is tried. Waits double from the first one, which goes by the status, in seconds.

    A 429 without a header starts at five seconds so that the tries span a rate window of BigCommerce (30 seconds).
    """

    tries: int = 5
    total: float = 600.0
    first: float = 1.0
    first_by_status: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({429: 5.0}))


class Repeats(Retry):
    """urllib3's count of tries, with the waits that both APIs tell in their own headers, and an end in time.

    The client takes its steps itself instead of mounting it: urllib3 sees neither a cut body nor the rate budget.
    """

    def __init__(self, *, patience: Patience, clock: Clock, until: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patience, self.clock, self.until = patience, clock, until

    def new(self, **changes: Any) -> Self:
        """The same with other counts, as urllib3 asks for after every try."""
        return super().new(patience=self.patience, clock=self.clock, until=self.until, **changes)

    def wait_after(self, response: BaseHTTPResponse | None) -> float:
        """Seconds to wait before the next try; MaxRetryError where that would end after the time allowed."""
        told = None if response is None else self.get_retry_after(response)
        wait = self.get_backoff_time() if told is None else told
        if self.clock.monotonic() + wait > self.until:
            raise MaxRetryError(None, "", ResponseError("no time left"))  # type: ignore[arg-type]
        return wait

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """The longest wait that the headers of a 429 or 503 tell, kept within reason; None where they tell none."""
        if response.status not in (429, 503):
            return None
        told = [seconds for seconds in self._told(response.headers) if seconds is not None]
        return min(max(*told, _SHORTEST_TOLD), LONGEST_TOLD) if told else None

    def get_backoff_time(self) -> float:
        """Twice as long after every try, spread upwards."""
        status = self.history[-1].status or 0 if self.history else 0
        first = self.patience.first_by_status.get(status, self.patience.first)
        wait = first * 2.0 ** (len(self.history) - 1)
        return float(min(wait * _RANDOM.uniform(1.0, _JITTER), LONGEST_TOLD))

    def _told(self, headers: Mapping[str, str]) -> Iterator[float | None]:
        yield self._seconds(headers.get("Retry-After"), headers.get("Date"))
        yield self._seconds(headers.get("X-Retry-After"), headers.get("Date"))
        reset = whole_number(headers.get("X-Rate-Limit-Time-Reset-Ms"))
        yield None if reset is None else reset / 1000

    def _seconds(self, text: str | None, date: str | None) -> float | None:
        """Read seconds or a date. A date is compared with the server's own clock where the answer tells it."""
        if text is None or (seconds := whole_number(text)) is not None:
            return None if text is None else seconds
        until = parse_time(text)
        now = parse_time(date) if date else None
        return None if until is None else (until - (now or self.clock.now())).total_seconds()


def is_worth_repeating(call: Call, outcome: Outcome) -> bool:
    """Reads after anything that may pass. Writes after 429 alone: both APIs refuse it before carrying anything out."""
    if call.writes and not call.repeatable:
        return outcome.status in _WRITE_AGAIN
    return outcome.status in _READ_AGAIN or (
        (outcome.status is None or outcome.succeeded) and outcome.error is not None
    )
