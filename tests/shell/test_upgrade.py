"""A checkpoint of an older version: brought forward with what it held, and kept as it was beside it."""

import sqlite3
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bcpoll.checkpoint import (
    POLL,
    Checkpoint,
    Intent,
    IntentKind,
    IntentState,
    LedgerRow,
    RunOutcome,
    schema,
)
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import Applied, AppliedState
from bcpoll.errors import CheckpointError

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LATER = ("CREATE TABLE later (x INTEGER) STRICT",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bcpoll.db"


@pytest.fixture
def older(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A file of this version, and a program that knows one step more."""
    with Checkpoint.open(path, now=NOW) as checkpoint:
        checkpoint.set_mark("a mark", NOW)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", (*schema.STEPS, LATER))
        yield patch


def copy_of(path: Path) -> Path:
    return path.with_name(f"bcpoll.db.schema{len(schema.STEPS) - 1}.bak")


def test_an_upgrade_keeps_the_file_as_it_was_closed_to_others(path: Path, older: pytest.MonkeyPatch) -> None:
    with Checkpoint.open(path, now=NOW) as checkpoint:
        assert checkpoint.old_copies() == (copy_of(path),)

    assert stat.S_IMODE(copy_of(path).stat().st_mode) == 0o600
    older.undo()
    with Checkpoint.open(path.with_name(f"bcpoll.db.schema{len(schema.STEPS)}.bak"), now=NOW, create=False) as copy:
        assert copy.mark("a mark") == NOW
        assert copy._rows("SELECT * FROM sqlite_schema WHERE name = 'later'") == []
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "bcpoll.db",
        f"bcpoll.db.schema{len(schema.STEPS)}.bak",
    ]


def test_a_copy_that_an_upgrade_was_killed_over_is_told_too(path: Path, older: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with older.context() as patch:
        patch.setattr(Path, "replace", killed)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            Checkpoint.open(path, now=NOW)

    (left,) = [one for one in path.parent.iterdir() if one.name.endswith(".new")]
    older.undo()
    with Checkpoint.open(path, now=NOW) as checkpoint:
        assert checkpoint.old_copies() == (left,)


def test_a_file_of_this_version_is_not_copied(path: Path) -> None:
    Checkpoint.open(path, now=NOW).close()
    Checkpoint.open(path, now=NOW).close()

    assert [one.name for one in path.parent.iterdir()] == ["bcpoll.db"]


def test_a_second_upgrade_keeps_what_was_there_last(path: Path, older: pytest.MonkeyPatch) -> None:
    copy_of(path).write_text("from an upgrade that was taken back")

    Checkpoint.open(path, now=NOW).close()

    assert copy_of(path).read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("trouble", ["no room", "damage"])
def test_without_a_copy_there_is_no_upgrade(path: Path, older: pytest.MonkeyPatch, trouble: str) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device") if trouble == "no room" else CheckpointError("is damaged")

    older.setattr("bcpoll.checkpoint.file._copy", fails)

    with pytest.raises(CheckpointError, match=r"No space left|is damaged"):
        Checkpoint.open(path, now=NOW)

    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(schema.STEPS) - 1,)


def test_what_was_sent_tells_when_orders_of_an_older_file_were_placed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", schema.STEPS[:1])
        Checkpoint.open(path, now=NOW).close()
        # Written as that version did: the code of this one knows columns that the file lacks.
        with sqlite3.connect(path) as db:
            for number in (1, 2):
                db.execute(
                    "INSERT INTO ledger"
                    " VALUES (?, 10, ?, 'f', 'paid', 'paid', 1, ?, '', '1.10', '1.10', '0', '', '', ?, NULL)",
                    (number, _text(NOW), f"sale-{number}", _text(NOW)),
                )
            db.execute(
                "INSERT INTO intents VALUES (1, 'k', 1, 'sale', 'sale-1', ?, 0, ?, 0, 'done', '', '', ?, NULL)",
                ('{"request":{"date":"2026-11-03T04:05:06Z","line_items":[]}}', _text(NOW), _text(NOW)),
            )

    with Checkpoint.open(path, now=NOW) as checkpoint:
        rows = checkpoint.ledger([1, 2])
        assert (rows[1].placed_at, rows[2].placed_at) == (placed, None)
        assert [row.order_id for row in checkpoint.placed_since(NOW - 30 * DAY)] == [1]
        assert checkpoint.orders_by_hour(NOW - 30 * DAY) == {placed.replace(minute=0, second=0): 1}


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"


# --- pruning runs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def checkpoint() -> Iterator[Checkpoint]:
    with Checkpoint.in_memory(NOW) as opened:
        yield opened


def ran(checkpoint: Checkpoint, days_ago: int, kind: str = POLL) -> int:
    run_id = checkpoint.begin_run(kind, NOW - days_ago * DAY)
    checkpoint.end_run(run_id, NOW - days_ago * DAY, RunOutcome.DONE, {})
    return run_id


def test_runs_that_wrote_nothing_are_forgotten_once_they_are_old(checkpoint: Checkpoint) -> None:
    ran(checkpoint, 100)
    checkpoint.begin_run(POLL, NOW - 99 * DAY)
    young = ran(checkpoint, 10)

    assert checkpoint.prune_runs(NOW - 90 * DAY) == 2
    assert [run.id for run in checkpoint.last_runs(9)] == [young]


def test_the_last_success_stays_however_old_it_is(checkpoint: Checkpoint) -> None:
    ran(checkpoint, 200)
    last = ran(checkpoint, 100)
    ran(checkpoint, 99, kind="orders")

    assert checkpoint.prune_runs(NOW) == 2
    success = checkpoint.last_success()
    assert success is not None
    assert success.id == last


def test_runs_that_are_part_of_a_history_stay(checkpoint: Checkpoint) -> None:
    runs = [ran(checkpoint, 100) for _ in range(4)]
    ran(checkpoint, 1)
    applied = Applied(order_id=1, state=AppliedState.PAID, revision=1, sale_id="s", total=Decimal(1))
    row = LedgerRow(
        order_id=1,
        status_id=10,
        modified_at=NOW,
        fingerprint="f",
        applied=applied,
        disposition="paid",
        written_at=NOW,
        run_id=runs[0],
    )
    checkpoint.record([row])
    intent = Intent(key="k", order_id=1, kind=IntentKind.SALE, target="s", created_at=NOW, run_id=runs[1])
    checkpoint.intend([intent])
    checkpoint.settle("k", IntentState.DONE, at=NOW)
    wrong = Rejected(order_id=2, reason=Reason.EDITED, field="", detail="")
    checkpoint.set_aside(wrong, {}, fingerprint="", now=NOW, run_id=runs[2])

    assert checkpoint.prune_runs(NOW - 90 * DAY) == 1
    assert set(checkpoint.runs(runs)) == set(runs[:3])


def test_what_refers_to_a_run_is_found_by_an_index(checkpoint: Checkpoint) -> None:
    """To look at every row of the ledger for each of a hundred thousand runs would take minutes."""
    plan = checkpoint._rows(
        "EXPLAIN QUERY PLAN DELETE FROM runs WHERE NOT EXISTS (SELECT 1 FROM ledger WHERE run_id = runs.id)"
        " AND NOT EXISTS (SELECT 1 FROM intents WHERE run_id = runs.id)"
        " AND NOT EXISTS (SELECT 1 FROM refunds WHERE run_id = runs.id)"
        " AND NOT EXISTS (SELECT 1 FROM review WHERE run_id = runs.id)"
    )
    steps = [row["detail"] for row in plan]

    for table in ("ledger", "intents", "refunds", "review"):
        assert any(f"{table} USING COVERING INDEX {table}_by_run" in step for step in steps), steps
