"""What a table of a log holds: cells of many kinds under a header."""

import datetime
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arms.errors import ArmsError
from arms.importers.texts import as_text

Row = tuple[str, dict[str, Any]]  # its place, and its cells by column


class Formula(str):
    """A cell that the spreadsheet takes for a formula: its own text, such as "=A1+1"."""

    __slots__ = ()


class ErrorCell(str):
    """A cell that holds an error of the spreadsheet, such as "#N/A"."""

    __slots__ = ()


@dataclass(frozen=True)
class Table:
    """An open table.

    Attributes
    ----------
    columns : tuple of str
        The header; columns without a name are left out.
    rows : iterator of (str, dict)
        The place of a row and its cells by column: null where empty, text, numbers, booleans, dates, `Formula` and
        `ErrorCell`, and whatever JSON holds. Rows without any content are left out.
    """

    columns: tuple[str, ...]
    rows: Iterator[Row]


def cell_text(cell: Any) -> str | None:
    """A cell as text, a formula as its own; null where it is empty or an error."""
    if type(cell) is str:  # most are
        return cell
    if isinstance(cell, ErrorCell):
        return None
    if isinstance(cell, str):
        return str(cell)
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return str(cell) if isinstance(cell, bool) else as_text(cell)


def header(names: Sequence[Any], path: Path) -> tuple[str, ...]:
    """The names of columns, empty where there is none.

    Raises
    ------
    ArmsError
        If no column has a name, or two share one.
    """
    columns = tuple((cell_text(name) or "").strip() for name in names)
    counts = Counter(filter(None, columns))
    if not counts:
        raise ArmsError(f"{path}: expected a header in the first row, got nothing there")
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise ArmsError(f"{path}: expected columns of different names, got several {', '.join(map(repr, repeated))}")
    return columns
