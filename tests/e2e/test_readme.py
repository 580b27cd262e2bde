"""Every console block of README.md is what the program prints, and every command in its text does something sensible.

Each is run here, or named with the tests that run it, and none is left out. A line of `…` stands for lines that README
leaves out; ids, times and counts of requests differ with each run.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

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


# --- what stands in the text -----------------------------------------------------------------------------------------

# Commands that go on until they are ended, ask all along, or want another shop than the one below; and where they run.
ELSEWHERE = {
    "bcpoll alerts list": "test_alert_lives.py",
    "bcpoll alerts test": "test_telling.py",
    "bcpoll init": "test_init.py",
    "bcpoll login": "test_login.py",
    "bcpoll man | man -l -": "test_manual.py",
    "bcpoll rebuild": "test_lost_checkpoint.py",
    "bcpoll run": "test_processes.py",
    "bcpoll sandbox": "test_processes.py",
}

# What the text leaves to the reader, by the word that stands for it, or after the option that it belongs to.
FILLED = {
    "1042": "121",
    "DAY": "2026-11-19",
    "EMAIL": "nobody@example.com",
    "FILE": "copy.db",
    "ID": "1",
    "--order ID": "121",
    "ORDER": "121",
    "SHELL": "zsh",
    "SKU": "KETTLE-CU",
    "TEXT": "entered by hand",
}

# What is left out where the text only names the command, and the answer to what would be asked.
ADDED = {
    "bcpoll backfill --all-orders": "--yes",
    "bcpoll backfill --all-orders --limit 20": "--yes",
    "bcpoll backfill --undo": "--yes",
    "bcpoll backup": "another-copy.db",
    "bcpoll completion": "bash",
    "bcpoll forget": "nobody@example.com",
    "bcpoll review retry": "1",
}


def told() -> list[str]:
    """Every command line outside the console blocks: those in the text, in tables and in blocks for a shell."""
    text = re.sub(r"^```console$.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```sh$(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    typed = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    inline = [" ".join(one.split()) for one in re.findall(r"(?<!`)`([^`]+)`", re.sub(r"(?ms)^```.*?^```$", "", text))]
    return list(dict.fromkeys(one for one in [*typed, *inline] if one.startswith("bcpoll ")))


def words(call: str) -> list[str]:
    """A command line as it is typed: filled in, with what is left out."""
    filled = f"{call} {ADDED.get(call, '')}"
    for word, meant in sorted(FILLED.items(), key=lambda pair: -len(pair[0])):
        kept, _, last = word.rpartition(" ")
        filled = re.sub(rf"\b{word}\b" if not kept else rf"{kept} {last}\b", f"{kept} '{meant}'".strip(), filled)
    return shlex.split(filled)[1:]


def test_every_command_in_the_text_is_understood_and_ends_well(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(demo_world())
    # Half of the shop's orders are from before the first run, for a backfill to bring over.
    desk.write_config(('start = "2000-01-01T00:00:00Z"', 'start = "2026-11-18T12:00:00Z"'))
    monkeypatch.chdir(desk.folder)
    desk.run("run-once")

    calls = [call for call in told() if call not in ELSEWHERE]
    ended = {call: desk.run(*words(call)) for call in calls}

    assert len(ended) > 20
    # 3: of this shop's orders, some are set aside.
    assert {call: said.err for call, said in ended.items() if said.code not in (0, 3)} == {}
    assert [call for call, said in ended.items() if not said.out] == []


def test_what_is_run_elsewhere_is_in_the_text_and_run_there() -> None:
    assert set(ELSEWHERE) <= set(told())
    for call, file in ELSEWHERE.items():
        command = call.partition(" | ")[0].split()[1:]
        assert ", ".join(f'"{word}"' for word in command) in (Path(__file__).parent / file).read_text()
