"""Import what VLMEvalKit evaluated: verdicts and answers from its result files, images from the benchmarks' TSVs."""

import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from arms.errors import ArmsError
from arms.importers.base import Importer, Intake, Log, setting
from arms.importers.builder import LogBuilder, QueryRow
from arms.importers.joined_runs import leave_out_disputed
from arms.importers.metric_names import HELP as METRIC_HELP
from arms.importers.metric_names import parse_metrics
from arms.importers.rows.reader import open_table
from arms.importers.rows.table import ErrorCell, Formula, Row, cell_text
from arms.importers.set_aside import SetAside
from arms.importers.texts import encodable
from arms.importers.verdicts import RANGE_HELP, GradeRule, parse_range
from arms.importers.vlmevalkit.evaluations import Evaluation, Headers, choose_evaluations, report_unreadable, sort_files
from arms.importers.vlmevalkit.image_tsv import as_index
from arms.importers.vlmevalkit.question_forms import (
    OPTIONS,
    base_index,
    is_rotated,
    language_of,
    normal_columns,
    question_text,
)
from arms.importers.vlmevalkit.question_images import BenchmarkFiles, QuestionImages, split_named
from arms.importers.vlmevalkit.result_files import assign_files, find_files, is_passed_over
from arms.importers.vlmevalkit.verdict_columns import VERDICTS, VerdictReader, find_verdicts
from arms.progress import progress_bar

_FAILED = "Failed to obtain answer"  # VLMEvalKit writes it in the place of an answer
_TEXTS = ("question", "hint", *OPTIONS, "answer", "answers", "prediction")
_LISTS = ("answer", "answers", "prediction")  # these may be lists in JSON
_COLUMNS = ("index", "g_index", "image_path", *_TEXTS)


@dataclass(frozen=True, kw_only=True)
class VlmEvalKitImporter(Importer):
    """Result files of VLMEvalKit."""

    summary: ClassVar[str] = "VLMEvalKit's outputs, a VLM's or a run's folder in it, or result files."
    description: ClassVar[str] = (
        "Reads evaluated files in xlsx, tsv or json: _result with hit, _results with eval_match, _auxmatch and others "
        "with score, MathVista's with res. Runs are joined on benchmark and index; of several runs of a VLM the "
        "newest verdict on each question counts. Rows of one index in a file that disagree are set aside. Images come "
        "from the benchmarks' TSVs, all of a question in their order. Questions asked with rotated options count once. "
        "Answers that were never obtained are unknown. VLMEvalKit records neither tokens nor latencies."
    )
    example: ClassVar[str] = "arms import vlmevalkit ~/VLMEvalKit/outputs --tsv ~/LMUData --name mmbench"

    tsv: tuple[str, ...] = setting(
        "Where the benchmarks' TSVs are: a folder, a file, or BENCHMARK=FILE where the names differ; repeat for "
        "several. Those among the sources are found.",
        default=(),
        metavar="PATH",
    )
    task: str = setting("The column that names a question's task, such as category or l2-category.", default="category")
    language: str | None = setting(
        "The language of all questions, such as en. By default English, but where the benchmark's name says another."
    )
    judge: str | None = setting("Take only evaluations by this judge, as the files' names have it.", metavar="NAME")
    metric: tuple[str, ...] = setting(
        f"The column that holds the verdict or grade; {METRIC_HELP}. By default what VLMEvalKit itself counts.",
        (),
        metavar="[BENCHMARK=]COLUMN",
    )
    threshold: float | None = setting(
        "The grade from which on an answer is correct, on every benchmark with grades; hit and the like need none."
    )
    lower_is_better: bool = setting("An answer is correct up to the threshold.", default=False)
    grade_range: str | None = setting(RANGE_HELP, metavar="LOW,HIGH")

    def image_roots(self, sources: Sequence[Path]) -> tuple[Path, ...]:
        """The folders of the sources and of the TSVs, with the images that VLMEvalKit unpacks there."""
        named = [path for _, path in map(split_named, self.tsv)]
        folders = [path if path.is_dir() else path.parent for path in named]
        roots = [*super().image_roots(sources), *folders, *(folder / "images" for folder in folders)]
        return tuple(dict.fromkeys(root for root in roots if root.is_dir()))

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read the evaluated files of all VLMs, then the images of their questions."""
        metrics = parse_metrics(self.metric, lower=True)
        headers = Headers(metrics, intake.aside)
        paths = [path for path in find_files(sources, intake.aside) if not is_passed_over(path)]
        in_sources = [path for path in paths if headers.is_benchmark(path)]
        benchmarks = BenchmarkFiles(self.tsv, in_sources, intake.aside)
        results = sorted({*paths} - {*in_sources})
        files = assign_files(results, benchmarks.names, headers.holds_answers, intake.aside)
        chosen = choose_evaluations(
            *sort_files(files, benchmarks.names, headers, intake.aside), self.judge, intake.aside
        )
        if not chosen and not intake.aside.count:
            raise ArmsError(
                f"{', '.join(map(str, sources))}: expected result files of VLMEvalKit, {{VLM}}/{{VLM}}_{{benchmark}} "
                "with what its evaluation adds, got none; name its outputs folder, or a folder in it"
            )
        metrics.check_benchmarks({one.benchmark for one in chosen})
        rule = GradeRule(
            threshold=self.threshold, lower_is_better=self.lower_is_better, grade_range=parse_range(self.grade_range)
        )
        builder = LogBuilder(intake.aside, rule, VERDICTS)
        questions = {one.benchmark: QuestionImages(one.benchmark) for one in chosen}
        images: dict[str, tuple[str, ...]] = {}
        with progress_bar("read", "files") as progress:
            parts = len(chosen) + len(questions)
            for done, evaluation in enumerate(chosen, start=1):
                names = metrics.of(evaluation.benchmark)
                self._read_file(evaluation, names, builder, questions[evaluation.benchmark], intake.aside)
                progress(done, parts)
            for done, asked in enumerate(questions.values(), start=len(chosen) + 1):
                images.update(asked.find(benchmarks.find(asked.benchmark), intake))
                progress(done, parts)
        log = builder.build()
        found = log.queries["query_id"].map(images).astype(object)
        return replace(log, queries=log.queries.assign(images=found))

    def _read_file(
        self,
        evaluation: Evaluation,
        metrics: Sequence[str],
        builder: LogBuilder,
        questions: QuestionImages,
        aside: SetAside,
    ) -> None:
        """Read one evaluated file, whole or not at all."""
        path, benchmark, vlm = evaluation.file.path, evaluation.benchmark, encodable(evaluation.file.vlm)
        run = builder.open_run(vlm, benchmark, str(path))
        try:
            with open_table(path, aside) as table:
                names = normal_columns(table.columns or ())
                verdicts = find_verdicts(names, benchmark, metrics)
                used = [*_COLUMNS, self.task.lower(), *(verdicts.columns if verdicts else ())]
                used = [name for name in dict.fromkeys(used) if name in names]
                read = table.rows({names[name] for name in used})
                rows = [(where, {name: cells[names[name]] for name in used}) for where, cells in read]
        except ArmsError as error:
            report_unreadable(path, error, aside)
            return
        if verdicts is None or "index" not in names:
            wanted = " or ".join(metrics) or "hit, eval_match, score or the like"
            detail = f"no {'index' if verdicts else wanted} in {[*names]}"
            aside.add("file without verdicts", str(path), "name their column with --metric", detail=detail)
            return
        if self.task.lower() not in names:
            aside.note("file without tasks", str(path), "name their column with --task", detail=f"no {self.task}")
        unobtained, language = _unobtained(evaluation, aside), self.language or language_of(benchmark)
        for where, cells, index, base in _indexed(rows, benchmark, aside):
            texts = {name: _text(cells[name], name, where, aside) for name in _TEXTS if name in cells}
            if texts.get("question") is None and cells.get("question") is not None:
                texts.pop("question")  # something else than text, and not an empty cell
            row = self._query(benchmark, language, index, cells, texts)
            if builder.add_query(row, where):
                questions.add(row.query_id, base, cell_text(cells.get("image_path")))
                grade, output = _outcome(cells, texts.get("prediction"), verdicts, index in unobtained, where, aside)
                builder.add_outcome(
                    where, row.query_id, vlm, grade=grade, metric=verdicts.metric, output=output, run=run
                )

    def _query(
        self, benchmark: str, language: str, index: str, cells: Mapping[str, Any], texts: Mapping[str, str | None]
    ) -> QueryRow:
        """The question of a row, still without its image."""
        return QueryRow(
            query_id=encodable(f"{benchmark}/{index}"),
            benchmark=benchmark,
            task=cell_text(cells.get(self.task.lower())) or benchmark,
            language=language,
            question=question_text(texts),
            image=None,
            answer=texts.get("answer") or texts.get("answers"),
        )


def _indexed(rows: list[Row], benchmark: str, aside: SetAside) -> Iterator[tuple[str, Mapping[str, Any], str, str]]:
    """The rows with their index and the row whose image they share.

    Rows without an index, rows of one index that disagree (VLMEvalKit finds a row's verdict by its index), and
    rotations beside the question that they belong to, are set aside.
    """
    rows = leave_out_disputed(
        rows, lambda row: _index(row[1]), lambda row: row[1], lambda row: row[0], aside, called="index"
    )
    indices = [_index(cells) for _, cells in rows]
    known, rotated = {*indices}, is_rotated(benchmark)
    for (where, cells), index in zip(rows, indices, strict=True):
        if index is None:
            aside.add("row without an index", where, "write the row again", detail=repr(cells["index"])[:80])
            continue
        base = base_index(index, as_index(_value(cells.get("g_index"))), rotated)
        if base != index and base in known:
            advice = "nothing: the question's own row has the verdict over all rotations"
            aside.add("row of a rotation", where, advice, detail=f"{index} of {base}")
            continue
        yield where, cells, index, base


def _outcome(
    cells: Mapping[str, Any],
    prediction: str | None,
    verdicts: VerdictReader,
    unobtained: bool,
    where: str,
    aside: SetAside,
) -> tuple[Any, str | None]:
    """What became of an answer: its grade, null where unknown, and its text."""
    failed = prediction is not None and _FAILED in prediction
    if failed or unobtained:
        aside.note("answer that was never obtained", where, "ask again with VLMEvalKit; it is taken as unknown")
        return None, None if failed else prediction
    return verdicts.grade(cells), prediction


def _unobtained(evaluation: Evaluation, aside: SetAside) -> Collection[str]:
    """Questions where the answer to a rotation was never obtained: VLMEvalKit counts them as wrong."""
    found: set[str] = set()
    if evaluation.predictions is None or not is_rotated(evaluation.benchmark):
        return found
    try:
        with open_table(evaluation.predictions, SetAside()) as table:
            for _, cells in table.rows():
                index = as_index(_value(cells.get("index")))
                if index is not None and _FAILED in (cell_text(cells.get("prediction")) or ""):
                    found.add(base_index(index, as_index(_value(cells.get("g_index"))), rotated=True))
    except ArmsError as error:
        advice = "export it anew; answers to rotations that were never obtained count as wrong"
        aside.note("predictions that cannot be read", str(evaluation.predictions), advice, detail=str(error))
    return found


def _index(cells: Mapping[str, Any]) -> str | None:
    return as_index(_value(cells["index"]))


def _value(cell: Any) -> Any:
    """A cell; nothing for a formula or an error of the spreadsheet."""
    return None if isinstance(cell, Formula | ErrorCell) else cell


def _text(cell: Any, column: str, where: str, aside: SetAside) -> str | None:
    """A cell of text; what a spreadsheet made of it is undone as far as it can be."""
    if type(cell) is str:  # most are
        return cell
    if isinstance(cell, Formula):
        advice = "nothing: the formula's own text is taken"
        aside.note("text that the spreadsheet takes for a formula", where, advice, detail=f"{column}: {cell[:80]}")
    elif isinstance(cell, ErrorCell):
        advice = "export the file anew; it is taken as empty"
        aside.note("text that is an error of the spreadsheet", where, advice, detail=f"{column}: {cell}")
    elif isinstance(cell, datetime.date | datetime.time):
        advice = "export the file anew; the date is written out"
        aside.note("text that the spreadsheet takes for a date", where, advice, detail=f"{column}: {cell}")
    if isinstance(cell, list | dict) and column not in _LISTS:
        return None
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else cell_text(cell)
