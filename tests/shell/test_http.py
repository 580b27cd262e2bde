"""The transport: what every kind of answer means, what is tried again, how long is waited, and what is never shown."""

import gzip
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
import requests
from loopback import NO_CONTENT, START, Answer, Loopback, StillClock, gzipped, html, json_answer, loopback_server
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError

from bcpoll.budget import Clock, SharedBudget, WindowBudget
from bcpoll.errors import (
    AccessRefused,
    BcpollError,
    GiveUp,
    LookAgain,
    RetryLater,
    SettingsError,
    TooHeavy,
    Unreachable,
    WrongAnswer,
)
from bcpoll.http import (
    Client,
    Patience,
    Side,
    Timeouts,
    read_json,
    read_loosely,
    require_tls,
    url_problem,
    write_json,
)

TOKEN = "xyzzy-token/1+2"
SIDE = Side(name="Shop", token_key="[shop] token", url_key="[shop] url", scope_remedy="Ask for it.")


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback_server() as loopback:
        yield loopback


@pytest.fixture
def still() -> StillClock:
    return StillClock()


@pytest.fixture
def client(server: Loopback, still: StillClock) -> Iterator[Client]:
    with make_client(server.url, still) as client:
        yield client


def make_client(url: str, still: StillClock, **changes: Any) -> Client:
    given: dict[str, Any] = {
        "side": SIDE,
        "headers": {"X-Auth-Token": TOKEN},
        "budget": SharedBudget(clock=still.clock),
        "clock": still.clock,
        "patience": Patience(first_by_status={429: 5.0, 500: 60.0}),
        "timeouts": Timeouts(connect=2, read=2, whole=20),
    }
    return Client(url, **(given | changes))


class Tokens:
    """A source that goes on to the next token when one is refused; the last one stays."""

    def __init__(self, *tokens: str) -> None:
        self.left = [*tokens]

    def current(self) -> str:
        return self.left[0]

    def renewed(self, refused: str) -> str:
        self.left = self.left[1:] or self.left
        return self.left[0]


def between(slept: list[float], *bounds: tuple[float, float]) -> bool:
    return len(slept) == len(bounds) and all(low <= one <= high for one, (low, high) in zip(slept, bounds, strict=True))


def as_json(body: bytes) -> Answer:
    return Answer(body, headers={"Content-Type": "application/json"})


class TestWhatIsSent:
    def test_every_request_names_the_program_and_asks_for_gzipped_json(self, server: Loopback, client: Client) -> None:
        server.says(json_answer([]))

        client.get("/orders")

        sent = server.seen[0].headers
        assert sent["User-Agent"].startswith("bcpoll/")
        assert (sent["Accept"], sent["Accept-Encoding"]) == ("application/json", "gzip")
        assert sent["X-Auth-Token"] == TOKEN
        assert "Content-Type" not in sent

    def test_filters_are_encoded_exactly_once(self, server: Loopback, client: Client) -> None:
        server.says(json_answer([]))

        client.get("/orders", {"min_date_modified": "Mon, 23 Nov 2026 09:15:00 +0000", "id:in": "1,2"})

        assert server.seen[0].raw_query == (
            "min_date_modified=Mon%2C%2023%20Nov%202026%2009%3A15%3A00%20%2B0000&id%3Ain=1%2C2"
        )

    def test_bodies_are_json_with_exact_numbers(self, server: Loopback, client: Client) -> None:
        server.says(json_answer({"id": "a"}), json_answer({"id": "a"}))

        client.post("/sales", {"price": Decimal("4.34783")})
        client.put("/sales/a", {"price": Decimal("1.10")})

        assert [(seen.method, seen.body) for seen in server.seen] == [
            ("POST", b'{"price":4.34783}'),
            ("PUT", b'{"price":1.10}'),
        ]
        assert server.seen[0].headers["Content-Type"] == "application/json"

    def test_connections_are_kept(self, server: Loopback, client: Client) -> None:
        server.says(json_answer([]), gzipped(json_answer([1])), NO_CONTENT, html(404), json_answer([]))

        for _ in range(3):
            client.get("/orders")
        client.get("/orders", missing_ok=True)
        client.get("/orders")

        assert len({seen.port for seen in server.seen}) == 1

    def test_cookies_are_not_sent_back(self, server: Loopback, client: Client) -> None:
        server.says(json_answer([], Set_Cookie="session=1; Path=/"), json_answer([]))

        client.get("/a")
        client.get("/b")

        assert "Cookie" not in server.seen[1].headers

    def test_a_netrc_file_does_not_replace_the_token(
        self, server: Loopback, still: StillClock, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        server.says(json_answer([]))

        client = make_client(server.url, still, headers={"Authorization": f"Bearer {TOKEN}"})
        client._session.trust_env = True
        client.get("/sales")

        assert server.seen[0].headers["Authorization"] == f"Bearer {TOKEN}"

    def test_a_form_is_sent_as_a_form(self, server: Loopback, client: Client) -> None:
        server.says(json_answer({"access_token": "new"}))

        client.post_form("/token", {"grant_type": "refresh_token", "client_secret": "h ush"}, secret=["client_secret"])

        assert server.seen[0].body == b"grant_type=refresh_token&client_secret=h+ush"
        assert server.seen[0].headers["Content-Type"] == "application/x-www-form-urlencoded"

    @pytest.mark.parametrize("fault", ["cut", "chunk-cut", "reset", "close"])
    def test_a_read_by_post_that_breaks_off_is_tried_again(self, server: Loopback, client: Client, fault: str) -> None:
        server.says(Answer(b"[1", fault=fault), json_answer([1]))

        assert client.query("/inventory", {}) == [1]

    def test_a_form_without_a_clear_answer_is_sent_again(self, server: Loopback, client: Client) -> None:
        server.says(Answer(fault="reset"), json_answer([], 503), json_answer({"access_token": "new"}))

        assert client.post_form("/token", {}, secret=[]) == {"access_token": "new"}
        assert len(server.seen) == 3

    def test_the_answer_to_a_form_is_shown_to_nobody(self, server: Loopback, client: Client) -> None:
        server.says(as_json(b'{"access_token": "hush'), html(text="<p>access_token hush</p>"))

        for _ in range(2):
            with pytest.raises(LookAgain) as raised:
                client.post_form("/token", {}, secret=[])
            assert "hush" not in str(raised.value)

    def test_loopback_is_not_spoken_to_through_a_proxy(
        self, server: Loopback, still: StillClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.says(json_answer([]))
        with loopback_server() as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)

            assert make_client(server.url, still).get("/orders") == []


class TestReading:
    def test_numbers_with_a_point_become_decimals(self, server: Loopback, client: Client) -> None:
        server.says(gzipped(Answer(b'{"total": 0.1, "count": 2}', headers={"Content-Type": "application/json"})))

        assert client.get("/x") == {"total": Decimal("0.1"), "count": 2}

    def test_no_content_is_none(self, server: Loopback, client: Client) -> None:
        server.says(NO_CONTENT)

        assert client.get("/orders") is None

    def test_not_found_is_none_only_where_it_may_be(self, server: Loopback, client: Client) -> None:
        server.says(json_answer([{"status": 404, "message": "Gone"}], 404), json_answer([], 404))

        assert client.get("/orders/1", missing_ok=True) is None
        with pytest.raises(WrongAnswer, match="404"):
            client.get("/orders/1")

    def test_an_empty_answer_is_none_only_where_it_may_be(self, server: Loopback, client: Client) -> None:
        server.says(Answer(b" \n"), Answer(b""))

        assert client.get("/sales/1", empty_ok=True) is None
        with pytest.raises(WrongAnswer, match="with nothing"):
            client.get("/sales/1")

    def test_json_without_a_content_type_is_read(self, server: Loopback, client: Client) -> None:
        server.says(Answer(b"[1]"))

        assert client.get("/x") == [1]

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (html(), "text/html instead of JSON: Down for maintenance"),
            (Answer(b"[]", headers={"Content-Type": "text/plain"}), "text/plain instead of JSON"),
            (as_json(b'[{"id": 1'), "broken JSON"),
            (as_json(b'{"a": NaN}'), "broken JSON"),
            (as_json(b'{"a": -Infinity}'), "broken JSON"),
            (as_json(b"[" * 100_000), "nested too deep"),
            (as_json(b"\xff\xfe[]"), "broken JSON"),
            (as_json(b"9" * 5000), "broken JSON"),
            (json_answer([], 302, Location="https://elsewhere.example/x"), r"points to https://elsewhere\.example/x"),
            (json_answer([], 304), "304"),
            (json_answer([{"status": 400, "message": "The field is not valid"}], 400), "The field is not valid"),
        ],
        ids=[
            "html",
            "text",
            "cut json",
            "nan",
            "infinity",
            "deep",
            "bytes",
            "long number",
            "redirect",
            "304",
            "400",
        ],
    )
    def test_what_is_no_answer_is_a_wrong_answer(
        self, server: Loopback, client: Client, answer: Answer, told: str
    ) -> None:
        server.says(answer)

        with pytest.raises(WrongAnswer, match=told):
            client.get("/orders")

        assert len(server.seen) == 1

    def test_the_token_is_not_carried_to_where_a_redirect_points(
        self, server: Loopback, client: Client, still: StillClock
    ) -> None:
        with loopback_server() as other:
            server.says(json_answer([], 301, Location=other.url + "/x"))

            with pytest.raises(WrongAnswer):
                client.get("/orders")

            assert other.seen == []

    @pytest.mark.parametrize("fault", ["cut", "chunk-cut"])
    def test_a_body_that_is_cut_every_time_is_a_wrong_answer(
        self, server: Loopback, client: Client, fault: str
    ) -> None:
        server.says(*[Answer(b"[]", headers={"Content-Type": "application/json"}, fault=fault)] * 5)

        with pytest.raises(WrongAnswer, match=r"broke off its answer to GET /orders: .*IncompleteRead"):
            client.get("/orders")

    def test_a_broken_gzip_stream_is_a_wrong_answer(self, server: Loopback, client: Client) -> None:
        garbled = gzip.compress(b"[1]")[:10] + b"\xff" * 50
        server.says(*[Answer(garbled, headers={"Content-Encoding": "gzip"})] * 5)

        with pytest.raises(WrongAnswer, match=r"broke off its answer to GET /orders: Received response with .* gzip"):
            client.get("/orders")

    def test_a_read_by_post_is_repeated_like_any_read(self, server: Loopback, client: Client) -> None:
        server.says(Answer(fault="reset"), html(503), json_answer([1]))

        assert client.query("/inventory", {"after": 0}) == [1]
        assert [seen.body for seen in server.seen] == [b'{"after":0}'] * 3

    @pytest.mark.parametrize("fault", ["reset", "close", "cut", "chunk-cut"])
    def test_a_read_is_tried_again_after_a_broken_connection(
        self, server: Loopback, client: Client, still: StillClock, fault: str
    ) -> None:
        server.says(Answer(b"[", fault=fault), Answer(b"[", fault=fault), json_answer([1]))

        assert client.get("/orders") == [1]
        assert between(still.slept, (1.0, 1.25), (2.0, 2.5))

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_a_read_is_tried_again_after_a_server_error(self, server: Loopback, client: Client, status: int) -> None:
        server.says(html(status), json_answer([1]))

        assert client.get("/orders") == [1]

    @pytest.mark.parametrize(
        ("status", "kind"), [(500, TooHeavy), (504, TooHeavy), (502, Unreachable), (503, Unreachable)]
    )
    def test_a_server_that_stays_broken_is_unreachable(
        self, server: Loopback, client: Client, status: int, kind: type[Unreachable]
    ) -> None:
        server.says(*[html(status)] * 3)

        with pytest.raises(Unreachable, match=f"{status}.*Down for maintenance") as raised:
            client.get("/orders", tries=3)

        assert type(raised.value) is kind

    def test_a_page_that_is_too_long_is_too_heavy_at_once(self, server: Loopback, client: Client) -> None:
        server.says(html(413))

        with pytest.raises(TooHeavy):
            client.get("/orders")

    def test_a_read_that_gets_no_answer_in_time_is_too_heavy(self, server: Loopback, still: StillClock) -> None:
        server.says(*[Answer(fault="silent")] * 2)
        client = make_client(server.url, still, timeouts=Timeouts(connect=2, read=0.05))

        with pytest.raises(TooHeavy, match=r"did not answer GET /orders in time: Read timed out"):
            client.get("/orders", tries=2)

    def test_a_read_whose_answer_stops_halfway_is_too_heavy(self, server: Loopback, still: StillClock) -> None:
        server.says(Answer(b"[1,", fault="stall"))
        client = make_client(server.url, still, timeouts=Timeouts(connect=2, read=0.05))

        with pytest.raises(TooHeavy, match="in time"):
            client.get("/orders", tries=1)

    def test_an_answer_that_takes_too_long_altogether_is_given_up(self, server: Loopback, still: StillClock) -> None:
        server.says(json_answer(list(range(9))))
        client = make_client(server.url, still, timeouts=Timeouts(whole=-1))

        with pytest.raises(TooHeavy, match="took too long to arrive"):
            client.get("/orders", tries=1)

    def test_certificates_that_are_not_where_the_environment_says_are_told_of(
        self, still: StillClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")

        with (
            make_client("https://shop.example", still) as client,
            pytest.raises(Unreachable, match=r"cannot be reached at shop.example: .*/nowhere/ca.pem"),
        ):
            client.get("/orders", tries=1)

    def test_an_answer_that_swells_beyond_what_can_be_kept_is_too_heavy(
        self, server: Loopback, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bcpoll.http.exchange._LARGEST", 2_000_000)
        server.says(gzipped(json_answer("0" * 3_000_000)), json_answer("0" * 1_999_998))

        with pytest.raises(TooHeavy, match=r"answered GET /orders with too much: more than 2 MB"):
            client.get("/orders", tries=1)
        assert len(str(client.get("/orders", tries=1))) == 1_999_998


class TestWaiting:
    def test_a_429_without_a_header_is_waited_out_with_growing_jittered_delays(
        self, server: Loopback, client: Client, still: StillClock
    ) -> None:
        server.says(*[html(429)] * 4, json_answer([1]))

        assert client.get("/orders") == [1]
        assert between(still.slept, (5, 6.25), (10, 12.5), (20, 25), (40, 50))

    @pytest.mark.parametrize(
        ("headers", "wait"),
        [
            ({"Retry-After": "7"}, 7),
            ({"Retry-After": "0"}, 1),
            ({"Retry-After": "86400"}, 300),
            ({"Retry-After": "Mon, 23 Nov 2026 09:15:42 GMT"}, 42),
            ({"Retry-After": "Mon, 23 Nov 2026 09:00:00 GMT"}, 1),
            ({"Retry-After": "Tue, 24 Nov 2026 09:00:00 GMT"}, 300),
            ({"X-Rate-Limit-Time-Reset-Ms": "15000"}, 15),
            ({"X-Retry-After": "20", "X-Rate-Limit-Time-Reset-Ms": "15000"}, 20),
            ({"X-Retry-After": "2", "Retry-After": "3", "X-Rate-Limit-Time-Reset-Ms": "15000"}, 15),
        ],
    )
    def test_a_told_wait_is_kept_within_reason(
        self, server: Loopback, still: StillClock, client: Client, headers: Mapping[str, str], wait: float
    ) -> None:
        server.says(Answer(status=429, headers=headers), json_answer([1]))

        assert client.get("/orders") == [1]
        assert still.slept[0] == wait

    def test_a_date_is_held_against_the_clock_of_the_server_and_not_of_the_host(
        self, server: Loopback, client: Client, still: StillClock
    ) -> None:
        still.pass_by(86_400)
        server.says(Answer(status=429, headers={"Retry-After": "Mon, 23 Nov 2026 09:15:42 GMT"}), json_answer([1]))

        client.get("/orders")

        assert still.slept == [42]

    def test_a_wait_that_cannot_be_read_is_the_same_as_none(
        self, server: Loopback, client: Client, still: StillClock
    ) -> None:
        server.says(Answer(status=429, headers={"Retry-After": "soon"}), json_answer([1]))

        client.get("/orders")

        assert between(still.slept, (5, 6.25))

    def test_a_500_is_given_a_minute_and_then_longer(self, server: Loopback, client: Client, still: StillClock) -> None:
        server.says(html(500), html(500), json_answer([1]))

        client.get("/orders")

        assert between(still.slept, (60, 75), (120, 150))

    def test_a_rate_limit_that_does_not_lift_ends_the_pass_without_harm(self, server: Loopback, client: Client) -> None:
        server.says(*[json_answer({"error": "Too Many Requests", "message": "Rate limiting enforced"}, 429)] * 5)

        with pytest.raises(RetryLater, match="Too Many Requests; Rate limiting enforced") as raised:
            client.get("/orders")

        assert type(raised.value) is RetryLater
        assert raised.value.exit_code == 75

    def test_no_wait_begins_that_would_end_after_the_time_allowed(
        self, server: Loopback, client: Client, still: StillClock
    ) -> None:
        server.says(*[Answer(status=429, headers={"Retry-After": "290"})] * 3)

        with pytest.raises(RetryLater):
            client.get("/orders")

        assert sum(still.slept) <= 600

    def test_a_client_waits_before_sending(self, server: Loopback, still: StillClock) -> None:
        server.says(*[json_answer([], X_RateLimit_Limit="3", X_RateLimit_Remaining="2")] * 3)
        client = make_client(server.url, still, budget=WindowBudget(window=10.0, clock=still.clock))

        for _ in range(3):
            client.get("/a")

        assert between(still.slept, (10.0, 10.3))
        assert client.budget.limit == 3

    def test_a_client_leaves_alone_what_is_reserved(self, server: Loopback, still: StillClock) -> None:
        server.says(*[json_answer([], X_RateLimit_Limit="4", X_RateLimit_Remaining="3")] * 3)
        client = make_client(server.url, still, budget=WindowBudget(window=10.0, clock=still.clock))
        client.reserve(50)

        for _ in range(3):
            client.get("/a")

        assert still.slept == [10.0]

    def test_a_429_holds_back_all_workers(self, server: Loopback, still: StillClock) -> None:
        budget = SharedBudget(clock=still.clock)
        others: list[object] = []

        def sleep(seconds: float) -> None:
            others.append(budget.try_claim())
            still.sleep(seconds)

        server.says(Answer(status=429, headers={"Retry-After": "9"}), json_answer([1]))
        clock = Clock(still.clock.monotonic, sleep, still.clock.now)
        make_client(server.url, still, budget=budget, clock=clock).get("/orders")

        assert others == [9]
        assert still.slept == [9]

    def test_a_budget_that_is_held_lets_nobody_through(self, still: StillClock) -> None:
        budget = SharedBudget(clock=still.clock)
        budget.hold(9)
        budget.hold(3)

        with budget.request():
            pass

        assert still.slept == [9]


class TestWriting:
    @pytest.mark.parametrize("method", ["post", "put"])
    @pytest.mark.parametrize("fault", ["reset", "close", "cut", "chunk-cut"])
    def test_a_write_after_a_broken_connection_is_looked_up_and_never_repeated(
        self, server: Loopback, client: Client, method: str, fault: str
    ) -> None:
        server.says(Answer(b"{", fault=fault))

        with pytest.raises(LookAgain) as raised:
            getattr(client, method)("/sales", {})

        assert raised.value.status == (200 if "cut" in fault else None)
        assert len(server.seen) == 1

    def test_a_write_without_an_answer_in_time_is_looked_up(self, server: Loopback, still: StillClock) -> None:
        server.says(Answer(fault="silent"))
        client = make_client(server.url, still, timeouts=Timeouts(connect=2, read=0.05))

        with pytest.raises(LookAgain, match=r"gave no answer to POST /sales: Read timed out") as raised:
            client.post("/sales", {})

        assert raised.value.status is None

    @pytest.mark.parametrize("status", [302, 408, 409, 422, 500, 502, 503, 504])
    def test_an_unclear_refusal_of_a_write_is_looked_up_with_what_was_said(
        self, server: Loopback, client: Client, status: int
    ) -> None:
        server.says(json_answer({"error": "A sale with this id exists already."}, status, Retry_After="1"))

        with pytest.raises(LookAgain, match=f"{status}.*A sale with this id exists already") as raised:
            client.post("/sales", {})

        assert raised.value.status == status
        assert len(server.seen) == 1

    @pytest.mark.parametrize("status", [400, 404, 405, 413])
    def test_a_clear_refusal_of_a_write_is_given_up(self, server: Loopback, client: Client, status: int) -> None:
        server.says(json_answer({"error": {"code": 1, "message": "postcode invalid"}}, status))

        with pytest.raises(GiveUp, match="postcode invalid") as raised:
            client.post("/sales", {})

        assert raised.value.status == status

    def test_a_clear_refusal_stays_clear_when_its_text_is_cut(self, server: Loopback, client: Client) -> None:
        server.says(Answer(b'{"err', 400, fault="cut"))

        with pytest.raises(GiveUp):
            client.post("/sales", {})

    @pytest.mark.parametrize("answer", [html(), Answer(b""), as_json(b'{"id'), as_json(b"NaN")])
    def test_a_success_that_cannot_be_read_is_looked_up(self, server: Loopback, client: Client, answer: Answer) -> None:
        server.says(answer)

        with pytest.raises(LookAgain) as raised:
            client.post("/sales", {})

        assert raised.value.status == 200

    def test_a_success_without_content_is_none_where_none_is_needed(self, server: Loopback, client: Client) -> None:
        server.says(NO_CONTENT, Answer(b""))

        assert client.put("/registers/a", {}) is None
        assert client.put("/registers/a", {}, empty_ok=True) is None

    def test_a_write_is_repeated_after_429_because_it_was_not_carried_out(
        self, server: Loopback, client: Client, still: StillClock
    ) -> None:
        server.says(
            Answer(status=429, headers={"Retry-After": "Mon, 23 Nov 2026 09:15:30 GMT"}), json_answer({"id": 1})
        )

        assert client.post("/sales", {"a": 1}) == {"id": 1}
        assert still.slept == [30]
        assert [seen.body for seen in server.seen] == [b'{"a":1}'] * 2

    def test_a_write_that_is_told_429_to_the_end_was_not_carried_out(self, server: Loopback, client: Client) -> None:
        server.says(*[html(429)] * 5)

        with pytest.raises(RetryLater, match="slow down") as raised:
            client.post("/sales", {})

        assert type(raised.value) is RetryLater

    def test_an_unclear_answer_after_429_is_not_repeated(self, server: Loopback, client: Client) -> None:
        server.says(Answer(status=429, headers={"Retry-After": "1"}), html(500))

        with pytest.raises(LookAgain):
            client.post("/sales", {})

    def test_nan_is_never_written(self, client: Client) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            client.post("/sales", {"price": Decimal("NaN")})

        assert client.requests == 0


class TestNoConnection:
    @pytest.fixture
    def nowhere(self, still: StillClock) -> Client:
        with loopback_server() as gone:
            url = gone.url
        return make_client(url, still)

    def test_a_write_that_found_nobody_was_not_carried_out(self, nowhere: Client) -> None:
        with pytest.raises(Unreachable, match=r"Shop cannot be reached at 127\.0\.0\.1:\d+: .*Connection refused"):
            nowhere.post("/sales", {})

        assert nowhere.requests == 1

    def test_a_read_that_finds_nobody_is_tried_again(self, nowhere: Client, still: StillClock) -> None:
        with pytest.raises(Unreachable, match="cannot be reached") as raised:
            nowhere.get("/orders")

        assert nowhere.requests == 5
        assert raised.value.exit_code == 69

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (requests.ConnectTimeout(MaxRetryError(None, "/x?secret", ConnectTimeoutError("timed out"))), Unreachable),  # type: ignore[arg-type]
            (requests.exceptions.SSLError(MaxRetryError(None, "/x?secret", None)), LookAgain),  # type: ignore[arg-type]
            (requests.ConnectionError(), LookAgain),
            (requests.exceptions.InvalidHeader("strange"), LookAgain),
        ],
    )
    def test_nothing_is_claimed_beyond_a_connection_that_was_not_made(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[BcpollError]
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(client._session, "get_adapter", fail)

        with pytest.raises(kind):
            client.post("/sales", {})


class TestAccess:
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_a_refused_token_names_the_side_and_the_setting(
        self, server: Loopback, client: Client, method: str
    ) -> None:
        server.says(json_answer({"error": "Access token is not valid"}, 401))

        with pytest.raises(
            AccessRefused, match=r"Shop refused the token \(401\).*: Access token is not valid"
        ) as raised:
            getattr(client, method)(*(("/x",) if method == "get" else ("/x", {})))

        assert raised.value.hint.startswith("Put a valid token into [shop] token. See that it was not swapped")

    def test_a_missing_scope_is_named_as_far_as_it_is_known(self, server: Loopback, client: Client) -> None:
        server.says(json_answer([], 403), json_answer([], 403))

        with pytest.raises(AccessRefused, match="403") as raised:
            client.get("/orders", scope="orders_read")
        with pytest.raises(AccessRefused) as unknown:
            client.get("/orders")

        assert raised.value.hint == "The token probably lacks the scope orders_read. Ask for it."
        assert unknown.value.hint == "The token probably lacks a scope. Ask for it."

    def test_a_refused_token_is_renewed_once(self, server: Loopback, still: StillClock) -> None:
        server.says(json_answer([], 401), json_answer([1]))
        client = make_client(server.url, still, headers={"X-Other": "stays"}, tokens=Tokens("old", "newer"))

        assert client.post("/sales", {}) == [1]
        assert [seen.headers["Authorization"] for seen in server.seen] == ["Bearer old", "Bearer newer"]
        assert {seen.headers["X-Other"] for seen in server.seen} == {"stays"}

    def test_a_token_that_is_refused_after_renewal_is_refused(self, server: Loopback, still: StillClock) -> None:
        server.says(*[json_answer([], 401)] * 2)
        client = make_client(
            server.url, still, side=replace(SIDE, token_remedy="Log in."), tokens=Tokens("old", "newer")
        )

        with pytest.raises(AccessRefused) as raised:
            client.get("/sales")

        assert raised.value.hint == "Log in."

    def test_a_renewal_that_gives_the_same_token_ends_there(self, server: Loopback, still: StillClock) -> None:
        server.says(json_answer([], 401))
        client = make_client(server.url, still, tokens=Tokens("old"))

        with pytest.raises(AccessRefused):
            client.get("/sales")

    def test_every_try_goes_with_the_token_of_its_time(self, server: Loopback, still: StillClock) -> None:
        server.says(json_answer([], 503), json_answer([1]))
        tokens = Tokens("old", "newer")
        sleeping = replace(still.clock, sleep=lambda seconds: tokens.renewed("old") and None)
        client = make_client(server.url, still, tokens=tokens, clock=sleeping)

        assert client.get("/sales") == [1]
        assert [seen.headers["Authorization"] for seen in server.seen] == ["Bearer old", "Bearer newer"]

    def test_a_token_that_cannot_be_one_is_refused_without_being_shown(
        self, server: Loopback, still: StillClock
    ) -> None:
        client = make_client(server.url, still, tokens=Tokens("hush\nhush"))

        with pytest.raises(SettingsError, match="line break") as raised:
            client.get("/sales")

        assert "hush" not in str(raised.value)


class TestWhatIsSaid:
    def test_half_a_sign_in_an_answer_gets_into_no_message(self, server: Loopback, client: Client) -> None:
        server.says(Answer(b'{"title": "no \\ud83d here"}', 400))

        with pytest.raises(GiveUp) as raised:
            client.post("/sales", {})

        assert raised.value.message.encode().endswith(b"no ? here")


class TestSecrets:
    def test_no_message_and_no_log_line_shows_a_token(
        self, server: Loopback, still: StillClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        shapes = [TOKEN, quote(TOKEN, safe=""), f"Bearer {TOKEN}"]
        client = make_client(server.url, still, headers={"Authorization": f"Bearer {TOKEN}"})
        said = json_answer({"error": " ".join(shapes)}, 400)
        echo = json_answer({"error": TOKEN}, 302, Location=f"http://elsewhere.example/{TOKEN}")
        server.says(
            said, said, json_answer({"error": TOKEN}, 401), json_answer([TOKEN], 403), echo, html(200, TOKEN),
            *[html(500, TOKEN)] * 5, html(500, TOKEN), *[html(429, TOKEN)] * 5, json_answer({"error": "h ush"}, 400),
        )  # fmt: skip
        told: list[str] = []

        def note(call: Any, *args: Any, **named: Any) -> None:
            with pytest.raises(BcpollError) as raised:
                call(*args, **named)
            told.append(f"{raised.value} {raised.value.message} {raised.value.hint} {raised.value!r}")

        note(client.get, "/x")
        note(client.post, "/x", {})
        for _ in range(5):
            note(client.get, "/x")
        note(client.post, "/x", {})
        note(client.get, "/x")
        note(client.post_form, "/token", {"secret": "h ush", "absent": ""}, secret=["secret", "other"])

        everything = " ".join([*told, caplog.text, repr(client), str(vars(client).get("side"))])
        assert not [shape for shape in [*shapes, "xyzzy", "h ush"] if shape in everything]
        assert "***" in everything
        assert "GET /x: 400 in" in caplog.text

    @pytest.mark.parametrize("token", ["abra\n", " blank", "naïve", "tab\there", ""])
    def test_a_token_that_cannot_be_one_is_refused_without_showing_it(self, still: StillClock, token: str) -> None:
        with pytest.raises(SettingsError) as raised:
            make_client("https://api.example.com", still, headers={"X-Auth-Token": token})

        assert raised.value.problems[0].key == "[shop] token"
        assert not token or token.strip() not in str(raised.value)

    def test_a_token_that_is_cut_off_is_hidden_as_well(self, server: Loopback, client: Client) -> None:
        server.says(json_answer({"error": "-" * 495 + TOKEN}, 400))

        with pytest.raises(GiveUp) as raised:
            client.post("/x", {})

        assert TOKEN[:3] not in raised.value.message

    def test_what_was_said_is_kept_short_and_on_one_line(self, server: Loopback, client: Client) -> None:
        server.says(html(400, "<p>" + "long\nstory " * 999))

        with pytest.raises(GiveUp) as raised:
            client.post("/x", {})

        assert "\n" not in raised.value.message
        assert len(raised.value.message) < 600

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (
                '[{"status": 404, "message": "Not found.", "details": {"conflict": "taken"}}]',
                "Not found.; conflict: taken",
            ),
            ('{"status": 422, "title": "Bad", "errors": {"name": "is required"}}', "Bad; name: is required"),
            ('{"title": "Bad", "errors": {}}', "Bad"),
            ('{"error": "Denied", "message": "Denied"}', "Denied"),
            ('{"error": {"code": 7, "message": "Payment refused"}}', "Payment refused"),
            ('{"status": "error", "error": "Broken", "details": "Field price"}', "Broken; Field price"),
            ('{"sku": ["taken", "short"], "n": 1}', "sku: taken; sku: short"),
            ('"plain"', "plain"),
            ("<h1>Gone</h1>", "Gone"),
            ("out of order", "out of order"),
            ("[[[[[[[1]]]]]]]", "[[[[[[[1]]]]]]]"),
            ("", ""),
        ],
    )
    def test_errors_are_quoted_in_whatever_shape_they_come(
        self, server: Loopback, client: Client, body: str, said: str
    ) -> None:
        server.says(Answer(body.encode(), 400))

        with pytest.raises(GiveUp) as raised:
            client.post("/x", {})

        assert raised.value.message == f"Shop refused POST /x (400): {said}"


class TestAddresses:
    @pytest.mark.parametrize(
        "url", ["https://api.bigcommerce.com", "https://shop.example:8443/", "http://localhost:1", "http://[::1]:80"]
    )
    def test_tls_and_loopback_are_accepted(self, url: str) -> None:
        assert require_tls(url, key="k") == url.rstrip("/")

    @pytest.mark.parametrize(
        ("url", "told"),
        [
            ("http://api.bigcommerce.com", "would send the token unprotected"),
            ("http://127.0.0.1.example.com", "would send the token unprotected"),
            ("ftp://localhost", "is no web address"),
            ("api.bigcommerce.com", "is no web address"),
            ("https://", "is no web address"),
            ("https://host:port", "is no web address"),
            ("https://host/path", "is more than scheme, host and port"),
            ("https://user:hush@host", "is more than scheme, host and port"),
        ],
    )
    def test_all_else_is_refused_by_key(self, url: str, told: str) -> None:
        problem = url_problem(url, key="[shop] url")

        assert problem is not None
        assert told in problem.message
        assert "hush" not in problem.message
        with pytest.raises(SettingsError, match=r"\[shop\] url"):
            require_tls(url, key="[shop] url")

    def test_a_client_is_not_made_for_an_open_address(self, still: StillClock) -> None:
        with pytest.raises(SettingsError):
            make_client("http://api.example.com", still)


class TestCounts:
    def test_requests_are_counted_with_their_repeats(self, server: Loopback, client: Client) -> None:
        server.says(html(503), json_answer([]), json_answer([]))

        client.get("/a")
        client.get("/b")

        assert client.requests == 3

    def test_the_clock_of_the_server_is_kept(self, server: Loopback, client: Client) -> None:
        assert client.server_date is None
        server.says(json_answer([]))

        client.get("/a")

        assert client.server_date == START


class TestJson:
    def test_numbers_survive_the_way_out_and_back(self) -> None:
        value = {"a": Decimal("1.10"), "b": [1, Decimal("0.30000000000000000001")], "c": None, "d": "ü"}

        assert read_json(write_json(value)) == value

    def test_bytes_are_read_as_utf_8(self) -> None:
        assert read_json('"ü"'.encode()) == "ü"

    def test_a_power_of_ten_beyond_all_bounds_is_no_json(self) -> None:
        with pytest.raises(ValueError, match="power of ten"):
            read_json("[1e99999999999999999999]")

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ('[NaN, -Infinity, 1.10, 7, "x"]', ["NaN", "-Infinity", Decimal("1.10"), 7, "x"]),
            ("[1e99999999999999999999]", ["1e99999999999999999999"]),
            (f"[{'9' * 5000}, 1]", ["9" * 5000, 1]),
            ('["a\x00b"]', ["a\x00b"]),
            (f'[NaN, {{"a]": "\\"["}}, {"[" * 97}1{"]" * 97}]', None),
        ],
        ids=["nan", "power", "digits", "control", "not too deep"],
    )
    def test_read_loosely_one_bad_value_costs_no_other(self, text: str, value: Any) -> None:
        read = read_loosely(text)

        assert read == value if value is not None else str(read).count("[") == 99

    @pytest.mark.parametrize("depth", [100, 500, 5000, 50_000])
    @pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
    def test_read_loosely_what_is_nested_too_deep_is_cut_off(self, opening: str, closing: str, depth: int) -> None:
        deep = opening * depth + "1" + closing * depth

        read = read_loosely(f'[{deep}, "]", {{"b": {deep}, "c": 2}}, 3]')

        assert isinstance(read, list)
        assert (read[1], read[2]["c"], read[3]) == ("]", 2, 3)
        assert "1" not in str(read[0])

    @pytest.mark.parametrize("depth", [100, 500, 5000, 50_000])
    def test_what_is_nested_deeper_than_any_answer_is_no_json(self, depth: int) -> None:
        with pytest.raises(ValueError, match="nested too deep"):
            read_json("[" * depth + "]" * depth)

    @pytest.mark.parametrize("text", ["", "[1", "[" * 5000, '{"a": [' * 5000, "<html>", "nan"])
    def test_read_loosely_what_is_broken_is_still_no_json(self, text: str) -> None:
        with pytest.raises(ValueError):
            read_loosely(text)
