"""What goes to a terminal keeps to its width and to NO_COLOR; what goes elsewhere is plain text, a row on a line."""

import re
from collections.abc import Callable

import pytest
from program import Desk
from terminal import Terminal

from bcpoll.sandbox.seed import demo_world
from bcpoll.sandbox.world import World

pytestmark = pytest.mark.slow

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

# Of the ways to set off a text, those that are colours: 30 to 49 and 90 to 107, by themselves or among others.
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:[34]\d|9\d|10[0-7])[;m]")

NARROW = 60

COMMANDS = [
    ["run-once", "--dry-run"],
    ["run-once"],
    ["status"],
    ["review", "list"],
    ["review", "retry", "1"],
    ["show", "121"],
    ["show", "121", "--live"],
    ["stock", "KETTLE-CU"],
    ["reconcile"],
    ["prune"],
    ["check"],
    ["demo"],
]

OpenDesk = Callable[[World], Desk]


def shown(desk: Desk, *arguments: str, width: int = NARROW, **variables: str) -> str:
    terminal = Terminal(desk.folder, *arguments, COLUMNS=str(width), TERM="xterm-256color", **variables)
    terminal.answers({})
    terminal.ends()
    return terminal.text.replace("\r", "")


@pytest.fixture
def desk(open_desk: OpenDesk) -> Desk:
    return open_desk(demo_world())


@pytest.mark.parametrize("width", [NARROW, 40])
def test_no_line_is_wider_than_a_narrow_terminal_and_none_has_a_colour_where_that_is_not_wanted(
    desk: Desk, width: int
) -> None:
    for command in COMMANDS:
        text = shown(desk, *command, width=width, NO_COLOR="1")

        assert COLOUR.findall(text) == [], command
        # Lines of the log are left whole, to be searched: the terminal folds them.
        lines = [line for line in ESCAPE.sub("", text).splitlines() if not re.match(r"\d\d:\d\d:\d\d ", line)]
        assert [line for line in lines if len(line) > width] == [], command
        assert len(lines) >= 1


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["review", "list", "--for", "nonsense"], "is no reason why orders are set aside."),
        (["login"], "Fill in client_id and client_secret of your application;"),
        (["show", "9"], "The checkpoint has no order 9;"),
    ],
)
def test_what_went_wrong_is_folded_between_words(desk: Desk, command: list[str], told: str) -> None:
    desk.run("run-once")

    lines = shown(desk, *command, width=40).splitlines()

    assert [line for line in lines if len(line) > 40] == []
    assert told in " ".join(" ".join(lines).split())


def test_a_terminal_is_shown_colours_unless_told_otherwise(desk: Desk) -> None:
    assert COLOUR.findall(shown(desk, "check", NO_COLOR=""))


@pytest.mark.parametrize(("wish", "bars"), [((), True), (("--no-progress",), False)])
def test_a_backfill_tells_how_far_it_has_got_unless_nobody_wants_to_know(
    desk: Desk, wish: tuple[str, ...], *, bars: bool
) -> None:
    desk.write_config(('start = "2000-01-01T00:00:00Z"', 'start = "2026-11-23T00:00:00Z"'))

    text = shown(desk, "backfill", "--all-orders", "--yes", *wish)

    assert ("Bringing over" in text) is bars


def test_what_does_not_go_to_a_terminal_holds_no_escapes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for command in COMMANDS:
        said = desk.run(*command)

        assert said.out
        assert "\x1b" not in said.out + said.err, command


def test_the_questions_of_init_are_plain_where_no_colour_is_wanted_and_keep_to_the_width(desk: Desk) -> None:
    desk.config.unlink()
    answers = {"hash:": "sandbox", "Access token": "store-token", "prefix:": "sandbox", "Personal token": "pos-token"}
    answers["changes that answer:"] = ""
    terminal = Terminal(
        desk.folder, "init", "--api-url", desk.url, COLUMNS=str(NARROW), TERM="xterm-256color", NO_COLOR="1"
    )
    terminal.answers(answers)

    assert terminal.ends() == 0
    head, _, _ = terminal.text.replace("\r", "").partition("Is everything in order")
    assert "\x1b" not in head
    # A question stands on one line with what is typed.
    assert [line for line in head.splitlines() if len(line) > NARROW and not line.endswith(": ")] == []
