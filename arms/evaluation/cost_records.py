"""Cost and accuracy as flat records, the form that DVC plots read and `arms.reports.pareto_figure` draws."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from arms.evaluation.cost_quality import Curve

Record = dict[str, Any]
KINDS = ("curve", "router", "vlm", "oracle")


def curve_records(curve: Curve | None, max_points: int, **labels: str) -> list[Record]:
    """Return a router's curve as records that JSON can hold.

    Parameters
    ----------
    curve : Curve, or None for no records
    max_points : int, at least 3; see `Curve.thinned`
    labels : name="knn", split="id", pool="base"

    Returns
    -------
    list of {**labels, "kind": "curve", "cost_usd", "accuracy", "penalty"}
    """
    if curve is None:
        return []
    thin = curve.thinned(max_points)
    columns = zip(thin.cost.tolist(), thin.accuracy.tolist(), thin.penalty.tolist(), strict=True)
    return [
        {**labels, "kind": "curve", "cost_usd": cost, "accuracy": accuracy, "penalty": penalty}
        for cost, accuracy, penalty in columns
    ]


def point_records(kind: str, points: Mapping[str, tuple[float, float] | None], **labels: str) -> list[Record]:
    """Return single points as records that JSON can hold; unknown points are left out.

    Parameters
    ----------
    kind : "router", "vlm" or "oracle"
    points : name -> (cost in USD, accuracy); None or NaN = unknown
    labels : split="id", pool="base"

    Returns
    -------
    list of {**labels, "name", "kind", "cost_usd", "accuracy", "penalty": None}
    """
    return [
        {**labels, "name": name, "kind": kind, "cost_usd": float(point[0]), "accuracy": float(point[1])}
        | {"penalty": None}
        for name, point in points.items()
        if point is not None and not np.isnan(point).any()
    ]
