"""Temperature calibration (Guo et al., arXiv:1706.04599): fit confidences to frequencies; no choice changes."""

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_expit

_LOWEST, _HIGHEST = 0.05, 20.0


def fit_temperature(logits_NS: np.ndarray, outcomes_NS: np.ndarray) -> float:
    """The T > 0 that minimises the cross-entropy of sigmoid(t / T) on the known outcomes.

    Parameters
    ----------
    logits_NS, outcomes_NS : ndarray of shape (N, S)
        1 right, 0 wrong, NaN unknown; of queries that the router was not trained on.

    Returns
    -------
    float
        From 0.05 to 20; 1 if no outcome is known.
    """
    known = ~np.isnan(outcomes_NS)
    if not known.any():
        return 1.0
    signed = np.where(outcomes_NS[known] == 1, 1.0, -1.0) * logits_NS[known].astype(np.float64)

    def loss(log_temperature: float) -> float:
        return float(-log_expit(signed * math.exp(-log_temperature)).mean())

    # The loss is convex in 1 / T, so it has one minimum there, and therefore one in log T.
    found = minimize_scalar(loss, bounds=(math.log(_LOWEST), math.log(_HIGHEST)), method="bounded")
    return math.exp(float(found.x))
