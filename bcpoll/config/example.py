"""The example of the settings as a form: the one text that explains every key, with answers put in their places.

Owns finding a key's line in `config.example.toml` and writing a value the way TOML has it. What the keys mean, and
which values are right, is the business of `config`.
"""

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import TypeAlias

Answers: TypeAlias = Mapping[tuple[str, str], str | None]
"""By section and key; None takes a key out that the example has."""

# What stands above the first blank line is for whoever copies the example by hand.
_FOR_COPYING = "\n\n"

# What stands in the example's place for further keys of a section.
_FREE = re.compile(r'^# "[^"]+" = .*$', re.MULTILINE)

# Up to the line before the comments of the next section.
_SECTION_ENDS = re.compile(r"^(?:#.*\n)*\[", re.MULTILINE)


def text() -> str:
    """The example as it is handed out."""
    return (files("bcpoll") / "config.example.toml").read_text(encoding="utf-8")


def filled(answers: Answers) -> str:
    """The example with answers in their places; keys that it does not name go where it shows that further ones may."""
    made = text().split(_FOR_COPYING, 1)[1]
    further: dict[str, list[str]] = {}
    for (section, key), value in answers.items():
        begin, end = _span(made, section)
        line = re.compile(rf"^(?:# )?{re.escape(key)} = .*$", re.MULTILINE)
        known = line.search(made, begin, end) if re.fullmatch(r"[a-z_]+", key) else None
        if known is None:
            further.setdefault(section, []).append(f"{_quoted(key)} = {_quoted(value or '')}")
            continue
        new = f"{key} = {_quoted(value)}" if value is not None else f"# {known[0].removeprefix('# ')}"
        made = made[: known.start()] + new + made[known.end() :]
    for section, lines in further.items():
        begin, end = _span(made, section)
        place = _FREE.search(made, begin, end)
        if place is None:
            raise LookupError(f"[{section}] takes no further keys, and has none of these: {', '.join(lines)}")
        made = made[: place.start()] + "\n".join(lines) + made[place.end() :]
    return made


def _span(made: str, section: str) -> tuple[int, int]:
    """Where a section's keys begin and end."""
    begin = made.index(f"\n[{section}]\n") + len(section) + 4
    following = _SECTION_ENDS.search(made, begin)
    return begin, following.start() if following else len(made)


def _quoted(value: str) -> str:
    """A text as TOML writes it: JSON's way, but for the one control character that JSON lets through."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
