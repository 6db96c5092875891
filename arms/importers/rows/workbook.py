"""A workbook's first sheet as a table: broken and hostile files with one clear error, formulas as their own text."""

import itertools
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from arms.errors import ArmsError
from arms.importers.rows.table import ErrorCell, Formula, Row, Table, UnreadableError, header, open_file

MAX_UNPACKED = 2**30  # bytes of a workbook once unpacked
MAX_RATIO = 200  # of its unpacked to its packed size, from `_SMALL` on: real ones reach some 30
_SMALL = 2**26  # bytes
_MAX_ROWS, _MAX_COLUMNS = 2**20, 2**14  # of a sheet, by its standard
_BATCH = 1000  # rows
_OLD_OFFICE = bytes.fromhex("d0cf11e0a1b11ae1")  # opens .xls, and .xlsx with a password
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")


@contextmanager
def open_sheet(path: Path) -> Iterator[Table]:
    """Open the first sheet of an .xlsx file, a row at a time in memory (the texts of all cells are, once each).

    Parameters
    ----------
    path : Path

    Raises
    ------
    UnreadableError
        At once or from the rows, if the file is broken, has a password or no sheet, or it unpacks to more than
        `MAX_UNPACKED` bytes or, from 64 MiB on, to more than `MAX_RATIO` times its size.
    """
    try:
        stream = open_file(path)
    except OSError as error:
        raise UnreadableError(f"{path}: expected a spreadsheet, could not read the file: {error.strerror}") from error
    try:
        from openpyxl import load_workbook  # it takes a while, and most logs need none
    except ImportError as error:
        stream.close()
        raise ArmsError(f"{path}: expected openpyxl for a spreadsheet; run: pip install 'arms[pipeline]'") from error

    with stream:
        _check_archive(stream, path)
        with _clear_errors(path):
            workbook = load_workbook(stream, read_only=True, keep_links=False)
        with closing(workbook):
            first: Sequence[Any] = ()
            with _clear_errors(path):
                sheet = next(iter(workbook.worksheets), None)
                if sheet is not None:
                    sheet.reset_dimensions()  # what the file says of its size need not be true
                    first = next(sheet.iter_rows(max_row=1, max_col=_MAX_COLUMNS), ())
            if sheet is None:
                raise UnreadableError(f"{path}: expected a sheet with a table, got a workbook without sheets")
            names = header([_value(cell) for cell in first], path)
            width = max(i for i, name in enumerate(names, start=1) if name)
            cells = sheet.iter_rows(min_row=2, max_row=_MAX_ROWS + 1, max_col=width)
            yield Table(path, tuple(filter(None, names)), lambda columns: _rows(path, names, columns or [], cells))


def _rows(path: Path, names: Sequence[str], columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[Row]:
    number, wanted = 1, [(name, names.index(name)) for name in columns]
    while True:
        with _clear_errors(path):
            batch = [[_value(cell) for cell in row] for row in itertools.islice(rows, _BATCH)]
        if not batch:
            return
        for values in batch:
            number += 1
            if number > _MAX_ROWS:
                raise UnreadableError(f"{path}: expected at most {_MAX_ROWS:,} rows, got one beyond")
            if any(value is not None for value in values):
                yield f"{path}, row {number}", {name: values[index] for name, index in wanted}


def _value(cell: Any) -> Any:
    """What a cell of openpyxl holds."""
    value = cell.value
    if value is None or value == "":
        return None
    if cell.data_type == "f":
        text = getattr(value, "text", value)  # formulas over several cells are objects with a text
        return Formula(text if isinstance(text, str) else "=")
    if cell.data_type == "e":
        return ErrorCell(value)
    if isinstance(value, str) and "_x" in value:
        return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), value)
    return value


def _check_archive(stream: BinaryIO, path: Path) -> None:
    """Raise an UnreadableError unless the file is an archive that can be unpacked without harm."""
    if stream.read(len(_OLD_OFFICE)) == _OLD_OFFICE:
        raise UnreadableError(
            f"{path}: expected a spreadsheet in .xlsx, got an older format or one with a password; save it as .xlsx "
            "without a password"
        )
    with _clear_errors(path), zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
    if any(member.flag_bits & 1 for member in members):
        raise UnreadableError(f"{path}: expected a spreadsheet without a password, got an encrypted archive")
    unpacked, packed = sum(member.file_size for member in members), stream.seek(0, 2)
    stream.seek(0)
    if unpacked > MAX_UNPACKED or (unpacked > _SMALL and unpacked > MAX_RATIO * packed):
        raise UnreadableError(
            f"{path}: expected a spreadsheet of at most {MAX_UNPACKED:,} bytes unpacked and {MAX_RATIO} times its "
            f"size, got {unpacked:,} bytes from {packed:,}; if it is sound, save it as .tsv"
        )


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """What openpyxl and zipfile raise at a broken file becomes one UnreadableError; their warnings are kept quiet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # broken parts make the reader raise errors of many types; each means the same
        kind = type(error).__name__
        raise UnreadableError(f"{path}: expected a spreadsheet in .xlsx, could not read it: {kind}: {error}") from error
