"""Reading the files of a log: what is broken raises one clear error, or one line at a time is set aside."""

import errno
import gc
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from arms.errors import ArmsError
from arms.importers.set_aside import SetAside

_SPARE = 100  # calls that whoever uses what was read may be away from here

# A surrogate pair in JSON's escapes (kept), or half of one, which is no character; an escaped backslash opens neither.
_SURROGATES = re.compile(
    r"(?<!\\)(?P<before>(?:\\\\)*)"
    r"(?:(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def open_file(path: Path) -> BinaryIO:
    """Open a file to read its bytes; an OSError if it is a folder, or a pipe or device, which might never end."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
        raise OSError(errno.EINVAL, f"expected a file, got {kind}", str(path))
    return path.open("rb")


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


def read_json_lines(path: Path, aside: SetAside) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON Lines file, each with its place; a line that holds none is set aside.

    Raises
    ------
    ArmsError
        If the file cannot be read.
    """
    try:
        with open_file(path) as stream:
            for number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                where = f"{path}, line {number}"
                try:
                    content = parse_json(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                except ValueError as error:
                    aside.add("line that is no JSON", where, "write the line again, whole", detail=str(error))
                    continue
                if isinstance(content, dict):
                    yield where, content
                else:
                    name = _JSON_NAMES.get(type(content), "something else")
                    aside.add("line that is no JSON object", where, "write the line again, whole", detail=name)
    except OSError as error:
        raise ArmsError(f"{path}: expected JSON Lines, could not read the file: {error.strerror}") from error


def parse_json(text: str) -> Any:
    """The value of a JSON text, halves of surrogate pairs made U+FFFD; a ValueError if there is none, or too deep."""
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
