"""The images of VLMEvalKit's benchmarks: which TSV holds them, and which row of it each question needs."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from arms.errors import ArmsError
from arms.importers.base import Intake
from arms.importers.set_aside import SetAside
from arms.importers.vlmevalkit.image_tsv import NONE, Problem, TsvImages, as_list, read_images


def split_named(text: str) -> tuple[str, Path]:
    """What --tsv names: the benchmark, if it is named, and the path."""
    name, equals, path = text.partition("=")
    if equals and not Path(text).exists():
        return name, Path(path).expanduser()
    return "", Path(text).expanduser()


class BenchmarkFiles:
    """The TSVs of benchmarks by name.

    Parameters
    ----------
    named : iterable of str
        What the user named: folders, files, or BENCHMARK=FILE where a file has another name than its benchmark.
    found : iterable of Path
        TSVs that were found among the sources.
    aside : SetAside
        Receives files that are passed over.

    Raises
    ------
    ArmsError
        If something named is not there.
    """

    def __init__(self, named: Iterable[str], found: Iterable[Path], aside: SetAside) -> None:
        self._files: dict[str, Path] = {}
        loose = []
        for text in named:
            name, path = split_named(text)
            if not path.exists():
                raise ArmsError(f"--tsv: expected a folder, a file or BENCHMARK=FILE, got {text!r}, which is not there")
            if name:
                self._files[name] = path
            else:
                loose += sorted(path.glob("*.tsv")) if path.is_dir() else [path]
        # {benchmark}_local.tsv is a copy that names image files in the place of images.
        for path in sorted([*loose, *found], key=lambda path: path.stem.endswith("_local")):
            name = path.stem.removesuffix("_local")
            known = self._files.setdefault(name, path)
            if not path.samefile(known):
                advice = "nothing: one is taken; name it as BENCHMARK=FILE with --tsv to take another"
                aside.note("benchmark with several files", str(path), advice, detail=f"{known} is taken")

    @property
    def names(self) -> Collection[str]:
        """The benchmarks whose files are known."""
        return self._files.keys()

    def find(self, benchmark: str) -> Path | None:
        """A benchmark's file; its name may differ in case and in what separates its words, if only one does."""
        if benchmark in self._files:
            return self._files[benchmark]
        alike = [path for name, path in self._files.items() if _key(name) == _key(benchmark)]
        return alike[0] if len(alike) == 1 else None


class QuestionImages:
    """The questions of a benchmark that need an image, and where theirs is."""

    def __init__(self, benchmark: str) -> None:
        self.benchmark = benchmark
        self._rows: dict[str, str] = {}  # query to the row of the TSV that holds its image
        self._paths: dict[str, str] = {}  # query to the path that a result file names

    def add(self, query_id: str, row: str, path: str | None) -> None:
        """Note that a question needs the image of a row, or else the one at a path."""
        self._rows.setdefault(query_id, row)
        if path:
            self._paths.setdefault(query_id, path)

    def find(self, tsv: Path | None, intake: Intake) -> dict[str, tuple[str, ...]]:
        """References to the images by query, from the benchmark's TSV or by the paths in the result files."""
        if intake.no_images:
            return dict.fromkeys(self._rows, ())
        read, missing = TsvImages(), f"the TSV of {self.benchmark} is not at hand"
        if tsv is not None:
            try:
                read = read_images(tsv, frozenset(self._rows.values()), intake.images, intake.aside)
            except ArmsError as error:
                missing = str(error)
                intake.aside.note("benchmark's TSV that cannot be read", str(tsv), "download it again", detail=missing)
        elif self._rows:
            advice = "name its folder with --tsv, or the file as BENCHMARK=FILE if it has another name"
            intake.aside.note("benchmark without its TSV", self.benchmark, advice)
        references = {}
        for query_id, row in self._rows.items():
            problem = read.problems.get(row, (NONE, missing))
            references[query_id] = read.found.get(row) or self._by_path(query_id, problem, intake)
        return references

    def _by_path(self, query_id: str, problem: Problem, intake: Intake) -> tuple[str, ...]:
        """The images at the path in the result file, or at the paths that it lists."""
        path = self._paths.get(query_id)
        if path is not None:
            try:
                parts = as_list(path)
            except ArmsError as error:
                return (intake.images.add_missing(NONE, str(error)),)
            if parts:
                return tuple(map(intake.images.add_recorded, parts))
            problem = (NONE, f"0 images: {path[:80]}")
        return (intake.images.add_missing(*problem),)


def _key(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())
