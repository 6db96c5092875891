"""What of a log could not be used, counted by kind, and where each piece is."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from arms.data.validation_report import Finding
from arms.importers.texts import encodable

REPORT_FILE = "import_report.json"
SET_ASIDE_FOLDER = "set_aside"

_EXAMPLES = 5  # of one kind, in the report
_LONGEST = 1000  # characters of a detail


@dataclass
class _Kind:
    """One kind of problem, how many rows have it, and the first of them."""

    advice: str
    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


class SetAside:
    """Receives from an importer every part of the log (a file, a row, a cell) that it passes over, and why."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str, int]] = []  # where, kind, detail, rows of the log
        self._kinds: dict[tuple[str, bool], _Kind] = {}  # by the kind's name, and whether rows are set aside for it

    def add(self, kind: str, where: str, advice: str, *, detail: str = "", count: int = 1) -> None:
        """Say that something is set aside.

        Parameters
        ----------
        kind : str
            What is wrong, the same words for all of a kind, such as "row without an image".
        where : str
            The place in the log, such as "runs/a.jsonl, line 3".
        advice : str
            What the user can do about it.
        detail : str
            What was found there; a long one is cut.
        count : int
            How many rows of the log this is.
        """
        kind, where, detail = encodable(kind), _tell(where), _tell(detail)
        self._rows.append((where, kind, detail, count))
        self._count(kind, where, advice, detail, count, set_aside=True)

    def note(self, kind: str, where: str, advice: str, *, detail: str = "", count: int = 1) -> None:
        """Say something that the user should know although nothing is set aside for it."""
        self._count(encodable(kind), _tell(where), advice, _tell(detail), count, set_aside=False)

    @property
    def count(self) -> int:
        """How many rows of the log are set aside."""
        return sum(kind.count for (_, set_aside), kind in self._kinds.items() if set_aside)

    def findings(self) -> tuple[Finding, ...]:
        """By kind, how many and the first few."""
        return tuple(
            Finding(name, "source", kind.count, tuple(kind.examples), kind.advice, set_aside)
            for (name, set_aside), kind in self._kinds.items()
        )

    def text(self) -> str:
        """What is set aside, a line for each kind with its first place, for an error that ends the import."""
        lines = []
        for (name, set_aside), kind in self._kinds.items():
            if set_aside:
                first = ": ".join(filter(None, kind.examples[0].values()))
                lines.append(f"{kind.count:,} set aside: {name} ({first}); {kind.advice}")
        return "\n".join(lines)

    def table(self) -> pd.DataFrame:
        """All that is set aside: where, reason, detail, and how many rows of the log it is."""
        where, reasons, details, rows = zip(*self._rows, strict=True) if self._rows else ((), (), (), ())
        texts = pd.DataFrame({"where": where, "reason": reasons, "detail": details}, dtype="str")
        return texts.assign(rows=pd.Series(rows, dtype="int64"))

    def _count(self, kind: str, where: str, advice: str, detail: str, count: int, *, set_aside: bool) -> None:
        found = self._kinds.setdefault((kind, set_aside), _Kind(encodable(advice)))
        found.count += count
        if len(found.examples) < _EXAMPLES:
            found.examples.append({"where": where, "detail": detail or None})


def _tell(value: Any) -> str:
    """A place or detail as text that can be written, not too long."""
    text = encodable(str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
