"""Outputs that appear under their final name whole, or not at all.

Work happens in a hidden workspace beside the final name (so that the last step is a rename on one file system). The
workspace is locked while its process lives; a kill releases the lock, so the next writer of the same name recognises
what was left behind and removes it, without ever touching the workspace of a writer still at work.
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from arms.errors import ArmsError

_NEW = "new"  # in a folder's workspace: the folder being written
_OLD = "old"  # the folder that it replaces, for the instant between two renames


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Write a folder whole: yield an empty temporary folder, which becomes `path` when the block ends.

    An existing folder is replaced. If the block raises, the temporary folder is removed and `path` stays as it was.
    Parent folders are made where missing.

    Parameters
    ----------
    path : str or Path
        Final name of the folder.

    Yields
    ------
    Path
        The folder to write into, on the same file system as `path`.

    Raises
    ------
    ArmsError
        If `path` exists and is not a folder.
    """
    path = _absolute(path)
    if os.path.lexists(path) and not path.is_dir():
        raise ArmsError(f"{path}: expected a folder or nothing there, got a file; move it away or name another folder")
    with _workspace(path) as workspace:
        fresh = workspace / _NEW
        fresh.mkdir()
        yield fresh
        _swap(fresh, path, workspace / _OLD)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Write a file whole: yield a temporary path, of the same file name, which becomes `path` when the block ends.

    An existing file is replaced; if it is a link, the link is replaced and its target stays as it was. If the block
    raises, `path` stays as it was. Made for single files: many small files belong in one `atomic_folder`.

    Parameters
    ----------
    path : str or Path
        Final name of the file.

    Yields
    ------
    Path
        The path to write to, on the same file system as `path`.

    Raises
    ------
    ArmsError
        If `path` is a folder, or if the block wrote no file.
    """
    path = _absolute(path)
    if path.is_dir():
        raise ArmsError(f"{path}: expected a file or nothing there, got a folder; move it away or name another file")
    with _workspace(path) as workspace:
        fresh = workspace / path.name
        yield fresh
        if not fresh.is_file():
            raise ArmsError(f"{path}: expected a file to be written to {fresh}, found none; write to the path yielded")
        os.replace(fresh, path)


def _absolute(path: str | Path) -> Path:
    """An absolute path with a last name of its own; links stay as they are (a link is replaced, not its target)."""
    return Path(os.path.abspath(path))


def _swap(fresh: Path, path: Path, old: Path) -> None:
    """Give `fresh` the name `path`; what had that name moves to `old`, and back if the second rename fails."""
    if os.path.lexists(path):
        path.rename(old)
    try:
        fresh.rename(path)
    except BaseException:
        if os.path.lexists(old):
            old.rename(path)
        raise


@contextmanager
def _workspace(path: Path) -> Iterator[Path]:
    """A locked temporary folder beside `path`, removed at the end whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_stale(path)
    folder, lock = _create_locked(path)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _create_locked(path: Path) -> tuple[Path, int]:
    """Make a workspace for `path` and lock it; returns it with the descriptor that holds the lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.tmp-", dir=path.parent))
        # Another writer may take the new folder for a stale one in the instant before the lock: then make another.
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks: stale folders then stay, live ones stay safe too
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.is_dir():
                return folder, lock
            os.close(lock)


def _clear_stale(path: Path) -> None:
    """Remove the workspaces for `path` that killed processes left; put back an old folder caught between renames."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.tmp-[a-z0-9_]{{8}}")
    for folder in [Path(entry.path) for entry in os.scandir(path.parent) if pattern.fullmatch(entry.name)]:
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # its writer has just ended
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # its writer is at work
            continue
        else:
            if os.path.lexists(folder / _OLD) and not os.path.lexists(path):
                (folder / _OLD).rename(path)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
