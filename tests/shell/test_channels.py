"""Sending to a web hook, by e-mail and to a check, over real connections to loopback."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from post_office import Hook, PostOffice, certificate, hook, post_office, trusting

from bcpoll.monitoring.channels import Letter, Mail, NotSent, Ping, Webhook

LETTER = Letter(
    subject="bcpoll (shop): set aside: totals differ",
    text="1 order is set aside.\nCorrect the order: “Ærø”.",
    at=datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
)


@pytest.fixture
def receiver() -> Iterator[Hook]:
    with hook() as opened:
        yield opened


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def office(pem: Path) -> Iterator[PostOffice]:
    with post_office(pem) as opened:
        yield opened


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# --- web hook --------------------------------------------------------------------------------------------------------


def test_a_web_hook_gets_slacks_json(receiver: Hook) -> None:
    Webhook(f"{receiver.url}/services/T/B/secret").send(LETTER)

    ((path, kind, body),) = receiver.posts
    assert (path, kind) == ("/services/T/B/secret", "application/json")
    assert json.loads(body) == {"text": f"*{LETTER.subject}*\n{LETTER.text}"}


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_web_hook_that_refuses_is_told_without_its_address(receiver: Hook, status: int) -> None:
    receiver.status = status

    with pytest.raises(NotSent) as told:
        Webhook(f"{receiver.url}/secret").send(LETTER)

    assert told.value.message == f"it answered {status}"


def test_a_redirect_is_not_followed(receiver: Hook) -> None:
    receiver.status, receiver.headers = 302, {"Location": f"{receiver.url}/elsewhere"}

    with pytest.raises(NotSent, match="it answered 302"):
        Webhook(f"{receiver.url}/secret").send(LETTER)

    assert receiver.paths == ["/secret"]


def test_what_listens_on_this_machine_is_told_past_any_proxy(receiver: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    with hook() as proxy:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", proxy.url)

        Webhook(f"{receiver.url}/secret").send(LETTER)

    assert (receiver.paths, proxy.paths) == (["/secret"], [])


def test_a_web_hook_that_is_not_there_is_told_without_its_address(nobody: int) -> None:
    with pytest.raises(NotSent) as told:
        Webhook(f"http://127.0.0.1:{nobody}/secret").send(LETTER)

    assert "refused" in told.value.message
    assert "secret" not in str(told.value)


def test_no_address_is_shown_by_accident() -> None:
    shown = [Webhook("https://a.example/secret"), Ping("https://a.example/secret"), mail(1, None, password="secret")]

    assert "secret" not in repr(shown)


# --- e-mail ----------------------------------------------------------------------------------------------------------


def mail(port: int, context: ssl.SSLContext | None, **changes: Any) -> Mail:
    usual: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "user": "ada",
        "password": "mail-password",
        "sender": "bcpoll@example.com",
        "recipients": ("ada@example.com", "basil@example.com"),
    }
    return Mail(**(usual | ({"context": context} if context else {}) | changes))


def test_mail_goes_out_by_starttls_to_all_recipients(office: PostOffice, pem: Path) -> None:
    mail(office.port, trusting(pem)).send(LETTER)

    (letter,) = office.letters
    assert office.recipients == ["ada@example.com", "basil@example.com"]
    assert (letter["Subject"], letter["From"]) == (LETTER.subject, "bcpoll@example.com")
    assert letter["Date"] == "Fri, 20 Nov 2026 09:00:00 +0000"
    assert letter.get_content().splitlines() == LETTER.text.splitlines()


def test_on_its_own_port_a_mail_server_speaks_tls_at_once(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with post_office(pem, tls_at_once=True) as office:
        monkeypatch.setattr("bcpoll.monitoring.channels._TLS_PORT", office.port)
        mail(office.port, trusting(pem)).send(LETTER)

        assert len(office.letters) == 1


def test_without_a_user_there_is_no_login(office: PostOffice, pem: Path) -> None:
    office.password = "another"
    mail(office.port, trusting(pem), user="", password="").send(LETTER)

    assert len(office.letters) == 1


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (lambda office: setattr(office, "offers_tls", False), "STARTTLS"),
        (lambda office: setattr(office, "password", "another"), "it answered 535"),
        (lambda office: setattr(office, "refuses", True), "it refused every recipient (550)"),
    ],
    ids=["no TLS", "wrong password", "no such recipient"],
)
def test_a_mail_server_that_refuses_is_told(
    office: PostOffice, pem: Path, trouble: Callable[[PostOffice], None], told: str
) -> None:
    trouble(office)

    with pytest.raises(NotSent) as refused:
        mail(office.port, trusting(pem)).send(LETTER)

    assert told in refused.value.message
    assert "mail-password" not in str(refused.value)
    assert office.letters == []


def test_a_mail_server_that_nobody_vouches_for_gets_no_password(office: PostOffice) -> None:
    with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
        mail(office.port, None).send(LETTER)

    assert (office.letters, office.recipients) == ([], [])


def test_a_mail_server_that_is_not_there_is_told(nobody: int) -> None:
    with pytest.raises(NotSent, match=r"127\.0\.0\.1: .*refused"):
        mail(nobody, None).send(LETTER)


# --- pings -----------------------------------------------------------------------------------------------------------


def test_a_check_is_told_of_beginning_success_trouble_and_failure(receiver: Hook) -> None:
    ping = Ping(f"{receiver.url}/key/shop?create=1")

    ping.begun()
    ping.got_through("2 sales written")
    ping.stopped("the store is down")
    ping.failed("the token was refused")

    assert [(path, body) for path, _, body in receiver.posts] == [
        ("/key/shop/start?create=1", ""),
        ("/key/shop?create=1", "2 sales written"),
        ("/key/shop/log?create=1", "the store is down"),
        ("/key/shop/fail?create=1", "the token was refused"),
    ]


def test_of_a_long_log_the_end_is_told(receiver: Hook) -> None:
    Ping(receiver.url).failed("x" * 20_000 + "why")

    ((_, _, body),) = receiver.posts
    assert len(body) == 10_000
    assert body.endswith("xwhy")
