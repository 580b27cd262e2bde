"""A world on a loopback socket: a small threaded HTTP/1.1 server that keeps connections open.

Owns the carrying of requests to the application and the ways in which a carrier can fail. Written on the standard
library because the development server that comes with Flask closes every connection after one answer, which would
make a fast client measure handshakes.
"""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from wsgiref.types import WSGIApplication

from bcpoll.sandbox.app import create_app
from bcpoll.sandbox.faults import AnswerHeldBack, ConnectionDropped, Faults
from bcpoll.sandbox.world import World

_LOOPBACK = frozenset({"127.0.0.1", "localhost"})


@contextmanager
def serve(world: World, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve a world on loopback until the block ends; gives the base URL."""
    if host not in _LOOPBACK:
        raise ValueError(f"the sandbox listens on 127.0.0.1 only, not on {host!r}")
    server = _Server((host, port), _Exchange)
    server.app = create_app(world)
    server.faults = world.faults
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.stop()
        thread.join()


class _Server(ThreadingMixIn, TCPServer):
    """One thread for each connection. Not `HTTPServer`, which would look its own name up in the DNS."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    app: WSGIApplication
    faults: Faults

    def __init__(self, *arguments: Any) -> None:
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that stopping can end it."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that ends."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that hang up."""

    def stop(self) -> None:
        """Stop listening and end every connection."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Exchange(BaseHTTPRequestHandler):
    """Carries the requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Carry one request to the application and its answer back."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._carry(body)
        except ConnectionDropped:
            self._hang_up()
        except AnswerHeldBack:
            self.server.stopping.wait(self.server.faults.hang)
            self._hang_up()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing; the world keeps its own log."""

    def _carry(self, body: bytes) -> None:
        head: list[str] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Any:
            head.append(f"HTTP/1.1 {status}")
            head.extend(f"{name}: {value}" for name, value in headers)
            self._announced = dict(headers).get("Content-Length")

        environ = wsgi_environ(self.command, self.path, dict(self.headers.items()), body)
        answer = b"".join(self.server.app(environ, start_response))
        self.wfile.write("\r\n".join((*head, "", "")).encode("latin-1") + answer)
        if self._announced is not None and int(self._announced) > len(answer):
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def wsgi_environ(method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """A request in the form in which a WSGI application takes it."""
    target = urlsplit(url)
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if f"HTTP_{name}" in named:
            named[name] = named.pop(f"HTTP_{name}")
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(target.path).decode("latin-1"),
        "QUERY_STRING": target.query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **named,
    }
