"""JSON documents, and rows of JSON Lines and of tables in JSON."""

import gc
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from arms.errors import ArmsError
from arms.importers.rows.table import Row, Table, UnreadableError, header, open_file
from arms.importers.set_aside import SetAside

_SPARE = 100  # calls that whoever uses what was read may be away from here

# A surrogate pair in JSON's escapes (kept), or half of one, not a character; an escaped backslash opens neither.
_SURROGATES = re.compile(
    r"(?<!\\)(?P<before>(?:\\\\)*)"
    r"(?:(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def read_json(path: Path, kind: type | tuple[type, ...] = object) -> Any:
    """Read a JSON file; an ArmsError if it cannot be read or holds something else than `kind`.

    Halves of surrogate pairs in its texts become U+FFFD, so that every text can be written.
    """
    try:
        with open_file(path) as stream, _collector_paused():
            content = parse_json(stream.read().decode("utf-8-sig"))
    except OSError as error:
        raise ArmsError(f"{path}: expected JSON in UTF-8, could not read it: {error.strerror}") from error
    except ValueError as error:  # UnicodeDecodeError is one
        raise ArmsError(f"{path}: expected JSON in UTF-8, could not read it: {error}") from error
    if not isinstance(content, kind):
        names = " or ".join(_JSON_NAMES[one] for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise ArmsError(f"{path}: expected a JSON {names}, got {_JSON_NAMES.get(type(content), 'something else')}")
    return content


@contextmanager
def open_lines(path: Path, aside: SetAside) -> Iterator[Table]:
    """Open a JSON Lines file; a line that holds no object is set aside.

    Raises
    ------
    UnreadableError
        At once or from the rows, if the file cannot be read, or is one list of records.
    """
    try:
        with open_file(path) as stream:
            start = "".join(stream.read(64).decode("utf-8-sig", "replace").split())
    except OSError as error:
        raise _unreadable_lines(path, error) from error
    if start == "[" or start.startswith("[{"):
        raise UnreadableError(f"{path}: expected JSON Lines, a record on each line, got one list of records")
    yield Table(path, None, lambda columns: _read_lines(path, aside))


@contextmanager
def open_document(path: Path, aside: SetAside) -> Iterator[Table]:
    """Open a table in JSON as pandas and others write it: records, lists by column, or {"columns": [], "data": [[]]}.

    Raises
    ------
    UnreadableError
        If the file cannot be read, or is not such a table.
    """
    try:
        records = _as_records(read_json(path, (list, dict)), path)
    except ArmsError as error:
        raise UnreadableError(str(error)) from error
    columns = tuple(dict.fromkeys(key for record in records if isinstance(record, dict) for key in record))
    if not columns:
        raise UnreadableError(f"{path}: expected a table in JSON (records, or lists by column), got no record")
    yield Table(path, columns, lambda wanted: _read_records(path, records, wanted or [], aside))


def _read_lines(path: Path, aside: SetAside) -> Iterator[Row]:
    try:
        with open_file(path) as stream:
            for number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                where = f"{path}, line {number}"
                try:
                    content = parse_json(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                except ValueError as error:
                    aside.add("line that is not JSON", where, "write the line again, whole", detail=str(error))
                    continue
                if isinstance(content, dict):
                    yield where, content
                else:
                    name = _JSON_NAMES.get(type(content), "something else")
                    aside.add("line that is not a JSON object", where, "write the line again, whole", detail=name)
    except OSError as error:
        raise _unreadable_lines(path, error) from error


def _unreadable_lines(path: Path, error: OSError) -> UnreadableError:
    return UnreadableError(f"{path}: expected JSON Lines, could not read the file: {error.strerror}")


def _as_records(content: Any, path: Path) -> list[Any]:
    """A table in any of the three forms as records."""
    if isinstance(content, list):
        return content
    names, data = content.get("columns"), content.get("data")
    if isinstance(names, list) and isinstance(data, list):
        columns = header(names, path)
        twice = next((name for name in columns if columns.count(name) > 1), None)
        if twice is not None:
            raise ArmsError(f"{path}: expected columns of different names, got several {twice!r}")
        fits = [isinstance(row, list) and len(row) == len(columns) for row in data]
        return [dict(zip(columns, row, strict=True)) if fit else row for row, fit in zip(data, fits, strict=True)]
    if content and all(isinstance(cells, list) for cells in content.values()):
        lengths = {len(cells) for cells in content.values()}
        if len(lengths) == 1:
            return [dict(zip(content, cells, strict=True)) for cells in zip(*content.values(), strict=True)]
        raise ArmsError(f"{path}: expected columns of one length, got lengths from {min(lengths)} to {max(lengths)}")
    raise ArmsError(f"{path}: expected a table in JSON (records, or lists by column), got another object")


def _read_records(path: Path, records: Sequence[Any], columns: Sequence[str], aside: SetAside) -> Iterator[Row]:
    for number, record in enumerate(records, start=1):
        where = f"{path}, record {number}"
        if isinstance(record, dict):
            cells = ((name, record.get(name)) for name in columns)
            yield where, {name: None if cell == "" or cell != cell else cell for name, cell in cells}
        else:
            aside.add("record that is not an object", where, "write the record again", detail=type(record).__name__)


def parse_json(text: str) -> Any:
    """The value of a JSON text, halves of surrogate pairs as U+FFFD; a ValueError if it is no JSON or too deep."""
    if "\\ud" in text or "\\uD" in text:
        text = _SURROGATES.sub(lambda found: found["before"] + (found["pair"] or "\\ufffd"), text)
    may_be_deep = text.count("[") + text.count("{") > _SPARE  # few lines of a log have so many
    try:
        return _load_below(_SPARE, text) if may_be_deep else json.loads(text)
    except RecursionError as error:
        raise ValueError("lists and objects are nested too deep") from error


@contextmanager
def _collector_paused() -> Iterator[None]:
    """JSON holds no cycles, and to look for them takes as long as to read it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load_below(frames: int, text: str) -> Any:
    """Load JSON from further down the stack, so that what is just not too deep can be written from further up."""
    return _load_below(frames - 1, text) if frames else json.loads(text)


_JSON_NAMES: dict[Any, str] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
