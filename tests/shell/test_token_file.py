"""The file with the POS's tokens: whole or not at all, for its owner alone, and changed by one process at a time."""

import errno
import fcntl
import json
import logging
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from shop import Time

from bcpoll.adapters.token_file import TokenFile, TokenPair
from bcpoll.errors import AccessRefused, RetryLater, TokenFileError
from bcpoll.lock import lock_path, turn

OLD = TokenPair(
    domain_prefix="myshop",
    client_id="client",
    access_token="access-old",
    refresh_token="refresh-old",
    issued_at=datetime(2026, 11, 20, 9, tzinfo=UTC),
    expires_at=datetime(2026, 11, 21, 9, tzinfo=UTC),
    scope="sales:read sales:write",
)
NEW = replace(OLD, access_token="access-new", refresh_token="refresh-new", expires_at=None)


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    """A file with a pair in it."""
    file = TokenFile(tmp_path / "bcpoll.db", clock=Time().clock)
    write(file, OLD)
    return file


def write(file: TokenFile, pair: TokenPair) -> None:
    with file.turn(), file.replacing() as put:
        put(pair)


def coming(file: TokenFile) -> Path:
    return file.path.with_name(f"{file.path.name}.new")


def test_a_pair_comes_back_as_it_was_written(file: TokenFile) -> None:
    assert file.read() == OLD

    write(file, NEW)

    assert file.read() == NEW


def test_it_lies_beside_the_checkpoint_for_its_owner_alone(file: TokenFile, tmp_path: Path) -> None:
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bcpoll.db.oauth.json",
        "bcpoll.db.oauth.json.lock",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_it_stays_its_owners_whatever_a_leftover_was(file: TokenFile) -> None:
    coming(file).touch(mode=0o644)

    write(file, NEW)

    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_checkpoint_has_one_file_by_whatever_link_it_is_named(file: TokenFile, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "bcpoll.db")

    assert TokenFile(tmp_path / "link.db", clock=Time().clock).read() == OLD


def test_no_token_is_shown_by_a_pair() -> None:
    assert "old" not in repr(OLD)


def test_without_a_file_somebody_has_to_log_in(tmp_path: Path) -> None:
    with pytest.raises(AccessRefused, match=r"not connected yet: there is no .*bcpoll\.db\.oauth\.json") as raised:
        TokenFile(tmp_path / "bcpoll.db", clock=Time().clock).read()

    assert "bcpoll login" in raised.value.hint


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without(member: str) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps(
        {key: value for key, value in json.loads(content).items() if key != member}
    ).encode()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "zeroed": lambda content: b"\0" * len(content),
    "cut": cut,
    "not text": lambda content: b"\xff\xfe" + content,
    "a list": lambda content: b"[]",
    "without an access token": without("access_token"),
    "without a time": without("issued_at"),
    "an empty access token": lambda content: content.replace(b"access-old", b""),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_said_and_a_login_mends_it(file: TokenFile, damage: Callable[[bytes], bytes]) -> None:
    file.path.write_bytes(damage(file.path.read_bytes()))

    with pytest.raises(AccessRefused, match="is damaged") as raised:
        file.read()
    assert "bcpoll login" in raised.value.hint
    write(file, NEW)

    assert file.read() == NEW


def test_a_file_that_others_can_read_is_remarked_on(file: TokenFile, caplog: pytest.LogCaptureFixture) -> None:
    file.path.chmod(0o640)

    file.read()

    assert [record.getMessage() for record in caplog.records] == [
        f"{file.path} can be read by others; run: chmod 600 {file.path}"
    ]


def test_a_folder_in_its_place_is_said(file: TokenFile) -> None:
    file.path.unlink()
    file.path.mkdir()

    with pytest.raises(TokenFileError, match="cannot be read: Is a directory") as raised:
        file.read()
    with pytest.raises(TokenFileError, match="cannot be written"):
        write(file, NEW)

    assert raised.value.exit_code == 74


def test_a_file_of_another_user_is_said(file: TokenFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)

    with pytest.raises(TokenFileError, match="Permission denied") as raised:
        file.read()

    assert "as the user that runs bcpoll" in raised.value.hint


# --- a pair on its way -----------------------------------------------------------------------------------------------


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["open", "pwrite", "fsync"])
def test_a_full_disk_shows_before_a_new_pair_is_asked_for(
    file: TokenFile, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    with file.turn():
        monkeypatch.setattr(os, call, full)
        with pytest.raises(TokenFileError, match="cannot be written: No space left on device"), file.replacing():
            raise AssertionError("asked for")
    monkeypatch.undo()

    assert file.read() == OLD
    assert not coming(file).exists() or call == "open"


def test_a_pair_that_does_not_come_leaves_the_old_one_and_nothing_else(file: TokenFile, tmp_path: Path) -> None:
    with pytest.raises(RetryLater), file.turn(), file.replacing():
        raise RetryLater("no answer")

    assert file.read() == OLD
    assert not coming(file).exists()


def test_there_is_room_for_the_pair_before_it_comes(file: TokenFile) -> None:
    with file.turn(), file.replacing() as put:
        assert coming(file).stat().st_size > 10 * file.path.stat().st_size
        put(NEW)
        assert json.loads(file.path.read_text())["access_token"] == "access-new"
        assert not coming(file).exists()


@pytest.mark.parametrize("behind", [b"", b"\0" * 1000], ids=["cut to its length", "with the room behind it"])
def test_a_pair_that_was_written_but_not_renamed_counts(file: TokenFile, behind: bytes) -> None:
    old = file.path.read_bytes()
    write(file, NEW)
    coming(file).write_bytes(file.path.read_bytes() + behind)
    file.path.write_bytes(old)

    assert file.read() == NEW
    assert not coming(file).exists()


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b'{"domain_prefix": "mysh\0\0'])
def test_what_a_killed_process_left_before_it_had_a_pair_does_not_count(file: TokenFile, content: bytes) -> None:
    coming(file).write_bytes(content)

    assert file.read() == OLD

    write(file, NEW)
    assert file.read() == NEW


def test_a_reader_waits_for_a_pair_that_is_on_its_way(file: TokenFile) -> None:
    is_waiting, found = threading.Event(), []
    clock = replace(Time().clock, monotonic=lambda: 0.0, sleep=lambda seconds: is_waiting.set())
    reader = threading.Thread(
        target=lambda: found.append(TokenFile(file.path.parent / "bcpoll.db", clock=clock).read())
    )
    with file.turn(), file.replacing() as put:
        reader.start()
        assert is_waiting.wait(10)
        put(NEW)
    reader.join(10)

    assert found == [NEW]


def test_who_has_waited_for_minutes_gives_up_until_later(file: TokenFile) -> None:
    time = Time()
    before = time.at

    with (
        turn(file.path, clock=time.clock, patience=1),
        pytest.raises(RetryLater, match=r"has held .*oauth\.json\.lock for 180 seconds"),
        TokenFile(file.path.parent / "bcpoll.db", clock=time.clock).turn(),
    ):
        pass

    assert 180 <= (time.at - before).total_seconds() < 181


def test_a_lock_that_was_waited_for_is_held(file: TokenFile) -> None:
    """The first holder lets go while the second sleeps; then a third has to wait."""
    first = os.open(lock_path(file.path), os.O_RDWR)
    fcntl.flock(first, fcntl.LOCK_EX)
    time = Time()
    lets_go = replace(time.clock, sleep=lambda seconds: os.close(first))

    with (
        turn(file.path, clock=lets_go, patience=10),
        pytest.raises(RetryLater),
        turn(file.path, clock=time.clock, patience=0.2),
    ):
        pass


def test_reading_logs_no_token(file: TokenFile, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    file.path.chmod(0o666)

    file.read()

    assert "old" not in caplog.text
