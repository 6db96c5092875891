"""Import outcomes from files of rows whose columns are named by settings."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

from arms.importers.base import Importer, Intake, Log, setting
from arms.importers.records.file_names import VlmPattern
from arms.importers.records.join import read_records
from arms.importers.records.plan import FLAGS, WIDE_FLAGS, Plan, parse_wide
from arms.importers.rows.delimited import Dialect
from arms.importers.rows.reader import SUFFIXES
from arms.importers.verdicts import RANGE_HELP, GradeRule, parse_range

JOINED = (
    "Files with the columns of question and image describe queries; files with a column of VLMs, or with the "
    "columns of --verdict, give outcomes; one file may do both, several are joined by the id. Without ids, a query "
    "is its image and question (and benchmark, where there is a column of it). Rows that disagree with the first "
    "one of their query on image, answer or benchmark are set aside. Where an optional column is missing, a "
    "setting takes its place: --benchmark (the name of the first file that describes queries), --task (the benchmark), "
    "--language."
)


_IMAGES = ("image", "images")


@dataclass(frozen=True, kw_only=True)
class RecordsImporter(Importer):
    """Files of rows."""

    summary: ClassVar[str] = "Files of rows (CSV, TSV, XLSX, JSON, JSON Lines, Parquet), or folders of them."
    description: ClassVar[str] = (
        f"{JOINED} A JSON document may hold records, lists by column, records by a key (then the column key), or one "
        "list of records beside other things; CSV, TSV and JSON may be packed with gzip (.gz). Where JSON or Parquet "
        "nests, name a column by its path, such as doc.question or choices[0].text. An image is a path, a "
        "data URI, base64, bytes, or the {bytes, path} of Hugging Face's datasets; a list of them, which text may "
        "write out, is a query's images in their order, and an empty list says that none was sent."
    )
    example: ClassVar[str] = (
        "arms import records runs/*.jsonl --name mine --question-column doc.question --correct-column score"
    )
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES  # of files that are read in folders
    others_are: ClassVar[str | None] = None  # what files are whose names end in anything else

    id_column: str = setting("Column of the query's id, on which files are joined.", "query_id", metavar="COLUMN")
    question_column: str = setting("Column of the question.", "question", metavar="COLUMN")
    image_column: tuple[str, ...] = setting(
        "Column of the image's path, or of a list of several; repeat it for images in several columns. By default "
        "image or images.",
        (),
        metavar="COLUMN",
    )
    answer_column: str = setting("Column of the right answer; may be missing.", "answer", metavar="COLUMN")
    benchmark_column: str = setting("Column of the benchmark; may be missing.", "benchmark", metavar="COLUMN")
    task_column: str = setting("Column of the task; may be missing.", "task", metavar="COLUMN")
    language_column: str = setting("Column of the question's language; may be missing.", "language", metavar="COLUMN")
    group_column: str = setting(
        "Column of the group: queries of one stay on one side of a split; may be missing.", "group", metavar="COLUMN"
    )
    split_column: str = setting(
        "Column of the recorded split (train, val, id or test, ood); may be missing.", "split", metavar="COLUMN"
    )
    vlm_column: str = setting("Column of the VLM, where rows are of one VLM each.", "vlm", metavar="COLUMN")
    correct_column: str = setting("Column of its verdict or grade.", "correct", metavar="COLUMN")
    output_column: str = setting("Column of its output; may be missing.", "output", metavar="COLUMN")
    cost_column: str = setting("Column of its cost in USD; may be missing.", "cost_usd", metavar="COLUMN")
    latency_column: str = setting("Column of its latency in seconds; may be missing.", "latency_s", metavar="COLUMN")
    score_column: str = setting(
        "Column of its score in [0, 1], kept beside the verdict; may be missing: a grade in [0, 1] is the score too.",
        "score",
        metavar="COLUMN",
    )
    propensity_column: str = setting(
        "Column of the chance in (0, 1] with which this VLM was asked, where a policy drew it; may be missing.",
        "propensity",
        metavar="COLUMN",
    )
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
    score: tuple[str, ...] = setting("A VLM and the column of its scores; repeat for each.", (), metavar="VLM=COLUMN")
    propensity: tuple[str, ...] = setting(
        "A VLM and the column of the chances with which it was asked; repeat for each.", (), metavar="VLM=COLUMN"
    )
    rows: str | None = setting(
        "Where the records are in JSON documents, a path such as data.items or runs[0]; by default the document is the "
        "table, or its only list of records.",
        metavar="PATH",
    )
    benchmark: str | None = setting("The benchmark, where there is no column of it.")
    task: str | None = setting("The task, where there is no column of it.")
    language: str = setting("The questions' language, where there is no column of it.", "en")
    vlm_from_filename: str | None = setting(
        "Where each VLM has files of its own, their names, such as '{vlm}_results.json' or '{vlm}/*.csv': {vlm} is the "
        "VLM, * is any text.",
        metavar="PATTERN",
    )
    right: tuple[str, ...] = setting(
        "A word that means right, such as richtig; repeat for several.", (), metavar="WORD"
    )
    wrong: tuple[str, ...] = setting("A word that means wrong, such as falsch; repeat for several.", (), metavar="WORD")
    decimal_comma: bool = setting("A comma in a grade, cost or latency opens its decimals: 0,5 is a half.", False)
    threshold: float | None = setting("The grade from which on an answer is correct.")
    lower_is_better: bool = setting("Less is better: an answer is correct up to the threshold.", False)
    grade_range: str | None = setting(RANGE_HELP, metavar="LOW,HIGH")
    delimiter: str | None = setting(
        "What splits a row: a character, or tab. If not given, the file's header and suffix tell."
    )
    encoding: str = setting("The files' encoding.", "utf-8")
    quote: str = setting("The character that quotes cells; none if quotes are text.", '"')

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read files, and join their rows."""
        delimiter = "\t" if self.delimiter in ("tab", "\\t") else self.delimiter
        quote = "" if self.quote == "none" else self.quote
        defaults = {one.name: one.default for one in fields(self)}
        flags = {held: flag for held, flag in FLAGS.items() if held != "score" or not self._score_is_grade}
        columns = {held: getattr(self, field_of(flag)) for held, flag in flags.items() if held != "image"}
        named = (self.image_column,) if isinstance(self.image_column, str) else self.image_column
        images = tuple(column.strip() for column in named)
        plan = Plan(
            columns={held: (column.strip(),) for held, column in columns.items()} | {"image": images or _IMAGES},
            joins_images=len(images) > 1,
            no_images=intake.no_images,
            named=[held for held, flag in flags.items() if getattr(self, field_of(flag)) != defaults[field_of(flag)]],
            wide=parse_wide({held: getattr(self, field_of(flag)) for held, flag in WIDE_FLAGS.items()}),
            metric=self.correct_column,
            rule=GradeRule(
                threshold=self.threshold,
                lower_is_better=self.lower_is_better,
                grade_range=parse_range(self.grade_range),
                right=self.right,
                wrong=self.wrong,
            ),
            benchmark=self.benchmark,
            task=self.task,
            language=self.language,
            rows=self.rows,
            dialect=Dialect(delimiter=delimiter, encoding=self.encoding, quote=quote, has_flags=True),
            suffixes=self.suffixes,
            others_are=self.others_are,
            decimal_comma=self.decimal_comma,
            vlm_pattern=None if self.vlm_from_filename is None else VlmPattern(self.vlm_from_filename),
        )
        return read_records(sources, plan, intake)

    @property
    def _score_is_grade(self) -> bool:
        """One column holds the grade that is to tell right from wrong and the score."""
        return self.score_column.strip() == self.correct_column.strip()


def field_of(flag: str) -> str:
    """The setting behind a flag."""
    return flag.removeprefix("--").replace("-", "_")
