"""Somebody new to the project, with an empty home directory, and a diary of how long things took."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs.markdown import read_blocks, read_commands
from tests.pipeline import ROOT, Project

# What a shell needs to run the commands of the pages.
_PROGRAMS = ("git", "make", "bash")


class Newcomer(Project):
    """A clone of the project, and somebody who types commands there; nothing is set but what they set themselves.

    Parameters
    ----------
    folder : Path
        Where the clone is to be.
    home : Path
        An empty folder.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        super().__init__(folder)
        self.home = home
        home.mkdir()

    def environment(self) -> dict[str, str]:
        """No variable of the user who runs the tests, but for the threads: another number gives other last digits."""
        programs = [Path(sys.executable).parent, *(Path(str(shutil.which(name))).parent for name in _PROGRAMS)]
        return {
            "HOME": str(self.home),
            "PATH": os.pathsep.join(dict.fromkeys(map(str, programs))),
            "PYTHONPATH": str(self.folder),  # where the environment's install would point to
            "GIT_CONFIG_NOSYSTEM": "1",
            "OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"],
        }

    def clone(self, origin: Path) -> None:
        """Clone a project into the folder."""
        self.folder.mkdir()
        self.types(f"git clone --quiet {origin} .")

    def types(self, line: str, *, fails: bool = False) -> str:
        """Type a line into bash, and read what both streams say."""
        process = self.start("bash", "-c", line)
        output, _ = process.communicate(timeout=1800)
        assert (process.returncode != 0) is fails, f"{line}\nexit status {process.returncode}\n{output}"
        assert "Traceback" not in output, f"{line}\n{output}"
        return output

    def follows(self, page: str, heading: str) -> None:
        """Type the commands of one section of a page."""
        text = (ROOT / page).read_text(encoding="utf-8")
        section = text.partition(f"# {heading}\n")[2].partition("\n##")[0]
        commands = [c for block in read_blocks(section) if block.language == "bash" for c in read_commands(block.text)]
        assert commands, f"{page} has no commands under {heading!r}"
        for command in commands:
            self.types(command.text)

    def changes(self) -> str:
        """What Git sees as changed."""
        return self.types("git status --porcelain")


class Diary:
    """The seconds that each step took."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, also one that fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._entries.append((name, time.perf_counter() - started))

    def walk(self, newcomer: Newcomer, *steps: Callable[[Newcomer], None]) -> None:
        """Take steps that are called what they are, one after the other."""
        for step in steps:
            with self.step(step.__name__.replace("_", " ")):
                step(newcomer)

    def table(self) -> str:
        """A line for each step, and their sum."""
        entries = [*self._entries, ("all", sum(seconds for _, seconds in self._entries))]
        return "\n".join(f"{seconds:7.1f} s  {name}" for name, seconds in entries)
