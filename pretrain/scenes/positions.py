"""Things in places: where one is in the picture, and where one lies as seen from another."""

from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import draw_distinct
from pretrain.drawing.conditions import Conditions
from pretrain.drawing.figures import KINDS
from pretrain.draws import between, pick, pick_some, whole
from pretrain.facts import Fact, Term
from pretrain.scenes.base import Family, Labels, count_fact
from pretrain.scenes.shapes import Mark

_NAMES = (("top-left", "top", "top-right"), ("left", "centre", "right"), ("bottom-left", "bottom", "bottom-right"))
_PLACES = tuple(name for row in _NAMES for name in row)
_OPPOSITES = {"left": "right", "right": "left", "upper": "lower", "lower": "upper"}
_RADIUS = (0.07, 0.12)
_JITTER = 0.045
_HOLLOW_SHARE = 0.2
_CLEAR = 0.18  # how far two must lie apart along an axis for one to be further along it
_LEVEL = 0.1  # how little, for them to be level


@dataclass(frozen=True, slots=True)
class PositionsScene:
    """Things of different colours, each near the middle of a ninth of the picture of its own."""

    marks: tuple[Mark, ...]

    def paint(self, canvas: Canvas) -> None:
        """Draw every thing."""
        for mark in self.marks:
            mark.paint(canvas)

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """Places in the picture, extremes, and the relation of two."""
        shuffled = pick_some(self.marks, len(self.marks), rng)
        facts = [_where(mark, rng) for mark in shuffled[:2]]
        facts.append(count_fact("count-all", len(self.marks), "shape", (), rng))
        facts += [half for mark in shuffled[:2] for half in _halves(mark)]
        for one, other in pairwise(shuffled[:3]):
            facts += _relation(one, other, rng)
        return facts + self._extremes()

    def labels(self) -> Labels:
        """The number of things, and all about the only one."""
        only = self.marks[0] if len(self.marks) == 1 else None
        return Labels(
            count=len(self.marks),
            colour=only.colour if only else None,
            kind=only.kind if only else None,
            place=place_name(only) if only else None,
        )

    def _extremes(self) -> list[Fact]:
        """The first and last along either axis, where they are clear."""
        facts = []
        for axis, (first, last) in (("x", ("leftmost", "rightmost")), ("y", ("topmost", "bottommost"))):
            ranked = sorted(self.marks, key=attrgetter(axis))
            gaps = [getattr(after, axis) - getattr(before, axis) for before, after in pairwise(ranked)]
            for name, extreme, gap in ((first, ranked[0], gaps[:1]), (last, ranked[-1], gaps[-1:])):
                if gap and gap[0] >= _CLEAR:
                    facts.append(Fact(name=name, fields={"a": extreme.thing()}, answer=extreme.thing()))
        return facts


def place_name(mark: Mark) -> str:
    """The ninth of the picture in which it lies."""
    return _NAMES[min(2, int(mark.y * 3))][min(2, int(mark.x * 3))]


def _where(mark: Mark, rng: np.random.Generator) -> Fact:
    """Where it is; false claims and choices name other places."""
    place = place_name(mark)
    others = [Term("place", name) for name in pick_some(_PLACES, 4, rng) if name != place]
    return Fact(
        name="where",
        fields={"a": mark.thing(), "place": Term("place", place)},
        answer=Term("place", place),
        decoys={"place": others[0]},
        choices=(Term("place", place), *others[:3]),
    )


def _halves(mark: Mark) -> list[Fact]:
    """The halves in which it plainly lies."""
    place = place_name(mark)
    sides = {"left": "left", "right": "right", "top": "upper", "bottom": "lower"}
    halves = [half for part, half in sides.items() if part in place]
    return [
        Fact(
            name="half",
            fields={"a": mark.thing(), "half": Term("half", half)},
            answer=Term("half", half),
            decoys={"half": Term("half", _OPPOSITES[half])},
            choices=(Term("half", half), Term("half", _OPPOSITES[half])),
        )
        for half in halves
    ]


def _relation(one: Mark, other: Mark, rng: np.random.Generator) -> list[Fact]:
    """The way from the other to the one, and which of the two comes first along an axis."""
    way = direction(one.x - other.x, one.y - other.y)
    facts = []
    if way:
        wrong = [Term("direction", name) for name in pick_some(_PLACES, 4, rng) if name not in (way, "centre")]
        facts.append(
            Fact(
                name="direction",
                fields={"a": one.thing(), "b": other.thing(), "way": Term("direction", way)},
                answer=Term("direction", way),
                decoys={"way": wrong[0]},
                choices=(Term("direction", way), *wrong[:2]),
            )
        )
    for name, axis in (("further-left", "x"), ("further-up", "y")):
        first, last = sorted((one, other), key=attrgetter(axis))
        if getattr(last, axis) - getattr(first, axis) >= _CLEAR:
            a, b = first.thing(), last.thing()
            facts.append(
                Fact(name=name, fields={"a": a, "b": b}, answer=a, decoys={"a": b, "b": a}, choices=(a, b), closed=True)
            )
    return facts


def direction(right: float, down: float) -> str | None:
    """The name of a direction; None if it lies between two names."""
    sides = []
    for step, names in ((down, ("top", "bottom")), (right, ("left", "right"))):
        if abs(step) >= _CLEAR:
            sides.append(names[step > 0])
        elif abs(step) > _LEVEL:
            return None
    return "-".join(sides) or None


def draw_positions(conditions: Conditions, rng: np.random.Generator) -> PositionsScene:
    """One to three things, or up to five in a crowded picture, no two alike in colour."""
    colours = draw_distinct(conditions.colours, whole(3, 5, rng) if conditions.crowded else whole(1, 3, rng), rng)
    kinds = pick_some(KINDS, len(colours), rng)
    if rng.random() < 0.25:
        kinds = [kinds[0]] * len(colours)
    cells = pick_some([(column, row) for column in range(3) for row in range(3)], len(colours), rng)
    hollow = bool(rng.random() < _HOLLOW_SHARE)
    return PositionsScene(
        tuple(
            Mark(
                kind=kind,
                colour=name,
                x=(column + 0.5) / 3 + between(-_JITTER, _JITTER, rng),
                y=(row + 0.5) / 3 + between(-_JITTER, _JITTER, rng),
                radius=between(*_RADIUS, rng),
                turn=pick((0.0, 0.0, between(0, 360, rng)), rng),
                hollow=hollow,
            )
            for kind, name, (column, row) in zip(kinds, colours, cells, strict=True)
        )
    )


POSITIONS = Family(draw_scene=draw_positions, still=True, untold=("stroke",))
