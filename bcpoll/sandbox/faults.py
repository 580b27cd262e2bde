"""What goes wrong on the way: faults put into single requests, latency, and the log of every request.

Owns the choice of the request that is hit. Must not touch the models: a fault strikes before or after the effect.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Literal, TypeAlias

Side: TypeAlias = Literal["store", "pos"]


class Fault(Enum):
    """The ways in which a request can fail."""

    REFUSED = "connection refused"
    """In process only: through a socket the connection is open by then, and is dropped before the effect."""
    RESET_BEFORE = "connection lost before the effect"
    RESET_AFTER = "connection lost after the effect"
    HANG_BEFORE = "no answer, no effect"
    HANG_AFTER = "no answer, but the effect"
    ERROR_500 = "500 before the effect"
    ERROR_500_AFTER = "500 after the effect"
    HTML_502 = "502 with a page of HTML"
    HTML_502_AFTER = "502 with a page of HTML after the effect"
    ERROR_503 = "503"
    BUSY_DATE = "429 with Retry-After as a date"
    BUSY_SECONDS = "429 with Retry-After in seconds"
    BUSY_BARE = "429 without any header"
    TOKEN_REFUSED = "401"  # noqa: S105 - a status, not a secret
    SCOPE_REFUSED = "403"
    CUT_CONNECTION = "the connection ends in the middle of the body"
    CUT_BODY = "half the body under a matching length"
    EMPTY_BODY = "200 with an empty body"
    EMPTY_INSTEAD = "200 with an empty body, and no effect"
    HTML_BODY = "200 with a page of HTML"
    HTML_INSTEAD = "200 with a page of HTML, and no effect"
    WRONG_TYPE = "the right body under the wrong content type"

    @property
    def is_after(self) -> bool:
        """Whether the request has its effect although it fails."""
        return self in _AFTER


_AFTER = frozenset(
    {
        Fault.RESET_AFTER,
        Fault.HANG_AFTER,
        Fault.ERROR_500_AFTER,
        Fault.HTML_502_AFTER,
        Fault.CUT_CONNECTION,
        Fault.CUT_BODY,
        Fault.EMPTY_BODY,
        Fault.HTML_BODY,
        Fault.WRONG_TYPE,
    }
)


class ConnectionDropped(Exception):
    """Raised through the WSGI layer: whoever carries the request hangs up without an answer."""


class ConnectionRefused(ConnectionDropped):
    """Raised through the WSGI layer: whoever carries the request never gets a connection."""


class AnswerHeldBack(Exception):
    """Raised through the WSGI layer: whoever carries the request never answers."""


@dataclass(slots=True)
class Request:
    """A request as the log keeps it; `status` is 0 where no answer left."""

    number: int
    """Counted over both sides, from 1 since the log was last cleared."""
    side: Side
    method: str
    path: str
    params: Mapping[str, str]
    body: bytes
    status: int = 0
    fault: Fault | None = None

    @property
    def is_write(self) -> bool:
        """Whether the request may change something; reading the inventory is a POST and does not."""
        return self.method != "GET" and not self.path.endswith(("/inventory", "/inventory_levels"))


When: TypeAlias = Callable[[Request], bool]


class RequestLog:
    """The requests in the order of their arrival; the oldest are forgotten beyond `keep`."""

    def __init__(self, keep: int = 100_000) -> None:
        self._requests: deque[Request] = deque(maxlen=keep)
        self._count = 0
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self._requests))

    def __len__(self) -> int:
        return self._count

    def open(self, side: Side, method: str, path: str, params: Mapping[str, str], body: bytes) -> Request:
        """Number and keep a request that just arrived."""
        with self._lock:
            self._count += 1
            request = Request(self._count, side, method, path, params, body)
            self._requests.append(request)
        return request

    def matching(
        self, *, side: Side | None = None, method: str = "", path: str = "", when: When | None = None
    ) -> list[Request]:
        """The requests of a side, with a method, whose path ends so."""
        return [
            request
            for request in self
            if (side is None or request.side == side)
            and method in ("", request.method)
            and request.path.endswith(path)
            and (when is None or when(request))
        ]

    def count(self, *, side: Side | None = None, method: str = "", path: str = "", when: When | None = None) -> int:
        """How many requests `matching` finds."""
        return len(self.matching(side=side, method=method, path=path, when=when))

    def clear(self) -> None:
        """Forget everything and count from 1 again."""
        with self._lock:
            self._requests.clear()
            self._count = 0


@dataclass(slots=True)
class _Trap:
    fault: Fault
    when: When
    left: int


@dataclass
class Faults:
    """Which requests fail, and how. Traps are tried in the order in which they were set."""

    latency: dict[Side, float] = field(default_factory=dict)
    """Seconds that every request to a side takes longer."""
    retry_after: int = 2
    """Seconds that an injected 429 asks to wait."""
    hang: float = 60.0
    """Seconds after which the server gives up a held-back answer and hangs up."""
    pause: Callable[[float], object] = field(default_factory=lambda: threading.Event().wait)
    """How latency is waited out."""
    _traps: list[_Trap] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def retry_span(self) -> timedelta:
        """The wait that an injected 429 asks for."""
        return timedelta(seconds=self.retry_after)

    def on(self, fault: Fault, when: When, *, times: int = 1) -> None:
        """Let the next requests that fit fail."""
        with self._lock:
            self._traps.append(_Trap(fault, when, times))

    def at(self, number: int, fault: Fault) -> None:
        """Let the request with this running number fail."""
        self.on(fault, lambda request: request.number == number)

    def on_path(self, fault: Fault, method: str, path: str, *, times: int = 1) -> None:
        """Let the next requests with a method whose path ends so fail."""
        self.on(fault, lambda request: request.method == method and request.path.endswith(path), times=times)

    def clear(self) -> None:
        """Forget all traps and the latency."""
        with self._lock:
            self._traps.clear()
            self.latency.clear()

    def strike(self, request: Request) -> Fault | None:
        """The fault that hits this request, if any; each trap counts down."""
        if not self._traps:
            return None
        with self._lock:
            for trap in self._traps:
                if trap.left > 0 and trap.when(request):
                    trap.left -= 1
                    return trap.fault
        return None
