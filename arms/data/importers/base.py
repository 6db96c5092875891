"""Importing: an importer turns somebody's logs into a `Dataset`; what follows is the same for every format."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from arms.data.atomic import atomic_folder
from arms.data.prepared import write_json
from arms.data.tables import OUTCOMES, QUERIES, Dataset, write_dataset, write_table
from arms.data.validation import Progress, Report, Validated, validate
from arms.errors import ArmsError


class Importer(Protocol):
    """Reads one log format."""

    def __call__(self, *sources: Path) -> Dataset:
        """Read the sources as outcome tables.

        Parameters
        ----------
        *sources : Path
            The files or folders of one log, as the format defines them.

        Returns
        -------
        Dataset
            Its `folder` is the root of the source's images: `image` paths are relative to it, and the images are
            copied from it under the same relative paths. Rows need not be clean.

        Raises
        ------
        ArmsError
            If a source is missing or not in this format.
        """
        ...


def import_dataset(
    importer: Importer,
    sources: Sequence[str | Path],
    destination: str | Path,
    *,
    strict: bool = False,
    workers: int = 4,
    progress: Progress | None = None,
    replace: bool = False,
) -> Report:
    """Read logs, validate them, and write what is usable as a dataset folder, whole or not at all.

    The folder holds the clean tables, the profiles, just the images that clean queries use (as files of its own, never
    links), import_report.json, and set_aside/ with every other row and the reason.

    Parameters
    ----------
    importer : Importer
    sources : sequence of str or Path
    destination : str or Path
    strict, workers, progress
        As in `validation.validate`.
    replace : bool
        Replace the destination if it exists.

    Returns
    -------
    Report

    Raises
    ------
    ArmsError
        If the destination exists and `replace` is off, holds a source or the images, no query is usable, or
        reading or (with `strict`) validation fails.
    """
    destination = Path(destination)
    source_paths = [Path(source) for source in sources]
    _check_keeps(destination, source_paths)
    if os.path.lexists(destination) and not replace:
        raise ArmsError(
            f"{destination}: expected nothing there, got an existing path; name another folder, or ask to replace it"
        )
    dataset = importer(*source_paths)
    _check_keeps(destination, [dataset.folder])
    validated = validate(dataset, strict=strict, workers=workers, progress=progress)
    if validated.dataset.queries.empty:
        raise ArmsError(f"{dataset.folder}: expected at least one usable query, got none\n{validated.report.text()}")
    with atomic_folder(destination) as temporary:
        write_dataset(validated.dataset, temporary)
        _copy_images(validated, temporary)
        write_json(validated.report.to_dict(), temporary / "import_report.json")
        write_table(validated.set_aside_queries, temporary / "set_aside" / QUERIES.file)
        write_table(validated.set_aside_outcomes, temporary / "set_aside" / OUTCOMES.file)
    return validated.report


def _check_keeps(destination: Path, sources: Sequence[Path]) -> None:
    """Raise an ArmsError if replacing the destination would remove a source."""
    target = destination.resolve()
    for source in sources:
        if source.resolve().is_relative_to(target):
            raise ArmsError(
                f"{destination}: expected a folder that does not hold the source {source}; name another one"
            )


def _copy_images(validated: Validated, folder: Path) -> None:
    """Copy the images of the clean queries, checking that they still are what was validated."""
    for relative, sha256 in validated.image_sha256.items():
        source = validated.dataset.folder / relative
        content = source.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ArmsError(f"{source}: expected the image as it was validated, got other content; import again")
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
