"""The listener for the browser that comes back from the POS's login page: one answer, whoever else knocks."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from bcpoll.cli.listener import Listener, listening
from bcpoll.errors import AccessRefused, RetryLater


def read(target: str) -> str:
    """Takes every target that says so, and is denied where one says that."""
    if "denied" in target:
        raise AccessRefused("somebody said no")
    if "good" not in target:
        raise ValueError("not ours")
    return target


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def somewhere(path: str = "/callback") -> Iterator[tuple[Listener[str], http.client.HTTPConnection]]:
    port = free_port()
    with listening(f"http://localhost:{port}{path}", read) as listener:
        browser = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        yield listener, browser
        browser.close()


def test_the_browser_is_answered_and_then_the_login_goes_on() -> None:
    with somewhere() as (listener, browser):
        browser.request("GET", "/callback?code=good")
        answer = browser.getresponse()
        page = answer.read().decode()

        assert listener.wait(10) == "/callback?code=good"

    assert answer.status == 200
    assert "Go on in the terminal" in page
    assert "good" not in page
    assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")


def test_a_denial_ends_the_wait_with_its_reason() -> None:
    with somewhere() as (listener, browser):
        browser.request("GET", "/callback?denied")
        page = browser.getresponse().read().decode()

        with pytest.raises(AccessRefused, match="somebody said no"):
            listener.wait(10)

    assert "The terminal says why" in page


@pytest.mark.parametrize(
    ("target", "status", "told"),
    [
        ("/favicon.ico", 404, "not the address"),
        ("/callback/good", 404, "not the address"),
        ("/callback?code=theirs&state=<script>", 400, "not the answer"),
        ("/callback", 400, "not the answer"),
    ],
)
def test_what_is_not_the_answer_is_turned_away_and_the_wait_goes_on(target: str, status: int, told: str) -> None:
    listener = Listener("/callback", read)

    said, page, then = listener.answer(target)
    then()

    assert (said, told in page, "<script>" in page) == (status, True, False)
    listener.answer("/callback?good")[2]()
    assert listener.wait(0) == "/callback?good"


def test_a_redirect_to_the_root_is_heard() -> None:
    with somewhere("") as (listener, browser):
        browser.request("GET", "/?good")
        assert browser.getresponse().status == 200

        assert listener.wait(10) == "/?good"


def test_connections_on_which_nothing_comes_do_not_hold_anything_up() -> None:
    with somewhere() as (listener, browser), socket.create_connection(("127.0.0.1", browser.port)):
        browser.request("GET", "/callback?good")
        assert browser.getresponse().status == 200

        assert listener.wait(10) == "/callback?good"


def test_other_methods_are_not_known() -> None:
    with somewhere() as (_, browser):
        browser.request("POST", "/callback?good", body=b"")

        assert browser.getresponse().status == 501


def test_who_waits_in_vain_gives_up() -> None:
    with pytest.raises(RetryLater, match="Nobody logged in within 0 minutes") as raised:
        Listener("/callback", read).wait(0)

    assert raised.value.exit_code == 75
    assert "--paste" in raised.value.hint


def test_a_port_in_use_is_said() -> None:
    def never(target: str) -> NoReturn:
        raise AssertionError(target)

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(RetryLater) as raised, listening(f"http://127.0.0.1:{port}/callback", never):
            pass

    assert raised.value.message == f"Port {port} of 127.0.0.1 cannot be listened on: Address already in use"
    assert "[pos] redirect_url" in raised.value.hint
    assert "bcpoll login --paste" in raised.value.hint


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_address_of_the_sixth_version_is_listened_on() -> None:
    try:
        probe = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with probe:
        port = probe.getsockname()[1]
    with listening(f"http://[::1]:{port}/callback", read) as listener:
        browser = http.client.HTTPConnection("::1", port, timeout=10)
        browser.request("GET", "/callback?good")
        browser.getresponse().read()

        assert listener.wait(10) == "/callback?good"
        browser.close()
