"""Two figures that touch, overlap or stay apart."""

import math
from dataclasses import dataclass, replace

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import draw_distinct
from pretrain.drawing.conditions import Conditions
from pretrain.drawing.figures import CONVEX_KINDS, place_figure
from pretrain.draws import between, pick, pick_other, pick_weighted
from pretrain.facts import Fact, Listing, Term
from pretrain.scenes.base import Family, Labels, count_fact, most_frequent
from pretrain.scenes.shapes import Mark

STATES = ("touching", "overlapping", "apart")
_CIRCLES_SHARE = 0.45
_SAME_COLOUR_SHARE = 0.35
_HOLLOW_SHARE = 0.5
_RADIUS = (0.09, 0.24)
_NARROW, _WIDE = (0.045, 0.08), (0.13, 0.34)
_DEPTH = (0.25, 0.9)  # of the smaller radius, by which the two overlap
_LARGEST_SPAN = 0.94
_BIGGER = 1.25  # ratio of radii from which one is called bigger
_HALVINGS = 18


@dataclass(frozen=True, slots=True)
class TouchingScene:
    """Two convex figures; `gap` is the way one would have to move to touch the other, negative if they overlap."""

    marks: tuple[Mark, Mark]
    state: str
    gap: float

    def paint(self, canvas: Canvas) -> None:
        """Draw both, the second over the first; if both are filled and of one colour, each has a rim."""
        for mark in self.marks:
            mark.paint(canvas)
        if not self.marks[0].hollow and self.marks[0].colour == self.marks[1].colour:
            for mark in self.marks:
                canvas.close(_corners(mark), canvas.ink, 0.006)

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """How the two stand to each other, and what they are."""
        one, other = self.marks
        state = Term("state", self.state)
        wrong = Term("state", pick_other(STATES, self.state, rng))
        facts = [
            Fact(
                name="contact",
                fields={"state": state},
                answer=state,
                decoys={"state": wrong},
                choices=tuple(Term("state", name) for name in STATES),
            ),
            Fact(name="gap", answer=self.state == "apart"),
            Fact(name="joined", answer=self.state != "apart"),
        ]
        if one.thing() == other.thing():
            facts.append(count_fact("count-some", 2, one.kind, (one.colour,), rng))
        else:
            things = {"a": one.thing(), "b": other.thing()}
            facts.append(Fact(name="pair", fields=things, answer=Listing((*things.values(),))))
            larger, smaller = sorted(self.marks, key=lambda mark: -mark.radius)
            if larger.radius >= _BIGGER * smaller.radius:
                a, b = larger.thing(), smaller.thing()
                decoys = {"a": b, "b": a}
                facts.append(Fact(name="bigger", fields={"a": a, "b": b}, answer=a, decoys=decoys, choices=(a, b)))
        if self.state == "apart":
            facts.append(Fact(name="narrow-gap" if self.gap <= _NARROW[1] else "wide-gap"))
        return facts

    def labels(self) -> Labels:
        """Whether they touch, and what they have in common."""
        return Labels(
            count=2,
            contact=self.state,
            colour=most_frequent([mark.colour for mark in self.marks]),
            kind=most_frequent([mark.kind for mark in self.marks]),
        )


def draw_touching(conditions: Conditions, rng: np.random.Generator) -> TouchingScene:
    """Two figures at random, moved along a random direction until their state holds."""
    colours = draw_distinct(conditions.colours, 2, rng)
    if rng.random() < _SAME_COLOUR_SHARE:
        colours = [colours[0]] * 2
    circles = rng.random() < _CIRCLES_SHARE
    hollow = bool(rng.random() < _HOLLOW_SHARE)
    marks = [
        Mark(
            kind="circle" if circles else pick(CONVEX_KINDS, rng),
            colour=name,
            x=0.0,
            y=0.0,
            radius=between(*_RADIUS, rng),
            turn=0.0 if circles else pick((0.0, between(0, 360, rng)), rng),
            hollow=hollow,
        )
        for name in colours
    ]
    state = pick(STATES, rng)
    smaller = min(mark.radius for mark in marks)
    gap = {
        "touching": 0.0,
        "overlapping": -smaller * between(*_DEPTH, rng),
        "apart": between(*pick_weighted({_NARROW: 0.5, _WIDE: 0.5}, rng), rng),
    }[state]
    turn = between(0, 2 * math.pi, rng)
    way = np.array([math.cos(turn), math.sin(turn)])
    reach = contact_distance(_corners(marks[0]), _corners(marks[1]), way) + gap
    return TouchingScene(_centre(marks[0], _moved(marks[1], way * reach), rng), state, gap)


def contact_distance(still: np.ndarray, moving: np.ndarray, way: np.ndarray) -> float:
    """How far a convex figure that lies over another must move along `way`, a unit vector, until they only touch.

    Parameters
    ----------
    still, moving : ndarray of shape (corners, 2)
    way : ndarray of shape (2,)
    """
    low, high = 0.0, 4.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if overlap(still, moving + way * middle):
            low = middle
        else:
            high = middle
    return high


def overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two convex figures have an inner point in common: no edge of either separates them."""
    for figure in (one, other):
        edges = np.roll(figure, -1, axis=0) - figure
        normals = np.stack([-edges[:, 1], edges[:, 0]])
        mine, theirs = one @ normals, other @ normals
        if ((mine.max(axis=0) <= theirs.min(axis=0)) | (theirs.max(axis=0) <= mine.min(axis=0))).any():
            return False
    return True


def _corners(mark: Mark) -> np.ndarray:
    return place_figure(mark.kind, (mark.x, mark.y), mark.radius, mark.turn)


def _moved(mark: Mark, step: np.ndarray, scale: float = 1.0) -> Mark:
    x, y = (float(place * scale + way) for place, way in zip((mark.x, mark.y), step, strict=True))
    return replace(mark, x=x, y=y, radius=mark.radius * scale)


def _centre(one: Mark, other: Mark, rng: np.random.Generator) -> tuple[Mark, Mark]:
    """The pair within the unit square, shrunk if it must be."""
    corners = np.concatenate([_corners(one), _corners(other)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = min(1.0, _LARGEST_SPAN / float((high - low).max()))
    room = 1 - 0.04 - (high - low) * scale
    step = 0.02 + room * rng.random(2) - low * scale
    return _moved(one, step, scale), _moved(other, step, scale)


TOUCHING = Family(draw_scene=draw_touching, untold=("stroke", "crowded"))
