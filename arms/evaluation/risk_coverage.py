"""Risk and coverage: how wrong a router is on the queries that it is surest of.

El-Yaniv and Wiener, "On the foundations of noise-free selective classification", JMLR 2010; the area and its excess
over the best order are those of Geifman et al., arXiv:1805.08206.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arms.evaluation.outcomes import FloatArray

POINTS = 20


def risk_coverage(confidence: FloatArray, correct: FloatArray, points: int = POINTS) -> dict[str, Any] | None:
    """Return the risk of the surest queries by their share, and the area under that curve.

    Parameters
    ----------
    confidence : float array of shape (N,), the router's confidence in the VLM that it chose
    correct : float array of shape (N,), 0 or 1, whether that VLM was right
    points : how many coverages the curve has, evenly from 1 / points to 1

    Returns
    -------
    dict or None
        None without queries, else `curve`, a list of {"coverage", "risk"}; `aurc`, the mean risk over all coverages
        1/N to 1; and `excess_aurc`, what it has over an order that puts every wrong query last. Queries of equal
        confidence count as if in random order.

    Raises
    ------
    ValueError
        If the shapes disagree, or a value of `correct` is not 0 or 1.
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if sure.ndim != 1 or sure.shape != right.shape:
        raise ValueError(f"risk_coverage: expected two arrays of one shape (N,), got {sure.shape} and {right.shape}")
    if not np.isin(right, (0, 1)).all():
        raise ValueError("risk_coverage: expected every value of correct to be 0 or 1; leave out unknown outcomes")
    if not len(right):
        return None
    risks = _risks(_expected_wrong(sure, 1 - right))
    best = _risks(np.sort(1 - right))
    at = np.ceil(np.arange(1, points + 1) * len(risks) / points).astype(int) - 1
    return {
        "curve": [{"coverage": (row + 1) / len(risks), "risk": float(risks[row])} for row in np.unique(at).tolist()],
        "aurc": float(risks.mean()),
        "excess_aurc": float((risks - best).mean()),
    }


def _expected_wrong(confidence: NDArray[np.float64], wrong: NDArray[np.float64]) -> NDArray[np.float64]:
    """Which queries are wrong, the surest first; those of equal confidence share their wrong ones evenly."""
    _, tie = np.unique(-confidence, return_inverse=True)
    shares = np.bincount(tie, wrong) / np.bincount(tie)
    return shares[np.sort(tie)]


def _risks(wrong: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share wrong among the first n queries, for every n from 1 to N."""
    return wrong.cumsum() / np.arange(1, len(wrong) + 1)
