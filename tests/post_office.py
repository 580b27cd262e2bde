"""Whoever may be told by the program, on loopback: a web hook or a check that takes pings, and a mail server with TLS.

Each keeps what it was sent. The mail server speaks as much SMTP as `smtplib` asks for, and takes nothing without TLS.
"""

import json
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast


@dataclass
class Hook:
    """What an HTTP server was sent, and what it answers."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    posts: list[tuple[str, str, str]] = field(default_factory=list)
    """Path, content type and body of each request."""

    @property
    def texts(self) -> list[str]:
        """What a web hook was told."""
        return [json.loads(body)["text"] for _, _, body in self.posts]

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.posts]


@contextmanager
def hook() -> Iterator[Hook]:
    """A server that takes every POST."""
    kept = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            kept.posts.append((self.path, self.headers["Content-Type"], body))
            self.send_response(kept.status)
            for name, value in kept.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.url = f"http://127.0.0.1:{server.server_port}"
        with _served(server):
            yield kept


@dataclass
class PostOffice:
    """What a mail server was sent, and what it refuses."""

    port: int = 0
    offers_tls: bool = True
    password: str = "mail-password"
    refuses: bool = False
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)


@contextmanager
def post_office(certificate: Path, *, tls_at_once: bool = False) -> Iterator[PostOffice]:
    """A mail server whose certificate is this file, key included."""
    kept = PostOffice()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            line = self.request
            try:
                _Talk(kept, context, line, is_secret=tls_at_once).run()
            except (OSError, ssl.SSLError):
                # Whoever called has hung up, for want of trust.
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        kept.port = server.server_address[1]
        with _served(server):
            yield kept


class _Talk:
    """One connection to the mail server."""

    def __init__(self, kept: PostOffice, context: ssl.SSLContext, line: Any, *, is_secret: bool) -> None:
        self._kept, self._context, self._is_secret = kept, context, is_secret
        self._line = context.wrap_socket(line, server_side=True) if is_secret else line
        self._file = self._line.makefile("rb")
        self._is_known = False

    def run(self) -> None:
        self._say("220 here")
        while word := self._file.readline():
            verb = word.split()[0].upper().decode() if word.split() else ""
            if verb == "QUIT":
                self._say("221 bye")
                break
            self._answer(verb, word)
        self._file.close()
        self._line.close()

    def _answer(self, verb: str, word: bytes) -> None:
        if verb == "EHLO":
            offered = ["here"] if self._is_secret or not self._kept.offers_tls else ["here", "STARTTLS"]
            offered += ["AUTH PLAIN"] if self._is_secret else []
            for number, one in enumerate(offered, 1):
                self._say(f"250{' ' if number == len(offered) else '-'}{one}")
        elif verb == "STARTTLS" and self._kept.offers_tls:
            self._say("220 go")
            self._line = self._context.wrap_socket(self._line, server_side=True)
            self._file, self._is_secret = self._line.makefile("rb"), True
        elif not self._is_secret:
            self._say("530 TLS first")
        elif verb == "AUTH":
            self._is_known = self._kept.password in _plain(word)
            self._say("235 welcome" if self._is_known else "535 wrong password")
        elif verb == "RCPT":
            self._kept.recipients.append(word.decode().partition("<")[2].partition(">")[0])
            self._say("550 nobody of that name" if self._kept.refuses else "250 yes")
        elif verb == "DATA":
            self._say("354 go on")
            self._keep()
            self._say("250 kept")
        else:
            self._say("250 yes")

    def _keep(self) -> None:
        lines = []
        while (line := self._file.readline()) != b".\r\n":
            lines.append(line)
        message = message_from_bytes(b"".join(lines), policy=policy.default)
        self._kept.letters.append(cast(EmailMessage, message))

    def _say(self, text: str) -> None:
        self._line.sendall(f"{text}\r\n".encode())


def _plain(word: bytes) -> str:
    import base64

    return base64.b64decode(word.split()[-1]).decode()


@contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1, signed by itself, with its key in the same file."""
    file = folder / "loopback.pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
        f" -addext subjectAltName=IP:127.0.0.1 -keyout {file} -out {file}.crt".split(),
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


def trusting(certificate: Path) -> ssl.SSLContext:
    """What a client trusts who trusts this certificate alone."""
    return ssl.create_default_context(cafile=str(certificate))
