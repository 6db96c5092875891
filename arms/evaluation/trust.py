"""How far a router's confidences can be trusted on some queries: calibration, and risk by coverage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arms.evaluation.calibration import expected_calibration_error
from arms.evaluation.outcomes import FloatArray, known_pairs
from arms.evaluation.risk_coverage import risk_coverage


@dataclass(frozen=True, eq=False)
class Choices:
    """What one router chose on N queries, over a pool of S VLMs.

    Attributes
    ----------
    sure : float array of shape (N,), in [0, 1]
        Its confidence in the VLM that it chose.
    correct : float array of shape (N,), 0 or 1
        Whether that VLM was right.
    confidence, outcomes : float arrays of shape (N, S)
        Its confidence in every VLM, and who was right; NaN unknown.
    """

    sure: FloatArray
    correct: FloatArray
    confidence: FloatArray
    outcomes: FloatArray


def trust(parts: Sequence[Choices]) -> dict[str, Any]:
    """Return calibration and risk-coverage over several sets of queries together.

    Returns
    -------
    dict
        `ece_all`, over all pairs of a query and a VLM; `overconfidence`, the mean confidence in the chosen VLM less the
        share that was right; `queries`; and what `risk_coverage` returns (all None without queries).
    """
    sure, correct = (np.concatenate([getattr(part, name) for part in parts]) for name in ("sure", "correct"))
    pairs = [known_pairs(part.confidence, part.outcomes, answerable=False) for part in parts]
    confidence, right = (np.concatenate([pair[place] for pair in pairs]) for place in (0, 1))
    return {
        "ece_all": expected_calibration_error(confidence, right),
        "overconfidence": float(sure.mean() - correct.mean()) if len(sure) else None,
        "queries": len(sure),
        **(risk_coverage(sure, correct) or {"curve": [], "aurc": None, "excess_aurc": None}),
    }
