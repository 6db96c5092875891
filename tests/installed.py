"""A fresh environment that holds the project's wheel and what that asks for, taken from this environment by links.

Nothing is downloaded. What the wheel does not ask for is not there, as after `pip install`.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement

from tests.pipeline import ROOT

_BESIDE = ("pyproject.toml", "README.md", "LICENSE")


class Installed:
    """An environment with `arms` and some of its extras.

    Parameters
    ----------
    folder : Path
        Where it is to be.
    extras : names of extras
    """

    def __init__(self, folder: Path, extras: Iterable[str]) -> None:
        self.folder = folder
        venv.create(folder / "env", with_pip=False)
        self.python = folder / "env/bin/python"
        self.wheel = _build(folder / "source", folder / "wheels")
        _pip("--python", str(self.python), "install", "--no-deps", "--no-index", str(self.wheel))
        (site,) = folder.glob("env/lib/python*/site-packages")
        (own,) = site.glob("arms-*.dist-info")
        for needed in _closure(Distribution.at(own), frozenset(extras)):
            _link(needed, site)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `arms` or `python` there, in an empty folder."""
        (self.folder / "empty").mkdir(exist_ok=True)
        command = [str(self.python.with_name(words[0])), *words[1:]]
        return subprocess.run(
            command, cwd=self.folder / "empty", env=environment(), capture_output=True, text=True, check=False
        )


def environment() -> dict[str, str]:
    """The variables of this process, but for what leads its Python to other packages."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _build(source: Path, wheels: Path) -> Path:
    """The wheel of all that Git does not ignore, made in a folder of its own."""
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "arms", *_BESIDE]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in filter(lambda name: (ROOT / name).is_file(), listed):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    _pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(wheels), str(source))
    (wheel,) = wheels.glob("arms-*.whl")
    return wheel


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    subprocess.run(command, env=environment(), check=True)


def _closure(own: Distribution, extras: frozenset[str]) -> list[Distribution]:
    """The distributions that one asks for with some extras, and that these ask for."""
    found: dict[str, Distribution] = {}
    waiting, seen = [(own, extras)], set[tuple[str, frozenset[str]]]()
    while waiting:
        one, wanted = waiting.pop()
        for text in one.requires or ():
            need = Requirement(text)
            if not _applies(need, wanted):
                continue
            key = need.name.lower().replace("_", "-"), frozenset(need.extras)
            if key in seen:
                continue
            seen.add(key)
            if key[0] == "arms":
                waiting.append((own, frozenset(need.extras)))
            else:
                found[key[0]] = distribution(need.name)
                waiting.append((found[key[0]], frozenset(need.extras)))
    return list(found.values())


def _applies(need: Requirement, extras: frozenset[str]) -> bool:
    """Whether a requirement is one here, with some extras."""
    if need.marker is None:
        return True
    return any(need.marker.evaluate({**default_environment(), "extra": extra}) for extra in (extras or {""}))


def _link(needed: Distribution, site: Path) -> None:
    """Link the files of a distribution into an environment; those outside of its packages are programs, and stay."""
    purelib = Path(sysconfig.get_path("purelib")).resolve()
    for file in needed.files or ():
        target, source = site / file, Path(str(needed.locate_file(file))).resolve()
        if ".." in file.parts or not source.is_relative_to(purelib) or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
