"""Outputs that appear under their final name whole, or not at all.

The writer of `out` works in `.out.tmp` beside it, so the last step is a rename on one file system. It holds a lock,
`.out.lock`, that ends with its process; so the next writer can clear what a killed one left. Before the rename every
byte is on the disk, and after it the name is.
"""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from arms.data.disk import flush, naming_full_disk
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
def reserved(path: str | Path) -> Iterator[None]:
    """Keep other processes from reserving `path` while a long command prepares what it will write there.

    The lock is on `.out.reserved` beside it and ends with the process, however that ends.

    Raises
    ------
    ArmsError
        If another process has reserved it; it is refused at once, before it has worked for nothing.
    """
    path = Path(os.path.abspath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path, "reserved", 0.0, "is at work on it"):
        yield


def being_replaced(path: Path) -> bool:
    """Whether `path` is missing only because its writer is between the two renames that replace a folder."""
    return not os.path.lexists(path) and os.path.lexists(_workspace(path) / f"{path.name}.old")


@contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    """Yield a free name in a locked workspace; what has that name when the block ends becomes `path`."""
    work = _workspace(path)
    draft, old = work / path.name, work / f"{path.name}.old"
    with naming_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path, "lock", _PATIENCE_S, "is writing it"):
            try:
                _clear(work, old, path)
                work.mkdir()
                yield draft
                _settle(draft)
                if draft.is_dir() and os.path.lexists(path):
                    path.rename(old)  # a rename replaces a file, but not a folder that holds something
                draft.replace(path)
                flush(path.parent)
            finally:
                _clear(work, old, path)


def _workspace(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


@contextmanager
def _locked(path: Path, suffix: str, patience_s: float, doing: str) -> Iterator[None]:
    """Hold the lock `.name.suffix` beside a path; the file is removed when nobody can be waiting for its name."""
    lock = path.with_name(f".{path.name}.{suffix}")
    holder = FileLock(lock)
    try:
        holder.acquire(timeout=patience_s)
    except Timeout as error:
        raise ArmsError(f"{path}: another process {doing}; wait until that one ends, then try again") from error
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        holder.release()


def _clear(work: Path, old: Path, path: Path) -> None:
    """Remove a workspace; first put back the old folder if its writer ended between the two renames."""
    if os.path.lexists(old) and not os.path.lexists(path):
        old.rename(path)
    shutil.rmtree(work, ignore_errors=True)


def _settle(draft: Path) -> None:
    """Give a draft's files the modes of this process, and write all to the disk before the rename.

    Some libraries make files that only their owner may read. And a crash of the machine could else leave empty files
    under the final name.
    """
    mode = draft.parent.stat().st_mode & 0o666  # the workspace was made under the process's umask
    with ThreadPoolExecutor(_SYNC_THREADS) as pool:
        list(pool.map(lambda path: _settle_one(path, mode), [draft, *draft.rglob("*")]))


def _settle_one(path: Path, mode: int) -> None:
    if not path.is_symlink():
        if path.is_file():
            path.chmod(mode)
        flush(path)
