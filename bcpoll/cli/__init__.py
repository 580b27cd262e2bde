"""The command line: options, exit codes, and the one place where errors become words.

Owns click. Each command imports what it needs when it runs, so that `--help` stays quick. Most commands have a module
of their own (`alerts`, `backfill`, `check`, `init`, `login`, `rebuild`, `reconcile`, `review`, `show`, `status` and
`stock`). The others share one:

sync        run-once and run
keeping     prune, backup and forget
playground  demo and sandbox
manual      completion and man

What some commands are made of:

dry_run     what a dry run shows
telling     what is reported around each pass
progress    how far a long command has got
asking      how `init` asks, with its `questions`
listener    where the browser comes back to after a login
demo        what the demo runs and shows, with its `rules`

What all work with:

wiring      settings, checkpoint, both sides and the clock, joined
options     what every command is handed
signals     SIGTERM and Ctrl-C
when        days and moments as they are typed
words       plain sentences
render      tables and signs
"""

import io
import logging
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import click

from bcpoll import __version__
from bcpoll.cli import (
    alerts,
    backfill,
    check,
    init,
    keeping,
    login,
    manual,
    playground,
    rebuild,
    reconcile,
    review,
    show,
    status,
    stock,
    sync,
)
from bcpoll.cli.options import Options, allow_json, print_json
from bcpoll.cli.words import say
from bcpoll.errors import BcpollError, OutputLost, RetryLater
from bcpoll.logs import LogFormat, configure, log_end

log = logging.getLogger("bcpoll")

_LEVELS = {0: logging.WARNING, 1: logging.INFO}
_INTERRUPTED = 130
_CLICKS_LEAST = 50
_WORK_IS_DONE = "Free some space. The work itself is done: only what was to be said about it is lost."


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: bcpoll --config shop.toml run-once",
)
@click.option(
    "--config",
    # What cannot be read is for the settings to say, in their words and with their exit code.
    type=click.Path(path_type=Path, readable=False),
    help="The settings file; else $BCPOLL_CONFIG, ./config.toml or /etc/bcpoll/config.toml.",
)
@click.option("-v", "--verbose", count=True, help="Say more on stderr; twice for every request.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout instead of text.")
@click.option(
    "--log-format",
    type=click.Choice([one.value for one in LogFormat]),
    default=LogFormat.AUTO.value,
    help="How log lines look.",
)
@click.version_option(__version__, prog_name="bcpoll")
@click.pass_context
def cli(ctx: click.Context, config: Path | None, verbose: int, as_json: bool, log_format: str) -> None:  # noqa: FBT001
    """Bring BigCommerce orders into Lightspeed Retail X-Series.

    New here? `bcpoll demo` shows a small shop being synced on this machine, without any account.
    """
    level = _LEVELS.get(verbose, logging.DEBUG)
    configure(level=level, stream=sys.stderr, environ=os.environ, fmt=LogFormat(log_format))
    ctx.obj = Options(config=config, as_json=as_json, environ=os.environ)


def main() -> None:
    """Run the command line and end the program with the exit code that says how it went."""
    _fill_closed_streams()
    code = run(sys.argv[1:])
    _flush_streams()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit code; errors are told on stderr, or on stdout as JSON with --json."""
    try:
        result = cli.main(args=arguments, prog_name="bcpoll", standalone_mode=False, terminal_width=_narrow())
    except click.exceptions.Abort:
        click.echo("Interrupted.", err=True)
        return _INTERRUPTED
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        with suppress(OSError):
            say(shown.getvalue(), err=True)
            if "--json" in arguments:
                print_json({"error": error.format_message(), "hint": "", "exit_code": error.exit_code})
        return error.exit_code
    except BcpollError as error:
        # That nobody can be told changes nothing about the exit code.
        with suppress(OSError):
            _tell(error, as_json="--json" in arguments)
        return error.exit_code
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has seen enough. click ends the program itself when it is the one to notice.
        return 0
    except Exception as error:
        if isinstance(error, OSError) and not _can_flush(sys.stdout):
            with suppress(OSError):
                _tell(OutputLost(f"The output cannot be written: {error.strerror}", hint=_WORK_IS_DONE), as_json=False)
            return OutputLost.exit_code
        log.exception("this is a bug in bcpoll %s; please report it with the lines below", __version__)
        return 1
    return result if isinstance(result, int) else 0


def _narrow() -> int | None:
    """The width for a help that click would make wider than the terminal; None leaves it to click."""
    width = shutil.get_terminal_size().columns
    return width if width < _CLICKS_LEAST else None


class _Help(click.HelpFormatter):
    """Help that leaves room for what options mean where the terminal is narrow."""

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl(rows, col_max if self.width >= _CLICKS_LEAST - 2 else self.width // 3, col_spacing)


click.Context.formatter_class = _Help


def _fill_closed_streams() -> None:
    """Let each standard stream that is closed lead nowhere, before a file of ours takes its number and its output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for the rest of the process


def _flush_streams() -> None:
    """Let go of what nobody takes any more: Python would try once more at its end, and end with a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        if not _can_flush(stream):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _can_flush(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True


def _tell(error: BcpollError, *, as_json: bool) -> None:
    # What the next pass may do better is no failure to whoever looks through the journal for failures.
    level = logging.WARNING if isinstance(error, RetryLater) else logging.ERROR
    text = "\n".join(filter(None, (error.message, error.hint)))
    if not log_end(text, level=level):
        say(f"bcpoll: {text}", err=True)
    if as_json:
        print_json({"error": error.message, "hint": error.hint, "exit_code": error.exit_code})


for _command in (
    *sync.COMMANDS,
    *backfill.COMMANDS,
    *status.COMMANDS,
    *show.COMMANDS,
    *stock.COMMANDS,
    *reconcile.COMMANDS,
    *review.COMMANDS,
    *alerts.COMMANDS,
    *keeping.COMMANDS,
    *rebuild.COMMANDS,
    *check.COMMANDS,
    *init.COMMANDS,
    *login.COMMANDS,
    *playground.COMMANDS,
):
    cli.add_command(allow_json(_command))
for _command in (*manual.COMMANDS, playground.sandbox):
    cli.add_command(_command)
