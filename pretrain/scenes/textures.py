"""Patterns and surfaces that fill the picture: stripes, checks, gradients, noise, soft blobs, a landscape."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import COLOURS, draw_distinct
from pretrain.drawing.conditions import Conditions
from pretrain.draws import pick, pick_other, pick_weighted, whole
from pretrain.facts import Fact, Listing, Term, colour
from pretrain.scenes.base import Family, Labels, count_fact

_TEXTURES = {
    "stripes": 0.2,
    "checks": 0.12,
    "gradient": 0.12,
    "noise": 0.1,
    "blobs": 0.12,
    "dots": 0.12,
    "rings": 0.08,
    "landscape": 0.14,
}
_GRAINED = ("stripes", "checks", "noise", "dots")
_PERIODS = {"coarse": (2, 5), "fine": (8, 16)}  # of a pattern, across the picture
_NOISE_CELLS = {"coarse": (10, 22), "fine": (50, 110)}
_BLOB_CELLS = (3, 7)
_MOST_COUNTED = 5  # stripes
_WAYS = {  # share of the second colour at top left, top right, bottom left and bottom right
    "right": (0, 1, 0, 1),
    "left": (1, 0, 1, 0),
    "bottom": (0, 0, 1, 1),
    "top": (1, 1, 0, 0),
    "bottom-right": (0, 0.5, 0.5, 1),
    "top-left": (1, 0.5, 0.5, 0),
    "bottom-left": (0.5, 0, 1, 0.5),
    "top-right": (0.5, 1, 0, 0.5),
}
_SUNS = {"top-left": 0.2, "top": 0.5, "top-right": 0.8}

_Shades: TypeAlias = tuple[tuple[int, int, int], tuple[int, int, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class TextureScene:
    """A texture in two colours.

    Attributes
    ----------
    texture : str
    colours : (str, str)
        A landscape's are those of the sky and of the land.
    way : str
        The orientation of stripes; where a gradient ends; where a landscape's sun stands; "" for others.
    grain : str
        fine or coarse, "" where neither is meant.
    number : int
        Periods across, or cells.
    seed : int
        Of what is random in it.
    """

    texture: str
    colours: tuple[str, str]
    way: str = ""
    grain: str = ""
    number: int = 0
    seed: int = 0

    def paint(self, canvas: Canvas) -> None:
        """Fill the canvas."""
        shades = (canvas.shade(self.colours[0]), canvas.shade(self.colours[1]))
        canvas.fill(_UNIT, shades[0])
        getattr(self, f"_paint_{self.texture}")(canvas, shades)

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """What it is, in which colours, and which way it runs."""
        a, b = (colour(name) for name in self.colours)
        texture = Term("texture", self.texture)
        wrong = Term("texture", pick_other(_TEXTURES, self.texture, rng))
        both = {"a": a, "b": b}
        facts = [
            Fact(name="texture", fields={**both, "texture": texture}, answer=texture, decoys={"texture": wrong}),
        ]
        facts.append(Fact(name="texture-colours", fields=both, answer=Listing((a, b))))
        if self.grain:
            grains = (Term("grain", "fine"), Term("grain", "coarse"))
            grain = Term("grain", self.grain)
            facts.append(Fact(name="texture-grain", fields={"grain": grain}, answer=grain, choices=grains))
        if self.texture == "stripes":
            way = Term("orientation", self.way)
            facts.append(Fact(name="texture-direction", fields={"direction": way}, answer=way))
            if self.way != "diagonal" and self.number <= _MOST_COUNTED:
                facts.append(count_fact("count-some", self.number, "stripe", (self.colours[1],), rng))
        if self.texture == "gradient":
            place = Term("place", self.way)
            facts.append(Fact(name="gradient", fields={**both, "place": place}, answer=place))
        if self.texture == "landscape":
            other = colour(pick([name for name in COLOURS if name not in self.colours], rng))
            place = Term("place", self.way)
            facts.append(Fact(name="sun", fields={"place": place}, answer=place))
            facts.append(Fact(name="sky", fields=both, answer=a, decoys={"a": other}))
        return facts

    def labels(self) -> Labels:
        """What it is."""
        return Labels(texture=self.texture)

    def _paint_stripes(self, canvas: Canvas, shades: _Shades) -> None:
        for number in range(-self.number, 2 * self.number):
            start, end = (number + 0.5) / self.number, (number + 1) / self.number
            lean = 1.0 if self.way == "diagonal" else 0.0
            corners = np.array([(start, 0), (end, 0), (end + lean, 1), (start + lean, 1)])
            canvas.fill(corners[:, ::-1] if self.way == "horizontal" else corners, shades[1])

    def _paint_checks(self, canvas: Canvas, shades: _Shades) -> None:
        cells = np.indices((2 * self.number, 2 * self.number)).sum(axis=0) % 2
        canvas.paste(_mixed(cells, shades), Image.Resampling.NEAREST)

    def _paint_gradient(self, canvas: Canvas, shades: _Shades) -> None:
        corners = np.array(_WAYS[self.way], dtype=float).reshape(2, 2)
        shares = np.array(Image.fromarray(corners.astype(np.float32)).resize((64, 64), Image.Resampling.BILINEAR))
        canvas.paste(_mixed(shares, shades), Image.Resampling.BILINEAR)

    def _paint_noise(self, canvas: Canvas, shades: _Shades) -> None:
        shares = np.random.default_rng(self.seed).random((self.number, self.number))
        canvas.paste(_mixed(shares, shades), Image.Resampling.NEAREST)

    def _paint_blobs(self, canvas: Canvas, shades: _Shades) -> None:
        shares = np.random.default_rng(self.seed).random((self.number, self.number))
        canvas.paste(_mixed(shares, shades), Image.Resampling.BICUBIC)

    def _paint_dots(self, canvas: Canvas, shades: _Shades) -> None:
        for row in range(self.number + 1):
            for column in range(self.number + 1):
                centre = ((column + 0.5 * (row % 2)) / self.number, (row + 0.25) / self.number)
                canvas.disc(centre, 0.28 / self.number, shades[1])

    def _paint_rings(self, canvas: Canvas, shades: _Shades) -> None:
        centre = tuple(np.random.default_rng(self.seed).uniform(0.35, 0.65, size=2).tolist())
        for ring in range(2 * self.number, 0, -1):
            canvas.disc((centre[0], centre[1]), 0.6 * ring / self.number / 1.4, shades[ring % 2])

    def _paint_landscape(self, canvas: Canvas, shades: _Shades) -> None:
        """A sun, then hills before hills, the nearer the darker."""
        rng = np.random.default_rng(self.seed)
        sun = canvas.shade("white" if self.colours[0] in ("yellow", "orange") else "yellow")
        canvas.disc((_SUNS[self.way], 0.2), 0.1, sun)
        x = np.linspace(0, 1, 24)
        for nearness in range(3):
            phase, waves = rng.uniform(0, 6), rng.uniform(3, 9)
            ridge = 0.55 + 0.14 * nearness + 0.06 * np.sin(waves * x + phase)
            corners = np.concatenate([np.stack([x, ridge], axis=1), [(1, 1), (0, 1)]])
            red, green, blue = (round(tone * (1 - 0.18 * nearness)) for tone in shades[1])
            canvas.fill(corners, (red, green, blue))


_UNIT = np.array([(-0.05, -0.05), (1.05, -0.05), (1.05, 1.05), (-0.05, 1.05)])


def _mixed(shares: np.ndarray, shades: _Shades) -> Image.Image:
    """A small picture with the given share of the second shade in each pixel."""
    tones = np.array(shades[0]) + shares[..., None] * (np.array(shades[1]) - np.array(shades[0]))
    return Image.fromarray(tones.astype(np.uint8))


def draw_texture(conditions: Conditions, rng: np.random.Generator) -> TextureScene:
    """A texture of any sort, in two of all colours, since it covers the ground."""
    texture = pick_weighted(_TEXTURES, rng)
    grain = pick(("fine", "coarse"), rng) if texture in _GRAINED else ""
    ways = {
        "stripes": ("horizontal", "vertical", "diagonal"),
        "gradient": tuple(_WAYS),
        "landscape": tuple(_SUNS),
    }
    cells = _NOISE_CELLS[grain] if texture == "noise" else _BLOB_CELLS if texture == "blobs" else (3, 7)
    a, b = draw_distinct(COLOURS, 2, rng)
    return TextureScene(
        texture=texture,
        colours=(a, b),
        way=pick(ways[texture], rng) if texture in ways else "",
        grain=grain,
        number=whole(*(_PERIODS[grain] if grain and texture != "noise" else cells), rng),
        seed=int(rng.integers(2**31)),
    )


TEXTURES = Family(
    draw_scene=draw_texture,
    still=True,
    covering=True,
    untold=("light", "dark", "ground", "backdrop", "stroke", "crowded"),
)
