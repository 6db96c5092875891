"""Outputs that appear under their final name whole, or not at all.

The writer of `out` works in `.out.tmp` beside it, so the last step is a rename on one file system. It holds a lock,
`.out.lock`, that ends with its process; so the next writer can clear what a killed one left.
"""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from arms.errors import ArmsError

_PATIENCE_S = 10.0  # how long a second writer of the same name waits for the first
_SYNC_THREADS = 16  # the file system joins what they ask for: ten times as fast as file by file


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Write a folder whole: yield an empty folder, which becomes `path` when the block ends.

    An existing folder is replaced; if it is a link, the link is replaced and its target stays. If the block raises,
    `path` stays as it was. Missing parent folders are made.

    Raises
    ------
    ArmsError
        If `path` is not a folder, or another process is writing it.
    """
    path = Path(os.path.abspath(path))  # unlike resolve() this leaves a link a link
    if os.path.lexists(path) and not path.is_dir():
        raise ArmsError(f"{path}: expected a folder or nothing there, got a file; move it away or name another folder")
    with _draft_of(path) as draft:
        draft.mkdir()
        yield draft


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Write a file whole: yield a path of the same file name, and what the block writes there becomes `path`.

    The rest is as for `atomic_folder`. Many small files belong in one `atomic_folder`.

    Raises
    ------
    ArmsError
        If `path` is a folder, another process is writing it, or the block wrote no file.
    """
    path = Path(os.path.abspath(path))
    if path.is_dir():
        raise ArmsError(f"{path}: expected a file or nothing there, got a folder; move it away or name another file")
    with _draft_of(path) as draft:
        yield draft
        if not draft.is_file():
            raise ArmsError(f"{path}: expected a file to be written to {draft}, found none; write to the path yielded")


@contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    """Yield a free name in a locked workspace; what has that name when the block ends becomes `path`."""
    work, lock = (path.with_name(f".{path.name}.{suffix}") for suffix in ("tmp", "lock"))
    draft, old = work / path.name, work / f"{path.name}.old"
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = FileLock(lock)
    try:
        holder.acquire(timeout=_PATIENCE_S)
    except Timeout as error:
        raise ArmsError(f"{path}: another process is writing it; wait until that one ends, then try again") from error
    try:
        _clear(work, old, path)
        work.mkdir()
        yield draft
        _sync(draft)
        if draft.is_dir() and os.path.lexists(path):
            path.rename(old)  # a rename replaces a file, but not a folder that holds something
        draft.replace(path)
    finally:
        _clear(work, old, path)
        lock.unlink(missing_ok=True)
        holder.release()


def _clear(work: Path, old: Path, path: Path) -> None:
    """Remove a workspace; first put back the old folder if its writer ended between the two renames."""
    if os.path.lexists(old) and not os.path.lexists(path):
        old.rename(path)
    shutil.rmtree(work, ignore_errors=True)


def _sync(draft: Path) -> None:
    """Write a draft to the disk before its rename: a crash of the machine could else leave empty files there."""
    with ThreadPoolExecutor(_SYNC_THREADS) as pool:
        list(pool.map(_sync_one, [draft, *draft.rglob("*")]))


def _sync_one(path: Path) -> None:
    if not path.is_symlink():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
