"""Values that a log should not hold, and may."""

import base64
import io
import math
from random import Random
from typing import Any

from PIL import Image

HUGE = "x" * 2**20
DEEP = "deep, to be replaced by brackets"  # what stands for a nesting that no writer of JSON can write


def _png(size: tuple[int, int] = (4, 4)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (1, 2, 3)).save(stream, "PNG")
    return stream.getvalue()


PNG = _png()
_BASE64 = base64.b64encode(PNG).decode()

TEXTS = (
    *("", " ", "x", "1", "0", "0.5", "-0.0", "1e400", "nan", "True", "correct", "maybe", "2026-01-01", "9" * 5000),
    *("=1+1", '=HYPERLINK("http://example.org")', "@SUM(1)", "two\nlines", "a\0b", "\ufeff", "\u202e", "é" * 300),
    *("../../etc/passwd", "../the-log", "/etc/passwd", "/dev/zero", "..", ".", "a/" * 3000, "n" * 300),
    *("C:\\Windows\\a.png", "\\\\server\\share\\a.png", "file:///etc/passwd", "file://%2e%2e/%2e%2e/a.png"),
    *("https://example.org/a.png", "images/%00.png", "data:image/png;base64,%%%", "data:" + "a" * 100_000, "data:,"),
    *("data:image/png;base64," + _BASE64, "data:image/png;base64," + _BASE64[:-7], _BASE64, _BASE64[:30]),
    *("sha256:" + "0" * 64, "broken:0", "[1, 2", '{"a": 1}', HUGE),
)
NUMBERS = (0, 1, -1, 2, 5, 0.5, -0.0, 1e308, math.inf, -math.inf, math.nan, 2**53 + 1, 2**70, 10**400)
HALVES = ("\ud800", "half \udfff", "\udc80.png")  # of surrogate pairs


def scalar(rng: Random) -> Any:
    """Text, a number, or none of these."""
    return rng.choice([rng.choice(TEXTS), rng.choice(NUMBERS), rng.choice((None, True, False))])


def json_value(rng: Random) -> Any:
    """Whatever JSON can hold."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice(HALVES)
    if kind == 1:
        return rng.choice([[], {}, [[]], [None], {"": None}, {"name": {"name": 3}}, DEEP])
    if kind == 2:
        return rng.choice([[scalar(rng)], {"score": scalar(rng)}, {"text": scalar(rng)}, [[scalar(rng)], scalar(rng)]])
    return scalar(rng)
