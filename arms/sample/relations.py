"""space-relate: questions on how two of some coloured shapes lie to each other."""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from arms.sample.canvas import COLOURS, Canvas
from arms.sample.conditions import Conditions
from arms.sample.lexicon import name_shape
from arms.sample.scene import Benchmark, Fact, verdict_fact
from arms.sample.shapes import SHAPES, Mark

Place = tuple[float, float]

_BYSTANDERS = {False: (0, 1), True: (7, 9)}  # shapes that no question names, by crowded, both ends included
_RADIUS = {False: 0.18, True: 0.09}  # of the picture's smaller side, by crowded
_OVERLAP_SHARE = 0.5
# In radii. Shapes at most 0.85 apart overlap whatever they are (each holds a disc of radius 0.45), those 2.2 apart
# never do; 0.4 along an axis is enough to tell left from right and above from below.
_OVERLAP_DISTANCE = (0.65, 0.85)
_CLEAR_DISTANCE = 2.2
_TELLING_DISTANCE = 0.4
_TRIALS = 60  # to find room for a bystander; without room it stays away


@dataclass(frozen=True, slots=True)
class RelationScene:
    """Two shapes of different colours, then bystanders; no two share both colour and kind."""

    marks: tuple[Mark, ...]

    def paint(self, canvas: Canvas) -> None:
        """Draw every mark, the second over the first where they overlap."""
        for mark in self.marks:
            mark.paint(canvas)

    def ask(self, task: str, rng: np.random.Generator) -> Fact:
        """Ask whether one of the two is left of or above the other, or whether they overlap."""
        a, b = self.marks[:2] if rng.random() < 0.5 else self.marks[1::-1]
        holds = {
            "left-of": a.x < b.x,
            "above": a.y < b.y,
            "overlap": math.dist((a.x, a.y), (b.x, b.y)) < _CLEAR_DISTANCE * a.radius,
        }
        return verdict_fact(task, holds[task], {"a": a.name, "b": b.name})

    def tell(self, language: str) -> tuple[str, ...]:
        """Say how far every shape is from the left side, which needs no words of a language."""
        return tuple(f"{name_shape(mark.name, language)}: x = {round(mark.x)}" for mark in self.marks)

    @property
    def amount(self) -> int:
        """The number of shapes."""
        return len(self.marks)


def draw_relation(conditions: Conditions, rng: np.random.Generator) -> RelationScene:
    """Place the two shapes, overlapping or apart, and the bystanders clear of both and of each other."""
    radius = _RADIUS[conditions.crowded] * min(conditions.size)
    low, high = _BYSTANDERS[conditions.crowded]
    places = _draw_pair(conditions.size, radius, rng)
    for _ in range(int(rng.integers(low, high + 1))):
        trials = (_draw_place(conditions.size, radius, rng) for _ in range(_TRIALS))
        room = next((trial for trial in trials if _nearest(trial, places) >= _CLEAR_DISTANCE * radius), None)
        if room is not None:
            places.append(room)
    return RelationScene(
        tuple(
            Mark(shape=shape, colour=colour, x=x, y=y, radius=radius, angle=conditions.tilt)
            for (colour, shape), (x, y) in zip(_draw_looks(len(places), rng), places, strict=True)
        )
    )


def _draw_looks(number: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Distinct pairs of colour and shape, the first two of different colours."""
    looks = list(product(COLOURS, SHAPES))
    drawn = [looks[index] for index in rng.permutation(len(looks)).tolist()]
    second = next(look for look in drawn if look[0] != drawn[0][0])
    drawn.remove(second)
    drawn.insert(1, second)
    return drawn[:number]


def _draw_pair(size: tuple[int, int], radius: float, rng: np.random.Generator) -> list[Place]:
    """Two places that plainly overlap or plainly do not, and that differ along both axes."""
    overlap = rng.random() < _OVERLAP_SHARE
    while True:
        first, second = _draw_place(size, radius, rng), _draw_place(size, radius, rng)
        if overlap:
            distance, turn = radius * rng.uniform(*_OVERLAP_DISTANCE), rng.uniform(0, 2 * math.pi)
            second = (first[0] + distance * math.cos(turn), first[1] + distance * math.sin(turn))
        inside = all(radius <= place <= side - radius for place, side in zip(second, size, strict=True))
        telling = min(abs(a - b) for a, b in zip(first, second, strict=True)) >= _TELLING_DISTANCE * radius
        if inside and telling and (overlap or math.dist(first, second) >= _CLEAR_DISTANCE * radius):
            return [first, second]


def _draw_place(size: tuple[int, int], radius: float, rng: np.random.Generator) -> Place:
    """A place where a mark of this radius lies within the picture."""
    return float(rng.uniform(radius, size[0] - radius)), float(rng.uniform(radius, size[1] - radius))


def _nearest(place: Place, others: list[Place]) -> float:
    """Distance to the nearest of the others, in px."""
    return min(math.dist(place, other) for other in others)


SPACE_RELATE = Benchmark(
    name="space-relate",
    tasks=("left-of", "above", "overlap"),
    told_tasks=("left-of",),
    comparison="more-shapes",
    draw_scene=draw_relation,
)
