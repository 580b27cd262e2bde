"""`bcpoll rebuild`, as somebody does it whose checkpoint is gone."""

from collections.abc import Callable

import pytest
from program import Desk

from bcpoll.sandbox.seed import demo_world
from bcpoll.sandbox.world import World


def test_a_lost_checkpoint_is_noticed_and_made_anew_and_nothing_is_doubled(desk: Desk) -> None:
    desk.run("run-once")
    writes = desk.writes()
    desk.checkpoint.unlink()

    refused = desk.run("run-once")
    rebuilt = desk.run("rebuild")
    again = desk.run("run-once")

    assert (refused.code, refused.out) == (74, "")
    assert "is new, but the POS holds a sale that bcpoll wrote" in refused.err
    assert "bcpoll rebuild" in refused.err
    assert rebuilt.code == 0
    assert rebuilt.out.startswith("Read back 3 orders, ")
    assert again.code == 0
    assert desk.writes() == writes


@pytest.mark.slow
def test_of_a_shop_with_every_kind_of_order_nothing_is_written_again(open_desk: Callable[[World], Desk]) -> None:
    """The POS adds up unit values of five decimals, so that some of its totals are a hair beside the order's."""
    desk = open_desk(demo_world())
    desk.run("run-once")
    writes = desk.writes()
    desk.checkpoint.unlink()

    desk.run("rebuild")
    again = desk.run("run-once")

    assert desk.writes() == writes, again.out


def test_a_rebuild_as_json(desk: Desk) -> None:
    desk.run("run-once")
    desk.checkpoint.unlink()

    assert desk.run("--json", "rebuild").json["orders"] == 3


def test_a_rebuild_beside_a_pos_without_our_sales_leaves_a_first_run_to_do(desk: Desk) -> None:
    said = desk.run("rebuild")

    assert (said.code, said.out) == (0, "The POS holds no sale that bcpoll wrote: the next run is a first run.\n")
    assert "3 sales written" in desk.run("run-once").out


def test_a_checkpoint_in_use_is_left_alone(desk: Desk) -> None:
    desk.run("run-once")

    said = desk.run("rebuild")

    assert said.code == 74
    assert "is in use" in said.err
    assert "Move the file away first" in said.err


def test_a_start_that_is_no_moment(desk: Desk) -> None:
    assert desk.run("rebuild", "--start", "yesterday").code == 2
