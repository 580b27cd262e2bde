"""README.md, config.example.toml and CHANGELOG.md say what the program does, and nothing of where it was made."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bcpoll import errors, lock
from bcpoll.cli import cli
from bcpoll.core.status import STATUS_TABLE, Disposition, OrderStatus, Paid

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text under a heading, up to the next one."""
    found = re.search(rf"^## {re.escape(title)}[ \t]*\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no section {title!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The rows of the tables in a text, without their headings."""
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row, following in zip(cells, [*cells[1:], [""]], strict=True) if not is_rule(row + following[:1])]


def is_rule(cells: list[str]) -> bool:
    return any(set(cell) <= {"-", "|", " "} and cell for cell in cells)


# --- commands --------------------------------------------------------------------------------------------------------


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield " ".join((*above, name)), command


COMMANDS = dict(commands(cli))
DOCUMENTED = {row[0].strip("`"): row[1] for row in rows(section("Commands")) if row[0].startswith("`bcpoll ")}


def named(call: str) -> str:
    """The command that a call in the table is about: `bcpoll review show ID` is about `review show`."""
    return re.sub(r" (--|[A-Z]).*", "", call.removeprefix("bcpoll "))


def test_the_table_of_commands_lists_every_command_once() -> None:
    assert sorted(map(named, DOCUMENTED)) == sorted(COMMANDS)


@pytest.mark.parametrize("call", DOCUMENTED)
def test_the_options_in_the_table_of_commands_exist(call: str) -> None:
    options = {option for parameter in COMMANDS[named(call)].params for option in parameter.opts}

    assert set(re.findall(r"--[a-z-]+", call + DOCUMENTED[call])) <= options


def test_every_command_line_in_the_readme_exists() -> None:
    lines = re.findall(r"(?:^\$ (?:\S*/)?|`)bcpoll ((?:--?[a-z-]+ )*[a-z-]+(?: [a-z]+)?)", README, re.MULTILINE)

    known = {name.split()[0] for name in COMMANDS}
    assert lines
    assert {line.split()[0] for line in lines if not line.startswith("-")} <= known


# --- exit codes ------------------------------------------------------------------------------------------------------


def exit_codes() -> set[int]:
    classes = [*vars(errors).values(), lock.LockHeld]
    return {one.exit_code for one in classes if isinstance(one, type) and issubclass(one, errors.BcpollError)}


def test_the_table_of_exit_codes_is_complete() -> None:
    told = {
        int(code) for row in rows(section("Commands")) if row[0][0].isdigit() for code in re.findall(r"\d+", row[0])
    }

    # 0, 2, 3 and 130 are the command line's own: well, wrong usage, orders set aside, interrupted.
    assert told == exit_codes() | {0, 2, 3, 130}


def test_the_help_of_a_pass_names_the_same_exit_codes() -> None:
    text = " ".join((COMMANDS["run-once"].help or "").split())

    assert set(map(int, re.findall(r"\b\d+\b", text))) == exit_codes() - {1} | {0, 3}


# --- statuses --------------------------------------------------------------------------------------------------------

OUTCOMES = {
    "not imported": {(Disposition.NOT_IMPORTED, Paid.NO)},
    "closed sale without a payment": {(Disposition.CLOSED, Paid.NO)},
    "closed sale, paid only if": {(Disposition.CLOSED, Paid.IF_CAPTURED)},
    "closed sale, paid": {(Disposition.CLOSED, Paid.YES)},
    "voided sale": {(Disposition.VOIDED, Paid.NO)},
}

STATUSES = {name: row[1] for row in rows(section("What becomes of an order")) for name in row[0].split(", ")}


def test_the_table_of_statuses_lists_all_fifteen() -> None:
    assert sorted(STATUSES) == sorted(status.title for status in OrderStatus)


@pytest.mark.parametrize("status", OrderStatus, ids=lambda status: status.title)
def test_the_table_of_statuses_agrees_with_the_program(status: OrderStatus) -> None:
    outcome = next(rules for words, rules in OUTCOMES.items() if STATUSES[status.title].startswith(words))
    rule = STATUS_TABLE[status]

    assert (rule.disposition, rule.paid) in outcome


# --- quick start and settings ----------------------------------------------------------------------------------------


def test_the_quick_start_is_two_lines_to_paste() -> None:
    blocks = re.findall(r"^```sh[ \t]*\n(.*?)^```[ \t]*$", section("Quick start"), re.MULTILINE | re.DOTALL)

    assert [len(block.splitlines()) for block in blocks] == [1, 1]
    assert "bcpoll demo" in blocks[0]
    assert "pytest" in blocks[1]


def settings() -> dict[str, set[str]]:
    """The sections of config.example.toml and the keys in each, commented ones included."""
    text = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    bare = re.sub(r"^# (\[\[?[a-z_]+\]?\]|[a-z_]+ = .*|\"[^\"]+\" = .*)$", r"\1", text, flags=re.MULTILINE)
    found: dict[str, set[str]] = {}
    for name, content in tomllib.loads(bare).items():
        found[name] = set(content[0] if isinstance(content, list) else content)
    return found


def test_every_section_and_key_that_the_readme_names_exists() -> None:
    known = settings()
    told = re.findall(r"`\[\[?([a-z_]+)\]\]? ?([a-z_]*)[^`]*`", README)

    assert told
    assert [(name, key) for name, key in told if name not in known or (key and key not in known[name])] == []


def test_every_file_and_folder_that_the_readme_names_exists() -> None:
    told = re.findall(r"`((?:[a-z_]+/?)+(?:\.(?:md|toml|py|cfg))?|[A-Z]+(?:\.md)?)`", README)
    paths = {one for one in told if "/" in one or "." in one or one == "LICENSE"} - {"config.toml"}

    assert {"LICENSE", "jobs/", "tests/golden"} <= paths
    assert {one for one in paths if not (ROOT / one).exists()} == set()


# --- what is in the tree ---------------------------------------------------------------------------------------------


def tracked() -> list[Path]:
    """The files of the tree: what git knows or, in a copy without history, all that no tool has made."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    made = re.compile(r"/(\.venv|__pycache__|\.[a-z]+_cache|\.hypothesis|[^/]*\.egg-info|build|dist)(/|$)|/\.coverage")
    return [path for path in ROOT.rglob("*") if path.is_file() and not made.search(f"/{path.relative_to(ROOT)}")]


# Hosts that files may name: both APIs, the standards they follow, reserved names and loopback.
HOSTS = re.compile(
    r"(.+\.)?(bigcommerce\.com|mybigcommerce\.com|lightspeed\.app|lightspeedhq\.com|vendhq\.com|vendcommerce\.com"
    r"|apache\.org|keepachangelog\.com|semver\.org|example|example\.(com|org|net)|invalid|test)"
    r"|localhost|127\.0\.0\.1.*|host|me|user|elsewhere|\{host\}|<domain"
)

# A folder of the machine that a file was written on. Put together here, so that this file does not hold one itself.
MACHINE = re.compile(r"(?<![\w.}])/" + "(work|root|tmp)/[a-z.]")


def lines() -> Iterator[tuple[str, str]]:
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            yield f"{path.relative_to(ROOT)}:{number}", line


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    assert [(place, line) for place, line in lines() if MACHINE.search(line)] == []


def test_no_file_names_a_host_that_is_not_a_matter_of_the_program() -> None:
    found = [
        (place, host)
        for place, line in lines()
        for host in re.findall(r"https?://(?:[^/@\s\"']*@)?([\w<{][\w.{}-]*)", line)
        if not HOSTS.fullmatch(host)
    ]

    assert found == []


def test_the_changelog_has_the_version_of_the_program() -> None:
    from bcpoll import __version__

    assert re.search(
        rf"^## \[?({re.escape(__version__)}|Unreleased)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
