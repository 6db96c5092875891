"""Rows of CSV and TSV files, one at a time in memory."""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from arms.errors import ArmsError
from arms.importers.rows.packed import open_unpacked, suffix_of
from arms.importers.rows.table import Row, Table, UnreadableError, header
from arms.importers.set_aside import SetAside
from arms.importers.texts import END, shown

_DELIMITERS = (",", "\t", ";", "|")  # tried on a header, in this order
_OF_SUFFIX = {".tsv": "\t", ".tab": "\t"}
_SHOWN = 200  # characters of a row that go into a message

_HEAD = 4096  # bytes at a file's beginning that tell JSON from CSV
_BLANK = b"\xef\xbb\xbf \t\r\n"
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*\"|\[\s*[\[{])")  # an object with a key, or a list of such or of rows

# How files begin that are no text in UTF-8.
_HINTS = {
    b"PK": "it looks like a spreadsheet or an archive: export it as CSV",
    b"\x1f\x8b": "it looks compressed: unpack it",
    b"\xff\xfe": "it looks like UTF-16",
    b"\xfe\xff": "it looks like UTF-16",
}


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a CSV or TSV file is written.

    Attributes
    ----------
    delimiter : str or None
        None: a tab in .tsv and .tab files, else the one that splits the header into the most cells.
    encoding : str
    quote : str
        Empty: quotes are text.
    errors : str
        What becomes of bytes that cannot be decoded, as `open` takes it.
    max_cell : int
        Characters that a cell may have.
    has_flags : bool
        The user can say all this by flags, which error messages then name.

    Raises
    ------
    ArmsError
        If a character is not one, or the encoding is unknown.
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    quote: str = '"'
    errors: str = "strict"
    max_cell: int = 2**26
    has_flags: bool = False

    def __post_init__(self) -> None:
        for flag, value in (("--delimiter", self.delimiter), ("--quote", self.quote or None)):
            if value is not None and (len(value) != 1 or not value.isascii() or value in "\r\n\0" + END):
                raise ArmsError(f"{flag}: expected one ASCII character, got {value!r}")
        if self.delimiter == self.quote:
            raise ArmsError(f"--delimiter and --quote: expected two characters, got {self.quote!r} for both")
        try:
            "".encode(self.encoding)
        except (
            LookupError,
            ValueError,
        ) as error:  # UnicodeError is a ValueError, and so is what a null character gives
            raise ArmsError(
                "--encoding: expected the name of a text encoding, such as utf-8, cp1252 or utf-16, got "
                f"{self.encoding!r}"
            ) from error

    @property
    def close_quote(self) -> str:
        """What to do about an open quote."""
        return "close it, or if quotes are text: --quote none" if self.has_flags else "close it"


PLAIN = Dialect()


@contextmanager
def open_delimited(path: Path, aside: SetAside, dialect: Dialect = PLAIN) -> Iterator[Table]:
    """Open a CSV or TSV file; its header is the first line that is not empty, and row 1. Empty lines do not count.

    Raises
    ------
    UnreadableError
        At once or from the rows, if the file is empty, cannot be read or decoded, leaves a quote open, has a cell that
        is too large, or (where a flag could help) a header of one column.
    """
    if dialect.has_flags:
        _check_no_json(path)  # a user named it as CSV
    known = dialect.delimiter or _OF_SUFFIX.get(suffix_of(path))
    candidates = [known] if known else _DELIMITERS
    delimiter = known or max(candidates, key=lambda one: len(_first_row(path, replace(dialect, delimiter=one))))
    with closing(_split(path, replace(dialect, delimiter=delimiter))) as lines:
        names = header(_first(path, lines), path)
        if len(names) < 2 and dialect.has_flags:
            raise UnreadableError(
                f"{path}: expected a header of several columns, split by {' or '.join(map(repr, candidates))}, got "
                f"{shown(names[0])}; say what splits them: --delimiter"
            )

        def read(columns: Sequence[str] | None) -> Iterator[Row]:
            return _rows(path, names, columns or [], delimiter, lines, aside)

        yield Table(path, tuple(filter(None, names)), read, delimiter)


def _check_no_json(path: Path) -> None:
    """Raise an UnreadableError if a file begins like JSON: read as CSV, its rows would fill the screen."""
    try:
        with open_unpacked(path) as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise _unreadable(path, error) from error
    if _JSON.match(head):
        is_line = head.lstrip(_BLANK).startswith(b"{") and b"}\n" in head.replace(b"\r", b"")
        found = "JSON Lines" if is_line else "JSON"
        raise UnreadableError(f"{path}: expected CSV or TSV, got {found}; import it with: arms import records")


def _first_row(path: Path, dialect: Dialect) -> list[str]:
    with closing(_split(path, dialect)) as lines:
        return _first(path, lines)


def _first(path: Path, lines: Iterator[tuple[int, list[str]]]) -> list[str]:
    """The cells of the first line that is not empty."""
    for _, cells in lines:
        return cells
    raise UnreadableError(f"{path}: expected a header and rows, got an empty file")


def _rows(
    path: Path,
    names: Sequence[str],
    columns: Sequence[str],
    delimiter: str,
    lines: Iterator[tuple[int, list[str]]],
    aside: SetAside,
) -> Iterator[Row]:
    """The rows as `Table.rows` gives them; a row that does not fit the header is set aside."""
    width, place = len(names), f"{path}, row "
    wanted = [(name, names.index(name)) for name in columns]
    for number, cells in lines:
        if len(cells) != width:
            aside.add(
                "row with another number of cells than the header",
                f"{place}{number}",
                "write it again; quote cells that hold the delimiter or a line break",
                detail=f"{len(cells)} cells, the header has {width}: {shown(delimiter.join(cells)[:_SHOWN])}",
            )
        elif any(cells):
            yield f"{place}{number}", {name: cells[index] or None for name, index in wanted}


def _split(path: Path, dialect: Dialect) -> Generator[tuple[int, list[str]], None, None]:
    """The rows of a text file that are not empty, numbered from 1.

    A row of its own, `END`, follows the last one: where it ends up inside another row, a quote was left open.
    """
    number, before = 0, csv.field_size_limit()
    encoding = "utf-8-sig" if codecs.lookup(dialect.encoding).name == "utf-8" else dialect.encoding
    try:
        with io.TextIOWrapper(open_unpacked(path), encoding, errors=dialect.errors, newline="") as stream:
            reader = csv.reader(
                itertools.chain(stream, [END]),
                delimiter=dialect.delimiter or ",",
                quotechar=dialect.quote or None,
                quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
            )
            while True:
                csv.field_size_limit(dialect.max_cell)  # of the whole process, so it is set for one row at a time
                try:
                    cells = next(reader)
                finally:
                    csv.field_size_limit(before)
                if not cells:
                    continue
                if cells == [END]:
                    return
                number += 1
                if END in cells[-1]:
                    part = "of the header " if number == 1 else ""
                    raise UnreadableError(
                        f"{path}, row {number}: expected every quote {part}to be closed, got one that is open to the "
                        f"end; {dialect.close_quote}"
                    )
                yield number, cells
    except UnicodeError as error:
        raise _undecodable(path, dialect, reader.line_num + 1, error) from error
    except csv.Error as error:
        raise UnreadableError(
            f"{path}, row {number + 1}: expected cells of at most {dialect.max_cell:,} characters, could not read one "
            f"({error}); if a quote is left open, {dialect.close_quote}"
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UnreadableError:
    return UnreadableError(f"{path}: expected a CSV file, could not read it: {error.strerror}")


def _undecodable(path: Path, dialect: Dialect, line: int, error: UnicodeError) -> UnreadableError:
    """What to say of bytes that are no text; `line` is the one that was being read."""
    found = str(error)
    if isinstance(error, UnicodeDecodeError):
        before = error.object[: error.start].decode(dialect.encoding, "replace")
        line, found = line + before.count("\n"), f"the byte 0x{error.object[error.start]:02x}: {error.reason}"
    with open_unpacked(path) as file:
        hint = _HINTS.get(file.read(2), "name the encoding that it is in, such as cp1252")
    flag = ": --encoding" if dialect.has_flags else "; save it in UTF-8"
    return UnreadableError(f"{path}, line {line}: expected text in {dialect.encoding}, got {found}; {hint}{flag}")
