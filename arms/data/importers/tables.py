"""Import a dataset that is in outcome-table form already: queries.parquet, outcomes.parquet, vlms.yaml and images."""

from pathlib import Path

from arms.data.importers.base import import_dataset
from arms.data.tables import Dataset, read_dataset
from arms.data.validation import Progress, Report
from arms.errors import ArmsError


def read_tables(*sources: Path) -> Dataset:
    """Read one dataset folder; the importer named 'tables'.

    Raises
    ------
    ArmsError
        If there is not exactly one source, or the folder does not hold outcome tables.
    """
    if len(sources) != 1:
        raise ArmsError(f"tables: expected one source, a dataset folder, got {len(sources)}")
    return read_dataset(sources[0])


def import_tables(
    source: str | Path,
    destination: str | Path,
    *,
    strict: bool = False,
    workers: int = 4,
    progress: Progress | None = None,
    replace: bool = False,
) -> Report:
    """Validate a dataset folder and copy what is usable to another one; see `base.import_dataset`.

    Parameters
    ----------
    source : str or Path
        Holds queries.parquet, outcomes.parquet, vlms.yaml, the images, and probabilities.parquet if simulated.
    destination : str or Path
    strict : bool
        Raise if any row is set aside.
    workers : int, at least 1
        Threads that decode images.
    progress : callable, optional
        Called with the number of images checked and their total.
    replace : bool
        Replace the destination if it exists.

    Returns
    -------
    Report

    Raises
    ------
    ArmsError
        As `base.import_dataset`.
    """
    return import_dataset(
        read_tables, [source], destination, strict=strict, workers=workers, progress=progress, replace=replace
    )
