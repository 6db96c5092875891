"""Every router against every other one: paired differences of EM, all from one set of draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arms.evaluation.bootstrap import bootstrap_means, interval
from arms.evaluation.outcomes import FloatArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class PairedDifferences:
    """EM of the row's router minus that of the column's, with paired 95 % intervals; all NaN without queries.

    Attributes
    ----------
    difference, low, high : float64 arrays of shape (R, R), in [-1, 1], 0 on the diagonal
    """

    difference: Floats
    low: Floats
    high: Floats

    def records(self, routers: Sequence[str], **labels: str) -> list[dict[str, Any]]:
        """Return the differences as records that JSON can hold, each pair once, the earlier router first.

        Parameters
        ----------
        routers : R names
        labels : columns that set these records apart, such as split="id", pool="base"

        Returns
        -------
        list of {**labels, "router", "other", "difference", "low", "high"}; numbers are None without queries
        """
        if len(routers) != len(self.difference):
            raise ValueError(f"PairedDifferences.records: expected {len(self.difference)} names, got {len(routers)}")
        numbers = {"difference": self.difference, "low": self.low, "high": self.high}
        return [
            {**labels, "router": routers[i], "other": routers[j]}
            | {name: None if np.isnan(matrix[i, j]) else float(matrix[i, j]) for name, matrix in numbers.items()}
            for i, j in combinations(range(len(routers)), 2)
        ]


def paired_differences(correct_NR: FloatArray, groups: NDArray, samples: int, seed: int) -> PairedDifferences:
    """Compare R routers pair by pair on the same queries; each pair as `metrics.compare` does, with the same draws.

    Parameters
    ----------
    correct_NR : float array of shape (N, R), 0 or 1, such as from `correct_of` on the answerable queries
    groups : array of shape (N,), the scene of each query
    samples, seed : the bootstrap's draws and their seed

    Raises
    ------
    ValueError
        If shapes disagree or a value is unknown.
    """
    correct = np.asarray(correct_NR, dtype=np.float64)
    if correct.ndim != 2 or np.shape(groups) != correct.shape[:1]:
        raise ValueError(
            "paired_differences: expected correct of shape (N, R) and groups of shape (N,), "
            f"got {correct.shape} and {np.shape(groups)}"
        )
    if np.isnan(correct).any():
        raise ValueError(
            "paired_differences: expected known outcomes on all queries, got NaN; leave the unknown queries out of all"
        )
    routers = correct.shape[1]
    if not len(correct):
        return PairedDifferences(*np.full((3, routers, routers), np.nan))
    em = correct.mean(axis=0)
    draws = bootstrap_means(correct, groups, samples, seed)
    low, high = np.zeros((2, routers, routers))
    for i, j in combinations(range(routers), 2):
        low[i, j], high[i, j] = interval(draws[:, i] - draws[:, j])
    # The interval of b - a is that of a - b, mirrored at 0.
    return PairedDifferences(em[:, None] - em, low - high.T, high - low.T)
