"""`bcpoll alerts`: seeing that the owner would be told."""

import click

from bcpoll.cli.options import Options, pass_options, print_json

_NOT_SENT = 69


@click.group(epilog="Example: bcpoll alerts test")
def alerts() -> None:
    """See whether you would be told when something is the matter."""


@alerts.command("test", epilog="Example: bcpoll alerts test", short_help="Send a message to everybody who is told.")
@pass_options
def try_out(options: Options) -> int:
    """Send a message over the web hook, by e-mail and to the check, as far as [alerts] names them.

    Ends with 69 where one of them does not get through. Needs neither BigCommerce nor the POS.
    """
    from bcpoll.cli import telling, wiring

    settings = wiring.settings_of(options.config, options.environ)
    found = telling.alerts_of(settings)
    if found is None:
        raise click.UsageError("[alerts] names nobody: fill in webhook, ping, or email_to and smtp_host.")
    outcomes = found.tried()
    if options.as_json:
        print_json({"alerts": [{"by": name, "sent": not wrong, "error": wrong} for name, wrong in outcomes.items()]})
    else:
        for name, wrong in outcomes.items():
            click.echo(f"{name}: {f'not sent: {wrong}' if wrong else 'sent; see whether it has come'}")
    return _NOT_SENT if any(outcomes.values()) else 0


COMMANDS = (alerts,)
