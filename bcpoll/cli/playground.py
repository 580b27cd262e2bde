"""`bcpoll demo` and `bcpoll sandbox`: a store and a POS on this machine, to look at and to try things on."""

import contextlib
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from bcpoll.cli.options import Options, pass_options
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


@click.command(epilog="Example: bcpoll demo --keep ./demo")
@_ORDERS
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Leave settings and checkpoint here.")
@pass_options
def demo(options: Options, orders: Path | None, keep: Path | None) -> int:
    """Sync a small shop between a store and a POS on this machine, and show what became of each order.

    Needs no account and no network. It leaves nothing behind unless --keep says where.
    """
    from bcpoll.cli.demo import show

    with ExitStack() as stack:
        world, remarks = _world(orders)
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bcpoll-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "config.toml"
        _write(config, settings_text(stack.enter_context(_served(world)), world))
        show(world, config, remarks, as_json=options.as_json)
        if keep:
            click.echo(f"Kept in {keep}: config.toml and bcpoll.db.", err=True)
    return 0


@click.command(epilog="Example: bcpoll sandbox --port 8080")
@_ORDERS
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes any free port.")
@click.option(
    "--write-config", type=click.Path(path_type=Path), metavar="FILE", help="Write settings that point at it here."
)
def sandbox(orders: Path | None, port: int, write_config: Path | None) -> int:
    """Keep a store and a POS running on this machine until Ctrl-C, for trying bcpoll by hand."""
    world, remarks = _world(orders)
    for notice in remarks.notices:
        click.echo(notice, err=True)
    with _served(world, port) as url:
        text = settings_text(url, world)
        if write_config:
            _write(write_config, text)
            click.echo(f"Settings are in {write_config}. Try: bcpoll --config {write_config} run-once", err=True)
        else:
            click.echo(f"# Settings for this sandbox; save them as config.toml.\n{text}")
        click.echo(f"Store and POS are at {url}; Ctrl-C ends them.", err=True)
        _wait_for_signal()
    return 0


COMMANDS = (demo, sandbox)


def settings_text(url: str, world: "World") -> str:
    """Settings that point bcpoll at a sandbox."""
    return f"""\
[bigcommerce]
store_hash = "{world.store.store_hash}"
access_token = "{world.tokens.store}"
api_url = "{url}"

[pos]
domain_prefix = "sandbox"
access_token = "{world.tokens.pos}"
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
path = "bcpoll.db"
"""


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
        return world, Remarks(notices=tuple(notices))
    world = new_world(name=SHOP)
    seeded = fill(world)
    return world, Remarks(titles={FIRST_ORDER + place: order.shows for place, order in enumerate(seeded)})


@contextmanager
def _served(world: "World", port: int = 0) -> Iterator[str]:
    from bcpoll.sandbox.server import serve

    with serve(world, port=port) as url:
        yield url


def _write(path: Path, text: str) -> None:
    """Write settings that hold tokens: readable by their owner alone, from the first byte on."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def _wait_for_signal() -> None:
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with contextlib.suppress(KeyboardInterrupt):
        ended.wait()
