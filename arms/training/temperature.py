"""Temperature calibration (Guo et al., arXiv:1706.04599): confidences as frequent as they say, choices as before."""

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
        1 right, 0 wrong, NaN unknown. They must not have been trained on.

    Returns
    -------
    float
        1 where no outcome is known; from 0.05 to 20.
    """
    known = ~np.isnan(outcomes_NS)
    if not known.any():
        return 1.0
    signed = np.where(outcomes_NS[known] == 1, 1.0, -1.0) * logits_NS[known].astype(np.float64)

    def loss(log_temperature: float) -> float:
        return float(-log_expit(signed * math.exp(-log_temperature)).mean())

    # The loss has one minimum in 1 / T, of which it is a convex function, and so one in log T.
    found = minimize_scalar(loss, bounds=(math.log(_LOWEST), math.log(_HIGHEST)), method="bounded")
    return math.exp(float(found.x))
