"""Damage to tables, whatever their format, that leaves them tables: columns, rows and cells change."""

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from tests.importers.damage.files import write
from tests.importers.damage.values import TEXTS, scalar

Rows = list[list[Any]]  # the first is the header


def drop_column(path: Path, rng: Random) -> None:
    def change(rows: Rows) -> None:
        column = _column(rows, rng)
        for row in rows:
            del row[column : column + 1]

    _change(path, change)


def rename_column(path: Path, rng: Random) -> None:
    def change(rows: Rows) -> None:
        column = _column(rows, rng)
        name = str(rows[0][column])
        others = ["", "x", name.upper(), f" {name} ", f"{name}s", "index", "hit", "answer", "image", *map(str, rows[0])]
        rows[0][column] = rng.choice(others)

    _change(path, change)


def duplicate_column(path: Path, rng: Random) -> None:
    def change(rows: Rows) -> None:
        column, value = _column(rows, rng), scalar(rng)
        for number, row in enumerate(rows):
            cell = row[column] if column < len(row) else None
            row.append(cell if number == 0 or rng.random() < 0.5 else value)

    _change(path, change)


def shuffle_columns(path: Path, rng: Random) -> None:
    def change(rows: Rows) -> None:
        order = rng.sample(range(len(rows[0])), len(rows[0]))
        rows[:] = [[row[column] for column in order if column < len(row)] for row in rows]

    _change(path, change)


def change_cell(path: Path, rng: Random) -> None:
    def change(rows: Rows) -> None:
        row = rng.choice(rows[1:] or rows)
        if row:
            row[rng.randrange(len(row))] = scalar(rng)

    _change(path, change)


def change_column(path: Path, rng: Random) -> None:
    """Every cell of a column is another value, of another type perhaps."""

    def change(rows: Rows) -> None:
        column = _column(rows, rng)
        kind = rng.randrange(4)
        value = scalar(rng)
        for number, row in enumerate(rows[1:]):
            if column < len(row):
                row[column] = [value, number, str(row[column]), f"={number}+1"][kind]

    _change(path, change)


def drop_rows(path: Path, rng: Random) -> None:
    def change(rows: Rows) -> None:
        rows[1:] = [row for row in rows[1:] if rng.random() < 0.5] if rng.random() < 0.8 else []

    _change(path, change)


def duplicate_row(path: Path, rng: Random) -> None:
    """With a changed cell, or as it is."""

    def change(rows: Rows) -> None:
        row = list(rng.choice(rows))
        if row and rng.random() < 0.7:
            row[rng.randrange(len(row))] = scalar(rng)
        rows.insert(rng.randrange(1, len(rows) + 1), row)

    _change(path, change)


def uneven_row(path: Path, rng: Random) -> None:
    def change(rows: Rows) -> None:
        row = rng.choice(rows)
        if rng.random() < 0.5:
            row.extend([rng.choice(TEXTS)] * rng.choice([1, 3]))
        else:
            del row[rng.randrange(len(row) + 1) :]

    _change(path, change)


def _column(rows: Rows, rng: Random) -> int:
    return rng.randrange(len(rows[0]))


def _change(path: Path, change: Callable[[Rows], None]) -> None:
    """Read a table, change its rows and write it; one that was damaged before stays as it is."""
    read, written = _FORMATS[path.suffix]
    try:
        rows = read(path)
    except Exception:  # the damage done before may be of any kind
        return
    if rows and rows[0]:
        change(rows)
        write(path, written(rows))


def _read_delimited(path: Path) -> Rows:
    text = path.read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix == ".tsv" else ","))


def _write_delimited(delimiter: str) -> Callable[[Rows], bytes]:
    def written(rows: Rows) -> bytes:
        stream = io.StringIO(newline="")
        csv.writer(stream, delimiter=delimiter).writerows(rows)
        return stream.getvalue().encode("utf-8")

    return written


def _read_sheet(path: Path) -> Rows:
    return [list(row) for row in openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True)]


def _write_sheet(rows: Rows) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append([_cell(value) for value in row])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _cell(value: Any) -> Any:
    """What a sheet can hold: formulas are formulas there."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) > 2**63:
        return 1e300
    if isinstance(value, str):
        return openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", value)[:32_000]
    return value


def _read_parquet(path: Path) -> Rows:
    table = pq.read_table(path)
    return [table.column_names, *map(list, zip(*(column.to_pylist() for column in table.columns), strict=True))]


def _write_parquet(rows: Rows) -> bytes:
    width = len(rows[0])
    columns = [[row[number] if number < len(row) else None for row in rows[1:]] for number in range(width)]
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([_array(column) for column in columns], list(map(str, rows[0]))), stream)
    return stream.getvalue()


def _array(values: list[Any]) -> pa.Array:
    """Of the type that the values have, or text if they have several."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values])


_FORMATS: dict[str, tuple[Callable[[Path], Rows], Callable[[Rows], bytes]]] = {
    ".csv": (_read_delimited, _write_delimited(",")),
    ".tsv": (_read_delimited, _write_delimited("\t")),
    ".xlsx": (_read_sheet, _write_sheet),
    ".parquet": (_read_parquet, _write_parquet),
}
