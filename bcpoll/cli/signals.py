"""SIGTERM and Ctrl-C: what they do while a command works, and while it waits for an answer."""

import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from bcpoll.errors import STOPPED

log = logging.getLogger(__name__)


@contextmanager
def stopping_on_signals(
    stop: threading.Event | None = None, *, then: Callable[[], None] = lambda: None, quietly: bool = False
) -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set, so that a pass ends after what is in flight; a second Ctrl-C interrupts."""
    stop = stop or threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()
        if not quietly:
            log.warning("stopping after what is in flight")
        then()

    with handling(ask):
        yield stop


@contextmanager
def stopping_at_once(stop: threading.Event) -> Iterator[Callable[[], None]]:
    """Raise STOPPED as soon as SIGTERM or Ctrl-C arrives, for the time of a question: nothing is in flight then.

    Yields what waits until a line can be read. Waiting in the read itself would miss a signal that came just before it.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        raise STOPPED

    heard, told = os.pipe()
    os.set_blocking(told, False)
    former = signal.set_wakeup_fd(told, warn_on_full_buffer=False)

    def await_line() -> None:
        if sys.stdin.isatty():
            select.select([sys.stdin, heard], [], [])

    try:
        with handling(end):
            yield await_line
    finally:
        signal.set_wakeup_fd(former)
        os.close(heard)
        os.close(told)


@contextmanager
def handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let a handler have SIGTERM and Ctrl-C for the length of the block."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
