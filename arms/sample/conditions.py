"""The visual conditions of a picture. All benchmarks share them, so what a VLM makes of them carries over."""

from dataclasses import dataclass

import numpy as np

SIZES = ((96, 96), (160, 120), (120, 160), (224, 160), (320, 240))  # width x height in px

_FAINT_SHARE = 0.4
_TILTED_SHARE = 0.35
_TILT_DEGREES = (12.0, 24.0)  # either way
_SMALL_PIXELS = 20_000  # fewer is a small picture


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """How a picture looks, whatever it shows."""

    dark: bool  # light marks on a dark ground
    cluttered: bool  # a mottled ground with stray lines
    crowded: bool  # many small elements instead of few large ones
    faint: bool  # marks close to the ground in tone
    tilt: float  # degrees counter-clockwise; 0 is upright
    size: tuple[int, int]  # width, height in px

    def traits(self) -> tuple[str, ...]:
        """The names under which `skills` knows these conditions."""
        return (
            "dark" if self.dark else "light",
            "cluttered" if self.cluttered else "clean",
            "crowded" if self.crowded else "sparse",
            "faint" if self.faint else "strong",
            "tilted" if self.tilt else "upright",
            "small" if self.size[0] * self.size[1] < _SMALL_PIXELS else "large",
        )


def draw_conditions(rng: np.random.Generator) -> Conditions:
    """Draw every condition independently of the others."""
    dark, cluttered, crowded = (bool(bit) for bit in rng.integers(2, size=3))
    tilt = float(rng.uniform(*_TILT_DEGREES) * rng.choice([-1, 1]))
    return Conditions(
        dark=dark,
        cluttered=cluttered,
        crowded=crowded,
        faint=bool(rng.random() < _FAINT_SHARE),
        tilt=tilt if rng.random() < _TILTED_SHARE else 0.0,
        size=SIZES[rng.integers(len(SIZES))],
    )
