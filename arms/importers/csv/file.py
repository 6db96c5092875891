"""One CSV or TSV file: its header, and its columns; rows of another length than the header's are set aside."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from arms.errors import ArmsError
from arms.importers.csv.text import AsUtf8, check_encoding
from arms.importers.set_aside import SetAside
from arms.importers.texts import END, shown

TEXT = pa.dictionary(pa.int32(), pa.large_string())  # each distinct text is held once

_DELIMITERS = (",", "\t", ";", "|")  # tried on a header, in this order
_OF_SUFFIX = {".tsv": "\t", ".tab": "\t"}
_BLOCK = 32 * 2**20  # bytes read at a time; no row may be longer
_SHOWN = 200  # characters of a row that are looked at for a message


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How files are written.

    Attributes
    ----------
    delimiter : str or None
        None: a tab in .tsv and .tab files, else the one that splits the header into the most cells.
    encoding : str
    quote : str
        Empty: quotes are text.

    Raises
    ------
    ArmsError
        If a character is not one, or the encoding is unknown.
    """

    delimiter: str | None
    encoding: str
    quote: str

    def __post_init__(self) -> None:
        for flag, value in (("--delimiter", self.delimiter), ("--quote", self.quote or None)):
            if value is not None and (len(value) != 1 or not value.isascii() or value in "\r\n\0" + END):
                raise ArmsError(f"{flag}: expected one ASCII character, got {value!r}")
        if self.delimiter == self.quote:
            raise ArmsError(f"--delimiter and --quote: expected two characters, got {self.quote!r} for both")
        check_encoding(self.encoding)


@dataclass(frozen=True)
class Sheet:
    """A file whose header is read.

    Attributes
    ----------
    path : Path
    header : tuple of str
        The names of its columns, without white space around them.
    dialect : Dialect
        With the file's own delimiter.
    """

    path: Path
    header: tuple[str, ...]
    dialect: Dialect


def read_header(path: Path, dialect: Dialect) -> Sheet:
    """Read a file's header, its first line that is not empty.

    Raises
    ------
    ArmsError
        If the file cannot be read or decoded, is empty, or its header has a single cell.
    """
    known = dialect.delimiter or _OF_SUFFIX.get(path.suffix.lower())
    found = {one: _first_row(path, replace(dialect, delimiter=one)) for one in ([known] if known else _DELIMITERS)}
    delimiter = max(found, key=lambda one: len(found[one]))
    header = tuple(cell.strip() for cell in found[delimiter])
    if len(header) < 2:
        raise ArmsError(
            f"{path}: expected a header of several columns, split by {' or '.join(map(repr, found))}, got "
            f"{shown(header[0])}; say what splits them: --delimiter"
        )
    return Sheet(path, header, replace(dialect, delimiter=delimiter))


def read_rows(
    sheet: Sheet, columns: Mapping[str, str], aside: SetAside, convert: Mapping[str, Callable[[str], str]]
) -> pa.Table:
    """Read some columns of a file.

    Parameters
    ----------
    sheet : Sheet
    columns : mapping of str to str
        What a column is called in the table: what it is called in the header.
    aside : SetAside
        Told of the rows that have not as many cells as the header.
    convert : mapping of str to callable
        What a column is called in the table: what becomes of each text in it, as soon as it is read.

    Returns
    -------
    Table
        The columns as `TEXT`, without nulls, and `row`: which row of the file it is, where the header is the first
        and empty lines do not count.

    Raises
    ------
    ArmsError
        If the file cannot be read or decoded, a row is too long, or a quote is left open.
    """
    bad: list[tuple[int, int, str]] = []  # row, cells, text

    def skip(row: pa_csv.InvalidRow) -> str:
        bad.append((row.number, row.actual_columns, row.text[:_SHOWN]))
        return "skip"

    wanted = {name: str(sheet.header.index(column)) for name, column in columns.items()}
    batches = []
    try:
        with sheet.path.open("rb") as file:
            stream = AsUtf8(file, sheet.path, sheet.dialect.encoding)
            options = _options(sheet, list(dict.fromkeys(wanted.values())), skip)
            for batch in pa_csv.open_csv(pa.PythonFile(stream, mode="r"), *options):
                parts = {name: batch.column(column) for name, column in wanted.items()}
                changed = {name: _change(parts[name], change) for name, change in convert.items() if name in parts}
                batches.append(pa.table({**parts, **changed}))
    except OSError as error:
        raise ArmsError(f"{sheet.path}: expected a CSV file, could not read it: {error.strerror}") from error
    except pa.ArrowInvalid as error:
        raise ArmsError(
            f"{sheet.path}: expected rows of at most {_BLOCK:,} bytes, got a longer one; if a quote is left open, "
            f"close it, and if quotes are text: --quote none ({error})"
        ) from error
    table = pa.concat_tables(batches) if batches else pa.table({name: pa.array([], TEXT) for name in wanted})
    return table.append_column("row", pa.array(_number_rows(sheet, table.num_rows, bad, aside)))


def _options(
    sheet: Sheet, columns: list[str], skip: Callable[[pa_csv.InvalidRow], str]
) -> tuple[pa_csv.ReadOptions, pa_csv.ParseOptions, pa_csv.ConvertOptions]:
    """Read these columns, called by their numbers, as plain texts: nothing is a number, a date or missing."""
    quote = sheet.dialect.quote
    return (
        pa_csv.ReadOptions(
            column_names=list(map(str, range(len(sheet.header)))),
            skip_rows_after_names=1,
            block_size=_BLOCK,
            use_threads=False,  # or bad rows would not know their numbers
        ),
        pa_csv.ParseOptions(
            delimiter=sheet.dialect.delimiter,
            quote_char=quote or False,
            newlines_in_values=bool(quote),
            invalid_row_handler=skip,
        ),
        pa_csv.ConvertOptions(
            column_types=dict.fromkeys(columns, TEXT),
            include_columns=columns,
            strings_can_be_null=False,
            check_utf8=False,  # `AsUtf8` gives nothing else
        ),
    )


def _number_rows(sheet: Sheet, good: int, bad: list[tuple[int, int, str]], aside: SetAside) -> np.ndarray:
    """Which rows of the file the good ones are; the bad ones are set aside."""
    last = good + len(bad) + 1
    if not bad or bad[-1][2] != END:
        raise ArmsError(
            f"{sheet.path}, row {last}: expected every quote to be closed, got one that is open to the end; "
            "close it, or if quotes are text: --quote none"
        )
    for number, cells, text in bad[:-1]:
        aside.add(
            "row with another number of cells than the header",
            f"{sheet.path}, row {number}",
            "write it again; quote cells that hold the delimiter or a line break",
            detail=f"{cells} cells, the header has {len(sheet.header)}: {shown(text)}",
        )
    return np.delete(np.arange(2, last + 1), [number - 2 for number, _, _ in bad])


def _change(column: pa.DictionaryArray, change: Callable[[str], str]) -> pa.DictionaryArray:
    """The column with each of its texts changed."""
    changed = pa.array(map(change, column.dictionary.to_pylist()), pa.large_string())
    return pa.DictionaryArray.from_arrays(column.indices, changed)


def _first_row(path: Path, dialect: Dialect) -> list[str]:
    """The cells of the first row that is not empty."""
    try:
        with path.open("rb") as file:
            raw = io.BufferedReader(AsUtf8(file, path, dialect.encoding))
            rows = csv.reader(
                io.TextIOWrapper(raw, encoding="utf-8", newline=""),
                delimiter=dialect.delimiter or ",",
                quotechar=dialect.quote or None,
                quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
            )
            row = next(row for row in rows if row)  # there is one, `END`
    except OSError as error:
        raise ArmsError(f"{path}: expected a CSV file, could not read it: {error.strerror}") from error
    except csv.Error as error:
        raise ArmsError(f"{path}: expected a header of short names, could not read it: {error}") from error
    if row == [END]:
        raise ArmsError(f"{path}: expected a header and rows, got an empty file")
    if any(END in cell for cell in row):
        raise ArmsError(f"{path}: expected every quote of the header to be closed, got one that is open")
    return row
