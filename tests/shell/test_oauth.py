"""Logging in to the POS by OAuth, and tokens that renew themselves: once, durably, and by one process at a time."""

import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
import requests
import simplejson
from loopback import Answer, Loopback, html, json_answer, loopback_server
from shop import Killed, Time
from wsgi import BASE_URL, mount

from bcpoll import logs
from bcpoll.adapters import oauth, pos
from bcpoll.adapters.oauth import Application, Misdirected, Permit, RotatingTokens, TokenEndpoint
from bcpoll.adapters.pos import OAUTH_SIDE, SCOPES, LightspeedPos
from bcpoll.adapters.token_file import TokenFile, TokenPair
from bcpoll.budget import WindowBudget
from bcpoll.errors import AccessRefused, BcpollError, RetryLater, TokenFileError, Unreachable, WrongAnswer
from bcpoll.http import Client, TokenSource
from bcpoll.sandbox.faults import Fault, Request
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.world import World, furnish, new_world

APPLICATION = Application(
    domain_prefix="sandbox",
    client_id="client",
    client_secret="client-secret",
    redirect_url="http://127.0.0.1:8765/callback",
)

SECRETS = ("client-secret", "-of-the-sandbox")

TOKEN_PATH = "/api/1.0/token"


class Account:
    """A POS account, and one process of bcpoll that is connected to it."""

    def __init__(self, folder: Path, world: World, time: Time) -> None:
        self.folder, self.world, self.time = folder, world, time
        self.file = TokenFile(folder / "bcpoll.db", clock=time.clock)
        self.endpoint = self.new_endpoint()

    def new_endpoint(self, application: Application = APPLICATION) -> TokenEndpoint:
        client = token_client(BASE_URL, self.time)
        mount(client._session, self.world)
        return TokenEndpoint(client, application, clock=self.time.clock)

    def log_in(self) -> TokenPair:
        """What somebody does at the POS's page, and what `bcpoll login` does then."""
        url = oauth.login_url(BASE_URL + "/connect", APPLICATION, scopes=SCOPES, state="ours")
        browser = requests.Session()
        mount(browser, self.world)
        back = browser.get(url, allow_redirects=False, timeout=5).headers["Location"]
        return oauth.connect(self.endpoint, self.file, oauth.read_redirect(back, APPLICATION, state="ours"))

    def process(self) -> RotatingTokens:
        """Tokens as a process of its own reads them."""
        return RotatingTokens(self.new_endpoint(), self.file, clock=self.time.clock)

    def asks(self, tokens: TokenSource) -> str:
        """Read something from the POS; gives the name of the account."""
        with pos.connect(BASE_URL, tokens, clock=self.time.clock) as client:
            mount(client._session, self.world)
            return LightspeedPos(client).retailer().name

    @property
    def token_requests(self) -> int:
        return self.world.log.count(method="POST", path=TOKEN_PATH)

    def ends(self) -> None:
        """Let the access token end before its time, as far as this host knows."""
        self.world.tokens.ends[self.world.tokens.pos] = self.time.at


def token_client(url: str, time: Time) -> Client:
    return Client(
        url,
        side=OAUTH_SIDE,
        headers={},
        budget=WindowBudget(clock=time.clock),
        patience=oauth.PATIENCE,
        timeouts=oauth.TIMEOUTS,
        clock=time.clock,
    )


def new_account(folder: Path, **switches: Any) -> Account:
    time = Time()
    world = new_world(clock=time.now, limits=Limits.off())
    world.switch(**switches)
    furnish(world.pos)
    account = Account(folder, world, time)
    account.log_in()
    world.log.clear()
    return account


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """An account that somebody has just logged in to."""
    return new_account(tmp_path)


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process has written outlives it without waiting for the disk, which would take most of the time."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(autouse=True)
def nothing_leaks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test does, no log line of ours shows a secret, at any level."""
    caplog.set_level(logging.DEBUG, logger="bcpoll")
    yield
    assert not [secret for secret in SECRETS if secret in caplog.text]
    logs._redactor.forget()


# --- the login -------------------------------------------------------------------------------------------------------


def test_the_login_page_is_asked_for_what_the_documents_name() -> None:
    page = "https://secure.retail.lightspeed.app/connect"
    url = oauth.login_url(page, APPLICATION, scopes=("sales:read", "sales:write"), state="s t+a/te")

    assert url.split("?")[0] == page
    assert "+" not in url
    assert parse_qs(urlsplit(url).query) == {
        "response_type": ["code"],
        "client_id": ["client"],
        "redirect_uri": ["http://127.0.0.1:8765/callback"],
        "scope": ["sales:read sales:write"],
        "state": ["s t+a/te"],
    }


def came_back(**params: str) -> str:
    return f"{APPLICATION.redirect_url}?{urlencode(params)}"


def test_the_code_is_read_from_where_the_login_ends() -> None:
    address = came_back(code="co de", domain_prefix="Sandbox", state="ours", user="7")

    assert oauth.read_redirect(address, APPLICATION, state="ours") == Permit("co de")
    assert oauth.read_redirect(urlsplit(address)._replace(scheme="", netloc="").geturl(), APPLICATION, state="ours")
    assert "co de" not in repr(Permit("co de"))


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"code": "abc", "state": "theirs"}, "another login"),
        ({"code": "abc"}, "another login"),
        ({"code": "abc", "state": ""}, "another login"),
        ({"code": "abc", "state": "öurs"}, "another login"),
        ({"state": "ours"}, "no code"),
        ({"state": "ours", "code": ""}, "no code"),
        ({"error": "access_denied", "state": "theirs"}, "no code"),
        ({}, "no code"),
    ],
)
def test_another_address_is_not_the_answer(params: Mapping[str, str], why: str) -> None:
    with pytest.raises(Misdirected, match=why):
        oauth.read_redirect(came_back(**params), APPLICATION, state="ours")


@pytest.mark.parametrize("state", [{"state": "ours"}, {}], ids=["with its state", "without a state"])
def test_a_denial_is_said(state: Mapping[str, str]) -> None:
    address = came_back(error="access_denied", error_description="not today", **state)

    with pytest.raises(AccessRefused, match="did not let bcpoll in: access_denied not today") as raised:
        oauth.read_redirect(address, APPLICATION, state="ours")

    assert raised.value.exit_code == 77
    assert "administrator" in raised.value.hint


def test_a_login_to_another_account_is_refused_before_anything_is_asked_for() -> None:
    with pytest.raises(AccessRefused, match=r'a login to "other", but .* is "sandbox"'):
        oauth.read_redirect(came_back(code="abc", domain_prefix="other", state="ours"), APPLICATION, state="ours")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("abcdefgh", True),
        ("a1-b2_c3.d4~e5+f6/g7=", True),
        ("short", False),
        ("two words", False),
        ("http://127.0.0.1/callback?code=abcdefgh", False),
        ("?code=abcdefgh", False),
        ("a" * 600, False),
    ],
)
def test_a_code_may_be_pasted_by_itself(text: str, is_one: bool) -> None:  # noqa: FBT001
    assert oauth.is_code(text) is is_one


def test_a_login_leaves_a_pair_on_disk_that_works(account: Account) -> None:
    assert account.asks(account.process()) == "Sandbox Shop"
    assert account.token_requests == 0
    pair = account.file.read()
    assert pair.expires_at == account.time.at + timedelta(days=1)
    assert set(pair.scope.split()) == set(SCOPES)


def test_a_login_to_another_account_that_only_the_answer_names_keeps_the_old_pair(account: Account) -> None:
    before = account.file.read()
    account.world.pos.retailer["domain_prefix"] = "other"

    with pytest.raises(AccessRefused, match='a login to "other"'):
        oauth.connect(account.endpoint, account.file, permit(account))

    assert account.file.read() == before


def permit(account: Account) -> Permit:
    account.world.tokens.code, account.world.tokens.redirect_url = "a-good-code", APPLICATION.redirect_url
    return Permit("a-good-code")


def test_a_code_is_good_once(account: Account) -> None:
    given = permit(account)
    oauth.connect(account.endpoint, account.file, given)

    with pytest.raises(AccessRefused, match="invalid_grant") as raised:
        oauth.connect(account.endpoint, account.file, given)

    assert "client_secret" in raised.value.hint


# --- the token endpoint ----------------------------------------------------------------------------------------------

PAIR = TokenPair(
    domain_prefix="sandbox",
    client_id="client",
    access_token="access-0-of-the-sandbox",
    refresh_token="refresh-0-of-the-sandbox",
    issued_at=Time().at,
    expires_at=None,
)

ANSWER: Mapping[str, Any] = {
    "access_token": "access-1-of-the-sandbox",
    "token_type": "Bearer",
    "expires": 1_795_168_800,
    "expires_in": 604_800,
    "refresh_token": "refresh-1-of-the-sandbox",
    "domain_prefix": "sandbox",
    "scope": "sales:read sales:write",
}


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback_server() as loopback:
        yield loopback


@pytest.fixture
def endpoint(server: Loopback) -> TokenEndpoint:
    time = Time()
    return TokenEndpoint(token_client(server.url, time), APPLICATION, clock=time.clock)


def test_a_code_is_sent_as_the_documents_say(server: Loopback, endpoint: TokenEndpoint) -> None:
    server.says(json_answer(ANSWER))

    pair = endpoint.exchange(Permit("co+de"))

    (seen,) = server.seen
    assert (seen.method, seen.path, seen.raw_query) == ("POST", TOKEN_PATH, "")
    assert seen.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in seen.headers
    assert dict(parse_qsl(seen.body.decode())) == {
        "grant_type": "authorization_code",
        "code": "co+de",
        "client_id": "client",
        "client_secret": "client-secret",
        "redirect_uri": "http://127.0.0.1:8765/callback",
    }
    assert pair == replace(
        PAIR,
        access_token="access-1-of-the-sandbox",
        refresh_token="refresh-1-of-the-sandbox",
        expires_at=Time().at + timedelta(days=7),
        scope="sales:read sales:write",
    )


def test_a_refresh_is_sent_as_the_documents_say(server: Loopback, endpoint: TokenEndpoint) -> None:
    server.says(json_answer(ANSWER))

    endpoint.refresh(PAIR)

    assert dict(parse_qsl(server.seen[0].body.decode())) == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-0-of-the-sandbox",
        "client_id": "client",
        "client_secret": "client-secret",
    }


ODD: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "life as text": ({"expires_in": "7200"}, {"expires_at": Time().at + timedelta(hours=2)}),
    "life with a point": ({"expires_in": simplejson.RawJSON("7200.0")}, {"expires_at": Time().at + timedelta(hours=2)}),
    "only the end": (
        {"expires_in": None, "expires": int(Time().at.timestamp()) + 7200},
        {"expires_at": Time().at + timedelta(hours=2)},
    ),
    "life that is none": ({"expires_in": "soon", "expires": None}, {"expires_at": None}),
    "no life": ({"expires_in": 0}, {"expires_at": None}),
    "a life over": ({"expires_in": -5}, {"expires_at": None}),
    "an endless life": ({"expires_in": 10**30}, {"expires_at": None}),
    "life as an object": ({"expires_in": {"seconds": 5}, "expires": []}, {"expires_at": None}),
    "scopes as a list": ({"scope": ["sales:read", 7]}, {"scope": "sales:read 7"}),
    "scopes as nothing": ({"scope": None}, {"scope": ""}),
    "another kind of token": ({"token_type": "mac"}, {}),
    "no kind of token": ({"token_type": None}, {}),
    "no further refresh token": ({"refresh_token": None}, {"refresh_token": "refresh-0-of-the-sandbox"}),
    "an empty refresh token": ({"refresh_token": ""}, {"refresh_token": "refresh-0-of-the-sandbox"}),
    "an error beside tokens": ({"error": "none"}, {}),
    "an end in another form": ({"expires_at": "tomorrow", "id_token": {}}, {}),
    "another account": ({"domain_prefix": "renamed"}, {"domain_prefix": "sandbox"}),
}


@pytest.mark.parametrize(("odd", "told"), ODD.values(), ids=ODD)
def test_no_token_is_lost_over_an_odd_member(
    server: Loopback, endpoint: TokenEndpoint, odd: Mapping[str, Any], told: Mapping[str, Any]
) -> None:
    given = {key: value for key, value in {**ANSWER, **odd}.items() if value is not None}
    server.says(json_answer(given))

    pair = endpoint.refresh(PAIR)

    assert pair.access_token == "access-1-of-the-sandbox"
    assert {name: getattr(pair, name) for name in told} == told


@pytest.mark.parametrize("answer", [[], {}, "text", {"access_token": ""}, {"access_token": "two words"}, None])
def test_an_answer_without_a_token_is_none(server: Loopback, endpoint: TokenEndpoint, answer: Any) -> None:
    server.says(json_answer(answer))

    with pytest.raises(WrongAnswer, match="without a token"):
        endpoint.refresh(PAIR)


def test_an_error_under_a_good_status_is_a_refusal(server: Loopback, endpoint: TokenEndpoint) -> None:
    server.says(json_answer({"error": "invalid_grant"}))

    with pytest.raises(AccessRefused, match="invalid_grant"):
        endpoint.refresh(PAIR)


@pytest.mark.parametrize("status", [400, 401, 403, 409, 410, 422])
def test_a_refused_refresh_asks_for_a_login(server: Loopback, endpoint: TokenEndpoint, status: int) -> None:
    server.says(json_answer({"error": "invalid_grant", "error_description": "refresh-0-of-the-sandbox"}, status))

    with pytest.raises(AccessRefused, match=rf"\({status}\).*invalid_grant") as raised:
        endpoint.refresh(PAIR)

    assert raised.value.exit_code == 77
    assert raised.value.hint.startswith("Connect the POS: bcpoll login. A refresh token is good for once")
    assert not [secret for secret in SECRETS if secret in raised.value.message]


def test_a_token_endpoint_that_is_not_there_is_a_wrong_account(server: Loopback, endpoint: TokenEndpoint) -> None:
    server.says(html(404))

    with pytest.raises(AccessRefused, match="404") as raised:
        endpoint.refresh(PAIR)

    assert raised.value.hint == "Check [pos] domain_prefix."


UNCLEAR: Mapping[str, tuple[Answer, ...]] = {
    "reset": (Answer(fault="reset"),) * 3,
    "500": (json_answer({}, 500),) * 3,
    "502 as HTML": (html(502),) * 3,
    "cut connection": (Answer(b'{"access_token": "hush-of-the-sandbox', 200, {}, "cut"),) * 3,
    "cut body": (Answer(b'{"access_token": "hush-of-the-sandbox', 200, {"Content-Type": "application/json"}),),
    "HTML": (html(text="<p>access-1-of-the-sandbox"),),
    "nothing": (Answer(b""),),
    "moved": (Answer(b"", 302, {"Location": "https://elsewhere.example/access-1-of-the-sandbox"}),),
}


@pytest.mark.parametrize("answers", UNCLEAR.values(), ids=UNCLEAR)
def test_without_a_clear_answer_the_next_run_tries_again(
    server: Loopback, endpoint: TokenEndpoint, answers: tuple[Answer, ...]
) -> None:
    server.says(*answers)

    with pytest.raises(Unreachable) as raised:
        endpoint.refresh(PAIR)

    assert raised.value.exit_code == 69
    assert "asks for a new login" in raised.value.hint
    assert not [secret for secret in SECRETS if secret in raised.value.message]


def test_the_limit_of_the_token_endpoint_is_waited_for(server: Loopback, endpoint: TokenEndpoint) -> None:
    busy = json_answer({"error": "Too Many Requests"}, 429, Retry_After="7", X_RateLimit_Limit="10")
    server.says(busy, json_answer(ANSWER))

    assert endpoint.refresh(PAIR).access_token == "access-1-of-the-sandbox"


def test_a_limit_that_does_not_end_stops_the_pass_without_harm(server: Loopback, endpoint: TokenEndpoint) -> None:
    server.says(*[json_answer({"error": "Too Many Requests"}, 429, Retry_After="7")] * 3)

    with pytest.raises(RetryLater) as raised:
        endpoint.refresh(PAIR)

    assert raised.value.exit_code == 75


def test_the_limit_of_the_token_endpoint_does_not_slow_the_rest_down(account: Account) -> None:
    account.world.limits = Limits(store_quota=None)
    account.ends()
    tokens = account.process()

    with pos.connect(BASE_URL, tokens, clock=account.time.clock) as client:
        mount(client._session, account.world)
        LightspeedPos(client).retailer()
        assert client.budget.limit == 650


# --- renewing --------------------------------------------------------------------------------------------------------


def test_a_token_is_not_renewed_before_its_end_is_near(account: Account) -> None:
    tokens = account.process()

    account.time.forward(hours=23, minutes=54)

    assert account.asks(tokens) == "Sandbox Shop"
    assert account.token_requests == 0


def test_a_token_is_renewed_ahead_of_its_end(account: Account) -> None:
    tokens = account.process()
    account.time.forward(hours=23, minutes=55)

    account.asks(tokens)
    account.asks(tokens)

    assert account.token_requests == 1
    assert account.world.log.count(when=lambda request: request.status == 401) == 0
    assert account.file.read().access_token == account.world.tokens.pos


def test_a_short_life_is_used_for_three_quarters(account: Account) -> None:
    account.world.tokens.life = timedelta(minutes=4)
    account.log_in()
    account.world.log.clear()
    tokens = account.process()

    account.time.forward(seconds=179)
    account.asks(tokens)
    assert account.token_requests == 0
    account.time.forward(seconds=1)
    account.asks(tokens)
    assert account.token_requests == 1


def test_a_clock_that_went_back_before_the_login_tells_nothing(account: Account) -> None:
    tokens = account.process()
    account.world.set_clock(Time().now)
    account.time.forward(days=-30)

    assert account.asks(tokens) == "Sandbox Shop"
    assert account.token_requests == 0


def test_a_new_pair_is_on_disk_before_it_is_used(account: Account) -> None:
    used: list[bool] = []

    def look(request: Request) -> None:
        if request.path.endswith("/retailer") and request.status == 200:
            used.append(account.file.read().access_token == account.world.tokens.pos)

    account.world.after.append(look)
    account.ends()

    account.asks(account.process())

    assert used == [True]


def test_a_refused_token_is_renewed_and_the_request_repeated(account: Account) -> None:
    tokens = account.process()
    account.ends()

    assert account.asks(tokens) == "Sandbox Shop"

    assert [request.status for request in account.world.log] == [401, 200, 200]


def test_a_pair_that_another_process_got_is_taken_from_the_file(account: Account) -> None:
    ours, theirs = account.process(), account.process()
    account.ends()
    account.asks(theirs)
    account.world.log.clear()

    account.asks(ours)

    assert [request.status for request in account.world.log] == [401, 200]
    assert account.token_requests == 0


def test_a_pair_that_another_process_got_ahead_of_the_end_is_taken_from_the_file(account: Account) -> None:
    ours, theirs = account.process(), account.process()
    account.time.forward(hours=23, minutes=55)
    account.asks(theirs)
    account.asks(ours)

    assert account.token_requests == 1


def test_a_login_in_the_middle_of_a_pass_is_taken_over(account: Account) -> None:
    tokens = account.process()
    account.log_in()
    account.world.log.clear()

    account.asks(tokens)

    assert account.token_requests == 0


def test_workers_that_are_refused_together_renew_once(account: Account) -> None:
    tokens = account.process()
    account.ends()
    together = threading.Barrier(6)
    names: list[str] = []

    def work() -> None:
        with pos.connect(BASE_URL, tokens, clock=account.time.clock) as client:
            mount(client._session, account.world)
            token = tokens.current()
            together.wait(10)
            assert tokens.renewed(token) == tokens.current()
            names.append(LightspeedPos(client).retailer().name)

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert names == ["Sandbox Shop"] * 6
    assert account.token_requests == 1


def test_a_token_that_is_refused_although_it_is_new_ends_the_pass(account: Account) -> None:
    tokens = account.process()
    account.world.faults.on_path(Fault.TOKEN_REFUSED, "GET", "/retailer", times=2)

    with pytest.raises(AccessRefused) as raised:
        account.asks(tokens)

    assert raised.value.hint == "Connect the POS again: bcpoll login"
    assert account.token_requests == 1


def test_a_token_endpoint_out_of_order_leaves_what_is_left_of_the_old_token(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = account.process()
    account.time.forward(hours=23, minutes=55)
    account.world.faults.on_path(Fault.ERROR_503, "POST", TOKEN_PATH, times=99)

    for _ in range(3):
        assert account.asks(tokens) == "Sandbox Shop"

    assert account.token_requests == oauth.PATIENCE.tries
    assert caplog.text.count("near its end and could not be renewed yet") == 1

    account.world.faults.clear()
    account.time.forward(minutes=1)
    account.asks(tokens)
    assert account.file.read().access_token == account.world.tokens.pos


def test_a_token_endpoint_out_of_order_after_the_end_stops_the_pass_without_harm(account: Account) -> None:
    tokens = account.process()
    account.time.forward(days=2)
    account.world.faults.on_path(Fault.ERROR_503, "POST", TOKEN_PATH, times=99)

    with pytest.raises(RetryLater):
        account.asks(tokens)
    account.world.faults.clear()

    assert account.asks(account.process()) == "Sandbox Shop"


def test_without_a_refresh_token_the_end_asks_for_a_login(account: Account) -> None:
    pair = account.file.read()
    with account.file.turn(), account.file.replacing() as write:
        write(replace(pair, refresh_token=""))
    tokens = account.process()
    account.ends()

    with pytest.raises(AccessRefused, match="none to renew it with") as raised:
        account.asks(tokens)

    assert "bcpoll login" in raised.value.hint
    assert account.token_requests == 0


@pytest.mark.parametrize("other", [{"domain_prefix": "other"}, {"client_id": "another"}])
def test_tokens_of_another_account_or_application_are_not_used(account: Account, other: Mapping[str, str]) -> None:
    endpoint = account.new_endpoint(replace(APPLICATION, **other))

    with pytest.raises(AccessRefused, match=r"are for .* but the settings name") as raised:
        RotatingTokens(endpoint, account.file, clock=account.time.clock)

    assert "bcpoll login" in raised.value.hint


def test_a_disk_that_is_full_keeps_the_old_pair_good(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = account.process()
    account.ends()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(TokenFileError, match="No space left"):
            account.asks(tokens)
    assert account.token_requests == 0

    assert account.asks(tokens) == "Sandbox Shop"


def test_new_tokens_are_hidden_from_the_log(account: Account) -> None:
    tokens = account.process()
    account.ends()
    account.asks(tokens)

    for token in (account.world.tokens.pos, account.world.tokens.refresh):
        assert logs._redactor.redacted(f"so {token} is it") == "so *** is it"


# --- what the POS leaves open ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.HTML_502_AFTER, Fault.CUT_BODY])
@pytest.mark.parametrize("refused", ["400", "401", "403", "422"])
def test_a_lost_answer_is_survived_where_the_pos_lets_it_be(tmp_path: Path, fault: Fault, refused: str) -> None:
    """Before the effect the refresh token is good for another try; after it only a login helps, and that is said."""
    account = new_account(tmp_path, refused_grant=refused)
    account.ends()
    account.world.faults.on_path(fault, "POST", TOKEN_PATH)

    ends = [outcome(account) for _ in range(2)]

    if not fault.is_after:
        assert ends == ["Sandbox Shop", "Sandbox Shop"]
        return
    assert ends[1] == "log in"
    account.log_in()
    assert outcome(account) == "Sandbox Shop"


def outcome(account: Account) -> str:
    """How a run ends: with an answer, with a request to log in, or in order to be tried again."""
    try:
        return account.asks(account.process())
    except AccessRefused as error:
        return "log in" if "bcpoll login" in error.hint else error.hint
    except RetryLater:
        return "later"


def test_an_old_token_that_still_works_is_used_up_to_its_end(tmp_path: Path) -> None:
    """The POS's answer is lost, but it lets the old access token live: runs go on until that one ends."""
    account = new_account(tmp_path, refreshed_access="lives")
    account.world.faults.on_path(Fault.CUT_BODY, "POST", TOKEN_PATH)
    with pytest.raises(RetryLater):
        account.process().renewed(account.file.read().access_token)

    assert outcome(account) == "Sandbox Shop"
    account.time.forward(days=1)
    assert outcome(account) == "log in"


# --- killed in the middle --------------------------------------------------------------------------------------------


@dataclass
class Doom:
    """Lets a process die at one of its steps: from then on nothing that it does has an effect, but for what the kernel
    does about a dead process, which is to close its files."""

    at: int
    moment: str
    steps: list[str] = field(default_factory=list)
    is_dead: bool = False

    def step(self, name: str, do: Callable[[], Any] = lambda: None) -> Any:
        if self.is_dead:
            raise Killed
        self.steps.append(name)
        is_last = len(self.steps) == self.at
        if is_last and self.moment == "before":
            self.is_dead = True
            raise Killed
        done = do()
        if is_last:
            self.is_dead = True
            raise Killed
        return done


CALLS = ("open", "pwrite", "ftruncate", "fchmod", "fsync", "replace", "unlink")


@contextmanager
def doomed(account: Account, at: int, moment: str) -> Iterator[Doom]:
    """Every change of a file and every request is a step."""
    doom = Doom(at, moment)
    account.world.before.append(lambda request: doom.step("request"))
    account.world.after.append(lambda request: doom.step("answer"))
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            real = getattr(os, name)

            def call(*args: Any, _name: str = name, _real: Any = real, **more: Any) -> Any:
                return doom.step(_name, lambda: _real(*args, **more))

            patch.setattr(os, name, call)
        with suppress(Killed):
            yield doom
    account.world.before.clear()
    account.world.after.clear()


def lives(folder: Path, moment: str, what: Callable[[Account], Any]) -> Iterator[tuple[Account, Doom]]:
    """An account for each step at which the process can die, until it survives."""
    for at in itertools.count(1):
        (folder / f"{at}").mkdir(parents=True)
        account = new_account(folder / f"{at}")
        with doomed(account, at, moment) as doom:
            what(account)
        if not doom.is_dead:
            return
        yield account, doom


def refresh(account: Account) -> None:
    account.ends()
    account.asks(account.process())


STEPS = (
    *("request", "answer"),  # 401
    *("open", "open", "fchmod", "pwrite", "ftruncate", "fsync", "open", "fsync"),  # lock, room, folder
    *("request", "answer"),  # the new pair
    *("pwrite", "ftruncate", "fsync", "replace", "open", "fsync"),  # the pair, its name
    *("request", "answer"),
)

# Where the POS has renewed the tokens and the answer has not been written: the old pair is dead, the new one unknown.
LOST = {"before": {12, 13}, "after": {12}}


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_step_of_a_refresh_the_next_run_goes_on_unless_the_pos_rules_it_out(
    tmp_path: Path, moment: str
) -> None:
    seen = []
    for account, doom in lives(tmp_path, moment, refresh):
        at = len(doom.steps)
        seen.append(doom.steps[-1])
        end = outcome(account)
        assert end == ("log in" if at in LOST[moment] else "Sandbox Shop"), (at, doom.steps)
        if end == "log in":
            account.log_in()
        assert outcome(account) == "Sandbox Shop"
        assert account.file.read().access_token == account.world.tokens.pos
        assert len(list(account.folder.iterdir())) == 2

    assert tuple(seen) == STEPS


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_step_of_a_login_the_old_pair_or_the_new_one_is_there(tmp_path: Path, moment: str) -> None:
    died = 0
    for account, _ in lives(tmp_path, moment, lambda account: account.log_in()):
        died += 1
        assert outcome(account) in ("Sandbox Shop", "log in")
        account.log_in()
        assert outcome(account) == "Sandbox Shop"

    assert died > 15


@pytest.mark.slow
def test_every_error_of_a_login_or_a_refresh_is_one_that_the_program_knows(account: Account) -> None:
    for fault in Fault:
        account.world.faults.on_path(fault, "POST", TOKEN_PATH, times=oauth.PATIENCE.tries)
        account.ends()
        with suppress(BcpollError):
            account.asks(account.process())
        account.world.faults.clear()
        account.log_in()

    assert account.asks(account.process()) == "Sandbox Shop"
