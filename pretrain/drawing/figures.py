"""Outlines of the kinds of figure that are drawn, as corners within the unit circle, y downwards."""

import math
from functools import cache

import numpy as np

ROUND_CORNERS = 40  # corners of what is round


def _ring(corners: int, start: float = -90.0, inner: float = 1.0) -> np.ndarray:
    """Corners evenly around the circle; `inner` is the radius of every second one."""
    turns = np.radians(start + 360 * np.arange(corners) / corners)
    radii = np.where(np.arange(corners) % 2, inner, 1.0)
    return np.stack([radii * np.cos(turns), radii * np.sin(turns)], axis=1)


def _arc(start: float, end: float, radius: float = 1.0, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """Points along an arc, in degrees clockwise from the right."""
    turns = np.radians(np.linspace(start, end, ROUND_CORNERS // 2))
    return np.stack([x + radius * np.cos(turns), y + radius * np.sin(turns)], axis=1)


def _heart() -> np.ndarray:
    turns = np.linspace(0, 2 * np.pi, ROUND_CORNERS, endpoint=False)
    x = 16 * np.sin(turns) ** 3
    y = 13 * np.cos(turns) - 5 * np.cos(2 * turns) - 2 * np.cos(3 * turns) - np.cos(4 * turns)
    return np.stack([x, -y - 2], axis=1) / 17.5


def _crescent() -> np.ndarray:
    return np.concatenate([_arc(46.4, 313.6), _arc(291.8, 68.2, 0.78, 0.4, 0.0)])


def _box(width: float, height: float) -> np.ndarray:
    return np.array([(-width, -height), (width, -height), (width, height), (-width, height)])


def _cross(reach: float, arm: float) -> np.ndarray:
    """Four arms, each twice as wide as `arm`: three corners, turned by a quarter four times."""
    quarter = np.array([(-arm, -reach), (arm, -reach), (arm, -arm)])
    turns = [np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), turn) for turn in range(4)]
    return np.concatenate([quarter @ turn for turn in turns])


_OUTLINES = {
    "circle": _ring(ROUND_CORNERS),
    "oval": _ring(ROUND_CORNERS) * (1.0, 0.58),
    "triangle": _ring(3),
    "square": _box(math.sqrt(0.5), math.sqrt(0.5)),
    "rectangle": _box(0.9, 0.42),
    "diamond": np.array([(0, -1), (0.62, 0), (0, 1), (-0.62, 0)]),
    "pentagon": _ring(5),
    "hexagon": _ring(6, start=0.0),
    "star": _ring(10, inner=0.42),
    "heart": _heart(),
    "crescent": _crescent(),
    "semicircle": _arc(180, 360) * 0.9 + (0.0, 0.4),
    "trapezium": np.array([(-0.5, -0.5), (0.5, -0.5), (0.88, 0.47), (-0.88, 0.47)]),
    "cross": _cross(0.92, 0.3),
    "arrow": np.array([(-0.95, -0.24), (0.2, -0.24), (0.2, -0.62), (0.95, 0), (0.2, 0.62), (0.2, 0.24), (-0.95, 0.24)]),
}
KINDS = tuple(_OUTLINES)
CONVEX_KINDS = tuple(kind for kind in KINDS if kind not in ("star", "heart", "crescent", "cross", "arrow"))


@cache
def outline(kind: str) -> np.ndarray:
    """Corners of the kind, shape (corners, 2), float64."""
    return np.asarray(_OUTLINES[kind], dtype=np.float64)


def place_figure(kind: str, centre: tuple[float, float], radius: float, turn: float = 0.0) -> np.ndarray:
    """Corners of a figure within `radius` of its centre, turned by `turn` degrees clockwise: shape (corners, 2)."""
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return outline(kind) @ np.array([[cosine, sine], [-sine, cosine]]) * radius + centre
