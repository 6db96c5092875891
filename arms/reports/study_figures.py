"""Figures of the studies as PNG: sweeps, ablations, and what VLMs, gate and confidences do.

Drawn in the manner of `arms.reports.figures`: without pyplot, and the same records give the same bytes.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from arms.evaluation.outcomes import FloatArray
from arms.reports.figures import CYCLE, INK, _draw, _shared_legend
from arms.reports.inside_panels import (
    gate_panels,
    histogram_panels,
    map_panels,
    rescue_panel,
    row_of_panels,
    splits_of,
)

Record = dict[str, Any]
METRICS = {
    "em": ("EM", CYCLE[0], "o"),
    "accuracy": ("accuracy", CYCLE[1], "s"),
    "f1": ("F1", CYCLE[2], "^"),
    "precision": ("precision", CYCLE[3], "v"),
    "recall": ("recall", CYCLE[4], "D"),
}
REFERENCE_LINES = (("#444444", (0, (1, 1.5))), ("#8a5aa8", (0, (5, 2))), ("#8c7a3f", (0, (3, 1.5, 1, 1.5))))
RANGE = "lowest to highest run"


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
    records : {"x": float, "split", "metric": a key of METRICS, "runs": list of float, one per seed}
    path : the PNG to write
    x_label : the setting and its unit, such as "training data (%)"
    references : split -> label -> EM of what is drawn beside the sweep, such as the best single VLM
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
    references : split -> label -> EM of what is drawn beside
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
    _draw(path, [{"vlm": vlm} for vlm in vlms], lambda figure: rescue_panel(figure, matrix_SS, vlms))


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
    _draw(path, [dict(colourings)] if colourings else [], lambda figure: map_panels(figure, points_N2, colourings))


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
    _draw(path, records, lambda figure: gate_panels(figure, records))


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
    _draw(path, drawn, lambda figure: histogram_panels(figure, drawn))


def _check_runs(path: str | Path, records: Sequence[Record], metrics: Collection[str]) -> None:
    for record in records:
        if record["metric"] not in metrics:
            raise ValueError(f"{path}: unknown metric {record['metric']!r}; known: {', '.join(metrics)}")
        runs = np.array(record["runs"], dtype=np.float64)  # None becomes NaN
        if not runs.size or not np.isfinite(runs).all():
            raise ValueError(f"{path}: expected finite runs, at least one, got {record}")


def _sweep_panels(
    figure: Figure, records: Sequence[Record], x_label: str, references: Mapping[str, Mapping[str, float]]
) -> None:
    splits = splits_of(records)
    row = row_of_panels(figure, splits, 4.3, 3.5, sharey=True)
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
    splits, names = splits_of(records), list(dict.fromkeys(record["series"] for record in records))
    row = row_of_panels(figure, splits, 4.3, 3.5, sharey=True)
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
    splits, variants = splits_of(records), list(dict.fromkeys(record["variant"] for record in records))
    names = 0.07 * max(map(len, variants)) / len(splits)
    row = row_of_panels(figure, splits, 3.4 + names, 1.1 + 0.27 * len(variants), sharey=True)
    for axes, split in zip(row, splits, strict=True):
        for record in (record for record in records if record["split"] == split):
            place, mean = variants.index(record["variant"]), float(np.mean(record["runs"]))
            colour = CYCLE[1] if place == 0 else CYCLE[0]
            if place == 0:
                axes.axvline(mean, color=colour, linewidth=1, linestyle=(0, (4, 2)))
            axes.plot([min(record["runs"]), max(record["runs"])], [place, place], color=colour, linewidth=2, alpha=0.5)
            axes.plot(mean, place, color=colour, marker="o", markersize=5)
            # The numbers are in a column at the right, where no bar can cross them.
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
