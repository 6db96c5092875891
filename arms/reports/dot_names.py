"""Names beside the dots of a figure, each at the least crowded place around its dot."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LINE_COLOUR = "#7b828a"
DISTANCES = (5, 9, 15, 23, 33, 45, 59)  # points from the middle of a dot to its name
NEARNESS = 0.6  # square points of overlap that a point of distance is worth
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))


class Dot(NamedTuple):
    """A dot at x and y, its name if it is to have one, and how that is written (see `matplotlib.text.Text`)."""

    x: float
    y: float
    name: str | None = None
    style: Mapping[str, Any] = {}


def name_dots(axes: Axes, dots: Sequence[Dot], sides: Sequence[float]) -> None:
    """Write the names in the order of the dots, with a line to the dot where the name is far.

    The figure must have been drawn once, as places are measured.

    Parameters
    ----------
    axes : Axes
    dots : sequence of D dots
    sides : sequence of D floats
        The side of the square that is to be kept free around each dot, in printer's points.
    """
    scale = 72 / axes.figure.dpi  # points for each pixel
    centres = scale * axes.transData.transform([(dot.x, dot.y) for dot in dots])
    taken = _boxes(centres, np.column_stack([sides, sides]))
    frame = scale * np.array(axes.get_window_extent().extents)
    for dot, centre in zip(dots, centres, strict=True):
        if dot.name is not None:
            taken = np.vstack([taken, _write(axes, dot, centre, frame, taken, scale)])


def _write(axes: Axes, dot: Dot, centre: Floats, frame: Floats, taken: Floats, scale: float) -> Floats:
    """Write one name and return the box that it takes; all in points."""
    place: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "zorder": 6}
    halo = [withStroke(linewidth=2, foreground="white", alpha=0.8)]
    name = axes.annotate(str(dot.name), (dot.x, dot.y), (0, 0), path_effects=halo, **place, **dot.style)
    size = scale * np.array(name.get_window_extent().size)
    places = list(product(DISTANCES, DIRECTIONS))
    offsets = np.array([np.array(direction) * (distance + size / 2) for distance, direction in places])
    boxes = _boxes(centre + offsets, size)
    crowding = _overlaps(boxes, taken).sum(axis=1) - 10 * _overlaps(boxes, frame[None])[:, 0]
    best = int((crowding + [NEARNESS * distance for distance, _ in places]).round(3).argmin())
    name.set_position(tuple(offsets[best]))
    name.set_in_layout(False)
    distance, direction = places[best]
    if distance > DISTANCES[0]:
        line = {"arrowstyle": "-", "color": LINE_COLOUR, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
        edge = tuple(offsets[best] - np.array(direction) * size / 2)
        axes.annotate("", (dot.x, dot.y), edge, textcoords="offset points", arrowprops=line).set_in_layout(False)
    return boxes[best]


def _boxes(centres: Floats, sizes: Floats) -> Floats:
    """Return boxes as (left, bottom, right, top): shape (B, 4)."""
    return np.hstack([centres - sizes / 2, centres + sizes / 2])


def _overlaps(boxes: Floats, others: Floats) -> Floats:
    """Return the area that each of B boxes shares with each of T others: shape (B, T)."""
    low = np.maximum(boxes[:, None, :2], others[:, :2])
    high = np.minimum(boxes[:, None, 2:], others[:, 2:])
    return (high - low).clip(min=0).prod(axis=2)
