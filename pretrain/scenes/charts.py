"""Charts of bars, lines and slices: what is largest, smallest, rising, and how much."""

import string
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import COLOURS, draw_distinct
from pretrain.drawing.conditions import Conditions
from pretrain.drawing.fonts import PLAIN_FONTS, Font, text_width
from pretrain.draws import pick, pick_other, pick_some, pick_weighted, whole
from pretrain.facts import Fact, Listing, Term, Value, colour
from pretrain.scenes.base import Family, Labels, count_fact
from pretrain.scenes.writing import draw_name

_KINDS = {"columns": 0.36, "bars": 0.2, "line": 0.22, "pie": 0.22}
_NOUNS = {"columns": "bar", "bars": "bar", "line": "datum", "pie": "slice"}
_FEW, _MANY = (2, 4), (5, 8)
_MONTHS = tuple("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
_TOPS = (10, 20, 50, 100, 200)
_STEPS = 20  # distinct levels that values take
_PRINTED_SHARE = 0.45  # charts with the values written in them
_PLOT = (0.17, 0.07, 0.97, 0.84)  # left, top, right and bottom of the area of the values
_TEXT = 0.105
_PIE_RADIUS = 0.36
_ARC_STEP = 0.12  # rad between the corners of a slice


@dataclass(frozen=True, kw_only=True, slots=True)
class ChartScene:
    """Values with their labels.

    Attributes
    ----------
    colours : tuple of str
        Of each bar or slice; a line has one, and bars may share one.
    top : int
        The end of the axis of values.
    printed : bool
        Whether each value is written beside its bar, point or slice.
    """

    kind: str
    names: tuple[str, ...]
    values: tuple[int, ...]
    colours: tuple[str, ...]
    top: int
    font: Font
    printed: bool

    def paint(self, canvas: Canvas) -> None:
        """Draw the chart of its kind."""
        if self.kind == "pie":
            self._paint_pie(canvas)
        elif self.kind == "bars":
            self._paint_bars(canvas)
        else:
            self._paint_upright(canvas)

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """Extremes, values, comparisons and labels."""
        chart, others = Term("chart", self.kind), [Term("chart", kind) for kind in _KINDS if kind != self.kind]
        counted = count_fact("chart-kind", len(self.names), _NOUNS[self.kind], (), rng)
        facts = [
            replace(counted, fields={**counted.fields, "chart": chart}, answer=chart, choices=(chart, *others)),
            count_fact("count-some", len(self.names), _NOUNS[self.kind], (), rng),
            Fact(name="chart-labels", fields={"labels": Listing(self.names)}, answer=Listing(self.names)),
            *self._extremes(rng),
        ]
        if self.printed:
            row = whole(0, len(self.names) - 1, rng)
            wrong = pick_other(range(1, self.top + 1), self.values[row], rng)
            fields: dict[str, Value] = {"label": self.names[row], "value": self.values[row]}
            facts.append(Fact(name="chart-value", fields=fields, answer=self.values[row], decoys={"value": wrong}))
        if len(set(self.colours)) == len(self.names):
            facts.append(self._coloured(rng))
        if self.kind in ("line", "columns") and len(self.names) > 2:
            trend = Term("trend", self.trend())
            facts.append(Fact(name="chart-trend", fields={"trend": trend}, answer=trend))
        return facts

    def labels(self) -> Labels:
        """The kind of chart, the number of values, and the largest."""
        return Labels(
            chart=self.kind,
            count=len(self.names),
            largest=self.names[self.values.index(max(self.values))],
            colour=self.colours[0] if len(set(self.colours)) == 1 else None,
        )

    def trend(self) -> str:
        """Rising or falling throughout, or mixed."""
        steps = {after > before for before, after in pairwise(self.values)}
        return "mixed" if len(steps) > 1 else "rising" if steps == {True} else "falling"

    def _extremes(self, rng: np.random.Generator) -> list[Fact]:
        """The largest and the smallest, and two values compared."""
        ranked = sorted(self.names, key=lambda name: self.values[self.names.index(name)])
        facts = [
            Fact(
                name=name,
                fields={"label": ranked[place]},
                answer=ranked[place],
                decoys={"label": pick_other(ranked, ranked[place], rng)},
            )
            for name, place in (("chart-smallest", 0), ("chart-largest", -1))
        ]
        less, more = sorted(pick_some(range(len(ranked)), 2, rng))
        return [*facts, _comparison(ranked[more], ranked[less])]

    def _coloured(self, rng: np.random.Generator) -> Fact:
        row = whole(0, len(self.names) - 1, rng)
        name = colour(self.colours[row])
        wrong = colour(pick_other(COLOURS, self.colours[row], rng))
        fields: dict[str, Value] = {"label": self.names[row], "colour": name}
        return Fact(name="chart-colour", fields=fields, answer=name, decoys={"colour": wrong})

    def _text(self, canvas: Canvas, text: str, x: float, y: float, room: float = 1.0) -> None:
        """A label on its centre, small enough for its room."""
        height = min(_TEXT, room / text_width(text, self.font))
        canvas.text(text, (x, y), height, self.font, canvas.ink)

    def _paint_upright(self, canvas: Canvas) -> None:
        """Bars from the bottom up, or a line from left to right."""
        left, top, right, bottom = _PLOT
        slot = (right - left) / len(self.names)
        x = left + slot * (np.arange(len(self.names)) + 0.5)
        y = bottom - (bottom - top) * np.array(self.values) / self.top
        if self.kind == "line":
            canvas.line(np.stack([x, y], axis=1), canvas.shade(self.colours[0]), 0.016)
        for place, height, name, value, shade in zip(x, y, self.names, self.values, self.colours, strict=True):
            if self.kind == "columns":
                canvas.fill(_box(place - 0.36 * slot, height, place + 0.36 * slot, bottom), canvas.shade(shade))
            else:
                canvas.disc((float(place), float(height)), 0.02, canvas.shade(shade))
            self._text(canvas, name, place, bottom + 0.08, 0.95 * slot)
            if self.printed:
                self._text(canvas, str(value), place, height - 0.055, 0.95 * slot)
        canvas.line(np.array([(left, top), (left, bottom), (right, bottom)]), canvas.ink, 0.009)
        for value in () if self.printed else (0, self.top // 2, self.top):
            self._text(canvas, str(value), left - 0.085, bottom - (bottom - top) * value / self.top, 0.14)

    def _paint_bars(self, canvas: Canvas) -> None:
        """Bars from the left, one below another."""
        left, top, right, bottom = 0.24, 0.04, 0.82 if self.printed else 0.96, 0.96
        slot = (bottom - top) / len(self.names)
        for number, (name, value, shade) in enumerate(zip(self.names, self.values, self.colours, strict=True)):
            y = top + slot * (number + 0.5)
            end = left + (right - left) * value / self.top
            canvas.fill(_box(left, y - 0.36 * slot, end, y + 0.36 * slot), canvas.shade(shade))
            self._text(canvas, name, left - 0.12, y, 0.21)
            if self.printed:
                self._text(canvas, str(value), end + 0.08, y, 0.15)
        canvas.line(np.array([(left, top), (left, bottom)]), canvas.ink, 0.009)

    def _paint_pie(self, canvas: Canvas) -> None:
        """Slices clockwise from the top, labels around them."""
        ends = -np.pi / 2 + 2 * np.pi * np.cumsum([0, *self.values]) / sum(self.values)
        for name, value, shade, (start, end) in zip(self.names, self.values, self.colours, pairwise(ends), strict=True):
            turns = np.linspace(start, end, max(2, int((end - start) / _ARC_STEP) + 2))
            rim = 0.5 + _PIE_RADIUS * np.stack([np.cos(turns), np.sin(turns)], axis=1)
            canvas.fill(np.concatenate([[(0.5, 0.5)], rim]), canvas.shade(shade))
            canvas.line(np.stack([[0.5, 0.5], rim[0]]), canvas.conditions.ground, 0.008)
            middle = np.array([np.cos((start + end) / 2), np.sin((start + end) / 2)])
            beside, inside = 0.5 + 0.44 * middle, 0.5 + 0.6 * _PIE_RADIUS * middle
            self._text(canvas, name, beside[0], beside[1], 0.16)
            if self.printed:
                self._text(canvas, str(value), inside[0], inside[1], 0.14)


def _comparison(more: str, less: str) -> Fact:
    fields, swapped = {"a": more, "b": less}, {"a": less, "b": more}
    return Fact(name="chart-compare", fields=fields, answer=more, decoys=swapped, choices=(more, less), closed=True)


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def draw_chart(conditions: Conditions, rng: np.random.Generator) -> ChartScene:
    """A few values, or many in a crowded picture; no two are equal."""
    kind = pick_weighted(_KINDS, rng)
    num = whole(*(_MANY if conditions.crowded else _FEW), rng)
    num = min(num, 5) if kind == "pie" else num
    top = pick(_TOPS, rng)
    levels = min(_STEPS, top)
    values = [(level + 1) * top // levels for level in pick_some(range(levels), num, rng)]
    if rng.random() < 0.35:
        values.sort(reverse=bool(rng.random() < 0.5))
    names = draw_distinct(conditions.colours, 1 if kind == "line" else num, rng)
    if kind != "pie" and (len(names) < num or rng.random() < 0.5):
        names = names[:1]
    shades = [names[index % len(names)] for index in range(num)]
    if kind == "pie" and len(names) < num:
        num = len(names)
        values, shades = values[:num], names
    return ChartScene(
        kind=kind,
        names=tuple(_draw_names(num, rng)),
        values=tuple(values),
        colours=tuple(shades),
        top=top,
        font=pick(PLAIN_FONTS, rng),
        printed=bool(rng.random() < _PRINTED_SHARE),
    )


def _draw_names(num: int, rng: np.random.Generator) -> list[str]:
    """Labels of one sort: letters, months, years or names, in their order or not."""
    sort = whole(0, 3, rng)
    if sort == 0:
        letters = pick_some(string.ascii_uppercase, num, rng)
        return sorted(letters) if rng.random() < 0.5 else letters
    if sort == 1:
        start = whole(0, 12 - num, rng)
        return list(_MONTHS[start : start + num])
    if sort == 2:
        start = whole(1960, 2020, rng)
        return [str(start + step) for step in range(num)]
    names: list[str] = []
    while len(names) < num:
        name = draw_name(rng)
        names += [name] if name not in names else []
    return names


CHARTS = Family(draw_scene=draw_chart, fine=True)
