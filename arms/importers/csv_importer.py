"""Import outcomes from CSV or TSV files: records of that kind only."""

from dataclasses import dataclass
from typing import ClassVar

from arms.importers.records.records_importer import JOINED, RecordsImporter


@dataclass(frozen=True, kw_only=True)
class CsvImporter(RecordsImporter):
    """CSV or TSV files."""

    summary: ClassVar[str] = "CSV or TSV files with a row per outcome, or a row per query and a column per VLM."
    description: ClassVar[str] = (
        f"{JOINED} In cells, nothing is taken for a number, a date or a formula but verdicts, costs and latencies. An "
        "image is a path, a data URI, or base64; a list of them, written out, is a query's images in their order."
    )
    example: ClassVar[str] = (
        "arms import csv results.csv --name mine --verdict gpt-4o=gpt4o_correct --verdict phi-4=phi4_correct"
    )
    suffixes: ClassVar[tuple[str, ...]] = ()
    others_are: ClassVar[str | None] = ".csv"  # whatever the name, a file is CSV
