"""shapes-count: questions that count coloured shapes."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from arms.sample.canvas import COLOURS, Canvas
from arms.sample.conditions import Conditions
from arms.sample.lexicon import name_shape
from arms.sample.scene import Benchmark, Fact, number_fact

SHAPES = ("circle", "square", "triangle", "star")

_FEW, _MANY = (2, 5), (9, 14)  # shapes in a picture, both ends included
_CELLS = {False: (3, 2), True: (5, 4)}  # along the longer and the shorter side, by crowded; each holds one shape
_RADIUS = (0.36, 0.44)  # of the smaller side of a cell
_GAP = 0.04  # of the same, kept free along the cell's border: shapes never touch
_OVERSAMPLING = 4  # a shape is drawn this much larger, then reduced, for smooth edges


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One coloured shape at its place, in px; it lies within `radius` of its centre."""

    shape: str
    colour: str
    x: float
    y: float
    radius: float
    angle: float  # degrees counter-clockwise

    @property
    def name(self) -> str:
        """Its colour and shape, such as "red circle"."""
        return f"{self.colour} {self.shape}"

    def paint(self, canvas: Canvas) -> None:
        """Draw the mark on the canvas."""
        canvas.stamp(_mask(self), canvas.tone(COLOURS[self.colour]), (self.x, self.y))


@dataclass(frozen=True, slots=True)
class ShapesScene:
    """Shapes that do not touch."""

    marks: tuple[Mark, ...]

    def paint(self, canvas: Canvas) -> None:
        """Draw every mark."""
        for mark in self.marks:
            mark.paint(canvas)

    def ask(self, task: str, rng: np.random.Generator) -> Fact:
        """Ask for the number of all shapes, or of those of a colour or kind that is there."""
        if task == "count-all":
            return number_fact(task, len(self.marks))
        key = task.removeprefix("count-")
        there = [getattr(mark, key) for mark in self.marks]
        asked = str(rng.choice(sorted(set(there))))
        return number_fact(task, there.count(asked), subject={key: asked})

    def tell(self, language: str) -> tuple[str, ...]:
        """Name every shape."""
        return tuple(name_shape(mark.name, language) for mark in self.marks)

    @property
    def amount(self) -> int:
        """The number of shapes."""
        return len(self.marks)


def draw_shapes(conditions: Conditions, rng: np.random.Generator) -> ShapesScene:
    """Scatter shapes of two or three colours and kinds over the cells of a grid."""
    low, high = _MANY if conditions.crowded else _FEW
    colours = rng.choice(list(COLOURS), size=rng.integers(2, 4), replace=False)
    shapes = rng.choice(SHAPES, size=rng.integers(2, 4), replace=False)
    width, height = conditions.size
    columns, rows = _CELLS[conditions.crowded] if width >= height else _CELLS[conditions.crowded][::-1]
    cells = rng.choice(columns * rows, size=rng.integers(low, high + 1), replace=False)
    return ShapesScene(
        tuple(
            _draw_mark(
                rng,
                str(rng.choice(shapes)),
                str(rng.choice(colours)),
                cell=(cell % columns, cell // columns),
                cell_size=(width / columns, height / rows),
                tilt=conditions.tilt,
            )
            for cell in cells.tolist()
        )
    )


def _draw_mark(
    rng: np.random.Generator,
    shape: str,
    colour: str,
    *,
    cell: tuple[int, int],
    cell_size: tuple[float, float],
    tilt: float,
) -> Mark:
    """A mark of random size, somewhere within its cell."""
    radius = min(cell_size) * rng.uniform(*_RADIUS)
    reach = radius + min(cell_size) * _GAP
    x, y = (side * index + rng.uniform(reach, side - reach) for index, side in zip(cell, cell_size, strict=True))
    return Mark(shape=shape, colour=colour, x=x, y=y, radius=radius, angle=tilt)


def _mask(mark: Mark) -> Image.Image:
    """The mark's ink, mode L."""
    reach = math.ceil(mark.radius) + 1
    side, radius = 2 * reach * _OVERSAMPLING, mark.radius * _OVERSAMPLING
    mask = Image.new("L", (side, side), 0)
    pen, middle = ImageDraw.Draw(mask), side / 2
    if mark.shape == "circle":
        pen.ellipse((middle - radius, middle - radius, middle + radius, middle + radius), fill=255)
    else:
        pen.polygon([(middle + radius * x, middle + radius * y) for x, y in _outline(mark.shape, mark.angle)], fill=255)
    return mask.reduce(_OVERSAMPLING)


def _outline(shape: str, angle: float) -> list[tuple[float, float]]:
    """Corners on or within the unit circle, y downwards; an upright triangle or star points up."""
    corners, inner = {"square": (4, 1.0), "triangle": (3, 1.0), "star": (5, 0.45)}[shape]
    start = -math.pi / 4 if shape == "square" else -math.pi / 2
    points = 2 * corners if shape == "star" else corners
    radii = [inner if shape == "star" and point % 2 else 1.0 for point in range(points)]
    turns = [start - math.radians(angle) + 2 * math.pi * point / points for point in range(points)]
    return [(radius * math.cos(turn), radius * math.sin(turn)) for radius, turn in zip(radii, turns, strict=True)]


SHAPES_COUNT = Benchmark(
    name="shapes-count",
    tasks=("count-all", "count-colour", "count-shape"),
    told_tasks=("count-all", "count-colour", "count-shape"),
    comparison="more-shapes",
    draw_scene=draw_shapes,
)
