"""The SQLite file itself: opening, checking and creating it, transactions, and errors in words people can act on.

The only module that imports sqlite-utils. It knows that there are numbered steps, but no table beyond `shop`, the row
by which it tells a checkpoint from something else.
"""

import glob
import os
import secrets
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from sqlite_utils import Database

from bcpoll.checkpoint import schema
from bcpoll.checkpoint.columns import time_text
from bcpoll.errors import CheckpointError

T = TypeVar("T")
Row: TypeAlias = sqlite3.Row

# STRICT tables came with 3.37, `json_each` in every build with 3.38.
_OLDEST_SQLITE = (3, 38, 0)

# How long to wait for another program that writes: longer than any transaction of ours, shorter than anyone's patience.
_BUSY_SECONDS = 5

# The checkpoint holds names and addresses of customers: nobody but its owner may read it. SQLite gives the files beside
# it (`-wal`, `-shm`) the same mode.
_MODE = 0o600
_MEGABYTE = 10**6
_FOR_OTHERS = 0o077

_MAKE_ANEW = (
    "Restore it from a backup, or make it anew from the POS (bcpoll rebuild). Either way move it away first, together"
    " with the -wal and -shm files beside it."
)
_GIVE_ACCESS = (
    "Let the user that runs bcpoll write to the folder, and to the files in it that begin with the checkpoint's name."
)
_MAKE_ROOM = (
    "See whether the disk is full (df -h) or files are limited in size (ulimit -f), then run again: nothing is half"
    " written."
)
_UNWRITABLE = ("cannot be written", _MAKE_ROOM)

# What an SQLite result code means for the person who reads the message, and what to do about it. An extended code says
# more than the kind of error that it belongs to, and is looked for first.
_MEANINGS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        sqlite3.SQLITE_NOTADB: ("is not an SQLite file", f"Check [checkpoint] path. If it is right: {_MAKE_ANEW}"),
        sqlite3.SQLITE_CORRUPT: ("is damaged", _MAKE_ANEW),
        sqlite3.SQLITE_FULL: (
            "cannot grow: the disk is full",
            "Free some space and run again: nothing is half written.",
        ),
        sqlite3.SQLITE_READONLY: ("cannot be written", _GIVE_ACCESS),
        sqlite3.SQLITE_PERM: ("cannot be opened", _GIVE_ACCESS),
        sqlite3.SQLITE_CANTOPEN: ("cannot be opened", _GIVE_ACCESS),
        sqlite3.SQLITE_IOERR: ("cannot be read or written", "Look at the disk and its free space, then run again."),
        sqlite3.SQLITE_IOERR_WRITE: _UNWRITABLE,
        sqlite3.SQLITE_IOERR_TRUNCATE: _UNWRITABLE,
        sqlite3.SQLITE_IOERR_SHMOPEN: _UNWRITABLE,
        sqlite3.SQLITE_IOERR_SHMSIZE: _UNWRITABLE,
        sqlite3.SQLITE_BUSY: ("is in use by another program", "Close what else writes to the file, then run again."),
    }
)

# The low byte of an SQLite result code is the kind of error, the rest says where it happened.
_KIND_OF_ERROR = 0xFF


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turn what SQLite says about the file into a CheckpointError.

    A broken constraint or a use from the wrong thread is a bug of ours and passes through as it is.
    """
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0)
        said, hint = _MEANINGS.get(code) or _MEANINGS.get(code & _KIND_OF_ERROR, ("cannot be used", _MAKE_ANEW))
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        raise CheckpointError(f"The checkpoint {path} {said} ({name}: {error})", hint=hint) from error


class CheckpointFile:
    """An open file with the current schema: what the parts of the checkpoint read and write through."""

    def __init__(self, db: Database, path: Path, *, was_left_open: bool = False) -> None:
        self._db = db
        self.path = path
        """The file, absolute and without symbolic links."""
        self.was_left_open = was_left_open
        """Whether its log was there already: whoever had it open was killed or lost its power, or is still at it."""

    @classmethod
    def open(cls, path: Path, *, now: datetime, create: bool = True) -> Self:
        """Open a checkpoint, and make one where there is none unless `create` is off.

        Raises CheckpointError, with the file untouched, if it is missing, empty, damaged, not ours or too new.
        """
        path = Path(os.path.realpath(path))
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise CheckpointError(
                f"SQLite {sqlite3.sqlite_version} is too old",
                hint="Run bcpoll with a Python that is built with SQLite 3.38 or newer.",
            )
        try:
            with _in_words(path):
                _check_place(path, create=create)
                if not path.exists():
                    _make(path, now)
                was_left_open = _log_beside(path).exists()
                return cls(_opened(path), path, was_left_open=was_left_open)
        except OSError as error:
            raise CheckpointError(
                f"The checkpoint {path} cannot be opened: {error.strerror}", hint=_GIVE_ACCESS
            ) from error

    @classmethod
    def in_memory(cls, now: datetime) -> Self:
        """Make a checkpoint that is gone when it is closed."""
        db = _prepared(sqlite3.connect(":memory:", isolation_level=None))
        _initialise(db, now)
        return cls(db, Path(":memory:"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was not committed is gone."""
        self._db.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should mend although the checkpoint works."""
        if not self.path.exists():
            return ()
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if not mode & _FOR_OTHERS:
            return ()
        return (
            f"Other users can open the checkpoint {self.path} (mode {mode:04o}), which holds customers' names and"
            f" addresses. Close it to them: chmod {_MODE:o} {self.path}",
        )

    def size(self) -> int:
        """How many bytes the checkpoint takes, with what SQLite keeps in the log beside it."""
        files = (self.path, _log_beside(self.path))
        return sum(file.stat().st_size for file in files if file.exists())

    def free(self) -> int:
        """How many bytes of the file hold nothing, as far as whole pages are concerned."""
        ((pages,),) = self._rows("PRAGMA freelist_count")
        ((size,),) = self._rows("PRAGMA page_size")
        return int(pages) * int(size)

    def vacuum(self) -> None:
        """Write the file anew without what is free in it; takes as much room again on the disk while it lasts.

        Raises CheckpointError if the disk has too little of it, or if another program writes.
        """
        needed, there = 2 * self.size(), shutil.disk_usage(self.path.parent).free
        if there < needed:
            raise CheckpointError(
                f"The disk of {self.path} has {there // _MEGABYTE} MB left, and to write the checkpoint anew takes"
                f" {needed // _MEGABYTE} MB",
                hint="Free some space first. Nothing is lost: what was forgotten is, and its room is used again.",
            )
        with _in_words(self.path):
            self._db.execute("VACUUM")
            # Else what was forgotten stays in the log until somebody writes over it.
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def backup(self, to: Path) -> int:
        """Write a whole copy under a name that is not taken, closed to other users, and give its size.

        It holds what is committed at one moment, whoever writes meanwhile. Raises CheckpointError where it cannot be
        written, or where the checkpoint is damaged: a copy of that would be no backup.
        """
        to = Path(os.path.realpath(to))
        try:
            with _in_words(self.path):
                _copy(self.path, to, _give_free_name)
        except FileExistsError:
            raise CheckpointError(f"{to} exists already", hint="Name a file that is not there yet.") from None
        except OSError as error:
            hint = "Name a file in a folder that is there and can be written."
            raise CheckpointError(f"The copy {to} cannot be written: {error.strerror}", hint=hint) from error
        return to.stat().st_size

    def old_copies(self) -> tuple[Path, ...]:
        """The copies that upgrades kept of the file as it was before, and what one left that was killed over it."""
        kept = f"{glob.escape(self.path.name)}.schema*.bak"
        return tuple(sorted(one for name in (kept, f".{kept}.*.new") for one in self.path.parent.glob(name)))

    def verify(self) -> None:
        """Read every page of the file and raise CheckpointError if any is damaged; takes seconds on a large file."""
        found = [text for (text,) in self._rows("PRAGMA integrity_check(3)")]
        if found != ["ok"]:
            raise CheckpointError(f"The checkpoint {self.path} is damaged: {'; '.join(found)}", hint=_MAKE_ANEW)

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Make the block one transaction, written as a whole or not at all; inside another it is a part of that.

        It takes the right to write at once, so that no other writer can slip in between what it reads and writes.
        """
        try:
            with _in_words(self.path), _transaction(self._db):
                yield
        except sqlite3.IntegrityError:
            # A bug of ours, unless the file is damaged: then its indexes may contradict its rows.
            self.verify()
            raise

    def _rows(self, sql: str, *parameters: object, **named: object) -> list[Row]:
        """Read all rows."""
        with _in_words(self.path):
            cursor = self._db.execute(sql, named or parameters)
            cursor.row_factory = sqlite3.Row
            return cursor.fetchall()

    def _read(self, make: Callable[[Row], T], sql: str, *parameters: object, **named: object) -> list[T]:
        """Read all rows, each turned into a record; a value that no version up to this one writes is damage."""
        try:
            return [make(row) for row in self._rows(sql, *parameters, **named)]
        except (ValueError, ArithmeticError, TypeError) as error:
            raise CheckpointError(
                f"The checkpoint {self.path} holds a value that this version of bcpoll cannot read: {error}",
                hint="Use the newest version of bcpoll. If that says the same, restore the file from a backup.",
            ) from error

    def _write(self, sql: str, *parameters: object, **named: object) -> int:
        """Carry out one statement and give the number of rows it changed."""
        with self.atomic():
            return self._db.execute(sql, named or parameters).rowcount

    def _write_many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> int:
        """Carry out one statement for many rows, prepared once, and give the number of rows it changed."""
        with self.atomic():
            return self._db.conn.executemany(sql, rows).rowcount


@contextmanager
def _transaction(db: Database) -> Iterator[None]:
    """One transaction, or a savepoint in the one under way. sqlite-utils alone would begin it without the lock."""
    if db.conn.in_transaction:
        with db.atomic():
            yield
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.commit()
    except BaseException:
        db.rollback()
        raise


def _log_beside(path: Path) -> Path:
    """Where SQLite keeps what is committed but not in the file yet; it is gone after the file was closed in order."""
    return path.with_name(path.name + "-wal")


def _check_place(path: Path, *, create: bool) -> None:
    """Raise CheckpointError if no checkpoint can be at `path`."""
    if not path.parent.is_dir():
        raise CheckpointError(
            f"The folder {path.parent} of the checkpoint does not exist",
            hint="Create it, or correct [checkpoint] path in the settings.",
        )
    if not path.exists():
        # SQLite would take the log of a lost file for that of the new one, and mix the two.
        if _log_beside(path).exists():
            raise CheckpointError(
                f"The checkpoint {path} is gone, but its log {_log_beside(path).name} is still there",
                hint=f"Put the file back beside it. If it is lost: {_MAKE_ANEW}",
            )
        if not create:
            raise CheckpointError(
                f"There is no checkpoint at {path}",
                hint="The first run makes it: bcpoll run-once. If there was one, correct [checkpoint] path.",
            )
        return
    if not path.is_file():
        raise CheckpointError(f"The checkpoint {path} is not a file", hint="Correct [checkpoint] path in the settings.")
    # An empty file is valid SQLite. But bcpoll never leaves one behind, so it is what is left of a full one: to go on
    # from it would be to forget the cursor without a word.
    if path.stat().st_size == 0:
        raise CheckpointError(
            f"The checkpoint {path} is empty: what it held is lost",
            hint=_MAKE_ANEW,
        )


def _opened(path: Path) -> Database:
    """Open an existing checkpoint and bring it to the current schema. Nothing is written before it is known as ours."""
    db = _connect(path)
    try:
        _check_ours(db, path)
        db.enable_wal()
        _migrate(db, before=lambda version: _copy(path, _old_copy(path, version), Path.replace))
    except BaseException:
        db.close()
        raise
    return db


def _connect(path: Path) -> Database:
    """Open an existing file; SQLite must never make one itself, with a mode of its own."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    return _prepared(connection)


def _prepared(connection: sqlite3.Connection) -> Database:
    """Set what SQLite does not keep in the file. FULL: a commit is on the disk before anything is sent after it."""
    db = Database(connection, execute_plugins=False, strict=True)
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _check_ours(db: Database, path: Path) -> None:
    """Raise CheckpointError unless this is a whole checkpoint of a version we know. Reads only."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    if application != schema.APPLICATION_ID:
        raise CheckpointError(
            f"The file {path} is not a checkpoint of bcpoll but a file of another program",
            hint="Correct [checkpoint] path in the settings.",
        )
    version = _version(db)
    if version > len(schema.STEPS):
        raise CheckpointError(
            f"The checkpoint {path} was written by a newer version of bcpoll"
            f" (schema {version}, this version knows {len(schema.STEPS)})",
            hint="Use the newer version, or restore a backup from before it.",
        )
    if version < 1 or db.execute("SELECT count(*) FROM shop").fetchone() != (1,):
        raise CheckpointError(f"The checkpoint {path} is damaged: it does not say whose it is", hint=_MAKE_ANEW)


def _version(db: Database) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _migrate(db: Database, *, before: Callable[[int], object] = lambda version: None) -> None:
    """Take the steps that the file lacks: all of them or, if one fails, none; `before` is called with its version."""
    if _version(db) == len(schema.STEPS):
        return
    with _transaction(db):
        # Asked again under the lock: another process may have been quicker.
        version = _version(db)
        if version == len(schema.STEPS):
            return
        before(version)
        for step in schema.STEPS[version:]:
            for statement in step:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(schema.STEPS)}")


def _old_copy(path: Path, version: int) -> Path:
    """Where a file of an older version is kept as it was: the way back, should the newer one disappoint."""
    return path.with_name(f"{path.name}.schema{version}.bak")


def _copy(path: Path, target: Path, give_name: Callable[[Path, Path], object]) -> None:
    """Copy what is committed of a checkpoint, through a connection of its own, and name the copy when it is whole."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}.new")
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE))
    try:
        with closing(_connect(path).conn) as source, closing(sqlite3.connect(draft, isolation_level=None)) as copy:
            source.backup(copy)
            # One file, without a log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
            found = [text for (text,) in copy.execute("PRAGMA integrity_check(3)")]
        if found != ["ok"]:
            raise CheckpointError(f"The checkpoint {path} is damaged: {'; '.join(found)}", hint=_MAKE_ANEW)
        give_name(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    _make_name_last(target.parent)


def _give_free_name(draft: Path, target: Path) -> None:
    """Give a draft a name that is not taken; raises FileExistsError where it is."""
    try:
        os.link(draft, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links, as on memory sticks.
        if target.exists():
            raise FileExistsError(target) from None
        draft.rename(target)


def _initialise(db: Database, now: datetime) -> None:
    """Make an empty database a checkpoint."""
    with _transaction(db):
        _migrate(db)
        db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        db.execute("INSERT INTO shop (only, made_at) VALUES (1, ?)", (time_text(now),))


def _make(path: Path, now: datetime) -> None:
    """Create a checkpoint beside its place and put it there when it is whole: a crash leaves a whole one or none."""
    # The name is not to be guessed, so that two processes never share a draft; a process killed here leaves it behind.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE))
    try:
        db = _connect(draft)
        try:
            # Nothing to roll back to: a draft that fails is thrown away.
            db.execute("PRAGMA journal_mode = MEMORY")
            _initialise(db, now)
        finally:
            db.close()
        _put_in_place(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _make_name_last(path.parent)


def _put_in_place(draft: Path, path: Path) -> None:
    """Give the draft its name, never over a file that another process made meanwhile."""
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    except OSError:
        # A file system without hard links, as on memory sticks; there the rename is as good as it gets.
        draft.rename(path)


def _make_name_last(folder: Path) -> None:
    """Have the folder's new entry on the disk, so that a power cut cannot take the file and leave what it led to."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
