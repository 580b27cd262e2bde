"""One request and what came of it: an answer, a failure, or the head of an answer and a failure in its body.

The only module that imports requests. It judges nothing: what an outcome means is for `answers`, whether to try again
for `repeats`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from bcpoll import __version__
from bcpoll.http.addresses import is_loopback
from bcpoll.http.exact import write_json

# The answer's body is read in pieces of this size, so that a body that drips can be given up between two of them.
_PIECE = 65_536

# No page of either API comes near this; what does would take all memory, as a few compressed bytes can.
_LARGEST = 100_000_000

_HEADERS: Mapping[str, str] = MappingProxyType(
    {"User-Agent": f"bcpoll/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip"}
)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one attempt may take, in seconds: to connect, between two pieces of the answer, and for all of it."""

    connect: float = 10.0
    read: float = 60.0
    whole: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to make, however many attempts it takes."""

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
class Outcome:
    """What came of one attempt."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: BaseHTTPResponse | None = None
    error: Exception | None = None
    broken_by: str = ""
    """Why it failed, where it did."""

    @property
    def succeeded(self) -> bool:
        """Whether there is a whole head of an answer that says yes."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def timed_out(self) -> bool:
        """Whether the answer did not come in time."""
        return isinstance(self.error, requests.ReadTimeout | ReadTimeoutError)

    @property
    def is_too_large(self) -> bool:
        """Whether there was more of the answer than can be kept."""
        return isinstance(self.error, _TooLarge)

    @property
    def never_sent(self) -> bool:
        """Whether the connection was never made. Anything later, even a broken TLS handshake, claims nothing."""
        reason = self.error.args[0] if self.error is not None and self.error.args else None
        reason = reason.reason if isinstance(reason, MaxRetryError) else reason
        return isinstance(reason, NewConnectionError | ConnectTimeoutError)


class _TooLarge(HTTPError):
    """An answer that does not end where any should."""


def exchange(
    session: requests.Session,
    base_url: str,
    call: Call,
    headers: Mapping[str, str],
    *,
    timeouts: Timeouts,
    monotonic: Callable[[], float],
) -> Outcome:
    """Send a call once."""
    until = monotonic() + timeouts.whole
    try:
        response = session.get_adapter(base_url).send(
            _prepared(base_url, call, headers),
            timeout=(timeouts.connect, timeouts.read),
            proxies=session.proxies,
            verify=session.verify is None or session.verify,
            cert=session.cert,
            stream=True,
        )
    except (OSError, HTTPError) as error:
        # All of requests' own are OSError too; a bare one names a file of certificates that is not there.
        return Outcome(error=error, broken_by=_reason(error))
    with response:
        body, broken = _body(response.raw, lambda: monotonic() > until)
    return Outcome(
        status=response.status_code,
        headers=response.headers,
        body=body,
        raw=response.raw,
        error=broken,
        broken_by=_reason(broken) if broken is not None else "",
    )


def _prepared(base_url: str, call: Call, headers: Mapping[str, str]) -> requests.PreparedRequest:
    """The request as it goes out. All in it is ours and valid: requests would take as long over it as a translation."""
    body = None if call.body is None else call.body.encode()
    content = {} if body is None else {"Content-Type": call.content_type, "Content-Length": str(len(body))}
    request = requests.PreparedRequest()
    request.method = call.method
    request.url = base_url + call.path + ("?" + call.query if call.query else "")
    request.headers = CaseInsensitiveDict({**_HEADERS, **headers, **content})
    request.body = body
    return request


def _body(raw: BaseHTTPResponse, is_late: Callable[[], bool]) -> tuple[bytes, Exception | None]:
    """All that could be read of the body, and what cut it short."""
    pieces: list[bytes] = []
    size = 0
    try:
        while piece := raw.read1(_PIECE, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > _LARGEST:
                return b"".join(pieces), _TooLarge(f"more than {_LARGEST // 10**6} MB")
            if is_late():
                return b"".join(pieces), requests.ReadTimeout("the answer took too long to arrive")
    except HTTPError as error:
        return b"".join(pieces), error
    return b"".join(pieces), None


def _reason(error: Exception) -> str:
    """Why a request failed, without the names of classes and the address that requests and urllib3 put in front."""
    reason = error.args[0] if isinstance(error, requests.RequestException) and error.args else error
    if isinstance(reason, MaxRetryError) and reason.reason is not None:
        reason = reason.reason
    text = ", ".join(str(part) for part in reason.args) if isinstance(reason, Exception) else str(reason)
    return re.sub(r"^\w+\(host=[^)]*\): ", "", text)


def new_session(most: int, base_url: str) -> requests.Session:
    """The connections to one side, a limited number kept open, and what the environment says about them.

    Proxies and certificates named in the environment hold, but not on loopback, where the token would go to the proxy
    in the open. Requests are handed to the adapter itself: no cookies, no redirects, no ~/.netrc.
    """
    session = requests.Session()
    session.trust_env = not is_loopback(urlsplit(base_url).hostname or "")
    # Looked up once: to go through the environment takes as long as some requests.
    surroundings: Mapping[str, Any] = session.merge_environment_settings(base_url, {}, None, None, None)
    session.proxies, session.verify, session.cert = (surroundings[name] for name in ("proxies", "verify", "cert"))
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=max(most, 1), max_retries=Retry(0, read=False))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


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
