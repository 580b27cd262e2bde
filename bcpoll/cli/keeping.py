"""Keeping house: `bcpoll prune`, `backup` and `forget`, over the checkpoint alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcpoll.cli.options import ORDER_ID, Options, pass_options, print_json
from bcpoll.cli.words import say

if TYPE_CHECKING:
    from bcpoll.checkpoint import Checkpoint, Traces
    from bcpoll.config import Settings


def _duration(_ctx: click.Context, _param: click.Parameter, text: str | None) -> timedelta | None:
    """Read the value of an option as a length of time."""
    from bcpoll.config import read_duration

    if text is None:
        return None
    try:
        return read_duration(text)
    except ValueError:
        raise click.BadParameter(f'{text!r} is not a length of time. Write "30d", or "12h".') from None


@contextmanager
def _held(settings: "Settings", command: str) -> "Iterator[Checkpoint]":
    """The checkpoint, with no pass beside it: what writes the whole file anew would keep one waiting."""
    from bcpoll.cli import wiring
    from bcpoll.lock import run_lock

    with (
        run_lock(settings.checkpoint.path, command=command, now=wiring.now()),
        wiring.open_checkpoint(settings, create=False) as checkpoint,
    ):
        yield checkpoint


# --- prune -----------------------------------------------------------------------------------------------------------


@click.command(
    epilog="Example: bcpoll prune --older-than 30d", short_help="Blank old payloads and make the checkpoint smaller."
)
@click.option(
    "--older-than",
    "age",
    callback=_duration,
    metavar="LENGTH",
    help="Blank what was finished longer ago than this; [checkpoint] keep_payloads unless given.",
)
@pass_options
def prune(options: Options, age: timedelta | None) -> None:
    """Blank the payloads of what was finished long ago, and write the checkpoint anew without them.

    A pass blanks them too, once a day by [checkpoint] keep_payloads, but leaves the file as large as it is: its room is
    used again. Making it smaller needs as much free space for a moment, and no pass can run meanwhile. Ledger,
    refunds and whatever is open stay as they are; runs that wrote nothing are forgotten.
    """
    from bcpoll.cli import wiring

    settings = wiring.settings_of(options.config, options.environ)
    with _held(settings, "prune") as checkpoint:
        before, until = checkpoint.size(), wiring.now() - (age or settings.checkpoint.keep_payloads)
        runs, payloads = checkpoint.prune_runs(until), checkpoint.prune(until)
        checkpoint.vacuum()
        after = checkpoint.size()
    if options.as_json:
        print_json({"payloads": payloads, "runs": runs, "bytes_before": before, "bytes_after": after})
    else:
        say(
            f"Blanked {_counted(payloads, 'payload')} and forgot {_counted(runs, 'run')}:"
            f" {before // 1024} KiB before, {after // 1024} KiB now."
        )


# --- backup ----------------------------------------------------------------------------------------------------------


@click.command(epilog="Example: bcpoll backup bcpoll-monday.db", short_help="Copy the checkpoint to a new file.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_options
def backup(options: Options, file: Path) -> None:
    """Copy the checkpoint to a new file, whole and checked, also while a pass is under way.

    The copy can be read by you alone. To go back to it, move the checkpoint away with the -wal and -shm files beside
    it, and put the copy in its place: the next pass looks up every sale that was written since.
    """
    from bcpoll.cli import wiring

    settings = wiring.settings_of(options.config, options.environ)
    if file.exists() or file.is_symlink():
        raise click.UsageError(f"{file} exists already. Name a file that is not there yet.")
    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        size = checkpoint.backup(file)
    if options.as_json:
        print_json({"backup": str(file), "size_bytes": size})
    else:
        click.echo(f"Copied to {file} ({size // 1024} KiB).")


# --- forget ----------------------------------------------------------------------------------------------------------


@click.command(epilog="Example: bcpoll forget ada@example.com", short_help="Erase a person from the checkpoint.")
@click.argument("email", metavar="[EMAIL]", required=False)
@click.option(
    "--order",
    "orders",
    callback=ORDER_ID,
    multiple=True,
    metavar="ID",
    help="Whoever placed this order, for a person without an e-mail address; may be repeated.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_options
def forget(options: Options, email: str | None, orders: tuple[int, ...], yes: bool) -> None:  # noqa: FBT001
    """Erase what the checkpoint holds of the person with an e-mail address, after showing what that is.

    Names, addresses and messages are in payloads that are kept for a while, and in links to customers of the POS.
    Sales and customers in the POS stay, and so does what BigCommerce has: erase the person there first, or the next
    change to an order brings it back.

    Somebody of whom you know no more than a name or a telephone number: find their orders in BigCommerce, and give the
    numbers by --order. Other orders that were booked for the same customer go with them.
    """
    from bcpoll.cli import wiring

    email = (email or "").strip()
    if not email and not orders:
        raise click.UsageError("Name the person by the e-mail address on the orders, or by --order and their numbers.")
    if email and "@" not in email.strip("@"):
        raise click.UsageError(
            f"{email!r} is not an e-mail address. Write it as it stands on the orders; for a person without one, name"
            " the orders: --order 1042."
        )
    who = " and ".join(filter(None, (email, _named(orders))))
    settings = wiring.settings_of(options.config, options.environ)
    if not yes:
        if options.as_json:
            raise click.UsageError("--json cannot ask: say --yes with it.")
        # Without the lock: whoever thinks the answer over keeps no pass waiting.
        with wiring.open_checkpoint(settings, create=False) as checkpoint:
            found = checkpoint.traces(email, orders)
        if found.is_known:
            _show(found, who)
            if not _says_yes("Forget all of that? It cannot be brought back"):
                click.echo("Nothing was forgotten.", err=True)
                return
    with _held(settings, "forget") as checkpoint:
        found = checkpoint.traces(email, orders)
        if found.is_known:
            found = checkpoint.forget_person(email, orders)
            checkpoint.vacuum()
        copies = checkpoint.old_copies()
    _tell(options, found, who, copies)


def _says_yes(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort as error:
        if sys.stdin.isatty():
            raise
        raise click.UsageError("Nothing was forgotten, for there is nobody to ask. For scripts: --yes.") from error


def _named(orders: tuple[int, ...]) -> str:
    told = ", ".join(map(str, orders))
    return f"whoever placed order{'s' * (len(orders) > 1)} {told}" if orders else ""


def _show(found: "Traces", who: str) -> None:
    from bcpoll.cli import render

    orders = ", ".join(map(str, found.orders)) or "none"
    rows = [
        ("orders", orders),
        ("links to customers of the POS", found.links),
        ("payloads of orders set aside", found.set_aside),
        ("payloads of what was sent to the POS", found.writes),
        ("payloads of refunds", found.refunds),
        ("under way, kept until it is settled", found.waiting),
    ]
    render.show_table(f"What there is of {who}", ("", ""), rows)


_STAYS = (
    "What stays: the numbers, sums and times of these orders here, the sales and the customer in the POS, the orders"
    " in BigCommerce, and backups that you made."
)


def _tell(options: Options, found: "Traces", who: str, copies: tuple[Path, ...]) -> None:
    if options.as_json:
        print_json(
            {
                "forgotten": {
                    "orders": list(found.orders),
                    "links": found.links,
                    "set_aside": found.set_aside,
                    "writes": found.writes,
                    "refunds": found.refunds,
                },
                "waiting": found.waiting,
                "copies": [str(copy) for copy in copies],
            }
        )
        return
    if not found.is_known:
        say(f"The checkpoint holds nothing of {who}.")
        return
    say(f"Forgotten: {who}, in {_counted(len(found.orders), 'order')}.")
    if found.waiting:
        are = "is" if found.waiting == 1 else "are"
        what = _counted(found.waiting, "write or refund", "writes or refunds")
        say(f"{what} {are} under way: run bcpoll run-once, then this again.")
    say(_STAYS)
    for copy in copies:
        say(f"A copy from before an upgrade still holds it; delete it once you need it no more: {copy}")


def _counted(count: int, one: str, several: str = "") -> str:
    return f"{count} {one if count == 1 else several or one + 's'}"


COMMANDS = (prune, backup, forget)
