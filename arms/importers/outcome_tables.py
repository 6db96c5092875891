"""Import a dataset that is in outcome-table form already: queries.parquet, outcomes.parquet, vlms.yaml and images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from arms.data.tables import read_dataset
from arms.errors import ArmsError
from arms.importers.base import Importer, Intake, Log


@dataclass(frozen=True, kw_only=True)
class TablesImporter(Importer):
    """Outcome tables."""

    summary: ClassVar[str] = "A folder with queries.parquet, outcomes.parquet, vlms.yaml and the images."
    example: ClassVar[str] = "arms import tables ~/evaluations/blindtest --name blindtest"
    keep_image_names: ClassVar[bool] = True

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read one dataset folder."""
        if len(sources) != 1:
            raise ArmsError(f"tables: expected one source, a dataset folder, got {len(sources)}")
        dataset = read_dataset(sources[0])
        return Log(
            dataset.queries,
            dataset.outcomes,
            tuple(vlm.name for vlm in dataset.vlms),
            profiles=dataset.vlms,
            probabilities=dataset.probabilities,
        )
