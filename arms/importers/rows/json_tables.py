"""The forms in which a JSON document holds a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arms.errors import ArmsError
from arms.importers.rows.table import header

KEY = "key"  # the column for what records are filed under


def as_records(content: Any, path: Path) -> list[Any]:
    """A table as a list of records.

    Parameters
    ----------
    content : list or dict
        - records: ``[{"id": 1, ...}, ...]``;
        - records by a key, which becomes the column `key` unless they have one: ``{"q1": {...}, "q2": {...}}``;
        - lists by column, or as pandas writes a table by itself: ``{"id": {"0": 1, "1": 2}, ...}``;
        - ``{"columns": [...], "data": [[...], ...]}``;
        - a list of records, the only one, in an object with more: ``{"model": "x", "results": [{...}, ...]}``.
    path : Path
        For messages.

    Raises
    ------
    ArmsError
        If there is no such table, columns differ in length or have one name, or several lists could be the records.
    """
    if isinstance(content, list):
        return content
    names, data = content.get("columns"), content.get("data")
    if isinstance(names, list) and isinstance(data, list):
        return _split(names, data, path)
    values = list(content.values())
    if values and all(isinstance(cells, list) for cells in values) and not all(map(_are_records, values)):
        return _by_column(content, path)
    if values and all(isinstance(one, Mapping) for one in values):
        return _by_index(content) if _are_columns(values) else [{KEY: key, **one} for key, one in content.items()]
    lists = [name for name, value in content.items() if _are_records(value)]
    if len(lists) > 1:
        raise ArmsError(
            f"{path}: expected one list of records, got several: {', '.join(lists)}; keep one of them, or "
            "name it: arms import records --rows PATH"
        )
    if not lists:
        raise ArmsError(f"{path}: expected a table in JSON (records, or lists by column), got another object")
    return content[lists[0]]


def _split(names: list[Any], data: list[Any], path: Path) -> list[Any]:
    """Rows of cells, and the names of their columns."""
    columns = header(names, path)
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise ArmsError(f"{path}: expected columns of different names, got several {twice!r}")
    fits = [isinstance(row, list) and len(row) == len(columns) for row in data]
    return [dict(zip(columns, row, strict=True)) if fit else row for row, fit in zip(data, fits, strict=True)]


def _by_column(content: Mapping[str, list[Any]], path: Path) -> list[Any]:
    """Lists of cells by column."""
    lengths = {len(cells) for cells in content.values()}
    if len(lengths) > 1:
        raise ArmsError(f"{path}: expected columns of one length, got lengths from {min(lengths)} to {max(lengths)}")
    return [dict(zip(content, cells, strict=True)) for cells in zip(*content.values(), strict=True)]


def _by_index(content: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """Cells by column and row, as pandas writes a table unless it is told otherwise."""
    rows = dict.fromkeys(row for cells in content.values() for row in cells)
    return [{name: cells.get(row) for name, cells in content.items()} for row in rows]


def _are_columns(values: list[Mapping[str, Any]]) -> bool:
    """Whether mappings are columns by row: all have the same keys, the numbers of rows."""
    keys = list(values[0])
    return bool(keys) and all(key.isdecimal() for key in keys) and all(list(one) == keys for one in values)


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)
