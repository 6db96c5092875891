"""Figures as PNG, drawn from the records of `arms.evaluation.curves` and from the training log.

Figures are built from `Figure` itself, without pyplot, so that drawing touches no global state and needs no display.
The same records give the same bytes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from arms.data.atomic import atomic_file
from arms.reports.titles import panel_title

Record = dict[str, Any]
COLOURS = {"router": "#86aed3", "vlm": "#cdd1d6"}  # pale enough for dark figures and intervals on them
LINES = {"oracle": ("#444444", (0, (1, 1.5))), "best possible": ("#c2571a", (0, (5, 2)))}
CYCLE = ("#2b6ca3", "#c2571a", "#3d8a5f", "#8a5aa8", "#8c7a3f", "#4f5b66")
DASHES = ("-", (0, (5, 1.5)), (0, (2, 1.2)))
INK = "#222222"  # of text and intervals
NAME_WIDTH = 0.075  # inches that a letter of a bar's name takes
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.hspace": 0.02,
    "figure.constrained_layout.wspace": 0.02,
}


def em_bars(records: Sequence[Record], path: str | Path) -> None:
    """Draw the EM of routers and single VLMs with 95 % intervals, a panel for each split and pool.

    Parameters
    ----------
    records : from `curves.em_records`; oracle and best possible become reference lines, and a ring is the EM over all
        queries
    path : the PNG to write
    """
    _draw(path, records, lambda figure: _em_panels(figure, records))


def sentence(text: str, path: str | Path) -> None:
    """Write a sentence as a figure, in place of one that there is nothing to draw in."""
    _draw(path, [{"text": text}], lambda figure: _write(figure, text))


def reliability(records: Sequence[Record], path: str | Path) -> None:
    """Draw the share correct against confidence, a panel for each split and pool and a line for each router.

    Parameters
    ----------
    records : from `curves.reliability_records`, with the labels router, split and pool
    path : the PNG to write
    """
    _draw(path, records, lambda figure: _reliability_panels(figure, records))


def training_curves(records: Sequence[Record], path: str | Path) -> None:
    """Draw loss and EM against the epoch, on train and val.

    Parameters
    ----------
    records : {"epoch", "split": "train" or "val", "loss", "em"}; a value that was not measured is None or left out
    path : the PNG to write
    """
    _draw(path, records, lambda figure: _training_panels(figure, records))


def _draw(path: str | Path, records: Sequence[Record], fill: Callable[[Figure], None]) -> None:
    if not records:
        raise ValueError(f"{path}: expected records to draw, got none")
    with matplotlib.rc_context(STYLE), atomic_file(path) as temporary:
        figure = Figure(layout="constrained")
        fill(figure)
        # Without the software's name and version the bytes depend only on the picture.
        figure.savefig(temporary, format="png", dpi=160, metadata={"Software": None})


def _write(figure: Figure, text: str) -> None:
    figure.set_size_inches(7, 0.7)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=INK)


def _em_panels(figure: Figure, records: Sequence[Record]) -> None:
    panels = _panels(records)
    bars = {panel: _sorted_bars(within) for panel, within in panels.items()}
    heights: dict[str, float] = {}
    for (_, pool), rows in bars.items():
        heights[pool] = max(heights.get(pool, 0), 0.8 + 0.23 * len(rows))
    longest = max(len(bar["name"]) for rows in bars.values() for bar in rows)
    axes = _grid(figure, list(panels), width=3.5 + NAME_WIDTH * longest, heights=heights)
    for panel, within in panels.items():
        _bar_panel(axes[panel], bars[panel], [record for record in within if record["kind"] == "reference"])
        axes[panel].set_title(_title(panel, max(record["queries"] for record in within)))
    _shared_legend(figure, axes.values())


def _sorted_bars(records: Sequence[Record]) -> list[Record]:
    """Return routers, then VLMs, each from best to worst."""
    bars = [record for record in records if record["kind"] in COLOURS]
    return sorted(bars, key=lambda record: (record["kind"] != "router", -record["em"], record["name"]))


def _bar_panel(axes: Axes, bars: Sequence[Record], references: Sequence[Record]) -> None:
    # Half a row of air parts the routers from the single VLMs.
    rows = [row + 0.5 * (bar["kind"] == "vlm") for row, bar in enumerate(bars)]
    for kind, label in (("router", "router"), ("vlm", "single VLM")):
        drawn = [(row, bar["em"]) for row, bar in zip(rows, bars, strict=True) if bar["kind"] == kind]
        if drawn:
            axes.barh([row for row, _ in drawn], [em for _, em in drawn], 0.72, color=COLOURS[kind], label=label)
    for row, bar in zip(rows, bars, strict=True):
        axes.plot([bar["em_low"], bar["em_high"]], [row, row], color=INK, linewidth=1.1, solid_capstyle="butt")
        ring(axes, bar.get("em_all"), row, 3.5)
        # The number is at the foot of its bar, where reference lines do not cross it; beside one that is too short.
        foot = 0.012 if bar["em_low"] > 0.16 else bar["em_high"] + 0.012
        axes.text(foot, row, f"{bar['em']:.3f}", va="center", fontsize=7.5, color=INK)
    for reference in references:
        colour, dashes = LINES[reference["name"]]
        axes.axvline(reference["em"], color=colour, linestyle=dashes, linewidth=1.3, label=reference["name"])
    axes.set_yticks(rows, [bar["name"] for bar in bars])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_ylim(max(rows) + 0.6, -0.6)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("EM with 95 % interval; ring: over all queries")


def ring(axes: Axes, em_all: float | None, row: float, size: float) -> None:
    """Draw the EM over all queries of one bar; nothing if it is unknown."""
    if em_all is not None:
        axes.plot(em_all, row, "o", markersize=size, markerfacecolor="white", markeredgecolor=INK, markeredgewidth=0.8)


def _reliability_panels(figure: Figure, records: Sequence[Record]) -> None:
    panels = _panels(records)
    routers = list(dict.fromkeys(record["router"] for record in records))
    axes = _grid(figure, list(panels), width=3.8, heights={pool: 3.6 for _, pool in panels})
    for panel, within in panels.items():
        here = axes[panel]
        here.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle=(0, (4, 3)), label="perfectly calibrated")
        for router in dict.fromkeys(record["router"] for record in within):
            _reliability_line(here, router, routers.index(router), [r for r in within if r["router"] == router])
        here.set(xlim=(0, 1.02), ylim=(0, 1.02), ylabel="share of pairs correct")
        here.set_xlabel("mean confidence of the bin (area of a dot: its pairs)")
        here.set_title(_title(panel))
    _shared_legend(figure, axes.values())


def _reliability_line(axes: Axes, router: str, index: int, points: Sequence[Record]) -> None:
    colour, dashes = CYCLE[index % len(CYCLE)], DASHES[index // len(CYCLE) % len(DASHES)]
    x, y = [point["confidence"] for point in points], [point["correct"] for point in points]
    total = sum(point["pairs"] for point in points)
    axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.3, label=router)
    # A point that rests on few pairs looks like it.
    axes.scatter(x, y, s=[2 + 200 * point["pairs"] / total for point in points], color=colour, alpha=0.75, linewidths=0)


def _training_panels(figure: Figure, records: Sequence[Record]) -> None:
    drawn = [key for key in ("loss", "em") if any(record.get(key) is not None for record in records)]
    if not drawn:
        raise ValueError("training_curves: expected records with a loss or an EM, got none with either")
    labels = {"loss": "loss (binary cross-entropy)", "em": "EM on answerable queries"}
    figure.set_size_inches(0.4 + 3.9 * len(drawn), 3.1)
    row = figure.subplots(1, len(drawn), squeeze=False)[0]
    styles = {"train": (CYCLE[0], "o"), "val": (CYCLE[1], "s")}
    for axes, key in zip(row, drawn, strict=True):
        for split, (colour, marker) in styles.items():
            points = [(r["epoch"], r[key]) for r in records if r["split"] == split and r.get(key) is not None]
            if points:
                epochs, values = zip(*points, strict=True)
                axes.plot(epochs, values, color=colour, marker=marker, markersize=4, linewidth=1.4, label=split)
        axes.set(xlabel="epoch", ylabel=labels[key])
        axes.xaxis.get_major_locator().set_params(integer=True)
    _shared_legend(figure, row)


def _panels(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    """Return the records of each (split, pool), id before ood and base before extended."""
    keys = sorted({(record["split"], record["pool"]) for record in records}, key=lambda key: (key[1], key[0]))
    return {key: [record for record in records if (record["split"], record["pool"]) == key] for key in keys}


def _grid(
    figure: Figure, panels: Sequence[tuple[str, str]], width: float, heights: dict[str, float]
) -> dict[tuple[str, str], Axes]:
    """Lay the panels out: splits side by side, a row for each pool. Width, and height of each pool's row, in inches."""
    splits, pools = sorted({split for split, _ in panels}), sorted({pool for _, pool in panels})
    figure.set_size_inches(width * len(splits), sum(heights.values()) + 0.4)
    ratios = [heights[pool] for pool in pools]
    axes = figure.subplots(len(pools), len(splits), squeeze=False, height_ratios=ratios)
    grid = {(split, pool): axes[row][column] for row, pool in enumerate(pools) for column, split in enumerate(splits)}
    for panel, unused in grid.items():
        if panel not in panels:
            unused.set_axis_off()
    return {panel: grid[panel] for panel in panels}


def _title(panel: tuple[str, str], queries: int | None = None) -> str:
    counted = "" if queries is None else f" ({queries:,} queries)"
    return f"{panel_title(*panel)}{counted}"


def _shared_legend(figure: Figure, panels: Any) -> None:
    """Put one legend for all panels at the top, each label once; an entry takes some two inches."""
    handles = {
        label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(
            list(handles.values()), list(handles), loc="outside upper left", ncols=int(figure.get_figwidth() // 2)
        )
