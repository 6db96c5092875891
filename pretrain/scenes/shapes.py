"""Shapes to be counted: all of them, those of a colour, of a kind or of both."""

import math
from dataclasses import dataclass

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import COLOURS, draw_distinct
from pretrain.drawing.conditions import Conditions
from pretrain.drawing.figures import KINDS, place_figure
from pretrain.draws import between, pick, pick_other, pick_some, pick_weighted, whole
from pretrain.facts import Fact, Term, Thing, Things, colour
from pretrain.scenes.base import Family, Labels, count_fact, most_frequent

_FEW, _MANY = (1, 6), (6, 15)
_LAYOUTS = {"scattered": 0.6, "row": 0.1, "column": 0.08, "ring": 0.08, "grid": 0.1, "diagonal": 0.04}
_FEWEST_LAID_OUT = 4  # shapes that show a layout
_LONGEST_LINE = 8  # shapes in a row, a column or on a diagonal
_HOLLOW_SHARE, _UPRIGHT_SHARE, _GIANT_SHARE = 0.22, 0.55, 0.2
_GIANT = 1.8  # how much larger the largest shape is than any other, where one stands out
_HOLLOW_WIDTH = 0.016

Places = tuple[np.ndarray, float]  # centres, shape (shapes, 2), and the largest radius that keeps them apart


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One shape, in units of the picture's side."""

    kind: str
    colour: str
    x: float
    y: float
    radius: float
    turn: float = 0.0  # degrees clockwise
    hollow: bool = False

    def thing(self) -> Thing:
        """What it is called."""
        return Thing(self.kind, (self.colour,))

    def paint(self, canvas: Canvas) -> None:
        """Draw it, filled or as an outline."""
        corners = place_figure(self.kind, (self.x, self.y), self.radius, self.turn)
        if self.hollow:
            canvas.close(corners, canvas.shade(self.colour), _HOLLOW_WIDTH)
        else:
            canvas.fill(corners, canvas.shade(self.colour))


@dataclass(frozen=True, slots=True)
class ShapesScene:
    """Shapes that do not touch; `giant` says that the first is clearly the largest."""

    marks: tuple[Mark, ...]
    layout: str
    giant: bool = False

    def paint(self, canvas: Canvas) -> None:
        """Draw every shape."""
        for mark in self.marks:
            mark.paint(canvas)

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """Counts above all."""
        facts = [count_fact("count-all", len(self.marks), "shape", (), rng), *self._groups(rng), *self._presence(rng)]
        colours = [mark.colour for mark in self.marks]
        facts.append(count_fact("variety", len(set(colours)), "colour", (), rng))
        facts.append(count_fact("variety", len({mark.kind for mark in self.marks}), "kind", (), rng))
        if len(set(colours)) > 1 and (most := most_frequent(colours)):
            decoy = colour(pick_other(COLOURS, most, rng))
            facts.append(
                Fact(name="most-colour", fields={"colour": colour(most)}, answer=colour(most), decoys={"colour": decoy})
            )
        if len(self.marks) >= _FEWEST_LAID_OUT:
            layouts = tuple(Term("layout", name) for name in pick_some([*_LAYOUTS], 6, rng) if name != self.layout)[:2]
            layout = Term("layout", self.layout)
            fields = {"layout": layout}
            facts.append(Fact(name="layout", fields=fields, answer=layout, choices=(layout, *layouts)))
        if self.giant:
            facts.append(Fact(name="largest", fields={"a": self.marks[0].thing()}, answer=self.marks[0].thing()))
        looks = {mark.hollow for mark in self.marks}
        if len(looks) == 1:
            look = Term("trait", "hollow" if looks == {True} else "solid")
            facts.append(Fact(name="all-look", fields={"look": look}, answer=look))
        return facts

    def labels(self) -> Labels:
        """The number of shapes and what most of them are."""
        return Labels(
            count=len(self.marks),
            colour=most_frequent([mark.colour for mark in self.marks]),
            kind=most_frequent([mark.kind for mark in self.marks]),
        )

    def _groups(self, rng: np.random.Generator) -> list[Fact]:
        """Counts of a colour, of a kind and of both, and which of two sorts there are more of."""
        mark = pick(self.marks, rng)
        of_colour = sum(other.colour == mark.colour for other in self.marks)
        of_kind = sum(other.kind == mark.kind for other in self.marks)
        of_both = sum(other.thing() == mark.thing() for other in self.marks)
        facts = [
            count_fact("count-some", of_colour, "shape", (mark.colour,), rng),
            count_fact("count-some", of_kind, mark.kind, (), rng),
            count_fact("count-some", of_both, mark.kind, (mark.colour,), rng),
        ]
        if of_kind < len(self.marks):
            facts += self._comparison(mark.kind, rng)
        return facts

    def _comparison(self, kind: str, rng: np.random.Generator) -> list[Fact]:
        """Which there are more of: this kind or another that is there, if their numbers differ."""
        kinds = [mark.kind for mark in self.marks]
        other = pick(sorted(set(kinds) - {kind}), rng)
        if kinds.count(kind) == kinds.count(other):
            return []
        more, fewer = sorted((kind, other), key=kinds.count, reverse=True)
        sorts = {"a": Things(2, more), "b": Things(2, fewer)}
        decoys = {"a": sorts["b"], "b": sorts["a"]}
        return [
            Fact(name="more", fields=sorts, answer=sorts["a"], decoys=decoys, choices=(*sorts.values(),), closed=True)
        ]

    def _presence(self, rng: np.random.Generator) -> list[Fact]:
        """Something to look for that is there, and something that is not."""
        there = {mark.thing() for mark in self.marks}
        sought = [pick(self.marks, rng).thing(), Thing(pick(KINDS, rng), (pick(COLOURS, rng),))]
        facts = [Fact(name="exists", fields={"a": thing}, answer=thing in there) for thing in sought]
        if sought[1] not in there:
            facts.append(count_fact("count-some", 0, sought[1].noun, sought[1].traits, rng))
        return facts


def draw_shapes(conditions: Conditions, rng: np.random.Generator) -> ShapesScene:
    """A few shapes, or many in a crowded picture, of up to three colours and kinds."""
    num = whole(*(_MANY if conditions.crowded else _FEW), rng)
    layout = pick_weighted(_LAYOUTS, rng)
    if num < _FEWEST_LAID_OUT or (layout in ("row", "column", "diagonal") and num > _LONGEST_LINE):
        layout = "scattered"
    centres, radius = place_shapes(layout, num, rng)
    giant = 1 < num <= _FEW[1] and bool(rng.random() < _GIANT_SHARE)
    colours = draw_distinct(conditions.colours, whole(1, 3, rng), rng)
    kinds = pick_some(KINDS, whole(1, 3, rng), rng)
    look = rng.random()
    hollow = look < _HOLLOW_SHARE
    mixed = look > 1 - _HOLLOW_SHARE / 2
    turned = rng.random() > _UPRIGHT_SHARE
    marks = tuple(
        Mark(
            kind=pick(kinds, rng),
            colour=pick(colours, rng),
            x=x,
            y=y,
            radius=radius * _draw_size(giant, index, rng),
            turn=between(0, 360, rng) if turned else 0.0,
            hollow=bool(rng.random() < 0.5) if mixed else hollow,
        )
        for index, (x, y) in enumerate(centres.tolist())
    )
    return ShapesScene(marks, layout, giant)


def _draw_size(giant: bool, index: int, rng: np.random.Generator) -> float:
    """A shape's share of the largest radius there is room for."""
    if not giant:
        return between(0.7, 1.0, rng)
    return 1.0 if index == 0 else between(0.65, 1.0, rng) / _GIANT


def place_shapes(layout: str, num: int, rng: np.random.Generator) -> Places:
    """Centres of `num` shapes within the unit square, in random order."""
    steps = np.arange(num)
    if layout == "ring":
        turns = 2 * math.pi * (steps / num + rng.random())
        radius = min(0.2, 0.5 * math.sin(math.pi / num) / (1 + math.sin(math.pi / num)))
        reach = 0.5 - radius
        return 0.5 + reach * np.stack([np.cos(turns), np.sin(turns)], axis=1), 0.85 * radius
    if layout in ("row", "column", "diagonal"):
        along = (steps + 0.5) / num
        across = along if layout == "diagonal" else np.full(num, between(0.3, 0.7, rng))
        centres = np.stack([along, across] if layout != "column" else [across, along], axis=1)
        return centres, 0.44 / num
    columns = max(1, math.ceil(math.sqrt(num if layout == "grid" else 1.5 * num)))
    rows = math.ceil(num / columns) if layout == "grid" else columns
    cells = steps if layout == "grid" else np.array(pick_some(range(columns * rows), num, rng))
    radius = 0.36 / max(columns, rows)
    jitter = np.zeros((num, 2)) if layout == "grid" else rng.uniform(-0.12, 0.12, size=(num, 2)) / columns
    return (np.stack([cells % columns, cells // columns], axis=1) + 0.5) / (columns, rows) + jitter, radius


SHAPES = Family(draw_scene=draw_shapes, untold=("stroke",))
