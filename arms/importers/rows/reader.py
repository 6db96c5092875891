"""Finds the files of a log, and opens a file of rows by the ending of its name."""

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from arms.errors import ArmsError
from arms.importers.rows.delimited import PLAIN, Dialect, open_delimited
from arms.importers.rows.json_files import open_document, open_lines
from arms.importers.rows.packed import is_packed, suffix_of
from arms.importers.rows.parquet import open_parquet
from arms.importers.rows.table import Table, UnreadableError
from arms.importers.rows.workbook import open_sheet
from arms.importers.set_aside import SetAside

_Opener = Callable[[Path, SetAside, Dialect, str | None], AbstractContextManager[Table]]
_OPENERS: dict[str, _Opener] = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), lambda path, aside, dialect, rows: open_delimited(path, aside, dialect)),
    ".xlsx": lambda path, aside, dialect, rows: open_sheet(path),
    ".json": lambda path, aside, dialect, rows: open_document(path, aside, rows),
    **dict.fromkeys((".jsonl", ".ndjson"), lambda path, aside, dialect, rows: open_lines(path, aside)),
    ".parquet": lambda path, aside, dialect, rows: open_parquet(path),
}
SUFFIXES = tuple(_OPENERS)
_PACKED_ALREADY = (".xlsx", ".parquet")  # others may end in .gz


def open_table(
    path: Path, aside: SetAside, *, dialect: Dialect = PLAIN, suffix: str | None = None, rows: str | None = None
) -> AbstractContextManager[Table]:
    """Open a file of rows.

    Parameters
    ----------
    path : Path
    aside : SetAside
        Receives the rows that cannot be read.
    dialect : Dialect
        How a CSV or TSV file is written.
    suffix : str, optional
        One of `SUFFIXES`: reads the file as one of that kind, whatever its name ends in.
    rows : str, optional
        Where the table is in a JSON document, a path; see `paths`.

    Returns
    -------
    context manager of Table

    Raises
    ------
    ArmsError
        When it is opened or from the rows, if the file cannot be read as one of its kind.
    """
    kind = suffix or suffix_of(path)
    opener = _OPENERS.get(kind)
    if opener is None:
        raise ArmsError(f"{path}: expected a file of rows ({', '.join(SUFFIXES)}), got {path.suffix or 'no ending'}")
    if is_packed(path) and kind in _PACKED_ALREADY:
        raise UnreadableError(f"{path}: expected {kind} files as they are, got one in .gz; unpack it")
    return opener(path, aside, dialect, rows)


def find_files(sources: Iterable[Path], is_wanted: Callable[[Path], bool]) -> list[Path]:
    """The files among some sources, and those wanted in the folders among them, each once and in a fixed order."""
    files: dict[str, Path] = {}
    for source in sources:
        below = sorted(Path(folder, name) for folder, _, names in os.walk(source) for name in names)
        for path in filter(is_wanted, below) if source.is_dir() else [source]:
            files.setdefault(os.path.realpath(path), path)
    return list(files.values())
