"""What the columns of a log hold, what replaces missing ones, and how grades are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from arms.errors import ArmsError
from arms.importers.records.file_names import VlmPattern
from arms.importers.rows.delimited import PLAIN, Dialect
from arms.importers.verdicts import GradeRule

# What columns hold, and the flag that names each.
QUERY_FLAGS = {
    "query_id": "--id-column",
    "benchmark": "--benchmark-column",
    "task": "--task-column",
    "language": "--language-column",
    "question": "--question-column",
    "image": "--image-column",
    "answer": "--answer-column",
    "group": "--group-column",
    "split": "--split-column",
}
OUTCOME_FLAGS = {
    "vlm": "--vlm-column",
    "grade": "--correct-column",
    "output": "--output-column",
    "cost_usd": "--cost-column",
    "latency_s": "--latency-column",
    "score": "--score-column",
    "propensity": "--propensity-column",
}
FLAGS = {**QUERY_FLAGS, **OUTCOME_FLAGS}
WIDE_FLAGS = {
    "grade": "--verdict",
    "output": "--output",
    "cost_usd": "--cost",
    "latency_s": "--latency",
    "score": "--score",
    "propensity": "--propensity",
}

Wide = Mapping[str, Mapping[str, str]]  # by VLM, by what it holds: a column


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the rows of a log become queries and outcomes.

    Attributes
    ----------
    columns : mapping of str to tuple of str
        By what it holds, a key of `FLAGS`: the columns that may hold it; in nested JSON a path, see `rows.paths`.
    flags : mapping of str to str
        By what it holds: the flag that names its column.
    named : sequence of str
        What it holds where the user named the column, which must then be there.
    wide : mapping
        The VLMs with columns of their own, see `parse_wide`.
    required : sequence of str
        What every single file must hold.
    noun : str
        What columns are called in messages.
    metric : str
        The name of the grade where rows are of one VLM each.
    rule : GradeRule
    benchmark, task : str or None
        Used where there is no column; None: the first file's name, and the benchmark.
    language : str
    dialect : Dialect
        How CSV and TSV files are written.
    rows : str or None
        Where the table is in JSON documents, a path; None: the document is one.
    suffixes : tuple of str
        Which files are read in a folder; none: a folder is an error.
    others_are : str or None
        The suffix of the files whose names end in anything else.
    exact_match : bool
        A row without a grade is right if its output is the answer to the letter.
    ids_per_benchmark : bool
        An id is of one benchmark, not of all.
    decimal_comma : bool or None
        A comma in a grade or amount opens its decimals; None: the user has no flag to say so.
    joins_images : bool
        The columns of images hold one after the other, and not all the same.
    no_images : bool
        Images may be missing: a file with a column of questions describes queries.
    vlm_pattern : VlmPattern or None
        Where the VLM is in the names of files of one VLM each.
    """

    columns: Mapping[str, tuple[str, ...]]
    metric: str
    rule: GradeRule
    flags: Mapping[str, str] = field(default_factory=lambda: FLAGS)
    named: Sequence[str] = ()
    wide: Wide = field(default_factory=dict)
    required: Sequence[str] = ()
    noun: str = "column"
    benchmark: str | None = None
    task: str | None = None
    language: str = "en"
    dialect: Dialect = PLAIN
    rows: str | None = None
    suffixes: tuple[str, ...] = ()
    others_are: str | None = None
    exact_match: bool = False
    ids_per_benchmark: bool = False
    decimal_comma: bool | None = None
    joins_images: bool = False
    no_images: bool = False
    vlm_pattern: VlmPattern | None = None

    @property
    def asked(self) -> tuple[str, ...]:
        """What a file must hold to describe queries."""
        return ("question",) if self.no_images else ("question", "image")

    @property
    def wanted(self) -> dict[str, tuple[str, ...]]:
        """All that may be read: the columns of each thing, and those of each VLM, see `of_vlm`."""
        own = {of_vlm(held, vlm): (column,) for vlm, of in self.wide.items() for held, column in of.items()}
        return {**self.columns, **own}

    def spelled(self, held: str) -> str:
        """The columns that may hold something, for a message."""
        return " or ".join(map(repr, self.columns[held]))


def of_vlm(held: str, vlm: str) -> str:
    """What a column is called that holds something of one VLM."""
    return f"{held} of {vlm}"


def parse_wide(settings: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """The VLMs with columns of their own, from settings such as "gpt-4o=gpt4o_correct".

    Parameters
    ----------
    settings : mapping of str to sequence of str
        By what the columns hold, the keys of `WIDE_FLAGS`.

    Raises
    ------
    ArmsError
        If a setting is not VLM=COLUMN, repeats, or is of a VLM without a verdict column.
    """
    wide: dict[str, dict[str, str]] = {}
    for held, flag in WIDE_FLAGS.items():
        for text in settings[held]:
            vlm, _, column = (part.strip() for part in text.partition("="))
            if not vlm or not vlm.isprintable() or not column:
                raise ArmsError(f"{flag}: expected VLM=COLUMN, got {text!r}")
            if held != "grade" and vlm not in wide:
                raise ArmsError(f"{flag} {text}: expected a VLM with a column of verdicts; add --verdict {vlm}=COLUMN")
            if held in wide.setdefault(vlm, {}):
                raise ArmsError(f"{flag}: expected one column for {vlm}, got {wide[vlm][held]!r} and {column!r}")
            wide[vlm][held] = column
    return wide
