"""The sandbox fails on request, in process and through a socket, and keeps count of what was asked of it."""

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from wsgi import BASE_URL, Client, mount

from bcpoll.sandbox.faults import Fault, Request
from bcpoll.sandbox.limits import Limits, Window
from bcpoll.sandbox.server import serve
from bcpoll.sandbox.world import World, furnish, new_world

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CUSTOMER = {"first_name": "Ada", "last_name": "Teacup", "email": "ada@example.com"}

Ask = Callable[[str], requests.Response]


@pytest.fixture
def world() -> World:
    world = new_world(clock=lambda: NOON, limits=Limits.off())
    furnish(world.pos)
    return world


@pytest.fixture(params=["in process", "through a socket"])
def ask(world: World, request: pytest.FixtureRequest) -> Iterator[Ask]:
    session = requests.Session()
    session.headers["Authorization"] = "Bearer pos-token"

    def asker(base: str) -> Ask:
        def send(method: str) -> requests.Response:
            body = CUSTOMER if method == "POST" else None
            return session.request(method, f"{base}/api/2026-07/customers", json=body, timeout=2)

        return send

    if request.param == "in process":
        mount(session, world)
        yield asker(BASE_URL)
    else:
        with serve(world) as base:
            yield asker(base)
    session.close()


def test_an_undisturbed_request_is_answered(world: World, ask: Ask) -> None:
    assert ask("POST").status_code == 201
    assert ask("GET").json()["data"][0]["email"] == "ada@example.com"
    assert len(world.pos.customers) == 1


@pytest.mark.parametrize(("fault", "kept"), [(Fault.REFUSED, 0), (Fault.RESET_BEFORE, 0), (Fault.RESET_AFTER, 1)])
def test_a_reset_comes_before_or_after_the_effect(world: World, ask: Ask, fault: Fault, kept: int) -> None:
    world.faults.on_path(fault, "POST", "/customers")
    with pytest.raises(requests.ConnectionError):
        ask("POST")
    assert len(world.pos.customers) == kept
    assert ask("GET").status_code == 200


ANSWERS = [
    (Fault.ERROR_500, 500, 0),
    (Fault.ERROR_500_AFTER, 500, 1),
    (Fault.HTML_502, 502, 0),
    (Fault.HTML_502_AFTER, 502, 1),
    (Fault.ERROR_503, 503, 0),
    (Fault.TOKEN_REFUSED, 401, 0),
    (Fault.SCOPE_REFUSED, 403, 0),
    (Fault.EMPTY_BODY, 200, 1),
    (Fault.EMPTY_INSTEAD, 200, 0),
    (Fault.HTML_BODY, 200, 1),
    (Fault.HTML_INSTEAD, 200, 0),
    (Fault.WRONG_TYPE, 201, 1),
    (Fault.CUT_BODY, 201, 1),
]


@pytest.mark.parametrize(("fault", "status", "kept"), ANSWERS)
def test_a_fault_answers_with_or_without_the_effect(
    world: World, ask: Ask, fault: Fault, status: int, kept: int
) -> None:
    world.faults.on_path(fault, "POST", "/customers")
    answer = ask("POST")
    assert (answer.status_code, len(world.pos.customers)) == (status, kept)
    assert ask("GET").status_code == 200


def test_bodies_are_spoiled_in_their_own_ways(world: World, ask: Ask) -> None:
    world.faults.at(1, Fault.HTML_BODY)
    world.faults.at(2, Fault.WRONG_TYPE)
    world.faults.at(3, Fault.CUT_BODY)
    world.faults.at(4, Fault.EMPTY_BODY)
    page, mislabelled, cut, empty = (ask("GET") for _ in range(4))
    assert page.text.startswith("<!DOCTYPE html>")
    assert (mislabelled.headers["Content-Type"], mislabelled.json()["data"]) == ("text/plain", [])
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        cut.json()
    assert empty.content == b""


def test_a_connection_that_ends_within_the_body_is_noticed(world: World, ask: Ask) -> None:
    world.faults.at(1, Fault.CUT_CONNECTION)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        ask("GET")
    assert ask("GET").status_code == 200


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(Fault.BUSY_DATE, "Fri, 20 Nov 2026 12:00:02 GMT"), (Fault.BUSY_SECONDS, "2"), (Fault.BUSY_BARE, None)],
)
def test_a_429_names_the_wait_in_each_form(world: World, ask: Ask, fault: Fault, expected: str | None) -> None:
    world.faults.on(fault, lambda request: True)
    answer = ask("GET")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, expected)


@pytest.mark.parametrize(("fault", "kept"), [(Fault.HANG_BEFORE, 0), (Fault.HANG_AFTER, 1)])
def test_a_withheld_answer_times_out(world: World, fault: Fault, kept: int) -> None:
    world.faults.at(1, fault)
    with pytest.raises(requests.ReadTimeout):
        Client(world).pos("POST", "/customers", CUSTOMER)
    assert len(world.pos.customers) == kept


def test_a_withheld_answer_times_out_through_a_socket(world: World) -> None:
    world.faults.at(1, Fault.HANG_AFTER)
    headers = {"Authorization": "Bearer pos-token"}
    with serve(world) as base, pytest.raises(requests.ReadTimeout):
        requests.post(f"{base}/api/2026-07/customers", json=CUSTOMER, headers=headers, timeout=0.1)
    assert len(world.pos.customers) == 1


def test_traps_count_down_and_can_be_cleared(world: World, ask: Ask) -> None:
    world.faults.on(Fault.ERROR_503, lambda request: request.side == "pos", times=2)
    assert [ask("GET").status_code for _ in range(3)] == [503, 503, 200]
    world.faults.on(Fault.ERROR_503, lambda request: True, times=9)
    world.faults.clear()
    assert ask("GET").status_code == 200


def test_latency_is_waited_out_on_one_side(world: World, ask: Ask) -> None:
    waits: list[float] = []
    world.faults.pause = waits.append
    world.faults.latency["pos"] = 0.25
    ask("GET")
    Client(world).store("/v2/time")
    assert waits == [0.25]


# The log and the hooks


def test_the_log_tells_what_was_asked_on_each_side(world: World) -> None:
    client = Client(world)
    world.faults.on(Fault.ERROR_503, lambda request: request.path.endswith("/taxes"))
    client.store("/v2/orders", limit=5)
    client.pos("GET", "/taxes")
    client.pos("POST", "/customers", CUSTOMER)
    client.pos("POST", "/inventory", {})
    orders, taxes, customer, inventory = world.log
    assert (orders.side, orders.params, orders.status) == ("store", {"limit": "5"}, 204)
    assert (taxes.status, taxes.fault) == (503, Fault.ERROR_503)
    assert (customer.number, customer.status, b"Teacup" in customer.body) == (3, 201, True)
    assert [each.is_write for each in (orders, customer, inventory)] == [False, True, False]
    assert world.log.count(side="pos") == 3
    assert world.log.count(method="POST", path="/customers") == 1
    assert world.log.matching(when=lambda request: request.is_write) == [customer]
    world.log.clear()
    assert len(world.log) == 0


def test_a_dropped_request_is_logged_without_a_status(world: World) -> None:
    world.faults.at(1, Fault.RESET_AFTER)
    with pytest.raises(requests.ConnectionError):
        Client(world).pos("GET", "/taxes")
    (entry,) = world.log
    assert entry.status == 0


def test_hooks_see_a_request_before_and_after_its_effect(world: World) -> None:
    seen: list[tuple[str, int]] = []

    def note(when: str) -> Callable[[Request], None]:
        return lambda request: seen.append((when, len(world.pos.customers)))

    world.before.append(note("before"))
    world.after.append(note("after"))
    Client(world).pos("POST", "/customers", CUSTOMER)
    assert seen == [("before", 0), ("after", 1)]


# The server


def test_the_server_keeps_connections_open(world: World) -> None:
    with serve(world) as base:
        host, port = base.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as plug:
            for _ in range(2):
                plug.sendall(b"GET /api/2026-07/taxes HTTP/1.1\r\nHost: x\r\n\r\n")
                assert plug.recv(4096).startswith(b"HTTP/1.1 401")


def test_the_server_is_for_loopback_only(world: World) -> None:
    with pytest.raises(ValueError, match=r"not on '0\.0\.0\.0'"), serve(world, host="0.0.0.0"):
        pass


def test_many_clients_write_at_once_without_losing_anything(world: World) -> None:
    headers = {"Authorization": "Bearer pos-token"}

    def write(base: str) -> None:
        with requests.Session() as session:
            for _ in range(10):
                session.post(f"{base}/api/2026-07/customers", json=CUSTOMER, headers=headers, timeout=5)

    with serve(world) as base:
        threads = [threading.Thread(target=write, args=(base,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    versions = [row["version"] for row in world.pos.customers]
    assert (len(versions), len(set(versions))) == (40, 40)


def test_a_window_begins_with_the_first_request_after_the_last_one() -> None:
    now = [NOON]
    window = Window(lambda: now[0])

    def left() -> Any:
        standing = window.count(2, timedelta(seconds=10))
        return standing and standing.left

    assert [left(), left(), left()] == [1, 0, -1]
    now[0] += timedelta(seconds=10)
    assert left() == 1
    assert window.count(None, timedelta(seconds=10)) is None


def test_a_sliding_window_has_room_again_once_the_oldest_request_has_left_it() -> None:
    now = [NOON]
    window = Window(lambda: now[0])

    def left() -> Any:
        standing = window.count(2, timedelta(seconds=10), slides=True)
        assert standing is not None
        return standing.left, standing.resets_in

    assert left() == (1, timedelta(seconds=10))
    now[0] += timedelta(seconds=4)
    assert [left(), left()] == [(0, timedelta(seconds=6)), (-1, timedelta(seconds=6))]
    now[0] += timedelta(seconds=6)
    assert left() == (0, timedelta(seconds=4))
