"""Measurements: what /healthz says, and a server that nobody can hold up."""

import socket
from datetime import timedelta

import pytest
from shop import Shop

from bcpoll.monitoring import metrics
from bcpoll.monitoring.metrics import health
from bcpoll.monitoring.standing import standing

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("minutes", "status"), [(0, "200 OK"), (60, "200 OK"), (61, "503 Service Unavailable")])
def test_health_goes_by_the_last_pass_that_got_through(minutes: int, status: str) -> None:
    shop = Shop()
    shop.pass_()
    shop.time.forward(minutes=minutes)
    now = shop.time.now()

    assert health(standing(shop.checkpoint, now), HOUR, now)[0] == status


def test_before_any_pass_there_is_no_health() -> None:
    shop = Shop()
    now = shop.time.now()

    assert health(standing(shop.checkpoint, now), HOUR, now) == (
        "503 Service Unavailable",
        "no pass has got through yet\n",
    )


def test_who_connects_and_says_nothing_is_hung_up_on_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    patience = metrics._Quiet.timeout
    assert patience
    monkeypatch.setattr(metrics._Quiet, "timeout", patience / 200)

    with (
        metrics.server("127.0.0.1:0") as on,
        socket.create_connection(("127.0.0.1", on.server_port), timeout=10) as silent,
    ):
        on.handle_request()
        assert silent.recv(1) == b""

    assert capsys.readouterr().err == ""
