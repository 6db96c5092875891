"""Import DynaMath's results: for each VLM a table of verdicts, a row for each seed and a column for each variant."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from arms.errors import ArmsError
from arms.importers.base import Importer, Intake, Log
from arms.importers.builder import LogBuilder, QueryRow
from arms.importers.rows.json_files import read_json
from arms.importers.rows.reader import find_files, open_table
from arms.importers.rows.table import cell_text
from arms.importers.texts import encodable, shown
from arms.importers.verdicts import GradeRule
from arms.progress import progress_bar

_REPOSITORY = "github.com/DynaMath/DynaMath"
_BENCHMARK = "dynamath"
_ENDING = "-result.csv"
_QUESTIONS = "dataset.json"
_TRIAL = re.compile(r"trial(\d+)")
_VARIANT = re.compile(r"Variant (\d+)")
_SEED = re.compile(r"Q?(\d+)")
_SEED_COLUMN = "Question ID"

Key = tuple[int, int]  # a seed's number, and its variant's


@dataclass(frozen=True, kw_only=True)
class DynaMathImporter(Importer):
    """DynaMath."""

    summary: ClassVar[str] = f"A clone of {_REPOSITORY}, or its folder of samples and results."
    description: ClassVar[str] = (
        "Questions are those of trial1 to trial10, each a dataset.json with its images: the variants of a seed, which "
        "is their group, so that they stay on one side of a split. <vlm>-result.csv has a row for each seed and a "
        "column for each variant, with correct or fail. The task is the subject. Outputs, costs and latencies are not "
        "recorded."
    )
    example: ClassVar[str] = "arms import dynamath ~/DynaMath --name dynamath --access free"

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read one clone."""
        if len(sources) != 1 or not sources[0].is_dir():
            listed = ", ".join(map(str, sources))
            raise ArmsError(f"{listed}: expected one source, a clone of {_REPOSITORY}, got {len(sources)} or a file")
        reader = _Reader(sources[0], LogBuilder(intake.aside, GradeRule()), intake)
        trials = find_files(sources, lambda path: path.name == _QUESTIONS and bool(_TRIAL.fullmatch(path.parent.name)))
        results = find_files(sources, lambda path: path.name.endswith(_ENDING))
        files = [*sorted(trials, key=lambda path: (_trial_of(path), str(path))), *results]
        with progress_bar("read", "files") as progress:
            for done, path in enumerate(files, start=1):
                try:
                    reader.read_trial(path) if path.name == _QUESTIONS else reader.read_results(path)
                except ArmsError as error:
                    advice = "get it again from the repository"
                    intake.aside.add("file that cannot be read", str(path), advice, detail=str(error))
                progress(done, len(files))
        log = reader.builder.build()
        if log.queries.empty or log.outcomes.empty:
            raise ArmsError(
                f"{sources[0]}: expected a clone of {_REPOSITORY}, with trial1/{_QUESTIONS} and so on, and "
                f"<vlm>{_ENDING}, got {len(trials)} and {len(results)} of these with anything to use\n"
                f"{intake.aside.text()}".rstrip()
            )
        return log


@dataclass
class _Reader:
    """Hands questions, then verdicts to the builder."""

    root: Path
    builder: LogBuilder
    intake: Intake
    known: dict[Key, str] = field(default_factory=dict)  # queries

    def read_trial(self, path: Path) -> None:
        """The questions of one variant of every seed."""
        variant, folder = _trial_of(path), path.parent.relative_to(self.root)
        for name, record in read_json(path, dict).items():
            where, seed = f"{path}, key {name}", _SEED.fullmatch(name)
            if seed is None or not isinstance(record, dict):
                self.intake.aside.add("record that is no question", where, "write it again", detail=shown(record))
                continue
            query = QueryRow(
                query_id=f"{_BENCHMARK}/{int(seed[1])}/{variant}",
                benchmark=_BENCHMARK,
                task=cell_text(record.get("subject")) or _BENCHMARK,
                language="en",
                question=record.get("question"),
                image=self._image(folder, record.get("image")),
                answer=record.get("answer"),
                group=f"{_BENCHMARK}/{int(seed[1])}",
            )
            if self.builder.add_query(query, where):
                self.known[int(seed[1]), variant] = query.query_id

    def read_results(self, path: Path) -> None:
        """The verdicts on one VLM."""
        vlm = encodable(path.name.removesuffix(_ENDING))
        with open_table(path, self.intake.aside) as table:
            variants = {name: int(found[1]) for name in table.columns or () if (found := _VARIANT.fullmatch(name))}
            if _SEED_COLUMN not in (table.columns or ()) or not variants:
                columns = ", ".join((table.columns or ())[:20])
                raise ArmsError(f"{path}: expected the columns {_SEED_COLUMN}, Variant 1 and so on, got {columns}")
            for where, cells in table.rows([_SEED_COLUMN, *variants]):
                seed = _SEED.fullmatch((cells[_SEED_COLUMN] or "").strip())
                if seed is None:
                    advice = f"fill in {_SEED_COLUMN}, as in Q12"
                    self.intake.aside.add("row without a seed", where, advice, detail=shown(cells[_SEED_COLUMN]))
                    continue
                for name, variant in variants.items():
                    self._add(where, vlm, (int(seed[1]), variant), cells[name])

    def _add(self, where: str, vlm: str, key: Key, verdict: str | None) -> None:
        """One verdict, if its question is known."""
        if verdict is None:
            return
        if key not in self.known:
            advice = f"get trial{key[1]} with its {_QUESTIONS} from the repository"
            self.intake.aside.add("verdict without its question", where, advice, detail=f"Q{key[0]}, variant {key[1]}")
            return
        self.builder.add_outcome(where, self.known[key], vlm, grade=verdict, metric="result")

    def _image(self, folder: Path, name: Any) -> str | tuple[()] | None:
        """The reference of a question's image, which is named from its trial's folder."""
        if self.intake.no_images:
            return ()
        if not isinstance(name, str) or not name.strip():
            return None
        return self.intake.images.add_recorded((folder / name).as_posix())


def _trial_of(path: Path) -> int:
    """The number of the trial whose questions a file holds."""
    found = _TRIAL.fullmatch(path.parent.name)
    assert found is not None, path
    return int(found[1])
