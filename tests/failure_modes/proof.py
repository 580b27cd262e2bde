"""The proof that each guard is needed: its test passes with it and fails without it.

All of it happens to a copy of the program and its tests. A guard is removed in a child process, which loads the module
that it stands in from the edited text. Each child is a fork of a server that has loaded the packages that the program
imports, but nothing of the program itself, which spares most of the time that a test would take to begin.
"""

import compileall
import importlib.abc
import importlib.machinery
import io
import multiprocessing
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from tempfile import TemporaryDirectory
from types import CodeType, ModuleType
from typing import TypeAlias

import pytest

from .table import MODES, Guard, Mode

ROOT = Path(__file__).parents[2]
TESTS = Path(__file__).with_name("test_failure_modes.py")

# What the program and its tests import; none of it imports the program.
_PACKAGES = [
    *("pytest", "_pytest.pytester", "hypothesis", "flask", "requests", "simplejson", "pydantic", "pydantic_settings"),
    *("requests_oauthlib", "sqlite_utils", "dateutil.parser", "apscheduler.schedulers.blocking"),
]

# What the tests of the table need of the project.
_FOLDERS = ("bcpoll", "tests")
_SETTINGS = "setup.cfg"

# How many children at once, and how many seconds one may take: far more than it does.
_WORKERS = 2
_LONGEST = 120

# How much of a message is told.
_SHOWN = 300

# How the message of a test begins that found something wrong, rather than broke down.
_FINDINGS = ("assert ", "AssertionError", "Failed: DID NOT RAISE")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the removal of a guard was noticed; `problem` says why not."""

    mode: Mode
    guard: Guard
    problem: str = ""


Outcomes: TypeAlias = Mapping[str, Sequence[str]]
"""What went wrong in each test that was run, nothing in one that passed; under no name what went wrong outside them."""


class _Recorder:
    """A plugin of pytest that notes the outcomes."""

    def __init__(self) -> None:
        self.outcomes: dict[str, list[str]] = {"": []}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test."""
        name = report.nodeid.rpartition("::")[2].partition("[")[0]
        if report.failed and report.when != "call":
            self.outcomes[""].append(f"{report.when} of {name}: {report.longrepr}")
        elif report.when == "call":
            found = [str(getattr(report.longrepr, "reprcrash", report.longrepr).message)] if report.failed else []
            self.outcomes.setdefault(name, []).extend(found)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module that cannot be imported."""
        if report.failed:
            self.outcomes[""].append(str(report.longrepr))


def without(guard: Guard, root: Path = ROOT) -> Mapping[str, str]:
    """The program's files as they are without a guard; ValueError where it is not found exactly once."""
    edited: dict[str, str] = {}
    for removal in guard.removals:
        text = edited.get(removal.file) or (root / removal.file).read_text()
        if (count := text.count(removal.old)) != 1:
            raise ValueError(f"{removal.file} has {removal.old!r} {count} times: the guard moved, update the table")
        edited[removal.file] = text.replace(removal.old, removal.new)
    return edited


def prove(modes: Sequence[Mode] = MODES) -> Iterator[Verdict]:
    """Remove each guard in turn and tell whether that was noticed, in the order of the table."""
    guards = [(mode, guard) for mode in modes for guard in mode.guards]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PACKAGES)
    with TemporaryDirectory() as folder, context.Pool(_WORKERS, maxtasksperchild=1) as pool:
        root = _copied(Path(folder))
        jobs = [(root, [guard.test], without(guard, root)) for _, guard in guards]
        every_test = sorted({guard.test for _, guard in guards})
        found = pool.imap(_try, [(root, every_test, {}), *jobs], chunksize=1)
        intact = found.next(_LONGEST)
        for mode, guard in guards:
            bare = found.next(_LONGEST)
            yield Verdict(mode, guard, _problem_with_it(guard, intact) or _problem_without_it(guard, bare))


def _copied(root: Path) -> Path:
    for folder in _FOLDERS:
        copytree(ROOT / folder, root / folder, ignore=ignore_patterns("__pycache__"))
    copy(ROOT / _SETTINGS, root)
    compileall.compile_dir(root / "bcpoll", quiet=1)
    return root


def _problem_with_it(guard: Guard, intact: Outcomes) -> str:
    wrong = [*intact[""], *intact.get(guard.test, ["no such test"])]
    return f"fails with the guard in place: {_short(wrong[0])}" if wrong else ""


def _problem_without_it(guard: Guard, bare: Outcomes) -> str:
    if bare[""] or guard.test not in bare:
        return f"cannot be run without the guard: {_short(*bare[''])}"
    if not bare[guard.test]:
        return "passes without the guard"
    other = [message for message in bare[guard.test] if not message.startswith(_FINDINGS)]
    return f"breaks down without the guard: {_short(other[0])}" if other else ""


def _short(*texts: str) -> str:
    return " ".join(" ".join(texts).split())[-_SHOWN:]


def _try(job: tuple[Path, Sequence[str], Mapping[str, str]]) -> Outcomes:
    """Run tests on a copy with some files edited, in a process of its own."""
    root, tests, edited = job
    # What this process needed to get here is of the original, not of the copy.
    for name in [name for name in sys.modules if name.partition(".")[0] in (__package__.partition(".")[0], "bcpoll")]:
        del sys.modules[name]
    # The project's own folder only: an environment may well lie inside it.
    sys.path[:] = [str(root), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
    sys.meta_path.insert(0, _Edited({_module(file): text for file, text in edited.items()}))
    recorder = _Recorder()
    file = root / TESTS.relative_to(ROOT)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        pytest.main(["-p", "no:cacheprovider", *(f"{file}::{test}" for test in tests)], plugins=[recorder])
    return recorder.outcomes


def _module(file: str) -> str:
    return file.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")


class _Edited(importlib.abc.MetaPathFinder):
    """Finds modules as ever, but gives some of them another text."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module with another text; None for all others."""
        if name not in self._texts:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec is not None, name
        spec.loader = _Loader(name, str(spec.origin), self._texts[name])
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from a given text instead of its file's."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        """The text, compiled."""
        return self.source_to_code(self._text, self.path)
