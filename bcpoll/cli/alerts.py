"""`bcpoll alerts`: what the owner is being told at present, and whether a message would come."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import Options, pass_options, print_json
from bcpoll.cli.words import say

if TYPE_CHECKING:
    from bcpoll.config import Settings
    from bcpoll.monitoring.alerts import Alerts, Listed

_NOT_SENT = 69


@click.group(epilog="Example: bcpoll alerts list")
def alerts() -> None:
    """List the current alerts, or send a test message."""


@alerts.command("list", epilog="Example: bcpoll alerts list", short_help="List the current alerts.")
@pass_options
def list_matters(options: Options) -> None:
    """List the alerts that are not over yet: since when, when and how they were last sent, and what to do.

    Each is sent when it begins, then once a day for as long as it lasts, and once more when it is over. Reads the
    checkpoint alone: it needs no network, and knows what the last pass found.
    """
    from bcpoll.cli import wiring

    settings = wiring.settings_of(options.config, options.environ)
    found = _alerts(settings)
    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        matters = found.listed(checkpoint)
    ways = [one.name for one in (*found.channels, found.ping) if one is not None]
    if options.as_json:
        print_json({"alerts": [_as_json(one) for one in matters], "by": ways})
    else:
        _show(matters, ways)


@alerts.command(
    "test", epilog="Example: bcpoll alerts test", short_help="Send a test message to everybody who gets alerts."
)
@pass_options
def try_out(options: Options) -> int:
    """Send a test message by web hook and e-mail and to the check, whichever of them [alerts] names.

    Ends with 69 where one of them does not get through. Needs neither BigCommerce nor the POS.
    """
    from bcpoll.cli import wiring

    outcomes = _alerts(wiring.settings_of(options.config, options.environ)).tried()
    if options.as_json:
        print_json({"alerts": [{"by": name, "sent": not wrong, "error": wrong} for name, wrong in outcomes.items()]})
    else:
        for name, wrong in outcomes.items():
            say(f"{name}: {f'not sent: {wrong}' if wrong else 'sent; see whether it has come'}")
    return _NOT_SENT if any(outcomes.values()) else 0


COMMANDS = (alerts,)


def _alerts(settings: "Settings") -> "Alerts":
    from bcpoll.cli import telling

    found = telling.alerts_of(settings)
    if found is None:
        raise click.UsageError("[alerts] names nobody: fill in webhook, ping, or email_to and smtp_host.")
    return found


def _as_json(one: "Listed") -> dict[str, Any]:
    from bcpoll.core.alerts import remedy
    from bcpoll.core.times import iso

    told_at = {way: iso(at) for way, at in one.told_at.items()}
    return {"matter": one.matter, "since": iso(one.since), "told_at": told_at, "remedy": remedy(one.matter)}


def _show(matters: "Sequence[Listed]", ways: list[str]) -> None:
    from bcpoll.cli import render
    from bcpoll.core.alerts import remedy

    if not matters:
        say(f"No alerts. New ones would be sent by: {', '.join(ways)}.")
        return
    rows = [
        (
            one.matter,
            _moment(one.since),
            _moment(max(one.told_at.values())) if one.told_at else "not yet",
            ", ".join(one.told_at),
            remedy(one.matter),
        )
        for one in matters
    ]
    columns = ("alert", "since", "last sent", "by", "what to do")
    render.show_table("Current alerts", columns, rows, below="what to do")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
