"""The ground a picture is drawn on and what every benchmark draws with: colours, clutter, font and tilt."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from arms.sample.conditions import Conditions

Rgb = tuple[int, int, int]

COLOURS: dict[str, Rgb] = {
    "red": (214, 30, 40),
    "green": (20, 150, 60),
    "blue": (30, 80, 230),
    "orange": (245, 140, 10),
    "purple": (150, 50, 190),
}

_GROUND = {  # tone by (dark, faint): faint pictures lie in a haze
    (False, False): 248,
    (False, True): 206,
    (True, False): 12,
    (True, True): 62,
}
_FAINT_MIX = 0.5  # share of its own colour that a faint mark keeps; the rest is ground
_DARK_LIFT = 0.22  # share of white mixed into colours on a dark ground
_TINT = 6  # largest shift of a channel of the ground
_MOTTLE_CELLS = 18  # patches across the longer side
_MOTTLE_SHIFTS = {False: (0, 64), True: (-24, 24)}  # of a patch's tone, towards the other theme's, by faint
_MOTTLE_LEVELS = 5  # a few, not all: flat patches stay small as PNG
_STRAY_LINES = 9


class Canvas:
    """A picture in the making: a ground under given conditions, with the colours that suit it.

    Attributes
    ----------
    width, height : int, px
    image : PIL.Image.Image, RGB
    ink : Rgb
        The colour of letters, axes and outlines on this ground.
    """

    def __init__(self, conditions: Conditions, rng: np.random.Generator) -> None:
        self.conditions = conditions
        self.width, self.height = conditions.size
        tone = _GROUND[conditions.dark, conditions.faint]
        red, green, blue = (int(np.clip(tone + shift, 0, 255)) for shift in rng.integers(-_TINT, _TINT + 1, size=3))
        self.ground: Rgb = (red, green, blue)
        self.ink = self.tone((245, 245, 240) if conditions.dark else (20, 20, 25))
        self.image = Image.new("RGB", conditions.size, self.ground)
        if conditions.cluttered:
            self.image = _mottle(conditions, self.ground, rng)
            _draw_stray_lines(self.image, self.tone((128, 128, 128)), rng)

    def tone(self, colour: Rgb) -> Rgb:
        """The colour as it looks under the conditions: lighter on a dark ground, paler in a faint picture."""
        lifted = _mix(colour, (255, 255, 255), _DARK_LIFT) if self.conditions.dark else colour
        return _mix(lifted, self.ground, 1 - _FAINT_MIX) if self.conditions.faint else lifted

    def draw(self) -> ImageDraw.ImageDraw:
        """A pen for the picture itself."""
        return ImageDraw.Draw(self.image)

    def stamp(self, mask: Image.Image, colour: Rgb, centre: tuple[float, float], angle: float = 0.0) -> None:
        """Put `mask` (mode L) on the picture in one colour, turned by `angle` degrees about its centre."""
        turned = mask.rotate(angle, resample=Image.Resampling.BICUBIC, expand=True) if angle else mask
        corner = (round(centre[0] - turned.width / 2), round(centre[1] - turned.height / 2))
        self.image.paste(colour, (*corner, corner[0] + turned.width, corner[1] + turned.height), turned)


@lru_cache(maxsize=64)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's embedded font at a size in px: the only font that needs no file."""
    return ImageFont.load_default(size)


def text_mask(text: str, size: int) -> Image.Image:
    """The text's ink as a mask of mode L, cut to its bounds."""
    left, top, right, bottom = font(size).getbbox(text)
    mask = Image.new("L", (max(1, int(right - left)), max(1, int(bottom - top))), 0)
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font(size))
    return mask


def _mix(colour: Rgb, other: Rgb, share: float) -> Rgb:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _mottle(conditions: Conditions, ground: Rgb, rng: np.random.Generator) -> Image.Image:
    """The ground in patches of shifted tone, coarse enough to survive being resized to 64 px."""
    width, height = conditions.size
    cell = max(width, height) / _MOTTLE_CELLS
    levels = np.linspace(*_MOTTLE_SHIFTS[conditions.faint], _MOTTLE_LEVELS) * (1 if conditions.dark else -1)
    shifts = levels[rng.integers(_MOTTLE_LEVELS, size=(round(height / cell), round(width / cell), 1))]
    patches = np.clip(np.array(ground) + shifts, 0, 255).astype(np.uint8)
    return Image.fromarray(patches).resize(conditions.size, Image.Resampling.NEAREST)


def _draw_stray_lines(image: Image.Image, colour: Rgb, rng: np.random.Generator) -> None:
    """Lines that mean nothing, from one side of the picture to another."""
    pen = ImageDraw.Draw(image)
    thickness = max(1, round(min(image.size) / 70))
    for _ in range(_STRAY_LINES):
        ends = rng.uniform(-0.1, 1.1, size=(2, 2)) * image.size
        pen.line([tuple(end) for end in ends.tolist()], fill=colour, width=thickness)
