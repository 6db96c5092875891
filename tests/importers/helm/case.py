"""An output of HELM that a test writes, and what an import makes of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arms.importers.helm.helm_importer import HelmImporter
from arms.importers.run import ImportOptions
from tests.importers.helpers import Imported, load_log
from tests.importers.logs.helm import CLAUDE, GPT, request, short, write_image, write_json, write_run

STATE, STATS, SPEC = "scenario_state.json", "per_instance_stats.json", "run_spec.json"


class Output:
    """A benchmark_output with nothing but three images for GQA."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "benchmark_output"
        self._out = folder / "out"
        for number in range(3):
            write_image(self.folder / f"scenarios/gqa/{number}.png", number)

    def run(self, *rows: Any, name: str = "gqa", vlm: str = GPT, suite: str = "v1") -> Path:
        """Write a run; its folder."""
        return write_run(self.folder / "runs" / suite, name, vlm, rows)

    def read(self, *sources: Path, options: dict[str, Any] | None = None, **settings: Any) -> Imported:
        """Import it."""
        chosen = ImportOptions(access="free", **(options or {}))
        return load_log(self._out, HelmImporter(**settings), *(sources or [self.folder]), options=chosen)


def ask(number: int = 0, **more: Any) -> dict[str, Any]:
    """A question about one of the three images."""
    return short(f"id{number}", f"gqa/{number}.png", f"Question {number}?", "red", **more)


def right(number: int = 0, output: str = "red", match: float = 1, **more: Any) -> Any:
    """A request with such a question, and its answer."""
    return request(ask(number), output, match=match, **more)


def set_aside(found: Imported, *, noted: bool = False) -> dict[str, str]:
    """What of the log was set aside, or only noted, but for profiles: the kind, and the first detail."""
    return {
        one.kind: one.rows[0]["detail"] or ""
        for one in found.report.report.findings
        if one.table == "source" and one.set_aside != noted and "profile" not in one.kind
    }


class Spoilt(Output):
    """An output with a good run of CLAUDE and one of GPT, to be spoilt; both are right on id0 only."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for vlm in (CLAUDE, GPT):
            self.spoilt = self.run(*(right(n, f"answer {n}", 1 - n, runtime=0.5) for n in range(2)), vlm=vlm)

    def change(self, name: str, how: Callable[[Any], Any]) -> None:
        """Change what a file of GPT's run holds, in place or by what `how` returns."""
        content = json.loads((self.spoilt / name).read_text())
        write_json(self.spoilt / name, how(content) or content)

    def outcomes(self) -> tuple[list[list[Any]], Imported]:
        """GPT's outcomes (number of the query, verdict, output, latency), and what came of the import."""
        found = self.read()
        keys = ("query_id", "correct", "output", "latency_s")
        rows = [[row[key] for key in keys] for row in found.outcomes if row["vlm"] == GPT]
        return [[int(row[0][-1]), *row[1:]] for row in rows], found
