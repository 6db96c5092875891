"""Loading a saved router as a whole: one version while it is replaced, and an error if its description does not fit."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from arms.data.atomic import being_replaced
from arms.errors import ArmsError
from arms.routers.checkpoint import DESCRIPTION

_TRIES = 20
_PAUSE_S = 0.05  # a router is replaced in less

RouterT = TypeVar("RouterT")


def load_whole(folder: Path, load: Callable[[], RouterT]) -> RouterT:
    """Call `load`, which reads a router's folder, until the folder was the same before and after.

    Raises
    ------
    ArmsError
        If `load` raises one, the description is of another shape than `load` expects, or the folder is replaced again
        and again.
    """
    for _ in range(_TRIES):
        before = _version(folder)
        try:
            router = _load(folder, load)
        except ArmsError:
            if _version(folder) == before:
                raise
        else:
            if _version(folder) == before:
                return router
        time.sleep(_PAUSE_S)
    raise ArmsError(f"{folder}: it was replaced again and again while it was loaded; wait until its writer has ended")


def _version(folder: Path) -> tuple[int, bytes] | None:
    """What changes when a router's folder is replaced; waits while the folder is only missing for that."""
    for _ in range(_TRIES):
        try:
            file = folder / DESCRIPTION
            return folder.stat().st_ino, file.read_bytes() if file.is_file() else b""  # of a pipe nothing may come
        except OSError:
            if not being_replaced(folder):
                return None
            time.sleep(_PAUSE_S)
    return None


def _load(folder: Path, load: Callable[[], RouterT]) -> RouterT:
    try:
        return load()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ArmsError(
            f"{folder}: expected a router's description as this version writes it, got one of another shape "
            f"({type(error).__name__}: {error}); train it anew"
        ) from error
    except (RuntimeError, MemoryError) as error:  # sizes that no memory holds, JSON of very many levels
        raise ArmsError(
            f"{folder}: it cannot be built as its description says ({type(error).__name__}: {error})"
        ) from error
