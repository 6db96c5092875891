"""How often workers were lost at the same work, as at a shard for which memory does not suffice.

A killed worker says nothing, so each leaves a mark in the store when it begins, and removes it when it is done: the
marks that stay are those of the lost. Errors of the network between nodes, which look alike from outside, leave none.
"""

import contextlib
import uuid
from pathlib import Path

from arms.errors import ArmsError


class Tries:
    """The marks of one piece of work in a store's folder.

    Parameters
    ----------
    folder : Path
        On a file system that all workers share.
    work : str
        Its name, as "shard-00007" or "their start".
    most : int
        So many workers may be lost at it.
    """

    def __init__(self, folder: Path, work: str, *, most: int) -> None:
        self._folder, self._work, self._most = folder, work, most
        self._name = f".{work.replace(' ', '-')}.try-"

    def begin(self) -> None:
        """Leave a mark; an ArmsError instead if too many workers were lost."""
        if (lost := len(self._marks())) >= self._most:
            raise ArmsError(
                f"{self._folder}: Ray's actors were lost {lost} times at {self._work}; what they wrote is kept. If "
                "memory ran out, lower runtime.extract_batch_size or runtime.shard_mb; then run: dvc repro encode"
            )
        (self._folder / f"{self._name}{uuid.uuid4().hex}").mkdir()

    def succeed(self) -> None:
        """Remove the marks, as the work could be done."""
        for mark in self._marks():
            with contextlib.suppress(FileNotFoundError):  # another worker removes them too
                mark.rmdir()

    def _marks(self) -> list[Path]:
        return list(self._folder.glob(f"{self._name}*"))


def remove_marks(folder: Path) -> None:
    """Remove those of all work."""
    for mark in folder.glob(".*.try-*"):
        mark.rmdir()
