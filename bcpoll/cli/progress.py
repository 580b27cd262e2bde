"""How far a long command has got and how long it still takes: a bar on a terminal, else a line now and then, on stderr.

Owns the estimates: they go by the POS's rate limit and by the pace so far.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bcpoll.cli.wiring import Relay


# --- how long --------------------------------------------------------------------------------------------------------

# Requests to the POS per order where most customers have ordered before: the sale, and its share of everything else.
_REQUESTS_EACH = 1.05

# Seconds in one window of the POS's rate limit.
_WINDOW = 300


def limit_of(registers: int) -> int:
    """How many requests the POS takes within five minutes."""
    return 300 * registers + 50


def seconds_for(orders: int, registers: int) -> int:
    """How many seconds these orders take at the POS's limit."""
    return round(orders * _REQUESTS_EACH / limit_of(registers) * _WINDOW)


def duration(seconds: float) -> str:
    """A length of time in words, rounded to minutes, hours or days."""
    minutes, hours = max(round(seconds / 60), 1), round(seconds / 3600)
    if minutes < 100:
        return "a minute" if minutes == 1 else f"{minutes} minutes"
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"


# --- progress --------------------------------------------------------------------------------------------------------

# The key in click's context under which --no-progress is kept.
_QUIET = f"{__name__}.quiet"


def _hush(context: click.Context, _: click.Parameter, is_asked: bool) -> None:  # noqa: FBT001
    context.meta[_QUIET] = is_asked


no_progress = click.option("--no-progress", is_flag=True, expose_value=False, callback=_hush, help="Show no progress.")
"""The option that keeps a command from showing its progress."""

# Seconds between two lines where there is no terminal; times a second that the bar is drawn where there is one.
_EVERY = 30.0
_A_SECOND = 4

# From this share on, the limit counts as used up.
_FULL = 0.97

# After fewer orders than this, the pace so far says little about the rest.
_ENOUGH = 50


@dataclass
class _Meter:
    """The pace and the time left: brought up to date by `tell`, read by `said` whenever the bar is drawn."""

    relay: "Relay"
    total: int
    done: int = 0
    """In this run."""
    words: str = ""
    left: float = 0.0
    """Seconds left as of `told_at`."""
    told_at: float = 0.0

    def __post_init__(self) -> None:
        self.begun_at, self.sent_before = _monotonic(), self.relay.requests["pos"]

    def said(self) -> str:
        """The text beside the bar."""
        return ", ".join(filter(None, (self.words, self._rate(), self._left())))

    def _rate(self) -> str:
        budget = self.relay.pos_client.budget
        if budget.limit is None or budget.left is None:
            passed = max(_monotonic() - self.begun_at, 1.0)
            return f"{(self.relay.requests['pos'] - self.sent_before) / passed * 60:,.0f} requests a minute"
        allowed, used = (count / budget.window * 60 for count in (budget.limit, budget.limit - budget.left))
        waits = "waiting at the POS's limit: " if used >= allowed * _FULL else ""
        return f"{waits}{used:,.0f} of {allowed:,.0f} requests a minute"

    def _left(self) -> str:
        passed = _monotonic() - self.told_at
        return f"{duration(max(self.left - passed, 0))} left" if self.done >= _ENOUGH else ""

    def tell(self, done: int, before: int, words: str) -> None:
        """Note how many are done and estimate the rest: at the pace so far or, if slower, at the pace of the limit."""
        self.done, self.words, self.told_at = done, words, _monotonic()
        each, budget = (self.told_at - self.begun_at) / max(done, 1), self.relay.pos_client.budget
        if budget.limit is not None:
            sent = self.relay.requests["pos"] - self.sent_before
            each = max(each, sent / max(done, 1) * budget.window / budget.limit)
        self.left = each * max(self.total - before - done, 0)


@contextmanager
def progress(relay: "Relay", title: str, total: int) -> "Iterator[Callable[[int, int, str], None]]":
    """Show progress with its pace and the time left.

    Yields what is called with the orders done in this run, the orders done before it, and a text.
    """
    meter = _Meter(relay, total)
    with counting(title, total, meter.said) as count:

        def tell(done: int, before: int, words: str) -> None:
            meter.tell(done, before, words)
            count(before + done)

        yield tell


@contextmanager
def counting(title: str, total: int, said: Callable[[], str] = lambda: "") -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, else a line now and then, on stderr; yields what is called with how many are done."""
    if click.get_current_context().meta.get(_QUIET):
        yield lambda _done: None
        return
    if sys.stderr.isatty():
        with _bar(title, total, said) as tell:
            yield tell
        return
    last = _monotonic()

    def tell_in_lines(done: int) -> None:
        nonlocal last
        if _monotonic() - last >= _EVERY:
            last, beside = _monotonic(), said()
            click.echo(f"{title}: {done:,} of {total:,} orders{', ' if beside else ''}{beside}", err=True)

    yield tell_in_lines


@contextmanager
def _bar(title: str, total: int, said: Callable[[], str]) -> Iterator[Callable[[int], None]]:
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    from bcpoll.logs import written_to

    class Told(Progress):
        """The bar, and the text on a line of its own: side by side they are too wide for most terminals."""

        def get_renderables(self) -> Iterable[RenderableType]:
            yield from super().get_renderables()
            if beside := said():
                yield Text(beside)

    columns = (TextColumn(title), BarColumn(bar_width=None), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    # While the bar is there it stands in for sys.stderr, so that log lines are printed above it.
    with (
        Told(*columns, console=console, transient=True, expand=True, refresh_per_second=_A_SECOND) as bar,
        written_to(sys.stderr),
    ):
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


def _monotonic() -> float:
    from bcpoll.budget import SYSTEM_CLOCK

    return SYSTEM_CLOCK.monotonic()
