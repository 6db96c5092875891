"""The selection policies: which VLM answers, given the router's confidences and what each VLM is expected to cost.

A policy that weighs confidence against expense reads the expected costs or the expected latencies, as its setting `of`
says. Among equally good VLMs such a policy takes the least expensive one, then the surest, then the first in the pool.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]
NONE_KNOWN = -1
EXPENSES = ("cost", "latency")


@dataclass(frozen=True, eq=False)
class Choices:
    """What a policy chooses by, for N queries over a pool of S VLMs; checked by `arms.selection.select.select`.

    Attributes
    ----------
    confidence : float array of shape (N, S), finite
    known : bool array of shape (N, S); the VLMs that may be chosen
    vlms : S names, in pool order
    costs : float64 array of shape (N, S), expected USD, finite and >= 0, or None
    latencies : float64 array of shape (N, S), expected seconds, finite and >= 0, or None
    """

    confidence: FloatArray
    known: BoolArray
    vlms: tuple[str, ...]
    costs: NDArray[np.float64] | None = None
    latencies: NDArray[np.float64] | None = None

    def expense(self, of: Literal["cost", "latency"], policy: str) -> NDArray[np.float64]:
        """The costs or the latencies; a ValueError if they are not given, or `of` is neither."""
        if of not in EXPENSES:
            raise ValueError(f"policy {policy}.of: expected one of {', '.join(EXPENSES)}, got {of!r}")
        expense = self.costs if of == "cost" else self.latencies
        if expense is None:
            name = "costs" if of == "cost" else "latencies"
            raise ValueError(f"policy {policy}: expected the {name} of the VLMs, got none; pass {name}=")
        return expense


def argmax(choices: Choices) -> IntArray:
    """Choose the VLM of highest confidence; of equals, the first in pool order."""
    return _best(choices.confidence, choices.known)[0]


def cascade(choices: Choices, *, theta: float, pools: Sequence[Sequence[str]]) -> IntArray:
    """Choose by the threshold cascade: Algorithm 1 of arXiv:2606.08970, for two pools or any number of them.

    The pools are asked in order. Once the best confidence so far exceeds theta, the best VLM so far is chosen; after
    the last pool, the best of all. A VLM becomes the best so far only if its confidence is higher than all before it,
    so a tie goes to the earlier pool, and within a pool to the first VLM. With two pools, Phi's and Theta's, this is
    Algorithm 1: if c_max > theta, Phi chooses and Theta is not asked.

    Parameters
    ----------
    theta : float in [0, 1]
    pools : the names of the VLMs that each router scores, Phi's first; together `vlms`, each once. A pool may be empty.
    """
    threshold = _threshold(choices, "cascade.theta", theta)
    _check_pools(pools, choices.vlms)
    choice, c_max = _best(choices.confidence, np.zeros_like(choices.known))
    for pool in pools:
        members = np.array([name in pool for name in choices.vlms])
        pool_choice, c_pool = _best(choices.confidence, choices.known & members)
        better = ~(c_max > threshold) & (c_pool > c_max)
        choice, c_max = np.where(better, pool_choice, choice), np.where(better, c_pool, c_max)
    return choice


def penalised(choices: Choices, *, penalty: float, of: Literal["cost", "latency"]) -> IntArray:
    """Choose the VLM of highest confidence - penalty * expense.

    Parameters
    ----------
    penalty : float >= 0
        The confidence that one more USD, or one more second, must add.
    of : 'cost' or 'latency'
    """
    _check_amount("penalised.penalty", penalty)
    expense = choices.expense(of, "penalised")
    return _least(penalty * expense - choices.confidence, expense, choices.known)


def cheapest(choices: Choices, *, tau: float, of: Literal["cost", "latency"]) -> IntArray:
    """Choose the least expensive VLM whose confidence exceeds tau; if none does, the one of highest confidence.

    Parameters
    ----------
    tau : float in [0, 1]
    of : 'cost' or 'latency'
    """
    threshold = _threshold(choices, "cheapest.tau", tau)
    expense = choices.expense(of, "cheapest")
    sure = _least(expense, -choices.confidence, choices.known & (choices.confidence > threshold))
    return np.where(sure == NONE_KNOWN, _least(-choices.confidence, expense, choices.known), sure)


def query_budget(choices: Choices, *, budget: float, of: Literal["cost", "latency"]) -> IntArray:
    """Choose the VLM of highest confidence among those whose expense on the query is at most the budget.

    If no VLM is affordable, choose the least expensive one.

    Parameters
    ----------
    budget : float >= 0
        USD or seconds for each query.
    of : 'cost' or 'latency'
    """
    _check_amount("query_budget.budget", budget)
    expense = choices.expense(of, "query_budget")
    affordable = _least(-choices.confidence, expense, choices.known & (expense <= budget))
    return np.where(affordable == NONE_KNOWN, _least(expense, -choices.confidence, choices.known), affordable)


def mean_budget(choices: Choices, *, budget: float, of: Literal["cost", "latency"]) -> IntArray:
    """Choose as `penalised` does, at the smallest penalty that keeps the mean expense within the budget.

    The mean is over the queries on which some VLM is known, so the choice on one query depends on the other queries.
    If the budget is below the least possible mean, every query gets its least expensive VLM.

    As the penalty rises, a query moves along the upper hull of its (expense, confidence) points, from the VLM of
    highest confidence to the least expensive one; the mean changes only at these steps, and never rises. Steps at the
    same penalty are made together, so a part of the budget may be left.

    Parameters
    ----------
    budget : float >= 0
        USD or seconds, the mean over the queries.
    of : 'cost' or 'latency'
    """
    _check_amount("mean_budget.budget", budget)
    expense = choices.expense(of, "mean_budget")
    rows = np.flatnonzero(choices.known.any(axis=1))
    choice = np.full(len(expense), NONE_KNOWN, dtype=np.int64)
    if not len(rows):
        return choice
    confidence, expense, known = choices.confidence[rows].astype(np.float64), expense[rows], choices.known[rows]
    steps_NK, corners_NK = _hull(confidence, expense, known)
    penalties = np.unique(np.append(steps_NK[np.isfinite(steps_NK)], 0.0))

    def at(penalty: float) -> IntArray:
        return corners_NK[np.arange(len(rows)), (steps_NK <= penalty).sum(axis=1)]

    low, high = 0, len(penalties) - 1
    while low < high:
        middle = (low + high) // 2
        if expense[np.arange(len(rows)), at(penalties[middle])].mean() <= budget:
            high = middle
        else:
            low = middle + 1
    choice[rows] = at(penalties[low])
    return choice


POLICIES: dict[str, Callable[..., IntArray]] = {
    "argmax": argmax,
    "cascade": cascade,
    "cheapest": cheapest,
    "mean_budget": mean_budget,
    "penalised": penalised,
    "query_budget": query_budget,
}

OVER_ALL_QUERIES = ("mean_budget",)  # the choice on one query depends on the others


def _best(confidence: FloatArray, allowed: BoolArray) -> tuple[IntArray, FloatArray]:
    """Return the best allowed VLM of each query and its confidence; -1 and -inf where none is allowed."""
    masked = np.where(allowed, confidence, confidence.dtype.type(-np.inf))
    choice = masked.argmax(axis=1)
    return np.where(allowed.any(axis=1), choice, NONE_KNOWN).astype(np.int64), masked.max(axis=1)


def _least(first: FloatArray, second: FloatArray, allowed: BoolArray) -> IntArray:
    """Return the allowed VLM with the least `first`; ties go to the least `second`, then to pool order; -1 for none."""
    masked = np.where(allowed, first, np.inf)
    tied = allowed & (masked == masked.min(axis=1, keepdims=True))
    choice = np.where(tied, second, np.inf).argmin(axis=1)
    return np.where(allowed.any(axis=1), choice, NONE_KNOWN).astype(np.int64)


def _hull(confidence: FloatArray, expense: FloatArray, known: BoolArray) -> tuple[NDArray[np.float64], IntArray]:
    """Walk each query from its VLM of highest confidence to its least expensive one, as the penalty rises.

    Parameters
    ----------
    confidence, expense, known : arrays of shape (N, S); some VLM is known on each query

    Returns
    -------
    steps_NK : float64 array, rising along a row
        The penalty at which the next VLM becomes as good as the one before; inf past the end of the walk.
    corners_NK : int64 array of shape (N, K + 1)
        The VLM at the start, and the one after each step.
    """
    rows = np.arange(len(confidence))
    steps, corners = [np.zeros(len(confidence))], [_least(-confidence, expense, known)]
    while True:
        here = corners[-1]
        saved = expense[rows, here][:, None] - expense
        cheaper = known & (saved > 0)
        if not cheaper.any():
            return np.stack(steps, axis=1)[:, 1:], np.stack(corners, axis=1)
        lost = confidence[rows, here][:, None] - confidence
        penalty = np.divide(lost, saved, out=np.full(lost.shape, np.inf), where=cheaper)
        following = _least(penalty, expense, cheaper)
        moved = following != NONE_KNOWN
        # Rounding may put a step a hair before the last one.
        steps.append(np.where(moved, np.maximum(penalty[rows, following], steps[-1]), np.inf))
        corners.append(np.where(moved, following, here))


def _threshold(choices: Choices, where: str, value: Any) -> Any:
    """The threshold in the precision of the confidences, so that a stored 0.7 does not exceed a threshold of 0.7."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"policy {where}: expected a number in [0, 1], got {value!r}")
    return choices.confidence.dtype.type(value)


def _check_amount(where: str, value: Any) -> None:
    """Raise a ValueError unless the value is a finite number >= 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"policy {where}: expected a finite number >= 0, got {value!r}")


def _check_pools(pools: Sequence[Sequence[str]], vlms: tuple[str, ...]) -> None:
    """Raise a ValueError unless the pools are lists of names that together are the VLMs, each once."""
    well_formed = isinstance(pools, list | tuple) and all(isinstance(pool, list | tuple) for pool in pools)
    names = [name for pool in pools for name in pool] if well_formed else []
    if len(names) != len(vlms) or any(name not in names for name in vlms):
        raise ValueError(
            f"policy cascade.pools: expected lists of names that together are {', '.join(vlms)}, each once, "
            f"got {pools!r}"
        )
