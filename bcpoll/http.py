"""The transport: sessions, time-outs, repeats, and what each answer means for the caller.

The only module that imports requests, urllib3 and simplejson. It knows nothing of orders or sales, and it never repeats
a write: a write without a clear answer is `LookAgain`, and the caller looks before doing anything else. The exception
is 429: both APIs count a request before they carry it out, and refuse it there.
"""

import ipaddress
import logging
import random
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from types import MappingProxyType
from typing import Any, Protocol, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import requests
import simplejson
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
    ResponseError,
)
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from bcpoll import __version__
from bcpoll.budget import LONGEST_TOLD, SYSTEM_CLOCK, Budget, BudgetView, Clock, whole_number
from bcpoll.core.times import parse_time
from bcpoll.errors import (
    AccessRefused,
    BcpollError,
    GiveUp,
    LookAgain,
    Problem,
    RetryLater,
    SettingsError,
    TooHeavy,
    Unreachable,
    WrongAnswer,
)

log = logging.getLogger(__name__)

# What is kept of an answer for a message: enough for both APIs' sentences, short enough for one line of a log.
_TEXT_LIMIT = 500

# How much of a body is looked through for those sentences.
_BODY_LIMIT = 50_000

# A told wait is never shorter than this: a host clock that runs fast would turn a date into nothing.
_SHORTEST_TOLD = 1.0

# The answer's body is read in pieces of this size, so that a body that drips can be given up between two of them.
_PIECE = 65_536

# Spread over what would otherwise be one instant for all workers; upwards only, because a told wait is a minimum.
_JITTER = 1.25
_RANDOM = random.SystemRandom()

# Statuses that say that a read may work later, and the one that says that a write was not carried out.
_READ_AGAIN = frozenset({429, 500, 502, 503, 504})
_WRITE_AGAIN = frozenset({429})

# Refusals of a write that may come after it was carried out: time-outs of the server itself, and "exists already".
_UNCLEAR = frozenset({408, 409, 422, 423, 499})

# Statuses with which BigCommerce answers a list call that asks for too much at once ("expensive calls").
_HEAVY = frozenset({413, 500, 504})


def read_json(text: bytes | str) -> object:
    """Read JSON, numbers with a point as `Decimal`; ValueError for all else, NaN and bottomless nesting included."""
    try:
        value: object = simplejson.loads(text.decode() if isinstance(text, bytes) else text, use_decimal=True)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except ArithmeticError as error:
        raise ValueError("a number with too large a power of ten") from error
    return value


def read_loosely(text: bytes | str) -> object:
    """Like `read_json`, but one bad value does not cost the others: a number that is none becomes text.

    So NaN, too many digits, too large a power of ten; what is nested deeper than anything known becomes null.
    """
    try:
        return read_json(text)
    except ValueError:
        decoded = text.decode() if isinstance(text, bytes) else text
    try:
        return _loose(decoded)
    except RecursionError:
        return _loose(_flattened(decoded))


def _loose(text: str) -> object:
    decoder = simplejson.JSONDecoder(
        strict=False, parse_float=_number_or_text(Decimal), parse_int=_number_or_text(int), parse_constant=str
    )
    value: object = decoder.decode(text)
    return value


def _number_or_text(read: Callable[[str], object]) -> Callable[[str], object]:
    def number(text: str) -> object:
        try:
            return read(text)
        except (ValueError, ArithmeticError):
            return text

    return number


# Ten times as deep as an order goes.
_DEEPEST = 100
_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]', re.DOTALL)


def _flattened(text: str) -> str:
    """JSON with null in place of whatever is nested too deep."""
    depth, start, kept = 0, 0, []
    for found in _BRACKETS.finditer(text):
        if found[0] in ("[", "{"):
            depth += 1
            if depth == _DEEPEST:
                kept.append(text[start : found.start()])
        elif found[0] in ("]", "}"):
            if depth == _DEEPEST:
                kept.append("null")
                start = found.end()
            depth -= 1
    return "".join([*kept, text[start:] if depth < _DEEPEST else ""])


def write_json(value: object, *, indent: int | None = None) -> str:
    """Write JSON, `Decimal` as a number with all its digits; ValueError for NaN and Infinity."""
    separators = (",", ":") if indent is None else (",", ": ")
    return simplejson.dumps(value, use_decimal=True, allow_nan=False, separators=separators, indent=indent)


def url_problem(url: str, *, key: str) -> Problem | None:
    """What is wrong with the address of an API, if anything: TLS everywhere, plain http for loopback hosts only."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        return Problem(key, f"{_shown(url)} is no web address", "Write it as https://host, with a port if it needs one")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        return Problem(key, f"{_shown(url)} is more than scheme, host and port", f"Write https://{host}")
    if parts.scheme == "http" and not _is_loopback(host):
        return Problem(key, f"{_shown(url)} would send the token unprotected", f"Write https://{host}")
    return None


def require_tls(url: str, *, key: str) -> str:
    """Give the address of an API without a slash at its end; SettingsError where `url_problem` finds fault with it."""
    problem = url_problem(url, key=key)
    if problem is not None:
        raise SettingsError([problem], source="the address of the API")
    return url.rstrip("/")


def _shown(url: str) -> str:
    return repr(re.sub(r"//[^/@]*@", "//***@", url))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one attempt may take, in seconds: to connect, between two pieces of the answer, and for all of it."""

    connect: float = 10.0
    read: float = 60.0
    whole: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long a read is tried. Waits double from the first one, which goes by the status, in seconds.

    A 429 without a header starts at five seconds so that the tries span a rate window of BigCommerce (30 seconds).
    """

    tries: int = 5
    total: float = 600.0
    first: float = 1.0
    first_by_status: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({429: 5.0}))


_TIMEOUTS = Timeouts()
_PATIENCE = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Whom a client speaks to, in the words of its messages, and what a person would mend."""

    name: str
    token_key: str
    url_key: str
    scope_remedy: str
    """How a token gets a scope that it lacks."""
    token_remedy: str = ""
    """What to do about a token that is refused; empty for one that stands in the settings."""


class TokenSource(Protocol):
    """Where the bearer token of a request comes from, if it does not stay the same (OAuth). Safe for several threads.

    Both may raise AccessRefused where only a person can help, and RetryLater where the token endpoint is out of order.
    """

    def current(self) -> str:
        """The token to send now."""

    def renewed(self, refused: str) -> str:
        """The token to send after this one was refused with 401; the same one again where there is no other."""


# Anything shorter is no token, and hiding it would only garble the messages.
_SHORTEST_SECRET = 4


class _Secrets:
    """The tokens that no message may show."""

    def __init__(self) -> None:
        self._shapes: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def add(self, values: Collection[str]) -> None:
        words = {word for value in values for word in (value, value.split(" ")[-1]) if len(word) >= _SHORTEST_SECRET}
        if words <= self._shapes:
            return
        with self._lock:
            shapes = {quote(word, safe="") for word in words} | {write_json(word)[1:-1] for word in words}
            self._shapes |= words | shapes

    def hide(self, text: str) -> str:
        for shape in sorted(self._shapes, key=len, reverse=True):
            text = text.replace(shape, "***")
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One thing to ask or to write, whatever number of attempts it takes."""

    method: str
    path: str
    query: str = ""
    body: str | None = None
    content_type: str = ""
    writes: bool = False
    scope: str = ""
    missing_ok: bool = False
    empty_ok: bool = False
    loosely: bool = False
    """Whether one bad value in the answer is to be passed over (`read_loosely`)."""
    repeatable: bool = False
    """A write that does no harm when it is repeated."""
    is_secret: bool = False
    """The answer to it may be shown to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What came of one attempt: an answer, a failure, or the head of an answer and a failure in its body."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: BaseHTTPResponse | None = None
    error: Exception | None = None
    said: str = ""
    """What the other side or the failure said: one line, shortened, without secrets."""

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def timed_out(self) -> bool:
        return isinstance(self.error, requests.ReadTimeout | ReadTimeoutError)

    @property
    def never_sent(self) -> bool:
        """Whether the connection was never made. Anything later, even a broken TLS handshake, claims nothing."""
        reason = self.error.args[0] if self.error is not None and self.error.args else None
        reason = reason.reason if isinstance(reason, MaxRetryError) else reason
        return isinstance(reason, NewConnectionError | ConnectTimeoutError)


class _Repeats(Retry):
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


class Client:
    """A connection to one side: every request of the program goes through one of these. Safe for several threads.

    Raises what `errors.py` names: reads `Unreachable`, `WrongAnswer`, `RetryLater`, `AccessRefused`; writes also
    `LookAgain` and `GiveUp`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        side: Side,
        headers: Mapping[str, str],
        budget: Budget,
        workers: int = 4,
        timeouts: Timeouts = _TIMEOUTS,
        patience: Patience = _PATIENCE,
        clock: Clock = SYSTEM_CLOCK,
        tokens: TokenSource | None = None,
    ) -> None:
        """`headers` hold a token that stays the same; one that changes comes from `tokens`."""
        self.side = side
        self.base_url = require_tls(base_url, key=side.url_key)
        self._host = urlsplit(self.base_url).netloc
        self._budget, self._clock, self._tokens = budget, clock, tokens
        self._timeouts, self._patience = timeouts, patience
        self._lock = threading.Lock()
        self._secrets = _Secrets()
        self._headers = MappingProxyType(dict(self._safe(headers)))
        self._requests = 0
        self._server_date: datetime | None = None
        self._session = _session(workers, self.base_url)

    def __repr__(self) -> str:
        return f"Client({self.side.name}, {self.base_url})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    @property
    def requests(self) -> int:
        """How many requests were sent so far, repeats included."""
        return self._requests

    @property
    def server_date(self) -> datetime | None:
        """The server's clock as its last answer told it (`Date`), to hold against the host's."""
        return self._server_date

    @property
    def budget(self) -> BudgetView:
        """What is left of the rate budget."""
        return self._budget.snapshot()

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        scope: str = "",
        missing_ok: bool = False,
        empty_ok: bool = False,
        loosely: bool = False,
        nothing: object = None,
        tries: int | None = None,
    ) -> object:
        """Read: the parsed JSON, or `nothing` for 204; with `loosely`, by `read_loosely`.

        With `missing_ok`, 404 gives `nothing` as well, and with `empty_ok` an empty 200; else both are `WrongAnswer`.
        `scope` is the one to name if access is refused. `tries` may lower the number of tries, down to one.
        """
        call = _Call(
            method="GET",
            path=path,
            query=urlencode(params or {}, quote_via=quote),
            scope=scope,
            missing_ok=missing_ok,
            empty_ok=empty_ok,
            loosely=loosely,
        )
        return self._carry_out(call, nothing=nothing, tries=tries)

    def query(self, path: str, body: object, *, scope: str = "") -> object:
        """Read by POST, for lists that take their filters in a body. Changes nothing, so it is repeated like a GET."""
        return self._carry_out(_json_call("POST", path, body, scope=scope))

    def post(self, path: str, body: object, *, scope: str = "", empty_ok: bool = False) -> object:
        """Write something new; the parsed answer, or None for 204 and, with `empty_ok`, for an empty answer."""
        return self._carry_out(_json_call("POST", path, body, writes=True, scope=scope, empty_ok=empty_ok))

    def put(self, path: str, body: object, *, scope: str = "", empty_ok: bool = False) -> object:
        """Change something; answers as for `post`."""
        return self._carry_out(_json_call("PUT", path, body, writes=True, scope=scope, empty_ok=empty_ok))

    def post_form(self, path: str, fields: Mapping[str, str], *, secret: Collection[str]) -> object:
        """Ask the OAuth token endpoint, by a form; the values of the fields named `secret` are hidden, the answer too.

        Repeated like a read: if the first one was carried out, what it sent is used up and the next one is refused.
        """
        self._secrets.add([fields[name] for name in secret if name in fields])
        return self._carry_out(
            _Call(
                method="POST",
                path=path,
                body=urlencode(fields),
                content_type="application/x-www-form-urlencoded",
                writes=True,
                repeatable=True,
                is_secret=True,
            )
        )

    def _safe(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Headers that may be sent. Refused here, because requests would quote a bad one in its message."""
        if not all(
            value.isascii() and value.isprintable() and value == value.strip() != "" for value in headers.values()
        ):
            problem = Problem(
                self.side.token_key, "it is empty or holds what no token has, such as a line break", "Copy it again"
            )
            raise SettingsError([problem], source="the access token")
        self._secrets.add(headers.values())
        return headers

    def _carry_out(self, call: _Call, *, nothing: object = None, tries: int | None = None) -> object:
        outcome = self._attempts(call, tries or self._patience.tries)
        if outcome.status == 404 and call.missing_ok:
            return nothing
        if not outcome.succeeded or outcome.error is not None:
            raise self._refusal(call, outcome) from outcome.error
        if outcome.status == 204 or (call.empty_ok and not outcome.body.strip()):
            return nothing
        try:
            return _parsed(outcome, read_loosely if call.loosely else read_json)
        except ValueError as error:
            raise self._unreadable(call, outcome, str(error)) from error

    def _attempts(self, call: _Call, tries: int) -> _Outcome:
        """Try until there is an answer to go by; the last outcome."""
        until = self._clock.monotonic() + self._patience.total
        # Any method: what may be repeated is decided below, and some reads are a POST.
        repeats = _Repeats(
            total=tries - 1, allowed_methods=None, patience=self._patience, clock=self._clock, until=until
        )
        may_renew = self._tokens is not None
        while True:
            token = self._tokens.current() if self._tokens else ""
            outcome = self._attempt(call, token)
            if outcome.status == 401 and may_renew and self._renewed(token):
                may_renew = False
                continue
            if not _worth_repeating(call, outcome):
                return outcome
            try:
                repeats = repeats.increment(call.method, call.path, outcome.raw, outcome.error)
                wait = repeats.wait_after(outcome.raw)
            except MaxRetryError:
                return outcome
            if outcome.status == 429:
                self._budget.hold(wait)
            self._clock.sleep(wait)

    def _renewed(self, refused: str) -> bool:
        """Ask for another token than the refused one, and say whether there is one."""
        return self._tokens is not None and self._tokens.renewed(refused) != refused

    def _attempt(self, call: _Call, token: str) -> _Outcome:
        bearer = self._safe({"Authorization": f"Bearer {token}"}) if token else {}
        headers = {**self._headers, **bearer}
        self._budget.claim()
        started = self._clock.monotonic()
        outcome = self._send(call, headers, until=started + self._timeouts.whole)
        spent = (self._clock.monotonic() - started) * 1000
        log.debug("%s %s: %s in %d ms", call.method, call.path, outcome.status or outcome.said, spent)
        date = parse_time(outcome.headers.get("Date", ""))
        with self._lock:
            self._requests += 1
            self._server_date = date or self._server_date
        self._budget.note(outcome.headers)
        return outcome

    def _send(self, call: _Call, headers: Mapping[str, str], *, until: float) -> _Outcome:
        try:
            response = self._session.request(
                call.method,
                self.base_url + call.path + ("?" + call.query if call.query else ""),
                data=call.body,
                headers=dict(headers) | ({"Content-Type": call.content_type} if call.content_type else {}),
                timeout=(self._timeouts.connect, self._timeouts.read),
                allow_redirects=False,
                stream=True,
            )
        except (requests.RequestException, HTTPError) as error:
            return _Outcome(error=error, said=self._one_line(_reason(error)))
        with response:
            body, broken = self._body(response.raw, until)
        failed = response.status_code >= 300
        said = _answer_text(body) if failed else _reason(broken) if broken is not None else ""
        return _Outcome(
            status=response.status_code,
            headers=response.headers,
            body=body,
            raw=response.raw,
            error=broken,
            said=self._one_line(said),
        )

    def _body(self, raw: BaseHTTPResponse, until: float) -> tuple[bytes, Exception | None]:
        """All that could be read of the body, and what cut it short."""
        pieces = []
        try:
            while piece := raw.read1(_PIECE, decode_content=True):
                pieces.append(piece)
                if self._clock.monotonic() > until:
                    return b"".join(pieces), requests.ReadTimeout("the answer took too long to arrive")
        except HTTPError as error:
            return b"".join(pieces), error
        return b"".join(pieces), None

    def _one_line(self, text: str) -> str:
        return self._secrets.hide(" ".join(text.split()))[:_TEXT_LIMIT]

    def _refusal(self, call: _Call, outcome: _Outcome) -> BcpollError:
        """What an outcome without a usable answer means for the caller."""
        if outcome.status in (401, 403):
            return self._no_access(call, outcome)
        if outcome.status == 429:
            message = f"{self.side.name} asks to slow down (429) at {call.method} {call.path}: {outcome.said}"
            return RetryLater(message, hint="Nothing was done. The next run goes on where this one stopped.")
        return self._no_write(call, outcome) if call.writes else self._no_read(call, outcome)

    def _no_access(self, call: _Call, outcome: _Outcome) -> AccessRefused:
        where = f"{call.method} {call.path}"
        if outcome.status == 401:
            message = f"{self.side.name} refused the token (401) at {where}: {outcome.said}"
            hint = self.side.token_remedy or f"Put a valid token into {self.side.token_key}."
            return AccessRefused(message, hint=hint, status=401)
        lacking = f"the scope {call.scope}" if call.scope else "a scope"
        message = f"{self.side.name} does not allow {where} (403): {outcome.said}"
        hint = f"The token probably lacks {lacking}. {self.side.scope_remedy}"
        return AccessRefused(message, hint=hint, status=403)

    def _no_write(self, call: _Call, outcome: _Outcome) -> BcpollError:
        name, where, status = self.side.name, f"{call.method} {call.path}", outcome.status
        if outcome.never_sent:
            return self._unreachable(outcome)
        if status is None:
            return LookAgain(f"{name} gave no answer to {where}: {outcome.said}")
        if status < 400 or status >= 500 or status in _UNCLEAR:
            return LookAgain(f"{name} gave no clear answer to {where} ({status}): {outcome.said}", status=status)
        return GiveUp(f"{name} refused {where} ({status}): {outcome.said}", status=status)

    def _no_read(self, call: _Call, outcome: _Outcome) -> BcpollError:
        name, where, status = self.side.name, f"{call.method} {call.path}", outcome.status
        if outcome.timed_out:
            return TooHeavy(f"{name} did not answer {where} in time: {outcome.said}")
        if status is None:
            return self._unreachable(outcome)
        if status in _HEAVY:
            return TooHeavy(f"{name} broke down over {where} ({status}): {outcome.said}")
        if status >= 500:
            hint = "It may be in maintenance, or the account suspended." if status == 503 else ""
            return Unreachable(f"{name} is out of order ({status}) at {where}: {outcome.said}", hint=hint)
        if outcome.succeeded:
            return WrongAnswer(f"{name} broke off its answer to {where}: {outcome.said}")
        elsewhere = outcome.headers.get("Location") if status < 400 else None
        said = f"it points to {self._one_line(elsewhere)}" if elsewhere else outcome.said
        return WrongAnswer(f"{name} gave no answer to {where} ({status}): {said}", hint=f"Check {self.side.url_key}.")

    def _unreachable(self, outcome: _Outcome) -> Unreachable:
        message = f"{self.side.name} cannot be reached at {self._host}: {outcome.said}"
        return Unreachable(message, hint=f"Check the network and {self.side.url_key}.")

    def _unreadable(self, call: _Call, outcome: _Outcome, why: str) -> BcpollError:
        """A success whose body is no JSON: a store in maintenance answers 200 with a page of HTML, for one."""
        body = "" if call.is_secret else _answer_text(outcome.body)
        shown = self._one_line(f"{why}: {body}").removesuffix(":")
        message = f"{self.side.name} answered {call.method} {call.path} ({outcome.status}) with {shown}"
        return LookAgain(message, status=outcome.status) if call.writes else WrongAnswer(message)


class Carrier(BaseAdapter):
    """Carries the forms of a library that speaks through a session of its own: mounted there, it sends nothing itself.

    `send_form` is given the path and the fields; what it gives back goes to the library as JSON.
    """

    def __init__(self, send_form: Callable[[str, Mapping[str, str]], object]) -> None:
        super().__init__()
        self._send_form = send_form

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        """Hand the form over; whatever is raised goes through the library to its caller."""
        fields = dict(parse_qsl(str(request.body), keep_blank_values=True))
        answer = self._send_form(urlsplit(str(request.url)).path, fields)
        response = requests.Response()
        response.status_code, response.url, response.request = 200, str(request.url), request
        response.headers["Content-Type"] = "application/json"
        response.raw = BytesIO(write_json(answer).encode())
        return response

    def close(self) -> None:
        """Nothing is held."""


def _session(workers: int, base_url: str) -> requests.Session:
    """A session that sends what it is told and nothing of its own: no cookies, no redirects, no ~/.netrc.

    Proxies and certificates named in the environment hold, but not on loopback, where the token would go to the proxy
    in the open.
    """
    session = requests.Session()
    session.trust_env = not _is_loopback(urlsplit(base_url).hostname or "")
    session.headers.update(
        {"User-Agent": f"bcpoll/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip"}
    )
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    # With an `auth` of its own, requests does not replace the Authorization header by one from ~/.netrc.
    session.auth = lambda request: request
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=max(workers, 1), max_retries=Retry(0, read=False))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _json_call(
    method: str, path: str, body: object, *, scope: str, writes: bool = False, empty_ok: bool = False
) -> _Call:
    return _Call(
        method=method,
        path=path,
        body=write_json(body),
        content_type="application/json",
        writes=writes,
        scope=scope,
        empty_ok=empty_ok,
    )


def _worth_repeating(call: _Call, outcome: _Outcome) -> bool:
    """Reads after anything that may pass. Writes after 429 alone: both APIs refuse it before carrying anything out."""
    if call.writes and not call.repeatable:
        return outcome.status in _WRITE_AGAIN
    return outcome.status in _READ_AGAIN or (
        (outcome.status is None or outcome.succeeded) and outcome.error is not None
    )


def _parsed(outcome: _Outcome, read: Callable[[bytes], object]) -> object:
    """The JSON of a success; ValueError with what came instead."""
    kind = outcome.headers.get("Content-Type", "")
    if not outcome.body.strip():
        raise ValueError("nothing")
    if kind and "json" not in kind.lower():
        raise ValueError(f"{kind.split(';')[0].strip()} instead of JSON")
    try:
        return read(outcome.body)
    except ValueError as error:
        raise ValueError(f"broken JSON ({error})") from error


def _reason(error: Exception) -> str:
    """Why a request failed, without the names of classes and the address that requests and urllib3 put in front."""
    reason = error.args[0] if isinstance(error, requests.RequestException) and error.args else error
    if isinstance(reason, MaxRetryError) and reason.reason is not None:
        reason = reason.reason
    text = ", ".join(str(part) for part in reason.args) if isinstance(reason, Exception) else str(reason)
    return re.sub(r"^\w+\(host=[^)]*\): ", "", text)


# The members in which the APIs put their sentences: V3 title and errors, POS error and message, 0.9 details.
_TELLING = ("title", "error", "message", "detail", "details", "errors")

# Sentences sit at most this deep in an error body ({"error": {"message": ...}}, [{"details": {...}}]).
_TELLING_DEPTH = 5


def _answer_text(body: bytes) -> str:
    """The sentences of an error body in any shape: V2 list, V3 object, POS text or object, HTML, plain text, none."""
    text = body[:_BODY_LIMIT].decode(errors="replace")
    try:
        sentences = list(dict.fromkeys(_sentences(read_json(text), _TELLING_DEPTH)))
    except ValueError:
        sentences = []
    return "; ".join(sentences) or re.sub(r"<[^>]*>", " ", text)


def _sentences(value: object, depth: int) -> Iterator[str]:
    if depth and isinstance(value, list):
        for item in value:
            yield from _sentences(item, depth - 1)
    elif depth and isinstance(value, dict):
        telling = {name: value[name] for name in _TELLING if name in value}
        for name, item in (telling or value).items():
            for sentence in _sentences(item, depth - 1):
                yield sentence if telling else f"{name}: {sentence}"
    elif isinstance(value, str) and value.strip():
        yield value
