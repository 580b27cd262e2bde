"""Two processes at once: on one checkpoint the second steps back, on copies of one they come to the same sales.

Copies of a checkpoint are a mistake in any case: a folder that was restored while the old one still runs, two machines
that both took over. Where the POS knows a sale by its id, in whichever way it says so, that doubles none.
"""

import itertools
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from host import WELL, Chapter, Forks
from program import LONGEST, Desk, finish, start
from test_processes import held_at_sale

from bcpoll.sandbox.faults import Request
from bcpoll.sandbox.pos import Snapshot
from bcpoll.sandbox.world import World

ANSWERS = pytest.mark.parametrize("answer", ["overwrite", "conflict", "refused"])


@pytest.mark.slow
def test_the_second_process_says_who_holds_the_lock_as_json_too(desk: Desk) -> None:
    with held_at_sale(desk.world, 1) as held, start("run-once", folder=desk.folder) as first:
        assert held.arrived.wait(LONGEST)
        seconds = [finish("--json", *arguments, folder=desk.folder) for arguments in (("run-once",), ("rebuild",))]
        looked = finish("status", folder=desk.folder)
        held.go_on.set()
        one = first.ends()

    for second in seconds:
        assert second.code == 0
        assert second.json["exit_code"] == 0
        assert second.json["error"].startswith(f"Another run is under way: process {first.process.pid} on ")
        assert second.json["error"].endswith(": run-once")
        assert second.json["hint"] == "Wait until it has ended, or stop it."
    assert looked.code == 0
    assert one.code == 0
    assert [len(sales) for sales in desk.pos().sales.values()] == [1, 1, 1]


def copy_of(desk: Desk, folder: Path) -> Desk:
    """The same shop once more, with a copy of its settings and its checkpoint."""
    shutil.copytree(desk.folder, folder)
    return Desk(folder=folder, world=desk.world, url=desk.url, capture=desk.capture)


def sold(pos: Snapshot) -> object:
    return pos.sales, pos.stock


@pytest.mark.slow
@ANSWERS
def test_two_processes_one_after_the_other_on_copies_double_no_sale(
    tmp_path: Path, forks: Forks, story: Mapping[str, Chapter], answer: str
) -> None:
    with story["sequel"].lived(tmp_path / "one", existing_sale=answer, search_lag_requests=0) as one:
        other = copy_of(one, tmp_path / "other")

        codes = [forks.run(desk, "run-once").code for desk in (one, other, one, other)]

        assert set(codes) <= set(WELL)
        assert sold(one.pos()) == sold(story["sequel"].end.pos)


@contextmanager
def meeting_at_sale(world: World, number: int) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Hold back the answer to the sale with this number until another one comes, of the other process, or it may go on.

    Gives the event that it has come, and the one that lets it go on.
    """
    come, both = threading.Event(), threading.Event()
    seen = itertools.count(1)

    def hold(request: Request) -> None:
        if request.method == "POST" and request.path.endswith("/sales"):
            place = next(seen)
            if place == number:
                come.set()
                both.wait(LONGEST)
            elif place > number:
                both.set()

    world.after.append(hold)
    try:
        yield come, both
    finally:
        both.set()
        world.after.remove(hold)


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "number"), [("overwrite", 1), ("conflict", 3), ("refused", 1), ("refused", 3)])
def test_two_processes_at_once_on_copies_double_no_sale(tmp_path: Path, desk: Desk, answer: str, number: int) -> None:
    desk.world.switch(existing_sale=answer)
    desk.write_config(("[sync]\n", "[sync]\nworkers = 1\n"))
    desk.run("run-once")
    for _ in range(3):
        desk.order()
    other = copy_of(desk, tmp_path.with_name(f"{tmp_path.name}-other"))

    with meeting_at_sale(desk.world, number) as (come, go_on), start("run-once", folder=desk.folder) as first:
        assert come.wait(LONGEST)
        with start("run-once", folder=other.folder) as second:
            # It has nothing left to write where it finds all sales there before it begins.
            after = second.ends().code
        go_on.set()
        codes = (first.ends().code, after)

    assert codes == (0, 0)
    assert [len(sales) for sales in desk.pos().sales.values()] == [1] * 6
    assert [each.run("run-once").out[:11] for each in (desk, other)] == ["6 unchanged"] * 2
