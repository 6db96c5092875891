"""Import the logs of lmms-eval, written with --log_samples."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import ClassVar

from arms.errors import ArmsError
from arms.importers.base import Importer, Intake, Log, setting
from arms.importers.builder import LogBuilder, QueryRow
from arms.importers.joined_runs import leave_out_disputed
from arms.importers.lmms_eval.log_files import Run, find_runs, read_logs
from arms.importers.lmms_eval.samples import MOST_KEPT, Row, choose_metric, parse_row
from arms.importers.metric_names import MetricNames, parse_metrics
from arms.importers.set_aside import SetAside
from arms.importers.texts import shown
from arms.importers.verdicts import RANGE_HELP, GradeRule, parse_range
from arms.progress import progress_bar

_NAME_THEM = "save the benchmark's images and say where: --image-pattern"
_ONLY_QUESTIONS = "or import questions only: --no-images"
_NO_IMAGE = f"the log names none; {_NAME_THEM} '{{task}}/{{doc_id}}.png'; {_ONLY_QUESTIONS}"
_TOO_FEW = (
    f"the log keeps {MOST_KEPT} of a question at most; {_NAME_THEM} '{{task}}/{{doc_id}}_{{number}}.png'; "
    f"{_ONLY_QUESTIONS}"
)
_OTHER_VERSION = 0.01  # of the answers that a run shares with others and that differ: more are no corrected labels


@dataclass(frozen=True, kw_only=True)
class LmmsEvalImporter(Importer):
    """Logs of lmms-eval."""

    summary: ClassVar[str] = "The --output_path of lmms-eval with --log_samples, a VLM's folder in it, or sample files."
    description: ClassVar[str] = (
        "Reads DATE_samples_TASK.jsonl with DATE_results.json beside it, and the TASK.json files of mid-2024. A VLM is "
        "called what the results' model_name says, or the arguments of the evaluation (pretrained, model_version, "
        "...), of a path the last two parts; where neither names it, it is the class of model, or the folder.\n\n"
        "Of several runs of a VLM the newest verdict on each question counts. Runs are joined on the task and doc_id: "
        "doc_hash is taken over the document with its images written as memory addresses, and differs from run to "
        "run. A run whose targets differ from the others' is of another version of the benchmark and is set aside.\n\n"
        "The benchmark is the task, the task its category where the log has one. The question is the prompt without "
        "image placeholders. Logs name an image only where the benchmark stores it as a file or a small one, and four "
        "of a question at most; a question with more placeholders than images is set aside. For others, save the "
        "images and say where: --image-pattern. Costs and latencies stay unknown: the log has none, only token counts."
    )
    example: ClassVar[str] = "arms import lmms-eval logs --name mme --images ~/mme"

    metric: tuple[str, ...] = setting(
        "The metric that grades a row, or a field in it, as gpt_eval_score.true_false; repeat for tasks that differ, "
        "the first that a row has counts; TASK=KEY for one task. By default the only one, or one known to stand for "
        "its task.",
        (),
        metavar="[TASK=]KEY",
    )
    benchmark: str | None = setting("Name of the benchmark, instead of the tasks' names.", metavar="NAME")
    language: str = setting("Language of the questions.", "en")
    image_pattern: str | None = setting(
        "Where the images of a row that records none are, seen from --images, such as '{task}/{doc_id}.png', or where "
        "questions have several '{task}/{doc_id}_{number}.png', counted from 1.",
        metavar="PATH",
    )
    threshold: float | None = setting("The grade from which on an answer is correct.")
    lower_is_better: bool = setting("Less of the metric is better.", False)
    grade_range: str | None = setting(RANGE_HELP, metavar="LOW,HIGH")

    def __post_init__(self) -> None:
        pattern = self.image_pattern
        if pattern is not None and _fill(pattern, doc_id="0") == _fill(pattern, doc_id="1"):
            raise ArmsError(f"--image-pattern: expected a path with {{doc_id}} in it, got {self.image_pattern!r}")

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read the runs of all VLMs and tasks."""
        runs = find_runs(sources, intake.aside)
        self._metrics.check_benchmarks({run.task for run in runs})
        by_task: dict[str, list[Run]] = defaultdict(list)
        for run in runs:
            by_task[run.task].append(run)
        builder = LogBuilder(
            intake.aside,
            GradeRule(
                threshold=self.threshold,
                lower_is_better=self.lower_is_better,
                grade_range=parse_range(self.grade_range),
            ),
        )
        with progress_bar("read", "tasks") as progress:
            for done, task in enumerate(sorted(by_task), start=1):
                self._read_task(task, by_task[task], builder, intake)
                progress(done, len(by_task))
        log = builder.build()
        if log.outcomes.empty:
            names = ", ".join(map(str, sources))
            raise ArmsError(f"{names}: expected rows with a grade and their images, got none\n{intake.aside.text()}")
        return log

    def _by_pattern(self, task: str, row: Row) -> tuple[str, ...]:
        """Where the images of a row are that records none, as far as the pattern tells them apart."""
        if self.image_pattern is None:
            return ()
        numbers = range(1, 1 + max(1, row.num_images))
        paths = [_fill(self.image_pattern, task=task, doc_id=row.doc_id, number=number) for number in numbers]
        return tuple(dict.fromkeys(paths))

    @property
    def _metrics(self) -> MetricNames:
        return parse_metrics(self.metric)

    def _read_task(self, task: str, runs: list[Run], builder: LogBuilder, intake: Intake) -> None:
        """Hand the rows of one task's runs to the builder."""
        runs_rows = _of_one_version(self._newest_first(runs, intake), intake.aside)
        rows_of_all = [row for rows in runs_rows.values() for row in rows]
        graded = {key for row in rows_of_all for key, grade in row.grades.items() if grade is not None}
        images = {row.doc_id: row.images for row in reversed(rows_of_all) if row.images}  # the first's
        choices: dict[tuple[str, ...], str | None] = {}
        for run, rows in runs_rows.items():
            if not any(row.grades.keys() & graded for row in rows):
                _set_ungraded_aside(run, rows, intake.aside)
                continue
            number = builder.open_run(run.vlm, task, str(run.path))
            for row in rows:
                keys = tuple(key for key in row.grades if key in graded)
                if keys not in choices:
                    choices[keys] = choose_metric(keys, self._metrics.of(task), task)
                self._add(run, number, row, choices[keys], images, builder, intake)

    def _newest_first(self, runs: list[Run], intake: Intake) -> dict[Run, list[Row]]:
        """The runs that have usable rows, by the VLMs' names, of each VLM the newest first."""
        newest_first = sorted(runs, key=lambda run: (run.time, str(run.path)), reverse=True)
        found = {}
        for run in sorted(newest_first, key=lambda run: run.vlm):
            rows = self._rows(run, intake)
            if rows:
                found[run] = rows
            else:
                intake.aside.note("run without a usable row", str(run.path), "run the evaluation again")
        return found

    def _rows(self, run: Run, intake: Intake) -> list[Row]:
        """The usable rows of a run; their images are taken in."""
        rows, metrics = [], self._metrics.of(run.task)
        seen: set[str] = set()
        for where, log in read_logs(run, intake.aside):
            try:
                row = parse_row(where, log, metrics, intake.images.add_recorded)
            except ArmsError as error:
                intake.aside.add("row that cannot be read", where, "run the evaluation again", detail=str(error))
                continue
            if row.doc_id in seen:
                intake.aside.note(
                    "several rows of a run for one question",
                    where,
                    "use one filter a task; rows that agree count once, others not at all",
                    detail=f"doc_id {row.doc_id}",
                )
            seen.add(row.doc_id)
            rows.append(row)
        return leave_out_disputed(
            rows,
            lambda row: row.doc_id,
            lambda row: (row.question, row.answer),
            lambda row: row.where,
            intake.aside,
            called="doc_id",
        )

    def _add(
        self,
        run: Run,
        number: int,
        row: Row,
        metric: str | None,
        images: dict[str, tuple[str, ...]],
        builder: LogBuilder,
        intake: Intake,
    ) -> None:
        """Hand one row to the builder, if it has a grade and all its images."""
        aside = builder.aside
        if metric is None:
            aside.add("row without a grade", row.where, "grade it, or leave it out", detail=f"doc_id {row.doc_id}")
            return
        if metric in run.lower_is_better and not self.lower_is_better:
            raise ArmsError(
                f"{run.path}: expected a metric where more is better, got {metric}, where less is, as the run's "
                "results file says; name another with --metric, or say --lower-is-better"
            )
        found = images.get(row.doc_id, ())
        if len(found) < max(1, row.num_images):
            found = self._by_pattern(run.task, row) or found
        elif row.may_lack:
            advice = f"nothing if there were no more: the log keeps {MOST_KEPT} at most; else --image-pattern"
            aside.note(f"question with {MOST_KEPT} images in the log", row.where, advice, detail=f"doc_id {row.doc_id}")
        if not intake.no_images and len(found) < max(1, row.num_images):
            kind = "question with more images than the log names" if found else "question without an image"
            aside.add(kind, row.where, _TOO_FEW if found else _NO_IMAGE, detail=_describe(row, found))
            return
        query = QueryRow(
            query_id=f"{run.task}/{row.doc_id}",
            benchmark=self.benchmark or run.task,
            task=row.category or run.task,
            language=self.language,
            question=row.question,
            image=found,
            answer=row.answer,
        )
        if builder.add_query(query, row.where):
            grade = row.grades[metric]
            builder.add_outcome(
                row.where, query.query_id, run.vlm, grade=grade, metric=metric, output=row.output, run=number
            )


def _describe(row: Row, found: Sequence[str]) -> str:
    """A row whose images are not all there."""
    several = f": {len(found)} of {row.num_images}" if row.num_images > 1 else ""
    return f"doc_id {row.doc_id}{several}"


def _of_one_version(runs: dict[Run, list[Row]], aside: SetAside) -> dict[Run, list[Row]]:
    """The runs, without those and without the rows whose answers are not what most runs say."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for rows in sorted(runs.values(), key=len, reverse=True):  # where votes are equal, the longest run is right
        for row in rows:
            if row.answer is not None:
                votes[row.doc_id][row.answer] += 1
    usual = {doc_id: answers.most_common(1)[0][0] for doc_id, answers in votes.items()}
    kept = {}
    for run, rows in runs.items():
        other = [row for row in rows if row.answer not in (None, usual.get(row.doc_id))]
        num_shared = sum(votes[row.doc_id].total() > 1 for row in rows if row.answer is not None)
        if len(other) > _OTHER_VERSION * num_shared:
            row = other[0]
            aside.add(
                "run of another version of the benchmark",
                str(run.path),
                "import runs of one version; this one has other answers than most runs, or than the longest",
                detail=f"{len(other):,} of {num_shared:,} targets differ: doc_id {row.doc_id} is {shown(row.answer)}, "
                f"else {shown(usual[row.doc_id])}",
                count=len(rows),
            )
            continue
        for row in other:
            aside.add(
                "answer differs from another run's",
                row.where,
                "import runs of one version of the benchmark",
                detail=f"doc_id {row.doc_id}: {shown(row.answer)}, else {shown(usual[row.doc_id])}",
            )
        kept[run] = [row for row in rows if row.answer in (None, usual.get(row.doc_id))] if other else rows
    return kept


def _set_ungraded_aside(run: Run, rows: list[Row], aside: SetAside) -> None:
    aside.add(
        "run without a grade in its rows",
        str(run.path),
        "name a metric, or a field in one, that tells right from wrong: --metric KEY or KEY.FIELD; where there is "
        "none, grade the answers and import them as CSV",
        detail=rows[0].ungraded or ", ".join(rows[0].grades) or "no metrics",
        count=len(rows),
    )


def _fill(pattern: str, *, task: str = "", doc_id: str = "", number: int = 1) -> str:
    """A path with a task, a doc_id and an image's number put in; an ArmsError if it asks for anything else."""
    problem = ArmsError(
        f"--image-pattern: expected a path with {{doc_id}}, {{task}} and {{number}} as the only braces, got {pattern!r}"
    )
    values = {None: "", "task": task, "doc_id": doc_id, "number": str(number)}
    parts = []
    try:
        for text, name, form, conversion in Formatter().parse(pattern):
            if name not in values or form or conversion:
                raise problem
            parts += [text, values[name]]
    except ValueError as error:  # a brace without its partner
        raise problem from error
    return "".join(parts)
