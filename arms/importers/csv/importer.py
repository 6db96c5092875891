"""Import outcomes from CSV or TSV files whose columns are named by settings."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

from arms.importers.base import Importer, Intake, Log, setting
from arms.importers.csv.file import Dialect, read_header, read_rows
from arms.importers.csv.layout import FLAGS, lay_out, parse_wide
from arms.importers.csv.outcomes import gather_outcomes, vlms_of
from arms.importers.csv.queries import Part, describe_queries, fill_in, leave_out_nameless
from arms.importers.verdicts import GradeRule


@dataclass(frozen=True, kw_only=True)
class CsvImporter(Importer):
    """CSV or TSV files."""

    summary: ClassVar[str] = "CSV or TSV files with a row per outcome, or a row per query and a column per VLM."
    description: ClassVar[str] = (
        "Files with the columns of question and image describe queries; files with a column of VLMs, or with the "
        "columns of --verdict, give outcomes; one file may do both, several are joined by the id. Without ids, a query "
        "is its image and question (and benchmark, where there is a column of it). Rows that disagree with the first "
        "one of their query on image, answer or benchmark are set aside. Where an optional column is missing, its "
        "setting stands in: --benchmark (the name of the first file that describes queries), --task (the benchmark), "
        "--language. In cells, nothing is taken for a number, a date or a formula but verdicts, costs and latencies. "
        "An image is a path, or a data URI."
    )
    example: ClassVar[str] = (
        "arms import csv results.csv --name mine --verdict gpt-4o=gpt4o_correct --verdict phi-4=phi4_correct"
    )

    id_column: str = setting("Column of the query's id, on which files are joined.", "query_id", metavar="COLUMN")
    question_column: str = setting("Column of the question.", "question", metavar="COLUMN")
    image_column: str = setting("Column of the image's path.", "image", metavar="COLUMN")
    answer_column: str = setting("Column of the right answer; may be missing.", "answer", metavar="COLUMN")
    benchmark_column: str = setting("Column of the benchmark; may be missing.", "benchmark", metavar="COLUMN")
    task_column: str = setting("Column of the task; may be missing.", "task", metavar="COLUMN")
    language_column: str = setting("Column of the question's language; may be missing.", "language", metavar="COLUMN")
    vlm_column: str = setting("Column of the VLM, where rows are of one VLM each.", "vlm", metavar="COLUMN")
    correct_column: str = setting("Column of its verdict or grade.", "correct", metavar="COLUMN")
    output_column: str = setting("Column of its output; may be missing.", "output", metavar="COLUMN")
    cost_column: str = setting("Column of its cost in USD; may be missing.", "cost_usd", metavar="COLUMN")
    latency_column: str = setting("Column of its latency in seconds; may be missing.", "latency_s", metavar="COLUMN")
    verdict: tuple[str, ...] = setting(
        "A VLM and the column of its verdicts or grades, where VLMs have columns of their own; repeat for each.",
        (),
        metavar="VLM=COLUMN",
    )
    output: tuple[str, ...] = setting("A VLM and the column of its outputs; repeat for each.", (), metavar="VLM=COLUMN")
    cost: tuple[str, ...] = setting(
        "A VLM and the column of its costs in USD; repeat for each.", (), metavar="VLM=COLUMN"
    )
    latency: tuple[str, ...] = setting(
        "A VLM and the column of its latencies in seconds; repeat for each.", (), metavar="VLM=COLUMN"
    )
    benchmark: str | None = setting("The benchmark, where there is no column of it.")
    task: str | None = setting("The task, where there is no column of it.")
    language: str = setting("The questions' language, where there is no column of it.", "en")
    threshold: float | None = setting("The grade from which on an answer is correct.")
    lower_is_better: bool = setting("Less is better: an answer is correct up to the threshold.", False)
    delimiter: str | None = setting(
        "What splits a row: a character, or tab. If not given, the file's header and suffix tell."
    )
    encoding: str = setting("The files' encoding.", "utf-8")
    quote: str = setting("The character that quotes cells; none if quotes are text.", '"')

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read files."""
        wide = parse_wide(
            {"grade": self.verdict, "output": self.output, "cost_usd": self.cost, "latency_s": self.latency}
        )
        delimiter = "\t" if self.delimiter in ("tab", "\\t") else self.delimiter
        dialect = Dialect(delimiter=delimiter, encoding=self.encoding, quote="" if self.quote == "none" else self.quote)
        sheets = [read_header(source, dialect) for source in sources]
        layouts = lay_out(sheets, self._columns(), wide, self._named())
        parts = []
        for layout in layouts:
            table = read_rows(layout.sheet, layout.columns, intake.aside, {"image": intake.images.add_recorded})
            parts.append(Part(layout, table))
            intake.progress(len(parts), len(layouts))
        described = [part for part in parts if part.layout.describes]
        for part in parts:
            if part.layout.describes:
                fill_in(part, self.benchmark or described[0].layout.sheet.path.stem, self.task, self.language)
            leave_out_nameless(part, intake.aside)
        queries = describe_queries(described, intake.aside)
        rule = GradeRule(threshold=self.threshold, lower_is_better=self.lower_is_better)
        outcomes, verdicts = gather_outcomes(parts, self.correct_column, wide, rule, intake.aside)
        return Log(queries, outcomes, vlms_of(outcomes, wide), verdicts)

    def _columns(self) -> dict[str, str]:
        """By what it holds: a column."""
        return {held: getattr(self, _field(flag)).strip() for held, flag in FLAGS.items()}

    def _named(self) -> list[str]:
        """What is held by columns that the user named."""
        defaults = {field.name: field.default for field in fields(self)}
        return [held for held, flag in FLAGS.items() if getattr(self, _field(flag)) != defaults[_field(flag)]]


def _field(flag: str) -> str:
    """The setting behind a flag."""
    return flag.removeprefix("--").replace("-", "_")
