"""`--help`: quick, with an example, and within eighty columns."""

import json
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner
from program import ROOT, environment

from bcpoll.cli import cli

HEAVY = {
    "requests",
    "requests_oauthlib",
    "pydantic",
    "pydantic_settings",
    "sqlite_utils",
    "rich",
    "flask",
    "apscheduler",
    "prometheus_client",
    "dateutil",
}


def commands(group: click.Group, *above: str) -> Iterator[list[str]]:
    yield [*above]
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield [*above, name]


COMMANDS = list(commands(cli))
names = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)

PROBE = """
import json, sys
from bcpoll.cli import run
codes = [run([*command, "--help"]) for command in json.loads(sys.argv[1])]
print(json.dumps({"codes": codes, "modules": sorted(sys.modules)}))
"""


@names
def test_help_has_an_example_that_the_command_line_understands(command: list[str]) -> None:
    text = CliRunner().invoke(cli, [*command, "--help"]).output

    (example,) = [line.split("Example: ")[1] for line in text.splitlines() if "Example: " in line]
    words = example.split(" && ")[0].split()
    assert words[0] == "bcpoll"
    assert set(command) <= set(words)


@names
def test_help_fits_into_eighty_columns(command: list[str]) -> None:
    text = CliRunner().invoke(cli, [*command, "--help"], terminal_width=80).output

    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert "..." not in text.replace("[ARGS]...", "").replace("[ID]...", "")


@names
def test_help_keeps_to_a_terminal_of_forty_columns(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bcpoll.cli import run

    monkeypatch.setenv("COLUMNS", "40")

    assert run([*command, "--help"]) == 0

    lines = capsys.readouterr().out.splitlines()
    # A list of values cannot be folded; it stands on a line of its own.
    assert [line for line in lines if len(line) > 40 and "|" not in line] == []


@pytest.mark.parametrize("words", [("--json", "reconcile", "--csv"), ("reconcile", "--csv", "--json")], ids=" ".join)
def test_json_may_be_said_before_and_after_the_command(words: tuple[str, ...]) -> None:
    assert "Say either --json or --csv." in CliRunner().invoke(cli, [*words]).output


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(COMMANDS)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told["codes"]) == {0}
    assert HEAVY & set(told["modules"]) == set()


def test_a_pass_that_finds_nothing_imports_no_tables(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, bcpoll.cli.words, bcpoll.cli.wiring; print(*sys.modules)"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert {"rich", "flask", "apscheduler", "requests_oauthlib"} & set(done.stdout.split()) == set()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Commands:"),
        (["bogus"], "No such command 'bogus'."),
        (["run-oncee"], "Did you mean"),
        (["--log-format", "loud", "status"], "'loud' is not one of"),
    ],
)
def test_a_wrong_command_line_is_told_with_the_usage(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from bcpoll.cli import run

    code = run(arguments)

    heard = capsys.readouterr()
    assert code == 2
    assert told in heard.out + heard.err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    from bcpoll import __version__
    from bcpoll.cli import run

    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"bcpoll, version {__version__}\n"
