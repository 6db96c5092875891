"""Cost against accuracy as PNG: the routers on the frontier by name, the others in grey, single VLMs and the oracle.

Drawn in the manner of `arms.reports.figures`: without pyplot, and the same records give the same bytes.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from arms.evaluation.cost_records import KINDS, Record
from arms.evaluation.frontier import pareto_front
from arms.reports.dot_names import Dot, name_dots
from arms.reports.figures import INK, _draw, _grid, _panels, _title

PER_QUERIES = 1000  # costs are drawn in USD for so many queries
OWN = "arms"  # is named wherever it is
OWN_COLOUR, FRONT_COLOUR, OTHER_COLOUR, VLM_COLOUR = "#2b6ca3", "#c2571a", "#c3c8ce", "#7b828a"
POINT_OF_CURVE, POINT = 0.6, 6.0  # printer's points, kept free of names where that is easy


def pareto(records: Sequence[Record], path: str | Path) -> None:
    """Draw accuracy against mean cost, a panel for each split and pool; the cost on a log scale if none is 0.

    A dot is a router's own selection, or one VLM asked everything. The line joins those that nothing else matches at
    a lower or equal cost; the routers among them, and ARMS, have a name and their curve, all other routers are grey.

    Parameters
    ----------
    records : from `arms.evaluation.cost_records`, with the labels split and pool
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


def frontier(records: Iterable[Record]) -> list[Record]:
    """The routers and single VLMs of one panel that no other one matches at a lower or equal cost, by rising cost.

    A router comes before a VLM at the same place, such as the best single VLM before the VLM that it always chooses.
    """
    points = [record for record in records if record["kind"] in ("router", "vlm")]
    points.sort(key=lambda record: (record["kind"] != "router", record["name"] != OWN))
    front = pareto_front(*(np.array([point[key] for point in points]) for key in ("cost_usd", "accuracy")))
    found = {(point["cost_usd"], point["accuracy"]): point for point in reversed(points)}
    return [found[at] for at in zip(*(axis.tolist() for axis in front), strict=True)]


def _pareto_panels(figure: Figure, records: Sequence[Record]) -> None:
    panels = _panels(records)
    axes = _grid(figure, list(panels), width=5.4, heights={pool: 3.9 for _, pool in panels})
    log = all(record["cost_usd"] > 0 for record in records)
    for panel, within in panels.items():
        _draw_panel(axes[panel], within)
        _set_scales(axes[panel], within, log)
        axes[panel].set_title(_title(panel))
    legend = _legend_entries({record["kind"] for record in records}, {record["name"] for record in records})
    figure.legend(handles=legend, loc="outside upper left", ncols=len(legend) if len(panels) > 1 else 3)
    FigureCanvasAgg(figure)  # becomes the figure's own, and lets names be measured
    figure.draw_without_rendering()  # where there is room for names is known only now
    for panel, within in panels.items():
        name_dots(axes[panel], *_dots(within))


def _draw_panel(axes: Axes, records: Sequence[Record]) -> None:
    front = frontier(records)
    named = {record["name"] for record in front if record["kind"] == "router"} | {OWN}
    for name in dict.fromkeys(record["name"] for record in records if record["kind"] in ("curve", "router")):
        _draw_router(axes, [record for record in records if record["name"] == name], name, named)
    axes.plot(*_xy(front), color=INK, linewidth=0.9, linestyle=(0, (1, 1.6)), zorder=4)
    for kind, style, colour, size in (("vlm", "s", VLM_COLOUR, 4), ("oracle", "*", INK, 11)):
        x, y = _xy([record for record in records if record["kind"] == kind])
        axes.plot(x, y, style, color=colour, markersize=size, markeredgecolor="white", markeredgewidth=0.6, zorder=4)


def _draw_router(axes: Axes, records: Sequence[Record], name: str, named: set[str]) -> None:
    colour, size, width, order = OTHER_COLOUR, 6, 0.6, 1
    if name in named:
        colour, size, width, order = (OWN_COLOUR, 8, 1.1, 4) if name == OWN else (FRONT_COLOUR, 6, 1.1, 3)
    x, y = _xy([record for record in records if record["kind"] == "curve"])
    axes.plot(x, y, color=colour, linewidth=width, alpha=0.6, zorder=order)
    x, y = _xy([record for record in records if record["kind"] == "router"])
    axes.plot(x, y, "o", color=colour, markersize=size, markeredgecolor="white", markeredgewidth=0.7, zorder=order + 2)


def _legend_entries(kinds: set[str], names: set[str]) -> list[Line2D]:
    """An entry for each kind of dot that is drawn, and for the frontier."""
    entries = [
        ("ARMS", OWN_COLOUR, "o", 7, OWN in names),
        ("router on the frontier", FRONT_COLOUR, "o", 6, bool(kinds & {"router", "curve"})),
        ("other router", OTHER_COLOUR, "o", 6, bool(kinds & {"router", "curve"})),
        ("single VLM", VLM_COLOUR, "s", 4, "vlm" in kinds),
        ("oracle", INK, "*", 10, "oracle" in kinds),
    ]
    shown = [
        Line2D([], [], color=colour, linestyle="none", marker=marker, markersize=size, label=label)
        for label, colour, marker, size, drawn in entries
        if drawn
    ]
    return [*shown, Line2D([], [], color=INK, linewidth=0.9, linestyle=(0, (1, 1.6)), label="frontier")]


def _set_scales(axes: Axes, records: Sequence[Record], log: bool) -> None:
    axes.margins(0.09)
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


def _dots(records: Sequence[Record]) -> tuple[list[Dot], list[float]]:
    """What is drawn in a panel, with the names of the dots that have one, and the room that each dot takes."""
    routers = [record["name"] for record in frontier(records) if record["kind"] == "router"]
    dots, sides = [], []
    # Routers first: they find the best places.
    for record in sorted(records, key=lambda record: KINDS.index(record["kind"])):
        name, style = None, dict[str, Any]()
        if record["kind"] == "vlm":
            name, style = record["name"], {"fontsize": 6.5, "color": "#555b63"}
        elif record["kind"] == "router" and record["name"] == OWN:
            name, style = "ARMS", {"fontsize": 9, "color": OWN_COLOUR, "fontweight": "bold"}
        elif record["kind"] == "router" and record["name"] in routers:
            name, style = record["name"], {"fontsize": 8, "color": FRONT_COLOUR}
        dots.append(Dot(PER_QUERIES * record["cost_usd"], record["accuracy"], name, style))
        sides.append(POINT_OF_CURVE if record["kind"] == "curve" else POINT)
    return dots, sides
