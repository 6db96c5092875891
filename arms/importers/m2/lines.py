"""M2's records from JSON Lines, some lines at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from arms.errors import ArmsError
from arms.importers.base import Intake
from arms.importers.files import open_file, read_json_lines
from arms.importers.m2.fields import Fields, UnreadableError, pick, present
from arms.importers.m2.values import encode, image_reference, value_text

_CHUNK = 20_000  # records that are held as objects

_Rows = dict[str, dict[str, Any]]  # by their places, what records say in the fields that are read


def read_lines(path: Path, fields: Fields, required: Sequence[str], intake: Intake) -> tuple[list[pa.Table], list[str]]:
    """Read a file; see `files.read_records`.

    Returns
    -------
    tables : list of Table
        A column of `csv.file.TEXT` for each of `fields`, and `row`, the line.
    names : list of str
        All fields of the file; none if it holds no record.
    """
    names: dict[str, None] = {}
    is_empty = True
    tables: list[pa.Table] = []
    wanted = {name for of_held in fields.values() for name in of_held}
    rows: _Rows = {}
    for where, record in _lines(path, intake):
        is_empty = False
        names.update(dict.fromkeys(record))
        image = pick(record, fields["image"], "image", where)
        try:
            reference = image_reference(image, intake.images)  # at once: images can be large
        except ArmsError as error:
            intake.aside.add("record that cannot be used", where, "correct it", detail=str(error))
            continue
        rows[where] = {name: value for name, value in record.items() if name in wanted}
        rows[where].update(dict.fromkeys(fields["image"], reference))
        if len(rows) == _CHUNK:
            tables.append(_table(rows, fields, intake))
            rows = {}
    tables.append(_table(rows, fields, intake))
    if not is_empty:
        present(path, list(names), fields, required)
    return tables, list(names)


def _lines(path: Path, intake: Intake) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of a file, each with its place; an UnreadableError if it is one list of them."""
    try:
        with open_file(path) as stream:
            start = "".join(stream.read(64).decode("utf-8-sig", "replace").split())
        if start == "[" or start.startswith("[{"):
            raise UnreadableError(f"{path}: expected JSON Lines, a record on each line, got one list of records")
        yield from read_json_lines(path, intake.aside)
    except OSError as error:
        raise UnreadableError(f"{path}: expected JSON Lines, could not read the file: {error.strerror}") from error


def _table(rows: _Rows, fields: Fields, intake: Intake) -> pa.Table:
    """Some records as a table; those of which something has to be text and is none are set aside."""
    usable = np.ones(len(rows), dtype=bool)
    columns = {held: _column(rows, names, held, usable, intake) for held, names in fields.items()}
    columns["row"] = pa.array([int(where.rpartition(" ")[2]) for where in rows], pa.int64())
    return pa.table(columns).filter(pa.array(usable))


def _column(rows: _Rows, names: Sequence[str], held: str, usable: np.ndarray, intake: Intake) -> pa.Array:
    """What records say in some fields; `usable` becomes false where that cannot be used."""
    given = [name for name in names if any(name in record for record in rows.values())]
    if len(given) == 1:
        values = [record.get(given[0]) for record in rows.values()]
    else:
        values = [pick(record, given, held, where) for where, record in rows.items()]
    try:
        return encode(pa.array(values, pa.large_string()))
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # not all are texts
        texts = []
    for index, (where, value) in enumerate(zip(rows, values, strict=True)):
        try:
            texts.append(value_text(held, value))
        except ArmsError as error:
            if usable[index]:
                intake.aside.add("record that cannot be used", where, "correct it", detail=str(error))
            texts.append(None)
            usable[index] = False
    return encode(pa.array(texts, pa.large_string()))
