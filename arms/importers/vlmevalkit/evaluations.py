"""Which of VLMEvalKit's files count: of each run of a VLM on a benchmark one evaluation."""

import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from arms.errors import ArmsError
from arms.importers.metric_names import MetricNames
from arms.importers.rows.delimited import PLAIN
from arms.importers.rows.reader import open_table
from arms.importers.set_aside import SetAside
from arms.importers.vlmevalkit.image_tsv import DIALECT
from arms.importers.vlmevalkit.result_files import (
    ENDINGS,
    EXACT_JUDGES,
    NO_ANSWERS,
    NO_ANSWERS_ADVICE,
    PER_QUESTION,
    ResultFile,
    split_judge,
)
from arms.importers.vlmevalkit.verdict_columns import has_verdicts

_EVALUATE = "evaluate it with VLMEvalKit: python run.py --mode eval, with the VLM and benchmark of its name"
_TOTALS_ONLY = re.compile(r"OCRBench(_MINI)?|MTVQA(_\w+)?")  # whose verdicts it writes nowhere
_GRADE = (
    "to evaluate it again does not help: add a column hit to the file, 1 where one of the accepted answers stands in "
    "the prediction (so VLMEvalKit counts, in lower case) and else 0, and import it again"
)


@dataclass(frozen=True)
class Evaluation:
    """A table with the verdicts of a VLM's answers to a benchmark."""

    file: ResultFile
    benchmark: str
    judge: str  # empty where no one is named
    predictions: Path | None = None  # what was evaluated

    @property
    def preference(self) -> tuple[bool, str, str, int, str]:
        """What sorts the evaluations of one run, the best first: judges that understand other words, then by name."""
        ending = ENDINGS.index(self.file.path.suffix.lower())
        return self.judge.lower() in EXACT_JUDGES, self.judge, self.file.stem_and_form[1], ending, str(self.file.path)


class Headers:
    """The columns of tables, each read once.

    Parameters
    ----------
    metrics : MetricNames
        The columns that hold verdicts, as far as the user named them.
    aside : SetAside
        Receives tables that cannot be read.
    """

    def __init__(self, metrics: MetricNames, aside: SetAside) -> None:
        self._metrics = metrics
        self._aside = aside
        self._known: dict[Path, frozenset[str]] = {}

    def is_benchmark(self, path: Path) -> bool:
        """Whether this is a benchmark's file: a TSV with images, but no predictions."""
        if path.suffix.lower() != ".tsv":
            return False
        columns = self._of(path)
        return "index" in columns and "prediction" not in columns and not columns.isdisjoint(("image", "image_path"))

    def is_evaluated(self, path: Path) -> bool:
        """Whether a table holds verdicts."""
        columns = self._of(path)
        if "index" not in columns:
            return False
        own = [name for names in self._metrics.own.values() for name in names]
        return has_verdicts(columns, self._metrics.shared) or (bool(own) and has_verdicts(columns, own))

    def is_predicted(self, path: Path) -> bool:
        """Whether a table holds predictions."""
        return self._of(path) >= {"index", "prediction"}

    def holds_answers(self, path: Path) -> bool:
        """Whether a table holds predictions or verdicts."""
        return self.is_predicted(path) or self.is_evaluated(path)

    def is_known_broken(self, path: Path) -> bool:
        """Whether a table was found not to be readable, and reported."""
        return path in self._known and not self._known[path]

    def _of(self, path: Path) -> frozenset[str]:
        """A table's columns in lower case; none, and reported, if it cannot be read."""
        if path not in self._known:
            try:
                self._known[path] = frozenset(column.lower() for column in _read_columns(path))
            except ArmsError as error:
                self._known[path] = frozenset()
                if path.name.endswith("_score.json"):  # a table or an average, VLMEvalKit writes both
                    self._aside.note(NO_ANSWERS, str(path), NO_ANSWERS_ADVICE, detail=str(error))
                else:
                    report_unreadable(path, error, self._aside)
        return self._known[path]


def _read_columns(path: Path) -> tuple[str, ...]:
    is_tsv = path.suffix.lower() == ".tsv"  # it may be a benchmark's, with images in it
    with open_table(path, SetAside(), dialect=DIALECT if is_tsv else PLAIN) as table:
        return table.columns or ()


def report_unreadable(path: Path, error: ArmsError, aside: SetAside) -> None:
    """Set a whole file aside."""
    aside.add("file that cannot be read", str(path), "evaluate it again, or export it anew", detail=str(error))


def sort_files(
    files: Sequence[ResultFile], benchmarks: Collection[str], headers: Headers, aside: SetAside
) -> tuple[list[Evaluation], list[Evaluation]]:
    """Tell evaluations from bare predictions, and the benchmark of each.

    A benchmark's name may begin with another's, and a judge's name may follow it: the names of the known TSVs and of
    all prediction files decide, the longest first. Most files are known by their names, so that few are opened.

    Parameters
    ----------
    files : sequence of ResultFile
    benchmarks : collection of str
        The names of the benchmarks whose TSVs are known.
    headers : Headers
    aside : SetAside
        Receives files that are neither, and benchmarks known only by the name of an evaluated file.

    Returns
    -------
    evaluations, predictions : lists of Evaluation
    """
    evaluated, predicted = _tell_apart(files, benchmarks, headers, aside)
    names = {*benchmarks, *(file.rest for file in predicted)}
    by_place = {(file.path.parent, file.vlm, file.rest): file.path for file in predicted}
    evaluations = []
    for file in evaluated:
        benchmark, judge = split_judge(file, names)
        if benchmark not in names:
            advice = "check the name; the prediction file or the benchmark's TSV beside it would tell"
            aside.note("benchmark known only by an evaluated file's name", str(file.path), advice, detail=benchmark)
        predictions = by_place.get((file.path.parent, file.vlm, benchmark))
        evaluations.append(Evaluation(file, benchmark, judge, predictions))
    return evaluations, [Evaluation(file, file.rest, "") for file in predicted]


def _tell_apart(
    files: Sequence[ResultFile], benchmarks: Collection[str], headers: Headers, aside: SetAside
) -> tuple[list[ResultFile], list[ResultFile]]:
    """The evaluated files and the prediction files."""
    beside: dict[tuple[Path, str], list[str]] = {}  # names of evaluated files, by folder and VLM
    for file in files:
        if file.stem_and_form[1] in PER_QUESTION:
            beside.setdefault((file.path.parent, file.vlm), []).append(file.rest)

    def is_extended(file: ResultFile) -> bool:
        return any(rest.startswith(f"{file.rest}_") for rest in beside.get((file.path.parent, file.vlm), ()))

    evaluated, predicted = [], []
    for file in files:
        if headers.is_known_broken(file.path):
            continue
        if file.stem_and_form[1] in PER_QUESTION and file.rest not in benchmarks:
            evaluated.append(file)
        elif is_extended(file):
            predicted.append(file)
        elif headers.is_evaluated(file.path):
            evaluated.append(file)
        elif headers.is_predicted(file.path):
            predicted.append(file)
        elif not headers.is_known_broken(file.path):
            aside.note(NO_ANSWERS, str(file.path), NO_ANSWERS_ADVICE)
    return evaluated, predicted


def choose_evaluations(
    evaluations: Iterable[Evaluation], predictions: Iterable[Evaluation], judge: str | None, aside: SetAside
) -> list[Evaluation]:
    """Of each run of a VLM on a benchmark the best evaluation; the newest run of each VLM and benchmark first.

    Parameters
    ----------
    evaluations, predictions : iterables of Evaluation
    judge : str or None
        The judge to take.
    aside : SetAside
        Receives what is passed over, and predictions that were not evaluated since.
    """
    runs: dict[tuple[str, str], dict[Path, list[Evaluation]]] = {}
    for one in evaluations:
        if judge is None or one.judge.lower() in ("", judge.lower()):
            by_folder = runs.setdefault((one.file.vlm, one.benchmark), {})
            by_folder.setdefault(one.file.path.parent, []).append(one)
        else:
            aside.note("evaluation by another judge", str(one.file.path), "nothing: --judge names the one to take")
    chosen = {pair: _newest_first(by_folder, aside) for pair, by_folder in runs.items()}
    for one in predictions:
        taken = chosen.get((one.file.vlm, one.benchmark), [])
        folders = [run.file.path.parent for run in taken]
        if not taken or (one.file.path.parent not in folders and taken[0].file.age < one.file.age):
            _set_unevaluated_aside(one, aside)
        elif one.file.path.parent not in folders:
            advice = "nothing: a newer run was evaluated; evaluate this one too if it answered more questions"
            aside.note("older run without an evaluation", str(one.file.path), advice, detail=one.benchmark)
    every = [one for taken in chosen.values() for one in taken]
    _note_judges(every, aside)
    return every


def _set_unevaluated_aside(one: Evaluation, aside: SetAside) -> None:
    """Set predictions aside, and say how they get verdicts."""
    kind, advice = "prediction file without an evaluation", _EVALUATE
    if _TOTALS_ONLY.fullmatch(one.benchmark):
        kind, advice = "prediction file of a benchmark that VLMEvalKit gives only totals of", _GRADE
    aside.add(kind, str(one.file.path), advice, detail=one.benchmark, count=_count_rows(one.file.path))


def _newest_first(by_folder: dict[Path, list[Evaluation]], aside: SetAside) -> list[Evaluation]:
    """The best evaluation of each run of a VLM on a benchmark."""
    chosen = []
    for run in sorted(by_folder.values(), key=lambda run: max(one.file.age for one in run), reverse=True):
        best, *others = sorted(run, key=lambda one: one.preference)
        for one in others:
            detail = f"{best.file.path.name} is taken"
            aside.note("other evaluation of the same run", str(one.file.path), "name a judge: --judge", detail=detail)
        chosen.append(best)
    return chosen


def _note_judges(chosen: Iterable[Evaluation], aside: SetAside) -> None:
    """Say where the runs of one benchmark were not judged alike."""
    judges: dict[str, set[str]] = {}
    for one in chosen:
        judges.setdefault(one.benchmark, set()).add(one.judge or "none")
    for benchmark, names in judges.items():
        if len(names) > 1:
            advice = "compare its VLMs with care, or take only one judge with --judge"
            aside.note("benchmark with several judges", benchmark, advice, detail=", ".join(sorted(names)))


def _count_rows(path: Path) -> int:
    """The rows of a table, as far as it can be read, and at least one."""
    rows = 0
    with suppress(ArmsError), open_table(path, SetAside()) as table:
        for _ in table.rows():
            rows += 1
    return max(rows, 1)
