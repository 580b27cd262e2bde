"""A damaged checkpoint: it is refused with the remedy, or the pass ends as if nothing had happened.

Whatever was done to the file, no sale is lost or doubled by going on, by making the file anew, or by an old backup.
"""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from host import WELL, Chapter, ClockOff, Forks, finished, full_in_the_end
from program import Desk, Said

from bcpoll.cli.wiring import now
from bcpoll.sandbox.pos import Snapshot

PAGE = 4096
SECTOR = 512
SEEDS = range(5)

# A guest's customer is found by e-mail alone, so making the file anew asks for a search that does not lag behind.
SEARCH = {"search_lag_requests": 0}

Harm = Callable[[Path, random.Random], None]


def overwritten(file: Path, at: int, content: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(content)


def any_of(file: Path, size: int, dice: random.Random) -> int:
    """Where a piece of this size begins, as a disk counts them."""
    return dice.randrange(file.stat().st_size // size) * size


def cut_short(file: Path, dice: random.Random) -> None:
    os.truncate(file, dice.randrange(1, file.stat().st_size))


def with_a_page_of_zeros(file: Path, dice: random.Random) -> None:
    overwritten(file, any_of(file, PAGE, dice), bytes(PAGE))


def with_a_sector_of_zeros(file: Path, dice: random.Random) -> None:
    overwritten(file, any_of(file, SECTOR, dice), bytes(SECTOR))


def with_a_sector_of_noise(file: Path, dice: random.Random) -> None:
    overwritten(file, any_of(file, SECTOR, dice), dice.randbytes(SECTOR))


def with_a_sector_of_another_place(file: Path, dice: random.Random) -> None:
    content = file.read_bytes()
    other = any_of(file, SECTOR, dice)
    overwritten(file, any_of(file, SECTOR, dice), content[other : other + SECTOR])


def with_a_bit_turned(file: Path, dice: random.Random) -> None:
    at = dice.randrange(file.stat().st_size)
    overwritten(file, at, bytes([file.read_bytes()[at] ^ 1 << dice.randrange(8)]))


HARMS = (
    cut_short,
    with_a_page_of_zeros,
    with_a_sector_of_zeros,
    with_a_sector_of_noise,
    with_a_sector_of_another_place,
    with_a_bit_turned,
)
HARM = pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)


def says_what_to_do(said: Said, desk: Desk) -> None:
    assert (said.code, said.out) == (74, "")
    assert f"bcpoll: The checkpoint {desk.checkpoint} " in said.err
    assert "from a backup" in said.err


def end_of_what_is_left(desk: Desk, forks: Forks) -> Snapshot:
    """What the POS holds in the end, by the way that is told where the file cannot be used: make it anew."""
    said = forks.run(desk, "run-once")
    if said.code not in WELL:
        says_what_to_do(said, desk)
        for file in desk.folder.glob("bcpoll.db*"):
            file.unlink()
        rebuilt = forks.run(desk, "rebuild", "--start", "2025-06-01T00:00:00Z")
        assert rebuilt.code == 0, rebuilt.err
    for _ in range(2):
        said = forks.run(desk, "run-once")
        assert said.code in WELL or "that this version of bcpoll cannot read" in said.err, said
    return desk.pos()


@pytest.mark.slow
@HARM
def test_a_damaged_file_is_refused_or_does_no_harm(
    tmp_path: Path, forks: Forks, story: Mapping[str, Chapter], harm: Harm
) -> None:
    for seed in SEEDS:
        with story["sequel"].lived(tmp_path / str(seed), **SEARCH) as desk:
            harm(desk.checkpoint, random.Random(f"{harm.__name__} {seed}"))

            assert end_of_what_is_left(desk, forks) == story["sequel"].end.pos, seed


@pytest.mark.slow
@HARM
def test_a_damaged_log_is_refused_or_does_no_harm(
    tmp_path: Path, forks: Forks, story: Mapping[str, Chapter], harm: Harm
) -> None:
    """The log of a whole pass, as a crash leaves it on a disk that said it had written what it had not."""
    with story["sequel"].lived(tmp_path / "crashed", **SEARCH) as desk:
        assert forks.run(desk, "run-once", trouble=full_in_the_end).code in WELL
        for seed in SEEDS:
            folder = tmp_path / str(seed)
            shutil.copytree(desk.folder, folder)
            copy = Desk(folder=folder, world=desk.world, url=desk.url, capture=desk.capture)
            harm(folder / "bcpoll.db-wal", random.Random(f"{harm.__name__} {seed}"))

            assert end_of_what_is_left(copy, forks) == story["sequel"].end.pos, seed


# --- what was lost is noticed ----------------------------------------------------------------------------------------


def zeroed(checkpoint: Path) -> None:
    checkpoint.write_bytes(bytes(checkpoint.stat().st_size))


def emptied(checkpoint: Path) -> None:
    checkpoint.write_bytes(b"")


def without_its_file(checkpoint: Path) -> None:
    checkpoint.with_name("bcpoll.db-wal").write_bytes(b"what was committed last")
    checkpoint.unlink()


def under_another_header(checkpoint: Path) -> None:
    overwritten(checkpoint, 0, b"PK\x03\x04 holiday photos")


def without_its_shop(checkpoint: Path) -> None:
    with closing(sqlite3.connect(checkpoint)) as opened, opened:
        opened.execute("DELETE FROM shop")


def zero_root_of(name: str, checkpoint: Path) -> None:
    with closing(sqlite3.connect(checkpoint)) as opened:
        ((page,),) = opened.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,))
    overwritten(checkpoint, (page - 1) * PAGE, bytes(PAGE))


LOST = {
    zeroed: "is not an SQLite file (SQLITE_NOTADB: file is not a database)",
    emptied: "is empty: what it held is lost",
    without_its_file: "is gone, but its log bcpoll.db-wal is still there",
    under_another_header: "is not an SQLite file (SQLITE_NOTADB: file is not a database)",
    without_its_shop: "is damaged: it does not say whose it is",
}


@pytest.mark.parametrize(("harm", "told"), LOST.items(), ids=[harm.__name__ for harm in LOST])
def test_what_is_left_of_a_checkpoint_is_never_taken_for_a_new_one(
    desk: Desk, harm: Callable[[Path], None], told: str
) -> None:
    desk.run("run-once")
    harm(desk.checkpoint)
    desk.order()
    requests = len(desk.world.log)

    plain, as_json = desk.run("run-once"), desk.run("--json", "run-once")

    assert (plain.code, plain.out) == (74, "")
    assert f"bcpoll: The checkpoint {desk.checkpoint} {told}\n" in plain.err
    assert "Restore it from a backup, or make it anew from the POS (bcpoll rebuild)." in plain.err
    assert "move it away first, together with the -wal and -shm files beside it" in plain.err
    assert as_json.json == {"error": plain.err.split("\n")[0].removeprefix("bcpoll: "), "exit_code": 74} | {
        "hint": plain.err.split("\n")[1]
    }
    assert len(desk.world.log) == requests


@pytest.mark.slow
def test_a_checkpoint_that_is_gone_is_missed_after_a_long_absence_too(desk: Desk) -> None:
    desk.run("run-once")
    desk.checkpoint.unlink()
    for _ in range(40):
        desk.order()
    writes = desk.writes()

    plain = desk.run("run-once")
    named = desk.run("run-once", "--order", "100")

    assert (plain.code, named.code) == (74, 74)
    for said in (plain, named):
        assert "is new, but the POS holds a sale that bcpoll wrote" in said.err
        assert "bcpoll rebuild" in said.err
    assert desk.writes() == writes


@pytest.mark.slow
def test_an_order_written_by_name_before_the_first_run_is_no_sign_of_a_loss(desk: Desk) -> None:
    named = desk.run("run-once", "--order", "100")
    again = desk.run("run-once", "--order", "101")
    first = desk.run("run-once")

    assert (named.code, again.code, first.code) == (0, 0, 0)
    assert [len(sales) for sales in desk.pos().sales.values()] == [1, 1, 1]


def test_a_value_that_cannot_be_read_is_told_with_the_remedy(desk: Desk) -> None:
    desk.run("run-once")
    with closing(sqlite3.connect(desk.checkpoint)) as opened, opened:
        opened.execute("PRAGMA ignore_check_constraints = ON")
        opened.execute("UPDATE marks SET at = 'long ago' WHERE name = 'cursor'")

    said = desk.run("run-once")

    assert said.code == 74
    assert "holds a value that this version of bcpoll cannot read: Invalid isoformat string: 'long ago'" in said.err
    assert "If that says the same, restore the file from a backup." in said.err


def test_damage_that_no_pass_meets_is_found_within_a_day(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.run("run-once")
    # The root of an index that only orders without an id would be in.
    zero_root_of("one_item_per_unreadable", desk.checkpoint)

    at_once = desk.run("run-once", "--order", "100")
    a_day_later = now() + timedelta(days=1)
    monkeypatch.setattr("bcpoll.cli.wiring.now", lambda: a_day_later)
    desk.world.set_clock(lambda: a_day_later)
    said = desk.run("run-once")

    assert at_once.code == 0
    assert (said.code, said.out) == (74, "")
    assert f"The checkpoint {desk.checkpoint} is damaged" in said.err
    assert "Restore it from a backup" in said.err


@pytest.mark.slow
def test_damage_met_in_the_middle_of_a_pass_is_told_and_the_remedy_doubles_nothing(desk: Desk) -> None:
    desk.world.switch(existing_sale="doubles", search_lag_requests=10_000)
    desk.run("run-once")
    zero_root_of("ledger_by_time", desk.checkpoint)
    desk.order()

    said = desk.run("run-once")

    assert (said.code, said.out) == (74, "")
    assert "is damaged (SQLITE_CORRUPT" in said.err
    assert len(desk.pos().sales) == 4
    desk.checkpoint.unlink()
    for file in desk.folder.glob("bcpoll.db-*"):
        file.unlink()
    assert [desk.run("rebuild").code, desk.run("run-once").code] == [0, 0]
    assert [len(sales) for sales in desk.pos().sales.values()] == [1] * 4


def test_an_index_that_contradicts_its_table_is_damage_and_no_bug(desk: Desk) -> None:
    desk.run("run-once")
    index = "name = 'one_order_per_sale'"
    for statements in (
        f"CREATE TABLE aside AS SELECT * FROM sqlite_schema WHERE {index}; DELETE FROM sqlite_schema WHERE {index}",
        "DELETE FROM ledger WHERE order_id = 100; INSERT INTO sqlite_schema SELECT * FROM aside; DROP TABLE aside",
    ):
        with closing(sqlite3.connect(desk.checkpoint)) as opened:
            opened.executescript(f"PRAGMA writable_schema = ON; {statements};")

    said = desk.run("run-once", "--order", "100")

    assert (said.code, said.out) == (74, "")
    assert "is damaged: wrong # of entries in index one_order_per_sale" in said.err


def test_after_a_crash_the_whole_file_is_read_before_anything_else(desk: Desk) -> None:
    desk.run("run-once")
    zero_root_of("review_by_state", desk.checkpoint)
    desk.checkpoint.with_name("bcpoll.db-wal").touch()
    requests = len(desk.world.log)

    said = desk.run("-v", "run-once")

    assert said.code == 74
    assert "the last run did not end in order: reading the whole checkpoint through" in said.err
    assert len(desk.world.log) == requests


# --- going on from an old copy ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_backup_from_before_the_last_runs_doubles_nothing(
    tmp_path: Path, forks: Forks, story: Mapping[str, Chapter]
) -> None:
    with story["sequel"].lived(tmp_path) as desk:
        backup = desk.checkpoint.read_bytes()
        assert finished(desk, forks) == story["sequel"].end
        desk.checkpoint.write_bytes(backup)

        codes = [forks.run(desk, "run-once", trouble=ClockOff(timedelta(hours=2))).code for _ in range(2)]

        assert set(codes) <= set(WELL)
        assert desk.pos() == story["sequel"].end.pos
