"""Import VL-RouterBench's layout: Y and C, arrays of samples by VLMs, or tables of scores, beside the samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from arms.errors import ArmsError
from arms.importers.base import Importer, Intake, Log, setting
from arms.importers.rows.reader import find_files
from arms.importers.verdicts import RANGE_HELP, GradeRule, parse_range
from arms.importers.vl_routerbench.outcomes import Outcomes, from_arrays, from_tables
from arms.importers.vl_routerbench.samples import Sample, Samples
from arms.importers.vl_routerbench.splits import read_splits
from arms.importers.vlmevalkit.question_forms import language_of
from arms.importers.vlmevalkit.question_images import BenchmarkFiles, split_named
from arms.progress import progress_bar

_ARRAYS = ("Y.npz", "Y.npy")


@dataclass(frozen=True, kw_only=True)
class VlRouterBenchImporter(Importer):
    """VL-RouterBench."""

    summary: ClassVar[str] = "A folder that VL-RouterBench's steps have built: BENCHMARKS, data and ORACLE."
    description: ClassVar[str] = (
        "data/matrices holds Y.npz and C.npy, who was right and the costs in USD, a row for each sample and a column "
        "for each VLM. The samples are named by data/registry/meta.parquet or sample_ids.json, the VLMs by "
        "data/registry/models.txt, models.json or model_names.json. Without Y.npz, or where only pickles name its rows "
        "and columns, ORACLE/score/*.parquet is read, which has no costs: a pickle is never loaded, and the message "
        "says how to convert it. Questions are those of BENCHMARKS/<task>/<benchmark>_samples.jsonl or, where these "
        "lack a sample, those of the benchmarks' TSVs, which have the images too. SPLITS/*.jsonl is the recorded split."
    )
    example: ClassVar[str] = "arms import vl-routerbench VL-RouterBench --name vl-routerbench --access free"

    tsv: tuple[str, ...] = setting(
        "The benchmarks' TSVs: a folder, a file or BENCHMARK=FILE; repeat for several. By default those of the source.",
        (),
        metavar="PATH",
    )
    sample_ids: str | None = setting(
        "The file that names the rows of Y: a list in JSON, a line each in .txt, an .npy, or a column sample_id.",
        metavar="FILE",
    )
    model_names: str | None = setting("The file that names the columns of Y, in the same forms.", metavar="FILE")
    threshold: float | None = setting("The grade from which on an answer is correct, if Y holds grades.")
    lower_is_better: bool = setting("Less is better: an answer is correct up to the threshold.", False)
    grade_range: str | None = setting(RANGE_HELP, metavar="LOW,HIGH")

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read one folder."""
        if len(sources) != 1 or not sources[0].is_dir():
            listed = ", ".join(map(str, sources))
            raise ArmsError(f"{listed}: expected one source, a folder with data/matrices or ORACLE/score, got another")
        with progress_bar("read", "parts") as progress:
            outcomes = self._outcomes(sources[0], intake)
            progress(1, 2)
            wanted = {name: place for place, name in enumerate(outcomes.samples)}
            tsvs = find_files(sources, lambda path: path.suffix == ".tsv")
            samples = Samples(intake, BenchmarkFiles(self.tsv, tsvs, intake.aside))
            samples.read_lines(sources, wanted)
            samples.read_tsvs(wanted)
            progress(2, 2)
        if not samples.found:
            raise ArmsError(
                f"{sources[0]}: expected the questions of its {len(wanted):,} samples, in BENCHMARKS/<task>/<benchmark>"
                "_samples.jsonl or in the benchmarks' TSVs (--tsv), got none: arrays hold no question and no image\n"
                f"{intake.aside.text()}".rstrip()
            )
        self._note_lost(outcomes, samples, intake)
        rule = GradeRule(
            threshold=self.threshold, lower_is_better=self.lower_is_better, grade_range=parse_range(self.grade_range)
        )
        table, statement = outcomes.table(samples.found, rule)
        splits = read_splits(sources, wanted, intake.aside)
        queries = _queries(samples, outcomes.samples, splits)
        return Log(queries, table, outcomes.vlms, (statement,))

    def _outcomes(self, source: Path, intake: Intake) -> Outcomes:
        """Who was right: from the arrays if their rows and columns have names, else from the tables of scores."""
        tables = find_files([source], lambda path: path.suffix == ".parquet" and path.parent.name == "score")
        arrays = find_files([source], lambda path: path.name in _ARRAYS)
        if len(arrays) > 1:
            listed = ", ".join(map(str, arrays))
            raise ArmsError(f"{source}: expected one file Y.npz, got {listed}; import the folder of one of them")
        if arrays:
            try:
                return from_arrays(arrays[0], source, self.sample_ids, self.model_names, intake.aside)
            except ArmsError as error:
                if not tables or self.sample_ids or self.model_names:
                    raise
                advice = "nothing if costs do not matter: ORACLE/score is read; else do as it says"
                intake.aside.note("arrays that are not read", str(arrays[0]), advice, detail=str(error))
        if not tables:
            raise ArmsError(
                f"{source}: expected data/matrices/Y.npz or ORACLE/score/*.parquet, got neither; a log of VLMEvalKit "
                "itself is imported with: arms import vlmevalkit"
            )
        return from_tables(tables, intake.aside)

    def _note_lost(self, outcomes: Outcomes, samples: Samples, intake: Intake) -> None:
        lost = [name for name in outcomes.samples if name not in samples.found]
        if lost:
            advice = "add its benchmark to BENCHMARKS, or name its TSV: --tsv"
            listed = ", ".join(lost[:10])
            kind = "sample without a question"
            intake.aside.add(kind, outcomes.where, advice, detail=listed, count=len(lost))

    def image_roots(self, sources: Sequence[Path]) -> tuple[Path, ...]:
        """The folders of the sources, and of the TSVs."""
        named = [split_named(text)[1] for text in self.tsv]
        folders = [path if path.is_dir() else path.parent for path in named if path.exists()]
        return tuple(dict.fromkeys([*Importer.image_roots(self, sources), *folders]))


@dataclass(frozen=True, kw_only=True)
class ScopeImporter(VlRouterBenchImporter):
    """SCOPE."""

    summary: ClassVar[str] = "A dataset folder of SCOPE-Router: Y.npz, C.npy, sample ids, and the benchmarks' TSVs."
    description: ClassVar[str] = (
        "The layout of VL-RouterBench with lists of names beside the arrays: data/matrices/Y.npz, C.npy, sample_ids "
        "and model_names. SCOPE writes both lists as pickles, and a pickle is never loaded, as it can run code: the "
        "message has the command that turns it into JSON. Arrays hold no question and no image: these come from "
        "BENCHMARKS, as TSVs or as <benchmark>_samples.jsonl, joined on the sample id, <benchmark>/<index>."
    )
    example: ClassVar[str] = "arms import scope scope-data --name scope --tsv LMUData --access free"


def _queries(samples: Samples, order: Sequence[str], splits: Mapping[str, str]) -> pd.DataFrame:
    """The samples as queries, in the order of the outcomes."""
    images = samples.images()

    def row(sample: Sample) -> dict[str, object]:
        return {
            "query_id": sample.sample_id,
            "benchmark": sample.benchmark,
            "task": sample.task,
            "language": language_of(sample.benchmark),
            "question": sample.question,
            "images": images[sample.sample_id],
            "answer": sample.answer,
            "split": splits.get(sample.sample_id),
        }

    frame = pd.DataFrame((row(samples.found[name]) for name in order if name in samples.found), dtype=object)
    texts = [name for name in frame if name != "images" and not (name == "split" and frame[name].isna().all())]
    return frame[texts].astype("str").assign(images=frame["images"])
