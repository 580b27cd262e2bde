"""`bcpoll login`: connect the POS by OAuth, where there are no personal tokens."""

import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from bcpoll.cli.options import Options, pass_options, print_json
from bcpoll.cli.words import say

if TYPE_CHECKING:
    from bcpoll.adapters.oauth import Permit
    from bcpoll.adapters.token_file import TokenPair
    from bcpoll.cli.wiring import SignIn

# For how long somebody may take to log in.
_PATIENCE = 300.0


@click.command(
    epilog="Example: bcpoll login --paste", short_help="Connect the POS by OAuth, for plans without personal tokens."
)
@click.option("--paste", is_flag=True, help="Do not wait for a browser here: ask for the address that it ends on.")
@pass_options
def login(options: Options, paste: bool) -> int:  # noqa: FBT001
    """Connect the POS by OAuth, for plans without personal tokens.

    Opens the POS's login page in a browser and waits for it to come back. Without a browser on this machine, or with
    --paste, open the page anywhere and paste the address that it ends on. The tokens lie beside the checkpoint and
    renew themselves. Needs [pos] client_id and client_secret.
    """
    from bcpoll.cli import wiring

    settings = wiring.settings_of(options.config, options.environ)
    with wiring.signing_in(settings) as desk:
        pair, name = connect_by_asking(desk, options.environ, paste=paste)
    lacking = sorted(set(wiring.scopes(settings)) - set(pair.scope.split())) if pair.scope else []
    _tell(options, desk, pair, name, lacking)
    return 0


COMMANDS = (login,)


def connect_by_asking(desk: "SignIn", environ: Mapping[str, str], *, paste: bool) -> "tuple[TokenPair, str]":
    """Let somebody log in, keep the tokens, and try them; gives them with the name of the account."""
    from bcpoll.adapters.oauth import connect

    # Whether tokens can be kept shows before anybody is asked to log in.
    with desk.file.turn(), desk.file.replacing():
        pass
    pair = connect(desk.endpoint, desk.file, _asked(desk, environ, paste=paste))
    return pair, desk.retailer().name


def _asked(desk: "SignIn", environ: Mapping[str, str], *, paste: bool) -> "Permit":
    """Let somebody log in, and give what the POS sends back."""
    from bcpoll.adapters.oauth import login_url, read_redirect
    from bcpoll.cli import wiring

    application, state = desk.endpoint.application, secrets.token_urlsafe(32)
    url = login_url(desk.settings.pos.connect_url, application, scopes=wiring.scopes(desk.settings), state=state)

    def read(address: str) -> "Permit":
        return read_redirect(address, application, state=state)

    browser = None if paste or not _ends_here(application.redirect_url) else _browser(environ)
    if browser is None:
        return _pasted(application.redirect_url, url, read)
    return _caught(application.redirect_url, url, read, browser)


def _ends_here(redirect_url: str) -> bool:
    """Whether the login ends on this machine: the settings take plain http for nothing else."""
    return urlsplit(redirect_url).scheme == "http"


def _browser(environ: Mapping[str, str]) -> webbrowser.BaseBrowser | None:
    """The browser that somebody sees; None on a server, where at most one for the terminal would be found."""
    if sys.platform != "darwin" and not any(environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")):
        return None
    try:
        return webbrowser.get()
    except webbrowser.Error:
        return None


def _caught(redirect_url: str, url: str, read: "Callable[[str], Permit]", browser: webbrowser.BaseBrowser) -> "Permit":
    """Wait for the browser to come back."""
    from bcpoll.cli.listener import listening

    with listening(redirect_url, read) as listener:
        click.echo(f"Log in to the POS as an administrator, in the browser that opens now, or at:\n\n{url}\n", err=True)
        say(f"Waiting for the browser to come back to {redirect_url}; Ctrl-C ends it.", err=True)
        # Some browsers keep whoever starts them until they are closed.
        threading.Thread(target=browser.open, args=(url,), daemon=True).start()
        return listener.wait(_PATIENCE)


def _pasted(redirect_url: str, url: str, read: "Callable[[str], Permit]") -> "Permit":
    """Ask for the address, again while it is none; the code alone will do, for it was seen by whoever logged in."""
    from bcpoll.adapters.oauth import Permit, is_code

    def accepted(text: str) -> "Permit":
        text = text.strip()
        if is_code(text):
            return Permit(text)
        try:
            return read(text)
        except ValueError as error:
            raise click.UsageError(f"That is not the address that this login ended on: {error}.") from error

    click.echo(f"Open this address in a browser and log in to the POS as an administrator:\n\n{url}\n", err=True)
    say(f"It ends on an address that begins with {redirect_url}, perhaps showing an error: copy it whole.", err=True)
    try:
        permit: Permit = click.prompt("The address it ended on", value_proc=accepted, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise click.UsageError("Nothing came that could be read. Run it in a terminal, to paste the address.") from None
    return permit


def _tell(options: Options, desk: "SignIn", pair: "TokenPair", name: str, lacking: list[str]) -> None:
    settings, path = desk.settings, str(desk.file.path)
    if options.as_json:
        body = {"retailer": name, "domain_prefix": pair.domain_prefix, "token_file": path, "scopes_missing": lacking}
        print_json(body | {"expires_at": pair.expires_at})
    else:
        say(f"Connected to {name} ({pair.domain_prefix}). The tokens are in {path}.")
    if lacking:
        say(f"The POS did not grant: {', '.join(lacking)}. Give your application these scopes.", err=True)
    if settings.pos.access_token is not None:
        say("Now take [pos] access_token out of the settings: as long as it is there, it is used.", err=True)
