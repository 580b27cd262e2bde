"""A scripted HTTP server on loopback and a clock that only moves when told: for the tests of the transport."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from gzip import compress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import simplejson

from bcpoll.budget import Clock


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    raw_query: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    port: int

    @property
    def json(self) -> Any:
        return simplejson.loads(self.body, use_decimal=True)


@dataclass(frozen=True)
class Answer:
    """What the server does with a request. `fault` is one of: cut, chunk-cut, reset, close, silent, stall."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


def json_answer(value: Any, status: int = 200, /, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    body = simplejson.dumps(value, use_decimal=True).encode()
    return Answer(body, status, {"Content-Type": "application/json"} | named)


def gzipped(answer: Answer) -> Answer:
    return Answer(compress(answer.body), answer.status, {**answer.headers, "Content-Encoding": "gzip"}, answer.fault)


def html(status: int = 200, text: str = "<html><h1>Down for maintenance</h1></html>") -> Answer:
    return Answer(text.encode(), status, {"Content-Type": "text/html; charset=utf-8"})


NO_CONTENT = Answer(status=204)


class Loopback:
    """Answers from a script, in order, or from `reply` where that is set; notes every request."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.script: list[Answer] = []
        self.reply: Callable[[Seen], Answer] | None = None
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.server = _server(self)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def says(self, *answers: Answer) -> None:
        self.script.extend(answers)

    def answer(self, seen: Seen) -> Answer:
        with self.lock:
            self.seen.append(seen)
            if self.reply is not None:
                return self.reply(seen)
            return self.script.pop(0) if self.script else Answer(b"the script is at its end", 418)


def _server(loopback: Loopback) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # An answer leaves in one piece: two small ones would wait for each other's acknowledgement.
        wbufsize = -1
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            port = self.client_address[1]
            seen = Seen(self.command, parts.path, parts.query, query, self.headers, body, port)  # type: ignore[arg-type]
            _deliver(self, loopback.answer(seen), loopback)

        do_GET = do_POST = do_PUT = answer  # noqa: N815

        def date_time_string(self, timestamp: float | None = None) -> str:
            return "Mon, 23 Nov 2026 09:15:00 GMT"

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    return Server(("127.0.0.1", 0), Handler)


def _deliver(handler: BaseHTTPRequestHandler, answer: Answer, loopback: Loopback) -> None:
    if answer.fault == "silent":
        loopback.released.wait(10)
    if answer.fault in ("reset", "close", "silent"):
        if answer.fault == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.connection.close()
        return
    chunked = answer.fault == "chunk-cut"
    handler.send_response(answer.status)
    length = len(answer.body) + (100 if answer.fault in ("cut", "stall") else 0)
    length_header = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(length))
    for name, value in [*answer.headers.items(), *([] if answer.status == 204 else [length_header])]:
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(b"%x\r\n" % (len(answer.body) + 100) if chunked else b"")
    handler.wfile.write(answer.body)
    handler.wfile.flush()
    if answer.fault == "stall":
        loopback.released.wait(10)
    if answer.fault:
        handler.close_connection = True


@contextmanager
def loopback_server() -> Iterator[Loopback]:
    loopback = Loopback()
    thread = threading.Thread(target=loopback.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield loopback
    finally:
        loopback.released.set()
        loopback.server.shutdown()
        loopback.server.server_close()
    assert loopback.script == [], "the script was not played to its end"


START = datetime(2026, 11, 23, 9, 15, tzinfo=UTC)


class StillClock:
    """Time passes only in `sleep`, and every sleep is noted."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.slept: list[float] = []
        self.lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.slept.append(seconds)
            self.at += seconds

    def pass_by(self, seconds: float) -> None:
        self.at += seconds

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=lambda: self.at, sleep=self.sleep, now=lambda: START + timedelta(seconds=self.at - 1000))
