"""What every command is handed, and how it prints plain values."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import click

from bcpoll.cli.words import harmless
from bcpoll.logs import as_json


@dataclass(frozen=True, slots=True)
class Options:
    """What was said before the command's name."""

    config: Path | None
    as_json: bool
    environ: Mapping[str, str]


pass_options = click.make_pass_decorator(Options)


def allow_json(command: click.Command) -> click.Command:
    """Let a command, and those under it, take --json after its name too, where most people write it."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            allow_json(each)
    else:
        command.params.append(
            click.Option(
                ["--json"], is_flag=True, expose_value=False, callback=_as_json, help="Print one JSON object on stdout."
            )
        )
    return command


def _as_json(context: click.Context, _: click.Parameter, is_asked: bool) -> None:  # noqa: FBT001
    if is_asked:
        context.obj = replace(context.obj, as_json=True)


def id_of(what: str, remedy: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback that reads one number or several; what is not a number is refused, with where to find one."""

    def one(text: str) -> int:
        if not _NUMBER.fullmatch(text):
            raise click.BadParameter(f"{text!r} is not the id of {what}. {remedy}")
        return int(text)

    def read(_ctx: click.Context, _param: click.Parameter, typed: Any) -> Any:
        return tuple(map(one, typed)) if isinstance(typed, tuple) else one(typed)

    return read


# No longer than what a checkpoint can hold.
_NUMBER = re.compile(r"0*[1-9][0-9]{0,17}", re.ASCII)

ORDER_ID = id_of("an order", "Write its number, such as 1042.")


def is_in_our_time(day: date) -> bool:
    """Whether there can have been orders on that day, or soon will be: far from now, it was typed wrongly."""
    return 2000 <= day.year < 3000


def print_json(value: Mapping[str, Any], *, one_line: bool = False) -> None:
    """Print one JSON object on stdout; on one line where more of them follow."""
    click.echo(as_json(value, indent=None if one_line else 2))


def csv_line(cells: Iterable[object]) -> str:
    """A line of CSV, with its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return harmless(line.getvalue())
