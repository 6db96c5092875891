"""JSON documents, and rows of JSON Lines and of tables in JSON."""

import gc
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from arms.errors import ArmsError
from arms.importers.rows.json_tables import as_records
from arms.importers.rows.packed import open_unpacked
from arms.importers.rows.paths import follow
from arms.importers.rows.table import Row, Table, UnreadableError
from arms.importers.set_aside import SetAside

_LONGEST = 2**32  # bytes of a document, unpacked
_LINE = 2**16  # bytes of a line that tell whether a document begins
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
        with open_unpacked(path) as stream, _collector_paused():
            whole = stream.read(_LONGEST + 1)
            if len(whole) > _LONGEST:
                raise ArmsError(f"{path}: expected at most {_LONGEST:,} bytes of JSON, got more; split it into several")
            content = parse_json(whole.decode("utf-8-sig"))
    except OSError as error:
        raise ArmsError(f"{path}: expected JSON in UTF-8, could not read it: {error.strerror}") from error
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and error.lineno > 1 and error.colno == 1:
            found = "JSON Lines, a record on each line; end its name in .jsonl"
            raise ArmsError(f"{path}: expected one JSON document, got {found}") from error
        raise ArmsError(f"{path}: expected JSON in UTF-8, could not read it: {error}") from error
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
        At once or from the rows, if the file cannot be read, or is one JSON document.
    """
    try:
        with open_unpacked(path) as stream:
            first, second = _first_lines(stream)
    except OSError as error:
        raise _unreadable_lines(path, error) from error
    if _opens_document(first, second):
        found = "one list of records" if first.startswith("[") else "one JSON document over many lines"
        raise UnreadableError(
            f"{path}: expected JSON Lines, a record on each line, got {found}; end its name in .json, and import it "
            "with: arms import records"
        )
    yield Table(path, None, lambda columns: _read_lines(path, aside))


@contextmanager
def open_document(path: Path, aside: SetAside, rows: str | None = None) -> Iterator[Table]:
    """Open a table in JSON in any of the forms of `json_tables`.

    Parameters
    ----------
    path : Path
    aside : SetAside
    rows : str, optional
        The path at which it is in the document; by default it is the document.

    Raises
    ------
    UnreadableError
        If the file cannot be read, or is not such a table.
    """
    try:
        records = as_records(_table_at(rows, read_json(path, (list, dict)), path), path)
    except ArmsError as error:
        raise UnreadableError(str(error)) from error
    columns = tuple(dict.fromkeys(key for record in records if isinstance(record, dict) for key in record))
    if not columns:
        raise UnreadableError(f"{path}: expected a table in JSON (records, or lists by column), got no record")
    yield Table(path, columns, lambda wanted: _read_records(path, records, wanted or [], aside))


def _table_at(rows: str | None, content: Any, path: Path) -> Any:
    """What a path leads to in a document; an ArmsError if that is no table."""
    if rows is None:
        return content
    found = follow(content, rows)
    if not isinstance(found, list | dict):
        keys = ", ".join(content) if isinstance(content, dict) else f"a list of {len(content):,}"
        got = "nothing" if found is None else f"a {_JSON_NAMES[type(found)]}"
        raise ArmsError(f"{path}: expected a table in JSON at {rows!r}, as --rows says, got {got} there; got {keys}")
    return found


def _first_lines(stream: BinaryIO) -> tuple[str, str]:
    """The beginnings of the first two lines that are not blank; empty where there is none."""
    found: list[str] = []
    while len(found) < 2 and (line := stream.readline(_LINE)):
        if text := line.decode("utf-8-sig", "replace").strip():
            found.append(text)
    return (*found, "", "")[:2]  # type: ignore[return-value]


def _opens_document(first: str, second: str) -> bool:
    """Whether lines are the beginning of one document: the first is only a part of a value, and no record follows."""
    if first == "[" or "".join(first[:_LINE].split()).startswith("[{"):
        return True
    if not first.startswith("{") or not second or second.startswith("{") or len(first) >= _LINE // 4:
        return False
    try:
        parse_json(first)
    except ValueError:
        return True
    return False


def _read_lines(path: Path, aside: SetAside) -> Iterator[Row]:
    try:
        with open_unpacked(path) as stream:
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
