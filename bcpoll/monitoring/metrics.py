"""Measurements for Prometheus: a file for its textfile collector, and a small server on loopback for `bcpoll run`.

The only module that imports prometheus-client, which is there with the extra `metrics` alone. Owns the names of the
measurements; what is measured comes from `standing`. Amounts of money are none of them.
"""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import generate_latest, write_to_textfile
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bcpoll.checkpoint import RunOutcome
from bcpoll.core.times import span_text
from bcpoll.errors import BcpollError
from bcpoll.monitoring.standing import Standing

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class _Measurements(Collector):
    """Reads the standing on every request."""

    def __init__(self, look: Callable[[], Standing]) -> None:
        self._look = look

    def collect(self) -> Iterable[Metric]:
        """All measurements."""
        return _measured(self._look())


def _measured(found: Standing) -> Iterator[Metric]:
    yield from _times(found)
    yield _by("bcpoll_orders", "Orders that the ledger knows.", "state", found.orders.items())
    yield _by("bcpoll_refunds", "Refunds that the store told.", "state", found.refunds.items())
    yield _by("bcpoll_set_aside", "Orders that are set aside.", "reason", found.set_aside.items())
    yield _one("bcpoll_unclear_writes", "Writes to the POS whose outcome is not known.", found.unsettled)
    yield _one("bcpoll_orders_today", "Orders placed today, by the POS's time zone.", found.today.orders)
    yield _one("bcpoll_sales_today", "Sales in the POS of orders placed today.", found.today.sales)
    yield _one("bcpoll_checkpoint_bytes", "Size of the checkpoint.", found.size_bytes)
    limits = [(side, one.view.limit or 0) for side, one in found.budgets.items()]
    left = [(side, one.view.left or 0) for side, one in found.budgets.items()]
    yield _by("bcpoll_requests_allowed", "Requests that a side allows in its rate window.", "side", limits)
    yield _by("bcpoll_requests_left", "Requests left when a side last told.", "side", left)
    if found.runs:
        last = found.runs[0]
        outcomes = [(outcome.value, int(last.outcome is outcome)) for outcome in RunOutcome]
        yield _by("bcpoll_last_run_outcome", "How the last run ended: 1 for its outcome.", "outcome", outcomes)
        yield _by("bcpoll_last_run_count", "What the last run counted.", "of", sorted(last.counts.items()))


def _times(found: Standing) -> Iterator[Metric]:
    """Moments as seconds since 1970, for Prometheus to subtract from its own now; unknown ones are left out."""
    success = found.last_success
    times = (
        ("last_success", "When a pass last got through.", success.ended_at if success else None),
        ("up_to", "Up to when all that happened in the web store was looked at.", found.up_to),
        ("cursor", "Modification time of the newest order that is done.", found.cursor),
        ("last_run", "When the last run began.", found.runs[0].begun_at if found.runs else None),
        ("next_run", "When the next run is expected.", found.next_run.at if found.next_run else None),
    )
    for name, meaning, at in times:
        if at is not None:
            yield _one(f"bcpoll_{name}_timestamp_seconds", meaning, int(at.timestamp()))


def _one(name: str, meaning: str, value: int) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _by(name: str, meaning: str, label: str, values: Iterable[tuple[str, int]]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for of, value in values:
        family.add_metric([str(of)], value)
    return family


def write(file: Path, found: Standing) -> None:
    """Write the measurements into a file, as a whole or not at all; raises OSError where that cannot be."""
    write_to_textfile(str(file), _Measurements(lambda: found))


# --- the server ------------------------------------------------------------------------------------------------------


class _Quiet(WSGIRequestHandler):
    """Says nothing about requests: they come every few seconds, and tell nothing of orders."""

    # Seconds: a connection on which nothing comes would keep its thread for as long as the program runs.
    timeout = 10

    def log_message(self, *_: Any) -> None:
        return


class Server(ThreadingMixIn, WSGIServer):
    """A server on a port of this machine."""

    daemon_threads = True

    def __init__(self, where: str) -> None:
        host, _, port = where.rpartition(":")
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host.strip("[]"), int(port)), _Quiet)

    def server_bind(self) -> None:
        """Bind without asking the name service what this machine is called: that may take long, and nobody needs it."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about clients that hang up, or say nothing."""


def server(where: str) -> Server:
    """A server for `serving`; OSError where the port is taken."""
    return Server(where)


@contextmanager
def serving(
    on: Server, look: Callable[[], Standing], *, patience: timedelta, clock: Callable[[], datetime]
) -> Iterator[None]:
    """Answer to /metrics and /healthz for the length of the block."""
    with on:
        on.set_app(_app(look, patience, clock))
        thread = threading.Thread(target=on.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            on.shutdown()
            thread.join()


def _app(look: Callable[[], Standing], patience: timedelta, clock: Callable[[], datetime]) -> "WSGIApplication":
    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        answers: dict[str, Callable[[], tuple[str, str]]] = {
            "/metrics": lambda: ("200 OK", _page(look)),
            "/healthz": lambda: health(look(), patience, clock()),
        }
        answer = answers.get(environ["PATH_INFO"], lambda: ("404 Not Found", "/metrics or /healthz\n"))
        try:
            status, text = answer()
        except BcpollError as error:
            status, text = "503 Service Unavailable", f"{error.message}\n"
        start_response(status, [("Content-Type", _TEXT)])
        return [text.encode()]

    return app


def _page(look: Callable[[], Standing]) -> str:
    return str(generate_latest(_Measurements(look)), "utf-8")


def health(found: Standing, patience: timedelta, now: datetime) -> tuple[str, str]:
    """Whether all is well, as a status and a sentence: a pass got through not longer ago than one has patience for."""
    if found.up_to is None:
        return "503 Service Unavailable", "no pass has got through yet\n"
    age = now - found.up_to
    said = f"the last pass that got through began {span_text(age)} ago\n"
    return ("200 OK" if age <= patience else "503 Service Unavailable"), said
