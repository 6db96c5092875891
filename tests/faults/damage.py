"""What can befall a file: each damage is done, looked at, and undone."""

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

DAMAGES = ("flip", "truncate", "delete", "swap", "older")


@contextmanager
def damaged(
    file: Path, kind: str, chance: random.Random, *, others: Sequence[Path], older: Path
) -> Iterator[list[Path]]:
    """Damage a file for the time of the block; yield the files that were changed, none if there is no such damage.

    Parameters
    ----------
    file : Path
    kind : str
        One of `DAMAGES`. A flip of one bit keeps the file's size and time, as rot on a disk does.
    others : sequence of Path
        The files that `swap` takes a neighbour from, the file itself among them.
    older : Path
        The same file of an earlier run.
    """
    content, stat = file.read_bytes(), file.stat()
    if kind == "swap":
        neighbour = _neighbour(file, others)
        new = None if neighbour is None else neighbour.read_bytes()
    else:
        neighbour, new = None, _damaged_bytes(content, kind, chance, older)
    if kind != "delete" and new in (None, content):
        yield []
        return
    try:
        if new is None:
            file.unlink()
        else:
            file.write_bytes(new)
        if kind == "flip":
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        if neighbour is not None:
            neighbour.write_bytes(content)
        yield [file] if neighbour is None else [file, neighbour]
    finally:
        file.write_bytes(content)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        if neighbour is not None and new is not None:
            neighbour.write_bytes(new)


def _damaged_bytes(content: bytes, kind: str, chance: random.Random, older: Path) -> bytes | None:
    """The new content, None for no file."""
    if kind == "flip" and content:
        flipped = bytearray(content)
        flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        return bytes(flipped)
    if kind == "truncate" and content:
        return content[: chance.randrange(len(content))]
    if kind == "older":
        return older.read_bytes() if older.is_file() else content
    return None


def _neighbour(file: Path, others: Sequence[Path]) -> Path | None:
    """The next file of the same name, or else of the same ending."""
    for same in (lambda other: other.name == file.name, lambda other: other.suffix == file.suffix):
        alike = [other for other in others if same(other)]
        if len(alike) > 1:
            return alike[(alike.index(file) + 1) % len(alike)]
    return None
