"""Getting in to the POS by OAuth: the address to log in at, what comes back, and tokens that renew themselves.

The only module that imports requests-oauthlib; what that sends goes through the transport like everything else. The POS
rotates both tokens at each refresh, so that a pair is on the disk before it is used, and one process at a time asks.
"""

import hmac
import logging
import re
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from requests_oauthlib import OAuth2Session

from bcpoll import logs
from bcpoll.adapters.token_file import LOG_IN, TokenFile, TokenPair
from bcpoll.budget import Clock
from bcpoll.core.order import Json
from bcpoll.errors import AccessRefused, GiveUp, LookAgain, RetryLater, Unreachable, WrongAnswer
from bcpoll.http import Carrier, Client, Patience, Timeouts
from bcpoll.rows import is_row, text_of, whole_of

log = logging.getLogger(__name__)

# The two packages log request bodies and tokens when they are asked to say much.
for _name in ("requests_oauthlib", "oauthlib"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# The library takes no plain http, which a sandbox on loopback speaks: it is shown a host that is none, and the
# addresses are moved afterwards.
_NOWHERE = "https://pos.invalid"

# The token endpoint of every version of the API.
_TOKEN_URL = f"{_NOWHERE}/api/1.0/token"

# Every waiting process waits for this one, so it gives up sooner than a pass does.
PATIENCE = Patience(tries=3, total=60.0)
TIMEOUTS = Timeouts(read=30.0, whole=45.0)

_SECRET = ("code", "client_secret", "refresh_token")

# A token is renewed this long before its end, or in the last quarter of its life where that is shorter: more than the
# host's clock gains on the server's in a day, and than a request takes.
_AHEAD = timedelta(minutes=5)
_LAST_PART = 4

# A life shorter than a minute is not worth tracking: then the POS's 401 tells when it is over.
_SHORTEST_LIFE = 60
_LONGEST_LIFE = 10 * 366 * 86_400

# After a refresh ahead of time that failed: how long to go on with the old token before the next try.
_PAUSE = 60.0

# Refusals that are as final as 400, 401 and 403: it is not documented which of them the endpoint answers with.
_FINAL = frozenset({409, 422})

_USED_UP = (
    f"{LOG_IN}. A refresh token is good for once: where the answer to an earlier refresh was lost, or the POS was"
    " connected elsewhere with the same application, nothing else helps. If logging in fails as well, check"
    " [pos] client_id and client_secret."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The OAuth application of the shop, and the account that it is connected to."""

    domain_prefix: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_url: str


class Misdirected(ValueError):
    """An address that is not the answer to the login under way; the text says why."""


@dataclass(frozen=True, slots=True)
class Permit:
    """What a login gives: a code, good once and for a short while."""

    code: str = field(repr=False)


def login_url(page: str, application: Application, *, scopes: Collection[str], state: str) -> str:
    """The address at which a person lets bcpoll in: the POS's page with what it has to know."""
    session = OAuth2Session(application.client_id, redirect_uri=application.redirect_url, scope=list(scopes))
    url, _ = session.authorization_url(_NOWHERE, state)
    # A blank between two scopes is a plus in a form only; as %20 it is one everywhere.
    return page + str(url).removeprefix(_NOWHERE).replace("+", "%20")


def read_redirect(address: str, application: Application, *, state: str) -> Permit:
    """Read the address that a login ends on. AccessRefused where access was denied, Misdirected for anything else."""
    params = dict(parse_qsl(urlsplit(address).query))
    # A denial without a state counts: it can do no harm, and whether the POS sends one along is not documented.
    is_ours = hmac.compare_digest(params.get("state", "").encode(), state.encode())
    if "error" in params and (is_ours or "state" not in params):
        said = " ".join(filter(None, (params["error"], params.get("error_description", ""))))[:200]
        raise AccessRefused(f"Lightspeed did not let bcpoll in: {said}", hint=_DENIED)
    if not params.get("code"):
        raise Misdirected("there is no code in it")
    if not is_ours:
        raise Misdirected("it belongs to another login than the one under way")
    _check_shop(params.get("domain_prefix", ""), application)
    return Permit(params["code"])


def is_code(text: str) -> bool:
    """Whether a text may be a code by itself, rather than an address with one in it."""
    return re.fullmatch(r"[A-Za-z0-9._~+/=-]{8,512}", text) is not None


_DENIED = (
    "Log in as an administrator and allow what is asked for. If nothing was asked, check [pos] client_id and"
    " redirect_url, and which scopes the application has."
)


def _check_shop(domain_prefix: str, application: Application) -> None:
    """The POS names the account that was logged in to; where it does not, the settings have to be right."""
    if domain_prefix and domain_prefix.lower() != application.domain_prefix:
        raise AccessRefused(
            f'That was a login to "{domain_prefix[:80]}", but [pos] domain_prefix is "{application.domain_prefix}"',
            hint="Log out of the POS in the browser and log in to the right account, or correct the setting.",
        )


class TokenEndpoint:
    """The POS's token endpoint: a pair of tokens for a code, or for the pair before it."""

    def __init__(self, client: Client, application: Application, *, clock: Clock) -> None:
        """`client` must be one of its own: the endpoint counts requests apart from the rest of the API."""
        self.application = application
        self._client, self._clock = client, clock

    def exchange(self, permit: Permit) -> TokenPair:
        """The first pair, after a login."""
        asked_at = self._clock.now()
        answer = self._session().fetch_token(
            _TOKEN_URL, code=permit.code, include_client_id=True, client_secret=self.application.client_secret
        )
        _check_shop(text_of(answer, "domain_prefix"), self.application)
        return self._pair(answer, asked_at)

    def refresh(self, pair: TokenPair) -> TokenPair:
        """The next pair. Once it is asked for, the one before it has to be taken for dead."""
        if not pair.refresh_token:
            raise AccessRefused("The POS's token ended, and there is none to renew it with", hint=LOG_IN)
        asked_at = self._clock.now()
        answer = self._session().refresh_token(
            _TOKEN_URL,
            refresh_token=pair.refresh_token,
            client_id=self.application.client_id,
            client_secret=self.application.client_secret,
        )
        return self._pair(answer, asked_at)

    def _session(self) -> OAuth2Session:
        """A session without scopes: with them, the library throws away an answer that grants others than asked for."""
        session = OAuth2Session(self.application.client_id, redirect_uri=self.application.redirect_url)
        session.mount("https://", Carrier(self._send))
        return session

    def _send(self, path: str, fields: Mapping[str, str]) -> object:
        try:
            answer = self._client.post_form(path, fields, secret=_SECRET)
        except AccessRefused as error:
            raise AccessRefused(f"The POS's tokens: {error.message}", hint=_USED_UP) from error
        except GiveUp as error:
            hint = "Check [pos] domain_prefix." if error.status == 404 else _USED_UP
            raise AccessRefused(f"The POS's tokens: {error.message}", hint=hint) from error
        except LookAgain as error:
            if error.status in _FINAL:
                raise AccessRefused(f"The POS's tokens: {error.message}", hint=_USED_UP) from error
            raise Unreachable(f"The POS's tokens: {error.message}", hint=_MAYBE_LOST) from error
        return _plain(answer, self._clock.now())

    def _pair(self, answer: Json, asked_at: datetime) -> TokenPair:
        life = whole_of(answer, "expires_in")
        return TokenPair(
            domain_prefix=self.application.domain_prefix,
            client_id=self.application.client_id,
            access_token=str(answer["access_token"]),
            refresh_token=text_of(answer, "refresh_token"),
            issued_at=asked_at,
            expires_at=None if life is None else asked_at + timedelta(seconds=life),
            scope=" ".join(answer.get("scope") or ()),
        )


_MAYBE_LOST = (
    "The next run tries again. If the POS had renewed the tokens and only its answer was lost, that run says so and"
    " asks for a new login."
)


def _plain(answer: object, now: datetime) -> Json:
    """An answer of the token endpoint as the library can read it: by then the old tokens are dead, so nothing of the
    new ones may be lost over a member that is not what it should be."""
    row = answer if is_row(answer) else {}
    tokens = {name: text_of(row, name).strip() for name in ("access_token", "refresh_token")}
    if row.get("error") and not tokens["access_token"]:
        raise AccessRefused(f"The POS's tokens: Lightspeed answered {text_of(row, 'error')[:200]}", hint=_USED_UP)
    if not re.fullmatch(r"[!-~]+", tokens["access_token"]):
        raise WrongAnswer("Lightspeed's token endpoint answered without a token", hint=_MAYBE_LOST)
    scope = row.get("scope")
    plain: Json = {name: token for name, token in tokens.items() if token}
    plain |= {"token_type": "Bearer", "domain_prefix": text_of(row, "domain_prefix")}
    plain |= {"scope": " ".join(map(str, scope)) if isinstance(scope, list) else text_of(row, "scope")}
    life = _life(row, now)
    return plain if life is None else plain | {"expires_in": life}


def _life(row: Json, now: datetime) -> int | None:
    """Seconds that an access token lives from now: as told, or by the moment of its end; None where neither helps."""
    end = whole_of(row, "expires")
    life = whole_of(row, "expires_in")
    if life is None and end is not None:
        life = end - int(now.timestamp())
    return life if life is not None and _SHORTEST_LIFE <= life <= _LONGEST_LIFE else None


def connect(endpoint: TokenEndpoint, file: TokenFile, permit: Permit) -> TokenPair:
    """Turn a login into a pair of tokens on disk; whatever pair was there is replaced."""
    with file.turn(), file.replacing() as write:
        pair = endpoint.exchange(permit)
        logs.protect((pair.access_token, pair.refresh_token))
        write(pair)
    return pair


class RotatingTokens:
    """The tokens of the account for the length of a command; carries out `http.TokenSource`."""

    def __init__(self, endpoint: TokenEndpoint, file: TokenFile, *, clock: Clock) -> None:
        """AccessRefused where nobody has logged in to this account yet."""
        self._endpoint, self._file, self._clock = endpoint, file, clock
        self._lock = threading.Lock()
        self._paused_until = clock.monotonic()
        self._pair = self._known(file.read())

    def current(self) -> str:
        """The access token; renewed first where its end is near. A refresh that fails by then may still come later."""
        pair = self._pair
        if not _is_due(pair, self._clock.now()):
            return pair.access_token
        with self._lock:
            if self._pair is not pair or self._clock.monotonic() < self._paused_until:
                return self._pair.access_token
            try:
                self._pair = self._next(pair.access_token)
            except RetryLater as error:
                # Whether the old one is over is for the POS to say: it may be this host's clock that is wrong.
                log.warning("the POS's token is near its end and could not be renewed yet: %s", error.message)
                self._paused_until = self._clock.monotonic() + _PAUSE
            return self._pair.access_token

    def renewed(self, refused: str) -> str:
        """Another token than the refused one: another worker's, another process's, or a new one."""
        with self._lock:
            if self._pair.access_token == refused:
                self._pair = self._next(refused)
            return self._pair.access_token

    def _next(self, used: str) -> TokenPair:
        """The pair after the one with this access token, from the file or else from the POS."""
        with self._file.turn():
            stored = self._known(self._file.read_in_turn())
            if stored.access_token != used:
                return stored
            with self._file.replacing() as write:
                pair = self._endpoint.refresh(stored)
                logs.protect((pair.access_token, pair.refresh_token))
                write(pair)
            log.info("the POS's tokens were renewed")
            return pair

    def _known(self, pair: TokenPair) -> TokenPair:
        """A pair from the file, hidden from the log; AccessRefused where it is for another account or application."""
        logs.protect((pair.access_token, pair.refresh_token))
        application = self._endpoint.application
        if (pair.domain_prefix, pair.client_id) != (application.domain_prefix, application.client_id):
            raise AccessRefused(
                f'The tokens in {self._file.path} are for "{pair.domain_prefix}" and the application {pair.client_id},'
                f' but the settings name "{application.domain_prefix}" and {application.client_id}',
                hint=LOG_IN,
            )
        return pair


def _is_due(pair: TokenPair, now: datetime) -> bool:
    """Whether a pair's end is near. Not where the clock stands before its beginning: then that cannot be told."""
    if pair.expires_at is None or now < pair.issued_at:
        return False
    return now >= pair.expires_at - min(_AHEAD, (pair.expires_at - pair.issued_at) / _LAST_PART)
