"""The visual conditions under which a picture is drawn, whatever it shows."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pretrain.drawing.colours import COLOURS, FADING, Rgb, draw_shade, standing_out
from pretrain.draws import between, pick, pick_weighted

Ground = Literal["light", "dark", "coloured"]
Backdrop = Literal["plain", "gradient", "blotches", "lines", "speckles"]
Stroke = Literal["thin", "normal", "thick"]
Quality = Literal["sharp", "blurred", "low-resolution", "noisy", "jpeg"]

_GROUNDS: dict[Ground, float] = {"light": 0.5, "dark": 0.32, "coloured": 0.18}
_BACKDROPS: dict[Backdrop, float] = {"plain": 0.5, "gradient": 0.12, "blotches": 0.13, "lines": 0.15, "speckles": 0.1}
_STROKES: dict[Stroke, float] = {"thin": 0.25, "normal": 0.5, "thick": 0.25}
_QUALITIES: dict[Quality, float] = {
    "sharp": 0.52,
    "blurred": 0.12,
    "low-resolution": 0.12,
    "noisy": 0.12,
    "jpeg": 0.12,
}
_FAINT_SHARE = 0.22
_FAINT_MIX = {True: (0.4, 0.6), False: (0.3, 0.42)}  # by whether the picture is sharp on a ground that is not coloured
_CROWDED_SHARE = 0.4
_TILTED_SHARE, _TILT_DEGREES = 0.28, (8.0, 28.0)
_SQUASHED_SHARE, _SQUASH = 0.22, (0.55, 0.8)
_SMALL_SHARE, _SMALL_SCALE, _FULL_SCALE = 0.15, (0.48, 0.65), (0.86, 1.0)
_SECOND_TONE = 34  # how far the second tone of a backdrop lies from the ground, per channel


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """How a picture looks.

    Attributes
    ----------
    ground, second : Rgb
        The ground and the tone that its backdrop mixes in.
    colours : tuple of str
        The named colours that stand out from both, at least three.
    fade : float in [0, 1)
        Share of the ground mixed into all that is drawn; 0 is full contrast.
    tilt : float, degrees counter-clockwise
    squash : (float, float)
        Horizontal and vertical scale, the larger of the two being 1.
    scale : float
        Share of the picture that the drawing fills.
    shift : (float, float) in [0, 1]
        Where in the room left over the drawing lies; 0.5 is the middle.
    """

    kind: Ground
    ground_name: str
    ground: Rgb
    second: Rgb
    colours: tuple[str, ...]
    backdrop: Backdrop
    stroke: Stroke
    quality: Quality
    fade: float
    crowded: bool
    tilt: float
    squash: tuple[float, float]
    scale: float
    shift: tuple[float, float]

    def traits(self) -> tuple[str, ...]:
        """The names under which captions know what is unusual about these conditions."""
        named = {
            self.kind if self.kind != "coloured" else "": True,
            f"backdrop-{self.backdrop}": self.backdrop != "plain",
            f"stroke-{self.stroke}": self.stroke != "normal",
            f"quality-{self.quality}": True,
            "faint": self.fade > 0,
            "crowded": self.crowded,
            "tilted": self.tilt != 0,
            "narrow": self.squash[0] < 1,
            "flat": self.squash[1] < 1,
            "small": self.scale <= _SMALL_SCALE[1],
        }
        return tuple(name for name, holds in named.items() if name and holds)


def draw_conditions(
    rng: np.random.Generator, *, still: bool = False, fine: bool = False, covering: bool = False
) -> Conditions:
    """Draw every condition independently of the others.

    Parameters
    ----------
    rng : numpy.random.Generator
    still : bool
        Keep the drawing upright and filling the picture, for scenes about where things are in it.
    fine : bool
        Keep the drawing from being small, and the picture from low resolution, for scenes with small print.
    covering : bool
        Keep full contrast, for scenes that cover the ground.
    """
    kind = pick_weighted(_GROUNDS, rng)
    ground_name, ground = _draw_ground(kind, rng)
    second = _shift(ground, rng)
    tilted, squashed, small = (
        bool(luck < share) and not still
        for luck, share in zip(rng.random(3), (_TILTED_SHARE, _SQUASHED_SHARE, _SMALL_SHARE), strict=True)
    )
    small = small and not fine
    quality = pick_weighted(_QUALITIES, rng)
    quality = "sharp" if fine and quality == "low-resolution" else quality
    faint = bool(rng.random() < _FAINT_SHARE) and not covering
    names = tuple(name for name in COLOURS if name not in FADING) if faint else COLOURS
    return Conditions(
        kind=kind,
        ground_name=ground_name,
        ground=ground,
        second=second,
        colours=standing_out(names, (ground, second)),
        backdrop=pick_weighted(_BACKDROPS, rng),
        stroke=pick_weighted(_STROKES, rng),
        quality=quality,
        fade=between(*_FAINT_MIX[quality == "sharp" and kind != "coloured"], rng) if faint else 0.0,
        crowded=bool(rng.random() < _CROWDED_SHARE),
        tilt=between(*_TILT_DEGREES, rng) * pick((1, -1), rng) if tilted else 0.0,
        squash=_draw_squash(rng) if squashed else (1.0, 1.0),
        scale=between(*(_SMALL_SCALE if small else _FULL_SCALE), rng) if not still else 1.0,
        shift=(float(rng.random()), float(rng.random())),
    )


def _draw_ground(kind: Ground, rng: np.random.Generator) -> tuple[str, Rgb]:
    """The ground's name and tone; light and dark grounds are tinted at most a little."""
    if kind == "coloured":
        name = pick(COLOURS[:-3], rng)  # not black, white or grey
        return name, draw_shade(name, rng)
    tone = int(rng.integers(228, 256) if kind == "light" else rng.integers(0, 44))
    red, green, blue = (min(255, max(0, tone + int(shift))) for shift in rng.integers(-14, 15, size=3))
    return ("white" if kind == "light" else "black"), (red, green, blue)


def _shift(ground: Rgb, rng: np.random.Generator) -> Rgb:
    """A tone somewhat lighter than a dark ground, darker than a light one."""
    towards = 1 if sum(ground) < 3 * 128 else -1
    red, green, blue = (
        min(255, max(0, tone + towards * int(step)))
        for tone, step in zip(ground, rng.integers(_SECOND_TONE // 3, _SECOND_TONE + 1, size=3), strict=True)
    )
    return red, green, blue


def _draw_squash(rng: np.random.Generator) -> tuple[float, float]:
    ratio = between(*_SQUASH, rng)
    return (ratio, 1.0) if rng.random() < 0.5 else (1.0, ratio)
