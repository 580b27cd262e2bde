"""`bcpoll review`: the orders that were set aside, and what a person says about them."""

import json

import click

from bcpoll.cli.options import Options, pass_options, print_json


@click.group(epilog="Example: bcpoll review list")
def review() -> None:
    """List, show, retry or dismiss the orders that were set aside."""


@review.command("list", epilog="Example: bcpoll review list")
@click.option("--all", "every", is_flag=True, help="Show solved and dismissed ones too.")
@pass_options
def list_items(options: Options, every: bool) -> None:  # noqa: FBT001
    """List what is set aside, oldest first, with what to do about it."""
    from bcpoll.checkpoint import ReviewState
    from bcpoll.cli import render, wiring

    settings = wiring.settings_of(options.config, options.environ)
    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        items = checkpoint.review_items(tuple(ReviewState) if every else (ReviewState.OPEN,))
    if options.as_json:
        print_json({"review": [render.review_json(item) for item in items]})
    else:
        render.show_review(items, with_state=every)


@review.command(epilog="Example: bcpoll review show 3", short_help="Show one of them with the payload it came with.")
@click.argument("item_id", type=int, metavar="ID")
@pass_options
def show(options: Options, item_id: int) -> None:
    """Show one set-aside order with the payload it came with (personal data included)."""
    from bcpoll.cli import render, wiring

    settings = wiring.settings_of(options.config, options.environ)
    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        item = checkpoint.review_item(item_id)
    if item is None:
        raise _no_item(item_id)
    if options.as_json:
        print_json(render.review_json(item) | {"payload": item.payload})
    else:
        render.show_review_item(item, json.dumps(item.payload, indent=2, ensure_ascii=False))


@review.command(epilog="Example: bcpoll review retry 3 && bcpoll run-once")
@click.argument("item_ids", type=int, nargs=-1, metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="Retry everything that is set aside.")
@pass_options
def retry(options: Options, item_ids: tuple[int, ...], every: bool) -> None:  # noqa: FBT001
    """Try orders again with the next pass, in their newest version."""
    from bcpoll.cli import wiring

    if bool(item_ids) == every:
        raise click.UsageError("Name the ids to retry (bcpoll review list), or say --all.")
    settings = wiring.settings_of(options.config, options.environ)
    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        missing = [item_id for item_id in item_ids if checkpoint.review_item(item_id) is None]
        if missing:
            raise _no_item(missing[0])
        count = checkpoint.retry(None if every else item_ids, wiring.now())
    if options.as_json:
        print_json({"retried": count})
    else:
        click.echo(f"{count} will be tried again by the next pass (bcpoll run-once).")


@review.command(
    epilog='Example: bcpoll review dismiss 3 --reason "entered by hand"',
    short_help="Say that nothing is to be done about one of them.",
)
@click.argument("item_id", type=int, metavar="ID")
@click.option("--reason", required=True, help="Why nothing is to be done; kept with the order.")
@pass_options
def dismiss(options: Options, item_id: int, reason: str) -> None:
    """Say that nothing is to be done about an order; it comes back when the order changes."""
    from bcpoll.cli import wiring

    settings = wiring.settings_of(options.config, options.environ)
    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        is_open = checkpoint.dismiss(item_id, reason, wiring.now())
    if not is_open:
        raise click.UsageError(f"There is no open item {item_id}; see `bcpoll review list --all`.")
    if options.as_json:
        print_json({"dismissed": item_id})
    else:
        click.echo(f"Dismissed {item_id}.")


COMMANDS = (review,)


def _no_item(item_id: int) -> click.UsageError:
    return click.UsageError(f"There is no item {item_id}; see `bcpoll review list --all`.")
