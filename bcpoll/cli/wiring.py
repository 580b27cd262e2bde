"""Wiring: settings, checkpoint, both adapters and the clock, joined to what a pass works with.

The only place where concrete things are built and where the host's clock is read.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bcpoll import logs
from bcpoll.adapters import bigcommerce, pos
from bcpoll.adapters.token_file import TokenFile
from bcpoll.budget import Clock, WindowBudget
from bcpoll.checkpoint import Checkpoint
from bcpoll.config import Loaded, Settings, is_there, load, policy
from bcpoll.core.fit import is_old_version, skew
from bcpoll.core.shop import Retailer, Shop, WhenClosed
from bcpoll.errors import STOPPED, BcpollError, Problem, SettingsError
from bcpoll.http import Client, Patience, TokenSource
from bcpoll.lock import backfill_lock, backfill_turn, run_lock
from bcpoll.monitoring.look import Setup
from bcpoll.monitoring.standing import NEXT_RUN, keep_budgets
from bcpoll.rebuild import refuse_if_lost
from bcpoll.references import load_shop
from bcpoll.shell import Shell

if TYPE_CHECKING:
    from bcpoll.adapters.oauth import TokenEndpoint

log = logging.getLogger(__name__)

# In `check` and `init` somebody waits for the answer, and would rather hear soon that there is none.
_IMPATIENT = Patience(tries=2, total=20.0)

# If the last pass is longer ago than this many intervals, no poller is running.
_POLLED_WITHIN = 3


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
            pace=self.pos_client,
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
        # Also where there is no order yet: names that the POS does not know show now, and the checkpoint has an owner.
        _ = self.shop

    def warn_of_skew(self) -> None:
        """Warn where this host's clock and the store's are far apart: later tries depend on it, the cursor does not."""
        told = self.store_client.server_date
        if told and (off := skew(told, now())):
            log.warning("this host's clock is %s BigCommerce's: set it, best by NTP", off)

    def warn_of_old_version(self) -> None:
        """Warn where the version of the POS's API may be past its end: an older one then answers without saying so."""
        version = self.settings.pos.api_version
        if self.settings.pos.is_real and is_old_version(version, now()):
            log.warning(
                "[pos] api_version %s is no longer sure to be supported: read the release notes of the newer versions,"
                " try one with bcpoll run-once --dry-run, and set it",
                version,
            )

    def expect_run(self, after: timedelta) -> None:
        """Note for `bcpoll status` when the next pass comes."""
        self.checkpoint.set_mark(NEXT_RUN, now() + after)

    def keep_budgets(self) -> None:
        """Note for `bcpoll status` what is left of both rate budgets."""
        views = {"bigcommerce": self.store_client.budget, "pos": self.pos_client.budget}
        keep_budgets(self.checkpoint, views, now())

    @property
    def requests(self) -> Mapping[str, int]:
        """How many requests went to each side so far."""
        return {"bigcommerce": self.store_client.requests, "pos": self.pos_client.requests}


def settings_of(config: Path | None, environ: Mapping[str, str]) -> Settings:
    """Load the settings, tell their warnings, and keep their secrets out of the log."""
    loaded = loaded_settings(config, environ)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    return loaded.settings


def loaded_settings(config: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Load the settings and keep their secrets out of the log; what there is to remark on them is for the caller."""
    loaded = load(config, environ)
    logs.protect(loaded.settings.secrets)
    return loaded


@contextmanager
def connected(
    settings: Settings, *, command: str, stop: threading.Event, create: bool = True, watching: bool = False
) -> Iterator[Connection]:
    """Hold the run lock, open the checkpoint and both clients; raises LockHeld where another run is under way.

    With `create` off, a checkpoint that is not there yet is one in memory, so that nothing is left on the disk. With
    `watching`, it has to be there and no lock is held: what only reads, for an hour maybe, must not hold up a pass.
    """
    with ExitStack() as stack:
        if watching:
            checkpoint = stack.enter_context(open_checkpoint(settings, create=False))
        elif create or is_there(settings.checkpoint.path):
            lock = run_lock(settings.checkpoint.path, command=command, now=now(), clock=_clock(stop))
            stack.enter_context(lock)
            checkpoint = stack.enter_context(open_checkpoint(settings))
            _verify_if_left_open(checkpoint)
        else:
            checkpoint = stack.enter_context(Checkpoint.in_memory(now()))
        store_client, pos_client = stack.enter_context(_clients(settings, stop))
        yield Connection(
            settings=settings,
            checkpoint=checkpoint,
            store_client=store_client,
            pos_client=pos_client,
            stop=stop,
        )


def _verify_if_left_open(checkpoint: Checkpoint) -> None:
    if checkpoint.was_left_open:
        log.info("the last run did not end in order: reading the whole checkpoint through")
        checkpoint.verify()


@dataclass
class Relay:
    """Both sides for the length of a command, and the checkpoint for one turn at a time, so that others get theirs."""

    settings: Settings
    command: str
    store_client: Client
    pos_client: Client
    stop: threading.Event
    in_memory: Checkpoint | None = None
    """What stands for a checkpoint that is not there yet, where nothing is to be left on the disk."""
    _shop: Shop | None = None
    _is_verified: bool = False

    @contextmanager
    def turn(self) -> Iterator[Shell]:
        """A shell for one turn, taken once no other run is under way or waiting."""
        with ExitStack() as stack:
            checkpoint = self.in_memory or self._opened(stack)
            connection = Connection(
                settings=self.settings,
                checkpoint=checkpoint,
                store_client=self.store_client,
                pos_client=self.pos_client,
                stop=self.stop,
            )
            self.pos_client.reserve(self.settings.sync.reserve if self._is_polled(checkpoint) else 0)
            yield replace(connection.shell, shop=lambda: self._shop_of(connection))

    def _opened(self, stack: ExitStack) -> Checkpoint:
        path, clock = self.settings.checkpoint.path, _clock(self.stop)
        stack.enter_context(backfill_turn(path, command=self.command, now=now(), clock=clock))
        checkpoint = stack.enter_context(open_checkpoint(self.settings))
        if not self._is_verified:
            _verify_if_left_open(checkpoint)
            self._is_verified = True
        return checkpoint

    def _is_polled(self, checkpoint: Checkpoint) -> bool:
        """Whether passes go on meanwhile and need a part of the rate limit."""
        last = next(iter(checkpoint.last_passes(1)), None)
        return last is not None and now() - last.begun_at < _POLLED_WITHIN * self.settings.sync.interval

    def _shop_of(self, connection: Connection) -> Shop:
        if self._shop is None:
            self._shop = connection.shop
        return self._shop

    @property
    def requests(self) -> Mapping[str, int]:
        """How many requests went to each side so far."""
        return {"bigcommerce": self.store_client.requests, "pos": self.pos_client.requests}


@contextmanager
def taking_turns(settings: Settings, *, command: str, stop: threading.Event, create: bool = True) -> Iterator[Relay]:
    """Both sides, for a command that works for hours beside a running poller; LockHeld where there is one like it.

    With `create` off, a checkpoint that is not there yet is one in memory.
    """
    with ExitStack() as stack:
        has_file = create or is_there(settings.checkpoint.path)
        if has_file:
            stack.enter_context(backfill_lock(settings.checkpoint.path, command=command, now=now()))
        store_client, pos_client = stack.enter_context(_clients(settings, stop))
        yield Relay(
            settings=settings,
            command=command,
            store_client=store_client,
            pos_client=pos_client,
            stop=stop,
            in_memory=None if has_file else stack.enter_context(Checkpoint.in_memory(now())),
        )


@contextmanager
def _clients(settings: Settings, stop: threading.Event) -> Iterator[tuple[Client, Client]]:
    """Clients of the store and of the POS, closed in the end."""
    workers, clock = settings.sync.workers, _clock(stop)
    with (
        _store_client(settings, clock, workers=workers) as store_client,
        _pos_token(settings, clock) as token,
        pos.connect(settings.pos.base_url, token, workers=workers, clock=clock) as pos_client,
    ):
        yield store_client, pos_client


def _store_client(
    settings: Settings, clock: Clock, *, workers: int = 1, patience: Patience = bigcommerce.PATIENCE
) -> Client:
    access = settings.bigcommerce
    token = access.access_token.get_secret_value()
    return bigcommerce.connect(access.base_url, token, workers=workers, patience=patience, clock=clock)


@contextmanager
def looking_at_store(settings: Settings) -> Iterator[tuple[bigcommerce.BigCommerce, Client]]:
    """The web store with the connection to it, for somebody who waits for an answer."""
    clock = _clock(threading.Event())
    with _store_client(settings, clock, patience=_IMPATIENT) as client:
        yield bigcommerce.BigCommerce(client, settings.bigcommerce.store_hash), client


@contextmanager
def looking(loaded: Loaded) -> Iterator[Setup]:
    """Both sides and the clock, for finding out whether all is in order. Neither checkpoint nor run lock."""
    settings = loaded.settings
    with looking_at_store(settings) as (source, store_client), looking_at_pos(settings) as (point, pos_client):
        yield Setup(
            loaded=loaded,
            source=source,
            pos=point,
            now=now,
            store_date=lambda: store_client.server_date,
            pos_date=lambda: pos_client.server_date,
            granted=None if settings.pos.access_token is not None else lambda: _granted(settings),
            needed=scopes(settings),
        )


def scopes(settings: Settings) -> tuple[str, ...]:
    """What a login to the POS asks for."""
    return pos.SCOPES + ((pos.OPENING_SCOPE,) if settings.pos.when_closed is WhenClosed.OPEN else ())


def _granted(settings: Settings) -> frozenset[str]:
    file = TokenFile(settings.checkpoint.path, clock=_clock(threading.Event()))
    return frozenset(file.read().scope.split())


@contextmanager
def looking_at_pos(settings: Settings) -> Iterator[tuple[pos.LightspeedPos, Client]]:
    """The POS with the connection to it, for somebody who waits for an answer. OAuth tokens may be renewed over it."""
    clock = _clock(threading.Event())
    with (
        _pos_token(settings, clock, when_asked=True) as token,
        pos.connect(settings.pos.base_url, token, patience=_IMPATIENT, clock=clock) as client,
    ):
        yield pos.LightspeedPos(client, version=settings.pos.api_version), client


@contextmanager
def _pos_token(settings: Settings, clock: Clock, *, when_asked: bool = False) -> Iterator[str | TokenSource]:
    """The personal token of the settings, or tokens that renew themselves.

    AccessRefused where nobody has logged in; with `when_asked`, from the first request that wants a token.
    """
    if settings.pos.access_token is not None:
        yield settings.pos.access_token.get_secret_value()
        return
    # Imported late: its libraries take longer to import than a pass takes that finds nothing to do.
    from bcpoll.adapters.oauth import RotatingTokens

    with _token_endpoint(settings, clock) as endpoint:

        def made() -> TokenSource:
            return RotatingTokens(endpoint, TokenFile(settings.checkpoint.path, clock=clock), clock=clock)

        yield _WhenAsked(made) if when_asked else made()


@dataclass
class _WhenAsked:
    """Tokens that the first request looks for: where there are none, that request alone fails."""

    _make: Callable[[], TokenSource]

    @cached_property
    def _tokens(self) -> TokenSource:
        return self._make()

    def current(self) -> str:
        return self._tokens.current()

    def renewed(self, refused: str) -> str:
        return self._tokens.renewed(refused)


@contextmanager
def _token_endpoint(settings: Settings, clock: Clock) -> "Iterator[TokenEndpoint]":
    """The POS's token endpoint, for the application of the settings; SettingsError where they name none."""
    from bcpoll.adapters.oauth import PATIENCE, TIMEOUTS, Application, TokenEndpoint

    access = settings.pos
    if access.client_id is None or access.client_secret is None:
        remedy = "Fill in client_id and client_secret of your application; with a personal token, no login is needed."
        raise SettingsError([Problem("[pos] client_id", "is missing", remedy)], source="the settings file")
    application = Application(
        domain_prefix=access.domain_prefix,
        client_id=access.client_id,
        client_secret=access.client_secret.get_secret_value(),
        redirect_url=access.redirect_url,
    )
    with Client(
        access.base_url,
        side=pos.OAUTH_SIDE,
        headers={},
        budget=WindowBudget(clock=clock),
        timeouts=TIMEOUTS,
        patience=PATIENCE,
        clock=clock,
    ) as client:
        yield TokenEndpoint(client, application, clock=clock)


@dataclass(frozen=True)
class SignIn:
    """What a login to the POS works with."""

    settings: Settings
    endpoint: "TokenEndpoint"
    file: TokenFile
    clock: Clock

    def retailer(self) -> Retailer:
        """The account that the tokens on disk lead to: the first thing that is asked with them."""
        from bcpoll.adapters.oauth import RotatingTokens

        tokens = RotatingTokens(self.endpoint, self.file, clock=self.clock)
        with pos.connect(self.settings.pos.base_url, tokens, clock=self.clock) as client:
            return pos.LightspeedPos(client, version=self.settings.pos.api_version).retailer()


@contextmanager
def signing_in(settings: Settings) -> Iterator[SignIn]:
    """What a login works with. Neither checkpoint nor run lock: a run under way takes the new tokens when it must."""
    clock = _clock(threading.Event())
    with _token_endpoint(settings, clock) as endpoint:
        file = TokenFile(settings.checkpoint.path, clock=clock)
        yield SignIn(settings=settings, endpoint=endpoint, file=file, clock=clock)


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


def expect_no_run(settings: Settings) -> None:
    """Note that nobody is there any more who would begin the next pass."""
    with suppress(BcpollError), open_checkpoint(settings, create=False) as checkpoint:
        checkpoint.drop_mark(NEXT_RUN)
