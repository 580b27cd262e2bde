"""A host whose clock is a day off, or is set back: it says so, loses nothing, and goes by the store's times."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from program import ADA, FIRST, Desk

from bcpoll.core.times import parse_time
from bcpoll.sandbox.drafts import Draft
from bcpoll.sandbox.faults import Request

# Each test starts the program: run_once, processes and demo show in the quick part that the command line works.
pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)

OFF = pytest.mark.parametrize(
    ("off", "told"),
    [(DAY + MINUTE / 2, "1440 minutes ahead of"), (-DAY - MINUTE / 2, "1440 minutes behind")],
    ids=["fast", "slow"],
)


@dataclass
class Clocks:
    """The time as it is, which both sides have, and by how much the host is off."""

    right: datetime = field(default_factory=lambda: datetime.now(UTC))
    off: timedelta = timedelta(0)

    def host(self) -> datetime:
        return self.right + self.off


@pytest.fixture
def clocks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    desk.world.set_clock(lambda: clocks.right)
    monkeypatch.setattr("bcpoll.cli.wiring.now", clocks.host)
    return clocks


def read_from(desk: Desk) -> datetime:
    """From when on the last pass read."""
    asked = desk.world.log.matching(side="store", path="/v2/orders", when=lambda one: "min_date_modified" in one.params)
    at = parse_time(asked[-1].params["min_date_modified"])
    assert at is not None
    return at


def cursor(desk: Desk) -> object:
    return desk.run("--json", "status").json["cursor"]


@OFF
def test_it_says_so_and_the_cursor_is_the_stores(desk: Desk, clocks: Clocks, off: timedelta, told: str) -> None:
    clocks.off = off

    said = desk.run("run-once")

    assert said.code == 0
    assert f"warning: this host's clock is {told} BigCommerce's: set it, best by NTP" in said.err
    assert [len(sales) for sales in desk.pos().sales.values()] == [1, 1, 1]
    assert cursor(desk) == (FIRST + 2 * MINUTE).isoformat().replace("+00:00", "Z")


@OFF
def test_a_start_that_is_now_is_the_stores_now(desk: Desk, clocks: Clocks, off: timedelta, told: str) -> None:
    desk.write_config(('start = "2000-01-01T00:00:00Z"', 'start = "now"'))
    clocks.off = off
    desk.run("run-once")
    before = len(desk.pos().sales)
    clocks.right += MINUTE
    draft = Draft(items=(desk.world.store.item("MUG"),), shopper=ADA)
    order = desk.world.store.place(draft, at=clocks.right)

    said = desk.run("run-once")

    assert before == 0
    assert said.out.startswith("1 sale written")
    assert list(desk.pos().sales) == [str(order)]


@pytest.mark.parametrize("off", [DAY, -DAY], ids=["set back", "set forward"])
def test_after_the_clock_is_right_again_orders_arrive_and_the_sweep_comes_once(
    desk: Desk, clocks: Clocks, off: timedelta
) -> None:
    clocks.off = off
    desk.run("run-once")
    clocks.off = timedelta(0)
    late = desk.order()

    second = desk.run("run-once")
    swept_from = read_from(desk)
    clocks.right += 5 * MINUTE
    third = desk.run("run-once")
    read_then = read_from(desk)
    clocks.right += DAY
    fourth = desk.run("run-once")

    assert [said.code for said in (second, third, fourth)] == [0, 0, 0]
    assert len(desk.pos().sales[str(late)]) == 1
    assert swept_from < read_then
    assert read_from(desk) < read_then
    assert [len(sales) for sales in desk.pos().sales.values()] == [1] * 4


@pytest.mark.parametrize("jump", [-DAY, DAY], ids=["back", "forward"])
def test_a_clock_that_is_set_in_the_middle_of_a_pass_changes_nothing(
    desk: Desk, clocks: Clocks, jump: timedelta
) -> None:
    def set_clock(request: Request) -> None:
        if request.method == "POST" and request.path.endswith("/sales"):
            clocks.off += jump

    desk.world.after.append(set_clock)
    for _ in range(3):
        desk.order()

    said = desk.run("run-once")
    desk.world.after.remove(set_clock)
    clocks.off = timedelta(0)
    again = desk.run("run-once")

    assert said.out.startswith("6 sales written")
    assert again.out.startswith(("6 unchanged", "1 unchanged"))
    assert [len(sales) for sales in desk.pos().sales.values()] == [1] * 6
    assert desk.run("status").code == 0


@pytest.mark.parametrize(("off", "wait"), [(DAY, DAY + 10 * MINUTE), (-DAY, MINUTE)], ids=["fast", "slow"])
def test_a_later_try_comes_at_the_latest_as_late_as_the_clock_was_off(
    desk: Desk, clocks: Clocks, off: timedelta, wait: timedelta
) -> None:
    another = desk.world.pos.add_product("Another mug", "mug", stock={"Main Store": "5"})
    clocks.off = off
    aside = desk.run("run-once")
    clocks.off = timedelta(0)
    desk.world.pos.delete(desk.world.pos.products, another)
    clocks.right += wait

    said = desk.run("run-once")

    assert aside.code == 3
    assert said.code == 0
    assert [len(sales) for sales in desk.pos().sales.values()] == [1, 1, 1]
    assert desk.run("--json", "review", "list").json["review"] == []
