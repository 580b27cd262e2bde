"""Every console block of README.md is what the program prints: each is run here, and none is left out.

A line of `…` stands for lines that README leaves out; ids, times and counts of requests differ with each run.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from program import ADA, ROOT, Desk
from terminal import Terminal

from bcpoll.sandbox.drafts import Draft, Parcel
from bcpoll.sandbox.seed import demo_world
from bcpoll.sandbox.world import World

README = (ROOT / "README.md").read_text(encoding="utf-8")

CUT = "…"

# What differs from one machine and moment to the next: ids that the POS gives, times, and how much was asked for.
VARIABLE = re.compile(
    r"POS customer [0-9a-f-]{36}|(?:^|(?<=  ))\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)? UTC|\d+ \+ \d+ requests", re.MULTILINE
)

OpenDesk = Callable[[World], Desk]

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Shown:
    """A command in README and what it is said to print."""

    section: str
    command: str
    output: str


BLOCKS = [
    (section.partition("\n")[0], block)
    for section in re.split(r"^## ", README, flags=re.MULTILINE)[1:]
    for block in re.findall(r"^```console\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
]


def shown() -> Iterator[Shown]:
    for section, block in BLOCKS:
        for call in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = call.partition("\n")
            yield Shown(section, command, output)


SHOWN = list(shown())


def of(section: str) -> list[Shown]:
    return [one for one in SHOWN if one.section == section]


def plain(text: str) -> str:
    """A text without what differs each time, and without blanks at the ends of its lines."""
    return "\n".join(line.rstrip() for line in VARIABLE.sub("<>", text).splitlines())


def check(one: Shown, printed: str) -> None:
    """Compare: from beginning to end or, where lines are left out, each part in its turn."""
    parts = [part.strip("\n") for part in re.split(rf"^{CUT}$", plain(one.output), flags=re.MULTILINE)]
    rest = plain(printed).strip("\n")
    assert rest.startswith(parts[0])
    assert rest.endswith(parts[-1])
    if len(parts) == 1:
        assert rest == parts[0]
    for part in filter(None, parts):
        before, found, rest = f"\n{rest}\n".partition(f"\n{part}\n")
        assert found, f"{part!r} is not in what comes after {before!r}"


def run(desk: Desk, one: Shown) -> None:
    program, *arguments = one.command.split()
    assert program == "bcpoll"
    said = desk.run(*arguments)
    check(one, said.out + said.err)


def test_no_block_is_left_out() -> None:
    tested = {"Quick start", "Setting up a real shop", "Looking closer"}

    assert {one.section for one in SHOWN} == tested, "each section with a console block has a test here that runs it"
    assert len(re.findall(r"```console", README)) == len(BLOCKS)


def test_the_demo_shows_this(open_desk: OpenDesk) -> None:
    (one,) = of("Quick start")

    run(open_desk(demo_world()), one)


def test_a_shop_is_set_up_like_this(open_desk: OpenDesk) -> None:
    desk = open_desk(demo_world())
    desk.config.unlink()
    made, looked, first, second = of("Setting up a real shop")

    terminal = Terminal(desk.folder, *made.command.split()[1:], "--api-url", desk.url)
    terminal.answers(
        {
            "Store hash:": "sandbox",
            "Access token": "store-token",
            "Domain prefix:": "sandbox",
            "Personal token": "pos-token",
            "changes that answer:": "",
        }
    )
    assert terminal.ends() == 0
    check(made, terminal.text.replace("\r", ""))
    run(desk, looked)
    run(desk, first)
    item = desk.world.store.item("TOWEL-LINEN", 2)
    desk.world.store.place(Draft(items=(item,), shopper=ADA, parcels=(Parcel(cost="6.00"),)))
    run(desk, second)


def test_looking_closer_shows_this(open_desk: OpenDesk) -> None:
    desk = open_desk(demo_world())
    dry_run, *others = of("Looking closer")
    run(desk, dry_run)

    desk.run("run-once")

    for one in others:
        run(desk, one)
    assert [one.command.split()[1] for one in (dry_run, *others)] == ["run-once", "show", "stock", "reconcile"]
