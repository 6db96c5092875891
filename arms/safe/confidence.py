"""From joined logits to chances of being right: levels come back in, by one logistic regression over all pairs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

_RIDGE = 1.0  # on the squared coefficients, in outcomes
_FLATTEST = 0.05  # least slope on the contrast between VLMs: a higher score stays a better chance
_MOST_QUERIES = 20_000
_SEED = 1


@dataclass(frozen=True, eq=False)
class Confidence:
    """logit P(right) = slope (score - query's mean score) + level(query).

    level = offset + mean_slope * query's mean score + sum_c levels[c] * level of source c

    The mean is over the VLMs that it was fitted on, whatever joined later.

    Attributes
    ----------
    slope, mean_slope, offset : float
    levels : ndarray of shape (C,)
    """

    slope: float
    mean_slope: float
    offset: float
    levels: np.ndarray

    def of(self, scores_MS: np.ndarray, levels_MC: np.ndarray, old_S: np.ndarray) -> np.ndarray:
        """Chances of being right, shape (M, S), in [0, 1]; a query's VLMs keep the order of their scores.

        Parameters
        ----------
        old_S : ndarray of shape (S,), bool
            The VLMs that it was fitted on.
        """
        mean_M1 = scores_MS[:, old_S].mean(axis=1, keepdims=True)
        level_M1 = self.offset + self.mean_slope * mean_M1 + (levels_MC @ self.levels)[:, None]
        chances: np.ndarray = expit(self.slope * (scores_MS - mean_M1) + level_M1)
        return chances


def fit_confidence(scores_MS: np.ndarray, levels_MC: np.ndarray, outcomes_MS: np.ndarray) -> Confidence:
    """Fit the regression to the known outcomes of left-out queries."""
    num_sources = levels_MC.shape[1]
    told = np.flatnonzero((~np.isnan(outcomes_MS)).any(axis=1))
    if not len(told):
        return Confidence(1.0, 1.0, 0.0, np.zeros(num_sources))
    if len(told) > _MOST_QUERIES:
        told = np.sort(np.random.default_rng(_SEED).permutation(told)[:_MOST_QUERIES])
    scores_MS, levels_MC, outcomes_MS = scores_MS[told], levels_MC[told], outcomes_MS[told]
    known_MS = ~np.isnan(outcomes_MS)
    mean_M1 = scores_MS.mean(axis=1, keepdims=True)
    rows, columns = np.nonzero(known_MS)
    inputs = np.column_stack(
        [(scores_MS - mean_M1)[rows, columns], mean_M1[rows, 0], np.ones(len(rows)), levels_MC[rows]]
    )
    right = outcomes_MS[rows, columns]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        logits = inputs @ values
        value = (np.logaddexp(0, logits) - right * logits).mean()
        slope = inputs.T @ (expit(logits) - right) / len(right)
        ridge = _RIDGE / len(right)
        return value + ridge * (values**2).sum(), slope + 2 * ridge * values

    start = np.concatenate([[1.0, 1.0, 0.0], np.zeros(num_sources)])
    bounds = [(_FLATTEST, None)] + [(None, None)] * (len(start) - 1)
    found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    slope, mean_slope, offset, *levels = found.x
    return Confidence(float(slope), float(mean_slope), float(offset), np.array(levels))
