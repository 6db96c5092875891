"""What the samples are: questions and where their images lie, from BENCHMARKS/, or from the benchmarks' own TSVs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from arms.errors import ArmsError
from arms.importers.base import Intake
from arms.importers.rows.delimited import open_delimited
from arms.importers.rows.reader import find_files, open_table
from arms.importers.rows.table import UnreadableError, cell_text
from arms.importers.set_aside import SetAside
from arms.importers.texts import as_text, encodable, shown
from arms.importers.vlmevalkit.image_tsv import DIALECT, NONE, as_index, read_images
from arms.importers.vlmevalkit.question_forms import OPTIONS, question_text
from arms.importers.vlmevalkit.question_images import BenchmarkFiles

SAMPLES_ENDING = "_samples.jsonl"
_TSV_TEXTS = ("question", "hint", *OPTIONS)
_TSV_USED = ("index", "id", "answer", "category", *_TSV_TEXTS)
_QUESTIONS = ("prompt", "question", "text")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A question, and its images: references, or rows of a TSV by their numbers from 0."""

    sample_id: str
    benchmark: str
    task: str
    question: str
    answer: str | None = None
    images: tuple[str, ...] | None = None  # None: unknown
    rows: tuple[tuple[str, int], ...] = ()  # names of TSVs, and rows
    indices: tuple[str, ...] = ()  # rows of the benchmark's TSV by their index


@dataclass
class Samples:
    """The samples that are found, by their ids."""

    intake: Intake
    files: BenchmarkFiles
    found: dict[str, Sample] = field(default_factory=dict)

    def read_lines(self, sources: Sequence[Path], wanted: Mapping[str, int]) -> None:
        """Read the samples that a benchmark's folder describes, record by record."""
        for path in find_files(sources, lambda path: path.name.endswith(SAMPLES_ENDING)):
            try:
                with open_table(path, self.intake.aside) as table:
                    for where, record in table.rows():
                        self._add(where, record, wanted)
            except UnreadableError as error:
                advice = "build it again"
                self.intake.aside.add("file that cannot be read", str(path), advice, detail=str(error))

    def read_tsvs(self, wanted: Iterable[str]) -> None:
        """Read the questions of samples that are still unknown from their benchmarks' TSVs, by index or id."""
        missing: dict[str, dict[str, str]] = defaultdict(dict)
        for name in wanted:
            benchmark, slash, index = name.partition("/")
            if name not in self.found and slash:
                missing[benchmark][index] = name
        for benchmark, names in missing.items():
            path = self.files.find(benchmark)
            if path is None:
                continue
            try:
                for sample in _read_tsv(path, benchmark, names, self.intake):
                    self.found.setdefault(sample.sample_id, sample)
            except ArmsError as error:
                self.intake.aside.add("file that cannot be read", str(path), "download it again", detail=str(error))

    def images(self) -> dict[str, tuple[str, ...] | None]:
        """References to the images of each sample, an empty list where none was sent."""
        if self.intake.no_images:
            return dict.fromkeys(self.found, ())
        of_files: dict[str, list[Sample]] = defaultdict(list)
        for sample in self.found.values():
            for name in {*(name for name, _ in sample.rows), *([sample.benchmark] if sample.indices else [])}:
                of_files[name].append(sample)
        references = {}
        taken = {name: self._take(name, samples) for name, samples in of_files.items()}
        for sample in self.found.values():
            parts = [taken[name][str(row)] for name, row in sample.rows]
            parts += [taken[sample.benchmark][f"index {index}"] for index in sample.indices]
            joined = tuple(one for part in parts for one in part)
            references[sample.sample_id] = joined if parts else sample.images
        return references

    def _add(self, where: str, record: Mapping[str, Any], wanted: Mapping[str, int]) -> None:
        """One record; the first of several on one sample counts if they say the same."""
        name = cell_text(record.get("sample_id") or record.get("id"))
        if name is None or encodable(name) not in wanted:
            return
        question = next((record[key] for key in _QUESTIONS if record.get(key) is not None), "")
        if not isinstance(question, str):
            advice = "write the question as text"
            self.intake.aside.add("question that is not text", where, advice, detail=shown(question))
            return
        benchmark = cell_text(record.get("dataset")) or name.partition("/")[0]
        try:
            images, rows = self._assets(record.get("assets"))
        except ArmsError as error:
            self.intake.aside.add("sample whose images cannot be read", where, "build it again", detail=str(error))
            return
        sample = Sample(
            sample_id=encodable(name),
            benchmark=encodable(benchmark),
            task=as_text(record.get("task_type")) or encodable(benchmark),
            question=question,
            answer=as_text(record.get("answer")) or None,
            images=images,
            rows=rows,
        )
        if self.found.setdefault(sample.sample_id, sample) != sample:
            advice = "nothing if it is meant; the first one is kept"
            self.intake.aside.add("sample described twice, in other words", where, advice, detail=name)

    def _assets(self, assets: Any) -> tuple[tuple[str, ...] | None, tuple[tuple[str, int], ...]]:
        """The images of a record: references, and rows of TSVs."""
        if not assets:
            return None, ()
        images, rows = [], []
        for asset in assets if isinstance(assets, list) else [assets]:
            kind = asset.get("type") if isinstance(asset, dict) else None
            path = asset.get("uri") or asset.get("path") if isinstance(asset, dict) else None
            if kind == "image_tsv" and isinstance(asset.get("tsv_file"), str) and type(asset.get("index")) is int:
                rows.append((PurePosixPath(asset["tsv_file"].replace("\\", "/")).stem, asset["index"]))
            elif kind == "image" and isinstance(path, str):
                images.append(self.intake.images.add_recorded(path))
            else:
                raise ArmsError(f"expected an image or a row of a TSV, got {shown(asset)}")
        if images and rows:
            raise ArmsError(f"expected images or rows of TSVs, got both: {shown(assets)}")
        return tuple(images) or None, tuple(rows)

    def _take(self, name: str, samples: Sequence[Sample]) -> dict[str, tuple[str, ...]]:
        """References by the numbers of a TSV's rows as text, and by "index " and their index."""
        numbers = {str(row) for sample in samples for file, row in sample.rows if file == name}
        indices = {index for sample in samples if sample.benchmark == name for index in sample.indices}
        wanted = [*sorted(numbers), *(f"index {index}" for index in sorted(indices))]
        path, images, aside = self.files.find(name), self.intake.images, self.intake.aside
        if path is None:
            aside.note("benchmark without its TSV", name, "name its folder with --tsv, or the file as BENCHMARK=FILE")
            missing = images.add_missing(NONE, f"the TSV of {name} is not at hand")
            return dict.fromkeys(wanted, (missing,))
        try:
            index_of = _indices_of_rows(path, numbers) | {f"index {index}": index for index in indices}
            read = read_images(path, frozenset(index_of.values()), images, aside)
        except ArmsError as error:
            aside.note("benchmark's TSV that cannot be read", str(path), "download it again", detail=str(error))
            return dict.fromkeys(wanted, (images.add_missing(NONE, str(error)),))
        taken = {}
        for key in wanted:
            index = index_of.get(key, "")
            problem = read.problems.get(index, (NONE, f"{path} has no row {key}"))
            taken[key] = read.found.get(index) or (images.add_missing(*problem),)
        return taken


def _indices_of_rows(path: Path, numbers: Iterable[str]) -> dict[str, str]:
    """The index of some rows of a TSV, which are numbered from 0 below its header."""
    wanted = {*numbers}
    found: dict[str, str] = {}
    if not wanted:
        return found
    with open_delimited(path, SetAside(), DIALECT) as table:
        if "index" not in (table.columns or ()):
            raise ArmsError(f"{path}: expected a column index, got {', '.join((table.columns or ())[:20])}")
        for where, cells in table.rows(["index"]):
            number = str(int(where.rpartition(" ")[2]) - 2)
            if number in wanted and (index := as_index(cells["index"])) is not None:
                found[number] = index
    return found


def _read_tsv(path: Path, benchmark: str, names: Mapping[str, str], intake: Intake) -> Iterator[Sample]:
    """The samples of one benchmark that its TSV describes; a sample is named by its row's index, or id."""
    with open_delimited(path, intake.aside, DIALECT) as table:
        used = [name for name in _TSV_USED if name in (table.columns or ())]
        if "index" not in used or "question" not in used:
            raise ArmsError(f"{path}: expected columns index and question, got {', '.join((table.columns or ())[:20])}")
        for _, cells in table.rows(used):
            index = as_index(cells["index"])
            name = names.get(index or "") or names.get(cells.get("id") or "")
            if index is None or name is None:
                continue
            yield Sample(
                sample_id=name,
                benchmark=benchmark,
                task=encodable(cells.get("category") or benchmark),
                question=encodable(question_text({one: cells[one] for one in _TSV_TEXTS if one in cells}) or ""),
                answer=as_text(cells.get("answer")),
                indices=(index,),
            )
