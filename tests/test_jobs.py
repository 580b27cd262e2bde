"""The files under jobs/ are accepted by what reads them, and start commands that exist."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

JOBS = Path(__file__).parents[1] / "jobs"
UNITS = ["bcpoll.service", "bcpoll.timer", "bcpoll@.service", "bcpoll@.timer"]
PROGRAM = "/opt/bcpoll/bin/bcpoll"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the units that start a program which is there."""
    for name in UNITS:
        text = (JOBS / name).read_text().replace(PROGRAM, sys.executable)
        (tmp_path / name.replace("@.", "@shop.")).write_text(text)
    return tmp_path


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_unit(installed: Path, name: str) -> None:
    result = analyze("verify", "--man=no", str(installed / name.replace("@.", "@shop.")))
    assert (result.returncode, result.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", ["bcpoll.service", "bcpoll@.service"])
def test_the_unit_is_as_closed_as_the_readme_says(name: str) -> None:
    (rated,) = re.findall(r"rates its\s+exposure (\d)\.(\d) of 10", (JOBS / "README.md").read_text())
    result = analyze("security", "--offline=true", f"--threshold={''.join(rated)}", str(JOBS / name))
    assert result.returncode == 0, result.stdout[-200:]


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    """A unit file as section -> key -> values, for keys may stand there more than once."""
    sections: dict[str, dict[str, list[str]]] = {}
    keys: dict[str, list[str]] = {}
    for line in (JOBS / name).read_text().splitlines():
        if line.startswith("["):
            keys = sections.setdefault(line, {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            keys.setdefault(key, []).append(value)
    return sections


@pytest.mark.parametrize("kind", ["service", "timer"])
def test_the_unit_for_several_shops_differs_only_by_the_shop(kind: str) -> None:
    template = str(unit(f"bcpoll@.{kind}"))
    for several, one in [(" (%i)", ""), ("/%i.toml", "/config.toml"), ("/%i.", "/"), ("/%i", "")]:
        template = template.replace(several, one)
    assert template == str(unit(f"bcpoll.{kind}"))


def test_the_job_has_an_end_and_its_exit_codes_a_meaning() -> None:
    service = unit("bcpoll.service")["[Service]"]
    assert service["TimeoutStartSec"] == ["30min"]
    assert service["SuccessExitStatus"] == ["3 75"]


def commands() -> list[str]:
    """Every bcpoll command that the files start or tell to start."""
    found = []
    for file in sorted(JOBS.iterdir()):
        text = file.read_text().replace("\\\n", " ")
        found += re.findall(rf"{PROGRAM}((?: +--?[a-z]+ [^- ]+)* [a-z][a-z-]*)", text)
        found += re.findall(r"`bcpoll( [a-z-]+)[^`]*`", text)
    return sorted({call.split()[-1] for call in found})


def test_the_files_start_something() -> None:
    assert {"run-once", "status", "run", "review"} <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_the_command_exists(command: str) -> None:
    from bcpoll.cli import cli

    assert command in cli.list_commands(click.Context(cli))


def test_the_crontab_is_one_line_with_five_fields_and_no_percent_sign() -> None:
    (line,) = [one for one in (JOBS / "crontab").read_text().splitlines() if not one.startswith("#")]
    assert re.fullmatch(rf"\*/5 \* \* \* \* {PROGRAM} [^%]+", line)


def test_the_readme_explains_every_file() -> None:
    text = (JOBS / "README.md").read_text()
    assert [file.name for file in JOBS.iterdir() if f"`{file.name}`" not in text and file.name != "README.md"] == []
