"""Targets of a softmax over VLMs: which of its right VLMs a query should go to."""

from typing import Literal

import numpy as np

TargetKind = Literal["cheapest", "soft"]


def target_shares(outcomes_NS: np.ndarray, costs_NS: np.ndarray | None, kind: TargetKind, penalty: float) -> np.ndarray:
    """How much of each query should go to each VLM.

    `cheapest` is the cheapest right VLM, the target of SCOPE-Router's kNN; equally cheap ones share the query.
    `soft` is t_m proportional to 1[Y_m] exp(-penalty C_m), VL-RouterBench's label. Costs C are in units of the mean
    cost, so a penalty means the same in any currency. Without costs both give all right VLMs equal shares.

    Parameters
    ----------
    outcomes_NS : ndarray of shape (N, S)
        1 right, 0 wrong, NaN unknown.
    costs_NS : ndarray of shape (N, S), float32, USD, no NaN; or None
    kind : "cheapest" or "soft"
    penalty : float, >= 0
        Weight of the cost in `soft`; at 0 all right VLMs share equally.

    Returns
    -------
    ndarray of shape (N, S), float32; rows sum to 1, or to 0 where no VLM is known to be right

    Raises
    ------
    ValueError
        If the costs have another shape than the outcomes.
    """
    right_NS = outcomes_NS == 1
    if costs_NS is None:
        costs_NS = np.zeros(outcomes_NS.shape)
    if costs_NS.shape != outcomes_NS.shape:
        raise ValueError(f"costs: expected the shape of the outcomes, {outcomes_NS.shape}, got {costs_NS.shape}")
    costs_NS = costs_NS.astype(np.float64)
    least_N1 = np.where(right_NS, costs_NS, np.inf).min(axis=1, keepdims=True)
    dearer_NS = np.where(right_NS, costs_NS - least_N1, 0.0)
    if kind == "cheapest":
        weight_NS = (right_NS & (dearer_NS == 0)).astype(np.float64)
    else:
        # Without the least cost: this changes no share, and a strong penalty cannot leave a row of zeros.
        unit = costs_NS.mean() if costs_NS.any() else 1.0
        weight_NS = right_NS * np.exp(-penalty * dearer_NS / unit)
    shares_NS = weight_NS / np.where(right_NS.any(axis=1), weight_NS.sum(axis=1), 1.0)[:, None]
    return shares_NS.astype(np.float32)
