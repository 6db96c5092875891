"""Damage to text files, by lines and words."""

import re
from pathlib import Path
from random import Random

from tests.importers.damage.files import write
from tests.importers.damage.values import HUGE, TEXTS

_WORD = re.compile(rb"[\w.:/=+-]+")


def drop_lines(path: Path, rng: Random) -> None:
    lines = _lines(path)
    for _ in range(rng.choice([1, 1, 3])):
        if lines:
            del lines[rng.randrange(len(lines))]
    write(path, b"\n".join(lines))


def duplicate_line(path: Path, rng: Random) -> None:
    lines = _lines(path)
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    write(path, b"\n".join(lines))


def shuffle_lines(path: Path, rng: Random) -> None:
    lines = _lines(path)
    rng.shuffle(lines)
    write(path, b"\n".join(lines))


def change_word(path: Path, rng: Random) -> None:
    """Without a thought to quotes and escapes."""
    text = rng.choice([value for value in TEXTS if value != HUGE])
    _replace_word(path, rng, text.encode())


def huge_word(path: Path, rng: Random) -> None:
    _replace_word(path, rng, rng.choice([HUGE, HUGE, '"' * 2**20, "\\" * 2**20, "a," * 2**19, "9" * 2**20]).encode())


def change_encoding(path: Path, rng: Random) -> None:
    text = path.read_bytes().decode("utf-8", "replace")
    write(path, text.encode(rng.choice(["utf-16", "utf-16-le", "latin-1", "utf-8-sig", "cp500"]), "replace"))


def change_line_ends(path: Path, rng: Random) -> None:
    write(path, path.read_bytes().replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b" \n", b"\x0b"])))


def _replace_word(path: Path, rng: Random, new: bytes) -> None:
    content = path.read_bytes()
    word = _WORD.search(content, rng.randrange(len(content) + 1)) or _WORD.search(content)
    if word:
        write(path, content[: word.start()] + new + content[word.end() :])


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")
