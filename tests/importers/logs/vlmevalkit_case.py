"""A log of VLMEvalKit that a test writes file by file, and what an import makes of it."""

from pathlib import Path
from typing import Any

from PIL import Image

from arms.data.tables import OutcomeTables, read_dataset
from arms.importers.import_report import ImportReport
from arms.importers.run import ImportOptions, import_log
from arms.importers.vlmevalkit.vlmevalkit_importer import VlmEvalKitImporter
from tests.importers.logs.vlmevalkit import RUN, image, question, write_table, write_tsv


class Log:
    """A log that a test writes file by file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outputs = folder / "outputs"
        self.tsvs = folder / "LMUData"

    def tsv(self, benchmark: str, *numbers: int, **more: Any) -> None:
        """A benchmark's file with an image in each row."""
        write_tsv(self.tsvs / f"{benchmark}.tsv", [question(number, image=image(number), **more) for number in numbers])

    def result(self, vlm: str, rest: str, *rows: dict[str, Any], run: str = RUN, ending: str = "xlsx") -> Path:
        """A file of a VLM's run."""
        return write_table(self.outputs / vlm / run / f"{vlm}_{rest}.{ending}", rows)

    def read(self, *sources: Path, options: dict[str, Any] | None = None, **settings: Any) -> "Outcome":
        """Import the log."""
        sources = sources or (self.outputs, self.tsvs)
        chosen = ImportOptions(access="free", replace=True, **(options or {}))
        report = import_log(VlmEvalKitImporter(**settings), sources, self.folder / "out", chosen)
        return Outcome(report, read_dataset(self.folder / "out"))


class Outcome:
    """A dataset and how it came about."""

    def __init__(self, report: ImportReport, dataset: OutcomeTables) -> None:
        self.report = report
        self.queries = dataset.queries.set_index("query_id")
        self.outcomes = dataset.outcomes
        self.folder = dataset.folder

    def verdicts(self, vlm: str = "M") -> dict[str, bool]:
        rows = self.outcomes[self.outcomes["vlm"] == vlm]
        return dict(zip(rows["query_id"], rows["correct"].tolist(), strict=True))

    def outputs(self, vlm: str = "M") -> dict[str, str | None]:
        rows = self.outcomes[self.outcomes["vlm"] == vlm]
        outputs = rows["output"].astype(object).where(rows["output"].notna(), None)
        return dict(zip(rows["query_id"], outputs, strict=True))

    def pixel(self, query_id: str) -> int:
        """The number of the `image` of a query."""
        with Image.open(self.folder / self.queries.loc[query_id, "images"][0]) as found:
            return found.getpixel((0, 0))[0]

    def findings(self) -> dict[str, int]:
        return {finding.kind: finding.count for finding in self.report.report.findings}

    def rows(self, kind: str) -> list[dict[str, Any]]:
        (finding,) = (finding for finding in self.report.report.findings if finding.kind == kind)
        return list(finding.rows)
