"""The disk fills up, at every point of a pass: it says so and ends with 74, and once there is room nothing is missing.

Where the machine allows a disk of our own making, it is one of a few KiB. Everywhere else, and at every single write,
files are limited in size, which SQLite is told in the same way.
"""

import itertools
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from everything import CHAPTERS, what_there_is
from host import (
    WELL,
    Chapter,
    Forks,
    FullWhen,
    Moment,
    MovedOften,
    NoFileBeyond,
    NoSmallDisk,
    SmallDisk,
    finished,
    full_in_the_end,
    small_disk,
)
from program import Desk, Said, command

from bcpoll.checkpoint import Checkpoint
from bcpoll.cli.wiring import now

KIB = 1024

# Which sizes are tried: nothing at all, the first page, and on in steps up to the size that is enough.
STEP = 32 * KIB

TALLIED = "the disk was full at"

CHAPTER = pytest.mark.parametrize("chapter", [one.__name__ for one in CHAPTERS])


def says_that_it_is_full(said: Said, desk: Desk) -> bool:
    """Whether a pass ended for want of room, and said so in a way that helps."""
    if said.code in WELL:
        return False
    assert (said.code, said.out) == (74, "")
    assert f"bcpoll: The checkpoint {desk.checkpoint} cannot be written (SQLITE_" in said.err
    assert "See whether the disk is full (df -h)" in said.err
    assert "then run again: nothing is half written." in said.err
    return True


@pytest.mark.slow
@CHAPTER
def test_with_room_for_so_many_bytes_and_then_for_all_it_ends_as_if_nothing_had_happened(
    tmp_path: Path, forks: Forks, story: Mapping[str, Chapter], tally: Counter[str], chapter: str
) -> None:
    for size in itertools.chain((0, 4 * KIB), itertools.count(STEP, STEP)):
        with story[chapter].lived(tmp_path / str(size)) as desk:
            said = forks.run(desk, "run-once", trouble=NoFileBeyond(size=size))
            is_full = says_that_it_is_full(said, desk)
            assert finished(desk, forks) == story[chapter].end, f"{size} bytes"
        if not is_full:
            break
        tally["at a size"] += 1
    assert size > 4 * STEP


@pytest.mark.slow
@pytest.mark.parametrize(("chapter", "moment"), [("opening", "commits"), ("sequel", "begins"), ("sequel", "commits")])
def test_full_from_any_transaction_on_it_ends_as_if_nothing_had_happened(
    tmp_path: Path, forks: Forks, story: Mapping[str, Chapter], tally: Counter[str], chapter: str, moment: Moment
) -> None:
    for number in itertools.count(1):
        with story[chapter].lived(tmp_path / str(number)) as desk:
            said = forks.run(desk, "run-once", trouble=FullWhen(transaction=number, moment=moment))
            is_full = says_that_it_is_full(said, desk)
            assert finished(desk, forks) == story[chapter].end, f"as transaction {number} {moment}"
        if not is_full:
            break
        tally[f"as a transaction {moment}"] += 1
    # Both ends of a run, the references, the intents and the page.
    assert number > 8


@pytest.mark.slow
def test_a_log_that_cannot_move_to_the_file_keeps_what_it_holds(
    tmp_path: Path, forks: Forks, story: Mapping[str, Chapter]
) -> None:
    with story["sequel"].lived(tmp_path / "life") as desk:
        said = forks.run(desk, "run-once", trouble=full_in_the_end)
        log = desk.checkpoint.with_name("bcpoll.db-wal")

        assert said.code in WELL
        assert log.stat().st_size > STEP
        assert finished(desk, forks, passes=1) == story["sequel"].end
        assert not log.exists()


@pytest.mark.slow
def test_a_file_that_cannot_take_what_the_log_holds_ends_as_if_nothing_had_happened(
    tmp_path: Path, forks: Forks, story: Mapping[str, Chapter], tally: Counter[str]
) -> None:
    """The log moves at every commit, so that the file is what runs out of room first."""
    with story["sequel"].lived(tmp_path / "measured") as desk:
        least = desk.checkpoint.stat().st_size
    for size in (least // 4, least // 2, least * 3 // 4, least):
        with story["sequel"].lived(tmp_path / str(size)) as desk:
            tally["moving the log"] += says_that_it_is_full(
                forks.run(desk, "run-once", trouble=MovedOften(size=size)), desk
            )
            assert finished(desk, forks) == story["sequel"].end, f"{size} bytes"


@pytest.mark.slow
def test_on_a_disk_of_a_few_kib_it_ends_as_if_nothing_had_happened(
    tmp_path: Path, story: Mapping[str, Chapter], tally: Counter[str]
) -> None:
    chapter = story["opening"]
    for kib in (8, 160):
        with chapter.lived(tmp_path / str(kib)) as desk, a_small_disk(desk.folder / "small", kib) as disk:
            place = disk.folder / "bcpoll.db"
            desk.config.write_text(desk.config.read_text().replace('"bcpoll.db"', f'"{place}"'))
            run_once = command("--config", str(desk.config), "run-once")

            full = disk.run(*run_once)
            disk.resize(4 * 1024)
            codes = [disk.run(*run_once).returncode for _ in range(2)]

            assert full.returncode == 74, full.stderr
            assert f"bcpoll: The checkpoint {place} cannot " in full.stderr
            assert "nothing is half written" in full.stderr
            assert "Traceback" not in full.stderr
            assert set(codes) <= set(WELL)
            assert disk.run("cp", str(place), str(desk.checkpoint)).returncode == 0
            with Checkpoint.open(desk.checkpoint, now=now()) as checkpoint:
                assert what_there_is(desk.world, checkpoint) == chapter.end, f"{kib} KiB"
        tally["on a small disk"] += 1


@contextmanager
def a_small_disk(folder: Path, kib: int) -> Iterator[SmallDisk]:
    """A disk of so many KiB; where there is none to be had, that is said aloud, and all other tests here stand in."""
    try:
        with small_disk(folder, kib) as disk:
            yield disk
    except NoSmallDisk as error:
        warnings.warn(f"a disk of our own making was not tried: {error}", stacklevel=1)
        pytest.skip(f"this machine lets nobody mount a small disk: {error}")
