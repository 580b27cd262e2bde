"""`bcpoll completion` in the shells themselves: its scripts lie where its help puts them, and somebody presses Tab."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from program import LONGEST, ROOT, environment, finish
from terminal import Terminal

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Shell:
    """A shell without anybody's settings, where it looks for the script, and what else makes it look there."""

    call: tuple[str, ...]
    script: str
    begin: str = ""


SHELLS: Mapping[str, Shell] = {
    # Where the package bash-completion is installed, it reads this file; here bash is told to.
    "bash": Shell(
        ("bash", "--norc", "--noprofile", "-i"),
        ".local/share/bash-completion/completions/bcpoll",
        "source ~/.local/share/bash-completion/completions/bcpoll; ",
    ),
    "zsh": Shell(
        ("zsh", "-f", "-i"), "functions/_bcpoll", "fpath=(~/functions $fpath); autoload -U compinit; compinit -u -D; "
    ),
    "fish": Shell(("fish", "-i"), ".config/fish/completions/bcpoll.fish"),
}

# Tells a shell what it asks, and otherwise only how it was called.
PROGRAM = f"""#!/bin/sh
[ -z "$_BCPOLL_COMPLETE" ] || exec '{sys.executable}' -m bcpoll "$@"
printf 'called with:'
printf ' <%s>' "$@"
echo
"""

# What somebody types, with Tab at its end, and what is called then. The first again at the end: the first completion in
# a shell is another matter than each one after it.
TYPED = [
    ("recon", ["reconcile"]),
    ("run-once --dry", ["run-once", "--dry-run"]),
    ("review dis", ["review", "dismiss"]),
    ("review list --for tot", ["review", "list", "--for", "totals-differ"]),
    ("completion f", ["completion", "fish"]),
    ("--config my-sett", ["--config", "my-settings.toml"]),
    ("--config my-settings.toml rebu", ["--config", "my-settings.toml", "rebuild"]),
    ("recon", ["reconcile"]),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with the program, all three scripts, and settings."""
    program = tmp_path / "bin" / "bcpoll"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o700)
    (tmp_path / "my-settings.toml").touch()
    for name, shell in SHELLS.items():
        script = tmp_path / shell.script
        script.parent.mkdir(parents=True)
        script.write_text(finish("completion", name, folder=tmp_path).out)
    return tmp_path


def around(home: Path, name: str) -> dict[str, str]:
    """The environment of a shell that is used by nobody else."""
    places = {"HOME": str(home), "XDG_CONFIG_HOME": f"{home}/.config", "XDG_DATA_HOME": f"{home}/.local/share"}
    return places | {"PATH": f"{home}/bin:{Path(shutil.which(name) or name).parent}:/usr/bin:/bin"}


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"there is no {name} here")


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in SHELLS])
def test_what_is_begun_is_completed(name: str, home: Path) -> None:
    shell = SHELLS[name]
    terminal = Terminal(home, instead=shell.call, **around(home, name), TERM="xterm")
    terminal.types(f"{shell.begin}echo rea''dy")
    terminal.says("ready")

    for begun, arguments in TYPED:
        terminal.types(f"bcpoll {begun}\t")
        terminal.says("called with:")
        terminal.says("\n")
        told = terminal.text.rpartition("called with:")[2].partition("\n")[0].strip()
        assert told == " ".join(f"<{one}>" for one in arguments)

    terminal.types("exit 0")
    assert terminal.ends() == 0


@needs("fish")
def test_fish_shows_the_whole_of_a_description(home: Path) -> None:
    told = subprocess.run(
        ["fish", "-c", "complete -C 'bcpoll review list --for tot'"],
        env=environment(**around(home, "fish")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=True,
    )

    assert told.stdout == "totals-differ\tLines, charges and discounts do not add up to the order's total.\n"
