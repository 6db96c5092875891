"""What an open file of rows is, and the kinds of cells that it may hold."""

import datetime
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from arms.errors import ArmsError
from arms.importers.texts import as_text

Row = tuple[str, dict[str, Any]]  # the place of a row, for messages, and its cells by column


class UnreadableError(ArmsError):
    """A file that is damaged, or not of its kind."""


class Formula(str):
    """A cell that the spreadsheet takes for a formula: its own text, such as "=A1+1"."""

    __slots__ = ()


class ErrorCell(str):
    """A cell that holds an error of the spreadsheet, such as "#N/A"."""

    __slots__ = ()


@dataclass(frozen=True)
class Table:
    """An open file of rows.

    Attributes
    ----------
    path : Path
    columns : tuple of str, or None
        The columns that have a name; None for JSON Lines, where each row has its own.
    read : callable
        See `rows`; it takes the columns to read, or None for all.
    delimiter : str
        What splits the rows of a text file; empty for other files.
    """

    path: Path
    columns: tuple[str, ...] | None
    read: Callable[[Sequence[str] | None], Iterator[Row]]
    delimiter: str = ""

    def rows(self, columns: Collection[str] | None = None) -> Iterator[Row]:
        """The rows that have any content, one at a time.

        Parameters
        ----------
        columns : collection of str, optional
            The columns to read, which the file has; all by default. JSON Lines always give all.

        Yields
        ------
        where : str
            The place of the row, such as "runs/a.csv, row 3".
        cells : dict
            By column: null where empty, text, numbers, booleans, dates, `Formula`, `ErrorCell`, bytes, and whatever
            JSON holds.

        Raises
        ------
        ArmsError
            If the file turns out to be broken, or a column to read is there twice.
        """
        if self.columns is None:
            return self.read(None)
        wanted = list(self.columns if columns is None else columns)
        for name in wanted:
            if self.columns.count(name) > 1:
                times = self.columns.count(name)
                raise ArmsError(f"{self.path}: expected one column {name!r}, got {times}; rename all but one")
        return self.read(wanted)


def header(names: Sequence[Any], path: Path) -> list[str]:
    """The names of all columns without white space around them, empty where a column has none.

    Raises
    ------
    UnreadableError
        If no column has a name.
    """
    columns = [(cell_text(name) or "").strip() for name in names]
    if not any(columns):
        raise UnreadableError(f"{path}: expected a header in the first row, got nothing there")
    return columns


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


def open_file(path: Path) -> BinaryIO:
    """Open a file to read its bytes; an OSError if it is a folder, or a pipe or device, which might never end."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
        raise OSError(errno.EINVAL, f"expected a file, got {kind}", str(path))
    return path.open("rb")
