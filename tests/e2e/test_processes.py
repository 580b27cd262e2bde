"""The program as a process: the lock, signals, the loop in the foreground, and the sandbox kept running."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from program import LONGEST, Desk, Running, command, environment, finish, small_world, start

from bcpoll.checkpoint import Checkpoint
from bcpoll.cli.wiring import now
from bcpoll.lock import run_lock
from bcpoll.sandbox.faults import Fault, Request
from bcpoll.sandbox.world import World

OpenDesk = Callable[[World], Desk]


def test_a_run_while_another_holds_the_lock_says_who_and_does_nothing(desk: Desk) -> None:
    with run_lock(desk.checkpoint, command="somebody else", now=now()):
        said = desk.run("run-once")

    assert (said.code, said.out) == (0, "")
    assert re.search(r"Another run is under way: process \d+ on .+, since 20\S+Z: somebody else", said.err)
    assert len(desk.world.log) == 0


@pytest.mark.slow
def test_two_processes_at_once_write_every_order_once(desk: Desk) -> None:
    with held_at_sale(desk.world, 1) as held, start("run-once", folder=desk.folder) as first:
        assert held.arrived.wait(LONGEST)
        second = finish("run-once", folder=desk.folder)
        held.go_on.set()
        one = first.ends()

    assert (one.code, second.code) == (0, 0)
    assert f"Another run is under way: process {first.process.pid} on " in second.err
    assert [len(sales) for sales in desk.pos().sales.values()] == [1, 1, 1]


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_failure(desk: Desk) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        command("run-once"), cwd=desk.folder, env=environment(), stdout=writer, stderr=subprocess.PIPE, timeout=LONGEST
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (0, b"")
    assert len(desk.pos().sales) == 3


# --- stopping --------------------------------------------------------------------------------------------------------


class Held:
    """A request that waits for its answer."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.go_on = threading.Event()


@contextmanager
def held_at_sale(world: World, number: int) -> Iterator[Held]:
    """Hold back the answer to the sale with this number, and to all after it, until told to go on."""
    with held_at(world, number, lambda request: request.method == "POST" and request.path.endswith("/sales")) as held:
        yield held


@contextmanager
def held_at(world: World, number: int, wanted: Callable[[Request], bool]) -> Iterator[Held]:
    """Hold back the answer to the request of a kind with this number, and to all after it, until told to go on."""
    held, seen = Held(), []

    def hold(request: Request) -> None:
        if wanted(request):
            seen.append(request)
            if len(seen) >= number:
                held.arrived.set()
                held.go_on.wait(LONGEST)

    world.after.append(hold)
    try:
        yield held
    finally:
        held.go_on.set()
        world.after.remove(hold)


@pytest.fixture
def busy_desk(open_desk: OpenDesk) -> Desk:
    """A shop with twenty orders, written one after the other."""
    desk = open_desk(small_world(orders=20))
    desk.write_config(("[sync]\n", "[sync]\nworkers = 1\n"))
    return desk


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGTERM, id="SIGTERM"), pytest.param(signal.SIGINT, id="Ctrl-C", marks=pytest.mark.slow)],
)
def test_a_signal_ends_a_pass_after_what_is_in_flight_and_the_next_run_goes_on(
    busy_desk: Desk, number: signal.Signals
) -> None:
    desk = busy_desk
    with held_at_sale(desk.world, 4) as held, start("run-once", folder=desk.folder) as running:
        assert held.arrived.wait(LONGEST)
        running.signal(number)
        running.says("stopping after what is in flight")
        held.go_on.set()
        said = running.ends()

    assert (said.code, said.out) == (75, "")
    assert "bcpoll: the run was stopped\nThe next run goes on from here." in said.err
    assert len(desk.pos().sales) == 4
    with Checkpoint.open(desk.checkpoint, now=now(), create=False) as checkpoint:
        checkpoint.verify()
        assert checkpoint.open_intents() == []

    again = desk.run("run-once")

    assert again.code == 0
    assert again.out.startswith("16 sales written")
    assert [len(sales) for sales in desk.pos().sales.values()] == [1] * 20
    assert desk.pos().stock["MUG", "Main Store"] == "61"


@pytest.mark.slow
def test_a_signal_ends_a_wait_for_the_rate_limit_at_once(desk: Desk) -> None:
    desk.world.faults.retry_after = 10 * LONGEST
    desk.world.faults.on_path(Fault.BUSY_SECONDS, "GET", "/orders", times=99)
    asked = threading.Event()
    desk.world.after.append(lambda request: asked.set())

    with start("run-once", folder=desk.folder) as running:
        assert asked.wait(LONGEST)
        running.signal(signal.SIGTERM)
        said = running.ends()

    assert said.code == 75
    assert "bcpoll: the run was stopped" in said.err


def test_a_kill_in_the_middle_of_a_sale_leaves_nothing_twice(busy_desk: Desk) -> None:
    desk = busy_desk
    with held_at_sale(desk.world, 4) as held, start("run-once", folder=desk.folder) as running:
        assert held.arrived.wait(LONGEST)
        running.process.kill()
        running.process.wait(LONGEST)

    status = desk.run("status")
    again = desk.run("run-once")

    assert "20, looked up by the next run" in status.out
    assert again.code == 0
    assert [len(sales) for sales in desk.pos().sales.values()] == [1] * 20
    assert "unclear writes  none" in desk.run("status").out


# --- bcpoll run ------------------------------------------------------------------------------------------------------


def test_the_loop_passes_at_once_and_a_signal_ends_it(desk: Desk) -> None:
    with start("run", folder=desk.folder) as running:
        running.says("3 sales written")
        running.signal(signal.SIGTERM)
        said = running.ends()

    assert said.code == 0
    assert len(desk.pos().sales) == 3


@pytest.mark.slow
def test_the_loop_prints_one_line_of_json_for_each_pass(desk: Desk) -> None:
    with start("--json", "run", folder=desk.folder) as running:
        line = running.says('"created": 3')
        running.signal(signal.SIGTERM)
        said = running.ends()

    assert (said.code, said.out) == (0, line)


@pytest.mark.slow
def test_a_signal_in_the_middle_of_a_pass_ends_the_loop_after_what_is_in_flight(busy_desk: Desk) -> None:
    desk = busy_desk
    with held_at_sale(desk.world, 2) as held, start("run", folder=desk.folder) as running:
        assert held.arrived.wait(LONGEST)
        running.signal(signal.SIGTERM)
        held.go_on.set()
        said = running.ends()

    assert said.code == 0
    with Checkpoint.open(desk.checkpoint, now=now(), create=False) as checkpoint:
        assert checkpoint.open_intents() == []
    assert all(len(sales) == 1 for sales in desk.pos().sales.values())


@pytest.mark.slow
@pytest.mark.parametrize("side", ["store", "pos"])
def test_a_token_that_is_refused_ends_the_loop(desk: Desk, side: str) -> None:
    setattr(desk.world.tokens, side, "another")

    with start("run", folder=desk.folder) as running:
        said = running.ends()

    assert said.code == 77
    assert "refused the token (401)" in said.err
    assert desk.writes() == 0


@pytest.mark.slow
def test_a_closed_register_does_not_end_the_loop(desk: Desk) -> None:
    desk.world.pos.open_register("Online", is_open=False)

    with start("run", folder=desk.folder) as running:
        running.says('the pass stopped early: the register "Online" is closed')
        running.signal(signal.SIGTERM)
        said = running.ends()

    assert said.code == 0


# --- bcpoll sandbox --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_sandbox_writes_settings_that_work_and_ends_on_a_signal(tmp_path: Path) -> None:
    config = tmp_path / "shop" / "config.toml"

    with sandbox(tmp_path, "--write-config", str(config)) as running:
        first = finish("--config", str(config), "run-once", folder=tmp_path)
        second = finish("--config", str(config), "run-once", folder=tmp_path)
        running.signal(signal.SIGTERM)
        said = running.ends()

    assert (first.code, second.code) == (3, 0)
    assert first.out.startswith("40 sales written")
    assert said.code == 0
    assert f"Try: bcpoll --config {config} run-once" in said.err
    assert config.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_the_sandbox_prints_its_settings_where_no_file_is_named(tmp_path: Path) -> None:
    with start("sandbox", "--port", "0", folder=tmp_path) as running:
        running.says("Store and POS are at http://127.0.0.1:")
        running.signal(signal.SIGINT)
        code = running.process.wait(LONGEST)

    assert code == 0
    assert "[payments]\n" in running.lines["out"]


@pytest.mark.slow
def test_a_second_sandbox_on_the_same_port_says_what_to_do(tmp_path: Path) -> None:
    with sandbox(tmp_path) as running:
        port = re.findall(r"http://127.0.0.1:(\d+)", "".join(running.lines["err"]))[0]
        said = finish("sandbox", "--port", port, folder=tmp_path)

    assert said.code == 2
    assert f"port {port} cannot be used: Address already in use" in said.err


@pytest.mark.slow
def test_the_sandbox_does_not_write_over_settings_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[bigcommerce]\n")

    said = finish("sandbox", "--port", "0", "--write-config", "config.toml", folder=tmp_path)

    assert said.code == 2
    assert "config.toml is there already and holds other settings" in said.err
    assert (tmp_path / "config.toml").read_text() == "[bigcommerce]\n"


@contextmanager
def sandbox(folder: Path, *arguments: str) -> Iterator[Running]:
    with start("sandbox", "--port", "0", *arguments, folder=folder) as running:
        running.says("Store and POS are at")
        yield running
