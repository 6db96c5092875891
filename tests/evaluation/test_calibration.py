"""Calibration: hand-worked bins, and scikit-learn's curve."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from arms.evaluation.calibration import expected_calibration_error, reliability_curve, vlm_calibration


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


def test_of_each_vlm():
    confidence = np.array([[0.9, 0.2, 0.5], [0.7, 0.4, 0.5], [0.1, np.nan, 0.5]])
    outcomes = np.array([[1, 1, np.nan], [0, 1, np.nan], [0, np.nan, np.nan]])
    table = vlm_calibration(confidence, outcomes, ["x", "y", "z"], bins=2)
    assert list(table) == ["x", "y", "z"]
    # x: the upper bin holds 0.9 and 0.7, of which one is right; the lower one 0.1, which is wrong.
    assert table["x"] == {
        "ece": pytest.approx(2 / 3 * 0.3 + 1 / 3 * 0.1),
        "overconfidence": pytest.approx(1.7 / 3 - 1 / 3),
        "queries": 3,
    }
    assert table["y"] == {"ece": pytest.approx(0.7), "overconfidence": pytest.approx(-0.7), "queries": 2}
    assert table["z"] == {"ece": None, "overconfidence": None, "queries": 0}


def test_of_each_vlm_agrees_with_the_pooled_one():
    rng = np.random.default_rng(0)
    confidence = rng.random((200, 3))
    outcomes = np.where(rng.random((200, 3)) < 0.2, np.nan, rng.random((200, 3)) < confidence)
    table = vlm_calibration(confidence, outcomes, ["x", "y", "z"])
    for column, metrics in enumerate(table.values()):
        known = ~np.isnan(outcomes[:, column])
        assert metrics["ece"] == expected_calibration_error(confidence[known, column], outcomes[known, column])
        assert abs(metrics["overconfidence"]) <= metrics["ece"] + 1e-12
    assert sum(metrics["queries"] for metrics in table.values()) == (~np.isnan(outcomes)).sum()


def test_of_each_vlm_refuses():
    with pytest.raises(ValueError, match=r"expected confidence of shape \(2, 3\) and 3 VLM names, got \(2, 3\) and 2"):
        vlm_calibration(np.zeros((2, 3)), np.zeros((2, 3)), ["x", "y"])
    with pytest.raises(ValueError, match=r"expected 0, 1 or NaN \(unknown\), got 0.5"):
        vlm_calibration(np.zeros((1, 1)), np.full((1, 1), 0.5), ["x"])
