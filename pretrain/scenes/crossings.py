"""Lines that cross a known number of times: two that run side by side, or several straight ones."""

from dataclasses import dataclass, replace

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import draw_distinct
from pretrain.drawing.conditions import Conditions
from pretrain.draws import between, pick, pick_weighted, whole
from pretrain.facts import Fact, Listing, Term, Thing, colour
from pretrain.scenes.base import Family, Labels, count_fact

_BUNDLE_SHARE = 0.28  # scenes of several straight lines
_LOOKS = {"straight": 0.2, "angular": 0.45, "curved": 0.35}
_MOST_CROSSINGS = 6
_MOST_KNOTS = 8
_APART = (0.09, 0.42)  # of the two lines at a knot
_DASHED_SHARE = 0.15
_WIDTH, _DASH = 0.014, 0.045
_CURVE_POINTS = 60
_CLEAR = 0.06  # least distance of a crossing from the ends of its lines, as a share of their length
_SLOPE = 0.3  # least sine of the angle between straight lines
_SHORTEST = 0.4


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points of shape (points, 2), in units of the picture's side."""

    points: np.ndarray
    colour: str
    dashed: bool = False

    def thing(self) -> Thing:
        """What it is called."""
        return Thing("line", (self.colour,))

    def paint(self, canvas: Canvas) -> None:
        """Draw it."""
        if self.dashed:
            canvas.dashes(self.points, canvas.shade(self.colour), _WIDTH, _DASH)
        else:
            canvas.line(self.points, canvas.shade(self.colour), _WIDTH)


@dataclass(frozen=True, slots=True)
class CrossingsScene:
    """Lines of one look, and how often they cross in all."""

    lines: tuple[Line, ...]
    look: str
    crossings: int

    def paint(self, canvas: Canvas) -> None:
        """Draw every line."""
        for line in self.lines:
            line.paint(canvas)

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """How often they cross, and what they look like."""
        look = Term("trait", self.look)
        facts = [] if self.crossings else [Fact(name="never-cross")]
        facts += self._of_two(rng) if len(self.lines) == 2 else self._of_many(rng)
        facts.append(Fact(name="line-look", fields={"look": look}, answer=look))
        if any(line.dashed for line in self.lines):
            facts.append(Fact(name="dashed"))
        return facts

    def labels(self) -> Labels:
        """How often they cross, and whether they do."""
        return Labels(count=len(self.lines), crossings=self.crossings, crosses=self.crossings > 0)

    def _of_two(self, rng: np.random.Generator) -> list[Fact]:
        one, other = self.lines
        pair = {"a": one.thing(), "b": other.thing()}
        counted = count_fact("crossings", self.crossings, "crossing", (), rng)
        colours = Listing((colour(one.colour), colour(other.colour)))
        return [
            replace(counted, fields={**counted.fields, **pair}, decoys=counted.decoys if self.crossings else {}),
            Fact(name="crosses", fields=pair, answer=self.crossings > 0),
            Fact(name="lines", fields=pair, answer=pick((colours, Listing((*pair.values(),))), rng)),
        ]

    def _of_many(self, rng: np.random.Generator) -> list[Fact]:
        of_colour = pick(self.lines, rng).colour
        same = sum(line.colour == of_colour for line in self.lines)
        counted = count_fact("all-crossings", self.crossings, "crossing", (), rng)
        return [
            counted if self.crossings else replace(counted, decoys={}),
            count_fact("count-all", len(self.lines), "line", (), rng),
            count_fact("count-some", same, "line", (of_colour,), rng),
        ]


def draw_crossings(conditions: Conditions, rng: np.random.Generator) -> CrossingsScene:
    """Two lines from side to side, or three to five straight ones anyhow."""
    if rng.random() < _BUNDLE_SHARE:
        return _draw_bundle(conditions, rng)
    colours = draw_distinct(conditions.colours, 2, rng)
    look = pick_weighted(_LOOKS, rng)
    knots = 2 if look == "straight" else whole(3, _MOST_KNOTS if conditions.crowded else 5, rng)
    crossings = whole(0, min(knots - 1, _MOST_CROSSINGS), rng)
    pair = draw_pair(knots, crossings, rng)
    courses = [_smooth(points) if look == "curved" else points for points in pair]
    if look == "angular":
        courses = [_break(pair[0], pair[1], rng), pair[1]]
    quarter_turns, dashed = whole(0, 3, rng), bool(rng.random() < _DASHED_SHARE)
    lines = tuple(
        Line(_turned(points, quarter_turns), name, dashed and number == 1)
        for number, (points, name) in enumerate(zip(courses, colours, strict=True))
    )
    return CrossingsScene(lines, look, crossings)


def draw_pair(knots: int, crossings: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Two polylines over the same knots that cross exactly so often, at most once between two knots.

    Returns
    -------
    list of two ndarrays of shape (knots, 2)
    """
    x = 0.03 + 0.94 * (np.arange(knots) + rng.uniform(-0.25, 0.25, size=knots)) / (knots - 1)
    x = np.clip(x, 0.03, 0.97)
    x[0], x[-1] = 0.03, 0.97
    changes = np.zeros(knots, dtype=int)
    changes[rng.permutation(knots - 1)[:crossings] + 1] = 1
    signs = (-1) ** (np.cumsum(changes) + int(rng.integers(2)))
    apart = signs * rng.uniform(*_APART, size=knots)
    middle = rng.uniform(0.24, 0.76, size=knots)
    return [np.stack([x, middle + side * apart / 2], axis=1) for side in (1, -1)]


def _smooth(points: np.ndarray) -> np.ndarray:
    """A curve through the points that is level at each, and so stays between the heights of its knots."""
    x = np.linspace(points[0, 0], points[-1, 0], _CURVE_POINTS)
    left = np.clip(np.searchsorted(points[:, 0], x, side="right") - 1, 0, len(points) - 2)
    share = (x - points[left, 0]) / (points[left + 1, 0] - points[left, 0])
    eased = share * share * (3 - 2 * share)
    return np.stack([x, points[left, 1] + (points[left + 1, 1] - points[left, 1]) * eased], axis=1)


def _break(points: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The polyline with a corner more in some of its stretches, never across the other line."""
    apart = (points - other)[:, 1]
    corners = [points[0]]
    for index, after in enumerate(points[1:]):
        if apart[index] * apart[index + 1] > 0 and rng.random() < 0.5:
            x, y = (points[index] + after) / 2
            y += between(-0.25, 0.25, rng) * (apart[index] + apart[index + 1])
            corners.append(np.array([x, min(0.99, max(0.01, y))]))
        corners.append(after)
    return np.array(corners)


def _turned(points: np.ndarray, quarter_turns: int) -> np.ndarray:
    """The points turned about the middle of the picture."""
    turn = np.linalg.matrix_power(np.array([[0.0, 1.0], [-1.0, 0.0]]), quarter_turns)
    return (points - 0.5) @ turn + 0.5


def _draw_bundle(conditions: Conditions, rng: np.random.Generator) -> CrossingsScene:
    """Straight lines that cross plainly or not at all."""
    wanted = whole(4, 5, rng) if conditions.crowded else 3
    ends: list[np.ndarray] = []
    crossings = 0
    while len(ends) < wanted:
        trial = rng.uniform(0.03, 0.97, size=(2, 2))
        verdicts = [meets(trial, line) for line in ends]
        if np.hypot(*(trial[1] - trial[0])) >= _SHORTEST and None not in verdicts:
            crossings += verdicts.count(True)
            ends.append(trial)
    names = draw_distinct(conditions.colours, whole(1, 3, rng), rng)
    return CrossingsScene(tuple(Line(line, pick(names, rng)) for line in ends), "straight", crossings)


def meets(one: np.ndarray, other: np.ndarray) -> bool | None:
    """Whether two straight lines, each of shape (2, 2), plainly cross; None if it is a close call."""
    steps = np.stack([one[1] - one[0], other[0] - other[1]], axis=1)
    if abs(np.linalg.det(steps)) < _SLOPE * np.prod(np.hypot(*steps)):
        return None
    shares = np.linalg.solve(steps, other[0] - one[0])
    inside = (shares > _CLEAR) & (shares < 1 - _CLEAR)
    outside = (shares < -_CLEAR) | (shares > 1 + _CLEAR)
    return True if inside.all() else False if outside.any() else None


CROSSINGS = Family(draw_scene=draw_crossings)
