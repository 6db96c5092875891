"""The learning curve as PNG: EM against the number of training queries, with what more would bring."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from arms.evaluation.learning_curve import FARTHEST, fit_line
from arms.reports.figures import CYCLE, INK, _draw, sentence

_STEPS = 30  # of a line behind the measured points


def learning_curve(curve: Mapping[str, Any], path: str | Path) -> None:
    """Draw each router's mean EM and its draws, and dotted the line through it up to `FARTHEST` times the queries.

    Parameters
    ----------
    curve : mapping
        What `studies.curve` writes.
    path : the PNG to write
    """
    known = {name: points for name, points in curve["routers"].items() if all(of["em"] is not None for of in points)}
    if known:
        _draw(path, list(known), lambda figure: _panel(figure, curve, known))
    else:
        sentence("no query can be judged on", path)


def _panel(figure: Figure, curve: Mapping[str, Any], routers: Mapping[str, Any]) -> None:
    figure.set_size_inches(6.4, 3.6)
    axes, queries = figure.subplots(), curve["queries"]
    for place, (name, points) in enumerate(routers.items()):
        colour, ems = CYCLE[place % len(CYCLE)], [point["em"] for point in points]
        axes.plot(queries, ems, color=colour, marker="o", markersize=4, linewidth=1.4, label=name)
        for count, point in zip(queries, points, strict=True):
            draws = [em for em in point["em_by_draw"] if em is not None]
            axes.plot([count] * len(draws), draws, "o", color=colour, markersize=2, alpha=0.6)
        if (line := fit_line(queries, ems)) is not None:
            ahead = np.geomspace(queries[-1], FARTHEST * queries[-1], _STEPS)
            axes.plot(ahead, [line.at(count) for count in ahead], color=colour, linewidth=1, linestyle=(0, (1, 1.5)))
    if curve["best_single_em"] is not None:
        axes.axhline(curve["best_single_em"], color=INK, linewidth=0.9, linestyle=(0, (5, 2)), label="best single VLM")
    axes.set_xscale("log")
    axes.set_xticks(queries, [f"{count:,}" for count in queries])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(
        xlabel="training queries; dotted: a line through the points, beyond them", ylabel="EM, split id, base pool"
    )
    axes.legend(loc="lower right")
