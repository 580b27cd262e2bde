"""What is said on the screen in plain words: whoever it comes from, it does not steer the terminal."""

import json

import pytest

from bcpoll.cli import asking, run
from bcpoll.cli.options import csv_line

# What a file of settings may be called, and what an API, a mail server or a page of the web may say.
FOREIGN = "gone\x1b[2J \x9b31m\rshop.toml"
SHOWN = "gone\\x1b[2J \\x9b31m\\x0dshop.toml"


def unprintable(text: str) -> set[str]:
    return {letter for letter in text if letter != "\n" and not letter.isprintable()}


def test_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--config", FOREIGN, "status"]) == 78

    said = capsys.readouterr().err
    assert SHOWN in said
    assert unprintable(said) == set()


def test_nor_can_an_error_as_json_which_still_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--config", FOREIGN, "--json", "status"])

    said = capsys.readouterr().out
    assert unprintable(said) == set()
    assert FOREIGN in json.loads(said)["error"]


def test_nor_can_what_is_told_while_questions_are_asked(capsys: pytest.CaptureFixture[str]) -> None:
    asking.say(f"\nConnected to {FOREIGN}.\n")
    asking.say_row("  1  ", FOREIGN)

    said = capsys.readouterr().err
    assert said.splitlines() == ["", f"Connected to {SHOWN}.", "", f"  1  {SHOWN}"]


def test_nor_can_a_line_of_csv() -> None:
    assert csv_line((1042, "MUG\x1b[2J", 'a "b"\n\x9b31m')) == '1042,MUG\\x1b[2J,"a ""b""\n\\x9b31m"\n'
