"""What is told around each pass where the settings want it: pings, messages to the owner, and measurements.

Nothing of it is imported by a shop that wants none of it, and none of it can make a pass fail.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from bcpoll.errors import BcpollError, Problem, SettingsError
from bcpoll.logs import kept

if TYPE_CHECKING:
    from types import ModuleType

    from bcpoll.config import Settings
    from bcpoll.monitoring.alerts import Alerts
    from bcpoll.monitoring.standing import Standing

log = logging.getLogger(__name__)

# How many log lines of a pass go along with a ping: its warnings and, with -v, each order.
_LINES = 200


@dataclass
class Teller:
    """Passes on what a pass says of itself: that it has begun, what it did, and how it ended."""

    alerts: "Alerts | None"
    said: list[str] = field(default_factory=list)

    def begun(self) -> None:
        """The pass has begun: nothing that others hold is in its way."""
        if self.alerts is not None:
            self.alerts.begun()

    def did(self, line: str) -> None:
        """What the pass did, in a line."""
        self.said.append(line)

    def ended(self, error: Exception | None, lines: Sequence[str]) -> None:
        """The pass ended, with this error or well."""
        if self.alerts is not None:
            ending = [str(error)] if error is not None else []
            self.alerts.ended(error, [*lines, *self.said, *ending])


@contextmanager
def telling(settings: "Settings", *, is_whole: bool) -> Iterator[Teller]:
    """Report the pass within the block: that it began, and how it ended.

    A pass over a few named orders sends no messages: whoever started it sees how it went.
    """
    metrics = metrics_module(settings)
    teller = Teller(alerts_of(settings) if is_whole else None)
    with kept(_LINES) as lines:
        try:
            yield teller
        except click.UsageError:
            # A slip in what was typed: it is told on the screen.
            raise
        except Exception as error:
            teller.ended(error, lines)
            raise
        else:
            teller.ended(None, lines)
        finally:
            if metrics is not None:
                _measure(settings, metrics)


def alerts_of(settings: "Settings") -> "Alerts | None":
    """What tells the owner of this shop; None where nobody is to be told."""
    choices = settings.alerts
    if choices.webhook is None and choices.ping is None and not choices.email_to:
        return None
    from bcpoll.budget import SYSTEM_CLOCK
    from bcpoll.cli import wiring
    from bcpoll.lock import turn
    from bcpoll.monitoring.alerts import Alerts, channels_of, ping_of

    place = settings.checkpoint.path
    return Alerts(
        shop=settings.pos.domain_prefix,
        place=place,
        opened=lambda: wiring.open_checkpoint(settings, create=False),
        turn=lambda: turn(place.with_name(f"{place.name}.alerts"), clock=SYSTEM_CLOCK, patience=0),
        channels=channels_of(choices),
        ping=ping_of(choices),
        no_success=choices.no_success,
        no_orders=choices.no_orders,
        clock=wiring.now,
    )


# --- measurements ----------------------------------------------------------------------------------------------------


def metrics_module(settings: "Settings") -> "ModuleType | None":
    """The module that measures; None where nobody wants that. SettingsError where what it stands on is not there."""
    if settings.metrics.file is None and not settings.metrics.listen:
        return None
    try:
        from bcpoll.monitoring import metrics
    except ImportError:
        key = "file" if settings.metrics.file is not None else "listen"
        remedy = "Install it: pip install 'bcpoll[metrics]'; or take the key out."
        problem = Problem(f"[metrics] {key}", "needs prometheus-client, which is not installed", remedy)
        raise SettingsError([problem], source="the settings") from None
    return metrics


def _measure(settings: "Settings", metrics: "ModuleType") -> None:
    if settings.metrics.file is None:
        return
    try:
        metrics.write(settings.metrics.file, _look(settings))
    except (BcpollError, OSError) as error:
        log.warning("measurements could not be written to %s: %s", settings.metrics.file, error)


def _look(settings: "Settings") -> "Standing":
    from bcpoll.cli import wiring
    from bcpoll.monitoring.standing import standing

    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        return standing(checkpoint, wiring.now())


@contextmanager
def answering(settings: "Settings") -> Iterator[None]:
    """Answer to /metrics and /healthz for the length of the block, where the settings want that."""
    from bcpoll.cli import wiring

    metrics, where = metrics_module(settings), settings.metrics.listen
    if metrics is None or not where:
        yield
        return
    try:
        server = metrics.server(where)
    except OSError as error:
        remedy = "Write another port, or end what listens on it."
        problem = Problem("[metrics] listen", f"{where} cannot be listened on: {error.strerror}", remedy)
        raise SettingsError([problem], source="the settings") from None
    with metrics.serving(server, lambda: _look(settings), patience=settings.alerts.no_success, clock=wiring.now):
        log.info("answering to /metrics and /healthz on %s", where)
        yield
