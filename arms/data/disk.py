"""Reading and writing bytes: what is missing, forbidden or too large for the disk is an error that says so."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from arms.errors import ArmsError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM)


def read_bytes(path: Path, expected: str, remedy: str) -> bytes:
    """The bytes of a regular file.

    Parameters
    ----------
    path : Path
    expected : str
        What the file should be, such as "a score table".
    remedy : str
        What to do if it is missing or unreadable, such as "run: dvc repro prepare".

    Raises
    ------
    ArmsError
        If there is no such file, this user may not read it, or the disk fails.
    """
    try:
        if not path.is_file():  # a pipe would be waited for
            came = "something else" if os.path.lexists(path) else "no such file"
            raise ArmsError(f"{path}: expected {expected}, got {came}; {remedy}")
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, expected, error, remedy) from error


def read_json(path: Path, expected: str, remedy: str) -> Any:
    """The content of a JSON file; raises as `read_bytes`, and if it is not JSON."""
    try:
        return json.loads(read_bytes(path, expected, remedy))
    except ValueError as error:
        raise ArmsError(f"{path}: expected {expected}, got something that is not JSON ({error}); {remedy}") from error


def unreadable(path: Path, expected: str, error: OSError, remedy: str) -> ArmsError:
    """The error for a file that is there and cannot be read: forbidden is not damaged."""
    if error.errno in _FORBIDDEN:
        return ArmsError(
            f"{path}: expected {expected}, got a file that this user may not read (permission denied); change its "
            "owner or mode"
        )
    return ArmsError(f"{path}: expected {expected}, could not read it: {error.strerror or error}; {remedy}")


@contextmanager
def naming_full_disk(
    place: Path, draft: Path | None = None, *, remedy: str = "make room, then run the same again"
) -> Iterator[None]:
    """Remove a draft that could not be written; raise an ArmsError that names the place if the disk is full."""
    try:
        yield
    except OSError as error:
        if draft is not None:
            _remove(draft)
        if error.errno not in _FULL:
            raise
        raise ArmsError(
            f"{place}: the disk is full ({_free_mb(place):,.0f} MiB free): {error.strerror}; {remedy}"
        ) from error


def _remove(draft: Path) -> None:
    if draft.is_dir():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        draft.unlink(missing_ok=True)


def _free_mb(place: Path) -> float:
    there = next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.exists())
    return shutil.disk_usage(there).free / 2**20


def flush(path: Path) -> None:
    """Wait until a file's or folder's content is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
