"""Always asking the same VLM: which one is the best on train, and the EM of each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arms.evaluation.bootstrap import bootstrap_means, interval
from arms.evaluation.metrics import Metrics, known_mean, train_accuracy
from arms.evaluation.outcomes import FloatArray, checked_outcomes, is_answerable, is_complete


def comparable_accuracy(train_outcomes: FloatArray) -> NDArray[np.float64]:
    """Return each VLM's accuracy on the complete cases of train, by which the best single VLM is chosen.

    On the same queries, a VLM that was measured only on easy ones does not look better than the others. A VLM without
    any outcome has no part in this: it keeps no other VLM from having complete cases. Without complete cases, each
    VLM's accuracy is over its own known outcomes, since nothing better is left.

    Parameters
    ----------
    train_outcomes : float array of shape (N, S), 1 correct, 0 wrong, NaN unknown

    Returns
    -------
    float64 array of shape (S,), NaN for a VLM without a known outcome
    """
    outcomes = checked_outcomes(train_outcomes)
    comparable = _is_comparable(outcomes)
    return train_accuracy(outcomes[comparable] if comparable.any() else outcomes)


def num_comparable(train_outcomes: FloatArray) -> int:
    """Return on how many training queries the best single VLM is chosen: their complete cases."""
    return int(_is_comparable(np.asarray(train_outcomes)).sum())


def single_vlm_em(
    outcomes: FloatArray, groups: NDArray, samples: int, seed: int, vlms: Sequence[str]
) -> dict[str, Metrics]:
    """Return the EM of always asking one VLM, for each VLM, on the complete cases of the pool.

    Parameters
    ----------
    outcomes : float array of shape (N, S), NaN = unknown
    groups : array of shape (N,), the scene of each query
    vlms : S names

    Returns
    -------
    {vlm: {"em", "em_low", "em_high", "em_all", "queries"}}, over the answerable queries except `em_all`; the numbers
    are None without such queries
    """
    outcomes = checked_outcomes(outcomes)
    if outcomes.shape[1] != len(vlms) or np.shape(groups) != outcomes.shape[:1]:
        raise ValueError(
            f"single_vlm_em: expected {outcomes.shape[1]} VLM names and {len(outcomes)} groups, "
            f"got {len(vlms)} and {np.shape(groups)}"
        )
    complete = is_complete(outcomes)
    outcomes, groups = outcomes[complete], np.asarray(groups)[complete]
    answerable = is_answerable(outcomes)
    kept = outcomes[answerable]
    draws = bootstrap_means(kept, groups[answerable], samples, seed) if len(kept) else kept
    table: dict[str, Metrics] = {}
    for column, vlm in enumerate(vlms):
        low, high = interval(draws[:, column])
        table[vlm] = {
            "em": known_mean(kept[:, column]),
            "em_low": low,
            "em_high": high,
            "em_all": known_mean(outcomes[:, column]),
            "queries": len(kept),
        }
    return table


def _is_comparable(outcomes: FloatArray) -> NDArray[np.bool_]:
    """The complete cases of the VLMs with any outcome; none if no VLM has one."""
    seen = ~np.isnan(outcomes).all(axis=0)
    return is_complete(outcomes[:, seen]) & seen.any()
