"""Damage to image files."""

import struct
import zlib
from pathlib import Path
from random import Random

from tests.importers.damage.files import write
from tests.importers.damage.values import PNG

_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
_EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n(/etc/passwd) (r) file\nshowpage\n"


def cut_pixels(path: Path, rng: Random) -> None:
    """The header stays whole."""
    content = path.read_bytes()
    write(path, content[: max(45, len(content) - rng.randrange(1, 30))])


def oversize(path: Path, rng: Random) -> None:
    """A PNG whose header says that it is huge."""
    side = rng.choice([10_000, 60_000, 2**31 - 1, 0])
    header = b"IHDR" + struct.pack(">II", side, side) + PNG[24:29]
    write(path, PNG[:12] + header + struct.pack(">I", zlib.crc32(header)) + PNG[33:])


def another_kind(path: Path, rng: Random) -> None:
    """No image, a program, or an image of another format than the name says."""
    write(path, rng.choice([_SVG, _EPS, b"GIF89a", b"<html>not found</html>", b"RIFF\0\0\0\0WEBP", PNG, PNG * 2]))
