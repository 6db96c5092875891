"""The studies of the extension, drawn and put into tables."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arms.data.splits import TEST_SPLITS
from arms.reports import study_figures
from studies.settings import FIVE_METRICS

Json = dict[str, Any]
SHARE_LABEL = "share of the training images that Phi was trained on"


def draw_extension(extension: Json, metrics: Mapping[str, Json], folder: Path) -> None:
    """Draw the extended pool: five metrics by theta and by Phi's share of the images, EM by the number of outcomes."""
    references = _references(extension, metrics)
    if "strategies" in extension:
        records = [record for record in extension["strategies"]["theta"] if record["calibrated"]]
        drawn = _sweep_records(records, "theta", references)
        study_figures.sweep(drawn, folder / "theta.png", x_label="theta", references=references)
    if "initial" in extension:
        drawn = _sweep_records(extension["initial"], "share", references)
        study_figures.sweep(drawn, folder / "initial.png", x_label=SHARE_LABEL, references=references)
    if "few-shot" in extension:
        points = [
            {"x": float(x), "split": split, "series": strategy, "runs": runs}
            for (split, x, strategy), runs in _runs(extension["few-shot"], ("split", "outcomes", "strategy"), "em")
            if split in references
        ]
        label = "outcomes of each new VLM"
        study_figures.series(points, folder / "few-shot.png", x_label=label, references=references, even=True)


def extension_tables(extension: Json) -> Json:
    """What the results page shows about the extension; several seeds become their mean, lowest and highest."""
    tables: Json = {}
    if "strategies" in extension:
        tables |= {key: extension["strategies"][key] for key in ("new", "strategies", "forgotten", "theta")}
    if "few-shot" in extension:
        tables["few-shot"] = [
            {"outcomes": count, "split": split, "strategy": strategy, "metric": metric, **_spread(runs)}
            for metric in ("em", "em_all")
            for (strategy, split, count), runs in _runs(
                extension["few-shot"], ("strategy", "split", "outcomes"), metric
            )
        ]
    if "initial" in extension:
        tables["initial"] = [
            {"share": share, "split": split, "metric": metric, **_spread(runs)}
            for metric in (*FIVE_METRICS, "em_all")
            for (split, share), runs in _runs(extension["initial"], ("split", "share"), metric)
        ]
    return tables


def _references(extension: Json, metrics: Mapping[str, Json]) -> dict[str, dict[str, float]]:
    """By split the EMs that are drawn as lines; a split without answerable queries has none, and no panel."""
    references = {
        split: {"best single VLM": values["best_single_em"]}
        for split in TEST_SPLITS
        if (values := metrics["knn"][split]["extended"])["em"] is not None
    }
    if "strategies" in extension:
        for split, lines in references.items():
            for line, name in (("Phi alone, base pool", "Phi alone"), ("full retraining", "full retraining")):
                lines[line] = extension["strategies"]["strategies"][name]["metrics"][split]["em"]
    return references


def _sweep_records(records: Sequence[Json], key: str, splits: Mapping[str, Any]) -> list[Json]:
    return [
        {"x": float(x), "split": split, "metric": metric, "runs": runs}
        for metric in FIVE_METRICS
        for (split, x), runs in _runs(records, ("split", key), metric)
        if split in splits
    ]


def _runs(records: Sequence[Json], keys: Sequence[str], metric: str) -> Iterator[tuple[tuple[Any, ...], list[float]]]:
    """One metric of all seeds, for each combination of the keys' values; a metric that is undefined has none."""
    runs: dict[tuple[Any, ...], list[float]] = {}
    for record in records:
        if record[metric] is not None:
            runs.setdefault(tuple(record[key] for key in keys), []).append(record[metric])
    yield from runs.items()


def _spread(runs: Sequence[float]) -> dict[str, float]:
    return {"mean": round(float(np.mean(runs)), 4), "low": min(runs), "high": max(runs)}
