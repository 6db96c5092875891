"""What a choice is expected to earn before it is seen: the part of a doubly robust estimate that is no draw.

Cross-fitted: what is expected on a group of decisions is learned from other groups only, as the estimate's interval
takes the expectation for given (Chernozhukov et al. 2018).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from arms.evaluation.off_policy.logged import Logged

FloatArray = NDArray[np.float64]
FOLDS = 5
_SURE = 0.01  # a confidence stays this far from 0 and 1
_PRIOR = 1.0  # strength with which the confidences are taken as they are
_STEPS = 25


def expected_rewards(logged: Logged, seed: int = 0) -> FloatArray:
    """The router's confidences, calibrated on what was logged: shape (N, S), in [0, 1].

    Platt scaling, sigmoid(b0 + b1 logit(c)), one for all VLMs, drawn to b0 = 0, b1 = 1. A VLM without a confidence is
    expected to do as well as all that were chosen did on average.
    """
    scores_NS = logit(np.clip(logged.confidence, _SURE, 1 - _SURE))
    chosen = logged.at_choice(scores_NS)
    expected = np.empty_like(scores_NS)
    for held in _folds(logged.groups, seed):
        learned = ~held & ~np.isnan(chosen)
        offset, slope = _platt(chosen[learned], logged.value[learned])
        expected[held] = expit(offset + slope * scores_NS[held])
    return np.where(np.isnan(expected), logged.value.mean(), expected)


def expected_costs(logged: Logged, seed: int = 0) -> FloatArray:
    """The mean cost of each VLM on the decisions of other groups, shape (N, S); of one never seen there, of all."""
    expected = np.empty(logged.possible.shape)
    for held in _folds(logged.groups, seed):
        chosen, value = logged.chosen[~held], logged.value[~held]
        count = np.bincount(chosen, minlength=len(logged.vlms))
        total = np.bincount(chosen, value, minlength=len(logged.vlms))
        of_all = value.mean() if len(value) else 0.0
        expected[held] = np.divide(total, count, out=np.full(len(count), of_all), where=count > 0)
    return expected


def _folds(groups: NDArray, seed: int) -> list[NDArray[np.bool_]]:
    """Which decisions each fold holds; those of one group stay together."""
    labels, group_of = np.unique(groups, return_inverse=True)
    fold_of = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    return [fold_of[group_of] == fold for fold in range(FOLDS)]


def _platt(score: FloatArray, right: FloatArray) -> tuple[float, float]:
    """Offset and slope of the most likely sigmoid, by Newton's method, with a normal prior around 0 and 1."""
    inputs = np.stack([np.ones_like(score), score], axis=1)
    prior = np.array([0.0, 1.0])
    at = prior.copy()
    for _ in range(_STEPS):
        chance = expit(inputs @ at)
        slope = inputs.T @ (right - chance) - _PRIOR * (at - prior)
        curvature = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + _PRIOR * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        at = at + step
        if np.abs(step).max() < 1e-8:
            break
    return float(at[0]), float(at[1])
