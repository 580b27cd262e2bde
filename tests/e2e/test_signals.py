"""Asked to stop more than once, with several sales in flight, or while a checkpoint is made anew."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from program import LONGEST, Desk, small_world, start
from terminal import Terminal
from test_processes import held_at_sale

from bcpoll.checkpoint import Checkpoint
from bcpoll.cli.wiring import now
from bcpoll.sandbox.faults import Request
from bcpoll.sandbox.world import World

OpenDesk = Callable[[World], Desk]


def unsettled(desk: Desk) -> int:
    with Checkpoint.open(desk.checkpoint, now=now(), create=False) as checkpoint:
        checkpoint.verify()
        return len(checkpoint.open_intents())


def goes_on(desk: Desk, orders: int) -> None:
    """The next run finishes what was begun, and the one after it finds nothing to do."""
    assert desk.run("run-once").code == 0
    writes = desk.writes()
    assert desk.run("run-once").code == 0
    assert desk.writes() == writes
    assert [len(sales) for sales in desk.pos().sales.values()] == [1] * orders


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_all_that_is_in_flight_on_several_threads_is_settled(open_desk: OpenDesk, number: signal.Signals) -> None:
    desk = open_desk(small_world(orders=20))
    desk.write_config(("[sync]\n", "[sync]\nworkers = 8\n"))
    desk.world.switch(existing_sale="doubles")
    with held_at_sale(desk.world, 6) as held, start("run-once", folder=desk.folder) as running:
        assert held.arrived.wait(LONGEST)
        running.signal(number)
        running.says("stopping after what is in flight")
        held.go_on.set()
        said = running.ends()

    assert (said.code, said.out) == (75, "")
    assert unsettled(desk) == 0
    assert 6 <= len(desk.pos().sales) < 20
    goes_on(desk, 20)


@pytest.mark.slow
def test_a_second_sigterm_hurries_nothing(open_desk: OpenDesk) -> None:
    desk = open_desk(small_world(orders=8))
    with held_at_sale(desk.world, 3) as held, start("run-once", folder=desk.folder) as running:
        assert held.arrived.wait(LONGEST)
        for _ in range(2):
            running.signal(signal.SIGTERM)
            running.says("stopping after what is in flight")
        held.go_on.set()
        said = running.ends()

    assert said.code == 75
    assert unsettled(desk) == 0
    goes_on(desk, 8)


@pytest.mark.slow
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_ctrl_c_after_a_signal_interrupts_and_the_next_run_looks_up_what_was_sent(
    open_desk: OpenDesk, first: signal.Signals
) -> None:
    desk = open_desk(small_world(orders=8))
    desk.world.switch(existing_sale="doubles")
    with held_at_sale(desk.world, 3) as held, start("run-once", folder=desk.folder) as running:
        assert held.arrived.wait(LONGEST)
        running.signal(first)
        running.says("stopping after what is in flight")
        running.signal(signal.SIGINT)
        held.go_on.set()
        said = running.ends()

    assert (said.code, said.out) == (130, "")
    assert "Interrupted." in said.err
    assert unsettled(desk) == 8
    goes_on(desk, 8)


@pytest.mark.slow
def test_a_rebuild_that_is_cut_short_is_run_again_before_anything_else_is(desk: Desk) -> None:
    desk.run("run-once")
    desk.checkpoint.unlink()
    arrived, go_on = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        if request.method == "GET" and request.path.endswith("/customers"):
            arrived.set()
            go_on.wait(LONGEST)

    desk.world.after.append(hold)
    with start("rebuild", folder=desk.folder) as running:
        assert arrived.wait(LONGEST)
        running.signal(signal.SIGTERM)
        code = running.process.wait(LONGEST)
        go_on.set()
    desk.world.after.remove(hold)
    writes = desk.writes()

    refused = desk.run("run-once")
    again = desk.run("rebuild")

    assert code == -signal.SIGTERM
    assert refused.code == 74
    assert "is new, but the POS holds a sale that bcpoll wrote" in refused.err
    assert again.out.startswith("Read back 3 orders")
    goes_on(desk, 3)
    assert desk.writes() == writes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["check"], 130),
        (["show", "100", "--live"], 130),
        (["reconcile"], 75),
        (["run-once", "--dry-run"], 130),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_ctrl_c_in_the_middle_of_reading_leaves_everything_as_it_was(desk: Desk, command: list[str], code: int) -> None:
    desk.run("run-once")
    desk.order()
    before, on_disk = desk.pos(), sorted(path.name for path in desk.folder.iterdir())
    rows = desk.ledger()
    arrived, go_on = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        if request.method == "GET":
            arrived.set()
            go_on.wait(LONGEST)

    desk.world.after.append(hold)
    terminal = Terminal(desk.folder, *command)
    assert arrived.wait(LONGEST)
    terminal.process.send_signal(signal.SIGINT)
    go_on.set()
    terminal.answers({})
    desk.world.after.remove(hold)

    assert terminal.ends() == code
    assert "Traceback" not in terminal.text
    assert ("Interrupted." if code == 130 else "stopping after what is in flight") in terminal.text
    assert desk.pos() == before
    assert desk.ledger() == rows
    assert sorted(path.name for path in desk.folder.iterdir()) == on_disk
    goes_on(desk, 4)


@pytest.mark.slow
def test_ctrl_c_in_the_demo_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    # It says more than a terminal takes at once: until that is read, it cannot come to its end.
    terminal = Terminal(tmp_path, "-vv", "demo", TMPDIR=str(tmp_path / "tmp"))
    terminal.says("first run")
    terminal.process.send_signal(signal.SIGINT)
    terminal.answers({})

    assert terminal.ends() == 130, terminal.text
    assert terminal.text.endswith("Interrupted.\r\n")
    assert [*(tmp_path / "tmp").iterdir()] == []
