"""The ground of a picture, before anything is drawn on it."""

import numpy as np
from PIL import Image, ImageDraw

from pretrain.drawing.colours import Rgb, mix
from pretrain.drawing.conditions import Conditions

_BLOTCHES = (4, 14)  # across the picture
_SPECKLES = (22, 48)
_STRAY_LINES = (4, 11)
_LINE_MIX = (0.12, 0.38)  # share of mid-grey in the tone of a stray line
_SOFT_SHARE = 0.6  # blotches with soft edges; the others are flat patches


def paint_ground(conditions: Conditions, side: int, rng: np.random.Generator) -> Image.Image:
    """A square ground of `side` px with its backdrop."""
    ground, second = conditions.ground, conditions.second
    if conditions.backdrop == "gradient":
        return _gradient(ground, second, side, rng)
    if conditions.backdrop == "blotches":
        return _blotches(ground, second, side, int(rng.integers(*_BLOTCHES)), rng)
    if conditions.backdrop == "speckles":
        return _blotches(ground, second, side, int(rng.integers(*_SPECKLES)), rng)
    image = Image.new("RGB", (side, side), ground)
    if conditions.backdrop == "lines":
        _draw_stray_lines(image, ground, rng)
    return image


def _gradient(ground: Rgb, second: Rgb, side: int, rng: np.random.Generator) -> Image.Image:
    """The second tone grows towards one side or corner."""
    corners = np.array(((0.0, 0.5), (0.5, 1.0)) if rng.random() < 0.5 else ((0.0, 0.0), (1.0, 1.0)))
    shares = np.rot90(corners, int(rng.integers(4)))[..., None]
    tones = np.array(ground) * (1 - shares) + np.array(second) * shares
    return _enlarge(tones, side, Image.Resampling.BILINEAR)


def _blotches(ground: Rgb, second: Rgb, side: int, across: int, rng: np.random.Generator) -> Image.Image:
    """Patches between the two tones."""
    shares = rng.random((across, across, 1))
    tones = np.array(ground) * (1 - shares) + np.array(second) * shares
    soft = rng.random() < _SOFT_SHARE
    return _enlarge(tones, side, Image.Resampling.BILINEAR if soft else Image.Resampling.NEAREST)


def _enlarge(tones: np.ndarray, side: int, way: Image.Resampling) -> Image.Image:
    return Image.fromarray(tones.astype(np.uint8)).resize((side, side), way)


def _draw_stray_lines(image: Image.Image, ground: Rgb, rng: np.random.Generator) -> None:
    """Lines and arcs that mean nothing, close to the ground in tone."""
    pen = ImageDraw.Draw(image)
    side = image.width
    grey = (250, 250, 250) if sum(ground) < 3 * 128 else (20, 20, 20)
    for _ in range(int(rng.integers(*_STRAY_LINES))):
        tone = mix(ground, grey, float(rng.uniform(*_LINE_MIX)))
        width = int(rng.integers(1, 4))
        ends = (rng.uniform(-0.2, 1.2, size=4) * side).tolist()
        if rng.random() < 0.3:
            box = (min(ends[0], ends[2]), min(ends[1], ends[3]), max(ends[0], ends[2]), max(ends[1], ends[3]))
            pen.arc(box, float(rng.uniform(0, 360)), float(rng.uniform(0, 360)), fill=tone, width=width)
        else:
            pen.line(ends, fill=tone, width=width)
