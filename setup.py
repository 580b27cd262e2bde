"""What setup.cfg cannot say: which files beside the package belong to the source distribution."""

from pathlib import Path

from setuptools import setup
from setuptools.command.sdist import sdist

BESIDE = ("CHANGELOG.md", "config.example.toml", *map(str, sorted(Path("jobs").glob("*"))))


class SourceDistribution(sdist):
    """The package with what a reader and an operator need, and without the tests, which want the whole repository."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Lay out the files that are to be packed; setuptools found those of the package, and some of the tests."""
        package = [name for name in files if Path(name).parts[0] != "tests"]
        super().make_release_tree(base_dir, [*package, *BESIDE])


setup(cmdclass={"sdist": SourceDistribution})
