"""Cost against accuracy as PNG: routers with their curves, single VLMs and the oracle.

Drawn in the manner of `arms.reports.figures`: without pyplot, and the same records give the same bytes.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from arms.evaluation.cost_records import KINDS, Record
from arms.reports.figures import CYCLE, _draw, _grid, _panels, _title

Floats = NDArray[np.float64]
PER_QUERIES = 1000  # costs are drawn in USD for so many queries
VLM_COLOUR, ORACLE_COLOUR, INK = "#7b828a", "#222222", "#222222"
# Six colours in four ways: 24 routers that differ.
STYLES: tuple[tuple[str, Any, str], ...] = tuple(
    (colour, dashes, marker)
    for (dashes, marker), colour in product(
        (("-", "o"), ((0, (5, 1.5)), "s"), ((0, (2, 1.2)), "^"), ((0, (5, 1.5, 1, 1.5)), "D")), CYCLE
    )
)
LEGEND_ROW = 0.185  # inches
DOT = 6  # points, kept free for a dot
CURVE_DOT = 0.6  # points, kept free for a point of a curve where that is easy
DISTANCES = (3, 8, 14, 22, 32, 44, 58)  # points from the middle of a dot to its name
NEARNESS = 0.6  # square points of overlap that a point of distance is worth
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))


def pareto(records: Sequence[Record], path: str | Path) -> None:
    """Draw accuracy against mean cost, a panel for each split and pool; the cost on a log scale if none is 0.

    A router is a line through its curve and a marker at its own selection, a single VLM a named dot.

    Parameters
    ----------
    records : from `arms.evaluation.cost_records`, with the labels split and pool; routers keep their order
    path : the PNG to write

    Raises
    ------
    ValueError
        If there are no records, or one has an unknown kind.
    """
    strange = sorted({record["kind"] for record in records} - set(KINDS))
    if strange:
        raise ValueError(f"{path}: expected records of the kinds {', '.join(KINDS)}, got {', '.join(strange)}")
    _draw(path, records, lambda figure: _pareto_panels(figure, records))


def _pareto_panels(figure: Figure, records: Sequence[Record]) -> None:
    routers = list(dict.fromkeys(record["name"] for record in records if record["kind"] in ("curve", "router")))
    legend = _legend_entries(records, routers)
    longest = max(len(str(entry.get_label())) for entry in legend)
    panels = _panels(records)
    pools = {pool for _, pool in panels}
    height = max(3.7, (LEGEND_ROW * len(legend) + 0.3) / len(pools))
    axes = _grid(figure, list(panels), width=5.4, heights=dict.fromkeys(pools, height))
    log = all(record["cost_usd"] > 0 for record in records)
    for panel, within in panels.items():
        for name in routers:
            _draw_router(axes[panel], [record for record in within if record["name"] == name], routers.index(name))
        _draw_others(axes[panel], within)
        _set_scales(axes[panel], within, log)
        axes[panel].set_title(_title(panel))
    figure.set_figwidth(figure.get_figwidth() + 0.6 + 0.075 * longest)
    figure.legend(handles=legend, loc="outside right upper", handlelength=3, fontsize=8)
    FigureCanvasAgg(figure)  # becomes the figure's own, and lets names be measured
    figure.draw_without_rendering()  # where there is room for names is known only now
    for panel, within in panels.items():
        _name_dots(axes[panel], within)


def _legend_entries(records: Sequence[Record], routers: Sequence[str]) -> list[Line2D]:
    """Return an entry for each router, with a line if it has a curve, then for dots and oracle."""
    having = {kind: {record["name"] for record in records if record["kind"] == kind} for kind in KINDS}
    on_curves = Counter(
        (record["split"], record["pool"], record["name"]) for record in records if record["kind"] == "curve"
    )
    lines = {name for (_, _, name), points in on_curves.items() if points > 1}
    entries = []
    for index, name in enumerate(routers):
        colour, dashes, marker = STYLES[index % len(STYLES)]
        line: Any = dashes if name in lines else "none"
        point = marker if name in having["router"] else "none"
        entries.append(Line2D([], [], color=colour, linestyle=line, marker=point, markersize=5.5, label=name))
    if having["vlm"]:
        entries.append(Line2D([], [], color=VLM_COLOUR, linestyle="none", marker="o", markersize=4, label="single VLM"))
    if having["oracle"]:
        entries.append(Line2D([], [], color=ORACLE_COLOUR, linestyle="none", marker="*", markersize=10, label="oracle"))
    return entries


def _draw_router(axes: Axes, records: Sequence[Record], index: int) -> None:
    colour, dashes, marker = STYLES[index % len(STYLES)]
    x, y = _xy([record for record in records if record["kind"] == "curve"])
    axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.2, alpha=0.9, zorder=2)
    x, y = _xy([record for record in records if record["kind"] == "router"])
    axes.plot(x, y, marker, color=colour, markersize=6, markeredgecolor="white", markeredgewidth=0.7, zorder=4)


def _draw_others(axes: Axes, records: Sequence[Record]) -> None:
    x, y = _xy([record for record in records if record["kind"] == "vlm"])
    axes.plot(x, y, "o", color=VLM_COLOUR, markersize=4.5, markeredgecolor="white", markeredgewidth=0.6, zorder=3)
    x, y = _xy([record for record in records if record["kind"] == "oracle"])
    axes.plot(x, y, "*", color=ORACLE_COLOUR, markersize=11, markeredgecolor="white", markeredgewidth=0.7, zorder=4)


def _set_scales(axes: Axes, records: Sequence[Record], log: bool) -> None:
    axes.margins(0.07)
    axes.set(xlabel=f"mean cost of {PER_QUERIES:,} queries (USD)", ylabel="accuracy (share of queries)")
    if not log:
        return
    axes.set_xscale("log")
    x = _xy(records)[0]
    wide = max(x) > 200 * min(x)
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _xy(records: Sequence[Record]) -> tuple[list[float], list[float]]:
    return [PER_QUERIES * record["cost_usd"] for record in records], [record["accuracy"] for record in records]


def _name_dots(axes: Axes, records: Sequence[Record]) -> None:
    """Write each VLM's name at the least crowded place around its dot, with a line to the dot where it is far."""
    scale = 72 / axes.figure.dpi  # points for each pixel
    centres = scale * axes.transData.transform(np.column_stack(_xy(records)))
    sides = np.array([CURVE_DOT if record["kind"] == "curve" else DOT for record in records])
    taken = _boxes(centres, np.column_stack([sides, sides]))
    frame = scale * np.array(axes.get_window_extent().extents)
    for record, centre in zip(records, centres, strict=True):
        if record["kind"] == "vlm":
            taken = np.vstack([taken, _name_dot(axes, record, centre, frame, taken, scale)])


def _name_dot(axes: Axes, record: Record, centre: Floats, frame: Floats, taken: Floats, scale: float) -> Floats:
    """Write one name and return the box that it takes; all in points."""
    at = (PER_QUERIES * record["cost_usd"], record["accuracy"])
    place: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "zorder": 5}
    halo = [withStroke(linewidth=2, foreground="white", alpha=0.8)]
    name = axes.annotate(record["name"], at, (0, 0), fontsize=6.5, color=INK, path_effects=halo, **place)
    size = scale * np.array(name.get_window_extent().size)
    places = list(product(DISTANCES, DIRECTIONS))
    offsets = np.array([np.array(direction) * (distance + size / 2) for distance, direction in places])
    boxes = _boxes(centre + offsets, size)
    crowding = _overlaps(boxes, taken).sum(axis=1) - 10 * _overlaps(boxes, frame[None])[:, 0]
    best = int((crowding + [NEARNESS * distance for distance, _ in places]).round(3).argmin())
    name.set_position(tuple(offsets[best]))
    name.set_in_layout(False)
    distance, direction = places[best]
    if distance > DISTANCES[0]:
        line = {"arrowstyle": "-", "color": VLM_COLOUR, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
        edge = tuple(offsets[best] - np.array(direction) * size / 2)
        axes.annotate("", at, edge, textcoords="offset points", arrowprops=line).set_in_layout(False)
    return boxes[best]


def _boxes(centres: Floats, sizes: Floats) -> Floats:
    """Return boxes as (left, bottom, right, top): shape (B, 4)."""
    return np.hstack([centres - sizes / 2, centres + sizes / 2])


def _overlaps(boxes: Floats, others: Floats) -> Floats:
    """Return the area that each of B boxes shares with each of T others: shape (B, T)."""
    low = np.maximum(boxes[:, None, :2], others[:, :2])
    high = np.minimum(boxes[:, None, 2:], others[:, 2:])
    return (high - low).clip(min=0).prod(axis=2)
