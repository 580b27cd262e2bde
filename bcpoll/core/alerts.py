"""What to tell the owner: a message when something is the matter, a reminder a day, and a message when it is over.

Decides from what is the matter now and what was told before. `monitoring.alerts` gathers the one and sends the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bcpoll.core.rejected import REASONS, Reason
from bcpoll.core.rhythm import Silence
from bcpoll.core.times import span_text

REMINDED_EVERY = timedelta(days=1)
"""How long after a message about something that goes on the next one comes."""


class Matter(StrEnum):
    """What may be the matter. Orders that are set aside are a matter by reason: see `aside`."""

    ACCESS = "access refused"
    NO_SUCCESS = "no success"
    NO_ORDERS = "no orders"


def aside(reason: Reason) -> str:
    """The name of the matter that orders are set aside for a reason."""
    return f"set aside: {reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that is the matter: since when, in one line, and what to do about it. Never names a person."""

    since: datetime
    line: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was told about a matter before."""

    since: datetime
    told_at: datetime


class Kind(StrEnum):
    """Which of the three a message is."""

    BEGAN = "began"
    GOES_ON = "goes on"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something to tell the owner about a matter."""

    matter: str
    kind: Kind
    since: datetime
    line: str
    remedy: str = ""


def messages(judged: Mapping[str, Trouble | None], told: Mapping[str, Told], now: datetime) -> tuple[Message, ...]:
    """What to tell now, given every matter that could be judged, with its trouble or None where all is well.

    A matter that could not be judged is absent from `judged`: nothing is told of it, and nothing forgotten.
    """
    return tuple(_messages(judged, told, now))


def _messages(judged: Mapping[str, Trouble | None], told: Mapping[str, Told], now: datetime) -> Iterator[Message]:
    for matter, trouble in judged.items():
        before = told.get(matter)
        if trouble is None and before is not None:
            yield Message(matter=matter, kind=Kind.OVER, since=before.since, line=_over(matter))
        elif trouble is not None and (before is None or _is_due(before, now)):
            yield Message(
                matter=matter,
                kind=Kind.BEGAN if before is None else Kind.GOES_ON,
                since=trouble.since if before is None else before.since,
                line=trouble.line,
                remedy=trouble.remedy,
            )


def _is_due(before: Told, now: datetime) -> bool:
    """Whether it is time for a reminder; a message from the future is a clock that was set back."""
    return not timedelta(0) <= now - before.told_at < REMINDED_EVERY


def _over(matter: str) -> str:
    return _OVER.get(matter) or "No order is set aside for this reason any more."


_OVER: Mapping[str, str] = {
    Matter.ACCESS: "BigCommerce and the POS let bcpoll in again.",
    Matter.NO_SUCCESS: "Passes get through again.",
    Matter.NO_ORDERS: "Orders come in again.",
}


def remedy(matter: str) -> str:
    """What to do about a matter; empty for one that is not known any more."""
    return _REMEDIES.get(matter, "")


_REMEDIES: Mapping[str, str] = {
    Matter.ACCESS: "Run bcpoll check: it says which, and what to do. Until then no order reaches the POS.",
    Matter.NO_SUCCESS: "Orders wait in BigCommerce and are not lost. See bcpoll status and bcpoll check.",
    Matter.NO_ORDERS: (
        "See whether the web store can be ordered from. If the shop was closed, there is nothing to do."
    ),
    **{aside(reason): f"{text.remedy} See bcpoll review list." for reason, text in REASONS.items()},
}


# --- what is the matter ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a pass and the checkpoint show of the sync."""

    got_through: bool
    refused: str = ""
    """What was said where a token or a scope was refused."""
    failure: str = ""
    """What stopped the pass."""
    last_success: datetime | None
    """When a pass last got through."""
    first: datetime
    """When the sync began, for a shop where no pass ever got through."""
    set_aside: Mapping[Reason, Sequence[tuple[int, datetime]]]
    """Orders by the reason for which they are set aside, each with the moment since when."""
    silence: Silence | None = None
    """The web store's silence, where it is unusual."""


def judge(seen: Seen, *, no_success: timedelta, now: datetime) -> Mapping[str, Trouble | None]:
    """Every matter that can be judged by what was seen, with its trouble or None.

    After a pass that stopped early nobody knows whether the tokens are good, or whether orders came.
    """
    judged: dict[str, Trouble | None] = {aside(reason): None for reason in Reason}
    judged |= {aside(reason): _aside(reason, orders) for reason, orders in seen.set_aside.items()}
    judged[Matter.NO_SUCCESS] = _no_success(seen, no_success, now)
    if seen.refused:
        judged[Matter.ACCESS] = Trouble(
            since=now,
            line=f"A token or a right was refused: {seen.refused}",
            remedy=remedy(Matter.ACCESS),
        )
    elif seen.got_through:
        judged[Matter.ACCESS] = None
    if seen.got_through:
        judged[Matter.NO_ORDERS] = _silent(seen.silence, now) if seen.silence else None
    return judged


# As many order numbers as can be read at a glance.
_NAMED = 10


def _aside(reason: Reason, orders: Sequence[tuple[int, datetime]]) -> Trouble:
    ids = [str(order_id) for order_id, _ in orders if order_id]
    named = ", ".join(ids[:_NAMED]) + (" and more" if len(ids) > _NAMED else "")
    count = f"{len(orders)} order{'s are' if len(orders) != 1 else ' is'}"
    return Trouble(
        since=min(since for _, since in orders),
        line=f"{count} set aside: {reason}{f' ({named})' if named else ''}. {REASONS[reason].cause}",
        remedy=remedy(aside(reason)),
    )


def _no_success(seen: Seen, patience: timedelta, now: datetime) -> Trouble | None:
    since = seen.last_success or seen.first
    if seen.got_through or now - since <= patience:
        return None
    said = f" The last pass said: {seen.failure}" if seen.failure else ""
    return Trouble(
        since=since,
        line=f"No pass got through for {span_text(now - since)}.{said}",
        remedy=remedy(Matter.NO_SUCCESS),
    )


def _silent(silence: Silence, now: datetime) -> Trouble:
    return Trouble(
        since=silence.since,
        line=f"No order came for {span_text(now - silence.since)}; by the weeks before, {silence.expected} would have"
        f" come, and no other silence was longer than {span_text(silence.longest)}.",
        remedy=remedy(Matter.NO_ORDERS),
    )
