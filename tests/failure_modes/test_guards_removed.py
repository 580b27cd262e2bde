"""Every guard in the table is there, has its test, and is needed."""

import ast
from collections.abc import Callable

import pytest

from .proof import TESTS, prove, without
from .table import MODES, Guard

GUARDS = [guard for mode in MODES for guard in mode.guards]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.says)
def test_a_guard_stands_where_the_table_says(guard: Guard) -> None:
    for text in without(guard).values():
        ast.parse(text)


def test_every_mode_has_a_guard_and_every_test_is_in_the_table() -> None:
    written = {node.name for node in ast.parse(TESTS.read_text()).body if isinstance(node, ast.FunctionDef)}

    assert {name for name in written if name.startswith("test_")} == {guard.test for guard in GUARDS}
    assert all(mode.guards for mode in MODES)
    assert all(guard.test.startswith(f"test_{mode.number:02}_") for mode in MODES for guard in mode.guards)


@pytest.mark.slow
def test_no_guard_can_be_removed_without_being_noticed(say_at_end: Callable[[str], None]) -> None:
    verdicts = list(prove())

    assert [(verdict.guard.says, verdict.problem) for verdict in verdicts if verdict.problem] == []
    say_at_end(f"{len(MODES)} failure modes, {len(verdicts)} guards removed one at a time, {len(verdicts)} noticed")
