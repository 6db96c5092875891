import numpy as np
import pytest
from scipy.special import expit

from arms.safe.weights import _pair_loss, fit_share, fit_weights
from tests.safe.made import draw, evidence_of

EVEN = np.linspace(0, 1, 9)


def made(count=800, num_vlms=4, seed=0):
    """True contrasts, noise of the same size, outcomes that follow the truth, and novelty: none tells of another."""
    random = np.random.default_rng(seed)
    truth, noise = random.normal(size=(2, count, num_vlms)) * 1.5
    outcomes = draw(expit(truth + random.normal(size=(count, 1))), seed + 1)
    return truth, noise, outcomes, random.random(count)


def fit(sources, outcomes, novelty, base=None, shares=None):
    evidence = evidence_of(np.stack(sources, axis=2), base, novelty)
    return fit_weights(evidence, outcomes, np.ones(len(outcomes)) if shares is None else shares)


def test_a_true_source_counts_and_noise_does_not():
    truth, noise, outcomes, novelty = made()
    weights = fit([truth, noise], outcomes, novelty).at(EVEN)
    assert (weights[:, 0] > 0.6).all()
    assert (weights[:, 1] < 0.15).all()


def test_a_source_that_says_the_opposite_counts_for_nothing():
    truth, _, outcomes, novelty = made()
    np.testing.assert_allclose(fit([-truth], outcomes, novelty).at(EVEN), 0, atol=1e-9)


def test_a_source_that_knows_only_familiar_queries_counts_only_there():
    truth, noise, outcomes, novelty = made()
    source = np.where(novelty[:, None] < 0.5, truth, noise)
    weights = fit([source], outcomes, novelty).at(np.array([0.05, 0.95]))[:, 0]
    assert weights[0] > 0.6
    assert weights[1] < 0.2


def test_a_source_that_knows_only_new_queries_counts_no_more_there():
    truth, noise, outcomes, novelty = made()
    source = np.where(novelty[:, None] > 0.5, truth, noise)
    weights = fit([source, truth], outcomes, novelty).at(EVEN)
    assert (np.diff(weights, axis=0) <= 1e-12).all()
    assert (weights >= 0).all()


def test_the_base_rates_count_too():
    """A source that says what the base rates say already has nothing to add."""
    random, base = np.random.default_rng(0), np.array([1.5, 0.0, -1.5])
    outcomes = draw(np.tile(expit(base), (800, 1)), 1)
    source, novelty = np.tile(base, (800, 1)), random.random(800)
    assert fit([source], outcomes, novelty, base).at(EVEN).max() < 0.2
    assert fit([source], outcomes, novelty).at(EVEN).min() > 0.6


def test_unknown_outcomes_are_left_out():
    truth, noise, outcomes, novelty = made()
    outcomes[:400] = np.nan
    half = fit([truth, noise], outcomes, novelty, shares=np.ones(800))
    truth[:400], noise[:400] = noise[:400], truth[:400]
    np.testing.assert_allclose(half.values, fit([truth, noise], outcomes, novelty).values)


def test_queries_count_by_their_shares():
    truth, noise, outcomes, novelty = made()
    source = truth.copy()
    source[400:] = noise[400:]
    first, last = (fit([source], outcomes, novelty, shares=shares) for shares in np.eye(2)[:, [0] * 400 + [1] * 400])
    assert first.at(EVEN).min() > 0.6
    assert last.at(EVEN).max() < 0.2
    mixed = fit([source], outcomes, novelty, shares=np.repeat([9.0, 1.0], 400)).at(EVEN)
    even = fit([source], outcomes, novelty).at(EVEN)
    assert (even + 0.1 < mixed).all()


@pytest.mark.parametrize("fill", [0.0, 1.0, np.nan])
def test_without_a_pair_of_right_and_wrong_nothing_counts(fill):
    truth, noise, outcomes, novelty = made(50)
    weights = fit([truth, noise], np.full(outcomes.shape, fill), novelty)
    np.testing.assert_array_equal(weights.at(EVEN), np.zeros((len(EVEN), 2)))


def test_without_queries_nothing_counts():
    weights = fit([np.empty((0, 3))], np.empty((0, 3)), np.empty(0))
    np.testing.assert_array_equal(weights.at(EVEN), np.zeros((len(EVEN), 1)))


def test_the_weighted_sum():
    truth, noise, outcomes, novelty = made(100)
    evidence = evidence_of(np.stack([truth, noise], axis=2), novelty=novelty)
    weights = fit_weights(evidence, outcomes, np.ones(100))
    at = weights.at(novelty)
    np.testing.assert_allclose(weights.contrasts(evidence), truth * at[:, :1] + noise * at[:, 1:])


def test_the_slope_of_the_loss():
    random = np.random.default_rng(0)
    scores, outcomes, share = random.normal(size=(6, 4)), draw(np.full((6, 4), 0.5), 1), random.random(6)
    outcomes[:, 0], outcomes[:, 1], outcomes[2, 2] = 1, 0, np.nan
    _, slope = _pair_loss(scores, outcomes, share)
    numerical = np.empty_like(scores)
    for place in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[place] = 1e-5
        up, down = (_pair_loss(scores + sign * step, outcomes, share)[0] for sign in (1, -1))
        numerical[place] = (up - down) / 2e-5
    np.testing.assert_allclose(slope, numerical, atol=1e-8)
    assert slope[2, 2] == 0


def test_the_loss_by_hand():
    scores, outcomes = np.array([[2.0, 0.0, 1.0]]), np.array([[1.0, 0.0, 0.0]])
    loss, _ = _pair_loss(scores, outcomes, np.array([1.0]))
    assert loss == pytest.approx((np.log1p(np.exp(-2)) + np.log1p(np.exp(-1))) / 2)
    shifted, _ = _pair_loss(scores + 7, outcomes, np.array([1.0]))  # a query's level cancels
    assert shifted == pytest.approx(loss)


class TestFitShare:
    @pytest.mark.parametrize("expected", [0.0, 0.5, 1.0])
    def test_a_true_contrast_counts_more_than_noise(self, expected):
        truth, noise, outcomes, _ = made(400)
        base = np.zeros_like(truth)
        assert fit_share(base, truth, outcomes, expected) > 0.5
        assert fit_share(base, noise, outcomes, expected) < 0.3
        assert fit_share(base, -truth, outcomes, expected) < 0.05
        assert 0 <= fit_share(base, 0.1 * truth, outcomes, expected) <= 1

    def test_few_queries_leave_it_as_expected(self):
        truth, noise, outcomes, _ = made(400)
        base = np.zeros_like(truth)
        assert fit_share(base[:2], truth[:2], outcomes[:2], 0.1) < fit_share(base, truth, outcomes, 0.1) - 0.2
        assert fit_share(base[:2], noise[:2], outcomes[:2], 0.9) > fit_share(base, noise, outcomes, 0.9) + 0.2

    def test_without_outcomes(self):
        truth, _, outcomes, _ = made(20)
        base = np.zeros_like(truth)
        assert fit_share(base, truth, np.full_like(outcomes, np.nan), 0.3) == 0.3
        assert fit_share(base[:0], truth[:0], outcomes[:0], 0.3) == 0.3
