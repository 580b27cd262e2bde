"""What is said in plain words: what a pass did, and how any text is printed, without the weight of tables.

Must not import rich: a pass that finds nothing to do should be over in a moment.
"""

import re
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bcpoll.cycle import Report

# What a pass counts, in the order and the words in which it is told; what is not listed is for --json.
_COUNTED = (
    ("created", "sale{s} written"),
    ("settled", "sale{s} paid"),
    ("fulfilled", "sale{s} fulfilled"),
    ("voided", "sale{s} voided"),
    ("refunded", "refund{s} booked"),
    ("declined", "declined refund{s} left out"),
    ("taken_out", "returned unit{s} taken out of stock again"),
    ("put_back", "unit{s} put back into stock"),
    ("customers_created", "customer{s} created"),
    ("products_created", "product{s} created"),
    ("not_imported", "not to import"),
    ("unchanged", "unchanged"),
    ("set_aside", "set aside"),
    ("not_found", "not found in BigCommerce"),
    ("unreadable", "not to be read in BigCommerce"),
)


def counts_line(counts: Mapping[str, int]) -> str:
    """What a pass counted."""
    told = [
        f"{counts[name]} {words.format(s='' if counts[name] == 1 else 's')}"
        for name, words in _COUNTED
        if counts.get(name)
    ]
    return ", ".join(told) or "nothing to do"


def report_line(report: "Report", requests: Mapping[str, int]) -> str:
    """One line on what a pass did."""
    asked = f"{requests['bigcommerce']} + {requests['pos']} requests to BigCommerce and the POS"
    waiting = f"; {report.waiting} waiting in review (bcpoll review list)" if report.waiting else ""
    return f"{counts_line(report.counts)} ({asked}){waiting}"


def say(text: str, *, err: bool = False) -> None:
    """Print a text; where a terminal is too narrow for one of its lines, that line is folded between words."""
    stream = sys.stderr if err else sys.stdout
    width = shutil.get_terminal_size().columns if stream.isatty() else sys.maxsize
    for line in harmless(text).splitlines():
        click.echo(line if len(line) <= width else _folded(line, width), err=err)


_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """A text that cannot steer the terminal: part of what is shown was typed by shoppers, or said by who knows whom."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _folded(line: str, width: int) -> str:
    """A line on several, each indented like it; an address or a path stays in one piece, to be copied."""
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
