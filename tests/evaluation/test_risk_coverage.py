"""Risk by coverage, and how far confidences can be trusted, by numbers worked by hand."""

import numpy as np
import pytest

from arms.evaluation.risk_coverage import risk_coverage
from arms.evaluation.trust import Choices, trust


def test_worked_by_hand():
    # Surest first: right, wrong, right, right; risks 0, 1/2, 1/3, 1/4. At best the wrong one is last: 0, 0, 0, 1/4.
    found = risk_coverage([0.9, 0.8, 0.6, 0.7], [1, 0, 1, 1], points=2)
    assert found["aurc"] == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert found["excess_aurc"] == pytest.approx((1 / 2 + 1 / 3) / 4)
    assert found["curve"] == [{"coverage": 0.5, "risk": 0.5}, {"coverage": 1.0, "risk": 0.25}]


def test_equal_confidences_count_as_if_in_random_order():
    correct = np.array([1, 0, 0, 1, 1, 0, 1, 1])
    confidence = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1])
    rng = np.random.default_rng(0)
    shuffled = [risk_coverage(confidence + rng.uniform(0, 1e-6, len(confidence)), correct)["aurc"] for _ in range(4000)]
    assert risk_coverage(confidence, correct)["aurc"] == pytest.approx(np.mean(shuffled), abs=0.005)
    assert risk_coverage(confidence, correct) == risk_coverage(confidence[::-1], correct[::-1])


def test_the_best_order_has_no_excess():
    assert risk_coverage([0.9, 0.8, 0.1], [1, 1, 0])["excess_aurc"] == 0
    assert risk_coverage([], []) is None


def test_errors():
    with pytest.raises(ValueError, match=r"expected two arrays of one shape \(N,\), got \(2,\) and \(1,\)"):
        risk_coverage([0.1, 0.2], [1])
    with pytest.raises(ValueError, match="expected every value of correct to be 0 or 1"):
        risk_coverage([0.1], [np.nan])


def test_trust_is_over_all_parts_together():
    first = Choices(np.array([0.8]), np.array([1.0]), np.array([[0.8, 0.2]]), np.array([[1.0, 0.0]]))
    second = Choices(np.array([0.6]), np.array([0.0]), np.array([[0.4, 0.6]]), np.array([[np.nan, 0.0]]))
    found = trust([first, second])
    assert found["overconfidence"] == pytest.approx(0.7 - 0.5)
    assert found["queries"] == 2
    # Three known pairs in bins of their own: 0.8 right, 0.2 wrong, 0.6 wrong.
    assert found["ece_all"] == pytest.approx((0.2 + 0.2 + 0.6) / 3)
    assert found["aurc"] == pytest.approx((0 + 0.5) / 2)
