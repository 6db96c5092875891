"""Rows of Parquet files, some at a time, so that images in them do not fill the memory."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from arms.importers.rows.table import Row, Table, UnreadableError, open_file

_BATCH_BYTES = 64 * 2**20  # held at a time
_BATCH_ROWS = 65_536
_BATCH_OBJECTS = 256  # many rows may refer to an image that the file holds once, so its size there says little


@contextmanager
def open_parquet(path: Path) -> Iterator[Table]:
    """Open a Parquet file; an UnreadableError, at once or from the rows, if it is damaged or not one."""
    with _clear_errors(path):
        open_file(path).close()  # raises for what Arrow might wait for
        with _open(path, []) as file:
            schema = file.schema_arrow
    yield Table(path, tuple(schema.names), lambda columns: _rows(path, schema, columns or []))


def _rows(path: Path, schema: pa.Schema, columns: Sequence[str]) -> Iterator[Row]:
    kinds = [schema.field(name).type for name in columns]
    texts = [name for name, kind in zip(columns, kinds, strict=True) if _is_text(kind)]
    number, place = 0, f"{path}, row "
    with _clear_errors(path):
        file = _open(path, texts)
        batches = file.iter_batches(_batch_rows(file, kinds), columns=columns)
    with file:
        while True:
            with _clear_errors(path):  # of the file, and not of whoever uses the rows
                batch = next(batches, None)
                if batch is None:
                    return
                batch.validate(full=True)  # Arrow itself would hand on text that is not UTF-8
                values = [_values(batch.column(name)) for name in columns]
            for cells in zip(*values, strict=True):
                number += 1
                yield f"{place}{number}", dict(zip(columns, cells, strict=True))


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """What Arrow raises at a broken file becomes an UnreadableError."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path}: expected a Parquet file, could not read it: {error}") from error


def _open(path: Path, texts: Sequence[str]) -> pq.ParquetFile:
    """Open a file to read it piece by piece, of some columns each distinct value once."""
    source = pa.OSFile(os.fsencode(path))  # as bytes: Arrow takes a name that is not UTF-8 only so
    return pq.ParquetFile(source, pre_buffer=False, buffer_size=2**20, read_dictionary=texts)


def _batch_rows(file: pq.ParquetFile, kinds: Sequence[pa.DataType]) -> int:
    """How many rows to hold at a time; of texts each distinct one is held once, of bytes and lists it is not.

    The sizes of single columns would tell more, but Arrow ends the process where they are damaged.
    """
    size = sum(file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups))
    per_row = max(1, size // max(1, file.metadata.num_rows))
    has_objects = any(pa.types.is_nested(kind) or pa.types.is_binary(kind) for kind in kinds)
    return max(1, min(_BATCH_OBJECTS if has_objects else _BATCH_ROWS, _BATCH_BYTES // per_row))


def _values(column: pa.Array) -> list[Any]:
    """A column's values, null where a number is missing; rows of one text share it."""
    if pa.types.is_dictionary(column.type):
        distinct = column.dictionary.to_pylist()
        return [None if index is None else distinct[index] for index in column.indices.to_pylist()]
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    return column.to_pylist()


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
