"""What the tests of all importers share: an import, and what came of it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from arms.data.tables import read_dataset
from arms.importers.base import Importer
from arms.importers.import_report import ImportReport
from arms.importers.run import ImportOptions, import_log

FREE = ImportOptions(access="free")


@dataclass(frozen=True)
class Imported:
    """The rows of both tables, the report, and the dataset's folder."""

    queries: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    report: ImportReport
    folder: Path

    @property
    def kinds(self) -> dict[str, int]:
        """What was set aside or noted, and how often; but that no VLM has a profile."""
        found = self.report.report.findings
        return {one.kind: one.count for one in found if one.kind != "VLM without a profile"}

    @property
    def right(self) -> dict[tuple[str, str], bool]:
        """The verdicts by question and VLM."""
        questions = {query["query_id"]: query["question"] for query in self.queries}
        return {(questions[row["query_id"]], row["vlm"]): row["correct"] for row in self.outcomes}

    def examples(self, kind: str) -> list[tuple[str, str]]:
        """The first examples of a finding: place without the folder, and detail."""
        (found,) = (one for one in self.report.report.findings if one.kind == kind)
        return [(row["where"].rpartition("/")[2], row["detail"]) for row in found.rows]

    def pictures(self, query: dict[str, Any]) -> list[bytes]:
        """The bytes of a query's images."""
        return [(self.folder / image).read_bytes() for image in query["images"]]

    def image(self, query: dict[str, Any]) -> bytes:
        """The bytes of a query's one image."""
        (content,) = self.pictures(query)
        return content

    def column(self, name: str) -> list[Any]:
        """A column of the queries, or of the outcomes."""
        rows = self.queries if name in self.queries[0] and name != "query_id" else self.outcomes
        return [row[name] for row in (self.queries if name == "query_id" else rows)]


def load_log(out: Path, importer: Importer, *sources: Path, options: ImportOptions = FREE) -> Imported:
    """Import some sources, over what was there."""
    report = import_log(importer, sources, out, replace(options, replace=True))
    dataset = read_dataset(out)
    assert report.report.outcomes_kept == len(dataset.outcomes)
    return Imported(rows(dataset.queries), rows(dataset.outcomes), report, out)


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table's rows, null where a cell is empty."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")
