"""Calibration: does a confidence of 0.7 mean right seven times in ten?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arms.evaluation.outcomes import checked_outcomes

NUM_BINS = 15


def reliability_curve(confidence: NDArray[Any], correct: NDArray[Any], bins: int = NUM_BINS) -> list[dict[str, Any]]:
    """Compare confidence with the share correct in bins of equal width over [0, 1].

    Parameters
    ----------
    confidence : float array of shape (P,), in [0, 1]
    correct : array of shape (P,), 0 or 1
    bins : int, at least 1; a bin includes its lower edge, the last bin both edges

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


def vlm_calibration(
    confidence: NDArray[Any], outcomes: NDArray[Any], vlms: Sequence[str], bins: int = NUM_BINS
) -> dict[str, dict[str, float | int | None]]:
    """Return how well a router's confidences in each VLM are calibrated, on the queries where its outcome is known.

    Parameters
    ----------
    confidence : float array of shape (N, S), in [0, 1]
    outcomes : float array of shape (N, S), 1 correct, 0 wrong, NaN unknown
    vlms : S names
    bins : int, at least 1

    Returns
    -------
    {vlm: {"ece", "overconfidence": mean confidence - share correct, in [-1, 1], "queries": count}}, in the order given;
    both numbers are None if no outcome is known

    Raises
    ------
    ValueError
        If the shapes disagree, an outcome is not 0, 1 or NaN, or the confidence of a known one is outside [0, 1].
    """
    outcomes = checked_outcomes(outcomes)
    confidence = np.asarray(confidence, dtype=np.float64)
    if confidence.shape != outcomes.shape or outcomes.shape[1] != len(vlms):
        raise ValueError(
            f"vlm_calibration: expected confidence of shape {outcomes.shape} and {outcomes.shape[1]} VLM names, "
            f"got {confidence.shape} and {len(vlms)}"
        )
    table: dict[str, dict[str, float | int | None]] = {}
    for column, vlm in enumerate(vlms):
        known = ~np.isnan(outcomes[:, column])
        sure, correct = confidence[known, column], outcomes[known, column]
        table[vlm] = {
            "ece": expected_calibration_error(sure, correct, bins),
            "overconfidence": float(sure.mean() - correct.mean()) if len(correct) else None,
            "queries": len(correct),
        }
    return table
