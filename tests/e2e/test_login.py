"""`bcpoll login` and runs that live on it: by a browser, by hand, and when processes die or come together."""

import io
import json
import re
import shlex
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from program import LONGEST, Desk, Said, checked, command, environment, finish, small_world, start

from bcpoll.sandbox.faults import ConnectionDropped, Request
from bcpoll.sandbox.world import World

# Each test starts the program: run_once, processes and demo show in the quick part that the command line works.
pytestmark = pytest.mark.slow

OpenDesk = Callable[[World], Desk]

TOKEN_PATH = "/api/1.0/token"


class Person:
    """Somebody with a browser: opens the login page, and ends where the POS sends them."""

    def __init__(self) -> None:
        self.page = ""

    def open(self, url: str) -> bool:
        """Follow the page back to where it leads, as a browser on this machine does."""
        with suppress(HTTPError), urllib.request.urlopen(url, timeout=LONGEST) as answer:
            self.page = answer.read().decode()
        return True

    def opens_elsewhere(self, url: str) -> str:
        """The address that a browser on another machine ends on."""

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: object) -> None:
                return None

        try:
            urllib.request.build_opener(Stay).open(url, timeout=LONGEST)
        except HTTPError as answer:
            return str(answer.headers["Location"])
        raise AssertionError("the page does not send anybody back")


@pytest.fixture
def desk(open_desk: OpenDesk) -> Desk:
    """A small shop with three orders, whose POS gives no personal tokens."""
    desk = open_desk(small_world(orders=3))
    write_oauth(desk)
    return desk


def write_oauth(desk: Desk, *changes: tuple[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        back = f"http://127.0.0.1:{server.getsockname()[1]}/callback"
    pair = f'client_id = "client"\nclient_secret = "client-secret"\nredirect_url = "{back}"'
    desk.write_config(('access_token = "pos-token"', pair), *changes)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    """Somebody who has a browser on this machine."""
    person = Person()
    monkeypatch.setattr("bcpoll.cli.login._browser", lambda environ: person)
    return person


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server: no browser."""
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


def tokens_hidden(desk: Desk, said: Said) -> None:
    tokens = desk.world.tokens
    for secret in (tokens.client_secret, "-of-the-sandbox"):
        assert secret not in said.out + said.err


# --- by a browser ----------------------------------------------------------------------------------------------------


def test_a_login_by_browser_and_then_a_pass(desk: Desk, person: Person) -> None:
    before = desk.run("run-once")
    login = desk.run("-vv", "login")
    after = desk.run("-vv", "run-once")

    assert before.code == 77
    assert before.err.splitlines() == [
        f"bcpoll: The POS is not connected yet: there is no {desk.checkpoint}.oauth.json",
        "Connect the POS: bcpoll login",
    ]
    assert login.code == 0
    assert login.out == f"Connected to Sandbox Shop (sandbox). The tokens are in {desk.checkpoint}.oauth.json.\n"
    assert "Waiting for the browser" in login.err
    assert "Go on in the terminal" in person.page
    assert after.code == 0
    assert after.out.startswith("3 sales written")
    tokens_hidden(desk, login)
    tokens_hidden(desk, after)
    assert Path(f"{desk.checkpoint}.oauth.json").stat().st_mode & 0o777 == 0o600


def test_a_login_as_json(desk: Desk, person: Person) -> None:
    said = desk.run("--json", "login")

    assert said.json["retailer"] == "Sandbox Shop"
    assert said.json["scopes_missing"] == []
    assert said.json["expires_at"]


def test_the_right_to_open_registers_is_asked_for_where_it_is_used(desk: Desk, person: Person) -> None:
    desk.run("login")
    first = desk.world.tokens.granted
    desk.config.write_text(desk.config.read_text().replace("[pos]\n", '[pos]\nwhen_closed = "open"\n'))
    desk.run("login")

    assert desk.world.tokens.granted == (first or frozenset()) | {"register:open"}


def test_scopes_that_were_not_granted_are_named(desk: Desk, person: Person) -> None:
    desk.world.pos_scopes -= {"sales:write", "taxes:read"}

    said = desk.run("login")

    assert said.code == 0
    assert "The POS did not grant: sales:write, taxes:read." in said.err


def test_a_denied_login_changes_nothing(desk: Desk, person: Person) -> None:
    desk.world.tokens.denies = True
    for denial in ("with_state", "without_state"):
        desk.world.switch(denial=denial)
        said = desk.run("login")

        assert said.code == 77
        assert "bcpoll: Lightspeed did not let bcpoll in: access_denied" in said.err
    assert desk.world.log.count(path=TOKEN_PATH) == 0
    assert sorted(path.name for path in desk.folder.iterdir()) == ["bcpoll.db.oauth.json.lock", "config.toml"]


def test_an_answer_with_another_state_is_turned_away_and_the_right_one_taken(desk: Desk, person: Person) -> None:
    opened = person.open
    seen: list[int] = []

    def first_somebody_else(url: str) -> bool:
        back = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(f"{back}?{urlencode({'code': 'theirs', 'state': 'theirs'})}", timeout=LONGEST)
        seen.append(refused.value.code)
        return opened(url)

    person.open = first_somebody_else  # type: ignore[method-assign]

    assert desk.run("login").code == 0
    assert seen == [400]
    assert desk.world.tokens.issued == 1


def test_a_login_that_nobody_makes_ends(desk: Desk, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bcpoll.cli.login._PATIENCE", 0)
    person.open = lambda url: True  # type: ignore[method-assign]

    said = desk.run("login")

    assert said.code == 75
    assert "bcpoll: Nobody logged in within" in said.err
    assert "bcpoll login --paste" in said.err


def test_a_port_in_use(desk: Desk, person: Person) -> None:
    port = int(re.findall(r'redirect_url = "http://127.0.0.1:(\d+)', desk.config.read_text())[0])
    with socket.create_server(("127.0.0.1", port)):
        said = desk.run("login")

    assert said.code == 75
    assert f"bcpoll: Port {port} of 127.0.0.1 cannot be listened on: Address already in use" in said.err


def test_a_wrong_client_secret(desk: Desk, person: Person) -> None:
    desk.world.tokens.client_secret = "another"

    said = desk.run("login")

    assert said.code == 77
    assert "check [pos] client_id and client_secret" in said.err


def test_tokens_that_cannot_be_kept_show_before_anybody_logs_in(desk: Desk, person: Person) -> None:
    Path(f"{desk.checkpoint}.oauth.json.new").mkdir()

    said = desk.run("login")

    assert said.code == 74
    assert "cannot be written: Is a directory" in said.err
    assert len(desk.world.log) == 0


def test_without_an_application_there_is_nothing_to_log_in_with(desk: Desk) -> None:
    desk.write_config()

    said = desk.run("login")

    assert said.code == 78
    assert "[pos] client_id: is missing" in said.err
    assert "with a personal token, no login is needed" in said.err


def test_beside_a_personal_token_the_login_says_which_one_is_used(desk: Desk, person: Person) -> None:
    write_oauth(desk, ("client_id", 'access_token = "pos-token"\nclient_id'))

    said = desk.run("login")

    assert said.code == 0
    assert "[pos] access_token is used, not client_id" in said.err
    assert "Now take [pos] access_token out of the settings" in said.err


# --- by hand ---------------------------------------------------------------------------------------------------------


class Typed(io.StringIO):
    """What somebody types, who reads the terminal first."""

    def __init__(self, desk: Desk, *lines: Callable[[str], str]) -> None:
        super().__init__()
        self._desk, self._lines, self._heard = desk, [*lines], ""

    def readline(self, *_: object) -> str:
        self._heard += self._desk.capture.readouterr().err
        if not self._lines:
            return ""
        (url,) = re.findall(r"^http\S+/connect\S+$", self._heard, re.MULTILINE)
        return self._lines.pop(0)(url) + "\n"


def test_a_login_by_hand(desk: Desk, nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Typed(desk, Person().opens_elsewhere))

    said = desk.run("login")

    assert said.code == 0
    assert said.out.startswith("Connected to Sandbox Shop (sandbox).")


def test_a_login_by_the_code_alone(desk: Desk, nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def code(url: str) -> str:
        return "  " + dict(parse_qsl(urlsplit(Person().opens_elsewhere(url)).query))["code"] + " "

    monkeypatch.setattr(sys, "stdin", Typed(desk, code))

    assert desk.run("login", "--paste").code == 0


def test_a_redirect_to_another_machine_is_pasted_even_where_there_is_a_browser(
    desk: Desk, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Typed(desk, person.opens_elsewhere))
    config = desk.config.read_text()
    desk.config.write_text(re.sub(r'redirect_url = ".*"', 'redirect_url = "https://shop.example/bcpoll"', config))

    said = desk.run("login")

    assert said.code == 0


def test_garbage_is_asked_for_again(desk: Desk, nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_another_login(url: str) -> str:
        return re.sub("state=[^&]+", "state=theirs", Person().opens_elsewhere(url))

    answers = [
        lambda url: "",
        lambda url: "what is this",
        lambda url: "https://[half",
        lambda url: url,
        of_another_login,
        Person().opens_elsewhere,
    ]
    typed = Typed(desk, *answers)
    monkeypatch.setattr(sys, "stdin", typed)

    said = desk.run("login", "--paste")

    assert said.code == 0
    assert "there is no code in it" in typed._heard
    assert "it belongs to another login" in typed._heard
    assert desk.world.tokens.issued == 1


def test_nothing_to_read_is_said(desk: Desk, nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Typed(desk))

    said = desk.run("login")

    assert said.code == 2
    assert "Nothing came that could be read" in said.err


def test_a_denial_by_hand(desk: Desk, nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.world.tokens.denies = True
    monkeypatch.setattr(sys, "stdin", Typed(desk, Person().opens_elsewhere))

    said = desk.run("login")

    assert said.code == 77
    assert "access_denied" in said.err


# --- runs ------------------------------------------------------------------------------------------------------------


def test_a_pass_renews_what_has_ended_and_the_next_one_need_not(desk: Desk, person: Person) -> None:
    desk.run("login")
    ends(desk)

    first = desk.run("-v", "run-once")
    second = desk.run("run-once")

    assert (first.code, second.code) == (0, 0)
    assert "the POS's tokens were renewed" in first.err
    assert desk.world.tokens.issued == 2
    tokens_hidden(desk, first)


def ends(desk: Desk) -> None:
    """Let the access token end before its time."""
    desk.world.tokens.ends.clear()
    desk.world.tokens.pos = "ended"


def test_a_refresh_that_is_refused_asks_for_a_login(desk: Desk, person: Person) -> None:
    desk.run("login")
    ends(desk)
    desk.world.tokens.refresh = "another"

    said = desk.run("run-once")
    again = desk.run("login")

    assert said.code == 77
    assert "bcpoll: The POS's tokens: Lightspeed refused" in said.err
    assert "Connect the POS: bcpoll login. A refresh token is good for once" in said.err
    tokens_hidden(desk, said)
    assert again.code == 0
    assert desk.run("run-once").out.startswith("3 sales written")


def test_the_sandbox_writes_settings_that_a_login_can_be_tried_with(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"

    with start("sandbox", "--oauth", "--port", "0", "--write-config", str(config), folder=tmp_path) as running:
        running.says(f"Try: bcpoll --config {config} login")
        running.says("Store and POS are at")
        text = config.read_text()
        said = finish("run-once", folder=tmp_path)

    assert 'client_id = "client"' in text
    assert 'access_token = "pos-token"' not in text
    assert said.code == 77
    assert "Connect the POS: bcpoll login" in said.err


def test_a_browser_of_its_own_comes_back_to_a_program_of_its_own(desk: Desk) -> None:
    script = desk.folder / "browser.py"
    script.write_text("import sys, urllib.request\nurllib.request.urlopen(sys.argv[1])\n")
    browser = f"{shlex.quote(sys.executable)} {shlex.quote(str(script))} %s"

    said = finish_with(desk, "login", BROWSER=browser)

    assert said.code == 0
    assert said.out.startswith("Connected to Sandbox Shop")


def finish_with(desk: Desk, *arguments: str, **variables: str) -> Said:
    done = subprocess.run(
        command(*arguments),
        cwd=desk.folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    return checked(Said(code=done.returncode, out=done.stdout, err=done.stderr))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_is_killed_over_a_refresh_leaves_what_the_next_one_needs(
    desk: Desk, person: Person, moment: str
) -> None:
    """Before the POS renews the tokens, the next run goes on. After it, the answer is lost: only a login helps."""
    desk.run("login")
    ends(desk)
    started = threading.Event()
    killed: list[int] = []

    def kill(request: Request) -> None:
        if request.path == TOKEN_PATH and not killed:
            assert started.wait(LONGEST)
            running.process.kill()
            killed.append(running.process.wait(LONGEST))
            raise ConnectionDropped

    (desk.world.before if moment == "before" else desk.world.after).append(kill)
    with start("run-once", folder=desk.folder) as running:
        started.set()
        running.process.wait(LONGEST)
    next_one = desk.run("run-once")

    assert killed == [-9]
    if moment == "before":
        assert next_one.code == 0
    else:
        assert next_one.code == 77
        assert "where the answer to an earlier refresh was lost" in next_one.err
        assert desk.run("login").code == 0
        assert desk.run("run-once").code == 0
    assert len(desk.pos().sales) == 3


PROCESSES = 8


def test_eight_processes_that_are_refused_at_once_ask_for_one_pair_and_all_go_on(desk: Desk, person: Person) -> None:
    desk.run("login")
    ends(desk)
    together, refused = threading.Barrier(PROCESSES), []
    lock = threading.Lock()

    def hold(request: Request) -> None:
        """Let nobody go before all have been refused."""
        if request.side == "pos" and request.status == 401:
            with lock:
                refused.append(request)
                is_one_of_them = len(refused) <= PROCESSES
            if is_one_of_them:
                together.wait(LONGEST)

    desk.world.after.append(hold)
    desk.world.log.clear()
    with ExitStack() as stack:
        # Without a checkpoint, a dry run takes no run lock: nothing but the tokens is shared.
        all_of_them = [
            stack.enter_context(start("--json", "run-once", "--dry-run", folder=desk.folder)) for _ in range(PROCESSES)
        ]
        ends_of_all = [running.ends() for running in all_of_them]

    assert [said.code for said in ends_of_all] == [0] * PROCESSES
    assert len({json.dumps(said.json) for said in ends_of_all}) == 1
    assert desk.world.log.count(method="POST", path=TOKEN_PATH) == 1
    assert len(refused) == PROCESSES
    assert desk.world.tokens.issued == 2
