"""Telling the owner how passes go: pings around each, and messages about what is the matter.

Owns what is looked at, in which order it is told, and that no failure to tell anybody is a failure of the pass. What is
told when is decided in `core.alerts`, how it is sent is the business of `channels`.
"""

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from bcpoll.checkpoint import Checkpoint
from bcpoll.config import AlertChoices
from bcpoll.core.alerts import REMINDED_EVERY, Kind, Message, Seen, aside, judge, messages
from bcpoll.core.personal import masked
from bcpoll.core.rejected import Reason
from bcpoll.core.rhythm import HOUR, WEEK, WEEKS, Silence, unusual_silence
from bcpoll.core.times import span_text
from bcpoll.errors import STOPPED, AccessRefused, BcpollError, CheckpointError, RetryLater
from bcpoll.lock import LockHeld
from bcpoll.logs import MASK, redacted
from bcpoll.monitoring.channels import Channel, Letter, Mail, NotSent, Ping, Unheard, Webhook
from bcpoll.monitoring.standing import zone_of
from bcpoll.references import known_retailer

log = logging.getLogger(__name__)


def channels_of(choices: AlertChoices) -> tuple[Channel, ...]:
    """The ways in which messages are sent."""
    found: list[Channel] = []
    if choices.webhook is not None:
        found.append(Webhook(choices.webhook.get_secret_value()))
    if choices.email_to:
        found.append(
            Mail(
                host=choices.smtp_host,
                port=choices.smtp_port,
                user=choices.smtp_user,
                password=choices.smtp_password.get_secret_value() if choices.smtp_password else "",
                sender=choices.email_from or choices.email_to[0],
                recipients=choices.email_to,
            )
        )
    return tuple(found)


def ping_of(choices: AlertChoices) -> Ping | None:
    """The check that is pinged around each pass, if there is one."""
    return Ping(choices.ping.get_secret_value()) if choices.ping is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Something that is the matter, since when, and when it was told last over which channel."""

    matter: str
    since: datetime
    told_at: Mapping[str, datetime]


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """Tells the owner of one shop."""

    shop: str
    """What the shop is called in messages."""
    place: Path
    """The checkpoint's file."""
    opened: Callable[[], AbstractContextManager[Checkpoint]]
    turn: Callable[[], AbstractContextManager[None]]
    """Held while messages go out; raises RetryLater where another process is at it."""
    channels: Sequence[Channel]
    ping: Ping | None
    no_success: timedelta
    no_orders: bool
    clock: Callable[[], datetime]

    def begun(self) -> None:
        """Say that a pass begins."""
        if self.ping is not None:
            with _never_mind("the start of the pass"):
                self.ping.begun()

    def ended(self, error: Exception | None, lines: Sequence[str]) -> None:
        """Say how a pass ended: with this error, or well for None. Raises nothing."""
        # Stopped on purpose: nobody has to be told.
        if error is STOPPED:
            return
        self._ping(error, lines)
        if not self.channels:
            return
        with _never_mind("how the pass went"):
            try:
                with self.turn():
                    self._tell(error)
            except RetryLater:
                log.debug("another process tells the owner")

    def tried(self) -> dict[str, str]:
        """Send a message over each channel, to see it work; gives what went wrong by channel, or nothing."""
        letter = Letter(
            subject=f"bcpoll ({self.shop}): a test",
            text="This is how bcpoll tells when something is the matter. Nothing is.",
            at=self.clock(),
        )
        sends: dict[str, Callable[[], None]] = {one.name: _sending(one, letter) for one in self.channels}
        if self.ping is not None:
            ping = self.ping
            sends[ping.name] = lambda: ping.stopped("A test of bcpoll's.")
        return {name: _outcome(send) for name, send in sends.items()}

    def listed(self, checkpoint: Checkpoint) -> list[Listed]:
        """What is being told at present; orders that are set aside also where no message got through yet."""
        by_channel = {one.name: checkpoint.told(one.name) for one in self.channels}
        since: dict[str, datetime] = {}
        for item in checkpoint.review_items():
            since.setdefault(aside(item.reason), item.first_at)
        since |= {matter: told.since for one in by_channel.values() for matter, told in one.items()}
        return [
            Listed(
                matter=matter,
                since=begun,
                told_at={name: told[matter].told_at for name, told in by_channel.items() if matter in told},
            )
            for matter, begun in since.items()
        ]

    # --- pings ---

    def _ping(self, error: Exception | None, lines: Sequence[str]) -> None:
        if self.ping is None or isinstance(error, LockHeld):
            return
        told = _for_strangers("\n".join(lines))
        with _never_mind("the end of the pass"):
            if error is None:
                self.ping.got_through(told)
            elif isinstance(error, RetryLater):
                self.ping.stopped(told)
            else:
                self.ping.failed(told)

    # --- messages ---

    def _tell(self, error: Exception | None) -> None:
        now = self.clock()
        try:
            if isinstance(error, CheckpointError):
                raise error
            with self.opened() as checkpoint:
                judged = judge(self._seen(checkpoint, error, now), no_success=self.no_success, now=now)
                for channel in self.channels:
                    self._tell_over(channel, checkpoint, messages(judged, checkpoint.told(channel.name), now), now)
        except CheckpointError as lost:
            self._tell_of_checkpoint(lost, now)
        else:
            self._checkpoint_is_well(now)

    def _tell_over(self, channel: Channel, checkpoint: Checkpoint, due: Iterable[Message], now: datetime) -> None:
        """Send what is due over a channel. What does not get through is not told: the next pass tries it again."""
        for message in due:
            sent = self._send(channel, self._letter(message, now))
            if sent is Sent.WELL:
                checkpoint.keep_told(channel.name, message, now)
            elif sent is Sent.UNHEARD:
                # Each further message would be waited for as long.
                return

    def _seen(self, checkpoint: Checkpoint, error: Exception | None, now: datetime) -> Seen:
        success = checkpoint.last_success()
        said = _said(error)
        aside: dict[Reason, list[tuple[int, datetime]]] = defaultdict(list)
        for item in checkpoint.review_items():
            aside[item.reason].append((item.order_id, item.first_at))
        return Seen(
            got_through=error is None,
            refused=said if isinstance(error, AccessRefused) else "",
            failure=said,
            last_success=success.ended_at if success else None,
            first=checkpoint.made_at(),
            set_aside=aside,
            silence=self._silence(checkpoint, now),
        )

    def _silence(self, checkpoint: Checkpoint, now: datetime) -> Silence | None:
        last = checkpoint.last_placed(now) if self.no_orders else None
        if last is None:
            return None
        retailer = known_retailer(checkpoint)
        hours = checkpoint.orders_by_hour(last - WEEKS * WEEK - HOUR)
        return unusual_silence(hours, now, zone_of(retailer.timezone if retailer else ""))

    def _letter(self, message: Message, now: datetime) -> Letter:
        lasted = span_text(now - message.since)
        word, when = {
            Kind.BEGAN: ("", f"Since {message.since:%Y-%m-%d %H:%M} UTC."),
            Kind.GOES_ON: ("still: ", f"For {lasted} now. You are told once a day."),
            Kind.OVER: ("over: ", f"It took {lasted}."),
        }[message.kind]
        text = "\n".join(filter(None, (message.line, message.remedy, when)))
        return Letter(subject=f"bcpoll ({self.shop}): {word}{message.matter}", text=text, at=now)

    # --- without a checkpoint, what was told over a channel is told by the time of a file beside it ---

    def _mark(self, channel: Channel) -> Path:
        return self.place.with_name(f"{self.place.name}.{channel.name}-told")

    def _tell_of_checkpoint(self, error: CheckpointError, now: datetime) -> None:
        """Tell that the checkpoint cannot be used, once a day; not at all where not even that can be remembered."""
        for channel in self.channels:
            before = _written_at(self._mark(channel))
            if before is not None and timedelta(0) <= now - before < REMINDED_EVERY:
                continue
            subject = f"{'still: ' if before else ''}{_UNUSABLE}"
            _write_mark(self._mark(channel), now)
            if self._send_alone(channel, subject, f"{_said(error)}\n{_ORDERS_WAIT}", now) is not Sent.WELL:
                _write_mark(self._mark(channel), before)

    def _checkpoint_is_well(self, now: datetime) -> None:
        for channel in self.channels:
            if not self._mark(channel).exists():
                continue
            if self._send_alone(channel, f"over: {_UNUSABLE}", "The checkpoint can be used again.", now) is Sent.WELL:
                self._mark(channel).unlink()

    def _send_alone(self, channel: Channel, subject: str, text: str, now: datetime) -> "Sent":
        return self._send(channel, Letter(subject=f"bcpoll ({self.shop}): {subject}", text=text, at=now))

    def _send(self, channel: Channel, letter: Letter) -> "Sent":
        """Send over a channel. Whatever goes wrong with one, the others are tried."""
        try:
            channel.send(letter)
        except NotSent as error:
            log.warning("alert by %s not sent: %s", channel.name, error.message)
            return Sent.UNHEARD if isinstance(error, Unheard) else Sent.REFUSED
        except Exception:
            log.exception("alert by %s not sent", channel.name)
            return Sent.REFUSED
        return Sent.WELL


class Sent(StrEnum):
    """What became of a message."""

    WELL = "well"
    REFUSED = "refused"
    UNHEARD = "unheard"


_UNUSABLE = "checkpoint unusable"
_ORDERS_WAIT = "Until it is mended no order reaches the POS."


def _written_at(mark: Path) -> datetime | None:
    """The time of a mark; None where there is none."""
    try:
        return datetime.fromtimestamp(mark.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def _write_mark(mark: Path, at: datetime | None) -> None:
    """Give a mark its time, or take it away; an empty file finds room on a full disk too."""
    if at is None:
        mark.unlink(missing_ok=True)
        return
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT, 0o600))
    os.utime(mark, (at.timestamp(), at.timestamp()))


@contextmanager
def _never_mind(what: str) -> Iterator[None]:
    """Whoever cannot be told is no reason for a pass to fail."""
    try:
        yield
    except (BcpollError, OSError) as error:
        log.warning("nobody could be told of %s: %s", what, error)
    except Exception:
        log.exception("nobody could be told of %s", what)


def _said(error: Exception | None) -> str:
    """What an error says, for whoever reads e-mail."""
    if error is None:
        return ""
    text = f"{error.message} {error.hint}" if isinstance(error, BcpollError) else f"a bug in bcpoll: {error!r}"
    return _for_strangers(text.strip())


def _for_strangers(text: str) -> str:
    """A text without secrets and without people's addresses."""
    return masked(redacted(text), MASK)


def _sending(channel: Channel, letter: Letter) -> Callable[[], None]:
    return lambda: channel.send(letter)


def _outcome(send: Callable[[], None]) -> str:
    try:
        send()
    except NotSent as error:
        return f"{error.message}. {error.hint}"
    return ""
