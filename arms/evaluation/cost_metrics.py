"""What a router's accuracy costs, in the metrics of the published benchmarks, from scores, costs and outcomes."""

import numpy as np
from numpy.typing import NDArray

from arms.evaluation import frontier
from arms.evaluation.cost_quality import Curve, cost_quality_curve, single_vlm_points
from arms.evaluation.outcomes import FloatArray, IntArray, checked_outcomes, correct_of, is_answerable
from arms.evaluation.strong_calls import gap_recovery

BoolArray = NDArray[np.bool_]


def evaluate_cost(
    *,
    confidence: FloatArray,
    selected: IntArray,
    expected_cost: FloatArray,
    charged_cost: FloatArray,
    outcomes: FloatArray,
    weak: int | None,
    strong: int | None,
    asked: BoolArray | None = None,
) -> dict[str, float | None]:
    """Judge what one router's accuracy costs on one split and pool.

    Costs and accuracies are means over every query with a known outcome, answerable or not, since unanswerable queries
    are paid for too. Those of a single VLM are over the queries where its outcome is known. A metric is None if it is
    undefined or needs an unknown cost; it is never a mean over only the queries whose cost is known.

    Parameters
    ----------
    confidence : float array of shape (N, S)
    selected : int array of shape (N,), the chosen VLM among those known on the query; -1 where none is
    expected_cost : float array of shape (N, S), what a policy may weigh, USD; NaN unknown
    charged_cost : float array of shape (N, S), what the answers cost, USD; NaN unknown
    outcomes : float array of shape (N, S), 1 correct, 0 wrong, NaN unknown
    weak, strong : positions of the least expensive VLM and of the best single one by train accuracy; None if unknown
    asked : bool array of shape (N, S), the VLMs that the router asked before it chose; their charges add up. None for a
        router that asks only the chosen VLM.

    Returns
    -------
    dict, in this order
        - `cost_usd`: the mean charge of the selection;
        - `rank_score`: see `frontier.rank_score`, over the pool's range of single-VLM costs;
        - `aiq`, `nauc`, `peak`: see `frontier`, of the curve from `router_curve`;
        - `qnc`: the least cost at which the curve is as accurate as the best single VLM, divided by that VLM's cost;
          None too if the curve never is;
        - `apgr`, `cpt_50`, `cpt_80`: see `strong_calls`; None too if the strong VLM is the weak one or no better, and
          for a router that asks before it chooses;
        - `regret`: the oracle's EM minus the router's, over the answerable queries.

    Raises
    ------
    ValueError
        If shapes disagree, an outcome is not 0, 1 or NaN, or a cost is negative or infinite.
    """
    outcomes = checked_outcomes(outcomes)
    confidence, expected_cost, charged_cost = (
        np.asarray(array, dtype=np.float64) for array in (confidence, expected_cost, charged_cost)
    )
    _check(outcomes, selected, confidence, expected_cost, charged_cost, asked)
    correct = correct_of(selected, outcomes)
    cost = _mean(charge_of(selected, charged_cost, outcomes, asked))
    pool_cost, pool_accuracy = single_vlm_points(charged_cost, outcomes)
    played = ~np.isnan(pool_accuracy)  # a VLM without outcomes here does not count in the pool's range
    limits = frontier.cost_range(pool_cost[played])
    curve = router_curve(
        confidence=confidence,
        selected=selected,
        expected_cost=expected_cost,
        charged_cost=charged_cost,
        outcomes=outcomes,
        asked=asked,
    )
    return {
        "cost_usd": cost,
        "rank_score": frontier.rank_score(_mean(correct[~np.isnan(correct)]), cost, limits),
        **_areas(curve, pool_cost[played], pool_accuracy[played]),
        "qnc": None
        if curve is None or strong is None
        else frontier.qnc(curve, pool_cost[strong], pool_accuracy[strong]),
        **_gap_metrics(confidence, outcomes, None if asked is not None else weak, strong),
        "regret": _mean(1.0 - correct[is_answerable(outcomes)]),
    }


def router_curve(
    *,
    confidence: FloatArray,
    selected: IntArray,
    expected_cost: FloatArray,
    charged_cost: FloatArray,
    outcomes: FloatArray,
    asked: BoolArray | None = None,
) -> Curve | None:
    """Return the operating points of a router: its `cost_quality_curve`, or one point if it asks before it chooses.

    Parameters
    ----------
    As for `evaluate_cost`.

    Returns
    -------
    Curve; None if no outcome is known, or if a cost that it needs is not
    """
    outcomes = checked_outcomes(outcomes)
    known = ~np.isnan(outcomes)
    if not known.any():
        return None
    if asked is not None:
        # Every VLM asked is paid for, whichever is then chosen: accuracy cannot be traded for cost.
        cost = _mean(charge_of(selected, charged_cost, outcomes, asked))
        accuracy = _mean(correct_of(selected, outcomes)[known.any(axis=1)])
        return None if cost is None else Curve(*(np.array([value], dtype=np.float64) for value in (cost, accuracy, 0)))
    if np.isnan(expected_cost[known]).any() or np.isnan(charged_cost[known]).any():
        return None
    return cost_quality_curve(confidence, expected_cost, charged_cost, outcomes)


def charge_of(
    selected: IntArray, charged_cost: FloatArray, outcomes: FloatArray, asked: BoolArray | None = None
) -> NDArray[np.float64]:
    """Return what each query cost.

    Parameters
    ----------
    selected : int array of shape (N,), the chosen VLM, which is always paid for
    charged_cost, outcomes : float arrays of shape (N, S); NaN = unknown
    asked : bool array of shape (N, S), the VLMs that are paid for besides; None if there are none

    Returns
    -------
    float64 array of shape (M,), of the M queries with a known outcome; NaN where a charge is unknown
    """
    known = ~np.isnan(outcomes).all(axis=1)
    paid = np.zeros(outcomes.shape, dtype=bool) if asked is None else asked.copy()
    paid[known, selected[known]] = True
    return np.where(paid, charged_cost, 0.0).sum(axis=1, dtype=np.float64)[known]


def _areas(
    curve: Curve | None, pool_cost: NDArray[np.float64], pool_accuracy: NDArray[np.float64]
) -> dict[str, float | None]:
    if curve is None:
        return dict.fromkeys(("aiq", "nauc", "peak"))
    return {
        "aiq": frontier.aiq(curve, pool_cost, pool_accuracy),
        "nauc": frontier.nauc(curve, pool_cost, pool_accuracy),
        "peak": frontier.peak(curve),
    }


def _gap_metrics(
    confidence: NDArray[np.float64], outcomes: NDArray[np.float64], weak: int | None, strong: int | None
) -> dict[str, float | None]:
    recovery = None
    if weak is not None and strong is not None:
        advantage = confidence[:, strong] - confidence[:, weak]
        recovery = gap_recovery(advantage, outcomes[:, weak], outcomes[:, strong])
    if recovery is None:
        return dict.fromkeys(("apgr", "cpt_50", "cpt_80"))
    return {"apgr": recovery.average(), "cpt_50": recovery.least_share(0.5), "cpt_80": recovery.least_share(0.8)}


def _check(
    outcomes: NDArray[np.float64],
    selected: IntArray,
    confidence: NDArray[np.float64],
    expected_cost: NDArray[np.float64],
    charged_cost: NDArray[np.float64],
    asked: BoolArray | None,
) -> None:
    for name, array, shape in (
        ("selected", selected, outcomes.shape[:1]),
        ("confidence", confidence, outcomes.shape),
        ("expected_cost", expected_cost, outcomes.shape),
        ("charged_cost", charged_cost, outcomes.shape),
        ("asked", confidence if asked is None else asked, outcomes.shape),
    ):
        if np.shape(array) != shape:
            raise ValueError(f"evaluate_cost: expected {name} of shape {shape}, got {np.shape(array)}")
    if asked is not None and asked.dtype != bool:
        raise ValueError(f"evaluate_cost: expected asked as bool, got {asked.dtype}")
    for name, costs in (("expected_cost", expected_cost), ("charged_cost", charged_cost)):
        wrong = costs[(costs < 0) | np.isinf(costs)]
        if len(wrong):
            raise ValueError(
                f"evaluate_cost: expected {name} of at least 0 or NaN (unknown), got {wrong[0]} "
                f"({len(wrong)} such values)"
            )


def _mean(values: NDArray[np.float64]) -> float | None:
    """Return the mean, or None if there are no values or one is unknown."""
    return None if not len(values) or np.isnan(values).any() else float(values.mean())
