"""Places that cannot be read or written, and what else may be amiss around a process: each is told with its remedy.

Modes bind every user here: where the tests run as root, the processes give their privileges away.
"""

import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from host import Forks, NoSmallDisk, Unprivileged, small_disk
from program import LONGEST, Desk, Said, checked, command, environment

ORDERS = 3


# --- the checkpoint, its lock and its folder (74) --------------------------------------------------------------------


@dataclass(frozen=True)
class Amiss:
    """Something done to a folder in which bcpoll ran before, what is told of it, and what is said to do about it."""

    do: Callable[[Desk], object]
    told: str
    remedy: str


def beside(desk: Desk, ending: str) -> Path:
    return desk.folder / f"bcpoll.db{ending}"


def a_folder_instead_of(ending: str) -> Callable[[Desk], None]:
    def put(desk: Desk) -> None:
        beside(desk, ending).unlink(missing_ok=True)
        beside(desk, ending).mkdir()

    return put


def closed(ending: str, mode: int = 0) -> Callable[[Desk], None]:
    def close(desk: Desk) -> None:
        beside(desk, ending).touch()
        beside(desk, ending).chmod(mode)

    return close


def moved_to(path: str) -> Callable[[Desk], None]:
    return lambda desk: desk.write_config(('path = "bcpoll.db"', f'path = "{path}"'))


LET_WRITE = "Let the user that runs bcpoll write to the folder, and to the files in it that begin with the"
CREATE = "Create the folder, or correct [checkpoint] path in the settings."
CORRECT = "Correct [checkpoint] path in the settings."

PLACES: Mapping[str, Amiss] = {
    "a file for reading only": Amiss(
        closed("", 0o400), "The checkpoint {}/bcpoll.db cannot be written (SQLITE_READONLY: ", LET_WRITE
    ),
    "a file of another user": Amiss(
        closed(""), "The checkpoint {}/bcpoll.db cannot be opened (SQLITE_CANTOPEN: ", LET_WRITE
    ),
    "a log of another user": Amiss(
        closed("-wal"), "The checkpoint {}/bcpoll.db cannot be opened (SQLITE_CANTOPEN: ", LET_WRITE
    ),
    "a folder for reading only": Amiss(
        lambda desk: desk.folder.chmod(0o500), "The checkpoint {}/bcpoll.db cannot be written (SQLITE_", LET_WRITE
    ),
    "a folder instead of the file": Amiss(
        a_folder_instead_of(""), "The checkpoint {}/bcpoll.db is not a file", CORRECT
    ),
    "a folder instead of the log": Amiss(
        a_folder_instead_of("-wal"), "The checkpoint {}/bcpoll.db cannot be opened (SQLITE_CANTOPEN: ", LET_WRITE
    ),
    "a lock of another user": Amiss(
        closed(".lock"),
        "The lock file {}/bcpoll.db.lock cannot be opened: Permission denied",
        "Let the user that runs bcpoll write to {}/bcpoll.db.lock.",
    ),
    "a folder instead of the lock": Amiss(
        a_folder_instead_of(".lock"),
        "The lock file {}/bcpoll.db.lock cannot be opened: Is a directory",
        "Move the folder of that name away.",
    ),
    "no such folder": Amiss(
        moved_to("state/bcpoll.db"), "The lock file {}/state/bcpoll.db.lock cannot be opened: No such file", CREATE
    ),
    "a file instead of the folder": Amiss(
        moved_to("config.toml/bcpoll.db"),
        "The lock file {}/config.toml/bcpoll.db.lock cannot be opened: Not a directory",
        CORRECT,
    ),
    "a name that is too long": Amiss(
        moved_to("b" * 300), "cannot be opened: File name too long", "or correct [checkpoint] path in the settings."
    ),
    "no file at all": Amiss(moved_to("/dev/null"), "The checkpoint /dev/null is not a file", CORRECT),
}


@pytest.fixture
def tidy_folder(desk: Desk) -> object:
    """The folder can be cleared away whatever was done to it."""
    yield
    desk.folder.chmod(0o700)


@pytest.mark.slow
@pytest.mark.usefixtures("tidy_folder")
@pytest.mark.parametrize("what", PLACES)
def test_a_place_that_cannot_be_used_is_told_with_the_remedy_before_anything_is_asked(
    desk: Desk, forks: Forks, what: str
) -> None:
    amiss = PLACES[what]
    assert forks.run(desk, "run-once").code == 0
    amiss.do(desk)
    desk.order()
    requests = len(desk.world.log)

    said = forks.run(desk, "run-once", trouble=Unprivileged())

    assert (said.code, said.out) == (74, "")
    assert amiss.told.format(desk.folder) in said.err
    assert amiss.remedy.format(desk.folder) in said.err
    assert said.err.count("\n") == 2
    assert len(desk.world.log) == requests


@pytest.mark.slow
@pytest.mark.usefixtures("tidy_folder")
def test_a_first_run_in_a_folder_for_reading_only(desk: Desk, forks: Forks) -> None:
    desk.folder.chmod(0o500)

    said = forks.run(desk, "run-once", trouble=Unprivileged())

    assert said.code == 74
    assert f"The lock file {desk.folder}/bcpoll.db.lock cannot be opened: Permission denied" in said.err
    assert "Let the user that runs bcpoll write to the folder of the checkpoint." in said.err
    assert len(desk.world.log) == 0


@pytest.mark.slow
def test_what_may_only_be_read_can_still_be_looked_at(desk: Desk, forks: Forks) -> None:
    assert forks.run(desk, "run-once").code == 0
    desk.checkpoint.chmod(0o400)

    said = forks.run(desk, "status", trouble=Unprivileged())

    assert said.code == 0
    assert "3 paid" in said.out


@pytest.mark.slow
def test_a_dry_run_beside_a_folder_that_cannot_be_entered_does_not_pass_for_a_first_one(
    desk: Desk, forks: Forks
) -> None:
    closed_off = desk.folder / "state"
    closed_off.mkdir(mode=0)
    desk.write_config(('path = "bcpoll.db"', 'path = "state/bcpoll.db"'))

    said = forks.run(desk, "run-once", "--dry-run", trouble=Unprivileged())

    assert (said.code, said.out) == (74, "")
    assert f"The lock file {closed_off}/bcpoll.db.lock cannot be opened: Permission denied" in said.err


@pytest.mark.slow
def test_a_disk_that_became_read_only(desk: Desk, tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "small", 1024) as disk:
            desk.write_config(('path = "bcpoll.db"', f'path = "{disk.folder}/bcpoll.db"'))
            assert disk.run(*command("--config", str(desk.config), "run-once")).returncode == 0
            disk.make_read_only()
            done = disk.run(*command("--config", str(desk.config), "run-once"))
    except NoSmallDisk as error:
        warnings.warn(f"a disk of our own making was not tried: {error}", stacklevel=1)
        pytest.skip(f"this machine lets nobody mount a small disk: {error}")

    assert (done.returncode, done.stdout) == (74, "")
    assert f"The lock file {disk.folder}/bcpoll.db.lock cannot be opened: Read-only file system" in done.stderr
    assert "Look at the disk, or correct [checkpoint] path in the settings." in done.stderr


# --- the settings (78) -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_settings_that_may_not_be_read(desk: Desk, forks: Forks) -> None:
    desk.config.chmod(0)

    said = forks.run(desk, "run-once", trouble=Unprivileged())

    assert (said.code, said.out) == (78, "")
    assert f"file: it cannot be read: permission denied. See who may read it: ls -l {desk.config}" in said.err


def test_settings_that_are_a_folder(desk: Desk) -> None:
    desk.config.unlink()
    desk.config.mkdir()

    said = desk.run("run-once")

    assert said.code == 78
    assert "file: this is a folder. Name the file in it: .../config.toml." in said.err


def test_settings_that_are_no_text(desk: Desk) -> None:
    desk.config.write_bytes(bytes(range(256)) * 16)

    said = desk.run("run-once")

    assert said.code == 78
    assert "file: it is not UTF-8 text (byte 129). Save it again as UTF-8." in said.err


@pytest.mark.slow
def test_settings_of_many_megabytes_are_read_all_the_same(desk: Desk) -> None:
    desk.config.write_text("# nothing to see here\n" * 1_000_000 + desk.config.read_text())

    assert desk.run("run-once").code == 0


# --- what surrounds a process ----------------------------------------------------------------------------------------


def surrounded(desk: Desk, script: str, **variables: str | None) -> Said:
    """Run a shell script, in which `bcpoll` is the program, in the shop's folder and with other variables."""
    around = environment() | variables
    program = f'bcpoll() {{ "{sys.executable}" -m bcpoll "$@"; }}\n'
    done = subprocess.run(
        ["/bin/sh", "-c", program + script],
        cwd=desk.folder,
        env={name: value for name, value in around.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    return checked(Said(code=done.returncode, out=done.stdout, err=done.stderr))


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [
        {"HOME": None, "TZ": "Australia/Lord_Howe"},
        {"HOME": "/nowhere", "TMPDIR": "/nowhere", "TZ": "Nowhere/At_All"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii", "COLUMNS": "1", "TERM": "dumb"},
    ],
    ids=lambda variables: " ".join(f"{name}={value}" for name, value in variables.items()),
)
def test_whatever_the_environment_says_the_same_is_written(desk: Desk, variables: dict[str, str | None]) -> None:
    foreign = desk.order(message="Crème brûlée, 抹茶 \N{TEACUP WITHOUT HANDLE}")

    script = f"bcpoll -v --json run-once --dry-run --order {foreign} && bcpoll run-once && bcpoll status"

    said = surrounded(desk, script, **variables)

    assert said.code == 0, said.err
    assert f"{ORDERS + 1} sales written" in said.out
    assert len(desk.pos().sales[str(foreign)]) == 1
    assert "2025-06-01 09:03:00 UTC" in said.out


@pytest.mark.slow
def test_without_a_home_a_path_that_begins_there_is_told(desk: Desk) -> None:
    desk.write_config(('path = "bcpoll.db"', 'path = "~/bcpoll.db"'))

    said = surrounded(desk, "bcpoll run-once", HOME=None)

    assert said.code == 78
    assert "it begins with ~, but HOME is not set. Write the whole path, or set HOME." in said.err


@pytest.mark.slow
def test_a_folder_that_is_gone_from_under_the_process(desk: Desk) -> None:
    said = surrounded(desk, "mkdir gone && cd gone && rmdir ../gone && bcpoll --config ../config.toml run-once")

    assert said.code == 78
    assert "config.toml has 1 problem" in said.err


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_pass_without_standard_streams_is_a_pass(desk: Desk, closed: str) -> None:
    said = surrounded(desk, f"bcpoll -vv run-once {closed}")

    assert said.code == 0
    assert [len(sales) for sales in desk.pos().sales.values()] == [1] * ORDERS
    assert desk.checkpoint.read_bytes().startswith(b"SQLite format 3\0")


NEEDS_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")


@pytest.mark.slow
@NEEDS_FULL
@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full", ">/dev/full 2>/dev/full"])
def test_that_nobody_can_be_told_changes_no_exit_code(desk: Desk, streams: str) -> None:
    assert surrounded(desk, f"bcpoll --json --config nowhere.toml run-once {streams}").code == 78
    assert surrounded(desk, f"bcpoll run-onse {streams}").code == 2


@pytest.mark.slow
@NEEDS_FULL
@pytest.mark.parametrize("options", ["", "--json "])
def test_output_that_no_disk_takes_is_told_and_the_pass_is_done(desk: Desk, options: str) -> None:
    said = surrounded(desk, f"bcpoll {options}run-once >/dev/full")

    assert said.code == 74
    assert said.err == (
        "bcpoll: The output cannot be written: No space left on device\n"
        "Free some space. The work itself is done: only what was to be said about it is lost.\n"
    )
    assert len(desk.pos().sales) == ORDERS
    assert surrounded(desk, "bcpoll run-once").out.startswith(f"{ORDERS} unchanged")


@pytest.mark.slow
@NEEDS_FULL
def test_a_log_that_no_disk_takes_harms_no_pass(desk: Desk) -> None:
    said = surrounded(desk, "bcpoll -vv run-once 2>/dev/full")

    assert said.code == 0
    assert said.out.startswith(f"{ORDERS} sales written")
