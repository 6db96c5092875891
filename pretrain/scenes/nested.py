"""Figures within figures: how many, of what kinds, and what is outermost and innermost."""

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import draw_distinct
from pretrain.drawing.conditions import Conditions
from pretrain.drawing.figures import CONVEX_KINDS, outline
from pretrain.draws import between, pick, whole
from pretrain.facts import Fact, Term
from pretrain.scenes.base import Family, Labels, count_fact, most_frequent
from pretrain.scenes.shapes import Mark

_FEW, _MANY = (1, 4), (4, 8)
_KINDS = tuple(kind for kind in CONVEX_KINDS if kind not in ("semicircle", "trapezium"))
_OUTER = (0.36, 0.5)
_SMALLEST = 0.035
_RATIO = (0.55, 0.86)  # of a figure's radius to that of the one around it
_MIXED_SHARE, _SHIFTED_SHARE, _FILLED_SHARE, _ONE_COLOUR_SHARE = 0.25, 0.4, 0.3, 0.4
_SLACK = 0.9  # share of the room that a figure may take up


@dataclass(frozen=True, slots=True)
class NestedScene:
    """Figures, each within the one before it."""

    marks: tuple[Mark, ...]
    shifted: bool

    def paint(self, canvas: Canvas) -> None:
        """Draw from the outside in."""
        for mark in self.marks:
            mark.paint(canvas)

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """How deep the nesting is, and what it is made of."""
        kinds = {mark.kind for mark in self.marks}
        noun = next(iter(kinds)) if len(kinds) == 1 else "shape"
        facts = [
            count_fact("depth", len(self.marks), noun, (), rng),
            count_fact("layers", len(self.marks), "layer", (), rng),
        ]
        if len(self.marks) == 1:
            return [
                replace(facts[0], told=False, decoys={}),
                count_fact("count-some", 1, noun, (self.marks[0].colour,), rng),
            ]
        mark = pick(self.marks, rng)
        alike = sum(other.thing() == mark.thing() for other in self.marks)
        facts.append(count_fact("count-some", alike, mark.kind, (mark.colour,), rng))
        for name, extreme, other in (("outermost", 0, -1), ("innermost", -1, 0)):
            thing, decoy = self.marks[extreme].thing(), self.marks[other].thing()
            decoys = {"a": decoy} if decoy != thing else {}
            facts.append(Fact(name=name, fields={"a": thing}, answer=thing, decoys=decoys))
        aligned, wrong = ("shifted", "centred") if self.shifted else ("centred", "shifted")
        facts.append(
            Fact(
                name="alignment",
                fields={"align": Term("align", aligned)},
                answer=not self.shifted,
                decoys={"align": Term("align", wrong)},
            )
        )
        return facts

    def labels(self) -> Labels:
        """How deep the nesting is, and what most of the figures are."""
        return Labels(
            depth=len(self.marks),
            colour=most_frequent([mark.colour for mark in self.marks]),
            kind=most_frequent([mark.kind for mark in self.marks]),
        )


@cache
def inner_radius(kind: str) -> float:
    """Radius of the largest circle about the middle of a convex kind's outline that stays within it."""
    corners = outline(kind)
    edges = np.roll(corners, -1, axis=0) - corners
    crossed = corners[:, 0] * edges[:, 1] - corners[:, 1] * edges[:, 0]
    return float(np.min(np.abs(crossed) / np.hypot(*edges.T)))


def draw_nested(conditions: Conditions, rng: np.random.Generator) -> NestedScene:
    """Up to four figures, or more in a crowded picture, as far as they are large enough to be seen."""
    wanted = whole(*(_MANY if conditions.crowded else _FEW), rng)
    mixed = wanted < 5 and bool(rng.random() < _MIXED_SHARE)
    filled = bool(rng.random() < _FILLED_SHARE)
    shifted = wanted > 1 and bool(rng.random() < _SHIFTED_SHARE)
    names = draw_distinct(conditions.colours, 3, rng)
    if not filled and rng.random() < _ONE_COLOUR_SHARE:
        names = names[:1]
    ratio = between(*_RATIO, rng) if wanted < 5 else between(0.72, 0.86, rng)
    radius = between(*_OUTER, rng)
    turn = pick((0.0, 0.0, between(0, 90, rng)), rng)
    kind = pick(_KINDS, rng)
    marks = [Mark(kind=kind, colour=names[0], x=0.5, y=0.5, radius=radius, turn=turn, hollow=not filled)]
    while len(marks) < wanted:
        kind = pick(_KINDS, rng) if mixed else kind
        inner = _draw_inner(marks[-1], kind, names[len(marks) % len(names)], ratio, shifted, rng)
        if inner.radius < _SMALLEST:
            break
        marks.append(inner)
    return NestedScene(tuple(marks), shifted and len(marks) > 1)


def _draw_inner(outer: Mark, kind: str, colour: str, ratio: float, shifted: bool, rng: np.random.Generator) -> Mark:
    """A figure within another: of the same kind and turned alike it fits at any ratio, else within a circle."""
    free = inner_radius(outer.kind) * outer.radius
    if kind == outer.kind:
        radius = ratio * outer.radius
        slack = free * (1 - ratio)
    else:
        radius = _SLACK * min(ratio + 0.15, 1.0) * free
        slack = free - radius
    way, reach = between(0, 2 * math.pi, rng), between(0.5, _SLACK, rng) * slack if shifted else 0.0
    return Mark(
        kind=kind,
        colour=colour,
        x=outer.x + reach * math.cos(way),
        y=outer.y + reach * math.sin(way),
        radius=radius,
        turn=outer.turn,
        hollow=outer.hollow,
    )


NESTED = Family(draw_scene=draw_nested)
