"""`bcpoll rebuild`: a new checkpoint from what the POS holds, after the old one was lost."""

import threading
from datetime import datetime

import click

from bcpoll.cli.options import Options, pass_options, print_json
from bcpoll.cli.when import past_moment
from bcpoll.cli.words import say


@click.command(
    epilog="Example: bcpoll rebuild && bcpoll run-once --dry-run",
    short_help="Make a lost checkpoint anew from what the POS holds.",
)
@click.option(
    "--start",
    callback=past_moment,
    metavar="WHEN",
    help="Orders placed before this moment are left alone; else the oldest order among the sales that bcpoll wrote.",
)
@pass_options
def rebuild(options: Options, start: datetime | None) -> int:
    """Make a lost checkpoint anew from the sales, customers and products that the POS holds.

    Nothing is written to the POS. The next pass takes over what is there and writes only what is missing.
    """
    from bcpoll.cli import wiring
    from bcpoll.rebuild import Rebuild

    settings = wiring.settings_of(options.config, options.environ)
    with wiring.connected(settings, command="rebuild", stop=threading.Event()) as connection:
        _ = connection.shop
        rebuilt = Rebuild(
            source=connection.source,
            pos=connection.pos,
            checkpoint=connection.checkpoint,
            store_hash=settings.bigcommerce.store_hash,
            clock=wiring.now,
        ).run(start or settings.sync.start)
    if options.as_json:
        told = {"orders": rebuilt.orders, "refunds": rebuilt.refunds, "customers": rebuilt.customers}
        print_json(told | {"start": rebuilt.start})
        return 0
    if rebuilt.start is None:
        say("The POS holds no sale that bcpoll wrote: the next run is a first run.")
        return 0
    say(
        f"Read back {rebuilt.orders} orders, {rebuilt.refunds} refunds, {rebuilt.customers} customers and"
        f" {rebuilt.products} products."
    )
    say(f"Orders placed from {rebuilt.start:%Y-%m-%d %H:%M:%S} UTC on are followed.")
    say("See what the next pass would do: bcpoll run-once --dry-run")
    return 0


COMMANDS = (rebuild,)
