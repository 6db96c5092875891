"""The table that `arms route --table` reads: a query in each row."""

import json
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arms.cli.base import count
from arms.data.storage.urls import file_path, is_bucket_url
from arms.errors import ArmsError
from arms.importers.records.image_cells import listed
from arms.importers.rows.reader import open_table
from arms.importers.rows.table import Row, cell_text
from arms.importers.set_aside import SetAside
from arms.importers.texts import encodable, shown

QUERY_ID, QUESTION = "query_id", "question"
IMAGES = ("images", "image")  # either, as in a dataset's queries.parquet
_SHOWN = 5  # problems that a message names


@dataclass(frozen=True)
class TableQuery:
    """A query of the table.

    Attributes
    ----------
    where : str
        The place of its row, for messages.
    images : tuple of Path
        Where its pictures are.
    stamp : str
        Changes with all that its route depends on: its row, and size and time of its pictures' files.
    """

    query_id: str
    where: str
    images: tuple[Path, ...]
    question: str
    stamp: str


def read_queries(table: Path, root: Path) -> list[TableQuery]:
    """The queries of a table, all sound as far as can be seen without opening their pictures.

    Parameters
    ----------
    table : Path
        CSV, TSV, XLSX, JSON, JSON Lines or Parquet with the columns query_id, images and question. A cell of images has
        a list, in text as JSON, or one path, or nothing.
    root : Path
        What the paths are relative to.

    Raises
    ------
    ArmsError
        If the table cannot be read, has no rows, or some are no queries: the first of them are named.
    """
    aside, problems, queries = SetAside(), list[str](), list[TableQuery]()
    files, ids = _Files(root), set[str]()
    for where, cells in _rows(table, aside):
        try:
            query = _query(where, cells, files)
            if query.query_id in ids:
                raise ArmsError(f"query {query.query_id!r} is there twice; give each row an id of its own")
        except ArmsError as error:
            problems.append(f"{where}: {error}")
            continue
        ids.add(query.query_id)
        queries.append(query)
    if aside.count:
        problems.append(aside.text())
    if problems:
        more = f"\n... and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
        told = "\n".join(problems[:_SHOWN])
        raise ArmsError(
            f"{table}: nothing was routed: {count(len(problems), 'row')} of {len(problems) + len(queries):,} cannot be "
            f"used; correct or remove them:\n{told}{more}"
        )
    if not queries:
        raise ArmsError(f"{table}: expected a query in each row, got no row")
    return queries


def _rows(table: Path, aside: SetAside) -> Iterator[Row]:
    with open_table(table, aside) as opened:
        if opened.columns is None:
            yield from opened.rows()
            return
        _check_columns(table, opened.columns)
        wanted = [name for name in (QUERY_ID, QUESTION, *IMAGES) if name in opened.columns]
        yield from opened.rows(wanted)


def _check_columns(table: Path, columns: Collection[str]) -> None:
    if QUERY_ID in columns and {QUESTION, *IMAGES} & set(columns):
        return
    raise ArmsError(
        f"{table}: expected the columns {QUERY_ID}, images and {QUESTION} (one of the last two may be missing), got "
        f"{', '.join(map(repr, columns))}"
    )


def _query(where: str, cells: dict[str, Any], files: "_Files") -> TableQuery:
    query_id = (cell_text(cells.get(QUERY_ID)) or "").strip()
    if not query_id:
        raise ArmsError(f"expected a {QUERY_ID}, got none")
    question = cell_text(cells.get(QUESTION)) or ""
    recorded = _recorded(next((cells[name] for name in IMAGES if cells.get(name) is not None), None))
    if not recorded and not question.strip():
        raise ArmsError(f"query {query_id!r}: expected a question, an image or both, got neither")
    stamps = [files.stamp(path) for path in recorded]
    stamp = json.dumps([query_id, question, recorded, stamps])
    return TableQuery(encodable(query_id), where, tuple(files.place(path) for path in recorded), question, stamp)


def _recorded(cell: Any) -> list[str]:
    """The paths in a cell."""
    found = listed(cell)
    paths = found if isinstance(found, list) else [] if found in (None, "") else [found]
    if wrong := [path for path in paths if not isinstance(path, str) or not path]:
        raise ArmsError(f"expected the path of an image, or a list of paths, got {shown(wrong[0])}")
    return paths


class _Files:
    """The pictures' files below a folder; each is looked at once."""

    def __init__(self, root: Path) -> None:
        self.root = Path(file_path(root))
        self._stamps: dict[str, list[int] | str] = {}

    def place(self, path: str) -> Path:
        """Where a picture is: a URL, or a file below the folder, which may itself be at a URL."""
        return Path(path) if is_bucket_url(path) else self.root / file_path(path)

    def stamp(self, path: str) -> list[int]:
        """Size and time of a file, an ArmsError if it is not there; nothing for a URL, which is read later."""
        if is_bucket_url(self.place(path)):
            return []
        if path not in self._stamps:
            self._stamps[path] = self._look_at(path)
        found = self._stamps[path]
        if isinstance(found, str):
            raise ArmsError(f"{self.root / path}: {found}")
        return found

    def _look_at(self, path: str) -> list[int] | str:
        try:
            found = os.stat(self.root / path)
        except (OSError, ValueError) as error:  # a ValueError: a NUL character in the path
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            return "no such image" if isinstance(error, FileNotFoundError) else reason
        return [found.st_size, found.st_mtime_ns] if stat.S_ISREG(found.st_mode) else "expected a regular file"
