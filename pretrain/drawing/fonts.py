"""Fonts that need no download: those that matplotlib brings along, and Pillow's own."""

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import matplotlib
from PIL import Image, ImageDraw, ImageFont

FontStyle = Literal["sans", "serif", "mono", "bold", "italic"]

# By style, the files without their ending; "" is the font inside Pillow. A star marks those that know only ASCII.
_FILES: dict[FontStyle, tuple[str, ...]] = {
    "sans": ("DejaVuSans", "cmss10*", ""),
    "serif": ("DejaVuSerif", "STIXGeneral", "cmr10*"),
    "mono": ("DejaVuSansMono", "cmtt10*"),
    "bold": ("DejaVuSans-Bold", "DejaVuSerif-Bold", "DejaVuSansMono-Bold", "STIXGeneralBol", "cmb10*"),
    "italic": (
        "DejaVuSans-Oblique",
        "DejaVuSerif-Italic",
        "DejaVuSansMono-Oblique",
        "STIXGeneralItalic",
        "STIXGeneralBolIta",
        "DejaVuSerif-BoldItalic",
        "DejaVuSans-BoldOblique",
    ),
}
STYLES: tuple[FontStyle, ...] = tuple(_FILES)
# Masks are drawn at one of these sizes, in px, and scaled down to what is asked for.
_SIZES = (8, 9, 10, 11, 12, 13, 14, 16, 18, 20, 22, 25, 28, 32, 36, 42, 50, 60, 72, 90, 115, 150)
_TRIAL = 50  # px; the size at which text is measured


@dataclass(frozen=True, slots=True)
class Font:
    """A typeface, whatever its size."""

    file: str
    style: FontStyle

    @property
    def ascii_only(self) -> bool:
        """Whether letters with accents are missing."""
        return self.file.endswith("*")


FONTS = tuple(Font(file, style) for style, files in _FILES.items() for file in files)
PLAIN_FONTS = tuple(font for font in FONTS if font.style in ("sans", "bold") and not font.ascii_only)


@lru_cache(maxsize=256)
def _face(file: str, size: int) -> ImageFont.FreeTypeFont:
    """A typeface at a size in px; the basic layout, since no text here needs shaping."""
    if not file:
        embedded = ImageFont.load_default(size)
        assert isinstance(embedded, ImageFont.FreeTypeFont)
        return embedded
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", file.removesuffix("*") + ".ttf")
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _metrics(font: Font) -> tuple[int, int]:
    """Height of a capital above the baseline and depth of a g below it, in px at the trial size."""
    face = _face(font.file, _TRIAL)
    return -round(face.getbbox("H", anchor="ls")[1]), round(face.getbbox("gjpq", anchor="ls")[3])


@lru_cache(maxsize=4096)
def text_width(text: str, font: Font) -> float:
    """How far the text runs, in heights of its line (see `text_mask`)."""
    return _face(font.file, _TRIAL).getlength(text) / line_height(font)


def line_height(font: Font) -> int:
    """Height of a line of text in px at the trial size: a capital, with room for a descender above and below."""
    capital, depth = _metrics(font)
    return capital + 2 * depth


@lru_cache(maxsize=1024)
def text_mask(text: str, font: Font, height_px: float) -> Image.Image:
    """The ink of a line of text, mode L, at least as tall as asked for.

    The mask is as wide as the text runs. Capitals stand in the middle of its height, with room for a descender below
    and as much above, so that text put on a centre sits well on it.
    """
    wanted = height_px * _TRIAL / line_height(font)
    size = next((step for step in _SIZES if step >= wanted), _SIZES[-1])
    face = _face(font.file, size)
    capital, depth = (round(part * size / _TRIAL) for part in _metrics(font))
    mask = Image.new("L", (max(1, round(face.getlength(text))), max(1, capital + 2 * depth)), 0)
    ImageDraw.Draw(mask).text((0, capital + depth), text, fill=255, font=face, anchor="ls")
    return mask
