"""Import outcomes in M2's own form: one record for each query and VLM."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from arms.errors import ArmsError
from arms.importers.base import Importer, Intake, Log, setting
from arms.importers.csv.file import Dialect, Sheet
from arms.importers.csv.layout import Layout
from arms.importers.csv.outcomes import gather_outcomes, vlms_of
from arms.importers.csv.queries import Part, describe_queries, fill_in, leave_out_nameless
from arms.importers.m2.fields import FIELDS, UnreadableError, flag
from arms.importers.m2.files import SUFFIXES, Records, read_records
from arms.importers.m2.values import encode
from arms.importers.set_aside import SetAside
from arms.importers.verdicts import GradeRule

_SPLITS = ("split", "subset", "partition", "fold")  # fields that usually say what a record is for
_EXACT = "output equal to the ground truth"


@dataclass(frozen=True, kw_only=True)
class M2Importer(Importer):
    """M2 records."""

    summary: ClassVar[str] = "Files of M2's records (arXiv:2606.08970), JSON Lines or Parquet, or folders of them."
    description: ClassVar[str] = (
        "A record holds an image and a question, the VLM that was asked, its output, language, task, ground truth and "
        "label (right or wrong), and for commercial VLMs cost in USD and latency in seconds. The names of M2's fields "
        "are not published: these are ours until they are. Each may be spelled in the ways below; a file has one of "
        "them, or several that say the same, and a flag names another.\n\n\b\n"
        + "\n".join(f"  {flag(held):<21} {', '.join(names)}" for held, names in FIELDS.items())
        + "\n\nNeeded are image, question, vlm and label. An image is a path, a data URI, base64, bytes, or the "
        "{bytes, path} of Hugging Face's datasets. Records are of one query if they agree on benchmark and id, or "
        "without ids on benchmark, image and question. Split fields are not used: arms splits by image."
    )
    example: ClassVar[str] = "arms import m2 m2/*.parquet --name m2 --images m2/images"

    image_field: str | None = setting("Field of the image.", metavar="FIELD")
    question_field: str | None = setting("Field of the question.", metavar="FIELD")
    vlm_field: str | None = setting("Field of the VLM's name.", metavar="FIELD")
    label_field: str | None = setting("Field of the label.", metavar="FIELD")
    output_field: str | None = setting("Field of the VLM's output.", metavar="FIELD")
    ground_truth_field: str | None = setting("Field of the right answer.", metavar="FIELD")
    benchmark_field: str | None = setting("Field of the benchmark that a query comes from.", metavar="FIELD")
    task_field: str | None = setting("Field of the task; where there is none, it is the benchmark.", metavar="FIELD")
    language_field: str | None = setting("Field of the question's language.", metavar="FIELD")
    id_field: str | None = setting("Field of the query's id.", metavar="FIELD")
    cost_field: str | None = setting("Field of the cost in USD.", metavar="FIELD")
    latency_field: str | None = setting("Field of the latency in seconds.", metavar="FIELD")
    benchmark: str = setting("The benchmark, where there is no field of it.", "m2")
    language: str = setting("The questions' language, where there is no field of it.", "en")
    exact_match: bool = setting(
        "A record without a label is right if its output is the ground truth to the letter.", False
    )
    threshold: float | None = setting("The grade from which on an answer is correct, if labels are grades.")
    lower_is_better: bool = setting("Less is better: an answer is correct up to the threshold.", False)

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read files, and join their records."""
        parts = []
        files = _find_files(sources)
        for done, path in enumerate(files, start=1):
            records = self._read_file(path, path in sources, intake)
            if records is not None and len(records.table):
                _note_unread(records, intake.aside)
                parts.append(self._part(records, intake.aside))
            intake.progress(done, len(files))
        if not any(len(part.table) for part in parts):
            names = ", ".join(map(str, sources))
            raise ArmsError(f"{names}: expected M2 records, got none to use\n{intake.aside.text()}")
        queries = describe_queries(parts, intake.aside)
        rule = GradeRule(threshold=self.threshold, lower_is_better=self.lower_is_better)
        outcomes, verdicts = gather_outcomes(parts, self.label_field or "label", {}, rule, intake.aside)
        return Log(queries, outcomes, vlms_of(outcomes, ()), (*verdicts, *([_EXACT] if self.exact_match else [])))

    def _read_file(self, path: Path, is_named: bool, intake: Intake) -> Records | None:
        """The records of a file; None, and set aside, if it was found in a folder and cannot be read."""
        fields = {held: self._fields(held) for held in FIELDS}
        needed = ["output", "answer"] if self.exact_match else ["grade"]
        named = [held for held in FIELDS if self._named(held) is not None]
        try:
            return read_records(path, fields, ["image", "question", "vlm", *needed, *named], intake)
        except UnreadableError as error:
            if is_named:
                raise
            intake.aside.add("file that cannot be read", str(path), "write it again", detail=str(error))
            return None

    def _fields(self, held: str) -> tuple[str, ...]:
        """The fields in which something may stand."""
        named = self._named(held)
        return FIELDS[held] if named is None else (named,)

    def _named(self, held: str) -> str | None:
        """The field that the user named for something."""
        return getattr(self, flag(held).removeprefix("--").replace("-", "_"))

    def _part(self, records: Records, aside: SetAside) -> Part:
        """A file's records with every column of a query, and without those that have no id."""
        sheet = Sheet(records.path, tuple(records.fields.values()), Dialect(delimiter=",", encoding="utf-8", quote=""))
        part = Part(Layout(sheet, records.fields, describes=True, is_long=True, wide_vlms=()), records.table)
        if self.exact_match:
            part.table = _with_exact_matches(part.table)
        fill_in(part, self.benchmark, None, self.language)
        leave_out_nameless(part, aside)
        part.table = _with_full_ids(part.table)
        return part


def _find_files(sources: Sequence[Path]) -> list[Path]:
    """The files of some files and folders, each once."""
    files: dict[str, Path] = {}
    for source in sources:
        for path in _walk(source) if source.is_dir() else [source]:
            files.setdefault(os.path.realpath(path), path)
    return list(files.values())


def _walk(folder: Path) -> list[Path]:
    """The files below a folder that may hold records, in a fixed order."""
    found = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES)


def _note_unread(records: Records, aside: SetAside) -> None:
    """Say which fields are not read."""
    splits = [name for name in records.unread if name.lower() in _SPLITS]
    others = [name for name in records.unread if name not in splits]
    if splits:
        aside.note(
            "split that is not used",
            str(records.path),
            "nothing: arms splits by image, so that no image is in two parts",
            detail=", ".join(splits),
        )
    if others:
        aside.note("fields that are not read", str(records.path), "name them if they matter", detail=", ".join(others))


def _with_exact_matches(table: pa.Table) -> pa.Table:
    """The table with labels for the records that have none, but an output and a ground truth."""
    matches = pc.equal(_known(table, "output"), _known(table, "answer")).cast(pa.large_string())
    if "grade" not in table.column_names:
        return table.append_column("grade", encode(matches))
    return _replace(table, "grade", pc.coalesce(_known(table, "grade"), matches))


def _known(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column's texts, null where there is nothing but white space."""
    texts = table[name].cast(pa.large_string())
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), None, texts)


def _with_full_ids(table: pa.Table) -> pa.Table:
    """The table with ids that hold in all benchmarks."""
    benchmark = pc.fill_null(table["benchmark"].cast(pa.large_string()), "")
    ids = table["query_id"].cast(pa.large_string())
    return _replace(table, "query_id", pc.binary_join_element_wise(benchmark, ids, pa.scalar("/", pa.large_string())))


def _replace(table: pa.Table, name: str, texts: pa.ChunkedArray) -> pa.Table:
    """The table with another column of this name."""
    return table.set_column(table.column_names.index(name), name, encode(texts))
