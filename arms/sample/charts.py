"""charts-compare: questions that compare and read the bars of a chart."""

import string
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from arms.sample.canvas import COLOURS, Canvas, font
from arms.sample.conditions import Conditions
from arms.sample.scene import Benchmark, Fact, number_fact

_FEW, _MANY = (3, 4), (7, 9)  # bars in a chart, both ends included
_STEP, _TOP = 5, 100  # values are distinct multiples of the step, up to the top of the axis
_TICKS = (0, 50, 100)
_BAR_SHARE = 0.72  # of the room a bar has along the axis
_FIT = {False: 0.94, True: 0.76}  # of the picture's sides that the chart takes, by tilted


@dataclass(frozen=True, slots=True)
class ChartScene:
    """Bars labelled A, B, ... from left to right, of distinct values."""

    values: tuple[int, ...]
    colour: str
    tilt: float  # degrees counter-clockwise

    @property
    def labels(self) -> str:
        """One letter per bar."""
        return string.ascii_uppercase[: len(self.values)]

    def paint(self, canvas: Canvas) -> None:
        """Draw the bars, then the axis and labels over them, both turned alike."""
        centre = (canvas.width / 2, canvas.height / 2)
        fit = _FIT[bool(self.tilt)]
        layout = _Layout(round(canvas.width * fit), round(canvas.height * fit), len(self.values))
        canvas.stamp(self._bars(layout), canvas.tone(COLOURS[self.colour]), centre, self.tilt)
        canvas.stamp(self._axis(layout), canvas.ink, centre, self.tilt)

    def ask(self, task: str, rng: np.random.Generator) -> Fact:
        """Ask for the tallest or the shortest bar, or the value of one."""
        if task == "bar-value":
            bar = int(rng.integers(len(self.values)))
            return number_fact(task, self.values[bar], step=_STEP, subject={"label": self.labels[bar]})
        extreme = max(self.values) if task == "tallest-bar" else min(self.values)
        bar = self.values.index(extreme)
        before, after = self.labels[:bar][-1:], self.labels[bar + 1 :][:1]
        return Fact(task=task, answer=self.labels[bar], under=(before or after,), over=(after or before,))

    def tell(self, language: str) -> tuple[str, ...]:
        """Give every bar its value, which reads the same in every language."""
        return tuple(f"{label} = {value}" for label, value in zip(self.labels, self.values, strict=True))

    @property
    def amount(self) -> int:
        """The value of the tallest bar."""
        return max(self.values)

    def _bars(self, layout: "_Layout") -> Image.Image:
        mask = Image.new("L", (layout.width, layout.height), 0)
        pen = ImageDraw.Draw(mask)
        for bar, value in enumerate(self.values):
            left, right = layout.bar_sides(bar)
            pen.rectangle((left, layout.y_of(value), right, layout.y_of(0)), fill=255)
        return mask

    def _axis(self, layout: "_Layout") -> Image.Image:
        mask = Image.new("L", (layout.width, layout.height), 0)
        pen = ImageDraw.Draw(mask)
        letters = font(layout.text_size)
        pen.line((layout.left, layout.y_of(_TOP), layout.left, layout.y_of(0), layout.width, layout.y_of(0)), fill=255)
        for tick in _TICKS:
            y = layout.y_of(tick)
            pen.line((layout.left - 2, y, layout.left, y), fill=255)
            pen.text((layout.left - 3, y), str(tick), fill=255, font=letters, anchor="rm")
        for bar, label in enumerate(self.labels):
            pen.text((sum(layout.bar_sides(bar)) / 2, layout.y_of(0) + 2), label, fill=255, font=letters, anchor="mt")
        return mask


class _Layout:
    """The places of things in a chart of a given size, in px."""

    def __init__(self, width: int, height: int, num_bars: int) -> None:
        self.width, self.height = width, height
        self.text_size = max(8, round(min(width, height) * 0.085))
        self.left = font(self.text_size).getlength(str(_TOP)) + 4
        self._room = (width - self.left) / num_bars

    def bar_sides(self, bar: int) -> tuple[float, float]:
        """The left and right side of a bar."""
        middle = self.left + self._room * (bar + 0.5)
        return middle - self._room * _BAR_SHARE / 2, middle + self._room * _BAR_SHARE / 2

    def y_of(self, value: int) -> float:
        """The height of a value, y downwards."""
        top, bottom = self.text_size * 0.6, self.height - self.text_size - 3
        return bottom - (bottom - top) * value / _TOP


def draw_chart(conditions: Conditions, rng: np.random.Generator) -> ChartScene:
    """Draw distinct values for a few bars, or for many in a crowded picture."""
    low, high = _MANY if conditions.crowded else _FEW
    values = rng.choice(np.arange(_STEP, _TOP + 1, _STEP), size=rng.integers(low, high + 1), replace=False)
    return ChartScene(tuple(values.tolist()), str(rng.choice(list(COLOURS))), conditions.tilt)


CHARTS_COMPARE = Benchmark(
    name="charts-compare",
    tasks=("tallest-bar", "shortest-bar", "bar-value"),
    told_tasks=("tallest-bar", "shortest-bar", "bar-value"),
    comparison="taller-bar",
    draw_scene=draw_chart,
)
