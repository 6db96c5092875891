"""The VLM in a file's name, where each VLM has a file of its own: --vlm-from-filename."""

import re
from pathlib import Path

from arms.errors import ArmsError

_VLM = "{vlm}"


class VlmPattern:
    """A pattern of file names such as ``{vlm}_results.json`` or ``{vlm}/*/answers.csv``.

    Parameters
    ----------
    pattern : str
        ``{vlm}`` stands for the VLM's name, ``*`` for any text; neither for a slash. With slashes in it, the pattern is
        compared with the last folders too.

    Raises
    ------
    ArmsError
        If it does not hold ``{vlm}`` once.
    """

    def __init__(self, pattern: str) -> None:
        if pattern.count(_VLM) != 1 or "{" in pattern.replace(_VLM, ""):
            raise ArmsError(f"--vlm-from-filename: expected a pattern with {_VLM} in it, once, got {pattern!r}")
        self.pattern = pattern
        meaning = {_VLM: r"(?P<vlm>[^/]+)", "*": "[^/]*"}
        parts = re.split(r"(\{vlm\}|\*)", pattern.removeprefix("./"))
        body = "".join(meaning.get(part) or re.escape(part) for part in parts)
        self._regex = re.compile(rf"(?:.*/)?{body}")

    def find(self, path: Path) -> str | None:
        """The VLM that a file's name names; None if the pattern does not fit."""
        found = self._regex.fullmatch(path.absolute().as_posix())
        name = "" if found is None else found["vlm"].strip()
        return name or None
