"""The connection to one side: what can be asked of it, and how a call is carried out.

Every request of the program goes through a client, and every one takes its place in the rate budget first.
"""

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Protocol, Self
from urllib.parse import quote, urlencode, urlsplit

from urllib3.exceptions import MaxRetryError

from bcpoll.budget import SYSTEM_CLOCK, Budget, BudgetView, Clock
from bcpoll.core.times import parse_time
from bcpoll.errors import Problem, SettingsError
from bcpoll.http.addresses import require_tls
from bcpoll.http.answers import Answers, Side
from bcpoll.http.exact import read_json, read_loosely, write_json
from bcpoll.http.exchange import Call, Outcome, Timeouts, exchange, new_session
from bcpoll.http.hiding import Secrets
from bcpoll.http.repeats import Patience, Repeats, is_worth_repeating

log = logging.getLogger(__name__)

_TIMEOUTS = Timeouts()
_PATIENCE = Patience()


class TokenSource(Protocol):
    """Where the bearer token of a request comes from, if it does not stay the same (OAuth). Safe for several threads.

    Both may raise AccessRefused where only a person can help, and RetryLater where the token endpoint is out of order.
    """

    def current(self) -> str:
        """The token to send now."""

    def renewed(self, refused: str) -> str:
        """The token to send after this one was refused with 401; the same one again where there is no other."""


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
        self._budget, self._clock, self._tokens = budget, clock, tokens
        self._timeouts, self._patience = timeouts, patience
        self._lock = threading.Lock()
        self._secrets = Secrets()
        self._answers = Answers(side, urlsplit(self.base_url).netloc, self._secrets.one_line)
        self._headers = MappingProxyType(dict(self._safe(headers)))
        self._requests = 0
        self._server_date: datetime | None = None
        self._session = new_session(workers, self.base_url)

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

    def reserve(self, percent: int) -> None:
        """Leave so much of the rate limit to another process of ours from now on; 0 for no more than the least."""
        self._budget.reserve(percent)

    def room(self, within: float) -> float:
        """How many requests the rate limit lets through within this many seconds; infinity where none is known."""
        return self._budget.room(within)

    def await_room(self, least: int, within: float) -> None:
        """Sleep until the rate limit lets this many requests through within this many seconds."""
        self._budget.await_room(least, within)

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
        call = Call(
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
            Call(
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

    def _carry_out(self, call: Call, *, nothing: object = None, tries: int | None = None) -> object:
        outcome = self._attempts(call, tries or self._patience.tries)
        if outcome.status == 404 and call.missing_ok:
            return nothing
        if not outcome.succeeded or outcome.error is not None:
            raise self._answers.refusal(call, outcome) from outcome.error
        if outcome.status == 204 or (call.empty_ok and not outcome.body.strip()):
            return nothing
        try:
            return _parsed(outcome, read_loosely if call.loosely else read_json)
        except ValueError as error:
            raise self._answers.unreadable(call, outcome, str(error)) from error

    def _attempts(self, call: Call, tries: int) -> Outcome:
        """Try until there is an answer to go by; the last outcome."""
        until = self._clock.monotonic() + self._patience.total
        # Any method: what may be repeated is decided below, and some reads are a POST.
        repeats = Repeats(
            total=tries - 1, allowed_methods=None, patience=self._patience, clock=self._clock, until=until
        )
        may_renew = self._tokens is not None
        while True:
            token = self._tokens.current() if self._tokens else ""
            outcome = self._attempt(call, token)
            if outcome.status == 401 and may_renew and self._renewed(token):
                may_renew = False
                continue
            if not is_worth_repeating(call, outcome):
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

    def _attempt(self, call: Call, token: str) -> Outcome:
        bearer = self._safe({"Authorization": f"Bearer {token}"}) if token else {}
        headers = {**self._headers, **bearer}
        monotonic = self._clock.monotonic
        with self._budget.request() as sent:
            outcome = exchange(
                self._session, self.base_url, call, headers, timeouts=self._timeouts, monotonic=monotonic
            )
            sent.headers = outcome.headers
        spent = (monotonic() - sent.at) * 1000
        log.debug("%s %s: %s in %d ms", call.method, call.path, outcome.status or self._answers.said(outcome), spent)
        date = parse_time(outcome.headers.get("Date", ""))
        with self._lock:
            self._requests += 1
            self._server_date = date or self._server_date
        return outcome


def _json_call(
    method: str, path: str, body: object, *, scope: str, writes: bool = False, empty_ok: bool = False
) -> Call:
    return Call(
        method=method,
        path=path,
        body=write_json(body),
        content_type="application/json",
        writes=writes,
        scope=scope,
        empty_ok=empty_ok,
    )


def _parsed(outcome: Outcome, read: Callable[[bytes], object]) -> object:
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
