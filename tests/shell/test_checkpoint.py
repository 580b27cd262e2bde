"""The checkpoint: what it keeps, what it refuses, and that nothing is ever half written."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcpoll.checkpoint import (
    POLL,
    BackfilledOrder,
    BookedRefund,
    Checkpoint,
    Intent,
    IntentKind,
    IntentState,
    LedgerRow,
    RefundRow,
    RefundState,
    ReviewState,
    RunOutcome,
    Settlement,
    StockOwed,
    schema,
    told_again,
)
from bcpoll.checkpoint.columns import time_text
from bcpoll.checkpoint.review import next_try
from bcpoll.core.rejected import REASONS, Reason, Rejected
from bcpoll.core.sale import Applied, AppliedState
from bcpoll.core.shop import PosProduct
from bcpoll.errors import CheckpointError

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bcpoll.db"


@pytest.fixture
def checkpoint(path: Path) -> Iterator[Checkpoint]:
    with Checkpoint.open(path, now=NOW) as opened:
        yield opened


def a_row(order_id=1, *, state=AppliedState.PAID, fingerprint="f1", total="1.10", **changes) -> LedgerRow:
    applied = Applied(order_id=order_id, state=state, revision=1, sale_id=f"sale-{order_id}", total=Decimal(total))
    row = {
        "order_id": order_id,
        "status_id": 10,
        "modified_at": NOW,
        "fingerprint": fingerprint,
        "applied": applied,
        "disposition": "closed",
        "written_at": NOW,
    }
    return LedgerRow(**(row | changes))


def an_intent(key="1/sale/1", **changes) -> Intent:
    intent = {"key": key, "order_id": 1, "kind": IntentKind.SALE, "target": "sale-1", "created_at": NOW}
    return Intent(**(intent | changes))


def a_product(product_id="p1", *codes: str, is_active=True, is_deleted=False, version=1) -> PosProduct:
    return PosProduct(
        id=product_id,
        name="Mug",
        codes=codes,
        is_active=is_active,
        is_deleted=is_deleted,
        tracks_stock=True,
        version=version,
    )


def rejected(order_id=7, reason=Reason.POS_REFUSED, detail="no") -> Rejected:
    return Rejected(order_id=order_id, reason=reason, field="lines", detail=detail)


def set_aside(checkpoint: Checkpoint, what: Rejected, *, fingerprint="f1", now=NOW) -> bool:
    return checkpoint.set_aside(what, {"id": what.order_id}, fingerprint=fingerprint, now=now)


class TestFile:
    def test_a_new_file_and_the_files_beside_it_are_for_their_owner_alone(self, path, checkpoint):
        checkpoint.set_mark("sweep", NOW)

        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

        assert modes == {"bcpoll.db": 0o600, "bcpoll.db-wal": 0o600, "bcpoll.db-shm": 0o600}
        assert checkpoint.warnings == ()

    def test_a_file_that_others_can_read_is_warned_of(self, path, checkpoint):
        path.chmod(0o644)

        assert "mode 0644" in checkpoint.warnings[0]

    def test_commits_are_on_the_disk_and_constraints_are_on(self, checkpoint):
        settings = [
            checkpoint._rows(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

        assert settings == ["wal", 2, 1]
        assert checkpoint._rows("PRAGMA busy_timeout")[0][0] == 5000

    def test_what_was_written_is_there_after_it_was_opened_again(self, path):
        with Checkpoint.open(path, now=NOW) as first:
            first.set_mark("sweep", NOW)

        with Checkpoint.open(path, now=NOW, create=False) as second:
            assert second.mark("sweep") == NOW
            assert second.size() >= path.stat().st_size
            second.verify()

    def test_a_checkpoint_in_memory_is_whole(self):
        with Checkpoint.in_memory(NOW) as checkpoint:
            checkpoint.record([a_row()])

            assert checkpoint.ledger_count() == 1
            assert checkpoint.warnings == ()
            assert checkpoint.size() == 0

    def test_a_symbolic_link_leads_to_the_one_file(self, path, tmp_path):
        link = tmp_path / "link.db"
        link.symlink_to(path)

        with Checkpoint.open(link, now=NOW) as checkpoint:
            assert checkpoint.path == path
        assert link.is_symlink()

    def test_a_name_with_signs_of_a_url_is_only_a_name(self, tmp_path):
        path = tmp_path / "a b?mode=memory#%41.db"

        Checkpoint.open(path, now=NOW).close()

        assert [file.name for file in tmp_path.iterdir()] == [path.name]

    def test_without_create_a_missing_file_stays_missing(self, path):
        with pytest.raises(CheckpointError, match="no checkpoint at"):
            Checkpoint.open(path, now=NOW, create=False)

        assert not path.exists()

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(CheckpointError, match=r"folder .*nowhere of the checkpoint does not exist"):
            Checkpoint.open(tmp_path / "nowhere" / "bcpoll.db", now=NOW)

    def test_a_folder_is_no_checkpoint(self, tmp_path):
        with pytest.raises(CheckpointError, match="is not a file"):
            Checkpoint.open(tmp_path, now=NOW)

    def test_an_old_sqlite_is_refused(self, path, monkeypatch):
        monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))

        with pytest.raises(CheckpointError, match="too old"):
            Checkpoint.open(path, now=NOW)

    def test_what_the_system_refuses_is_said_with_a_hint(self, path, monkeypatch):
        def refuse(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)

        with pytest.raises(CheckpointError, match="Permission denied") as caught:
            Checkpoint.open(path, now=NOW)
        assert caught.value.hint
        assert caught.value.exit_code == 74


class TestCreation:
    def test_a_failed_creation_leaves_nothing_behind(self, path, monkeypatch):
        monkeypatch.setattr(schema, "STEPS", (("CREATE TABLE shop (only", ""),))

        with pytest.raises(CheckpointError):
            Checkpoint.open(path, now=NOW)

        assert list(path.parent.iterdir()) == []

    def test_the_file_of_a_quicker_process_is_used(self, path, monkeypatch):
        real_link = os.link

        def link_too_late(draft, place):
            real_link(draft, place)
            with Checkpoint.open(path, now=NOW) as quicker:
                quicker.set_mark("sweep", NOW)
            real_link(draft, place)

        monkeypatch.setattr(os, "link", link_too_late)

        with Checkpoint.open(path, now=NOW) as checkpoint:
            assert checkpoint.mark("sweep") == NOW

    def test_a_file_system_without_hard_links_will_do(self, path, monkeypatch):
        def refuse(*_):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)

        Checkpoint.open(path, now=NOW).close()

        assert [file.name for file in path.parent.iterdir()] == ["bcpoll.db"]


def _text(path: Path) -> None:
    path.write_text("[bigcommerce]\nstore_hash = 'abc'\n" * 100)


def _short_text(path: Path) -> None:
    path.write_bytes(b"x")


def _zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _nothing(path: Path) -> None:
    path.write_bytes(b"")


def _first_page_only(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4096])


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _schema_overwritten(path: Path) -> None:
    pages = path.read_bytes()
    path.write_bytes(pages[:100] + b"\xff" * 3996 + pages[4096:])


def _by_hand(*statements: str):
    def damage(path: Path) -> None:
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return damage


REFUSED = {
    "text": (_text, "is not an SQLite file"),
    "one byte": (_short_text, "of another program"),
    "zeros": (_zeros, "is not an SQLite file"),
    "empty": (_nothing, "is empty: what it held is lost"),
    "first page only": (_first_page_only, "is damaged"),
    "half": (_half, "is damaged"),
    "schema overwritten": (_schema_overwritten, "is damaged"),
    "another program's": (_by_hand("PRAGMA application_id = 17"), "of another program"),
    "no program's": (_by_hand("PRAGMA application_id = 0"), "of another program"),
    "newer": (_by_hand("PRAGMA user_version = 99"), "by a newer version of bcpoll.*schema 99"),
    "version lost": (_by_hand("PRAGMA user_version = 0"), "does not say whose"),
    "nobody's": (_by_hand("DELETE FROM shop"), "does not say whose"),
    "table gone": (_by_hand("DROP TABLE shop"), "cannot be used"),
}


class TestDamage:
    @pytest.mark.parametrize(("damage", "message"), REFUSED.values(), ids=REFUSED)
    def test_a_file_that_cannot_be_trusted_is_refused_and_left_as_it_is(self, path, damage, message):
        with Checkpoint.open(path, now=NOW) as checkpoint:
            checkpoint.record([a_row(n) for n in range(1, 200)])
        damage(path)
        before = path.read_bytes()

        with pytest.raises(CheckpointError, match=message) as caught:
            Checkpoint.open(path, now=NOW)

        assert caught.value.hint
        assert path.read_bytes() == before
        # SQLite may leave an empty log beside a file that it found damaged.
        assert all(file.stat().st_size == 0 for file in path.parent.glob("*-wal"))

    def test_damage_below_the_schema_is_found_by_verify_and_by_reading(self, path):
        with Checkpoint.open(path, now=NOW) as checkpoint:
            checkpoint.record([a_row(n, note="x" * 500) for n in range(1, 600)])
        pages = path.read_bytes()
        path.write_bytes(pages[: len(pages) // 2] + b"\xff" * (len(pages) - len(pages) // 2))

        with Checkpoint.open(path, now=NOW) as checkpoint:
            with pytest.raises(CheckpointError, match="is damaged"):
                checkpoint.verify()
            with pytest.raises(CheckpointError, match="is damaged"):
                checkpoint.recent(1000)

    @pytest.mark.parametrize(
        "change",
        ["modified_at = 'yesterday'", "total = 'much'", "tax = 'some'"],
        ids=["time", "amount", "optional amount"],
    )
    def test_a_value_that_cannot_be_read_is_said(self, checkpoint, change):
        checkpoint.record([a_row()])
        checkpoint._write(f"UPDATE ledger SET {change}")

        with pytest.raises(CheckpointError, match="cannot read"):
            checkpoint.ledger([1])

    def test_a_reason_of_a_newer_version_is_said(self, checkpoint):
        set_aside(checkpoint, rejected())
        checkpoint._write("UPDATE review SET reason = 'full moon'")

        with pytest.raises(CheckpointError, match="full moon"):
            checkpoint.review_items()

    def test_a_full_disk_is_said_and_nothing_is_half_written(self, checkpoint):
        (pages,) = checkpoint._rows("PRAGMA page_count")[0]
        checkpoint._rows(f"PRAGMA max_page_count = {pages}")

        def write_too_much() -> None:
            with checkpoint.atomic():
                checkpoint.set_mark("sweep", NOW)
                checkpoint.record([a_row(n, note="x" * 1000) for n in range(1, 1000)])

        with pytest.raises(CheckpointError, match="the disk is full") as caught:
            write_too_much()

        assert "Free some space" in caught.value.hint
        assert checkpoint.mark("sweep") is None
        assert checkpoint.ledger_count() == 0

    def test_a_file_that_may_not_be_written_is_said(self, checkpoint):
        checkpoint._db.execute("PRAGMA query_only = ON")

        with pytest.raises(CheckpointError, match="cannot be written"):
            checkpoint.set_mark("sweep", NOW)

    def test_another_writer_is_said(self, path, checkpoint):
        checkpoint._db.execute("PRAGMA busy_timeout = 0")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(CheckpointError, match="in use by another program"):
            checkpoint.set_mark("sweep", NOW)

        other.close()


class TestMigration:
    def test_an_older_file_is_brought_up(self, path, monkeypatch):
        Checkpoint.open(path, now=NOW).close()
        monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, ("CREATE TABLE later (x INTEGER) STRICT",)))

        with Checkpoint.open(path, now=NOW) as checkpoint:
            assert checkpoint._rows("SELECT * FROM later") == []
            assert checkpoint._rows("PRAGMA user_version")[0][0] == len(schema.STEPS)

    def test_a_step_that_fails_takes_the_others_back(self, path, monkeypatch):
        Checkpoint.open(path, now=NOW).close()
        before = schema.STEPS
        monkeypatch.setattr(
            schema, "STEPS", (*before, ("CREATE TABLE later (x INTEGER) STRICT",), ("CREATE nonsense",))
        )

        with pytest.raises(CheckpointError, match="nonsense"):
            Checkpoint.open(path, now=NOW)

        monkeypatch.setattr(schema, "STEPS", before)
        with Checkpoint.open(path, now=NOW) as checkpoint:
            assert checkpoint._rows("SELECT * FROM sqlite_schema WHERE name = 'later'") == []

    def test_a_quicker_process_may_have_done_it(self, path, monkeypatch):
        Checkpoint.open(path, now=NOW).close()
        monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, ("CREATE TABLE later (x INTEGER) STRICT",)))
        known = len(schema.STEPS)
        answers = iter([known - 1, known - 1, known])
        monkeypatch.setattr("bcpoll.checkpoint.file._version", lambda _: next(answers))

        with Checkpoint.open(path, now=NOW) as checkpoint:
            assert checkpoint._rows("SELECT * FROM sqlite_schema WHERE name = 'later'") == []

    def test_every_table_is_strict(self, checkpoint):
        tables = checkpoint._rows("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")

        assert {table["name"] for table in tables if not table["strict"]} == {"sqlite_schema"}

    @pytest.mark.parametrize(
        ("table", "states"),
        [("ledger", AppliedState), ("intents", IntentState), ("review", ReviewState), ("runs", RunOutcome)],
    )
    def test_the_schema_names_the_states_that_the_code_names(self, checkpoint, table, states):
        (sql,) = checkpoint._rows("SELECT sql FROM sqlite_schema WHERE name = ?", table)[0]

        assert f"IN ({', '.join(repr(str(state)) for state in states)})" in sql


class TestAtomic:
    def test_a_failed_block_leaves_no_trace_of_anything_in_it(self, checkpoint):
        def write_everywhere() -> None:
            with checkpoint.atomic():
                run = checkpoint.begin_run("run", NOW)
                checkpoint.claim("abc", "shop")
                checkpoint.move_cursor(NOW)
                checkpoint.record([a_row(run_id=run)])
                checkpoint.intend([an_intent()])
                checkpoint.settle("1/sale/1", IntentState.DONE, at=NOW)
                set_aside(checkpoint, rejected())
                checkpoint.save_products([a_product("p1", "A")], 5)
                checkpoint.link_customers({"email:a@b.c": "c1"}, NOW)
                checkpoint.cache("taxes", [], NOW)
                checkpoint.set_feed_version("customers", 3)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            write_everywhere()

        assert checkpoint.cursor() is None
        assert checkpoint.ledger_count() == 0
        assert checkpoint.history(1) == []
        assert checkpoint.review_items() == []
        assert checkpoint.product_ids(["a"]) == {}
        assert checkpoint.customer_ids(["email:a@b.c"]) == {}
        assert checkpoint.cached("taxes") is None
        assert checkpoint.feed_version("customers") == checkpoint.feed_version("products") == 0
        assert checkpoint.last_runs(1) == []
        checkpoint.claim("another", "shop")

    def test_a_failed_inner_block_leaves_the_outer_one_whole(self, checkpoint):
        def fail_inside() -> None:
            with checkpoint.atomic():
                checkpoint.set_mark("inner", NOW)
                raise RuntimeError

        with checkpoint.atomic():
            checkpoint.set_mark("outer", NOW)
            with pytest.raises(RuntimeError):
                fail_inside()

        assert checkpoint.mark("outer") == NOW
        assert checkpoint.mark("inner") is None

    def test_nobody_else_sees_or_writes_anything_before_the_end(self, path, checkpoint):
        other = sqlite3.connect(path, timeout=0, isolation_level=None)

        with checkpoint.atomic():
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("INSERT INTO watched VALUES (1)")
            checkpoint.set_mark("sweep", NOW)
            seen = other.execute("SELECT count(*) FROM marks").fetchone()

        assert seen == (0,)
        assert other.execute("SELECT count(*) FROM marks").fetchone() == (1,)
        other.close()

    def test_every_method_that_writes_has_committed_when_it_returns(self, checkpoint):
        checkpoint.cache("taxes", [], NOW)
        checkpoint.link_customers({"k": "c"}, NOW)
        checkpoint.set_feed_version("customers", 3)
        checkpoint.begin_run("run", NOW)
        checkpoint.record([])

        assert not checkpoint._db.conn.in_transaction

    def test_a_process_that_is_killed_within_a_transaction_leaves_the_state_before_it(self, path):
        with Checkpoint.open(path, now=NOW) as checkpoint:
            checkpoint.record([a_row(1)])
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"

        child.send_signal(signal.SIGKILL)
        child.communicate()

        with Checkpoint.open(path, now=NOW) as checkpoint:
            assert checkpoint.cursor() == NOW
            assert checkpoint.watched(range(1, 100_001)) == set()
            checkpoint.verify()


# The watched orders are more than SQLite's page cache holds, so that some are in the log when the process dies.
KILLED = f"""
import sys, time
from datetime import datetime
from pathlib import Path
from bcpoll.checkpoint import Checkpoint
now = datetime.fromisoformat("{time_text(NOW)}")
checkpoint = Checkpoint.open(Path(sys.argv[1]), now=now)
checkpoint.move_cursor(now)
with checkpoint.atomic():
    checkpoint._db.execute("PRAGMA cache_size = 10")
    checkpoint.watch(range(1, 100_001))
    print("written", flush=True)
    time.sleep(60)
"""


class TestProgress:
    def test_a_checkpoint_serves_the_shop_that_claimed_it(self, checkpoint):
        checkpoint.claim("abc", "shop")
        checkpoint.claim("abc", "shop")

        for store, pos in (("xyz", "shop"), ("abc", "other")):
            with pytest.raises(CheckpointError, match="belongs to the store 'abc' and the POS 'shop'"):
                checkpoint.claim(store, pos)

    def test_the_cursor_never_goes_back(self, checkpoint):
        assert checkpoint.cursor() is None

        moves = [checkpoint.move_cursor(NOW + hours * MINUTE) for hours in (1, 1, 0, 2)]

        assert moves == [True, False, False, True]
        assert checkpoint.cursor() == NOW + 2 * MINUTE

    def test_time_order_does_not_depend_on_zone_or_fraction(self, checkpoint):
        whole = NOW.replace(microsecond=0)
        east = whole.astimezone(timezone(timedelta(hours=9)))

        assert checkpoint.move_cursor(whole)
        assert not checkpoint.move_cursor(east)
        assert checkpoint.move_cursor(NOW)
        assert checkpoint.cursor() == NOW
        assert checkpoint.cursor().tzinfo is UTC

    def test_a_time_without_a_zone_is_a_bug(self, checkpoint):
        with pytest.raises(ValueError, match="no time zone"):
            checkpoint.move_cursor(datetime(2026, 3, 1))  # noqa: DTZ001

    def test_the_start_is_set_once(self, checkpoint):
        checkpoint.set_start(NOW)
        checkpoint.set_start(NOW)

        with pytest.raises(ValueError, match="start is"):
            checkpoint.set_start(NOW - DAY)
        assert checkpoint.start() == NOW

    def test_a_mark_goes_where_it_is_set_but_cursor_and_start_are_no_marks(self, checkpoint):
        checkpoint.set_mark("sweep", NOW)
        checkpoint.set_mark("sweep", NOW - DAY)

        assert checkpoint.mark("sweep") == NOW - DAY
        for name in ("cursor", "start"):
            with pytest.raises(ValueError, match=name):
                checkpoint.set_mark(name, NOW)

    def test_watched_orders_are_found_among_others(self, checkpoint):
        checkpoint.watch([1, 2])
        checkpoint.watch({2, 3})

        assert checkpoint.watched([2, 3, 4]) == {2, 3}
        assert checkpoint.watched([]) == set()


class TestLedger:
    def test_a_row_comes_back_as_it_was(self, checkpoint):
        row = a_row(
            order_total=Decimal("110.00"),
            tax=Decimal("10.0000"),
            customer_key="email:jürgen@example.com",
            note="fees outside the total",
            run_id=checkpoint.begin_run("run", NOW),
        )

        checkpoint.record([row])

        assert checkpoint.ledger([1, 2]) == {1: row}

    @pytest.mark.parametrize("amount", ["1.10", "0.00", "-3.500", "12345678901234567890.01", "0.00001"])
    def test_amounts_keep_every_digit(self, checkpoint, amount):
        checkpoint.record([a_row(total=amount, order_total=Decimal(amount), tax=None)])

        row = checkpoint.ledger([1])[1]

        assert (str(row.applied.total), str(row.order_total), row.tax) == (amount, amount, None)

    def test_a_later_row_replaces_the_earlier_one(self, checkpoint):
        checkpoint.record([a_row(1, state=AppliedState.UNPAID)])
        later = a_row(1, fingerprint="f2", status_id=11, note="paid")

        checkpoint.record([later])

        assert checkpoint.ledger([1]) == {1: later}
        assert checkpoint.ledger_count() == 1

    def test_counts_follow_every_change_of_state(self, checkpoint):
        nothing = Applied(order_id=3)
        checkpoint.record(
            [a_row(1), a_row(2, state=AppliedState.UNPAID), a_row(3, applied=nothing, disposition="not_imported")]
        )
        checkpoint.record([a_row(1, state=AppliedState.VOIDED), a_row(2)])
        checkpoint._write("DELETE FROM ledger WHERE order_id = 3")

        assert checkpoint.ledger_counts() == {
            AppliedState.NOTHING: 0,
            AppliedState.UNPAID: 0,
            AppliedState.OPEN: 0,
            AppliedState.PAID: 1,
            AppliedState.VOIDED: 1,
        }

    def test_a_thousand_orders_are_found_at_once(self, checkpoint):
        checkpoint.record([a_row(n) for n in range(1, 1001)])

        assert len(checkpoint.ledger(range(1, 2001))) == checkpoint.ledger_count() == 1000

    def test_a_look_up_reads_by_key_and_never_the_whole_table(self, checkpoint):
        plan = checkpoint._rows(
            "EXPLAIN QUERY PLAN SELECT * FROM ledger WHERE order_id IN (SELECT value FROM json_each('[1]'))"
        )

        assert any("SEARCH ledger USING INTEGER PRIMARY KEY" in step["detail"] for step in plan)

    def test_the_newest_rows_come_first(self, checkpoint):
        checkpoint.record([a_row(n, written_at=NOW + n * MINUTE) for n in (2, 1, 3)])

        assert [row.order_id for row in checkpoint.recent(2)] == [3, 2]

    def test_two_orders_cannot_share_a_sale(self, checkpoint):
        shared = Applied(order_id=2, state=AppliedState.PAID, revision=1, sale_id="sale-1")

        with pytest.raises(sqlite3.IntegrityError):
            checkpoint.record([a_row(1), a_row(2, applied=shared)])

        assert checkpoint.ledger_count() == 0

    def test_a_row_cannot_hold_what_another_order_was_given(self):
        with pytest.raises(ValueError, match="order 1 holds what order 2"):
            a_row(1, applied=Applied(order_id=2))


class TestIntents:
    def test_an_intent_comes_back_as_it_was_and_amounts_in_it_as_text(self, checkpoint):
        checkpoint.intend([an_intent(body={"total": Decimal("1.10"), "note": "Grüße \ud83d"}, since=42)])

        assert checkpoint.open_intents() == [an_intent(body={"total": "1.10", "note": "Grüße \ud83d"}, since=42)]

    def test_only_json_can_be_a_body(self, checkpoint):
        with pytest.raises(TypeError, match="datetime is not JSON"):
            checkpoint.intend([an_intent(body={"at": NOW})])

    @pytest.mark.parametrize("state", [IntentState.OPEN, IntentState.UNKNOWN])
    def test_while_an_outcome_is_not_known_no_second_write_begins(self, checkpoint, state):
        checkpoint.intend([an_intent()])
        if state is IntentState.UNKNOWN:
            checkpoint.settle("1/sale/1", state, at=NOW)

        with pytest.raises(sqlite3.IntegrityError):
            checkpoint.intend([an_intent("2/sale/1"), an_intent()])

        assert [intent.key for intent in checkpoint.open_intents()] == ["1/sale/1"]

    def test_a_key_is_free_again_once_its_intent_is_settled(self, checkpoint):
        checkpoint.intend([an_intent()])
        checkpoint.settle("1/sale/1", IntentState.REFUSED, at=NOW + MINUTE, detail="closed register")
        checkpoint.intend([an_intent()])
        checkpoint.settle("1/sale/1", IntentState.DONE, at=NOW + DAY, result="sale-1")

        history = checkpoint.history(1)

        assert [(i.state, i.detail, i.result, i.settled_at) for i in history] == [
            (IntentState.REFUSED, "closed register", "", NOW + MINUTE),
            (IntentState.DONE, "", "sale-1", NOW + DAY),
        ]
        assert checkpoint.open_intents() == []

    def test_an_order_refused_again_and_again_leaves_one_intent_for_each_refusal(self, checkpoint):
        """An order that waits for a closed register is tried with every run."""
        for minutes, detail in enumerate(["closed", "closed", "no such tax", "closed"]):
            checkpoint.intend([an_intent()])
            checkpoint.settle("1/sale/1", IntentState.REFUSED, at=NOW + minutes * MINUTE, detail=detail)

        assert [(one.detail, one.settled_at) for one in checkpoint.history(1)] == [
            ("no such tax", NOW + 2 * MINUTE),
            ("closed", NOW + 3 * MINUTE),
        ]

    def test_what_becomes_of_one_write_of_an_order_leaves_its_others_alone(self, checkpoint):
        for key, state in (("1/sale/1", IntentState.REFUSED), ("1/void", IntentState.REFUSED), ("2", IntentState.DONE)):
            checkpoint.intend([an_intent(key)])
            checkpoint.settle(key, state, at=NOW, detail="not sent")

        assert [one.key for one in checkpoint.history(1)] == ["1/sale/1", "1/void", "2"]

    def test_what_is_unsettled_is_found_without_reading_what_is_settled(self, checkpoint):
        checkpoint.intend([an_intent(f"{number}") for number in range(2_000)])
        checkpoint.settle_many([Settlement(key=f"{number}", state=IntentState.DONE) for number in range(2_000)], at=NOW)
        thousands = []
        checkpoint._db.conn.set_progress_handler(lambda: thousands.append(1), 1_000)

        assert checkpoint.open_intents() == []
        assert thousands == []

    def test_an_unknown_outcome_is_looked_up_again_and_settled_later(self, checkpoint):
        checkpoint.intend([an_intent()])
        checkpoint.settle("1/sale/1", IntentState.UNKNOWN, at=NOW, detail="timed out")

        (unknown,) = checkpoint.open_intents()

        assert (unknown.state, unknown.detail, unknown.settled_at) == (IntentState.UNKNOWN, "timed out", None)
        checkpoint.settle("1/sale/1", IntentState.DONE, at=NOW)
        assert checkpoint.open_intents() == []

    def test_tries_are_counted(self, checkpoint):
        checkpoint.intend([an_intent()])

        assert [checkpoint.tried("1/sale/1"), checkpoint.tried("1/sale/1")] == [1, 2]
        assert checkpoint.open_intents()[0].tries == 2

    def test_many_are_settled_together_or_none(self, checkpoint):
        checkpoint.intend([an_intent("a"), an_intent("b")])

        with pytest.raises(LookupError, match="'c'"):
            checkpoint.settle_many([Settlement(key=key, state=IntentState.DONE) for key in "abc"], at=NOW)

        assert len(checkpoint.open_intents()) == 2

    def test_what_was_not_begun_cannot_be_tried_or_settled(self, checkpoint):
        with pytest.raises(LookupError):
            checkpoint.tried("a")
        with pytest.raises(LookupError):
            checkpoint.settle("a", IntentState.DONE, at=NOW)

    def test_open_is_no_outcome_and_an_outcome_no_beginning(self, checkpoint):
        with pytest.raises(ValueError, match="as open"):
            checkpoint.settle("a", IntentState.OPEN, at=NOW)
        with pytest.raises(ValueError, match="before it was begun"):
            checkpoint.intend([an_intent(state=IntentState.DONE)])

    def test_pruning_blanks_what_is_old_and_closed(self, checkpoint):
        checkpoint.intend([an_intent(key, body={"a": 1}) for key in ("old", "new", "open")])
        checkpoint.settle("old", IntentState.DONE, at=NOW - DAY)
        checkpoint.settle("new", IntentState.DONE, at=NOW)
        for order_id in (7, 8, 9):
            set_aside(checkpoint, rejected(order_id), now=NOW - 2 * DAY)
        checkpoint.solve([7], NOW - DAY)
        checkpoint.solve([8], NOW)

        assert [checkpoint.prune(NOW), checkpoint.prune(NOW)] == [2, 0]

        assert [bool(intent.body) for intent in checkpoint.history(1)] == [False, True, True]
        assert [bool(item.payload) for item in checkpoint.review_items(tuple(ReviewState))] == [False, True, True]


class TestReview:
    def test_no_table_is_gone_through_for_what_a_run_asks(self, checkpoint: Checkpoint) -> None:
        asked: list[str] = []
        checkpoint._db.conn.set_trace_callback(asked.append)
        set_aside(checkpoint, rejected(7))
        checkpoint.unpaid()
        checkpoint.due(NOW)
        checkpoint.open_intents()
        checkpoint.review_counts()
        checkpoint.ledger_counts()
        checkpoint._db.conn.set_trace_callback(None)

        plans = [row["detail"] for sql in asked for row in checkpoint._rows(f"EXPLAIN QUERY PLAN {sql}")]
        assert any("SEARCH review USING INDEX one_item_per_order" in plan for plan in plans)
        assert [plan for plan in plans if plan in ("SCAN ledger", "SCAN intents", "SCAN review")] == []

    def test_the_room_of_what_was_pruned_is_used_again(self, checkpoint: Checkpoint, path: Path) -> None:
        def write(first: int) -> int:
            keys = [f"sale:{number}" for number in range(first, first + 200)]
            with checkpoint.atomic():
                checkpoint.intend(an_intent(key, body={"request": "x" * 2500}) for key in keys)
                checkpoint.settle_many((Settlement(key=key, state=IntentState.DONE) for key in keys), at=NOW)
            checkpoint.prune(NOW + timedelta(days=1))
            return checkpoint._rows("PRAGMA page_count")[0][0]

        once, twice = write(0), write(200)

        assert twice < once * 1.3
        assert [(one.key, one.body) for one in checkpoint.history(1)][::399] == [("sale:0", {}), ("sale:399", {})]

    def test_an_item_comes_back_as_it_was(self, checkpoint):
        run = checkpoint.begin_run("run", NOW)

        checkpoint.set_aside(rejected(), {"id": 7, "x": Decimal("1.10")}, fingerprint="f1", now=NOW, run_id=run)

        (item,) = checkpoint.review_items()
        assert (item.order_id, item.reason, item.field, item.detail) == (7, Reason.POS_REFUSED, "lines", "no")
        assert (item.payload, item.fingerprint, item.run_id) == ({"id": 7, "x": "1.10"}, "f1", run)
        assert (item.first_at, item.last_at, item.tries, item.state) == (NOW, NOW, 0, ReviewState.OPEN)
        assert item.hint == REASONS[Reason.POS_REFUSED].hint
        assert checkpoint.review_item(item.id) == checkpoint.review_item_of(7) == item

    def test_only_what_was_not_known_is_news(self, checkpoint):
        other = rejected(reason=Reason.AMBIGUOUS_PRODUCT)

        news = [set_aside(checkpoint, what) for what in (rejected(), rejected(), other, other)]

        assert news == [True, False, True, False]
        assert len(checkpoint.review_items()) == 1

    def test_tries_count_up_until_reason_or_order_change(self, checkpoint):
        def fail(what: Rejected, fingerprint: str) -> int:
            set_aside(checkpoint, what, fingerprint=fingerprint, now=NOW + DAY)
            return checkpoint.review_item_of(7).tries

        other = rejected(reason=Reason.AMBIGUOUS_PRODUCT)

        tries = [fail(*again) for again in ((rejected(), "a"), (rejected(), "a"), (rejected(), "b"), (other, "b"))]

        assert tries == [0, 1, 0, 0]

    def test_tries_grow_apart_up_to_a_day(self):
        distances = [next_try(Reason.POS_REFUSED, tries, NOW) - NOW for tries in (0, 1, 2, 3, 4, 5, 10_000)]

        assert distances == [n * MINUTE for n in (5, 20, 80, 320, 1280)] + [DAY, DAY]

    @pytest.mark.parametrize("reason", Reason)
    def test_what_cannot_pass_by_itself_is_not_tried_by_itself(self, checkpoint, reason):
        set_aside(checkpoint, rejected(reason=reason))

        assert bool(checkpoint.due(NOW + DAY)) is REASONS[reason].may_pass

    def test_due_is_what_is_open_and_whose_time_has_come(self, checkpoint):
        set_aside(checkpoint, rejected(1), now=NOW)
        set_aside(checkpoint, rejected(2), now=NOW - MINUTE)
        set_aside(checkpoint, rejected(3), now=NOW)
        checkpoint.solve([3], NOW)

        assert [item.order_id for item in checkpoint.due(NOW + 4 * MINUTE)] == [2]
        assert [item.order_id for item in checkpoint.due(NOW + 5 * MINUTE)] == [2, 1]

    def test_an_item_that_was_set_aside_by_a_clock_far_ahead_does_not_wait_for_it(self, checkpoint):
        set_aside(checkpoint, rejected(1), now=NOW + 365 * DAY)

        assert [item.order_id for item in checkpoint.due(NOW)] == [1]

    def test_a_person_can_ask_for_a_try_of_some_or_of_all(self, checkpoint):
        for order_id in (1, 2, 3):
            set_aside(checkpoint, rejected(order_id, reason=Reason.FOREIGN_CURRENCY))
        first, second, third = checkpoint.review_items()
        checkpoint.dismiss(third.id, "entered by hand", NOW)

        assert checkpoint.retry([first.id, 999], NOW) == 1
        assert [item.order_id for item in checkpoint.due(NOW)] == [1]
        assert checkpoint.retry(None, NOW) == 2
        assert checkpoint.retry([second.id, third.id], NOW) == 2
        assert [item.order_id for item in checkpoint.due(NOW)] == [1, 2, 3]

    def test_what_was_solved_is_closed_and_opens_again_as_news(self, checkpoint):
        set_aside(checkpoint, rejected())

        assert [checkpoint.solve([7, 8], NOW), checkpoint.solve([7], NOW)] == [1, 0]
        assert checkpoint.retry([checkpoint.review_item_of(7).id], NOW) == 0
        assert checkpoint.review_items() == []
        assert set_aside(checkpoint, rejected(), now=NOW + DAY)
        assert checkpoint.review_item_of(7).first_at == NOW + DAY

    def test_what_was_dismissed_stays_so_until_the_order_changes(self, checkpoint):
        set_aside(checkpoint, rejected())
        item = checkpoint.review_item_of(7)

        assert checkpoint.dismiss(item.id, "a test order", NOW)
        assert not checkpoint.dismiss(item.id, "twice", NOW)
        assert not set_aside(checkpoint, rejected(reason=Reason.EDITED))
        assert checkpoint.review_items(["dismissed"])[0].note == "a test order"
        assert set_aside(checkpoint, rejected(), fingerprint="f2")
        assert checkpoint.review_item(item.id).state is ReviewState.OPEN

    def test_unreadable_orders_are_told_apart_by_fingerprint(self, checkpoint):
        unreadable = rejected(0, reason=Reason.MISSING_MEMBER)

        news = [set_aside(checkpoint, unreadable, fingerprint=fingerprint) for fingerprint in ("a", "b", "a")]

        assert news == [True, True, False]
        assert len(checkpoint.review_items()) == 2
        assert checkpoint.solve([0], NOW) == 0
        assert checkpoint.review_item_of(0) is None

    def test_open_items_are_counted_by_reason(self, checkpoint):
        for order_id in (1, 2, 3):
            set_aside(checkpoint, rejected(order_id))
        set_aside(checkpoint, rejected(4, reason=Reason.EDITED))
        checkpoint.solve([3], NOW)

        assert checkpoint.review_counts() == {Reason.POS_REFUSED: 2, Reason.EDITED: 1}

    def test_an_item_that_is_not_there_is_none(self, checkpoint):
        assert checkpoint.review_item(1) is None
        assert checkpoint.review_item_of(1) is None


class TestRefunds:
    def row(self, number: int = 31, order: int = 7, **changes: Any) -> RefundRow:
        members: dict[str, Any] = {"content": "c1", "payload": {"id": number}, "created_at": NOW, "written_at": NOW}
        return RefundRow(refund_id=number, order_id=order, **members | changes)

    def test_a_refund_is_kept_as_it_was_told(self, checkpoint: Checkpoint) -> None:
        checkpoint.keep_refunds([self.row(), self.row(32, 8, created_at=None)])
        assert checkpoint.refunds([31, 99]) == {31: self.row()}
        assert [row.refund_id for row in checkpoint.refunds_of([7, 8])] == [31, 32]
        assert checkpoint.orders_with_due_refunds() == [7, 8]

    def test_what_was_booked_is_not_lost_when_it_is_told_again(self, checkpoint: Checkpoint) -> None:
        checkpoint.keep_refunds([self.row()])
        done = BookedRefund(
            refund_id=31, sale_id="s", total=Decimal("1.00"), units={5: 2}, outlet_id="o", to_take_out={"p": 2}
        )
        checkpoint.book_refunds([done], NOW)
        checkpoint.looked_at_refunds([7])
        changed = told_again(checkpoint.refunds([31])[31], self.row(content="c2"))
        assert changed is not None
        checkpoint.keep_refunds([changed])
        (row,) = checkpoint.refunds_of([7])
        assert (row.state, row.is_due, row.sale_id, row.total) == (RefundState.CHANGED, True, "s", Decimal("1.00"))
        assert (dict(row.units), row.outlet_id, dict(row.to_take_out)) == ({5: 2}, "o", {"p": 2})

    @pytest.mark.parametrize(
        ("known", "then"),
        [
            (RefundState.WAITING, RefundState.WAITING),
            (RefundState.DECLINED, RefundState.WAITING),
            (RefundState.LEFT, RefundState.WAITING),
            (RefundState.BOOKED, RefundState.CHANGED),
            (RefundState.CHANGED, RefundState.CHANGED),
        ],
    )
    def test_another_word_of_the_store_counts_anew(self, known: RefundState, then: RefundState) -> None:
        before = self.row(state=known, is_due=False)
        assert told_again(before, self.row()) is None
        after = told_again(before, self.row(content="c2"))
        assert after is not None
        assert (after.state, after.is_due, after.content) == (then, True, "c2")

    def test_two_refunds_cannot_have_one_sale(self, checkpoint: Checkpoint) -> None:
        checkpoint.keep_refunds([self.row(), self.row(32)])
        same = [BookedRefund(refund_id=number, sale_id="s", total=Decimal(1)) for number in (31, 32)]
        with pytest.raises(sqlite3.IntegrityError):
            checkpoint.book_refunds(same, NOW)
        assert [row.state for row in checkpoint.refunds_of([7])] == [RefundState.WAITING] * 2

    def test_the_cursor_of_refunds_only_goes_forward(self, checkpoint: Checkpoint) -> None:
        checkpoint.begin_refunds(NOW)
        assert (checkpoint.refunds_start(), checkpoint.refunds_cursor()) == (NOW, NOW)
        assert checkpoint.move_refunds_cursor(NOW + timedelta(hours=1))
        assert not checkpoint.move_refunds_cursor(NOW)
        with pytest.raises(ValueError, match="not a mark"):
            checkpoint.set_mark("refunds cursor", NOW)
        checkpoint.end_refunds()
        assert (checkpoint.refunds_start(), checkpoint.refunds_cursor()) == (None, None)

    def test_only_what_is_done_is_blanked(self, checkpoint: Checkpoint) -> None:
        checkpoint.keep_refunds([self.row(number) for number in (31, 32, 33)])
        checkpoint.decline_refunds([32])
        checkpoint.book_refunds([BookedRefund(refund_id=33, sale_id="s", total=Decimal(1), to_take_out={"p": 1})], NOW)
        assert checkpoint.prune(NOW + timedelta(days=1)) == 1
        checkpoint.take_out(33, {})
        assert checkpoint.prune(NOW + timedelta(days=1)) == 1
        assert [row.payload for row in checkpoint.refunds_of([7])] == [{"id": 31}, {}, {}]


class TestBackfills:
    def test_one_of_the_same_window_goes_on_and_another_window_has_its_own_position(self, checkpoint):
        first = checkpoint.begin_backfill(None, NOW, moves_stock=False, now=NOW)
        checkpoint.move_backfill(first.id, 700)

        again = checkpoint.begin_backfill(None, NOW, moves_stock=False, now=NOW + DAY)
        others = [
            checkpoint.begin_backfill(NOW, None, moves_stock=False, now=NOW),
            checkpoint.begin_backfill(None, NOW, moves_stock=True, now=NOW),
        ]

        assert again == replace(first, position=700)
        assert [one.position for one in others] == [0, 0]
        assert checkpoint.backfills() == [again, *others]

    def test_one_that_has_ended_begins_anew(self, checkpoint):
        first = checkpoint.begin_backfill(None, None, moves_stock=False, now=NOW)
        checkpoint.move_backfill(first.id, 700)
        checkpoint.end_backfill(first.id, NOW + DAY)

        again = checkpoint.begin_backfill(None, None, moves_stock=False, now=NOW + DAY)

        assert (again.id, again.position) != (first.id, 700)
        assert checkpoint.backfills()[0].ended_at == NOW + DAY

    def test_the_position_never_moves_back(self, checkpoint):
        backfill = checkpoint.begin_backfill(None, None, moves_stock=False, now=NOW)
        checkpoint.move_backfill(backfill.id, 700)
        checkpoint.move_backfill(backfill.id, 250)

        assert checkpoint.backfills()[0].position == 700

    def test_an_order_is_kept_as_it_was_written_last(self, checkpoint):
        backfill = checkpoint.begin_backfill(None, None, moves_stock=False, now=NOW)
        pending, done = (
            BackfilledOrder(order_id=7, backfill_id=backfill.id, revision=at, is_neutral=True, is_pending=not at)
            for at in (0, 1)
        )

        checkpoint.keep_backfilled([pending])
        assert checkpoint.pending_backfilled([7, 8]) == {7: pending}
        checkpoint.keep_backfilled([done])

        assert checkpoint.pending_backfilled([7]) == {}
        assert checkpoint.backfilled_after(0, 10) == [done]
        assert checkpoint.backfilled_after(7, 10) == []

        checkpoint.forget_backfilled([7])
        assert checkpoint.backfilled_after(0, 10) == []

    def test_what_is_owed_adds_up_by_product_and_outlet_until_it_is_nothing(self, checkpoint):
        cup, at_other = owed("cup", 3), owed("cup", 1, outlet="o2")
        checkpoint.owe_stock([cup, cup, owed("pot", -2), at_other, owed("pan", 0)])

        assert checkpoint.stock_owed(10) == [owed("cup", 6), owed("pot", -2), at_other]

        checkpoint.owe_stock([owed("cup", -6), owed("pot", 2)])
        assert checkpoint.stock_owed(10) == [at_other]

    def test_an_undone_refund_waits_for_being_told_again(self, checkpoint):
        told = TestRefunds().row()
        checkpoint.keep_refunds([told])
        checkpoint.book_refunds([BookedRefund(refund_id=31, sale_id="s31", total=Decimal(5), units={1: 1})], NOW)

        checkpoint.undo_refunds([31])

        (row,) = checkpoint.refunds_of([told.order_id])
        assert (row.state, row.is_due, row.sale_id, row.total, row.units) == ("waiting", False, "", None, {})
        assert row.undone == 1
        assert told_again(row, told) is not None


def owed(product: str, units: int, outlet: str = "o1") -> StockOwed:
    return StockOwed(outlet_id=outlet, product_id=product, units=units)


class TestReferences:
    def test_products_are_found_by_any_code_in_any_case(self, checkpoint):
        checkpoint.save_products([a_product("p1", " Mug-1 ", "4006381333931", "")], 5)

        assert checkpoint.product_ids(["mug-1", "4006381333931", "other"]) == {
            "mug-1": ("p1",),
            "4006381333931": ("p1",),
        }
        assert checkpoint.feed_version("products") == 5

    def test_several_products_under_one_code_are_all_reported(self, checkpoint):
        checkpoint.save_products([a_product("p2", "MUG"), a_product("p1", "mug")], 5)

        assert checkpoint.product_ids(["mug"]) == {"mug": ("p1", "p2")}

    def test_an_inactive_product_counts_only_without_an_active_one(self, checkpoint):
        checkpoint.save_products([a_product("p1", "a", "b", is_active=False), a_product("p2", "a")], 5)

        assert checkpoint.product_ids(["a", "b"]) == {"a": ("p2",), "b": ("p1",)}

    def test_the_feed_takes_away_codes_and_products(self, checkpoint):
        checkpoint.save_products([a_product("p1", "a"), a_product("p2", "c")], 5)
        checkpoint.save_products([a_product("p1", "b"), a_product("p2", "c", is_deleted=True)], 9)

        assert checkpoint.product_ids(["a", "b", "c"]) == {"b": ("p1",)}
        assert checkpoint._rows("SELECT * FROM product_codes WHERE product_id = 'p2'") == []

    def test_a_product_just_created_is_known_before_the_feed_tells(self, checkpoint):
        checkpoint.link_product("bc-shipping", "p1", "Shipping", tracks_stock=False)
        checkpoint.save_products([a_product("p2", "mug")], 5)

        assert checkpoint.product_ids(["bc-shipping"]) == {"bc-shipping": ("p1",)}
        assert checkpoint.stock_tracked(["p1", "p2", "p3"]) == {"p2"}

    def test_customers_are_linked_by_key(self, checkpoint):
        checkpoint.link_customers({"customer:1": "c1", "email:a@b.c": "c1"}, NOW)
        checkpoint.link_customers([("customer:1", "c2")], NOW)

        assert checkpoint.customer_ids(["customer:1", "email:a@b.c", "customer:9"]) == {
            "customer:1": "c2",
            "email:a@b.c": "c1",
        }

    def test_a_customer_is_forgotten_under_every_key_that_was_linked_before(self, checkpoint):
        checkpoint.link_customers({"customer:1": "c1", "email:a@b.c": "c1", "customer:2": "c2"}, NOW)
        checkpoint.link_customers({"email:new@b.c": "c1"}, NOW + DAY)

        assert checkpoint.forget_customer("c1", linked_before=NOW + DAY)
        assert not checkpoint.forget_customer("c9", linked_before=NOW + DAY)

        left = checkpoint.customer_ids(["customer:1", "email:a@b.c", "customer:2", "email:new@b.c"])
        assert left == {"customer:2": "c2", "email:new@b.c": "c1"}

    def test_answers_are_kept_until_they_are_forgotten(self, checkpoint):
        checkpoint.cache("taxes", [], NOW)
        checkpoint.cache("taxes", [{"rate": Decimal("0.150")}], NOW + DAY)

        assert checkpoint.cached("taxes") == ([{"rate": "0.150"}], NOW + DAY)
        checkpoint.forget_cached()
        assert checkpoint.cached("taxes") is None


class TestRuns:
    def test_a_run_that_has_not_ended_has_no_outcome(self, checkpoint):
        run_id = checkpoint.begin_run("backfill", NOW)

        (run,) = checkpoint.last_runs(10)

        assert (run.id, run.kind, run.begun_at, run.ended_at, run.outcome) == (run_id, "backfill", NOW, None, None)
        assert checkpoint.last_success() is None

    def test_the_last_success_is_the_last_run_that_got_through(self, checkpoint):
        for outcome in (RunOutcome.DONE, RunOutcome.SET_ASIDE, RunOutcome.STOPPED, RunOutcome.FAILED):
            run_id = checkpoint.begin_run(POLL, NOW)
            checkpoint.end_run(run_id, NOW + MINUTE, outcome, {"orders": 3}, "as it went")
        # A run that was told what to look at says nothing of all the others.
        checkpoint.end_run(checkpoint.begin_run("orders", NOW), NOW + DAY, RunOutcome.DONE, {})

        success = checkpoint.last_success()

        assert (success.outcome, success.ended_at) == (RunOutcome.SET_ASIDE, NOW + MINUTE)
        assert (success.counts, success.message) == ({"orders": 3}, "as it went")
        assert [run.outcome for run in checkpoint.last_passes(2)] == [RunOutcome.FAILED, RunOutcome.STOPPED]

    def test_a_run_that_never_began_cannot_end(self, checkpoint):
        with pytest.raises(LookupError, match="no run 5"):
            checkpoint.end_run(5, NOW, RunOutcome.DONE, {})
