"""The panels that `arms.reports.study_figures` draws of what VLMs, gate and confidences do."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from arms.evaluation.outcomes import FloatArray
from arms.reports.figures import CYCLE, INK, _shared_legend
from arms.reports.titles import split_title

Record = dict[str, Any]
SHADES = LinearSegmentedColormap.from_list("shades", ("#fffdf0", "#e3efc4", "#a3d6be", "#5fa8cf"))  # for dark text
OTHER = "other"
MAX_LABELS = 12
LABEL_COLOURS = (*CYCLE, "#e3a73a", "#d46a94", "#4fb3b0", "#9bc35f", "#7f9de0", "#e58b88")
OTHER_COLOUR = "#c9cdd2"


def _heatmap(axes: Axes, values: FloatArray, highest: float, texts: Sequence[Sequence[str]]) -> None:
    """Draw cells from 0 to `highest` with a text on each; NaN is grey."""
    shades = SHADES.with_extremes(bad="#eeeeee")
    axes.pcolormesh(np.ma.masked_invalid(values), cmap=shades, vmin=0, vmax=highest, edgecolors="white", linewidth=1.5)
    for place, row in enumerate(texts):
        for column, text in enumerate(row):
            axes.text(column + 0.5, place + 0.5, text, ha="center", va="center", fontsize=8, color=INK)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def rescue_panel(figure: Figure, matrix_SS: FloatArray, vlms: Sequence[str]) -> None:
    longest = max(map(len, vlms))
    width, height = max(3.0, 0.62 * len(vlms)), max(1.4, 0.4 * len(vlms))  # the labels of the axes need the least
    figure.set_size_inches(1 + 0.07 * longest + width, 1 + 0.06 * longest + height)
    axes = figure.subplots()
    texts = [["-" if np.isnan(share) else f"{100 * share:.0f} %" for share in row] for row in matrix_SS]
    _heatmap(axes, matrix_SS, 1, texts)
    middles = np.arange(len(vlms)) + 0.5
    axes.set_yticks(middles, vlms)
    axes.set_xticks(middles, vlms, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_ylabel("VLM that was wrong")
    axes.set_xlabel("right instead (% of the row's wrong answers)")


def map_panels(figure: Figure, points_N2: FloatArray, colourings: Mapping[str, Sequence[str]]) -> None:
    legends = [_legend_labels(labels) for labels in colourings.values()]
    columns = [1 if max(map(len, shown)) > 20 else 2 for shown in legends]
    rows = max(-(-len(shown) // count) for shown, count in zip(legends, columns, strict=True))
    figure.set_size_inches(4.2 * len(colourings), 4.2 + 0.17 * rows)
    panels = figure.subplots(1, len(colourings), squeeze=False)[0]
    size = float(np.clip(6000 / len(points_N2), 3, 24))
    for axes, (title, labels), shown, count in zip(panels, colourings.items(), legends, columns, strict=True):
        drawn = np.array([label if label in shown else OTHER for label in labels])
        for label in sorted(shown, key=lambda label: label != OTHER):  # the rarest on top, "other" beneath all
            place = shown.index(label)
            colour, marker = LABEL_COLOURS[place], "o" if place < len(CYCLE) else "^"
            if label == OTHER:
                colour, marker = OTHER_COLOUR, "o"
            axes.scatter(
                *points_N2[drawn == label].T, s=size, color=colour, marker=marker, alpha=0.8, linewidths=0, label=label
            )
        axes.set_title(title)
        axes.set(xlabel="first axis of the map (no unit)", ylabel="second axis of the map (no unit)")
        axes.set(xticks=[], yticks=[])
        handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        axes.legend(
            [handles[label] for label in shown], shown, loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=count,
            fontsize=8, markerscale=np.sqrt(24 / size), handletextpad=0.2,
        )  # fmt: skip


def _legend_labels(labels: Sequence[str]) -> list[str]:
    """Return the labels that get a colour, from frequent to rare, "other" last where some have to share it."""
    counts = Counter(labels)
    named = sorted((label for label in counts if label != OTHER), key=lambda label: (-counts[label], label))
    if len(named) + (OTHER in counts) > MAX_LABELS:
        return [*named[: MAX_LABELS - 1], OTHER]
    return [*named, OTHER] if OTHER in counts else named


def gate_panels(figure: Figure, records: Sequence[Record]) -> None:
    weights = np.array([record["weights"] for record in records], dtype=np.float64)
    queries = np.array([record["queries"] for record in records], dtype=np.float64)
    tasks, experts = weights.shape
    names = [f"{record['task']} ({record['queries']:,})" for record in records]
    width, height = max(3.0, 0.75 * experts), max(1.1, 0.3 * tasks)
    figure.set_size_inches(0.8 + 0.07 * max(map(len, names)) + width, 2.8 + height)
    bars, cells = figure.subplots(2, 1, height_ratios=[1.4, height], sharex=True)
    middles = np.arange(experts) + 0.5
    load = queries @ weights / queries.sum()
    bars.bar(middles, load, 0.72, color=CYCLE[0], alpha=0.75)
    bars.axhline(1 / experts, color="#444444", linestyle=(0, (1, 1.5)), linewidth=1.3, label="equal load")
    bars.set_ylabel("mean weight")
    bars.set_title(f"Load of each expert, {int(queries.sum()):,} queries")
    bars.grid(axis="x", visible=False)
    bars.tick_params(axis="x", length=0)
    # Equal weights take at most half of the shade, so that only a preference is dark.
    _heatmap(cells, weights, max(2 / experts, float(weights.max())), [[f"{w:.2f}" for w in row] for row in weights])
    cells.set_xticks(middles, [str(expert + 1) for expert in range(experts)])
    cells.set_yticks(np.arange(tasks) + 0.5, names)
    cells.set_xlabel("expert")
    cells.set_ylabel("task (queries)")
    cells.set_title("Mean weight by task")
    _shared_legend(figure, [bars])


def histogram_panels(figure: Figure, records: Sequence[Record]) -> None:
    splits = splits_of(records)
    row = row_of_panels(figure, splits, 3.9, 3.2, sharey=False)
    for axes, split in zip(row, splits, strict=True):
        within = [record for record in records if record["split"] == split]
        low, right = [record["low"] for record in within], [record["right"] for record in within]
        widths = [record["high"] - record["low"] for record in within]
        style: dict[str, Any] = {"align": "edge", "edgecolor": "white", "linewidth": 0.6}
        axes.bar(low, right, widths, color=CYCLE[0], label="the VLM was right", **style)
        wrong = [record["wrong"] for record in within]
        axes.bar(low, wrong, widths, bottom=right, color=CYCLE[1], alpha=0.8, label="the VLM was wrong", **style)
        axes.set(xlim=(0, 1), xlabel="confidence", ylabel="(query, VLM) pairs")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.grid(axis="x", visible=False)
    _shared_legend(figure, row)


def row_of_panels(figure: Figure, splits: Sequence[str], width: float, height: float, sharey: bool) -> list[Axes]:
    """Lay out a panel for each split, width and height of one in inches."""
    figure.set_size_inches(width * len(splits), height)
    row = list(figure.subplots(1, len(splits), squeeze=False, sharey=sharey)[0])
    for axes, split in zip(row, splits, strict=True):
        axes.set_title(split_title(split))
    return row


def splits_of(records: Sequence[Record]) -> list[str]:
    return sorted({record["split"] for record in records})
