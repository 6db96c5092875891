"""Figures of the studies as PNG: sweeps, ablations, and what VLMs, gate and confidences do.

Drawn in the manner of `arms.reports.figures`: without pyplot, and the same records give the same bytes.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from arms.evaluation.outcomes import FloatArray
from arms.reports.figures import CYCLE, INK, _draw, _shared_legend
from arms.reports.titles import split_title

Record = dict[str, Any]
METRICS = {"em": ("EM", CYCLE[0], "o"), "accuracy": ("accuracy", CYCLE[1], "s"), "f1": ("F1", CYCLE[2], "^")}
REFERENCE_LINES = (("#444444", (0, (1, 1.5))), ("#8a5aa8", (0, (5, 2))), ("#8c7a3f", (0, (3, 1.5, 1, 1.5))))
SHADES = LinearSegmentedColormap.from_list("shades", ("#fffdf0", "#e3efc4", "#a3d6be", "#5fa8cf"))  # for dark text
RANGE = "lowest to highest run"
OTHER = "other"
MAX_LABELS = 12
LABEL_COLOURS = (*CYCLE, "#e3a73a", "#d46a94", "#4fb3b0", "#9bc35f", "#7f9de0", "#e58b88")
OTHER_COLOUR = "#c9cdd2"


def sweep(
    records: Sequence[Record],
    path: str | Path,
    *,
    x_label: str,
    references: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Draw metrics against a setting, a panel for each split: a line through the means, a band around the runs.

    Parameters
    ----------
    records : {"x": float, "split", "metric": "em", "accuracy" or "f1", "runs": list of float, one per seed}
    path : the PNG to write
    x_label : the setting and its unit, such as "training data (%)"
    references : split -> label -> EM of what stands beside the sweep, such as the best single VLM
    """
    _check_runs(path, records, METRICS)
    _draw(path, records, lambda figure: _sweep_panels(figure, records, x_label, references or {}))


def series(
    records: Sequence[Record],
    path: str | Path,
    *,
    x_label: str,
    references: Mapping[str, Mapping[str, float]] | None = None,
    even: bool = False,
) -> None:
    """Draw EM against a setting, a panel for each split and a line for each series, with a band around the runs.

    Parameters
    ----------
    records : {"x": float, "split", "series": str, "runs": list of float, one per seed}
    path : the PNG to write
    x_label : the setting and its unit
    references : split -> label -> EM of what stands beside
    even : place the values of x at even distances, such as 0, 16, 64, 256
    """
    _check_runs(path, [{**record, "metric": "em"} for record in records], ["em"])
    _draw(path, records, lambda figure: _series_panels(figure, records, x_label, references or {}, even))


def ablation(records: Sequence[Record], path: str | Path) -> None:
    """Draw the EM of each variant, a panel for each split: a dot at the mean, a bar from lowest to highest run.

    Parameters
    ----------
    records : {"variant", "split", "metric": "em", "runs": list of float, one per seed}; variants are drawn in the order
        given, and a line marks the first one
    path : the PNG to write
    """
    _check_runs(path, records, ["em"])
    _draw(path, records, lambda figure: _ablation_panels(figure, records))


def rescue_heatmap(matrix_SS: FloatArray, vlms: Sequence[str], path: str | Path) -> None:
    """Draw how often each VLM is right where another one is wrong.

    Parameters
    ----------
    matrix_SS : float array of shape (S, S), in [0, 1], from `complementarity.rescue_matrix`; NaN is drawn as a dash
    vlms : S names
    path : the PNG to write
    """
    matrix_SS = np.asarray(matrix_SS, dtype=np.float64)
    if matrix_SS.shape != (len(vlms), len(vlms)):
        raise ValueError(f"{path}: expected a matrix for {len(vlms)} VLMs, got shape {matrix_SS.shape}")
    _draw(path, [{"vlm": vlm} for vlm in vlms], lambda figure: _rescue_panel(figure, matrix_SS, vlms))


def embedding_map(points_N2: FloatArray, colourings: Mapping[str, Sequence[str]], path: str | Path) -> None:
    """Draw points on a plane, a panel for each way to colour them; the rarest of many labels become "other".

    Parameters
    ----------
    points_N2 : float array of shape (N, 2), such as from `embedding.tsne`
    colourings : title of the panel -> the label of each point, N of them
    path : the PNG to write
    """
    points_N2 = np.asarray(points_N2, dtype=np.float64)
    if points_N2.ndim != 2 or points_N2.shape[1] != 2 or not len(points_N2):
        raise ValueError(f"{path}: expected points of shape (N, 2), got shape {points_N2.shape}")
    for title, labels in colourings.items():
        if len(labels) != len(points_N2):
            raise ValueError(f"{path}: {title}: expected {len(points_N2)} labels, one per point, got {len(labels)}")
    _draw(path, [dict(colourings)] if colourings else [], lambda figure: _map_panels(figure, points_N2, colourings))


def gate_usage(records: Sequence[Record], path: str | Path) -> None:
    """Draw the gate's mean weight of each expert, over all queries and by task.

    Parameters
    ----------
    records : {"task", "queries": int, "weights": list of E floats, the mean over these queries}, drawn in this order
    path : the PNG to write
    """
    lengths = sorted({len(record["weights"]) for record in records})
    if records and (len(lengths) > 1 or not lengths[0]):
        raise ValueError(f"{path}: expected the weights of the same experts for every task, got {lengths} of them")
    if records and not any(record["queries"] for record in records):
        raise ValueError(f"{path}: expected queries, got none in {len(records)} tasks")
    _draw(path, records, lambda figure: _gate_panels(figure, records))


def confidence_histogram(records: Sequence[Record], path: str | Path) -> None:
    """Draw how confidences are spread: pairs that were right, and above them those that were wrong.

    A split has a panel if it has pairs.

    Parameters
    ----------
    records : {"split", "low", "high": the bin's bounds, "right", "wrong": (query, VLM) pairs in it}
    path : the PNG to write
    """
    counted = {record["split"] for record in records if record["right"] + record["wrong"]}
    drawn = [record for record in records if record["split"] in counted]
    _draw(path, drawn, lambda figure: _histogram_panels(figure, drawn))


def _check_runs(path: str | Path, records: Sequence[Record], metrics: Collection[str]) -> None:
    for record in records:
        if record["metric"] not in metrics:
            raise ValueError(f"{path}: unknown metric {record['metric']!r}; known: {', '.join(metrics)}")
        runs = np.array(record["runs"], dtype=np.float64)  # None becomes NaN
        if not runs.size or not np.isfinite(runs).all():
            raise ValueError(f"{path}: expected finite runs, at least one, got {record}")


def _row_of_panels(figure: Figure, splits: Sequence[str], width: float, height: float, sharey: bool) -> list[Axes]:
    """Lay out a panel for each split, width and height of one in inches."""
    figure.set_size_inches(width * len(splits), height)
    row = list(figure.subplots(1, len(splits), squeeze=False, sharey=sharey)[0])
    for axes, split in zip(row, splits, strict=True):
        axes.set_title(split_title(split))
    return row


def _splits(records: Sequence[Record]) -> list[str]:
    return sorted({record["split"] for record in records})


def _sweep_panels(
    figure: Figure, records: Sequence[Record], x_label: str, references: Mapping[str, Mapping[str, float]]
) -> None:
    splits = _splits(records)
    row = _row_of_panels(figure, splits, 4.3, 3.5, sharey=True)
    names = list(dict.fromkeys(name for split in splits for name in references.get(split, {})))
    for axes, split in zip(row, splits, strict=True):
        within = sorted((record for record in records if record["split"] == split), key=lambda record: record["x"])
        for metric in [metric for metric in METRICS if any(record["metric"] == metric for record in within)]:
            _sweep_line(axes, metric, [record for record in within if record["metric"] == metric])
        if any(len(record["runs"]) > 1 for record in within):
            axes.fill_between([], [], color="#999999", alpha=0.3, linewidth=0, label=RANGE)
        for name, em in references.get(split, {}).items():
            colour, dashes = REFERENCE_LINES[names.index(name) % len(REFERENCE_LINES)]
            axes.axhline(em, color=colour, linestyle=dashes, linewidth=1.3, label=f"EM of {name}")
        axes.set_xlabel(x_label)
        if all(float(record["x"]).is_integer() for record in within):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_tick_params(labelleft=True)
    row[0].set_ylabel("share (mean of the runs)")
    _shared_legend(figure, row)


def _sweep_line(axes: Axes, metric: str, points: Sequence[Record]) -> None:
    name, colour, marker = METRICS[metric]
    x = [point["x"] for point in points]
    axes.fill_between(
        x,
        [min(point["runs"]) for point in points],
        [max(point["runs"]) for point in points],
        color=colour, alpha=0.18, linewidth=0,
    )  # fmt: skip
    means = [np.mean(point["runs"]) for point in points]
    axes.plot(x, means, color=colour, marker=marker, markersize=4, linewidth=1.4, label=name)


def _series_panels(
    figure: Figure, records: Sequence[Record], x_label: str, references: Mapping[str, Mapping[str, float]], even: bool
) -> None:
    splits, names = _splits(records), list(dict.fromkeys(record["series"] for record in records))
    row = _row_of_panels(figure, splits, 4.3, 3.5, sharey=True)
    values = sorted({record["x"] for record in records})
    for axes, split in zip(row, splits, strict=True):
        within = sorted((record for record in records if record["split"] == split), key=lambda record: record["x"])
        for place, name in enumerate(names):
            points = [record for record in within if record["series"] == name]
            x = [values.index(point["x"]) if even else point["x"] for point in points]
            runs = [point["runs"] for point in points]
            colour = CYCLE[place % len(CYCLE)]
            axes.fill_between(
                x, [min(run) for run in runs], [max(run) for run in runs], color=colour, alpha=0.18, linewidth=0
            )
            means = [np.mean(run) for run in runs]
            axes.plot(x, means, color=colour, marker="osv^D"[place % 5], markersize=4, linewidth=1.4, label=name)
        if any(len(record["runs"]) > 1 for record in within):
            axes.fill_between([], [], color="#999999", alpha=0.3, linewidth=0, label=RANGE)
        for place, (name, em) in enumerate(references.get(split, {}).items()):
            colour, dashes = REFERENCE_LINES[place % len(REFERENCE_LINES)]
            axes.axhline(em, color=colour, linestyle=dashes, linewidth=1.3, label=name)
        if even:
            axes.set_xticks(range(len(values)), [f"{value:,g}" for value in values])
        axes.set_xlabel(x_label)
        axes.yaxis.set_tick_params(labelleft=True)
    row[0].set_ylabel("EM on the extended pool (mean of the runs)")
    _shared_legend(figure, row)


def _ablation_panels(figure: Figure, records: Sequence[Record]) -> None:
    splits, variants = _splits(records), list(dict.fromkeys(record["variant"] for record in records))
    names = 0.07 * max(map(len, variants)) / len(splits)
    row = _row_of_panels(figure, splits, 3.4 + names, 1.1 + 0.27 * len(variants), sharey=True)
    for axes, split in zip(row, splits, strict=True):
        for record in (record for record in records if record["split"] == split):
            place, mean = variants.index(record["variant"]), float(np.mean(record["runs"]))
            colour = CYCLE[1] if place == 0 else CYCLE[0]
            if place == 0:
                axes.axvline(mean, color=colour, linewidth=1, linestyle=(0, (4, 2)))
            axes.plot([min(record["runs"]), max(record["runs"])], [place, place], color=colour, linewidth=2, alpha=0.5)
            axes.plot(mean, place, color=colour, marker="o", markersize=5)
            # The figures stand in a column at the right, where no bar can cross them.
            axes.annotate(
                f"{mean:.3f}", (1, place), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                va="center", fontsize=7.5, color=INK,
            )  # fmt: skip
        axes.set_yticks(range(len(variants)), variants)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.set_ylim(len(variants) - 0.5, -0.5)
        axes.margins(x=0.08)
        axes.set_xlabel(f"EM (mean, {RANGE})")
    row[0].set_ylabel("variant")


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


def _rescue_panel(figure: Figure, matrix_SS: FloatArray, vlms: Sequence[str]) -> None:
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


def _map_panels(figure: Figure, points_N2: FloatArray, colourings: Mapping[str, Sequence[str]]) -> None:
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


def _gate_panels(figure: Figure, records: Sequence[Record]) -> None:
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
    # Equal weights take at most half of the shade, so that what stands out is a preference.
    _heatmap(cells, weights, max(2 / experts, float(weights.max())), [[f"{w:.2f}" for w in row] for row in weights])
    cells.set_xticks(middles, [str(expert + 1) for expert in range(experts)])
    cells.set_yticks(np.arange(tasks) + 0.5, names)
    cells.set_xlabel("expert")
    cells.set_ylabel("task (queries)")
    cells.set_title("Mean weight by task")
    _shared_legend(figure, [bars])


def _histogram_panels(figure: Figure, records: Sequence[Record]) -> None:
    splits = _splits(records)
    row = _row_of_panels(figure, splits, 3.9, 3.2, sharey=False)
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
