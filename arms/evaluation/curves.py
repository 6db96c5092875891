"""Data for plots: lists of flat records, the form that DVC plots read and `arms.reports.figures` draws."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arms.evaluation.bootstrap import bootstrap_means, interval
from arms.evaluation.calibration import NUM_BINS, reliability_curve
from arms.evaluation.metrics import Metrics, known_mean
from arms.evaluation.outcomes import FloatArray, IntArray, checked_outcomes, correct_of, is_answerable, known_pairs

Record = dict[str, Any]
BY_SPLIT_AND_POOL = Mapping[str, Mapping[str, Any]]  # split -> pool -> what holds there
REFERENCES = {"oracle": "oracle_em", "best possible": "best_possible_em"}


def reliability_records(
    confidence: FloatArray, outcomes: FloatArray, bins: int = NUM_BINS, **labels: str
) -> list[Record]:
    """Return the reliability curve of a router, over the pairs that its `ece_all` counts.

    Parameters
    ----------
    confidence, outcomes : float arrays of shape (N, S); outcomes NaN = unknown
    labels : columns that set this curve apart, such as router="arms", split="id", pool="base"

    Returns
    -------
    list of {**labels, "bin", "confidence", "correct", "pairs"}
    """
    points = reliability_curve(*known_pairs(confidence, checked_outcomes(outcomes), answerable=False), bins=bins)
    return [{**labels, **point} for point in points]


def em_records(routers: Mapping[str, BY_SPLIT_AND_POOL], singles: BY_SPLIT_AND_POOL) -> list[Record]:
    """Return the EM bars of every router and single VLM, and the references beside them.

    Parameters
    ----------
    routers : router -> split -> pool -> its metrics (`evaluate_router`)
    singles : split -> pool -> VLM -> its EM (`single_vlm_em`)

    Returns
    -------
    list of {"split", "pool", "kind", "name", "em", "em_low", "em_high", "em_all", "queries"}, kind being "router",
    "vlm" or "reference" (oracle and, where known, best possible; without interval), in the order given; a split and
    pool without an answerable query to judge on gives no record
    """
    records: list[Record] = []
    references: dict[tuple[str, str, str], Record] = {}
    for router, splits in routers.items():
        for split, pool, metrics in _flat(splits):
            records.append(_bar(split, pool, "router", router, metrics))
            for name, key in REFERENCES.items():
                if metrics.get(key) is not None:
                    # The same for every router of this split and pool: the first one has it.
                    reference = {"em": metrics[key], "queries": metrics["queries"]}
                    references.setdefault((split, pool, name), _bar(split, pool, "reference", name, reference))
    for split, pool, table in _flat(singles):
        records += [_bar(split, pool, "vlm", vlm, metrics) for vlm, metrics in table.items()]
    return [record for record in [*records, *references.values()] if record["em"] is not None]


def em_by(
    by: str,
    column: NDArray,
    *,
    selected: IntArray,
    outcomes: FloatArray,
    groups: NDArray,
    samples: int,
    seed: int,
    **labels: str,
) -> list[Record]:
    """Return a router's EM on each benchmark, task, language or form: on its answerable queries, and on all of them.

    Parameters
    ----------
    by : name of the column, such as "language"
    column : array of shape (N,), its value on each query; None is shown as "unknown"
    selected : int array of shape (N,), the chosen VLM
    outcomes : float array of shape (N, S), NaN = unknown
    groups : array of shape (N,), the scene of each query
    samples, seed : the bootstrap's draws and their seed

    Returns
    -------
    list of {**labels, by: value, "em", "em_low", "em_high", "em_all", "queries"}, in order of the value; a value
    without answerable queries has no record
    """
    outcomes = checked_outcomes(outcomes)
    if not len(column) == len(selected) == len(groups) == len(outcomes):
        raise ValueError(
            f"em_by {by}: expected {len(outcomes)} values, selections and groups, "
            f"got {len(column)}, {len(selected)} and {len(groups)}"
        )
    answerable = is_answerable(outcomes)
    if not answerable.any():
        return []
    value_of = np.array(["unknown" if value is None else str(value) for value in np.asarray(column)])
    names = np.unique(value_of[answerable])
    correct = correct_of(selected, outcomes)
    values = np.where(value_of[:, None] == names, correct[:, None], np.nan)[answerable]
    draws = bootstrap_means(values, np.asarray(groups)[answerable], samples, seed)
    records = []
    for index, name in enumerate(names):
        low, high = interval(draws[:, index])
        em, em_all = known_mean(values[:, index]), known_mean(correct[value_of == name])
        queries = int((~np.isnan(values[:, index])).sum())
        numbers = {"em": em, "em_low": low, "em_high": high, "em_all": em_all, "queries": queries}
        records.append({**labels, by: str(name), **numbers})
    return records


def _flat(splits: BY_SPLIT_AND_POOL) -> list[tuple[str, str, Any]]:
    return [(split, pool, inner) for split, pools in splits.items() for pool, inner in pools.items()]


def _bar(split: str, pool: str, kind: str, name: str, metrics: Metrics) -> Record:
    shown = {key: metrics.get(key) for key in ("em", "em_low", "em_high", "em_all", "queries")}
    return {"split": split, "pool": pool, "kind": kind, "name": name, **shown}
