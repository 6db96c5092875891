"""The metrics of a router: the EM of its selections, with intervals, and its quality as a classifier of outcomes."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from arms.evaluation.bootstrap import bootstrap_means, interval
from arms.evaluation.calibration import expected_calibration_error
from arms.evaluation.outcomes import (
    FloatArray,
    IntArray,
    checked_outcomes,
    correct_of,
    is_answerable,
    is_complete,
    known_pairs,
    select_best_single,
)

Metrics = dict[str, float | int | None]
# What is reported of a partial replay, each name after `partial_`.
PARTIAL = (
    "em", "em_low", "em_high", "em_all", "best_single_em", "gain", "gain_low", "gain_high", "auroc", "ece_all",
    "queries", "queries_all",
)  # fmt: skip


def evaluate_router(
    *,
    confidence: FloatArray,
    selected: IntArray,
    outcomes: FloatArray,
    groups: NDArray,
    best_single: FloatArray,
    best_possible: IntArray | None,
    samples: int,
    seed: int,
    threshold: float = 0.5,
) -> Metrics:
    """Judge one router on one split and pool.

    A pool is judged on its complete cases, the queries on which every VLM has an outcome. What a partial replay gives
    comes second, under names that begin with `partial_`: it takes every query with a known outcome, and the choice
    there among the VLMs whose outcome is known. It is biased: see `is_complete`.

    A query is answerable if a VLM of the pool is correct; the paper keeps only these (section 5.1.3 of
    arXiv:2606.08970). Metrics named `_all` are over all queries, all others over the answerable ones. Judge
    calibration by `ece_all`: only its outcomes show that a query is answerable, and on answerable queries VLMs are
    right more often than a calibrated router says.

    Parameters
    ----------
    confidence : float array of shape (N, S), in [0, 1]
    selected : int array of shape (N,), the chosen VLM among those known on the query; -1 where none is
    outcomes : float array of shape (N, S), 1 correct, 0 wrong, NaN unknown
    groups : array of shape (N,), the scene of each query; what the bootstrap resamples
    best_single : float array of shape (S,), each VLM's accuracy on train, from `comparable_accuracy`; NaN without one
    best_possible : int array of shape (N,), the choice of a simulator that knows every chance of being right; or None
    samples, seed : the bootstrap's draws and their seed
    threshold : a confidence strictly above it predicts "correct"

    Returns
    -------
    dict, in the order in which it is reported: `em` and its 95 % interval, `em_all`, `best_single_em` (the VLM of
    highest train accuracy), `best_single_em_all`, `gain` over it with a paired interval, `gap_closed` (the share of the
    way from the best single VLM to the oracle), `oracle_em`, `best_possible_em` (only if given); over (query, VLM)
    pairs `accuracy`, `precision`, `recall`, `f1`, `auroc`, `brier`, `ece` and `ece_all`; the counts `queries`
    (answerable), `queries_all` and `pairs`; `queries_incomplete`, how many queries were left out because the outcome of
    some VLM is unknown; and where one of these has any outcome, the metrics of `PARTIAL`. What is undefined is None.

    Raises
    ------
    ValueError
        If shapes disagree or an outcome is not 0, 1 or NaN.
    """
    outcomes = checked_outcomes(outcomes)
    confidence, selected, groups = np.asarray(confidence), np.asarray(selected), np.asarray(groups)
    ceiling = None if best_possible is None else np.asarray(best_possible)
    for name, array, shape in (
        ("confidence", confidence, outcomes.shape),
        ("selected", selected, outcomes.shape[:1]),
        ("groups", groups, outcomes.shape[:1]),
        ("best_single", best_single, outcomes.shape[1:]),
        ("best_possible", selected if ceiling is None else ceiling, outcomes.shape[:1]),
    ):
        if np.shape(array) != shape:
            raise ValueError(f"evaluate_router: expected {name} of shape {shape}, got {np.shape(array)}")
    complete = is_complete(outcomes)
    partly = np.asarray(~np.isnan(outcomes).all(axis=1))

    def judge(rows: NDArray[np.bool_]) -> Metrics:
        answerable = is_answerable(outcomes[rows])
        pair_confidence, pair_correct = known_pairs(confidence[rows], outcomes[rows], answerable=True)
        best: Metrics = {}
        if ceiling is not None:
            best = {"best_possible_em": known_mean(correct_of(ceiling[rows], outcomes[rows])[answerable])}
        return {
            **_selection_metrics(selected[rows], outcomes[rows], groups[rows], best_single, samples, seed),
            **best,
            **_classification_metrics(pair_confidence, pair_correct, threshold),
            "ece_all": expected_calibration_error(*known_pairs(confidence[rows], outcomes[rows], answerable=False)),
            "queries": int(answerable.sum()),
            "queries_all": int(rows.sum()),
            "pairs": len(pair_correct),
        }

    metrics = judge(complete) | {"queries_incomplete": int((~complete).sum())}
    if (partly & ~complete).any():
        partial = judge(partly)
        metrics |= {f"partial_{name}": partial[name] for name in PARTIAL}
    return metrics


def compare(
    correct_a: FloatArray, correct_b: FloatArray, groups: NDArray, samples: int, seed: int
) -> dict[str, float | None]:
    """Return the EM of router a minus that of router b on the same queries, with its paired 95 % interval.

    Parameters
    ----------
    correct_a, correct_b : float arrays of shape (N,), 0 or 1, such as from `correct_of`
    groups : array of shape (N,), the scene of each query

    Returns
    -------
    {"difference", "low", "high"}; all None without queries

    Raises
    ------
    ValueError
        If shapes disagree or a value is unknown.
    """
    both = np.stack([np.asarray(correct_a, np.float64), np.asarray(correct_b, np.float64)], axis=1)
    if np.isnan(both).any():
        raise ValueError(
            "compare: expected known outcomes on all queries, got NaN; leave the unknown queries out of both"
        )
    if not len(both):
        return {"difference": None, "low": None, "high": None}
    draws = bootstrap_means(both, groups, samples, seed)
    low, high = interval(draws[:, 0] - draws[:, 1])
    return {"difference": float(both[:, 0].mean() - both[:, 1].mean()), "low": low, "high": high}


def train_accuracy(outcomes: FloatArray) -> NDArray[np.float64]:
    """Return each VLM's share of correct outcomes among its known ones: shape (S,), NaN without a known one."""
    outcomes = checked_outcomes(outcomes)
    known = (~np.isnan(outcomes)).sum(axis=0)
    correct = np.nansum(outcomes, axis=0)
    return np.divide(correct, known, out=np.full(len(known), np.nan), where=known > 0)


def round_metrics(metrics: dict[str, Any], digits: int = 4) -> dict[str, Any]:
    """Round every float of a (nested) dict of metrics, for files whose diffs are read.

    Raises
    ------
    ValueError
        If a float is NaN or infinite, which JSON cannot hold.
    """
    rounded: dict[str, Any] = {}
    for name, value in metrics.items():
        if isinstance(value, dict):
            value = round_metrics(value, digits)
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(f"round_metrics: {name}: expected a finite number or None, got {value}")
            value = round(float(value), digits) + 0.0  # turns -0.0 into 0.0
        rounded[name] = value
    return rounded


def known_mean(values: NDArray) -> float | None:
    """Return the mean of the known values, or None if no value is known."""
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else None


def _selection_metrics(
    selected: IntArray, outcomes: FloatArray, groups: NDArray, best_single: FloatArray, samples: int, seed: int
) -> Metrics:
    """Return EM, gain over the best single VLM, their intervals from one set of draws, and the oracle."""
    answerable = is_answerable(outcomes)
    chosen_all = correct_of(selected, outcomes)
    single_all = correct_of(select_best_single(best_single, outcomes), outcomes)
    chosen, single = chosen_all[answerable], single_all[answerable]
    em, single_em, oracle_em = (
        known_mean(chosen),
        known_mean(single),
        known_mean((outcomes[answerable] == 1).any(axis=1)),
    )
    gain = gain_low = gain_high = em_low = em_high = gap_closed = None
    if em is not None and single_em is not None and oracle_em is not None:
        draws = bootstrap_means(np.stack([chosen, single], axis=1), np.asarray(groups)[answerable], samples, seed)
        em_low, em_high = interval(draws[:, 0])
        gain = em - single_em
        gain_low, gain_high = interval(draws[:, 0] - draws[:, 1])
        gap_closed = gain / (oracle_em - single_em) if oracle_em > single_em else None
    return {
        "em": em,
        "em_low": em_low,
        "em_high": em_high,
        "em_all": known_mean(chosen_all),
        "best_single_em": single_em,
        "best_single_em_all": known_mean(single_all),
        "gain": gain,
        "gain_low": gain_low,
        "gain_high": gain_high,
        "gap_closed": gap_closed,
        "oracle_em": oracle_em,
    }


def _classification_metrics(confidence: FloatArray, correct: NDArray[np.bool_], threshold: float) -> Metrics:
    """Judge confidences of shape (P,) as predictions of the outcomes (P,).

    Precision is None if nothing is predicted correct, AUROC if only one class occurs.
    """
    predicted = confidence > threshold
    hits = int((predicted & correct).sum())
    num_predicted, num_correct = int(predicted.sum()), int(correct.sum())
    one_class = num_correct in (0, len(correct))
    return {
        "accuracy": known_mean(predicted == correct),
        "precision": hits / num_predicted if num_predicted else None,
        "recall": hits / num_correct if num_correct else None,
        "f1": 2 * hits / (num_predicted + num_correct) if num_predicted + num_correct else None,
        "auroc": None if one_class else float(roc_auc_score(correct, confidence)),
        "brier": known_mean((confidence.astype(np.float64) - correct) ** 2),
        "ece": expected_calibration_error(confidence, correct),
    }
