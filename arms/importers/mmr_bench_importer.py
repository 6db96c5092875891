"""Import MMR-Bench's merged table: a row for each question, and for each VLM columns that begin with its name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from arms.errors import ArmsError
from arms.importers.base import Importer, Intake, Log, setting
from arms.importers.builder import LogBuilder, QueryRow, as_amount
from arms.importers.rows.packed import suffix_of
from arms.importers.rows.reader import find_files, open_table
from arms.importers.rows.table import UnreadableError, cell_text
from arms.importers.verdicts import GradeRule, parse_grade
from arms.progress import progress_bar

_ID = "dataset_idx"
_OF_VLM = {"grade": "_correct", "output": "_prediction", "cost": "_cost"}  # how columns of a VLM end
_TOKENS = "_token"
_FOLDERS = {"SEEDBench2_Plus": "SEEDBenchv2Plus"}  # where a folder is not called as its benchmark
_TABLES = (".csv", ".tsv", ".xlsx", ".parquet")
_ENDINGS = (".jpg", ".png", ".jpeg", ".webp")


@dataclass(frozen=True, kw_only=True)
class MmrBenchImporter(Importer):
    """MMR-Bench."""

    summary: ClassVar[str] = "MMR_Bench.csv of MMR-Bench with its folders of images, or tables of that form."
    description: ClassVar[str] = (
        "A row is a question: dataset_idx, question and, if known, answer. Each VLM has columns of its own: "
        "<vlm>_correct, and <vlm>_prediction and <vlm>_cost where there are any. dataset_idx is the query's id and "
        "says where its image is: MathVista_12 is the image 12 in the folder MathVista. A column img_path goes before "
        "it. Costs are taken as USD: MMR-Bench leaves their unit open, so name it with --cost-factor. A VLM whose "
        "costs are all 0 has none that are known. Tokens are not read."
    )
    example: ClassVar[str] = "arms import mmr-bench data/MMR_Bench.csv --name mmr-bench --access free"

    task_column: str = setting("Column of the task; may be missing.", "category", metavar="COLUMN")
    language: str = setting("The questions' language.", "en")
    folder: tuple[str, ...] = setting(
        "Where the images of a benchmark are, if its folder has another name; repeat for several.",
        (),
        metavar="BENCHMARK=FOLDER",
    )
    cost_factor: float = setting("What one unit of the cost columns is in USD.", 1.0)

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read tables, and join those of several files."""
        if not (np.isfinite(self.cost_factor) and self.cost_factor > 0):
            raise ArmsError(f"--cost-factor: expected a number above 0, got {self.cost_factor}")
        builder = LogBuilder(intake.aside, GradeRule())
        reader = _Reader(self, builder, intake, {**_FOLDERS, **_parse_folders(self.folder)})
        files = find_files(sources, lambda path: suffix_of(path) in _TABLES)
        with progress_bar("read", "files") as progress:
            for done, path in enumerate(files, start=1):
                try:
                    reader.read(path, named=path in sources)
                except UnreadableError as error:
                    if path in sources:
                        raise
                    intake.aside.add("file that cannot be read", str(path), "write it again", detail=str(error))
                progress(done, len(files))
        if not reader.found:
            listed = ", ".join(map(str, sources))
            raise ArmsError(
                f"{listed}: expected a table with the columns {_ID} and question, and <vlm>_correct for each VLM, got "
                f"none\n{intake.aside.text()}".rstrip()
            )
        return _with_known_costs(builder.build(), intake)


@dataclass
class _Reader:
    """Hands the rows of tables to the builder."""

    settings: MmrBenchImporter
    builder: LogBuilder
    intake: Intake
    folders: Mapping[str, str]
    found: bool = False
    references: dict[str, str] = field(default_factory=dict)  # images by id

    def read(self, path: Path, *, named: bool) -> None:
        """Read one file; in folders, one of another form is noted."""
        with open_table(path, self.intake.aside) as table:
            columns = table.columns or ()
            vlms = [name.removesuffix(_OF_VLM["grade"]) for name in columns if name.endswith(_OF_VLM["grade"])]
            vlms = list(filter(None, vlms))
            missing = [name for name in (_ID, "question") if name not in columns] + ["<vlm>_correct"] * (not vlms)
            if missing and named:
                hint = "; a table without ids can be imported with: arms import records" if _ID in missing else ""
                raise ArmsError(f"{path}: expected a column {missing[0]}, got {', '.join(columns[:40])}{hint}")
            if missing:
                advice = "nothing, if it is no table of questions and outcomes"
                self.intake.aside.note("file of another form", str(path), advice, detail=f"no column {missing[0]}")
                return
            self.found = True
            used = self._used(columns, vlms)
            self._note_unread(path, [name for name in columns if name not in used])
            for where, cells in table.rows(used):
                self._add(where, cells, vlms)

    def _used(self, columns: Sequence[str], vlms: Sequence[str]) -> list[str]:
        wanted = {_ID, "question", "answer", "img_path", self.settings.task_column}
        wanted |= {f"{vlm}{ending}" for vlm in vlms for ending in _OF_VLM.values()}
        return [name for name in columns if name in wanted]

    def _note_unread(self, path: Path, unread: Sequence[str]) -> None:
        tokens = [name for name in unread if name.endswith(_TOKENS)]
        others = [name for name in unread if name not in tokens]
        for kind, names, advice in (
            ("counts of tokens, not read", tokens, "nothing: outcomes hold costs, and those are read"),
            ("fields that are not read", others, "nothing, if they are none of queries or outcomes"),
        ):
            if names:
                self.intake.aside.note(kind, str(path), advice, detail=", ".join(names))

    def _add(self, where: str, cells: Mapping[str, Any], vlms: Sequence[str]) -> None:
        """Hand one question and its outcomes to the builder."""
        name = (cell_text(cells[_ID]) or "").strip()
        benchmark, _, number = name.rpartition("_")
        if not benchmark or not number:
            advice = f"fill in {_ID}, as in MathVista_12"
            self.intake.aside.add(f"row without a {_ID}", where, advice, detail=name)
            return
        query = QueryRow(
            query_id=name,
            benchmark=benchmark,
            task=cell_text(cells.get(self.settings.task_column)) or benchmark,
            language=self.settings.language,
            question=cells["question"] if cells["question"] is not None else "",
            image=self._image(name, benchmark, number, cell_text(cells.get("img_path"))),
            answer=cells.get("answer"),
        )
        if not self.builder.add_query(query, where):
            return
        for vlm in vlms:
            grade, output, cost = (cells.get(f"{vlm}{ending}") for ending in _OF_VLM.values())
            known = parse_grade(grade)
            if output is None and known is not None and np.isnan(known):
                continue  # it was not asked
            amount = as_amount(cost)
            self.builder.add_outcome(
                where,
                name,
                vlm,
                grade=grade,
                metric="correct",
                output=output,
                cost_usd=cost if amount is None else amount * self.settings.cost_factor,
            )

    def _image(self, name: str, benchmark: str, number: str, path: str | None) -> str | tuple[()]:
        """The reference of a question's image: its path, or what its id leads to."""
        if self.intake.no_images:
            return ()
        if path:
            return self.intake.images.add_recorded(path)
        if name not in self.references:
            paths = [f"{self.folders.get(benchmark, benchmark)}/{number}{ending}" for ending in _ENDINGS]
            there = next(filter(self.intake.images.has_file, paths), paths[0])
            self.references[name] = self.intake.images.add_recorded(there)
        return self.references[name]


def _parse_folders(texts: Sequence[str]) -> dict[str, str]:
    """The folders that --folder names, by benchmark."""
    folders = {}
    for text in texts:
        benchmark, _, folder = (part.strip() for part in text.partition("="))
        if not benchmark or not folder:
            raise ArmsError(f"--folder: expected BENCHMARK=FOLDER, got {text!r}")
        folders[benchmark] = folder
    return folders


def _with_known_costs(log: Log, intake: Intake) -> Log:
    """The log without the costs of VLMs that cost nothing on any question: nobody filled these in."""
    outcomes = log.outcomes
    most = outcomes.groupby("vlm")["cost_usd"].max()
    free = most.index[most == 0]
    for vlm in free:
        intake.aside.note("VLM whose costs are all 0", vlm, "nothing: they are taken as unknown; it may have a price")
    costs = outcomes["cost_usd"].mask(outcomes["vlm"].isin(free))
    if costs.notna().any():
        advice = "nothing if the table's costs are in USD; else say what one unit is: --cost-factor"
        intake.aside.note("costs taken as USD", "<vlm>_cost", advice, detail=f"the mean is {costs.mean():.3g} USD")
    return Log(log.queries, outcomes.assign(cost_usd=costs), log.vlms, log.verdicts)
