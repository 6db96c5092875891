"""Points joined by coloured routes: how many lead from one to another, and in which colours."""

import math
import string
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import COLOURS, draw_distinct
from pretrain.drawing.conditions import Conditions
from pretrain.drawing.fonts import PLAIN_FONTS, Font
from pretrain.draws import between, pick, pick_other, pick_some, whole
from pretrain.facts import Fact, Listing, Value, colour
from pretrain.scenes.base import Family, Labels, count_fact, most_frequent

_NAMES = ("Ada", "Bo", "Cem", "Dov", "Eli", "Fay", "Gus", "Hal", "Ida", "Jo", "Kim", "Leo", "Max", "Noa", "Pia", "Rio")
_LABELS = (tuple(string.ascii_uppercase), tuple(str(number) for number in range(1, 10)), _NAMES)
_FEW, _MANY = (3, 4), (4, 6)
_MOST_BETWEEN = 3  # routes that join the same two points
_BOW = 0.13  # between neighbouring routes of the same two points, in units of the picture's side
_STEPS = 14  # stretches of a bowed route
_POINT, _WIDTH = 0.052, 0.012
_TEXT = 0.1


@dataclass(frozen=True, slots=True)
class Route:
    """A route between the points of two numbers; `bow` is how far its middle lies off the straight line."""

    ends: tuple[int, int]
    colour: str
    bow: float
    angular: bool

    def course(self, points: np.ndarray) -> np.ndarray:
        """Its corners, shape (corners, 2)."""
        start, end = points[self.ends[0]], points[self.ends[1]]
        along = end - start
        aside = np.array([-along[1], along[0]]) / math.hypot(*along) * self.bow
        if self.angular:
            return np.stack([start, start + 0.25 * along + aside, start + 0.75 * along + aside, end])
        share = np.linspace(0, 1, _STEPS + 1)[:, None]
        return start + share * along + 4 * share * (1 - share) * aside


@dataclass(frozen=True, slots=True)
class PathsScene:
    """Points with labels, shape (points, 2), and routes between them."""

    points: np.ndarray
    names: tuple[str, ...]
    routes: tuple[Route, ...]
    font: Font

    def paint(self, canvas: Canvas) -> None:
        """Draw the routes, then the points with their labels over them."""
        for route in self.routes:
            canvas.line(route.course(self.points), canvas.shade(route.colour), _WIDTH)
        short = max(map(len, self.names)) == 1
        for (x, y), name in zip(self.points.tolist(), self.names, strict=True):
            if short:
                canvas.disc((x, y), _POINT + 0.012, canvas.ink)
                canvas.disc((x, y), _POINT, canvas.conditions.ground)
                canvas.text(name, (x, y), _TEXT, self.font, canvas.ink)
            else:
                canvas.disc((x, y), _POINT / 2, canvas.ink)
                beside = (min(0.88, max(0.12, x)), y + 0.85 * _TEXT * (1 if y > 0.5 else -1))
                canvas.text(name, beside, _TEXT, self.font, canvas.ink)

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """Routes between two points, from one, and in all."""
        pairs = pick_some(list(combinations(range(len(self.names)), 2)), 3, rng)
        facts = [fact for pair in pairs for fact in self._between(pair, rng)]
        start = whole(0, len(self.names) - 1, rng)
        leaving = count_fact("leaving", self._leaving(start), "route", (), rng)
        named: dict[str, Value] = {**leaving.fields, "p": self.names[start]}
        facts += [
            replace(leaving, fields=named),
            count_fact("count-some", len(self.routes), "route", (), rng),
            self._labelled(rng),
        ]
        busiest = most_frequent([self.names[end] for route in self.routes for end in route.ends])
        if busiest:
            decoy = pick_other(self.names, busiest, rng)
            facts.append(Fact(name="busiest", fields={"p": busiest}, answer=busiest, decoys={"p": decoy}))
        return facts

    def labels(self) -> Labels:
        """The number of points and of routes."""
        return Labels(
            count=len(self.names),
            routes=len(self.routes),
            colour=most_frequent([route.colour for route in self.routes]),
        )

    def _leaving(self, point: int) -> int:
        return sum(point in route.ends for route in self.routes)

    def _labelled(self, rng: np.random.Generator) -> Fact:
        labels = Listing(tuple(sorted(self.names)))
        counted = count_fact("labels", len(self.names), "point", (), rng)
        return Fact(name="labels", fields={**counted.fields, "labels": labels}, answer=labels)

    def _between(self, pair: tuple[int, int], rng: np.random.Generator) -> list[Fact]:
        """What joins two points, named in either order."""
        ends = {"p": self.names[pair[0]], "q": self.names[pair[1]]}
        if rng.random() < 0.5:
            ends = {"p": ends["q"], "q": ends["p"]}
        joining = [route for route in self.routes if set(route.ends) == set(pair)]
        counted = count_fact("routes-between", len(joining), "route", (), rng)
        facts = [
            Fact(name="linked", fields=ends, answer=bool(joining)),
            replace(counted, fields={**counted.fields, **ends}, decoys=counted.decoys if joining else {}),
        ]
        if not joining:
            facts.append(Fact(name="unlinked", fields=ends))
        if len(joining) == 1:
            name = joining[0].colour
            wrong = colour(pick_other(COLOURS, name, rng))
            fields: dict[str, Value] = {**ends, "colour": colour(name)}
            facts.append(Fact(name="route-colour", fields=fields, answer=colour(name), decoys={"colour": wrong}))
        return facts


def draw_paths(conditions: Conditions, rng: np.random.Generator) -> PathsScene:
    """Points around the middle, some of them joined by up to three routes."""
    num = whole(*(_MANY if conditions.crowded else _FEW), rng)
    turns = 2 * math.pi * (np.arange(num) + rng.uniform(-0.18, 0.18, size=num)) / num + between(0, 2 * math.pi, rng)
    reach = rng.uniform(0.34, 0.42, size=num)
    points = 0.5 + np.stack([reach * np.cos(turns), reach * np.sin(turns)], axis=1)
    names = draw_distinct(conditions.colours, whole(1, 5, rng), rng)
    angular = bool(rng.random() < 0.4)
    pairs = list(combinations(range(num), 2))
    joined = pick_some(pairs, whole(1, min(len(pairs), num + 1), rng), rng)
    routes = []
    for pair in joined:
        several = pick((1, 1, 1, 2, 2, _MOST_BETWEEN), rng)
        bows = _BOW * (np.arange(several) - (several - 1) / 2)
        routes += [Route(pair, pick(names, rng), bow, angular) for bow in bows.tolist()]
    labels = tuple(pick_some(pick(_LABELS, rng), num, rng))
    return PathsScene(points, labels, tuple(routes), pick(PLAIN_FONTS, rng))


PATHS = Family(draw_scene=draw_paths)
