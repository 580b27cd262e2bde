"""A listener on this machine for the one request with which a browser comes back from the POS's login page.

Owns the socket, and the page that the person then sees. What an address means is for its caller to read.
"""

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from bcpoll.errors import BcpollError, RetryLater

T = TypeVar("T")

_PASTE = "On a machine without a browser: bcpoll login --paste"

# A browser opens connections on which it then sends nothing.
_SILENCE = 10.0

_PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>bcpoll</title></head>
<body style="font-family: sans-serif; margin: 3em"><h1>{title}</h1><p>{text}</p></body></html>
"""


class Listener(Generic[T]):
    """Waits for the first request that `read` understands."""

    def __init__(self, path: str, read: Callable[[str], T]) -> None:
        """`read` is given the path and query of a request to `path`: ValueError where it is not the one waited for."""
        self._path, self._read = path, read
        self._found: queue.Queue[T | BcpollError] = queue.Queue()

    def wait(self, seconds: float) -> T:
        """What came; RetryLater after this many seconds, or the error that `read` raised."""
        try:
            found = self._found.get(timeout=seconds)
        except queue.Empty:
            raise RetryLater(f"Nobody logged in within {seconds / 60:.0f} minutes", hint=_PASTE) from None
        if isinstance(found, BcpollError):
            raise found
        return found

    def answer(self, target: str) -> tuple[int, str, Callable[[], None]]:
        """Status and page for a request, and what is to be done once the page is on its way."""
        if urlsplit(target).path != self._path:
            return 404, _page("Nothing here", "This is not the address that the login ends on."), lambda: None
        try:
            found: T | BcpollError = self._read(target)
        except ValueError:
            return 400, _page("Not this one", "This is not the answer to the login that is under way."), lambda: None
        except BcpollError as error:
            found = error
            page = _page("Not connected", "The terminal says why. You can close this window.")
        else:
            page = _page("Connected", "Go on in the terminal. You can close this window.")
        return 200, page, lambda: self._found.put(found)


def _page(title: str, text: str) -> str:
    return _PAGE.format(title=title, text=text)


@contextmanager
def listening(url: str, read: Callable[[str], T]) -> Iterator[Listener[T]]:
    """Listen at an http address of this machine; RetryLater where that cannot be done."""
    parts = urlsplit(url)
    # By number: a name would be looked up.
    host = "127.0.0.1" if parts.hostname in (None, "localhost") else str(parts.hostname)
    port = 80 if parts.port is None else parts.port
    listener = Listener(parts.path or "/", read)
    try:
        server = _Server((host, port), listener)
    except OSError as error:
        raise RetryLater(
            f"Port {port} of {host} cannot be listened on: {error.strerror}",
            hint=f"End the program that uses it, or change [pos] redirect_url here and in your application. {_PASTE}",
        ) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingMixIn, TCPServer):
    """One thread for each connection. Not `HTTPServer`, which would look its own name up in the DNS."""

    allow_reuse_address = True
    daemon_threads = True
    # A connection on which nothing comes must not hold up the end.
    block_on_close = False

    def __init__(self, address: tuple[str, int], listener: Listener[T]) -> None:
        self.listener = listener
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Exchange)

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about browsers that hang up."""


class _Exchange(BaseHTTPRequestHandler):
    """One connection of a browser."""

    timeout = _SILENCE
    server: _Server

    def do_GET(self) -> None:
        """Answer, and only then let the login go on: it may end the program."""
        status, page, then = self.server.listener.answer(self.path)
        body = page.encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("Connection", "close"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        then()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing: the address holds the code."""
