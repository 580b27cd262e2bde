"""What every command is handed, and how it prints plain values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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


def print_json(value: Mapping[str, Any], *, one_line: bool = False) -> None:
    """Print one JSON object on stdout; on one line where more of them follow."""
    click.echo(json.dumps(value, indent=None if one_line else 2, default=str, ensure_ascii=False))
