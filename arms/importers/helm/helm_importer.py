"""Import the output of HELM and VHELM."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from arms.errors import ArmsError
from arms.importers.base import Importer, Intake, Log, setting
from arms.importers.builder import LogBuilder, QueryRow
from arms.importers.helm.instances import parse_question
from arms.importers.helm.main_metric import EXACT, choose_metric
from arms.importers.helm.names import language_code, natural_key
from arms.importers.helm.run_rows import Row, read_rows
from arms.importers.helm.run_specs import RUN_AGAIN, Run, find_runs
from arms.importers.joined_runs import leave_out_disputed
from arms.importers.metric_names import HELP as METRIC_HELP
from arms.importers.metric_names import MetricNames, parse_metrics
from arms.importers.texts import as_text
from arms.importers.verdicts import RANGE_HELP, GradeRule, parse_range
from arms.progress import progress_bar

_TASK_ARGS = ("subject", "subset", "category", "task", "subject_grouped", "grade", "location")
_SCENARIOS = "scenarios"  # HELM's folder of all that scenarios download, images among it


@dataclass(frozen=True, kw_only=True)
class HelmImporter(Importer):
    """Output of HELM."""

    summary: ClassVar[str] = "HELM's benchmark_output, a suite in its runs folder, or single run folders."
    description: ClassVar[str] = (
        "Reads run_spec.json with scenario_state.json and per_instance_stats.json or, where one of these is missing, "
        "with instances.json and display_predictions.json, which helm-summarize writes. A VLM is called what the run's "
        "adapter_spec.model says. Runs are joined on their name without the VLM, then the instance and its "
        "perturbation, which is part of the query's id. Of several runs of a VLM the verdict in the last suite counts "
        "that has one (v1.10.0 comes after v1.9.0).\n\n"
        "The benchmark is what comes before the colon of the run's name. The question is the instance's text; for "
        "multiple choice the options follow, each on a line; an instance without words, as in captioning, has the "
        "run's instructions as its question. Images keep their order; those of options come last.\n\n"
        "By default the metric is the one in VHELM's tables, mostly quasi_prefix_exact_match. Ratings from 1 to 5 "
        "(prometheus_vision, for captions, bingo, mementos and vibe_eval) need --threshold, and toxic_frac of "
        "mm_safety_bench needs --lower-is-better; exact matches are right or wrong whatever these say. To leave such "
        "benchmarks out, name the others: --benchmark.\n\n"
        "Images are looked for as recorded, and by the part of the path after HELM's scenarios folder. The latency is "
        "inference_runtime, or the request's time. Costs stay unknown: HELM records none, and its token counts leave "
        "out images."
    )
    example: ClassVar[str] = (
        "arms import helm benchmark_output/runs/v1 --images benchmark_output/scenarios --name vhelm"
    )

    metric: tuple[str, ...] = setting(
        f"The metric that says whether an answer is right; {METRIC_HELP}. By default the main one of each benchmark.",
        (),
        metavar="[BENCHMARK=]NAME",
    )
    threshold: float | None = setting("The grade from which on an answer is correct.")
    lower_is_better: bool = setting("Less of the metric is better.", False)
    grade_range: str | None = setting(RANGE_HELP, metavar="LOW,HIGH")
    benchmark: tuple[str, ...] = setting(
        "Read this benchmark (the run's name before the colon) and no other; repeat for several.", (), metavar="NAME"
    )
    task: str | None = setting(
        f"The argument of a run that is the task. By default the first it has of {', '.join(_TASK_ARGS)}; the "
        "benchmark if it has none.",
        metavar="ARGUMENT",
    )
    language: str = setting("Language of the questions, where a run does not say it.", "en")
    trial: int = setting(
        "The training trial to read: which choice of examples stood in the prompts; the first is 0.", 0
    )

    def image_roots(self, sources: Sequence[Path]) -> tuple[Path, ...]:
        """The sources, and the folder of HELM's output in which scenarios keep their images."""
        roots = list(super().image_roots(sources))
        for source in map(Path.resolve, sources):
            output = next((folder.parent for folder in (source, *source.parents) if folder.name == "runs"), source)
            if (output / _SCENARIOS).is_dir():
                roots.append(output / _SCENARIOS)
        return tuple(dict.fromkeys(roots))

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read the runs of all names and VLMs."""
        rule = GradeRule(
            threshold=self.threshold, lower_is_better=self.lower_is_better, grade_range=parse_range(self.grade_range)
        )
        metrics = parse_metrics(self.metric)
        builder = LogBuilder(intake.aside, rule, () if metrics.shared else EXACT)
        reader = _Reader(self, metrics, builder, intake)
        versions: dict[tuple[str, str], list[Run]] = defaultdict(list)
        runs = self._chosen(find_runs(sources, intake.aside))
        metrics.check_benchmarks({run.name.benchmark for run in runs})
        for run in runs:
            versions[run.name.key, run.vlm].append(run)
        order = sorted(versions, key=lambda names: [natural_key(name) for name in names])
        with progress_bar("read", "runs") as progress:
            for done, names in enumerate(order, start=1):
                reader.read_runs(versions[names])
                progress(done, len(order))
        return builder.build()

    def _chosen(self, runs: list[Run]) -> list[Run]:
        """The runs of the benchmarks that are wanted."""
        there = sorted({run.name.benchmark for run in runs})
        unknown = sorted(set(self.benchmark) - set(there))
        if unknown:
            raise ArmsError(f"--benchmark: there is no run of {', '.join(unknown)}; there are {', '.join(there)}")
        return [run for run in runs if not self.benchmark or run.name.benchmark in self.benchmark]


@dataclass
class _Reader:
    """Hands the rows of runs to the builder."""

    settings: HelmImporter
    metrics: MetricNames
    builder: LogBuilder
    intake: Intake
    images: dict[str, str] = field(default_factory=dict)  # by location: references

    def read_runs(self, runs: list[Run]) -> None:
        """Read a VLM's runs of one name, that in the last suite first."""
        settings, aside = self.settings, self.intake.aside
        for run in sorted(runs, key=_age, reverse=True):
            try:
                rows = read_rows(run, settings.trial, aside)
            except ArmsError as error:
                aside.add("run that cannot be read", str(run.folder), RUN_AGAIN, detail=str(error))
                continue
            if not rows:
                aside.note("run without a row to read", str(run.folder), "nothing if it is meant")
                continue
            metric = choose_metric(run, rows, self.metrics.of(run.name.benchmark), settings.threshold, aside)
            if metric is None:
                continue
            number = self.builder.open_run(run.vlm, run.name.key, str(run.folder))
            # HELM finds the metrics of a request by its instance and perturbation.
            for row in leave_out_disputed(
                rows,
                lambda row: (row.instance_id, row.perturbation),
                lambda row: (row.instance, row.output),
                lambda row: row.where,
                aside,
                called="instance",
            ):
                self._add(run, number, row, metric)

    def _add(self, run: Run, number: int, row: Row, metric: str) -> None:
        """Hand one row to the builder, if it asks about nothing but images and words."""
        aside = self.intake.aside
        try:
            question = parse_question(row.instance, method=run.method, instructions=run.instructions)
        except ArmsError as error:
            aside.add("instance that cannot be read", row.where, RUN_AGAIN, detail=str(error))
            return
        if question.other_media:
            kind, others = "question with media other than images", ", ".join(question.other_media)
            aside.add(kind, row.where, "leave it out: a query has images only", detail=f"{row.instance_id}: {others}")
            return
        query = QueryRow(
            query_id="/".join(filter(None, (run.name.key, row.instance_id, row.perturbation))),
            benchmark=run.name.benchmark,
            task=self._task(run),
            language=row.language or self._language(run),
            question=question.text,
            image=tuple(map(self._image, question.images)),
            answer=question.answer,
        )
        if not self.builder.add_query(query, row.where):
            return
        if row.failure is not None:
            advice = "ask again; the outcome is unknown, not wrong"
            aside.note("request that failed", row.where, advice, detail=row.failure)
        self.builder.add_outcome(
            row.where,
            query.query_id,
            run.vlm,
            grade=row.stats.get(metric) if row.failure is None else None,
            metric=metric,
            output=row.output,
            latency_s=row.latency_s,
            run=number,
        )

    def _task(self, run: Run) -> str:
        """The first argument that says a run's task, or its benchmark."""
        wanted = (self.settings.task,) if self.settings.task else _TASK_ARGS
        texts = (as_text(run.args.get(argument)) for argument in wanted)
        return next(filter(None, texts), run.name.benchmark)

    def _language(self, run: Run) -> str:
        """The code of the language that a run's arguments name, or the setting."""
        named = run.args.get("language")
        return language_code(named) if isinstance(named, str) and named else self.settings.language

    def _image(self, location: str) -> str:
        """The reference of an image; a path is that of the evaluator's machine, and HELM's folder may be elsewhere."""
        if location not in self.images:
            images = self.intake.images
            _, inside, path = f"/{location}".rpartition(f"/{_SCENARIOS}/")
            paths = (location, f"{_SCENARIOS}/{path}", path) if inside and "://" not in location else (location,)
            self.images[location] = next(filter(images.has_file, paths), None) or images.add_recorded(location)
        return self.images[location]


def _age(run: Run) -> tuple[list[int | str], list[int | str]]:
    """Sorts runs by suite; times of files say little, as copies have new ones."""
    return natural_key(run.suite), natural_key(str(run.folder))
