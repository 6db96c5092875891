"""From a log to a dataset folder: read, give profiles, find the images, validate, and write it whole or not at all."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from arms.catalogue.match import match_profiles, rename_vlms
from arms.catalogue.spellings import cached_name
from arms.data.atomic import atomic_folder
from arms.data.prepared import write_json
from arms.data.profiles import Access, VlmProfile
from arms.data.tables import OUTCOMES, QUERIES, OutcomeTables, write_dataset, write_table
from arms.data.validation import Validated, validate
from arms.errors import ArmsError
from arms.importers.base import Importer, Intake, Log
from arms.importers.image_intake import ImageIntake
from arms.importers.image_paths import LOG_IMAGE_ADVICE
from arms.importers.import_report import ImportReport
from arms.importers.near_names import note_near_names
from arms.importers.set_aside import REPORT_FILE, SET_ASIDE_FOLDER, SetAside
from arms.importers.texts import encodable, encodable_texts
from arms.traffic.places import is_url, shown_place


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What holds for every format.

    Attributes
    ----------
    roots : tuple of Path
        Folders in which images are looked for; empty: those of the sources.
    image_prefixes : tuple of str
        The parts of recorded image paths that the roots replace; of several that fit the longest.
    verify_images : bool
        Decode every image instead of reading only its header.
    no_images : bool
        Make a dataset of questions only, whatever images the log has or lacks.
    catalogue : tuple of VlmProfile
        Profiles for the log's VLMs, found by their names.
    access : 'free', 'paid' or None
        For VLMs without a profile; None: that is an error.
    access_of : mapping of str to 'free' or 'paid'
        The same by VLM, under the name that it has in the dataset.
    rename : mapping of str to str
        What the log calls a VLM: what it is to be called.
    strict : bool
        Raise if anything is set aside.
    workers : int, at least 1
        Threads that read images.
    replace : bool
        Replace a dataset at the destination.

    Raises
    ------
    ArmsError
        If there is no worker.
    """

    roots: tuple[Path, ...] = ()
    image_prefixes: tuple[str, ...] = ()
    verify_images: bool = False
    no_images: bool = False
    catalogue: tuple[VlmProfile, ...] = ()
    access: Access | None = None
    access_of: Mapping[str, Access] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    workers: int = 4
    replace: bool = False

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ArmsError(f"workers: expected 1 or more, got {self.workers}")


def import_log(
    importer: Importer,
    sources: Sequence[str | Path],
    destination: str | Path,
    options: ImportOptions | None = None,
) -> ImportReport:
    """Turn a log into a dataset folder, whole or not at all.

    The folder holds the clean tables, the profiles, just the images that clean queries use (as files of its own, never
    links), import_report.json, and set_aside/ with every other row and the reason.

    Parameters
    ----------
    importer : Importer
    sources : sequence of str or Path
        Files or folders of one log, or URLs (str) where the format reads some.
    destination : str or Path
    options : ImportOptions, optional

    Returns
    -------
    ImportReport

    Raises
    ------
    ArmsError
        If a source is missing or not in this format, the destination exists and may not be replaced or holds a source,
        a VLM has no profile, no query is usable, (with `strict`) anything is set aside, or a file cannot be read or
        written.
    """
    options = options or ImportOptions()
    urls = [source for source in sources if isinstance(source, str) and is_url(source)]
    paths = [Path(source) for source in sources if source not in urls]
    destination = Path(destination)
    _check_sources(paths, urls, options.roots)
    kept = (*paths, *options.roots, *importer.image_roots(paths))
    _check_destination(destination, kept, replace=options.replace)
    try:
        with atomic_folder(destination) as folder:
            return _import_into(folder, importer, paths, urls, options)
    except OSError as error:  # such as a full disk, or a file that may not be read
        place = encodable(str(error.filename or destination))
        raise ArmsError(f"{place}: expected to read or write here, could not: {error.strerror or error}") from error


def _import_into(
    folder: Path,
    importer: Importer,
    paths: Sequence[Path],
    urls: Sequence[str],
    options: ImportOptions,
) -> ImportReport:
    """Fill an empty folder; see `import_log`."""
    images = ImageIntake(
        folder,
        options.roots or importer.image_roots(paths),
        prefixes=options.image_prefixes,
        decode=options.verify_images,
        workers=options.workers,
        keep_names=importer.keep_image_names,
    )
    aside = SetAside()
    intake = Intake(images, aside, options.no_images)
    log = importer.read_urls(urls, intake) if urls else importer.read(paths, intake)
    sources = [encodable(shown_place(url)) for url in urls] or [encodable(str(path)) for path in paths]
    if options.no_images:
        log = replace(log, queries=_without_images(log.queries))
    dataset = _as_dataset(log, Path(sources[0]), options, aside)
    validated = validate(
        dataset,
        checker=images.check,
        image_advice=LOG_IMAGE_ADVICE,
        source_findings=aside.findings(),
        strict=options.strict,
    )
    if validated.dataset.queries.empty:
        where = ", ".join(sources)
        raise ArmsError(f"{where}: expected at least one usable query, got none\n{validated.report.text()}")
    report = _report(importer, sources, log, images, aside, validated, options)
    _write(validated, images, aside, report, folder)
    return report


def _check_sources(sources: Sequence[Path], urls: Sequence[str], roots: Sequence[Path]) -> None:
    """Raise an ArmsError if a source or root cannot be one."""
    if not sources and not urls:
        raise ArmsError("expected one source or more, files or folders of the log, got none")
    if sources and urls:
        raise ArmsError(f"expected paths or URLs, got both: {sources[0]} and {shown_place(urls[0])}")
    for path in sources:
        if not (os.path.isfile(path) or os.path.isdir(path)):  # a pipe or device might never end
            raise ArmsError(f"{path}: expected a file or folder, got {_came(path)}")
    for path in roots:
        if not os.path.isdir(path):
            raise ArmsError(f"{path}: expected a folder of images, got {_came(path)}")


def _came(path: Path) -> str:
    return "something else" if os.path.lexists(path) else "no such path"


def _check_destination(destination: Path, kept: Sequence[Path], *, replace: bool) -> None:
    """Raise an ArmsError if writing the destination would remove something."""
    real = os.path.realpath(destination)
    for path in kept:
        if Path(os.path.realpath(path)).is_relative_to(real):
            raise ArmsError(f"{destination}: expected a folder that does not hold the source {path}; name another one")
    if os.path.lexists(destination) and not replace:
        raise ArmsError(
            f"{destination}: expected nothing there, got an existing path; name another folder, or replace it: "
            "--replace"
        )


def _as_dataset(log: Log, source: Path, options: ImportOptions, aside: SetAside) -> OutcomeTables:
    """The log as a dataset: VLMs renamed and described, texts that can be written."""
    log = _plainly_named(log)
    names, outcomes = rename_vlms(log.vlms, log.outcomes, options.rename)
    probabilities = log.probabilities
    if probabilities is not None:
        _, probabilities = rename_vlms(log.vlms, probabilities, options.rename)
    own = [replace(profile, name=options.rename.get(profile.name, profile.name)) for profile in log.profiles]
    catalogue = (*own, *options.catalogue)
    profiles, bare = match_profiles(names, catalogue, options.access, options.access_of)
    for name in bare:
        aside.note(
            "VLM without a profile",
            name,
            "say what is known of it with: arms vlms add; a router learns from profiles too",
        )
    note_near_names(names, outcomes, catalogue, aside)
    return OutcomeTables(source, encodable_texts(log.queries), encodable_texts(outcomes), profiles, probabilities)


def _plainly_named(log: Log) -> Log:
    """The log with VLMs that were recorded by a path into Hugging Face's cache under their own names."""
    plain = {name: new for name in log.vlms if (new := cached_name(name)) != name}
    names, outcomes = rename_vlms(log.vlms, log.outcomes, plain)
    return replace(log, vlms=names, outcomes=outcomes)


def _without_images(queries: pd.DataFrame) -> pd.DataFrame:
    """The queries with none of their images."""
    nothing = pd.Series([()] * len(queries), index=queries.index, dtype=object)
    return queries.drop(columns="image", errors="ignore").assign(images=nothing)


def _report(
    importer: Importer,
    sources: Sequence[str],
    log: Log,
    images: ImageIntake,
    aside: SetAside,
    validated: Validated,
    options: ImportOptions,
) -> ImportReport:
    return ImportReport(
        format=type(importer).__name__,
        sources=tuple(sources),
        settings={setting.name: _as_json(getattr(importer, setting.name)) for setting in fields(importer)},
        verdicts=tuple(map(encodable, log.verdicts)),
        images_found=images.num_found,
        images_lost=images.num_lost,
        no_images=options.no_images,
        rows_set_aside=aside.count,
        report=validated.report,
    )


def _write(validated: Validated, images: ImageIntake, aside: SetAside, report: ImportReport, folder: Path) -> None:
    """Write everything but the images, which are there; those that no clean query uses are removed."""
    dataset, used = validated.dataset, validated.image_sha256
    images.discard_except(used)
    names = {reference: images.name(reference) for reference in used}
    named = OutcomeTables(
        folder,
        dataset.queries.assign(images=dataset.queries["images"].map(lambda of: tuple(names[one] for one in of))),
        dataset.outcomes,
        dataset.vlms,
        dataset.probabilities,
    )
    write_dataset(named, folder)
    write_json(report.to_dict(), folder / REPORT_FILE)
    write_table(validated.set_aside_queries, folder / SET_ASIDE_FOLDER / QUERIES.file)
    write_table(validated.set_aside_outcomes, folder / SET_ASIDE_FOLDER / OUTCOMES.file)
    write_table(aside.table(), folder / SET_ASIDE_FOLDER / "source.parquet")


def _as_json(value: Any) -> Any:
    """A setting as JSON can hold it."""
    if isinstance(value, tuple):
        return [_as_json(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else encodable(str(value))
