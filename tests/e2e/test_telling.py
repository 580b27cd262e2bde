"""The program tells its owner how passes go, and lets itself be measured."""

import json
import signal
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from post_office import Hook, certificate, hook, post_office
from program import Desk, start

from bcpoll.cli.wiring import now
from bcpoll.lock import run_lock

pytestmark = pytest.mark.slow


@pytest.fixture
def receiver() -> Iterator[Hook]:
    with hook() as opened:
        yield opened


def add(desk: Desk, text: str) -> None:
    desk.config.write_text(f"{desk.config.read_text()}\n{text}\n")


@pytest.fixture
def told(desk: Desk, receiver: Hook) -> Hook:
    """Whoever is told how the passes of a shop go, over a web hook and a check."""
    add(desk, f'[alerts]\nwebhook = "{receiver.url}/hook-secret"\nping = "{receiver.url}/ping-secret"')
    return receiver


def test_a_pass_pings_and_tells_what_it_set_aside_until_that_is_over(desk: Desk, told: Hook) -> None:
    wrong = desk.order(fields={"total_inc_tax": "1.0000"})

    assert desk.run("run-once").code == 3
    assert told.paths == ["/ping-secret/start", "/ping-secret", "/hook-secret"]
    assert "3 sales written" in told.posts[1][2]
    message = json.loads(told.posts[2][2])["text"]
    assert message.startswith(
        f"*bcpoll (sandbox): set aside: totals differ*\n1 order is set aside: totals differ ({wrong})"
    )
    assert "ada@example.com" not in str(told.posts)

    told.posts.clear()
    desk.run("run-once")
    assert told.paths == ["/ping-secret/start", "/ping-secret"]

    told.posts.clear()
    desk.run("review", "dismiss", "1", "--reason", "entered by hand")
    desk.run("run-once")
    assert told.paths[2:] == ["/hook-secret"]
    assert "over: set aside: totals differ" in told.posts[2][2]


def test_a_refused_token_is_told_with_the_log(desk: Desk, told: Hook) -> None:
    desk.world.tokens.store = "another"

    assert desk.run("run-once").code == 77

    assert told.paths == ["/ping-secret/start", "/ping-secret/fail", "/hook-secret"]
    assert "BigCommerce refused the token (401)" in told.posts[1][2]
    assert "access refused" in told.posts[2][2]


def test_a_store_that_is_down_is_left_to_the_checks_own_patience(
    desk: Desk, told: Hook, no_waiting: list[float]
) -> None:
    desk.write_config((desk.url, "http://127.0.0.1:1"))
    add(desk, f'[alerts]\nping = "{told.url}/ping-secret"')

    assert desk.run("run-once").code == 69

    assert told.paths == ["/ping-secret/start", "/ping-secret/log"]


def test_nobody_who_cannot_be_told_makes_a_pass_fail(desk: Desk, told: Hook) -> None:
    told.status = 500
    desk.order(currency="EUR")

    said = desk.run("run-once")

    assert said.code == 3
    assert "alert by webhook not sent: it answered 500" in said.err
    assert "secret" not in said.err
    told.status = 200
    told.posts.clear()
    desk.run("run-once")
    assert told.paths == ["/ping-secret/start", "/ping-secret", "/hook-secret"]


def test_named_orders_and_a_dry_run_are_nobodys_business(desk: Desk, told: Hook) -> None:
    desk.run("run-once", "--dry-run")
    desk.run("run-once", "--order", "100")

    assert told.posts == []


def test_a_slip_of_whoever_types_is_nobodys_business(desk: Desk, told: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.run("run-once")
    told.posts.clear()
    # The day has begun in other zones, but not yet in the shop's.
    monkeypatch.setattr("bcpoll.cli.wiring.now", lambda: datetime(2026, 11, 2, 5, tzinfo=UTC))

    said = desk.run("run-once", "--since", "2026-11-02")

    assert (said.code, told.paths) == (2, [])


def test_a_run_that_finds_another_one_says_nothing_before_it_is_time(desk: Desk, told: Hook) -> None:
    desk.run("run-once")
    told.posts.clear()
    with run_lock(desk.checkpoint, command="another", now=now()):
        assert desk.run("run-once").code == 0

    assert told.posts == []


def test_alerts_test_sends_a_message_over_each_way(desk: Desk, told: Hook) -> None:
    said = desk.run("alerts", "test")

    assert (said.code, said.out) == (
        0,
        "webhook: sent; see whether it has come\nping: sent; see whether it has come\n",
    )
    assert told.paths == ["/hook-secret", "/ping-secret/log"]
    assert "Nothing is." in told.posts[0][2]


def test_alerts_test_says_what_did_not_get_through(desk: Desk, told: Hook) -> None:
    told.status = 404

    said = desk.run("alerts", "test")
    as_json = desk.run("--json", "alerts", "test").json

    assert said.code == 69
    wrong = "it answered 404. Look at the address in [alerts]."
    assert said.out == f"webhook: not sent: {wrong}\nping: not sent: {wrong}\n"
    assert as_json["alerts"][0] == {"by": "webhook", "sent": False, "error": wrong}


def test_alerts_test_where_nobody_is_named(desk: Desk) -> None:
    said = desk.run("alerts", "test")

    assert said.code == 2
    assert "[alerts] names nobody: fill in webhook, ping, or email_to and smtp_host." in said.err


def test_mail_goes_to_a_server_that_is_trusted_alone(desk: Desk, tmp_path: Path) -> None:
    with post_office(certificate(tmp_path)) as office:
        add(desk, f'[alerts]\nemail_to = ["ada@example.com"]\nsmtp_host = "127.0.0.1"\nsmtp_port = {office.port}')
        said = desk.run("alerts", "test")

    assert said.code == 69
    assert "CERTIFICATE_VERIFY_FAILED" in said.out
    assert office.letters == []


# --- measurements ----------------------------------------------------------------------------------------------------


def measured(text: str) -> dict[str, str]:
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def test_measurements_are_written_after_each_pass_as_a_whole(desk: Desk) -> None:
    add(desk, '[metrics]\nfile = "bcpoll.prom"')
    desk.order(fields={"total_inc_tax": "1.0000"})
    before = now().timestamp()

    desk.run("run-once")

    file = desk.folder / "bcpoll.prom"
    values = measured(file.read_text())
    assert values['bcpoll_orders{state="paid"}'] == "3.0"
    assert values['bcpoll_set_aside{reason="totals differ"}'] == "1.0"
    assert values['bcpoll_last_run_outcome{outcome="set_aside"}'] == "1.0"
    assert values['bcpoll_last_run_count{of="created"}'] == "3.0"
    assert int(before) <= float(values["bcpoll_last_success_timestamp_seconds"]) <= now().timestamp()
    assert float(values["bcpoll_checkpoint_bytes"]) > 0
    assert [one.name for one in desk.folder.iterdir() if ".prom." in one.name] == []
    assert stat.S_IMODE(file.stat().st_mode) & stat.S_IROTH


def test_measurements_of_a_pass_that_failed_are_written_too(desk: Desk) -> None:
    add(desk, '[metrics]\nfile = "bcpoll.prom"')
    desk.world.tokens.store = "another"

    assert desk.run("run-once").code == 77

    values = measured((desk.folder / "bcpoll.prom").read_text())
    assert values['bcpoll_last_run_outcome{outcome="failed"}'] == "1.0"
    assert "bcpoll_last_success_timestamp_seconds" not in values


def test_measurements_that_cannot_be_written_fail_no_pass(desk: Desk) -> None:
    add(desk, '[metrics]\nfile = "nowhere/bcpoll.prom"')

    said = desk.run("run-once")

    assert said.code == 0
    assert "measurements could not be written to" in said.err


def test_without_the_extra_it_is_said_how_to_get_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "bcpoll.monitoring.metrics", raising=False)
    monkeypatch.delattr("bcpoll.monitoring.metrics", raising=False)
    add(desk, '[metrics]\nfile = "bcpoll.prom"')

    said = desk.run("run-once")

    assert said.code == 78
    assert "pip install 'bcpoll[metrics]'" in said.err


def asked(url: str) -> tuple[int, str]:
    try:
        with urlopen(url) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_bcpoll_run_answers_to_metrics_and_healthz_on_loopback(desk: Desk, receiver: Hook) -> None:
    port = free_port()
    add(desk, f'[metrics]\nlisten = "127.0.0.1:{port}"')

    with start("--config", str(desk.config), "run", folder=desk.folder) as process:
        process.says("sales written")
        answers = [asked(f"http://127.0.0.1:{port}/{path}") for path in ("metrics", "healthz", "elsewhere")]
        process.signal(signal.SIGTERM)
        assert process.ends().code == 0

    (metrics_status, metrics), (health_status, health), (elsewhere, _) = answers
    assert (metrics_status, health_status, elsewhere) == (200, 200, 404)
    assert 'bcpoll_orders{state="paid"} 3.0' in metrics
    assert health.startswith("the last pass that got through began ")


def test_a_port_that_is_taken_is_said(desk: Desk, receiver: Hook) -> None:
    taken = receiver.url.rpartition(":")[2]
    add(desk, f'[metrics]\nlisten = "127.0.0.1:{taken}"')

    said = desk.run("run")

    assert said.code == 78
    assert f"[metrics] listen: 127.0.0.1:{taken} cannot be listened on" in said.err


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
