"""`bcpoll status`: where the sync stands, from the checkpoint alone; works without network."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

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
        values = _values(checkpoint, wiring.now())
        runs = checkpoint.last_runs(_RUNS)
        if options.as_json:
            print_json(values | {"runs": [render.run_json(run) for run in runs]})
        else:
            render.show_status({name.replace("_", " "): value for name, value in values.items()}, runs)


COMMANDS = (status,)


def _values(checkpoint: "Checkpoint", now: datetime) -> dict[str, object]:
    cursor, success = checkpoint.cursor(), checkpoint.last_success()
    ended = success.ended_at if success else None
    waiting = {reason.value: count for reason, count in checkpoint.review_counts().items()}
    return {
        "checkpoint": str(checkpoint.path),
        "size_bytes": checkpoint.size(),
        "start": _text(checkpoint.start()),
        "cursor": _text(cursor),
        "last_success": f"{_text(ended)} ({_ago(now - ended)})" if ended else "never",
        "orders": {state.value: count for state, count in checkpoint.ledger_counts().items()},
        "set_aside": waiting or "none",
        "unsettled_intents": len(checkpoint.open_intents()),
    }


def _text(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "never"


def _ago(span: timedelta) -> str:
    minutes = max(0, int(span.total_seconds())) // 60
    if minutes < 1:
        return "just now"
    hours, minutes = divmod(minutes, 60)
    return f"{hours // 24} days ago" if hours >= 48 else f"{hours} h {minutes} min ago"
