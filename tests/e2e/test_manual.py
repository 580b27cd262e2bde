"""`bcpoll completion` and `bcpoll man`: shells are told what there is, and the page holds it all and is sound.

What becomes of it in the shells themselves is in `test_shells`.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator

import click
import pytest
from program import LONGEST

from bcpoll import errors, lock
from bcpoll.cli import cli, run
from bcpoll.cli.manual import EXIT_STATUS
from bcpoll.cli.review import _reason
from bcpoll.config import layers
from bcpoll.core.rejected import Reason

needs_groff = pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff here")


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield " ".join((*above, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)


# --- completion ------------------------------------------------------------------------------------------------------


def completed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str, words: str, at: str
) -> set[str]:
    """What a shell is told while somebody types: the way in which its script asks."""
    for name, value in (("_BCPOLL_COMPLETE", f"{shell}_complete"), ("COMP_WORDS", words), ("COMP_CWORD", at)):
        monkeypatch.setenv(name, value)
    capsys.readouterr()

    assert run([]) == 0

    return set(re.split(r"[\n,\t]", capsys.readouterr().out))


@pytest.mark.parametrize(
    ("shell", "words", "at"), [("bash", "bcpoll re", "1"), ("zsh", "bcpoll re", "1"), ("fish", "bcpoll re", "re")]
)
def test_a_shell_is_told_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str, words: str, at: str
) -> None:
    told = completed(monkeypatch, capsys, shell, words, at)

    assert {name for name in cli.commands if name.startswith("re")} <= told
    assert told.isdisjoint({"status", "run-once"})


@pytest.mark.parametrize(
    ("words", "at", "told"),
    [
        ("bcpoll run-once --d", "2", {"--dry-run"}),
        ("bcpoll review ", "2", {"list", "show", "retry", "dismiss"}),
        ("bcpoll --log-format j", "2", {"journal", "json"}),
        ("bcpoll completion ", "2", {"bash", "zsh", "fish"}),
        ("bcpoll review list --for T", "4", {"totals-differ"}),
        ("bcpoll review retry --for refused-by-the-p", "4", {"refused-by-the-POS"}),
    ],
)
def test_options_and_values_are_completed_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, at: str, told: set[str]
) -> None:
    assert told <= completed(monkeypatch, capsys, "bash", words, at)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_understands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0

    script = capsys.readouterr().out
    assert f"_BCPOLL_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        checked = subprocess.run(
            [shell, "-n"], input=script, capture_output=True, text=True, timeout=LONGEST, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_completed_to_a_word_that_the_command_takes(
    reason: Reason, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (word,) = completed(
        monkeypatch, capsys, "bash", f"bcpoll review list --for {reason[:16].replace(' ', '-')}", "4"
    ) & {reason.replace(" ", "-")}

    assert _reason(click.Context(cli), cli.params[0], word) is reason


def test_a_shell_that_is_not_known_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "powershell"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


# --- the manual page -------------------------------------------------------------------------------------------------


@pytest.fixture
def page(capsys: pytest.CaptureFixture[str]) -> str:
    assert run(["man"]) == 0
    return capsys.readouterr().out


@pytest.fixture
def plain(page: str) -> str:
    """The page without the escapes and the macros of roff."""
    return re.sub(r"(?m)^\.[A-Z]+ ", "", page.replace("\\-", "-"))


@pytest.mark.parametrize(
    ("name", "command"), list(commands(cli)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_is_in_the_page_with_its_options_and_example(
    plain: str, name: str, command: click.Command
) -> None:
    part = plain.partition(f"\nbcpoll {name}\n")[2].partition("\n\n")[0]

    assert part.startswith(f"bcpoll {name}\n"), "its synopsis"
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    assert {option for option in options if option not in part} == set()
    assert re.search(r"^Examples?:\s+bcpoll ", part, re.MULTILINE)


def test_the_page_lists_every_exit_code() -> None:
    classes = [*vars(errors).values(), lock.LockHeld]
    raised = {one.exit_code for one in classes if isinstance(one, type) and issubclass(one, errors.BcpollError)}

    assert [code for code, _ in EXIT_STATUS] == sorted(raised | {0, 2, 3, 130})


def test_the_page_names_the_files_that_are_looked_for(plain: str) -> None:
    assert str(layers.SYSTEM_FILE) in plain
    assert layers.LOCAL_FILE.name in plain


def test_nothing_in_the_page_passes_for_an_instruction(page: str) -> None:
    known = {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".nf", ".fi"}

    assert {line.split(" ")[0] for line in page.splitlines() if line.startswith((".", "'"))} == known


@needs_groff
def test_groff_finds_nothing_wrong_with_the_page(page: str) -> None:
    shown = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-K", "utf8"],
        input=page,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=True,
    )

    assert shown.stderr == ""
    assert "EXIT STATUS" in re.sub(r".\x08", "", shown.stdout)
