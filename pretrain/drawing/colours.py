"""Named colours with jitter, and which of them stand out from a ground."""

import colorsys

import numpy as np

from pretrain.draws import between

Rgb = tuple[int, int, int]

# Hue in degrees, saturation and value in [0, 1], each from low to high.
_RANGES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((350, 364), (0.78, 1.0), (0.7, 0.95)),
    "orange": ((22, 33), (0.85, 1.0), (0.92, 1.0)),
    "yellow": ((48, 58), (0.75, 1.0), (0.9, 1.0)),
    "green": ((102, 146), (0.6, 1.0), (0.42, 0.78)),
    "turquoise": ((171, 187), (0.6, 0.95), (0.62, 0.88)),
    "blue": ((213, 237), (0.7, 1.0), (0.62, 1.0)),
    "purple": ((268, 288), (0.55, 0.9), (0.48, 0.82)),
    "pink": ((325, 345), (0.36, 0.58), (0.92, 1.0)),
    "brown": ((18, 30), (0.6, 0.82), (0.36, 0.55)),
    "black": ((0, 360), (0.0, 0.3), (0.0, 0.12)),
    "white": ((0, 360), (0.0, 0.04), (0.94, 1.0)),
    "grey": ((0, 360), (0.0, 0.07), (0.44, 0.62)),
}
COLOURS = tuple(_RANGES)
FADING = ("black", "white", "grey", "brown")  # which look like others when they are faint
# Pairs that jitter can bring too close to tell apart side by side.
_ALIKE = (
    {"red", "brown"},
    {"red", "orange"},
    {"orange", "yellow"},
    {"orange", "brown"},
    {"green", "turquoise"},
    {"blue", "purple"},
    {"blue", "turquoise"},
    {"purple", "pink"},
    {"brown", "black"},
    {"white", "grey"},
    {"black", "grey"},
    {"brown", "grey"},
)
_STANDS_OUT = 120.0  # least distance from the ground, see `distance`


def draw_shade(name: str, rng: np.random.Generator) -> Rgb:
    """A shade of the named colour."""
    return _to_rgb(*(between(low, high, rng) for low, high in _RANGES[name]))


def middle_shade(name: str) -> Rgb:
    """The shade in the middle of the named colour's range."""
    return _to_rgb(*((low + high) / 2 for low, high in _RANGES[name]))


def _to_rgb(hue: float, saturation: float, value: float) -> Rgb:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue / 360 % 1, saturation, value))
    return red, green, blue


_MIDDLES = {name: middle_shade(name) for name in COLOURS}


def distance(a: Rgb, b: Rgb) -> float:
    """How far apart two colours look: Euclidean in RGB, green weighing most and blue least."""
    return (2 * (a[0] - b[0]) ** 2 + 4 * (a[1] - b[1]) ** 2 + 0.8 * (a[2] - b[2]) ** 2) ** 0.5 / 1.4


def mix(colour: Rgb, other: Rgb, share: float) -> Rgb:
    """The colour with a share of the other mixed in."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def standing_out(names: tuple[str, ...], grounds: tuple[Rgb, ...]) -> tuple[str, ...]:
    """Those of the colours that stand out from all of the grounds, never fewer than three."""
    gaps = {name: min(distance(_MIDDLES[name], ground) for ground in grounds) for name in names}
    ranked = sorted(gaps, key=lambda name: -gaps[name])
    return tuple(name for place, name in enumerate(ranked) if place < 3 or gaps[name] >= _STANDS_OUT)


def draw_distinct(names: tuple[str, ...], num: int, rng: np.random.Generator) -> list[str]:
    """Colours that all look different; fewer than `num` if the names do not give that many."""
    chosen: list[str] = []
    for index in rng.permutation(len(names)).tolist():
        name = names[index]
        if all({name, other} not in _ALIKE for other in chosen):
            chosen.append(name)
        if len(chosen) == num:
            break
    return chosen
