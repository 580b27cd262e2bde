"""What every command is handed, and how it prints plain values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click


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


def print_json(value: Mapping[str, Any], *, one_line: bool = False) -> None:
    """Print one JSON object on stdout; on one line where more of them follow."""
    click.echo(json.dumps(value, indent=None if one_line else 2, default=str, ensure_ascii=False))
