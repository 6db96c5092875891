"""Tables with a header in xlsx, csv, tsv or JSON, read safely and row by row."""

import csv
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

from arms.errors import ArmsError
from arms.importers.files import read_json
from arms.importers.set_aside import SetAside
from arms.importers.texts import END
from arms.importers.vlmevalkit.cells import Row, Table, header
from arms.importers.vlmevalkit.workbook import open_sheet

MAX_CELL = 2**26  # characters of a cell in a text file


def open_table(path: Path, aside: SetAside) -> AbstractContextManager[Table]:
    """Open a table by its file's ending: .xlsx (the first sheet), .csv, .tsv or .json (records, or lists by column).

    Parameters
    ----------
    path : Path
    aside : SetAside
        Is told of rows that do not fit the header.

    Returns
    -------
    context manager of Table

    Raises
    ------
    ArmsError
        When it is opened or from the rows, if the file cannot be read as such a table; see `open_sheet` and
        `text_rows` for their limits.
    """
    openers: dict[str, Callable[[], AbstractContextManager[Table]]] = {
        ".xlsx": lambda: open_sheet(path),
        ".csv": lambda: _open_text(path, aside, ","),
        ".tsv": lambda: _open_text(path, aside, "\t"),
        ".json": lambda: _open_json(path, aside),
    }
    opener = openers.get(path.suffix.lower())
    if opener is None:
        raise ArmsError(f"{path}: expected a table in {', '.join(openers)}, got {path.suffix or 'no ending'}")
    return opener()


def text_rows(
    path: Path, delimiter: str, *, max_cell: int = MAX_CELL, errors: str = "strict"
) -> Generator[tuple[int, list[str]], None, None]:
    """The rows of a text file that are not blank, numbered from 1, one at a time in memory.

    Parameters
    ----------
    path : Path
    delimiter : str
    max_cell : int
        Characters that a cell may have.
    errors : str
        What becomes of bytes that are no UTF-8, as `open` takes it.

    Raises
    ------
    ArmsError
        If the file cannot be read, is not UTF-8, leaves a quote open or has a larger cell.
    """
    number, before = 0, csv.field_size_limit()
    try:
        with path.open(encoding="utf-8-sig", errors=errors, newline="") as stream:
            reader = csv.reader(itertools.chain(stream, [END]), delimiter=delimiter)
            while True:
                csv.field_size_limit(max_cell)  # of the whole process, so it is set for one row at a time
                try:
                    cells = next(reader)
                finally:
                    csv.field_size_limit(before)
                number += 1
                if cells == [END]:
                    return
                if cells and END in cells[-1]:
                    raise ArmsError(f"{path}, row {number}: expected a quote that closes, got one left open to the end")
                if any(cells):
                    yield number, cells
    except UnicodeDecodeError as error:
        raise ArmsError(f"{path}, after row {number}: expected text in UTF-8: {error.reason}; save it so") from error
    except csv.Error as error:
        raise ArmsError(f"{path}, after row {number}: expected rows of cells, could not read one: {error}") from error
    except OSError as error:
        raise ArmsError(f"{path}: expected a text file, could not read it: {error.strerror}") from error


def report_width(where: str, found: int, expected: int, aside: SetAside) -> None:
    """Set a row of a text file aside that has more cells than the header, or fewer."""
    aside.add(
        "row with another number of cells than the header",
        where,
        "write the row again; it may be cut off, or hold a delimiter or quote that is not quoted",
        detail=f"{found} cells, {expected} columns",
    )


@contextmanager
def _open_text(path: Path, aside: SetAside, delimiter: str) -> Iterator[Table]:
    """A csv or tsv file; empty cells are null."""
    with closing(text_rows(path, delimiter)) as lines:
        columns = header(next(lines, (0, []))[1], path)
        yield Table(tuple(filter(None, columns)), _text_rows(path, columns, lines, aside))


def _text_rows(
    path: Path, columns: Sequence[str], lines: Iterator[tuple[int, list[str]]], aside: SetAside
) -> Iterator[Row]:
    for number, cells in lines:
        where = f"{path}, row {number}"
        if len(cells) == len(columns):
            yield where, {column: cell or None for column, cell in zip(columns, cells, strict=True) if column}
        else:
            report_width(where, len(cells), len(columns), aside)


@contextmanager
def _open_json(path: Path, aside: SetAside) -> Iterator[Table]:
    """JSON as pandas and others write tables: records, lists by column, or {"columns": [...], "data": [[...]]}."""
    records = _as_records(read_json(path, (list, dict)), path)
    columns = tuple(dict.fromkeys(key for record in records if isinstance(record, dict) for key in record))
    if not columns:
        raise ArmsError(f"{path}: expected a table in JSON (records, or lists by column), got no record")
    yield Table(columns, _json_rows(path, records, aside))


def _as_records(content: Any, path: Path) -> list[Any]:
    """A table in any of the three forms as records."""
    if isinstance(content, list):
        return content
    names, data = content.get("columns"), content.get("data")
    if isinstance(names, list) and isinstance(data, list):
        columns = header(names, path)
        fits = [isinstance(row, list) and len(row) == len(columns) for row in data]
        return [dict(zip(columns, row, strict=True)) if fit else row for row, fit in zip(data, fits, strict=True)]
    if content and all(isinstance(cells, list) for cells in content.values()):
        lengths = {len(cells) for cells in content.values()}
        if len(lengths) == 1:
            return [dict(zip(content, cells, strict=True)) for cells in zip(*content.values(), strict=True)]
        raise ArmsError(f"{path}: expected columns of one length, got lengths from {min(lengths)} to {max(lengths)}")
    raise ArmsError(f"{path}: expected a table in JSON (records, or lists by column), got another object")


def _json_rows(path: Path, records: list[Any], aside: SetAside) -> Iterator[Row]:
    for number, record in enumerate(records, start=1):
        where = f"{path}, record {number}"
        if isinstance(record, dict):
            yield where, {key: None if cell == "" or cell != cell else cell for key, cell in record.items()}
        else:
            aside.add("record that is no object", where, "write the record again", detail=type(record).__name__)
