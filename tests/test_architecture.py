"""Who may import what, what the pure core must not touch, and who may read a clock."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES: Mapping[str, ast.Module] = {_name(file): ast.parse(file.read_text()) for file in ROOT.glob("bcpoll/**/*.py")}

# Each third-party package, and the modules (a package stands for all in it) that may import it.
HOMES: Mapping[str, tuple[str, ...]] = {
    "apscheduler": ("bcpoll.scheduler",),
    "click": ("bcpoll.cli",),
    "dateutil": ("bcpoll.core.times",),
    "flask": ("bcpoll.sandbox",),
    "prometheus_client": ("bcpoll.monitoring.metrics",),
    "pydantic": ("bcpoll.config", "bcpoll.core.decode", "bcpoll.core.shapes"),
    "pydantic_core": ("bcpoll.config",),
    "pydantic_settings": ("bcpoll.config",),
    "requests": ("bcpoll.http.exchange",),
    "requests_oauthlib": ("bcpoll.adapters.oauth",),
    "rich": ("bcpoll.cli",),
    "simplejson": ("bcpoll.http.exact",),
    "sqlite_utils": ("bcpoll.checkpoint",),
    "urllib3": ("bcpoll.http",),
    "werkzeug": ("bcpoll.sandbox",),
}
# Only these may read a clock; everything else is given the time, or a callable that tells it. The transport waits for
# rate windows, so it holds a clock of its own, which tests replace.
CLOCK_HOMES = ("bcpoll.budget", "bcpoll.cli", "bcpoll.scheduler", "bcpoll.sandbox")
CLOCKS = frozenset({"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"})
IMPURE_MODULES = frozenset(
    {"os", "io", "time", "random", "secrets", "logging", "socket", "subprocess", "sqlite3", "pathlib", "shutil", "uuid"}
)
# UUIDv5 is a pure function of its arguments; the other kinds of UUID are not.
PURE_NAMES = frozenset({"uuid.uuid5", "uuid.UUID", "uuid.NAMESPACE_URL", "uuid.NAMESPACE_DNS", "uuid.NAMESPACE_OID"})
IMPURE_NAMES = frozenset({"open", "float", "print", "input", "eval", "exec"})


def _within(module: str, homes: tuple[str, ...]) -> bool:
    return any(module == home or module.startswith(f"{home}.") for home in homes)


@cache
def _imports(module: str) -> tuple[str, ...]:
    """What a module imports, as `package.module` or `package.module.name`."""
    return tuple(_imported(module))


def _imported(module: str) -> Iterator[str]:
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield from (f"{node.module}.{one.name}" for one in node.names)


def _own(name: str) -> str:
    """The module of ours that an import leads to: `bcpoll.core.money.ZERO` -> `bcpoll.core.money`."""
    return name if name in TREES else name.rpartition(".")[0]


def _calls(module: str) -> Iterator[str]:
    """The last two parts of each dotted name that a module reads: `datetime.now`, `time.time`."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Attribute):
            yield f"{getattr(node.value, 'attr', getattr(node.value, 'id', '?'))}.{node.attr}"


@pytest.mark.parametrize("module", TREES)
def test_third_party_packages_are_imported_at_home_only(module: str) -> None:
    packages = {name.split(".")[0] for name in _imports(module)} - {"bcpoll"} - sys.stdlib_module_names
    assert {name for name in packages if not _within(module, HOMES.get(name, ()))} == set()


@pytest.mark.parametrize("module", [name for name in TREES if name.startswith("bcpoll.core")])
def test_the_core_is_pure(module: str) -> None:
    names = set(_imports(module))
    ours = {name for name in names if name.startswith("bcpoll") and not name.startswith("bcpoll.core")}
    impure = {name for name in names - PURE_NAMES if name.split(".")[0] in IMPURE_MODULES - {"uuid"}}
    random = {name for name in _calls(module) if name.startswith("uuid.")} | {n for n in names if n.startswith("uuid.")}
    read = {node.id for node in ast.walk(TREES[module]) if isinstance(node, ast.Name)}

    assert ours == set()
    assert impure == set()
    assert random <= PURE_NAMES
    assert read & IMPURE_NAMES == set()


@pytest.mark.parametrize("module", TREES)
def test_only_the_edge_reads_a_clock(module: str) -> None:
    assert CLOCKS.isdisjoint(_calls(module)) or _within(module, CLOCK_HOMES)
    assert "time.time" not in _imports(module)


def test_only_the_command_line_knows_the_sandbox() -> None:
    users = {module for module in TREES for name in _imports(module) if name.startswith("bcpoll.sandbox")}
    assert {name for name in users if not _within(name, ("bcpoll.cli", "bcpoll.sandbox"))} == set()


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {
        module: {_own(name) for name in _imports(module) if name.startswith("bcpoll")} - {module} for module in TREES
    }
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) >= set(TREES)


@pytest.mark.parametrize("package", ["bcpoll.adapters", "bcpoll.monitoring"])
def test_only_the_command_line_joins_adapters_and_monitoring_to_the_rest(package: str) -> None:
    users = {module for module in TREES for name in _imports(module) if name.startswith(package)}
    assert {name for name in users if not _within(name, ("bcpoll.cli", package))} == set()


def test_only_the_edge_and_the_reference_data_know_the_settings() -> None:
    users = {module for module in TREES for name in _imports(module) if name.startswith("bcpoll.config")}
    homes = ("bcpoll.cli", "bcpoll.config", "bcpoll.monitoring", "bcpoll.references")
    assert {name for name in users if not _within(name, homes)} == set()


def test_the_map_of_the_program_names_every_module_once() -> None:
    text = ast.get_docstring(TREES["bcpoll"]) or ""
    entries = re.findall(r"^    (\w+)  ", text, re.MULTILINE)
    named = {*entries, *re.findall(r"`(\w+)`", text)}
    modules = {name.split(".")[1] for name in TREES if name.count(".")} - {"__main__"}
    assert modules - named == set(), "tell in bcpoll/__init__.py where these belong"
    assert named - modules == set(), "bcpoll/__init__.py names what is not there"
    assert len(entries) == len(set(entries))


@pytest.mark.parametrize("package", ["adapters", "checkpoint", "cli", "config", "core", "http", "monitoring"])
def test_the_map_of_a_package_names_every_module(package: str) -> None:
    text = ast.get_docstring(TREES[f"bcpoll.{package}"]) or ""
    named = {*re.findall(r"^(\w+)  ", text, re.MULTILINE), *re.findall(r"`(\w+)`", text)}
    modules = {name.split(".")[2] for name in TREES if name.startswith(f"bcpoll.{package}.")}
    assert modules - named == set(), f"tell in bcpoll/{package}/__init__.py what these are for"
