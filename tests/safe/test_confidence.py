import numpy as np
import pytest
from scipy.special import expit

from arms.safe.confidence import fit_confidence
from tests.safe.made import draw

EVERYONE = np.ones(4, dtype=bool)


def made(count=2000, seed=0, slope=0.5):
    """Scores of four VLMs, levels by two sources, and outcomes: scores count by a slope, and only one level is true."""
    random = np.random.default_rng(seed)
    scores, levels = random.normal(size=(count, 4)) * 2, random.normal(size=(count, 2))
    chances = expit(slope * (scores - scores.mean(axis=1, keepdims=True)) + levels[:, :1] - 0.7)
    return scores, levels, draw(chances, seed + 1), chances


def test_chances_are_calibrated():
    scores, levels, outcomes, _ = made()
    confidence = fit_confidence(scores, levels, outcomes)
    scores, levels, outcomes, chances = made(seed=5)
    told = confidence.of(scores, levels, EVERYONE)
    np.testing.assert_allclose(told, chances, atol=0.08)
    edges = np.quantile(told, [0.2, 0.4, 0.6, 0.8])
    for part in range(5):
        there = np.digitize(told, edges) == part
        assert told[there].mean() == pytest.approx(outcomes[there].mean(), abs=0.04)
    assert ((told - outcomes) ** 2).mean() < ((expit(scores) - outcomes) ** 2).mean() - 0.02


@pytest.mark.parametrize("slope", [0.5, 0.0, -1.0])
def test_the_order_of_a_querys_vlms_stays(slope):
    """Even where a higher score has not been a better chance."""
    scores, levels, outcomes, _ = made(300, slope=slope)
    told = fit_confidence(scores, levels, outcomes).of(scores, levels, EVERYONE)
    np.testing.assert_array_equal(told.argsort(axis=1), scores.argsort(axis=1))
    assert ((told >= 0) & (told <= 1)).all()


def test_unknown_outcomes_are_left_out():
    scores, levels, outcomes, chances = made()
    outcomes[draw(np.full(outcomes.shape, 0.5), 3) == 1] = np.nan
    outcomes[:500] = np.nan
    told = fit_confidence(scores, levels, outcomes).of(scores, levels, EVERYONE)
    np.testing.assert_allclose(told, chances, atol=0.12)
    scores[:500] *= -30
    np.testing.assert_array_equal(
        fit_confidence(scores, levels, outcomes).of(scores, levels, EVERYONE)[500:], told[500:]
    )


def test_without_outcomes():
    scores, levels, outcomes, _ = made(20)
    for known in (np.full_like(outcomes, np.nan), outcomes[:0]):
        told = fit_confidence(scores[: len(known)], levels[: len(known)], known).of(scores, levels, EVERYONE)
        np.testing.assert_array_equal(told.argsort(axis=1), scores.argsort(axis=1))
        assert ((told > 0) & (told < 1)).all()


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_where_all_are_right_or_none(fill):
    scores, levels, outcomes, _ = made(300)
    told = fit_confidence(scores, levels, np.full_like(outcomes, fill)).of(scores, levels, EVERYONE)
    assert np.isfinite(told).all()
    assert np.median(np.abs(told - fill)) < 0.1


def test_a_vlm_that_joined_later_moves_no_other():
    scores, levels, outcomes, _ = made(300)
    confidence = fit_confidence(scores, levels, outcomes)
    more = np.column_stack([scores, scores[:, 0] + 3])
    told = confidence.of(more, levels, np.arange(5) < 4)
    np.testing.assert_allclose(told[:, :4], confidence.of(scores, levels, EVERYONE))
    assert (told[:, 4] > told[:, 0]).all()
