"""`bcpoll status`: where the sync stands, from the checkpoint alone; works without network."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import Options, pass_options, print_json

if TYPE_CHECKING:
    from bcpoll.checkpoint import Checkpoint

_RUNS = 10


@click.command(epilog="Example: bcpoll status")
@pass_options
def status(options: Options) -> None:
    """Show cursor, lag, counts and the last runs."""
    from bcpoll.cli import render, wiring

    settings = wiring.settings_of(options.config, options.environ)
    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        standing, runs = _standing(checkpoint), checkpoint.last_runs(_RUNS)
    if options.as_json:
        print_json(_as_json(standing) | {"runs": [render.run_json(run) for run in runs]})
    else:
        render.show_status(_in_words(standing, wiring.now()), runs)


COMMANDS = (status,)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """What the checkpoint says about the sync as a whole."""

    checkpoint: Path
    size_bytes: int
    start: datetime | None
    cursor: datetime | None
    last_success: datetime | None
    orders: Mapping[str, int]
    refunds: Mapping[str, int]
    set_aside: Mapping[str, int]
    unsettled: int


def _standing(checkpoint: "Checkpoint") -> _Standing:
    success = checkpoint.last_success()
    return _Standing(
        checkpoint=checkpoint.path,
        size_bytes=checkpoint.size(),
        start=checkpoint.start(),
        cursor=checkpoint.cursor(),
        last_success=success.ended_at if success else None,
        orders={state.value: count for state, count in checkpoint.ledger_counts().items()},
        refunds={state.value: count for state, count in checkpoint.refund_counts().items()},
        set_aside={reason.value: count for reason, count in checkpoint.review_counts().items()},
        unsettled=len(checkpoint.open_intents()),
    )


def _as_json(standing: _Standing) -> dict[str, Any]:
    from bcpoll.core.times import iso

    times = {name: getattr(standing, name) for name in ("start", "cursor", "last_success")}
    return {
        "checkpoint": str(standing.checkpoint),
        "size_bytes": standing.size_bytes,
        **{name: iso(at) if at else None for name, at in times.items()},
        "orders": standing.orders,
        "refunds": standing.refunds,
        "set_aside": standing.set_aside,
        "unsettled_intents": standing.unsettled,
    }


def _in_words(standing: _Standing, now: datetime) -> dict[str, str]:
    waiting = sum(standing.set_aside.values())
    return {
        "checkpoint": f"{standing.checkpoint} ({standing.size_bytes // 1024} KiB)",
        "start": f"{_moment(standing.start)}; older orders are left alone",
        "cursor": _moment(standing.cursor, now),
        "last success": _moment(standing.last_success, now),
        "orders": _listed(standing.orders) or "none yet",
        **({"refunds": _listed(standing.refunds)} if standing.refunds else {}),
        "set aside": f"{_listed(standing.set_aside)} (bcpoll review list)" if waiting else "none",
        "unclear writes": f"{standing.unsettled}, looked up by the next run" if standing.unsettled else "none",
    }


# The states of orders and refunds, where a person would say them otherwise.
_WORDS = {
    "nothing": "without a sale",
    "open": "to be fulfilled",
    "waiting": "waiting for their orders",
    "changed": "changed after booking",
    "left": "left to people",
}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {_WORDS.get(name, name)}" for name, count in counts.items() if count)


def _moment(at: datetime | None, now: datetime | None = None) -> str:
    if at is None:
        return "never"
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" + (f" ({_ago(now - at)})" if now else "")


def _ago(span: timedelta) -> str:
    minutes = max(0, int(span.total_seconds())) // 60
    if minutes < 1:
        return "just now"
    hours, minutes = divmod(minutes, 60)
    return f"{hours // 24} days ago" if hours >= 48 else f"{hours} h {minutes} min ago"
