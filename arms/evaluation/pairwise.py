"""Routers against each other: paired differences of EM from one set of draws, each by itself and all together."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arms.evaluation.bootstrap import bootstrap_seed_means, interval
from arms.evaluation.claims import Claims, max_t
from arms.evaluation.outcomes import FloatArray

Floats = NDArray[np.float64]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False, slots=True)
class PairedDifferences:
    """EM of one router minus that of another, for P pairs; all NaN without queries.

    Attributes
    ----------
    pairs : P pairs of positions
    difference : float64 array of shape (P,), in [-1, 1]
        Of the means over the seeds.
    low, high : float64 arrays of shape (P,)
        The paired 95 % interval of each pair by itself.
    claims : Claims
        The intervals and p-values that hold for all P pairs together.
    """

    pairs: tuple[Pair, ...]
    difference: Floats
    low: Floats
    high: Floats
    claims: Claims

    def records(self, routers: Sequence[str], **labels: str) -> list[dict[str, Any]]:
        """Return the differences as records that JSON can hold.

        Parameters
        ----------
        routers : R names
        labels : columns that set these records apart, such as split="id", pool="base"

        Returns
        -------
        list of {**labels, "router", "other", "difference", "low", "high", "claim_low", "claim_high", "p"}; numbers are
        None without queries
        """
        last = max((max(pair) for pair in self.pairs), default=-1)
        if len(routers) <= last:
            raise ValueError(f"PairedDifferences.records: expected {last + 1} names or more, got {len(routers)}")
        numbers = {
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "claim_low": self.claims.low,
            "claim_high": self.claims.high,
            "p": self.claims.p,
        }
        return [
            {**labels, "router": routers[i], "other": routers[j]}
            | {name: None if np.isnan(values[at]) else float(values[at]) for name, values in numbers.items()}
            for at, (i, j) in enumerate(self.pairs)
        ]


def paired_differences(
    correct: FloatArray | Sequence[FloatArray],
    groups: NDArray,
    samples: int,
    seed: int,
    pairs: Sequence[Pair] | None = None,
) -> PairedDifferences:
    """Compare R routers on the same queries; with one seed each pair as `metrics.compare` does, with the same draws.

    Parameters
    ----------
    correct : float array of shape (N, R), or R arrays of shape (N, seeds of that router)
        0 or 1, such as from `correct_of` on the answerable queries.
    groups : array of shape (N,), the scene of each query
    samples, seed : the bootstrap's draws and their seed
    pairs : the pairs to compare, which are the family of the claims; by default all, the earlier router first

    Raises
    ------
    ValueError
        If shapes disagree or a value is unknown.
    """
    runs = _as_runs(correct, np.shape(groups))
    chosen = tuple(combinations(range(len(runs)), 2) if pairs is None else pairs)
    if not len(groups) or not chosen:
        nothing = np.full(len(chosen), np.nan)
        return PairedDifferences(chosen, nothing, nothing, nothing, Claims(nothing, nothing, nothing))
    first, second = np.array(chosen).T
    em = np.array([run.mean() for run in runs])
    draws = bootstrap_seed_means(runs, groups, samples, seed)
    difference, drawn = em[first] - em[second], draws[:, first] - draws[:, second]
    low, high = np.array([interval(column) for column in drawn.T]).T
    return PairedDifferences(chosen, difference, low, high, max_t(difference, drawn))


def _as_runs(correct: FloatArray | Sequence[FloatArray], rows: tuple[int, ...]) -> list[Floats]:
    """The routers' outcomes, checked, each of shape (N, seeds)."""
    if isinstance(correct, np.ndarray) and correct.ndim == 2:
        correct = list(correct.T)
    runs = [np.asarray(run, dtype=np.float64) for run in correct]
    runs = [run[:, None] if run.ndim == 1 else run for run in runs]
    if wrong := [run.shape for run in runs if run.ndim != 2 or run.shape[:1] != rows]:
        raise ValueError(
            "paired_differences: expected correct of shape (N, R), or R arrays of shape (N, seeds), and groups of "
            f"shape (N,), got {wrong[0]} and {rows}"
        )
    if any(np.isnan(run).any() for run in runs):
        raise ValueError(
            "paired_differences: expected known outcomes on all queries, got NaN; leave the unknown queries out of all"
        )
    return runs
