"""The source distribution and what is installed from it hold what they need, and nothing else.

That the wheel works where the sources are not is tried by `.ci/run`, with the oldest and the newest dependencies.
"""

import configparser
import re
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest

from bcpoll import __version__

ROOT = Path(__file__).parents[1]

# What a wheel is made of. It does not come with Python any more.
pytest.importorskip("setuptools")

pytestmark = pytest.mark.slow


def build(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "setup.py", *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """The files of a source distribution, by name, made from a copy of the tree."""
    copy, made = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("sdist")
    for path in [*sources(), *(path for path in ROOT.glob("*") if path.is_file()), *tree("jobs"), *tree("tests")]:
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    build(copy, "-q", "sdist", "-d", str(made))
    (archive,) = made.iterdir()
    assert archive.name == f"bcpoll-{__version__}.tar.gz"
    with tarfile.open(archive) as opened:
        return {
            member.name.partition("/")[2]: opened.extractfile(member).read()  # type: ignore[union-attr]
            for member in opened
            if member.isfile()
        }


@pytest.fixture(scope="module")
def installed(sdist: Mapping[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files that are installed from the source distribution."""
    copy = tmp_path_factory.mktemp("unpacked")
    for name, content in sdist.items():
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    build(copy, "-q", "build_py", "-d", str(copy / "made"))
    return {str(path.relative_to(copy / "made")) for path in (copy / "made").rglob("*") if path.is_file()}


def tree(folder: str) -> list[Path]:
    return [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def sources() -> list[Path]:
    return [path for path in tree("bcpoll") if path.suffix in (".py", ".toml") or path.name == "py.typed"]


PACKAGE = {str(path.relative_to(ROOT)) for path in sources()}


def test_the_source_distribution_holds_the_package_and_what_a_reader_needs(sdist: Mapping[str, bytes]) -> None:
    beside = {"README.md", "CHANGELOG.md", "LICENSE", "config.example.toml", "setup.py", "setup.cfg"}
    made = {"PKG-INFO"} | {name for name in sdist if name.startswith("bcpoll.egg-info/")}

    assert set(sdist) - made == PACKAGE | beside | {str(path.relative_to(ROOT)) for path in tree("jobs")}


def test_the_example_settings_are_in_it_as_a_file_of_their_own(sdist: Mapping[str, bytes]) -> None:
    text = (ROOT / "config.example.toml").read_bytes()

    assert sdist["bcpoll/config.example.toml"] == sdist["config.example.toml"] == text


def test_what_is_installed_is_the_package_with_the_sandbox_and_without_tests(installed: set[str]) -> None:
    assert installed == PACKAGE
    assert {"bcpoll/config.example.toml", "bcpoll/py.typed", "bcpoll/sandbox/app.py"} <= installed
    assert {PurePosixPath(name).parts[0] for name in installed} == {"bcpoll"}


def test_each_dependency_has_an_oldest_version_that_is_tried_and_a_newest(sdist: Mapping[str, bytes]) -> None:
    """`.ci/run` installs the very version after >=, so that it has to be one that exists."""
    settings = configparser.ConfigParser()
    settings.read_string(sdist["setup.cfg"].decode())
    needed = settings["options"]["install_requires"].split() + [
        line for name in ("sandbox", "metrics") for line in settings["options.extras_require"][name].split()
    ]

    assert needed
    assert [line for line in needed if not re.fullmatch(r"[a-z0-9-]+>=[0-9][0-9.a-z]*,<[0-9]+", line)] == []
