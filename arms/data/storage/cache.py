"""Files of object stores on this machine's disk, up to a size: those that were not read for longest go first.

A file has a name that changes with its content, so it is never out of date. It appears whole: fetched under another
name, then renamed.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from arms.data.disk import naming_full_disk

FOLDER = "ARMS_CACHE"  # environment variables
SIZE = "ARMS_CACHE_GB"
_STANDARD_GB = 50.0
_UNCOUNTED = 0.05  # share of the size that a process adds before it counts all files again
_REMEDY = f"make room, or let {FOLDER} name a folder on another disk, or {SIZE} a smaller size"

_making = threading.Lock()  # two caches of one folder would each fetch a file

logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """The folder that ARMS_CACHE names, else arms in the user's folder for caches."""
    standard = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(FOLDER) or Path(standard, "arms"))


def file_cache(kind: str) -> "FileCache":
    """The cache of one kind of file, such as pictures, below the folder; the same one for all who ask."""
    with _making:
        return _cache_in(cache_folder() / kind, int(float(os.environ.get(SIZE) or _STANDARD_GB) * 2**30))


class FileCache:
    """Files by name in a folder.

    Parameters
    ----------
    folder : Path
    most_bytes : int
        What the files take, but for the newest one, and for a little that other processes add meanwhile.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder, self.most_bytes = folder, most_bytes
        self._since: int | None = None  # bytes that came since the files were last counted
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def file(self, name: str, fetch: Callable[[Path], None]) -> Path:
        """The file of a name; `fetch` writes it to a path where it is not there yet.

        It may be removed by later calls: who needs it for longer opens it, and calls again if it has gone.

        Raises
        ------
        ArmsError
            If the disk is full, or as `fetch` raises; nothing is left behind.
        """
        path = self.folder / name
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if path.is_file():
                with suppress(OSError):
                    os.utime(path)  # read now
                return path
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{uuid4().hex}")
            try:
                with naming_full_disk(path, draft, remedy=_REMEDY):
                    fetch(draft)
                    draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
        self._make_room(path)
        return path

    def _make_room(self, newest: Path) -> None:
        with self._lock:
            if self._since is not None:
                with suppress(OSError):
                    self._since += newest.stat().st_size
                if self._since < _UNCOUNTED * self.most_bytes:
                    return
            files = sorted(_ages(self.folder), key=lambda of: of[1])
            total = sum(size for _, _, size in files)
            least = total if total <= self.most_bytes else (1 - 2 * _UNCOUNTED) * self.most_bytes
            for path, _, size in files:
                if total > least and path != newest:
                    path.unlink(missing_ok=True)
                    total -= size
            self._since = 0


@lru_cache
def _cache_in(folder: Path, most_bytes: int) -> FileCache:
    return FileCache(folder, most_bytes)


def _ages(folder: Path) -> list[tuple[Path, float, int]]:
    """Every file with the time when it was last read, and its size."""
    found = []
    for path in folder.rglob("*"):
        with suppress(OSError):  # another process removed it
            if path.is_file() and not path.name.startswith("."):
                at = path.stat()
                found.append((path, at.st_mtime, at.st_size))
    return found
