"""The output that README.md shows is what the program prints."""

import re
from collections.abc import Callable

import pytest
from program import ROOT, Desk

from bcpoll.sandbox.seed import demo_world
from bcpoll.sandbox.world import World

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## Looking closer\n")[2].partition("\n## ")[0]
SHOWN = re.findall(r"^```console\n\$ bcpoll (.*?)\n(.*?)\n```$", SECTION, re.MULTILINE | re.DOTALL)

# What differs from one machine and moment to the next: ids that the POS gives, and when a run began.
VARIABLE = re.compile(r"POS customer [0-9a-f-]{36}|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", re.MULTILINE)


@pytest.mark.slow
def test_the_output_in_the_readme_is_real(open_desk: Callable[[World], Desk]) -> None:
    desk = open_desk(demo_world())
    (dry_run, dry_output), *others = SHOWN
    assert desk.run(*dry_run.split()).out.rstrip() == dry_output

    desk.run("run-once")

    for command, output in others:
        said = VARIABLE.sub("...", desk.run(*command.split()).out).rstrip()
        assert said == VARIABLE.sub("...", output)
    assert [command.split()[0] for command, _ in SHOWN] == ["run-once", "show", "reconcile"]
