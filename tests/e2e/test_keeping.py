"""`bcpoll prune`, `backup` and `forget`: keeping house with the checkpoint."""

import io
import os
import sqlite3
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from program import Desk

from bcpoll.checkpoint import Checkpoint
from bcpoll.cli.wiring import now
from bcpoll.lock import run_lock
from bcpoll.sandbox.drafts import Parcel, Shopper
from bcpoll.sandbox.refunds import Refund

pytestmark = pytest.mark.slow

BASIL = Shopper(first_name="Basil", last_name="Saucepan", email="Basil@example.com")
BASILS_COUSIN = Shopper(first_name="Thyme", last_name="Saucepan", email="not-basil@example.com")


@pytest.fixture
def kept(desk: Desk) -> Desk:
    """After a run, and another one that set an order aside."""
    desk.run("run-once")
    desk.order(currency="EUR")
    desk.run("run-once")
    return desk


def everything(path: Path) -> bytes:
    """All bytes that the checkpoint has on the disk."""
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*") if file.is_file())


# --- prune -----------------------------------------------------------------------------------------------------------


def test_prune_blanks_what_is_old_and_makes_the_file_smaller(kept: Desk) -> None:
    for _ in range(40):
        kept.order(message="x" * 3000)
    kept.run("run-once")
    before = kept.checkpoint.stat().st_size
    with Checkpoint.open(kept.checkpoint, now=now()) as checkpoint:
        checkpoint._write("UPDATE intents SET settled_at = '2020-01-01T00:00:00.000000Z'")

    said = kept.run("prune")

    assert said.code == 0
    assert said.out.startswith("Blanked ")
    assert kept.checkpoint.stat().st_size < before - 120_000
    assert len(kept.ledger()) == 44
    assert " unchanged (" in kept.run("run-once").out
    assert kept.run("--json", "review", "show", "1").json["payload"]["id"] == 103


def test_prune_leaves_what_is_young(kept: Desk) -> None:
    told = kept.run("--json", "prune").json

    assert (told["payloads"], told["runs"]) == (0, 0)


def test_prune_goes_by_the_age_it_is_told(kept: Desk) -> None:
    with Checkpoint.open(kept.checkpoint, now=now()) as checkpoint:
        checkpoint._write("UPDATE intents SET settled_at = ?", _ago(days=40))

    assert kept.run("--json", "prune", "--older-than", "60d").json["payloads"] == 0
    assert kept.run("--json", "prune", "--older-than", "30d").json["payloads"] > 0
    wrong = kept.run("prune", "--older-than", "a while")
    assert (wrong.code, "is not a length of time" in wrong.err) == (2, True)


def _ago(**span: float) -> str:
    return f"{now() - timedelta(**span):%Y-%m-%dT%H:%M:%S.%fZ}"


def test_prune_waits_for_no_pass(kept: Desk) -> None:
    with run_lock(kept.checkpoint, command="run-once", now=now()):
        said = kept.run("prune")

    assert (said.code, said.out) == (0, "")
    assert "Another run is under way" in said.err


def test_prune_on_a_disk_without_room_blanks_and_says_so(kept: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage())

    said = kept.run("prune", "--older-than", "1s")

    assert said.code == 74
    assert "Free some space first." in said.err
    assert kept.run("status").code == 0


class _Usage:
    free = 1000


# --- backup ----------------------------------------------------------------------------------------------------------


def test_a_backup_is_whole_closed_to_others_and_can_be_gone_back_to(kept: Desk) -> None:
    copy = kept.folder / "monday.db"
    umask = os.umask(0)
    try:
        said = kept.run("backup", str(copy))
    finally:
        os.umask(umask)
    assert (said.code, said.out.startswith(f"Copied to {copy} (")) == (0, True)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(one.name for one in kept.folder.iterdir() if "monday" in one.name) == ["monday.db"]
    ledger = kept.ledger()
    late = kept.order()
    kept.run("run-once")

    for file in kept.folder.glob("bcpoll.db*"):
        file.unlink()
    copy.rename(kept.checkpoint)

    assert dict(kept.ledger()) == dict(ledger) | {}
    assert kept.run("run-once").code == 0
    assert len(kept.pos().sales[str(late)]) == 1


def test_a_backup_holds_what_is_only_in_the_log_beside_the_file(kept: Desk) -> None:
    copy = kept.folder / "monday.db"
    with Checkpoint.open(kept.checkpoint, now=now()) as checkpoint:
        checkpoint.set_mark("a mark", now())
        kept.run("backup", str(copy))

    with Checkpoint.open(copy, now=now(), create=False) as opened:
        assert opened.mark("a mark") is not None


def test_a_backup_takes_the_place_of_nothing(kept: Desk) -> None:
    precious = kept.folder / "precious"
    precious.write_text("mine")
    lost = kept.folder / "link"
    lost.symlink_to(kept.folder / "nowhere")

    for target in (precious, lost, kept.folder):
        assert kept.run("backup", str(target)).code == 2
    with Checkpoint.open(kept.checkpoint, now=now()) as checkpoint, pytest.raises(Exception, match="exists already"):
        checkpoint.backup(precious)

    assert precious.read_text() == "mine"
    assert [one for one in kept.folder.iterdir() if one.name.endswith(".new")] == []


def test_a_backup_that_cannot_be_written_leaves_nothing(kept: Desk) -> None:
    said = kept.run("backup", str(kept.folder / "nowhere" / "monday.db"))

    assert said.code == 74
    assert "cannot be written: No such file or directory" in said.err


def test_a_damaged_checkpoint_makes_no_backup(kept: Desk) -> None:
    for _ in range(60):
        kept.order(message="x" * 2000)
    kept.run("run-once")
    pages = kept.checkpoint.read_bytes()
    hole = len(pages) * 3 // 4
    kept.checkpoint.write_bytes(pages[:hole] + b"\xff" * 8192 + pages[hole + 8192 :])

    said = kept.run("backup", str(kept.folder / "monday.db"))

    assert said.code == 74
    assert "is damaged" in said.err
    assert not (kept.folder / "monday.db").exists()


def test_a_backup_as_json(kept: Desk) -> None:
    copy = kept.folder / "monday.db"

    told = kept.run("--json", "backup", str(copy)).json

    assert told == {"backup": str(copy), "size_bytes": copy.stat().st_size}


# --- forget ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def known(desk: Desk) -> Desk:
    """Two people with nearly the same address: orders written, one set aside, one refunded."""
    desk.order(shopper=BASIL, message="Basil was here")
    desk.order(shopper=BASIL, currency="EUR")
    desk.order(shopper=BASILS_COUSIN, message="Thyme was here")
    desk.run("run-once")
    desk.world.store.refund(103, Refund(lines={0: 1}))
    desk.run("run-once")
    return desk


def test_forgetting_leaves_nothing_of_the_person_on_the_disk(known: Desk) -> None:
    assert b"Basil was here" in everything(known.checkpoint)

    said = known.run("forget", "basil@EXAMPLE.com", "--yes")

    assert said.code == 0
    assert said.out.startswith("Forgotten: basil@EXAMPLE.com, in 2 orders.\nWhat stays: the numbers, sums and times")
    left = everything(known.checkpoint)
    assert [word for word in (b"Basil", b"basil@example.com") if word in left.replace(b"not-basil@", b"")] == []
    assert b"Thyme was here" in left
    assert b"ada@example.com" in left


def test_after_forgetting_the_books_are_as_they_were(known: Desk) -> None:
    before = {order_id: row.applied for order_id, row in known.ledger().items()}

    known.run("forget", "basil@example.com", "--yes")

    assert {order_id: row.applied for order_id, row in known.ledger().items()} == before
    assert known.run("--json", "review", "list").json["review"][0]["order"] == 104
    assert known.run("review", "show", "1").code == 0
    assert known.run("show", "103").code == 0
    writes = known.writes()
    assert known.run("run-once").code == 0
    assert known.writes() == writes


def test_whoever_orders_again_is_found_in_the_pos_and_not_made_twice(known: Desk) -> None:
    known.run("forget", "basil@example.com", "--yes")
    known.order(shopper=BASIL)

    known.run("run-once")

    assert known.pos().customers["basil@example.com"] == 1


def test_forgetting_shows_what_there_is_and_asks(known: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    before = everything(known.checkpoint)

    said = known.run("forget", "basil@example.com")

    assert (said.code, said.err) == (0, "Nothing was forgotten.\n")
    assert "What there is of basil@example.com" in said.out
    assert "orders                                103, 104" in said.out
    assert b"Basil was here" in everything(known.checkpoint)
    assert len(before) > 0


def test_the_question_keeps_no_pass_waiting(known: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[str] = []

    def answer(_: str) -> str:
        held.append(known.checkpoint.with_name("bcpoll.db.lock").read_text())
        return "n"

    monkeypatch.setattr("click.termui.visible_prompt_func", answer)

    known.run("forget", "basil@example.com")

    assert held == [""]


def test_where_there_is_nobody_to_ask_nothing_is_forgotten(known: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())

    said = known.run("forget", "basil@example.com")

    assert said.code == 2
    assert "Nothing was forgotten, for there is nobody to ask. For scripts: --yes." in said.err
    assert b"Basil was here" in everything(known.checkpoint)


def test_of_a_stranger_there_is_nothing_to_forget(known: Desk) -> None:
    assert known.run("forget", "nobody@example.com").out == "The checkpoint holds nothing of nobody@example.com.\n"
    assert known.run("forget", "asil@example.com").out.startswith("The checkpoint holds nothing")
    assert known.run("forget", "%@example.com").out.startswith("The checkpoint holds nothing")


def test_forgetting_as_json(known: Desk) -> None:
    assert known.run("--json", "forget", "basil@example.com").code == 2

    told = known.run("--json", "forget", "basil@example.com", "--yes").json

    assert told["forgotten"]["orders"] == [103, 104]
    assert told["forgotten"]["set_aside"] == 1
    assert told["waiting"] == 0
    assert told["copies"] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["Basil"], "'Basil' is not an e-mail address. Write it as it stands on the orders; for a person without one"),
        ([], "Name the person by the e-mail address on the orders, or by --order and their numbers."),
        (["--order", "Basil"], "'Basil' is not the id of an order."),
    ],
    ids=["a name", "nothing", "no number"],
)
def test_what_names_nobody_is_refused(known: Desk, arguments: list[str], told: str) -> None:
    said = known.run("forget", *arguments)

    assert (said.code, told in " ".join(said.err.split())) == (2, True)


# --- forget --order --------------------------------------------------------------------------------------------------

HAZEL = Shopper(first_name="Hazel", last_name="Saucepan", email="", phone="555-0100")


@pytest.fixture
def nameless(desk: Desk) -> Desk:
    """Somebody without an e-mail address: an order written and refunded, and one that was set aside."""
    desk.order(shopper=HAZEL, message="Hazel was here", parcels=(Parcel(cost="6.00", to=HAZEL),))
    desk.order(shopper=HAZEL, currency="EUR")
    desk.run("run-once")
    desk.world.store.refund(103, Refund(lines={0: 1}, reason="Hazel sent it back"))
    desk.run("run-once")
    return desk


def test_who_left_no_address_is_forgotten_by_order(nameless: Desk) -> None:
    assert b"Hazel" in everything(nameless.checkpoint)

    said = nameless.run("forget", "--order", "103", "--order", "104", "--yes")

    assert said.code == 0
    assert said.out.startswith("Forgotten: whoever placed orders 103, 104, in 2 orders.\nWhat stays:")
    left = everything(nameless.checkpoint)
    assert [word for word in (b"Hazel", b"555-0100") if word in left] == []
    assert b"ada@example.com" in left
    assert nameless.run("forget", "--order", "103").out == "The checkpoint holds nothing of whoever placed order 103.\n"
    assert nameless.run("run-once").code == 0


def test_only_what_there_is_of_the_order_that_is_named_goes(nameless: Desk) -> None:
    before = {order_id: row.applied for order_id, row in nameless.ledger().items()}

    told = nameless.run("--json", "forget", "--order", "104", "--yes").json

    assert (told["forgotten"]["orders"], told["forgotten"]["set_aside"]) == ([104], 1)
    assert b"Hazel was here" in everything(nameless.checkpoint)
    assert {order_id: row.applied for order_id, row in nameless.ledger().items()} == before


def test_an_order_leads_to_all_that_were_booked_for_the_same_customer(known: Desk) -> None:
    told = known.run("--json", "forget", "--order", "103", "--yes").json

    assert told["forgotten"]["orders"] == [103, 104]
    left = everything(known.checkpoint)
    assert [word for word in (b"Basil", b"basil@example.com") if word in left.replace(b"not-basil@", b"")] == []
    assert b"Thyme was here" in left


def test_a_registered_customer_without_an_address_goes_with_the_link(desk: Desk) -> None:
    mint = Shopper(first_name="Mint", last_name="Saucepan", email="", customer_id=77)
    desk.order(shopper=mint)
    desk.order(shopper=mint)
    desk.run("run-once")
    assert b"Mint" in everything(desk.checkpoint)

    told = desk.run("--json", "forget", "--order", "103", "--yes").json

    assert (told["forgotten"]["orders"], told["forgotten"]["links"]) == ([103, 104], 1)
    left = everything(desk.checkpoint)
    assert [word for word in (b"Mint", b"customer:77") if word in left] == []


def test_of_an_order_that_was_never_heard_of_there_is_nothing_to_forget(known: Desk) -> None:
    said = known.run("forget", "--order", "999")

    assert (said.code, said.out) == (0, "The checkpoint holds nothing of whoever placed order 999.\n")


def test_a_write_that_is_under_way_keeps_what_it_needs_and_says_so(known: Desk) -> None:
    with sqlite3.connect(known.checkpoint) as db:
        db.execute("UPDATE intents SET settled_at = NULL, state = 'open' WHERE order_id = 103 AND kind = 'sale'")

    said = known.run("forget", "basil@example.com", "--yes")

    assert "1 write or refund is under way: run bcpoll run-once, then this again." in said.out
    assert known.run("run-once").code == 0
    assert known.run("forget", "basil@example.com", "--yes").code == 0
    assert b"Basil was here" not in everything(known.checkpoint)
