"""`bcpoll completion` and `bcpoll man`: what a shell and `man` want to know, made from the commands themselves.

Owns how a manual page is written. What a command does is said once, by its `--help`; nothing here says it again.
"""

import inspect
from collections.abc import Iterator

import click

from bcpoll import __version__

_NAME = "bcpoll"
_SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog="Example: bcpoll completion fish > ~/.config/fish/completions/bcpoll.fish",
    short_help="Print a script by which a shell completes commands.",
)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script by which a shell completes the commands and options of bcpoll.

    bash reads it from ~/.local/share/bash-completion/completions/bcpoll, zsh from a file _bcpoll in a folder of its
    $fpath, fish from ~/.config/fish/completions/bcpoll.fish.
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"The installed click knows no {shell}. Update it: pip install -U click")
    script = made(ctx.find_root().command, {}, _NAME, "_BCPOLL_COMPLETE").source()
    for before, after in _MENDED:
        script = script.replace(before, after)
    click.echo(script)


# What click's scripts get wrong. In zsh, a file in $fpath is run with the first completion and called with each one
# after it, so that the second one completed nothing; in fish, a description ended at its first comma.
_MENDED = (
    ("$zsh_eval_context[-1] == loadautofunc", f"$funcstack[1] == _{_NAME}"),
    ('(string split "," $completion)', '(string split --max 1 "," $completion)'),
)


@click.command(
    epilog="Example: bcpoll man > ~/.local/share/man/man1/bcpoll.1", short_help="Print the manual page, for man."
)
@click.pass_context
def man(ctx: click.Context) -> None:
    """Print the manual page, made from the help of every command.

    Where it is put under man1 in a folder of man's path, `man bcpoll` shows it; without that: bcpoll man | man -l -
    """
    click.echo("\n".join(_page(ctx.find_root().command)))


COMMANDS = (completion, man)

EXIT_STATUS = (
    (0, "Done; or another run is under way."),
    (1, "A bug in bcpoll."),
    (2, "The command line is wrong."),
    (3, "Done, but orders were set aside in this run, or something differs."),
    (69, "The other side could not be reached; the next run goes on."),
    (74, "The checkpoint, the file with the POS's tokens, or the output cannot be read or written."),
    (75, "Stopped early without harm; the next run goes on."),
    (77, "A token or a right was refused."),
    (78, "The settings are wrong."),
    (130, "Interrupted."),
)

_ENVIRONMENT = (
    ("BCPOLL_CONFIG", "The settings file, where --config names none."),
    ("BCPOLL_BIGCOMMERCE__ACCESS_TOKEN", "The web store's token, in place of the one in the settings file."),
    ("BCPOLL_POS__ACCESS_TOKEN", "The POS's token. Every other key can be set in the same way."),
    ("CREDENTIALS_DIRECTORY", "A folder with files named bigcommerce_access_token and pos_access_token."),
    ("NO_COLOR", "Print without colours, if set to anything."),
)

_FILES = (
    ("./config.toml", "The settings; bcpoll init makes them."),
    ("/etc/bcpoll/config.toml", "The settings, where the current folder has none."),
    ("bcpoll.db", "The checkpoint, beside the settings unless [checkpoint] path says otherwise."),
)


def _page(command: click.Command) -> Iterator[str]:
    """The page, line by line, in the macros of man(7)."""
    root = click.Context(command, info_name=_NAME)
    about, *more = _paragraphs(command)
    yield f'.TH {_NAME.upper()} 1 "" "{_NAME} {_escaped(__version__)}" "{_NAME}"'
    yield from (".SH NAME", f"{_NAME} \\- {_escaped(about.rstrip('.'))}", ".SH SYNOPSIS", *_usage(root))
    yield from (".SH DESCRIPTION", *_texts([about, *more]))
    yield from (".SH OPTIONS", *_options(root), ".SH COMMANDS")
    for each in _under(root):
        yield f".SS {_escaped(each.command_path)}"
        yield from (*_usage(each), *_texts(_paragraphs(each.command)), *_options(each), *_example(each.command))
    for title, rows in (("EXIT STATUS", EXIT_STATUS), ("ENVIRONMENT", _ENVIRONMENT), ("FILES", _FILES)):
        yield f".SH {title}"
        for name, text in rows:
            yield from _item(str(name), text)


def _under(parent: click.Context) -> Iterator[click.Context]:
    """Every command under this one, in order of their names; those in groups after their group."""
    group = parent.command
    if isinstance(group, click.Group):
        for name in group.list_commands(parent):
            found = click.Context(group.commands[name], info_name=name, parent=parent)
            yield found
            yield from _under(found)


def _usage(ctx: click.Context) -> Iterator[str]:
    yield f".B {_escaped(ctx.command_path)}"
    yield _escaped(" ".join(ctx.command.collect_usage_pieces(ctx)))


def _paragraphs(command: click.Command) -> list[str]:
    return [" ".join(part.split()) for part in inspect.cleandoc(command.help or "").split("\n\n")]


def _texts(paragraphs: list[str]) -> Iterator[str]:
    for text in paragraphs:
        yield from (".PP", _escaped(text))


def _options(ctx: click.Context) -> Iterator[str]:
    for parameter in ctx.command.params:
        record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
        if record is not None:
            yield from _item(*record)


def _item(name: str, text: str) -> Iterator[str]:
    yield from (".TP", f".B {_escaped(name)}", _escaped(text))


def _example(command: click.Command) -> Iterator[str]:
    """What stands at the end of a command's help: one example, or several on lines that are left as they are."""
    lines = inspect.cleandoc(command.epilog or "").replace("\b", "").strip().splitlines()
    if lines:
        yield from (".PP", ".nf", *map(_escaped, lines), ".fi")


def _escaped(text: str) -> str:
    """A text without anything that roff would take for an instruction."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("~", "\\(ti")
    text = text.replace("^", "\\(ha").replace("`", "\\(ga").replace("'", "\\(aq")
    return f"\\&{text}" if text.startswith(".") else text
