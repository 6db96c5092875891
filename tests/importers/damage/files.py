"""Damage to the files of a log, whatever they hold: what truncation, bad disks, links and other people's tools do."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

Damage = Callable[[Path, Random], None]  # damages a file in place

LOG = "the-log"  # the folder around a log; what stands beside it is outside

_BYTES = (
    b"\xff",
    b"\x00",
    b"\xe9",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b'"',
    b"\n",
    b"\r",
    b",",
    b"\\",
    b"]",
)
_NAMES = "copy{end}|{stem} (1){end}|.{stem}{end}|{stem}{end}.bak|caf\udce9{end}|{stem}_copy{end}|A B{end}".split("|")


def truncate(path: Path, rng: Random) -> None:
    content = path.read_bytes()
    write(path, content[: rng.randrange(len(content) + 1)])


def empty(path: Path, rng: Random) -> None:
    write(path, rng.choice([b"", b"", b"\n", b" ", b"\0" * 100]))


def flip_bytes(path: Path, rng: Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 3, 20])):
        if content:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    write(path, bytes(content))


def insert_bytes(path: Path, rng: Random) -> None:
    content = path.read_bytes()
    place = rng.randrange(len(content) + 1)
    write(path, content[:place] + rng.choice(_BYTES) * rng.choice([1, 1, 2, 5000]) + content[place:])


def delete(path: Path, rng: Random) -> None:
    path.unlink()


def delete_folder(path: Path, rng: Random) -> None:
    shutil.rmtree(path.parent)


def replace_by_folder(path: Path, rng: Random) -> None:
    path.unlink()
    path.mkdir()
    if rng.random() < 0.3:
        (path / path.name).write_text("{}")


def replace_by_pipe(path: Path, rng: Random) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_dangling_link(path: Path, rng: Random) -> None:
    path.unlink()
    path.symlink_to(rng.choice(["nowhere", path.name, "/dev/null/nowhere"]))


def replace_by_outer_link(path: Path, rng: Random) -> None:
    """The content stays the same, but stands outside of the log."""
    target = _outside(path) / f"{rng.random()}{path.suffix}"
    shutil.move(path, target)
    path.symlink_to(target)


def replace_folder_by_outer_link(path: Path, rng: Random) -> None:
    """A folder of the log, not one that may be a source, as what a source leads to is in the log."""
    folder = path.parent
    if LOG not in (folder.name, folder.parent.name):
        outside = _outside(path)
        target = outside / str(len([*outside.iterdir()]))  # another one, though the same step be taken twice
        shutil.move(folder, target)
        folder.symlink_to(target)


def copy(path: Path, rng: Random) -> None:
    with suppress(OSError):  # a file system that takes UTF-8 alone
        shutil.copyfile(path, path.with_name(_other_name(path, rng)))


def rename(path: Path, rng: Random) -> None:
    path.rename(path.with_name(_other_name(path, rng).encode("utf-8", "replace").decode()))


def rename_folder(path: Path, rng: Random) -> None:
    folder = path.parent
    name = rng.choice([f"{folder.name}2", folder.name.upper(), "x", "a b", f".{folder.name}"])
    if folder.name != LOG and not folder.with_name(name).exists():
        folder.rename(folder.with_name(name))


def move_elsewhere(path: Path, rng: Random) -> None:
    """Into a folder beside its own, where there is one that has no folder of its name."""
    folders = sorted(one for one in path.parent.parent.iterdir() if one.is_dir() and not (one / path.name).is_dir())
    shutil.move(path, rng.choice(folders) / path.name) if folders else path.unlink()


def _outside(path: Path) -> Path:
    """A folder beside the log."""
    folder = next(parent for parent in path.parents if parent.name == LOG).with_name("outside")
    folder.mkdir(exist_ok=True)
    return folder


def _other_name(path: Path, rng: Random) -> str:
    return rng.choice(_NAMES).format(stem=path.stem, end=path.suffix)


def write(path: Path, content: bytes) -> None:
    """Anew, as the file may be a hard link to the undamaged one."""
    path.unlink()
    path.write_bytes(content)
