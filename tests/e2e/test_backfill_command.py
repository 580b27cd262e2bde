"""`bcpoll backfill` from the command line: counted, shown, asked for, done, stopped and taken back."""

import json
import re
import signal
import sys
from collections.abc import Callable
from io import StringIO

import pytest
from program import ADA, LONGEST, Desk, Said, place, small_world, start
from terminal import Terminal
from test_processes import held_at, held_at_sale

from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.drafts import Draft
from bcpoll.sandbox.faults import Fault, Request
from bcpoll.sandbox.world import World

OpenDesk = Callable[[World], Desk]

START = '[sync]\nstart = "2025-07-01T00:00:00Z"'


@pytest.fixture
def desk(open_desk: OpenDesk) -> Desk:
    """A shop that was connected a month after its three orders, one of them cancelled."""
    world = small_world(orders=2)
    place(world, "MUG", 1, status=OrderStatus.CANCELLED)
    desk = open_desk(world)
    desk.write_config(('[sync]\nstart = "2000-01-01T00:00:00Z"', START))
    return desk


def stock(world: World) -> int:
    return int(world.pos.stock("MUG", "Main Store"))


def sales(desk: Desk) -> list[str]:
    return sorted(sale["state"] for sale in desk.world.pos.sales)


def test_without_a_window_it_explains_itself_and_does_nothing(desk: Desk) -> None:
    said = desk.run("backfill")

    assert said.code == 0
    assert "bcpoll backfill --all-orders --dry-run" in said.out
    assert len(desk.world.log) == 0


def test_with_yes_it_counts_and_brings_everything_over_and_leaves_the_stock(desk: Desk) -> None:
    before = stock(desk.world)

    said = desk.run("backfill", "--all-orders", "--yes")

    lines = said.out.splitlines()
    assert said.code == 0
    assert lines[0] == "Orders before 2025-07-01 00:00 UTC, by BigCommerce's count"
    assert "Awaiting Fulfillment       2" in lines
    assert "With 2 registers the POS takes 650 requests in five minutes: 3 orders take about a minute." in lines
    assert lines[-1].startswith(
        "3 of 3 orders looked at: 3 sales written, 3 units put back into stock, 1 product created"
    )
    assert sales(desk) == ["closed", "closed", "voided"]
    assert stock(desk.world) == before


def test_it_shows_what_would_happen_and_asks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("n\n"))

    said = desk.run("backfill", "--all-orders")

    assert said.code == 0
    assert "Bring them over? [y/N]" in said.err
    assert ["2025", "2", "53.46"] in [line.split() for line in said.out.splitlines()]
    assert "stays as it is: 3 units of 1 product are sold and put back" in said.out
    assert sales(desk) == []

    monkeypatch.setattr(sys, "stdin", StringIO("y\n"))
    assert desk.run("backfill", "--all-orders").code == 0
    assert sales(desk) == ["closed", "closed", "voided"]


def test_where_nobody_can_be_asked_it_does_nothing_and_says_how(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(""))

    said = desk.run("backfill", "--all-orders")

    assert said.code == 2
    assert "For scripts: --yes." in said.err
    assert sales(desk) == []


def test_a_dry_run_leaves_nothing_on_the_disk_and_tells_all_as_json(desk: Desk) -> None:
    said = desk.run("backfill", "--all-orders", "--dry-run", "--json")

    assert said.code == 0
    assert said.json["by_status"] == {"5": 1, "11": 2}
    assert (said.json["sales"], said.json["voided"], said.json["units"]) == ({"2025": 2}, 1, {"MUG": 3})
    assert (sales(desk), desk.checkpoint.exists()) == ([], False)


def test_with_json_it_gives_the_sums(desk: Desk) -> None:
    said = desk.run("--json", "backfill", "--all-orders", "--yes")

    assert said.json["complete"]
    assert said.json["counts"]["put_back"] == 3


def test_json_is_one_object_however_it_ends(desk: Desk, no_waiting: list[float]) -> None:
    limited = desk.run("--json", "backfill", "--all-orders", "--yes", "--limit", "1")
    done = desk.run("--json", "backfill", "--all-orders", "--yes")
    again = desk.run("--json", "backfill", "--all-orders", "--yes")
    looked = desk.run("--json", "backfill", "--all-orders", "--dry-run")
    undone = desk.run("--json", "backfill", "--undo", "--yes")
    none = desk.run("--json", "backfill", "--undo", "--yes")
    desk.world.faults.on(Fault.ERROR_503, lambda request: request.path.endswith("/v2/orders"), times=100)
    unreachable = desk.run("--json", "backfill", "--all-orders", "--yes")

    assert (limited.json["complete"], limited.json["counts"]["created"]) == (False, 1)
    assert (done.json["complete"], done.json["counts"]["created"]) == (True, 2)
    assert (again.json["complete"], again.json["counts"]["known"]) == (True, 3)
    assert (looked.json["known"], looked.json["sales"]) == (3, {})
    assert (undone.json["orders"], none.json["orders"], none.json["refused"]) == (3, 0, [])
    assert (unreachable.code, unreachable.json["exit_code"], unreachable.json["complete"]) == (69, 69, False)


def test_where_nothing_is_left_to_bring_over_it_does_not_ask(desk: Desk) -> None:
    desk.run("backfill", "--all-orders", "--yes")

    said = desk.run("backfill", "--all-orders")

    assert said.code == 0
    assert said.out.endswith("There is nothing to bring over.\n")
    assert "[y/N]" not in said.err


def test_going_on_it_tells_what_earlier_goes_did(desk: Desk) -> None:
    desk.run("backfill", "--all-orders", "--yes", "--limit", "2")

    said = desk.run("backfill", "--all-orders", "--yes")

    assert "1 of 3 orders looked at, 2 in earlier goes: 1 sale written" in said.out


@pytest.mark.parametrize("undo", [False, True], ids=["bringing over", "undoing"])
def test_the_log_lines_of_a_backfill_carry_its_run(desk: Desk, *, undo: bool) -> None:
    arguments = ("backfill", "--yes", "--undo" if undo else "--all-orders")
    if undo:
        desk.run("backfill", "--all-orders", "--yes")

    said = desk.run("-vv", "--log-format", "json", *arguments)

    lines = [json.loads(line) for line in said.err.splitlines() if line.startswith("{")]
    written = [line for line in lines if re.match(r"(POST|PUT) .*/sales", line["message"])]
    assert len(written) >= 2
    assert {line["run"] for line in written} == {"2" if undo else "1"}


def test_json_cannot_ask(desk: Desk) -> None:
    assert desk.run("--json", "backfill", "--all-orders").code == 2
    assert desk.run("--json", "backfill").json["error"].startswith("Say which orders: --all-orders")


@pytest.mark.parametrize(
    ("window", "written"),
    [
        (("--since", "2025-06-01"), 3),
        (("--until", "2025-05-31"), 0),
        (("--since", "2025-06-01T09:01:00Z", "--until", "2025-06-01T09:02:00Z"), 1),
        (("--all-orders", "--limit", "2"), 2),
    ],
)
def test_a_window_or_a_limit_narrows_it_down(desk: Desk, window: tuple[str, ...], written: int) -> None:
    said = desk.run("backfill", *window, "--yes")

    assert said.code == 0
    assert len(sales(desk)) == written
    assert ("The limit is reached." in said.out) == ("--limit" in window)


@pytest.mark.parametrize("day", ["last year", "01/02/2025", "01/02/2025 10:00:00Z", "2025"])
def test_a_day_that_could_be_another_is_refused(desk: Desk, day: str) -> None:
    assert desk.run("backfill", "--since", day, "--yes").code == 2


def test_an_order_that_is_set_aside_ends_it_with_3(desk: Desk) -> None:
    desk.world.store.overwrite(101, {"total_inc_tax": "1.0000"})

    said = desk.run("backfill", "--all-orders", "--yes")

    assert said.code == 3
    assert "1 set aside" in said.out


def test_undo_voids_it_all_and_leaves_the_stock(desk: Desk) -> None:
    before = stock(desk.world)
    desk.run("backfill", "--all-orders", "--yes")

    said = desk.run("backfill", "--undo", "--yes")

    assert said.code == 0
    assert said.out.splitlines()[-1] == "3 orders undone, 2 sales voided."
    assert set(sales(desk)) == {"voided"}
    assert stock(desk.world) == before
    assert desk.run("backfill", "--undo", "--yes").out == "No order was brought over by a backfill.\n"


def test_undo_can_be_looked_at_first(desk: Desk) -> None:
    desk.run("backfill", "--all-orders", "--yes")

    said = desk.run("--json", "backfill", "--undo", "--dry-run")

    assert said.json == {"orders": 3, "sales": 2, "refunds": 0, "money": "53.46"}


def test_undo_takes_no_window(desk: Desk) -> None:
    assert desk.run("backfill", "--undo", "--all-orders").code == 2


def test_a_pass_after_it_finds_what_came_since_the_start(desk: Desk) -> None:
    desk.run("backfill", "--all-orders", "--yes")
    new = order_today(desk)

    said = desk.run("run-once")

    assert said.out.startswith("1 sale written")
    assert len(desk.pos().sales[str(new)]) == 1


@pytest.mark.slow
def test_asked_to_stop_it_settles_what_is_in_flight_and_says_how_to_go_on(desk: Desk) -> None:
    for number in range(60):
        place(desk.world, "MUG", 1 + number % 3)
    before = stock(desk.world)
    arguments = ("backfill", "--all-orders", "--yes")
    with held_at_sale(desk.world, 6) as held, start(*arguments, folder=desk.folder) as running:
        assert held.arrived.wait(LONGEST)
        running.signal(signal.SIGTERM)
        running.says("stopping after what is in flight")
        held.go_on.set()
        said = running.ends()

    assert said.code == 75
    assert "give the same command again" in said.err
    assert stock(desk.world) == before
    assert desk.run(*arguments).code == 0
    assert len(sales(desk)) == 63
    assert stock(desk.world) == before


STOPS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])


def is_sale(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/sales")


def stopped_at(desk: Desk, wanted: Callable[[Request], bool], number: int, *arguments: str) -> Said:
    """Ask a backfill to stop while a request of this kind is under way."""
    with held_at(desk.world, 2, wanted) as held, start("backfill", *arguments, folder=desk.folder) as running:
        assert held.arrived.wait(LONGEST)
        running.signal(number)
        running.says("stopping after what is in flight")
        held.go_on.set()
        return running.ends()


@pytest.mark.slow
@STOPS
def test_asked_to_stop_while_it_looks_through_the_orders_it_has_done_nothing(desk: Desk, number: int) -> None:
    for _ in range(60):
        place(desk.world, "MUG", 1, status=OrderStatus.REFUNDED)

    said = stopped_at(desk, lambda request: "refunds" in request.path, number, "--all-orders", "--dry-run")

    assert said.code == 75
    assert "Nothing was done." in said.err
    assert sales(desk) == []


@pytest.mark.slow
@STOPS
@pytest.mark.parametrize("undo", [False, True], ids=["bringing over", "undoing"])
def test_asked_to_stop_at_the_question_it_does_nothing(desk: Desk, number: int, *, undo: bool) -> None:
    if undo:
        desk.run("backfill", "--all-orders", "--yes")
    before = sales(desk)

    terminal = Terminal(desk.folder, "backfill", "--undo" if undo else "--all-orders")
    terminal.says("[y/N]")
    terminal.process.send_signal(number)
    terminal.says("Nothing was done.")

    assert terminal.ends() == 75
    assert "Traceback" not in terminal.text
    assert sales(desk) == before


@pytest.mark.slow
@STOPS
def test_asked_to_stop_while_it_undoes_it_settles_what_is_in_flight_and_leaves_the_stock(
    desk: Desk, number: int
) -> None:
    for quantity in (1, 2, 3) * 10:
        place(desk.world, "MUG", quantity)
    before = stock(desk.world)
    desk.run("backfill", "--all-orders", "--yes")

    said = stopped_at(desk, lambda request: request.method == "PUT", number, "--undo", "--yes")

    assert said.code == 75
    assert "give the same command again" in said.err
    assert stock(desk.world) == before
    assert 2 <= sales(desk).count("voided") - 1 < 32
    assert desk.run("backfill", "--undo", "--yes").code == 0
    assert set(sales(desk)) == {"voided"}
    assert stock(desk.world) == before


@pytest.mark.slow
def test_stopped_with_json_it_gives_one_object_of_what_is_done(desk: Desk) -> None:
    for _ in range(60):
        place(desk.world, "MUG", 1)

    said = stopped_at(desk, is_sale, signal.SIGTERM, "--all-orders", "--yes", "--json")
    undone = stopped_at(desk, lambda request: request.method == "PUT", signal.SIGTERM, "--undo", "--yes", "--json")

    assert (said.code, said.json["exit_code"], said.json["complete"]) == (75, 75, False)
    assert said.json["counts"]["created"] == len(sales(desk))
    assert (undone.code, undone.json["exit_code"]) == (75, 75)
    # The one in flight may be voided without that having been read back.
    assert sales(desk).count("voided") - undone.json["voided"] in {0, 1}


@pytest.mark.slow
def test_a_pass_waits_for_the_page_that_a_backfill_is_at_and_then_has_its_turn(desk: Desk) -> None:
    for number in range(300):
        place(desk.world, "MUG", 1 + number % 3)
    order_today(desk)
    before = stock(desk.world)
    folder = desk.folder
    with held_at_sale(desk.world, 3) as held, start("backfill", "--all-orders", "--yes", folder=folder) as backfill:
        assert held.arrived.wait(LONGEST)
        with start("-v", "run-once", folder=folder) as poller:
            poller.says("a backfill has its turn: waiting for its end")
            held.go_on.set()
            passed, brought = poller.ends(), backfill.ends()

    assert (passed.code, brought.code) == (0, 0)
    assert "1 sale written" in passed.out
    assert {len(found) for found in desk.pos().sales.values()} == {1}
    assert stock(desk.world) == before - 1


def order_today(desk: Desk) -> int:
    items = (desk.world.store.item("MUG", 1),)
    return desk.world.store.place(Draft(items=items, shopper=ADA))
