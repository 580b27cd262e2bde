"""Wiring: settings, checkpoint, both adapters and the clock, joined to what a pass works with.

The only place where concrete things are built and where the clock and the signals are read.
"""

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import FrameType

from bcpoll import bigcommerce, logs, pos
from bcpoll.apply import STOPPED
from bcpoll.budget import Clock
from bcpoll.checkpoint import Checkpoint
from bcpoll.config import Settings, load, policy
from bcpoll.core.shop import Shop
from bcpoll.cycle import Shell
from bcpoll.errors import Problem, SettingsError
from bcpoll.http import Client
from bcpoll.lock import run_lock
from bcpoll.rebuild import refuse_if_lost
from bcpoll.references import load_shop

log = logging.getLogger(__name__)

# More than any latency or the whole seconds of a `Date` header explain.
_SKEW = timedelta(minutes=5)


def now() -> datetime:
    """The host's clock. It dates log lines and later tries; the cursor never comes from it."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Connection:
    """Both sides and the checkpoint of one shop, for the length of a command."""

    settings: Settings
    checkpoint: Checkpoint
    store_client: Client
    pos_client: Client
    stop: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def source(self) -> bigcommerce.BigCommerce:
        """The web store."""
        return bigcommerce.BigCommerce(self.store_client, self.settings.bigcommerce.store_hash)

    @cached_property
    def pos(self) -> pos.LightspeedPos:
        """The POS."""
        return pos.LightspeedPos(self.pos_client, version=self.settings.pos.api_version)

    @cached_property
    def shop(self) -> Shop:
        """The reference data, read when it is first needed; with it both sides have answered to these settings."""
        shop = load_shop(self.settings, self.pos, self.checkpoint, now())
        self.checkpoint.claim(self.settings.bigcommerce.store_hash, self.settings.pos.domain_prefix)
        return shop

    @cached_property
    def shell(self) -> Shell:
        """What a pass works with."""
        sync = self.settings.sync
        return Shell(
            source=self.source,
            pos=self.pos,
            checkpoint=self.checkpoint,
            shop=lambda: self.shop,
            store_hash=self.settings.bigcommerce.store_hash,
            policy=policy(self.settings),
            clock=now,
            start=sync.start,
            overlap=sync.overlap,
            sweep=sync.sweep,
            keep_payloads=self.settings.checkpoint.keep_payloads,
            workers=sync.workers,
            when_closed=self.settings.pos.when_closed,
            stop=self.stop,
            before_first=self._refuse_if_lost,
        )

    def _refuse_if_lost(self) -> None:
        refuse_if_lost(self.source, self.pos, self.checkpoint, self.settings.bigcommerce.store_hash)

    def warn_of_skew(self) -> None:
        """Say so where this host's clock and the store's are far apart. The cursor does not care, later tries do."""
        told = self.store_client.server_date
        skew = now() - told if told else timedelta(0)
        if abs(skew) > _SKEW:
            minutes = int(abs(skew).total_seconds()) // 60
            way = "ahead of" if skew > timedelta(0) else "behind"
            log.warning("this host's clock is %s minutes %s BigCommerce's: set it, best by NTP", minutes, way)

    @property
    def requests(self) -> Mapping[str, int]:
        """How many requests went to each side so far."""
        return {"bigcommerce": self.store_client.requests, "pos": self.pos_client.requests}


def settings_of(config: Path | None, environ: Mapping[str, str]) -> Settings:
    """Load the settings, tell their warnings, and keep their secrets out of the log."""
    loaded = load(config, environ)
    logs.protect(loaded.settings.secrets)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    return loaded.settings


@contextmanager
def connected(settings: Settings, *, command: str, stop: threading.Event, create: bool = True) -> Iterator[Connection]:
    """Hold the run lock, open the checkpoint and both clients; raises LockHeld where another run is under way.

    With `create` off, a checkpoint that is not there yet is one in memory, so that nothing is left on the disk.
    """
    token = settings.pos.access_token
    if token is None:
        raise SettingsError(
            [
                Problem(
                    "[pos] access_token",
                    "is missing",
                    "Set a personal token; signing in by OAuth comes with a later version.",
                )
            ],
            source="the settings",
        )
    workers = settings.sync.workers
    with ExitStack() as stack:
        if create or settings.checkpoint.path.exists():
            stack.enter_context(run_lock(settings.checkpoint.path, command=command, now=now()))
            checkpoint = stack.enter_context(open_checkpoint(settings))
        else:
            checkpoint = stack.enter_context(Checkpoint.in_memory(now()))
        clock = _clock(stop)
        store_token = settings.bigcommerce.access_token
        store_client = bigcommerce.connect(
            settings.bigcommerce.base_url, store_token.get_secret_value(), workers=workers, clock=clock
        )
        pos_client = pos.connect(settings.pos.base_url, token.get_secret_value(), workers=workers, clock=clock)
        yield Connection(
            settings=settings,
            checkpoint=checkpoint,
            store_client=stack.enter_context(store_client),
            pos_client=stack.enter_context(pos_client),
            stop=stop,
        )


def _clock(stop: threading.Event) -> Clock:
    """The transport's clock. A wait for a rate limit may take minutes: it ends at once when the program is to stop."""

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise STOPPED

    return Clock(sleep=sleep)


@contextmanager
def open_checkpoint(settings: Settings, *, create: bool = True) -> Iterator[Checkpoint]:
    """Open the checkpoint of these settings; raises CheckpointError if it belongs to another shop."""
    with Checkpoint.open(settings.checkpoint.path, now=now(), create=create) as checkpoint:
        for warning in checkpoint.warnings:
            log.warning("%s", warning)
        checkpoint.check_owner(settings.bigcommerce.store_hash, settings.pos.domain_prefix)
        yield checkpoint


@contextmanager
def stopping_on_signals(
    stop: threading.Event | None = None, *, then: Callable[[], None] = lambda: None
) -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set, so that a pass ends after what is in flight; a second Ctrl-C interrupts."""
    stop = stop or threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()
        log.warning("stopping after what is in flight")
        then()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
