"""Calibration: hand-worked bins, and scikit-learn's curve."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from arms.evaluation.calibration import expected_calibration_error, reliability_curve


def test_by_hand():
    confidence = np.array([0.1, 0.3, 0.6, 0.8, 1.0])
    correct = np.array([0, 1, 1, 0, 1])
    low = {"bin": 0, "confidence": pytest.approx(0.2), "correct": 0.5, "pairs": 2}
    high = {"bin": 1, "confidence": pytest.approx(0.8), "correct": pytest.approx(2 / 3), "pairs": 3}
    assert reliability_curve(confidence, correct, bins=2) == [low, high]
    expected = 2 / 5 * 0.3 + 3 / 5 * (0.8 - 2 / 3)
    assert expected_calibration_error(confidence, correct, bins=2) == pytest.approx(expected)


def test_a_bin_holds_its_lower_edge_and_the_last_one_both():
    points = reliability_curve(np.array([0.0, 0.25, 0.5, 0.75, 1.0]), np.zeros(5), bins=4)
    assert [(point["bin"], point["pairs"]) for point in points] == [(0, 1), (1, 1), (2, 1), (3, 2)]


def test_against_scikit_learn():
    rng = np.random.default_rng(0)
    confidence = rng.random(500)
    correct = (rng.random(500) < confidence**2).astype(int)
    points = reliability_curve(confidence, correct)
    share, mean = calibration_curve(correct, confidence, n_bins=15)
    np.testing.assert_allclose([point["correct"] for point in points], share)
    np.testing.assert_allclose([point["confidence"] for point in points], mean)


def test_perfect_and_worst():
    assert expected_calibration_error(np.array([0.0, 1.0]), np.array([0, 1])) == 0
    assert expected_calibration_error(np.array([0.0, 1.0]), np.array([1, 0])) == 1


def test_no_pairs():
    assert reliability_curve(np.zeros(0), np.zeros(0)) == []
    assert expected_calibration_error(np.zeros(0), np.zeros(0)) is None


@pytest.mark.parametrize(
    ("confidence", "correct", "message"),
    [
        (np.zeros(3), np.zeros(2), "expected two arrays of one shape"),
        (np.array([1.2]), np.zeros(1), r"confidences in \[0, 1\]"),
        (np.array([np.nan]), np.zeros(1), r"confidences in \[0, 1\]"),
    ],
)
def test_refuses(confidence, correct, message):
    with pytest.raises(ValueError, match=message):
        reliability_curve(confidence, correct)
