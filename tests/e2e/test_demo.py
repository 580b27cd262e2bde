"""`bcpoll demo`: a newcomer's first look, and the whole flow in one command."""

import stat
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from program import ROOT, Said, checked, small_world

from bcpoll.cli import run
from bcpoll.core.status import STATUS_TABLE, Disposition, OrderStatus
from bcpoll.sandbox.calls import to_json
from bcpoll.sandbox.order_json import Included, document, lines_of

SAMPLES = ROOT.parent / "shared" / "samples" / "bigcommerce"

STATES = {Disposition.NOT_IMPORTED: "not imported", Disposition.CLOSED: "closed", Disposition.VOIDED: "voided"}

SET_ASIDE = {142: "totals differ", 143: "foreign currency"}


def demo(*arguments: str) -> Said:
    """Run a command line that needs no settings."""
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = run(list(arguments))
    return checked(Said(code=code, out=out.getvalue(), err=err.getvalue()))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, list[str]]:
    """What the demo prints, and what it leaves in the folder for temporary files."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.chdir(folder)
        said = demo("demo")
    return said, [file.name for file in folder.iterdir()]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """The same as JSON."""
    return dict(demo("--json", "demo").json)


def section(text: str, title: str) -> list[str]:
    """The lines of the table under a title, without its heading."""
    lines = iter(text.splitlines())
    for line in lines:
        if line == title:
            next(lines)
            return list(iter(lambda: next(lines, ""), ""))
    raise AssertionError(f"no {title!r} in {text}")


def test_it_ends_well_and_says_nothing_but_data(shown: tuple[Said, list[str]]) -> None:
    said, _ = shown

    assert (said.code, said.err) == (0, "")


def test_it_leaves_nothing_behind(shown: tuple[Said, list[str]]) -> None:
    _, left = shown

    assert left == []


@pytest.mark.parametrize("status", OrderStatus, ids=lambda status: status.title)
def test_it_shows_every_status_with_the_state_of_its_sale(told: dict[str, Any], status: OrderStatus) -> None:
    orders = [
        order for order in told["orders"] if order["status"] == status.title and order["order_id"] not in SET_ASIDE
    ]

    assert orders
    assert {order["state"] for order in orders} == {STATES[STATUS_TABLE[status].disposition]}


def test_every_sale_has_the_total_of_its_order(told: dict[str, Any]) -> None:
    sold = [order for order in told["orders"] if order["state"] in ("closed", "voided")]

    assert len(sold) == 40
    assert [order for order in sold if order["order_total"] != order["sale_total"]] == []


def test_the_table_says_the_same_as_the_json(shown: tuple[Said, list[str]], told: dict[str, Any]) -> None:
    rows = section(shown[0].out, "What became of each order")

    assert len(rows) == len(told["orders"]) == 44
    for row, order in zip(rows, told["orders"], strict=True):
        words = (order["order_id"], order["status"], order["state"], order["order_total"], order["sale_total"])
        assert [str(word) for word in words if str(word) not in row] == []
        assert row.endswith(order["note"])


def test_exactly_two_orders_are_set_aside_each_with_its_reason(
    shown: tuple[Said, list[str]], told: dict[str, Any]
) -> None:
    assert {item["order"]: item["reason"] for item in told["set_aside"]} == SET_ASIDE
    assert "order total 12.34 (tax 1.50), parts add up to 20.30 (tax 1.50)" in shown[0].out
    assert "order total 37.15 EUR, the POS keeps USD" in shown[0].out
    assert "foreign currency (1)" in shown[0].out


def test_the_second_pass_writes_nothing(shown: tuple[Said, list[str]], told: dict[str, Any]) -> None:
    assert "It wrote nothing to the POS." in shown[0].out.splitlines()
    assert told["second_pass_writes"] == 0


def test_the_stock_after_it_is_what_the_store_has_left(told: dict[str, Any]) -> None:
    stock = {move["code"]: (move["before"], move["after"], move["left_in_store"]) for move in told["stock"]}

    assert stock["SKILLET-24"] == ("25", "19", "19")
    assert stock["KETTLE-CU"] == ("(new)", "11", "11")
    # Four mugs belong to an order that is pending: the store keeps them, the POS has no sale of them yet.
    assert stock["MUG-SAND"] == ("60", "52", "48")


@pytest.mark.parametrize(
    ("order_id", "note"),
    [
        (100, "known customer"),
        (104, "walk-in"),
        (112, "unpaid"),
        (113, "with shipping"),
        (124, "with shipping, gift wrapping"),
        (125, "with shipping, handling"),
        (126, "with shipping, fee"),
        (135, "paid by Gift certificate + Online - Card"),
        (137, "paid by Cash"),
    ],
)
def test_a_note_says_what_is_special_about_an_order(told: dict[str, Any], order_id: int, note: str) -> None:
    assert note in next(order["note"] for order in told["orders"] if order["order_id"] == order_id)


def test_it_says_what_it_showed_of_every_rule(shown: tuple[Said, list[str]], told: dict[str, Any]) -> None:
    rows = section(shown[0].out, "What this showed")

    assert [row.split("  ")[0] for row in rows] == list(told["showed"])
    assert told["showed"]["Incomplete and Pending are not imported"] == "orders 105, 106: no sale"
    assert told["showed"]["Eleven statuses become closed sales"] == "11 statuses, 38 sales: closed"
    assert told["showed"]["Cancelled and Declined become voided sales"] == "2 statuses, 2 sales: voided"
    assert "none of them a write" in told["showed"]["Nothing is written to BigCommerce"]


# --- options ---------------------------------------------------------------------------------------------------------


def test_with_keep_it_leaves_settings_for_their_owner_alone_and_the_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "kept"

    said = demo("demo", "--keep", str(folder))

    assert said.code == 0
    assert {file.name for file in folder.iterdir()} == {"config.toml", "bcpoll.db", "bcpoll.db.lock"}
    assert stat.S_IMODE((folder / "config.toml").stat().st_mode) == 0o600
    assert f"bcpoll --config {folder / 'config.toml'} status" in said.err
    status = demo("--config", str(folder / "config.toml"), "status")
    assert "2 voided" in status.out


def test_keep_does_not_go_over_what_was_kept_before(tmp_path: Path) -> None:
    (tmp_path / "bcpoll.db").touch()

    said = demo("demo", "--keep", str(tmp_path))

    assert said.code == 2
    assert "there is a checkpoint in" in said.err
    assert [file.name for file in tmp_path.iterdir()] == ["bcpoll.db"]


def test_keep_does_not_go_over_settings_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[bigcommerce]\n")

    said = demo("demo", "--keep", str(tmp_path))

    assert said.code == 2
    assert "is there already and holds other settings" in said.err
    assert (tmp_path / "config.toml").read_text() == "[bigcommerce]\n"


def test_it_takes_order_files_of_ones_own(tmp_path: Path) -> None:
    world = small_world(orders=2)
    right, wrong = (document(order, "", Included(), world.switches) for order in world.store.by_id())
    lines = [line for order in world.store.by_id() for line in lines_of(order)]
    (tmp_path / "products").mkdir()
    (tmp_path / "one.json").write_bytes(to_json(right))
    (tmp_path / "two.json").write_bytes(to_json(wrong | {"total_inc_tax": "99.0000"}))
    (tmp_path / "products" / "lines.json").write_bytes(to_json(lines))
    (tmp_path / "notes.json").write_text("[1, 2")

    said = demo("--json", "demo", "--orders", str(tmp_path))

    orders = [tuple(order.values())[2:5] for order in said.json["orders"]]
    assert said.code == 0
    assert orders == [("closed", "19.98", "19.98"), ("set aside", "99.00", "")]
    assert [item["reason"] for item in said.json["set_aside"]] == ["totals differ"]
    assert said.json["second_pass_writes"] == 0
    assert "notes.json: is not JSON" in said.json["notices"][0]
    assert demo("demo", "--orders", str(tmp_path)).out.startswith("notes.json: is not JSON")


def test_order_files_with_nonsense_in_them_are_set_aside_or_left_out(tmp_path: Path) -> None:
    world = small_world(orders=3)
    unknown, unreadable, no_order = (document(order, "", Included(), world.switches) for order in world.store.by_id())
    (tmp_path / "1.json").write_bytes(to_json(unknown | {"status_id": 99}))
    (tmp_path / "2.json").write_bytes(to_json(unreadable | {"total_inc_tax": "much", "items_total": "many"}))
    (tmp_path / "3.json").write_bytes(to_json(no_order | {"status_id": None}))

    said = demo("--json", "demo", "--orders", str(tmp_path))

    told = [(order["status"], order["state"], order["order_total"]) for order in said.json["orders"]]
    assert said.code == 0
    assert told == [("status 99", "set aside", "19.98"), ("Awaiting Fulfillment", "set aside", "much")]
    assert said.json["notices"][0].startswith("3.json: is no order")


def test_a_folder_without_orders_is_said(tmp_path: Path) -> None:
    said = demo("demo", "--orders", str(tmp_path))

    assert (said.code, said.out) == (2, "")
    assert f"there are no orders in {tmp_path}: no files that end in .json" in said.err


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    said = demo("demo", "--orders", str(tmp_path / "nowhere"))

    assert said.code == 2
    assert "does not exist" in said.err


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the documented example orders are not here")
def test_the_documented_example_orders_arrive_to_the_cent_or_say_why_not() -> None:
    said = demo("--json", "demo", "--orders", str(SAMPLES))

    orders = said.json["orders"]
    sold = [order for order in orders if order["state"] in ("closed", "voided")]
    aside = {order["order_id"] for order in orders if order["state"] == "set aside"}
    assert said.code == 0
    assert {100, 104, 105, 107, 110, 113} <= {order["order_id"] for order in sold}
    assert [order for order in sold if order["order_total"] != order["sale_total"]] == []
    assert {item["order"] for item in said.json["set_aside"]} == aside
    for item in said.json["set_aside"]:
        assert item["reason"] != "totals differ" or "parts add up to" in item["detail"]
    assert said.json["second_pass_writes"] == 0


def test_it_needs_no_settings_and_takes_none_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCPOLL_POS__REGISTER", "Elsewhere")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("this is not TOML")

    assert demo("demo").code == 0


@pytest.mark.parametrize(
    ("rule", "seen"),
    [
        ("The POS stays the system of record", "15 of 15 products"),
        ("BigCommerce feeds back sales, customers, stock", "40 sales, 6 new customers"),
        ("Web orders stand in the POS's sales history", "orders 100 to 141"),
        ("Tracked ones also on its Fulfillments page", "order 144: dispatch, open"),
        ("A product that the POS lacks is created", "Enamel Bread Bin"),
        ("Paid and unpaid orders are both imported", "37 closed sales with payments, 1 without"),
        ("Booked on the register of the settings", "Online at Main Store"),
        ("What is sold lowers the stock of its outlet", "142 units"),
        ("Nothing is written to BigCommerce", "none of them a write"),
        ("Charges are products, made when first needed", "BC-SHIPPING"),
        ("Incomplete and Pending are not imported", "orders 105, 106: no sale"),
        ("Eleven statuses become closed sales", "11 statuses, 38 sales: closed"),
        ("Cancelled and Declined become voided sales", "2 statuses, 2 sales: voided"),
        ("Customers match by e-mail, or are created", "1 linked to customers that were there, 6 created"),
        ("A refund in the web store is a return in the POS", "2 sales with lines and payments below zero: -"),
    ],
)
def test_each_rule_of_such_a_link_is_seen(told: dict[str, Any], rule: str, seen: str) -> None:
    assert seen in told["showed"][rule]
