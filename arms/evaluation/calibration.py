"""Calibration: does a confidence of 0.7 mean right seven times in ten?"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 15


def reliability_curve(confidence: NDArray[Any], correct: NDArray[Any], bins: int = NUM_BINS) -> list[dict[str, Any]]:
    """Compare confidence with the share correct in bins of equal width over [0, 1].

    Parameters
    ----------
    confidence : float array of shape (P,), in [0, 1]
    correct : array of shape (P,), 0 or 1
    bins : int, at least 1; a bin holds its lower edge, the last one both

    Returns
    -------
    list of {"bin": int from 0, "confidence": mean, "correct": share, "pairs": count}, without the empty bins

    Raises
    ------
    ValueError
        If the shapes disagree or a confidence is outside [0, 1].
    """
    confidence = np.asarray(confidence, dtype=np.float64)
    correct = np.asarray(correct, dtype=np.float64)
    if confidence.ndim != 1 or confidence.shape != correct.shape or bins < 1:
        raise ValueError(
            "reliability_curve: expected two arrays of one shape (P,) and bins >= 1, "
            f"got {confidence.shape}, {correct.shape} and {bins}"
        )
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("reliability_curve: expected confidences in [0, 1], got some outside")
    inner_edges = np.linspace(0, 1, bins + 1)[1:-1]
    bin_of = np.searchsorted(inner_edges, confidence, side="right")
    pairs = np.bincount(bin_of, minlength=bins)
    confidence_sum = np.bincount(bin_of, confidence, bins)
    correct_sum = np.bincount(bin_of, correct, bins)
    return [
        {
            "bin": int(index),
            "confidence": float(confidence_sum[index] / pairs[index]),
            "correct": float(correct_sum[index] / pairs[index]),
            "pairs": int(pairs[index]),
        }
        for index in np.flatnonzero(pairs)
    ]


def expected_calibration_error(confidence: NDArray[Any], correct: NDArray[Any], bins: int = NUM_BINS) -> float | None:
    """Return ECE = sum_b (pairs_b / P) |correct_b - confidence_b|, or None without pairs.

    Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599, Eq. 3. Parameters and errors are those of
    `reliability_curve`.
    """
    curve = reliability_curve(confidence, correct, bins)
    total = sum(point["pairs"] for point in curve)
    if not total:
        return None
    return sum(point["pairs"] * abs(point["correct"] - point["confidence"]) for point in curve) / total
