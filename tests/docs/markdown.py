"""The code blocks of a Markdown page, and the commands in them."""

import re
from dataclasses import dataclass

from tests.pipeline import ROOT

# From the project's root.
PAGES = ["README.md", *sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# ([\w.-]+(?:/[\w.-]+)*\.\w+)\n")
_STATUS = re.compile(r"# .*\bexit status (\d+)\b")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes
    ----------
    language : str
        What stands behind the fence; empty where nothing does.
    text : str
    line : int
        Of the fence, from 1.
    is_output : bool
        Whether it is what the last command of the block right before it prints.
    """

    language: str
    text: str
    line: int
    is_output: bool

    @property
    def file(self) -> str | None:
        """The file that the block is the content of, if its first line is a comment that names one."""
        named = _FILE.match(self.text)
        return named[1] if named else None


@dataclass(frozen=True)
class Command:
    """One command of a block, without its comment, and the exit status that the page promises."""

    text: str
    status: int = 0


def read_blocks(page: str) -> list[Block]:
    """The blocks of a page in order."""
    blocks, end, before = [], 0, ""
    for match in _FENCE.finditer(page):
        is_output = match[1] == "text" and before == "bash" and not page[end : match.start()].strip()
        blocks.append(Block(match[1], match[2], page.count("\n", 0, match.start()) + 1, is_output))
        end, before = match.end(), match[1]
    return blocks


def read_commands(block: str) -> list[Command]:
    """The commands of a block: continued lines are one, comments and empty lines none.

    A comment behind a command may say which exit status it ends with: `# ... exit status 1 ...`.
    """
    lines = block.replace("\\\n", " ").splitlines()
    kept = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
    statuses = [int(found[1]) if (found := _STATUS.search(line)) else 0 for line in kept]
    return [Command(re.split(r"\s+# ", line)[0], status) for line, status in zip(kept, statuses, strict=True)]
