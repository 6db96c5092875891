"""M2's records from Parquet, some rows at a time, so that images in them do not fill the memory."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from arms.errors import ArmsError
from arms.importers.base import Intake
from arms.importers.csv.file import TEXT
from arms.importers.files import open_file
from arms.importers.m2.fields import Fields, UnreadableError, pick, present
from arms.importers.m2.values import TEXTS_ONLY, encode, image_reference
from arms.importers.texts import as_text

_BATCH_BYTES = 64 * 2**20  # held at a time
_BATCH_ROWS = 65_536
_BATCH_IMAGES = 256  # many rows may refer to an image that the file holds once, so its size there says little


def read_parquet(
    path: Path, fields: Fields, required: Sequence[str], intake: Intake
) -> tuple[list[pa.Table], list[str]]:
    """Read a file; see `files.read_records`.

    Returns
    -------
    tables : list of Table
        A column of `csv.file.TEXT` for each field that the file has, by what it holds, and `row`, which row it is.
    names : list of str
        All columns of the file.
    """
    tables = []
    try:
        open_file(path).close()  # raises for what Arrow might wait for
        with _open(path, []) as file:
            schema = file.schema_arrow
        names = list(schema.names)
        found = present(path, names, fields, required)
        texts = [field.name for field in schema if _is_text(field.type)]
        wanted = [name for of_held in found.values() for name in of_held]
        with _open(path, texts) as file:
            rows = _batch_rows(file, are_texts=all(name in texts for name in found["image"]))
            first = 1
            for batch in file.iter_batches(rows, columns=wanted):
                batch.validate(full=True)  # Arrow itself would hand on text that is not UTF-8
                tables.append(_table(path, batch, found, first, intake))
                first += batch.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path}: expected a Parquet file, could not read it: {error}") from error
    return tables, names


def _open(path: Path, texts: Sequence[str]) -> pq.ParquetFile:
    """Open a file to read it piece by piece, of some columns each distinct value once."""
    source = pa.OSFile(os.fsencode(path))  # as bytes: Arrow takes a name that is no UTF-8 in no other way
    return pq.ParquetFile(source, pre_buffer=False, buffer_size=2**20, read_dictionary=texts)


def _batch_rows(file: pq.ParquetFile, *, are_texts: bool) -> int:
    """How many rows to hold at a time; `are_texts`: images are paths or base64, and each distinct one is held once.

    The sizes of single columns would tell more, but Arrow ends the process where they are damaged.
    """
    size = sum(file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups))
    per_row = max(1, size // max(1, file.metadata.num_rows))
    return max(1, min(_BATCH_ROWS if are_texts else _BATCH_IMAGES, _BATCH_BYTES // per_row))


def _table(path: Path, batch: pa.RecordBatch, found: Fields, first: int, intake: Intake) -> pa.Table:
    """Some rows as texts, the first of which is row number `first`; rows whose image is none are set aside."""
    columns: dict[str, pa.Array] = {}
    usable = np.ones(batch.num_rows, dtype=bool)
    for held, names in found.items():
        column = batch.column(names[0]) if len(names) == 1 else _coalesce(path, batch, names, held, first)
        if held == "image":
            columns[held] = _references(path, column, usable, first, intake)
        elif held in TEXTS_ONLY and not (_is_text(column.type) or pa.types.is_null(column.type)):
            raise ArmsError(f"{path}, column {names[0]!r}: expected text, got {column.type}")
        else:
            columns[held] = _texts(column)
    table = pa.table({**columns, "row": pa.array(np.arange(first, first + batch.num_rows))})
    return table if usable.all() else table.filter(pa.array(usable))


def _coalesce(path: Path, batch: pa.RecordBatch, names: Sequence[str], held: str, first: int) -> pa.Array:
    """What rows say in the first of some columns; an ArmsError if another one says something else."""
    lists = {name: batch.column(name).to_pylist() for name in names}
    rows: list[Mapping[str, Any]] = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    values = [pick(row, names, held, f"{path}, row {first + index}") for index, row in enumerate(rows)]
    kinds = [batch.column(name).type for name in names]
    kind = next((kind for kind in kinds if not pa.types.is_null(kind)), pa.null())
    return pa.array(values, kind.value_type if pa.types.is_dictionary(kind) else kind)


def _references(path: Path, column: pa.Array, usable: np.ndarray, first: int, intake: Intake) -> pa.Array:
    """The references of images; `usable` becomes false where there is something else."""
    if _is_text(column.type):
        texts = _texts(column)
        distinct = [image_reference(text, intake.images) for text in texts.dictionary.to_pylist()]
        return pa.DictionaryArray.from_arrays(texts.indices, pa.array(distinct, pa.large_string()))
    references = []
    for index, value in enumerate(column.to_pylist()):
        try:
            references.append(image_reference(value, intake.images))
        except ArmsError as error:
            where = f"{path}, row {first + index}"
            intake.aside.add("record that cannot be used", where, "correct it", detail=str(error))
            references.append(None)
            usable[index] = False
    return encode(pa.array(references, pa.large_string()))


def _texts(column: pa.Array) -> pa.Array:
    """A column of any type as texts, null where there is none."""
    if pa.types.is_dictionary(column.type):
        if _is_text(column.type):
            return column.cast(TEXT)
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    try:
        return encode(column)
    except pa.ArrowNotImplementedError:  # lists, mappings and others that have no text of their own
        return encode(pa.array([as_text(value) for value in column.to_pylist()], pa.large_string()))


def _is_text(kind: pa.DataType) -> bool:
    """Whether a column holds texts."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
