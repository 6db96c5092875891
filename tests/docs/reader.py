"""A reader who does what a page says, in a clone of the project: writes its files and types its commands."""

import re
import sys
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.docs.markdown import Block, Command, read_blocks, read_commands
from tests.pipeline import Project

_yaml = YAML()
_yaml.preserve_quotes = True  # type: ignore[assignment]
_yaml.width = 4096  # type: ignore[assignment]


class Reader:
    """Follows pages from their first block to their last, but for the commands that are left out."""

    def __init__(self, project: Project, left_out: Collection[str]) -> None:
        self.project, self.left_out = project, left_out
        self._output = ""

    def follow(self, page: Path) -> None:
        """Do what a page says; an AssertionError names the line where it does not work."""
        for block in read_blocks(page.read_text(encoding="utf-8")):
            try:
                self._do(block)
            except Exception as error:
                raise AssertionError(f"{page.name}, line {block.line}: {error}") from error

    def _do(self, block: Block) -> None:
        if block.language == "bash":
            for command in read_commands(block.text):
                self._type(command)
        elif block.is_output:
            check_output(block.text, self._output)
        elif block.language == "toml":
            self._install(tomllib.loads(block.text))
        elif block.language == "yaml":
            content = _yaml.load(block.text)
            if block.file:
                write_yaml(self.project.folder / block.file, content)
        elif block.file:
            self._write(block.file, block.text)
        elif block.language == "python":
            self._output = self.project.run(sys.executable, "-c", block.text)

    def _type(self, command: Command) -> None:
        if command.text in self.left_out:
            return
        process = self.project.start("bash", "-c", command.text)
        self._output, _ = process.communicate(timeout=600)
        if process.returncode != command.status:
            raise AssertionError(f"{command.text}\nexit status {process.returncode}\n{self._output}")

    def _write(self, name: str, text: str) -> None:
        path = self.project.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _install(self, content: dict[str, Any]) -> None:
        """What installing a package of these entry points leaves behind; the clone's folder is on the path."""
        groups = content.get("project", {}).get("entry-points", {})
        lines = [line for group, points in groups.items() for line in (f"[{group}]", *_lines(points))]
        self._write("reader-0.dist-info/entry_points.txt", "\n".join(lines))
        self._write("reader-0.dist-info/METADATA", "Metadata-Version: 2.1\nName: reader\nVersion: 0\n")


def write_yaml(path: Path, changes: Any) -> None:
    """Write settings to a file; one that is there keeps all that they do not name."""
    if path.exists():
        content = _yaml.load(path)
        _merge(content, changes)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = changes
    _yaml.dump(content, path)


def check_output(expected: str, output: str) -> None:
    """Whether the expected lines are printed, in their order; `...` stands for anything.

    Raises
    ------
    AssertionError
        With the first line that is not there.
    """
    printed = iter(output.splitlines())
    for line in filter(None, map(str.strip, expected.splitlines())):
        pattern = re.compile(".*".join(map(re.escape, line.split("..."))))
        if line != "..." and not any(pattern.fullmatch(found.strip()) for found in printed):
            raise AssertionError(f"not printed, or not in this place: {line}\n{output}")


def _merge(content: Any, changes: Any) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(content.get(key), dict) and value:
            _merge(content[key], value)
        else:
            content[key] = value


def _lines(points: dict[str, str]) -> list[str]:
    return [f"{name} = {target}" for name, target in points.items()]
