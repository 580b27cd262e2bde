"""`bcpoll check` as its user meets it: ticks and crosses, JSON, and the exit code of the worst."""

import io
import sys
from pathlib import Path

import pytest
from program import Desk

from bcpoll.cli import render

LOGIN = ('access_token = "pos-token"', 'client_id = "client"\nclient_secret = "client-secret"')


def lines(out: str) -> list[str]:
    return out.splitlines()


def test_every_subject_has_a_line_and_the_remedy_stands_below(desk: Desk) -> None:
    said = desk.run("check")

    assert said.code == 0
    assert lines(said.out)[0] == f"✓  settings            {desk.config}: everything in it can be read"
    assert '!  payment types       "Credit Card" is booked as "Online - Card", the default' in lines(said.out)
    remedy = 'If that is right, say so under [payments]: "Credit Card" = "Online - Card"; else name another type there.'
    assert " " * 23 + remedy in lines(said.out)
    assert lines(said.out)[-1] == "1 warning, nothing that stops a run."
    assert said.err == ""


def test_where_all_is_well_that_is_said(desk: Desk) -> None:
    desk.write_config(("[payments]", '[payments]\n"Credit Card" = "Online - Card"'))

    said = desk.run("check")

    assert (said.code, lines(said.out)[-1]) == (0, "All is well.")


def test_a_problem_is_a_cross_and_decides_the_exit_code(desk: Desk) -> None:
    desk.write_config(('register = "Online"', 'register = "Onlin"'), ("pos-token", "wrong-token"))

    said = desk.run("check")

    assert said.code == 77
    assert "✗  POS token           Lightspeed refused the token (401)" in said.out
    assert "!  register            not checked: the POS did not let it be read, see above" in said.out
    assert lines(said.out)[-1] == "1 problem, 8 not checked: a run would not get through."


def test_settings_that_are_wrong_are_told_one_by_one(desk: Desk) -> None:
    desk.write_config(('user = "online"', 'usr = "online"'), ("[sync]", '[sync]\ninterval = "1 hour"'))

    said = desk.run("check")

    assert said.code == 78
    assert [line[:1] for line in lines(said.out) if line[:1].strip()] == ["✗", "✗", "✗", "3"]
    assert '✗  settings            [sync] interval: "1 hour" is not a length of time' in lines(said.out)
    assert len(desk.world.log) == 0


def test_a_missing_file_is_told_with_the_way_to_make_one(desk: Desk) -> None:
    desk.config.unlink()

    said = desk.run("check")

    assert said.code == 78
    assert f"✗  settings            {desk.config}: there is no such file" in lines(said.out)
    assert "Make one with bcpoll init" in said.out


def test_it_can_be_had_as_json(desk: Desk) -> None:
    desk.write_config(('user = "online"', 'user = "nobody"'))

    said = desk.run("--json", "check")

    assert (said.code, said.json["exit_code"]) == (78, 78)
    (user,) = [finding for finding in said.json["findings"] if finding["subject"] == "user"]
    assert (user["verdict"], user["detail"]) == ("problem", '[pos] user: the POS has no user "nobody"')
    assert user["remedy"].startswith("It has:")


def test_wrong_settings_can_be_had_as_json(desk: Desk) -> None:
    desk.write_config(('user = "online"', ""))

    said = desk.run("--json", "check")

    assert said.code == said.json["exit_code"] == 78
    assert [finding["subject"] for finding in said.json["findings"]] == ["settings"]


def test_a_terminal_without_the_signs_is_shown_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert not render.can_show("✓✗")


def test_before_a_login_the_way_to_it_is_told(desk: Desk) -> None:
    desk.write_config(LOGIN)

    said = desk.run("check")

    assert said.code == 77
    assert "✗  POS token           The POS is not connected yet" in said.out
    assert "Connect the POS: bcpoll login" in said.out
    assert [path.name for path in desk.folder.iterdir()] == ["config.toml"]


def test_it_holds_up_no_run_and_is_held_up_by_none(desk: Desk) -> None:
    from bcpoll.cli.wiring import now
    from bcpoll.lock import run_lock

    desk.run("run-once")
    with run_lock(desk.checkpoint, command="another", now=now()):
        said = desk.run("check")

    assert said.code == 0
    assert "✓  last run            0 minutes ago, at a pace of 5m" in said.out


def test_nothing_is_written_and_no_file_is_made(desk: Desk) -> None:
    desk.run("check")

    assert desk.writes() == 0
    assert [path.name for path in desk.folder.iterdir()] == ["config.toml"]


def test_what_the_example_leaves_open_is_told(desk: Desk) -> None:
    example = Path(__file__).parents[2] / "config.example.toml"
    desk.config.write_text(example.read_text())

    said = desk.run("check")

    assert said.code == 78
    assert "is still the example's placeholder" in said.out
