"""The ways in which the owner is told: a web hook, e-mail, and pings to a service that watches.

Owns how a letter is sent and what is said where that fails. Decides nothing, keeps nothing, and tries nothing twice. An
address of a web hook or a ping is a secret: no message here holds one.
"""

import http.client
import json
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Protocol
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from bcpoll.errors import BcpollError
from bcpoll.http.addresses import is_loopback

# Seconds. Whoever is told may be slow, but passes do not wait for it for long.
_PATIENCE = 10

# How much of a log a ping takes along: the end of it, for that is where it says what went wrong.
_LONGEST_LOG = 10_000

# From its first byte on this port, an SMTP server speaks TLS; on any other, after STARTTLS.
_TLS_PORT = 465


class NotSent(BcpollError):
    """A message did not get through; the message says why, without the address."""

    exit_code = 69


class Unheard(NotSent):
    """Nobody answered: another message would not be heard either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Something to tell, in a line and in full."""

    subject: str
    text: str
    at: datetime


class Channel(Protocol):
    """A way to tell somebody."""

    @property
    def name(self) -> str:
        """What it is called, in settings and messages."""

    def send(self, letter: Letter) -> None:
        """Send; raises NotSent where that fails."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A web hook that takes Slack's JSON."""

    address: str = field(repr=False)
    name: str = "webhook"

    def send(self, letter: Letter) -> None:
        """Send as one text: the subject, then the rest."""
        body = json.dumps({"text": f"*{letter.subject}*\n{letter.text}"})
        _post(self.address, body.encode(), "application/json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """E-mail by SMTP, always by TLS."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    sender: str
    recipients: Sequence[str]
    name: str = "email"
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)

    def send(self, letter: Letter) -> None:
        """Send to all recipients at once."""
        try:
            with self._connected() as server:
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(self._message(letter))
        except (OSError, smtplib.SMTPException) as error:
            raise _not_sent(error, f"{self.host}: ", hint="Look at [alerts] smtp_host and what follows.") from None

    def _connected(self) -> smtplib.SMTP:
        if self.port == _TLS_PORT:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=_PATIENCE, context=self.context)
        server = smtplib.SMTP(self.host, self.port, timeout=_PATIENCE)
        try:
            server.starttls(context=self.context)
        except BaseException:
            server.close()
            raise
        return server

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = letter.subject
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Date"] = format_datetime(letter.at)
        message.set_content(letter.text)
        return message


@dataclass(frozen=True, slots=True)
class Ping:
    """A check of Healthchecks, or of a service like it."""

    address: str = field(repr=False)
    name: str = "ping"

    def begun(self) -> None:
        """Say that a pass begins."""
        self._send("/start", "")

    def got_through(self, log: str) -> None:
        """Say that a pass got through."""
        self._send("", log)

    def stopped(self, log: str) -> None:
        """Leave a note of a pass that the next one may do better than: the check's own patience decides."""
        self._send("/log", log)

    def failed(self, log: str) -> None:
        """Say that a pass needs a person."""
        self._send("/fail", log)

    def _send(self, what: str, log: str) -> None:
        path, question, query = self.address.partition("?")
        _post(f"{path.rstrip('/')}{what}{question}{query}", log[-_LONGEST_LOG:].encode(), "text/plain; charset=utf-8")


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: the POST would become a GET, and the message would be lost without an error."""

    def redirect_request(self, *_: object) -> None:
        return None


def _opener(address: str) -> OpenerDirector:
    """What sends to an address; past any proxy to this machine, where the address would go to it in the open."""
    is_here = is_loopback(urlsplit(address).hostname or "")
    return build_opener(_NoRedirect, *([ProxyHandler({})] if is_here else []))


def _post(address: str, body: bytes, kind: str) -> None:
    request = Request(address, data=body, headers={"Content-Type": kind, "User-Agent": "bcpoll"}, method="POST")  # noqa: S310 - the settings allow https, and http on loopback
    try:
        with _opener(address).open(request, timeout=_PATIENCE) as answer:
            answer.read(1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _not_sent(error, hint="Look at the address in [alerts].") from None


def _not_sent(error: Exception, where: str = "", *, hint: str) -> NotSent:
    """What an error means: `Unheard` where nobody answered at all."""
    is_answer = isinstance(error, HTTPError | smtplib.SMTPException)
    # Also what a mail server that says nothing any more comes to.
    is_answer = is_answer and not isinstance(error, smtplib.SMTPServerDisconnected)
    return (NotSent if is_answer else Unheard)(f"{where}{_said(error)}", hint=hint)


def _said(error: Exception) -> str:
    """What went wrong, without the address."""
    if isinstance(error, HTTPError):
        return f"it answered {error.code}"
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return f"it answered {error.smtp_code} {said}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = {code for code, _ in error.recipients.values()}
        return f"it refused every recipient ({', '.join(map(str, sorted(codes)))})"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"it does not speak TLS, or takes no login: {error}"
    reason = getattr(error, "reason", None)
    return str(reason or getattr(error, "strerror", None) or type(error).__name__)
