"""`bcpoll demo` and `bcpoll sandbox`: a store and a POS on this machine, to look at and to try things on."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcpoll.cli.options import Options, pass_options
from bcpoll.cli.signals import stopping_on_signals
from bcpoll.cli.words import say
from bcpoll.errors import Problem, SettingsError

if TYPE_CHECKING:
    from bcpoll.cli.demo import Remarks
    from bcpoll.sandbox.world import World


_ORDERS = click.option(
    "--orders",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Serve these order files, in BigCommerce's own JSON, instead of the sample shop.",
)


@click.command(epilog="Example: bcpoll demo --keep ./demo", short_help="See a small shop being synced on this machine.")
@_ORDERS
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Leave settings and checkpoint here.")
@pass_options
def demo(options: Options, orders: Path | None, keep: Path | None) -> int:
    """Sync a small shop between a store and a POS on this machine, and show what became of each order.

    Needs no account and no network. It leaves nothing behind unless --keep says where.
    """
    from bcpoll.cli.demo import show

    if keep and (keep / _CHECKPOINT).exists():
        raise click.BadParameter(f"there is a checkpoint in {keep} already; name another folder.", param_hint="--keep")
    with ExitStack() as stack:
        world, remarks = _world(orders)
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bcpoll-demo-")))
        config = folder / "config.toml"
        _write(config, settings_text(stack.enter_context(_served(world)), world), "--keep")
        show(world, config, remarks, as_json=options.as_json)
        if keep:
            say(f"Kept in {keep}. Look around with: bcpoll --config {config} status", err=True)
    return 0


@click.command(
    epilog="Example: bcpoll sandbox --port 8080",
    short_help="Keep the store and POS of the demo running, to try things on.",
)
@_ORDERS
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes any free port.")
@click.option(
    "--write-config", type=click.Path(path_type=Path), metavar="FILE", help="Write settings that point at it here."
)
@click.option("--oauth", is_flag=True, help="Settings without a token for the POS, to try `bcpoll login`.")
def sandbox(orders: Path | None, port: int, write_config: Path | None, oauth: bool) -> int:  # noqa: FBT001
    """Keep a store and a POS running on this machine until Ctrl-C, for trying bcpoll by hand."""
    world, remarks = _world(orders)
    for notice in remarks.notices:
        click.echo(notice, err=True)
    with stopping_on_signals(quietly=True) as ended, _served(world, port) as url:
        text = settings_text(url, world, oauth=oauth)
        if write_config:
            _write(write_config, text, "--write-config")
            first = "login" if oauth else "run-once"
            say(f"Settings are in {write_config}. Try: bcpoll --config {write_config} {first}", err=True)
        else:
            click.echo(text)
        say(f"The same settings by being asked for them: bcpoll init --api-url {url}", err=True)
        say(f"Store and POS are at {url}; Ctrl-C ends them.", err=True)
        ended.wait()
    return 0


COMMANDS = (demo,)


def settings_text(url: str, world: "World", *, oauth: bool = False) -> str:
    """Settings that point bcpoll at a sandbox, with a token for its POS or with what `bcpoll login` needs."""
    tokens = world.tokens
    pair = f'client_id = "{tokens.client_id}"\nclient_secret = "{tokens.client_secret}"'
    way_in = pair if oauth else f'access_token = "{tokens.pos}"'
    return f"""\
{_MARK}; save them as config.toml.
[bigcommerce]
store_hash = "{world.store.store_hash}"
access_token = "{tokens.store}"
api_url = "{url}"

[pos]
domain_prefix = "sandbox"
{way_in}
api_url = "{url}"
register = "Online"
user = "online"

[sync]
start = "2000-01-01T00:00:00Z"

[payments]
default = "Online - Card"
gift_certificate = "Gift certificate"
store_credit = "Store credit"
"Cash on Delivery" = "Cash"
"Bank Deposit" = "Bank transfer"

[checkpoint]
path = "{_CHECKPOINT}"
"""


_CHECKPOINT = "bcpoll.db"

# The first words of the settings written here: by these they are known, and may be written again.
_MARK = "# Settings for a bcpoll sandbox"


def _world(orders: Path | None) -> "tuple[World, Remarks]":
    try:
        import bcpoll.sandbox.app  # noqa: F401 - Flask is an extra: find out before anything is printed
    except ModuleNotFoundError as error:
        problem = Problem(
            "sandbox", f"the package {error.name} is not installed", "Install it: pip install 'bcpoll[sandbox]'."
        )
        raise SettingsError([problem], source="this installation") from error
    from bcpoll.cli.demo import Remarks
    from bcpoll.sandbox.seed import SHOP, fill
    from bcpoll.sandbox.store import FIRST_ORDER
    from bcpoll.sandbox.world import new_world

    if orders:
        from bcpoll.sandbox.files import load_world

        world, notices = load_world(orders)
        if not world.store.orders:
            said = "; ".join(notices) or "no files that end in .json"
            raise click.BadParameter(f"there are no orders in {orders}: {said}.", param_hint="--orders")
        return world, Remarks(notices=tuple(notices))
    world = new_world(name=SHOP)
    seeded = fill(world)
    return world, Remarks(titles={FIRST_ORDER + place: order.shows for place, order in enumerate(seeded)})


@contextmanager
def _served(world: "World", port: int = 0) -> Iterator[str]:
    from bcpoll.sandbox.server import serve

    with ExitStack() as stack:
        try:
            url = stack.enter_context(serve(world, port=port))
        except OSError as error:
            message = f"port {port} cannot be used: {error.strerror}. Name another one, or 0 for any that is free."
            raise click.BadParameter(message, param_hint="--port") from error
        yield url


def _write(path: Path, text: str, option: str) -> None:
    """Write settings that hold tokens: readable by their owner alone from the first byte on, and never over others."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(_MARK):
            raise click.BadParameter(
                f"{path} is there already and holds other settings; name another place.", param_hint=option
            )
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be written: {error.strerror}.", param_hint=option) from error
