"""`bcpoll check`: whether everything is in order, and what to do about what is not."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import Options, pass_options, print_json
from bcpoll.cli.words import say

if TYPE_CHECKING:
    from bcpoll.config import Loaded
    from bcpoll.monitoring.check import Finding


@click.command(
    epilog="Example: bcpoll check", short_help="See whether settings, accounts, clock and checkpoint are in order."
)
@pass_options
def check(options: Options) -> int:
    """See whether settings, both accounts, clock and checkpoint are in order.

    Asks both sides for what a run would need, one thing at a time, and says what to do about whatever is not right. It
    writes nothing to the POS, and makes no checkpoint.

    Ends with 0 where no run would stop, warnings or not; else as a run would: 78 for wrong settings, 77 for a refused
    token or scope, 74 for a checkpoint that cannot be used, 69 for a side that cannot be reached.
    """
    from bcpoll.cli import wiring
    from bcpoll.errors import SettingsError
    from bcpoll.monitoring.check import wrong_settings

    try:
        loaded = wiring.loaded_settings(options.config, options.environ)
    except SettingsError as error:
        return show(wrong_settings(error), as_json=options.as_json)
    return show(checked(loaded), as_json=options.as_json)


COMMANDS = (check,)


def checked(loaded: "Loaded") -> "Iterator[Finding]":
    """Carry out all checks of these settings."""
    from bcpoll.cli import wiring
    from bcpoll.monitoring.check import findings

    with wiring.looking(loaded) as setup:
        yield from findings(setup)


def show(findings: "Iterable[Finding]", *, as_json: bool) -> int:
    """Show findings as they come, with their sum at the end; gives the exit code."""
    from bcpoll.monitoring.check import exit_code

    found = []
    for finding in findings:
        found.append(finding)
        if not as_json:
            _show(finding)
    code = exit_code(found)
    if as_json:
        print_json({"findings": [_as_json(finding) for finding in found], "exit_code": code})
    else:
        click.echo()
        say(_sum(found))
    return code


# Where the terminal's encoding lacks the signs, words of the same length.
_MARKS = {"fine": ("✓", "ok", "green"), "warning": ("!", "!!", "yellow"), "problem": ("✗", "XX", "red")}


def _show(finding: "Finding") -> None:
    from bcpoll.cli import render

    sign, word, colour = _MARKS[finding.verdict.value]
    mark = sign if render.can_show("✓✗") else word
    render.show_finding(mark, colour, finding.subject, finding.detail, finding.remedy)


def _sum(found: "list[Finding]") -> str:
    problems = sum(1 for finding in found if finding.verdict.value == "problem")
    unchecked = sum(1 for finding in found if not finding.is_checked)
    warnings = sum(1 for finding in found if finding.verdict.value == "warning") - unchecked
    counts = ((problems, "problem"), (warnings, "warning"))
    told = [f"{count} {word}{'s' if count != 1 else ''}" for count, word in counts if count]
    told += [f"{unchecked} not checked"] * bool(unchecked)
    if problems:
        return f"{', '.join(told)}: a run would not get through."
    return f"{', '.join(told)}, nothing that stops a run." if told else "All is well."


def _as_json(finding: "Finding") -> dict[str, Any]:
    return {
        "subject": finding.subject,
        "verdict": finding.verdict.value,
        "detail": finding.detail,
        "remedy": finding.remedy,
    }
